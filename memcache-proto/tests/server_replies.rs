//! Requests to the in-memory server and its replies, byte for byte, with a clock that is told.
#![cfg(feature = "server")]

mod server_harness;

use memcache_proto::Time;
use memcache_proto::server::{Configuration, Settings};
use server_harness::{Script, Server, UNIX_START, check};

const SCRIPTS: &[Script] = &[
    // Storage, and the pieces of its conditions.
    &[
        (0, "set a 5 0 3\r\nx\r\n\r\n", "STORED\r\n"),
        (0, "get a b a\r\n", "VALUE a 5 3\r\nx\r\n\r\nVALUE a 5 3\r\nx\r\n\r\nEND\r\n"),
        (0, "add a 0 0 1\r\n1\r\nadd b 0 0 1\r\n1\r\n", "NOT_STORED\r\nSTORED\r\n"),
        (0, "replace c 0 0 1\r\n1\r\nreplace b 0 0 1\r\n2\r\n", "NOT_STORED\r\nSTORED\r\n"),
        (
            0,
            "append b 9 0 1\r\n3\r\nprepend b 9 0 1\r\n1\r\nget b\r\n",
            "STORED\r\nSTORED\r\nVALUE b 0 3\r\n123\r\nEND\r\n",
        ),
        (0, "append c 0 0 1\r\n1\r\n", "NOT_STORED\r\n"),
        (0, "delete b\r\ndelete b\r\n", "DELETED\r\nNOT_FOUND\r\n"),
        (0, "set b 0 0 1 noreply\r\n1\r\ndelete b noreply\r\nget b\r\n", "END\r\n"),
    ],
    // The cas unique changes with the value, and with nothing else.
    &[
        (0, "set a 0 0 1\r\n1\r\ngets a\r\n", "STORED\r\nVALUE a 0 1 1\r\n1\r\nEND\r\n"),
        (0, "touch a 100\r\ngats 0 a\r\n", "TOUCHED\r\nVALUE a 0 1 1\r\n1\r\nEND\r\n"),
        (0, "cas a 0 0 1 2\r\n2\r\ncas a 0 0 1 0\r\n2\r\n", "EXISTS\r\nEXISTS\r\n"),
        (0, "cas b 0 0 1 1\r\n2\r\n", "NOT_FOUND\r\n"),
        (0, "cas a 0 0 1 1\r\n2\r\ngets a\r\n", "STORED\r\nVALUE a 0 1 2\r\n2\r\nEND\r\n"),
        (0, "incr a 1\r\ngets a\r\n", "3\r\nVALUE a 0 1 3\r\n3\r\nEND\r\n"),
    ],
    // A flush takes one too, as it does in memcached, unless it is to come.
    &[
        (0, "set a 0 0 1\r\n1\r\nflush_all\r\nset a 0 0 1\r\n1\r\n", "STORED\r\nOK\r\nSTORED\r\n"),
        (0, "gets a\r\nflush_all 100\r\n", "VALUE a 0 1 3\r\n1\r\nEND\r\nOK\r\n"),
        (0, "set a 0 0 1\r\n1\r\ngets a\r\n", "STORED\r\nVALUE a 0 1 4\r\n1\r\nEND\r\n"),
        (0, "flush_all -1\r\nset a 0 0 1\r\n1\r\n", "OK\r\nSTORED\r\n"),
        (0, "gets a\r\n", "VALUE a 0 1 6\r\n1\r\nEND\r\n"),
    ],
    // Statistics of what is not there, and ones that nobody knows.
    &[(0, "stats extstore\r\nstats bogus\r\n", "END\r\nERROR\r\n")],
    // Counters wrap upwards, stop at nothing, and keep their width.
    &[
        (0, "incr a 1\r\n", "NOT_FOUND\r\n"),
        (
            0,
            "set a 7 0 2\r\n10\r\ndecr a 1\r\nget a\r\n",
            "STORED\r\n9\r\nVALUE a 7 2\r\n9 \r\nEND\r\n",
        ),
        (0, "decr a 100\r\nincr a 100\r\nget a\r\n", "0\r\n100\r\nVALUE a 7 3\r\n100\r\nEND\r\n"),
        (0, "set a 0 0 20\r\n18446744073709551615\r\nincr a 2\r\n", "STORED\r\n1\r\n"),
        (
            0,
            "set a 0 0 1\r\nx\r\nincr a 1\r\n",
            "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
        ),
        (0, "incr a x\r\n", "CLIENT_ERROR invalid numeric delta argument\r\n"),
    ],
    // Exptimes: relative, absolute, past, and wrapped by 32 bits.
    &[
        (0, "set a 0 10 1\r\n1\r\nset b 0 1700000010 1\r\n1\r\n", "STORED\r\nSTORED\r\n"),
        (0, "set c 0 -1 1\r\n1\r\nset d 0 2592001 1\r\n1\r\n", "STORED\r\nSTORED\r\n"),
        (0, "set e 0 2147483648 1\r\n1\r\nset f 0 4294967297 1\r\n1\r\n", "STORED\r\nSTORED\r\n"),
        (0, "get c d e f\r\n", "VALUE f 0 1\r\n1\r\nEND\r\n"),
        (9, "get a b f\r\n", "VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n1\r\nEND\r\n"),
        (0, "touch a 10\r\ngat 0 b\r\n", "TOUCHED\r\nVALUE b 0 1\r\n1\r\nEND\r\n"),
        (9, "get a\r\n", "VALUE a 0 1\r\n1\r\nEND\r\n"),
        (1, "get a b\r\ntouch a 1\r\n", "VALUE b 0 1\r\n1\r\nEND\r\nNOT_FOUND\r\n"),
    ],
    // A flush takes effect at once, or when its delay has passed but for a second.
    &[
        (0, "set a 0 0 1\r\n1\r\nflush_all\r\nget a\r\n", "STORED\r\nOK\r\nEND\r\n"),
        (0, "set a 0 0 1\r\n1\r\nget a\r\n", "STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n"),
        (0, "flush_all 10\r\nget a\r\n", "OK\r\nVALUE a 0 1\r\n1\r\nEND\r\n"),
        (8, "get a\r\n", "VALUE a 0 1\r\n1\r\nEND\r\n"),
        (1, "get a\r\nset a 0 0 1\r\n2\r\nget a\r\n", "END\r\nSTORED\r\nEND\r\n"),
        (1, "set a 0 0 1\r\n3\r\nget a\r\n", "STORED\r\nVALUE a 0 1\r\n3\r\nEND\r\n"),
        (0, "flush_all 10 noreply\r\nflush_all 0\r\n", "OK\r\n"),
        (0, "set a 0 0 1\r\n4\r\n", "STORED\r\n"),
        (60, "get a\r\n", "VALUE a 0 1\r\n4\r\nEND\r\n"),
    ],
    // What is refused, and what runs as a command then.
    &[
        (0, "\r\nbogus\r\nget\r\n", "ERROR\r\nERROR\r\nERROR\r\n"),
        (0, "set a x 0 9\r\nflush_all\r\n", "CLIENT_ERROR bad command line format\r\nOK\r\n"),
        (0, "set a x 0 7 noreply\r\nversion\r\n", "VERSION 1.6.18\r\n"),
        (0, "set a 0 0 1\r\nabcd\r\n", "CLIENT_ERROR bad data chunk\r\nERROR\r\n"),
        (0, "set a 0 0 1 noreply\r\nabcd\r\n", "ERROR\r\n"),
        (
            0,
            "delete a 1\r\n",
            "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n",
        ),
        (
            0,
            "shutdown\r\nshutdown now\r\n",
            "ERROR: shutdown not enabled\r\nERROR: shutdown not enabled\r\n",
        ),
        (
            0,
            "cache_memlimit 7\r\ncache_memlimit 8\r\n",
            "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\nOK\r\n",
        ),
        (0, "verbosity 1\r\nverbosity x\r\n", "OK\r\nCLIENT_ERROR bad command line format\r\n"),
    ],
    // The inspection of items.
    &[
        (
            0,
            "stats detail on\r\nset a:b 5 100 3\r\nabc\r\nget a:b a:c x\r\n",
            "OK\r\nSTORED\r\nVALUE a:b 5 3\r\nabc\r\nEND\r\n",
        ),
        (0, "stats detail dump\r\n", "PREFIX a get 2 hit 1 set 1 del 0\r\nEND\r\n"),
        (0, "stats cachedump 1 0\r\n", "ITEM a:b [3 b; 1700000100 s]\r\nEND\r\n"),
        (
            0,
            "stats cachedump 2 0\r\nstats cachedump 64 0\r\n",
            "END\r\nCLIENT_ERROR Illegal slab id\r\n",
        ),
        (
            1,
            "lru_crawler metadump all\r\n",
            "key=a%3Ab exp=1700000100 la=1700000000 cas=1 fetch=yes cls=1 size=69\nEND\r\n",
        ),
        (0, "lru_crawler metadump 0\r\n", "BADCLASS invalid class id\r\n"),
        (
            0,
            "stats slabs\r\n",
            "STAT 1:chunk_size 96\r\nSTAT 1:used_chunks 1\r\nSTAT active_slabs 1\r\n\
             STAT total_malloced 69\r\nEND\r\n",
        ),
        (
            0,
            "stats sizes\r\nstats conns\r\nstats bogus\r\nstats reset\r\n",
            "STAT sizes_status disabled\r\nEND\r\nEND\r\nERROR\r\nRESET\r\n",
        ),
    ],
];

#[test]
fn scripts_get_their_replies_however_they_arrive() {
    check(SCRIPTS);
}

#[test]
fn a_configuration_endpoint_tells_of_its_cluster() {
    for piece in [usize::MAX, 1, 7] {
        let mut server = Server::new(Settings::default());
        let ask = b"config get cluster\r\nconfig get other\r\nconfig set cluster\r\nmn\r\n";
        assert_eq!(server.ask(ask, piece), "ERROR\r\nERROR\r\nERROR\r\nMN\r\n");
        for (version, servers, len) in [(12, "a|10.0.0.1|1 b||2", 21), (13, "", 4)] {
            let configuration = Configuration { version, servers: servers.into() };
            server.store.set_configuration(Some(configuration));
            let text = format!("CONFIG cluster 0 {len}\r\n{version}\n{servers}\n\r\nEND\r\n");
            assert_eq!(server.ask(ask, piece), format!("{text}ERROR\r\nERROR\r\nMN\r\n"));
        }
        server.store.set_configuration(None);
        assert_eq!(server.ask(b"config get cluster\r\n", piece), "ERROR\r\n");
    }
}

#[test]
fn the_item_used_longest_ago_is_evicted() {
    // Room for three items of 61 bytes.
    let mut server = Server::new(Settings { memory_limit: 190, ..Settings::default() });
    for key in ["a", "b", "c"] {
        server.ask(format!("set {key} 0 0 1\r\n1\r\n").as_bytes(), 100);
    }
    server.ask(b"get a\r\nset d 0 0 1\r\n1\r\n", 100);
    let found = server.ask(b"get b\r\nget a c d\r\n", 100);
    assert_eq!(found.matches("VALUE").count(), 3, "{found}");
    assert_eq!((server.store.len(), server.store.bytes()), (3, 183));
    assert!(server.ask(b"stats\r\n", 100).contains("STAT evictions 1\r\n"));
    let refused = server.ask(format!("set e 0 0 150\r\n{}\r\n", "x".repeat(150)).as_bytes(), 7);
    assert_eq!(refused, "SERVER_ERROR out of memory storing object\r\n");
}

#[test]
fn an_item_too_large_is_swallowed_and_a_set_loses_the_old_one() {
    let mut server = Server::new(Settings::default());
    let largest = (1 << 20) - 59 - 1;
    for (verb, len, reply, after) in [
        ("set", largest, "STORED\r\n", "VALUE"),
        ("add", largest + 1, "SERVER_ERROR object too large for cache\r\n", "VALUE"),
        ("append", 1, "NOT_STORED\r\n", "VALUE"),
        ("set", 1 << 20, "SERVER_ERROR object too large for cache\r\n", "END"),
    ] {
        let request = format!("{verb} k 0 0 {len}\r\n{}\r\n", "x".repeat(len));
        assert_eq!(server.ask(request.as_bytes(), 1_000), reply, "{verb} {len}");
        assert!(server.ask(b"get k\r\n", 100_000).starts_with(after), "{verb} {len}");
    }
    // A meta set loses it in any mode, and tells it though it was to be quiet.
    for (flags, len, reply, after) in [
        ("q", largest, "", "HD"),
        ("MA", 1, "NS\r\n", "HD"),
        ("ME q", largest + 1, "SERVER_ERROR object too large for cache\r\n", "EN"),
        ("F5", largest - 4, "HD\r\n", "HD"),
        ("F5", largest - 3, "SERVER_ERROR object too large for cache\r\n", "EN"),
    ] {
        let request = format!("ms k {len} {flags}\r\n{}\r\n", "x".repeat(len));
        assert_eq!(server.ask(request.as_bytes(), 1_000), reply, "{flags} {len}");
        assert!(server.ask(b"mg k\r\n", 100).starts_with(after), "{flags} {len}");
    }
}

#[test]
fn a_connection_closes_when_it_must_and_says_what_it_had_to() {
    let long = "x".repeat(2_049);
    let cases = [
        ("version\r\nquit\r\nversion\r\n", "VERSION 1.6.18\r\n", false),
        ("POST / HTTP/1.1\r\n", "", false),
        ("version\r\nshutdown\r\n", "VERSION 1.6.18\r\n", true),
        (&long, "", false),
    ];
    for (request, reply, shutdown) in cases {
        let mut server = Server::new(Settings { shutdown_enabled: true, ..Settings::default() });
        assert_eq!(server.ask(request.as_bytes(), 100), reply);
        assert!(server.connection.wants_close() && !server.connection.wants_receive());
        assert_eq!(server.connection.wants_shutdown(), shutdown);
    }
}

/// One byte more and it closes: see above.
#[test]
fn the_longest_line_is_answered() {
    let mut server = Server::new(Settings::default());
    let longest = "x".repeat(2_047) + "\r\n";
    assert_eq!(server.ask(longest.as_bytes(), usize::MAX), "ERROR\r\n");
    assert_eq!(server.ask(longest.as_bytes(), 100), "ERROR\r\n");
    assert!(!server.connection.wants_close());
}

#[test]
fn a_client_that_does_not_read_is_not_answered() {
    let mut server = Server::new(Settings::default());
    let value = "v".repeat(50_000);
    server.ask(format!("set k 0 0 {}\r\n{value}\r\n", value.len()).as_bytes(), usize::MAX);
    let request = format!("get{}\r\nversion\r\n", " k".repeat(500));
    let (connection, store) = (&mut server.connection, &mut server.store);
    connection.receive_buffer()[..request.len()].copy_from_slice(request.as_bytes());
    connection.received(request.len());
    let mut total = 0;
    loop {
        connection.handle(store, Time::ZERO, UNIX_START);
        let queued = connection.transmit().len();
        assert!(queued <= (64 << 10) + 51_000, "{queued} bytes queued");
        if queued == 0 {
            break;
        }
        assert!(!connection.receive_buffer().is_empty());
        // Whatever was sent: what still waits must be handled before anything is read.
        let stalled = queued > 64 << 10;
        assert_eq!(connection.wants_receive(), !stalled);
        total += queued.min(30_000);
        connection.transmitted(30_000);
        assert_eq!(connection.wants_receive(), !stalled);
    }
    assert_eq!(total, 500 * (50_000 + "VALUE k 0 50000\r\n\r\n".len()) + 5 + 16);
}

/// What is left of a line moves to the front, so that the buffer need not grow with all that has come.
#[test]
fn a_line_that_came_in_part_moves_to_the_front_of_the_buffer() {
    let key = "k".repeat(200);
    let request: String =
        (0..2_000).map(|at| format!("set {key}{at} 0 0 4\r\n{at:04}\r\n")).collect();
    let lookups: String = (0..2_000).map(|at| format!("get {key}{at}\r\n")).collect();
    let found: String =
        (0..2_000).map(|at| format!("VALUE {key}{at} 0 4\r\n{at:04}\r\nEND\r\n")).collect();
    for piece in [1_000, 1_999, 5_000, usize::MAX] {
        let mut server = Server::new(Settings::default());
        assert_eq!(server.ask(request.as_bytes(), piece), "STORED\r\n".repeat(2_000), "{piece}");
        assert_eq!(server.ask(lookups.as_bytes(), piece), found, "{piece}");
        assert_eq!(server.connection.receive_buffer().len(), 16 << 10, "{piece}");
    }
}

#[test]
fn an_announced_length_takes_no_memory() {
    let settings = Settings { max_item_len: 1 << 30, memory_limit: 1 << 30, ..Settings::default() };
    let mut server = Server::new(settings);
    assert_eq!(server.ask(b"set k 0 0 1000000000\r\nabc", usize::MAX), "");
    assert!(server.connection.receive_buffer().len() <= 64 << 10);
}

/// Such a client would wait for ever for an answer that it understands.
#[test]
fn a_client_of_the_binary_protocol_is_closed_at_once() {
    for piece in [usize::MAX, 1] {
        let mut server = Server::new(Settings::default());
        assert_eq!(server.ask(b"\x80\x0b\0\0\0\0\0\0\0\0\0\0", piece), "");
        assert!(server.connection.wants_close());
        assert!(!server.connection.wants_receive());

        // Only the first byte says which protocol it is.
        let mut server = Server::new(Settings::default());
        assert_eq!(server.ask(b"mn\r\n\x80\x0b\r\n", piece), "MN\r\nERROR\r\n");
        assert!(!server.connection.wants_close());
    }
}
