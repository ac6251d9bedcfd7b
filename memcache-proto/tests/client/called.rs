//! The calls of an application, made on clients that are joined to their servers in memory.

use memcache_proto::calls::{
    self, Answer, Call, Calls, CasIds, Config, Error, FailedKey, Many, cas_from, delete_many, get,
    get_many, gets, set, set_many,
};
use memcache_proto::client::NoticeEvent;
use memcache_proto::codec::SetMode;
use memcache_proto::value::{Cause, Compressor, DecompressError, Value, ValueError};
use memcache_proto::{Expiry, KeyBuf};

use crate::*;

/// Makes a call and waits for what it returns.
pub(crate) fn run<C: Call>(net: &mut Net, calls: &Calls, call: C) -> Result<C::Output, Error> {
    let (id, mut answer) = call.submit(calls, |operation| {
        net.try_submit_on(0, operation).map_err(|rejected| rejected.reason.into())
    })?;
    while !net.is_done(id) {
        answer.proceed(&mut net.clients[0], id, calls, net.now);
        assert!(net.step() || net.pass(), "it never ends");
    }
    net.run();
    answer.finish(net.take(id), calls, |_| None)
}

/// Calls to this many servers, and the net that they are made on.
pub(crate) fn called(servers: usize, change: impl FnOnce(&mut Config)) -> (Net, Calls) {
    let mut config = Config::default();
    for at in 0..servers {
        config.add_server(&format!("10.0.0.{at}"), 1);
    }
    change(&mut config);
    let calls = config.build(|| 1_700_000_000).expect("settings that there can be");
    (Net::of(1, calls.cluster().clone()), calls)
}

#[test]
fn keys_beyond_what_may_wait_fail_each_for_itself_and_are_not_sent() {
    let (mut net, calls) = called(1, |config| config.settings.limits.max_queued_bytes = 3_000);
    let items: Vec<_> = names(10).into_iter().map(|name| (name, "v".repeat(900))).collect();
    let stored = run(&mut net, &calls, set_many(items, Expiry::Never)).expect("asked");
    assert_eq!(stored.result, 4, "what begins below the limit is taken");
    let failed: Vec<_> = stored.failed.iter().map(|failed| failed.key.as_str()).collect();
    assert_eq!(failed, ["key4", "key5", "key6", "key7", "key8", "key9"]);
    for FailedKey { key, error, .. } in &stored.failed {
        assert!(matches!(error, Error::Rejected(Rejection::Full)), "{key}: {error}");
        assert!(!error.may_have_been_applied(), "{key}");
    }
    let heard = net.heard(0);
    assert!(heard.contains("set key3 ") && !heard.contains("key4"));
    // The same below the calls, where the failure says it in so many words.
    let values: Vec<_> = names(10).into_iter().map(|name| (name, vec![b'v'; 900])).collect();
    let items: Vec<_> = values.iter().map(|(name, value)| item(name, value)).collect();
    let many = net
        .perform(Operation::StoreMany { verb: StoreVerb::Set, items: &items, noreply: false })
        .many()
        .expect("many keys");
    assert_eq!(
        many.failed.iter().map(|&(number, _)| number).collect::<Vec<_>>(),
        [4, 5, 6, 7, 8, 9]
    );
    assert!(many.failed.iter().all(|(_, failure)| failure.delivery == Delivery::NotSent));
    // And they can be stored afterwards.
    let rest = stored.failed.into_iter().map(|failed| (failed.key, "v"));
    let stored = run(&mut net, &calls, set_many(rest, Expiry::Never)).expect("asked");
    assert_eq!((stored.result, stored.failed.len()), (6, 0));
}

#[test]
fn keys_that_were_not_there_are_named() {
    let (mut net, calls) = called(3, |_| {});
    let keys = ["key0", "none0", "key1", "none1", "key2", "none0"];
    let items = ["key0", "key1", "key2"].map(|key| (key, 1));
    let stored = run(&mut net, &calls, set_many(items, Expiry::Never)).expect("asked");
    assert_eq!((stored.result, stored.missing, stored.failed.len()), (3, vec![], 0));

    let found: Many<HashMap<_, u8>, _> = run(&mut net, &calls, get_many(keys)).expect("asked");
    assert_eq!(found.missing, ["none0", "none1", "none0"]);
    assert_eq!((found.result.len(), found.failed.len()), (3, 0));

    let silent = run(&mut net, &calls, delete_many(["none0"]).noreply()).expect("asked");
    assert_eq!((silent.result, silent.missing), (1, vec![]));

    let deleted = run(&mut net, &calls, delete_many(keys)).expect("asked");
    assert_eq!(deleted.missing, ["none0", "none1", "none0"]);
    assert_eq!((deleted.result, deleted.failed.len()), (3, 0));

    // A key that failed is none of them, unless that is to be a miss.
    for unavailable_is_miss in [false, true] {
        let (mut net, calls) = called(1, |config| config.unavailable_is_miss = unavailable_is_miss);
        net.peers[0].mode = Mode::Refusing;
        let found: Many<HashMap<_, u8>, _> =
            run(&mut net, &calls, get_many(["a", "b"])).expect("asked");
        let expected = if unavailable_is_miss { (2, 0) } else { (0, 2) };
        assert_eq!((found.missing.len(), found.failed.len()), expected);
        let deleted = run(&mut net, &calls, delete_many(["a", "b"])).expect("asked");
        assert_eq!((deleted.missing.len(), deleted.failed.len()), (0, 2));
    }
}

#[test]
fn the_words_of_a_server_are_no_miss() {
    let (mut net, calls) = called(1, |config| config.unavailable_is_miss = true);
    net.peers[0].mode = Mode::Says(b"SERVER_ERROR proxy write to server\r\n");
    let found = run(&mut net, &calls, get::<u8, _>("key"));
    assert!(matches!(found, Err(Error::Server { .. })), "{found:?}");
    net.peers[0].mode = Mode::Refusing;
    net.clients[0].disconnect_all(net.now);
    assert_eq!(run(&mut net, &calls, get::<u8, _>("key")).expect("a miss"), None);
}

#[test]
fn a_cas_from_what_was_remembered_has_the_options_of_a_store() {
    let (mut net, calls) = called(1, |_| {});
    let mut ids = CasIds::new(10);
    let asked = |net: &mut Net, ids: &CasIds, value: &str| {
        run(net, &calls, cas_from(ids, "key", value, Expiry::Never)).expect("asked")
    };
    // Nothing is remembered: it is stored whatever is there.
    assert_eq!(asked(&mut net, &ids, "1"), Stored::Stored);
    let (_, unique) =
        run(&mut net, &calls, gets::<Value, _>("key")).expect("asked").expect("it is there");
    ids.remember(KeyBuf::new("key").expect("a key"), unique);
    assert_eq!(asked(&mut net, &ids, "2"), Stored::Stored);
    assert_eq!(asked(&mut net, &ids, "3"), Stored::Exists);
    net.heard(0);

    let call = cas_from(&ids, "key", "v".repeat(1_000), Expiry::Never);
    run(&mut net, &calls, call.min_compress_len(100).noreply()).expect("sent");
    let heard = net.heard(0);
    assert!(heard.starts_with("cas key 24 0 "), "{heard}");
    assert!(heard.contains(&format!(" {unique} noreply\r\n")) && heard.len() < 200, "{heard}");
    let call = cas_from(&ids, "other", "v", Expiry::Never).noreply();
    run(&mut net, &calls, call).expect("sent");
    assert_eq!(net.heard(0), "set other 16 0 1 noreply\r\nv\r\n");
}

/// What each option of a meta call makes of its request.
#[test]
fn the_options_of_meta_calls_are_sent() {
    fn sent<C: Call>(call: C) -> String {
        let (mut net, calls) = called(1, |_| {});
        net.peers[0].mode = Mode::Says(b"NF O0\r\n");
        let _ = run(&mut net, &calls, call);
        net.heard(0)
    }
    let minute = Expiry::from(Duration::from_secs(60));
    let get = || calls::meta_get::<Value, _>("key");
    let set = || calls::meta_set("key", "v", Expiry::Never);
    let delete = || calls::meta_delete("key");
    let incr = || calls::meta_incr("key", 7);
    let long = "v".repeat(1_000);
    let compressed = |min_compress_len| {
        let call = calls::meta_set("key", &long, Expiry::Never).min_compress_len(min_compress_len);
        sent(call).len() < 200
    };
    assert_eq!([0, 100, 999, 1_000].map(compressed), [false, true, true, false]);
    let cases = [
        (sent(get()), "mg key v f c t O0"),
        (sent(get().touch(minute)), "mg key T60 v f c t O0"),
        (sent(get().vivify(minute)), "mg key N60 v f c t O0"),
        (sent(get().recache(Duration::from_secs(30))), "mg key R30 v f c t O0"),
        (sent(get().unaccessed()), "mg key u v f c t O0"),
        (sent(calls::item_info("key")), "mg key u f c s t h l O0"),
        (sent(set()), "ms key 1 F16 O0"),
        (sent(calls::meta_set("key", "v", minute)), "ms key 1 F16 T60 O0"),
        (sent(set().mode(SetMode::Add)), "ms key 1 F16 ME O0"),
        (sent(set().mode(SetMode::Replace)), "ms key 1 F16 MR O0"),
        (sent(set().mode(SetMode::Append)), "ms key 1 F16 MA O0"),
        (sent(set().mode(SetMode::Prepend)), "ms key 1 F16 MP O0"),
        (sent(set().compare_cas(5)), "ms key 1 F16 C5 O0"),
        (sent(set().compare_cas_or_invalidate(5)), "ms key 1 F16 C5 I O0"),
        (sent(set().compare_cas_or_invalidate(5).compare_cas(6)), "ms key 1 F16 C6 O0"),
        (sent(set().compare_cas_or_invalidate(5).mode(SetMode::Replace)), "ms key 1 F16 C5 MR O0"),
        (sent(set().mode(SetMode::Replace).compare_cas_or_invalidate(5)), "ms key 1 F16 C5 I O0"),
        (sent(set().explicit_cas(8)), "ms key 1 F16 E8 O0"),
        (sent(calls::append_or_create("key", "v", minute)), "ms key 1 F16 MA N60 O0"),
        (sent(calls::prepend_or_create("key", "v", minute)), "ms key 1 F16 MP N60 O0"),
        (sent(delete()), "md key O0"),
        (sent(delete().compare_cas(5)), "md key C5 O0"),
        (sent(delete().remove_value()), "md key x O0"),
        (sent(calls::invalidate("key", None)), "md key I O0"),
        (sent(calls::invalidate("key", Some(minute))), "md key I T60 O0"),
        (sent(incr()), "ma key D7 v O0"),
        (sent(calls::meta_decr("key", 7)), "ma key MD D7 v O0"),
        (sent(incr().create(9, minute)), "ma key N60 J9 D7 v O0"),
        (sent(incr().touch(minute)), "ma key D7 T60 v O0"),
        (sent(calls::meta_debug("key")), "me key"),
    ];
    for (sent, expected) in cases {
        let line = sent.lines().next().expect("it was sent");
        assert_eq!(line, expected);
    }
}

#[test]
fn calls_are_counted_by_their_names_whatever_comes_of_them() {
    let (mut net, calls) = called(1, |_| {});
    assert_eq!(calls.counts(), []);
    run(&mut net, &calls, set("key", 1, Expiry::Never)).expect("stored");
    for key in ["key", "none", "no key"] {
        let _ = run(&mut net, &calls, get::<u8, _>(key));
    }
    net.peers[0].mode = Mode::Silent;
    let _ = run(&mut net, &calls, calls::meta_delete("key"));
    assert_eq!(calls.counts(), [("get", 3), ("set", 1), ("meta_delete", 1)]);
}

#[test]
fn what_happens_is_reported_with_the_name_of_its_server() {
    let (tell, told) = std::sync::mpsc::channel();
    let (mut net, calls) = called(1, |config| {
        config.debug = Some(std::sync::Arc::new(move |server: &str, event: &NoticeEvent| {
            tell.send((server.to_owned(), event.clone())).expect("it is listened to");
        }));
    });
    net.peers[0].mode = Mode::Refusing;
    run(&mut net, &calls, get::<u8, _>("key")).expect_err("nobody is there");
    while let Some(notice) = net.clients[0].poll_notice() {
        calls.report(&notice);
    }
    let told: Vec<_> = told.try_iter().collect();
    let [(server, NoticeEvent::MarkedDead { reason: REFUSED })] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(server, "10.0.0.0:11211 (1)");
}

/// In the order of the servers, whichever is the first to answer.
#[test]
fn what_each_server_answers_is_in_the_order_of_the_servers() {
    let (mut net, calls) = called(3, |_| {});
    for (peer, seconds) in net.peers.iter_mut().zip([2, 0, 1]) {
        peer.delay = SECOND * seconds;
    }
    let versions = run(&mut net, &calls, calls::version()).expect("asked").0;
    let versions: Vec<_> = versions.iter().map(|(name, version)| (&**name, version)).collect();
    let names = ["10.0.0.0:11211 (1)", "10.0.0.1:11211 (1)", "10.0.0.2:11211 (1)"];
    assert_eq!(versions.iter().map(|&(name, _)| name).collect::<Vec<_>>(), names);
    assert!(versions.iter().all(|(_, version)| matches!(version, Ok(text) if text == "1.6.18")));
}

#[test]
fn with_noreply_a_call_is_told_of_what_was_not_sent() {
    let silent = || set("key", 1, Expiry::Never).noreply();
    let silent_many = || set_many([("a", 1), ("b", 2)], Expiry::Never).noreply();
    let (mut net, calls) = called(1, |_| {});
    run(&mut net, &calls, silent()).expect("sent");
    assert_eq!(net.heard(0), "set key 2 0 1 noreply\r\n1\r\n");
    let sent = run(&mut net, &calls, silent_many()).expect("sent");
    assert_eq!((sent.result, sent.failed.len()), (2, 0));
    let expected = "set a 2 0 1 noreply\r\n1\r\nset b 2 0 1 noreply\r\n2\r\n";
    assert_eq!(net.heard(0), expected);
    let (mut net, calls) = called(1, |_| {});
    net.peers[0].mode = Mode::Refusing;
    let error = run(&mut net, &calls, silent()).expect_err("nobody is there");
    assert!(error.is_unavailable() && !error.may_have_been_applied());
    let sent = run(&mut net, &calls, silent_many()).expect("each fails for itself");
    assert_eq!((sent.result, sent.failed.len()), (0, 2));
}

#[test]
fn an_item_that_never_expires_has_no_time_left() {
    for (ttl, expected) in [(-1, None), (0, Some(0)), (60, Some(60))] {
        let expected = expected.map(Duration::from_secs);
        let (mut net, calls) = called(1, |_| {});
        let says = format!("VA 1 f2 c5 t{ttl} O0\r\n7\r\n");
        net.peers[0].mode = Mode::Says(says.leak().as_bytes());
        let found = run(&mut net, &calls, calls::meta_get::<u8, _>("key")).expect("asked");
        let item = found.expect("it is there");
        assert_eq!((item.value, item.cas, item.expires_in), (Some(7), Some(5), expected));
        let (mut net, calls) = called(1, |_| {});
        let says = format!("HD f2 c5 s1 t{ttl} h1 l9 O0\r\n");
        net.peers[0].mode = Mode::Says(says.leak().as_bytes());
        let info = run(&mut net, &calls, calls::item_info("key")).expect("asked");
        let info = info.expect("it is there");
        assert_eq!((info.size, info.cas, info.hit), (Some(1), Some(5), Some(true)));
        assert_eq!((info.expires_in, info.last_access), (expected, Some(Duration::from_secs(9))));
    }
}

/// An adapter that has much to do for a server asks where a call is to go before it takes the call in.
#[test]
fn a_call_on_one_key_tells_its_key() {
    fn told<C: Call>(call: C) -> Option<(Vec<u8>, Option<i64>)> {
        let (_, calls) = called(1, |_| {});
        let key = call.key(&calls)?;
        let RoutedKey { key, hash } = key.as_routed();
        Some((key.as_bytes().to_vec(), hash))
    }
    let key = (7, "key");
    let never = Expiry::Never;
    let mut ids = CasIds::new(1);
    ids.remember(KeyBuf::new("key").expect("a key"), 1);
    let cases = [
        ("get", told(get::<Value, _>(key))),
        ("gets", told(gets::<Value, _>(key))),
        ("gat", told(calls::gat::<Value, _>(key, never))),
        ("set", told(set(key, 1, never))),
        ("cas", told(calls::cas(key, 1, never, 1))),
        ("cas_from", told(cas_from(&ids, key, 1, never))),
        ("delete", told(calls::delete(key))),
        ("touch", told(calls::touch(key, never))),
        ("incr", told(calls::incr(key, 1))),
        ("meta_get", told(calls::meta_get::<Value, _>(key))),
        ("item_info", told(calls::item_info(key))),
        ("meta_set", told(calls::meta_set(key, 1, never))),
        ("append_or_create", told(calls::append_or_create(key, 1, never))),
        ("meta_delete", told(calls::meta_delete(key))),
        ("meta_incr", told(calls::meta_incr(key, 1))),
        ("meta_debug", told(calls::meta_debug(key))),
    ];
    for (name, told) in cases {
        assert_eq!(told, Some((b"key".to_vec(), Some(7))), "{name}");
    }
    assert_eq!(told(calls::version()), None);
    assert_eq!(told(delete_many(["key"])), None);
    assert_eq!(told(get::<Value, _>("no key")), None);
}

/// Compresses nothing, and says so.
#[derive(Debug)]
struct Broken;

impl Compressor for Broken {
    fn compress(&self, _: &[u8]) -> Result<Option<Vec<u8>>, Cause> {
        Err("out of order".into())
    }

    fn decompress(&self, _: &[u8], _: usize) -> Result<Vec<u8>, DecompressError> {
        Err("out of order".into())
    }
}

#[test]
fn what_the_callers_own_code_fails_with_reaches_the_caller_and_nothing_is_sent() {
    let (mut net, calls) = called(1, |config| {
        config.transcoder.compressor = Some(std::sync::Arc::new(Broken));
        config.transcoder.min_compress_len = 10;
    });
    let stored = run(&mut net, &calls, set("key", "a long value", Expiry::Never));
    match stored {
        Err(Error::Value { error: ValueError::Compress { cause, len: 12 }, .. }) => {
            assert_eq!(cause.to_string(), "out of order");
        }
        other => panic!("{other:?}"),
    }
    let items = [("a", "a long value"), ("b", "short")];
    let stored = run(&mut net, &calls, set_many(items, Expiry::Never)).expect("asked");
    assert_eq!(stored.result, 1);
    let [FailedKey { number: 0, key: "a", error }] = &stored.failed[..] else {
        panic!("{:?}", stored.failed)
    };
    let compress = matches!(error, Error::Value { error: ValueError::Compress { .. }, .. });
    assert!(compress, "{error:?}");
    assert_eq!(net.heard(0), "set b 16 0 5\r\nshort\r\n");

    let (mut coded, keys) = called(1, |config| {
        config.keys = config.keys.clone().key_encoder(|key| match key {
            b"bad" => Err("no such tenant".into()),
            key => Ok([b"t1:", key].concat()),
        });
    });
    let errors = [
        run(&mut coded, &keys, get::<u8, _>("bad")).map(|_| ()),
        run(&mut coded, &keys, set("bad", 1, Expiry::Never)),
        run(&mut coded, &keys, delete_many(["bad"]))
            .and_then(|mut many| Err(many.failed.remove(0).error)),
        run(&mut coded, &keys, calls::meta_get::<u8, _>("bad")).map(|_| ()),
        run(&mut coded, &keys, calls::incr("bad", 1)).map(|_| ()),
    ];
    for error in errors {
        match error {
            Err(Error::KeyEncoder(cause)) => assert_eq!(cause.to_string(), "no such tenant"),
            other => panic!("{other:?}"),
        }
    }
    run(&mut coded, &keys, set("good", 1, Expiry::Never)).expect("stored");
    assert_eq!(coded.heard(0), "set t1:good 2 0 1\r\n1\r\n");
    assert_eq!(net.heard(0), "");
}

/// Whoever reads the message knows where to look, and when it is worth to try again.
#[test]
fn a_call_for_which_all_servers_are_dead_names_them() {
    let (mut net, calls) = called(2, |_| {});
    net.peers[0].mode = Mode::Refusing;
    net.peers[1].mode = Mode::Silent;
    for name in names(20) {
        let _ = run(&mut net, &calls, get::<Value, _>(name.as_str()));
    }
    net.wait(SECOND);
    let error = run(&mut net, &calls, get::<Value, _>("key0")).expect_err("both are dead");
    let text = error.to_string();
    for part in [
        "every server that could hold the key is dead, and left alone for dead_retry: ",
        "10.0.0.0:11211 (1) (no connection could be made: the server refused it; tried again in 2",
        "10.0.0.1:11211 (1) (no answer within socket_timeout; tried again in 29.0 s)",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(error.is_unavailable() && !error.may_have_been_applied());
}

#[test]
fn a_server_can_be_marked_dead_by_hand() {
    for name in ["10.0.0.0", "10.0.0.0:11211 (1)"] {
        let (mut net, calls) = called(2, |_| {});
        let key = net.key_on(&[0, 1]);
        assert!(!calls.mark_dead("10.0.0.9", net.now));
        assert!(calls.mark_dead(name, net.now), "{name}");
        run(&mut net, &calls, get::<Value, _>(key.as_str())).expect("the other is asked");
        assert_eq!((net.peers[0].tried, net.peers[1].tried), (0, 1));
        let failed = run(&mut net, &calls, calls::version()).expect("asked").0.remove(0).1;
        let text = failed.expect_err("it is dead").to_string();
        assert!(text.contains("dead: it was marked dead by the application"), "{text}");
        calls.cluster().health().forget_dead_hosts();
        run(&mut net, &calls, get::<Value, _>(key.as_str())).expect("it is asked again");
        assert_eq!(net.peers[0].tried, 1);
    }
}
