//! Whatever may be done to a connection, in any order, with any bytes from the peer.

use std::collections::BTreeMap;

use memcache_proto::codec::{Command, Keys, Response};
use memcache_proto::connection::{
    CloseReason, Connection, Delivery, Reply, RequestId, SubmitError,
};
use memcache_proto::server::{self, Settings, Store};
use memcache_proto::{Key, Limits, Time};

use super::delivery::limits;
use super::draw::{self, Kinds};
use super::input::junk;
use super::meaning::text_of;
use crate::{Choose, Source, Tape};

/// Takes the bytes for choices: what is done to a connection, and what its peer sends.
///
/// # Panics
///
/// Panics if a request does not end, ends twice, or under another id, or if what is to be sent are not
/// whole requests.
pub fn operations(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let mut bench = Bench::new(&mut tape);
    for _ in 0..400 {
        if tape.has_ended() {
            break;
        }
        bench.step(&mut tape);
    }
    bench.finish();
}

struct Bench {
    connection: Connection,
    asked: BTreeMap<RequestId, Asked>,
    /// A peer that answers well, where it is asked to.
    server: server::Connection,
    store: Store,
    /// What the peer has not received yet, and what was begun of a request.
    up: Vec<u8>,
    begun: Vec<u8>,
}

struct Asked {
    text: Vec<u8>,
    quiet: bool,
    cancelled: bool,
    /// How many events it has had.
    events: usize,
    ended: bool,
}

impl Bench {
    fn new(source: &mut dyn Source) -> Self {
        let mut connection = Connection::new(limits(source));
        connection.set_merge_gets(source.one_in(2));
        Bench {
            connection,
            asked: BTreeMap::new(),
            server: server::Connection::new(Limits::default()),
            store: Store::new(Settings::default()),
            up: Vec::new(),
            begun: Vec::new(),
        }
    }

    fn step(&mut self, source: &mut dyn Source) {
        match source.below(16) {
            0..=3 => self.submit(source),
            4 => self.append(source),
            5 => self.cancel(source),
            6..=8 => self.transmit(source),
            9 | 10 => self.answer(source),
            11 => {
                let bytes = junk(source);
                self.receive(&bytes);
            }
            12 => self.take_events(),
            13 => {
                let _ = self.connection.receive_buffer();
                self.connection.received(source.below(64));
            }
            14 if source.one_in(4) => self.connection.received(0),
            15 if source.one_in(4) => self.connection.disconnect(),
            _ => self.look(),
        }
    }

    fn submit(&mut self, source: &mut dyn Source) {
        let Bench { connection, asked, .. } = self;
        let was_closed = connection.close_reason().is_some();
        draw::command(source, Kinds::All, |command| match connection.submit(command) {
            Ok(id) => {
                assert!(!was_closed, "a closed connection takes a request");
                let is_last = asked.last_key_value().is_none_or(|(last, _)| *last < id);
                assert!(is_last, "{id:?} is not above all others");
                let quiet = command.as_meta().is_some_and(|request| request.is_quiet());
                let (text, cancelled) = (text_of(command), false);
                asked.insert(id, Asked { text, quiet, cancelled, events: 0, ended: false });
            }
            Err(SubmitError::Closed) => {}
            Err(error) => assert!(!was_closed, "{error:?} of a closed connection"),
        });
    }

    fn append(&mut self, source: &mut dyn Source) {
        let (name, cas) = (draw::key(source), source.one_in(2));
        let key = Key::new(&name).expect("a key that was drawn is one");
        let get = Command::Get { keys: Keys::one(&key), cas };
        if let Some((id, _)) = self.connection.append(&get, 1 + source.below(500)) {
            let (last, asked) = self.asked.iter_mut().next_back().expect("a get was submitted");
            assert_eq!(*last, id, "a key is added to the last request");
            assert!(!asked.ended && !asked.cancelled, "a key is added to what is done");
            asked.text.truncate(asked.text.len() - 2);
            asked.text.extend([b" ", &name[..], b"\r\n"].concat());
        }
    }

    fn cancel(&mut self, source: &mut dyn Source) {
        let at = source.below(self.asked.len());
        if let Some((id, asked)) = self.asked.iter_mut().nth(at) {
            self.connection.cancel(*id);
            asked.cancelled = true;
        }
    }

    fn transmit(&mut self, source: &mut dyn Source) {
        let closed = self.connection.close_reason().is_some();
        let wanted = self.connection.wants_transmit();
        let lent = match source.one_in(4) {
            false => {
                let lent = self.connection.transmit().to_vec();
                let len = match source.below(3) {
                    0 => lent.len(),
                    1 => source.below(lent.len().min(1 << 12) + 1),
                    _ => 0,
                };
                self.connection.transmitted(len);
                self.up.extend_from_slice(&lent[..len]);
                self.begun.extend_from_slice(&lent[..len]);
                let mut all = self.begun.clone();
                all.extend_from_slice(&lent[len..]);
                (lent, all)
            }
            true => {
                let taken = self.connection.take_transmit().to_vec();
                self.up.extend_from_slice(&taken);
                self.begun.extend_from_slice(&taken);
                (taken, self.begun.clone())
            }
        };
        let (lent, all) = lent;
        assert!(!closed || lent.is_empty(), "a closed connection sends");
        // What was cancelled may be all that it was wanted for.
        assert!(wanted || lent.is_empty() || !closed, "nothing was wanted, and some is lent");
        let whole = if closed { all.len() } else { whole_commands(&all) };
        assert_eq!(whole, all.len(), "no whole request: {}", all[whole..].escape_ascii());
        let done = whole_commands(&self.begun);
        self.begun.drain(..done);
    }

    /// The peer reads what has come, and answers; some of it, or all.
    fn answer(&mut self, source: &mut dyn Source) {
        let space = self.server.receive_buffer();
        let len = space.len().min(self.up.len());
        space[..len].copy_from_slice(&self.up[..len]);
        self.up.drain(..len);
        self.server.received(len);
        self.server.handle(&mut self.store, Time::ZERO, 1_700_000_000);
        let answers = self.server.transmit();
        let len = match source.one_in(2) {
            false => answers.len(),
            true => source.below(answers.len().min(1 << 12) + 1),
        };
        let answers = answers[..len].to_vec();
        self.server.transmitted(len);
        self.receive(&answers);
    }

    fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.connection.receive_buffer();
            assert!(!space.is_empty(), "no space is lent");
            let len = space.len().min(bytes.len());
            space[..len].copy_from_slice(&bytes[..len]);
            self.connection.received(len);
            bytes = &bytes[len..];
            self.take_events();
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            let (id, asked) = (event.request, &mut self.asked);
            // Whoever is answered ends the quiet ones before it. All others had to be answered before.
            if !matches!(event.reply, Reply::Doubt(_)) {
                for (before, asked) in asked.range_mut(..id) {
                    let is_left = !asked.ended && !asked.cancelled;
                    assert!(asked.quiet || !is_left, "{before:?} was passed over for {id:?}");
                    asked.ended = true;
                }
            }
            let Some(asked) = asked.get_mut(&id) else {
                assert!(matches!(event.reply, Reply::Cancelled), "{event:?} is nobody's");
                continue;
            };
            let shown = asked.text.escape_ascii().to_string();
            assert!(!asked.ended, "{event:?} after the end of {shown}");
            asked.events += 1;
            let cancelled = asked.cancelled;
            match event.reply {
                Reply::Cancelled => assert!(cancelled, "{shown} was not cancelled"),
                Reply::Doubt(_) => assert!(asked.quiet, "{shown} is not quiet"),
                _ if cancelled => panic!("an event of {shown}, which was cancelled"),
                Reply::Value { index, .. } => {
                    let keys = asked.text.iter().filter(|byte| **byte == b' ').count();
                    assert!(index < keys, "key {index} of {shown}");
                }
                Reply::Line(_) => {}
                Reply::Failed { delivery, text, .. } => {
                    assert_ne!(delivery, Delivery::Answered, "{shown} failed");
                    let parsed = Command::parse(text, &Limits::default());
                    let Ok(Some((command, len))) = parsed else { panic!("{parsed:?} of {shown}") };
                    assert_eq!((text_of(&command), len), (asked.text.clone(), text.len()));
                    asked.ended = true;
                }
                Reply::MetaValue { ref flags, .. }
                | Reply::Last(
                    Response::Hd(ref flags)
                    | Response::Nf(ref flags)
                    | Response::Ns(ref flags)
                    | Response::Ex(ref flags),
                ) => {
                    assert!(flags.opaque().is_some(), "a reply without an opaque to {shown}");
                    asked.ended = true;
                }
                Reply::Last(_) | Reply::Sent | Reply::Closed => asked.ended = true,
                other => panic!("{other:?} is not known here"),
            }
        }
    }

    /// The questions that may be asked at any time.
    fn look(&mut self) {
        let connection = &self.connection;
        let closed = connection.close_reason();
        assert_eq!(
            connection.violation().is_some(),
            matches!(closed, Some(CloseReason::Protocol(_)))
        );
        assert!(
            !(connection.is_idle() && connection.queued_bytes() > 0),
            "idle, with bytes queued"
        );
        assert!(closed.is_none() || !connection.awaits_reply(), "closed, and waits");
        if connection.is_idle() {
            let mut left = self.asked.values().filter(|asked| !asked.ended && !asked.cancelled);
            assert!(left.all(|asked| asked.quiet), "idle, and not all are answered");
        }
    }

    fn finish(mut self) {
        self.take_events();
        self.look();
        self.connection.disconnect();
        self.take_events();
        assert!(self.connection.poll_event().is_none());
        assert!(self.connection.transmit().is_empty());
        for (id, asked) in &self.asked {
            let shown = asked.text.escape_ascii();
            assert!(asked.ended || asked.cancelled || asked.quiet, "{id:?} has no end: {shown}");
        }
        assert_eq!(self.connection.queued_bytes(), 0, "text is left");
    }
}

/// How many bytes the whole commands at the start of `bytes` take.
fn whole_commands(bytes: &[u8]) -> usize {
    let mut taken = 0;
    while let Ok(Some((_, len))) = Command::parse(&bytes[taken..], &Limits::default()) {
        taken += len;
    }
    taken
}
