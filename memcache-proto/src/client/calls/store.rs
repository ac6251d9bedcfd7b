use super::{Call, Calls, Error, One};
use crate::client::{NewItem, Operation, OperationId, Outcome, Stored};
use crate::codec::StoreVerb;
use crate::value::ToValue;
use crate::{Expiry, KeyRef, ToKey};

/// A call that stores one item: made by [`set`], [`add`], [`replace`], [`append`], [`prepend`] and
/// [`cas`]. It returns a `T`.
pub struct Store<K, V, T> {
    verb: StoreVerb,
    key: K,
    value: V,
    expiry: Expiry,
    answer: One<T>,
}

impl<K: ToKey, V: ToValue, T> Call for Store<K, V, T> {
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
        let Store { verb, key, value, expiry, answer } = self;
        let (key, exptime) = (key.to_key()?, calls.exptime(expiry)?);
        let encoded = calls.transcoder.encode_for(verb, value.to_value());
        let (key, flags, value) = (key.as_key(), encoded.flags, &encoded.bytes);
        let item = NewItem { key, flags, exptime, value };
        Ok((submit(Operation::Store { verb, item })?, answer))
    }
}

/// Stores a value under a key, whatever was there.
pub fn set<K: ToKey, V: ToValue>(key: K, value: V, expiry: impl Into<Expiry>) -> Store<K, V, ()> {
    let answer = One(|outcome: Outcome, _: &_| match outcome.stored()? {
        Stored::Stored => Ok(()),
        declined => Err(Error::NotStored(declined).into()),
    });
    Store { verb: StoreVerb::Set, key, value, expiry: expiry.into(), answer }
}

/// Stores a value if the key is not there. Returns whether it was stored.
pub fn add<K: ToKey, V: ToValue>(key: K, value: V, expiry: impl Into<Expiry>) -> Store<K, V, bool> {
    conditional(StoreVerb::Add, key, value, expiry.into())
}

/// Stores a value if the key is there. Returns whether it was stored.
pub fn replace<K: ToKey, V: ToValue>(
    key: K,
    value: V,
    expiry: impl Into<Expiry>,
) -> Store<K, V, bool> {
    conditional(StoreVerb::Replace, key, value, expiry.into())
}

/// Puts a value behind the one that is there. Returns whether there was one.
pub fn append<K: ToKey, V: ToValue>(key: K, value: V) -> Store<K, V, bool> {
    conditional(StoreVerb::Append, key, value, Expiry::Never)
}

/// Puts a value before the one that is there. Returns whether there was one.
pub fn prepend<K: ToKey, V: ToValue>(key: K, value: V) -> Store<K, V, bool> {
    conditional(StoreVerb::Prepend, key, value, Expiry::Never)
}

/// Stores a value if the item has not changed since [`gets`](super::gets) returned `unique`.
pub fn cas<K: ToKey, V: ToValue>(
    key: K,
    value: V,
    expiry: impl Into<Expiry>,
    unique: u64,
) -> Store<K, V, Stored> {
    let answer = One(|outcome: Outcome, _: &_| Ok(outcome.stored()?));
    Store { verb: StoreVerb::Cas(unique), key, value, expiry: expiry.into(), answer }
}

fn conditional<K: ToKey, V: ToValue>(
    verb: StoreVerb,
    key: K,
    value: V,
    expiry: Expiry,
) -> Store<K, V, bool> {
    let answer = One(|outcome: Outcome, _: &Calls| Ok(outcome.stored()?.is_stored()));
    Store { verb, key, value, expiry, answer }
}
