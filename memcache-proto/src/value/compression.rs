use super::InflateFault;
use alloc::vec::Vec;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// `bytes` in zlib format at the default level; `None` where that is longer than `longest`.
pub(super) fn deflate(bytes: &[u8], longest: usize) -> Option<Vec<u8>> {
    // There is room for no more than is worth having: what does not fit is not wanted.
    let mut out = Vec::new();
    out.reserve_exact(longest);
    let mut stream = Compress::new(Compression::default(), true);
    let status = stream.compress_vec(bytes, &mut out, FlushCompress::Finish).ok()?;
    if status != Status::StreamEnd || out.len() > longest {
        return None;
    }
    out.shrink_to_fit();
    Some(out)
}

/// Why nothing came of inflating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Fault(InflateFault),
    TooLong,
}

/// What the zlib stream `bytes` inflates to, if that is at most `max` bytes.
///
/// The output grows as it is filled: memory for at most three times what came out so far, or a few times
/// the input, is held at any time; and while it grows for the last time, for less than twice `max`.
pub(super) fn inflate(bytes: &[u8], max: usize) -> Result<Vec<u8>, Failure> {
    // One byte more than allowed is room to see that there is more, and to see the end otherwise.
    let ceiling = max.saturating_add(1);
    let mut out = Vec::with_capacity(ceiling.min(bytes.len().saturating_mul(3).max(64)));
    let mut stream = Decompress::new(true);
    let mut rest = bytes;
    loop {
        let (total_in, len) = (stream.total_in(), out.len());
        let status = stream
            .decompress_vec(rest, &mut out, FlushDecompress::None)
            .map_err(|_| Failure::Fault(InflateFault::Corrupt))?;
        let consumed = usize::try_from(stream.total_in() - total_in).unwrap_or(usize::MAX);
        rest = rest.get(consumed..).unwrap_or_default();
        if out.len() > max {
            return Err(Failure::TooLong);
        }
        if status == Status::StreamEnd {
            break;
        }
        if out.len() == out.capacity() {
            out.reserve_exact(room(out.len(), ceiling));
        } else if consumed == 0 && out.len() == len {
            return Err(Failure::Fault(InflateFault::Truncated));
        }
    }
    if !rest.is_empty() {
        return Err(Failure::Fault(InflateFault::Trailing { len: rest.len() }));
    }
    out.shrink_to_fit();
    Ok(out)
}

/// How much to grow by when `len` bytes have come out, fewer than `ceiling`: double, but not above, and
/// at once to the ceiling where that is near. Old and new memory are there together while one is copied
/// to the other: less than 1.75 times the ceiling that way.
fn room(len: usize, ceiling: usize) -> usize {
    let (double, left) = (len.max(64), ceiling - len);
    if len + double.min(left) >= ceiling - ceiling / 4 { left } else { double }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `zlib.compress(b"a" * 100)` of CPython 3.11.
    const HUNDRED_A: &[u8] = b"x\x9cKL\xa4=\x00\x00zG%\xe5";

    #[test]
    fn only_what_is_short_enough_is_kept() {
        for len in 0..64_usize {
            let bytes = alloc::vec![b'a'; len];
            match deflate(&bytes, len.saturating_sub(1)) {
                Some(deflated) => assert!(deflated.len() < len && len > 11, "{len}"),
                None => assert!(len < 13, "{len}"),
            }
        }
        assert_eq!(deflate(b"abcdefghij", 10), None);
        let len = HUNDRED_A.len();
        assert_eq!(deflate(&[b'a'; 100], len).map(|deflated| deflated.len()), Some(len));
        assert_eq!(deflate(&[b'a'; 100], len - 1), None);
    }

    #[test]
    fn what_was_deflated_inflates_to_itself() {
        for len in [100, 1_000, 65_536, 1_000_000] {
            let bytes: Vec<u8> = (0..len).flat_map(|i: u32| (i / 7).to_le_bytes()).collect();
            let deflated = deflate(&bytes, bytes.len()).unwrap();
            assert_eq!(deflated.capacity(), deflated.len());
            assert!(inflate(&deflated, bytes.len()).unwrap() == bytes, "{len}");
            assert_eq!(inflate(&deflated, bytes.len() - 1), Err(Failure::TooLong), "{len}");
        }
    }

    #[test]
    fn damage_is_told_apart() {
        let with = |at: usize, byte: u8| {
            let mut bytes = HUNDRED_A.to_vec();
            bytes[at] = byte;
            bytes
        };
        let fault = |fault| Err(Failure::Fault(fault));
        let a = |len| Ok(alloc::vec![b'a'; len]);
        let trailing = [HUNDRED_A, b"xyz"].concat();
        type Case<'a> = (&'a [u8], usize, Result<Vec<u8>, Failure>);
        let cases: &[Case<'_>] = &[
            (HUNDRED_A, 100, a(100)),
            (HUNDRED_A, usize::MAX, a(100)),
            (HUNDRED_A, 99, Err(Failure::TooLong)),
            (HUNDRED_A, 0, Err(Failure::TooLong)),
            (b"x\x9c\x03\x00\x00\x00\x00\x01", 0, a(0)),
            (&with(0, b'y'), 100, fault(InflateFault::Corrupt)),
            (&with(11, 0), 100, fault(InflateFault::Corrupt)),
            (b"plain text", 100, fault(InflateFault::Corrupt)),
            (&trailing, 100, fault(InflateFault::Trailing { len: 3 })),
        ];
        for (bytes, max, expected) in cases {
            assert_eq!(inflate(bytes, *max), *expected, "{}, {max}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_stream_cut_anywhere_is_truncated() {
        let bytes: Vec<u8> = (0..5_000_u32).flat_map(u32::to_le_bytes).collect();
        let deflated = deflate(&bytes, bytes.len()).unwrap();
        for stream in [HUNDRED_A, &deflated] {
            for cut in 0..stream.len() {
                let truncated = Err(Failure::Fault(InflateFault::Truncated));
                assert_eq!(inflate(&stream[..cut], bytes.len()), truncated, "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_bomb_takes_no_more_memory_than_is_allowed() {
        let bomb = deflate(&alloc::vec![0; 64 << 20], 1 << 20).unwrap();
        assert!(bomb.len() < 70_000);
        assert_eq!(inflate(&bomb, 1 << 20), Err(Failure::TooLong));
        assert_eq!(inflate(&bomb, 64 << 20).unwrap().capacity(), 64 << 20);
    }

    #[test]
    fn memory_doubles_up_to_its_ceiling() {
        let cases = [
            (1, 1000, 64),
            (64, 1000, 64),
            (128, 1000, 128),
            (374, 1000, 374),
            (375, 1000, 625),
            (512, 1000, 488),
            (999, 1000, 1),
            (0, 1, 1),
            (1 << 20, usize::MAX, 1 << 20),
        ];
        for (len, ceiling, expected) in cases {
            assert_eq!(room(len, ceiling), expected, "{len} of {ceiling}");
        }
    }
}
