//! Bytes in pieces.

use memcache_proto::codec::{Decoder, Item};
use memcache_proto::{Limits, ProtocolError};

use crate::{Choose, Source};

/// Cuts `len` bytes into pieces: the length of each. The calm choice is one piece.
pub(super) fn cuts(source: &mut dyn Source, len: usize) -> Vec<usize> {
    let longest = *source.pick(&[len, 1, 2, 7, 100, 1448]);
    let mut cuts = Vec::new();
    let mut left = len;
    while left > 0 {
        // Not all of a run's choices go into where exactly it is cut.
        let cut = match cuts.len() < 16 {
            true => longest - source.below(longest.min(16)),
            false => longest,
        };
        let cut = cut.clamp(1, left);
        cuts.push(cut);
        left -= cut;
    }
    cuts
}

/// The bytes in pieces of these lengths.
pub(super) fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = bytes;
    let mut pieces: Vec<_> = cuts
        .iter()
        .map(|&len| {
            let (piece, behind) = rest.split_at(len.min(rest.len()));
            rest = behind;
            piece
        })
        .collect();
    pieces.push(rest);
    pieces
}

/// Limits of a peer that is trusted with little, or the default.
pub(super) fn limits(source: &mut dyn Source) -> Limits {
    match source.below(3) {
        0 => Limits::default(),
        1 => Limits { inline_value_len: 16, max_value_len: 1 << 12, ..Limits::default() },
        _ => Limits {
            inline_value_len: 16,
            max_value_len: 300,
            max_line_len: 105,
            max_lines: 8,
            max_stats_bytes: 1000,
            window: 256,
            max_get_len: 100,
            max_queued_bytes: 4096,
            ..Limits::default()
        },
    }
}

/// What a decoder may lend to be read to, at most, in bytes.
const MAX_SPACE: usize = 64 << 10;

/// Delivers one piece, taking all items after each read.
pub(super) fn deliver(
    decoder: &mut Decoder,
    mut piece: &[u8],
    mut take: impl FnMut(Item<'_>),
) -> Result<(), ProtocolError> {
    loop {
        let space = decoder.space();
        assert!(!space.is_empty(), "no space is lent");
        assert!(space.len() <= MAX_SPACE, "{} bytes of space are lent", space.len());
        let len = piece.len().min(space.len());
        space[..len].copy_from_slice(&piece[..len]);
        piece = &piece[len..];
        decoder.filled(len);
        while let Some(item) = decoder.next()? {
            take(item);
        }
        if piece.is_empty() {
            return Ok(());
        }
    }
}
