//! What time does to items, and flush_all.

use std::time::{Duration, Instant};

use memcache_sync::{Error, Expiry};

use crate::{Context, NEVER, get};

pub(crate) fn expiries(context: &Context) {
    let client = &context.client;
    let now = client.unix_now();
    let days = |days: u64| Expiry::After(Duration::from_secs(days * 86_400));
    let second = Duration::from_secs(1);
    let cases = [
        ("never", NEVER, true),
        ("an hour", Expiry::After(3_600 * second), true),
        ("part of a second", Expiry::After(Duration::from_millis(900)), false),
        ("a second", Expiry::After(second), false),
        ("30 days", days(30), true),
        ("31 days", days(31), true),
        ("10 years", days(3_650), true),
        ("in a minute, absolute", Expiry::At(now + 60), true),
        ("in a second, absolute", Expiry::At(now + 1), false),
        ("an hour ago, absolute", Expiry::At(now - 3_600), false),
        ("long ago, absolute", Expiry::At(5), false),
        ("at the beginning", Expiry::At(0), false),
        ("no time at all", Expiry::After(Duration::ZERO), false),
    ];
    for (name, expiry, _) in cases {
        let key = name.replace([' ', ','], "-");
        client.set(format!("set:{key}"), 1, expiry).expect(name);
        client.add(format!("add:{key}"), 1, expiry).expect(name);
        client.set(format!("touch:{key}"), 1, NEVER).expect(name);
        assert!(client.touch(format!("touch:{key}"), expiry).expect(name));
        client.set(format!("gat:{key}"), 1, NEVER).expect(name);
        assert_eq!(client.gat::<u8>(format!("gat:{key}"), expiry).expect(name), Some(1));
    }
    // A second may last two: servers count in whole ones.
    client.pause(Duration::from_millis(2_200));
    for (name, _, there) in cases {
        for how in ["set", "add", "touch", "gat"] {
            let key = format!("{how}:{}", name.replace([' ', ','], "-"));
            assert_eq!(get::<u8>(client, &key).is_some(), there, "{key}");
        }
    }
    assert!(matches!(client.set("k", 1, Expiry::At(1 << 31)), Err(Error::Expiry(_))));
}

pub(crate) fn flush(context: &Context) {
    let client = context.connect(context.cluster());
    let keys: Vec<String> = (0..50).map(|number| format!("flush:{number}")).collect();
    assert_eq!(client.set_many(keys.iter().map(|key| (key, 1)), NEVER).expect("asked").result, 50);
    assert_eq!(client.flush_all().expect("asked").into_result().expect("flushed").len(), 2);
    assert!(client.get_many::<u8, _>(&keys).expect("asked").result.is_empty());
    assert_eq!(client.set_many(keys.iter().map(|key| (key, 2)), NEVER).expect("asked").result, 50);
    assert_eq!(client.get_many::<u8, _>(&keys).expect("asked").result.len(), 50);
}

pub(crate) fn flush_delayed(context: &Context) {
    let client = &context.client;
    client.set("flush", 1, NEVER).expect("stored");
    let began = Instant::now();
    let answers = client.flush_all_after(Duration::from_secs(2)).expect("asked");
    answers.into_result().expect("answered");
    // Servers count whole seconds, so the second second is the last that it may be there for, and a busy machine may
    // have taken the first.
    let found = get::<u8>(client, "flush");
    if began.elapsed() < Duration::from_millis(900) {
        assert_eq!(found, Some(1), "not yet");
    }
    client.pause(Duration::from_millis(3_300));
    assert_eq!(get::<u8>(client, "flush"), None, "by now");
    client.set("flush", 2, NEVER).expect("stored");
    assert_eq!(get::<u8>(client, "flush"), Some(2));
}
