//! What the bytes of an item mean: flags, types, compression.
//!
//! A server keeps bytes and a number beside them, the [`Flags`]. The [`Transcoder`] reads and
//! writes those of python-memcached, or of another client by its [`ValueFormat`], so that a text comes
//! back as a text, whoever stored it.
//!
//! What else can be stored: [`Raw`] bytes with flags of the caller's own, `Json` (feature `json`), and
//! whatever has a [`ToValue`] and a [`FromValue`]. A [`Compressor`] and a [`Serializer`] take the place
//! of zlib and of Python's pickler.
//!
//! ```
//! use bytes::Bytes;
//! use memcache_proto::value::{Flags, FromValue, ToValue, Transcoder, Value};
//!
//! let transcoder = Transcoder::default();
//! let encoded = transcoder.encode("bonjour".to_value()?)?;
//! assert_eq!((encoded.flags, &*encoded.bytes), (Flags::TEXT, &b"bonjour"[..]));
//!
//! let value = transcoder.decode(Flags::INTEGER, Bytes::from_static(b"9 "))?;
//! assert_eq!(value, Value::from(9));
//! assert_eq!(u64::from_value(value)?, 9);
//! # Ok::<(), memcache_proto::value::ValueError>(())
//! ```

mod codecs;
#[cfg(feature = "compression")]
mod compression;
mod convert;
mod error;
mod flags;
mod format;
mod integer;
#[cfg(feature = "json")]
mod json;
mod raw;
#[cfg(test)]
mod round_trips;
mod transcoder;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;

pub use codecs::{Compressor, DecompressError, Serializer};
pub use convert::{FromValue, ToValue};
pub use error::{Cause, InflateFault, ValueError};
pub use flags::Flags;
pub use format::ValueFormat;
pub use integer::{Integer, IntegerError};
#[cfg(feature = "json")]
pub use json::Json;
pub use raw::Raw;
pub use transcoder::{Encoded, Transcoder};

/// A value as its flags describe it, owned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Value {
    /// Bytes that nothing is said about.
    Bytes(Bytes),
    /// UTF-8 text.
    Text(String),
    /// An integer of any size.
    Integer(Integer),
    /// A Python object, serialised. Never loaded here: a pickle can run any code.
    Pickle(Bytes),
}

impl Value {
    /// Which kind of value this is.
    #[must_use]
    pub const fn kind(&self) -> ValueKind {
        match self {
            Value::Bytes(_) => ValueKind::Bytes,
            Value::Text(_) => ValueKind::Text,
            Value::Integer(_) => ValueKind::Integer,
            Value::Pickle(_) => ValueKind::Pickle,
        }
    }
}

/// A value ready to be encoded, without a copy where whoever has it can lend it; made by
/// [`ToValue::to_value`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValueRef<'a> {
    /// Bytes that nothing is said about.
    Bytes(Cow<'a, [u8]>),
    /// UTF-8 text.
    Text(Cow<'a, str>),
    /// An integer of any size.
    Integer(Cow<'a, Integer>),
    /// The integer 0 or 1, where the [`ValueFormat`] has no other way.
    Bool(bool),
    /// A Python object, serialised by the caller, or whatever the [`Serializer`] takes.
    Pickle(Cow<'a, [u8]>),
    /// Bytes to be stored as they are, with these flags. See [`Raw`].
    Raw {
        /// The flags; more than 32 bits are refused.
        flags: Flags,
        /// The bytes, which are never compressed.
        bytes: Cow<'a, [u8]>,
    },
}

impl<'a> ValueRef<'a> {
    /// A Python object, serialised by the caller.
    #[must_use]
    pub fn pickle(bytes: &'a [u8]) -> Self {
        ValueRef::Pickle(Cow::Borrowed(bytes))
    }
}

impl<'a> From<&'a str> for ValueRef<'a> {
    fn from(text: &'a str) -> Self {
        ValueRef::Text(Cow::Borrowed(text))
    }
}

impl From<String> for ValueRef<'_> {
    fn from(text: String) -> Self {
        ValueRef::Text(Cow::Owned(text))
    }
}

impl<'a> From<&'a [u8]> for ValueRef<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        ValueRef::Bytes(Cow::Borrowed(bytes))
    }
}

impl From<Vec<u8>> for ValueRef<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        ValueRef::Bytes(Cow::Owned(bytes))
    }
}

/// The kinds of value there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValueKind {
    /// [`Value::Bytes`].
    Bytes,
    /// [`Value::Text`].
    Text,
    /// [`Value::Integer`].
    Integer,
    /// [`Value::Pickle`].
    Pickle,
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValueKind::Bytes => "bytes",
            ValueKind::Text => "text",
            ValueKind::Integer => "an integer",
            ValueKind::Pickle => "a pickle",
        })
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Value::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Value::Bytes(bytes.into())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Value::Bytes(Bytes::copy_from_slice(bytes))
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(bytes: &[u8; N]) -> Self {
        Value::from(&bytes[..])
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

impl<I: Into<Integer>> From<I> for Value {
    fn from(integer: I) -> Self {
        Value::Integer(integer.into())
    }
}
