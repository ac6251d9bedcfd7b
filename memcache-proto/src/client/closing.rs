//! What becomes of a connection's requests when it closes: they are sent again, where that is allowed, or
//! fail.

use alloc::vec::Vec;

use super::stream::{Stream, Unanswered};
use super::{Action, Client, Failure, FailureKind, NoticeEvent, State};
use crate::codec::{Command, Keys};
use crate::connection::{CloseReason, Delivery};
use crate::routing::ServerIndex;
use crate::{Key, Limits, MAX_KEY_LEN, Time};

/// How often in a row a connection may end without a reply before its server is dead.
pub(super) const STRIKES: u8 = 2;

/// Why a connection ends.
pub(super) enum Cause {
    /// It could not be made.
    Connect,
    /// It showed no progress.
    Timeout,
    /// What became of the stream.
    Stream(CloseReason),
    /// The owner of the client asked for it.
    Asked,
}

impl Client {
    /// Closes what has nothing to do of the connections to a server.
    pub(super) fn close_idle(&mut self, server: ServerIndex, now: Time) {
        for at in self.slots_of(server) {
            let slot = &self.slots[at];
            if slot.state == State::Open && slot.stream.connection.is_idle() {
                self.close(at, Cause::Asked, now);
            }
        }
    }

    pub(super) fn mark_dead(&mut self, server: ServerIndex, reason: FailureKind, now: Time) {
        self.cluster.health().mark_dead(server, now, self.cluster.settings().dead_retry);
        self.note(server, NoticeEvent::MarkedDead { reason });
        for at in self.slots_of(server) {
            self.slots[at].probe = None;
            self.slots[at].strikes = 0;
        }
        self.close_idle(server, now);
    }

    /// Closes a connection and finds another for what it has not answered.
    pub(super) fn close(&mut self, at: usize, cause: Cause, now: Time) {
        self.close_with(at, cause, Vec::new(), now);
    }

    /// As [`close`](Self::close); `unanswered` has been collected already and comes first.
    pub(super) fn close_with(
        &mut self,
        at: usize,
        cause: Cause,
        mut unanswered: Vec<Unanswered>,
        now: Time,
    ) {
        let slot = &mut self.slots[at];
        if slot.state == State::Closed {
            return;
        }
        let settings = self.cluster.settings();
        let mut stream =
            core::mem::replace(&mut slot.stream, Stream::new(settings.limits, settings.merge_gets));
        slot.state = State::Closed;
        (slot.transmitting, slot.receiving) = (false, false);
        let server = slot.id.server;
        self.actions.push_back(Action::Close(slot.id));
        if stream.unflushed {
            self.cluster.health().put_flush(server);
        }

        let in_use = !unanswered.is_empty() || !stream.is_unused();
        let was_idle = !stream.connection.is_answering();
        stream.connection.disconnect();
        let limits = &settings.limits;
        let Client { operations, chunks, .. } = self;
        stream.deliver(server, limits, operations, chunks, &mut unanswered);

        let slot = &mut self.slots[at];
        let dead = match &cause {
            Cause::Connect | Cause::Timeout | Cause::Stream(CloseReason::Refused) => true,
            Cause::Asked | Cause::Stream(CloseReason::Form) => false,
            Cause::Stream(_) => {
                slot.strikes += u8::from(in_use);
                slot.strikes >= STRIKES
            }
        };
        let stale = was_idle
            && in_use
            && matches!(cause, Cause::Stream(CloseReason::Eof | CloseReason::Disconnected));
        match &cause {
            Cause::Stream(CloseReason::Protocol(error)) => {
                self.note(server, NoticeEvent::UnexpectedReply { error: *error });
            }
            Cause::Stream(_) => {
                self.note(server, NoticeEvent::Disconnected { reason: cause.failure() });
            }
            Cause::Connect | Cause::Timeout | Cause::Asked => {}
        }
        if dead {
            self.mark_dead(server, cause.failure(), now);
        } else if stale {
            // The server may have closed the others too, and nothing is sent again twice.
            self.close_idle(server, now);
        }
        let mut requests = 0;
        for request in unanswered {
            requests += usize::from(self.send_again(server, &cause, dead, stale, &request, now));
            if let Some(operation) = request.held {
                self.operations.release(operation);
            }
        }
        if requests > 0 {
            self.note(server, NoticeEvent::Retry { reason: cause.failure(), requests });
        }
        self.end_idle_probe(at);
    }

    /// Lets another operation probe, where one was to go through this slot and nothing does.
    pub(super) fn end_idle_probe(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        if slot.stream.connection.queued_bytes() == 0 && slot.probe.take().is_some() {
            self.cluster.health().end_probe(slot.id.server);
        }
    }

    /// Sends what a closed connection has not answered once more, where that is allowed; the rest
    /// fails. Whether anything was sent.
    fn send_again(
        &mut self,
        server: ServerIndex,
        cause: &Cause,
        dead: bool,
        stale: bool,
        request: &Unanswered,
        now: Time,
    ) -> bool {
        let settings = self.cluster.settings();
        let resend_stores = settings.resend_stores;
        // The limits are for what a server sends.
        let limits = Limits {
            max_line_len: usize::MAX,
            max_value_len: usize::MAX,
            max_queued_bytes: usize::MAX,
            ..settings.limits
        };
        let Ok(Some((command, _))) = Command::parse(&request.text, &limits) else {
            for waiter in request.waiters.iter().filter(|waiter| !waiter.done) {
                let (delivery, kind) = (request.delivery, cause.failure());
                let failure = Failure { server: Some(server), delivery, kind };
                self.operations.deliver(waiter.operation, waiter.number, Err(failure));
            }
            return false;
        };
        let is_read = matches!(
            command,
            Command::Get { .. }
                | Command::Gat { .. }
                | Command::Version
                | Command::Stats(_)
                | Command::MetaGet(_)
                | Command::MetaDebug(_)
        );
        let mut space = [0; MAX_KEY_LEN];
        let meta_key = command.as_meta().and_then(|meta| meta.key().decode(&mut space));
        // A server that has too many connections refuses one before it reads anything.
        let delivery = match cause {
            Cause::Stream(CloseReason::Refused) => Delivery::NotSent,
            _ => request.delivery,
        };
        let mut keys = keys_of(&command);
        let mut sent_any = false;
        for waiter in &request.waiters {
            let key = keys.next();
            if waiter.done || !self.operations.is_pending(waiter.operation) {
                continue;
            }
            let again = match (cause, delivery) {
                (Cause::Asked, _) => false,
                _ if request.doubt.is_some() => false,
                (_, Delivery::NotSent) => true,
                (_, _) => stale && !waiter.resent && (is_read || resend_stores),
            };
            let failure = |kind| {
                let kind = request.doubt.clone().map_or(kind, FailureKind::Unknown);
                Failure { server: Some(server), delivery, kind }
            };
            let mut next = *waiter;
            next.resent |= delivery == Delivery::Unanswered;
            next.attempt += u8::from(dead);
            let sent = match key.map(Key::as_bytes).or(meta_key) {
                _ if !again => Err(failure(cause.failure())),
                None if dead => Err(failure(cause.failure())),
                None => self.send_to(server, &command, next, now).map_err(failure),
                Some(bytes) => {
                    let keys = key.map(|key| [key]);
                    let one = match &keys {
                        Some(keys) => with_keys(&command, keys),
                        None => command,
                    };
                    match self.send(&one, bytes, next, now) {
                        // What happened says more than that nobody is left to ask.
                        Err(FailureKind::AllDead) => Err(failure(cause.failure())),
                        sent => sent.map_err(failure),
                    }
                }
            };
            match sent {
                Ok(()) => sent_any = true,
                Err(failure) => {
                    self.operations.deliver(waiter.operation, waiter.number, Err(failure));
                }
            }
        }
        sent_any
    }
}

impl Cause {
    pub(super) fn failure(&self) -> FailureKind {
        match self {
            Cause::Connect => FailureKind::Connect,
            Cause::Timeout => FailureKind::SocketTimeout,
            Cause::Asked | Cause::Stream(CloseReason::Disconnected) => FailureKind::Disconnected,
            Cause::Stream(CloseReason::Eof) => FailureKind::Eof,
            Cause::Stream(CloseReason::Protocol(error)) => FailureKind::Protocol(*error),
            Cause::Stream(CloseReason::Form) => FailureKind::Form,
            Cause::Stream(CloseReason::Refused) => FailureKind::Refused,
        }
    }
}

/// The keys of a command; none for a command to a server.
fn keys_of<'a>(command: &Command<'a>) -> impl Iterator<Item = Key<'a>> {
    let (several, single) = match *command {
        Command::Get { keys, .. } | Command::Gat { keys, .. } => (Some(keys), None),
        Command::Store { key, .. }
        | Command::Delete { key, .. }
        | Command::Incr { key, .. }
        | Command::Decr { key, .. }
        | Command::Touch { key, .. } => (None, Some(key)),
        _ => (None, None),
    };
    several.into_iter().flatten().chain(single)
}

/// The command, of these keys if it is one of several.
fn with_keys<'a>(command: &Command<'a>, keys: &'a [Key<'a>]) -> Command<'a> {
    match *command {
        Command::Get { cas, .. } => Command::Get { keys: Keys::new(keys), cas },
        Command::Gat { exptime, cas, .. } => Command::Gat { exptime, keys: Keys::new(keys), cas },
        command => command,
    }
}
