use memcache_sync::{
    ErrorLine, Expiry, FailedKey, KeyError, Rejection, StatsArgument, Stored, ValueError,
};
use memcache_tests::{Memcached, Step};

use super::*;

pub(crate) fn what_cannot_be_sent_is_refused_and_nothing_else_is_harmed<A: Api>() {
    type Call<A> = fn(&A) -> Result<(), Error>;
    let memcached = Memcached::start();
    let client: A = client(&memcached.address());
    client.set("text", "abc", Expiry::Never).expect("stored");
    let calls: &[(&str, Call<A>, &[&str])] = &[
        ("space", |c| c.set("a key", 1, Expiry::Never), &["0x20", "position 1", "space"]),
        ("control", |c| c.get::<Value>("key\u{1}").map(drop), &["0x01", "position 3", "control"]),
        ("DEL", |c| c.delete("\u{7f}").map(drop), &["0x7f", "position 0"]),
        ("NUL", |c| c.touch("a\0", Expiry::Never).map(drop), &["0x00", "position 1"]),
        ("CR LF", |c| c.set("foo\r\nflush_all\r\n", 1, Expiry::Never), &["0x0d", "position 3"]),
        ("LF at the end", |c| c.incr("foo\n", 1).map(drop), &["0x0a", "position 3"]),
        ("251 bytes", |c| c.set("k".repeat(251), 1, Expiry::Never), &["251", "250"]),
        ("no bytes", |c| c.get::<Value>("").map(drop), &["empty"]),
        // All or nothing is wanted: the others were done.
        (
            "many",
            |c| c.get_many::<Value, _>(["text", "a b"])?.into_result().map(drop),
            &["key 1", "0x20"],
        ),
        (
            "set many",
            |c| c.set_many([("", 2), ("other", 1)], Expiry::Never)?.into_result().map(drop),
            &["key 0", "empty"],
        ),
        (
            "delete many",
            |c| c.delete_many(["other", "\n"])?.into_result().map(drop),
            &["key 1", "0x0a"],
        ),
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
        ("no integer", |c| c.get::<u64>("text").map(drop), &["127.0.0.1:", "text", "u64"]),
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
            "no integer" => {
                matches!(error, Error::Value { error: ValueError::Mismatch { .. }, .. })
            }
            "no bytes" => matches!(error, Error::Key(KeyError::Empty)),
            "many" | "set many" | "delete many" => matches!(
                &error,
                Error::OfKey { error, .. } if matches!(**error, Error::Key(_))
            ),
            "251 bytes" => matches!(error, Error::Key(KeyError::TooLong { len: 251, max: 250 })),
            _ => matches!(error, Error::Key(KeyError::Forbidden { .. })),
        };
        assert!(typed, "{name}: {error:?}");
        assert!(!error.may_have_been_applied() && !error.is_unavailable(), "{name}");
        let text = client.get::<String>("text").expect(name);
        assert_eq!(text.as_deref(), Some("abc"), "{name}");
    }
    // The prefix counts.
    let config = Config::default().server(&memcached.address()).key_prefix("prefix:");
    let prefixed: A = config.build().expect("a client");
    let error = prefixed.set("k".repeat(244), 1, Expiry::Never).expect_err("too long");
    assert_says(&error, &["251", "prefix"]);
    prefixed.set("k".repeat(243), 1, Expiry::Never).expect("stored");
    // An item that is too long fails alone.
    let items = [("one", vec![1]), ("two", vec![2; (1 << 20) + 1]), ("three", vec![3])];
    let many = client.set_many(items, Expiry::Never).expect("sent");
    assert_eq!(many.result, 2);
    let [FailedKey { number: 1, key: "two", error: Error::Rejected(_) }] = many.failed[..] else {
        panic!("{:?}", many.failed)
    };
}

pub(crate) fn a_value_that_the_server_refuses_is_its_words_and_keeps_the_connection<A: Api>() {
    let memcached = Memcached::start();
    let client: A = client(&memcached.address());
    let connections = || {
        let stats = client.stats(StatsArgument::General).expect("asked");
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

pub(crate) fn a_set_that_was_declined_is_no_success<A: Api>() {
    let script = [Step::Lines(2), Step::send("NOT_STORED\r\n")];
    let server = Scripted::always([&script[..]; 2].concat());
    let client: A = client_at(&server);
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
    let many = client_at::<A>(&server).set_many(items, Expiry::Never).expect("sent");
    assert_eq!(many.result, 2);
    let [FailedKey { number: 1, key: "two", error: Error::NotStored(Stored::NotStored) }] =
        many.failed[..]
    else {
        panic!("{:?}", many.failed)
    };

    // These answer nothing but a cas, so whoever says so cannot be trusted.
    for answer in ["EXISTS\r\n", "NOT_FOUND\r\n"] {
        let server = Scripted::always([Step::Lines(2), Step::send(answer)]);
        let error = client_at::<A>(&server).set("key", 1, Expiry::Never).expect_err("declined");
        assert!(matches!(failure(&error).0, FailureKind::Protocol(_)), "{error:?}");
    }
}

pub(crate) fn an_address_that_is_none_or_a_cluster_of_nobody_is_refused<A: Api>() {
    for address in ["", "::1", "[::1", "host:", "host:port", "inet6:[::1"] {
        let error = Config::default().server(address).build::<A>().err().expect(address);
        println!("{address:?}: {error}");
        assert!(matches!(error, Error::Address(_)), "{address:?}: {error:?}");
        assert!(!error.to_string().is_empty());
    }
    let refused = |config: Config| config.build::<A>().err().expect("there is no such cluster");
    assert_says(&refused(Config::default()), &["no server"]);
    assert_says(&refused(Config::default().weighted_server("a", 0)), &["weight"]);
    let prefixed = Config::default().server("a").key_prefix("a b");
    assert_says(&refused(prefixed), &["prefix", "0x20"]);
}
