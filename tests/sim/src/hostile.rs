//! Servers that lie.

use memcache_proto::Limits;
use memcache_proto::codec::Response;

use crate::marks;
use crate::source::{Choose, Source};

/// How a server lies: which lies it tells, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostility {
    /// What it does to a reply. Empty: nothing.
    pub lies: Vec<Lie>,
    /// One reply in so many is a lie; 0 or 1 for none.
    pub one_in: usize,
}

impl Hostility {
    /// Draws one: about half of the lies.
    pub(crate) fn draw(source: &mut dyn Source) -> Self {
        let lies = Lie::ALL.into_iter().filter(|_| source.one_in(2)).collect();
        Hostility { lies, one_in: *source.pick(&[20, 5, 2]) }
    }
}

/// What a hostile server does to a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Says it twice.
    Twice,
    /// Says nothing.
    Dropped,
    /// Keeps it, and says it behind the next one.
    Swapped,
    /// Names another key.
    AnotherKey,
    /// Gives another opaque back.
    AnotherOpaque,
    /// Announces a longer or a shorter value than comes.
    Length,
    /// Says `HD` where a value belongs.
    Headless,
    /// Says that it is of another kind: `STORED` to everything.
    AnotherKind,
    /// Says something that nobody has asked for, before the reply.
    Unasked,
    /// Says a line that never ends.
    Endless,
    /// Says what is of no protocol.
    Garbage,
    /// Says the first half, and then the rest of nothing.
    Half,
    /// Says that it failed, though it did what it was told.
    Error,
    /// Says a value once more, within its reply.
    Repeated,
    /// Says another line where the reply to a `get` should end.
    Unended,
    /// Says many more lines of statistics than it has.
    Flood,
}

impl Lie {
    /// All of them.
    pub const ALL: [Lie; 16] = [
        Lie::Twice,
        Lie::Dropped,
        Lie::Swapped,
        Lie::AnotherKey,
        Lie::AnotherOpaque,
        Lie::Length,
        Lie::Headless,
        Lie::AnotherKind,
        Lie::Unasked,
        Lie::Endless,
        Lie::Garbage,
        Lie::Half,
        Lie::Error,
        Lie::Repeated,
        Lie::Unended,
        Lie::Flood,
    ];

    /// Whether it makes another reply of this one. What changes nothing is no lie.
    fn fits(self, reply: &[u8]) -> bool {
        let is_value = reply.starts_with(b"VALUE ");
        let is_meta_value = reply.starts_with(b"VA ");
        match self {
            Lie::Twice | Lie::Dropped | Lie::Swapped | Lie::Half => !reply.is_empty(),
            Lie::AnotherKey => is_value || has_word(reply, b'k'),
            Lie::AnotherOpaque => has_word(reply, b'O'),
            Lie::Length => is_value || is_meta_value,
            Lie::Headless => is_meta_value,
            Lie::Repeated | Lie::Unended => is_value,
            Lie::Flood => reply.starts_with(b"STAT "),
            Lie::AnotherKind | Lie::Unasked | Lie::Endless | Lie::Garbage | Lie::Error => true,
        }
    }
}

/// A hostile server's end of one connection.
#[derive(Debug)]
pub(crate) struct Liar {
    hostility: Hostility,
    /// What is to be said later.
    kept: Vec<u8>,
}

impl Liar {
    pub(crate) fn new(hostility: Hostility) -> Self {
        Liar { hostility, kept: Vec::new() }
    }

    /// What is said in place of the reply to a command.
    pub(crate) fn lie(&mut self, source: &mut dyn Source, reply: &[u8]) -> Vec<u8> {
        let Hostility { lies, one_in } = &self.hostility;
        let mut fitting: Vec<Lie> = lies.iter().copied().filter(|lie| lie.fits(reply)).collect();
        if fitting.last() == Some(&Lie::Flood) {
            // Few replies can be flooded, so those that can are more often.
            fitting.extend([Lie::Flood; 8]);
        }
        let lies = !fitting.is_empty() && source.one_in(*one_in);
        let lie = lies.then(|| *source.pick(&fitting));
        lie.into_iter().for_each(marks::lied);
        let mut said = match lie {
            None => reply.to_vec(),
            Some(Lie::Twice) => [reply, reply].concat(),
            Some(Lie::Dropped) => Vec::new(),
            Some(Lie::Swapped) => {
                let kept = core::mem::replace(&mut self.kept, reply.to_vec());
                return kept;
            }
            Some(Lie::AnotherKey) => another_key(reply, source),
            Some(Lie::AnotherOpaque) => with_word(reply, b'O', source),
            Some(Lie::Length) => another_length(reply, source),
            Some(Lie::Headless) => headless(reply),
            Some(Lie::AnotherKind) => {
                let kinds: [&[u8]; 7] = [
                    b"STORED\r\n",
                    b"END\r\n",
                    b"HD\r\n",
                    b"OK\r\n",
                    b"MN\r\n",
                    b"EN\r\n",
                    b"NOT_FOUND\r\n",
                ];
                source.pick(&kinds).to_vec()
            }
            Some(Lie::Unasked) => [&b"VALUE k0 0 1\r\n1\r\nEND\r\n"[..], reply].concat(),
            Some(Lie::Endless) => {
                let beginnings: [&[u8]; 4] = [b"", b"SERVER_ERROR ", b"VERSION ", b"STAT a "];
                let begun = *source.pick(&beginnings);
                [begun, &vec![b'x'; 1 + source.below(6000)]].concat()
            }
            Some(Lie::Garbage) => [&b"\x16\x03\x01\x02\r\n"[..], reply].concat(),
            Some(Lie::Half) => reply[..reply.len() / 2].to_vec(),
            Some(Lie::Error) => {
                let errors: [&[u8]; 4] = [
                    b"SERVER_ERROR out of memory\r\n",
                    b"ERROR\r\n",
                    b"CLIENT_ERROR bad data chunk\r\n",
                    b"CLIENT_ERROR bad data chunk\r\nERROR\r\n",
                ];
                source.pick(&errors).to_vec()
            }
            Some(Lie::Repeated) => repeated(reply, source),
            Some(Lie::Unended) => {
                let lines: [&[u8]; 3] = [b"STORED\r\n", b"VALUE\r\n", b"HD\r\n"];
                let values = reply.strip_suffix(b"END\r\n").unwrap_or(reply);
                [values, *source.pick(&lines)].concat()
            }
            Some(Lie::Flood) => {
                let lines = 100 + source.below(500);
                let line = b"STAT a_name_that_is_longer_than_most 12345678901234567890\r\n";
                [&line.repeat(lines)[..], reply].concat()
            }
        };
        said.append(&mut self.kept);
        said
    }

    /// What is said as soon as the connection is open.
    pub(crate) fn greet(&mut self, source: &mut dyn Source) -> Vec<u8> {
        let Hostility { lies, one_in } = &self.hostility;
        match lies.contains(&Lie::Unasked) && source.one_in(2 * *one_in) {
            true => source.pick(&[&b"STORED\r\n"[..], b"END\r\n", b"HD\r\n", b"ER"]).to_vec(),
            false => Vec::new(),
        }
    }
}

/// The words of the first line, and what is behind it.
fn first_line(reply: &[u8]) -> (Vec<Vec<u8>>, &[u8]) {
    let end = reply.iter().position(|&byte| byte == b'\r').unwrap_or(reply.len());
    let (line, rest) = reply.split_at(end);
    (line.split(|&byte| byte == b' ').map(<[u8]>::to_vec).collect(), rest)
}

/// Whether the first line has a word behind its first that begins with this letter.
fn has_word(reply: &[u8], letter: u8) -> bool {
    let (words, _) = first_line(reply);
    words.iter().skip(1).any(|word| word.first() == Some(&letter))
}

/// With one of its values once more: behind itself, or before the end.
fn repeated(reply: &[u8], source: &mut dyn Source) -> Vec<u8> {
    let (mut values, end) = split_values(reply);
    let (from, to) = (source.below(values.len()), source.below(2));
    if let Some(&value) = values.get(from) {
        values.insert(if to == 0 { from } else { values.len() }, value);
    }
    [values.concat(), end.to_vec()].concat()
}

/// The values of the reply to a `get`, and what is behind them.
pub(crate) fn split_values(reply: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let (mut values, mut rest) = (Vec::new(), reply);
    while let Ok(Some((Response::Value { .. }, len))) = Response::parse(rest, &Limits::default()) {
        let (value, behind) = rest.split_at(len);
        values.push(value);
        rest = behind;
    }
    (values, rest)
}

fn another_key(reply: &[u8], source: &mut dyn Source) -> Vec<u8> {
    let (mut words, rest) = first_line(reply);
    let number = source.below(12);
    let is_value = reply.starts_with(b"VALUE ");
    let at = words.iter().skip(1).position(|word| is_value || word.starts_with(b"k"));
    let name = if is_value { "k" } else { "kk" };
    if let Some(at) = at {
        words[at + 1] = format!("{name}{number}").into_bytes();
    }
    [&words.join(&b' ')[..], rest].concat()
}

/// With another number behind this letter.
fn with_word(reply: &[u8], letter: u8, source: &mut dyn Source) -> Vec<u8> {
    let (mut words, rest) = first_line(reply);
    let number = source.below(300);
    if let Some(word) = words.iter_mut().skip(1).find(|word| word.first() == Some(&letter)) {
        word.truncate(1);
        word.extend_from_slice(number.to_string().as_bytes());
    }
    [&words.join(&b' ')[..], rest].concat()
}

fn another_length(reply: &[u8], source: &mut dyn Source) -> Vec<u8> {
    let (mut words, rest) = first_line(reply);
    let at = if reply.starts_with(b"VALUE ") { 3 } else { 1 };
    let len = words.get(at).and_then(|word| core::str::from_utf8(word).ok()?.parse::<usize>().ok());
    if let Some(len) = len {
        let lies = [len + 1, len.saturating_sub(1), len + 40, usize::MAX, 0];
        words[at] = source.pick(&lies).to_string().into_bytes();
    }
    [&words.join(&b' ')[..], rest].concat()
}

/// `HD`, with the flags of a meta reply, and no value.
fn headless(reply: &[u8]) -> Vec<u8> {
    let (words, _) = first_line(reply);
    match words.first().map(Vec::as_slice) {
        Some(b"VA") => {
            let flags = words.get(2..).unwrap_or_default().join(&b' ');
            let space = if flags.is_empty() { &b""[..] } else { b" " };
            [b"HD", space, &flags, b"\r\n"].concat()
        }
        _ => b"HD\r\n".to_vec(),
    }
}
