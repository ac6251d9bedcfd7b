use memcache_proto::discovery::{Discovered, Source};
use memcache_proto::routing::{AddressError, Endpoint, ServerAddress};
use memcache_proto::value::Cause;

use super::{Discover, Endpoints};

/// A name that resolves to all servers: each address is one, at the same port. A headless service of Kubernetes has
/// such a name.
///
/// The runtime's resolver is asked, and takes as long as it takes.
///
/// ```no_run
/// use memcache_async::{Client, Dns};
///
/// # smol::block_on(async {
/// let client = Client::builder().discover(Dns::new("cache.internal:11211")).build_discovered().await?;
/// # Ok::<(), memcache_async::Error>(())
/// # });
/// ```
#[derive(Debug)]
pub struct Dns {
    address: Result<ServerAddress, AddressError>,
}

impl Dns {
    /// The servers at all addresses of this host: `host`, `host:port`, `inet:host:port` for those of IPv4 alone,
    /// `inet6:[host]:port` for those of IPv6. Asking fails if it is none of these.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self::of(ServerAddress::parse(address))
    }

    pub(crate) fn of(address: Result<ServerAddress, AddressError>) -> Self {
        Dns { address }
    }
}

impl Discover for Dns {
    async fn servers(&mut self, endpoints: &Endpoints) -> Result<Discovered, Cause> {
        let address = self.address.as_ref().map_err(Clone::clone)?;
        let Endpoint::Tcp { host, port, .. } = address.endpoint() else {
            return Err("a Unix socket has no other addresses".into());
        };
        Ok(Discovered::of_addresses(address, endpoints.resolve(host, port).await?)?)
    }

    fn name(&self) -> String {
        let source = self.address.clone().map(Source::Dns);
        source.map_or_else(|error| error.to_string(), |source| source.to_string())
    }
}
