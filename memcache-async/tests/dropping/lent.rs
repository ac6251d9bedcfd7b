//! A call that does its own reading and writing because it is the only one.

use crate::*;

use memcache_async::Limits;

/// A client whose next call does its own reading and writing.
fn lone(net: &mut Net) -> Client {
    fill(net, ["lone", "a", "b", "c", "d"]);
    let client = net.client();
    grow_lone(net, &client);
    client
}

fn found(result: Found) -> String {
    result.expect("the server is there").expect("it is stored")
}

#[test]
fn a_lone_call_needs_no_driver_and_no_read_in_vain() {
    let mut net = Net::new(1);
    let client = lone(&mut net);
    let (polls, pipe) = (net.driver_polls, 0);
    let reads = net.world.state().pipes[pipe].reads;
    for _ in 0..100 {
        assert_eq!(found(net.block_on(get(&client, "a"))), value_of("a"));
    }
    assert_eq!(net.driver_polls, polls);
    // One that finds nothing yet, and one with the answer.
    assert_eq!(net.world.state().pipes[pipe].reads - reads, 200);
}

/// Read in one piece where the stream reads into spare room, whoever reads it.
#[test]
fn a_large_value_takes_few_reads() {
    const LEN: usize = 1_000_000;
    for is_lone in [false, true] {
        for (with_spare, most) in [(false, usize::MAX), (true, 5)] {
            let mut net = Net::new(1);
            {
                let mut state = net.world.state();
                (state.with_spare, state.pipe_len) = (with_spare, 4 * LEN);
            }
            let client = if is_lone {
                lone(&mut net)
            } else {
                fill(&net, ["a", "b"]);
                net.client()
            };
            let letters = b"abcdefghijklmnopqrstuvw";
            let value: String =
                letters.iter().cycle().map(|&byte| char::from(byte)).take(LEN).collect();
            let store = format!("set large 16 0 {LEN}\r\n{value}\r\n");
            let stored = net.peer(0, |peer| peer.perform(store.as_bytes(), Duration::ZERO));
            assert_eq!(stored, b"STORED\r\n");
            drop(net.block_on(get(&client, "a")));
            let reads = net.world.state().pipes[0].reads;
            assert!(found(net.block_on(get(&client, "large"))) == value, "another value");
            let reads = net.world.state().pipes[0].reads - reads;
            assert!(reads <= most, "{reads} reads");
            assert_eq!(found(net.block_on(get(&client, "b"))), value_of("b"));
        }
    }
}

#[test]
fn a_call_that_is_never_polled_again_holds_up_nobody() {
    for backlog in [1 << 20, 1] {
        for others in 1..4 {
            let mut net = Net::new(1);
            fill(&net, ["lone", "a", "b", "c", "d"]);
            // With the smaller one the others have to wait until the first has been answered.
            let limits = Limits { backlog, ..Limits::default() };
            let client = net.builder().limits(limits).build().expect("a client");
            grow_lone(&mut net, &client);
            let held = net.hold(get(&client, "a"));
            assert!(!net.poll(&held));
            let keys = &["b", "c", "d"][..others];
            let started: Vec<_> =
                keys.iter().map(|key| start_get(&mut net, &client, key)).collect();
            for (task, key) in started.iter().zip(keys) {
                assert_eq!(found(net.finish(task)), value_of(key));
            }
            assert_eq!(net.now(), Duration::ZERO);
            // Its own answer is there when it wants it.
            assert!(net.poll(&held));
            assert_eq!(found(held.take().expect("it is done")), value_of("a"));
            assert_eq!(net.accepted(0), 1);
        }
    }
}

/// Who awaits something else for a while must not make the server look dead.
#[test]
fn an_answer_that_nobody_takes_does_not_make_its_server_dead() {
    let mut net = Net::new(1);
    let client = lone(&mut net);
    let held = net.hold(get(&client, "a"));
    assert!(!net.poll(&held));
    net.advance(10 * SECOND);
    assert!(net.poll(&held));
    assert_eq!(found(held.take().expect("it is done")), value_of("a"));
    assert_eq!(found(net.block_on(get(&client, "b"))), value_of("b"));
    assert_eq!(net.accepted(0), 1);
}

/// However long the driver has slept, and whether or not it still had a timer.
#[test]
fn a_server_that_says_nothing_is_found_out() {
    for timeout in [SOCKET_TIMEOUT, SECOND / 5] {
        for idle in [Duration::ZERO, SECOND / 2, 60 * SECOND] {
            for watched in [false, true] {
                let mut net = Net::new(1);
                fill(&net, ["lone", "a"]);
                let client = net.builder().socket_timeout(timeout).build().expect("a client");
                grow_lone(&mut net, &client);
                if watched {
                    net.advance(2 * SECOND);
                    drop(net.block_on(get(&client, "lone")));
                }
                net.advance(idle);
                net.set_mode(0, Mode::Silent);
                let began = net.now();
                let error = net.block_on(get(&client, "a")).expect_err("nothing is answered");
                assert!(matches!(failure(&error), FailureKind::SocketTimeout), "{error}");
                // The driver's timer is up to one timeout old, the operation is not.
                assert_eq!(net.now() - began, timeout);
                assert_eq!(net.streams(), 0);
                let error = net.block_on(get(&client, "a")).expect_err("the server is dead");
                assert!(matches!(failure(&error), FailureKind::AllDead(_)), "{error}");
            }
        }
    }
}

#[test]
fn an_operation_timeout_is_kept_and_the_late_answer_is_swallowed() {
    let mut net = Net::new(1);
    fill(&net, ["lone", "a", "b"]);
    let client = net.builder().operation_timeout(SECOND).build().expect("a client");
    grow_lone(&mut net, &client);
    net.peer(0, |peer| peer.delay = 2 * SECOND);
    let began = net.now();
    let error = net.block_on(get(&client, "a")).expect_err("it takes too long");
    assert!(matches!(failure(&error), FailureKind::OperationTimeout), "{error}");
    assert_eq!(net.now() - began, SECOND);
    net.peer(0, |peer| peer.delay = Duration::ZERO);
    net.advance(2 * SECOND);
    assert_eq!(found(net.block_on(get(&client, "b"))), value_of("b"));
    assert_eq!(net.accepted(0), 1);
}

#[test]
fn a_server_that_closes_while_it_is_asked_is_asked_again() {
    for answered in 0..30 {
        let mut net = Net::new(1);
        let client = lone(&mut net);
        let before = net.world.state().pipes[0].answered();
        net.set_mode(0, Mode::ClosesAt(before + answered));
        let task = start_get(&mut net, &client, "a");
        net.step();
        net.set_mode(0, Mode::ClosesAt(before + answered));
        while net.accepted(0) == 1 && !task.is_done() && net.step() {}
        net.set_mode(0, Mode::Up);
        // What had begun to come is an error, since it is not known what it would have been.
        match net.finish(&task) {
            Ok(value) => assert_eq!(value, Some(value_of("a"))),
            Err(error) => assert!(answered > 0 && failure(&error) == &FailureKind::Eof, "{error}"),
        }
        assert_eq!(found(net.block_on(get(&client, "b"))), value_of("b"));
    }
}

/// The server closes an idle connection. Reads are made again. A store goes out on a new connection once
/// the old one has rested, whether a driver watches it or not; right behind the call before it, it may be
/// lost.
#[test]
fn a_connection_that_was_closed_meanwhile_is_replaced() {
    for idle in [Duration::ZERO, Duration::from_millis(1), SECOND / 2, 60 * SECOND] {
        for (watched, seen) in [(false, false), (false, true), (true, false), (true, true)] {
            for store in [false, true] {
                let case = format!("after {idle:?}, watched: {watched}, seen: {seen}");
                let mut net = Net::new(1);
                let client = lone(&mut net);
                if watched {
                    // After a while it is the driver that reads and writes.
                    net.advance(2 * SECOND);
                    drop(net.block_on(get(&client, "a")));
                }
                net.advance(idle);
                net.hang_up(0);
                if seen {
                    net.run();
                }
                if !store {
                    let task = net.hold(get(&client, "a"));
                    net.poll(&task);
                    net.release(&task);
                    assert_eq!(found(net.finish(&task)), value_of("a"), "{case}");
                    assert_eq!(net.accepted(0), 2, "{case}");
                    continue;
                }
                let task = net.hold(async move { client.set("a", "new", Expiry::Never).await });
                net.poll(&task);
                net.release(&task);
                let result = net.finish(&task);
                let answer = net.peer(0, |peer| peer.perform(b"get a\r\n", Duration::ZERO));
                let applied = answer == b"VALUE a 16 3\r\nnew\r\nEND\r\n";
                assert_eq!(result.is_ok(), applied, "{case}");
                match result {
                    Ok(()) => assert_eq!(net.accepted(0), 2, "{case}"),
                    Err(error) => {
                        assert!(idle.is_zero(), "{case}: {error}");
                        assert!(error.may_have_been_applied(), "{case}: {error}");
                    }
                }
            }
        }
    }
}

/// Requests larger than the window and than the pipe, and answers too: whoever writes has to read
/// meanwhile, and to write again when there is room.
#[test]
fn a_lone_call_on_many_keys_reads_and_writes_all_it_has_to() {
    for (count, len) in [(6000, 20), (1000, 200)] {
        for (pipe_len, buffering) in [(100, false), (3000, true), (1 << 20, false), (1 << 20, true)]
        {
            let mut net = Net::new(1);
            let keys: Vec<_> = (0..count).map(|number| format!("{number:0len$}")).collect();
            fill(&net, &keys);
            let client = lone(&mut net);
            {
                let mut state = net.world.state();
                (state.pipe_len, state.buffering) = (pipe_len, buffering);
            }
            let many = net.block_on(async move { client.get_many::<String, _>(keys).await });
            let many = many.expect("the keys are in order");
            assert!(many.failed.is_empty(), "{pipe_len}: {:?}", many.failed[0]);
            assert_eq!(many.result.len(), count);
            assert!(many.result.iter().all(|(key, value)| *value == value_of(key)));
            assert_eq!(net.now(), Duration::ZERO);
        }
    }
}

/// What another server did not answer goes to the one whose connection the call has, which then has
/// more to write.
#[test]
fn keys_that_move_to_a_lent_connection_do_not_wait() {
    for order in [[0, 1], [1, 0]] {
        for dead in [0, 1] {
            for step in 0..20 {
                let mut net = Net::new(2);
                let client = net.client();
                let mut keys = order.map(|server| key_on(&mut net, &client, server));
                keys.rotate_left(order[0]);
                fill(&net, &keys);
                let call = |client: &Client| {
                    let (client, keys) = (client.clone(), keys.clone());
                    async move { client.get_many::<String, _>(keys).await }
                };
                for _ in 0..LONE_CALLS {
                    let many = net.block_on(call(&client)).expect("the keys are in order");
                    assert_eq!((many.result.len(), many.failed.len()), (2, 0));
                }
                let task = net.start(call(&client));
                for _ in 0..step {
                    net.step();
                }
                net.set_mode(dead, Mode::Refusing);
                net.hang_up(dead);
                let many = net.finish(&task).expect("the keys are in order");
                // An answer that had begun to come is an error.
                assert_eq!(many.result.len() + many.failed.len(), 2);
                assert!(step > 0 || many.failed.is_empty(), "{:?}", many.failed);
                assert!(many.result.iter().all(|(key, value)| *value == value_of(key)));
                assert_eq!(net.now(), Duration::ZERO, "{order:?}, {dead}, {step}");
            }
        }
    }
}

#[test]
fn closing_waits_for_a_lone_call() {
    let mut net = Net::new(1);
    let client = lone(&mut net);
    let task = start_get(&mut net, &client, "a");
    assert!(net.step_task());
    let closing = net.start(close(&client));
    assert_eq!(found(net.finish(&task)), value_of("a"));
    net.finish(&closing);
    assert_eq!((net.drivers(), net.streams()), (0, 0));
}
