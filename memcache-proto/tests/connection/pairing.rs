//! Each reply is paired with its request, and doubt closes for good.

use memcache_proto::codec::{MetaGet, MetaKey};

use crate::*;

/// The server has not read what it has not been sent: it may refuse a request of which it has a part, and
/// that is all that it can say.
#[test]
fn nothing_answers_a_request_that_has_not_been_written() {
    let keys = [key("foo")];
    let set = set(b"bar");
    let meta = MetaGet::new(MetaKey::new(b"foo").expect("a key")).value();
    let cases: &[(Command<'_>, &[u8], &[u8])] = &[
        (set, b"STORED\r\n", b"SERVER_ERROR object too large for cache\r\n"),
        (get(&keys), b"END\r\n", b"SERVER_ERROR out of memory\r\n"),
        (get(&keys), b"VALUE foo 0 1\r\n1\r\n", b"ERROR\r\n"),
        (Command::MetaGet(meta), b"EN\r\n", b"SERVER_ERROR out of memory\r\n"),
        (Command::MetaGet(meta), b"VA 1 O0\r\n1\r\n", b"ERROR\r\n"),
    ];
    let unsolicited = Some(CloseReason::Protocol(ProtocolError::Unsolicited));
    for (command, reply, refusal) in cases {
        for (sent, bytes, closed) in [
            (0, reply, true),
            (0, refusal, true),
            (1, reply, true),
            (1, refusal, false),
            (usize::MAX, reply, false),
        ] {
            let what = format!("{} after {sent} bytes of {command:?}", bytes.escape_ascii());
            let mut bench = Bench::new();
            bench.submit(*command);
            let lent = bench.connection.transmit().len();
            bench.connection.transmitted(sent.min(lent));
            bench.read(bytes);
            let expected = if closed { unsolicited.clone() } else { None };
            assert_eq!(bench.close_reason(), expected, "{what}");
        }
    }
}

#[test]
fn every_response_ends_the_commands_it_answers_and_closes_at_all_others() {
    let keys = [key("foo"), key("bar")];
    for (command, own) in commands(&keys) {
        assert!(own.iter().all(|line| LAST.contains(line)), "{command:?}");
        for line in LAST {
            for piece in [1, usize::MAX] {
                let what = format!("{line} to {command:?}");
                let mut bench = Bench::new();
                bench.submit(command);
                bench.write();
                let happened = bench.read_in(piece, format!("{line}\r\n").as_bytes());
                if own.contains(&line) {
                    assert_eq!(happened, ["0 last"], "{what}");
                    assert!(bench.connection.is_idle(), "{what}");
                    bench.submit(Command::Version);
                    bench.write();
                    assert_eq!(bench.read(b"VERSION 1\r\n"), ["1 last"], "{what}");
                } else {
                    assert_eq!(happened, ["0 failed Unanswered"], "{what}");
                    let reason = CloseReason::Protocol(ProtocolError::UnexpectedResponse);
                    assert_eq!(bench.close_reason(), Some(reason), "{what}");
                    assert_closed_for_good(&mut bench, &what);
                }
            }
        }
    }
}

#[test]
fn lines_of_a_longer_reply_fit_only_where_they_belong() {
    let (value, with_cas) = ("VALUE foo 0 1\r\n1\r\n", "VALUE foo 0 1 7\r\n1\r\n");
    let stat = "STAT a b\r\n";
    let prefix = "PREFIX a get 2 hit 1 set 1 del 0\r\n";
    let item = "ITEM foo [1 b; 0 s]\r\n";
    let dump = "key=foo exp=-1 la=1 cas=2 fetch=no cls=1 size=63\n";
    let config = "CONFIG foo 0 1\r\n1\r\n";
    let keys = [key("foo"), key("bar")];
    for (command, _) in commands(&keys) {
        let (found, line) = (Some("0 value 0 1"), Some("0 line"));
        // A cas unique that was not asked for does no harm; one that was asked for must be there.
        let expected = match command {
            Command::Get { cas: false, .. } | Command::Gat { cas: false, .. } => {
                [found, found, None, None, None, None, None]
            }
            Command::Get { .. } | Command::Gat { .. } => {
                [None, found, None, None, None, None, None]
            }
            Command::Stats(StatsArgument::General | StatsArgument::Items) => {
                [None, None, line, None, None, None, None]
            }
            Command::Stats(StatsArgument::DetailDump) => [None, None, None, line, None, None, None],
            Command::Stats(StatsArgument::Cachedump { .. }) => {
                [None, None, None, None, line, None, None]
            }
            Command::Stats(StatsArgument::Other(_)) => [None, None, line, line, line, None, None],
            Command::Metadump(_) => [None, None, None, None, None, line, None],
            Command::ConfigGet(_) => [None, None, None, None, None, None, found],
            _ => [None; 7],
        };
        let parts = [value, with_cas, stat, prefix, item, dump, config];
        for (part, expected) in parts.into_iter().zip(expected) {
            let mut bench = Bench::new();
            bench.submit(command);
            bench.write();
            let happened = bench.read(part.as_bytes());
            assert_eq!(happened, [expected.unwrap_or("0 failed Unanswered")], "{part} {command:?}");
            if expected.is_some() {
                assert!(bench.connection.awaits_reply(), "{command:?}");
                assert_eq!(bench.read(b"END\r\n"), ["0 last"], "{command:?}");
                assert!(bench.connection.is_idle(), "{command:?}");
            } else {
                assert_closed_for_good(&mut bench, part);
            }
        }
    }
}

#[test]
fn an_error_line_ends_the_reply_and_closes_where_framing_is_in_doubt() {
    let keys = [key("foo"), key("bar")];
    let numeric = [
        "CLIENT_ERROR cannot increment or decrement non-numeric value",
        "CLIENT_ERROR invalid numeric delta argument",
    ];
    for (command, _) in commands(&keys) {
        let counts = matches!(command, Command::Incr { .. } | Command::Decr { .. });
        let stores = matches!(command, Command::Store { .. });
        let cases = [
            ("SERVER_ERROR out of memory", true),
            ("SERVER_ERROR", true),
            ("ERROR", !stores),
            ("ERROR: shutdown not enabled", !stores),
            ("ERROR locked try again later", !stores),
            ("CLIENT_ERROR bad command line format", false),
            ("CLIENT_ERROR bad data chunk", false),
            (numeric[0], counts),
            (numeric[1], counts),
        ];
        for (line, keeps) in cases {
            for piece in [1, usize::MAX] {
                let what = format!("{line} to {command:?}");
                let mut bench = Bench::new();
                bench.submit(command);
                bench.write();
                let happened = bench.read_in(piece, format!("{line}\r\n").as_bytes());
                assert_eq!(happened, ["0 last"], "{what}");
                match keeps {
                    true => assert!(bench.connection.is_idle(), "{what}"),
                    false => {
                        assert_eq!(bench.close_reason(), Some(CloseReason::Form), "{what}");
                        assert_closed_for_good(&mut bench, &what);
                    }
                }
            }
        }
    }
}

#[test]
fn after_an_error_of_form_the_others_fail_by_how_far_they_came() {
    let limits = Limits { window: 16, ..Limits::default() };
    let mut bench = Bench::with(limits);
    bench.submit(Command::Delete { key: key("a"), noreply: false });
    bench.submit(Command::Quit);
    bench.submit_refused(SubmitError::Closed);
    assert_eq!(bench.write(), "delete a\r\nquit\r\n");
    let happened = bench.read(b"CLIENT_ERROR bad\r\nCLIENT_ERROR bad\r\n");
    assert_eq!(happened, ["0 last", "1 failed Unanswered"]);

    let mut bench = Bench::with(limits);
    bench.submit(Command::Delete { key: key("a"), noreply: false });
    bench.submit(Command::Delete { key: key("b"), noreply: false });
    assert_eq!(bench.write(), "delete a\r\n");
    let happened = bench.read(b"CLIENT_ERROR bad\r\nDELETED\r\n");
    assert_eq!(happened, ["0 last", "1 failed NotSent"]);
}

/// What closes a connection while a get of foo and bar, a set that is sent in part and a set that
/// is not sent wait.
#[test]
fn doubt_closes_for_good_and_every_waiter_is_told_how_far_it_came() {
    let three = ["0 failed Unanswered", "1 failed Unanswered", "2 failed NotSent"];
    // A connection is refused before anything is read of it.
    let unread = ["0 failed NotSent", "1 failed NotSent", "2 failed NotSent"];
    let with_value = [&["0 value 0 1"][..], &three].concat();
    let with_values = [&["0 value 0 1", "0 value 1 "][..], &three].concat();
    let protocol = CloseReason::Protocol;
    let cases: &[(&str, &[&str], CloseReason)] = &[
        ("STORED\r\n", &three, protocol(ProtocolError::UnexpectedResponse)),
        ("HTTP/1.1 400 Bad Request\r\n", &three, protocol(ProtocolError::Malformed)),
        ("\r\n", &three, protocol(ProtocolError::Malformed)),
        ("\0\0\0\0", &[], CloseReason::Eof),
        ("VALUE baz 0 1\r\n1\r\n", &three, protocol(ProtocolError::UnexpectedKey)),
        ("VALUE fo 0 1\r\n1\r\n", &three, protocol(ProtocolError::UnexpectedKey)),
        ("VALUE fooo 0 1\r\n1\r\n", &three, protocol(ProtocolError::UnexpectedKey)),
        ("VALUE oo 0 1\r\n1\r\n", &three, protocol(ProtocolError::UnexpectedKey)),
        ("VALUE get 0 1\r\n1\r\n", &three, protocol(ProtocolError::UnexpectedKey)),
        ("VALUE foo 0 1\r\n1\r\nOK\r\n", &with_value, protocol(ProtocolError::UnexpectedResponse)),
        (
            "VALUE foo 0 1\r\n1\r\nVALUE baz 0 1\r\n1\r\nEND\r\n",
            &with_value,
            protocol(ProtocolError::UnexpectedKey),
        ),
        (
            "VALUE foo 0 1\r\n1\r\nVALUE bar 0 0\r\n\r\nVALUE foo 0 1\r\n1\r\n",
            &with_values,
            protocol(ProtocolError::UnexpectedKey),
        ),
        (
            "VALUE foo 0 1\r\n1\r\nVALUE foo 0 1\r\n1\r\nEND\r\n",
            &with_value,
            protocol(ProtocolError::UnexpectedKey),
        ),
        ("VALUE foo 0 1\r\n12\r\n", &three, protocol(ProtocolError::UnterminatedValue)),
        ("VALUE foo 0 -1\r\n", &three, protocol(ProtocolError::Malformed)),
        ("VALUE foo 0 1\r\n", &[], CloseReason::Eof),
        ("VALUE foo 0 1\r\n1", &[], CloseReason::Eof),
        ("VALUE foo 0 1\r\n1\r", &[], CloseReason::Eof),
        ("", &[], CloseReason::Eof),
        ("EN", &[], CloseReason::Eof),
        ("END\r", &[], CloseReason::Eof),
        ("ERROR Too many open connections\r\n", &unread, CloseReason::Refused),
        (
            "VALUE foo 0 1\r\n1\r\nERROR Too many open connections\r\n",
            &with_value,
            CloseReason::Refused,
        ),
    ];
    for (bytes, happened, reason) in cases {
        for piece in [1, 7, usize::MAX] {
            let mut bench = Bench::with(Limits { window: 60, ..Limits::default() });
            let keys = [key("foo"), key("bar")];
            bench.submit(get(&keys));
            bench.submit(set(b"0123456789"));
            bench.submit(set(&[b'x'; 60]));
            let len = bench.connection.transmit().len();
            assert_eq!(len, "get foo bar\r\nset foo 0 0 10\r\n0123456789\r\n".len());
            bench.connection.transmitted(20);

            let mut seen = bench.read_in(piece, bytes.as_bytes());
            if *reason == CloseReason::Eof && bench.close_reason().is_none() {
                assert!(seen.is_empty(), "{bytes}");
                seen = bench.eof();
                assert_eq!(seen, three, "{bytes}");
            } else if *reason == CloseReason::Eof {
                assert_eq!(seen, three, "{bytes}");
                continue;
            } else {
                assert_eq!(&seen, happened, "{bytes} in {piece}");
            }
            assert_eq!(bench.close_reason(), Some(reason.clone()), "{bytes} in {piece}");
            assert_closed_for_good(&mut bench, bytes);
        }
    }
}

/// Also if the rest of it never comes: nobody would wait for that.
#[test]
fn the_beginning_of_what_nothing_asked_for_closes() {
    let unsolicited = Some(CloseReason::Protocol(ProtocolError::Unsolicited));
    let large = format!("VALUE foo 0 100000\r\n{}", "x".repeat(50_000));
    for rest in ["V", "VERSION 1\r", "VALUE foo 0 5\r\nab", "VA 9 O0\r\n", &large] {
        for together in [true, false] {
            let what = format!("{:.30}, together: {together}", rest.escape_debug());
            let mut bench = Bench::new();
            bench.submit(Command::Version);
            bench.write();
            if together {
                assert_eq!(
                    bench.read(format!("VERSION 1\r\n{rest}").as_bytes()),
                    ["0 last"],
                    "{what}"
                );
            } else {
                assert_eq!(bench.read(b"VERSION 1\r\n"), ["0 last"], "{what}");
                assert!(bench.connection.is_idle(), "{what}");
                assert!(bench.read(rest.as_bytes()).is_empty(), "{what}");
            }
            assert_eq!(bench.close_reason(), unsolicited, "{what}");
            assert_closed_for_good(&mut bench, &what);
        }
    }
    // Before any reply it may be that the server has too many connections.
    let mut bench = Bench::new();
    assert!(bench.read(b"ERROR Too many open conn").is_empty());
    assert_eq!(bench.close_reason(), None);
    assert!(bench.read(b"ections\r\n").is_empty());
    assert_eq!(bench.close_reason(), Some(CloseReason::Refused));
}

#[test]
fn bytes_that_nothing_asked_for_close() {
    let refused = CloseReason::Refused;
    let unsolicited = CloseReason::Protocol(ProtocolError::Unsolicited);
    let malformed = CloseReason::Protocol(ProtocolError::Malformed);
    let cases = [
        ("END\r\n", unsolicited.clone()),
        ("VALUE foo 0 1\r\n1\r\n", unsolicited.clone()),
        ("SERVER_ERROR\r\n", unsolicited.clone()),
        ("hello\r\n", malformed),
        ("ERROR Too many open connections\r\n", refused),
    ];
    for (bytes, reason) in cases {
        for before in [false, true] {
            let mut bench = Bench::new();
            if before {
                bench.submit(Command::Version);
                bench.write();
                let all = format!("VERSION 1\r\n{bytes}");
                assert_eq!(bench.read(all.as_bytes()), ["0 last"], "{bytes}");
            } else {
                // It waits, but not one byte of it has been handed out.
                bench.submit(Command::Version);
                assert_eq!(bench.read(bytes.as_bytes()), ["0 failed NotSent"], "{bytes}");
            }
            assert_eq!(bench.close_reason(), Some(reason.clone()), "{bytes}");
            assert_closed_for_good(&mut bench, bytes);
        }
    }
}

#[test]
fn eof_closes_and_answers_quit_and_shutdown_alone() {
    let mut bench = Bench::new();
    assert!(bench.eof().is_empty());
    assert_eq!(bench.close_reason(), Some(CloseReason::Eof));
    assert_closed_for_good(&mut bench, "idle");

    for command in [Command::Quit, Command::Shutdown { graceful: true }] {
        let mut bench = Bench::new();
        bench.submit(Command::Version);
        bench.submit(command);
        bench.submit_refused(SubmitError::Closed);
        bench.write();
        assert_eq!(bench.read(b"VERSION 1\r\n"), ["0 last"]);
        assert_eq!(bench.eof(), ["1 closed"]);
        assert_eq!(bench.close_reason(), Some(CloseReason::Eof));
        assert_closed_for_good(&mut bench, "quit");

        // EOF before the turn of the quit is no answer to what is before it.
        let mut bench = Bench::new();
        bench.submit(Command::Version);
        bench.submit(command);
        bench.write();
        assert_eq!(bench.eof()[0], "0 failed Unanswered");

        // EOF before it was sent is no answer to it.
        let mut bench = Bench::new();
        bench.submit(command);
        assert_eq!(bench.eof(), ["0 failed NotSent"]);

        // Nor does a cancelled one hear of it.
        let mut bench = Bench::new();
        bench.submit(command);
        bench.write();
        bench.cancel(0);
        assert!(bench.eof().is_empty());
        assert_eq!(bench.close_reason(), Some(CloseReason::Eof));
    }

    // A shutdown that is not enabled leaves the connection as it was.
    let mut bench = Bench::new();
    bench.submit(Command::Shutdown { graceful: false });
    bench.write();
    assert_eq!(bench.read(b"ERROR: shutdown not enabled\r\n"), ["0 last"]);
    bench.submit(Command::Version);
    assert_eq!(bench.write(), "version\r\n");
}

#[test]
fn a_response_before_the_eof_is_still_delivered() {
    let mut bench = Bench::new();
    let keys = [key("foo")];
    bench.submit(get(&keys));
    bench.submit(Command::Version);
    bench.write();
    let bytes = b"VALUE foo 0 1\r\n1\r\nEND\r\n";
    bench.connection.receive_buffer()[..bytes.len()].copy_from_slice(bytes);
    bench.connection.received(bytes.len());
    assert_eq!(bench.eof(), ["0 value 0 1", "0 last", "1 failed Unanswered"]);
}

#[test]
fn values_are_paired_with_their_keys_in_any_order() {
    let cases: &[(&str, &str, &[usize])] = &[
        ("a b c", "a b c", &[0, 1, 2]),
        ("a b c", "c b a", &[2, 1, 0]),
        ("a b c", "b", &[1]),
        ("a b c", "c a", &[2, 0]),
        ("a b c", "", &[]),
        ("a a", "a a", &[0, 1]),
        ("a b a", "a b a", &[0, 1, 2]),
        ("a b a", "b a a", &[1, 2, 0]),
        ("a b a", "a a b", &[0, 2, 1]),
        ("a a b", "b a a", &[2, 0, 1]),
        ("aa a aaa", "a aa aaa", &[1, 0, 2]),
        ("aaa aa a", "a aa aaa", &[2, 1, 0]),
        ("get gets", "gets get", &[1, 0]),
    ];
    for (asked, answered, expected) in cases {
        let keys: Vec<_> = asked.split(' ').map(key).collect();
        for gat in [false, true] {
            for piece in [1, usize::MAX] {
                let mut bench = Bench::new();
                let keys = Keys::new(&keys);
                bench.submit(match gat {
                    false => Command::Get { keys, cas: false },
                    true => Command::Gat { exptime: Exptime::from_wire(-1), keys, cas: true },
                });
                bench.write();
                let mut reply = String::new();
                let mut happened = Vec::new();
                for (key, index) in answered.split_terminator(' ').zip(*expected) {
                    reply += &format!("VALUE {key} 0 {} 5\r\n{key}\r\n", key.len());
                    happened.push(format!("0 value {index} {key}"));
                }
                reply += "END\r\n";
                happened.push("0 last".into());
                assert_eq!(bench.read_in(piece, reply.as_bytes()), happened, "{asked}: {answered}");
                assert!(bench.connection.is_idle());
            }
        }
    }
}

#[test]
fn no_key_is_answered_more_often_than_it_was_asked_for() {
    let cases: &[(&str, &str, &[usize])] = &[
        ("a", "a a", &[0]),
        ("a b", "a a", &[0]),
        ("a b", "b b", &[1]),
        ("a b c", "a b a", &[0, 1]),
        ("a b c", "c a c", &[2, 0]),
        ("a b c", "c a a", &[2, 0]),
        ("a b c d", "b d c b", &[1, 3, 2]),
        ("a b c d", "b d d", &[1, 3]),
        ("a b a", "a a a", &[0, 2]),
        ("a b a", "b a a a", &[1, 2, 0]),
        ("a a b", "b a a a", &[2, 0, 1]),
    ];
    for (asked, answered, expected) in cases {
        let keys: Vec<_> = asked.split(' ').map(key).collect();
        for large in [false, true] {
            let mut bench = Bench::with(Limits { inline_value_len: 0, ..Limits::default() });
            bench.submit(get(&keys));
            bench.submit(Command::Version);
            bench.write();
            let mut reply = String::new();
            for key in answered.split(' ') {
                reply += &format!("VALUE {key} 0 1\r\n1\r\n");
            }
            reply += "END\r\nVERSION 1\r\n";
            let mut told: Vec<_> =
                expected.iter().map(|index| format!("0 value {index} 1")).collect();
            told.extend([0, 1].map(|number| format!("{number} failed Unanswered")));
            // Byte by byte every value has a buffer of its own.
            let piece = if large { 1 } else { usize::MAX };
            assert_eq!(bench.read_in(piece, reply.as_bytes()), told, "{answered} to {asked}");
            let reason = CloseReason::Protocol(ProtocolError::UnexpectedKey);
            assert_eq!(bench.close_reason(), Some(reason), "{answered} to {asked}");
            assert_closed_for_good(&mut bench, answered);
        }
    }
}

/// What was passed over in one reply says nothing of the next.
#[test]
fn each_get_is_answered_by_itself() {
    let keys = ["a", "b", "c", "d"].map(key);
    let answers = ["d", "b c a", "c d a b", "a d", "b a", "", "d", "a a"];
    let mut bench = Bench::new();
    let (mut replies, mut told) = (String::new(), Vec::new());
    for answered in answers {
        let number = bench.submit(get(&keys));
        for name in answered.split_terminator(' ') {
            replies += &format!("VALUE {name} 0 1\r\n1\r\n");
            let index = keys.iter().position(|&asked| asked == key(name)).expect("one of them");
            told.push(format!("{number} value {index} 1"));
        }
        replies += "END\r\n";
        told.push(format!("{number} last"));
    }
    // The last has a value too many.
    told.truncate(told.len() - 2);
    told.push("7 failed Unanswered".into());
    bench.write();
    assert_eq!(bench.read(replies.as_bytes()), told);
}

#[test]
fn a_large_value_can_be_taken_and_what_is_behind_it_is_paired() {
    let value = vec![b'v'; 300_000];
    let reply = [b"VALUE foo 9 300000\r\n", &value[..], b"\r\nEND\r\nVERSION 1\r\n"].concat();
    for piece in [1000, 4096, usize::MAX] {
        let mut bench = Bench::new();
        let keys = [key("foo")];
        bench.submit(get(&keys));
        bench.submit(Command::Version);
        bench.write();
        let seen = bench.read_in(piece, &reply);
        assert_eq!(seen[0].len(), "0 value 0 ".len() + value.len());
        assert_eq!(seen[1..], ["0 last", "1 last"]);
    }
}

#[test]
fn a_reply_of_lines_is_bounded() {
    for command in [Command::Stats(StatsArgument::General), Command::Metadump(MetadumpTarget::All)]
    {
        let line: &[u8] = match command {
            Command::Stats(_) => b"STAT a 1\r\n",
            _ => b"key=foo exp=-1 la=1 cas=2 fetch=no cls=1 size=63\n",
        };
        let mut bench = Bench::with(Limits { max_lines: 3, ..Limits::default() });
        bench.submit(command);
        bench.write();
        let happened = bench.read(&line.repeat(4));
        assert_eq!(happened, ["0 line", "0 line", "0 line", "0 failed Unanswered"]);
        assert_eq!(bench.close_reason(), Some(CloseReason::Protocol(ProtocolError::TooMuch)));
    }
}

/// Whether it has begun to answer decides whether a closed connection says anything of the server.
#[test]
fn it_is_known_whether_an_answer_has_begun() {
    let mut bench = Bench::new();
    bench.submit(Command::Version);
    bench.write();
    assert!(!bench.connection.is_answering());
    bench.read(b"V");
    assert!(bench.connection.is_answering());
    bench.read(b"ERSION 1\r\n");
    assert!(!bench.connection.is_answering());
    bench.submit(Command::Version);
    bench.submit(Command::Version);
    bench.write();
    bench.read(b"VERSION 1\r\n");
    assert!(bench.connection.is_answering());
    bench.cancel(2);
    bench.read(b"VERSION 1\r\n");
    assert!(!bench.connection.is_answering());
}

#[test]
fn a_gets_is_answered_with_cas_uniques_or_not_at_all() {
    let keys = [key("foo")];
    let mut bench = Bench::new();
    bench.submit(Command::Get { keys: Keys::new(&keys), cas: true });
    bench.write();
    bench.read(b"VALUE foo 0 1\r\nx\r\nEND\r\n");
    let unexpected = CloseReason::Protocol(ProtocolError::UnexpectedResponse);
    assert_eq!(bench.close_reason(), Some(unexpected));
}

/// An adapter may read on before it looks at what came.
#[test]
fn there_is_always_room_to_read_to() {
    let keys = [key("foo")];
    let mut bench = Bench::new();
    bench.submit(get(&keys));
    bench.write();
    let mut reply = b"VALUE foo 0 100000\r\n".to_vec();
    reply.extend([b'x'; 100_000]);
    reply.extend(b"\r\nEND\r\n");
    // The first piece is looked at, so that the value has a buffer of its own; then nothing is.
    let (first, rest) = reply.split_at(30_000);
    bench.read(first);
    let mut rest = [rest, &[b'?'; 10_000]].concat();
    while !rest.is_empty() {
        let space = bench.connection.receive_buffer();
        assert!(!space.is_empty(), "{} bytes to go", rest.len());
        let len = space.len().min(rest.len());
        space[..len].copy_from_slice(&rest[..len]);
        bench.connection.received(len);
        rest.drain(..len);
    }
    let events = bench.events();
    assert_eq!(events.len(), 2, "{events:?}");
}

#[test]
fn a_configuration_is_the_one_that_was_asked_for_and_comes_once() {
    let (one, other) = ("CONFIG foo 0 1\r\n1\r\n", "CONFIG fo 0 1\r\n1\r\n");
    let longer = "CONFIG get foo 0 1\r\n1\r\n";
    let cases = [
        (format!("{one}END\r\n"), vec!["0 value 0 1", "0 last"], None),
        ("END\r\n".into(), vec!["0 last"], None),
        (other.into(), vec!["0 failed Unanswered"], Some(ProtocolError::UnexpectedKey)),
        (longer.into(), vec!["0 failed Unanswered"], Some(ProtocolError::Malformed)),
        (
            format!("{one}{one}"),
            vec!["0 value 0 1", "0 failed Unanswered"],
            Some(ProtocolError::UnexpectedResponse),
        ),
    ];
    for (reply, events, error) in cases {
        for piece in [1, usize::MAX] {
            let mut bench = Bench::new();
            bench.submit(Command::ConfigGet(key("foo")));
            assert_eq!(bench.write(), "config get foo\r\n");
            assert_eq!(bench.read_in(piece, reply.as_bytes()), events, "{reply:?}");
            assert_eq!(bench.close_reason(), error.map(CloseReason::Protocol), "{reply:?}");
        }
    }
}
