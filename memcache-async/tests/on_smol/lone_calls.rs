//! A task that is alone does its own reading and writing.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use memcache_async::{Builder, Runtime, ServerAddress, Smol, Spawn, Stream};
use memcache_sync::server::Server;

/// Smol, and how often drivers have been polled.
struct Counting(Arc<AtomicUsize>);

impl Runtime for Counting {
    async fn connect(
        &self,
        address: &ServerAddress,
        deadline: Instant,
    ) -> io::Result<Box<dyn Stream>> {
        Smol::new().connect(address, deadline).await
    }

    async fn sleep_until(&self, deadline: Instant) {
        Smol::new().sleep_until(deadline).await;
    }
}

impl Spawn for Counting {
    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) {
        let polls = self.0.clone();
        Smol::new().spawn(async move {
            let mut driver = pin!(driver);
            let counted = poll_fn(|cx| {
                polls.fetch_add(1, Ordering::Relaxed);
                driver.as_mut().poll(cx)
            });
            counted.await;
        });
    }
}

#[test]
fn the_driver_sleeps_while_a_task_is_alone() {
    let server = Server::start().expect("a server");
    let polls = Arc::new(AtomicUsize::new(0));
    let builder = Builder::new(Counting(polls.clone())).server(server.address());
    let client = builder.build().expect("a client");
    smol::block_on(async {
        for _ in 0..1_000 {
            client.get::<u64>("a").await.expect("an answer");
        }
    });
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls < 300, "{polls} polls for a thousand calls");
}
