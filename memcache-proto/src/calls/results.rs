use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::{IntoIter, Vec};
use core::fmt;

use super::Error;

/// What came of a call on many keys: what could be done, and the keys for which it could not.
///
/// One server that is gone leaves the keys of the others as they are. Use
/// [`into_result`](Many::into_result) where all or nothing is wanted.
///
/// ```
/// use std::collections::HashMap;
/// use memcache_proto::calls::Many;
///
/// // What a get_many of a and b returned:
/// let result = HashMap::from([("a", 1)]);
/// let found = Many { result, missing: vec!["b"], failed: Vec::new() };
/// for key in &found.missing {
///     println!("{key} is not in the cache: to the database"); // a miss is no failure
/// }
/// assert_eq!(found.into_result()?["a"], 1);
/// # Ok::<(), memcache_proto::calls::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Many<T, K> {
    /// What was done: the values found, or how many items were stored or deleted.
    pub result: T,
    /// The keys that were not there, in the order given: of a get_many and a delete_many. Empty for
    /// others, and with `noreply`.
    pub missing: Vec<K>,
    /// The keys for which it was not, and why, in the order of the call. Whatever the reason, no other
    /// key was affected: a key that cannot be sent is here, too, and the others were.
    pub failed: Vec<FailedKey<K>>,
}

/// A key of a call on many for which nothing was done, or perhaps nothing.
///
/// ```
/// use memcache_proto::KeyError;
/// use memcache_proto::calls::{Error, FailedKey};
///
/// let failed = FailedKey { number: 2, key: "", error: Error::Key(KeyError::Empty) };
/// assert_eq!(failed.to_string(), "key 2: the key is empty");
/// ```
#[derive(Clone, Debug)]
pub struct FailedKey<K> {
    /// Which of the call's keys it is, counted from 0.
    pub number: usize,
    /// The key, as the caller gave it.
    pub key: K,
    /// Why.
    pub error: Error,
}

impl<K> fmt::Display for FailedKey<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}: {}", self.number, self.error)
    }
}

impl<K: fmt::Debug> core::error::Error for FailedKey<K> {}

impl<K> From<FailedKey<K>> for Error {
    fn from(failed: FailedKey<K>) -> Self {
        Error::OfKey { number: failed.number, error: Box::new(failed.error) }
    }
}

impl<T, K> Many<T, K> {
    /// Returns the result if no key failed, and the first failure otherwise. A key that was not there did not
    /// fail.
    ///
    /// # Errors
    ///
    /// The first of [`failed`](Self::failed), as an [`Error::OfKey`].
    pub fn into_result(self) -> Result<T, Error> {
        match self.failed.into_iter().next() {
            None => Ok(self.result),
            Some(failed) => Err(failed.into()),
        }
    }
}

/// What each server answered to a call on all of them, under its name in stats, in their order.
#[derive(Clone, Debug)]
#[must_use]
pub struct PerServer<T>(pub Vec<(String, Result<T, Error>)>);

impl<T> PerServer<T> {
    /// The answers, if every server gave one; else the first failure.
    ///
    /// # Errors
    ///
    /// The first failure there is.
    pub fn into_result(self) -> Result<Vec<(String, T)>, Error> {
        self.0.into_iter().map(|(server, answer)| Ok((server, answer?))).collect()
    }
}

impl<T> IntoIterator for PerServer<T> {
    type Item = (String, Result<T, Error>);
    type IntoIter = IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
