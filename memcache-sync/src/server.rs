//! A server on a socket that answers from memory, for tests and small machines.
//!
//! It answers as memcached does ([`memcache_proto::server`] says how well); each connection has a
//! thread.

mod socket_file;

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use memcache_proto::Credentials;
use memcache_proto::server::{Configuration, Connection, Settings, Store};
use memcache_proto::{Limits, Origin};
use rustix::event::{PollFd, PollFlags, poll};

use socket_file::SocketFile;

/// How long to wait before accepting again, where that has failed: descriptors may have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A server that runs until it is stopped or dropped, or until a client shuts it down.
///
/// ```
/// use std::io::{Read, Write};
/// use memcache_sync::server::Server;
///
/// let mut server = Server::bind("127.0.0.1:0")?;
/// let mut stream = std::net::TcpStream::connect(server.address())?;
/// stream.write_all(b"get foo\r\nquit\r\n")?;
/// let mut reply = String::new();
/// stream.read_to_string(&mut reply)?;
/// assert_eq!(reply, "END\r\n");
/// server.stop();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Server {
    address: String,
    port: Option<u16>,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// What a [`Server`] is made with.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    settings: Settings,
}

impl Builder {
    /// What all items together may take, in bytes; 64 MiB if this is not called.
    #[must_use]
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.settings.memory_limit = bytes;
        self
    }

    /// Whether a client may end the server with `shutdown`; not if this is not called.
    #[must_use]
    pub fn shutdown_enabled(mut self, enabled: bool) -> Self {
        self.settings.shutdown_enabled = enabled;
        self
    }

    /// Has each connection log in before it is served; nobody has to if this is not called. Everything else is
    /// answered `CLIENT_ERROR unauthenticated` until then.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.settings.credentials = Some(credentials);
        self
    }

    /// Has the server be the configuration endpoint of a cluster, too: `config get cluster` is answered by this.
    /// [`Server::set_configuration`] changes it.
    #[must_use]
    pub fn configuration(mut self, configuration: Configuration) -> Self {
        self.settings.configuration = Some(configuration);
        self
    }

    /// All settings of the store at once.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Starts a server on `host:port`, where port 0 takes a free one, or on `unix:/path`. A socket that is
    /// there and that nobody listens on any more, left behind by a server that was killed, is replaced;
    /// any other file stays, and is an error.
    ///
    /// Whoever can reach it can read and change everything in it: bind to a loopback address.
    ///
    /// # Errors
    ///
    /// What the system says where the address cannot be bound.
    pub fn bind(self, address: &str) -> io::Result<Server> {
        let (listener, address) = Listener::bind(address)?;
        let port = listener.port();
        let (wake, waker) = UnixStream::pair()?;
        let shared = Arc::new(Shared {
            store: Mutex::new(Store::new(self.settings)),
            origin: Origin::new(Instant::now()),
            stopping: AtomicBool::new(false),
            waker,
            connections: Mutex::new(Connections::default()),
            ended: Condvar::new(),
        });
        let acceptor = thread::Builder::new().name("memcache-accept".into()).spawn({
            let shared = Arc::clone(&shared);
            move || accept(listener, &wake, &shared)
        })?;
        Ok(Server { address, port, shared, acceptor: Some(acceptor) })
    }
}

impl Server {
    /// Settings to be changed before [`Builder::bind`].
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts a server with the default settings on a free port of the loopback address.
    ///
    /// # Errors
    ///
    /// As [`Builder::bind`].
    pub fn start() -> io::Result<Server> {
        Server::bind("127.0.0.1:0")
    }

    /// Starts a server with the default settings, as [`Builder::bind`] does.
    ///
    /// # Errors
    ///
    /// As [`Builder::bind`].
    pub fn bind(address: &str) -> io::Result<Server> {
        Server::builder().bind(address)
    }

    /// Where it listens, as a client takes it: `127.0.0.1:11211` with the port that was found, or
    /// `unix:/path`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The port it listens on; `None` on a Unix socket.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Has `config get cluster` answered by this from now on; by `ERROR` if it is `None`.
    pub fn set_configuration(&self, configuration: Option<Configuration>) {
        lock(&self.shared.store).set_configuration(configuration);
    }

    /// Stops it: closes all connections and ends all threads before it returns.
    pub fn stop(&mut self) {
        self.shared.stop();
        self.wait();
    }

    /// What stops it from elsewhere: from a thread that waits for a signal, while another is in
    /// [`wait`](Self::wait).
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(self.shared.clone())
    }

    /// Waits until a client has shut it down, or a [`Stopper`] has.
    pub fn wait(&mut self) {
        if let Some(acceptor) = self.acceptor.take() {
            // A thread that panicked has said so.
            let _ = acceptor.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Stops a [`Server`]; made by [`Server::stopper`]. Clones stop the same server.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Shared>);

impl Stopper {
    /// Has the server close its connections and end, and returns before it has: [`Server::wait`] returns
    /// when it has.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// What all threads of a server share.
#[derive(Debug)]
struct Shared {
    store: Mutex<Store>,
    origin: Origin,
    stopping: AtomicBool,
    /// Its other end is at its end once the server is to stop.
    waker: UnixStream,
    connections: Mutex<Connections>,
    /// Told when a connection has ended.
    ended: Condvar,
}

/// The open connections, so that they can be closed from elsewhere.
#[derive(Debug, Default)]
struct Connections {
    open: HashMap<u64, Stream>,
    last: u64,
}

impl Shared {
    /// Makes all threads end soon.
    fn stop(&self) {
        if self.stopping.swap(true, Ordering::SeqCst) {
            return;
        }
        // It is open for as long as this one is.
        let _ = self.waker.shutdown(Shutdown::Both);
        for stream in lock(&self.connections).open.values() {
            stream.close();
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// A thread that panicked while it held the lock has left nothing half done that matters.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts connections until the server stops, then waits for the threads of all of them.
fn accept(listener: Listener, wake: &UnixStream, shared: &Arc<Shared>) {
    while !shared.is_stopping() {
        let mut waits = [PollFd::new(&listener, PollFlags::IN), PollFd::new(wake, PollFlags::IN)];
        // An interrupted wait is just a short one.
        let _ = poll(&mut waits, None);
        let stream = match listener.accept() {
            Ok(stream) => stream,
            Err(error) => {
                if error.kind() != ErrorKind::WouldBlock {
                    thread::sleep(ACCEPT_PAUSE);
                }
                continue;
            }
        };
        // Without a second handle or a thread of its own the connection closes again.
        let Ok(handle) = stream.try_clone() else {
            continue;
        };
        let mut connections = lock(&shared.connections);
        if shared.is_stopping() {
            break;
        }
        connections.last += 1;
        let id = connections.last;
        let spawned = thread::Builder::new().name("memcache-serve".into()).spawn({
            let shared = Arc::clone(shared);
            move || serve(&shared, stream, id)
        });
        if spawned.is_ok() {
            connections.open.insert(id, handle);
        }
    }
    // Who comes now is to be refused, not kept waiting.
    listener.remove();
    drop(listener);
    let mut connections = lock(&shared.connections);
    while !connections.open.is_empty() {
        connections = shared.ended.wait(connections).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Serves one connection until it ends.
fn serve(shared: &Shared, stream: Stream, id: u64) {
    lock(&shared.store).connected();
    // Where reading or writing fails there is nobody left to tell.
    let shutdown = exchange(shared, stream).unwrap_or(false);
    lock(&shared.store).disconnected();
    lock(&shared.connections).open.remove(&id);
    shared.ended.notify_all();
    if shutdown {
        shared.stop();
    }
}

/// Answers what is read; returns whether the client has shut the server down.
fn exchange(shared: &Shared, mut stream: Stream) -> io::Result<bool> {
    let mut connection = Connection::new(Limits::default());
    loop {
        if connection.wants_receive() {
            match stream.read(connection.receive_buffer()) {
                Ok(0) => return Ok(false),
                Ok(len) => connection.received(len),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
        }
        let unix_now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = shared.origin.time(Instant::now());
        connection.handle(&mut lock(&shared.store), now, unix_now);
        stream.write_all(connection.transmit())?;
        connection.transmitted(usize::MAX);
        if connection.wants_close() {
            return Ok(connection.wants_shutdown());
        }
    }
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

impl Listener {
    fn bind(address: &str) -> io::Result<(Listener, String)> {
        if let Some(path) = address.strip_prefix("unix:") {
            return Self::bind_unix(path);
        }
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?.to_string();
        Ok((Listener::Tcp(listener), address))
    }

    fn bind_unix(path: &str) -> io::Result<(Listener, String)> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                socket_file::take_over(Path::new(path))?
            }
            bound => bound?,
        };
        listener.set_nonblocking(true)?;
        Ok((Listener::Unix(listener, SocketFile::of(path)), format!("unix:{path}")))
    }

    fn port(&self) -> Option<u16> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().ok().map(|address| address.port()),
            Listener::Unix(..) => None,
        }
    }

    /// A connection that waits to be accepted, if there is one. Some systems let it inherit that the
    /// listener does not block.
    fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                Ok(Stream::Unix(stream))
            }
        }
    }

    /// Takes away what the next server of this address must not find.
    fn remove(&self) {
        if let Listener::Unix(_, file) = self {
            file.remove();
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix(listener, _) => listener.as_fd(),
        }
    }
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn try_clone(&self) -> io::Result<Stream> {
        match self {
            Stream::Tcp(stream) => stream.try_clone().map(Stream::Tcp),
            Stream::Unix(stream) => stream.try_clone().map(Stream::Unix),
        }
    }

    fn close(&self) {
        // It may have been closed from the other end already.
        let _ = match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(stream: &mut (impl Read + Write), request: &[u8]) -> String {
        stream.write_all(request).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply
    }

    #[test]
    fn clients_share_a_store_and_stop_closes_them() {
        let mut server = Server::bind("127.0.0.1:0").unwrap();
        let connect = || TcpStream::connect(server.address()).unwrap();
        assert_eq!(ask(&mut connect(), b"set k 0 0 1\r\n1\r\nquit\r\n"), "STORED\r\n");
        assert_eq!(ask(&mut connect(), b"get k\r\nquit\r\n"), "VALUE k 0 1\r\n1\r\nEND\r\n");
        let mut idle = connect();
        idle.write_all(b"version\r\n").unwrap();
        let mut byte = [0];
        idle.read_exact(&mut byte).unwrap();
        let port = server.port().unwrap();
        server.stop();
        let mut rest = Vec::new();
        idle.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"ERSION 1.6.18\r\n");
        let refused = TcpStream::connect(("127.0.0.1", port)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_client_may_shut_it_down_where_that_is_enabled() {
        let mut server = Server::builder().shutdown_enabled(true).bind("127.0.0.1:0").unwrap();
        let mut other = TcpStream::connect(server.address()).unwrap();
        let mut stream = TcpStream::connect(server.address()).unwrap();
        assert_eq!(ask(&mut stream, b"shutdown\r\n"), "");
        server.wait();
        assert_eq!(ask(&mut other, b""), "");
        let server = Server::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let reply = ask(&mut stream, b"shutdown\r\nquit\r\n");
        assert_eq!(reply, "ERROR: shutdown not enabled\r\n");
    }

    #[test]
    fn a_large_value_comes_with_its_end() {
        let server = Server::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let value = "v".repeat(1_000_000);
        write!(stream, "set k 0 0 {}\r\n{value}\r\nget k k\r\n", value.len()).unwrap();
        let reply = format!("VALUE k 0 {}\r\n{value}\r\n", value.len());
        let expected = format!("STORED\r\n{reply}{reply}END\r\n");
        let mut got = vec![0; expected.len()];
        stream.read_exact(&mut got).unwrap();
        assert!(got == expected.as_bytes());
    }

    #[test]
    fn a_unix_socket_leaves_no_file() {
        let path = std::env::temp_dir().join(format!("memcache-{}.sock", std::process::id()));
        let address = format!("unix:{}", path.display());
        for _ in 0..2 {
            let server = Server::bind(&address).unwrap();
            assert_eq!(server.address(), address);
            let mut stream = UnixStream::connect(&path).unwrap();
            assert_eq!(ask(&mut stream, b"get k\r\nquit\r\n"), "END\r\n");
        }
        assert!(!path.exists());
    }

    /// A path that no other test has.
    fn path_of(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("memcache-{name}-{}.sock", std::process::id()))
    }

    #[test]
    fn a_socket_that_nobody_listens_on_is_replaced_and_nothing_else() {
        let path = path_of("stale");
        let address = format!("unix:{}", path.display());
        // Left behind as by a process that was killed.
        drop(UnixListener::bind(&path).unwrap());
        let server = Server::bind(&address).unwrap();
        let version = |path: &std::path::Path| {
            ask(&mut UnixStream::connect(path).unwrap(), b"version\r\nquit\r\n")
        };
        assert_eq!(version(&path), "VERSION 1.6.18\r\n");

        // That of a server that is there stays.
        let refused = Server::bind(&address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AddrInUse);
        assert_eq!(version(&path), "VERSION 1.6.18\r\n");
        drop(server);
        assert!(!path.exists());

        // Also where so many wait already that another connect would not return.
        let busy = UnixListener::bind(&path).unwrap();
        busy.set_nonblocking(true).unwrap();
        let waiting: Vec<_> = (0..10_000)
            .map_while(|_| {
                let socket = rustix::net::socket(
                    rustix::net::AddressFamily::UNIX,
                    rustix::net::SocketType::STREAM,
                    None,
                );
                let socket = socket.ok()?;
                rustix::io::ioctl_fionbio(&socket, true).unwrap();
                let to = rustix::net::SocketAddrUnix::new(&path).unwrap();
                rustix::net::connect(&socket, &to).is_ok().then_some(socket)
            })
            .collect();
        assert_eq!(Server::bind(&address).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop((waiting, busy));
        std::fs::remove_file(&path).unwrap();

        // Other files stay, too, and so do links to a socket that is gone.
        std::fs::write(&path, "precious").unwrap();
        assert_eq!(Server::bind(&address).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        std::fs::remove_file(&path).unwrap();
        let elsewhere = path_of("elsewhere");
        drop(UnixListener::bind(&elsewhere).unwrap());
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert_eq!(Server::bind(&address).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(elsewhere.exists() && path.exists());
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(&elsewhere).unwrap();
    }

    #[test]
    fn of_many_servers_at_a_stale_socket_one_has_it() {
        let path = path_of("race");
        let address = format!("unix:{}", path.display());
        for _ in 0..20 {
            drop(UnixListener::bind(&path).unwrap());
            let servers: Vec<_> = thread::scope(|scope| {
                let binds: Vec<_> =
                    (0..8).map(|_| scope.spawn(|| Server::bind(&address))).collect();
                binds.into_iter().filter_map(|bind| bind.join().unwrap().ok()).collect()
            });
            assert_eq!(servers.len(), 1);
            let mut stream = UnixStream::connect(&path).unwrap();
            assert_eq!(ask(&mut stream, b"get k\r\nquit\r\n"), "END\r\n");
            drop(servers);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_server_leaves_the_file_of_another_where_it_is() {
        let path = path_of("another");
        let address = format!("unix:{}", path.display());
        let first = Server::bind(&address).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = Server::bind(&address).unwrap();
        drop(first);
        let mut stream = UnixStream::connect(&path).unwrap();
        assert_eq!(ask(&mut stream, b"get k\r\nquit\r\n"), "END\r\n");
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn it_is_stopped_from_elsewhere_while_it_is_waited_for() {
        let mut server = Server::start().unwrap();
        let stopper = server.stopper();
        let stops = thread::spawn(move || stopper.stop());
        server.wait();
        stops.join().unwrap();
    }

    #[test]
    fn it_stops_though_its_file_is_gone() {
        let path = std::env::temp_dir().join(format!("memcache-gone-{}.sock", std::process::id()));
        let server = Server::bind(&format!("unix:{}", path.display())).unwrap();
        std::fs::remove_file(&path).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        thread::spawn(move || {
            drop(server);
            sender.send(()).unwrap();
        });
        receiver.recv_timeout(Duration::from_secs(5)).expect("stopped");
    }
}
