//! Who waits for the answer to a request.

use alloc::vec::Vec;
use core::ops::Range;

use super::nature;
use super::operations::OperationId;
use super::outcome::{Failure, FailureKind};
use crate::codec::Command;
use crate::connection::Delivery;
use crate::routing::ServerIndex;

/// The keys of one operation that one request is about, or the server that it is about. All of them have come
/// equally far.
#[derive(Clone)]
pub(super) struct Waiter {
    pub(super) operation: OperationId,
    /// What chooses the server, where that is not the key's hash.
    hash: i64,
    is_pinned: bool,
    /// How many servers were passed over before this one.
    pub(super) attempt: u8,
    /// How often it has been made again after it failed.
    pub(super) retries: u8,
    /// Whether it was sent before, on a connection that turned out to be closed.
    pub(super) resent: bool,
    /// Whether its command changes anything on the server.
    pub(super) changes: bool,
    /// Which of the request's keys or commands is the first of these.
    start: u32,
    asked: Asked,
}

/// The numbers of the keys in their operation. Most operations have one.
#[derive(Clone)]
enum Asked {
    One(Number),
    Many(Vec<Number>),
}

/// The number of a key in its operation, or of a server, and whether that has been answered.
#[derive(Clone, Copy)]
struct Number(u32);

/// How many keys an operation may have.
pub(super) const MAX_KEYS: u32 = Number::ANSWERED;

impl Number {
    const ANSWERED: u32 = 1 << 31;

    fn get(self) -> u32 {
        self.0 & !Self::ANSWERED
    }

    fn is_answered(self) -> bool {
        self.0 & Self::ANSWERED != 0
    }

    fn answer(&mut self) {
        self.0 |= Self::ANSWERED;
    }
}

impl Waiter {
    pub(super) fn new(
        operation: OperationId,
        number: u32,
        hash: Option<i64>,
        command: &Command<'_>,
    ) -> Self {
        Waiter {
            operation,
            hash: hash.unwrap_or_default(),
            is_pinned: hash.is_some(),
            attempt: 0,
            retries: 0,
            resent: false,
            changes: nature::changes(command),
            start: 0,
            asked: Asked::One(Number(number)),
        }
    }

    /// Who waits for one of its keys alone, in a request of its own.
    pub(super) fn alone(&self, number: u32) -> Self {
        Waiter {
            operation: self.operation,
            hash: self.hash,
            is_pinned: self.is_pinned,
            attempt: self.attempt,
            retries: self.retries,
            resent: self.resent,
            changes: self.changes,
            start: 0,
            asked: Asked::One(Number(number)),
        }
    }

    /// Puts it behind others that wait for the same request, from this key or command of it on.
    pub(super) fn set_start(&mut self, start: usize) {
        self.start = u32::try_from(start).unwrap_or(u32::MAX);
    }

    /// Which of the request's keys or commands is the first of these.
    pub(super) fn start(&self) -> usize {
        self.start as usize
    }

    /// Whether one more key of this operation can wait with these: they must have come equally far.
    #[inline]
    pub(super) fn may_grow(&self, operation: OperationId) -> bool {
        let is_new = self.attempt == 0 && self.retries == 0 && !self.resent;
        self.operation == operation && !self.is_pinned && is_new
    }

    /// Whether the first of its keys is of the part of the operation that begins with this number. What a part
    /// looks like on the wire does not depend on how much of the one before has been sent.
    #[inline]
    pub(super) fn is_of(&self, part: u32) -> bool {
        self.numbers().first().is_some_and(|first| first.get() >= part)
    }

    /// Has one more key wait, the next of the request. It [may](Self::may_grow).
    #[inline]
    pub(super) fn grow(&mut self, number: u32) {
        match &mut self.asked {
            Asked::Many(numbers) => numbers.push(Number(number)),
            Asked::One(first) => {
                let mut numbers = Vec::with_capacity(FIRST_KEYS);
                numbers.extend([*first, Number(number)]);
                self.asked = Asked::Many(numbers);
            }
        }
    }

    /// Has the one key of another wait with these, the next of the request, if they have come equally far. Returns
    /// whether it does.
    pub(super) fn join(&mut self, other: &Waiter) -> bool {
        let Asked::One(number) = other.asked else { return false };
        let may = self.may_grow(other.operation) && other.may_grow(self.operation);
        if may {
            self.grow(number.get());
        }
        may
    }

    fn numbers(&self) -> &[Number] {
        match &self.asked {
            Asked::One(number) => core::slice::from_ref(number),
            Asked::Many(numbers) => numbers,
        }
    }

    fn numbers_mut(&mut self) -> &mut [Number] {
        match &mut self.asked {
            Asked::One(number) => core::slice::from_mut(number),
            Asked::Many(numbers) => numbers,
        }
    }

    /// How many keys or commands of the request these are.
    pub(super) fn len(&self) -> usize {
        self.numbers().len()
    }

    /// The number of the key at this place of the request, which is answered from now on; `None` if it was
    /// before.
    #[inline]
    pub(super) fn answer(&mut self, index: usize) -> Option<u32> {
        let at = index.checked_sub(self.start())?;
        let number = self.numbers_mut().get_mut(at).filter(|number| !number.is_answered())?;
        number.answer();
        Some(number.get())
    }

    /// The keys at these places of the request are answered from now on. Returns how many of them were not
    /// before.
    pub(super) fn answer_each(&mut self, places: Range<usize>) -> usize {
        let from = places.start.saturating_sub(self.start());
        let to = places.end.saturating_sub(self.start());
        let mut count = 0;
        for number in self.numbers_mut().get_mut(from..to).unwrap_or_default() {
            count += usize::from(!number.is_answered());
            number.answer();
        }
        count
    }

    /// Whether any of them has not been answered.
    pub(super) fn is_waiting(&self) -> bool {
        self.numbers().iter().any(|number| !number.is_answered())
    }

    /// The numbers of those that have not been answered, each with its place in the request.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (usize, u32)> {
        let places = (self.start()..).zip(self.numbers());
        places.filter(|(_, number)| !number.is_answered()).map(|(at, number)| (at, number.get()))
    }

    /// The numbers of those that have not been answered, each with the operation.
    pub(super) fn numbers_waiting(&self) -> impl Iterator<Item = (OperationId, u32)> {
        self.waiting().map(|(_, number)| (self.operation, number))
    }

    /// The number of the key at this place of the request; `None` if it has been answered.
    pub(super) fn waiting_at(&self, index: usize) -> Option<u32> {
        let number = self.numbers().get(index.checked_sub(self.start())?)?;
        (!number.is_answered()).then(|| number.get())
    }

    /// As [`waiting`](Self::waiting), those that have been answered.
    pub(super) fn answered(&self) -> impl Iterator<Item = (usize, u32)> {
        let places = (self.start()..).zip(self.numbers());
        places.filter(|(_, number)| number.is_answered()).map(|(at, number)| (at, number.get()))
    }

    /// Has all of them be answered.
    pub(super) fn answer_all(&mut self) {
        self.numbers_mut().iter_mut().for_each(Number::answer);
    }

    /// Takes the answer for the key at this place of the request back.
    pub(super) fn take_back(&mut self, index: usize) {
        let at = index.checked_sub(self.start());
        if let Some(number) = at.and_then(|at| self.numbers_mut().get_mut(at)) {
            *number = Number(number.get());
        }
    }

    /// The failure of one of them, where the last request for it has come as far as `delivery` says.
    pub(super) fn failure(
        &self,
        server: Option<ServerIndex>,
        delivery: Delivery,
        kind: FailureKind,
    ) -> Failure {
        let told = match delivery {
            Delivery::NotSent if self.resent => Delivery::Unanswered,
            delivery => delivery,
        };
        sometimes!("told not sent", told == Delivery::NotSent);
        sometimes!("told unanswered", told == Delivery::Unanswered);
        sometimes!("not sent, but once before", told != delivery);
        Failure { server, delivery: told, changes: self.changes, kind }
    }

    /// What chooses the server, if not the key's hash.
    pub(super) fn hash(&self) -> Option<i64> {
        self.is_pinned.then_some(self.hash)
    }
}

/// How many keys there is room for when a second one joins the first.
const FIRST_KEYS: usize = 16;
