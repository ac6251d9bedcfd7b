//! What takes too long, on a clock of its own.

use std::net::SocketAddr;

use crate::*;

use harness::Random;
use memcache_async::proto::routing::ServerAddress;
use memcache_async::{Runtime, connect_any};

const MS: Duration = Duration::from_millis(1);

/// A get that gives up after some time, dropping the call, at each millisecond of an answer that comes
/// byte by byte.
#[test]
fn a_call_that_is_given_up_affects_nobody_else() {
    for lone in [false, true] {
        let whole = (0..).find(|&patience| {
            let mut net = Net::new(1);
            fill(&net, ["lone", "impatient", "a", "b", "c"]);
            let client = net.client();
            if lone {
                grow_lone(&mut net, &client);
            }
            net.world.state().pieces = Pieces::of(1);
            net.peer(0, |peer| peer.gap = MS);
            let before = (!lone).then(|| start_get(&mut net, &client, "a"));
            net.step();
            let began = net.now();
            let (world, call) = (net.world.clone(), get(&client, "impatient"));
            let call =
                net.start(async move { harness::timeout(&world, patience * MS, call).await });
            let after = start_get(&mut net, &client, "b");
            let result = net.finish(&call);
            match &result {
                Some(value) => {
                    assert_eq!(value.as_ref().ok(), Some(&Some(value_of("impatient"))));
                }
                None => assert_eq!(net.now() - began, patience * MS),
            }
            for (task, key) in before.iter().map(|task| (task, "a")).chain([(&after, "b")]) {
                let value = net.finish(task).expect("the server is there");
                assert_eq!(value, Some(value_of(key)), "after {patience} ms");
            }
            let value = net.block_on(get(&client, "c")).expect("the server is there");
            assert_eq!(value, Some(value_of("c")));
            assert_eq!(net.accepted(0), 1);
            result.is_some()
        });
        assert!(whole > Some(40), "the answer alone has 43 bytes");
    }
}

/// The same with the client's own timeout, which is an error of that call alone.
#[test]
fn an_operation_timeout_is_an_error_of_that_operation() {
    for patience in 1..60 {
        let mut net = Net::new(1);
        fill(&net, ["a", "b", "c"]);
        let client = net.builder().operation_timeout(patience * MS).build().expect("a client");
        // Connected, and so that not every call takes too long.
        drop(net.block_on(get(&client, "a")));
        net.peer(0, |peer| peer.gap = MS);
        net.world.state().pieces = Pieces::of(1);
        let slow = start_get(&mut net, &client, "a");
        let began = net.now();
        let result = net.finish(&slow);
        assert!(net.now() - began <= patience * MS);
        if let Err(error) = &result {
            assert_eq!(failure(error), &FailureKind::OperationTimeout);
            assert_eq!(net.now() - began, patience * MS);
        }
        // What is late is swallowed, and the connection goes on.
        net.peer(0, |peer| peer.gap = Duration::ZERO);
        for key in ["b", "c"] {
            let value = net.block_on(get(&client, key)).expect("in time");
            assert_eq!(value, Some(value_of(key)), "{patience} ms");
        }
        assert_eq!(net.accepted(0), 1);
        // The value is there with its 27th byte; its END may come later.
        assert_eq!(result.is_ok(), patience > 27, "{patience} ms");
    }
}

#[test]
fn a_silent_server_is_closed_and_left_alone_for_a_while() {
    let mut net = Net::new(1);
    let keys: Vec<_> = (0..50).map(|number| format!("key{number}")).collect();
    fill(&net, &keys);
    let client = net.client();
    drop(net.block_on(get(&client, "key0")));
    net.advance(100 * SECOND);
    net.set_mode(0, Mode::Silent);
    let began = net.now();
    let tasks: Vec<_> = keys.iter().map(|key| start_get(&mut net, &client, key)).collect();
    net.advance(SOCKET_TIMEOUT - MS);
    assert!(tasks.iter().all(|task| !task.is_done()));
    net.advance(MS);
    for task in &tasks {
        let error = task.take().expect("all in flight are told").expect_err("nothing came");
        assert_eq!(failure(&error), &FailureKind::SocketTimeout);
        assert!(!error.may_have_been_applied(), "a get changes nothing");
    }
    assert_eq!(net.now() - began, SOCKET_TIMEOUT);
    assert_eq!((net.streams(), net.drivers()), (0, 0));

    let tried = net.peer(0, |peer| peer.tried);
    net.set_mode(0, Mode::Up);
    net.advance(DEAD_RETRY - MS);
    let error = net.block_on(get(&client, "key1")).expect_err("it is dead");
    assert!(matches!(failure(&error), FailureKind::AllDead(_)), "{error}");
    assert_eq!(net.peer(0, |peer| peer.tried), tried, "nobody tried");
    net.advance(MS);
    let value = net.block_on(get(&client, "key1")).expect("it is back");
    assert_eq!(value, Some(value_of("key1")));
    assert_eq!(net.peer(0, |peer| peer.tried), tried + 1);
}

#[test]
fn a_server_that_takes_no_more_bytes_is_found_out() {
    let mut net = Net::new(1);
    net.world.state().pipe_len = 1000;
    let client = net.client();
    drop(net.block_on(get(&client, "a")));
    net.set_mode(0, Mode::Deaf);
    let began = net.now();
    let set = {
        let client = client.clone();
        net.start(async move { client.set("large", "x".repeat(5000), Expiry::Never).await })
    };
    let others: Vec<_> = (0..3).map(|_| start_get(&mut net, &client, "a")).collect();
    let error = net.finish(&set).expect_err("nobody reads it");
    assert_eq!(failure(&error), &FailureKind::SocketTimeout);
    assert!(error.may_have_been_applied());
    for task in &others {
        // Not sent, so that another server is asked, and there is none.
        let error = net.finish(task).expect_err("nobody is left");
        assert_eq!(failure(&error), &FailureKind::SocketTimeout);
        assert!(!error.may_have_been_applied());
    }
    assert_eq!(net.now() - began, SOCKET_TIMEOUT);
    assert_eq!(net.streams(), 0);
}

#[test]
fn a_connect_that_never_ends_is_given_up() {
    let mut net = Net::new(1);
    net.set_mode(0, Mode::Hanging);
    let client = net.client();
    let error = net.block_on(get(&client, "a")).expect_err("nobody is there");
    assert!(matches!(failure(&error), FailureKind::Connect(_)), "{error}");
    assert!(error.to_string().contains("timed out"), "{error}");
    assert_eq!((net.now(), net.drivers(), net.world.connecting()), (SOCKET_TIMEOUT, 0, 0));

    // Of several servers the next is asked.
    let mut net = Net::new(2);
    let client = net.client();
    let key = key_on(&mut net, &client, 0);
    fill(&net, [&key]);
    client.disconnect_all();
    net.set_mode(0, Mode::Hanging);
    let began = net.now();
    let tasks: Vec<_> = (0..10).map(|_| start_get(&mut net, &client, &key)).collect();
    for task in &tasks {
        assert_eq!(net.finish(task).expect("the other is there"), Some(value_of(&key)));
    }
    assert_eq!(net.now() - began, SOCKET_TIMEOUT);
    assert_eq!(net.world.connecting(), 0);
}

#[test]
fn the_only_call_may_be_dropped_while_its_connection_is_made() {
    for mode in [Mode::Up, Mode::Hanging, Mode::Refusing] {
        let mut net = Net::new(1);
        fill(&net, ["a"]);
        net.set_mode(0, mode);
        let client = net.client();
        let call = net.hold(get(&client, "a"));
        assert!(!net.poll(&call));
        net.drop_task(&call);
        // Whoever comes after uses what was begun.
        let task = start_get(&mut net, &client, "a");
        let result = net.finish(&task);
        match mode {
            Mode::Up => assert_eq!(result.expect("it is there"), Some(value_of("a"))),
            _ => {
                let error = result.expect_err("it is not");
                assert!(matches!(failure(&error), FailureKind::Connect(_)), "{error}");
            }
        }
        assert_eq!(net.peer(0, |peer| peer.tried), 1);
        drop(client);
        net.run();
        assert_eq!((net.drivers(), net.streams(), net.world.connecting()), (0, 0, 0));
    }
}

/// How many timers 10,000 gets took, each of which takes a millisecond.
fn timers(tasks: usize, lone: bool, operation_timeout: Option<Duration>) -> usize {
    let mut net = Net::new(1);
    fill(&net, ["lone", "a"]);
    let builder = match operation_timeout {
        Some(timeout) => net.builder().operation_timeout(timeout),
        None => net.builder(),
    };
    let client = builder.build().expect("a client");
    if lone {
        grow_lone(&mut net, &client);
    }
    net.peer(0, |peer| peer.delay = MS);
    let (began, made) = (net.now(), net.world.state().timers_made);
    let each = 10_000 / tasks;
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            let client = client.clone();
            net.start(async move {
                for _ in 0..each {
                    assert_eq!(
                        client.get::<String>("a").await.expect("it is there"),
                        Some(value_of("a"))
                    );
                }
            })
        })
        .collect();
    for task in &tasks {
        net.finish(task);
    }
    assert!(net.now() - began >= u32::try_from(each).expect("a few") * MS);
    net.world.state().timers_made - made
}

#[test]
fn timeouts_cost_no_timer_an_operation() {
    // Ten seconds, one after the other.
    for lone in [false, true] {
        assert!((1..=4).contains(&timers(1, lone, None)), "{}", timers(1, lone, None));
        assert!((1..=11).contains(&timers(1, lone, Some(SECOND))));
    }
    // Two at a time take five seconds.
    assert!((1..=2).contains(&timers(2, false, None)));
    assert!((1..=6).contains(&timers(2, false, Some(SECOND))));
    assert!((1..=2).contains(&timers(100, false, None)));
}

/// Somebody keeps the thread for longer than any timeout. What has come meanwhile, and what could not be
/// sent, is no reason to call a server dead.
#[test]
fn a_thread_that_was_kept_makes_no_server_dead() {
    for (servers, steps) in [(1, 0), (1, 1), (1, 2), (3, 0), (3, 1), (3, 2), (3, 4), (3, 6)] {
        for (warm, timeout) in [(false, None), (true, None), (true, Some(SECOND))] {
            keep_thread(servers, steps, warm, timeout, None);
        }
    }
    // Whichever of the drivers comes first when the thread is free again.
    for seed in 0..200 {
        for steps in [0, 5, 10, 15] {
            keep_thread(3, steps, true, None, Some(Random(seed)));
        }
    }
}

fn keep_thread(
    servers: usize,
    steps: usize,
    warm: bool,
    timeout: Option<Duration>,
    random: Option<Random>,
) {
    let mut net = Net::new(servers);
    let keys: Vec<_> = (0..20).map(|number| format!("key{number}")).collect();
    fill(&net, &keys);
    let builder = match timeout {
        Some(timeout) => net.builder().operation_timeout(timeout),
        None => net.builder(),
    };
    let client = builder.build().expect("a client");
    if warm {
        let (client, keys) = (client.clone(), keys.clone());
        let warming = net.start(async move { client.get_many::<String, _>(keys).await });
        assert!(net.finish(&warming).expect("they are there").failed.is_empty());
    }
    let tasks: Vec<_> = keys.iter().map(|key| start_get(&mut net, &client, key)).collect();
    net.random = random;
    // All of them are taken in, in the order of their tasks at least, and each driver has begun.
    for _ in 0..keys.len() + servers + steps {
        net.step_task();
    }
    // All that happens outside happens now.
    while net.world.serve() {}
    let until = net.now() + 10 * SECOND;
    net.world.pass(until);
    while net.world.serve() {}
    for (task, key) in tasks.iter().zip(&keys) {
        let result = net.finish(task);
        let value = result.unwrap_or_else(|error| panic!("{steps}, {warm}: {error}"));
        assert_eq!(value, Some(value_of(key)));
    }
}

#[test]
fn the_addresses_of_a_host_share_the_time_to_connect() {
    let mut net = Net::new(0);
    let runtime = harness::Memory(net.world.clone());
    let world = net.world.clone();
    let task = net.start(async move {
        let address = ServerAddress::parse("host:11211").expect("an address");
        let addresses = [[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 3], [10, 0, 0, 4]];
        let addresses = addresses.map(|address| SocketAddr::from((address, 11211)));
        let deadline = runtime.now() + 4 * SECOND;
        let asked = std::cell::RefCell::new(Vec::new());
        let connect = |address: SocketAddr| {
            asked.borrow_mut().push((address, world.state().now));
            async move {
                match address {
                    _ if address == addresses[1] => {
                        Err(std::io::ErrorKind::ConnectionRefused.into())
                    }
                    _ if address == addresses[3] => Ok(()),
                    _ => std::future::pending().await,
                }
            }
        };
        let result = connect_any(&runtime, &address, addresses, deadline, connect).await;
        result.expect("the last takes it");
        let times = [Duration::ZERO, SECOND, SECOND, SECOND + 3 * SECOND / 2];
        assert_eq!(asked.into_inner(), Vec::from_iter(addresses.into_iter().zip(times)));
    });
    net.finish(&task);
}
