//! A tour of the client on smol. With nothing installed it runs against in-memory servers of its own:
//!
//! ```text
//! cargo run -p memcache-async --example quickstart
//! MEMCACHED_SERVERS=host:port,host:port cargo run -p memcache-async --example quickstart
//! ```
//!
//! What the calls do is shown by the tour of `memcache-sync`; this one is about tasks and futures.

use std::error::Error;
use std::future::Future;
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use memcache_async::{Client, Error as CallError, Expiry, StatsArgument};
use memcache_sync::server::Server;
use smol::Timer;
use smol::future::{or, poll_once};

/// How many tasks there are, each with a key of its own.
const TASKS: u64 = 1_000;

fn main() -> ExitCode {
    match smol::block_on(tour()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn tour() -> Result<(), Box<dyn Error>> {
    // Servers of this process's own, unless there are others. They stop when they are dropped.
    let mut own = Vec::new();
    let servers: Vec<String> = match std::env::var("MEMCACHED_SERVERS") {
        Ok(servers) => servers.split(',').map(|server| server.trim().to_owned()).collect(),
        Err(_) => {
            own = vec![Server::start()?, Server::start()?];
            own.iter().map(|server| server.address().to_string()).collect()
        }
    };
    println!("servers: {}", servers.join(", "));
    let client = Client::builder()
        .servers(&servers)
        .socket_timeout(Duration::from_secs(1))
        .key_prefix("quickstart:")
        .build()?;

    // One key.
    client.set("greeting", "hello", Expiry::Never).await?;
    println!("get greeting: {:?}", client.get::<String>("greeting").await?);
    println!("get nothing: {:?}", client.get::<String>("nothing").await?);

    // Many tasks share one connection to each server. What they ask for at the same time leaves in one
    // write; gets of many tasks leave as one get of many keys.
    let start = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|n| {
            let client = client.clone();
            smol::spawn(async move {
                client.set(n, n * n, Expiry::Never).await?;
                client.get::<u64>(n).await
            })
        })
        .collect();
    for (n, task) in (0..).zip(tasks) {
        assert_eq!(task.await?, Some(n * n));
    }
    println!("{TASKS} tasks, a set and a get each: {:?}", start.elapsed());
    for (server, stats) in client.stats(StatsArgument::General).await? {
        let stats = stats?;
        let connections = stats.iter().find(|(name, _)| name == "total_connections");
        let connections = connections.map_or("?", |(_, count)| count.as_str());
        println!("connections there have been to {server}: {connections}");
        // (memcached itself counts the socket that it listens on.)
        assert!(own.is_empty() || connections == "1");
    }

    // Many keys in one call, of all servers at once.
    let found = client.get_many::<u64, _>((0..2 * TASKS).step_by(100)).await?;
    println!("get many: {} found, {} failed", found.result.len(), found.failed.len());

    // A call is a future: nothing happens before it is polled, and it may be dropped at any point. A
    // time limit is to drop it when something else comes first. This server never answers.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let waiting = Client::new([silent.local_addr()?.to_string()])?;
    let limit = Duration::from_millis(100);
    let answer = within(limit, waiting.get::<String>("greeting")).await;
    assert!(answer.is_none());
    println!("a server that says nothing: given up after {limit:?}");

    // Nobody else is affected by a call that was dropped: its reply is swallowed.
    let mut dropped = 0;
    for n in 0..100_u64 {
        // Polled once: it has been sent, and a server would have to be very near to answer by then.
        dropped += u64::from(poll_once(client.get::<String>("greeting")).await.is_none());
        assert_eq!(client.get::<u64>(n).await?, Some(n * n));
    }
    println!("dropped half way: {dropped} calls; every other had its own answer");

    // Leave nothing behind, and end in good order: what is under way is answered first, whatever is
    // asked for later is refused.
    let deleted = client.delete_many(0..TASKS).await?.result;
    println!("delete many: {deleted} keys");
    client.delete("greeting").await?;
    let clone = client.clone();
    client.close().await;
    let refused = clone.get::<String>("greeting").await;
    assert!(matches!(refused, Err(CallError::Closed)));
    println!("after close: {:?}", refused.map_err(|error| error.to_string()));
    Ok(())
}

/// What the call gives, unless that takes longer than `limit`; then it is dropped.
async fn within<T>(limit: Duration, call: impl Future<Output = T>) -> Option<T> {
    let late = async {
        Timer::after(limit).await;
        None
    };
    or(async { Some(call.await) }, late).await
}
