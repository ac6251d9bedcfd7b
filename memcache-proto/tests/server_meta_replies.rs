//! Meta commands to the in-memory server and its replies, byte for byte, with a clock that is told.
#![cfg(feature = "server")]

mod server_harness;

use memcache_proto::codec::{Command, MetaArithmetic, MetaDelete, MetaGet, MetaKey, MetaSet};
use memcache_proto::server::{Next, Settings, Store};
use memcache_proto::{Exptime, Time};
use server_harness::{Script, Server, UNIX_START, check};

const SCRIPTS: &[Script] = &[
    // What is given back stands in the order in which it was asked for.
    &[
        (0, "mg a v O1 k\r\nmg a v q\r\nmn\r\n", "EN O1 ka\r\nMN\r\n"),
        (0, "ms a 2 T100 F7 O2 k c\r\nhi\r\n", "HD O2 ka c1\r\n"),
        (10, "mg a s v t f c h l k O3\r\n", "VA 2 s2 t90 f7 c1 h0 l10 ka O3\r\nhi\r\n"),
        // The first read is no use of it, nor is one with u.
        (5, "mg a l h t\r\nmg a u h l\r\n", "HD l15 h1 t85\r\nHD h1 l0\r\n"),
        (5, "mg a u\r\nmg a l\r\nmg a l\r\n", "HD\r\nHD l5\r\nHD l0\r\n"),
        // 1.6.18 passes over what asks for the value if it has changed.
        (0, "mg a C1 v c\r\nmg a C0 v\r\n", "VA 2 c1\r\nhi\r\nVA 2\r\nhi\r\n"),
        (0, "mg a T30 t\r\nmg a t\r\nms b 1 q\r\nx\r\n", "HD t30\r\nHD t30\r\n"),
        (30, "mg a v\r\nmg b t\r\n", "EN\r\nHD t-1\r\n"),
    ],
    // One wins, the others are told; when the place has expired another wins.
    &[
        (0, "mg a N30 v t\r\nmg a N30 v t\r\n", "VA 0 t30 W\r\n\r\nVA 0 t30 Z\r\n\r\n"),
        (29, "mg a N30 v t\r\n", "VA 0 t1 Z\r\n\r\n"),
        (1, "mg a N30 v t\r\n", "VA 0 t30 W\r\n\r\n"),
        (0, "ms a 1 T100\r\nx\r\nmg a N30 v t\r\n", "HD\r\nVA 1 t100\r\nx\r\n"),
        (0, "mg a R90 v\r\n", "VA 1\r\nx\r\n"),
        (11, "mg a R90 v\r\nmg a R90 v\r\n", "VA 1 W\r\nx\r\nVA 1 Z\r\nx\r\n"),
    ],
    // Stale: the first to see it wins, until it is replaced, or is gone.
    &[
        (0, "ms a 1\r\nx\r\nmd a I T30 q\r\nmn\r\n", "HD\r\nMN\r\n"),
        (0, "mg a v t\r\nmg a v t\r\n", "VA 1 t30 X W\r\nx\r\nVA 1 t30 Z X\r\nx\r\n"),
        (0, "get a\r\ntouch a 40\r\nmg a\r\n", "VALUE a 0 1\r\nx\r\nEND\r\nTOUCHED\r\nHD Z X\r\n"),
        (0, "md a I\r\nmg a\r\nms a 1\r\ny\r\nmg a v\r\n", "HD\r\nHD X W\r\nHD\r\nVA 1\r\ny\r\n"),
        (0, "md a I T5\r\n", "HD\r\n"),
        (5, "mg a\r\nmd a I\r\n", "EN\r\nNF\r\n"),
    ],
    // Conditions, counters, and keys in base64.
    &[
        (0, "ms a 1 ME c\r\nx\r\nms a 1 ME c\r\ny\r\n", "HD c1\r\nNS c0\r\n"),
        (0, "ms a 1 C9\r\ny\r\nms b 1 C9\r\ny\r\nmd a C9\r\n", "EX\r\nNF\r\nEX\r\n"),
        (
            0,
            "ms a 1 C1 c\r\n1\r\nms a 1 C1 I\r\n2\r\nmg a v\r\n",
            "HD c2\r\nHD\r\nVA 1 X W\r\n2\r\n",
        ),
        (0, "ma a v\r\nma a MD D9 v q\r\nma b\r\n", "VA 1\r\n3\r\nNF\r\n"),
        (0, "ma b N60 J13 v t\r\nma b D5 v O1 k\r\n", "VA 2 t60\r\n13\r\nVA 2 O1 kb\r\n18\r\n"),
        (0, "ms YSBi 1 b k\r\nx\r\nmg YSBi b v k\r\n", "HD kYSBi b\r\nVA 1 kYSBi b\r\nx\r\n"),
        (0, "me YSBi b\r\nme x\r\n", "ME YSBi exp=-1 la=0 cas=8 fetch=yes cls=1 size=63\r\nEN\r\n"),
        (
            0,
            "mg a z\r\nmd a z\r\nms a 1 z\r\nx\r\nmn\r\n",
            "CLIENT_ERROR invalid flag\r\nCLIENT_ERROR invalid or duplicate flag\r\n\
             CLIENT_ERROR invalid flag\r\nMN\r\n",
        ),
    ],
    // Of several that may win one does, until what it was to make is there; another where it is not.
    &[
        (0, "ms a 1 T30\r\nx\r\nmg a R30 t\r\nmg a R31 t\r\n", "HD\r\nHD t30\r\nHD t30 W\r\n"),
        (0, "mg a R31\r\nmg a T60 t\r\nmg a R-1\r\n", "HD Z\r\nHD t60 Z\r\nHD Z\r\n"),
        (0, "ms a 1 MA\r\ny\r\nmg a R100 v\r\n", "HD\r\nVA 2 W\r\nxy\r\n"),
        (0, "add b 0 0 1\r\n1\r\nmg b R100\r\n", "STORED\r\nHD\r\n"),
        (
            0,
            "mg c N5 R60 t c\r\nms c 1 ME\r\nx\r\nget c\r\n",
            "HD t5 c4 W\r\nNS\r\nVALUE c 0 0\r\n\r\nEND\r\n",
        ),
        (5, "ms c 1 ME q\r\nx\r\nmg c v h\r\nmg d N1 q\r\n", "VA 1 h0\r\nx\r\nHD W\r\n"),
        (
            1,
            "mg d N0 T7 t\r\nmg d T0 t\r\nmg d T-1 t\r\n",
            "HD t7 W\r\nHD t-1 Z\r\nHD t4294967288 Z\r\n",
        ),
        (0, "mg d\r\n", "EN\r\n"),
    ],
    // What stays stale, and what does not.
    &[
        (
            0,
            "ms a 1\r\n1\r\nmd a I\r\nincr a 1\r\nma a\r\nmg a v\r\n",
            "HD\r\nHD\r\n2\r\nHD\r\nVA 1 X W\r\n3\r\n",
        ),
        (0, "ma a D9 v\r\nmg a v\r\n", "VA 2\r\n12\r\nVA 2\r\n12\r\n"),
        (
            0,
            "ms b 1 T9\r\n1\r\nmd b I\r\nms b 1 ME\r\n2\r\nms b 1 MP\r\n2\r\nmg b v t\r\n",
            "HD\r\nHD\r\nNS\r\nHD\r\nVA 2 t9\r\n21\r\n",
        ),
        (0, "md b I C1\r\nmd b I T5 O1 k\r\nmg b t\r\n", "EX\r\nHD O1 kb\r\nHD t5 X W\r\n"),
        // Once stored for a unique that is gone, with the exptime and the winner that were.
        (0, "ms b 1 C1 I T100 F7 c\r\n3\r\nmg b v t f\r\n", "HD c10\r\nVA 1 t5 f7 Z X\r\n3\r\n"),
        (
            0,
            "ms b 1 C99 I\r\n4\r\nms b 1 C0 I\r\n4\r\nms b 1 C10 I\r\n4\r\nmg b v t\r\n",
            "EX\r\nEX\r\nHD\r\nVA 1 t-1\r\n4\r\n",
        ),
        (0, "md b T9\r\nmg b\r\n", "HD\r\nEN\r\n"),
    ],
    // Quiet: what went as expected is not told, but for a counter that was made.
    &[
        (
            0,
            "mg a q k\r\nms a 1 q c\r\nx\r\nmg a q v\r\nmd a q\r\nma a N0 q\r\nma a v q\r\nmn\r\n",
            "VA 1\r\nx\r\nHD\r\nMN\r\n",
        ),
        (
            0,
            "md b q\r\nma b q\r\nms b 1 MR q\r\nx\r\nms a 1 C9 q O1\r\nx\r\nmd a C9 q\r\n",
            "NF\r\nNF\r\nNS\r\nEX O1\r\nEX\r\n",
        ),
        (
            0,
            "mg a q z\r\nms a 1 q\r\nxyz\r\nmg b q\r\nget b\r\n",
            "CLIENT_ERROR invalid flag\r\nCLIENT_ERROR bad data chunk\r\nERROR\r\nEND\r\n",
        ),
    ],
    // Counters.
    &[
        (
            0,
            "ma a N30 T60 J7 D5 t v c k O1\r\nma a q D5\r\nma a M- v\r\n",
            "VA 1 t60 c1 ka O1\r\n7\r\nVA 2\r\n11\r\n",
        ),
        (
            0,
            "ma a MD D100 v t\r\nma a MI D18446744073709551615 v\r\nma a M+ D2 v\r\n",
            "VA 1 t60\r\n0\r\nVA 20\r\n18446744073709551615\r\nVA 1\r\n1\r\n",
        ),
        (0, "mg a v s\r\n", "VA 20 s20\r\n1                   \r\n"),
        (0, "ma a C1 k\r\nma a C6 v c T9 t\r\nma a C0\r\n", "EX ka\r\nVA 1 c7 t9\r\n2\r\nHD\r\n"),
        // The exptime goes to the shorter number that is replaced.
        (
            0,
            "ma w N9 v\r\nma w D10 T60 t\r\nmg w t\r\nma w T60 t\r\nmd w\r\n",
            "VA 1\r\n0\r\nHD t60\r\nHD t9\r\nHD t60\r\nHD\r\n",
        ),
        (
            0,
            "set t 0 0 1\r\nx\r\nma t q\r\nma t C1\r\n",
            "STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\nEX\r\n",
        ),
    ],
    // Keys in base64: read as memcached reads it, and given back in the form that the item was stored with.
    &[
        (
            0,
            "ms YWI= 1 b k O1\r\nx\r\nmg ab k v\r\nme ab\r\n",
            "HD kYWI= b O1\r\nVA 1 kYWI= b\r\nx\r\nME YWI= exp=-1 la=0 cas=1 fetch=yes cls=1 size=62\r\n",
        ),
        (
            0,
            "set ab 0 0 1\r\ny\r\nmg YWI= k b v\r\nma Yw== b N0 k\r\nmg Yw== b k\r\n",
            "STORED\r\nVA 1 kab\r\ny\r\nHD kYw== b\r\nHD kc\r\n",
        ),
        (
            0,
            "mg Y-Q=!= b k\r\nmg YQ==YQ== b k\r\nmd YQ== b k\r\n",
            "EN kYQ== b\r\nEN kYQ== b\r\nNF kYQ== b\r\n",
        ),
        (
            0,
            "mg YQ b\r\nmd YQ b\r\nma a b\r\nms a 1 b\r\nx\r\nme a b\r\n",
            "CLIENT_ERROR error decoding key\r\nCLIENT_ERROR invalid or duplicate flag\r\nCLIENT_ERROR invalid or duplicate flag\r\nCLIENT_ERROR error decoding key\r\nCLIENT_ERROR bad command line format\r\n",
        ),
        (
            0,
            "me YWI= b x\r\nme YWI= x b\r\nme\r\n",
            "ME ab exp=-1 la=0 cas=2 fetch=yes cls=1 size=62\r\nEN\r\nCLIENT_ERROR bad command line format\r\n",
        ),
    ],
    // `me` tells the seconds that are left as less than none.
    &[
        (
            0,
            "set a 5 100 3\r\nabc\r\nme a\r\n",
            "STORED\r\nME a exp=-100 la=0 cas=1 fetch=no cls=1 size=67\r\n",
        ),
        (
            7,
            "get a\r\nme a\r\nget a\r\nme a\r\n",
            "VALUE a 5 3\r\nabc\r\nEND\r\nME a exp=-93 la=7 cas=1 fetch=yes cls=1 size=67\r\nVALUE a 5 3\r\nabc\r\nEND\r\nME a exp=-93 la=0 cas=1 fetch=yes cls=1 size=67\r\n",
        ),
        (93, "me a\r\n", "EN\r\n"),
    ],
    // An opaque that is too long: what comes before it in an mg or ma has been done by then.
    &[
        (
            0,
            "mg a N9 O12345678901234567890123456789012 T5\r\nmg a t h O1234567890123456789012345678901\r\n",
            "CLIENT_ERROR opaque token too long\r\nHD t9 h0 O1234567890123456789012345678901\r\n",
        ),
        (
            0,
            "ma b N9 O12345678901234567890123456789012\r\nma b v t\r\n",
            "CLIENT_ERROR opaque token too long\r\nVA 1 t9\r\n1\r\n",
        ),
        (
            0,
            "ms b 1 O12345678901234567890123456789012 q\r\nx\r\nmd b O12345678901234567890123456789012\r\nmg b v\r\n",
            "CLIENT_ERROR opaque token too long\r\nCLIENT_ERROR opaque token too long\r\nVA 1\r\n1\r\n",
        ),
        // So is that it was read, where no flag needs the item locked.
        (
            0,
            "ms c 1\r\nx\r\nmg c l O12345678901234567890123456789012\r\nmg c u O12345678901234567890123456789012\r\nmg c u h\r\n",
            "HD\r\nCLIENT_ERROR opaque token too long\r\nCLIENT_ERROR opaque token too long\r\nHD h0\r\n",
        ),
        (
            0,
            "mg c v O12345678901234567890123456789012\r\nmg c u h\r\n",
            "CLIENT_ERROR opaque token too long\r\nHD h1\r\n",
        ),
    ],
];

#[test]
fn scripts_get_their_replies_however_they_arrive() {
    check(SCRIPTS);
}

/// Lines of meta commands that are refused, and in which words.
const META_REFUSALS: &[(&str, &str)] = &[
    ("mg", "ERROR"),
    ("md ", "ERROR"),
    ("ma", "ERROR"),
    ("ms", "ERROR"),
    ("mnx", "ERROR"),
    ("mx a", "ERROR"),
    ("MG a", "ERROR"),
    ("ms a", "CLIENT_ERROR bad command line format"),
    ("ms a x", "CLIENT_ERROR bad command line format"),
    ("ms a -1", "CLIENT_ERROR bad command line format"),
    ("ms a 1x", "CLIENT_ERROR bad command line format"),
    ("ms a 2147483646", "CLIENT_ERROR bad command line format"),
    ("mg a v v", "CLIENT_ERROR duplicate flag"),
    ("mg a \u{e9}", "CLIENT_ERROR duplicate flag"),
    ("mg a O1 O2", "CLIENT_ERROR duplicate flag"),
    ("mg a !", "CLIENT_ERROR invalid flag"),
    ("mg a E5", "CLIENT_ERROR invalid flag"),
    ("mg a Tx E5", "CLIENT_ERROR invalid flag"),
    ("mg a x", "CLIENT_ERROR invalid flag"),
    ("mg a S", "CLIENT_ERROR invalid flag"),
    ("mg a T", "CLIENT_ERROR bad token in command line format"),
    ("mg a N5x", "CLIENT_ERROR bad token in command line format"),
    ("mg a R", "CLIENT_ERROR bad token in command line format"),
    ("mg a C-1", "CLIENT_ERROR bad token in command line format"),
    ("mg a Fx", "CLIENT_ERROR bad command line format"),
    ("mg a Fx Tx", "CLIENT_ERROR bad token in command line format"),
    ("mg a Tx Fx", "CLIENT_ERROR bad token in command line format"),
    ("mg a Tx M", "CLIENT_ERROR incorrect length for M token"),
    ("mg a Dx", "CLIENT_ERROR invalid numeric delta value"),
    ("mg a Jx", "CLIENT_ERROR invalid numeric initial value"),
    ("mg a 1 2 3 4 5 6 7 8 9 a b c d e f g h i", "CLIENT_ERROR options flags are too long"),
    ("md a 1 2 3 4 5 6 7 8 9 a b c d e f g h i", "CLIENT_ERROR options flags too long"),
    ("ma a 1 2 3 4 5 6 7 8 9 a b c d e f g h i", "CLIENT_ERROR options flags too long"),
    ("ms a 1 1 2 3 4 5 6 7 8 9 a b c d e f g h", "CLIENT_ERROR options flags too long"),
    ("md a q q", "CLIENT_ERROR invalid or duplicate flag"),
    ("md a x", "CLIENT_ERROR invalid or duplicate flag"),
    ("md a E1", "CLIENT_ERROR invalid or duplicate flag"),
    ("md a Tx", "CLIENT_ERROR invalid or duplicate flag"),
    ("ma a Dx", "CLIENT_ERROR invalid or duplicate flag"),
    ("ma a D-1", "CLIENT_ERROR invalid or duplicate flag"),
    ("ma a E1", "CLIENT_ERROR invalid or duplicate flag"),
    ("ma a Mi", "CLIENT_ERROR invalid mode for ma M token"),
    ("ma a MS", "CLIENT_ERROR invalid mode for ma M token"),
    ("ma a MII", "CLIENT_ERROR invalid or duplicate flag"),
];

/// Behind a length that is in order the value of an `ms` goes with it, whatever else is wrong.
const META_SET_REFUSALS: &[(&str, &str)] = &[
    ("k k", "CLIENT_ERROR duplicate flag"),
    ("z q", "CLIENT_ERROR invalid flag"),
    ("E5 q", "CLIENT_ERROR invalid flag"),
    ("Tx q", "CLIENT_ERROR bad token in command line format"),
    ("Cx", "CLIENT_ERROR bad token in command line format"),
    ("F-1", "CLIENT_ERROR bad command line format"),
    ("M", "CLIENT_ERROR incorrect length for M token"),
    ("MSS", "CLIENT_ERROR incorrect length for M token"),
    ("Ms", "CLIENT_ERROR invalid mode for ms M token"),
    ("Mx E5", "CLIENT_ERROR invalid flag"),
    ("Mx O12345678901234567890123456789012", "CLIENT_ERROR invalid mode for ms M token"),
    ("b", "CLIENT_ERROR error decoding key"),
];

#[test]
fn meta_commands_are_refused_in_memcacheds_words() {
    for piece in [usize::MAX, 1] {
        let mut server = Server::new(Settings::default());
        server.ask(b"set a 0 0 1\r\n1\r\n", piece);
        for (line, reply) in META_REFUSALS {
            let replies = server.ask(format!("{line}\r\nmn\r\n").as_bytes(), piece);
            assert_eq!(replies, format!("{reply}\r\nMN\r\n"), "{line}");
        }
        for (flags, reply) in META_SET_REFUSALS {
            let request = format!("ms a 9 {flags}\r\nflush_all\r\nmn\r\n");
            let replies = server.ask(request.as_bytes(), piece);
            assert_eq!(replies, format!("{reply}\r\nMN\r\n"), "{flags}");
        }
        // Behind one that is not, or a key that is too long, the value is taken for commands.
        let long = "k".repeat(251);
        for line in ["ms a x", "ms a 2147483646", &format!("ms {long} 7")] {
            let replies = server.ask(format!("{line}\r\nversion\r\n").as_bytes(), piece);
            assert_eq!(
                replies, "CLIENT_ERROR bad command line format\r\nVERSION 1.6.18\r\n",
                "{line}"
            );
        }
        let fits = "AQEB".repeat(62);
        assert_eq!(server.ask(format!("ms {fits} 1 b\r\nx\r\n").as_bytes(), piece), "HD\r\n");
        assert_eq!(server.ask(b"mg a v\r\n", piece), "VA 1\r\n1\r\n");
    }
}

#[test]
fn a_typed_meta_command_is_answered_as_its_line() {
    let key = MetaKey::new(b"a b").unwrap();
    let set = MetaSet::set(key, b"7\r\n").key().cas();
    let cases = [
        (Command::MetaSet(set), "HD c1 kYSBi b\r\n"),
        (Command::MetaGet(MetaGet::new(key).value().size()), "VA 3 s3\r\n7\r\n\r\n"),
        (Command::MetaSet(set.explicit_cas(5)), "CLIENT_ERROR invalid flag\r\n"),
        (
            Command::MetaSet(MetaSet::set(key, &[b'x'; 1 << 20])),
            "SERVER_ERROR object too large for cache\r\n",
        ),
        (Command::MetaGet(MetaGet::new(key).quiet()), ""),
        (
            Command::MetaArithmetic(MetaArithmetic::incr(key, 1).create(9, Exptime::NEVER).value()),
            "VA 1\r\n9\r\n",
        ),
        (Command::MetaDebug(key), "ME a b exp=-1 la=0 cas=2 fetch=no cls=1 size=63\r\n"),
        (
            Command::MetaDelete(MetaDelete::new(key).remove_value()),
            "CLIENT_ERROR invalid or duplicate flag\r\n",
        ),
        (Command::MetaDelete(MetaDelete::new(key).key()), "HD kYSBi b\r\n"),
        (Command::MetaNoop, "MN\r\n"),
    ];
    let mut store = Store::new(Settings::default());
    for (command, reply) in &cases {
        let mut out = Vec::new();
        assert_eq!(store.answer(command, Time::ZERO, UNIX_START, &mut out), Next::Continue);
        assert_eq!(String::from_utf8_lossy(&out), *reply, "{command:?}");
    }
}

#[test]
fn what_does_not_fit_at_all_is_not_made() {
    let mut server = Server::new(Settings { memory_limit: 50, ..Settings::default() });
    let replies = server.ask(b"mg a N0\r\nma a N0\r\nms a 1\r\nx\r\nmn\r\n", 7);
    let expected = "SERVER_ERROR out of memory\r\nSERVER_ERROR Out of memory allocating new item\r\n\
        SERVER_ERROR out of memory storing object\r\nMN\r\n";
    assert_eq!(replies, expected);
}
