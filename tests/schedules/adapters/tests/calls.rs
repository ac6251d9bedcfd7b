//! The async client: tasks that share its state, its drivers and the room in its queues.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use memcache_async::{Client, Error, Expiry, Limits};
use schedules_adapters::tasks::Tasks;
use schedules_adapters::{Clock, Mode, Server, explore};
use schedules_std::time::{Alarm, Duration, Instant};
use shuttle::future::{JoinHandle, block_on, spawn, yield_now};
use shuttle::rand::{Rng, thread_rng};

const TIMEOUT: Duration = Duration::from_secs(1);

/// More than any call meets before a socket is lent to it.
const LONE_CALLS: usize = 20;

fn passed(since: Instant) -> Duration {
    Instant::now() - since
}

async fn call(client: &Client, number: usize) {
    let key = format!("key{number}");
    client.set(&key, number as u64, Expiry::Never).await.unwrap();
    assert_eq!(client.get::<u64>(&key).await.unwrap(), Some(number as u64));
}

async fn all<T>(tasks: Vec<JoinHandle<T>>) {
    for task in tasks {
        task.await.unwrap();
    }
}

/// Polls a future no more than so many times, each time that it is woken, and drops it.
async fn dropped_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(cx).map(Some);
        if left == 0 && polled.is_pending() {
            // It is dropped before it is woken, now or when others have had their turn.
            cx.waker().wake_by_ref();
        }
        polled
    })
    .await
}

/// Limits that let one call wait for another at once.
fn narrow() -> Limits {
    Limits { backlog: 1, window: 128, ..Limits::default() }
}

/// Ends a client in good order. Then no driver is left, and no connection.
async fn close(client: &Client, tasks: &Tasks, servers: &[Server]) {
    client.close().await;
    let is_left = || servers.iter().any(|server| server.open() > 0) || tasks.drivers() > 0;
    // One that stays makes a model without an end.
    while is_left() {
        yield_now().await;
    }
}

/// Every call ends, and none waits for a timeout to find out that it has: no wake-up is lost.
#[test]
fn every_call_is_answered_in_no_time() {
    explore(1_000, Clock::Patient, || {
        let server = [Server::new(Mode::Up)];
        let tasks = Tasks::new(&server);
        let client = tasks.builder().build().unwrap();
        block_on(async {
            let start = Instant::now();
            let call = |number| {
                let client = client.clone();
                spawn(async move { call(&client, number).await })
            };
            all((0..3).map(call).collect()).await;
            assert_eq!((passed(start), server[0].accepted()), (Duration::ZERO, 1));
            close(&client, &tasks, &server).await;
        });
    });
}

/// The same where pipes are narrow, so that writes are done in parts and wait for reads.
#[test]
fn every_call_is_answered_over_narrow_pipes() {
    explore(1_000, Clock::Patient, || {
        let server = [Server::with_pipes(Mode::Up, 8)];
        let tasks = Tasks::new(&server);
        let client = tasks.builder().build().unwrap();
        block_on(async {
            let start = Instant::now();
            let call = |number| {
                let client = client.clone();
                spawn(async move { call(&client, number).await })
            };
            all((0..2).map(call).collect()).await;
            assert_eq!(passed(start), Duration::ZERO);
            close(&client, &tasks, &server).await;
        });
    });
}

/// Where a call may have to wait for room, everybody has it in turn. One that is dropped, wherever it is,
/// passes its turn on.
#[test]
fn a_call_that_is_dropped_passes_its_turn_on() {
    explore(1_000, Clock::Patient, || {
        let server = [Server::with_pipes(Mode::Up, 16)];
        let tasks = Tasks::new(&server);
        let client = tasks.builder().limits(narrow()).build().unwrap();
        block_on(async {
            let start = Instant::now();
            let call = |number: usize| {
                let client = client.clone();
                let polls = thread_rng().gen_range(1..4);
                spawn(async move {
                    if number % 2 == 0 {
                        drop(dropped_after(polls, client.get::<u64>(number as u64)).await);
                    }
                    call(&client, number).await;
                })
            };
            all((0..4).map(call).collect()).await;
            assert_eq!(passed(start), Duration::ZERO);
            close(&client, &tasks, &server).await;
        });
    });
}

/// A future that has been woken because it is its turn, and is polled no more without being dropped, keeps
/// nobody waiting who came after it for longer than the turns of those before take.
#[test]
fn a_call_that_is_polled_no_more_keeps_nobody_waiting() {
    explore(1_000, Clock::Patient, || {
        let server = [Server::with_pipes(Mode::Up, 16)];
        let tasks = Tasks::new(&server);
        let client = tasks.builder().limits(narrow()).build().unwrap();
        block_on(async {
            let start = Instant::now();
            let idle = {
                let client = client.clone();
                let polls = thread_rng().gen_range(1..4);
                spawn(async move {
                    let get = client.get::<u64>("left");
                    let mut get = pin!(get);
                    for _ in 0..polls {
                        let polled = poll_fn(|cx| Poll::Ready(get.as_mut().poll(cx))).await;
                        if polled.is_ready() {
                            return;
                        }
                        yield_now().await;
                    }
                    // It is neither polled nor dropped for as long as the others take.
                    Alarm::new(Some(start + TIMEOUT)).await;
                })
            };
            let call = |number: usize| {
                let client = client.clone();
                spawn(async move { call(&client, number).await })
            };
            all((0..3).map(call).collect()).await;
            assert_eq!(passed(start), Duration::ZERO);
            idle.await.unwrap();
            close(&client, &tasks, &server).await;
        });
    });
}

/// A call that is alone reads and writes for itself. When others come, or it is dropped, nobody waits for
/// it.
#[test]
fn a_socket_that_is_lent_is_given_back() {
    explore(1_000, Clock::Patient, || {
        let server = [Server::new(Mode::Up)];
        let tasks = Tasks::new(&server);
        let client = tasks.builder().build().unwrap();
        block_on(async {
            let start = Instant::now();
            for _ in 0..LONE_CALLS {
                client.get::<u64>("lone").await.unwrap();
            }
            let call = |number: usize| {
                let client = client.clone();
                let polls = thread_rng().gen_range(1..3);
                spawn(async move {
                    drop(dropped_after(polls, client.get::<u64>(number as u64)).await);
                    client.get::<u64>(number as u64).await.unwrap();
                })
            };
            all((0..2).map(call).collect()).await;
            assert_eq!(passed(start), Duration::ZERO);
            close(&client, &tasks, &server).await;
        });
    });
}

/// A call that a socket is lent to and that is polled no more, without being dropped, gives it back when
/// others come.
#[test]
fn a_socket_that_is_lent_keeps_nobody_waiting() {
    explore(1_000, Clock::Patient, || {
        let server = [Server::new(Mode::Up)];
        let tasks = Tasks::new(&server);
        let client = tasks.builder().build().unwrap();
        block_on(async {
            let start = Instant::now();
            for _ in 0..LONE_CALLS {
                client.get::<u64>("lone").await.unwrap();
            }
            let mut left = pin!(client.get::<u64>("left"));
            drop(poll_fn(|cx| Poll::Ready(left.as_mut().poll(cx))).await);
            let call = |number: usize| {
                let client = client.clone();
                spawn(async move { call(&client, number).await })
            };
            all((0..2).map(call).collect()).await;
            assert_eq!(passed(start), Duration::ZERO);
        });
    });
}

/// While a client is closed, every call is answered or refused, everybody who waits for the end learns of
/// it, and nothing is left.
#[test]
fn a_client_that_is_closed_leaves_nobody_waiting() {
    explore(1_000, Clock::Patient, || {
        let server = [Server::with_pipes(Mode::Up, 16)];
        let tasks = Tasks::new(&server);
        let client = tasks.builder().limits(narrow()).build().unwrap();
        block_on(async {
            let start = Instant::now();
            let call = |number: usize| {
                let client = client.clone();
                spawn(async move {
                    if number == 0 {
                        return client.close().await;
                    }
                    match client.set(format!("key{number}"), 1, Expiry::Never).await {
                        Ok(()) | Err(Error::Closed) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                })
            };
            all((0..4).map(call).collect()).await;
            close(&client, &tasks, &server).await;
            assert_eq!(passed(start), Duration::ZERO);
        });
    });
}

/// While servers are replaced, and connections closed in good order, every call is answered, and at the end
/// nothing is left of the former ones.
#[test]
fn servers_may_be_replaced_while_they_are_used() {
    explore(1_000, Clock::Patient, || {
        let servers = [Server::new(Mode::Up), Server::new(Mode::Up)];
        let tasks = Tasks::new(&servers);
        let client = tasks.builder().build().unwrap();
        block_on(async {
            let start = Instant::now();
            let call = |number: usize| {
                let client = client.clone();
                spawn(async move {
                    match number {
                        0 => client.set_servers(["10.0.0.1:2"]).unwrap(),
                        1 => client.quit_all().await,
                        _ => {
                            client.set("key", 1, Expiry::Never).await.unwrap();
                            // The new server has none of what the former one had.
                            client.get::<u64>("key").await.unwrap();
                        }
                    }
                })
            };
            all((0..4).map(call).collect()).await;
            assert_eq!(passed(start), Duration::ZERO);
            close(&client, &tasks, &servers).await;
        });
    });
}

/// A driver that somebody polls does all that there is to do, whoever asks for it, and ends with the last
/// clone of its client.
#[test]
fn a_driver_that_is_polled_misses_nothing_and_ends() {
    explore(1_000, Clock::Patient, || {
        let server = [Server::new(Mode::Up)];
        let tasks = Tasks::new(&server);
        let (client, driver) = tasks.builder().build_with_driver().unwrap();
        block_on(async {
            let start = Instant::now();
            let driver = spawn(driver);
            let call = |number: usize| {
                let client = client.clone();
                spawn(async move { call(&client, number).await })
            };
            all((0..2).map(call).collect()).await;
            drop(client);
            driver.await.unwrap();
            assert_eq!(passed(start), Duration::ZERO);
        });
    });
}

/// Whatever times out, and whenever: every call ends, and the client can be used and closed after.
#[test]
fn every_call_ends_whenever_time_is_up() {
    for mode in [Mode::Up, Mode::Hanging, Mode::Refusing, Mode::Silent] {
        explore(250, Clock::Hasty, move || {
            let server = [Server::with_pipes(mode, 16)];
            let tasks = Tasks::new(&server);
            let client = tasks
                .builder()
                .limits(narrow())
                .operation_timeout(TIMEOUT)
                .socket_timeout(2 * TIMEOUT)
                .build()
                .unwrap();
            block_on(async {
                let call = |number: usize| {
                    let client = client.clone();
                    spawn(async move {
                        for key in 0..2 {
                            let _ = client.set(format!("{number}:{key}"), 1, Expiry::Never).await;
                        }
                    })
                };
                all((0..3).map(call).collect()).await;
                server[0].set_mode(Mode::Up);
                client.forget_dead_hosts();
                let _ = client.get::<u64>("last").await;
                close(&client, &tasks, &server).await;
            });
        });
    }
}
