//! The whole client of many servers, without a socket, a clock or a thread.
//!
//! Operations go in with [`Client::submit`]; what to do about them comes out of
//! [`Client::poll_action`]; what came of it is reported back; outcomes come out of
//! [`Client::poll_completion`] and [`Client::take`]. The loop over `std` sockets that block, which is all
//! that one server needs:
//!
//! ```no_run
//! use std::collections::HashMap;
//! use std::io::{ErrorKind, Read, Write};
//! use std::net::{TcpStream, ToSocketAddrs};
//! use std::sync::Arc;
//! use std::time::Instant;
//!
//! use memcache_proto::client::{Action, Client, Cluster, ConnectionId, Operation, Settings};
//! use memcache_proto::routing::{ConnectFailure, Endpoint, Server, ServerAddress};
//! use memcache_proto::{Key, Time};
//!
//! fn connect(client: &Client, id: ConnectionId) -> std::io::Result<TcpStream> {
//!     let timeout = client.cluster().settings().socket_timeout;
//!     let server = client.cluster().server(id.server()).expect("it is of this cluster");
//!     let Endpoint::Tcp { host, port, .. } = server.address.endpoint() else {
//!         return Err(std::io::ErrorKind::Unsupported.into());
//!     };
//!     let address = (host, port).to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
//!     let socket = TcpStream::connect_timeout(&address, timeout)?;
//!     socket.set_read_timeout(Some(timeout))?;
//!     socket.set_write_timeout(Some(timeout))?;
//!     Ok(socket)
//! }
//!
//! let servers = vec![Server::from("127.0.0.1:11211".parse::<ServerAddress>()?)];
//! let cluster = Arc::new(Cluster::new(servers, Settings::default())?);
//! let mut client = Client::new(cluster);
//! let start = Instant::now();
//! let now = || Time::new(start.elapsed());
//! let mut sockets = HashMap::new();
//!
//! let get = Operation::Get { key: Key::new("foo")?.into(), cas: false };
//! let id = client.submit(get, now())?;
//! while !client.is_done(id) {
//!     match client.poll_action(now()) {
//!         Some(Action::Connect { connection, .. }) => {
//!             match connect(&client, connection) {
//!                 Ok(socket) => {
//!                     sockets.insert(connection, socket);
//!                     client.connected(connection, now());
//!                 }
//!                 Err(_) => client.connect_failed(connection, ConnectFailure::Other, now()),
//!             }
//!         }
//!         Some(Action::Transmit(connection)) => {
//!             let socket = sockets.get_mut(&connection).expect("it is open");
//!             match socket.write(client.transmit(connection)) {
//!                 Ok(len) => client.transmitted(connection, len, now()),
//!                 Err(_) => client.disconnected(connection, now()),
//!             }
//!         }
//!         Some(Action::Receive(connection)) => {
//!             let socket = sockets.get_mut(&connection).expect("it is open");
//!             match socket.read(client.receive_buffer(connection)) {
//!                 Ok(len) => client.received(connection, len, now()),
//!                 Err(_) => client.disconnected(connection, now()), // too slow, perhaps
//!             }
//!         }
//!         Some(Action::Look(connection)) => {
//!             let socket = sockets.get_mut(&connection).expect("it is open");
//!             socket.set_nonblocking(true)?;
//!             match socket.read(client.receive_buffer(connection)) {
//!                 Ok(len) => client.received(connection, len, now()),
//!                 Err(e) if e.kind() == ErrorKind::WouldBlock => client.looked(connection, now()),
//!                 Err(_) => client.disconnected(connection, now()),
//!             }
//!             socket.set_nonblocking(false)?;
//!         }
//!         Some(Action::Await(_)) => {} // there is no other client here
//!         Some(Action::Close(connection)) => drop(sockets.remove(&connection)),
//!         None => client.handle_timeout(now()),
//!     }
//! }
//! let item = client.take(id).expect("it is done").item()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Several servers are waited for together, so their sockets must not block. Take all actions there
//! are; try each write and read; what would block stays the adapter's until the socket is ready. Then
//! wait for the sockets, no longer than [`Client::poll_timeout`] says, and call
//! [`Client::handle_timeout`] when that has passed. memcache-sync's session is such a loop.
//!
//! # Very many keys
//!
//! [`Client::submit`] encodes all keys of an operation at once. To have memory stay as it is however many
//! keys there are, submit the first of them as an [`Operation::Part`], and give the others when there is room:
//!
//! ```
//! # use memcache_proto::Time;
//! # use memcache_proto::client::{Client, Operation, OperationId, RoutedKey};
//! /// Gives what there is room for. Call it after `submit` and whenever anything has happened since.
//! fn feed(client: &mut Client, id: OperationId, rest: &mut &[RoutedKey<'_>], now: Time) {
//!     while client.is_hungry(id) {
//!         let (keys, more) = rest.split_at(rest.len().min(1000));
//!         *rest = more;
//!         let part = Operation::GetMany { keys, cas: false };
//!         client.feed(id, if more.is_empty() { part } else { Operation::Part(&part) }, now);
//!     }
//! }
//! ```
//!
//! Take what has come on the way with [`Client::take_items`].
//!
//! # What is promised
//!
//! * An operation that was taken in completes once, with its own outcome or a [`Failure`] that says
//!   whether it may have been applied, unless it is cancelled; then it never completes.
//! * An event of a connection that is closed touches nothing: a [`ConnectionId`] is never used again.
//! * A key goes to the server that python-memcached would send it to, passing over dead servers as it
//!   does. Reads that met a connection which the server had closed while it was idle are sent again,
//!   once; stores (and `incr`, `delete`, `touch`, `ms`, `md`, `ma`) only if [`Settings::resend_stores`] asks
//!   for it. So are reads that waited behind a command at which the connection ended.
//! * What is said to be [not sent](Delivery::NotSent) never is.
//! * What failed is made again only as [`Settings::retry`] asks for: by default not at all.
//!
//! # Who is dead
//!
//! The clients of a [`Cluster`] pool what they see of each server. It is skipped for
//! [`Settings::dead_retry`] if
//!
//! * a connect failed (refused, timed out, too many open connections), it has answered none of them since
//!   that connect began, and none of them has an open connection to it, nor, if it says that it has too many,
//!   is connecting to it;
//! * a connection was silent for [`Settings::socket_timeout`], and it has answered none of them meanwhile;
//! * two connections in a row ended without a reply, each at a command that every server and every proxy
//!   knows (`get`, `gets`, the storage commands, `delete`, `incr`, `decr`) and that had not been sent before.
//!
//! Anything else fails the operations that it concerns and nothing more: what this machine ran out of, a
//! command that a proxy does not know, a connection too many. While a server refuses connections, what
//! waits for one takes over the idle connection of another client ([`Action::Await`]), or tries again, no
//! longer than `socket_timeout`. After `dead_retry` one operation finds out whether the server is back, and
//! any reply revives it.

mod action;
mod again;
mod closing;
mod cluster;
mod connecting;
mod dispatch;
mod ending;
mod exchange;
mod feeding;
mod items;
mod lines;
mod login;
mod meta;
mod nature;
mod notice;
mod operation;
mod operations;
mod outcome;
mod retry;
mod seen;
mod slots;
mod sparing;
mod stream;
mod timeouts;
mod waiter;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::Time;
use crate::codec::Chunks;
use crate::connection::CloseReason;
pub use crate::connection::Delivery;
pub use crate::credentials::{Credentials, CredentialsError};
use crate::routing::ServerIndex;
pub use crate::routing::{ConnectFailure, DeathCause};

pub use action::{Action, ConnectionId, Wants};
pub use cluster::{Cluster, ClusterError, Settings};
pub use items::{IntoIter as ItemsIntoIter, ItemRef, Items};
pub use meta::{MetaReply, MetaStatus, RoutedMeta};
pub use notice::{Notice, NoticeEvent};
pub use operation::{NewItem, Operation, Rejected, Rejection, RoutedKey};
pub use operations::OperationId;
pub use outcome::{
    DeadServer, Failure, FailureKind, Item, Many, Outcome, Reply, ServerReply, Stored,
};

pub use retry::Retry;
pub use seen::Seen;
pub use sparing::Released;

use closing::Cause;
use operations::Operations;
use retry::Later;
use slots::{Slot, Slots, State};

/// A client of a [`Cluster`] and its connections. See the [module](self) for the loop that drives it.
pub struct Client {
    cluster: Arc<Cluster>,
    slots: Slots,
    operations: Operations,
    actions: VecDeque<Action>,
    chunks: Chunks,
    notices: VecDeque<Notice>,
    /// What failed and is made again later.
    later: Later,
    /// Which client of the cluster it is.
    number: u64,
}

/// How many notices wait to be taken.
const NOTICES: usize = 256;

impl Client {
    /// A client that is connected to nothing yet. Connections are made when they are needed.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>) -> Self {
        Client {
            number: cluster.number_client(),
            slots: Slots::new(cluster.clone()),
            cluster,
            operations: Operations::default(),
            actions: VecDeque::new(),
            chunks: Chunks::new(),
            notices: VecDeque::new(),
            later: Later::default(),
        }
    }

    /// The cluster it is a client of.
    #[must_use]
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// The next thing to do; `None` where there is nothing but to wait, for the sockets or until
    /// [`poll_timeout`](Self::poll_timeout). A connect, or a server that owes nothing yet, has its time
    /// from `now` on.
    pub fn poll_action(&mut self, now: Time) -> Option<Action> {
        let Some(mut action) = self.next_action() else {
            self.slots.settle();
            return None;
        };
        match &mut action {
            Action::Connect { connection, deadline } => {
                *deadline = now + self.cluster.settings().time_to_connect();
                let slot = self.slots.get_mut(connection.index());
                if let Some(slot) = slot.filter(|slot| slot.id == *connection) {
                    if slot.state == (State::Connecting { deadline: None }) {
                        let began = *slot.began.get_or_insert(now);
                        *deadline = began + self.cluster.settings().time_to_connect();
                        let health = self.cluster.health();
                        slot.question = health.ask(slot.id.server);
                        let settings = self.cluster.settings();
                        let timeout = settings.operation_timeout.unwrap_or(Duration::MAX);
                        let patience = settings.time_to_connect().min(timeout) / connecting::SHARE;
                        let others = health.has_open(slot.id.server);
                        slot.spare_at = others.then(|| now + patience);
                        slot.state = State::Connecting { deadline: Some(*deadline) };
                    }
                }
            }
            Action::Transmit(connection) => {
                if let Some(slot) = self.slot_mut(*connection) {
                    if !slot.stream.connection.is_owed() {
                        slot.active_at = now;
                    }
                }
            }
            Action::Receive(_) | Action::Look(_) | Action::Await(_) | Action::Close(_) => {}
        }
        Some(action)
    }

    /// What was to be done on a connection that has closed since is not to be done any more.
    fn next_action(&mut self) -> Option<Action> {
        loop {
            match self.actions.pop_front()? {
                Action::Transmit(connection)
                | Action::Receive(connection)
                | Action::Look(connection)
                | Action::Await(connection)
                    if self.slot(connection).is_none() => {}
                action => return Some(action),
            }
        }
    }

    /// What a connection has to do at the moment, for adapters that ask again each time: they handle
    /// [`Action::Connect`] and [`Action::Close`] and need not look at the others.
    #[must_use]
    pub fn wants(&self, connection: ConnectionId) -> Wants {
        self.slot(connection).map_or_else(Wants::default, Slot::wants)
    }

    /// Whether a connection has been made and not been closed.
    #[must_use]
    pub fn is_open(&self, connection: ConnectionId) -> bool {
        self.slot(connection).is_some_and(|slot| slot.state == State::Open || slot.login.is_some())
    }

    /// The connection has been made. If there are [`Settings::credentials`] it logs in, and sends nothing else
    /// before the server has let it in; [`connected_as`](Self::connected_as) does so by others.
    pub fn connected(&mut self, connection: ConnectionId, now: Time) {
        if let Some(credentials) = &self.cluster.clone().settings().credentials {
            return self.connected_as(connection, credentials, now);
        }
        if self.slot(connection).is_some_and(|slot| slot.state.is_connecting()) {
            self.cluster.health().opened(connection.server);
            self.open(connection.index(), now);
        }
    }

    fn open(&mut self, at: usize, now: Time) {
        let slot = &mut self.slots[at];
        slot.state = State::Open;
        slot.active_at = now;
        (slot.why, slot.spare_at, slot.awaits) = (None, None, false);
        self.update(at);
    }

    /// The connection could not be made, for this reason. What waited for it goes to the next candidate if
    /// the server is dead by that, and else waits for another connection, or fails.
    ///
    /// A server that somebody has a working connection to is not dead. So before you call this, have the
    /// other clients of the cluster that are idle look at their
    /// [connections](Self::idle_connection) to the server: read without waiting, and report with
    /// [`received`](Self::received) what has come.
    pub fn connect_failed(&mut self, connection: ConnectionId, reason: ConnectFailure, now: Time) {
        if self.slot(connection).is_some_and(|slot| slot.state != State::Open) {
            self.close(connection.index(), Cause::Connect(reason), now);
        }
    }

    /// Closes one connection. What it has not answered fails; no server is dead for it.
    pub fn close_connection(&mut self, connection: ConnectionId, now: Time) {
        if self.slot(connection).is_some() {
            self.close(connection.index(), Cause::Asked, now);
        }
    }

    /// The connection was lost: a read or a write failed.
    pub fn disconnected(&mut self, connection: ConnectionId, now: Time) {
        if let Some(slot) = self.slot(connection) {
            let cause = match slot.login {
                Some(_) => Cause::Connect(ConnectFailure::Handshake),
                None => Cause::Stream(CloseReason::Disconnected),
            };
            self.close(connection.index(), cause, now);
        }
    }

    /// The next operation that has completed; each is told once. Next call [`take`](Self::take).
    pub fn poll_completion(&mut self) -> Option<OperationId> {
        self.operations.poll_completion()
    }

    /// Whether the operation has completed and its outcome can be taken.
    #[must_use]
    pub fn is_done(&self, operation: OperationId) -> bool {
        self.operations.is_done(operation)
    }

    /// The outcome of an operation that has completed; `None` where it has not, was cancelled, or its
    /// outcome has been taken.
    pub fn take(&mut self, operation: OperationId) -> Option<Outcome> {
        self.operations.take(operation)
    }

    /// The items that an operation on many keys has found so far. They will not be in its outcome: this is how
    /// an answer larger than you want to keep is taken piece by piece.
    pub fn take_items(&mut self, operation: OperationId) -> Items {
        let items = self.operations.take_items(operation);
        self.see_items(operation, &items);
        items
    }

    /// How many items [`take_items`](Self::take_items) would give.
    #[must_use]
    pub fn items(&self, operation: OperationId) -> usize {
        self.operations.items(operation)
    }

    /// As [`take_items`](Self::take_items), the other replies to an operation on many keys: those of
    /// [`Many::replies`].
    pub fn take_replies(&mut self, operation: OperationId) -> Vec<(usize, Reply)> {
        self.operations.take_replies(operation)
    }

    /// How many replies [`take_replies`](Self::take_replies) would give.
    #[must_use]
    pub fn replies(&self, operation: OperationId) -> usize {
        self.operations.replies(operation)
    }

    /// Forgets an operation: it never completes. What was not sent of it will not be; replies to what
    /// was are swallowed.
    pub fn cancel(&mut self, operation: OperationId) {
        self.operations.free(operation);
    }

    /// The next thing worth a line in a log, where [`Settings::debug`] is set; ask after each other
    /// call. The last 256 are kept.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    fn note(&mut self, server: ServerIndex, event: NoticeEvent) {
        if self.cluster.settings().debug {
            if self.notices.len() == NOTICES {
                self.notices.pop_front();
            }
            self.notices.push_back(Notice { server, event });
        }
    }

    fn slot(&self, connection: ConnectionId) -> Option<&Slot> {
        let slot = self.slots.get(connection.index())?;
        (slot.id == connection && slot.state != State::Closed).then_some(slot)
    }

    fn slot_mut(&mut self, connection: ConnectionId) -> Option<&mut Slot> {
        self.slot(connection)?;
        self.slots.get_mut(connection.index())
    }

    /// Gives the actions that a slot has come to need.
    fn update(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        let wants = slot.wants();
        if !slot.transmitting && (wants.look || wants.transmit) {
            slot.transmitting = true;
            sometimes!("look given", wants.look);
            let action = if wants.look { Action::Look } else { Action::Transmit };
            self.actions.push_back(action(slot.id));
        }
        if !slot.receiving && wants.receive {
            slot.receiving = true;
            self.actions.push_back(Action::Receive(slot.id));
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let health = self.cluster.health();
        for slot in self.slots.of(0..self.slots.len()) {
            match slot.state {
                State::Open => health.closed(slot.id.server),
                State::Connecting { .. } => health.not_opened(slot.id.server),
                State::Closed | State::Waiting { .. } => {}
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}
