//! On what evidence a server is dead: one bad connection does not condemn it for everybody.

use std::sync::Arc;

use memcache_proto::client::{Client, Cluster, NoticeEvent, RoutedMeta};
use memcache_proto::routing::{Server, ServerAddress};

use crate::pair::{Answer, Memory};
use crate::*;

/// Knows get and set, and closes at anything else, as a proxy may.
#[derive(Default)]
struct Proxy(Memory);

impl Answer for Proxy {
    fn answer(&mut self, _: usize, input: &mut Vec<u8>, output: &mut Vec<u8>, _: Time) -> bool {
        while let Ok(Some((command, len))) = Command::parse(input, &Limits::default()) {
            if !matches!(command, Command::Get { cas: false, .. } | Command::Store { .. }) {
                return true;
            }
            self.0.answer_one(&command, output);
            input.drain(..len);
        }
        false
    }
}

/// Answers so many requests of each connection, and closes it.
struct Answers(usize, Memory, HashMap<usize, usize>);

impl Answer for Answers {
    fn answer(
        &mut self,
        socket: usize,
        input: &mut Vec<u8>,
        output: &mut Vec<u8>,
        _: Time,
    ) -> bool {
        let Answers(most, memory, answered) = self;
        let answered = answered.entry(socket).or_default();
        while let Ok(Some((command, len))) = Command::parse(input, &Limits::default()) {
            memory.answer_one(&command, output);
            input.drain(..len);
            *answered += 1;
            if answered == most {
                return true;
            }
        }
        false
    }
}

fn answers(most: usize) -> Box<dyn Answer> {
    Box::new(Answers(most, Memory::default(), HashMap::new()))
}

fn uncommon() -> Vec<(&'static str, Operation<'static>)> {
    let touch = Operation::Touch { key: key("a"), exptime: Exptime::from_wire(-1), noreply: false };
    let gat = |cas| Operation::Gat { key: key("a"), exptime: Exptime::from_wire(-1), cas };
    vec![
        ("touch", touch),
        ("gat", gat(false)),
        ("gats", gat(true)),
        ("version", Operation::Version),
        ("stats", Operation::Stats(StatsArgument::General)),
        ("flush_all", Operation::FlushAll { delay: None }),
    ]
}

fn kind_of(outcome: Outcome) -> FailureKind {
    match outcome {
        Outcome::Servers(mut servers) => servers.remove(0).1.expect_err("it failed").kind,
        outcome => failure(outcome).kind,
    }
}

#[test]
fn a_command_that_a_proxy_does_not_know_fails_alone() {
    let meta_key = MetaKey::new(b"a").expect("a key");
    let meta = RoutedMeta::from(memcache_proto::codec::MetaRequest::Get(MetaGet::new(meta_key)));
    let mut operations = uncommon();
    operations.push(("mg", Operation::Meta(&meta)));
    for (name, operation) in operations {
        for fresh in [true, false] {
            let mut net = Net::new(1, Settings::default());
            net.peers[0].answer = Box::new(Proxy::default());
            if !fresh {
                net.set("a", "1");
            }
            for _ in 0..4 {
                let kind = kind_of(net.perform(operation));
                assert_eq!(kind, FailureKind::ClosedAtCommand, "{name}");
                assert!(!is_dead(&net, 0), "{name}");
            }
            assert_eq!(net.set("a", "2").stored(), Ok(Stored::Stored), "{name}");
            assert_eq!(value(net.get("a")), some("2"), "{name}");
        }
    }
}

/// Others that share the connection are sent again if they are reads, and go on in any case if they had
/// not been sent.
#[test]
fn the_reads_that_waited_behind_such_a_command_are_sent_again() {
    for (name, operation) in uncommon() {
        let mut net = Net::new(1, Settings::default());
        net.peers[0].answer = Box::new(Proxy::default());
        net.set("a", "1");
        // Busy, so that its end is not that of an idle connection.
        let first = net.submit(get("a"));
        let cause = net.submit(operation);
        let read = net.submit(get("a"));
        let store = net.submit(set("b", b"2"));
        let big = vec![b'x'; 70_000];
        let unsent = net.submit(set("c", &big));
        net.run();
        assert_eq!(value(net.take(first)), some("1"), "{name}");
        assert_eq!(kind_of(net.take(cause)), FailureKind::ClosedAtCommand, "{name}");
        assert_eq!(value(net.take(read)), some("1"), "{name}");
        let expected = (Delivery::Unanswered, FailureKind::Eof);
        assert_eq!(failed(net.take(store)), expected, "{name}");
        assert_eq!(net.take(unsent).stored(), Ok(Stored::Stored), "{name}");
        assert!(!is_dead(&net, 0), "{name}");
    }
}

/// It is sent again once, not for ever.
#[test]
fn a_peer_that_closes_at_everything_is_dead_after_two_strikes() {
    for operation in [get("key0"), set("key0", b"1")] {
        let mut net = Net::new(1, Settings::default());
        net.peers[0].mode = Mode::ClosesAt(0);
        for strike in 1..=2 {
            assert!(!is_dead(&net, 0));
            assert_eq!(failure(net.perform(operation)).kind, FailureKind::Eof, "{strike}");
        }
        assert!(is_dead(&net, 0));
        assert!(all_dead(net.perform(operation)));
    }
}

/// The one that failed finds the table as those left it that have a connection.
#[test]
fn a_refused_connect_condemns_no_server_that_answers_others() {
    let full: [(&str, Mode); 2] =
        [("refused", Mode::Greets(b"ERROR Too many open connections\r\n")), ("hung", Mode::Silent)];
    for (what, more) in full {
        for idle in [true, false] {
            if idle && what == "hung" {
                // It answers nobody, and nobody asks it.
                continue;
            }
            let mut net = Net::with_clients(2, 1, Settings::default());
            net.peers[0].room = Some((1, more));
            net.peers[0].delay = Duration::from_millis(20);
            net.set("a", "1");
            // The other client has the only connection there is, and uses it.
            let busy = (!idle).then(|| net.submit(get("a")));
            net.drive();
            let second = net.submit_on(1, get("a"));
            let started = net.now;
            if !idle {
                // It goes on being busy while the other waits.
                for _ in 0..10 {
                    net.wait(Duration::from_millis(21));
                    net.get("a");
                }
            }
            net.run();
            assert!(net.now - started <= SOCKET_TIMEOUT + SECOND, "{what}");
            assert_eq!(net.take_on(1, second).map(value), Some(some("1")), "{what}, {idle}");
            assert!(!is_dead(&net, 0), "{what}");
            if let Some(busy) = busy {
                net.take(busy);
            }
        }
    }
}

/// What is sent on the connection that hangs cannot be sent again, if it changes something.
#[test]
fn a_call_that_gets_no_connection_fails_alone_and_says_why() {
    let mut net = Net::with_clients(2, 1, Settings::default());
    net.peers[0].room = Some((1, Mode::Greets(b"ERROR Too many open connections\r\n")));
    net.peers[0].delay = Duration::from_millis(20);
    net.set("a", "1");
    let started = net.now;
    let waits = net.submit_on(1, set("b", b"1"));
    // The other is busy all the time.
    let mut busy = std::collections::VecDeque::from([net.submit(get("a"))]);
    while net.now - started < SOCKET_TIMEOUT + SECOND {
        net.wait(Duration::from_millis(5));
        busy.push_back(net.submit(get("a")));
        if busy.len() > 5 {
            let oldest = busy.pop_front().expect("one of six");
            net.take(oldest);
        }
    }
    let outcome = net.take_on(1, waits).expect("its time is up");
    assert_eq!(failed(outcome), (Delivery::NotSent, FailureKind::Refused));
    assert!(!is_dead(&net, 0));
    // It asked now and then, and not all the time.
    assert!((2..40).contains(&net.peers[0].tried), "{}", net.peers[0].tried);
}

/// As in python-memcached: nobody has a connection that works.
#[test]
fn a_killed_server_is_dead_at_the_first_refused_connect() {
    for clients in [1, 2] {
        let mut net = Net::with_clients(clients, 2, Settings::default());
        let name = net.key_on(&[0, 1]);
        for client in 0..clients {
            let id = net.submit_on(client, get(&name));
            net.run();
            net.take_on(client, id);
        }
        net.peers[0].mode = Mode::Refusing;
        net.hang_up(0);
        let tried = net.peers[0].tried;
        assert_eq!(value(net.get(&name)), None);
        assert_eq!(net.peers[0].tried, tried + 1);
        assert!(is_dead(&net, 0));
    }
}

#[test]
fn a_silent_connection_condemns_no_server_that_answers_others() {
    for answers_others in [true, false] {
        let mut net = Net::with_clients(2, 1, Settings::default());
        net.set("a", "1");
        let other = net.submit_on(1, get("a"));
        net.run();
        net.take_on(1, other);
        net.peers[0].mode = Mode::Silent;
        let hung = net.submit(set("a", b"2"));
        net.drive();
        net.wait(SECOND);
        if answers_others {
            net.peers[0].mode = Mode::Up;
            let other = net.submit_on(1, get("a"));
            net.drive();
            assert!(net.take_on(1, other).is_some());
        }
        net.run();
        let expected = (Delivery::Unanswered, FailureKind::SocketTimeout);
        assert_eq!(failed(net.take(hung)), expected);
        assert_eq!(is_dead(&net, 0), !answers_others);
    }
}

#[test]
fn a_local_cause_says_nothing_of_the_server() {
    for reason in [ConnectFailure::LocalShortage, ConnectFailure::RuntimeGone] {
        let net = Net::new(1, Settings::default());
        let mut client = memcache_proto::client::Client::new(net.cluster());
        for _ in 0..5 {
            let id = client.submit(get("a"), net.now).expect("it is taken in");
            let Some(Action::Connect { connection, .. }) = client.poll_action(net.now) else {
                panic!("it connects")
            };
            client.connect_failed(connection, reason, net.now);
            let outcome = client.take(id).expect("it failed at once");
            assert_eq!(failed(outcome), (Delivery::NotSent, FailureKind::Connect(reason)));
            while client.poll_action(net.now).is_some() {}
            assert!(!is_dead(&net, 0));
        }
    }
}

/// Where the client's own connections of one server are several.
#[test]
fn a_connection_more_that_is_refused_leaves_the_work_to_the_others() {
    let settings = Settings { connections_per_server: 3, ..Settings::default() };
    let mut net = Net::new(1, settings);
    net.peers[0].room = Some((1, Mode::Refusing));
    net.peers[0].delay = SECOND;
    let ids: Vec<_> = (0..6).map(|_| net.submit(get("a"))).collect();
    net.run();
    for id in ids {
        assert_eq!(value(net.take(id)), None);
    }
    assert!(!is_dead(&net, 0));
    assert!(net.peers[0].tried <= 3, "{}", net.peers[0].tried);
}

/// Where many begin at once, one may be refused while another has been accepted and does not know it yet.
#[test]
fn a_server_that_says_it_is_full_is_asked_again_while_others_connect() {
    let full = Mode::Greets(b"ERROR Too many open connections\r\n");
    for (others, is_freed) in [(true, true), (true, false), (false, false)] {
        let mut net = Net::with_clients(2, 1, Settings::default());
        if others {
            net.peers[0].mode = Mode::Hanging;
            net.submit_on(1, get("a"));
            net.drive();
        }
        net.peers[0].mode = full;
        let begun = net.now;
        let waits = net.submit(get("b"));
        net.drive();
        assert_eq!(is_dead(&net, 0), !others);
        assert_eq!(net.is_done(waits), !others);
        if is_freed {
            net.peers[0].mode = Mode::Up;
        }
        net.run();
        let (outcome, took) = (net.take(waits), net.now - begun);
        if is_freed {
            assert_eq!(value(outcome), None);
            assert!(!is_dead(&net, 0));
        } else {
            // No longer than the others try.
            assert_eq!(outcome.item().expect_err("it is full").kind, FailureKind::Refused);
            assert!(is_dead(&net, 0) && took <= SECOND * 3, "{took:?}");
        }
    }
}

/// The same where this machine has no descriptor for another.
#[test]
fn a_connection_more_that_cannot_be_made_here_leaves_the_work_to_the_others() {
    for connections_per_server in [2, 3] {
        let settings = Settings { connections_per_server, ..Settings::default() };
        let mut net = Net::new(1, settings);
        // One connection that is busy.
        net.peers[0].delay = SECOND;
        let busy = net.submit(get("a"));
        net.drive();
        let waits = net.submit(get("b"));
        let mut tried = 0;
        while let Some(action) = net.clients[0].poll_action(net.now) {
            if let Action::Connect { connection, .. } = action {
                tried += 1;
                assert!(tried <= connections_per_server, "it connects without end");
                let now = net.now;
                net.clients[0].connect_failed(connection, ConnectFailure::LocalShortage, now);
            }
        }
        assert!(!is_dead(&net, 0));
        for waiting in [busy, waits] {
            assert!(net.clients[0].take(waiting).is_none(), "it has not failed");
        }
    }
}

/// The connection's own `mn` and `version` are answers like all others.
#[test]
fn any_reply_revives_a_server() {
    let many: Vec<_> = (0..3000).map(|at| format!("key{at}")).collect();
    let items: Vec<_> = many.iter().map(|name| item(name, b"0123456789")).collect();
    let stores = Operation::StoreMany { verb: StoreVerb::Set, items: &items, noreply: true };
    let mut net = Net::new(1, Settings::default());
    net.peers[0].mode = Mode::Refusing;
    net.get("a");
    assert!(is_dead(&net, 0));
    net.peers[0].mode = Mode::Up;
    net.wait(DEAD_RETRY);
    let many = net.perform(stores).many().expect("many keys");
    assert_eq!(many.failed.len(), 0);
    assert!(net.heard(0).contains("version"));
    net.drive();
    assert_eq!(value(net.get("key2999")), some("0123456789"));
    let many = net.perform(stores).many().expect("many keys");
    assert_eq!(many.failed.len(), 0);
}

/// What is not sent moves to the next connection as it is, and not for ever.
#[test]
fn a_peer_that_answers_once_a_connection_is_asked_a_bounded_number_of_times() {
    let max_moves = 10;
    let limits = Limits { max_moves, ..Limits::default() };
    let mut net = Net::new(2, Settings { limits, ..Settings::default() });
    net.peers[0].answer = answers(1);
    net.peers[0].heard = None;
    let names: Vec<_> =
        names(2000).into_iter().filter(|name| net.server_of(name) == 0).take(200).collect();
    let value = vec![b'x'; 70_000];
    let items: Vec<_> = names.iter().map(|name| item(name, &value)).collect();
    let many = net
        .perform(Operation::StoreMany { verb: StoreVerb::Set, items: &items, noreply: false })
        .many()
        .expect("many keys");
    assert_eq!(many.failed.len(), 200 - 1 - max_moves as usize);
    assert!(many.failed.iter().all(|(_, failure)| failure.kind == FailureKind::Eof));
    // On each connection there is one that was sent behind the one that was answered.
    let sent = many.failed.iter().filter(|(_, failure)| failure.delivery == Delivery::Unanswered);
    assert_eq!(sent.count(), 1 + max_moves as usize);
    assert_eq!(net.peers[0].accepted, 1 + max_moves as usize);
    assert!(!is_dead(&net, 0));
}

#[test]
fn a_timeout_tells_of_a_death_once() {
    let modes = [Mode::Silent, Mode::Hanging, Mode::Refusing];
    for (mode, connections_per_server) in modes.into_iter().flat_map(|mode| [(mode, 1), (mode, 2)])
    {
        let settings = Settings { debug: true, connections_per_server, ..Settings::default() };
        let mut net = Net::new(1, settings);
        net.peers[0].mode = mode;
        let ids = [net.submit(get("a")), net.submit(get("b"))];
        net.run();
        for id in ids {
            net.take(id);
        }
        let notices = std::iter::from_fn(|| net.clients[0].poll_notice());
        let dead = notices.filter(|notice| matches!(notice.event, NoticeEvent::MarkedDead { .. }));
        assert_eq!(dead.count(), 1, "{mode:?}");
    }
}

#[test]
fn without_failover_no_key_goes_to_another_server() {
    for distribution in [
        memcache_proto::routing::Distribution::PythonMemcached,
        memcache_proto::routing::Distribution::Rendezvous {
            keys: memcache_proto::routing::RendezvousKeys::Text,
        },
    ] {
        let settings = Settings { failover: false, distribution, ..Settings::default() };
        let mut net = Net::new(3, settings);
        let names = names(60);
        let home: Vec<_> = names.iter().map(|name| net.server_of(name)).collect();
        net.peers[1].mode = Mode::Refusing;
        for round in 0..2 {
            for (name, &home) in names.iter().zip(&home) {
                let outcome = net.get(name);
                match home {
                    1 => assert!(matches!(outcome, Outcome::One(Err(_))), "{name}, {round}"),
                    _ => assert_eq!(value(outcome), None, "{name}"),
                }
            }
            assert_eq!(net.heard(1), "");
        }
        let dead = names.iter().zip(&home).find(|(_, home)| **home == 1).expect("one of sixty");
        let FailureKind::AllDead(servers) = failure(net.get(dead.0)).kind else { panic!() };
        assert_eq!(servers.len(), 1);
        assert_eq!(servers[0].server, ServerIndex::new(1));
        assert_eq!(servers[0].cause, DeathCause::Connect(ConnectFailure::Refused));
        assert_eq!(servers[0].retry_in, DEAD_RETRY);
    }
}

#[test]
fn a_failure_for_want_of_servers_names_them() {
    let mut net = Net::new(3, Settings::default());
    net.peers[0].mode = Mode::Refusing;
    net.peers[1].mode = Mode::Silent;
    net.peers[2].mode = Mode::Greets(b"ERROR Too many open connections\r\n");
    for name in names(40) {
        net.get(&name);
    }
    net.wait(SECOND);
    let kind = failure(net.get("key0")).kind;
    let FailureKind::AllDead(servers) = kind else { panic!("{kind}") };
    let mut causes: Vec<_> = servers.iter().map(|dead| (dead.server.index(), dead.cause)).collect();
    causes.sort_by_key(|(server, _)| *server);
    let expected = [
        (0, DeathCause::Connect(ConnectFailure::Refused)),
        (1, DeathCause::SocketTimeout),
        (2, DeathCause::TooManyConnections),
    ];
    assert_eq!(causes, expected);
    assert!(servers.iter().all(|dead| dead.retry_in < DEAD_RETRY && !dead.retry_in.is_zero()));
}

/// What has not been sent does not go back to a server that another has found dead meanwhile.
#[test]
fn what_moves_on_passes_over_a_server_that_has_been_found_dead() {
    let mut net = Net::with_clients(2, 2, Settings::default());
    let name = net.key_on(&[0, 1]);
    let big = vec![b'x'; 70_000];
    net.set(&name, "1");
    net.peers[0].delay = SECOND;
    let sent = net.submit(set(&name, &big));
    let unsent = net.submit(set(&name, b"2"));
    net.drive();
    let (health, server) = (net.cluster(), ServerIndex::new(0));
    health.health().mark_dead(server, net.now, DEAD_RETRY, DeathCause::Asked);
    net.hang_up(0);
    net.run();
    assert_eq!(failed(net.take(sent)).0, Delivery::Unanswered);
    assert_eq!(net.take(unsent).stored(), Ok(Stored::Stored));
    assert_eq!(net.peers[0].accepted, 1);
    assert!(net.heard(1).starts_with("set "));
}

/// A connect that has taken a part of a short `operation_timeout` may take another's connection, and is no
/// reason for everybody to leave off connecting for `dead_retry`.
#[test]
fn a_short_operation_timeout_keeps_nobody_from_connecting() {
    let (now, later) = (Time::ZERO, Time::ZERO + Duration::from_millis(5));
    let operation_timeout = Some(Duration::from_millis(20));
    let settings = Settings { operation_timeout, ..Settings::default() };
    let servers = vec![Server::from("a:1".parse::<ServerAddress>().expect("an address"))];
    let cluster = Arc::new(Cluster::new(servers, settings).expect("a cluster"));
    let mut clients = [(); 3].map(|()| Client::new(cluster.clone()));
    let [slow, quick, third] = &mut clients;
    quick.submit(get("a"), now).expect("it is taken in");
    let Some(Action::Connect { connection, .. }) = quick.poll_action(now) else { panic!() };
    quick.connected(connection, now);
    slow.submit(get("a"), now).expect("it is taken in");
    assert!(matches!(slow.poll_action(now), Some(Action::Connect { .. })));
    // Meanwhile the other has a reply.
    let len = quick.transmit(connection).len();
    quick.transmitted(connection, len, now);
    quick.receive_buffer(connection)[..5].copy_from_slice(b"END\r\n");
    quick.received(connection, 5, now);
    slow.handle_timeout(later);
    third.submit(get("a"), later).expect("it is taken in");
    let action = third.poll_action(later);
    assert!(matches!(action, Some(Action::Connect { .. })), "{action:?}");
}
