mod parts;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use super::items::Items;
use super::outcome::{Failure, FailureKind, Many, Outcome, Reply};
use super::seen::Seen;
use super::waiter::Waiter;
use crate::Time;
use crate::routing::ServerIndex;
use parts::Parts;

/// An operation of one [`Client`](super::Client), from its submission until its outcome is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OperationId {
    index: u32,
    generation: u32,
}

impl OperationId {
    /// That of no operation of any client.
    pub(crate) const NONE: OperationId = OperationId { index: u32::MAX, generation: u32::MAX };

    /// A small number that no other operation has at the same time; it is used again after. Wakers,
    /// for instance, can stand in a `Vec` under it.
    #[must_use]
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// Every operation that is not taken yet.
#[derive(Default)]
pub(super) struct Operations {
    entries: Vec<Entry>,
    free: Vec<u32>,
    completed: VecDeque<OperationId>,
    /// In the order of submission, which is that of the deadlines, as all take the same time. The first is
    /// of one that is pending.
    deadlines: VecDeque<(Time, OperationId)>,
    /// How often an operation ended before its answers had come.
    withdrawn: u64,
    /// How many operations wait for more keys.
    in_parts: usize,
    /// What has been seen of the operation of each index, the last that was looked at.
    seen: Vec<(Option<OperationId>, Seen)>,
}

struct Entry {
    generation: u32,
    /// How many answers are still to come.
    remaining: usize,
    /// Whether its deadline has passed.
    expired: bool,
    /// `None` where the entry is free.
    outcome: Option<Outcome>,
    /// What has been taken in of an operation of which more keys are to follow. It counts as an answer that is
    /// still to come.
    parts: Option<Parts>,
}

/// Whether it is what is expected of most keys of an operation on many, which is not told.
#[inline]
fn is_expected(answer: &Result<Reply, Failure>) -> bool {
    matches!(answer, Ok(Reply::Miss | Reply::Stored | Reply::Ok | Reply::Sent))
}

/// What kind of outcome an operation is to have.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    One,
    Many,
    Servers,
}

impl Operations {
    pub(super) fn begin(
        &mut self,
        shape: Shape,
        answers: usize,
        now: Time,
        timeout: Option<Duration>,
    ) -> OperationId {
        let pending = Failure::not_sent(None, FailureKind::AllDead(Box::default()));
        let outcome = Some(match shape {
            Shape::One => Outcome::One(Err(pending)),
            Shape::Many => Outcome::Many(Many::default()),
            Shape::Servers => Outcome::Servers(Vec::with_capacity(answers)),
        });
        let index = self.free.pop().unwrap_or_else(|| {
            let outcome = None;
            self.entries.push(Entry {
                generation: 0,
                remaining: 0,
                expired: false,
                outcome,
                parts: None,
            });
            u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 operations at a time")
        });
        let entry = &mut self.entries[index as usize];
        (entry.remaining, entry.expired, entry.outcome) = (answers, false, outcome);
        let id = OperationId { index, generation: entry.generation };
        if answers == 0 {
            self.complete(id);
        } else if let Some(timeout) = timeout {
            if self.deadlines.len() > 2 * self.entries.len() {
                let mut deadlines = core::mem::take(&mut self.deadlines);
                deadlines.retain(|&(_, id)| self.is_pending(id));
                self.deadlines = deadlines;
            }
            self.deadlines.push_back((now + timeout, id));
        }
        id
    }

    fn id(&self, index: usize) -> OperationId {
        let generation = self.entries[index].generation;
        let index = u32::try_from(index).expect("fewer than 2^32 operations at a time");
        OperationId { index, generation }
    }

    /// Those taken without a poll are still in the queue; they must not make it grow.
    fn complete(&mut self, id: OperationId) {
        if self.completed.len() > 2 * self.entries.len() {
            let mut completed = core::mem::take(&mut self.completed);
            completed.retain(|&id| self.is_done(id));
            self.completed = completed;
        }
        self.completed.push_back(id);
        self.drop_deadlines();
    }

    /// Drops the deadlines of those that have ended, up to the first that has not: each is dropped once, and
    /// nobody who asks for the next one has to pass over them.
    #[inline]
    fn drop_deadlines(&mut self) {
        while self.deadlines.front().is_some_and(|&(_, id)| !self.is_pending(id)) {
            self.deadlines.pop_front();
        }
    }

    /// Whether the operation still waits for answers.
    pub(super) fn is_pending(&self, id: OperationId) -> bool {
        self.entry(id).is_some_and(|entry| entry.remaining > 0)
    }

    pub(super) fn is_done(&self, id: OperationId) -> bool {
        self.entry(id).is_some_and(|entry| entry.remaining == 0)
    }

    fn entry(&self, id: OperationId) -> Option<&Entry> {
        let entry = self.entries.get(id.index())?;
        (entry.generation == id.generation && entry.outcome.is_some()).then_some(entry)
    }

    /// One of the answers: of the key or server of this number.
    #[inline]
    pub(super) fn deliver(&mut self, id: OperationId, number: u32, answer: Result<Reply, Failure>) {
        let Some(entry) = self.entries.get_mut(id.index()) else { return };
        if entry.generation != id.generation || entry.remaining == 0 {
            return;
        }
        match &mut entry.outcome {
            Some(Outcome::One(outcome)) => *outcome = answer,
            Some(Outcome::Many(_)) if is_expected(&answer) => {}
            Some(Outcome::Many(many)) => match answer {
                Ok(Reply::Item(item)) => many.items.push_own(number, item),
                Ok(reply) => many.replies.push((number as usize, reply)),
                Err(failure) => many.failed.push((number as usize, failure)),
            },
            Some(Outcome::Servers(servers)) => servers.push((ServerIndex::new(number), answer)),
            None => return,
        }
        entry.remaining -= 1;
        if entry.remaining == 0 {
            self.complete(id);
        }
    }

    /// As [`deliver`](Self::deliver), of an answer that others have, too.
    #[inline]
    pub(super) fn deliver_again(
        &mut self,
        id: OperationId,
        number: u32,
        answer: &Result<Reply, Failure>,
    ) {
        if is_expected(answer) && self.items_of(id).is_some() {
            return self.answered(id, 1);
        }
        self.deliver(id, number, answer.clone());
    }

    /// The same answer for each of these places of a request.
    pub(super) fn deliver_each(
        &mut self,
        waiter: &mut Waiter,
        places: Range<usize>,
        answer: &Result<Reply, Failure>,
    ) {
        let id = waiter.operation;
        if is_expected(answer) && self.items_of(id).is_some() {
            let count = waiter.answer_each(places);
            return self.answered(id, count);
        }
        for place in places {
            if let Some(number) = waiter.answer(place) {
                self.deliver(id, number, answer.clone());
            }
        }
    }

    /// Takes an answer back, so that there is another to come; one of many only if `one_of_many` says so.
    /// Whether it did: not where the operation has completed.
    pub(super) fn take_back(&mut self, id: OperationId, number: u32, one_of_many: bool) -> bool {
        let Some(entry) = self.entry_mut(id).filter(|entry| entry.remaining > 0) else {
            return false;
        };
        match &mut entry.outcome {
            Some(Outcome::One(_)) => {}
            Some(Outcome::Many(many)) if one_of_many => {
                many.items.remove(number);
            }
            _ => return false,
        }
        sometimes!("answer taken back");
        entry.remaining += 1;
        true
    }

    /// Keeps an operation from completing before the end of one of its replies, whatever is answered.
    pub(super) fn hold(&mut self, id: OperationId) {
        if let Some(entry) = self.entry_mut(id) {
            entry.remaining += 1;
        }
    }

    /// One of its replies has ended.
    pub(super) fn release(&mut self, id: OperationId) {
        let Some(entry) = self.entry_mut(id).filter(|entry| entry.remaining > 0) else { return };
        entry.remaining -= 1;
        if entry.remaining == 0 {
            self.complete(id);
        }
    }

    /// A number that has changed if an operation has been withdrawn meanwhile: what has not been sent of
    /// it is not to be.
    pub(super) fn withdrawn(&self) -> u64 {
        self.withdrawn
    }

    /// Nothing more is waited for. Keys that were to follow fail so.
    pub(super) fn finish(&mut self, id: OperationId, kind: FailureKind) {
        self.stop_parts(id, kind);
        if let Some(entry) = self.entry_mut(id).filter(|entry| entry.remaining > 0) {
            entry.remaining = 0;
            self.withdrawn += 1;
            self.complete(id);
        }
    }

    fn entry_mut(&mut self, id: OperationId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(id.index())?;
        (entry.generation == id.generation && entry.outcome.is_some()).then_some(entry)
    }

    pub(super) fn poll_completion(&mut self) -> Option<OperationId> {
        while let Some(id) = self.completed.pop_front() {
            if self.is_done(id) {
                return Some(id);
            }
        }
        None
    }

    pub(super) fn take(&mut self, id: OperationId) -> Option<Outcome> {
        if !self.is_done(id) {
            return None;
        }
        if self.completed.front() == Some(&id) {
            self.completed.pop_front();
        }
        let mut outcome = self.free(id)?;
        if let Outcome::Many(many) = &mut outcome {
            many.items.seal();
        }
        Some(outcome)
    }

    /// Where the items go that an operation on many keys finds; `None` if it waits for none. Count them with
    /// [`answered`](Self::answered).
    #[inline]
    pub(super) fn items_of(&mut self, id: OperationId) -> Option<&mut Items> {
        let entry = self.entries.get_mut(id.index())?;
        match &mut entry.outcome {
            Some(Outcome::Many(many))
                if entry.generation == id.generation && entry.remaining > 0 =>
            {
                Some(&mut many.items)
            }
            _ => None,
        }
    }

    /// Counts answers that have come and of which the outcome tells nothing more.
    #[inline]
    pub(super) fn answered(&mut self, id: OperationId, count: usize) {
        let Some(entry) = self.entry_mut(id).filter(|entry| entry.remaining > 0 && count > 0)
        else {
            return;
        };
        entry.remaining = entry.remaining.saturating_sub(count);
        if entry.remaining == 0 {
            self.complete(id);
        }
    }

    pub(super) fn take_items(&mut self, id: OperationId) -> Items {
        match self.entries.get_mut(id.index()) {
            Some(Entry { generation, outcome: Some(Outcome::Many(many)), .. })
                if *generation == id.generation =>
            {
                many.items.take()
            }
            _ => Items::default(),
        }
    }

    /// How many items can be taken.
    pub(super) fn items(&self, id: OperationId) -> usize {
        match self.entry(id) {
            Some(Entry { outcome: Some(Outcome::Many(many)), .. }) => many.items.len(),
            _ => 0,
        }
    }

    pub(super) fn take_replies(&mut self, id: OperationId) -> Vec<(usize, Reply)> {
        match self.entries.get_mut(id.index()) {
            Some(Entry { generation, outcome: Some(Outcome::Many(many)), .. })
                if *generation == id.generation =>
            {
                core::mem::take(&mut many.replies)
            }
            _ => Vec::new(),
        }
    }

    /// How many replies can be taken.
    pub(super) fn replies(&self, id: OperationId) -> usize {
        match self.entry(id) {
            Some(Entry { outcome: Some(Outcome::Many(many)), .. }) => many.replies.len(),
            _ => 0,
        }
    }

    /// Whether it is an operation on one key.
    pub(super) fn is_one(&self, id: OperationId) -> bool {
        self.entry(id).is_some_and(|entry| matches!(entry.outcome, Some(Outcome::One(_))))
    }

    /// What has been seen of an operation, also if it has been taken.
    pub(super) fn seen(&self, id: OperationId) -> Seen {
        let seen = self.seen.get(id.index()).filter(|&&(of, _)| of == Some(id));
        seen.map_or_else(Seen::default, |&(_, seen)| seen)
    }

    /// What has been seen of an operation, to be added to.
    pub(super) fn seen_mut(&mut self, id: OperationId) -> &mut Seen {
        if self.seen.len() <= id.index() {
            self.seen.resize(id.index() + 1, (None, Seen::default()));
        }
        let (of, seen) = &mut self.seen[id.index()];
        if *of != Some(id) {
            (*of, *seen) = (Some(id), Seen::default());
        }
        seen
    }

    /// Forgets an operation, whatever its state.
    pub(super) fn free(&mut self, id: OperationId) -> Option<Outcome> {
        let entry = self.entries.get_mut(id.index())?;
        if entry.generation != id.generation {
            return None;
        }
        let outcome = entry.outcome.take()?;
        self.in_parts -= usize::from(entry.parts.take().is_some());
        sometimes!(
            "cancelled in mid-reply",
            match &outcome {
                Outcome::Many(many) => entry.remaining > 0 && !many.items.is_empty(),
                Outcome::One(_) | Outcome::Servers(_) => false,
            }
        );
        self.withdrawn += u64::from(entry.remaining > 0);
        entry.remaining = 0;
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(id.index);
        self.drop_deadlines();
        Some(outcome)
    }

    pub(super) fn clear(&mut self) {
        for index in 0..self.entries.len() {
            self.free(self.id(index));
        }
        self.completed.clear();
        self.deadlines.clear();
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.front().map(|&(deadline, _)| deadline)
    }

    /// Whether its deadline has passed and it has not been finished since.
    pub(super) fn is_expired(&self, id: OperationId) -> bool {
        self.entry(id).is_some_and(|entry| entry.expired && entry.remaining > 0)
    }

    /// The next operation whose deadline has passed.
    pub(super) fn pop_expired(&mut self, now: Time) -> Option<OperationId> {
        let &(_, id) = self.deadlines.front().filter(|&&(deadline, _)| deadline <= now)?;
        self.deadlines.pop_front();
        self.drop_deadlines();
        if let Some(entry) = self.entry_mut(id) {
            entry.expired = true;
        }
        self.withdrawn += 1;
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that is never taken, or never ends, keeps nothing of the others.
    #[test]
    fn the_queues_are_bounded_by_the_operations_under_way() {
        let timeout = Duration::from_secs(3600);
        let mut operations = Operations::default();
        let begin = |operations: &mut Operations| {
            operations.begin(Shape::One, 1, Time::ZERO, Some(timeout))
        };
        let forgotten = begin(&mut operations);
        let endless = begin(&mut operations);
        operations.deliver(forgotten, 0, Ok(Reply::Ok));
        for _ in 0..10_000 {
            let id = begin(&mut operations);
            operations.deliver(id, 0, Ok(Reply::Ok));
            assert!(operations.take(id).is_some());
        }
        assert_eq!(operations.entries.len(), 3);
        assert!(operations.completed.len() < 10, "{}", operations.completed.len());
        assert!(operations.deadlines.len() < 10, "{}", operations.deadlines.len());
        assert_eq!(operations.poll_completion(), Some(forgotten));
        assert_eq!(operations.poll_completion(), None);
        assert_eq!(operations.pop_expired(Time::ZERO + timeout), Some(endless));
    }

    /// Whoever asks for the next deadline passes over none of those that have ended.
    #[test]
    fn the_first_deadline_is_of_one_that_is_pending() {
        let timeout = Duration::from_secs(1);
        let mut operations = Operations::default();
        let due = |millis| Time::from_millis(millis) + timeout;
        let begun = (0..5).map(|millis| {
            operations.begin(Shape::One, 1, Time::from_millis(millis), Some(timeout))
        });
        let begun: Vec<_> = begun.collect();
        operations.deliver(begun[1], 0, Ok(Reply::Ok));
        assert_eq!(operations.next_deadline(), Some(due(0)));
        operations.free(begun[0]);
        assert_eq!(operations.next_deadline(), Some(due(2)));
        operations.finish(begun[3], FailureKind::OperationTimeout);
        assert_eq!(operations.pop_expired(due(1)), None);
        assert_eq!(operations.pop_expired(due(2)), Some(begun[2]));
        assert_eq!(operations.next_deadline(), Some(due(4)));
        assert_eq!(operations.deadlines.len(), 1);
        operations.take(begun[3]);
        operations.deliver(begun[4], 0, Ok(Reply::Ok));
        assert_eq!(operations.next_deadline(), None);
        assert_eq!(operations.pop_expired(due(9)), None);
    }
}
