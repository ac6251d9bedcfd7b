//! Which servers are condemned, and in what time: servers that are full, slow, or gone, with several clients.

use crate::*;

/// A server that is slower than the pauses between the connects, and full.
#[test]
fn a_full_server_that_is_slow_is_not_dead_for_one_more() {
    for millis in [20, 200, 500, 1000, 2500] {
        for (what, more) in [
            ("refused", Mode::Refusing),
            ("greeted", Mode::Greets(b"ERROR Too many open connections\r\n")),
            ("hung", Mode::Hanging),
            ("silent", Mode::Silent),
        ] {
            let mut net = Net::with_clients(2, 1, Settings::default());
            net.peers[0].room = Some((1, more));
            net.set("a", "1");
            net.peers[0].delay = Duration::from_millis(millis);
            let mut busy = net.submit(get("a"));
            net.drive();
            let waits = net.submit_on(1, set("b", b"1"));
            let started = net.now;
            while net.now - started < SECOND * 8 {
                net.wait(Duration::from_millis(1));
                assert!(!is_dead(&net, 0), "{what}, {millis}, {:?}", net.now - started);
                if net.is_done(busy) {
                    assert_eq!(value(net.take(busy)), some("1"), "{what}, {millis}");
                    busy = net.submit(get("a"));
                    net.drive();
                }
            }
            let outcome = net
                .take_on(1, waits)
                .unwrap_or_else(|| panic!("{what}, {millis}: {:?}", net.now - started));
            if let Err(failure) = outcome.stored() {
                assert!(!failure.may_have_been_applied() || what == "silent", "{what}, {millis}");
            }
        }
    }
}

/// A flush that went to a connection which the server did not take is still to be made.
#[test]
fn a_flush_is_made_first_on_whatever_connection_it_waited_for() {
    for (what, more) in [
        ("refused", Mode::Refusing),
        ("greeted", Mode::Greets(b"ERROR Too many open connections\r\n")),
        ("hung", Mode::Hanging),
        ("silent", Mode::Silent),
    ] {
        let settings = Settings { flush_on_reconnect: true, ..Settings::default() };
        let mut net = Net::with_clients(2, 1, settings);
        net.set("a", "1");
        net.cluster().health().mark_dead(
            ServerIndex::new(0),
            net.now,
            DEAD_RETRY,
            DeathCause::Asked,
        );
        net.wait(DEAD_RETRY);
        net.heard(0);
        net.peers[0].room = Some((1, more));
        // It uses its connection, and had done so when the other began.
        let probe = net.submit_on(1, get("a"));
        net.drive();
        net.peers[0].room = None;
        net.run();
        let outcome = net.take_on(1, probe).expect("done");
        let heard = net.heard(0);
        match outcome {
            Outcome::One(Err(_)) => {
                assert!(what == "hung" || what == "silent", "{what}");
                net.wait(DEAD_RETRY);
                assert_eq!(value(net.get("a")), None, "{what}");
            }
            outcome => {
                assert_eq!(value(outcome), None, "{what}: {heard}");
            }
        }
    }
}

/// A client that is gone has no connection.
#[test]
fn the_connections_of_a_client_that_is_dropped_count_no_more() {
    let mut net = Net::with_clients(2, 1, Settings::default());
    let other = net.submit_on(1, get("a"));
    net.run();
    net.take_on(1, other);
    net.clients.truncate(1);
    net.peers[0].mode = Mode::Refusing;
    let started = net.now;
    let _ = net.get("a");
    assert!(is_dead(&net, 0));
    assert_eq!(net.now, started);
}

/// A connection that outlived the death of its server is looked at before the flush, too.
#[test]
fn a_flush_is_not_written_to_a_connection_that_has_rested_before_a_look_at_it() {
    for surplus in [None, Some(b"OK\r\n")] {
        let settings = Settings { flush_on_reconnect: true, ..Settings::default() };
        let mut net = Net::new(1, settings);
        net.set("a", "1");
        let server = ServerIndex::new(0);
        net.cluster().health().mark_dead(server, net.now, DEAD_RETRY, DeathCause::Asked);
        net.cluster().health().forget_dead_hosts();
        net.wait(SECOND);
        match surplus {
            Some(surplus) => net.say(0, surplus),
            None => net.hang_up(0),
        }
        net.heard(0);
        assert_eq!(net.set("a", "2").stored(), Ok(Stored::Stored), "{surplus:?}");
        assert!(net.heard(0).starts_with("flush_all\r\nset a "));
        assert_eq!(value(net.get("a")), some("2"));
    }
}

/// As many sessions as there are, as long as the call waits, whatever the server does to one more.
#[test]
fn a_full_server_is_not_asked_for_ever() {
    for more in [
        Mode::Refusing,
        Mode::Hanging,
        Mode::Silent,
        Mode::Greets(b"ERROR Too many open connections\r\n"),
    ] {
        for connections_per_server in 1..=3 {
            let settings = Settings { connections_per_server, ..Settings::default() };
            let mut net = Net::with_clients(2, 1, settings);
            net.peers[0].room = Some((1, more));
            net.peers[0].delay = Duration::from_millis(7);
            net.set("a", "1");
            let started = net.now;
            let mut busy = net.submit(get("a"));
            net.drive();
            let waiting: Vec<_> = (0..6).map(|_| net.submit_on(1, get("a"))).collect();
            let mut done = vec![None; 6];
            while net.now - started < SECOND * 60 {
                for (at, id) in waiting.iter().enumerate() {
                    if done[at].is_none() {
                        if let Some(outcome) = net.take_on(1, *id) {
                            done[at] = Some((
                                net.now - started,
                                outcome.item().map(|_| ()).map_err(|failure| failure.kind),
                            ));
                        }
                    }
                }
                net.wait(Duration::from_millis(1));
                assert!(!is_dead(&net, 0), "{more:?}");
                if net.is_done(busy) {
                    assert_eq!(value(net.take(busy)), some("1"), "{more:?}");
                    busy = net.submit(get("a"));
                    net.drive();
                }
            }
            for (taken, _) in done.into_iter().flatten() {
                // One connection that is silent, and one wait for another.
                assert!(taken <= SOCKET_TIMEOUT * 2, "{more:?}: {taken:?}");
            }
            let most = 1 + 40 * connections_per_server;
            assert!(net.peers[0].tried <= most, "{more:?}: {}", net.peers[0].tried);
        }
    }
}

/// Nobody is told of a server that is gone, and it is dead in the time that it takes to find out.
#[test]
fn a_server_that_is_gone_is_dead_in_time_whoever_had_a_connection_to_it() {
    for gone in [Mode::Refusing, Mode::Hanging, Mode::Silent] {
        for hung_up in [true, false] {
            for connections_per_server in 1..=3 {
                for busy in [true, false] {
                    for operation_timeout in [None, Some(SECOND)] {
                        let settings = Settings {
                            connections_per_server,
                            operation_timeout,
                            ..Settings::default()
                        };
                        let mut net = Net::with_clients(3, 2, settings);
                        let name = net.key_on(&[0, 1]);
                        let ids: Vec<_> = (0..2)
                            .flat_map(|client| [client; 4])
                            .map(|client| (client, net.submit_on(client, get(&name))))
                            .collect();
                        net.run();
                        for (client, id) in ids {
                            net.take_on(client, id);
                        }
                        net.peers[0].delay = SECOND * 2;
                        let owed = busy.then(|| net.submit_on(0, get(&name)));
                        net.drive();
                        net.peers[0].mode = gone;
                        if hung_up {
                            net.hang_up(0);
                        }
                        let started = net.now;
                        while !is_dead(&net, 0) {
                            let id = net.submit_on(2, get(&name));
                            net.drive();
                            while net.take_on(2, id).is_none() {
                                net.wait(Duration::from_millis(10));
                            }
                            assert!(net.now - started < SECOND * 20, "never");
                            net.wait(Duration::from_millis(10));
                        }
                        // What is closed is seen at once, what is silent when its time is up, and what is
                        // handed over has its time anew.
                        let most = match (gone, hung_up) {
                            (Mode::Refusing, true) => SECOND / 5,
                            _ => SOCKET_TIMEOUT * 2 + SECOND,
                        };
                        assert!(
                            net.now - started <= most,
                            "{gone:?} {hung_up} {connections_per_server} {busy} {operation_timeout:?}"
                        );
                        net.run();
                        if let Some(owed) = owed {
                            net.take(owed);
                        }
                    }
                }
            }
        }
    }
}

/// An idle session has a connection that is open when looked at.
#[test]
fn a_connect_that_hangs_condemns_no_server_that_an_idle_client_is_connected_to() {
    for operation_timeout in [None, Some(SECOND), Some(SECOND / 5)] {
        for more in [Mode::Hanging, Mode::Refusing] {
            let settings = Settings { operation_timeout, ..Settings::default() };
            let mut net = Net::with_clients(2, 1, settings);
            net.peers[0].room = Some((1, more));
            net.set("a", "1");
            let started = net.now;
            let (mut calls, mut got) = (0, None);
            while got.is_none() {
                let id = net.submit_on(1, get("a"));
                net.run();
                got = net.take_on(1, id).expect("it is done").item().ok();
                assert!(!is_dead(&net, 0), "{operation_timeout:?} {more:?}");
                calls += 1;
                assert!(net.now - started <= SOCKET_TIMEOUT, "{operation_timeout:?} {more:?}");
            }
            assert!(got.flatten().is_some());
            assert!(operation_timeout.is_some() || calls == 1);
        }
    }
}

/// What is let go of and not taken over is no connection any more.
#[test]
fn a_connection_that_was_let_go_of_counts_until_it_is_dropped() {
    for misuse in ["dropped", "another server", "another cluster", "nobody waits", "client gone"] {
        let mut net = Net::with_clients(3, 2, Settings::default());
        let name = net.key_on(&[0, 1]);
        net.get(&name);
        let server = ServerIndex::new(0);
        let idle = net.clients[0].idle_connection(server).expect("open");
        let released = net.clients[0].release(idle).expect("idle");
        assert!(net.clients[0].release(idle).is_none());
        let now = net.now;
        match misuse {
            "dropped" => drop(released),
            "another server" => {
                let other = net.key_on(&[1, 0]);
                let id = net.submit_on(1, get(&other));
                net.drive();
                net.take_on(1, id);
                let open = net.clients[1].idle_connection(ServerIndex::new(1)).expect("open");
                assert!(!net.clients[1].take_over(open, released, now));
            }
            "another cluster" => {
                let mut other = Net::with_clients(1, 2, Settings::default());
                other.submit(get(&name));
                let Some(Action::Connect { connection, .. }) = other.clients[0].poll_action(now)
                else {
                    panic!("it connects")
                };
                assert!(!other.clients[0].take_over(connection, released, now));
            }
            "nobody waits" => {
                assert!(!net.clients[0].take_over(idle, released, now));
            }
            _ => {
                net.clients.remove(0);
                drop(released);
            }
        }
        // It would not be dead at once, were one open.
        net.peers[0].mode = Mode::Refusing;
        net.get(&name);
        assert!(is_dead(&net, 0), "{misuse}");
        assert_eq!(net.now, now, "{misuse}");
    }
}
