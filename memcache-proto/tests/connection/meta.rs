//! Meta requests: each is paired by its opaque, and what a quiet one's silence says.

use memcache_proto::codec::{MetaArithmetic, MetaDelete, MetaGet, MetaKey, MetaSet, Token};

use crate::*;

fn name(text: &str) -> MetaKey<'_> {
    MetaKey::new(text).expect("a key")
}

fn mg(key: &str) -> Command<'_> {
    Command::MetaGet(MetaGet::new(name(key)).value())
}

fn quiet_mg(key: &str) -> Command<'_> {
    Command::MetaGet(MetaGet::new(name(key)).value().quiet())
}

fn quiet_ms(key: &str) -> Command<'_> {
    Command::MetaSet(MetaSet::set(name(key), b"1").quiet())
}

/// Requests, what is answered to them, and what happens.
type Case<'a> = (&'a [Command<'a>], &'a str, &'a [&'a str]);

fn check(cases: &[Case<'_>]) {
    for (requests, replies, expected) in cases {
        for piece in [1, usize::MAX] {
            let mut bench = Bench::new();
            for request in *requests {
                bench.submit(*request);
            }
            bench.write();
            let happened = bench.read_in(piece, replies.as_bytes());
            assert_eq!(happened, *expected, "{replies:?} to {requests:?}");
            let failed = expected.iter().any(|event| event.contains("failed"));
            if failed {
                assert_closed_for_good(&mut bench, replies);
            } else {
                assert!(bench.connection.is_idle(), "{replies:?} to {requests:?}");
                bench.submit(Command::Version);
                bench.write();
                assert_eq!(bench.read(b"VERSION 1\r\n").len(), 1, "{replies:?}");
            }
        }
    }
}

#[test]
fn every_request_carries_an_opaque_and_its_reply_is_known_by_it() {
    let set = Command::MetaSet(MetaSet::set(name("a"), b"1"));
    let compare = Command::MetaSet(MetaSet::set(name("a"), b"1").compare_cas(7));
    let delete = Command::MetaDelete(MetaDelete::new(name("a")));
    let count = Command::MetaArithmetic(MetaArithmetic::incr(name("a"), 1).value());
    let debug = Command::MetaDebug(name("a"));
    let lost = &["0 failed Unanswered"][..];
    check(&[
        (&[mg("a")], "VA 1 O0\r\nx\r\n", &["0 meta value x"]),
        (&[mg("a")], "EN O0\r\n", &["0 last"]),
        // Some say no more than that.
        (&[mg("a")], "EN\r\n", &["0 last"]),
        (&[mg("a"), mg("b")], "VA 1 O0\r\nx\r\nEN O1\r\n", &["0 meta value x", "1 last"]),
        (&[set], "HD O0\r\n", &["0 last"]),
        (&[set], "NS O0\r\n", &["0 last"]),
        (&[compare], "EX O0\r\n", &["0 last"]),
        (&[compare], "NF O0\r\n", &["0 last"]),
        (&[set], "OK\r\n", &["0 last"]),
        (&[set], "OK O0\r\n", &["0 last"]),
        (&[delete], "NF O0\r\n", &["0 last"]),
        (&[count], "VA 1 O0\r\n8\r\n", &["0 meta value 8"]),
        (&[count], "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n", &["0 last"]),
        (&[debug], "ME a exp=-1 la=1\r\n", &["0 last"]),
        (&[debug], "EN\r\n", &["0 last"]),
        (&[Command::MetaNoop], "MN\r\n", &["0 last"]),
        (&[mg("a")], "SERVER_ERROR out of memory\r\n", &["0 last"]),
        (&[mg("a")], "ERROR\r\n", &["0 last"]),
        // Another's reply, or nobody's.
        (&[mg("a")], "VA 1 O1\r\nx\r\n", lost),
        (&[mg("a")], "VA 1\r\nx\r\n", lost),
        (&[mg("a")], "HD\r\n", lost),
        (&[mg("a")], "EN O7\r\n", lost),
        (&[mg("a")], "NF O0\r\n", lost),
        (&[mg("a")], "END\r\n", lost),
        (&[mg("a")], "MN\r\n", lost),
        (&[mg("a")], "VALUE a 0 1\r\nx\r\n", lost),
        (&[set], "VA 1 O0\r\nx\r\n", lost),
        (&[set], "EN O0\r\n", lost),
        (&[set], "STORED\r\n", lost),
        (&[delete], "NS O0\r\n", lost),
        (&[debug], "HD O0\r\n", lost),
        (&[Command::MetaNoop], "HD O0\r\n", lost),
        (&[Command::Version], "VA 1 O0\r\nx\r\n", lost),
        (
            &[mg("a"), mg("b")],
            "EN O1\r\nEN O0\r\n",
            &["0 failed Unanswered", "1 failed Unanswered"],
        ),
        (&[quiet_mg("a")], "VA 1 O0\r\nx\r\nMN\r\n", &["0 meta value x"]),
    ]);
}

/// What a reply has and has not of an item is what was asked for. A reply of any other form is another's.
#[test]
fn a_reply_is_of_the_form_that_was_asked_for() {
    let get = MetaGet::new(name("a"));
    let (bare, value) = (Command::MetaGet(get), Command::MetaGet(get.value()));
    let item = Command::MetaGet(get.value().client_flags().cas().ttl());
    let changed = Command::MetaGet(get.value().cas().compare_cas(7));
    let info = Command::MetaGet(get.client_flags().cas().size().ttl().hit().last_access());
    let incr = MetaArithmetic::incr(name("a"), 1);
    let (count, counted) = (Command::MetaArithmetic(incr), Command::MetaArithmetic(incr.value()));
    let compare_count = Command::MetaArithmetic(incr.compare_cas(7));
    let delete = MetaDelete::new(name("a"));
    let (delete, compare_delete) =
        (Command::MetaDelete(delete), Command::MetaDelete(delete.compare_cas(7)));
    let set = MetaSet::set(name("a"), b"1").cas().key();
    let (set, compare_set) = (Command::MetaSet(set), Command::MetaSet(set.compare_cas(7)));
    let debug = Command::MetaDebug(name("a"));
    let (last, lost) = (&["0 last"][..], &["0 failed Unanswered"][..]);
    check(&[
        // The value is there where it was asked for, and only there.
        (&[bare], "HD O0\r\n", last),
        (&[bare], "OK O0\r\n", last),
        (&[bare], "VA 1 O0\r\nx\r\n", lost),
        (&[value], "VA 0 O0\r\n\r\n", &["0 meta value "]),
        (&[value], "HD O0\r\n", lost),
        (&[value], "OK O0\r\n", lost),
        (&[counted], "VA 1 O0\r\n8\r\n", &["0 meta value 8"]),
        (&[counted], "HD O0\r\n", lost),
        (&[counted], "OK\r\n", lost),
        (&[count], "HD O0\r\n", last),
        (&[count], "OK O0\r\n", last),
        (&[count], "OK\r\n", last),
        (&[count], "VA 1 O0\r\n8\r\n", lost),
        // An item comes with all that was asked for, in whatever order, and perhaps with more.
        (&[item], "VA 1 O0 t-1 c5 f0\r\nx\r\n", &["0 meta value x"]),
        (&[item], "VA 1 f0 c5 s1 t-1 O0 W\r\nx\r\n", &["0 meta value x"]),
        (&[item], "VA 1 c5 t-1 O0\r\nx\r\n", lost),
        (&[item], "VA 1 f0 t-1 O0\r\nx\r\n", lost),
        (&[item], "VA 1 f0 c5 O0\r\nx\r\n", lost),
        (&[info], "HD f0 c5 s1 t-1 h1 l9 O0\r\n", last),
        (&[info], "HD f0 c5 t-1 h1 l9 O0\r\n", lost),
        (&[info], "HD f0 c5 s1 t-1 l9 O0\r\n", lost),
        (&[info], "HD f0 c5 s1 t-1 h1 O0\r\n", lost),
        (&[info], "HD O0\r\n", lost),
        // The value is left out for who has it already, and all else is there.
        (&[changed], "HD O0 c7\r\n", last),
        (&[changed], "VA 1 O0 c8\r\nx\r\n", &["0 meta value x"]),
        (&[changed], "EN O0\r\n", last),
        (&[changed], "HD O0\r\n", lost),
        (&[changed], "HD c7\r\n", lost),
        (&[changed], "EX O0\r\n", lost),
        (&[changed], "OK O0\r\n", lost),
        // A miss has nothing of an item; nor does a store say more than that it is done, everywhere.
        (&[item], "EN O0\r\n", last),
        (&[info], "EN\r\n", last),
        (&[set], "HD O0\r\n", last),
        (&[set], "OK\r\n", last),
        // Only who compares is told that the item has changed.
        (&[set], "EX O0\r\n", lost),
        (&[set], "NF O0\r\n", lost),
        (&[delete], "EX O0\r\n", lost),
        (&[count], "EX O0\r\n", lost),
        (&[compare_set], "EX O0\r\n", last),
        (&[compare_set], "NF O0\r\n", last),
        (&[compare_delete], "EX O0\r\n", last),
        (&[compare_count], "EX O0\r\n", last),
        (&[count], "NF O0\r\n", last),
        (&[count], "NS O0\r\n", last),
        (&[count], "EN O0\r\n", lost),
        (&[delete], "EN O0\r\n", lost),
        (&[debug], "VA 1\r\nx\r\n", lost),
        (&[debug], "NF\r\n", lost),
    ]);
    // The same where the value has a buffer of its own.
    for (request, has_it) in [(bare, false), (value, true), (count, false), (item, false)] {
        let mut bench = Bench::new();
        bench.submit(request);
        bench.write();
        let reply = [b"VA 300000 O0\r\n", &[b'x'; 300_000][..], b"\r\n"].concat();
        let happened = bench.read_in(4096, &reply);
        assert_eq!(happened.len(), 1, "{request:?}");
        assert_eq!(happened[0].starts_with("0 meta value x"), has_it, "{request:?}");
    }
}

/// `YSBi` is `a b` in base64, `YQ==` is `a`. A server writes a key as whoever stored it did.
#[test]
fn a_key_that_comes_back_is_the_one_asked_for() {
    let get = |key| Command::MetaGet(MetaGet::new(name(key)).value().key());
    let set = |key| Command::MetaSet(MetaSet::set(name(key), b"1").key());
    let delete = |key| Command::MetaDelete(MetaDelete::new(name(key)).key());
    let count = |key| Command::MetaArithmetic(MetaArithmetic::incr(name(key), 1).value().key());
    let quiet = |key| Command::MetaGet(MetaGet::new(name(key)).value().key().quiet());
    let debug = |key| Command::MetaDebug(name(key));
    let (last, lost) = (&["0 last"][..], &["0 failed Unanswered"][..]);
    let value = &["0 meta value x"][..];
    let both_lost = &["0 failed Unanswered", "1 failed Unanswered"][..];
    check(&[
        (&[get("a")], "VA 1 ka O0\r\nx\r\n", value),
        (&[get("a")], "VA 1 O0 kYQ== b\r\nx\r\n", value),
        (&[get("a b")], "VA 1 kYSBi b O0\r\nx\r\n", value),
        (&[get("YQ==")], "VA 1 kYQ== O0\r\nx\r\n", value),
        (&[get("a")], "VA 1 kb O0\r\nx\r\n", lost),
        (&[get("a")], "VA 1 kaa O0\r\nx\r\n", lost),
        (&[get("aa")], "VA 1 ka O0\r\nx\r\n", lost),
        (&[get("a")], "VA 1 kYQ== O0\r\nx\r\n", lost),
        (&[get("YQ==")], "VA 1 kYQ== b O0\r\nx\r\n", lost),
        (&[get("a b")], "VA 1 kYSBi O0\r\nx\r\n", lost),
        (&[get("a b")], "VA 1 kYSBj b O0\r\nx\r\n", lost),
        (&[get("a b")], "VA 1 kYSB b O0\r\nx\r\n", lost),
        // The key as it is, where the item does not know that it was in base64.
        (&[get("a b")], "VA 1 ka b O0\r\nx\r\n", value),
        (&[get("a W")], "VA 1 O0 ka W\r\nx\r\n", value),
        (&[get("a W")], "VA 1 ka X O0\r\nx\r\n", lost),
        (&[get("a W")], "VA 1 ka W\r\nx\r\n", lost),
        (&[get("a b")], "VA 1 kYSB b O0\r\nx\r\n", lost),
        // A hit has the key, where that was asked for.
        (&[get("a")], "VA 1 O0\r\nx\r\n", lost),
        (&[get("a")], "EN\r\n", last),
        (&[get("a")], "EN O0\r\n", last),
        (&[get("a")], "EN ka O0\r\n", last),
        (&[get("a b")], "EN kYSBi b O0\r\n", last),
        (&[get("a")], "EN kb O0\r\n", lost),
        (&[get("a")], "EN kb\r\n", lost),
        (&[set("a")], "HD ka O0\r\n", last),
        (&[set("a b")], "HD kYSBi b O0\r\n", last),
        (&[set("a")], "HD kb O0\r\n", lost),
        (&[set("a")], "NS ka O0\r\n", last),
        (&[set("a")], "NS kb O0\r\n", lost),
        (&[delete("a")], "HD O0 ka\r\n", last),
        (&[delete("a")], "HD O0 kb\r\n", lost),
        (&[delete("a")], "NF O0 ka\r\n", last),
        (&[delete("a")], "NF O0 kb\r\n", lost),
        (&[count("a")], "VA 1 ka O0\r\nx\r\n", value),
        (&[count("a b")], "VA 1 kYSBi b O0\r\nx\r\n", value),
        (&[count("a")], "VA 1 kb O0\r\nx\r\n", lost),
        // One that nobody asked for is looked at, too.
        (&[mg("a")], "VA 1 ka O0\r\nx\r\n", value),
        (&[mg("a")], "VA 1 kb O0\r\nx\r\n", lost),
        // The key of a request, not of that before it.
        (&[quiet("a"), quiet("b")], "VA 1 kb O1\r\nx\r\nMN\r\n", &["1 meta value x"]),
        (&[quiet("a"), quiet("b")], "VA 1 ka O1\r\nx\r\n", both_lost),
        (&[debug("a")], "ME a exp=-1 la=1\r\n", last),
        (&[debug("a")], "ME YQ== exp=-1 la=1\r\n", last),
        (&[debug("a b")], "ME YSBi exp=-1 la=1\r\n", last),
        (&[debug("a b")], "ME a b exp=-1 la=1\r\n", last),
        (&[debug("a  b")], "ME a  b exp=-1 la=1\r\n", last),
        (&[debug("a")], "ME b exp=-1 la=1\r\n", lost),
        (&[debug("a")], "ME aa exp=-1 la=1\r\n", lost),
        (&[debug("aa")], "ME a exp=-1 la=1\r\n", lost),
        (&[debug("a b")], "ME YQ== exp=-1 la=1\r\n", lost),
        (&[debug("a b")], "ME a bc exp=-1 la=1\r\n", lost),
        (&[debug("a b")], "ME a exp=-1 la=1\r\n", lost),
    ]);
    for (request, reply) in [(get("a"), "VA 1 kb O0\r\nx\r\n"), (debug("a"), "ME b exp=-1\r\n")] {
        let mut bench = Bench::new();
        bench.submit(request);
        bench.write();
        bench.read(reply.as_bytes());
        let reason = CloseReason::Protocol(ProtocolError::UnexpectedKey);
        assert_eq!(bench.close_reason(), Some(reason), "{reply}");
    }
}

/// Two that carry the same opaque could have each other's values.
#[test]
fn an_opaque_of_the_callers_is_replaced() {
    let get = |key, opaque| {
        Command::MetaGet(MetaGet::new(name(key)).value().quiet().opaque(Token::number(opaque)))
    };
    let mut bench = Bench::new();
    bench.submit(get("a", 1));
    bench.submit(get("b", 1));
    bench.submit(mg("c"));
    assert_eq!(bench.write(), "mg a v q O0\r\nmg b v q O1\r\nmn\r\nmg c v O2\r\n");
    assert_eq!(bench.read(b"VA 1 O1\r\nb\r\nMN\r\n"), ["1 meta value b"]);
    assert_eq!(bench.read(b"VA 1 O2\r\nc\r\n"), ["2 meta value c"]);
}

#[test]
fn a_request_that_the_server_finds_fault_with_closes_the_connection_after_its_answer() {
    for (request, reply) in [
        (mg("a"), "CLIENT_ERROR invalid flag\r\n"),
        (Command::MetaSet(MetaSet::set(name("a"), b"1")), "CLIENT_ERROR bad data chunk\r\n"),
        (Command::MetaSet(MetaSet::set(name("a"), b"1")), "ERROR\r\n"),
        (Command::MetaArithmetic(MetaArithmetic::incr(name("a"), 1)), "CLIENT_ERROR bad token\r\n"),
        (Command::MetaDelete(MetaDelete::new(name("a"))), "CLIENT_ERROR bad token\r\n"),
    ] {
        let mut bench = Bench::new();
        bench.submit(request);
        bench.submit(mg("b"));
        bench.write();
        assert_eq!(bench.read(reply.as_bytes()), ["0 last", "1 failed Unanswered"], "{reply}");
        assert_eq!(bench.close_reason(), Some(CloseReason::Form), "{reply}");
    }
}

/// Quiet requests that had no event are done with the next one that has: all as expected, or in doubt.
#[test]
fn silence_is_understood_up_to_the_next_answer() {
    let three = &[quiet_mg("a"), quiet_mg("b"), quiet_mg("c")];
    let sets = &[quiet_ms("a"), quiet_ms("b"), quiet_ms("c")];
    let quiet_ma = |key| Command::MetaArithmetic(MetaArithmetic::incr(name(key), 1).quiet());
    let counts = &[quiet_ma("a"), quiet_ma("b")];
    let all_lost = &["0 failed Unanswered", "1 failed Unanswered", "2 failed Unanswered"][..];
    check(&[
        (three, "MN\r\n", &["cancelled"]),
        (three, "VA 1 O1\r\nx\r\nMN\r\n", &["1 meta value x", "cancelled"]),
        (three, "VA 1 O0\r\nx\r\nVA 1 O2\r\ny\r\nMN\r\n", &["0 meta value x", "2 meta value y"]),
        (sets, "NS O1\r\nMN\r\n", &["1 last", "cancelled"]),
        // It may be about any of the first two.
        (
            sets,
            "SERVER_ERROR out of memory\r\nNS O2\r\nMN\r\n",
            &["0 doubt: SERVER_ERROR out of memory", "2 last"],
        ),
        (
            sets,
            "NS O0\r\nSERVER_ERROR a\r\nSERVER_ERROR b\r\nMN\r\n",
            &["0 last", "1 doubt: SERVER_ERROR a", "1 doubt: SERVER_ERROR b", "cancelled"],
        ),
        // It says nothing against the form, so nothing more comes of it.
        (
            counts,
            "CLIENT_ERROR cannot increment or decrement non-numeric value\r\nNF O1\r\nMN\r\n",
            &["0 doubt: CLIENT_ERROR cannot increment or decrement non-numeric value", "1 last"],
        ),
        // What is quiet is never answered so.
        (three, "EN\r\n", all_lost),
        (three, "VA 1 O9\r\nx\r\n", all_lost),
        // How many lines are still to come is not known.
        (
            three,
            "ERROR\r\n",
            &[
                "0 doubt: ERROR",
                "0 failed Unanswered",
                "1 failed Unanswered",
                "2 failed Unanswered",
            ],
        ),
        (
            sets,
            "NS O0\r\nCLIENT_ERROR bad data chunk\r\n",
            &[
                "0 last",
                "1 doubt: CLIENT_ERROR bad data chunk",
                "1 failed Unanswered",
                "2 failed Unanswered",
            ],
        ),
    ]);
    // Answers come in order.
    let mut bench = Bench::new();
    for request in three {
        bench.submit(*request);
    }
    bench.write();
    let happened = bench.read(b"VA 1 O2\r\nx\r\nVA 1 O1\r\ny\r\n");
    assert_eq!(happened, ["2 meta value x"]);
    assert_closed_for_good(&mut bench, "one that was passed over is answered");
}

/// What follows quiet requests says how far the server is, and an error among them is never taken for
/// the answer to something else.
#[test]
fn quiet_requests_are_followed_by_mn() {
    let mut bench = Bench::new();
    bench.submit(quiet_mg("a"));
    bench.submit(quiet_mg("b"));
    bench.submit(mg("c"));
    bench.submit(quiet_ms("d"));
    bench.submit(Command::MetaNoop);
    let written = bench.write();
    let expected = "mg a v q O0\r\nmg b v q O1\r\nmn\r\nmg c v O2\r\nms d 1 q O4\r\n1\r\nmn\r\n";
    assert_eq!(written, expected);
    let happened = bench.read(b"SERVER_ERROR x\r\nMN\r\nEN O2\r\nMN\r\n");
    assert_eq!(happened, ["0 doubt: SERVER_ERROR x", "cancelled", "2 last", "4 last"]);
    assert!(bench.connection.is_idle());

    // Many of them are asked after now and then.
    let limits = Limits { window: 1000, ..Limits::default() };
    let mut bench = Bench::with(limits);
    for _ in 0..200 {
        bench.submit(quiet_mg("a"));
    }
    let mut asked = 0;
    while bench.connection.wants_transmit() {
        let written = bench.write();
        assert!(written.len() <= 1000, "{}", written.len());
        let noops = written.matches("mn\r\n").count();
        assert!(noops > 0, "nobody would ever answer {written:?}");
        asked += noops;
        bench.read("MN\r\n".repeat(noops).as_bytes());
    }
    assert!((4..=20).contains(&asked), "{asked} times");
    assert!(bench.connection.is_idle());
}

#[test]
fn a_quiet_request_that_was_cancelled_is_told_to_nobody() {
    for replies in ["MN\r\n", "VA 1 O1\r\nx\r\nMN\r\n", "SERVER_ERROR x\r\nMN\r\n"] {
        let mut bench = Bench::new();
        bench.submit(quiet_mg("a"));
        bench.submit(quiet_mg("b"));
        bench.submit(quiet_mg("c"));
        bench.write();
        bench.cancel(1);
        let happened = bench.read(replies.as_bytes());
        assert!(happened.iter().all(|event| !event.starts_with('1')), "{happened:?}");
        assert!(bench.connection.is_idle(), "{replies:?}");
    }
}

#[test]
fn the_end_of_a_stream_leaves_quiet_requests_unanswered() {
    let mut bench = Bench::new();
    bench.submit(quiet_ms("a"));
    bench.submit(quiet_ms("b"));
    bench.submit(quiet_ms("c"));
    bench.write();
    assert_eq!(bench.read(b"NS O1\r\n"), ["1 last"]);
    assert_eq!(bench.eof(), ["2 failed Unanswered"]);
    assert_eq!(bench.close_reason(), Some(CloseReason::Eof));
}

#[test]
fn what_a_quiet_request_waits_for_follows_it_whatever_its_length() {
    let limits = Limits { window: 100, ..Limits::default() };
    let mut bench = Bench::with(limits);
    let value = [b'v'; 500];
    bench.submit(Command::MetaSet(MetaSet::set(name("a"), &value).quiet()));
    bench.submit(mg("b"));
    let written = bench.write();
    assert!(written.ends_with("\r\nmn\r\n"), "{written:?}");
    assert_eq!(bench.read(b"MN\r\n"), ["cancelled"]);
    assert_eq!(bench.write(), "mg b v O2\r\n");
    assert_eq!(bench.read(b"EN O2\r\n"), ["1 last"]);
    assert!(bench.connection.is_idle());
}

/// One that is passed over is as silent as a quiet one, whatever stands around it.
#[test]
fn one_that_was_not_sent_is_passed_over_wherever_it_stands() {
    let cases: &[(usize, &str, &[&str])] = &[
        (0, "MN\r\n", &["cancelled"]),
        (1, "MN\r\n", &["cancelled"]),
        (2, "MN\r\n", &["cancelled"]),
        (0, "VA 1 O2\r\nx\r\nMN\r\n", &["2 meta value x"]),
        (1, "VA 1 O2\r\nx\r\nMN\r\n", &["2 meta value x"]),
        (1, "VA 1 O0\r\nx\r\nMN\r\n", &["0 meta value x", "cancelled"]),
        (2, "VA 1 O0\r\nx\r\nMN\r\n", &["0 meta value x", "cancelled"]),
        (1, "SERVER_ERROR x\r\nMN\r\n", &["0 doubt: SERVER_ERROR x", "cancelled"]),
        (
            1,
            "SERVER_ERROR x\r\nVA 1 O2\r\nx\r\nMN\r\n",
            &["0 doubt: SERVER_ERROR x", "2 meta value x"],
        ),
    ];
    for &(cancelled, replies, expected) in cases {
        for piece in [1, usize::MAX] {
            let mut bench = Bench::new();
            for key in ["a", "b", "c"] {
                bench.submit(quiet_mg(key));
            }
            bench.cancel(cancelled);
            let written = bench.write();
            let text = |at: usize| format!("mg {} v q O{at}\r\n", ["a", "b", "c"][at]);
            let sent: String = (0..3).filter(|&at| at != cancelled).map(text).collect();
            assert_eq!(written, sent + "mn\r\n");
            let happened = bench.read_in(piece, replies.as_bytes());
            assert_eq!(happened, expected, "{replies:?} without {cancelled}");
            assert!(bench.connection.is_idle(), "{replies:?} without {cancelled}");
        }
    }
}

/// What closes a run is sent even if nobody waits for it.
#[test]
fn a_cancelled_mn_closes_its_run() {
    let mut bench = Bench::new();
    bench.submit(quiet_mg("a"));
    let noop = bench.submit(Command::MetaNoop);
    bench.cancel(noop);
    bench.submit(Command::Version);
    assert_eq!(bench.write(), "mg a v q O0\r\nmn\r\nversion\r\n");
    assert_eq!(bench.read(b"MN\r\nVERSION 1\r\n"), ["cancelled", "2 last"]);
    assert!(bench.connection.is_idle());
}

/// A run whose last request was cancelled is closed however little room there is.
#[test]
fn a_run_that_lost_its_end_is_closed() {
    let limits = Limits { window: 200, ..Limits::default() };
    let long = "k".repeat(250);
    for len in 150..=174 {
        let mut bench = Bench::with(limits);
        let first = vec![b'x'; 150];
        bench.submit(Command::MetaSet(MetaSet::set(name("g"), &first)));
        bench.write();
        bench.submit(quiet_mg("a"));
        let lost = bench.submit(quiet_mg(&long[..len]));
        bench.write();
        bench.cancel(lost);
        let before = bench.write();
        assert_eq!(bench.read(b"HD O0\r\n"), ["0 last"], "{len}");
        let written = before + &bench.write();
        assert_eq!(written, "mn\r\n", "{len}");
        assert_eq!(bench.read(b"MN\r\n").len(), 1, "{len}");
        assert!(bench.connection.is_idle(), "{len}");
    }
}
