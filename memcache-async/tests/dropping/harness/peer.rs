//! The servers.

use std::time::Duration;

use memcache_async::proto::server::{Connection, Settings, Store};
use memcache_async::proto::{Limits, Time};

/// The clock of the servers stands here at the origin, in unix seconds.
pub(crate) const UNIX_ORIGIN: u64 = 1_700_000_000;

/// A server, as far as all connections to it share it.
pub(crate) struct Peer {
    pub(crate) store: Store,
    pub(crate) mode: Mode,
    /// How long an answer takes.
    pub(crate) delay: Duration,
    /// How long there is between two pieces of answers.
    pub(crate) gap: Duration,
    /// All that was sent to it, on whatever connection.
    pub(crate) heard: Vec<u8>,
    /// How often somebody began to connect.
    pub(crate) tried: usize,
    pub(crate) accepted: usize,
}

/// How a server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Up,
    /// Connects are refused.
    Refusing,
    /// Connects never end.
    Hanging,
    /// Nothing is read, so that pipes fill up.
    Deaf,
    /// All is read and nothing answered, not later either.
    Silent,
    /// Each line is answered so.
    Says(&'static [u8]),
    /// A new connection is greeted so and closed.
    Greets(&'static [u8]),
    /// Connections are closed after so many bytes of answers.
    ClosesAt(usize),
}

impl Default for Peer {
    fn default() -> Self {
        Peer {
            store: Store::new(Settings::default()),
            mode: Mode::Up,
            delay: Duration::ZERO,
            gap: Duration::ZERO,
            heard: Vec::new(),
            tried: 0,
            accepted: 0,
        }
    }
}

impl Peer {
    /// Answers what `connection` has received.
    pub(crate) fn answer(&mut self, connection: &mut Connection, now: Duration) {
        connection.handle(&mut self.store, Time::new(now), UNIX_ORIGIN + now.as_secs());
    }

    /// Does what a command says, at once.
    pub(crate) fn perform(&mut self, command: &[u8], now: Duration) -> Vec<u8> {
        let mut connection = Connection::new(Limits::default());
        let mut rest = command;
        while !rest.is_empty() {
            let space = connection.receive_buffer();
            let len = space.len().min(rest.len());
            space[..len].copy_from_slice(&rest[..len]);
            connection.received(len);
            self.answer(&mut connection, now);
            rest = &rest[len..];
        }
        connection.transmit().to_vec()
    }

    /// What has been sent to it since this was last asked, in lines.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        let heard = String::from_utf8(std::mem::take(&mut self.heard)).expect("text");
        heard.split_terminator("\r\n").map(str::to_owned).collect()
    }
}
