use super::functions;
use core::fmt;
use core::hash::{Hash, Hasher};

/// How a key becomes the number that picks its server.
///
/// Clients share a cache only if they agree on it. It is taken of the bytes that are routed by: in
/// python-memcached the key in single calls, prefix and key in multi calls; in libmemcached the key
/// without its prefix.
///
/// ```
/// use memcache_proto::routing::KeyHash;
///
/// assert_eq!(KeyHash::Crc32.hash(b"foo"), 3187);
/// assert_eq!(KeyHash::Crc32Whole.hash(b"foo"), 2356372769);
/// assert_eq!(KeyHash::OneAtATime.hash(b"foo"), 0x238678dd);
/// ```
///
/// libmemcached's are named here as there, but for its default, [`KeyHash::OneAtATime`]. Of them
/// `OneAtATime` and the four of Fowler, Noll and Vo are, for keys that are not ASCII, those of
/// machines whose `char` has a sign, such as x86. Its `hsieh` is in no common build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyHash {
    /// Bits 16 to 30 of the IEEE crc32: python-memcached from 1.60 on, and libmemcached's `crc`.
    #[default]
    Crc32,
    /// The same with 1 for 0: python-memcached up to 1.59.
    Crc32NonZero,
    /// The whole crc32, unsigned: python-memcached after `useOldServerHashFunction()`.
    Crc32Whole,
    /// Jenkins's one-at-a-time: libmemcached's `default`.
    #[doc(alias = "default")]
    OneAtATime,
    /// The first four bytes of the md5 digest, read as little-endian: `md5`.
    Md5,
    /// The low half of `fnv1_64`.
    #[doc(alias = "fnv1_64")]
    Fnv64,
    /// The low half of `fnv1a_64`.
    #[doc(alias = "fnv1a_64")]
    Fnv64a,
    /// `fnv1_32`.
    #[doc(alias = "fnv1_32")]
    Fnv32,
    /// `fnv1a_32`.
    #[doc(alias = "fnv1a_32")]
    Fnv32a,
    /// MurmurHash2 with a seed made from the length: `murmur`.
    Murmur,
    /// MurmurHash3 with a seed made from the length: `murmur3`, which pylibmc has no name for.
    Murmur3,
    /// Jenkins's lookup3, started at 13: `jenkins`.
    Jenkins,
    /// A hash of the caller's own.
    Custom(CustomHash),
}

impl KeyHash {
    /// The hash of `bytes`; not negative, unless it is the caller's own.
    #[must_use]
    pub fn hash(self, bytes: &[u8]) -> i64 {
        match self {
            KeyHash::Crc32 => short(bytes).into(),
            _ => self.hash_otherwise(bytes),
        }
    }

    /// Kept apart so that the usual hash is short enough to be inlined.
    #[inline(never)]
    fn hash_otherwise(self, bytes: &[u8]) -> i64 {
        i64::from(match self {
            KeyHash::Crc32 => short(bytes),
            KeyHash::Crc32NonZero => short(bytes).max(1),
            KeyHash::Crc32Whole => crc32fast::hash(bytes),
            KeyHash::OneAtATime => functions::one_at_a_time(bytes),
            KeyHash::Md5 => {
                let [first, ..] = functions::md5(bytes);
                first
            }
            KeyHash::Fnv64 => functions::fnv64(bytes),
            KeyHash::Fnv64a => functions::fnv64a(bytes),
            KeyHash::Fnv32 => functions::fnv32(bytes),
            KeyHash::Fnv32a => functions::fnv32a(bytes),
            KeyHash::Murmur => functions::murmur2(bytes),
            KeyHash::Murmur3 => functions::murmur3(bytes),
            KeyHash::Jenkins => functions::lookup3(bytes),
            KeyHash::Custom(CustomHash(hash)) => return hash(bytes),
        })
    }

    /// The hash to try next after attempt number `attempt` (from 0) with `hash` found no server:
    /// that of both numbers' decimal digits, one after the other.
    pub(super) fn rehash(self, hash: i64, attempt: u8) -> i64 {
        let (mut first, mut second) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (first, second) = (first.format(hash).as_bytes(), second.format(attempt).as_bytes());
        let mut both = [0; MAX_DIGITS];
        let mut len = 0;
        for (space, digit) in both.iter_mut().zip(first.iter().chain(second)) {
            *space = *digit;
            len += 1;
        }
        self.hash(&both[..len])
    }
}

/// The digits of the longest `i64`, with its sign, and of the longest `u8`.
const MAX_DIGITS: usize = 20 + 3;

fn short(bytes: &[u8]) -> u32 {
    (crc32fast::hash(bytes) >> 16) & 0x7fff
}

/// A hash of the caller's own, as python-memcached's `serverHashFunction` may be set to one. Failover
/// uses it too, on decimal digits.
///
/// It must give the same number for the same bytes wherever the cache is used. It may be negative:
/// [`Distribution::PythonMemcached`](super::Distribution::PythonMemcached) takes the floored modulo,
/// the distributions of libmemcached the low 32 bits.
///
/// ```
/// use memcache_proto::routing::{CustomHash, KeyHash};
///
/// fn by_length(bytes: &[u8]) -> i64 {
///     i64::try_from(bytes.len()).unwrap_or(i64::MAX)
/// }
/// assert_eq!(KeyHash::from(CustomHash(by_length)).hash(b"foo"), 3);
/// ```
#[derive(Clone, Copy)]
pub struct CustomHash(pub fn(&[u8]) -> i64);

impl CustomHash {
    fn address(self) -> *const () {
        self.0 as *const ()
    }
}

impl From<CustomHash> for KeyHash {
    fn from(hash: CustomHash) -> Self {
        KeyHash::Custom(hash)
    }
}

impl PartialEq for CustomHash {
    /// Whether it is the same function in the program's memory, which two functions that do the same
    /// may or may not be.
    fn eq(&self, other: &Self) -> bool {
        core::ptr::addr_eq(self.address(), other.address())
    }
}

impl Eq for CustomHash {}

impl Hash for CustomHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

impl fmt::Debug for CustomHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomHash({:p})", self.address())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the golden vectors of `tests/golden`, where there are many more.
    #[test]
    fn hashes_are_those_of_python_memcached_and_libmemcached() {
        let cases = [
            (KeyHash::Crc32, [0, 3187, 0, 16197]),
            (KeyHash::Crc32NonZero, [1, 3187, 1, 16197]),
            (KeyHash::Crc32Whole, [0, 2356372769, 26083, 1061514413]),
            (KeyHash::OneAtATime, [0, 596015325, 325265795, 3637588423]),
            (KeyHash::Md5, [3649838548, 3675831724, 1324284569, 82539146]),
            (KeyHash::Fnv64, [2216829733, 1805727027, 3035308146, 3035328992]),
            (KeyHash::Fnv64a, [2216829733, 4275688823, 3042342868, 3035557738]),
            (KeyHash::Fnv32, [2166136261, 1083137555, 1651971890, 309762336]),
            (KeyHash::Fnv32a, [2166136261, 2851307223, 1832141492, 1400454730]),
            (KeyHash::Murmur, [0, 3303027599, 2229592618, 1759350492]),
            (KeyHash::Jenkins, [3735928572, 2583187353, 3231520963, 2875642111]),
            (KeyHash::Murmur3, [0, 2784297138, 3465089889, 3827470374]),
        ];
        let keys: [&[u8]; 4] = [b"", b"foo", b"ob", b"\xff\x80"];
        for (hash, expected) in cases {
            assert_eq!(keys.map(|key| hash.hash(key)), expected, "{hash:?}");
        }
    }

    /// The sequences of python-memcached 1.62 (`Client._get_server`).
    #[test]
    fn rehashes_are_those_of_python_memcached() {
        let cases = [
            (3187, [29842, 32274, 24630, 16170, 18372, 6092, 4376, 24728, 22879]),
            (-5, [19260, 9865, 5516, 31603, 2969, 26673, 6564, 3271, 13818]),
        ];
        for (first, expected) in cases {
            let mut hash = first;
            for (attempt, expected) in (0..).zip(expected) {
                hash = KeyHash::Crc32.rehash(hash, attempt);
                assert_eq!(hash, expected, "{first}, attempt {attempt}");
            }
        }
    }

    #[test]
    fn every_digit_is_hashed_again() {
        fn sum(bytes: &[u8]) -> i64 {
            bytes.iter().fold(-1, |sum, &byte| sum.wrapping_mul(257).wrapping_add(byte.into()))
        }
        let hash = KeyHash::from(CustomHash(sum));
        let cases: [(i64, u8, &[u8]); 3] = [
            (i64::MIN, u8::MAX, b"-9223372036854775808255"),
            (i64::MAX, 10, b"922337203685477580710"),
            (0, 0, b"00"),
        ];
        for (first, attempt, expected) in cases {
            assert_eq!(hash.rehash(first, attempt), sum(expected), "{first}, {attempt}");
        }
    }

    #[test]
    fn a_custom_hash_is_known_by_its_function() {
        fn one(_: &[u8]) -> i64 {
            1
        }
        fn two(_: &[u8]) -> i64 {
            2
        }
        assert_eq!(KeyHash::from(CustomHash(one)), CustomHash(one).into());
        assert_ne!(KeyHash::from(CustomHash(one)), CustomHash(two).into());
    }
}
