//! Every command encodes to these bytes and no others, and parses back from them: whole, cut at any
//! point, and with the bytes of another command behind.

use memcache_proto::codec::{
    Command, CommandError, Keys, MetadumpTarget, Refusal, StatsArgument, StoreVerb,
};
use memcache_proto::value::Flags;
use memcache_proto::{Exptime, Key, Limits};

fn key(text: &str) -> Key<'_> {
    Key::new(text).expect("a valid key")
}

fn store(verb: StoreVerb, value: &'static [u8], noreply: bool) -> Command<'static> {
    let (flags, exptime) = (Flags::new(5), Exptime::from_wire(60));
    Command::Store { verb, key: key("k"), flags, exptime, value, noreply }
}

fn cases() -> Vec<(Command<'static>, &'static [u8])> {
    let k = key("k");
    let keys: &'static [Key<'static>] = Vec::leak(vec![key("foo"), key("b:\u{e9}"), key("foo")]);
    let exptime = Exptime::from_wire(-1);
    let stats = Command::Stats;
    vec![
        (Command::Get { keys: Keys::new(&keys[..1]), cas: false }, b"get foo\r\n"),
        (Command::Get { keys: Keys::new(keys), cas: true }, b"gets foo b:\xc3\xa9 foo\r\n"),
        (Command::Gat { exptime, keys: Keys::new(&keys[..1]), cas: false }, b"gat -1 foo\r\n"),
        (
            Command::Gat { exptime, keys: Keys::new(keys), cas: true },
            b"gats -1 foo b:\xc3\xa9 foo\r\n",
        ),
        (store(StoreVerb::Set, b"", false), b"set k 5 60 0\r\n\r\n"),
        (store(StoreVerb::Set, b"a\r\nget b\r\n", false), b"set k 5 60 10\r\na\r\nget b\r\n\r\n"),
        (store(StoreVerb::Add, b"1", true), b"add k 5 60 1 noreply\r\n1\r\n"),
        (store(StoreVerb::Replace, b"1", false), b"replace k 5 60 1\r\n1\r\n"),
        (store(StoreVerb::Append, b"1", false), b"append k 5 60 1\r\n1\r\n"),
        (store(StoreVerb::Prepend, b"1", false), b"prepend k 5 60 1\r\n1\r\n"),
        (store(StoreVerb::Cas(7), b"1", false), b"cas k 5 60 1 7\r\n1\r\n"),
        (
            store(StoreVerb::Cas(u64::MAX), b"1", true),
            b"cas k 5 60 1 18446744073709551615 noreply\r\n1\r\n",
        ),
        (Command::Delete { key: k, noreply: false }, b"delete k\r\n"),
        (Command::Delete { key: k, noreply: true }, b"delete k noreply\r\n"),
        (Command::Incr { key: k, delta: 1, noreply: false }, b"incr k 1\r\n"),
        (
            Command::Incr { key: k, delta: u64::MAX, noreply: true },
            b"incr k 18446744073709551615 noreply\r\n",
        ),
        (Command::Decr { key: k, delta: 0, noreply: false }, b"decr k 0\r\n"),
        (Command::Decr { key: k, delta: 9, noreply: true }, b"decr k 9 noreply\r\n"),
        (Command::Touch { key: k, exptime, noreply: false }, b"touch k -1\r\n"),
        (Command::Touch { key: k, exptime, noreply: true }, b"touch k -1 noreply\r\n"),
        (Command::FlushAll { delay: None, noreply: false }, b"flush_all\r\n"),
        (Command::FlushAll { delay: None, noreply: true }, b"flush_all noreply\r\n"),
        (Command::FlushAll { delay: Some(exptime), noreply: false }, b"flush_all -1\r\n"),
        (Command::FlushAll { delay: Some(exptime), noreply: true }, b"flush_all -1 noreply\r\n"),
        (Command::Version, b"version\r\n"),
        (Command::Verbosity { level: 1, noreply: false }, b"verbosity 1\r\n"),
        (
            Command::Verbosity { level: u32::MAX, noreply: true },
            b"verbosity 4294967295 noreply\r\n",
        ),
        (Command::CacheMemlimit { megabytes: 64, noreply: false }, b"cache_memlimit 64\r\n"),
        (Command::CacheMemlimit { megabytes: 64, noreply: true }, b"cache_memlimit 64 noreply\r\n"),
        (Command::Quit, b"quit\r\n"),
        (Command::Shutdown { graceful: false }, b"shutdown\r\n"),
        (Command::Shutdown { graceful: true }, b"shutdown graceful\r\n"),
        (stats(StatsArgument::General), b"stats\r\n"),
        (stats(StatsArgument::Items), b"stats items\r\n"),
        (stats(StatsArgument::Slabs), b"stats slabs\r\n"),
        (stats(StatsArgument::Sizes), b"stats sizes\r\n"),
        (stats(StatsArgument::Settings), b"stats settings\r\n"),
        (stats(StatsArgument::Conns), b"stats conns\r\n"),
        (stats(StatsArgument::Reset), b"stats reset\r\n"),
        (stats(StatsArgument::DetailOn), b"stats detail on\r\n"),
        (stats(StatsArgument::DetailOff), b"stats detail off\r\n"),
        (stats(StatsArgument::DetailDump), b"stats detail dump\r\n"),
        (stats(StatsArgument::Cachedump { class: 1, limit: 0 }), b"stats cachedump 1 0\r\n"),
        (stats(StatsArgument::Other(key("sizes_enable"))), b"stats sizes_enable\r\n"),
        (Command::ConfigGet(key("cluster")), b"config get cluster\r\n"),
        (Command::Metadump(MetadumpTarget::All), b"lru_crawler metadump all\r\n"),
        (Command::Metadump(MetadumpTarget::Hash), b"lru_crawler metadump hash\r\n"),
        (Command::Metadump(MetadumpTarget::Class(3)), b"lru_crawler metadump 3\r\n"),
    ]
}

#[test]
fn every_command_encodes_and_parses_back() {
    let limits = Limits::default();
    for (command, wire) in cases() {
        let shown = wire.escape_ascii();
        let mut out = Vec::new();
        command.encode(&mut out);
        assert_eq!(out.escape_ascii().to_string(), shown.to_string());
        assert_eq!(Command::parse(wire, &limits), Ok(Some((command, wire.len()))), "{shown}");
        for cut in 0..wire.len() {
            assert_eq!(Command::parse(&wire[..cut], &limits), Ok(None), "{shown} cut at {cut}");
        }
        for behind in [&b"get"[..], b"\r\n", b"set k 0 0 1\r\n1\r\n"] {
            let input = [wire, behind].concat();
            assert_eq!(Command::parse(&input, &limits), Ok(Some((command, wire.len()))), "{shown}");
        }
    }
}

#[test]
fn a_line_is_read_as_leniently_as_memcached_reads_it() {
    let k = key("k");
    let limits = Limits::default();
    let cases: Vec<(&[u8], Command<'_>)> = vec![
        (b"  delete   k  \r\n", Command::Delete { key: k, noreply: false }),
        (b"delete k\n", Command::Delete { key: k, noreply: false }),
        (b"delete k 0 noreply\r\n", Command::Delete { key: k, noreply: true }),
        (b"delete k\0 and so on\r\n", Command::Delete { key: k, noreply: false }),
        (b"incr k +5\t\r\n", Command::Incr { key: k, delta: 5, noreply: false }),
        (b"incr k -18446744073709551615\n", Command::Incr { key: k, delta: 1, noreply: false }),
        (b"incr k 1 please\r\n", Command::Incr { key: k, delta: 1, noreply: false }),
        (b"config  get k \n", Command::ConfigGet(k)),
        (b"bget k\r\n", Command::Get { keys: Keys::one(&k), cas: false }),
        (b"version 1 2 3\r\n", Command::Version),
        (b"set k 005 60 4294967297\r\n1\r\n", store(StoreVerb::Set, b"1", false)),
        (b"set k 5 4294967356 1 \n1\r\n", store(StoreVerb::Set, b"1", false)),
    ];
    for (wire, command) in cases {
        let shown = wire.escape_ascii();
        assert_eq!(Command::parse(wire, &limits), Ok(Some((command, wire.len()))), "{shown}");
    }
}

#[test]
fn what_is_no_command_is_refused_with_its_length() {
    let limits = Limits { max_value_len: 1000, ..Limits::default() };
    let long = "k".repeat(251);
    let cases = [
        ("\r\n", Refusal::Unknown, false),
        ("x\r\n", Refusal::Unknown, false),
        ("bogus noreply\r\n", Refusal::Unknown, false),
        ("SET k 0 0 1\r\n", Refusal::Unknown, false),
        ("get\r\n", Refusal::Unknown, false),
        ("set k 0 0\r\n", Refusal::Unknown, false),
        ("incr k 1 2 3\r\n", Refusal::Unknown, false),
        ("lru_crawler crawl all\r\n", Refusal::Unknown, false),
        ("config\r\n", Refusal::Unknown, false),
        ("config get\r\n", Refusal::Unknown, false),
        ("config set cluster\r\n", Refusal::Unknown, false),
        ("config get cluster now\r\n", Refusal::Unknown, false),
        (&format!("config get {long}\r\n"), Refusal::Unknown, false),
        (&format!("get a {long}\r\n"), Refusal::BadFormat, false),
        (&format!("delete {long}\r\n"), Refusal::BadFormat, false),
        ("set k x 0 1 noreply\r\n", Refusal::BadFormat, true),
        ("set k 0 0 -1\r\n", Refusal::BadFormat, false),
        ("set k 0 0 2147483646\r\n", Refusal::BadFormat, false),
        ("cas k 0 0 1 x\r\n", Refusal::BadFormat, false),
        ("verbosity x\r\n", Refusal::BadFormat, false),
        ("delete k 1\r\n", Refusal::BadDelete, false),
        ("delete k 1 noreply\r\n", Refusal::BadDelete, true),
        ("touch k x\r\n", Refusal::BadExptime, false),
        ("gat x k\r\n", Refusal::BadExptime, false),
        ("flush_all x noreply\r\n", Refusal::BadExptime, true),
        ("incr k -1\r\n", Refusal::BadDelta, false),
        ("decr k noreply\r\n", Refusal::BadDelta, true),
        ("stats detail\r\n", Refusal::BadDetail, false),
        ("stats cachedump 1\r\n", Refusal::BadLine, false),
        ("shutdown now\r\n", Refusal::BadShutdownMode, false),
        ("lru_crawler metadump x\r\n", Refusal::BadClass, false),
        ("set k 0 0 1\r\n123", Refusal::BadDataChunk, false),
        ("set k 0 0 1 noreply\r\n1\n\n", Refusal::BadDataChunk, true),
    ];
    for (wire, refusal, noreply) in cases {
        let len = wire.len();
        let expected = Err(CommandError::Refused { refusal, noreply, len });
        assert_eq!(Command::parse(wire.as_bytes(), &limits), expected, "{wire:?}");
        let behind = [wire.as_bytes(), b"get k\r\n"].concat();
        assert_eq!(Command::parse(&behind, &limits), expected, "{wire:?} and more");
    }
    let wide = b"set k 0 0 1001 noreply\r\n";
    let expected = CommandError::ValueTooLong { value_len: 1001, noreply: true, len: 24 + 1003 };
    assert_eq!(Command::parse(wide, &limits), Err(expected));
    assert_eq!(Command::parse(b"POST / HTTP/1.1\r\n", &limits), Err(CommandError::Http));
}

#[test]
fn only_a_get_may_have_a_long_line() {
    let limits = Limits { max_queued_bytes: 5_000, ..Limits::default() };
    let too_long = |max| Err(CommandError::LineTooLong { max });
    let line = |head: &str, len: usize| [head.as_bytes(), &vec![b' '; len - head.len()]].concat();
    assert_eq!(Command::parse(&line("version", 2_048), &limits), Ok(None));
    assert_eq!(Command::parse(&line("version", 2_049), &limits), too_long(2_048));
    let ended = [line("version", 2_049), b"\n".to_vec()].concat();
    assert_eq!(Command::parse(&ended, &limits), too_long(2_048));
    assert_eq!(Command::parse(&line("get k", 5_000), &limits), Ok(None));
    assert_eq!(Command::parse(&line(" gets k", 5_000), &limits), Ok(None));
    assert_eq!(Command::parse(&line("get k", 5_001), &limits), too_long(5_000));
    assert_eq!(Command::parse(&line("gat 0 k", 2_049), &limits), too_long(2_048));
}

#[test]
fn a_line_of_any_limit_is_judged_alike_in_pieces() {
    let words = ["get k", "gets k", "get", "getx k", "version", "gat 0 k"];
    for max_line_len in (0..=110).chain([usize::MAX]) {
        let limits = Limits { max_line_len, max_queued_bytes: 150, ..Limits::default() };
        for spaces in [0, 1, 5, 90, 95, 98, 99, 100, 101, 104, 105, 106] {
            for (word, end) in words.iter().flat_map(|word| [(word, "\n"), (word, "\r\n")]) {
                for behind in [0, 1, 40, 60] {
                    let line = [" ".repeat(spaces), (*word).into(), " ".repeat(behind)].concat();
                    let wire = [line.as_bytes(), end.as_bytes()].concat();
                    let whole = Command::parse(&wire, &limits);
                    let mut prefixes = (0..=wire.len()).map(|len| &wire[..len]);
                    let first = prefixes.find_map(|prefix| {
                        let parsed = Command::parse(prefix, &limits);
                        (parsed != Ok(None)).then_some(parsed)
                    });
                    assert_eq!(first, Some(whole), "{line:?}, {max_line_len}");
                }
            }
        }
    }
}

#[test]
fn a_get_may_be_as_long_as_any_other_line() {
    let limits = Limits { max_queued_bytes: 0, ..Limits::default() };
    let keys = "k".repeat(200) + " ";
    let line = format!("get {}\r\n", keys.repeat(10));
    assert!(matches!(Command::parse(line.as_bytes(), &limits), Ok(Some(_))));
}
