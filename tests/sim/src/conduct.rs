//! How bytes travel.

use std::time::Duration;

use memcache_proto::Time;

use crate::source::Source;

/// How bytes travel.
#[derive(Clone, Copy, Debug)]
pub struct Conduct {
    /// The longest time that bytes are under way, in milliseconds.
    pub latency_ms: usize,
    /// The largest piece in which bytes are read and written; pieces are of any size up to it.
    pub piece: usize,
    /// Whether writes take nothing now and then.
    pub jams: bool,
    /// How many bytes a connection takes in before the server reads.
    pub buffer: usize,
    /// The longest time until a client that could use another's connection is offered one, in
    /// milliseconds.
    pub sharing_ms: usize,
}

impl Conduct {
    /// The size of the next piece.
    pub(crate) fn piece(&self, source: &mut dyn Source) -> usize {
        match self.piece {
            usize::MAX => usize::MAX,
            // 0 is the calm choice: as much as goes.
            piece => piece - source.below(piece),
        }
    }

    /// When what leaves now arrives.
    pub(crate) fn arrival(&self, source: &mut dyn Source, now: Time) -> Time {
        let late = source.below(self.latency_ms + 1);
        now + Duration::from_millis(late.try_into().unwrap_or_default())
    }
}

impl Default for Conduct {
    fn default() -> Self {
        Conduct { latency_ms: 0, piece: usize::MAX, jams: false, buffer: 256 << 10, sharing_ms: 0 }
    }
}
