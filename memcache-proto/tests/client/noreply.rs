//! Operations with noreply: done when they are written.

use memcache_proto::client::Wants;

use crate::*;

#[test]
fn what_is_written_is_done_and_nothing_is_awaited() {
    let mut net = Net::new(1, Settings::default());
    let (name, exptime, noreply) = (key("a"), Exptime::from_wire(60), true);
    let store = |verb, value| Operation::Store {
        verb,
        item: NewItem { key: name, flags: Flags::new(0), exptime, value },
        noreply,
    };
    let cases: &[(Operation<'_>, &str)] = &[
        (store(StoreVerb::Set, b"7"), "set a 0 60 1 noreply\r\n7\r\n"),
        (store(StoreVerb::Cas(3), b"7"), "cas a 0 60 1 3 noreply\r\n7\r\n"),
        (Operation::Incr { key: name, delta: 2, noreply }, "incr a 2 noreply\r\n"),
        (Operation::Touch { key: name, exptime, noreply }, "touch a 60 noreply\r\n"),
        (Operation::Delete { key: name, noreply }, "delete a noreply\r\n"),
    ];
    for (operation, wire) in cases {
        let outcome = net.perform(*operation);
        assert_eq!(outcome.sent(), Ok(()), "{wire:?}");
        assert_eq!(net.heard(0), *wire);
        let connection = net.connections(0)[0];
        assert_eq!(net.clients[0].wants(connection), Wants::default(), "{wire:?}");
        assert!(net.clients[0].is_idle());
    }
    // The replies that follow are those of what asked for one.
    net.perform(store(StoreVerb::Set, b"7"));
    assert_eq!(value(net.get("a")), some("7"));
}

#[test]
fn one_behind_an_unanswered_request_is_done_when_it_is_written() {
    let mut net = Net::new(1, Settings::default());
    net.set("a", "1");
    net.peers[0].mode = Mode::Silent;
    let get = net.submit(get("a"));
    let delete = net.submit(Operation::Delete { key: key("a"), noreply: true });
    net.drive();
    assert!(!net.is_done(get));
    assert!(!net.is_done(delete), "the reply before it may yet close the connection");
    net.run();
    assert_eq!(failure(net.take(get)).kind, FailureKind::SocketTimeout);
    // Whether it was carried out nobody knows, but it was written.
    assert_eq!(net.take(delete).sent(), Ok(()));
}

#[test]
fn of_many_all_count_as_done_but_those_that_were_not_sent() {
    let mut net = Net::new(2, Settings::default());
    net.peers[1].mode = Mode::Refusing;
    let names = names(20);
    let long = vec![b'x'; (1 << 20) + 1];
    let mut items: Vec<_> = names.iter().map(|name| item(name, b"1")).collect();
    items[3].value = &long;
    let stored = net
        .perform(Operation::StoreMany { verb: StoreVerb::Set, items: &items, noreply: true })
        .many()
        .expect("many keys");
    assert!(stored.replies.is_empty());
    let failed: Vec<_> = stored.failed.iter().map(|(number, _)| *number).collect();
    assert_eq!(failed, [3]);
    assert_eq!(net.heard(0).matches(" noreply\r\n1\r\n").count(), 19);
}

/// A connection that nobody listened on is not read from either, so that somebody must ask now and then.
#[test]
fn the_server_is_asked_now_and_then_how_far_it_is() {
    let limits = Limits { window: 1000, ..Limits::default() };
    let mut net = Net::new(1, Settings { limits, ..Settings::default() });
    for _ in 0..100 {
        let delete = Operation::Delete { key: key("a"), noreply: true };
        assert_eq!(net.perform(delete).sent(), Ok(()));
    }
    let heard = net.heard(0);
    let (asked, sent) = (heard.matches("version").count(), heard.matches("delete").count());
    assert_eq!(sent, 100);
    assert!((3..=8).contains(&asked), "{asked} times for {} bytes", heard.len());
    assert!(net.clients[0].is_idle());
}

/// A connection that has come to rest has been of use, though noreply has no reply.
#[test]
fn a_failure_does_not_count_against_a_connection_that_has_come_to_rest_since() {
    let mut net = Net::new(1, Settings::default());
    for round in 0..4 {
        net.peers[0].mode = Mode::ClosesAt(0);
        assert_eq!(failure(net.set("a", "1")).kind, FailureKind::Eof);
        assert!(!is_dead(&net, 0), "{round}");
        net.peers[0].mode = Mode::Up;
        let (verb, item) = (StoreVerb::Set, item("a", b"1"));
        let silent = Operation::Store { verb, item, noreply: true };
        assert_eq!(net.perform(silent).sent(), Ok(()));
    }
}
