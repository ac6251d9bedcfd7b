//! What one side writes the other reads as it was.

use memcache_sync::{Error, Expiry, Value, ValueError};
use serde_json::{Value as Json, json};

use crate::generator::{Generator, Item};
use crate::pair::{Pair, Servers};
use crate::profile::{Bools, Profile, Settings};

const SERVERS: usize = 5;
/// Values of more bytes than this are compressed.
const THRESHOLD: usize = 100;
const COMPRESSED: u32 = 8;

pub(crate) fn python_writes_and_rust_reads(profile: &Profile) {
    let mut generator = Generator::new();
    let Some(servers) = Servers::start(profile, SERVERS) else { return };
    let settings = Settings { min_compress_len: THRESHOLD, ..Settings::default() };
    let mut pair = Pair::random(&servers, profile, &mut generator, &settings);
    let items = generator.items(profile, Generator::count(), THRESHOLD);
    pair.python_writes(&items);
    pair.rust_reads(&items);
    pair.check_places(&items);
}

pub(crate) fn rust_writes_and_python_reads(profile: &Profile) {
    let mut generator = Generator::new();
    let Some(servers) = Servers::start(profile, SERVERS) else { return };
    let settings = Settings { min_compress_len: THRESHOLD, ..Settings::default() };
    let mut pair = Pair::random(&servers, profile, &mut generator, &settings);
    let items = generator.items(profile, Generator::count(), THRESHOLD);
    pair.rust_writes(&items);
    pair.python_reads(&items);
    pair.check_places(&items);
}

pub(crate) fn both_store_the_same_flags_and_bytes(profile: &Profile) {
    let mut generator = Generator::new();
    let Some(servers) = Servers::start(profile, SERVERS) else { return };
    let settings = Settings { min_compress_len: THRESHOLD, ..Settings::default() };
    let mut pair = Pair::random(&servers, profile, &mut generator, &settings);
    let items = generator.items(profile, Generator::count() / 4, THRESHOLD);
    let keys: Vec<_> = items.iter().map(Item::whole).collect();
    pair.python_writes(&items);
    let theirs = servers.places(&keys);
    pair.rust_writes(&items);
    let ours = servers.places(&keys);
    for ((item, theirs), ours) in items.iter().zip(theirs).zip(ours) {
        assert_eq!(theirs.0, ours.0, "{item:.300?}");
        assert_eq!(theirs.1.flags, ours.1.flags, "{item:.300?}");
        // Two compressors need not write the same.
        let is_compressed = ours.1.flags & COMPRESSED != 0;
        assert!(is_compressed || theirs.1.bytes == ours.1.bytes, "{item:.300?}");
    }
}

pub(crate) fn pickles_stay_opaque(profile: &Profile) {
    let Some(servers) = Servers::start(profile, 1) else { return };
    let mut pair = servers.pair(profile, &[1], &Settings::default());
    let objects: &[Json] = &[
        json!([1, "a", null, { "b": "00ff" }]),
        json!({ "d": [["a", [1, 2]], ["b", { "d": [] }]] }),
        json!({ "t": [1, { "t": [] }] }),
        json!(null),
        json!("never loaded ".repeat(100).split(' ').collect::<Vec<_>>()),
    ];
    for (number, object) in objects.iter().enumerate() {
        let (theirs, ours) = (format!("theirs:{number}"), format!("ours:{number}"));
        assert_eq!(pair.python.call("set", json!([theirs, object])), true);
        let (_, holding) = servers.place(&theirs);
        assert_eq!(holding.flags, 1, "{object}");
        let read = pair.rust.get::<Value>(&theirs).expect("read");
        let Some(Value::Pickle(bytes)) = &read else { panic!("{object}: {read:?}") };
        assert_eq!(**bytes, holding.bytes, "{object}");
        let refused = pair.rust.get::<String>(&theirs);
        assert!(
            matches!(refused, Err(Error::Value { error: ValueError::Mismatch { .. }, .. })),
            "{object}: {refused:?}"
        );

        pair.rust.set(&ours, read.expect("a pickle"), Expiry::Never).expect("stored");
        assert_eq!(servers.place(&ours).1, holding, "{object}");
        assert_eq!(pair.python.call("get", json!([ours])), *object);
    }
}

pub(crate) fn a_bool_is_the_number_that_it_is_equal_to(profile: &Profile) {
    let Some(servers) = Servers::start(profile, SERVERS) else { return };
    let mut pair = Pair::random(&servers, profile, &mut Generator::new(), &Settings::default());
    for number in 0..20 {
        let (truth, theirs, ours) =
            (number % 2 == 1, format!("theirs:{number}"), format!("ours:{number}"));
        pair.rust.set(&ours, truth, Expiry::Never).expect("stored");
        let stored = servers.place(&ours).1;
        let digit = if truth { "1" } else { "0" };
        assert_eq!(stored.bytes, digit.as_bytes());
        assert_eq!(pair.python.call("get", json!([ours])), pair.seen(u8::from(truth)));
        assert_eq!(pair.rust.get::<bool>(&ours).expect("read"), Some(truth));

        assert_eq!(pair.python.call("set", json!([theirs, truth])), true);
        let holding = servers.place(&theirs).1;
        let read = pair.rust.get::<bool>(&theirs);
        let is_refused =
            matches!(read, Err(Error::Value { error: ValueError::Mismatch { .. }, .. }));
        match profile.bools {
            Bools::Integers => {
                assert_eq!(holding, stored);
                assert_eq!(read.expect("read"), Some(truth));
            }
            Bools::Pickles => {
                assert_eq!(holding.flags, 1);
                assert!(is_refused, "{read:?}");
            }
            Bools::Words => {
                let word = if truth { "True" } else { "False" };
                assert_eq!((holding.flags, &*holding.bytes), (0, word.as_bytes()));
                assert!(is_refused, "{read:?}");
            }
        }
    }
}
