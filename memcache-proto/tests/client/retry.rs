//! Requests that failed and are made again later, as `Settings::retry` asks for.

use memcache_proto::client::Retry;

use crate::*;

const BACKOFF: Duration = Duration::from_millis(100);

/// A server that is tried anew each time.
fn settings(retry: Retry) -> Settings {
    Settings { retry: retry.backoff(BACKOFF), dead_retry: Duration::ZERO, ..Settings::default() }
}

/// Answers a byte, and closes the connection.
const BREAKS_OFF: Mode = Mode::ClosesAt(1);

#[test]
fn what_may_be_made_again_is_so_often_and_then_fails_by_what_happened() {
    let get = get("a");
    let set = set("a", b"1");
    let (not_sent, unanswered) = (Delivery::NotSent, Delivery::Unanswered);
    let twice = Retry::times(2);
    let (eof, silent) = (FailureKind::Eof, FailureKind::SocketTimeout);
    // The mode of the server, the settings, the operation; how often it connects, and how the operation fails.
    let cases = [
        (Mode::Refusing, Retry::times(0), false, get, 1, (not_sent, REFUSED)),
        (Mode::Refusing, twice, false, get, 3, (not_sent, REFUSED)),
        (Mode::Refusing, twice, false, set, 3, (not_sent, REFUSED)),
        (Mode::Refusing, Retry::times(7), false, set, 8, (not_sent, REFUSED)),
        (Mode::Refusing, twice.refused(false), false, get, 1, (not_sent, REFUSED)),
        (Mode::Refusing, twice.lost(false).timeouts(false), false, get, 3, (not_sent, REFUSED)),
        (BREAKS_OFF, twice, false, get, 3, (unanswered, eof.clone())),
        // It may have been applied.
        (BREAKS_OFF, twice, false, set, 1, (unanswered, eof.clone())),
        (BREAKS_OFF, twice, true, set, 3, (unanswered, eof.clone())),
        (BREAKS_OFF, twice.lost(false), false, get, 1, (unanswered, eof)),
        (Mode::Silent, twice, false, get, 3, (unanswered, silent.clone())),
        (Mode::Silent, twice, false, set, 1, (unanswered, silent.clone())),
        (Mode::Silent, twice.timeouts(false), false, get, 1, (unanswered, silent)),
    ];
    for (mode, retry, resend_stores, operation, tried, expected) in cases {
        let what = format!("{mode:?}, {retry:?}, {resend_stores}, {operation:?}");
        let settings = Settings { resend_stores, ..settings(retry) };
        let mut net = Net::new(1, settings);
        net.peers[0].mode = mode;
        let outcome = net.perform(operation);
        assert_eq!(failed(outcome), expected, "{what}");
        assert_eq!(net.peers[0].tried, tried, "{what}");
        assert!(net.clients[0].is_idle() && net.clients[0].next_retry().is_none(), "{what}");
        net.peers[0].mode = Mode::Up;
        assert_eq!(value(net.get("b")), None, "{what}");
    }
}

#[test]
fn errors_of_the_server_and_of_the_caller_are_not_met_again() {
    for says in [&b"SERVER_ERROR busy\r\n"[..], b"ERROR\r\n", b"rubbish\r\n"] {
        let mut net = Net::new(1, settings(Retry::times(3)));
        net.peers[0].mode = Mode::Says(says);
        assert!(net.get("a").item().is_err());
        assert_eq!(net.heard(0), "get a\r\n", "{}", says.escape_ascii());
    }
}

/// Each wait is between half and the whole of what it may be, and twice as long as the one before.
#[test]
fn waits_grow_and_clients_do_not_come_back_together() {
    let retry = Retry::times(5).max_backoff(BACKOFF * 8);
    let mut net = Net::with_clients(6, 1, settings(retry));
    net.peers[0].mode = Mode::Refusing;
    let mut first = Vec::new();
    for client in 0..6 {
        let id = net.submit_on(client, get("a"));
        let mut before = net.now;
        for most in [1, 2, 4, 8, 8] {
            net.drive();
            let due = net.clients[client].next_retry().expect("it is made again");
            assert_eq!(net.clients[client].poll_timeout(), Some(due));
            let wait = due - before;
            assert!(wait >= BACKOFF * most / 2 && wait <= BACKOFF * most, "{most}: {wait:?}");
            if most == 1 {
                first.push(wait);
            }
            net.pass();
            before = net.now;
        }
        net.run();
        assert_eq!(failed(net.take_on(client, id).expect("it is done")).1, REFUSED);
    }
    first.sort_unstable();
    first.dedup();
    assert!(first.len() >= 5, "{first:?}");
}

#[test]
fn a_server_that_comes_back_in_time_answers() {
    let mut net = Net::new(2, Settings { failover: false, ..settings(Retry::times(3)) });
    let names = names(40);
    fill(&mut net, &names);
    for peer in [0, 1] {
        net.hang_up(peer);
    }
    // A look finds the end of the connections before anything is sent.
    net.wait(SECOND);
    net.peers[1].mode = Mode::Refusing;
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    let id = net.submit(Operation::GetMany { keys: &keys, cas: false });
    let one = net.submit(set(&net.key_on(&[1]), b"1"));
    net.drive();
    assert!(!net.is_done(id) && !net.is_done(one) && !net.clients[0].is_idle());
    net.peers[1].mode = Mode::Up;
    net.run();
    let many = net.take(id).many().expect("many keys");
    assert_eq!(many.failed, []);
    assert_eq!(found(&many, &names).len(), 40);
    assert_eq!(net.take(one).stored(), Ok(Stored::Stored));
    // Those that failed together are asked for together.
    assert_eq!(net.heard(1).matches("get ").count(), 1);
}

/// Where every server is dead the request waits, too, and fails by that at last.
#[test]
fn a_request_that_finds_all_servers_dead_waits() {
    let settings = Settings { dead_retry: BACKOFF * 2, ..settings(Retry::times(4)) };
    let mut net = Net::new(1, settings);
    net.peers[0].mode = Mode::Refusing;
    net.set("a", "1").stored().expect_err("it is dead");
    let id = net.submit(set("a", b"1"));
    assert!(!net.is_done(id) && net.clients[0].next_retry().is_some());
    net.peers[0].mode = Mode::Up;
    net.run();
    assert_eq!(net.take(id).stored(), Ok(Stored::Stored));
}

#[test]
fn the_time_of_an_operation_ends_its_waits() {
    let settings = Settings { operation_timeout: Some(BACKOFF * 3), ..settings(Retry::times(100)) };
    let mut net = Net::new(1, settings);
    net.peers[0].mode = Mode::Refusing;
    let began = net.now;
    assert_eq!(failed(net.get("a")), (Delivery::NotSent, REFUSED));
    assert_eq!(net.now - began, BACKOFF * 3);
    assert_eq!(net.clients[0].next_retry(), None);
    assert!(net.peers[0].tried >= 2);
}

#[test]
fn what_nobody_waits_for_any_more_is_not_made_again() {
    let put_off = || {
        let mut net = Net::new(1, settings(Retry::times(100)));
        net.peers[0].mode = Mode::Refusing;
        let id = net.submit(set("a", b"1"));
        net.drive();
        assert!(net.clients[0].next_retry().is_some() && !net.clients[0].is_idle());
        net.peers[0].mode = Mode::Up;
        (net, id)
    };

    let (mut net, id) = put_off();
    net.cancel(id);
    assert!(net.clients[0].is_idle());
    net.wait(SECOND);
    assert_eq!((net.heard(0).as_str(), net.clients[0].next_retry()), ("", None));

    let (mut net, id) = put_off();
    net.clients[0].disconnect_all(net.now);
    net.drive();
    assert_eq!(failed(net.take(id)), (Delivery::NotSent, REFUSED));
    net.wait(SECOND);
    assert_eq!(net.heard(0), "");

    let (mut net, _) = put_off();
    net.reset(0);
    net.wait(SECOND);
    assert_eq!((net.heard(0).as_str(), net.clients[0].next_retry()), ("", None));
}

/// What waits is bounded as what is queued is: one more fails at once.
#[test]
fn no_more_wait_than_may_be_queued() {
    let limits = Limits { max_queued_bytes: 1000, ..Limits::default() };
    let mut net = Net::new(1, Settings { limits, ..settings(Retry::times(9)) });
    net.peers[0].mode = Mode::Refusing;
    let big = vec![b'x'; 600];
    let ids = [(); 3].map(|()| {
        let id = net.submit(set("a", &big));
        net.drive();
        id
    });
    assert_eq!(ids.map(|id| net.is_done(id)), [false, true, true]);
    net.peers[0].mode = Mode::Up;
    net.run();
    assert_eq!(net.take(ids[0]).stored(), Ok(Stored::Stored));
}
