use super::names::CallName;
use super::{Call, CallKey, Calls, Error, One, Trouble};
use crate::client::{Delivery, Failure, FailureKind, Item, Operation, OperationId, Outcome};
use crate::routing::ServerIndex;
use crate::value::FromValue;
use crate::{Expiry, ProtocolError, ToKey};

/// A call that looks one key up: made by [`get`], [`gets`] and [`gat`]. It returns a `T`.
pub struct Lookup<K, T> {
    key: K,
    ask: Ask,
    answer: One<T>,
}

/// How it is looked up.
#[derive(Clone, Copy)]
enum Ask {
    Get,
    Gets,
    Gat(Expiry),
}

/// The value of a key; `None` where there is none.
pub fn get<V: FromValue, K: ToKey>(key: K) -> Lookup<K, Option<V>> {
    Lookup { key, ask: Ask::Get, answer: One(value) }
}

/// The value of a key and its cas unique, for [`cas`](super::cas()).
pub fn gets<V: FromValue, K: ToKey>(key: K) -> Lookup<K, Option<(V, u64)>> {
    let answer = One(|outcome: Outcome, calls: &Calls| {
        let Some(item) = calls.item(outcome)? else { return Ok(None) };
        // A number of our own would make of a later cas whatever it happens to match.
        let unique = item.cas.ok_or_else(|| no_answer(Some(item.server)))?;
        Ok(Some((calls.decode(item)?, unique)))
    });
    Lookup { key, ask: Ask::Gets, answer }
}

/// The value of a key, and a new expiry for it.
pub fn gat<V: FromValue, K: ToKey>(key: K, expiry: impl Into<Expiry>) -> Lookup<K, Option<V>> {
    Lookup { key, ask: Ask::Gat(expiry.into()), answer: One(value) }
}

/// A get whose outcome is read so.
pub(super) fn get_as<K: ToKey, T>(key: K, answer: One<T>) -> Lookup<K, T> {
    Lookup { key, ask: Ask::Get, answer }
}

impl<K: ToKey, T> Call for Lookup<K, T> {
    type Output = T;
    type Answer = One<T>;

    fn name(&self) -> CallName {
        match self.ask {
            Ask::Get => CallName::Get,
            Ask::Gets => CallName::Gets,
            Ask::Gat(_) => CallName::Gat,
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
        let key = calls.key(&self.key)?;
        let key = key.as_routed();
        let operation = match self.ask {
            Ask::Get => Operation::Get { key, cas: false },
            Ask::Gets => Operation::Get { key, cas: true },
            Ask::Gat(expiry) => Operation::Gat { key, exptime: calls.exptime(expiry)?, cas: false },
        };
        Ok((submit(operation)?, self.answer))
    }
}

fn value<V: FromValue>(outcome: Outcome, calls: &Calls) -> Result<Option<V>, Trouble> {
    let item: Option<Item> = calls.item(outcome)?;
    Ok(item.map(|item| calls.decode(item)).transpose()?)
}

/// An answer that lacks what was asked for.
pub(super) fn no_answer(server: Option<ServerIndex>) -> Failure {
    let kind = FailureKind::Protocol(ProtocolError::UnexpectedResponse.into());
    Failure { server, delivery: Delivery::Answered, changes: false, kind }
}
