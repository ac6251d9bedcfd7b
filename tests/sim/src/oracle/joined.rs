//! A client's connection joined to a server's.

use std::collections::VecDeque;

use memcache_proto::codec::{Command, Keys, Response};
use memcache_proto::connection::{Connection, Delivery, Reply, RequestId};
use memcache_proto::server::{self, Settings, Store};
use memcache_proto::{Key, Limits, Time};

use super::delivery::limits;
use super::draw::{self, Kinds};
use super::meaning::text_of;
use super::said::{Said, said};
use crate::{Choose, Source, Tape};

/// Takes the bytes for choices: requests, and how the bytes go to and fro.
///
/// # Panics
///
/// Panics if a request is answered with anything but what the store answers to it, or not, or twice, or
/// if more is sent than the window allows.
pub fn joined(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let mut joined = Joined::new(&mut tape);
    for _ in 0..400 {
        if tape.has_ended() {
            break;
        }
        match tape.below(8) {
            0..=2 => joined.submit(&mut tape),
            3 => joined.append(&mut tape),
            4 => joined.cancel(&mut tape),
            _ => joined.pass(&mut tape),
        }
    }
    joined.finish();
}

const UNIX_NOW: u64 = 1_700_000_000;

struct Joined {
    client: Connection,
    window: usize,
    asked: Vec<Asked>,
    server: server::Connection,
    store: Store,
    /// Another store, which is told each command when it is sent, and so knows the answer.
    twin: Store,
    up: VecDeque<u8>,
    down: VecDeque<u8>,
    /// What was sent and is not yet a whole command.
    sent: Vec<u8>,
    wire: Vec<Wire>,
    /// How many bytes the client has received.
    received: usize,
}

/// A request of the client.
struct Asked {
    id: RequestId,
    /// As it is sent, but for the opaque.
    text: Vec<u8>,
    cancelled: bool,
    /// Whether it was, is, or will be sent.
    is_on_wire: bool,
    happened: Vec<Happened>,
}

/// A command on the wire, and what answers it.
struct Wire {
    text: Vec<u8>,
    noreply: bool,
    quiet: bool,
    reply: Vec<u8>,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
enum Happened {
    Says(Said),
    Sent,
    Doubt,
    Closed,
    Failed,
}

/// What a response says, where the server's own counts are left out.
fn says(response: &Response<'_>) -> Happened {
    let mut said = said(response).expect("a known response");
    if matches!(response, Response::Stat { .. }) {
        said.truncate(2);
    }
    Happened::Says(said)
}

/// Whether a reply is owed to it for certain, and it counts in the window.
fn expects_reply(command: &Command<'_>) -> bool {
    let is_quiet = command.as_meta().is_some_and(|request| request.is_quiet());
    !command.is_noreply() && !is_quiet && !matches!(command, Command::MetaNoop)
}

impl Joined {
    fn new(source: &mut dyn Source) -> Self {
        let limits = limits(source);
        let mut client = Connection::new(Limits { max_lines: 1000, ..limits });
        client.set_merge_gets(source.one_in(2));
        Joined {
            client,
            window: limits.window,
            asked: Vec::new(),
            server: server::Connection::new(Limits::default()),
            store: Store::new(Settings::default()),
            twin: Store::new(Settings::default()),
            up: VecDeque::new(),
            down: VecDeque::new(),
            sent: Vec::new(),
            wire: Vec::new(),
            received: 0,
        }
    }

    fn submit(&mut self, source: &mut dyn Source) {
        let Joined { client, asked, .. } = self;
        draw::command(source, Kinds::Shared, |command| {
            if let Ok(id) = client.submit(command) {
                let is_last = asked.last().is_none_or(|last| last.id < id);
                assert!(is_last, "ids have to ascend");
                let (text, cancelled, is_on_wire) = (text_of(command), false, true);
                asked.push(Asked { id, text, cancelled, is_on_wire, happened: Vec::new() });
            }
        });
    }

    fn append(&mut self, source: &mut dyn Source) {
        let (name, cas) = (draw::key(source), source.one_in(2));
        let key = Key::new(&name).expect("a key that was drawn is one");
        let get = Command::Get { keys: Keys::one(&key), cas };
        if let Some((id, index)) = self.client.append(&get, 300) {
            let last = self.asked.last_mut().expect("a get was submitted");
            assert_eq!(last.id, id, "a key is added to the last request");
            last.text.truncate(last.text.len() - 2);
            last.text.extend([b" ", &name[..], b"\r\n"].concat());
            assert_eq!(last.text.iter().filter(|byte| **byte == b' ').count(), index + 1);
        }
    }

    fn cancel(&mut self, source: &mut dyn Source) {
        let at = source.below(self.asked.len());
        let Some(asked) = self.asked.get_mut(at) else { return };
        if !asked.cancelled {
            asked.cancelled = true;
            asked.is_on_wire = self.client.delivery(asked.id) != Delivery::NotSent;
        }
        self.client.cancel(asked.id);
    }

    /// Has some bytes go one of the ways.
    fn pass(&mut self, source: &mut dyn Source) {
        let (way, some) = (source.below(3), source.below(4096));
        let some = if some == 0 { usize::MAX } else { some };
        match way {
            0 => self.send(some),
            1 => self.serve(some),
            _ => self.receive(some),
        }
    }

    fn send(&mut self, max: usize) {
        let lent = self.client.transmit();
        let len = lent.len().min(max);
        self.up.extend(&lent[..len]);
        self.sent.extend_from_slice(&lent[..len]);
        // What is lent ends with a request, and keeps to the window.
        let mut handed_out = self.sent.clone();
        handed_out.extend_from_slice(&lent[len..]);
        self.client.transmitted(len);
        let after = handed_out.split_off(self.tell_twin());
        let mut rest = &after[..];
        let mut beyond = Vec::new();
        while let Ok(Some((command, len))) = Command::parse(rest, &Limits::default()) {
            beyond.push((len, expects_reply(&command)));
            rest = &rest[len..];
        }
        if self.client.close_reason().is_none() {
            assert!(rest.is_empty(), "not at the end of a request: {}", rest.escape_ascii());
            self.check_window(&beyond);
        }
    }

    /// Tells the twin what has been sent whole, and takes that off. Returns how long it was.
    fn tell_twin(&mut self) -> usize {
        let mut taken = 0;
        while let Ok(Some((command, len))) = Command::parse(&self.sent[taken..], &Limits::default())
        {
            let mut reply = Vec::new();
            // What only newer servers know is refused before it is looked at.
            self.twin.answer(&command, Time::ZERO, UNIX_NOW, &mut reply);
            let quiet = command.as_meta().is_some_and(|request| request.is_quiet());
            let noreply = reply.is_empty() && !quiet;
            self.wire.push(Wire { text: text_of(&command), noreply, quiet, reply });
            taken += len;
        }
        self.sent.drain(..taken);
        taken
    }

    /// Of those that are to be answered there may be one, or as many as fit the window.
    fn check_window(&self, beyond: &[(usize, bool)]) {
        let mut end = 0;
        let mut awaited: Vec<usize> = Vec::new();
        for wire in &self.wire {
            end += wire.reply.len();
            if end > self.received && !wire.reply.is_empty() && !wire.is_noop() {
                awaited.push(wire.text.len());
            }
        }
        awaited.extend(beyond.iter().filter(|(_, is_awaited)| *is_awaited).map(|(len, _)| *len));
        // The opaque in a text here may be shorter than the one that was sent, never longer.
        let bytes: usize = awaited.iter().sum();
        let fits = awaited.len() < 2 || bytes <= self.window;
        assert!(fits, "{} requests of {bytes} bytes in a window of {}", awaited.len(), self.window);
    }

    fn serve(&mut self, max: usize) {
        let space = self.server.receive_buffer();
        let len = space.len().min(max).min(self.up.len());
        for (to, from) in space.iter_mut().zip(self.up.drain(..len)) {
            *to = from;
        }
        self.server.received(len);
        loop {
            self.server.handle(&mut self.store, Time::ZERO, UNIX_NOW);
            let answers = self.server.transmit();
            self.down.extend(answers);
            match answers.len() {
                0 => break,
                len => self.server.transmitted(len),
            }
        }
    }

    fn receive(&mut self, max: usize) {
        let space = self.client.receive_buffer();
        let len = space.len().min(max).min(self.down.len());
        for (to, from) in space.iter_mut().zip(self.down.drain(..len)) {
            *to = from;
        }
        if len > 0 {
            self.client.received(len);
        }
        self.received += len;
        self.take_events();
    }

    fn take_events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            let at = self.asked.binary_search_by_key(&event.request, |asked| asked.id);
            let Some(asked) = at.ok().and_then(|at| self.asked.get_mut(at)) else {
                assert!(matches!(event.reply, Reply::Cancelled), "{event:?} is nobody's");
                continue;
            };
            if asked.cancelled {
                match event.reply {
                    Reply::Doubt(_) => asked.happened.push(Happened::Doubt),
                    Reply::Cancelled => {}
                    other => panic!("{other:?} of a cancelled request"),
                }
                continue;
            }
            asked.happened.push(match &event.reply {
                Reply::Value { index, flags, cas, value } => {
                    // The key is the one asked for, which is to be the one that came.
                    let line = asked.text.strip_suffix(b"\r\n").expect("a line");
                    let words: Vec<_> = line.split(|&byte| byte == b' ').collect();
                    let first = if words[0].starts_with(b"gat") { 2 } else { 1 };
                    let key = Key::new(words[first + *index]).expect("it was asked for");
                    let (flags, cas, value) = (*flags, *cas, value.as_slice());
                    says(&Response::Value { key, flags, cas, value })
                }
                Reply::Line(response) | Reply::Last(response) => says(response),
                Reply::MetaValue { flags, value } => {
                    says(&Response::Va { flags: *flags, value: value.as_slice() })
                }
                Reply::Sent => Happened::Sent,
                Reply::Doubt(_) => Happened::Doubt,
                Reply::Closed => Happened::Closed,
                Reply::Failed { .. } => Happened::Failed,
                other => panic!("{other:?} of a request that was not cancelled"),
            });
        }
    }

    /// Has everything arrive, and looks at what has come of each request.
    fn finish(mut self) {
        loop {
            let before = (self.received, self.wire.len());
            self.send(usize::MAX);
            self.serve(usize::MAX);
            while !self.down.is_empty() && self.client.close_reason().is_none() {
                self.receive(usize::MAX);
            }
            self.take_events();
            let idle = self.up.is_empty() && before == (self.received, self.wire.len());
            if idle || self.client.close_reason().is_some() {
                break;
            }
        }
        self.take_events();
        let closed = self.client.close_reason().is_some();
        assert!(closed || self.client.is_idle(), "{:?} is not idle", self.client);
        self.check();
    }

    fn check(&self) {
        let mut wire = self.wire.iter();
        let mut is_certain = true;
        for asked in self.asked.iter().filter(|asked| asked.is_on_wire) {
            let shown = asked.text.escape_ascii();
            if asked.happened.contains(&Happened::Failed) {
                // So do all behind it, whether they were sent or not.
                return;
            }
            let Some(wire) = wire.find(|wire| wire.text == asked.text) else {
                // It may be refused when it has been sent in part, and that closes the connection; then what
                // was cancelled is not told.
                let is_begun = self.sent.starts_with(&asked.text[..5]);
                assert!(asked.cancelled || is_begun, "{shown} was not sent");
                return;
            };
            // What was made of it looks like something else to a client, as a key of any bytes may.
            let Some(expected) = wire.expected() else { return };
            is_certain &= !asked.happened.contains(&Happened::Doubt);
            if is_certain && !asked.cancelled && !wire.is_error_of_quiet() {
                assert_eq!(asked.happened, expected, "{shown}");
            }
        }
    }
}

impl Wire {
    /// Whether it is an error that does not say which of several requests it is for.
    fn is_error_of_quiet(&self) -> bool {
        self.quiet && self.reply.windows(6).any(|window| window == b"ERROR ")
    }

    fn is_noop(&self) -> bool {
        self.text == b"mn\r\n"
    }

    /// The events that the reply is to have; `None` where it does not look like a reply.
    fn expected(&self) -> Option<Vec<Happened>> {
        if self.noreply {
            return Some(vec![Happened::Sent]);
        }
        let (mut expected, mut rest) = (Vec::new(), &self.reply[..]);
        while let Ok(Some((response, len))) = Response::parse(rest, &Limits::default()) {
            expected.push(says(&response));
            rest = &rest[len..];
        }
        rest.is_empty().then_some(expected)
    }
}
