//! The whole grammar of responses.

use nom::branch::alt;
use nom::combinator::{map, value};
use nom::sequence::{delimited, preceded, terminated};
use nom::{Err, Parser};

use super::Response;
use super::grammar::{
    Fault, INCOMPLETE, MALFORMED, Parsed, byte, crlf, find, key_and_space, literal, narrow, number,
    signed, text_line, word,
};
use super::meta::MetaFlags;
use crate::value::Flags;
use crate::{Key, Limits, ProtocolError};

/// What stands at the start of some input.
pub(super) enum Found<'a> {
    /// A response, and how many bytes it takes.
    Whole(Response<'a>, usize),
    /// A line with a value behind it that is not all there.
    Header {
        header: Header<'a>,
        /// The length of the line, CR LF included.
        header_len: usize,
        /// The length of the value, which is within the limits.
        value_len: usize,
    },
    /// Not all of a line.
    Nothing,
}

/// The line before a value, but for the length that it announces.
#[derive(Clone, Copy)]
pub(super) enum Header<'a> {
    /// `VALUE`
    Value { key: Key<'a>, flags: Flags, cas: Option<u64> },
    /// `VA`
    Va { flags: MetaFlags<'a> },
    /// `CONFIG`
    Config { name: Key<'a>, flags: Flags },
}

impl<'a> Header<'a> {
    /// The response that the line is the beginning of.
    #[inline(always)]
    pub(super) fn with(self, value: &'a [u8]) -> Response<'a> {
        match self {
            Header::Value { key, flags, cas } => Response::Value { key, flags, cas, value },
            Header::Va { flags } => Response::Va { flags, value },
            Header::Config { name, flags } => Response::Config { name, flags, text: value },
        }
    }
}

/// No value is longer, in bytes, whatever the limits.
const MAX_LEN: usize = usize::MAX / 4;

/// A line whose first bytes, so many of them, begin no response is refused at once, so that who speaks
/// another protocol is found out. What is wrong further on is found when the line has ended.
pub(super) const HEAD_LEN: usize = 8;

/// A value, and what follows its CR LF.
pub(super) type Block<'a> = (&'a [u8], &'a [u8]);

/// The value of `len` bytes at the start of `input`, and what follows its CR LF.
#[inline(always)]
pub(super) fn block(input: &[u8], len: usize) -> Result<Option<Block<'_>>, ProtocolError> {
    let Some((value, rest)) = input.split_at_checked(len) else { return Ok(None) };
    match crlf(rest) {
        Ok((rest, ())) => Ok(Some((value, rest))),
        Err(Err::Incomplete(_)) => Ok(None),
        Err(_) => Err(ProtocolError::UnterminatedValue),
    }
}

/// The response at the start of `input`, whatever it is.
#[inline(never)]
pub(super) fn find_any<'a>(input: &'a [u8], limits: &Limits) -> Result<Found<'a>, ProtocolError> {
    let header = match input {
        [b'V', b'A', b'L', ..] => preceded(literal(b"VALUE "), value_header).parse(input),
        [b'V', b'A', b' ', ..] => preceded(literal(b"VA "), va_header).parse(input),
        [b'C', b'O', ..] => preceded(literal(b"CONFIG "), config_header).parse(input),
        _ => {
            return match other_line(input) {
                Ok((rest, response)) => whole(response, input, rest, limits),
                Err(fault) => incomplete_or(&fault, input, limits),
            };
        }
    };
    match header {
        Ok((rest, (header, len))) => header_and_block(header, len, input, rest, limits),
        Err(fault) => incomplete_or(&fault, input, limits),
    }
}

/// What a failed parse of a line means: not there yet, too long to wait for, or wrong.
#[cold]
#[inline(never)]
fn incomplete_or<'a>(
    fault: &Err<Fault>,
    input: &'a [u8],
    limits: &Limits,
) -> Result<Found<'a>, ProtocolError> {
    // As much of a line as is waited for, where there is as much.
    let longest = limits.max_line_len.saturating_add(2);
    let waits = || match input.len() < longest {
        true => Ok(Found::Nothing),
        false => Err(ProtocolError::LineTooLong { max: limits.max_line_len }),
    };
    match fault {
        Err::Incomplete(_) => waits(),
        Err::Error(Fault(error)) | Err::Failure(Fault(error)) => match input.get(..longest) {
            // What is wrong further on is not seen when the bytes come one by one, so not here.
            Some(line) if line.len() < input.len() => find_any(line, limits),
            // Nor is it looked for again with each of them.
            _ => match input.get(..HEAD_LEN) {
                Some(head) if head.len() < input.len() && find(b'\n', input).is_none() => {
                    find_any(head, limits).and_then(|_| waits())
                }
                _ => Err(*error),
            },
        },
    }
}

/// A response that is all there, if its line is not too long.
fn whole<'a>(
    response: Response<'a>,
    input: &[u8],
    rest: &[u8],
    limits: &Limits,
) -> Result<Found<'a>, ProtocolError> {
    let len = input.len() - rest.len();
    check_line(len, limits)?;
    Ok(Found::Whole(response, len))
}

/// A line that announces a value of `len` bytes, and the value in what follows it.
fn header_and_block<'a>(
    header: Header<'a>,
    len: u64,
    input: &'a [u8],
    rest: &'a [u8],
    limits: &Limits,
) -> Result<Found<'a>, ProtocolError> {
    let header_len = input.len() - rest.len();
    check_line(header_len, limits)?;
    let value_len = match header {
        Header::Config { .. } => check_value_to(len, max_config_len(limits))?,
        Header::Value { .. } | Header::Va { .. } => check_value(len, limits)?,
    };
    match block(rest, value_len)? {
        Some((value, rest)) => Ok(Found::Whole(header.with(value), input.len() - rest.len())),
        None => Ok(Found::Header { header, header_len, value_len }),
    }
}

/// Refuses a line of `len` bytes, CR LF included, that is longer than the limit.
#[inline]
pub(super) fn check_line(len: usize, limits: &Limits) -> Result<(), ProtocolError> {
    // A line that is not all there may be shorter than its end. Said so, as it is the rarer case.
    if len.wrapping_sub(2) <= limits.max_line_len || len < 2 {
        return Ok(());
    }
    Err(ProtocolError::LineTooLong { max: limits.max_line_len })
}

/// Refuses a value of `len` bytes that is longer than the limit.
#[inline]
pub(super) fn check_value(len: u64, limits: &Limits) -> Result<usize, ProtocolError> {
    check_value_to(len, limits.max_value_len)
}

#[inline]
fn check_value_to(len: u64, max: usize) -> Result<usize, ProtocolError> {
    // What comes with a value is added to its length, which must not overflow whatever the limit.
    let max = max.min(MAX_LEN);
    match usize::try_from(len) {
        Ok(len) if len <= max => Ok(len),
        _ => Err(ProtocolError::ValueTooLong { len }),
    }
}

/// The longest configuration, in bytes: what the limit of servers may need.
fn max_config_len(limits: &Limits) -> usize {
    /// A version, and the ends of lines.
    const HEAD: usize = 64;
    /// A host, an address and a port, and what stands between them.
    const SERVER: usize = 320;
    limits.max_servers.saturating_mul(SERVER).saturating_add(HEAD).min(limits.max_value_len)
}

/// A `CONFIG` line, from the name on, and the length that it announces.
pub(super) fn config_header(input: &[u8]) -> Parsed<'_, (Header<'_>, u64)> {
    let (input, name) = key_and_space(input)?;
    let (input, (flags, len)) =
        (terminated(number, byte(b' ')), terminated(number, crlf)).parse(input)?;
    Ok((input, (Header::Config { name, flags: Flags::from_wire(flags) }, len)))
}

/// A `VALUE` line, from the key on, and the length that it announces.
fn value_header(input: &[u8]) -> Parsed<'_, (Header<'_>, u64)> {
    let (input, key) = key_and_space(input)?;
    let (input, (flags, len)) = (terminated(number, byte(b' ')), number).parse(input)?;
    let (input, cas) = match input {
        [b' ', ..] => delimited(byte(b' '), map(number, Some), crlf).parse(input)?,
        _ => value(None, crlf).parse(input)?,
    };
    Ok((input, (Header::Value { key, flags: Flags::from_wire(flags), cas }, len)))
}

/// A `VA` line, from the length on, and that length.
pub(super) fn va_header(input: &[u8]) -> Parsed<'_, (Header<'_>, u64)> {
    let (input, len) = number(input)?;
    let (input, flags) = MetaFlags::parse(input)?;
    Ok((input, (Header::Va { flags }, len)))
}

/// Any `STAT` line. A name without a value at all is what some proxies send for an empty one.
fn stat(input: &[u8]) -> Parsed<'_, Response<'_>> {
    let (rest, line) = preceded(literal(b"STAT "), text_line).parse(input)?;
    let end = find(b' ', line).unwrap_or(line.len());
    match line.split_at_checked(end) {
        Some((name @ [_, ..], value)) => {
            let value = value.split_first().map_or(value, |(_, value)| value);
            Ok((rest, Response::Stat { name, value }))
        }
        _ => Err(MALFORMED),
    }
}

fn counter(input: &[u8]) -> Parsed<'_, Response<'_>> {
    let (mut input, number) = number(input)?;
    while let [b' ', rest @ ..] = input {
        input = rest;
    }
    let (input, ()) = crlf(input)?;
    Ok((input, Response::Number(number)))
}

/// Any line without a value.
fn other_line(input: &[u8]) -> Parsed<'_, Response<'_>> {
    match input {
        [b'0'..=b'9', ..] => counter(input),
        [b'H', ..] => map(meta_line(b"HD"), Response::Hd).parse(input),
        [b'N', b'F', ..] => map(meta_line(b"NF"), Response::Nf).parse(input),
        [b'N', b'S', ..] => map(meta_line(b"NS"), Response::Ns).parse(input),
        [b'N', ..] => alt((
            value(Response::NotFound, literal(b"NOT_FOUND\r\n")),
            value(Response::NotStored, literal(b"NOT_STORED\r\n")),
            worded(b"NOSPARE", Response::NoSpare),
            worded(b"NOTFULL", Response::NotFull),
            worded(b"NOTSTARTED", Response::NotStarted),
        ))
        .parse(input),
        [b'D', ..] => value(Response::Deleted, literal(b"DELETED\r\n")).parse(input),
        [b'T', ..] => value(Response::Touched, literal(b"TOUCHED\r\n")).parse(input),
        // What some servers write in place of HD.
        [b'O', b'K', b' ', ..] => map(meta_line(b"OK"), Response::Hd).parse(input),
        [b'O', ..] => value(Response::Ok, literal(b"OK\r\n")).parse(input),
        [b'R', ..] => value(Response::Reset, literal(b"RESET\r\n")).parse(input),
        [b'E', b'N', b'D', ..] => value(Response::End, literal(b"END\r\n")).parse(input),
        [b'E', b'N', ..] => map(meta_line(b"EN"), Response::En).parse(input),
        [b'M', b'N', ..] => value(Response::Mn, literal(b"MN\r\n")).parse(input),
        [b'M', b'E', b' ', ..] => meta_debug(input),
        [b'E', b'R', ..] => worded(b"ERROR", Response::Error).parse(input),
        [b'E', b'X', b'I', ..] => value(Response::Exists, literal(b"EXISTS\r\n")).parse(input),
        [b'E', b'X', ..] => map(meta_line(b"EX"), Response::Ex).parse(input),
        [b'S', b'T', b'A', ..] => stat(input),
        [b'S', b'T', ..] => value(Response::Stored, literal(b"STORED\r\n")).parse(input),
        [b'S', b'E', ..] => worded(b"SERVER_ERROR", Response::ServerError).parse(input),
        [b'S', b'A', ..] => worded(b"SAME", Response::Same).parse(input),
        [b'C', ..] => worded(b"CLIENT_ERROR", Response::ClientError).parse(input),
        [b'V', b'E', ..] => {
            map(preceded(literal(b"VERSION "), text_line), Response::Version).parse(input)
        }
        [b'P', ..] => prefix(input),
        [b'I', ..] => item(input),
        [b'k', ..] => metadump(input),
        [b'B', ..] => {
            alt((worded(b"BUSY", Response::Busy), worded(b"BADCLASS", Response::BadClass)))
                .parse(input)
        }
        [b'U', ..] => worded(b"UNSAFE", Response::Unsafe).parse(input),
        [b'M', ..] => alt((
            worded(b"MEMLIMIT_TOO_SMALL", Response::MemlimitTooSmall),
            worded(b"MEMLIMIT_ADJUST_FAILED", Response::MemlimitAdjustFailed),
        ))
        .parse(input),
        [b'W', ..] => alt((
            worded(b"WATCHER_TOO_MANY", Response::WatcherTooMany),
            worded(b"WATCHER_FAILED", Response::WatcherFailed),
        ))
        .parse(input),
        [] | [b'E' | b'S' | b'V'] | [b'V', b'A'] => Err(INCOMPLETE),
        _ => Err(MALFORMED),
    }
}

/// A word and the text that may follow it, behind a space or at a colon.
fn worded<'a, const N: usize>(
    word: &'static [u8; N],
    response: fn(&'a [u8]) -> Response<'a>,
) -> impl Parser<&'a [u8], Output = Response<'a>, Error = Fault> {
    preceded(literal(word), move |input: &'a [u8]| {
        let (rest, text) = text_line(input)?;
        match text {
            [] | [b':', ..] => Ok((rest, response(text))),
            [b' ', text @ ..] => Ok((rest, response(text))),
            _ => Err(MALFORMED),
        }
    })
}

/// A word of two letters and the flags behind it.
fn meta_line<'a>(
    word: &'static [u8; 2],
) -> impl Parser<&'a [u8], Output = MetaFlags<'a>, Error = Fault> {
    preceded(literal(word), MetaFlags::parse)
}

fn meta_debug(input: &[u8]) -> Parsed<'_, Response<'_>> {
    let (rest, line) = preceded(literal(b"ME "), text_line).parse(input)?;
    let end = find(b' ', line).unwrap_or(line.len());
    match line.split_at_checked(end) {
        Some((key @ [_, ..], items)) => {
            let items = items.split_first().map_or(items, |(_, items)| items);
            Ok((rest, Response::Me { key, items }))
        }
        _ => Err(MALFORMED),
    }
}

fn prefix(input: &[u8]) -> Parsed<'_, Response<'_>> {
    let (input, prefix) = preceded(literal(b"PREFIX "), word).parse(input)?;
    let (input, (get, hit, set, del)) = (
        preceded(literal(b" get "), number),
        preceded(literal(b" hit "), number),
        preceded(literal(b" set "), number),
        delimited(literal(b" del "), number, crlf),
    )
        .parse(input)?;
    Ok((input, Response::Prefix { prefix, get, hit, set, del }))
}

fn item(input: &[u8]) -> Parsed<'_, Response<'_>> {
    let (input, key) = preceded(literal(b"ITEM "), key_and_space).parse(input)?;
    let (input, (bytes, exptime)) =
        (delimited(byte(b'['), number, literal(b" b; ")), terminated(number, literal(b" s]\r\n")))
            .parse(input)?;
    Ok((input, Response::Item { key, bytes, exptime }))
}

fn metadump(input: &[u8]) -> Parsed<'_, Response<'_>> {
    const FLAGS: &[u8; 7] = b" flags=";
    let (input, key) = preceded(literal(b"key="), word).parse(input)?;
    let (input, (exp, la, cas, fetch)) = (
        preceded(literal(b" exp="), signed),
        preceded(literal(b" la="), signed),
        preceded(literal(b" cas="), number),
        preceded(
            literal(b" fetch="),
            alt((value(true, literal(b"yes")), value(false, literal(b"no")))),
        ),
    )
        .parse(input)?;
    let (input, (cls, size)) =
        (preceded(literal(b" cls="), narrow), preceded(literal(b" size="), number)).parse(input)?;
    // Newer servers add fields; of those only the flags are known to be of use.
    let Some((extra, rest)) =
        memchr::memchr(b'\n', input).and_then(|at| input.split_at_checked(at))
    else {
        return Err(INCOMPLETE);
    };
    let flags = match memchr::memmem::find(extra, FLAGS).and_then(|at| input.get(at..)) {
        Some(field) => match preceded(literal(FLAGS), number).parse(field)? {
            ([b' ' | b'\r' | b'\n', ..], flags) => Some(Flags::from_wire(flags)),
            _ => return Err(MALFORMED),
        },
        None => None,
    };
    match rest {
        [b'\n', rest @ ..] if matches!(extra, [] | [b' ' | b'\r', ..]) => {
            Ok((rest, Response::Metadump { key, exp, la, cas, fetch, cls, size, flags }))
        }
        _ => Err(MALFORMED),
    }
}
