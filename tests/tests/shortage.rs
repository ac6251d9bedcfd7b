//! More connections than there can be: the server takes no more, or this machine has none to give. It
//! fails the calls that it concerns, and no server is dead for it.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use memcache_sync::{Client, ConnectFailure, Error, Expiry, Failure, FailureKind};
use memcache_tests::{Memcached, Scripted, Step};
use rustix::process::{Resource, Rlimit, setrlimit};

/// How a call ended, in a word.
fn end<T>(result: &Result<T, Error>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(error) => error.to_string().replace(|c: char| c.is_ascii_digit(), "#"),
    }
}

/// Has so many threads make calls at the same time, and counts how they end. All of them use one client.
fn crowd(client: &Client, threads: usize, calls: usize, stores: bool) -> BTreeMap<String, usize> {
    let together = Barrier::new(threads);
    let each = |thread: usize| {
        together.wait();
        let one = |call: usize| match stores && call % 2 == 0 {
            true => end(&client.set(thread, "value", Expiry::Never)),
            false => end(&client.get::<String>(thread)),
        };
        (0..calls / threads).map(one).collect::<Vec<_>>()
    };
    let each = &each;
    let ends: Vec<Vec<String>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|at| scope.spawn(move || each(at))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let mut counts = BTreeMap::new();
    for end in ends.into_iter().flatten() {
        *counts.entry(end).or_default() += 1;
    }
    counts
}

#[test]
fn a_server_that_takes_no_more_connections_serves_by_those_it_has() {
    // What is stored on a connection that nobody takes up cannot be sent again: gets can.
    let cases: &[(&[&str], usize, bool)] = &[
        (&["-t", "1", "-c", "24"], 40, true),
        (&["-t", "1", "-c", "14"], 16, true),
        (&["-t", "1", "-c", "24", "-o", "no_maxconns_fast"], 40, false),
    ];
    for &(arguments, threads, stores) in cases {
        let memcached = Memcached::start_with(arguments);
        let client = Client::new([memcached.address()]).expect("an address");
        let started = Instant::now();
        let ends = crowd(&client, threads, 2_000, stores);
        println!("{arguments:?}, {threads} threads, in {:.1?}: {ends:?}", started.elapsed());
        let good = ends.get("ok").copied().unwrap_or_default();
        assert!(good >= 1_990, "{arguments:?}: {ends:?}");
        // And one thread alone, whichever session it gets.
        let started = Instant::now();
        for _ in 0..100 {
            client.get::<String>("key").expect("there are connections that work");
        }
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
}

/// For how many connections the test of descriptors has them.
const DESCRIPTORS: u64 = 40;

#[test]
fn a_shortage_of_descriptors_fails_the_calls_that_it_meets_and_no_server() {
    const IS_CHILD: &str = "MEMCACHE_TESTS_SHORTAGE";
    let Ok(address) = env::var(IS_CHILD) else {
        // The limit is the whole process's, so it has one of its own.
        let memcached = Memcached::start();
        let name = "a_shortage_of_descriptors_fails_the_calls_that_it_meets_and_no_server";
        let mut child = Command::new(env::current_exe().expect("a test has a program"));
        child.args(["--exact", name, "--nocapture"]).env(IS_CHILD, memcached.address());
        let output = child.output().expect("it runs");
        println!("{}", String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    };
    let limit = Rlimit { current: Some(DESCRIPTORS), maximum: Some(DESCRIPTORS) };
    setrlimit(Resource::Nofile, limit).expect("it may be lowered");
    let client = Client::new([&address]).expect("an address");
    let mut hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    for _ in 0..150 {
        let error = client.get::<String>("key").expect_err("there is no descriptor left");
        let kind = FailureKind::Connect(ConnectFailure::LocalShortage);
        match &error {
            Error::Server { failure: Failure { kind: it, .. }, .. } if *it == kind => {}
            error => panic!("{error}"),
        }
        assert!(error.is_unavailable() && !error.may_have_been_applied());
    }
    // With descriptors for some of the threads the others use what those have.
    hoard.truncate(hoard.len() - 8);
    let ends = crowd(&client, 16, 1_600, true);
    println!("with eight descriptors: {ends:?}");
    assert!(ends.keys().all(|end| end == "ok" || end.contains("this machine ran out")), "{ends:?}");
    assert!(ends["ok"] > 100, "{ends:?}");
    drop(hoard);
    let ends = crowd(&client, 8, 160, true);
    assert_eq!(ends, BTreeMap::from([("ok".to_owned(), 160)]));
}

#[test]
fn a_server_that_answers_one_request_a_connection_takes_no_time() {
    let memcached = Memcached::start();
    let once = Scripted::always([Step::Lines(2), Step::send("STORED\r\n"), Step::Close]);
    let client = Client::new([once.address(), memcached.address()]).expect("addresses");
    let value = vec![b'x'; 100_000];
    let items = (0..1_000).map(|number| (format!("key{number}"), &value[..]));
    let started = Instant::now();
    let stored = client.set_many(items, Expiry::Never).expect("asked");
    let took = started.elapsed();
    println!("{} stored, {} failed, in {took:.1?}", stored.result, stored.failed.len());
    assert!(took < Duration::from_secs(20), "{took:?}");
    let name = format!("{} (1)", once.address());
    assert!(stored.failed.iter().all(|failed| failed.error.server() == Some(&*name)));
    assert!(client.get::<Vec<u8>>("nothing").is_ok());
}

/// Both adapters translate the system's errors alike; what the reasons mean is the core's to say.
#[test]
fn the_systems_errors_are_translated_alike() {
    use ConnectFailure::*;
    use std::io::{Error, ErrorKind};

    let system = Error::from_raw_os_error;
    let cases = [
        (system(111), Refused),  // ECONNREFUSED
        (system(2), Refused),    // ENOENT, of a Unix socket
        (system(11), Refused),   // EAGAIN, of a Unix socket
        (system(110), TimedOut), // ETIMEDOUT
        (ErrorKind::TimedOut.into(), TimedOut),
        (ErrorKind::WouldBlock.into(), TimedOut),
        (system(113), Unreachable), // EHOSTUNREACH
        (system(101), Unreachable), // ENETUNREACH
        (system(100), Unreachable), // ENETDOWN
        (ErrorKind::NotFound.into(), Unreachable),
        (system(24), LocalShortage),  // EMFILE
        (system(23), LocalShortage),  // ENFILE
        (system(99), LocalShortage),  // EADDRNOTAVAIL
        (system(105), LocalShortage), // ENOBUFS
        (system(12), LocalShortage),  // ENOMEM
        (ErrorKind::InvalidData.into(), Handshake),
        (ErrorKind::UnexpectedEof.into(), Handshake),
        (system(104), Other), // ECONNRESET
        (system(13), Other),  // EACCES
        (Error::other("whatever"), Other),
    ];
    for (error, expected) in cases {
        assert_eq!(memcache_sync::connect_failure(&error), expected, "{error}");
        assert_eq!(memcache_async::connect_failure(&error), expected, "{error}");
    }
}
