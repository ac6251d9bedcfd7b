use super::names::CallName;
use super::{Call, CallKey, Calls, Error, One, sent};
use crate::client::{Operation, OperationId};
use crate::{Expiry, ToKey};

/// A call that changes one item without a value for it: made by [`delete`], [`touch`], [`incr`] and
/// [`decr`]. It returns a `T`.
pub struct Change<K, T> {
    key: K,
    ask: Ask,
    noreply: bool,
    answer: One<T>,
}

/// What is to be done with the item.
#[derive(Clone, Copy)]
enum Ask {
    Delete,
    Touch(Expiry),
    Incr(u64),
    Decr(u64),
}

/// Deletes a key. Returns whether it was there.
pub fn delete<K: ToKey>(key: K) -> Change<K, bool> {
    Change::new(key, Ask::Delete, One(|outcome, _| Ok(outcome.found()?)))
}

/// Gives an item a new expiry. Returns whether it was there.
pub fn touch<K: ToKey>(key: K, expiry: impl Into<Expiry>) -> Change<K, bool> {
    Change::new(key, Ask::Touch(expiry.into()), One(|outcome, _| Ok(outcome.found()?)))
}

/// Adds to a counter and returns its new value; `None` where there is no counter. It wraps at 2^64.
pub fn incr<K: ToKey>(key: K, delta: u64) -> Change<K, Option<u64>> {
    Change::new(key, Ask::Incr(delta), One(|outcome, _| Ok(outcome.number()?)))
}

/// Takes away from a counter and returns its new value; `None` where there is no counter. It stops at
/// 0.
pub fn decr<K: ToKey>(key: K, delta: u64) -> Change<K, Option<u64>> {
    Change::new(key, Ask::Decr(delta), One(|outcome, _| Ok(outcome.number()?)))
}

impl<K, T> Change<K, T> {
    fn new(key: K, ask: Ask, answer: One<T>) -> Self {
        Change { key, ask, noreply: false, answer }
    }

    /// Has the server say nothing: the call returns when the command has been written, and what came of
    /// it nobody knows.
    #[must_use]
    pub fn noreply(self) -> Change<K, ()> {
        let Change { key, ask, .. } = self;
        Change { key, ask, noreply: true, answer: One(sent) }
    }
}

impl<K: ToKey, T> Call for Change<K, T> {
    type Output = T;
    type Answer = One<T>;

    fn name(&self) -> CallName {
        match self.ask {
            Ask::Delete => CallName::Delete,
            Ask::Touch(_) => CallName::Touch,
            Ask::Incr(_) => CallName::Incr,
            Ask::Decr(_) => CallName::Decr,
        }
    }

    fn key(&self, calls: &Calls) -> Option<CallKey<'_>> {
        calls.key(&self.key).ok()
    }

    fn submit(
        self,
        calls: &Calls,
        submit: impl FnOnce(Operation<'_>) -> Result<OperationId, Error>,
    ) -> Result<(OperationId, One<T>), Error> {
        calls.count(self.name());
        let Change { key, ask, noreply, answer } = self;
        let key = calls.key(&key)?;
        let key = key.as_routed();
        let operation = match ask {
            Ask::Delete => Operation::Delete { key, noreply },
            Ask::Touch(expiry) => {
                Operation::Touch { key, exptime: calls.exptime(expiry)?, noreply }
            }
            Ask::Incr(delta) => Operation::Incr { key, delta, noreply },
            Ask::Decr(delta) => Operation::Decr { key, delta, noreply },
        };
        Ok((submit(operation)?, answer))
    }
}
