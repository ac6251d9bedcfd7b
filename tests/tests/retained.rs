//! What the codec keeps in memory, measured at the allocator.
//!
//! A program of its own: the counters are those of the whole process, and the thread of a test harness
//! has its own use for memory.

use std::alloc::System;

use memcache_proto::Limits;
use memcache_proto::codec::{Chunks, Decoder, Item, Response};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    a_kept_value_keeps_its_chunk_at_most();
    a_large_kept_value_keeps_itself();
    an_announced_value_takes_no_memory_before_it_arrives();
    an_announced_value_reserves_no_more_than_the_limit_before_it_arrives();
}

fn a_kept_value_keeps_its_chunk_at_most() {
    for (len, at_most) in [(1, 4_300), (100, 4_300), (1_000, 4_300), (1_025, 1_100), (9_000, 9_100)]
    {
        let value = vec![b'v'; len];
        for (hint, at_most) in [(usize::MAX, at_most), (65_536, at_most), (0, len + 100)] {
            let live = Region::new(GLOBAL);
            let mut chunks = Chunks::new();
            let all: Vec<_> = (0..1_000).map(|_| chunks.copy(&value, hint)).collect();
            let kept = all[500].clone();
            assert!(all.iter().all(|copy| copy == &value));
            drop((all, chunks));
            let retained = live_bytes(&live);
            assert!(len <= retained, "{retained} bytes for {len}");
            assert!(retained <= at_most, "one value of {len} bytes keeps {retained}, hint {hint}");
            drop(kept);
            assert_eq!(live_bytes(&live), 0, "{len} bytes");
        }
    }
}

fn a_large_kept_value_keeps_itself() {
    for len in [20_000, 100_000, 1 << 20] {
        let live = Region::new(GLOBAL);
        let mut decoder = Decoder::new(Limits::default());
        deliver(&mut decoder, format!("VALUE k 0 {len}\r\n").as_bytes());
        assert!(decoder.next().expect("no error").is_none());
        let mut left = len + 2;
        while left > 0 {
            let space = decoder.space();
            let piece = space.len().min(left).min(16 << 10);
            space[..piece].fill(b'v');
            if piece == left {
                space[piece - 2..piece].copy_from_slice(b"\r\n");
            }
            decoder.filled(piece);
            left -= piece;
            if left > 0 {
                assert!(decoder.next().expect("no error").is_none());
            }
        }
        let Ok(Some(Item::LargeValue { value, .. })) = decoder.next() else {
            panic!("a large value");
        };
        let kept = value.take();
        drop(decoder);
        let retained = live_bytes(&live);
        assert!((len..=len + 100).contains(&retained), "{len} bytes keep {retained}");
        drop(kept);
        assert_eq!(live_bytes(&live), 0);
    }
}

fn an_announced_value_takes_no_memory_before_it_arrives() {
    const SHARED: usize = 64 << 10;
    const ROOM: usize = 17 << 10;
    let live = Region::new(GLOBAL);
    let mut decoder = Decoder::new(Limits::default());
    deliver(&mut decoder, b"VALUE k 0 1073741823\r\n");
    let mut received = 0;
    while received < 3 << 20 {
        assert!(decoder.next().expect("no error").is_none());
        let space = decoder.space();
        let piece = space.len().min(1_448);
        space[..piece].fill(b'v');
        decoder.filled(piece);
        received += piece;
        let held = live_bytes(&live);
        assert!(held <= 2 * received + SHARED + ROOM, "{held} bytes for {received} received");
    }
    drop(decoder);
    assert_eq!(live_bytes(&live), 0);

    // Nor do many small responses leave anything behind.
    let mut decoder = Decoder::new(Limits::default());
    for _ in 0..100_000 {
        deliver(&mut decoder, b"VALUE k 0 3\r\nbar\r\nEN");
        let item = decoder.next();
        assert!(matches!(item, Ok(Some(Item::Response(Response::Value { .. })))));
        deliver(&mut decoder, b"D\r\n");
        assert!(matches!(decoder.next(), Ok(Some(Item::Response(Response::End)))));
    }
    assert!(live_bytes(&live) <= SHARED, "{}", live_bytes(&live));
}

fn an_announced_value_reserves_no_more_than_the_limit_before_it_arrives() {
    const SHARED: usize = 64 << 10;
    const ROOM: usize = 17 << 10;
    for reserved in [0, 200_000, Limits::default().reserved_value_len] {
        let live = Region::new(GLOBAL);
        let mut decoder =
            Decoder::new(Limits { reserved_value_len: reserved, ..Limits::default() });
        deliver(&mut decoder, b"VALUE k 0 1073741823\r\n");
        assert!(decoder.next().expect("no error").is_none());
        let mut received = 0;
        while received < 3 << 20 {
            let spare = decoder.spare().expect("a large value");
            let piece = (spare.capacity() - spare.len()).min(1_448);
            spare.resize(spare.len() + piece, b'v');
            let held = live_bytes(&live);
            let most = SHARED + reserved.max(2 * received) + ROOM;
            assert!(held <= most, "{held} bytes for {received} received, {reserved} reserved");
            decoder.filled(piece);
            received += piece;
            assert!(decoder.next().expect("no error").is_none());
        }
        drop(decoder);
        assert_eq!(live_bytes(&live), 0);
    }
}

fn deliver(decoder: &mut Decoder, bytes: &[u8]) {
    decoder.space()[..bytes.len()].copy_from_slice(bytes);
    decoder.filled(bytes.len());
}

/// Bytes allocated since `region` began and not given back; 0 where more was given back.
fn live_bytes(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change.bytes_allocated.saturating_sub(change.bytes_deallocated)
}
