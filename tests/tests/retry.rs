//! Calls that are made again after they failed, by both clients, on real sockets.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use memcache_sync::server::Server;
use memcache_sync::{Expiry, Retry};
use memcache_tests::{Scripted, Step};

const MS: Duration = Duration::from_millis(1);

/// Closes its first two connections at their first line, without a reply, and answers on the others.
fn breaking() -> Scripted {
    let closes = vec![Step::Lines(1), Step::Close];
    Scripted::start(vec![closes.clone(), closes, vec![Step::Echo(b"END\r\n".to_vec())]])
}

/// The settings of both clients.
macro_rules! settings {
    ($builder:expr, $address:expr, $times:expr) => {
        $builder
            .server($address)
            .dead_retry(MS)
            .retry(Retry::times($times).backoff(20 * MS).max_backoff(50 * MS))
            .build()
            .expect("a client")
    };
}

#[test]
fn a_get_is_made_again_when_its_connection_breaks() {
    let server = breaking();
    let client = settings!(memcache_sync::Client::builder(), &server.address(), 3);
    assert_eq!(client.get::<String>("a").expect("it is made again"), None);
    assert_eq!(server.seen().len(), 3);

    let server = breaking();
    let client = settings!(memcache_async::Client::builder(), &server.address(), 3);
    smol::block_on(async {
        assert_eq!(client.get::<String>("a").await.expect("it is made again"), None);
    });
    assert_eq!(server.seen().len(), 3);

    let server = breaking();
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let client = settings!(memcache_async::Client::tokio_builder(), &server.address(), 3);
        assert_eq!(client.get::<String>("a").await.expect("it is made again"), None);
    });
    assert_eq!(server.seen().len(), 3);

    // A store may have been applied, and nobody asked for it to be sent twice.
    let server = breaking();
    let client = settings!(memcache_sync::Client::builder(), &server.address(), 3);
    let error = client.set("a", 1, Expiry::Never).expect_err("the connection broke");
    assert!(error.may_have_been_applied() && server.seen().len() == 1, "{error}");
}

/// A port that is free, and that a server listens on after a while.
fn late() -> (String, thread::JoinHandle<Server>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let at = address.clone();
    let starting = thread::spawn(move || {
        thread::sleep(150 * MS);
        Server::bind(&at).expect("the port is still free")
    });
    (address, starting)
}

#[test]
fn calls_wait_for_a_server_that_starts_late() {
    let (address, starting) = late();
    let client = settings!(memcache_sync::Client::builder(), &address, 100);
    client.set("a", 1, Expiry::Never).expect("stored in the end");
    drop(starting.join());

    let (address, starting) = late();
    let client = settings!(memcache_async::Client::builder(), &address, 100);
    let items: Vec<_> = (0..2000).map(|number| (format!("key{number}"), number)).collect();
    smol::block_on(async {
        let store = client.set_many(items, Expiry::Never);
        let add = client.incr("b", 1);
        let (stored, added) = smol::future::zip(store, add).await;
        assert_eq!(stored.expect("stored in the end").into_result().expect("all"), 2000);
        assert_eq!(added.expect("asked in the end"), None);
        client.close().await;
    });
    drop(starting.join());
}

/// A call that waits to be made again ends when its time is over, when it is dropped, and with its client.
#[test]
fn waits_end_with_their_calls() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = nobody.local_addr().expect("an address").to_string();
    drop(nobody);
    let began = Instant::now();
    let client = settings!(memcache_sync::Client::builder(), &address, 250);
    client.within(100 * MS).get::<String>("a").expect_err("nobody listens");
    assert!(began.elapsed() >= 100 * MS && began.elapsed() < 5000 * MS, "{:?}", began.elapsed());

    smol::block_on(async {
        let client = settings!(memcache_async::Client::builder(), &address, 250);
        let began = Instant::now();
        client.within(100 * MS).get::<String>("a").await.expect_err("nobody listens");
        assert!(began.elapsed() >= 100 * MS && began.elapsed() < 5000 * MS);
        let call = client.get::<String>("a");
        let timer = async {
            smol::Timer::after(50 * MS).await;
            Ok(None)
        };
        assert_eq!(smol::future::or(call, timer).await.expect("the timer was first"), None);
        // Nothing is under way any more, so this has nothing to wait for.
        client.close().await;
        assert_eq!(client.status().calls, 0);
    });
}

/// A driver that somebody polls ends with the client, however long what was to be made again would have waited.
#[test]
fn a_driver_does_not_outlive_its_client() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = nobody.local_addr().expect("an address").to_string();
    drop(nobody);
    let hour = Duration::from_secs(3600);
    let builder = memcache_async::Client::builder().server(&address).dead_retry(MS);
    let builder = builder.retry(Retry::times(250).backoff(hour).max_backoff(hour));
    let (client, driver) = builder.build_with_driver().expect("a client");
    smol::block_on(async {
        let work = async {
            let call = client.get::<String>("a");
            let timer = async {
                smol::Timer::after(100 * MS).await;
                Ok(None)
            };
            let ended = smol::future::or(call, timer).await;
            assert_eq!(ended.expect("it waits for an hour"), None);
            drop(client);
        };
        let too_long = async {
            smol::Timer::after(Duration::from_secs(10)).await;
            panic!("the driver goes on");
        };
        smol::future::zip(work, smol::future::or(driver, too_long)).await;
    });
}
