use super::integer::Short;
use super::{Flags, Integer, ValueKind};
use bytes::Bytes;
use core::fmt;

/// Why a value cannot be had in the form that its flags, or the caller, ask for.
///
/// It says nothing about the connection, which goes on. Where only the bytes as they were stored
/// can be of use, the error carries them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// The flags hold no bit that says what the value is, yet are not 0: another client's.
    UnknownFlags {
        /// The flags as they were stored.
        flags: Flags,
        /// The bytes as they were stored, still compressed if the flags say so.
        bytes: Bytes,
    },
    /// The flags say text, and the value is not UTF-8.
    NotUtf8 {
        /// The bytes, inflated.
        bytes: Bytes,
        /// How many of them, from the beginning, are UTF-8.
        valid_up_to: usize,
    },
    /// The flags say integer, and the value is no decimal number.
    NotDecimal {
        /// The bytes, inflated.
        bytes: Bytes,
        /// Where the first byte stands that does not belong there, counted from 0.
        position: usize,
    },
    /// The value is compressed and cannot be inflated.
    Inflate {
        /// What is wrong with it.
        fault: InflateFault,
        /// The flags as they were stored.
        flags: Flags,
        /// The bytes as they were stored.
        bytes: Bytes,
    },
    /// The value is compressed and inflates to more than is allowed.
    InflatedTooLong {
        /// Its length as it was stored, in bytes.
        len: usize,
        /// The most that it may inflate to, in bytes.
        max: usize,
    },
    /// The value is compressed, and this build does without feature `compression`.
    Compressed {
        /// The flags as they were stored.
        flags: Flags,
        /// The bytes as they were stored.
        bytes: Bytes,
    },
    /// The value is not of the type asked for.
    Mismatch {
        /// What it is.
        found: ValueKind,
        /// The type asked for.
        wanted: &'static str,
    },
    /// The value is an integer, and the type asked for cannot hold it.
    OutOfRange {
        /// The integer.
        integer: Integer,
        /// The type asked for.
        wanted: &'static str,
    },
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueError::UnknownFlags { flags, bytes } => write!(
                f,
                "the value of {} bytes has flags {}, which python-memcached does not know; another client stored it",
                bytes.len(),
                flags.bits(),
            ),
            ValueError::NotUtf8 { bytes, valid_up_to } => write!(
                f,
                "the value has the flag of text, but is not UTF-8 after {valid_up_to} of its {} bytes",
                bytes.len(),
            ),
            ValueError::NotDecimal { bytes, position } => write!(
                f,
                "the value has the flag of an integer, but is no decimal number at position {position} of its {} bytes",
                bytes.len(),
            ),
            ValueError::Inflate { fault, bytes, .. } => {
                write!(f, "the compressed value of {} bytes {fault}", bytes.len())
            }
            ValueError::InflatedTooLong { len, max } => write!(
                f,
                "the compressed value of {len} bytes inflates to more than {max}; raise max_inflated_len if it is to be trusted",
            ),
            ValueError::Compressed { bytes, .. } => write!(
                f,
                "the value of {} bytes is compressed; build with feature `compression` to read it",
                bytes.len(),
            ),
            ValueError::Mismatch { found, wanted } => {
                write!(f, "the value is {found}, which cannot be read as {wanted}")
            }
            ValueError::OutOfRange { integer, wanted } => {
                write!(f, "the value is an integer ({}) that {wanted} cannot hold", Short(integer))
            }
        }
    }
}

impl core::error::Error for ValueError {}

/// What is wrong with a compressed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InflateFault {
    /// It is not in zlib format, or its checksum is not right.
    Corrupt,
    /// It ends too early.
    Truncated,
    /// It ends too late: something was appended to it, perhaps.
    Trailing {
        /// How many bytes follow its end.
        len: usize,
    },
}

impl fmt::Display for InflateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InflateFault::Corrupt => write!(f, "is not in zlib format, or was damaged"),
            InflateFault::Truncated => write!(f, "ends before its zlib stream does"),
            InflateFault::Trailing { len } => {
                write!(f, "goes on for {len} bytes after the end of its zlib stream")
            }
        }
    }
}
