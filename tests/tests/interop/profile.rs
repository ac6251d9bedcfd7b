use std::time::Duration;

use memcache_sync::{
    Builder, Client, Distribution, Integer, KeyHash, Profile as Equal, RendezvousKeys, Value,
};
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
    /// What the weights of servers may be.
    pub(crate) weights: &'static [i32],
    /// Whether a server of weight 0 or less gets no keys.
    pub(crate) weight_0_is_none: bool,
    /// Whether keys may be `bytes`. pymemcache sends a key that is text elsewhere than the same bytes.
    pub(crate) bytes_keys: bool,
    /// Whether the module's calls on many keys take integers for keys.
    pub(crate) integer_keys: bool,
    /// Whether it can store an integer of more digits than the threshold of compression.
    pub(crate) long_integers: bool,
    /// What flags tell apart.
    pub(crate) types: Types,
    /// Which values are compressed.
    pub(crate) compression: Compression,
    /// What becomes of a `bool` of Python's.
    pub(crate) bools: Bools,
    /// Whether a touch with a time of 0 does anything.
    pub(crate) touches_for_ever: bool,
}

/// What a client of Python's can tell apart when it reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Types {
    /// Text, bytes and integers.
    All,
    /// Integers and text. It stores bytes as it does text, and raises an error where they are none.
    TextAndIntegers,
    /// Nothing: it reads bytes.
    Bytes,
}

/// Which values a client of Python's compresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Those of more bytes than the threshold, but no integers.
    Above,
    /// Those of as many bytes or more, and integers too.
    From,
}

/// What a client of Python's stores for `True`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bools {
    /// The integer 1.
    Integers,
    Pickles,
    /// The word.
    Words,
}

/// What both clients of a pair are told.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) dead_retry: Duration,
    pub(crate) min_compress_len: usize,
    /// Of the Rust client alone: Python's calls are given theirs.
    pub(crate) key_prefix: String,
    /// What pylibmc calls so, and pymemcache `key_prefix`; of the Python client alone.
    pub(crate) namespace: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            dead_retry: Duration::from_secs(30),
            min_compress_len: 0,
            key_prefix: String::new(),
            namespace: String::new(),
        }
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
        if !settings.namespace.is_empty() {
            made["namespace"] = settings.namespace.clone().into();
        }
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

    /// What either side is to read where this was stored.
    pub(crate) fn read(&self, value: &Value) -> Value {
        match (self.types, value) {
            (Types::All, _) => value.clone(),
            (Types::TextAndIntegers, Value::Bytes(bytes)) => match std::str::from_utf8(bytes) {
                Ok(text) => text.into(),
                Err(_) => value.clone(),
            },
            (Types::Bytes, Value::Text(text)) => text.as_bytes().into(),
            (Types::Bytes, Value::Integer(integer)) => integer.to_string().into_bytes().into(),
            _ => value.clone(),
        }
    }

    /// What either side is to read of a counter that the server keeps as this.
    pub(crate) fn counter(&self, stored: &str) -> Value {
        match self.types {
            Types::Bytes => stored.as_bytes().into(),
            _ => stored.trim().parse::<Integer>().expect("digits").into(),
        }
    }

    /// Whether Python can store the value and read it.
    pub(crate) fn can_have(&self, value: &Value) -> bool {
        match value {
            Value::Bytes(bytes) => {
                self.types != Types::TextAndIntegers || std::str::from_utf8(bytes).is_ok()
            }
            _ => true,
        }
    }

    /// Whether a value that becomes shorter is compressed.
    pub(crate) fn compresses(&self, value: &Value, len: usize, threshold: usize) -> bool {
        match self.compression {
            Compression::Above => len > threshold && !matches!(value, Value::Integer(_)),
            Compression::From => len >= threshold,
        }
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
        rust: |builder| builder.profile(Equal::PythonMemcached),
        many_servers: true,
        weights: &[-1, 0, 1, 1, 1, 2, 3, 5, 12],
        weight_0_is_none: true,
        bytes_keys: true,
        integer_keys: true,
        long_integers: true,
        types: Types::All,
        compression: Compression::Above,
        bools: Bools::Pickles,
        touches_for_ever: true,
    }
}

/// After `memcache.useOldServerHashFunction()`.
pub(crate) fn python_memcached_with_the_old_hash() -> Profile {
    let driver =
        |settings: &_| json!({ "client": python_memcached_client(settings), "old_hash": true });
    let rust =
        |builder: Builder| builder.profile(Equal::PythonMemcached).key_hash(KeyHash::Crc32Whole);
    Profile { driver, rust, ..python_memcached() }
}

/// What many tutorials print. A touch for ever raises an error there, and so does a set of many pairs.
pub(crate) fn python_memcached_1_58() -> Profile {
    Profile {
        python: Python::Old,
        rust: |builder| builder.profile(Equal::PythonMemcached158),
        types: Types::TextAndIntegers,
        bools: Bools::Integers,
        touches_for_ever: false,
        ..python_memcached()
    }
}

fn pylibmc_behaviors(settings: &Settings) -> Json {
    json!({ "retry_timeout": settings.dead_retry.as_secs() })
}

/// As it is by default: modula, to which weights mean nothing, of one_at_a_time.
pub(crate) fn pylibmc() -> Profile {
    Profile {
        module: "pylibmc",
        driver: |settings| json!({ "client": { "behaviors": pylibmc_behaviors(settings) } }),
        rust: |builder| builder.profile(Equal::Pylibmc),
        weights: &[0, 1, 1, 2, 5],
        weight_0_is_none: false,
        integer_keys: false,
        compression: Compression::From,
        bools: Bools::Integers,
        ..python_memcached()
    }
}

/// With the hash that it shares with python-memcached.
pub(crate) fn pylibmc_with_crc() -> Profile {
    let driver = |settings: &_| {
        let mut behaviors = pylibmc_behaviors(settings);
        behaviors["hash"] = "crc".into();
        json!({ "client": { "behaviors": behaviors } })
    };
    let rust = |builder: Builder| builder.profile(Equal::Pylibmc).key_hash(KeyHash::Crc32);
    Profile { driver, rust, ..pylibmc() }
}

pub(crate) fn pylibmc_with_ketama() -> Profile {
    let driver = |settings: &_| {
        let mut behaviors = pylibmc_behaviors(settings);
        behaviors["ketama"] = true.into();
        json!({ "client": { "behaviors": behaviors } })
    };
    let rust = |builder: Builder| builder.profile(Equal::PylibmcKetama);
    Profile { driver, rust, ..pylibmc() }
}

pub(crate) fn pylibmc_with_ketama_weighted() -> Profile {
    let driver = |settings: &_| {
        let mut behaviors = pylibmc_behaviors(settings);
        behaviors["ketama_weighted"] = true.into();
        json!({ "client": { "behaviors": behaviors } })
    };
    let rust = |builder: Builder| builder.profile(Equal::PylibmcKetamaWeighted);
    Profile { driver, rust, ..pylibmc() }
}

/// pymemcache's plain client with the flags of python-memcached. Its serde makes text of an integer and
/// then cannot compress it, as that takes bytes.
pub(crate) fn pymemcache_of_one_server() -> Profile {
    Profile {
        module: "pymemcache",
        driver: |_| json!({ "client": pymemcache_client(), "serde": "compressed" }),
        rust: |builder| builder.profile(Equal::PymemcachePickle),
        many_servers: false,
        weights: &[1],
        integer_keys: false,
        long_integers: false,
        ..python_memcached()
    }
}

/// A `HashClient` that is given its keys as text, and stores bytes only.
pub(crate) fn pymemcache() -> Profile {
    Profile {
        driver: |_| json!({ "client": pymemcache_client(), "hashed": true }),
        rust: |builder| builder.profile(Equal::Pymemcache),
        many_servers: true,
        bytes_keys: false,
        long_integers: true,
        types: Types::Bytes,
        bools: Bools::Words,
        ..pymemcache_of_one_server()
    }
}

/// A `HashClient` that is given its keys as bytes, and stores bytes only.
pub(crate) fn pymemcache_with_bytes_keys() -> Profile {
    Profile {
        driver: |_| json!({ "client": pymemcache_client(), "hashed": true, "bytes_keys": true }),
        rust: |builder| builder.profile(Equal::Pymemcache).distribution(BYTES_KEYS),
        bytes_keys: true,
        ..pymemcache()
    }
}

/// A `HashClient` that is given its keys as text, with the flags of python-memcached.
pub(crate) fn pymemcache_with_pickles() -> Profile {
    let driver =
        |_: &_| json!({ "client": pymemcache_client(), "hashed": true, "serde": "compressed" });
    Profile { driver, many_servers: true, bytes_keys: false, ..pymemcache_of_one_server() }
}

/// A `HashClient` that is given its keys as bytes, with the flags of python-memcached.
pub(crate) fn pymemcache_with_pickles_and_bytes_keys() -> Profile {
    Profile {
        driver: |_| {
            let client = pymemcache_client();
            json!({ "client": client, "hashed": true, "serde": "compressed", "bytes_keys": true })
        },
        rust: |builder| builder.profile(Equal::PymemcachePickle).distribution(BYTES_KEYS),
        bytes_keys: true,
        ..pymemcache_with_pickles()
    }
}

/// A `HashClient` that drops a server at the first refused connection. By default it tries it again for
/// some two seconds, raises errors or answers that there is nothing, and only then goes elsewhere:
/// nobody can agree with that but another of its kind.
pub(crate) fn pymemcache_that_drops_dead_servers() -> Profile {
    let driver = |settings: &Settings| {
        let mut client = pymemcache_client();
        client["ignore_exc"] = true.into();
        client["retry_attempts"] = 0.into();
        client["dead_timeout"] = settings.dead_retry.as_secs_f64().into();
        json!({ "client": client, "hashed": true, "serde": "pickle" })
    };
    Profile { driver, ..pymemcache_with_pickles() }
}

const BYTES_KEYS: Distribution = Distribution::Rendezvous { keys: RendezvousKeys::Bytes };

fn pymemcache_client() -> Json {
    json!({ "allow_unicode_keys": true, "encoding": "utf8" })
}
