use std::thread;
use std::time::Instant;

use memcache_sync::Expiry;
use memcache_tests::{Memcached, Step};

use super::*;

/// A way to misbehave, and what a get and a set must come to.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) script: Vec<Vec<Step>>,
    pub(crate) kind: fn(&FailureKind) -> bool,
    pub(crate) delivery: Delivery,
    pub(crate) says: &'static [&'static str],
    /// Whether the error comes only after the timeout.
    pub(crate) slow: bool,
}

pub(crate) fn cases() -> Vec<Case> {
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
        slow(case("says nothing", vec![vec![]], timeout, &["socket_timeout"])),
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

pub(crate) fn a_server_that_misbehaves_is_an_error_in_time_and_its_connection_is_closed<A: Api>() {
    thread::scope(|scope| {
        for case in cases() {
            scope.spawn(move || check::<A>(&case));
        }
    });
}

fn check<A: Api>(case: &Case) {
    let Case { name, script, kind, delivery, says, slow } = case;
    let server = Scripted::start(script.clone());
    let client: A = client_at(&server);
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
    let both: A = Config::default()
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
    let healthy: A = super::client(&memcached.address());
    healthy.set("key", "value", Expiry::Never).expect(name);
    assert_eq!(healthy.get::<String>("key").expect(name).as_deref(), Some("value"), "{name}");
}

pub(crate) fn a_client_goes_on_with_a_server_that_misbehaved<A: Api>() {
    thread::scope(|scope| {
        for case in cases() {
            scope.spawn(move || {
                // A read may have been sent once more, so it may meet the same twice in one call.
                let mut script = vec![case.script[0].clone(); 2];
                script.push(vec![Step::Echo(b"VALUE key 0 2\r\nok\r\nEND\r\n".to_vec())]);
                let server = Scripted::start(script);
                let client: A = client_at(&server);
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

pub(crate) fn the_end_of_an_answer_that_comes_late_costs_no_connection<A: Api>() {
    let value = "VALUE key 0 2\r\nok\r\n";
    let pause = Duration::from_millis(20);
    let late = [Step::Lines(1), Step::send(value), Step::Wait(pause), Step::send("END\r\n")];
    let server = Scripted::always([&late[..]; 3].concat());
    let client: A = client_at(&server);
    for round in 0..3 {
        assert_eq!(client.get::<String>("key").expect("an answer").as_deref(), Some("ok"));
        assert_eq!(server.seen().len(), 1, "round {round}");
    }

    // Where it does not come at all the value is good, and the connection is not used again.
    let server = Scripted::replying(value);
    let client: A = client_at(&server);
    for round in 1..4 {
        let started = Instant::now();
        let value = client.get::<String>("key");
        assert!(started.elapsed() < TIMEOUT + SLACK, "{:?}", started.elapsed());
        assert_eq!(value.expect("an answer").as_deref(), Some("ok"));
        assert!(server.all_closed(round, Duration::from_secs(5)), "left open");
    }
}

pub(crate) fn bytes_that_nothing_asked_for_are_never_an_answer<A: Api>() {
    let too_much = "VALUE key 0 1\r\n1\r\nEND\r\nVALUE key 0 1\r\n2\r\nEND\r\n";
    let server = Scripted::start(vec![
        vec![Step::Lines(1), Step::send(too_much)],
        vec![Step::Lines(1), Step::send("VALUE key 0 1\r\n3\r\nEND\r\n")],
    ]);
    let client: A = client_at(&server);
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
    let good = vec![Step::Echo(b"VALUE other 0 1\r\n3\r\nEND\r\n".to_vec())];
    let server = Scripted::start(vec![first, good]);
    let client: A = client_at(&server);
    assert_eq!(client.get::<u8>("key").expect("a miss"), None);
    thread::sleep(3 * late);
    match client.get::<u8>("other") {
        Ok(value) => assert_eq!(value, Some(3), "the answer was to nothing"),
        Err(error) => assert!(matches!(failure(&error).0, FailureKind::Protocol(_)), "{error:?}"),
    }
    assert_eq!(client.get::<u8>("other").expect("a new connection"), Some(3));
}

pub(crate) fn an_item_without_its_cas_unique_is_no_answer_to_gets<A: Api>() {
    let server = Scripted::replying("VALUE key 0 1\r\n1\r\nEND\r\n");
    let error = client_at::<A>(&server).gets::<u8>("key").expect_err("no cas unique");
    println!("{error}");
    assert!(matches!(failure(&error).0, FailureKind::Protocol(_)), "{error:?}");
}
