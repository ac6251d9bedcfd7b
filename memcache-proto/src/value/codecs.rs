use super::{Cause, Flags, Raw, Value};
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use core::error::Error;
use core::fmt;

/// How values are compressed, in place of zlib: python-memcached's `compressor` and `decompressor`.
///
/// Set as [`Transcoder::compressor`](super::Transcoder::compressor); it needs no feature. All who share
/// the cache must have the same, as the flag does not say which it is. When a value is compressed is
/// decided by the [`ValueFormat`](super::ValueFormat), and whether the result is kept.
///
/// ```
/// use std::sync::Arc;
///
/// use memcache_proto::value::{Cause, Compressor, DecompressError, ToValue, Transcoder};
///
/// /// Shortens what consists of one byte.
/// #[derive(Debug)]
/// struct Repeated;
///
/// impl Compressor for Repeated {
///     fn compress(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Cause> {
///         let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
///         let repeated = rest.iter().all(|byte| byte == first);
///         Ok(repeated.then(|| format!("{} {first}", bytes.len()).into()))
///     }
///
///     fn decompress(&self, bytes: &[u8], max: usize) -> Result<Vec<u8>, DecompressError> {
///         let text = std::str::from_utf8(bytes)?;
///         let (len, byte) = text.split_once(' ').ok_or("there is no space")?;
///         let len: usize = len.parse()?;
///         if len > max {
///             return Err(DecompressError::TooLong);
///         }
///         Ok(vec![byte.parse()?; len])
///     }
/// }
///
/// let compressor = Some(Arc::new(Repeated) as _);
/// let transcoder = Transcoder { compressor, min_compress_len: 10, ..Transcoder::default() };
/// let encoded = transcoder.encode("aaaaaaaaaaaa".to_value()?)?;
/// assert_eq!(&*encoded.bytes, b"12 97");
/// # Ok::<(), memcache_proto::value::ValueError>(())
/// ```
pub trait Compressor: fmt::Debug + Send + Sync {
    /// `bytes` in a shorter form, or `None` if there is none: then they are stored as they are. Where it
    /// is not shorter it is not used.
    ///
    /// # Errors
    ///
    /// Any error of the compressor's own. Nothing is sent, and the caller gets it in a
    /// [`ValueError::Compress`](super::ValueError::Compress).
    fn compress(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Cause>;

    /// What was compressed to `bytes`, if that is at most `max` bytes.
    ///
    /// `bytes` are the server's, and anyone may have written them: memory should grow with what comes
    /// out, not with what the bytes announce. A result of more than `max` bytes is not used.
    ///
    /// # Errors
    ///
    /// [`DecompressError::TooLong`], or any error of the compressor's own, which `?` turns into
    /// [`DecompressError::Failed`].
    fn decompress(&self, bytes: &[u8], max: usize) -> Result<Vec<u8>, DecompressError>;
}

/// Why a [`Compressor`] did not decompress a value.
///
/// It is no [`Error`] itself, so that `?` makes one of any error.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DecompressError {
    /// The result would be longer than is allowed.
    TooLong,
    /// The bytes are none that it has compressed.
    Failed(Cause),
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for DecompressError {
    fn from(error: E) -> Self {
        DecompressError::Failed(error.into().into())
    }
}

/// What pickles are to a program that can read them: python-memcached's `pickler` and `unpickler`.
///
/// Set as [`Transcoder::serializer`](super::Transcoder::serializer); without it pickles stay as they
/// are. It sees the values with the flag of pickles and no others; under
/// [`ValueFormat::Pymemcache`](super::ValueFormat::Pymemcache) there are none.
///
/// To load a pickle is to run the program in it, if the loader is Python's. Anyone who can write to the
/// cache can write one.
///
/// ```
/// use std::sync::Arc;
///
/// use bytes::Bytes;
/// use memcache_proto::value::{Cause, Flags, Raw, Serializer, Transcoder, Value};
///
/// /// Knows `None`, and no other object.
/// #[derive(Debug)]
/// struct Nothing;
///
/// impl Serializer for Nothing {
///     fn serialize(&self, bytes: &[u8]) -> Result<Raw, Cause> {
///         match bytes {
///             b"null" => Ok(Raw { flags: Flags::PICKLE, bytes: "N.".into() }),
///             _ => Err("only null can be stored".into()),
///         }
///     }
///
///     fn deserialize(&self, _: Flags, bytes: &Bytes) -> Result<Value, Cause> {
///         match &bytes[..] {
///             b"N." | b"\x80\x04N." => Ok(Value::from("null")),
///             _ => Ok(Value::Pickle(bytes.clone())),
///         }
///     }
/// }
///
/// let serializer = Some(Arc::new(Nothing) as _);
/// let transcoder = Transcoder { serializer, ..Transcoder::default() };
/// assert_eq!(transcoder.decode(Flags::PICKLE, "N.".into())?, Value::from("null"));
/// # Ok::<(), memcache_proto::value::ValueError>(())
/// ```
pub trait Serializer: fmt::Debug + Send + Sync {
    /// What is stored for the pickle `bytes`, a [`ValueRef::Pickle`](super::ValueRef::Pickle): most
    /// often with the flags [`Flags::PICKLE`]. It may be compressed afterwards, and the flag for that
    /// is set then and only then.
    ///
    /// # Errors
    ///
    /// Any error of the serializer's own. Nothing is sent.
    fn serialize(&self, bytes: &[u8]) -> Result<Raw, Cause>;

    /// The value that was stored as `bytes`, decompressed, with `flags`.
    ///
    /// # Errors
    ///
    /// Any error of the serializer's own; the caller gets it with the bytes.
    fn deserialize(&self, flags: Flags, bytes: &Bytes) -> Result<Value, Cause>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{ToValue, Transcoder, ValueError, ValueFormat, ValueRef};
    use alloc::string::ToString;
    use alloc::sync::Arc;

    /// Compresses to `compressed` and decompresses to `decompressed`, whatever it is given; fails to
    /// compress what begins with `!`.
    #[derive(Debug)]
    struct Fixed {
        compressed: Option<&'static [u8]>,
        decompressed: Result<usize, Option<&'static str>>,
    }

    impl Compressor for Fixed {
        fn compress(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Cause> {
            if bytes.starts_with(b"!") {
                return Err("out of order".into());
            }
            Ok(self.compressed.map(<[u8]>::to_vec))
        }

        fn decompress(&self, _: &[u8], _: usize) -> Result<Vec<u8>, DecompressError> {
            match self.decompressed {
                Ok(len) => Ok(alloc::vec![b'x'; len]),
                Err(None) => Err(DecompressError::TooLong),
                Err(Some(message)) => Err(message.into()),
            }
        }
    }

    fn compressing(compressor: Fixed) -> Transcoder {
        let compressor = Some(Arc::new(compressor) as _);
        Transcoder {
            min_compress_len: 4,
            max_inflated_len: 100,
            compressor,
            ..Transcoder::default()
        }
    }

    #[test]
    fn what_a_compressor_makes_is_kept_where_it_is_shorter() {
        use ValueFormat::{Pylibmc, Pymemcache, PymemcachePickle, PythonMemcached};
        type Case = (ValueFormat, Option<&'static [u8]>, u64, &'static [u8]);
        let cases: &[Case] = &[
            (PythonMemcached, None, 16, b"12345"),
            (PythonMemcached, Some(b""), 24, b""),
            (PythonMemcached, Some(b"abcd"), 24, b"abcd"),
            (PythonMemcached, Some(b"abcde"), 16, b"12345"),
            (PythonMemcached, Some(b"abcdef"), 16, b"12345"),
            (Pylibmc, Some(b"abcde"), 16, b"12345"),
            (Pymemcache, Some(b"a"), 0, b"12345"),
            (PymemcachePickle, Some(b"abcde"), 24, b"abcde"),
            (PymemcachePickle, Some(b"abcdef"), 16, b"12345"),
        ];
        for (format, compressed, flags, bytes) in cases {
            let compressor = Fixed { compressed: *compressed, decompressed: Ok(0) };
            let transcoder = Transcoder { format: *format, ..compressing(compressor) };
            let encoded = transcoder.encode("12345".to_value().unwrap()).unwrap();
            let found = (encoded.flags.bits(), &*encoded.bytes);
            assert_eq!(found, (*flags, *bytes), "{format:?}, {compressed:?}");
        }
    }

    #[test]
    fn a_compressor_is_not_trusted_with_the_bound() {
        let flags = Flags::COMPRESSED;
        let too_long = || Err(ValueError::InflatedTooLong { len: 3, max: 100 });
        let cases = [
            (Ok(100), Ok(Value::from(&[b'x'; 100]))),
            (Ok(101), too_long()),
            (Ok(1 << 20), too_long()),
            (Err(None), too_long()),
        ];
        for (decompressed, expected) in cases {
            let transcoder = compressing(Fixed { compressed: None, decompressed });
            assert_eq!(transcoder.decode(flags, "abc".into()), expected, "{decompressed:?}");
        }
        // And its word is not taken for the type.
        let transcoder = compressing(Fixed { compressed: None, decompressed: Ok(3) });
        let flags = flags.with(Flags::INTEGER);
        let refused = ValueError::NotDecimal { bytes: "xxx".into(), position: 0 };
        assert_eq!(transcoder.decode(flags, "abc".into()), Err(refused));
    }

    #[test]
    fn the_error_of_a_compressor_is_the_callers_and_nothing_else_is_stored() {
        let transcoder = compressing(Fixed { compressed: Some(b"z"), decompressed: Ok(0) });
        match transcoder.encode("!2345".to_value().unwrap()) {
            Err(ValueError::Compress { cause, len }) => {
                assert_eq!((&*cause.to_string(), len), ("out of order", 5));
            }
            other => panic!("{other:?}"),
        }
        // It is not asked where nothing is to be compressed.
        let encoded = transcoder.encode("!234".to_value().unwrap()).unwrap();
        assert_eq!(&*encoded.bytes, b"!234");
    }

    #[test]
    fn the_error_of_a_compressor_comes_with_flags_and_bytes() {
        let decompressed = Err(Some("not mine"));
        let transcoder = compressing(Fixed { compressed: None, decompressed });
        let stored = Flags::TEXT.with(Flags::COMPRESSED);
        match transcoder.decode(stored, "abc".into()) {
            Err(ValueError::Decompress { cause, flags, bytes }) => {
                assert_eq!((flags, &*bytes), (stored, &b"abc"[..]));
                assert_eq!(cause.to_string(), "not mine");
            }
            other => panic!("{other:?}"),
        }
    }

    /// Turns a pickle around; refuses the empty one.
    #[derive(Debug)]
    struct Reversed(Flags);

    fn reversed(bytes: &[u8]) -> Result<Bytes, Cause> {
        if bytes.is_empty() {
            return Err("empty".into());
        }
        Ok(bytes.iter().rev().copied().collect())
    }

    impl Serializer for Reversed {
        fn serialize(&self, bytes: &[u8]) -> Result<Raw, Cause> {
            Ok(Raw { flags: self.0, bytes: reversed(bytes)? })
        }

        fn deserialize(&self, flags: Flags, bytes: &Bytes) -> Result<Value, Cause> {
            let bytes = reversed(bytes)?;
            Ok(if flags == Flags::PICKLE { Value::Bytes(bytes) } else { Value::Pickle(bytes) })
        }
    }

    fn serializing(flags: u64) -> Transcoder {
        let serializer = Some(Arc::new(Reversed(Flags::from_wire(flags))) as _);
        Transcoder { serializer, ..Transcoder::default() }
    }

    #[test]
    fn a_serializer_sees_pickles_and_nothing_else() {
        let cases: &[(ValueRef<'_>, u64, &[u8])] = &[
            (ValueRef::from("abc"), 16, b"abc"),
            (ValueRef::from(&b"abc"[..]), 0, b"abc"),
            (12.to_value().unwrap(), 2, b"12"),
            (ValueRef::pickle(b"abc"), 33, b"cba"),
        ];
        for (value, flags, bytes) in cases {
            let encoded = serializing(33).encode(value.clone()).unwrap();
            assert_eq!((encoded.flags.bits(), &*encoded.bytes), (*flags, *bytes), "{value:?}");
        }
        let cases: &[(u64, Value)] = &[
            (0, Value::from(b"abc")),
            (16, Value::from("abc")),
            (1, Value::from(b"cba")),
            (33, Value::Pickle("cba".into())),
            (17, Value::from("abc")),
        ];
        for (flags, value) in cases {
            let decoded = serializing(1).decode(Flags::from_wire(*flags), "abc".into());
            assert_eq!(decoded.as_ref(), Ok(value), "{flags}");
        }
        let raw = Transcoder { format: ValueFormat::Pymemcache, ..serializing(1) };
        let encoded = raw.encode(ValueRef::pickle(b"abc")).unwrap();
        assert_eq!((encoded.flags.bits(), &*encoded.bytes), (0, &b"abc"[..]));
        assert_eq!(raw.decode(Flags::PICKLE, "abc".into()), Ok(Value::from(b"abc")));
    }

    #[test]
    fn the_error_of_a_serializer_comes_with_the_bytes() {
        let transcoder = serializing(1);
        match transcoder.encode(ValueRef::pickle(b"")) {
            Err(ValueError::Serialize { cause, bytes }) => {
                assert_eq!((&*cause.to_string(), bytes.len()), ("empty", 0));
            }
            other => panic!("{other:?}"),
        }
        match transcoder.decode(Flags::PICKLE, Bytes::new()) {
            Err(ValueError::Deserialize { cause, bytes }) => {
                assert_eq!((&*cause.to_string(), bytes.len()), ("empty", 0));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_serializer_is_not_trusted_with_the_flags() {
        let pickle = || ValueRef::pickle(b"abc");
        let flags = Flags::from_wire(1 << 32 | 1);
        assert_eq!(
            serializing(flags.bits()).encode(pickle()),
            Err(ValueError::FlagsTooLarge { flags })
        );
        // A reader would try to inflate what was not compressed.
        assert_eq!(serializing(8 | 1).encode(pickle()).unwrap().flags, Flags::PICKLE);
    }

    #[test]
    fn what_is_serialized_is_compressed_afterwards() {
        let compressor = Fixed { compressed: Some(b"z"), decompressed: Ok(5) };
        let transcoder =
            Transcoder { serializer: serializing(33).serializer, ..compressing(compressor) };
        let encoded = transcoder.encode(ValueRef::pickle(b"abcde")).unwrap();
        assert_eq!((encoded.flags.bits(), &*encoded.bytes), (33 | 8, &b"z"[..]));
        let decoded = transcoder.decode(encoded.flags, "z".into());
        assert_eq!(decoded, Ok(Value::Pickle("xxxxx".into())));
    }
}
