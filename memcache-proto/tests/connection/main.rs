//! One stream without the stream: which reply belongs to which request, when the connection closes, and
//! what may be written when.

mod appending;
mod cancelling;
mod meta;
mod pairing;
mod sending;
mod violations;

use memcache_proto::codec::{Command, Keys, MetadumpTarget, StatsArgument, StoreVerb};
use memcache_proto::connection::{
    CloseReason, Connection, Delivery, Event, Reply, RequestId, SubmitError,
};
use memcache_proto::value::Flags;
use memcache_proto::{Exptime, Key, Limits, ProtocolError};

/// A connection, and its requests by the order in which they were submitted.
pub(crate) struct Bench {
    connection: Connection,
    requests: Vec<RequestId>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Bench { connection: Connection::new(limits), requests: Vec::new() }
    }

    pub(crate) fn submit(&mut self, command: Command<'_>) -> usize {
        self.requests.push(self.connection.submit(&command).expect("it is taken in"));
        self.requests.len() - 1
    }

    pub(crate) fn cancel(&mut self, number: usize) {
        self.connection.cancel(self.requests[number]);
    }

    /// Writes all there is, in writes of at most this many bytes.
    pub(crate) fn write_in(&mut self, piece: usize) -> String {
        let mut written = Vec::new();
        loop {
            let bytes = self.connection.transmit();
            let len = bytes.len().min(piece);
            if len == 0 {
                return String::from_utf8(written).expect("text");
            }
            written.extend_from_slice(&bytes[..len]);
            self.connection.transmitted(len);
        }
    }

    pub(crate) fn write(&mut self) -> String {
        self.write_in(usize::MAX)
    }

    /// Reads these bytes in pieces, and tells what happened.
    pub(crate) fn read_in(&mut self, piece: usize, bytes: &[u8]) -> Vec<String> {
        let mut happened = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let space = self.connection.receive_buffer();
            let len = rest.len().min(piece).min(space.len());
            assert!(len > 0, "there is no room to read to");
            space[..len].copy_from_slice(&rest[..len]);
            self.connection.received(len);
            rest = &rest[len..];
            happened.extend(self.events());
        }
        happened
    }

    pub(crate) fn read(&mut self, bytes: &[u8]) -> Vec<String> {
        self.read_in(usize::MAX, bytes)
    }

    pub(crate) fn eof(&mut self) -> Vec<String> {
        self.connection.received(0);
        self.events()
    }

    pub(crate) fn events(&mut self) -> Vec<String> {
        let Bench { connection, requests } = self;
        let mut happened = Vec::new();
        while let Some(event) = connection.poll_event() {
            happened.push(told(requests, &event));
        }
        happened
    }

    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.connection.close_reason().cloned()
    }
}

/// An event in a few words, with the number of its request.
pub(crate) fn told(requests: &[RequestId], event: &Event<'_>) -> String {
    let number = requests.iter().position(|&request| request == event.request);
    if matches!(event.reply, Reply::Cancelled) {
        return "cancelled".into();
    }
    let number = number.expect("an event of a request that was submitted");
    match &event.reply {
        Reply::Value { index, value, .. } => {
            format!("{number} value {index} {}", value.as_slice().escape_ascii())
        }
        Reply::MetaValue { value, .. } => {
            format!("{number} meta value {}", value.as_slice().escape_ascii())
        }
        Reply::Doubt(line) => format!("{number} doubt: {line}"),
        Reply::Line(_) => format!("{number} line"),
        Reply::Each { count, .. } => format!("{number} each {count}"),
        Reply::Last(_) => format!("{number} last"),
        Reply::Sent => format!("{number} sent"),
        Reply::Closed => format!("{number} closed"),
        Reply::Failed { delivery, .. } => format!("{number} failed {delivery:?}"),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn key(text: &str) -> Key<'_> {
    Key::new(text).expect("a key")
}

pub(crate) fn get<'a>(keys: &'a [Key<'a>]) -> Command<'a> {
    Command::Get { keys: Keys::new(keys), cas: false }
}

pub(crate) fn store<'a>(verb: StoreVerb, value: &'a [u8], noreply: bool) -> Command<'a> {
    let (key, flags, exptime) = (key("foo"), Flags::new(0), Exptime::NEVER);
    Command::Store { verb, key, flags, exptime, value, noreply }
}

pub(crate) fn set(value: &[u8]) -> Command<'_> {
    store(StoreVerb::Set, value, false)
}

/// Closed for good: nothing is taken in, written or believed any more.
pub(crate) fn assert_closed_for_good(bench: &mut Bench, what: &str) {
    let reason = bench.close_reason();
    assert!(reason.is_some(), "{what}: it is open");
    assert_eq!(bench.connection.submit(&Command::Version), Err(SubmitError::Closed), "{what}");
    assert_eq!(bench.write(), "", "{what}");
    assert!(!bench.connection.wants_transmit(), "{what}");
    assert!(!bench.connection.is_idle(), "{what}");
    assert!(bench.read(b"VERSION 1\r\nSTORED\r\nEND\r\n").is_empty(), "{what}");
    assert!(bench.eof().is_empty(), "{what}");
    assert_eq!(bench.close_reason(), reason, "{what}");
    assert_eq!(bench.connection.queued_bytes(), 0, "{what}: nothing waits any more");
}

pub(crate) const NUMBERS: &[&str] = &["18446744073709551615", "9 ", "NOT_FOUND"];

/// Each kind of command and the responses that are its own, each a whole reply.
pub(crate) fn commands<'a>(keys: &'a [Key<'a>]) -> Vec<(Command<'a>, &'static [&'static str])> {
    let one = key("foo");
    let exptime = Exptime::NEVER;
    vec![
        (get(keys), &["END"]),
        (Command::Get { keys: Keys::new(keys), cas: true }, &["END"]),
        (Command::Gat { exptime, keys: Keys::new(keys), cas: false }, &["END"]),
        (Command::Gat { exptime, keys: Keys::new(keys), cas: true }, &["END"]),
        (set(b"1"), &["STORED", "NOT_STORED"]),
        (store(StoreVerb::Add, b"1", false), &["STORED", "NOT_STORED"]),
        (store(StoreVerb::Append, b"1", false), &["STORED", "NOT_STORED"]),
        (store(StoreVerb::Cas(7), b"1", false), &["STORED", "EXISTS", "NOT_FOUND"]),
        (Command::Delete { key: one, noreply: false }, &["DELETED", "NOT_FOUND"]),
        (Command::Incr { key: one, delta: 1, noreply: false }, NUMBERS),
        (Command::Decr { key: one, delta: 1, noreply: false }, NUMBERS),
        (Command::Touch { key: one, exptime, noreply: false }, &["TOUCHED", "NOT_FOUND"]),
        (Command::FlushAll { delay: None, noreply: false }, &["OK"]),
        (Command::Verbosity { level: 1, noreply: false }, &["OK"]),
        (Command::CacheMemlimit { megabytes: 64, noreply: false }, &["OK"]),
        (Command::Version, &["VERSION 1.6.18"]),
        (Command::Stats(StatsArgument::General), &["END"]),
        (Command::Stats(StatsArgument::Items), &["END"]),
        (Command::Stats(StatsArgument::Reset), &["RESET"]),
        (Command::Stats(StatsArgument::DetailOn), &["OK"]),
        (Command::Stats(StatsArgument::DetailOff), &["OK"]),
        (Command::Stats(StatsArgument::DetailDump), &["END"]),
        (Command::Stats(StatsArgument::Cachedump { class: 1, limit: 0 }), &["END"]),
        (Command::Stats(StatsArgument::Other(one)), &["END", "OK", "RESET"]),
        (Command::ConfigGet(one), &["END"]),
        (Command::Metadump(MetadumpTarget::All), &["END", "BUSY currently", "BADCLASS no"]),
        (Command::Quit, &[]),
        (Command::Shutdown { graceful: false }, &[]),
    ]
}

/// Lines that are the whole reply to something.
pub(crate) const LAST: [&str; 16] = [
    "END",
    "STORED",
    "NOT_STORED",
    "EXISTS",
    "NOT_FOUND",
    "DELETED",
    "TOUCHED",
    "OK",
    "RESET",
    "18446744073709551615",
    "9 ",
    "VERSION 1.6.18",
    "BUSY currently",
    "BADCLASS no",
    "NOSPARE no",
    "SAME no",
];

impl Bench {
    pub(crate) fn submit_refused(&mut self, error: SubmitError) {
        assert_eq!(self.connection.submit(&Command::Version), Err(error));
    }
}
