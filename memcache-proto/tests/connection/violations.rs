//! The line for which a connection was closed is shown: its beginning, and nothing of a value.

use memcache_proto::Violation;

use crate::*;

/// What comes in answer to a get of foo, and what is told of it when it comes whole.
#[test]
fn the_line_for_which_a_connection_was_closed_is_shown() {
    use ProtocolError::*;

    let long = format!("VALUE foo 0 {}\r\n", "9".repeat(60));
    let large = format!("VALUE other 0 100002\r\n{}\r\n", "secret".repeat(16_667));
    let endless = format!("SERVER_ERROR {}", "x".repeat(3000));
    let cases: &[(&str, ProtocolError, &str)] = &[
        ("HTTP/1.1 400 Bad Request\r\nServer: x\r\n", Malformed, "HTTP/1.1 400 Bad Request"),
        ("\u{16}\u{3}\u{1}\r\n", Malformed, "\u{16}\u{3}\u{1}"),
        ("\r\n", Malformed, ""),
        ("TOUCHED\r\n", UnexpectedResponse, "TOUCHED"),
        ("VALUE bar 0 6\r\nsecret\r\nEND\r\n", UnexpectedKey, "VALUE bar 0 6"),
        ("VALUE foo 0 2\r\nsecret\r\nEND\r\n", UnterminatedValue, "VALUE foo 0 2"),
        ("VALUE foo 0 1\r\n1\r\nVALUE foo 0 1\r\n2\r\n", UnexpectedKey, "VALUE foo 0 1"),
        ("VALUE foo 0 1\r\n1\r\nOK\r\n", UnexpectedResponse, "OK"),
        (&large, UnexpectedKey, "VALUE other 0 100002"),
        (&long, NumberOutOfRange, &long),
        (&endless, LineTooLong { max: 2048 }, &endless),
        ("VA 6 f0\r\nsecret\r\n", UnexpectedResponse, "VA 6 f0"),
        ("HD kfoo O1\r\n", UnexpectedResponse, "HD kfoo O1"),
    ];
    for (bytes, error, line) in cases {
        for piece in [1, 7, usize::MAX] {
            for cancelled in [false, true] {
                let what = format!("{:.50} in {piece}", bytes.escape_debug());
                let mut bench = Bench::new();
                assert_eq!(bench.connection.violation(), None, "{what}");
                let keys = [key("foo")];
                let request = bench.submit(get(&keys));
                bench.write();
                if cancelled {
                    bench.cancel(request);
                }
                bench.read_in(piece, bytes.as_bytes());
                let violation = bench.connection.violation().expect(&what);
                assert_eq!(bench.close_reason(), Some(CloseReason::Protocol(violation.error)));
                if piece == usize::MAX {
                    assert_eq!(violation, Violation::new(*error, line.as_bytes()), "{what}");
                }
                // Of what came in pieces there may be no more than one byte.
                let seen = violation.line.as_bytes();
                assert!(line.as_bytes().starts_with(seen), "{what}: {violation}");
                // Whatever comes after.
                for _ in 0..3 {
                    bench.read(b"VERSION 1\r\nSTORED\r\nEND\r\n");
                    assert_eq!(bench.connection.violation(), Some(violation.clone()), "{what}");
                }
            }
        }
    }
}

#[test]
fn a_connection_that_ended_otherwise_shows_no_line() {
    let mut bench = Bench::new();
    bench.submit(Command::Version);
    bench.write();
    bench.read(b"VERS");
    bench.eof();
    assert_eq!(bench.close_reason(), Some(CloseReason::Eof));
    assert_eq!(bench.connection.violation(), None);

    let mut bench = Bench::new();
    bench.submit(Command::Version);
    bench.write();
    bench.read(b"CLIENT_ERROR no\r\n");
    assert_eq!(bench.close_reason(), Some(CloseReason::Form));
    assert_eq!(bench.connection.violation(), None);
}
