use alloc::vec::Vec;
use core::marker::PhantomData;

use bytes::Bytes;

use super::given::{Given, routed};
use crate::calls::names::CallName;
use crate::calls::sealed::Sealed;
use crate::calls::{Answer, Call, CallKey, Calls, Error, FailedKey, Many, Source};
use crate::client::{ItemRef, Items, Operation, OperationId, Outcome};
use crate::routing::ServerIndex;
use crate::value::FromValue;
use crate::{Expiry, Exptime, ToKey};

/// The values of those of the keys that are there, under the caller's own keys, in a map of the
/// caller's choice. The keys that were not there are in [`Many::missing`]; those that cannot be sent, or
/// whose values cannot be read, are in [`Many::failed`].
pub fn get_many<V: FromValue, K: ToKey, M: Default + Extend<(K, V)>>(
    keys: impl IntoIterator<Item = K>,
) -> GetMany<K, Plain<V>, M> {
    GetMany::new(CallName::GetMany, keys, None, M::default())
}

/// As [`get_many`], with the cas unique of each item beside its value.
pub fn gets_many<V: FromValue, K: ToKey, M: Default + Extend<(K, (V, u64))>>(
    keys: impl IntoIterator<Item = K>,
) -> GetMany<K, WithCas<V>, M> {
    GetMany::new(CallName::GetsMany, keys, None, M::default())
}

/// As [`get_many`], and gives the items that are there a new expiry.
///
/// memcached knows the command since 1.5.3.
pub fn gat_many<V: FromValue, K: ToKey, M: Default + Extend<(K, V)>>(
    keys: impl IntoIterator<Item = K>,
    expiry: impl Into<Expiry>,
) -> GetMany<K, Plain<V>, M> {
    GetMany::new(CallName::GatMany, keys, Some(expiry.into()), M::default())
}

/// A call made by [`get_many`], [`gets_many`] or [`gat_many`].
pub struct GetMany<K, R, M> {
    name: CallName,
    keys: Vec<Option<K>>,
    expiry: Option<Expiry>,
    prefix: Vec<u8>,
    /// Where what is found goes.
    into: M,
    reading: PhantomData<fn() -> R>,
}

/// Items are read as values of this type.
pub struct Plain<V>(PhantomData<fn() -> V>);

/// Items are read as values of this type with their cas uniques.
pub struct WithCas<V>(PhantomData<fn() -> V>);

/// What an item is read as.
pub trait Reading: Sealed {
    /// What it is read as.
    type Read;
    /// Whether that needs the cas unique.
    const CAS: bool;

    /// Reads an item, whose value is a part of `buffer`.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if the value cannot be read so.
    fn read(calls: &Calls, item: &ItemRef<'_>, buffer: &Bytes) -> Result<Self::Read, Error>;
}

impl<V: FromValue> Reading for Plain<V> {
    type Read = V;
    const CAS: bool = false;

    #[inline]
    fn read(calls: &Calls, item: &ItemRef<'_>, buffer: &Bytes) -> Result<V, Error> {
        calls.decode_part(item, buffer)
    }
}

impl<V: FromValue> Reading for WithCas<V> {
    type Read = (V, u64);
    const CAS: bool = true;

    #[inline]
    fn read(calls: &Calls, item: &ItemRef<'_>, buffer: &Bytes) -> Result<(V, u64), Error> {
        // A reply without one, where it was asked for, has closed the connection.
        Ok((calls.decode_part(item, buffer)?, item.cas.unwrap_or_default()))
    }
}

impl<K, R, M> GetMany<K, R, M> {
    pub(super) fn new(
        name: CallName,
        keys: impl IntoIterator<Item = K>,
        expiry: Option<Expiry>,
        into: M,
    ) -> Self {
        let keys = keys.into_iter().map(Some).collect();
        GetMany { name, keys, expiry, prefix: Vec::new(), into, reading: PhantomData }
    }

    /// Puts `prefix` before every key of this call, behind the client's own `key_prefix`. It always takes
    /// part in choosing the server, whatever `hash_with_prefix_key` says of the client's own.
    /// The values found are under the keys without it.
    #[must_use]
    pub fn key_prefix(mut self, prefix: impl AsRef<[u8]>) -> Self {
        self.prefix = prefix.as_ref().to_vec();
        self
    }
}

/// The answer to [`get_many`], [`gets_many`] and [`gat_many`].
pub struct Found<K, R, M> {
    /// Those that have no answer yet.
    keys: Vec<Option<K>>,
    prefix: Vec<u8>,
    exptime: Option<Exptime>,
    given: Given,
    many: Many<M, K>,
    reading: PhantomData<fn() -> R>,
}

impl<K: ToKey, R: Reading, M: Extend<(K, R::Read)>> Call for GetMany<K, R, M> {
    type Output = Many<M, K>;
    type Answer = Found<K, R, M>;

    fn name(&self) -> CallName {
        self.name
    }

    fn submit(
        self,
        calls: &Calls,
        submit: impl FnOnce(Operation<'_>) -> Result<OperationId, Error>,
    ) -> Result<(OperationId, Self::Answer), Error> {
        calls.count(self.name);
        let exptime = self.expiry.map(|expiry| calls.exptime(expiry)).transpose()?;
        let GetMany { keys, prefix, into, reading, .. } = self;
        let many = Many { result: into, missing: Vec::new(), failed: Vec::new() };
        let given = Given::default();
        let mut found = Found { keys, prefix, exptime, given, many, reading };
        Ok((found.give(calls, submit)?, found))
    }
}

impl<K: ToKey, R: Reading, M> Found<K, R, M> {
    /// Gives the next keys.
    fn give<T>(&mut self, calls: &Calls, give: impl FnOnce(Operation<'_>) -> T) -> T {
        let Found { keys, prefix, exptime, given, many, .. } = self;
        let (cas, all) = (R::CAS, keys.len());
        let mut refused = Vec::new();
        let checked = given.encode(
            keys,
            calls.cluster(),
            |key| Ok(calls.keys.apply(prefix, key.as_ref().expect("it has not been given"))?),
            CallKey::len,
            |number, error| refused.push((number, error)),
        );
        let routed = &routed(&checked);
        let operation = match *exptime {
            Some(exptime) => Operation::GatMany { keys: routed, exptime, cas },
            None => Operation::GetMany { keys: routed, cas },
        };
        let result = given.give(all, operation, give);
        drop(checked);
        for (number, error) in refused {
            if let Some(key) = keys.get_mut(number).and_then(Option::take) {
                many.failed.push(FailedKey { number, key, error });
            }
        }
        result
    }
}

impl<K, R, M: Default> Found<K, R, M> {
    /// Takes what has been found so far.
    pub fn take_found(&mut self) -> M {
        core::mem::take(&mut self.many.result)
    }
}

impl<K: ToKey, R: Reading, M: Extend<(K, R::Read)>> Answer for Found<K, R, M> {
    type Output = Many<M, K>;

    const IN_PARTS: bool = true;

    fn take(&mut self, items: Items, calls: &Calls) {
        // Put together first, as what is added at once makes room once.
        let mut values = Vec::with_capacity(items.len());
        for (number, item, buffer) in items.parts() {
            let number = self.given.number(number);
            let Some(key) = self.keys.get_mut(number).and_then(Option::take) else { continue };
            match R::read(calls, &item, buffer) {
                Ok(value) => values.push((key, value)),
                Err(error) => self.many.failed.push(FailedKey { number, key, error }),
            }
        }
        self.many.result.extend(values);
    }

    fn feed(&mut self, calls: &Calls, feed: impl FnOnce(Operation<'_>)) {
        self.give(calls, feed);
    }

    fn finish(
        mut self,
        outcome: Outcome,
        calls: &Calls,
        source: impl Fn(ServerIndex) -> Option<Source>,
    ) -> Result<Self::Output, Error> {
        let outcome = outcome.many().map_err(|failure| calls.error(failure, &source))?;
        self.take(outcome.items, calls);
        let given = self.given.next();
        let rest = outcome
            .rest
            .into_iter()
            .flat_map(|rest| (given..self.keys.len()).map(move |number| (number, (*rest).clone())));
        let failed = outcome.failed.into_iter();
        let failed = failed.map(|(number, failure)| (self.given.number(number), failure));
        for (number, failure) in failed.chain(rest).collect::<Vec<_>>() {
            if calls.is_miss(&failure) {
                continue;
            }
            let error = calls.error(failure, &source);
            match self.keys.get_mut(number).and_then(Option::take) {
                Some(key) => self.many.failed.push(FailedKey { number, key, error }),
                // Its value is in the map already, and then the server gave another one.
                None => return Err(error),
            }
        }
        self.many.failed.sort_by_key(|failed| failed.number);
        self.many.missing = self.keys.into_iter().flatten().collect();
        Ok(self.many)
    }
}
