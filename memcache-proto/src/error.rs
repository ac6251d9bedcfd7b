use alloc::string::String;
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
