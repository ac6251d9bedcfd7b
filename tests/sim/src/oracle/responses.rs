//! Responses from bytes, in every way of delivery.

use memcache_proto::codec::{Decoder, Item, Response};
use memcache_proto::{Limits, ProtocolError};

use super::delivery::{cuts, deliver, limits, pieces};
use crate::Tape;

/// Takes the first byte for how the rest is delivered, and the rest for what a server sends.
///
/// # Panics
///
/// Panics if a response depends on how it is delivered, does not survive being encoded, or takes more
/// memory than it may.
pub fn responses(bytes: &[u8]) {
    let (choices, stream) = bytes.split_at(bytes.len().min(2));
    let limits = limits(&mut Tape::new(choices));
    let (expected, end) = parse_all(stream, &limits);
    for response in &expected {
        survives_encoding(response, &limits);
        survives_a_detour(response, &limits);
    }
    // How it is cut goes by the bytes themselves, so that all of the input can be what a server sends.
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.rotate_left(3) ^ byte);
    let some =
        cuts(&mut Tape::new(&[choices.last().copied().unwrap_or(0), sum, sum / 2]), stream.len());
    for cuts in [vec![stream.len()], some, vec![1; stream.len()]] {
        check_delivered(&limits, &pieces(stream, &cuts), &expected, end);
    }
}

/// All responses at the start of a stream, and why there are no more: an error, or an end that is missing.
fn parse_all<'a>(
    stream: &'a [u8],
    limits: &Limits,
) -> (Vec<Response<'a>>, Result<usize, ProtocolError>) {
    let (mut responses, mut rest) = (Vec::new(), stream);
    loop {
        match Response::parse(rest, limits) {
            Ok(Some((response, len))) => {
                let (this, behind) = rest.split_at(len);
                assert_eq!(
                    Response::parse(this, limits),
                    Ok(Some((response, len))),
                    "what is behind a response changes it: {}",
                    rest.escape_ascii()
                );
                assert_eq!(
                    Response::parse(&this[..len - 1], limits),
                    Ok(None),
                    "all but a byte of {}",
                    this.escape_ascii()
                );
                responses.push(response);
                rest = behind;
            }
            Ok(None) => return (responses, Ok(rest.len())),
            Err(error) => return (responses, Err(error)),
        }
    }
}

fn check_delivered(
    limits: &Limits,
    pieces: &[&[u8]],
    expected: &[Response<'_>],
    end: Result<usize, ProtocolError>,
) {
    let mut decoder = Decoder::new(*limits);
    let mut expected = expected.iter();
    let mut found = Ok(());
    for piece in pieces {
        found = deliver(&mut decoder, piece, |item| {
            let next = expected.next().copied();
            assert!(is(&item, next, limits), "{item:?} in place of {next:?}");
        });
        if found.is_err() {
            assert_eq!(decoder.next().err(), found.err(), "a decoder has to stay failed");
            break;
        }
    }
    assert_eq!(expected.next(), None, "a response is missing");
    assert_eq!(found.err(), end.err(), "the error");
    if let Ok(left) = end {
        assert_eq!(decoder.is_empty(), left == 0, "{left} bytes are left");
    }
}

/// Whether a delivered item is this response.
fn is(item: &Item<'_>, expected: Option<Response<'_>>, limits: &Limits) -> bool {
    match (item, expected) {
        (Item::Response(response), Some(expected)) => *response == expected,
        (
            Item::LargeValue { key, flags, cas, value },
            Some(Response::Value { key: k, flags: f, cas: c, value: v }),
        ) => {
            let large = v.len() > limits.inline_value_len;
            large && (*key, *flags, *cas, value.as_slice()) == (k, f, c, v)
        }
        (Item::LargeVa { flags, value }, Some(Response::Va { flags: f, value: v })) => {
            v.len() > limits.inline_value_len && (*flags, value.as_slice()) == (f, v)
        }
        _ => false,
    }
}

/// What was parsed encodes to a response that parses to the same.
pub(super) fn survives_encoding(response: &Response<'_>, limits: &Limits) {
    let mut out = b"before".to_vec();
    response.encode(&mut out);
    let written = out.strip_prefix(b"before").expect("what was there has to stay");
    // What the limits keep out may become longer, by the space before an empty text.
    let limits = Limits { max_line_len: limits.max_line_len.saturating_add(64), ..*limits };
    assert_eq!(
        Response::parse(written, &limits),
        Ok(Some((*response, written.len()))),
        "{}",
        written.escape_ascii()
    );
    let mut again = Vec::new();
    response.encode(&mut again);
    assert_eq!(again, written);
}

/// The same response in a form that is not its plainest is the same: the quick path and the whole grammar
/// agree.
fn survives_a_detour(response: &Response<'_>, limits: &Limits) {
    let mut plain = Vec::new();
    response.encode(&mut plain);
    let line_len = plain.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let (line, behind) = plain.split_at(line_len);
    let mut unusual = Vec::new();
    match response {
        // Numbers of so many digits that they are not plain.
        Response::Value { key, .. } => {
            let (head, numbers) = line.split_at(b"VALUE ".len() + key.len());
            unusual.extend_from_slice(head);
            for byte in numbers {
                unusual.push(*byte);
                if *byte == b' ' {
                    unusual.extend_from_slice(b"00000000000000000000");
                }
            }
        }
        // A space too many.
        Response::Hd(_) | Response::Va { .. } => {
            unusual.extend_from_slice(line.strip_suffix(b"\r\n").expect("a line"));
            unusual.extend_from_slice(b" \r\n");
        }
        _ => return,
    }
    unusual.extend_from_slice(behind);
    let limits = Limits { max_line_len: limits.max_line_len.saturating_add(128), ..*limits };
    assert_eq!(
        Response::parse(&unusual, &limits),
        Ok(Some((*response, unusual.len()))),
        "{} and {}",
        plain.escape_ascii(),
        unusual.escape_ascii()
    );
}
