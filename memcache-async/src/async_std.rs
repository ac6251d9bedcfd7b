use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use async_std::net::{TcpStream, ToSocketAddrs};
use async_std::os::unix::net::UnixStream;
use async_std::task;
use memcache_proto::routing::{Endpoint, ServerAddress};

use crate::runtime::{Runtime, Spawn, Stream, connect_any};

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
            Endpoint::Unix { path } => Ok(Box::new(UnixStream::connect(path).await?)),
            Endpoint::Tcp { host, port, .. } => {
                let addresses = (host, port).to_socket_addrs().await?;
                let connect = TcpStream::connect;
                let stream = connect_any(self, address, addresses, deadline, connect).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "an unknown kind of address")),
        }
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
