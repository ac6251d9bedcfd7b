use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use memcache_sync::server::Server;

use crate::Memcached;

/// A server to be tested against: the real one, or the one in memory. Each ends when it is dropped.
#[derive(Debug)]
pub enum Target {
    /// `memcached`, a process of its own.
    Real(Box<Memcached>),
    /// [`Server`], in this process.
    InMemory(Server),
}

impl Target {
    /// One of each kind.
    #[must_use]
    pub fn both() -> [Target; 2] {
        [Target::in_memory(), Target::real()]
    }

    /// A new memcached.
    #[must_use]
    pub fn real() -> Self {
        Target::Real(Box::new(Memcached::start()))
    }

    /// A new server in memory.
    ///
    /// # Panics
    ///
    /// Where there is no free port.
    #[must_use]
    pub fn in_memory() -> Self {
        Target::InMemory(Server::bind("127.0.0.1:0").expect("a free port"))
    }

    /// Another server of the same kind.
    #[must_use]
    pub fn another(&self) -> Self {
        match self {
            Target::Real(_) => Target::real(),
            Target::InMemory(_) => Target::in_memory(),
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
        let mut stream = TcpStream::connect(self.address()).expect("the server accepts");
        stream.write_all(format!("get {key}\r\n").as_bytes()).expect("sent");
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("answered");
        line.trim_end().rsplit_once(' ')?.1.parse().ok()
    }

    /// Its address as a client takes it.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Target::Real(memcached) => memcached.address(),
            Target::InMemory(server) => server.address().to_string(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Real(memcached) => write!(f, "memcached {}", memcached.version()),
            Target::InMemory(_) => write!(f, "the server in memory"),
        }
    }
}
