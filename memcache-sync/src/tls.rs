//! TLS around the streams of a connector.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use memcache_proto::routing::ServerAddress;
use memcache_tls::{Session, Sessions, Tls, TlsError, handshake_deadline};

use crate::connector::{Connector, Stream};

/// Connects as another connector does, and then agrees on TLS.
pub(crate) struct WithTls {
    connector: Arc<dyn Connector>,
    sessions: Sessions,
}

impl WithTls {
    pub(crate) fn new(connector: Arc<dyn Connector>, tls: &Tls) -> Self {
        WithTls { connector, sessions: Sessions::new(tls) }
    }
}

impl Connector for WithTls {
    fn connect(&self, address: &ServerAddress, deadline: Instant) -> io::Result<Box<dyn Stream>> {
        let mut session = self.sessions.begin(address)?;
        let mut stream = self.connector.connect(address, deadline)?;
        let deadline = handshake_deadline(Instant::now(), deadline);
        session.handshake(&mut Until { stream: &mut *stream, deadline })?;
        Ok(Box::new(Encrypted { stream, session }))
    }
}

/// A stream that blocks until a deadline.
struct Until<'a> {
    stream: &'a mut dyn Stream,
    deadline: Instant,
}

impl Until<'_> {
    /// Calls the stream with what time is left.
    fn call<T>(&mut self, call: impl FnOnce(&mut dyn Stream) -> io::Result<T>) -> io::Result<T> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(TlsError::TimedOut.into());
        }
        self.stream.set_timeout(left)?;
        call(self.stream).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => TlsError::TimedOut.into(),
            _ => error,
        })
    }
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call(|stream| stream.read(buffer))
    }
}

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.call(|stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.call(|stream| stream.flush())
    }
}

/// A stream whose bytes are encrypted on their way.
struct Encrypted {
    stream: Box<dyn Stream>,
    session: Session,
}

impl Read for Encrypted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.session.read(buffer, &mut *self.stream)
    }
}

impl Write for Encrypted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.session.write(bytes, &mut *self.stream)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.session.flush(&mut *self.stream)
    }
}

impl AsFd for Encrypted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Stream for Encrypted {
    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.stream.set_nonblocking(nonblocking)
    }

    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.stream.set_timeout(timeout)
    }

    fn has_buffered(&mut self) -> bool {
        self.session.has_buffered() || self.stream.has_buffered()
    }

    fn read_spare(&mut self, buffer: &mut Vec<u8>) -> Option<io::Result<usize>> {
        Some(self.session.read_spare(buffer, &mut *self.stream))
    }
}
