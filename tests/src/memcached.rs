use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use crate::settles;
use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often another free port is tried, where someone else was quicker to take it.
const ATTEMPTS: usize = 5;

/// A real memcached on a free port of the loopback address, stopped when this is dropped.
///
/// The program is the one that the environment variable `MEMCACHED` names, else `memcached` on the
/// path. It ends with the test program, however that ends.
#[derive(Debug)]
pub struct Memcached {
    port: u16,
    arguments: Vec<String>,
    version: String,
    running: Option<Running>,
}

/// A process, and another that outlives the test program just long enough to end the first.
#[derive(Debug)]
pub(crate) struct Running {
    server: Child,
    guard: Child,
}

impl Running {
    /// Starts a memcached with these arguments.
    pub(crate) fn start<S: AsRef<OsStr>>(
        arguments: impl IntoIterator<Item = S>,
    ) -> io::Result<Self> {
        let mut server = Command::new(program())
            .args(["-u", "root"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        match guard(server.id()) {
            Ok(guard) => Ok(Running { server, guard }),
            Err(error) => {
                let _ = server.kill();
                let _ = server.wait();
                Err(error)
            }
        }
    }

    pub(crate) fn process(&self) -> u32 {
        self.server.id()
    }

    /// Whether the server has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.server.try_wait(), Ok(None))
    }

    pub(crate) fn kill(self) {
        let Running { mut server, mut guard } = self;
        // The guard first: the number of a process that has ended may soon be another's.
        let _ = guard.kill();
        let _ = guard.wait();
        let _ = server.kill();
        let _ = server.wait();
    }
}

impl Memcached {
    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    ///
    /// Where the program cannot be started, or does not answer within ten seconds.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more arguments, `["-m", "1024"]` for instance.
    ///
    /// # Panics
    ///
    /// As [`Memcached::start`].
    #[must_use]
    pub fn start_with(arguments: &[&str]) -> Self {
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            let mut memcached = Memcached {
                port: free_port(),
                arguments: arguments.iter().map(|&argument| argument.into()).collect(),
                version: String::new(),
                running: None,
            };
            match memcached.try_start() {
                Ok(()) => return memcached,
                Err(error) => failure = Some(error),
            }
        }
        panic!("no memcached ({}): {failure:?}", program());
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address as a client takes it, `127.0.0.1:11211` for instance.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it answers to `version`, `1.6.18` for instance.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether it is the version whose answers the in-memory server gives, byte for byte: 1.6.18.
    #[must_use]
    pub fn is_reference(&self) -> bool {
        self.version == "1.6.18"
    }

    /// The number of its process.
    ///
    /// # Panics
    ///
    /// Where it does not run.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.running.as_ref().expect("it runs").process()
    }

    /// A new connection to it, without delay and with a timeout of ten seconds.
    ///
    /// # Panics
    ///
    /// Where it does not accept one.
    #[must_use]
    pub fn connect(&self) -> TcpStream {
        connect(self.port).expect("the server accepts a connection")
    }

    /// How many connections it has taken so far, with the one that asks.
    ///
    /// # Panics
    ///
    /// Where it does not tell.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.stat("total_connections")
    }

    /// How many sockets it has open now, those it listens on among them. Looked up without asking the
    /// server: it may still count the connection of who asked before.
    ///
    /// # Panics
    ///
    /// Where it does not run.
    #[must_use]
    pub fn open_sockets(&self) -> usize {
        let running = self.running.as_ref().expect("it runs");
        let open = fs::read_dir(format!("/proc/{}/fd", running.server.id())).expect("its files");
        // One that has been closed since is none.
        let targets = open.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }

    fn stat(&self, name: &str) -> usize {
        let mut stream = self.connect();
        stream.write_all(b"stats\r\nquit\r\n").expect("sent");
        let lines = BufReader::new(stream).lines().map(|line| line.expect("answered"));
        let start = format!("STAT {name} ");
        let values: Vec<_> =
            lines.filter_map(|line| line.strip_prefix(&start).map(str::to_owned)).collect();
        values[0].parse().expect("a number")
    }

    /// Stops it in its tracks, as a machine does that hangs: connects succeed, and that is all.
    /// [`Memcached::resume`] lets it go on.
    ///
    /// # Panics
    ///
    /// Where it does not run.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        // Its threads stop one after the other.
        let running = self.running.as_ref().expect("it runs");
        let tasks = format!("/proc/{}/task", running.server.id());
        let is_stopped = || {
            let tasks = fs::read_dir(&tasks).expect("its threads");
            let stats = tasks.map(|task| {
                let path = task.expect("a thread").path().join("stat");
                fs::read_to_string(path).expect("a thread's state")
            });
            stats
                .into_iter()
                .all(|stat| stat.rsplit(") ").next().is_some_and(|s| s.starts_with('T')))
        };
        assert!(settles(is_stopped), "it does not stop");
    }

    /// Lets it go on after [`Memcached::pause`].
    ///
    /// # Panics
    ///
    /// Where it does not run.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let running = self.running.as_ref().expect("it runs");
        kill_process(Pid::from_child(&running.server), signal).expect("it is ours");
    }

    /// Whether it runs: that it was not killed.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Kills it, as a crash would. [`Memcached::restart`] brings it back.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }

    /// Starts it again on the same port, empty. Kills it first if it runs.
    ///
    /// # Panics
    ///
    /// Where it cannot be started again.
    pub fn restart(&mut self) {
        self.kill();
        let deadline = Instant::now() + PATIENCE;
        // Somebody may have the port for a moment, to see whether it is free.
        while let Err(error) = self.try_start() {
            assert!(Instant::now() < deadline, "the server starts again: {error}");
            self.kill();
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn try_start(&mut self) -> io::Result<()> {
        let port = self.port.to_string();
        let place = ["-l", "127.0.0.1", "-U", "0", "-p", &port];
        let arguments = self.arguments.iter().map(String::as_str);
        self.running = Some(Running::start(place.into_iter().chain(arguments))?);
        let own = self.running.as_ref().map(|running| running.server.id());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let process = match ask(self.port) {
                Ok((version, process)) => {
                    self.version = version;
                    process
                }
                Err(error) if self.has_ended() || Instant::now() > deadline => return Err(error),
                Err(_) => {
                    thread::sleep(Duration::from_millis(10));
                    continue;
                }
            };
            // Whoever answered is another, if ours could not have the port; it may not have ended yet.
            let is_other = self.has_ended() || Some(process) != own;
            return if is_other { Err(io::ErrorKind::AddrInUse.into()) } else { Ok(()) };
        }
    }

    fn has_ended(&mut self) -> bool {
        self.running.as_mut().is_none_or(Running::has_ended)
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program that is started.
pub(crate) fn program() -> String {
    env::var("MEMCACHED").unwrap_or_else(|_| "memcached".into())
}

/// Starts a process that waits until this one has ended, even by force, and then kills the server:
/// its input is a pipe whose other end nobody else holds.
fn guard(server: u32) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", r#"read _; kill -9 "$1""#, "guard", &server.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// A port that nobody listens on. The system does not give it to outgoing connections, so none of them takes it
/// while the server is down.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = |_| {
        // Test programs that run side by side begin far from each other.
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let at = process::id().wrapping_mul(7919).wrapping_add(step)
            % u32::from(PORTS.end - PORTS.start);
        PORTS.start + u16::try_from(at).expect("it is less than all of them")
    };
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    PORTS.map(next).find(is_free).expect("a free port")
}

/// Where [`free_port`] looks: below what Linux takes for outgoing connections by default.
const PORTS: Range<u16> = 15_000..32_000;

fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The version of the server that listens on a port, and its process. Returns when the server has closed the
/// connection: one that is about to be closed still counts where there can be only a few.
fn ask(port: u16) -> io::Result<(String, u32)> {
    let mut stream = connect(port)?;
    stream.write_all(b"version\r\nstats\r\nquit\r\n")?;
    let (mut version, mut process) = (None, None);
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if let Some(text) = line.strip_prefix("VERSION ") {
            version = Some(text.trim_end().to_owned());
        }
        if let Some(text) = line.strip_prefix("STAT pid ") {
            process = text.trim_end().parse().ok();
        }
    }
    version.zip(process).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_can_be_killed_and_comes_back_empty_on_its_port() {
        let mut memcached = Memcached::start();
        let ask = |memcached: &Memcached, request: &[u8]| {
            let mut stream = memcached.connect();
            stream.write_all(request).expect("sent");
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).expect("answered");
            line
        };
        assert_eq!(ask(&memcached, b"set k 0 0 1\r\n1\r\n"), "STORED\r\n");
        let port = memcached.port();
        memcached.kill();
        assert!(connect(port).is_err() && !memcached.is_running());
        memcached.restart();
        assert!(memcached.is_running());
        assert_eq!(memcached.port(), port);
        assert_eq!(ask(&memcached, b"get k\r\n"), "END\r\n");
        assert!(memcached.version().starts_with(|c: char| c.is_ascii_digit()));
    }
}
