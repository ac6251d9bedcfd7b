use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

use bytes::Bytes;
use memcache_proto::Expiry;
use memcache_proto::calls;
use memcache_proto::value::FromValue;

use crate::core_alone::CoreAlone;

/// A kind of call whose instructions are counted.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// How many keys one call has.
    pub(crate) keys: u32,
    /// Makes so many calls.
    pub(crate) run: fn(u32),
}

pub(crate) const ROWS: [Row; 6] = [
    Row { name: "get", keys: 1, run: get },
    Row { name: "set", keys: 1, run: set },
    Row { name: "get-100-vec-of-bytes", keys: 100, run: get_into_vec },
    Row { name: "get-100-map", keys: 100, run: get_into_map },
    Row { name: "set-100", keys: 100, run: set_many },
    Row { name: "delete-100", keys: 100, run: delete_many },
];

/// The length of each value.
const VALUE: usize = 100;

/// The map that most callers want, hashed as they hash it, but with the same seed in each run.
type Map<'k> = HashMap<&'k String, Vec<u8>, BuildHasherDefault<DefaultHasher>>;

fn get(count: u32) {
    let (mut core, key) = (CoreAlone::new(), &keys()[0]);
    let reply = values([key]);
    for _ in 0..count {
        let found = core.run(calls::get::<Vec<u8>, _>(key), &reply).expect("an answer");
        assert_eq!(found.map(|found| found.len()), Some(VALUE));
    }
}

fn set(count: u32) {
    let (mut core, key) = (CoreAlone::new(), &keys()[0]);
    let value = value(key);
    for _ in 0..count {
        core.run(calls::set(key, &value, Expiry::Never), b"STORED\r\n").expect("stored");
    }
}

fn get_into_vec(count: u32) {
    let keys = keys();
    get_many::<Bytes, Vec<(&String, Bytes)>>(&keys, Vec::len, count);
}

fn get_into_map(count: u32) {
    let keys = keys();
    get_many::<Vec<u8>, Map<'_>>(&keys, Map::len, count);
}

fn get_many<'k, V, M>(keys: &'k [String], len: fn(&M) -> usize, count: u32)
where
    V: FromValue,
    M: Default + Extend<(&'k String, V)>,
{
    let (mut core, reply) = (CoreAlone::new(), values(keys));
    for _ in 0..count {
        let found = core.run(calls::get_many::<V, &String, M>(keys), &reply).expect("an answer");
        assert_eq!(len(&found.result), keys.len());
    }
}

fn set_many(count: u32) {
    let (mut core, keys) = (CoreAlone::new(), keys());
    let values: Vec<_> = keys.iter().map(|key| value(key)).collect();
    let reply = b"STORED\r\n".repeat(keys.len());
    for _ in 0..count {
        let items = keys.iter().zip(&values);
        let stored = core.run(calls::set_many(items, Expiry::Never), &reply).expect("an answer");
        assert_eq!(stored.result, keys.len());
    }
}

fn delete_many(count: u32) {
    let (mut core, keys) = (CoreAlone::new(), keys());
    let reply = b"DELETED\r\n".repeat(keys.len());
    for _ in 0..count {
        let deleted = core.run(calls::delete_many(&keys), &reply).expect("an answer");
        assert_eq!(deleted.result, keys.len());
    }
}

fn keys() -> Vec<String> {
    (0..100).map(|number| format!("session:{number:05}")).collect()
}

/// A value that begins with its key.
fn value(key: &str) -> Vec<u8> {
    format!("{key:.<VALUE$}").into_bytes()
}

/// What a server answers to a get of these keys.
fn values<'k>(keys: impl IntoIterator<Item = &'k String>) -> Vec<u8> {
    let mut reply = Vec::new();
    for key in keys {
        reply.extend_from_slice(format!("VALUE {key} 0 {VALUE}\r\n").as_bytes());
        reply.extend_from_slice(&value(key));
        reply.extend_from_slice(b"\r\n");
    }
    reply.extend_from_slice(b"END\r\n");
    reply
}
