use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a thread of the server looks whether it is to end.
const TICK: Duration = Duration::from_millis(5);

/// A server that does to its connections what a script says, whatever it is asked. It ends when it is
/// dropped.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// One thing that a [`Scripted`] server does. A connection whose steps are over is read from until the
/// peer closes it.
#[derive(Clone, Debug)]
pub enum Step {
    /// Waits until this many lines have come since the last `Lines`.
    Lines(usize),
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Does nothing for this long.
    Wait(Duration),
    /// Closes the connection.
    Close,
    /// From here on, answers each line with these bytes.
    Echo(Vec<u8>),
}

impl Step {
    /// [`Step::Send`] of text.
    #[must_use]
    pub fn send(text: &str) -> Self {
        Step::Send(text.into())
    }
}

/// What a server saw of one connection.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// All that came.
    pub received: Vec<u8>,
    /// Whether the peer has closed it.
    pub closed_by_peer: bool,
    /// Whether the script has closed it.
    pub closed_by_script: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    connections: Vec<Seen>,
    ending: bool,
}

impl Scripted {
    /// A server whose first connection sees the first of `scripts`, and so on; further connections see
    /// the last.
    ///
    /// # Panics
    ///
    /// Where no port can be listened on.
    #[must_use]
    pub fn start(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        thread::spawn(move || serve(&listener, &scripts, &serving));
        Scripted { address, shared }
    }

    /// A server that does the same to every connection.
    #[must_use]
    pub fn always(script: impl Into<Vec<Step>>) -> Self {
        Self::start(vec![script.into()])
    }

    /// A server that accepts and says nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self::always([])
    }

    /// A server that reads a line and then sends `text`.
    #[must_use]
    pub fn replying(text: &str) -> Self {
        Self::always([Step::Lines(1), Step::send(text)])
    }

    /// Its address as a client takes it.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// What it has seen of each connection so far, in the order they came.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state().connections.clone()
    }

    /// Waits until there have been `count` connections at least and the peer has closed them all.
    /// Returns false if that takes longer than `patience`.
    #[must_use]
    pub fn all_closed(&self, count: usize, patience: Duration) -> bool {
        let open = |state: &mut State| {
            let mut seen = state.connections.iter();
            state.connections.len() < count
                || seen.any(|seen| !seen.closed_by_peer && !seen.closed_by_script)
        };
        let waited = self.shared.changed.wait_timeout_while(self.shared.state(), patience, open);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.shared.state().ending = true;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, at: usize, change: impl FnOnce(&mut Seen)) {
        change(&mut self.state().connections[at]);
        self.changed.notify_all();
    }
}

fn serve(listener: &TcpListener, scripts: &[Vec<Step>], shared: &Arc<Shared>) {
    while !shared.state().ending {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(TICK);
            continue;
        };
        let at = {
            let mut state = shared.state();
            state.connections.push(Seen::default());
            state.connections.len() - 1
        };
        shared.changed.notify_all();
        let script = scripts.get(at).or(scripts.last()).cloned().unwrap_or_default();
        let shared = shared.clone();
        thread::spawn(move || Session { stream, at, shared, lines: 0, over: false }.play(script));
    }
}

struct Session {
    stream: TcpStream,
    at: usize,
    shared: Arc<Shared>,
    lines: usize,
    over: bool,
}

impl Session {
    fn play(mut self, script: Vec<Step>) {
        self.stream.set_nodelay(true).expect("a socket without delay");
        self.stream.set_nonblocking(false).expect("a socket that blocks");
        self.stream.set_read_timeout(Some(TICK)).expect("a socket with a timeout");
        for step in script {
            match step {
                Step::Lines(lines) => {
                    while self.lines < lines && !self.over {
                        self.read();
                    }
                    self.lines = 0;
                }
                // A peer that has gone is seen by the next read.
                Step::Send(bytes) => drop(self.stream.write_all(&bytes)),
                Step::Wait(time) => {
                    let end = Instant::now() + time;
                    while Instant::now() < end && !self.over {
                        self.read();
                    }
                }
                Step::Close => {
                    return self.shared.change(self.at, |seen| seen.closed_by_script = true);
                }
                Step::Echo(bytes) => {
                    while !self.over {
                        self.read();
                        for _ in 0..std::mem::take(&mut self.lines) {
                            let _ = self.stream.write_all(&bytes);
                        }
                    }
                }
            }
        }
        while !self.over {
            self.read();
        }
    }

    /// Reads for a tick at most.
    fn read(&mut self) {
        let mut buffer = [0; 64 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.end(),
            Ok(len) => {
                let bytes = &buffer[..len];
                self.lines += bytes.iter().filter(|&&byte| byte == b'\n').count();
                self.shared.change(self.at, |seen| seen.received.extend_from_slice(bytes));
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => self.end(),
        }
        self.over |= self.shared.state().ending;
    }

    fn end(&mut self) {
        self.over = true;
        self.shared.change(self.at, |seen| seen.closed_by_peer = true);
    }
}
