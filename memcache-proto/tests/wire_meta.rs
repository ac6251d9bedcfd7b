//! The meta protocol as bytes: what servers send, and what they must not.

mod wire_harness;

use memcache_proto::codec::{Decoder, Item, MetaFlags, Response};
use memcache_proto::value::Flags;
use memcache_proto::{Limits, ProtocolError};
use proptest::prelude::*;
use wire_harness::{
    Row, bytes_of, check_incomplete, check_malformed, check_memory, check_pieces, check_read,
    check_stream, check_written, deliver, deliver_each, shown, small_limits,
};

#[test]
fn every_reply_reads_as_itself_however_it_arrives() {
    check_read(&rows());
}

#[test]
fn a_reply_that_is_not_all_there_is_no_error() {
    check_incomplete(&rows());
    let begun = "E|EN|EN\r|EX|NF|NS|NS\r|M|ME|MN|H|HD|V|VA|VA |VA 3|VA 3 |HD |HD f|HD t-|HD h|HD O";
    for line in begun.split('|') {
        assert_eq!(Response::parse(line.as_bytes(), &Limits::default()), Ok(None), "{line:?}");
        let mut decoder = Decoder::new(Limits::default());
        for byte in line.as_bytes().chunks(1) {
            deliver(&mut decoder, byte);
            assert!(decoder.next().expect("nothing is wrong yet").is_none(), "{line:?}");
        }
    }
}

#[test]
fn every_reply_is_written_as_servers_write_it() {
    check_written(&rows());
}

#[test]
fn many_replies_read_as_themselves_in_pieces_of_any_length() {
    check_pieces(&rows());
}

#[test]
fn what_is_malformed_is_the_same_error_however_it_arrives() {
    check_malformed(&malformed());
}

/// What flags say, as the accessors have it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    client_flags: Option<u64>,
    cas: Option<u64>,
    size: Option<u64>,
    ttl: Option<i64>,
    last_access: Option<u64>,
    was_hit: Option<bool>,
    opaque: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    /// `b`, `W`, `X` and `Z`.
    set: [bool; 4],
}

fn said(flags: &MetaFlags<'_>) -> Said {
    Said {
        client_flags: flags.client_flags().map(Flags::bits),
        cas: flags.cas(),
        size: flags.size(),
        ttl: flags.ttl(),
        last_access: flags.last_access(),
        was_hit: flags.was_hit(),
        opaque: flags.opaque().map(<[u8]>::to_vec),
        key: flags.key().map(<[u8]>::to_vec),
        set: [flags.is_base64(), flags.is_won(), flags.is_stale(), flags.is_won_by_another()],
    }
}

#[test]
fn flags_say_what_stands_in_their_line() {
    let none = Said::default;
    let max = "18446744073709551615";
    let (long, far) = ("o".repeat(300), "fcstlhOk9".repeat(29));
    let cases: Vec<(String, Said)> = vec![
        (String::new(), none()),
        (" f0".into(), Said { client_flags: Some(0), ..none() }),
        (format!(" f{max}"), Said { client_flags: Some(u64::MAX), ..none() }),
        (" c123".into(), Said { cas: Some(123), ..none() }),
        (format!(" c000{max}"), Said { cas: Some(u64::MAX), ..none() }),
        (" s1048576".into(), Said { size: Some(1 << 20), ..none() }),
        (format!(" s{max}"), Said { size: Some(u64::MAX), ..none() }),
        (" l17".into(), Said { last_access: Some(17), ..none() }),
        (format!(" l{max}"), Said { last_access: Some(u64::MAX), ..none() }),
        (" t-1".into(), Said { ttl: Some(-1), ..none() }),
        (" t0".into(), Said { ttl: Some(0), ..none() }),
        (" t2591999".into(), Said { ttl: Some(2_591_999), ..none() }),
        (format!(" t{}", i64::MAX), Said { ttl: Some(i64::MAX), ..none() }),
        (format!(" t{}", i64::MIN), Said { ttl: Some(i64::MIN), ..none() }),
        (" h0".into(), Said { was_hit: Some(false), ..none() }),
        (" h1".into(), Said { was_hit: Some(true), ..none() }),
        (" O4".into(), Said { opaque: Some(b"4".into()), ..none() }),
        (" O1234567".into(), Said { opaque: Some(b"1234567".into()), ..none() }),
        (" O12345678".into(), Said { opaque: Some(b"12345678".into()), ..none() }),
        (" O123456789".into(), Said { opaque: Some(b"123456789".into()), ..none() }),
        (" O\u{e9}=;O".into(), Said { opaque: Some("\u{e9}=;O".into()), ..none() }),
        // Longer than a server should send.
        (format!(" O{long}"), Said { opaque: Some(long.clone().into()), ..none() }),
        (
            format!(" O{long} c1"),
            Said { opaque: Some(long.clone().into()), cas: Some(1), ..none() },
        ),
        (" kfoo".into(), Said { key: Some(b"foo".into()), ..none() }),
        (
            " kZm9v b".into(),
            Said { key: Some(b"Zm9v".into()), set: [true, false, false, false], ..none() },
        ),
        (" W".into(), Said { set: [false, true, false, false], ..none() }),
        (" X W".into(), Said { set: [false, true, true, false], ..none() }),
        (" Z X".into(), Said { set: [false, false, true, true], ..none() }),
        // Unknown ones, whatever they carry, and spaces too many.
        (" q a1 Sx9 c5 M=y".into(), Said { cas: Some(5), ..none() }),
        (" ".into(), none()),
        ("  c5   W ".into(), Said { cas: Some(5), set: [false, true, false, false], ..none() }),
        // Those that stand so far on that their places are no longer kept.
        (
            format!(" Q{far} f1 c2 s3 l4 t-5 h1 kfoo Ofar W"),
            Said {
                client_flags: Some(1),
                cas: Some(2),
                size: Some(3),
                last_access: Some(4),
                ttl: Some(-5),
                was_hit: Some(true),
                key: Some(b"foo".into()),
                opaque: Some(b"far".into()),
                set: [false, true, false, false],
            },
        ),
    ];
    for (line, expected) in cases {
        let line = format!("{line}\r\n");
        let flags =
            MetaFlags::from_line(line.as_bytes()).unwrap_or_else(|e| panic!("{e} in {line}"));
        assert_eq!(said(&flags), expected, "{line}");
        for word in ["HD", "NF", "NS", "EX", "VA 0"] {
            let tail = if word == "VA 0" { "\r\n" } else { "" };
            let reply = format!("{word}{line}{tail}");
            let parsed = Response::parse(reply.as_bytes(), &Limits::default());
            let Ok(Some((
                Response::Hd(flags)
                | Response::Nf(flags)
                | Response::Ns(flags)
                | Response::Ex(flags)
                | Response::Va { flags, .. },
                len,
            ))) = parsed
            else {
                panic!("{parsed:?} of {reply}");
            };
            assert_eq!((said(&flags), len), (expected.clone(), reply.len()), "{reply}");
        }
    }
    // However much of what nobody knows stands before them.
    for len in [0, 1, 250, 300, 2_000] {
        let line = format!(" Q{} c7 Oab s9\r\n", "q".repeat(len));
        let flags = MetaFlags::from_line(line.as_bytes()).expect("flags");
        let said = (flags.cas(), flags.opaque(), flags.size());
        assert_eq!(said, (Some(7), Some(&b"ab"[..]), Some(9)), "{len}");
    }
}

#[test]
fn flags_are_equal_if_they_say_the_same() {
    let flags = |line: &'static [u8]| MetaFlags::from_line(line).expect("flags");
    let all = flags(b" f1 c2 s3 l4 t5 h1 O6 k7 b W X Z\r\n");
    assert_eq!(all, flags(b" Z X W b k7 O6 h1 t5 l4 s3 c2 f1 q v\r\n"));
    for other in [
        &b" f0 c2 s3 l4 t5 h1 O6 k7 b W X Z\r\n"[..],
        b" f1 c0 s3 l4 t5 h1 O6 k7 b W X Z\r\n",
        b" f1 c2 s0 l4 t5 h1 O6 k7 b W X Z\r\n",
        b" f1 c2 s3 l0 t5 h1 O6 k7 b W X Z\r\n",
        b" f1 c2 s3 l4 t0 h1 O6 k7 b W X Z\r\n",
        b" f1 c2 s3 l4 t5 h0 O6 k7 b W X Z\r\n",
        b" f1 c2 s3 l4 t5 h1 O0 k7 b W X Z\r\n",
        b" f1 c2 s3 l4 t5 h1 O6 k0 b W X Z\r\n",
        b" f1 c2 s3 l4 t5 h1 O6 k7 W X Z\r\n",
        b" f1 c2 s3 l4 t5 h1 O6 k7 b X Z\r\n",
        b" f1 c2 s3 l4 t5 h1 O6 k7 b W Z\r\n",
        b" f1 c2 s3 l4 t5 h1 O6 k7 b W X\r\n",
        b"\r\n",
    ] {
        assert_ne!(all, flags(other), "{}", shown(other));
    }
    assert_eq!(MetaFlags::NONE, flags(b"\r\n"));
    assert_eq!(MetaFlags::default(), MetaFlags::NONE);
}

#[test]
fn flags_are_made_of_a_whole_line_and_nothing_else() {
    use ProtocolError::{Malformed, NumberOutOfRange};
    let cases: &[(&[u8], ProtocolError)] = &[
        (b"", Malformed),
        (b" c5", Malformed),
        (b" c5\r", Malformed),
        (b"c5\r\n", Malformed),
        (b" c5\n", Malformed),
        (b" c5\r\n\r\n", Malformed),
        (b" c5 c5\r\n", Malformed),
        (b" c18446744073709551616\r\n", NumberOutOfRange),
    ];
    for (line, error) in cases {
        assert_eq!(MetaFlags::from_line(line), Err(*error), "{}", shown(line));
    }
}

#[test]
fn a_large_value_has_its_flags_with_it() {
    let value: Vec<u8> = (0..251).cycle().take(100_000).collect();
    let wire = [&b"VA 100000 f7 O42 kfoo t-1\r\n"[..], &value, b"\r\nHD O43\r\n"].concat();
    for piece in [100, 1_448, 16 << 10, wire.len()] {
        let mut decoder = Decoder::new(Limits::default());
        let (mut large, mut others) = (0, 0);
        for piece in wire.chunks(piece) {
            deliver_each(&mut decoder, piece, |item| match item {
                Item::LargeVa { flags, value: bytes } => {
                    assert_eq!(flags.client_flags(), Some(Flags::new(7)));
                    assert_eq!((flags.opaque(), flags.ttl()), (Some(&b"42"[..]), Some(-1)));
                    assert_eq!(flags.key(), Some(&b"foo"[..]));
                    assert!(bytes.as_slice() == value);
                    assert!(bytes.take() == value);
                    large += 1;
                }
                Item::Response(Response::Hd(flags)) => {
                    assert_eq!(flags.opaque(), Some(&b"43"[..]));
                    others += 1;
                }
                Item::Response(Response::Va { flags, value: bytes })
                    if piece.len() == wire.len() =>
                {
                    assert!((flags.opaque(), bytes) == (Some(&b"42"[..]), &value[..]));
                    large += 1;
                }
                other => panic!("{other:?}"),
            })
            .expect("nothing is wrong");
        }
        assert_eq!((large, others), (1, 1), "pieces of {piece}");
        assert!(decoder.is_empty());
    }
}

#[test]
fn memory_grows_with_what_arrived_not_with_what_was_announced() {
    check_memory(&format!("VA {} f0 t-1\r\n", (1 << 30) - 1));
}

fn rows() -> Vec<Row> {
    let flags = |line: &'static str| MetaFlags::from_line(line.as_bytes()).expect("flags");
    let va = |line, value| Response::Va { flags: flags(line), value };
    let canonical: Vec<(&[u8], Response<'static>)> = vec![
        (b"HD\r\n", Response::Hd(MetaFlags::NONE)),
        (b"HD O42\r\n", Response::Hd(flags(" O42\r\n"))),
        (
            b"HD f5 c18446744073709551615 s100 l7 t-1 h1 O42 kfoo\r\n",
            Response::Hd(flags(" f5 c18446744073709551615 s100 l7 t-1 h1 O42 kfoo\r\n")),
        ),
        (b"HD kZm9v b O1 c7\r\n", Response::Hd(flags(" kZm9v b O1 c7\r\n"))),
        (b"HD W X Z\r\n", Response::Hd(flags(" W X Z\r\n"))),
        (b"VA 3\r\nbar\r\n", va("\r\n", b"bar")),
        (b"VA 0\r\n\r\n", va("\r\n", b"")),
        (b"VA 0 W\r\n\r\n", va(" W\r\n", b"")),
        (b"VA 5 f0 c123 t-1 O42\r\nhello\r\n", va(" f0 c123 t-1 O42\r\n", b"hello")),
        (b"VA 2 s2 t60 h0 l0\r\n\r\n\r\n", va(" s2 t60 h0 l0\r\n", b"\r\n")),
        (b"VA 1 kfoo\r\n\r\r\n", va(" kfoo\r\n", b"\r")),
        (b"EN\r\n", Response::En(MetaFlags::NONE)),
        (b"EN O9 kfoo\r\n", Response::En(flags(" O9 kfoo\r\n"))),
        (b"NF\r\n", Response::Nf(MetaFlags::NONE)),
        (b"NF O9 kfoo\r\n", Response::Nf(flags(" O9 kfoo\r\n"))),
        (b"NS\r\n", Response::Ns(MetaFlags::NONE)),
        (b"NS O9 b kZm9v\r\n", Response::Ns(flags(" O9 b kZm9v\r\n"))),
        (b"EX\r\n", Response::Ex(MetaFlags::NONE)),
        (b"EX c7 O9\r\n", Response::Ex(flags(" c7 O9\r\n"))),
        (b"MN\r\n", Response::Mn),
        (
            b"ME foo exp=-1 la=5 cas=2 fetch=no cls=1 size=63\r\n",
            Response::Me { key: b"foo", items: b"exp=-1 la=5 cas=2 fetch=no cls=1 size=63" },
        ),
    ];
    let other: Vec<(&[u8], Response<'static>)> = vec![
        (b"HD c5 d12 Yes\r\n", Response::Hd(flags(" c5\r\n"))),
        (b"VA 5 O42 t-1 c123 f0\r\nHD\r\n\0\r\n", va(" f0 c123 t-1 O42\r\n", b"HD\r\n\0")),
        (b"VA 003 f01\r\nbar\r\n", va(" f1\r\n", b"bar")),
        (b"ME foo\r\n", Response::Me { key: b"foo", items: b"" }),
        // What some servers write in place of HD.
        (b"OK O9\r\n", Response::Hd(flags(" O9\r\n"))),
    ];
    let row = |canonical| {
        move |(wire, response): (&[u8], _)| Row { wire: wire.to_vec(), response, canonical }
    };
    let mut rows: Vec<Row> = canonical.into_iter().map(row(true)).collect();
    rows.extend(other.into_iter().map(row(false)));

    // Values about the limit of the shared buffer, of the default limits and of the small ones.
    for len in [15, 16, 17, 100, 1_000, 16_385] {
        let value: &[u8] = b"0123456\r\n".repeat(len / 9 + 1).leak().get(..len).expect("len bytes");
        let line = format!(" O42 f{len} kfoo t-1\r\n").leak();
        let wire = [format!("VA {len}{line}").as_bytes(), value, b"\r\n"].concat();
        rows.push(Row { wire, response: va(line, value), canonical: true });
    }
    rows
}

fn malformed() -> Vec<(Limits, Vec<u8>, ProtocolError)> {
    use ProtocolError::{
        LineTooLong, Malformed, NumberOutOfRange, UnterminatedValue, ValueTooLong,
    };
    let default = Limits::default();
    let max_line = |max_line_len| Limits { max_line_len, ..Limits::default() };
    let max_value = |max_value_len| Limits { max_value_len, ..Limits::default() };
    let long = |head: &[u8], len: usize, tail: &[u8]| [head, &vec![b'x'; len], tail].concat();
    let mut cases: Vec<(Limits, Vec<u8>, ProtocolError)> = vec![
        // Values.
        (default, b"VA 1\r\nvv\r\n".into(), UnterminatedValue),
        (default, b"VA 2 f0\r\nv\r\n\r\n".into(), UnterminatedValue),
        (default, b"VA 1\r\nv\n\r\n".into(), UnterminatedValue),
        (default, b"VA 0 W\r\nHD\r\n".into(), UnterminatedValue),
        (small_limits(), long(b"VA 100 O1\r\n", 100, b"x\r\n"), UnterminatedValue),
        (small_limits(), long(b"VA 100 O1\r\n", 100, b"\rx\n"), UnterminatedValue),
        (default, b"VA 1073741825\r\n".into(), ValueTooLong { len: (1 << 30) + 1 }),
        (default, b"VA 9223372036854775808 c1\r\n".into(), ValueTooLong { len: 1 << 63 }),
        (
            max_value(usize::MAX),
            b"VA 18446744073709551615\r\n".into(),
            ValueTooLong { len: u64::MAX },
        ),
        (max_value(9), b"VA 10 t-1\r\n0123456789\r\n".into(), ValueTooLong { len: 10 }),
        (max_value(0), b"VA 1\r\nv\r\n".into(), ValueTooLong { len: 1 }),
        (default, b"VA 18446744073709551616\r\nv\r\n".into(), NumberOutOfRange),
        // The line of a value.
        (default, b"VA\r\n".into(), Malformed),
        (default, b"VA \r\n".into(), Malformed),
        (default, b"VA  3\r\nbar\r\n".into(), Malformed),
        (default, b"VA -1\r\n\r\n".into(), Malformed),
        (default, b"VA +1\r\nv\r\n".into(), Malformed),
        (default, b"VA 1x\r\nv\r\n".into(), Malformed),
        (default, b"VA f0 1\r\nv\r\n".into(), Malformed),
        (default, b"VA 1f0\r\nv\r\n".into(), Malformed),
        (default, b"VA 1\nv\r\n".into(), Malformed),
        (default, b"VA 1\rv\r\n".into(), Malformed),
        (default, b"VA1\r\nv\r\n".into(), Malformed),
        // Those that carry nothing.
        (default, b"EN\n".into(), Malformed),
        (default, b"ENX\r\n".into(), Malformed),
        (default, b"MN \r\n".into(), Malformed),
        (default, b"MN O1\r\n".into(), Malformed),
        (default, b"MN\n".into(), Malformed),
        (default, b"MNX\r\n".into(), Malformed),
        (default, b"ME\r\n".into(), Malformed),
        (default, b"ME \r\n".into(), Malformed),
        (default, b"ME  a=b\r\n".into(), Malformed),
        (default, b"ME foo a=b\n".into(), Malformed),
        // Words that are none.
        (default, b"HDX\r\n".into(), Malformed),
        (default, b"HDO42\r\n".into(), Malformed),
        (default, b"HX\r\n".into(), Malformed),
        (default, b"NFX\r\n".into(), Malformed),
        (default, b"NSX\r\n".into(), Malformed),
        (default, b"EXX\r\n".into(), Malformed),
        (default, b"MX\r\n".into(), Malformed),
        (default, b"hd\r\n".into(), Malformed),
        // Lines too long.
        (default, long(b"HD O", 2_045, b"\r\n"), LineTooLong { max: 2_048 }),
        (default, long(b"VA 1 k", 10_000, b"\r\nv\r\n"), LineTooLong { max: 2_048 }),
        (default, long(b"EX O", 2_047, b""), LineTooLong { max: 2_048 }),
        (default, [&b"HD"[..], &[b' '; 3_000], b"\r\n"].concat(), LineTooLong { max: 2_048 }),
        (max_line(1), b"HD\r\n".into(), LineTooLong { max: 1 }),
        (max_line(1), b"EN\r\n".into(), LineTooLong { max: 1 }),
        (max_line(6), b"VA 1 c7\r\nv\r\n".into(), LineTooLong { max: 6 }),
        (max_line(5), b"HD O42 c\n".into(), LineTooLong { max: 5 }),
    ];
    for (flags, error) in [
        // A text that is missing, is none, or does not fit.
        ("f", Malformed),
        ("c", Malformed),
        ("s", Malformed),
        ("l", Malformed),
        ("t", Malformed),
        ("h", Malformed),
        ("O", Malformed),
        ("k", Malformed),
        ("f1x", Malformed),
        ("f-1", Malformed),
        ("c+1", Malformed),
        ("sx", Malformed),
        ("l1.5", Malformed),
        ("t-", Malformed),
        ("t--1", Malformed),
        ("t+1", Malformed),
        ("t1x", Malformed),
        ("h2", Malformed),
        ("h01", Malformed),
        ("hx", Malformed),
        ("f18446744073709551616", NumberOutOfRange),
        ("c99999999999999999999999999", NumberOutOfRange),
        ("s18446744073709551616", NumberOutOfRange),
        ("l18446744073709551616", NumberOutOfRange),
        ("t9223372036854775808", NumberOutOfRange),
        ("t-9223372036854775809", NumberOutOfRange),
        ("t18446744073709551616", NumberOutOfRange),
        // A text where there is none.
        ("b1", Malformed),
        ("W1", Malformed),
        ("X1", Malformed),
        ("Z1", Malformed),
        // A flag that is no letter.
        ("1", Malformed),
        ("=5", Malformed),
        ("\u{e9}", Malformed),
        ("@", Malformed),
        ("[", Malformed),
        ("`", Malformed),
        ("{", Malformed),
        // A flag twice.
        ("f1 f1", Malformed),
        ("c1 c2", Malformed),
        ("O1 c5 O1", Malformed),
        ("W W", Malformed),
        ("q1 q2", Malformed),
        // Control characters.
        ("O4\x002", Malformed),
        ("O4\t2", Malformed),
        ("Oabcdefghijk\x012", Malformed),
        ("O4\r2", Malformed),
        ("O4\n2", Malformed),
        ("kfoo\x01", Malformed),
        ("Q\0", Malformed),
        ("\t", Malformed),
        ("c1\tc2", Malformed),
        ("c1\n", Malformed),
        ("W\0", Malformed),
    ] {
        for (word, behind) in [("HD", ""), ("VA 1", "v\r\n"), ("NF", ""), ("NS", ""), ("EX", "")] {
            cases.push((default, format!("{word} {flags}\r\n{behind}").into(), error));
            cases.push((default, format!("{word} M5 {flags} Q\r\n{behind}").into(), error));
        }
    }
    cases
}

/// Flags with their words, in any order, some that nobody knows among them.
fn flags() -> impl Strategy<Value = (String, Said)> {
    let word = "[!-~\u{e9}]{1,40}";
    let numbers = (
        any::<Option<u64>>(),
        any::<Option<u64>>(),
        any::<Option<u64>>(),
        any::<Option<u64>>(),
        any::<Option<i64>>(),
    );
    let rest = (
        any::<Option<bool>>(),
        proptest::option::of(word),
        proptest::option::of(word),
        any::<[bool; 4]>(),
        proptest::option::of("[aedgijmnopqruvwxyzA-LMNPQRSTUVY][!-~]{0,20}"),
    );
    (numbers, rest).prop_flat_map(|((f, c, s, l, t), (h, o, k, set, unknown))| {
        let mut words = Vec::new();
        let numbers = [('f', f), ('c', c), ('s', s), ('l', l)];
        words.extend(numbers.iter().filter_map(|(l, n)| n.map(|n| format!(" {l}{n}"))));
        words.extend(t.map(|t| format!(" t{t}")));
        words.extend(h.map(|h| format!(" h{}", u8::from(h))));
        words.extend(o.as_ref().map(|o| format!(" O{o}")));
        words.extend(k.as_ref().map(|k| format!(" k{k}")));
        let letters = ['b', 'W', 'X', 'Z'].into_iter().zip(set);
        words.extend(letters.filter(|&(_, set)| set).map(|(letter, _)| format!(" {letter}")));
        words.extend(unknown.map(|unknown| format!(" {unknown}")));
        let said = Said {
            client_flags: f,
            cas: c,
            size: s,
            ttl: t,
            last_access: l,
            was_hit: h,
            opaque: o.map(String::into_bytes),
            key: k.map(String::into_bytes),
            set,
        };
        Just(words).prop_shuffle().prop_map(move |words| (words.concat() + "\r\n", said.clone()))
    })
}

/// Cuts bytes into pieces of these lengths, over and over.
fn cut<'a>(mut bytes: &'a [u8], lens: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for len in lens.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at(bytes.len().min(*len));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

proptest! {
    #[test]
    fn flags_in_any_order_say_what_they_are((line, expected) in flags(), word in 0..6_usize, value: Vec<u8>) {
        let flags = MetaFlags::from_line(line.as_bytes()).expect("flags");
        prop_assert_eq!(&said(&flags), &expected);
        let reply = match word {
            0 => Response::Hd(flags),
            1 => Response::Nf(flags),
            2 => Response::Ns(flags),
            3 => Response::Ex(flags),
            4 => Response::En(flags),
            _ => Response::Va { flags, value: &value },
        };
        let mut wire = Vec::new();
        reply.encode(&mut wire);
        let len = wire.len();
        prop_assert_eq!(Response::parse(&wire, &Limits::default()), Ok(Some((reply, len))));
        for cut in 0..len {
            prop_assert_eq!(Response::parse(&wire[..cut], &Limits::default()), Ok(None));
        }
    }

    #[test]
    fn replies_read_as_themselves_in_any_pieces(
        replies in proptest::collection::vec((flags(), 0..3_usize, 0..40_000_usize, 0..4_usize), 1..6),
        lens in proptest::collection::vec(1..20_000_usize, 1..5),
        inline_value_len in 0..20_000_usize,
    ) {
        let value: Vec<u8> = (0..=255).cycle().take(40_000).collect();
        let limits = Limits { inline_value_len, ..Limits::default() };
        let mut expected = Vec::new();
        for ((line, _), word, len, small) in &replies {
            let flags = MetaFlags::from_line(line.as_bytes()).expect("flags");
            // Most values are small.
            let len = if *small == 0 { *len } else { len % 50 };
            expected.push(match word {
                0 => Response::Hd(flags),
                1 => Response::En(flags),
                _ => Response::Va { flags, value: &value[..len] },
            });
        }
        let mut wire = Vec::new();
        expected.iter().for_each(|reply| reply.encode(&mut wire));
        let decoder = check_stream(&limits, &cut(&wire, &lens), &expected, "any pieces");
        prop_assert!(decoder.is_empty());
    }

    #[test]
    fn any_bytes_are_a_reply_or_an_error(
        word in prop_oneof![
            Just(""), Just("HD"), Just("HD "), Just("VA "), Just("VA 1 "), Just("NF "), Just("NS "),
            Just("EX "), Just("EN"), Just("MN"), Just("ME "),
        ],
        tail in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..60),
            "[ fcstlhOkbWXZq0-9\\-\r\n]{0,60}".prop_map(String::into_bytes),
        ],
        lens in proptest::collection::vec(1..10_usize, 1..5),
    ) {
        let wire = [word.as_bytes(), &tail].concat();
        let limits = small_limits();
        let mut rest = &wire[..];
        let mut seen = Vec::new();
        let end = loop {
            match Response::parse(rest, &limits) {
                Ok(Some((reply, len))) => {
                    // What can be read can be written and read again.
                    let mut again = Vec::new();
                    reply.encode(&mut again);
                    let parsed = Response::parse(&again, &limits);
                    prop_assert_eq!(parsed, Ok(Some((reply, again.len()))));
                    seen.push(shown(&again));
                    rest = &rest[len..];
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        for pieces in [cut(&wire, &lens), bytes_of(&wire)] {
            let mut decoder = Decoder::new(limits);
            let mut items = Vec::new();
            let error = pieces.iter().find_map(|piece| {
                deliver_each(&mut decoder, piece, |item| {
                    let mut again = Vec::new();
                    match item {
                        Item::Response(reply) => reply.encode(&mut again),
                        Item::LargeVa { flags, value } => {
                            Response::Va { flags, value: value.as_slice() }.encode(&mut again);
                        }
                        Item::LargeValue { key, flags, cas, value } => {
                            let value = value.as_slice();
                            Response::Value { key, flags, cas, value }.encode(&mut again);
                        }
                    }
                    items.push(shown(&again));
                })
                .err()
            });
            prop_assert_eq!(&items, &seen);
            // A decoder that waits for the end of a line need not see yet that the line is wrong.
            prop_assert!(error == end || error.is_none() && !rest.contains(&b'\n'));
        }
    }
}
