//! What the tables of wire cases share: every row is run in every way of delivery.

use memcache_proto::codec::{Decoder, Item, Response};
use memcache_proto::{Limits, ProtocolError};

/// One row of the table: bytes, what they mean, and whether the encoder writes these very bytes.
pub(crate) struct Row {
    pub(crate) wire: Vec<u8>,
    pub(crate) response: Response<'static>,
    pub(crate) canonical: bool,
}

/// What stands behind the response of a row: a whole response, and the beginning of a third.
const BEHIND: &[u8] = b"STORED\r\nVALUE next 0 5\r\nab";

/// Each response reads as itself, whole, byte by byte and split at every point, with others behind it.
pub(crate) fn check_read(rows: &[Row]) {
    for limits in [Limits::default(), small_limits()] {
        for Row { wire, response, .. } in rows {
            let name = shown(wire);
            assert_eq!(Response::parse(wire, &limits), Ok(Some((*response, wire.len()))), "{name}");
            let behind = [wire, BEHIND].concat();
            let parsed = Response::parse(&behind, &limits);
            assert_eq!(parsed, Ok(Some((*response, wire.len()))), "{name}");

            let expected = [*response, Response::Stored];
            check_stream(&limits, &[&behind], &expected, &name);
            check_stream(&limits, &bytes_of(&behind), &expected, &name);
            for at in 0..=behind.len() {
                let (head, tail) = behind.split_at(at);
                check_stream(&limits, &[head, tail], &expected, &name);
            }
        }
    }
}

/// A response that is not all there is no error.
pub(crate) fn check_incomplete(rows: &[Row]) {
    for Row { wire, .. } in rows {
        for len in 0..wire.len() {
            let parsed = Response::parse(&wire[..len], &Limits::default());
            assert_eq!(parsed, Ok(None), "{len} bytes of {}", shown(wire));
        }
    }
}

/// Each response is written as its bytes where those are canonical, and reads as itself again.
pub(crate) fn check_written(rows: &[Row]) {
    for Row { wire, response, canonical } in rows {
        let mut out = b"before".to_vec();
        response.encode(&mut out);
        assert!(out.starts_with(b"before"), "{}", shown(wire));
        let written = &out[b"before".len()..];
        assert_eq!(written == wire, *canonical, "{} and {}", shown(wire), shown(written));
        let parsed = Response::parse(written, &Limits::default());
        assert_eq!(parsed, Ok(Some((*response, written.len()))), "{}", shown(wire));
    }
}

/// All responses one behind the other, in pieces of many lengths.
pub(crate) fn check_pieces(rows: &[Row]) {
    let stream: Vec<u8> = rows.iter().flat_map(|row| row.wire.iter().copied()).collect();
    let expected: Vec<_> = rows.iter().map(|row| row.response).collect();
    for limits in [Limits::default(), small_limits()] {
        for len in (1..100).chain([1_447, 1_448, 4_096, 16_384, 65_536, stream.len()]) {
            let pieces: Vec<_> = stream.chunks(len).collect();
            let mut decoder =
                check_stream(&limits, &pieces, &expected, &format!("pieces of {len}"));
            assert!(decoder.is_empty(), "pieces of {len}");
            assert!(decoder.next().expect("nothing is wrong").is_none());
        }
    }
}

/// Each is the same error in every way of delivery, and at its first prefix that is wrong.
pub(crate) fn check_malformed(cases: &[(Limits, Vec<u8>, ProtocolError)]) {
    for (limits, wire, error) in cases {
        let name = shown(wire);
        assert_eq!(Response::parse(wire, limits).map(|_| ()), Err(*error), "{name}");
        let mut prefixes = (0..=wire.len()).map(|len| Response::parse(&wire[..len], limits));
        let first = prefixes.position(|parsed| parsed == Err(*error));
        let first = first.expect("it is found in the whole of it");
        assert_eq!(Response::parse(&wire[..first - 1], limits), Ok(None), "{name}");
        check_refused_at(limits, wire, first, &name);

        for behind in [&b""[..], BEHIND] {
            let stream = [wire, behind].concat();
            check_failure(limits, &[&stream], *error, &name);
            check_failure(limits, &bytes_of(&stream), *error, &name);
            for at in 0..stream.len() {
                let (head, tail) = stream.split_at(at);
                check_failure(limits, &[head, tail], *error, &name);
            }
        }
    }
}

/// A decoder refuses it at the same byte, however it arrives.
fn check_refused_at(limits: &Limits, wire: &[u8], first: usize, name: &str) {
    let refused_at = |pieces: &[&[u8]]| {
        let mut decoder = Decoder::new(*limits);
        let mut delivered = 0;
        for piece in pieces {
            delivered += piece.len();
            if deliver_each(&mut decoder, piece, |item| panic!("{item:?} in {name}")).is_err() {
                return Some(delivered);
            }
        }
        None
    };
    let (head, tail) = (&wire[..first - 1], &wire[first - 1..first]);
    assert_eq!(refused_at(&bytes_of(wire)), Some(first), "{name}, byte by byte");
    assert_eq!(refused_at(&[head]), None, "{name}, all but a byte");
    assert_eq!(refused_at(&[head, tail]), Some(first), "{name}, and that byte");
    for at in 0..head.len().min(100) {
        let pieces = [&head[..at], &head[at..], tail];
        assert_eq!(refused_at(&pieces), Some(first), "{name}, split at {at}");
    }
}

/// Limits so small that buffers fill and values need their own.
pub(crate) fn small_limits() -> Limits {
    Limits { inline_value_len: 16, max_value_len: 16_385, max_line_len: 300, ..Limits::default() }
}

/// Delivers the pieces and takes all items after each; they must be the expected ones.
pub(crate) fn check_stream(
    limits: &Limits,
    pieces: &[&[u8]],
    expected: &[Response<'_>],
    name: &str,
) -> Decoder {
    let mut decoder = Decoder::new(*limits);
    let mut expected = expected.iter();
    for piece in pieces {
        deliver_each(&mut decoder, piece, |item| {
            let next = expected.next().copied();
            match item {
                Item::Response(response) => assert_eq!(Some(response), next, "{name}"),
                Item::LargeValue { key, flags, cas, value } => {
                    let response = Response::Value { key, flags, cas, value: value.as_slice() };
                    assert_eq!(Some(response), next, "{name}");
                }
                Item::LargeVa { flags, value } => {
                    let response = Response::Va { flags, value: value.as_slice() };
                    assert_eq!(Some(response), next, "{name}");
                }
            }
        })
        .unwrap_or_else(|error| panic!("{error} in {name}"));
    }
    assert_eq!(expected.next(), None, "{name}");
    decoder
}

/// Delivers the pieces; there must be no item but this error, and it must stay.
pub(crate) fn check_failure(limits: &Limits, pieces: &[&[u8]], error: ProtocolError, name: &str) {
    let mut decoder = Decoder::new(*limits);
    let unexpected = |item: Item<'_>| panic!("{item:?} in {name}");
    let found = pieces.iter().find_map(|piece| deliver_each(&mut decoder, piece, unexpected).err());
    assert_eq!(found, Some(error), "{name}");
    deliver(&mut decoder, b"END\r\n");
    assert_eq!(decoder.next().map(|_| ()), Err(error), "{name}, once more");
}

/// Delivers bytes as reads would, as many at a time as there is space.
pub(crate) fn deliver_each(
    decoder: &mut Decoder,
    mut bytes: &[u8],
    mut item: impl FnMut(Item<'_>),
) -> Result<(), ProtocolError> {
    while !bytes.is_empty() {
        let space = decoder.space();
        let len = space.len().min(bytes.len());
        space[..len].copy_from_slice(&bytes[..len]);
        decoder.filled(len);
        bytes = &bytes[len..];
        while let Some(found) = decoder.next()? {
            item(found);
        }
    }
    Ok(())
}

/// Delivers bytes that there is space for, and takes nothing.
pub(crate) fn deliver(decoder: &mut Decoder, bytes: &[u8]) {
    decoder.space()[..bytes.len()].copy_from_slice(bytes);
    decoder.filled(bytes.len());
}

pub(crate) fn bytes_of(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.chunks(1).collect()
}

/// The beginning of a row, for messages.
pub(crate) fn shown(wire: &[u8]) -> String {
    wire[..wire.len().min(80)].escape_ascii().to_string()
}

/// Memory grows with what arrived, not with what this line announces.
pub(crate) fn check_memory(announcement: &str) {
    let mut decoder = Decoder::new(Limits::default());
    deliver(&mut decoder, announcement.as_bytes());
    let mut received = 0;
    for piece in [0, 1, 100, 1_448, 16 << 10, 64 << 10].repeat(20) {
        assert!(decoder.next().expect("nothing is wrong").is_none());
        let space = decoder.space().len();
        assert!(0 < space && space <= 64 << 10, "{space} bytes of space at {received}");
        let piece = piece.min(space);
        decoder.space()[..piece].fill(b'v');
        decoder.filled(piece);
        received += piece;
    }
    assert!(received > 1 << 20);
}
