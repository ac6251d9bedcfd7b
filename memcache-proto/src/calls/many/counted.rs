use alloc::vec::Vec;

use super::{Sent, routed, separated};
use crate::calls::names::CallName;
use crate::calls::{Answer, Call, Calls, Error, FailedKey, Many, Source};
use crate::client::{NewItem, Operation, OperationId, Outcome, Reply, Stored};
use crate::codec::StoreVerb;
use crate::routing::ServerIndex;
use crate::value::ToValue;
use crate::{Expiry, ToKey};

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
    SetMany::new((CallName::SetMany, StoreVerb::Set), items, expiry)
}

/// As [`set_many`], each item only if its key was not there. Items whose key was there are in
/// [`Many::failed`], with [`Error::NotStored`].
pub fn add_many<K: ToKey, V: ToValue>(
    items: impl IntoIterator<Item = (K, V)>,
    expiry: impl Into<Expiry>,
) -> SetMany<K, V> {
    SetMany::new((CallName::AddMany, StoreVerb::Add), items, expiry)
}

/// As [`set_many`], each item only if its key was there. Items whose key was not there are in
/// [`Many::failed`], with [`Error::NotStored`].
pub fn replace_many<K: ToKey, V: ToValue>(
    items: impl IntoIterator<Item = (K, V)>,
    expiry: impl Into<Expiry>,
) -> SetMany<K, V> {
    SetMany::new((CallName::ReplaceMany, StoreVerb::Replace), items, expiry)
}

/// Deletes many keys. The result is how many were there; [`Many::missing`] has those that were not. Keys
/// that cannot be sent are in [`Many::failed`].
pub fn delete_many<K: ToKey>(keys: impl IntoIterator<Item = K>) -> ChangeMany<K> {
    ChangeMany::new(CallName::DeleteMany, keys, None)
}

/// Gives many items a new expiry. The result is how many were there; [`Many::missing`] has those that were
/// not. Keys that cannot be sent are in [`Many::failed`].
pub fn touch_many<K: ToKey>(
    keys: impl IntoIterator<Item = K>,
    expiry: impl Into<Expiry>,
) -> ChangeMany<K> {
    ChangeMany::new(CallName::TouchMany, keys, Some(expiry.into()))
}

/// A call made by [`set_many`], [`add_many`] or [`replace_many`].
pub struct SetMany<K, V> {
    name: CallName,
    verb: StoreVerb,
    items: Vec<(K, V)>,
    expiry: Expiry,
    prefix: Vec<u8>,
    min_compress_len: Option<usize>,
    noreply: bool,
}

impl<K, V> SetMany<K, V> {
    fn new(
        (name, verb): (CallName, StoreVerb),
        items: impl IntoIterator<Item = (K, V)>,
        expiry: impl Into<Expiry>,
    ) -> Self {
        SetMany {
            name,
            verb,
            items: items.into_iter().collect(),
            expiry: expiry.into(),
            prefix: Vec::new(),
            min_compress_len: None,
            noreply: false,
        }
    }

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

/// A call made by [`delete_many`] or [`touch_many`].
pub struct ChangeMany<K> {
    name: CallName,
    keys: Vec<K>,
    /// `None` to delete them.
    expiry: Option<Expiry>,
    prefix: Vec<u8>,
    noreply: bool,
}

impl<K> ChangeMany<K> {
    fn new(name: CallName, keys: impl IntoIterator<Item = K>, expiry: Option<Expiry>) -> Self {
        let keys = keys.into_iter().collect();
        ChangeMany { name, keys, expiry, prefix: Vec::new(), noreply: false }
    }

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

/// The answer to the calls on many keys that find nothing: those that store, delete and touch.
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
        calls.count(self.name);
        let (verb, noreply) = (self.verb, self.noreply);
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

impl<K: ToKey> Call for ChangeMany<K> {
    type Output = Many<usize, K>;
    type Answer = Counted<K>;

    fn submit(
        self,
        calls: &Calls,
        submit: impl FnOnce(Operation<'_>) -> Result<OperationId, Error>,
    ) -> Result<(OperationId, Self::Answer), Error> {
        calls.count(self.name);
        let exptime = self.expiry.map(|expiry| calls.exptime(expiry)).transpose()?;
        let checked = self.keys.iter().map(|key| Ok(calls.keys.apply(&self.prefix, key)?));
        let (checked, refused) = separated(checked);
        let (keys, noreply) = (&routed(&checked), self.noreply);
        let id = submit(match exptime {
            Some(exptime) => Operation::TouchMany { keys, exptime, noreply },
            None => Operation::DeleteMany { keys, noreply },
        })?;
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
