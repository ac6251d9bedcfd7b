//! What has taken too long.

use alloc::vec::Vec;

use super::closing::{Cause, STRIKES};
use super::{Client, Failure, FailureKind, Slot, State};
use crate::Time;

impl Client {
    /// When [`handle_timeout`](Self::handle_timeout) is next due; `None` where nothing is awaited. Call
    /// it when [`poll_action`](Self::poll_action) has no more: a connect has no deadline before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let slots = self.slots.iter().filter_map(|slot| self.slot_deadline(slot));
        slots.chain(self.operations.next_deadline()).min()
    }

    /// Gives up on what has taken too long by `now`. Calling it early does nothing.
    pub fn handle_timeout(&mut self, now: Time) {
        self.expire_operations(now);
        let late = |slot: &Slot| self.slot_deadline(slot).is_some_and(|deadline| deadline <= now);
        let late: Vec<_> = (0..self.slots.len()).filter(|&at| late(&self.slots[at])).collect();
        // All of them are dead before any of their keys look for another server.
        let cause = |slot: &Slot| match slot.state {
            State::Connecting { .. } => Cause::Connect,
            _ => Cause::Timeout,
        };
        for &at in &late {
            let slot = &self.slots[at];
            self.mark_dead(slot.id.server, cause(slot).failure(), now);
        }
        for at in late {
            self.close(at, cause(&self.slots[at]), now);
        }
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
        let mut struck = Vec::new();
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let given_up = slot.stream.give_up(&self.operations);
            let connecting = matches!(slot.state, State::Connecting { .. });
            let silent = slot.stream.connection.is_owed() && !slot.stream.connection.is_answering();
            if !given_up.is_empty() && (connecting || silent) {
                struck.push(at);
            }
            for (id, number, delivery) in given_up {
                let kind = FailureKind::OperationTimeout;
                let failure = Failure { server: Some(slot.id.server), delivery, kind };
                self.operations.deliver(id, number, Err(failure));
            }
        }
        for id in expired {
            self.operations.finish(id);
        }
        for at in struck {
            let slot = &mut self.slots[at];
            slot.strikes += 1;
            if slot.strikes >= STRIKES || slot.probe.is_some() {
                let server = slot.id.server;
                self.mark_dead(server, FailureKind::OperationTimeout, now);
            }
        }
    }

    fn slot_deadline(&self, slot: &Slot) -> Option<Time> {
        match slot.state {
            State::Closed => None,
            State::Connecting { deadline } => deadline,
            State::Open => {
                let connection = &slot.stream.connection;
                let waits = connection.awaits_reply() || connection.wants_transmit();
                waits.then(|| slot.active_at + self.cluster.settings().socket_timeout)
            }
        }
    }
}
