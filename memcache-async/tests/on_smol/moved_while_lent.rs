//! A call that does its own reading and writing on one server's connection, while what another server
//! did not answer goes to that one, too.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use memcache_async::Client;
use memcache_async::proto::client::{Client as Core, Cluster, Settings};
use memcache_async::proto::routing::{Server, ServerAddress};
use memcache_async::proto::{Key, Time};

/// Misses everything; the first connection is the only one where there is a number of lines after
/// which it closes.
fn start(lines: Option<usize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a listener has an address").to_string();
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        drop(listener);
        let mut writer = stream.try_clone().expect("a second handle");
        writer.set_nodelay(true).expect("a socket without delay");
        for line in BufReader::new(stream).lines().take(lines.unwrap_or(usize::MAX)) {
            if line.is_err() || writer.write_all(b"END\r\n").is_err() {
                return;
            }
        }
        // The other server has answered by then.
        thread::sleep(Duration::from_millis(100));
    });
    address
}

/// A key of each of two servers.
fn keys_of(addresses: &[String; 2]) -> [String; 2] {
    let parse = |address: &String| ServerAddress::parse(address).expect("an address").into();
    let servers: Vec<Server> = addresses.iter().map(parse).collect();
    let cluster = Cluster::new(servers, Settings::default()).expect("a cluster");
    let core = Core::new(Arc::new(cluster));
    let server_of = |key: &String| {
        let key = Key::new(key).expect("a key");
        core.destination(key, Time::ZERO).expect("all are alive").index()
    };
    [0, 1].map(|server| {
        let mut keys = (0..).map(|number| format!("key{number}"));
        keys.find(|key| server_of(key) == server).expect("one of the keys")
    })
}

#[test]
fn keys_that_move_to_a_lent_connection_do_not_wait_for_a_timeout() {
    // The socket is lent at some of these.
    for calls in 20..24 {
        let addresses = [start(None), start(Some(calls))];
        // That of the first server is first, so that this is the one whose connection is lent.
        let keys = keys_of(&addresses);
        let client = Client::new(&addresses).expect("a client");
        smol::block_on(async {
            for _ in 0..calls {
                let found = client.get_many::<u64, _>(&keys).await;
                assert!(found.expect("an answer").failed.is_empty());
            }
            let start = Instant::now();
            let found = client.get_many::<u64, _>(&keys).await.expect("an answer");
            assert!(found.failed.is_empty(), "{found:?}");
            assert!(start.elapsed() < Duration::from_secs(1), "{calls}: {:?}", start.elapsed());
        });
    }
}
