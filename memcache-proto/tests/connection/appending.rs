//! Commands that travel as one request.

use memcache_proto::codec::{Command, Keys, StoreVerb};
use memcache_proto::connection::{CloseReason, Delivery, Reply, RequestId};
use memcache_proto::{Exptime, Key, Limits};

use crate::{Bench, assert_closed_for_good, get, key, set, store};

const MAX: usize = 64;

impl Bench {
    fn append(&mut self, command: &Command<'_>, max_len: usize) -> Option<(RequestId, usize)> {
        self.connection.append(command, max_len)
    }
}

fn one<'a>(key: &'a Key<'a>, cas: bool) -> Command<'a> {
    Command::Get { keys: Keys::one(key), cas }
}

fn gat<'a>(key: &'a Key<'a>, seconds: i32) -> Command<'a> {
    let exptime = Exptime::from_wire(seconds);
    Command::Gat { exptime, keys: Keys::one(key), cas: false }
}

fn delete(name: &str, noreply: bool) -> Command<'_> {
    Command::Delete { key: key(name), noreply }
}

fn touch(name: &str) -> Command<'_> {
    Command::Touch { key: key(name), exptime: Exptime::NEVER, noreply: false }
}

#[test]
fn a_key_joins_the_last_get_that_is_not_under_way() {
    let [a, b, dd] = [key("a"), key("b"), key("dd")];
    let mut bench = Bench::new();
    assert_eq!(bench.append(&one(&b, false), MAX), None, "there is none");
    bench.submit(get(&[a]));
    let first = bench.requests[0];
    assert_eq!(bench.append(&one(&b, false), MAX), Some((first, 1)));
    assert_eq!(bench.append(&one(&b, true), MAX), None, "it is no gets");
    assert_eq!(bench.append(&get(&[a, b]), MAX), None, "it is of several keys");
    assert_eq!(bench.append(&one(&a, false), MAX), Some((first, 2)));
    let len = "get a b a\r\n".len();
    assert_eq!(bench.append(&one(&dd, false), len + 2), None, "too long");
    assert_eq!(bench.append(&one(&dd, false), len + 3), Some((first, 3)));
    assert_eq!(bench.write(), "get a b a dd\r\n");
    assert_eq!(bench.append(&one(&b, false), MAX), None, "it is under way");

    bench.submit(one(&a, true));
    let gets = bench.requests[1];
    assert_eq!(bench.append(&one(&b, true), MAX), Some((gets, 1)));
    bench.submit(set(b"1"));
    assert_eq!(bench.append(&one(&b, true), MAX), None, "the last is a set");
    bench.submit(get(&[a]));
    bench.cancel(3);
    assert_eq!(bench.append(&one(&b, false), MAX), None, "it is cancelled");
    bench.submit(gat(&a, 100));
    let gats = bench.requests[4];
    assert_eq!(bench.append(&one(&b, false), MAX), None, "a gat");
    assert_eq!(bench.append(&gat(&b, 10), MAX), None, "of another exptime");
    assert_eq!(bench.append(&gat(&b, 100), MAX), Some((gats, 1)));

    let reply = b"VALUE b 0 1\r\n1\r\nVALUE a 0 1\r\n2\r\nVALUE dd 0 1\r\n3\r\nEND\r\n";
    assert_eq!(bench.read(reply), ["0 value 1 1", "0 value 2 2", "0 value 3 3", "0 last"]);
    assert_eq!(bench.write(), "gets a b\r\nset foo 0 0 1\r\n1\r\ngat 100 a b\r\n");
    let reply = b"END\r\nSTORED\r\nVALUE b 0 1\r\n1\r\nEND\r\n";
    assert_eq!(bench.read(reply), ["1 last", "2 last", "4 value 1 1", "4 last"]);
    bench.connection.disconnect();
    assert_eq!(bench.append(&one(&b, true), MAX), None, "it is closed");
}

/// memcached takes no longer line of a gat.
#[test]
fn a_line_of_gat_is_never_longer_than_memcached_takes() {
    let long = "k".repeat(200);
    let long = key(&long);
    let mut bench = Bench::new();
    bench.submit(gat(&long, 0));
    let joined = (0..20).take_while(|_| bench.append(&gat(&long, 0), 1 << 20).is_some()).count();
    assert_eq!(joined, 9, "of 200 bytes each");
    assert!(bench.write().len() <= 2048);
}

#[test]
fn commands_of_one_kind_travel_together_and_are_answered_each() {
    type Case<'a> = (&'a [Command<'a>], &'a [u8], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (
            &[set(b"1"), set(b""), set(b"\r\n")],
            b"STORED\r\nNOT_STORED\r\nSTORED\r\n",
            &["0 each 1", "0 each 1", "0 last"],
        ),
        (
            &[delete("a", false), delete("b", false)],
            b"NOT_FOUND\r\nDELETED\r\n",
            &["0 each 1", "0 last"],
        ),
        (&[touch("a"), touch("b")], b"TOUCHED\r\nNOT_FOUND\r\n", &["0 each 1", "0 last"]),
        (
            &[store(StoreVerb::Cas(1), b"1", false), store(StoreVerb::Cas(2), b"1", false)],
            b"EXISTS\r\nSTORED\r\n",
            &["0 each 1", "0 last"],
        ),
        // What the server cannot do now it may do for the next.
        (
            &[set(b"1"), set(b"2"), set(b"3")],
            b"SERVER_ERROR out of memory storing object\r\nSTORED\r\nSTORED\r\n",
            &["0 each 1", "0 each 1", "0 last"],
        ),
        // What would be run as commands after an ERROR is not waited for.
        (
            &[set(b"1"), set(b"2"), set(b"3")],
            b"STORED\r\nERROR\r\nSTORED\r\n",
            &["0 each 1", "0 each 1", "0 failed Unanswered"],
        ),
        (&[delete("a", false), delete("b", false)], b"STORED\r\n", &["0 failed Unanswered"]),
    ];
    for (commands, reply, expected) in cases {
        for piece in [1, 3, usize::MAX] {
            let mut bench = Bench::new();
            bench.submit(commands[0]);
            let mut text = Vec::new();
            commands[0].encode(&mut text);
            for (number, command) in (1..).zip(&commands[1..]) {
                let appended = bench.append(command, 1 << 10);
                assert_eq!(appended, Some((bench.requests[0], number)), "{command:?}");
                command.encode(&mut text);
            }
            assert_eq!(bench.write_in(piece).as_bytes(), text);
            assert_eq!(bench.read_in(piece, reply), *expected, "{commands:?} in {piece}");
            if bench.close_reason().is_none() {
                assert!(bench.connection.is_idle());
            } else {
                assert_closed_for_good(&mut bench, "a run that was refused");
            }
        }
    }
}

#[test]
fn commands_of_other_kinds_do_not_join() {
    let set_quietly = store(StoreVerb::Set, b"1", true);
    let cases: &[(Command<'_>, Command<'_>)] = &[
        (set(b"1"), delete("a", false)),
        (set(b"1"), set_quietly),
        (set_quietly, set(b"1")),
        (set(b"1"), store(StoreVerb::Cas(1), b"1", false)),
        (Command::Version, Command::Version),
        (
            Command::Incr { key: key("a"), delta: 1, noreply: false },
            Command::Incr { key: key("a"), delta: 1, noreply: false },
        ),
    ];
    for (first, second) in cases {
        let mut bench = Bench::new();
        bench.submit(*first);
        assert_eq!(bench.append(second, 1 << 10), None, "{second:?} behind {first:?}");
        assert_eq!(bench.connection.queued_bytes(), bench.write().len());
    }
    let mut bench = Bench::new();
    bench.submit(set(b"1"));
    let len = "set foo 0 0 1\r\n1\r\n".len();
    assert_eq!(bench.append(&set(b"1"), 2 * len - 1), None, "too long");
    assert!(bench.append(&set(b"1"), 2 * len).is_some());
    bench.connection.transmit();
    bench.connection.transmitted(1);
    assert_eq!(bench.append(&set(b"1"), 1 << 10), None, "it is under way");
}

/// Of each command of a run is known how far it had come, wherever the connection ends.
#[test]
fn a_run_that_ends_early_says_of_each_command_how_far_it_had_come() {
    let commands = [set(b"11"), set(b"2"), set(b"333")];
    let mut lens = Vec::new();
    let mut text = Vec::new();
    for command in &commands {
        command.encode(&mut text);
        lens.push(text.len());
    }
    for sent in 0..=text.len() {
        let complete = lens.iter().filter(|&&len| len <= sent).count();
        for answered in 0..=complete.min(2) {
            let mut bench = Bench::new();
            bench.submit(commands[0]);
            for command in &commands[1..] {
                bench.append(command, 1 << 10).expect("it joins");
            }
            bench.connection.transmit();
            bench.connection.transmitted(sent);
            for _ in 0..answered {
                assert_eq!(bench.read(b"STORED\r\n"), ["0 each 1"], "{sent}");
            }
            bench.connection.disconnect();
            let event = bench.connection.poll_event().expect("the failure");
            let Reply::Failed { delivery, text: left, sent: left_sent } = event.reply else {
                panic!("{event:?}")
            };
            let done = answered.checked_sub(1).map_or(0, |last| lens[last]);
            assert_eq!(left, &text[done..], "{sent}, {answered}");
            assert_eq!(left_sent, sent - done, "{sent}, {answered}");
            let expected = if sent > done { Delivery::Unanswered } else { Delivery::NotSent };
            assert_eq!(delivery, expected, "{sent}, {answered}");
            assert!(bench.connection.poll_event().is_none());
        }
    }
}

/// A reply is to a command that has been sent whole, or it is nobody's.
#[test]
fn no_command_of_a_run_is_answered_before_it_was_sent() {
    let commands = [set(b"11"), set(b"2")];
    let first = "set foo 0 0 2\r\n11\r\n".len();
    for sent in 1..first + 3 {
        let mut bench = Bench::new();
        bench.submit(commands[0]);
        bench.append(&commands[1], 1 << 10).expect("it joins");
        bench.connection.transmit();
        bench.connection.transmitted(sent);
        let happened = bench.read(b"STORED\r\nSTORED\r\n");
        let mut expected = vec!["0 failed Unanswered"];
        if sent >= first {
            expected.insert(0, "0 each 1");
        }
        if sent == first {
            expected[1] = "0 failed NotSent";
        }
        assert_eq!(happened, expected, "{sent}");
        assert!(matches!(bench.close_reason(), Some(CloseReason::Protocol(_))), "{sent}");
    }
}

/// What has no reply is told when it has been written, and a barrier comes before too much of it.
#[test]
fn runs_without_replies_are_told_sent_and_stay_within_half_a_window() {
    let command = store(StoreVerb::Set, b"1", true);
    let len = "set foo 0 0 1 noreply\r\n1\r\n".len();
    let mut bench = Bench::with(Limits { window: 10 * len, ..Limits::default() });
    bench.submit(command);
    let joined = (0..20).take_while(|_| bench.append(&command, 1 << 10).is_some()).count();
    assert_eq!(joined, 3, "less than half a window, and a barrier comes with the fifth");
    bench.submit(command);
    let written = bench.write();
    assert!(written.ends_with("version\r\n"), "{written}");
    assert_eq!(bench.events(), ["0 sent", "1 sent"]);
    assert!(bench.read(b"VERSION 1\r\n").is_empty());
    assert!(bench.connection.is_idle());
}

#[test]
fn a_run_that_was_cancelled_is_swallowed_whole() {
    let mut bench = Bench::new();
    bench.submit(set(b"1"));
    bench.append(&set(b"2"), 1 << 10).expect("it joins");
    bench.connection.transmit();
    bench.connection.transmitted(5);
    bench.cancel(0);
    assert_eq!(bench.write().len(), 2 * "set foo 0 0 1\r\n1\r\n".len() - 5);
    bench.submit(Command::Version);
    bench.write();
    assert_eq!(bench.read(b"STORED\r\nSTORED\r\nVERSION 1\r\n"), ["1 last"]);
    assert!(bench.connection.is_idle());

    bench.submit(set(b"1"));
    bench.append(&set(b"2"), 1 << 10).expect("it joins");
    bench.cancel(2);
    assert_eq!(bench.write(), "");
}
