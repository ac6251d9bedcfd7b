//! Many keys, and several servers.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use memcache_sync::{Error, FailedKey, StatsArgument, Stored, Value};

use crate::{Context, NEVER, get, noise, text};

const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) fn many(context: &Context) {
    let client = &context.client;
    let none: [&str; 0] = [];
    assert!(client.get_many::<Value, _>(none).expect("asked").result.is_empty());
    assert_eq!(client.set_many([("", 1); 0], NEVER).expect("asked").result, 0);
    assert_eq!(client.delete_many(none).expect("asked").result, 0);
    for count in [1_usize, 2, 100, 10_000] {
        let key = |number: usize| format!("many:{number}");
        let items = (0..count).map(|number| (key(number), number));
        let stored = client.set_many(items, NEVER).expect("asked");
        assert_eq!((stored.result, stored.failed.len()), (count, 0));
        let keys = || (0..2 * count).map(key);
        let found = client.get_many::<usize, _>(keys()).expect("asked").into_result();
        let found = found.expect("answered");
        assert_eq!(found.len(), count);
        for number in 0..count {
            assert_eq!(found.get(&key(number)), Some(&number));
        }
        let mut came = vec![false; count];
        let each = |number: usize, value| {
            assert!(number == value && !came[number], "{number} comes once, and is {value}");
            came[number] = true;
        };
        let found = client.get_each::<usize, _>(keys(), each).expect("asked");
        assert_eq!((found.result, found.missing.len()), (count, count));
        assert!(came.iter().all(|&came| came));
        let found = client.gets_many::<usize, _>(keys()).expect("asked").result;
        assert_eq!(found.len(), count);
        assert!((0..count).all(|number| found[&key(number)].0 == number));
        let unique = found[&key(0)].1;
        let changed = client.cas(key(0), 0, NEVER, unique).expect("asked");
        assert_eq!(changed, Stored::Stored, "it is the item's own cas unique");
        let found = client.gat_many::<usize, _>(keys(), HOUR).expect("asked");
        assert_eq!((found.result.len(), found.missing.len()), (count, count));
        let touched = client.touch_many(keys(), HOUR).expect("asked");
        assert_eq!((touched.result, touched.missing.len()), (count, count));
        let items = || (0..2 * count).map(|number| (key(number), number));
        let replaced = client.replace_many(items(), NEVER).expect("asked");
        assert_eq!((replaced.result, replaced.failed.len()), (count, count));
        let added = client.add_many(items(), NEVER).expect("asked");
        assert_eq!((added.result, added.failed.len()), (count, count));
        let error = &added.failed[0].error;
        assert!(matches!(error, Error::NotStored(Stored::NotStored)), "{error:?}");
        let deleted = client.delete_many(keys()).expect("asked");
        assert_eq!((deleted.result, deleted.failed.len()), (2 * count, 0));
        assert!(client.get_many::<usize, _>(keys()).expect("asked").result.is_empty());
    }
    // A key that is there twice.
    client.set("twice", 2, NEVER).expect("stored");
    let found = client.get_many::<u8, _>(["twice", "once", "twice"]).expect("asked");
    assert_eq!(found.into_result().expect("answered"), HashMap::from([("twice", 2)]));
    // One value that cannot be read is the failure of its key, and the rest is right.
    let items = [("r1", "1"), ("r2", "two"), ("r3", "3")];
    assert_eq!(client.set_many(items, NEVER).expect("asked").result, 3);
    let found = client.get_many::<u8, _>(["r1", "r2", "r3"]).expect("asked");
    assert_eq!(found.result, HashMap::from([("r1", 1), ("r3", 3)]));
    let [FailedKey { number: 1, key: "r2", error }] = &found.failed[..] else {
        panic!("{:?}", found.failed)
    };
    assert!(matches!(error, Error::Value { server: Some(_), .. }), "{error:?}");
    // And so is a key that cannot be sent.
    let items = [("s1", 1), ("s 2", 2), ("s3", 3)];
    let stored = client.set_many(items, NEVER).expect("asked");
    let found = client.get_many::<u8, _>(["s1", "s 2", "s3"]).expect("asked");
    assert_eq!((stored.result, &found.result), (2, &HashMap::from([("s1", 1), ("s3", 3)])));
    let deleted = client.delete_many(["s 2", "s1", "s3"]).expect("asked");
    assert_eq!(deleted.result, 2);
    for (failed, number) in [(stored.failed, 1), (found.failed, 1), (deleted.failed, 0)] {
        let [FailedKey { key: "s 2", error: Error::Key(_), .. }] = failed[..] else {
            panic!("{failed:?}")
        };
        assert_eq!(failed[0].number, number);
    }
    assert_eq!(text(client, "r3").as_deref(), Some("3"));
}

pub(crate) fn many_large(context: &Context) {
    let client = context.connect(context.cluster());
    let value = noise(900_000);
    let keys: Vec<String> = (0..20).map(|number| format!("large:{number}")).collect();
    let stored = client.set_many(keys.iter().map(|key| (key, &value)), NEVER).expect("asked");
    assert_eq!(stored.into_result().expect("stored"), 20);
    let found = client.get_many::<Bytes, _>(&keys).expect("asked").into_result();
    let found = found.expect("answered");
    assert_eq!(found.len(), 20);
    assert!(found.values().all(|found| *found == value));
}

pub(crate) fn cluster(context: &Context) {
    let client = context.connect(context.cluster());
    let [first, second] =
        [&context.first, &context.second].map(|target| context.connect(target.config()));
    let mut counts = [0, 0];
    for number in 0..300 {
        let key = format!("cluster:{number}");
        client.set(&key, number, NEVER).expect("stored");
        assert_eq!(get(&client, &key), Some(number));
        let places = [get::<u32>(&first, &key), get(&second, &key)];
        assert_eq!(places.iter().flatten().count(), 1, "{key} is on one server");
        counts[usize::from(places[1].is_some())] += 1;
    }
    assert!((60..=140).contains(&counts[0]), "a third on the first: {counts:?}");
    let keys: Vec<String> = (0..300).map(|number| format!("cluster:{number}")).collect();
    let found = client.get_many::<u32, _>(&keys).expect("asked").into_result().expect("answered");
    assert_eq!(found.len(), 300);
    assert_eq!(client.delete_many(&keys).expect("asked").result, 300);
    // A server of no weight is given no keys.
    let unused = context.builder().weighted_server(&context.second.address(), 0);
    let unused = context.connect(unused);
    assert_eq!(unused.set_many(keys.iter().map(|key| (key, 1)), NEVER).expect("asked").result, 300);
    assert!(second.get_many::<u8, _>(&keys).expect("asked").result.is_empty());
    let _ = unused.delete_many(&keys).expect("asked");
    // Both answer for themselves.
    let versions = client.version().expect("asked").into_result().expect("answered");
    let names: HashSet<_> = versions.iter().map(|(name, _)| name.as_str()).collect();
    let names_expected =
        [format!("{} (1)", context.first.address()), format!("{} (2)", context.second.address())];
    assert_eq!(names, names_expected.iter().map(String::as_str).collect());
}

pub(crate) fn unix_socket(context: &Context) {
    let relay = context.first.unix_socket();
    let client = context.connect(relay.config());
    client.set("unix", "socket", NEVER).expect("stored");
    assert_eq!(text(&client, "unix").as_deref(), Some("socket"));
    let value = noise(1_000_000);
    client.set("unix", &value, NEVER).expect("stored");
    assert!(get::<Vec<u8>>(&client, "unix") == Some(value));
    let items = (0..1_000).map(|number| (number, number));
    assert_eq!(client.set_many(items, NEVER).expect("asked").result, 1_000);
    assert_eq!(client.get_many::<u32, _>(0..2_000).expect("asked").result.len(), 1_000);
    assert_eq!(client.delete_many(0..2_000).expect("asked").result, 1_000);
    let (name, version) = client.version().expect("asked").0.remove(0);
    assert_eq!(name, format!("{} (1)", relay.address()));
    assert!(version.is_ok());
}

pub(crate) fn stats(context: &Context) {
    let client = context.connect(context.cluster());
    client.set("stat", "x".repeat(100), NEVER).expect("stored");
    let general = client.stats(StatsArgument::General).expect("asked");
    let general = general.into_result().expect("answered");
    assert_eq!(general.len(), 2);
    for (server, stats) in &general {
        let stats: HashMap<_, _> = stats.iter().cloned().collect();
        for name in ["pid", "uptime", "version", "curr_items", "get_hits", "cmd_set", "bytes"] {
            assert!(stats.contains_key(name), "{server} has no {name}: {stats:?}");
        }
        let versions = client.version().expect("asked").into_result().expect("answered");
        assert_eq!(versions[0].1, stats["version"]);
    }
    for argument in [
        StatsArgument::Items,
        StatsArgument::Slabs,
        StatsArgument::Settings,
        StatsArgument::Sizes,
        StatsArgument::DetailOn,
        StatsArgument::DetailOff,
        StatsArgument::DetailDump,
        StatsArgument::Reset,
    ] {
        let answers = client.stats(argument).expect("asked").into_result();
        let answers = answers.unwrap_or_else(|error| panic!("{argument:?}: {error}"));
        assert_eq!(answers.len(), 2, "{argument:?}");
        assert_eq!(text(&client, "stat"), Some("x".repeat(100)), "after {argument:?}");
    }
    let reset = client.stats(StatsArgument::General).expect("asked").into_result();
    let reset = reset.expect("answered");
    let hits = reset[0].1.iter().find(|(name, _)| name == "cmd_set").expect("a stat");
    assert_eq!(hits.1, "0");
}
