use super::{Call, Calls, Error, One, Trouble};
use crate::client::{Delivery, Failure, FailureKind, Item, Operation, OperationId, Outcome};
use crate::value::FromValue;
use crate::{Expiry, Key, KeyRef, ProtocolError, ToKey};

/// A call on one key that stores nothing: made by [`get`], [`gets`], [`gat`], [`delete`], [`touch`],
/// [`incr`] and [`decr`]. It returns a `T`.
pub struct Keyed<K, T> {
    key: K,
    ask: Ask,
    answer: One<T>,
}

/// What is asked about the key.
enum Ask {
    Get { cas: bool },
    Gat(Expiry),
    Delete,
    Touch(Expiry),
    Incr(u64),
    Decr(u64),
}

impl Ask {
    fn operation<'a>(&self, key: Key<'a>, calls: &Calls) -> Result<Operation<'a>, Error> {
        Ok(match *self {
            Ask::Get { cas } => Operation::Get { key, cas },
            Ask::Gat(expiry) => Operation::Gat { key, exptime: calls.exptime(expiry)?, cas: false },
            Ask::Delete => Operation::Delete { key },
            Ask::Touch(expiry) => Operation::Touch { key, exptime: calls.exptime(expiry)? },
            Ask::Incr(delta) => Operation::Incr { key, delta },
            Ask::Decr(delta) => Operation::Decr { key, delta },
        })
    }
}

impl<K: ToKey, T> Call for Keyed<K, T> {
    type Output = T;
    type Answer = One<T>;

    fn key(&self) -> Option<KeyRef<'_>> {
        self.key.to_key().ok()
    }

    fn submit(
        self,
        calls: &Calls,
        submit: impl FnOnce(Operation<'_>) -> Result<OperationId, Error>,
    ) -> Result<(OperationId, One<T>), Error> {
        let key = self.key.to_key()?;
        let operation = self.ask.operation(key.as_key(), calls)?;
        Ok((submit(operation)?, self.answer))
    }
}

/// The value of a key; `None` where there is none.
pub fn get<V: FromValue, K: ToKey>(key: K) -> Keyed<K, Option<V>> {
    Keyed { key, ask: Ask::Get { cas: false }, answer: One(value) }
}

/// The value of a key and its cas unique, for [`cas`](super::cas()).
pub fn gets<V: FromValue, K: ToKey>(key: K) -> Keyed<K, Option<(V, u64)>> {
    let answer = One(|outcome: Outcome, calls: &Calls| {
        let Some(item) = outcome.item()? else { return Ok(None) };
        // A number of our own would make of a later cas whatever it happens to match.
        let unique = item.cas.ok_or(NO_UNIQUE)?;
        Ok(Some((calls.decode(item)?, unique)))
    });
    Keyed { key, ask: Ask::Get { cas: true }, answer }
}

/// The value of a key, and a new expiry for it.
pub fn gat<V: FromValue, K: ToKey>(key: K, expiry: impl Into<Expiry>) -> Keyed<K, Option<V>> {
    Keyed { key, ask: Ask::Gat(expiry.into()), answer: One(value) }
}

/// Deletes a key. Returns whether it was there.
pub fn delete<K: ToKey>(key: K) -> Keyed<K, bool> {
    Keyed { key, ask: Ask::Delete, answer: One(|outcome, _| Ok(outcome.found()?)) }
}

/// Gives an item a new expiry. Returns whether it was there.
pub fn touch<K: ToKey>(key: K, expiry: impl Into<Expiry>) -> Keyed<K, bool> {
    Keyed { key, ask: Ask::Touch(expiry.into()), answer: One(|outcome, _| Ok(outcome.found()?)) }
}

/// Adds to a counter and returns its new value; `None` where there is no counter. It wraps at 2^64.
pub fn incr<K: ToKey>(key: K, delta: u64) -> Keyed<K, Option<u64>> {
    Keyed { key, ask: Ask::Incr(delta), answer: One(|outcome, _| Ok(outcome.number()?)) }
}

/// Takes away from a counter and returns its new value; `None` where there is no counter. It stops at
/// 0.
pub fn decr<K: ToKey>(key: K, delta: u64) -> Keyed<K, Option<u64>> {
    Keyed { key, ask: Ask::Decr(delta), answer: One(|outcome, _| Ok(outcome.number()?)) }
}

fn value<V: FromValue>(outcome: Outcome, calls: &Calls) -> Result<Option<V>, Trouble> {
    let item: Option<Item> = outcome.item()?;
    Ok(item.map(|item| calls.decode(item)).transpose()?)
}

const NO_UNIQUE: Failure = Failure {
    server: None,
    delivery: Delivery::Answered,
    kind: FailureKind::Protocol(ProtocolError::UnexpectedResponse),
};
