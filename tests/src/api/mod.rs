//! One face for every client, so that one list of scenarios tests them all.

mod asynchronous;
mod client;
mod core_alone;
mod erased;
mod face;
mod sync;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use memcache_sync::proto::calls::Call;
use memcache_sync::{
    CasIds, Changed, Error, Expiry, FailedKey, Fetched, FromValue, ItemInfo, Many, MetaItem,
    NoticeEvent, PerServer, Recache, Slabs, StatsArgument, Stored, Tls, ToKey, ToValue,
};

use crate::{Buffering, Network};
use erased::{Erased, Numbered, reading};
use face::{Compute, calls, forward};

pub use asynchronous::{AsyncClient, BlockOn};
pub use client::Client;
pub use core_alone::CoreAlone;
pub use face::{Face, Run};
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
    /// How its connections are encrypted, if they are.
    tls: Option<Tls>,
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

    /// Has a client with sockets encrypt its connections.
    #[must_use]
    pub fn tls(mut self, tls: &Tls) -> Self {
        self.tls = Some(tls.clone());
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

/// Makes a type a [`Client`] with a name.
macro_rules! is_a_client {
    ([$($generics:tt)*] $type:ty) => { is_a_client!([$($generics)*] $type { 0 }); };
    ([$($generics:tt)*] $type:ty { $client:tt }) => {
        impl $($generics)* Deref for $type {
            type Target = Client;

            fn deref(&self) -> &Client {
                &self.$client
            }
        }

        impl $($generics)* From<$type> for Client {
            fn from(client: $type) -> Client {
                client.$client
            }
        }
    };
}

use {configured, is_a_client};

/// A kind of client. Its calls are those of [`Client`].
pub trait Api: Deref<Target = Client> + Into<Client> + Send + Sync {
    /// What the client is called in reports.
    const NAME: &'static str;

    /// Whether calls made at the same time share a connection, which so outlives the failure of one.
    const SHARES_CONNECTIONS: bool;

    /// A client.
    ///
    /// # Errors
    ///
    /// As the client's own builder.
    fn new(config: &Config) -> Result<Self, Error>;
}
