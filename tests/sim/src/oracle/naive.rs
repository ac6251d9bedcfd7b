//! A parser of responses as one writes it at the first reading of protocol.txt, slow and simple, and what
//! the codec makes of the same bytes.

use memcache_proto::Limits;
use memcache_proto::codec::Response;

use super::delivery::limits;
use super::said::{Said, said};
use crate::Tape;

/// Takes the first byte for the limits, and the rest for what a server sends.
///
/// # Panics
///
/// Panics if the codec and the simple parser read a response differently.
pub fn naive_responses(bytes: &[u8]) {
    let (choices, stream) = bytes.split_at(bytes.len().min(1));
    let limits = limits(&mut Tape::new(choices));
    let mut rest = stream;
    loop {
        let (parsed, simple) = (Response::parse(rest, &limits), naive(rest, &limits));
        let shown = rest.escape_ascii();
        let Ok(Some((response, len))) = parsed else {
            match simple {
                Naive::Whole(said, _) => panic!("{parsed:?} of {shown}, which says {said:?}"),
                Naive::Wrong => assert!(parsed.is_err(), "{parsed:?} of {shown}"),
                Naive::NoValue => assert_eq!(parsed, Ok(None), "{shown}"),
                Naive::NoLine | Naive::AtTheLimit => {}
            }
            return;
        };
        let says = said(&response).unwrap_or_else(|| panic!("{response:?} is not known here"));
        match simple {
            Naive::Whole(simple, simple_len) => {
                assert_eq!((says, len), (simple, simple_len), "{shown}");
            }
            Naive::AtTheLimit => {}
            simple => panic!("{response:?} of {shown}, which is {simple:?}"),
        }
        check_said(&response, &Limits { max_line_len: limits.max_line_len + 64, ..limits });
        rest = &rest[len..];
    }
}

/// What the codec writes says to the simple parser what it said to the codec.
pub(super) fn check_said(response: &Response<'_>, limits: &Limits) {
    let mut written = Vec::new();
    response.encode(&mut written);
    let says = said(response).unwrap_or_else(|| panic!("{response:?} is not known here"));
    let simple = naive(&written, limits);
    assert_eq!(simple, Naive::Whole(says, written.len()), "{}", written.escape_ascii());
}

/// What the simple parser makes of bytes.
#[derive(Debug, PartialEq)]
enum Naive {
    /// A response, and how many bytes it takes.
    Whole(Said, usize),
    /// A line that is none.
    Wrong,
    /// A line without its value, or not all of it.
    NoValue,
    /// Not all of a line.
    NoLine,
    /// A line about as long as one may be.
    AtTheLimit,
}

fn naive(input: &[u8], limits: &Limits) -> Naive {
    let Some(end) = input.iter().position(|&byte| byte == b'\n') else { return Naive::NoLine };
    let line_len = end + 1;
    if line_len.abs_diff(limits.max_line_len + 2) <= 2 {
        return Naive::AtTheLimit;
    }
    if line_len > limits.max_line_len + 2 {
        return Naive::Wrong;
    }
    let (line, behind) = (&input[..end], &input[line_len..]);
    let line = match (line.strip_suffix(b"\r"), line.starts_with(b"key=")) {
        (Some(line), false) => line,
        (None, false) => return Naive::Wrong,
        (_, true) => line,
    };
    let announced = match value_len(line) {
        Ok(announced) => announced,
        Err(()) => return Naive::Wrong,
    };
    let Some(mut said) = line_says(line) else { return Naive::Wrong };
    let Some(announced) = announced else { return Naive::Whole(said, line_len) };
    let Ok(value_len) = usize::try_from(announced) else { return Naive::Wrong };
    // A configuration may be as long as 320 bytes a server, and 64 beside.
    let longest = match said[0] == b"CONFIG" {
        true => limits.max_value_len.min(limits.max_servers.saturating_mul(320).saturating_add(64)),
        false => limits.max_value_len,
    };
    if value_len > longest {
        return Naive::Wrong;
    }
    match behind.get(value_len..).unwrap_or_default() {
        [b'\r', b'\n', ..] => {
            // A VA has its value before its flags, the others have theirs last.
            let at = if said[0] == b"VA" { 1 } else { said.len() };
            said.insert(at, behind[..value_len].to_vec());
            Naive::Whole(said, line_len + value_len + 2)
        }
        [] | [b'\r'] => Naive::NoValue,
        _ => Naive::Wrong,
    }
}

/// The length of the value that a line announces, if it announces any.
fn value_len(line: &[u8]) -> Result<Option<u64>, ()> {
    let words = words(line);
    let word = match words[0] {
        b"VALUE" | b"CONFIG" => words.get(3),
        b"VA" if words.len() > 1 => words.get(1),
        _ => return Ok(None),
    };
    word.and_then(|word| unsigned(word)).map(Some).ok_or(())
}

/// What a line says, but for the value behind it.
fn line_says(line: &[u8]) -> Option<Said> {
    let all = words(line);
    let (&word, words) = all.split_first()?;
    let mut said = vec![word.to_vec()];
    // What stands behind the word and the space after it, or the colon.
    let text = |word: &[u8]| match line.strip_prefix(word)? {
        [b' ', text @ ..] => Some(text.to_vec()),
        text @ ([] | [b':', ..]) => Some(text.to_vec()),
        _ => None,
    };
    match word {
        b"END" | b"STORED" | b"NOT_STORED" | b"EXISTS" | b"NOT_FOUND" | b"DELETED" | b"TOUCHED"
        | b"RESET" | b"MN" => return words.is_empty().then_some(said),
        b"OK" if words.is_empty() => return Some(said),
        b"OK" => {
            said[0] = b"HD".to_vec();
            said.push(Vec::new());
            said.extend(flags(words)?);
        }
        b"HD" | b"EN" | b"NF" | b"NS" | b"EX" => {
            said.push(Vec::new());
            said.extend(flags(words)?);
        }
        b"VA" => said.extend(flags(words.get(1..)?)?),
        b"VALUE" => {
            let (&[key, client_flags, _], cas) = words.split_first_chunk()?;
            let cas = match cas {
                [] => Vec::new(),
                [cas] => number(cas)?,
                _ => return None,
            };
            said.extend([self::key(key)?, number(client_flags)?, cas]);
        }
        b"CONFIG" => {
            let &[name, client_flags, _] = words else { return None };
            said.extend([self::key(name)?, number(client_flags)?]);
        }
        b"STAT" => {
            let behind = line.strip_prefix(b"STAT ")?;
            let mut parts = behind.splitn(2, |&byte| byte == b' ');
            let name = parts.next().filter(|name| !name.is_empty())?;
            said.extend([name.to_vec(), parts.next().unwrap_or_default().to_vec()]);
        }
        b"ME" => {
            let behind = line.strip_prefix(b"ME ")?;
            let mut parts = behind.splitn(2, |&byte| byte == b' ');
            let key = parts.next().filter(|key| !key.is_empty())?;
            said.extend([key.to_vec(), parts.next().unwrap_or_default().to_vec()]);
        }
        b"VERSION" => said.push(line.strip_prefix(b"VERSION ")?.to_vec()),
        b"PREFIX" => {
            let &[prefix, b"get", get, b"hit", hit, b"set", set, b"del", del] = words else {
                return None;
            };
            if prefix.is_empty() || prefix.contains(&b'\r') {
                return None;
            }
            said.push(prefix.to_vec());
            for count in [get, hit, set, del] {
                said.push(number(count)?);
            }
        }
        b"ITEM" => {
            let &[key, bytes, b"b;", exptime, b"s]"] = words else { return None };
            said.extend([self::key(key)?, number(bytes.strip_prefix(b"[")?)?, number(exptime)?]);
        }
        _ if line.starts_with(b"key=") => return metadump(line),
        [b'0'..=b'9', ..] => {
            return words
                .iter()
                .all(|word| word.is_empty())
                .then_some(vec![b"number".to_vec(), number(word)?]);
        }
        _ => {
            let known = WORDED.iter().find(|known| text(known).is_some())?;
            return Some(vec![known.to_vec(), text(known)?]);
        }
    }
    Some(said)
}

/// Words that a text may follow.
const WORDED: &[&[u8]] = &[
    b"ERROR",
    b"CLIENT_ERROR",
    b"SERVER_ERROR",
    b"BUSY",
    b"BADCLASS",
    b"NOSPARE",
    b"NOTFULL",
    b"UNSAFE",
    b"SAME",
    b"NOTSTARTED",
    b"MEMLIMIT_TOO_SMALL",
    b"MEMLIMIT_ADJUST_FAILED",
    b"WATCHER_TOO_MANY",
    b"WATCHER_FAILED",
];

/// A line of a metadump: fields in their order, and then those that nobody here knows, `flags` alone among
/// them.
fn metadump(line: &[u8]) -> Option<Said> {
    let mut said = vec![b"key=".to_vec()];
    let (known, extra) = {
        let mut spaces =
            line.iter().enumerate().filter(|(_, byte)| **byte == b' ').map(|(at, _)| at);
        let end = spaces.nth(6).unwrap_or(line.len());
        let end = line[..end].iter().position(|&byte| byte == b'\r').unwrap_or(end);
        line.split_at(end)
    };
    let fields = words(known);
    let [key, exp, la, cas, fetch, cls, size] = fields[..] else { return None };
    let key = key.strip_prefix(b"key=").filter(|key| !key.is_empty())?;
    let fetch = fetch.strip_prefix(b"fetch=").filter(|fetch| matches!(*fetch, b"yes" | b"no"))?;
    let cls = number(cls.strip_prefix(b"cls=")?)?;
    std::str::from_utf8(&cls).ok()?.parse::<u32>().ok()?;
    said.extend([
        key.to_vec(),
        signed(exp.strip_prefix(b"exp=")?)?,
        signed(la.strip_prefix(b"la=")?)?,
        number(cas.strip_prefix(b"cas=")?)?,
        fetch.to_vec(),
        cls,
        number(size.strip_prefix(b"size=")?)?,
    ]);
    const FLAGS: &[u8] = b" flags=";
    said.push(match extra.windows(FLAGS.len()).position(|window| window == FLAGS) {
        None => Vec::new(),
        Some(at) => {
            let field = &extra[at + FLAGS.len()..];
            let end = field.iter().position(|byte| matches!(byte, b' ' | b'\r'));
            number(&field[..end.unwrap_or(field.len())])?
        }
    });
    Some(said)
}

/// The known flags of a meta reply, with their letters, by letter.
fn flags(words: &[&[u8]]) -> Option<Said> {
    let mut known = Vec::new();
    let mut seen = Vec::new();
    for word in words {
        let Some((&letter, text)) = word.split_first() else { continue };
        if !letter.is_ascii_alphabetic() || seen.contains(&letter) {
            return None;
        }
        seen.push(letter);
        let text = match letter {
            b'c' | b'f' | b'l' | b's' => number(text)?,
            b't' => signed(text)?,
            b'h' if matches!(text, b"0" | b"1") => text.to_vec(),
            b'b' | b'W' | b'X' | b'Z' if text.is_empty() => Vec::new(),
            b'h' | b'b' | b'W' | b'X' | b'Z' => return None,
            b'O' | b'k' if text.is_empty() => return None,
            // Any other word, and it may be one that nobody knows.
            _ if text.iter().any(|&byte| byte <= b' ') => return None,
            b'O' | b'k' => text.to_vec(),
            _ => continue,
        };
        known.push([&[letter], &text[..]].concat());
    }
    known.sort();
    Some(known)
}

/// The words of a line; two spaces have an empty one between them.
fn words(line: &[u8]) -> Vec<&[u8]> {
    line.split(|&byte| byte == b' ').collect()
}

fn key(word: &[u8]) -> Option<Vec<u8>> {
    let fits = (1..=250).contains(&word.len()) && !word.contains(&0);
    fits.then(|| word.to_vec())
}

fn unsigned(word: &[u8]) -> Option<u64> {
    if word.is_empty() || !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// A number of 64 bits, without zeros before it.
fn number(word: &[u8]) -> Option<Vec<u8>> {
    unsigned(word).map(|number| number.to_string().into_bytes())
}

/// The same with a sign.
fn signed(word: &[u8]) -> Option<Vec<u8>> {
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: i64 = std::str::from_utf8(word).ok()?.parse().ok()?;
    Some(number.to_string().into_bytes())
}
