//! What becomes of requests that nobody waits for any more.

use crate::*;

#[test]
fn a_cancelled_request_is_not_sent_or_its_reply_is_swallowed() {
    let keys = [key("foo")];
    let value = b"VALUE foo 0 1\r\n1\r\nEND\r\n";

    // Before it is handed out it is not sent, whatever it is.
    for (command, _) in commands(&keys)
        .into_iter()
        .filter(|(command, _)| !matches!(command, Command::Quit | Command::Shutdown { .. }))
    {
        let mut bench = Bench::new();
        let get_foo = bench.submit(get(&keys));
        let cancelled = bench.submit(command);
        bench.submit(set(b"2"));
        bench.cancel(cancelled);
        assert_eq!(bench.write_in(5), "get foo\r\nset foo 0 0 1\r\n2\r\n", "{command:?}");
        let happened = bench.read_in(3, &[&value[..], b"STORED\r\n"].concat());
        assert_eq!(happened, [&format!("{get_foo} value 0 1"), "0 last", "2 last"], "{command:?}");
        assert!(bench.connection.is_idle(), "{command:?}");
        assert_eq!(bench.connection.queued_bytes(), 0, "{command:?}");
    }

    // Once a byte of it is sent all of it is.
    let mut bench = Bench::new();
    bench.submit(set(b"1"));
    bench.connection.transmit();
    bench.connection.transmitted(1);
    bench.cancel(0);
    bench.submit(Command::Version);
    assert_eq!(bench.write(), "et foo 0 0 1\r\n1\r\nversion\r\n");
    assert_eq!(bench.read(b"STORED\r\nVERSION 1\r\n"), ["1 last"]);

    // Cancelled in the middle of its reply.
    let mut bench = Bench::new();
    bench.submit(get(&keys));
    bench.submit(get(&keys));
    bench.write();
    assert!(bench.read(&value[..16]).is_empty());
    bench.cancel(0);
    let rest = [&value[16..], &value[..]].concat();
    assert_eq!(bench.read(&rest), ["1 value 0 1", "1 last"]);
}

/// What is called back because another of it is not wanted any more is awaited once.
#[test]
fn a_request_that_was_called_back_and_let_go_again_is_awaited_once() {
    for cancelled in [0, 1, 2] {
        let mut bench = Bench::new();
        for _ in 0..3 {
            bench.submit(Command::Version);
        }
        assert!(!bench.connection.awaits_reply());
        assert!(!bench.connection.transmit().is_empty());
        bench.cancel(cancelled);
        assert_eq!(bench.write(), "version\r\n".repeat(2), "{cancelled}");
        assert!(bench.connection.awaits_reply(), "{cancelled}");
        assert_eq!(bench.read(b"VERSION 1\r\n").len(), 1, "{cancelled}");
        assert!(bench.connection.awaits_reply(), "{cancelled}");
        assert_eq!(bench.read(b"VERSION 1\r\n").len(), 1, "{cancelled}");
        assert!(!bench.connection.awaits_reply() && bench.connection.is_idle(), "{cancelled}");
    }
}

#[test]
fn the_last_request_cancelled_before_it_is_sent_leaves_the_connection_idle() {
    let mut bench = Bench::new();
    bench.submit(set(b"1"));
    bench.cancel(0);
    assert_eq!(bench.write(), "");
    assert!(bench.connection.is_idle());
    assert!(bench.events().is_empty());
    assert_eq!(bench.connection.queued_bytes(), 0);
    assert!(!bench.connection.wants_transmit());

    // The same behind another.
    bench.submit(Command::Version);
    bench.submit(set(b"1"));
    bench.cancel(2);
    assert_eq!(bench.write(), "version\r\n");
    assert_eq!(bench.read(b"VERSION 1\r\n"), ["1 last"]);
    assert!(bench.connection.is_idle());
}

/// What is swallowed must not hide what stands behind it, nor be taken for the answer to it.
#[test]
fn what_stands_behind_a_cancelled_request_gets_its_own() {
    let keys = [key("foo")];
    let noreply = store(StoreVerb::Set, b"1", true);

    let mut bench = Bench::new();
    bench.submit(get(&keys));
    bench.submit(noreply);
    bench.submit(Command::Version);
    bench.write();
    bench.cancel(0);
    assert_eq!(bench.read(b"END\r\nVERSION 1\r\n"), ["1 sent", "2 last"]);
    assert!(bench.connection.is_idle());

    // Alone behind it, it is told with the same bytes, as no others may ever come.
    let mut bench = Bench::new();
    bench.submit(get(&keys));
    bench.submit(noreply);
    bench.write();
    bench.cancel(0);
    assert_eq!(bench.read(b"END\r\n"), ["1 sent"]);
    assert!(bench.connection.is_idle());

    // One that was cancelled in time between two that were not.
    let mut bench = Bench::new();
    bench.submit(get(&keys));
    bench.submit(set(b"1"));
    bench.submit(Command::Version);
    bench.cancel(1);
    assert_eq!(bench.write(), "get foo\r\nversion\r\n");
    bench.cancel(0);
    assert_eq!(bench.read(b"END\r\nVERSION 1\r\n"), ["2 last"]);
    assert!(bench.connection.is_idle());
}

#[test]
fn a_closing_connection_tells_cancelled_requests_nothing() {
    let mut bench = Bench::new();
    bench.submit(set(b"1"));
    bench.write();
    bench.submit(set(b"2"));
    bench.submit(set(b"3"));
    bench.cancel(0);
    bench.cancel(1);
    bench.connection.disconnect();
    assert_eq!(bench.events(), ["2 failed NotSent"]);
    assert_eq!(bench.close_reason(), Some(CloseReason::Disconnected));
    assert_closed_for_good(&mut bench, "disconnected");
}

#[test]
fn a_failed_request_gives_its_text_back() {
    let mut bench = Bench::new();
    let keys = [key("foo"), key("bar")];
    bench.submit(get(&keys));
    bench.submit(set(b"a\r\nb"));
    bench.connection.transmit();
    bench.connection.transmitted(3);
    bench.connection.disconnect();
    let mut texts = Vec::new();
    while let Some(event) = bench.connection.poll_event() {
        let Reply::Failed { delivery, text, sent } = event.reply else { panic!("{event:?}") };
        texts.push((delivery, text.to_vec(), sent));
    }
    assert_eq!(texts[0], (Delivery::Unanswered, b"get foo bar\r\n".to_vec(), 3));
    assert_eq!(texts[1], (Delivery::NotSent, b"set foo 0 0 4\r\na\r\nb\r\n".to_vec(), 0));
}

#[test]
fn deliveries_are_known_on_the_way() {
    let mut bench = Bench::new();
    bench.submit(Command::Version);
    let request = bench.requests[0];
    assert_eq!(bench.connection.delivery(request), Delivery::NotSent);
    bench.connection.transmit();
    assert_eq!(bench.connection.delivery(request), Delivery::NotSent);
    bench.connection.transmitted(1);
    assert_eq!(bench.connection.delivery(request), Delivery::Unanswered);
    bench.write();
    bench.read(b"VERSION 1\r\n");
    assert_eq!(bench.connection.delivery(request), Delivery::Answered);
}
