use alloc::vec::Vec;
use core::fmt;

use nom::Err;

use super::common::Returns;
use crate::ProtocolError;
use crate::codec::grammar::{Fault, INCOMPLETE, MALFORMED, Parsed, number, short_number, signed};
use crate::value::Flags;

/// The flags that came back with a meta reply, in whatever order. Which there are depends on what was
/// asked for, and on the server; those that nobody here knows are passed over.
///
/// They are checked once, and the commonest are read then; the others when they are asked for. Two are
/// equal if they say the same.
///
/// ```
/// use memcache_proto::Limits;
/// use memcache_proto::codec::{MetaFlags, Response};
///
/// let parsed = Response::parse(b"HD O42 t-1 c123\r\n", &Limits::default())?;
/// let flags = MetaFlags::from_line(b" c123 t-1 O42\r\n")?;
/// assert_eq!(parsed, Some((Response::Hd(flags), 17)));
/// assert_eq!((flags.cas(), flags.ttl(), flags.size()), (Some(123), Some(-1), None));
/// # Ok::<(), memcache_proto::ProtocolError>(())
/// ```
#[derive(Clone, Copy, Default)]
pub struct MetaFlags<'a> {
    /// The flags, a space before each.
    line: &'a [u8],
    /// A bit for each letter that is there.
    present: u64,
    /// These say nothing where their letter is not there.
    client_flags: u64,
    cas: u64,
    ttl: i64,
    opaque: &'a [u8],
}

// The commonest flags and the end, as two bytes that are compared at once.
const CLIENT_FLAGS: u16 = u16::from_ne_bytes(*b" f");
const CAS: u16 = u16::from_ne_bytes(*b" c");
const TTL: u16 = u16::from_ne_bytes(*b" t");
const OPAQUE: u16 = u16::from_ne_bytes(*b" O");
const CR_LF: u16 = u16::from_ne_bytes(*b"\r\n");

/// The bit of a letter. No two letters share one, and f, c and t have low ones, as masks for those are
/// shorter.
const fn bit(letter: u8) -> u64 {
    1 << (letter.wrapping_sub(b'c') & 63)
}

impl<'a> MetaFlags<'a> {
    /// No flags.
    pub const NONE: Self =
        MetaFlags { line: &[], present: 0, client_flags: 0, cas: 0, ttl: 0, opaque: &[] };

    /// What stands behind the first word of a line: flags, a space before each, and CR LF. This is how
    /// a server makes them; a client has them from a [`Response`](crate::codec::Response).
    ///
    /// # Errors
    ///
    /// [`ProtocolError::Malformed`] or [`ProtocolError::NumberOutOfRange`].
    pub fn from_line(line: &'a [u8]) -> Result<Self, ProtocolError> {
        match Self::parse(line) {
            Ok(([], flags)) => Ok(flags),
            Err(Err::Error(Fault(error)) | Err::Failure(Fault(error))) => Err(error),
            Ok(_) | Err(Err::Incomplete(_)) => Err(ProtocolError::Malformed),
        }
    }

    /// The same at the start of `input`.
    pub(crate) fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        let (mut found, mut rest) = (Self::NONE, input);
        loop {
            rest = match rest {
                [b' ', letter @ (b'A'..=b'Z' | b'a'..=b'z'), text @ ..] => {
                    if found.has(*letter) {
                        return Err(MALFORMED);
                    }
                    found.present |= bit(*letter);
                    found.take(*letter, text)?
                }
                // A space too many.
                [b' ', behind @ ..] if matches!(behind, [b' ' | b'\r', ..]) => behind,
                [b'\r', b'\n', behind @ ..] => {
                    found.line = input.get(..input.len() - rest.len()).unwrap_or_default();
                    return Ok((behind, found));
                }
                [] | [b' ' | b'\r'] => return Err(INCOMPLETE),
                _ => return Err(MALFORMED),
            };
        }
    }

    /// Takes the text of a flag; returns what follows it.
    fn take(&mut self, letter: u8, text: &'a [u8]) -> Result<&'a [u8], Err<Fault>> {
        let rest;
        match letter {
            b'f' => (rest, self.client_flags) = number(text)?,
            b'c' => (rest, self.cas) = number(text)?,
            b't' => (rest, self.ttl) = signed(text)?,
            b'O' => (rest, self.opaque) = some_token(text)?,
            b's' | b'l' => (rest, _) = number(text)?,
            b'k' => (rest, _) = some_token(text)?,
            b'h' => match text {
                [b'0' | b'1', behind @ ..] => rest = behind,
                [] => return Err(INCOMPLETE),
                _ => return Err(MALFORMED),
            },
            b'b' | b'W' | b'X' | b'Z' => rest = text,
            _ => (rest, _) = token(text)?,
        }
        Ok(rest)
    }

    /// What [`parse`](Self::parse) finds, if it is none but the commonest flags in their plain form. All of
    /// it is in line, so that what it finds stays in registers.
    #[inline(always)]
    pub(crate) fn plain(input: &'a [u8]) -> Option<(&'a [u8], Self)> {
        let (mut found, mut rest) = (Self::NONE, input);
        while let Some((head, text)) = rest.split_first_chunk() {
            match u16::from_ne_bytes(*head) {
                CLIENT_FLAGS if !found.has(b'f') => {
                    (rest, found.client_flags) = short_number(text)?;
                    found.present |= bit(b'f');
                }
                CAS if !found.has(b'c') => {
                    (rest, found.cas) = short_number(text)?;
                    found.present |= bit(b'c');
                }
                TTL if !found.has(b't') => {
                    let (behind, ttl) = match text {
                        [b'-', text @ ..] => {
                            let (behind, magnitude) = short_number(text)?;
                            (behind, i64::try_from(magnitude).ok()?.wrapping_neg())
                        }
                        _ => {
                            let (behind, ttl) = short_number(text)?;
                            (behind, i64::try_from(ttl).ok()?)
                        }
                    };
                    (rest, found.ttl) = (behind, ttl);
                    found.present |= bit(b't');
                }
                OPAQUE if !found.has(b'O') => {
                    (rest, found.opaque) = some_token(text).ok()?;
                    found.present |= bit(b'O');
                }
                CR_LF => {
                    found.line = input.get(..input.len() - rest.len())?;
                    return Some((text, found));
                }
                _ => return None,
            }
        }
        None
    }

    /// Appends the flags, a space before each.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.line);
    }

    #[inline(always)]
    const fn has(&self, letter: u8) -> bool {
        self.present & bit(letter) != 0
    }

    /// Whether all that was asked for is there.
    #[inline]
    pub(crate) fn has_all(&self, asked: Returns) -> bool {
        let bits = |bits, letter| bits | if asked.has(letter) { bit(letter) } else { 0 };
        let asked = Returns::LETTERS.into_iter().fold(0, bits);
        self.present & asked == asked
    }

    /// The text of a flag that is not one of the commonest.
    fn text(&self, letter: u8) -> Option<&'a [u8]> {
        if !self.has(letter) {
            return None;
        }
        let mut words = self.line.split(|&byte| byte == b' ');
        words.find_map(|word| word.strip_prefix(&[letter]))
    }

    /// The number of such a flag. It has been seen to be one that fits.
    fn number(&self, letter: u8) -> Option<u64> {
        core::str::from_utf8(self.text(letter)?).ok()?.parse().ok()
    }

    /// `f`: the flags that were stored with the value.
    #[must_use]
    #[inline]
    pub fn client_flags(&self) -> Option<Flags> {
        self.has(b'f').then_some(Flags::from_wire(self.client_flags))
    }

    /// `c`: the cas unique.
    #[must_use]
    #[inline]
    pub fn cas(&self) -> Option<u64> {
        self.has(b'c').then_some(self.cas)
    }

    /// `s`: the length of the value in bytes.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.number(b's')
    }

    /// `t`: in how many seconds the item expires; -1 where it does not.
    #[must_use]
    #[inline]
    pub fn ttl(&self) -> Option<i64> {
        self.has(b't').then_some(self.ttl)
    }

    /// `l`: how many seconds ago it was last read or written.
    #[must_use]
    pub fn last_access(&self) -> Option<u64> {
        self.number(b'l')
    }

    /// `h`: whether it has been read before.
    #[must_use]
    pub fn was_hit(&self) -> Option<bool> {
        self.text(b'h').map(|text| text == b"1")
    }

    /// `O`: the opaque of the request.
    #[must_use]
    #[inline]
    pub fn opaque(&self) -> Option<&'a [u8]> {
        self.has(b'O').then_some(self.opaque)
    }

    /// `k`: the key, in base64 where [`is_base64`](Self::is_base64) says so.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.text(b'k')
    }

    /// Whether `k` is followed by these bytes as they are, spaces and all.
    pub(crate) fn has_raw_key(&self, key: &[u8]) -> bool {
        let mut found = memchr::memmem::find_iter(self.line, b" k");
        found.any(|at| {
            let behind = self.line.get(at + 2..).and_then(|behind| behind.strip_prefix(key));
            matches!(behind, Some([] | [b' ', ..]))
        })
    }

    /// `b`: whether the key is in base64.
    #[must_use]
    #[inline]
    pub fn is_base64(&self) -> bool {
        self.has(b'b')
    }

    /// `W`: whether this client is the one to make a new value.
    #[must_use]
    #[inline]
    pub fn is_won(&self) -> bool {
        self.has(b'W')
    }

    /// `X`: whether the value is stale.
    #[must_use]
    #[inline]
    pub fn is_stale(&self) -> bool {
        self.has(b'X')
    }

    /// `Z`: whether another client is making a new value.
    #[must_use]
    #[inline]
    pub fn is_won_by_another(&self) -> bool {
        self.has(b'Z')
    }
}

/// Up to the next space or control character, which stays. It may be empty.
#[inline(always)]
fn token(input: &[u8]) -> Parsed<'_, &[u8]> {
    // Most are so short that it costs less to go on from a guess than to wait for what a search finds.
    let len = input.iter().position(|&byte| byte <= b' ');
    match len.and_then(|len| input.split_at_checked(len)) {
        Some((token, rest)) => Ok((rest, token)),
        None => Err(INCOMPLETE),
    }
}

/// The same, of at least one byte.
#[inline(always)]
fn some_token(input: &[u8]) -> Parsed<'_, &[u8]> {
    match token(input)? {
        (_, []) => Err(MALFORMED),
        found => Ok(found),
    }
}

impl PartialEq for MetaFlags<'_> {
    fn eq(&self, other: &Self) -> bool {
        let said = |flags: &Self| {
            let values = (flags.client_flags(), flags.cas(), flags.size(), flags.last_access());
            let others = (flags.ttl(), flags.was_hit(), flags.opaque(), flags.key());
            (values, others, [b'b', b'W', b'X', b'Z'].map(|letter| flags.has(letter)))
        };
        said(self) == said(other)
    }
}

impl Eq for MetaFlags<'_> {}

impl fmt::Debug for MetaFlags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MetaFlags(\"{}\")", self.line.trim_ascii_start().escape_ascii())
    }
}
