//! What was sent, and what is said of it.

use memcache_proto::client::{Client, ConnectionId, RoutedMeta};
use memcache_proto::codec::{MetaDelete, MetaRequest, StoreVerb};

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

/// Sends all there is, and answers every `mn` and every `ms` that is not quiet.
fn answer_all(client: &mut Client, connection: ConnectionId, now: Time) -> String {
    let mut sent = String::new();
    loop {
        let more = String::from_utf8(send_all(client, connection, now)).expect("text");
        if more.is_empty() {
            return sent;
        }
        for line in more.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let opaque = words.iter().find(|word| word.starts_with('O'));
            match opaque {
                _ if line == "mn" => receive(client, connection, b"MN\r\n", now),
                Some(opaque) if words[0] == "ms" && !words.contains(&"q") => {
                    receive(client, connection, format!("HD {opaque}\r\n").as_bytes(), now);
                }
                _ => {}
            }
        }
        sent.push_str(&more);
    }
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

/// What a server says of a run of quiet requests may be about any of them: none is sent again, whatever may
/// be, and each is told of it. What is behind the run, or was not sent, is not meant.
#[test]
fn quiet_requests_in_doubt_are_not_sent_again_when_their_connection_ends() {
    let meta_key = |name: &'static str| MetaKey::new(name).expect("a key");
    let big = vec![b'x'; 70_000];
    let requests = [
        MetaRequest::Set(MetaSet::set(meta_key("a"), b"1").quiet()),
        MetaRequest::Get(MetaGet::new(meta_key("b")).value().quiet()),
        MetaRequest::Delete(MetaDelete::new(meta_key("c")).quiet()),
        MetaRequest::Set(MetaSet::set(meta_key("d"), b"1")),
        // Beyond the window, so that it waits.
        MetaRequest::Set(MetaSet::set(meta_key("e"), &big).quiet()),
    ];
    let requests = requests.map(RoutedMeta::from);
    let (server, error) = (ErrorLine::Server("x".into()), ErrorLine::Error(String::new()));
    let cases = [
        ("SERVER_ERROR x\r\n", Some((server, FailureKind::Eof))),
        ("ERROR\r\n", Some((error, FailureKind::Form))),
        ("", None),
    ];
    for (says, doubt) in cases {
        let settings = Settings { resend_stores: true, ..Settings::default() };
        let (mut client, connection, now) = open(settings);
        let many = Operation::MetaMany { requests: &requests };
        let id = client.submit(many, now).expect("it is taken in");
        let sent = send_all(&mut client, connection, now);
        assert!(sent.starts_with(b"ms a ") && sent.len() < 100, "the last waits");
        receive(&mut client, connection, says.as_bytes(), now);
        client.received(connection, 0, now);
        let again = connect(&mut client, now);
        let sent = answer_all(&mut client, again, now);
        let count = ["ms a ", "mg b ", "md c ", "ms d ", "ms e "];
        let count = count.map(|words| sent.matches(words).count());
        let resent = usize::from(doubt.is_none());
        assert_eq!(count, [resent, resent, resent, resent, 1], "{says:?}");
        let many = client.take(id).expect("it is done").many().expect("many");
        let Some((line, end)) = doubt else {
            assert_eq!((many.replies.len(), many.failed), (5, vec![]));
            continue;
        };
        let answered: Vec<_> = many.replies.iter().map(|&(number, _)| number).collect();
        let failed: Vec<_> = many.failed.iter().map(|&(number, _)| number).collect();
        assert_eq!((answered, failed), (vec![4], vec![0, 1, 2, 3]), "{says:?}");
        for (number, failure) in many.failed {
            let kind = if number == 3 { end.clone() } else { FailureKind::Unknown(line.clone()) };
            let expected = (Delivery::Unanswered, kind);
            assert_eq!((failure.delivery, failure.kind.clone()), expected, "{number}");
            assert_eq!(failure.may_have_been_applied(), number != 1, "{number}");
        }
    }
}

/// A doubt is about the quiet requests before it, and not about those of later.
#[test]
fn what_is_said_of_one_run_of_quiet_requests_is_not_said_of_the_next() {
    let key = MetaKey::new("a").expect("a key");
    let store = RoutedMeta::from(MetaRequest::Set(MetaSet::set(key, b"1").quiet()));
    let (mut client, connection, now) = open(Settings::default());
    for round in 0..3 {
        let id = client.submit(Operation::Meta(&store), now).expect("it is taken in");
        send_all(&mut client, connection, now);
        let doubt = round % 2 == 0;
        receive(
            &mut client,
            connection,
            if doubt { b"SERVER_ERROR x\r\nMN\r\n" } else { b"MN\r\n" },
            now,
        );
        let outcome = client.take(id).expect("it is done").meta();
        let kind = outcome.map(|_| ()).map_err(|failure| failure.kind);
        let unknown = FailureKind::Unknown(ErrorLine::Server("x".into()));
        assert_eq!(kind, if doubt { Err(unknown) } else { Ok(()) }, "{round}");
    }
}

/// An outcome may stand there for long before it is taken; what the server says meanwhile is swallowed.
#[test]
fn a_late_reply_changes_nothing_of_an_outcome_that_was_not_taken() {
    let settings = Settings { operation_timeout: Some(SECOND), ..Settings::default() };
    let key_of = [key("a"), key("b")];
    let exptime = Exptime::NEVER;
    let cases: [(Operation<'_>, &[u8]); 5] = [
        (get("a"), b"VALUE a 0 1\r\nx\r\nEND\r\n"),
        (get("a"), b"END\r\n"),
        (Operation::Gat { key: key("a"), exptime, cas: false }, b"VALUE a 0 1\r\nx\r\nEND\r\n"),
        (get_many(&key_of), b"VALUE b 0 1\r\nx\r\nEND\r\n"),
        (incr("a"), b"7\r\n"),
    ];
    for (operation, reply) in cases {
        let (mut client, connection, now) = open(settings.clone());
        assert!(client.poll_completion().is_none());
        let id = client.submit(operation, now).expect("it is taken in");
        send_all(&mut client, connection, now);
        client.handle_timeout(now + SECOND);
        assert!(client.is_done(id), "{operation:?}");
        receive(&mut client, connection, reply, now + SECOND);
        assert_eq!(client.poll_completion(), Some(id), "{operation:?}");
        assert_eq!(client.poll_completion(), None, "{operation:?}");
        let failures = match client.take(id).expect("its time is up") {
            Outcome::Many(many) => {
                assert!(many.replies.is_empty() && many.items.is_empty());
                many.failed.into_iter().map(|(_, failure)| failure).collect()
            }
            outcome => vec![failure(outcome)],
        };
        assert_eq!(failures.len(), operation.keys(), "{operation:?}");
        for failure in failures {
            let told = (failure.delivery, failure.kind);
            assert_eq!(told, (Delivery::Unanswered, FailureKind::OperationTimeout));
        }
        assert!(client.is_idle() && client.is_open(connection), "{operation:?}");
    }
}
