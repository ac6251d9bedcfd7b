use super::address::Server;
use super::hash::KeyHash;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::iter::FusedIterator;

/// How many candidates a key has: python-memcached's `_SERVER_RETRIES`.
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

/// Which servers may hold a key, as python-memcached chooses them.
///
/// The servers stand in a row in the order of the list, each as many times as its weight says. A
/// key's hash, modulo the length of the row, is its server. Should that not be had, the hash is
/// hashed again for the next one, up to [`MAX_CANDIDATES`] in all; the same server may come up more
/// than once. Memory is proportional to the number of servers, whatever their weights.
///
/// ```
/// use memcache_proto::routing::{KeyHash, Selector, Server, ServerIndex};
///
/// let servers: [Server; 2] = [("a:1".parse()?, 3).into(), ("b:1".parse()?, 1).into()];
/// let selector = Selector::new(&servers, KeyHash::Crc32);
/// assert_eq!(selector.candidates(b"foo").next(), Some(ServerIndex::new(1)));
/// # Ok::<(), memcache_proto::routing::AddressError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Selector {
    /// For each server that has a weight, where its part of the row ends, and which one it is.
    ends: Box<[(i64, ServerIndex)]>,
    key_hash: KeyHash,
}

impl Selector {
    /// A selector over `servers`, which are known by their places in the slice from here on.
    #[must_use]
    pub fn new(servers: &[Server], key_hash: KeyHash) -> Self {
        let mut end: i64 = 0;
        let mut ends = Vec::with_capacity(servers.len());
        for (index, server) in (0..).zip(servers) {
            if server.weight > 0 {
                end = end.saturating_add(i64::from(server.weight));
                ends.push((end, ServerIndex(index)));
            }
        }
        Selector { ends: ends.into(), key_hash }
    }

    /// The hash that keys are routed by.
    #[must_use]
    pub const fn key_hash(&self) -> KeyHash {
        self.key_hash
    }

    /// The servers to try for `key`, the best one first; none where no server has a weight.
    ///
    /// `key` is what is routed by: the whole key, its prefix included.
    #[must_use]
    pub fn candidates(&self, key: &[u8]) -> Candidates<'_> {
        self.candidates_for_hash(self.key_hash.hash(key))
    }

    /// As [`Selector::candidates`], for a hash that the caller chose, which may be negative:
    /// python-memcached's `(hash, key)` pairs.
    #[must_use]
    pub const fn candidates_for_hash(&self, key_hash: i64) -> Candidates<'_> {
        Candidates { selector: self, hash: key_hash, attempt: 0 }
    }

    /// The candidate at `attempt`, counted from 0, computed from the beginning: what
    /// [`Selector::candidates_for_hash`] would yield there. A caller that cannot keep the iterator
    /// goes on with this.
    #[must_use]
    pub fn candidate(&self, key_hash: i64, attempt: u8) -> Option<ServerIndex> {
        self.candidates_for_hash(key_hash).nth(attempt.into())
    }

    fn at(&self, hash: i64) -> Option<ServerIndex> {
        let &(len, last) = self.ends.last()?;
        let slot = hash.rem_euclid(len);
        let part = self.ends.partition_point(|&(end, _)| end <= slot);
        Some(self.ends.get(part).map_or(last, |&(_, server)| server))
    }
}

/// The servers to try for one key, in order; made by [`Selector::candidates`].
#[derive(Clone, Debug)]
pub struct Candidates<'a> {
    selector: &'a Selector,
    hash: i64,
    attempt: u8,
}

impl Iterator for Candidates<'_> {
    type Item = ServerIndex;

    fn next(&mut self) -> Option<ServerIndex> {
        if self.attempt == MAX_CANDIDATES {
            return None;
        }
        // Hashed again only when a further candidate is asked for, which is rare.
        if let Some(failed) = self.attempt.checked_sub(1) {
            self.hash = self.selector.key_hash.rehash(self.hash, failed);
        }
        let server = self.selector.at(self.hash)?;
        self.attempt += 1;
        Some(server)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self.selector.ends.is_empty() {
            true => 0,
            false => usize::from(MAX_CANDIDATES - self.attempt),
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Candidates<'_> {}
impl FusedIterator for Candidates<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn weights_repeat_servers_in_list_order() {
        let cases: &[(&[i32], &[u32])] = &[
            (&[3, 1, 0], &[0, 0, 0, 1, 0, 0, 0, 1]),
            (&[1, 1, 1], &[0, 1, 2, 0]),
            (&[0, -7, 2, 0, 1], &[2, 2, 4, 2]),
            (&[1], &[0, 0]),
        ];
        for (weights, expected) in cases {
            let selector = selector(weights, KeyHash::Crc32);
            for (hash, expected) in (0..).zip(*expected) {
                let first = selector.candidates_for_hash(hash).next();
                assert_eq!(first, Some(ServerIndex(*expected)), "{weights:?}, hash {hash}");
            }
        }
    }

    #[test]
    fn modulo_is_floored() {
        let selector = selector(&[1, 1, 1], KeyHash::Crc32);
        for (hash, expected) in [(-1, 2), (-2, 1), (-3, 0), (-4, 2), (i64::MIN, 1), (i64::MAX, 1)] {
            assert_eq!(selector.candidate(hash, 0), Some(ServerIndex(expected)), "{hash}");
        }
    }

    #[test]
    fn without_weight_there_is_no_candidate() {
        for weights in [&[][..], &[0], &[-1, 0]] {
            let selector = selector(weights, KeyHash::Crc32);
            assert_eq!(selector.candidates(b"foo").len(), 0);
            assert_eq!(selector.candidates(b"foo").next(), None);
            assert_eq!(selector.candidate(5, 3), None);
        }
    }

    #[test]
    fn great_weights_take_no_memory() {
        let selector = selector(&[i32::MAX, i32::MAX, 1], KeyHash::Crc32Whole);
        let row = i64::from(i32::MAX);
        let cases = [(0, 0), (row - 1, 0), (row, 1), (2 * row - 1, 1), (2 * row, 2), (-1, 2)];
        for (hash, expected) in cases {
            assert_eq!(selector.candidate(hash, 0), Some(ServerIndex(expected)), "{hash}");
        }
    }

    enum Routed {
        Key(&'static [u8]),
        Hash(i64),
    }
    use Routed::{Hash, Key};

    /// The servers that python-memcached 1.62 tries when none connects, each list recorded from
    /// `Client._get_server` of a client whose servers all refuse: one digit a try.
    const VECTORS: &[(KeyHash, &[i32], Routed, &str)] = &[
        (KeyHash::Crc32, &[1, 1, 1], Key(b"foo"), "1100002221"),
        (KeyHash::Crc32, &[1, 1, 1], Key(b"key1"), "1220122220"),
        (KeyHash::Crc32, &[1, 1, 1], Key(b"some_key"), "1001111222"),
        (KeyHash::Crc32, &[1, 1, 1], Key(b"ob"), "0022122011"),
        (KeyHash::Crc32, &[1, 1, 1], Key(b"\xe4\xbc\x9a"), "0021111221"),
        (KeyHash::Crc32, &[1, 1, 1], Hash(0), "0022122011"),
        (KeyHash::Crc32, &[1, 1, 1], Hash(-5), "1012120010"),
        (KeyHash::Crc32, &[1, 1, 1], Hash(i64::MAX), "1211100201"),
        (KeyHash::Crc32, &[1, 1, 1], Hash(i64::MIN), "1000100220"),
        (KeyHash::Crc32, &[3, 1, 0], Key(b"foo"), "1000000001"),
        (KeyHash::Crc32, &[3, 1, 0], Key(b"key1"), "0011000000"),
        (KeyHash::Crc32, &[3, 1, 0], Key(b"some_key"), "0110000000"),
        (KeyHash::Crc32, &[3, 1, 0], Key(b"ob"), "0000000000"),
        (KeyHash::Crc32, &[3, 1, 0], Key(b"\xe4\xbc\x9a"), "0001001000"),
        (KeyHash::Crc32, &[3, 1, 0], Hash(0), "0000000000"),
        (KeyHash::Crc32, &[3, 1, 0], Hash(-5), "1000100010"),
        (KeyHash::Crc32, &[3, 1, 0], Hash(i64::MAX), "1010000000"),
        (KeyHash::Crc32, &[3, 1, 0], Hash(i64::MIN), "0000000000"),
        (KeyHash::Crc32, &[-1, 2, 1], Key(b"foo"), "1111112221"),
        (KeyHash::Crc32, &[-1, 2, 1], Key(b"key1"), "1221122221"),
        (KeyHash::Crc32, &[-1, 2, 1], Key(b"some_key"), "1111111222"),
        (KeyHash::Crc32, &[-1, 2, 1], Key(b"ob"), "1122122111"),
        (KeyHash::Crc32, &[-1, 2, 1], Key(b"\xe4\xbc\x9a"), "1121111221"),
        (KeyHash::Crc32, &[-1, 2, 1], Hash(0), "1122122111"),
        (KeyHash::Crc32, &[-1, 2, 1], Hash(-5), "1112121111"),
        (KeyHash::Crc32, &[-1, 2, 1], Hash(i64::MAX), "1211111211"),
        (KeyHash::Crc32, &[-1, 2, 1], Hash(i64::MIN), "1111111221"),
        (KeyHash::Crc32, &[1, 2, 3, 4, 0, 7], Key(b"foo"), "3335253355"),
        (KeyHash::Crc32, &[1, 2, 3, 4, 0, 7], Key(b"key1"), "0215512233"),
        (KeyHash::Crc32, &[1, 2, 3, 4, 0, 7], Key(b"some_key"), "5332055555"),
        (KeyHash::Crc32, &[1, 2, 3, 4, 0, 7], Key(b"ob"), "0315533052"),
        (KeyHash::Crc32, &[1, 2, 3, 4, 0, 7], Key(b"\xe4\xbc\x9a"), "3551353155"),
        (KeyHash::Crc32, &[1, 2, 3, 4, 0, 7], Hash(0), "0315533052"),
        (KeyHash::Crc32, &[1, 2, 3, 4, 0, 7], Hash(-5), "5523050135"),
        (KeyHash::Crc32, &[1, 2, 3, 4, 0, 7], Hash(i64::MAX), "3352533555"),
        (KeyHash::Crc32, &[1, 2, 3, 4, 0, 7], Hash(i64::MIN), "3335212532"),
        (KeyHash::Crc32NonZero, &[1, 1, 1], Key(b"foo"), "1100002221"),
        (KeyHash::Crc32NonZero, &[1, 1, 1], Key(b"ob"), "1011200212"),
        (KeyHash::Crc32NonZero, &[3, 1, 0], Key(b"foo"), "1000000001"),
        (KeyHash::Crc32NonZero, &[3, 1, 0], Key(b"ob"), "0011010101"),
        (KeyHash::Crc32NonZero, &[-1, 2, 1], Key(b"foo"), "1111112221"),
        (KeyHash::Crc32NonZero, &[-1, 2, 1], Key(b"ob"), "1111211212"),
        (KeyHash::Crc32NonZero, &[1, 2, 3, 4, 0, 7], Key(b"foo"), "3335253355"),
        (KeyHash::Crc32NonZero, &[1, 2, 3, 4, 0, 7], Key(b"ob"), "1322025215"),
        (KeyHash::Crc32Whole, &[1, 1, 1], Key(b"foo"), "2121001000"),
        (KeyHash::Crc32Whole, &[1, 1, 1], Key(b"key1"), "1112001021"),
        (KeyHash::Crc32Whole, &[1, 1, 1], Key(b"some_key"), "0201212112"),
        (KeyHash::Crc32Whole, &[1, 1, 1], Key(b"ob"), "1221020011"),
        (KeyHash::Crc32Whole, &[1, 1, 1], Key(b"\xe4\xbc\x9a"), "0001211020"),
        (KeyHash::Crc32Whole, &[1, 1, 1], Hash(0), "0210102200"),
        (KeyHash::Crc32Whole, &[1, 1, 1], Hash(-5), "1010001212"),
        (KeyHash::Crc32Whole, &[1, 1, 1], Hash(i64::MAX), "1100121101"),
        (KeyHash::Crc32Whole, &[1, 1, 1], Hash(i64::MIN), "1212202010"),
        (KeyHash::Crc32Whole, &[3, 1, 0], Key(b"foo"), "0000010100"),
        (KeyHash::Crc32Whole, &[3, 1, 0], Key(b"key1"), "0001001000"),
        (KeyHash::Crc32Whole, &[3, 1, 0], Key(b"some_key"), "0000001011"),
        (KeyHash::Crc32Whole, &[3, 1, 0], Key(b"ob"), "1010000000"),
        (KeyHash::Crc32Whole, &[3, 1, 0], Key(b"\xe4\xbc\x9a"), "0000001000"),
        (KeyHash::Crc32Whole, &[3, 1, 0], Hash(0), "0000000001"),
        (KeyHash::Crc32Whole, &[3, 1, 0], Hash(-5), "1110000100"),
        (KeyHash::Crc32Whole, &[3, 1, 0], Hash(i64::MAX), "1001000000"),
        (KeyHash::Crc32Whole, &[3, 1, 0], Hash(i64::MIN), "0010000000"),
        (KeyHash::Crc32Whole, &[-1, 2, 1], Key(b"foo"), "2121111111"),
        (KeyHash::Crc32Whole, &[-1, 2, 1], Key(b"key1"), "1112111121"),
        (KeyHash::Crc32Whole, &[-1, 2, 1], Key(b"some_key"), "1211212112"),
        (KeyHash::Crc32Whole, &[-1, 2, 1], Key(b"ob"), "1221121111"),
        (KeyHash::Crc32Whole, &[-1, 2, 1], Key(b"\xe4\xbc\x9a"), "1111211121"),
        (KeyHash::Crc32Whole, &[-1, 2, 1], Hash(0), "1211112211"),
        (KeyHash::Crc32Whole, &[-1, 2, 1], Hash(-5), "1111111212"),
        (KeyHash::Crc32Whole, &[-1, 2, 1], Hash(i64::MAX), "1111121111"),
        (KeyHash::Crc32Whole, &[-1, 2, 1], Hash(i64::MIN), "1212212111"),
        (KeyHash::Crc32Whole, &[1, 2, 3, 4, 0, 7], Key(b"foo"), "5132251553"),
        (KeyHash::Crc32Whole, &[1, 2, 3, 4, 0, 7], Key(b"key1"), "5555522523"),
        (KeyHash::Crc32Whole, &[1, 2, 3, 4, 0, 7], Key(b"some_key"), "5235225023"),
        (KeyHash::Crc32Whole, &[1, 2, 3, 4, 0, 7], Key(b"ob"), "2255335232"),
        (KeyHash::Crc32Whole, &[1, 2, 3, 4, 0, 7], Key(b"\xe4\xbc\x9a"), "3113135503"),
        (KeyHash::Crc32Whole, &[1, 2, 3, 4, 0, 7], Hash(0), "0355255155"),
        (KeyHash::Crc32Whole, &[1, 2, 3, 4, 0, 7], Hash(-5), "5535215352"),
        (KeyHash::Crc32Whole, &[1, 2, 3, 4, 0, 7], Hash(i64::MAX), "3305551535"),
        (KeyHash::Crc32Whole, &[1, 2, 3, 4, 0, 7], Hash(i64::MIN), "3322525233"),
    ];

    #[test]
    fn candidates_are_those_of_python_memcached() {
        for (key_hash, weights, routed, expected) in VECTORS {
            let selector = selector(weights, *key_hash);
            let (candidates, first) = match *routed {
                Key(key) => (selector.candidates(key), key_hash.hash(key)),
                Hash(hash) => (selector.candidates_for_hash(hash), hash),
            };
            assert_eq!(candidates.len(), expected.len());
            let tried: String = candidates.map(digit).collect();
            assert_eq!(tried, *expected, "{key_hash:?}, {weights:?}, first hash {first}");

            let resumed: String = (0..=MAX_CANDIDATES)
                .filter_map(|n| selector.candidate(first, n))
                .map(digit)
                .collect();
            assert_eq!(resumed, *expected, "{key_hash:?}, {weights:?}, first hash {first}");
        }
    }

    fn selector(weights: &[i32], key_hash: KeyHash) -> Selector {
        let address: super::super::ServerAddress = "h".parse().unwrap();
        let servers: Vec<Server> =
            weights.iter().map(|&weight| Server::from((address.clone(), weight))).collect();
        Selector::new(&servers, key_hash)
    }

    fn digit(server: ServerIndex) -> char {
        char::from_digit(server.0, 10).unwrap()
    }
}
