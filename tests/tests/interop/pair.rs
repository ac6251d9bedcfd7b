use std::collections::HashMap;
use std::fmt::Debug;

use memcache_sync::{Client, Expiry, Value};
use memcache_tests::python::Driver;
use memcache_tests::{Holding, Memcached};
use serde_json::{Value as Json, json};

use crate::generator::{Generator, Item, Key};
use crate::profile::{Profile, Settings};

/// One client of each side, of the same servers.
pub(crate) struct Pair<'a> {
    pub(crate) python: Driver,
    pub(crate) rust: Client,
    pub(crate) servers: &'a Servers,
    pub(crate) profile: &'a Profile,
}

/// Memcacheds, in the order in which clients list them.
pub(crate) struct Servers(pub(crate) Vec<Memcached>);

impl Servers {
    /// So many of them, or as many as the profile can have; `None` where the tests of the profile are
    /// skipped.
    pub(crate) fn start(profile: &Profile, count: usize) -> Option<Self> {
        let count = if profile.many_servers { count } else { 1 };
        let start = |_| Memcached::start_with(&["-t", "1"]);
        profile.python.has(profile.module).then(|| Servers((0..count).map(start).collect()))
    }

    /// A pair of clients of those servers that have a weight, and of those behind them none.
    pub(crate) fn pair<'a>(
        &'a self,
        profile: &'a Profile,
        weights: &[i32],
        settings: &Settings,
    ) -> Pair<'a> {
        let ring: Vec<_> = self.0.iter().zip(weights.iter().copied()).collect();
        let python = Driver::start(profile.python, &profile.python(&ring, settings));
        Pair { python, rust: profile.rust(&ring, settings), servers: self, profile }
    }

    /// What each of the servers that run holds of these keys: the number of the server, and what it holds.
    pub(crate) fn holdings(&self, keys: &[Vec<u8>]) -> HashMap<Vec<u8>, Vec<(usize, Holding)>> {
        let mut all: HashMap<_, Vec<_>> = HashMap::new();
        for (number, server) in self.0.iter().enumerate().filter(|(_, server)| server.is_running())
        {
            for (key, holding) in server.holdings(keys) {
                all.entry(key).or_default().push((number, holding));
            }
        }
        all
    }

    /// The one server that holds each of the keys.
    pub(crate) fn places(&self, keys: &[Vec<u8>]) -> Vec<(usize, Holding)> {
        let mut holdings = self.holdings(keys);
        let places = keys.iter().map(|key| {
            let mut held = holdings.remove(key).unwrap_or_default();
            assert_eq!(held.len(), 1, "{}: {held:.200?}", key.escape_ascii());
            held.remove(0)
        });
        places.collect()
    }

    /// The one server that holds this key.
    pub(crate) fn place(&self, key: &str) -> (&Memcached, Holding) {
        let (number, holding) = self.places(&[key.into()]).remove(0);
        (&self.0[number], holding)
    }
}

impl<'a> Pair<'a> {
    /// A pair with servers of weights by chance.
    pub(crate) fn random(
        servers: &'a Servers,
        profile: &'a Profile,
        generator: &mut Generator,
        settings: &Settings,
    ) -> Self {
        let weights = generator.weights(profile, servers.0.len());
        servers.pair(profile, &weights, settings)
    }

    /// Stores the items from Python, one by one and many at once.
    pub(crate) fn python_writes(&mut self, items: &[Item]) {
        let (single, many) = by_call(items);
        let calls = single.iter().map(|item| json!([item.key.json(), json(&item.value)]));
        let stored = self.python.each("set", calls);
        for (item, stored) in single.iter().zip(stored) {
            assert_eq!(stored, true, "{item:.300?}");
        }
        for (prefix, items) in many {
            let map: Json =
                items.iter().map(|item| json!([item.key.json(), json(&item.value)])).collect();
            let failed = self.python.call("set_multi", json!([{ "d": map }, prefix]));
            assert_eq!(failed, json!([]));
        }
    }

    /// Reads the items in Rust and compares.
    pub(crate) fn rust_reads(&self, items: &[Item]) {
        let (single, many) = by_call(items);
        for item in single {
            let read = self.rust.get::<Value>(&item.key).expect("read");
            same(item, read, Some(self.profile.read(&item.value)));
        }
        for (_, items) in many {
            let keys: Vec<_> = items.iter().map(|item| item.whole()).collect();
            let found = self.rust.get_many::<Value, _>(&keys).expect("asked");
            let found = found.into_result().expect("every server answers");
            for (item, key) in items.iter().zip(&keys) {
                same(item, found.get(key), Some(&self.profile.read(&item.value)));
            }
        }
    }

    /// Stores the items from Rust, one by one and many at once.
    pub(crate) fn rust_writes(&self, items: &[Item]) {
        let (single, many) = by_call(items);
        for item in single {
            self.rust.set(&item.key, &item.value, Expiry::Never).expect("stored");
        }
        for (_, items) in many {
            let pairs = items.iter().map(|item| (item.whole(), &item.value));
            let stored = self.rust.set_many(pairs, Expiry::Never).expect("asked");
            assert_eq!(stored.into_result().expect("stored"), items.len());
        }
    }

    /// Reads the items in Python and compares.
    pub(crate) fn python_reads(&mut self, items: &[Item]) {
        let (single, many) = by_call(items);
        let read = self.python.each("get", single.iter().map(|item| json!([item.key.json()])));
        for (item, read) in single.iter().zip(&read) {
            same(item, read, &self.seen(item.value.clone()));
        }
        for (prefix, items) in many {
            let keys: Json = items.iter().map(|item| item.key.json()).collect();
            let found = self.python.call("get_multi", json!([keys, prefix]));
            let found = map(&found);
            for item in items {
                let read = found.get(&item.key.json().to_string()).copied();
                same(item, read, Some(&self.seen(item.value.clone())));
            }
        }
    }

    /// What Python is to read where this was stored.
    pub(crate) fn seen(&self, value: impl Into<Value>) -> Json {
        json(&self.profile.read(&value.into()))
    }

    /// Checks that Python reads what is stored as this, and Rust the same.
    pub(crate) fn both_read(&mut self, key: &str, value: impl Into<Value>) {
        let value = self.profile.read(&value.into());
        assert_eq!(self.python.call("get", json!([key])), json(&value), "{key}");
        assert_eq!(self.rust.get::<Value>(key).expect("read"), Some(value), "{key}");
    }

    /// Checks that each item is on one server, which is the one that Python names, and returns their
    /// numbers.
    pub(crate) fn check_places(&mut self, items: &[Item]) -> Vec<usize> {
        let keys: Vec<_> = items.iter().map(Item::whole).collect();
        let places = self.servers.places(&keys);
        let named = items.iter().map(|item| json!([item.whole_json()]));
        let named = self.python.each("server", named);
        for ((item, (place, _)), named) in items.iter().zip(&places).zip(named) {
            if !named.is_null() {
                same(item, &named, &Json::from(self.servers.0[*place].address()));
            }
        }
        places.into_iter().map(|(place, _)| place).collect()
    }
}

/// Those that go by a call each, and those that go together, by their prefix.
fn by_call(items: &[Item]) -> (Vec<&Item>, HashMap<&str, Vec<&Item>>) {
    let (mut single, mut many) = (Vec::new(), HashMap::<_, Vec<_>>::new());
    for (number, item) in items.iter().enumerate() {
        // Python takes an integer or a prefix only where there are many keys.
        let alone = item.prefix.is_empty() && !matches!(item.key, Key::Integer(_));
        if alone && number % 2 == 0 {
            single.push(item);
        } else {
            many.entry(&*item.prefix).or_default().push(item);
        }
    }
    (single, many)
}

fn same<T: PartialEq + Debug>(item: &Item, read: T, expected: T) {
    assert!(read == expected, "{item:.300?}\nread {read:.300?}\n not {expected:.300?}");
}

/// A value as the driver writes it.
pub(crate) fn json(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.clone().into(),
        Value::Integer(integer) => number(&integer.to_string()),
        Value::Bytes(value) => bytes(value),
        other => panic!("Python has no such value: {other:?}"),
    }
}

pub(crate) fn bytes(bytes: &[u8]) -> Json {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "b": hex })
}

/// An integer, which is a number of JSON's where every language reads it without loss.
pub(crate) fn number(digits: &str) -> Json {
    match digits.parse::<i64>() {
        Ok(small) if small.unsigned_abs() < 1 << 53 => small.into(),
        _ => json!({ "i": digits }),
    }
}

/// A dict that the driver wrote, by its keys' JSON.
pub(crate) fn map(dict: &Json) -> HashMap<String, &Json> {
    let pairs = dict["d"].as_array().expect("a dict");
    pairs.iter().map(|pair| (pair[0].to_string(), &pair[1])).collect()
}
