//! Prefixes: of one call on many keys, of all calls of a client, and those that have no part in choosing
//! a key's server.

use memcache_sync::proto::calls;
use memcache_sync::{Expiry, Value};
use serde_json::json;

use crate::generator::Generator;
use crate::pair::{self, Pair, Servers, map};
use crate::profile::{Profile, Settings};

const SERVERS: usize = 4;
const KEYS: usize = 200;

pub(crate) fn a_prefix_of_one_side_is_a_part_of_the_others_keys(profile: &Profile) {
    let mut generator = Generator::new();
    let Some(servers) = Servers::start(profile, SERVERS) else { return };
    let weights = generator.weights(profile, SERVERS);
    // Whatever a prefix does for the other client, here it is a part of the key.
    let prefixed = Settings { key_prefix: "shop:".into(), ..Settings::default() };
    let mut pair = servers.pair(profile, &weights, &prefixed);
    let whole = servers.pair(profile, &weights, &Settings::default());

    // Rust with the prefix, Python with whole keys and with the prefix.
    for number in 0..KEYS {
        pair.rust.set(format!("ours:{number}"), number, Expiry::Never).expect("stored");
    }
    let calls = (0..KEYS).map(|number| json!([format!("shop:ours:{number}")]));
    let expected: Vec<_> = (0..KEYS).map(|number| json!(number)).collect();
    assert_eq!(pair.python.each("get", calls), expected);
    let names: Vec<_> = (0..KEYS).map(|number| format!("ours:{number}")).collect();
    let found = pair.python.call("get_multi", json!([names, "shop:"]));
    let found = map(&found);
    for (number, name) in names.iter().enumerate() {
        assert_eq!(found[&json!(name).to_string()], &json!(number), "{name}");
    }

    // Python with the prefix, Rust with whole keys and with the prefix.
    let items: Vec<_> = (0..KEYS).map(|n| json!([format!("theirs:{n}"), n])).collect();
    let failed = pair.python.call("set_multi", json!([{ "d": items }, "shop:"]));
    assert_eq!(failed, json!([]));
    for number in 0..KEYS {
        let value = Some(Value::from(u64::try_from(number).expect("small")));
        let read = whole.rust.get::<Value>(format!("shop:theirs:{number}")).expect("read");
        assert_eq!(read, value, "{number}");
        let read = pair.rust.get::<Value>(format!("theirs:{number}")).expect("read");
        assert_eq!(read, value, "{number}");
    }
    let names: Vec<_> = (0..KEYS).map(|number| format!("theirs:{number}")).collect();
    let found = pair.rust.get_many::<usize, _>(&names).expect("asked").into_result();
    assert_eq!(found.expect("answered").len(), KEYS);
    assert_eq!(pair.rust.delete_many(&names).expect("asked").result, KEYS);
    let found = pair.python.call("get_multi", json!([names, "shop:"]));
    assert!(map(&found).is_empty());
}

pub(crate) fn a_prefix_of_a_call_is_a_part_of_the_others_keys(profile: &Profile) {
    let mut generator = Generator::new();
    let Some(servers) = Servers::start(profile, SERVERS) else { return };
    let mut pair = Pair::random(&servers, profile, &mut generator, &Settings::default());
    for prefix in ["shop:", "caf\u{e9}/\u{4f1a}:"] {
        let names: Vec<_> = (0..KEYS).map(|number| format!("name:{number}")).collect();
        let whole: Vec<_> = names.iter().map(|name| format!("{prefix}{name}")).collect();
        let values = names.iter().map(|name| pair.seen(&**name));
        let expected: Vec<_> = values.collect();

        let items = names.iter().map(|name| (name, name));
        let stored = pair.rust.run(calls::set_many(items, Expiry::Never).key_prefix(prefix));
        assert_eq!(stored.expect("asked").into_result().expect("stored"), KEYS);
        let found = pair.python.call("get_multi", json!([names, prefix]));
        let found = map(&found);
        for (name, expected) in names.iter().zip(&expected) {
            assert_eq!(found.get(&json!(name).to_string()), Some(&expected), "{prefix}{name}");
        }
        assert_eq!(pair.python.each("get", whole.iter().map(|key| json!([key]))), expected);
        assert_eq!(pair.python.call("delete_multi", json!([names, prefix])), true);
        let get = calls::get_many::<Value, _, Vec<_>>(&names).key_prefix(prefix);
        assert!(pair.rust.run(get).expect("asked").into_result().expect("answered").is_empty());

        let items: Vec<_> = names.iter().map(|name| json!([name, name])).collect();
        let failed = pair.python.call("set_multi", json!([{ "d": items }, prefix]));
        assert_eq!(failed, json!([]));
        let get = calls::get_many::<Value, _, Vec<_>>(&names).key_prefix(prefix);
        let found = pair.rust.run(get).expect("asked").into_result().expect("answered");
        assert_eq!(found.len(), KEYS);
        for (name, value) in &found {
            assert_eq!(pair::json(value), pair.seen(&***name), "{prefix}{name}");
        }
        for (key, name) in whole.iter().zip(&names) {
            let read = pair.rust.get::<String>(key).expect("read");
            assert_eq!(read.as_ref(), Some(name), "{key}");
        }
        let deleted = pair.rust.run(calls::delete_many(&names).key_prefix(prefix));
        assert_eq!(deleted.expect("asked").result, KEYS);
        let found = pair.python.call("get_multi", json!([names, prefix]));
        assert!(map(&found).is_empty());
    }
}

/// pylibmc's `namespace` and pymemcache's `key_prefix`.
pub(crate) fn a_namespace_has_no_part_in_choosing_a_server(profile: &Profile) {
    let mut generator = Generator::new();
    // To a number of servers that is a power of two, crc32 leaves keys of one length where they were.
    let Some(servers) = Servers::start(profile, SERVERS + 1) else { return };
    let weights = generator.weights(profile, servers.0.len());
    let (namespace, key_prefix) = ("shop:".to_owned(), "shop:".to_owned());
    let named = Settings { namespace, key_prefix, ..Settings::default() };
    let mut pair = servers.pair(profile, &weights, &named);
    let plain = servers.pair(profile, &weights, &Settings::default());
    let names: Vec<_> = (0..KEYS).map(|number| format!("name:{number}")).collect();
    let bare: Vec<_> = names.iter().map(|name| name.clone().into_bytes()).collect();
    let whole: Vec<_> = names.iter().map(|name| format!("shop:{name}").into_bytes()).collect();
    let places = |keys: &[Vec<u8>]| {
        let places = servers.places(keys).into_iter();
        places.map(|(place, holding)| (place, holding.bytes)).collect::<Vec<_>>()
    };

    // Where the keys are without it, and where they would be were it a part of them.
    for name in &names {
        plain.rust.set(name, "v", Expiry::Never).expect("stored");
        plain.rust.set(format!("shop:{name}"), "v", Expiry::Never).expect("stored");
    }
    let (homes, others) = (places(&bare), places(&whole));
    assert_ne!(homes, others, "a prefix that is a part of the key moves no key");
    for name in &names {
        plain.rust.delete(format!("shop:{name}")).expect("asked");
    }

    assert!(
        pair.python
            .each("set", names.iter().map(|name| json!([name, "v"])))
            .iter()
            .all(|set| *set == true)
    );
    assert_eq!(places(&whole), homes, "of Python");
    for name in &names {
        assert_eq!(pair.rust.get::<String>(name).expect("read").as_deref(), Some("v"), "{name}");
    }
    let found = pair.rust.get_many::<String, _>(&names).expect("asked").into_result();
    assert_eq!(found.expect("answered").len(), KEYS);
    assert_eq!(pair.rust.delete_many(&names).expect("asked").result, KEYS);

    let items = names.iter().map(|name| (name, "v"));
    assert_eq!(pair.rust.set_many(items, Expiry::Never).expect("asked").result, KEYS);
    assert_eq!(places(&whole), homes, "of Rust");
    let found = pair.python.call("get_multi", json!([names]));
    assert_eq!(map(&found).len(), KEYS);
    let read = pair.python.each("get", names.iter().map(|name| json!([name])));
    assert!(read.iter().all(|read| *read == pair.seen("v")));
}
