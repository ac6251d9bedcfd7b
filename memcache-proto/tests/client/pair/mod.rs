//! Clients and servers joined in memory, under a clock that stands still until nothing else can happen.
//!
//! [`Net`] performs the actions of its clients against its servers. Bytes travel in pieces of
//! [`Net::cut`] at most; what a server does is its [`Peer::mode`].

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use memcache_proto::client::{
    Action, Client, Cluster, ConnectionId, NewItem, Operation, OperationId, Outcome, Rejected,
    RoutedKey, Settings,
};
use memcache_proto::codec::{Command, StoreVerb};
use memcache_proto::routing::{ConnectFailure, Server, ServerAddress, ServerIndex};
use memcache_proto::value::Flags;
use memcache_proto::{Exptime, Key, Limits, Time};

/// How a server turns what it has received into replies.
pub(crate) trait Answer {
    /// Takes what it can off the front of `input`, which is of one connection; each has a number.
    /// Returns whether to close the connection then.
    fn answer(
        &mut self,
        socket: usize,
        input: &mut Vec<u8>,
        output: &mut Vec<u8>,
        now: Time,
    ) -> bool;
}

/// A store that does what the client needs of one, and refuses to be sent nonsense.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) items: BTreeMap<Vec<u8>, (u64, Vec<u8>, u64)>,
    cas: u64,
}

impl Answer for Memory {
    fn answer(&mut self, _: usize, input: &mut Vec<u8>, output: &mut Vec<u8>, _: Time) -> bool {
        let mut taken = 0;
        let mut quit = false;
        loop {
            let rest = &input[taken..];
            match Command::parse(rest, &Limits::default()) {
                Ok(Some((command, len))) => {
                    quit |= self.answer_one(&command, output);
                    taken += len;
                }
                Ok(None) => break,
                Err(error) => panic!("{error} in {}", rest[..rest.len().min(80)].escape_ascii()),
            }
        }
        input.drain(..taken);
        quit
    }
}

fn is_noreply(command: &Command<'_>) -> bool {
    match *command {
        Command::Store { noreply, .. }
        | Command::Delete { noreply, .. }
        | Command::Touch { noreply, .. }
        | Command::Incr { noreply, .. }
        | Command::Decr { noreply, .. } => noreply,
        _ => false,
    }
}

impl Memory {
    /// Answers one command. Returns whether to close the connection then.
    pub(crate) fn answer_one(&mut self, command: &Command<'_>, output: &mut Vec<u8>) -> bool {
        let said = output.len();
        self.one(command, output);
        if is_noreply(command) {
            output.truncate(said);
        }
        *command == Command::Quit
    }

    fn one(&mut self, command: &Command<'_>, output: &mut Vec<u8>) {
        match *command {
            Command::Get { keys, cas } | Command::Gat { keys, cas, .. } => {
                for key in keys {
                    if let Some((flags, value, unique)) = self.items.get(key.as_bytes()) {
                        output.extend(b"VALUE ");
                        output.extend(key.as_bytes());
                        output.extend(format!(" {flags} {}", value.len()).as_bytes());
                        if cas {
                            output.extend(format!(" {unique}").as_bytes());
                        }
                        output.extend(b"\r\n");
                        output.extend(value);
                        output.extend(b"\r\n");
                    }
                }
                output.extend(b"END\r\n");
            }
            Command::Store { verb, key, flags, value, .. } => {
                let there = self.items.get(key.as_bytes());
                let reply = match (verb, there) {
                    (StoreVerb::Add, Some(_)) => "NOT_STORED",
                    (StoreVerb::Replace | StoreVerb::Append | StoreVerb::Prepend, None) => {
                        "NOT_STORED"
                    }
                    (StoreVerb::Cas(_), None) => "NOT_FOUND",
                    (StoreVerb::Cas(unique), Some(&(_, _, now))) if unique != now => "EXISTS",
                    _ => {
                        let value = match (verb, there) {
                            (StoreVerb::Append, Some((_, old, _))) => [old, value].concat(),
                            (StoreVerb::Prepend, Some((_, old, _))) => [value, old].concat(),
                            _ => value.to_vec(),
                        };
                        self.cas += 1;
                        self.items.insert(key.as_bytes().into(), (flags.bits(), value, self.cas));
                        "STORED"
                    }
                };
                output.extend(format!("{reply}\r\n").as_bytes());
            }
            Command::Delete { key, .. } => {
                let found = self.items.remove(key.as_bytes()).is_some();
                output.extend(if found { &b"DELETED\r\n"[..] } else { b"NOT_FOUND\r\n" });
            }
            Command::Touch { key, .. } => {
                let found = self.items.contains_key(key.as_bytes());
                output.extend(if found { &b"TOUCHED\r\n"[..] } else { b"NOT_FOUND\r\n" });
            }
            Command::Incr { key, delta, .. } => match self.items.get_mut(key.as_bytes()) {
                None => output.extend(b"NOT_FOUND\r\n"),
                Some((_, value, _)) => {
                    let text = String::from_utf8_lossy(value).into_owned();
                    match text.parse::<u64>() {
                        Ok(number) => {
                            *value = number.wrapping_add(delta).to_string().into_bytes();
                            output.extend(&*value);
                            output.extend(b"\r\n");
                        }
                        Err(_) => output.extend(
                            b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
                        ),
                    }
                }
            },
            Command::FlushAll { .. } => {
                self.items.clear();
                output.extend(b"OK\r\n");
            }
            Command::Quit => {}
            Command::Version => output.extend(b"VERSION 1.6.18\r\n"),
            Command::Stats(_) => output.extend(b"STAT pid 1\r\nSTAT version 1.6.18\r\nEND\r\n"),
            ref other => panic!("{other:?} is not what a client sends"),
        }
    }
}

/// What a server does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Up,
    /// Connects fail.
    Refusing,
    /// Connects do not come to an end.
    Hanging,
    /// Connects succeed, and there it ends.
    Silent,
    /// Whatever comes is answered with this.
    Says(&'static [u8]),
    /// Says this at once and closes.
    Greets(&'static [u8]),
    /// Answers, and closes a connection when this many bytes were sent on it.
    ClosesAt(usize),
}

pub(crate) struct Peer {
    pub(crate) mode: Mode,
    pub(crate) answer: Box<dyn Answer>,
    /// How long an answer takes.
    pub(crate) delay: Duration,
    /// How many connections it serves at a time, and what it does with one more.
    pub(crate) room: Option<(usize, Mode)>,
    /// How many connects were tried and how many came about.
    pub(crate) tried: usize,
    pub(crate) accepted: usize,
    /// All that came, if it is to be kept.
    pub(crate) heard: Option<Vec<u8>>,
}

/// One connection between a client and a server.
struct Socket {
    /// Unlike all others to the same server, now and before.
    number: usize,
    server: usize,
    to_server: Vec<u8>,
    to_client: VecDeque<(Time, Vec<u8>)>,
    /// How much was put into `to_client`.
    said: usize,
    /// The server will say no more.
    ended: bool,
    /// What came was thrown away, so that nothing behind it can be read.
    deaf: bool,
    /// The client waits for something to read.
    reading: bool,
}

pub(crate) struct Net {
    pub(crate) now: Time,
    pub(crate) clients: Vec<Client>,
    pub(crate) peers: Vec<Peer>,
    /// The largest piece in which bytes travel.
    pub(crate) cut: usize,
    /// Whether clients read before they are asked to, as drivers that wait for readiness do.
    pub(crate) eager: bool,
    sockets: HashMap<(usize, ConnectionId), Socket>,
    /// What is under way.
    pending: Vec<(usize, OperationId)>,
    done: HashMap<(usize, OperationId), Outcome>,
}

impl Net {
    pub(crate) fn new(servers: usize, settings: Settings) -> Self {
        Self::with_clients(1, servers, settings)
    }

    pub(crate) fn with_clients(clients: usize, servers: usize, settings: Settings) -> Self {
        let list: Vec<_> = (0..servers)
            .map(|at| Server::from(format!("10.0.0.{at}").parse::<ServerAddress>().expect("one")))
            .collect();
        Self::of(clients, Arc::new(Cluster::new(list, settings).expect("a cluster")))
    }

    /// Clients of this cluster, and its servers.
    pub(crate) fn of(clients: usize, cluster: Arc<Cluster>) -> Self {
        let peer = |_: &Server| Peer {
            mode: Mode::Up,
            answer: Box::new(Memory::default()),
            delay: Duration::ZERO,
            room: None,
            tried: 0,
            accepted: 0,
            heard: Some(Vec::new()),
        };
        Net {
            now: Time::from_millis(5_000_000),
            clients: (0..clients).map(|_| Client::new(cluster.clone())).collect(),
            peers: cluster.servers().iter().map(peer).collect(),
            cut: usize::MAX,
            eager: false,
            sockets: HashMap::new(),
            pending: Vec::new(),
            done: HashMap::new(),
        }
    }

    pub(crate) fn cluster(&self) -> Arc<Cluster> {
        self.clients[0].cluster().clone()
    }

    pub(crate) fn submit_on(&mut self, client: usize, operation: Operation<'_>) -> OperationId {
        let id = self.clients[client].submit(operation, self.now).expect("it is taken in");
        self.pending.push((client, id));
        id
    }

    pub(crate) fn try_submit_on<'a>(
        &mut self,
        client: usize,
        operation: Operation<'a>,
    ) -> Result<OperationId, Rejected<'a>> {
        let id = self.clients[client].submit(operation, self.now)?;
        self.pending.push((client, id));
        Ok(id)
    }

    pub(crate) fn submit(&mut self, operation: Operation<'_>) -> OperationId {
        self.submit_on(0, operation)
    }

    pub(crate) fn cancel_on(&mut self, client: usize, id: OperationId) {
        self.clients[client].cancel(id);
        self.pending.retain(|&pending| pending != (client, id));
        self.done.remove(&(client, id));
    }

    pub(crate) fn cancel(&mut self, id: OperationId) {
        self.cancel_on(0, id);
    }

    /// Resets a client; what it was asked is forgotten.
    pub(crate) fn reset(&mut self, client: usize) {
        self.clients[client].reset(self.now);
        assert!(self.clients[client].is_idle());
        self.pending.retain(|&(at, _)| at != client);
    }

    /// The outcome, if it is there.
    pub(crate) fn take_on(&mut self, client: usize, id: OperationId) -> Option<Outcome> {
        self.done.remove(&(client, id))
    }

    pub(crate) fn take(&mut self, id: OperationId) -> Outcome {
        self.take_on(0, id).expect("it is done")
    }

    pub(crate) fn is_done(&self, id: OperationId) -> bool {
        self.done.contains_key(&(0, id))
    }

    /// Submits, runs until all is done, takes.
    pub(crate) fn perform(&mut self, operation: Operation<'_>) -> Outcome {
        let id = self.submit(operation);
        self.run();
        self.take(id)
    }

    pub(crate) fn get(&mut self, key: &str) -> Outcome {
        self.perform(get(key))
    }

    pub(crate) fn set(&mut self, key: &str, value: &str) -> Outcome {
        self.perform(set(key, value.as_bytes()))
    }

    /// The server closes its connections; what it has not answered is lost.
    pub(crate) fn hang_up(&mut self, server: usize) {
        for socket in self.sockets.values_mut().filter(|socket| socket.server == server) {
            socket.ended = true;
            socket.to_client.clear();
        }
    }

    /// The server says something that nobody asked for, on all its connections.
    pub(crate) fn say(&mut self, server: usize, bytes: &[u8]) {
        for socket in self.sockets.values_mut().filter(|socket| socket.server == server) {
            socket.to_client.push_back((self.now, bytes.to_vec()));
        }
    }

    /// The server that a key belongs to.
    pub(crate) fn server_of(&self, name: &str) -> usize {
        let cluster = self.cluster();
        let mut candidates = cluster.selector().candidates(name.as_bytes());
        candidates.next().expect("there are servers").index()
    }

    /// How many sockets a server has with clients that have not closed them.
    pub(crate) fn open(&self, server: usize) -> usize {
        self.sockets.values().filter(|socket| socket.server == server).count()
    }

    /// The connections that are open, of a client.
    pub(crate) fn connections(&self, client: usize) -> Vec<ConnectionId> {
        self.sockets.keys().filter(|(at, _)| *at == client).map(|&(_, id)| id).collect()
    }

    /// What a server has been sent since this was last asked.
    pub(crate) fn heard(&mut self, server: usize) -> String {
        let heard = std::mem::take(self.peers[server].heard.as_mut().expect("it is kept"));
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// A key whose `attempt`th server is the `wanted`th of a list, for each attempt.
    pub(crate) fn key_on(&self, servers: &[usize]) -> String {
        let selector = self.cluster();
        let keys = (0..).map(|number| format!("key{number}"));
        let fits = |key: &String| {
            let mut candidates = selector.selector().candidates(key.as_bytes());
            servers.iter().all(|&server| candidates.next().map(ServerIndex::index) == Some(server))
        };
        keys.into_iter().find(fits).expect("there are many keys")
    }

    /// Until nothing more happens at this moment.
    pub(crate) fn drive(&mut self) {
        for round in 0.. {
            assert!(round < 50_000_000, "it never comes to rest");
            if !self.step() {
                return;
            }
        }
    }

    /// Until all operations are done, passing time where nothing else can happen.
    pub(crate) fn run(&mut self) {
        let until = self.now + Duration::from_secs(3600);
        loop {
            self.drive();
            if self.pending.is_empty() {
                return;
            }
            assert!(self.pass() && self.now < until, "{:?} never end", self.pending);
        }
    }

    /// To the next moment at which something happens; false where there is none.
    pub(crate) fn pass(&mut self) -> bool {
        let Some(next) = self.next() else { return false };
        self.now = self.now.max(next);
        self.handle_timeouts();
        true
    }

    /// When something happens next.
    fn next(&self) -> Option<Time> {
        let ready = self.sockets.values().filter(|socket| socket.reading || self.eager);
        let ready = ready.filter_map(|socket| socket.to_client.front().map(|&(ready, _)| ready));
        let timeouts = self.clients.iter().filter_map(Client::poll_timeout);
        ready.chain(timeouts).min()
    }

    /// Lets this much time pass, and all that happens in it happen.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            self.drive();
            if self.next().is_some_and(|next| next <= until) {
                self.pass();
                continue;
            }
            self.now = until;
            self.handle_timeouts();
            self.drive();
            return;
        }
    }

    pub(crate) fn handle_timeouts(&mut self) {
        for client in &mut self.clients {
            client.handle_timeout(self.now);
        }
    }

    /// Does what is to be done, once around. Returns whether there was anything.
    pub(crate) fn step(&mut self) -> bool {
        let mut happened = false;
        for client in 0..self.clients.len() {
            while let Some(action) = self.clients[client].poll_action(self.now) {
                happened |= self.act(client, action);
            }
        }
        for socket in self.sockets.values_mut() {
            happened |= serve(&mut self.peers[socket.server], socket, self.now);
        }
        let mut at: Vec<_> = self.sockets.keys().copied().collect();
        // The order of a map is not the same from run to run.
        at.sort_by_key(|&(client, id)| (client, id.index()));
        for (client, id) in at {
            happened |= self.read(client, id);
        }
        for at in 0..self.clients.len() {
            while let Some(id) = self.clients[at].poll_completion() {
                let client = &mut self.clients[at];
                assert!(client.is_done(id));
                let outcome = client.take(id).expect("it is done");
                assert!(client.take(id).is_none() && !client.is_done(id));
                let pending = self.pending.iter().position(|&pending| pending == (at, id));
                self.pending
                    .swap_remove(pending.expect("it is under way, and was not done before"));
                assert!(self.done.insert((at, id), outcome).is_none());
                happened = true;
            }
        }
        happened
    }

    /// Has the clients that are idle look at their connections to a server.
    fn look_at_others(&mut self, at: usize, server: ServerIndex) {
        for other in (0..self.clients.len()).filter(|&other| other != at) {
            if let Some(id) = self.clients[other].idle_connection(server) {
                self.look(other, id);
            }
        }
    }

    /// Reads what has come on a connection, if anything has.
    fn look(&mut self, at: usize, id: ConnectionId) -> bool {
        let Some(socket) = self.sockets.get_mut(&(at, id)) else { return false };
        socket.reading = true;
        let read = self.read(at, id);
        if let Some(socket) = self.sockets.get_mut(&(at, id)) {
            socket.reading = false;
        }
        read
    }

    /// Takes the idle connection of another client over.
    fn take_over(&mut self, at: usize, id: ConnectionId) {
        self.look_at_others(at, id.server());
        for other in 0..self.clients.len() {
            let Some(idle) = self.clients[other].idle_connection(id.server()) else { continue };
            let Some(released) = self.clients[other].release(idle) else { continue };
            let socket = self.sockets.remove(&(other, idle)).expect("it is open");
            if self.clients[at].take_over(id, released, self.now) {
                self.sockets.insert((at, id), socket);
            }
            return;
        }
    }

    fn act(&mut self, at: usize, action: Action) -> bool {
        let piece = self.cut;
        if let Action::Connect { connection, .. } = action {
            let server = connection.server();
            if self.peers[server.index()].mode == Mode::Refusing {
                self.look_at_others(at, server);
            }
        }
        let client = &mut self.clients[at];
        match action {
            Action::Connect { connection, deadline } => {
                assert!(deadline >= self.now);
                let server = connection.server().index();
                let open = self.sockets.values().filter(|socket| socket.server == server).count();
                let peer = &mut self.peers[server];
                peer.tried += 1;
                let refused = peer.room.filter(|(room, _)| open >= *room).map(|(_, mode)| mode);
                match refused.unwrap_or(peer.mode) {
                    Mode::Refusing => {
                        client.connect_failed(connection, ConnectFailure::Refused, self.now);
                    }
                    Mode::Hanging => {}
                    mode => {
                        peer.accepted += 1;
                        let mut socket = Socket {
                            number: peer.accepted,
                            server,
                            to_server: Vec::new(),
                            to_client: VecDeque::new(),
                            said: 0,
                            ended: false,
                            deaf: refused.is_some(),
                            reading: false,
                        };
                        if let Mode::Greets(bytes) = mode {
                            socket.to_client.push_back((self.now, bytes.to_vec()));
                            socket.ended = true;
                        }
                        assert!(self.sockets.insert((at, connection), socket).is_none());
                        client.connected(connection, self.now);
                    }
                }
                true
            }
            Action::Close(connection) => {
                self.sockets.remove(&(at, connection));
                true
            }
            Action::Await(connection) => {
                self.take_over(at, connection);
                true
            }
            Action::Look(connection) => {
                if !self.look(at, connection) {
                    self.clients[at].looked(connection, self.now);
                }
                true
            }
            Action::Transmit(connection) => {
                let bytes = client.transmit(connection);
                let len = bytes.len().min(piece);
                if let Some(socket) = self.sockets.get_mut(&(at, connection)) {
                    socket.to_server.extend_from_slice(&bytes[..len]);
                    if let Some(heard) = &mut self.peers[socket.server].heard {
                        heard.extend_from_slice(&bytes[..len]);
                    }
                } else {
                    assert!(bytes.is_empty(), "there is no socket for {connection:?}");
                }
                client.transmitted(connection, len, self.now);
                true
            }
            Action::Receive(connection) => {
                if let Some(socket) = self.sockets.get_mut(&(at, connection)) {
                    socket.reading = true;
                }
                true
            }
        }
    }

    fn read(&mut self, at: usize, id: ConnectionId) -> bool {
        let piece = self.cut;
        let Some(socket) = self.sockets.get_mut(&(at, id)) else { return false };
        if !socket.reading && !self.eager {
            return false;
        }
        let client = &mut self.clients[at];
        let Some((ready, bytes)) = socket.to_client.front_mut() else {
            if socket.ended {
                socket.reading = false;
                client.received(id, 0, self.now);
                return self.sockets.contains_key(&(at, id));
            }
            return false;
        };
        if *ready > self.now {
            return false;
        }
        let space = client.receive_buffer(id);
        let len = bytes.len().min(piece).min(space.len());
        // None where the client has just closed the connection.
        space[..len].copy_from_slice(&bytes[..len]);
        if len == 0 {
            return false;
        }
        bytes.drain(..len);
        if bytes.is_empty() {
            socket.to_client.pop_front();
        }
        socket.reading = false;
        client.received(id, len, self.now);
        true
    }
}

/// Lets a server answer on one connection. Returns whether it did anything.
fn serve(peer: &mut Peer, socket: &mut Socket, now: Time) -> bool {
    if socket.to_server.is_empty() {
        return false;
    }
    socket.deaf |= !matches!(peer.mode, Mode::Up | Mode::ClosesAt(_));
    if socket.ended || (socket.deaf && !matches!(peer.mode, Mode::Says(_))) {
        socket.to_server.clear();
        return true;
    }
    let mut output = Vec::new();
    match peer.mode {
        Mode::Up | Mode::ClosesAt(_) => {
            let before = socket.to_server.len();
            socket.ended |=
                peer.answer.answer(socket.number, &mut socket.to_server, &mut output, now);
            if socket.to_server.len() == before {
                return false;
            }
        }
        Mode::Says(bytes) => {
            socket.to_server.clear();
            output.extend_from_slice(bytes);
        }
        _ => socket.to_server.clear(),
    }
    if let Mode::ClosesAt(limit) = peer.mode {
        output.truncate(limit.saturating_sub(socket.said));
        socket.ended |= socket.said + output.len() >= limit;
    }
    socket.said += output.len();
    if !output.is_empty() {
        socket.to_client.push_back((now + peer.delay, output));
    }
    true
}

pub(crate) fn key(text: &str) -> RoutedKey<'_> {
    Key::new(text).expect("a key").into()
}

pub(crate) fn get(text: &str) -> Operation<'_> {
    Operation::Get { key: key(text), cas: false }
}

pub(crate) fn item<'a>(text: &'a str, value: &'a [u8]) -> NewItem<'a> {
    NewItem { key: key(text), flags: Flags::new(7), exptime: Exptime::NEVER, value }
}

pub(crate) fn set<'a>(text: &'a str, value: &'a [u8]) -> Operation<'a> {
    Operation::Store { verb: StoreVerb::Set, item: item(text, value), noreply: false }
}
