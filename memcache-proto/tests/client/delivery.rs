//! What was sent, and what is said of it.

use memcache_proto::client::{Client, ConnectionId, RoutedMeta};
use memcache_proto::codec::{MetaRequest, StoreVerb};

use crate::*;

fn incr(name: &str) -> Operation<'_> {
    Operation::Incr { key: key(name), delta: 1, noreply: false }
}

/// A client whose only connection is open and has nothing to do.
fn open(settings: Settings) -> (Client, ConnectionId, Time) {
    let net = Net::new(1, settings);
    let mut client = Client::new(net.cluster());
    let id = client.submit(get("warm"), net.now).expect("it is taken in");
    let connection = connect(&mut client, net.now);
    send_all(&mut client, connection, net.now);
    receive(&mut client, connection, b"END\r\n", net.now);
    assert_eq!(value(client.take(id).expect("it is done")), None);
    (client, connection, net.now)
}

fn connect(client: &mut Client, now: Time) -> ConnectionId {
    loop {
        if let Some(Action::Connect { connection, .. }) = client.poll_action(now) {
            client.connected(connection, now);
            return connection;
        }
    }
}

fn send_all(client: &mut Client, connection: ConnectionId, now: Time) -> Vec<u8> {
    let sent = client.transmit(connection).to_vec();
    client.transmitted(connection, sent.len(), now);
    sent
}

fn receive(client: &mut Client, connection: ConnectionId, bytes: &[u8], now: Time) {
    client.receive_buffer(connection)[..bytes.len()].copy_from_slice(bytes);
    client.received(connection, bytes.len(), now);
}

/// Whatever ends an operation before a byte of it has left, none ever will.
#[test]
fn what_is_withdrawn_is_not_lent_again() {
    for cancelled in [true, false] {
        let settings = Settings { operation_timeout: Some(SECOND), ..Settings::default() };
        let (mut client, connection, now) = open(settings);
        let first = client.submit(set("a", b"1"), now).expect("it is taken in");
        let second = client.submit(incr("k"), now).expect("it is taken in");
        let third = client.submit(get("b"), now + SECOND).expect("it is taken in");
        assert!(client.transmit(connection).ends_with(b"incr k 1\r\nget b\r\n"));
        client.transmitted(connection, 5, now);
        let later = now + SECOND;
        if cancelled {
            client.cancel(first);
            client.cancel(second);
        } else {
            client.handle_timeout(later);
            let expected = (Delivery::Unanswered, FailureKind::OperationTimeout);
            assert_eq!(failed(client.take(first).expect("its time is up")), expected);
            let expected = (Delivery::NotSent, FailureKind::OperationTimeout);
            assert_eq!(failed(client.take(second).expect("its time is up")), expected);
        }
        let mut sent = Vec::new();
        while client.wants(connection).transmit {
            sent.extend(send_all(&mut client, connection, later));
        }
        assert_eq!(sent, b" 7 0 1\r\n1\r\nget b\r\n");
        receive(&mut client, connection, b"STORED\r\nVALUE b 0 1\r\nx\r\nEND\r\n", later);
        assert_eq!(value(client.take(third).expect("it is answered")), some("x"));
    }
}

/// Whatever becomes of the second connection, the first had it.
#[test]
fn what_was_sent_once_may_have_been_applied() {
    let key_of = |name: &'static str| MetaKey::new(name.as_bytes()).expect("a key");
    let touched = MetaGet::new(key_of("k")).value().touch(Exptime::from_wire(60));
    let touched = RoutedMeta::from(MetaRequest::Get(touched));
    let cases: [(&str, Operation<'_>, bool); 4] = [
        (
            "gat",
            Operation::Gat { key: key("k"), exptime: Exptime::from_wire(60), cas: false },
            false,
        ),
        ("mg T", Operation::Meta(&touched), false),
        ("set", set("k", b"1"), true),
        ("incr", incr("k"), true),
    ];
    for (what, operation, resend_stores) in cases {
        for second in ["refused", "timeout"] {
            let settings =
                Settings { resend_stores, operation_timeout: Some(SECOND), ..Settings::default() };
            let (mut client, connection, now) = open(settings);
            let id = client.submit(operation, now).expect("it is taken in");
            send_all(&mut client, connection, now);
            client.received(connection, 0, now);
            let again = loop {
                let action = client.poll_action(now).expect("it connects again");
                if let Action::Connect { connection, .. } = action {
                    break connection;
                }
            };
            if second == "refused" {
                client.connect_failed(again, ConnectFailure::Refused, now);
            } else {
                client.handle_timeout(now + SECOND);
            }
            let failure = failure(client.take(id).expect("it failed"));
            assert_eq!(failure.delivery, Delivery::Unanswered, "{what}, {second}");
            assert!(failure.may_have_been_applied(), "{what}, {second}");
            assert!(failure.to_string().contains("may have been applied"), "{what}: {failure}");
        }
    }
}

/// Of a lookup that changes nothing it is never said that it may have been applied.
#[test]
fn only_what_changes_something_can_have_been_applied() {
    let meta_key = MetaKey::new(b"k").expect("a key");
    let looks = RoutedMeta::from(MetaRequest::Get(MetaGet::new(meta_key).value()));
    let wins = RoutedMeta::from(MetaRequest::Get(MetaGet::new(meta_key).recache(30)));
    let stores = RoutedMeta::from(MetaRequest::Set(MetaSet::set(meta_key, b"1")));
    let debugs = RoutedMeta::from(MetaRequest::Debug(meta_key));
    let expiry = Exptime::from_wire(60);
    let cases = [
        (get("k"), false),
        (Operation::Get { key: key("k"), cas: true }, false),
        (Operation::Gat { key: key("k"), exptime: expiry, cas: false }, true),
        (set("k", b"1"), true),
        (Operation::Delete { key: key("k"), noreply: false }, true),
        (incr("k"), true),
        (Operation::Touch { key: key("k"), exptime: expiry, noreply: false }, true),
        (Operation::Meta(&looks), false),
        (Operation::Meta(&debugs), false),
        (Operation::Meta(&wins), true),
        (Operation::Meta(&stores), true),
    ];
    for (operation, changes) in cases {
        let mut net = Net::new(1, Settings::default());
        net.peers[0].mode = Mode::Silent;
        let failure = failure(net.perform(operation));
        assert_eq!(failure.delivery, Delivery::Unanswered, "{operation:?}");
        assert_eq!(failure.may_have_been_applied(), changes, "{operation:?}");
        assert_eq!(failure.to_string().contains("applied"), changes, "{operation:?}");
    }
    for (operation, changes) in [
        (Operation::Version, false),
        (Operation::Stats(StatsArgument::General), false),
        (Operation::Stats(StatsArgument::Reset), true),
        (Operation::FlushAll { delay: None }, true),
    ] {
        let mut net = Net::new(1, Settings::default());
        net.peers[0].mode = Mode::Silent;
        let servers = net.perform(operation).servers().expect("all servers");
        let failure = servers[0].1.clone().expect_err("it is silent");
        assert_eq!(failure.may_have_been_applied(), changes, "{operation:?}");
    }
}

/// What is handed to a kernel counts as sent, whatever the kernel says of it later.
#[test]
fn what_is_taken_counts_as_sent() {
    let (mut client, connection, now) = open(Settings::default());
    let first = client.submit(incr("k"), now).expect("it is taken in");
    let bytes = client.take_transmit(connection, now);
    assert_eq!(bytes, "incr k 1\r\n");
    // The bytes stay, whatever else is done.
    let at = bytes.as_ptr();
    let second = client.submit(set("big", &[b'x'; 200_000]), now).expect("it is taken in");
    client.disconnected(connection, now);
    let (delivery, _) = failed(client.take(first).expect("it failed"));
    assert_eq!(delivery, Delivery::Unanswered);
    assert_eq!((bytes.as_ptr(), &bytes[..]), (at, &b"incr k 1\r\n"[..]));
    let again = connect(&mut client, now);
    let sent = client.take_transmit(again, now);
    assert!(sent.starts_with(b"set big"), "the first is not sent again");
    receive(&mut client, again, b"STORED\r\n", now);
    assert_eq!(client.take(second).map(Outcome::stored), Some(Ok(Stored::Stored)));
}

/// A batch that is cut by the window moves on as it is, with what is withdrawn left out.
#[test]
fn what_moves_to_another_connection_leaves_out_what_was_withdrawn() {
    let (mut client, connection, now) = open(Settings::default());
    let big = vec![b'x'; 70_000];
    let store =
        |name| Operation::Store { verb: StoreVerb::Set, item: item(name, &big), noreply: false };
    let sent = client.submit(store("a"), now).expect("it is taken in");
    let withdrawn = client.submit(incr("b"), now).expect("it is taken in");
    let kept = client.submit(incr("c"), now).expect("it is taken in");
    send_all(&mut client, connection, now);
    client.cancel(withdrawn);
    client.received(connection, 0, now);
    assert_eq!(failed(client.take(sent).expect("it failed")).0, Delivery::Unanswered);
    let again = connect(&mut client, now);
    assert_eq!(send_all(&mut client, again, now), b"incr c 1\r\n");
    receive(&mut client, again, b"7\r\n", now);
    assert_eq!(client.take(kept).map(Outcome::number), Some(Ok(Some(7))));
}
