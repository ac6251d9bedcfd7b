//! Other clients for Rust.

use std::collections::HashMap;

use async_memcached::AsciiProtocol;
use tokio::runtime::Runtime;

use crate::contender::{Contender, Row};
use crate::items::{Items, LARGE, LARGE_LEN};
use crate::watch::Watch;

/// `async-memcached` on one thread of tokio.
pub(crate) struct AsyncMemcached {
    tokio: Runtime,
    client: async_memcached::Client,
    items: Items,
}

impl AsyncMemcached {
    pub(crate) fn new(address: &str, items: &Items) -> Self {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let tokio = tokio.expect("a runtime");
        let client = tokio.block_on(async_memcached::Client::new(dsn(address)));
        AsyncMemcached { tokio, client: client.expect("a connection"), items: items.clone() }
    }
}

/// An address as `async-memcached` takes it.
pub(crate) fn dsn(address: &str) -> String {
    match address.strip_prefix("unix:") {
        Some(path) => format!("unix://{path}"),
        None => format!("tcp://{address}"),
    }
}

impl Contender for AsyncMemcached {
    fn name(&self) -> &'static str {
        "async-memcached"
    }

    // Its get of many returns a list; its delete of many waits for no reply.
    fn can(&self, row: Row) -> bool {
        !matches!(row, Row::GetMap | Row::DeleteMany)
    }

    fn run(&mut self, row: Row, count: usize, watch: &mut Watch) {
        let AsyncMemcached { tokio, client, items } = self;
        watch.start();
        tokio.block_on(async {
            match row {
                Row::Get | Row::Set | Row::Mixed => {
                    for (number, (key, value)) in items.random(1).take(count).enumerate() {
                        if row == Row::Set || row == Row::Mixed && Row::is_store(number) {
                            client.set(key, value, None, None).await.expect("stored");
                        } else {
                            let found = client.get(key).await.expect("an answer");
                            let found = found.and_then(|found| found.data);
                            assert_eq!(found.as_deref(), Some(value));
                        }
                    }
                }
                Row::GetVec => {
                    for (keys, _) in items.batches(1).take(count) {
                        let found = client.get_multi(keys).await.expect("an answer");
                        assert_eq!(found.len(), keys.len());
                    }
                }
                Row::SetMany => {
                    for (keys, values) in items.batches(1).take(count) {
                        let pairs: Vec<_> =
                            keys.iter().zip(values.iter().map(Vec::as_slice)).collect();
                        let stored = client.set_multi(&pairs, None, None).await;
                        assert_eq!(stored.expect("an answer").len(), keys.len());
                    }
                }
                Row::GetLarge => {
                    for _ in 0..count {
                        let found = client.get(LARGE).await.expect("an answer");
                        let found = found.and_then(|found| found.data);
                        assert_eq!(found.map(|found| found.len()), Some(LARGE_LEN));
                    }
                }
                Row::GetMap | Row::DeleteMany => unreachable!("it has no such call"),
            }
        });
        watch.stop();
    }
}

/// The crate `memcache`, known as rust-memcache.
pub(crate) struct RustMemcache {
    client: memcache::Client,
    items: Items,
}

impl RustMemcache {
    pub(crate) fn new(address: &str, items: &Items) -> Self {
        let url = match address.strip_prefix("unix:") {
            Some(path) => format!("memcache://{path}?protocol=ascii"),
            None => format!("memcache://{address}?protocol=ascii&tcp_nodelay=true"),
        };
        let client = memcache::connect(url).expect("a connection");
        RustMemcache { client, items: items.clone() }
    }
}

impl Contender for RustMemcache {
    fn name(&self) -> &'static str {
        "rust-memcache"
    }

    // It stores and deletes one key a call, and its get of many returns a map.
    fn can(&self, row: Row) -> bool {
        !matches!(row, Row::GetVec | Row::SetMany | Row::DeleteMany)
    }

    fn run(&mut self, row: Row, count: usize, watch: &mut Watch) {
        let RustMemcache { client, items } = self;
        watch.start();
        match row {
            Row::Get | Row::Set | Row::Mixed => {
                for (number, (key, value)) in items.random(1).take(count).enumerate() {
                    if row == Row::Set || row == Row::Mixed && Row::is_store(number) {
                        client.set(key, value, 0).expect("stored");
                    } else {
                        let found: Option<Vec<u8>> = client.get(key).expect("an answer");
                        assert_eq!(found.as_deref(), Some(value));
                    }
                }
            }
            Row::GetMap => {
                for (keys, _) in items.batches(1).take(count) {
                    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                    let found: HashMap<String, Vec<u8>> = client.gets(&keys).expect("an answer");
                    assert_eq!(found.len(), keys.len());
                }
            }
            Row::GetLarge => {
                for _ in 0..count {
                    let found: Option<Vec<u8>> = client.get(LARGE).expect("an answer");
                    assert_eq!(found.map(|found| found.len()), Some(LARGE_LEN));
                }
            }
            Row::GetVec | Row::SetMany | Row::DeleteMany => unreachable!("it has no such call"),
        }
        watch.stop();
    }
}
