#[cfg(doc)]
use super::{Client, Cluster};
use crate::Time;
use crate::routing::ServerIndex;

/// One connection, from its [`Action::Connect`] on. Never used for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    pub(super) server: ServerIndex,
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl ConnectionId {
    /// The server it is to; [`Cluster::server`] has the address.
    #[must_use]
    pub fn server(self) -> ServerIndex {
        self.server
    }

    /// A small number that no other connection of the client has at the same time; it is used again
    /// after. Sockets, for instance, can stand in a `Vec` under it.
    #[must_use]
    pub fn index(self) -> usize {
        self.slot as usize
    }
}

/// What an adapter is to do. Each is given once and is then the adapter's until it reports what came
/// of it; what is still to be done can also be asked with [`Client::wants`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect to the server of the connection: [`Cluster::server`] of [`ConnectionId::server`] has the
    /// address. Report with [`Client::connected`] or [`Client::connect_failed`].
    Connect {
        /// The connection to make.
        connection: ConnectionId,
        /// When [`Client::handle_timeout`] will give up waiting for it.
        deadline: Time,
    },
    /// Give this connection the socket of another client of the cluster, if one has an idle connection to the
    /// server: call [`Client::release`] on that client, then [`Client::take_over`] on this one, and give up
    /// the connect of this one if it is under way. If no client has an idle connection, do nothing: the
    /// [`Action::Connect`] of this connection follows, or its [`Action::Close`].
    ///
    /// The server has lately refused a connection, or takes long to accept this one, and others have some.
    Await(ConnectionId),
    /// Read into [`Client::receive_buffer`] without waiting. Report with [`Client::received`] (0 is EOF), or
    /// with [`Client::looked`] if there is nothing to read.
    ///
    /// The connection has rested and is needed again. Something may have come meanwhile, and
    /// [`Client::transmit`] is empty until you have looked.
    Look(ConnectionId),
    /// Close the socket, if there is one. It is given once for each connection, whatever ended it: also
    /// after [`Client::connect_failed`], [`Client::disconnected`] and EOF. So this is the one place to
    /// drop a socket. Nothing is to be reported.
    Close(ConnectionId),
    /// Write [`Client::transmit`]. Report with [`Client::transmitted`], or [`Client::disconnected`].
    /// Where the write would block report nothing, and try again when the socket is ready.
    Transmit(ConnectionId),
    /// A reply is awaited: read into [`Client::receive_buffer`]. Report with [`Client::received`], or
    /// [`Client::disconnected`]. Where the read would block report nothing, and try again when the
    /// socket is ready; 0 is EOF. Reading before it is asked for is allowed too.
    Receive(ConnectionId),
}

/// What a connection has to do at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// You must look at it before you write: see [`Action::Look`].
    pub look: bool,
    /// There is something to write.
    pub transmit: bool,
    /// A reply is awaited.
    pub receive: bool,
}
