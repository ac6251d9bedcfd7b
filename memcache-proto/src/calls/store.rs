use super::names::CallName;
use super::{Call, CallKey, Calls, CasIds, Error, One, sent};
use crate::client::{NewItem, Operation, OperationId, Outcome, Stored};
use crate::codec::StoreVerb;
use crate::value::ToValue;
use crate::{Expiry, ToKey};

/// A call that stores one item: made by [`set`], [`add`], [`replace`], [`append`], [`prepend`] and
/// [`cas`]. It returns a `T`.
pub struct Store<K, V, T> {
    verb: StoreVerb,
    key: K,
    value: V,
    expiry: Expiry,
    min_compress_len: Option<usize>,
    noreply: bool,
    answer: One<T>,
}

/// Stores a value under a key, whatever was there.
pub fn set<K: ToKey, V: ToValue>(key: K, value: V, expiry: impl Into<Expiry>) -> Store<K, V, ()> {
    let answer = One(|outcome: Outcome, _: &_| match outcome.stored()? {
        Stored::Stored => Ok(()),
        declined => Err(Error::NotStored(declined).into()),
    });
    Store::new(StoreVerb::Set, key, value, expiry.into(), answer)
}

/// Stores a value if the key is not there. Returns whether it was stored.
pub fn add<K: ToKey, V: ToValue>(key: K, value: V, expiry: impl Into<Expiry>) -> Store<K, V, bool> {
    Store::new(StoreVerb::Add, key, value, expiry.into(), One(is_stored))
}

/// Stores a value if the key is there. Returns whether it was stored.
pub fn replace<K: ToKey, V: ToValue>(
    key: K,
    value: V,
    expiry: impl Into<Expiry>,
) -> Store<K, V, bool> {
    Store::new(StoreVerb::Replace, key, value, expiry.into(), One(is_stored))
}

/// Puts a value behind the one that is there. Returns whether there was one.
pub fn append<K: ToKey, V: ToValue>(key: K, value: V) -> Store<K, V, bool> {
    Store::new(StoreVerb::Append, key, value, Expiry::Never, One(is_stored))
}

/// Puts a value before the one that is there. Returns whether there was one.
pub fn prepend<K: ToKey, V: ToValue>(key: K, value: V) -> Store<K, V, bool> {
    Store::new(StoreVerb::Prepend, key, value, Expiry::Never, One(is_stored))
}

/// Stores a value if the item has not changed since [`gets`](super::gets) returned `unique`.
pub fn cas<K: ToKey, V: ToValue>(
    key: K,
    value: V,
    expiry: impl Into<Expiry>,
    unique: u64,
) -> Store<K, V, Stored> {
    let answer = One(|outcome: Outcome, _: &_| Ok(outcome.stored()?));
    Store::new(StoreVerb::Cas(unique), key, value, expiry.into(), answer)
}

/// Stores a value if the item has not changed since `ids` remembered its cas unique: what a client's
/// `gets_into` has it do. Of a key that is not remembered it is stored whatever is there, as
/// python-memcached does.
///
/// ```
/// use memcache_proto::Expiry;
/// use memcache_proto::calls::{self, CasIds};
///
/// # let mut ids = CasIds::new(100);
/// let call = calls::cas_from(&ids, "page", "<html>", Expiry::Never).min_compress_len(1_000).noreply();
/// // client.gets_into::<String>(&mut ids, "page")?; client.run(call)?;
/// # let _ = call;
/// ```
pub fn cas_from<K: ToKey, V: ToValue>(
    ids: &CasIds,
    key: K,
    value: V,
    expiry: impl Into<Expiry>,
) -> CasFrom<'_, K, V, Stored> {
    let answer = One(|outcome: Outcome, _: &_| match outcome.stored()? {
        declined @ Stored::NotStored => Err(Error::NotStored(declined).into()),
        stored => Ok(stored),
    });
    CasFrom { ids, store: Store::new(StoreVerb::Set, key, value, expiry.into(), answer) }
}

/// A call made by [`cas_from`]. It returns a `T`.
pub struct CasFrom<'i, K, V, T> {
    ids: &'i CasIds,
    /// What it does where nothing is remembered.
    store: Store<K, V, T>,
}

impl<'i, K, V, T> CasFrom<'i, K, V, T> {
    /// As [`Store::min_compress_len`].
    #[must_use]
    pub fn min_compress_len(mut self, len: usize) -> Self {
        self.store = self.store.min_compress_len(len);
        self
    }

    /// As [`Store::noreply`]. Whether the item had changed, nobody knows then.
    #[must_use]
    pub fn noreply(self) -> CasFrom<'i, K, V, ()> {
        CasFrom { ids: self.ids, store: self.store.noreply() }
    }
}

impl<K: ToKey, V: ToValue, T> Call for CasFrom<'_, K, V, T> {
    type Output = T;
    type Answer = One<T>;

    fn name(&self) -> CallName {
        CallName::Cas
    }

    fn key(&self, calls: &Calls) -> Option<CallKey<'_>> {
        self.store.key(calls)
    }

    fn submit(
        self,
        calls: &Calls,
        submit: impl FnOnce(Operation<'_>) -> Result<OperationId, Error>,
    ) -> Result<(OperationId, One<T>), Error> {
        let CasFrom { ids, mut store } = self;
        // What is wrong with the key is said below.
        let key = store.key(calls).map(|key| key.as_routed().key.into());
        if let Some(unique) = key.and_then(|key| ids.get(&key)) {
            store.verb = StoreVerb::Cas(unique);
        }
        store.submit(calls, submit)
    }
}

impl<K, V, T> Store<K, V, T> {
    fn new(verb: StoreVerb, key: K, value: V, expiry: Expiry, answer: One<T>) -> Self {
        Store { verb, key, value, expiry, min_compress_len: None, noreply: false, answer }
    }

    /// Compresses the value if it has more bytes than this, in place of the client's own
    /// `min_compress_len`; 0 for never.
    #[must_use]
    pub fn min_compress_len(mut self, len: usize) -> Self {
        self.min_compress_len = Some(len);
        self
    }

    /// Has the server say nothing: the call returns when the command has been written, and what came of
    /// it nobody knows.
    #[must_use]
    pub fn noreply(self) -> Store<K, V, ()> {
        let Store { verb, key, value, expiry, min_compress_len, .. } = self;
        Store { verb, key, value, expiry, min_compress_len, noreply: true, answer: One(sent) }
    }
}

impl<K: ToKey, V: ToValue, T> Call for Store<K, V, T> {
    type Output = T;
    type Answer = One<T>;

    fn name(&self) -> CallName {
        match self.verb {
            StoreVerb::Set => CallName::Set,
            StoreVerb::Add => CallName::Add,
            StoreVerb::Replace => CallName::Replace,
            StoreVerb::Append => CallName::Append,
            StoreVerb::Prepend => CallName::Prepend,
            StoreVerb::Cas(_) => CallName::Cas,
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
        let Store { verb, key, value, expiry, min_compress_len, noreply, answer } = self;
        let (key, exptime) = (calls.key(&key)?, calls.exptime(expiry)?);
        let encoded = calls.transcoder.encode_for(verb, value.to_value()?, min_compress_len)?;
        let (key, flags, value) = (key.as_routed(), encoded.flags, &encoded.bytes);
        let item = NewItem { key, flags, exptime, value };
        Ok((submit(Operation::Store { verb, item, noreply })?, answer))
    }
}

fn is_stored(outcome: Outcome, _: &Calls) -> Result<bool, super::Trouble> {
    Ok(outcome.stored()?.is_stored())
}
