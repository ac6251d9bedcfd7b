use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use memcache_tests::python::Python;

use crate::contender::{Contender, Row};
use crate::watch::Watch;

/// A client for Python, in a process of its own that runs `python.py`.
pub(crate) struct PythonClient {
    name: &'static str,
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// The clients, and the modules that they are.
const CLIENTS: [(&str, &str); 2] = [("pylibmc", "pylibmc"), ("python-memcached", "memcache")];

impl PythonClient {
    /// Those that are installed, for the Python that `PYTHON` names.
    pub(crate) fn all(address: &str) -> Vec<Self> {
        let installed = CLIENTS.into_iter().filter(|(_, module)| Python::Current.has(module));
        installed.map(|(name, module)| Self::start(name, module, address)).collect()
    }

    fn start(name: &'static str, module: &str, address: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/end_to_end/python.py");
        let mut command = Python::Current.script(script);
        command.args([module, address]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("Python starts");
        let stdin = process.stdin.take().expect("a pipe");
        let stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        PythonClient { name, process, stdin, stdout }
    }
}

impl Contender for PythonClient {
    fn name(&self) -> &'static str {
        self.name
    }

    // Its get of many returns a dict.
    fn can(&self, row: Row) -> bool {
        row != Row::GetVec
    }

    fn run(&mut self, row: Row, count: usize, watch: &mut Watch) {
        writeln!(self.stdin, "{count} {}", row.name()).expect("the process reads");
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).expect("the process answers");
        let seconds: Vec<f64> =
            answer.split_whitespace().map(|word| word.parse().expect("seconds")).collect();
        let [wall, cpu] = seconds[..] else { panic!("{} has failed: {answer}", self.name) };
        watch.add(Watch::of(Duration::from_secs_f64(wall), Duration::from_secs_f64(cpu)));
    }
}

impl Drop for PythonClient {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
