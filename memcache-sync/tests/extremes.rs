//! Settings at both of their ends, over sockets: what then works does, the rest is an error, and nothing
//! panics or waits for ever.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use memcache_sync::server::Server;
use memcache_sync::{Builder, Client, Error, Expiry, Limits, Recache};

type Change = fn(Builder) -> Builder;

/// What works at both ends.
const WORKING: &[(&str, Change)] = &[
    ("sessions 0", |b| b.sessions(0)),
    ("sessions", |b| b.sessions(usize::MAX)),
    ("socket_timeout", |b| b.socket_timeout(Duration::MAX)),
    ("operation_timeout", |b| b.operation_timeout(Duration::MAX)),
    ("dead_retry 0", |b| b.dead_retry(Duration::ZERO)),
    ("dead_retry", |b| b.dead_retry(Duration::MAX)),
    ("cache_cas 0", |b| b.cache_cas(0)),
    ("cache_cas", |b| b.cache_cas(usize::MAX)),
    ("min_compress_len", |b| b.min_compress_len(usize::MAX)),
    ("recache 0", |b| b.recache(recache(Duration::ZERO))),
    ("recache", |b| b.recache(recache(Duration::MAX))),
    ("window 0", |b| b.limits(Limits { window: 0, ..Limits::default() })),
    ("window", |b| b.limits(Limits { window: usize::MAX, ..Limits::default() })),
    ("max_queued_bytes 0", |b| b.limits(Limits { max_queued_bytes: 0, ..Limits::default() })),
    ("max_cas_attempts 0", |b| b.limits(Limits { max_cas_attempts: 0, ..Limits::default() })),
    ("max_get_len 0", |b| b.limits(Limits { max_get_len: 0, ..Limits::default() })),
    ("inline_value_len 0", |b| b.limits(Limits { inline_value_len: 0, ..Limits::default() })),
];

/// What can be asked for and cannot be had: every call is an error.
const FAILING: &[(&str, Change)] = &[
    ("operation_timeout 0", |b| b.operation_timeout(Duration::ZERO)),
    ("server_max_key_length 0", |b| b.server_max_key_length(0)),
];

fn recache(time: Duration) -> Recache {
    Recache { lease: time, early: time, wait: time, pause: time }
}

fn exercise(client: &Client) -> Result<(), Error> {
    client.set("a", 1, Expiry::Never)?;
    assert_eq!(client.get::<u8>("a")?, Some(1));
    let mut ids = client.cas_ids();
    client.gets_into::<u8>(&mut ids, "a")?;
    let _ = client.cas_from(&ids, "a", 2, Expiry::Never)?;
    assert_eq!(
        client.update("a", Expiry::Never, |found: Option<u8>| found.map(|it| it + 1))?,
        Some(3)
    );
    for _ in 0..2 {
        let made = client.get_or_set_with("made", Expiry::Never, || Ok::<_, Error>(7_u8))?;
        assert_eq!(made.into_value(), 7);
    }
    client.delete("made")?;
    let found = client.get_many::<u8, _>(["a", "b"])?;
    assert!(found.result.get("a").is_none_or(|&found| found == 3));
    client.stats(memcache_sync::StatsArgument::General)?.into_result()?;
    Ok(())
}

fn check(cases: &'static [(&str, Change)], works: bool) {
    for (name, change) in cases {
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let server = Server::start().expect("a server");
            let builder = change(Client::builder().server(server.address()));
            let client = builder.build().expect("a client");
            let outcomes: Vec<_> = (0..3).map(|_| exercise(&client)).collect();
            // Where this thread panics, nothing comes.
            let _ = sender.send(outcomes);
        });
        let outcomes = receiver.recv_timeout(Duration::from_secs(20));
        let outcomes = outcomes.unwrap_or_else(|_| panic!("{name}: it panics or hangs"));
        assert!(outcomes.iter().all(|it| it.is_ok() == works), "{name}: {outcomes:?}");
    }
}

#[test]
fn a_client_works_at_both_ends_of_its_settings() {
    check(WORKING, true);
}

#[test]
fn what_cannot_be_had_is_an_error() {
    check(FAILING, false);
}

/// It is a timeout that no server keeps, so it may fail: but in time.
#[test]
fn no_time_for_a_socket_is_no_hang() {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let server = Server::start().expect("a server");
        let builder = Client::builder().server(server.address()).socket_timeout(Duration::ZERO);
        let client = builder.build().expect("a client");
        for _ in 0..3 {
            let _ = exercise(&client);
        }
        let _ = sender.send(());
    });
    receiver.recv_timeout(Duration::from_secs(20)).expect("it neither panics nor hangs");
}
