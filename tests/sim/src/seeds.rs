//! Many runs, each of a seed of its own.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::{Broken, Options, Report, Seed, Source};

/// What came of many runs.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// How many runs were made.
    pub seeds: u64,
    /// How many operations were submitted in them.
    pub operations: u64,
    /// How long it took.
    pub took: Duration,
    /// The seed whose run broke a check, and which. It is the last.
    pub failed: Option<(u64, Broken)>,
}

/// Makes a run of each seed, one after the other, until one breaks a check or `time` is up. `after` is called
/// after each.
pub fn run_seeds(
    seeds: Range<u64>,
    time: Option<Duration>,
    run: impl Fn(&mut dyn Source, &Options) -> Report,
    mut after: impl FnMut(&Totals),
) -> Totals {
    let begun = Instant::now();
    let mut totals = Totals::default();
    for seed in seeds {
        if time.is_some_and(|time| totals.took >= time) {
            break;
        }
        let report = run(&mut Seed::new(seed), &Options::default());
        totals.seeds += 1;
        totals.operations += report.operations;
        totals.took = begun.elapsed();
        totals.failed = report.broken.map(|broken| (seed, broken));
        after(&totals);
        if totals.failed.is_some() {
            break;
        }
    }
    totals
}

impl Totals {
    /// How many runs a second.
    #[must_use]
    pub fn seeds_per_second(&self) -> f64 {
        per_second(self.seeds, self.took)
    }

    /// How many operations a second.
    #[must_use]
    pub fn operations_per_second(&self) -> f64 {
        per_second(self.operations, self.took)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate that is shown")]
fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy;

    #[test]
    fn runs_end_at_the_first_failure() {
        let mut calls = 0;
        let totals = run_seeds(0..1000, None, toy::run, |_| calls += 1);
        let (seed, broken) = totals.failed.expect("one of a thousand fails");
        assert!(seed < 100, "many do: {seed}");
        assert_eq!((calls, totals.seeds), (seed + 1, seed + 1));
        let report = toy::run(&mut Seed::new(seed), &Options::default());
        assert_eq!(report.broken, Some(broken));
        let before = run_seeds(0..seed, None, toy::run, |_| {});
        assert_eq!((before.seeds, before.failed), (seed, None));
        assert_eq!(totals.operations, before.operations + report.operations);
    }

    #[test]
    fn runs_end_when_their_time_is_up() {
        let calm = |_: &mut dyn Source, _: &Options| Report { operations: 2, ..Report::default() };
        let none = run_seeds(0..u64::MAX, Some(Duration::ZERO), calm, |_| {});
        assert_eq!(none.seeds, 0);
        let some = run_seeds(0..u64::MAX, Some(Duration::from_millis(5)), calm, |_| {});
        assert!(some.seeds > 0 && some.operations == 2 * some.seeds);
        assert!(some.took >= Duration::from_millis(5));
        let all = run_seeds(7..10, Some(Duration::MAX), calm, |_| {});
        assert_eq!(all.seeds, 3);
    }
}
