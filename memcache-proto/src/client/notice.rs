use alloc::vec::Vec;
use core::fmt;

use super::FailureKind;
use crate::Violation;
use crate::discovery::DiscoveryError;
use crate::routing::{ServerAddress, ServerIndex};

/// Something that happened between a client and a server, for a log: what python-memcached prints with
/// `debug=1`. It holds no value, and a key only where a server sent one in a line that it should not have
/// sent. Taken with [`Client::poll_notice`](super::Client::poll_notice).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The server concerned.
    pub server: ServerIndex,
    /// What happened.
    pub event: NoticeEvent,
}

/// What happened between a client and a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoticeEvent {
    /// The server failed and is left alone for `dead_retry`.
    MarkedDead {
        /// What it failed at.
        reason: FailureKind,
    },
    /// The server was dead, and has answered.
    Revived,
    /// The server has not let a new connection in. Calls that need one fail for `dead_retry`.
    LoginRefused,
    /// The server sent what no request had asked for, or what is not of the protocol. Its connection is
    /// closed.
    UnexpectedReply {
        /// What is wrong with it, and its beginning.
        error: Violation,
    },
    /// A connection ended for another reason.
    Disconnected {
        /// Which.
        reason: FailureKind,
    },
    /// What a connection that ended had not answered is sent again, to this server or, where that is
    /// dead, to the next candidates.
    Retry {
        /// Why the connection ended.
        reason: FailureKind,
        /// How many requests.
        requests: usize,
    },
    /// A connection is made where one had been lost.
    Reconnect,
    /// The server was dead, so that it is told `flush_all` before anything else.
    FlushOnReconnect,
    /// The server did not do so, with these words of its own; what it held it still holds.
    NotFlushed {
        /// Why.
        reason: FailureKind,
    },
    /// Whoever was asked for the servers told of others, which the client goes on with. In place of a server's
    /// name stands that of whoever was asked.
    ServersChanged {
        /// How many there are now.
        count: usize,
        /// Those that were not there before.
        added: Vec<ServerAddress>,
        /// Those that are not there any more.
        removed: Vec<ServerAddress>,
    },
    /// Whoever was asked for the servers could not tell, or told what cannot be. The client goes on with those
    /// that it has, and goes on asking; this is not said again before a list has been taken. In place of a
    /// server's name stands that of whoever was asked.
    NotDiscovered {
        /// Why.
        error: DiscoveryError,
    },
}

impl NoticeEvent {
    /// Whether somebody should have a look.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        match self {
            NoticeEvent::MarkedDead { .. }
            | NoticeEvent::LoginRefused
            | NoticeEvent::UnexpectedReply { .. }
            | NoticeEvent::NotFlushed { .. }
            | NoticeEvent::NotDiscovered { .. } => true,
            NoticeEvent::Revived
            | NoticeEvent::Disconnected { .. }
            | NoticeEvent::Retry { .. }
            | NoticeEvent::Reconnect
            | NoticeEvent::FlushOnReconnect
            | NoticeEvent::ServersChanged { .. } => false,
        }
    }
}

impl fmt::Display for NoticeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoticeEvent::MarkedDead { reason } => write!(f, "marked dead: {reason}"),
            NoticeEvent::Revived => write!(f, "is back"),
            NoticeEvent::LoginRefused => write!(f, "refused the login"),
            NoticeEvent::UnexpectedReply { error } => {
                write!(f, "closed the connection: the server sent {error}")
            }
            NoticeEvent::Disconnected { reason } => write!(f, "lost a connection: {reason}"),
            NoticeEvent::Retry { reason, requests } => {
                write!(f, "sending again what was not answered ({requests}): {reason}")
            }
            NoticeEvent::Reconnect => write!(f, "connecting again"),
            NoticeEvent::FlushOnReconnect => write!(f, "flushing, as it was dead"),
            NoticeEvent::NotFlushed { reason } => write!(f, "not flushed: {reason}"),
            NoticeEvent::ServersChanged { count, added, removed } => {
                write!(f, "there are {count} servers now")?;
                list(f, "added", added)?;
                list(f, "removed", removed)
            }
            NoticeEvent::NotDiscovered { error } => {
                write!(f, "going on with the servers that are known: {error}")
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, word: &str, servers: &[ServerAddress]) -> fmt::Result {
    for (number, server) in servers.iter().enumerate() {
        match number {
            0 => write!(f, "; {word} {server}")?,
            _ => write!(f, ", {server}")?,
        }
    }
    Ok(())
}
