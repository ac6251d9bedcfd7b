//! Calls on what the other side wrote.

use std::thread;
use std::time::Duration;

use memcache_sync::{Expiry, Stored, Value};
use serde_json::json;

use crate::generator::Generator;
use crate::pair::{Pair, Servers, number};
use crate::profile::{Profile, Settings};

const SERVERS: usize = 3;
/// As many keys, so that no server is left out.
const KEYS: usize = 20;

/// Runs the body on a pair that has servers of different weights.
fn with_pair(profile: &Profile, body: impl FnOnce(&Servers, Pair<'_>)) {
    let Some(servers) = Servers::start(profile, SERVERS) else { return };
    let weights = Generator::new().weights(profile, servers.0.len());
    let pair = servers.pair(profile, &weights, &Settings::default());
    body(&servers, pair);
}

pub(crate) fn a_cas_unique_read_by_one_is_good_for_the_other(profile: &Profile) {
    with_pair(profile, |_, mut pair| {
        for key in (0..KEYS).map(|key| format!("cas:{key}")) {
            assert_eq!(pair.python.call("set", json!([key, "one"])), true);
            let read = pair.python.call("gets", json!([key]));
            let unique = read[1].as_u64().expect("a unique");
            assert_eq!(read[0], pair.seen("one"));
            let (value, same) = pair.rust.gets::<String>(&key).expect("read").expect("there");
            assert_eq!((&*value, same), ("one", unique));

            // Read by Python, used by Rust, and then too old for both.
            let stored = pair.rust.cas(&key, "two", Expiry::Never, unique).expect("asked");
            assert_eq!(stored, Stored::Stored);
            assert_eq!(pair.python.call("cas", json!([key, "three", unique])), false);
            let stored = pair.rust.cas(&key, "three", Expiry::Never, unique).expect("asked");
            assert_eq!(stored, Stored::Exists);
            assert_eq!(pair.python.call("get", json!([key])), pair.seen("two"));

            // Read by Rust, used by Python.
            let (_, unique) = pair.rust.gets::<String>(&key).expect("read").expect("there");
            assert_eq!(pair.python.call("cas", json!([key, "four", unique])), true);
            assert_eq!(pair.rust.get::<String>(&key).expect("read").as_deref(), Some("four"));
        }
    });
}

pub(crate) fn each_counts_on_with_the_others_counter(profile: &Profile) {
    with_pair(profile, |servers, mut pair| {
        let mut padded = 0;
        for key in (0..KEYS).map(|key| format!("counter:{key}")) {
            // A decremented counter keeps its width, unless the server has a hand on it just then.
            let mut stored = |digits: &str| {
                let (_, holding) = servers.place(&key);
                let text = String::from_utf8(holding.bytes).expect("digits");
                assert_eq!(text.trim_end_matches(' '), digits);
                padded += usize::from(text.len() > digits.len());
                profile.counter(&text)
            };
            assert_eq!(pair.rust.incr(&key, 1).expect("asked"), None);
            assert_eq!(pair.python.call("decr", json!([key, 1])), json!(null));

            assert_eq!(pair.python.call("set", json!([key, 9])), true);
            assert_eq!(pair.rust.incr(&key, 1).expect("asked"), Some(10));
            pair.both_read(&key, profile.counter("10"));
            assert_eq!(pair.rust.decr(&key, 1).expect("asked"), Some(9));
            pair.both_read(&key, stored("9"));
            assert_eq!(pair.python.call("incr", json!([key, 2])), 11);

            pair.rust.set(&key, 100, Expiry::Never).expect("stored");
            assert_eq!(pair.python.call("decr", json!([key, 93])), 7);
            let left = stored("7");
            assert_eq!(pair.rust.get::<u64>(&key).expect("read"), Some(7));
            pair.both_read(&key, left);
            // It stops at nothing.
            assert_eq!(pair.python.call("decr", json!([key, 1000])), 0);
            assert_eq!(pair.rust.decr(&key, 1).expect("asked"), Some(0));

            pair.rust.set(&key, u64::MAX, Expiry::Never).expect("stored");
            let most = number(&u64::MAX.to_string());
            pair.both_read(&key, u64::MAX);
            assert_eq!(pair.python.call("incr", json!([key, 0])), most);
            assert_eq!(pair.python.call("incr", json!([key, 3])), 2);
            assert_eq!(pair.rust.get::<u64>(&key).expect("read"), Some(2));
        }
        assert!(padded > KEYS, "{padded}");
    });
}

pub(crate) fn each_appends_to_what_the_other_wrote(profile: &Profile) {
    with_pair(profile, |servers, mut pair| {
        for key in (0..KEYS).map(|key| format!("text:{key}")) {
            assert!(!pair.rust.append(&key, "?").expect("asked"));
            assert_eq!(pair.python.call("prepend", json!([key, "?"])), false);
            assert!(!pair.rust.replace(&key, "?", Expiry::Never).expect("asked"));
            assert_eq!(pair.python.call("replace", json!([key, "?"])), false);

            assert_eq!(pair.python.call("add", json!([key, "b"])), true);
            assert!(!pair.rust.add(&key, "?", Expiry::Never).expect("asked"));
            assert!(pair.rust.append(&key, "\u{4f1a}").expect("asked"));
            assert_eq!(pair.python.call("prepend", json!([key, "\u{e9}"])), true);
            let whole = "\u{e9}b\u{4f1a}";
            pair.both_read(&key, whole);

            assert!(pair.rust.replace(&key, b"\xfe", Expiry::Never).expect("asked"));
            assert_eq!(pair.python.call("add", json!([key, "?"])), false);
            assert_eq!(pair.python.call("append", json!([key, { "b": "ff00" }])), true);
            assert!(pair.rust.prepend(&key, b"\xfd").expect("asked"));
            assert_eq!(servers.place(&key).1.bytes, b"\xfd\xfe\xff\0");
            if profile.can_have(&Value::from(b"\xfd")) {
                pair.both_read(&key, b"\xfd\xfe\xff\0");
            }
            assert_eq!(pair.python.call("replace", json!([key, 7])), true);
            pair.both_read(&key, 7);
        }
    });
}

pub(crate) fn each_deletes_what_the_other_wrote(profile: &Profile) {
    with_pair(profile, |servers, mut pair| {
        let keys: Vec<_> = (0..KEYS).map(|key| format!("gone:{key}")).collect();
        let wire: Vec<_> = keys.iter().map(|key| key.clone().into_bytes()).collect();
        for key in &keys {
            pair.rust.set(key, "v", Expiry::Never).expect("stored");
            assert_eq!(pair.python.call("delete", json!([key])), true);
            assert!(!pair.rust.delete(key).expect("asked"));
            assert_eq!(pair.python.call("set", json!([key, "v"])), true);
            assert!(pair.rust.delete(key).expect("asked"));
            assert_eq!(pair.python.call("get", json!([key])), json!(null));
        }
        let items = keys.iter().map(|key| (key, "v"));
        assert_eq!(pair.rust.set_many(items, Expiry::Never).expect("asked").result, KEYS);
        assert_eq!(pair.python.call("delete_multi", json!([keys])), true);
        assert!(servers.holdings(&wire).is_empty());
        let items: Vec<_> = keys.iter().map(|key| json!([key, "v"])).collect();
        assert_eq!(pair.python.call("set_multi", json!([{ "d": items }])), json!([]));
        assert_eq!(pair.rust.delete_many(&keys).expect("asked").result, KEYS);
        assert!(servers.holdings(&wire).is_empty());
    });
}

pub(crate) fn expiries_are_the_same_seconds(profile: &Profile) {
    const DAY: i64 = 86_400;
    with_pair(profile, |servers, mut pair| {
        let left = |key: &str| servers.place(key).0.seconds_left(key).expect("an item");
        // Up to 30 days both count from now. Beyond, Python's number would be a moment in 1970.
        for seconds in [100, 3_600, DAY, 30 * DAY] {
            let (theirs, ours) = (format!("theirs:{seconds}"), format!("ours:{seconds}"));
            let about = seconds - 5..=seconds;
            assert_eq!(pair.python.call("set", json!([theirs, "v", seconds])), true);
            let expiry = Duration::from_secs(seconds.unsigned_abs());
            pair.rust.set(&ours, "v", expiry).expect("stored");
            for key in [&theirs, &ours] {
                assert!(about.contains(&left(key)), "{key}: {}", left(key));
            }
            // For ever, and back.
            assert!(pair.rust.touch(&theirs, Expiry::Never).expect("asked"));
            let touched = pair.python.try_call("touch", json!([ours, 0]));
            assert_eq!(touched == Ok(true.into()), profile.touches_for_ever, "{touched:?}");
            assert_eq!(
                [left(&theirs), left(&ours)].map(|left| left == -1),
                [true, profile.touches_for_ever]
            );
            assert!(pair.rust.touch(&theirs, expiry).expect("asked"));
            assert_eq!(pair.python.call("touch", json!([ours, seconds])), true);
            for key in [&theirs, &ours] {
                assert!(about.contains(&left(key)), "{key}: {}", left(key));
            }
        }
        pair.rust.set("later", "v", Duration::from_secs(60 * 86_400)).expect("stored");
        assert_eq!(pair.python.call("get", json!(["later"])), pair.seen("v"));
        // As a moment, which is later by what the server's clock lags behind.
        assert!((60 * DAY - 5..=60 * DAY + 2).contains(&left("later")), "{}", left("later"));
        assert!(!pair.rust.touch("nothing", Expiry::Never).expect("asked"));
        // 1.58 raises an error.
        let touched = pair.python.try_call("touch", json!(["nothing", 100]));
        assert_ne!(touched, Ok(true.into()));
    });
}

pub(crate) fn what_one_lets_expire_is_gone_for_the_other(profile: &Profile) {
    with_pair(profile, |_, mut pair| {
        let second = Duration::from_secs(1);
        for key in 0..KEYS {
            let set = json!([format!("theirs:{key}"), "v", 1]);
            assert_eq!(pair.python.call("set", set), true);
            pair.rust.set(format!("ours:{key}"), "v", second).expect("stored");
            pair.rust.set(format!("kept:{key}"), "v", second).expect("stored");
            let touch = json!([format!("kept:{key}"), 100]);
            assert_eq!(pair.python.call("touch", touch), true);
        }
        // A server's second may begin at any time.
        thread::sleep(Duration::from_millis(2_200));
        for key in 0..KEYS {
            let theirs = pair.rust.get::<Value>(format!("theirs:{key}")).expect("asked");
            assert_eq!(theirs, None);
            assert_eq!(pair.python.call("get", json!([format!("ours:{key}")])), json!(null));
            let kept = pair.rust.get::<String>(format!("kept:{key}")).expect("asked");
            assert_eq!(kept.as_deref(), Some("v"));
        }
    });
}
