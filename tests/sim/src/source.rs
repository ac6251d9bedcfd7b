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

    /// A part begins whose choices belong together, until [`end`](Self::end); there may be parts in it.
    ///
    /// A tape keeps the choices of a part apart. So one that makes other choices than before, or that is
    /// left out, does not shift those of the parts behind it, and a run that fails can be shrunk part by
    /// part. For other sources it means nothing.
    fn begin(&mut self) {}

    /// The part ends that began last.
    fn end(&mut self) {}
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

    /// A number below `bound`, and one below `kinds`, of one choice. The first is what
    /// [`below`](Source::below) makes of the same choice. So what is drawn by it may get another kind
    /// later, and tapes that were recorded before say what they said.
    fn below_both(&mut self, bound: usize, kinds: usize) -> (usize, usize) {
        let bound = bound.max(1);
        let chosen = self.below(bound.saturating_mul(kinds));
        (chosen % bound, chosen / bound)
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

    fn begin(&mut self) {
        (**self).begin();
    }

    fn end(&mut self) {
        (**self).end();
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
/// low ones first: one up to 256, two up to 65,536, and so on. Before the choices of a part stands how many
/// bytes they are, in three bytes.
#[derive(Clone, Debug)]
pub struct Tape<'a> {
    bytes: &'a [u8],
    /// What comes behind the parts that have begun.
    behind: Vec<&'a [u8]>,
}

impl<'a> Tape<'a> {
    /// The choices of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Tape { bytes, behind: Vec::new() }
    }

    /// Whether all bytes have been used, so that what follows is calm.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.bytes.is_empty() && self.behind.iter().all(|bytes| bytes.is_empty())
    }

    /// The number that the next bytes are.
    fn number(&mut self, width: usize) -> usize {
        let (taken, rest) = self.bytes.split_at(width.min(self.bytes.len()));
        self.bytes = rest;
        taken.iter().rev().fold(0, |number, &byte| (number << 8) | usize::from(byte))
    }
}

/// How many bytes of a tape the length of a part takes.
const PART_WIDTH: usize = 3;

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
        self.number(width(bound)) % bound
    }

    fn begin(&mut self) {
        let len = self.number(PART_WIDTH);
        let (part, rest) = self.bytes.split_at(len.min(self.bytes.len()));
        self.behind.push(rest);
        self.bytes = part;
    }

    fn end(&mut self) {
        if let Some(rest) = self.behind.pop() {
            self.bytes = rest;
        }
    }
}

/// Writes a [`Tape`].
#[derive(Debug, Default)]
pub(crate) struct Writer {
    tape: Vec<u8>,
    /// What stands before the parts that have begun.
    before: Vec<Vec<u8>>,
}

impl Writer {
    /// Writes a choice that takes so many bytes.
    pub(crate) fn choice(&mut self, number: usize, width: usize) {
        self.tape.extend(number.to_le_bytes().iter().take(width));
    }

    pub(crate) fn begin(&mut self) {
        self.before.push(std::mem::take(&mut self.tape));
    }

    /// A part of more bytes than can be told is not written: its choices are calm then.
    pub(crate) fn end(&mut self) {
        let Some(before) = self.before.pop() else { return };
        let mut part = std::mem::replace(&mut self.tape, before);
        trim(&mut part);
        if part.len() >= 1 << (8 * PART_WIDTH) {
            part.clear();
        }
        self.choice(part.len(), PART_WIDTH);
        self.tape.append(&mut part);
    }

    pub(crate) fn into_tape(mut self) -> Vec<u8> {
        while !self.before.is_empty() {
            self.end();
        }
        trim(&mut self.tape);
        self.tape
    }
}

/// Takes the zeros at the end off: what has ended says as much.
fn trim(bytes: &mut Vec<u8>) {
    let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(used);
}

/// Writes down the choices of another source, as a [`Tape`] that makes them again.
#[derive(Debug)]
pub struct Recorder<S> {
    source: S,
    writer: Writer,
}

impl<S: Source> Recorder<S> {
    /// Records the choices of `source` from now on.
    #[must_use]
    pub fn new(source: S) -> Self {
        Recorder { source, writer: Writer::default() }
    }

    /// The tape. Zeros at the end of it, and at the end of each part, are left out.
    #[must_use]
    pub fn into_tape(self) -> Vec<u8> {
        self.writer.into_tape()
    }
}

impl<S: Source> Source for Recorder<S> {
    fn below(&mut self, bound: usize) -> usize {
        let number = self.source.below(bound);
        if bound > 1 {
            self.writer.choice(number, width(bound));
        }
        number
    }

    fn begin(&mut self) {
        self.source.begin();
        self.writer.begin();
    }

    fn end(&mut self) {
        self.source.end();
        self.writer.end();
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
    fn a_part_has_its_own_choices_however_many_it_makes() {
        // Parts of two choices each, the second with one in it, and a choice behind them.
        let tape = &[2, 0, 0, 11, 12, 6, 0, 0, 21, 1, 0, 0, 31, 22, 9];
        let run = |source: &mut dyn Source, choices: [usize; 3]| {
            let [first, second, inner] = choices.map(|count| (count, 100));
            let draw = |source: &mut dyn Source, (count, bound)| {
                (0..count).map(|_| source.below(bound)).collect::<Vec<_>>()
            };
            source.begin();
            let first = draw(source, first);
            source.end();
            source.begin();
            let mut then = draw(source, (1, 100));
            source.begin();
            then.extend(draw(source, inner));
            source.end();
            then.extend(draw(source, second));
            source.end();
            (first, then, source.below(100))
        };
        type Drawn<'a> = (&'a [usize], &'a [usize]);
        let cases: [([usize; 3], Drawn<'_>); 4] = [
            ([2, 1, 1], (&[11, 12], &[21, 31, 22])),
            ([0, 0, 0], (&[], &[21])),
            ([4, 3, 0], (&[11, 12, 0, 0], &[21, 22, 0, 0])),
            ([1, 1, 3], (&[11], &[21, 31, 0, 0, 22])),
        ];
        for (choices, (first, then)) in cases {
            let mut recorder = Recorder::new(Tape::new(tape));
            let drawn = run(&mut recorder, choices);
            assert_eq!(drawn, (first.to_vec(), then.to_vec(), 9), "{choices:?}");
            // What is recorded makes them again.
            let tape = recorder.into_tape();
            let mut again = Tape::new(&tape);
            assert_eq!(run(&mut again, choices), drawn, "{choices:?}");
            assert!(again.has_ended());
        }
        assert_eq!(run(&mut Tape::new(&[]), [2, 1, 1]), (vec![0; 2], vec![0; 3], 0));
        // A run that breaks off ends its parts.
        let mut recorder = Recorder::new(Tape::new(tape));
        recorder.begin();
        assert_eq!(recorder.below(100), 11);
        assert_eq!(recorder.into_tape(), [1, 0, 0, 11]);
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
    fn a_choice_of_two_numbers_keeps_what_was_recorded_of_the_first() {
        for chosen in 0..3 {
            assert_eq!(Tape::new(&[chosen]).below_both(3, 4), (chosen.into(), 0));
        }
        for seed in 0..100 {
            let (first, second) = Seed::new(seed).below_both(4, 3);
            assert_eq!(first, Seed::new(seed).below(4), "seed {seed}");
            assert!(second < 3);
        }
        assert_eq!(Seed::new(1).below_both(0, 0), (0, 0));
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
