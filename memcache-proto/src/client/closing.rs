//! What becomes of a connection's requests when it closes: they are sent again, where that is allowed, or
//! fail. And what its end says of the server.

use alloc::vec::Vec;

use super::stream::{Stream, Unanswered};
use super::{Action, Client, FailureKind, NoticeEvent, State};
use crate::connection::{CloseReason, Connection, Delivery, RequestId};
use crate::routing::{ConnectFailure, DeathCause, ServerIndex};
use crate::{Time, Violation};

/// How often in a row a connection may end without a reply before its server is dead.
pub(super) const STRIKES: u8 = 2;

/// Why a connection ends.
#[derive(Clone)]
pub(super) enum Cause {
    /// It could not be made.
    Connect(ConnectFailure),
    /// It showed no progress.
    Timeout,
    /// What became of the stream.
    Stream(CloseReason),
    /// The server broke the protocol.
    Protocol(Violation),
    /// The server did not let it in.
    Login,
    /// The owner of the client asked for it.
    Asked,
}

/// What the end of a connection says of its server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is dead.
    Dead,
    /// Somebody else has found it dead meanwhile.
    FoundDead,
    /// Nothing.
    Alive,
    /// Nothing yet: what waits goes on waiting for a connection, until the deadline.
    Wait { until: Time, deadline: Time },
}

impl Verdict {
    pub(super) fn is_dead(self) -> bool {
        matches!(self, Verdict::Dead | Verdict::FoundDead)
    }
}

/// How a connection ended, for what may be done about its requests.
pub(super) struct End {
    pub(super) server: ServerIndex,
    pub(super) cause: Cause,
    pub(super) verdict: Verdict,
    /// It had been made: it did not end while it was waited for.
    pub(super) open: bool,
    /// It had been idle, and ended before any byte of a reply.
    pub(super) stale: bool,
    /// The request that it ended at, if that is not a command which every server and proxy knows.
    pub(super) uncommon: Option<RequestId>,
    /// It never had a reply, and others had some while it waited for one.
    pub(super) unproven: bool,
    /// Whether it was the last in a row of those that ended without a reply before what waits was sent.
    pub(super) spent: bool,
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

    pub(super) fn mark_dead(
        &mut self,
        server: ServerIndex,
        reason: FailureKind,
        cause: DeathCause,
        now: Time,
    ) {
        let health = self.cluster.health();
        let probed = self.slots.of(self.slots_of(server)).any(|slot| slot.probe.is_some());
        sometimes!("probe lost", probed);
        let is_news = probed || health.is_available(server, now);
        health.mark_dead(server, now, self.cluster.settings().time_of_death(), cause);
        if is_news {
            self.note(server, NoticeEvent::MarkedDead { reason });
        }
        for at in self.slots_of(server) {
            if self.slots[at].probe.is_some() || self.slots[at].strikes > 0 {
                (self.slots[at].probe, self.slots[at].strikes) = (None, 0);
            }
        }
        self.close_idle(server, now);
    }

    /// Closes a connection and finds another for what it has not answered.
    pub(super) fn close(&mut self, at: usize, cause: Cause, now: Time) {
        self.close_with(at, cause, Vec::new(), None, now);
    }

    /// As [`close`](Self::close), where it is known already what that says of the server.
    pub(super) fn close_as(&mut self, at: usize, cause: Cause, verdict: Verdict, now: Time) {
        self.close_with(at, cause, Vec::new(), Some(verdict), now);
    }

    /// As [`close`](Self::close); `unanswered` has been collected already and comes first.
    pub(super) fn close_with(
        &mut self,
        at: usize,
        cause: Cause,
        mut unanswered: Vec<Unanswered>,
        verdict: Option<Verdict>,
        now: Time,
    ) {
        if self.slots[at].state == State::Closed {
            return;
        }
        let slot = &mut self.slots[at];
        let server = slot.id.server;
        let open = slot.state == State::Open;
        match slot.state {
            State::Closed => {}
            State::Open => self.cluster.health().closed(server),
            State::Connecting { .. } => self.cluster.health().not_opened(server),
            State::Waiting { .. } => {}
        }
        slot.state = State::Closed;
        (slot.transmitting, slot.receiving) = (false, false);
        (slot.spare_at, slot.awaits) = (None, false);
        slot.login = None;
        if core::mem::take(&mut slot.tries_login) {
            // It has not come to know.
            self.cluster.logins().end_probe(server);
        }
        let was_looking = core::mem::take(&mut slot.look);
        self.actions.push_back(Action::Close(slot.id));

        let in_use = !unanswered.is_empty() || !slot.stream.is_unused();
        let was_idle = !slot.stream.connection.is_answering();
        slot.stream.connection.disconnect();
        self.collect(at, &mut unanswered);

        let slot = &mut self.slots[at];
        let head = slot.stream.connection.ended_at();
        let lost = matches!(cause, Cause::Stream(CloseReason::Eof | CloseReason::Disconnected));
        let stale = was_idle && in_use && lost;
        let silent = verdict == Some(Verdict::Alive) && matches!(cause, Cause::Timeout);
        let unproven = silent && !slot.stream.connection.has_served();
        // The client's own flush is not given up because a proxy does not know it.
        let flush = unanswered.first().is_some_and(|first| first.flush);
        let uncommon = head.filter(|head| lost && !head.is_common && !flush);
        let verdict = verdict.unwrap_or_else(|| {
            let first = unanswered.first().into_iter().flat_map(|first| &first.waiters);
            let again = first.into_iter().any(|waiter| waiter.resent);
            let common = flush || head.is_some_and(|head| head.is_common);
            let tells = in_use && common && !again && !was_looking;
            self.judge(at, &cause, tells, now)
        });
        let mut end = End {
            server,
            cause,
            verdict,
            open,
            stale,
            uncommon: uncommon.map(|head| head.request),
            unproven,
            spent: false,
        };
        self.note_end(&end);
        if verdict == Verdict::Dead {
            sometimes!("dead by connect", matches!(end.cause, Cause::Connect(_)));
            sometimes!("dead by refusal", matches!(end.cause, Cause::Stream(CloseReason::Refused)));
            self.mark_dead(server, end.cause.failure(), end.cause.death(), now);
        } else if stale {
            // The server may have closed the others too, and nothing is sent again twice.
            sometimes!("others closed with a stale one", self.has_open_slot(server));
            self.close_idle(server, now);
        }
        let requests = self.keep_unsent(at, &mut end, &mut unanswered, now);
        let mut again = 0;
        for request in unanswered {
            again += usize::from(self.send_again(&end, &request, now));
            if let Some(operation) = request.held {
                self.operations.release(operation);
            }
        }
        if requests + again > 0 {
            let (reason, requests) = (end.cause.failure(), requests + again);
            self.note(server, NoticeEvent::Retry { reason, requests });
        }
        self.end_idle_probe(at);
    }

    /// Collects what the connection of a slot will not answer any more.
    fn collect(&mut self, at: usize, unanswered: &mut Vec<Unanswered>) {
        let Client { cluster, slots, operations, chunks, .. } = self;
        let slot = &mut slots[at];
        let limits = &cluster.settings().limits;
        slot.stream.deliver(slot.id.server, limits, operations, chunks, unanswered);
    }

    /// What the end of a connection says of its server. `tells` says whether it can say anything.
    fn judge(&mut self, at: usize, cause: &Cause, tells: bool, now: Time) -> Verdict {
        match cause {
            Cause::Connect(_) | Cause::Stream(CloseReason::Refused) => {
                self.judge_connect(at, cause, now)
            }
            Cause::Timeout => Verdict::Dead,
            Cause::Login | Cause::Asked | Cause::Stream(CloseReason::Form) => Verdict::Alive,
            Cause::Stream(_) | Cause::Protocol(_) => {
                let health = self.cluster.health();
                let slot = &mut self.slots[at];
                let tells = tells && !health.has_replied_since(slot.id.server, slot.active_at);
                slot.strikes += u8::from(tells);
                sometimes!("strike one", tells && slot.strikes == 1);
                sometimes!("strike two", tells && slot.strikes == 2);
                if slot.strikes >= STRIKES { Verdict::Dead } else { Verdict::Alive }
            }
        }
    }

    fn note_end(&mut self, end: &End) {
        match &end.cause {
            Cause::Protocol(error) => {
                let error = error.clone();
                self.note(end.server, NoticeEvent::UnexpectedReply { error });
            }
            Cause::Stream(_) => {
                let reason = end.cause.failure();
                self.note(end.server, NoticeEvent::Disconnected { reason });
            }
            Cause::Connect(_) | Cause::Timeout | Cause::Login | Cause::Asked => {}
        }
    }

    /// Has what a slot has not sent wait for its next connection, as it is, where that may do; else puts it
    /// to the others. Returns how many requests go on.
    fn keep_unsent(
        &mut self,
        at: usize,
        end: &mut End,
        unanswered: &mut Vec<Unanswered>,
        now: Time,
    ) -> usize {
        let settings = self.cluster.settings();
        let (limits, merge_gets) = (settings.limits, settings.merge_gets);
        let slot = &mut self.slots[at];
        // Another may have found it dead meanwhile.
        let alive = slot.probe.is_some() || self.cluster.health().is_available(end.server, now);
        let connected = match &end.cause {
            Cause::Connect(_)
            | Cause::Login
            | Cause::Asked
            | Cause::Stream(CloseReason::Refused) => false,
            Cause::Timeout | Cause::Stream(_) | Cause::Protocol(_) => end.open,
        };
        match end.verdict {
            Verdict::Wait { until, deadline } => {
                slot.stream.restart();
                if !slot.stream.is_awaited(&self.operations) {
                    slot.stream = Stream::new(limits, merge_gets);
                    return 0;
                }
                self.wait(at, end.cause.clone(), until, deadline);
                self.slots[at].stream.requests()
            }
            // What is to be flushed first is queued anew, behind the flush.
            Verdict::Alive if connected && alive && !slot.stream.unflushed => {
                let Client { operations, slots, .. } = self;
                let slot = &mut slots[at];
                slot.stream.move_on(limits.max_moves, |waiters, held| {
                    for waiter in waiters {
                        for (_, number) in waiter.waiting() {
                            let (server, kind) = (Some(end.server), end.cause.failure());
                            let failure = waiter.failure(server, Delivery::NotSent, kind);
                            operations.deliver(waiter.operation, number, Err(failure));
                        }
                    }
                    if let Some(operation) = held {
                        operations.release(operation);
                    }
                });
                if !slot.stream.is_awaited(operations) {
                    slot.stream = Stream::new(limits, merge_gets);
                    return 0;
                }
                sometimes!("moved on");
                self.connect(at, now);
                self.note(end.server, NoticeEvent::Reconnect);
                self.slots[at].stream.requests()
            }
            _ => {
                slot.stream.connection.set_keeps_unsent(false);
                self.collect(at, unanswered);
                let slot = &mut self.slots[at];
                if core::mem::take(&mut slot.stream.unflushed) {
                    sometimes!("flush given back");
                    self.cluster.health().put_flush(end.server);
                }
                let counts = connected && end.verdict == Verdict::Alive;
                end.spent = counts && slot.stream.ends_in_vain();
                slot.stream = match counts && !end.spent {
                    true => slot.stream.emptied(limits, merge_gets),
                    false => Stream::new(limits, merge_gets),
                };
                0
            }
        }
    }

    /// Lets another operation probe, where one was to go through this slot and nothing does.
    pub(super) fn end_idle_probe(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        if slot.stream.connection.queued_bytes() == 0 && slot.probe.take().is_some() {
            sometimes!("probe given back");
            self.cluster.health().end_probe(slot.id.server);
        }
    }
}

impl Cause {
    /// What a connection itself says; `None` where it is open.
    pub(super) fn of(connection: &Connection) -> Option<Self> {
        match connection.violation() {
            Some(violation) => Some(Cause::Protocol(violation)),
            None => connection.close_reason().cloned().map(Cause::Stream),
        }
    }

    pub(super) fn failure(&self) -> FailureKind {
        match self {
            Cause::Connect(failure) => FailureKind::Connect(*failure),
            Cause::Timeout => FailureKind::SocketTimeout,
            Cause::Login => FailureKind::LoginRefused,
            Cause::Asked | Cause::Stream(CloseReason::Disconnected) => FailureKind::Disconnected,
            Cause::Stream(CloseReason::Eof) => FailureKind::Eof,
            Cause::Protocol(violation) => FailureKind::Protocol(violation.clone()),
            Cause::Stream(CloseReason::Protocol(error)) => FailureKind::Protocol((*error).into()),
            Cause::Stream(CloseReason::Form) => FailureKind::Form,
            Cause::Stream(CloseReason::Refused) => FailureKind::Refused,
        }
    }
}
