use core::ops::{Add, Sub};
use core::time::Duration;

/// A moment, as the time since an origin that whoever drives the core chooses.
///
/// Nothing in the core reads a clock; every call that depends on time is told `now`. Moments given
/// to one machine, and to everything that shares its health table, must have the same origin and
/// never go backwards. Under `std`, `Origin` makes them from `std::time::Instant`.
///
/// ```
/// use core::time::Duration;
/// use memcache_proto::Time;
///
/// let now = Time::from_millis(1_500);
/// assert_eq!(now + Duration::from_secs(3) - now, Duration::from_secs(3));
/// assert_eq!(Time::ZERO - now, Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(Duration);

impl Time {
    /// The origin itself.
    pub const ZERO: Time = Time(Duration::ZERO);

    /// The moment `since_origin` after the origin.
    #[must_use]
    pub const fn new(since_origin: Duration) -> Self {
        Time(since_origin)
    }

    /// The moment this many milliseconds after the origin.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Time(Duration::from_millis(milliseconds))
    }

    /// The time since the origin.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        self.0
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Saturates: a duration that never ends gives a moment that never comes.
    fn add(self, duration: Duration) -> Time {
        Time(self.0.saturating_add(duration))
    }
}

impl Sub for Time {
    type Output = Duration;

    /// The time from `earlier` to `self`; zero where `earlier` is the later one.
    fn sub(self, earlier: Time) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Turns `std::time::Instant`s into [`Time`]s, and reads no clock itself.
///
/// ```
/// use std::time::{Duration, Instant};
/// use memcache_proto::{Origin, Time};
///
/// let start = Instant::now();
/// let origin = Origin::new(start);
/// assert_eq!(origin.time(start + Duration::from_secs(1)), Time::from_millis(1_000));
/// ```
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug)]
pub struct Origin(std::time::Instant);

#[cfg(feature = "std")]
impl Origin {
    /// An origin at `instant`.
    #[must_use]
    pub const fn new(instant: std::time::Instant) -> Self {
        Origin(instant)
    }

    /// `instant` as the core sees it. An instant before the origin is the origin.
    #[must_use]
    pub fn time(&self, instant: std::time::Instant) -> Time {
        Time(instant.saturating_duration_since(self.0))
    }

    /// The instant at which `time` is; `None` where `Instant` cannot hold it.
    #[must_use]
    pub fn instant(&self, time: Time) -> Option<std::time::Instant> {
        self.0.checked_add(time.0)
    }
}
