use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use memcache_proto::Limits;
use memcache_proto::client::{Cluster, Settings};
use memcache_proto::routing::{AddressError, KeyHash, Server, ServerAddress};
use memcache_proto::value::Transcoder;

use crate::client::Client;
use crate::connector::{Connector, Sockets};
use crate::error::Error;
use crate::pool::Pool;

/// The settings of a [`Client`], by python-memcached's names where it has them.
///
/// ```
/// use std::time::Duration;
/// use memcache_sync::Client;
///
/// let client = Client::builder()
///     .server("10.0.0.1")
///     .weighted_server("10.0.0.2:11212", 2)
///     .server("unix:/run/memcached.sock")
///     .socket_timeout(Duration::from_millis(500))
///     .key_prefix("shop:")
///     .build()?;
/// # Ok::<(), memcache_sync::Error>(())
/// ```
#[must_use]
pub struct Builder {
    servers: Vec<Result<Server, AddressError>>,
    settings: Settings,
    transcoder: Transcoder,
    sessions: usize,
    connector: Arc<dyn Connector>,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            servers: Vec::new(),
            settings: Settings::default(),
            transcoder: Transcoder::default(),
            sessions: 64,
            connector: Arc::new(Sockets),
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("servers", &self.servers)
            .field("settings", &self.settings)
            .field("transcoder", &self.transcoder)
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Adds a server: `host`, `host:port`, `inet:host:port`, `inet6:[host]:port` or `unix:path`; the
    /// port is 11211 where there is none. Order matters: all clients of a cache must list the same
    /// servers in the same order.
    pub fn server(self, address: &str) -> Self {
        self.weighted_server(address, 1)
    }

    /// Adds a server that gets `weight` shares of the keys; 0 for none.
    pub fn weighted_server(mut self, address: &str, weight: i32) -> Self {
        self.servers.push(ServerAddress::parse(address).map(|address| Server { address, weight }));
        self
    }

    /// Adds servers, each of weight 1.
    pub fn servers<S: AsRef<str>>(self, addresses: impl IntoIterator<Item = S>) -> Self {
        addresses.into_iter().fold(self, |builder, address| builder.server(address.as_ref()))
    }

    /// How long a connect may take, and how long a server may show no progress before it is dead; 3 s.
    pub fn socket_timeout(mut self, timeout: Duration) -> Self {
        self.settings.socket_timeout = timeout;
        self
    }

    /// How long one call may take in all; by default as long as there is progress. Where every session
    /// is in use a call may wait as long again for one: see [`sessions`](Self::sessions).
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.settings.operation_timeout = Some(timeout);
        self
    }

    /// How long a dead server is left alone; 30 s.
    pub fn dead_retry(mut self, retry: Duration) -> Self {
        self.settings.dead_retry = retry;
        self
    }

    /// How many threads may use the client at the same moment; others wait for their turn. Each of
    /// these sessions has a connection of its own to each server that it needs; 64.
    pub fn sessions(mut self, sessions: usize) -> Self {
        self.sessions = sessions.max(1);
        self
    }

    /// Put before every key; it counts toward the 250 bytes of a key. None by default.
    pub fn key_prefix(mut self, prefix: impl AsRef<[u8]>) -> Self {
        self.settings.key_prefix = prefix.as_ref().to_vec();
        self
    }

    /// The hash that chooses a key's server; that of python-memcached 1.60 and later.
    pub fn key_hash(mut self, hash: KeyHash) -> Self {
        self.settings.key_hash = hash;
        self
    }

    /// Values of more bytes than this are compressed where it makes them shorter; 0, the default, for
    /// never.
    pub fn min_compress_len(mut self, len: usize) -> Self {
        self.transcoder.min_compress_len = len;
        self
    }

    /// Whether a store, delete, incr, decr or touch is sent again when the connection it was sent on
    /// had been closed by the server meanwhile; it may then be applied twice. No by default; reads
    /// always are.
    pub fn resend_stores(mut self, resend: bool) -> Self {
        self.settings.resend_stores = resend;
        self
    }

    /// The bounds of everything, the longest value for instance.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self.transcoder.max_inflated_len = limits.max_inflated_len;
        self
    }

    /// What makes the connections; [`Sockets`] by default.
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connector = Arc::new(connector);
        self
    }

    /// The client. It connects when it is used.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] or [`Error::Cluster`] where the servers or the key prefix are none.
    pub fn build(self) -> Result<Client, Error> {
        let servers = self.servers.into_iter().collect::<Result<Vec<_>, _>>()?;
        let cluster = Arc::new(Cluster::new(servers, self.settings)?);
        Ok(Client::from_parts(Pool::new(cluster, self.connector, self.sessions), self.transcoder))
    }
}
