use core::fmt;

use crate::Excerpt;
use crate::escape::Quoting;
use crate::value::Cause;

/// Why a list of servers was not taken. The list before it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// Whoever knows the servers could not be asked, or did not answer with a list.
    Failed(Cause),
    /// A configuration does not begin with a line that is its version.
    Version {
        /// Its first line.
        line: Excerpt,
    },
    /// A configuration holds something that is not `host|address|port`.
    Server {
        /// What stands there.
        text: Excerpt,
    },
    /// The endpoint knows no configuration of this name.
    NoConfiguration,
    /// No server is named, or none with a weight above 0.
    Empty,
    /// More servers than [`Limits::max_servers`](crate::Limits::max_servers) are named.
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The list is older than the last one that was taken.
    Older {
        /// Its version.
        version: u64,
        /// That of the last one.
        last: u64,
    },
    /// The client has no servers before it has asked, and `build` of an asynchronous client does not wait for
    /// that. Call its `build_discovered`, or name servers to begin with.
    NotAsked,
    /// This build cannot discover servers in the way that was asked for: a feature is missing.
    Unsupported,
}

impl fmt::Display for DiscoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiscoveryError::Failed(cause) => {
                write!(f, "the servers could not be asked for: {}", Quoting(cause))
            }
            DiscoveryError::Version { line } => {
                write!(f, "the configuration begins with {line}, which is no version")
            }
            DiscoveryError::Server { text } => {
                write!(f, "the configuration has {text}, which is not host|address|port")
            }
            DiscoveryError::NoConfiguration => {
                write!(
                    f,
                    "the server has no configuration of a cluster: is it a configuration endpoint?"
                )
            }
            DiscoveryError::Empty => write!(f, "the list of servers is empty"),
            DiscoveryError::TooMany { max } => {
                write!(f, "the list has more than {max} servers (Limits::max_servers)")
            }
            DiscoveryError::Older { version, last } => {
                write!(f, "the list has version {version}, and version {last} came before")
            }
            DiscoveryError::NotAsked => write!(
                f,
                "nobody has been asked for the servers yet: build the client with build_discovered, or \
                 name servers to begin with",
            ),
            DiscoveryError::Unsupported => {
                write!(f, "this client was built without what discovers servers in this way")
            }
        }
    }
}

impl core::error::Error for DiscoveryError {}
