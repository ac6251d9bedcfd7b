//! Options of one call.

use memcache_sync::proto::calls;
use memcache_sync::{Expiry, Value};
use serde_json::json;

use crate::generator::Generator;
use crate::pair::{self, Pair, Servers};
use crate::profile::{Profile, Settings};

const SERVERS: usize = 3;
const KEYS: usize = 40;
/// Values of more bytes than this are compressed, where a call says so.
const THRESHOLD: usize = 100;
const COMPRESSED: u32 = 8;

pub(crate) fn a_call_compresses_above_a_threshold_of_its_own(profile: &Profile) {
    let mut generator = Generator::new();
    let Some(servers) = Servers::start(profile, SERVERS) else { return };
    // The driver gives it to each call; the Rust client is told nothing.
    let settings = Settings { min_compress_len: THRESHOLD, ..Settings::default() };
    let weights = generator.weights(profile, SERVERS);
    let mut pair = servers.pair(profile, &weights, &settings);
    pair.rust = servers.pair(profile, &weights, &Settings::default()).rust;

    let values = (0..KEYS).map(|number| Value::from("a".repeat(THRESHOLD - KEYS / 2 + number)));
    let values: Vec<_> = values.collect();
    let theirs: Vec<_> = (0..KEYS).map(|number| format!("theirs:{number}")).collect();
    let ours: Vec<_> = (0..KEYS).map(|number| format!("ours:{number}")).collect();
    let items = theirs.iter().zip(&values).map(|(key, value)| json!([key, pair::json(value)]));
    let items: Vec<_> = items.collect();
    assert_eq!(pair.python.call("set_multi", json!([{ "d": items }])), json!([]));
    let items = ours.iter().zip(&values);
    let set = calls::set_many(items, Expiry::Never).min_compress_len(THRESHOLD);
    assert_eq!(pair.rust.run(set).expect("asked").into_result().expect("stored"), KEYS);

    let mut compressed = 0;
    for ((theirs, ours), value) in theirs.iter().zip(&ours).zip(&values) {
        let holding = servers.place(ours).1;
        assert_eq!(holding.flags, servers.place(theirs).1.flags, "{value:?}");
        compressed += usize::from(holding.flags & COMPRESSED != 0);
        pair.both_read(theirs, value.clone());
        pair.both_read(ours, value.clone());
        // One at a time it is the same.
        let set = calls::set(ours, value, Expiry::Never).min_compress_len(THRESHOLD);
        pair.rust.run(set).expect("stored");
        assert_eq!(servers.place(ours).1, holding, "{value:?}");
        pair.rust.set(ours, value, Expiry::Never).expect("stored");
        assert_eq!(servers.place(ours).1.flags & COMPRESSED, 0, "{value:?}");
    }
    assert!(compressed > 0 && compressed < KEYS, "{compressed}");
}

pub(crate) fn what_one_asked_no_reply_for_the_other_reads(profile: &Profile) {
    let mut generator = Generator::new();
    let Some(servers) = Servers::start(profile, SERVERS) else { return };
    let mut pair = Pair::random(&servers, profile, &mut generator, &Settings::default());
    // What Python writes behind a write waits for the server's acknowledgement, which comes late.
    for key in (0..SERVERS + 1).map(|number| format!("quiet:{number}")) {
        let many = [format!("{key}:a"), format!("{key}:b")];
        // What is asked behind it on the same connection, a get of the key, waits until it is done.
        let read = |pair: &mut Pair<'_>| {
            pair.python.call("get", json!([key]));
            pair.rust.get::<Value>(&key).expect("read").map(|value| pair::json(&value))
        };
        let python = |pair: &mut Pair<'_>, call, arguments: serde_json::Value| {
            let mut all = vec![json!(call)];
            all.extend(arguments.as_array().expect("a list").iter().cloned());
            pair.python.call("quiet", all.into());
            read(pair)
        };
        let seen = |pair: &Pair<'_>, text: &str| Some(pair.seen(text));
        assert_eq!(python(&mut pair, "set", json!([key, "b"])), seen(&pair, "b"));
        assert_eq!(python(&mut pair, "add", json!([key, "?"])), seen(&pair, "b"));
        assert_eq!(python(&mut pair, "append", json!([key, "c"])), seen(&pair, "bc"));
        assert_eq!(python(&mut pair, "prepend", json!([key, "a"])), seen(&pair, "abc"));
        assert_eq!(python(&mut pair, "replace", json!([key, 40])), Some(pair.seen(40)));
        assert_eq!(python(&mut pair, "incr", json!([key, 2])), Some(pair.seen(42)));
        assert_eq!(python(&mut pair, "delete", json!([key])), None);
        assert_eq!(
            python(&mut pair, "set_multi", json!([{ "d": [[many[0], "1"], [many[1], "2"]] }])),
            None
        );
        pair.both_read(&many[0], "1");
        pair.both_read(&many[1], "2");
        assert_eq!(python(&mut pair, "delete_multi", json!([many])), None);
        for key in &many {
            assert_eq!(pair.python.call("get", json!([key])), json!(null));
            assert_eq!(pair.rust.get::<Value>(key).expect("read"), None);
        }

        let rust = &pair.rust;
        let (once, never) = (|| rust.get::<Value>(&key).expect("read"), Expiry::Never);
        rust.run(calls::set(&key, "b", never).noreply()).expect("sent");
        rust.run(calls::add(&key, "?", never).noreply()).expect("sent");
        rust.run(calls::append(&key, "c").noreply()).expect("sent");
        rust.run(calls::prepend(&key, "a").noreply()).expect("sent");
        once();
        assert_eq!(pair.python.call("get", json!([key])), pair.seen("abc"));
        rust.run(calls::replace(&key, 40, never).noreply()).expect("sent");
        rust.run(calls::incr(&key, 2).noreply()).expect("sent");
        once();
        assert_eq!(pair.python.call("get", json!([key])), pair.seen(42));
        rust.run(calls::delete(&key).noreply()).expect("sent");
        once();
        assert_eq!(pair.python.call("get", json!([key])), json!(null));
        let items = many.iter().map(|key| (key, "v"));
        let sent = rust.run(calls::set_many(items, never).noreply()).expect("sent");
        assert_eq!(sent.result, 2);
        for key in &many {
            // On the connection that the sets went by.
            assert_eq!(rust.get::<String>(key).expect("read").as_deref(), Some("v"));
        }
        for key in &many {
            pair.both_read(key, "v");
        }
    }
}
