//! A connection that has rested is looked at before it is written to.

use std::sync::Arc;

use memcache_proto::client::{Client, Cluster};
use memcache_proto::routing::{Server, ServerAddress};

use crate::*;

/// What has come by itself is the reply to nothing.
#[test]
fn a_surplus_reply_is_nobodys() {
    let cases: [&[&[u8]]; 3] =
        [&[b"NOT_STORED\r\n"], &[b"NOT_ST", b"ORED\r\n"], &[b"VALUE b 0 3\r\nfo"]];
    for pieces in cases {
        let mut net = Net::new(1, Settings::default());
        net.set("a", "1");
        for piece in pieces {
            net.say(0, piece);
        }
        net.now = net.now + Duration::from_millis(1);
        assert_eq!(net.set("a", "2").stored(), Ok(Stored::Stored));
        assert_eq!(value(net.get("a")), some("2"));
        assert_eq!(net.peers[0].accepted, 2);
        assert!(!is_dead(&net, 0));
    }
}

/// The first store after a restart goes out on a new connection to the same server.
#[test]
fn the_first_store_after_a_restart_is_not_lost() {
    let mut net = Net::new(1, Settings::default());
    net.set("a", "1");
    net.hang_up(0);
    net.now = net.now + Duration::from_millis(1);
    net.heard(0);
    assert_eq!(net.set("a", "2").stored(), Ok(Stored::Stored));
    assert_eq!(net.heard(0), "set a 7 0 1\r\n2\r\n");
    assert_eq!(net.peers[0].accepted, 2);
    assert!(!is_dead(&net, 0));
}

/// A connection in use is not looked at: that would cost each call a system call.
#[test]
fn only_a_connection_that_has_rested_is_looked_at() {
    let millisecond = Duration::from_millis(1);
    let cases = [
        (millisecond, Duration::ZERO, false),
        (millisecond, Duration::from_micros(999), false),
        (millisecond, millisecond, true),
        (SECOND, Duration::from_millis(999), false),
        (SECOND, SECOND, true),
        (Duration::MAX, Duration::from_secs(86_400), false),
        (Duration::ZERO, Duration::ZERO, true),
    ];
    for (max_rest, rest, looked_at) in cases {
        let mut net = Net::new(1, Settings { max_rest, ..Settings::default() });
        net.set("a", "1");
        let connection = net.connections(0)[0];
        let now = net.now + rest;
        let client = &mut net.clients[0];
        client.submit(get("a"), now).expect("it is taken in");
        let action = client.poll_action(now);
        if looked_at {
            assert_eq!(action, Some(Action::Look(connection)), "{max_rest:?}, {rest:?}");
            assert!(client.wants(connection).look && !client.wants(connection).transmit);
            assert_eq!(client.transmit(connection), b"");
            client.looked(connection, now);
            assert_eq!(client.poll_action(now), Some(Action::Transmit(connection)));
        } else {
            assert_eq!(action, Some(Action::Transmit(connection)), "{max_rest:?}, {rest:?}");
        }
        assert_eq!(client.transmit(connection), b"get a\r\n");
    }
}

/// Before its first reply a connection may hear that the server has too many. Half of that line, read for an
/// operation that was cancelled, keeps nobody from resting or closing.
#[test]
fn half_of_a_refusal_that_nobody_waits_for_lets_the_client_rest() {
    let address = ServerAddress::parse("10.0.0.1").expect("an address");
    let cluster = Cluster::new(vec![Server::from(address)], Settings::default());
    let mut client = Client::new(Arc::new(cluster.expect("sound settings")));
    let now = Time::ZERO;
    let say = |client: &mut Client, connection, bytes: &[u8]| {
        client.receive_buffer(connection)[..bytes.len()].copy_from_slice(bytes);
        client.received(connection, bytes.len(), now);
    };
    let delete = Operation::Delete { key: key("a"), noreply: false };
    let cancelled = client.submit(delete, now).expect("it is taken in");
    let Some(Action::Connect { connection, .. }) = client.poll_action(now) else {
        panic!("it connects first")
    };
    client.connected(connection, now);
    assert_eq!(client.poll_action(now), Some(Action::Transmit(connection)));
    assert_eq!(client.transmit(connection), b"delete a\r\n");
    client.transmitted(connection, 0, now);
    client.cancel(cancelled);
    assert_eq!(client.transmit(connection), b"");
    client.transmitted(connection, 0, now);
    say(&mut client, connection, b"ERROR Too many o");
    assert!(client.is_idle());
    // The connection is looked at before it is used, and goes.
    client.submit(delete, now).expect("it is taken in");
    let mut actions = core::iter::from_fn(|| client.poll_action(now));
    assert!(actions.any(|action| action == Action::Look(connection)));
    say(&mut client, connection, b"pen connections\r\n");
    assert!(!client.is_open(connection));
}
