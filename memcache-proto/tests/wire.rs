//! The classic protocol as bytes: one table of what servers send, and one of what they must not.
//!
//! Each row is run both ways where its bytes are the ones the encoder writes, and in every way of
//! delivery: whole, byte by byte, and split at every point, with bytes of the next response behind.

mod wire_harness;

use memcache_proto::codec::{Decoder, Item, LargeValue, Response};
use memcache_proto::value::Flags;
use memcache_proto::{Key, Limits, MAX_KEY_LEN, ProtocolError};
use wire_harness::{
    Row, bytes_of, check_incomplete, check_malformed, check_memory, check_pieces, check_read,
    check_stream, check_written, deliver, deliver_each, small_limits,
};

#[test]
fn every_response_reads_as_itself_however_it_arrives() {
    check_read(&rows());
}

#[test]
fn a_response_that_is_not_all_there_is_no_error() {
    check_incomplete(&rows());
}

#[test]
fn every_response_is_written_as_servers_write_it() {
    check_written(&rows());
}

#[test]
fn many_responses_read_as_themselves_in_pieces_of_any_length() {
    check_pieces(&rows());
}

#[test]
fn what_is_malformed_is_the_same_error_however_it_arrives() {
    check_malformed(&malformed());
}

#[test]
fn a_line_is_waited_for_up_to_its_limit_and_no_further() {
    let limits = Limits { max_line_len: 100, ..Limits::default() };
    let line = [&b"VERSION "[..], &[b'1'; 92], b"\r\n"].concat();
    let version = Response::Version(&[b'1'; 92]);
    assert_eq!(Response::parse(&line, &limits), Ok(Some((version, 102))));
    check_stream(&limits, &bytes_of(&line), &[version], "the longest line");

    // One more byte and no LF: with the 102nd it is clear that the line is too long.
    let endless = [&b"VERSION "[..], &[b'1'; 94]].concat();
    assert_eq!(Response::parse(&endless[..101], &limits), Ok(None));
    let error = ProtocolError::LineTooLong { max: 100 };
    assert_eq!(Response::parse(&endless, &limits), Err(error));
    let mut decoder = Decoder::new(limits);
    for byte in endless[..101].chunks(1) {
        deliver(&mut decoder, byte);
        assert!(decoder.next().expect("not too long yet").is_none());
    }
    deliver(&mut decoder, &endless[101..]);
    assert_eq!(decoder.next().map(|_| ()), Err(error));
}

#[test]
fn an_error_comes_after_the_responses_before_it() {
    let mut decoder = Decoder::new(Limits::default());
    deliver(&mut decoder, b"STORED\r\nSTORED\n");
    assert!(matches!(decoder.next(), Ok(Some(Item::Response(Response::Stored)))));
    for _ in 0..3 {
        assert_eq!(decoder.next().map(|_| ()), Err(ProtocolError::Malformed));
        deliver(&mut decoder, b"STORED\r\n");
    }
}

/// However many short replies there are. A read that fills it has more behind it, most of the time.
#[test]
fn the_first_buffer_is_small_until_a_read_fills_it() {
    let mut decoder = Decoder::new(Limits::default());
    let mut receive = |replies: usize| {
        let space = decoder.space();
        let bytes = b"STORED\r\n".repeat(replies);
        let lent = space.len();
        space[..bytes.len()].copy_from_slice(&bytes);
        decoder.filled(bytes.len());
        for _ in 0..replies {
            assert!(decoder.next().expect("nothing is wrong").is_some());
        }
        lent
    };
    for _ in 0..1000 {
        assert_eq!(receive(511), 4 << 10);
    }
    assert_eq!(receive(512), 4 << 10);
    assert_eq!(receive(1), 64 << 10);
    assert_eq!(receive(8192), 64 << 10);
    assert_eq!(receive(1), 64 << 10);
}

#[test]
fn memory_grows_with_what_arrived_not_with_what_was_announced() {
    check_memory(&format!("VALUE k 0 {}\r\n", (1 << 30) - 1));
}

#[test]
fn a_large_value_that_was_not_taken_does_not_show_in_the_next() {
    let mut decoder = Decoder::new(Limits::default());
    let lens = [100_000, 60_000, 100_000, 17_000, 3_000_000, 20_000, 3, 5_000_000, 20_000];
    for (at, len) in (0_u8..).zip(lens) {
        let value: Vec<u8> = (0..251).map(|n: u8| n ^ at).cycle().take(len).collect();
        for take in [false, true, false] {
            let mut wire = Vec::new();
            value_of("k", &value).encode(&mut wire);
            Response::End.encode(&mut wire);
            let (mut seen, mut ends) = (0, 0);
            for piece in wire.chunks(16 << 10) {
                deliver_each(&mut decoder, piece, |item| match item {
                    Item::Response(Response::End) => ends += 1,
                    Item::Response(response) => {
                        assert_eq!(response, value_of("k", &value));
                        seen += 1;
                    }
                    Item::LargeValue { value: large, .. } => {
                        assert!(large.as_slice() == value, "{len} bytes");
                        if take {
                            check_taken(large, &value);
                        }
                        seen += 1;
                    }
                    Item::LargeVa { .. } => panic!("{item:?}"),
                })
                .expect("nothing is wrong");
            }
            assert_eq!((seen, ends), (1, 1), "{len} bytes");
            assert!(decoder.is_empty());
        }
    }
}

#[test]
fn more_filled_than_lent_counts_as_all_that_was_lent() {
    let mut decoder = Decoder::new(small_limits());
    let wire = [&b"VALUE k 0 1000\r\n"[..], &[b'v'; 1000], b"\r\nEND\r\n"].concat();
    for _ in 0..2 {
        // The second time the buffer of the value is there already, and larger than is lent.
        deliver(&mut decoder, &wire[..20]);
        assert!(decoder.next().expect("nothing is wrong").is_none());
        let lent = decoder.space().len();
        decoder.space()[..wire.len() - 20].copy_from_slice(&wire[20..]);
        decoder.space()[wire.len() - 20..].fill(b'\n');
        decoder.filled(lent + 1_000_000);
        assert!(matches!(decoder.next(), Ok(Some(Item::LargeValue { .. }))));
        assert!(matches!(decoder.next(), Ok(Some(Item::Response(Response::End)))));
        assert_eq!(decoder.buffered(), lent - (wire.len() - 20));
        decoder = Decoder::new(small_limits());
        deliver(&mut decoder, &[&b"VALUE k 0 2000\r\n"[..], &[b'v'; 20]].concat());
        assert!(decoder.next().expect("nothing is wrong").is_none());
        deliver(&mut decoder, &[&[b'v'; 1980][..], b"\r\n"].concat());
        assert!(matches!(decoder.next(), Ok(Some(Item::LargeValue { .. }))));
    }
}

fn rows() -> Vec<Row> {
    let canonical: Vec<(&[u8], Response<'static>)> = vec![
        (b"VALUE foo 0 3\r\nbar\r\n", value_of("foo", b"bar")),
        (b"VALUE foo 0 0\r\n\r\n", value_of("foo", b"")),
        (b"VALUE foo 0 2\r\n\r\n\r\n", value_of("foo", b"\r\n")),
        (b"VALUE foo 0 1\r\n\r\r\n", value_of("foo", b"\r")),
        (b"VALUE foo 0 7\r\na\r\nb\0\xff\n\r\n", value_of("foo", b"a\r\nb\0\xff\n")),
        (b"VALUE foo 0 5\r\nEND\r\n\r\n", value_of("foo", b"END\r\n")),
        (b"VALUE a\x01\r\xff 0 1\r\nv\r\n", value_of(b"a\x01\r\xff", b"v")),
        (b"VALUE 12345678 0 1\r\nv\r\n", value_of("12345678", b"v")),
        (b"VALUE 1234567 0 1\r\nv\r\n", value_of("1234567", b"v")),
        (b"VALUE 123456789 0 1\r\nv\r\n", value_of("123456789", b"v")),
        (
            b"VALUE foo 4294967295 3 0\r\nbar\r\n",
            Response::Value {
                key: key("foo"),
                flags: Flags::new(u32::MAX),
                cas: Some(0),
                value: b"bar",
            },
        ),
        (
            b"VALUE foo 18446744073709551615 3 18446744073709551615\r\nbar\r\n",
            Response::Value {
                key: key("foo"),
                flags: Flags::from_wire(u64::MAX),
                cas: Some(u64::MAX),
                value: b"bar",
            },
        ),
        (b"CONFIG cluster 0 0\r\n\r\n", config("cluster", b"")),
        (
            b"CONFIG cluster 0 23\r\n12\na|10.0.0.1|1 b||2\n\r\n\r\n",
            config("cluster", b"12\na|10.0.0.1|1 b||2\n\r\n"),
        ),
        (b"END\r\n", Response::End),
        (b"STORED\r\n", Response::Stored),
        (b"NOT_STORED\r\n", Response::NotStored),
        (b"EXISTS\r\n", Response::Exists),
        (b"NOT_FOUND\r\n", Response::NotFound),
        (b"DELETED\r\n", Response::Deleted),
        (b"TOUCHED\r\n", Response::Touched),
        (b"OK\r\n", Response::Ok),
        (b"RESET\r\n", Response::Reset),
        (b"0\r\n", Response::Number(0)),
        (b"7\r\n", Response::Number(7)),
        (b"9999999999999999999\r\n", Response::Number(9_999_999_999_999_999_999)),
        (b"18446744073709551615\r\n", Response::Number(u64::MAX)),
        (b"VERSION 1.6.38\r\n", Response::Version(b"1.6.38")),
        (b"VERSION 1.6.38 with words\r\n", Response::Version(b"1.6.38 with words")),
        (b"STAT pid 42\r\n", stat(b"pid", b"42")),
        (b"STAT auth_enabled_sasl no way\r\n", stat(b"auth_enabled_sasl", b"no way")),
        (b"STAT inter \r\n", stat(b"inter", b"")),
        (b"STAT a  b \r\n", stat(b"a", b" b ")),
        (b"STAT items:1:number 1\r\n", stat(b"items:1:number", b"1")),
        (b"STAT 14:free_chunks \xff\r\r\n", stat(b"14:free_chunks", b"\xff\r")),
        (
            b"PREFIX user get 1 hit 2 set 3 del 18446744073709551615\r\n",
            Response::Prefix { prefix: b"user", get: 1, hit: 2, set: 3, del: u64::MAX },
        ),
        (
            b"ITEM foo [6 b; 1735689600 s]\r\n",
            Response::Item { key: key("foo"), bytes: 6, exptime: 1_735_689_600 },
        ),
        (
            b"key=a%20b exp=-1 la=1735689600 cas=7 fetch=no cls=1 size=63\n",
            metadump(b"a%20b", -1, 7, false, None),
        ),
        (
            b"key=foo exp=1735689600 la=1735689600 cas=18446744073709551615 fetch=yes cls=1 \
              size=63 flags=4294967295\n",
            metadump(b"foo", 1_735_689_600, u64::MAX, true, Some(u32::MAX)),
        ),
        (b"BUSY\r\n", Response::Busy(b"")),
        (
            b"BUSY currently processing reassign request\r\n",
            Response::Busy(b"currently processing reassign request"),
        ),
        (b"BADCLASS invalid src or dst class\r\n", Response::BadClass(b"invalid src or dst class")),
        (
            b"NOSPARE source class has no spare pages\r\n",
            Response::NoSpare(b"source class has no spare pages"),
        ),
        (
            b"NOTFULL dest class has spare memory\r\n",
            Response::NotFull(b"dest class has spare memory"),
        ),
        (
            b"UNSAFE src class is in an unsafe state\r\n",
            Response::Unsafe(b"src class is in an unsafe state"),
        ),
        (
            b"SAME src and dst class are identical\r\n",
            Response::Same(b"src and dst class are identical"),
        ),
        (b"NOTSTARTED no items to crawl\r\n", Response::NotStarted(b"no items to crawl")),
        (
            b"MEMLIMIT_TOO_SMALL cannot set maxbytes\r\n",
            Response::MemlimitTooSmall(b"cannot set maxbytes"),
        ),
        (
            b"MEMLIMIT_ADJUST_FAILED out of bounds\r\n",
            Response::MemlimitAdjustFailed(b"out of bounds"),
        ),
        (
            b"WATCHER_TOO_MANY log watcher limit reached\r\n",
            Response::WatcherTooMany(b"log watcher limit reached"),
        ),
        (
            b"WATCHER_FAILED failed to add log watcher\r\n",
            Response::WatcherFailed(b"failed to add log watcher"),
        ),
        (b"ERROR\r\n", Response::Error(b"")),
        (b"ERROR unknown command\r\n", Response::Error(b"unknown command")),
        (b"ERROR: shutdown not enabled\r\n", Response::Error(b": shutdown not enabled")),
        (b"CLIENT_ERROR bad data chunk\r\n", Response::ClientError(b"bad data chunk")),
        (b"CLIENT_ERROR\r\n", Response::ClientError(b"")),
        (
            b"SERVER_ERROR out of memory storing object\r\n",
            Response::ServerError(b"out of memory storing object"),
        ),
        (b"SERVER_ERROR: a proxy's words\r\n", Response::ServerError(b": a proxy's words")),
    ];
    let other: Vec<(&[u8], Response<'static>)> = vec![
        (b"5 \r\n", Response::Number(5)),
        (b"5                   \r\n", Response::Number(5)),
        (b"007\r\n", Response::Number(7)),
        (b"0000000000000000000000000000001\r\n", Response::Number(1)),
        (b"VALUE foo 00 003\r\nbar\r\n", value_of("foo", b"bar")),
        (b"STAT lonely\r\n", stat(b"lonely", b"")),
        (b"ERROR \r\n", Response::Error(b"")),
        (
            b"key=foo exp=-1 la=1735689600 cas=7 fetch=no cls=1 size=63\r\n",
            metadump(b"foo", -1, 7, false, None),
        ),
        (
            b"key=foo exp=-1 la=1735689600 cas=7 fetch=no cls=1 size=63 ttl=-1 flags=5 new=x y\n",
            metadump(b"foo", -1, 7, false, Some(5)),
        ),
        (
            b"key=foo exp=-1 la=1735689600 cas=7 fetch=no cls=1 size=63 ext_page=2\n",
            metadump(b"foo", -1, 7, false, None),
        ),
    ];
    let row = |canonical| {
        move |(wire, response): (&[u8], _)| Row { wire: wire.to_vec(), response, canonical }
    };
    let mut rows: Vec<Row> = canonical.into_iter().map(row(true)).collect();
    rows.extend(other.into_iter().map(row(false)));

    // Values about the limit of the shared buffer, of the default limits and of the small ones, and
    // the longest key.
    let long_key = "k".repeat(MAX_KEY_LEN).leak();
    for (key, len) in
        [("a", 15), ("a", 16), ("a", 17), ("a", 100), (long_key, 1_000), ("a", 16_385)]
    {
        let value: &[u8] = b"0123456\r\n".repeat(len / 9 + 1).leak().get(..len).expect("len bytes");
        let mut wire = format!("VALUE {key} 0 {len}\r\n").into_bytes();
        wire.extend_from_slice(value);
        wire.extend_from_slice(b"\r\n");
        rows.push(Row { wire, response: value_of(key, value), canonical: true });
        let mut wire = format!("CONFIG {key} 0 {len}\r\n").into_bytes();
        wire.extend_from_slice(value);
        wire.extend_from_slice(b"\r\n");
        rows.push(Row { wire, response: config(key, value), canonical: true });
    }
    rows
}

fn malformed() -> Vec<(Limits, Vec<u8>, ProtocolError)> {
    use ProtocolError::{
        KeyTooLong, LineTooLong, Malformed, NumberOutOfRange, UnterminatedValue, ValueTooLong,
    };
    let default = Limits::default();
    let max_line = |max_line_len| Limits { max_line_len, ..Limits::default() };
    let max_value = |max_value_len| Limits { max_value_len, ..Limits::default() };
    let long = |head: &[u8], len: usize, tail: &[u8]| [head, &vec![b'x'; len], tail].concat();
    let max_servers = |max_servers| Limits { max_servers, ..Limits::default() };
    vec![
        // A configuration has as many bytes as so many servers may need, and no cas unique.
        (max_servers(2), b"CONFIG cluster 0 705\r\n".to_vec(), ValueTooLong { len: 705 }),
        (max_value(3), b"CONFIG cluster 0 4\r\n".to_vec(), ValueTooLong { len: 4 }),
        (default, b"CONFIG cluster 0 1\r\nab\r\n".to_vec(), UnterminatedValue),
        (default, b"CONFIG cluster 0 1 7\r\n1\r\n".to_vec(), Malformed),
        (default, b"CONFIG cluster 0\r\n".to_vec(), Malformed),
        (default, b"CONFIG\r\n".to_vec(), Malformed),
        (default, b"CONFIG  0 1\r\n".to_vec(), Malformed),
        (default, b"CONFIGURE cluster 0 1\r\n1\r\n".to_vec(), Malformed),
        // Numbers.
        (default, b"18446744073709551616\r\n".into(), NumberOutOfRange),
        (default, b"99999999999999999999999999999\r\n".into(), NumberOutOfRange),
        (default, b"VALUE k 18446744073709551616 1\r\nv\r\n".into(), NumberOutOfRange),
        (default, b"VALUE k 0 18446744073709551616\r\nv\r\n".into(), NumberOutOfRange),
        (default, b"VALUE k 0 1 18446744073709551616\r\nv\r\n".into(), NumberOutOfRange),
        (default, b"ITEM k [18446744073709551616 b; 0 s]\r\n".into(), NumberOutOfRange),
        (
            default,
            b"PREFIX k get 18446744073709551616 hit 0 set 0 del 0\r\n".into(),
            NumberOutOfRange,
        ),
        (
            default,
            b"key=k exp=9223372036854775808 la=0 cas=0 fetch=no cls=1 size=63\n".into(),
            NumberOutOfRange,
        ),
        (
            default,
            b"key=k exp=-1 la=0 cas=0 fetch=no cls=4294967296 size=63\n".into(),
            NumberOutOfRange,
        ),
        (
            default,
            b"key=k exp=-1 la=0 cas=0 fetch=no cls=1 size=63 flags=18446744073709551616\n".into(),
            NumberOutOfRange,
        ),
        (default, b"-1\r\n".into(), Malformed),
        (default, b"1 2\r\n".into(), Malformed),
        (default, b"1x\r\n".into(), Malformed),
        (default, b"1\n".into(), Malformed),
        (default, b"VALUE k -1 1\r\nv\r\n".into(), Malformed),
        (default, b"VALUE k 0 -1\r\nv\r\n".into(), Malformed),
        (default, b"VALUE k 0 +1\r\nv\r\n".into(), Malformed),
        (default, b"VALUE k 0 0x1\r\nv\r\n".into(), Malformed),
        (default, b"VALUE k 0 1 x\r\nv\r\n".into(), Malformed),
        (default, b"VALUE k 0 1 \r\nv\r\n".into(), Malformed),
        (default, b"VALUE k 0 1 2 3\r\nv\r\n".into(), Malformed),
        (default, b"VALUE k 0 \r\nv\r\n".into(), Malformed),
        (default, b"VALUE k 0\r\n".into(), Malformed),
        (default, b"VALUE k\r\n".into(), Malformed),
        (default, b"VALUE k  0 1\r\nv\r\n".into(), Malformed),
        // Values.
        (default, b"VALUE k 0 1\r\nvv\r\n".into(), UnterminatedValue),
        (default, b"VALUE k 0 2\r\nv\r\n\r\n".into(), UnterminatedValue),
        (default, b"VALUE k 0 1\r\nv\n\r\n".into(), UnterminatedValue),
        (default, b"VALUE k 0 1\r\nv\r\r\n".into(), UnterminatedValue),
        (default, b"VALUE k 0 0\r\nEND\r\n".into(), UnterminatedValue),
        (default, b"VALUE k 0 1\nv\r\n".into(), Malformed),
        (default, b"VALUE k 0 1\rv\r\n".into(), Malformed),
        (small_limits(), long(b"VALUE k 0 100\r\n", 100, b"x\r\n"), UnterminatedValue),
        (small_limits(), long(b"VALUE k 0 100\r\n", 100, b"\rx\n"), UnterminatedValue),
        (default, b"VALUE k 0 1073741825\r\n".into(), ValueTooLong { len: (1 << 30) + 1 }),
        (default, b"VALUE k 0 9223372036854775808\r\n".into(), ValueTooLong { len: 1 << 63 }),
        (
            max_value(usize::MAX),
            b"VALUE k 0 18446744073709551615\r\n".into(),
            ValueTooLong { len: u64::MAX },
        ),
        (default, b"VALUE k 0 18446744073709551615\r\n".into(), ValueTooLong { len: u64::MAX }),
        (max_value(9), b"VALUE k 0 10\r\n0123456789\r\n".into(), ValueTooLong { len: 10 }),
        (max_value(0), b"VALUE k 0 1 7\r\nv\r\n".into(), ValueTooLong { len: 1 }),
        // Keys.
        (default, long(b"VALUE ", 251, b" 0 1\r\nv\r\n"), KeyTooLong),
        (default, long(b"VALUE ", 300, b"\r\n"), KeyTooLong),
        (default, long(b"ITEM ", 251, b" [6 b; 0 s]\r\n"), KeyTooLong),
        (default, b"VALUE  0 1\r\nv\r\n".into(), Malformed),
        (default, b"VALUE a\nb 0 1\r\nv\r\n".into(), Malformed),
        (default, b"VALUE a\0b 0 1\r\nv\r\n".into(), Malformed),
        (default, b"VALUE 12345678\0b 0 1\r\nv\r\n".into(), Malformed),
        (default, b"VALUE \r\n".into(), Malformed),
        (default, b"ITEM  [6 b; 0 s]\r\n".into(), Malformed),
        (default, b"ITEM a\0b [6 b; 0 s]\r\n".into(), Malformed),
        (default, b"key= exp=-1 la=0 cas=0 fetch=no cls=1 size=63\n".into(), Malformed),
        // Line ends.
        (default, b"STORED\n".into(), Malformed),
        (default, b"STORED\r\r\n".into(), Malformed),
        (default, b"STORED \r\n".into(), Malformed),
        (default, b"END\n".into(), Malformed),
        (default, b"END \r\n".into(), Malformed),
        (default, b"STAT pid 42\n".into(), Malformed),
        (default, b"VERSION 1.6\n".into(), Malformed),
        (default, b"ERROR\n".into(), Malformed),
        (default, b"SERVER_ERROR busy\n".into(), Malformed),
        (default, b"\r\n".into(), Malformed),
        (default, b"\n".into(), Malformed),
        // Lines too long.
        (default, long(b"STAT a ", 2_042, b"\r\n"), LineTooLong { max: 2_048 }),
        (default, long(b"STAT a ", 10_000, b"\r\n"), LineTooLong { max: 2_048 }),
        (default, long(b"STAT a ", 10_000, b"\n"), LineTooLong { max: 2_048 }),
        (default, long(b"VERSION ", 2_043, b""), LineTooLong { max: 2_048 }),
        (default, [&b"0"[..], &[b' '; 3_000], b"\r\n"].concat(), LineTooLong { max: 2_048 }),
        (default, [&[b'0'; 3_000][..], b"\r\n"].concat(), LineTooLong { max: 2_048 }),
        (
            default,
            long(b"key=k exp=-1 la=0 cas=0 fetch=no cls=1 size=63 ", 2_048, b"\n"),
            LineTooLong { max: 2_048 },
        ),
        (max_line(11), b"VALUE k 0 10\r\n0123456789\r\n".into(), LineTooLong { max: 11 }),
        (max_line(5), b"STORED\r\n".into(), LineTooLong { max: 5 }),
        (max_line(0), b"STORED\r\n".into(), LineTooLong { max: 0 }),
        (max_line(5), b"ERROR: no\n".into(), LineTooLong { max: 5 }),
        // What is no response at all.
        (default, b"HTTP/1.1 400 Bad Request\r\n".into(), Malformed),
        (default, b"<html>\r\n".into(), Malformed),
        (default, b"-ERR unknown command\r\n".into(), Malformed),
        (default, b"+OK\r\n".into(), Malformed),
        (default, b"stored\r\n".into(), Malformed),
        (default, b" STORED\r\n".into(), Malformed),
        (default, b"\x81\x00\x00\x00\x00\x00\x00\x00".into(), Malformed),
        (default, b"\0\r\n".into(), Malformed),
        (default, b"STOREDX\r\n".into(), Malformed),
        (default, b"STOP\r\n".into(), Malformed),
        (default, b"SX\r\n".into(), Malformed),
        (default, b"VX\r\n".into(), Malformed),
        (default, b"VALUES\r\n".into(), Malformed),
        (default, b"VERSION\r\n".into(), Malformed),
        (default, b"ENDED\r\n".into(), Malformed),
        (default, b"ERRORS\r\n".into(), Malformed),
        (default, b"EXIST\r\n".into(), Malformed),
        (default, b"NOTHING\r\n".into(), Malformed),
        (default, b"NOT_HERE\r\n".into(), Malformed),
        (default, b"BUSYBODY\r\n".into(), Malformed),
        (default, b"OKAY\r\n".into(), Malformed),
        (default, b"STAT\r\n".into(), Malformed),
        (default, b"STAT \r\n".into(), Malformed),
        (default, b"STAT  value\r\n".into(), Malformed),
        (default, b"PREFIX p get 1 hit 2 set 3\r\n".into(), Malformed),
        (default, b"ITEM k [6 b; 0 s\r\n".into(), Malformed),
        (default, b"key=k exp=-1 la=0 cas=0 fetch=maybe cls=1 size=63\n".into(), Malformed),
        (default, b"key=k exp=-1 la=0 cas=0 fetch=no cls=1 size=63x\n".into(), Malformed),
        (default, b"key=k exp=-1 la=0 cas=0 fetch=no cls=1 size=63 flags=x\n".into(), Malformed),
        (default, b"key=k exp=-1\n".into(), Malformed),
    ]
}

/// What was lent and not taken is there for the next, which is handed out with little to spare.
#[test]
fn a_value_takes_no_more_of_a_larger_ones_buffer_than_it_needs() {
    for (first, second) in [(200_000, 170_000), (200_000, 100_000), (100_000, 200_000)] {
        let mut decoder = Decoder::new(Limits::default());
        for (len, taken) in [(first, false), (second, true)] {
            let value = vec![b'x'; len];
            let mut wire = format!("VALUE k 0 {len}\r\n").into_bytes();
            wire.extend(value.iter().chain(b"\r\n"));
            let mut rest = &wire[..];
            while !rest.is_empty() {
                let space = decoder.space();
                let len = rest.len().min(space.len());
                space[..len].copy_from_slice(&rest[..len]);
                decoder.filled(len);
                rest = &rest[len..];
                match decoder.next().expect("a value") {
                    Some(Item::LargeValue { value: large, .. }) if taken => {
                        check_taken(large, &value);
                    }
                    Some(Item::LargeValue { value: large, .. }) => {
                        assert!(large.as_slice() == value);
                    }
                    Some(other) => panic!("{other:?}"),
                    None => {}
                }
            }
        }
    }
}

fn check_taken(large: LargeValue<'_>, value: &[u8]) {
    let taken = large.take();
    assert!(taken == value, "{} bytes", value.len());
    let spare = taken.capacity() - taken.len();
    assert!(spare <= taken.len() / 8 + 128, "{spare} bytes to spare behind {}", taken.len());
}

fn key<K: AsRef<[u8]> + ?Sized>(bytes: &'static K) -> Key<'static> {
    Key::from_wire(bytes.as_ref()).expect("a key a server may send")
}

fn value_of<'a, K: AsRef<[u8]> + ?Sized>(name: &'static K, value: &'a [u8]) -> Response<'a> {
    Response::Value { key: key(name), flags: Flags::new(0), cas: None, value }
}

fn stat(name: &'static [u8], value: &'static [u8]) -> Response<'static> {
    Response::Stat { name, value }
}

fn config(name: &'static str, text: &'static [u8]) -> Response<'static> {
    Response::Config { name: key(name), flags: Flags::new(0), text }
}

fn metadump(
    key: &'static [u8],
    exp: i64,
    cas: u64,
    fetch: bool,
    flags: Option<u32>,
) -> Response<'static> {
    let flags = flags.map(Flags::new);
    Response::Metadump { key, exp, la: 1_735_689_600, cas, fetch, cls: 1, size: 63, flags }
}
