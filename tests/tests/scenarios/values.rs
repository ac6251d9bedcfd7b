//! What can be stored, under which keys.

use std::collections::HashMap;
use std::fmt::Debug;

use bytes::Bytes;
use memcache_sync::{Error, FromValue, Integer, ToValue, Value};
use memcache_tests::api::Client;

use crate::{Context, NEVER, get, noise, text};

pub(crate) fn values(context: &Context) {
    fn check<V>(client: &Client, values: Vec<V>)
    where
        V: ToValue + FromValue + PartialEq + Debug + 'static,
    {
        for value in values {
            client.set("value", &value, NEVER).expect("stored");
            assert_eq!(client.get::<V>("value").expect("read"), Some(value));
        }
    }
    let client = &context.client;
    let texts = ["", " ", "a", "caf\u{e9} \u{4f1a} \u{1f980}", "\0", "\r\n", "END\r\n", "a b\n"];
    check(client, texts.map(String::from).to_vec());
    let all: Vec<u8> = (0..=255).collect();
    let bytes = [&b""[..], b"\r\n", b"\0\0", b"\r\nEND\r\n", b"VALUE a 0 1\r\nb\r\nEND\r\n", &all];
    check(client, bytes.map(Vec::from).to_vec());
    check(client, bytes.map(Bytes::copy_from_slice).to_vec());
    check(client, vec![0, 1, u64::MAX]);
    check(client, vec![0, -1, i64::MIN, i64::MAX]);
    check(client, vec![u8::MAX]);
    check(client, vec![u128::MAX]);
    check(client, vec![i128::MIN]);
    let integers = ["0", "-1", "340282366920938463463374607431768211456"];
    let mut integers: Vec<Integer> =
        integers.iter().map(|digits| digits.parse().expect("digits")).collect();
    integers.push("9".repeat(1_000).parse().expect("digits"));
    integers.push(format!("-{}", "9".repeat(1_000)).parse().expect("digits"));
    check(client, integers.clone());
    let kinds = [
        Value::from("text"),
        Value::from(b"bytes"),
        Value::from(-3),
        Value::from(integers[3].clone()),
        Value::Pickle(Bytes::from_static(b"\x80\x04N.")),
    ];
    check(client, kinds.to_vec());
    // What was stored as one type is read as another where nothing is lost.
    client.set("value", 300, NEVER).expect("stored");
    assert_eq!(text(client, "value").as_deref(), Some("300"));
    assert!(matches!(client.get::<u8>("value"), Err(Error::Value { .. })));
    client.set("value", b"\xff", NEVER).expect("stored");
    assert!(matches!(client.get::<String>("value"), Err(Error::Value { .. })));
    assert_eq!(get::<Vec<u8>>(client, "value"), Some(b"\xff".to_vec()));
}

pub(crate) fn sizes(context: &Context) {
    let client = &context.client;
    let powers = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19];
    let around = powers.iter().flat_map(|power| [-1, 0, 1].map(|step| (1_isize << power) + step));
    let lens = around.map(isize::unsigned_abs).chain([1, 2, 3, 1_048_000]);
    for len in lens {
        let value = noise(len);
        client.set("size", &value, NEVER).expect("stored");
        assert!(get::<Vec<u8>>(client, "size") == Some(value), "{len} bytes");
    }
    // The key and the server's own head count against 1 MiB too.
    for (len, stored) in [(1 << 20, false), ((1 << 20) - 1, false), ((1 << 20) - 512, true)] {
        assert_eq!(client.set("size", noise(len), NEVER).is_ok(), stored, "{len} bytes");
        // A set that was refused has taken the old value away.
        assert_eq!(get::<Vec<u8>>(client, "size").is_some(), stored, "{len} bytes");
    }
    assert!(matches!(client.set("size", noise((1 << 20) + 1), NEVER), Err(Error::Rejected(_))));
}

pub(crate) fn keys(context: &Context) {
    let client = &context.client;
    let long = "k".repeat(250);
    let unicode = "\u{4f1a}".repeat(83) + "!";
    let texts =
        ["!", "~", "a", "user:42", "caf\u{e9}", "\u{4f1a}\u{1f980}", "-", "0", &long, &unicode];
    for key in texts {
        client.set(key, key, NEVER).expect(key);
        client.set(key.to_owned(), key, NEVER).expect(key);
        assert_eq!(client.get::<String>(key).expect(key).as_deref(), Some(key));
        assert_eq!(client.get::<String>(key.as_bytes()).expect(key).as_deref(), Some(key));
    }
    let bytes: &[&[u8]] = &[b"\x80", b"\xff\xfe", &[0xff; 250], b"\"'\\"];
    for key in bytes {
        client.set(*key, *key, NEVER).expect("stored");
        assert_eq!(client.get::<Vec<u8>>(key.to_vec()).expect("read").as_deref(), Some(*key));
    }
    client.set(42_u64, "n", NEVER).expect("stored");
    client.set(-7_i64, "m", NEVER).expect("stored");
    assert_eq!(text(client, "42").as_deref(), Some("n"));
    assert_eq!(text(client, "-7").as_deref(), Some("m"));
    assert_eq!(client.get::<String>(42).expect("read").as_deref(), Some("n"));
    let found = client.get_many::<String, _>([42, 43]).expect("asked").into_result();
    assert_eq!(found.expect("answered"), HashMap::from([(42, "n".into())]));
    let all = client.get_many::<String, _>(texts).expect("asked").into_result().expect("answered");
    assert_eq!(all.len(), texts.len());
    assert!(all.iter().all(|(key, value)| key == value));
}

pub(crate) fn prefix(context: &Context) {
    let prefixed = context.connect(context.builder().key_prefix("shop:"));
    prefixed.set("a", "1", NEVER).expect("stored");
    assert_eq!(text(&context.client, "shop:a").as_deref(), Some("1"));
    assert_eq!(text(&context.client, "a"), Some("a".into()), "of the scenario before");
    assert!(prefixed.append("a", "2").expect("asked"));
    assert_eq!(prefixed.incr("a", 1).expect("asked"), Some(13));
    let stored = prefixed.set_many([("b", 2), ("c", 3)], NEVER).expect("asked");
    assert_eq!(stored.result, 2);
    let found = prefixed.get_many::<u8, _>(["a", "b", "c", "d"]).expect("asked").result;
    assert_eq!(found, HashMap::from([("a", 13), ("b", 2), ("c", 3)]));
    assert!(prefixed.touch("b", NEVER).expect("asked"));
    assert_eq!(get(&context.client, "shop:b"), Some(2));
    let deleted = prefixed.delete_many(["a", "b", "c", "d"]).expect("asked");
    assert_eq!(deleted.result, 3);
    let key = "k".repeat(245);
    prefixed.set(&key, 1, NEVER).expect("250 bytes");
    assert!(matches!(prefixed.set(key + "k", 1, NEVER), Err(Error::Key(_))));
}

pub(crate) fn compression(context: &Context) {
    let plain = &context.client;
    let compressing = context.connect(context.builder().min_compress_len(99));
    let long = "a".repeat(100_000);
    compressing.set("z", &long, NEVER).expect("stored");
    assert_eq!(text(&compressing, "z").as_ref(), Some(&long));
    assert_eq!(text(plain, "z").as_ref(), Some(&long), "whoever reads inflates");
    let len = |key| context.first.stored_len(key).expect("there");
    assert!(len("z") < 1_000);
    for (count, shorter) in [(99, false), (100, true)] {
        compressing.set("z", "a".repeat(count), NEVER).expect("stored");
        assert_eq!(len("z") < count, shorter, "{count}");
    }
    let incompressible = noise(50_000);
    compressing.set("z", &incompressible, NEVER).expect("stored");
    assert_eq!(len("z"), 50_000);
    assert!(get::<Vec<u8>>(&compressing, "z") == Some(incompressible));
    let digits: Integer = "1".repeat(500).parse().expect("digits");
    compressing.set("z", &digits, NEVER).expect("stored");
    assert_eq!(len("z"), 500, "integers are not compressed");
    assert_eq!(get(&compressing, "z"), Some(digits));
    // More than a server takes, until it is compressed.
    let huge = "b".repeat(3 << 20);
    assert!(matches!(plain.set("z", &huge, NEVER), Err(Error::Rejected(_))));
    compressing.set("z", &huge, NEVER).expect("stored");
    assert_eq!(text(plain, "z").as_ref(), Some(&huge));
    let stored = compressing.set_many([("z1", &long), ("z2", &huge)], NEVER).expect("asked");
    assert_eq!(stored.into_result().expect("stored"), 2);
    let found = plain.get_many::<String, _>(["z1", "z2"]).expect("asked").result;
    assert!(found["z1"] == long && found["z2"] == huge);
    // What is appended is not compressed.
    plain.set("z", "x", NEVER).expect("stored");
    assert!(compressing.append("z", &long).expect("asked"));
    assert_eq!(text(plain, "z"), Some(format!("x{long}")));
}
