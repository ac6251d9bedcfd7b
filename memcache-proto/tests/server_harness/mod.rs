//! What the tables of the server's replies share: a server in memory whose clock is told.

use core::time::Duration;

use memcache_proto::server::{Connection, Settings, Store};
use memcache_proto::{Limits, Time};

pub(crate) const UNIX_START: u64 = 1_700_000_000;

/// A store, a connection to it, and the seconds that have passed.
pub(crate) struct Server {
    pub(crate) store: Store,
    pub(crate) connection: Connection,
    seconds: u64,
}

impl Server {
    pub(crate) fn new(settings: Settings) -> Self {
        let connection = Connection::new(Limits::default());
        Server { store: Store::new(settings), connection, seconds: 0 }
    }

    /// Sends the request in pieces of at most `piece` bytes, and takes the replies as they come.
    pub(crate) fn ask(&mut self, request: &[u8], piece: usize) -> String {
        let mut reply = Vec::new();
        let mut rest = request;
        while !rest.is_empty() {
            let room = self.connection.receive_buffer();
            let len = room.len().min(piece).min(rest.len());
            room[..len].copy_from_slice(&rest[..len]);
            rest = &rest[len..];
            self.connection.received(len);
            loop {
                let now = Time::ZERO + Duration::from_secs(self.seconds);
                self.connection.handle(&mut self.store, now, UNIX_START + self.seconds);
                let len = self.connection.transmit().len().min(piece);
                if len == 0 {
                    break;
                }
                reply.extend_from_slice(&self.connection.transmit()[..len]);
                self.connection.transmitted(len);
            }
        }
        String::from_utf8_lossy(&reply).into_owned()
    }
}

/// Each script on a new server: how many seconds pass first, a request, its reply.
pub(crate) type Script = &'static [(u64, &'static str, &'static str)];

/// Runs scripts, each however its requests arrive.
pub(crate) fn check(scripts: &[Script]) {
    for script in scripts {
        for piece in [usize::MAX, 1, 7] {
            let mut server = Server::new(Settings::default());
            for &(seconds, request, reply) in *script {
                server.seconds += seconds;
                assert_eq!(server.ask(request.as_bytes(), piece), reply, "{request:?} by {piece}");
            }
            assert!(!server.connection.wants_close());
        }
    }
}
