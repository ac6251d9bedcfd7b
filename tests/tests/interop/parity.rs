//! Where python-memcached and we differ, as PARITY.md says: each test shows what its client does, seen
//! live, and what ours does in its place.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use memcache_sync::proto::calls;
use memcache_sync::proto::value::{Flags, Raw};
use memcache_sync::{Builder, Client, Error, Expiry, FailedKey, Stored, Value};
use memcache_tests::Memcached;
use memcache_tests::python::{Driver, Python};
use serde_json::{Value as Json, json};

const NEVER: Expiry = Expiry::Never;

/// A server, and both clients of it.
struct Both {
    server: Memcached,
    python: Driver,
    rust: Client,
}

impl Both {
    /// Clients with these settings; `None` where the tests are skipped.
    fn start(python: Json, rust: impl Fn(Builder) -> Builder) -> Option<Self> {
        Python::Current.has("memcache").then(|| {
            let server = Memcached::start();
            let python = driver(&[&server.address()], python);
            let rust = rust(Client::builder().server(&server.address())).build();
            Both { server, python, rust: rust.expect("a client") }
        })
    }

    fn plain() -> Option<Self> {
        Both::start(json!({}), |builder| builder)
    }

    fn set(&self, key: &str, value: &str) {
        self.rust.set(key, value, NEVER).expect("stored");
    }

    fn text(&self, key: &str) -> Option<String> {
        self.rust.get(key).expect("read")
    }
}

fn driver(servers: &[&str], settings: Json) -> Driver {
    let servers: Json = servers.iter().map(|server| json!([server, 1])).collect();
    Driver::start(
        Python::Current,
        &json!({ "kind": "memcache", "servers": servers, "client": settings }),
    )
}

/// The error that the call raises.
fn raised(driver: &mut Driver, call: &str, arguments: Json) -> String {
    let raised = driver.try_call(call, arguments).expect_err("an error");
    let parts: Json = serde_json::from_str(&raised).expect("a list");
    parts[0].as_str().expect("a name").to_owned()
}

/// The address of a server that takes connections and says nothing, until the tests end.
fn silent_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || listener.incoming().map_while(Result::ok).collect::<Vec<_>>());
    address
}

#[test]
fn a_key_with_an_end_of_line_is_no_command() {
    let Some(mut both) = Both::plain() else { return };
    both.set("other", "of other");
    assert_eq!(both.python.call("set", json!(["foo\n", "v"])), false);
    // Two answers too many are still to come.
    assert_eq!(both.python.call("get", json!(["other"])), json!(null));
    assert!(matches!(both.rust.set("foo\n", "v", NEVER), Err(Error::Key(_))));
    assert_eq!(both.text("other").as_deref(), Some("of other"));
}

#[test]
fn a_value_that_cannot_be_decoded_costs_its_own_key_alone() {
    let Some(mut both) = Both::plain() else { return };
    let raw = Raw { flags: Flags::TEXT, bytes: (&b"\xff"[..]).into() };
    both.rust.set("bad", raw, NEVER).expect("stored");
    both.set("a", "of a");
    both.set("b", "of b");
    let error = raised(&mut both.python, "get_multi", json!([["bad", "a", "b"]]));
    assert_eq!(error, "UnicodeDecodeError");
    // The value of another key.
    assert_eq!(both.python.call("get", json!(["b"])), "of a");

    let found = both.rust.get_many::<String, _>(["bad", "a", "b"]).expect("asked");
    assert_eq!((&*found.result["a"], &*found.result["b"]), ("of a", "of b"));
    assert_eq!(found.failed.len(), 1);
    assert_eq!(both.text("b").as_deref(), Some("of b"));
}

#[test]
fn a_value_that_is_too_long_makes_no_server_dead() {
    let python = json!({ "server_max_value_length": 10, "socket_timeout": 0.5 });
    let Some(mut both) = Both::start(python, |builder| builder.server_max_value_length(10)) else {
        return;
    };
    let long = "x".repeat(11);
    let items = json!({ "d": [["long", long], ["short", "s"]] });
    assert_eq!(both.python.call("set_multi", json!([items])), json!(["long"]));
    // It has waited for an answer, in vain.
    assert_eq!(both.python.call("get", json!(["short"])), json!(null));
    // Alone it is not stored, without a word.
    both.python.call("raw", json!(["forget_dead_hosts", []]));
    assert_eq!(both.python.call("set", json!(["long", long])), false);

    let stored = both.rust.set_many([("long", &*long), ("short", "s")], NEVER).expect("asked");
    assert_eq!(stored.result, 1);
    assert!(matches!(
        stored.failed[..],
        [FailedKey { key: "long", error: Error::Rejected(_), .. }]
    ));
    assert_eq!(both.text("short").as_deref(), Some("s"));
    assert!(both.rust.set("long", &long, NEVER).is_err());
}

#[test]
fn no_key_of_a_failed_server_is_left_out() {
    if !Python::Current.has("memcache") {
        return;
    }
    let address = silent_server();
    let mut python = driver(&[&address], json!({ "socket_timeout": 0.3, "dead_retry": 0 }));
    // Which is to say that all are stored.
    let stored = python.call("set_multi", json!([{ "d": [["a", 1], ["b", 2]] }]));
    assert_eq!(stored, json!([]));
    assert_eq!(python.call("get_multi", json!([["a", "b"]])), json!({ "d": [] }));

    let builder = Client::builder().server(&address).dead_retry(Duration::ZERO);
    let rust = builder.socket_timeout(Duration::from_millis(300)).build().expect("a client");
    let stored = rust.set_many([("a", 1), ("b", 2)], NEVER).expect("asked");
    assert_eq!((stored.result, stored.failed.len()), (0, 2));
    let found = rust.get_many::<u8, _>(["a", "b"]).expect("asked");
    assert_eq!((found.result.len(), found.failed.len()), (0, 2));
}

#[test]
fn a_failure_is_no_miss() {
    let Some(mut both) = Both::plain() else { return };
    both.server.kill();
    let python = &mut both.python;
    assert_eq!(python.call("set", json!(["k", 1])), false);
    for (call, arguments, answer) in [
        ("get", json!(["k", "a default"]), json!(null)),
        ("incr", json!(["k"]), json!(null)),
        ("delete", json!(["k"]), json!(0)),
        ("touch", json!(["k"]), json!(0)),
        ("delete_multi", json!([["k"]]), json!(1)),
        ("get_stats", json!([]), json!([])),
    ] {
        assert_eq!(python.call("raw", json!([call, arguments])), answer, "{call}");
    }
    let rust = &both.rust;
    assert!(rust.set("k", 1, NEVER).is_err_and(|error| error.is_unavailable()));
    assert!(rust.get::<Value>("k").is_err());
    assert!(rust.incr("k", 1).is_err());
    assert!(rust.delete("k").is_err());
    assert!(rust.touch("k", NEVER).is_err());
    assert_eq!(rust.delete_many(["k"]).expect("asked").failed.len(), 1);
    let stats = rust.stats(memcache_sync::StatsArgument::General).expect("asked");
    assert!(matches!(&stats.0[..], [(_, Err(_))]));
}

#[test]
fn a_delta_is_a_number_and_never_a_command() {
    let Some(mut both) = Both::plain() else { return };
    both.set("text", "t");
    both.set("n", "1");
    for (key, delta) in [("text", json!(1)), ("n", json!(-1)), ("n", json!(1.5))] {
        assert_eq!(raised(&mut both.python, "incr", json!([key, delta])), "ValueError");
    }
    // Text is sent as it is.
    assert_eq!(both.python.call("incr", json!(["n", "1\r\nflush_all"])), 2);
    assert_eq!(both.text("text"), None);

    both.set("text", "t");
    let error = both.rust.incr("text", 1).expect_err("no number");
    assert!(error.to_string().contains("non-numeric"), "{error}");
    assert!(!error.is_unavailable());
    assert_eq!(both.text("text").as_deref(), Some("t"));
}

#[test]
fn an_integer_is_a_key_in_every_call_and_an_empty_one_in_none() {
    let Some(mut both) = Both::plain() else { return };
    assert_eq!(raised(&mut both.python, "get", json!([17])), "MemcachedKeyTypeError");
    assert_eq!(both.python.call("set_multi", json!([{ "d": [[17, "v"]] }])), json!([]));
    assert_eq!(both.text("17").as_deref(), Some("v"));
    assert_eq!(both.rust.get::<String>(17).expect("read").as_deref(), Some("v"));
    for (call, arguments, error) in [
        ("get", json!([""]), "MemcachedKeyCharacterError"),
        ("get", json!([null]), "MemcachedKeyNoneError"),
        ("get_multi", json!([[""], "p:"]), "MemcachedKeyCharacterError"),
    ] {
        assert_eq!(raised(&mut both.python, call, arguments), error);
    }
    assert!(matches!(both.rust.get::<Value>(""), Err(Error::Key(_))));
    let empty = calls::get_many::<Value, _, Vec<_>>([""]).key_prefix("p:");
    let refused = both.rust.run(empty).expect("asked").failed;
    assert!(matches!(refused[..], [FailedKey { number: 0, error: Error::Key(_), .. }]));
}

#[test]
fn a_longer_key_is_sent_in_no_setting() {
    let python = json!({ "server_max_key_length": 300 });
    let Some(mut both) = Both::start(python, |builder| builder.server_max_key_length(300)) else {
        return;
    };
    both.set("other", "v");
    let key = "k".repeat(251);
    assert_eq!(both.python.call("set", json!([key, { "b": "666c7573685f616c6c" }])), false);
    if both.server.version() == "1.6.18" {
        // The value was "flush_all", and the server took it for a command.
        assert_eq!(both.text("other"), None);
    }
    both.set("other", "v");
    assert!(both.rust.set(&key, "flush_all", NEVER).is_err());
    assert_eq!(both.text("other").as_deref(), Some("v"));
}

#[test]
fn pairs_of_the_same_key_are_two_items() {
    let Some(both) = Both::plain() else { return };
    let another = Memcached::start();
    let addresses = [both.server.address(), another.address()];
    let mut python = driver(&[&addresses[0], &addresses[1]], json!({}));
    let rust = Client::new(&addresses).expect("a client");
    let tuples = json!({ "d": [[{ "t": [0, "a"] }, "first"], [{ "t": [1, "a"] }, "second"]] });
    assert_eq!(python.call("set_multi", json!([tuples])), json!([]));
    let held = |server: &Memcached| server.holdings(&["a"])[&b"a"[..]].bytes.clone();
    assert_eq!([held(&both.server), held(&another)], [b"second", b"second"]);

    let stored = rust.set_many([((0, "a"), "first"), ((1, "a"), "second")], NEVER);
    assert_eq!(stored.expect("asked").result, 2);
    assert_eq!([held(&both.server), held(&another)], [&b"first"[..], b"second"]);
    let found = rust.get_many::<String, _>([(0, "a"), (1, "a")]).expect("asked").result;
    assert_eq!((&*found[&(0, "a")], &*found[&(1, "a")]), ("first", "second"));
}

#[test]
fn the_number_of_a_pair_counts_in_a_cas_too() {
    let Some(both) = Both::plain() else { return };
    let another = Memcached::start();
    let addresses = [both.server.address(), another.address()];
    let mut python = driver(&[&addresses[0], &addresses[1]], json!({}));
    let rust = Client::new(&addresses).expect("a client");
    // Its own hash is even.
    let key = "some_key";
    let holds = |server: &Memcached| !server.holdings(&[key]).is_empty();
    let arguments = json!(["cas", [{ "t": [1, key] }, "v"]]);
    assert_eq!(python.call("raw", arguments), true);
    assert_eq!([holds(&both.server), holds(&another)], [true, false]);
    assert!(rust.delete(key).expect("asked"));

    let ids = rust.cas_ids();
    let stored = rust.cas_from(&ids, (1, key), "v", NEVER).expect("asked");
    assert_eq!(stored, Stored::Stored);
    assert_eq!([holds(&both.server), holds(&another)], [false, true]);
}

#[test]
fn a_delete_says_what_was_there_and_has_no_time() {
    let Some(mut both) = Both::plain() else { return };
    both.set("a", "v");
    assert_eq!(both.python.call("raw", json!(["delete_multi", [["nothing"]]])), 1);
    if both.server.version() == "1.6.18" {
        // The server refuses it.
        let with_time = json!(["delete_multi", [["a"], 5]]);
        assert_eq!(both.python.call("raw", with_time), 1);
        assert_eq!(both.text("a").as_deref(), Some("v"));
    }
    let deleted = both.rust.delete_many(["a", "nothing"]).expect("asked");
    assert_eq!((deleted.result, deleted.failed.len()), (1, 0));
    assert_eq!(both.text("a"), None);
}

#[test]
fn what_is_appended_is_never_compressed() {
    let Some(mut both) = Both::start(json!({}), |builder| builder.min_compress_len(10)) else {
        return;
    };
    let more = "b".repeat(1_000);
    both.set("theirs", "a");
    both.set("ours", "a");
    let arguments = json!(["append", ["theirs", more], { "d": [["min_compress_len", 10]] }]);
    assert_eq!(both.python.call("raw", arguments), true);
    assert_eq!(raised(&mut both.python, "get", json!(["theirs"])), "UnicodeDecodeError");
    assert!(both.rust.append("ours", &more).expect("asked"));
    assert_eq!(both.text("ours"), Some(format!("a{more}")));
}

#[test]
fn there_is_no_client_without_servers() {
    if !Python::Current.has("memcache") {
        return;
    }
    let mut python = driver(&[], json!({}));
    assert_eq!(python.call("set", json!(["k", 1])), false);
    assert_eq!(python.call("set_multi", json!([{ "d": [["k", 1]] }])), json!(["k"]));
    assert!(matches!(Client::new([] as [&str; 0]), Err(Error::Cluster(_))));
    assert!(matches!(Client::new([("127.0.0.1", 0)]), Err(Error::Cluster(_))));
}

#[test]
fn servers_have_the_same_names_in_stats_and_every_argument_works() {
    let Some(mut both) = Both::plain() else { return };
    both.set("k", "v");
    let theirs = both.python.call("raw", json!(["get_stats", []]));
    let ours = both.rust.stats(memcache_sync::StatsArgument::General).expect("asked");
    let ours = ours.into_result().expect("answered");
    assert_eq!(theirs[0]["t"][0], *ours[0].0);
    let names = theirs[0]["t"][1]["d"].as_array().expect("a dict");
    assert!(names.iter().map(|pair| &pair[0]).eq(ours[0].1.iter().map(|(name, _)| name)));

    assert_eq!(raised(&mut both.python, "raw", json!(["get_stats", ["reset"]])), "IndexError");
    let mut python = driver(&[&both.server.address()], json!({}));
    assert_eq!(raised(&mut python, "raw", json!(["get_slabs", []])), "TypeError");
    let reset = both.rust.stats(memcache_sync::StatsArgument::Reset).expect("asked");
    assert!(reset.into_result().expect("answered")[0].1.is_empty());
    let slabs = both.rust.get_slabs().expect("asked").into_result().expect("answered");
    assert_eq!(slabs[0].0, ours[0].0);
}

#[test]
fn threads_share_a_client_but_what_they_remember() {
    let Some(mut both) = Both::start(json!({}), |builder| builder.cache_cas(10)) else { return };
    both.set("k", "old");
    assert_eq!(both.python.call("gets", json!(["k"]))[0], "old");
    both.set("k", "new");
    // Another thread has the client anew, and stores over what it has not read.
    assert_eq!(both.python.call("elsewhere", json!(["cas", ["k", "lost"]])), true);
    assert_eq!(both.text("k").as_deref(), Some("lost"));
    // Nor does it see other servers.
    let another = Memcached::start();
    let servers = json!(["set_servers", [[another.address()]]]);
    both.python.call("raw", servers);
    assert_eq!(both.python.call("get", json!(["k"])), json!(null));
    assert_eq!(both.python.call("elsewhere", json!(["get", ["k"]])), "lost");

    let rust = &both.rust;
    thread::scope(|scope| {
        let changed = scope.spawn(|| rust.set_servers([another.address()]));
        changed.join().expect("no panic").expect("an address");
    });
    assert_eq!(both.text("k"), None);
    let clone = rust.clone();
    clone.set("k", "v", NEVER).expect("stored");
    assert_eq!(both.text("k").as_deref(), Some("v"));
    assert_eq!(raised(&mut both.python, "pickled", json!([])), "TypeError");
}

#[test]
fn a_remembered_unique_is_one_for_whoever_remembers_it() {
    let Some(mut both) =
        Both::start(json!({ "cache_cas": false }), |builder| builder.cache_cas(10))
    else {
        return;
    };
    both.set("k", "old");
    let mut ids = both.rust.cas_ids();
    let read = both.rust.gets_into::<String>(&mut ids, "k").expect("read");
    assert_eq!(read.as_deref(), Some("old"));
    assert_eq!(both.python.call("raw", json!(["gets", ["k"]])), "old");
    both.set("k", "new");
    // Without `cache_cas` it is a set.
    let stored = both.rust.cas_from(&ids, "k", "ours", NEVER).expect("asked");
    assert_eq!(stored, Stored::Exists);
    assert_eq!(both.python.call("raw", json!(["cas", ["k", "theirs"]])), true);
    assert_eq!(both.text("k").as_deref(), Some("theirs"));
}

#[test]
fn what_cannot_be_read_is_an_error_and_a_pickle_opaque() {
    let Some(mut both) = Both::plain() else { return };
    // Read as Python's `int` reads it; nobody writes one.
    let raw = Raw { flags: Flags::INTEGER, bytes: "1_000".into() };
    both.rust.set("k", raw, NEVER).expect("stored");
    assert_eq!(both.python.call("get", json!(["k"])), 1_000);
    assert!(matches!(both.rust.get::<Value>("k"), Err(Error::Value { .. })));
    // A pickle that cannot be loaded is a miss.
    let raw = Raw { flags: Flags::PICKLE, bytes: "no pickle".into() };
    both.rust.set("k", &raw, NEVER).expect("stored");
    assert_eq!(both.python.call("get", json!(["k"])), json!(null));
    let read = both.rust.get::<Value>("k").expect("read");
    assert_eq!(read, Some(Value::Pickle(raw.bytes)));
}
