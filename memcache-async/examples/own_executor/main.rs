//! The client on an executor made by hand, for those who embed it where no runtime is. Of other
//! runtimes there is nothing in it.
//!
//! ```text
//! cargo run -p memcache-async --no-default-features --example own_executor
//! ```
//!
//! Here is what the client asks of its host: a [`Runtime`], which connects and sleeps, and somebody to
//! poll its driver. What any executor has is in `reactor.rs`.

mod reactor;

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use memcache_async::{Builder, Endpoint, Expiry, Runtime, ServerAddress, Stream, connect_any};
use memcache_sync::server::Server;

use reactor::{Reactor, Socket, block_on};

fn main() -> Result<(), Box<dyn Error>> {
    let reactor = Reactor::new()?;
    let server = Server::start()?;
    // By its name, so that there is something to resolve.
    let address = format!("localhost:{}", server.port().ok_or("a server on TCP has a port")?);
    let (client, driver) =
        Builder::new(Own(reactor.clone())).server(&address).build_with_driver()?;
    let squares = async {
        let client = &client;
        let square = |n: u64| async move {
            client.set(n, n * n, Expiry::Never).await?;
            client.get::<u64>(n).await
        };
        let squares = join_all((0..100).map(square)).await;
        client.clone().close().await; // which ends the driver
        squares.into_iter().collect::<Result<Vec<_>, _>>()
    };
    let start = Instant::now();
    let (squares, ()) = block_on(&reactor, join(squares, driver))?;
    assert!((0..100).map(|n| Some(n * n)).eq(squares?));
    // Else only a timeout, of 3 seconds, has made it go on.
    assert!(start.elapsed() < Duration::from_secs(2), "a wake-up was lost");
    println!("a hundred calls on one connection to {address}: each had its own answer");

    // Nobody accepts at this address, so that there is nothing to do until the time is over.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let (client, driver) = Builder::new(Own(reactor.clone()))
        .server(&silent.local_addr()?.to_string())
        .socket_timeout(Duration::from_secs(1))
        .build_with_driver()?;
    let ask = async move { client.get::<u64>("anything").await }; // and drops it, so the driver ends
    let (start, sleeps) = (Instant::now(), reactor.sleeps());
    let (answer, ()) = block_on(&reactor, join(ask, driver))?;
    let (waited, woke) = (start.elapsed(), reactor.sleeps() - sleeps);
    println!("a server that says nothing: {}", answer.err().ok_or("who answered?")?);
    println!("that took {waited:.1?}, and the thread woke {woke} times");
    assert!(waited >= Duration::from_secs(1) && woke < 10);
    assert!(reactor.is_idle(), "something was left behind");
    Ok(())
}

/// The runtime, as the client sees it.
struct Own(Arc<Reactor>);

impl Runtime for Own {
    async fn connect(
        &self,
        address: &ServerAddress,
        deadline: Instant,
    ) -> io::Result<Box<dyn Stream>> {
        let Endpoint::Tcp { host, port, .. } = address.endpoint() else {
            // It would be the same with `UnixStream` in place of `TcpStream`.
            return Err(io::Error::new(io::ErrorKind::Unsupported, "this runtime has TCP alone"));
        };
        let addresses = resolve(host, port).await?;
        let connect = |address| Socket::connect(&self.0, address);
        Ok(Box::new(connect_any(self, address, addresses, deadline, connect).await?))
    }

    async fn sleep_until(&self, deadline: Instant) {
        self.0.sleep_until(deadline).await;
    }
}

/// The system resolves names in a call that blocks, so a thread makes it.
async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let host = host.to_owned();
    let found = Arc::new(Mutex::new((None, None::<Waker>)));
    let ours = found.clone();
    thread::Builder::new().spawn(move || {
        let addresses = (host.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        found.0 = Some(addresses);
        let waker = found.1.take();
        drop(found);
        waker.into_iter().for_each(Waker::wake);
    })?;
    poll_fn(|cx| {
        let mut found = ours.lock().unwrap_or_else(PoisonError::into_inner);
        found.1 = Some(cx.waker().clone());
        found.0.take().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}
