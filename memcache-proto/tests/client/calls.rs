//! Calls as an application makes them, through a client in memory: what their errors say.

use memcache_proto::Violation;
use memcache_proto::client::calls::{self, Answer, Call, Calls, Config, Error};
use memcache_proto::value::{Cause, Value, ValueError};

use crate::*;

/// The name of the only server, in stats.
const NAME: &str = "10.0.0.0:11211 (1)";

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

    // A line that nobody expects, and the words of somebody else's code about a value.
    let (mut net, calls) = saying(b"\x1b[2J\x07 \xff\xc2\x9b\r\n");
    let error = run(&mut net, &calls, calls::get::<Value, _>("a")).expect_err("nonsense");
    check(error.to_string());
    let cause = Cause::from("\x1b[2J\x07 \\xff\u{9b}");
    check(cause.to_string());
    check(ValueError::Deserialize { cause, bytes: [][..].into() }.to_string());
}

/// The message has the beginning of the line, and nothing of a value.
#[test]
fn a_line_that_should_not_have_come_is_shown() {
    let cases: &[(&[u8], &str)] = &[
        (
            b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n",
            "a line that is not of the memcached protocol: \"HTTP/1.1 400 Bad Request\"",
        ),
        (b"STORED\r\n", "a response that does not answer the request: \"STORED\""),
        (
            b"VALUE b 0 6\r\nsecret\r\nEND\r\n",
            "a value for a key that was not asked for: \"VALUE b 0 6\"",
        ),
        (b"VALUE a 0 6\r\nsecrets\r\nEND\r\n", "a value without CR LF behind it: \"VALUE a 0 6\""),
        (
            b"VALUE a 0 99999999999999999999999999999999999999\r\n",
            "a number that is out of range: \"VALUE a 0 999999999999999999999999999999...\"",
        ),
    ];
    for (bytes, says) in cases {
        for cut in [usize::MAX, 1] {
            let settings = Settings { debug: true, ..Settings::default() };
            let mut net = Net::new(1, settings);
            net.peers[0].mode = Mode::Says(bytes);
            net.cut = cut;
            let calls = calls(&net);
            let error = run(&mut net, &calls, calls::get::<Value, _>("a")).expect_err("nonsense");
            let error = error.to_string();
            assert!(error.starts_with(&format!("{NAME}: the server sent ")), "{error}");
            assert!(!error.contains("secret"), "{error}");
            let noted = std::iter::from_fn(|| net.clients[0].poll_notice());
            let noted: Vec<_> = noted.map(|notice| notice.event.to_string()).collect();
            if cut == usize::MAX {
                assert!(error.contains(says), "{error}");
                assert!(noted.iter().any(|noted| noted.contains(says)), "{noted:?}");
            }
        }
    }
    let violation = Violation::from(ProtocolError::TooMuch);
    assert_eq!(violation.to_string(), "a reply longer than Limits allows");
}
