//! Python has a prefix for each call on many keys, Rust one for all calls of a client.

use memcache_sync::{Expiry, Value};
use serde_json::json;

use crate::generator::Generator;
use crate::pair::{Servers, map};
use crate::profile::{Profile, Settings};

const SERVERS: usize = 4;
const KEYS: usize = 200;

pub(crate) fn a_prefix_of_one_side_is_a_part_of_the_others_keys(profile: &Profile) {
    let mut generator = Generator::new();
    let Some(servers) = Servers::start(profile, SERVERS) else { return };
    let weights = generator.weights(profile, SERVERS);
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
