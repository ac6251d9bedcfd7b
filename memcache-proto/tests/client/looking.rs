//! A connection that has rested is looked at before it is written to.

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
