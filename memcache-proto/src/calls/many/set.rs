use alloc::vec::Vec;

use super::counted::{Batch, Counted};
use super::given::Given;
use crate::calls::names::CallName;
use crate::calls::{Call, Calls, Error, Many};
use crate::client::{NewItem, Operation, OperationId, Reply, Stored};
use crate::codec::StoreVerb;
use crate::value::ToValue;
use crate::{Expiry, Exptime, ToKey};

/// Stores many items, whatever was there. The result is how many were stored. Items that cannot be sent
/// are in [`Many::failed`], too.
///
/// Items are encoded as their servers take them, so memory does not grow with their number. If the call ends
/// before all have been, by `operation_timeout` for instance, the rest is in [`Many::failed`] and was not sent.
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

impl<K: ToKey, V: ToValue> Call for SetMany<K, V> {
    type Output = Many<usize, K>;
    type Answer = Counted<Self>;

    fn name(&self) -> CallName {
        self.name
    }

    fn submit(
        self,
        calls: &Calls,
        submit: impl FnOnce(Operation<'_>) -> Result<OperationId, Error>,
    ) -> Result<(OperationId, Self::Answer), Error> {
        calls.count(self.name);
        let exptime = calls.exptime(self.expiry)?;
        Counted::begin(self, exptime, calls, submit)
    }
}

impl<K: ToKey, V: ToValue> Batch for SetMany<K, V> {
    type Key = K;
    type Exptime = Exptime;

    fn give<R>(
        &self,
        calls: &Calls,
        exptime: Exptime,
        given: &mut Given,
        refuse: impl FnMut(usize, Error),
        give: impl FnOnce(Operation<'_>) -> R,
    ) -> R {
        let SetMany { verb, items, prefix, min_compress_len, noreply, .. } = self;
        let encode = |value| calls.transcoder.encode_for(*verb, value, *min_compress_len);
        let encoded = given.encode(
            items,
            calls.cluster(),
            |(key, value)| Ok((calls.keys.apply(prefix, key)?, encode(value.to_value()?)?)),
            |(key, value)| key.len() + value.bytes.len(),
            refuse,
        );
        let new_items = encoded.iter().map(|(key, value)| {
            let (key, flags, value) = (key.as_routed(), value.flags, &*value.bytes);
            NewItem { key, flags, exptime, value }
        });
        let new_items: Vec<_> = new_items.collect();
        let store = Operation::StoreMany { verb: *verb, items: &new_items, noreply: *noreply };
        given.give(items.len(), store, give)
    }

    fn declined(reply: &Reply) -> Option<Error> {
        let stored = match reply {
            Reply::NotStored => Stored::NotStored,
            Reply::Exists => Stored::Exists,
            Reply::NotFound => Stored::NotFound,
            _ => return None,
        };
        Some(Error::NotStored(stored))
    }

    fn into_keys(self) -> impl ExactSizeIterator<Item = K> {
        self.items.into_iter().map(|(key, _)| key)
    }
}
