//! Every setting at both of its ends: what then works does, the rest is an error, and nothing panics or
//! waits for ever.

use memcache_proto::Expiry;
use memcache_proto::calls::{
    self, CasIds, Config, Error, Many, Recache, Recaching, cas_from, delete_many, get, get_many,
    gets, set, set_many,
};
use memcache_proto::value::Value;

use crate::called::{called, run};
use crate::*;

/// Whether a client with a setting stores what it is asked to and finds it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Working,
    /// What is stored or read is refused.
    Refusing,
}
use Is::{Refusing, Working};

type Change = fn(&mut Config);

/// The settings that have ends, each at both of them.
const CASES: &[(&str, Change, Is)] = &[
    ("cache_cas 0", |c| c.cache_cas = 0, Working),
    ("cache_cas", |c| c.cache_cas = usize::MAX, Working),
    ("min_compress_len 1", |c| c.transcoder.min_compress_len = 1, Working),
    ("min_compress_len", |c| c.transcoder.min_compress_len = usize::MAX, Working),
    ("dead_retry 0", |c| c.settings.dead_retry = Duration::ZERO, Working),
    ("dead_retry", |c| c.settings.dead_retry = Duration::MAX, Working),
    ("max_rest 0", |c| c.settings.max_rest = Duration::ZERO, Working),
    ("max_rest", |c| c.settings.max_rest = Duration::MAX, Working),
    ("socket_timeout", |c| c.settings.socket_timeout = Duration::MAX, Working),
    ("operation_timeout", |c| c.settings.operation_timeout = Some(Duration::MAX), Working),
    ("connections 0", |c| c.settings.connections_per_server = 0, Working),
    ("connections", |c| c.settings.connections_per_server = usize::MAX, Working),
    ("max_line_len 0", |c| c.settings.limits.max_line_len = 0, Refusing),
    ("max_line_len", |c| c.settings.limits.max_line_len = usize::MAX, Working),
    ("max_value_len 0", |c| c.settings.limits.max_value_len = 0, Refusing),
    ("max_value_len", |c| c.settings.limits.max_value_len = usize::MAX, Working),
    ("server_max_value_length 0", |c| c.settings.limits.server_max_value_length = 0, Working),
    ("server_max_value_length 1", |c| c.settings.limits.server_max_value_length = 1, Refusing),
    (
        "server_max_value_length",
        |c| c.settings.limits.server_max_value_length = usize::MAX,
        Working,
    ),
    ("server_max_key_length 0", |c| c.settings.limits.server_max_key_length = 0, Refusing),
    ("server_max_key_length", |c| c.settings.limits.server_max_key_length = usize::MAX, Working),
    ("inline_value_len 0", |c| c.settings.limits.inline_value_len = 0, Working),
    ("inline_value_len", |c| c.settings.limits.inline_value_len = usize::MAX, Working),
    ("max_get_len 0", |c| c.settings.limits.max_get_len = 0, Working),
    ("max_get_len", |c| c.settings.limits.max_get_len = usize::MAX, Working),
    ("window 0", |c| c.settings.limits.window = 0, Working),
    ("window", |c| c.settings.limits.window = usize::MAX, Working),
    // A call on several keys fails then for all but the first: see below.
    ("max_queued_bytes 0", |c| c.settings.limits.max_queued_bytes = 0, Refusing),
    ("max_queued_bytes", |c| c.settings.limits.max_queued_bytes = usize::MAX, Working),
    ("backlog 0", |c| c.settings.limits.backlog = 0, Working),
    ("backlog", |c| c.settings.limits.backlog = usize::MAX, Working),
    ("max_lines 0", |c| c.settings.limits.max_lines = 0, Working),
    ("max_lines", |c| c.settings.limits.max_lines = usize::MAX, Working),
    ("max_stats_bytes 0", |c| c.settings.limits.max_stats_bytes = 0, Working),
    ("max_stats_bytes", |c| c.settings.limits.max_stats_bytes = usize::MAX, Working),
    ("max_cas_attempts 0", |c| c.settings.limits.max_cas_attempts = 0, Working),
    ("max_cas_attempts", |c| c.settings.limits.max_cas_attempts = usize::MAX, Working),
    ("max_inflated_len 0", |c| c.transcoder.max_inflated_len = 0, Working),
    ("max_inflated_len", |c| c.transcoder.max_inflated_len = usize::MAX, Working),
];

/// Makes some of all calls. What came of storing and reading several keys.
fn exercise(net: &mut Net, calls: &calls::Calls) -> Result<Vec<String>, Error> {
    let value = "value ".repeat(20);
    let names: Vec<_> = (0..20).map(|number| format!("key{number}")).collect();
    let mut ids: CasIds = calls.cas_ids();
    let one = run(net, calls, set("one", &value, Expiry::Never));
    let found = run(net, calls, gets::<Value, _>("one"));
    if let Ok(Some((_, unique))) = &found {
        for _ in 0..3 {
            ids.remember(memcache_proto::KeyBuf::from(1), *unique);
            ids.remember(memcache_proto::KeyBuf::from(2), *unique);
        }
    }
    let changed = run(net, calls, cas_from(&ids, 1, 1, Expiry::Never));
    let silent = run(net, calls, set("silent", &value, Expiry::Never).noreply());
    let count = run(net, calls, calls::incr("none", u64::MAX));
    let stats = run(net, calls, calls::stats(StatsArgument::General));
    // Whatever came of these, it came.
    let _ = (changed, silent, count, stats);
    let items = names.iter().map(|name| (name, &value));
    run(net, calls, set_many(items, Expiry::Never))?.into_result()?;
    let found: Many<HashMap<&String, String>, _> = run(net, calls, get_many(&names))?;
    let found = found.into_result()?;
    run(net, calls, delete_many(&names[..5]))?.into_result()?;
    one?;
    assert!(found.values().all(|found| *found == value));
    Ok(found.into_keys().cloned().collect())
}

#[test]
fn a_client_works_or_refuses_at_both_ends_of_every_setting() {
    for (name, change, expected) in CASES {
        for merge_gets in [false, true] {
            let (mut net, calls) = called(2, |config| {
                config.settings.merge_gets = merge_gets;
                change(config);
            });
            let found = match exercise(&mut net, &calls) {
                Ok(found) => {
                    assert_eq!(found.len(), 20, "{name}");
                    Working
                }
                Err(_) => Refusing,
            };
            assert_eq!(found, *expected, "{name}");
            assert!(net.clients[0].is_idle(), "{name}");
            // It is as good afterwards as it was before.
            let again = exercise(&mut net, &calls).map_or(Refusing, |_| Working);
            assert_eq!(again, *expected, "{name}, once more");
        }
    }
}

/// Where nothing waits before it a request is always taken.
#[test]
fn one_call_at_a_time_needs_no_room_to_wait_in() {
    let (mut net, calls) = called(1, |c| c.settings.limits.max_queued_bytes = 0);
    for number in 0..3 {
        run(&mut net, &calls, set("key", number, Expiry::Never)).expect("stored");
        let found = run(&mut net, &calls, get::<u8, _>("key")).expect("asked");
        assert_eq!(found, Some(number));
    }
}

/// A time of no length is over at once: an error, and neither a panic nor a wait.
#[test]
fn no_time_at_all_is_an_error_in_time() {
    let cases: &[(&str, Change)] = &[
        ("socket_timeout", |c| c.settings.socket_timeout = Duration::ZERO),
        ("operation_timeout", |c| c.settings.operation_timeout = Some(Duration::ZERO)),
    ];
    for (name, change) in cases {
        for mode in [Mode::Up, Mode::Silent, Mode::Hanging, Mode::Refusing] {
            let (mut net, calls) = called(2, change);
            for peer in &mut net.peers {
                (peer.mode, peer.delay) = (mode, SECOND);
            }
            let before = net.now;
            for _ in 0..3 {
                let stored = run(&mut net, &calls, set("key", 1, Expiry::Never));
                assert!(stored.is_err(), "{name}, {mode:?}");
            }
            assert!(net.now - before < SECOND, "{name}, {mode:?}: {:?}", net.now - before);
        }
    }
}

/// And a time without end lets a server be dead for good, and waits for one that does not answer.
#[test]
fn for_ever_is_a_time_like_any_other() {
    let (mut net, calls) = called(2, |c| c.settings.dead_retry = Duration::MAX);
    net.peers[0].mode = Mode::Refusing;
    let names = names(50);
    let items = names.iter().map(|name| (name, 1));
    let stored = run(&mut net, &calls, set_many(items, Expiry::Never)).expect("asked");
    assert!(stored.result > 40, "{}", stored.result);
    assert!(is_dead(&net, 0));
    net.peers[0].mode = Mode::Up;
    net.now = net.now + Duration::from_secs(100 * 365 * 86_400);
    assert!(is_dead(&net, 0));
    calls.cluster().health().forget_dead_hosts();
    assert!(!is_dead(&net, 0));
    let items = names.iter().map(|name| (name, 1));
    let stored = run(&mut net, &calls, set_many(items, Expiry::Never)).expect("asked");
    assert_eq!(stored.result, 50);
}

#[test]
fn the_times_of_recaching_can_be_sent_at_both_ends() {
    for time in [Duration::ZERO, Duration::MAX] {
        let (mut net, calls) = called(1, |_| {});
        net.peers[0].mode = Mode::Says(b"EN\r\n");
        let part = Recaching::new(Recache { lease: time, early: time, wait: time, pause: time });
        // What the server says is another matter.
        let looked = run(&mut net, &calls, part.look::<u8, _>("key"));
        assert!(!matches!(looked, Err(Error::Expiry(_))), "{time:?}: {looked:?}");
        let bounded = run(&mut net, &calls, part.bound("key", 1));
        assert!(!matches!(bounded, Err(Error::Expiry(_))), "{time:?}: {bounded:?}");
    }
}

/// A service that refuses lines over 16 KB, which is 16,000 or 16,384 bytes, takes a call on many keys.
#[test]
fn a_get_line_is_as_long_as_it_may_be_and_no_longer() {
    let names: Vec<_> = (0..2_000).map(|number| format!("{number:0>240}")).collect();
    for (change, longest) in [
        ((|_| {}) as Change, 16_000),
        (|c| c.settings.limits.max_get_len = 1_000, 1_000),
        (|c| c.settings.limits.max_get_len = 0, 256),
        (|c| c.settings.limits.max_get_len = usize::MAX, 32 << 10),
        (|c| c.settings.limits.window = 10_000, 5_000),
    ] {
        let (mut net, calls) = called(1, |config| {
            // What is given at a time makes several lines.
            config.settings.limits.backlog = 1 << 20;
            change(config);
        });
        let found: Many<HashMap<_, u8>, _> =
            run(&mut net, &calls, get_many(&names)).expect("asked");
        assert_eq!(found.missing.len(), 2_000);
        let heard = net.heard(0);
        let lines: Vec<_> = heard.split_inclusive("\r\n").map(str::len).collect();
        assert!(lines.iter().all(|&len| len <= longest), "{longest}: {lines:?}");
        assert!(lines.iter().any(|&len| len + 241 > longest), "{longest}: {lines:?}");
    }
}
