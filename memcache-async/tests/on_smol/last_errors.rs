//! What errors say of the system's.

use std::future::{Future, pending};
use std::io;
use std::time::Instant;

use memcache_async::{Builder, Error, Runtime, ServerAddress, Smol, Spawn, Stream};
use smol::future::zip;

/// Connects to nothing.
struct Unconnected;

impl Runtime for Unconnected {
    async fn connect(&self, _: &ServerAddress, _: Instant) -> io::Result<Box<dyn Stream>> {
        pending().await
    }

    async fn sleep_until(&self, deadline: Instant) {
        Smol::new().sleep_until(deadline).await;
    }
}

impl Spawn for Unconnected {
    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) {
        Smol::new().spawn(driver);
    }
}

#[test]
fn a_connect_that_was_called_off_has_not_timed_out() {
    let client = Builder::new(Unconnected).server("127.0.0.1:1").build().expect("a client");
    let call = client.get::<u64>("a");
    let called_off = async { client.disconnect_all() };
    let (result, ()) = smol::block_on(zip(call, called_off));
    let error = result.expect_err("it was called off");
    assert!(matches!(error, Error::Server { source: None, .. }), "{error}");
}
