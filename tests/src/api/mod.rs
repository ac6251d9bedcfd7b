//! One face for every client, so that one list of scenarios tests them all.

mod asynchronous;
mod core_alone;
mod sync;

use std::collections::HashMap;
use std::hash::Hash;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use memcache_sync::{
    Error, Expiry, FromValue, Many, PerServer, StatsArgument, Stored, ToKey, ToValue,
};

use crate::Network;

pub use asynchronous::{AsyncClient, BlockOn};
pub use core_alone::CoreAlone;
pub use sync::SyncClient;

/// What a client is made of. [`Target::config`](crate::Target::config) has one to start from.
#[derive(Clone, Debug, Default)]
pub struct Config {
    servers: Vec<(String, i32)>,
    key_prefix: String,
    min_compress_len: usize,
    resend_stores: bool,
    socket_timeout: Option<Duration>,
    operation_timeout: Option<Duration>,
    dead_retry: Option<Duration>,
    /// Where the servers are, if not behind sockets.
    network: Option<Network>,
}

impl Config {
    pub(crate) fn new(network: Option<Network>) -> Self {
        Config { network, ..Config::default() }
    }

    /// Adds a server of weight 1.
    #[must_use]
    pub fn server(self, address: &str) -> Self {
        self.weighted_server(address, 1)
    }

    /// Adds a server.
    #[must_use]
    pub fn weighted_server(mut self, address: &str, weight: i32) -> Self {
        self.servers.push((address.into(), weight));
        self
    }

    /// Adds servers of weight 1.
    #[must_use]
    pub fn servers<S: AsRef<str>>(self, addresses: impl IntoIterator<Item = S>) -> Self {
        addresses.into_iter().fold(self, |config, address| config.server(address.as_ref()))
    }

    /// Put before every key.
    #[must_use]
    pub fn key_prefix(mut self, prefix: &str) -> Self {
        self.key_prefix = prefix.into();
        self
    }

    /// Values of more bytes than this are compressed.
    #[must_use]
    pub fn min_compress_len(mut self, len: usize) -> Self {
        self.min_compress_len = len;
        self
    }

    /// Whether stores are sent again.
    #[must_use]
    pub fn resend_stores(mut self, resend: bool) -> Self {
        self.resend_stores = resend;
        self
    }

    /// How long a server may show no progress.
    #[must_use]
    pub fn socket_timeout(mut self, timeout: Duration) -> Self {
        self.socket_timeout = Some(timeout);
        self
    }

    /// How long a call may take.
    #[must_use]
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.operation_timeout = Some(timeout);
        self
    }

    /// How long a dead server is left alone.
    #[must_use]
    pub fn dead_retry(mut self, retry: Duration) -> Self {
        self.dead_retry = Some(retry);
        self
    }

    /// The client.
    ///
    /// # Errors
    ///
    /// As the client's own builder.
    pub fn build<A: Api>(&self) -> Result<A, Error> {
        A::new(self)
    }
}

/// Makes tests of functions of any client ([`Api`]): each function of each module, with each client that
/// uses sockets.
#[macro_export]
macro_rules! each_client {
    ($($module:ident { $($test:ident,)* })*) => {
        mod sync_client {
            $($(#[test]
            fn $test() {
                super::$module::$test::<$crate::api::SyncClient>();
            })*)*
        }

        mod async_client {
            $($(#[test]
            fn $test() {
                super::$module::$test::<$crate::api::AsyncClient<memcache_async::Smol>>();
            })*)*
        }
    };
}

/// The builder of a client, with all that is in a [`Config`].
macro_rules! configured {
    ($builder:expr, $config:expr) => {{
        let config: &Config = $config;
        let mut builder = $builder
            .key_prefix(&config.key_prefix)
            .min_compress_len(config.min_compress_len)
            .resend_stores(config.resend_stores);
        for (address, weight) in &config.servers {
            builder = builder.weighted_server(address, *weight);
        }
        if let Some(timeout) = config.socket_timeout {
            builder = builder.socket_timeout(timeout);
        }
        if let Some(timeout) = config.operation_timeout {
            builder = builder.operation_timeout(timeout);
        }
        if let Some(retry) = config.dead_retry {
            builder = builder.dead_retry(retry);
        }
        builder
    }};
}

/// Every call of a client, once: gives each to the macro `$each`, behind `$context`.
macro_rules! calls {
    ($each:ident $context:tt) => {
        calls! { @ $each $context
            fn get[V: FromValue](key: impl ToKey) -> Option<V>;
            fn gets[V: FromValue](key: impl ToKey) -> Option<(V, u64)>;
            fn gat[V: FromValue](key: impl ToKey, expiry: impl Into<Expiry>) -> Option<V>;
            fn get_many[V: FromValue, K: ToKey + Eq + Hash](
                keys: impl IntoIterator<Item = K>
            ) -> Many<HashMap<K, V>, K>;
            fn set[](key: impl ToKey, value: impl ToValue, expiry: impl Into<Expiry>) -> ();
            fn add[](key: impl ToKey, value: impl ToValue, expiry: impl Into<Expiry>) -> bool;
            fn replace[](key: impl ToKey, value: impl ToValue, expiry: impl Into<Expiry>) -> bool;
            fn append[](key: impl ToKey, value: impl ToValue) -> bool;
            fn prepend[](key: impl ToKey, value: impl ToValue) -> bool;
            fn cas[](
                key: impl ToKey, value: impl ToValue, expiry: impl Into<Expiry>, unique: u64
            ) -> Stored;
            fn set_many[K: ToKey, V: ToValue](
                items: impl IntoIterator<Item = (K, V)>, expiry: impl Into<Expiry>
            ) -> Many<usize, K>;
            fn delete[](key: impl ToKey) -> bool;
            fn delete_many[K: ToKey](keys: impl IntoIterator<Item = K>) -> Many<usize, K>;
            fn touch[](key: impl ToKey, expiry: impl Into<Expiry>) -> bool;
            fn incr[](key: impl ToKey, delta: u64) -> Option<u64>;
            fn decr[](key: impl ToKey, delta: u64) -> Option<u64>;
            fn flush_all[]() -> PerServer<()>;
            fn flush_all_after[](delay: Duration) -> PerServer<()>;
            fn version[]() -> PerServer<String>;
            fn stats[](argument: StatsArgument<'_>) -> PerServer<Vec<(String, String)>>;
        }
    };
    (
        @ $each:ident $context:tt $(fn $name:ident[$($generics:tt)*](
            $($argument:ident: $type:ty),*
        ) -> $output:ty;)*
    ) => {
        $($each! { $context fn $name[$($generics)*]($($argument: $type),*) -> $output })*
    };
}

/// A call as [`Api`] has it.
macro_rules! declare {
    (
        [] fn $name:ident[$($generics:tt)*]($($argument:ident: $type:ty),*) -> $output:ty
    ) => {
        fn $name<$($generics)*>(&self, $($argument: $type),*) -> Result<$output, Error>;
    };
}

/// A call made by the function of its name that stands behind `$to`; `$answer` is how the result is had
/// of what that returns, which is `$call`.
macro_rules! forward {
    (
        [$self:ident, [$($to:tt)*], $call:ident => $answer:expr]
        fn $name:ident[$($generics:tt)*]($($argument:ident: $type:ty),*) -> $output:ty
    ) => {
        fn $name<$($generics)*>(&$self, $($argument: $type),*) -> Result<$output, Error> {
            let $call = $($to)* $name($($argument),*);
            $answer
        }
    };
}

use {calls, configured, forward};

/// The calls of [`memcache_sync::Client`], of any client. Asynchronous ones block until they have the
/// answer.
#[expect(missing_docs, reason = "the client's own documentation says what its calls do")]
#[expect(clippy::missing_errors_doc, reason = "so it does with their errors")]
pub trait Api: Sized + Send + Sync {
    /// What the client is called in reports.
    const NAME: &'static str;

    /// Whether calls made at the same time share a connection, which so outlives the failure of one.
    const SHARES_CONNECTIONS: bool;

    /// A client.
    fn new(config: &Config) -> Result<Self, Error>;

    /// Lets time pass, for the client and its servers.
    fn pause(&self, time: Duration) {
        thread::sleep(time);
    }

    /// Makes every server that is dead worth a try again.
    fn forget_dead_hosts(&self);

    /// The time of the client and its servers, in seconds since 1970.
    fn unix_now(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
    }

    calls! { declare [] }
}
