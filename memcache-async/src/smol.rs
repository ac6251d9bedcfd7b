use std::future::Future;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_io::{AsyncRead, AsyncWrite};
use memcache_proto::routing::{Endpoint, ServerAddress};
use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, recv};
use smol::{Async, Executor, Timer};

use crate::runtime::{Runtime, Spawn, Stream, connect_any};
use crate::spare::{ReadSpare, WithSpare};

/// The runtime of `smol`: its sockets, its timers, and its global executor or one of yours.
///
/// Sockets and timers of smol work under any executor, so this is also for those that have one and no
/// reactor.
#[derive(Clone, Debug, Default)]
pub struct Smol {
    /// Weak, because the executor's own tasks may hold clients, which hold this.
    executor: Option<Weak<Executor<'static>>>,
}

impl Smol {
    /// With the global executor, that of `smol::spawn`.
    #[must_use]
    pub fn new() -> Self {
        Smol { executor: None }
    }

    /// With this executor, which somebody must keep and run. Calls fail once it is dropped.
    #[must_use]
    pub fn on(executor: &Arc<Executor<'static>>) -> Self {
        Smol { executor: Some(Arc::downgrade(executor)) }
    }
}

impl Runtime for Smol {
    async fn connect(
        &self,
        address: &ServerAddress,
        deadline: Instant,
    ) -> io::Result<Box<dyn Stream>> {
        match address.endpoint() {
            Endpoint::Unix { path } => Ok(Socket::boxed(Async::<UnixStream>::connect(path).await?)),
            Endpoint::Tcp { host, port, .. } => {
                let addresses = smol::net::resolve((host, port)).await?;
                let connect = Async::<TcpStream>::connect;
                let stream = connect_any(self, address, addresses, deadline, connect).await?;
                stream.get_ref().set_nodelay(true)?;
                Ok(Socket::boxed(stream))
            }
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "an unknown kind of address")),
        }
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        smol::net::resolve((host, port)).await
    }

    async fn sleep_until(&self, deadline: Instant) {
        Timer::at(deadline).await;
    }
}

impl Spawn for Smol {
    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) {
        match &self.executor {
            Some(executor) => {
                // Where there is none any more the driver is dropped, and its connection fails.
                if let Some(executor) = executor.upgrade() {
                    executor.spawn(driver).detach();
                }
            }
            None => smol::spawn(driver).detach(),
        }
    }
}

/// A socket of smol that is read once before it is waited for, and once after. [`Async`] remembers the
/// event that ended the last wait and reads once more for it, which a lone call would feel.
struct Socket<T>(Async<T>);

impl<T> Socket<T> {
    fn boxed(stream: Async<T>) -> Box<dyn Stream>
    where
        Self: ReadSpare,
    {
        Box::new(WithSpare::new(Socket(stream)))
    }

    /// Reads when there is something to read.
    fn poll_read_with(
        &self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match read(self.0.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
            // Whatever is ready here was before that read. Asked again it waits, and wakes at once
            // where something has come meanwhile.
            ready!(self.0.poll_readable(cx))?;
            ready!(self.0.poll_readable(cx))?;
        }
    }
}

impl<T> ReadSpare for Socket<T>
where
    T: AsFd + Send + 'static,
    Async<T>: AsyncWrite + Send + Unpin,
    for<'a> &'a T: Read,
{
    fn poll_read_spare(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        self.poll_read_with(cx, |stream| {
            let read = recv(stream, spare_capacity(buffer), RecvFlags::empty());
            Ok(read.map(|(len, _)| len)?)
        })
    }

    /// The reactor is not asked: for each wait it is told what to watch, and its thread may run when the reply comes.
    fn poll_read_now(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.0.get_ref().read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            result => Poll::Ready(result),
        }
    }
}

impl<T> AsyncRead for Socket<T>
where
    Async<T>: Unpin,
    for<'a> &'a T: Read,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_read_with(cx, |mut stream| stream.read(buffer))
    }
}

impl<T> AsyncWrite for Socket<T>
where
    Async<T>: AsyncWrite + Unpin,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}
