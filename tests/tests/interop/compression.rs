//! The threshold from which on values are compressed.

use memcache_sync::{Expiry, Value};
use serde_json::json;

use crate::generator::Generator;
use crate::pair::{self, Servers};
use crate::profile::{Profile, Settings};

const COMPRESSED: u32 = 8;

pub(crate) fn both_compress_from_the_threshold_on_and_read_what_the_other_compressed(
    profile: &Profile,
) {
    let mut generator = Generator::new();
    let Some(servers) = Servers::start(profile, 1) else { return };
    for threshold in [20, 400, 10_000] {
        let settings = Settings { min_compress_len: threshold, ..Settings::default() };
        let mut pair = servers.pair(profile, &[1], &settings);
        for len in threshold - 1..=threshold + 1 {
            let digits = "7".repeat(len);
            let cases = [
                ("text", Value::from("a".repeat(len))),
                ("bytes", Value::from(vec![b'a'; len])),
                // What would not become shorter is stored as it is.
                ("random", Value::from(generator.bytes(len))),
                ("integer", Value::Integer(digits.parse().expect("digits"))),
            ];
            for (name, value) in cases {
                if !profile.can_have(&value) {
                    continue;
                }
                let compressed = name != "random" && profile.compresses(&value, len, threshold);
                if name == "integer" && len > threshold && !profile.long_integers {
                    continue;
                }
                let (theirs, ours) = (format!("theirs:{name}:{len}"), format!("ours:{name}:{len}"));
                assert_eq!(pair.python.call("set", json!([theirs, pair::json(&value)])), true);
                pair.rust.set(&ours, &value, Expiry::Never).expect("stored");

                let (_, their_holding) = servers.place(&theirs);
                let (_, our_holding) = servers.place(&ours);
                assert_eq!(their_holding.flags, our_holding.flags, "{name} {len} {threshold}");
                let flagged = our_holding.flags & COMPRESSED != 0;
                assert_eq!(flagged, compressed, "{name} {len} {threshold}");
                if compressed {
                    assert!(our_holding.bytes.len() < len, "{name} {len} {threshold}");
                } else {
                    assert_eq!(their_holding.bytes, our_holding.bytes);
                }
                let read = pair.rust.get::<Value>(&theirs).expect("read");
                assert!(read == Some(profile.read(&value)), "{name} {len} {threshold}");
                let read = pair.python.call("get", json!([ours]));
                assert!(read == pair.seen(value), "{name} {len} {threshold}");
            }
        }
    }
}
