//! The command line of a simulator.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::args::{self, Asked};
use crate::marks::{self, Tally};
use crate::replay::{LIGHTS, Origin, Regression};
use crate::seeds::{Totals, run_seeds};
use crate::shrink::{Bounds, Shrunk, shrink};
use crate::{Broken, Check, Options, Report, Source};

/// The command line of a simulator: of this one, or of one that makes runs of something else.
///
/// ```
/// use memcache_sim::cli::Tool;
/// use memcache_sim::{Broken, Check, Options, Report, Source};
///
/// const CHECKS: &[Check] =
///     &[Check { name: "fits", sentence: "What is written fits into a page." }];
///
/// fn run(source: &mut dyn Source, _: &Options) -> Report {
///     let (pages, written) = (source.below(10), source.below(100));
///     let message = format!("{written} bytes on {pages} pages");
///     let broken = (pages > 0 && written > 90).then(|| Broken { check: "fits".into(), message });
///     Report { broken, operations: 1, ..Report::default() }
/// }
///
/// let tool = Tool { command: "cargo run --", checks: CHECKS, run };
/// let arguments = ["seeds", "0", "100"].map(String::from);
/// let mut out = Vec::new();
/// let status = tool.main(arguments, &mut out, &mut std::io::stderr())?;
/// let out = String::from_utf8_lossy(&out);
/// assert_eq!(status, 1);
/// assert!(out.contains("Broken: fits: 91 bytes on 1 pages"), "{out}");
/// assert!(out.contains("Replay it: cargo run -- replay 015b\n"), "{out}");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tool<'a, R> {
    /// How it is called, for the lines that say how to replay: `cargo run -p memcache-sim --`.
    pub command: &'a str,
    /// The checks that a run is judged by.
    pub checks: &'a [Check],
    /// Makes a run.
    pub run: R,
}

/// What [`Tool::main`] returns where the arguments cannot be read.
const USAGE: u8 = 2;

/// How often there is a line of progress.
const TELL: Duration = Duration::from_secs(5);

const HELP: &str = "\
Simulates memcached servers, networks and callers. All that happens in a run follows from the choices that
it is given, so a run that fails can be made again, and shortened.

Commands:
  seeds FIRST COUNT   Makes COUNT runs, whose choices are made by the numbers FIRST, FIRST + 1, and so on.
                      Stops at the first that breaks a check, shortens it, and shows it.
      --seconds N     Begins no more runs after N seconds.
      --marks         Shows in how many of the runs each of the rare things happened that are watched for.
      --all-marks     The same, and fails if one of them did not happen.
  replay TAPE         Makes one run again and shows what happened in it: when, who, and what.
  shrink TAPE         Looks for a shorter tape that breaks the same check.
      --steps N       Makes at most N runs. Default: 20000.
      --seconds N     Takes at most N seconds. Default: 60.
  keep TAPE WORDS...  Shows what a file of tests/sim/regressions holds that keeps the run, with the words as
                      its first line: write that to NAME.hex there, and cargo test makes the run each time.
  light MARK...       Looks for a run that lights all of these marks, shortens it so that it still does, and
                      shows it as keep does. The names of the marks are those that seeds --marks shows.
      --steps N       As for shrink.
      --seconds N     Takes at most N seconds to find a run, and as many to shorten it. Default: 60.
  checks              Shows what a run must not break.

A TAPE is the choices of a run as hexadecimal digits, as this program prints them, or seed:N for the run of
the number N, or file:PATH for a file that keep or a fuzzer has written. After a tape has ended the calm choice is made each time, so that - is a run in which nothing
goes wrong.

The exit status is 0 if all is well, 1 if a check was broken, and 2 if the command cannot be understood.
";

impl<R: Fn(&mut dyn Source, &Options) -> Report> Tool<'_, R> {
    /// Does what the arguments ask for, which are without the name of the program. What was asked for is
    /// written to `out`, how far it has come to `progress`. Returns the exit status.
    ///
    /// # Errors
    ///
    /// Whatever writing fails with.
    pub fn main(
        &self,
        arguments: impl IntoIterator<Item = String>,
        out: &mut dyn Write,
        progress: &mut dyn Write,
    ) -> io::Result<u8> {
        match args::parse(arguments) {
            Ok(Asked::Seeds { first, count, time, marks, all_marks }) => {
                let seeds = first..first.saturating_add(count);
                let mut tally = Tally::begin();
                let mut told = Instant::now();
                let totals = run_seeds(seeds, time, &self.run, |totals| {
                    tally.count();
                    if told.elapsed() >= TELL {
                        told = Instant::now();
                        // What cannot be told does not end the runs.
                        let _ = writeln!(progress, "{}", told_of(totals));
                    }
                });
                writeln!(out, "{}", told_of(&totals))?;
                if marks || all_marks {
                    show_marks(&tally, &totals, out)?;
                }
                match totals.failed {
                    Some((seed, broken)) => self.show_failure(seed, &broken, out, progress),
                    None if all_marks && tally.dark().next().is_some() => Ok(1),
                    None => Ok(0),
                }
            }
            Ok(Asked::Replay(origin)) => self.replay(&origin, out),
            Ok(Asked::Shrink(origin, bounds)) => {
                let (_, tape) = origin.replay(&self.run, &Options::default());
                match self.shrink(&tape, bounds, progress) {
                    Some(shrunk) => {
                        self.show_shrunk(&shrunk, out)?;
                        Ok(1)
                    }
                    None => {
                        writeln!(out, "This run breaks no check.")?;
                        Ok(0)
                    }
                }
            }
            Ok(Asked::Keep(origin, comment)) => {
                let (_, tape) = origin.replay(&self.run, &Options::default());
                write!(out, "{}", Regression { comment, tape })?;
                Ok(0)
            }
            Ok(Asked::Light(names, bounds)) => self.light(&names, bounds, out, progress),
            Ok(Asked::Checks) => {
                for check in self.checks {
                    writeln!(out, "{}\n    {}", check.name, check.sentence)?;
                }
                Ok(0)
            }
            Ok(Asked::Help) => {
                write!(out, "{HELP}")?;
                Ok(0)
            }
            Err(error) => {
                writeln!(progress, "{error}.\nTry: {} --help", self.command)?;
                Ok(USAGE)
            }
        }
    }

    /// Shows a failure of a seed: how to replay it, the shrunk one, and what happens in that.
    fn show_failure(
        &self,
        seed: u64,
        broken: &Broken,
        out: &mut dyn Write,
        progress: &mut dyn Write,
    ) -> io::Result<u8> {
        self.show_broken(broken, out)?;
        writeln!(out, "Replay it: {} replay {}", self.command, Origin::Seed(seed))?;
        out.flush()?;
        let (_, tape) = Origin::Seed(seed).replay(&self.run, &Options::default());
        if let Some(shrunk) = self.shrink(&tape, Bounds::default(), progress) {
            self.show_shrunk(&shrunk, out)?;
            writeln!(out)?;
            self.replay(&Origin::Tape(shrunk.tape), out)?;
        }
        Ok(1)
    }

    fn shrink(&self, tape: &[u8], bounds: Bounds, progress: &mut dyn Write) -> Option<Shrunk> {
        shrink(tape, &self.run, bounds, |steps, len| {
            // What cannot be told does not end the shrinking.
            let _ = writeln!(progress, "shrinking: {steps} runs, {len} bytes");
        })
    }

    /// Looks for a run that lights marks, and shows it as a file that keeps it.
    fn light(
        &self,
        names: &[String],
        bounds: Bounds,
        out: &mut dyn Write,
        progress: &mut dyn Write,
    ) -> io::Result<u8> {
        let wanted = match marks::named(names) {
            Ok(wanted) => wanted,
            Err(name) => {
                writeln!(progress, "{name:?} is no mark. Try: {} seeds 0 1 --marks", self.command)?;
                return Ok(USAGE);
            }
        };
        let run = |source: &mut dyn Source, options: &Options| {
            let mut tally = Tally::begin();
            let report = (self.run)(source, options);
            tally.count();
            let is_lit = wanted.iter().all(|mark| tally.dark().all(|dark| dark != *mark));
            let lit = Broken { check: "lit".into(), message: "all of the marks are lit".into() };
            Report { broken: report.broken.or(is_lit.then_some(lit)), ..report }
        };
        let totals = run_seeds(0..u64::MAX, Some(bounds.time), run, |_| {});
        writeln!(progress, "{}", told_of(&totals))?;
        let found = match totals.failed {
            Some((seed, broken)) if broken.check == "lit" => seed,
            Some((seed, broken)) => return self.show_failure(seed, &broken, out, progress),
            None => {
                writeln!(progress, "No run of these lights all of: {}.", names.join("; "))?;
                return Ok(1);
            }
        };
        let (_, tape) = Origin::Seed(found).replay(run, &Options::default());
        let shrunk = shrink(&tape, run, bounds, |steps, len| {
            let _ = writeln!(progress, "shrinking: {steps} runs, {len} bytes");
        });
        let tape = shrunk.map_or(tape, |shrunk| shrunk.tape);
        let comment = format!("{LIGHTS}{}", names.join("; "));
        write!(out, "{}", Regression { comment, tape })?;
        Ok(0)
    }

    fn show_shrunk(&self, shrunk: &Shrunk, out: &mut dyn Write) -> io::Result<()> {
        let Shrunk { tape, steps, took, is_bounded, .. } = shrunk;
        let len = tape.len();
        writeln!(out, "Shrunk to {len} bytes in {steps} runs, {:.1} s.", took.as_secs_f64())?;
        if *is_bounded {
            writeln!(out, "It may get shorter yet: shrink it with more --steps and --seconds.")?;
        }
        writeln!(out, "Replay it: {} replay {}", self.command, Origin::Tape(tape.clone()))
    }

    /// Shows what happens in a run.
    fn replay(&self, origin: &Origin, out: &mut dyn Write) -> io::Result<u8> {
        let options = Options { transcript: true };
        let (report, tape) = origin.replay(&self.run, &options);
        for line in &report.transcript {
            writeln!(out, "{line}")?;
        }
        let (operations, hash) = (report.operations, report.trace_hash);
        let len = tape.len();
        writeln!(out, "{operations} operations, {len} bytes of choices, trace {hash:016x}")?;
        match &report.broken {
            Some(broken) => {
                self.show_broken(broken, out)?;
                Ok(1)
            }
            None => {
                writeln!(out, "All checks hold.")?;
                Ok(0)
            }
        }
    }

    fn show_broken(&self, broken: &Broken, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Broken: {broken}")?;
        match self.checks.iter().find(|check| check.name == broken.check) {
            Some(check) => writeln!(out, "  What has to hold: {}", check.sentence),
            None => Ok(()),
        }
    }
}

fn told_of(totals: &Totals) -> String {
    format!(
        "{} seeds, {} operations, {:.1} s: {:.0} seeds/s, {:.0} operations/s",
        totals.seeds,
        totals.operations,
        totals.took.as_secs_f64(),
        totals.seeds_per_second(),
        totals.operations_per_second(),
    )
}

fn show_marks(tally: &Tally, totals: &Totals, out: &mut dyn Write) -> io::Result<()> {
    let mut counts: Vec<_> = tally.counts().collect();
    counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    for (mark, count) in counts.into_iter().filter(|&(_, count)| count > 0) {
        writeln!(out, "{count:>9}  {:<32}  {}", mark.name, mark.sentence)?;
    }
    for mark in tally.dark() {
        writeln!(out, "     dark  {:<32}  {}", mark.name, mark.sentence)?;
    }
    let (dark, all) = (tally.dark().count(), tally.counts().count());
    writeln!(out, "{} of {all} marks were lit by {} seeds.", all - dark, totals.seeds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy;

    /// The exit status, what was written, and the progress.
    fn called(line: &str) -> (u8, String, String) {
        let tool = Tool { command: "toy", checks: toy::CHECKS, run: toy::run };
        let (mut out, mut progress) = (Vec::new(), Vec::new());
        let words = line.split(' ').map(str::to_string);
        let status = tool.main(words, &mut out, &mut progress).expect("memory takes it");
        let text = |bytes| String::from_utf8(bytes).expect("it is text");
        (status, text(out), text(progress))
    }

    #[test]
    fn a_failure_is_shown_with_a_line_to_replay_it_a_shrunk_one_and_what_happened() {
        let (status, out, _) = called("seeds 0 1000");
        assert_eq!(status, 1);
        let lines: Vec<_> = out.lines().collect();
        assert!(lines[0].contains(" seeds, ") && lines[0].contains(" operations/s"), "{out}");
        assert_eq!(lines[1], "Broken: lost: key 3 is gone");
        assert_eq!(lines[2], "  What has to hold: A large value under key 3 outlives a failure.");
        let replay = lines[3].strip_prefix("Replay it: toy ").expect(lines[3]);
        assert!(replay.starts_with("replay seed:"), "{replay}");
        assert!(lines[4].starts_with("Shrunk to 7 bytes in "), "{out}");
        let shrunk = lines[5].strip_prefix("Replay it: toy ").expect(lines[5]);
        assert_eq!(shrunk, "replay 0201032c010204");
        // What follows is what replaying it shows; and the lines that are told replay it.
        let (status, shown, _) = called(shrunk);
        assert_eq!((status, lines[7..].join("\n")), (1, shown.trim_end().to_string()));
        let (status, shown, _) = called(replay);
        assert!(status == 1 && shown.contains("Broken: lost: key 3 is gone"), "{shown}");
    }

    #[test]
    fn a_replay_shows_when_who_and_what() {
        let (status, out, _) = called("replay 0201032c010204");
        let expected = "
       0 ms  toy                      stores 300 bytes under key 3
       1 ms  toy                      fault \"fails\"
2 operations, 7 bytes of choices, trace HASH
Broken: lost: key 3 is gone
  What has to hold: A large value under key 3 outlives a failure.
";
        let hash = out.split("trace ").nth(1).and_then(|rest| rest.get(..16)).expect("a hash");
        assert_eq!(out, expected[1..].replace("HASH", hash));
        assert_eq!(status, 1);
        let (status, out, _) = called("replay -");
        assert_eq!(status, 0);
        assert!(out.ends_with("All checks hold.\n"), "{out}");
    }

    #[test]
    fn shrinking_says_what_it_found() {
        let (status, out, _) = called("shrink 0301032c0100020400");
        assert_eq!(status, 1);
        assert!(out.starts_with("Shrunk to 7 bytes in "), "{out}");
        assert!(out.ends_with("Replay it: toy replay 0201032c010204\n"), "{out}");
        let (status, out, _) = called("shrink 0301032c0100020400 --steps 1");
        assert_eq!(status, 1);
        assert!(out.contains("It may get shorter yet"), "{out}");
        assert_eq!(called("shrink 00"), (0, "This run breaks no check.\n".into(), String::new()));
    }

    #[test]
    fn seeds_that_fail_nothing_are_well_unless_marks_are_asked_for() {
        let first = (0..).find(|&seed| {
            let fails = |seed| toy::run(&mut crate::Seed::new(seed), &Options::default());
            (seed..seed + 3).all(|seed| fails(seed).broken.is_none())
        });
        let line = format!("seeds {} 3", first.expect("some do not fail"));
        let (status, out, progress) = called(&line);
        assert_eq!((status, out.lines().count(), progress.as_str()), (0, 1, ""), "{out}");
        assert!(out.starts_with("3 seeds, "), "{out}");
        let (status, out, _) = called(&format!("{line} --marks"));
        assert_eq!(status, 0);
        assert!(out.contains("     dark  idle retry "), "{out}");
        let (status, out, _) = called(&format!("{line} --all-marks"));
        assert_eq!(status, 1);
        assert!(out.contains(" marks were lit by 3 seeds.\n"), "{out}");
    }

    #[test]
    fn help_and_checks_are_shown_and_the_rest_is_a_usage_error() {
        let (status, out, _) = called("--help");
        assert_eq!((status, out.as_str()), (0, HELP));
        let (status, out, _) = called("checks");
        assert_eq!(status, 0);
        assert!(out.ends_with("long\n    No list is long.\n"), "{out}");
        let (status, out, progress) = called("seeds 1");
        assert_eq!((status, out.as_str()), (2, ""));
        assert_eq!(progress, "seeds wants two numbers, FIRST and COUNT.\nTry: toy --help\n");
    }
}
