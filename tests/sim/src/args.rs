//! What the command line asks for.

use std::time::Duration;

use crate::replay::Origin;
use crate::shrink::Bounds;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Seeds {
        first: u64,
        count: u64,
        time: Option<Duration>,
        /// Whether a table of the marks is shown.
        marks: bool,
        /// Whether a mark that stays dark is a failure.
        all_marks: bool,
    },
    Replay(Origin),
    Shrink(Origin, Bounds),
    /// What the file of a kept run holds, with this line first.
    Keep(Origin, String),
    /// A run that lights these marks.
    Light(Vec<String>, Bounds),
    Checks,
    Help,
}

/// Reads the arguments behind the name of the program. An error is a sentence for whoever wrote them.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Asked, String> {
    let mut words =
        Words { seconds: None, steps: None, marks: false, all_marks: false, rest: vec![] };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || {
            let value = arguments.next().ok_or(format!("{argument} has no number behind it"))?;
            number(&value)
        };
        match argument.as_str() {
            "-h" | "--help" => return Ok(Asked::Help),
            "--seconds" => words.seconds = Some(value()?),
            "--steps" => words.steps = Some(value()?),
            "--marks" => words.marks = true,
            "--all-marks" => words.all_marks = true,
            option if option.starts_with("--") => return Err(format!("{option} is no option")),
            _ => words.rest.push(argument),
        }
    }
    let rest = std::mem::take(&mut words.rest);
    let rest: Vec<_> = rest.iter().map(String::as_str).collect();
    let asked = match *rest {
        ["seeds", first, count] => Asked::Seeds {
            first: number(first)?,
            count: number(count)?,
            time: words.seconds.take().map(Duration::from_secs),
            marks: std::mem::take(&mut words.marks),
            all_marks: std::mem::take(&mut words.all_marks),
        },
        ["replay", origin] => Asked::Replay(parse_origin(origin)?),
        ["shrink", origin] => Asked::Shrink(parse_origin(origin)?, words.take_bounds()),
        ["keep", origin, ref comment @ ..] if !comment.is_empty() => {
            Asked::Keep(parse_origin(origin)?, comment.join(" "))
        }
        ["light", ref marks @ ..] if !marks.is_empty() => {
            let marks = marks.iter().map(|mark| mark.to_string()).collect();
            Asked::Light(marks, words.take_bounds())
        }
        ["checks"] => Asked::Checks,
        ["help"] => Asked::Help,
        [] => return Err("there is no command".to_string()),
        ["seeds", ..] => return Err("seeds wants two numbers, FIRST and COUNT".to_string()),
        [command @ ("replay" | "shrink"), ..] => {
            return Err(format!("{command} wants one tape, seed:N or file:PATH"));
        }
        ["keep", ..] => return Err("keep wants a tape, and what it once broke".to_string()),
        ["light", ..] => return Err("light wants the names of marks".to_string()),
        [command, ..] => return Err(format!("{command} is no command, or has too much behind it")),
    };
    match words.left() {
        Some(option) => Err(format!("{option} is no option of {}", rest[0])),
        None => Ok(asked),
    }
}

/// The options, until the command takes them, and the other words.
struct Words {
    seconds: Option<u64>,
    steps: Option<u64>,
    marks: bool,
    all_marks: bool,
    rest: Vec<String>,
}

impl Words {
    fn take_bounds(&mut self) -> Bounds {
        let default = Bounds::default();
        let time = self.seconds.take().map_or(default.time, Duration::from_secs);
        Bounds { steps: self.steps.take().unwrap_or(default.steps), time }
    }

    /// An option that the command did not take.
    fn left(&self) -> Option<&'static str> {
        let options = [
            (self.seconds.is_some(), "--seconds"),
            (self.steps.is_some(), "--steps"),
            (self.marks, "--marks"),
            (self.all_marks, "--all-marks"),
        ];
        options.into_iter().find_map(|(left, name)| left.then_some(name))
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}

fn parse_origin(text: &str) -> Result<Origin, String> {
    if let Some(path) = text.strip_prefix("file:") {
        let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
        return Origin::of_file(&bytes).map_err(|error| format!("{path}: {error}"));
    }
    text.parse().map_err(|error| format!("{text:?} is no tape: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds(time: Option<u64>, marks: bool, all_marks: bool) -> Asked {
        let time = time.map(Duration::from_secs);
        Asked::Seeds { first: 3, count: 20, time, marks, all_marks }
    }

    #[test]
    fn arguments_are_read() {
        let tape = |bytes: &[u8]| Origin::Tape(bytes.to_vec());
        let bounds = |steps, seconds| Bounds { steps, time: Duration::from_secs(seconds) };
        let cases = [
            ("seeds 3 20", seeds(None, false, false)),
            ("seeds 3 20 --seconds 7 --marks", seeds(Some(7), true, false)),
            ("--all-marks seeds --seconds 0 3 20", seeds(Some(0), false, true)),
            ("replay 0aFF", Asked::Replay(tape(&[10, 255]))),
            ("replay -", Asked::Replay(tape(&[]))),
            ("replay seed:18446744073709551615", Asked::Replay(Origin::Seed(u64::MAX))),
            ("shrink 00", Asked::Shrink(tape(&[0]), Bounds::default())),
            ("shrink 00 --steps 9", Asked::Shrink(tape(&[0]), bounds(9, 60))),
            ("shrink --seconds 1 00", Asked::Shrink(tape(&[0]), bounds(20_000, 1))),
            ("keep 00 a key too many", Asked::Keep(tape(&[0]), "a key too many".into())),
            ("light --steps 1 lit", Asked::Light(vec!["lit".into()], bounds(1, 60))),
            ("checks", Asked::Checks),
            ("--help", Asked::Help),
            ("help", Asked::Help),
            ("seeds -h", Asked::Help),
        ];
        for (line, expected) in cases {
            let words = line.split(' ').map(str::to_string);
            assert_eq!(parse(words), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let cases = [
            ("", "there is no command"),
            ("sleep", "sleep is no command, or has too much behind it"),
            ("checks 1", "checks is no command, or has too much behind it"),
            ("seeds", "seeds wants two numbers, FIRST and COUNT"),
            ("seeds 1 2 3", "seeds wants two numbers, FIRST and COUNT"),
            ("seeds a 1", "\"a\" is no number"),
            ("seeds 1 18446744073709551616", "\"18446744073709551616\" is no number"),
            ("seeds 1 2 --seconds", "--seconds has no number behind it"),
            ("seeds 1 2 --seconds 1.5", "\"1.5\" is no number"),
            ("seeds 1 2 --steps 1", "--steps is no option of seeds"),
            ("replay", "replay wants one tape, seed:N or file:PATH"),
            ("shrink 00 00", "shrink wants one tape, seed:N or file:PATH"),
            ("keep 00", "keep wants a tape, and what it once broke"),
            ("light", "light wants the names of marks"),
            ("light lit --marks", "--marks is no option of light"),
            ("replay 0", "\"0\" is no tape: the last byte has one hexadecimal digit of two"),
            ("replay 00 --marks", "--marks is no option of replay"),
            ("checks --seconds 1", "--seconds is no option of checks"),
            ("seeds 1 2 --all", "--all is no option"),
        ];
        for (line, expected) in cases {
            let words = line.split(' ').filter(|word| !word.is_empty()).map(str::to_string);
            assert_eq!(parse(words), Err(expected.to_string()), "{line}");
        }
    }
}
