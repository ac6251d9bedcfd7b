use alloc::vec::Vec;
use core::marker::PhantomData;

use super::names::CallName;
use super::{Answer, Call, CallKey, Calls, Error, FailedKey, Many, Source};
use crate::client::{Items, NewItem, Operation, OperationId, Outcome, Reply, RoutedKey, Stored};
use crate::codec::StoreVerb;
use crate::routing::ServerIndex;
use crate::value::{FromValue, ToValue};
use crate::{Expiry, ToKey};

/// The values of those of the keys that are there, under the caller's own keys, in a map of the
/// caller's choice. The keys that were not there are in [`Many::missing`]; those that cannot be sent, or
/// whose values cannot be read, are in [`Many::failed`].
pub fn get_many<V: FromValue, K: ToKey, M: Default + Extend<(K, V)>>(
    keys: impl IntoIterator<Item = K>,
) -> GetMany<K, V, M> {
    let keys = keys.into_iter().map(Some).collect();
    GetMany { keys, prefix: Vec::new(), found: PhantomData }
}

/// Stores many items, whatever was there. The result is how many were stored. Items that cannot be sent
/// are in [`Many::failed`], too.
///
/// All of them wait in memory until they are sent. If a server has more than
/// [`Limits::max_queued_bytes`](crate::Limits::max_queued_bytes) of them, 256 MiB by default, those beyond
/// fail with [`Rejection::Full`](crate::client::Rejection::Full): nothing of them was sent. Store that much
/// in several calls.
pub fn set_many<K: ToKey, V: ToValue>(
    items: impl IntoIterator<Item = (K, V)>,
    expiry: impl Into<Expiry>,
) -> SetMany<K, V> {
    let items = items.into_iter().collect();
    let (prefix, min_compress_len, noreply) = (Vec::new(), None, false);
    SetMany { items, expiry: expiry.into(), prefix, min_compress_len, noreply }
}

/// Deletes many keys. The result is how many were there; [`Many::missing`] has those that were not. Keys
/// that cannot be sent are in [`Many::failed`].
pub fn delete_many<K: ToKey>(keys: impl IntoIterator<Item = K>) -> DeleteMany<K> {
    DeleteMany { keys: keys.into_iter().collect(), prefix: Vec::new(), noreply: false }
}

/// A call made by [`get_many`].
pub struct GetMany<K, V, M> {
    keys: Vec<Option<K>>,
    prefix: Vec<u8>,
    found: PhantomData<fn() -> (V, M)>,
}

impl<K, V, M> GetMany<K, V, M> {
    /// Puts `prefix` before every key of this call, behind the client's own `key_prefix`. It always takes
    /// part in choosing the server, whatever `hash_with_prefix_key` says of the client's own.
    /// The values found are under the keys without it.
    #[must_use]
    pub fn key_prefix(mut self, prefix: impl AsRef<[u8]>) -> Self {
        self.prefix = prefix.as_ref().to_vec();
        self
    }
}

/// The answer to [`get_many`].
pub struct Found<K, V, M> {
    /// Those that have no answer yet.
    keys: Vec<Option<K>>,
    sent: Sent,
    many: Many<M, K>,
    values: PhantomData<fn() -> V>,
}

impl<K: ToKey, V: FromValue, M: Default + Extend<(K, V)>> Call for GetMany<K, V, M> {
    type Output = Many<M, K>;
    type Answer = Found<K, V, M>;

    fn submit(
        self,
        calls: &Calls,
        submit: impl FnOnce(Operation<'_>) -> Result<OperationId, Error>,
    ) -> Result<(OperationId, Self::Answer), Error> {
        calls.count(CallName::GetMany);
        let GetMany { mut keys, prefix, .. } = self;
        let checked = keys.iter().flatten().map(|key| Ok(calls.keys.apply(&prefix, key)?));
        let (checked, refused) = separated(checked);
        let id = submit(Operation::GetMany { keys: &routed(&checked), cas: false })?;
        drop(checked);
        let sent = Sent::without(&refused);
        let failed = refused.into_iter().filter_map(|(number, error)| {
            let key = keys.get_mut(number).and_then(Option::take)?;
            Some(FailedKey { number, key, error })
        });
        let failed = failed.collect();
        let many = Many { result: M::default(), missing: Vec::new(), failed };
        Ok((id, Found { keys, sent, many, values: PhantomData }))
    }
}

impl<K, V: FromValue, M: Extend<(K, V)>> Answer for Found<K, V, M> {
    type Output = Many<M, K>;

    const IN_PARTS: bool = true;

    fn take(&mut self, items: Items, calls: &Calls) {
        // Put together first, as what is added at once makes room once.
        let mut values = Vec::with_capacity(items.len());
        for (number, item, buffer) in items.parts() {
            let number = self.sent.number(number);
            let Some(key) = self.keys.get_mut(number).and_then(Option::take) else { continue };
            match calls.decode_part(&item, buffer) {
                Ok(value) => values.push((key, value)),
                Err(error) => self.many.failed.push(FailedKey { number, key, error }),
            }
        }
        self.many.result.extend(values);
    }

    fn finish(
        mut self,
        outcome: Outcome,
        calls: &Calls,
        source: impl Fn(ServerIndex) -> Option<Source>,
    ) -> Result<Self::Output, Error> {
        let outcome = outcome.many().map_err(|failure| calls.error(failure, &source))?;
        self.take(outcome.items, calls);
        for (number, failure) in outcome.failed {
            if calls.is_miss(&failure) {
                continue;
            }
            let number = self.sent.number(number);
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

/// A call made by [`set_many`].
pub struct SetMany<K, V> {
    items: Vec<(K, V)>,
    expiry: Expiry,
    prefix: Vec<u8>,
    min_compress_len: Option<usize>,
    noreply: bool,
}

impl<K, V> SetMany<K, V> {
    /// Puts `prefix` before every key of this call, behind the client's own `key_prefix`. It always takes
    /// part in choosing the server, whatever `hash_with_prefix_key` says of the client's own.
    #[must_use]
    pub fn key_prefix(mut self, prefix: impl AsRef<[u8]>) -> Self {
        self.prefix = prefix.as_ref().to_vec();
        self
    }

    /// Compresses values of more bytes than this, in place of the client's own `min_compress_len`; 0
    /// for none.
    #[must_use]
    pub fn min_compress_len(mut self, len: usize) -> Self {
        self.min_compress_len = Some(len);
        self
    }

    /// Has the servers say nothing: the call returns when the commands have been written, the result is
    /// how many were, and what came of them nobody knows.
    #[must_use]
    pub fn noreply(mut self) -> Self {
        self.noreply = true;
        self
    }
}

/// A call made by [`delete_many`].
pub struct DeleteMany<K> {
    keys: Vec<K>,
    prefix: Vec<u8>,
    noreply: bool,
}

impl<K> DeleteMany<K> {
    /// Puts `prefix` before every key of this call, behind the client's own `key_prefix`. It always takes
    /// part in choosing the server, whatever `hash_with_prefix_key` says of the client's own.
    #[must_use]
    pub fn key_prefix(mut self, prefix: impl AsRef<[u8]>) -> Self {
        self.prefix = prefix.as_ref().to_vec();
        self
    }

    /// Has the servers say nothing: the call returns when the commands have been written, the result is
    /// how many were, and what came of them nobody knows.
    #[must_use]
    pub fn noreply(mut self) -> Self {
        self.noreply = true;
        self
    }
}

/// The answer to [`set_many`] and [`delete_many`].
pub struct Counted<K> {
    keys: Vec<K>,
    /// Those that could not be sent.
    refused: Vec<(usize, Error)>,
    /// What a reply says that is no failure and yet not what was asked for; `None` where it says that the
    /// key was not there.
    declined: fn(&Reply) -> Option<Error>,
}

impl<K: ToKey, V: ToValue> Call for SetMany<K, V> {
    type Output = Many<usize, K>;
    type Answer = Counted<K>;

    fn submit(
        self,
        calls: &Calls,
        submit: impl FnOnce(Operation<'_>) -> Result<OperationId, Error>,
    ) -> Result<(OperationId, Self::Answer), Error> {
        calls.count(CallName::SetMany);
        let (verb, noreply) = (StoreVerb::Set, self.noreply);
        let exptime = calls.exptime(self.expiry)?;
        let (id, refused) = {
            let encode = |value| calls.transcoder.encode_for(verb, value, self.min_compress_len);
            let checked = self.items.iter().map(|(key, value)| {
                Ok((calls.keys.apply(&self.prefix, key)?, encode(value.to_value()?)?))
            });
            let (checked, refused) = separated(checked);
            let items = checked.iter().map(|(key, value)| {
                let (key, flags, value) = (key.as_routed(), value.flags, &*value.bytes);
                NewItem { key, flags, exptime, value }
            });
            let items: Vec<_> = items.collect();
            (submit(Operation::StoreMany { verb, items: &items, noreply })?, refused)
        };
        let keys = self.items.into_iter().map(|(key, _)| key).collect();
        Ok((id, Counted { keys, refused, declined }))
    }
}

impl<K: ToKey> Call for DeleteMany<K> {
    type Output = Many<usize, K>;
    type Answer = Counted<K>;

    fn submit(
        self,
        calls: &Calls,
        submit: impl FnOnce(Operation<'_>) -> Result<OperationId, Error>,
    ) -> Result<(OperationId, Self::Answer), Error> {
        calls.count(CallName::DeleteMany);
        let checked = self.keys.iter().map(|key| Ok(calls.keys.apply(&self.prefix, key)?));
        let (checked, refused) = separated(checked);
        let id = submit(Operation::DeleteMany { keys: &routed(&checked), noreply: self.noreply })?;
        drop(checked);
        Ok((id, Counted { keys: self.keys, refused, declined: |_| None }))
    }
}

impl<K> Answer for Counted<K> {
    type Output = Many<usize, K>;

    fn finish(
        self,
        outcome: Outcome,
        calls: &Calls,
        source: impl Fn(ServerIndex) -> Option<Source>,
    ) -> Result<Self::Output, Error> {
        let Counted { keys, refused, declined } = self;
        let outcome = outcome.many().map_err(|failure| calls.error(failure, &source))?;
        let sent = Sent::without(&refused);
        let done = keys.len() - refused.len();
        let result = done - outcome.replies.len() - outcome.failed.len();
        let of_call = |(number, failure)| (sent.number(number), calls.error(failure, &source));
        let mut failed = refused;
        failed.extend(outcome.failed.into_iter().map(of_call));
        let mut missing = Vec::new();
        for (number, reply) in outcome.replies {
            match declined(&reply) {
                Some(error) => failed.push((sent.number(number), error)),
                None => missing.push(sent.number(number)),
            }
        }
        failed.sort_by_key(|&(number, _)| number);
        missing.sort_unstable();
        let (mut failed, mut missing) = (failed.into_iter().peekable(), missing.iter().peekable());
        let mut many = Many { result, missing: Vec::new(), failed: Vec::new() };
        for (number, key) in keys.into_iter().enumerate() {
            if missing.next_if_eq(&&number).is_some() {
                many.missing.push(key);
            } else if let Some((_, error)) = failed.next_if(|&(failed, _)| failed == number) {
                many.failed.push(FailedKey { number, key, error });
            }
        }
        Ok(many)
    }
}

/// What can be sent, and by its number what cannot.
fn separated<T>(checked: impl Iterator<Item = Result<T, Error>>) -> (Vec<T>, Vec<(usize, Error)>) {
    let (mut good, mut refused) = (Vec::with_capacity(checked.size_hint().0), Vec::new());
    for (number, checked) in checked.enumerate() {
        match checked {
            Ok(checked) => good.push(checked),
            Err(error) => refused.push((number, error)),
        }
    }
    (good, refused)
}

/// Which of a call's keys were sent: an operation counts these alone.
struct Sent {
    /// Of each key that was not, how many were before it.
    gaps: Vec<usize>,
}

impl Sent {
    /// All but those that were refused, which are in order.
    fn without(refused: &[(usize, Error)]) -> Self {
        let gaps = refused.iter().zip(0..).map(|(&(number, _), before)| number - before);
        Sent { gaps: gaps.collect() }
    }

    /// The number in the call of the key with this number in the operation.
    fn number(&self, sent: usize) -> usize {
        sent + self.gaps.partition_point(|&gap| gap <= sent)
    }
}

fn routed<'a>(keys: &'a [CallKey<'_>]) -> Vec<RoutedKey<'a>> {
    keys.iter().map(CallKey::as_routed).collect()
}

/// What a reply to a set says that is not `STORED`.
fn declined(reply: &Reply) -> Option<Error> {
    let stored = match reply {
        Reply::NotStored => Stored::NotStored,
        Reply::Exists => Stored::Exists,
        Reply::NotFound => Stored::NotFound,
        _ => return None,
    };
    Some(Error::NotStored(stored))
}
