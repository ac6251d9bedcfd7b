//! Python clients as the other end of a test.
//!
//! Where Python or a library is missing, a test says so loudly and passes. Where the environment
//! variable `MEMCACHE_TESTS_PYTHON` is `required`, it fails, and so it does where
//! `MEMCACHE_TESTS_PYTHON_OLD` names a Python that has not got what it should.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::{env, iter};

use serde_json::{Value as Json, json};

/// A Python that may have client libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Python {
    /// The one that the environment variable `PYTHON` names, else `python3` on the path.
    Current,
    /// The one that has python-memcached 1.58, which the environment variable
    /// `MEMCACHE_TESTS_PYTHON_OLD` names.
    Old,
}

impl Python {
    /// Whether it can import the module. Says loudly where it cannot.
    ///
    /// # Panics
    ///
    /// Where it cannot, and it is required.
    #[must_use]
    pub fn has(self, module: &str) -> bool {
        // To ask takes a process, and every test asks.
        static KNOWN: Mutex<BTreeMap<(Python, String), bool>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let found = *known.entry((self, module.into())).or_insert_with(|| self.imports(module));
        drop(known);
        if found {
            return true;
        }
        let missing = format!("Python ({}) cannot import {module}", self.program());
        assert!(!self.is_required(), "{missing}");
        skipped(&missing);
        false
    }

    /// It, with a script to run: a path, or the name of one of those in `tests/python`.
    #[must_use]
    pub fn script(self, name: impl AsRef<Path>) -> Command {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
        // A path from the root replaces the directory.
        let script = directory.join(name);
        let mut command = self.command();
        // In any locale, JSON is UTF-8.
        command.arg(script).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1");
        command
    }

    fn imports(self, module: &str) -> bool {
        let mut command = self.command();
        let found = command.args(["-c", &format!("import {module}")]).output();
        found.is_ok_and(|output| output.status.success())
    }

    fn is_required(self) -> bool {
        match self {
            Python::Current => {
                env::var("MEMCACHE_TESTS_PYTHON").is_ok_and(|value| value == "required")
            }
            Python::Old => env::var_os("MEMCACHE_TESTS_PYTHON_OLD").is_some(),
        }
    }

    fn command(self) -> Command {
        Command::new(self.program())
    }

    fn program(self) -> String {
        let (variable, default) = match self {
            Python::Current => ("PYTHON", "python3"),
            Python::Old => ("MEMCACHE_TESTS_PYTHON_OLD", "MEMCACHE_TESTS_PYTHON_OLD is not set"),
        };
        env::var(variable).unwrap_or_else(|_| default.into())
    }
}

/// Says, so that nobody overlooks it, that a test has not been made.
pub fn skipped(reason: &str) {
    let banner = "=".repeat(60);
    // Not `eprintln!`, which is swallowed where a test passes.
    let _ = writeln!(io::stderr(), "{banner}\nSKIPPED: {reason}\n{banner}");
}

/// A client in a Python process, which lives as long as this: `driver.py`, where the JSON that goes both
/// ways is described.
#[derive(Debug)]
pub struct Driver {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Driver {
    /// A process with a client of these settings.
    ///
    /// # Panics
    ///
    /// Where there is no such client.
    #[must_use]
    pub fn start(python: Python, settings: &Json) -> Self {
        let mut command = python.script("driver.py");
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
        let stdin = process.stdin.take().expect("a pipe");
        let stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut driver = Driver { process, stdin, stdout };
        driver.exchange(&json!(["make", settings]));
        driver
    }

    /// What one call returns.
    ///
    /// # Panics
    ///
    /// Where it raises.
    pub fn call(&mut self, method: &str, arguments: Json) -> Json {
        self.try_call(method, arguments).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// What one call returns.
    ///
    /// # Errors
    ///
    /// What it raises.
    pub fn try_call(&mut self, method: &str, arguments: Json) -> Result<Json, String> {
        self.try_each(method, [arguments]).pop().expect("one outcome")
    }

    /// What each of the calls of one method returns.
    ///
    /// # Panics
    ///
    /// Where one raises.
    pub fn each(&mut self, method: &str, calls: impl IntoIterator<Item = Json>) -> Vec<Json> {
        let outcomes = self.try_each(method, calls);
        let results = outcomes.into_iter().collect::<Result<Vec<_>, _>>();
        results.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// What each of the calls of one method returns, or raises.
    ///
    /// # Panics
    ///
    /// Where the process has ended.
    pub fn try_each(
        &mut self,
        method: &str,
        calls: impl IntoIterator<Item = Json>,
    ) -> Vec<Result<Json, String>> {
        let line = Json::Array(iter::once(method.into()).chain(calls).collect());
        let outcomes = self.exchange(&line).into_iter();
        let outcomes = outcomes.map(|outcome| match outcome {
            Json::Array(mut parts) if parts.len() == 1 => Ok(parts.remove(0)),
            raised => Err(raised.to_string()),
        });
        outcomes.collect()
    }

    fn exchange(&mut self, line: &Json) -> Vec<Json> {
        writeln!(self.stdin, "{line}").expect("the driver reads");
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).expect("the driver answers in UTF-8");
        assert!(!answer.is_empty(), "the driver has ended");
        serde_json::from_str(&answer).expect("a list")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
