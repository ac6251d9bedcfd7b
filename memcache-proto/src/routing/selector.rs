use super::address::Server;
use super::distribution::Distribution;
use super::hash::KeyHash;
use super::ketama::{self, Ring};
use super::rendezvous::{Nodes, Rank};
use super::row::Row;
use crate::Key;
use core::iter::FusedIterator;

/// How many candidates a key has at most: python-memcached's `_SERVER_RETRIES`.
pub const MAX_CANDIDATES: u8 = 10;

/// The place of a server in the list that a [`Selector`] and a [`Health`](super::Health) were made
/// for, counted from 0. Servers without weight count too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerIndex(u32);

impl ServerIndex {
    /// The server at this place.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        ServerIndex(index)
    }

    /// The place, for indexing the list.
    #[must_use]
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// What a server is chosen by.
///
/// A key converts into it, as do bytes and numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route<'a> {
    /// These bytes: the key, usually with its prefix.
    Key(&'a [u8]),
    /// A number of the caller's in place of the key's hash, which may be negative; python-memcached's
    /// `(hash, key)` pairs. Under [`Distribution::Rendezvous`] its decimal digits are the key.
    Hash(i64),
}

impl<'a> From<Key<'a>> for Route<'a> {
    fn from(key: Key<'a>) -> Self {
        Route::Key(key.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for Route<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Route::Key(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Route<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Route::Key(bytes)
    }
}

impl<'a> From<&'a str> for Route<'a> {
    fn from(text: &'a str) -> Self {
        Route::Key(text.as_bytes())
    }
}

impl From<i64> for Route<'_> {
    fn from(hash: i64) -> Self {
        Route::Hash(hash)
    }
}

/// Which servers may hold a key, as one of several clients chooses them.
///
/// How many candidates a key has depends on the [`Distribution`]: python-memcached tries up to
/// [`MAX_CANDIDATES`], some of them more than once; libmemcached one; pymemcache one after the other
/// as it drops dead servers, here up to [`MAX_CANDIDATES`].
///
/// ```
/// use memcache_proto::routing::{Distribution, KeyHash, Selector, Server, ServerIndex};
///
/// let servers: [Server; 2] = [("a:1".parse()?, 3).into(), ("b:1".parse()?, 1).into()];
/// let selector = Selector::new(&servers, Distribution::PythonMemcached, KeyHash::Crc32);
/// assert_eq!(selector.candidates(b"foo").next(), Some(ServerIndex::new(1)));
/// assert_eq!(selector.candidates(4).next(), Some(ServerIndex::new(0)));
/// # Ok::<(), memcache_proto::routing::AddressError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Selector {
    distribution: Distribution,
    key_hash: KeyHash,
    table: Table,
    /// The server that every key belongs to, where there is but one.
    only: Option<ServerIndex>,
}

#[derive(Clone, Debug)]
enum Table {
    Row(Row),
    Modula { servers: u32 },
    Ring(Ring),
    Nodes(Nodes),
}

impl Selector {
    /// A selector over `servers`, which are known by their places in the slice from here on.
    #[must_use]
    pub fn new(servers: &[Server], distribution: Distribution, key_hash: KeyHash) -> Self {
        let table = match distribution {
            Distribution::PythonMemcached => Table::Row(Row::new(servers)),
            Distribution::Modula => {
                Table::Modula { servers: u32::try_from(servers.len()).unwrap_or(u32::MAX) }
            }
            Distribution::Ketama if !ketama::weights_count(servers) => {
                Table::Ring(Ring::new(servers, key_hash))
            }
            Distribution::Ketama | Distribution::KetamaWeighted => {
                Table::Ring(Ring::weighted(servers))
            }
            Distribution::Rendezvous { keys } => Table::Nodes(Nodes::new(servers, keys)),
        };
        let mut selector = Selector { distribution, key_hash, table, only: None };
        if servers.len() == 1 {
            // Whatever the hash: it is not even computed from here on.
            selector.only = selector.candidates(b"").next();
        }
        selector
    }

    /// How the servers share the keys.
    #[must_use]
    pub const fn distribution(&self) -> Distribution {
        self.distribution
    }

    /// The hash that keys are routed by.
    #[must_use]
    pub const fn key_hash(&self) -> KeyHash {
        self.key_hash
    }

    /// The servers to try for `route`, the best one first; none where no server may be given keys.
    ///
    /// The first costs one hash of the key; under [`Distribution::Rendezvous`] each costs one for
    /// each server. Nothing is allocated.
    #[must_use]
    pub fn candidates<'a>(&'a self, route: impl Into<Route<'a>>) -> Candidates<'a> {
        let route = route.into();
        let hash = || match route {
            Route::Key(key) => self.key_hash.hash(key),
            Route::Hash(hash) => hash,
        };
        Candidates(match &self.table {
            Table::Row(row) => {
                Tried::Row { row, key_hash: self.key_hash, hash: hash(), attempt: 0 }
            }
            Table::Modula { servers } => {
                Tried::One(low_32_bits(hash()).checked_rem(*servers).map(ServerIndex))
            }
            Table::Ring(ring) => Tried::One(ring.at(low_32_bits(hash()))),
            Table::Nodes(nodes) => {
                let left = u8::try_from(nodes.len()).unwrap_or(u8::MAX).min(MAX_CANDIDATES);
                Tried::Nodes { nodes, route, last: None, left }
            }
        })
    }

    /// The candidate at `attempt`, counted from 0, computed from the beginning: what
    /// [`Selector::candidates`] would yield there. A caller that cannot keep the iterator goes on
    /// with this.
    #[must_use]
    pub fn candidate<'a>(
        &'a self,
        route: impl Into<Route<'a>>,
        attempt: u8,
    ) -> Option<ServerIndex> {
        if attempt == 0 {
            self.first(route.into())
        } else {
            self.candidates(route).nth(attempt.into())
        }
    }

    /// The first candidate.
    #[inline]
    fn first(&self, route: Route<'_>) -> Option<ServerIndex> {
        match self.only {
            Some(only) => Some(only),
            None => self.candidates(route).next(),
        }
    }
}

/// The servers to try for one key, in order; made by [`Selector::candidates`].
#[derive(Clone, Debug)]
pub struct Candidates<'a>(Tried<'a>);

#[derive(Clone, Debug)]
enum Tried<'a> {
    Row { row: &'a Row, key_hash: KeyHash, hash: i64, attempt: u8 },
    One(Option<ServerIndex>),
    Nodes { nodes: &'a Nodes, route: Route<'a>, last: Option<Rank<'a>>, left: u8 },
}

impl Iterator for Candidates<'_> {
    type Item = ServerIndex;

    fn next(&mut self) -> Option<ServerIndex> {
        match &mut self.0 {
            Tried::Row { row, key_hash, hash, attempt } => {
                if *attempt == MAX_CANDIDATES {
                    return None;
                }
                // Hashed again only when a further candidate is asked for, which is rare.
                if let Some(failed) = attempt.checked_sub(1) {
                    *hash = key_hash.rehash(*hash, failed);
                }
                let server = row.at(*hash)?;
                *attempt += 1;
                Some(server)
            }
            Tried::One(server) => server.take(),
            Tried::Nodes { nodes, route, last, left } => {
                *left = left.checked_sub(1)?;
                let (rank, server) = nodes.next(*route, *last)?;
                *last = Some(rank);
                Some(server)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            Tried::Row { row, .. } if row.is_empty() => 0,
            Tried::Row { attempt, .. } => usize::from(MAX_CANDIDATES - attempt),
            Tried::One(server) => usize::from(server.is_some()),
            Tried::Nodes { left, .. } => usize::from(*left),
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Candidates<'_> {}
impl FusedIterator for Candidates<'_> {}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "libmemcached's hashes have 32 bits; of another's as many are taken"
)]
pub(super) fn low_32_bits(hash: i64) -> u32 {
    hash as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::RendezvousKeys;
    use alloc::format;
    use alloc::vec::Vec;

    const RENDEZVOUS: Distribution = Distribution::Rendezvous { keys: RendezvousKeys::Text };
    const ALL: [Distribution; 5] = [
        Distribution::PythonMemcached,
        Distribution::Modula,
        Distribution::Ketama,
        Distribution::KetamaWeighted,
        RENDEZVOUS,
    ];

    /// Each client's choice, from the golden vectors of `tests/golden`, where there are many more.
    #[test]
    fn candidates_are_those_of_each_client() {
        use Distribution::{Ketama, KetamaWeighted, Modula, PythonMemcached};
        use KeyHash::{Crc32, Crc32Whole, Md5, OneAtATime};
        type Case<'a> = (Distribution, KeyHash, &'a [i32], Route<'a>, &'a [u32]);
        let cases: &[Case<'_>] = &[
            (PythonMemcached, Crc32, &[1, 1, 1], b"foo".into(), &[1, 1, 0, 0, 0, 0, 2, 2, 2, 1]),
            (PythonMemcached, Crc32, &[3, 1, 0], (-5).into(), &[1, 0, 0, 0, 1, 0, 0, 0, 1, 0]),
            (
                PythonMemcached,
                Crc32Whole,
                &[-1, 2, 1],
                b"ob".into(),
                &[1, 2, 2, 1, 1, 2, 1, 1, 1, 1],
            ),
            (Modula, OneAtATime, &[1, 1, 1], b"foo".into(), &[0]),
            (Modula, OneAtATime, &[1, 1, 1], (-1).into(), &[0]),
            (Ketama, OneAtATime, &[1, 1, 1], b"foo".into(), &[2]),
            (Ketama, Md5, &[1, 3, 1], b"foo".into(), &[2]),
            (KetamaWeighted, Md5, &[1, 3, 1], b"foo".into(), &[2]),
            (RENDEZVOUS, Crc32, &[0, 1, 9], b"foo".into(), &[0, 1, 2]),
            (RENDEZVOUS, Crc32, &[1, 1, 1], (-5).into(), &[2, 0, 1]),
        ];
        for (distribution, key_hash, weights, route, expected) in cases {
            let selector = Selector::new(&servers(weights), *distribution, *key_hash);
            let expected: Vec<_> = expected.iter().copied().map(ServerIndex).collect();
            let about = format!("{distribution:?}, {key_hash:?}, {weights:?}, {route:?}");
            assert_eq!(selector.candidates(*route).len(), expected.len(), "{about}");
            assert_eq!(selector.candidates(*route).collect::<Vec<_>>(), expected, "{about}");
            for attempt in 0..=MAX_CANDIDATES {
                let at = expected.get(usize::from(attempt)).copied();
                assert_eq!(selector.candidate(*route, attempt), at, "{about}, {attempt}");
            }
        }
    }

    #[test]
    fn without_servers_there_is_no_candidate() {
        for distribution in ALL {
            let selector = Selector::new(&[], distribution, KeyHash::Crc32);
            assert_eq!(selector.candidates(b"foo").len(), 0, "{distribution:?}");
            assert_eq!(selector.candidates(b"foo").next(), None, "{distribution:?}");
            assert_eq!(selector.candidate(5, 3), None, "{distribution:?}");
        }
    }

    /// A weight of 0 or less takes a server out of python-memcached's row, and out of no other.
    #[test]
    fn without_weight_there_may_be_candidates() {
        for (distribution, expected) in ALL.into_iter().zip([0, 1, 1, 1, 2]) {
            let selector = Selector::new(&servers(&[0, -1]), distribution, KeyHash::Crc32);
            assert_eq!(selector.candidates(b"foo").len(), expected, "{distribution:?}");
            assert_eq!(selector.candidates(b"foo").count(), expected, "{distribution:?}");
        }
    }

    /// What the lists of python-memcached and libmemcached do with an address given twice, pymemcache
    /// does not.
    #[test]
    fn an_address_given_twice_is_one_server_to_pymemcache() {
        let mut servers = servers(&[1, 1]);
        servers.extend_from_within(..);
        let selector = Selector::new(&servers, RENDEZVOUS, KeyHash::Crc32);
        let mut found: Vec<_> = selector.candidates(b"foo").map(ServerIndex::index).collect();
        found.sort_unstable();
        assert_eq!(found, [0, 1]);
    }

    fn servers(weights: &[i32]) -> Vec<Server> {
        let server = |(number, weight): (usize, &i32)| {
            let address = format!("127.0.0.1:{number}").parse().unwrap();
            Server::from((address, *weight))
        };
        (1..).zip(weights).map(server).collect()
    }
}
