use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// An address that somebody listens on and nobody accepts at: the queue of connections is full, so
/// that a further connect hangs until it is given up.
#[derive(Debug)]
pub struct Full {
    address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Full {
    /// Such an address.
    ///
    /// # Panics
    ///
    /// Where there is no end to the queue.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        // The queue holds one connection more than it is said to.
        rustix::net::listen(&listener, 0).expect("a shorter queue");
        let mut queue = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            queue.push(stream);
            assert!(queue.len() < 100, "the queue has no end");
        }
        Full { address, _listener: listener, _queue: queue }
    }

    /// The address as a client takes it.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}
