//! Calls of the synchronous client that have a time of their own.

use std::thread;
use std::time::{Duration, Instant};

use memcache_sync::server::Server;
use memcache_sync::{Client, Error, Expiry, FailureKind, Fetched};
use memcache_tests::Scripted;

const MS: Duration = Duration::from_millis(1);

/// How a call ended that took this long at least, and not much longer.
fn ends_after<T>(time: Duration, call: impl FnOnce() -> Result<T, Error>) -> Error {
    let began = Instant::now();
    let error = call().err().expect("nothing came");
    let took = began.elapsed();
    assert!(took >= time - MS && took < time + 2000 * MS, "{took:?}");
    error
}

fn is_late(error: &Error) -> bool {
    match error {
        Error::Late | Error::Busy => true,
        Error::Server { failure, .. } => failure.kind == FailureKind::OperationTimeout,
        _ => false,
    }
}

#[test]
fn a_call_ends_when_its_own_time_is_over() {
    let silent = Scripted::silent();
    for operation_timeout in [None, Some(50 * MS), Some(5000 * MS)] {
        let mut builder = Client::builder().server(&silent.address()).socket_timeout(8000 * MS);
        if let Some(timeout) = operation_timeout {
            builder = builder.operation_timeout(timeout);
        }
        let client = builder.build().expect("a client");
        let hurried = client.within(200 * MS);
        let error = ends_after(200 * MS, || hurried.get::<String>("a"));
        assert!(is_late(&error), "{error}");
        let error = hurried.get::<String>("a").expect_err("its time is over");
        assert!(matches!(error, Error::Late), "{error}");
    }
}

/// The only session is in use: who waits for it waits in its own time.
#[test]
fn a_wait_for_a_session_ends_in_time() {
    let silent = Scripted::silent();
    let client = Client::builder().server(&silent.address()).sessions(1).socket_timeout(3000 * MS);
    let client = client.build().expect("a client");
    thread::scope(|scope| {
        scope.spawn(|| client.get::<String>("a").expect_err("nothing comes"));
        thread::sleep(100 * MS);
        let error = ends_after(200 * MS, || client.within(200 * MS).get::<String>("a"));
        assert!(matches!(error, Error::Busy), "{error}");
    });
}

/// Who waits for another to compute a value waits no longer than its time, or `operation_timeout`.
#[test]
fn a_wait_for_a_value_ends_in_time() {
    let server = Server::start().expect("a free port");
    let builder = || Client::builder().server(server.address());
    let expiry = Duration::from_secs(100);
    let winner = builder().build().expect("a client");
    let limited = builder().operation_timeout(300 * MS).build().expect("a client");
    let compute = || Ok::<_, Error>(7_u64);
    thread::scope(|scope| {
        scope.spawn(|| {
            let slow = || {
                thread::sleep(1500 * MS);
                Ok::<_, Error>(7_u64)
            };
            winner.get_or_set_with("key", expiry, slow).expect("it is computed")
        });
        thread::sleep(100 * MS);
        let error = ends_after(300 * MS, || limited.get_or_set_with("key", expiry, compute));
        assert!(is_late(&error), "{error}");
        let hurried = winner.within(300 * MS);
        let error = ends_after(300 * MS, || hurried.get_or_set_with("key", expiry, compute));
        assert!(is_late(&error), "{error}");
    });
    assert_eq!(limited.get::<u64>("key").expect("an answer"), Some(7));
    // What was computed is stored, however long that took.
    let slow = || {
        thread::sleep(400 * MS);
        compute()
    };
    let fetched = limited.get_or_set("other", Expiry::Never, slow).expect("it is computed");
    assert!(matches!(fetched, Fetched::Computed { value: 7, stored: Ok(()) }), "{fetched:?}");
    assert_eq!(limited.get::<u64>("other").expect("an answer"), Some(7));
}
