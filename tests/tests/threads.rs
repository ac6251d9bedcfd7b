//! Many threads, one client, two servers, one of them killed and started again midway: every value is
//! its own key's, every failure is typed, and the client is good at the end.
//!
//! Each of 64 threads does 100,000 operations; `MEMCACHE_TESTS_OPERATIONS` says another number.

use std::collections::BTreeMap;
use std::env;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memcache_sync::{Client, Error, Expiry, FailureKind};
use memcache_tests::Memcached;

const THREADS: u64 = 64;
const OPERATIONS: u64 = 100_000;
/// How many keys there are of each kind.
const KEYS: u64 = 20_000;
/// Counters begin at their number times this, which tells them apart.
const STRIDE: u64 = 1_000_000_000_000;

fn operations() -> u64 {
    let count = env::var("MEMCACHE_TESTS_OPERATIONS").ok();
    count.map_or(OPERATIONS, |count| count.parse().expect("a number"))
}

/// What one thread saw.
#[derive(Default)]
struct Tally {
    done: u64,
    found: u64,
    /// By kind.
    failures: BTreeMap<String, u64>,
}

struct Worker<'a> {
    client: &'a Client,
    random: u64,
    tally: Tally,
}

impl Worker<'_> {
    fn random(&mut self, below: u64) -> u64 {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    }

    fn number(&mut self) -> u64 {
        self.random(KEYS)
    }

    /// One operation in a hundred has a long value.
    fn value(&mut self, key: &str) -> String {
        let len = if self.random(100) == 0 { 40_000 } else { self.random(300) };
        let pad = usize::try_from(len).expect("a short value");
        format!("{key}={}", "x".repeat(pad))
    }

    fn check(&mut self, key: &str, value: &str) {
        let (name, pad) = value.split_once('=').unwrap_or_else(|| panic!("{key}: {value:.50}"));
        assert_eq!(name, key, "another key's value");
        assert!(pad.bytes().all(|byte| byte == b'x'), "{key}: damaged: {value:.50}");
        self.tally.found += 1;
    }

    fn check_counter(&mut self, number: u64, value: u64) {
        assert_eq!(value / STRIDE, number, "another key's number: {value}");
        self.tally.found += 1;
    }

    /// Only what a server that went away explains is a failure that may be.
    fn take<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let Error::Server { failure, .. } = &error else { panic!("{error:?}") };
                let kind = match &failure.kind {
                    FailureKind::Eof => "closed",
                    FailureKind::Disconnected => "lost",
                    FailureKind::Connect => "not connected",
                    FailureKind::AllDead | FailureKind::Dead => "dead",
                    FailureKind::SocketTimeout => "timeout",
                    _ => panic!("{error:?}"),
                };
                assert!(!error.to_string().is_empty());
                let sent = if error.may_have_been_applied() { ", sent" } else { "" };
                *self.tally.failures.entry(format!("{kind}{sent}")).or_default() += 1;
                None
            }
        }
    }

    fn step(&mut self) {
        let client = self.client;
        let number = self.number();
        let key = format!("text:{number}");
        let counter = format!("counter:{number}");
        match self.random(100) {
            0..40 => {
                let result = client.get::<String>(&key);
                if let Some(Some(value)) = self.take(result) {
                    self.check(&key, &value);
                }
            }
            40..60 => {
                let value = self.value(&key);
                let result = client.set(&key, value, Duration::from_secs(3_600));
                self.take(result);
            }
            60..65 => {
                let value = self.value(&key);
                let result = client.add(&key, value, Expiry::Never);
                self.take(result);
            }
            65..70 => {
                let result = client.gets::<String>(&key);
                if let Some(Some((value, unique))) = self.take(result) {
                    self.check(&key, &value);
                    let value = self.value(&key);
                    let result = client.cas(&key, value, Expiry::Never, unique);
                    let _ = self.take(result);
                }
            }
            70..75 => {
                let result = client.delete(&key);
                self.take(result);
            }
            75..80 => {
                let result = client.touch(&key, Duration::from_secs(60));
                self.take(result);
            }
            80..85 => {
                let result = client.incr(&counter, 1);
                match self.take(result) {
                    Some(Some(value)) => self.check_counter(number, value),
                    Some(None) => {
                        let result = client.add(&counter, number * STRIDE, Expiry::Never);
                        self.take(result);
                    }
                    None => {}
                }
            }
            85..90 => {
                let result = client.get::<u64>(&counter);
                if let Some(Some(value)) = self.take(result) {
                    self.check_counter(number, value);
                }
            }
            90..95 => {
                let keys: Vec<String> =
                    (0..10).map(|_| format!("text:{}", self.number())).collect();
                let result = client.get_many::<String, _>(&keys);
                if let Some(many) = self.take(result) {
                    for (key, value) in many.result {
                        self.check(key, &value);
                    }
                    for (_, error) in many.failed {
                        self.take(Err::<(), _>(error));
                    }
                }
            }
            _ => {
                let keys: Vec<String> =
                    (0..10).map(|_| format!("text:{}", self.number())).collect();
                let items: Vec<_> = keys.iter().map(|key| (key, self.value(key))).collect();
                let result = client.set_many(items, Expiry::Never);
                if let Some(many) = self.take(result) {
                    for (_, error) in many.failed {
                        self.take(Err::<(), _>(error));
                    }
                }
            }
        }
        self.tally.done += 1;
    }
}

#[test]
fn values_stay_with_their_keys_while_a_server_comes_and_goes() {
    let operations = operations();
    let [stays, mut goes] = [Memcached::start(), Memcached::start()];
    let client = Client::builder()
        .servers([stays.address(), goes.address()])
        .dead_retry(Duration::from_millis(200))
        .build()
        .expect("addresses");
    let (client, done) = (&client, &AtomicU64::new(0));
    let started = Instant::now();
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let workers: Vec<_> = (1..=THREADS)
            .map(|seed| {
                let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let mut worker = Worker { client, random, tally: Tally::default() };
                scope.spawn(move || {
                    for _ in 0..operations {
                        worker.step();
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    worker.tally
                })
            })
            .collect();
        let all = operations * THREADS;
        let wait_for = |count: u64| {
            while done.load(Ordering::Relaxed) < count && !workers.iter().any(|w| w.is_finished()) {
                thread::sleep(Duration::from_millis(10));
            }
            println!("{} of {all} after {:.1?}", done.load(Ordering::Relaxed), started.elapsed());
        };
        wait_for(all * 4 / 10);
        goes.kill();
        println!("killed {}", goes.address());
        wait_for(all * 6 / 10);
        goes.restart();
        assert!(done.load(Ordering::Relaxed) < all, "the server was back too late to be used");
        println!("started {} again", goes.address());
        wait_for(all);
        workers.into_iter().map(|worker| worker.join().expect("no thread panics")).collect()
    });
    let took = started.elapsed();

    let mut failures = BTreeMap::new();
    for (kind, count) in tallies.iter().flat_map(|tally| &tally.failures) {
        *failures.entry(kind.as_str()).or_insert(0) += count;
    }
    let done: u64 = tallies.iter().map(|tally| tally.done).sum();
    let found: u64 = tallies.iter().map(|tally| tally.found).sum();
    println!("{done} operations in {took:.1?}, {found} values checked, failures: {failures:?}");
    assert_eq!(done, operations * THREADS);
    assert!(found > done / 10, "hardly anything was found");
    assert!(failures.values().sum::<u64>() < done / 10, "more failed than one kill explains");

    // Both servers are in use again, without being told.
    thread::sleep(Duration::from_millis(300));
    let keys: Vec<String> = (0..1_000).map(|number| format!("end:{number}")).collect();
    let _ = client.set_many(keys.iter().map(|key| (key, key)), Expiry::Never).expect("asked");
    let stored = client.set_many(keys.iter().map(|key| (key, key)), Expiry::Never).expect("asked");
    assert_eq!(stored.into_result().expect("stored"), 1_000);
    let found = client.get_many::<String, _>(&keys).expect("asked").into_result();
    let found = found.expect("answered");
    assert!(found.len() == 1_000 && found.iter().all(|(key, value)| *key == value));
    for (server, version) in client.version().expect("asked") {
        assert!(version.is_ok(), "{server}: {version:?}");
    }
    let revived = Client::new([goes.address()]).expect("an address");
    assert!(revived.get_many::<String, _>(&keys).expect("asked").result.len() > 300);
}
