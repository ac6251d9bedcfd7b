use alloc::vec::Vec;

use super::Error;
use crate::client::{Cluster, Settings};
use crate::routing::{AddressError, Server, ServerAddress};
use crate::value::Transcoder;

/// What an adapter's builder collects, whatever the adapter.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The servers, in order.
    pub servers: Vec<Result<Server, AddressError>>,
    /// How the clients behave.
    pub settings: Settings,
    /// What is stored for a value.
    pub transcoder: Transcoder,
}

impl Config {
    /// Adds a server of this weight.
    pub fn add_server(&mut self, address: &str, weight: i32) {
        let server = ServerAddress::parse(address);
        self.servers.push(server.map(|address| Server { address, weight }));
    }

    /// The cluster, and what encodes its values.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] or [`Error::Cluster`] where the servers or the key prefix are none.
    pub fn build(self) -> Result<(Cluster, Transcoder), Error> {
        let servers = self.servers.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok((Cluster::new(servers, self.settings)?, self.transcoder))
    }
}
