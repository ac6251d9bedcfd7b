//! How an idle connection of one client comes to serve another of the same cluster.

use alloc::sync::Arc;
use core::fmt;

#[cfg(doc)]
use super::Action;
use super::{Client, Cluster, ConnectionId, State};
use crate::Time;
use crate::routing::ServerIndex;

/// An open connection that its client has let go of, for another client of the same cluster: made by
/// [`Client::release`]. Keep it beside the socket, hand it to [`Client::take_over`] with that, or drop it
/// when you close the socket.
#[must_use = "it belongs to the socket of the connection"]
pub struct Released {
    cluster: Arc<Cluster>,
    server: ServerIndex,
    /// Whether it counts as an open connection to the server.
    counts: bool,
}

impl Released {
    /// The server that it is a connection to.
    #[must_use]
    pub fn server(&self) -> ServerIndex {
        self.server
    }

    /// Whether it is a connection of a client of this cluster.
    #[must_use]
    pub fn is_of(&self, cluster: &Arc<Cluster>) -> bool {
        Arc::ptr_eq(&self.cluster, cluster)
    }
}

impl Drop for Released {
    fn drop(&mut self) {
        if self.counts {
            self.cluster.health().closed(self.server);
        }
    }
}

impl fmt::Debug for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Released").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Client {
    /// Whether a connection waits for one that another client of the cluster can spare: see
    /// [`Action::Await`].
    #[must_use]
    pub fn is_waiting(&self, connection: ConnectionId) -> bool {
        let slot = self.slot(connection);
        slot.is_some_and(|slot| match slot.state {
            State::Waiting { .. } => true,
            State::Connecting { .. } => slot.awaits,
            State::Open | State::Closed => false,
        })
    }

    /// The open connection to a server that has nothing to do; `None` if there is none.
    #[must_use]
    pub fn idle_connection(&self, server: ServerIndex) -> Option<ConnectionId> {
        let mut slots = self.slots.of(self.slots_of(server));
        let idle = slots.find(|slot| slot.state == State::Open && slot.stream.connection.is_idle());
        idle.map(|slot| slot.id)
    }

    /// Lets go of an idle connection, so that its socket can serve another client of the cluster; `None` if
    /// it is not idle. The socket is yours then: there will be no [`Action::Close`] of it. Next call
    /// [`take_over`](Self::take_over) on the other client.
    pub fn release(&mut self, connection: ConnectionId) -> Option<Released> {
        let slot = self.slot_mut(connection)?;
        if slot.state != State::Open || !slot.stream.connection.is_idle() {
            return None;
        }
        sometimes!("connection released");
        slot.state = State::Closed;
        // What is known of this connection is not known of the next one.
        slot.stream.restart();
        let (cluster, server) = (self.cluster.clone(), connection.server);
        Some(Released { cluster, server, counts: true })
    }

    /// The connection that [waits](Action::Await) has the socket of this one now. Returns whether it has: if
    /// not, because it waits no more, close the socket.
    pub fn take_over(
        &mut self,
        connection: ConnectionId,
        mut released: Released,
        now: Time,
    ) -> bool {
        let fits = released.server == connection.server && released.is_of(&self.cluster);
        if !fits || !self.is_waiting(connection) {
            sometimes!("taken over too late");
            return false;
        }
        sometimes!("connection taken over");
        // The connection counts as open all the time.
        released.counts = false;
        if self.slot(connection).is_some_and(|slot| slot.state.is_connecting()) {
            self.cluster.health().not_opened(connection.server);
        }
        self.open(connection.index(), now);
        true
    }
}
