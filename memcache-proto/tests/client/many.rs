//! Many keys at once, and what is bounded.

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

#[test]
fn a_value_that_comes_twice_counts_once() {
    let mut net = Net::new(1, Settings::default());
    net.peers[0].mode = Mode::Says(
        b"VALUE key0 7 13\r\nvalue of key0\r\nVALUE key0 7 13\r\nvalue of key0\r\nEND\r\n",
    );
    let names = names(3);
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    let many = net.perform(get_many(&keys)).many().expect("many keys");
    assert_eq!((found(&many, &names).len(), many.failed.len()), (1, 0));
    assert!(net.clients[0].is_idle());
}

#[test]
fn replies_to_many_keys_can_be_taken_on_the_way() {
    let mut net = Net::new(1, Settings::default());
    let names = names(2000);
    fill(&mut net, &names);
    net.cut = 100;
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    let id = net.submit(get_many(&keys));
    let (mut taken, mut most) = (0, 0);
    while !net.is_done(id) {
        net.step();
        let replies = net.clients[0].take_replies(id);
        most = most.max(replies.len());
        taken += replies.len();
    }
    let many = net.take(id).many().expect("many keys");
    assert_eq!(taken + many.replies.len(), 2000);
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
        assert_eq!((many.replies.len(), many.replies[0].0, many.failed[0].0), (1, 1, 0));
        assert_eq!(many.failed[0].1.kind, FailureKind::Rejected(rejected.reason));
    }
    assert!(net.clients[0].is_idle());
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
