mod tcp;

use alloc::boxed::Box;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::str::FromStr;

/// The port of an address that names none.
pub const DEFAULT_PORT: u16 = 11211;

/// Where a server listens, read from the text that python-memcached takes.
///
/// | text | meaning |
/// |---|---|
/// | `unix:PATH` | a Unix socket |
/// | `inet6:[HOST]`, `inet6:[HOST]:PORT` | IPv6 only |
/// | `inet:HOST`, `inet:HOST:PORT` | IPv4 only |
/// | `HOST`, `HOST:PORT` | any family |
/// | `[ADDRESS]`, `[ADDRESS]:PORT` | IPv6, as a [`SocketAddr`](core::net::SocketAddr) is displayed |
/// | `/PATH` | a Unix socket |
///
/// The whole text must fit; a port left out is [`DEFAULT_PORT`]. HOST is a name or a numeric address,
/// kept as given and resolved at each connect. The last two forms are not python-memcached's: it
/// refuses the one and takes the other for the name of a host. It reads a bare `HOST` as IPv4 only; here
/// every address that the name resolves to may be tried. It also takes what can never be connected to
/// (port 0 or one over 65535, an empty path, spaces, slashes and control characters in a host), which is refused
/// here.
///
/// ```
/// use memcache_proto::routing::{Endpoint, Family, ServerAddress};
///
/// let address: ServerAddress = "inet6:[::1]:11212".parse()?;
/// assert_eq!(address.endpoint(), Endpoint::Tcp { host: "::1", port: 11212, family: Family::V6 });
/// assert_eq!(address.to_string(), "[::1]:11212");
/// assert_eq!("[::1]:11212".parse::<ServerAddress>()?, address);
/// # Ok::<(), memcache_proto::routing::AddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServerAddress(Place);

impl ServerAddress {
    /// Reads an address from its text.
    ///
    /// # Errors
    ///
    /// [`AddressError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if let Some((position, found)) = text.char_indices().find(|(_, c)| c.is_control()) {
            return Err(AddressError::Forbidden { text: text.into(), found, position });
        }
        place(text).map(ServerAddress)
    }

    /// What to connect to.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint<'_> {
        match &self.0 {
            Place::Tcp { host, port, family } => {
                Endpoint::Tcp { host, port: *port, family: *family }
            }
            Place::Unix { path } => Endpoint::Unix { path },
        }
    }

    /// The name that python-memcached gives the server in its results, `ip:port (weight)` for
    /// instance: the address as it is displayed, and its weight.
    #[must_use]
    pub fn stats_name(&self, weight: i32) -> StatsName<'_> {
        StatsName { address: self, weight }
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        ServerAddress::parse(text)
    }
}

impl fmt::Display for ServerAddress {
    /// `host:port`, `[host]:port` for an `inet6:` address, `unix:path`.
    ///
    /// This is the name that python-memcached gives a server. It reads as the same place again, though not
    /// as IPv4 only; but not if the host is called `unix` or `inet`, or is a name that must be IPv6.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Tcp { host, port, family: Family::V6 } => write!(f, "[{host}]:{port}"),
            Place::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            Place::Unix { path } => write!(f, "unix:{path}"),
        }
    }
}

impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerAddress").field(&self.endpoint()).finish()
    }
}

/// What an adapter connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint<'a> {
    /// A TCP port.
    Tcp {
        /// A name to resolve, or a numeric address, without brackets.
        host: &'a str,
        /// The port, never 0.
        port: u16,
        /// Which of the addresses of `host` may be tried.
        family: Family,
    },
    /// A Unix stream socket.
    Unix {
        /// Its path, never empty.
        path: &'a str,
    },
}

/// Which kinds of address a host may be resolved to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Every kind, in the order in which the resolver gives them.
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    /// Whether a host may be reached at this address.
    #[must_use]
    pub fn admits(self, address: IpAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        }
    }
}

/// A server's name in results, made by [`ServerAddress::stats_name`]; to be displayed.
#[derive(Clone, Copy, Debug)]
pub struct StatsName<'a> {
    address: &'a ServerAddress,
    weight: i32,
}

impl fmt::Display for StatsName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.address, self.weight)
    }
}

/// A server in a list of servers.
///
/// ```
/// use memcache_proto::routing::Server;
///
/// let even = Server::from("10.0.0.1:11211".parse::<memcache_proto::routing::ServerAddress>()?);
/// let twice = Server::from(("10.0.0.2:11211".parse()?, 2));
/// assert_eq!((even.weight, twice.weight), (1, 2));
/// assert_eq!(twice.stats_name().to_string(), "10.0.0.2:11211 (2)");
/// # Ok::<(), memcache_proto::routing::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// Where it listens.
    pub address: ServerAddress,
    /// Its share of the keys, relative to the other weights; 1 is usual. What it does depends on the
    /// [`Distribution`](super::Distribution). In python-memcached's, a server of weight 0 or less is
    /// given no keys, but is a server all the same: it can be asked for its statistics, or flushed.
    pub weight: i32,
}

impl Server {
    /// [`ServerAddress::stats_name`] with the server's weight.
    #[must_use]
    pub fn stats_name(&self) -> StatsName<'_> {
        self.address.stats_name(self.weight)
    }
}

impl From<ServerAddress> for Server {
    /// A server of weight 1.
    fn from(address: ServerAddress) -> Self {
        Server { address, weight: 1 }
    }
}

impl From<(ServerAddress, i32)> for Server {
    fn from((address, weight): (ServerAddress, i32)) -> Self {
        Server { address, weight }
    }
}

/// Why a text is no server address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// The text is empty.
    Empty,
    /// The text holds a control character, or a space or a slash in a host.
    Forbidden {
        /// The text.
        text: Box<str>,
        /// The first such character.
        found: char,
        /// Where it stands, counted in bytes from 0.
        position: usize,
    },
    /// Nothing stands where the host or the path should.
    MissingHost {
        /// The text.
        text: Box<str>,
    },
    /// What follows the colon is no number from 1 to 65535.
    Port {
        /// The text.
        text: Box<str>,
        /// What stands where the port should.
        port: Box<str>,
    },
    /// More colons than one host and one port need, or brackets that do not pair: an IPv6 address
    /// without brackets, for instance.
    Malformed {
        /// The text.
        text: Box<str>,
    },
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Empty => write!(f, "the server address is empty"),
            AddressError::Forbidden { text, found, position } => write!(
                f,
                "the server address {text:?} holds {found:?} at position {position}, which is not allowed",
            ),
            AddressError::MissingHost { text } => {
                write!(f, "the server address {text:?} names no host or path")
            }
            AddressError::Port { text, port } => write!(
                f,
                "the server address {text:?} has {port:?} for a port; expected 1 to 65535, or no colon for {DEFAULT_PORT}",
            ),
            AddressError::Malformed { text } => write!(
                f,
                "the server address {text:?} is not of the form HOST:PORT; an IPv6 address is written [ADDRESS]:PORT",
            ),
        }
    }
}

impl core::error::Error for AddressError {}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Place {
    Tcp { host: Box<str>, port: u16, family: Family },
    Unix { path: Box<str> },
}

fn place(text: &str) -> Result<Place, AddressError> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match path {
            "" => Err(AddressError::MissingHost { text: text.into() }),
            _ => Ok(Place::Unix { path: path.into() }),
        };
    }
    // No host has such a name.
    if text.starts_with('/') {
        return Ok(Place::Unix { path: text.into() });
    }
    // A text with one of these prefixes fits no later form: its host would be followed by something
    // that is no port, or by a second colon.
    let (host, port, family) = if let Some(rest) = bracketed(text) {
        match rest.split_once(']') {
            Some((host, "")) => (host, None, Family::V6),
            Some((host, tail)) => match tail.strip_prefix(':') {
                Some(port) => (host, Some(port), Family::V6),
                None => return Err(AddressError::Malformed { text: text.into() }),
            },
            None => return Err(AddressError::Malformed { text: text.into() }),
        }
    } else {
        let (rest, family) = match text.strip_prefix("inet:") {
            Some(rest) => (rest, Family::V4),
            None => (text, Family::Any),
        };
        match rest.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(AddressError::Malformed { text: text.into() });
            }
            Some((host, port)) => (host, Some(port), family),
            None => (rest, None, family),
        }
    };
    check_host(host, family, text)?;
    let port = match port {
        Some(port) => parse_port(port)
            .ok_or_else(|| AddressError::Port { text: text.into(), port: port.into() })?,
        None => DEFAULT_PORT,
    };
    Ok(Place::Tcp { host: host.into(), port, family })
}

/// What follows the bracket before an IPv6 address. Without `inet6:` it must be one: `[name]` is the name
/// of a host to python-memcached.
fn bracketed(text: &str) -> Option<&str> {
    text.strip_prefix("inet6:[").or_else(|| {
        let rest = text.strip_prefix('[')?;
        let (address, _) = rest.split_once(']')?;
        let (address, zone) = address.split_once('%').unwrap_or((address, "zone"));
        (!zone.is_empty() && address.parse::<Ipv6Addr>().is_ok()).then_some(rest)
    })
}

fn check_host(host: &str, family: Family, text: &str) -> Result<(), AddressError> {
    if host.is_empty() {
        return Err(AddressError::MissingHost { text: text.into() });
    }
    // A path where a host should be reads as a Unix socket when it is displayed.
    if let Some(found) = host.chars().find(|&c| c.is_whitespace() || c == '/') {
        let position = text.find(found).unwrap_or_default();
        return Err(AddressError::Forbidden { text: text.into(), found, position });
    }
    // An address whose zone has no name is none.
    if family == Family::V6 && (host.contains('[') || host.ends_with('%')) {
        return Err(AddressError::Malformed { text: text.into() });
    }
    Ok(())
}

/// Digits only, where `u16::from_str` would also take a sign.
fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_family_admits_its_own_addresses() {
        let cases = [("127.0.0.1", [true, true, false]), ("::1", [true, false, true])];
        for (address, expected) in cases {
            let admits = |family: Family| family.admits(address.parse().unwrap());
            assert_eq!([Family::Any, Family::V4, Family::V6].map(admits), expected, "{address}");
        }
    }

    /// What python-memcached 1.62 reads from the same texts (`_Host`), the family of a bare host
    /// aside.
    #[test]
    fn the_grammar_is_that_of_python_memcached() {
        let tcp = |host, port, family| Endpoint::Tcp { host, port, family };
        let cases = [
            ("unix:/a b", Endpoint::Unix { path: "/a b" }, "unix:/a b (3)"),
            ("unix:a:1", Endpoint::Unix { path: "a:1" }, "unix:a:1 (3)"),
            ("unix", tcp("unix", 11211, Family::Any), "unix:11211 (3)"),
            ("inet6:[::1]", tcp("::1", 11211, Family::V6), "[::1]:11211 (3)"),
            ("inet6:[::1]:5", tcp("::1", 5, Family::V6), "[::1]:5 (3)"),
            ("inet6:[fe80::1%eth0]:7", tcp("fe80::1%eth0", 7, Family::V6), "[fe80::1%eth0]:7 (3)"),
            ("inet6:[localhost]", tcp("localhost", 11211, Family::V6), "[localhost]:11211 (3)"),
            ("inet6:80", tcp("inet6", 80, Family::Any), "inet6:80 (3)"),
            ("inet6", tcp("inet6", 11211, Family::Any), "inet6:11211 (3)"),
            ("inet:h", tcp("h", 11211, Family::V4), "h:11211 (3)"),
            ("inet:h:1", tcp("h", 1, Family::V4), "h:1 (3)"),
            ("inet:80", tcp("80", 11211, Family::V4), "80:11211 (3)"),
            ("inet", tcp("inet", 11211, Family::Any), "inet:11211 (3)"),
            ("h", tcp("h", 11211, Family::Any), "h:11211 (3)"),
            ("127.0.0.1:1", tcp("127.0.0.1", 1, Family::Any), "127.0.0.1:1 (3)"),
            ("h:00080", tcp("h", 80, Family::Any), "h:80 (3)"),
            ("h:65535", tcp("h", 65535, Family::Any), "h:65535 (3)"),
            ("[h]:1", tcp("[h]", 1, Family::Any), "[h]:1 (3)"),
            ("h\u{fc}:1", tcp("h\u{fc}", 1, Family::Any), "h\u{fc}:1 (3)"),
        ];
        for (text, endpoint, name) in cases {
            let server = Server::from((ServerAddress::parse(text).unwrap(), 3));
            assert_eq!(server.address.endpoint(), endpoint, "{text}");
            assert_eq!(server.stats_name().to_string(), name, "{text}");
        }
    }

    /// python-memcached refuses what is in brackets, and looks the path up as the name of a host.
    #[test]
    fn what_everybody_writes_for_ipv6_and_unix_sockets_is_taken() {
        let v6 = |host, port| Endpoint::Tcp { host, port, family: Family::V6 };
        let cases = [
            ("[::1]:11212", v6("::1", 11212), "[::1]:11212"),
            ("[::1]", v6("::1", 11211), "[::1]:11211"),
            ("[2001:db8::7]:1", v6("2001:db8::7", 1), "[2001:db8::7]:1"),
            ("[::ffff:127.0.0.1]:1", v6("::ffff:127.0.0.1", 1), "[::ffff:127.0.0.1]:1"),
            ("[fe80::1%eth0]:7", v6("fe80::1%eth0", 7), "[fe80::1%eth0]:7"),
            (
                "/run/memcached.sock",
                Endpoint::Unix { path: "/run/memcached.sock" },
                "unix:/run/memcached.sock",
            ),
            ("/a b:1", Endpoint::Unix { path: "/a b:1" }, "unix:/a b:1"),
        ];
        for (text, endpoint, shown) in cases {
            let address = ServerAddress::parse(text).unwrap();
            assert_eq!(address.endpoint(), endpoint, "{text}");
            assert_eq!(address.to_string(), shown, "{text}");
            // What is displayed is an address, too: the same one.
            assert_eq!(ServerAddress::parse(shown).as_ref(), Ok(&address), "{text}");
        }
        for socket in ["[::1]:11211", "127.0.0.1:1", "[fe80::1%3]:7"] {
            let socket: core::net::SocketAddr = socket.parse().unwrap();
            let address = ServerAddress::parse(&socket.to_string()).unwrap();
            let Endpoint::Tcp { host, port, family } = address.endpoint() else {
                panic!("{socket}")
            };
            let (ip, _) = host.split_once('%').unwrap_or((host, ""));
            assert_eq!((ip.parse(), port), (Ok(socket.ip()), socket.port()));
            assert!(family.admits(socket.ip()));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        let forbidden = |found, position| {
            move |text: &str| AddressError::Forbidden { text: text.into(), found, position }
        };
        let port = |port: &'static str| {
            move |text: &str| AddressError::Port { text: text.into(), port: port.into() }
        };
        let missing = |text: &str| AddressError::MissingHost { text: text.into() };
        let malformed = |text: &str| AddressError::Malformed { text: text.into() };
        type Expected<'a> = &'a dyn Fn(&str) -> AddressError;
        let cases: &[(&str, Expected<'_>)] = &[
            ("", &|_| AddressError::Empty),
            ("unix:", &missing),
            ("unix:/a\0", &forbidden('\0', 7)),
            ("h\n", &forbidden('\n', 1)),
            ("h:1\n", &forbidden('\n', 3)),
            ("h\u{85}", &forbidden('\u{85}', 1)),
            (" h", &forbidden(' ', 0)),
            ("inet:h h:1", &forbidden(' ', 6)),
            ("h:1 ", &port("1 ")),
            ("h:", &port("")),
            ("h:0", &port("0")),
            ("h:65536", &port("65536")),
            ("h:+1", &port("+1")),
            ("h:-1", &port("-1")),
            ("h:\u{661}", &port("\u{661}")),
            ("inet:", &missing),
            ("inet6:", &port("")),
            ("inet6:a", &port("a")),
            (":1", &missing),
            ("inet::1", &missing),
            ("inet6:[]", &missing),
            ("inet6:[]:1", &missing),
            ("inet6:[::1]:", &port("")),
            ("inet6:[::1]:x", &port("x")),
            ("::1", &malformed),
            ("[::1]:", &port("")),
            ("[::1]:0", &port("0")),
            ("[::1]x", &malformed),
            ("[::1]1", &malformed),
            ("[::1", &malformed),
            ("[::g]:1", &malformed),
            ("[::1%]:1", &malformed),
            ("inet6:[::1%]", &malformed),
            ("inet6:[::1%]:1", &malformed),
            ("[fe80::1%a b]:1", &forbidden(' ', 10)),
            ("/a\n", &forbidden('\n', 2)),
            ("inet:/a", &forbidden('/', 5)),
            ("inet:/a:1", &forbidden('/', 5)),
            ("a/b:1", &forbidden('/', 1)),
            ("inet6:[/a]:1", &forbidden('/', 7)),
            ("inet:[::1]:1", &malformed),
            ("inet6:[[a]:1", &malformed),
            ("inet6:[a]]:1", &malformed),
            ("inet6:[::1", &malformed),
            ("inet6:[::1]x", &malformed),
            ("inet6:::1", &malformed),
            ("h:1:2", &malformed),
        ];
        for (text, expected) in cases {
            let error = text.parse::<ServerAddress>().unwrap_err();
            assert_eq!(error, expected(text), "{text:?}");
            assert!(error.to_string().is_ascii() || !text.is_ascii(), "{error}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_write_instead() {
        assert_eq!(
            ServerAddress::parse("::1").unwrap_err().to_string(),
            "the server address \"::1\" is not of the form HOST:PORT; \
             an IPv6 address is written [ADDRESS]:PORT",
        );
    }
}
