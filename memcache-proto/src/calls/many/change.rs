use alloc::vec::Vec;

use super::counted::{Batch, Counted};
use super::given::{Given, routed};
use crate::calls::names::CallName;
use crate::calls::{Call, CallKey, Calls, Error, Many};
use crate::client::{Operation, OperationId, Reply};
use crate::{Expiry, Exptime, ToKey};

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

impl<K: ToKey> Call for ChangeMany<K> {
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
        let exptime = self.expiry.map(|expiry| calls.exptime(expiry)).transpose()?;
        Counted::begin(self, exptime, calls, submit)
    }
}

impl<K: ToKey> Batch for ChangeMany<K> {
    type Key = K;
    type Exptime = Option<Exptime>;

    fn give<R>(
        &self,
        calls: &Calls,
        exptime: Option<Exptime>,
        given: &mut Given,
        refuse: impl FnMut(usize, Error),
        give: impl FnOnce(Operation<'_>) -> R,
    ) -> R {
        let check = |key| Ok(calls.keys.apply(&self.prefix, key)?);
        let checked = given.encode(&self.keys, calls.cluster(), check, CallKey::len, refuse);
        let (keys, noreply) = (&routed(&checked), self.noreply);
        let change = match exptime {
            Some(exptime) => Operation::TouchMany { keys, exptime, noreply },
            None => Operation::DeleteMany { keys, noreply },
        };
        given.give(self.keys.len(), change, give)
    }

    fn declined(_: &Reply) -> Option<Error> {
        None
    }

    fn into_keys(self) -> impl ExactSizeIterator<Item = K> {
        self.keys.into_iter()
    }
}
