use super::address::{Endpoint, Server};
use super::distribution::RendezvousKeys;
use super::selector::{Route, ServerIndex};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::hash::Hasher as _;
use mur3::Hasher32;

/// pymemcache's servers: a key belongs to the one whose name and the key have the highest hash
/// together.
#[derive(Clone, Debug)]
pub(super) struct Nodes {
    /// No name twice.
    nodes: Box<[(Box<str>, ServerIndex)]>,
    keys: RendezvousKeys,
}

/// How far a server stands up for a key: of equal scores the greater name wins.
pub(super) type Rank<'a> = (u32, &'a str);

impl Nodes {
    pub(super) fn new(servers: &[Server], keys: RendezvousKeys) -> Self {
        let mut nodes: Vec<(Box<str>, ServerIndex)> = Vec::with_capacity(servers.len());
        for (index, server) in (0..).zip(servers) {
            let name = name(server);
            if nodes.iter().all(|(other, _)| *other != name) {
                nodes.push((name, ServerIndex::new(index)));
            }
        }
        Nodes { nodes: nodes.into(), keys }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The highest of the servers for this route, of those that rank below `last`.
    pub(super) fn next(
        &self,
        route: Route<'_>,
        last: Option<Rank<'_>>,
    ) -> Option<(Rank<'_>, ServerIndex)> {
        let ranked = self.nodes.iter().map(|(name, server)| {
            let score = self.score(name, route);
            ((score, &**name), *server)
        });
        ranked.filter(|(rank, _)| last.is_none_or(|last| *rank < last)).max()
    }

    fn score(&self, name: &str, route: Route<'_>) -> u32 {
        let mut hasher = Hasher32::with_seed(0);
        let mut write = |bytes: &[u8]| hasher.write(bytes);
        write(name.as_bytes());
        write(b"-");
        match route {
            Route::Key(key) => match (self.keys, core::str::from_utf8(key)) {
                (RendezvousKeys::Text, Ok(text)) => write_text(text, write),
                _ => write_repr(key, write),
            },
            Route::Hash(number) => write(itoa::Buffer::new().format(number).as_bytes()),
        }
        hasher.finish32()
    }
}

/// As `HashClient` names it.
fn name(server: &Server) -> Box<str> {
    match server.address.endpoint() {
        Endpoint::Tcp { host, port, .. } => format!("{host}:{port}").into(),
        Endpoint::Unix { path } => path.into(),
    }
}

/// Text as pymemcache's murmur3 reads it: one byte of each character, the lowest of its number.
fn write_text(text: &str, mut write: impl FnMut(&[u8])) {
    if text.is_ascii() {
        return write(text.as_bytes());
    }
    for character in text.chars() {
        let [low, ..] = u32::from(character).to_le_bytes();
        write(&[low]);
    }
}

/// Bytes as Python's `repr` writes them.
fn write_repr(bytes: &[u8], mut write: impl FnMut(&[u8])) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { b'"' } else { b'\'' };
    write(&[b'b', quote]);
    for &byte in bytes {
        match byte {
            b'\n' => write(b"\\n"),
            b'\r' => write(b"\\r"),
            b'\t' => write(b"\\t"),
            b'\\' => write(b"\\\\"),
            _ if byte == quote => write(&[b'\\', byte]),
            b' '..=b'~' => write(&[byte]),
            _ => {
                let [high, low] = [byte >> 4, byte & 0xf].map(|digit| DIGITS[usize::from(digit)]);
                write(&[b'\\', b'x', high, low]);
            }
        }
    }
    write(&[quote]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    /// From CPython 3.11; the keys of a cache cannot have all of these bytes, prefixes and hashes of
    /// the caller's may.
    #[test]
    fn bytes_are_written_as_python_writes_them() {
        let cases: &[(&[u8], &str)] = &[
            (b"", "b''"),
            (b"foo", "b'foo'"),
            (b"it's", r#"b"it's""#),
            (br#"say "hi""#, r#"b'say "hi"'"#),
            (br#"it's "hi""#, r#"b'it\'s "hi"'"#),
            (br"a\b", r"b'a\\b'"),
            (b"\n\r\t\0\x0b\x1f\x7f", r"b'\n\r\t\x00\x0b\x1f\x7f'"),
            (b"\x80\xe4\xff ~", r"b'\x80\xe4\xff ~'"),
        ];
        for (bytes, expected) in cases {
            let mut written = Vec::new();
            write_repr(bytes, |part| written.extend_from_slice(part));
            assert_eq!(String::from_utf8(written).unwrap(), *expected);
        }
    }
}
