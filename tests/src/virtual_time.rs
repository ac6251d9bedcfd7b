use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use memcache_sync::proto::server::{Connection, Settings, Store};
use memcache_sync::proto::{Limits, Time};

/// What the unix clock says at the origin, in seconds.
const UNIX_ORIGIN: u64 = 1_700_000_000;

/// The sizes of the pieces in which bytes travel, one after the other: each boundary of a protocol is
/// cut somewhere. Their number is odd: often every second piece goes the same way.
const PIECES: [usize; 13] = [1, 2, 7, 16_384, 3, 64, 1_460, 5, 65_536, 1_023, 100, 9_973, 23];

/// Servers in memory without sockets, and the clock of all that is near them: it moves when it is told
/// to. Clones are the same network.
#[derive(Clone)]
pub struct Network(Arc<Mutex<State>>);

struct State {
    now: Time,
    servers: Vec<Served>,
}

struct Served {
    addresses: Vec<String>,
    store: Store,
    /// All that came, if it is to be kept.
    heard: Option<Vec<u8>>,
}

impl Network {
    /// A network without servers.
    #[must_use]
    pub fn new() -> Self {
        // Not at the origin, where a clock that nobody has read stands too.
        let now = Time::from_millis(5_000_300);
        Network(Arc::new(Mutex::new(State { now, servers: Vec::new() })))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.state().now
    }

    /// The time in seconds since 1970.
    #[must_use]
    pub fn unix_now(&self) -> u64 {
        self.state().unix_now()
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        let mut state = self.state();
        state.now = state.now + time;
    }

    /// Connects to the server that has this address; `None` where there is none.
    #[must_use]
    pub fn connect(&self, address: &str) -> Option<Line> {
        let mut state = self.state();
        let has_it = |served: &Served| served.addresses.iter().any(|known| known == address);
        let server = state.servers.iter().position(has_it)?;
        state.servers[server].store.connected();
        let connection = Connection::new(Limits::default());
        Some(Line { network: self.clone(), server, connection, pieces: 0 })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Network {
    fn default() -> Self {
        Network::new()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl State {
    fn unix_now(&self) -> u64 {
        UNIX_ORIGIN + self.now.since_origin().as_secs()
    }
}

/// A server of a [`Network`]. Clones are the same server.
#[derive(Clone, Debug)]
pub struct VirtualServer {
    network: Network,
    at: usize,
    address: String,
}

impl VirtualServer {
    /// A new server of `network`.
    #[must_use]
    pub fn start(network: &Network) -> Self {
        let mut state = network.state();
        let at = state.servers.len();
        let address = format!("10.0.0.{at}:11211");
        let store = Store::new(Settings::default());
        state.servers.push(Served { addresses: vec![address.clone()], store, heard: None });
        VirtualServer { network: network.clone(), at, address }
    }

    /// The same server under a new address, of a Unix socket by its looks.
    #[must_use]
    pub fn unix_socket(&self) -> Self {
        let mut server = self.clone();
        let mut state = self.network.state();
        let addresses = &mut state.servers[self.at].addresses;
        server.address = format!("unix:/virtual/{}/{}", self.at, addresses.len());
        addresses.push(server.address.clone());
        server
    }

    /// The network it belongs to.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Its address as a client takes it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it answers to a short request, which is not kept.
    #[must_use]
    pub fn ask(&self, request: &[u8]) -> Vec<u8> {
        let mut connection = Connection::new(Limits::default());
        connection.receive_buffer()[..request.len()].copy_from_slice(request);
        connection.received(request.len());
        let mut state = self.network.state();
        let (now, unix_now) = (state.now, state.unix_now());
        connection.handle(&mut state.servers[self.at].store, now, unix_now);
        connection.transmit().to_vec()
    }

    /// From here on, keeps all that comes.
    pub fn record(&self) {
        self.network.state().servers[self.at].heard = Some(Vec::new());
    }

    /// What came since this was last asked, on all connections, in the order in which it came.
    #[must_use]
    pub fn take_heard(&self) -> Vec<u8> {
        let mut state = self.network.state();
        state.servers[self.at].heard.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

/// The client's end of a connection to a [`VirtualServer`]. Nothing on it blocks.
pub struct Line {
    network: Network,
    server: usize,
    connection: Connection,
    /// How many pieces have travelled.
    pieces: usize,
}

impl Line {
    /// Sends the first of these bytes, and says how many; 0 while the server takes none.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.piece());
        if !self.connection.wants_receive() {
            return 0;
        }
        let space = self.connection.receive_buffer();
        let len = len.min(space.len());
        space[..len].copy_from_slice(&bytes[..len]);
        self.connection.received(len);
        if let Some(heard) = &mut self.network.state().servers[self.server].heard {
            heard.extend_from_slice(&bytes[..len]);
        }
        self.handle();
        len
    }

    /// Reads the first bytes that have come, and says how many; 0 where none have.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let piece = self.piece();
        let bytes = self.connection.transmit();
        let len = bytes.len().min(buffer.len()).min(piece);
        buffer[..len].copy_from_slice(&bytes[..len]);
        self.connection.transmitted(len);
        self.handle();
        len
    }

    /// Whether the server has closed it and all it said has been read.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.connection.wants_close() && self.connection.transmit().is_empty()
    }

    fn handle(&mut self) {
        let mut state = self.network.state();
        let (now, unix_now) = (state.now, state.unix_now());
        self.connection.handle(&mut state.servers[self.server].store, now, unix_now);
    }

    fn piece(&mut self) -> usize {
        self.pieces += 1;
        PIECES[self.pieces % PIECES.len()]
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.network.state().servers[self.server].store.disconnected();
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("server", &self.server).finish_non_exhaustive()
    }
}
