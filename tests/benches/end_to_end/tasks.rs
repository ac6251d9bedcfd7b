use std::sync::Arc;
use std::time::Duration;

use memcache_tests::UnixMemcached;
use serde_json::{Value as Json, json};

use crate::compare::{median, rounded};
use crate::crowd::{Work, ours_tasks};
use crate::lone::{MAX_REST, SERVER, fill, items};
use crate::options::Options;
use crate::ours_async::On;
use crate::record::tagged;

/// How many tasks share a client.
const SIZES: [usize; 5] = [1, 10, 100, 1_000, 10_000];

/// How many calls there are in a round, at least, and of each task.
const ROUND: usize = 20_000;
const EACH: usize = 10;

/// Ever more tasks on one connection, and what each of their calls costs the client.
pub(crate) fn tasks(options: &Options) -> Vec<Json> {
    let memcached = UnixMemcached::start_with(&SERVER);
    let items = Arc::new(items());
    fill(&memcached.address(), &items);
    let largest = if options.measured { SIZES.len() } else { 2 };
    let rounds = if options.measured && !options.quick { 7 } else { 3 };
    let mut records = Vec::new();
    for (row, work, merged) in
        [("set", Work::Set, true), ("get, merged", Work::Get, true), ("get", Work::Get, false)]
    {
        for on in [On::smol(), On::tokio()] {
            let client = on.client(&[memcached.address()], merged, MAX_REST);
            for &size in &SIZES[..largest] {
                let count = (ROUND / size).max(EACH);
                let watches = (0..=rounds).map(|_| {
                    let watch = ours_tasks(&on, &client, &items, work, size, count);
                    let each = |time: Duration| time.as_secs_f64() / (size * count) as f64 * 1e6;
                    (each(watch.wall), each(watch.cpu))
                });
                // The first round is for warming up.
                let watches: Vec<_> = watches.skip(1).collect();
                let record = json!({
                    "size": size,
                    "us": rounded(median(watches.iter().map(|watch| watch.0))),
                    "cpu_us": rounded(median(watches.iter().map(|watch| watch.1))),
                });
                records.push(tagged("tasks", row, on.name(), record));
            }
        }
    }
    records
}
