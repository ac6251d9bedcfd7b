//! A name server that knows one name.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Answers with SRV records of this machine.
pub(crate) struct NameServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    ports: Mutex<Vec<u16>>,
    done: AtomicBool,
}

impl NameServer {
    pub(crate) const NAME: &'static str = "_memcache._tcp.example.org.";

    pub(crate) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("an address");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        let shared = Arc::<Shared>::default();
        let serving = shared.clone();
        let thread = Some(thread::spawn(move || serve(&socket, &serving)));
        NameServer { address, shared, thread }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has the name be that of servers at these ports.
    pub(crate) fn set(&self, ports: &[u16]) {
        *self.shared.ports.lock().unwrap_or_else(PoisonError::into_inner) = ports.to_vec();
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.shared.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn serve(socket: &UdpSocket, shared: &Shared) {
    let mut query = [0; 512];
    while !shared.done.load(Ordering::Relaxed) {
        match socket.recv_from(&mut query) {
            Ok((len, client)) => {
                let ports = shared.ports.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let reply = reply(&query[..len], &ports);
                // Who has gone needs no answer.
                let _ = socket.send_to(&reply, client);
            }
            Err(error) => {
                let is_wait = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(is_wait, "{error}");
            }
        }
    }
}

/// The reply to a query (RFC 1035, 4.1; RFC 2782): its question, and a record for each port.
fn reply(query: &[u8], ports: &[u16]) -> Vec<u8> {
    const HEADER: usize = 12;
    // The name ends in a label of no length; the type and the class follow.
    let name = query[HEADER..].iter().position(|&byte| byte == 0).expect("a name");
    let question = &query[HEADER..HEADER + name + 5];
    let mut reply = query[..2].to_vec();
    // A response, authoritative, recursion as it was desired and available; no error.
    reply.extend_from_slice(&[0x84 | (query[2] & 1), 0x80, 0, 1]);
    reply.extend_from_slice(&u16::try_from(ports.len()).expect("few").to_be_bytes());
    reply.extend_from_slice(&[0, 0, 0, 0]);
    reply.extend_from_slice(question);
    for port in ports {
        // The name of the question; SRV, IN, to be kept for no time.
        reply.extend_from_slice(&[0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 0]);
        let host = b"\x09localhost\x00";
        reply.extend_from_slice(&[0, 6 + u8::try_from(host.len()).expect("short")]);
        // Priority and weight.
        reply.extend_from_slice(&[0, 1, 0, 1]);
        reply.extend_from_slice(&port.to_be_bytes());
        reply.extend_from_slice(host);
    }
    reply
}
