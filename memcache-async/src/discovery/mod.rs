//! Servers that are found out, and not written down.

mod cluster_config;
mod dns;
mod keeper;
#[cfg(feature = "dns-srv")]
mod srv;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use memcache_proto::calls::{Error, discovery};
use memcache_proto::client::Settings;
use memcache_proto::discovery::{Discovered, DiscoveryError, Source};
use memcache_proto::routing::ServerAddress;
use memcache_proto::value::Cause;

use crate::builder::unix_now;
use crate::client::Client;
use crate::runtime::{AnyRuntime, Lent};
use crate::shared::Shared;

pub use cluster_config::ClusterConfig;
pub use dns::Dns;
pub(crate) use keeper::{Keeper, Stop};
#[cfg(feature = "dns-srv")]
pub use srv::Srv;

/// Knows which servers there are: a configuration endpoint ([`ClusterConfig`]), a resolver ([`Dns`]), or a
/// registry of yours. [`Builder::discover`](crate::Builder::discover) has a client ask it.
///
/// A closure that returns a future of the servers is one:
///
/// ```
/// use std::time::Duration;
/// use memcache_async::{Cause, Client, Discovered};
///
/// # let (first, second) = (memcache_sync::server::Server::start()?, memcache_sync::server::Server::start()?);
/// # let path = std::env::temp_dir().join(format!("memcache-async-servers-{}", std::process::id()));
/// # std::fs::write(&path, format!("{}\n{}\n", first.address(), second.address()))?;
/// # let file = path.clone();
/// # smol::block_on(async {
/// // A line for each server in a file that Consul Template, or a ConfigMap of Kubernetes, keeps up to date. A
/// // request over HTTP takes its place where the registry answers to one.
/// let client = Client::builder()
///     .discover(move || {
///         let file = file.clone();
///         async move {
///             let text = smol::fs::read_to_string(&file).await?;
///             Ok::<_, Cause>(Discovered::parse(text.lines())?)
///         }
///     })
///     .discover_every(Duration::from_secs(10))
///     .build_discovered()
///     .await?;
/// assert_eq!(client.version().await?.0.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Discover: Send + 'static {
    /// The servers there are now, in any order. A task of the client's own polls it, or the call of
    /// [`Builder::build_discovered`](crate::Builder::build_discovered); it is dropped when the client ends.
    /// `endpoints` connects to memcached servers as the client does.
    ///
    /// # Errors
    ///
    /// Whatever kept it from finding out. The client goes on with the servers that it has, and says so once.
    fn servers(
        &mut self,
        endpoints: &Endpoints,
    ) -> impl Future<Output = Result<Discovered, Cause>> + Send;

    /// What to call it in a log, in place of the name of a server. Default: `discovery`.
    fn name(&self) -> String {
        "discovery".into()
    }
}

impl<F, R> Discover for F
where
    F: FnMut() -> R + Send + 'static,
    R: Future<Output = Result<Discovered, Cause>> + Send,
{
    fn servers(&mut self, _: &Endpoints) -> impl Future<Output = Result<Discovered, Cause>> + Send {
        self()
    }
}

/// A [`Discover`] whose type is not told.
pub(crate) trait AnyDiscover: Send {
    fn servers<'a>(&'a mut self, endpoints: &'a Endpoints) -> Asking<'a>;

    fn name(&self) -> String;
}

/// An answer that is awaited.
pub(crate) type Asking<'a> = Pin<Box<dyn Future<Output = Result<Discovered, Cause>> + Send + 'a>>;

impl<D: Discover> AnyDiscover for D {
    fn servers<'a>(&'a mut self, endpoints: &'a Endpoints) -> Asking<'a> {
        Box::pin(Discover::servers(self, endpoints))
    }

    fn name(&self) -> String {
        Discover::name(self)
    }
}

/// Makes clients of single servers that know the others: on the same runtime, with the same TLS, login and
/// timeouts as the client that wants to know. No key ever goes to such a server.
pub struct Endpoints {
    settings: Settings,
    runtime: Arc<dyn AnyRuntime>,
}

impl Endpoints {
    pub(crate) fn new(settings: Settings, runtime: &Arc<dyn AnyRuntime>) -> Self {
        // What ends here is not the client that the runtime was given to.
        Endpoints { settings, runtime: Arc::new(Lent { runtime: runtime.clone() }) }
    }

    /// A client of the server at this address. Keep it: it has a connection. It connects when it is used, and
    /// tries again each time that it is used if it could not.
    ///
    /// # Errors
    ///
    /// Those of [`Builder::build`](crate::Builder::build).
    pub fn client(&self, address: &ServerAddress) -> Result<Client, Error> {
        let calls = discovery::endpoint(address.clone(), &self.settings, unix_now)?;
        let shared = Shared::new(Arc::new(calls), self.runtime.clone());
        Ok(Client::from_shared(shared, None))
    }

    /// The addresses of a host, as the runtime resolves it.
    ///
    /// # Errors
    ///
    /// Those of the resolver; [`io::ErrorKind::Unsupported`] if the runtime has
    /// [none](crate::Runtime::resolve).
    pub async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.runtime.clone().resolve(host.into(), port).await
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
pub(crate) fn of_source(source: Source) -> Result<Box<dyn AnyDiscover>, Error> {
    match source {
        Source::Config(address) => Ok(Box::new(ClusterConfig::of(Ok(address)))),
        Source::Dns(address) => Ok(Box::new(Dns::of(Ok(address)))),
        #[cfg(feature = "dns-srv")]
        Source::Srv(name) => Ok(Box::new(Srv::new(&name))),
        _ => Err(Error::Discovery(DiscoveryError::Unsupported)),
    }
}
