use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use portable_atomic::{AtomicU64, Ordering};

use super::{Credentials, DeadServer, Retry};
use crate::routing::{
    DeadRetry, Distribution, Health, KeyHash, Route, Selector, Server, ServerIndex,
};
use crate::{Key, KeyError, Limits, MAX_KEY_LEN, Time};

/// How a [`Client`](super::Client) behaves. The names are python-memcached's where it has the setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a dead server is left alone before one operation tries it again; 30 s.
    pub dead_retry: Duration,
    /// By how much longer a server is left alone each further time that it dies without an answer in between; 1, always
    /// as long.
    pub dead_retry_factor: u32,
    /// How long a dead server is left alone at most, if that grows; 10 minutes.
    pub dead_retry_max: Duration,
    /// How long a connection with something in flight may show no progress before its server is dead; 3 s.
    pub socket_timeout: Duration,
    /// How long a connect may take, its login included, before the server is dead; `None`, as long as
    /// `socket_timeout`.
    pub connect_timeout: Option<Duration>,
    /// How long one operation may take in all, whatever progress there is; `None`, no limit.
    pub operation_timeout: Option<Duration>,
    /// Put before every key; empty. The key with its prefix is what is sent, and what is hashed.
    pub key_prefix: Vec<u8>,
    /// How the servers share the keys; as python-memcached's do.
    pub distribution: Distribution,
    /// The hash that chooses a server; python-memcached's of 1.60 and later.
    pub key_hash: KeyHash,
    /// Whether the prefix takes part in choosing a key's server; yes. The name is libmemcached's.
    pub hash_with_prefix_key: bool,
    /// How many connections there may be to one server. Less than 1 counts as 1, more than 1,024 as
    /// 1,024. Default: 1.
    pub connections_per_server: usize,
    /// Whether gets that wait for a busy connection are merged into one multi get; no. Of use where
    /// many operations share few connections. Merged or not, gets are classic ones: 50 keys take 20 µs
    /// as one multi get, and 46 µs as quiet `mg`s that an `mn` follows (memcached 1.6.18, loopback).
    pub merge_gets: bool,
    /// Whether a store, delete, incr, decr or touch, or an `ms`, `md` or `ma`, that was sent on a
    /// connection which had been idle and turned out to be closed is sent again; no, because it may be
    /// applied twice. Lookups are, `mg` among them, whatever it has the server do beside.
    pub resend_stores: bool,
    /// Which requests that failed are made again, how often, and after how long; none.
    pub retry: Retry,
    /// Whether a server that was dead is told `flush_all` before anything else is asked of it, because it
    /// may hold what has changed elsewhere meanwhile; no. Its answer is ignored.
    pub flush_on_reconnect: bool,
    /// Whether a key whose server is dead goes to another one; yes. If not, operations on it fail, or are
    /// misses where the application asked for that, until its server is back: no key is ever found on two
    /// servers. The setting matters for distributions by which a key has more than one candidate.
    pub failover: bool,
    /// Who logs in on each connection, before anything else is sent there; nobody.
    pub credentials: Option<Credentials>,
    /// How long a connection may rest before it is looked at first when it is used again; 1 ms. What the
    /// server has sent or done meanwhile (a reply too many, the end of the connection) is so found before
    /// a request is written, and the request goes out on a new connection. A look costs a system call; one
    /// that is in use all the time is never looked at.
    pub max_rest: Duration,
    /// Whether the client notes what happens between it and its servers, for
    /// [`Client::poll_notice`](super::Client::poll_notice); no.
    pub debug: bool,
    /// Whether the client keeps what it has seen of each operation, for
    /// [`Client::seen`](super::Client::seen); no.
    pub observe: bool,
    /// The bounds of everything.
    pub limits: Limits,
}

impl Settings {
    /// How long a connect may take.
    #[must_use]
    pub fn time_to_connect(&self) -> Duration {
        self.connect_timeout.unwrap_or(self.socket_timeout)
    }

    /// For how long a server that fails is left alone.
    #[must_use]
    pub fn time_of_death(&self) -> DeadRetry {
        let (first, factor) = (self.dead_retry, self.dead_retry_factor);
        DeadRetry { first, factor, max: self.dead_retry_max }
    }

    /// How long somebody has to find out about a server, before another may try: as long as a connect and a reply may
    /// take.
    pub(super) fn lease(&self) -> Duration {
        self.time_to_connect().saturating_add(self.socket_timeout)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            dead_retry: Duration::from_secs(30),
            dead_retry_factor: 1,
            dead_retry_max: Duration::from_secs(600),
            socket_timeout: Duration::from_secs(3),
            connect_timeout: None,
            operation_timeout: None,
            key_prefix: Vec::new(),
            distribution: Distribution::default(),
            key_hash: KeyHash::default(),
            hash_with_prefix_key: true,
            connections_per_server: 1,
            merge_gets: false,
            resend_stores: false,
            retry: Retry::times(0),
            flush_on_reconnect: false,
            failover: true,
            credentials: None,
            max_rest: Duration::from_millis(1),
            debug: false,
            observe: false,
            limits: Limits::default(),
        }
    }
}

/// The most connections there may be to one server, whatever the settings.
const MAX_CONNECTIONS: usize = 1024;

/// The servers, which of them a key belongs to, and what is known of their health: everything that
/// several [`Client`](super::Client)s (the sessions of one application, say) share, in an `Arc`.
///
/// ```
/// use memcache_proto::client::{Cluster, Settings};
/// use memcache_proto::routing::{Server, ServerAddress};
///
/// let servers = ["10.0.0.1", "10.0.0.2:11212"]
///     .map(|text| text.parse::<ServerAddress>().map(Server::from));
/// let servers = servers.into_iter().collect::<Result<Vec<_>, _>>()?;
/// let cluster = Cluster::new(servers, Settings::default())?;
/// assert_eq!(cluster.servers().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Cluster {
    servers: Vec<Server>,
    selector: Selector,
    health: Health,
    /// Those that have refused a login are dead here.
    logins: Health,
    settings: Settings,
    /// How many clients there have been.
    clients: AtomicU64,
}

impl Cluster {
    /// A cluster of these servers, none of them dead.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] where no server has a weight, or the key prefix can be part of no key.
    pub fn new(servers: Vec<Server>, mut settings: Settings) -> Result<Self, ClusterError> {
        // Each client has a place for each of them from the beginning.
        settings.connections_per_server = settings.connections_per_server.clamp(1, MAX_CONNECTIONS);
        if !settings.key_prefix.is_empty() {
            Key::new(&settings.key_prefix).map_err(ClusterError::KeyPrefix)?;
        }
        let selector = Selector::new(&servers, settings.distribution, settings.key_hash);
        if selector.candidate(0, 0).is_none() {
            return Err(ClusterError::NoServers);
        }
        let [health, logins] = [(); 2].map(|()| Health::new(servers.len()));
        let clients = AtomicU64::new(0);
        Ok(Cluster { servers, selector, health, logins, settings, clients })
    }

    /// The servers, in the order given.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The server of this index, one that came from this cluster.
    #[must_use]
    pub fn server(&self, index: ServerIndex) -> Option<&Server> {
        self.servers.get(index.index())
    }

    /// Which server a key belongs to.
    #[must_use]
    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// Which servers are dead.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Which servers have lately refused a login: those that are dead here.
    pub(super) fn logins(&self) -> &Health {
        &self.logins
    }

    /// Why a server is dead, and in how long it is tried again; `None` if it is not dead.
    #[must_use]
    pub fn dead(&self, server: ServerIndex, now: Time) -> Option<DeadServer> {
        let (cause, until) = self.health.death(server)?;
        (until > now).then(|| DeadServer { server, cause, retry_in: until - now })
    }

    /// In how long a login is tried again that a server has refused; `None` if it has refused none.
    #[must_use]
    pub fn login_refused(&self, server: ServerIndex, now: Time) -> Option<Duration> {
        let (_, until) = self.logins.death(server)?;
        (until > now).then(|| until - now)
    }

    /// Has every server that is left alone, as it is dead or has refused a login, tried by the next call.
    pub fn forget_dead_hosts(&self) {
        self.health.forget_dead_hosts();
        self.logins.forget_dead_hosts();
    }

    /// How the clients behave.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A number that no other client of the cluster has.
    pub(super) fn number_client(&self) -> u64 {
        self.clients.fetch_add(1, Ordering::Relaxed)
    }

    /// What chooses the server of a key as it is sent: the caller's own number, if there is one.
    pub(super) fn route<'a>(&self, key: &'a [u8], hash: Option<i64>) -> Route<'a> {
        if let Some(hash) = hash {
            return Route::Hash(hash);
        }
        match key.get(self.settings.key_prefix.len()..) {
            Some(bare) if !self.settings.hash_with_prefix_key => Route::Key(bare),
            _ => Route::Key(key),
        }
    }

    /// The servers that an operation on this key, as it is sent, may go to.
    pub(super) fn candidates<'a>(
        &'a self,
        key: &'a [u8],
        hash: Option<i64>,
    ) -> impl Iterator<Item = ServerIndex> + 'a {
        let all = if self.settings.failover { usize::MAX } else { 1 };
        self.selector.candidates(self.route(key, hash)).take(all)
    }

    /// `key` with the prefix before it, written to `space`.
    pub(super) fn wire_key<'a>(
        &self,
        key: Key<'a>,
        space: &'a mut [u8; MAX_KEY_LEN],
    ) -> Result<Key<'a>, KeyError> {
        self.wire_bytes(key.as_bytes(), space).map(Key::parsed)
    }

    /// As [`wire_key`](Self::wire_key), of any bytes.
    pub(super) fn wire_bytes<'a>(
        &self,
        key: &'a [u8],
        space: &'a mut [u8; MAX_KEY_LEN],
    ) -> Result<&'a [u8], KeyError> {
        let prefix = &self.settings.key_prefix;
        let len = prefix.len() + key.len();
        let max = self.settings.limits.server_max_key_length.min(MAX_KEY_LEN);
        if len > max {
            sometimes!("rejected, key");
            return Err(KeyError::TooLong { len, max });
        }
        if prefix.is_empty() {
            return Ok(key);
        }
        let Some(whole) = space.get_mut(..len) else {
            return Err(KeyError::TooLong { len, max });
        };
        let (head, tail) = whole.split_at_mut(prefix.len());
        head.copy_from_slice(prefix);
        tail.copy_from_slice(key);
        Ok(whole)
    }
}

/// Why there can be no such [`Cluster`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterError {
    /// There is no server with a weight above 0.
    NoServers,
    /// The key prefix can be part of no key.
    KeyPrefix(KeyError),
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClusterError::NoServers => write!(f, "there is no server with a weight above 0"),
            ClusterError::KeyPrefix(error) => write!(f, "the key prefix is no key: {error}"),
        }
    }
}

impl core::error::Error for ClusterError {}
