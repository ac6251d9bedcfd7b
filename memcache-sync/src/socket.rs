//! A stream of a session, and what it has to do.

use std::io;
use std::os::fd::AsFd;

use memcache_proto::client::ConnectionId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::connector::Stream;

pub(crate) struct Socket {
    pub(crate) id: ConnectionId,
    stream: Box<dyn Stream>,
    nonblocking: bool,
    /// Whether there is something to write.
    pub(crate) transmit: bool,
    /// Whether a reply is awaited.
    pub(crate) receive: bool,
    /// Whether the stream may hold some of what it was given to write.
    pub(crate) unflushed: bool,
    /// Whether the stream would not read though there was something: it may have to write first.
    pub(crate) refused: bool,
    /// Whether the stream reads to the spare room of a `Vec`, as far as is known.
    pub(crate) reads_spare: bool,
}

impl Socket {
    pub(crate) fn new(id: ConnectionId, stream: Box<dyn Stream>) -> Self {
        Socket {
            id,
            stream,
            nonblocking: false,
            transmit: false,
            receive: false,
            unflushed: false,
            refused: false,
            reads_spare: true,
        }
    }

    /// The same for another connection.
    pub(crate) fn handed_to(self, id: ConnectionId) -> Self {
        Socket { id, ..self }
    }

    /// Whether it has anything to do.
    pub(crate) fn is_active(&self) -> bool {
        self.transmit || self.receive || self.unflushed
    }

    /// Writes once. How many bytes the stream took: at least one, if there is one.
    pub(crate) fn write(&mut self, bytes: &[u8], nonblocking: bool) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.set_nonblocking(nonblocking)?;
        let len = self.stream.write(bytes)?;
        if len == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.unflushed = true;
        Ok(len)
    }

    /// Has the stream send what it holds.
    pub(crate) fn flush(&mut self, nonblocking: bool) -> io::Result<()> {
        self.set_nonblocking(nonblocking)?;
        self.stream.flush()?;
        (self.unflushed, self.refused) = (false, false);
        Ok(())
    }

    /// Reads once.
    pub(crate) fn read(&mut self, space: &mut [u8], nonblocking: bool) -> io::Result<usize> {
        self.set_nonblocking(nonblocking)?;
        self.stream.read(space)
    }

    /// Reads once, to the spare room of a `Vec`. `None` if the stream cannot.
    pub(crate) fn read_spare(
        &mut self,
        spare: &mut Vec<u8>,
        nonblocking: bool,
    ) -> Option<io::Result<usize>> {
        if let Err(error) = self.set_nonblocking(nonblocking) {
            return Some(Err(error));
        }
        let read = self.stream.read_spare(spare);
        self.reads_spare = read.is_some();
        read
    }

    /// Whether something can be read that the socket does not tell of.
    pub(crate) fn has_buffered(&mut self) -> bool {
        !self.refused && self.stream.has_buffered()
    }

    /// Whether anything has come that can be read, or may have.
    pub(crate) fn has_come(&mut self) -> bool {
        let mut wait = [PollFd::from_borrowed_fd(self.stream.as_fd(), PollFlags::IN)];
        // What is not known is tried.
        poll(&mut wait, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) != Ok(0) || self.has_buffered()
    }

    /// What to wait for.
    pub(crate) fn interest(&self) -> PollFd<'_> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, !self.refused);
        flags.set(PollFlags::OUT, self.transmit || self.unflushed);
        PollFd::from_borrowed_fd(self.stream.as_fd(), flags)
    }

    fn set_nonblocking(&mut self, nonblocking: bool) -> io::Result<()> {
        if self.nonblocking != nonblocking {
            self.stream.set_nonblocking(nonblocking)?;
            self.nonblocking = nonblocking;
        }
        Ok(())
    }
}
