//! What goes wrong while many tasks share a connection.

use std::future::Future;
use std::net::TcpListener;
use std::time::Instant;

use memcache_async::{Builder, Client, Smol};
use memcache_sync::Expiry;
use memcache_tests::{Full, Memcached, Step, block_on};
use smol::Timer;

use super::misbehaviour::{Case, cases};
use super::*;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// So many tasks need longer than one alone, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(1);
/// More than what is answered at once takes on a busy machine, less than that.
const SOON: Duration = Duration::from_millis(600);
const NEVER: Duration = Duration::from_secs(3_600);

fn builder() -> Builder<Smol> {
    Client::builder().socket_timeout(TIMEOUT).dead_retry(Duration::ZERO)
}

fn client_of(address: &str) -> Client {
    builder().server(address).build().expect("an address")
}

/// Has as many tasks make a call each, and returns what came of them and how long each took.
fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    tasks: usize,
    call: impl Fn(usize) -> F,
) -> Vec<(T, Duration)> {
    let tasks: Vec<_> = (0..tasks)
        .map(|number| {
            let call = call(number);
            smol::spawn(async move {
                let started = Instant::now();
                (call.await, started.elapsed())
            })
        })
        .collect();
    block_on(PATIENCE, async {
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await);
        }
        results
    })
}

#[test]
fn a_server_that_misbehaves_is_an_error_in_time_for_every_task() {
    std::thread::scope(|scope| {
        for case in cases() {
            scope.spawn(move || check(&case));
        }
    });
}

fn check(case: &Case) {
    let Case { name, script, kind, .. } = case;
    let server = Scripted::start(script.clone());
    let client = client_of(&server.address());
    let results = at_once(50, |number| {
        let client = client.clone();
        async move {
            match number % 3 {
                0 => client.get::<Value>("key").await.map(drop),
                1 => client.get_many::<Value, _>(["key", "third"]).await?.into_result().map(drop),
                _ => client.set("key", number, Expiry::Never).await,
            }
        }
    });
    let mut as_expected = 0;
    for (result, took) in results {
        let error = result.expect_err(name);
        as_expected += usize::from(kind(failure(&error).0));
        // A read may be sent once more, and its server dead by then.
        assert!(took < 2 * TIMEOUT + SLACK, "{name}: {error} took {took:?}");
        assert_says(&error, &[&server.address()]);
    }
    println!("{name}: {as_expected} of 50 failed for just that");
    assert!(as_expected > 0, "{name}");
    drop(client);
    assert!(server.all_closed(1, PATIENCE), "{name}: left open, {:?}", server.seen());
}

#[test]
fn a_silent_server_fails_those_who_wait_for_it_and_is_left_alone() {
    let memcached = Memcached::start();
    let silent = Scripted::silent();
    let servers = [memcached.address(), silent.address()];
    let client = builder().servers(servers).dead_retry(NEVER).build().expect("addresses");
    let set_all = || {
        at_once(100, |number| {
            let client = client.clone();
            async move { client.set(number, number, Expiry::Never).await }
        })
    };
    let mut failed = 0;
    for (result, took) in set_all() {
        let Err(error) = result else {
            assert!(took < SOON, "the good server took {took:?}");
            continue;
        };
        failed += 1;
        assert_eq!(failure(&error), (&FailureKind::SocketTimeout, Delivery::Unanswered));
        assert_says(&error, &[&silent.address()]);
        let late = took < TIMEOUT - Duration::from_millis(100) || took > TIMEOUT + SLACK;
        assert!(!late, "{error} took {took:?}");
    }
    println!("{failed} of 100 failed");
    assert!((20..=80).contains(&failed), "{failed} of 100 failed");
    for (result, took) in set_all() {
        result.expect("the silent one's keys belong to the other");
        assert!(took < SOON, "the good server took {took:?}");
    }
    assert_eq!(silent.seen().len(), 1, "it was not left alone");
}

#[test]
fn a_server_that_is_not_there_is_passed_over_by_every_task() {
    let memcached = Memcached::start();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let servers = [port.to_string(), memcached.address()];
    let client = builder().servers(servers).dead_retry(NEVER).build().expect("addresses");
    let results = at_once(100, |number| {
        let client = client.clone();
        async move {
            client.set(number, number, Expiry::Never).await?;
            client.get::<usize>(number).await
        }
    });
    for (number, (result, _)) in results.into_iter().enumerate() {
        assert_eq!(result.expect("the other server's answer"), Some(number));
    }
}

#[test]
fn that_all_servers_are_dead_is_said_at_once() {
    const CALLS: u32 = 1_000;
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let full = Full::start();
    let servers = [port.to_string(), full.address()];
    let client = builder().servers(servers).dead_retry(NEVER).build().expect("addresses");
    block_on(PATIENCE, async {
        let first = client.version().await.expect("asked");
        assert!(first.0.iter().all(|(_, version)| version.is_err()), "{first:?}");
        let started = Instant::now();
        for number in 0..CALLS {
            let error = client.get::<Value>(number).await.expect_err("all are dead");
            assert!(
                matches!(failure(&error), (FailureKind::AllDead(_), Delivery::NotSent)),
                "{error}"
            );
        }
        let took = started.elapsed() / CALLS;
        println!("{took:?} each");
        assert!(took < Duration::from_micros(100), "{took:?} each");
    });
}

#[test]
fn the_reason_for_a_failed_connect_is_told_to_every_task() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let client = client_of(&port.to_string());
    let results = at_once(50, |_| {
        let client = client.clone();
        async move {
            let mut errors = Vec::new();
            for _ in 0..20 {
                errors.push(client.get::<Value>("key").await.expect_err("nobody is there"));
            }
            errors
        }
    });
    for error in results.into_iter().flat_map(|(errors, _)| errors) {
        if matches!(failure(&error).0, FailureKind::Connect(_)) {
            assert_says(&error, &["no connection could be made", "refused"]);
        }
    }
}

#[test]
fn an_operation_timeout_is_an_error_for_that_operation_alone() {
    let answers = "VALUE first 0 5\r\nfirst\r\nEND\r\nVALUE second 0 6\r\nsecond\r\nEND\r\n";
    let late = [Step::Lines(2), Step::Wait(TIMEOUT / 2), Step::send(answers)];
    let good = [Step::Lines(1), Step::send("VALUE third 0 5\r\nthird\r\nEND\r\n")];
    let server = Scripted::always([&late[..], &good].concat());
    let builder = Client::builder().server(&server.address()).merge_gets(false);
    let client = builder.operation_timeout(TIMEOUT).build().expect("an address");
    // The second is asked for when the first has two thirds of its time behind it.
    let results = at_once(2, |number| {
        let client = client.clone();
        async move {
            let key = ["first", "second"][number];
            if number == 1 {
                Timer::after(TIMEOUT * 2 / 3).await;
            }
            client.get::<String>(key).await
        }
    });
    let [(first, took), (second, _)] = &results[..] else { panic!("two calls") };
    let error = first.as_ref().expect_err("too late");
    assert_eq!(failure(error), (&FailureKind::OperationTimeout, Delivery::Unanswered));
    assert!(*took >= TIMEOUT && *took < TIMEOUT + SLACK, "{took:?}");
    let value = second.as_ref().expect("an answer in time");
    assert_eq!(value.as_deref(), Some("second"));
    let third = block_on(PATIENCE, client.get::<String>("third")).expect("the server is not dead");
    assert_eq!(third.as_deref(), Some("third"));
    assert_eq!(server.seen().len(), 1, "the connection was not kept");
}

#[test]
fn calls_that_wait_for_room_wait_no_longer_than_an_operation() {
    let server = Scripted::silent();
    let builder = Client::builder().server(&server.address()).socket_timeout(NEVER);
    let client = builder.operation_timeout(TIMEOUT).build().expect("an address");
    let results = at_once(20, |number| {
        let client = client.clone();
        async move { client.set(number, vec![b'x'; 50_000], Expiry::Never).await }
    });
    let mut busy = 0;
    for (result, took) in results {
        let error = result.expect_err("nothing is answered");
        if matches!(error, Error::Busy) {
            busy += 1;
            assert!(error.is_unavailable() && !error.may_have_been_applied());
        } else {
            assert!(matches!(failure(&error).0, FailureKind::OperationTimeout), "{error:?}");
        }
        // Who is let in after a while has its time from then.
        assert!(took >= TIMEOUT && took < 2 * TIMEOUT + SLACK, "{error}: {took:?}");
    }
    println!("{busy} of 20 were never let in");
    assert!(busy > 0, "all were taken in");
}

#[test]
fn stores_are_sent_again_where_that_is_asked_for() {
    let stores = 10;
    for resend in [false, true] {
        let hang_up = vec![Step::Lines(2 * stores), Step::Close];
        let good = vec![Step::Lines(2 * stores), Step::send(&"STORED\r\n".repeat(stores))];
        let server = Scripted::start(vec![hang_up, good]);
        let builder = builder().server(&server.address()).resend_stores(resend);
        let client = builder.build().expect("an address");
        let results = at_once(stores, |number| {
            let client = client.clone();
            async move { client.set(number, "value", Expiry::Never).await }
        });
        for (result, _) in results {
            if resend {
                result.expect("stored the second time");
                continue;
            }
            let error = result.expect_err("the server hung up");
            assert!(matches!(failure(&error).0, FailureKind::Eof | FailureKind::Disconnected));
            assert!(error.may_have_been_applied() && error.is_unavailable(), "{error:?}");
        }
        let seen = server.seen();
        assert_eq!(seen.len(), 1 + usize::from(resend), "connections");
        let lines = |received: &[u8]| received.iter().filter(|&&byte| byte == b'\n').count();
        assert!(seen.iter().all(|seen| lines(&seen.received) == 2 * stores), "{seen:?}");
    }
}
