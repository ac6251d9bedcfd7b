//! The client on tokio, with this in Cargo.toml:
//!
//! ```text
//! memcache-async = { version = "0.1", default-features = false, features = ["compression", "tokio"] }
//! ```
//!
//! This runs it, with nothing installed:
//!
//! ```text
//! cargo run -p memcache-async --no-default-features --features tokio --example tokio
//! ```

use std::error::Error;
use std::time::Duration;

use memcache_async::{Client, Expiry};
use memcache_sync::server::Server;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

fn main() -> Result<(), Box<dyn Error>> {
    // Servers of this process's own, one of each kind. They stop when they are dropped.
    let path = std::env::temp_dir().join(format!("memcache-tokio-{}.sock", std::process::id()));
    let servers = [Server::start()?, Server::bind(&format!("unix:{}", path.display()))?];
    tokio::runtime::Runtime::new()?.block_on(tour(servers.each_ref().map(Server::address)))
}

async fn tour(servers: [&str; 2]) -> Result<(), Box<dyn Error>> {
    println!("servers: {}", servers.join(", "));
    let client =
        Client::tokio_builder().servers(servers).socket_timeout(Duration::from_secs(1)).build()?;

    // A clone for each task; they are all the same client, with one connection to each server.
    let mut tasks = JoinSet::new();
    for n in 0..1_000_u32 {
        let client = client.clone();
        tasks.spawn(async move {
            client.set(format!("square:{n}"), n * n, Expiry::Never).await?;
            client.get::<u32>(format!("square:{n}")).await
        });
    }
    let squares = tasks.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    assert_eq!(squares.iter().flatten().count(), 1_000);
    for (server, version) in client.version().await?.into_result()? {
        println!("{server} is version {version}");
    }
    println!("{} tasks had their values", squares.len());

    // This server accepts and never answers. A time limit of the caller's own drops the call; without
    // one the call fails when the server has been silent for the socket_timeout.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let waiting = Client::tokio_builder()
        .server(&silent.local_addr()?.to_string())
        .socket_timeout(Duration::from_millis(300))
        .build()?;
    let limit = Duration::from_millis(100);
    let answer = tokio::time::timeout(limit, waiting.get::<u32>("square:1")).await;
    assert!(answer.is_err(), "{answer:?}");
    println!("a server that says nothing: given up after {limit:?}");
    let error = waiting.get::<u32>("square:1").await.err().ok_or("who answered?")?;
    assert!(error.is_unavailable(), "{error}");
    println!("without a limit: {error}");

    // Every call is answered, then the connections are closed.
    client.close().await;
    Ok(())
}
