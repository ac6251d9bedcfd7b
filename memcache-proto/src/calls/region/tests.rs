use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;

use super::*;
use crate::calls::{self, Answer, Config};
use crate::client::{Client, Failure, FailureKind, Operation, OperationId, RoutedKey};
use crate::codec::MetaRequest;
use crate::routing::ServerIndex;
use crate::value::ToValue;

const NOW: u64 = 1_800_000_000;

fn calls_of(change: impl FnOnce(&mut Config)) -> Calls {
    let mut config = Config::default();
    config.add_server("10.0.0.1", 1);
    change(&mut config);
    config.build(|| NOW).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The keys that a call gives to the client, before the client's own prefix.
fn keys<C: Call>(calls: &Calls, call: C) -> Vec<String> {
    let mut given = Vec::new();
    let submitted = call.submit(calls, |operation| {
        let of = |keys: &[RoutedKey<'_>]| keys.iter().map(|it| text(it.key.as_bytes())).collect();
        given = match operation {
            Operation::Get { key, .. }
            | Operation::Gat { key, .. }
            | Operation::Delete { key, .. }
            | Operation::Touch { key, .. }
            | Operation::Incr { key, .. } => of(&[key]),
            Operation::Store { item, .. } => of(&[item.key]),
            Operation::GetMany { keys, .. } | Operation::DeleteMany { keys, .. } => of(keys),
            Operation::StoreMany { items, .. } => {
                items.iter().map(|item| text(item.key.key.as_bytes())).collect()
            }
            Operation::Meta(meta) => match meta.request {
                MetaRequest::Get(_) | MetaRequest::Set(_) => {
                    let mut space = [0; MAX_KEY_LEN];
                    vec![text(meta.request.key().decode(&mut space).unwrap())]
                }
                _ => panic!("{operation:?}"),
            },
            _ => panic!("{operation:?}"),
        };
        Ok(OperationId::NONE)
    });
    submitted.map(drop).unwrap();
    given
}

#[test]
fn a_name_is_checked_as_a_key_and_leaves_room_for_one() {
    let short = calls_of(|config| config.settings.limits.server_max_key_length = 40);
    let prefixed = calls_of(|config| config.settings.key_prefix = b"shop:".to_vec());
    let plain = calls_of(|_| ());
    let too_long = |len, max| Some(KeyError::TooLong { len, max });
    let forbidden = |byte, position| Some(KeyError::Forbidden { byte, position });
    let n = |len| "n".repeat(len);
    let cases = [
        (&plain, "users".into(), None),
        (&plain, "\u{00fc}".into(), None),
        (&plain, String::new(), Some(KeyError::Empty)),
        (&plain, "two words".into(), forbidden(b' ', 3)),
        (&plain, "users\r\nflush_all".into(), forbidden(b'\r', 5)),
        (&plain, n(227), None),
        (&plain, n(228), too_long(251, 250)),
        (&plain, n(251), too_long(251, 250)),
        (&prefixed, n(222), None),
        (&prefixed, n(223), too_long(251, 250)),
        (&short, n(17), None),
        (&short, n(18), too_long(41, 40)),
    ];
    for (calls, name, expected) in cases {
        let error = calls.region(&name).err().map(|error| error.to_string());
        assert_eq!(error, expected.map(|error| error.to_string()), "{name:?}");
    }
    assert_eq!(plain.region("users").unwrap().name(), b"users");
    // What has room for a key has room for the longest generation.
    let region = plain.region(n(227)).unwrap();
    let call = region.call(Generation(u64::MAX), calls::get::<String, _>("k"));
    let mut client = Client::new(plain.cluster().clone());
    let submitted = call.submit(&plain, |operation| {
        client.submit(operation, Time::ZERO).map_err(|rejected| rejected.reason.into())
    });
    assert!(submitted.is_ok());
}

#[test]
fn keys_of_a_region_are_behind_its_name_and_generation() {
    let plain = calls_of(|_| ());
    let encoding = calls_of(|config| {
        config.keys = KeyRules::default().key_encoder(|key| match key {
            b"generation" => Err("no such user".into()),
            key => Ok(key.to_ascii_uppercase()),
        });
    });
    let region = plain.region("users").unwrap();
    let call = |call| keys(&plain, region.call(Generation(7), call));
    assert_eq!(call(calls::get::<String, _>("a")), ["users:7:a"]);
    fn both<C: Call>(calls: &Calls, region: &Region, call: C) -> Vec<String> {
        keys(calls, region.call(Generation(u64::MAX), call))
    }
    let max = "users:18446744073709551615:";
    let cases = [
        (both(&plain, &region, calls::set("a", 1, Expiry::Never)), "a"),
        (both(&plain, &region, calls::gat::<String, _>(42, Expiry::Never)), "42"),
        (both(&plain, &region, calls::touch("a", Expiry::Never).noreply()), "a"),
        (both(&plain, &region, calls::meta_get::<String, _>("a b")), "a b"),
        (both(&plain, &region, calls::meta_set("a", 1, Expiry::Never)), "a"),
        (both(&plain, &region, calls::get_many::<String, _, BTreeMap<_, _>>(["a", "b"])), "a b"),
        (both(&plain, &region, calls::delete_many(["a"]).key_prefix("in:")), "in:a"),
        (
            both(&plain, &region, calls::set_many([("a", 1)], Expiry::Never).key_prefix("in:")),
            "in:a",
        ),
        (both(&encoding, &region, calls::get::<String, _>("a")), "A"),
        (both(&encoding, &region, calls::meta_get::<String, _>("a")), "A"),
    ];
    for (given, expected) in cases {
        let alone = given.iter().map(|key| key.strip_prefix(max).expect("behind the prefix"));
        assert_eq!(alone.collect::<Vec<_>>().join(" "), expected, "{given:?}");
    }
    // The generation itself is nobody's user.
    for calls in [&plain, &encoding] {
        let generation = "users:generation";
        assert_eq!(keys(calls, region.look()), [generation]);
        assert_eq!(keys(calls, region.make(Generation(7))), [generation]);
        assert_eq!(keys(calls, region.discard()), [generation]);
        assert_eq!(keys(calls, region.advance()), [generation]);
    }
    let empty = region.call(Generation(7), calls::get::<String, _>(""));
    let error = empty.submit(&plain, |_| Ok(OperationId::NONE)).err().unwrap();
    assert!(matches!(error, Error::Key(KeyError::Empty)), "{error}");
}

#[test]
fn an_older_generation_is_refused_and_one_is_remembered_for_its_time() {
    const END: u64 = u64::MAX;
    // What was the latest, what is found, and whether it is accepted.
    let cases = [
        (None, 0, true),
        (None, END, true),
        (Some(5), 5, true),
        (Some(5), 6, true),
        (Some(5), 4, false),
        (Some(NOW << 30), 7, false),
        // Somebody has stored what he liked: who knew none before takes it, and what follows, too.
        (Some(NOW << 30), END, false),
        (Some(END), 0, true),
        (Some(END), NOW << 30, true),
        (Some(0), END, false),
    ];
    let at = Time::from_millis;
    for (latest, found, accepted) in cases {
        let latest = latest.map(Generation);
        let mut known = Known { latest, since: latest.map(|_| at(1_000)) };
        let what = format!("{known:?}, {found}");
        let asked = known.ask(at(2_000));
        assert_eq!(known.accept(Generation(found), asked), accepted, "{what}");
        let region = calls_of(|_| ()).region("r").unwrap();
        assert_eq!(region.remembered(&known, at(2_000)), None, "{what}");
        let region = region.remember(Duration::from_secs(1));
        if !accepted {
            assert_eq!(known.latest, latest, "{what}");
            continue;
        }
        assert_eq!(region.remembered(&known, at(2_999)), Some(Generation(found)), "{what}");
        assert_eq!(region.remembered(&known, at(3_000)), None, "{what}");
    }
    // Of two that asked, the later one counts.
    let mut known = Known { latest: Some(Generation(5)), since: Some(at(2_000)) };
    assert!(known.accept(Generation(5), known.ask(at(1_000))));
    assert_eq!(known.since, Some(at(2_000)));
}

#[test]
fn what_was_remembered_is_not_after_it_was_invalidated() {
    let at = Time::from_millis;
    let region = calls_of(|_| ()).region("r").unwrap().remember(Duration::from_secs(10));
    let cases = [(Some(6), Some(Generation(6))), (None, None), (Some(3), None), (Some(5), None)];
    for (advanced, remembered) in cases {
        let mut known = Known { latest: Some(Generation(5)), since: Some(at(1_000)) };
        let before = known.ask(at(1_900));
        known.invalidated(advanced, known.ask(at(2_000)));
        assert_eq!(region.remembered(&known, at(2_500)), remembered, "{advanced:?}");
        // One who asked before may use what it was answered; nobody else does.
        assert!(known.accept(Generation(5), before), "{advanced:?}");
        assert_eq!(region.remembered(&known, at(2_500)), remembered, "{advanced:?}");
        // Who asks now may not.
        assert!(!known.accept(Generation(5), known.ask(at(2_600))), "{advanced:?}");
    }
    // Somebody else has seen the new one before it was known to be ours.
    let mut known = Known { latest: Some(Generation(5)), since: Some(at(1_000)) };
    let (ours, theirs) = (known.ask(at(2_000)), known.ask(at(2_100)));
    assert!(known.accept(Generation(6), theirs));
    known.invalidated(Some(6), ours);
    assert_eq!(region.remembered(&known, at(2_500)), Some(Generation(6)));
}

#[test]
fn a_new_generation_is_later_than_any_that_was_seen() {
    let calls = calls_of(|_| ());
    let now = NOW << 30;
    let cases = [
        (None, 0, now),
        (None, u64::MAX, now + (1 << 30) - 1),
        (Some(now - 1), 0, now),
        (Some(now), 0, now + 1),
        (Some(now + 7), 3, now + 11),
        // Behind the end of the range comes its beginning.
        (Some(u64::MAX), 3, now + 3),
    ];
    for (latest, random, expected) in cases {
        let mut known = Known { latest: latest.map(Generation), since: None };
        let asked = known.ask(Time::ZERO);
        let fresh = asked.fresh(&calls, random);
        assert_eq!(fresh, Generation(expected), "{latest:?}, {random}");
        assert!(known.accept(fresh, asked), "{latest:?}, {random}");
        assert_eq!(known.latest, Some(fresh), "{latest:?}, {random}");
    }
}

fn failed<C: Call>(calls: &Calls, call: C, kind: FailureKind) -> Result<C::Output, Error> {
    let region = calls.region("users").unwrap();
    let server = Some(ServerIndex::new(0));
    let failure = Failure { server, delivery: Delivery::Unanswered, changes: true, kind };
    region.without_generation(calls, call, calls.error(failure, |_| None))
}

#[test]
fn where_the_generation_cannot_be_read_nothing_was_sent_and_lookups_may_be_misses() {
    let strict = calls_of(|_| ());
    let lax = calls_of(|config| config.unavailable_is_miss = true);
    let numbers = || 0..5_000;
    let get = || calls::get::<String, _>("a");
    let gets_many = || calls::gets_many::<String, _, BTreeMap<_, _>>(numbers());
    let set = || calls::set("a", 1, Expiry::Never);
    let not_sent = |error: Error| {
        let Error::Server { server, failure, .. } = &error else { panic!("{error}") };
        assert_eq!(server.as_deref(), Some("10.0.0.1:11211 (1)"));
        assert_eq!(failure.delivery, Delivery::NotSent);
        assert!(!error.may_have_been_applied());
    };
    not_sent(failed(&strict, get(), FailureKind::SocketTimeout).unwrap_err());
    not_sent(failed(&strict, gets_many(), FailureKind::SocketTimeout).unwrap_err());
    not_sent(failed(&lax, set(), FailureKind::SocketTimeout).unwrap_err());
    not_sent(failed(&lax, calls::version(), FailureKind::SocketTimeout).unwrap_err());
    not_sent(failed(&lax, get(), FailureKind::LoginRequired).unwrap_err());

    assert_eq!(failed(&lax, get(), FailureKind::SocketTimeout).unwrap(), None);
    let info = calls::item_info("a");
    assert!(failed(&lax, info, FailureKind::SocketTimeout).unwrap().is_none());
    let many = failed(&lax, gets_many(), FailureKind::SocketTimeout).unwrap();
    assert!(many.result.is_empty() && many.failed.is_empty());
    assert_eq!(many.missing, numbers().collect::<Vec<_>>());
    let items = numbers().map(|number| (number, 1));
    let many = calls::set_many(items, Expiry::Never);
    let many = failed(&lax, many, FailureKind::SocketTimeout).unwrap();
    assert_eq!((many.result, many.failed.len()), (0, 5_000));
    many.failed.into_iter().for_each(|failed| not_sent(failed.error));
    let region = lax.region("users").unwrap();
    assert!(matches!(region.without_generation(&lax, get(), Error::Late), Err(Error::Late)));
}

#[test]
fn the_generation_is_no_miss_where_its_server_is_gone() {
    let lax = calls_of(|config| config.unavailable_is_miss = true);
    let region = lax.region("users").unwrap();
    let outcome = |kind| Outcome::One(Err(Failure::not_sent(None, kind)));
    let submit = |call: InRegion<_>| call.submit(&lax, |_| Ok(OperationId::NONE)).unwrap().1;
    let answer = submit(region.look());
    let error = answer.finish(outcome(FailureKind::SocketTimeout), &lax, |_| None).unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    for (value, expected) in [("7", Some(7)), ("17 ", Some(17)), ("x", None), ("-1", None)] {
        let encoded = lax.transcoder.encode(7.to_value().unwrap()).unwrap();
        let (server, value) = (ServerIndex::new(0), value.into());
        let item = crate::client::Item { server, flags: encoded.flags, cas: None, value };
        let outcome = Outcome::One(Ok(crate::client::Reply::Item(item)));
        let found = submit(region.look()).finish(outcome, &lax, |_| None);
        assert_eq!(found.ok().flatten(), expected.map(Generation));
    }
}

/// Two servers, of which one at a time is the generation's, and handles of which each has a clock of its own.
#[derive(Default)]
struct World {
    stored: [Option<u64>; 2],
    current: usize,
    known: [Known; 3],
    /// Those that were in use before the region was invalidated, or lost, as each handle has it.
    gone: [BTreeSet<u64>; 3],
    used: BTreeSet<u64>,
}

impl World {
    /// As an adapter does it.
    fn find(&mut self, handle: usize, clock: u64, random: &mut impl FnMut() -> u64) -> u64 {
        let known = &mut self.known[handle];
        let asked = known.ask(Time::ZERO);
        let stored = &mut self.stored[self.current];
        if let Some(found) = *stored {
            if known.accept(Generation(found), asked) {
                return found;
            }
            *stored = None;
        }
        let fresh = asked.fresh_at(clock, random());
        *stored = Some(fresh.0);
        assert!(known.accept(fresh, asked));
        fresh.0
    }
}

/// Whatever is evicted, whoever invalidates, and however wrong the clocks are: a generation that was in use before the
/// region was invalidated never is again, for new handles neither. Where servers fail over and return this holds of handles that have seen
/// what came after.
#[test]
fn no_generation_comes_back() {
    for failover in [false, true] {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut world = World::default();
        let mut found = 0;
        for step in 0..4_000_u64 {
            let handle = (random() % 3) as usize;
            // Clocks are up to a minute apart, and pass slowly.
            let clock = NOW + step / 16 + 30 * handle as u64;
            match random() % 8 {
                0 => world.stored[world.current] = None,
                1 if failover => world.current ^= 1,
                // A new process, which knows nothing.
                1 if step % 4 == 0 => world.known[handle] = Known::default(),
                1 | 2 => {
                    let stored = &mut world.stored[world.current];
                    *stored = stored.map(|number| number.wrapping_add(1));
                    let advanced = *stored;
                    let latest = world.known[handle].latest.map(|latest| latest.0);
                    let asked = world.known[handle].ask(Time::ZERO);
                    world.known[handle].invalidated(advanced, asked);
                    world.gone[handle].extend(latest);
                    if !failover {
                        let used = &world.used;
                        world.gone.iter_mut().for_each(|gone| gone.extend(used));
                    }
                }
                _ => {
                    let before = world.known[handle].latest;
                    let now = world.find(handle, clock, &mut random);
                    assert!(!world.gone[handle].contains(&now), "{now} is back, {failover}");
                    if before.is_some_and(|before| before.0 != now) {
                        let before = before.map(|before| before.0);
                        world.gone[handle].extend(before);
                    }
                    world.used.insert(now);
                    found += 1;
                }
            }
        }
        assert!(found > 2_000);
    }
}
