use super::{Flags, Integer, IntegerError, Transcoder, Value, ValueError, ValueRef};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;

/// What can be stored: text, bytes, integers, bools, [`Value`]s, [`Raw`](super::Raw) items, `Json` with
/// feature `json`, and types of your own.
///
/// ```
/// use memcache_proto::value::{ToValue, ValueError, ValueRef};
///
/// struct Point(i32, i32);
///
/// impl ToValue for Point {
///     fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
///         Ok(ValueRef::from(format!("{} {}", self.0, self.1)))
///     }
/// }
///
/// assert_eq!(Point(1, -2).to_value()?, ValueRef::from("1 -2"));
/// assert!(matches!(7.to_value()?, ValueRef::Integer(_)));
/// # Ok::<(), ValueError>(())
/// ```
pub trait ToValue {
    /// The value, borrowed where it can be.
    ///
    /// # Errors
    ///
    /// [`ValueError::Serialize`] where the value cannot be made into bytes. Nothing is sent then. What
    /// is a value already always is one.
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError>;
}

/// What a value can be read as.
///
/// A conversion is made where nothing can be lost and nothing guessed:
///
/// | | from bytes | from text | from an integer | from a pickle |
/// |---|---|---|---|---|
/// | `Bytes`, `Vec<u8>` | as it is | its UTF-8 | its digits | as it was stored |
/// | `String` | if it is UTF-8 | as it is | its digits | no |
/// | integers | if it is decimal and fits | the same | if it fits | no |
/// | `bool` | if it is decimal, 0 or 1 | the same | if it is 0 or 1 | no |
/// | [`Value`] | as it is | as it is | as it is | as it is |
/// | `Result<T, ValueError>` | as a `T`, or why not | the same | the same | the same |
///
/// Bytes are so often read as something else because older writers store text without flags, and a
/// server that creates a counter sets none. A [`Raw`](super::Raw) is read whatever was stored, `Json`
/// from text and bytes.
///
/// ```
/// use memcache_proto::value::{FromValue, Value};
///
/// assert_eq!(String::from_value(Value::from(b"a"))?, "a");
/// assert_eq!(u32::from_value(Value::from(b"9 "))?, 9);
/// assert!(u8::from_value(Value::from(256)).is_err());
/// # Ok::<(), memcache_proto::value::ValueError>(())
/// ```
pub trait FromValue: Sized {
    /// Reads `value` as this type.
    ///
    /// # Errors
    ///
    /// [`ValueError::Mismatch`] where the value is something else,
    /// [`ValueError::OutOfRange`] where it is an integer that does not fit.
    fn from_value(value: Value) -> Result<Self, ValueError>;

    /// Reads what was stored as this type; what a get calls. For types that look at the flags
    /// themselves, as [`Raw`](super::Raw) does, to implement; others have it from
    /// [`from_value`](Self::from_value).
    ///
    /// # Errors
    ///
    /// Those of [`Transcoder::decode`] and of [`from_value`](Self::from_value).
    fn from_stored(
        transcoder: &Transcoder,
        flags: Flags,
        bytes: Bytes,
    ) -> Result<Self, ValueError> {
        Self::from_value(transcoder.decode(flags, bytes)?)
    }

    /// As [`from_stored`](Self::from_stored), of bytes that are a part of a buffer which holds others, too; what
    /// a call on many keys uses. For types that can be read without a share of the buffer to implement.
    ///
    /// # Errors
    ///
    /// As [`from_stored`](Self::from_stored).
    #[inline]
    fn from_part(
        transcoder: &Transcoder,
        flags: Flags,
        bytes: &[u8],
        buffer: &Bytes,
    ) -> Result<Self, ValueError> {
        Self::from_stored(transcoder, flags, buffer.slice_ref(bytes))
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        (**self).to_value()
    }
}

impl ToValue for str {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        Ok(ValueRef::Text(Cow::Borrowed(self)))
    }
}

impl ToValue for String {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        Ok(ValueRef::Text(Cow::Borrowed(self)))
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        Ok(ValueRef::Bytes(Cow::Borrowed(self)))
    }
}

macro_rules! owners {
    ($($owner:ty),*) => {$(
        impl ToValue for $owner {
            fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
                (**self).to_value()
            }
        }
    )*};
}
owners!(Box<str>, Box<[u8]>, Cow<'_, str>, Cow<'_, [u8]>);

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        Ok(ValueRef::Bytes(Cow::Borrowed(self)))
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        Ok(ValueRef::Bytes(Cow::Borrowed(self)))
    }
}

impl ToValue for Bytes {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        Ok(ValueRef::Bytes(Cow::Borrowed(self)))
    }
}

impl ToValue for Integer {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        Ok(ValueRef::Integer(Cow::Borrowed(self)))
    }
}

impl ToValue for Value {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        Ok(match self {
            Value::Bytes(bytes) => ValueRef::Bytes(Cow::Borrowed(bytes)),
            Value::Text(text) => ValueRef::Text(Cow::Borrowed(text)),
            Value::Integer(integer) => ValueRef::Integer(Cow::Borrowed(integer)),
            Value::Pickle(bytes) => ValueRef::Pickle(Cow::Borrowed(bytes)),
        })
    }
}

impl ToValue for ValueRef<'_> {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        Ok(match self {
            ValueRef::Bytes(bytes) => ValueRef::Bytes(Cow::Borrowed(bytes)),
            ValueRef::Text(text) => ValueRef::Text(Cow::Borrowed(text)),
            ValueRef::Integer(integer) => ValueRef::Integer(Cow::Borrowed(integer)),
            ValueRef::Bool(bool) => ValueRef::Bool(*bool),
            ValueRef::Pickle(bytes) => ValueRef::Pickle(Cow::Borrowed(bytes)),
            ValueRef::Raw { flags, bytes } => {
                ValueRef::Raw { flags: *flags, bytes: Cow::Borrowed(bytes) }
            }
        })
    }
}

impl ToValue for bool {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        Ok(ValueRef::Bool(*self))
    }
}

impl FromValue for Value {
    fn from_value(value: Value) -> Result<Self, ValueError> {
        Ok(value)
    }
}

/// For those who do not want to lose what came along with a value that cannot be read.
impl<T: FromValue> FromValue for Result<T, ValueError> {
    fn from_value(value: Value) -> Result<Self, ValueError> {
        Ok(T::from_value(value))
    }

    fn from_stored(
        transcoder: &Transcoder,
        flags: Flags,
        bytes: Bytes,
    ) -> Result<Self, ValueError> {
        Ok(T::from_stored(transcoder, flags, bytes))
    }

    fn from_part(
        transcoder: &Transcoder,
        flags: Flags,
        bytes: &[u8],
        buffer: &Bytes,
    ) -> Result<Self, ValueError> {
        Ok(T::from_part(transcoder, flags, bytes, buffer))
    }
}

impl FromValue for Bytes {
    fn from_value(value: Value) -> Result<Self, ValueError> {
        Ok(match value {
            Value::Bytes(bytes) | Value::Pickle(bytes) => bytes,
            Value::Text(text) => text.into(),
            Value::Integer(integer) => integer.into_digits().into(),
        })
    }

    #[inline]
    fn from_part(
        transcoder: &Transcoder,
        flags: Flags,
        bytes: &[u8],
        buffer: &Bytes,
    ) -> Result<Self, ValueError> {
        let bytes = buffer.slice_ref(bytes);
        if transcoder.are_plain(flags) {
            Ok(bytes)
        } else {
            Self::from_stored(transcoder, flags, bytes)
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value) -> Result<Self, ValueError> {
        Ok(match value {
            Value::Bytes(bytes) | Value::Pickle(bytes) => into_vec(bytes),
            Value::Text(text) => text.into(),
            Value::Integer(integer) => integer.into_digits(),
        })
    }

    #[inline]
    fn from_part(
        transcoder: &Transcoder,
        flags: Flags,
        bytes: &[u8],
        buffer: &Bytes,
    ) -> Result<Self, ValueError> {
        if transcoder.are_plain(flags) {
            return Ok(bytes.to_vec());
        }
        Self::from_stored(transcoder, flags, buffer.slice_ref(bytes))
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<Self, ValueError> {
        let found = value.kind();
        match value {
            Value::Text(text) => Some(text),
            Value::Bytes(bytes) => String::from_utf8(into_vec(bytes)).ok(),
            Value::Integer(integer) => String::from_utf8(integer.into_digits()).ok(),
            Value::Pickle(_) => None,
        }
        .ok_or(ValueError::Mismatch { found, wanted: "String" })
    }
}

impl FromValue for Integer {
    fn from_value(value: Value) -> Result<Self, ValueError> {
        integer(value, "Integer")
    }
}

impl FromValue for bool {
    fn from_value(value: Value) -> Result<Self, ValueError> {
        let integer = integer(value, "bool")?;
        match u8::try_from(&integer) {
            Ok(0) => Ok(false),
            Ok(1) => Ok(true),
            _ => Err(ValueError::OutOfRange { integer, wanted: "bool" }),
        }
    }
}

macro_rules! primitives {
    ($($primitive:ident)*) => {$(
        impl ToValue for $primitive {
            fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
                Ok(ValueRef::Integer(Cow::Owned(Integer::from(*self))))
            }
        }

        impl FromValue for $primitive {
            fn from_value(value: Value) -> Result<Self, ValueError> {
                let wanted = stringify!($primitive);
                let integer = integer(value, wanted)?;
                $primitive::try_from(&integer)
                    .map_err(|_| ValueError::OutOfRange { integer, wanted })
            }
        }
    )*};
}
primitives!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

fn integer(value: Value, wanted: &'static str) -> Result<Integer, ValueError> {
    let found = value.kind();
    match value {
        Value::Integer(integer) => Ok(integer),
        Value::Bytes(bytes) => Integer::parse(&bytes),
        Value::Text(text) => text.parse(),
        Value::Pickle(_) => Err(IntegerError::Malformed { position: 0 }),
    }
    .map_err(|_| ValueError::Mismatch { found, wanted })
}

/// Bytes as a vector of its own. A long one is taken over where nobody else has a part of it; a
/// short one is copied, as it may be all that is left of a buffer many times as large.
pub(super) fn into_vec(bytes: Bytes) -> Vec<u8> {
    const COPIED: usize = 16 << 10;
    if bytes.len() <= COPIED { bytes.to_vec() } else { bytes.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::ValueKind;
    use core::fmt::Debug;

    fn text(text: &str) -> Value {
        Value::from(text)
    }

    fn bytes(bytes: &'static [u8]) -> Value {
        Value::from(bytes)
    }

    fn pickle() -> Value {
        Value::Pickle(Bytes::from_static(b"I1\n."))
    }

    fn check<T: FromValue + PartialEq + Debug>(cases: &[(Value, Result<T, ValueError>)]) {
        for (value, expected) in cases {
            assert_eq!(T::from_value(value.clone()), *expected, "{value:?}");
        }
    }

    fn mismatch(found: ValueKind, wanted: &'static str) -> ValueError {
        ValueError::Mismatch { found, wanted }
    }

    #[test]
    fn values_are_read_where_nothing_is_lost_or_guessed() {
        use ValueKind as Kind;
        let long = Value::Bytes(alloc::vec![b'x'; 100_000].into());
        check::<String>(&[
            (text("\u{e9}"), Ok("\u{e9}".into())),
            (bytes(b"\xc3\xa9"), Ok("\u{e9}".into())),
            (Value::from(-5), Ok("-5".into())),
            (long.clone(), Ok("x".repeat(100_000))),
            (bytes(b"\xc3"), Err(mismatch(Kind::Bytes, "String"))),
            (pickle(), Err(mismatch(Kind::Pickle, "String"))),
        ]);
        check::<Bytes>(&[
            (text("\u{e9}"), Ok(Bytes::from_static(b"\xc3\xa9"))),
            (bytes(b"\xff"), Ok(Bytes::from_static(b"\xff"))),
            (Value::from(-5), Ok(Bytes::from_static(b"-5"))),
            (pickle(), Ok(Bytes::from_static(b"I1\n."))),
        ]);
        check::<Vec<u8>>(&[
            (text("a"), Ok(b"a".to_vec())),
            (bytes(b"\xff"), Ok(b"\xff".to_vec())),
            (Value::from(-5), Ok(b"-5".to_vec())),
            (long, Ok(alloc::vec![b'x'; 100_000])),
            (pickle(), Ok(b"I1\n.".to_vec())),
        ]);
        check::<Result<u8, ValueError>>(&[
            (Value::from(255), Ok(Ok(255))),
            (pickle(), Ok(Err(mismatch(Kind::Pickle, "u8")))),
        ]);
        check::<u8>(&[
            (Value::from(255), Ok(255)),
            (bytes(b"9 "), Ok(9)),
            (text(" 7"), Ok(7)),
            (bytes(b""), Err(mismatch(Kind::Bytes, "u8"))),
            (text("7a"), Err(mismatch(Kind::Text, "u8"))),
            (pickle(), Err(mismatch(Kind::Pickle, "u8"))),
            (text("-1"), Err(ValueError::OutOfRange { integer: (-1).into(), wanted: "u8" })),
        ]);
        check::<Integer>(&[
            (Value::from(u128::MAX), Ok(u128::MAX.into())),
            (bytes(b"-3"), Ok((-3).into())),
            (pickle(), Err(mismatch(Kind::Pickle, "Integer"))),
        ]);
        check::<bool>(&[
            (Value::from(0), Ok(false)),
            (Value::from(1), Ok(true)),
            (bytes(b"1 "), Ok(true)),
            (text("0"), Ok(false)),
            (text("True"), Err(mismatch(Kind::Text, "bool"))),
            (pickle(), Err(mismatch(Kind::Pickle, "bool"))),
            (Value::from(2), Err(ValueError::OutOfRange { integer: 2.into(), wanted: "bool" })),
            (Value::from(-1), Err(ValueError::OutOfRange { integer: (-1).into(), wanted: "bool" })),
        ]);
        check::<Value>(&[(pickle(), Ok(pickle())), (text("a"), Ok(text("a")))]);
    }

    #[test]
    fn every_type_that_can_be_stored_borrows_its_value() {
        let integer = Integer::from(u128::MAX);
        let (a, octets) = (Box::<str>::from("a"), Box::<[u8]>::from(*b"a"));
        let texts: &[&dyn ToValue] = &[
            &"a",
            &String::from("a"),
            &a,
            &Cow::Borrowed("a"),
            &&&text("a"),
            &ValueRef::from("a"),
        ];
        for value in texts {
            assert!(matches!(value.to_value(), Ok(ValueRef::Text(Cow::Borrowed("a")))));
        }
        let vec = b"a".to_vec();
        let shared = Bytes::from_static(b"a");
        let all: &[&dyn ToValue] =
            &[b"a", &&b"a"[..], &vec, &shared, &octets, &Cow::Borrowed(&b"a"[..]), &bytes(b"a")];
        for value in all {
            assert!(matches!(value.to_value(), Ok(ValueRef::Bytes(Cow::Borrowed(b"a")))));
        }
        assert_eq!((-7_i8).to_value(), Ok(ValueRef::Integer(Cow::Owned((-7).into()))));
        assert_eq!(true.to_value(), Ok(ValueRef::Bool(true)));
        assert!(matches!(integer.to_value(), Ok(ValueRef::Integer(Cow::Borrowed(_)))));
        assert_eq!(pickle().to_value(), Ok(ValueRef::pickle(b"I1\n.")));
        let raw = ValueRef::Raw { flags: Flags::TEXT, bytes: Cow::Borrowed(b"a") };
        let refs = [ValueRef::from("a"), ValueRef::pickle(b"a"), ValueRef::Bool(true), raw];
        for value in refs {
            assert_eq!(value.to_value(), Ok(value.clone()));
        }
    }

    #[test]
    fn a_short_vector_keeps_no_large_buffer() {
        let mut buffer = Bytes::from(alloc::vec![b'x'; 1 << 16]);
        buffer.truncate(10);
        assert_eq!(into_vec(buffer).capacity(), 10);
    }
}
