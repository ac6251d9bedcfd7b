//! Commands from bytes, as a server reads them.

use memcache_proto::codec::{Command, CommandError, MetaRequest, Refusal, Response};
use memcache_proto::server::{Connection, Next, Settings, Store};
use memcache_proto::{Limits, Time};

use super::delivery::{cuts, pieces};
use super::meaning::check_flags;
use super::said::said;
use crate::Tape;

/// Takes the first two bytes for how the rest is delivered, and the rest for what a client sends.
///
/// # Panics
///
/// Panics if the server's answers depend on how the bytes come, if they are not those to the commands
/// that the codec reads in the same bytes, or if a command changes when it is encoded and parsed.
pub fn commands(bytes: &[u8]) {
    let (choices, stream) = bytes.split_at(bytes.len().min(2));
    let mut source = Tape::new(choices);
    let cuts = cuts(&mut source, stream.len());
    let whole = Served::of(&[stream]);
    // Byte by byte is one of the ways to cut; what is short is always cut so, too.
    let bytes = (stream.len() <= 64).then(|| vec![1; stream.len()]);
    let bytes = bytes.filter(|bytes| *bytes != cuts);
    let cuts = Some(cuts).filter(|cuts| cuts.len() > 1);
    for cuts in [cuts, bytes].into_iter().flatten() {
        let served = Served::of(&pieces(stream, &cuts));
        assert_eq!(served, whole, "in pieces, and whole");
    }
    check_answers(stream, &whole);
}

/// What a server says, and whether it closes the connection.
#[derive(PartialEq)]
struct Served {
    said: Vec<u8>,
    closed: bool,
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\", closed: {}", self.said.escape_ascii(), self.closed)
    }
}

const UNIX_NOW: u64 = 1_700_000_000;

/// A store with a few items, for commands to find.
fn store() -> Store {
    let settings = Settings { max_item_len: 1000, ..Settings::default() };
    let mut store = Store::new(settings);
    let items = b"set a 5 100 1\r\n1\r\nset b 0 0 2\r\nhi\r\nset foo 0 0 2\r\n10\r\n\
                  ms YSBi 1 b T60\r\nx\r\nms c 1 T10\r\ny\r\nmd c I\r\n";
    let mut rest = &items[..];
    while let Ok(Some((command, len))) = Command::parse(rest, &Limits::default()) {
        store.answer(&command, Time::ZERO, UNIX_NOW, &mut Vec::new());
        rest = &rest[len..];
    }
    assert!(rest.is_empty(), "the items are stored");
    store
}

impl Served {
    /// What the in-memory server makes of these pieces.
    fn of(pieces: &[&[u8]]) -> Self {
        let mut store = store();
        let mut connection = Connection::new(Limits::default());
        let mut said = Vec::new();
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() && connection.wants_receive() {
                let space = connection.receive_buffer();
                assert!(!space.is_empty(), "no space is lent");
                let len = space.len().min(rest.len());
                space[..len].copy_from_slice(&rest[..len]);
                rest = &rest[len..];
                connection.received(len);
                loop {
                    connection.handle(&mut store, Time::ZERO, UNIX_NOW);
                    let sent = connection.transmit();
                    said.extend_from_slice(sent);
                    match sent.len() {
                        0 => break,
                        len => connection.transmitted(len),
                    }
                }
            }
        }
        Served { said: without_bytes(&said), closed: connection.wants_close() }
    }
}

/// Without the lines of statistics that count the bytes so far, which go by how they come.
fn without_bytes(said: &[u8]) -> Vec<u8> {
    let lines = said.split_inclusive(|&byte| byte == b'\n');
    let counts = |line: &&[u8]| !line.starts_with(b"STAT bytes_");
    lines.filter(counts).collect::<Vec<_>>().concat()
}

/// The codec reads the commands that the server answers.
fn check_answers(stream: &[u8], served: &Served) {
    if stream.first() == Some(&0x80) {
        return assert!(
            served.closed && served.said.is_empty(),
            "the binary protocol is not spoken"
        );
    }
    let (mut store, mut expected, mut rest) = (store(), Vec::new(), stream);
    let mut ends = Ends::Open;
    while !rest.is_empty() {
        match Command::parse(rest, &Limits::default()) {
            Ok(Some((command, len))) => {
                let (text, behind) = rest.split_at(len);
                survives_encoding(&command);
                check_flags(text, &command);
                rest = behind;
                if let Some(refusal) = refusal_of_newer(&command) {
                    refusal.response().encode(&mut expected);
                } else if store.answer(&command, Time::ZERO, UNIX_NOW, &mut expected)
                    != Next::Continue
                {
                    ends = Ends::Closed;
                    break;
                }
            }
            Ok(None) => {
                ends = Ends::Incomplete;
                break;
            }
            Err(CommandError::Refused { refusal, noreply, len }) => {
                check_refused(rest, len);
                match refusal {
                    // The server has done what stands before the opaque.
                    Refusal::OpaqueTooLong => return,
                    Refusal::BadShutdownMode => {
                        Response::Error(b": shutdown not enabled").encode(&mut expected);
                    }
                    // The server looks at the length of a value before it looks at its end.
                    Refusal::BadDataChunk => return,
                    _ if noreply => {}
                    _ => refusal.response().encode(&mut expected),
                }
                rest = rest.get(len..).unwrap_or_default();
            }
            Err(CommandError::LineTooLong { .. } | CommandError::Http) => {
                ends = Ends::Closed;
                break;
            }
            // It is larger than what the server takes, which it says before the value is there.
            Err(_) => return,
        }
    }
    let expected = without_bytes(&expected);
    match ends {
        Ends::Open => assert!(!served.closed, "the server closed"),
        Ends::Closed => assert!(served.closed, "the server did not close"),
        // A value may be refused before it is there.
        Ends::Incomplete => {
            let said = answers(&served.said);
            let expected = answers(&expected);
            let agree = match (&said, &expected) {
                (Answers::Read(said), Answers::Read(expected)) => said.starts_with(expected),
                _ => true,
            };
            return assert!(agree, "{served:?} in place of {expected:?} and more");
        }
    }
    let told = (answers(&served.said), answers(&expected));
    assert_eq!(told.0, told.1, "{served:?} in place of {}", expected.escape_ascii());
}

/// A refusal takes a line, or a line and the value that it announces.
fn check_refused(input: &[u8], len: usize) {
    let line_len = input.iter().position(|&byte| byte == b'\n').expect("a line is refused") + 1;
    let line = input[..line_len - 1].split(|&byte| byte == 0).next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    // Where a number that is a value's length stands.
    let word = match words.next() {
        Some(b"ms") => words.nth(1),
        Some(b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas") => words.nth(3),
        _ => None,
    };
    let shown = input[..line_len].escape_ascii();
    let Some(word) = word else { return assert_eq!(len, line_len, "{shown} is refused") };
    // Any other number is C's to read.
    let is_plain = word.len() < 10 && word.iter().all(u8::is_ascii_digit);
    let value_len =
        std::str::from_utf8(word).ok().filter(|_| is_plain).and_then(|word| word.parse().ok());
    if let Some(value_len) = value_len {
        let value_len: usize = value_len;
        let takes = [line_len, line_len + value_len + 2];
        assert!(takes.contains(&len), "{len} bytes of {shown} are refused");
    }
}

enum Ends {
    Open,
    Closed,
    Incomplete,
}

/// What a server answered.
#[derive(Debug, PartialEq)]
enum Answers {
    /// Response by response, flags in any order.
    Read(Vec<Vec<Vec<u8>>>),
    /// Its bytes in the order of their values, as a key in it looks like flags.
    Odd(Vec<u8>),
}

fn answers(said_bytes: &[u8]) -> Answers {
    let (mut answers, mut rest) = (Vec::new(), said_bytes);
    while let Ok(Some((response, len))) = Response::parse(rest, &Limits::default()) {
        answers.push(said(&response).expect("a known response"));
        rest = &rest[len..];
    }
    if rest.is_empty() {
        return Answers::Read(answers);
    }
    let mut bytes = said_bytes.to_vec();
    bytes.sort_unstable();
    Answers::Odd(bytes)
}

/// What a server of version 1.6.18 says to flags that only newer ones know.
fn refusal_of_newer(command: &Command<'_>) -> Option<Refusal> {
    let request = command.as_meta()?;
    if request.explicit_cas().is_none() && !request.removes_value() {
        return None;
    }
    Some(match request {
        MetaRequest::Get(_) | MetaRequest::Set(_) => Refusal::InvalidFlag,
        _ => Refusal::BadFlag,
    })
}

/// What was parsed encodes to one command, which is the same.
pub(super) fn survives_encoding(command: &Command<'_>) {
    let mut out = b"before".to_vec();
    command.encode(&mut out);
    let written = out.strip_prefix(b"before").expect("what was there has to stay");
    // Spaces and numbers may have become longer.
    let roomy = Limits { max_line_len: 4096, ..Limits::default() };
    let parsed = Command::parse(written, &roomy);
    assert_eq!(parsed, Ok(Some((*command, written.len()))), "{}", written.escape_ascii());
    let mut again = Vec::new();
    command.encode(&mut again);
    assert_eq!(again, written);
}
