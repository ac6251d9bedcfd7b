//! How a session comes to its connections.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use memcache_proto::Time;
use memcache_proto::client::ConnectionId;
use memcache_proto::routing::{ConnectFailure, Endpoint, ServerAddress};

use super::{FAR, Session};
use crate::connector::connect_failure;
use crate::dialing::Dialed;
use crate::socket::Socket;

/// Connects that are made on other threads, so that several take no longer than the slowest.
pub(super) struct Connects {
    results: Receiver<(ConnectionId, io::Result<Dialed>)>,
    sender: Sender<(ConnectionId, io::Result<Dialed>)>,
    /// A byte comes for each result.
    pub(super) wake: UnixStream,
    waker: UnixStream,
}

impl Connects {
    fn new() -> io::Result<Self> {
        let (results, (wake, waker)) = (channel(), UnixStream::pair()?);
        wake.set_nonblocking(true)?;
        Ok(Connects { results: results.1, sender: results.0, wake, waker })
    }
}

impl Session {
    /// Connects, on a thread of its own unless it is the only thing to do and quickly done.
    pub(super) fn connect(&mut self, connection: ConnectionId, deadline: Time, alone: bool) {
        let server = connection.server();
        let Some(address) =
            self.client.cluster().server(server).map(|server| server.address.clone())
        else {
            return self.failed.push((connection, ConnectFailure::Other));
        };
        if let Some(error) = self.errors.get_mut(server.index()) {
            *error = None;
        }
        self.connecting.push(connection);
        // Nobody would see to what is due before: an operation's own timeout, say.
        let due = self.client.poll_timeout().map_or(deadline, |due| due.min(deadline));
        if alone && connects_quickly(&address) && self.dialer.secrets.is_none() {
            let result = self.dialer.dial(&address, self.instant(due));
            let late = matches!(&result, Err(error) if error.kind() == io::ErrorKind::TimedOut);
            if due == deadline || !late {
                return self.connected(connection, result);
            }
        }
        let until = self.instant(deadline);
        if self.connect_elsewhere(connection, &address, until).is_err() {
            let result = self.dialer.dial(&address, self.instant(due));
            self.connected(connection, result);
        }
    }

    fn instant(&self, time: Time) -> Instant {
        let far = Instant::now() + FAR;
        self.origin.instant(time).map_or(far, |instant| instant.min(far))
    }

    /// Connects on a thread of its own, which nobody waits for past the deadline.
    fn connect_elsewhere(
        &mut self,
        connection: ConnectionId,
        address: &ServerAddress,
        deadline: Instant,
    ) -> io::Result<()> {
        let connects = match self.connects.take() {
            Some(connects) => connects,
            None => Connects::new()?,
        };
        let connects = self.connects.insert(connects);
        let (sender, mut waker) = (connects.sender.clone(), connects.waker.try_clone()?);
        let (dialer, address) = (self.dialer.clone(), address.clone());
        std::thread::Builder::new().name("memcache-connect".into()).spawn(move || {
            // Nobody may be listening any more; then the stream is just closed.
            let result = dialer.dial(&address, deadline);
            if sender.send((connection, result)).is_ok() {
                let _ = waker.write(&[0]);
            }
        })?;
        Ok(())
    }

    pub(super) fn connected(&mut self, connection: ConnectionId, result: io::Result<Dialed>) {
        self.read_clock();
        if !self.connecting.contains(&connection) {
            return; // It was given up meanwhile.
        }
        self.connecting.retain(|&connecting| connecting != connection);
        let timeout = self.socket_timeout.clamp(Duration::from_millis(1), FAR);
        let ready = result.and_then(|dialed| dialed.stream.set_timeout(timeout).map(|()| dialed));
        match ready {
            Ok(Dialed { stream, credentials }) => {
                self.put(Socket::new(connection, stream));
                match credentials {
                    Some(credentials) => {
                        self.client.connected_as(connection, &credentials, self.now);
                    }
                    None => self.client.connected(connection, self.now),
                }
            }
            Err(error) => {
                let reason = connect_failure(&error);
                self.note(connection.server(), error);
                self.failed.push((connection, reason));
            }
        }
    }

    /// Takes what the connects on other threads have come to.
    pub(super) fn take_connects(&mut self) {
        let Some(mut connects) = self.connects.take() else { return };
        let _ = connects.wake.read(&mut [0; 64]);
        while let Ok((connection, result)) = connects.results.try_recv() {
            self.connected(connection, result);
        }
        self.connects = Some(connects);
    }
}

/// Whether connecting involves no resolver, and ends at its deadline. `localhost` is resolved, too.
fn connects_quickly(address: &ServerAddress) -> bool {
    match address.endpoint() {
        Endpoint::Tcp { host, .. } => host.parse::<IpAddr>().is_ok(),
        _ => false,
    }
}
