//! Settings at both of their ends: what then works does, and nothing panics or waits for ever.

use std::time::Duration;

use memcache_async::{Builder, Client, Error, Expiry, Limits, Recache, Smol, StatsArgument};
use memcache_sync::server::Server;
use smol::Timer;
use smol::future::or;

type Change = fn(Builder<Smol>) -> Builder<Smol>;

/// What works at both ends.
const WORKING: &[(&str, Change)] = &[
    ("connections_per_server 0", |b| b.connections_per_server(0)),
    ("connections_per_server", |b| b.connections_per_server(usize::MAX)),
    ("socket_timeout", |b| b.socket_timeout(Duration::MAX)),
    ("operation_timeout", |b| b.operation_timeout(Duration::MAX)),
    ("dead_retry 0", |b| b.dead_retry(Duration::ZERO)),
    ("dead_retry", |b| b.dead_retry(Duration::MAX)),
    ("cache_cas", |b| b.cache_cas(usize::MAX)),
    ("recache 0", |b| b.recache(recache(Duration::ZERO))),
    ("recache", |b| b.recache(recache(Duration::MAX))),
    ("window 0", |b| b.limits(Limits { window: 0, ..Limits::default() })),
    ("window", |b| b.limits(Limits { window: usize::MAX, ..Limits::default() })),
    ("backlog 0", |b| b.limits(Limits { backlog: 0, ..Limits::default() })),
    ("backlog", |b| b.limits(Limits { backlog: usize::MAX, ..Limits::default() })),
    ("max_queued_bytes 0", |b| b.limits(Limits { max_queued_bytes: 0, ..Limits::default() })),
    ("max_cas_attempts 0", |b| b.limits(Limits { max_cas_attempts: 0, ..Limits::default() })),
    ("max_get_len 0", |b| b.limits(Limits { max_get_len: 0, ..Limits::default() })),
];

/// What has no time is over: each call an error, or as quick as that.
const IN_TIME: &[(&str, Change)] = &[
    ("operation_timeout 0", |b| b.operation_timeout(Duration::ZERO)),
    ("socket_timeout 0", |b| b.socket_timeout(Duration::ZERO)),
];

fn recache(time: Duration) -> Recache {
    Recache { lease: time, early: time, wait: time, pause: time }
}

async fn exercise(client: &Client) -> Result<(), Error> {
    client.set("a", 1, Expiry::Never).await?;
    assert_eq!(client.get::<u8>("a").await?, Some(1));
    let mut ids = client.cas_ids();
    client.gets_into::<u8>(&mut ids, "a").await?;
    let _ = client.cas_from(&ids, "a", 2, Expiry::Never).await?;
    let update = client.update("a", Expiry::Never, |found: Option<u8>| found.map(|it| it + 1));
    assert_eq!(update.await?, Some(3));
    for _ in 0..2 {
        let made = client.get_or_set_with("made", Expiry::Never, || async { Ok::<_, Error>(7_u8) });
        assert_eq!(made.await?.into_value(), 7);
    }
    client.delete("made").await?;
    let found = client.get_many::<u8, _>(["a", "b"]).await?;
    assert!(found.result.get("a").is_none_or(|&found| found == 3));
    client.stats(StatsArgument::General).await?.into_result()?;
    Ok(())
}

fn outcomes(name: &str, change: Change) -> Vec<Result<(), Error>> {
    let server = Server::start().expect("a server");
    let client = change(Client::builder().server(server.address())).build().expect("a client");
    smol::block_on(or(
        async {
            let mut outcomes = Vec::new();
            for _ in 0..3 {
                outcomes.push(exercise(&client).await);
            }
            outcomes
        },
        async {
            Timer::after(Duration::from_secs(20)).await;
            panic!("{name}: it hangs");
        },
    ))
}

#[test]
fn a_client_works_at_both_ends_of_its_settings() {
    for (name, change) in WORKING {
        let outcomes = outcomes(name, *change);
        assert!(outcomes.iter().all(Result::is_ok), "{name}: {outcomes:?}");
    }
}

#[test]
fn no_time_at_all_is_no_hang() {
    for (name, change) in IN_TIME {
        let _ = outcomes(name, *change);
    }
}
