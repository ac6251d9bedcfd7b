use alloc::string::{String, ToString};
use alloc::vec::{self, Vec};
use core::fmt;
use core::str::FromStr;

use super::piece::Piece;
use super::{UrlError, UrlErrorKind, values};
use crate::discovery::Source;
use crate::routing::{AddressError, Endpoint, Server, ServerAddress};

/// What stands between the servers of a list. Django's `LOCATION` has either.
pub(super) const SEPARATORS: &[char] = &[',', ';'];

/// Servers as one text: addresses, each followed by `*` and its weight if that is not 1, with commas or
/// semicolons between them.
///
/// An address is what [`ServerAddress`] takes. Spaces around it do not count. A path that holds a comma, a
/// semicolon or a `*` cannot stand in such a list.
///
/// It goes wherever servers are taken:
///
/// ```
/// use memcache_proto::calls::ServerList;
/// use memcache_proto::routing::Server;
///
/// let list = ServerList::parse("10.0.0.1, 10.0.0.2:11212*2, unix:/run/memcached.sock")?;
/// assert_eq!(list.to_string(), "10.0.0.1:11211,10.0.0.2:11212*2,unix:/run/memcached.sock");
/// let servers: Vec<Server> = list.into_iter().collect();
/// assert_eq!(servers[1].weight, 2);
///
/// let error = ServerList::parse("10.0.0.1, 10.0.0.2:http").unwrap_err();
/// assert_eq!(error.position(), 19); // that of "http"
/// # Ok::<(), memcache_proto::calls::UrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerList(Vec<Server>);

impl ServerList {
    /// Reads a list of at least one server.
    ///
    /// # Errors
    ///
    /// [`UrlError`] says what is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let list = Piece::new(text);
        // A URL, most likely: what stands before the @ may be a password.
        if let Some((before, _)) = list.split_once(&['@']) {
            let at = before.start + before.text.len();
            return Err(UrlError::hidden(UrlErrorKind::AtSign, at));
        }
        if list.trim().text.is_empty() {
            return Err(list.error(UrlErrorKind::NoServers));
        }
        let decode = |address: Piece<'_>| Ok(address.trim().text.to_string());
        let servers = list.split(SEPARATORS).map(|item| {
            let item = item.trim();
            match source(item, decode)? {
                None => server(item, decode),
                Some(_) => Err(item.error(UrlErrorKind::SourceInList)),
            }
        });
        servers.collect::<Result<_, _>>().map(ServerList)
    }

    /// The servers.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.0
    }
}

impl FromStr for ServerList {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        ServerList::parse(text)
    }
}

impl IntoIterator for ServerList {
    type Item = Server;
    type IntoIter = vec::IntoIter<Server>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for ServerList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, server) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{}{}", address_text(&server.address), Weight(server.weight))?;
        }
        Ok(())
    }
}

/// Who knows the servers, if that is what stands in a list in place of one.
pub(super) fn source<'t>(
    item: Piece<'t>,
    decode: impl FnOnce(Piece<'t>) -> Result<String, UrlError>,
) -> Result<Option<Source>, UrlError> {
    match Source::parse(&decode(item)?) {
        None => Ok(None),
        Some(Ok(source)) => Ok(Some(source)),
        Some(Err(error)) => Err(item.error(UrlErrorKind::Address(error))),
    }
}

/// One server of a list. `decode` makes the address of the text that stands for it.
pub(super) fn server<'t>(
    item: Piece<'t>,
    decode: impl FnOnce(Piece<'t>) -> Result<String, UrlError>,
) -> Result<Server, UrlError> {
    let (address, weight) = match item.rsplit_once('*') {
        Some((address, weight)) => match values::weight(weight.trim().text) {
            Some(number) => (address, number),
            None => return Err(weight.trim().error(UrlErrorKind::Weight)),
        },
        None => (item, 1),
    };
    let decoded = decode(address)?;
    match ServerAddress::parse(&decoded) {
        Ok(parsed) => Ok(Server::from((parsed, weight))),
        Err(error) => {
            // The place within the address, where it was not encoded.
            let offset = match &error {
                _ if address.text.trim() != decoded => 0,
                AddressError::Forbidden { position, .. } => *position,
                AddressError::Port { text, port } => text.len().saturating_sub(port.len()),
                _ => 0,
            };
            let place = address.from(offset).unwrap_or(address);
            Err(place.error(UrlErrorKind::Address(error)))
        }
    }
}

/// A text that is parsed as this very address, which not every displayed address is.
pub(super) fn address_text(address: &ServerAddress) -> String {
    let shown = address.to_string();
    let is_same = |text: &str| ServerAddress::parse(text).as_ref() == Ok(address);
    if is_same(&shown) {
        return shown;
    }
    for family in ["inet:", "inet6:"] {
        let text = [family, &shown].concat();
        if is_same(&text) {
            return text;
        }
    }
    // A host called like a family, which cannot have a port.
    match address.endpoint() {
        Endpoint::Tcp { host, .. } => host.into(),
        Endpoint::Unix { .. } => shown,
    }
}

/// A server's weight as it follows its address.
pub(super) struct Weight(pub(super) i32);

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => Ok(()),
            weight => write!(f, "*{weight}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_addresses_with_weights() {
        let cases = [
            ("h", "h:11211"),
            ("a,b", "a:11211,b:11211"),
            ("a;b", "a:11211,b:11211"),
            (" a , b:1 * 2 ,c*0", "a:11211,b:1*2,c:11211*0"),
            ("a*1", "a:11211"),
            ("a*2147483647", "a:11211*2147483647"),
            ("[::1]:5*3, inet6:[::1], inet6:[h]", "[::1]:5*3,[::1]:11211,inet6:[h]:11211"),
            ("inet:h, unix, inet, unix:/a b", "inet:h:11211,unix,inet,unix:/a b"),
            ("/run/m.sock*2", "unix:/run/m.sock*2"),
        ];
        for (text, expected) in cases {
            let list = ServerList::parse(text).unwrap();
            assert_eq!(list.to_string(), expected, "{text:?}");
            assert_eq!(ServerList::parse(expected), Ok(list), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_list_is_pointed_at() {
        use UrlErrorKind::{AtSign, NoServers, Weight};

        let cases: &[(&str, UrlErrorKind, usize, Option<&str>)] = &[
            ("", NoServers, 0, Some("")),
            ("  ", NoServers, 0, Some("  ")),
            ("a,", UrlErrorKind::Address(AddressError::Empty), 2, Some("")),
            ("a,,b", UrlErrorKind::Address(AddressError::Empty), 2, Some("")),
            ("*2", UrlErrorKind::Address(AddressError::Empty), 0, Some("")),
            ("a, b*", Weight, 5, Some("")),
            ("a, b*x", Weight, 5, Some("x")),
            ("a*-1", Weight, 2, Some("-1")),
            ("a*1.5", Weight, 2, Some("1.5")),
            ("a*2147483648,b", Weight, 2, Some("2147483648")),
            ("a, dns+b", UrlErrorKind::SourceInList, 3, Some("dns+b")),
            ("memcached://user:pw@a", AtSign, 19, None),
        ];
        for (text, kind, position, quoted) in cases {
            let error = ServerList::parse(text).unwrap_err();
            assert_eq!(error.kind(), kind, "{text:?}");
            assert_eq!((error.position(), error.text()), (*position, *quoted), "{text:?}");
        }
        let places = [("a, b:x", 5), ("a, b:1,c:70000*2", 9), ("a, b c*2", 4), ("a, ::1", 3)];
        for (text, position) in places {
            let error = ServerList::parse(text).unwrap_err();
            assert!(matches!(error.kind(), UrlErrorKind::Address(_)), "{text:?}: {error}");
            assert_eq!(error.position(), position, "{text:?}: {error}");
        }
    }
}
