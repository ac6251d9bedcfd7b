//! The spans and the metrics that both clients make of calls: OpenTelemetry's names, and never a key.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use memcache_sync::Expiry;
use memcache_sync::server::Server;
use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tracing_subscriber::fmt::format::FmtSpan;

/// Where the lines of a subscriber go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("lines").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().expect("lines"));
        String::from_utf8(bytes).expect("text").lines().map(str::to_owned).collect()
    }
}

/// The lines that are written when spans close, while `work` goes on.
fn spans(work: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    lines.take()
}

/// What each span must say, and what none may.
fn check_spans(lines: &[String], port: u16) {
    let place = format!("server.address=\"127.0.0.1\" server.port={port}");
    let expected: [&[&str]; 4] = [
        &["otel.name=\"set\"", "db.operation.name=\"set\"", &place],
        &["otel.name=\"get\"", "memcached.hits=1 memcached.misses=0", &place],
        &["get_many", "db.operation.batch.size=3", "memcached.hits=1 memcached.misses=2"],
        &["error.type=\"value\"", "otel.status_code=\"ERROR\"", &place],
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, words) in lines.iter().zip(expected) {
        let common = ["outer:memcached{", "otel.kind=\"client\"", "db.system.name=\"memcached\""];
        for word in words.iter().chain(&common) {
            assert!(line.contains(word), "{word}: {line}");
        }
        assert!(!line.contains("secret"), "{line}");
        assert_eq!(line.contains("error.type"), words.iter().any(|word| word.contains("error")));
    }
}

macro_rules! make_calls {
    ($client:expr, [$($wait:tt)*]) => {{
        let client = &$client;
        client.set("secret", "hello", Expiry::Never)$($wait)*.expect("stored");
        let found = client.get::<String>("secret")$($wait)*.expect("it is there");
        assert_eq!(found.as_deref(), Some("hello"));
        let found = client.get_many::<String, _>(["secret", "secret1", "secret2"])$($wait)*;
        assert_eq!(found.expect("asked").result.len(), 1);
        client.get::<u64>("secret")$($wait)*.expect_err("it is no number");
    }};
}

#[test]
fn a_span_for_each_call_if_it_is_asked_for() {
    let server = Server::start().expect("a server");
    let (address, port) = (server.address().to_string(), server.port().expect("tcp"));

    let client = memcache_sync::Client::builder().server(&address).trace_calls().build();
    let client = client.expect("a client");
    let work = || tracing::info_span!("outer").in_scope(|| make_calls!(client, []));
    check_spans(&spans(work)[..4], port);

    let client = memcache_async::Client::builder().server(&address).trace_calls().build();
    let client = client.expect("a client");
    let work = || {
        let outer = tracing::info_span!("outer");
        outer.in_scope(|| smol::block_on(async { make_calls!(client, [.await]) }));
    };
    check_spans(&spans(work)[..4], port);

    // The feature alone changes nothing.
    let client = memcache_sync::Client::new([&address]).expect("a client");
    assert!(spans(|| make_calls!(client, [])).is_empty());
}

/// All that was recorded while `work` went on: the metric, its call, error and port, with its count or number of
/// samples.
fn recorded(work: impl FnOnce()) -> BTreeMap<String, u64> {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, work);
    let mut all = BTreeMap::new();
    for (key, unit, description, value) in snapshotter.snapshot().into_vec() {
        assert!(unit.is_some() && description.is_some(), "{key:?} is not described");
        let labels: Vec<_> = key.key().labels().map(|label| label.value().to_owned()).collect();
        assert!(labels.iter().all(|label| !label.contains("secret")), "{labels:?}");
        let name = format!("{} {}", key.key().name(), labels.join(" "));
        let value = match value {
            DebugValue::Counter(count) => count,
            DebugValue::Histogram(samples) => {
                assert_eq!(key.kind(), MetricKind::Histogram);
                assert!(samples.iter().all(|&seconds| (0.0..10.0).contains(&seconds.into_inner())));
                samples.len() as u64
            }
            DebugValue::Gauge(_) => panic!("{name} is a gauge"),
        };
        all.insert(name, value);
    }
    all
}

fn expected(port: u16) -> BTreeMap<String, u64> {
    let (duration, wait) = ("db.client.operation.duration", "db.client.connection.wait_time");
    let place = format!("127.0.0.1 {port}");
    let rows = [
        (format!("{duration} memcached set {place}"), 1),
        (format!("{duration} memcached get {place}"), 1),
        (format!("{duration} memcached get {place} value"), 1),
        (format!("{duration} memcached get_many {place}"), 1),
        (format!("{wait} memcached set"), 1),
        (format!("{wait} memcached get"), 2),
        (format!("{wait} memcached get_many"), 1),
        ("memcached.stored memcached set".into(), 5),
        ("memcached.found memcached get".into(), 10),
        ("memcached.found memcached get_many".into(), 5),
        ("memcached.hits memcached get".into(), 2),
        ("memcached.hits memcached get_many".into(), 1),
        ("memcached.misses memcached get_many".into(), 2),
    ];
    BTreeMap::from(rows)
}

#[test]
fn metrics_of_each_call_if_they_are_asked_for() {
    let server = Server::start().expect("a server");
    let (address, port) = (server.address().to_string(), server.port().expect("tcp"));

    let found = recorded(|| {
        let client = memcache_sync::Client::builder().server(&address).metrics().build();
        make_calls!(client.expect("a client"), []);
    });
    assert_eq!(found, expected(port));

    let found = recorded(|| {
        let client = memcache_async::Client::builder().server(&address).metrics().build();
        smol::block_on(async { make_calls!(client.expect("a client"), [.await]) });
    });
    assert_eq!(found, expected(port));

    let found = recorded(|| {
        let client = memcache_sync::Client::new([&address]).expect("a client");
        make_calls!(client, []);
    });
    assert!(found.is_empty(), "{found:?}");
}
