use alloc::vec::Vec;
use core::fmt;

use nom::Err;

use crate::ProtocolError;
use crate::codec::grammar::{Fault, INCOMPLETE, MALFORMED, Parsed, number, signed};
use crate::value::Flags;

/// The flags that came back with a meta reply, in whatever order. Which there are depends on what was
/// asked for, and on the server; those that nobody here knows are passed over.
///
/// They are checked once, and each is read from the line when it is asked for. Two are equal if they say
/// the same.
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
    /// A bit for each letter that is there, and [`HIT`].
    present: u64,
    /// Where in the line the texts of flags begin, a byte each; 0 where one is not there. The highest
    /// byte is the length of the opaque.
    places: u64,
}

/// The bit of a letter. No two letters share one, and none has the lowest.
const fn bit(letter: u8) -> u64 {
    1 << (letter & 63)
}

/// What `h` says.
const HIT: u64 = 1;

/// The flags that have a text to be read later, in the order of their [`MetaFlags::places`].
const TEXTS: [u8; 7] = *b"fctOslk";

/// How far up the length of the opaque is, above the places.
const OPAQUE_LEN: u32 = 56;

/// No place in a line of this many bytes is kept, and no length of a word in it.
const FAR: usize = u8::MAX as usize;

/// The places of such a line.
const LOST: u64 = u64::MAX;

/// How far up the place of a text is. Folded to a number where the letter is known.
#[inline(always)]
const fn shift(letter: u8) -> u32 {
    let (mut at, mut shift) = (0, 0);
    while at < TEXTS.len() && TEXTS[at] != letter {
        at += 1;
        shift += 8;
    }
    shift
}

impl<'a> MetaFlags<'a> {
    /// No flags.
    pub const NONE: Self = MetaFlags { line: &[], present: 0, places: 0 };

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
    #[inline(always)]
    pub(crate) fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        let (mut present, mut places, mut rest) = (0, 0, input);
        loop {
            rest = match rest {
                [b'\r', b'\n', behind @ ..] => {
                    let line = input.get(..input.len() - rest.len()).unwrap_or_default();
                    if line.len() >= FAR {
                        places = LOST;
                    }
                    return Ok((behind, MetaFlags { line, present, places }));
                }
                [b' ', letter, text @ ..] if *letter > b' ' => {
                    if present & bit(*letter) != 0 {
                        return Err(MALFORMED);
                    }
                    present |= bit(*letter);
                    // In a line so long that this does not fit a byte no place is kept.
                    let place = (input.len() - text.len()) as u64;
                    let place = |letter| place << shift(letter);
                    match letter {
                        b'f' => {
                            places |= place(b'f');
                            behind_number(text)?
                        }
                        b'c' => {
                            places |= place(b'c');
                            behind_number(text)?
                        }
                        b't' => {
                            places |= place(b't');
                            behind_signed(text)?
                        }
                        b'O' => {
                            let (behind, opaque) = some_token(text)?;
                            places |= place(b'O') | (opaque.len() as u64) << OPAQUE_LEN;
                            behind
                        }
                        b's' => {
                            places |= place(b's');
                            behind_number(text)?
                        }
                        b'l' => {
                            places |= place(b'l');
                            behind_number(text)?
                        }
                        b'k' => {
                            places |= place(b'k');
                            some_token(text)?.0
                        }
                        b'h' => match text {
                            [hit @ (b'0' | b'1'), behind @ ..] => {
                                present |= HIT * u64::from(*hit == b'1');
                                behind
                            }
                            [] => return Err(INCOMPLETE),
                            _ => return Err(MALFORMED),
                        },
                        b'b' | b'W' | b'X' | b'Z' => text,
                        b'A'..=b'Z' | b'a'..=b'z' => token(text)?.0,
                        _ => return Err(MALFORMED),
                    }
                }
                // A space too many.
                [b' ', behind @ ..] if matches!(behind, [b' ' | b'\r', ..]) => behind,
                [] | [b' ' | b'\r'] => return Err(INCOMPLETE),
                _ => return Err(MALFORMED),
            };
        }
    }

    /// Appends the flags, a space before each.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.line);
    }

    #[inline]
    const fn has(&self, letter: u8) -> bool {
        self.present & bit(letter) != 0
    }

    /// From the text of a flag to the end of the line, if there is such a flag.
    #[inline(always)]
    fn text(&self, letter: u8) -> Option<&'a [u8]> {
        match self.places >> shift(letter) & 0xff {
            0 => None,
            place => match self.line.get(usize::try_from(place).ok()?..) {
                Some(text) if self.places != LOST => Some(text),
                _ => self.lost_text(letter),
            },
        }
    }

    /// The same where no places are kept.
    #[cold]
    #[inline(never)]
    fn lost_text(&self, letter: u8) -> Option<&'a [u8]> {
        let at = self.line.windows(2).position(|window| window == [b' ', letter])?;
        self.line.get(at + 2..)
    }

    /// The number of a flag. It has been seen to be one that fits.
    #[inline(always)]
    fn number(&self, letter: u8) -> Option<u64> {
        self.text(letter).map(digits)
    }

    /// `f`: the flags that were stored with the value.
    #[must_use]
    #[inline]
    pub fn client_flags(&self) -> Option<Flags> {
        self.number(b'f').map(Flags::from_wire)
    }

    /// `c`: the cas unique.
    #[must_use]
    #[inline]
    pub fn cas(&self) -> Option<u64> {
        self.number(b'c')
    }

    /// `s`: the length of the value in bytes.
    #[must_use]
    #[inline]
    pub fn size(&self) -> Option<u64> {
        self.number(b's')
    }

    /// `t`: in how many seconds the item expires; -1 where it does not.
    #[must_use]
    #[inline]
    pub fn ttl(&self) -> Option<i64> {
        match self.text(b't')? {
            [b'-', text @ ..] => Some(0_i64.wrapping_sub_unsigned(digits(text))),
            text => Some(i64::try_from(digits(text)).unwrap_or(i64::MAX)),
        }
    }

    /// `l`: how many seconds ago it was last read or written.
    #[must_use]
    #[inline]
    pub fn last_access(&self) -> Option<u64> {
        self.number(b'l')
    }

    /// `h`: whether it has been read before.
    #[must_use]
    #[inline]
    pub fn was_hit(&self) -> Option<bool> {
        self.has(b'h').then_some(self.present & HIT != 0)
    }

    /// `O`: the opaque of the request.
    #[must_use]
    #[inline]
    pub fn opaque(&self) -> Option<&'a [u8]> {
        let text = self.text(b'O')?;
        match usize::try_from(self.places >> OPAQUE_LEN) {
            Ok(len) if self.places != LOST => text.get(..len),
            _ => Some(word(text)),
        }
    }

    /// `k`: the key, in base64 where [`is_base64`](Self::is_base64) says so.
    #[must_use]
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.text(b'k').map(word)
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

/// The word at the start of a text.
fn word(text: &[u8]) -> &[u8] {
    token_len(text).and_then(|len| text.get(..len)).unwrap_or(text)
}

/// What follows the number at the start of a text; it has to be one that fits 64 bits.
#[inline(always)]
fn behind_number(text: &[u8]) -> Result<&[u8], Err<Fault>> {
    // Nineteen digits always fit.
    match behind_digits(text, 19) {
        Some(behind) => Ok(behind),
        None => odd_number(text),
    }
}

#[cold]
#[inline(never)]
fn odd_number(text: &[u8]) -> Result<&[u8], Err<Fault>> {
    Ok(number(text)?.0)
}

/// The same of a number that may have a sign.
#[inline(always)]
fn behind_signed(text: &[u8]) -> Result<&[u8], Err<Fault>> {
    let magnitude = match text {
        [b'-', magnitude @ ..] => magnitude,
        _ => text,
    };
    match behind_digits(magnitude, 18) {
        Some(behind) => Ok(behind),
        None => odd_signed(text),
    }
}

#[cold]
#[inline(never)]
fn odd_signed(text: &[u8]) -> Result<&[u8], Err<Fault>> {
    Ok(signed(text)?.0)
}

/// What follows the digits at the start of a text, if they are 1 to `max` and something does.
#[inline(always)]
fn behind_digits(text: &[u8], max: usize) -> Option<&[u8]> {
    let mut rest = text;
    while let [b'0'..=b'9', behind @ ..] = rest {
        rest = behind;
    }
    let count = text.len() - rest.len();
    (!rest.is_empty() && (1..=max).contains(&count)).then_some(rest)
}

/// The number at the start of a text that is known to begin with one that fits.
#[inline(always)]
fn digits(text: &[u8]) -> u64 {
    let (mut value, mut rest) = (0_u64, text);
    while let [digit @ b'0'..=b'9', behind @ ..] = rest {
        value = value.wrapping_mul(10).wrapping_add(u64::from(*digit - b'0'));
        rest = behind;
    }
    value
}

/// Up to the next space or control character, which stays. It may be empty.
#[inline(always)]
fn token(input: &[u8]) -> Parsed<'_, &[u8]> {
    match token_len(input).and_then(|len| input.split_at_checked(len)) {
        Some((token, rest)) => Ok((rest, token)),
        None => Err(INCOMPLETE),
    }
}

/// How long the token is that `input` begins with, if something follows it.
#[inline(always)]
fn token_len(input: &[u8]) -> Option<usize> {
    // Most are so short that it costs less to go on from a guess than to wait for what a search finds.
    input.iter().position(|&byte| byte <= b' ')
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
            let numbers = [b'f', b'c', b's', b'l'].map(|letter| flags.number(letter));
            let others = (flags.ttl(), flags.was_hit(), flags.opaque(), flags.key());
            (numbers, others, [b'b', b'W', b'X', b'Z'].map(|letter| flags.has(letter)))
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
