use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::eight;

/// The longest key the protocol allows, in bytes, the prefix included (protocol.txt, "Keys").
pub const MAX_KEY_LEN: usize = 250;

/// A key as it stands on the wire: 1 to [`MAX_KEY_LEN`] bytes, never a space, LF or NUL.
///
/// One that a caller makes ([`Key::new`]) holds no control character at all. One that a peer sent
/// ([`Key::from_wire`]) may, as memcached lets it. Neither can end early, so text can never become a
/// command. Text is its UTF-8 bytes; an integer is its decimal digits ([`KeyBuf::from`]).
///
/// ```
/// use memcache_proto::{Key, KeyError};
///
/// let key = Key::new("user:42")?;
/// assert_eq!(key.as_bytes(), b"user:42");
/// assert_eq!(
///     Key::new("foo\r\nflush_all"),
///     Err(KeyError::Forbidden { byte: b'\r', position: 3 }),
/// );
/// # Ok::<(), KeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key<'a>(&'a [u8]);

impl<'a> Key<'a> {
    /// Checks that `key` can be sent: that it has no space and no control character, and fits.
    ///
    /// # Errors
    ///
    /// [`KeyError`] says what is wrong with the key, and where.
    pub fn new<K: AsRef<[u8]> + ?Sized>(key: &'a K) -> Result<Self, KeyError> {
        let bytes = key.as_ref();
        check(bytes)?;
        Ok(Key(bytes))
    }

    /// A key as a peer sent it. memcached forbids less than this crate does: a key off the wire may
    /// hold control characters, but never a space, LF or NUL, and is never longer than
    /// [`MAX_KEY_LEN`]. `None` where even that does not hold.
    #[must_use]
    pub fn from_wire(bytes: &'a [u8]) -> Option<Self> {
        let fits = !bytes.is_empty() && bytes.len() <= MAX_KEY_LEN;
        (fits && memchr::memchr3(b' ', b'\n', 0, bytes).is_none()).then_some(Key(bytes))
    }

    /// A key whose bytes a parser of this crate has already checked as [`Key::from_wire`] would.
    pub(crate) const fn parsed(bytes: &'a [u8]) -> Self {
        Key(bytes)
    }

    /// The bytes of the key, as they stand on the wire.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The number of bytes, 1 to [`MAX_KEY_LEN`].
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a key is never empty")]
    pub const fn len(self) -> usize {
        self.0.len()
    }
}

impl AsRef<[u8]> for Key<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(\"{}\")", self.0.escape_ascii())
    }
}

impl fmt::Display for Key<'_> {
    /// The key as text, bytes that are not printable ASCII escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// A [`Key`] that owns its bytes.
///
/// ```
/// use memcache_proto::KeyBuf;
///
/// assert_eq!(KeyBuf::from(42).as_key().as_bytes(), b"42");
/// assert_eq!(KeyBuf::new("foo")?.as_key().as_bytes(), b"foo");
/// # Ok::<(), memcache_proto::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyBuf(Box<[u8]>);

impl KeyBuf {
    /// Copies `key`, checked as [`Key::new`] does.
    ///
    /// # Errors
    ///
    /// [`KeyError`] says what is wrong with the key, and where.
    pub fn new<K: AsRef<[u8]> + ?Sized>(key: &K) -> Result<Self, KeyError> {
        Ok(Key::new(key)?.into())
    }

    /// The key, borrowed.
    #[must_use]
    pub fn as_key(&self) -> Key<'_> {
        Key(&self.0)
    }
}

impl From<Key<'_>> for KeyBuf {
    fn from(key: Key<'_>) -> Self {
        KeyBuf(key.0.into())
    }
}

impl From<u64> for KeyBuf {
    fn from(number: u64) -> Self {
        KeyBuf(itoa::Buffer::new().format(number).as_bytes().into())
    }
}

impl From<i64> for KeyBuf {
    fn from(number: i64) -> Self {
        KeyBuf(itoa::Buffer::new().format(number).as_bytes().into())
    }
}

impl From<usize> for KeyBuf {
    fn from(number: usize) -> Self {
        KeyBuf(itoa::Buffer::new().format(number).as_bytes().into())
    }
}

impl From<u32> for KeyBuf {
    fn from(number: u32) -> Self {
        u64::from(number).into()
    }
}

impl From<i32> for KeyBuf {
    fn from(number: i32) -> Self {
        i64::from(number).into()
    }
}

impl fmt::Debug for KeyBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_key().fmt(f)
    }
}

impl fmt::Display for KeyBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_key(), f)
    }
}

/// What can be a key: text as its UTF-8 bytes, bytes as they are, integers as their decimal digits. A
/// pair of a number and a key is routed by the number, as python-memcached's `(hash, key)` pairs are.
///
/// ```
/// use memcache_proto::ToKey;
///
/// assert_eq!("foo".to_key()?.as_key().as_bytes(), b"foo");
/// assert_eq!(42_u64.to_key()?.as_key().as_bytes(), b"42");
/// assert_eq!((7, "foo").route(), Some(7));
/// # Ok::<(), memcache_proto::KeyError>(())
/// ```
pub trait ToKey {
    /// The bytes of the key as the caller has them, neither encoded nor checked.
    fn to_bytes(&self) -> Cow<'_, [u8]>;

    /// The number that chooses the key's server in place of its hash; `None` for the hash.
    fn route(&self) -> Option<i64> {
        None
    }

    /// The key, checked as [`Key::new`] does.
    ///
    /// # Errors
    ///
    /// [`KeyError`] says what is wrong with the key, and where.
    fn to_key(&self) -> Result<KeyRef<'_>, KeyError> {
        KeyRef::checked(self.to_bytes(), check)
    }
}

/// A key, borrowed where that is possible.
#[derive(Clone, Debug)]
pub enum KeyRef<'a> {
    /// The caller's own bytes.
    Borrowed(Key<'a>),
    /// Bytes that had to be made.
    Owned(KeyBuf),
}

impl<'a> KeyRef<'a> {
    /// The key.
    #[must_use]
    pub fn as_key(&self) -> Key<'_> {
        match self {
            KeyRef::Borrowed(key) => *key,
            KeyRef::Owned(key) => key.as_key(),
        }
    }

    /// A key that `check` lets pass.
    #[inline]
    pub(crate) fn checked(
        bytes: Cow<'a, [u8]>,
        check: impl Fn(&[u8]) -> Result<(), KeyError>,
    ) -> Result<Self, KeyError> {
        check(&bytes)?;
        Ok(match bytes {
            Cow::Borrowed(bytes) => KeyRef::Borrowed(Key(bytes)),
            Cow::Owned(bytes) => KeyRef::Owned(KeyBuf(bytes.into())),
        })
    }
}

macro_rules! to_key_borrowed {
    ($($type:ty),*) => {$(
        impl ToKey for $type {
            fn to_bytes(&self) -> Cow<'_, [u8]> {
                Cow::Borrowed(self.as_ref())
            }
        }
    )*};
}

macro_rules! to_key_owned {
    ($($type:ty),*) => {$(
        impl ToKey for $type {
            fn to_bytes(&self) -> Cow<'_, [u8]> {
                Cow::Owned(itoa::Buffer::new().format(*self).as_bytes().to_vec())
            }
        }
    )*};
}

to_key_borrowed!(str, String, [u8], Vec<u8>, Bytes, Key<'_>);
to_key_owned!(u32, i32, u64, i64, usize);

impl ToKey for Box<str> {
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        (**self).to_bytes()
    }
}

impl ToKey for Cow<'_, str> {
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        (**self).to_bytes()
    }
}

impl<const N: usize> ToKey for [u8; N] {
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self)
    }
}

impl ToKey for KeyBuf {
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
}

impl<K: ToKey> ToKey for (i64, K) {
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        self.1.to_bytes()
    }

    fn route(&self) -> Option<i64> {
        Some(self.0)
    }
}

impl<K: ToKey + ?Sized> ToKey for &K {
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        (**self).to_bytes()
    }

    fn route(&self) -> Option<i64> {
        (**self).route()
    }
}

/// Why a key cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The key has no bytes.
    Empty,
    /// The key, with its prefix, has more bytes than the protocol or
    /// [`Limits::server_max_key_length`](crate::Limits::server_max_key_length) allows.
    TooLong {
        /// Its length in bytes, the prefix included.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// The key holds a space or a control character.
    Forbidden {
        /// The first such byte.
        byte: u8,
        /// Where it stands, counted in bytes from 0.
        position: usize,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Empty => write!(f, "the key is empty"),
            KeyError::TooLong { len, max } => write!(
                f,
                "the key has {len} bytes with its prefix, more than the {max} that are allowed",
            ),
            KeyError::Forbidden { byte, position } => write!(
                f,
                "the key holds byte {byte:#04x} at position {position}; spaces and control characters are not allowed",
            ),
        }
    }
}

impl core::error::Error for KeyError {}

/// What [`Key::new`] lets pass.
#[inline]
pub(crate) fn check(bytes: &[u8]) -> Result<(), KeyError> {
    match is_plain(bytes) {
        true => Ok(()),
        false => refuse(bytes, |byte| byte <= b' ' || byte == 0x7f),
    }
}

/// Whether these are 8 to [`MAX_KEY_LEN`] bytes with neither a space nor a control character among them: eight
/// bytes are looked at at a time.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else { return false };
    let forbidden = |chunk: [u8; 8]| {
        let word = u64::from_le_bytes(chunk);
        eight::below(0x21, word) | eight::equal_to(0x7f, word)
    };
    // The last eight overlap those before them.
    let chunks = bytes.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok());
    let found = chunks.fold(forbidden(*last), |found, chunk| found | forbidden(chunk));
    found == 0 && bytes.len() <= MAX_KEY_LEN
}

/// What the protocol itself lets pass, and cannot take for the end of a key.
pub(crate) fn check_wire(bytes: &[u8]) -> Result<(), KeyError> {
    refuse(bytes, |byte| matches!(byte, b' ' | b'\r' | b'\n' | 0))
}

#[inline]
fn refuse(bytes: &[u8], forbidden: impl Fn(u8) -> bool) -> Result<(), KeyError> {
    if bytes.is_empty() {
        return Err(KeyError::Empty);
    }
    if bytes.len() > MAX_KEY_LEN {
        return Err(KeyError::TooLong { len: bytes.len(), max: MAX_KEY_LEN });
    }
    // A fold without an early exit is vectorised; the position is looked for only after a refusal.
    if !bytes.iter().fold(false, |bad, &byte| bad | forbidden(byte)) {
        return Ok(());
    }
    match bytes.iter().copied().enumerate().find(|&(_, byte)| forbidden(byte)) {
        Some((position, byte)) => Err(KeyError::Forbidden { byte, position }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn a_key_is_what_python_memcached_accepts_and_no_more() {
        let cases: &[(&[u8], Result<(), KeyError>)] = &[
            (b"foo", Ok(())),
            (b"!", Ok(())),
            (b"~", Ok(())),
            ("\u{4f1a}".as_bytes(), Ok(())),
            (&[0x80], Ok(())),
            (&[0xff], Ok(())),
            (&[b'0'; 250], Ok(())),
            (b"", Err(KeyError::Empty)),
            (&[b'0'; 251], Err(KeyError::TooLong { len: 251, max: 250 })),
            (b"a b", Err(KeyError::Forbidden { byte: b' ', position: 1 })),
            (b"foo\n", Err(KeyError::Forbidden { byte: b'\n', position: 3 })),
            (b"\x7f", Err(KeyError::Forbidden { byte: 0x7f, position: 0 })),
            (b"a\0", Err(KeyError::Forbidden { byte: 0, position: 1 })),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Key::new(bytes).map(|_| ()), *expected, "{:?}", bytes.escape_ascii());
        }
    }

    /// However long the key is and wherever the byte stands, each byte is let pass or refused as it is alone.
    #[test]
    fn every_byte_is_found_wherever_it_stands() {
        for len in 1..40 {
            for position in 0..len {
                for byte in 0..=u8::MAX {
                    for around in [b'!', 0x80, 0xff] {
                        let mut bytes = vec![around; len];
                        bytes[position] = byte;
                        let expected = match byte <= b' ' || byte == 0x7f {
                            true => Err(KeyError::Forbidden { byte, position }),
                            false => Ok(()),
                        };
                        assert_eq!(check(&bytes), expected, "{bytes:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn text_and_integers_of_all_kinds_are_keys() {
        let greatest = usize::MAX.to_string();
        let keys: &[(&dyn ToKey, &[u8])] = &[
            (&"foo", b"foo"),
            (&String::from("foo"), b"foo"),
            (&Box::<str>::from("foo"), b"foo"),
            (&Cow::Borrowed("foo"), b"foo"),
            (&Cow::<str>::Owned("foo".into()), b"foo"),
            (&usize::MAX, greatest.as_bytes()),
            (&-7, b"-7"),
        ];
        for (key, expected) in keys {
            assert_eq!(key.to_key().unwrap().as_key().as_bytes(), *expected);
        }
        assert_eq!(Cow::Borrowed("").to_key().unwrap_err(), KeyError::Empty);
    }

    #[test]
    fn a_pair_is_routed_by_its_number() {
        let pair = (-5, "foo");
        assert_eq!(pair.route(), Some(-5));
        assert_eq!(pair.to_key().unwrap().as_key().as_bytes(), b"foo");
        assert_eq!("foo".route(), None);
    }

    #[test]
    fn what_could_end_a_key_is_never_part_of_one() {
        let refused =
            [(b"a b", b' ', 1), (b"ab\r", b'\r', 2), (b"\nab", b'\n', 0), (b"ab\0", 0, 2)];
        for (bytes, byte, position) in refused {
            assert_eq!(check_wire(bytes), Err(KeyError::Forbidden { byte, position }));
        }
        assert_eq!(check_wire(b"\ta\x01\x7f"), Ok(()));
        assert_eq!(check_wire(b""), Err(KeyError::Empty));
        assert_eq!(check_wire(&[b'k'; 251]), Err(KeyError::TooLong { len: 251, max: 250 }));
    }

    #[test]
    fn a_key_off_the_wire_may_hold_control_characters() {
        assert!(Key::from_wire(b"a\tb\x01").is_some());
        for refused in [&b"a b"[..], b"a\nb", b"a\0", b"", &[b'k'; 251]] {
            assert_eq!(Key::from_wire(refused), None);
        }
    }
}
