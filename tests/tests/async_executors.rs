//! Clients on executors of their users: with several threads, and dropped with tasks alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memcache_async::{Builder, Client, ConnectFailure, Error, Expiry, FailureKind, Smol, Value};
use memcache_tests::{Counts, Full, Memcached, Scripted, Tally, Worker, block_on, settles};
use smol::channel::{Sender, bounded};
use smol::future::yield_now;
use smol::{Executor, Timer};

/// How long anything here may take that is not the load.
const PATIENCE: Duration = Duration::from_secs(10);
/// A timeout that nothing is to come to.
const NEVER: Duration = Duration::from_secs(3_600);

/// An executor that is run by threads, until it is stopped.
struct Threads {
    executor: Arc<Executor<'static>>,
    threads: Vec<thread::JoinHandle<()>>,
    /// Closed to stop them.
    running: Sender<()>,
}

impl Threads {
    fn start(count: usize) -> Self {
        let executor = Arc::new(Executor::new());
        let (running, stopped) = bounded::<()>(1);
        let threads = (0..count).map(|_| {
            let (executor, stopped) = (executor.clone(), stopped.clone());
            thread::spawn(move || {
                let _ = smol::block_on(executor.run(stopped.recv()));
            })
        });
        Threads { threads: threads.collect(), executor, running }
    }

    /// The runtime that has the executor poll its drivers.
    fn runtime(&self) -> Smol {
        Smol::on(&self.executor)
    }

    /// Ends the threads. The executor, with what is left of its tasks, is only dropped with this.
    fn stop(&mut self) {
        self.running.close();
        for thread in self.threads.drain(..) {
            thread.join().expect("no task panics");
        }
    }
}

async fn get(client: &Client) -> Result<Option<Value>, Error> {
    client.get::<Value>("key").await
}

#[test]
fn tasks_on_several_threads_share_several_connections_to_several_servers() {
    const THREADS: usize = 4;
    const TASKS: u64 = 64;
    const OPERATIONS: u64 = 3_000;
    const CONNECTIONS: usize = 4;
    let servers = [Memcached::start(), Memcached::start(), Memcached::start()];
    let before: Vec<_> = servers.iter().map(Memcached::connections).collect();
    let mut threads = Threads::start(THREADS);
    let client = Builder::new(threads.runtime())
        .servers(servers.iter().map(Memcached::address))
        .connections_per_server(CONNECTIONS)
        .build()
        .expect("addresses");
    let started = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let mut worker = Worker::new(client.clone(), number, 2_000);
            threads.executor.spawn(async move {
                for _ in 0..OPERATIONS {
                    worker.step().await;
                }
                worker.tally
            })
        })
        .collect();
    let tally: Tally = block_on(6 * PATIENCE, async {
        let mut tallies = Vec::new();
        for task in tasks {
            tallies.push(task.await);
        }
        tallies.into_iter().collect()
    });
    let Tally { done, found, failures } = &tally;
    println!("{done} operations in {:.1?}, {found} values checked", started.elapsed());
    assert_eq!(*done, TASKS * OPERATIONS);
    assert!(failures.is_empty(), "{failures:?}");
    assert!(*found > done / 2, "hardly anything was found");

    for (server, before) in servers.iter().zip(before) {
        // The last is that of who asks.
        let connections = server.connections() - before - 1;
        println!("{}: {connections} connections", server.address());
        assert!((2..=CONNECTIONS).contains(&connections), "{connections} connections");
    }
    block_on(PATIENCE, client.close());
    assert!(settles(|| threads.executor.is_empty()), "tasks are left");
    threads.stop();
}

/// Tasks that hold clones of the client, each busy with a call.
fn spawn_callers(executor: &Executor<'static>, client: &Client, count: usize) -> Arc<AtomicU64> {
    let calls = Arc::new(AtomicU64::new(0));
    for number in 0..count {
        let (client, calls) = (client.clone(), calls.clone());
        let work = async move {
            loop {
                let key = format!("key{number}");
                let stored = client.set(&key, number, Expiry::Never).await;
                let found = client.get_many::<usize, _>([&key, "other"]).await;
                if stored.is_err() || found.is_err() {
                    yield_now().await;
                }
                calls.fetch_add(1, Ordering::Relaxed);
            }
        };
        executor.spawn(work).detach();
    }
    calls
}

#[test]
fn nothing_is_left_of_an_executor_that_is_dropped_with_its_tasks() {
    let memcached = Memcached::start();
    let silent = Scripted::silent();
    let full = Full::start();
    let cases = [
        ("a good server", vec![memcached.address()]),
        ("a silent server", vec![silent.address()]),
        ("a server that does not accept", vec![full.address()]),
        ("all of them", vec![memcached.address(), silent.address(), full.address()]),
    ];
    for (name, servers) in &cases {
        for round in 0..20 {
            let counts = Counts::default();
            let mut threads = Threads::start(2);
            let builder = Builder::new(counts.count(threads.runtime())).socket_timeout(NEVER);
            let client = builder.servers(servers).build().expect("addresses");
            let calls = spawn_callers(&threads.executor, &client, 20);
            // Some executors end before their tasks have done much.
            thread::sleep(Duration::from_millis(round));
            drop(client);
            threads.stop();
            let calls = calls.load(Ordering::Relaxed);
            if round == 19 {
                println!("{name}: {calls} calls, {} connections", counts.spawned());
            }
            assert!(round < 19 || counts.spawned() > 0, "{name}: nothing was connected to");
            drop(threads);
            let left = (counts.tasks(), counts.runtimes());
            assert_eq!(left, (0, 0), "{name}, {round}: drivers and clients that are left");
        }
    }
}

#[test]
fn calls_fail_where_the_executor_of_their_drivers_is_dropped() {
    let memcached = Memcached::start();
    let silent = Scripted::silent();
    let full = Full::start();
    for (name, address) in [
        ("a good server", memcached.address()),
        ("a silent server", silent.address()),
        ("a server that does not accept", full.address()),
    ] {
        let mut threads = Threads::start(1);
        let builder = Builder::new(threads.runtime()).socket_timeout(NEVER);
        let client = builder.servers([&address, &memcached.address()]).build().expect("addresses");
        let callers: Vec<_> = (0..50)
            .map(|number: u32| {
                let client = client.clone();
                smol::spawn(async move {
                    loop {
                        client.get::<Value>(number).await?;
                    }
                })
            })
            .collect();
        block_on(PATIENCE, Timer::after(Duration::from_millis(50)));
        let ended = callers.iter().filter(|caller| caller.is_finished()).count();
        assert_eq!(ended, 0, "{name}: calls ended while there were drivers");
        threads.stop();
        drop(threads);
        block_on(PATIENCE, async {
            for caller in callers {
                let error: Result<(), Error> = caller.await;
                let error = error.expect_err("nobody drives");
                let Error::Server { failure, .. } = &error else { panic!("{name}: {error:?}") };
                let kind = &failure.kind;
                let gone = FailureKind::Connect(ConnectFailure::RuntimeGone);
                let lost = *kind == FailureKind::Disconnected || *kind == gone;
                assert!(lost, "{name}: {error:?}");
            }
            // Those that are made only now have nobody either, and are not left to wait for one. No server
            // is dead for it.
            for _ in 0..3 {
                let error = get(&client).await.expect_err("nobody drives");
                let Error::Server { failure, .. } = &error else { panic!("{name}: {error:?}") };
                let gone = FailureKind::Connect(ConnectFailure::RuntimeGone);
                assert_eq!(failure.kind, gone, "{name}");
                assert!(error.to_string().contains("the runtime of the client has ended"));
                println!("{name}: {error}");
            }
            client.close().await;
        });
    }
}

#[test]
fn drivers_that_wait_are_not_polled() {
    let timeout = Duration::from_millis(200);
    let memcached = Memcached::start();
    let silent = Scripted::silent();
    let full = Full::start();
    for (name, address) in [
        ("a good server", memcached.address()),
        ("a silent server", silent.address()),
        ("a server that does not accept", full.address()),
    ] {
        let counts = Counts::default();
        let builder = Builder::new(counts.count(Smol::new())).server(&address);
        let client = builder.socket_timeout(timeout).build().expect("an address");
        let used = block_on(PATIENCE, async {
            for _ in 0..100 {
                let _ = get(&client).await;
            }
            let used = counts.polls();
            // One that waits for nothing, one for an answer, or one for a connect.
            client.forget_dead_hosts();
            let _ = smol::future::zip(get(&client), Timer::after(5 * timeout)).await;
            used
        });
        let waiting = counts.polls() - used;
        println!("{name}: {used} polls, then {waiting}");
        assert!(waiting <= 10, "{name}: polled {waiting} times");
    }
}
