use super::convert::into_vec;
use super::{Flags, Integer, IntegerError, Value, ValueError, ValueRef};
use crate::Limits;
use crate::codec::StoreVerb;
use alloc::borrow::Cow;
use alloc::string::String;
use bytes::Bytes;

/// Values to bytes and flags, and back, as python-memcached does it from 1.60 on.
///
/// A plain set of settings, each with its default:
///
/// ```
/// use memcache_proto::value::{ToValue, Transcoder};
///
/// let transcoder = Transcoder { min_compress_len: 1024, ..Transcoder::default() };
/// assert_eq!(&*transcoder.encode(1.to_value()).bytes, b"1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcoder {
    /// Values of more bytes than this are compressed where that makes them shorter; 0, the default,
    /// compresses none. Integers never are. Without feature `compression` nothing is.
    ///
    /// What is to be appended or prepended to must not be compressed, nor the piece: encode it with
    /// 0.
    pub min_compress_len: usize,
    /// The most that a compressed value may inflate to, in bytes;
    /// [`Limits::max_inflated_len`](crate::Limits::max_inflated_len).
    pub max_inflated_len: usize,
}

impl Default for Transcoder {
    fn default() -> Self {
        Transcoder { min_compress_len: 0, max_inflated_len: Limits::default().max_inflated_len }
    }
}

impl Transcoder {
    /// As [`encode`](Self::encode), for this command: what is appended or prepended is never compressed,
    /// as the server puts it beside what is there without a look at either.
    #[must_use]
    pub fn encode_for<'a>(&self, verb: StoreVerb, value: ValueRef<'a>) -> Encoded<'a> {
        match verb {
            StoreVerb::Append | StoreVerb::Prepend => {
                Transcoder { min_compress_len: 0, ..self.clone() }.encode(value)
            }
            _ => self.encode(value),
        }
    }

    /// The flags and bytes to store for `value`. Bytes and text that are not compressed are not
    /// copied.
    #[must_use]
    pub fn encode<'a>(&self, value: ValueRef<'a>) -> Encoded<'a> {
        let (flags, bytes) = match value {
            ValueRef::Integer(integer) => {
                let bytes = match integer {
                    Cow::Borrowed(integer) => integer.digits(),
                    Cow::Owned(integer) => Cow::Owned(integer.into_digits()),
                };
                return Encoded { flags: Flags::INTEGER, bytes };
            }
            ValueRef::Bytes(bytes) => (Flags::default(), bytes),
            ValueRef::Text(text) => (Flags::TEXT, text.as_bytes()),
            ValueRef::Pickle(bytes) => (Flags::PICKLE, bytes),
        };
        #[cfg(feature = "compression")]
        if self.min_compress_len > 0 && bytes.len() > self.min_compress_len {
            if let Some(deflated) = super::compression::deflate(bytes) {
                let flags = flags.with(Flags::COMPRESSED);
                return Encoded { flags, bytes: Cow::Owned(deflated) };
            }
        }
        Encoded { flags, bytes: Cow::Borrowed(bytes) }
    }

    /// The value that was stored as `bytes` with `flags`.
    ///
    /// A compressed value is inflated first. Of the other flags the first to be set counts, in the
    /// order text, integer, long, pickle; without any the value is bytes. Bits beside these are
    /// passed over, as python-memcached does.
    ///
    /// # Errors
    ///
    /// [`ValueError`] where the flags say nothing that is known here, or the bytes are not what
    /// they say. The connection is none the worse for it.
    pub fn decode(&self, flags: Flags, bytes: Bytes) -> Result<Value, ValueError> {
        let Some(kind) = Kind::of(flags) else {
            return Err(ValueError::UnknownFlags { flags, bytes });
        };
        let bytes = match flags.contains(Flags::COMPRESSED) {
            true => self.inflate(flags, bytes)?,
            false => bytes,
        };
        match kind {
            Kind::Bytes => Ok(Value::Bytes(bytes)),
            Kind::Text => text(bytes),
            Kind::Integer => integer(bytes),
            Kind::Pickle => Ok(Value::Pickle(bytes)),
        }
    }

    #[cfg(feature = "compression")]
    fn inflate(&self, flags: Flags, bytes: Bytes) -> Result<Bytes, ValueError> {
        use super::compression::{Failure, inflate};

        let max = self.max_inflated_len;
        inflate(&bytes, max).map(Bytes::from).map_err(|failure| match failure {
            Failure::Fault(fault) => ValueError::Inflate { fault, flags, bytes },
            Failure::TooLong => ValueError::InflatedTooLong { len: bytes.len(), max },
        })
    }

    #[cfg(not(feature = "compression"))]
    fn inflate(&self, flags: Flags, bytes: Bytes) -> Result<Bytes, ValueError> {
        Err(ValueError::Compressed { flags, bytes })
    }
}

/// What is stored for a value; made by [`Transcoder::encode`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded<'a> {
    /// The flags to send.
    pub flags: Flags,
    /// The bytes to send.
    pub bytes: Cow<'a, [u8]>,
}

enum Kind {
    Bytes,
    Text,
    Integer,
    Pickle,
}

impl Kind {
    fn of(flags: Flags) -> Option<Self> {
        let flags = flags.without(Flags::COMPRESSED);
        if flags == Flags::default() {
            return Some(Kind::Bytes);
        }
        let tested = [
            (Flags::TEXT, Kind::Text),
            (Flags::INTEGER, Kind::Integer),
            (Flags::LONG, Kind::Integer),
            (Flags::PICKLE, Kind::Pickle),
        ];
        tested.into_iter().find(|&(flag, _)| flags.contains(flag)).map(|(_, kind)| kind)
    }
}

fn text(bytes: Bytes) -> Result<Value, ValueError> {
    match String::from_utf8(into_vec(bytes)) {
        Ok(text) => Ok(Value::Text(text)),
        Err(error) => Err(ValueError::NotUtf8 {
            valid_up_to: error.utf8_error().valid_up_to(),
            bytes: error.into_bytes().into(),
        }),
    }
}

fn integer(bytes: Bytes) -> Result<Value, ValueError> {
    match Integer::parse(&bytes) {
        Ok(integer) => Ok(Value::Integer(integer)),
        Err(IntegerError::Malformed { position }) => {
            Err(ValueError::NotDecimal { bytes, position })
        }
        Err(IntegerError::OutOfRange { integer, wanted }) => {
            Err(ValueError::OutOfRange { integer, wanted })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::ToValue;

    const GREAT: &str = "10000000000000000000000000000000000000000";
    /// `zlib.compress(b"a" * 100)` of CPython 3.11.
    const HUNDRED_A: &[u8] = b"x\x9cKL\xa4=\x00\x00zG%\xe5";

    fn transcoder(min_compress_len: usize) -> Transcoder {
        Transcoder { min_compress_len, max_inflated_len: 1000 }
    }

    fn b(bytes: &'static [u8]) -> Bytes {
        Bytes::from_static(bytes)
    }

    /// From python-memcached 1.62 (`Client._val_to_store_info`).
    #[test]
    fn values_are_encoded_as_python_memcached_encodes_them() {
        let great: Integer = GREAT.parse().unwrap();
        let cases: &[(&dyn ToValue, usize, u64, &[u8])] = &[
            (&b"a", 0, 0, b"a"),
            (&"\u{4f1a}", 0, 16, b"\xe4\xbc\x9a"),
            (&"", 1, 16, b""),
            (&-7, 0, 2, b"-7"),
            (&u64::MAX, 1, 2, b"18446744073709551615"),
            (&great, 1, 2, GREAT.as_bytes()),
            (&Value::from(great.clone()), 1, 2, GREAT.as_bytes()),
            (&ValueRef::Pickle(b"N."), 1, 1, b"N."),
            (&b"abcdefghij", 1, 0, b"abcdefghij"),
            (&[b'a'; 100], 100, 0, &[b'a'; 100]),
            (&[b'a'; 100], 0, 0, &[b'a'; 100]),
        ];
        for (value, min_compress_len, flags, bytes) in cases {
            let value = value.to_value();
            let encoded = transcoder(*min_compress_len).encode(value.clone());
            assert_eq!((encoded.flags.bits(), &*encoded.bytes), (*flags, *bytes), "{value:?}");
        }
    }

    #[test]
    fn what_is_not_compressed_is_not_copied() {
        for value in ["text".to_value(), b"bytes".to_value(), ValueRef::Pickle(b"N.")] {
            assert!(matches!(transcoder(0).encode(value).bytes, Cow::Borrowed(_)));
        }
        let bytes = Bytes::from(alloc::vec![b'a'; 100]);
        let Ok(Value::Bytes(decoded)) = transcoder(0).decode(Flags::default(), bytes.clone())
        else {
            panic!("flags 0 are bytes")
        };
        assert_eq!(decoded.as_ptr(), bytes.as_ptr());

        let long = Bytes::from(alloc::vec![b'a'; 1 << 20]);
        let place = long.as_ptr();
        let Ok(Value::Text(text)) = transcoder(0).decode(Flags::TEXT, long) else {
            panic!("flags 16 are text")
        };
        assert_eq!(text.as_ptr(), place);
    }

    /// As python-memcached 1.62 reads them (`Client._recv_value`).
    #[test]
    fn flags_are_tested_by_bit_and_in_order() {
        let great: Integer = GREAT.parse().unwrap();
        let cases: &[(u64, &'static [u8], Value)] = &[
            (0, b"9", Value::from(b"9")),
            (16, b"9", Value::from("9")),
            (2, b"9 ", Value::from(9)),
            (4, b"-9", Value::from(-9)),
            (2, GREAT.as_bytes(), Value::from(great)),
            (1, b"9", Value::Pickle(b(b"9"))),
            (17, b"9", Value::from("9")),
            (16 | 4 | 2 | 1, b"9", Value::from("9")),
            (2 | 1, b"9", Value::from(9)),
            (4 | 1, b"9", Value::from(9)),
            (32 | 16, b"9", Value::from("9")),
            (1 << 63 | 2, b"9", Value::from(9)),
        ];
        for (flags, bytes, expected) in cases {
            let decoded = transcoder(0).decode(Flags::from_wire(*flags), b(bytes));
            assert_eq!(decoded.as_ref(), Ok(expected), "flags {flags}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_a_typed_error_with_the_bytes() {
        let unknown =
            |flags, bytes| ValueError::UnknownFlags { flags: Flags::from_wire(flags), bytes };
        let cases: &[(u64, &'static [u8], ValueError)] = &[
            (32, b"9", unknown(32, b(b"9"))),
            (32 | 8, HUNDRED_A, unknown(40, b(HUNDRED_A))),
            (1 << 32, b"9", unknown(1 << 32, b(b"9"))),
            (u64::MAX << 5, b"", unknown(u64::MAX << 5, b(b""))),
            (16, b"a\xff", ValueError::NotUtf8 { bytes: b(b"a\xff"), valid_up_to: 1 }),
            (2, b"1_0", ValueError::NotDecimal { bytes: b(b"1_0"), position: 1 }),
            (4, b"", ValueError::NotDecimal { bytes: b(b""), position: 0 }),
        ];
        for (flags, bytes, expected) in cases {
            let decoded = transcoder(0).decode(Flags::from_wire(*flags), b(bytes));
            assert_eq!(decoded.as_ref(), Err(expected), "flags {flags}");
        }
    }

    #[cfg(not(feature = "compression"))]
    #[test]
    fn without_compression_the_bytes_are_handed_back() {
        let flags = Flags::TEXT.with(Flags::COMPRESSED);
        let refused = ValueError::Compressed { flags, bytes: b(HUNDRED_A) };
        assert_eq!(transcoder(99).decode(flags, b(HUNDRED_A)), Err(refused));
        assert_eq!(transcoder(99).encode([b'a'; 100].to_value()).flags, Flags::default());
    }

    #[cfg(feature = "compression")]
    mod compression {
        use super::*;
        use crate::value::InflateFault;

        #[test]
        fn compression_begins_above_its_threshold_and_keeps_the_type() {
            let text = "a".repeat(100);
            let cases: &[(&dyn ToValue, usize, u64)] = &[
                (&text.as_bytes(), 99, 8),
                (&text, 99, 24),
                (&ValueRef::Pickle(text.as_bytes()), 1, 9),
                (&text.as_bytes(), 100, 0),
                (&text, 0, 16),
            ];
            for (value, min_compress_len, flags) in cases {
                let encoded = transcoder(*min_compress_len).encode(value.to_value());
                assert_eq!(encoded.flags.bits(), *flags, "{min_compress_len}");
                assert_eq!(encoded.bytes.len(), if flags & 8 == 0 { 100 } else { 12 });
                let bytes = Bytes::from(encoded.bytes.into_owned());
                let decoded = transcoder(0).decode(encoded.flags, bytes).unwrap();
                assert_eq!(decoded.to_value(), value.to_value(), "{min_compress_len}");
            }
        }

        #[test]
        fn a_compressed_value_is_inflated_before_its_type_is_looked_at() {
            let a = "a".repeat(100);
            // zlib.compress(b"9 ") of CPython 3.11.
            let nine: &'static [u8] = b"x\x9c\xb3T\x00\x00\x00\x94\x00Z";
            let inflate = |fault, flags, bytes| {
                Err(ValueError::Inflate { fault, flags: Flags::from_wire(flags), bytes: b(bytes) })
            };
            type Case = (u64, &'static [u8], usize, Result<Value, ValueError>);
            let cases: &[Case] = &[
                (8, HUNDRED_A, 100, Ok(Value::from(a.as_bytes()))),
                (8 | 16, HUNDRED_A, 100, Ok(Value::from(&*a))),
                (8 | 1, HUNDRED_A, 100, Ok(Value::Pickle(a.clone().into()))),
                (8 | 2, nine, 100, Ok(Value::from(9))),
                (8, HUNDRED_A, 99, Err(ValueError::InflatedTooLong { len: 12, max: 99 })),
                (
                    8 | 2,
                    HUNDRED_A,
                    100,
                    Err(ValueError::NotDecimal { bytes: a.clone().into(), position: 0 }),
                ),
                (8, b"9 ", 100, inflate(InflateFault::Corrupt, 8, b"9 ")),
                (24, b"x\x9c", 100, inflate(InflateFault::Truncated, 24, b"x\x9c")),
            ];
            for (flags, bytes, max_inflated_len, expected) in cases {
                let transcoder =
                    Transcoder { max_inflated_len: *max_inflated_len, ..transcoder(0) };
                let decoded = transcoder.decode(Flags::from_wire(*flags), b(bytes));
                assert_eq!(decoded, *expected, "flags {flags}");
            }
        }
    }
}
