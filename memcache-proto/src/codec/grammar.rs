//! The leaves of the grammar of lines, as nom parsers over input that may end anywhere.
//!
//! nom's own `tag` and number parsers compare and convert byte by byte through its traits; on lines
//! this short that shows, so the leaves are written for slices.

use nom::bytes::complete::{take_till1, take_while, take_while1};
use nom::error::{ErrorKind, ParseError};
use nom::sequence::preceded;
use nom::{Err, IResult, Needed, Parser};

use crate::{Key, MAX_KEY_LEN, ProtocolError, eight};

/// What remains of the input, and what was found; [`Err::Incomplete`] where the input ends first.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, Fault>;

/// [`ProtocolError`] as nom wants its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) ProtocolError);

impl<I> ParseError<I> for Fault {
    fn from_error_kind(_: I, _: ErrorKind) -> Self {
        Fault(ProtocolError::Malformed)
    }

    fn append(_: I, _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// Where the key stands in a `VALUE` line.
pub(crate) const VALUE_KEY_AT: usize = b"VALUE ".len();

pub(crate) const INCOMPLETE: Err<Fault> = Err::Incomplete(Needed::Unknown);
pub(crate) const MALFORMED: Err<Fault> = Err::Error(Fault(ProtocolError::Malformed));

/// Exactly these bytes.
#[inline]
pub(crate) fn literal<'a, const N: usize>(
    word: &'static [u8; N],
) -> impl Fn(&'a [u8]) -> Parsed<'a, ()> {
    move |input| match input.split_first_chunk::<N>() {
        Some((head, rest)) if head == word => Ok((rest, ())),
        Some(_) => Err(MALFORMED),
        None if word.starts_with(input) => Err(INCOMPLETE),
        None => Err(MALFORMED),
    }
}

/// One byte.
#[inline]
pub(crate) fn byte<'a>(expected: u8) -> impl Fn(&'a [u8]) -> Parsed<'a, ()> {
    move |input| match input.split_first() {
        Some((first, rest)) if *first == expected => Ok((rest, ())),
        Some(_) => Err(MALFORMED),
        None => Err(INCOMPLETE),
    }
}

/// The end of a line.
#[inline]
pub(crate) fn crlf(input: &[u8]) -> Parsed<'_, ()> {
    literal(b"\r\n")(input)
}

/// A key without control characters, and the space behind it. It may overlook one that is longer than
/// 247 bytes, or with fewer than seven bytes behind its space.
#[inline(always)]
pub(crate) fn plain_key(input: &[u8]) -> Option<(&[u8], Key<'_>)> {
    let within = input.get(..=MAX_KEY_LEN).unwrap_or(input);
    match input.split_at_checked(find_small(within)?)? {
        (key @ [_, ..], [b' ', rest @ ..]) => Some((rest, Key::parsed(key))),
        _ => None,
    }
}

/// A key and the space behind it.
pub(crate) fn key_and_space(input: &[u8]) -> Parsed<'_, Key<'_>> {
    let within = input.get(..=MAX_KEY_LEN).unwrap_or(input);
    match within.iter().position(|&byte| matches!(byte, b' ' | b'\n' | 0)) {
        Some(end) => match input.split_at_checked(end) {
            Some((key @ [_, ..], [b' ', rest @ ..])) => Ok((rest, Key::parsed(key))),
            _ => Err(MALFORMED),
        },
        None if within.len() > MAX_KEY_LEN => Err(Err::Error(Fault(ProtocolError::KeyTooLong))),
        None => Err(INCOMPLETE),
    }
}

/// Where the first space or control character stands. It looks at eight bytes at a time, and not at what
/// is left of them in the end.
#[inline(always)]
pub(crate) fn find_small(input: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut rest = input;
    while let Some((word, tail)) = rest.split_first_chunk() {
        let small = eight::below(0x21, u64::from_le_bytes(*word));
        if small != 0 {
            return Some(at + eight::first(small));
        }
        at += 8;
        rest = tail;
    }
    None
}

/// A word: everything up to the next space, which stays.
pub(crate) fn word(input: &[u8]) -> Parsed<'_, &[u8]> {
    match input.iter().position(|&byte| matches!(byte, b' ' | b'\r' | b'\n')) {
        Some(0) => Err(MALFORMED),
        Some(end) => match input.split_at_checked(end) {
            Some((word, rest)) => Ok((rest, word)),
            None => Err(MALFORMED),
        },
        None => Err(INCOMPLETE),
    }
}

/// A decimal number of so few digits that it fits 64 bits for sure, and what has to follow it.
#[inline(always)]
pub(crate) fn short_number(input: &[u8]) -> Option<(&[u8], u64)> {
    let (mut value, mut rest) = (0_u64, input);
    while let [byte, behind @ ..] = rest {
        let digit = u64::from(*byte).wrapping_sub(u64::from(b'0'));
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(digit);
        rest = behind;
    }
    let is_short = (1..=19).contains(&(input.len() - rest.len()));
    (is_short && !rest.is_empty()).then_some((rest, value))
}

/// A decimal number that fits 64 bits. At least one digit, and something behind it.
pub(crate) fn number(input: &[u8]) -> Parsed<'_, u64> {
    if let Some(found) = short_number(input) {
        return Ok(found);
    }
    let len = input.iter().position(|byte| !byte.is_ascii_digit());
    let (digits, rest) = input.split_at(len.unwrap_or(input.len()));
    let value = digits.iter().try_fold(0_u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    match value {
        None => Err(Err::Error(Fault(ProtocolError::NumberOutOfRange))),
        Some(_) if rest.is_empty() => Err(INCOMPLETE),
        Some(_) if digits.is_empty() => Err(MALFORMED),
        Some(value) => Ok((rest, value)),
    }
}

/// A decimal number with a sign.
pub(crate) fn signed(input: &[u8]) -> Parsed<'_, i64> {
    let (negative, digits) = match input.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, input),
    };
    let (rest, magnitude) = number(digits)?;
    let value = if negative {
        0_i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    };
    match value {
        Some(value) => Ok((rest, value)),
        None => Err(Err::Error(Fault(ProtocolError::NumberOutOfRange))),
    }
}

/// A number that fits a narrower type.
pub(crate) fn narrow<T: TryFrom<u64>>(input: &[u8]) -> Parsed<'_, T> {
    let (rest, value) = number(input)?;
    match T::try_from(value) {
        Ok(value) => Ok((rest, value)),
        Err(_) => Err(Err::Error(Fault(ProtocolError::NumberOutOfRange))),
    }
}

/// The rest of the line, without its CR LF, which is taken too. A CR inside it is text.
#[inline]
pub(crate) fn text_line(input: &[u8]) -> Parsed<'_, &[u8]> {
    match find(b'\n', input).and_then(|at| input.split_at_checked(at)) {
        Some(([text @ .., b'\r'], [_, rest @ ..])) => Ok((rest, text)),
        Some(_) => Err(MALFORMED),
        None => Err(INCOMPLETE),
    }
}

/// A word of a command line and what follows it. The line is all there, without its end; one or more
/// spaces stand before each word.
pub(crate) fn line_word(line: &[u8]) -> Parsed<'_, &[u8]> {
    preceded(take_while(|byte| byte == b' '), take_till1(|byte| byte == b' ')).parse(line)
}

/// A word of a command line as memcached reads an unsigned number: C's `strtoull`, and nothing but
/// white space behind it. Minus signs are taken where the result does not look negative.
pub(crate) fn c_unsigned(word: &[u8]) -> Option<u64> {
    let (_, (negative, magnitude)) = c_number(word).ok()?;
    let value = if negative { magnitude.wrapping_neg() } else { magnitude };
    let looks_negative = value > i64::MAX.unsigned_abs() && c_text(word).contains(&b'-');
    (!looks_negative).then_some(value)
}

/// The same for a signed number: C's `strtoll`.
pub(crate) fn c_signed(word: &[u8]) -> Option<i64> {
    let (_, (negative, magnitude)) = c_number(word).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude);
    }
    i64::try_from(magnitude).ok()
}

/// The same kept in 32 bits, as memcached's `safe_strtol` does: what does not fit wraps.
pub(crate) fn c_int(word: &[u8]) -> Option<i32> {
    let [a, b, c, d, ..] = c_signed(word)?.to_le_bytes();
    Some(i32::from_le_bytes([a, b, c, d]))
}

/// The same unsigned: `safe_strtoul`.
pub(crate) fn c_uint(word: &[u8]) -> Option<u32> {
    let [a, b, c, d, ..] = c_unsigned(word)?.to_le_bytes();
    Some(u32::from_le_bytes([a, b, c, d]))
}

fn c_number(word: &[u8]) -> Parsed<'_, (bool, u64)> {
    let (input, _) = take_while(is_c_space).parse(word)?;
    let (negative, input) = match input {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, input),
    };
    let (rest, digits): (_, &[u8]) = take_while1(|byte: u8| byte.is_ascii_digit()).parse(input)?;
    let magnitude = digits.iter().try_fold(0_u64, |value, byte| {
        value.checked_mul(10)?.checked_add(u64::from(byte.wrapping_sub(b'0')))
    });
    match (magnitude, rest.first()) {
        (None, _) => Err(Err::Error(Fault(ProtocolError::NumberOutOfRange))),
        (Some(_), Some(&byte)) if byte != 0 && !is_c_space(byte) => Err(MALFORMED),
        (Some(magnitude), _) => Ok((rest, (negative, magnitude))),
    }
}

/// Up to the NUL that ends a text in C.
pub(crate) fn c_text(bytes: &[u8]) -> &[u8] {
    memchr::memchr(0, bytes).and_then(|end| bytes.get(..end)).unwrap_or(bytes)
}

/// C's `isspace`.
fn is_c_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Where the first such byte stands. On lines this short a call of memchr is most of its cost.
#[inline(always)]
pub(crate) fn find(wanted: u8, input: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut rest = input;
    while let Some((word, tail)) = rest.split_first_chunk() {
        let found = eight::equal_to(wanted, u64::from_le_bytes(*word));
        if found != 0 {
            return Some(at + eight::first(found));
        }
        at += 8;
        rest = tail;
        if at == 64 {
            break;
        }
    }
    memchr::memchr(wanted, rest).map(|found| at + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        let cases: &[(&[u8], Option<u64>, Option<i64>)] = &[
            (b"0", Some(0), Some(0)),
            (b"007", Some(7), Some(7)),
            (b"+5", Some(5), Some(5)),
            (b"-5", None, Some(-5)),
            (b"-0", Some(0), Some(0)),
            (b"\t5\r", Some(5), Some(5)),
            (b"5 x-", Some(5), Some(5)),
            (b"5\0x", Some(5), Some(5)),
            (b"5x", None, None),
            (b"", None, None),
            (b"-", None, None),
            (b"+-5", None, None),
            (b"- 5", None, None),
            (b"9223372036854775807", Some(i64::MAX as u64), Some(i64::MAX)),
            (b"9223372036854775808", Some(1 << 63), None),
            (b"9223372036854775808 -", None, None),
            (b"9223372036854775808\0-", Some(1 << 63), None),
            (b"-9223372036854775808", None, Some(i64::MIN)),
            (b"-9223372036854775809", Some(i64::MAX as u64), None),
            (b"18446744073709551615", Some(u64::MAX), None),
            (b"-18446744073709551615", Some(1), None),
            (b"18446744073709551616", None, None),
        ];
        for &(word, unsigned, signed) in cases {
            assert_eq!(c_unsigned(word), unsigned, "{}", word.escape_ascii());
            assert_eq!(c_signed(word), signed, "{}", word.escape_ascii());
        }
        assert_eq!(c_int(b"4294967297"), Some(1));
        assert_eq!(c_int(b"2147483648"), Some(i32::MIN));
        assert_eq!(c_uint(b"4294967297"), Some(1));
    }
}
