use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use memcache_proto::Time;
use memcache_proto::calls::{Error, Source};
use memcache_proto::client::{
    Action, Client, Cluster, ConnectionId, Operation, OperationId, Outcome,
};
use memcache_proto::routing::{ConnectFailure, ServerIndex};

use crate::lending;
use crate::retrying::Retrier;
use crate::room::{Room, Ticket};
use crate::runtime::Stream;
use crate::shared::Effects;
use crate::signal::Signal;

/// How many replies to a call on many keys are taken at a time.
const PART: usize = 1024;

/// The core client, its sockets, and everybody who waits.
pub(crate) struct State {
    pub(crate) client: Client,
    /// By [`ConnectionId::index`].
    sockets: Vec<Option<Socket>>,
    /// By [`OperationId::index`]: those who wait for their outcome.
    wakers: Vec<Option<Waker>>,
    pub(crate) room: Room,
    /// The last error of each server, for the failures that it explains.
    errors: Vec<Option<Source>>,
    /// Whether a call has been taken in since this was last asked.
    submitted: bool,
    /// How many calls wait for their outcome.
    under_way: usize,
    /// How many calls in a row have met no other.
    alone: u8,
    /// The call that does its own reading and writing, and on which connection.
    pub(crate) lent: Option<(OperationId, ConnectionId)>,
    /// Connections that have a driver.
    drivers: usize,
    phase: Phase,
    /// Whether another has taken its place, and its connections are to go when they can.
    retired: bool,
    pub(crate) in_parts: Vec<InParts>,
    /// Those who wait for the end.
    closers: Vec<Waker>,
    /// Who sees to the requests that are made again later.
    pub(crate) retrier: Option<Retrier>,
}

/// An operation whose replies can be taken as they come, or whose keys are given part by part.
pub(crate) struct InParts {
    pub(crate) id: OperationId,
    /// Its place in the room, if it waits there for its next keys to be taken in.
    pub(crate) ticket: Option<Ticket>,
}

/// How a call begins.
pub(crate) struct Begins {
    /// The place that it had in the room, if it has waited.
    pub(crate) ticket: Option<Ticket>,
    /// When it is to end, if that is not told by the settings.
    pub(crate) until: Option<Time>,
    /// Whether its items can be taken as they come.
    pub(crate) in_parts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// No call is taken in any more.
    Closing,
    Closed,
}

/// The socket of one connection, from the moment that it is to be made.
pub(crate) struct Socket {
    id: ConnectionId,
    /// `None` until it is connected.
    pub(crate) stream: Option<Box<dyn Stream>>,
    pub(crate) signal: Arc<Signal>,
    /// Whether the driver sleeps, and is to be woken by whoever has something for it to do.
    pub(crate) asleep: bool,
    pub(crate) reader: Reader,
    /// When the driver's timer will wake it, if it has one.
    pub(crate) timer: Option<Time>,
    /// Whether there was an error that tells why it fails.
    noted: bool,
    /// Whether the stream may hold some of what it was given to write.
    pub(crate) unflushed: bool,
    /// The deadline of a flush, while the connection waits for nothing else.
    pub(crate) flush_by: Option<Time>,
    /// The deadline of its connect; `None` until the core asks for one.
    pub(crate) deadline: Option<Time>,
}

/// Who is woken when the socket can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Driver,
    /// The only call that is under way, which does its own reading and writing.
    Caller,
    Nobody,
}

impl State {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Self {
        let servers = cluster.servers().len();
        State {
            client: Client::new(cluster),
            sockets: Vec::new(),
            wakers: Vec::new(),
            room: Room::default(),
            errors: vec![None; servers],
            submitted: false,
            under_way: 0,
            alone: 0,
            lent: None,
            drivers: 0,
            phase: Phase::Open,
            retired: false,
            in_parts: Vec::new(),
            closers: Vec::new(),
            retrier: None,
        }
    }

    /// Takes no more calls in. Ready when those under way are done and every driver has ended.
    pub(crate) fn poll_close(&mut self, cx: &mut Context<'_>, effects: &mut Effects) -> Poll<()> {
        if self.phase == Phase::Open {
            self.phase = Phase::Closing;
            self.room.wake_all(&mut effects.wakers);
            // Whoever closes need not poll the call any more that has the socket.
            self.take_back(effects);
        }
        self.finish_closing(effects.now);
        if self.has_ended() {
            return Poll::Ready(());
        }
        self.wait_for_end(cx);
        Poll::Pending
    }

    /// Ready when there is no call and no connection left.
    pub(crate) fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_drained() {
            return Poll::Ready(());
        }
        self.wait_for_end(cx);
        Poll::Pending
    }

    fn wait_for_end(&mut self, cx: &mut Context<'_>) {
        if !self.closers.iter().any(|closer| closer.will_wake(cx.waker())) {
            self.closers.push(cx.waker().clone());
        }
    }

    fn is_drained(&self) -> bool {
        self.under_way == 0 && self.drivers == 0 && self.room.is_empty()
    }

    /// Ends everything now.
    pub(crate) fn abandon(&mut self, effects: &mut Effects) {
        self.phase = Phase::Closed;
        self.client.disconnect_all(effects.now);
        self.room.wake_all(&mut effects.wakers);
    }

    /// Closes the connections, each time that they have nothing more to do.
    pub(crate) fn retire(&mut self) {
        self.retired = true;
    }

    /// Whether a call has been taken in since this was last asked.
    pub(crate) fn take_submitted(&mut self) -> bool {
        std::mem::take(&mut self.submitted)
    }

    /// The last error of a server.
    pub(crate) fn last_error(&self, server: ServerIndex) -> Option<Source> {
        self.errors.get(server.index()).cloned().flatten()
    }

    fn has_ended(&self) -> bool {
        self.phase == Phase::Closed && self.drivers == 0
    }

    /// Whether it has ended, and does nothing any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether calls are taken in.
    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// How many calls are under way, and how many wait for room.
    pub(crate) fn under_way(&self) -> (usize, usize) {
        (self.under_way, self.room.len())
    }

    /// Takes a call in, for a task that will be woken when it has its outcome, or part of it. A call that
    /// has waited for room gives its place there up, whatever comes of it.
    pub(crate) fn submit(
        &mut self,
        operation: Operation<'_>,
        Begins { ticket, until, in_parts }: Begins,
        clock: impl FnOnce() -> Time,
        cx: &mut Context<'_>,
        effects: &mut Effects,
    ) -> Result<OperationId, Error> {
        let many = operation.keys() > PART;
        let id = self.submit_from(ticket, operation, until, effects)?;
        if many {
            // It takes time to encode many keys, which the servers are not to have less of.
            effects.now = clock();
        }
        self.alone = if self.under_way == 0 { self.alone.saturating_add(1) } else { 0 };
        self.under_way += 1;
        self.submitted = true;
        self.wait(id, cx, effects);
        // The others never have as many replies, and need not be looked at after each step.
        if in_parts && many || self.client.feeding(id).is_some() {
            self.in_parts.push(InParts { id, ticket: None });
        }
        if self.under_way > 1 {
            // Whoever does its own reading may not be polled again before this one is answered.
            self.take_back(effects);
        } else if self.alone > lending::ALONE {
            if let Some(action) = self.client.poll_action(effects.now) {
                match action {
                    Action::Transmit(connection) | Action::Look(connection)
                        if self.lend(id, connection) =>
                    {
                        self.exchange(id, cx, effects);
                    }
                    action => self.act(action, effects),
                }
            }
        }
        Ok(id)
    }

    /// Who is to be woken when the operation has its outcome.
    pub(crate) fn wait(&mut self, id: OperationId, cx: &Context<'_>, effects: &mut Effects) {
        let at = id.index();
        if self.wakers.len() <= at {
            self.wakers.resize_with(at + 1, || None);
        }
        effects.put_waker(&mut self.wakers[at], cx);
    }

    /// The outcome of an operation, if it has one.
    pub(crate) fn take(&mut self, id: OperationId, effects: &mut Effects) -> Option<Outcome> {
        let outcome = self.client.take(id)?;
        self.ended(id, effects);
        Some(outcome)
    }

    /// Nobody waits for the operation any more.
    pub(crate) fn cancel(&mut self, id: OperationId, effects: &mut Effects) {
        self.client.cancel(id);
        self.ended(id, effects);
    }

    fn ended(&mut self, id: OperationId, effects: &mut Effects) {
        self.under_way -= 1;
        effects.unused.put(self.wakers.get_mut(id.index()).and_then(Option::take));
        if let Some(at) = self.in_parts.iter().position(|part| part.id == id) {
            if let Some(ticket) = self.in_parts.swap_remove(at).ticket {
                self.room.leave(ticket, effects);
            }
        }
        if self.lent.is_some_and(|(caller, _)| caller == id) {
            self.take_back(effects);
        }
    }

    pub(crate) fn lost(&mut self, connection: ConnectionId, error: io::Error, now: Time) {
        self.note(connection, error);
        self.client.disconnected(connection, now);
    }

    /// Why a connection fails.
    pub(crate) fn note(&mut self, connection: ConnectionId, error: io::Error) {
        if let Some((_, socket)) = self.socket(connection) {
            socket.noted = true;
        }
        if let Some(last) = self.errors.get_mut(connection.server().index()) {
            *last = Some(Arc::new(error));
        }
    }

    /// A connection has been made: what kept others from it explains nothing any more.
    pub(crate) fn forget_error(&mut self, server: ServerIndex) {
        if let Some(last) = self.errors.get_mut(server.index()) {
            *last = None;
        }
    }

    /// The core and the socket of a connection; `None` where that has been closed.
    pub(crate) fn socket(&mut self, id: ConnectionId) -> Option<(&mut Client, &mut Socket)> {
        let socket = self.sockets.get_mut(id.index())?.as_mut()?;
        (socket.id == id).then_some((&mut self.client, socket))
    }

    /// The connections that there are.
    pub(crate) fn connections(&self) -> Vec<ConnectionId> {
        self.sockets.iter().flatten().map(|socket| socket.id).collect()
    }

    /// A driver has ended. Where nobody has closed its connection, nobody drives that any more.
    pub(crate) fn driver_ended(&mut self, id: ConnectionId, now: Time) {
        self.drivers -= 1;
        let Some((_, socket)) = self.socket(id) else { return };
        let connecting = socket.stream.is_none();
        self.note(id, io::Error::other("the driver of the connection was dropped"));
        if connecting {
            self.client.connect_failed(id, ConnectFailure::RuntimeGone, now);
        } else {
            self.client.disconnected(id, now);
        }
    }

    pub(crate) fn servers(&self) -> impl Iterator<Item = ServerIndex> + use<> {
        (0..self.errors.len()).map(|at| ServerIndex::new(u32::try_from(at).unwrap_or(u32::MAX)))
    }

    /// The sockets of the connections to a server.
    pub(crate) fn sockets_of(&mut self, server: ServerIndex) -> impl Iterator<Item = &mut Socket> {
        self.sockets.iter_mut().flatten().filter(move |socket| socket.id.server() == server)
    }

    /// Does what the core asks for by now, and notes who is to be woken.
    pub(crate) fn settle(&mut self, effects: &mut Effects) {
        if self.retired && self.client.is_idle() {
            self.client.quit_all(effects.now);
        }
        while let Some(action) = self.client.poll_action(effects.now) {
            self.act(action, effects);
        }
        while let Some(id) = self.client.poll_completion() {
            effects.wakers.extend(self.wakers.get_mut(id.index()).and_then(Option::take));
        }
        for &InParts { id, ticket } in &self.in_parts {
            // One that waits in the room is woken there.
            let is_hungry = ticket.is_none() && self.client.is_hungry(id);
            if is_hungry || self.client.items(id) >= PART {
                effects.wakers.extend(self.wakers.get_mut(id.index()).and_then(Option::take));
            }
        }
        if !self.room.is_empty() {
            self.let_all_in(effects);
        }
        if self.phase == Phase::Closing {
            self.finish_closing(effects.now);
            if self.phase == Phase::Closed {
                return self.settle(effects);
            }
        }
        self.settle_retries(effects);
        while let Some(notice) = self.client.poll_notice() {
            effects.notices.push(notice);
        }
        if self.has_ended() {
            effects.wakers.append(&mut self.closers);
            effects.ended = !self.retired;
        } else if self.retired && self.is_drained() {
            effects.wakers.append(&mut self.closers);
        }
    }

    fn act(&mut self, action: Action, effects: &mut Effects) {
        match action {
            Action::Connect { connection, deadline } => match self.socket(connection) {
                Some((_, socket)) => {
                    socket.deadline = Some(deadline);
                    socket.wake(effects);
                }
                None => self.open(connection, Some(deadline), effects),
            },
            // Nobody else has a connection to spare, but somebody has to see to it when the time is up.
            Action::Await(connection) => {
                if self.socket(connection).is_none() {
                    self.open(connection, None, effects);
                }
            }
            Action::Close(connection) => self.close(connection, effects),
            Action::Look(connection) => {
                let Some((client, socket)) = self.socket(connection) else { return };
                match socket.reader {
                    // Nothing has come that the driver has not been told of.
                    Reader::Driver if !socket.signal.is_ready() => {
                        client.looked(connection, effects.now);
                    }
                    Reader::Caller => self.take_back(effects),
                    Reader::Driver | Reader::Nobody => socket.wake(effects),
                }
            }
            Action::Transmit(connection) | Action::Receive(connection) => {
                let Some((client, socket)) = self.socket(connection) else { return };
                let wants = client.wants(connection);
                let to_do = match socket.reader {
                    // The caller writes all there is, but nothing wakes it for what comes here because
                    // another server did not answer it.
                    Reader::Caller if wants.transmit => return self.take_back(effects),
                    Reader::Caller => false,
                    Reader::Driver => wants.transmit,
                    Reader::Nobody => wants.transmit || wants.receive,
                };
                if to_do {
                    socket.wake(effects);
                }
            }
        }
    }

    fn finish_closing(&mut self, now: Time) {
        // Outcomes that nobody has taken yet stay. What has no reply may still be held by a stream.
        let is_unflushed = |socket: &Socket| socket.unflushed;
        if self.phase == Phase::Closing
            && self.client.is_idle()
            && !self.sockets.iter().flatten().any(is_unflushed)
        {
            self.phase = Phase::Closed;
            self.client.disconnect_all(now);
        }
    }

    /// Has a driver see to a connection. It connects once there is a deadline.
    fn open(&mut self, id: ConnectionId, deadline: Option<Time>, effects: &mut Effects) {
        let signal = Arc::new(Signal::default());
        effects.connects.push((id, signal.clone()));
        let at = id.index();
        if self.sockets.len() <= at {
            self.sockets.resize_with(at + 1, || None);
        }
        self.drivers += 1;
        self.sockets[at] = Some(Socket {
            id,
            stream: None,
            signal,
            asleep: false,
            reader: Reader::Nobody,
            timer: None,
            noted: false,
            unflushed: false,
            flush_by: None,
            deadline,
        });
    }

    fn close(&mut self, id: ConnectionId, effects: &mut Effects) {
        let Some(place) = self.sockets.get_mut(id.index()) else { return };
        let Some(mut socket) = place.take_if(|socket| socket.id == id) else { return };
        match socket.stream.take() {
            Some(stream) => effects.streams.push(stream),
            None if !socket.noted && socket.deadline.is_some_and(|due| due <= effects.now) => {
                self.note(id, io::ErrorKind::TimedOut.into());
            }
            None => {}
        }
        effects.drivers.push(socket.signal);
    }
}

impl Socket {
    /// Wakes the driver, if it sleeps.
    pub(crate) fn wake(&mut self, effects: &mut Effects) {
        if self.asleep {
            self.asleep = false;
            effects.drivers.push(self.signal.clone());
        }
    }
}
