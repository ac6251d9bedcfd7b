use std::time::Duration;

use memcache_sync::{Builder, Client, KeyHash};
use memcache_tests::Memcached;
use memcache_tests::python::Python;
use serde_json::{Value as Json, json};

/// A client of Python's, and the Rust client that is to be its equal.
pub(crate) struct Profile {
    pub(crate) python: Python,
    /// The module that has the client.
    pub(crate) module: &'static str,
    /// The driver's settings, but for the servers and the threshold of compression.
    driver: fn(&Settings) -> Json,
    rust: fn(Builder) -> Builder,
    /// Whether the number of servers is the tests' own choice; else there is one.
    pub(crate) many_servers: bool,
    /// Whether a server has a weight.
    pub(crate) weights: bool,
    /// Whether the module's calls on many keys take integers for keys.
    pub(crate) integer_keys: bool,
    /// Whether it can store an integer of more digits than the threshold of compression.
    pub(crate) long_integers: bool,
}

/// What both clients of a pair are told.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) dead_retry: Duration,
    pub(crate) min_compress_len: usize,
    /// Of the Rust client alone: Python's calls are given theirs.
    pub(crate) key_prefix: String,
}

impl Default for Settings {
    fn default() -> Self {
        let dead_retry = Duration::from_secs(30);
        Settings { dead_retry, min_compress_len: 0, key_prefix: String::new() }
    }
}

impl Profile {
    /// What the driver is to make.
    pub(crate) fn python(&self, ring: &[(&Memcached, i32)], settings: &Settings) -> Json {
        let servers = ring.iter().map(|(server, weight)| json!([server.address(), weight]));
        let mut made = (self.driver)(settings);
        made["kind"] = self.module.into();
        made["servers"] = servers.collect();
        made["min_compress_len"] = settings.min_compress_len.into();
        made
    }

    pub(crate) fn rust(&self, ring: &[(&Memcached, i32)], settings: &Settings) -> Client {
        let builder = Client::builder()
            .dead_retry(settings.dead_retry)
            .min_compress_len(settings.min_compress_len)
            .key_prefix(&settings.key_prefix);
        let builder = ring.iter().fold(builder, |builder, (server, weight)| {
            builder.weighted_server(&server.address(), *weight)
        });
        (self.rust)(builder).build().expect("a client")
    }
}

fn python_memcached_client(settings: &Settings) -> Json {
    json!({ "dead_retry": settings.dead_retry.as_secs_f64() })
}

/// What the default of the Rust client is.
pub(crate) fn python_memcached() -> Profile {
    Profile {
        python: Python::Current,
        module: "memcache",
        driver: |settings| json!({ "client": python_memcached_client(settings) }),
        rust: |builder| builder,
        many_servers: true,
        weights: true,
        integer_keys: true,
        long_integers: true,
    }
}

/// After `memcache.useOldServerHashFunction()`.
pub(crate) fn python_memcached_with_the_old_hash() -> Profile {
    let driver =
        |settings: &_| json!({ "client": python_memcached_client(settings), "old_hash": true });
    let rust = |builder: Builder| builder.key_hash(KeyHash::Crc32Whole);
    Profile { driver, rust, ..python_memcached() }
}

/// What many tutorials print. So far only its hash has its equal, not how it stores text.
pub(crate) fn python_memcached_1_58() -> Profile {
    let rust = |builder: Builder| builder.key_hash(KeyHash::Crc32NonZero);
    Profile { python: Python::Old, rust, ..python_memcached() }
}

/// pylibmc with the hash that it shares with python-memcached. Weights mean nothing to its modula.
pub(crate) fn pylibmc_with_crc() -> Profile {
    let driver = |_: &_| json!({ "client": { "behaviors": { "hash": "crc" } } });
    Profile { module: "pylibmc", driver, weights: false, integer_keys: false, ..python_memcached() }
}

/// pymemcache's plain client with the flags of python-memcached. Its serde makes text of an integer and
/// then cannot compress it, as that takes bytes.
pub(crate) fn pymemcache_of_one_server() -> Profile {
    let driver = |_: &_| json!({ "client": { "allow_unicode_keys": true }, "serde": "compressed" });
    Profile {
        module: "pymemcache",
        driver,
        many_servers: false,
        weights: false,
        integer_keys: false,
        long_integers: false,
        ..python_memcached()
    }
}
