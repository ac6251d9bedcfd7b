//! How a connection comes about, and who logs in on it.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use memcache_proto::calls::NoCredentials;
use memcache_proto::client::Credentials;
use memcache_proto::routing::ServerAddress;
use memcache_proto::value::Cause;

use crate::connector::{Connector, Stream};

/// Finds out who logs in to a server.
pub(crate) type Secrets = dyn Fn(&ServerAddress) -> Result<Credentials, Cause> + Send + Sync;

/// What makes the connections.
pub(crate) struct Dialer {
    pub(crate) connector: Arc<dyn Connector>,
    /// Who logs in, if that is not the same each time.
    pub(crate) secrets: Option<Arc<Secrets>>,
}

/// A connection that has been made, and who is to log in if that is not told by the settings.
pub(crate) struct Dialed {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) credentials: Option<Credentials>,
}

impl Dialer {
    /// Connects, once it is known who logs in.
    pub(crate) fn dial(&self, address: &ServerAddress, deadline: Instant) -> io::Result<Dialed> {
        let credentials = match &self.secrets {
            Some(secrets) => {
                Some(secrets(address).map_err(|cause| io::Error::other(NoCredentials(cause)))?)
            }
            None => None,
        };
        let stream = self.connector.connect(address, deadline)?;
        Ok(Dialed { stream, credentials })
    }
}
