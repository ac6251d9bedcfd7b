//! What an application does, against the server in memory and against a real memcached.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, sleep};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use memcache_sync::{
    Builder, Client, Error, Expiry, FromValue, Integer, StatsArgument, Stored, ToValue, Value,
};
use memcache_tests::{Relay, Target};

const NEVER: Expiry = Expiry::Never;

/// Two servers of one kind, and a client of the first.
struct Context {
    first: Target,
    second: Target,
    client: Client,
}

impl Context {
    /// A client of both, the second with twice the weight.
    fn cluster(&self) -> Builder {
        let builder = Client::builder().server(&self.first.address());
        builder.weighted_server(&self.second.address(), 2)
    }

    fn builder(&self) -> Builder {
        Client::builder().server(&self.first.address())
    }
}

type Scenario = fn(&Context);

const SCENARIOS: &[(&str, Scenario)] = &[
    ("set, get, gets, gat", lookups),
    ("storage commands", storage),
    ("cas", cas),
    ("delete and touch", delete_and_touch),
    ("counters", counters),
    ("values", values),
    ("sizes", sizes),
    ("keys", keys),
    ("key prefix", prefix),
    ("compression", compression),
    ("many keys", many),
    ("many large values", many_large),
    ("a weighted cluster", cluster),
    ("a Unix socket", unix_socket),
    ("expiries", expiries),
    ("stats and version", stats),
    ("flush_all", flush),
    ("flush_all with a delay", flush_delayed),
];

#[test]
fn every_scenario_is_the_same_against_the_server_in_memory_and_memcached() {
    let failed: Vec<String> = thread::scope(|scope| {
        let runs = Target::both().map(|target| scope.spawn(|| run(target)));
        runs.into_iter().flat_map(|run| run.join().expect("scenarios are caught")).collect()
    });
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Runs every scenario and returns those that failed.
fn run(first: Target) -> Vec<String> {
    let second = first.another();
    let client = Client::new([first.address()]).expect("an address");
    let context = Context { first, second, client };
    let mut failed = Vec::new();
    for (name, scenario) in SCENARIOS {
        let what = format!("{name}, against {}", context.first);
        match catch_unwind(AssertUnwindSafe(|| scenario(&context))) {
            Ok(()) => println!("ok: {what}"),
            Err(_) => failed.push(what),
        }
    }
    failed
}

fn get<V: FromValue>(client: &Client, key: &str) -> Option<V> {
    client.get(key).expect(key)
}

fn text(client: &Client, key: &str) -> Option<String> {
    get(client, key)
}

fn lookups(context: &Context) {
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

fn storage(context: &Context) {
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

fn cas(context: &Context) {
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

fn delete_and_touch(context: &Context) {
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

fn counters(context: &Context) {
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

fn values(context: &Context) {
    fn check<V>(client: &Client, values: Vec<V>)
    where
        V: ToValue + FromValue + PartialEq + Debug,
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
    assert!(matches!(client.get::<u8>("value"), Err(Error::Value(_))));
    client.set("value", b"\xff", NEVER).expect("stored");
    assert!(matches!(client.get::<String>("value"), Err(Error::Value(_))));
    assert_eq!(get::<Vec<u8>>(client, "value"), Some(b"\xff".to_vec()));
}

/// Bytes that are nowhere the same as elsewhere.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn sizes(context: &Context) {
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

fn keys(context: &Context) {
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

fn prefix(context: &Context) {
    let prefixed = context.builder().key_prefix("shop:").build().expect("a client");
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

fn compression(context: &Context) {
    let plain = &context.client;
    let compressing = context.builder().min_compress_len(99).build().expect("a client");
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

fn many(context: &Context) {
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
        let deleted = client.delete_many(keys()).expect("asked");
        assert_eq!((deleted.result, deleted.failed.len()), (count, 0));
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
    assert!(matches!(found.failed[..], [("r2", Error::Value(_))]), "{:?}", found.failed);
    assert_eq!(text(client, "r3").as_deref(), Some("3"));
}

fn many_large(context: &Context) {
    let client = context.cluster().build().expect("a client");
    let value = noise(900_000);
    let keys: Vec<String> = (0..20).map(|number| format!("large:{number}")).collect();
    let stored = client.set_many(keys.iter().map(|key| (key, &value)), NEVER).expect("asked");
    assert_eq!(stored.into_result().expect("stored"), 20);
    let found = client.get_many::<Bytes, _>(&keys).expect("asked").into_result();
    let found = found.expect("answered");
    assert_eq!(found.len(), 20);
    assert!(found.values().all(|found| *found == value));
}

fn cluster(context: &Context) {
    let client = context.cluster().build().expect("a client");
    let [first, second] = [&context.first, &context.second]
        .map(|target| Client::new([target.address()]).expect("an address"));
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
    let unused = unused.build().expect("a client");
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

fn unix_socket(context: &Context) {
    let relay = Relay::start(&context.first.address());
    let client = Client::new([relay.address()]).expect("an address");
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

fn expiries(context: &Context) {
    let client = &context.client;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let days = |days: u64| Expiry::After(Duration::from_secs(days * 86_400));
    let second = Duration::from_secs(1);
    let cases = [
        ("never", NEVER, true),
        ("an hour", Expiry::After(3_600 * second), true),
        ("part of a second", Expiry::After(Duration::from_millis(900)), false),
        ("a second", Expiry::After(second), false),
        ("30 days", days(30), true),
        ("31 days", days(31), true),
        ("10 years", days(3_650), true),
        ("in a minute, absolute", Expiry::At(now + 60), true),
        ("in a second, absolute", Expiry::At(now + 1), false),
        ("an hour ago, absolute", Expiry::At(now - 3_600), false),
        ("long ago, absolute", Expiry::At(5), false),
        ("at the beginning", Expiry::At(0), false),
        ("no time at all", Expiry::After(Duration::ZERO), false),
    ];
    for (name, expiry, _) in cases {
        let key = name.replace([' ', ','], "-");
        client.set(format!("set:{key}"), 1, expiry).expect(name);
        client.add(format!("add:{key}"), 1, expiry).expect(name);
        client.set(format!("touch:{key}"), 1, NEVER).expect(name);
        assert!(client.touch(format!("touch:{key}"), expiry).expect(name));
        client.set(format!("gat:{key}"), 1, NEVER).expect(name);
        assert_eq!(client.gat::<u8>(format!("gat:{key}"), expiry).expect(name), Some(1));
    }
    // A second may last two: servers count in whole ones.
    sleep(Duration::from_millis(2_200));
    for (name, _, there) in cases {
        for how in ["set", "add", "touch", "gat"] {
            let key = format!("{how}:{}", name.replace([' ', ','], "-"));
            assert_eq!(get::<u8>(client, &key).is_some(), there, "{key}");
        }
    }
    assert!(matches!(client.set("k", 1, Expiry::At(1 << 31)), Err(Error::Expiry(_))));
}

fn stats(context: &Context) {
    let client = context.cluster().build().expect("a client");
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

fn flush(context: &Context) {
    let client = context.cluster().build().expect("a client");
    let keys: Vec<String> = (0..50).map(|number| format!("flush:{number}")).collect();
    assert_eq!(client.set_many(keys.iter().map(|key| (key, 1)), NEVER).expect("asked").result, 50);
    assert_eq!(client.flush_all().expect("asked").into_result().expect("flushed").len(), 2);
    assert!(client.get_many::<u8, _>(&keys).expect("asked").result.is_empty());
    assert_eq!(client.set_many(keys.iter().map(|key| (key, 2)), NEVER).expect("asked").result, 50);
    assert_eq!(client.get_many::<u8, _>(&keys).expect("asked").result.len(), 50);
}

fn flush_delayed(context: &Context) {
    let client = &context.client;
    client.set("flush", 1, NEVER).expect("stored");
    let answers = client.flush_all_after(Duration::from_secs(2)).expect("asked");
    answers.into_result().expect("answered");
    assert_eq!(get::<u8>(client, "flush"), Some(1), "not yet");
    sleep(Duration::from_millis(3_300));
    assert_eq!(get::<u8>(client, "flush"), None, "by now");
    client.set("flush", 2, NEVER).expect("stored");
    assert_eq!(get::<u8>(client, "flush"), Some(2));
}
