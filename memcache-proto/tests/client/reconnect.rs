//! What comes with the return of a server: `flush_on_reconnect`, and what a log is told.

use memcache_proto::client::{Client, NoticeEvent};

use crate::*;

fn flushing() -> Settings {
    Settings { flush_on_reconnect: true, debug: true, ..Settings::default() }
}

/// What has been noted since this was last asked, without the server.
fn notices(client: &mut Client) -> Vec<NoticeEvent> {
    std::iter::from_fn(|| client.poll_notice()).map(|notice| notice.event).collect()
}

fn dies(net: &mut Net) {
    net.peers[0].mode = Mode::Refusing;
    net.hang_up(0);
    assert_eq!(failure(net.get("a")).kind, REFUSED);
    net.peers[0].mode = Mode::Up;
    net.heard(0);
}

#[test]
fn a_server_that_was_dead_is_flushed_once_and_before_anything_else() {
    let mut net = Net::with_clients(2, 1, flushing());
    net.set("a", "1");
    let first = net.submit_on(1, get("a"));
    net.run();
    assert_eq!(value(net.take_on(1, first).expect("done")), some("1"));
    assert!(!net.heard(0).contains("flush_all"));

    dies(&mut net);
    net.wait(DEAD_RETRY);
    assert_eq!(value(net.get("a")), None, "it has been flushed");
    assert_eq!(net.heard(0), "flush_all\r\nget a\r\n");

    // Another client of the same cluster need not do it again, and nor need the first.
    net.set("a", "3");
    let second = net.submit_on(1, get("a"));
    net.run();
    assert_eq!(value(net.take_on(1, second).expect("done")), some("3"));
    net.clients[0].disconnect_all(net.now);
    assert_eq!(value(net.get("a")), some("3"));
    assert!(!net.heard(0).contains("flush_all"));
}

#[test]
fn without_the_setting_nothing_is_flushed() {
    let mut net = Net::new(1, Settings::default());
    net.set("a", "1");
    dies(&mut net);
    net.wait(DEAD_RETRY);
    assert_eq!(value(net.get("a")), some("1"));
    assert_eq!(net.heard(0), "get a\r\n");
}

#[test]
fn one_that_was_forgiven_is_flushed_too() {
    let mut net = Net::new(1, flushing());
    net.set("a", "1");
    dies(&mut net);
    net.cluster().health().forget_dead_hosts();
    assert_eq!(value(net.get("a")), None);
    assert_eq!(net.heard(0), "flush_all\r\nget a\r\n");
}

#[test]
fn a_flush_that_was_not_answered_is_made_again() {
    let mut net = Net::new(1, flushing());
    net.set("a", "1");
    dies(&mut net);
    net.wait(DEAD_RETRY);
    net.peers[0].mode = Mode::ClosesAt(0);
    assert_eq!(failure(net.get("a")).kind, FailureKind::Eof);
    net.peers[0].mode = Mode::Up;
    net.heard(0);
    net.wait(DEAD_RETRY);
    assert_eq!(value(net.get("a")), None);
    assert_eq!(net.heard(0), "flush_all\r\nget a\r\n");
}

/// A server that was started with `-F`, for instance.
#[test]
fn a_refused_flush_keeps_nobody_from_the_server() {
    let refusals: &[&'static [u8]] = &[
        b"CLIENT_ERROR flush_all not allowed\r\nEND\r\n",
        b"ERROR\r\nEND\r\n",
        b"SERVER_ERROR busy\r\nEND\r\n",
    ];
    for refusal in refusals {
        let mut net = Net::new(1, flushing());
        dies(&mut net);
        net.wait(DEAD_RETRY);
        net.peers[0].mode = Mode::Says(refusal);
        assert_eq!(value(net.get("a")), None, "{}", refusal.escape_ascii());
        let noted = notices(&mut net.clients[0]);
        assert!(matches!(noted[..], [.., NoticeEvent::NotFlushed { .. }]), "{noted:?}");
        assert_eq!(net.open(0), 1);
    }
}

#[test]
fn what_happens_is_noted_with_its_reason() {
    use NoticeEvent::*;

    let mut net = Net::new(2, flushing());
    let name = net.key_on(&[0, 1]);
    net.set(&name, "1");
    assert_eq!(notices(&mut net.clients[0]), []);

    // An idle connection that was closed.
    net.hang_up(0);
    assert_eq!(value(net.get(&name)), some("1"));
    let reason = FailureKind::Eof;
    assert_eq!(
        notices(&mut net.clients[0]),
        [
            Disconnected { reason: reason.clone() },
            Reconnect,
            Retry { reason: reason.clone(), requests: 1 },
        ]
    );

    // Nonsense, and again.
    net.peers[0].mode = Mode::Says(b"hello\r\n");
    for _ in 0..2 {
        let kind = FailureKind::Protocol(Violation::new(ProtocolError::Malformed, b"hello"));
        assert_eq!(failure(net.get(&name)).kind, kind);
    }
    let error = Violation::new(ProtocolError::Malformed, b"hello");
    let reason = FailureKind::Protocol(error.clone());
    let unexpected = UnexpectedReply { error };
    assert_eq!(
        notices(&mut net.clients[0]),
        [unexpected.clone(), Reconnect, unexpected, MarkedDead { reason }]
    );

    // It comes back.
    net.peers[0].mode = Mode::Up;
    net.wait(DEAD_RETRY);
    assert_eq!(value(net.get(&name)), None);
    assert_eq!(notices(&mut net.clients[0]), [FlushOnReconnect, Reconnect, Revived]);

    // It is gone, and what was to go there goes to the next.
    net.peers[0].mode = Mode::Refusing;
    net.hang_up(0);
    assert_eq!(value(net.get(&name)), None);
    let noted = notices(&mut net.clients[0]);
    let retried = Retry { reason: REFUSED, requests: 1 };
    assert!(noted.contains(&MarkedDead { reason: REFUSED }), "{noted:?}");
    assert!(noted.contains(&retried), "{noted:?}");
    let text = noted.iter().map(ToString::to_string).collect::<String>();
    assert!(!text.contains(&name), "no key is told: {text}");
}

#[test]
fn notices_that_nobody_takes_are_bounded_and_without_the_setting_there_are_none() {
    for debug in [true, false] {
        let mut net = Net::new(1, Settings { debug, ..Settings::default() });
        for _ in 0..200 {
            net.set("a", "1");
            net.hang_up(0);
            net.get("a");
        }
        let noted = notices(&mut net.clients[0]).len();
        assert_eq!(noted, if debug { 256 } else { 0 });
    }
}

#[test]
fn quit_ends_a_connection_in_good_order() {
    let mut net = Net::new(2, Settings::default());
    let names = [net.key_on(&[0, 1]), net.key_on(&[1, 0])];
    for name in &names {
        net.set(name, "1");
    }
    net.heard(0);
    // One that has something to do does that first.
    let busy = net.submit(get(&names[0]));
    net.clients[0].quit_all(net.now);
    net.run();
    assert_eq!(value(net.take(busy)), some("1"));
    assert_eq!(net.heard(0), format!("get {}\r\nquit\r\n", names[0]));
    net.drive();
    assert_eq!((net.open(0), net.open(1)), (0, 0));
    assert!(!is_dead(&net, 0) && !is_dead(&net, 1) && net.clients[0].is_idle());
    // And the next operation connects again, also where the server has still to close.
    assert_eq!(value(net.get(&names[1])), some("1"));
    net.clients[0].quit_all(net.now);
    assert_eq!(value(net.get(&names[1])), some("1"));
    assert_eq!(net.peers[1].accepted, 3);
}

/// An adapter that is told to close what it has closed might close another's socket.
#[test]
fn a_connection_is_closed_once() {
    let settings = Settings { connections_per_server: 2, ..Settings::default() };
    let mut net = Net::new(2, settings);
    net.get("a");
    let [connection] = net.connections(0)[..] else { panic!("one is open") };
    let (client, now) = (&mut net.clients[0], net.now);
    client.disconnect_all(now);
    client.disconnect_all(now);
    client.disconnected(connection, now);
    client.close_connection(connection, now);
    client.connect_failed(connection, ConnectFailure::Refused, now);
    client.quit_all(now);
    client.reset(now);
    let actions: Vec<_> = std::iter::from_fn(|| client.poll_action(now)).collect();
    assert_eq!(actions, [Action::Close(connection)]);
    assert!(!is_dead(&net, connection.server().index()));
}

/// However long it has rested before.
#[test]
fn a_server_has_its_time_to_answer_a_quit() {
    let mut net = Net::new(1, Settings::default());
    net.get("a");
    net.wait(100 * SECOND);
    net.peers[0].mode = Mode::Silent;
    let (client, now) = (&mut net.clients[0], net.now);
    client.quit_all(now);
    assert_eq!(client.poll_timeout(), Some(now + SOCKET_TIMEOUT));
    client.handle_timeout(now);
    net.drive();
    assert_eq!((net.open(0), is_dead(&net, 0)), (1, false));
    net.wait(SOCKET_TIMEOUT);
    assert_eq!((net.open(0), is_dead(&net, 0)), (0, true));
}

/// A flush that cannot be sent is given up as any other request is: after three connections without a reply.
#[test]
fn a_flush_that_never_leaves_is_given_up() {
    for greeting in [&b"ERROR Too many ope"[..], b""] {
        let mut net = Net::new(1, flushing());
        net.peers[0].mode = Mode::Refusing;
        let _ = net.get("a");
        net.wait(DEAD_RETRY);
        let waits = net.submit(get("a"));
        let (client, now) = (&mut net.clients[0], net.now);
        let mut connects = 0;
        while let Some(action) = client.poll_action(now) {
            let Action::Connect { connection, .. } = action else { continue };
            connects += 1;
            assert!(connects < 10, "it connects without end");
            client.connected(connection, now);
            if !greeting.is_empty() {
                client.receive_buffer(connection)[..greeting.len()].copy_from_slice(greeting);
                client.received(connection, greeting.len(), now);
            }
            client.received(connection, 0, now);
        }
        assert_eq!(connects, 3);
        let failure = client.take(waits).expect("it is done").item().expect_err("nothing was sent");
        assert_eq!((failure.delivery, failure.kind), (Delivery::NotSent, FailureKind::Eof));
    }
}
