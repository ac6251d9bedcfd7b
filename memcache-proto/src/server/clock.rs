use crate::{Exptime, Time};

/// The server's own count of seconds. It begins above zero, so that a moment that has always passed
/// can be told from one that never comes.
pub(super) type Tick = u64;

/// A moment that has always passed.
const PAST: Tick = 1;
/// Before the origin of time there is room for [`PAST`], and for the second before the first.
const FIRST: Tick = 3;
/// The longest relative exptime, in seconds: 30 days (memcached's `REALTIME_MAXDELTA`).
const MAX_RELATIVE: u64 = crate::Expiry::MAX_RELATIVE;

/// The moment at which a command is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) tick: Tick,
    pub(super) unix_now: u64,
}

impl Clock {
    pub(super) fn new(now: Time, unix_now: u64) -> Self {
        Clock { tick: now.since_origin().as_secs().saturating_add(FIRST), unix_now }
    }

    /// When an item with this exptime expires; `None` for never.
    pub(super) fn expiry(self, exptime: Exptime) -> Option<Tick> {
        match u64::try_from(exptime.to_wire()) {
            Ok(0) => None,
            Ok(seconds @ 1..=MAX_RELATIVE) => Some(self.tick.saturating_add(seconds)),
            Ok(unix) if unix > self.unix_now => {
                Some(self.tick.saturating_add(unix - self.unix_now))
            }
            Ok(_) | Err(_) => Some(PAST),
        }
    }

    /// The last second whose items a flush with this delay throws away, once that second has come.
    ///
    /// memcached's reckoning, off by one as it is: a delay of 1 flushes at once, and all that is
    /// stored within the same second too. `None`, for nothing at all, where the delay is an absolute
    /// time in the past.
    pub(super) fn flush(self, delay: Option<Exptime>) -> Option<Tick> {
        let at = match delay {
            Some(delay) if delay > Exptime::NEVER => self.expiry(delay)?,
            _ => self.tick,
        };
        (at > PAST).then(|| at - 1)
    }

    /// That moment in unix seconds.
    pub(super) fn unix(self, tick: Tick) -> u64 {
        self.unix_now.saturating_add(tick).saturating_sub(self.tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exptime_is_relative_absolute_or_past() {
        let clock = Clock::new(Time::from_millis(10_999), 1_700_000_000);
        assert_eq!(clock.tick, 13);
        let cases = [
            (0, None),
            (1, Some(14)),
            (2_592_000, Some(2_592_013)),
            (2_592_001, Some(PAST)),
            (1_700_000_000, Some(PAST)),
            (1_700_000_001, Some(14)),
            (i32::MAX, Some(447_483_660)),
            (-1, Some(PAST)),
            (i32::MIN, Some(PAST)),
        ];
        for (exptime, expected) in cases {
            assert_eq!(clock.expiry(Exptime::from_wire(exptime)), expected, "{exptime}");
        }
        assert_eq!(clock.unix(14), 1_700_000_001);
        assert_eq!(clock.unix(0), 1_699_999_987);
    }

    #[test]
    fn a_flush_takes_what_is_older() {
        let clock = Clock::new(Time::ZERO, 1_700_000_000);
        let cases = [
            (None, Some(2)),
            (Some(0), Some(2)),
            (Some(-1), Some(2)),
            (Some(1), Some(3)),
            (Some(10), Some(12)),
            (Some(1_700_000_010), Some(12)),
            (Some(1_600_000_000), None),
        ];
        for (delay, expected) in cases {
            assert_eq!(clock.flush(delay.map(Exptime::from_wire)), expected, "{delay:?}");
        }
    }
}
