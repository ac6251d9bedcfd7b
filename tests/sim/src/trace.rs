//! What happened in a run, as a hash and, if asked for, line by line.

use memcache_proto::Time;

use crate::report::Line;

/// Notes everything that happens, in order. Two runs of the same choices have the same hash, so a run
/// that depends on anything else (an address, the order of a map) is found out.
pub(crate) struct Trace {
    start: Time,
    hash: u64,
    lines: Option<Vec<Line>>,
}

impl Trace {
    pub(crate) fn new(start: Time, transcript: bool) -> Self {
        Trace { start, hash: 0xcbf2_9ce4_8422_2325, lines: transcript.then(Vec::new) }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn take_lines(&mut self) -> Vec<Line> {
        self.lines.take().unwrap_or_default()
    }

    /// Notes one event: `code` says of what kind it is, `numbers` and `bytes` what else makes it this
    /// one. `line` is asked for who did what only if there is a transcript.
    pub(crate) fn note(
        &mut self,
        now: Time,
        code: u64,
        numbers: &[u64],
        bytes: &[u8],
        line: impl FnOnce() -> (String, String),
    ) {
        let at = now - self.start;
        let millis = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        self.mix(code.wrapping_mul(0x1_0001).wrapping_add(millis));
        numbers.iter().for_each(|&number| self.mix(number));
        for piece in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..piece.len()].copy_from_slice(piece);
            self.mix(u64::from_le_bytes(word));
        }
        if let Some(lines) = &mut self.lines {
            let (who, what) = line();
            lines.push(Line { at_ms: millis, who, what });
        }
    }

    fn mix(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }
}

/// Bytes as a transcript shows them: escaped, and the middle of many left out.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 160;
    if bytes.len() <= MOST {
        return bytes.escape_ascii().to_string();
    }
    let (head, tail) = (&bytes[..MOST - 40], &bytes[bytes.len() - 40..]);
    format!("{} ... {} ({} bytes)", head.escape_ascii(), tail.escape_ascii(), bytes.len())
}
