//! What goes wrong is a typed error whose message a person can act on, in time; the connection is gone
//! and the client as good as before.

use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use memcache_sync::{
    Client, Delivery, Error, ErrorLine, Expiry, FailureKind, KeyError, Rejection, Stored, Value,
    ValueError,
};
use memcache_tests::{Memcached, Scripted, Step};

const TIMEOUT: Duration = Duration::from_millis(300);
/// How much later than the timeout an error may come on a busy machine.
const SLACK: Duration = Duration::from_millis(700);

fn client(address: &str) -> Client {
    let builder = Client::builder().server(address).socket_timeout(TIMEOUT);
    builder.dead_retry(Duration::ZERO).build().expect("an address")
}

fn get(client: &Client) -> Result<Option<Value>, Error> {
    client.get::<Value>("key")
}

fn failure(error: &Error) -> (&FailureKind, Delivery) {
    match error {
        Error::Server { failure, .. } => (&failure.kind, failure.delivery),
        error => panic!("not a server's: {error:?}"),
    }
}

/// The error's message has each of these words in it.
fn assert_says(error: &Error, words: &[&str]) {
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "no {word:?} in {message:?}");
    }
}

#[test]
fn what_cannot_be_sent_is_refused_and_nothing_else_is_harmed() {
    type Call = fn(&Client) -> Result<(), Error>;
    let memcached = Memcached::start();
    let client = client(&memcached.address());
    client.set("text", "abc", Expiry::Never).expect("stored");
    let calls: &[(&str, Call, &[&str])] = &[
        ("space", |c| c.set("a key", 1, Expiry::Never), &["0x20", "position 1", "space"]),
        ("control", |c| c.get::<Value>("key\u{1}").map(drop), &["0x01", "position 3", "control"]),
        ("DEL", |c| c.delete("\u{7f}").map(drop), &["0x7f", "position 0"]),
        ("NUL", |c| c.touch("a\0", Expiry::Never).map(drop), &["0x00", "position 1"]),
        ("CR LF", |c| c.set("foo\r\nflush_all\r\n", 1, Expiry::Never), &["0x0d", "position 3"]),
        ("LF at the end", |c| c.incr("foo\n", 1).map(drop), &["0x0a", "position 3"]),
        ("251 bytes", |c| c.set("k".repeat(251), 1, Expiry::Never), &["251", "250"]),
        ("no bytes", |c| c.get::<Value>("").map(drop), &["empty"]),
        ("many", |c| c.get_many::<Value, _>(["text", "a b"]).map(drop), &["0x20"]),
        ("set many", |c| c.set_many([("text", 1), ("", 2)], Expiry::Never).map(drop), &["empty"]),
        ("delete many", |c| c.delete_many(["text", "\n"]).map(drop), &["0x0a"]),
        (
            "long value",
            |c| c.set("k", vec![0; (1 << 20) + 1], Expiry::Never),
            &["1048577", "1048576", "server_max_value_length"],
        ),
        ("long append", |c| c.append("text", vec![0; (1 << 20) + 1]).map(drop), &["1048577"]),
        ("2^31", |c| c.set("k", 1, Expiry::At(1 << 31)), &["2147483648", "2147483647", "Never"]),
        ("2^32 + 1", |c| c.touch("text", Expiry::At((1 << 32) + 1)).map(drop), &["4294967297"]),
        ("200 years", |c| c.set("k", 1, Duration::from_secs(200 * 365 * 86_400)), &["unix time"]),
        ("a long delay", |c| c.flush_all_after(Duration::MAX).map(drop), &["unix time"]),
        (
            "no counter",
            |c| c.incr("text", 1).map(drop),
            &["CLIENT_ERROR", "non-numeric", "127.0.0.1:"],
        ),
        ("no integer", |c| c.get::<u64>("text").map(drop), &["text", "u64"]),
    ];
    for (name, call, words) in calls {
        let error = call(&client).expect_err(name);
        println!("{name}: {error}");
        assert_says(&error, words);
        let typed = match *name {
            "2^31" | "2^32 + 1" | "200 years" | "a long delay" => matches!(error, Error::Expiry(_)),
            "long value" | "long append" => {
                matches!(error, Error::Rejected(Rejection::ValueTooLong { len: 1_048_577, .. }))
            }
            "no counter" => matches!(
                failure(&error),
                (FailureKind::Server(ErrorLine::Client(_)), Delivery::Answered)
            ),
            "no integer" => matches!(error, Error::Value(ValueError::Mismatch { .. })),
            "no bytes" | "set many" => matches!(error, Error::Key(KeyError::Empty)),
            "251 bytes" => matches!(error, Error::Key(KeyError::TooLong { len: 251 })),
            _ => matches!(error, Error::Key(KeyError::Forbidden { .. })),
        };
        assert!(typed, "{name}: {error:?}");
        assert!(!error.may_have_been_applied() && !error.is_unavailable(), "{name}");
        let text = client.get::<String>("text").expect(name);
        assert_eq!(text.as_deref(), Some("abc"), "{name}");
    }
    // The prefix counts.
    let builder = Client::builder().server(&memcached.address()).key_prefix("prefix:");
    let prefixed = builder.build().expect("a client");
    let error = prefixed.set("k".repeat(244), 1, Expiry::Never).expect_err("too long");
    assert_says(&error, &["251", "prefix"]);
    prefixed.set("k".repeat(243), 1, Expiry::Never).expect("stored");
    // An item that is too long fails alone.
    let items = [("one", vec![1]), ("two", vec![2; (1 << 20) + 1]), ("three", vec![3])];
    let many = client.set_many(items, Expiry::Never).expect("sent");
    assert_eq!(many.result, 2);
    assert!(matches!(many.failed[..], [("two", Error::Rejected(_))]), "{:?}", many.failed);
}

#[test]
fn a_value_that_the_server_refuses_is_its_words_and_keeps_the_connection() {
    let memcached = Memcached::start();
    let client = client(&memcached.address());
    let connections = || {
        let stats = client.stats(memcache_sync::StatsArgument::General).expect("asked");
        let stats = stats.into_result().expect("answered").remove(0).1;
        stats.into_iter().find(|(name, _)| name == "total_connections").expect("a stat").1
    };
    let before = connections();
    // A default server has no room for a value of exactly 1 MiB with its key.
    let error = client.set("k", vec![0; 1 << 20], Expiry::Never).expect_err("too large");
    assert_says(&error, &[&memcached.address(), "SERVER_ERROR", "too large"]);
    assert!(matches!(
        failure(&error),
        (FailureKind::Server(ErrorLine::Server(_)), Delivery::Answered)
    ));
    client.set("text", "abc", Expiry::Never).expect("stored");
    client.incr("text", 1).expect_err("no number");
    assert_eq!(connections(), before, "the connection was not kept");
}

/// A way to misbehave, and what a get and a set must come to.
struct Case {
    name: &'static str,
    script: Vec<Vec<Step>>,
    kind: fn(&FailureKind) -> bool,
    delivery: Delivery,
    says: &'static [&'static str],
    /// Whether the error comes only after the timeout.
    slow: bool,
}

fn cases() -> Vec<Case> {
    let replying = |text: &str| vec![vec![Step::Lines(1), Step::send(text)]];
    let protocol = |kind: &FailureKind| matches!(kind, FailureKind::Protocol(_));
    let timeout = |kind: &FailureKind| matches!(kind, FailureKind::SocketTimeout);
    let eof = |kind: &FailureKind| matches!(kind, FailureKind::Eof | FailureKind::Disconnected);
    let case = |name, script, kind, says| Case {
        name,
        script,
        kind,
        delivery: Delivery::Unanswered,
        says,
        slow: false,
    };
    let slow = |case: Case| Case { slow: true, ..case };
    let endless = format!("SERVER_ERROR {}", "x".repeat(100_000));
    let long = format!("SERVER_ERROR {}\r\n", "y".repeat(3_000));
    vec![
        slow(case("says nothing", vec![vec![]], timeout, &["socket_timeout", "may have been"])),
        slow(case("says half a line", replying("VALUE ke"), timeout, &["socket_timeout"])),
        slow(case(
            "stops in a value",
            replying("VALUE key 0 10\r\n12345"),
            timeout,
            &["socket_timeout"],
        )),
        case(
            "garbage",
            replying("\x16\x03\x01\x02 what?\r\n"),
            protocol,
            &["not of the memcached"],
        ),
        case("HTTP", replying("HTTP/1.1 400 Bad Request\r\n\r\n"), protocol, &["not of the"]),
        case("no line end", replying(&endless), protocol, &["2048"]),
        case("a long line", replying(&long), protocol, &["2048"]),
        case(
            "a value of 2^63 bytes",
            replying("VALUE key 0 9223372036854775808\r\n"),
            protocol,
            &["9223372036854775808", "max_value_len"],
        ),
        case(
            "a value of 2^63 - 1 bytes",
            replying("VALUE key 0 9223372036854775807\r\n"),
            protocol,
            &["9223372036854775807", "max_value_len"],
        ),
        case(
            "a value of 2^70 bytes",
            replying("VALUE key 0 1180591620717411303424\r\n"),
            protocol,
            &["the server sent"],
        ),
        case("a negative length", replying("VALUE key 0 -1\r\n"), protocol, &["the server sent"]),
        case(
            "another key",
            replying("VALUE other 0 1\r\n1\r\nEND\r\n"),
            protocol,
            &["not asked for"],
        ),
        case(
            "another command's reply",
            replying("TOUCHED\r\n"),
            protocol,
            &["does not answer the request"],
        ),
        case(
            "a value without its end",
            replying("VALUE key 0 3\r\n12345\r\nEND\r\n"),
            protocol,
            &["without CR LF"],
        ),
        case(
            "closes in a value",
            vec![vec![Step::Lines(1), Step::send("VALUE key 0 10\r\n12345"), Step::Close]],
            eof,
            &["closed"],
        ),
        case("closes at once", vec![vec![Step::Lines(1), Step::Close]], eof, &["closed"]),
        Case {
            delivery: Delivery::NotSent,
            ..case(
                "too many connections",
                vec![vec![
                    Step::send("ERROR Too many open connections\r\n"),
                    Step::Wait(Duration::from_millis(50)),
                    Step::Close,
                ]],
                |kind| matches!(kind, FailureKind::Refused),
                &["too many open connections"],
            )
        },
    ]
}

#[test]
fn a_server_that_misbehaves_is_an_error_in_time_and_its_connection_is_closed() {
    thread::scope(|scope| {
        for case in cases() {
            scope.spawn(move || check(&case));
        }
    });
}

fn check(case: &Case) {
    let Case { name, script, kind, delivery, says, slow } = case;
    let server = Scripted::start(script.clone());
    let client = client(&server.address());
    let started = Instant::now();
    let error = get(&client).expect_err(name);
    let took = started.elapsed();
    println!("{name}: {error} ({took:.0?})");
    assert_says(&error, says);
    assert_says(&error, &[&server.address()]);
    let (actual, how_far) = failure(&error);
    assert!(kind(actual), "{name}: {error:?}");
    // A refusal may come before the request was sent or after.
    if *delivery != Delivery::NotSent {
        assert_eq!(how_far, *delivery, "{name}: {error:?}");
    }
    // Reads may be sent once more, on another connection.
    assert!(took < 2 * TIMEOUT + SLACK, "{name}: took {took:?}");
    if *slow {
        assert!(took >= TIMEOUT, "{name}: took {took:?}");
    }
    assert!(server.all_closed(1, Duration::from_secs(5)), "{name}: left open, {:?}", server.seen());

    // The same client, with a healthy server beside it, goes on.
    let memcached = Memcached::start();
    let both = Client::builder()
        .server(&server.address())
        .server(&memcached.address())
        .socket_timeout(TIMEOUT)
        .build()
        .expect("addresses");
    for round in 0..3 {
        for number in 0..20 {
            let key = format!("key{number}");
            if let Err(error) = both.set(&key, number, Expiry::Never) {
                assert!(
                    error.is_unavailable() || matches!(failure(&error).0, FailureKind::Protocol(_))
                );
                continue;
            }
            let value = both.get::<u32>(&key);
            if let Ok(value) = &value {
                assert_eq!(*value, Some(number), "{name}: {key} in round {round}");
            }
        }
    }
    // Those of the healthy server are all well.
    let healthy = client_of(&memcached);
    healthy.set("key", "value", Expiry::Never).expect(name);
    assert_eq!(healthy.get::<String>("key").expect(name).as_deref(), Some("value"), "{name}");
}

fn client_of(memcached: &Memcached) -> Client {
    client(&memcached.address())
}

#[test]
fn a_client_goes_on_with_a_server_that_misbehaved() {
    thread::scope(|scope| {
        for case in cases() {
            scope.spawn(move || {
                // A read may have been sent once more, so it may meet the same twice in one call.
                let mut script = vec![case.script[0].clone(); 2];
                script.push(vec![Step::Echo(b"VALUE key 0 2\r\nok\r\nEND\r\n".to_vec())]);
                let server = Scripted::start(script);
                let client = client(&server.address());
                let results: Vec<_> = (0..4).map(|_| client.get::<String>("key")).collect();
                let failed = results.iter().take_while(|result| result.is_err()).count();
                assert!((1..=2).contains(&failed), "{}: {results:?}", case.name);
                for result in &results[failed..] {
                    let value = result.as_ref().expect(case.name);
                    assert_eq!(value.as_deref(), Some("ok"), "{}", case.name);
                }
                assert_eq!(server.seen().len(), 3, "{}: connections", case.name);
            });
        }
    });
}

#[test]
fn the_end_of_an_answer_that_comes_late_costs_no_connection() {
    let value = "VALUE key 0 2\r\nok\r\n";
    let pause = Duration::from_millis(20);
    let late = [Step::Lines(1), Step::send(value), Step::Wait(pause), Step::send("END\r\n")];
    let server = Scripted::always([&late[..]; 3].concat());
    let client = client(&server.address());
    for round in 0..3 {
        assert_eq!(client.get::<String>("key").expect("an answer").as_deref(), Some("ok"));
        assert_eq!(server.seen().len(), 1, "round {round}");
    }

    // Where it does not come at all the value is good, and the connection is not used again.
    let server = Scripted::replying(value);
    let client = client_at(&server);
    for round in 1..4 {
        let started = Instant::now();
        let value = client.get::<String>("key");
        assert!(started.elapsed() < TIMEOUT + SLACK, "{:?}", started.elapsed());
        assert_eq!(value.expect("an answer").as_deref(), Some("ok"));
        assert!(server.all_closed(round, Duration::from_secs(5)), "left open");
    }
}

#[test]
fn a_server_that_is_not_there_is_named_with_the_systems_words() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let missing = std::env::temp_dir().join("memcache-no-such.sock");
    let missing = format!("unix:{}", missing.display());
    let cases = [
        (port.to_string(), "refused"),
        (missing, "No such file"),
        ("no-such-host.invalid:11211".into(), "no-such-host.invalid"),
    ];
    for (address, cause) in cases {
        let builder = Client::builder().server(&address).socket_timeout(TIMEOUT);
        let client = builder.build().expect("an address");
        let started = Instant::now();
        let error = get(&client).expect_err("nobody is there");
        println!("{address}: {error}");
        assert!(started.elapsed() < TIMEOUT + SLACK, "{:?}", started.elapsed());
        assert_eq!(failure(&error), (&FailureKind::Connect, Delivery::NotSent));
        assert_says(&error, &[&address, "connection", cause]);
        assert!(error.is_unavailable() && !error.may_have_been_applied());
        assert!(error.server().is_some_and(|server| server.contains(&address)), "{error:?}");
        // It is dead now, which is said at once.
        let started = Instant::now();
        let error = get(&client).expect_err("nobody is there");
        assert!(started.elapsed() < Duration::from_millis(50), "{:?}", started.elapsed());
        assert_eq!(failure(&error), (&FailureKind::AllDead, Delivery::NotSent));
        assert_says(&error, &["dead", "dead_retry"]);
        let versions = client.version().expect("asked").0;
        let error = versions[0].1.as_ref().expect_err("dead");
        assert_says(error, &[&address, "dead"]);
        client.forget_dead_hosts();
        assert_eq!(failure(&get(&client).expect_err("tried")).0, &FailureKind::Connect);
    }
}

#[test]
fn a_server_that_does_not_accept_is_given_up_in_time() {
    let full = memcache_tests::Full::start();
    let builder = Client::builder().server(&full.address()).socket_timeout(TIMEOUT);
    let client = builder.build().expect("an address");
    for round in 0..2 {
        client.forget_dead_hosts();
        let started = Instant::now();
        let error = client.set("key", 1, Expiry::Never).expect_err("nobody accepts");
        let took = started.elapsed();
        println!("{error} ({took:.0?})");
        assert_eq!(failure(&error), (&FailureKind::Connect, Delivery::NotSent), "{round}");
        assert_says(&error, &[&full.address(), "no connection could be made", "timed out"]);
        assert!(took >= TIMEOUT - Duration::from_millis(5) && took < TIMEOUT + SLACK, "{took:?}");
    }
}

#[test]
fn a_connection_that_was_closed_while_idle_is_made_anew() {
    // Each connection answers one request and is closed.
    let answer = |text: &str| vec![Step::Lines(1), Step::send(text), Step::Close];
    let pause = || thread::sleep(Duration::from_millis(50));
    let server = Scripted::always(answer("VALUE key 0 1\r\n1\r\nEND\r\n"));
    let client_of = |server: &Scripted| client(&server.address());
    let client = client_of(&server);
    for _ in 0..5 {
        assert_eq!(client.get::<u8>("key").expect("read again"), Some(1));
        pause();
    }
    assert_eq!(server.seen().len(), 5);

    // A delete is not sent twice, unless the caller allows it.
    let server = Scripted::always(answer("DELETED\r\n"));
    let client = client_of(&server);
    assert!(client.delete("key").expect("the first connection"));
    pause();
    match client.delete("key") {
        Ok(deleted) => assert!(deleted),
        Err(error) => {
            println!("{error}");
            assert!(error.may_have_been_applied() && error.is_unavailable(), "{error:?}");
            assert_says(&error, &[&server.address(), "may have been applied"]);
        }
    }
    assert!(client.delete("key").expect("on a new connection"));
    let requests: usize = server.seen().iter().map(|seen| seen.received.len()).sum();
    assert!(requests <= 3 * b"delete key\r\n".len(), "{:?}", server.seen());

    let builder = Client::builder().server(&server.address()).socket_timeout(TIMEOUT);
    let client = builder.resend_stores(true).build().expect("an address");
    for _ in 0..4 {
        assert!(client.delete("key").expect("sent again"));
        pause();
    }
}

#[test]
fn a_connection_that_was_idle_for_long_is_looked_at_before_it_is_used() {
    let long = Duration::from_millis(1_200);
    let answer = |text: &str| vec![Step::Lines(1), Step::send(text), Step::Close];
    let server = Scripted::always(answer("DELETED\r\n"));
    let client = client(&server.address());
    for _ in 0..2 {
        // No delete is sent twice, and none needs to be.
        assert!(client.delete("key").expect("on a good connection"));
        thread::sleep(long);
    }
    // What came meanwhile is no answer.
    let stray = vec![
        Step::Lines(1),
        Step::send("END\r\n"),
        Step::Wait(Duration::from_millis(50)),
        Step::send("VALUE key 0 1\r\n2\r\nEND\r\n"),
    ];
    let good = vec![Step::Lines(1), Step::send("VALUE key 0 1\r\n3\r\nEND\r\n")];
    let server = Scripted::start(vec![stray, good]);
    let client = client_at(&server);
    assert_eq!(client.get::<u8>("key").expect("a miss"), None);
    thread::sleep(long);
    assert_eq!(client.get::<u8>("key").expect("a new connection"), Some(3));
    assert!(server.seen()[0].closed_by_peer);
}

#[test]
fn bytes_that_nothing_asked_for_are_never_an_answer() {
    let too_much = "VALUE key 0 1\r\n1\r\nEND\r\nVALUE key 0 1\r\n2\r\nEND\r\n";
    let server = Scripted::start(vec![
        vec![Step::Lines(1), Step::send(too_much)],
        vec![Step::Lines(1), Step::send("VALUE key 0 1\r\n3\r\nEND\r\n")],
    ]);
    let client = client(&server.address());
    // The first answer is good, or the whole is not believed; the second is never taken for another.
    match client.get::<u8>("key") {
        Ok(value) => assert_eq!(value, Some(1)),
        Err(error) => assert_says(&error, &["nothing had asked for"]),
    }
    match client.get::<u8>("key") {
        Ok(value) => assert_eq!(value, Some(3)),
        Err(error) => assert!(matches!(failure(&error).0, FailureKind::Protocol(_)), "{error:?}"),
    }

    // Where it comes later, while the connection is idle, the keys tell.
    let late = Duration::from_millis(50);
    let first = vec![
        Step::Lines(1),
        Step::send("END\r\n"),
        Step::Wait(late),
        Step::send("VALUE key 0 1\r\n2\r\nEND\r\n"),
    ];
    let good = vec![Step::Lines(1), Step::send("VALUE other 0 1\r\n3\r\nEND\r\n")];
    let server = Scripted::start(vec![first, good]);
    let client = client_at(&server);
    assert_eq!(client.get::<u8>("key").expect("a miss"), None);
    thread::sleep(3 * late);
    match client.get::<u8>("other") {
        Ok(value) => assert_eq!(value, Some(3), "the answer was to nothing"),
        Err(error) => assert!(matches!(failure(&error).0, FailureKind::Protocol(_)), "{error:?}"),
    }
    assert_eq!(client.get::<u8>("other").expect("a new connection"), Some(3));
}

fn client_at(server: &Scripted) -> Client {
    client(&server.address())
}

#[test]
fn a_late_answer_is_nobody_elses() {
    let late =
        [Step::Lines(1), Step::Wait(2 * TIMEOUT), Step::send("VALUE key 0 4\r\nlate\r\nEND\r\n")];
    let server = Scripted::start(vec![late.to_vec(), vec![Step::Lines(1), Step::send("END\r\n")]]);
    let client = client_at(&server);
    let error = get(&client).expect_err("late");
    assert!(matches!(failure(&error).0, FailureKind::SocketTimeout), "{error}");
    assert_eq!(get(&client).expect("a miss"), None);
    thread::sleep(2 * TIMEOUT);
    assert!(server.seen()[0].closed_by_peer);
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn an_operation_timeout_bounds_a_server_that_trickles() {
    // There is progress all the time, so socket_timeout has no cause to complain.
    let mut script = vec![Step::Lines(1), Step::send("VALUE key 0 1000\r\n")];
    for _ in 0..200 {
        script.extend([Step::send("x"), Step::Wait(Duration::from_millis(20))]);
    }
    let server = Scripted::always(script);
    let builder = Client::builder().server(&server.address()).socket_timeout(TIMEOUT);
    let client = builder.operation_timeout(2 * TIMEOUT).build().expect("an address");
    let started = Instant::now();
    let error = get(&client).expect_err("too slow");
    let took = started.elapsed();
    println!("{error} ({took:.0?})");
    assert_eq!(failure(&error), (&FailureKind::OperationTimeout, Delivery::Unanswered));
    assert_says(&error, &[&server.address(), "operation_timeout"]);
    assert!(took >= 2 * TIMEOUT && took < 2 * TIMEOUT + SLACK, "{took:?}");
    assert!(server.all_closed(1, Duration::from_secs(5)), "left open");
}

#[test]
fn sessions_that_are_all_in_use_are_waited_for_no_longer_than_an_operation() {
    let server = Scripted::silent();
    let builder = Client::builder().server(&server.address()).sessions(1);
    let client = builder.operation_timeout(TIMEOUT).build().expect("an address");
    let (sender, receiver) = channel();
    let other = client.clone();
    let busy = thread::spawn(move || {
        sender.send(()).expect("awaited");
        other.get::<Value>("key")
    });
    receiver.recv().expect("started");
    thread::sleep(TIMEOUT / 3);
    let started = Instant::now();
    let error = get(&client).expect_err("no session, or no answer");
    let took = started.elapsed();
    println!("{error} ({took:.0?})");
    assert!(took < 2 * TIMEOUT + SLACK, "{took:?}");
    assert!(error.is_unavailable());
    busy.join().expect("no panic").expect_err("no answer");
}

#[test]
fn one_servers_failure_is_only_its_own_keys() {
    let memcached = Memcached::start();
    let silent = Scripted::silent();
    let client = Client::builder()
        .servers([memcached.address(), silent.address()])
        .socket_timeout(TIMEOUT)
        .build()
        .expect("addresses");
    let keys: Vec<String> = (0..100).map(|number| format!("key{number}")).collect();
    let started = Instant::now();
    let items = keys.iter().enumerate().map(|(number, key)| (key.as_str(), number));
    let stored = client.set_many(items, Expiry::Never).expect("sent");
    assert!(started.elapsed() < TIMEOUT + SLACK, "{:?}", started.elapsed());
    assert!(stored.result >= 20 && stored.result < 100, "{}", stored.result);
    assert_eq!(stored.result + stored.failed.len(), 100);
    for (_, error) in &stored.failed {
        assert_says(error, &[&silent.address(), "socket_timeout"]);
        assert!(error.may_have_been_applied() && error.is_unavailable());
    }
    // Its keys belong to the other now.
    let found = client.get_many::<usize, _>(&keys).expect("sent");
    assert!(found.failed.is_empty(), "{:?}", found.failed);
    assert_eq!(found.result.len(), stored.result);
    for (key, number) in &found.result {
        assert_eq!(**key, format!("key{number}"));
    }
    let versions = client.version().expect("asked").0;
    assert!(versions[0].1.is_ok());
    assert_says(versions[1].1.as_ref().expect_err("dead"), &[&silent.address(), "dead"]);
}

#[test]
fn the_time_that_a_long_call_itself_takes_is_not_held_against_the_servers() {
    let servers = [Memcached::start(), Memcached::start()];
    let builder = Client::builder().servers(servers.iter().map(Memcached::address));
    let client = builder.socket_timeout(Duration::from_millis(120)).build().expect("addresses");
    let keys: Vec<String> = (0..2_000_000).map(|number| format!("key{number}")).collect();
    for connected in [false, true] {
        let found = client.get_many::<String, _>(&keys).expect("asked").into_result();
        assert!(found.expect("answered").is_empty(), "connected: {connected}");
    }
}

#[test]
fn an_address_that_is_none_or_a_cluster_of_nobody_is_refused() {
    for address in ["", "::1", "[::1]:1", "host:", "host:port", "inet6:[::1"] {
        let error = Client::new([address]).expect_err(address);
        println!("{address:?}: {error}");
        assert!(matches!(error, Error::Address(_)), "{address:?}: {error:?}");
        assert!(!error.to_string().is_empty());
    }
    let none: [&str; 0] = [];
    assert_says(&Client::new(none).expect_err("no server"), &["no server"]);
    let error = Client::builder().weighted_server("a", 0).build().expect_err("no weight");
    assert_says(&error, &["weight"]);
    let error = Client::builder().server("a").key_prefix("a b").build().expect_err("no prefix");
    assert_says(&error, &["prefix", "0x20"]);
}

#[test]
fn an_operation_timeout_bounds_the_connect_too() {
    let full = memcache_tests::Full::start();
    let builder = Client::builder().server(&full.address()).operation_timeout(TIMEOUT);
    let client = builder.build().expect("an address");
    let started = Instant::now();
    let error = get(&client).expect_err("nobody accepts");
    let took = started.elapsed();
    println!("{error} ({took:.0?})");
    assert_eq!(failure(&error), (&FailureKind::OperationTimeout, Delivery::NotSent));
    assert_says(&error, &["operation_timeout"]);
    assert!(took >= TIMEOUT && took < TIMEOUT + SLACK, "{took:?}");
}

#[test]
fn timeouts_that_never_end_are_as_good_as_any() {
    let memcached = Memcached::start();
    for timeout in [Duration::MAX, Duration::from_secs(u64::MAX / 2), Duration::from_secs(1 << 40)]
    {
        let builder = Client::builder().server(&memcached.address()).socket_timeout(timeout);
        let client = builder.operation_timeout(timeout).dead_retry(timeout).build();
        let client = client.expect("an address");
        client.set("key", 1, Expiry::Never).expect("stored");
        assert_eq!(client.get::<u8>("key").expect("an answer"), Some(1), "{timeout:?}");
    }
}

#[test]
fn a_set_that_was_declined_is_no_success() {
    let script = [Step::Lines(2), Step::send("NOT_STORED\r\n")];
    let server = Scripted::always([&script[..]; 2].concat());
    let client = client_at(&server);
    let error = client.set("key", 1, Expiry::Never).expect_err("declined");
    println!("{error}");
    assert!(matches!(error, Error::NotStored(Stored::NotStored)), "{error:?}");
    assert_says(&error, &["NOT_STORED", "proxy"]);
    assert!(!error.may_have_been_applied() && !error.is_unavailable());
    // A condition that did not hold is none.
    assert!(!client.add("key", 1, Expiry::Never).expect("an answer"));
    assert_eq!(server.seen().len(), 1, "the connection was not kept");

    let answers = "STORED\r\nNOT_STORED\r\nSTORED\r\n";
    let server = Scripted::always([Step::Lines(6), Step::send(answers)]);
    let items = [("one", 1), ("two", 2), ("three", 3)];
    let many = client_at(&server).set_many(items, Expiry::Never).expect("sent");
    assert_eq!(many.result, 2);
    let failed = matches!(many.failed[..], [("two", Error::NotStored(Stored::NotStored))]);
    assert!(failed, "{:?}", many.failed);

    // These answer nothing but a cas, so whoever says so cannot be trusted.
    for answer in ["EXISTS\r\n", "NOT_FOUND\r\n"] {
        let server = Scripted::always([Step::Lines(2), Step::send(answer)]);
        let error = client_at(&server).set("key", 1, Expiry::Never).expect_err("declined");
        assert!(matches!(failure(&error).0, FailureKind::Protocol(_)), "{error:?}");
    }
}

#[test]
fn an_item_without_its_cas_unique_is_no_answer_to_gets() {
    let server = Scripted::replying("VALUE key 0 1\r\n1\r\nEND\r\n");
    let error = client_at(&server).gets::<u8>("key").expect_err("no cas unique");
    println!("{error}");
    assert!(matches!(failure(&error).0, FailureKind::Protocol(_)), "{error:?}");
}

#[test]
fn an_error_is_told_once_along_its_chain() {
    let missing = std::env::temp_dir().join("memcache-no-such.sock");
    let client = client(&format!("unix:{}", missing.display()));
    let error = get(&client).expect_err("nobody is there");
    assert_says(&error, &["No such file"]);
    assert!(std::error::Error::source(&error).is_none());
    assert!(matches!(error, Error::Server { source: Some(_), .. }));
}
