use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::discovery::DiscoverySettings;
use super::{
    Calls, Error, KeyRules, Observation, Observer, Recache, ServerList, Url, UrlError, UrlTls,
    VarsError,
};
use crate::client::{Cluster, Credentials, CredentialsError, NoticeEvent, Settings};
use crate::discovery::DiscoveryError;
use crate::routing::{AddressError, Server, ServerAddress};
use crate::value::Transcoder;

/// Who is told what happens between a client and its servers: the server by its name in stats, and what
/// happened.
pub type DebugHook = Arc<dyn Fn(&str, &NoticeEvent) + Send + Sync>;

/// What an adapter's builder collects, whatever the adapter. [`build`](Self::build) makes the calls of
/// it.
#[derive(Clone, Default)]
pub struct Config {
    /// The servers, in order.
    pub servers: Vec<Result<Server, AddressError>>,
    /// How the clients behave.
    pub settings: Settings,
    /// What is stored for a value.
    pub transcoder: Transcoder,
    /// How the caller's keys become keys that can be sent.
    pub keys: KeyRules,
    /// Whether a lookup on a server that is unavailable is a miss; no.
    pub unavailable_is_miss: bool,
    /// How many cas uniques a [`CasIds`](super::CasIds) of the client remembers; 0, none.
    pub cache_cas: usize,
    /// The times of `get_or_set_with`.
    pub recache: Recache,
    /// What is wrong with the credentials that were given; nothing.
    pub credentials_error: Option<CredentialsError>,
    /// Who is told what happens between the clients and their servers; nobody.
    pub debug: Option<DebugHook>,
    /// Who is told of the calls. Default: nobody.
    pub observers: Vec<Observer>,
    /// What a URL says of TLS. Default: `None`, no TLS.
    ///
    /// An adapter that can do TLS takes this out (`config.tls.take()`) and connects by it. If it is still here,
    /// [`build`](Self::build) fails, so that what should be encrypted is never sent plain.
    pub tls: Option<UrlTls>,
    /// How the servers are found that are not named here.
    pub discovery: DiscoverySettings,
    /// An error that has been found already: [`build`](Self::build) returns it. Default: `None`.
    pub error: Option<Error>,
}

impl Config {
    /// The servers, the login and the settings of a URL, over the defaults: [`Url::parse`] and
    /// [`Url::apply`].
    ///
    /// ```
    /// use memcache_proto::calls::Config;
    ///
    /// let config = Config::from_url("memcached://10.0.0.1,10.0.0.2*2/?socket_timeout=500ms")?;
    /// assert_eq!(config.servers.len(), 2);
    /// assert_eq!(config.settings.socket_timeout.as_millis(), 500);
    /// # Ok::<(), memcache_proto::calls::UrlError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`UrlError`] says what is wrong with the URL, and where.
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
        let mut config = Config::default();
        Url::parse(url)?.apply(&mut config);
        Ok(config)
    }

    /// The servers, the login and the settings that environment variables name, over the defaults:
    /// [`Url::from_vars`] and [`Url::apply`]. `lookup` returns the value of a variable.
    ///
    /// # Errors
    ///
    /// [`VarsError`] says which variable is missing, or what is wrong with it.
    pub fn from_vars<V: AsRef<[u8]>>(
        lookup: impl Fn(&str) -> Option<V>,
    ) -> Result<Self, VarsError> {
        let mut config = Config::default();
        Url::from_vars(lookup)?.apply(&mut config);
        Ok(config)
    }

    /// Adds a server of this weight.
    pub fn add_server(&mut self, address: &str, weight: i32) {
        self.servers.push((address, weight).to_server());
    }

    /// Sets who logs in. If nobody can have such credentials [`build`](Self::build) says so.
    pub fn set_credentials(&mut self, user: &str, password: &str) {
        let credentials = Credentials::new(user, password);
        self.credentials_error = credentials.as_ref().err().copied();
        self.settings.credentials = credentials.ok();
    }

    /// Adds the servers of a text that is a [`ServerList`]. If it is not, [`build`](Self::build) fails.
    pub fn add_server_list(&mut self, servers: &str) {
        match ServerList::parse(servers) {
            Ok(list) => self.servers.extend(list.into_iter().map(Ok)),
            Err(error) => self.fail(Error::Servers(error)),
        }
    }

    /// Has `observe` told what came of each call.
    pub fn observe(&mut self, observe: impl Fn(&Observation<'_>) + Send + Sync + 'static) {
        self.observers.push(super::observe::of_ends(observe));
    }

    /// Has [`build`](Self::build) return this error, unless there is an earlier one.
    pub fn fail(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    /// The calls of a client with these settings. `unix_now` gives the time in seconds since 1970; an
    /// expiry of more than 30 days is turned into a moment with it.
    ///
    /// # Errors
    ///
    /// | error | if |
    /// |---|---|
    /// | [`Error::Credentials`] | no server can know the user or the password |
    /// | the one in [`error`](Self::error) | there is one |
    /// | [`Error::WithoutTls`] | [`tls`](Self::tls) has not been taken out |
    /// | [`Error::Discovery`] | the source of [`discovery`](Self::discovery) has not been taken out |
    /// | [`Error::Address`] | the address of a server is not an address |
    /// | [`Error::Cluster`] | no server has a weight, or no key can begin with the prefix |
    pub fn build(
        mut self,
        unix_now: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Result<Calls, Error> {
        self.check()?;
        let servers = self.servers.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.settings.debug |= self.debug.is_some();
        self.settings.observe |= !self.observers.is_empty();
        Ok(Calls {
            cluster: Arc::new(Cluster::new(servers, self.settings)?),
            transcoder: self.transcoder,
            keys: self.keys,
            unavailable_is_miss: self.unavailable_is_miss,
            cache_cas: self.cache_cas,
            recache: self.recache,
            debug: self.debug,
            observers: self.observers,
            unix_now: Arc::new(unix_now),
            counts: Default::default(),
        })
    }
}

impl Config {
    /// Whether anything is wrong but for the servers: an adapter that asks somebody for those looks first.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn check(&self) -> Result<(), Error> {
        if let Some(error) = self.credentials_error {
            return Err(Error::Credentials(error));
        }
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        if self.tls.is_some() {
            return Err(Error::WithoutTls);
        }
        match self.discovery.source {
            Some(_) => Err(Error::Discovery(DiscoveryError::Unsupported)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("servers", &self.servers)
            .field("settings", &self.settings)
            .field("transcoder", &self.transcoder)
            .field("keys", &self.keys)
            .field("unavailable_is_miss", &self.unavailable_is_miss)
            .field("cache_cas", &self.cache_cas)
            .field("recache", &self.recache)
            .field("tls", &self.tls)
            .field("discovery", &self.discovery)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

/// What names a server: its address, of weight 1, or a pair of its address and its weight.
///
/// ```
/// use memcache_proto::calls::ToServer;
///
/// assert_eq!(("10.0.0.1", 3).to_server()?.weight, 3);
/// assert_eq!("unix:/run/memcached.sock".to_server()?.weight, 1);
/// # Ok::<(), memcache_proto::routing::AddressError>(())
/// ```
pub trait ToServer {
    /// The server.
    ///
    /// # Errors
    ///
    /// [`AddressError`] where the address is none.
    fn to_server(&self) -> Result<Server, AddressError>;
}

impl ToServer for str {
    fn to_server(&self) -> Result<Server, AddressError> {
        ServerAddress::parse(self).map(Server::from)
    }
}

impl ToServer for alloc::string::String {
    fn to_server(&self) -> Result<Server, AddressError> {
        self.as_str().to_server()
    }
}

impl ToServer for Server {
    fn to_server(&self) -> Result<Server, AddressError> {
        Ok(self.clone())
    }
}

impl<S: AsRef<str>> ToServer for (S, i32) {
    fn to_server(&self) -> Result<Server, AddressError> {
        let address = ServerAddress::parse(self.0.as_ref())?;
        Ok(Server { address, weight: self.1 })
    }
}

impl<S: ToServer + ?Sized> ToServer for &S {
    fn to_server(&self) -> Result<Server, AddressError> {
        (**self).to_server()
    }
}
