//! One face for every client, so that one list of scenarios tests them all.

mod asynchronous;
mod core_alone;
mod sync;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use memcache_sync::proto::client::calls::Call;
use memcache_sync::{
    CasIds, Changed, Error, Expiry, Fetched, FromValue, ItemInfo, Many, MetaItem, NoticeEvent,
    PerServer, Recache, Slabs, StatsArgument, Stored, ToKey, ToValue,
};

use crate::{Buffering, Network};

pub use asynchronous::{AsyncClient, BlockOn};
pub use core_alone::CoreAlone;
pub use sync::SyncClient;

/// What is made of a key before it is checked.
pub type Encoder = fn(&[u8]) -> Vec<u8>;

/// What a client is made of. [`Target::config`](crate::Target::config) has one to start from.
#[derive(Clone, Debug, Default)]
pub struct Config {
    servers: Vec<(String, i32)>,
    key_prefix: String,
    min_compress_len: usize,
    resend_stores: bool,
    flush_on_reconnect: bool,
    unavailable_is_miss: bool,
    unchecked_keys: bool,
    key_encoder: Option<Encoder>,
    cache_cas: usize,
    events: Option<Events>,
    recache: Recache,
    socket_timeout: Option<Duration>,
    operation_timeout: Option<Duration>,
    dead_retry: Option<Duration>,
    /// How its streams hold bytes back, if they do.
    buffering: Option<Buffering>,
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

    /// Whether a server that was dead is flushed.
    #[must_use]
    pub fn flush_on_reconnect(mut self, flush: bool) -> Self {
        self.flush_on_reconnect = flush;
        self
    }

    /// Whether a lookup on a server that is unavailable is a miss.
    #[must_use]
    pub fn unavailable_is_miss(mut self, miss: bool) -> Self {
        self.unavailable_is_miss = miss;
        self
    }

    /// Whether keys with control characters are refused.
    #[must_use]
    pub fn check_keys(mut self, check: bool) -> Self {
        self.unchecked_keys = !check;
        self
    }

    /// What is made of each key.
    #[must_use]
    pub fn key_encoder(mut self, encoder: Encoder) -> Self {
        self.key_encoder = Some(encoder);
        self
    }

    /// How many cas uniques are remembered.
    #[must_use]
    pub fn cache_cas(mut self, ids: usize) -> Self {
        self.cache_cas = ids;
        self
    }

    /// The times of `get_or_set_with`.
    #[must_use]
    pub fn recache(mut self, recache: Recache) -> Self {
        self.recache = recache;
        self
    }

    /// Where it is noted what happens between the client and its servers.
    #[must_use]
    pub fn debug(mut self, events: &Events) -> Self {
        self.events = Some(events.clone());
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

    /// Has the streams of a client with sockets hold bytes back.
    #[must_use]
    pub fn buffering(mut self, buffering: Buffering) -> Self {
        self.buffering = Some(buffering);
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

/// What happened between a client and its servers.
#[derive(Clone, Debug, Default)]
pub struct Events(Arc<Mutex<Vec<(String, NoticeEvent)>>>);

impl Events {
    /// What has been noted since this was last asked, each with its server.
    #[must_use]
    pub fn take(&self) -> Vec<(String, NoticeEvent)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, server: &str, event: &NoticeEvent) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.push((server.into(), event.clone()));
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
            .resend_stores(config.resend_stores)
            .flush_on_reconnect(config.flush_on_reconnect)
            .unavailable_is_miss(config.unavailable_is_miss)
            .check_keys(!config.unchecked_keys)
            .cache_cas(config.cache_cas)
            .recache(config.recache);
        if let Some(encoder) = config.key_encoder {
            builder = builder.key_encoder(move |key| Ok(encoder(key)));
        }
        if let Some(events) = config.events.clone() {
            builder = builder.debug(move |server, event| events.note(server, event));
        }
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
            fn get_slabs[]() -> PerServer<Slabs>;
            fn get_slab_stats[]() -> PerServer<Slabs>;
            fn update[V: FromValue, W: ToValue](
                key: impl ToKey,
                expiry: impl Into<Expiry>,
                change: impl FnMut(Option<V>) -> Option<W>
            ) -> Option<W>;
            fn gets_into[V: FromValue](ids: &mut CasIds, key: impl ToKey) -> Option<V>;
            fn cas_from[](
                ids: &CasIds, key: impl ToKey, value: impl ToValue, expiry: impl Into<Expiry>
            ) -> Stored;
            fn run[C: Call](call: C) -> C::Output;
            fn meta_get[V: FromValue](key: impl ToKey) -> Option<MetaItem<V>>;
            fn item_info[](key: impl ToKey) -> Option<ItemInfo>;
            fn meta_set[](
                key: impl ToKey, value: impl ToValue, expiry: impl Into<Expiry>
            ) -> Stored;
            fn meta_delete[](key: impl ToKey) -> Changed;
            fn invalidate[](key: impl ToKey, expiry: Option<Expiry>) -> Changed;
            fn incr_or_create[](
                key: impl ToKey, delta: u64, initial: u64, expiry: impl Into<Expiry>
            ) -> u64;
            fn decr_or_create[](
                key: impl ToKey, delta: u64, initial: u64, expiry: impl Into<Expiry>
            ) -> u64;
            fn append_or_create[](
                key: impl ToKey, value: impl ToValue, expiry: impl Into<Expiry>
            ) -> ();
            fn meta_debug[](key: impl ToKey) -> Option<String>;
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

    /// Goes on with other servers, where the client can.
    fn set_servers(&self, servers: &[(String, i32)]) -> Result<(), Error>;

    /// Closes every connection with `quit`.
    fn quit_all(&self);

    /// Room for cas uniques.
    fn cas_ids(&self) -> CasIds;

    /// How often each call has been made.
    fn call_counts(&self) -> Vec<(&'static str, u64)>;

    /// The value of a key, computed where it is not there.
    fn get_or_set<V: FromValue + ToValue>(
        &self,
        key: impl ToKey,
        expiry: impl Into<Expiry>,
        compute: impl FnOnce() -> Result<V, Error>,
    ) -> Result<Fetched<V>, Error>;

    /// The time of the client and its servers, in seconds since 1970.
    fn unix_now(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
    }

    /// The same, computed by one of all that share the cache.
    fn get_or_set_with<V: FromValue + ToValue>(
        &self,
        key: impl ToKey,
        expiry: impl Into<Expiry>,
        compute: impl FnOnce() -> Result<V, Error>,
    ) -> Result<Fetched<V>, Error>;

    /// The same without the meta commands.
    fn get_or_add<V: FromValue + ToValue>(
        &self,
        key: impl ToKey,
        expiry: impl Into<Expiry>,
        compute: impl FnOnce() -> Result<V, Error>,
    ) -> Result<Fetched<V>, Error>;

    calls! { declare [] }
}
