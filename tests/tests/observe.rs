//! What observers are told of calls, by both clients: the same of the same calls.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memcache_proto::calls::{Config, Observation};
use memcache_sync::server::Server;
use memcache_sync::{Delivery, Expiry};
use memcache_tests::{Scripted, Step};

/// The calls that are observed. `$wait` is put behind each.
macro_rules! make_calls {
    ($client:expr, $refused:expr, [$($wait:tt)*]) => {{
        let (client, refused) = (&$client, &$refused);
        let set = client.set("a", "hello", Expiry::Never)$($wait)*;
        set.expect("stored");
        assert_eq!(client.get::<String>("a")$($wait)*.expect("it is there").as_deref(), Some("hello"));
        assert_eq!(client.get::<String>("b")$($wait)*.expect("it is not there"), None);
        client.get::<u64>("a")$($wait)*.expect_err("it is not a number");
        client.get::<u64>("a b")$($wait)*.expect_err("it is not a key");
        let items = (0..5000).map(|number| (format!("k{number}"), "12345678"));
        client.set_many(items, Expiry::Never)$($wait)*.expect("stored").into_result().expect("all");
        let keys = (4000..6000).map(|number| format!("k{number}"));
        let found = client.get_many::<String, _>(keys)$($wait)*.expect("some").into_result();
        assert_eq!(found.expect("no failure").len(), 1000);
        let keys = (0..5100).map(|number| format!("k{number}"));
        let mut count = 0;
        let each = client.get_each::<String, _>(keys, |_, _| count += 1)$($wait)*;
        assert_eq!(each.expect("all").into_result().expect("no failure"), 5000);
        client.delete("b")$($wait)*.expect("it is not there");
        client.meta_get::<String>("a")$($wait)*.expect("it is there").expect("a hit");
        client.ping()$($wait)*.expect("asked").into_result().expect("they are there");
        refused.get::<String>("a")$($wait)*.expect_err("nobody listens");
    }};
}

/// What is expected of an observation: the call, whether it names a server, the keys, hits, misses and failed, the
/// bytes stored and found, the error and the delivery.
type Row = (&'static str, bool, [usize; 4], [usize; 2], Option<&'static str>, Option<Delivery>);

const ROWS: &[Row] = &[
    ("set", true, [1, 0, 0, 0], [5, 0], None, None),
    ("get", true, [1, 1, 0, 0], [0, 5], None, None),
    ("get", true, [1, 0, 1, 0], [0, 0], None, None),
    ("get", true, [1, 1, 0, 0], [0, 5], Some("value"), None),
    ("get", false, [0, 0, 0, 0], [0, 0], Some("key"), None),
    ("set_many", false, [5000, 0, 0, 0], [40_000, 0], None, None),
    ("get_many", false, [2000, 1000, 1000, 0], [0, 8000], None, None),
    ("get_each", false, [5100, 5000, 100, 0], [0, 40_000], None, None),
    ("delete", true, [1, 0, 0, 0], [0, 0], None, None),
    ("meta_get", true, [1, 1, 0, 0], [0, 5], None, None),
    ("ping", false, [2, 0, 0, 0], [0, 0], None, None),
    ("get", true, [1, 0, 0, 1], [0, 0], Some("connect"), Some(Delivery::NotSent)),
];

/// What was told, in order.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Seen>>>);

#[derive(Debug, PartialEq)]
struct Seen {
    call: &'static str,
    place: Option<(String, Option<u16>)>,
    counts: [usize; 4],
    bytes: [usize; 2],
    again: u32,
    error: Option<&'static str>,
    delivery: Option<Delivery>,
    waited: Duration,
    total: Duration,
}

impl Told {
    fn observer(&self) -> impl Fn(&Observation<'_>) + Send + Sync + 'static {
        let told = self.0.clone();
        move |seen| {
            told.lock().expect("a list").push(Seen {
                call: seen.call.as_str(),
                place: seen.place().map(|(host, port)| (host.to_owned(), port)),
                counts: [seen.keys, seen.hits, seen.misses, seen.failed],
                bytes: [seen.stored_bytes, seen.found_bytes],
                again: seen.again,
                error: seen.error,
                delivery: seen.delivery,
                waited: seen.waited,
                total: seen.total,
            });
        }
    }

    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.0.lock().expect("a list"))
    }

    fn check(&self, name: &str) {
        let told = self.take();
        assert_eq!(told.len(), ROWS.len(), "{name}: {told:#?}");
        for (seen, &(call, has_place, counts, bytes, error, delivery)) in told.iter().zip(ROWS) {
            let got = (seen.call, seen.place.is_some(), seen.counts, seen.bytes);
            let ends = (seen.error, seen.delivery, seen.again);
            assert_eq!(got, (call, has_place, counts, bytes), "{name}: {seen:?}");
            assert_eq!(ends, (error, delivery, 0), "{name}: {seen:?}");
            assert!(seen.waited <= seen.total && seen.total > Duration::ZERO, "{name}: {seen:?}");
        }
    }
}

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

#[test]
fn both_clients_tell_the_same_of_the_same_calls() {
    let servers = [Server::start().expect("a server"), Server::start().expect("a server")];
    let addresses = servers.each_ref().map(|server| server.address().to_string());
    let nobody = nobody();
    let told = Told::default();

    let builder = memcache_sync::Client::builder;
    let client = builder().servers(&addresses).observe(told.observer()).build().expect("a client");
    let refused = builder().server(&nobody).observe(told.observer()).build().expect("a client");
    make_calls!(client, refused, []);
    told.check("sync");

    let builder = memcache_async::Client::builder;
    let client = builder().servers(&addresses).observe(told.observer()).build().expect("a client");
    let refused = builder().server(&nobody).observe(told.observer()).build().expect("a client");
    smol::block_on(async { make_calls!(client, refused, [.await]) });
    told.check("smol");

    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let builder = memcache_async::Client::tokio_builder;
        let client = builder().servers(&addresses).observe(told.observer());
        let refused = builder().server(&nobody).observe(told.observer());
        let client = client.build().expect("a client");
        make_calls!(client, refused.build().expect("a client"), [.await]);
    });
    told.check("tokio");
}

/// The server closes each connection at its second request, without a word: that goes out again.
#[test]
fn what_goes_out_again_is_counted() {
    let script = [Step::Lines(1), Step::send("END\r\n"), Step::Lines(1), Step::Close];
    let server = Scripted::always(script);
    let told = Told::default();
    let client = memcache_sync::Client::builder().server(&server.address());
    let client = client.max_rest(Duration::from_secs(60)).observe(told.observer());
    let client = client.build().expect("a client");
    for _ in 0..2 {
        assert_eq!(client.get::<String>("a").expect("a miss"), None);
    }
    let told = told.take();
    let again: Vec<_> = told.iter().map(|seen| (seen.again, seen.error)).collect();
    assert_eq!(again, [(0, None), (1, None)]);
}

/// Who waits for a session is told how long.
#[test]
fn the_wait_for_a_turn_is_told_apart() {
    let silent = Scripted::silent();
    let told = Told::default();
    let client = memcache_sync::Client::builder().server(&silent.address()).sessions(1);
    let client = client.observe(told.observer()).socket_timeout(Duration::from_millis(300));
    let client = client.dead_retry(Duration::ZERO).build().expect("a client");
    std::thread::scope(|scope| {
        scope.spawn(|| client.get::<String>("a").expect_err("nothing comes"));
        std::thread::sleep(Duration::from_millis(100));
        client.get::<String>("a").expect_err("nothing comes");
    });
    let told = told.take();
    assert!(told[0].waited < Duration::from_millis(100), "{told:?}");
    assert!(told[1].waited >= Duration::from_millis(100), "{told:?}");
    assert!(told.iter().all(|seen| seen.error == Some("socket_timeout")), "{told:?}");
}

/// A call that is dropped is told of to whoever watches it from its beginning, by being dropped.
#[test]
fn a_call_that_is_dropped_drops_who_watches_it() {
    let watched = Arc::new(());
    let watcher = watched.clone();
    let mut config = Config::default();
    config.observers.push(Arc::new(move |_| {
        let watcher = watcher.clone();
        Box::new(move |_| drop(watcher))
    }));
    config.add_server("127.0.0.1:1", 1);
    let calls = config.build(|| 0).expect("a client");
    let name = memcache_proto::calls::CallName::Get;
    let watch = calls.watch(name, || memcache_proto::Time::ZERO);
    assert_eq!(Arc::strong_count(&watched), 3);
    drop(watch);
    assert_eq!(Arc::strong_count(&watched), 2);
}
