use std::env;
use std::fmt::Write;
use std::fs;
use std::process::Command;

use crate::Outcome;

/// The counts in `kept.txt`.
pub(crate) struct Kept {
    /// What they were counted with.
    pub(crate) tools: String,
    /// The instructions of a call, by the name of its row.
    pub(crate) counts: Vec<(String, f64)>,
}

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kept.txt");

impl Kept {
    pub(crate) fn read() -> Outcome<Self> {
        let text = fs::read_to_string(PATH)?;
        let mut kept = Kept { tools: String::new(), counts: Vec::new() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.split_once(' ').ok_or("a line of one word")? {
                ("tools", tools) => kept.tools = tools.to_owned(),
                (name, count) => kept.counts.push((name.to_owned(), count.trim().parse()?)),
            }
        }
        Ok(kept)
    }

    pub(crate) fn write(&self) -> Outcome<()> {
        let mut text = String::new();
        writeln!(text, "# The instructions of one call of the core alone, written by")?;
        writeln!(text, "# cargo run --release -p memcache-instructions -- --write")?;
        writeln!(text, "tools {}", self.tools)?;
        for (name, count) in &self.counts {
            writeln!(text, "{name:<22} {count:.0}")?;
        }
        Ok(fs::write(PATH, text)?)
    }

    pub(crate) fn count(&self, name: &str) -> Option<f64> {
        self.counts.iter().find(|(kept, _)| kept == name).map(|(_, count)| *count)
    }
}

/// What decides how many instructions there are: the compiler and its target, the C library, which
/// allocates and copies, and callgrind. `None` where valgrind is not installed.
pub(crate) fn tools() -> Outcome<Option<String>> {
    let Ok(valgrind) = say("valgrind", &["--version"]) else { return Ok(None) };
    let rustc = say(&env::var("RUSTC").unwrap_or_else(|_| "rustc".into()), &["--version"])?;
    let libc = say("getconf", &["GNU_LIBC_VERSION"]).unwrap_or_else(|_| "another libc".into());
    Ok(Some(format!("{rustc}, {}, {libc}, {valgrind}", env::consts::ARCH)))
}

/// What a program says, in one line.
fn say(program: &str, arguments: &[&str]) -> Outcome<String> {
    let output = Command::new(program).args(arguments).output()?;
    if !output.status.success() {
        return Err(format!("{program} failed").into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
