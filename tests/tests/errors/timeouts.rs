use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use memcache_sync::{Client, Expiry};
use memcache_tests::{Full, Memcached, Step};

use super::*;

pub(crate) fn a_late_answer_is_nobody_elses<A: Api>() {
    let late =
        [Step::Lines(1), Step::Wait(2 * TIMEOUT), Step::send("VALUE key 0 4\r\nlate\r\nEND\r\n")];
    let server = Scripted::start(vec![late.to_vec(), vec![Step::Lines(1), Step::send("END\r\n")]]);
    let client: A = client_at(&server);
    let error = get(&client).expect_err("late");
    assert!(matches!(failure(&error).0, FailureKind::SocketTimeout), "{error}");
    assert_eq!(get(&client).expect("a miss"), None);
    thread::sleep(2 * TIMEOUT);
    assert!(server.seen()[0].closed_by_peer);
    assert_eq!(server.seen().len(), 2);
}

pub(crate) fn an_operation_timeout_bounds_a_server_that_trickles<A: Api>() {
    // There is progress all the time, so socket_timeout has no cause to complain.
    let mut script = vec![Step::Lines(1), Step::send("VALUE key 0 1000\r\n")];
    for _ in 0..200 {
        script.extend([Step::send("x"), Step::Wait(Duration::from_millis(20))]);
    }
    let server = Scripted::always(script);
    let config = Config::default().server(&server.address()).socket_timeout(TIMEOUT);
    let client: A = config.operation_timeout(2 * TIMEOUT).build().expect("an address");
    let started = Instant::now();
    let error = get(&client).expect_err("too slow");
    let took = started.elapsed();
    println!("{error} ({took:.0?})");
    assert_eq!(failure(&error), (&FailureKind::OperationTimeout, Delivery::Unanswered));
    assert_says(&error, &[&server.address(), "operation_timeout"]);
    assert!(took >= 2 * TIMEOUT && took < 2 * TIMEOUT + SLACK, "{took:?}");
    if A::SHARES_CONNECTIONS {
        assert_eq!(failure(&get(&client).expect_err("too slow")).0, &FailureKind::OperationTimeout);
        assert_eq!(server.seen().len(), 1, "the connection was not kept");
        drop(client);
    }
    assert!(server.all_closed(1, Duration::from_secs(5)), "left open");
}

pub(crate) fn the_time_that_a_long_call_itself_takes_is_not_held_against_the_servers<A: Api>() {
    let servers = [Memcached::start(), Memcached::start()];
    let config = Config::default().servers(servers.iter().map(Memcached::address));
    let client: A = config.socket_timeout(Duration::from_millis(120)).build().expect("addresses");
    let keys: Vec<String> = (0..2_000_000).map(|number| format!("key{number}")).collect();
    for connected in [false, true] {
        let found = client.get_many::<String, _>(&keys).expect("asked").into_result();
        assert!(found.expect("answered").is_empty(), "connected: {connected}");
        let touched = client.touch_many(&keys, Expiry::Never).expect("asked");
        assert_eq!((touched.result, touched.failed.len()), (0, 0), "connected: {connected}");
    }
}

pub(crate) fn an_operation_timeout_bounds_the_connect_too<A: Api>() {
    let full = Full::start();
    let config = Config::default().server(&full.address()).operation_timeout(TIMEOUT);
    let client: A = config.build().expect("an address");
    let started = Instant::now();
    let error = get(&client).expect_err("nobody accepts");
    let took = started.elapsed();
    println!("{error} ({took:.0?})");
    assert_eq!(failure(&error), (&FailureKind::OperationTimeout, Delivery::NotSent));
    assert_says(&error, &["operation_timeout"]);
    assert!(took >= TIMEOUT && took < TIMEOUT + SLACK, "{took:?}");
}

pub(crate) fn timeouts_that_never_end_are_as_good_as_any<A: Api>() {
    let memcached = Memcached::start();
    for timeout in [Duration::MAX, Duration::from_secs(u64::MAX / 2), Duration::from_secs(1 << 40)]
    {
        let config = Config::default().server(&memcached.address()).socket_timeout(timeout);
        let config = config.operation_timeout(timeout).dead_retry(timeout);
        let client: A = config.build().expect("an address");
        client.set("key", 1, Expiry::Never).expect("stored");
        assert_eq!(client.get::<u8>("key").expect("an answer"), Some(1), "{timeout:?}");
    }
}

/// The sync client only: others have no sessions.
#[test]
fn sessions_that_are_all_in_use_are_waited_for_no_longer_than_an_operation() {
    let server = Scripted::silent();
    let config = Client::builder().server(&server.address()).sessions(1);
    let client = config.operation_timeout(TIMEOUT).build().expect("an address");
    let (sender, receiver) = channel();
    let other = client.clone();
    let busy = thread::spawn(move || {
        sender.send(()).expect("awaited");
        other.get::<Value>("key")
    });
    receiver.recv().expect("started");
    thread::sleep(TIMEOUT / 3);
    let started = Instant::now();
    let error = client.get::<Value>("key").expect_err("no session, or no answer");
    let took = started.elapsed();
    println!("{error} ({took:.0?})");
    assert!(took < 2 * TIMEOUT + SLACK, "{took:?}");
    assert!(error.is_unavailable());
    busy.join().expect("no panic").expect_err("no answer");
}
