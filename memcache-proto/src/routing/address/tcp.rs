//! Addresses made of what they consist of, where nobody has written them down as one text.

use alloc::format;
use alloc::string::ToString;
use core::net::{Ipv6Addr, SocketAddr};

use super::{AddressError, Family, Place, ServerAddress, check_host};

impl ServerAddress {
    /// The address of a TCP port. `host` is a name or a numeric address, of IPv6 without brackets. It is never
    /// read as anything else, whatever it is called: `unix` is a host here.
    ///
    /// ```
    /// use memcache_proto::routing::ServerAddress;
    ///
    /// assert_eq!(ServerAddress::tcp("10.0.0.1", 11211)?, ServerAddress::parse("10.0.0.1")?);
    /// assert_eq!(ServerAddress::tcp("::1", 5)?.to_string(), "[::1]:5");
    /// # Ok::<(), memcache_proto::routing::AddressError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AddressError`] if the host is empty or holds what no host does, or the port is 0.
    pub fn tcp(host: &str, port: u16) -> Result<Self, AddressError> {
        let text = format!("{host}:{port}");
        if let Some((position, found)) = host.char_indices().find(|(_, c)| c.is_control()) {
            return Err(AddressError::Forbidden { text: text.into(), found, position });
        }
        let (address, _) = host.split_once('%').unwrap_or((host, ""));
        let family = match address.parse::<Ipv6Addr>() {
            Ok(_) => Family::V6,
            Err(_) if host.contains([':', '[', ']']) => {
                return Err(AddressError::Malformed { text: text.into() });
            }
            Err(_) => Family::Any,
        };
        check_host(host, family, &text)?;
        match port {
            0 => Err(AddressError::Port { text: text.into(), port: "0".into() }),
            _ => Ok(ServerAddress(Place::Tcp { host: host.into(), port, family })),
        }
    }
}

impl TryFrom<SocketAddr> for ServerAddress {
    type Error = AddressError;

    /// Fails only if the port is 0.
    fn try_from(address: SocketAddr) -> Result<Self, AddressError> {
        let host = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            address => address.ip().to_string(),
        };
        ServerAddress::tcp(&host, address.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::Endpoint;

    #[test]
    fn a_host_and_a_port_are_nothing_else() {
        let cases = [
            ("h", 1, Ok((Family::Any, "h:1"))),
            ("10.0.0.1", 65535, Ok((Family::Any, "10.0.0.1:65535"))),
            ("::1", 1, Ok((Family::V6, "[::1]:1"))),
            ("fe80::1%2", 1, Ok((Family::V6, "[fe80::1%2]:1"))),
            // None of these is what the whole text would be read as.
            ("unix", 1, Ok((Family::Any, "unix:1"))),
            ("inet", 1, Ok((Family::Any, "inet:1"))),
            ("h", 0, Err("has \"0\" for a port")),
            ("", 1, Err("names no host")),
            ("unix:/run/x", 1, Err("is not of the form")),
            ("inet6:[::1]", 1, Err("is not of the form")),
            ("[::1]", 1, Err("is not of the form")),
            ("h:2", 1, Err("is not of the form")),
            ("::1%", 1, Err("is not of the form")),
            ("/run/x", 1, Err("holds '/'")),
            ("a b", 1, Err("holds ' '")),
            ("a\r\nb", 1, Err("holds '\\r'")),
        ];
        for (host, port, expected) in cases {
            match (ServerAddress::tcp(host, port), expected) {
                (Ok(address), Ok((family, shown))) => {
                    assert_eq!(address.endpoint(), Endpoint::Tcp { host, port, family }, "{host}");
                    assert_eq!(address.to_string(), shown);
                }
                (Err(error), Err(words)) => {
                    assert!(error.to_string().contains(words), "{host:?}: {error}");
                }
                (found, expected) => panic!("{host:?}: {found:?}, not {expected:?}"),
            }
        }
        for text in ["10.0.0.1:5", "[::1]:5", "[fe80::1%7]:5"] {
            let address = ServerAddress::try_from(text.parse::<SocketAddr>().unwrap()).unwrap();
            assert_eq!(address, ServerAddress::parse(text).unwrap());
        }
    }
}
