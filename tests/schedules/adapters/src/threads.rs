//! The sync client, over pipes.

use std::io;

use memcache_sync::{Builder, Client, Connector, ServerAddress, Stream};
use schedules_std::os::unix::net::UnixStream;
use schedules_std::thread;
use schedules_std::time::Instant;

use crate::Server;

/// Connects to the servers of a model.
struct Pipes(Vec<Server>);

impl Connector for Pipes {
    fn connect(&self, address: &ServerAddress, deadline: Instant) -> io::Result<Box<dyn Stream>> {
        let server = &self.0[crate::net::number_of(address)];
        match server.connect() {
            Some(end) => Ok(Box::new(UnixStream::from(end?))),
            None => {
                thread::sleep(deadline.saturating_duration_since(Instant::now()));
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }
}

/// The settings of a client of these servers, which are connected to by the thread that needs them.
pub fn builder(servers: &[Server]) -> Builder {
    Client::builder().servers(addresses(0..servers.len())).connector(Pipes(servers.to_vec()))
}

/// The settings of a client of these servers, which are connected to by other threads, as it is where a
/// name has to be resolved.
pub fn builder_with_names(servers: &[Server]) -> Builder {
    let names = (0..servers.len()).map(|number| format!("server:{}", number + 1));
    Client::builder().servers(names).connector(Pipes(servers.to_vec()))
}

/// The addresses of some of the servers.
pub fn addresses(numbers: impl IntoIterator<Item = usize>) -> impl Iterator<Item = String> {
    numbers.into_iter().map(|number| format!("10.0.0.1:{}", number + 1))
}
