//! Addresses of servers, from text.

use std::net::Ipv6Addr;

use memcache_proto::routing::{Endpoint, Family, ServerAddress};

/// Takes the bytes for the text of an address.
///
/// # Panics
///
/// Panics if an address that can be read does not read as itself when it is displayed.
pub fn addresses(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let address = match ServerAddress::parse(&text) {
        Ok(address) => address,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "an error says what is wrong");
            return;
        }
    };
    if is_shown_as_another(address.endpoint()) {
        return;
    }
    let shown = address.to_string();
    let again = ServerAddress::parse(&shown);
    let again = again.unwrap_or_else(|error| panic!("{text:?} displays as {shown:?}: {error}"));
    // Which family is meant is not displayed in all cases.
    match (address.endpoint(), again.endpoint()) {
        (Endpoint::Tcp { host, port, .. }, Endpoint::Tcp { host: again, port: port_again, .. }) => {
            assert_eq!((host, port), (again, port_again), "{text:?} displays as {shown:?}");
            assert!(port > 0 && !host.is_empty(), "{text:?}");
            assert!(!host.contains(char::is_whitespace), "{text:?}");
        }
        (Endpoint::Unix { path }, Endpoint::Unix { path: again }) => {
            assert_eq!(path, again, "{text:?} displays as {shown:?}");
            assert!(!path.is_empty(), "{text:?}");
        }
        (address, again) => panic!("{text:?} is {address:?} and displays as {again:?}"),
    }
    assert_eq!(again.to_string(), shown);
}

/// Whether python-memcached's name for it is that of another place: those that its documentation names.
fn is_shown_as_another(endpoint: Endpoint<'_>) -> bool {
    match endpoint {
        Endpoint::Tcp { host, family: Family::V6, .. } => {
            host.split('%').next().is_none_or(|address| address.parse::<Ipv6Addr>().is_err())
        }
        Endpoint::Tcp { host, .. } => matches!(host, "unix" | "inet"),
        _ => false,
    }
}
