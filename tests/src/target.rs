use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;

use memcache_sync::server::Server;

use crate::api::Config;
use crate::{Memcached, Network, Relay, VirtualServer};

/// A server to be tested against: the real one, or the one in memory. Each ends when it is dropped.
#[derive(Debug)]
pub struct Target {
    server: Arc<Kind>,
    /// What leads to it, if it is not to be reached directly.
    relay: Option<Relay>,
}

#[derive(Debug)]
enum Kind {
    /// `memcached`, a process of its own.
    Real(Memcached),
    /// In this process, behind a socket.
    InMemory(Server),
    /// In this process, without a socket.
    Virtual(VirtualServer),
}

impl Target {
    /// One of each kind that has a socket.
    #[must_use]
    pub fn both() -> [Target; 2] {
        [Target::in_memory(), Target::real()]
    }

    /// A new memcached.
    #[must_use]
    pub fn real() -> Self {
        Target::new(Kind::Real(Memcached::start()))
    }

    /// A new server in memory.
    ///
    /// # Panics
    ///
    /// Where there is no free port.
    #[must_use]
    pub fn in_memory() -> Self {
        Target::new(Kind::InMemory(Server::bind("127.0.0.1:0").expect("a free port")))
    }

    /// A new server in memory, in a network of its own.
    #[must_use]
    pub fn on_virtual_time() -> Self {
        Target::new(Kind::Virtual(VirtualServer::start(&Network::new())))
    }

    fn new(server: Kind) -> Self {
        Target { server: Arc::new(server), relay: None }
    }

    /// Another server of the same kind.
    #[must_use]
    pub fn another(&self) -> Self {
        match &*self.server {
            Kind::Real(_) => Target::real(),
            Kind::InMemory(_) => Target::in_memory(),
            Kind::Virtual(server) => {
                Target::new(Kind::Virtual(VirtualServer::start(server.network())))
            }
        }
    }

    /// The same server, which keeps all that comes from here on, except over an address that was asked
    /// for before.
    #[must_use]
    pub fn recording(mut self) -> Self {
        match &*self.server {
            Kind::Virtual(server) => server.record(),
            _ => self.relay = Some(Relay::recording(&self.address())),
        }
        self
    }

    /// What a server that keeps it was sent since this was last asked, on all connections, in the order
    /// in which it came.
    #[must_use]
    pub fn take_heard(&self) -> Vec<u8> {
        match (&*self.server, &self.relay) {
            (Kind::Virtual(server), _) => server.take_heard(),
            (_, Some(relay)) => relay.take_heard(),
            (_, None) => Vec::new(),
        }
    }

    /// The same server behind a Unix socket.
    #[must_use]
    pub fn unix_socket(&self) -> Self {
        match &*self.server {
            Kind::Virtual(server) => Target::new(Kind::Virtual(server.unix_socket())),
            _ => {
                let relay = Some(Relay::start(&self.address()));
                Target { server: self.server.clone(), relay }
            }
        }
    }

    /// How many bytes the server keeps as the value of `key`, whatever its flags; `None` where there is
    /// none.
    ///
    /// # Panics
    ///
    /// Where the server does not answer.
    #[must_use]
    pub fn stored_len(&self, key: &str) -> Option<usize> {
        let request = format!("get {key}\r\n");
        let line = match &*self.server {
            Kind::Real(memcached) => ask(&memcached.address(), &request),
            Kind::InMemory(server) => ask(server.address(), &request),
            Kind::Virtual(server) => first_line(&server.ask(request.as_bytes())[..]),
        };
        line.trim_end().rsplit_once(' ')?.1.parse().ok()
    }

    /// Its address as a client takes it.
    #[must_use]
    pub fn address(&self) -> String {
        match (&self.relay, &*self.server) {
            (Some(relay), _) => relay.address(),
            (None, Kind::Real(memcached)) => memcached.address(),
            (None, Kind::InMemory(server)) => server.address().into(),
            (None, Kind::Virtual(server)) => server.address().into(),
        }
    }

    /// A client of this server to be.
    #[must_use]
    pub fn config(&self) -> Config {
        let network = match &*self.server {
            Kind::Virtual(server) => Some(server.network().clone()),
            _ => None,
        };
        Config::new(network).server(&self.address())
    }
}

fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the server accepts");
    stream.write_all(request.as_bytes()).expect("sent");
    first_line(BufReader::new(stream))
}

fn first_line(mut reply: impl BufRead) -> String {
    let mut line = Vec::new();
    reply.read_until(b'\n', &mut line).expect("answered");
    String::from_utf8_lossy(&line).into_owned()
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.server {
            Kind::Real(memcached) => write!(f, "memcached {}", memcached.version()),
            Kind::InMemory(_) => write!(f, "the server in memory"),
            Kind::Virtual(_) => write!(f, "the server in memory, on virtual time"),
        }
    }
}
