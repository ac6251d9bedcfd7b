//! Where a key is.

use memcache_sync::Expiry;
use serde_json::json;

use crate::generator::{Generator, Item};
use crate::pair::Servers;
use crate::profile::{Profile, Settings};

/// As many lists of servers are tried, each with a part of the keys.
const RINGS: usize = 5;
const MAX_SERVERS: usize = 6;

pub(crate) fn each_key_is_on_the_server_that_both_name(profile: &Profile) {
    let mut generator = Generator::new();
    for ring in 0..RINGS {
        // The first list is the longest, so that there is one with many servers.
        let servers = MAX_SERVERS - ring.min(generator.below(MAX_SERVERS));
        let Some(servers) = Servers::start(profile, servers) else { return };
        let weights = generator.weights(profile, servers.0.len());
        println!("weights {weights:?}");
        let mut pair = servers.pair(profile, &weights, &Settings::default());
        let mut items = generator.items(profile, Generator::count() / 4, 100);
        items.extend(generator.items_of_hash_zero(3));
        let keys: Vec<_> = items.iter().map(Item::whole).collect();

        pair.python_writes(&items);
        let theirs = pair.check_places(&items);
        // On another server there would be two of them now.
        for key in &keys {
            pair.rust.set(key, "of Rust", Expiry::Never).expect("stored");
        }
        let ours = pair.check_places(&items);
        assert_eq!(theirs, ours);
        for (key, (_, holding)) in keys.iter().zip(servers.places(&keys)) {
            assert_eq!(holding.bytes, b"of Rust", "{}", key.escape_ascii());
        }
        for (number, weight) in weights.iter().enumerate() {
            let used = ours.contains(&number);
            let takes_part = *weight > 0 || !profile.weight_0_is_none;
            assert_eq!(used, takes_part, "server {number} of {weights:?}");
        }
        // Nor does a delete miss.
        let calls = items.iter().step_by(2).map(|item| json!([item.whole_json()]));
        let calls: Vec<_> = calls.collect();
        assert!(pair.python.each("delete", calls).iter().all(|deleted| *deleted == true));
        let odd: Vec<_> = keys.iter().skip(1).step_by(2).collect();
        assert_eq!(pair.rust.delete_many(&odd).expect("asked").result, odd.len());
        assert!(servers.holdings(&keys).is_empty());
    }
}
