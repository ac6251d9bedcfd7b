//! A hundred who want the same value at the same time: one of them makes it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memcache_sync::proto::calls;
use memcache_sync::{Error, Expiry, Fetched, Recache};
use memcache_tests::api::{Api, Config};
use memcache_tests::{Memcached, block_on};
use smol::Timer;

const CALLERS: usize = 100;
const EXPIRY: Duration = Duration::from_secs(100);
/// How long it takes to make a value.
const WORK: Duration = Duration::from_millis(300);

memcache_tests::each_client! {
    threads {
        on_a_cold_key_one_computes_and_the_others_wait_for_it,
        on_a_stale_key_one_computes_and_the_others_have_the_old_value_at_once,
        when_the_winner_dies_another_wins_after_its_lease,
        when_the_winner_of_an_old_value_dies_another_wins_after_its_lease,
    }
}

mod threads {
    use super::*;

    /// What each of many threads that begin together has, and after how long.
    fn together<A: Api>(
        client: &A,
        compute: impl Fn() -> Result<usize, Error> + Sync,
    ) -> Vec<(Fetched<usize>, Duration)> {
        let start = Barrier::new(CALLERS);
        thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        let started = Instant::now();
                        let had = client.get_or_set_with("key", EXPIRY, &compute);
                        (had.expect("a value"), started.elapsed())
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().expect("it ends")).collect()
        })
    }

    pub(crate) fn on_a_cold_key_one_computes_and_the_others_wait_for_it<A: Api>() {
        let memcached = Memcached::start();
        let client: A = Config::default().server(&memcached.address()).build().expect("ok");
        let computed = AtomicUsize::new(0);
        let had = together(&client, || {
            computed.fetch_add(1, Ordering::SeqCst);
            thread::sleep(WORK);
            Ok(7)
        });
        assert_eq!(computed.load(Ordering::SeqCst), 1);
        assert_eq!(had.iter().filter(|(had, _)| !had.is_hit()).count(), 1);
        let slowest = had.iter().map(|(_, took)| *took).max().expect("some");
        println!("{}: the slowest waited for {slowest:?}", A::NAME);
        assert!(had.into_iter().all(|(had, _)| had.into_value() == 7));
    }

    pub(crate) fn on_a_stale_key_one_computes_and_the_others_have_the_old_value_at_once<A: Api>() {
        let memcached = Memcached::start();
        let client: A = Config::default().server(&memcached.address()).build().expect("ok");
        client.set("key", 1, EXPIRY).expect("stored");
        assert_eq!(client.invalidate("key", None).expect("asked"), memcache_sync::Changed::Done);
        let computed = AtomicUsize::new(0);
        let had = together(&client, || {
            computed.fetch_add(1, Ordering::SeqCst);
            // Long enough for the others to come.
            thread::sleep(4 * WORK);
            Ok(2)
        });
        assert_eq!(computed.load(Ordering::SeqCst), 1);
        let mut stale = 0;
        for (had, took) in had {
            match had {
                Fetched::Computed { value: 2, stored: Ok(()) } => {}
                Fetched::Stale(1) => {
                    stale += 1;
                    assert!(took < 3 * WORK, "{took:?}");
                }
                had => panic!("{had:?}"),
            }
        }
        assert_eq!(stale, CALLERS - 1);
        let found = client.get_or_set_with("key", EXPIRY, || -> Result<usize, _> { panic!() });
        assert!(matches!(found, Ok(Fetched::Hit(2))), "{found:?}");
    }

    pub(crate) fn when_the_winner_dies_another_wins_after_its_lease<A: Api>() {
        let memcached = Memcached::start();
        let lease = Duration::from_secs(2);
        let recache = Recache { lease, ..Recache::default() };
        let config = Config::default().server(&memcached.address()).recache(recache);
        let client: A = config.build().expect("ok");
        // It wins, and nothing more is heard of it.
        let won = client.run(calls::meta_get::<usize, _>("key").vivify(lease));
        assert!(won.expect("asked").expect("a place").won);
        let computed = AtomicUsize::new(0);
        let started = Instant::now();
        let had = together(&client, || {
            computed.fetch_add(1, Ordering::SeqCst);
            Ok(7)
        });
        let took = started.elapsed();
        assert_eq!(computed.load(Ordering::SeqCst), 1);
        assert!(had.into_iter().all(|(had, _)| had.into_value() == 7));
        // A server's seconds begin when they do.
        let allowed = lease - Duration::from_millis(1_100)..lease + Duration::from_secs(3);
        assert!(allowed.contains(&took), "{took:?}");
    }

    pub(crate) fn when_the_winner_of_an_old_value_dies_another_wins_after_its_lease<A: Api>() {
        let memcached = Memcached::start();
        let lease = Duration::from_secs(2);
        let recache = Recache { lease, ..Recache::default() };
        let config = Config::default().server(&memcached.address()).recache(recache);
        let client: A = config.build().expect("ok");
        client.set("key", 1, Expiry::Never).expect("stored");
        assert_eq!(client.invalidate("key", None).expect("asked"), memcache_sync::Changed::Done);
        let dies = || -> Result<usize, Error> { panic!("it dies") };
        let dies = || client.get_or_set_with("key", Expiry::Never, dies);
        assert!(catch_unwind(AssertUnwindSafe(dies)).is_err());
        let started = Instant::now();
        let had = together(&client, || panic!("another is to compute"));
        assert!(had.iter().all(|(had, _)| matches!(had, Fetched::Stale(1))), "{had:?}");
        // The old value is gone with the lease.
        while client.get::<usize>("key").expect("asked").is_some() {
            assert!(started.elapsed() < lease + Duration::from_secs(3), "it is there for ever");
            thread::sleep(Duration::from_millis(20));
        }
        let computed = AtomicUsize::new(0);
        let had = together(&client, || {
            computed.fetch_add(1, Ordering::SeqCst);
            Ok(7)
        });
        assert_eq!(computed.load(Ordering::SeqCst), 1);
        assert!(had.into_iter().all(|(had, _)| had.into_value() == 7));
    }
}

/// The same with tasks, some of which give up while they wait.
#[test]
fn of_a_hundred_tasks_one_computes() {
    let memcached = Memcached::start();
    let client = memcache_async::Client::new([memcached.address()]).expect("an address");
    let computed = AtomicUsize::new(0);
    block_on(Duration::from_secs(30), async {
        let (won, is_won) = smol::channel::bounded::<()>(1);
        let winner = client.get_or_set_with("key", EXPIRY, || async {
            computed.fetch_add(1, Ordering::SeqCst);
            won.send(()).await.expect("somebody waits");
            Timer::after(2 * WORK).await;
            Ok::<_, memcache_async::Error>(7)
        });
        let others = async {
            is_won.recv().await.expect("somebody wins");
            let tasks: Vec<_> = (0..CALLERS)
                .map(|number| {
                    let client = client.clone();
                    smol::spawn(async move {
                        let never = || async { panic!("another computes") };
                        let call = client.get_or_set_with::<usize, Error, _>("key", EXPIRY, never);
                        let patience = if number % 10 == 9 { WORK / 3 } else { 100 * WORK };
                        let gives_up = async {
                            Timer::after(patience).await;
                            None
                        };
                        let has = async { Some(call.await.expect("a value").into_value()) };
                        smol::future::or(has, gives_up).await
                    })
                })
                .collect();
            let mut had = 0;
            for task in tasks {
                had += usize::from(task.await == Some(7));
            }
            had
        };
        let (made, had) = smol::future::zip(winner, others).await;
        assert!(matches!(made, Ok(Fetched::Computed { value: 7, stored: Ok(()) })), "{made:?}");
        assert_eq!(had, CALLERS * 9 / 10);
    });
    assert_eq!(computed.load(Ordering::SeqCst), 1);
}

/// A winner that is dropped: its lease runs out, also that of an old value without an end.
#[test]
fn when_the_winner_is_dropped_another_wins_after_its_lease() {
    let memcached = Memcached::start();
    let lease = Duration::from_secs(1);
    let config = memcache_async::Client::builder().server(&memcached.address());
    let client = config.recache(Recache { lease, ..Recache::default() }).build();
    let client = client.expect("an address");
    block_on(Duration::from_secs(30), async {
        let client = &client;
        client.set("key", 1, Expiry::Never).await.expect("stored");
        let old = client.invalidate("key", None).await.expect("asked");
        assert_eq!(old, memcache_async::Changed::Done);
        for key in ["key", "cold"] {
            let (won, is_won) = smol::channel::bounded::<()>(1);
            let winner = async {
                let never = || async {
                    won.send(()).await.expect("somebody waits");
                    smol::future::pending::<Result<usize, Error>>().await
                };
                let _ = client.get_or_set_with(key, EXPIRY, never).await;
            };
            let is_won = async { is_won.recv().await.expect("somebody wins") };
            smol::future::or(winner, is_won).await;
        }
        let mut stale = 0;
        for key in ["key", "cold"] {
            loop {
                match client.get_or_set_with(key, EXPIRY, || async { Ok::<_, Error>(7) }).await {
                    Ok(Fetched::Stale(1)) => stale += 1,
                    Ok(Fetched::Computed { value: 7, stored: Ok(()) }) => break,
                    made => panic!("{made:?}"),
                }
                Timer::after(Duration::from_millis(20)).await;
            }
        }
        assert!(stale > 0);
    });
}
