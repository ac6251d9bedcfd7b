//! What the codec costs, each case beside a floor that is measured in the same run.
//!
//! `cargo bench -p memcache-tests --bench codec [part of a name]`
//!
//! The floor is a parser written by hand for the case at hand: it checks framing and numbers, borrows
//! what it finds, and does nothing else. Where input comes in pieces it also copies them into a
//! buffer that it keeps. Floor and codec take turns in short batches and the ratio is the median of
//! the ratios of neighbours, so that a busy machine slows both alike.

use std::env;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use memcache_proto::codec::{
    Chunks, Command, Decoder, Item, Keys, MetaGet, MetaKey, MetaSet, Response, StoreVerb, Token,
};
use memcache_proto::value::Flags;
use memcache_proto::{Exptime, Key, Limits};

/// One read of a socket, in bytes, where a case does not say otherwise.
const PIECE: usize = 16 << 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let mut report = Report {
        // Without `--bench` this is `cargo test`: see that every case runs, and measure nothing.
        rounds: if arguments.iter().any(|argument| argument == "--bench") { 400 } else { 1 },
        filter: arguments.into_iter().find(|argument| !argument.starts_with('-')),
        missed: 0,
    };
    println!(
        "{:<48} {:>10} {:>10} {:>7} {:>7} {:>7}",
        "case", "floor ns", "ns", "ratio", "target", "allocs"
    );
    values(&mut report);
    pieces(&mut report);
    lines(&mut report);
    meta(&mut report);
    encoding(&mut report);
    println!("{} missed", report.missed);
    ExitCode::SUCCESS
}

fn values(report: &mut Report) {
    let limits = Limits::default();
    for (count, name, target) in
        [(1, "1 VALUE of 100 bytes", 1.5), (100, "100 VALUEs of 100 bytes", 1.2)]
    {
        let wire = reply(count, 100);
        report.row(
            &format!("{name}, borrowed, Response::parse"),
            Some(target),
            || floor::values(black_box(&wire)),
            || {
                let mut input = &black_box(&wire)[..];
                while let Ok(Some((response, len))) = Response::parse(input, &limits) {
                    match response {
                        Response::Value { key, flags, cas, value } => {
                            black_box((key, flags, cas, value));
                        }
                        Response::End => break,
                        _ => panic!("a VALUE or END"),
                    }
                    input = &input[len..];
                }
            },
        );
        let mut buffer = Vec::new();
        let mut decoder = Decoder::new(limits);
        report.row(
            &format!("{name}, borrowed, Decoder"),
            Some(target),
            || floor::pieces(&mut buffer, black_box(&wire), wire.len(), floor::values),
            || {
                deliver(&mut decoder, black_box(&wire), wire.len(), borrow);
            },
        );
    }

    let wire = reply(100, 100);
    let mut buffer = Vec::new();
    let mut decoder = Decoder::new(limits);
    let mut chunks = Chunks::new();
    let mut kept: Vec<(Flags, Option<u64>, Bytes)> = Vec::new();
    report.row(
        "100 VALUEs of 100 bytes, owned",
        Some(1.9),
        || floor::pieces(&mut buffer, black_box(&wire), wire.len(), floor::values),
        || {
            kept.clear();
            let space = decoder.space();
            space[..wire.len()].copy_from_slice(black_box(&wire));
            decoder.filled(wire.len());
            loop {
                let hint = decoder.buffered();
                match decoder.next() {
                    Ok(Some(Item::Response(Response::Value { flags, cas, value, .. }))) => {
                        kept.push((flags, cas, chunks.copy(value, hint)));
                    }
                    Ok(Some(Item::Response(Response::End))) => {}
                    Ok(None) => break,
                    other => panic!("{other:?}"),
                }
            }
            black_box(&kept);
        },
    );
}

fn pieces(report: &mut Report) {
    let limits = Limits::default();
    let wire = reply(1, 1 << 20);
    let mut buffer = Vec::new();
    let mut decoder = Decoder::new(limits);
    report.row(
        "1 MiB value in 16 KiB pieces, read in place",
        Some(1.2),
        || floor::pieces(&mut buffer, black_box(&wire), PIECE, floor::values),
        || {
            deliver(&mut decoder, black_box(&wire), PIECE, borrow);
        },
    );
    let mut decoder = Decoder::new(limits);
    report.row(
        "1 MiB value in 16 KiB pieces, taken",
        Some(1.2),
        || {
            let mut buffer = Vec::new();
            floor::pieces(&mut buffer, black_box(&wire), PIECE, floor::values);
            black_box(buffer);
        },
        || {
            deliver(&mut decoder, black_box(&wire), PIECE, |item| {
                if let Item::LargeValue { value, .. } = item {
                    black_box(value.take());
                }
            });
        },
    );

    let wire = reply(1_000, 1 << 10);
    for piece in [1_448, 4_096, PIECE, 65_536] {
        let mut buffer = Vec::new();
        let mut decoder = Decoder::new(limits);
        report.row(
            &format!("1,000 values of 1 KiB in pieces of {piece}"),
            (piece == PIECE).then_some(1.1),
            || floor::pieces(&mut buffer, black_box(&wire), piece, floor::values),
            || {
                deliver(&mut decoder, black_box(&wire), piece, borrow);
            },
        );
        let mut whole = Decoder::new(limits);
        report.row(
            "    the same, beside itself delivered whole",
            Some(1.2),
            || {
                deliver(&mut whole, black_box(&wire), wire.len(), borrow);
            },
            || {
                deliver(&mut decoder, black_box(&wire), piece, borrow);
            },
        );
    }
}

fn lines(report: &mut Report) {
    let limits = Limits::default();
    let stored = b"STORED\r\n".repeat(1_000);
    let stats: Vec<u8> =
        STATS.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect();
    let stats = [&stats[..], b"END\r\n"].concat();

    report.row(
        "1,000 STORED, Response::parse",
        Some(6.0),
        || floor::stored(black_box(&stored)),
        || {
            let (mut input, mut count) = (&black_box(&stored)[..], 0);
            while let Ok(Some((Response::Stored, len))) = Response::parse(input, &limits) {
                input = &input[len..];
                count += 1;
            }
            assert_eq!(black_box(count), 1_000);
        },
    );
    let mut buffer = Vec::new();
    let mut decoder = Decoder::new(limits);
    report.row(
        "1,000 STORED, Decoder",
        Some(6.0),
        || floor::pieces(&mut buffer, black_box(&stored), stored.len(), floor::stored),
        || {
            let mut count = 0;
            deliver(&mut decoder, black_box(&stored), stored.len(), |item| {
                if let Item::Response(Response::Stored) = item {
                    count += 1;
                }
            });
            assert_eq!(black_box(count), 1_000);
        },
    );
    report.row(
        "80 STAT lines, Response::parse",
        Some(1.1),
        || floor::stats(black_box(&stats)),
        || {
            let mut input = &black_box(&stats)[..];
            while let Ok(Some((response, len))) = Response::parse(input, &limits) {
                match response {
                    Response::Stat { name, value } => {
                        black_box((name, value));
                    }
                    Response::End => break,
                    _ => panic!("a STAT or END"),
                }
                input = &input[len..];
            }
        },
    );
    let mut decoder = Decoder::new(limits);
    report.row(
        "80 STAT lines, Decoder",
        Some(1.1),
        || floor::pieces(&mut buffer, black_box(&stats), stats.len(), floor::stats),
        || {
            deliver(&mut decoder, black_box(&stats), stats.len(), borrow);
        },
    );
}

/// Meta replies, one of them at a time, as a get of one key has it, and many behind each other.
fn meta(report: &mut Report) {
    let limits = Limits::default();
    for (name, line, count) in [
        ("1 VA with four flags", "VA 5 f0 c123 t-1 O42\r\nhello\r\n", 1),
        ("100 VA with four flags", "VA 5 f0 c123 t-1 O42\r\nhello\r\n", 100),
        ("1 HD", "HD\r\n", 1),
        ("100 HD", "HD\r\n", 100),
        ("1 HD with an opaque", "HD O42\r\n", 1),
        ("100 HD with an opaque", "HD O42\r\n", 100),
    ] {
        let wire = line.as_bytes().repeat(count);
        report.row(
            &format!("{name}, Response::parse"),
            Some(1.3),
            || floor::metas(black_box(&wire)),
            || {
                let mut input = &black_box(&wire)[..];
                while let Ok(Some((response, len))) = Response::parse(input, &limits) {
                    borrow_meta(response);
                    input = &input[len..];
                }
            },
        );
        let mut buffer = Vec::new();
        let mut decoder = Decoder::new(limits);
        report.row(
            &format!("{name}, Decoder"),
            None,
            || floor::pieces(&mut buffer, black_box(&wire), wire.len(), floor::metas),
            || {
                deliver(&mut decoder, black_box(&wire), wire.len(), |item| match item {
                    Item::Response(response) => borrow_meta(response),
                    other => panic!("{other:?}"),
                });
            },
        );
    }

    let value = vec![b'v'; 1 << 20];
    let wire = [&b"VA 1048576 f0 c123 t-1 O42\r\n"[..], &value, b"\r\n"].concat();
    let mut buffer = Vec::new();
    let mut decoder = Decoder::new(limits);
    report.row(
        "VA of 1 MiB in 16 KiB pieces, read in place",
        Some(1.2),
        || floor::pieces(&mut buffer, black_box(&wire), PIECE, floor::metas),
        || {
            deliver(&mut decoder, black_box(&wire), PIECE, |item| match item {
                Item::LargeVa { flags, value } => {
                    borrow_meta(Response::Va { flags, value: value.as_slice() });
                }
                other => panic!("{other:?}"),
            });
        },
    );
}

fn encoding(report: &mut Report) {
    let names: Vec<String> = (0..100).map(|n| format!("session:{:05}", n * 977)).collect();
    let keys: Vec<Key<'_>> = names.iter().map(|name| Key::new(name).expect("a key")).collect();
    let value = [b'v'; 100];
    let (mut theirs, mut ours) = (Vec::with_capacity(8 << 10), Vec::with_capacity(8 << 10));

    for (count, name, target) in [(1, "encode get", 1.3), (100, "encode get of 100 keys", 0.9)] {
        let keys = &keys[..count];
        report.row(
            name,
            Some(target),
            || {
                theirs.clear();
                floor::encode_get(&mut theirs, black_box(keys));
                black_box(&theirs);
            },
            || {
                ours.clear();
                Command::Get { keys: Keys::new(black_box(keys)), cas: false }.encode(&mut ours);
                black_box(&ours);
            },
        );
        assert_eq!(theirs, ours);
    }
    report.row(
        "encode set of 100 bytes",
        Some(1.2),
        || {
            theirs.clear();
            floor::encode_set(&mut theirs, black_box(keys[7]), black_box(5), black_box(60), &value);
            black_box(&theirs);
        },
        || {
            ours.clear();
            Command::Store {
                verb: StoreVerb::Set,
                key: black_box(keys[7]),
                flags: Flags::new(black_box(5)),
                exptime: Exptime::from_wire(black_box(60)),
                value: &value,
                noreply: false,
            }
            .encode(&mut ours);
            black_box(&ours);
        },
    );
    assert_eq!(theirs, ours);

    let meta_key = MetaKey::from(keys[7]);
    report.row(
        "encode mg with four flags",
        Some(1.3),
        || {
            theirs.clear();
            floor::encode_mg(&mut theirs, black_box(keys[7]), black_box(b"vfc"), black_box(42));
            black_box(&theirs);
        },
        || {
            ours.clear();
            let get = MetaGet::new(black_box(meta_key)).value().client_flags().cas();
            Command::MetaGet(get.opaque(Token::number(black_box(42)))).encode(&mut ours);
            black_box(&ours);
        },
    );
    assert_eq!(theirs, ours);
    report.row(
        "encode ms of 100 bytes",
        Some(1.3),
        || {
            theirs.clear();
            floor::encode_ms(&mut theirs, black_box(keys[7]), black_box(5), black_box(60), &value);
            black_box(&theirs);
        },
        || {
            ours.clear();
            let set = MetaSet::set(black_box(meta_key), &value)
                .client_flags(Flags::new(black_box(5)))
                .exptime(Exptime::from_wire(black_box(60)));
            Command::MetaSet(set).encode(&mut ours);
            black_box(&ours);
        },
    );
    assert_eq!(theirs, ours);
}

/// Delivers `wire` as reads of at most `piece` bytes, and takes all items after each.
fn deliver(decoder: &mut Decoder, mut wire: &[u8], piece: usize, mut item: impl FnMut(Item<'_>)) {
    while !wire.is_empty() {
        let space = decoder.space();
        let (read, rest) = wire.split_at(wire.len().min(piece).min(space.len()));
        space[..read.len()].copy_from_slice(read);
        decoder.filled(read.len());
        wire = rest;
        while let Some(found) = decoder.next().expect("a well-formed reply") {
            item(found);
        }
    }
}

/// Looks at what an item holds.
fn borrow(item: Item<'_>) {
    match item {
        Item::Response(Response::Value { key, flags, cas, value }) => {
            black_box((key, flags, cas, value));
        }
        Item::Response(Response::Stat { name, value }) => {
            black_box((name, value));
        }
        Item::Response(Response::End) => {}
        Item::Response(response) => panic!("{response:?}"),
        Item::LargeValue { key, flags, cas, value } => {
            black_box((key, flags, cas, value.as_slice()));
        }
        Item::LargeVa { .. } => panic!("a VALUE, STAT or END was expected"),
    }
}

/// Looks at what a meta reply holds.
#[inline(always)]
fn borrow_meta(response: Response<'_>) {
    let (flags, value) = match response {
        Response::Hd(flags) => (flags, None),
        Response::Va { flags, value } => (flags, Some(value)),
        response => panic!("{response:?}"),
    };
    black_box((flags.client_flags(), flags.cas(), flags.ttl(), flags.opaque()));
    black_box(value);
}

/// The reply to a get of `count` keys, all of them found.
fn reply(count: usize, len: usize) -> Vec<u8> {
    let value = vec![b'v'; len];
    let mut wire = Vec::new();
    for n in 0..count {
        wire.extend_from_slice(format!("VALUE session:{n:05} {} {len}\r\n", n % 20).as_bytes());
        wire.extend_from_slice(&value);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"END\r\n");
    wire
}

/// The reply of a memcached 1.6 to `stats`.
const STATS: [&str; 80] = [
    "STAT pid 4242",
    "STAT uptime 1234567",
    "STAT time 1735689600",
    "STAT version 1.6.38",
    "STAT libevent 2.1.12-stable",
    "STAT pointer_size 64",
    "STAT rusage_user 1234.567890",
    "STAT rusage_system 2345.678901",
    "STAT max_connections 1024",
    "STAT curr_connections 12",
    "STAT total_connections 98765",
    "STAT rejected_connections 0",
    "STAT connection_structures 40",
    "STAT response_obj_oom 0",
    "STAT response_obj_count 12",
    "STAT response_obj_bytes 65536",
    "STAT read_buf_count 10",
    "STAT read_buf_bytes 163840",
    "STAT read_buf_bytes_free 81920",
    "STAT read_buf_oom 0",
    "STAT reserved_fds 20",
    "STAT cmd_get 123456789",
    "STAT cmd_set 23456789",
    "STAT cmd_flush 1",
    "STAT cmd_touch 0",
    "STAT cmd_meta 345678",
    "STAT get_hits 112345678",
    "STAT get_misses 11111111",
    "STAT get_expired 1234",
    "STAT get_flushed 0",
    "STAT get_too_large 0",
    "STAT store_too_large 3",
    "STAT store_no_memory 0",
    "STAT delete_misses 4567",
    "STAT delete_hits 56789",
    "STAT incr_misses 12",
    "STAT incr_hits 345678",
    "STAT decr_misses 0",
    "STAT decr_hits 0",
    "STAT cas_misses 0",
    "STAT cas_hits 1234",
    "STAT cas_badval 12",
    "STAT touch_hits 0",
    "STAT touch_misses 0",
    "STAT proxy_conn_requests 0",
    "STAT auth_cmds 0",
    "STAT auth_errors 0",
    "STAT bytes_read 123456789012",
    "STAT bytes_written 234567890123",
    "STAT limit_maxbytes 67108864",
    "STAT accepting_conns 1",
    "STAT listen_disabled_num 0",
    "STAT time_in_listen_disabled_us 0",
    "STAT threads 4",
    "STAT conn_yields 0",
    "STAT hash_power_level 20",
    "STAT hash_bytes 8388608",
    "STAT hash_is_expanding 0",
    "STAT slab_reassign_rescues 0",
    "STAT slab_reassign_chunk_rescues 0",
    "STAT slab_reassign_evictions_nomem 0",
    "STAT slab_reassign_inline_reclaim 0",
    "STAT slab_reassign_busy_items 0",
    "STAT slab_reassign_busy_deletes 0",
    "STAT slab_reassign_running 0",
    "STAT slabs_moved 0",
    "STAT lru_crawler_running 0",
    "STAT lru_crawler_starts 2040",
    "STAT lru_maintainer_juggles 123456",
    "STAT malloc_fails 0",
    "STAT log_worker_dropped 0",
    "STAT log_worker_written 0",
    "STAT log_watcher_skipped 0",
    "STAT log_watcher_sent 0",
    "STAT log_watchers 0",
    "STAT bytes 56789012",
    "STAT curr_items 345678",
    "STAT total_items 23456789",
    "STAT slab_global_page_pool 0",
    "STAT evictions 1234567",
];

/// What the codec is measured against.
mod floor {
    use super::{Key, black_box};

    /// Copies the pieces into a buffer that is kept, then parses that.
    pub(super) fn pieces(buffer: &mut Vec<u8>, wire: &[u8], piece: usize, parse: impl Fn(&[u8])) {
        buffer.clear();
        for piece in wire.chunks(piece) {
            buffer.extend_from_slice(piece);
        }
        parse(black_box(buffer));
    }

    pub(super) fn values(mut input: &[u8]) {
        loop {
            if input.starts_with(b"END\r\n") {
                return;
            }
            input = value(input).expect("a well-formed VALUE");
        }
    }

    fn value(input: &[u8]) -> Option<&[u8]> {
        let input = input.strip_prefix(b"VALUE ")?;
        let end = input.iter().position(|&byte| byte == b' ')?;
        let (key, input) = input.split_at(end);
        let (flags, input) = number(&input[1..])?;
        let (len, input) = number(input.strip_prefix(b" ")?)?;
        let (cas, input) = match input.strip_prefix(b" ") {
            Some(input) => number(input).map(|(cas, input)| (Some(cas), input))?,
            None => (None, input),
        };
        let input = input.strip_prefix(b"\r\n")?;
        let (value, input) = input.split_at_checked(usize::try_from(len).ok()?)?;
        black_box((key, flags, cas, value));
        input.strip_prefix(b"\r\n")
    }

    fn number(input: &[u8]) -> Option<(u64, &[u8])> {
        let mut value = 0_u64;
        let mut at = 0;
        while let Some(digit @ b'0'..=b'9') = input.get(at) {
            value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            at += 1;
        }
        if at == 0 { None } else { Some((value, &input[at..])) }
    }

    pub(super) fn stored(mut input: &[u8]) {
        let mut count = 0;
        while let Some(rest) = input.strip_prefix(b"STORED\r\n") {
            input = rest;
            count += 1;
        }
        assert_eq!(black_box(count), 1_000);
    }

    pub(super) fn stats(mut input: &[u8]) {
        loop {
            if input.starts_with(b"END\r\n") {
                return;
            }
            input = stat(input).expect("a well-formed STAT");
        }
    }

    fn stat(input: &[u8]) -> Option<&[u8]> {
        let input = input.strip_prefix(b"STAT ")?;
        let end = input.iter().position(|&byte| byte == b' ')?;
        let (name, input) = input.split_at(end);
        let input = &input[1..];
        let end = input.iter().position(|&byte| byte == b'\n')?;
        let (value, input) = input.split_at(end);
        let value = value.strip_suffix(b"\r")?;
        black_box((name, value));
        Some(&input[1..])
    }

    pub(super) fn metas(mut input: &[u8]) {
        while !input.is_empty() {
            input = meta(input).expect("a well-formed HD or VA");
        }
    }

    fn meta(input: &[u8]) -> Option<&[u8]> {
        let (len, mut input) = match input.strip_prefix(b"HD") {
            Some(input) => (None, input),
            None => number(input.strip_prefix(b"VA ")?).map(|(len, rest)| (Some(len), rest))?,
        };
        let (mut flags, mut cas, mut ttl, mut opaque) = (None, None, None, None);
        while let [b' ', letter, rest @ ..] = input {
            match letter {
                b'f' => {
                    let (number, rest) = number(rest)?;
                    (flags, input) = (Some(number), rest);
                }
                b'c' => {
                    let (number, rest) = number(rest)?;
                    (cas, input) = (Some(number), rest);
                }
                b't' => {
                    let (number, rest) = match rest.strip_prefix(b"-1") {
                        Some(rest) => (-1, rest),
                        None => {
                            let (number, rest) = number(rest)?;
                            (i64::try_from(number).ok()?, rest)
                        }
                    };
                    (ttl, input) = (Some(number), rest);
                }
                b'O' => {
                    let end = rest.iter().position(|&byte| byte <= b' ')?;
                    let (token, rest) = rest.split_at(end);
                    (opaque, input) = (Some(token), rest);
                }
                _ => return None,
            }
        }
        let input = input.strip_prefix(b"\r\n")?;
        black_box((flags, cas, ttl, opaque));
        let Some(len) = len else {
            black_box(None::<&[u8]>);
            return Some(input);
        };
        let (value, input) = input.split_at_checked(usize::try_from(len).ok()?)?;
        black_box(Some(value));
        input.strip_prefix(b"\r\n")
    }

    pub(super) fn encode_get(out: &mut Vec<u8>, keys: &[Key<'_>]) {
        out.extend_from_slice(b"get");
        for key in keys {
            out.push(b' ');
            out.extend_from_slice(key.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    pub(super) fn encode_mg(out: &mut Vec<u8>, key: Key<'_>, letters: &[u8], opaque: u64) {
        out.extend_from_slice(b"mg ");
        out.extend_from_slice(key.as_bytes());
        for letter in letters {
            out.push(b' ');
            out.push(*letter);
        }
        out.extend_from_slice(b" O");
        out.extend_from_slice(itoa::Buffer::new().format(opaque).as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    pub(super) fn encode_ms(
        out: &mut Vec<u8>,
        key: Key<'_>,
        flags: u32,
        exptime: i32,
        value: &[u8],
    ) {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(b"ms ");
        out.extend_from_slice(key.as_bytes());
        out.push(b' ');
        out.extend_from_slice(digits.format(value.len()).as_bytes());
        out.extend_from_slice(b" F");
        out.extend_from_slice(digits.format(flags).as_bytes());
        out.extend_from_slice(b" T");
        out.extend_from_slice(digits.format(exptime).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }

    pub(super) fn encode_set(
        out: &mut Vec<u8>,
        key: Key<'_>,
        flags: u32,
        exptime: i32,
        value: &[u8],
    ) {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(b"set ");
        out.extend_from_slice(key.as_bytes());
        out.push(b' ');
        out.extend_from_slice(digits.format(flags).as_bytes());
        out.push(b' ');
        out.extend_from_slice(digits.format(exptime).as_bytes());
        out.push(b' ');
        out.extend_from_slice(digits.format(value.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}

/// Measures cases and prints a line for each.
struct Report {
    rounds: usize,
    filter: Option<String>,
    missed: usize,
}

impl Report {
    fn row(
        &mut self,
        name: &str,
        target: Option<f64>,
        mut floor: impl FnMut(),
        mut ours: impl FnMut(),
    ) {
        if self.filter.as_ref().is_some_and(|filter| !name.contains(filter)) {
            // Once, so that both sides have done their work for whoever compares it.
            floor();
            ours();
            return;
        }
        let batch = if self.rounds == 1 { 1 } else { batch_of(&mut floor, &mut ours) };
        let mut samples = Vec::with_capacity(self.rounds);
        for round in 0..self.rounds {
            // Who goes first changes, so that neither always follows the other.
            let (floor, ours) = if round % 2 == 0 {
                let floor = time(batch, &mut floor);
                (floor, time(batch, &mut ours))
            } else {
                let ours = time(batch, &mut ours);
                (time(batch, &mut floor), ours)
            };
            samples.push((floor, ours));
        }
        let allocations = allocation_counter::measure(&mut ours).count_total;

        let ratio = median(samples.iter().map(|(floor, ours)| ours / floor));
        let missed = target.is_some_and(|target| ratio > target);
        self.missed += usize::from(missed);
        println!(
            "{name:<48} {:>10.1} {:>10.1} {ratio:>7.2} {:>7} {allocations:>7} {}",
            median(samples.iter().map(|sample| sample.0)),
            median(samples.iter().map(|sample| sample.1)),
            target.map(|target| target.to_string()).unwrap_or_default(),
            match (target, missed) {
                (None, _) => "",
                (_, false) => "PASS",
                (_, true) => "miss",
            },
        );
    }
}

/// How many runs make a batch of about 50 microseconds.
fn batch_of(floor: &mut impl FnMut(), ours: &mut impl FnMut()) -> u32 {
    let mut batch = 1;
    loop {
        let start = Instant::now();
        (0..batch).for_each(|_| floor());
        (0..batch).for_each(|_| ours());
        if start.elapsed() >= Duration::from_micros(100) {
            return batch;
        }
        batch *= 2;
    }
}

/// Nanoseconds of one run, of a batch of them.
fn time(batch: u32, run: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..batch).for_each(|_| run());
    start.elapsed().as_secs_f64() * 1e9 / f64::from(batch)
}

fn median(samples: impl Iterator<Item = f64>) -> f64 {
    let mut samples: Vec<f64> = samples.collect();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
