use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use crate::escape::Escaped;

/// A peer broke the protocol. The connection it came on is closed for good, because nothing that
/// follows can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A line that is no response (or, in the server role, no command).
    Malformed,
    /// A number that does not fit its type.
    NumberOutOfRange,
    /// A line longer than [`Limits::max_line_len`](crate::Limits::max_line_len).
    LineTooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// A key longer than the protocol allows.
    KeyTooLong,
    /// A value announced with more bytes than [`Limits::max_value_len`](crate::Limits::max_value_len).
    ValueTooLong {
        /// The length announced, in bytes.
        len: u64,
    },
    /// A value that is not followed by CR LF where its length says it ends.
    UnterminatedValue,
    /// A well-formed response that does not answer the request whose turn it was.
    UnexpectedResponse,
    /// A reply about a key that the request did not ask for, or one value more of a key than it asked for.
    UnexpectedKey,
    /// Bytes arrived and nothing was in flight.
    Unsolicited,
    /// A reply of more lines or bytes than [`Limits`](crate::Limits) allows.
    TooMuch,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProtocolError::Malformed => write!(f, "a line that is not of the memcached protocol"),
            ProtocolError::NumberOutOfRange => write!(f, "a number that is out of range"),
            ProtocolError::LineTooLong { max } => write!(f, "a line of more than {max} bytes"),
            ProtocolError::KeyTooLong => write!(f, "a key of more than 250 bytes"),
            ProtocolError::ValueTooLong { len } => {
                write!(f, "a value of {len} bytes, more than Limits::max_value_len allows")
            }
            ProtocolError::UnterminatedValue => write!(f, "a value without CR LF behind it"),
            ProtocolError::UnexpectedResponse => {
                write!(f, "a response that does not answer the request")
            }
            ProtocolError::UnexpectedKey => {
                write!(f, "a key that was not asked for, or not as often")
            }
            ProtocolError::Unsolicited => write!(f, "bytes that nothing had asked for"),
            ProtocolError::TooMuch => write!(f, "a reply longer than Limits allows"),
        }
    }
}

impl core::error::Error for ProtocolError {}

/// How a peer broke the protocol, and with which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong.
    pub error: ProtocolError,
    /// The beginning of the line that it is about; empty where there is none.
    pub line: Excerpt,
}

impl Violation {
    /// An error about the line that `received` begins with.
    #[must_use]
    pub fn new(error: ProtocolError, received: &[u8]) -> Self {
        Violation { error, line: Excerpt::of(received) }
    }
}

impl From<ProtocolError> for Violation {
    fn from(error: ProtocolError) -> Self {
        Violation { error, line: Excerpt::default() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { error, line } = self;
        match line.as_bytes() {
            [] => write!(f, "{error}"),
            // The type of an alert's record, and the first half of every version.
            [0x15, 3, ..] => write!(f, "{error} but of TLS, so it wants TLS: {line}"),
            _ => write!(f, "{error}: {line}"),
        }
    }
}

impl core::error::Error for Violation {}

/// The beginning of a line that a peer sent, for a log: at most [`Excerpt::MAX_LEN`] bytes, without its
/// CR LF, and never anything of a value behind it.
///
/// It is displayed in quotes, as [`Escaped`](crate::Escaped) shows it, with `...` where the line goes on.
///
/// ```
/// use memcache_proto::Excerpt;
///
/// let line = Excerpt::of(b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n");
/// assert_eq!(line.to_string(), "\"HTTP/1.1 400 Bad Request\"");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// One more than is shown, where the line goes on.
    bytes: Option<Arc<[u8]>>,
}

impl Excerpt {
    /// The most that is kept of a line, in bytes.
    pub const MAX_LEN: usize = 40;

    /// The beginning of the first line of `received`.
    #[must_use]
    pub fn of(received: &[u8]) -> Self {
        let some = received.get(..=Self::MAX_LEN).unwrap_or(received);
        let line = memchr::memchr(b'\n', some).and_then(|end| some.get(..end)).unwrap_or(some);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Excerpt { bytes: (!line.is_empty()).then(|| line.into()) }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let bytes = self.bytes.as_deref().unwrap_or_default();
        bytes.get(..Self::MAX_LEN).unwrap_or(bytes)
    }

    /// Whether there is nothing to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    fn goes_on(&self) -> bool {
        self.bytes.as_ref().is_some_and(|bytes| bytes.len() > Self::MAX_LEN)
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.goes_on() { "..." } else { "" };
        write!(f, "\"{}{more}\"", Escaped(self.as_bytes()))
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Excerpt({self})")
    }
}

/// A server's own words, from a line that begins `ERROR`, `CLIENT_ERROR` or `SERVER_ERROR`.
///
/// [`Response::as_error_line`](crate::codec::Response::as_error_line) makes one as
/// [`Escaped`](crate::Escaped) shows the words; whatever they are, they are displayed so. The bytes as
/// they came are in the [`Response`](crate::codec::Response).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorLine {
    /// `ERROR`: the server does not know the command. The text is nearly always empty.
    Error(String),
    /// `CLIENT_ERROR`: the server found fault with the request.
    Client(String),
    /// `SERVER_ERROR`: the server could not do it, out of memory for instance.
    Server(String),
}

impl fmt::Display for ErrorLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, text) = match self {
            ErrorLine::Error(text) => ("ERROR", text),
            ErrorLine::Client(text) => ("CLIENT_ERROR", text),
            ErrorLine::Server(text) => ("SERVER_ERROR", text),
        };
        write!(f, "{word}{}{}", if text.is_empty() { "" } else { " " }, Escaped(text))
    }
}

impl core::error::Error for ErrorLine {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn an_excerpt_is_of_one_line_and_of_a_few_bytes() {
        let long = [b'x'; 100];
        let forty = &long[..40];
        let cases: &[(&[u8], &[u8], &str)] = &[
            (b"", b"", "\"\""),
            (b"\r\n", b"", "\"\""),
            (b"STORED\r\nEND\r\n", b"STORED", "\"STORED\""),
            (b"VALUE k 0 6\r\nsecret\r\n", b"VALUE k 0 6", "\"VALUE k 0 6\""),
            (b"HTT", b"HTT", "\"HTT\""),
            (b"\x16\x03\x01 \xff\n", b"\x16\x03\x01 \xff", "\"\\x16\\x03\\x01 \\xff\""),
            (forty, forty, "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\""),
            (&long, forty, "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\""),
        ];
        for (received, bytes, shown) in cases {
            let line = Excerpt::of(received);
            assert_eq!(line.as_bytes(), *bytes);
            assert_eq!(line.to_string(), *shown);
            assert_eq!(line.is_empty(), bytes.is_empty());
        }
        let whole = [forty, b"\r\n"].concat();
        assert!(!Excerpt::of(&whole).goes_on(), "all of it is there");
    }

    #[test]
    fn a_servers_words_are_displayed_escaped_however_they_were_made() {
        let words = || "\x1b[2J no".to_string();
        for (line, expected) in [
            (ErrorLine::Error(String::new()), "ERROR"),
            (ErrorLine::Error(words()), "ERROR \\x1b[2J no"),
            (ErrorLine::Client(words()), "CLIENT_ERROR \\x1b[2J no"),
            (ErrorLine::Server(words()), "SERVER_ERROR \\x1b[2J no"),
            (ErrorLine::Server("\\x1b[2J no".into()), "SERVER_ERROR \\x1b[2J no"),
        ] {
            assert_eq!(line.to_string(), expected);
            assert!(!alloc::format!("{line:?}").contains('\x1b'));
        }
    }
}
