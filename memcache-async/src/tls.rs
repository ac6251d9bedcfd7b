//! TLS around the streams of any runtime.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_io::{AsyncRead, AsyncWrite};
use memcache_proto::routing::ServerAddress;
use memcache_tls::{Session, Sessions, Tls, TlsError, handshake_deadline};

use crate::exchange::READS;
use crate::runtime::{AnyRuntime, BoxFuture, Connected, Stream, before, but_for_connect};
use crate::spare::{ReadSpare, WithSpare};

/// The runtime, with TLS if there are settings for it.
pub(crate) fn secured(runtime: Arc<dyn AnyRuntime>, tls: Option<&Tls>) -> Arc<dyn AnyRuntime> {
    match tls {
        Some(tls) => Arc::new(Secured { runtime, sessions: Sessions::new(tls) }),
        None => runtime,
    }
}

/// A runtime that agrees on TLS after it has connected.
struct Secured {
    runtime: Arc<dyn AnyRuntime>,
    sessions: Sessions,
}

impl Secured {
    async fn secure(&self, address: &ServerAddress, deadline: Instant) -> io::Result<Connected> {
        let mut session = self.sessions.begin(address)?;
        let connected = self.runtime.clone().connect(address.clone(), deadline).await?;
        let mut stream = connected.stream;
        let until = handshake_deadline(self.runtime.now(), deadline);
        let handshake =
            poll_fn(|cx| Polled::new(&mut stream, cx).call(|stream| session.handshake(stream)));
        let late = pin!(self.runtime.clone().sleep_until(until));
        before(handshake, late).await.unwrap_or(Err(TlsError::TimedOut.into()))?;
        let stream = Box::new(WithSpare::new(Encrypted { stream, session }));
        Ok(Connected { stream, ..connected })
    }
}

impl AnyRuntime for Secured {
    fn connect(
        self: Arc<Self>,
        address: ServerAddress,
        deadline: Instant,
    ) -> BoxFuture<io::Result<Connected>> {
        Box::pin(async move { self.secure(&address, deadline).await })
    }

    but_for_connect!();
}

/// A stream whose bytes are encrypted on their way.
struct Encrypted {
    stream: Box<dyn Stream>,
    session: Session,
}

impl Encrypted {
    /// Reads until something has come, or the stream waits.
    fn poll_read_with(
        &mut self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&mut Session, &mut Polled<'_, '_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let mut stream = Polled::new(&mut self.stream, cx);
        for _ in 0..READS {
            match read(&mut self.session, &mut stream) {
                // There may be more behind what has come: half a record, or a message of TLS itself.
                Err(error) if is_wait(&error) && !stream.is_pending => {}
                read => return stream.result(read),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl ReadSpare for Encrypted {
    fn poll_read_spare(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        self.poll_read_with(cx, |session, stream| session.read_spare(buffer, stream))
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_read_with(cx, |session, stream| session.read(buffer, stream))
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Encrypted { stream, session } = &mut *self;
        Polled::new(stream, cx).call(|stream| session.write(bytes, stream))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Encrypted { stream, session } = &mut *self;
        Polled::new(stream, cx).call(|stream| session.flush(stream))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// A stream that is polled in one call, as one of `std` that does not block.
struct Polled<'a, 'cx> {
    stream: &'a mut Box<dyn Stream>,
    cx: &'a mut Context<'cx>,
    /// Whether the stream will wake the task.
    is_pending: bool,
}

impl<'a, 'cx> Polled<'a, 'cx> {
    fn new(stream: &'a mut Box<dyn Stream>, cx: &'a mut Context<'cx>) -> Self {
        Polled { stream, cx, is_pending: false }
    }

    fn call<T>(mut self, call: impl FnOnce(&mut Self) -> io::Result<T>) -> Poll<io::Result<T>> {
        let result = call(&mut self);
        self.result(result)
    }

    fn result<T>(&self, result: io::Result<T>) -> Poll<io::Result<T>> {
        match result {
            Err(error) if self.is_pending && is_wait(&error) => Poll::Pending,
            result => Poll::Ready(result),
        }
    }

    fn wait<T>(&mut self, polled: Poll<io::Result<T>>) -> io::Result<T> {
        self.is_pending = polled.is_pending();
        match polled {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Read for Polled<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let polled = Pin::new(&mut *self.stream).poll_read(self.cx, buffer);
        self.wait(polled)
    }
}

impl Write for Polled<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let polled = Pin::new(&mut *self.stream).poll_write(self.cx, bytes);
        self.wait(polled)
    }

    fn flush(&mut self) -> io::Result<()> {
        let polled = Pin::new(&mut *self.stream).poll_flush(self.cx);
        self.wait(polled)
    }
}

fn is_wait(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
