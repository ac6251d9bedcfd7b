//! The pool of the sync client: sessions and connections that threads wait for.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::slice::from_ref;

use memcache_sync::{Client, Error, Expiry, FailureKind, FromValue, Value, ValueError};
use schedules_adapters::{Clock, Mode, Server, explore, threads};
use schedules_std::thread;
use schedules_std::time::{Duration, Instant};

/// More than any model needs until a server is found dead.
const TRIES: usize = 20;

const TIMEOUT: Duration = Duration::from_secs(1);

/// Starts a thread for each number, and waits for all of them.
fn together(threads: usize, work: impl Fn(usize) + Clone + Send + 'static) {
    let start = |number| {
        let work = work.clone();
        thread::spawn(move || work(number))
    };
    let threads: Vec<_> = (0..threads).map(start).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// How much time has passed in the model.
fn passed(since: Instant) -> Duration {
    Instant::now() - since
}

fn call(client: &Client, number: usize) {
    let key = format!("key{number}");
    client.set(&key, number as u64, Expiry::Never).unwrap();
    assert_eq!(client.get::<u64>(&key).unwrap(), Some(number as u64));
}

/// Everybody who waits for a session gets one as soon as there is one, and no more are made than there may
/// be.
#[test]
fn whoever_waits_for_a_session_gets_one() {
    explore(1_000, Clock::Patient, || {
        let server = Server::new(Mode::Up);
        let client = threads::builder(from_ref(&server)).sessions(1).build().unwrap();
        let start = Instant::now();
        together(3, move |number| call(&client, number));
        assert_eq!((passed(start), server.accepted()), (Duration::ZERO, 1));
    });
}

/// Who waits for a session longer than an operation may take is told so; no place is lost by it.
#[test]
fn whoever_waits_for_a_session_in_vain_is_told() {
    for clock in [Clock::Patient, Clock::Hasty] {
        explore(1_000, clock, move || {
            let server = Server::new(Mode::Silent);
            let client = threads::builder(from_ref(&server))
                .sessions(1)
                .operation_timeout(TIMEOUT)
                .socket_timeout(2 * TIMEOUT)
                .build()
                .unwrap();
            let all = client.clone();
            together(3, move |number| {
                let start = Instant::now();
                match all.get::<u64>(number as u64) {
                    Err(Error::Busy | Error::Server { .. }) => {}
                    result => panic!("{result:?} of a server that is silent"),
                }
                // One operation's time to wait for a session, and one to use it.
                assert!(clock == Clock::Hasty || passed(start) <= 2 * TIMEOUT);
            });
            server.set_mode(Mode::Up);
            client.forget_dead_hosts();
            // It may still be too late, but not because the client is busy: nobody uses it.
            let alone = client.get::<u64>("alone");
            assert!(!matches!(alone, Err(Error::Busy)), "{alone:?}");
        });
    }
}

/// A value that cannot be looked at.
#[derive(Debug)]
struct Panicking;

impl FromValue for Panicking {
    fn from_value(_: Value) -> Result<Self, ValueError> {
        // A panic that nobody is told of but who catches it.
        resume_unwind(Box::new("a value was looked at"));
    }
}

/// A session whose call panics is not lost from the pool, and nobody waits for ever because of it.
#[test]
fn a_session_dropped_in_a_panic_is_not_lost() {
    explore(1_000, Clock::Patient, || {
        let server = Server::new(Mode::Up);
        let client = threads::builder(from_ref(&server)).sessions(1).build().unwrap();
        let start = Instant::now();
        together(3, move |number| {
            call(&client, number);
            let key = format!("key{number}");
            let get = AssertUnwindSafe(|| client.get::<Panicking>(&key));
            assert!(catch_unwind(get).is_err());
            call(&client, number);
        });
        assert_eq!((passed(start), server.accepted()), (Duration::ZERO, 1));
    });
}

/// The same of a session whose connector panics, in the thread that calls or in one of its own.
#[test]
fn a_connector_that_panics_takes_no_session_with_it() {
    for builder in [threads::builder, threads::builder_with_names] {
        explore(500, Clock::Patient, move || {
            let server = Server::new(Mode::Panicking);
            let client = builder(from_ref(&server)).sessions(1).build().unwrap();
            together(2, move |number| {
                let get = AssertUnwindSafe(|| client.get::<u64>(number as u64));
                drop(catch_unwind(get));
                server.set_mode(Mode::Up);
                client.forget_dead_hosts();
                call(&client, number);
            });
        });
    }
}

/// Where a server takes fewer connections than there are threads, everybody has one in turn, without
/// waiting for a timeout: who needs one no more hands it on.
#[test]
fn whoever_waits_for_a_connection_gets_one() {
    for builder in [threads::builder, threads::builder_with_names] {
        explore(500, Clock::Patient, move || {
            let server = Server::new(Mode::Limited(1));
            let client = builder(from_ref(&server)).sessions(3).build().unwrap();
            // While nobody has a connection yet, one that is refused speaks for itself.
            call(&client, 3);
            let (start, all) = (Instant::now(), client.clone());
            together(3, move |number| call(&all, number));
            assert_eq!((passed(start), server.accepted()), (Duration::ZERO, 1));
            assert_counted(&client, &[server]);
        });
    }
}

/// What is counted of open connections to a server is right when nobody does anything: else a server that
/// cannot be connected to is never dead, or is at once while somebody has a connection.
fn assert_counted(client: &Client, servers: &[Server]) {
    client.disconnect_all();
    wait_until_closed(servers);
    client.forget_dead_hosts();
    servers.iter().for_each(|server| server.set_mode(Mode::Refusing));
    for key in 0..4 {
        let mut error = client.get::<u64>(key).unwrap_err();
        for _ in 0..TRIES {
            // Whose time was up before it was refused has not learned anything.
            if !is_dead(&error) {
                error = client.get::<u64>(key).unwrap_err();
            }
        }
        assert!(is_dead(&error), "{error:?}");
    }
}

fn is_dead(error: &Error) -> bool {
    matches!(error, Error::Server { failure, .. } if matches!(failure.kind, FailureKind::AllDead(_)))
}

/// Servers learn a little later that a connection is closed. One that never is fails the model, which then
/// has no end.
fn wait_until_closed(servers: &[Server]) {
    while servers.iter().any(|server| server.open() > 0) {
        thread::sleep(TIMEOUT);
    }
}

/// Two servers at once, each of which takes one connection: who has one and waits for the other does not
/// keep those waiting who need the one it has, for longer than a look at it takes.
#[test]
fn calls_on_several_servers_do_not_wait_for_each_other() {
    explore(1_000, Clock::Patient, || {
        let servers = [Server::new(Mode::Limited(1)), Server::new(Mode::Limited(1))];
        let client = threads::builder(&servers).sessions(3).build().unwrap();
        for key in 0..4 {
            call(&client, key);
        }
        let (start, all) = (Instant::now(), client.clone());
        together(3, move |number| {
            let keys: Vec<String> = (0..4).map(|key| format!("{number}:{key}")).collect();
            let found = all.get_many::<u64, _>(&keys).unwrap();
            assert!(found.failed.is_empty(), "{:?}", found.failed);
        });
        assert!(passed(start) < TIMEOUT, "{:?}", passed(start));
        assert_counted(&client, &servers);
    });
}

/// While others put other servers in their place, or close everything, calls still end well, and at the end
/// no connection is left to the former ones.
#[test]
fn servers_may_be_replaced_while_they_are_used() {
    explore(1_000, Clock::Patient, || {
        let servers = [Server::new(Mode::Up), Server::new(Mode::Up)];
        let client = threads::builder(&servers).sessions(2).build().unwrap();
        let (start, all) = (Instant::now(), client.clone());
        together(3, move |number| match number {
            0 => all.set_servers(threads::addresses([1])).unwrap(),
            1 => all.quit_all(),
            _ => {
                for key in ["a", "b"] {
                    all.set(key, 1, Expiry::Never).unwrap();
                    // The new server has none of what the former one had.
                    all.get::<u64>(key).unwrap();
                }
            }
        });
        assert_eq!(passed(start), Duration::ZERO);
        client.quit_all();
        wait_until_closed(&servers);
    });
}

/// Whatever times out, and whenever: every call ends within its time, and the client can be used after.
#[test]
fn every_call_ends_whenever_time_is_up() {
    for builder in [threads::builder, threads::builder_with_names] {
        for mode in [Mode::Up, Mode::Limited(1), Mode::Hanging, Mode::Refusing, Mode::Silent] {
            explore(200, Clock::Hasty, move || {
                let server = Server::new(mode);
                let client = builder(from_ref(&server))
                    .sessions(2)
                    .operation_timeout(TIMEOUT)
                    .socket_timeout(2 * TIMEOUT)
                    .build()
                    .unwrap();
                let all = client.clone();
                together(3, move |number| {
                    for key in 0..2 {
                        let _ = all.set(format!("{number}:{key}"), 1, Expiry::Never);
                    }
                });
                server.set_mode(Mode::Up);
                client.disconnect_all();
                client.forget_dead_hosts();
                let last = client.get::<u64>("last");
                assert!(!matches!(last, Err(Error::Busy)), "{last:?}");
                assert_counted(&client, &[server]);
            });
        }
    }
}
