//! The async client, over pipes.

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use memcache_async::{Builder, Runtime, ServerAddress, Spawn, Stream};
use schedules_std::pipe::End;
use schedules_std::time::{Alarm, Instant};

use crate::Server;

/// A runtime whose tasks are the checker's.
#[derive(Clone, Debug)]
pub struct Tasks {
    servers: Vec<Server>,
    drivers: Arc<AtomicUsize>,
}

impl Tasks {
    /// A runtime on which these servers can be connected to.
    #[must_use]
    pub fn new(servers: &[Server]) -> Self {
        Tasks { servers: servers.to_vec(), drivers: Arc::default() }
    }

    /// The settings of a client of all its servers.
    pub fn builder(&self) -> Builder<Self> {
        Builder::new(self.clone()).servers(crate::threads::addresses(0..self.servers.len()))
    }

    /// How many drivers of clients there are.
    #[must_use]
    pub fn drivers(&self) -> usize {
        self.drivers.load(Ordering::Relaxed)
    }
}

impl Runtime for Tasks {
    async fn connect(&self, address: &ServerAddress, _: Instant) -> io::Result<Box<dyn Stream>> {
        match self.servers[crate::net::number_of(address)].connect() {
            Some(end) => Ok(Box::new(Pipe(end?))),
            None => pending().await,
        }
    }

    async fn sleep_until(&self, deadline: Instant) {
        Alarm::new(Some(deadline)).await;
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}

impl Spawn for Tasks {
    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) {
        self.drivers.fetch_add(1, Ordering::Relaxed);
        let drivers = self.drivers.clone();
        drop(shuttle::future::spawn(async move {
            driver.await;
            drivers.fetch_sub(1, Ordering::Relaxed);
        }));
    }
}

/// A pipe that tasks wait at.
struct Pipe(End);

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer).map(Ok)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
