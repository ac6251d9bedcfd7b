use alloc::vec::Vec;
use core::fmt;

use super::clock::Clock;
use super::store::{Next, Reading};
use super::{Store, guard};
use crate::codec::parse_command::{CommandLine, LineError, ValueHeader, check_line, command_line};
use crate::codec::{Command, Keys, Refusal, Response};
use crate::{Credentials, Limits, Time};

/// What is lent to be read to, at least where no value is awaited; memcached's own read buffer.
const BUFFER_LEN: usize = 16 << 10;
/// Less room than this behind the received bytes is made larger before it is lent.
const MIN_SPACE: usize = 2 << 10;
/// A value's own buffer is made ready in steps of this many bytes, as bytes arrive.
const STEP: usize = 64 << 10;
/// While more than this waits to be sent, nothing more is answered.
const MAX_QUEUED: usize = 64 << 10;
/// The first byte of a client of the binary protocol, which would wait for ever for its answer.
const BINARY: u8 = 0x80;
/// A buffer that grew beyond this is given back once it is empty.
const KEPT: usize = 256 << 10;

/// The server's end of one connection: bytes in, answers out, no socket.
///
/// Read into [`receive_buffer`](Connection::receive_buffer), say how much came with
/// [`received`](Connection::received), [`handle`](Connection::handle) it, and send what
/// [`transmit`](Connection::transmit) lends. The answers are the same however the bytes arrive, and
/// each byte is looked at once.
///
/// Its memory is bounded by what has arrived, never by what was announced: about twice the bytes of
/// an unfinished value or line. Answers are bounded too: while more than 64 KiB of them wait, commands
/// wait as well, so a client that does not read is not answered. Read from the socket only while
/// [`wants_receive`](Connection::wants_receive), and call `handle` again once answers were sent.
pub struct Connection {
    limits: Limits,
    /// All initialised; `start..end` has been received and not yet handled.
    input: Vec<u8>,
    start: usize,
    end: usize,
    /// How many bytes behind `start` are known to hold no LF.
    searched: usize,
    state: State,
    output: Vec<u8>,
    /// How much of the output has been sent.
    sent: usize,
    /// Whether it has logged in, where that is asked for.
    inside: bool,
    /// Whether the last handling stopped for want of room for more output.
    stalled: bool,
    bytes_read: u64,
    bytes_written: u64,
}

/// What comes next.
enum State {
    /// The first byte of all.
    Start,
    /// A line.
    Line,
    /// The rest of a value.
    Value(Awaited),
    /// The rest of a value that was refused, this many bytes.
    Swallow(usize),
    /// The keys of a get that were not yet answered, because too much waits to be sent.
    Keys(Answering),
    /// Nothing more is handled.
    Closing { shutdown: bool },
}

/// A storage command whose value is not all there.
struct Awaited {
    /// The line before it, which has been found in order.
    line: Vec<u8>,
    value_len: usize,
    /// The value and its CR LF. All initialised; the first `filled` bytes have been received.
    block: Vec<u8>,
    filled: usize,
}

/// A get that is being answered.
struct Answering {
    keys: Vec<u8>,
    at: usize,
    reading: Reading,
}

impl Connection {
    /// A connection that has received nothing. It allocates when it is first used.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Connection {
            limits,
            input: Vec::new(),
            start: 0,
            end: 0,
            searched: 0,
            state: State::Start,
            output: Vec::new(),
            sent: 0,
            inside: false,
            stalled: false,
            bytes_read: 0,
            bytes_written: 0,
        }
    }

    /// Where to read to; never empty. Call [`handle`](Connection::handle) first. Next call
    /// [`received`](Connection::received).
    pub fn receive_buffer(&mut self) -> &mut [u8] {
        if let State::Value(awaited) = &mut self.state {
            if !awaited.is_complete() {
                return awaited.space();
            }
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.input.len() > KEPT {
                self.input = Vec::new();
            }
        }
        if self.input.len() < BUFFER_LEN {
            self.input.resize(BUFFER_LEN, 0);
        }
        if self.input.len() - self.end < MIN_SPACE {
            self.input.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.input.len() - self.end < MIN_SPACE {
                self.input.resize(self.input.len() * 2, 0);
            }
        }
        self.input.get_mut(self.end..).unwrap_or_default()
    }

    /// The first `len` bytes of what [`receive_buffer`](Connection::receive_buffer) lent have been
    /// read to. A `len` beyond what was lent counts as all of it. Next call
    /// [`handle`](Connection::handle).
    pub fn received(&mut self, len: usize) {
        let (filled, ready) = match &mut self.state {
            State::Value(awaited) if !awaited.is_complete() => {
                (&mut awaited.filled, awaited.block.len())
            }
            _ => (&mut self.end, self.input.len()),
        };
        let len = len.min(ready - *filled);
        *filled += len;
        self.bytes_read = self.bytes_read.saturating_add(u64::try_from(len).unwrap_or_default());
    }

    /// Answers what has been received, as far as there is room for the answers. `now` must not go
    /// backwards; `unix_now` is in seconds. Next send what [`transmit`](Connection::transmit) lends.
    pub fn handle(&mut self, store: &mut Store, now: Time, unix_now: u64) {
        let clock = Clock::new(now, unix_now);
        store.stats.bytes_read += core::mem::take(&mut self.bytes_read);
        store.stats.bytes_written += core::mem::take(&mut self.bytes_written);
        loop {
            self.stalled = self.transmit().len() > MAX_QUEUED;
            if self.stalled || !self.step(store, clock) {
                return;
            }
        }
    }

    /// What is to be sent; empty where there is nothing. Next call
    /// [`transmitted`](Connection::transmitted).
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        self.output.get(self.sent..).unwrap_or_default()
    }

    /// The first `len` bytes of what [`transmit`](Connection::transmit) lent have been sent. Next
    /// call [`handle`](Connection::handle), in case commands had to wait for that.
    pub fn transmitted(&mut self, len: usize) {
        let len = len.min(self.transmit().len());
        self.sent += len;
        self.bytes_written =
            self.bytes_written.saturating_add(u64::try_from(len).unwrap_or_default());
        if self.sent < self.output.len() {
            // What was sent must not pile up behind a client that never reads all of it.
            if self.sent > self.transmit().len() {
                self.output.drain(..self.sent);
                self.sent = 0;
            }
            return;
        }
        self.sent = 0;
        self.output.clear();
        if self.output.capacity() > KEPT {
            self.output = Vec::new();
        }
    }

    /// Whether more bytes are of any use now: not once the connection is closing, nor while commands
    /// wait because their answers had no room. Then send what there is and call
    /// [`handle`](Connection::handle) again.
    #[must_use]
    pub fn wants_receive(&self) -> bool {
        !self.stalled && !matches!(self.state, State::Closing { .. })
    }

    /// Whether nothing more will be handled: close once [`transmit`](Connection::transmit) is empty.
    #[must_use]
    pub const fn wants_close(&self) -> bool {
        matches!(self.state, State::Closing { .. })
    }

    /// Whether it is because of a `shutdown` command, and the whole server is to end.
    #[must_use]
    pub const fn wants_shutdown(&self) -> bool {
        matches!(self.state, State::Closing { shutdown: true })
    }

    /// Does one thing; returns whether there may be another.
    fn step(&mut self, store: &mut Store, clock: Clock) -> bool {
        match &mut self.state {
            State::Start => match self.input.get(self.start..self.end).and_then(<[u8]>::first) {
                None => false,
                Some(&BINARY) => {
                    self.state = State::Closing { shutdown: false };
                    false
                }
                Some(_) => {
                    self.state = State::Line;
                    true
                }
            },
            State::Line => self.line(store, clock),
            State::Value(awaited) => {
                if !awaited.is_complete() {
                    return false;
                }
                let block = awaited.block.get(..awaited.filled).unwrap_or_default();
                if let Some(credentials) =
                    store.settings.credentials.as_ref().filter(|_| !self.inside)
                {
                    self.inside = log_in(&mut self.output, credentials, block);
                } else if let Ok(CommandLine::Value(header)) = command_line(&awaited.line) {
                    put_stored(&mut self.output, store, &header, block, clock);
                }
                self.state = State::Line;
                true
            }
            State::Swallow(left) => {
                let there = (*left).min(self.end - self.start);
                self.start += there;
                *left -= there;
                let done = *left == 0;
                if done {
                    self.state = State::Line;
                }
                done
            }
            State::Keys(Answering { keys, at, reading }) => {
                let mut rest = Keys::line(keys.get(*at..).unwrap_or_default());
                if put_values(&mut self.output, self.sent, store, &mut rest, *reading, clock) {
                    self.state = State::Line;
                } else {
                    *at = keys.len() - rest.rest_of_line().len();
                }
                true
            }
            State::Closing { .. } => false,
        }
    }

    fn line(&mut self, store: &mut Store, clock: Clock) -> bool {
        let Connection { limits, input, start, end, searched, state, output, sent, inside, .. } =
            self;
        let Some(received) = input.get(*start..*end) else {
            return false;
        };
        let unseen = received.get(*searched..).unwrap_or_default();
        let line_end = memchr::memchr(b'\n', unseen).map(|at| at + *searched);
        if check_line(received, line_end, limits).is_err() {
            *state = State::Closing { shutdown: false };
            return false;
        }
        let Some((text, [_, rest @ ..])) = line_end.and_then(|at| received.split_at_checked(at))
        else {
            *searched = received.len();
            return false;
        };
        *searched = 0;
        let mut used = text.len() + 1;
        if let Some(credentials) = store.settings.credentials.as_ref().filter(|_| !*inside) {
            match guard::announced(text) {
                None => put(output, Response::ClientError(b"unauthenticated"), false),
                Some(len) if len > guard::MAX_LEN => *state = State::Closing { shutdown: false },
                Some(len) => match rest.get(..len + 2) {
                    Some(block) => {
                        *inside = log_in(output, credentials, block);
                        used += block.len();
                    }
                    None => {
                        *state = State::Value(Awaited::new(text, len, rest));
                        used += rest.len();
                    }
                },
            }
            *start += used;
            return true;
        }
        match command_line(text) {
            Ok(CommandLine::Whole(Command::Get { keys, cas })) => {
                let reading = Reading { touch: None, cas };
                *state = put_keys(output, *sent, store, keys, reading, clock);
            }
            Ok(CommandLine::Whole(Command::Gat { exptime, keys, cas })) => {
                let reading = Reading { touch: Some(exptime), cas };
                *state = put_keys(output, *sent, store, keys, reading, clock);
            }
            Ok(CommandLine::Whole(command)) => match store.answer_at(&command, clock, output) {
                Next::Continue => {}
                Next::Close => *state = State::Closing { shutdown: false },
                Next::Shutdown => *state = State::Closing { shutdown: true },
            },
            Ok(CommandLine::Meta(line)) => match line.refusal_of_newer() {
                Some(refusal) => put(output, refusal.response(), false),
                None => store.meta(&line, b"", clock, output),
            },
            Ok(CommandLine::Value(header)) => {
                let len = header.value_len() + 2;
                if let Some(refusal) = store.refuse(&header) {
                    put(output, refusal, header.noreply());
                    *state = State::Swallow(len);
                } else if let Some(block) = rest.get(..len) {
                    put_stored(output, store, &header, block, clock);
                    used += len;
                } else {
                    *state = State::Value(Awaited::new(text, header.value_len(), rest));
                    used += rest.len();
                }
            }
            Err(LineError::Refused { refusal: Refusal::BadShutdownMode, .. })
                if !store.settings.shutdown_enabled =>
            {
                put(output, Response::Error(b": shutdown not enabled"), false);
            }
            Err(LineError::Refused { refusal, noreply, swallow }) => {
                put(output, refusal.response(), noreply);
                if swallow > 0 {
                    *state = State::Swallow(swallow);
                }
            }
            Err(LineError::Http) => *state = State::Closing { shutdown: false },
        }
        *start += used;
        true
    }
}

impl Awaited {
    fn new(line: &[u8], value_len: usize, received: &[u8]) -> Self {
        let (line, block, filled) = (line.to_vec(), received.to_vec(), received.len());
        Awaited { line, value_len, block, filled }
    }

    const fn is_complete(&self) -> bool {
        self.filled >= self.value_len + 2
    }

    /// Room for more of the block, and for nothing behind it.
    fn space(&mut self) -> &mut [u8] {
        let all = self.value_len + 2;
        let ready = all.min(self.filled + STEP);
        if self.block.len() < ready {
            if self.block.capacity() < ready {
                let capacity = all.min(ready.max(2 * self.filled));
                self.block.reserve_exact(capacity - self.block.len());
            }
            self.block.resize(ready, 0);
        }
        self.block.get_mut(self.filled..).unwrap_or_default()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("received", &(self.end - self.start))
            .field("queued", &self.transmit().len())
            .field("wants_close", &self.wants_close())
            .finish_non_exhaustive()
    }
}

/// Answers a login. Returns whether that lets the connection in.
fn log_in(output: &mut Vec<u8>, credentials: &Credentials, block: &[u8]) -> bool {
    let answer = guard::answer(credentials, block);
    answer.encode(output);
    answer == Response::Stored
}

fn put(output: &mut Vec<u8>, response: Response<'_>, noreply: bool) {
    if !noreply {
        response.encode(output);
    }
}

/// Answers a storage command whose value is all there.
fn put_stored(
    output: &mut Vec<u8>,
    store: &mut Store,
    header: &ValueHeader<'_>,
    block: &[u8],
    clock: Clock,
) {
    match (header, block) {
        (ValueHeader::Store(header), [value @ .., b'\r', b'\n']) => {
            store.answer_at(&header.with(value), clock, output);
        }
        (ValueHeader::Meta(line), [value @ .., b'\r', b'\n']) => {
            store.meta(line, value, clock, output);
        }
        _ => {
            // It counts as a set all the same.
            store.stats.cmd_set += 1;
            put(output, Refusal::BadDataChunk.response(), header.noreply());
        }
    }
}

/// Answers a get; returns what comes next.
fn put_keys(
    output: &mut Vec<u8>,
    sent: usize,
    store: &mut Store,
    mut keys: Keys<'_>,
    reading: Reading,
    clock: Clock,
) -> State {
    if put_values(output, sent, store, &mut keys, reading, clock) {
        return State::Line;
    }
    State::Keys(Answering { keys: keys.rest_of_line().to_vec(), at: 0, reading })
}

/// Answers keys, as long as there is room for more; returns whether that was all of them.
fn put_values(
    output: &mut Vec<u8>,
    sent: usize,
    store: &mut Store,
    keys: &mut Keys<'_>,
    reading: Reading,
    clock: Clock,
) -> bool {
    while output.len() - sent <= MAX_QUEUED {
        let Some(key) = keys.next() else {
            Response::End.encode(output);
            return true;
        };
        store.get(key, reading, clock, output);
    }
    false
}
