use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use memcache_async::{Runtime, ServerAddress, Spawn};
use memcache_sync::{Connector, Sockets};
use smol::io::{AsyncRead, AsyncWrite};

/// What a stream takes from its socket at once.
const CHUNK: usize = 16 << 10;

/// How much a [`Buffered`] stream holds, and how it goes on.
#[derive(Clone, Copy, Debug)]
pub struct Buffering {
    /// The most that it holds of what it was given to write. It then sends to make room.
    pub held: usize,
    /// The most that one flush sends. A flush of more would block.
    pub flushed: usize,
    /// The most that one read hands out of what has been received.
    pub read: usize,
    /// Whether a read has to flush first, and fails where that would block, as TLS may have it.
    pub read_flushes: bool,
}

impl Buffering {
    /// Holds all that it can, and hands out all that it has.
    pub const WHOLE: Buffering =
        Buffering { held: usize::MAX, flushed: usize::MAX, read: usize::MAX, read_flushes: false };
}

/// A stream that holds bytes back in both directions. What it wraps is a stream of either client.
#[derive(Debug)]
pub struct Buffered<S> {
    stream: S,
    buffering: Buffering,
    /// Written and not sent.
    out: VecDeque<u8>,
    /// Received and not handed out.
    received: VecDeque<u8>,
}

impl<S> Buffered<S> {
    /// Holds back what goes to and comes from `stream`.
    pub fn new(stream: S, buffering: Buffering) -> Self {
        Buffered { stream, buffering, out: VecDeque::new(), received: VecDeque::new() }
    }

    /// Takes what fits. The rest has to wait for something to be sent.
    fn hold(&mut self, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.buffering.held - self.out.len());
        self.out.extend(&bytes[..len]);
        len
    }

    fn hand_out(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let len = space.len().min(self.buffering.read);
        self.received.read(&mut space[..len])
    }

    fn is_full(&self) -> bool {
        self.out.len() == self.buffering.held
    }
}

fn sent(len: usize) -> io::Result<usize> {
    if len == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(len) }
}

impl<S: Write> Buffered<S> {
    fn send(&mut self, most: usize) -> io::Result<usize> {
        let (bytes, _) = self.out.as_slices();
        let len = sent(self.stream.write(&bytes[..bytes.len().min(most)])?)?;
        self.out.drain(..len);
        Ok(len)
    }
}

impl<S: Read + Write> Read for Buffered<S> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.buffering.read_flushes {
            self.flush()?;
        }
        if self.received.is_empty() {
            let mut chunk = [0; CHUNK];
            let len = self.stream.read(&mut chunk)?;
            self.received.extend(&chunk[..len]);
        }
        self.hand_out(space)
    }
}

impl<S: Write> Write for Buffered<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_full() {
            self.send(usize::MAX)?;
        }
        Ok(self.hold(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut left = self.buffering.flushed;
        while !self.out.is_empty() {
            if left == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            left -= self.send(left)?;
        }
        self.stream.flush()
    }
}

impl<S: AsFd> AsFd for Buffered<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl memcache_sync::Stream for Buffered<Box<dyn memcache_sync::Stream>> {
    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.stream.set_nonblocking(nonblocking)
    }

    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.stream.set_timeout(timeout)
    }

    fn has_buffered(&mut self) -> bool {
        !self.received.is_empty()
    }
}

impl<S: AsyncWrite + Unpin> Buffered<S> {
    fn poll_send(&mut self, most: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let (bytes, _) = self.out.as_slices();
        let bytes = &bytes[..bytes.len().min(most)];
        let len = sent(ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?)?;
        self.out.drain(..len);
        Poll::Ready(Ok(len))
    }

    fn poll_send_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut left = self.buffering.flushed;
        while !self.out.is_empty() {
            if left == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            left -= ready!(self.poll_send(left, cx))?;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Buffered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.buffering.read_flushes {
            ready!(self.poll_send_all(cx))?;
        }
        if self.received.is_empty() {
            let mut chunk = [0; CHUNK];
            let len = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut chunk))?;
            self.received.extend(&chunk[..len]);
        }
        Poll::Ready(self.hand_out(space))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Buffered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_full() {
            ready!(self.poll_send(usize::MAX, cx))?;
        }
        Poll::Ready(Ok(self.hold(bytes)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send_all(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

impl Connector for Buffering {
    fn connect(
        &self,
        address: &ServerAddress,
        deadline: Instant,
    ) -> io::Result<Box<dyn memcache_sync::Stream>> {
        Ok(Box::new(Buffered::new(Sockets.connect(address, deadline)?, *self)))
    }
}

/// A runtime whose streams hold bytes back.
#[derive(Clone, Debug)]
pub struct WithBuffers<R>(pub R, pub Buffering);

impl<R: Runtime> Runtime for WithBuffers<R> {
    async fn connect(
        &self,
        address: &ServerAddress,
        deadline: Instant,
    ) -> io::Result<Box<dyn memcache_async::Stream>> {
        Ok(Box::new(Buffered::new(self.0.connect(address, deadline).await?, self.1)))
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send {
        self.0.sleep_until(deadline)
    }

    fn now(&self) -> Instant {
        self.0.now()
    }
}

impl<R: Spawn> Spawn for WithBuffers<R> {
    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(driver);
    }
}
