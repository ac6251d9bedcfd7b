//! Large values that are read into the spare room of their buffer.

use std::mem;

use memcache_proto::codec::{Command, Decoder, Item, Keys, Response};
use memcache_proto::connection::{Connection, Reply};
use memcache_proto::{Key, Limits};

/// What belongs to a value of this length: its CR LF, and a little room for what comes behind.
const BEHIND: usize = 2 + 64;

/// Delivers a piece, as one read to spare room or several; to the other space where there is none. Says how
/// often there was.
fn deliver(decoder: &mut Decoder, mut piece: &[u8], mut item: impl FnMut(Item<'_>)) -> usize {
    let mut spares = 0;
    while !piece.is_empty() {
        let len = match decoder.spare() {
            Some(spare) => {
                spares += 1;
                let len = piece.len().min(spare.capacity() - spare.len());
                assert_ne!(len, 0, "there is room where it is lent");
                spare.extend_from_slice(&piece[..len]);
                len
            }
            None => {
                let space = decoder.space();
                let len = piece.len().min(space.len());
                space[..len].copy_from_slice(&piece[..len]);
                len
            }
        };
        decoder.filled(len);
        piece = &piece[len..];
        while let Some(found) = decoder.next().expect("nothing is wrong") {
            item(found);
        }
    }
    spares
}

fn value_of(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).expect("it is less")).collect()
}

fn reply(value: &[u8]) -> Vec<u8> {
    [format!("VALUE k 7 {}\r\n", value.len()).as_bytes(), value, b"\r\nEND\r\n"].concat()
}

#[test]
fn a_large_value_comes_whole_whatever_the_pieces() {
    for len in [16 << 10, (16 << 10) + 1, 100_000, 1 << 20, (1 << 20) + 1, 3 << 20] {
        let value = value_of(len);
        let wire = reply(&value);
        for piece in [1_448, 16 << 10, 200_000, usize::MAX] {
            // The second one comes behind the first in the same read.
            let wire = [&wire[..], &wire].concat();
            let (mut values, mut ends, mut spares) = (0, 0, 0);
            let mut decoder = Decoder::new(Limits::default());
            for piece in wire.chunks(piece.min(wire.len())) {
                spares += deliver(&mut decoder, piece, |item| match item {
                    Item::LargeValue { value: large, .. } => {
                        let taken = large.take();
                        assert!(taken == value, "{len} bytes");
                        let spare = taken.capacity() - len;
                        assert!(spare <= len / 8 + BEHIND, "{spare} bytes behind {len}");
                        values += 1;
                    }
                    Item::Response(Response::Value { value: inline, .. }) => {
                        assert!(inline == value, "{len} bytes");
                        values += 1;
                    }
                    Item::Response(response) => {
                        assert_eq!(response, Response::End);
                        ends += 1;
                    }
                    Item::LargeVa { .. } => panic!("{item:?}"),
                });
            }
            assert_eq!((values, ends), (2, 2), "{len} bytes in pieces of {piece}");
            assert!(decoder.is_empty());
            // One that is not large, and one that may have come whole before it was asked for.
            assert!(spares == 0 || len > 16 << 10, "{len} bytes in pieces of {piece}");
            assert!(spares > 0 || len < 64 << 10, "{len} bytes in pieces of {piece}");
        }
    }
}

#[test]
fn a_value_of_a_mebibyte_is_one_read_behind_its_line() {
    let wire = reply(&value_of(1 << 20));
    let mut decoder = Decoder::new(Limits::default());
    assert_eq!(deliver(&mut decoder, &wire[..100], |_| {}), 0);
    let mut items = 0;
    assert_eq!(deliver(&mut decoder, &wire[100..], |_| items += 1), 1);
    assert_eq!(items, 2);
}

#[test]
fn spare_room_and_space_may_be_used_in_turn() {
    let value = value_of(1_500_000);
    let wire = reply(&value);
    let mut decoder = Decoder::new(Limits::default());
    let mut values = 0;
    let mut see = |item: Item<'_>| {
        if let Item::LargeValue { value: large, .. } = item {
            assert!(large.as_slice() == value);
            values += 1;
        }
    };
    for (number, piece) in wire.chunks(10_000).enumerate() {
        let mut rest = piece;
        // What was asked for need not be used.
        match number % 3 {
            0 => {}
            1 => drop(decoder.space()),
            _ => {
                let _ = decoder.spare();
                let space = decoder.space();
                let len = piece.len().min(space.len()).min(5_000);
                space[..len].copy_from_slice(&piece[..len]);
                decoder.filled(len);
                rest = &piece[len..];
                if let Some(item) = decoder.next().expect("nothing is wrong") {
                    see(item);
                }
            }
        }
        deliver(&mut decoder, rest, &mut see);
    }
    assert_eq!(values, 1);
    assert!(decoder.is_empty());
}

#[test]
fn there_is_no_spare_room_for_anything_else() {
    for wire in
        [&b""[..], b"STORED\r", b"VALUE k 0 16384\r\nv", b"VALUE k 0 100000", b"NONSENSE\r\n"]
    {
        let mut decoder = Decoder::new(Limits::default());
        decoder.space()[..wire.len()].copy_from_slice(wire);
        decoder.filled(wire.len());
        let _ = decoder.next().map(|item| assert!(item.is_none()));
        assert!(decoder.spare().is_none(), "{}", wire.escape_ascii());
    }
}

/// What is lent is room for one value, never what a larger one has left behind.
#[test]
fn a_buffer_that_is_larger_than_the_value_is_not_lent() {
    let mut decoder = Decoder::new(Limits::default());
    // It is not taken.
    deliver(&mut decoder, &reply(&value_of(500_000)), |_| {});
    let value = value_of(100_000);
    let mut seen = false;
    let spares = deliver(&mut decoder, &reply(&value), |item| {
        if let Item::LargeValue { value: large, .. } = item {
            assert!(large.as_slice() == value);
            seen = true;
        }
    });
    assert!(seen);
    assert_eq!(spares, 0);
}

/// Memory follows what has come, but for what may be reserved.
#[test]
fn no_more_is_reserved_than_the_limit_says_or_twice_what_has_come() {
    for reserved in [0, 100_000, 1 << 20, 8 << 20] {
        for announced in [20_000, 1 << 20, 1 << 30] {
            let limits = Limits { reserved_value_len: reserved, ..Limits::default() };
            let mut decoder = Decoder::new(limits);
            let line = format!("VALUE k 0 {announced}\r\n");
            deliver(&mut decoder, line.as_bytes(), |_| {});
            let mut received = 0;
            while received < announced.min(20 << 20) {
                let spare = decoder.spare().expect("a large value");
                assert_eq!(spare.len(), received);
                let most = reserved.max(2 * received + (16 << 10)).min(announced) + BEHIND;
                assert!(spare.capacity() <= most, "{} of {most}", spare.capacity());
                let whole = reserved.min(announced) + BEHIND;
                assert!(spare.capacity() >= whole.min(announced), "{}", spare.capacity());
                let piece = 7_000.min(announced - received).min(spare.capacity() - spare.len());
                spare.resize(spare.len() + piece, b'v');
                decoder.filled(piece);
                assert!(decoder.next().expect("nothing is wrong").is_none());
                received += piece;
            }
        }
    }
}

/// What an adapter may do to the buffer by mistake.
type Mistake = fn(&mut Vec<u8>) -> usize;

#[test]
fn whatever_is_done_to_the_buffer_no_more_counts_than_was_appended() {
    let begin = |len: usize| {
        let mut decoder = Decoder::new(Limits::default());
        deliver(&mut decoder, format!("VALUE k 0 {len}\r\n").as_bytes(), |_| {});
        deliver(&mut decoder, &[b'a'; 30_000], |_| {});
        decoder
    };
    // None of them appends the end of the value.
    let mistakes: [Mistake; 9] = [
        |_| 1 << 20,
        |spare| {
            spare.extend_from_slice(b"vv");
            1 << 20
        },
        |spare| {
            spare.extend_from_slice(b"vv");
            1
        },
        |spare| {
            spare.resize(2 << 20, b'v');
            2 << 20
        },
        |spare| {
            spare.clear();
            5
        },
        |spare| {
            spare.truncate(100);
            spare.shrink_to_fit();
            usize::MAX
        },
        |spare| mem::take(spare).len(),
        |spare| {
            *spare = vec![b'v'; 50_000];
            50_000
        },
        |spare| {
            *spare = Vec::with_capacity(8 << 20);
            0
        },
    ];
    for (number, mistake) in mistakes.into_iter().enumerate() {
        for len in [100_000, 3 << 20] {
            let mut decoder = begin(len);
            let said = mistake(decoder.spare().expect("a large value"));
            decoder.filled(said);
            // It waits for more, or finds that what was appended does not end the value.
            for _ in 0..3 {
                let found = decoder.next().map(|item| item.is_none());
                assert!(found != Ok(false), "mistake {number}, {len} bytes");
                let _ = decoder.spare().map(|spare| spare.extend_from_slice(b"v"));
                decoder.filled(1);
                assert!(!decoder.space().is_empty(), "mistake {number}, {len} bytes");
                decoder.filled(1);
            }
        }
    }

    // What is appended beyond the capacity does not count.
    let mut decoder = begin(30_010);
    let spare = decoder.spare().expect("a large value");
    let capacity = spare.capacity();
    spare.extend_from_slice(b"0123456789\r\n");
    spare.resize(10 * capacity, b'x');
    decoder.filled(usize::MAX);
    assert!(matches!(decoder.next(), Ok(Some(Item::LargeValue { .. }))));
    assert_eq!(decoder.buffered(), capacity - 30_012);

    // What was not appended is not there, and what was is, however much is said to be.
    let mut decoder = begin(30_010);
    decoder.spare().expect("a large value").extend_from_slice(b"0123456789\r\nEND\r\n");
    decoder.filled(usize::MAX);
    let Ok(Some(Item::LargeValue { value, .. })) = decoder.next() else { panic!("a value") };
    assert!(value.as_slice().ends_with(b"a0123456789"));
    assert!(matches!(decoder.next(), Ok(Some(Item::Response(Response::End)))));
    assert!(decoder.is_empty());
}

#[test]
fn a_connection_lends_spare_room_until_it_is_closed() {
    let mut connection = Connection::new(Limits::default());
    let keys = [Key::new("k").expect("a key")];
    for closes in [false, true] {
        connection
            .submit(&Command::Get { keys: Keys::new(&keys), cas: false })
            .expect("it is taken");
        let len = connection.transmit().len();
        connection.transmitted(len);
        assert!(connection.receive_spare().is_none());
        let value = value_of(100_000);
        let wire = reply(&value);
        let (line, rest) = wire.split_at(20);
        connection.receive_buffer()[..line.len()].copy_from_slice(line);
        connection.received(line.len());
        assert!(connection.poll_event().is_none());
        let spare = connection.receive_spare().expect("a large value");
        if closes {
            connection.disconnect();
            assert!(connection.receive_spare().is_none());
            continue;
        }
        spare.extend_from_slice(rest);
        connection.received(rest.len());
        let event = connection.poll_event().expect("the value");
        assert!(
            matches!(event.reply, Reply::Value { value: found, .. } if found.as_slice() == value)
        );
        let event = connection.poll_event().expect("the end");
        assert!(matches!(event.reply, Reply::Last(Response::End)));
    }
}
