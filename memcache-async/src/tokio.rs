use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_io::{AsyncRead, AsyncWrite};
use memcache_proto::routing::{Endpoint, ServerAddress};
use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, recv};
use tokio::io::{Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::runtime::Handle;
use tokio::time;

use crate::runtime::{Runtime, Spawn, Stream, connect_any};
use crate::spare::{ReadSpare, WithSpare};

/// The runtime of tokio: its sockets, its timers, its tasks.
///
/// A client on it may be used from any thread and under any executor: what is tokio's of it runs where the
/// handle belongs to. The runtime has to have its IO and its timers enabled
/// ([`enable_all`](tokio::runtime::Builder::enable_all)). When it shuts down, calls fail.
///
/// ```
/// use memcache_async::{Builder, Tokio};
///
/// let runtime = tokio::runtime::Runtime::new()?;
/// let client = Builder::new(Tokio::on(runtime.handle())).server("10.0.0.1").build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tokio {
    handle: Handle,
}

impl Tokio {
    /// The runtime that this is called in.
    ///
    /// # Panics
    ///
    /// Panics if there is none: use [`on`](Self::on) there.
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        Tokio { handle: Handle::current() }
    }

    /// The runtime of this handle.
    #[must_use]
    pub fn on(handle: &Handle) -> Self {
        Tokio { handle: handle.clone() }
    }

    /// Polls a future within the runtime, whichever thread does.
    async fn inside<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let _inside = self.handle.enter();
            future.as_mut().poll(cx)
        })
        .await
    }
}

impl Runtime for Tokio {
    async fn connect(
        &self,
        address: &ServerAddress,
        deadline: Instant,
    ) -> io::Result<Box<dyn Stream>> {
        self.inside(async {
            match address.endpoint() {
                Endpoint::Unix { path } => Ok(Socket::boxed(UnixStream::connect(path).await?)),
                Endpoint::Tcp { host, port, .. } => {
                    let addresses = lookup_host((host, port)).await?;
                    let connect = TcpStream::connect;
                    let stream = connect_any(self, address, addresses, deadline, connect).await?;
                    stream.set_nodelay(true)?;
                    Ok(Socket::boxed(stream))
                }
                _ => Err(io::Error::new(io::ErrorKind::Unsupported, "an unknown kind of address")),
            }
        })
        .await
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.inside(async { Ok(lookup_host((host, port)).await?.collect()) }).await
    }

    async fn sleep_until(&self, deadline: Instant) {
        // Made within the runtime, too.
        self.inside(async { time::sleep_until(deadline.into()).await }).await;
    }

    /// The clock that tokio sleeps by, which a test may have paused.
    fn now(&self) -> Instant {
        time::Instant::now().into_std()
    }
}

impl Spawn for Tokio {
    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(driver);
    }
}

/// A socket of tokio, with the traits of `futures-io`.
struct Socket<S>(S);

impl<S> Socket<S> {
    fn boxed(stream: S) -> Box<dyn Stream>
    where
        Self: ReadSpare,
    {
        Box::new(WithSpare::new(Socket(stream)))
    }
}

impl<S: tokio::io::AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl<S: tokio::io::AsyncWrite + Unpin> AsyncWrite for Socket<S> {
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
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

macro_rules! read_spare {
    ($($stream:ty),*) => {$(
        impl ReadSpare for Socket<$stream> {
            fn poll_read_spare(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut Vec<u8>,
            ) -> Poll<io::Result<usize>> {
                let stream = &self.0;
                loop {
                    ready!(stream.poll_read_ready(cx))?;
                    let read = stream.try_io(Interest::READABLE, || {
                        Ok(recv(stream, spare_capacity(buffer), RecvFlags::empty())?.0)
                    });
                    match read {
                        // It was ready once, and is not any more.
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        read => return Poll::Ready(read),
                    }
                }
            }
        }
    )*};
}
read_spare!(TcpStream, UnixStream);
