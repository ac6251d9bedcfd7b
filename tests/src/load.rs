use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::time::Duration;

use memcache_proto::calls::{self, Call, Error, FailedKey};
use memcache_proto::client::FailureKind;
use memcache_proto::{Expiry, ToKey};

/// Counters begin at their number times this, which tells them apart.
const STRIDE: u64 = 1_000_000_000_000;

/// A client, whether it blocks or not.
pub trait Caller {
    /// Makes a call.
    fn call<C: Call>(&self, call: C) -> impl Future<Output = Result<C::Output, Error>>;
}

/// Blocks the thread.
impl Caller for memcache_sync::Client {
    async fn call<C: Call>(&self, call: C) -> Result<C::Output, Error> {
        self.run(call)
    }
}

impl Caller for memcache_async::Client {
    fn call<C: Call>(&self, call: C) -> impl Future<Output = Result<C::Output, Error>> {
        self.run(call)
    }
}

/// Makes calls of all kinds on keys that others use too. Values name their key, so that one that was
/// taken for another's is seen.
#[derive(Debug)]
pub struct Worker<C> {
    client: C,
    random: u64,
    /// How many keys there are of each kind.
    keys: u64,
    /// What it saw so far.
    pub tally: Tally,
}

/// What a worker saw.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many steps were done.
    pub done: u64,
    /// How many values were found, and were right.
    pub found: u64,
    /// Calls that failed, by kind.
    pub failures: BTreeMap<String, u64>,
}

impl Tally {
    /// How many calls failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

impl FromIterator<Tally> for Tally {
    fn from_iter<T: IntoIterator<Item = Tally>>(tallies: T) -> Self {
        tallies.into_iter().fold(Tally::default(), |mut sum, tally| {
            sum.done += tally.done;
            sum.found += tally.found;
            for (kind, count) in tally.failures {
                *sum.failures.entry(kind).or_default() += count;
            }
            sum
        })
    }
}

impl<C: Caller> Worker<C> {
    /// The worker of this number, on so many keys of each kind.
    pub fn new(client: C, number: u64, keys: u64) -> Self {
        let random = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Worker { client, random, keys, tally: Tally::default() }
    }

    /// A number below `below`.
    pub fn random(&mut self, below: u64) -> u64 {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    }

    fn key(&mut self) -> String {
        format!("text:{}", self.random(self.keys))
    }

    /// One in a hundred is long.
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
        let error = match result {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let Error::Server { failure, .. } = &error else { panic!("{error:?}") };
        let kind = match &failure.kind {
            FailureKind::Eof => "closed",
            FailureKind::ClosedAtCommand => "closed at a command",
            FailureKind::Disconnected => "lost",
            FailureKind::Connect(_) => "not connected",
            FailureKind::AllDead(_) | FailureKind::Dead(_) => "dead",
            FailureKind::SocketTimeout => "timeout",
            _ => panic!("{error:?}"),
        };
        assert!(!error.to_string().is_empty());
        let sent = if error.may_have_been_applied() { ", sent" } else { "" };
        *self.tally.failures.entry(format!("{kind}{sent}")).or_default() += 1;
        None
    }

    /// Makes a call, two where the second depends on the first, and checks what it answers.
    ///
    /// # Panics
    ///
    /// Where a value is not its key's, or a failure is none that may be.
    pub async fn step(&mut self) {
        match self.random(100) {
            0..40 => {
                let key = self.key();
                let result = self.client.call(calls::get::<String, _>(&key)).await;
                if let Some(Some(value)) = self.take(result) {
                    self.check(&key, &value);
                }
            }
            40..60 => {
                let key = self.key();
                let value = self.value(&key);
                let call = calls::set(&key, value, Duration::from_secs(3_600));
                let result = self.client.call(call).await;
                self.take(result);
            }
            60..65 => {
                let key = self.key();
                let value = self.value(&key);
                let result = self.client.call(calls::add(&key, value, Expiry::Never)).await;
                self.take(result);
            }
            65..70 => self.gets_and_cas().await,
            70..75 => {
                let key = self.key();
                let result = self.client.call(calls::delete(key)).await;
                self.take(result);
            }
            75..80 => {
                let key = self.key();
                let result = self.client.call(calls::touch(key, Duration::from_secs(60))).await;
                self.take(result);
            }
            80..90 => self.count().await,
            90..95 => {
                let keys: Vec<String> = (0..10).map(|_| self.key()).collect();
                let call = calls::get_many::<String, _, HashMap<_, _>>(keys);
                let result = self.client.call(call).await;
                if let Some(many) = self.take(result) {
                    for (key, value) in many.result {
                        self.check(&key, &value);
                    }
                    self.take_failed(many.failed);
                }
            }
            _ => {
                let items: Vec<_> = (0..10)
                    .map(|_| {
                        let key = self.key();
                        let value = self.value(&key);
                        (key, value)
                    })
                    .collect();
                let result = self.client.call(calls::set_many(items, Expiry::Never)).await;
                if let Some(many) = self.take(result) {
                    self.take_failed(many.failed);
                }
            }
        }
        self.tally.done += 1;
    }

    async fn gets_and_cas(&mut self) {
        let key = self.key();
        let result = self.client.call(calls::gets::<String, _>(&key)).await;
        if let Some(Some((value, unique))) = self.take(result) {
            self.check(&key, &value);
            let value = self.value(&key);
            let result = self.client.call(calls::cas(&key, value, Expiry::Never, unique)).await;
            let _ = self.take(result);
        }
    }

    async fn count(&mut self) {
        let number = self.random(self.keys);
        let counter = format!("counter:{number}");
        if self.random(2) == 0 {
            let result = self.client.call(calls::get::<u64, _>(&counter)).await;
            if let Some(Some(value)) = self.take(result) {
                self.check_counter(number, value);
            }
            return;
        }
        let result = self.client.call(calls::incr(&counter, 1)).await;
        match self.take(result) {
            Some(Some(value)) => self.check_counter(number, value),
            Some(None) => {
                let call = calls::add(&counter, number * STRIDE, Expiry::Never);
                let result = self.client.call(call).await;
                self.take(result);
            }
            None => {}
        }
    }

    fn take_failed<K: ToKey>(&mut self, failed: Vec<FailedKey<K>>) {
        for failed in failed {
            self.take(Err::<(), _>(failed.error));
        }
    }
}
