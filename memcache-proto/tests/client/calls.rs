//! Calls as an application makes them, through a client in memory: what their errors say.

use memcache_proto::calls::{self, Calls, Config, Error, FailedKey, Recaching, Turn};
use memcache_proto::value::{Cause, ToValue, Value, ValueError, ValueRef};
use memcache_proto::{Expiry, Violation};

use crate::called::run;
use crate::*;

const NEVER: Expiry = Expiry::Never;
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

/// A server that says this, whatever it is asked.
fn saying(bytes: &'static [u8]) -> (Net, Calls) {
    let mut net = Net::new(1, Settings::default());
    net.peers[0].mode = Mode::Says(bytes);
    let calls = calls(&net);
    (net, calls)
}

type Map = HashMap<String, Value>;

/// Each key that failed, and why.
fn told(failed: Vec<FailedKey<String>>) -> Vec<String> {
    failed.iter().map(|failed| format!("{} is {failed}", failed.key.escape_debug())).collect()
}

/// A value, or none that could be stored.
#[derive(Clone, Copy)]
struct Maybe(bool);

impl ToValue for Maybe {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        match self.0 {
            true => "value".to_value(),
            false => {
                Err(ValueError::Serialize { cause: "no\n\x1b[2J".into(), bytes: [][..].into() })
            }
        }
    }
}

#[test]
fn a_key_that_cannot_be_sent_fails_alone_and_is_named_by_its_number() {
    /// Which keys, which of them cannot be sent, and what is said of those.
    type Case<'a> = (&'a [&'a str], &'a [(usize, &'a str)]);
    let long = "k".repeat(251);
    let cases: &[Case<'_>] = &[
        (&["a", "b"], &[]),
        (&["a b"], &[(0, "0x20 at position 1")]),
        (&["", "a", "b"], &[(0, "the key is empty")]),
        (&["a", "\n", "b"], &[(1, "0x0a at position 0")]),
        (&["a", "b", &long], &[(2, "251 bytes")]),
        (
            &["x y", "a", "", "\u{7f}", "b", "c", "d\t"],
            &[(0, "0x20"), (2, "empty"), (3, "0x7f"), (6, "0x09")],
        ),
        (&["", ""], &[(0, "empty"), (1, "empty")]),
    ];
    for (keys, bad) in cases {
        let mut net = Net::new(3, Settings::default());
        let calls = calls(&net);
        let keys: Vec<_> = keys.iter().map(|&key| key.to_owned()).collect();
        let good = keys.len() - bad.len();
        let check = |failed: Vec<FailedKey<String>>| {
            assert_eq!(failed.len(), bad.len(), "{failed:?}");
            for (FailedKey { number, key, error }, (expected, says)) in failed.iter().zip(*bad) {
                assert_eq!((number, key), (expected, &keys[*number]));
                assert!(matches!(error, Error::Key(_)), "{error:?}");
                assert!(error.to_string().contains(says), "{error}");
            }
        };
        let items = keys.iter().map(|key| (key.clone(), key.len()));
        let stored = run(&mut net, &calls, calls::set_many(items, NEVER)).expect("asked");
        assert_eq!(stored.result, good);
        check(stored.failed);
        let get = || calls::get_many::<usize, _, HashMap<_, _>>(keys.clone());
        let found = run(&mut net, &calls, get()).expect("asked");
        assert_eq!(found.result.len(), good);
        assert!(found.result.iter().all(|(key, len)| key.len() == *len), "{:?}", found.result);
        check(found.failed);
        // With a prefix of the call.
        let found = run(&mut net, &calls, get().key_prefix("p:")).expect("asked");
        let numbers = |failed: &[FailedKey<_>]| failed.iter().map(|key| key.number).collect();
        let (numbers, expected): (Vec<_>, Vec<_>) =
            (numbers(&found.failed), bad.iter().map(|(number, _)| *number).collect());
        assert_eq!((found.result.len(), numbers), (0, expected));
        let deleted = run(&mut net, &calls, calls::delete_many(keys.clone())).expect("asked");
        assert_eq!(deleted.result, good);
        check(deleted.failed);
        let found = run(&mut net, &calls, get()).expect("asked");
        assert_eq!(found.result.len(), 0, "they were deleted");
        let sent = calls::delete_many(keys.clone()).noreply();
        let sent = run(&mut net, &calls, sent).expect("asked");
        assert_eq!(sent.result, good);
        check(sent.failed);
        assert!(net.clients[0].is_idle());
    }
}

/// Answers are counted without the keys that were not sent, and told with them.
#[test]
fn the_numbers_of_answers_are_those_of_the_call() {
    let (mut net, calls) = saying(b"STORED\r\nNOT_STORED\r\nSERVER_ERROR out of memory\r\n");
    let items = [("", "v"), ("a", "v"), ("b c", "v"), ("d", "v"), ("e", "v"), ("\n", "v")];
    let items = items.map(|(key, value)| (key.to_owned(), value));
    let stored = run(&mut net, &calls, calls::set_many(items, NEVER)).expect("asked");
    assert_eq!(stored.result, 1);
    assert_eq!(
        told(stored.failed),
        [
            " is key 0: the key is empty".to_owned(),
            "b c is key 2: the key holds byte 0x20 at position 1; spaces and control characters \
             are not allowed"
                .to_owned(),
            "d is key 3: the server, or a proxy before it, declined to store the value: it \
             answered NOT_STORED"
                .to_owned(),
            format!("e is key 4: {NAME}: the server answered SERVER_ERROR out of memory"),
            "\\n is key 5: the key holds byte 0x0a at position 0; spaces and control characters \
             are not allowed"
                .to_owned(),
        ],
    );

    let (mut net, calls) = saying(b"VALUE a 16 1\r\n\xff\r\nVALUE d 16 1\r\nv\r\nEND\r\n");
    let keys = ["", "a", "b c", "d", "e"].map(str::to_owned);
    let found = run(&mut net, &calls, calls::get_many::<Value, _, Map>(keys)).expect("asked");
    assert_eq!(found.result, HashMap::from([("d".to_owned(), Value::from("v"))]));
    let numbers: Vec<_> = found.failed.iter().map(|failed| failed.number).collect();
    assert_eq!(numbers, [0, 1, 2]);
}

#[test]
fn a_value_that_cannot_be_stored_fails_alone() {
    let mut net = Net::new(1, Settings::default());
    let calls = calls(&net);
    let items = [true, false, true].map(Maybe);
    let items = ["a", "b", "c"].map(str::to_owned).into_iter().zip(items);
    let stored = run(&mut net, &calls, calls::set_many(items, NEVER)).expect("asked");
    assert_eq!(stored.result, 2);
    assert_eq!(told(stored.failed), ["b is key 1: the value was not serialized: no\\n\\x1b[2J"]);
    assert_eq!(value(net.get("c")), some("value"));
    assert_eq!(value(net.get("b")), None);
    let error = run(&mut net, &calls, calls::set("b", Maybe(false), NEVER)).expect_err("none");
    assert!(matches!(error, Error::Value { server: None, .. }), "{error:?}");
}

#[test]
fn all_or_nothing_names_the_key() {
    let (mut net, calls) = saying(b"VALUE a 0 1\r\nv\r\nEND\r\n");
    let keys = ["a", "b c"].map(str::to_owned);
    let found = run(&mut net, &calls, calls::get_many::<Value, _, Map>(keys)).expect("asked");
    let error = found.into_result().expect_err("one cannot be sent");
    assert!(
        matches!(&error, Error::OfKey { number: 1, error } if matches!(**error, Error::Key(_)))
    );
    assert!(error.to_string().starts_with("key 1: the key holds byte 0x20"), "{error}");
    assert!(!error.may_have_been_applied() && !error.is_unavailable() && error.server().is_none());

    // What else there is to know of it is known as before.
    let mut net = Net::new(1, Settings::default());
    net.peers[0].mode = Mode::Silent;
    let items = [("a".to_owned(), "v")];
    let stored = run(&mut net, &calls, calls::set_many(items, NEVER)).expect("asked");
    let error = stored.into_result().expect_err("nobody answers");
    assert!(error.may_have_been_applied() && error.is_unavailable(), "{error:?}");
    assert_eq!(error.server(), Some(NAME));
}

#[test]
fn a_value_that_cannot_be_read_says_of_which_server_and_which_key() {
    let says = |error: &Error, expected: &str| {
        assert!(matches!(error, Error::Value { server: Some(_), .. }), "{error:?}");
        assert_eq!((error.server(), error.to_string()), (Some(NAME), expected.to_owned()));
    };
    let unreadable = format!("{NAME}: the value is text, which cannot be read as u8");
    let (mut net, calls) = saying(b"VALUE a 16 3 7\r\ntwo\r\nEND\r\n");
    says(&run(&mut net, &calls, calls::get::<u8, _>("a")).expect_err("text"), &unreadable);
    says(&run(&mut net, &calls, calls::gets::<u8, _>("a")).expect_err("text"), &unreadable);
    says(&run(&mut net, &calls, calls::gat::<u8, _>("a", NEVER)).expect_err("text"), &unreadable);
    let get = calls::get_many::<u8, _, HashMap<_, _>>(["b", "", "a"].map(str::to_owned));
    let found = run(&mut net, &calls, get).expect("asked");
    let [FailedKey { number: 1, .. }, FailedKey { number: 2, key, error }] = &found.failed[..]
    else {
        panic!("{:?}", found.failed)
    };
    assert_eq!(key, "a");
    says(error, &unreadable);

    // The replies to meta commands, too, and with them those who share the making of a value.
    const META: &[u8] = b"VA 3 O0 f16 c7 t-1\r\ntwo\r\n";
    let (mut net, calls) = saying(META);
    says(&run(&mut net, &calls, calls::meta_get::<u8, _>("a")).expect_err("text"), &unreadable);
    let mut part = Recaching::new(calls.recache());
    let (mut net, calls) = saying(META);
    let item = run(&mut net, &calls, part.look::<u8, _>("a")).expect("answered");
    let turn: Result<Turn<u8>, Error> = part.turn(item);
    says(&turn.expect_err("nobody is to replace it"), &unreadable);
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
            "a key that was not asked for, or not as often: \"VALUE b 0 6\"",
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
