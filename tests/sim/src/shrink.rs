//! Shorter tapes that break the same check.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::source::width;
use crate::{Broken, Options, Report, Source, Tape};

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

/// A tape that was made shorter.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The shortest tape that was found.
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

/// Looks for a shorter and calmer tape that breaks the check which `tape` breaks, and no other. Returns
/// `None` if `tape` breaks none.
///
/// A tape that breaks the same check is shorter, or has fewer choices that are not 0, or lower ones. Of each
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
    let (first, choices) = attempt(&run, tape);
    let mut shrinker = Shrinker {
        run,
        broken: first?,
        best: trimmed(choices),
        tried: HashSet::from([tape.to_vec()]),
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
/// The most neighbouring choices that are taken out at every place there is.
const FINE: usize = 12;
/// With more choices than this, only every so many of those places are tried.
const FEW: usize = 600;

/// A choice that a run has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Choice {
    number: usize,
    /// How many bytes of a tape it takes.
    width: usize,
}

struct Shrinker<'a, R> {
    run: R,
    broken: Broken,
    best: Vec<Choice>,
    tried: HashSet<Vec<u8>>,
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
        loop {
            let before = weight(&self.best);
            self.cut_off();
            self.take_out();
            self.calm();
            self.lower();
            if weight(&self.best) == before {
                // What is dear, once the rest has done what it can.
                self.take_out_at_every_place();
                self.lower_and_take_out();
            }
            if self.is_over || weight(&self.best) == before {
                return;
            }
        }
    }

    /// Makes a run of these choices, and keeps them if it breaks the same check and is less. Whether it did.
    fn keep(&mut self, candidate: Vec<Choice>) -> bool {
        let tape = to_tape(&candidate);
        self.is_over |= self.steps >= self.bounds.steps;
        if self.is_over || !self.tried.insert(tape.clone()) {
            return false;
        }
        let now = Instant::now();
        self.is_over |= now - self.begun >= self.bounds.time;
        if now - self.told >= TELL {
            self.told = now;
            (self.progress)(self.steps, to_tape(&self.best).len());
        }
        self.steps += 1;
        let (broken, choices) = attempt(&self.run, &tape);
        let choices = trimmed(choices);
        match broken {
            Some(broken)
                if is_same(&broken, &self.broken) && weight(&choices) < weight(&self.best) =>
            {
                (self.broken, self.best) = (broken, choices);
                true
            }
            _ => false,
        }
    }

    /// Leaves the end away, more of it first: a tape that has ended is calm.
    fn cut_off(&mut self) {
        for size in halves(self.best.len()) {
            while size <= self.best.len() && self.keep(self.best[..self.best.len() - size].to_vec())
            {
            }
        }
    }

    /// Takes out ever smaller spans, those at the end first.
    fn take_out(&mut self) {
        for size in halves(self.best.len()) {
            self.at_each(size, size, |best, at| {
                let mut candidate = best.to_vec();
                candidate.drain(at..at + size);
                Some(candidate)
            });
        }
    }

    /// Makes ever smaller spans 0.
    fn calm(&mut self) {
        for size in halves(self.best.len()) {
            self.at_each(size, size, |best, at| {
                let mut candidate = best.to_vec();
                candidate[at..at + size].iter_mut().for_each(|choice| choice.number = 0);
                (candidate != best).then_some(candidate)
            });
        }
    }

    /// Makes each number the lowest that does, as if all above that did.
    fn lower(&mut self) {
        for at in (0..self.best.len()).rev() {
            let mut does_not = 0;
            while let Some(&Choice { number, .. }) = self.best.get(at) {
                if number <= does_not + 1 || self.is_over {
                    break;
                }
                let middle = does_not + (number - does_not) / 2;
                if !self.keep(with(&self.best, at, middle)) {
                    does_not = middle;
                }
            }
        }
    }

    /// Takes out a few neighbours, wherever they stand.
    fn take_out_at_every_place(&mut self) {
        for size in 1..=FINE {
            let step = 1 + self.best.len() / FEW;
            self.at_each(size, step, |best, at| {
                let mut candidate = best.to_vec();
                candidate.drain(at..at + size);
                Some(candidate)
            });
        }
    }

    /// Makes a number less and takes out what stood behind it: a list that is shorter has fewer elements.
    fn lower_and_take_out(&mut self) {
        for size in 1..=FINE {
            let step = 1 + self.best.len() / FEW;
            for less in [1, size, usize::MAX] {
                self.at_each(size + 1, step, |best, at| {
                    let number = best[at].number;
                    let mut candidate = with(best, at, number.saturating_sub(less));
                    candidate.drain(at + 1..=at + size);
                    (number > 0).then_some(candidate)
                });
            }
        }
    }

    /// Tries what `change` makes of the choices at each place that `size` of them can stand at, from the
    /// last on, `step` apart.
    fn at_each(
        &mut self,
        size: usize,
        step: usize,
        change: impl Fn(&[Choice], usize) -> Option<Vec<Choice>>,
    ) {
        let mut end = self.best.len();
        while end >= size && !self.is_over {
            if let Some(candidate) = change(&self.best, end - size) {
                if self.keep(candidate) {
                    end = end.min(self.best.len());
                    continue;
                }
            }
            if end < step {
                break;
            }
            end -= step;
        }
    }
}

/// Makes a run of a tape. Returns what it broke, and the choices that it made.
fn attempt(
    run: impl Fn(&mut dyn Source, &Options) -> Report,
    tape: &[u8],
) -> (Option<Broken>, Vec<Choice>) {
    let mut source = Made { tape: Tape::new(tape), choices: Vec::new() };
    let report = run(&mut source, &Options::default());
    (report.broken, source.choices)
}

/// Writes down the choices that are made of a tape.
struct Made<'a> {
    tape: Tape<'a>,
    choices: Vec<Choice>,
}

impl Source for Made<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let number = self.tape.below(bound);
        if bound > 1 {
            self.choices.push(Choice { number, width: width(bound) });
        }
        number
    }
}

/// The choices without those at the end that are 0, as a tape that has ended says as much.
fn trimmed(mut choices: Vec<Choice>) -> Vec<Choice> {
    let used = choices.iter().rposition(|choice| choice.number > 0).map_or(0, |last| last + 1);
    choices.truncate(used);
    choices
}

fn to_tape(choices: &[Choice]) -> Vec<u8> {
    let bytes = choices
        .iter()
        .flat_map(|choice| choice.number.to_le_bytes().into_iter().take(choice.width));
    let mut tape: Vec<u8> = bytes.collect();
    let used = tape.iter().rposition(|&byte| byte > 0).map_or(0, |last| last + 1);
    tape.truncate(used);
    tape
}

/// What is less of these is shorter, or calmer, or lower. What was kept goes down by it, so shrinking ends.
fn weight(choices: &[Choice]) -> (usize, usize, u128) {
    let bytes = choices.iter().map(|choice| choice.width).sum();
    let wild = choices.iter().filter(|choice| choice.number > 0).count();
    (bytes, wild, choices.iter().map(|choice| choice.number as u128).sum())
}

/// The choices, with this number at this place.
fn with(choices: &[Choice], at: usize, number: usize) -> Vec<Choice> {
    let mut choices = choices.to_vec();
    choices[at].number = number;
    choices
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
