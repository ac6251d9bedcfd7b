//! Large values, over streams that can read to the spare room of a `Vec` and streams that cannot.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use memcache_sync::server::Server;
use memcache_sync::{Client, Connector, Expiry, ServerAddress, Sockets, Stream};

/// A socket that counts how often it is asked to read to spare room.
struct Counted {
    socket: Box<dyn Stream>,
    can: bool,
    asked: Arc<AtomicUsize>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl AsFd for Counted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Stream for Counted {
    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking)
    }

    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.socket.set_timeout(timeout)
    }

    fn read_spare(&mut self, buffer: &mut Vec<u8>) -> Option<io::Result<usize>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.can { self.socket.read_spare(buffer) } else { None }
    }
}

struct Counting {
    can: bool,
    asked: Arc<AtomicUsize>,
}

impl Connector for Counting {
    fn connect(&self, address: &ServerAddress, deadline: Instant) -> io::Result<Box<dyn Stream>> {
        let socket = Sockets.connect(address, deadline)?;
        Ok(Box::new(Counted { socket, can: self.can, asked: self.asked.clone() }))
    }
}

/// How often a stream has been asked to read to spare room when large values have come over it, and then
/// how often when a small one has, too.
fn asked(can: bool) -> (usize, usize) {
    let server = Server::start().expect("a server");
    let asked = Arc::new(AtomicUsize::new(0));
    let connector = Counting { can, asked: asked.clone() };
    let client = Client::builder().server(server.address()).connector(connector).build();
    let client = client.expect("an address");
    for len in [500_000, 100_000, 1_000_000] {
        let value: Vec<u8> = (0..len).map(|at: u32| at.to_le_bytes()[at as usize % 3]).collect();
        client.set("large", &value[..], Expiry::Never).expect("it is stored");
        let found = client.get::<Vec<u8>>("large").expect("it is answered");
        assert!(found.as_deref() == Some(&value[..]), "{len} bytes");
    }
    let large = asked.load(Ordering::Relaxed);
    client.set("small", "value", Expiry::Never).expect("it is stored");
    assert_eq!(client.get::<String>("small").expect("it is answered").as_deref(), Some("value"));
    (large, asked.load(Ordering::Relaxed) - large)
}

#[test]
fn a_stream_that_reads_to_spare_room_is_asked_for_every_large_value() {
    let (large, small) = asked(true);
    assert!(large >= 3, "{large} times");
    assert_eq!(small, 0);
}

#[test]
fn a_stream_that_cannot_read_to_spare_room_is_asked_once() {
    assert_eq!(asked(false), (1, 0));
}
