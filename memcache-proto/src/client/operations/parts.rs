//! Operations whose keys are given part by part.

use alloc::boxed::Box;
use core::time::Duration;

use super::{OperationId, Operations, Shape};
use crate::Time;
use crate::client::operation::Rejection;
use crate::client::outcome::{Failure, FailureKind, Outcome};
use crate::client::waiter::MAX_KEYS;

/// What has been taken in of an operation whose keys are given part by part.
#[derive(Clone, Copy, Default)]
pub(super) struct Parts {
    /// How many keys.
    keys: u32,
    /// The number of the first key of the last part.
    first: u32,
    /// The slot that had most to do after the last part.
    fullest: u32,
}

impl Operations {
    /// Begins an operation on many keys, none of which has been given yet.
    pub(in crate::client) fn begin_parts(
        &mut self,
        now: Time,
        timeout: Option<Duration>,
    ) -> OperationId {
        let id = self.begin(Shape::Many, 1, now, timeout);
        self.entries[id.index()].parts = Some(Parts::default());
        self.in_parts += 1;
        id
    }

    /// Makes room for so many keys more of an operation that waits for them. Returns the number of the first;
    /// `None` if it waits for none, or would have more keys than can be numbered: then it ends without them.
    pub(in crate::client) fn extend(&mut self, id: OperationId, keys: usize) -> Option<u32> {
        let entry = self.entry_mut(id)?;
        let parts = entry.parts.as_mut()?;
        let first = parts.keys;
        let end = u32::try_from(keys).ok().and_then(|keys| first.checked_add(keys));
        let Some(end) = end.filter(|&end| end <= MAX_KEYS) else {
            self.stop_parts(id, FailureKind::Rejected(Rejection::Full));
            return None;
        };
        (parts.first, parts.keys) = (first, end);
        entry.remaining += keys;
        Some(first)
    }

    /// The number of the first key of the part that is being taken in, or was taken in last.
    #[inline]
    pub(in crate::client) fn part(&self, id: OperationId) -> u32 {
        if self.in_parts == 0 {
            return 0;
        }
        self.entry(id).and_then(|entry| entry.parts).map_or(0, |parts| parts.first)
    }

    /// The slot that had most to do after the last part; `None` if the operation waits for no more keys.
    #[inline]
    pub(in crate::client) fn fullest(&self, id: OperationId) -> Option<usize> {
        if self.in_parts == 0 {
            return None;
        }
        Some(self.entry(id)?.parts?.fullest as usize)
    }

    pub(in crate::client) fn set_fullest(&mut self, id: OperationId, slot: usize) {
        let parts = self.entry_mut(id).and_then(|entry| entry.parts.as_mut());
        if let Some(parts) = parts {
            parts.fullest = u32::try_from(slot).unwrap_or(u32::MAX);
        }
    }

    /// No more keys follow, if the operation waited for some.
    pub(in crate::client) fn end_parts(&mut self, id: OperationId) {
        if self.entry_mut(id).is_some_and(|entry| entry.parts.take().is_some()) {
            self.in_parts -= 1;
            self.release(id);
        }
    }

    /// Takes no more keys of an operation in: those that were to follow fail so.
    pub(super) fn stop_parts(&mut self, id: OperationId, kind: FailureKind) {
        let entry = self.entry_mut(id).filter(|entry| entry.parts.is_some());
        if let Some(Outcome::Many(many)) = entry.and_then(|entry| entry.outcome.as_mut()) {
            many.rest = Some(Box::new(Failure::not_sent(None, kind)));
        }
        self.end_parts(id);
    }

    /// As [`stop_parts`](Self::stop_parts), of all operations.
    pub(in crate::client) fn stop_all_parts(&mut self, kind: &FailureKind) {
        if self.in_parts > 0 {
            for index in 0..self.entries.len() {
                self.stop_parts(self.id(index), kind.clone());
            }
        }
    }

    /// Whether an operation waits for more keys.
    pub(in crate::client) fn wait_for_parts(&self) -> bool {
        self.in_parts > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More keys than can be numbered end an operation, and nothing of them is lost.
    #[test]
    fn keys_that_cannot_be_numbered_are_left_out() {
        let mut operations = Operations::default();
        let id = operations.begin_parts(Time::ZERO, None);
        assert_eq!(operations.extend(id, 3), Some(0));
        assert_eq!(operations.extend(id, MAX_KEYS as usize - 3), Some(3));
        assert!(operations.wait_for_parts());
        assert_eq!(operations.extend(id, 1), None);
        assert!(!operations.wait_for_parts() && operations.is_pending(id));
        operations.answered(id, MAX_KEYS as usize);
        let Some(Outcome::Many(many)) = operations.take(id) else { panic!("it is done") };
        let rest = many.rest.expect("some were left out");
        assert_eq!(rest.kind, FailureKind::Rejected(Rejection::Full));
    }
}
