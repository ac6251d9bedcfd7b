use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use memcache_proto::routing::{Endpoint, Family, ServerAddress};
use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, recv};

/// Makes the streams that a [`Client`](crate::Client) speaks over. [`Sockets`] is the one in use unless
/// [`Builder::connector`](crate::Builder::connector) brings another: one that goes through a proxy, or
/// counts. [`Stream`] has an example. For TLS there is the feature `tls`, which works over any connector.
pub trait Connector: Send + Sync + 'static {
    /// Connects to `address`, before `deadline` if it can be helped; past it nobody waits for the
    /// result. May be called from several threads at once.
    ///
    /// # Errors
    ///
    /// Whatever kept it from connecting; the operation's [`Error`](crate::Error) carries it.
    fn connect(&self, address: &ServerAddress, deadline: Instant) -> io::Result<Box<dyn Stream>>;
}

/// A stream of bytes to a server: a socket, or something of yours around one, such as TLS.
///
/// The client waits on the socket with `poll(2)`, which knows nothing of what a stream holds back. So a
/// stream that holds bytes of its own has to keep these rules:
///
/// * `write` may keep what it takes. The client calls `flush` when it has written all that there is to
///   write for now. `flush` sends what is held; where the socket takes no more for now it fails with
///   [`io::ErrorKind::WouldBlock`], keeps the rest, and is called again once the socket can be written
///   to. The same goes for a `write` that has to send what it holds before it can take more.
/// * `read` may take more from the socket than it hands out. What it still holds is told by
///   [`has_buffered`](Self::has_buffered).
/// * `read` may have to write first. Where it cannot, it fails with [`io::ErrorKind::WouldBlock`]; the
///   client then calls `flush` and waits until the socket can be written to, too.
/// * A `read` of 0 bytes is the end of the stream. A `write` of 0 bytes is an error.
///
/// A stream that negotiates, as TLS does, does so in [`Connector::connect`], where the deadline is known
/// and the socket still blocks. A stream is closed by dropping it; it is not flushed before.
///
/// # Examples
///
/// A stream that reads and writes through buffers. It sends less often, and it shows what TLS needs.
///
/// ```
/// use std::io::{self, BufReader, BufWriter, Read, Write};
/// use std::net::TcpStream;
/// use std::os::fd::{AsFd, BorrowedFd};
/// use std::time::{Duration, Instant};
///
/// use memcache_sync::{Client, Connector, Expiry, ServerAddress, Sockets, Stream};
///
/// /// Reads through its own buffer, and writes through that of the writer in it.
/// struct Buffered(BufReader<Writer>);
///
/// /// A `BufWriter` that can be read past its buffer.
/// struct Writer(BufWriter<Box<dyn Stream>>);
///
/// impl Read for Writer {
///     fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
///         self.0.get_mut().read(buffer)
///     }
/// }
///
/// impl Read for Buffered {
///     fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
///         self.0.read(buffer)
///     }
/// }
///
/// impl Write for Buffered {
///     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
///         self.0.get_mut().0.write(bytes)
///     }
///
///     fn flush(&mut self) -> io::Result<()> {
///         self.0.get_mut().0.flush()
///     }
/// }
///
/// impl Buffered {
///     fn socket(&self) -> &dyn Stream {
///         &**self.0.get_ref().0.get_ref()
///     }
/// }
///
/// // The socket is what is waited for, and what the settings go to.
/// impl AsFd for Buffered {
///     fn as_fd(&self) -> BorrowedFd<'_> {
///         self.socket().as_fd()
///     }
/// }
///
/// impl Stream for Buffered {
///     fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
///         self.socket().set_nonblocking(nonblocking)
///     }
///
///     fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
///         self.socket().set_timeout(timeout)
///     }
///
///     fn has_buffered(&mut self) -> bool {
///         !self.0.buffer().is_empty()
///     }
/// }
///
/// /// Connects as the client does by itself, and puts the buffers around the socket.
/// struct WithBuffers;
///
/// impl Connector for WithBuffers {
///     fn connect(&self, address: &ServerAddress, deadline: Instant) -> io::Result<Box<dyn Stream>> {
///         let socket = Sockets.connect(address, deadline)?;
///         Ok(Box::new(Buffered(BufReader::new(Writer(BufWriter::new(socket))))))
///     }
/// }
///
/// # let server = memcache_sync::server::Server::start()?;
/// # let address = server.address();
/// let client = Client::builder().server(address).connector(WithBuffers).build()?;
/// client.set("greeting", "hello", Expiry::Never)?;
/// assert_eq!(client.get::<String>("greeting")?.as_deref(), Some("hello"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// TLS comes with the feature `tls`: `Builder::tls`. With another library it is done in the same way. By the
/// `StreamOwned<ClientConnection, Box<dyn Stream>>` of the crate `rustls`, for instance:
///
/// | what | is |
/// |---|---|
/// | `read`, `write`, `flush` | those of the `StreamOwned` |
/// | `as_fd`, `set_nonblocking`, `set_timeout` | those of its `sock` |
/// | `has_buffered` | `conn.process_new_packets().is_ok_and(\|state\| state.plaintext_bytes_to_read() > 0)` |
/// | `connect` | [`Sockets`]'s, then `set_timeout` with what is left until the deadline, then `conn.complete_io(&mut sock)`, which is the handshake |
pub trait Stream: Read + Write + AsFd + Send {
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

    /// Whether the next `read` returns at once though nothing comes from the socket: the stream holds
    /// bytes that it has received and not handed out. Default: no, which is right for a stream that
    /// holds nothing back.
    ///
    /// Say yes only for bytes that `read` can hand out: half a record of TLS is not enough. The client
    /// asks before it waits, so a stream may use the call to look at what it holds, to decrypt it for
    /// instance, but not to wait for more.
    fn has_buffered(&mut self) -> bool {
        false
    }

    /// Reads as `read` does, but appends the bytes to `buffer`, at most as many as its capacity holds.
    /// Returns how many, or `None` if the stream cannot do that. Default: `None`; the client then calls
    /// `read` from now on.
    ///
    /// Large values are received so: in few reads, and in memory that is not zeroed first. A stream that
    /// holds nothing back and is read from a descriptor can call `rustix::io::read` with
    /// `rustix::buffer::spare_capacity`.
    fn read_spare(&mut self, buffer: &mut Vec<u8>) -> Option<io::Result<usize>> {
        let _ = buffer;
        None
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
            fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
                self.set_nonblocking(nonblocking)
            }

            fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
                self.set_read_timeout(Some(timeout))?;
                self.set_write_timeout(Some(timeout))
            }

            fn read_spare(&mut self, buffer: &mut Vec<u8>) -> Option<io::Result<usize>> {
                let read = recv(self, spare_capacity(buffer), RecvFlags::empty());
                Some(read.map(|(len, _)| len).map_err(io::Error::from))
            }
        }
    )*};
}

stream!(TcpStream, UnixStream);
