//! Shorter tapes that break the same check.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use crate::made::{Item, Made, closed, parts, to_tape, trimmed, with, without};
use crate::{Broken, Options, Report, Source};

/// How long shrinking may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most runs. Default: 20,000.
    pub steps: u64,
    /// The most time, which is looked at before each run. Where it ends the shrinking, another machine may
    /// come to another tape. Default: 60 s.
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { steps: 20_000, time: Duration::from_secs(60) }
    }
}

/// A tape that was shrunk.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The least tape that was found.
    pub tape: Vec<u8>,
    /// What it breaks: the same check.
    pub broken: Broken,
    /// How many runs it took.
    pub steps: u64,
    /// How long it took.
    pub took: Duration,
    /// Whether a bound ended it before nothing more could be found.
    pub is_bounded: bool,
}

/// Looks for a tape that breaks the check which `tape` breaks, and no other, in a shorter and calmer run.
/// Returns `None` if `tape` breaks none.
///
/// A run is less than another if it makes fewer choices, of which fewer are not 0, or lower ones. Of each
/// run the choices are taken that it really made, so what it did not read of its tape is gone.
///
/// `progress` is called now and then, with how many runs have been made and how long the tape is.
pub fn shrink(
    tape: &[u8],
    run: impl Fn(&mut dyn Source, &Options) -> Report,
    bounds: Bounds,
    mut progress: impl FnMut(u64, usize),
) -> Option<Shrunk> {
    let begun = Instant::now();
    let (first, made) = attempt(&run, tape);
    let mut shrinker = Shrinker {
        run,
        broken: first?,
        weight: weight(&made),
        best: trimmed(made),
        tried: HashSet::new(),
        bounds,
        begun,
        steps: 1,
        told: begun,
        progress: &mut progress,
        is_over: false,
    };
    shrinker.shrink();
    Some(Shrunk {
        tape: to_tape(&shrinker.best),
        broken: shrinker.broken,
        steps: shrinker.steps,
        took: begun.elapsed(),
        is_bounded: shrinker.is_over,
    })
}

/// Whether both broke the same check; if that is a panic, with the same words before the first colon.
#[must_use]
pub fn is_same(a: &Broken, b: &Broken) -> bool {
    let words = |broken: &Broken| broken.message.split(':').next().map(str::to_string);
    a.check == b.check && (a.check != "panic" || words(a) == words(b))
}

/// How often `progress` is called.
const TELL: Duration = Duration::from_secs(2);
/// The choices at the beginning that are made 0 first: they are of the plan of a run, and a smaller plan
/// makes all that follows quicker.
const PLAN: usize = 100;
/// Into how many spans a tape is cut at most to take them out: few of them do, where each of the choices
/// that follow is then taken for another.
const SPANS: usize = 64;
/// The most neighbouring choices that are taken out at every place there is.
const FINE: usize = 12;
/// With more choices than this, only every so many of those places are tried.
const FEW: usize = 600;
/// How deep the parts are that are taken out as a whole.
const DEPTHS: std::ops::RangeInclusive<usize> = 1..=3;

struct Shrinker<'a, R> {
    run: R,
    broken: Broken,
    best: Vec<Item>,
    weight: Weight,
    /// Hashes of the tapes that need not be tried again.
    tried: HashSet<u64>,
    bounds: Bounds,
    begun: Instant,
    steps: u64,
    told: Instant,
    progress: &'a mut dyn FnMut(u64, usize),
    is_over: bool,
}

impl<R: Fn(&mut dyn Source, &Options) -> Report> Shrinker<'_, R> {
    /// Tries everything until nothing helps any more.
    fn shrink(&mut self) {
        for at in 0..PLAN {
            if self.best.get(at).is_some_and(|item| item.number() > 0) {
                self.keep(&with(&self.best, at, 0));
            }
        }
        loop {
            let before = self.weight;
            self.cut_off();
            for depth in DEPTHS {
                for size in halves(parts(&self.best, depth).len()) {
                    self.take_out_parts(depth, size);
                }
            }
            for size in halves(self.best.len()) {
                self.calm(size);
                if self.best.len() / size <= SPANS {
                    self.take_out(size, size);
                }
            }
            self.lower();
            self.close_gaps();
            if self.weight == before {
                // What is dear, once the rest has done what it can.
                let step = 1 + self.best.len() / FEW;
                (1..=FINE).for_each(|size| self.take_out(size, step));
                (1..=FINE).for_each(|size| self.lower_and_take_out(size, step));
            }
            if self.is_over || self.weight == before {
                return;
            }
        }
    }

    /// Makes a run of these choices, and keeps them if it breaks the same check and is less. Whether it did.
    fn keep(&mut self, candidate: &[Item]) -> bool {
        let tape = to_tape(candidate);
        self.is_over |= self.steps >= self.bounds.steps;
        if self.is_over || !self.tried.insert(hash(&tape)) {
            return false;
        }
        let now = Instant::now();
        self.is_over |= now - self.begun >= self.bounds.time;
        if now - self.told >= TELL {
            self.told = now;
            (self.progress)(self.steps, to_tape(&self.best).len());
        }
        self.steps += 1;
        let (broken, made) = attempt(&self.run, &tape);
        let weight = weight(&made);
        match broken {
            Some(broken) if is_same(&broken, &self.broken) && weight < self.weight => {
                (self.broken, self.weight, self.best) = (broken, weight, trimmed(made));
                true
            }
            _ => false,
        }
    }

    /// Leaves the end away, more of it first: a tape that has ended is calm.
    fn cut_off(&mut self) {
        for size in halves(self.best.len()) {
            while let Some(left) = self.best.len().checked_sub(size) {
                if !self.keep(&closed(self.best[..left].to_vec())) {
                    break;
                }
            }
        }
    }

    /// Takes out so many neighbouring parts of this depth, wherever they stand; or empties them, where what
    /// follows depends on how many there are.
    fn take_out_parts(&mut self, depth: usize, size: usize) {
        let mut end = parts(&self.best, depth).len();
        while end >= size && !self.is_over {
            let parts = parts(&self.best, depth);
            let Some(chosen) = parts.get(end - size..end) else { break };
            let (first, last) = (chosen[0].start, chosen[size - 1].end);
            let less = without(&self.best, first, last - first);
            // The first choice of a run often says how many parts it has.
            let fewer = less.as_ref().map(|less| {
                with(less, 0, less.first().map_or(0, Item::number).saturating_sub(size))
            });
            let mut empty = self.best.clone();
            for part in chosen.iter().rev() {
                empty.drain(part.start + 1..part.end - 1);
            }
            let mut candidates = fewer.into_iter().chain(less).chain([empty]);
            candidates.any(|candidate| self.keep(&candidate));
            end -= size;
        }
    }

    /// Makes spans of this size 0.
    fn calm(&mut self, size: usize) {
        self.at_each(size, size, |best, at| {
            let mut candidate = best.to_vec();
            candidate[at..at + size].iter_mut().for_each(|item| *item = item.with(0));
            (candidate != best).then_some(candidate)
        });
    }

    /// Takes out spans of this size, which stand `step` apart.
    fn take_out(&mut self, size: usize, step: usize) {
        self.at_each(size, step, |best, at| without(best, at, size));
    }

    /// Makes each number the lowest that does, as if all above that did.
    fn lower(&mut self) {
        for at in 0..self.best.len() {
            if self.best.get(at).is_some_and(|item| item.number() > 0) {
                self.keep(&with(&self.best, at, 0));
            }
            let mut does_not = 0;
            while let Some(number) = self.best.get(at).map(Item::number) {
                if number <= does_not + 1 || self.is_over {
                    break;
                }
                let middle = does_not + (number - does_not) / 2;
                if !self.keep(&with(&self.best, at, middle)) {
                    does_not = middle;
                }
            }
        }
    }

    /// Takes out of each row of 0 as much as may be, and so brings together what is left.
    fn close_gaps(&mut self) {
        let row = |best: &[Item], start| {
            let row = best.iter().skip(start);
            row.take_while(|item| matches!(item, Item::Choice { number: 0, .. })).count()
        };
        let mut start = self.best.len();
        while start > 0 && !self.is_over {
            start -= 1;
            if start > 0 && row(&self.best, start - 1) > 0 {
                continue;
            }
            for size in halves(row(&self.best, start)) {
                while size <= row(&self.best, start)
                    && without(&self.best, start, size).is_some_and(|less| self.keep(&less))
                {
                }
            }
            start = start.min(self.best.len());
        }
    }

    /// Makes a number less and takes out what stood behind it: a list that is shorter has fewer elements.
    fn lower_and_take_out(&mut self, size: usize, step: usize) {
        for less in [1, size, usize::MAX] {
            self.at_each(size + 1, step, |best, at| {
                let number = best[at].number();
                let candidate = with(best, at, number.saturating_sub(less));
                (number > 0).then(|| without(&candidate, at + 1, size))?
            });
        }
    }

    /// Tries what `change` makes of the choices at each place that `size` of them can stand at, from the
    /// last on, `step` apart.
    fn at_each(
        &mut self,
        size: usize,
        step: usize,
        change: impl Fn(&[Item], usize) -> Option<Vec<Item>>,
    ) {
        let mut end = self.best.len();
        while end >= size && !self.is_over {
            if change(&self.best, end - size).is_some_and(|candidate| self.keep(&candidate)) {
                end = end.min(self.best.len());
            } else if end > step {
                end -= step;
            } else {
                break;
            }
        }
    }
}

/// Makes a run of a tape. Returns what it broke, and the choices that it made.
fn attempt(
    run: impl Fn(&mut dyn Source, &Options) -> Report,
    tape: &[u8],
) -> (Option<Broken>, Vec<Item>) {
    let mut source = Made::new(tape);
    let report = run(&mut source, &Options::default());
    (report.broken, source.into_items())
}

/// How much there is of a run: what was chosen, of which that counts most that is not 0; how much of it must
/// be on a tape; the numbers. What was kept goes down by it, so shrinking ends.
type Weight = (usize, usize, u128);

/// How many choices of 0 one counts for that is another number.
const WILD: usize = 8;

fn weight(items: &[Item]) -> Weight {
    let wild = items.iter().filter(|item| item.number() > 0).count();
    let numbers = items.iter().map(|item| item.number() as u128).sum();
    (items.len() + WILD * wild, trimmed(items.to_vec()).len(), numbers)
}

fn hash(tape: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    tape.hash(&mut hasher);
    hasher.finish()
}

/// Half of `len`, half of that, and so on, down to 1.
fn halves(len: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(len.div_ceil(2)), |&size| Some(size / 2))
        .take_while(|&size| size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Origin;
    use crate::toy::{self, LONG, LOST, SHORTEST_LOST};

    fn shrink_toy(tape: &[u8], bounds: Bounds) -> Option<Shrunk> {
        shrink(tape, toy::run, bounds, |_, _| {})
    }

    /// The tapes of the first seeds that break this check.
    fn failures(check: &str) -> Vec<Vec<u8>> {
        let tapes = (0..1000).filter_map(|seed| {
            let (report, tape) = Origin::Seed(seed).replay(toy::run, &Options::default());
            (report.broken?.check == check).then_some(tape)
        });
        tapes.collect()
    }

    #[test]
    fn every_failure_shrinks_to_the_shortest_there_is() {
        let tapes = failures(LOST);
        assert!(tapes.len() > 50, "{}", tapes.len());
        for tape in tapes {
            let shrunk = shrink_toy(&tape, Bounds::default()).expect("it fails");
            assert_eq!(shrunk.tape, SHORTEST_LOST, "of {tape:?}");
            assert_eq!(shrunk.broken.check, LOST);
            assert!(!shrunk.is_bounded && shrunk.steps < 3000, "{}", shrunk.steps);
        }
    }

    /// The list has one byte that counts, and 20 that must be there.
    #[test]
    fn lists_become_as_short_as_they_may_be() {
        let tapes = failures(LONG);
        assert!(tapes.len() > 50, "{}", tapes.len());
        let shortest = [&[1, 3, 21, 200][..]].concat();
        for tape in tapes {
            let shrunk = shrink_toy(&tape, Bounds::default()).expect("it fails");
            assert_eq!(shrunk.tape, shortest, "of {tape:?}");
            assert_eq!(shrunk.broken.check, LONG);
        }
    }

    #[test]
    fn the_same_tape_shrinks_in_the_same_steps() {
        let tape = &failures(LOST)[0];
        let [first, second] = [(); 2].map(|()| shrink_toy(tape, Bounds::default()).expect("fails"));
        assert_eq!((first.tape, first.steps), (second.tape, second.steps));
    }

    #[test]
    fn a_tape_that_breaks_nothing_has_nothing_to_shrink() {
        assert!(shrink_toy(&[], Bounds::default()).is_none());
        assert!(shrink_toy(&[1, 1, 3], Bounds::default()).is_none());
    }

    #[test]
    fn bounds_are_kept() {
        for tape in failures(LOST).iter().take(10) {
            for steps in [1, 2, 10, 50] {
                let bounds = Bounds { steps, ..Bounds::default() };
                let shrunk = shrink_toy(tape, bounds).expect("it fails");
                assert!(shrunk.steps <= steps && shrunk.is_bounded, "{}", shrunk.steps);
                let (report, _) = Origin::Tape(shrunk.tape).replay(toy::run, &Options::default());
                assert_eq!(report.broken, Some(shrunk.broken));
            }
            let bounds = Bounds { time: Duration::ZERO, ..Bounds::default() };
            assert!(shrink_toy(tape, bounds).expect("it fails").is_bounded);
        }
    }

    #[test]
    fn panics_are_the_same_by_their_words() {
        let broken = |check: &str, message: &str| Broken {
            check: check.to_string(),
            message: message.to_string(),
        };
        let cases = [
            (("a", "x"), ("a", "y"), true),
            (("a", "x"), ("b", "x"), false),
            (("panic", "no such index: 7"), ("panic", "no such index: 8"), true),
            (("panic", "no such index: 7"), ("panic", "overflow"), false),
        ];
        for (a, b, expected) in cases {
            assert_eq!(is_same(&broken(a.0, a.1), &broken(b.0, b.1)), expected, "{a:?} {b:?}");
        }
    }
}
