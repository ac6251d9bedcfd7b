//! What takes too long.

use memcache_proto::client::Client;

use crate::*;

#[test]
fn a_socket_timeout_fails_what_was_sent_and_the_rest_goes_on() {
    let mut net = Net::new(2, Settings::default());
    let name = net.key_on(&[0, 1]);
    net.peers[0].mode = Mode::Silent;
    let big = vec![b'x'; 60_000];
    let sent = [net.submit(get(&name)), net.submit(set(&name, &big))];
    let unsent = [net.submit(set(&name, &big)), net.submit(get(&name))];
    let started = net.now;
    net.run();
    assert_eq!(net.now - started, SOCKET_TIMEOUT);
    for id in sent {
        let expected = (Delivery::Unanswered, FailureKind::SocketTimeout);
        assert_eq!(failed(net.take(id)), expected);
    }
    assert_eq!(net.take(unsent[0]).stored(), Ok(Stored::Stored));
    assert_eq!(value(net.take(unsent[1])).map(|value| value.len()), Some(60_000));
    assert!(is_dead(&net, 0));
    assert_eq!(net.open(0), 0);
}

#[test]
fn progress_keeps_a_slow_server_alive() {
    let mut net = Net::new(1, Settings::default());
    fill(&mut net, &names(8));
    net.peers[0].delay = Duration::from_millis(2_900);
    let started = net.now;
    for name in names(8) {
        assert!(value(net.get(&name)).is_some());
    }
    assert_eq!(net.now - started, 8 * Duration::from_millis(2_900));
    net.wait(100 * SECOND);
    // What comes of one reply counts for those behind it.
    net.peers[0].delay = 2 * SECOND;
    let first = net.submit(get("key0"));
    net.drive();
    net.peers[0].delay = 4 * SECOND;
    let second = net.submit(get("key1"));
    net.run();
    assert_eq!(value(net.take(first)), some("value of key0"));
    assert_eq!(value(net.take(second)), some("value of key1"));
    net.peers[0].delay = Duration::from_millis(3_000);
    // At the very moment it is too late.
    assert_eq!(failure(net.get("key0")).kind, FailureKind::SocketTimeout);
}

#[test]
fn a_connection_that_does_not_come_about_times_out() {
    let mut net = Net::new(2, Settings::default());
    let name = net.key_on(&[0, 1]);
    net.peers[0].mode = Mode::Hanging;
    let started = net.now;
    assert_eq!(value(net.get(&name)), None);
    assert_eq!(net.now - started, SOCKET_TIMEOUT);
    assert!(is_dead(&net, 0));

    let mut net = Net::new(1, Settings::default());
    net.peers[0].mode = Mode::Hanging;
    let started = net.now;
    assert_eq!(
        failed(net.get("a")),
        (Delivery::NotSent, FailureKind::Connect(ConnectFailure::TimedOut))
    );
    assert_eq!(net.now - started, SOCKET_TIMEOUT);
    assert!(all_dead(net.get("a")));
    assert_eq!(net.now - started, SOCKET_TIMEOUT);
}

/// What is awaited of a server that connects and says nothing, or does not connect, and when that ends.
#[test]
fn a_connect_may_have_a_time_of_its_own() {
    let late = FailureKind::Connect(ConnectFailure::TimedOut);
    let cases = [
        (None, Mode::Hanging, SOCKET_TIMEOUT, late.clone()),
        (Some(SECOND), Mode::Hanging, SECOND, late.clone()),
        (Some(10 * SECOND), Mode::Hanging, 10 * SECOND, late),
        (None, Mode::Silent, SOCKET_TIMEOUT, FailureKind::SocketTimeout),
        (Some(SECOND), Mode::Silent, SOCKET_TIMEOUT, FailureKind::SocketTimeout),
    ];
    for (connect_timeout, mode, time, kind) in cases {
        let mut net = Net::new(1, Settings { connect_timeout, ..Settings::default() });
        net.peers[0].mode = mode;
        let began = net.now;
        assert_eq!(failed(net.get("a")).1, kind, "{connect_timeout:?}, {mode:?}");
        assert_eq!(net.now - began, time, "{connect_timeout:?}, {mode:?}");
        assert!(is_dead(&net, 0));
    }
}

#[test]
fn an_operation_timeout_ends_one_operation_and_nothing_else() {
    let settings = Settings { operation_timeout: Some(SECOND), ..Settings::default() };
    let mut net = Net::new(2, settings);
    let name = net.key_on(&[0, 1]);
    fill(&mut net, std::slice::from_ref(&name));
    net.peers[0].delay = 2 * SECOND;
    let started = net.now;
    let expected = (Delivery::Unanswered, FailureKind::OperationTimeout);
    assert_eq!(failed(net.get(&name)), expected);
    assert_eq!(net.now - started, SECOND);
    assert!(!is_dead(&net, 0));
    // The late reply is swallowed, and the connection goes on.
    net.wait(SECOND);
    assert!(net.clients[0].is_idle());
    net.peers[0].delay = Duration::ZERO;
    assert_eq!(value(net.get(&name)), Some(format!("value of {name}")));
    assert_eq!(net.peers[0].accepted, 1);

    // Of many keys those that came stay.
    net.peers[1].mode = Mode::Hanging;
    let now = net.now;
    net.clients[0].disconnect_all(now);
    let other = net.key_on(&[1, 1]);
    let keys = [key(&name), key(&other)];
    let many = net.perform(get_many(&keys)).many().expect("many keys");
    assert_eq!(many.items.len(), 1);
    let (number, failure) = &many.failed[0];
    assert_eq!((*number, &failure.kind), (1, &FailureKind::OperationTimeout));
    assert_eq!(failure.delivery, Delivery::NotSent);
    assert_eq!(net.now - now, SECOND);
}

/// What is sent to a server that is hung is no progress of its own.
#[test]
fn a_hung_server_is_found_out_whatever_else_is_submitted() {
    let mut net = Net::new(1, Settings::default());
    net.peers[0].mode = Mode::Silent;
    let first = net.submit(get("key0"));
    let started = net.now;
    while !net.is_done(first) {
        net.drive();
        net.wait(SECOND);
        let _ = net.submit(get("key1"));
    }
    assert_eq!(failed(net.take(first)), (Delivery::Unanswered, FailureKind::SocketTimeout));
    assert_eq!(net.now - started, SOCKET_TIMEOUT);
    assert!(is_dead(&net, 0));
}

/// With a deadline shorter than `socket_timeout` no connection is ever silent for long enough to tell;
/// two operations that were left without a byte tell it too, also where the client is reset between.
#[test]
fn operations_that_time_out_tell_of_a_dead_server() {
    for mode in [Mode::Silent, Mode::Hanging] {
        let settings = Settings { operation_timeout: Some(SECOND), ..Settings::default() };
        let mut net = Net::new(2, settings);
        let name = net.key_on(&[0, 1]);
        net.peers[0].mode = mode;
        for _ in 0..2 {
            assert!(!is_dead(&net, 0));
            let (_, kind) = failed(net.get(&name));
            assert_eq!(kind, FailureKind::OperationTimeout);
            net.reset(0);
        }
        assert!(is_dead(&net, 0));
        assert_eq!(value(net.get(&name)), None, "the next candidate is asked");
        // The probe that times out is enough by itself.
        net.wait(DEAD_RETRY);
        let (_, kind) = failed(net.get(&name));
        assert_eq!(kind, FailureKind::OperationTimeout);
        assert!(is_dead(&net, 0));
    }
}

/// Three of four servers take connections and say nothing: it costs one timeout, whatever the keys.
#[test]
fn silent_servers_cost_one_timeout_together() {
    for connections_per_server in [1, 3] {
        let settings = Settings { connections_per_server, ..Settings::default() };
        let mut net = Net::new(4, settings);
        let names = names(60_000);
        fill(&mut net, &names);
        for server in 0..3 {
            net.peers[server].mode = Mode::Silent;
        }
        let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
        let started = net.now;
        let many = net.perform(get_many(&keys)).many().expect("many keys");
        assert_eq!(net.now - started, SOCKET_TIMEOUT);
        let found = found(&many, &names);
        let cluster = net.cluster();
        for (number, name) in names.iter().enumerate() {
            let first = cluster.selector().candidates(name.as_bytes()).next();
            assert_eq!(found.contains_key(&number), first == Some(ServerIndex::new(3)), "{name}");
        }
        assert!(!many.failed.is_empty());
        for (number, failure) in &many.failed {
            assert!(!found.contains_key(number));
            assert_eq!(failure.kind, FailureKind::SocketTimeout);
            // Those beyond the window went on, and the other servers of some are silent too.
            assert_ne!(failure.delivery, Delivery::Answered);
        }
    }
}

#[test]
fn no_setting_of_time_panics() {
    for time in [Duration::ZERO, Duration::MAX] {
        let settings = Settings {
            dead_retry: time,
            socket_timeout: if time.is_zero() { SOCKET_TIMEOUT } else { time },
            operation_timeout: (!time.is_zero()).then_some(time),
            ..Settings::default()
        };
        let mut net = Net::new(2, settings);
        let name = net.key_on(&[0, 1]);
        net.peers[0].mode = Mode::Refusing;
        assert_eq!(value(net.get(&name)), None);
        // With no dead_retry it is tried each time.
        let tried = net.peers[0].tried;
        assert_eq!(value(net.get(&name)), None);
        assert_eq!(net.peers[0].tried - tried, usize::from(time.is_zero()));
        net.peers[1].mode = Mode::Refusing;
        let now = net.now;
        net.clients[0].disconnect_all(now);
        let (delivery, kind) = failed(net.get(&name));
        assert_eq!(delivery, Delivery::NotSent);
        assert!(matches!(kind, FailureKind::Connect(_) | FailureKind::AllDead(_)));
        assert!(net.peers.iter().all(|peer| peer.tried < 20));
    }
}

#[test]
fn the_time_it_takes_to_submit_is_not_the_servers() {
    let mut net = Net::new(1, Settings::default());
    net.get("key0");
    let began = net.now;
    let client = &mut net.clients[0];
    let id = client.submit(get("key0"), began).expect("it is taken in");
    // That may have been many keys.
    let now = began + 2 * SOCKET_TIMEOUT;
    let Some(Action::Transmit(_)) = client.poll_action(now) else { panic!("it is to be written") };
    assert_eq!(client.poll_timeout(), Some(now + SOCKET_TIMEOUT));
    client.handle_timeout(now);
    assert!(!client.is_done(id));
}

/// One that closes and is made anew for what came from another is not late itself.
#[test]
fn what_moves_away_from_one_that_is_late_goes_on_where_another_was() {
    let mut net = Net::with_clients(2, 2, Settings::default());
    let (name, other) = (net.key_on(&[0, 1]), net.key_on(&[1, 1]));
    net.get(&name);
    net.get(&other);
    (net.peers[0].mode, net.peers[1].mode) = (Mode::Hanging, Mode::Silent);
    let now = net.now;
    net.clients[0].quit_all(now);
    net.drive();
    // In place of the one that did not answer its quit comes another; the other still waits.
    let id = net.submit(get(&name));
    net.drive();
    net.peers[1].mode = Mode::Up;
    net.wait(SECOND);
    let alive = net.submit_on(1, get(&other));
    net.drive();
    assert_eq!(net.take_on(1, alive).map(value), Some(None));
    net.run();
    assert_eq!(net.now - now, SOCKET_TIMEOUT);
    assert_eq!(value(net.take(id)), None, "the next candidate is asked");
    assert!(is_dead(&net, 0) && !is_dead(&net, 1));
}

#[test]
fn an_operation_that_waited_for_a_connection_is_told_why() {
    let settings = Settings { operation_timeout: Some(SECOND), ..Settings::default() };
    let mut net = Net::with_clients(2, 1, settings);
    // The only connection there may be is another's, who is busy.
    net.peers[0].room = Some((1, Mode::Refusing));
    net.peers[0].delay = 2 * SECOND;
    net.submit_on(1, get("a"));
    net.drive();
    let id = net.submit(get("a"));
    net.wait(SECOND);
    assert_eq!(failed(net.take(id)), (Delivery::NotSent, REFUSED));
    assert!(!is_dead(&net, 0));
}

/// What could not be written says nothing of the server.
#[test]
fn operations_that_were_not_written_in_time_count_against_nobody() {
    let settings = Settings { operation_timeout: Some(SECOND), ..Settings::default() };
    let net = Net::new(1, settings);
    let (mut client, mut now) = (Client::new(net.cluster()), net.now);
    for round in 0..4 {
        let id = client.submit(set("a", b"1"), now).expect("it is taken in");
        while let Some(action) = client.poll_action(now) {
            if let Action::Connect { connection, .. } = action {
                client.connected(connection, now);
            }
        }
        now = now + SECOND;
        client.handle_timeout(now);
        let outcome = client.take(id).expect("its time is up");
        assert_eq!(failed(outcome), (Delivery::NotSent, FailureKind::OperationTimeout));
        assert!(!is_dead(&net, 0), "{round}");
    }
}

#[test]
fn a_write_that_took_nothing_is_no_progress() {
    let net = Net::new(1, Settings::default());
    let (mut client, now) = (Client::new(net.cluster()), net.now);
    let id = client.submit(get("a"), now).expect("it is taken in");
    let Some(Action::Connect { connection, .. }) = client.poll_action(now) else { panic!() };
    client.connected(connection, now);
    for (len, seconds, due) in [(0, 1, 3), (1, 2, 5), (0, 4, 5), (1, 4, 7)] {
        client.transmit(connection);
        client.transmitted(connection, len, now + SECOND * seconds);
        assert_eq!(client.poll_timeout(), Some(now + SECOND * due), "{len} at {seconds}");
    }
    client.handle_timeout(now + SECOND * 7);
    assert_eq!(failed(client.take(id).expect("it is late")).1, FailureKind::SocketTimeout);
}
