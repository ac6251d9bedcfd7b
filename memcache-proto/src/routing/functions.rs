//! The hash functions of libmemcached (libhashkit), each of which gives 32 bits. The golden vectors
//! hold them to it.

/// A byte as a C `char` with a sign becomes when it is widened: what these functions add where they
/// mean the byte.
fn signed(byte: u8) -> u32 {
    let sign = if byte.is_ascii() { 0 } else { 0xffff_ff00 };
    sign | u32::from(byte)
}

pub(super) fn one_at_a_time(bytes: &[u8]) -> u32 {
    let mut hash = 0_u32;
    for &byte in bytes {
        hash = hash.wrapping_add(signed(byte));
        hash = hash.wrapping_add(hash << 10);
        hash ^= hash >> 6;
    }
    hash = hash.wrapping_add(hash << 3);
    hash ^= hash >> 11;
    hash.wrapping_add(hash << 15)
}

/// The digest as four numbers, each little-endian.
pub(super) fn md5(bytes: &[u8]) -> [u32; 4] {
    let digest = u128::from_le_bytes(md5::compute(bytes).0);
    // What is kept of each is what fits.
    #[expect(clippy::cast_possible_truncation, reason = "32 of the digest's bits at a time")]
    [0, 32, 64, 96].map(|shift| (digest >> shift) as u32)
}

const FNV32: (u32, u32) = (0x811c_9dc5, 0x0100_0193);
/// The low halves of the 64 bit constants: they alone make the low half of the hash.
const FNV64: (u32, u32) = (0x8422_2325, 0x0000_01b3);

pub(super) fn fnv32(bytes: &[u8]) -> u32 {
    fnv1(bytes, FNV32)
}

pub(super) fn fnv32a(bytes: &[u8]) -> u32 {
    fnv1a(bytes, FNV32)
}

pub(super) fn fnv64(bytes: &[u8]) -> u32 {
    fnv1(bytes, FNV64)
}

pub(super) fn fnv64a(bytes: &[u8]) -> u32 {
    fnv1a(bytes, FNV64)
}

fn fnv1(bytes: &[u8], (basis, prime): (u32, u32)) -> u32 {
    bytes.iter().fold(basis, |hash, &byte| hash.wrapping_mul(prime) ^ signed(byte))
}

fn fnv1a(bytes: &[u8], (basis, prime): (u32, u32)) -> u32 {
    bytes.iter().fold(basis, |hash, &byte| (hash ^ signed(byte)).wrapping_mul(prime))
}

/// MurmurHash2 of 32 bits, as it is on little-endian machines.
pub(super) fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let len = low_bits(bytes.len());
    let mut hash = murmur_seed(bytes) ^ len;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let word = little_endian(word).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (word ^ (word >> 24)).wrapping_mul(M);
    }
    if !words.remainder().is_empty() {
        hash = (hash ^ little_endian(words.remainder())).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

pub(super) fn murmur3(bytes: &[u8]) -> u32 {
    mur3::murmurhash3_x86_32(bytes, murmur_seed(bytes))
}

/// What libmemcached starts both Murmur hashes with.
fn murmur_seed(bytes: &[u8]) -> u32 {
    low_bits(bytes.len()).wrapping_mul(0xdead_beef)
}

/// Bob Jenkins's `hashlittle` of lookup3.c, with `initval` 13.
pub(super) fn lookup3(bytes: &[u8]) -> u32 {
    let start = low_bits(bytes.len()).wrapping_add(0xdead_beef + 13);
    let [mut a, mut b, mut c] = [start; 3];
    // The last block, which is mixed otherwise, is full where there is no rest.
    let blocks = bytes.len().saturating_sub(1) / 12;
    let (mixed, last) = bytes.split_at(blocks * 12);
    for block in mixed.chunks_exact(12) {
        add(block, [&mut a, &mut b, &mut c]);
        for rotations in [[4, 6, 8], [16, 19, 4]] {
            let [first, second, third] = rotations;
            a = a.wrapping_sub(c) ^ c.rotate_left(first);
            c = c.wrapping_add(b);
            b = b.wrapping_sub(a) ^ a.rotate_left(second);
            a = a.wrapping_add(c);
            c = c.wrapping_sub(b) ^ b.rotate_left(third);
            b = b.wrapping_add(a);
        }
    }
    if last.is_empty() {
        return c;
    }
    add(last, [&mut a, &mut b, &mut c]);
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

/// Adds a block of at most 12 bytes, as three words.
fn add(block: &[u8], words: [&mut u32; 3]) {
    for (bytes, word) in block.chunks(4).zip(words) {
        *word = word.wrapping_add(little_endian(bytes));
    }
}

/// At most four bytes as a number.
fn little_endian(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, &byte| (word << 8) | u32::from(byte))
}

#[expect(clippy::cast_possible_truncation, reason = "C's cast of the length, which wraps")]
fn low_bits(len: usize) -> u32 {
    len as u32
}
