use alloc::boxed::Box;
use core::fmt;

use crate::routing::{AddressError, ServerAddress};

/// Who knows the servers, as a URL names it.
///
/// ```
/// use memcache_proto::discovery::Source;
///
/// let source = Source::parse("config+my-cluster.cfg.example:11211").expect("a source")?;
/// assert!(matches!(&source, Source::Config(address) if address.to_string() == "my-cluster.cfg.example:11211"));
/// assert!(Source::parse("10.0.0.1:11211").is_none());
/// # Ok::<(), memcache_proto::routing::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// `config+host:port`: a configuration endpoint.
    Config(ServerAddress),
    /// `dns+host:port`: every address of a host is a server.
    Dns(ServerAddress),
    /// `dnssrv+name`: every SRV record of a name is a server.
    Srv(Box<str>),
}

const CONFIG: &str = "config+";
const DNS: &str = "dns+";
const SRV: &str = "dnssrv+";

impl Source {
    /// The source that a text names; `None` if it begins as none does, so that it may be a server's address.
    ///
    /// # Errors
    ///
    /// [`AddressError`] says what is wrong with what stands behind the `+`.
    pub fn parse(text: &str) -> Option<Result<Self, AddressError>> {
        if let Some(address) = text.strip_prefix(CONFIG) {
            return Some(ServerAddress::parse(address).map(Source::Config));
        }
        if let Some(address) = text.strip_prefix(DNS) {
            return Some(ServerAddress::parse(address).map(Source::Dns));
        }
        let name = text.strip_prefix(SRV)?;
        // A host without a port, whatever else an address may be.
        Some(ServerAddress::tcp(name, 1).map(|_| Source::Srv(name.into())))
    }
}

impl fmt::Display for Source {
    /// As [`parse`](Self::parse) reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Config(address) => write!(f, "{CONFIG}{address}"),
            Source::Dns(address) => write!(f, "{DNS}{address}"),
            Source::Srv(name) => write!(f, "{SRV}{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_source_is_named_before_a_plus() {
        let cases = [
            ("config+h", Some("config+h:11211")),
            ("config+h:1", Some("config+h:1")),
            ("config+unix:/run/x", Some("config+unix:/run/x")),
            ("dns+h:1", Some("dns+h:1")),
            ("dnssrv+_memcache._tcp.example.org", Some("dnssrv+_memcache._tcp.example.org")),
            ("h", None),
            ("other+h", None),
            ("config", None),
        ];
        for (text, expected) in cases {
            let source = Source::parse(text).map(|source| source.unwrap().to_string());
            assert_eq!(source.as_deref(), expected, "{text}");
        }
        for text in ["config+", "config+h:x", "dns+", "dnssrv+", "dnssrv+a:1", "dnssrv+a b"] {
            assert!(matches!(Source::parse(text), Some(Err(_))), "{text}");
        }
    }
}
