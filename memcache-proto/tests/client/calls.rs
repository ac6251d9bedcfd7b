//! Calls as an application makes them, through a client in memory: what their errors say.

use memcache_proto::client::calls::{self, Answer, Call, Calls, Config, Error};
use memcache_proto::value::{Cause, Value, ValueError};

use crate::*;

/// Calls to as many servers as the net has.
fn calls(net: &Net) -> Calls {
    let mut config = Config::default();
    for server in 0..net.peers.len() {
        config.add_server(&format!("10.0.0.{server}"), 1);
    }
    config.build(|| 1_700_000_000).expect("a client")
}

fn run<C: Call>(net: &mut Net, calls: &Calls, call: C) -> Result<C::Output, Error> {
    let submit = |operation: Operation<'_>| {
        net.try_submit_on(0, operation).map_err(|rejected| rejected.reason.into())
    };
    let (id, answer) = call.submit(calls, submit)?;
    net.run();
    answer.finish(net.take(id), calls, |_| None)
}

/// A server that says this, whatever it is asked.
fn saying(bytes: &'static [u8]) -> (Net, Calls) {
    let mut net = Net::new(1, Settings::default());
    net.peers[0].mode = Mode::Says(bytes);
    let calls = calls(&net);
    (net, calls)
}

/// What a server sent, wherever it is shown.
#[test]
fn a_servers_text_is_shown_escaped() {
    let evil = "\\x1b[2J\\x07 \\xff\\u{9b}";
    let check = |shown: String| {
        assert!(shown.contains(evil), "{shown}");
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    };
    let (mut net, calls) = saying(b"SERVER_ERROR \x1b[2J\x07 \xff\xc2\x9b\r\n");
    let error = run(&mut net, &calls, calls::get::<Value, _>("a")).expect_err("an error");
    check(error.to_string());
    assert!(!format!("{error:?}").chars().any(char::is_control));
    let (mut net, calls) = saying(b"CLIENT_ERROR \x1b[2J\x07 \xff\xc2\x9b\r\n");
    check(run(&mut net, &calls, calls::incr("a", 1)).expect_err("an error").to_string());

    let (mut net, calls) = saying(b"VERSION \x1b[2J\x07 \xff\xc2\x9b\r\n");
    let mut versions = run(&mut net, &calls, calls::version()).expect("asked").0;
    check(versions.remove(0).1.expect("answered"));

    let (mut net, calls) =
        saying(b"STAT \x1b[2J\x07 \xff\xc2\x9b\r\nSTAT a \x1b[2J\x07 \xff\xc2\x9b\r\nEND\r\n");
    let stats = run(&mut net, &calls, calls::stats(StatsArgument::General)).expect("asked");
    let stats = stats.into_result().expect("answered").remove(0).1;
    check(format!("{} {}", stats[0].0, stats[0].1));
    check(stats[1].1.clone());

    let (mut net, calls) = saying(b"ME a \x1b[2J\x07 \xff\xc2\x9b\r\n");
    let debug = run(&mut net, &calls, calls::meta_debug("a")).expect("answered");
    check(debug.expect("found"));

    // The words of somebody else's code about a value.
    let cause = Cause::from("\x1b[2J\x07 \\xff\u{9b}");
    check(cause.to_string());
    check(ValueError::Deserialize { cause, bytes: [][..].into() }.to_string());
}
