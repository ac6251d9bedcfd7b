use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::{Calls, Error, KeyRules, Recache};
use crate::client::{Cluster, Credentials, CredentialsError, NoticeEvent, Settings};
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
}

impl Config {
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

    /// The calls of a client with these settings. `unix_now` gives the time in seconds since 1970; an
    /// expiry of more than 30 days is turned into a moment with it.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] or [`Error::Cluster`] where the servers or the key prefix are none, and
    /// [`Error::Credentials`] where nobody can have the credentials.
    pub fn build(
        mut self,
        unix_now: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Result<Calls, Error> {
        if let Some(error) = self.credentials_error {
            return Err(Error::Credentials(error));
        }
        let servers = self.servers.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.settings.debug |= self.debug.is_some();
        Ok(Calls {
            cluster: Arc::new(Cluster::new(servers, self.settings)?),
            transcoder: self.transcoder,
            keys: self.keys,
            unavailable_is_miss: self.unavailable_is_miss,
            cache_cas: self.cache_cas,
            recache: self.recache,
            debug: self.debug,
            unix_now: Arc::new(unix_now),
            counts: Default::default(),
        })
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
