//! A thousand tasks do a million operations on few keys over one connection, and drop some of their
//! calls midway: every value is its own key's, the connection stays, and memory does not grow.
//!
//! Each task does 1,000 operations; `MEMCACHE_TESTS_OPERATIONS` says a smaller number.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memcache_async::Client;
use memcache_tests::process::resident;
use memcache_tests::{Memcached, Tally, Worker, block_on, poll_times};

const TASKS: u64 = 1_000;
const OPERATIONS: u64 = 1_000;
/// How many keys there are of each kind.
const KEYS: u64 = 300;
/// How much memory may be had, at any tenth, beyond that at the first.
const GROWTH: usize = 2 << 20;
/// How long all of it may take on a busy machine; tasks that nobody wakes take longer.
const PATIENCE: Duration = Duration::from_secs(300);

fn operations() -> u64 {
    let count = env::var("MEMCACHE_TESTS_OPERATIONS").ok();
    count.map_or(OPERATIONS, |count| count.parse::<u64>().expect("a number").min(OPERATIONS))
}

/// The only test of this program: others would take memory beside it.
#[test]
fn a_thousand_tasks_share_a_connection_and_memory_does_not_grow() {
    let operations = operations();
    let memcached = Memcached::start();
    let client = Client::new([memcached.address()]).expect("an address");
    let before = memcached.connections();
    let (done, dropped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let started = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let mut worker = Worker::new(client.clone(), number, KEYS);
            let (done, dropped) = (done.clone(), dropped.clone());
            smol::spawn(async move {
                for _ in 0..operations {
                    if worker.random(20) == 0 {
                        let times = worker.random(4);
                        let ended = poll_times(worker.step(), times, Duration::ZERO).await;
                        dropped.fetch_add(u64::from(!ended), Ordering::Relaxed);
                    } else {
                        worker.step().await;
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
                worker.tally
            })
        })
        .collect();

    let all = TASKS * operations;
    let mut memory = Vec::new();
    for tenth in 1..=10 {
        let ended = || tasks.iter().filter(|task| task.is_finished()).count();
        // A task that panics ends, and does not do what it was to do.
        while done.load(Ordering::Relaxed) < all * tenth / 10 && ended() < tasks.len() {
            assert!(started.elapsed() < PATIENCE, "not done after {PATIENCE:?}");
            thread::sleep(Duration::from_millis(1));
        }
        memory.push(resident());
    }
    let tally: Tally = block_on(PATIENCE, async {
        let mut tallies = Vec::new();
        for task in tasks {
            tallies.push(task.await);
        }
        tallies.into_iter().collect()
    });
    let took = started.elapsed();
    let dropped = dropped.load(Ordering::Relaxed);
    let Tally { done, found, failures } = &tally;
    println!(
        "{done} operations and {dropped} dropped midway in {took:.1?}, {found} values checked"
    );
    let kib: Vec<usize> = memory.iter().map(|bytes| bytes >> 10).collect();
    println!("KiB of memory after each tenth: {kib:?}");

    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(done + dropped, all);
    assert!(dropped > all / 100, "hardly anything was dropped midway");
    assert!(*found > done / 2, "hardly anything was found");
    assert_eq!(memcached.connections(), before + 2, "not one connection, and the one that asks");
    for bytes in &memory {
        assert!(*bytes <= memory[0] + GROWTH, "memory has grown: {kib:?} KiB");
    }
}
