use core::time::Duration;

use super::meta::{AskDelete, AskItem, MetaCall, invalidate, meta_try_get};
use super::{Changed, Error, Fetched, MetaItem};
use crate::value::FromValue;
use crate::{Expiry, ToKey};

/// How those who look for the same value at the same time share the work of making it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recache {
    /// How long the one that computes has for it; after that another may, and a value that was
    /// invalidated is gone. Whole seconds, at least one and at most 30 days. Default: 30 s. One that was
    /// only soon to expire is there until then.
    ///
    /// It is to be longer than the work ever takes. What comes later is not stored: the item may have
    /// been changed or deleted meanwhile, which what was computed before would undo.
    ///
    /// A lookup that is sent again, as its connection was closed, may find a lease of its own that the
    /// server gave it before; that is as another's then.
    pub lease: Duration,
    /// A value that expires in less than this is computed anew by one, while the others get the old one.
    /// Whole seconds, at most 30 days; 0, the default, for never before it has expired. All who share the
    /// cache are to have the same: a value that somebody is to compute anew and that expires later is
    /// taken for one that was touched since, by which nobody computes.
    pub early: Duration,
    /// How long the others wait for the first value; after that they compute for themselves. 60 s.
    pub wait: Duration,
    /// How long they wait before they look again, at first, at least 1 ms and at most 1 minute; it doubles
    /// up to 16 times this. Default: 10 ms.
    pub pause: Duration,
}

impl Default for Recache {
    fn default() -> Self {
        Recache {
            lease: Duration::from_secs(30),
            early: Duration::ZERO,
            wait: Duration::from_secs(60),
            pause: Duration::from_millis(10),
        }
    }
}

/// What is to be done next for a value that others may be making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn<V> {
    /// This is it.
    Have(Found<V>),
    /// Compute it. Without a lease, store it whatever is there.
    Compute(Option<Lease<V>>),
    /// [`Recaching::bound`] the old value of the item with this cas unique, which else would be there
    /// for as long as nobody replaces it, and who was to may be gone; then look again.
    Bound(u64),
    /// Wait for this long, then look again.
    Wait(Duration),
}

/// A value that was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<V> {
    /// As good as new.
    Fresh(V),
    /// One that somebody is making a better one of.
    Stale(V),
}

/// The right to make a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease<V> {
    /// The cas unique of the item that it is about. Store the value only if the item still has it.
    pub cas: u64,
    /// What to do where no value can be made.
    pub otherwise: Otherwise<V>,
}

/// What to do with the item of a [`Lease`] where no value can be made. Only if it still has its cas
/// unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise<V> {
    /// Delete it: it is but the place for a value. Then the next one looks and has the lease.
    Delete,
    /// Invalidate it: its value is old, or of no use. Then the next one looks and has the lease.
    Invalidate,
    /// Leave it: this value of it is good until it expires, and nobody tries again before.
    Keep(V),
}

/// One call's part in it: look with [`look`](Self::look), and do what [`turn`](Self::turn) says.
#[derive(Clone, Debug)]
pub struct Recaching {
    recache: Recache,
    waited: Duration,
    pause: Duration,
    /// How often it may have an old value bounded yet: not for ever, if a server does not.
    bounds: u8,
}

/// How often one part may have an old value bounded. Once does; again where others change it meanwhile.
const BOUNDS: u8 = 3;

impl Recaching {
    /// A part that begins now.
    #[must_use]
    pub fn new(mut recache: Recache) -> Self {
        recache.pause = recache.pause.clamp(Duration::from_millis(1), Duration::from_secs(60));
        // As the server will have them: what is longer would be a moment to it.
        let part = u64::from(recache.lease.subsec_nanos() > 0);
        let lease = recache.lease.as_secs().saturating_add(part);
        recache.lease = Duration::from_secs(lease.clamp(1, Expiry::MAX_RELATIVE));
        recache.early = Duration::from_secs(recache.early.as_secs().min(Expiry::MAX_RELATIVE));
        Recaching { recache, waited: Duration::ZERO, pause: recache.pause, bounds: BOUNDS }
    }

    /// Looks for the value, and takes the lease where nobody has it.
    pub fn look<V: FromValue, K: ToKey>(
        &self,
        key: K,
    ) -> MetaCall<K, AskItem, Option<MetaItem<Result<V, Error>>>> {
        let call = meta_try_get(key).vivify(self.recache.lease);
        match self.recache.early {
            Duration::ZERO => call,
            early => call.recache(early),
        }
    }

    /// Has an old value expire with the lease, and gives that back: it is anybody's.
    pub fn bound<K: ToKey>(&self, key: K, cas: u64) -> MetaCall<K, AskDelete, Changed> {
        invalidate(key, Some(self.recache.lease.into())).compare_cas(cas)
    }

    /// What to do about what was found.
    ///
    /// # Errors
    ///
    /// Why what was found cannot be read as a `V`, where nobody is to replace it.
    pub fn turn<V, E>(&mut self, item: Option<MetaItem<Result<V, E>>>) -> Result<Turn<V>, E> {
        // From a server that was to make a place for it, and has not.
        let Some(item) = item else { return Ok(Turn::Compute(None)) };
        if let Some(cas) = item.cas.filter(|_| self.bounds > 0 && self.outlives(&item)) {
            self.bounds -= 1;
            return Ok(Turn::Bound(cas));
        }
        if item.won {
            return Ok(won(item));
        }
        let in_the_making = item.stale || item.won_by_another;
        Ok(match item.value {
            Some(Ok(value)) if in_the_making => Turn::Have(Found::Stale(value)),
            Some(value) if !in_the_making => Turn::Have(Found::Fresh(value?)),
            // A place, or of no use.
            _ if self.waited >= self.recache.wait => Turn::Compute(None),
            _ => {
                let pause = self.pause.min(self.recache.wait - self.waited);
                self.waited += pause;
                self.pause =
                    self.pause.saturating_mul(2).min(self.recache.pause.saturating_mul(16));
                Turn::Wait(pause)
            }
        })
    }

    /// Whether what somebody is to replace would be there for longer than they have for it, so that it
    /// is for ever if they do not.
    fn outlives<V>(&self, item: &MetaItem<V>) -> bool {
        let after = |time| item.expires_in.is_none_or(|left| left > time);
        match (item.stale, item.won_by_another) {
            (true, _) => after(self.recache.lease),
            // Who won it did so as it was soon to expire, but then it was touched.
            (false, true) if item.value.is_some() => match self.recache.early {
                Duration::ZERO => item.expires_in.is_none(),
                early => after(early),
            },
            (false, _) => false,
        }
    }
}

/// The part of the one that is to make the value.
fn won<V, E>(item: MetaItem<Result<V, E>>) -> Turn<V> {
    let Some(cas) = item.cas else { return Turn::Compute(None) };
    let otherwise = match item.value {
        None => Otherwise::Delete,
        Some(Ok(value)) if !item.stale => Otherwise::Keep(value),
        Some(_) => Otherwise::Invalidate,
    };
    Turn::Compute(Some(Lease { cas, otherwise }))
}

impl<V> From<Found<V>> for Fetched<V> {
    fn from(found: Found<V>) -> Self {
        match found {
            Found::Fresh(value) => Fetched::Hit(value),
            Found::Stale(value) => Fetched::Stale(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{ValueError, ValueKind};

    type Item = MetaItem<Result<u8, ValueError>>;

    /// `W`, `X` and `Z` as the server gives them, in how many seconds it expires, and the value.
    fn item(flags: &str, ttl: Option<u64>, value: Option<Result<u8, ValueError>>) -> Item {
        MetaItem {
            value,
            cas: Some(7),
            expires_in: ttl.map(Duration::from_secs),
            won: flags.contains('W'),
            stale: flags.contains('X'),
            won_by_another: flags.contains('Z'),
        }
    }

    fn unreadable() -> Result<u8, ValueError> {
        Err(ValueError::Mismatch { found: ValueKind::Text, wanted: "u8" })
    }

    #[test]
    fn who_has_the_lease_computes_and_the_others_take_what_there_is_or_wait() {
        let lease = |otherwise| Ok(Turn::Compute(Some(Lease { cas: 7, otherwise })));
        let delete = || lease(Otherwise::Delete);
        let invalidate = || lease(Otherwise::Invalidate);
        let wait = || Ok(Turn::Wait(Duration::from_millis(10)));
        let one = || Some(Ok(1));
        let bad = || Some(unreadable());
        let cases = [
            (item("W", Some(30), None), delete()),
            (item("Z", Some(30), None), wait()),
            // A place that was invalidated.
            (item("WX", Some(30), None), delete()),
            (item("WX", None, None), Ok(Turn::Bound(7))),
            (item("XZ", Some(30), None), wait()),
            // An old value.
            (item("WX", Some(30), one()), invalidate()),
            (item("WX", Some(31), one()), Ok(Turn::Bound(7))),
            (item("WX", None, one()), Ok(Turn::Bound(7))),
            (item("XZ", Some(30), one()), Ok(Turn::Have(Found::Stale(1)))),
            // Whose winner may be gone.
            (item("XZ", Some(31), one()), Ok(Turn::Bound(7))),
            (item("XZ", None, one()), Ok(Turn::Bound(7))),
            (item("XZ", None, None), Ok(Turn::Bound(7))),
            (item("Z", None, one()), Ok(Turn::Bound(7))),
            // One that is to expire soon.
            (item("W", Some(40), one()), lease(Otherwise::Keep(1))),
            (item("Z", Some(40), one()), Ok(Turn::Have(Found::Stale(1)))),
            (item("", None, one()), Ok(Turn::Have(Found::Fresh(1)))),
            // One that is something else.
            (item("W", Some(30), bad()), invalidate()),
            (item("WX", Some(30), bad()), invalidate()),
            (item("", None, bad()), unreadable().map(|_| Turn::Compute(None))),
            (item("XZ", Some(30), bad()), wait()),
            (item("Z", Some(30), bad()), wait()),
        ];
        for (item, expected) in cases {
            let mut part = Recaching::new(Recache::default());
            assert_eq!(part.turn(Some(item.clone())), expected, "{item:?}");
        }
        assert_eq!(
            Recaching::new(Recache::default()).turn::<u8, ValueError>(None),
            Ok(Turn::Compute(None))
        );
    }

    #[test]
    fn who_was_to_make_a_value_anew_is_gone_if_it_was_touched_since() {
        let cases = [
            (10, Some(10), Turn::Have(Found::Stale(1))),
            (10, Some(11), Turn::Bound(7)),
            (10, None, Turn::Bound(7)),
            (0, Some(11), Turn::Have(Found::Stale(1))),
        ];
        for (early, ttl, expected) in cases {
            let early = Duration::from_millis(early * 1000 + 999);
            let mut part = Recaching::new(Recache { early, ..Recache::default() });
            assert_eq!(part.turn(Some(item("Z", ttl, Some(Ok(1))))), Ok(expected), "{ttl:?}");
        }
    }

    #[test]
    fn an_old_value_is_not_bounded_for_ever() {
        for (flags, goes_on) in [("WX", true), ("XZ", false)] {
            let mut part = Recaching::new(Recache::default());
            let forever = || Some(item(flags, None, Some(Ok(1))));
            for _ in 0..BOUNDS {
                assert_eq!(part.turn(forever()), Ok(Turn::Bound(7)));
            }
            let computes = matches!(part.turn(forever()), Ok(Turn::Compute(Some(_))));
            assert_eq!(computes, goes_on, "{flags}");
        }
    }

    /// A server's seconds are whole: one that has rounded up is not behind.
    #[test]
    fn a_lease_is_of_whole_seconds() {
        for (lease, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (1_500, 2)] {
            let lease = Duration::from_millis(lease);
            let mut part = Recaching::new(Recache { lease, ..Recache::default() });
            let found = part.turn(Some(item("XZ", Some(seconds), Some(Ok(1)))));
            assert_eq!(found, Ok(Turn::Have(Found::Stale(1))), "{lease:?}");
            let found = part.turn(Some(item("XZ", Some(seconds + 1), Some(Ok(1)))));
            assert_eq!(found, Ok(Turn::Bound(7)), "{lease:?}");
        }
    }

    #[test]
    fn who_waits_does_not_spin_and_not_overflow_whatever_the_pause() {
        let cases = [
            (Duration::ZERO, &[1_u128, 2, 4, 8, 16, 16, 3][..]),
            (Duration::from_micros(1), &[1, 2, 4, 8, 16, 16, 3]),
            (Duration::MAX, &[50]),
        ];
        for (pause, expected) in cases {
            let wait = Duration::from_millis(50);
            let mut part = Recaching::new(Recache { wait, pause, ..Recache::default() });
            let mut steps = alloc::vec::Vec::new();
            while let Ok(Turn::Wait(step)) = part.turn(Some(item("Z", Some(30), None))) {
                steps.push(step.as_millis());
                assert!(steps.len() < 100, "{pause:?}: {steps:?}");
            }
            assert_eq!(steps, expected, "{pause:?}");
        }
    }

    #[test]
    fn times_are_those_that_a_server_can_be_told() {
        let month = Duration::from_secs(Expiry::MAX_RELATIVE);
        let Recaching { recache, .. } = Recaching::new(Recache {
            lease: Duration::MAX,
            early: Duration::MAX,
            wait: Duration::MAX,
            pause: Duration::MAX,
        });
        assert_eq!((recache.lease, recache.early), (month, month));
        // Nobody sleeps for longer than a clock can count.
        let mut part = Recaching::new(recache);
        for _ in 0..100 {
            let Ok(Turn::Wait(pause)) = part.turn(Some(item("Z", Some(30), None))) else {
                panic!()
            };
            assert!(pause <= Duration::from_secs(16 * 60));
        }
    }

    #[test]
    fn who_waits_does_so_in_longer_and_longer_steps_and_not_for_ever() {
        let wait = Duration::from_millis(500);
        let mut part = Recaching::new(Recache { wait, ..Recache::default() });
        let mut steps = alloc::vec::Vec::new();
        loop {
            match part.turn(Some(item("Z", Some(30), None))) {
                Ok(Turn::Wait(step)) => steps.push(step.as_millis()),
                turn => break assert_eq!(turn, Ok(Turn::Compute(None))),
            }
        }
        assert_eq!(steps, [10, 20, 40, 80, 160, 160, 30]);
    }
}
