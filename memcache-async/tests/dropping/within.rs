//! Calls that have a time of their own.

use memcache_async::{Fetched, Recache};

use crate::*;

const MS: Duration = Duration::from_millis(1);

/// When a call on a server that says nothing ends, and how, whatever `operation_timeout` is.
#[test]
fn a_call_ends_when_its_own_time_is_over() {
    for operation_timeout in [None, Some(200 * MS), Some(2 * SECOND)] {
        let mut net = Net::new(1);
        fill(&net, ["a"]);
        let mut builder = net.builder();
        if let Some(timeout) = operation_timeout {
            builder = builder.operation_timeout(timeout);
        }
        let client = builder.build().expect("a client");
        drop(net.block_on(get(&client, "a")));
        net.set_mode(0, Mode::Silent);
        let (began, hurried) = (net.now(), client.within(500 * MS));
        let error = net.block_on(async move { hurried.get::<String>("a").await });
        assert_eq!(failure(&error.expect_err("nothing came")), &FailureKind::OperationTimeout);
        assert_eq!(net.now() - began, 500 * MS, "{operation_timeout:?}");
    }
}

/// All calls on one of these share its time.
#[test]
fn calls_that_share_a_time_end_together() {
    let mut net = Net::new(1);
    fill(&net, ["a"]);
    let client = net.client();
    drop(net.block_on(get(&client, "a")));
    let (began, hurried) = (net.now(), client.within(SECOND));
    net.advance(600 * MS);
    net.set_mode(0, Mode::Silent);
    let second = {
        let hurried = hurried.clone();
        net.block_on(async move { hurried.get::<String>("a").await })
    };
    assert_eq!(failure(&second.expect_err("nothing came")), &FailureKind::OperationTimeout);
    assert_eq!(net.now() - began, SECOND);
    net.set_mode(0, Mode::Up);
    let third = net.block_on(async move { hurried.get::<String>("a").await });
    assert!(matches!(third, Err(Error::Late)), "{third:?}");
}

/// A call of several steps has one time for all of them: of its own, or `operation_timeout`.
#[test]
fn the_steps_of_a_call_share_its_time() {
    for own in [false, true] {
        let mut net = Net::new(1);
        let client = match own {
            false => net.builder().operation_timeout(25 * MS).build().expect("a client"),
            true => net.client(),
        };
        drop(net.block_on(get(&client, "a")));
        // The answer to each step takes a millisecond a byte: 5 for END, 8 for STORED.
        net.peer(0, |peer| peer.gap = MS);
        net.world.state().pieces = Pieces::of(1);
        let began = net.now();
        let call = {
            let client = client.clone();
            async move {
                // What others do makes each attempt come to nothing.
                let change = |_: Option<u64>| Some(1);
                match own {
                    true => client.within(25 * MS).update("n", Expiry::Never, change).await,
                    false => client.update("n", Expiry::Never, change).await,
                }
            }
        };
        assert_eq!(net.block_on(call).expect("in time"), Some(1));
        assert!(net.now() - began <= 25 * MS);
        // Three steps take longer than that.
        let began = net.now();
        let call = async move {
            let compute = || async { Ok::<_, Error>(7_u64) };
            let expiry = Duration::from_secs(100);
            match own {
                true => client.within(11 * MS).get_or_add("x", expiry, compute).await,
                false => client.get_or_add("x", expiry, compute).await,
            }
        };
        let fetched = net.block_on(call).expect("the value is computed in any case");
        let Fetched::Computed { value: 7, stored } = fetched else { panic!("{fetched:?}") };
        assert_eq!(stored.is_err(), own, "{stored:?}");
        assert!(!own || net.now() - began == 11 * MS);
    }
}

/// Who waits for another to compute a value waits no longer than its time.
#[test]
fn a_wait_for_a_value_ends_in_time() {
    for own in [false, true] {
        let mut net = Net::new(1);
        let recache = Recache::default();
        let builder = net.builder().recache(recache);
        let client = match own {
            false => builder.operation_timeout(2 * SECOND).build(),
            true => builder.build(),
        };
        let client = client.expect("a client");
        let winner = {
            let client = client.clone();
            net.start(async move {
                let never = || std::future::pending::<Result<u64, Error>>();
                client.get_or_set_with("key", Duration::from_secs(100), never).await
            })
        };
        net.run();
        let began = net.now();
        let call = async move {
            let compute = || async { Ok::<_, Error>(7_u64) };
            let expiry = Duration::from_secs(100);
            match own {
                true => client.within(2 * SECOND).get_or_set_with("key", expiry, compute).await,
                false => client.get_or_set_with("key", expiry, compute).await,
            }
        };
        let result = net.block_on(call);
        assert!(matches!(result, Err(Error::Late)), "{result:?}");
        assert_eq!(net.now() - began, 2 * SECOND);
        net.drop_task(&winner);
    }
}
