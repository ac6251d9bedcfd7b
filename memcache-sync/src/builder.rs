use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use memcache_proto::calls::{Config, Error};

use crate::client::Client;
use crate::connector::{Connector, Sockets};
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
#[must_use]
pub struct Builder {
    config: Config,
    sessions: usize,
    connector: Arc<dyn Connector>,
}

impl Default for Builder {
    fn default() -> Self {
        Builder { config: Config::default(), sessions: 64, connector: Arc::new(Sockets) }
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

    /// What makes the connections; [`Sockets`] by default.
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connector = Arc::new(connector);
        self
    }

    /// The client. It connects when it is used.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] or [`Error::Cluster`] where the servers or the key prefix are none.
    pub fn build(self) -> Result<Client, Error> {
        let calls = self.config.build(unix_now)?;
        Ok(Client::from_pool(Pool::new(calls, self.connector, self.sessions)))
    }
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}
