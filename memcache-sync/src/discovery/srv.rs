use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::Resolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::name_server::TokioConnectionProvider;
use hickory_resolver::proto::xfer::Protocol;
use memcache_proto::discovery::{Discovered, Source};
use memcache_proto::value::Cause;

use super::{Discover, Endpoints};

/// How long a name server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A name whose SRV records are the servers: each has a host and a port. Consul and Kubernetes have such names.
/// Priorities and weights are not used.
///
/// ```no_run
/// use memcache_sync::{Client, Srv};
///
/// let client = Client::builder().discover(Srv::new("_memcache._tcp.example.org")).build()?;
/// # Ok::<(), memcache_sync::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Srv {
    name: String,
    name_server: Option<SocketAddr>,
}

impl Srv {
    /// The servers of this name, by the name servers of the system.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Srv { name: name.into(), name_server: None }
    }

    /// Asks this name server: `127.0.0.1:8600` of Consul, say. Default: those of the system.
    #[must_use]
    pub fn name_server(mut self, address: SocketAddr) -> Self {
        self.name_server = Some(address);
        self
    }

    /// Looks the name up, and waits for the answer.
    ///
    /// # Errors
    ///
    /// Those of the resolver.
    #[doc(hidden)]
    pub fn look_up(&self) -> Result<Discovered, Cause> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Made anew each time: it keeps nothing that may have changed.
        let mut resolver = match self.name_server {
            None => Resolver::builder_tokio()?,
            Some(address) => {
                let mut config = ResolverConfig::new();
                config.add_name_server(NameServerConfig::new(address, Protocol::Udp));
                config.add_name_server(NameServerConfig::new(address, Protocol::Tcp));
                Resolver::builder_with_config(config, TokioConnectionProvider::default())
            }
        };
        resolver.options_mut().timeout = TIMEOUT;
        let found = runtime.block_on(resolver.build().srv_lookup(&*self.name))?;
        let records = found.iter().map(|record| (record.target().to_string(), record.port()));
        Ok(Discovered::of_srv(records)?)
    }
}

impl Discover for Srv {
    fn servers(&mut self, _: &Endpoints) -> Result<Discovered, Cause> {
        self.look_up()
    }

    fn name(&self) -> String {
        Source::Srv(self.name.as_str().into()).to_string()
    }
}
