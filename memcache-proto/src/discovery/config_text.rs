//! The text of a cluster's configuration, as configuration endpoints send it.

use alloc::vec::Vec;

use super::{Discovered, DiscoveryError};
use crate::routing::{Server, ServerAddress};
use crate::{Excerpt, Limits};

impl Discovered {
    /// Reads the text that a configuration endpoint sends: a line with a version, and a line of servers
    /// with spaces between them, each `host|address|port`. The host is used, and the address if there is no host.
    ///
    /// The form is that of ElastiCache, and of others that do as it does. Nothing of a text is read that is not
    /// of this form: a list that is wrong in one place is not to be trusted in another.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError::Version`] or [`DiscoveryError::Server`] where the text is of another form,
    /// [`DiscoveryError::TooMany`] if it has more servers than [`Limits::max_servers`].
    pub fn of_config(text: &[u8], limits: &Limits) -> Result<Self, DiscoveryError> {
        let mut lines = text.split(|&byte| byte == b'\n').map(|line| line.trim_ascii());
        let line = lines.next().unwrap_or_default();
        let version =
            number(line).ok_or_else(|| DiscoveryError::Version { line: Excerpt::of(line) })?;
        let line = lines.next().unwrap_or_default();
        if let Some(more) = lines.find(|line| !line.is_empty()) {
            return Err(DiscoveryError::Server { text: Excerpt::of(more) });
        }
        let mut servers = Vec::new();
        for text in line.split(|&byte| byte == b' ').filter(|text| !text.is_empty()) {
            if servers.len() == limits.max_servers {
                return Err(DiscoveryError::TooMany { max: limits.max_servers });
            }
            let address =
                server(text).ok_or_else(|| DiscoveryError::Server { text: Excerpt::of(text) })?;
            servers.push(Server::from(address));
        }
        Ok(Discovered { servers, version: Some(version) })
    }
}

/// `host|address|port`
fn server(text: &[u8]) -> Option<ServerAddress> {
    let mut fields = text.split(|&byte| byte == b'|');
    let (host, address, port) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() {
        return None;
    }
    let port = u16::try_from(number(port)?).ok()?;
    let host = if host.is_empty() { address } else { host };
    // What names a host on the wire is ASCII, and it will be shown.
    let is_plain = host.iter().all(u8::is_ascii_graphic);
    let host = core::str::from_utf8(host).ok().filter(|_| is_plain)?;
    ServerAddress::tcp(host, port).ok()
}

/// Digits only.
fn number(text: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(text).ok()?;
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::{String, ToString};

    fn read(text: &[u8]) -> Result<(u64, Vec<String>), DiscoveryError> {
        let limits = Limits { max_servers: 3, ..Limits::default() };
        let found = Discovered::of_config(text, &limits)?;
        let servers = found.servers.iter().map(|server| server.address.to_string());
        Ok((found.version.unwrap(), servers.collect()))
    }

    #[test]
    fn a_configuration_is_a_version_and_servers() {
        let cases: &[(&[u8], u64, &[&str])] = &[
            (b"1\na|10.0.0.1|11211\n", 1, &["a:11211"]),
            (b"12\nb|10.0.0.2|2 a|10.0.0.1|1\n", 12, &["b:2", "a:1"]),
            // Without an address, without a host, with neither's form mattering to the other.
            (b"1\na.b-c_d.example||11211\n", 1, &["a.b-c_d.example:11211"]),
            (b"1\n|10.0.0.1|11211\n", 1, &["10.0.0.1:11211"]),
            (b"1\n|2001:db8::1|11211\n", 1, &["[2001:db8::1]:11211"]),
            (b"1\n::1|10.0.0.1|1\n", 1, &["[::1]:1"]),
            (b"1\na|any\xffthing|1\n", 1, &["a:1"]),
            // Whatever ends the lines, and however many spaces there are.
            (b"1\na||1", 1, &["a:1"]),
            (b"1\r\na||1\r\n\r\n", 1, &["a:1"]),
            (b" 1 \n  a||1   b||1  \n", 1, &["a:1", "b:1"]),
            (b"18446744073709551615\na||65535\n\n\n", u64::MAX, &["a:65535"]),
            // A host of this name is no path.
            (b"1\nunix||1\n", 1, &["unix:1"]),
            // An empty list is refused elsewhere.
            (b"0\n\n", 0, &[]),
            (b"7", 7, &[]),
            (b"1\na||1 b||2 c||3\n", 1, &["a:1", "b:2", "c:3"]),
        ];
        for (text, version, servers) in cases {
            let expected = servers.iter().map(|&server| server.into()).collect();
            assert_eq!(read(text), Ok((*version, expected)), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        let versions: &[&[u8]] = &[
            b"",
            b"\n",
            b"\na||1\n",
            b"a||1\n",
            b"-1\na||1\n",
            b"+1\na||1\n",
            b"1.5\na||1\n",
            b"1 2\na||1\n",
            b"18446744073709551616\na||1\n",
            b"\xff\na||1\n",
            b"\x001\na||1\n",
        ];
        for text in versions {
            let refused = matches!(read(text), Err(DiscoveryError::Version { .. }));
            assert!(refused, "{}", text.escape_ascii());
        }
        let servers: &[&[u8]] = &[
            b"a",
            b"a|",
            b"a|b",
            b"a|10.0.0.1|",
            b"|||",
            b"||11211",
            b"a||1|",
            b"a||1|2",
            b"a||0",
            b"a||65536",
            b"a||-1",
            b"a||+1",
            b"a||1x",
            b"a||99999999999999999999999",
            b"a:1||1",
            b"unix:/run/x||1",
            b"/run/x||1",
            b"[::1]||1",
            b"a\xc3\xa4||1",
            b"a\x1b[2J||1",
            b"a\0||1",
            b"a\t||1",
            b"a||1,b||1",
            b"|a\xff|1",
        ];
        for server in servers {
            let good = b"x||1".as_slice();
            for list in [server.to_vec(), [good, server].join(&b' '), [server, good].join(&b' ')] {
                let text = [b"1\n".as_slice(), &list, b"\n"].concat();
                let refused = matches!(read(&text), Err(DiscoveryError::Server { .. }));
                assert!(refused, "{}", text.escape_ascii());
            }
        }
        let third = read(b"1\na||1\nb||1\n");
        assert!(matches!(third, Err(DiscoveryError::Server { .. })), "a third line");
        assert_eq!(read(b"1\na||1 b||2 c||3 d||4\n"), Err(DiscoveryError::TooMany { max: 3 }));
    }

    /// What is told of a text is the beginning of it, and can do nothing to a terminal.
    #[test]
    fn a_hostile_text_is_shown_in_part() {
        let long = format!("1\n\u{1b}[2J{}\n", "x".repeat(100_000));
        let error = read(long.as_bytes()).unwrap_err().to_string();
        assert!(error.len() < 200 && error.contains("\\x1b[2Jxxx"), "{error}");
    }

    /// Of any bytes whatever nothing is read that could not be connected to.
    #[test]
    fn any_bytes_are_read_or_refused() {
        const TOKENS: [&str; 16] = [
            "|", "|", "|", "|", "|", "a", "9", "::1", "10.0.0.1", " ", ":", "/", "%", "[", "\n",
            "\u{fc}",
        ];
        let (mut state, mut read) = (1_u32, 0);
        for number in 0..50_000 {
            let tokens = (0..3 + number % 6).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                TOKENS[(state >> 16) as usize % TOKENS.len()]
            });
            let text = ["1\n".into(), tokens.collect::<String>()].concat();
            let Ok(found) = Discovered::of_config(text.as_bytes(), &Limits::default()) else {
                continue;
            };
            read += found.servers.len();
            for server in found.servers {
                let shown = server.address.to_string();
                assert_eq!(ServerAddress::parse(&shown), Ok(server.address), "{shown}");
            }
        }
        assert!(read > 50, "only {read} servers were read");
    }
}
