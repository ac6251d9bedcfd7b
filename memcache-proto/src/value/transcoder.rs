use super::convert::into_vec;
use super::format::Reading;
use super::{
    Compressor, DecompressError, Flags, Integer, IntegerError, Raw, Serializer, Value, ValueError,
    ValueFormat, ValueKind, ValueRef,
};
use crate::Limits;
use crate::codec::StoreVerb;
use crate::hidden::Hidden;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;

/// Values to bytes and flags, and back, as python-memcached does it, or another client.
///
/// A plain set of settings, each with its default:
///
/// ```
/// use memcache_proto::value::{ToValue, Transcoder};
///
/// let transcoder = Transcoder { min_compress_len: 1024, ..Transcoder::default() };
/// assert_eq!(&*transcoder.encode(1.to_value()?)?.bytes, b"1");
/// # Ok::<(), memcache_proto::value::ValueError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Transcoder {
    /// Whose values they are; those of python-memcached since 1.59.
    pub format: ValueFormat,
    /// Values of more bytes than this are compressed where that makes them shorter; 0, the default,
    /// compresses none. The [`format`](Self::format) has the last word: integers hardly ever are.
    /// Without feature `compression` nothing is, unless there is a [`compressor`](Self::compressor).
    ///
    /// What is to be appended or prepended to must not be compressed, nor the piece: encode it with
    /// 0.
    pub min_compress_len: usize,
    /// The most that a compressed value may inflate to, in bytes;
    /// [`Limits::max_inflated_len`](crate::Limits::max_inflated_len).
    pub max_inflated_len: usize,
    /// What compresses in place of zlib; nothing by default.
    pub compressor: Option<Arc<dyn Compressor>>,
    /// What reads and writes pickles; nothing by default, and they stay as they are.
    pub serializer: Option<Arc<dyn Serializer>>,
}

impl Default for Transcoder {
    fn default() -> Self {
        Transcoder {
            format: ValueFormat::default(),
            min_compress_len: 0,
            max_inflated_len: Limits::default().max_inflated_len,
            compressor: None,
            serializer: None,
        }
    }
}

impl Transcoder {
    /// As [`encode`](Self::encode), for this command, and with this `min_compress_len` in place of the
    /// transcoder's if there is one. What is appended or prepended is never compressed, as the server
    /// puts it beside what is there without a look at either.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_for<'a>(
        &self,
        verb: StoreVerb,
        value: ValueRef<'a>,
        min_compress_len: Option<usize>,
    ) -> Result<Encoded<'a>, ValueError> {
        let min_compress_len = match verb {
            StoreVerb::Append | StoreVerb::Prepend => 0,
            _ => min_compress_len.unwrap_or(self.min_compress_len),
        };
        self.encode_with(value, min_compress_len)
    }

    /// The flags and bytes to store for `value`. Bytes and text that are not compressed are not
    /// copied.
    ///
    /// # Errors
    ///
    /// [`ValueError::FlagsTooLarge`] for a [`Raw`] that has such, the
    /// [`serializer`](Self::serializer)'s own as [`ValueError::Serialize`], and the
    /// [`compressor`](Self::compressor)'s own as [`ValueError::Compress`]. Without these there are none.
    pub fn encode<'a>(&self, value: ValueRef<'a>) -> Result<Encoded<'a>, ValueError> {
        self.encode_with(value, self.min_compress_len)
    }

    fn encode_with<'a>(
        &self,
        value: ValueRef<'a>,
        min_compress_len: usize,
    ) -> Result<Encoded<'a>, ValueError> {
        let (kind, bytes) = match value {
            ValueRef::Bytes(bytes) => (ValueKind::Bytes, bytes),
            ValueRef::Text(Cow::Borrowed(text)) => {
                (ValueKind::Text, Cow::Borrowed(text.as_bytes()))
            }
            ValueRef::Text(Cow::Owned(text)) => (ValueKind::Text, Cow::Owned(text.into_bytes())),
            ValueRef::Integer(Cow::Borrowed(integer)) => (ValueKind::Integer, integer.digits()),
            ValueRef::Integer(Cow::Owned(integer)) => {
                (ValueKind::Integer, Cow::Owned(integer.into_digits()))
            }
            ValueRef::Bool(bool) => {
                let digit: &[u8] = if bool { b"1" } else { b"0" };
                return Ok(Encoded {
                    flags: self.format.bool_flags(),
                    bytes: Cow::Borrowed(digit),
                });
            }
            ValueRef::Pickle(bytes) => (ValueKind::Pickle, bytes),
            ValueRef::Raw { flags, bytes } => {
                return Ok(Encoded { flags: sendable(flags)?, bytes });
            }
        };
        let flags = self.format.flags(kind);
        let (flags, bytes) = match &self.serializer {
            Some(serializer) if flags == Flags::PICKLE => serialize(&**serializer, &bytes)?,
            _ => (flags, bytes),
        };
        let long_enough = min_compress_len > 0
            && self.format.is_worth_compressing(kind, bytes.len(), min_compress_len);
        let compressed = if long_enough { self.compress(&bytes)? } else { None };
        Ok(match compressed {
            Some(compressed) => {
                Encoded { flags: flags.with(Flags::COMPRESSED), bytes: Cow::Owned(compressed) }
            }
            None => Encoded { flags, bytes },
        })
    }

    /// `bytes` compressed, if it is worth it.
    fn compress(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>, ValueError> {
        let longest = self.format.longest_kept(bytes.len());
        let Some(compressor) = &self.compressor else { return Ok(deflate(bytes, longest)) };
        match compressor.compress(bytes) {
            Ok(compressed) => Ok(compressed.filter(|compressed| compressed.len() <= longest)),
            Err(cause) => Err(ValueError::Compress { cause, len: bytes.len() }),
        }
    }

    /// The value that was stored as `bytes` with `flags`.
    ///
    /// A compressed value is inflated first. What the other flags say, and of several which counts, is
    /// the [`ValueFormat`]'s to tell.
    ///
    /// # Errors
    ///
    /// [`ValueError`] where the flags say nothing that is known here, or the bytes are not what
    /// they say. The connection is none the worse for it.
    pub fn decode(&self, flags: Flags, bytes: Bytes) -> Result<Value, ValueError> {
        let Some(reading) = self.format.reading(flags) else {
            return Err(ValueError::UnknownFlags { flags, bytes });
        };
        let compressed = flags.contains(Flags::COMPRESSED) && self.format.compresses();
        let bytes = if compressed { self.decompress(flags, bytes)? } else { bytes };
        match reading {
            Reading::Kind(ValueKind::Bytes) => Ok(Value::Bytes(bytes)),
            Reading::Kind(ValueKind::Text) => text(bytes),
            Reading::Kind(ValueKind::Integer) => integer(bytes),
            Reading::Kind(ValueKind::Pickle) => self.pickle(flags, bytes),
            Reading::TextOrBytes => match text(bytes) {
                Err(ValueError::NotUtf8 { bytes, .. }) => Ok(Value::Bytes(bytes)),
                text => text,
            },
        }
    }

    /// Whether what is stored with these flags is bytes as they are.
    #[inline]
    pub(super) fn are_plain(&self, flags: Flags) -> bool {
        flags == Flags::default()
            && self.format.reading(flags) == Some(Reading::Kind(ValueKind::Bytes))
    }

    fn pickle(&self, flags: Flags, bytes: Bytes) -> Result<Value, ValueError> {
        match &self.serializer {
            Some(serializer) => serializer
                .deserialize(flags, &bytes)
                .map_err(|cause| ValueError::Deserialize { cause, bytes }),
            None => Ok(Value::Pickle(bytes)),
        }
    }

    fn decompress(&self, flags: Flags, bytes: Bytes) -> Result<Bytes, ValueError> {
        let max = self.max_inflated_len;
        let Some(compressor) = &self.compressor else { return inflate(flags, bytes, max) };
        match compressor.decompress(&bytes, max) {
            Ok(value) if value.len() <= max => Ok(value.into()),
            Ok(_) | Err(DecompressError::TooLong) => {
                Err(ValueError::InflatedTooLong { len: bytes.len(), max })
            }
            Err(DecompressError::Failed(cause)) => {
                Err(ValueError::Decompress { cause, flags, bytes })
            }
        }
    }
}

/// What is stored for a value; made by [`Transcoder::encode`].
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded<'a> {
    /// The flags to send.
    pub flags: Flags,
    /// The bytes to send.
    pub bytes: Cow<'a, [u8]>,
}

impl fmt::Debug for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = Hidden(&self.bytes);
        f.debug_struct("Encoded").field("flags", &self.flags).field("bytes", &bytes).finish()
    }
}

/// The flags, if a server keeps them as they are.
fn sendable(flags: Flags) -> Result<Flags, ValueError> {
    match u32::try_from(flags.bits()) {
        Ok(_) => Ok(flags),
        Err(_) => Err(ValueError::FlagsTooLarge { flags }),
    }
}

fn serialize<'a>(
    serializer: &dyn Serializer,
    bytes: &[u8],
) -> Result<(Flags, Cow<'a, [u8]>), ValueError> {
    match serializer.serialize(bytes) {
        Ok(Raw { flags, bytes }) => {
            Ok((sendable(flags)?.without(Flags::COMPRESSED), Cow::Owned(into_vec(bytes))))
        }
        Err(cause) => Err(ValueError::Serialize { cause, bytes: Bytes::copy_from_slice(bytes) }),
    }
}

#[cfg(feature = "compression")]
fn deflate(bytes: &[u8], longest: usize) -> Option<Vec<u8>> {
    super::compression::deflate(bytes, longest)
}

#[cfg(not(feature = "compression"))]
fn deflate(_: &[u8], _: usize) -> Option<Vec<u8>> {
    None
}

#[cfg(feature = "compression")]
fn inflate(flags: Flags, bytes: Bytes, max: usize) -> Result<Bytes, ValueError> {
    use super::compression::{Failure, inflate};

    inflate(&bytes, max).map(Bytes::from).map_err(|failure| match failure {
        Failure::Fault(fault) => ValueError::Inflate { fault, flags, bytes },
        Failure::TooLong => ValueError::InflatedTooLong { len: bytes.len(), max },
    })
}

#[cfg(not(feature = "compression"))]
fn inflate(flags: Flags, bytes: Bytes, _: usize) -> Result<Bytes, ValueError> {
    Err(ValueError::Compressed { flags, bytes })
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
        Transcoder { min_compress_len, max_inflated_len: 1000, ..Transcoder::default() }
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
            (&ValueRef::pickle(b"N."), 1, 1, b"N."),
            (&b"abcdefghij", 1, 0, b"abcdefghij"),
            (&[b'a'; 100], 100, 0, &[b'a'; 100]),
            (&[b'a'; 100], 0, 0, &[b'a'; 100]),
        ];
        for (value, min_compress_len, flags, bytes) in cases {
            let value = value.to_value().unwrap();
            let encoded = transcoder(*min_compress_len).encode(value.clone()).unwrap();
            assert_eq!((encoded.flags.bits(), &*encoded.bytes), (*flags, *bytes), "{value:?}");
        }
    }

    #[test]
    fn what_is_not_compressed_is_not_copied() {
        for value in [ValueRef::from("text"), ValueRef::from(&b"b"[..]), ValueRef::pickle(b"N.")] {
            assert!(matches!(transcoder(0).encode(value).unwrap().bytes, Cow::Borrowed(_)));
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
        let encoded = transcoder(99).encode(ValueRef::from(&[b'a'; 100][..])).unwrap();
        assert_eq!(encoded.flags, Flags::default());
    }

    #[test]
    fn the_threshold_of_a_call_goes_before_that_of_all() {
        use StoreVerb::{Add, Append, Cas, Prepend, Replace, Set};
        #[derive(Debug)]
        struct Halves;
        impl Compressor for Halves {
            fn compress(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>, crate::value::Cause> {
                Ok(Some(bytes[bytes.len() / 2..].to_vec()))
            }
            fn decompress(&self, _: &[u8], _: usize) -> Result<Vec<u8>, DecompressError> {
                Err(DecompressError::TooLong)
            }
        }
        // Of the transcoder, of the call, and the verbs that compress 100 bytes then.
        let cases: &[(usize, Option<usize>, &[StoreVerb])] = &[
            (0, None, &[]),
            (99, None, &[Set, Add, Replace, Cas(1)]),
            (100, None, &[]),
            (0, Some(99), &[Set, Add, Replace, Cas(1)]),
            (100, Some(1), &[Set, Add, Replace, Cas(1)]),
            (1, Some(0), &[]),
            (1, Some(100), &[]),
        ];
        for (min, of_the_call, compressing) in cases {
            let compressor = Some(Arc::new(Halves) as _);
            let transcoder = Transcoder { compressor, ..transcoder(*min) };
            for verb in [Set, Add, Replace, Append, Prepend, Cas(1)] {
                let value = ValueRef::from(&[b'a'; 100][..]);
                let encoded = transcoder.encode_for(verb, value, *of_the_call).unwrap();
                let compressed = compressing.contains(&verb);
                let found = (encoded.flags == Flags::COMPRESSED, encoded.bytes.len());
                let expected = (compressed, if compressed { 50 } else { 100 });
                assert_eq!(found, expected, "{verb:?}, {min}, {of_the_call:?}");
            }
        }
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
                (&ValueRef::pickle(text.as_bytes()), 1, 9),
                (&text.as_bytes(), 100, 0),
                (&text, 0, 16),
            ];
            for (value, min_compress_len, flags) in cases {
                let encoded =
                    transcoder(*min_compress_len).encode(value.to_value().unwrap()).unwrap();
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
