use super::{Encoded, Flags, FromValue, ToValue, Transcoder, Value, ValueError, ValueRef};
use alloc::borrow::Cow;
use bytes::Bytes;

/// An item as the server keeps it, whatever its flags say: nothing is encoded or decoded, compressed or
/// inflated.
///
/// For values of a client or a program of which nothing is known here, and for handing items on as they
/// are. Reading one never fails. Storing one fails only where the flags are over 32 bits: servers cut
/// them without a word.
///
/// ```
/// use memcache_proto::value::{Flags, FromValue, Raw, ToValue, Transcoder, ValueError};
///
/// let transcoder = Transcoder::default();
/// let raw = Raw { flags: Flags::new(0xCAFE_0000), bytes: "anything".into() };
/// let encoded = transcoder.encode(raw.to_value()?)?;
/// assert_eq!((encoded.flags, &*encoded.bytes), (raw.flags, &b"anything"[..]));
///
/// // As a get does it; any other type would be an error here.
/// assert_eq!(Raw::from_stored(&transcoder, raw.flags, raw.bytes.clone())?, raw);
/// # Ok::<(), ValueError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Raw {
    /// The flags as they are stored.
    pub flags: Flags,
    /// The bytes as they are stored.
    pub bytes: Bytes,
}

impl ToValue for Raw {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        Ok(ValueRef::Raw { flags: self.flags, bytes: Cow::Borrowed(&self.bytes) })
    }
}

impl FromValue for Raw {
    /// What is stored for `value` by default.
    fn from_value(value: Value) -> Result<Self, ValueError> {
        let Encoded { flags, bytes } = Transcoder::default().encode(value.to_value()?)?;
        Ok(Raw { flags, bytes: bytes.into_owned().into() })
    }

    fn from_stored(_: &Transcoder, flags: Flags, bytes: Bytes) -> Result<Self, ValueError> {
        Ok(Raw { flags, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::ValueFormat;

    #[test]
    fn a_raw_item_is_read_and_stored_as_it_is() {
        let formats = [ValueFormat::PythonMemcached, ValueFormat::Pymemcache, ValueFormat::Pylibmc];
        for bits in [0, 1, 2, 8, 9, 16, 24, 32, u32::MAX] {
            for format in formats {
                let transcoder =
                    Transcoder { format, min_compress_len: 1, ..Transcoder::default() };
                let bytes = Bytes::from(alloc::vec![b'a'; 1000]);
                let place = bytes.as_ptr();
                let raw = Raw::from_stored(&transcoder, Flags::new(bits), bytes).unwrap();
                assert_eq!(raw.bytes.as_ptr(), place);
                let encoded = transcoder.encode(raw.to_value().unwrap()).unwrap();
                assert_eq!(encoded.flags.bits(), u64::from(bits));
                assert!(matches!(encoded.bytes, Cow::Borrowed(bytes) if bytes.as_ptr() == place));
            }
        }
    }

    #[test]
    fn flags_over_32_bits_are_read_and_not_stored() {
        let transcoder = Transcoder::default();
        for bits in [1 << 32, u64::MAX] {
            let flags = Flags::from_wire(bits);
            let raw = Raw::from_stored(&transcoder, flags, "a".into()).unwrap();
            assert_eq!(raw.flags, flags);
            let refused = transcoder.encode(raw.to_value().unwrap());
            assert_eq!(refused, Err(ValueError::FlagsTooLarge { flags }));
        }
    }

    #[test]
    fn a_decoded_value_is_encoded_again() {
        let cases = [
            (Value::from("a"), 16, "a"),
            (Value::from(b"a"), 0, "a"),
            (Value::from(-1), 2, "-1"),
            (Value::Pickle("N.".into()), 1, "N."),
        ];
        for (value, bits, bytes) in cases {
            let raw = Raw { flags: Flags::new(bits), bytes: bytes.into() };
            assert_eq!(Raw::from_value(value), Ok(raw));
        }
    }
}
