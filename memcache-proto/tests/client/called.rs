//! The calls of an application, made on clients that are joined to their servers in memory.

use memcache_proto::client::calls::{
    self, Answer, Call, Calls, CasIds, Config, Error, FailedKey, Many, cas_from, delete_many, get,
    get_many, gets, set, set_many,
};
use memcache_proto::value::{Cause, Compressor, DecompressError, Value, ValueError};
use memcache_proto::{Expiry, KeyBuf};

use crate::*;

/// Makes a call and waits for what it returns.
pub(crate) fn run<C: Call>(net: &mut Net, calls: &Calls, call: C) -> Result<C::Output, Error> {
    let (id, answer) = call.submit(calls, |operation| {
        net.try_submit_on(0, operation).map_err(|rejected| rejected.reason.into())
    })?;
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
