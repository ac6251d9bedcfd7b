//! Where every choice of a run comes from.

/// A source of choices. Everything that a simulated run leaves open is drawn from it, so the same source
/// gives the same run, whether it is a [`Seed`], the bytes that a fuzzer made up ([`Tape`]), or a shorter
/// tape that still fails.
///
/// **0 is always the calm choice**: no fault, the common operation, the default setting. A tape that has
/// ended answers 0, so a shorter tape is a calmer run.
pub trait Source {
    /// A number below `bound`; 0 if `bound` is 0 or 1, for which nothing is drawn.
    fn below(&mut self, bound: usize) -> usize;

    /// Up to `max_len` bytes of any value.
    fn bytes(&mut self, max_len: usize) -> Vec<u8> {
        let len = self.below(max_len.saturating_add(1));
        (0..len).map(|_| u8::try_from(self.below(256)).unwrap_or_default()).collect()
    }
}

/// What can be asked of every [`Source`].
pub trait Choose: Source {
    /// One of a slice: the first is the calm choice.
    ///
    /// # Panics
    ///
    /// Panics if the slice is empty.
    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// True about once in `bound` times; the calm choice is `false`. A `bound` of 0 or 1 is always false.
    fn one_in(&mut self, bound: usize) -> bool {
        bound > 1 && self.below(bound) == bound - 1
    }
}

impl<S: Source + ?Sized> Choose for S {}

impl<S: Source + ?Sized> Source for &mut S {
    fn below(&mut self, bound: usize) -> usize {
        (**self).below(bound)
    }

    fn bytes(&mut self, max_len: usize) -> Vec<u8> {
        (**self).bytes(max_len)
    }
}

/// Choices without an end, all of them made by one number (SplitMix64).
#[derive(Clone, Debug)]
pub struct Seed(u64);

impl Seed {
    /// The choices of this number.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Seed(number)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Source for Seed {
    fn below(&mut self, bound: usize) -> usize {
        match u64::try_from(bound) {
            Ok(bound) if bound > 1 => usize::try_from(self.next() % bound).unwrap_or_default(),
            _ => 0,
        }
    }
}

/// Choices read off bytes, and 0 when they have ended. A choice takes as few bytes as its bound needs,
/// low ones first: one up to 256, two up to 65,536, and so on.
#[derive(Clone, Debug)]
pub struct Tape<'a>(&'a [u8]);

impl<'a> Tape<'a> {
    /// The choices of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Tape(bytes)
    }

    /// Whether all bytes have been used, so that what follows is calm.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.is_empty()
    }
}

/// How many bytes of a tape a choice takes.
pub(crate) fn width(bound: usize) -> usize {
    let most = bound - 1;
    (usize::BITS - most.leading_zeros()).div_ceil(8) as usize
}

impl Source for Tape<'_> {
    fn below(&mut self, bound: usize) -> usize {
        if bound <= 1 {
            return 0;
        }
        let (taken, rest) = self.0.split_at(width(bound).min(self.0.len()));
        self.0 = rest;
        let number = taken.iter().rev().fold(0, |number, &byte| (number << 8) | usize::from(byte));
        number % bound
    }
}

/// Writes down the choices of another source, as a [`Tape`] that makes them again.
#[derive(Debug)]
pub struct Recorder<S> {
    source: S,
    tape: Vec<u8>,
}

impl<S: Source> Recorder<S> {
    /// Records the choices of `source` from now on.
    #[must_use]
    pub fn new(source: S) -> Self {
        Recorder { source, tape: Vec::new() }
    }

    /// The tape. Trailing zeros are left out: a tape that has ended says as much.
    #[must_use]
    pub fn into_tape(mut self) -> Vec<u8> {
        let used = self.tape.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        self.tape.truncate(used);
        self.tape
    }
}

impl<S: Source> Source for Recorder<S> {
    fn below(&mut self, bound: usize) -> usize {
        let number = self.source.below(bound);
        if bound > 1 {
            self.tape.extend_from_slice(&number.to_le_bytes()[..width(bound)]);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws a hundred choices of very different bounds.
    fn draw(source: &mut dyn Source) -> Vec<usize> {
        let bounds = [0, 1, 2, 3, 255, 256, 257, 65_536, 65_537, 1 << 24, usize::MAX];
        (0..99).map(|at| source.below(bounds[at % bounds.len()])).collect()
    }

    #[test]
    fn a_recorded_seed_is_a_tape_that_chooses_the_same() {
        for seed in 0..100 {
            let mut recorder = Recorder::new(Seed::new(seed));
            let drawn = draw(&mut recorder);
            let tape = recorder.into_tape();
            assert_eq!(draw(&mut Tape::new(&tape)), drawn, "seed {seed}");
            assert_eq!(draw(&mut Seed::new(seed)), drawn, "seed {seed}");
        }
    }

    #[test]
    fn a_tape_that_has_ended_is_calm() {
        let mut tape = Tape::new(&[]);
        assert!(tape.has_ended());
        assert!(draw(&mut tape).iter().all(|&number| number == 0));
        assert_eq!(tape.bytes(10), b"");
        assert!(!tape.one_in(2) && !tape.one_in(1) && !tape.one_in(0));
        assert_eq!(tape.pick(&["calm", "wild"]), &"calm");
    }

    #[test]
    fn every_choice_is_made_by_some_seed() {
        for bound in [2, 3, 7] {
            let mut seen = vec![false; bound];
            let mut source = Seed::new(1);
            (0..1000).for_each(|_| seen[source.below(bound)] = true);
            assert!(seen.iter().all(|&seen| seen));
        }
    }
}
