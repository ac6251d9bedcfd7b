use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::keys::KeyFault;
use super::{UrlError, VarsError};
use crate::client::{
    ClusterError, CredentialsError, DeadServer, Failure, FailureKind, Rejection, Stored,
};
use crate::discovery::DiscoveryError;
use crate::escape::Quoting;
use crate::routing::AddressError;
use crate::value::{Cause, ValueError};
use crate::{ErrorLine, ExpiryError, KeyError};

/// The adapter's own error behind a failure: over sockets a `std::io::Error`, to be had with
/// `downcast_ref`.
pub type Source = Arc<dyn core::error::Error + Send + Sync>;

/// Why a call came to nothing.
///
/// A miss is no error, and neither is a condition that did not hold. After any error the client is as
/// good as before: connections that could not be trusted are gone, and the next call makes new ones.
///
/// The message says all there is, the system's words included, so that printing it is enough;
/// [`source`](core::error::Error::source) has nothing to add, and a report of the whole chain says
/// nothing twice. The system's error itself is in [`Error::Server`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The key cannot be sent.
    Key(KeyError),
    /// The key cannot be sent: the caller's own `key_encoder` failed on it. Nothing was sent.
    KeyEncoder(Cause),
    /// The expiry cannot be sent.
    Expiry(ExpiryError),
    /// The value, or the operation, cannot be sent. Nothing of it was.
    Rejected(Rejection),
    /// The value that is stored cannot be read as the type asked for, or the value to store cannot be
    /// made into bytes.
    Value {
        /// The server that the value came from, as in stats; `None` where it is one to store.
        server: Option<String>,
        /// What is wrong with it.
        error: ValueError,
    },
    /// A server could not be asked, did not answer, or answered with an error.
    Server {
        /// The server that was asked last, as in stats; `None` where all are dead.
        server: Option<String>,
        /// What happened, and how far the command had come.
        failure: Failure,
        /// The system's error, if there was one; where all servers are dead, [`DeadServers`]. It is in the
        /// message already.
        source: Option<Source>,
    },
    /// What went wrong with one key of a call on many: what
    /// [`Many::into_result`](super::Many::into_result) returns.
    OfKey {
        /// Which of the call's keys, counted from 0.
        number: usize,
        /// What went wrong.
        error: Box<Error>,
    },
    /// The server, or a proxy before it, declined to store a value that was to be stored whatever was
    /// there. A condition that did not hold, of an add for instance, is no error.
    NotStored(Stored),
    /// The call had to wait for its turn for longer than `operation_timeout`. Nothing was sent.
    Busy,
    /// The time that was given for the call was over before it, or one of its steps, began. Nothing of that was
    /// sent.
    Late,
    /// Others changed the item each time that it was to be changed. Nothing was stored.
    Contended {
        /// How often it was tried: [`Limits::max_cas_attempts`](crate::Limits::max_cas_attempts).
        attempts: usize,
    },
    /// The server did not make an item where there is none, though it was to: memcached 1.6.18, for
    /// instance, cannot for what is appended or prepended. Nothing was stored.
    Unsupported,
    /// The client has been closed. Nothing was sent.
    Closed,
    /// A server's address is none.
    Address(AddressError),
    /// There can be no such client.
    Cluster(ClusterError),
    /// Nobody can log in by the credentials that were given.
    Credentials(CredentialsError),
    /// The servers were to be found out when the client was made, and that failed.
    Discovery(DiscoveryError),
    /// The URL cannot be read.
    Url(UrlError),
    /// The text that lists the servers cannot be read.
    Servers(UrlError),
    /// The environment variables do not say which servers there are.
    Vars(VarsError),
    /// What the URL says of TLS cannot be used: a file that is missing, for instance.
    Tls(Cause),
    /// The URL asks for TLS, and the client was built without it. Nothing was sent.
    WithoutTls,
}

impl Error {
    /// A short name for metrics, of a failure the one of its [kind](crate::client::FailureKind::name):
    /// `"busy"`, `"socket_timeout"`. It never changes, and there are few of them.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Error::Key(_) => "key",
            Error::KeyEncoder(_) => "key_encoder",
            Error::Expiry(_) => "expiry",
            Error::Rejected(_) => "rejected",
            Error::Value { .. } => "value",
            Error::Server { failure, .. } => failure.kind.name(),
            Error::OfKey { error, .. } => error.name(),
            Error::NotStored(_) => "not_stored",
            Error::Busy => "busy",
            Error::Late => "late",
            Error::Contended { .. } => "contended",
            Error::Unsupported => "unsupported",
            Error::Closed => "closed",
            Error::Discovery(_) => "discovery",
            Error::Address(_)
            | Error::Cluster(_)
            | Error::Credentials(_)
            | Error::Url(_)
            | Error::Servers(_)
            | Error::Vars(_)
            | Error::Tls(_)
            | Error::WithoutTls => "settings",
        }
    }

    /// The server concerned, as it is named in stats.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        match self {
            Error::Server { server, .. } | Error::Value { server, .. } => server.as_deref(),
            Error::OfKey { error, .. } => error.server(),
            _ => None,
        }
    }

    /// Whether the command may have been applied although it failed: it changes something, it was sent, and
    /// the answer did not come. Repeating a set is harmless then; repeating an incr may count twice.
    #[must_use]
    pub fn may_have_been_applied(&self) -> bool {
        match self {
            Error::Server { failure, .. } => failure.may_have_been_applied(),
            Error::OfKey { error, .. } => error.may_have_been_applied(),
            _ => false,
        }
    }

    /// Whether a server answered that it does not know the command.
    pub(super) fn is_unknown_command(&self) -> bool {
        let Error::Server { failure, .. } = self else { return false };
        matches!(failure.kind, FailureKind::Server(ErrorLine::Error(_)))
    }

    /// Whether a server, or the network to it, was not there or too slow: what another attempt, later,
    /// may not meet again.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Error::Busy | Error::Late => true,
            Error::Server { failure, .. } => failure.kind.is_unavailable(),
            Error::OfKey { error, .. } => error.is_unavailable(),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Key(error) => error.fmt(f),
            Error::KeyEncoder(cause) => write!(f, "the key was not encoded: {cause}"),
            Error::Expiry(error) => error.fmt(f),
            Error::Rejected(reason) => reason.fmt(f),
            Error::Value { server, error } => {
                name(server.as_deref(), f)?;
                error.fmt(f)
            }
            Error::Server { server, failure, source } => {
                name(server.as_deref(), f)?;
                failure.fmt(f)?;
                match source {
                    Some(source) => write!(f, ": {}", Quoting(source)),
                    None => Ok(()),
                }
            }
            Error::OfKey { number, error } => write!(f, "key {number}: {error}"),
            Error::NotStored(answer) => {
                let answer = match answer {
                    Stored::Stored => "STORED",
                    Stored::NotStored => "NOT_STORED",
                    Stored::Exists => "EXISTS",
                    Stored::NotFound => "NOT_FOUND",
                };
                write!(
                    f,
                    "the server, or a proxy before it, declined to store the value: it answered {answer}",
                )
            }
            Error::Late => write!(f, "the time that the call had was over before it began"),
            Error::Busy => write!(
                f,
                "the call waited for its turn for longer than operation_timeout: more is asked for \
                 at once than there are sessions for, or than the servers keep up with",
            ),
            Error::Contended { attempts } => write!(
                f,
                "the item changed between reading and storing it, {attempts} times in a row",
            ),
            Error::Unsupported => write!(
                f,
                "there is no such item, and the server did not make one: to do so for what is appended \
                 takes a newer memcached than 1.6.18",
            ),
            Error::Closed => write!(f, "the client has been closed"),
            Error::Address(error) => error.fmt(f),
            Error::Cluster(error) => error.fmt(f),
            Error::Credentials(error) => error.fmt(f),
            Error::Discovery(error) => error.fmt(f),
            Error::Url(error) => write!(f, "the URL is wrong {error}"),
            Error::Servers(error) => write!(f, "the list of servers is wrong {error}"),
            Error::Vars(error) => error.fmt(f),
            Error::Tls(cause) => write!(f, "what the URL says of TLS cannot be used: {cause}"),
            Error::WithoutTls => write!(
                f,
                "the URL begins with memcached+tls, but this client was built without the feature tls",
            ),
        }
    }
}

/// The name of a server, before what is said of it.
fn name(server: Option<&str>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match server {
        Some(server) => write!(f, "{server}: "),
        None => Ok(()),
    }
}

impl core::error::Error for Error {}

/// The servers that could hold a key, all of them dead: the source of an [`Error::Server`] that says so.
/// Each has its name in stats.
#[derive(Clone, Debug)]
pub struct DeadServers(pub Vec<(String, DeadServer)>);

impl fmt::Display for DeadServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (server, DeadServer { cause, retry_in, .. })) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            let seconds = retry_in.as_secs_f32();
            write!(f, "{comma}{server} ({cause}; tried again in {seconds:.1} s)")?;
        }
        Ok(())
    }
}

impl core::error::Error for DeadServers {}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Error::Key(error)
    }
}

impl From<KeyFault> for Error {
    fn from(fault: KeyFault) -> Self {
        match fault {
            KeyFault::Key(error) => Error::Key(error),
            KeyFault::Encoder(cause) => Error::KeyEncoder(cause),
        }
    }
}

impl From<ExpiryError> for Error {
    fn from(error: ExpiryError) -> Self {
        Error::Expiry(error)
    }
}

impl From<ValueError> for Error {
    fn from(error: ValueError) -> Self {
        Error::Value { server: None, error }
    }
}

impl From<Rejection> for Error {
    fn from(reason: Rejection) -> Self {
        match reason {
            Rejection::Key(error) => Error::Key(error),
            reason => Error::Rejected(reason),
        }
    }
}

impl From<AddressError> for Error {
    fn from(error: AddressError) -> Self {
        Error::Address(error)
    }
}

impl From<ClusterError> for Error {
    fn from(error: ClusterError) -> Self {
        Error::Cluster(error)
    }
}

impl From<DiscoveryError> for Error {
    fn from(error: DiscoveryError) -> Self {
        Error::Discovery(error)
    }
}

impl From<UrlError> for Error {
    fn from(error: UrlError) -> Self {
        Error::Url(error)
    }
}

impl From<VarsError> for Error {
    fn from(error: VarsError) -> Self {
        Error::Vars(error)
    }
}
