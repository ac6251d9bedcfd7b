//! Servers that are found out, and not written down.

mod cluster_config;
mod dns;
mod keeper;
#[cfg(feature = "dns-srv")]
mod srv;

use std::fmt;
use std::sync::Arc;

use memcache_proto::calls::{Error, discovery};
use memcache_proto::client::Settings;
use memcache_proto::discovery::{Discovered, DiscoveryError, Source};
use memcache_proto::routing::ServerAddress;
use memcache_proto::value::Cause;

use crate::builder::unix_now;
use crate::client::Client;
use crate::dialing::Dialer;
use crate::pool::Pool;

pub use cluster_config::ClusterConfig;
pub use dns::Dns;
pub(crate) use keeper::{Keeper, Stop};
#[cfg(feature = "dns-srv")]
pub use srv::Srv;

/// Knows which servers there are: a configuration endpoint ([`ClusterConfig`]), a resolver ([`Dns`]), or a
/// registry of yours. [`Builder::discover`](crate::Builder::discover) has a client ask it.
///
/// A closure that returns the servers is one:
///
/// ```
/// use std::time::Duration;
/// use memcache_sync::{Cause, Client, Discovered};
///
/// # let (first, second) = (memcache_sync::server::Server::start()?, memcache_sync::server::Server::start()?);
/// # let path = std::env::temp_dir().join(format!("memcache-servers-{}", std::process::id()));
/// # std::fs::write(&path, format!("{}\n{}\n", first.address(), second.address()))?;
/// # let file = path.clone();
/// // A line for each server in a file that Consul Template, or a ConfigMap of Kubernetes, keeps up to date. A
/// // request over HTTP takes its place where the registry answers to one.
/// let client = Client::builder()
///     .discover(move || -> Result<Discovered, Cause> {
///         let text = std::fs::read_to_string(&file)?;
///         Ok(Discovered::parse(text.lines())?)
///     })
///     .discover_every(Duration::from_secs(10))
///     .build()?;
/// assert_eq!(client.version()?.0.len(), 2);
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Discover: Send + 'static {
    /// The servers there are now, in any order. It is called on a thread of the client's own, which may wait for
    /// the answer; the first time perhaps in [`Builder::build`](crate::Builder::build). `endpoints` connects to
    /// memcached servers as the client does.
    ///
    /// # Errors
    ///
    /// Whatever kept it from finding out. The client goes on with the servers that it has, and says so once.
    fn servers(&mut self, endpoints: &Endpoints) -> Result<Discovered, Cause>;

    /// What to call it in a log, in place of the name of a server. Default: `discovery`.
    fn name(&self) -> String {
        "discovery".into()
    }
}

impl<F: FnMut() -> Result<Discovered, Cause> + Send + 'static> Discover for F {
    fn servers(&mut self, _: &Endpoints) -> Result<Discovered, Cause> {
        self()
    }
}

/// Makes clients of single servers that know the others: over the same connector, with the same TLS, login and
/// timeouts as the client that wants to know. No key ever goes to such a server.
pub struct Endpoints {
    settings: Settings,
    dialer: Arc<Dialer>,
}

impl Endpoints {
    pub(crate) fn new(settings: Settings, dialer: Arc<Dialer>) -> Self {
        Endpoints { settings, dialer }
    }

    /// A client of the server at this address. Keep it: it has a connection. It connects when it is used, and
    /// tries again each time that it is used if it could not.
    ///
    /// # Errors
    ///
    /// Those of [`Builder::build`](crate::Builder::build).
    pub fn client(&self, address: &ServerAddress) -> Result<Client, Error> {
        let calls = discovery::endpoint(address.clone(), &self.settings, unix_now)?;
        Ok(Client::from_pool(Arc::new(Pool::new(calls, self.dialer.clone(), 1))))
    }

    /// The bounds that hold for what comes from elsewhere.
    #[must_use]
    pub fn limits(&self) -> &memcache_proto::Limits {
        &self.settings.limits
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Who is asked, where a URL says so.
pub(crate) fn of_source(source: Source) -> Result<Box<dyn Discover>, Error> {
    match source {
        Source::Config(address) => Ok(Box::new(ClusterConfig::of(Ok(address)))),
        Source::Dns(address) => Ok(Box::new(Dns::of(Ok(address)))),
        #[cfg(feature = "dns-srv")]
        Source::Srv(name) => Ok(Box::new(Srv::new(&name))),
        _ => Err(Error::Discovery(DiscoveryError::Unsupported)),
    }
}
