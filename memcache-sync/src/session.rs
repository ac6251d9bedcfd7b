//! One core client and its sockets. It does what the core asks for and decides nothing.

mod connecting;
mod sharing;

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memcache_proto::calls::{Calls, Source};
use memcache_proto::client::{
    Action, Client, Cluster, ConnectionId, Operation, OperationId, Outcome, Rejected,
};
use memcache_proto::routing::{ConnectFailure, ServerIndex};
use memcache_proto::{Origin, Time};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::dialing::Dialer;
use crate::pool::Pool;
use crate::process::Process;
use crate::socket::Socket;
use connecting::Connects;
pub(crate) use sharing::Spare;

/// A write of at most this many bytes to a connection that owes nothing fits every socket's buffer, so
/// it may block; a longer one might wait for a server that itself waits to be read.
const BLOCKING_WRITE: usize = 32 << 10;

/// How long a stream that would not read is left alone, unless it can write before.
const REFUSED: Duration = Duration::from_millis(10);

/// As good as never, in what the system and [`Instant`] can hold: a longer timeout is cut to this.
const FAR: Duration = Duration::from_secs(365 * 86_400);

pub(crate) struct Session {
    pub(crate) client: Client,
    calls: Calls,
    dialer: Arc<Dialer>,
    origin: Origin,
    /// The time as it was last read from the clock.
    now: Time,
    /// When the operation that is under way is to end, if that is not told by the settings.
    until: Option<Time>,
    socket_timeout: Duration,
    /// By [`ConnectionId::index`].
    sockets: Vec<Option<Socket>>,
    /// The sockets that have something to do, by index.
    active: Vec<usize>,
    /// Room for those that a wait is for.
    ready: Vec<(usize, bool)>,
    connecting: Vec<ConnectionId>,
    connects: Option<Connects>,
    /// Connects that have failed, and the core has not been told yet.
    failed: Vec<(ConnectionId, ConnectFailure)>,
    /// Connections that wait for one that another session can spare.
    waiting: Vec<ConnectionId>,
    /// The last error of each server, for the failures that it explains.
    errors: Vec<Option<Source>>,
    /// The process that made the sockets.
    process: Process,
}

impl Session {
    pub(crate) fn new(calls: Calls, dialer: Arc<Dialer>, origin: Origin) -> Self {
        let cluster = calls.cluster().clone();
        let servers = cluster.servers().len();
        let socket_timeout = cluster.settings().socket_timeout;
        Session {
            client: Client::new(cluster),
            calls,
            dialer,
            origin,
            now: Time::ZERO,
            until: None,
            socket_timeout,
            sockets: Vec::new(),
            active: Vec::new(),
            ready: Vec::new(),
            connecting: Vec::new(),
            connects: None,
            failed: Vec::new(),
            waiting: Vec::new(),
            errors: vec![None; servers],
            process: Process::current(),
        }
    }

    /// Whether the sockets are this process's own, and not those of the one that it was forked from.
    pub(crate) fn is_own(&self) -> bool {
        self.process.is_current()
    }

    /// Whether it may be used for calls to this cluster, and its connections by other sessions.
    pub(crate) fn is_fit(&self, cluster: &Arc<Cluster>) -> bool {
        self.is_own() && self.is_of(cluster)
    }

    /// Whether it is a session of this cluster.
    pub(crate) fn is_of(&self, cluster: &Arc<Cluster>) -> bool {
        Arc::ptr_eq(self.calls.cluster(), cluster)
    }

    /// Makes the session look as it does after a fork.
    #[cfg(test)]
    pub(crate) fn disown(&mut self) {
        self.process = Process::former();
    }

    fn read_clock(&mut self) {
        self.now = self.origin.time(Instant::now());
    }

    /// The system's error behind the last failure of a server.
    pub(crate) fn last_error(&self, server: ServerIndex) -> Option<Source> {
        self.errors.get(server.index()).cloned().flatten()
    }

    pub(crate) fn submit<'a>(
        &mut self,
        operation: Operation<'a>,
        until: Option<Instant>,
    ) -> Result<OperationId, Rejected<'a>> {
        self.read_clock();
        self.until = until.map(|until| self.origin.time(until));
        let is_many = operation.keys() > 1;
        let id = self.client.submit_until(operation, self.until, self.now)?;
        if is_many {
            // To encode very many keys takes its time, which is no server's fault.
            self.read_clock();
        }
        Ok(id)
    }

    /// Brings an operation to its outcome, which has just been submitted. `proceed` is called at first and each
    /// time that something may have come in.
    pub(crate) fn drive(
        &mut self,
        pool: &Pool,
        id: OperationId,
        mut proceed: impl FnMut(&mut Client, Time),
    ) -> Outcome {
        let began = self.now;
        loop {
            let is_hungry = self.client.is_hungry(id);
            proceed(&mut self.client, self.now);
            if is_hungry {
                // To encode keys and values takes its time, which is no server's fault.
                self.read_clock();
            }
            self.take_actions();
            if self.needs_others() && self.ask_others(pool) {
                continue;
            }
            if let Some(outcome) = self.client.take(id) {
                self.finish(began);
                return outcome;
            }
            // One send and one receive that block are all that most operations need.
            let exchanged = match *self.active {
                [at] if self.connecting.is_empty() && self.waiting.is_empty() => self.exchange(at),
                _ => false,
            };
            if !exchanged && !self.write_all() {
                match self.waiting.is_empty() {
                    true => self.wait(None),
                    false => self.wait_for_others(pool),
                }
            }
        }
    }

    /// Sees to what an operation that `began` then leaves to do: what has no reply may still be held by a
    /// stream, and a connection may have asked for a reply by itself. Nobody would once the session rests.
    fn finish(&mut self, began: Time) {
        if self.active.is_empty() {
            return;
        }
        self.read_clock();
        let most = self.client.cluster().settings().operation_timeout;
        let until = self.until.or_else(|| most.map(|most| began + most));
        let due = self.now + self.socket_timeout;
        let due = until.map_or(due, |until| due.min(until));
        while !self.active.is_empty() && self.now < due {
            if !self.write_all() {
                self.wait(Some(due));
            }
            self.take_actions();
        }
        // Those that owe a reply are closed in any case.
        for at in self.active.clone() {
            let socket = self.sockets[at].as_ref().filter(|socket| socket.unflushed);
            if socket.is_some_and(|socket| !self.client.wants(socket.id).receive) {
                self.lost(at, io::ErrorKind::TimedOut.into());
            }
        }
    }

    /// Reads what has come on connections that nobody used: nothing, or the end of it.
    fn look(&mut self) {
        for at in 0..self.sockets.len() {
            self.read(at, true);
        }
        self.take_actions();
    }

    /// Reads what has come on a connection that has rested, if anything has.
    fn look_at(&mut self, connection: ConnectionId) {
        let at = connection.index();
        let Some(socket) = self.sockets.get_mut(at).and_then(Option::as_mut) else { return };
        if socket.id != connection {
            return;
        }
        if !socket.has_come() || !self.read(at, true) {
            self.client.looked(connection, self.now);
        }
    }

    /// Leaves only what may serve somebody else: idle connections.
    pub(crate) fn settle(&mut self) {
        self.failed.clear();
        self.waiting.clear();
        if !self.client.is_idle() {
            self.client.reset(self.now);
        }
        self.take_actions();
        while self.client.poll_completion().is_some() {}
    }

    /// Has the servers close the connections, and waits until they have. The session has nothing else to
    /// do then or after.
    pub(crate) fn quit(&mut self) {
        self.read_clock();
        self.look();
        self.client.quit_all(self.now);
        self.take_actions();
        while !self.active.is_empty() {
            if !self.write_all() {
                self.wait(None);
            }
            self.take_actions();
        }
    }

    fn take_actions(&mut self) {
        while let Some(notice) = self.client.poll_notice() {
            self.calls.report(&notice);
        }
        let mut connects = Vec::new();
        while let Some(action) = self.client.poll_action(self.now) {
            match action {
                Action::Connect { connection, deadline } => connects.push((connection, deadline)),
                Action::Await(connection) => self.waiting.push(connection),
                Action::Look(connection) => self.look_at(connection),
                Action::Close(connection) => {
                    connects.retain(|&(asked, _)| asked != connection);
                    self.close(connection);
                }
                Action::Transmit(connection) => {
                    if let Some(socket) = self.activate(connection) {
                        socket.transmit = true;
                    }
                }
                Action::Receive(connection) => {
                    if let Some(socket) = self.activate(connection) {
                        socket.receive = true;
                    }
                }
            }
        }
        let alone = connects.len() == 1 && self.active.is_empty() && self.connecting.is_empty();
        for &(connection, deadline) in &connects {
            self.connect(connection, deadline, alone);
        }
        if alone {
            // It is connected by now, or the next candidate is to be.
            self.take_actions();
        }
    }

    fn activate(&mut self, connection: ConnectionId) -> Option<&mut Socket> {
        let at = connection.index();
        let socket = self.sockets.get_mut(at)?.as_mut().filter(|socket| socket.id == connection)?;
        if !socket.is_active() {
            self.active.push(at);
        }
        Some(socket)
    }

    fn close(&mut self, connection: ConnectionId) {
        let at = connection.index();
        if self.connecting.contains(&connection) {
            // The thread that connects has nothing to say yet, but this.
            self.note(connection.server(), io::ErrorKind::TimedOut.into());
            self.connecting.retain(|&connecting| connecting != connection);
        }
        if let Some(socket) = self.sockets.get_mut(at) {
            if socket.as_ref().is_some_and(|socket| socket.id == connection) {
                *socket = None;
                self.active.retain(|&active| active != at);
            }
        }
    }

    fn put(&mut self, socket: Socket) {
        let at = socket.id.index();
        if self.sockets.len() <= at {
            self.sockets.resize_with(at + 1, || None);
        }
        self.sockets[at] = Some(socket);
    }

    fn note(&mut self, server: ServerIndex, error: io::Error) {
        if let Some(last) = self.errors.get_mut(server.index()) {
            *last = Some(Arc::new(error));
        }
    }

    /// One write or one read that blocks, on the only socket that has something to do. False where
    /// that is not wise or took too long.
    fn exchange(&mut self, at: usize) -> bool {
        // What a stream holds back may be more than the socket takes.
        let socket = self.sockets[at].as_ref().filter(|socket| !socket.unflushed);
        let Some(socket) = socket else { return false };
        if socket.transmit {
            return !socket.receive && self.write(at, false);
        }
        // The socket itself times out, unless something is due before.
        let due = self.client.poll_timeout().map_or(Duration::MAX, |due| due - self.now);
        due >= self.socket_timeout && self.read(at, false)
    }

    /// Writes what can be written without blocking. Whether there was any progress.
    fn write_all(&mut self) -> bool {
        let mut progress = false;
        let mut next = 0;
        while let Some(&at) = self.active.get(next) {
            progress |= self.write(at, true);
            // One that has nothing more to do makes room for the next.
            next += usize::from(self.active.get(next) == Some(&at));
        }
        progress
    }

    /// Writes to one socket, once, and flushes it after the last write. Whether there was any progress. One
    /// that blocks writes little or nothing.
    fn write(&mut self, at: usize, nonblocking: bool) -> bool {
        let Some(socket) = self.sockets[at].as_mut() else { return false };
        if !socket.transmit {
            let progress = self.flush(at, nonblocking);
            self.rest(at);
            return progress;
        }
        let bytes = self.client.transmit(socket.id);
        if !nonblocking && bytes.len() > BLOCKING_WRITE {
            return false;
        }
        match socket.write(bytes, nonblocking) {
            Ok(len) => {
                socket.transmit = false;
                self.client.transmitted(socket.id, len, self.now);
                self.flush(at, nonblocking);
                self.rest(at);
                true
            }
            Err(error) if is_wait(&error) => false,
            Err(error) => {
                self.lost(at, error);
                true
            }
        }
    }

    /// Has the stream send what it holds, unless more is to be written first. Whether there was any
    /// progress.
    fn flush(&mut self, at: usize, nonblocking: bool) -> bool {
        let Some(socket) = self.sockets[at].as_mut().filter(|socket| socket.unflushed) else {
            return false;
        };
        if self.client.wants(socket.id).transmit {
            return false;
        }
        match socket.flush(nonblocking) {
            Ok(()) => true,
            Err(error) if is_wait(&error) => false,
            Err(error) => {
                self.lost(at, error);
                true
            }
        }
    }

    /// Reads from one socket, once. Whether the core has been told of anything.
    fn read(&mut self, at: usize, nonblocking: bool) -> bool {
        let Some(socket) = self.sockets[at].as_mut() else { return false };
        let id = socket.id;
        let spare = if socket.reads_spare { self.client.receive_spare(id) } else { None };
        let read = spare.and_then(|spare| socket.read_spare(spare, nonblocking));
        let read = read.unwrap_or_else(|| socket.read(self.client.receive_buffer(id), nonblocking));
        match read {
            Ok(len) => {
                socket.receive = false;
                self.rest(at);
                self.read_clock();
                self.client.received(id, len, self.now);
                true
            }
            Err(error) if is_wait(&error) => false,
            Err(error) => {
                self.lost(at, error);
                true
            }
        }
    }

    /// Takes a socket off the active ones if it has nothing to do.
    fn rest(&mut self, at: usize) {
        if self.sockets[at].as_ref().is_some_and(|socket| !socket.is_active()) {
            self.active.retain(|&active| active != at);
        }
    }

    fn lost(&mut self, at: usize, error: io::Error) {
        let Some(id) = self.sockets[at].as_ref().map(|socket| socket.id) else { return };
        self.note(id.server(), error);
        self.read_clock();
        self.client.disconnected(id, self.now);
    }

    /// Waits until a socket is ready, a connect has ended or something is due, and sees to it. No longer
    /// than `until`.
    fn wait(&mut self, until: Option<Time>) {
        self.read_clock();
        let due = self.client.poll_timeout().into_iter().chain(until).min();
        let due = due.map(|due| due - self.now);
        if self.active.is_empty() && self.connecting.is_empty() && due.is_none() {
            // The core waits for nothing: the operation cannot end. That would be a defect in it.
            debug_assert!(false, "an operation waits for nothing");
            return self.client.disconnect_all(self.now);
        }
        let mut ready = std::mem::take(&mut self.ready);
        self.poll_active(&mut ready, due);
        for &(at, ready) in &ready {
            let refused = ready && !self.read(at, true);
            if let Some(socket) = self.sockets[at].as_mut() {
                socket.refused = refused;
                socket.unflushed |= refused;
            }
        }
        self.ready = ready;
        self.take_connects();
        self.read_clock();
        self.client.handle_timeout(self.now);
    }

    /// Waits until a socket is ready or a connect has ended, no longer than this. `ready` then has the active
    /// sockets, and whether there may be something to read from them.
    fn poll_active(&mut self, ready: &mut Vec<(usize, bool)>, due: Option<Duration>) {
        ready.clear();
        let (mut is_buffered, mut is_refused) = (false, false);
        for &at in &self.active {
            let Some(socket) = self.sockets[at].as_mut() else { continue };
            let buffered = socket.has_buffered();
            (is_buffered, is_refused) = (is_buffered | buffered, is_refused | socket.refused);
            ready.push((at, buffered));
        }
        let timeout = match due {
            _ if is_buffered => Some(Duration::ZERO),
            due if is_refused => Some(due.map_or(REFUSED, |due| due.min(REFUSED))),
            due => due,
        };
        let sockets = ready.iter().filter_map(|&(at, _)| self.sockets[at].as_ref());
        let mut waits: Vec<PollFd<'_>> = sockets.map(Socket::interest).collect();
        if let (Some(connects), false) = (&self.connects, self.connecting.is_empty()) {
            waits.push(PollFd::from_borrowed_fd(AsFd::as_fd(&connects.wake), PollFlags::IN));
        }
        // An interrupted wait is just a short one.
        let _ = poll(&mut waits, timeout.and_then(|due| Timespec::try_from(due).ok()).as_ref());
        for ((_, ready), wait) in ready.iter_mut().zip(&waits) {
            *ready |= wait.revents().intersects(!PollFlags::OUT);
        }
    }
}

/// Whether a call that failed so is to be made again later.
fn is_wait(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
