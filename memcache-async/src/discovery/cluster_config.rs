use memcache_proto::calls::discovery::{CLUSTER, OLDER_CLUSTER, of_cluster, of_older_cluster};
use memcache_proto::calls::{self};
use memcache_proto::discovery::{Discovered, Source};
use memcache_proto::routing::{AddressError, ServerAddress};
use memcache_proto::value::{Cause, Raw};

use super::{Discover, Endpoints};
use crate::client::Client;

/// A configuration endpoint: it is asked `config get cluster`, and tells of the servers of a cluster. Amazon's
/// `ElastiCache` and Google's `Memorystore` have one for each cluster.
///
/// It has a connection of its own, and no key goes there. Engines older than the command (before 1.4.14) are asked
/// in their own way. Of a server its host is used, and its address if it has no host.
///
/// ```no_run
/// use memcache_async::{Client, ClusterConfig};
///
/// # smol::block_on(async {
/// let client = Client::builder()
///     .discover(ClusterConfig::new("my-cluster.cfg.use1.cache.amazonaws.com:11211"))
///     .build_discovered()
///     .await?;
/// # Ok::<(), memcache_async::Error>(())
/// # });
/// ```
#[derive(Debug)]
pub struct ClusterConfig {
    address: Result<ServerAddress, AddressError>,
    client: Option<Client>,
}

impl ClusterConfig {
    /// The endpoint at this address, `host:port` for instance. Asking fails if it is not an address.
    #[must_use]
    pub fn new(address: &str) -> Self {
        Self::of(ServerAddress::parse(address))
    }

    pub(crate) fn of(address: Result<ServerAddress, AddressError>) -> Self {
        ClusterConfig { address, client: None }
    }
}

impl Discover for ClusterConfig {
    async fn servers(&mut self, endpoints: &Endpoints) -> Result<Discovered, Cause> {
        let client = match &self.client {
            Some(client) => client,
            None => {
                self.client.insert(endpoints.client(self.address.as_ref().map_err(Clone::clone)?)?)
            }
        };
        let answer = client.run(calls::config_get(CLUSTER)).await?;
        match of_cluster(answer, endpoints.limits())? {
            Some(found) => Ok(found),
            None => {
                let found = client.get::<Raw>(OLDER_CLUSTER).await?;
                Ok(of_older_cluster(found, endpoints.limits())?)
            }
        }
    }

    fn name(&self) -> String {
        let source = self.address.clone().map(Source::Config);
        source.map_or_else(|error| error.to_string(), |source| source.to_string())
    }
}
