use core::fmt;

use crate::ProtocolError;

/// Why a connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The server closed it.
    Eof,
    /// The adapter lost or closed it.
    Disconnected,
    /// The server broke the protocol. [`Connection::violation`](super::Connection::violation) has the
    /// beginning of the line, too.
    Protocol(ProtocolError),
    /// The server found fault with the form of a request, after which versions differ in what they
    /// send and read.
    Form,
    /// The server has too many connections and said so.
    Refused,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Eof => write!(f, "the server closed the connection"),
            CloseReason::Disconnected => write!(f, "the connection was lost"),
            CloseReason::Protocol(error) => write!(f, "the server sent {error}"),
            CloseReason::Form => write!(f, "the server found fault with the form of a request"),
            CloseReason::Refused => write!(f, "the server has too many open connections"),
        }
    }
}

/// Why a command was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubmitError {
    /// The connection is closed, or a quit or shutdown was submitted.
    Closed,
    /// [`Limits::max_queued_bytes`](crate::Limits::max_queued_bytes) of requests wait already.
    Full,
    /// The line would be longer than the 2,048 bytes that servers accept of any command but get and
    /// gets: a gat of too many keys.
    LineTooLong,
    /// A get without keys.
    NoKeys,
    /// The value has more bytes than a server can count (2^31 - 3), so that it would take the line for
    /// none and run the value as commands.
    ValueTooLong,
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SubmitError::Closed => "the connection is closed",
            SubmitError::Full => "too many bytes of requests wait for their replies",
            SubmitError::LineTooLong => "the command line is longer than servers accept",
            SubmitError::NoKeys => "a get of no keys",
            SubmitError::ValueTooLong => "the value is longer than any server can count",
        })
    }
}

impl core::error::Error for SubmitError {}
