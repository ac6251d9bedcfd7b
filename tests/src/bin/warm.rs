//! Makes calls on one connection, so that a tracer can count what each costs:
//! `warm ADDRESS get|set|many COUNT`.

use std::env;
use std::error::Error;
use std::time::Duration;

use memcache_sync::{Client, Expiry};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [address, operation, count] = &arguments[..] else {
        return Err("usage: warm ADDRESS get|set|many COUNT".into());
    };
    // Between two calls that follow each other at once a tracer may let a millisecond pass, which is no rest.
    let client = Client::builder().server(address).max_rest(Duration::from_millis(100)).build()?;
    let keys: Vec<String> = (0..100).map(|number| format!("warm:{number}")).collect();
    client.set("warm", "value", Expiry::Never)?;
    let _ = client.set_many(keys.iter().map(|key| (key, "value")), Expiry::Never)?;
    for _ in 0..count.parse::<u32>()? {
        match operation.as_str() {
            "get" => assert_eq!(client.get::<String>("warm")?.as_deref(), Some("value")),
            "set" => client.set("warm", "value", Expiry::Never)?,
            "many" => {
                let found = client.get_many::<String, _>(&keys)?.into_result()?;
                assert_eq!(found.len(), 100);
            }
            _ => return Err(format!("no operation {operation}").into()),
        }
    }
    Ok(())
}
