//! A tour of the client. With nothing installed it runs against in-memory servers of its own:
//!
//! ```text
//! cargo run -p memcache-sync --example quickstart
//! MEMCACHED_SERVERS=host:port,host:port cargo run -p memcache-sync --example quickstart
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use memcache_sync::server::Server;
use memcache_sync::{Client, Expiry, StatsArgument, Stored};

fn main() -> ExitCode {
    match tour() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tour() -> Result<(), Box<dyn Error>> {
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
    client.set("greeting", "hello", Expiry::Never)?;
    println!("get greeting: {:?}", client.get::<String>("greeting")?);
    println!("get nothing: {:?}", client.get::<String>("nothing")?);

    // Many keys, of all servers at once. A miss is no failure, and a failure of one key is only its own.
    let stored = client.set_many((0..10).map(|n| (format!("n{n}"), n * n)), Expiry::Never)?;
    println!("set many: {} stored, {} failed", stored.result, stored.failed.len());
    let found = client.get_many::<u32, _>(["n3", "n7", "n99"])?;
    println!(
        "get many: n3 {:?}, n7 {:?}, n99 {:?}",
        found.result.get("n3"),
        found.result.get("n7"),
        found.result.get("n99")
    );

    // Check and set: the second store finds that the item has changed.
    client.set("draft", "one", Expiry::Never)?;
    let (text, unique) = client.gets::<String>("draft")?.ok_or("the draft is there")?;
    let first = client.cas("draft", format!("{text}, two"), Expiry::Never, unique)?;
    let second = client.cas("draft", format!("{text}, too"), Expiry::Never, unique)?;
    assert_eq!((first, second), (Stored::Stored, Stored::Exists));
    println!("cas: {first:?}, then {second:?}; draft is {:?}", client.get::<String>("draft")?);

    // Counters.
    client.set("visits", 41, Expiry::Never)?;
    println!("incr: {:?}, decr: {:?}", client.incr("visits", 1)?, client.decr("visits", 2)?);

    // Expiry: a Duration is always from now, whatever its length.
    client.set("fleeting", "soon gone", Duration::from_secs(1))?;
    let before = client.get::<String>("fleeting")?.is_some();
    sleep(Duration::from_millis(2_100));
    let after = client.get::<String>("fleeting")?.is_some();
    println!("expiry: there at first: {before}, two seconds later: {after}");

    // What cannot be sent is refused here, and says why.
    if let Err(error) = client.set("a key", "with a space", Expiry::Never) {
        println!("refused: {error}");
    }

    // Statistics of every server.
    for (server, stats) in client.stats(StatsArgument::General)? {
        let stats = stats?;
        let stat = |wanted| {
            let found = stats.iter().find(|(name, _)| name == wanted);
            found.map_or("?", |(_, value)| value.as_str())
        };
        println!("stats of {server}: version {}, {} items", stat("version"), stat("curr_items"));
    }

    // A server that is not there: its keys move to the next candidate, and are misses, not errors.
    let with_a_dead_one = Client::builder()
        .servers(&servers)
        .server("127.0.0.1:1")
        .socket_timeout(Duration::from_secs(1))
        .key_prefix("quickstart:")
        .build()?;
    let stored = with_a_dead_one.set_many((0..10).map(|n| (format!("d{n}"), n)), Expiry::Never)?;
    println!("a dead server among them: {} of 10 stored elsewhere", stored.result);
    for (server, version) in with_a_dead_one.version()? {
        match version {
            Ok(version) => println!("{server} is version {version}"),
            Err(error) => println!("{server} is not there: {error}"),
        }
    }
    let alone = Client::new(["127.0.0.1:1"])?;
    if let Err(error) = alone.get::<String>("greeting") {
        println!("no server at all: {error}");
    }

    // Leave nothing behind.
    let deleted = with_a_dead_one.delete_many((0..10).map(|n| format!("d{n}")))?.result
        + client.delete_many((0..10).map(|n| format!("n{n}")))?.result
        + client.delete_many(["greeting", "draft", "visits"])?.result;
    println!("delete many: {deleted} keys");
    drop(own);
    Ok(())
}
