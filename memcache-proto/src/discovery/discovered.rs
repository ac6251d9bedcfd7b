use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::routing::{AddressError, Endpoint, Server, ServerAddress};

/// The servers that somebody told of when he was asked.
///
/// ```
/// use memcache_proto::discovery::Discovered;
///
/// let found = Discovered::parse(["10.0.0.1:11211", "10.0.0.2:11211"])?.with_version(7);
/// assert_eq!((found.servers.len(), found.version), (2, Some(7)));
/// # Ok::<(), memcache_proto::routing::AddressError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discovered {
    /// The servers, in any order.
    pub servers: Vec<Server>,
    /// The number of this list, if lists are numbered. A list with a lower number than the one before it is
    /// refused: whoever sent it does not know yet what has changed.
    pub version: Option<u64>,
}

impl Discovered {
    /// These servers, without a version.
    pub fn new<S: Into<Server>>(servers: impl IntoIterator<Item = S>) -> Self {
        let servers = servers.into_iter().map(Into::into).collect();
        Discovered { servers, version: None }
    }

    /// The servers of these addresses, each of weight 1, without a version. An address is what
    /// [`ServerAddress`] takes.
    ///
    /// # Errors
    ///
    /// [`AddressError`] says what is wrong with the first that is not an address.
    pub fn parse<A: AsRef<str>>(
        addresses: impl IntoIterator<Item = A>,
    ) -> Result<Self, AddressError> {
        let servers = addresses.into_iter().map(|address| ServerAddress::parse(address.as_ref()));
        Ok(Discovered::new(servers.collect::<Result<Vec<_>, _>>()?))
    }

    /// The servers at these addresses, each of weight 1, which the host of `address` has been resolved to: those
    /// of its family.
    ///
    /// # Errors
    ///
    /// [`AddressError`] if a port is 0.
    pub fn of_addresses(
        address: &ServerAddress,
        resolved: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Self, AddressError> {
        let is_fit = |resolved: &SocketAddr| match address.endpoint() {
            Endpoint::Tcp { family, .. } => family.admits(resolved.ip()),
            Endpoint::Unix { .. } => false,
        };
        let servers = resolved.into_iter().filter(is_fit).map(ServerAddress::try_from);
        Ok(Discovered::new(servers.collect::<Result<Vec<_>, _>>()?))
    }

    /// The servers of these SRV records, each of weight 1: the host and the port of each. A host may end in the dot of
    /// the root. A record of the root alone says that there is no such service, so it is no server.
    ///
    /// # Errors
    ///
    /// [`AddressError`] if a host is none, or a port is 0.
    pub fn of_srv<H: AsRef<str>>(
        records: impl IntoIterator<Item = (H, u16)>,
    ) -> Result<Self, AddressError> {
        let mut servers = Vec::new();
        for (host, port) in records {
            let host = host.as_ref();
            let name = host.strip_suffix('.').unwrap_or(host);
            if !name.is_empty() {
                servers.push(ServerAddress::tcp(name, port)?);
            }
        }
        Ok(Discovered::new(servers))
    }

    /// The same servers, as the list of this number.
    #[must_use]
    pub fn with_version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};

    #[test]
    fn a_host_has_the_servers_of_its_family() {
        let resolved = ["10.0.0.2:1", "[::1]:1", "10.0.0.1:1"];
        let cases = [
            ("h:1", "10.0.0.2:1 [::1]:1 10.0.0.1:1"),
            ("inet:h:1", "10.0.0.2:1 10.0.0.1:1"),
            ("inet6:[h]:1", "[::1]:1"),
            ("unix:/h", ""),
        ];
        for (address, expected) in cases {
            let address = ServerAddress::parse(address).unwrap();
            let resolved = resolved.iter().map(|text| text.parse().unwrap());
            let found = Discovered::of_addresses(&address, resolved).unwrap();
            let found = found.servers.iter().map(|server| server.address.to_string());
            assert_eq!(found.collect::<Vec<String>>().join(" "), expected, "{address}");
        }
    }

    #[test]
    fn a_record_is_a_host_and_a_port() {
        type Records<'a> = &'a [(&'a str, u16)];
        let cases: [(Records<'_>, Option<&str>); 5] = [
            (&[("b.example.", 2), ("a.example", 1)], Some("b.example:2 a.example:1")),
            (&[(".", 0), ("a.", 1)], Some("a:1")),
            (&[], Some("")),
            (&[("a.", 0)], None),
            (&[("a/b.", 1)], None),
        ];
        for (records, expected) in cases {
            let found = Discovered::of_srv(records.iter().copied()).ok().map(|found| {
                let found = found.servers.iter().map(|server| server.address.to_string());
                found.collect::<Vec<String>>().join(" ")
            });
            assert_eq!(found.as_deref(), expected, "{records:?}");
        }
    }
}
