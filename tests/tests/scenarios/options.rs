//! What python-memcached has beside its plain calls: options of one call, the settings of keys, cas
//! uniques that are remembered, what is counted; and calls of several steps.

use std::collections::HashMap;

use memcache_sync::proto::calls;
use memcache_sync::{Error, FailedKey, Key, KeyError, Stored};

use crate::{Context, NEVER, get, text};

/// A call with noreply is followed by one that has a reply, on the same connection: it has been carried
/// out before that.
pub(crate) fn noreply(context: &Context) {
    let client = &context.client;
    client.run(calls::set("quiet", 7, NEVER).noreply()).expect("sent");
    assert_eq!(get(client, "quiet"), Some(7));
    client.run(calls::incr("quiet", 3).noreply()).expect("sent");
    client.run(calls::decr("quiet", 1).noreply()).expect("sent");
    assert_eq!(get(client, "quiet"), Some(9));
    client.run(calls::add("quiet", 1, NEVER).noreply()).expect("sent, though not stored");
    client.run(calls::replace("quiet", "b", NEVER).noreply()).expect("sent");
    client.run(calls::append("quiet", "c").noreply()).expect("sent");
    client.run(calls::prepend("quiet", "a").noreply()).expect("sent");
    assert_eq!(text(client, "quiet").as_deref(), Some("abc"));
    let (_, unique) = client.gets::<String>("quiet").expect("asked").expect("there");
    client.run(calls::cas("quiet", "x", NEVER, unique + 1).noreply()).expect("sent");
    client.run(calls::touch("quiet", NEVER).noreply()).expect("sent");
    assert_eq!(text(client, "quiet").as_deref(), Some("abc"));
    client.run(calls::delete("quiet").noreply()).expect("sent");
    assert_eq!(text(client, "quiet"), None);

    let items = [("quiet1", 1), ("quiet2", 2)];
    let sent = client.run(calls::set_many(items, NEVER).noreply()).expect("asked");
    assert_eq!(sent.into_result().expect("sent"), 2);
    let found = client.get_many::<u8, _>(["quiet1", "quiet2"]).expect("asked");
    assert_eq!(found.into_result().expect("answered"), HashMap::from(items));
    let keys = items.map(|(key, _)| key);
    let sent = client.run(calls::delete_many(keys).noreply()).expect("asked");
    assert_eq!(sent.into_result().expect("sent"), 2);
    assert_eq!(get::<u8>(client, "quiet1"), None);
}

pub(crate) fn of_one_call(context: &Context) {
    let client = &context.client;
    let long = "a".repeat(1000);
    client.run(calls::set("option", &long, NEVER).min_compress_len(999)).expect("stored");
    assert!(context.first.stored_len("option").expect("there") < 100);
    client.run(calls::set("option", &long, NEVER).min_compress_len(1000)).expect("stored");
    assert_eq!(context.first.stored_len("option"), Some(1000));
    assert_eq!(text(client, "option").as_deref(), Some(&*long));
    let items = [("1", long.as_str()), ("2", "b")];
    let stored = calls::set_many(items, NEVER).key_prefix("option:").min_compress_len(10);
    assert_eq!(client.run(stored).expect("asked").into_result().expect("stored"), 2);
    assert!(context.first.stored_len("option:1").expect("there") < 100);
    assert_eq!(context.first.stored_len("option:2"), Some(1));

    // The values are under the caller's own keys.
    let keys = ["1", "2", "3"];
    let call = calls::get_many::<String, _, HashMap<_, _>>(keys).key_prefix("option:");
    let found = client.run(call).expect("asked").into_result().expect("answered");
    assert_eq!(found, HashMap::from([("1", long.clone()), ("2", "b".into())]));
    let deleted = client.run(calls::delete_many(keys).key_prefix("option:")).expect("asked");
    assert_eq!(deleted.into_result().expect("answered"), 2);
    let refused = client.run(calls::delete_many(["1"]).key_prefix("option ")).expect("asked");
    let [FailedKey { number: 0, error, .. }] = &refused.failed[..] else { panic!("{refused:?}") };
    assert!(matches!(error, Error::Key(KeyError::Forbidden { byte: b' ', .. })), "{error}");
}

/// A pair goes where its number says, whatever the key.
pub(crate) fn pairs(context: &Context) {
    let client = context.connect(context.cluster());
    for hash in [0, 1, 2, 3, -1, 3187] {
        // The second server has two of three places.
        let server = if i64::rem_euclid(hash, 3) == 0 { &context.first } else { &context.second };
        client.set((hash, "pair"), hash, NEVER).expect("stored");
        assert_eq!(server.stored_len("pair"), Some(hash.to_string().len()), "{hash}");
        assert_eq!(client.get::<i64>((hash, "pair")).expect("asked"), Some(hash));
        let keys = [(hash, "pair")];
        let found = client.get_many::<i64, _>(keys).expect("asked").into_result();
        assert_eq!(found.expect("answered"), HashMap::from([((hash, "pair"), hash)]));
        assert!(client.delete((hash, "pair")).expect("asked"));
        assert_eq!(server.stored_len("pair"), None);
    }
}

pub(crate) fn keys(context: &Context) {
    let encoder = |key: &[u8]| key.iter().rev().copied().collect();
    let client = context.connect(context.builder().key_prefix("k:").key_encoder(encoder));
    client.set("abc", 1, NEVER).expect("stored");
    assert_eq!(context.first.stored_len("k:cba"), Some(1), "encoded once, then prefixed");
    let found = client.get_many::<u8, _>(["abc"]).expect("asked").into_result();
    assert_eq!(found.expect("answered"), HashMap::from([("abc", 1)]));

    let lax = context.connect(context.builder().check_keys(false));
    lax.set("a\x01b", 1, NEVER).expect("stored");
    assert_eq!(get(&lax, "a\x01b"), Some(1));
    assert!(lax.delete("a\x01b").expect("asked"));
    assert!(Key::new("a\x01b").is_err());
    for key in ["a\nb", "a b", "a\r", "a\0", ""] {
        assert!(matches!(lax.get::<u8>(key), Err(Error::Key(_))), "{key:?}");
    }
    let long = "k".repeat(251);
    let refused = lax.get::<u8>(&long);
    assert!(matches!(refused, Err(Error::Key(KeyError::TooLong { len: 251, max: 250 }))));
}

pub(crate) fn cas_ids(context: &Context) {
    let client = context.connect(context.builder().cache_cas(2));
    let mut ids = client.cas_ids();
    // One that nothing is known of is just stored.
    assert_eq!(client.cas_from(&ids, "ids", 1, NEVER).expect("asked"), Stored::Stored);
    assert_eq!(client.gets_into::<u8>(&mut ids, "ids").expect("asked"), Some(1));
    assert_eq!(client.cas_from(&ids, "ids", 2, NEVER).expect("asked"), Stored::Stored);
    // It has changed since, by this very call.
    assert_eq!(client.cas_from(&ids, "ids", 3, NEVER).expect("asked"), Stored::Exists);
    assert_eq!(get(&client, "ids"), Some(2));
    ids.reset_cas();
    assert_eq!(client.cas_from(&ids, "ids", 3, NEVER).expect("asked"), Stored::Stored);
    // Two are remembered.
    for key in ["ids1", "ids2", "ids3"] {
        client.set(key, 1, NEVER).expect("stored");
        client.gets_into::<u8>(&mut ids, key).expect("asked");
    }
    assert_eq!(ids.len(), 2);
    // Without the setting none is.
    let mut none = context.client.cas_ids();
    context.client.gets_into::<u8>(&mut none, "ids").expect("asked");
    assert!(none.is_empty());
}

pub(crate) fn several_steps(context: &Context) {
    let client = &context.client;
    // get, else compute, then set
    let computed = client.get_or_set("steps", NEVER, || Ok(1)).expect("computed");
    assert!(!computed.is_hit());
    assert_eq!(computed.into_value(), 1);
    let found = client.get_or_set("steps", NEVER, || -> Result<u8, _> { panic!("it is there") });
    assert_eq!(found.expect("found").into_value(), 1);
    let failed = client.get_or_set::<u8>("steps2", NEVER, || Err(Error::Busy));
    assert!(matches!(failed, Err(Error::Busy)));
    assert_eq!(get::<u8>(client, "steps2"), None);
    let long = client.get_or_set("steps3", NEVER, || Ok("x".repeat((1 << 20) + 1)));
    let memcache_sync::Fetched::Computed { value, stored } = long.expect("computed") else {
        panic!("it was not there")
    };
    assert_eq!(value.len(), (1 << 20) + 1);
    assert!(matches!(stored, Err(Error::Rejected(_))));

    // gets, change, cas
    let add = |value: Option<u32>| Some(value.unwrap_or(0) + 10);
    assert_eq!(client.update("steps", NEVER, add).expect("stored"), Some(11));
    assert_eq!(client.update("steps4", NEVER, add).expect("stored"), Some(10));
    assert_eq!(client.update("steps", NEVER, |_: Option<u32>| None::<u32>).expect("asked"), None);
    assert_eq!(get(client, "steps"), Some(11));
    // Somebody else is quicker, three times.
    let mut attempts = 0;
    let changed = client.update("steps", NEVER, |value: Option<u32>| {
        attempts += 1;
        if attempts < 4 {
            // On a thread of its own: this one may be in a runtime.
            let other = || {
                let other = context.connect(context.builder());
                other.set("steps", 100 * attempts, NEVER).expect("stored");
            };
            std::thread::scope(|scope| scope.spawn(other).join().expect("it ends"));
        }
        Some(value.expect("it is there") + 1)
    });
    assert_eq!(changed.expect("stored"), Some(301));
    assert_eq!(attempts, 4);
}

pub(crate) fn slabs(context: &Context) {
    let client = context.connect(context.cluster());
    let names: Vec<_> = (0..50).map(|number| format!("slab{number}")).collect();
    client
        .set_many(names.iter().map(|name| (name, "x")), NEVER)
        .expect("asked")
        .into_result()
        .expect("stored");
    let items = client.get_slabs().expect("asked").into_result().expect("answered");
    let slabs = client.get_slab_stats().expect("asked").into_result().expect("answered");
    for ((server, items), target) in items.into_iter().zip([&context.first, &context.second]) {
        assert!(server.starts_with(&target.address()), "{server}");
        let number = |class: &std::collections::BTreeMap<String, String>| -> u64 {
            class["number"].parse().expect("a number")
        };
        assert!(items.classes.values().map(number).sum::<u64>() > 0, "{items:?}");
    }
    for (_, slabs) in slabs {
        let classes: usize = slabs.totals["active_slabs"].parse().expect("a number");
        assert!(classes > 0 && slabs.classes.len() >= classes, "{slabs:?}");
        assert!(slabs.classes.values().all(|class| class.contains_key("chunk_size")));
    }
}

pub(crate) fn counts(context: &Context) {
    let client = context.connect(context.builder());
    assert_eq!(client.call_counts(), []);
    client.set("count", 1, NEVER).expect("stored");
    for _ in 0..3 {
        client.get::<u8>("count").expect("asked");
    }
    assert!(client.get::<u8>("not\na key").is_err(), "it counts all the same");
    client.get_many::<u8, _>(["count"]).expect("asked").into_result().expect("answered");
    client.update("count", NEVER, |value: Option<u8>| value).expect("stored");
    let expected = [("get", 4), ("gets", 1), ("get_many", 1), ("set", 1), ("cas", 1)];
    assert_eq!(client.call_counts(), expected);
}
