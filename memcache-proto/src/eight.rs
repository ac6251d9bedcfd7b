//! Eight bytes looked at at a time, in a number that has the first of them lowest.

/// A byte times this is eight of it.
const EACH: u64 = u64::MAX / 255;

/// Says by the highest bit of each byte of a word whether that byte is below `limit`, which is 128 at most. It is
/// right up to the first that is: of what is subtracted from each byte, only the first small one and what is
/// above it borrow. So it is 0 if none is.
#[inline(always)]
pub(crate) fn below(limit: u8, word: u64) -> u64 {
    word.wrapping_sub(EACH * u64::from(limit)) & !word & (EACH * 0x80)
}

/// As [`below`], whether a byte is this one.
#[inline(always)]
pub(crate) fn equal_to(wanted: u8, word: u64) -> u64 {
    below(1, word ^ (EACH * u64::from(wanted)))
}

/// The place of the first byte that such a number says yes to, which is not 0.
#[inline(always)]
pub(crate) fn first(found: u64) -> usize {
    (found.trailing_zeros() / 8) as usize
}
