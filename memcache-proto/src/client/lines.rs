use alloc::string::String;
use alloc::vec::Vec;

use crate::codec::Response;
use crate::escape::text;

/// The lines of a `stats` reply so far, and the memory that they take.
#[derive(Default)]
pub(super) struct Lines {
    lines: Vec<(String, String)>,
    /// What the texts of the lines take, in bytes.
    texts: usize,
}

impl Lines {
    /// Keeps one more. False where that would take more than `max` bytes in all; then nothing is left.
    pub(super) fn push(&mut self, response: &Response<'_>, max: usize) -> bool {
        let (name, value) = line(response);
        let Lines { lines, texts } = self;
        *texts =
            texts.saturating_add(taken(name.capacity())).saturating_add(taken(value.capacity()));
        let (len, capacity) = (lines.len(), lines.capacity());
        let grown = if len < capacity { capacity } else { capacity + (capacity / 2).max(FIRST) };
        // Old and new memory are there together while one is copied to the other.
        let places = if len < capacity { capacity } else { capacity + grown };
        if texts.saturating_add(places.saturating_mul(PLACE)) > max {
            *self = Lines::default();
            return false;
        }
        lines.reserve_exact(grown - len);
        lines.push((name, value));
        true
    }

    /// The lines, none of which are left.
    pub(super) fn take(&mut self) -> Vec<(String, String)> {
        core::mem::take(self).lines
    }
}

/// The room for so many lines at first; after that it grows by half.
const FIRST: usize = 32;
/// What a line takes beside its texts, in bytes.
const PLACE: usize = size_of::<(String, String)>();
/// What an allocator adds to a text, in bytes, and the least that it gives out.
const OVERHEAD: usize = 16;

/// What a text of so many bytes takes.
fn taken(capacity: usize) -> usize {
    match capacity {
        0 => 0,
        _ => capacity.saturating_add(OVERHEAD - 1) / OVERHEAD * OVERHEAD + OVERHEAD,
    }
}

/// A line of statistics as a name and a value.
fn line(response: &Response<'_>) -> (String, String) {
    match *response {
        Response::Stat { name, value } => (text(name), text(value)),
        Response::Prefix { prefix, get, hit, set, del } => {
            (text(prefix), alloc::format!("get {get} hit {hit} set {set} del {del}"))
        }
        Response::Item { key, bytes, exptime } => {
            (text(key.as_bytes()), alloc::format!("[{bytes} b; {exptime} s]"))
        }
        _ => (String::new(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_kept_counts() {
        let texts: &[(&[u8], &[u8])] = &[
            (b"a", b""),
            (b"pid", b"1"),
            (b"name", &[b'v'; 2000]),
            (b"name", &[0xff; 700]), // each byte becomes three
        ];
        for &(name, value) in texts {
            for max in [0, 1000, 100_000, 1 << 20] {
                let stat = Response::Stat { name, value };
                let mut lines = Lines::default();
                let mut most = 0;
                while lines.push(&stat, max) {
                    let kept = lines.lines.iter().map(|(name, value)| {
                        let texts = [name, value].map(|text| text.capacity());
                        texts.iter().map(|&len| if len == 0 { 0 } else { len + 8 }).sum::<usize>()
                    });
                    most = kept.sum::<usize>() + lines.lines.capacity() * PLACE;
                    assert!(most <= max, "{} lines: {most} of {max}", lines.lines.len());
                }
                assert_eq!((lines.lines.capacity(), lines.texts), (0, 0), "nothing is left");
                // Nor does it give up long before.
                assert!(most >= max / 3 || max < 4000, "{most} of {max}");
            }
        }
    }
}
