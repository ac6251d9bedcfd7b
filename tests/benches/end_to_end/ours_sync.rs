use std::time::Duration;

use memcache_sync::proto::calls;
use memcache_sync::{Client, Expiry};

use crate::Pairs;
use crate::contender::{Contender, Row};
use crate::items::{Items, LARGE, LARGE_LEN};
use crate::watch::Watch;

/// The client of this workspace for threads.
pub(crate) struct Sync {
    client: Client,
    items: Items,
}

impl Sync {
    pub(crate) fn new(address: &str, items: &Items, max_rest: Duration) -> Self {
        let client = Client::builder().server(address).max_rest(max_rest).build();
        Sync { client: client.expect("a client"), items: items.clone() }
    }
}

impl Contender for Sync {
    fn name(&self) -> &'static str {
        "sync"
    }

    fn can(&self, _: Row) -> bool {
        true
    }

    fn run(&mut self, row: Row, count: usize, watch: &mut Watch) {
        let Sync { client, items } = self;
        let get = |key: &str, value: &[u8]| {
            let found = client.get::<Vec<u8>>(key).expect("an answer");
            assert_eq!(found.as_deref(), Some(value));
        };
        let set = |key: &str, value: &[u8]| client.set(key, value, Expiry::Never).expect("stored");
        let set_many = |keys: &[String], values: &[Vec<u8>]| {
            let stored = client.set_many(keys.iter().zip(values), Expiry::Never);
            assert_eq!(stored.expect("an answer").result, keys.len());
        };
        watch.start();
        match row {
            Row::Get => items.random(1).take(count).for_each(|(key, value)| get(key, value)),
            Row::Set => items.random(1).take(count).for_each(|(key, value)| set(key, value)),
            Row::GetMap => {
                for (keys, _) in items.batches(1).take(count) {
                    let found = client.get_many::<Vec<u8>, _>(keys).expect("an answer");
                    assert_eq!(found.result.len(), keys.len());
                }
            }
            Row::GetVec => {
                for (keys, _) in items.batches(1).take(count) {
                    let call = calls::get_many::<_, _, Pairs<'_>>(keys);
                    let found = client.run(call).expect("an answer");
                    assert_eq!(found.result.len(), keys.len());
                }
            }
            Row::SetMany => {
                items.batches(1).take(count).for_each(|(keys, values)| set_many(keys, values));
            }
            Row::DeleteMany => {
                for (keys, values) in items.batches(1).take(count) {
                    watch.stop();
                    set_many(keys, values);
                    watch.start();
                    let deleted = client.delete_many(keys).expect("an answer");
                    assert_eq!(deleted.result, keys.len());
                }
            }
            Row::Mixed => {
                for (number, (key, value)) in items.random(1).take(count).enumerate() {
                    match Row::is_store(number) {
                        true => set(key, value),
                        false => get(key, value),
                    }
                }
            }
            Row::GetLarge => {
                for _ in 0..count {
                    let found = client.get::<Vec<u8>>(LARGE).expect("an answer");
                    assert_eq!(found.map(|found| found.len()), Some(LARGE_LEN));
                }
            }
        }
        watch.stop();
    }
}
