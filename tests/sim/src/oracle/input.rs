//! Inputs that are worth looking at, for runs without a fuzzer.

use super::dictionary;
use super::draw::{self, Kinds};
use crate::{Choose, Source};

/// Bytes for choices: each as likely as any other.
pub(super) fn choices(source: &mut dyn Source) -> Vec<u8> {
    let longest = *source.pick(&[10, 100, 1000]);
    (0..source.below(longest)).map(|_| byte(source)).collect()
}

/// What a server may send: responses, whole, and cut, and changed, and words of the protocol in any order.
pub(super) fn replies(source: &mut dyn Source) -> Vec<u8> {
    let mut input = vec![byte(source), byte(source)];
    for _ in 0..source.below(10) {
        match source.below(4) {
            0 => put_pieces(source, &mut input),
            _ => put_changed(source, &mut input, |source, out| {
                draw::response(source, |response| response.encode(out));
            }),
        }
    }
    input
}

/// The same for an oracle that makes fewer choices.
pub(super) fn replies_alone(source: &mut dyn Source) -> Vec<u8> {
    replies(source).split_off(1)
}

/// What a client may send, likewise.
pub(super) fn requests(source: &mut dyn Source) -> Vec<u8> {
    let mut input = vec![byte(source), byte(source)];
    for _ in 0..source.below(8) {
        match source.below(4) {
            0 => put_pieces(source, &mut input),
            1 => put_meta_line(source, &mut input),
            _ => put_changed(source, &mut input, |source, out| {
                draw::command(source, Kinds::All, |command| command.encode(out));
            }),
        }
    }
    input
}

/// A key, or what is nearly one.
pub(super) fn key(source: &mut dyn Source) -> Vec<u8> {
    match source.below(4) {
        0 => draw::key(source),
        1 => source.bytes(260),
        _ => vec![byte(source); 180 + source.below(80)],
    }
}

/// An address, or what is nearly one.
pub(super) fn address(source: &mut dyn Source) -> Vec<u8> {
    const PARTS: &[&str] = &[
        "host", "10.0.0.1", ":", "11211", "inet:", "inet6:", "[", "]", "::1", "unix:", "/path",
        "%1", "0", "65536", " ", "a",
    ];
    (0..source.below(6)).flat_map(|_| source.pick(PARTS).bytes()).collect()
}

/// A value: text, digits, what was compressed, or any bytes.
pub(super) fn value(source: &mut dyn Source) -> Vec<u8> {
    let mut input = (0..4).map(|_| byte(source)).collect::<Vec<_>>();
    match source.below(4) {
        0 => input.extend(draw::value(source)),
        1 => input.extend_from_slice(source.below(usize::MAX).to_string().as_bytes()),
        2 => input.extend(vec![b'v'; source.below(2000)]),
        _ => input.extend(source.bytes(100)),
    }
    input
}

/// A few bytes that a server may send, in place of an answer or behind it.
pub(super) fn junk(source: &mut dyn Source) -> Vec<u8> {
    let mut junk = Vec::new();
    for _ in 0..=source.below(4) {
        match source.below(6) {
            0 | 1 => junk.extend_from_slice(JUNK[source.below(JUNK.len())]),
            2 => junk.extend(source.bytes(8)),
            3 => {
                // The value of some key, which says whose it is.
                let name = draw::key(source);
                let line = format!(" 0 {}\r\n", name.len());
                junk.extend(
                    [b"VALUE ", &name[..], line.as_bytes(), &name, b"\r\nEND\r\n"].concat(),
                );
            }
            4 => draw::response(source, |response| response.encode(&mut junk)),
            _ => junk.extend_from_slice(b"\r\n"),
        }
    }
    junk
}

/// Replies and parts of replies.
const JUNK: &[&[u8]] = &[
    b"END\r\n",
    b"STORED\r\n",
    b"VALUE a 0 1\r\nx\r\n",
    b"VALUE b 0 1 7\r\ny\r\n",
    b"VALUE foo 0 100000\r\n",
    b"VALUE ",
    b"HD\r\n",
    b"NF\r\n",
    b"HD O0\r\n",
    b"HD O1\r\n",
    b"HD O2 c7 f0 t-1\r\n",
    b"VA 1 O0\r\nx\r\n",
    b"VA 1 O3 ka\r\nx\r\n",
    b"EN\r\n",
    b"EN O1\r\n",
    b"NF O2\r\n",
    b"MN\r\n",
    b"OK\r\n",
    b"ERROR\r\n",
    b"ERROR Too many open connections\r\n",
    b"SERVER_ERROR out of memory\r\n",
    b"CLIENT_ERROR bad data chunk\r\n",
    b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
    b"VERSION 1.6.18\r\n",
    b"STAT a 1\r\n",
    b"7\r\n",
    b"DELETED\r\n",
    b"NOT_FOUND\r\n",
    b"TOUCHED\r\n",
    b"\r",
];

fn byte(source: &mut dyn Source) -> u8 {
    u8::try_from(source.below(256)).unwrap_or_default()
}

/// What `put` writes, and perhaps with a byte changed, left out or too many.
fn put_changed(
    source: &mut dyn Source,
    input: &mut Vec<u8>,
    put: impl FnOnce(&mut dyn Source, &mut Vec<u8>),
) {
    let start = input.len();
    put(source, input);
    let mut at = start + source.below(input.len() - start);
    if source.one_in(2) {
        // Between words most is decided.
        at = input[start..].iter().position(|&byte| byte == b' ').map_or(at, |space| start + space);
    }
    if at >= input.len() {
        return;
    }
    match source.below(8) {
        0 => input[at] = *source.pick(b" \r\n09x"),
        1 => drop(input.remove(at)),
        2 => input.insert(at, *source.pick(b" \r\n09")),
        3 => input.truncate(at),
        _ => {}
    }
}

/// Words of the dictionary, numbers, spaces, line ends and odd bytes.
fn put_pieces(source: &mut dyn Source, input: &mut Vec<u8>) {
    let words = dictionary();
    for _ in 0..source.below(20) {
        match source.below(11) {
            0..=4 => input.extend_from_slice(&words[source.below(words.len())]),
            5 => input.extend_from_slice(b" "),
            6 => input.extend_from_slice(b"\r\n"),
            7 => input.extend_from_slice(source.below(300).to_string().as_bytes()),
            8 => input.extend_from_slice(source.pick(&["a", "foo", "b", "YSBi"]).as_bytes()),
            9 => input.push(byte(source)),
            _ => input.extend(source.bytes(6)),
        }
    }
}

/// A meta command whose flags stand in any order, some of them wrong.
fn put_meta_line(source: &mut dyn Source, input: &mut Vec<u8>) {
    const FLAGS: &[&str] = &[
        "v",
        "f",
        "c",
        "s",
        "t",
        "h",
        "l",
        "k",
        "q",
        "u",
        "I",
        "x",
        "b",
        "O1",
        "Ptoken",
        "L2",
        "T60",
        "T-1",
        "T4294967296",
        "N30",
        "R30",
        "R-1",
        "C1",
        "C2",
        "E9",
        "F5",
        "J10",
        "D3",
        "MD",
        "MA",
        "ME",
        "z",
        "",
        "O",
        "C",
        "Ox2345678901234567890123456789012",
    ];
    let name = *source.pick(&["mg", "ms", "md", "ma", "me"]);
    input.extend_from_slice(
        format!("{name} {}", source.pick(&["a", "foo", "YSBi", "c"])).as_bytes(),
    );
    let value = draw::value(source);
    if name == "ms" {
        input.extend_from_slice(format!(" {}", value.len()).as_bytes());
    }
    for _ in 0..source.below(8) {
        input.extend_from_slice(format!(" {}", source.pick(FLAGS)).as_bytes());
    }
    input.extend_from_slice(b"\r\n");
    if name == "ms" {
        input.extend_from_slice(&value);
        input.extend_from_slice(b"\r\n");
    }
}
