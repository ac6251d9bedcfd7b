//! Sets or gets very many keys at once and says what it took: `memory ADDRESS get|set COUNT`. Prints
//! the bytes of the answer and the peaks of memory, in bytes, before and after.

use std::env;
use std::error::Error;
use std::time::Instant;

use memcache_sync::{Client, Expiry};
use memcache_tests::process::peak;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [address, operation, count] = &arguments[..] else {
        return Err("usage: memory ADDRESS get|set COUNT".into());
    };
    let count: usize = count.parse()?;
    let client = Client::new([address])?;
    let keys: Vec<String> = (0..count).map(key).collect();
    let bytes = match operation.as_str() {
        "get" => {
            let before = peak();
            let started = Instant::now();
            let many = client.get_many::<Vec<u8>, _>(keys)?;
            let took = started.elapsed();
            let after = peak();
            let found = many.into_result()?;
            println!("took {took:.1?}");
            println!("before {before}\nafter {after}\nfound {}", found.len());
            for (key, value) in &found {
                assert!(value.starts_with(key.as_bytes()), "another key's value");
            }
            found.iter().map(|(key, value)| key.len() + value.len()).sum()
        }
        "set" => {
            let items: Vec<_> = keys
                .into_iter()
                .map(|key| {
                    let value = value(&key);
                    (key, value)
                })
                .collect();
            let bytes: usize = items.iter().map(|(key, value)| key.len() + value.len()).sum();
            let before = peak();
            let started = Instant::now();
            let stored = client.set_many(items, Expiry::Never)?;
            println!("took {:.1?}", started.elapsed());
            println!("before {before}\nafter {}\nfound {}", peak(), stored.into_result()?);
            bytes
        }
        _ => return Err(format!("no operation {operation}").into()),
    };
    println!("bytes {bytes}");
    Ok(())
}

fn key(number: usize) -> String {
    format!("memory:{number:08}")
}

/// 100 bytes that begin with the key.
fn value(key: &str) -> Vec<u8> {
    format!("{key:.<100}").into_bytes()
}
