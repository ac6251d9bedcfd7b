//! What of two answers can be compared.

use std::collections::HashMap;

/// Each server's clock ticks when it likes, and the pieces of a request arrive when they like.
const TOLERANCE: u64 = 2;
/// Seconds from this number on are those of an exptime that has passed: 32 bits, counted round.
const PASSED: u64 = 1 << 31;

/// An answer in which each cas unique is replaced by a number: the first that is there by 1, the next
/// one by 2, and so on. Seconds are taken out, to be compared as numbers.
#[derive(Default)]
pub(crate) struct Masked {
    pub(crate) text: Vec<u8>,
    pub(crate) seconds: Vec<u64>,
    uniques: HashMap<Vec<u8>, usize>,
}

impl Masked {
    pub(crate) fn new(answer: &[u8]) -> Self {
        let mut masked = Masked::default();
        let mut rest = answer;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, behind) = rest.split_at(end + 1);
            rest = behind;
            let (text, line_end) = match line {
                [text @ .., b'\r', b'\n'] => (text, &b"\r\n"[..]),
                [text @ .., _] => (text, &b"\n"[..]),
                [] => (line, &b""[..]),
            };
            let words: Vec<_> = text.split(|&byte| byte == b' ').collect();
            let len = match &words[..] {
                [b"VALUE", key, flags, len, unique @ ..] => {
                    masked.text.extend_from_slice(&[b"VALUE", *key, *flags, *len].join(&b' '));
                    unique.iter().for_each(|unique| masked.put_unique(b"", unique));
                    Some(*len)
                }
                [b"VA", len, flags @ ..] => {
                    masked.text.extend_from_slice(&[b"VA", *len].join(&b' '));
                    masked.put_flags(flags);
                    Some(*len)
                }
                [word @ (b"HD" | b"NS" | b"EX" | b"ME"), flags @ ..] => {
                    masked.text.extend_from_slice(word);
                    masked.put_flags(flags);
                    None
                }
                _ => {
                    masked.text.extend_from_slice(text);
                    None
                }
            };
            masked.text.extend_from_slice(line_end);
            if let Some(len) = len {
                let len = String::from_utf8_lossy(len).parse().unwrap_or(0_usize);
                let (value, behind) = rest.split_at(len.min(rest.len()));
                masked.text.extend_from_slice(value);
                rest = behind;
            }
        }
        masked.text.extend_from_slice(rest);
        masked
    }

    /// Whether the answers are the same, but for seconds that are nearly so.
    pub(crate) fn is_like(&self, other: &Masked) -> bool {
        let near =
            |(a, b): (&u64, &u64)| a.abs_diff(*b) <= TOLERANCE || (*a >= PASSED && *b >= PASSED);
        self.text == other.text && self.seconds.iter().zip(&other.seconds).all(near)
    }

    /// The words of a meta reply.
    fn put_flags(&mut self, words: &[&[u8]]) {
        for word in words {
            let numbered = [&b"exp=-"[..], b"la=", b"cas=", b"c", b"l", b"t"].into_iter();
            let mut numbered = numbered.filter_map(|name| Some((name, word.strip_prefix(name)?)));
            let number = numbered
                .find(|(_, number)| !number.is_empty() && number.iter().all(u8::is_ascii_digit));
            match number {
                // A cas unique of none is 0.
                Some((b"cas=" | b"c", b"0")) | None => self.put_word(word),
                Some((name @ (b"cas=" | b"c"), unique)) => self.put_unique(name, unique),
                Some((name, seconds)) => self.put_seconds(name, seconds),
            }
        }
    }

    fn put_word(&mut self, word: &[u8]) {
        self.text.push(b' ');
        self.text.extend_from_slice(word);
    }

    fn put_unique(&mut self, name: &[u8], unique: &[u8]) {
        let next = self.uniques.len() + 1;
        let number = *self.uniques.entry(unique.to_vec()).or_insert(next);
        self.put_word(&[name, format!("({number})").as_bytes()].concat());
    }

    fn put_seconds(&mut self, name: &[u8], seconds: &[u8]) {
        self.seconds.push(String::from_utf8_lossy(seconds).parse().unwrap_or(u64::MAX));
        self.put_word(&[name, b"(seconds)"].concat());
    }
}

#[test]
fn a_mask_hides_no_more_than_it_must() {
    let cases: &[(&str, &str, bool)] = &[
        ("VALUE a 0 1 7\r\n1\r\nEND\r\n", "VALUE a 0 1 8\r\n1\r\nEND\r\n", true),
        ("VALUE a 0 1 7\r\n1\r\nHD c7\r\n", "VALUE a 0 1 8\r\n1\r\nHD c9\r\n", false),
        ("VALUE a 0 1\r\n1\r\n", "VALUE a 0 1 1\r\n1\r\n", false),
        ("VA 7 c5\r\nHD t100\r\n", "VA 7 c5\r\nHD t101\r\n", false),
        ("HD t100 l0 c5 W\r\n", "HD t99 l2 c6 W\r\n", true),
        ("HD t100\r\n", "HD t90\r\n", false),
        ("HD t100\r\n", "HD t-1\r\n", false),
        ("HD t4294967235\r\n", "HD t4294967290\r\n", true),
        ("HD c0\r\n", "HD c5\r\n", false),
        ("HD s3 f5 h1\r\n", "HD s4 f5 h1\r\n", false),
        ("ME a exp=-100 la=0 cas=5 fetch=no\r\n", "ME a exp=-99 la=1 cas=7 fetch=no\r\n", true),
        ("ME a exp=-1\r\n", "ME a exp=-100\r\n", false),
        ("NF c5\r\n", "NF c6\r\n", false),
    ];
    for &(a, b, alike) in cases {
        let [masked_a, masked_b] = [a, b].map(|answer| Masked::new(answer.as_bytes()));
        assert_eq!(masked_a.is_like(&masked_b), alike, "{a:?} {b:?}");
    }
}
