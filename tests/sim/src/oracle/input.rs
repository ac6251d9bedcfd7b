//! Inputs that are worth looking at, for runs without a fuzzer.

use super::dictionary;
use crate::{Choose, Source};

/// An input for an oracle of the protocol's text: words of the dictionary, numbers, spaces, line ends and
/// odd bytes. Other oracles make as much of it as of any bytes.
pub fn input(source: &mut dyn Source) -> Vec<u8> {
    let words = dictionary();
    let mut input = vec![byte(source), byte(source)];
    for _ in 0..source.below(40) {
        put_piece(source, &words, &mut input);
    }
    input
}

/// A few bytes that a peer may send.
pub(super) fn junk(source: &mut dyn Source) -> Vec<u8> {
    let mut junk = Vec::new();
    for _ in 0..=source.below(4) {
        match source.below(4) {
            0 | 1 => junk.extend_from_slice(JUNK[source.below(JUNK.len())]),
            2 => junk.extend(source.bytes(8)),
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

fn put_piece(source: &mut dyn Source, words: &[Vec<u8>], input: &mut Vec<u8>) {
    match source.below(12) {
        0..=4 => {
            let word = &words[source.below(words.len())];
            input.extend_from_slice(word);
        }
        5 => input.extend_from_slice(b" "),
        6 => input.extend_from_slice(b"\r\n"),
        7 => input.extend_from_slice(source.below(300).to_string().as_bytes()),
        8 => input.extend_from_slice(source.pick(&["a", "foo", "b", "YSBi"]).as_bytes()),
        9 => input.push(byte(source)),
        10 => {
            // A value of the length that is said.
            let value = source.bytes(30);
            input.extend_from_slice(format!("{}\r\n", value.len()).as_bytes());
            input.extend_from_slice(&value);
            input.extend_from_slice(b"\r\n");
        }
        _ => input.extend(source.bytes(6)),
    }
}
