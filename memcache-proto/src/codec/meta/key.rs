use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Key, KeyError, MAX_KEY_LEN};

/// A key of a meta command: any bytes that fit.
///
/// What a classic command could name is sent as it is. Anything else is sent in base64 with the flag
/// `b`; then the limit of 250 bytes is on the base64 text, so that 186 bytes fit (memcached counts what
/// it reads).
///
/// ```
/// use memcache_proto::codec::MetaKey;
///
/// assert!(!MetaKey::new(b"foo")?.is_base64());
/// assert!(MetaKey::new(b"a space, a line\n")?.is_base64());
/// # Ok::<(), memcache_proto::KeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MetaKey<'a>(Form<'a>);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Form<'a> {
    Text(Key<'a>),
    /// Bytes that are to be encoded.
    Bytes(&'a [u8]),
    /// Base64 as it stood on the wire.
    Base64(Key<'a>),
}

/// The most bytes that fit 250 of base64.
const MAX_BYTES: usize = MAX_KEY_LEN / 4 * 3;

impl<'a> MetaKey<'a> {
    /// A key of these bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::Empty`], or [`KeyError::TooLong`]: text of more than 250 bytes, anything else of more
    /// than 186.
    pub fn new<K: AsRef<[u8]> + ?Sized>(key: &'a K) -> Result<Self, KeyError> {
        let bytes = key.as_ref();
        match Key::new(bytes) {
            Ok(key) => Ok(MetaKey(Form::Text(key))),
            Err(KeyError::Forbidden { .. }) if bytes.len() <= MAX_BYTES => {
                Ok(MetaKey(Form::Bytes(bytes)))
            }
            Err(KeyError::Forbidden { .. }) => {
                Err(KeyError::TooLong { len: bytes.len(), max: MAX_BYTES })
            }
            Err(error) => Err(error),
        }
    }

    /// A key that came with the flag `b`, or without.
    pub(crate) fn from_wire(key: Key<'a>, base64: bool) -> Self {
        MetaKey(if base64 { Form::Base64(key) } else { Form::Text(key) })
    }

    /// Whether it stands in base64 on the wire.
    #[must_use]
    #[inline]
    pub fn is_base64(self) -> bool {
        !matches!(self.0, Form::Text(_))
    }

    /// The bytes of the key, decoded to `space` where they came in base64; `None` where that is none.
    ///
    /// Base64 is read as memcached reads it, which passes over bytes that are none and ends at the first
    /// padding: `YQ==` and `Y-Q==YQ==` are the same key. What is there has to be a multiple of four.
    #[must_use]
    pub fn decode(self, space: &'a mut [u8; MAX_KEY_LEN]) -> Option<&'a [u8]> {
        match self.0 {
            Form::Text(key) => Some(key.as_bytes()),
            Form::Bytes(bytes) => Some(bytes),
            Form::Base64(key) => {
                let len = decode_base64(key.as_bytes(), space)?;
                space.get(..len)
            }
        }
    }

    /// Appends a key in base64.
    #[cfg(feature = "server")]
    pub(crate) fn put_base64(key: &[u8], out: &mut alloc::vec::Vec<u8>) {
        let mut space = [0; 4 * MAX_KEY_LEN.div_ceil(3)];
        let len = STANDARD.encode_slice(key, &mut space).unwrap_or(0);
        out.extend_from_slice(space.get(..len).unwrap_or_default());
    }

    /// What stands on the wire, where it is there already.
    #[inline]
    pub(crate) fn as_wire(self) -> Option<Key<'a>> {
        match self.0 {
            Form::Text(key) | Form::Base64(key) => Some(key),
            Form::Bytes(_) => None,
        }
    }

    /// What stands on the wire; written to `space` where it has to be made.
    pub(crate) fn wire(self, space: &'a mut [u8; MAX_KEY_LEN]) -> &'a [u8] {
        match self.0 {
            Form::Text(key) | Form::Base64(key) => key.as_bytes(),
            Form::Bytes(bytes) => {
                let len = STANDARD.encode_slice(bytes, space).unwrap_or(0);
                space.get(..len).unwrap_or_default()
            }
        }
    }
}

/// Decodes as memcached's `base64_decode` does; the number of bytes.
fn decode_base64(text: &[u8], out: &mut [u8; MAX_KEY_LEN]) -> Option<usize> {
    let digit = |&byte: &u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        b'=' => Some(0),
        _ => None,
    };
    let is_digit = |byte: &&u8| digit(byte).is_some();
    if text.iter().filter(is_digit).count() % 4 != 0 {
        return None;
    }
    let mut digits = text.iter().filter(is_digit);
    let mut len = 0;
    let mut padding = 0;
    while let (0, Some(a)) = (padding, digits.next()) {
        let four = [a, digits.next()?, digits.next()?, digits.next()?];
        let bits =
            four.iter().fold(0, |bits, byte| bits << 6 | u32::from(digit(byte).unwrap_or(0)));
        let [_, bytes @ ..] = bits.to_be_bytes();
        out.get_mut(len..len + 3)?.copy_from_slice(&bytes);
        padding = four.iter().filter(|&&&byte| byte == b'=').count();
        len += 3_usize.checked_sub(padding).filter(|&len| len > 0)?;
    }
    (len > 0).then_some(len)
}

impl<'a> From<Key<'a>> for MetaKey<'a> {
    fn from(key: Key<'a>) -> Self {
        MetaKey(Form::Text(key))
    }
}

impl fmt::Debug for MetaKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Form::Text(key) => write!(f, "MetaKey(\"{key}\")"),
            Form::Bytes(bytes) => write!(f, "MetaKey(b\"{}\")", bytes.escape_ascii()),
            Form::Base64(key) => write!(f, "MetaKey(base64 \"{key}\")"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_memcached_reads_it() {
        let cases: &[(&[u8], Option<&[u8]>)] = &[
            (b"YQ==", Some(b"a")),
            (b"YWI=", Some(b"ab")),
            (b"YWJj", Some(b"abc")),
            (b"AP8+/w==", Some(b"\0\xff>\xff")),
            (b"YR==", Some(b"a")),
            (b"Y-Q\t=!=\xff", Some(b"a")),
            (b"YQ==YWJj", Some(b"a")),
            (b"YQ=a", Some(b"a\0")),
            (b"=AAA", Some(b"\0\0")),
            (b"YWJj=YQ=", Some(b"abc\x01")),
            (b"YQ=", None),
            (b"YQ==YQ=", None),
            (b"A===", None),
            (b"====", None),
            (b"YWJj====", None),
            (b"!", None),
        ];
        for &(text, bytes) in cases {
            let mut space = [0; MAX_KEY_LEN];
            let key = MetaKey::from_wire(Key::parsed(text), true);
            assert_eq!(key.decode(&mut space), bytes, "{}", text.escape_ascii());
        }
    }
}
