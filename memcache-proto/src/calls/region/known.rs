use core::fmt;

use crate::Time;
use crate::calls::Calls;

/// The number that is part of the keys of a [`Region`](super::Region) until it is invalidated.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation(pub(super) u64);

/// What a handle of a [`Region`](super::Region) knows of its generation. Clones of a handle share it.
///
/// ```
/// use memcache_proto::Time;
/// use memcache_proto::calls::{Config, Known};
///
/// # let mut config = Config::default();
/// # config.add_server("10.0.0.1", 1);
/// let calls = config.build(|| 1_800_000_000)?; // your clock
/// let region = calls.region("users")?;
/// let mut known = Known::default();
/// let generation = match region.remembered(&known, Time::ZERO) {
///     Some(generation) => generation,
///     None => {
///         let asked = known.ask(Time::ZERO);
///         let call = region.look(); // Make this call. It returns, say, that there is no generation yet.
///         let fresh = asked.fresh(&calls, 0x5eed); // a random number of yours
///         let call = region.make(fresh); // Make this call. It returns true.
///         assert!(known.accept(fresh, asked));
///         fresh
///     }
/// };
/// let call = region.call(generation, memcache_proto::calls::get::<String, _>("42")); // And this one.
/// # Ok::<(), memcache_proto::calls::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The latest generation that has been seen.
    pub(super) latest: Option<Generation>,
    /// Since when it is the generation, for all that is known; `None` if the server has to be asked.
    pub(super) since: Option<Time>,
}

/// What was known when a server was asked: others may learn more until it answers.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub(super) latest: Option<Generation>,
    at: Time,
}

/// So many random bits are in a generation, behind the seconds. The seconds have room for 500 years.
const RANDOM_BITS: u32 = 30;

impl Known {
    /// Remembers what is known now, before a server is asked.
    #[must_use]
    pub fn ask(&self, now: Time) -> Asked {
        Asked { latest: self.latest, at: now }
    }

    /// Takes note of a generation that the server had, or that was made. Returns false if it is older than one that
    /// had been seen before the server was asked: [`Region::discard`](super::Region::discard) it.
    pub fn accept(&mut self, found: Generation, asked: Asked) -> bool {
        if asked.latest.is_some_and(|latest| found.is_before(latest)) {
            return false;
        }
        match self.latest {
            // It has been replaced since, and is good for the call that has found it.
            Some(latest) if found.is_before(latest) => {}
            Some(latest) if found == latest => self.since = self.since.max(Some(asked.at)),
            _ => (self.latest, self.since) = (Some(found), Some(asked.at)),
        }
        true
    }

    /// Takes note of what [`Region::advance`](super::Region::advance) returned.
    pub fn invalidated(&mut self, advanced: Option<u64>, asked: Asked) {
        let advanced = advanced.map(Generation);
        match advanced.filter(|&it| asked.latest.is_none_or(|latest| latest.is_before(it))) {
            Some(advanced) => {
                self.accept(advanced, asked);
            }
            // There was none, or not the latest. What was the latest is not any more, and has to be replaced.
            None => {
                self.latest = self.latest.map(Generation::next);
                self.since = None;
            }
        }
    }
}

impl Asked {
    /// A generation that has never been in use, for [`Region::make`](super::Region::make). `random` is any number
    /// that nobody can foresee.
    #[must_use]
    pub fn fresh(&self, calls: &Calls, random: u64) -> Generation {
        self.fresh_at((calls.unix_now)(), random)
    }

    pub(super) fn fresh_at(&self, unix_now: u64, random: u64) -> Generation {
        let random = random & ((1 << RANDOM_BITS) - 1);
        let fresh = Generation((unix_now << RANDOM_BITS) | random);
        match self.latest {
            // The clock is behind another's.
            Some(latest) if !latest.is_before(fresh) => {
                Generation(latest.next().0.wrapping_add(random))
            }
            _ => fresh,
        }
    }
}

impl Generation {
    fn next(self) -> Self {
        Generation(self.0.wrapping_add(1))
    }

    /// Whether this is the older one. They are compared around the end of their range, so that nobody who stores
    /// the largest number makes everything else older for ever.
    fn is_before(self, other: Generation) -> bool {
        (1..=u64::MAX / 2).contains(&other.0.wrapping_sub(self.0))
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Generation({})", self.0)
    }
}
