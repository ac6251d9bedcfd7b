//! The servers: memcached in memory, what ails it, and a log of all that it did.

use std::time::Duration;

use memcache_proto::codec::{Command, CommandError, Response};
use memcache_proto::server::{Connection, Settings, Store};
use memcache_proto::{Credentials, Key, Limits, Time};

use crate::hostile::{Hostility, split_values};
use crate::link::End;
use crate::source::{Choose, Source};

/// The unix time of a simulated server at [`Time::ZERO`].
pub(crate) const UNIX_START: u64 = 1_700_000_000;

/// A server as the network knows it: a store in memory, and what is wrong with it at the moment.
pub struct SimServer {
    /// What it does with connections.
    pub mode: Mode,
    /// How many connections it serves at a time, and what becomes of one more.
    pub room: Option<(usize, Mode)>,
    /// How long it thinks before each answer.
    pub delay: Duration,
    /// Whether it has no memory to store anything: `SERVER_ERROR out of memory storing object`.
    pub out_of_memory: bool,
    /// Whether it answers a quiet `ma` that makes its counter as memcached 1.6.45 does: not at all.
    pub quiet_vivify: bool,
    /// Whether it gives the values of a `get` in any order, as proxies may.
    pub reorders: bool,
    /// Whether it does not let itself be flushed, as memcached with `-F`.
    pub refuses_flush: bool,
    /// Whether it refuses every login.
    pub refuses_login: bool,
    /// After so many more commands it is gone, and refuses connections; those that it has end like this.
    pub dies_after: Option<(usize, End)>,
    /// It resets each connection that is made from now on after so many bytes.
    pub resets_after: Option<usize>,
    /// How it lies on the connections that are made from now on; `None` if it does not.
    pub hostility: Option<Hostility>,
    /// How often it was started: what it held in another life is gone, if it was started empty.
    pub life: u32,
    /// Who has to log in on each connection, if anybody has.
    credentials: Option<Credentials>,
    store: Store,
}

/// What a server does with connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It serves them.
    #[default]
    Up,
    /// It refuses them.
    Refusing,
    /// Connects neither succeed nor fail.
    Hanging,
    /// It accepts them, and there it ends: nothing is read.
    Silent,
    /// It accepts one, says that it has too many, and closes it.
    Full,
}

/// A command that a server has handled: a step of the history of its items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The command as it came, its value included.
    pub command: Vec<u8>,
    /// What the server answered; empty if it was told to say nothing, or had nothing to say.
    pub reply: Vec<u8>,
    /// Whether it did nothing of it, and would have said so if it might speak.
    pub refused: bool,
}

/// The server's end of one connection.
pub(crate) struct Serving {
    connection: Connection,
    /// What has arrived and is no whole command yet.
    input: Vec<u8>,
    /// Whether there may be a whole one in it.
    fresh: bool,
}

impl Serving {
    pub(crate) fn new() -> Self {
        Serving { connection: Connection::new(Limits::default()), input: Vec::new(), fresh: false }
    }

    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        // Every command ends in a line end.
        self.fresh |= bytes.contains(&b'\n');
    }

    /// The bytes of the next command, if it is whole; also of one that is none.
    fn next_command(&mut self) -> Option<usize> {
        if !self.fresh {
            return None;
        }
        let len = self.whole();
        self.fresh = len.is_some();
        len
    }

    /// Whether the line of a storage command has come, and its value has not: meanwhile memcached keeps
    /// what it has to say.
    pub(crate) fn awaits_value(&self) -> bool {
        let stores: [&[u8]; 7] =
            [b"set ", b"add ", b"replace ", b"append ", b"prepend ", b"cas ", b"ms "];
        self.input.contains(&b'\n') && stores.iter().any(|word| self.input.starts_with(word))
    }

    fn whole(&self) -> Option<usize> {
        let limits = Limits { max_line_len: 1 << 20, ..Limits::default() };
        match Command::parse(&self.input, &limits) {
            Ok(Some((_, len))) => Some(len),
            Ok(None) => None,
            Err(CommandError::Refused { len, .. }) => (self.input.len() >= len).then_some(len),
            Err(_) => Some(self.input.len()),
        }
    }
}

impl Default for SimServer {
    fn default() -> Self {
        SimServer {
            mode: Mode::Up,
            room: None,
            delay: Duration::ZERO,
            out_of_memory: false,
            quiet_vivify: false,
            reorders: false,
            refuses_flush: false,
            refuses_login: false,
            dies_after: None,
            resets_after: None,
            hostility: None,
            life: 0,
            credentials: None,
            store: Store::new(Settings::default()),
        }
    }
}

impl SimServer {
    /// One that asks for a login.
    pub fn guarded(credentials: Credentials) -> Self {
        let mut server = SimServer { credentials: Some(credentials), ..SimServer::default() };
        server.store = server.empty();
        server
    }

    /// A store with nothing in it.
    fn empty(&self) -> Store {
        Store::new(Settings { credentials: self.credentials.clone(), ..Settings::default() })
    }

    /// Nothing is wrong with it any more.
    pub fn mend(&mut self) {
        self.mode = Mode::Up;
        self.room = None;
        self.delay = Duration::ZERO;
        (self.out_of_memory, self.refuses_login) = (false, false);
        (self.resets_after, self.dies_after) = (None, None);
        self.hostility = None;
    }

    /// Starts it again with nothing in it.
    pub fn restart_empty(&mut self) {
        self.life += 1;
        self.store = self.empty();
    }

    /// Has somebody outside of the simulation flush it, or evicts one of its items: any command that is
    /// nobody's.
    pub fn handle_outside(&mut self, command: &Command<'_>, now: Time) {
        let mut out = Vec::new();
        let unix_now = UNIX_START + now.since_origin().as_secs();
        let _ = self.store.answer(command, now, unix_now, &mut out);
    }

    /// Evicts an item.
    pub fn evict(&mut self, key: Key<'_>, now: Time) {
        self.handle_outside(&Command::Delete { key, noreply: true }, now);
    }

    /// Handles the next command that has come on a connection; `None` if none has come whole. Whether the
    /// connection is to be closed after.
    pub(crate) fn handle(&mut self, serving: &mut Serving, now: Time) -> Option<(Step, bool)> {
        let len = serving.next_command()?;
        let command: Vec<u8> = serving.input.drain(..len).collect();
        if self.refuses_login && is_login(&command) {
            let mut reply = Vec::new();
            Response::ClientError(b"authentication failure").encode(&mut reply);
            return Some((Step { command, reply, refused: true }, false));
        }
        if self.out_of_memory && !is_login(&command) {
            if let Some(reply) = out_of_memory(&command) {
                return Some((Step { command, reply, refused: true }, false));
            }
        }
        if self.refuses_flush {
            if let Some(reply) = flush_not_allowed(&command) {
                sometimes!("flush not allowed");
                return Some((Step { command, reply, refused: true }, false));
            }
        }
        let Serving { connection, .. } = serving;
        let unix_now = UNIX_START + now.since_origin().as_secs();
        let mut reply = Vec::new();
        let mut rest = &command[..];
        loop {
            let space = connection.receive_buffer();
            let taken = rest.len().min(space.len());
            space[..taken].copy_from_slice(&rest[..taken]);
            connection.received(taken);
            rest = &rest[taken..];
            loop {
                connection.handle(&mut self.store, now, unix_now);
                let said = connection.transmit();
                if said.is_empty() {
                    break;
                }
                reply.extend_from_slice(said);
                connection.transmitted(usize::MAX);
            }
            if rest.is_empty() || connection.wants_close() {
                break;
            }
        }
        let done = reply.starts_with(b"HD") || reply.starts_with(b"VA");
        if self.quiet_vivify && done && is_quiet_vivify(&command) {
            reply.clear();
        }
        let closes = connection.wants_close();
        Some((Step { command, reply, refused: false }, closes))
    }
}

/// Whether it is the login of a connection: a `set` that has expired when it is made, which no call makes under
/// this key.
pub(crate) fn is_login(command: &[u8]) -> bool {
    command.starts_with(b"set login 0 -1 ")
}

/// What a server without memory answers to a command that would store something; `None` to others.
fn out_of_memory(command: &[u8]) -> Option<Vec<u8>> {
    let (parsed, _) = Command::parse(command, &Limits::default()).ok()??;
    let noreply = match parsed {
        Command::Store { noreply, .. } => noreply,
        Command::MetaSet(_) => false,
        _ => return None,
    };
    let mut reply = Vec::new();
    if !noreply {
        Response::ServerError(b"out of memory storing object").encode(&mut reply);
    }
    Some(reply)
}

/// What a server that is not to be flushed answers to that; `None` to other commands.
fn flush_not_allowed(command: &[u8]) -> Option<Vec<u8>> {
    let (parsed, _) = Command::parse(command, &Limits::default()).ok()??;
    let Command::FlushAll { noreply, .. } = parsed else { return None };
    let mut reply = Vec::new();
    if !noreply {
        Response::ClientError(b"flush_all not allowed").encode(&mut reply);
    }
    Some(reply)
}

/// The reply to a `get` with its values in another order.
pub(crate) fn reordered(reply: &[u8], source: &mut dyn Source) -> Option<Vec<u8>> {
    let (mut values, end) = split_values(reply);
    if values.len() < 2 {
        return None;
    }
    sometimes!("values reordered");
    let (turns, mirrored) = (source.below(values.len()), source.one_in(2));
    values.rotate_left(turns);
    if mirrored {
        values.reverse();
    }
    Some([values.concat(), end.to_vec()].concat())
}

/// Whether it is an `ma` that asks for silence and may make its counter.
fn is_quiet_vivify(command: &[u8]) -> bool {
    let line = command.strip_suffix(b"\r\n").unwrap_or(command);
    let mut words = line.split(|&byte| byte == b' ');
    words.next() == Some(b"ma") && {
        let flags: Vec<_> = words.skip(1).collect();
        flags.contains(&&b"q"[..]) && flags.iter().any(|flag| flag.starts_with(b"N"))
    }
}
