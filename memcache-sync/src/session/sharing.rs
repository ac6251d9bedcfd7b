//! How a session comes to use the connection of another.

use std::time::Duration;

use memcache_proto::client::{Action, ConnectionId, Released};
use memcache_proto::routing::ServerIndex;

use super::Session;
use crate::pool::Pool;
use crate::socket::Socket;

/// How often a session that is also busy with other servers sees whether another can spare a connection.
const SPARE: Duration = Duration::from_millis(10);

/// A connection that a session has let go of.
pub(crate) type Spare = (Socket, Released);

impl Session {
    /// Whether there is something that the connections of other sessions matter to.
    #[inline]
    pub(super) fn needs_others(&self) -> bool {
        !self.failed.is_empty() || !self.waiting.is_empty()
    }

    /// Tells the core of connects that have failed, when the idle sessions have looked at their connections
    /// to the server; takes one of them over where the core says so. Whether there was anything to do.
    pub(super) fn ask_others(&mut self, pool: &Pool) -> bool {
        let failed = std::mem::take(&mut self.failed);
        let mut progress = !failed.is_empty();
        for (connection, reason) in failed {
            pool.look(self.client.cluster(), connection.server());
            self.client.connect_failed(connection, reason, self.now);
        }
        self.waiting.retain(|&connection| self.client.is_waiting(connection));
        for connection in self.waiting.clone() {
            if let Some(spare) = pool.spare(self.client.cluster(), connection.server()) {
                self.take_over(connection, spare);
                progress = true;
            }
        }
        progress
    }

    /// Waits until another session can spare a connection, or something else is to be done.
    pub(super) fn wait_for_others(&mut self, pool: &Pool) {
        // Whoever has what this one waits for may itself wait for what this one has.
        pool.hand_on(self);
        if !self.active.is_empty() || !self.connecting.is_empty() {
            return self.wait(Some(self.now + SPARE));
        }
        self.read_clock();
        let due = self.client.poll_timeout().map_or(SPARE, |due| due - self.now);
        let spares = pool.wait_for_spares(self.client.cluster(), &self.waiting, due);
        self.read_clock();
        for (connection, spare) in spares {
            self.take_over(connection, spare);
        }
        self.client.handle_timeout(self.now);
    }

    fn take_over(&mut self, connection: ConnectionId, (mut socket, released): Spare) {
        // The end of it may have come meanwhile.
        if !socket.has_come() && self.client.take_over(connection, released, self.now) {
            self.connecting.retain(|&connecting| connecting != connection);
            self.put(socket.handed_to(connection));
        }
    }

    /// Looks at the connection to a server, if there is one that has nothing to do.
    pub(crate) fn look_idle(&mut self, server: ServerIndex) {
        let Some(connection) = self.client.idle_connection(server) else { return };
        self.look_at(connection);
        // Nothing else is to be done of a session that rests, and what there is to tell waits: the pool is
        // locked.
        while let Some(action) = self.client.poll_action(self.now) {
            if let Action::Close(connection) = action {
                self.close(connection);
            }
        }
    }

    /// The connection to a server, if there is one that has nothing to do and is open when looked at. The
    /// session has it no more.
    pub(crate) fn give(&mut self, server: ServerIndex) -> Option<Spare> {
        self.look_idle(server);
        let connection = self.client.idle_connection(server)?;
        let place = self.sockets.get_mut(connection.index())?;
        let socket = place.take_if(|socket| socket.id == connection && !socket.is_active())?;
        match self.client.release(connection) {
            Some(released) => Some((socket, released)),
            None => {
                self.client.close_connection(connection, self.now);
                None
            }
        }
    }

    /// Whether it has a connection to this server that has nothing to do.
    pub(crate) fn can_give(&self, server: ServerIndex) -> bool {
        let at = self.client.idle_connection(server).map(ConnectionId::index);
        let socket = at.and_then(|at| self.sockets.get(at)).and_then(Option::as_ref);
        socket.is_some_and(|socket| !socket.is_active())
    }
}
