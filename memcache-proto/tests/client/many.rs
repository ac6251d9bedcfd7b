//! Many keys at once, and what is bounded.

use memcache_proto::calls::{self, Answer, Call, Config};
use memcache_proto::client::Client;
use memcache_proto::codec::{MetaGet, MetaKey, MetaRequest};

use crate::*;

#[test]
fn many_keys_pass_through_any_window() {
    for (window, count) in [(100, 20_000), (1000, 100_000), (64 << 10, 100_000)] {
        for cut in [usize::MAX, 1500] {
            let limits = Limits { window, ..Limits::default() };
            let settings = Settings { limits, ..Settings::default() };
            let mut net = Net::new(3, settings);
            net.cut = cut;
            for peer in &mut net.peers {
                peer.heard = None;
            }
            let names = names(count);
            let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
            let values: Vec<_> = names.iter().map(|name| format!("value of {name}")).collect();
            let items: Vec<_> = names
                .iter()
                .zip(&values)
                .map(|(name, value)| item(name, value.as_bytes()))
                .collect();
            let stored = net.perform(Operation::StoreMany {
                verb: StoreVerb::Set,
                items: &items,
                noreply: false,
            });
            assert_eq!(stored.many().expect("many keys"), Many::default());
            let many = net.perform(get_many(&keys)).many().expect("many keys");
            assert_eq!((found(&many, &names).len(), many.failed.len()), (count, 0));
            assert!(net.clients[0].is_idle());
        }
    }
}

#[test]
fn keys_asked_twice_are_answered_twice() {
    let mut net = Net::new(2, Settings::default());
    let names = ["key0", "key1", "key0", "key5", "key0"].map(str::to_owned);
    fill(&mut net, &names[..2]);
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    let many = net.perform(get_many(&keys)).many().expect("many keys");
    let mut found: Vec<_> = found(&many, &names).into_keys().collect();
    found.sort_unstable();
    assert_eq!(found, [0, 1, 2, 4]);
    assert_eq!(net.perform(get_many(&[])), Outcome::Many(Many::default()));
}

/// Of several keys, those that were answered before a doubt stay, but for one that was answered twice.
#[test]
fn a_key_that_is_answered_twice_is_not_found() {
    let value = |number: usize| format!("VALUE key{number} 7 13\r\nvalue of key{number}\r\n");
    let says = |numbers: &[usize]| numbers.iter().map(|&number| value(number)).collect::<String>();
    type Case<'a> = (&'a [usize], &'a str, &'a [usize], &'a [usize], ProtocolError);
    let unexpected = ProtocolError::UnexpectedKey;
    let cases: &[Case<'_>] = &[
        (&[0, 0], "END\r\n", &[], &[0, 1, 2, 3], unexpected),
        (&[0, 1, 0], "END\r\n", &[1], &[0, 2, 3], unexpected),
        (&[2, 0, 2], "END\r\n", &[0], &[1, 2, 3], unexpected),
        // It was asked for twice, so it may come twice.
        (&[1, 1, 2, 1], "END\r\n", &[2], &[0, 1, 3], unexpected),
        (&[0, 5], "END\r\n", &[0], &[1, 2, 3], unexpected),
        (&[0, 1], "STORED\r\n", &[0, 1], &[2, 3], ProtocolError::UnexpectedResponse),
    ];
    let names = ["key0", "key1", "key2", "key1"].map(str::to_owned);
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    for &(numbers, end, hits, failed, error) in cases {
        for (cut, settings) in [(30, Settings::default()), (usize::MAX, merging())] {
            let mut net = Net::new(1, settings);
            net.cut = cut;
            net.peers[0].mode = Mode::Says((says(numbers) + end).leak().as_bytes());
            let many = net.perform(get_many(&keys)).many().expect("many keys");
            let mut found: Vec<_> = found(&many, &names).into_keys().collect();
            found.sort_unstable();
            assert_eq!(found, hits, "{numbers:?}{end}");
            let mut lost: Vec<_> = many.failed.iter().map(|(number, _)| *number).collect();
            lost.sort_unstable();
            assert_eq!(lost, failed, "{numbers:?}{end}");
            let is_error =
                |kind: &FailureKind| matches!(kind, FailureKind::Protocol(it) if it.error == error);
            let mut failures = many.failed.iter().map(|(_, failure)| &failure.kind);
            assert!(failures.all(is_error), "{numbers:?}{end}");
            assert_eq!(net.open(0), 0);
        }
    }
}

/// What has been taken cannot be taken back, so all of the call fails.
#[test]
fn a_value_that_was_taken_and_comes_again_fails_the_call() {
    let value = "VALUE a 16 1\r\n1\r\n";
    for taken in [false, true] {
        let mut config = Config::default();
        config.add_server("10.0.0.0", 1);
        let calls = config.build(|| 0).expect("a server");
        let mut client = Client::new(calls.cluster().clone());
        let now = Time::ZERO;
        let call = calls::get_many::<String, _, HashMap<_, _>>(["a", "b"]);
        let submit = |operation: Operation<'_>| Ok(client.submit(operation, now).expect("room"));
        let (id, mut answer) = call.submit(&calls, submit).expect("they can be sent");
        let Some(Action::Connect { connection, .. }) = client.poll_action(now) else { panic!() };
        client.connected(connection, now);
        let len = client.transmit(connection).len();
        client.transmitted(connection, len, now);
        for _ in 0..2 {
            client.receive_buffer(connection)[..value.len()].copy_from_slice(value.as_bytes());
            client.received(connection, value.len(), now);
            if taken {
                answer.take(client.take_items(id), &calls);
            }
        }
        let outcome = client.take(id).expect("it is done");
        let result = answer.finish(outcome, &calls, |_| None);
        if taken {
            assert!(result.is_err(), "{result:?}");
        } else {
            let many = result.expect("each key has its own error");
            assert_eq!((many.result.len(), many.failed.len()), (0, 2));
        }
    }
}

#[test]
fn items_of_many_keys_can_be_taken_on_the_way() {
    let mut net = Net::new(1, Settings::default());
    let names = names(2000);
    fill(&mut net, &names);
    net.cut = 100;
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    let id = net.submit(get_many(&keys));
    let (mut taken, mut most) = (0, 0);
    while !net.is_done(id) {
        net.step();
        let items = net.clients[0].take_items(id);
        most = most.max(items.len());
        taken += items.len();
    }
    let many = net.take(id).many().expect("many keys");
    assert_eq!(taken + many.items.len(), 2000);
    assert!(most < 10);
}

#[test]
fn a_key_counts_with_its_prefix() {
    let settings = Settings { key_prefix: vec![b'p'; 200], ..Settings::default() };
    let mut net = Net::new(2, settings);
    let longest = "k".repeat(50);
    assert_eq!(net.set(&longest, "1").stored(), Ok(Stored::Stored));
    assert_eq!(value(net.get(&longest)), some("1"));
    for len in [51, 250] {
        let long = "k".repeat(len);
        let now = net.now;
        let rejected = net.clients[0].submit(get(&long), now).expect_err("it is too long");
        assert_eq!(rejected.reason, Rejection::Key(KeyError::TooLong { len: 200 + len, max: 250 }));
        assert_eq!(rejected.operation, get(&long));
        let keys = [key(&long), key(&longest)];
        let many = net.perform(get_many(&keys)).many().expect("many keys");
        let found: Vec<_> = many.items.iter().map(|(number, _)| number).collect();
        assert_eq!((found, many.failed[0].0), (vec![1], 0));
        assert_eq!(many.failed[0].1.kind, FailureKind::Rejected(rejected.reason));
    }
    assert!(net.clients[0].is_idle());
}

#[test]
fn a_meta_key_that_is_too_long_with_its_prefix_fails_alone() {
    let settings = Settings { key_prefix: vec![b'p'; 200], ..Settings::default() };
    let mut net = Net::new(1, settings);
    net.peers[0].mode = Mode::Says(b"EN\r\n");
    let keys = ["k".repeat(51), "k".repeat(50), String::from("k") + &"k".repeat(249)];
    let requests = keys.each_ref().map(|key| {
        let key = MetaKey::new(key.as_bytes()).expect("a key");
        MetaRequest::Get(MetaGet::new(key)).into()
    });
    let many = net.perform(Operation::MetaMany { requests: &requests }).many().expect("many keys");
    assert_eq!((many.replies.len(), many.replies[0].0), (1, 1), "{many:?}");
    let failed: Vec<_> = many.failed.iter().map(|(number, failure)| (*number, failure)).collect();
    let [(0, first), (2, second)] = failed[..] else { panic!("{failed:?}") };
    for (failure, len) in [(first, 251), (second, 450)] {
        let reason = Rejection::Key(KeyError::TooLong { len, max: 250 });
        assert_eq!(failure.kind, FailureKind::Rejected(reason));
    }
}

#[test]
fn a_value_that_is_too_long_is_not_sent() {
    let mut net = Net::new(1, Settings::default());
    let (whole, long) = (vec![b'x'; 1 << 20], vec![b'x'; (1 << 20) + 1]);
    assert_eq!(net.perform(set("a", &whole)).stored(), Ok(Stored::Stored));
    let (len, max) = (long.len(), 1 << 20);
    let now = net.now;
    let rejected = net.clients[0].submit(set("a", &long), now).expect_err("it is too long");
    assert_eq!(rejected.reason, Rejection::ValueTooLong { len, max });
    let items = [item("b", b"1"), item("a", &long), item("c", b"1")];
    let many = net
        .perform(Operation::StoreMany { verb: StoreVerb::Set, items: &items, noreply: false })
        .many()
        .expect("many keys");
    assert_eq!(many.failed.len(), 1);
    assert_eq!(many.failed[0].0, 1);
    let kind = FailureKind::Rejected(Rejection::ValueTooLong { len, max });
    assert_eq!(many.failed[0].1.kind, kind);
    assert_eq!(value(net.get("c")), some("1"));

    let limits = Limits { server_max_value_length: 0, ..Limits::default() };
    let mut net = Net::new(1, Settings { limits, ..Settings::default() });
    assert_eq!(net.perform(set("a", &long)).stored(), Ok(Stored::Stored));
}

#[test]
fn what_waits_is_bounded() {
    let limits = Limits { max_queued_bytes: 1000, ..Limits::default() };
    let mut net = Net::new(1, Settings { limits, ..Settings::default() });
    let big = vec![b'x'; 900];
    let first = [net.submit(set("a", &big)), net.submit(set("b", &big))];
    let now = net.now;
    let rejected = net.clients[0].submit(set("c", &big), now).expect_err("too much waits");
    assert_eq!(rejected.reason, Rejection::Full);
    let many = net.submit(Operation::GetMany { keys: &[key("a"), key("b")], cas: false });
    net.run();
    for id in first {
        assert_eq!(net.take(id).stored(), Ok(Stored::Stored));
    }
    let many = net.take(many).many().expect("many keys");
    assert_eq!(many.failed.len(), 2);
    assert!(many.failed.iter().all(|(_, f)| f.kind == FailureKind::Rejected(Rejection::Full)));
    assert_eq!(net.perform(set("c", &big)).stored(), Ok(Stored::Stored));
}

/// Each command of a call on many keys, on several servers: what was there is found, given another exptime or
/// replaced, and what was not is told.
#[test]
fn every_call_on_many_keys_does_what_its_command_does() {
    let mut net = Net::new(3, Settings::default());
    let names = names(60);
    fill(&mut net, &names[..50]);
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    let (exptime, noreply) = (Exptime::from_wire(100), false);
    let many = net.perform(Operation::GatMany { keys: &keys, exptime, cas: true });
    let many = many.many().expect("many keys");
    assert_eq!((found(&many, &names).len(), many.failed.len()), (50, 0));
    assert!(many.items.iter().all(|(_, item)| item.cas.is_some()));
    let touched = net.perform(Operation::TouchMany { keys: &keys, exptime, noreply });
    let mut missing: Vec<_> = touched.many().expect("many keys").replies;
    missing.sort_by_key(|&(number, _)| number);
    let expected: Vec<_> = (50..60).map(|number| (number, Reply::NotFound)).collect();
    assert_eq!(missing, expected);
    let values: Vec<_> = names.iter().map(|name| format!("value of {name}")).collect();
    let items: Vec<_> =
        names.iter().zip(&values).map(|(name, value)| item(name, value.as_bytes())).collect();
    for (verb, declined) in [(StoreVerb::Add, 50), (StoreVerb::Replace, 0)] {
        let stored = net.perform(Operation::StoreMany { verb, items: &items, noreply });
        let stored = stored.many().expect("many keys");
        assert_eq!((stored.replies.len(), stored.failed.len()), (declined, 0), "{verb:?}");
        assert!(stored.replies.iter().all(|(_, reply)| *reply == Reply::NotStored));
    }
    for peer in &net.peers {
        let heard = peer.heard.as_ref().expect("it is kept");
        assert!(heard.windows(4).filter(|four| four == b"gats").count() == 1, "one line for all");
    }
}
