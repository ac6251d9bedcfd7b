use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::{fmt, thread};

use memcache_proto::server::{Connection, Settings, Store};
use memcache_proto::{Limits, Origin};
use memcache_tests::Memcached;

use crate::generator::{Step, UNIQUE};
use crate::mask::Masked;

/// Sent behind whatever is sent: a line long enough to end any value that is still awaited, and a
/// command whose answer nothing else gives.
const BARRIER: &str = concat!(
    "version                                                                                     ",
    "                                                                                     \r\n",
    "cache_memlimit 1\r\n",
);
const BARRIER_REPLY: &[u8] = b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n";
/// An answer, and whether the connection was closed behind it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    Closed,
    /// The barrier was not answered.
    Lost,
}

pub(crate) struct Difference {
    sent: Vec<u8>,
    memcached: Answer,
    ours: Answer,
}

/// memcached and the in-memory server.
pub(crate) struct Pair {
    memcached: Memcached,
    stream: TcpStream,
    store: Store,
    connection: Connection,
    origin: Origin,
}

impl Pair {
    /// A new server of each kind; memcached without threads that change items at times of their own.
    pub(crate) fn new() -> Self {
        Self::with(&["-o", "no_lru_maintainer,no_lru_crawler"])
    }

    /// The same, but for those threads.
    pub(crate) fn with_threads() -> Self {
        Self::with(&[])
    }

    fn with(options: &[&str]) -> Self {
        let memcached = Memcached::start_with(&[&["-m", "1024", "-t", "1"], options].concat());
        let stream = memcached.connect();
        let settings = Settings {
            memory_limit: 1024 << 20,
            version: memcached.version().into(),
            ..Settings::default()
        };
        let mut store = Store::new(settings);
        store.connected();
        let mut pair = Pair {
            memcached,
            stream,
            store,
            connection: Connection::new(Limits::default()),
            origin: Origin::new(Instant::now()),
        };
        // Uses up the small cas uniques, lest one in a sequence match that of one side only.
        pair.compare(&b"set a 0 0 1\r\n1\r\n".repeat(16)).unwrap();
        pair
    }

    /// Whether only what all versions answer alike can be compared.
    pub(crate) fn portable(&self) -> bool {
        !self.memcached.is_reference()
    }

    /// Runs sequences, each on empty servers; returns where the answers differ first.
    pub(crate) fn run(&mut self, sequences: &[Vec<Step>]) -> Option<Difference> {
        let mut pending = Vec::new();
        let result = sequences.iter().try_for_each(|sequence| {
            pending.extend_from_slice(b"flush_all\r\n");
            sequence.iter().try_for_each(|step| self.step(step, &mut pending))?;
            pending.extend_from_slice(BARRIER.as_bytes());
            Ok(())
        });
        match result.and_then(|()| self.compare(&pending)) {
            Ok(()) => None,
            Err(difference) => {
                let difference: Box<Difference> = difference;
                self.reconnect();
                Some(*difference)
            }
        }
    }

    /// Adds a step to what is pending, or sends that and then the step.
    fn step(&mut self, step: &Step, pending: &mut Vec<u8>) -> Result<(), Box<Difference>> {
        if let Step::Send(bytes) = step {
            pending.extend_from_slice(bytes);
            return Ok(());
        }
        self.compare(&std::mem::take(pending))?;
        match step {
            Step::Send(_) => Ok(()),
            Step::Alone(bytes) => self.compare(bytes),
            Step::Close(bytes) => self.compare_without_barrier(bytes),
            Step::Cas { key, value, noreply } => self.compare_cas(key, value, *noreply),
            Step::Unique { asking, command } => self.compare_unique(asking, command),
        }
    }

    /// Compares the answers to a request that ends in whatever way.
    pub(crate) fn compare(&mut self, request: &[u8]) -> Result<(), Box<Difference>> {
        let (memcached, ours) = self.ask(request);
        self.judge(request, memcached, ours)
    }

    fn compare_cas(
        &mut self,
        key: &[u8],
        value: &[u8],
        noreply: bool,
    ) -> Result<(), Box<Difference>> {
        let gets = [b"gets ", key, b"\r\n"].concat();
        let (memcached, ours) = self.ask(&gets);
        let requests = [&memcached, &ours].map(|answer| {
            let unique = unique_in(&answer.bytes).unwrap_or_else(|| b"1".to_vec());
            let len = value.len().to_string();
            let noreply: &[u8] = if noreply { b" noreply" } else { b"" };
            let line = [b"cas ", key, b" 7 0 ", len.as_bytes(), b" ", &unique, noreply].concat();
            [&line, &b"\r\n"[..], value, b"\r\n", BARRIER.as_bytes()].concat()
        });
        self.judge(&gets, memcached, ours)?;
        let [to_memcached, to_ours] = requests;
        let memcached = self.ask_memcached(&to_memcached);
        let ours = self.ask_ours(&to_ours);
        self.judge(&to_memcached, memcached, ours)
    }

    fn compare_unique(&mut self, asking: &[u8], command: &[u8]) -> Result<(), Box<Difference>> {
        let (memcached, ours) = self.ask(asking);
        let [to_memcached, to_ours] = [&memcached, &ours].map(|answer| {
            let unique = answer.bytes.strip_prefix(b"HD c").unwrap_or(b"1");
            let digits = unique.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let at = command.windows(UNIQUE.len()).position(|window| window == UNIQUE);
            let (before, behind) = command.split_at(at.unwrap());
            let command = [before, &unique[..digits], &behind[UNIQUE.len()..]].concat();
            [&command, BARRIER.as_bytes()].concat()
        });
        self.judge(asking, memcached, ours)?;
        let memcached = self.ask_memcached(&to_memcached);
        let ours = self.ask_ours(&to_ours);
        self.judge(&to_memcached, memcached, ours)
    }

    fn compare_without_barrier(&mut self, request: &[u8]) -> Result<(), Box<Difference>> {
        let memcached = self.ask_memcached(request);
        let ours = self.ask_ours(request);
        self.judge(request, memcached, ours)
    }

    fn judge(
        &mut self,
        request: &[u8],
        memcached: Answer,
        ours: Answer,
    ) -> Result<(), Box<Difference>> {
        let [theirs, mine] = [&memcached, &ours].map(|answer| Masked::new(&answer.bytes));
        if !theirs.is_like(&mine) || memcached.end != ours.end {
            return Err(Box::new(Difference { sent: request.to_vec(), memcached, ours }));
        }
        if memcached.end != End::Open {
            self.reconnect();
        }
        Ok(())
    }

    /// Both answers to a request: memcached's and ours.
    pub(crate) fn ask(&mut self, request: &[u8]) -> (Answer, Answer) {
        let request = [request, BARRIER.as_bytes()].concat();
        (self.ask_memcached(&request), self.ask_ours(&request))
    }

    fn ask_memcached(&mut self, request: &[u8]) -> Answer {
        let barriers = count(request, BARRIER.as_bytes());
        let (mut bytes, mut answered, mut end) = (Vec::new(), 0, End::Open);
        let mut stream = &self.stream;
        thread::scope(|scope| {
            // A long request is answered while it is written, and the answers must be read.
            if request.len() > 16 << 10 {
                let mut stream = &self.stream;
                scope.spawn(move || stream.write_all(request));
            } else if stream.write_all(request).is_err() {
                end = End::Closed;
            }
            let mut piece = [0; 64 << 10];
            while barriers == 0 || answered < barriers {
                match stream.read(&mut piece) {
                    Ok(0) => end = End::Closed,
                    Ok(len) => {
                        let seen = bytes.len().saturating_sub(BARRIER_REPLY.len() - 1);
                        bytes.extend_from_slice(&piece[..len]);
                        answered += count(&bytes[seen..], BARRIER_REPLY);
                        continue;
                    }
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => end = End::Closed,
                    Err(_) => {
                        end = End::Lost;
                        // Ends the writing, too.
                        let _ = stream.shutdown(std::net::Shutdown::Both);
                    }
                }
                break;
            }
        });
        Answer { bytes, end }
    }

    fn ask_ours(&mut self, request: &[u8]) -> Answer {
        let mut bytes = Vec::new();
        let mut rest = request;
        while !rest.is_empty() {
            let room = self.connection.receive_buffer();
            let len = room.len().min(rest.len());
            let (now, later) = rest.split_at(len);
            room[..len].copy_from_slice(now);
            rest = later;
            self.connection.received(len);
            loop {
                let unix_now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
                let now = self.origin.time(Instant::now());
                self.connection.handle(&mut self.store, now, unix_now);
                let answer = self.connection.transmit();
                if answer.is_empty() {
                    break;
                }
                bytes.extend_from_slice(answer);
                let len = answer.len();
                self.connection.transmitted(len);
            }
        }
        let end = if self.connection.wants_close() {
            End::Closed
        } else if count(&bytes, BARRIER_REPLY) != count(request, BARRIER.as_bytes()) {
            End::Lost
        } else {
            End::Open
        };
        Answer { bytes, end }
    }

    fn reconnect(&mut self) {
        self.stream = self.memcached.connect();
        self.connection = Connection::new(Limits::default());
        // memcached looks at the first byte of a connection to tell its protocols apart.
        let _ = self.ask(b"");
    }
}

/// How often `part` is in `bytes`.
fn count(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).filter(|window| *window == part).count()
}

/// The cas unique in the answer to a `gets` of one key.
fn unique_in(answer: &[u8]) -> Option<Vec<u8>> {
    let line = answer.split(|&byte| byte == b'\r').next()?;
    let mut words = line.split(|&byte| byte == b' ');
    if words.next()? != b"VALUE" {
        return None;
    }
    words.nth(3).map(<[u8]>::to_vec)
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { sent, memcached, ours } = self;
        writeln!(f, "sent      {}", Short(sent))?;
        // From shortly before the first byte that differs, where the answers are long.
        let [theirs, mine] = [memcached, ours].map(|answer| Masked::new(&answer.bytes));
        if theirs.text == mine.text {
            writeln!(f, "seconds   {:?}, ours {:?}", theirs.seconds, mine.seconds)?;
        }
        let [theirs, mine] = [theirs.text, mine.text];
        let same = theirs.iter().zip(&mine).take_while(|(a, b)| a == b).count();
        let from = same.saturating_sub(300);
        writeln!(f, "memcached {} ({:?})", Short(&theirs[from..]), memcached.end)?;
        writeln!(f, "ours      {} ({:?})", Short(&mine[from..]), ours.end)
    }
}

impl fmt::Debug for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

/// Bytes as text, cut where they are many.
pub(crate) struct Short<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(700)];
        write!(f, "{}", shown.escape_ascii())?;
        if shown.len() < self.0.len() {
            write!(f, "... ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}
