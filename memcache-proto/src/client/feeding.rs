//! Operations on many keys that are given part by part.

use super::{Client, Operation, OperationId};
use crate::Time;
use crate::routing::ServerIndex;

impl Client {
    /// Returns true if an operation waits for its next [part](Operation::Part) and its connections have room for
    /// it: give it with [`feed`](Self::feed). Ask after [`submit`](Self::submit) and whenever anything has
    /// happened since.
    ///
    /// A connection has room if at most half of [`Limits::backlog`](crate::Limits::backlog) waits on it. So
    /// beside your own items an operation of any number of keys takes at most so much and two parts for each
    /// connection.
    #[must_use]
    #[inline]
    pub fn is_hungry(&self, operation: OperationId) -> bool {
        let Some(fullest) = self.operations.fullest(operation) else { return false };
        let queued =
            self.slots.get(fullest).map_or(0, |slot| slot.stream.connection.queued_bytes());
        queued <= self.cluster.settings().limits.backlog / 2
    }

    /// The server that the next [part](Operation::Part) of an operation waits for: the one that had most to do
    /// when the last was taken in. `None` if no more keys follow.
    #[must_use]
    pub fn feeding(&self, operation: OperationId) -> Option<ServerIndex> {
        let fullest = self.operations.fullest(operation)?;
        Some(self.slots.get(fullest)?.id.server)
    }

    /// Goes on with an operation whose first part was submitted: takes in the keys of this part, which are
    /// numbered on from those before. If the part is an [`Operation::Part`], more are to follow; else it is the
    /// last. Next see to [`poll_action`](Self::poll_action).
    ///
    /// Does nothing if the operation has ended: [`Many::rest`](super::Many::rest) then says why.
    pub fn feed(&mut self, id: OperationId, part: Operation<'_>, now: Time) {
        if self.operations.fullest(id).is_some() {
            self.take_part(id, &part, now);
            self.see(id, &part);
        }
    }

    /// Takes in the next keys of an operation that has been begun for parts.
    pub(super) fn take_part(&mut self, id: OperationId, part: &Operation<'_>, now: Time) {
        let (mut keys, mut more) = (part, false);
        while let Operation::Part(part) = keys {
            (keys, more) = (part, true);
        }
        if let Some(first) = self.operations.extend(id, keys.keys()) {
            self.take_keys(keys, id, first, now);
        }
        if more {
            let at_work = self.slots.at_work();
            let queued = |at: &usize| self.slots[*at].stream.connection.queued_bytes();
            let fullest = at_work.into_iter().max_by_key(queued);
            self.operations.set_fullest(id, fullest.unwrap_or_default());
        } else {
            self.operations.end_parts(id);
        }
    }
}
