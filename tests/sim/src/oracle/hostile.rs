//! A whole client, and servers that send whatever they like.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use memcache_proto::client::{
    Action, Client, Cluster, ConnectFailure, ConnectionId, NewItem, Operation, OperationId,
    Outcome, Reply, RoutedKey, RoutedMeta, Settings,
};
use memcache_proto::codec::StoreVerb;
use memcache_proto::routing::{Server, ServerAddress};
use memcache_proto::server::{self, Store};
use memcache_proto::value::Flags;
use memcache_proto::{Exptime, Key, Limits, Time};

use super::delivery::limits;
use super::draw::{self, Kinds};
use super::input::junk;
use crate::{Choose, Source, Tape};

/// Takes the bytes for choices: what is asked of a client, what its servers send, and when.
///
/// # Panics
///
/// Panics if an operation does not end, or ends twice, or if it has a value that no server has sent under
/// its key.
pub fn hostile(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let mut world = World::new(&mut tape);
    for _ in 0..400 {
        if tape.has_ended() {
            break;
        }
        world.step(&mut tape);
        if !tape.one_in(3) {
            world.take_completions();
        }
    }
    world.finish();
}

struct World {
    client: Client,
    now: Time,
    prefix: &'static [u8],
    /// Whether it is read to spare room where there is some.
    appends: bool,
    /// Open ones and those that are being made, by their place.
    sockets: BTreeMap<usize, Socket>,
    /// Everything that any server has sent, by the connection that it was sent on.
    heard: HashMap<ConnectionId, Vec<u8>>,
    asked: Vec<Asked>,
}

struct Socket {
    id: ConnectionId,
    /// A server that answers well, where it is asked to.
    server: server::Connection,
    store: Store,
}

struct Asked {
    id: OperationId,
    /// The keys that it is about, as they are sent.
    keys: Vec<Vec<u8>>,
    ended: bool,
}

impl World {
    fn new(source: &mut dyn Source) -> Self {
        let names = ["10.0.0.1", "10.0.0.2"];
        let addresses = names.map(|name| ServerAddress::parse(name).expect("an address"));
        let servers = addresses.into_iter().take(1 + source.below(2)).map(Server::from).collect();
        let prefix: &'static [u8] = if source.one_in(2) { b"p:" } else { b"" };
        let key_prefix = prefix.to_vec();
        let (merge_gets, resend_stores) = (source.one_in(2), source.one_in(2));
        let (flush_on_reconnect, failover) = (source.one_in(4), !source.one_in(3));
        let (connections, appends) = source.below_both(2, 2);
        let settings = Settings {
            key_prefix,
            merge_gets,
            resend_stores,
            flush_on_reconnect,
            failover,
            connections_per_server: 1 + connections,
            dead_retry: Duration::from_secs(5),
            operation_timeout: if source.one_in(2) { Some(Duration::from_secs(2)) } else { None },
            debug: source.one_in(2),
            limits: limits(source),
            ..Settings::default()
        };
        let cluster = Cluster::new(servers, settings).expect("sound settings");
        World {
            client: Client::new(Arc::new(cluster)),
            now: Time::ZERO,
            prefix,
            appends: appends == 1,
            sockets: BTreeMap::new(),
            heard: HashMap::new(),
            asked: Vec::new(),
        }
    }

    fn step(&mut self, source: &mut dyn Source) {
        match source.below(12) {
            0..=2 => self.submit(source),
            3..=6 => {
                if let Some(action) = self.client.poll_action(self.now) {
                    self.act(action, source);
                }
            }
            7 => {
                let bytes = junk(source);
                if let Some(id) = self.some_socket(source) {
                    self.say(id, &bytes);
                }
            }
            8 => self.wait(Duration::from_millis(*source.pick(&[0, 1, 100, 1000, 3000, 10_000]))),
            9 => {
                let at = source.below(self.asked.len());
                if let Some(asked) = self.asked.get_mut(at) {
                    self.client.cancel(asked.id);
                    asked.ended = true;
                }
            }
            10 => {
                if let Some(id) = self.some_socket(source) {
                    match source.below(3) {
                        0 => self.client.received(id, 0, self.now),
                        1 => self.client.disconnected(id, self.now),
                        _ => self.client.close_connection(id, self.now),
                    }
                }
            }
            _ => {
                while self.client.poll_notice().is_some() {}
                // An outcome may be taken without having been told of.
                let at = source.below(self.asked.len());
                let done = self.asked.get_mut(at).filter(|asked| !asked.ended);
                if let Some(asked) = done.filter(|asked| self.client.is_done(asked.id)) {
                    asked.ended = true;
                    let keys = asked.keys.clone();
                    let outcome = self.client.take(asked.id).expect("it is done");
                    self.check(&keys, outcome);
                }
            }
        }
    }

    fn some_socket(&self, source: &mut dyn Source) -> Option<ConnectionId> {
        let at = source.below(self.sockets.len());
        self.sockets.values().nth(at).map(|socket| socket.id)
    }

    fn submit(&mut self, source: &mut dyn Source) {
        let names: Vec<_> = (0..=source.below(3)).map(|_| draw::key(source)).collect();
        let keys: Vec<RoutedKey<'_>> =
            names.iter().map(|name| Key::new(name).expect("a key").into()).collect();
        let (value, exptime) = (draw::value(source), Exptime::from_wire(60));
        let (cas, noreply) = (source.one_in(2), source.one_in(4));
        let item = |key| NewItem { key, flags: Flags::new(0), exptime, value: &value };
        let items: Vec<_> = keys.iter().map(|&key| item(key)).collect();
        let (key, verb) =
            (keys[0], *source.pick(&[StoreVerb::Set, StoreVerb::Add, StoreVerb::Cas(7)]));
        let operation = match source.below_both(12, 2) {
            (0, _) => Operation::Get { key, cas },
            (1, 0) => Operation::GetMany { keys: &keys, cas },
            (1, _) => Operation::GatMany { keys: &keys, exptime, cas },
            (2, _) => Operation::Gat { key, exptime, cas },
            (3, _) => Operation::Store { verb, item: item(key), noreply },
            (4, _) => Operation::StoreMany { verb, items: &items, noreply },
            (5, 0) => Operation::Delete { key, noreply },
            (5, _) => Operation::Touch { key, exptime, noreply },
            (6, 0) => Operation::DeleteMany { keys: &keys, noreply },
            (6, _) => Operation::TouchMany { keys: &keys, exptime, noreply },
            (7, 0) => Operation::Incr { key, delta: 1, noreply },
            (7, _) => Operation::Decr { key, delta: 1, noreply },
            (8, 0) => Operation::Version,
            (8, _) => Operation::ConfigGet(Key::new("cluster").expect("a key")),
            (9, _) => Operation::FlushAll { delay: None },
            (10, _) => Operation::Stats(memcache_proto::codec::StatsArgument::General),
            _ => return self.submit_meta(source),
        };
        let is_about_keys = operation.keys() > 0;
        if let Ok(id) = self.client.submit(operation, self.now) {
            let keys = names.iter().filter(|_| is_about_keys);
            let keys = keys.map(|name| [self.prefix, &name[..]].concat()).collect();
            self.asked.push(Asked { id, keys, ended: false });
        }
    }

    fn submit_meta(&mut self, source: &mut dyn Source) {
        let World { client, asked, now, .. } = self;
        // Whatever else is drawn is no operation.
        for _ in 0..8 {
            let is_submitted = draw::command(source, Kinds::Shared, |command| {
                let Some(request) = command.as_meta() else { return false };
                if let Ok(id) = client.submit(Operation::Meta(&RoutedMeta::from(request)), *now) {
                    asked.push(Asked { id, keys: Vec::new(), ended: false });
                }
                true
            });
            if is_submitted {
                break;
            }
        }
    }

    fn act(&mut self, action: Action, source: &mut dyn Source) {
        let now = self.now;
        match action {
            Action::Connect { connection, .. } => match source.below(4) {
                0 | 1 => {
                    let server = server::Connection::new(Limits::default());
                    let servers = "a|10.0.0.1|11211 b||1".into();
                    let configuration = Some(server::Configuration { version: 7, servers });
                    let settings = server::Settings { configuration, ..Default::default() };
                    let store = Store::new(settings);
                    let socket = Socket { id: connection, server, store };
                    self.sockets.insert(connection.index(), socket);
                    self.client.connected(connection, now);
                }
                2 => self.client.connect_failed(connection, ConnectFailure::Refused, now),
                _ => {}
            },
            Action::Transmit(connection) => {
                let sent = self.client.transmit(connection).to_vec();
                let len = match source.one_in(3) {
                    false => sent.len(),
                    true => source.below(sent.len().min(1000) + 1),
                };
                self.client.transmitted(connection, len, now);
                if let Some(socket) = self.sockets.get_mut(&connection.index()) {
                    socket.hear(&sent[..len]);
                }
            }
            Action::Receive(connection) => {
                let mut bytes = Vec::new();
                if let Some(socket) = self.sockets.get_mut(&connection.index()) {
                    if source.one_in(4) {
                        // Its answers do not come.
                        socket.server.transmitted(usize::MAX);
                    }
                    bytes = socket.server.transmit().to_vec();
                    if source.one_in(3) {
                        bytes.truncate(source.below(bytes.len().min(1000) + 1));
                    }
                    socket.server.transmitted(bytes.len());
                }
                if source.one_in(4) {
                    bytes.extend(junk(source));
                }
                self.say(connection, &bytes);
            }
            Action::Look(connection) => match source.one_in(4) {
                false => self.client.looked(connection, now),
                true => self.say(connection, &junk(source)),
            },
            Action::Close(connection) => {
                let is_this = |socket: &Socket| socket.id == connection;
                if self.sockets.get(&connection.index()).is_some_and(is_this) {
                    self.sockets.remove(&connection.index());
                }
            }
            // Nobody has a connection to give.
            Action::Await(_) => {}
        }
    }

    /// A server sends these bytes.
    fn say(&mut self, connection: ConnectionId, mut bytes: &[u8]) {
        self.heard.entry(connection).or_default().extend_from_slice(bytes);
        while !bytes.is_empty() {
            let spare = if self.appends { self.client.receive_spare(connection) } else { None };
            if let Some(spare) = spare {
                let len = bytes.len().min(spare.capacity() - spare.len());
                assert!(len > 0, "spare room is lent that is none");
                spare.extend_from_slice(&bytes[..len]);
                self.client.received(connection, len, self.now);
                bytes = &bytes[len..];
                continue;
            }
            let space = self.client.receive_buffer(connection);
            if space.is_empty() {
                return assert!(
                    !self.client.is_open(connection),
                    "an open connection lends no space"
                );
            }
            let len = space.len().min(bytes.len());
            space[..len].copy_from_slice(&bytes[..len]);
            self.client.received(connection, len, self.now);
            bytes = &bytes[len..];
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        // What asks for the connection of another at the last moment is due again.
        for _ in 0..3 {
            if self.client.poll_timeout().is_some_and(|at| at <= self.now) {
                self.client.handle_timeout(self.now);
            }
        }
        let next = self.client.poll_timeout();
        assert!(next.is_none_or(|at| at > self.now), "what was due is still due: {next:?}");
    }

    fn take_completions(&mut self) {
        while let Some(id) = self.client.poll_completion() {
            let mut asked = self.asked.iter_mut().filter(|asked| asked.id == id && !asked.ended);
            let asked = asked.next_back().unwrap_or_else(|| panic!("{id:?} is not to end"));
            asked.ended = true;
            let keys = asked.keys.clone();
            let outcome = self.client.take(id).expect("it has completed");
            assert!(self.client.take(id).is_none(), "{id:?} ends twice");
            self.check(&keys, outcome);
        }
    }

    /// A value is one that was sent under its key.
    fn check(&self, keys: &[Vec<u8>], outcome: Outcome) {
        match outcome {
            Outcome::One(Ok(Reply::Item(item))) => self.check_value(&keys[0], &item.value),
            Outcome::Many(many) => {
                for (at, item) in many.items.iter() {
                    self.check_value(&keys[at], item.value);
                }
                let mut failed: Vec<_> = many.failed.iter().map(|(at, _)| *at).collect();
                failed.sort_unstable();
                assert!(failed.windows(2).all(|two| two[0] != two[1]), "a key failed twice");
            }
            _ => {}
        }
    }

    fn check_value(&self, key: &[u8], value: &[u8]) {
        let head = [b"VALUE ", key, b" "].concat();
        let is_said = self.heard.values().any(|heard| {
            let mut places = heard.windows(head.len()).enumerate();
            places.any(|(at, window)| {
                let behind = &heard[at..];
                let line_end = behind.iter().position(|&byte| byte == b'\n').map(|end| end + 1);
                let said = line_end.and_then(|end| behind.get(end..end + value.len()));
                window == head && said == Some(value)
            })
        });
        let (value, key) = (value.escape_ascii(), key.escape_ascii());
        assert!(is_said, "no server has said that \"{value}\" is the value of {key}");
    }

    /// Every connection fails, until all have ended.
    fn finish(mut self) {
        for _ in 0..2000 {
            self.take_completions();
            if self.asked.iter().all(|asked| asked.ended) {
                return;
            }
            match self.client.poll_action(self.now) {
                Some(Action::Connect { connection, .. }) => {
                    self.client.connect_failed(connection, ConnectFailure::Refused, self.now);
                }
                Some(Action::Transmit(id) | Action::Receive(id) | Action::Look(id)) => {
                    self.client.disconnected(id, self.now);
                }
                Some(Action::Close(_) | Action::Await(_)) => {}
                None => {
                    let next = self.client.poll_timeout();
                    let next = next.expect("operations wait, and there is nothing to wait for");
                    self.wait(next.since_origin().saturating_sub(self.now.since_origin()));
                }
            }
        }
        panic!("operations do not end");
    }
}

impl Socket {
    /// The server reads these bytes, and has its answers ready.
    fn hear(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.server.wants_receive() {
            let space = self.server.receive_buffer();
            let len = space.len().min(bytes.len());
            space[..len].copy_from_slice(&bytes[..len]);
            self.server.received(len);
            self.server.handle(&mut self.store, Time::ZERO, 1_700_000_000);
            bytes = &bytes[len..];
        }
    }
}
