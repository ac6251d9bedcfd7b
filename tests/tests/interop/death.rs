//! Servers that die, and come back.

use std::thread;
use std::time::{Duration, Instant};

use memcache_sync::{Client, Error, Expiry, Value};
use memcache_tests::python::Driver;
use serde_json::{Value as Json, json};

use crate::generator::{Generator, Item};
use crate::pair::{self, Pair, Servers, map};
use crate::profile::{Profile, Settings};

/// At least; see [`dead_retry`].
const DEAD_RETRY: Duration = Duration::from_millis(1_500);
/// More than a moment that both clients take for the same may be apart.
const SLACK: Duration = Duration::from_millis(300);
/// The same for libmemcached, which counts in whole seconds.
const RETRY_TIMEOUT: Duration = Duration::from_secs(1);
const KEYS: usize = 400;
const WEIGHTS: [i32; 5] = [2, 1, 3, 1, 2];

pub(crate) fn both_agree_on_where_keys_go_while_servers_die_and_return(profile: &Profile) {
    let mut generator = Generator::new();
    let Some(mut servers) = Servers::start(profile, WEIGHTS.len()) else { return };
    let items = generator.items(profile, KEYS, 100);
    let keys: Vec<_> = items.iter().map(Item::whole).collect();
    let Pair { python, rust, .. } = servers.pair(profile, &WEIGHTS, &Settings::default());
    let mut round = Round { python, rust, items: &items, keys: keys.clone(), number: 0 };
    let dead_retry = dead_retry(&mut round, &servers);
    let settings = Settings { dead_retry, ..Settings::default() };
    let Pair { python, rust, .. } = servers.pair(profile, &WEIGHTS, &settings);
    let mut round = Round { python, rust, items: &items, keys, number: 1 };

    let homes = round.run(&servers);
    assert!(homes.iter().all(Option::is_some));
    let first_of = |server| {
        let at = homes.iter().position(|home| *home == Some(server)).expect("a key on each server");
        &items[at]
    };

    // One after the other, until one is left and the tries of some keys do not find it.
    let mut nowhere = Vec::new();
    for (count, dead) in [2, 0, 4, 1].into_iter().enumerate() {
        servers.0[dead].kill();
        round.learn(first_of(dead), count);
        let places = round.run(&servers);
        for (home, place) in homes.iter().zip(&places) {
            assert_ne!(*place, Some(dead));
            let is_running = home.is_some_and(|home| servers.0[home].is_running());
            assert!(home == place || !is_running, "{home:?} has no reason to move");
        }
        nowhere.push(places.iter().filter(|place| place.is_none()).count());
    }
    println!("keys without a server: {nowhere:?}");
    assert!(nowhere[0] == 0 && nowhere[3] > 0 && nowhere[3] < KEYS / 2, "{nowhere:?}");

    // A server that is back is left alone until its time has come.
    let away = round.run(&servers);
    thread::sleep(dead_retry + SLACK);
    let seen_dead = Instant::now();
    round.learn(first_of(2), 0);
    servers.0[2].restart();
    thread::sleep((dead_retry / 4).saturating_sub(seen_dead.elapsed()));
    assert_eq!(round.run(&servers), away);
    thread::sleep((dead_retry + SLACK).saturating_sub(seen_dead.elapsed()));
    let places = round.run(&servers);
    for (home, place) in homes.iter().zip(&places) {
        assert!(*home != Some(2) || *place == Some(2), "a key that is not home again: {place:?}");
    }

    for back in [0, 4, 1] {
        servers.0[back].restart();
    }
    thread::sleep(dead_retry + SLACK);
    assert_eq!(round.run(&servers), homes);
}

/// A `dead_retry` so long that a round is over in a small part of it, however busy this machine is: a server
/// that is tried again in the midst of one is dead for one client and alive for the other.
fn dead_retry(round: &mut Round<'_>, servers: &Servers) -> Duration {
    let started = Instant::now();
    round.run(servers);
    DEAD_RETRY.max(12 * started.elapsed())
}

/// pymemcache goes elsewhere with the keys of a server that it has dropped, and back when its time has
/// come: it looks no more often than every `dead_timeout`, so that a server may be left alone for up to
/// twice as long.
pub(crate) fn both_agree_on_where_keys_go_once_a_server_is_dropped(profile: &Profile) {
    let mut generator = Generator::new();
    let Some(mut servers) = Servers::start(profile, WEIGHTS.len()) else { return };
    let items = generator.items(profile, KEYS, 100);
    let weights = [1; WEIGHTS.len()];
    let keys: Vec<_> = items.iter().map(Item::whole).collect();

    // For as long as this takes, nobody looks whether one is back.
    let Pair { python, rust, .. } = servers.pair(profile, &weights, &Settings::default());
    let mut round = Round { python, rust, items: &items, keys: keys.clone(), number: 0 };
    let homes = round.run(&servers);
    let first_of = |server| {
        let at = homes.iter().position(|home| *home == Some(server)).expect("a key on each server");
        &items[at]
    };
    for (count, dead) in [2, 0, 4, 1].into_iter().enumerate() {
        servers.0[dead].kill();
        // The end of a connection does not count for pymemcache, a refused one does.
        round.learn(first_of(dead), count);
        round.learn(first_of(dead), 0);
        let places = round.run(&servers);
        for (home, place) in homes.iter().zip(&places) {
            assert!(place.is_some_and(|place| servers.0[place].is_running()), "{place:?}");
            let is_running = home.is_some_and(|home| servers.0[home].is_running());
            assert!(home == place || !is_running, "{home:?} has no reason to move");
        }
    }

    for back in [2, 0, 4, 1] {
        servers.0[back].restart();
    }
    let settings = Settings { dead_retry: DEAD_RETRY, ..Settings::default() };
    let Pair { python, rust, .. } = servers.pair(profile, &weights, &settings);
    let mut round = Round { python, rust, items: &items, keys, number: 100 };
    assert_eq!(round.run(&servers), homes);
    // That all keys are elsewhere while nobody looks was shown above, and would not hold here for long:
    // when `dead_timeout` is over, pymemcache looks, and the call that looks fails.
    servers.0[2].kill();
    let (whole, key) = (first_of(2).whole_json(), first_of(2).whole());
    let mut stores = (0..10).map(|_| round.python.try_call("set", json!([whole, "away"])));
    assert!(stores.any(|stored| stored == Ok(true.into())), "{whole} has nowhere to go");
    round.rust.set(&key, "away", Expiry::Never).expect("goes elsewhere");
    servers.0[2].restart();
    thread::sleep(2 * DEAD_RETRY + SLACK);
    assert_eq!(round.run(&servers), homes);
}

/// libmemcached looks for a key nowhere but on its server, dead or alive.
pub(crate) fn a_dead_server_takes_its_own_keys_along_and_no_others(profile: &Profile) {
    let mut generator = Generator::new();
    let Some(mut servers) = Servers::start(profile, 4) else { return };
    let settings = Settings { dead_retry: RETRY_TIMEOUT, ..Settings::default() };
    let items = generator.items(profile, KEYS, 100);
    let mut pair = Pair::random(&servers, profile, &mut generator, &settings);
    pair.python_writes(&items);
    let homes = pair.check_places(&items);
    let Pair { mut python, rust, .. } = pair;
    let keys: Vec<_> = items.iter().map(Item::whole).collect();
    let gets: Vec<_> = items.iter().map(|item| json!([item.whole_json()])).collect();
    let own = homes.iter().filter(|home| **home == 2).count();
    assert!(own > 0 && own < items.len());

    servers.0[2].kill();
    // pylibmc may take the end of a connection for a miss, once.
    let met = homes.iter().position(|home| *home == 2).expect("a key on each server");
    let _ = python.try_each("get", [gets[met].clone()]);
    let theirs = python.try_each("get", gets);
    for (((item, key), home), theirs) in items.iter().zip(&keys).zip(&homes).zip(theirs) {
        let ours = rust.get::<Value>(key);
        if *home == 2 {
            assert!(theirs.is_err(), "{home}: {theirs:?}");
            assert!(ours.is_err_and(|error| is_nowhere(&error)), "{home}");
        } else {
            let value = profile.read(&item.value);
            assert_eq!(theirs, Ok(pair::json(&value)), "{home}");
            assert_eq!(ours.expect("read"), Some(value), "{home}");
        }
    }
    let found = rust.get_many::<Value, _>(&keys).expect("asked");
    assert_eq!((found.result.len(), found.failed.len()), (items.len() - own, own));
    let sets = items.iter().map(|item| json!([item.whole_json(), 1]));
    let stored = python.try_each("set", sets);
    for ((key, home), stored) in keys.iter().zip(&homes).zip(stored) {
        assert_eq!(stored == Ok(true.into()), *home != 2, "{stored:?}");
        assert_eq!(rust.set(key, 2, Expiry::Never).is_ok(), *home != 2);
    }
    assert!(servers.holdings(&keys).values().all(|held| held.len() == 1 && held[0].0 != 2));

    // It comes back with nothing, and keys are where they were.
    servers.0[2].restart();
    thread::sleep(2 * RETRY_TIMEOUT + SLACK);
    let sets = items.iter().map(|item| json!([item.whole_json(), 3]));
    assert!(python.each("set", sets).iter().all(|stored| *stored == true));
    for key in &keys {
        assert_eq!(rust.get::<u64>(key).expect("read"), Some(3));
    }
    let places = servers.places(&keys);
    assert!(places.iter().map(|(place, _)| *place).eq(homes));
}

/// A pair of clients that knows nothing of what is done to the servers, and goes on.
struct Round<'a> {
    python: Driver,
    rust: Client,
    items: &'a [Item],
    keys: Vec<Vec<u8>>,
    number: usize,
}

impl Round<'_> {
    /// Lets each client meet a server that has just died, by a key of its own. That one call may fail;
    /// which call it is depends on the `turn`.
    fn learn(&mut self, item: &Item, turn: usize) {
        let (whole, key) = (item.whole_json(), item.whole());
        match turn {
            0 => {
                let _ = self.rust.set(&key, "lost", Expiry::Never);
                let _ = self.python.try_call("set", json!([whole, "lost"]));
            }
            1 => {
                let _ = self.rust.get::<Value>(&key);
                let _ = self.python.try_call("get", json!([whole]));
            }
            2 => {
                let _ = self.rust.get_many::<Value, _>([&key]);
                let _ = self.python.try_call("get_multi", json!([[whole]]));
            }
            _ => {
                let _ = self.rust.incr(&key, 1);
                let _ = self.python.try_call("incr", json!([whole, 1]));
            }
        }
    }

    /// Writes every key from each side, reads it from the other, and returns the number of the server
    /// that has it; `None` where neither client found one.
    fn run(&mut self, servers: &Servers) -> Vec<Option<usize>> {
        self.number += 1;
        // Integers, as every version reads them alike.
        let (theirs, ours) = (2 * self.number, 2 * self.number + 1);
        let keys: Vec<_> = self.items.iter().map(|item| json!([item.whole_json()])).collect();
        let all: Vec<_> = self.items.iter().map(Item::whole_json).collect();

        let calls = self.items.iter().map(|item| json!([item.whole_json(), theirs]));
        let stored: Vec<_> =
            self.python.each("set", calls).iter().map(|set| *set == true).collect();
        for (key, stored) in self.keys.iter().zip(&stored) {
            match self.rust.get::<usize>(key) {
                Ok(read) => assert_eq!((read, *stored), (Some(theirs), true)),
                Err(error) => assert!(is_nowhere(&error) && !stored, "{error}"),
            }
        }
        let found = self.rust.get_many::<usize, _>(&self.keys).expect("asked");
        assert!(found.result.values().all(|read| *read == theirs));
        assert!(found.failed.iter().all(|failed| is_nowhere(&failed.error)), "{:?}", found.failed);
        for (key, stored) in self.keys.iter().zip(&stored) {
            assert_eq!(found.result.contains_key(key), *stored, "{}", key.escape_ascii());
        }

        for (key, stored) in self.keys.iter().zip(&stored) {
            match self.rust.set(key, ours, Expiry::Never) {
                Ok(()) => assert!(stored, "{}", key.escape_ascii()),
                Err(error) => assert!(is_nowhere(&error) && !stored, "{error}"),
            }
        }
        let expected: Vec<Json> =
            stored.iter().map(|stored| stored.then_some(ours).into()).collect();
        assert_eq!(self.python.each("get", keys.clone()), expected);
        let found = self.python.call("get_multi", json!([all]));
        let found = map(&found);
        for (key, expected) in all.iter().zip(&expected) {
            let read = found.get(&key.to_string()).copied().unwrap_or(&Json::Null);
            assert_eq!(read, expected, "{key}");
        }

        let named = self.python.each("server", keys);
        let holdings = servers.holdings(&self.keys);
        let places = self.keys.iter().zip(named).map(|(key, named)| {
            // What earlier rounds left elsewhere is another number.
            let ours = ours.to_string();
            let held = holdings.get(key).into_iter().flatten();
            let held: Vec<_> = held.filter(|(_, held)| held.bytes == ours.as_bytes()).collect();
            match held[..] {
                [] => {
                    assert!(named.is_null(), "{}: Python names {named}", key.escape_ascii());
                    None
                }
                [(place, _)] => {
                    assert_eq!(named, servers.0[*place].address(), "{}", key.escape_ascii());
                    Some(*place)
                }
                _ => panic!("{}: in two places, {held:?}", key.escape_ascii()),
            }
        });
        places.collect()
    }
}

/// Whether the error says that there was no server to ask.
fn is_nowhere(error: &Error) -> bool {
    matches!(error, Error::Server { .. })
}
