//! What is done to one item.

use std::time::Duration;

use bytes::Bytes;
use memcache_sync::{Error, Expiry, Stored, Value};

use crate::{Context, NEVER, get, text};

pub(crate) fn lookups(context: &Context) {
    let client = &context.client;
    assert_eq!(text(client, "lookup"), None);
    assert_eq!(client.gets::<String>("lookup").expect("a miss"), None);
    assert_eq!(client.gat::<String>("lookup", NEVER).expect("a miss"), None);
    client.set("lookup", "one", NEVER).expect("stored");
    assert_eq!(text(client, "lookup").as_deref(), Some("one"));
    let (value, unique) = client.gets::<String>("lookup").expect("asked").expect("there");
    assert_eq!(value, "one");
    assert!(unique > 0);
    client.set("lookup", "two", NEVER).expect("stored");
    let (value, changed) = client.gets::<String>("lookup").expect("asked").expect("there");
    assert_eq!(value, "two");
    assert_ne!(unique, changed);
    let minute = Duration::from_secs(60);
    assert_eq!(client.gat::<String>("lookup", minute).expect("asked").as_deref(), Some("two"));
    // Reading changes nothing.
    assert_eq!(client.gets::<String>("lookup").expect("asked"), Some(("two".into(), changed)));
    assert_eq!(client.gat::<String>("lookup", Expiry::At(1)).expect("asked"), Some("two".into()));
    assert_eq!(text(client, "lookup"), None);
}

pub(crate) fn storage(context: &Context) {
    let client = &context.client;
    assert!(!client.replace("store", "x", NEVER).expect("asked"));
    assert!(!client.append("store", "x").expect("asked"));
    assert!(!client.prepend("store", "x").expect("asked"));
    assert_eq!(text(client, "store"), None);
    assert!(client.add("store", "b", NEVER).expect("asked"));
    assert!(!client.add("store", "x", NEVER).expect("asked"));
    assert!(client.append("store", "c").expect("asked"));
    assert!(client.prepend("store", "a").expect("asked"));
    assert_eq!(text(client, "store").as_deref(), Some("abc"));
    assert!(client.replace("store", 7, NEVER).expect("asked"));
    // Those that append take nothing from the flags: the value stays an integer.
    assert!(client.append("store", "5").expect("asked"));
    assert_eq!(get::<Value>(client, "store"), Some(Value::from(75)));
    client.set("store", "", NEVER).expect("stored");
    assert!(client.append("store", "").expect("asked"));
    assert_eq!(get::<Value>(client, "store"), Some(Value::from("")));
}

pub(crate) fn cas(context: &Context) {
    let client = &context.client;
    assert_eq!(client.cas("cas", 1, NEVER, 1).expect("asked"), Stored::NotFound);
    client.set("cas", 1, NEVER).expect("stored");
    let (value, unique) = client.gets::<u8>("cas").expect("asked").expect("there");
    assert_eq!(value, 1);
    assert_eq!(client.cas("cas", 2, NEVER, unique + 1).expect("asked"), Stored::Exists);
    assert_eq!(client.cas("cas", 2, NEVER, unique).expect("asked"), Stored::Stored);
    assert_eq!(client.cas("cas", 3, NEVER, unique).expect("asked"), Stored::Exists);
    assert_eq!(client.cas("cas", 3, NEVER, u64::MAX).expect("asked"), Stored::Exists);
    assert_eq!(get(client, "cas"), Some(2));
    let (_, unique) = client.gets::<u8>("cas").expect("asked").expect("there");
    assert!(client.delete("cas").expect("asked"));
    assert_eq!(client.cas("cas", 3, NEVER, unique).expect("asked"), Stored::NotFound);
}

pub(crate) fn delete_and_touch(context: &Context) {
    let client = &context.client;
    assert!(!client.delete("gone").expect("asked"));
    assert!(!client.touch("gone", NEVER).expect("asked"));
    client.set("gone", 1, NEVER).expect("stored");
    assert!(client.touch("gone", Duration::from_secs(60)).expect("asked"));
    assert_eq!(get(client, "gone"), Some(1));
    assert!(client.delete("gone").expect("asked"));
    assert!(!client.delete("gone").expect("asked"));
    client.set("gone", 1, NEVER).expect("stored");
    assert!(client.touch("gone", Expiry::At(1)).expect("asked"));
    assert_eq!(get::<u8>(client, "gone"), None);
}

pub(crate) fn counters(context: &Context) {
    let client = &context.client;
    assert_eq!(client.incr("counter", 1).expect("asked"), None);
    assert_eq!(client.decr("counter", 1).expect("asked"), None);
    let cases: &[(&str, bool, u64, u64, &str)] = &[
        ("10", true, 1, 11, "11"),
        ("10", true, 0, 10, "10"),
        ("99", true, 1, 100, "100"),
        ("0", true, u64::MAX, u64::MAX, "18446744073709551615"),
        ("18446744073709551615", true, 1, 0, "0"),
        ("18446744073709551615", true, 11, 10, "10"),
        ("10", false, 3, 7, "7 "),
        ("10", false, 11, 0, "0 "),
        ("0", false, u64::MAX, 0, "0"),
        ("1000", false, 1, 999, "999 "),
    ];
    for &(start, up, delta, number, stored) in cases {
        let case = format!("{start} {up} {delta}");
        client.set("counter", start.as_bytes(), NEVER).expect("stored");
        let result = if up { client.incr("counter", delta) } else { client.decr("counter", delta) };
        assert_eq!(result.expect(&case), Some(number), "{case}");
        let raw = get::<Bytes>(client, "counter").expect(&case);
        // How a shorter number is padded is the server's affair; that it is read is ours.
        assert_eq!(raw.trim_ascii_end(), stored.trim_ascii_end().as_bytes(), "{case}");
        assert_eq!(raw.len(), start.len().max(stored.len()), "{case}: {raw:?}");
        assert_eq!(get(client, "counter"), Some(number), "{case}");
    }
    client.set("counter", 5, NEVER).expect("stored");
    assert_eq!(client.incr("counter", 37).expect("asked"), Some(42));
    assert_eq!(get::<Value>(client, "counter"), Some(Value::from(42)));
    for value in ["", "x", "1x", "-1", "1.5", "18446744073709551616", "99999999999999999999999"] {
        client.set("counter", value, NEVER).expect("stored");
        let error = client.incr("counter", 1).expect_err(value);
        assert!(matches!(error, Error::Server { .. }), "{error:?}");
        assert!(error.to_string().contains("non-numeric"), "{value:?}: {error}");
        assert_eq!(text(client, "counter").as_deref(), Some(value));
    }
}
