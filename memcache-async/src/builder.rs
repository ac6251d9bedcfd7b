use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use memcache_proto::calls::{Config, Error, Url};
use memcache_proto::client::Credentials;
use memcache_proto::discovery::DiscoveryError;
use memcache_proto::routing::ServerAddress;
use memcache_proto::value::Cause;

use crate::client::Client;
use crate::connection::Connection;
use crate::discovery::{self, AnyDiscover, Discover, Keeper, Stop};
use crate::driver::{Driver, Tasks};
use crate::runtime::{AnyRuntime, Polled, Runtime, Secrets, Spawn, Spawned, WithSecrets};
use crate::shared::Shared;

/// The settings of a [`Client`], by python-memcached's names where it has them.
///
/// ```
/// use std::time::Duration;
/// use memcache_async::Client;
///
/// let client = Client::builder()
///     .server("10.0.0.1")
///     .weighted_server("10.0.0.2:11212", 2)
///     .server("unix:/run/memcached.sock")
///     .socket_timeout(Duration::from_millis(500))
///     .key_prefix("shop:")
///     .build()?;
/// # Ok::<(), memcache_async::Error>(())
/// ```
///
/// The servers and the settings may come from outside. What the program itself sets after them wins. On
/// tokio begin with `Client::tokio_builder()`.
///
/// ```
/// use memcache_async::{Client, Profile};
///
/// let client = Client::builder()
///     .url("memcached://10.0.0.1,10.0.0.2*2/?socket_timeout=500ms&connections_per_server=2") // or .env()
///     .profile(Profile::Pylibmc)
///     .build()?;
/// # Ok::<(), memcache_async::Error>(())
/// ```
#[must_use]
pub struct Builder<R> {
    runtime: R,
    config: Config,
    secrets: Option<Arc<Secrets>>,
    discover: Option<Box<dyn AnyDiscover>>,
    #[cfg(feature = "tls")]
    tls: Option<memcache_tls::Tls>,
}

impl<R> Builder<R> {
    /// The settings of a client to be, on this runtime. A [`Connection`] needs none:
    /// [`Connection::builder`] has its settings.
    pub fn new(runtime: R) -> Self {
        let mut config = Config::default();
        config.settings.merge_gets = true;
        Builder {
            runtime,
            config,
            secrets: None,
            discover: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    memcache_proto::__settings!();

    /// How many connections there may be to one server, up to 1,024. Default: 1, which is enough for
    /// thousands of tasks. More are of use where large values would hold up small ones.
    pub fn connections_per_server(mut self, connections: usize) -> Self {
        self.config.settings.connections_per_server = connections.max(1);
        self
    }

    /// Whether gets that wait while their connection is busy are merged into one get of many keys; yes
    /// by default, as servers answer that several times as fast.
    pub fn merge_gets(mut self, merge: bool) -> Self {
        self.config.settings.merge_gets = merge;
        self
    }

    /// What of a URL is this crate's. What is the client's on threads (`sessions`) is ignored.
    fn with_own_settings(mut self, url: &Url) -> Self {
        if let Some(connections) = url.connections_per_server() {
            self = self.connections_per_server(connections);
        }
        match url.merge_gets() {
            Some(merge) => self.merge_gets(merge),
            None => self,
        }
    }

    /// Encrypts every connection with TLS, over the streams that the runtime makes. Default: connections are not
    /// encrypted. The handshake is part of connecting, so it has to end within `connect_timeout`. If it fails, the
    /// call's error says why, and what to do about it. It has no effect on [`over`](Self::over).
    ///
    /// ```no_run
    /// use memcache_async::{Client, Tls};
    ///
    /// let tls = Tls::new().ca_file("/etc/memcached/ca.pem")?;
    /// let client = Client::builder().server("cache.example.org").tls(tls).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: memcache_tls::Tls) -> Self {
        (self.tls, self.config.tls) = (Some(tls), None);
        self
    }

    /// A connection over a stream of the caller's own, with these settings. The runtime and the timeouts
    /// play no part, nor do the servers, but for the name of the first in errors.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] or [`Error::Cluster`] where that server or the key prefix is none.
    pub fn over<S>(self, stream: S) -> Result<Connection<S>, Error> {
        Connection::with_config(stream, self.config)
    }
}

impl<R: Runtime> Builder<R> {
    /// Has `secrets` say who logs in, in place of [`credentials`](Self::credentials): for passwords that change.
    /// It is asked before each connection is made, and may take its time, up to `socket_timeout` with the connect;
    /// a connection that has logged in stays in.
    ///
    /// ```
    /// use memcache_async::{Client, Credentials};
    ///
    /// # async fn password_of(_user: &str) -> std::io::Result<String> { Ok("secret".into()) }
    /// let client = Client::builder()
    ///     .server("10.0.0.1")
    ///     .credentials_from(|_server| async {
    ///         let password = password_of("shop").await?;
    ///         Ok(Credentials::new("shop", password)?)
    ///     })
    ///     .build()?;
    /// # Ok::<(), memcache_async::Error>(())
    /// ```
    ///
    /// If it fails, calls that need a connection do, with
    /// [`ConnectFailure::NoCredentials`](crate::ConnectFailure::NoCredentials) and its error as their source. No
    /// server is dead for it.
    pub fn credentials_from<F>(
        mut self,
        secrets: impl Fn(ServerAddress) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Credentials, Cause>> + Send + 'static,
    {
        self.secrets = Some(Arc::new(move |server| Box::pin(secrets(server))));
        self
    }

    /// Has `discover` say which servers there are, [now and then](Self::discover_every), as one more future of the
    /// runtime's, which ends with the client: a [`ClusterConfig`](crate::ClusterConfig), [`Dns`](crate::Dns), or a
    /// [`Discover`] of yours. A URL may name it, too: `memcached://config+host:port`.
    ///
    /// ```
    /// use memcache_async::{Client, ClusterConfig, Expiry};
    /// # use memcache_sync::{proto::server::Configuration, server::Server};
    /// # let node = Server::start()?;
    /// # let servers = format!("|127.0.0.1|{}", node.port().unwrap());
    /// # let endpoint = Server::builder().configuration(Configuration { version: 1, servers }).bind("127.0.0.1:0")?;
    /// # let endpoint = endpoint.address();
    ///
    /// # smol::block_on(async {
    /// // "my-cluster.cfg.use1.cache.amazonaws.com:11211", say
    /// let client = Client::builder().discover(ClusterConfig::new(endpoint)).build_discovered().await?;
    /// client.set("greeting", "hello", Expiry::Never).await?;
    /// # Ok::<(), memcache_async::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Somebody has to be asked before there are servers: [`build_discovered`](Self::build_discovered) does that.
    /// If servers are named beside it, [`build`](Self::build) does, too: they are used until the first answer has
    /// come.
    ///
    /// Another list than the last is gone on with as by [`set_servers`](Client::set_servers): calls that have begun
    /// end with the servers that they began with, and none is lost. Keys of servers that come or go move, as with
    /// any change of servers; with [`Distribution::Ketama`](crate::Distribution::Ketama) the fewest do. Servers are
    /// sorted by address, so the order of a list moves nothing.
    ///
    /// A list that cannot be had, cannot be read, is empty, longer than
    /// [`Limits::max_servers`](crate::Limits::max_servers) or older than the last is refused: the client goes on
    /// with the servers that it has, and [`debug`](Self::debug) is told once, until a list has been taken again.
    ///
    /// It has no effect on [`over`](Self::over).
    pub fn discover(mut self, discover: impl Discover) -> Self {
        self.discover = Some(Box::new(discover));
        self
    }

    /// The client, once it is known which servers there are: those that [`discover`](Self::discover), or a URL, has
    /// it find out are asked for first. Without either it is [`build`](Self::build).
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build), and [`Error::Discovery`] if the servers cannot be found out and none are named
    /// beside.
    pub async fn build_discovered(self) -> Result<Client, Error>
    where
        R: Spawn,
    {
        let mut ready = self.prepare(|runtime| Arc::new(Spawned(runtime)))?;
        if let Some(keeper) = &mut ready.keeper {
            keeper.begin(&mut ready.config).await?;
        }
        ready.build()
    }

    /// The client. It connects when it is used, and has the runtime poll its drivers.
    ///
    /// # Errors
    ///
    /// [`Error::Address`], [`Error::Cluster`] or [`Error::Credentials`] where the servers, the key prefix or the
    /// credentials are none; [`Error::Servers`], [`Error::Url`], [`Error::Vars`] or [`Error::WithoutTls`] for what
    /// came from outside; [`Error::Discovery`] if it has to find out about its servers before it can be used: that is
    /// [`build_discovered`](Self::build_discovered).
    pub fn build(self) -> Result<Client, Error>
    where
        R: Spawn,
    {
        self.prepare(|runtime| Arc::new(Spawned(runtime)))?.build()
    }

    /// The client, and the future that drives its connections: somebody has to poll it for as long as
    /// the client is used.
    ///
    /// ```
    /// use memcache_async::{Client, Expiry};
    /// use smol::future::zip;
    ///
    /// # let server = memcache_sync::server::Server::start()?;
    /// # let address = server.address().to_string();
    /// let (client, driver) = Client::builder().server(&address).build_with_driver()?;
    /// let work = async {
    ///     client.set("a", 1, Expiry::Never).await?;
    ///     let found = client.get::<u8>("a").await?;
    ///     client.close().await; // which ends the driver
    ///     Ok::<_, memcache_async::Error>(found)
    /// };
    /// let (found, ()) = smol::block_on(zip(work, driver));
    /// assert_eq!(found?, Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_with_driver(self) -> Result<(Client, Driver), Error> {
        let tasks = Arc::new(Tasks::default());
        let polled = tasks.clone();
        let client =
            self.prepare(|runtime| Arc::new(Polled { runtime, tasks: polled }))?.build()?;
        Ok((client, Driver::new(tasks)))
    }

    /// All that a client is made of, on what `any` makes of the runtime.
    fn prepare(mut self, any: impl FnOnce(R) -> Arc<dyn AnyRuntime>) -> Result<Ready, Error> {
        #[cfg(feature = "tls")]
        let tls = memcache_tls::Tls::take(&mut self.config, self.tls.take())?;
        self.config.settings.retry.seed ^= RandomState::new().build_hasher().finish();
        let runtime = any(self.runtime);
        #[cfg(feature = "tls")]
        let runtime = crate::tls::secured(runtime, tls.as_ref());
        let runtime: Arc<dyn AnyRuntime> = match self.secrets {
            Some(secrets) => Arc::new(WithSecrets { runtime, secrets }),
            None => runtime,
        };
        // What the program says has the last word, as with everything in a URL.
        let discover = match (self.discover, self.config.discovery.source.take()) {
            (Some(discover), _) => Some(discover),
            (None, Some(source)) => Some(discovery::of_source(source)?),
            (None, None) => None,
        };
        let keeper =
            discover.map(|discover| Keeper::new(discover, &self.config, &runtime)).transpose()?;
        Ok(Ready { config: self.config, runtime, keeper })
    }
}

/// What a client is made of.
struct Ready {
    config: Config,
    runtime: Arc<dyn AnyRuntime>,
    keeper: Option<Keeper>,
}

impl Ready {
    fn build(self) -> Result<Client, Error> {
        let Ready { config, runtime, keeper } = self;
        if keeper.is_some() && config.servers.is_empty() {
            return Err(Error::Discovery(DiscoveryError::NotAsked));
        }
        let shared = Shared::new(Arc::new(config.build(unix_now)?), runtime.clone());
        let Some(keeper) = keeper else { return Ok(Client::from_shared(shared, None)) };
        let stop = Arc::new(Stop::default());
        let client = Client::from_shared(shared, Some(stop.clone()));
        runtime.spawn(Box::pin(keeper.keep(client.downgrade(), stop)));
        Ok(client)
    }
}

pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

impl<R> fmt::Debug for Builder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("config", &self.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stream of the caller's own carries is not encrypted, so it is not for a URL that asks for that.
    #[test]
    fn a_stream_of_ones_own_is_no_tls() {
        let builder = Builder::new(()).url("memcached+tls://a");
        assert!(matches!(builder.over(()), Err(Error::WithoutTls)));
    }

    #[test]
    fn a_url_sets_what_is_this_crates_and_nothing_that_it_does_not_name() {
        let url = "memcached://a/?sessions=5&connections_per_server=6&merge_gets=no&failover=no";
        let settings = Builder::new(()).url(url).config.settings;
        assert_eq!((settings.connections_per_server, settings.merge_gets), (6, false));
        assert!(!settings.failover);
        let settings = Builder::new(()).url("memcached://a").config.settings;
        assert_eq!((settings.connections_per_server, settings.merge_gets), (1, true));
    }
}
