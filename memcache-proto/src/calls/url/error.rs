use alloc::boxed::Box;
use core::fmt;

use super::parameters::{self, Kind};
use crate::KeyError;
use crate::client::CredentialsError;
use crate::routing::AddressError;

/// What is wrong with a [`Url`](super::Url) or a [`ServerList`](super::ServerList), and where.
///
/// The message has the position and the text that is wrong, but never a user or a password: of what stands
/// before the `@` it has the position alone.
///
/// ```
/// use memcache_proto::calls::Url;
///
/// let error = Url::parse("memcached://10.0.0.1/?socket_timeout=fast").unwrap_err();
/// assert_eq!(error.position(), 37);
/// assert_eq!(
///     error.to_string(),
///     "at byte 37, \"fast\": socket_timeout is a time, such as 500ms, 3s or 1.5 (seconds)",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlError {
    kind: UrlErrorKind,
    position: usize,
    text: Option<Box<str>>,
}

/// The longest text that an error quotes, in characters.
const MAX_QUOTED: usize = 60;

impl UrlError {
    /// An error about this text, which stands at this position.
    pub(super) fn new(kind: UrlErrorKind, position: usize, text: &str) -> Self {
        let quoted = text.chars().take(MAX_QUOTED).collect();
        UrlError { kind, position, text: Some(quoted) }
    }

    /// An error about a text that nobody may see.
    pub(super) fn hidden(kind: UrlErrorKind, position: usize) -> Self {
        UrlError { kind, position, text: None }
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> &UrlErrorKind {
        &self.kind
    }

    /// Where it begins, counted in bytes from 0.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// The text that is wrong, its first 60 characters. `None` if it may be part of a user or a password.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}", self.position)?;
        match &self.text {
            // An address error quotes the address.
            Some(text) if !text.is_empty() && !matches!(self.kind, UrlErrorKind::Address(_)) => {
                write!(f, ", {text:?}")?;
            }
            _ => {}
        }
        write!(f, ": {}", self.kind)
    }
}

impl core::error::Error for UrlError {}

/// What is wrong with a [`Url`](super::Url) or a [`ServerList`](super::ServerList).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlErrorKind {
    /// The text begins with no scheme that is known here.
    Scheme,
    /// A control character, a space or a `#`.
    Forbidden,
    /// A `%` without two hexadecimal digits after it.
    Percent,
    /// What the bytes say that were percent-encoded is not UTF-8.
    NotUtf8,
    /// An `@` that does not stand between the password and the servers. Or what stands before the `@` holds
    /// a `/`, a `?` or a second `@`.
    AtSign,
    /// A user without a password.
    NoPassword,
    /// A user or a password that no server can know.
    Credentials(CredentialsError),
    /// No server is named.
    NoServers,
    /// A second `config+`, `dns+` or `dnssrv+`.
    TwoSources,
    /// A `config+`, `dns+` or `dnssrv+` in a list of servers, which is not a URL.
    SourceInList,
    /// A path behind servers that are hosts.
    Path,
    /// A server of `memcached+unix` that is not an absolute path.
    RelativePath,
    /// A server's address cannot be parsed.
    Address(AddressError),
    /// What follows a `*` is not a weight.
    Weight,
    /// There is no such parameter.
    UnknownParameter {
        /// The parameter whose name is nearest, if there is one that is near.
        nearest: Option<&'static str>,
    },
    /// The parameter was there already, perhaps under its other name.
    Repeated {
        /// The parameter.
        parameter: &'static str,
    },
    /// The parameter has no `=`, or nothing after it.
    NoValue {
        /// The parameter.
        parameter: &'static str,
    },
    /// The value is not of the parameter's kind: not a number, say, or not one of its names.
    Value {
        /// The parameter.
        parameter: &'static str,
    },
    /// The value can be part of no key.
    KeyPrefix(KeyError),
    /// A parameter of TLS in a URL that does not ask for TLS.
    NotTls {
        /// The parameter.
        parameter: &'static str,
    },
}

impl fmt::Display for UrlErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlErrorKind::Scheme => f.write_str(
                "the URL must begin with memcached://, memcached+tls:// or memcached+unix://",
            ),
            UrlErrorKind::Forbidden => f.write_str(
                "control characters, spaces and # cannot stand in a URL; a space is written %20, # is %23",
            ),
            UrlErrorKind::Percent => {
                f.write_str("two hexadecimal digits must follow a %; % itself is written %25")
            }
            UrlErrorKind::NotUtf8 => f.write_str("this is not UTF-8"),
            UrlErrorKind::AtSign => f.write_str(
                "this @ does not stand between a password and the servers of a URL; in a user, a \
                 password, a path or a value @ is written %40, / is %2F and ? is %3F",
            ),
            UrlErrorKind::NoPassword => {
                f.write_str("a user needs a password: memcached://user:password@host")
            }
            UrlErrorKind::Credentials(error) => error.fmt(f),
            UrlErrorKind::NoServers => f.write_str(
                "no server is named; a host is written memcached://host, a Unix socket \
                 memcached+unix:///path",
            ),
            UrlErrorKind::TwoSources => {
                f.write_str("only one can be asked for the servers: one config+, dns+ or dnssrv+")
            }
            UrlErrorKind::SourceInList => f.write_str(
                "who knows the servers is named in a URL, not in a list of servers: \
                 memcached://config+host:port",
            ),
            UrlErrorKind::Path => f.write_str(
                "a path cannot follow hosts; a Unix socket among them is written unix:%2Fpath",
            ),
            UrlErrorKind::RelativePath => {
                f.write_str("a path must begin with /: memcached+unix:///path, with three slashes")
            }
            UrlErrorKind::Address(error) => error.fmt(f),
            UrlErrorKind::Weight => f.write_str(
                "a * must be followed by a weight, a whole number from 0 to 2147483647; in a path of a URL \
                 * is written %2A",
            ),
            UrlErrorKind::UnknownParameter { nearest: Some(nearest) } => {
                write!(f, "there is no such parameter; did you mean {nearest}?")
            }
            UrlErrorKind::UnknownParameter { nearest: None } => {
                f.write_str("there is no such parameter; there are ")?;
                list(f, parameters::names())
            }
            UrlErrorKind::Repeated { parameter } => write!(f, "{parameter} is given twice"),
            UrlErrorKind::NoValue { parameter } => {
                write!(f, "{parameter} needs a value: {parameter}=...")
            }
            UrlErrorKind::Value { parameter } => match parameters::find(parameter) {
                Some((_, found)) => expected(f, parameter, &found.kind),
                None => write!(f, "{parameter} cannot have this value"),
            },
            UrlErrorKind::KeyPrefix(error) => write!(f, "the key prefix is no key: {error}"),
            UrlErrorKind::NotTls { parameter } => {
                write!(f, "{parameter} needs a URL that begins with memcached+tls://")
            }
        }
    }
}

fn expected(f: &mut fmt::Formatter<'_>, parameter: &str, kind: &Kind) -> fmt::Result {
    match kind {
        Kind::Time(_) => {
            write!(f, "{parameter} is a time, such as 500ms, 3s or 1.5 (seconds)")
        }
        Kind::Number(_) => write!(f, "{parameter} is a whole number up to {}", usize::MAX),
        Kind::Switch(_) => {
            write!(f, "{parameter} is one of true, false, 1, 0, yes, no, on, off")
        }
        Kind::KeyPrefix | Kind::Tls(_) => {
            write!(f, "{parameter} is text without control characters")
        }
        Kind::Name(names) => {
            write!(f, "{parameter} is one of ")?;
            list(f, names.iter().map(|(name, _)| *name))
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, names: impl Iterator<Item = &'static str>) -> fmt::Result {
    for (number, name) in names.enumerate() {
        let comma = if number == 0 { "" } else { ", " };
        write!(f, "{comma}{name}")?;
    }
    Ok(())
}
