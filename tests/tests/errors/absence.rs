use std::net::TcpListener;
use std::thread;
use std::time::Instant;

use memcache_sync::{Expiry, FailedKey};
use memcache_tests::{Full, Memcached, Step};

use super::*;

pub(crate) fn a_server_that_is_not_there_is_named_with_the_systems_words<A: Api>() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let missing = std::env::temp_dir().join("memcache-no-such.sock");
    let missing = format!("unix:{}", missing.display());
    let cases = [
        (port.to_string(), "refused"),
        (missing, "No such file"),
        ("no-such-host.invalid:11211".into(), "no-such-host.invalid"),
    ];
    for (address, cause) in cases {
        let config = Config::default().server(&address).socket_timeout(TIMEOUT);
        let client: A = config.build().expect("an address");
        let started = Instant::now();
        let error = get(&client).expect_err("nobody is there");
        println!("{address}: {error}");
        assert!(started.elapsed() < TIMEOUT + SLACK, "{:?}", started.elapsed());
        assert!(matches!(failure(&error), (FailureKind::Connect(_), Delivery::NotSent)), "{error}");
        assert_says(&error, &[&address, "connection", cause]);
        assert!(error.is_unavailable() && !error.may_have_been_applied());
        assert!(error.server().is_some_and(|server| server.contains(&address)), "{error:?}");
        // It is dead now, which is said at once.
        let started = Instant::now();
        let error = get(&client).expect_err("nobody is there");
        assert!(started.elapsed() < Duration::from_millis(50), "{:?}", started.elapsed());
        assert!(matches!(failure(&error), (FailureKind::AllDead(_), Delivery::NotSent)), "{error}");
        assert_says(&error, &["dead", "dead_retry"]);
        let versions = client.version().expect("asked").0;
        let error = versions[0].1.as_ref().expect_err("dead");
        assert_says(error, &[&address, "dead"]);
        client.forget_dead_hosts();
        let error = get(&client).expect_err("tried");
        assert!(matches!(failure(&error).0, FailureKind::Connect(_)), "{error}");
    }
}

pub(crate) fn a_server_that_does_not_accept_is_given_up_in_time<A: Api>() {
    let full = Full::start();
    let config = Config::default().server(&full.address()).socket_timeout(TIMEOUT);
    let client: A = config.build().expect("an address");
    for round in 0..2 {
        client.forget_dead_hosts();
        let started = Instant::now();
        let error = client.set("key", 1, Expiry::Never).expect_err("nobody accepts");
        let took = started.elapsed();
        println!("{error} ({took:.0?})");
        assert!(matches!(failure(&error), (FailureKind::Connect(_), Delivery::NotSent)), "{round}");
        assert_says(&error, &[&full.address(), "no connection could be made", "timed out"]);
        assert!(took >= TIMEOUT - Duration::from_millis(5) && took < TIMEOUT + SLACK, "{took:?}");
    }
}

pub(crate) fn a_connection_that_was_closed_while_idle_is_made_anew<A: Api>() {
    // Each connection answers one request and is closed.
    let answer = |text: &str| vec![Step::Lines(1), Step::send(text), Step::Close];
    let pause = || thread::sleep(Duration::from_millis(50));
    let server = Scripted::always(answer("VALUE key 0 1\r\n1\r\nEND\r\n"));
    let client: A = client_at(&server);
    for _ in 0..5 {
        assert_eq!(client.get::<u8>("key").expect("read again"), Some(1));
        pause();
    }
    assert_eq!(server.seen().len(), 5);

    // A delete is not sent twice, unless the caller allows it.
    let server = Scripted::always(answer("DELETED\r\n"));
    let client: A = client_at(&server);
    assert!(client.delete("key").expect("the first connection"));
    pause();
    match client.delete("key") {
        Ok(deleted) => assert!(deleted),
        Err(error) => {
            println!("{error}");
            assert!(error.may_have_been_applied() && error.is_unavailable(), "{error:?}");
            assert_says(&error, &[&server.address(), "may have been applied"]);
        }
    }
    pause();
    assert!(client.delete("key").expect("on a new connection"));
    let requests: usize = server.seen().iter().map(|seen| seen.received.len()).sum();
    assert!(requests <= 3 * b"delete key\r\n".len(), "{:?}", server.seen());

    let config = Config::default().server(&server.address()).socket_timeout(TIMEOUT);
    let client: A = config.resend_stores(true).build().expect("an address");
    for _ in 0..4 {
        assert!(client.delete("key").expect("sent again"));
        pause();
    }
}

pub(crate) fn a_connection_that_has_rested_is_looked_at_before_it_is_used<A: Api>() {
    let long = Duration::from_millis(100);
    let answer = |text: &str| vec![Step::Lines(1), Step::send(text), Step::Close];
    let server = Scripted::always(answer("DELETED\r\n"));
    let client: A = client_at(&server);
    for _ in 0..2 {
        // No delete is sent twice, and none needs to be.
        assert!(client.delete("key").expect("on a good connection"));
        thread::sleep(long);
    }
    // What came meanwhile is no answer.
    let stray = vec![
        Step::Lines(1),
        Step::send("END\r\n"),
        Step::Wait(Duration::from_millis(20)),
        Step::send("VALUE key 0 1\r\n2\r\nEND\r\n"),
    ];
    let good = vec![Step::Lines(1), Step::send("VALUE key 0 1\r\n3\r\nEND\r\n")];
    let server = Scripted::start(vec![stray, good]);
    let client: A = client_at(&server);
    assert_eq!(client.get::<u8>("key").expect("a miss"), None);
    thread::sleep(long);
    assert_eq!(client.get::<u8>("key").expect("a new connection"), Some(3));
    assert!(server.seen()[0].closed_by_peer);
}

pub(crate) fn one_servers_failure_is_only_its_own_keys<A: Api>() {
    let memcached = Memcached::start();
    let silent = Scripted::silent();
    let client: A = Config::default()
        .servers([memcached.address(), silent.address()])
        .socket_timeout(TIMEOUT)
        .build()
        .expect("addresses");
    let keys: Vec<String> = (0..100).map(|number| format!("key{number}")).collect();
    let started = Instant::now();
    let items = keys.iter().enumerate().map(|(number, key)| (key.as_str(), number));
    let stored = client.set_many(items, Expiry::Never).expect("sent");
    assert!(started.elapsed() < TIMEOUT + SLACK, "{:?}", started.elapsed());
    assert!(stored.result >= 20 && stored.result < 100, "{}", stored.result);
    assert_eq!(stored.result + stored.failed.len(), 100);
    for FailedKey { error, .. } in &stored.failed {
        assert_says(error, &[&silent.address(), "socket_timeout"]);
        assert!(error.may_have_been_applied() && error.is_unavailable());
    }
    // Its keys belong to the other now.
    let found = client.get_many::<usize, _>(&keys).expect("sent");
    assert!(found.failed.is_empty(), "{:?}", found.failed);
    assert_eq!(found.result.len(), stored.result);
    for (key, number) in &found.result {
        assert_eq!(**key, format!("key{number}"));
    }
    let versions = client.version().expect("asked").0;
    assert!(versions[0].1.is_ok());
    assert_says(versions[1].1.as_ref().expect_err("dead"), &[&silent.address(), "dead"]);
}

pub(crate) fn an_error_is_told_once_along_its_chain<A: Api>() {
    let missing = std::env::temp_dir().join("memcache-no-such.sock");
    let client: A = client(&format!("unix:{}", missing.display()));
    let error = get(&client).expect_err("nobody is there");
    assert_says(&error, &["No such file"]);
    assert!(std::error::Error::source(&error).is_none());
    assert!(matches!(error, Error::Server { source: Some(_), .. }));
}
