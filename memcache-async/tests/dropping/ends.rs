//! The end of a client, of its drivers and of its runtime.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::*;

use memcache_async::Driver;
use memcache_async::proto::calls;

/// Nothing is left: no driver, no socket, no timer, nobody who connects.
#[track_caller]
fn assert_ended(net: &mut Net) {
    let left = (net.drivers(), net.streams(), net.world.timers(), net.world.connecting());
    assert_eq!(left, (0, 0, 0, 0), "drivers, streams, timers, connects");
}

/// Starts gets of `other0` and so on, and lets each be taken in.
fn start_gets(net: &mut Net, client: &Client, count: usize) -> Vec<Task<Found>> {
    let keys: Vec<_> = (0..count).map(|number| format!("other{number}")).collect();
    fill(net, &keys);
    let tasks = keys.iter().map(|key| start_get(net, client, key)).collect();
    while net.step_task() {}
    tasks
}

#[test]
fn closing_flushes_and_ends() {
    for (pieces, buffering) in [(Pieces::WHOLE, false), (Pieces::of(1), true)] {
        for steps in 0..60 {
            let mut net = Net::new(1);
            net.world.state().pieces = pieces;
            net.world.state().buffering = buffering;
            let client = net.client();
            let gets = start_gets(&mut net, &client, 3);
            let set = {
                let client = client.clone();
                net.start(async move { client.set("stored", "it", Expiry::Never).await })
            };
            while net.step_task() {}
            for _ in 0..steps {
                net.step();
            }
            let late = client.clone();
            let closing = net.start(close(&client));
            net.step_task();
            let late = net.start(get(&late, "other0"));
            net.finish(&closing);
            assert_ended(&mut net);
            net.run();
            for (number, task) in gets.iter().enumerate() {
                let value = net.finish(task).expect("it was under way");
                assert_eq!(value, Some(value_of(&format!("other{number}"))));
            }
            assert!(net.finish(&set).is_ok());
            assert!(net.peer(0, |peer| peer.perform(b"get stored\r\n", SECOND)).len() > 5);
            // The late one comes before the end where that takes a step or more.
            assert!(matches!(net.finish(&late), Err(Error::Closed)));
            assert_eq!(net.now(), Duration::ZERO);
        }
    }
}

/// Whoever holds a call and does not poll it, in a `select!` for instance, may still await the end.
#[test]
fn closing_does_not_wait_for_futures_that_are_not_polled() {
    for lone in [false, true] {
        for answered in [false, true] {
            let mut net = Net::new(1);
            fill(&net, ["lone", "a"]);
            let client = net.client();
            if lone {
                grow_lone(&mut net, &client);
            }
            let held = net.hold(get(&client, "a"));
            assert!(!net.poll(&held));
            if answered {
                net.run();
            }
            let closing = net.start(close(&client));
            net.finish(&closing);
            assert_ended(&mut net);
            assert_eq!(net.now(), Duration::ZERO);
            assert!(net.poll(&held));
            let value = held.take().expect("it is done").expect("it was under way");
            assert_eq!(value, Some(value_of("a")));
        }
    }
}

#[test]
fn closing_ends_in_time_where_a_server_does_not_answer() {
    for mode in [Mode::Silent, Mode::Deaf, Mode::Hanging] {
        let mut net = Net::new(1);
        net.set_mode(0, mode);
        let client = net.client();
        let gets = start_gets(&mut net, &client, 3);
        net.run();
        let closing = net.start(close(&client));
        net.finish(&closing);
        assert_eq!(net.now(), SOCKET_TIMEOUT, "{mode:?}");
        for task in &gets {
            assert!(net.finish(task).is_err());
        }
        assert_ended(&mut net);
    }
}

/// What has no reply is done once the stream has it, which may be long before it has left.
#[test]
fn closing_waits_for_what_a_stream_holds() {
    for lone in [false, true] {
        for deaf in [false, true] {
            let mut net = Net::new(1);
            fill(&net, ["lone"]);
            let client = net.client();
            if lone {
                grow_lone(&mut net, &client);
            } else {
                drop(net.block_on(get(&client, "lone")));
            }
            net.set_mode(0, Mode::Deaf);
            {
                let mut state = net.world.state();
                (state.buffering, state.pipe_len) = (true, 10);
            }
            // The first fills the pipe, the second stays in the stream.
            for number in 0..2 {
                let client = client.clone();
                let set = calls::set(format!("quiet{number}"), "it", Expiry::Never).noreply();
                net.block_on(async move { client.run(set).await }).expect("sent");
            }
            let began = net.now();
            let closing = net.start(close(&client));
            net.run();
            assert!(!closing.is_done(), "lone: {lone}");
            if !deaf {
                net.set_mode(0, Mode::Up);
            }
            net.finish(&closing);
            net.run();
            assert_ended(&mut net);
            let took = net.now() - began;
            assert_eq!(took, if deaf { SOCKET_TIMEOUT } else { Duration::ZERO }, "lone: {lone}");
            let held = net.world.state().pipes[0].held();
            assert_eq!(held > 0, deaf, "lone: {lone}");
        }
    }
}

#[test]
fn a_close_that_is_dropped_has_begun() {
    let mut net = Net::new(1);
    let (client, driver) = net.builder().build_with_driver().expect("a client");
    let driving = net.start(driver);
    let gets = start_gets(&mut net, &client, 3);
    let closing = net.hold(close(&client));
    assert!(!net.poll(&closing));
    net.drop_task(&closing);
    for task in &gets {
        assert!(net.finish(task).is_ok());
    }
    assert!(matches!(net.block_on(get(&client, "other0")), Err(Error::Closed)));
    net.run();
    assert_ended(&mut net);
    assert!(driving.is_done(), "the client has ended");
}

#[test]
fn several_may_close() {
    let mut net = Net::new(1);
    let client = net.client();
    let _gets = start_gets(&mut net, &client, 3);
    let tasks: Vec<_> = (0..3).map(|_| net.start(close(&client))).collect();
    for task in &tasks {
        net.finish(task);
    }
    net.block_on(close(&client));
    assert_ended(&mut net);
    let unused = net.client();
    net.block_on(close(&unused));
}

/// Makes one get, with one thing happening between two polls, and does something else after `steps`.
fn interrupt(
    steps: usize,
    lone: bool,
    pieces: Pieces,
    end: impl FnOnce(&mut Net, Client, Task<Found>),
) -> bool {
    let mut net = Net::new(1);
    fill(&net, ["lone", "a"]);
    let client = net.client();
    if lone {
        grow_lone(&mut net, &client);
    }
    net.world.state().pieces = pieces;
    let task = start_get(&mut net, &client, "a");
    for _ in 0..steps {
        net.step();
    }
    let done = task.is_done();
    end(&mut net, client, task);
    assert_ended(&mut net);
    done
}

fn at_each_point(end: impl Fn(&mut Net, Client, Task<Found>)) {
    for lone in [false, true] {
        for pieces in [Pieces::WHOLE, Pieces::of(1)] {
            let points = (0..).find(|&steps| interrupt(steps, lone, pieces, &end));
            assert!(points.is_some_and(|points| points > 2));
        }
    }
}

#[test]
fn dropping_the_last_client_ends_its_drivers_and_closes_its_sockets() {
    at_each_point(|net, client, task| {
        drop(client);
        net.drop_task(&task);
        assert_eq!(net.streams(), 0, "at once");
        net.run();
    });
}

#[test]
fn calls_fail_when_the_runtime_ends() {
    at_each_point(|net, client, task| {
        let was_done = task.is_done();
        net.shut_down();
        let result = net.finish(&task);
        assert!(!was_done || result.is_ok());
        for key in ["a", "lone"] {
            assert!(net.block_on(get(&client, key)).is_err());
        }
        assert_eq!(net.now(), Duration::ZERO);
        net.block_on(close(&client));
    });
}

#[test]
fn a_dropped_driver_explains_itself() {
    let mut net = Net::new(1);
    fill(&net, ["a"]);
    net.set_mode(0, Mode::Silent);
    let client = net.client();
    let task = start_get(&mut net, &client, "a");
    net.run();
    net.shut_down();
    let error = net.finish(&task).expect_err("nobody drives it any more");
    assert!(error.to_string().contains("the driver of the connection was dropped"), "{error}");
}

/// As [`interrupt`], with the driver of all connections in a task.
fn with_driver(steps: usize, end: impl FnOnce(&mut Net, Client, Task<Found>, Task<()>)) -> bool {
    let mut net = Net::new(2);
    fill(&net, ["a", "b"]);
    let (client, driver) = net.builder().build_with_driver().expect("a client");
    let driver: Driver = driver;
    let driving = net.start(driver);
    let task = start_get(&mut net, &client, "a");
    for _ in 0..steps {
        net.step();
    }
    let done = task.is_done();
    end(&mut net, client, task, driving);
    assert_ended(&mut net);
    done
}

fn at_each_point_with_driver(end: impl Fn(&mut Net, Client, Task<Found>, Task<()>)) {
    let points = (0..).find(|&steps| with_driver(steps, &end));
    assert!(points.is_some_and(|points| points > 3));
}

#[test]
fn a_driver_ends_when_the_client_is_closed() {
    at_each_point_with_driver(|net, client, task, driving| {
        net.block_on(close(&client));
        net.finish(&driving);
        assert!(task.is_done());
    });
}

#[test]
fn a_driver_ends_when_the_last_client_is_dropped() {
    at_each_point_with_driver(|net, client, task, driving| {
        drop(client);
        net.drop_task(&task);
        assert_eq!(net.streams(), 0, "at once");
        net.finish(&driving);
    });
}

#[test]
fn calls_fail_when_their_driver_is_dropped() {
    at_each_point_with_driver(|net, client, task, driving| {
        let was_done = task.is_done();
        net.drop_task(&driving);
        let result = net.finish(&task);
        assert!(!was_done || result.is_ok());
        for key in ["a", "b"] {
            assert!(net.block_on(get(&client, key)).is_err());
        }
        assert_eq!(net.now(), Duration::ZERO);
        net.block_on(close(&client));
    });
}

#[test]
fn disconnecting_fails_what_is_under_way_and_nothing_after() {
    let mut net = Net::new(1);
    let client = net.client();
    let gets = start_gets(&mut net, &client, 3);
    net.set_mode(0, Mode::Silent);
    net.run();
    client.disconnect_all();
    for task in &gets {
        let error = net.finish(task).expect_err("it was cut off");
        assert_eq!(failure(&error), &FailureKind::Disconnected);
    }
    net.set_mode(0, Mode::Up);
    assert!(net.block_on(get(&client, "other1")).is_ok());
    assert_eq!((net.streams(), net.now()), (1, Duration::ZERO));
}

/// A stream that panics takes its driver with it, or its caller, and nothing else.
#[test]
fn a_stream_that_panics_wedges_nobody() {
    for lone in [false, true] {
        let mut net = Net::new(1);
        fill(&net, ["lone", "a", "b"]);
        let client = net.client();
        if lone {
            grow_lone(&mut net, &client);
        } else {
            drop(net.block_on(get(&client, "a")));
        }
        let keys = ["a", "b"].into_iter().take(2 - usize::from(lone));
        let tasks: Vec<_> = keys.map(|key| start_get(&mut net, &client, key)).collect();
        net.step_task();
        net.world.state().pipes[0].panics = true;
        let mut panics = 0;
        while catch_unwind(AssertUnwindSafe(|| net.run())).is_err() {
            panics += 1;
        }
        assert!(panics > 0);
        for (task, key) in tasks.iter().zip(["a", "b"]) {
            // A caller that reads for itself has gone with the panic; what others wait for is asked again.
            let value = task.take().map(|result| result.expect("another connection was made"));
            assert_eq!(value, (!lone).then(|| Some(value_of(key))));
        }
        assert_eq!(net.streams(), usize::from(!lone));
        let value = net.block_on(get(&client, "b")).expect("the server is there");
        assert_eq!(value, Some(value_of("b")));
        net.block_on(close(&client));
        assert_ended(&mut net);
    }
}
