//! What an adapter asks before it submits: where an operation would go, and how much waits there.

use crate::*;

#[test]
fn an_operation_goes_where_it_was_said_to_go() {
    let mut net = Net::new(3, Settings { key_prefix: b"p:".to_vec(), ..Settings::default() });
    for name in names(50) {
        let destination = net.clients[0].destination(key(&name), net.now).expect("all are alive");
        net.get(&name);
        for server in 0..3 {
            let heard = net.heard(server).contains(&name);
            assert_eq!(heard, destination.index() == server, "{name} at {server}");
        }
    }
    // A server that is dead is passed over, until its time has come.
    let name = "key0";
    let first = net.clients[0].destination(key(name), net.now).expect("all are alive");
    net.cluster().health().mark_dead(first, net.now, DEAD_RETRY, DeathCause::Asked);
    let second = net.clients[0].destination(key(name), net.now).expect("two are alive");
    assert_ne!(second, first);
    net.get(name);
    assert!(net.heard(second.index()).contains(name));
    assert_eq!(net.clients[0].destination(key(name), net.now + DEAD_RETRY), Some(first));
    for server in 0..3 {
        net.cluster().health().mark_dead(
            ServerIndex::new(server),
            net.now,
            DEAD_RETRY,
            DeathCause::Asked,
        );
    }
    assert_eq!(net.clients[0].destination(key(name), net.now), None);
    assert_eq!(net.clients[0].destination(key(&"k".repeat(249)), net.now), None, "too long");
}

#[test]
fn what_waits_is_counted_on_the_connection_that_has_the_least() {
    for connections_per_server in [1, 2] {
        let mut net = Net::new(2, Settings { connections_per_server, ..Settings::default() });
        let server = net.clients[0].destination(key("key0"), net.now).expect("all are alive");
        let other = ServerIndex::new(u32::from(server.index() == 0));
        let waits = |net: &Net| net.clients[0].queued_bytes(server);
        assert_eq!(waits(&net), 0);
        net.submit(set("key0", &[b'x'; 1000]));
        assert_eq!(waits(&net) > 1000, connections_per_server == 1);
        net.submit(set("key0", &[b'x'; 2000]));
        let least = if connections_per_server == 1 { 3000..3100 } else { 1000..1100 };
        assert!(least.contains(&waits(&net)), "{}", waits(&net));
        assert_eq!(net.clients[0].queued_bytes(other), 0);
        net.run();
        assert_eq!(waits(&net), 0);
    }
    let net = Net::new(1, Settings::default());
    assert_eq!(net.clients[0].queued_bytes(ServerIndex::new(7)), 0, "there is no such server");
}

#[test]
fn replies_that_can_be_taken_are_counted() {
    let mut net = Net::new(1, Settings::default());
    let names = names(100);
    fill(&mut net, &names);
    net.cut = 100;
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    let id = net.submit(get_many(&keys));
    assert_eq!(net.clients[0].items(id), 0);
    while !net.is_done(id) && net.clients[0].items(id) < 10 {
        net.step();
    }
    assert!((10..100).contains(&net.clients[0].items(id)));
    assert_eq!(net.clients[0].items(id), net.clients[0].take_items(id).len());
    assert_eq!(net.clients[0].items(id), 0);
    net.cancel(id);
    assert_eq!(net.clients[0].items(id), 0);
    net.run();
    let one = net.submit(get("key0"));
    assert_eq!(net.clients[0].items(one), 0);
}

#[test]
fn a_connection_is_open_from_its_making_to_its_closing() {
    let mut net = Net::new(1, Settings::default());
    let client = &mut net.clients[0];
    client.submit(get("key0"), net.now).expect("it is taken in");
    let Some(Action::Connect { connection, .. }) = client.poll_action(net.now) else {
        panic!("it is to connect")
    };
    assert!(!client.is_open(connection));
    client.connected(connection, net.now);
    assert!(client.is_open(connection));
    client.disconnected(connection, net.now);
    assert!(!client.is_open(connection));
}

#[test]
fn an_operation_knows_how_many_keys_it_is_about() {
    let keys = [key("a"), key("b")];
    let items = [item("a", b"1"), item("b", b"2"), item("c", b"3")];
    let cases = [
        (get("a"), 1),
        (set("a", b"1"), 1),
        (Operation::Delete { key: key("a"), noreply: false }, 1),
        (get_many(&keys), 2),
        (get_many(&[]), 0),
        (Operation::DeleteMany { keys: &keys, noreply: false }, 2),
        (Operation::StoreMany { verb: StoreVerb::Set, items: &items, noreply: false }, 3),
        (Operation::Part(&get_many(&keys)), 2),
        (Operation::Version, 0),
    ];
    for (operation, count) in cases {
        assert_eq!(operation.keys(), count, "{operation:?}");
    }
}

/// Its number may be another's by now.
#[test]
fn an_operation_that_was_forgotten_has_nothing_more_to_give() {
    let mut net = Net::new(1, Settings::default());
    let names = names(20);
    fill(&mut net, &names);
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    let forgotten = net.submit(get_many(&keys));
    net.cancel(forgotten);
    let id = net.submit(get_many(&keys));
    assert_eq!(id.index(), forgotten.index());
    net.cut = 100;
    while net.clients[0].items(id) == 0 {
        assert!(net.step());
    }
    let client = &mut net.clients[0];
    assert_eq!(client.items(forgotten), 0);
    assert!(client.take_items(forgotten).is_empty());
    assert!(!client.is_done(forgotten) && client.take(forgotten).is_none());
    assert!(!client.take_items(id).is_empty());

    // A reset forgets those under way and those that nobody has taken.
    let (now, server) = (net.now, ServerIndex::new(0));
    let waiting = client.submit(get("a"), now).expect("it is taken in");
    client.cluster().health().mark_dead(server, now, DEAD_RETRY, DeathCause::Asked);
    let done = client.submit(get("a"), now).expect("it is taken in");
    assert!(client.is_done(done));
    client.reset(now);
    for id in [id, waiting, done] {
        assert!(!client.is_done(id) && client.take(id).is_none());
        assert!(client.take_items(id).is_empty());
    }
    assert_eq!(client.poll_completion(), None);
}

#[test]
fn a_connection_wants_nothing_before_it_is_made() {
    let net = Net::new(1, Settings::default());
    let mut client = memcache_proto::client::Client::new(net.cluster());
    client.submit(get("a"), net.now).expect("it is taken in");
    let Some(Action::Connect { connection, .. }) = client.poll_action(net.now) else { panic!() };
    let wants = |client: &memcache_proto::client::Client| {
        let wants = client.wants(connection);
        (wants.look, wants.transmit, wants.receive)
    };
    assert_eq!((wants(&client), client.is_open(connection)), ((false, false, false), false));
    assert_eq!(client.transmit(connection), b"");
    assert!(client.receive_buffer(connection).is_empty());
    client.connected(connection, net.now);
    assert_eq!((wants(&client), client.is_open(connection)), ((false, true, false), true));
    let len = client.transmit(connection).len();
    client.transmitted(connection, len, net.now);
    assert_eq!(wants(&client), (false, false, true));
    client.disconnected(connection, net.now);
    assert_eq!((wants(&client), client.is_open(connection)), ((false, false, false), false));
}
