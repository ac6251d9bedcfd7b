//! What has taken too long.

use alloc::vec::Vec;

use super::closing::{Cause, STRIKES, Verdict};
use super::{Client, FailureKind, State};
use crate::Time;
use crate::routing::{ConnectFailure, DeathCause};

impl Client {
    /// When [`handle_timeout`](Self::handle_timeout) is next due; `None` where nothing is awaited. Call
    /// it when [`poll_action`](Self::poll_action) has no more: a connect has no deadline before.
    ///
    /// Where many connections are at work it may be earlier than anything is late. Call
    /// [`handle_timeout`](Self::handle_timeout) then as always: it does nothing, and this gives a later time.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let next = [self.slots.next_due(), self.operations.next_deadline(), self.next_retry()];
        next.into_iter().flatten().min()
    }

    /// Gives up on what has taken too long by `now`. Calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        self.expire_operations(now);
        let mut due = self.slots.due_by(now);
        due.retain(|&at| !self.go_on(at, now));
        let judged = |at: usize| (self.slots[at].id, self.judge_late(at, now));
        let late: Vec<_> = due.into_iter().map(judged).collect();
        // All of them are dead before any of their keys look for another server.
        let mut dead = Vec::new();
        for (connection, (cause, verdict)) in &late {
            let server = connection.server;
            if *verdict == Verdict::Dead && !dead.contains(&server) {
                dead.push(server);
                self.mark_dead(server, cause.failure(), cause.death(), now);
            }
        }
        for (connection, (cause, verdict)) in late {
            // What came from another of them may have it closed by now, and have begun a new one.
            if self.slot(connection).is_none() {
                continue;
            }
            let verdict = match verdict {
                _ if dead.contains(&connection.server) => Verdict::FoundDead,
                verdict => verdict,
            };
            self.close_as(connection.index(), cause, verdict, now);
        }
        self.make_again(now);
    }

    /// What a connection that has taken too long says of its server.
    fn judge_late(&self, at: usize, now: Time) -> (Cause, Verdict) {
        let slot = &self.slots[at];
        let server = slot.id.server;
        let health = self.cluster.health();
        if slot.state != State::Open {
            let cause = Cause::Connect(ConnectFailure::TimedOut);
            let verdict = self.judge_connect(at, &cause, now);
            return (cause, verdict);
        }
        if !health.has_replied_since(server, slot.active_at) {
            sometimes!("dead by silence");
            return (Cause::Timeout, Verdict::Dead);
        }
        if !slot.stream.connection.has_served() {
            // It takes connections that it does not see to, and those that others have work.
            let until = now + self.cluster.settings().dead_retry;
            health.refuse_until(server, until, DeathCause::SocketTimeout);
        }
        sometimes!("silent connection, server alive");
        (Cause::Timeout, Verdict::Alive)
    }

    /// Ends the operations whose deadline has passed. A server that left them without a byte has a
    /// strike for it, because a deadline shorter than `socket_timeout` would else keep it alive for ever.
    fn expire_operations(&mut self, now: Time) {
        let mut expired = Vec::new();
        while let Some(id) = self.operations.pop_expired(now) {
            expired.push(id);
        }
        if expired.is_empty() {
            return;
        }
        let health = self.cluster.health();
        let mut struck = Vec::new();
        // Nothing waits at the others.
        for at in self.slots.at_work() {
            let slot = &mut self.slots[at];
            let server = slot.id.server;
            let given_up = slot.stream.give_up(&self.operations);
            let connection = &slot.stream.connection;
            let tells = match slot.state {
                State::Open => {
                    connection.is_owed()
                        && !connection.is_answering()
                        && !health.has_replied_since(server, slot.active_at)
                }
                State::Connecting { .. } => {
                    // Where others have a connection, it is for the end of the connect to say.
                    !health.has_open(server) && !slot.is_answered(health)
                }
                State::Waiting { .. } | State::Closed => false,
            };
            if !given_up.is_empty() && tells {
                struck.push(at);
            }
            for (waiter, delivery) in given_up {
                let kind = match (&slot.why, slot.state) {
                    // What it waits for says more than that it waits.
                    (Some(why), State::Waiting { .. }) => why.failure(),
                    _ => FailureKind::OperationTimeout,
                };
                sometimes!("operation timeout in a wait", kind != FailureKind::OperationTimeout);
                sometimes!("operation timeout in queue", delivery == super::Delivery::NotSent);
                sometimes!("operation timeout in flight", delivery == super::Delivery::Unanswered);
                for (_, number) in waiter.waiting() {
                    let failure = waiter.failure(Some(server), delivery, kind.clone());
                    self.operations.deliver(waiter.operation, number, Err(failure));
                }
            }
        }
        self.expire_later();
        for id in expired {
            self.operations.finish(id, FailureKind::OperationTimeout);
        }
        for at in struck {
            let slot = &mut self.slots[at];
            slot.strikes += 1;
            sometimes!("strike by operation timeout");
            if slot.strikes >= STRIKES || slot.probe.is_some() {
                sometimes!("dead by operation timeouts");
                let server = slot.id.server;
                let cause = DeathCause::OperationTimeout;
                self.mark_dead(server, FailureKind::OperationTimeout, cause, now);
            }
        }
    }
}
