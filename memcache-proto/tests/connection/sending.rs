//! What is written when: the window, merging, what must be alone.

use crate::*;

#[test]
fn partial_writes_cut_nothing() {
    let value = vec![b'x'; 5000];
    for piece in [1, 2, 13, 4096] {
        let mut bench = Bench::new();
        let keys = [key("foo")];
        bench.submit(set(&value));
        bench.submit(get(&keys));
        let expected = format!("set foo 0 0 5000\r\n{}\r\nget foo\r\n", "x".repeat(5000));
        assert_eq!(bench.write_in(piece), expected);
        assert_eq!(bench.connection.delivery(bench.requests[1]), Delivery::Unanswered);
        assert_eq!(bench.read(b"STORED\r\nEND\r\n"), ["0 last", "1 last"]);
        assert!(bench.connection.is_idle());
    }
}

#[test]
fn a_reply_may_come_before_its_request_is_all_written() {
    let value = vec![b'x'; 100_000];
    let mut bench = Bench::new();
    bench.submit(set(&value));
    bench.submit(Command::Version);
    let all = bench.connection.transmit().len();
    bench.connection.transmitted(70_000);
    assert_eq!(bench.read(b"SERVER_ERROR object too large for cache\r\n"), ["0 last"]);
    assert!(!bench.connection.is_idle(), "the rest is still to be written");
    // The value's own bytes go first, or the server would take what follows for them.
    let rest = bench.write_in(999);
    assert_eq!(rest.len(), all - 70_000 + "version\r\n".len());
    assert!(rest.ends_with("xx\r\nversion\r\n"));
    assert_eq!(bench.read(b"VERSION 1\r\n"), ["1 last"]);
    assert!(bench.connection.is_idle());

    // Alone.
    let mut bench = Bench::new();
    bench.submit(set(&value));
    bench.connection.transmit();
    bench.connection.transmitted(10);
    assert_eq!(bench.read(b"SERVER_ERROR object too large for cache\r\n"), ["0 last"]);
    assert!(bench.connection.wants_transmit());
    assert_eq!(bench.write().len(), all - 10);
    assert!(bench.connection.is_idle());
    assert_eq!(bench.connection.queued_bytes(), 0);
}

/// A server that reads all and answers in time, here after each write: what it was sent and has not
/// answered never passes the window, unless one larger request is alone.
#[test]
fn the_window_holds_whole_requests_only() {
    for window in [100, 101, 4096, 64 << 10] {
        let mut bench = Bench::with(Limits { window, ..Limits::default() });
        let mut random = 1_u64;
        let mut lens = Vec::new();
        let (mut begun, mut answered) = (0, 0);
        for _ in 0..400 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let max = if random >> 60 == 0 { window * 3 } else { window };
            let value = vec![b'x'; (random >> 33) as usize % max];
            bench.submit(set(&value));
            lens.push("set foo 0 0 \r\n\r\n".len() + value.len() + value.len().to_string().len());
        }
        while answered < lens.len() {
            let bytes = bench.connection.transmit().len();
            let mut rest = bytes;
            while rest > 0 {
                rest = rest.checked_sub(lens[begun]).expect("a whole request");
                begun += 1;
            }
            bench.connection.transmitted(bytes);
            assert!(begun > answered, "nothing is under way");
            let unanswered: usize = lens[answered..begun].iter().sum();
            assert!(unanswered <= window || begun - answered == 1, "{unanswered} of {window}");
            assert!(begun == lens.len() || unanswered + lens[begun] > window, "{window}: it idles");
            assert_eq!(bench.read(b"STORED\r\n"), [format!("{answered} last")]);
            answered += 1;
        }
        assert!(bench.connection.is_idle());
    }
}

/// A server as memcached is one: it answers in order and does not read on while its own replies
/// cannot be written. Here it has room for `room` bytes, and the client writes only.
#[test]
fn floods_of_noreply_are_held_to_the_window_by_barriers() {
    for window in [100, 1000, 64 << 10] {
        let mut bench = Bench::with(Limits { window, ..Limits::default() });
        let value = vec![b'x'; window / 10];
        let count = 500;
        for _ in 0..count {
            bench.submit(store(StoreVerb::Set, &value, true));
        }
        let one = format!("set foo 0 0 {} noreply\r\n", value.len()).len() + value.len() + 2;
        let mut happened = Vec::new();
        let mut sets = 0;
        loop {
            let written = bench.write_in(77);
            if written.is_empty() {
                break;
            }
            assert!(written.len() <= window.max(one + 9), "{} of {window}", written.len());
            sets += written.matches("set foo").count();
            // What is unanswered may never grow past the window, however often one asks.
            assert_eq!(bench.write(), "");
            happened.extend(bench.events());
            let barriers = written.matches("version\r\n").count();
            happened.extend(bench.read("VERSION 1\r\n".repeat(barriers).as_bytes()));
        }
        assert_eq!(sets, count);
        let expected: Vec<_> = (0..count).map(|number| format!("{number} sent")).collect();
        assert_eq!(happened, expected);
        assert!(bench.connection.is_idle());
    }
}

/// Quiet bytes count against what comes behind them too.
#[test]
fn a_request_behind_quiet_ones_waits_for_a_barrier() {
    let window = 1000;
    let quiet = vec![b'x'; 400];
    let large = vec![b'y'; 900];
    let mut bench = Bench::with(Limits { window, ..Limits::default() });
    bench.submit(store(StoreVerb::Set, &quiet, true));
    bench.submit(set(&large));
    let first = bench.write();
    assert!(first.len() <= window, "{} bytes", first.len());
    assert!(first.ends_with("version\r\n"));
    assert_eq!(bench.events(), ["0 sent"]);
    assert_eq!(bench.write(), "");
    assert!(bench.read(b"VERSION 1\r\n").is_empty());
    assert!(bench.write().starts_with("set foo 0 0 900\r\n"));
    assert_eq!(bench.read(b"STORED\r\n"), ["1 last"]);

    // Requests that are cancelled are no barriers.
    let mut bench = Bench::with(Limits { window, ..Limits::default() });
    for _ in 0..20 {
        bench.submit(store(StoreVerb::Set, &quiet, true));
        let version = bench.submit(Command::Version);
        bench.cancel(version);
    }
    assert!(bench.write().len() <= window);
}

#[test]
fn what_was_cancelled_before_it_was_sent_takes_no_room() {
    let mut bench = Bench::with(Limits { window: 1000, ..Limits::default() });
    bench.submit(Command::Version);
    bench.submit(set(&[b'x'; 900]));
    bench.cancel(1);
    // It is passed over while a reply is awaited.
    assert_eq!(bench.write(), "version\r\n");
    assert_eq!(bench.write(), "");
    assert_eq!(bench.read(b"VERSION 1\r\n"), ["0 last"]);
    bench.submit(Command::Version);
    bench.submit(set(&[b'y'; 900]));
    let written = bench.write();
    assert!(written.ends_with("y\r\n"), "{} bytes", written.len());
}

#[test]
fn a_reply_to_a_noreply_request_closes() {
    let mut bench = Bench::new();
    bench.submit(store(StoreVerb::Set, b"1", true));
    bench.write();
    assert_eq!(bench.read(b"STORED\r\n"), ["0 sent"]);
    assert_eq!(bench.close_reason(), Some(CloseReason::Protocol(ProtocolError::Unsolicited)));
}

#[test]
fn a_metadump_is_alone() {
    let dump = Command::Metadump(MetadumpTarget::All);
    let line = b"key=foo exp=-1 la=1 cas=2 fetch=no cls=1 size=63\n";

    let mut bench = Bench::new();
    bench.submit(Command::Version);
    bench.submit(dump);
    bench.submit(Command::Version);
    assert_eq!(bench.write(), "version\r\n");
    assert_eq!(bench.read(b"VERSION 1\r\n"), ["0 last"]);
    assert_eq!(bench.write(), "lru_crawler metadump all\r\n");
    assert_eq!(bench.read(line), ["1 line"]);
    assert_eq!(bench.write(), "");
    assert_eq!(bench.read(b"END\r\n"), ["1 last"]);
    assert_eq!(bench.write(), "version\r\n");
    assert_eq!(bench.read(b"VERSION 1\r\n"), ["2 last"]);

    // Behind a quiet one nothing says that the server has come to it, so that is asked first.
    let mut bench = Bench::new();
    bench.submit(store(StoreVerb::Set, b"1", true));
    bench.submit(dump);
    bench.submit(Command::Version);
    assert_eq!(bench.write(), "set foo 0 0 1 noreply\r\n1\r\nversion\r\n");
    assert_eq!(bench.read(b"VERSION 1\r\n"), ["0 sent"]);
    assert_eq!(bench.write(), "lru_crawler metadump all\r\n");
    assert_eq!(bench.read(b"ERROR locked try again later\r\n"), ["1 last"]);
    assert_eq!(bench.write(), "version\r\n");
}

#[test]
fn gets_are_held_back_for_merging_while_a_reply_is_awaited() {
    let keys = [key("a")];
    let mut bench = Bench::new();
    bench.connection.set_merge_gets(true);
    bench.submit(get(&keys));
    assert_eq!(bench.write(), "get a\r\n");
    bench.submit(get(&keys));
    assert!(!bench.connection.wants_transmit());
    assert_eq!(bench.write(), "");
    bench.connection.append(&get(&[key("b")]), 100).expect("it joins");
    assert_eq!(bench.write(), "");
    assert_eq!(bench.read(b"END\r\n"), ["0 last"]);
    assert_eq!(bench.write(), "get a b\r\n");
    // One with something behind it can grow no more.
    bench.submit(get(&keys));
    bench.submit(Command::Version);
    assert_eq!(bench.write(), "get a\r\nversion\r\n");
    assert_eq!(bench.read(b"END\r\nEND\r\nVERSION 1\r\n"), ["1 last", "2 last", "3 last"]);
}

#[test]
fn what_cannot_be_sent_is_not_taken_in() {
    let mut bench = Bench::with(Limits { max_queued_bytes: 30, ..Limits::default() });
    let none: [Key<'_>; 0] = [];
    assert_eq!(bench.connection.submit(&get(&none)), Err(SubmitError::NoKeys));
    let exptime = Exptime::NEVER;
    let long = "k".repeat(250);
    let keys = [key(&long); 9];
    let gat = |keys| Command::Gat { exptime, keys: Keys::new(keys), cas: false };
    assert_eq!(bench.connection.submit(&gat(&none)), Err(SubmitError::NoKeys));
    assert_eq!(bench.connection.submit(&gat(&keys)), Err(SubmitError::LineTooLong));
    assert!(bench.connection.is_idle());
    assert_eq!(bench.write(), "");

    bench.submit(get(&keys[..1]));
    assert_eq!(bench.connection.submit(&Command::Version), Err(SubmitError::Full));
    assert_eq!(bench.connection.append(&get(&[key("b")]), 1000), None);
    bench.write();
    assert_eq!(bench.connection.submit(&Command::Version), Err(SubmitError::Full));
    bench.read(b"END\r\n");
    bench.submit(Command::Version);
    // A line of exactly 2,048 bytes passes.
    let mut bench = Bench::new();
    let tail = "k".repeat(2048 - "gat 0\r\n".len() - 8 * 251 - 1);
    let keys = [&[key(&long); 8][..], &[key(&tail)]].concat();
    bench.submit(gat(&keys));
    assert_eq!(bench.write().len(), 2048);
}

/// A million requests through one connection that is never idle: the text of those answered goes.
#[test]
fn memory_does_not_grow_with_the_requests_made() {
    let mut bench = Bench::new();
    let keys = [key("some_key_of_a_usual_length")];
    let one = "get some_key_of_a_usual_length\r\n".len();
    let mut answered = 0;
    let connection = &mut bench.connection;
    for _ in 0..10 {
        connection.submit(&get(&keys)).expect("it is taken in");
    }
    while answered < 1_000_000 {
        let len = connection.transmit().len();
        connection.transmitted(len);
        connection.receive_buffer()[..5].copy_from_slice(b"END\r\n");
        connection.received(5);
        connection.submit(&get(&keys)).expect("it is taken in");
        while connection.poll_event().is_some() {
            answered += 1;
        }
        assert!(connection.queued_bytes() <= 11 * one);
    }
    assert!(!connection.is_idle());
}
