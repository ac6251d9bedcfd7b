//! Sockets are closed: those of dead servers, of timeouts, of reconnects and of clients that are gone.
//!
//! That sessions are not used across a fork is not tested here: there is no fork without unsafe code.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use memcache_sync::{Client, Expiry, Value};
use memcache_tests::process::descriptors;
use memcache_tests::{Full, Memcached, Scripted, Step, settles};

/// Waits for the threads that are still closing theirs. There are to be `expected` or fewer.
fn assert_settles(expected: usize, what: &str) {
    let settled = settles(|| descriptors() <= expected);
    println!("{what}: {} open, {expected} expected", descriptors());
    assert!(settled, "{what}: {} open, {expected} expected", descriptors());
}

/// The only test of this program: others would open descriptors beside it.
#[test]
fn no_descriptor_is_left_open() {
    let [first, second] = [Memcached::start(), Memcached::start()];
    let addresses = || [first.address(), second.address()];
    let quick = || Client::builder().socket_timeout(Duration::from_millis(30));
    let keys = || (0..50).map(|number| format!("key{number}"));
    let before = descriptors();

    let client = Client::new(addresses()).expect("addresses");
    for _ in 0..200 {
        let _ = client.get_many::<Value, _>(keys()).expect("asked");
        client.disconnect_all();
    }
    assert_settles(before, "after disconnect_all");
    for _ in 0..200 {
        let _ = client.get_many::<Value, _>(keys()).expect("asked");
    }
    // A connection to each server, and the pair that tells of connects made elsewhere.
    assert_settles(before + 4, "one session");
    drop(client);
    assert_settles(before, "after the client is dropped");

    let client = quick().servers(addresses()).sessions(4).build().expect("addresses");
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for number in 0..50 {
                    let _ = client.set(number, number, Expiry::Never);
                    let _ = client.get_many::<u8, _>(keys());
                }
            });
        }
    });
    assert_settles(before + 4 * 4, "four sessions of 64 threads");
    client.disconnect_all();
    assert_settles(before, "after their disconnect_all");

    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let client = quick().servers([nobody.to_string(), first.address()]).build().expect("addresses");
    for _ in 0..200 {
        client.forget_dead_hosts();
        let found = client.get_many::<Value, _>(keys()).expect("asked");
        assert!(found.failed.is_empty(), "{:?}", found.failed);
    }
    assert_settles(before + 3, "a server that is not there");
    drop(client);
    assert_settles(before, "after it");

    let closing = Scripted::always([Step::Lines(1), Step::Close]);
    let garbage = Scripted::replying("garbage\r\n");
    let silent = Scripted::silent();
    let full = Full::start();
    let with_servers = descriptors();
    for (name, address, rounds) in [
        ("a server that closes", closing.address(), 100),
        ("garbage", garbage.address(), 100),
        ("silence", silent.address(), 10),
        ("a full queue", full.address(), 10),
    ] {
        for servers in [vec![address.clone()], vec![address.clone(), first.address()]] {
            let count = servers.len();
            let client = quick().servers(servers).build().expect("addresses");
            for _ in 0..rounds {
                client.forget_dead_hosts();
                let found = client.get_many::<Value, _>(keys()).expect("asked");
                assert!(count == 2 || !found.failed.is_empty(), "{name}");
            }
            assert_settles(with_servers + 3, name);
            drop(client);
            assert_settles(with_servers, name);
        }
    }
}
