//! Many threads, or many tasks, one client, two servers, one of them killed and started again midway:
//! every value is its own key's, every failure is typed, and the client is good at the end.
//!
//! Each of 64 threads does 20,000 operations, each of 64 tasks 10,000; `MEMCACHE_TESTS_OPERATIONS` says
//! another number.

use std::collections::HashMap;
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use memcache_proto::calls::{self, Call};
use memcache_sync::Expiry;
use memcache_tests::{Caller, Memcached, Tally, Worker};

const WORKERS: u64 = 64;
/// How many keys there are of each kind.
const KEYS: u64 = 20_000;
const DEAD_RETRY: Duration = Duration::from_millis(200);
/// How long all of it may take on a busy machine; who is not woken takes longer.
const PATIENCE: Duration = Duration::from_secs(1_200);

/// How many operations each is to do, of those it might do.
fn operations(most: u64) -> u64 {
    let count = env::var("MEMCACHE_TESTS_OPERATIONS").ok();
    count.map_or(most, |count| count.parse().expect("a number"))
}

/// One worker's work.
async fn work<C: Caller>(mut worker: Worker<C>, operations: u64, done: Arc<AtomicU64>) -> Tally {
    for _ in 0..operations {
        worker.step().await;
        done.fetch_add(1, Ordering::Relaxed);
    }
    worker.tally
}

#[test]
fn threads_keep_values_and_keys_together_while_a_server_comes_and_goes() {
    let operations = operations(20_000);
    let client = |addresses: [String; 2]| {
        let builder = memcache_sync::Client::builder().servers(addresses);
        builder.dead_retry(DEAD_RETRY).build().expect("addresses")
    };
    check(client, operations, |worker, done| {
        let (sender, receiver) = channel();
        let work = work(worker, operations, done);
        thread::spawn(move || sender.send(smol::block_on(work)));
        receiver
    });
}

#[test]
fn tasks_keep_values_and_keys_together_while_a_server_comes_and_goes() {
    let operations = operations(10_000);
    let client = |addresses: [String; 2]| {
        let builder = memcache_async::Client::builder().servers(addresses);
        builder.dead_retry(DEAD_RETRY).build().expect("addresses")
    };
    check(client, operations, |worker, done| {
        let (sender, receiver) = channel();
        let work = work(worker, operations, done);
        smol::spawn(async move { sender.send(work.await) }).detach();
        receiver
    });
}

fn call<C: Call>(client: &impl Caller, call: C) -> C::Output {
    smol::block_on(client.call(call)).expect("asked")
}

/// `start` starts a worker, which is to count what it has done, and says what will tell of its end.
fn check<C: Caller + Clone>(
    client: impl Fn([String; 2]) -> C,
    operations: u64,
    start: impl Fn(Worker<C>, Arc<AtomicU64>) -> Receiver<Tally>,
) {
    let [stays, mut goes] = [Memcached::start(), Memcached::start()];
    let client = client([stays.address(), goes.address()]);
    let done = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let workers: Vec<_> = (0..WORKERS)
        .map(|number| start(Worker::new(client.clone(), number, KEYS), done.clone()))
        .collect();
    let all = operations * WORKERS;
    let wait_for = |count: u64| {
        // Who ends, or panics, counts no more.
        let at_it = || Arc::strong_count(&done) > workers.len();
        while done.load(Ordering::Relaxed) < count && at_it() {
            assert!(started.elapsed() < PATIENCE, "not done after {PATIENCE:?}");
            thread::sleep(Duration::from_millis(10));
        }
        println!("{} of {all} after {:.1?}", done.load(Ordering::Relaxed), started.elapsed());
    };
    wait_for(all * 4 / 10);
    goes.kill();
    println!("killed {}", goes.address());
    wait_for(all * 6 / 10);
    goes.restart();
    assert!(done.load(Ordering::Relaxed) < all, "the server was back too late to be used");
    println!("started {} again", goes.address());
    wait_for(all);
    let tally: Tally =
        workers.into_iter().map(|worker| worker.recv().expect("no worker panics")).collect();
    let took = started.elapsed();

    let Tally { done, found, failures } = &tally;
    println!("{done} operations in {took:.1?}, {found} values checked, failures: {failures:?}");
    assert_eq!(*done, all);
    assert!(*found > done / 10, "hardly anything was found");
    assert!(tally.failed() > 0, "nobody noticed that the server was gone");
    assert!(tally.failed() < done / 10, "more failed than one kill explains");

    // Both servers are in use again, without being told.
    thread::sleep(DEAD_RETRY + Duration::from_millis(100));
    let keys: Vec<String> = (0..1_000).map(|number| format!("end:{number}")).collect();
    let set_many = || {
        let items: Vec<_> = keys.iter().map(|key| (key, key)).collect();
        call(&client, calls::set_many(items, Expiry::Never))
    };
    let _ = set_many();
    assert_eq!(set_many().into_result().expect("stored"), 1_000);
    let found = call(&client, calls::get_many::<String, _, HashMap<_, _>>(&keys)).into_result();
    let found = found.expect("answered");
    assert!(found.len() == 1_000 && found.iter().all(|(key, value)| *key == value));
    for (server, version) in call(&client, calls::version()) {
        assert!(version.is_ok(), "{server}: {version:?}");
    }
    let revived = memcache_sync::Client::new([goes.address()]).expect("an address");
    assert!(revived.get_many::<String, _>(&keys).expect("asked").result.len() > 300);
}
