use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_std::net::{TcpStream, ToSocketAddrs};
use async_std::os::unix::net::UnixStream;
use async_std::task;
use futures_io::AsyncRead;
use memcache_proto::routing::{Endpoint, ServerAddress};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::runtime::{Runtime, Spawn, Stream, connect_any};
use crate::spare::{ReadSpare, WithSpare};

/// The runtime of `async-std`, for what still runs on it: it is no longer maintained.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncStd;

impl Runtime for AsyncStd {
    async fn connect(
        &self,
        address: &ServerAddress,
        deadline: Instant,
    ) -> io::Result<Box<dyn Stream>> {
        match address.endpoint() {
            Endpoint::Unix { path } => {
                Ok(Box::new(WithSpare::new(UnixStream::connect(path).await?)))
            }
            Endpoint::Tcp { host, port, .. } => {
                let addresses = (host, port).to_socket_addrs().await?;
                let connect = TcpStream::connect;
                let stream = connect_any(self, address, addresses, deadline, connect).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(WithSpare::new(stream)))
            }
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "an unknown kind of address")),
        }
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok((host, port).to_socket_addrs().await?.collect())
    }

    async fn sleep_until(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left > Duration::ZERO {
            task::sleep(left).await;
        }
    }
}

impl Spawn for AsyncStd {
    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) {
        task::spawn(driver);
    }
}

/// How much is read at first after there was nothing.
const FIRST_READ: usize = 4 << 10;

/// Reads into the spare room of `buffer`.
fn poll_read_spare<S: AsyncRead + AsFd + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    buffer: &mut Vec<u8>,
) -> Poll<io::Result<usize>> {
    match recv(&*stream, spare_capacity(buffer), RecvFlags::DONTWAIT) {
        // Only a read of its own waits.
        Err(Errno::WOULDBLOCK) => {
            let room = FIRST_READ.min(buffer.capacity() - buffer.len());
            let mut bytes = [0; FIRST_READ];
            let len = ready!(Pin::new(stream).poll_read(cx, &mut bytes[..room]))?;
            buffer.extend_from_slice(&bytes[..len]);
            Poll::Ready(Ok(len))
        }
        result => Poll::Ready(result.map(|(len, _)| len).map_err(io::Error::from)),
    }
}

macro_rules! read_spare {
    ($($stream:ty),*) => {$(
        impl ReadSpare for $stream {
            fn poll_read_spare(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut Vec<u8>,
            ) -> Poll<io::Result<usize>> {
                poll_read_spare(&mut *self, cx, buffer)
            }
        }
    )*};
}
read_spare!(TcpStream, UnixStream);
