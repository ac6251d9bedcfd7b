//! Keys that are pairs of a number and a key: the number chooses the server.

use memcache_sync::proto::calls;
use memcache_sync::{Expiry, Stored, Value};
use serde_json::{Value as Json, json};

use crate::generator::Generator;
use crate::pair::{Pair, Servers, number};
use crate::profile::{Profile, Settings};

const SERVERS: usize = 4;
const KEYS: usize = 60;

/// Pairs whose numbers are of any size, so that most keys are not where their own hash says.
fn pairs(generator: &mut Generator) -> Vec<(i64, String)> {
    let fixed = [0, 1, -1, -5, 32_767, i64::MAX, i64::MIN];
    let chosen = (0..).map(|at| match fixed.get(at) {
        Some(&hash) => hash,
        None => generator.number() >> generator.below(64),
    });
    chosen.take(KEYS).enumerate().map(|(at, hash)| (hash, format!("pair:{at}"))).collect()
}

fn tuple((hash, key): &(i64, String)) -> Json {
    json!({ "t": [number(&hash.to_string()), key] })
}

pub(crate) fn a_number_beside_a_key_chooses_its_server(profile: &Profile) {
    let mut generator = Generator::new();
    let Some(servers) = Servers::start(profile, SERVERS) else { return };
    let pairs = pairs(&mut generator);
    let mut pair = Pair::random(&servers, profile, &mut generator, &Settings::default());
    let wire: Vec<_> = pairs.iter().map(|(_, key)| key.clone().into_bytes()).collect();

    let calls = pairs.iter().map(|pair| json!([tuple(pair), pair.1]));
    assert!(pair.python.each("set", calls).iter().all(|set| *set == true));
    let theirs = servers.places(&wire);
    for key in &pairs {
        assert_eq!(pair.rust.get::<String>(key).expect("read").as_ref(), Some(&key.1), "{key:?}");
        // It is kept under the key alone.
        pair.rust.set(key, &key.1, Expiry::Never).expect("stored");
        assert!(pair.rust.append(key, "+").expect("asked"));
        let (value, unique) = pair.rust.gets::<String>(key).expect("read").expect("there");
        assert_eq!(value, format!("{}+", key.1));
        let stored = pair.rust.cas(key, 9, Expiry::Never, unique).expect("asked");
        assert_eq!(stored, Stored::Stored);
        assert_eq!(pair.rust.incr(key, 1).expect("asked"), Some(10));
    }
    let ours = servers.places(&wire);
    let place = |places: &[(usize, _)]| places.iter().map(|(place, _)| *place).collect::<Vec<_>>();
    assert_eq!(place(&theirs), place(&ours));
    let strays = wire.iter().filter(|key| pair.rust.get::<Value>(key).expect("asked").is_none());
    assert!(strays.count() > 0, "every key is where its own hash says");

    let read = pair.python.each("get", pairs.iter().map(|pair| json!([tuple(pair)])));
    assert!(read.iter().all(|read| *read == 10));
    let counted = pair.python.each("decr", pairs.iter().map(|pair| json!([tuple(pair), 3])));
    assert!(counted.iter().all(|counted| *counted == 7));
    for (number, key) in pairs.iter().enumerate() {
        assert_eq!(pair.rust.get::<u64>(key).expect("read"), Some(7), "{key:?}");
        let deleted = match number % 2 {
            0 => pair.rust.delete(key).expect("asked").into(),
            _ => pair.python.call("delete", json!([tuple(key)])),
        };
        assert_eq!(deleted, true, "{key:?}");
    }
    assert!(servers.holdings(&wire).is_empty());
}

pub(crate) fn pairs_and_keys_go_together_and_behind_a_prefix(profile: &Profile) {
    let mut generator = Generator::new();
    let Some(servers) = Servers::start(profile, SERVERS) else { return };
    let pairs = pairs(&mut generator);
    let mut pair = Pair::random(&servers, profile, &mut generator, &Settings::default());
    let keys: Vec<_> = pairs.iter().map(tuple).collect();
    for prefix in ["", "shop:"] {
        let whole = pairs.iter().map(|(_, key)| format!("{prefix}{key}").into_bytes());
        let whole: Vec<_> = whole.collect();
        let items: Vec<_> = pairs.iter().map(|pair| json!([tuple(pair), pair.1])).collect();
        let failed = pair.python.call("set_multi", json!([{ "d": items }, prefix]));
        assert_eq!(failed, json!([]));
        let theirs = servers.places(&whole);
        let get = calls::get_many::<String, _, Vec<_>>(&pairs).key_prefix(prefix);
        let found = pair.rust.run(get).expect("asked").into_result().expect("answered");
        assert_eq!(found.len(), KEYS);
        assert!(found.iter().all(|(key, value)| key.1 == *value));
        let deleted = pair.rust.run(calls::delete_many(&pairs).key_prefix(prefix));
        assert_eq!(deleted.expect("asked").result, KEYS);
        assert!(servers.holdings(&whole).is_empty());

        let set = pairs.iter().map(|pair| (pair, &pair.1));
        let set = calls::set_many(set, Expiry::Never).key_prefix(prefix);
        assert_eq!(pair.rust.run(set).expect("asked").into_result().expect("stored"), KEYS);
        assert_eq!(servers.places(&whole), theirs);
        let found = pair.python.call("get_multi", json!([keys, prefix]));
        let found = found["d"].as_array().expect("a dict");
        assert_eq!(found.len(), KEYS);
        for item in found {
            assert_eq!(item[0]["t"][1], item[1], "{item}");
        }
        assert_eq!(pair.python.call("delete_multi", json!([keys, prefix])), true);
        assert!(servers.holdings(&whole).is_empty());
    }
}
