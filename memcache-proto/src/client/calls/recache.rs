use core::time::Duration;

use super::meta::{AskItem, MetaCall, meta_get};
use super::{Fetched, MetaItem};
use crate::ToKey;
use crate::value::FromValue;

/// How those who look for the same value at the same time share the work of making it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recache {
    /// How long the one that computes has for it; after that another may. Whole seconds, at least one;
    /// 30 s.
    pub lease: Duration,
    /// A value that expires in less than this is computed anew by one, while the others get the old one.
    /// Whole seconds; 0, the default, for never before it has expired.
    pub early: Duration,
    /// How long the others wait for the first value; after that they compute for themselves. 60 s.
    pub wait: Duration,
    /// How long they wait before they look again, at first, at least 1 ms; it doubles up to 16 times
    /// this. 10 ms.
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
    /// Compute it, store it if the item still has this cas unique (or whatever is there, without one),
    /// and give the turn back where that fails.
    Compute(Option<Lease>),
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
pub struct Lease {
    /// The cas unique of the item that it is about.
    pub cas: u64,
    /// Whether the item is but the place for a value, so that it is to be deleted where none can be
    /// made; else others go on with its old value.
    pub is_place: bool,
}

/// One call's part in it: look with [`look`](Self::look), and do what [`turn`](Self::turn) says.
#[derive(Clone, Debug)]
pub struct Recaching {
    recache: Recache,
    waited: Duration,
    pause: Duration,
}

impl Recaching {
    /// A part that begins now.
    #[must_use]
    pub fn new(mut recache: Recache) -> Self {
        recache.pause = recache.pause.max(Duration::from_millis(1));
        Recaching { recache, waited: Duration::ZERO, pause: recache.pause }
    }

    /// Looks for the value, and takes the lease where nobody has it.
    pub fn look<V: FromValue, K: ToKey>(
        &self,
        key: K,
    ) -> MetaCall<K, AskItem, Option<MetaItem<V>>> {
        let call = meta_get(key).vivify(self.recache.lease.max(Duration::from_secs(1)));
        match self.recache.early.as_secs() {
            0 => call,
            _ => call.recache(self.recache.early),
        }
    }

    /// What to do about what was found.
    pub fn turn<V>(&mut self, item: Option<MetaItem<V>>) -> Turn<V> {
        match item {
            // From a server that was to make a place for it, and has not.
            None => Turn::Compute(None),
            Some(MetaItem { won: true, value, cas, .. }) => {
                Turn::Compute(cas.map(|cas| Lease { cas, is_place: value.is_none() }))
            }
            Some(MetaItem { value: Some(value), stale, won_by_another, .. }) => {
                Turn::Have(match stale || won_by_another {
                    true => Found::Stale(value),
                    false => Found::Fresh(value),
                })
            }
            Some(_) if self.waited >= self.recache.wait => Turn::Compute(None),
            Some(_) => {
                let pause = self.pause.min(self.recache.wait - self.waited);
                self.waited += pause;
                self.pause =
                    self.pause.saturating_mul(2).min(self.recache.pause.saturating_mul(16));
                Turn::Wait(pause)
            }
        }
    }
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

    fn item(value: Option<u8>, won: bool, stale: bool, won_by_another: bool) -> MetaItem<u8> {
        MetaItem { value, cas: Some(7), expires_in: None, won, stale, won_by_another }
    }

    #[test]
    fn who_has_the_lease_computes_and_the_others_take_what_there_is_or_wait() {
        let lease = |is_place| Turn::Compute(Some(Lease { cas: 7, is_place }));
        let cases = [
            (None, Turn::Compute(None)),
            (Some(item(None, true, false, false)), lease(true)),
            (Some(item(Some(1), true, true, false)), lease(false)),
            (Some(item(Some(1), true, false, false)), lease(false)),
            (Some(item(Some(1), false, false, false)), Turn::Have(Found::Fresh(1))),
            (Some(item(Some(1), false, true, true)), Turn::Have(Found::Stale(1))),
            (Some(item(Some(1), false, false, true)), Turn::Have(Found::Stale(1))),
            (Some(item(None, false, false, true)), Turn::Wait(Duration::from_millis(10))),
        ];
        for (item, expected) in cases {
            let mut part = Recaching::new(Recache::default());
            assert_eq!(part.turn(item.clone()), expected, "{item:?}");
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
            while let Turn::Wait(step) = part.turn(Some(item(None, false, false, true))) {
                steps.push(step.as_millis());
                assert!(steps.len() < 100, "{pause:?}: {steps:?}");
            }
            assert_eq!(steps, expected, "{pause:?}");
        }
    }

    #[test]
    fn who_waits_does_so_in_longer_and_longer_steps_and_not_for_ever() {
        let wait = Duration::from_millis(500);
        let mut part = Recaching::new(Recache { wait, ..Recache::default() });
        let mut steps = alloc::vec::Vec::new();
        loop {
            match part.turn(Some(item(None, false, false, true))) {
                Turn::Wait(step) => steps.push(step.as_millis()),
                turn => break assert_eq!(turn, Turn::Compute(None)),
            }
        }
        assert_eq!(steps, [10, 20, 40, 80, 160, 160, 30]);
    }
}
