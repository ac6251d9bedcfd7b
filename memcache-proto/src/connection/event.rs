use core::fmt;

use super::RequestId;
use crate::ErrorLine;
use crate::codec::{LargeValue, MetaFlags, Response};
use crate::hidden::Hidden;
use crate::value::Flags;

/// Something that happened to a request.
#[derive(Debug)]
pub struct Event<'a> {
    /// The request, as [`Connection::submit`](super::Connection::submit) returned it.
    pub request: RequestId,
    /// What happened.
    pub reply: Reply<'a>,
}

/// What happened to a request.
#[non_exhaustive]
pub enum Reply<'a> {
    /// A value that a get found, or the text of a configuration. More events follow.
    Value {
        /// Which of the request's keys it is, counted from 0.
        index: usize,
        /// The flags stored with it.
        flags: Flags,
        /// The cas unique, if it was asked for.
        cas: Option<u64>,
        /// The value.
        value: ValueBytes<'a>,
    },
    /// A line of a longer reply, a `STAT` for instance. More events follow.
    Line(Response<'a>),
    /// The replies to the next commands of a request of several, see
    /// [`Connection::append`](super::Connection::append): as many as `count` says, all of them this one. Other
    /// commands of the request are still to be answered, so more events follow.
    Each {
        /// How many commands were answered so.
        count: usize,
        /// What each of them was answered.
        response: Response<'a>,
    },
    /// The reply, or the end of it. The request is done. Quiet requests before it that have had no event
    /// are done, too: all went as expected, a [`MetaGet`](crate::codec::MetaGet) was a miss; or, after
    /// [`Reply::Doubt`], nobody knows.
    Last(Response<'a>),
    /// The value that answers a meta request. That is done, as with [`Reply::Last`].
    MetaValue {
        /// What came with it.
        flags: MetaFlags<'a>,
        /// The value.
        value: ValueBytes<'a>,
    },
    /// An error of the server's that does not say which of several quiet requests it is for, one or
    /// more: of none of them from this one to the next that has an event can be said what came of it.
    Doubt(ErrorLine),
    /// A reply to nobody: to a request that was cancelled, or the connection's own. It is told because
    /// quiet requests before it are done with it, as with [`Reply::Last`].
    Cancelled,
    /// A command with noreply has been written whole. The request is done.
    Sent,
    /// The server closed the connection, which is how it answers quit and shutdown. The request is
    /// done.
    Closed,
    /// The connection closed before the reply was whole; [`Connection::close_reason`](super::Connection::close_reason) says why. The
    /// request is done.
    Failed {
        /// How far the request had come.
        delivery: Delivery,
        /// The request as it was or would have been sent, for sending it elsewhere. Of a request of several
        /// commands, those that have not been answered.
        text: &'a [u8],
        /// How many bytes of `text` were sent. The commands that begin behind them were not sent.
        sent: usize,
    },
}

impl fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Value { index, flags, cas, value } => f
                .debug_struct("Value")
                .field("index", index)
                .field("flags", flags)
                .field("cas", cas)
                .field("value", value)
                .finish(),
            Reply::Line(response) => f.debug_tuple("Line").field(response).finish(),
            Reply::Each { count, response } => {
                f.debug_struct("Each").field("count", count).field("response", response).finish()
            }
            Reply::Last(response) => f.debug_tuple("Last").field(response).finish(),
            Reply::MetaValue { flags, value } => {
                f.debug_struct("MetaValue").field("flags", flags).field("value", value).finish()
            }
            Reply::Doubt(line) => f.debug_tuple("Doubt").field(line).finish(),
            Reply::Cancelled => f.write_str("Cancelled"),
            Reply::Sent => f.write_str("Sent"),
            Reply::Closed => f.write_str("Closed"),
            // The value to be stored is in it.
            Reply::Failed { delivery, text, sent } => f
                .debug_struct("Failed")
                .field("delivery", delivery)
                .field("text", &Hidden(text))
                .field("sent", sent)
                .finish(),
        }
    }
}

/// A value that was just received: borrowed, or in a buffer of its own if it is large.
pub enum ValueBytes<'a> {
    /// In the buffer that all responses share.
    Shared(&'a [u8]),
    /// In a buffer of its own, which can be taken without a copy.
    Large(LargeValue<'a>),
}

impl ValueBytes<'_> {
    /// The value.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            ValueBytes::Shared(bytes) => bytes,
            ValueBytes::Large(value) => value.as_slice(),
        }
    }
}

impl fmt::Debug for ValueBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValueBytes({} bytes)", self.as_slice().len())
    }
}

/// How far a failed request had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// No byte of it was sent; the server knows nothing of it.
    NotSent,
    /// Some or all of it was sent and its reply did not come; it may have been applied.
    Unanswered,
    /// The server answered it.
    Answered,
}
