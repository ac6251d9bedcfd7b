//! A TLS connection that is lent its stream for each call.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use memcache_proto::routing::{Endpoint, ServerAddress};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::error::TlsError;
use crate::settings::{Tls, server_name};

/// The most bytes of the application in one TLS record.
const RECORD: usize = 16 << 10;

/// What is flushed at once and is no longer than this travels in one record: the read buffer of every memcached has
/// room for it.
const SHORT: usize = 2 << 10;

/// How many encrypted bytes are held before a write has to send some.
const HELD: usize = 64 << 10;

/// How many encrypted bytes one read takes from the stream.
const INBOUND: usize = 32 << 10;

/// Begins the TLS sessions of one client. They share what is needed to resume each other.
#[derive(Clone, Debug)]
pub struct Sessions {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    last_byte_alone: bool,
}

impl Sessions {
    /// With these settings.
    #[must_use]
    pub fn new(tls: &Tls) -> Self {
        Sessions {
            config: tls.rustls(),
            server_name: tls.server_name.clone(),
            last_byte_alone: !tls.joined_last_byte,
        }
    }

    /// A session with the server at this address, over a stream that has just been connected to it. Call
    /// [`Session::handshake`] next.
    ///
    /// # Errors
    ///
    /// With [`TlsError::NoServerName`] or [`TlsError::ServerName`] in it if the certificate cannot be compared
    /// with the address, and no other name has been set.
    pub fn begin(&self, address: &ServerAddress) -> io::Result<Session> {
        let name = match (&self.server_name, address.endpoint()) {
            (Some(name), _) => name.clone(),
            (None, Endpoint::Tcp { host, .. }) => server_name(host.into())?,
            (None, _) => {
                return Err(TlsError::NoServerName { address: address.to_string() }.into());
            }
        };
        let connection = ClientConnection::new(self.config.clone(), name);
        let mut connection = connection.map_err(TlsError::of_rustls)?;
        // `Session::write` sees to it that not much is held.
        connection.set_buffer_limit(None);
        Ok(Session {
            connection,
            inbound: Inbound::default(),
            outbound: Vec::new(),
            sent: 0,
            plain: Vec::new(),
            several: false,
            last_byte_alone: self.last_byte_alone,
        })
    }
}

/// When a handshake is given up that must have ended before `deadline`: a little earlier, so that the error that
/// says so is there in time.
#[must_use]
pub fn handshake_deadline(now: Instant, deadline: Instant) -> Instant {
    deadline - deadline.saturating_duration_since(now) / 16
}

/// The client's end of one TLS connection. It neither waits nor has a stream: each call is lent one.
///
/// Where the stream fails with [`ErrorKind::WouldBlock`], so does the call, and it can be made again later.
/// Every other error is final; if TLS is to blame, there is a [`TlsError`] in it.
#[derive(Debug)]
pub struct Session {
    connection: ClientConnection,
    /// Encrypted bytes that have come and not been looked at.
    inbound: Inbound,
    /// Encrypted bytes to send, of which the first `sent` have been.
    outbound: Vec<u8>,
    sent: usize,
    /// What was written last and not encrypted yet: the last record before a flush.
    plain: Vec<u8>,
    /// Whether there are other records since the last flush.
    several: bool,
    last_byte_alone: bool,
}

impl Session {
    /// Comes to an agreement with the server. Nothing can be read or written before.
    ///
    /// # Errors
    ///
    /// Those of the stream, or a [`TlsError`].
    pub fn handshake(&mut self, stream: &mut (impl Read + Write + ?Sized)) -> io::Result<()> {
        while self.connection.is_handshaking() {
            self.send(stream).map_err(closed)?;
            if self.receive(stream).map_err(closed)? == 0 {
                return Err(TlsError::Closed.into());
            }
            if let Err(error) = self.process() {
                // The server is told why, so that it can say so in its log.
                let _ = self.send(stream);
                return Err(TlsError::of_handshake(error).into());
            }
        }
        self.send(stream)
    }

    /// Takes bytes to send; how many, at least one if there is one. They are sent by [`flush`](Self::flush), or when
    /// there are many.
    ///
    /// # Errors
    ///
    /// Those of the stream, if something has to be sent to make room.
    pub fn write(
        &mut self,
        bytes: &[u8],
        stream: &mut (impl Read + Write + ?Sized),
    ) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.plain.len() == RECORD {
                if self.held() >= HELD {
                    match self.send(stream) {
                        Err(error) if rest.len() == bytes.len() => return Err(error),
                        // The next call has it.
                        Err(_) => break,
                        Ok(()) => {}
                    }
                }
                self.seal(RECORD)?;
                self.several = true;
            }
            let (taken, left) = rest.split_at(rest.len().min(RECORD - self.plain.len()));
            self.plain.extend_from_slice(taken);
            rest = left;
        }
        Ok(bytes.len() - rest.len())
    }

    /// Sends all that has been written. What has been written since the last flush must be a number of whole requests:
    /// otherwise memcached may leave requests unanswered ([`Tls::last_byte_alone`]).
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub fn flush(&mut self, stream: &mut (impl Read + Write + ?Sized)) -> io::Result<()> {
        // See `Tls::last_byte_alone`. A single short record is safe as well: what was flushed before has been a
        // number of whole requests, so memcached reads the record where a request begins, and reads all of it.
        let len = self.plain.len();
        if self.last_byte_alone && (self.several || len > SHORT) {
            self.seal(len.saturating_sub(1))?;
        }
        self.seal(self.plain.len())?;
        self.several = false;
        self.send(stream)?;
        stream.flush()
    }

    /// Reads bytes of the application; how many, 0 at the end. Reads from the stream at most once, and only if
    /// nothing is there before: with [`ErrorKind::WouldBlock`] more may be there already.
    ///
    /// # Errors
    ///
    /// Those of the stream, or a [`TlsError`].
    pub fn read(
        &mut self,
        buffer: &mut [u8],
        stream: &mut (impl Read + Write + ?Sized),
    ) -> io::Result<usize> {
        self.read_with(stream, |connection| connection.reader().read(buffer))
    }

    /// Reads as [`read`](Self::read) does, but appends the bytes to `buffer`, at most as many as its capacity
    /// holds.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_spare(
        &mut self,
        buffer: &mut Vec<u8>,
        stream: &mut (impl Read + Write + ?Sized),
    ) -> io::Result<usize> {
        let before = buffer.len();
        self.read_with(stream, |connection| {
            let mut reader = connection.reader();
            loop {
                let room = buffer.capacity() - buffer.len();
                let chunk = match reader.fill_buf() {
                    // The next read meets it again.
                    Err(_) if buffer.len() > before => break,
                    chunk => chunk?,
                };
                let len = chunk.len().min(room);
                if len == 0 {
                    break;
                }
                buffer.extend_from_slice(&chunk[..len]);
                reader.consume(len);
            }
            Ok(buffer.len() - before)
        })
    }

    fn read_with(
        &mut self,
        stream: &mut (impl Read + Write + ?Sized),
        mut read: impl FnMut(&mut ClientConnection) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut has_received = false;
        loop {
            let processed = self.process();
            // What came before an error counts.
            match read(&mut self.connection) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            processed.map_err(TlsError::of_rustls)?;
            if has_received {
                return Err(ErrorKind::WouldBlock.into());
            }
            // That the end is not announced, as TLS has it, does no harm: memcached's protocol tells whether an
            // answer is complete.
            if self.receive(stream)? == 0 {
                return Ok(0);
            }
            has_received = true;
        }
    }

    /// Whether the next read has something to say without the stream.
    pub fn has_buffered(&mut self) -> bool {
        let Ok(state) = self.process() else { return true };
        state.plaintext_bytes_to_read() > 0 || state.peer_has_closed()
    }

    /// Encrypts the first bytes of the record to be.
    fn seal(&mut self, len: usize) -> io::Result<()> {
        if len > 0 {
            self.connection.writer().write_all(&self.plain[..len])?;
            self.plain.drain(..len);
        }
        Ok(())
    }

    /// Sends what is encrypted.
    fn send(&mut self, stream: &mut (impl Read + Write + ?Sized)) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.outbound)?;
        }
        while self.sent < self.outbound.len() {
            match stream.write(&self.outbound[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => self.sent += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_wait(&error) => return Err(error),
                Err(error) => return Err(self.last_words(stream).unwrap_or(error)),
            }
        }
        self.outbound.clear();
        self.sent = 0;
        Ok(())
    }

    /// Why the server has closed the connection, if it has said so: that it wants another certificate, for instance.
    fn last_words(&mut self, stream: &mut (impl Read + Write + ?Sized)) -> Option<io::Error> {
        let _ = self.receive(stream).ok()?;
        self.process().err().map(|error| TlsError::of_rustls(error).into())
    }

    /// How many bytes are encrypted and not sent.
    fn held(&self) -> usize {
        self.outbound.len() - self.sent
    }

    /// Reads once from the stream, unless something is there; 0 is its end.
    fn receive(&mut self, stream: &mut (impl Read + ?Sized)) -> io::Result<usize> {
        self.inbound.fill(stream)
    }

    /// Decrypts what has come.
    fn process(&mut self) -> Result<rustls::IoState, rustls::Error> {
        let mut state = self.connection.process_new_packets()?;
        while !self.inbound.is_empty() && self.connection.wants_read() {
            let read = self.connection.read_tls(&mut self.inbound);
            // Memory can always be read, so this is about what has come.
            read.map_err(|error| rustls::Error::General(error.to_string()))?;
            state = self.connection.process_new_packets()?;
        }
        Ok(state)
    }
}

/// What the end of a stream says during a handshake.
fn closed(error: io::Error) -> io::Error {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    match error.kind() {
        BrokenPipe | ConnectionAborted | ConnectionReset => TlsError::Closed.into(),
        _ => error,
    }
}

/// Whether a call that failed so can be made again.
fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// What has been read from a stream, and not been handed on.
#[derive(Debug, Default)]
struct Inbound {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

impl Inbound {
    fn is_empty(&self) -> bool {
        self.from == self.to
    }

    fn fill(&mut self, stream: &mut (impl Read + ?Sized)) -> io::Result<usize> {
        if self.is_empty() {
            self.bytes.resize(INBOUND, 0);
            (self.from, self.to) = (0, 0);
            self.to = stream.read(&mut self.bytes)?;
        }
        Ok(self.to - self.from)
    }
}

impl Read for Inbound {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = (&self.bytes[self.from..self.to]).read(buffer)?;
        self.from += len;
        Ok(len)
    }
}
