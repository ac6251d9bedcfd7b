//! What concerns several servers takes the time of the slowest, not the sum of all.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use memcache_proto::routing::ServerAddress;
use memcache_sync::{Client, Connector, Expiry, FailedKey, Sockets, StatsArgument, Stream};
use memcache_tests::api::{Api, Config};
use memcache_tests::{Full, Memcached, Scripted, Step};

const TIMEOUT: Duration = Duration::from_millis(300);
/// How long a slow server takes.
const PAUSE: Duration = Duration::from_millis(250);
/// How much longer it may take on a busy machine; less than a second server would.
const SLACK: Duration = Duration::from_millis(200);

fn keys() -> Vec<String> {
    (0..200).map(|number| format!("key{number}")).collect()
}

fn time<T>(what: &str, expected: Duration, call: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = call();
    let took = started.elapsed();
    println!("{what}: {took:.0?}");
    assert!(took + Duration::from_millis(5) >= expected, "{what} took only {took:?}");
    assert!(took < expected + SLACK, "{what} took {took:?}");
    result
}

memcache_tests::each_client! {
    any_client {
        three_silent_servers_of_four_cost_one_timeout,
        three_servers_of_four_that_do_not_accept_cost_one_timeout,
        slow_servers_are_waited_for_at_once,
    }
}

/// What every client does.
mod any_client {
    use super::*;

    pub(crate) fn three_silent_servers_of_four_cost_one_timeout<A: Api>() {
        let memcached = Memcached::start();
        let silent = [Scripted::silent(), Scripted::silent(), Scripted::silent()];
        type Call<A> = fn(&A) -> usize;
        let calls: &[(&str, Call<A>)] = &[
            ("get many", |c| c.get_many::<u8, _>(keys()).expect("asked").failed.len()),
            ("set many", |c| {
                let items = keys().into_iter().map(|key| (key, 1));
                c.set_many(items, Expiry::Never).expect("asked").failed.len()
            }),
            ("delete many", |c| c.delete_many(keys()).expect("asked").failed.len()),
            ("version", |c| {
                c.version().expect("asked").0.iter().filter(|it| it.1.is_err()).count()
            }),
            ("stats", |c| {
                let stats = c.stats(StatsArgument::General).expect("asked");
                stats.0.iter().filter(|it| it.1.is_err()).count()
            }),
            ("flush_all", |c| {
                c.flush_all().expect("asked").0.iter().filter(|it| it.1.is_err()).count()
            }),
        ];
        for (name, call) in calls {
            let client: A = Config::default()
                .servers(silent.iter().map(Scripted::address))
                .server(&memcached.address())
                .socket_timeout(TIMEOUT)
                .build()
                .expect("addresses");
            let failed = time(name, TIMEOUT, || call(&client));
            let expected = if name.ends_with("many") { 100..=190 } else { 3..=3 };
            assert!(expected.contains(&failed), "{name}: {failed} failed");
            // They are dead now and cost nothing more.
            time(name, Duration::ZERO, || call(&client));
        }
    }

    pub(crate) fn three_servers_of_four_that_do_not_accept_cost_one_timeout<A: Api>() {
        let memcached = Memcached::start();
        let full = [Full::start(), Full::start(), Full::start()];
        let client: A = Config::default()
            .servers(full.iter().map(Full::address))
            .server(&memcached.address())
            .socket_timeout(TIMEOUT)
            .build()
            .expect("addresses");
        let items = keys().into_iter().map(|key| (key.clone(), key));
        let stored = time("set many", TIMEOUT, || client.set_many(items, Expiry::Never));
        let stored = stored.expect("asked");
        // Ten candidates are tried for a key; of some keys none is the server that is left.
        assert!(stored.failed.len() < 30, "{:?}", stored.failed);
        for FailedKey { error, .. } in &stored.failed {
            assert!(error.to_string().contains("no connection could be made"), "{error}");
            assert!(error.to_string().contains("timed out"), "{error}");
        }
        let found = time("get many", Duration::ZERO, || client.get_many::<String, _>(keys()));
        let found = found.expect("asked");
        assert_eq!((found.result.len(), found.failed.len()), (stored.result, stored.failed.len()));
        assert!(found.result.iter().all(|(key, value)| key == value));
    }

    pub(crate) fn slow_servers_are_waited_for_at_once<A: Api>() {
        let slow = |reply: &str| {
            let servers: Vec<_> = (0..4)
                .map(|_| Scripted::always([Step::Lines(1), Step::Wait(PAUSE), Step::send(reply)]))
                .collect();
            let config = Config::default().servers(servers.iter().map(Scripted::address));
            let client: A = config.build().expect("addresses");
            (servers, client)
        };
        let (_servers, client) = slow("VERSION 1.2.3\r\n");
        let versions = time("version", PAUSE, || client.version().expect("asked"));
        assert_eq!(versions.into_result().expect("answered").len(), 4);
        let (_servers, client) = slow("STAT a b\r\nEND\r\n");
        let stats = time("stats", PAUSE, || client.stats(StatsArgument::General).expect("asked"));
        assert_eq!(stats.into_result().expect("answered").len(), 4);
        let (_servers, client) = slow("OK\r\n");
        let flushed = time("flush_all", PAUSE, || client.flush_all().expect("asked"));
        assert_eq!(flushed.into_result().expect("answered").len(), 4);
        let (servers, client) = slow("END\r\n");
        let found = time("get many", PAUSE, || client.get_many::<u8, _>(keys()).expect("asked"));
        assert!(found.into_result().expect("answered").is_empty());
        assert!(servers.iter().all(|server| server.seen().len() == 1), "each was asked once");
    }
}

/// Connects as ever, and takes its time to say so.
struct Slow;

impl Connector for Slow {
    fn connect(&self, address: &ServerAddress, deadline: Instant) -> io::Result<Box<dyn Stream>> {
        let stream = Sockets.connect(address, deadline)?;
        thread::sleep(PAUSE);
        Ok(stream)
    }
}

#[test]
fn slow_connects_are_made_at_once() {
    let servers: Vec<_> =
        (0..4).map(|_| Scripted::always([Step::Echo(b"VERSION 1.2.3\r\n".to_vec())])).collect();
    let addresses = servers.iter().map(Scripted::address);
    let client = Client::builder().servers(addresses).connector(Slow).build().expect("addresses");
    let connecting = time("with connects", PAUSE, || client.version().expect("asked"));
    assert_eq!(connecting.into_result().expect("answered").len(), 4);
    let connected = time("connected", Duration::ZERO, || client.version().expect("asked"));
    assert_eq!(connected.into_result().expect("answered").len(), 4);
    // A connect that takes longer than it may is given up in time, and its socket is not kept.
    let builder = Client::builder().servers(servers.iter().map(Scripted::address));
    let client = builder.connector(Slow).socket_timeout(PAUSE / 5).build().expect("addresses");
    let late = time("given up", PAUSE / 5, || client.version().expect("asked"));
    for (server, answer) in late {
        let error = answer.expect_err("too late");
        assert!(error.to_string().contains("no connection could be made"), "{error}");
        assert!(error.to_string().ends_with("timed out"), "{error}");
        assert!(error.to_string().contains(&server), "{error}");
    }
    drop(client);
    for server in &servers {
        let patience = Duration::from_secs(5);
        let closed = || server.seen().iter().skip(1).all(|seen| seen.closed_by_peer);
        let end = Instant::now() + patience;
        while (server.seen().len() < 2 || !closed()) && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(closed(), "{:?}", server.seen());
    }
}
