//! Closed connections, dead servers, their probes and their return.

use crate::*;

#[test]
fn an_idle_connection_that_the_server_closed_says_nothing_against_it() {
    for eager in [false, true] {
        for resend_stores in [false, true] {
            let settings = Settings { resend_stores, ..Settings::default() };
            let mut net = Net::new(1, settings);
            net.set("a", "1");

            // A get.
            net.hang_up(0);
            assert_eq!(value(net.get("a")), some("1"));
            assert_eq!(net.peers[0].accepted, 2);

            // A get and, not sent for the window, more.
            net.hang_up(0);
            net.drive();
            let big = vec![b'x'; 60_000];
            let gets = [net.submit(get("a")), net.submit(get("a"))];
            let stores = [net.submit(set("b", &big)), net.submit(set("c", &big))];
            net.run();
            for id in gets {
                assert_eq!(value(net.take(id)), some("1"));
            }
            let first = net.take(stores[0]);
            if resend_stores {
                assert_eq!(first.stored(), Ok(Stored::Stored));
            } else {
                assert_eq!(failed(first), (Delivery::Unanswered, FailureKind::Eof));
            }
            assert_eq!(net.take(stores[1]).stored(), Ok(Stored::Stored), "it was never sent");
            assert!(!is_dead(&net, 0));

            // Noticed while idle, before anything is sent.
            net.eager = eager;
            net.hang_up(0);
            net.drive();
            if eager {
                assert_eq!(net.open(0), 0);
                assert_eq!(net.set("a", "2").stored(), Ok(Stored::Stored));
            }
            assert!(!is_dead(&net, 0));
        }
    }
}

#[test]
fn nobody_waits_on_a_connection_once_all_is_cancelled() {
    let mut net = Net::new(1, Settings::default());
    net.eager = true;
    for _ in 0..3 {
        let cancelled = net.submit(get("a"));
        net.cancel(cancelled);
        net.drive();
        net.hang_up(0);
        net.drive();
        assert_eq!(net.open(0), 0);
        assert!(!is_dead(&net, 0));
    }
}

#[test]
fn a_second_failure_marks_a_server_dead() {
    let mut net = Net::new(2, Settings::default());
    let name = net.key_on(&[0, 1]);
    assert_eq!(value(net.get(&name)), None);
    net.peers[0].mode = Mode::ClosesAt(0);
    net.hang_up(0);
    // Sent on the idle connection, once more on a new one, then given up. What was sent again may be at
    // fault itself, so that its second end does not count.
    let (delivery, kind) = failed(net.get(&name));
    assert_eq!((delivery, kind), (Delivery::Unanswered, FailureKind::Eof));
    assert_eq!(net.heard(0), format!("get {name}\r\n").repeat(3));
    assert!(!is_dead(&net, 0));
    // The next one that ends does, and what met it goes on to the next server.
    let (delivery, kind) = failed(net.set(&name, "1"));
    assert_eq!((delivery, kind), (Delivery::Unanswered, FailureKind::Eof));
    assert!(is_dead(&net, 0));
    net.heard(0);
    assert_eq!(value(net.get(&name)), None);
    assert_eq!(net.heard(0), "");
    assert_eq!(net.heard(1), format!("get {name}\r\n"));
}

/// Failures in a row are those that nothing lies between.
#[test]
fn a_failure_of_long_ago_does_not_count_against_an_idle_connection() {
    let mut net = Net::new(1, Settings::default());
    net.peers[0].mode = Mode::ClosesAt(0);
    assert_eq!(failure(net.set("a", "1")).kind, FailureKind::Eof);
    net.peers[0].mode = Mode::Up;
    let cancelled = net.submit(get("a"));
    net.cancel(cancelled);
    net.wait(100 * SECOND);
    assert_eq!(net.open(0), 1);
    net.hang_up(0);
    assert_eq!(value(net.get("a")), some("1"), "it had been stored");
    assert!(!is_dead(&net, 0));
}

#[test]
fn a_dead_server_is_passed_over_as_the_selector_says() {
    let settings = Settings { key_prefix: b"p:".to_vec(), ..Settings::default() };
    let mut net = Net::new(4, settings);
    let cluster = net.cluster();
    for dead in 0..16_usize {
        net.clients[0].disconnect_all(net.now);
        cluster.health().forget_dead_hosts();
        for server in 0..4 {
            net.heard(server);
            let refuses = dead & (1 << server) != 0;
            net.peers[server].mode = if refuses { Mode::Refusing } else { Mode::Up };
        }
        for name in names(60) {
            let wire = format!("p:{name}");
            let mut candidates = cluster.selector().candidates(wire.as_bytes());
            let expected = candidates.find(|server| dead & (1 << server.index()) == 0);
            let outcome = net.get(&name);
            match expected {
                Some(server) => {
                    assert_eq!(value(outcome), None);
                    assert_eq!(net.heard(server.index()), format!("get {wire}\r\n"), "{dead:b}");
                }
                None => {
                    let (delivery, kind) = failed(outcome);
                    assert_eq!(delivery, Delivery::NotSent);
                    assert!(
                        matches!(kind, FailureKind::AllDead(_) | FailureKind::Connect(_)),
                        "{kind}"
                    );
                }
            }
            assert!((0..4).all(|server| net.heard(server).is_empty()));
        }
    }
}

#[test]
fn a_dead_server_is_left_alone_for_dead_retry_and_then_probed_by_one() {
    let mut net = Net::with_clients(2, 2, Settings::default());
    let name = net.key_on(&[0, 1]);
    net.peers[0].mode = Mode::Refusing;
    assert_eq!(value(net.get(&name)), None);
    assert_eq!((net.peers[0].tried, net.peers[1].accepted), (1, 1));
    assert!(is_dead(&net, 0));

    // The other client knows of it too.
    let id = net.submit_on(1, get(&name));
    net.run();
    assert_eq!(net.take_on(1, id).map(value), Some(None));
    assert_eq!(net.peers[0].tried, 1);
    net.now = net.now + (DEAD_RETRY - Duration::from_nanos(1));
    net.get(&name);
    assert_eq!(net.peers[0].tried, 1);
    net.now = net.now + Duration::from_nanos(1);

    // One operation probes, though it gets no connection for a while; all others pass on.
    net.peers[0].mode = Mode::Hanging;
    let probe = net.submit(get(&name));
    net.drive();
    assert_eq!(net.peers[0].tried, 2);
    for _ in 0..3 {
        let others = [(0, net.submit(get(&name))), (1, net.submit_on(1, get(&name)))];
        net.drive();
        for (client, id) in others {
            assert_eq!(net.take_on(client, id).map(value), Some(None));
        }
    }
    assert_eq!(net.peers[0].tried, 2);
    // The probe fails by its timeout, and goes where the others went.
    net.run();
    assert_eq!(value(net.take(probe)), None);
    assert!(is_dead(&net, 0));

    // The next one finds it back, and then all do.
    net.wait(DEAD_RETRY);
    net.peers[0].mode = Mode::Up;
    net.heard(0);
    let probe = net.submit_on(1, get(&name));
    let other = net.submit(get(&name));
    net.run();
    assert!(net.take_on(1, probe).is_some());
    net.take(other);
    assert_eq!(net.heard(0).matches("get").count(), 1);
    net.get(&name);
    assert_eq!(net.heard(0).matches("get").count(), 1);
    assert_eq!(net.peers[1].accepted, 2, "one a client");
}

#[test]
fn all_keys_of_one_operation_join_its_probe() {
    let mut net = Net::new(2, Settings::default());
    let names = names(100);
    fill(&mut net, &names);
    net.clients[0].disconnect_all(net.now);
    net.peers[0].mode = Mode::Refusing;
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    let many = net.perform(get_many(&keys)).many().expect("many keys");
    let there = found(&many, &names).len();
    assert!(there < 100 && many.failed.is_empty());
    net.peers[0].mode = Mode::Up;
    net.wait(DEAD_RETRY);
    let many = net.perform(get_many(&keys)).many().expect("many keys");
    assert_eq!(found(&many, &names).len(), 100);
}

/// A probe that comes to nothing gives its lease back, so that the next operation may probe.
#[test]
fn a_probe_without_a_verdict_is_replaced() {
    type End = fn(&mut Net, memcache_proto::client::OperationId);
    let cases: [(&str, Mode, End); 5] = [
        ("cancelled before it is sent", Mode::Up, |net, id| {
            net.cancel(id);
            net.drive();
        }),
        ("cancelled while connecting", Mode::Hanging, |net, id| {
            net.drive();
            net.cancel(id);
            net.peers[0].mode = Mode::Up;
            let now = net.now;
            net.clients[0].disconnect_all(now);
            net.drive();
        }),
        ("reset", Mode::Hanging, |net, id| {
            net.drive();
            net.cancel(id);
            net.peers[0].mode = Mode::Up;
            let now = net.now;
            net.clients[0].reset(now);
            net.drive();
        }),
        ("disconnected", Mode::Silent, |net, id| {
            net.drive();
            net.peers[0].mode = Mode::Up;
            let now = net.now;
            net.clients[0].disconnect_all(now);
            net.drive();
            net.take(id);
        }),
        ("a store that is not sent again", Mode::ClosesAt(0), |net, id| {
            net.drive();
            net.peers[0].mode = Mode::Up;
            net.take(id);
        }),
    ];
    for (what, mode, end) in cases {
        let mut net = Net::with_clients(2, 2, Settings::default());
        let name = net.key_on(&[0, 1]);
        net.peers[0].mode = Mode::Refusing;
        net.get(&name);
        net.now = net.now + DEAD_RETRY;
        net.peers[0].mode = mode;
        let probe = net.submit(set(&name, b"1"));
        end(&mut net, probe);
        net.heard(0);
        let id = net.submit_on(1, get(&name));
        net.drive();
        assert!(net.take_on(1, id).is_some(), "{what}");
        assert_eq!(net.heard(0).matches("get").count(), 1, "{what}");
    }
}

#[test]
fn an_idle_connection_to_a_server_found_dead_is_closed() {
    let mut net = Net::with_clients(2, 2, Settings::default());
    let name = net.key_on(&[0, 1]);
    for client in [0, 1] {
        let id = net.submit_on(client, get(&name));
        net.run();
        net.take_on(client, id);
    }
    assert_eq!(net.open(0), 2);
    net.peers[0].mode = Mode::Silent;
    failure(net.get(&name));
    assert_eq!(net.open(0), 1);
    let id = net.submit_on(1, get(&name));
    net.drive();
    assert!(net.take_on(1, id).is_some());
    assert_eq!(net.open(0), 0);
}

#[test]
fn disconnecting_and_resetting_leave_no_server_dead() {
    for reset in [false, true] {
        for mode in [Mode::Hanging, Mode::Silent, Mode::Up] {
            let mut net = Net::new(2, Settings::default());
            net.peers[0].mode = mode;
            net.peers[0].delay = SECOND;
            let name = net.key_on(&[0, 1]);
            let other = net.key_on(&[1, 0]);
            net.get(&other);
            let id = net.submit(get(&name));
            net.step();
            let now = net.now;
            if reset {
                net.clients[0].reset(now);
                assert!(net.clients[0].is_idle(), "{mode:?}");
                net.cancel(id);
                net.drive();
                assert_eq!((net.open(0), net.open(1)), (0, 1), "only what was busy is closed");
            } else {
                net.clients[0].disconnect_all(now);
                net.drive();
                assert_eq!((net.open(0), net.open(1)), (0, 0));
                assert_eq!(failure(net.take(id)).kind, FailureKind::Disconnected);
            }
            assert!(net.clients[0].is_idle(), "{mode:?}");
            assert_eq!(net.clients[0].poll_timeout(), None);
            assert!(!is_dead(&net, 0));
            net.peers[0].mode = Mode::Up;
            assert_eq!(value(net.get(&name)), None);
        }
    }
}

#[test]
fn an_event_of_a_closed_connection_touches_nothing() {
    let mut net = Net::new(1, Settings::default());
    net.set("a", "1");
    let stale = net.connections(0)[0];
    let now = net.now;
    net.clients[0].disconnect_all(now);
    for connecting in [true, false] {
        let id = net.submit(get("a"));
        if connecting {
            // The successor is there but not connected.
            while !matches!(net.clients[0].poll_action(net.now), Some(Action::Connect { .. })) {}
        } else {
            net.drive();
        }
        let client = &mut net.clients[0];
        client.connected(stale, now);
        assert!(client.transmit(stale).is_empty());
        client.transmitted(stale, 5, now);
        assert!(client.receive_buffer(stale).is_empty());
        client.received(stale, 5, now);
        client.received(stale, 0, now);
        client.connect_failed(stale, ConnectFailure::Refused, now);
        client.disconnected(stale, now);
        assert_eq!(client.wants(stale), memcache_proto::client::Wants::default());
        assert!(client.poll_action(Time::ZERO).is_none());
        assert!(!is_dead(&net, 0));
        if connecting {
            assert!(!net.is_done(id));
            net.clients[0].disconnect_all(now);
            net.run();
            net.take(id);
        } else {
            assert_eq!(value(net.take(id)), some("1"));
        }
    }
}

/// It refuses a connection before it reads anything, so even a store may go elsewhere.
#[test]
fn a_server_with_too_many_connections_is_passed_over() {
    for servers in [1, 2] {
        let mut net = Net::new(servers, Settings::default());
        let name = if servers == 1 { "key0".to_owned() } else { net.key_on(&[0, 1]) };
        net.peers[0].mode = Mode::Greets(b"ERROR Too many open connections\r\n");
        let outcome = net.set(&name, "1");
        assert!(is_dead(&net, 0));
        if servers == 1 {
            assert_eq!(failed(outcome), (Delivery::NotSent, FailureKind::Refused));
        } else {
            assert_eq!(outcome.stored(), Ok(Stored::Stored));
            assert_eq!(value(net.get(&name)), some("1"));
        }
    }
}

/// With `dead_retry` 0 a dead server may be tried again at once, but not for the same key: the ten
/// tries come back to the same few servers.
#[test]
fn no_server_is_tried_twice_for_one_key() {
    for servers in [1, 3] {
        let settings = Settings { dead_retry: Duration::ZERO, ..Settings::default() };
        let mut net = Net::new(servers, settings);
        for peer in &mut net.peers {
            peer.mode = Mode::Refusing;
        }
        let (delivery, kind) = failed(net.get("key0"));
        assert_eq!((delivery, kind), (Delivery::NotSent, REFUSED));
        assert!(net.peers.iter().all(|peer| peer.tried <= 1));
        assert!(net.peers.iter().any(|peer| peer.tried == 1));
    }
}

/// Whatever the limits on what a server may send, the client can read its own requests again.
#[test]
fn requests_are_sent_again_whatever_the_limits() {
    let limits = Limits {
        max_line_len: 64,
        max_value_len: 100,
        server_max_value_length: 0,
        max_queued_bytes: 3000,
        ..Limits::default()
    };
    let settings = Settings { limits, resend_stores: true, ..Settings::default() };
    let mut net = Net::new(1, settings);
    assert_eq!(value(net.get("a")), None);
    let long = "k".repeat(200);
    let big = vec![b'x'; 2000];
    let operations = [
        set("a", &big),
        get(&long),
        Operation::Touch { key: key(&long), exptime: Exptime::from_wire(-1), noreply: false },
        Operation::Gat { key: key(&long), exptime: Exptime::from_wire(-1), cas: true },
        Operation::Incr { key: key(&long), delta: u64::MAX, noreply: false },
        Operation::Stats(StatsArgument::Settings),
        Operation::FlushAll { delay: Some(Exptime::from_wire(i32::MAX)) },
    ];
    for operation in operations {
        net.hang_up(0);
        net.heard(0);
        let outcome = net.perform(operation);
        let heard = net.heard(0);
        let (first, second) = heard.split_at(heard.len() / 2);
        assert_eq!(first, second, "{operation:?}");
        match outcome {
            Outcome::One(reply) => assert!(reply.is_ok(), "{operation:?}: {reply:?}"),
            Outcome::Servers(servers) => assert!(servers[0].1.is_ok(), "{operation:?}"),
            Outcome::Many(_) => panic!("{operation:?}"),
        }
    }
}

#[test]
fn several_connections_share_the_work() {
    let settings = Settings { connections_per_server: 3, ..Settings::default() };
    let mut net = Net::new(1, settings);
    net.peers[0].delay = SECOND;
    let first: Vec<_> = (0..3).map(|_| net.submit(get("a"))).collect();
    net.drive();
    assert_eq!(net.open(0), 3);
    net.run();
    for id in first {
        net.take(id);
    }
    assert_eq!(value(net.get("a")), None);
    assert_eq!(net.peers[0].accepted, 3);
    let mut indexes: Vec<_> = net.connections(0).iter().map(|id| id.index()).collect();
    indexes.sort_unstable();
    assert_eq!(indexes, [0, 1, 2]);
    // One of them dead, all are.
    net.peers[0].mode = Mode::Silent;
    net.peers[0].delay = Duration::ZERO;
    failure(net.get("a"));
    net.drive();
    assert_eq!(net.open(0), 0);
}

#[test]
fn a_restarted_server_costs_one_reconnect_however_many_connections_there_were() {
    let settings = Settings { connections_per_server: 3, ..Settings::default() };
    let mut net = Net::new(1, settings);
    net.set("a", "1");
    let busy: Vec<_> = (0..3).map(|_| net.submit(get("a"))).collect();
    net.run();
    for id in busy {
        assert_eq!(value(net.take(id)), some("1"));
    }
    assert_eq!(net.open(0), 3);
    net.hang_up(0);
    assert_eq!(value(net.get("a")), some("1"));
    assert_eq!((net.open(0), net.peers[0].accepted), (1, 4));
    // And where all of them are in use.
    let busy: Vec<_> = (0..3).map(|_| net.submit(get("a"))).collect();
    net.run();
    assert_eq!(net.open(0), 3);
    net.hang_up(0);
    let again: Vec<_> = (0..3).map(|_| net.submit(get("a"))).collect();
    net.run();
    for id in busy.into_iter().chain(again) {
        assert_eq!(value(net.take(id)), some("1"));
    }
    assert!(!is_dead(&net, 0));
}

#[test]
fn nothing_is_to_be_done_on_a_connection_that_was_lost() {
    let net = Net::new(1, Settings::default());
    let mut client = memcache_proto::client::Client::new(net.cluster());
    let id = client.submit(get("key0"), net.now).expect("it is taken in");
    let Some(Action::Connect { connection, .. }) = client.poll_action(net.now) else {
        panic!("it connects first")
    };
    client.connected(connection, net.now);
    assert_eq!(client.poll_action(net.now), Some(Action::Transmit(connection)));
    let len = client.transmit(connection).len();
    client.transmitted(connection, len, net.now);
    // A reply is to be received now, but before that is asked for the connection is gone.
    client.disconnected(connection, net.now);
    assert_eq!(client.poll_action(net.now), Some(Action::Close(connection)));
    let again = client.poll_action(net.now);
    assert!(matches!(again, Some(Action::Connect { .. })), "{again:?}");
    assert_eq!(client.poll_action(net.now), None);
    assert!(!client.is_done(id));
}
