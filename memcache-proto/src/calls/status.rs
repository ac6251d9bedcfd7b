use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::Calls;
use crate::Time;
use crate::client::{Client, DeadServer};
use crate::routing::ServerIndex;

/// How a client and its servers are at the moment: for a page that an operator looks at, or a health check. Shown as
/// text it is a line for each server.
///
/// ```
/// use memcache_proto::Time;
/// use memcache_proto::calls::Config;
///
/// let mut config = Config::default();
/// config.add_server("10.0.0.1", 1);
/// let calls = config.build(|| 1_700_000_000)?;
/// calls.mark_dead("10.0.0.1", Time::ZERO);
/// let status = calls.status(Time::from_millis(1_000));
/// assert!(status.servers[0].dead.is_some());
/// assert_eq!(
///     status.to_string(),
///     "0 calls under way, 0 waiting\n\
///      10.0.0.1:11211 (1): dead: it was marked dead by the application; it is tried again in 29.0 s\n",
/// );
/// # Ok::<(), memcache_proto::calls::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The servers, in their order.
    pub servers: Vec<ServerStatus>,
    /// How many calls are under way: of a blocking client, how many sessions are in use.
    pub calls: usize,
    /// How many calls wait for their turn: for a session, or for room on the connection of their server.
    pub waiting: usize,
}

/// How one server is, as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStatus {
    /// Its name in stats.
    pub server: String,
    /// How many connections to it are open.
    pub connections: usize,
    /// How many connections to it are being made.
    pub connecting: usize,
    /// What waits there: `None` of a blocking client, whose sessions are in the hands of the threads that use them.
    pub load: Option<Load>,
    /// Why calls pass it over, and in how long it is tried again; `None` if it is not dead.
    pub dead: Option<DeadServer>,
    /// In how long a login is tried again that it has refused; `None` if it has refused none.
    pub login_refused: Option<Duration>,
}

/// What waits at a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// How many requests wait for their replies, or to be sent.
    pub requests: usize,
    /// How many bytes they have.
    pub bytes: usize,
}

impl Calls {
    /// How the servers are, without what only an adapter knows: `calls`, `waiting` and [`ServerStatus::load`], which
    /// [`Status::with_load`] adds.
    #[must_use]
    pub fn status(&self, now: Time) -> Status {
        let cluster = self.cluster();
        let indexes = (0..cluster.servers().len()).filter_map(|at| u32::try_from(at).ok());
        let servers = indexes.map(ServerIndex::new).zip(cluster.servers()).map(|(at, server)| {
            let (connecting, connections) = cluster.health().connections(at);
            ServerStatus {
                server: server.stats_name().to_string(),
                connections,
                connecting,
                load: None,
                dead: cluster.dead(at, now),
                login_refused: cluster.login_refused(at, now),
            }
        });
        Status { servers: servers.collect(), calls: 0, waiting: 0 }
    }
}

impl Status {
    /// Adds what waits in a client.
    #[must_use]
    pub fn with_load(mut self, client: &Client) -> Self {
        for (at, status) in (0..).map(ServerIndex::new).zip(&mut self.servers) {
            let load = status.load.get_or_insert_default();
            let (requests, bytes) = client.waiting_at(at);
            (load.requests, load.bytes) = (load.requests + requests, load.bytes + bytes);
        }
        self
    }

    /// Whether no server is dead, or has refused a login.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.servers.iter().all(|it| it.dead.is_none() && it.login_refused.is_none())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} calls under way, {} waiting", self.calls, self.waiting)?;
        self.servers.iter().try_for_each(|server| writeln!(f, "{server}"))
    }
}

impl fmt::Display for ServerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.server)?;
        if let Some(dead) = &self.dead {
            return dead.fmt(f);
        }
        if let Some(retry_in) = self.login_refused {
            let seconds = retry_in.as_secs_f32();
            return write!(f, "refused the login; it is tried again in {seconds:.1} s");
        }
        write!(f, "{} connections", self.connections)?;
        if self.connecting > 0 {
            write!(f, ", {} being made", self.connecting)?;
        }
        match self.load {
            Some(Load { requests, bytes }) => {
                write!(f, ", {requests} requests of {bytes} bytes wait")
            }
            None => Ok(()),
        }
    }
}
