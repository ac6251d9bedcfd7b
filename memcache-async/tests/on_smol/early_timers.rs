//! A runtime whose timers go off early: they are coarse, or go by another clock.

use std::cell::Cell;
use std::io;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use memcache_async::{Builder, Runtime, ServerAddress, Smol, Stream};
use smol::future::{or, yield_now, zip};

struct Early;

impl Runtime for Early {
    async fn connect(
        &self,
        address: &ServerAddress,
        deadline: Instant,
    ) -> io::Result<Box<dyn Stream>> {
        Smol::new().connect(address, deadline).await
    }

    async fn sleep_until(&self, _: Instant) {}
}

#[test]
fn timers_that_go_off_early_do_not_keep_others_from_their_turn() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("a listener has an address").to_string();
    let builder = Builder::new(Early).server(&address).socket_timeout(Duration::from_millis(300));
    let (client, driver) = builder.build_with_driver().expect("a client");
    let turns = Cell::new(0);
    let call = async move { client.get::<u8>("a").await.expect_err("nobody answers") };
    let others = async {
        loop {
            turns.set(turns.get() + 1);
            yield_now().await;
        }
    };
    let start = Instant::now();
    smol::block_on(or(
        async {
            zip(call, driver).await;
        },
        others,
    ));
    assert!(start.elapsed() >= Duration::from_millis(300), "a timeout comes too early for nobody");
    assert!(turns.get() > 100, "others had {} turns", turns.get());
}
