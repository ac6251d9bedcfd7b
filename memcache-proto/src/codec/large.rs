use alloc::vec::Vec;
use core::{fmt, mem};

/// Less room than this behind the received bytes is made larger before it is lent.
pub(super) const MIN_SPACE: usize = 4 << 10;
/// The buffer has this much more than twice what has been received, if the value needs it.
const MORE_ROOM: usize = 16 << 10;
/// It is made ready for reads in steps, as bytes arrive. The first are of this many bytes, so that a
/// read of 16 KiB finds them still in the nearest cache.
const FIRST_STEP: usize = 18 << 10;
/// Steps double, up to this many bytes, while reads fill them: then fewer reads count for more.
const MAX_STEP: usize = 64 << 10;
/// Room behind the value and its CR LF, so that an END comes with the same read.
const SLACK: usize = 64;
/// A buffer that was not taken is kept for the next value up to this size.
const KEPT: usize = 4 << 20;

/// A large value in a buffer of its own: read it in place, or take the buffer without a copy.
pub struct LargeValue<'a> {
    buffer: &'a mut Vec<u8>,
    len: usize,
}

impl LargeValue<'_> {
    /// The value, borrowed. If it is not taken, the next large value comes in the same buffer.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    /// The buffer that holds the value and nothing else, and little room behind it.
    #[must_use]
    pub fn take(self) -> Vec<u8> {
        let mut value = mem::take(self.buffer);
        value.truncate(self.len);
        // It was made for a larger value that was not taken.
        if value.capacity() - self.len > self.len / 8 + 2 + SLACK {
            value.shrink_to_fit();
        }
        value
    }
}

impl fmt::Debug for LargeValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LargeValue({} bytes)", self.len)
    }
}

/// A large value that is being received, and its buffer.
pub(super) struct Large {
    /// All initialised. The first `filled` bytes have been received.
    buffer: Vec<u8>,
    filled: usize,
    value_len: usize,
    /// How much is made ready for the next read to [`space`](Self::space), in bytes.
    step: usize,
}

impl Large {
    pub(super) const fn new() -> Self {
        Large { buffer: Vec::new(), filled: 0, value_len: 0, step: FIRST_STEP }
    }

    /// Begins a value of this length, of which `head` has been received. Room is reserved for
    /// `reserved` bytes of it.
    pub(super) fn begin(&mut self, value_len: usize, head: &[u8], reserved: usize) {
        (self.value_len, self.filled, self.step) = (value_len, head.len(), FIRST_STEP);
        // What is left of another value is not worth a move.
        self.reserve(0, reserved);
        let kept = self.buffer.len().min(head.len());
        let (over, behind) = head.split_at(kept);
        if let Some(start) = self.buffer.get_mut(..kept) {
            start.copy_from_slice(over);
        }
        self.buffer.extend_from_slice(behind);
    }

    /// Where to read to; never empty.
    #[inline]
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.buffer.len() < self.room().min(self.filled + MIN_SPACE) {
            self.make_ready();
        }
        let lent = self.filled..self.buffer.len().min(self.room());
        self.buffer.get_mut(lent).unwrap_or_default()
    }

    /// The buffer with what has been received and nothing else, to append to up to its capacity. `None`
    /// if the value is all there, or if more fits in than belongs to it.
    pub(super) fn spare(&mut self, reserved: usize) -> Option<&mut Vec<u8>> {
        if self.filled >= self.value_len + 2 {
            return None;
        }
        self.reserve(self.filled, reserved);
        if self.buffer.capacity() > self.room() {
            return None;
        }
        self.buffer.truncate(self.filled);
        Some(&mut self.buffer)
    }

    /// The first `len` bytes of what was lent have been read to. More than was lent, or than was appended
    /// to what [`spare`](Self::spare) gave, counts as all of it.
    #[inline]
    pub(super) fn fill(&mut self, len: usize) {
        // Whoever had the buffer may have left less in it than there was.
        self.filled = self.filled.min(self.buffer.len());
        let lent = self.buffer.len().min(self.room()) - self.filled;
        if len >= lent && lent >= self.step {
            self.step = MAX_STEP.min(2 * self.step);
        }
        self.filled += len.min(lent);
    }

    /// What has been received of the value and behind it.
    pub(super) fn received(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    /// The value, which is all there.
    pub(super) fn finished(&mut self) -> LargeValue<'_> {
        LargeValue { buffer: &mut self.buffer, len: self.value_len }
    }

    /// Whether a buffer is kept that is larger than is worth it while no value is being received.
    #[inline]
    pub(super) fn is_oversized(&self) -> bool {
        self.buffer.capacity() > KEPT
    }

    /// Frees the buffer.
    pub(super) fn free(&mut self) {
        self.buffer = Vec::new();
    }

    /// Up to where the buffer is lent: what belongs to the value and a little more, or any more that comes
    /// before the value is taken.
    #[inline]
    fn room(&self) -> usize {
        let all = self.value_len + 2 + SLACK;
        if self.filled < all { all } else { self.filled + MIN_SPACE }
    }

    /// Makes the buffer larger if there is too little room behind what has been received: as large as twice
    /// that, or as `reserved` bytes of the value need if that is more. The first `kept` bytes stay.
    fn reserve(&mut self, kept: usize, reserved: usize) {
        let all = self.room();
        if self.buffer.capacity() < all.min(self.filled + MIN_SPACE) {
            self.buffer.truncate(kept);
            let wanted = (2 * self.filled + MORE_ROOM).max(reserved.saturating_add(2 + SLACK));
            self.buffer.reserve_exact(all.min(wanted) - self.buffer.len());
        }
    }

    /// Makes the next step ready for a read.
    #[cold]
    fn make_ready(&mut self) {
        self.reserve(self.filled, 0);
        let ready = self.room().min(self.buffer.capacity()).min(self.filled + self.step);
        if self.buffer.len() < ready {
            self.buffer.resize(ready, 0);
        }
    }
}
