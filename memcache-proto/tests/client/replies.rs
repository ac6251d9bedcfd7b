//! What an operation is answered, and what is not believed.

use memcache_proto::codec::MetaRequest;

use crate::*;

#[test]
fn each_operation_has_its_outcome_however_the_bytes_are_cut() {
    for cut in [1, 2, 7, usize::MAX] {
        let mut net = Net::new(3, Settings::default());
        net.cut = cut;
        let exptime = Exptime::from_wire(60);
        let name = key("counter");
        assert_eq!(value(net.get("counter")), None);
        assert_eq!(net.set("counter", "9").stored(), Ok(Stored::Stored));
        assert_eq!(value(net.get("counter")), some("9"));
        assert_eq!(
            net.perform(Operation::Incr { key: name, delta: 2, noreply: false }).number(),
            Ok(Some(11))
        );
        let missing = Operation::Incr { key: key("none"), delta: 2, noreply: false };
        assert_eq!(net.perform(missing).number(), Ok(None));
        assert_eq!(
            net.perform(Operation::Touch { key: name, exptime, noreply: false }).found(),
            Ok(true)
        );
        let gat = Operation::Gat { key: name, exptime, cas: true };
        let item = net.perform(gat).item().expect("answered").expect("found");
        assert_eq!((item.flags.bits(), &item.value[..]), (7, &b"11"[..]));
        let unique = item.cas.expect("it was asked for");
        let new = |value| NewItem { key: name, flags: Flags::new(0), exptime, value };
        let mut store =
            |verb| net.perform(Operation::Store { verb, item: new(b"x"), noreply: false }).stored();
        assert_eq!(store(StoreVerb::Add), Ok(Stored::NotStored));
        assert_eq!(store(StoreVerb::Cas(unique + 1)), Ok(Stored::Exists));
        assert_eq!(store(StoreVerb::Cas(unique)), Ok(Stored::Stored));
        assert_eq!(store(StoreVerb::Append), Ok(Stored::Stored));
        assert_eq!(value(net.get("counter")), some("xx"));
        for (stored, is_stored) in [(Stored::Stored, true), (Stored::Exists, false)] {
            assert_eq!(stored.is_stored(), is_stored);
        }
        let words = "cannot increment or decrement non-numeric value";
        let error = FailureKind::Server(ErrorLine::Client(words.into()));
        let incr = Operation::Incr { key: name, delta: 2, noreply: false };
        assert_eq!(failed(net.perform(incr)), (Delivery::Answered, error));
        assert_eq!(net.perform(Operation::Delete { key: name, noreply: false }).found(), Ok(true));
        assert_eq!(net.perform(Operation::Delete { key: name, noreply: false }).found(), Ok(false));

        let names = names(50);
        fill(&mut net, &names);
        let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
        let many = net.perform(get_many(&keys)).many().expect("many keys");
        assert_eq!((found(&many, &names).len(), many.failed), (50, vec![]));
        let versions = net.perform(Operation::Version).servers().expect("all servers");
        assert_eq!(versions.len(), 3);
        assert!(versions.iter().all(|(_, reply)| *reply == Ok(Reply::Version("1.6.18".into()))));
        let flushed =
            net.perform(Operation::FlushAll { delay: None }).servers().expect("all servers");
        assert!(flushed.iter().all(|(_, reply)| *reply == Ok(Reply::Ok)));
        assert_eq!(net.perform(get_many(&keys)).many().expect("many keys"), Many::default());
        let deleted = net
            .perform(Operation::DeleteMany { keys: &keys, noreply: false })
            .many()
            .expect("many keys");
        assert!(deleted.replies.iter().all(|(_, reply)| *reply == Reply::NotFound));
        assert_eq!((deleted.replies.len(), deleted.failed.len()), (50, 0));

        assert!(net.clients[0].is_idle());
        assert!(net.peers.iter().all(|peer| peer.accepted == 1));
    }
}

#[test]
fn operations_are_sent_one_behind_the_other_without_waiting() {
    let mut net = Net::new(1, Settings::default());
    let ids = [
        net.submit(set("a", b"1")),
        net.submit(get("a")),
        net.submit(set("a", b"2")),
        net.submit(get("a")),
        net.submit(Operation::Version),
    ];
    while net.heard(0).is_empty() {
        assert!(net.peers[0].accepted <= 1);
        net.step();
    }
    net.run();
    assert_eq!(net.heard(0), "", "all of it went at once");
    let [_, first, _, second, _] = ids;
    assert_eq!(value(net.take(first)), some("1"));
    assert_eq!(value(net.take(second)), some("2"));
}

#[test]
fn gets_that_wait_are_merged_into_one() {
    for cut in [1, usize::MAX] {
        let mut net = Net::new(1, merging());
        net.cut = cut;
        fill(&mut net, &names(100));
        let busy = net.submit(get("key0"));
        while net.heard(0).is_empty() {
            net.step();
        }
        let names = names(30);
        let mut ids: Vec<_> = names.iter().map(|name| net.submit(get(name))).collect();
        ids.push(net.submit(get("key3")));
        ids.push(net.submit(get("absent")));
        ids.push(net.submit(get("key3")));
        net.run();
        let line = names.join(" ");
        let heard = net.heard(0);
        assert!(heard.ends_with(&format!("get {line} key3 absent key3\r\n")), "{heard}");
        assert_eq!(
            heard.matches("get").count(),
            if cut == 1 { 2 } else { 1 } - usize::from(cut == 1)
        );
        assert_eq!(value(net.take(busy)), some("value of key0"));
        let last = ids.split_off(30);
        for (id, name) in ids.into_iter().zip(&names) {
            assert_eq!(value(net.take(id)), some(&format!("value of {name}")));
        }
        let last: Vec<_> = last.into_iter().map(|id| value(net.take(id))).collect();
        assert_eq!(last, [some("value of key3"), None, some("value of key3")]);
    }
}

/// One that is longer would not fit into the window, or not into what a proxy reads.
#[test]
fn a_merged_get_stays_within_half_the_window_and_the_limit_of_its_line() {
    for (window, max_get_len, longest) in [(1_000, 8_000, 500), (64 << 10, 300, 300)] {
        let limits = Limits { window, max_get_len, ..Limits::default() };
        let mut net = Net::new(1, Settings { limits, ..merging() });
        let names = names(200);
        let busy = net.submit(get("busy"));
        while net.heard(0).is_empty() {
            net.step();
        }
        let ids: Vec<_> = names.iter().map(|name| net.submit(get(name))).collect();
        net.run();
        for id in ids.into_iter().chain([busy]) {
            assert_eq!(value(net.take(id)), None);
        }
        let heard = net.heard(0);
        let longest_line = heard.split_inclusive('\n').map(str::len).max();
        let longest_line = longest_line.expect("they were sent");
        assert!(longest_line <= longest && longest_line > longest - 10, "{longest_line}");
    }
}

#[test]
fn a_hit_is_done_at_its_value_and_a_miss_at_the_end() {
    let mut net = Net::new(1, merging());
    fill(&mut net, &names(2));
    let ids = [net.submit(get("key0")), net.submit(get("none")), net.submit(get("key1"))];
    net.cut = 1;
    let mut order = Vec::new();
    while order.len() < 3 {
        net.step();
        for id in ids {
            if net.is_done(id) && !order.contains(&id) {
                order.push(id);
            }
        }
    }
    assert_eq!(order, [ids[0], ids[2], ids[1]]);
}

#[test]
fn without_merging_a_get_is_done_when_nothing_more_is_owed() {
    let names = names(3);
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    let exptime = Exptime::NEVER;
    let cases: [&dyn Fn(&mut Net) -> OperationId; 4] = [
        &|net| net.submit(get("key0")),
        &|net| net.submit(Operation::Get { key: key("key1"), cas: true }),
        &|net| net.submit(Operation::Gat { key: key("key2"), exptime, cas: false }),
        &|net| net.submit(Operation::GetMany { keys: &keys, cas: false }),
    ];
    for (number, submit) in cases.iter().enumerate() {
        let mut net = Net::new(2, Settings::default());
        fill(&mut net, &names);
        net.cut = 1;
        let id = submit(&mut net);
        while !net.is_done(id) {
            net.step();
        }
        assert!(net.clients[0].is_idle(), "case {number}");
        match net.take(id) {
            Outcome::Many(many) => assert_eq!(found(&many, &names).len(), 3),
            outcome => assert!(value(outcome).is_some()),
        }
    }
}

#[test]
fn eof_in_a_value_fails_what_was_sent() {
    // Behind each byte of the reply to the first of two gets, but before its END.
    let whole = "VALUE key0 7 13\r\nvalue of key0\r\nEND\r\n".len();
    for limit in 1..whole {
        let mut net = Net::new(1, Settings::default());
        fill(&mut net, &names(2));
        net.hang_up(0);
        net.get("key0");
        net.clients[0].disconnect_all(net.now);
        net.peers[0].mode = Mode::ClosesAt(limit);
        let ids = [net.submit(get("key0")), net.submit(get("key1"))];
        net.run();
        let eof = (Delivery::Unanswered, FailureKind::Eof);
        if limit >= whole - "END\r\n".len() {
            assert_eq!(value(net.take(ids[0])), some("value of key0"), "{limit}");
        } else {
            assert_eq!(failed(net.take(ids[0])), eof, "{limit}");
        }
        assert_eq!(failed(net.take(ids[1])), eof, "{limit}");
        assert!(!is_dead(&net, 0));
        net.peers[0].mode = Mode::Up;
        assert_eq!(value(net.get("key1")), some("value of key1"));
    }
}

/// A doubt is told to every call that has not returned: a hit that came before it in the same reply is none.
#[test]
fn a_hit_before_a_doubt_is_none() {
    const HIT: &str = "VALUE key0 7 13\r\nvalue of key0\r\n";
    let cases: &[(&str, ProtocolError)] = &[
        ("VALUE key0 7 13\r\nvalue of key0\r\nEND\r\n", ProtocolError::UnexpectedKey),
        ("VALUE key0 7 13\r\nother of key0\r\nEND\r\n", ProtocolError::UnexpectedKey),
        ("VALUE key1 7 13\r\nvalue of key1\r\nEND\r\n", ProtocolError::UnexpectedKey),
        ("STORED\r\n", ProtocolError::UnexpectedResponse),
        ("HTTP/1.1 400 Bad Request\r\n", ProtocolError::Malformed),
        ("VALUE key0 7 1\r\nvalue of key0\r\n", ProtocolError::UnterminatedValue),
    ];
    for &(doubt, error) in cases {
        // The requests are written at once, as a server that answers each piece would say more.
        for (cut, gat_first) in [(25, false), (40, true), (usize::MAX, false), (usize::MAX, true)] {
            let mut net = Net::new(1, Settings::default());
            net.cut = cut;
            net.peers[0].mode = Mode::Says(format!("{HIT}{doubt}").leak().as_bytes());
            let gat = Operation::Gat { key: key("key0"), exptime: Exptime::NEVER, cas: false };
            let first = if gat_first { gat } else { get("key0") };
            let ids = [net.submit(first), net.submit(get("key1"))];
            net.run();
            for id in ids {
                let (delivery, kind) = failed(net.take(id));
                let FailureKind::Protocol(violation) = kind else { panic!("{kind}") };
                let told = (delivery, violation.error);
                assert_eq!(told, (Delivery::Unanswered, error), "{doubt} in {cut}");
            }
            assert_eq!(net.open(0), 0);
            net.peers[0].mode = Mode::Up;
            assert_eq!(value(net.get("key0")), None, "{doubt} in {cut}");
        }
    }
    // A whole reply is believed, whatever comes behind it; so is a hit that has been told already.
    let whole = format!("{HIT}END\r\nHTTP/1.1\r\n");
    let twice = format!("{HIT}{HIT}END\r\n");
    for (settings, says) in [(Settings::default(), whole), (merging(), twice)] {
        let mut net = Net::new(1, settings);
        net.peers[0].mode = Mode::Says(says.leak().as_bytes());
        assert_eq!(value(net.get("key0")), some("value of key0"));
    }
}

#[test]
fn a_reply_that_answers_something_else_is_not_believed() {
    let cases: &[(&[u8], ProtocolError)] = &[
        (b"VALUE key1 0 5\r\nwrong\r\nEND\r\n", ProtocolError::UnexpectedKey),
        (b"STORED\r\n", ProtocolError::UnexpectedResponse),
        (b"HTTP/1.1 400 Bad Request\r\n", ProtocolError::Malformed),
        (b"VALUE key0 0 5\r\nwrong!!\r\n", ProtocolError::UnterminatedValue),
    ];
    for (bytes, error) in cases {
        let mut net = Net::new(1, Settings::default());
        net.peers[0].mode = Mode::Says(bytes);
        let ids = [net.submit(get("key0")), net.submit(get("key1"))];
        net.run();
        for id in ids {
            let kind = FailureKind::Protocol(Violation::new(*error, bytes));
            let expected = (Delivery::Unanswered, kind);
            assert_eq!(failed(net.take(id)), expected);
        }
        assert!(!is_dead(&net, 0), "the first failure");
        assert_eq!(net.open(0), 0);
        let _ = net.get("key0");
        assert!(is_dead(&net, 0), "the second");
        net.wait(DEAD_RETRY);
        net.peers[0].mode = Mode::Up;
        assert_eq!(value(net.get("key0")), None);
        assert!(!is_dead(&net, 0));
    }
}

#[test]
fn the_reply_to_a_cancelled_get_is_swallowed() {
    for settings in [Settings::default(), merging()] {
        for steps in 0..60 {
            let mut net = Net::new(1, settings.clone());
            fill(&mut net, &names(3));
            net.cut = 1;
            let cancelled = net.submit(get("key0"));
            for _ in 0..steps {
                net.step();
            }
            net.cancel(cancelled);
            assert_eq!(value(net.get("key1")), some("value of key1"), "{steps}");
            assert_eq!(value(net.get("key2")), some("value of key2"), "{steps}");
            assert!(net.clients[0].take(cancelled).is_none());
            net.drive();
            assert!(net.clients[0].is_idle(), "{steps}");
            assert_eq!(net.peers[0].accepted, 1);
        }
    }
}

#[test]
fn what_was_cancelled_before_it_was_sent_is_not_sent() {
    let mut net = Net::new(1, Settings::default());
    let cancelled = net.submit(set("a", b"1"));
    net.cancel(cancelled);
    net.drive();
    assert_eq!(net.heard(0), "");
    assert!(net.clients[0].is_idle(), "nothing is under way");
    assert_eq!(net.clients[0].poll_timeout(), None);

    // However often, and however much later something else is asked.
    for _ in 0..1000 {
        let cancelled = net.submit(set("a", b"1"));
        net.drive();
        net.cancel(cancelled);
        let cancelled = net.submit(set("a", b"1"));
        net.cancel(cancelled);
        net.drive();
    }
    net.heard(0);
    net.now = net.now + 100 * SECOND;
    let id = net.submit(get("b"));
    net.handle_timeouts();
    net.run();
    assert_eq!(value(net.take(id)), None);
    assert_eq!(net.heard(0), "get b\r\n");

    // The same where the adapter has not come to write.
    let cancelled = net.submit(set("a", b"1"));
    net.cancel(cancelled);
    net.now = net.now + 100 * SECOND;
    let id = net.submit(get("b"));
    net.handle_timeouts();
    net.run();
    assert_eq!(value(net.take(id)), None);
    assert_eq!(net.peers[0].accepted, 1);
}

#[test]
fn an_operation_on_all_servers_has_an_answer_or_failure_of_each() {
    let operations = [
        Operation::Version,
        Operation::FlushAll { delay: Some(Exptime::from_wire(10)) },
        Operation::Stats(StatsArgument::General),
    ];
    for operation in operations {
        let mut net = Net::new(3, Settings::default());
        net.peers[1].mode = Mode::Refusing;
        let cause = DeathCause::Connect(ConnectFailure::Refused);
        let dead = DeadServer { server: ServerIndex::new(1), cause, retry_in: DEAD_RETRY };
        for kind in [FailureKind::Connect(ConnectFailure::Refused), FailureKind::Dead(dead)] {
            let mut servers = net.perform(operation).servers().expect("all servers");
            servers.sort_by_key(|(server, _)| *server);
            assert_eq!(servers.len(), 3);
            assert!(servers[0].1.is_ok() && servers[2].1.is_ok(), "{servers:?}");
            let failure = servers[1].1.clone().expect_err("it is dead");
            assert_eq!(failure.server, Some(ServerIndex::new(1)));
            assert_eq!((failure.delivery, failure.kind), (Delivery::NotSent, kind));
        }
        net.peers[1].mode = Mode::Up;
        net.wait(DEAD_RETRY);
        assert!(
            net.perform(operation)
                .servers()
                .expect("all servers")
                .iter()
                .all(|(_, reply)| reply.is_ok())
        );
        assert!(!is_dead(&net, 1));
        // A connection that was closed while idle: asked again, but for what changes something.
        for server in 0..3 {
            net.hang_up(server);
        }
        let again = !matches!(operation, Operation::FlushAll { .. });
        let servers = net.perform(operation).servers().expect("all servers");
        assert!(servers.iter().all(|(_, reply)| reply.is_ok() == again), "{servers:?}");
    }
}

#[test]
fn statistics_are_kept_in_order_and_bounded() {
    let mut net = Net::new(1, Settings::default());
    let stats = Operation::Stats(StatsArgument::General);
    let expected = [("pid", "1"), ("version", "1.6.18")].map(|(a, b)| (a.into(), b.into()));
    let servers = net.perform(stats).servers().expect("all servers");
    assert_eq!(servers[0].1, Ok(Reply::Stats(expected.to_vec())));

    for limits in [
        Limits { max_stats_bytes: 60, ..Limits::default() },
        Limits { max_lines: 1, ..Limits::default() },
    ] {
        let mut net = Net::new(1, Settings { limits, ..Settings::default() });
        let servers = net.perform(stats).servers().expect("all servers");
        let failure = servers[0].1.clone().expect_err("too much");
        let FailureKind::Protocol(violation) = failure.kind else { panic!("{failure:?}") };
        assert_eq!(violation.error, ProtocolError::TooMuch);
        assert_eq!(failure.delivery, Delivery::Unanswered);
        assert!(!is_dead(&net, 0));
        assert_eq!(value(net.get("a")), None);
    }
}

/// The bound is of one reply, and what came of a reply that failed is not of the next.
#[test]
fn the_lines_of_statistics_are_those_of_one_reply() {
    let stats = Operation::Stats(StatsArgument::General);
    let own = |net: &mut Net| net.perform(stats).servers().expect("all servers").remove(0).1;
    // Room for one such reply, and not for two.
    let limits = Limits { max_stats_bytes: 1_700, ..Limits::default() };
    let mut net = Net::new(1, Settings { limits, ..Settings::default() });
    for round in 0..20 {
        assert!(matches!(own(&mut net), Ok(Reply::Stats(lines)) if lines.len() == 2), "{round}");
    }

    // An argument that may be answered by any of these.
    let stats = Operation::Stats(StatsArgument::Other(key("extstore").key));
    let own = |net: &mut Net| net.perform(stats).servers().expect("all servers").remove(0).1;
    for end in ["SERVER_ERROR out of memory\r\n", "RESET\r\n", "OK\r\n"] {
        let mut net = Net::new(1, Settings::default());
        net.peers[0].mode = Mode::Says(format!("STAT old 1\r\n{end}").leak().as_bytes());
        assert!(!matches!(own(&mut net), Ok(Reply::Stats(_))), "{end}");
        net.peers[0].mode = Mode::Says(b"STAT new 1\r\nEND\r\n");
        let expected = vec![("new".to_owned(), "1".to_owned())];
        assert_eq!(own(&mut net), Ok(Reply::Stats(expected)), "{end}");
        assert_eq!(net.peers[0].accepted, 1, "{end}");
    }

    // The connection ends in the reply, and the next request moves on to another.
    let limits = Limits { window: 1, ..Limits::default() };
    let mut net = Net::new(1, Settings { limits, ..Settings::default() });
    net.peers[0].mode = Mode::ClosesAt("STAT pid 1\r\n".len());
    let ids = [net.submit(stats), net.submit(stats)];
    while !net.is_done(ids[0]) {
        net.step();
    }
    net.peers[0].mode = Mode::Up;
    net.run();
    let [first, second] = ids.map(|id| net.take(id).servers().expect("all servers").remove(0).1);
    assert_eq!(first.map_err(|failure| failure.kind), Err(FailureKind::ClosedAtCommand));
    assert!(matches!(&second, Ok(Reply::Stats(lines)) if lines.len() == 2), "{second:?}");
}

#[test]
fn the_words_of_a_server_are_handed_on() {
    let mut net = Net::new(1, Settings::default());
    net.peers[0].mode = Mode::Says(b"SERVER_ERROR out of memory storing object\r\n");
    let words = "out of memory storing object".to_owned();
    let expected = (Delivery::Answered, FailureKind::Server(ErrorLine::Server(words)));
    assert_eq!(failed(net.set("a", "1")), expected);
    assert_eq!(failed(net.get("a")), expected);
    assert_eq!(net.peers[0].accepted, 1, "the connection is kept");

    // One about the form of a request closes; what was sent behind it fails, by another's fault.
    net.peers[0].mode = Mode::Says(b"CLIENT_ERROR bad data chunk\r\nERROR\r\n");
    let ids = [net.submit(set("a", b"1")), net.submit(get("a"))];
    net.run();
    let kind = FailureKind::Server(ErrorLine::Client("bad data chunk".into()));
    assert_eq!(failed(net.take(ids[0])), (Delivery::Answered, kind));
    assert_eq!(failed(net.take(ids[1])), (Delivery::Unanswered, FailureKind::Form));
    assert_eq!(net.open(0), 0);
    assert!(!is_dead(&net, 0));
}

/// Completions need not be polled where each operation's own state is asked for.
#[test]
fn outcomes_can_be_taken_without_polling() {
    let mut net = Net::new(1, Settings::default());
    net.set("a", "1");
    let client = &mut net.clients[0];
    let settings = client.cluster().settings().clone();
    assert_eq!(settings.socket_timeout, SOCKET_TIMEOUT);
    let cluster = client.cluster().clone();
    let index = ServerIndex::new(0);
    assert_eq!(cluster.health().admit(index, Time::ZERO, SECOND), Admission::Alive);
    cluster.health().mark_dead(index, net.now, DEAD_RETRY, DeathCause::Asked);
    // Two that complete at once, taken in the other order, again and again.
    for _ in 0..1000 {
        let ids = [(); 2].map(|()| client.submit(get("a"), net.now).expect("it is taken in"));
        for id in ids.into_iter().rev() {
            assert!(client.is_done(id));
            let kind = failure(client.take(id).expect("done")).kind;
            assert!(matches!(kind, FailureKind::AllDead(_)), "{kind}");
        }
    }
    assert_eq!(client.poll_completion(), None);
}

/// Whether the value was asked for, and only if it has changed.
#[test]
fn a_value_that_has_not_changed_is_said_to_be_unchanged() {
    use memcache_proto::client::MetaStatus::{Done, Miss, Unchanged};
    let get = MetaGet::new(MetaKey::new(b"k").expect("a key")).cas();
    let cases: &[(MetaGet<'_>, &'static [u8], _)] = &[
        (get.value().compare_cas(7), b"HD O0 c7\r\n", (Unchanged, None)),
        (get.value().compare_cas(7), b"VA 1 O0 c8\r\nx\r\n", (Done, some("x"))),
        (get.value().compare_cas(7), b"EN O0\r\n", (Miss, None)),
        (get.value().compare_cas(7).quiet(), b"HD O0 c7\r\n", (Unchanged, None)),
        (get.compare_cas(7), b"HD O0 c7\r\n", (Done, None)),
        (get, b"HD O0 c7\r\n", (Done, None)),
    ];
    for &(get, reply, ref expected) in cases {
        let mut net = Net::new(1, Settings::default());
        net.peers[0].mode = Mode::Says(reply);
        let outcome = net.perform(Operation::Meta(&MetaRequest::Get(get).into()));
        let reply = outcome.meta().expect("it was answered");
        let value = reply.value.map(|value| String::from_utf8_lossy(&value).into_owned());
        assert_eq!((reply.status, value), *expected, "{get:?}");
    }
}
