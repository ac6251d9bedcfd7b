use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use memcache_proto::routing::{Endpoint, Family, ServerAddress};

/// Makes the streams that a [`Client`](crate::Client) speaks over. [`Sockets`] is the one in use unless
/// [`Builder::connector`](crate::Builder::connector) brings another: one that speaks TLS, goes through
/// a proxy, or counts.
pub trait Connector: Send + Sync + 'static {
    /// Connects to `address`, before `deadline` if it can be helped; past it nobody waits for the
    /// result. May be called from several threads at once.
    ///
    /// # Errors
    ///
    /// Whatever kept it from connecting; the operation's [`Error`](crate::Error) carries it.
    fn connect(&self, address: &ServerAddress, deadline: Instant) -> io::Result<Box<dyn Stream>>;
}

/// A stream of bytes to a server that can be read, written and waited for.
pub trait Stream: Read + Write + Send {
    /// What to wait on until the stream can be read or written.
    fn as_fd(&self) -> BorrowedFd<'_>;

    /// Whether reads and writes that cannot go on are to fail with [`io::ErrorKind::WouldBlock`].
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()>;

    /// How long a read or a write that blocks may take before it fails with
    /// [`io::ErrorKind::WouldBlock`] or [`io::ErrorKind::TimedOut`].
    ///
    /// # Errors
    ///
    /// Those of the system.
    fn set_timeout(&self, timeout: Duration) -> io::Result<()>;

    /// Whether bytes have been received that waiting on [`as_fd`](Self::as_fd) would not tell of, as a
    /// stream that decrypts may hold.
    fn has_buffered(&self) -> bool {
        false
    }
}

/// TCP without delay, and Unix sockets. A name is resolved at each connect, and every address it has
/// is tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sockets;

impl Connector for Sockets {
    fn connect(&self, address: &ServerAddress, deadline: Instant) -> io::Result<Box<dyn Stream>> {
        match address.endpoint() {
            Endpoint::Unix { path } => Ok(Box::new(UnixStream::connect(path)?)),
            Endpoint::Tcp { host, port, family } => {
                let stream = connect_any((host, port).to_socket_addrs()?, family, deadline)?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "an unknown kind of address")),
        }
    }
}

fn connect_any(
    addresses: impl Iterator<Item = SocketAddr>,
    family: Family,
    deadline: Instant,
) -> io::Result<TcpStream> {
    let mut addresses: Vec<_> = addresses.filter(|address| family.admits(address.ip())).collect();
    addresses.dedup();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no suitable address");
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        // An address that does not answer leaves the others their share of the time.
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        left -= 1;
        if share.is_zero() {
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        match TcpStream::connect_timeout(&address, share) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

memcache_proto::__connect_failure!();

macro_rules! stream {
    ($($socket:ty),*) => {$(
        impl Stream for $socket {
            fn as_fd(&self) -> BorrowedFd<'_> {
                AsFd::as_fd(self)
            }

            fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
                self.set_nonblocking(nonblocking)
            }

            fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
                self.set_read_timeout(Some(timeout))?;
                self.set_write_timeout(Some(timeout))
            }
        }
    )*};
}

stream!(TcpStream, UnixStream);
