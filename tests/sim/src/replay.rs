//! Runs that are made again: of a seed, or of a tape that was written down.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use crate::{Options, Recorder, Report, Seed, Source, Tape};

/// Where the choices of a run came from, so that it can be made again: `seed:7`, or a tape in hexadecimal
/// digits (`-` for one that is empty).
///
/// ```
/// use memcache_sim::replay::Origin;
///
/// assert_eq!("seed:7".parse(), Ok(Origin::Seed(7)));
/// assert_eq!("00ff".parse(), Ok(Origin::Tape(vec![0, 255])));
/// assert_eq!(Origin::Tape(vec![1]).to_string(), "01");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A number, from which all choices follow.
    Seed(u64),
    /// The choices themselves.
    Tape(Vec<u8>),
}

impl Origin {
    /// The tape that a file holds: that of a [`Regression`] if it begins with `#`, and else all of its
    /// bytes, as a fuzzer leaves them.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with the file.
    pub fn of_file(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.starts_with('#'));
        let tape = text.map_or(Ok(bytes.to_vec()), |text| Ok(Regression::parse(text)?.tape));
        tape.map(Origin::Tape)
    }

    /// Makes the run again. Returns what came of it, and its choices as a tape.
    pub fn replay(
        &self,
        run: impl Fn(&mut dyn Source, &Options) -> Report,
        options: &Options,
    ) -> (Report, Vec<u8>) {
        match self {
            Origin::Seed(number) => recorded(Seed::new(*number), run, options),
            Origin::Tape(tape) => recorded(Tape::new(tape), run, options),
        }
    }
}

fn recorded(
    source: impl Source,
    run: impl Fn(&mut dyn Source, &Options) -> Report,
    options: &Options,
) -> (Report, Vec<u8>) {
    let mut recorder = Recorder::new(source);
    let report = run(&mut recorder, options);
    (report, recorder.into_tape())
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        match text.strip_prefix("seed:") {
            Some(number) => number.parse().map(Origin::Seed).map_err(OriginError::Seed),
            None => from_hex(text).map(Origin::Tape),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Seed(number) => write!(f, "seed:{number}"),
            Origin::Tape(tape) if tape.is_empty() => f.write_str("-"),
            Origin::Tape(tape) => tape.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

/// Why a text is no [`Origin`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginError {
    /// What is behind `seed:` is no number below 2^64.
    Seed(ParseIntError),
    /// There is a character that is no hexadecimal digit.
    NotHex(char),
    /// The number of hexadecimal digits is odd, so that half a byte is missing.
    HalfByte,
    /// There is nothing. The tape without bytes is written `-`.
    Empty,
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OriginError::Seed(error) => write!(f, "what is behind seed: is no seed: {error}"),
            OriginError::NotHex(found) => write!(f, "{found:?} is no hexadecimal digit"),
            OriginError::HalfByte => write!(f, "the last byte has one hexadecimal digit of two"),
            OriginError::Empty => write!(f, "there are no digits; - is the tape without bytes"),
        }
    }
}

impl std::error::Error for OriginError {}

/// The bytes of a text of hexadecimal digits. Blanks and line ends between them are passed over.
fn from_hex(text: &str) -> Result<Vec<u8>, OriginError> {
    let mut digits = text.chars().filter(|found| !found.is_whitespace()).peekable();
    match digits.peek() {
        None => return Err(OriginError::Empty),
        Some('-') if text.trim() == "-" => return Ok(Vec::new()),
        Some(_) => {}
    }
    let digit = |found: char| {
        let digit = found.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        digit.ok_or(OriginError::NotHex(found))
    };
    let mut bytes = Vec::new();
    while let Some(high) = digits.next() {
        let high = digit(high)?;
        let low = digit(digits.next().ok_or(OriginError::HalfByte)?)?;
        bytes.push(high << 4 | low);
    }
    Ok(bytes)
}

/// A failure that was kept: a tape, and a line that says what it once broke.
///
/// Its file has that line first, behind `# `, and then the tape in hexadecimal digits, on as many lines as
/// one likes. Other lines that begin with `#` are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regression {
    /// What it once broke.
    pub comment: String,
    /// The choices.
    pub tape: Vec<u8>,
}

/// How the comment of a run begins that is kept for the marks that it lights; their names follow, with a
/// semicolon and a space between them.
pub const LIGHTS: &str = "lights: ";

impl Regression {
    /// The marks that the run is kept for; empty if it is kept as it once failed.
    #[must_use]
    pub fn lights(&self) -> Vec<String> {
        let names = self.comment.strip_prefix(LIGHTS).into_iter();
        names.flat_map(|names| names.split("; ").map(str::to_string)).collect()
    }

    /// Reads what a file has.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with the file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let first = text.lines().next().unwrap_or_default();
        let comment = first.strip_prefix('#').map(str::trim).filter(|comment| !comment.is_empty());
        let comment = comment.ok_or("the first line is not # and what it once broke")?.to_string();
        let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
        let tape = from_hex(&digits).map_err(|error| error.to_string())?;
        Ok(Regression { comment, tape })
    }
}

impl fmt::Display for Regression {
    /// What its file holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# {}", self.comment)?;
        if self.tape.is_empty() {
            return writeln!(f, "-");
        }
        self.tape.chunks(50).try_for_each(|line| writeln!(f, "{}", Origin::Tape(line.to_vec())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy;

    #[test]
    fn what_is_written_is_read_again() {
        let tapes = [vec![], vec![0], vec![0, 1, 254, 255], (0..=255).collect()];
        let tapes = tapes.into_iter().map(Origin::Tape);
        let seeds = [0, 7, u64::MAX].into_iter().map(Origin::Seed);
        for origin in tapes.chain(seeds) {
            assert_eq!(origin.to_string().parse(), Ok(origin));
        }
    }

    #[test]
    fn what_is_no_origin_says_why() {
        let cases = [
            ("", "there are no digits; - is the tape without bytes"),
            ("0", "the last byte has one hexadecimal digit of two"),
            ("0g", "'g' is no hexadecimal digit"),
            ("--", "'-' is no hexadecimal digit"),
            ("seed", "'s' is no hexadecimal digit"),
            ("seed:", "what is behind seed: is no seed: cannot parse integer from empty string"),
            ("seed:-1", "what is behind seed: is no seed: invalid digit found in string"),
        ];
        for (text, expected) in cases {
            let found = text.parse::<Origin>().map_err(|error| error.to_string());
            assert_eq!(found, Err(expected.to_string()), "{text}");
        }
    }

    #[test]
    fn a_regression_has_a_comment_and_a_tape() {
        let read = |text: &str| {
            Regression::parse(text).map(|regression| (regression.comment, regression.tape))
        };
        let first_line = "the first line is not # and what it once broke";
        type Read<'a> = Result<(&'a str, &'a [u8]), &'a str>;
        let cases: &[(&str, Read<'_>)] = &[
            ("# a key too many\n0102\n", Ok(("a key too many", &[1, 2]))),
            ("#a\n# more of it\n01 02\n03\n", Ok(("a", &[1, 2, 3]))),
            ("# the calm run\n-\n", Ok(("the calm run", &[]))),
            ("0102\n", Err(first_line)),
            ("# \n0102\n", Err(first_line)),
            ("", Err(first_line)),
            ("# a\n", Err("there are no digits; - is the tape without bytes")),
            ("# a\nxy\n", Err("'x' is no hexadecimal digit")),
        ];
        for &(text, expected) in cases {
            let expected = expected
                .map(|(comment, tape)| (comment.to_string(), tape.to_vec()))
                .map_err(str::to_string);
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_regression_is_written_as_it_is_read_and_other_files_are_tapes() {
        for len in [0, 1, 50, 101] {
            let comment = "a key too many".to_string();
            let kept = Regression { comment, tape: (1..).take(len).collect() };
            let text = kept.to_string();
            assert_eq!(Regression::parse(&text), Ok(kept.clone()));
            assert_eq!(Origin::of_file(text.as_bytes()), Ok(Origin::Tape(kept.tape)));
        }
        assert_eq!(Origin::of_file(b"\x01\xff"), Ok(Origin::Tape(vec![1, 0xff])));
        assert!(Origin::of_file(b"# of nothing\n").is_err());
    }

    #[test]
    fn a_seed_and_its_tape_make_the_same_run() {
        for seed in 0..100 {
            let options = Options { transcript: true };
            let (report, tape) = Origin::Seed(seed).replay(toy::run, &options);
            let (again, same) = Origin::Tape(tape.clone()).replay(toy::run, &options);
            assert_eq!(again.transcript, report.transcript, "seed {seed}");
            assert_eq!(again.broken, report.broken, "seed {seed}");
            assert_eq!(same, tape, "seed {seed}");
        }
    }
}
