//! Calls that wait because servers have enough to do.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::pin::pin;
use std::thread;
use std::time::{Duration, Instant};

use memcache_async::{Client, Expiry, Limits};
use memcache_sync::server::Server;
use smol::Timer;
use smol::future::{or, poll_once};

#[test]
fn a_backlog_of_nothing_lets_one_in_at_a_time() {
    let server = Server::start().expect("a server");
    let limits = Limits { backlog: 0, ..Limits::default() };
    let client = Client::builder().server(server.address()).limits(limits).build();
    let client = client.expect("a client");
    smol::block_on(or(
        async {
            for number in 0..10 {
                client.set("a", number, Expiry::Never).await.expect("stored");
            }
        },
        async {
            Timer::after(Duration::from_secs(5)).await;
            panic!("a call hangs");
        },
    ));
}

/// Misses everything; from the fortieth time on it takes its time.
fn start_slow() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a listener has an address").to_string();
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        let mut writer = stream.try_clone().expect("a second handle");
        writer.set_nodelay(true).expect("a socket without delay");
        for (number, line) in BufReader::new(stream).lines().enumerate() {
            if number >= 40 {
                thread::sleep(Duration::from_millis(50));
            }
            if line.is_err() || writer.write_all(b"END\r\n").is_err() {
                return;
            }
        }
    });
    address
}

/// A task that was alone has a call under way that it does not poll, and makes another one.
#[test]
fn a_call_that_waits_for_room_does_not_wait_for_its_own_task() {
    let limits = Limits { backlog: 1, ..Limits::default() };
    let client = Client::builder().server(&start_slow()).limits(limits).build();
    let client = client.expect("a client");
    smol::block_on(async {
        for _ in 0..40 {
            client.get::<u64>("a").await.expect("a miss");
        }
        let mut under_way = pin!(client.get::<u64>("a"));
        assert!(poll_once(&mut under_way).await.is_none(), "nobody has answered yet");
        let start = Instant::now();
        assert_eq!(client.get::<u64>("b").await.expect("a miss"), None);
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        assert_eq!(under_way.await.expect("a miss"), None);
    });
}
