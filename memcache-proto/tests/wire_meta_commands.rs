//! The meta protocol as bytes: what clients say.

use memcache_proto::codec::{
    Command, CommandError, MetaArithmetic, MetaDelete, MetaGet, MetaKey, MetaRequest, MetaSet,
    Refusal, SetMode, Token, TokenError,
};
use memcache_proto::value::Flags;
use memcache_proto::{Exptime, Limits, MAX_KEY_LEN};

#[test]
fn every_request_is_these_bytes() {
    for (command, wire) in requests() {
        let mut out = b"before".to_vec();
        command.encode(&mut out);
        let written = out.strip_prefix(b"before").expect("what was there stays");
        assert_eq!(written.escape_ascii().to_string(), wire.as_bytes().escape_ascii().to_string());
    }
}

/// What a request says, as the accessors have it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    key: Vec<u8>,
    value: Option<&'static [u8]>,
    mode: Option<SetMode>,
    flags: u64,
    decrement: bool,
    delta: Option<u64>,
    initial: Option<u64>,
    exptime: Option<i32>,
    vivify: Option<i32>,
    recache: Option<u32>,
    compare_cas: Option<u64>,
    explicit_cas: Option<u64>,
    /// `I`, `x`, `u` and `q`.
    set: [bool; 4],
    returned: &'static str,
    /// `O`, `P` and `L`.
    tokens: [Option<&'static str>; 3],
    /// All of them as they are encoded.
    encoded: &'static str,
}

fn said(request: &MetaRequest<'static>) -> Said {
    let text = |bytes: Vec<u8>| -> &'static str { String::from_utf8(bytes).expect("text").leak() };
    let tokens = [request.opaque(), request.proxy_token(), request.lane_token()];
    let mut encoded = Vec::new();
    request.encode_flags(&mut encoded);
    for letter in *b"vfcsthlk" {
        assert_eq!(request.returns(letter), request.returned().any(|other| other == letter));
    }
    Said {
        key: request.key().decode(&mut [0; MAX_KEY_LEN]).expect("a key").to_vec(),
        value: request.value(),
        mode: request.mode(),
        flags: request.new_flags().bits(),
        decrement: request.is_decrement(),
        delta: request.delta(),
        initial: request.initial(),
        exptime: request.exptime().map(Exptime::to_wire),
        vivify: request.vivify().map(Exptime::to_wire),
        recache: request.recache(),
        compare_cas: request.compare_cas(),
        explicit_cas: request.explicit_cas(),
        set: [
            request.invalidates(),
            request.removes_value(),
            request.is_unaccessed(),
            request.is_quiet(),
        ],
        returned: text(request.returned().collect()),
        tokens: tokens.map(|token| token.map(|token| text(token.as_bytes().to_vec()))),
        encoded: text(encoded),
    }
}

#[test]
fn a_request_says_what_stands_in_its_line() {
    let of = |key: &str| Said { key: key.into(), ..Said::default() };
    let tokens = [Some("o"), Some("p"), Some("l")];
    let cases: Vec<(&'static str, Said)> = vec![
        ("mg a\r\n", of("a")),
        ("me YSBi b\r\n", of("a b")),
        (
            "mg YSBi k  l h t s c f v q b Oo Pp Ll\n",
            Said {
                set: [false, false, false, true],
                returned: "vfcsthlk",
                tokens,
                encoded: " v f c s t h l k q Oo Pp Ll",
                ..of("a b")
            },
        ),
        (
            "mg YSBi u b C7 E8 N60 R30 T-1\0q\r\n",
            Said {
                exptime: Some(-1),
                vivify: Some(60),
                recache: Some(30),
                compare_cas: Some(7),
                explicit_cas: Some(8),
                set: [false, false, true, false],
                encoded: " N60 R30 T-1 C7 E8 u",
                ..of("a b")
            },
        ),
        (
            "ms a 3 MA N60 I T0 F5 C7 E8 k s c q Oo Pp Ll\r\nbar\r\n",
            Said {
                value: Some(b"bar"),
                mode: Some(SetMode::Append),
                flags: 5,
                exptime: Some(0),
                vivify: Some(60),
                compare_cas: Some(7),
                explicit_cas: Some(8),
                set: [true, false, false, true],
                returned: "csk",
                tokens,
                encoded: " F5 T0 C7 E8 I MA N60 c s k q Oo Pp Ll",
                ..of("a")
            },
        ),
        ("ms a 0\r\n\r\n", Said { value: Some(b""), mode: Some(SetMode::Set), ..of("a") }),
        (
            "md a x I T60 C7 E8 k q Oo Pp Ll\r\n",
            Said {
                exptime: Some(60),
                compare_cas: Some(7),
                explicit_cas: Some(8),
                set: [true, true, false, true],
                returned: "k",
                tokens,
                encoded: " C7 E8 I T60 x k q Oo Pp Ll",
                ..of("a")
            },
        ),
        ("ma a\r\n", Said { delta: Some(1), encoded: " D1", ..of("a") }),
        (
            "ma a M- D3 J10 N0 T60 C7 E8 k t c v q Oo Pp Ll\r\n",
            Said {
                decrement: true,
                delta: Some(3),
                initial: Some(10),
                exptime: Some(60),
                vivify: Some(0),
                compare_cas: Some(7),
                explicit_cas: Some(8),
                set: [false, false, false, true],
                returned: "vctk",
                tokens,
                encoded: " MD N0 J10 D3 T60 C7 E8 v c t k q Oo Pp Ll",
                ..of("a")
            },
        ),
    ];
    for (line, expected) in cases {
        let parsed = Command::parse(line.as_bytes(), &Limits::default());
        let (command, len) = parsed.expect("it is sound").expect("it is whole");
        let request = command.as_meta().expect("a meta request");
        assert_eq!((said(&request), len), (expected, line.len()), "{line:?}");
    }
}

/// Servers do what the flags say one after the other, so those that are parsed stay in their order where it
/// matters.
#[test]
fn flags_keep_the_order_by_which_servers_go() {
    let cases = [
        // Which exptime is told.
        ("mg a T60 t\r\n", "mg a T60 t\r\n"),
        ("mg a t T60\r\n", "mg a t T60\r\n"),
        ("mg a t N60 v\r\n", "mg a t N60 v\r\n"),
        ("mg a t q k v c T60\r\n", "mg a t T60 v c k q\r\n"),
        ("ma a t T60 v\r\n", "ma a t T60 D1 v\r\n"),
        ("ma a t N60 J5 T0 D2\r\n", "ma a t N60 T0 J5 D2\r\n"),
        // Which of two is the last.
        ("mg a N60 T30\r\n", "mg a N60 T30\r\n"),
        ("ma a T60 N30\r\n", "ma a T60 N30 J0 D1\r\n"),
        // Whether it is still soon to expire.
        ("mg a T60 R30\r\n", "mg a T60 R30\r\n"),
        ("mg a t T60 R30 N5 v\r\n", "mg a t T60 R30 N5 v\r\n"),
        // Others have one place each.
        ("mg a q v c R30 t O1 k\r\n", "mg a R30 v c t k q O1\r\n"),
        ("mg a u E8 C7 T60 v\r\n", "mg a T60 C7 E8 u v\r\n"),
        ("ma a v t q D3 N60\r\n", "ma a t N60 J0 D3 v q\r\n"),
        ("ma a T60 D3 M-\r\n", "ma a MD D3 T60\r\n"),
        ("md a q T60 I\r\n", "md a I T60 q\r\n"),
        ("ms a 1 c T60 MA\r\nx\r\n", "ms a 1 T60 MA c\r\nx\r\n"),
        // What a server gives back is sent on, though no client of this crate sends it.
        ("mg a O\r\n", "mg a O\r\n"),
        ("md a O\x01 P L\x7f\r\n", "md a O\x01 P L\x7f\r\n"),
    ];
    for (line, expected) in cases {
        let parsed = Command::parse(line.as_bytes(), &Limits::default());
        let (command, _) = parsed.expect("it is sound").expect("it is whole");
        let mut out = Vec::new();
        command.encode(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected, "{line:?}");
        let again = Command::parse(&out, &Limits::default());
        assert_eq!(again, Ok(Some((command, out.len()))), "{line:?}");
    }
    // What is added behind what was parsed comes behind it.
    let parsed = Command::parse(b"mg a t T60\r\n", &Limits::default());
    let Ok(Some((Command::MetaGet(get), _))) = parsed else { panic!("{parsed:?}") };
    let mut out = Vec::new();
    Command::MetaGet(get.recache(30).value()).encode(&mut out);
    assert_eq!(out, b"mg a t T60 R30 v\r\n");
}

/// One who parses what he has encoded has the same request, whose key may be in base64 now.
#[test]
fn every_request_reads_as_itself() {
    for (command, wire) in requests() {
        let wire: &'static str = wire.leak();
        let parsed = Command::parse(wire.as_bytes(), &Limits::default());
        if wire.split_whitespace().count() > 1 + 18 {
            // More words than memcached 1.6.18 takes.
            let (refusal, noreply, len) = (Refusal::FlagsAreTooLong, false, wire.len());
            assert_eq!(parsed, Err(CommandError::Refused { refusal, noreply, len }));
            continue;
        }
        let (read, len) = parsed.expect("it is sound").expect("it is whole");
        assert_eq!(len, wire.len(), "{wire:?}");
        match (read.as_meta(), command.as_meta()) {
            (Some(read), Some(written)) => {
                assert_eq!(said(&read), said(&written), "{wire:?}");
                let same_key = read.with_key(written.key());
                assert_eq!(Command::from(same_key), command, "{wire:?}");
            }
            _ => assert_eq!(read, command, "{wire:?}"),
        }
    }
}

fn requests() -> Vec<(Command<'static>, String)> {
    let key = |key: &'static str| MetaKey::new(key).expect("a key");
    let plain = key("foo");
    let token = |token| Token::new(token).expect("a token");
    let (minute, never) = (Exptime::from_wire(60), Exptime::NEVER);
    let max = u64::MAX;
    let get = MetaGet::new(plain);
    let set = MetaSet::set(plain, b"bar");
    let delete = MetaDelete::new(plain);
    let long_key: &'static str = "k".repeat(250).leak();
    let odd_key: &'static str = " ".repeat(186).leak();
    let rows: Vec<(Command<'static>, &str)> = vec![
        (Command::MetaNoop, "mn\r\n"),
        (Command::MetaDebug(plain), "me foo\r\n"),
        (Command::MetaDebug(key("a b")), "me YSBi b b\r\n"),
        // mg
        (Command::MetaGet(get), "mg foo\r\n"),
        (Command::MetaGet(get.value()), "mg foo v\r\n"),
        (Command::MetaGet(get.client_flags()), "mg foo f\r\n"),
        (Command::MetaGet(get.cas()), "mg foo c\r\n"),
        (Command::MetaGet(get.size()), "mg foo s\r\n"),
        (Command::MetaGet(get.ttl()), "mg foo t\r\n"),
        (Command::MetaGet(get.hit()), "mg foo h\r\n"),
        (Command::MetaGet(get.last_access()), "mg foo l\r\n"),
        (Command::MetaGet(get.key()), "mg foo k\r\n"),
        (Command::MetaGet(get.quiet()), "mg foo q\r\n"),
        (Command::MetaGet(get.unaccessed()), "mg foo u\r\n"),
        (Command::MetaGet(get.opaque(Token::number(max))), "mg foo O18446744073709551615\r\n"),
        (Command::MetaGet(get.proxy_token(token("p1"))), "mg foo Pp1\r\n"),
        (Command::MetaGet(get.lane_token(token("l2"))), "mg foo Ll2\r\n"),
        (Command::MetaGet(get.touch(minute)), "mg foo T60\r\n"),
        (Command::MetaGet(get.touch(Exptime::IMMEDIATELY)), "mg foo T-1\r\n"),
        (Command::MetaGet(get.vivify(minute)), "mg foo N60\r\n"),
        (Command::MetaGet(get.vivify_with_cas(never, max)), "mg foo N0 E18446744073709551615\r\n"),
        (Command::MetaGet(get.recache(30)), "mg foo R30\r\n"),
        (Command::MetaGet(get.compare_cas(max)), "mg foo C18446744073709551615\r\n"),
        (
            Command::MetaGet(
                MetaGet::new(key("a b"))
                    .value()
                    .client_flags()
                    .cas()
                    .size()
                    .ttl()
                    .hit()
                    .last_access()
                    .key()
                    .quiet()
                    .opaque(token("o"))
                    .proxy_token(token("p"))
                    .lane_token(token("l"))
                    .unaccessed()
                    .vivify_with_cas(minute, 7)
                    .recache(30)
                    .compare_cas(6)
                    .touch(never),
            ),
            "mg YSBi b R30 T0 N60 C6 E7 u v f c s t h l k q Oo Pp Ll\r\n",
        ),
        // ms
        (Command::MetaSet(set), "ms foo 3\r\nbar\r\n"),
        (Command::MetaSet(MetaSet::set(plain, b"")), "ms foo 0\r\n\r\n"),
        (Command::MetaSet(MetaSet::set(plain, b"\r\nmn\r\n")), "ms foo 6\r\n\r\nmn\r\n\r\n"),
        (Command::MetaSet(MetaSet::add(plain, b"bar")), "ms foo 3 ME\r\nbar\r\n"),
        (Command::MetaSet(MetaSet::replace(plain, b"bar")), "ms foo 3 MR\r\nbar\r\n"),
        (Command::MetaSet(MetaSet::append(plain, b"bar")), "ms foo 3 MA\r\nbar\r\n"),
        (Command::MetaSet(MetaSet::prepend(plain, b"bar")), "ms foo 3 MP\r\nbar\r\n"),
        (
            Command::MetaSet(MetaSet::append_or_create(plain, b"bar", minute)),
            "ms foo 3 MA N60\r\nbar\r\n",
        ),
        (
            Command::MetaSet(MetaSet::prepend_or_create(plain, b"bar", never)),
            "ms foo 3 MP N0\r\nbar\r\n",
        ),
        (Command::MetaSet(set.cas()), "ms foo 3 c\r\nbar\r\n"),
        (Command::MetaSet(set.size()), "ms foo 3 s\r\nbar\r\n"),
        (Command::MetaSet(set.key()), "ms foo 3 k\r\nbar\r\n"),
        (Command::MetaSet(set.quiet()), "ms foo 3 q\r\nbar\r\n"),
        (Command::MetaSet(set.opaque(token("o"))), "ms foo 3 Oo\r\nbar\r\n"),
        (Command::MetaSet(set.client_flags(Flags::new(5))), "ms foo 3 F5\r\nbar\r\n"),
        (Command::MetaSet(set.client_flags(Flags::new(0))), "ms foo 3\r\nbar\r\n"),
        (Command::MetaSet(set.exptime(minute)), "ms foo 3 T60\r\nbar\r\n"),
        (Command::MetaSet(set.compare_cas(7)), "ms foo 3 C7\r\nbar\r\n"),
        (
            Command::MetaSet(MetaSet::set_or_invalidate(plain, b"bar", 7)),
            "ms foo 3 C7 I\r\nbar\r\n",
        ),
        (Command::MetaSet(set.explicit_cas(8)), "ms foo 3 E8\r\nbar\r\n"),
        (
            Command::MetaSet(
                MetaSet::append_or_create(key("a\nb"), b"bar", minute)
                    .cas()
                    .size()
                    .key()
                    .quiet()
                    .opaque(token("1234567890123456789012345678901"))
                    .proxy_token(token("p"))
                    .lane_token(token("l"))
                    .client_flags(Flags::from_wire(max))
                    .exptime(Exptime::from_wire(i32::MIN))
                    .compare_cas(max)
                    .explicit_cas(9),
            ),
            "ms YQpi 3 b F18446744073709551615 T-2147483648 C18446744073709551615 E9 MA N60 \
             c s k q O1234567890123456789012345678901 Pp Ll\r\nbar\r\n",
        ),
        // md
        (Command::MetaDelete(delete), "md foo\r\n"),
        (Command::MetaDelete(MetaDelete::invalidate(plain, None)), "md foo I\r\n"),
        (Command::MetaDelete(MetaDelete::invalidate(plain, Some(minute))), "md foo I T60\r\n"),
        (Command::MetaDelete(delete.key()), "md foo k\r\n"),
        (Command::MetaDelete(delete.quiet()), "md foo q\r\n"),
        (Command::MetaDelete(delete.opaque(token("o"))), "md foo Oo\r\n"),
        (Command::MetaDelete(delete.compare_cas(7)), "md foo C7\r\n"),
        (Command::MetaDelete(delete.explicit_cas(8)), "md foo E8\r\n"),
        (Command::MetaDelete(delete.remove_value()), "md foo x\r\n"),
        (
            Command::MetaDelete(
                MetaDelete::invalidate(key("\u{1}"), Some(never))
                    .key()
                    .quiet()
                    .opaque(token("o"))
                    .proxy_token(token("p"))
                    .lane_token(token("l"))
                    .compare_cas(7)
                    .explicit_cas(8)
                    .remove_value(),
            ),
            "md AQ== b C7 E8 I T0 x k q Oo Pp Ll\r\n",
        ),
        // ma
        (Command::MetaArithmetic(MetaArithmetic::incr(plain, 1)), "ma foo D1\r\n"),
        (Command::MetaArithmetic(MetaArithmetic::decr(plain, 0)), "ma foo MD D0\r\n"),
        (
            Command::MetaArithmetic(MetaArithmetic::incr(plain, max).value()),
            "ma foo D18446744073709551615 v\r\n",
        ),
        (
            Command::MetaArithmetic(MetaArithmetic::incr(plain, 2).create(10, minute)),
            "ma foo N60 J10 D2\r\n",
        ),
        (
            Command::MetaArithmetic(
                MetaArithmetic::decr(key("a b"), 2)
                    .value()
                    .cas()
                    .ttl()
                    .key()
                    .quiet()
                    .opaque(token("o"))
                    .proxy_token(token("p"))
                    .lane_token(token("l"))
                    .create(max, never)
                    .touch(minute)
                    .compare_cas(7)
                    .explicit_cas(8),
            ),
            "ma YSBi b MD N0 J18446744073709551615 D2 T60 C7 E8 v c t k q Oo Pp Ll\r\n",
        ),
    ];
    let mut rows: Vec<_> = rows.into_iter().map(|(row, wire)| (row, wire.to_owned())).collect();
    rows.push((Command::MetaGet(MetaGet::new(key(long_key))), format!("mg {long_key}\r\n")));
    let odd = format!("mg {} b\r\n", "ICAg".repeat(62));
    rows.push((Command::MetaGet(MetaGet::new(key(odd_key))), odd));
    for len in 1..=40 {
        let word: &'static str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"[..len].into();
        let get = MetaGet::new(key(word)).value();
        rows.push((Command::MetaGet(get), format!("mg {word} v\r\n")));
        if len <= Token::MAX_LEN {
            let get = MetaGet::new(plain).opaque(token(word));
            rows.push((Command::MetaGet(get), format!("mg foo O{word}\r\n")));
        }
    }
    rows
}

/// A token that was cut could be the same as another request's.
#[test]
fn a_token_is_a_word_of_31_bytes_at_most_and_never_cut() {
    let word = |len| vec![b'x'; len];
    let cases = [
        (word(1), Ok(())),
        (word(31), Ok(())),
        ((0x21..=0x3f).collect(), Ok(())),
        ((0xe1..=0xff).collect(), Ok(())),
        (word(0), Err(TokenError::Empty)),
        (word(32), Err(TokenError::TooLong { len: 32 })),
        (word(300), Err(TokenError::TooLong { len: 300 })),
        (b"a b".to_vec(), Err(TokenError::Forbidden)),
        (b"a\r\n".to_vec(), Err(TokenError::Forbidden)),
        (b"\0".to_vec(), Err(TokenError::Forbidden)),
        (b"\x1f".to_vec(), Err(TokenError::Forbidden)),
        (b"a\x7f".to_vec(), Err(TokenError::Forbidden)),
    ];
    for (bytes, expected) in cases {
        let token = Token::new(&bytes);
        assert_eq!(token.map(|_| ()), expected, "{}", bytes.escape_ascii());
        if let Ok(token) = token {
            assert_eq!(token.as_bytes(), bytes);
        }
    }
    for number in [0, 7, u64::MAX] {
        assert_eq!(Token::number(number).as_bytes(), number.to_string().as_bytes());
    }
    let too_long = TokenError::TooLong { len: 32 };
    assert_eq!(too_long.to_string(), "the token has 32 bytes, more than 31");
    assert_eq!(TokenError::Empty.to_string(), "the token is empty");
    let forbidden = "the token holds a space or a control character";
    assert_eq!(TokenError::Forbidden.to_string(), forbidden);
}
