use std::future::Future;
use std::io;
use std::time::Instant;

use memcache_async::{Endpoint, Runtime, ServerAddress, Spawn, Stream, connect_any};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::runtime::Handle;
use tokio_util::compat::TokioAsyncReadCompatExt;

/// The runtime of tokio for a client, its sockets made those of `futures-io` by `tokio-util`. Drivers
/// are spawned on the handle, so that calls may be made from anywhere.
#[derive(Clone, Debug)]
pub struct Tokio(pub Handle);

impl Runtime for Tokio {
    async fn connect(
        &self,
        address: &ServerAddress,
        deadline: Instant,
    ) -> io::Result<Box<dyn Stream>> {
        match address.endpoint() {
            Endpoint::Unix { path } => Ok(Box::new(UnixStream::connect(path).await?.compat())),
            Endpoint::Tcp { host, port, .. } => {
                let addresses = lookup_host((host, port)).await?;
                let connect = TcpStream::connect::<std::net::SocketAddr>;
                let stream = connect_any(self, address, addresses, deadline, connect).await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream.compat()))
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    async fn sleep_until(&self, deadline: Instant) {
        tokio::time::sleep_until(deadline.into()).await;
    }
}

impl Spawn for Tokio {
    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(driver);
    }
}
