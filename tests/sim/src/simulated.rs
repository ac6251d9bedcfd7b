//! What a client has to offer so that the network can drive it.

use std::fmt;

use memcache_proto::Time;
use memcache_proto::client::{Action, Client, ConnectionId, Released};
use memcache_proto::routing::{ConnectFailure, ServerIndex};

/// A client that can be simulated: a state machine that says what it wants of the network, and is told
/// what came of it. It owns no socket and reads no clock.
///
/// It is implemented for [`memcache_proto::client::Client`]. Implement it for a client of your own, and
/// [`Network`](crate::Network) drives that against the same servers, through the same faults. The example
/// `foreign` does so with a client of sixty lines.
pub trait Simulated {
    /// A name for one connection, from the wish to connect on. No other connection of the client ever has
    /// the same.
    type Socket: Copy + Eq + fmt::Debug;
    /// What one client hands to another with an idle connection. `()` if yours never do.
    type Spare;

    /// The next thing that the client wants done; `None` if it only waits. Each is given once, and is then
    /// the network's until it reports.
    fn poll_want(&mut self, now: Time) -> Option<Want<Self::Socket>>;

    /// The connection has been made.
    fn connected(&mut self, socket: Self::Socket, now: Time);
    /// The connection could not be made.
    fn connect_failed(&mut self, socket: Self::Socket, reason: ConnectFailure, now: Time);
    /// The connection was lost: the peer has reset it.
    fn disconnected(&mut self, socket: Self::Socket, now: Time);

    /// What to write now.
    fn to_write(&mut self, socket: Self::Socket) -> &[u8];
    /// So many bytes of [`to_write`](Self::to_write) have been taken.
    fn written(&mut self, socket: Self::Socket, len: usize, now: Time);
    /// The bytes to write, handed over for good: the client counts them as written. `None` if the client
    /// has no such way of writing; then [`to_write`](Self::to_write) is used.
    fn take_to_write(&mut self, _: Self::Socket, _: Time) -> Option<Vec<u8>> {
        None
    }

    /// Where to read to; empty only if the connection is closed.
    fn to_read(&mut self, socket: Self::Socket) -> &mut [u8];
    /// Where to append what is read, in place of [`to_read`](Self::to_read), up to its capacity. `None` if the
    /// client wants nothing appended now, or never does.
    fn to_append(&mut self, _: Self::Socket) -> Option<&mut Vec<u8>> {
        None
    }
    /// So many bytes have been read to [`to_read`](Self::to_read), or appended; 0 is the end of the stream.
    fn read(&mut self, socket: Self::Socket, len: usize, now: Time);
    /// There was nothing to read on a connection that was to be [looked at](Want::Look).
    fn looked(&mut self, _: Self::Socket, _: Time) {}

    /// When [`handle_timeout`](Self::handle_timeout) is next due.
    fn poll_timeout(&self) -> Option<Time>;
    /// Gives up on what has taken too long by `now`.
    fn handle_timeout(&mut self, now: Time);

    /// An open connection to this server, of the client's own list, that has nothing to do.
    fn idle(&self, _: usize) -> Option<Self::Socket> {
        None
    }
    /// Lets go of an idle connection for another client.
    fn release(&mut self, _: Self::Socket) -> Option<Self::Spare> {
        None
    }
    /// Takes the connection of another client over, if it still wants one.
    fn take_over(&mut self, _: Self::Socket, _: Self::Spare, _: Time) -> bool {
        false
    }
}

/// What a client wants of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want<S> {
    /// Connect to this server of the client's list, by the number it has there.
    Connect(S, usize),
    /// Write what there is to write.
    Write(S),
    /// Read when something comes.
    Read(S),
    /// Read what is there already, without waiting.
    Look(S),
    /// An idle connection of another client to this server would do.
    Share(S, usize),
    /// Close the connection.
    Close(S),
}

impl Simulated for Client {
    type Socket = ConnectionId;
    type Spare = Released;

    fn poll_want(&mut self, now: Time) -> Option<Want<ConnectionId>> {
        Some(match self.poll_action(now)? {
            Action::Connect { connection, .. } => {
                Want::Connect(connection, connection.server().index())
            }
            Action::Await(connection) => Want::Share(connection, connection.server().index()),
            Action::Look(connection) => Want::Look(connection),
            Action::Close(connection) => Want::Close(connection),
            Action::Transmit(connection) => Want::Write(connection),
            Action::Receive(connection) => Want::Read(connection),
        })
    }

    fn connected(&mut self, socket: ConnectionId, now: Time) {
        Client::connected(self, socket, now);
    }

    fn connect_failed(&mut self, socket: ConnectionId, reason: ConnectFailure, now: Time) {
        Client::connect_failed(self, socket, reason, now);
    }

    fn disconnected(&mut self, socket: ConnectionId, now: Time) {
        Client::disconnected(self, socket, now);
    }

    fn to_write(&mut self, socket: ConnectionId) -> &[u8] {
        self.transmit(socket)
    }

    fn written(&mut self, socket: ConnectionId, len: usize, now: Time) {
        self.transmitted(socket, len, now);
    }

    fn take_to_write(&mut self, socket: ConnectionId, now: Time) -> Option<Vec<u8>> {
        Some(self.take_transmit(socket, now).into())
    }

    fn to_read(&mut self, socket: ConnectionId) -> &mut [u8] {
        self.receive_buffer(socket)
    }

    fn to_append(&mut self, socket: ConnectionId) -> Option<&mut Vec<u8>> {
        self.receive_spare(socket)
    }

    fn read(&mut self, socket: ConnectionId, len: usize, now: Time) {
        self.received(socket, len, now);
    }

    fn looked(&mut self, socket: ConnectionId, now: Time) {
        Client::looked(self, socket, now);
    }

    fn poll_timeout(&self) -> Option<Time> {
        Client::poll_timeout(self)
    }

    fn handle_timeout(&mut self, now: Time) {
        Client::handle_timeout(self, now);
    }

    fn idle(&self, server: usize) -> Option<ConnectionId> {
        self.idle_connection(ServerIndex::new(u32::try_from(server).ok()?))
    }

    fn release(&mut self, socket: ConnectionId) -> Option<Released> {
        Client::release(self, socket)
    }

    fn take_over(&mut self, socket: ConnectionId, spare: Released, now: Time) -> bool {
        Client::take_over(self, socket, spare, now)
    }
}
