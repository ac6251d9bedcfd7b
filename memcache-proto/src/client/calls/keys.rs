use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::client::RoutedKey;
use crate::key::{check, check_wire};
use crate::{KeyError, KeyRef, MAX_KEY_LEN, ToKey};

/// What is made of the caller's keys before they are checked: python-memcached's `key_encoder`.
type Encoder = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// How the keys of an application become keys that can be sent.
///
/// ```
/// use memcache_proto::client::calls::KeyRules;
///
/// // Any text at all, as long as it is short:
/// let rules = KeyRules::default().key_encoder(|key| key.escape_ascii().collect());
/// ```
#[derive(Clone, Default)]
pub struct KeyRules {
    unchecked: bool,
    encoder: Option<Encoder>,
}

impl KeyRules {
    /// Whether keys with control characters are refused; yes. Without this check they pass, but for
    /// those that could end a key (space, CR, LF, NUL); and no key is ever longer than 250 bytes.
    #[must_use]
    pub fn check_keys(mut self, check: bool) -> Self {
        self.unchecked = !check;
        self
    }

    /// Called once with each key, without any prefix, before it is checked; what it returns is the key.
    #[must_use]
    pub fn key_encoder(
        mut self,
        encoder: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        self.encoder = Some(Arc::new(encoder));
        self
    }

    /// The key to send, behind `prefix`.
    pub(super) fn apply<'k, K: ToKey + ?Sized>(
        &self,
        prefix: &[u8],
        key: &'k K,
    ) -> Result<CallKey<'k>, KeyError> {
        let mut bytes = key.to_bytes();
        if let Some(encoder) = &self.encoder {
            bytes = Cow::Owned(encoder(&bytes));
        }
        if !prefix.is_empty() {
            if bytes.is_empty() {
                return Err(KeyError::Empty);
            }
            bytes = Cow::Owned([prefix, &bytes].concat());
        }
        let key_ref = KeyRef::checked(bytes, if self.unchecked { check_wire } else { check })?;
        Ok(CallKey { key: key_ref, hash: key.route() })
    }
}

impl KeyRules {
    /// A key that may be of any bytes, written to `space`.
    pub(super) fn copy<'a, K: ToKey + ?Sized>(
        &self,
        key: &K,
        space: &'a mut [u8; MAX_KEY_LEN],
    ) -> Result<&'a [u8], KeyError> {
        let mut bytes = key.to_bytes();
        if let Some(encoder) = &self.encoder {
            bytes = Cow::Owned(encoder(&bytes));
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
            .finish()
    }
}

/// The key of a call, checked.
#[derive(Clone, Debug)]
pub struct CallKey<'a> {
    key: KeyRef<'a>,
    hash: Option<i64>,
}

impl CallKey<'_> {
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
        let encoding = KeyRules::default().key_encoder(|key| key.escape_ascii().collect());
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
            assert_eq!(applied.map_err(|error| *error), *expected, "{rules:?}, {key:?}");
        }
        let routed = plain.apply(b"", &(-5, "foo")).unwrap();
        assert_eq!(routed.as_routed().hash, Some(-5));
    }
}
