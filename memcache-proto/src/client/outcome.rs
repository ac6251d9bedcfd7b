use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use super::items::Items;
use super::meta::MetaReply;
use super::operation::Rejection;
use crate::codec::Response;
use crate::connection::Delivery;
use crate::escape::text;
use crate::hidden::Hidden;
use crate::routing::{ConnectFailure, DeathCause, ServerIndex};
use crate::value::Flags;
use crate::{ErrorLine, Violation};

/// How an operation ended. Which of the methods takes it apart is said at each
/// [`Operation`](super::Operation).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Of an operation on one key.
    One(Result<Reply, Failure>),
    /// Of an operation on many keys.
    Many(Many),
    /// Of an operation on all servers, in the order in which they answered.
    Servers(Vec<ServerReply>),
}

/// A server, and what it answered.
pub type ServerReply = (ServerIndex, Result<Reply, Failure>);

/// How an operation on many keys ended. Keys are named by their number in the operation, from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Many {
    /// The items that were found, in the order of arrival.
    pub items: Items,
    /// What else is worth telling: the items not stored, the keys that were not there to be deleted or touched,
    /// the answers to meta requests. In the order of arrival.
    pub replies: Vec<(usize, Reply)>,
    /// The keys whose server could not be asked, did not answer, or gave more values than were asked for.
    /// Such a key may have had its first value in what [`Client::take_items`](super::Client::take_items) gave
    /// before.
    pub failed: Vec<(usize, Failure)>,
    /// Why the operation ended before all of its [parts](super::Operation::Part) had been given. The keys of
    /// the others were not sent. `None` if nothing was left out.
    pub rest: Option<Box<Failure>>,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// The item.
    Item(Item),
    /// There is no such item.
    Miss,
    /// Stored.
    Stored,
    /// Not stored: the condition of an add, replace, append or prepend did not hold.
    NotStored,
    /// Not stored: the item has changed since its cas unique was read.
    Exists,
    /// There is no such item to change.
    NotFound,
    /// Deleted, touched, flushed: done.
    Ok,
    /// Written, with noreply: what came of it nobody knows.
    Sent,
    /// What answers a meta request. It is large, and most replies are not.
    Meta(Box<MetaReply>),
    /// The counter's new value.
    Number(u64),
    /// The server's version, as [`Escaped`](crate::Escaped) shows it.
    Version(String),
    /// The server's statistics, names and values, in its order, as [`Escaped`](crate::Escaped) shows
    /// them. The bytes as they came are in the [`Response`]s of a
    /// [`Connection`](crate::connection::Connection).
    Stats(Vec<(String, String)>),
}

/// An item as a server keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// The server that it came from.
    pub server: ServerIndex,
    /// The flags stored with it.
    pub flags: Flags,
    /// The cas unique, if it was asked for.
    pub cas: Option<u64>,
    /// The value, not decoded.
    pub value: Bytes,
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("server", &self.server)
            .field("flags", &self.flags)
            .field("cas", &self.cas)
            .field("value", &Hidden(&self.value))
            .finish()
    }
}

/// What a storage command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Stored {
    /// Stored.
    Stored,
    /// Not stored: the condition of an add, replace, append or prepend did not hold.
    NotStored,
    /// Not stored: the item has changed since its cas unique was read.
    Exists,
    /// Not stored: a cas of an item that is not there.
    NotFound,
}

impl Stored {
    /// Whether the value is stored now.
    #[must_use]
    pub fn is_stored(self) -> bool {
        self == Stored::Stored
    }
}

impl Outcome {
    /// The item that a get or gat found.
    ///
    /// # Errors
    ///
    /// The [`Failure`]; [`FailureKind::OtherOperation`] where the operation was none of these.
    pub fn item(self) -> Result<Option<Item>, Failure> {
        match self.one()? {
            Reply::Item(item) => Ok(Some(item)),
            Reply::Miss => Ok(None),
            _ => Err(Failure::OTHER_OPERATION),
        }
    }

    /// What a storage command came to.
    ///
    /// # Errors
    ///
    /// The [`Failure`]; [`FailureKind::OtherOperation`] where the operation was none of these.
    pub fn stored(self) -> Result<Stored, Failure> {
        match self.one()? {
            Reply::Stored => Ok(Stored::Stored),
            Reply::NotStored => Ok(Stored::NotStored),
            Reply::Exists => Ok(Stored::Exists),
            Reply::NotFound => Ok(Stored::NotFound),
            _ => Err(Failure::OTHER_OPERATION),
        }
    }

    /// Whether a delete or touch found its key.
    ///
    /// # Errors
    ///
    /// The [`Failure`]; [`FailureKind::OtherOperation`] where the operation was none of these.
    pub fn found(self) -> Result<bool, Failure> {
        match self.one()? {
            Reply::Ok => Ok(true),
            Reply::NotFound => Ok(false),
            _ => Err(Failure::OTHER_OPERATION),
        }
    }

    /// What an incr or decr made of its counter; `None` where there is none.
    ///
    /// # Errors
    ///
    /// The [`Failure`]; [`FailureKind::OtherOperation`] where the operation was none of these.
    pub fn number(self) -> Result<Option<u64>, Failure> {
        match self.one()? {
            Reply::Number(number) => Ok(Some(number)),
            Reply::NotFound => Ok(None),
            _ => Err(Failure::OTHER_OPERATION),
        }
    }

    /// What a meta request was answered.
    ///
    /// # Errors
    ///
    /// The [`Failure`]; [`FailureKind::OtherOperation`] where the operation was none of these.
    pub fn meta(self) -> Result<MetaReply, Failure> {
        match self.one()? {
            Reply::Meta(reply) => Ok(*reply),
            // What some answer in place of HD.
            Reply::Ok => Ok(MetaReply::default()),
            _ => Err(Failure::OTHER_OPERATION),
        }
    }

    /// That an operation with noreply has been written.
    ///
    /// # Errors
    ///
    /// The [`Failure`]; [`FailureKind::OtherOperation`] where the operation was none of these.
    pub fn sent(self) -> Result<(), Failure> {
        match self.one()? {
            Reply::Sent => Ok(()),
            _ => Err(Failure::OTHER_OPERATION),
        }
    }

    /// The outcome of an operation on many keys.
    ///
    /// # Errors
    ///
    /// [`FailureKind::OtherOperation`] where the operation was none of these.
    pub fn many(self) -> Result<Many, Failure> {
        match self {
            Outcome::Many(many) => Ok(many),
            Outcome::One(_) | Outcome::Servers(_) => Err(Failure::OTHER_OPERATION),
        }
    }

    /// What each server answered.
    ///
    /// # Errors
    ///
    /// [`FailureKind::OtherOperation`] where the operation was not on all servers.
    pub fn servers(self) -> Result<Vec<ServerReply>, Failure> {
        match self {
            Outcome::Servers(servers) => Ok(servers),
            Outcome::One(_) | Outcome::Many(_) => Err(Failure::OTHER_OPERATION),
        }
    }

    fn one(self) -> Result<Reply, Failure> {
        match self {
            Outcome::One(result) => result,
            Outcome::Many(_) | Outcome::Servers(_) => Err(Failure::OTHER_OPERATION),
        }
    }
}

impl Reply {
    /// What the last response of a reply says. The lines before it are the caller's to add.
    pub(super) fn of(response: &Response<'_>, server: ServerIndex) -> Result<Self, Failure> {
        Ok(match response {
            Response::End => Reply::Miss,
            Response::Stored => Reply::Stored,
            Response::NotStored => Reply::NotStored,
            Response::Exists => Reply::Exists,
            Response::NotFound => Reply::NotFound,
            Response::Number(number) => Reply::Number(*number),
            Response::Version(version) => Reply::Version(text(version)),
            Response::Hd(_)
            | Response::En(_)
            | Response::Nf(_)
            | Response::Ns(_)
            | Response::Ex(_)
            | Response::Me { .. } => MetaReply::of(response, server)
                .map_or(Reply::Ok, |reply| Reply::Meta(Box::new(reply))),
            _ => match response.as_error_line() {
                Some(line) => return Err(Failure::answered(server, FailureKind::of(line))),
                None => Reply::Ok,
            },
        })
    }
}

/// Why an operation, or its part on one key or server, came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The server that was asked last; `None` where there was none to ask.
    pub server: Option<ServerIndex>,
    /// How far the operation had come.
    pub delivery: Delivery,
    /// Whether the operation changes anything on the server, as a store does and a get does not.
    pub changes: bool,
    /// What happened.
    pub kind: FailureKind,
}

impl Failure {
    const OTHER_OPERATION: Failure = Failure::not_sent(None, FailureKind::OtherOperation);

    /// Of an operation of which nothing was sent.
    pub(crate) const fn not_sent(server: Option<ServerIndex>, kind: FailureKind) -> Self {
        Failure { server, delivery: Delivery::NotSent, changes: false, kind }
    }

    /// Of an operation that a server answered.
    pub(crate) const fn answered(server: ServerIndex, kind: FailureKind) -> Self {
        Failure { server: Some(server), delivery: Delivery::Answered, changes: false, kind }
    }

    /// Whether the operation may have been applied although it failed: it changes something, it was sent,
    /// and the answer did not come. Repeating a set is harmless then; repeating an incr may count twice.
    #[must_use]
    pub fn may_have_been_applied(&self) -> bool {
        self.changes && self.delivery == Delivery::Unanswered
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let applied = match self.may_have_been_applied() {
            true => " (the command was sent and may have been applied)",
            false => "",
        };
        write!(f, "{}{applied}", self.kind)
    }
}

impl core::error::Error for Failure {}

/// A server that is dead, as a failure tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadServer {
    /// Which.
    pub server: ServerIndex,
    /// Why it was marked dead.
    pub cause: DeathCause,
    /// In how long it will be tried again.
    pub retry_in: Duration,
}

impl fmt::Display for DeadServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.retry_in.as_secs_f32();
        write!(f, "dead: {}; it is tried again in {seconds:.1} s", self.cause)
    }
}

/// What happened to an operation that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// Every server that could have been asked is dead. Under python-memcached's distribution a key has
    /// ten candidates, some of them the same server, so a few keys may find all of theirs dead while
    /// other servers live.
    AllDead(Box<[DeadServer]>),
    /// The server is dead.
    Dead(DeadServer),
    /// No connection could be made, for this reason.
    Connect(ConnectFailure),
    /// The server showed no progress for `socket_timeout`.
    SocketTimeout,
    /// The operation took longer than `operation_timeout`, or than the time that it was given.
    OperationTimeout,
    /// The server closed the connection.
    Eof,
    /// The server closed the connection when it was sent this command, which is not one of those that
    /// every server and every proxy knows. The server is not dead for it.
    ClosedAtCommand,
    /// The connection was lost, or closed by the adapter.
    Disconnected,
    /// The server broke the protocol.
    Protocol(Violation),
    /// The server found fault with another request on the same connection, which had to be closed.
    Form,
    /// The server has too many open connections.
    Refused,
    /// The server refused the login on a new connection. Calls on it fail with this at once for `dead_retry`;
    /// then one of them tries again. The server is not dead, and no key goes to another.
    LoginRefused,
    /// The server asks for a login, and none was made: there are no credentials.
    LoginRequired,
    /// The server answered with an error.
    Server(ErrorLine),
    /// The server answered a run of quiet requests with an error that does not say which of them it is
    /// for: what came of this one is not known.
    Unknown(ErrorLine),
    /// It was not taken in.
    Rejected(Rejection),
    /// The outcome is of another kind of operation than the one it was taken as.
    OtherOperation,
}

impl FailureKind {
    /// A short name for metrics: `"socket_timeout"`. It never changes, and there are few of them.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            FailureKind::AllDead(_) => "all_dead",
            FailureKind::Dead(_) => "dead",
            FailureKind::Connect(_) => "connect",
            FailureKind::SocketTimeout => "socket_timeout",
            FailureKind::OperationTimeout => "operation_timeout",
            FailureKind::Eof => "eof",
            FailureKind::ClosedAtCommand => "closed_at_command",
            FailureKind::Disconnected => "disconnected",
            FailureKind::Protocol(_) => "protocol",
            FailureKind::Form => "form",
            FailureKind::Refused => "refused",
            FailureKind::LoginRefused => "login_refused",
            FailureKind::LoginRequired => "login_required",
            FailureKind::Server(_) => "server",
            FailureKind::Unknown(_) => "unknown",
            FailureKind::Rejected(_) => "rejected",
            FailureKind::OtherOperation => "other_operation",
        }
    }

    /// What a server's error says.
    fn of(line: ErrorLine) -> Self {
        match line {
            // What memcached answers until there is a login, whatever it is asked: it takes a `set` for one.
            ErrorLine::Client(text)
                if matches!(
                    text.as_str(),
                    "unauthenticated"
                        | "authentication failure"
                        | "bad authentication token format"
                ) =>
            {
                FailureKind::LoginRequired
            }
            line => FailureKind::Server(line),
        }
    }

    /// Whether a server, or the network to it, was not there or too slow: what another attempt, later,
    /// may not meet again.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            FailureKind::Connect(ConnectFailure::RuntimeGone | ConnectFailure::NoCredentials) => {
                false
            }
            FailureKind::AllDead(_)
            | FailureKind::Dead(_)
            | FailureKind::Connect(_)
            | FailureKind::SocketTimeout
            | FailureKind::OperationTimeout
            | FailureKind::Eof
            | FailureKind::ClosedAtCommand
            | FailureKind::Disconnected
            | FailureKind::Form
            | FailureKind::Refused => true,
            FailureKind::Protocol(_)
            | FailureKind::LoginRefused
            | FailureKind::LoginRequired
            | FailureKind::Server(_)
            | FailureKind::Unknown(_)
            | FailureKind::Rejected(_)
            | FailureKind::OtherOperation => false,
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureKind::AllDead(_) => write!(
                f,
                "every server that could hold the key is dead, and left alone for dead_retry",
            ),
            FailureKind::Dead(dead) => dead.fmt(f),
            FailureKind::Connect(failure) => failure.fmt(f),
            FailureKind::SocketTimeout => write!(f, "no answer within socket_timeout"),
            FailureKind::OperationTimeout => {
                write!(f, "not done within operation_timeout, or the time that it was given")
            }
            FailureKind::Eof => write!(f, "the server closed the connection"),
            FailureKind::ClosedAtCommand => write!(
                f,
                "the server closed the connection at this command, which it, or a proxy before it, may \
                 not know",
            ),
            FailureKind::Disconnected => write!(f, "the connection was lost"),
            FailureKind::Protocol(violation) => write!(f, "the server sent {violation}"),
            FailureKind::LoginRefused => write!(
                f,
                "the server refused the login: it does not know these credentials, or asks for none",
            ),
            FailureKind::LoginRequired => {
                write!(f, "the server asks for a login: the client needs credentials")
            }
            FailureKind::Form => {
                write!(
                    f,
                    "the server found fault with another request, and the connection was closed"
                )
            }
            FailureKind::Refused => {
                write!(f, "the server has too many open connections (its option -c)")
            }
            FailureKind::Server(line) => write!(f, "the server answered {line}"),
            FailureKind::Unknown(line) => {
                write!(f, "the server answered {line} to this quiet request or to others with it")
            }
            FailureKind::Rejected(reason) => fmt::Display::fmt(reason, f),
            FailureKind::OtherOperation => write!(f, "the outcome is of another kind of operation"),
        }
    }
}
