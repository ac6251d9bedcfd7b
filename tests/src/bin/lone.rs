//! Makes gets one after the other over sockets of smol, so that a tracer can count what each costs:
//! `lone ADDRESS bare|client block-on|executor COUNT`. A bare loop is what a client is measured
//! against.

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use memcache_async::{Builder, Client, Expiry, Smol};
use memcache_tests::Bare;
use smol::Executor;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

const KEY: &str = "lone";

/// Between two calls that follow each other at once a tracer lets a millisecond pass, which is no rest.
const TRACED: Duration = Duration::from_millis(100);

fn main() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [address, who, place, count] = &arguments[..] else {
        return Err("usage: lone ADDRESS bare|client block-on|executor COUNT".into());
    };
    let (executor, count) = (Arc::new(Executor::new()), count.parse()?);
    let client = match place.as_str() {
        "block-on" => Client::builder().server(address).max_rest(TRACED).build()?,
        "executor" => Builder::new(Smol::on(&executor)).server(address).max_rest(TRACED).build()?,
        _ => return Err(format!("no place {place}").into()),
    };
    let gets = gets(client, address.clone(), who == "bare", count);
    match place.as_str() {
        "executor" => smol::block_on(executor.run(executor.spawn(gets))),
        _ => smol::block_on(gets),
    }
}

async fn gets(client: Client, address: String, is_bare: bool, count: u32) -> Outcome {
    let value = [b'v'; 100];
    client.set(KEY, &value[..], Expiry::Never).await?;
    let mut bare = Bare::connect(address.parse()?, KEY).await?;
    for _ in 0..count {
        if is_bare {
            assert_eq!(bare.get().await?, Some(&value[..]));
        } else {
            assert_eq!(client.get::<Vec<u8>>(KEY).await?.as_deref(), Some(&value[..]));
        }
    }
    client.close().await;
    Ok(())
}
