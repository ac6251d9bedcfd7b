use super::integer::Short;
use super::{Flags, Integer, ValueKind};
use crate::hidden::Hidden;
use alloc::boxed::Box;
use alloc::sync::Arc;
use bytes::Bytes;
use core::error::Error;
use core::fmt;

use crate::escape::Quoting;

/// Why a value cannot be had in the form that its flags, or the caller, ask for, or cannot be stored.
///
/// It says nothing about the connection, which goes on. Where only the bytes as they were stored
/// can be of use, the error carries them.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// The flags do not say what the value is, in the [`ValueFormat`](super::ValueFormat) at hand:
    /// another client's.
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
    /// The value is compressed, and the [`Compressor`](super::Compressor) failed on it.
    Decompress {
        /// The compressor's own error.
        cause: Cause,
        /// The flags as they were stored.
        flags: Flags,
        /// The bytes as they were stored.
        bytes: Bytes,
    },
    /// The value is compressed, and this build does without feature `compression`, nor is there a
    /// [`Compressor`](super::Compressor).
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
    /// The value is not JSON, or not that of the type asked for.
    NotJson {
        /// The line where it goes wrong, counted from 1.
        line: usize,
        /// The byte in the line, counted from 1; 0 before the first.
        column: usize,
        /// The error of the crate `serde_json`.
        cause: Cause,
        /// The bytes, decompressed.
        bytes: Bytes,
    },
    /// The value could not be made of its bytes: by the [`Serializer`](super::Serializer), or a
    /// [`FromValue`](super::FromValue) of the caller's own.
    Deserialize {
        /// Their own error.
        cause: Cause,
        /// The bytes, decompressed.
        bytes: Bytes,
    },
    /// The value could not be made into bytes: by the [`Serializer`](super::Serializer), `Json`, or a
    /// [`ToValue`](super::ToValue) of the caller's own. Nothing was sent.
    Serialize {
        /// Their own error.
        cause: Cause,
        /// What the serializer was given; empty with the others.
        bytes: Bytes,
    },
    /// The value could not be compressed: the [`Compressor`](super::Compressor) failed on it. Nothing was
    /// sent.
    Compress {
        /// The compressor's own error.
        cause: Cause,
        /// The length of the value, in bytes.
        len: usize,
    },
    /// The flags are over 32 bits, which a server would cut without a word. Nothing was sent.
    FlagsTooLarge {
        /// The flags.
        flags: Flags,
    },
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueError::UnknownFlags { flags, bytes } => write!(
                f,
                "the value of {} bytes has flags {}, which do not say what it is; another client stored it",
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
            ValueError::Decompress { cause, bytes, .. } => {
                write!(
                    f,
                    "the compressed value of {} bytes was not decompressed: {cause}",
                    bytes.len()
                )
            }
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
            ValueError::NotJson { cause, bytes, .. } => {
                write!(f, "the value of {} bytes is not the JSON asked for: {cause}", bytes.len())
            }
            ValueError::Deserialize { cause, bytes } => {
                write!(f, "the value of {} bytes was not deserialized: {cause}", bytes.len())
            }
            ValueError::Serialize { cause, .. } => {
                write!(f, "the value was not serialized: {cause}")
            }
            ValueError::Compress { cause, len } => {
                write!(f, "the value of {len} bytes was not compressed: {cause}")
            }
            ValueError::FlagsTooLarge { flags } => write!(
                f,
                "the flags {} are over 32 bits, which is all that servers keep of them",
                flags.bits(),
            ),
        }
    }
}

impl Error for ValueError {}

impl fmt::Debug for ValueError {
    /// What the fields say, but for the bytes of the value, which may be secret: their number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct(self.name());
        match self {
            ValueError::UnknownFlags { flags, bytes } | ValueError::Compressed { flags, bytes } => {
                shown.field("flags", flags).field("bytes", &Hidden(bytes))
            }
            ValueError::NotUtf8 { bytes, valid_up_to } => {
                shown.field("bytes", &Hidden(bytes)).field("valid_up_to", valid_up_to)
            }
            ValueError::NotDecimal { bytes, position } => {
                shown.field("bytes", &Hidden(bytes)).field("position", position)
            }
            ValueError::Inflate { fault, flags, bytes } => {
                shown.field("fault", fault).field("flags", flags).field("bytes", &Hidden(bytes))
            }
            ValueError::InflatedTooLong { len, max } => shown.field("len", len).field("max", max),
            ValueError::Decompress { cause, flags, bytes } => {
                shown.field("cause", cause).field("flags", flags).field("bytes", &Hidden(bytes))
            }
            ValueError::Mismatch { found, wanted } => {
                shown.field("found", found).field("wanted", wanted)
            }
            ValueError::OutOfRange { integer, wanted } => {
                shown.field("integer", integer).field("wanted", wanted)
            }
            ValueError::NotJson { line, column, cause, bytes } => {
                shown.field("line", line).field("column", column);
                shown.field("cause", cause).field("bytes", &Hidden(bytes))
            }
            ValueError::Deserialize { cause, bytes } | ValueError::Serialize { cause, bytes } => {
                shown.field("cause", cause).field("bytes", &Hidden(bytes))
            }
            ValueError::Compress { cause, len } => shown.field("cause", cause).field("len", len),
            ValueError::FlagsTooLarge { flags } => shown.field("flags", flags),
        };
        shown.finish()
    }
}

impl ValueError {
    const fn name(&self) -> &'static str {
        match self {
            ValueError::UnknownFlags { .. } => "UnknownFlags",
            ValueError::NotUtf8 { .. } => "NotUtf8",
            ValueError::NotDecimal { .. } => "NotDecimal",
            ValueError::Inflate { .. } => "Inflate",
            ValueError::InflatedTooLong { .. } => "InflatedTooLong",
            ValueError::Decompress { .. } => "Decompress",
            ValueError::Compressed { .. } => "Compressed",
            ValueError::Mismatch { .. } => "Mismatch",
            ValueError::OutOfRange { .. } => "OutOfRange",
            ValueError::NotJson { .. } => "NotJson",
            ValueError::Deserialize { .. } => "Deserialize",
            ValueError::Serialize { .. } => "Serialize",
            ValueError::Compress { .. } => "Compress",
            ValueError::FlagsTooLarge { .. } => "FlagsTooLarge",
        }
    }
}

/// An error of code that is not of this crate: a compressor's, a serializer's.
///
/// Made of any error, or of a message, by `?` or `into`. Two of them are equal where they are one and
/// the same, which clones are.
///
/// ```
/// use memcache_proto::value::Cause;
///
/// fn length(bytes: &[u8]) -> Result<usize, Cause> {
///     let text = std::str::from_utf8(bytes)?;
///     if text.is_empty() {
///         return Err("there is nothing".into());
///     }
///     Ok(text.parse()?)
/// }
/// assert_eq!(length(b"").unwrap_err().to_string(), "there is nothing");
/// assert!(length(b"x").unwrap_err().get().is::<std::num::ParseIntError>());
/// ```
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    /// The error itself, for a `downcast_ref`.
    #[must_use]
    pub fn get(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Cause {
    fn from(error: E) -> Self {
        Cause(error.into().into())
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Cause {}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Cause {
    /// The error's own words, as [`Escaped`](crate::Escaped) shows text: they may quote a value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Quoting(&self.0), f)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn no_error_shows_the_bytes_of_a_value() {
        let flags = Flags::new(3);
        let bytes = || Bytes::from_static(b"secret");
        let cause = || Cause::from("why");
        let fault = InflateFault::Corrupt;
        let cases = [
            ValueError::UnknownFlags { flags, bytes: bytes() },
            ValueError::NotUtf8 { bytes: bytes(), valid_up_to: 1 },
            ValueError::NotDecimal { bytes: bytes(), position: 1 },
            ValueError::Inflate { fault, flags, bytes: bytes() },
            ValueError::Decompress { cause: cause(), flags, bytes: bytes() },
            ValueError::Compressed { flags, bytes: bytes() },
            ValueError::NotJson { line: 1, column: 1, cause: cause(), bytes: bytes() },
            ValueError::Deserialize { cause: cause(), bytes: bytes() },
            ValueError::Serialize { cause: cause(), bytes: bytes() },
        ];
        for error in cases {
            let shown = format!("{error:?}");
            assert!(shown.starts_with(error.name()), "{shown}");
            assert!(shown.contains("<6 bytes>") && !shown.contains("secret"), "{shown}");
            let said = format!("{error}");
            assert!(!said.contains("secret"), "{said}");
        }
    }
}
