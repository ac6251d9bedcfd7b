use std::env;
use std::path::PathBuf;

use crate::compare::Rounds;

/// What the command line asks for.
#[derive(Default)]
pub(crate) struct Options {
    /// Whether this is `cargo bench`. Else see that everything runs, and judge nothing.
    pub(crate) measured: bool,
    pub(crate) help: bool,
    pub(crate) quick: bool,
    pub(crate) python: bool,
    pub(crate) check: bool,
    pub(crate) write: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) from: Option<PathBuf>,
    /// The one section to run in this process.
    pub(crate) section: Option<String>,
    /// The sections to run.
    pub(crate) sections: Vec<String>,
}

pub(crate) const USAGE: &str = "\
usage: cargo bench -p memcache-tests --bench end_to_end -- [OPTION...] [SECTION...]
  SECTION        unix, tcp, bare, crowd, keys, servers, tasks, counts; default: all of them
  --quick        a fifth of the rounds, and no counts
  --python       pylibmc and python-memcached too, of the Python that PYTHON names
  --check        fail if a row misses its target by more than the noise
  --json PATH    where to write the results; default: target/end_to_end.json
  --from PATH    take the results from there instead of measuring
  --write        write the tables and plots to docs, and to README.md";

impl Options {
    pub(crate) fn from_arguments() -> Result<Self, String> {
        let mut options = Options::default();
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} of what?"));
            match argument.as_str() {
                "--bench" => options.measured = true,
                "--help" => options.help = true,
                "--quick" => options.quick = true,
                "--python" => options.python = true,
                "--check" => options.check = true,
                "--write" => options.write = true,
                "--json" => options.json = Some(value()?.into()),
                "--from" => options.from = Some(value()?.into()),
                "--section" => options.section = Some(value()?),
                section if !section.starts_with('-') => options.sections.push(section.to_owned()),
                other => return Err(format!("what is {other}?\n{USAGE}")),
            }
        }
        Ok(options)
    }

    /// How often two sides take turns.
    pub(crate) fn rounds(&self) -> Rounds {
        match (self.measured, self.quick) {
            (false, _) => Rounds(1),
            (true, true) => Rounds(11),
            (true, false) => Rounds(51),
        }
    }
}
