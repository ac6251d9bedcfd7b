//! Servers that die and come back, others that take their place, and what a client tells of it.

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memcache_sync::{Error, Expiry, Fetched, NoticeEvent};
use memcache_tests::api::{Api, Config, Events};
use memcache_tests::{Memcached, Target, settles};

const NEVER: Expiry = Expiry::Never;
const TIMEOUT: Duration = Duration::from_millis(500);

memcache_tests::each_client! {
    dead {
        calls_to_servers_that_are_all_dead_cost_no_time,
        a_dead_server_is_asked_again_by_one_call_and_not_before_its_time,
        a_lookup_on_a_server_that_is_gone_is_a_miss_where_that_is_asked_for,
        a_server_that_was_dead_is_flushed_where_that_is_asked_for,
        what_happens_is_told_with_the_server_and_the_reason,
    }
    change {
        calls_go_to_the_new_servers_and_none_fails_for_it,
        servers_that_are_none_change_nothing,
        quit_all_closes_every_connection,
    }
}

mod dead {
    use super::*;

    /// An address where nobody listens.
    fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("a listener has an address").to_string()
    }

    pub(crate) fn calls_to_servers_that_are_all_dead_cost_no_time<A: Api>() {
        let config = Config::default().servers((0..3).map(|_| nobody())).socket_timeout(TIMEOUT);
        let client: A = config.build().expect("addresses");
        // Each of them is found to be dead.
        for key in 0..100 {
            client.get::<u8>(key).expect_err("nobody is there");
        }
        // Few at a time: whatever else the machine does, some of them have it for themselves.
        const CALLS: u32 = 20;
        let best = (0..250).map(|_| {
            let started = Instant::now();
            for key in 0..CALLS {
                let error = client.get::<u8>(key).expect_err("all are dead");
                assert!(error.is_unavailable());
            }
            started.elapsed() / CALLS
        });
        let best = best.min().expect("many times");
        println!("{}: {best:?} a call", A::NAME);
        assert!(best < Duration::from_micros(100), "{best:?} a call");
    }

    pub(crate) fn a_dead_server_is_asked_again_by_one_call_and_not_before_its_time<A: Api>() {
        let seen = (0..5).any(|_| sees_when_a_dead_server_is_asked_again::<A>());
        assert!(seen, "the machine is too busy to tell what is before its time");
    }

    /// Whether it could be seen: false if the time was over before all had asked.
    fn sees_when_a_dead_server_is_asked_again<A: Api>() -> bool {
        const SILENCE: Duration = Duration::from_secs(1);
        const RETRY: Duration = Duration::from_secs(2);
        // Connects come about, and that is all: nobody ever says a word.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        let config = Config::default().server(&address).socket_timeout(SILENCE);
        let client: A = config.dead_retry(RETRY).build().expect("an address");
        // Those of calls that have ended are all there to be accepted.
        let mut open = Vec::new();
        let mut connects = || {
            open.extend(std::iter::from_fn(|| listener.accept().ok()));
            open.len()
        };
        let began = Instant::now();
        client.get::<u8>("a").expect_err("it says nothing");
        // It died between these two.
        let (earliest, latest) = (began + SILENCE, Instant::now());
        assert_eq!(connects(), 1);
        // Before its time it is left alone, by all. Who asks it waits, so it is looked at meanwhile.
        let mut is_left_alone = || {
            let connects = connects();
            let in_time = earliest.elapsed() < RETRY;
            assert!(connects == 1 || !in_time, "asked before its time");
            in_time
        };
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while earliest.elapsed() < RETRY * 8 / 10 {
                        client.get::<u8>("a").expect_err("it is dead");
                        thread::sleep(Duration::from_millis(5));
                    }
                });
            }
            while earliest.elapsed() < RETRY * 8 / 10 {
                is_left_alone();
                thread::sleep(Duration::from_millis(5));
            }
        });
        if !is_left_alone() {
            return false;
        }
        thread::sleep((RETRY + Duration::from_millis(50)).saturating_sub(latest.elapsed()));
        // Then one asks, and the others do not wait for it.
        let quick = AtomicUsize::new(0);
        let began = Instant::now();
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let started = Instant::now();
                    client.get::<u8>("a").expect_err("it says nothing still");
                    let waited = started.elapsed() >= SILENCE - Duration::from_millis(5);
                    quick.fetch_add(usize::from(!waited), Ordering::SeqCst);
                });
            }
        });
        if began.elapsed() >= SILENCE + RETRY {
            return false;
        }
        assert_eq!(connects(), 2, "asked by more than one");
        assert_eq!(quick.load(Ordering::SeqCst), 15, "others waited, too");
        true
    }

    pub(crate) fn a_lookup_on_a_server_that_is_gone_is_a_miss_where_that_is_asked_for<A: Api>() {
        let config = Config::default().server(&nobody()).socket_timeout(TIMEOUT);
        let client: A = config.clone().unavailable_is_miss(true).build().expect("an address");
        for _ in 0..2 {
            assert_eq!(client.get::<u8>("a").expect("a miss"), None);
            assert_eq!(client.gets::<u8>("a").expect("a miss"), None);
            assert_eq!(client.gat::<u8>("a", NEVER).expect("a miss"), None);
            let found = client.get_many::<u8, _>(["a", "b"]).expect("asked").into_result();
            assert_eq!(found.expect("misses"), HashMap::new());
        }
        // What would claim that something has been done is told as ever.
        assert!(client.set("a", 1, NEVER).expect_err("nobody is there").is_unavailable());
        assert!(client.delete("a").expect_err("nobody is there").is_unavailable());
        assert!(client.incr("a", 1).expect_err("nobody is there").is_unavailable());
        let computed = client.get_or_set("a", NEVER, || Ok(7)).expect("computed");
        let Fetched::Computed { value: 7, stored: Err(error) } = computed else { panic!() };
        assert!(error.is_unavailable());

        let plain: A = config.unavailable_is_miss(false).build().expect("an address");
        assert!(plain.get::<u8>("a").expect_err("nobody is there").is_unavailable());
        let result = plain.get_or_set("a", NEVER, || -> Result<u8, _> { panic!("not asked for") });
        assert!(result.expect_err("nobody is there").is_unavailable());
    }

    /// A server that was cut off, and keeps what it had: a stopped process.
    pub(crate) fn a_server_that_was_dead_is_flushed_where_that_is_asked_for<A: Api>() {
        for flush in [true, false] {
            let memcached = Memcached::start();
            let retry = Duration::from_millis(400);
            let config = Config::default().server(&memcached.address()).socket_timeout(TIMEOUT);
            let config = config.dead_retry(retry).flush_on_reconnect(flush);
            let client: A = config.build().expect("an address");
            client.set("a", 1, NEVER).expect("stored");
            memcached.pause();
            client.get::<u8>("a").expect_err("it says nothing");
            memcached.resume();
            assert!(memcached.connections() > 0, "it answers again");
            thread::sleep(retry + Duration::from_millis(50));
            let expected = if flush { None } else { Some(1) };
            assert_eq!(client.get::<u8>("a").expect("it is back"), expected);
            // And once only.
            client.set("a", 2, NEVER).expect("stored");
            assert_eq!(client.get::<u8>("a").expect("asked"), Some(2));
        }
    }

    pub(crate) fn what_happens_is_told_with_the_server_and_the_reason<A: Api>() {
        let mut memcached = Memcached::start();
        let events = Events::default();
        let retry = Duration::from_millis(300);
        let config = Config::default().server(&memcached.address()).dead_retry(retry);
        let client: A = config.debug(&events).build().expect("an address");
        client.set("secret", "value", NEVER).expect("stored");
        assert_eq!(events.take(), []);
        memcached.kill();
        client.get::<String>("secret").expect_err("it is gone");
        let told = events.take();
        let has = |told: &[(String, NoticeEvent)], wanted: fn(&NoticeEvent) -> bool| {
            told.iter().any(|(_, event)| wanted(event))
        };
        assert!(has(&told, |event| matches!(event, NoticeEvent::MarkedDead { .. })), "{told:?}");
        assert!(has(&told, |event| matches!(event, NoticeEvent::Disconnected { .. })), "{told:?}");
        for (server, event) in &told {
            assert_eq!(*server, format!("{} (1)", memcached.address()));
            let text = format!("{event} {event:?}");
            assert!(!text.contains("secret") && !text.contains("value"), "{text}");
        }
        memcached.restart();
        thread::sleep(retry + Duration::from_millis(50));
        client.get::<String>("secret").expect("it is back");
        let told = events.take();
        assert!(has(&told, |event| matches!(event, NoticeEvent::Revived)), "{told:?}");
        assert!(has(&told, |event| matches!(event, NoticeEvent::Reconnect)), "{told:?}");
    }
}

mod change {
    use super::*;

    pub(crate) fn calls_go_to_the_new_servers_and_none_fails_for_it<A: Api>() {
        const WORKERS: usize = 8;
        let servers = [Target::in_memory(), Target::in_memory()];
        let addresses = servers.each_ref().map(Target::address);
        let lists: Vec<Vec<(String, i32)>> = vec![
            vec![(addresses[0].clone(), 1)],
            vec![(addresses[1].clone(), 1)],
            vec![(addresses[0].clone(), 1), (addresses[1].clone(), 2)],
        ];
        let client: A = Config::default().server(&addresses[0]).build().expect("an address");
        let done = AtomicBool::new(false);
        let made = AtomicUsize::new(0);
        thread::scope(|scope| {
            for worker in 0..WORKERS {
                let (client, done, made) = (&client, &done, &made);
                scope.spawn(move || {
                    let mut round = 0;
                    while !done.load(Ordering::Relaxed) {
                        round += 1;
                        let key = format!("{worker}:{}", round % 50);
                        client.set(&key, &key, NEVER).expect("stored");
                        // It may be elsewhere by now, but is nobody else's.
                        let found = client.get::<String>(&key).expect("asked");
                        assert!(found.is_none_or(|found| found == key));
                        made.fetch_add(2, Ordering::Relaxed);
                    }
                });
            }
            // As often as it takes until many calls have met a change.
            let enough = |change| change >= 200 && made.load(Ordering::Relaxed) > 1_000;
            let ended = (0..20_000).any(|change: usize| {
                client.set_servers(&lists[change % lists.len()]).expect("addresses");
                thread::sleep(Duration::from_millis(3));
                enough(change)
            });
            done.store(true, Ordering::Relaxed);
            assert!(ended, "calls do not come to an end");
        });
        println!("{}: {} calls", A::NAME, made.load(Ordering::Relaxed));

        // Each list is what the keys are sought with from then on.
        client.set_servers(&lists[2]).expect("addresses");
        client.set((0, "place"), "first", NEVER).expect("stored");
        client.set((1, "place"), "second", NEVER).expect("stored");
        for (list, expected) in lists.iter().zip(["first", "second", "first"]) {
            client.set_servers(list).expect("addresses");
            let found = client.get::<String>((0, "place")).expect("asked");
            assert_eq!(found.as_deref(), Some(expected));
        }
        let counts: HashMap<_, _> = client.call_counts().into_iter().collect();
        assert!(counts["set"] > made.load(Ordering::Relaxed) as u64 / 2, "counted throughout");
    }

    pub(crate) fn servers_that_are_none_change_nothing<A: Api>() {
        let server = Target::in_memory();
        let client: A = server.config().build().expect("an address");
        client.set("a", 1, NEVER).expect("stored");
        assert!(matches!(client.set_servers(&[]), Err(Error::Cluster(_))));
        let none = [("::1".to_owned(), 1)];
        assert!(matches!(client.set_servers(&none), Err(Error::Address(_))));
        assert_eq!(client.get::<u8>("a").expect("asked"), Some(1));
    }

    pub(crate) fn quit_all_closes_every_connection<A: Api>() {
        let servers = [Memcached::start(), Memcached::start()];
        let config = Config::default().servers(servers.iter().map(Memcached::address));
        let client: A = config.build().expect("addresses");
        let open = || servers.each_ref().map(Memcached::open_sockets);
        let before = open();
        let connect = || {
            for key in 0..20 {
                client.set(key, key, NEVER).expect("stored");
            }
        };
        connect();
        assert_eq!(open(), before.map(|open| open + 1));
        client.quit_all();
        // The servers have closed them, which is how they answer.
        assert!(settles(|| open() == before), "{:?}, {before:?}", open());
        assert_eq!(client.get::<i32>(7).expect("it connects again"), Some(7));
    }
}
