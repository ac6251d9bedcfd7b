use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use memcache_proto::calls::{Config, Error, Url};
use memcache_proto::client::Credentials;
use memcache_proto::routing::ServerAddress;
use memcache_proto::value::Cause;

use crate::client::Client;
use crate::connector::{Connector, Sockets};
use crate::dialing::{Dialer, Secrets};
use crate::discovery::{self, Discover, Keeper, Stop};
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
///
/// The servers and the settings may come from outside. What the program itself sets after them wins:
///
/// ```
/// use memcache_sync::{Client, Profile};
///
/// let client = Client::builder()
///     .url("memcached://10.0.0.1,10.0.0.2*2/?socket_timeout=500ms&sessions=8") // or .env()
///     .profile(Profile::Pylibmc)
///     .build()?;
/// # Ok::<(), memcache_sync::Error>(())
/// ```
#[must_use]
pub struct Builder {
    config: Config,
    sessions: usize,
    connector: Arc<dyn Connector>,
    secrets: Option<Arc<Secrets>>,
    discover: Option<Box<dyn Discover>>,
    #[cfg(feature = "tls")]
    tls: Option<memcache_tls::Tls>,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            config: Config::default(),
            sessions: 64,
            connector: Arc::new(Sockets),
            secrets: None,
            discover: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

impl Builder {
    memcache_proto::__settings!();

    /// How many threads may use the client at the same moment; others wait for their turn. Each of
    /// these sessions has a connection of its own to each server that it needs; 64.
    pub fn sessions(mut self, sessions: usize) -> Self {
        self.sessions = sessions.max(1);
        self
    }

    /// What of a URL is this crate's: how many sessions there are. What is the asynchronous client's
    /// (`connections_per_server`, `merge_gets`) is ignored.
    fn with_own_settings(self, url: &Url) -> Self {
        match url.sessions() {
            Some(sessions) => self.sessions(sessions),
            None => self,
        }
    }

    /// What makes the connections; [`Sockets`] by default.
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connector = Arc::new(connector);
        self
    }

    /// Has `secrets` say who logs in, in place of [`credentials`](Self::credentials): for passwords that change.
    /// It is asked before each connection is made, by the thread that makes it, which may wait for it; a connection
    /// that has logged in stays in.
    ///
    /// ```
    /// use memcache_sync::{Client, Credentials};
    ///
    /// let client = Client::builder()
    ///     .server("10.0.0.1")
    ///     .credentials_from(|_server| {
    ///         let password = std::fs::read_to_string("/run/secrets/memcached")?;
    ///         Ok(Credentials::new("shop", password.trim())?)
    ///     })
    ///     .build()?;
    /// # Ok::<(), memcache_sync::Error>(())
    /// ```
    ///
    /// If it fails, calls that need a connection do, with
    /// [`ConnectFailure::NoCredentials`](crate::ConnectFailure::NoCredentials) and its error as their source. No
    /// server is dead for it.
    pub fn credentials_from(
        mut self,
        secrets: impl Fn(&ServerAddress) -> Result<Credentials, Cause> + Send + Sync + 'static,
    ) -> Self {
        self.secrets = Some(Arc::new(secrets));
        self
    }

    /// Encrypts every connection with TLS, over the streams that the [`connector`](Self::connector) makes. Default:
    /// connections are not encrypted. The handshake is part of connecting, so it has to end within
    /// `connect_timeout`. If it fails, the call's error says why, and what to do about it.
    ///
    /// ```no_run
    /// use memcache_sync::{Client, Tls};
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

    /// How connections are encrypted, if they are: by what was called last.
    #[cfg(feature = "tls")]
    fn take_tls(&mut self) -> Result<Option<memcache_tls::Tls>, Error> {
        memcache_tls::Tls::take(&mut self.config, self.tls.take())
    }

    /// Has `discover` say which servers there are, [now and then](Self::discover_every), on a thread that ends with
    /// the client: a [`ClusterConfig`](crate::ClusterConfig), [`Dns`](crate::Dns), or a [`Discover`] of yours. A URL
    /// may name it, too: `memcached://config+host:port`.
    ///
    /// ```
    /// use memcache_sync::{Client, ClusterConfig, Expiry};
    /// # use memcache_sync::{proto::server::Configuration, server::Server};
    /// # let node = Server::start()?;
    /// # let servers = format!("|127.0.0.1|{}", node.port().unwrap());
    /// # let endpoint = Server::builder().configuration(Configuration { version: 1, servers }).bind("127.0.0.1:0")?;
    /// # let endpoint = endpoint.address();
    ///
    /// // "my-cluster.cfg.use1.cache.amazonaws.com:11211", say
    /// let client = Client::builder().discover(ClusterConfig::new(endpoint)).build()?;
    /// client.set("greeting", "hello", Expiry::Never)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`build`](Self::build) asks once if no server is named beside it, and fails with [`Error::Discovery`] if it
    /// learns of none. Servers that are named are used until the first answer has come.
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
    /// In a process that was forked off later nobody asks; its clients go on with the servers that they have.
    pub fn discover(mut self, discover: impl Discover) -> Self {
        self.discover = Some(Box::new(discover));
        self
    }

    /// The client. It connects when it is used; but if it has servers to [`discover`](Self::discover) and none to
    /// begin with, this asks for them, and returns when it knows them.
    ///
    /// # Errors
    ///
    /// [`Error::Address`], [`Error::Cluster`] or [`Error::Credentials`] where the servers, the key prefix or the
    /// credentials are none; [`Error::Servers`], [`Error::Url`], [`Error::Vars`] or [`Error::WithoutTls`] for what
    /// came from outside; [`Error::Discovery`] if the servers cannot be found out.
    pub fn build(mut self) -> Result<Client, Error> {
        #[cfg(feature = "tls")]
        let tls = self.take_tls()?;
        self.config.settings.retry.seed ^= RandomState::new().build_hasher().finish();
        let connector = self.connector;
        #[cfg(feature = "tls")]
        let connector = match &tls {
            Some(tls) => Arc::new(crate::tls::WithTls::new(connector, tls)),
            None => connector,
        };
        let dialer = Arc::new(Dialer { connector, secrets: self.secrets });
        // What the program says has the last word, as with everything in a URL.
        let discover = match (self.discover, self.config.discovery.source.take()) {
            (Some(discover), _) => Some(discover),
            (None, Some(source)) => Some(discovery::of_source(source)?),
            (None, None) => None,
        };
        let Some(discover) = discover else {
            let pool = Pool::new(self.config.build(unix_now)?, dialer, self.sessions);
            return Ok(Client::from_pool(Arc::new(pool)));
        };
        let keeper = Keeper::new(discover, &mut self.config, &dialer)?;
        let stop = Arc::new(Stop::default());
        let pool = Pool::new(self.config.build(unix_now)?, dialer, self.sessions);
        let pool = Arc::new(pool.stopping(stop.clone()));
        keeper.start(&pool, stop)?;
        Ok(Client::from_pool(pool))
    }
}

pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_url_sets_what_is_this_crates_and_later_calls_have_the_last_word() {
        let url = "memcached://a/?sessions=5&connections_per_server=6&merge_gets=yes&failover=no";
        let builder = Builder::default().url(url);
        assert_eq!(builder.sessions, 5);
        assert_eq!(builder.config.settings.connections_per_server, 1);
        assert!(!builder.config.settings.merge_gets);
        assert!(!builder.config.settings.failover);
        let builder = builder.sessions(7).failover(true).url("memcached://b");
        assert_eq!((builder.sessions, builder.config.servers.len()), (7, 2));
        assert!(builder.config.settings.failover);
    }

    #[test]
    fn what_is_wrong_outside_is_an_error_of_build() {
        let error = |builder: Builder| builder.build().map(drop).expect_err("it is wrong");
        let builder = Builder::default;
        assert!(matches!(error(builder().url("redis://a").server("b")), Error::Url(_)));
        assert!(matches!(error(builder().server_list("a*x").server("b")), Error::Servers(_)));
        #[cfg(not(feature = "tls"))]
        assert!(matches!(error(builder().url("memcached+tls://a")), Error::WithoutTls));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_url_may_say_how_connections_are_encrypted() {
        let encrypted = || Builder::default().url("memcached+tls://a/?tls_server_name=cache");
        assert!(encrypted().take_tls().is_ok_and(|tls| tls.is_some()));
        let own = encrypted().tls(memcache_tls::Tls::new()).take_tls().expect("settings");
        assert!(!format!("{own:?}").contains("cache"));
        let error = Builder::default().url("memcached+tls://a/?tls_ca=/no/such/file").build();
        let error = error.map(drop).expect_err("there is no such file");
        assert!(matches!(error, Error::Tls(_)), "{error}");
        assert!(error.to_string().contains("/no/such/file"), "{error}");
    }

    /// The test runs itself in a process that has the variables.
    #[test]
    fn the_environment_is_read() {
        let name = "builder::tests::the_environment_is_read";
        if std::env::var_os("MEMCACHED_TEST_INSIDE").is_some() {
            let builder = Builder::default().env();
            assert_eq!(builder.config.servers.len(), 2);
            assert!(builder.config.settings.credentials.is_some());
            return;
        }
        let program = std::env::current_exe().expect("this program");
        let output = Command::new(program)
            .args(["--exact", name])
            .env_remove("MEMCACHED_URL")
            .envs([("MEMCACHED_TEST_INSIDE", "1"), ("MEMCACHED_SERVERS", "a, b*2")])
            .envs([("MEMCACHED_USERNAME", "u"), ("MEMCACHED_PASSWORD", "p")])
            .output()
            .expect("it runs");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
    }
}
