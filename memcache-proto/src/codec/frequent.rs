//! The responses that a client sees most of, in their plainest form, in line with whoever asks for them.
//!
//! Each takes a few nanoseconds, and twice that if what is found goes through memory. So nothing here
//! calls what is not in line, as registers do not outlive a call; and each response is handed to a
//! [`Deliver`] in a place of its own, as what is returned from several places is put together in memory.
//! Whatever is unusual, wrong or not all there is left to [`find_any`](super::parse_response::find_any), which
//! knows the whole grammar.

use super::Response;
use super::grammar::{byte, crlf, find_small, literal, plain_key, short_number};
use super::meta::MetaFlags;
use super::parse_response::{Header, block, check_line, check_value};
use crate::Limits;
use crate::value::Flags;

/// What becomes of what stands at the start of some input. One of its methods is called, once, and in
/// line; what they make is returned as it is.
pub(super) trait Deliver<'a> {
    /// What is made of it.
    type Made;

    /// A response that is all there, and takes `len` bytes.
    fn whole(self, response: Response<'a>, len: usize) -> Self::Made;

    /// A line that is all there, and takes `header_len` bytes, before a value of `value_len` that is not.
    fn header(self, header: Header<'a>, header_len: usize, value_len: usize) -> Self::Made;

    /// None of the frequent ones in its plain form, or not all of its line, or something is wrong with it.
    fn other(self) -> Self::Made;
}

/// Hands on the response at the start of `input`.
#[inline(always)]
pub(super) fn deliver<'a, D: Deliver<'a>>(input: &'a [u8], limits: &Limits, to: D) -> D::Made {
    'frequent: {
        // Four letters are one comparison.
        let Some((head, rest)) = input.split_first_chunk() else { break 'frequent };
        // With a lower limit nothing is frequent. With this no word that stands alone is too long.
        if limits.max_line_len < b"STORED".len() {
            break 'frequent;
        }
        if head == b"STOR" {
            let Ok((_, ())) = literal(b"ED\r\n")(rest) else { break 'frequent };
            return to.whole(Response::Stored, b"STORED\r\n".len());
        }
        if head == b"HD\r\n" {
            return to.whole(Response::Hd(MetaFlags::NONE), head.len());
        }
        if let Ok((rest, ())) = literal(b"HD")(input) {
            let Some((rest, flags)) = MetaFlags::plain(rest) else { break 'frequent };
            return line(Response::Hd(flags), rest, input, limits, to);
        }
        if let Ok((rest, ())) = literal(b"VA ")(input) {
            let Some((rest, len)) = short_number(rest) else { break 'frequent };
            let Some((rest, flags)) = MetaFlags::plain(rest) else { break 'frequent };
            return line_and_value(Header::Va { flags }, len, rest, input, limits, to);
        }
        if head == b"STAT" {
            let Some((name, value, rest)) = plain_stat(rest) else { break 'frequent };
            return line(Response::Stat { name, value }, rest, input, limits, to);
        }
        if head == b"VALU" {
            let Some((rest, (header, len))) = plain_value(rest) else { break 'frequent };
            return line_and_value(header, len, rest, input, limits, to);
        }
        if head == b"END\r" {
            let Ok((_, ())) = literal(b"\n")(rest) else { break 'frequent };
            return to.whole(Response::End, b"END\r\n".len());
        }
    }
    to.other()
}

/// Hands on what is a line in `input`, followed by `rest`, and nothing else.
#[inline(always)]
fn line<'a, D: Deliver<'a>>(
    response: Response<'a>,
    rest: &[u8],
    input: &[u8],
    limits: &Limits,
    to: D,
) -> D::Made {
    let len = input.len() - rest.len();
    if check_line(len, limits).is_ok() { to.whole(response, len) } else { to.other() }
}

/// Hands on a line in `input` that announces a value of `len` bytes in `rest`, and the value if it is
/// there.
#[inline(always)]
fn line_and_value<'a, D: Deliver<'a>>(
    header: Header<'a>,
    len: u64,
    rest: &'a [u8],
    input: &[u8],
    limits: &Limits,
    to: D,
) -> D::Made {
    let header_len = input.len() - rest.len();
    let Ok(value_len) = check_value(len, limits) else { return to.other() };
    if check_line(header_len, limits).is_err() {
        return to.other();
    }
    match block(rest, value_len) {
        Ok(Some((value, rest))) => to.whole(header.with(value), input.len() - rest.len()),
        Ok(None) => to.header(header, header_len, value_len),
        Err(_) => to.other(),
    }
}

/// A `VALUE` line, from the `E` on, and the length that it announces.
#[inline(always)]
fn plain_value(input: &[u8]) -> Option<(&[u8], (Header<'_>, u64))> {
    let (rest, ()) = literal(b"E ")(input).ok()?;
    let (rest, key) = plain_key(rest)?;
    let (rest, flags) = short_number(rest)?;
    let (rest, ()) = byte(b' ')(rest).ok()?;
    let (rest, len) = short_number(rest)?;
    let flags = Flags::from_wire(flags);
    if let Ok((rest, ())) = crlf(rest) {
        return Some((rest, (Header::Value { key, flags, cas: None }, len)));
    }
    let (rest, ()) = byte(b' ')(rest).ok()?;
    let (rest, cas) = short_number(rest)?;
    let (rest, ()) = crlf(rest).ok()?;
    Some((rest, (Header::Value { key, flags, cas: Some(cas) }, len)))
}

/// The name and the value of a `STAT` line that has both, and what follows the line. `input` begins with
/// the space before them.
#[inline(always)]
fn plain_stat(input: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let [b' ', input @ ..] = input else { return None };
    let (name, value) = input.split_at_checked(find_small(input)?)?;
    let [b' ', value @ ..] = value else { return None };
    // Values are so short that it costs less to go on from a guess than to wait for what a search finds.
    let end = value.iter().position(|&byte| byte == b'\n')?;
    match value.split_at_checked(end)? {
        ([value @ .., b'\r'], [_, rest @ ..]) if !name.is_empty() => Some((name, value, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::codec::parse_response::{Found, find_any};

    /// What was handed on, as far as it can be compared.
    #[derive(Debug, PartialEq)]
    enum Made<'a> {
        Whole(Response<'a>, usize),
        /// The response that it would be with an empty value.
        Header(Response<'a>, usize, usize),
        Other,
    }

    struct Record;

    impl<'a> Deliver<'a> for Record {
        type Made = Made<'a>;

        fn whole(self, response: Response<'a>, len: usize) -> Made<'a> {
            Made::Whole(response, len)
        }

        fn header(self, header: Header<'a>, header_len: usize, value_len: usize) -> Made<'a> {
            Made::Header(header.with(b""), header_len, value_len)
        }

        fn other(self) -> Made<'a> {
            Made::Other
        }
    }

    fn known<'a>(input: &'a [u8], limits: &Limits) -> Made<'a> {
        match find_any(input, limits) {
            Ok(Found::Whole(response, len)) => Made::Whole(response, len),
            Ok(Found::Header { header, header_len, value_len }) => {
                Record.header(header, header_len, value_len)
            }
            Ok(Found::Nothing) | Err(_) => Made::Other,
        }
    }

    /// Plain ones are found, and nothing is found that the whole grammar does not find in the same place.
    #[test]
    fn what_is_found_is_what_the_whole_grammar_finds() {
        let plain: &[&[u8]] = &[
            b"STORED\r\n",
            b"END\r\n",
            b"STAT pid 1\r\n",
            b"STAT threads 4 or so\r\n",
            b"HD\r\n",
            b"HD O42\r\n",
            b"HD f1 c18446744 t-1 O\xff\r\n",
            b"HD t0 c0 f4294967295\r\n",
            b"HD t-9223372036854775807\r\n",
            b"VA 0\r\n\r\n",
            b"VA 3 f0 c9999999999999999999 t9223372036854775807 O1\r\nbar\r\n",
            b"VALUE foo 0 3\r\nbar\r\n",
            b"VALUE foo 18 3 123\r\n\r\n\r\r\n",
            b"VALUE f\xc3\xa4 007 0\r\n\r\n",
        ];
        let others: &[&[u8]] = &[
            b"HD",
            b"HDX\r\n",
            b"HD \r\n",
            b"HD  O1\r\n",
            b"HD O\r\n",
            b"HD O1 O2\r\n",
            b"HD c1 c1\r\n",
            b"HD f1 f1\r\n",
            b"HD t1 t-1\r\n",
            b"HD c\r\n",
            b"HD t--1\r\n",
            b"HD t9223372036854775808\r\n",
            b"HD t-9223372036854775808\r\n",
            b"HD c18446744073709551615\r\n",
            b"HD c18446744073709551616\r\n",
            b"HD W\r\n",
            b"HD s3 h0 l5 kfoo b X Z\r\n",
            b"HD O1\n",
            b"VA\r\n",
            b"VA f0 3\r\nbar\r\n",
            b"VA 3 W\r\nbar\r\n",
            b"VA 3 f0\r\nbarx\r\n",
            b"VA 18446744073709551615\r\n",
            b"VA 1048577\r\n",
            b"VALUE foo 0 1048577\r\n",
            b"VALUE foo 0 9999999999999999999\r\n",
            b"EN\r\n",
            b"STOREDX\r\n",
            b"STAT\r\n",
            b"STAT pid\r\n",
            b"STAT  1\r\n",
            b"STAT pid 1\n",
            b"STATS pid 1\r\n",
            b"ENDED\r\n",
            b"VALUE  0 3\r\nbar\r\n",
            b"VALUE \x01 0 3\r\nbar\r\n",
            b"VALUE foo 0 3\r\nbarx\r\n",
            b"VALUE foo 0 18446744073709551616\r\n",
            b"VALUE foo 0 3 4 5\r\nbar\r\n",
            b"VALUES foo 0 3\r\nbar\r\n",
            b"VERSION 1.6.18\r\n",
            b"NOT_FOUND\r\n",
            b"SERVER_ERROR out of memory\r\n",
            b"12\r\n",
        ];
        let rows = plain.iter().map(|wire| (wire, true));
        for (wire, is_plain) in rows.chain(others.iter().map(|wire| (wire, false))) {
            let input = [wire, &b"HD\r\nEND\r\n"[..]].concat();
            // The end of a key is looked for eight bytes at a time, so some have to follow.
            let found = deliver(&input, &limits(2048), Record);
            assert_eq!(matches!(found, Made::Whole(..)), is_plain, "{}", input.escape_ascii());

            for max_line_len in (0..40).chain([2048, usize::MAX]) {
                let limits = limits(max_line_len);
                for len in 0..=input.len() {
                    let input = &input[..len];
                    let found = deliver(input, &limits, Record);
                    if found != Made::Other {
                        let known = known(input, &limits);
                        // Flags are equal if they say the same; their text is to be there, too.
                        assert_eq!(format!("{found:?}"), format!("{known:?}"));
                        assert_eq!(found, known, "{}, {max_line_len}", input.escape_ascii());
                    }
                }
            }
        }
    }

    fn limits(max_line_len: usize) -> Limits {
        Limits { max_line_len, max_value_len: 1 << 20, ..Limits::default() }
    }
}
