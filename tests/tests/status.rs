//! What clients say of themselves and their servers.

use std::thread;
use std::time::{Duration, Instant};

use memcache_sync::server::Server;
use memcache_sync::{Error, FailureKind, Load, Status};
use memcache_tests::Scripted;

const DEAD_RETRY: Duration = Duration::from_secs(30);

/// Asks until it is so.
fn settles(status: impl Fn() -> Status, is_so: impl Fn(&Status) -> bool) -> Status {
    let began = Instant::now();
    loop {
        let status = status();
        if is_so(&status) {
            return status;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{status}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// What a healthy server and one that is dead look like, after both have been pinged.
fn check_dead(status: &Status, name: &str, load: Option<Load>) {
    assert!(!status.is_well(), "{name}");
    let [good, dead] = &status.servers[..] else { panic!("{name}: {status}") };
    assert_eq!((good.connections, good.connecting, good.dead), (1, 0, None), "{name}");
    assert_eq!((dead.connections, dead.connecting), (0, 0), "{name}");
    assert_eq!((good.load, dead.load), (load, load), "{name}");
    let death = dead.dead.expect("it is dead");
    assert!(death.retry_in <= DEAD_RETRY && death.retry_in > DEAD_RETRY / 2, "{name}: {death}");
    let text = status.to_string();
    assert!(text.contains("1 connections") && text.contains("dead: "), "{name}: {text}");
}

#[test]
fn a_dead_server_is_shown_and_a_ping_finds_it() {
    let server = Server::start().expect("a server");
    let gone = Server::start().expect("a server").address().to_string();
    let addresses = [server.address(), &gone];

    let client = memcache_sync::Client::builder().servers(addresses).dead_retry(DEAD_RETRY);
    let client = client.build().expect("a client");
    assert!(client.status().is_well());
    for _ in 0..2 {
        let answers = client.ping().expect("asked").0;
        assert!(answers[0].1.is_ok(), "{answers:?}");
        let Err(Error::Server { failure, .. }) = &answers[1].1 else { panic!("{answers:?}") };
        let kind = &failure.kind;
        assert!(matches!(kind, FailureKind::Connect(_) | FailureKind::Dead(_)), "{kind}");
    }
    check_dead(&client.status(), "sync", None);
    client.forget_dead_hosts();
    assert!(client.status().is_well());

    smol::block_on(async {
        let client = memcache_async::Client::builder().servers(addresses).dead_retry(DEAD_RETRY);
        let client = client.build().expect("a client");
        let answers = client.ping().await.expect("asked").0;
        assert!(answers[0].1.is_ok() && answers[1].1.is_err(), "{answers:?}");
        check_dead(&client.status(), "async", Some(Load::default()));
        client.close().await;
        let status = settles(|| client.status(), |status| status.servers[0].connections == 0);
        assert_eq!((status.calls, status.waiting), (0, 0));
    });
}

#[test]
fn calls_that_are_under_way_or_wait_are_counted() {
    let silent = Scripted::silent();
    let client = memcache_sync::Client::builder().server(&silent.address()).sessions(2);
    let client = client.socket_timeout(Duration::from_millis(500)).build().expect("a client");
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| client.get::<String>("a").expect_err("nothing comes"));
        }
        let is_so = |status: &Status| (status.calls, status.waiting) == (2, 1);
        let status = settles(|| client.status(), is_so);
        assert!(status.servers[0].connections + status.servers[0].connecting <= 2, "{status}");
    });
    assert_eq!((client.status().calls, client.status().waiting), (0, 0));

    let client = memcache_async::Client::builder().server(&silent.address());
    let client = client.socket_timeout(Duration::from_millis(500)).build().expect("a client");
    let calls: Vec<_> = (0..3)
        .map(|number| {
            let client = client.clone();
            smol::spawn(async move { client.delete(format!("key{number}")).await })
        })
        .collect();
    let is_so = |status: &Status| {
        status.calls == 3 && status.servers[0].load == Some(Load { requests: 3, bytes: 39 })
    };
    let status = settles(|| client.status(), is_so);
    assert!(status.to_string().starts_with("3 calls under way, 0 waiting\n"), "{status}");
    for call in calls {
        smol::block_on(call).expect_err("nothing comes");
    }
    assert_eq!(client.status().servers[0].load, Some(Load::default()));
}
