use std::slice;
use std::sync::Arc;
use std::time::Duration;

use memcache_async::proto::calls;
use memcache_sync::Expiry;
use memcache_tests::UnixMemcached;
use serde_json::{Value as Json, json};

use crate::Pairs;
use crate::compare::{median, rounded};
use crate::items::Items;
use crate::lone::{MAX_REST, SERVER};
use crate::options::Options;
use crate::ours_async::{On, get_pairs};
use crate::record::tagged;
use crate::watch::Watch;

/// How many keys one call has.
const SIZES: [usize; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
/// The size that the others are compared with.
const BASE: usize = 2;

/// How many keys are asked for at each size in a round, at least.
const ROUND: usize = 20_000;

#[derive(Clone, Copy)]
enum Work {
    GetVec,
    SetMany,
}

/// Calls on ever more keys, and what each key of them costs.
pub(crate) fn keys(options: &Options) -> Vec<Json> {
    let largest = if options.measured { SIZES.len() } else { BASE + 1 };
    let sizes = &SIZES[..largest];
    let memcached = UnixMemcached::start_with(&SERVER);
    let address = memcached.address();
    let items = Arc::new(Items::new(sizes[sizes.len() - 1]));
    let sync = memcache_sync::Client::builder().server(&address).build().expect("a client");
    let mut records = Vec::new();
    for (work, row) in [(Work::SetMany, "set_many"), (Work::GetVec, "get_many, Vec of Bytes")] {
        let run = |size: usize, calls: usize| of_sync(&sync, &items, work, size, calls);
        records.extend(growth(options, sizes, row, "sync", run));
        for on in [On::smol(), On::tokio()] {
            let client = on.client(slice::from_ref(&address), true, MAX_REST);
            let run = |size: usize, calls: usize| {
                let task = of_async(client.clone(), items.clone(), work, size, calls);
                on.run(vec![task]).pop().expect("one task")
            };
            records.extend(growth(options, sizes, row, on.name(), run));
        }
    }
    records
}

/// Measures each size in each round, and compares it with the base of that round.
fn growth(
    options: &Options,
    sizes: &[usize],
    row: &str,
    client: &str,
    run: impl Fn(usize, usize) -> Watch,
) -> Vec<Json> {
    let rounds = if options.measured && !options.quick { 5 } else { 3 };
    let rounds = (0..rounds).map(|_| {
        let watches = sizes.iter().map(|&size| {
            let calls = (ROUND / size).max(1);
            let watch = run(size, calls);
            let each = |time: Duration| time.as_secs_f64() / (size * calls) as f64 * 1e6;
            (each(watch.wall), each(watch.cpu))
        });
        watches.collect::<Vec<_>>()
    });
    let rounds: Vec<_> = rounds.collect();
    let records = sizes.iter().enumerate().map(|(at, size)| {
        let record = json!({
            "size": size,
            "us": rounded(median(rounds.iter().map(|round| round[at].0))),
            "cpu_us": rounded(median(rounds.iter().map(|round| round[at].1))),
            "growth": rounded(median(rounds.iter().map(|round| round[at].1 / round[BASE].1))),
        });
        tagged("keys", row, client, record)
    });
    records.collect()
}

fn of_sync(
    client: &memcache_sync::Client,
    items: &Items,
    work: Work,
    size: usize,
    calls: usize,
) -> Watch {
    let mut watch = Watch::default();
    watch.start();
    for at in items.positions(1, size).take(calls) {
        let (keys, values) = (&items.keys[at..at + size], &items.values[at..at + size]);
        match work {
            Work::GetVec => {
                let call = calls::get_many::<_, _, Pairs<'_>>(keys);
                let found = client.run(call).expect("an answer");
                assert_eq!(found.result.len(), size);
            }
            Work::SetMany => {
                let stored = client.set_many(keys.iter().zip(values), Expiry::Never);
                assert_eq!(stored.expect("an answer").result, size);
            }
        }
    }
    watch.stop();
    watch
}

async fn of_async(
    client: memcache_async::Client,
    items: Arc<Items>,
    work: Work,
    size: usize,
    calls: usize,
) -> Watch {
    let mut watch = Watch::default();
    watch.start();
    for at in items.positions(1, size).take(calls) {
        let (keys, values) = (&items.keys[at..at + size], &items.values[at..at + size]);
        match work {
            Work::GetVec => {
                assert_eq!(get_pairs(&client, keys).await, size);
            }
            Work::SetMany => {
                let stored = client.set_many(keys.iter().zip(values), Expiry::Never).await;
                assert_eq!(stored.expect("an answer").result, size);
            }
        }
    }
    watch.stop();
    watch
}
