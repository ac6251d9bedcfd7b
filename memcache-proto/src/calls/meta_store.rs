use super::names::CallName;
use super::{Call, CallKey, Calls, Error, One, Trouble};
use crate::client::{MetaReply, MetaStatus, Operation, OperationId, Outcome, RoutedMeta, Stored};
use crate::codec::{MetaKey, MetaRequest, MetaSet, SetMode, StoreVerb};
use crate::value::ToValue;
use crate::{Expiry, Exptime, MAX_KEY_LEN, ToKey};

/// A meta call that stores a value: made by [`meta_set`], [`append_or_create`] and
/// [`prepend_or_create`]. It returns a `T`.
pub struct MetaStore<K, V, T> {
    key: K,
    value: V,
    expiry: Expiry,
    how: How,
    answer: One<T>,
}

#[derive(Clone, Copy)]
struct How {
    mode: SetMode,
    create: bool,
    compare_cas: Option<u64>,
    invalidate: bool,
    explicit_cas: Option<u64>,
    min_compress_len: Option<usize>,
}

/// Stores a value under a key of any bytes.
pub fn meta_set<K: ToKey, V: ToValue>(
    key: K,
    value: V,
    expiry: impl Into<Expiry>,
) -> MetaStore<K, V, Stored> {
    MetaStore::new(key, value, expiry.into(), SetMode::Set, false, One(stored))
}

/// Puts a value behind the one that is there, whose flags and expiry stay, or stores it where there is
/// none.
///
/// memcached 1.6.18 cannot do the latter; that is [`Error::Unsupported`].
pub fn append_or_create<K: ToKey, V: ToValue>(
    key: K,
    value: V,
    expiry: impl Into<Expiry>,
) -> MetaStore<K, V, ()> {
    MetaStore::new(key, value, expiry.into(), SetMode::Append, true, One(created))
}

/// Puts a value before the one that is there, or stores it where there is none: as
/// [`append_or_create`].
pub fn prepend_or_create<K: ToKey, V: ToValue>(
    key: K,
    value: V,
    expiry: impl Into<Expiry>,
) -> MetaStore<K, V, ()> {
    MetaStore::new(key, value, expiry.into(), SetMode::Prepend, true, One(created))
}

impl<K, V, T> MetaStore<K, V, T> {
    fn new(key: K, value: V, expiry: Expiry, mode: SetMode, create: bool, answer: One<T>) -> Self {
        let how = How {
            mode,
            create,
            compare_cas: None,
            invalidate: false,
            explicit_cas: None,
            min_compress_len: None,
        };
        MetaStore { key, value, expiry, how, answer }
    }

    /// Compresses the value if it has more bytes than this, in place of the client's own
    /// `min_compress_len`; 0 for never.
    #[must_use]
    pub fn min_compress_len(mut self, len: usize) -> Self {
        self.how.min_compress_len = Some(len);
        self
    }
}

impl<K, V> MetaStore<K, V, Stored> {
    /// What is to be done with what is there; [`SetMode::Set`] stores whatever it is.
    #[must_use]
    pub fn mode(mut self, mode: SetMode) -> Self {
        (self.how.mode, self.how.invalidate) = (mode, false);
        self
    }

    /// Only if the item has not changed since it had this cas unique.
    #[must_use]
    pub fn compare_cas(mut self, unique: u64) -> Self {
        (self.how.compare_cas, self.how.invalidate) = (Some(unique), false);
        self
    }

    /// Stores the value, whatever [`mode`](Self::mode) says, also where the item has changed since it
    /// had this cas unique, but then as stale: who looks it up next wins and is to store a better one.
    #[must_use]
    pub fn compare_cas_or_invalidate(mut self, unique: u64) -> Self {
        self.how.mode = SetMode::Set;
        (self.how.compare_cas, self.how.invalidate) = (Some(unique), true);
        self
    }

    /// The cas unique that the item is to have.
    #[must_use]
    pub fn explicit_cas(mut self, unique: u64) -> Self {
        self.how.explicit_cas = Some(unique);
        self
    }
}

impl How {
    fn request<'a>(self, key: MetaKey<'a>, value: &'a [u8], exptime: Exptime) -> MetaSet<'a> {
        let mut set = match (self.mode, self.create) {
            (SetMode::Set, _) => match self.compare_cas {
                Some(unique) if self.invalidate => MetaSet::set_or_invalidate(key, value, unique),
                _ => MetaSet::set(key, value),
            },
            (SetMode::Add, _) => MetaSet::add(key, value),
            (SetMode::Replace, _) => MetaSet::replace(key, value),
            (SetMode::Append, false) => MetaSet::append(key, value),
            (SetMode::Prepend, false) => MetaSet::prepend(key, value),
            (SetMode::Append, true) => MetaSet::append_or_create(key, value, exptime),
            (SetMode::Prepend, true) => MetaSet::prepend_or_create(key, value, exptime),
        };
        if !self.create && exptime != Exptime::NEVER {
            set = set.exptime(exptime);
        }
        if let Some(unique) = self.compare_cas {
            set = set.compare_cas(unique);
        }
        if let Some(unique) = self.explicit_cas {
            set = set.explicit_cas(unique);
        }
        set
    }
}

impl<K: ToKey, V: ToValue, T> Call for MetaStore<K, V, T> {
    type Output = T;
    type Answer = One<T>;

    fn name(&self) -> CallName {
        match (self.how.mode, self.how.create) {
            (SetMode::Append, true) => CallName::AppendOrCreate,
            (SetMode::Prepend, true) => CallName::PrependOrCreate,
            _ => CallName::MetaSet,
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
        let MetaStore { key, value, expiry, how, answer } = self;
        let verb = match how.mode {
            SetMode::Append => StoreVerb::Append,
            SetMode::Prepend => StoreVerb::Prepend,
            _ => StoreVerb::Set,
        };
        let exptime = calls.exptime(expiry)?;
        let encoded = calls.transcoder.encode_for(verb, value.to_value()?, how.min_compress_len)?;
        let mut space = [0; MAX_KEY_LEN];
        let set = how.request(calls.meta_key(&key, &mut space)?, &encoded.bytes, exptime);
        let request = MetaRequest::Set(set.client_flags(encoded.flags));
        let meta = RoutedMeta { request, hash: key.route() };
        Ok((submit(Operation::Meta(&meta))?, answer))
    }
}

fn stored_of(reply: &MetaReply) -> Stored {
    match reply.status {
        MetaStatus::Done | MetaStatus::Unchanged => Stored::Stored,
        MetaStatus::NotStored => Stored::NotStored,
        MetaStatus::Exists => Stored::Exists,
        MetaStatus::Miss | MetaStatus::NotFound => Stored::NotFound,
    }
}

fn stored(outcome: Outcome, _: &Calls) -> Result<Stored, Trouble> {
    Ok(stored_of(&outcome.meta()?))
}

/// A server that makes what is not there has no reason not to store.
fn created(outcome: Outcome, _: &Calls) -> Result<(), Trouble> {
    match stored_of(&outcome.meta()?) {
        Stored::Stored => Ok(()),
        Stored::NotStored | Stored::NotFound => Err(Error::Unsupported.into()),
        declined @ Stored::Exists => Err(Error::NotStored(declined).into()),
    }
}
