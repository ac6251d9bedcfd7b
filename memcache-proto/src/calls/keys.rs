use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::client::RoutedKey;
use crate::key::{check, check_wire};
use crate::value::Cause;
use crate::{KeyError, KeyRef, MAX_KEY_LEN, ToKey};

/// What is made of the caller's keys before they are checked: python-memcached's `key_encoder`.
type Encoder = Arc<dyn Fn(&[u8]) -> Result<Vec<u8>, Cause> + Send + Sync>;

/// How the keys of an application become keys that can be sent.
///
/// ```
/// use memcache_proto::calls::KeyRules;
///
/// // Any text at all, as long as it is short:
/// let rules = KeyRules::default().key_encoder(|key| Ok(key.escape_ascii().collect()));
/// // Names of users, and nothing else:
/// let rules = KeyRules::default().key_encoder(|key| {
///     let name = std::str::from_utf8(key)?; // any error of the encoder's own
///     let name = name.strip_prefix("user:").ok_or("not the key of a user")?;
///     Ok(name.to_lowercase().into())
/// });
/// ```
#[derive(Clone, Default)]
pub struct KeyRules {
    unchecked: bool,
    encoder: Option<Encoder>,
    /// What stands before all keys, if they are those of a region.
    region: Option<Arc<[u8]>>,
}

impl KeyRules {
    /// Whether keys with control characters are refused; yes. Without this check they pass, but for
    /// those that could end a key (space, CR, LF, NUL); and no key is ever longer than 250 bytes.
    #[must_use]
    pub fn check_keys(mut self, check: bool) -> Self {
        self.unchecked = !check;
        self
    }

    /// Called with each key, without any prefix, before it is checked; what it returns is the key. Where
    /// it fails nothing of the call is sent, and its error is in the
    /// [`Error::KeyEncoder`](super::Error::KeyEncoder) that the call returns.
    #[must_use]
    pub fn key_encoder(
        mut self,
        encoder: impl Fn(&[u8]) -> Result<Vec<u8>, Cause> + Send + Sync + 'static,
    ) -> Self {
        self.encoder = Some(Arc::new(encoder));
        self
    }

    /// The same rules, for keys behind this.
    pub(super) fn in_region(mut self, prefix: Arc<[u8]>) -> Self {
        self.region = Some(prefix);
        self
    }

    /// The key to send, behind `prefix`.
    #[inline]
    pub(super) fn apply<'k, K: ToKey + ?Sized>(
        &self,
        prefix: &[u8],
        key: &'k K,
    ) -> Result<CallKey<'k>, KeyFault> {
        let mut bytes = key.to_bytes();
        if self.encoder.is_some() {
            bytes = self.encode(bytes)?;
        }
        if !prefix.is_empty() || self.region.is_some() {
            bytes = Cow::Owned(self.behind(prefix, &bytes)?);
        }
        let key_ref = match self.unchecked {
            true => KeyRef::checked(bytes, check_wire)?,
            false => KeyRef::checked(bytes, check)?,
        };
        Ok(CallKey { key: key_ref, hash: key.route() })
    }

    fn behind(&self, prefix: &[u8], key: &[u8]) -> Result<Vec<u8>, KeyFault> {
        if key.is_empty() {
            return Err(KeyError::Empty.into());
        }
        let region = self.region.as_deref().unwrap_or_default();
        Ok([region, prefix, key].concat())
    }

    fn encode<'k>(&self, bytes: Cow<'k, [u8]>) -> Result<Cow<'k, [u8]>, KeyFault> {
        match &self.encoder {
            Some(encoder) => encoder(&bytes).map(Cow::Owned).map_err(KeyFault::Encoder),
            None => Ok(bytes),
        }
    }

    /// A key that may be of any bytes, written to `space`.
    pub(super) fn copy<'a, K: ToKey + ?Sized>(
        &self,
        key: &K,
        space: &'a mut [u8; MAX_KEY_LEN],
    ) -> Result<&'a [u8], KeyFault> {
        let mut bytes = self.encode(key.to_bytes())?;
        if self.region.is_some() {
            bytes = Cow::Owned(self.behind(b"", &bytes)?);
        }
        let len = bytes.len();
        let whole = space.get_mut(..len).ok_or(KeyError::TooLong { len, max: MAX_KEY_LEN })?;
        whole.copy_from_slice(&bytes);
        Ok(whole)
    }
}

impl fmt::Debug for KeyRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRules")
            .field("check_keys", &!self.unchecked)
            .field("key_encoder", &self.encoder.is_some())
            .finish_non_exhaustive()
    }
}

/// Why a key cannot be sent: smaller than an [`Error`](super::Error), as there is a result for each of
/// very many keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyFault {
    Key(KeyError),
    Encoder(Cause),
}

impl From<KeyError> for KeyFault {
    fn from(error: KeyError) -> Self {
        KeyFault::Key(error)
    }
}

/// The key of a call, checked.
#[derive(Clone, Debug)]
pub struct CallKey<'a> {
    key: KeyRef<'a>,
    hash: Option<i64>,
}

impl CallKey<'_> {
    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        self.key.as_key().as_bytes().len()
    }

    /// The key, and what chooses its server.
    #[must_use]
    pub fn as_routed(&self) -> RoutedKey<'_> {
        RoutedKey { key: self.key.as_key(), hash: self.hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_once_prefixed_and_checked() {
        let plain = KeyRules::default();
        let lax = KeyRules::default().check_keys(false);
        let encoding = KeyRules::default().key_encoder(|key| Ok(key.escape_ascii().collect()));
        let forbidden = |byte, position| Err(KeyError::Forbidden { byte, position });
        let too_long = |len| Err(KeyError::TooLong { len, max: 250 });
        type Case<'a> = (&'a KeyRules, &'a [u8], &'a [u8], Result<&'a [u8], KeyError>);
        let cases: &[Case<'_>] = &[
            (&plain, b"", b"foo", Ok(b"foo")),
            (&plain, b"p:", b"foo", Ok(b"p:foo")),
            (&plain, b"p ", b"foo", forbidden(b' ', 1)),
            (&plain, b"p:", b"", Err(KeyError::Empty)),
            (&plain, b"p:", &[b'k'; 249], too_long(251)),
            (&plain, b"", b"a\tb", forbidden(b'\t', 1)),
            (&lax, b"", b"a\tb", Ok(b"a\tb")),
            (&lax, b"", b"a\nb", forbidden(b'\n', 1)),
            (&lax, b"", b"a b", forbidden(b' ', 1)),
            (&lax, b"", &[b'k'; 251], too_long(251)),
            (&encoding, b"p:", b"a\n\\", Ok(b"p:a\\n\\\\")),
            (&encoding, b"", &[b'\n'; 126], too_long(252)),
        ];
        for (rules, prefix, key, expected) in cases {
            let applied = rules.apply(prefix, *key);
            let applied = applied.as_ref().map(|key| key.as_routed().key.as_bytes());
            let expected = expected.map_err(KeyFault::Key);
            assert_eq!(applied.map_err(Clone::clone), expected, "{rules:?}, {key:?}");
        }
        let routed = plain.apply(b"", &(-5, "foo")).unwrap();
        assert_eq!(routed.as_routed().hash, Some(-5));
    }

    #[test]
    fn the_error_of_an_encoder_is_the_callers() {
        let cause = Cause::from("no such tenant");
        let given = cause.clone();
        let rules = KeyRules::default().key_encoder(move |_| Err(given.clone()));
        let fault = KeyFault::Encoder(cause);
        assert_eq!(rules.apply(b"p:", "k").map(|_| ()), Err(fault.clone()));
        assert_eq!(rules.copy("k", &mut [0; MAX_KEY_LEN]), Err(fault));
    }
}
