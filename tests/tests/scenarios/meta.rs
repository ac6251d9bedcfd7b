//! The meta commands, and what they are for.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use memcache_sync::proto::calls;
use memcache_sync::proto::client::{Failure, FailureKind};
use memcache_sync::proto::codec::SetMode;
use memcache_sync::{Changed, Error, Expiry, Fetched, Flags, KeyError, MetaItem, Recache, Stored};
use memcache_tests::api::Client;

use crate::{Context, NEVER, get, text};

const MINUTE: Duration = Duration::from_secs(60);

fn look(client: &Client, key: &str) -> Option<MetaItem<String>> {
    client.meta_get(key).expect("asked")
}

pub(crate) fn lookups(context: &Context) {
    let client = &context.client;
    assert_eq!(look(client, "meta"), None);
    assert_eq!(client.item_info("meta").expect("asked"), None);
    assert_eq!(client.meta_debug("meta").expect("asked"), None);
    assert_eq!(client.meta_set("meta", "one", MINUTE).expect("asked"), Stored::Stored);
    // What the one protocol stores the other reads.
    assert_eq!(text(client, "meta").as_deref(), Some("one"));
    let item = look(client, "meta").expect("there");
    assert_eq!(item.value.as_deref(), Some("one"));
    assert!(item.cas.is_some_and(|unique| unique > 0));
    assert!(item.expires_in.is_some_and(|left| left <= MINUTE && left >= MINUTE / 2), "{item:?}");
    assert!(!item.won && !item.stale && !item.won_by_another);
    let (_, unique) = client.gets::<String>("meta").expect("asked").expect("there");
    assert_eq!(item.cas, Some(unique));

    let info = client.item_info("meta").expect("asked").expect("there");
    assert_eq!((info.size, info.client_flags), (Some(3), Some(Flags::TEXT)));
    assert_eq!((info.cas, info.hit), (Some(unique), Some(true)));
    assert!(info.last_access.is_some_and(|ago| ago < MINUTE), "{info:?}");

    // To look without a trace leaves none.
    client.set("meta2", 7, NEVER).expect("stored");
    let unread = client.item_info("meta2").expect("asked").expect("there");
    assert_eq!((unread.hit, unread.expires_in), (Some(false), None));
    let call = calls::meta_get::<u8, _>("meta2").unaccessed();
    assert_eq!(client.run(call).expect("asked").expect("there").value, Some(7));
    assert_eq!(client.item_info("meta2").expect("asked").expect("there").hit, Some(false));
    get::<u8>(client, "meta2");
    assert_eq!(client.item_info("meta2").expect("asked").expect("there").hit, Some(true));

    // Touch and get.
    let call = calls::meta_get::<u8, _>("meta2").touch(MINUTE);
    let item = client.run(call).expect("asked").expect("there");
    let info = client.item_info("meta2").expect("asked").expect("there");
    for expires_in in [item.expires_in, info.expires_in] {
        assert!(expires_in.is_some_and(|left| left > MINUTE / 2), "{expires_in:?}");
    }

    // A place is told of as it is, and expires when it is to, whatever else is asked.
    for touch in [None, Some(100 * MINUTE)] {
        let mut call = calls::meta_get::<u8, _>("place2").vivify(MINUTE);
        if let Some(expiry) = touch {
            call = call.touch(expiry);
        }
        let place = client.run(call).expect("asked").expect("made");
        let left = place.expires_in.expect("it expires");
        assert!(place.won && left > MINUTE / 2 && left <= MINUTE, "{place:?}");
        client.delete("place2").expect("asked");
    }
    let said = client.meta_debug("meta2").expect("asked").expect("there");
    assert!(said.contains("cls=") && said.contains("fetch=yes"), "{said}");
}

pub(crate) fn stores(context: &Context) {
    let client = &context.client;
    let set = |mode, value: &'static str| {
        client.run(calls::meta_set("mstore", value, NEVER).mode(mode)).expect("asked")
    };
    assert_eq!(set(SetMode::Replace, "x"), Stored::NotStored);
    assert_eq!(set(SetMode::Append, "x"), Stored::NotStored);
    assert_eq!(set(SetMode::Prepend, "x"), Stored::NotStored);
    assert_eq!(set(SetMode::Add, "b"), Stored::Stored);
    assert_eq!(set(SetMode::Add, "x"), Stored::NotStored);
    assert_eq!(set(SetMode::Append, "c"), Stored::Stored);
    assert_eq!(set(SetMode::Prepend, "a"), Stored::Stored);
    assert_eq!(text(client, "mstore").as_deref(), Some("abc"));
    assert_eq!(set(SetMode::Replace, "d"), Stored::Stored);
    let unique = look(client, "mstore").expect("there").cas.expect("its cas unique");
    let cas = |unique| client.run(calls::meta_set("mstore", "e", NEVER).compare_cas(unique));
    assert_eq!(cas(unique + 1).expect("asked"), Stored::Exists);
    assert_eq!(cas(unique).expect("asked"), Stored::Stored);
    assert_eq!(cas(unique).expect("asked"), Stored::Exists);
    let cas = client.run(calls::meta_set("mstore2", "e", NEVER).compare_cas(unique));
    assert_eq!(cas.expect("asked"), Stored::NotFound);

    let delete = |unique| client.run(calls::meta_delete("mstore").compare_cas(unique));
    assert_eq!(delete(unique).expect("asked"), Changed::Exists);
    assert_eq!(client.meta_delete("mstore").expect("asked"), Changed::Done);
    assert_eq!(client.meta_delete("mstore").expect("asked"), Changed::NotFound);

    let long = "x".repeat((1 << 20) + 1);
    let refused = client.meta_set("mstore", &long, NEVER);
    assert!(matches!(refused, Err(Error::Rejected(_))));
    // One that is taken into the shared buffer, and one that has its own.
    for len in [10_000, 500_000] {
        let value = "y".repeat(len);
        assert_eq!(client.meta_set("mstore", &value, NEVER).expect("asked"), Stored::Stored);
        assert_eq!(look(client, "mstore").expect("there").value, Some(value));
    }
    client.delete("mstore").expect("asked");
}

pub(crate) fn counters(context: &Context) {
    let client = &context.client;
    assert_eq!(client.run(calls::meta_incr("mcount", 2)).expect("asked"), None);
    assert_eq!(client.incr_or_create("mcount", 2, 10, MINUTE).expect("asked"), 10);
    assert_eq!(client.incr_or_create("mcount", 2, 10, MINUTE).expect("asked"), 12);
    assert_eq!(client.decr_or_create("mcount", 5, 10, MINUTE).expect("asked"), 7);
    assert_eq!(client.run(calls::meta_decr("mcount", 100)).expect("asked"), Some(0));
    assert_eq!(client.run(calls::meta_incr("mcount", u64::MAX)).expect("asked"), Some(u64::MAX));
    assert_eq!(client.run(calls::meta_incr("mcount", 2)).expect("asked"), Some(1));
    let info = client.item_info("mcount").expect("asked").expect("there");
    assert!(info.expires_in.is_some_and(|left| left > MINUTE / 2), "{info:?}");
    client.set("mcount", "x", NEVER).expect("stored");
    let failed = client.incr_or_create("mcount", 1, 0, NEVER).expect_err("no number");
    assert!(matches!(
        failed,
        Error::Server { failure: Failure { kind: FailureKind::Server(_), .. }, .. }
    ));
    // Appending makes what is not there only with newer servers; what is there is appended to.
    client.set("mappend", "a", NEVER).expect("stored");
    client.append_or_create("mappend", "b", NEVER).expect("stored");
    assert_eq!(text(client, "mappend").as_deref(), Some("ab"));
    client.delete("mappend").expect("asked");
    match client.append_or_create("mappend", "c", NEVER) {
        Ok(()) => assert_eq!(text(client, "mappend").as_deref(), Some("c")),
        Err(error) => {
            assert!(matches!(error, Error::Unsupported), "{error:?}");
            assert_eq!(text(client, "mappend"), None);
        }
    }
}

pub(crate) fn keys(context: &Context) {
    let client = context.connect(context.builder().key_prefix("m:"));
    let longest = [0xff; 184];
    for key in [&b"with a space"[..], b"\r\nflush_all\r\n", b"\0", &[0x80, 0xff], &longest] {
        assert_eq!(client.meta_set(key, 7, NEVER).expect("asked"), Stored::Stored);
        let item = client.meta_get::<u8>(key).expect("asked").expect("there");
        assert_eq!(item.value, Some(7), "{}", key.escape_ascii());
        assert_eq!(client.incr_or_create(key, 1, 0, NEVER).expect("asked"), 8);
        assert!(client.item_info(key).expect("asked").is_some());
        assert!(client.meta_debug(key).expect("asked").is_some());
        assert_eq!(client.meta_delete(key).expect("asked"), Changed::Done);
        assert_eq!(client.meta_get::<u8>(key).expect("asked"), None);
    }
    let too_long = client.meta_get::<u8>([b'\n'; 185]);
    assert!(
        matches!(too_long, Err(Error::Key(KeyError::TooLong { len: 187, max: 186 }))),
        "{too_long:?}"
    );
    assert!(matches!(client.meta_get::<u8>(""), Err(Error::Key(KeyError::Empty))));
    // A key that is text is the same for both protocols, its prefix included.
    assert!(client.meta_set("both", 1, NEVER).expect("asked").is_stored());
    assert_eq!(get(&client, "both"), Some(1));
    assert_eq!(context.first.stored_len("m:both"), Some(1));
}

pub(crate) fn stale(context: &Context) {
    let client = &context.client;
    assert_eq!(client.invalidate("stale", None).expect("asked"), Changed::NotFound);
    client.set("stale", "old", NEVER).expect("stored");
    let unique = look(client, "stale").expect("there").cas.expect("its cas unique");
    assert_eq!(client.invalidate("stale", Some(MINUTE.into())).expect("asked"), Changed::Done);
    // The first wins, the others are told so.
    let first = look(client, "stale").expect("there");
    assert!(first.won && first.stale && !first.won_by_another, "{first:?}");
    let second = look(client, "stale").expect("there");
    assert!(!second.won && second.stale && second.won_by_another, "{second:?}");
    assert_eq!((first.value.as_deref(), second.value.as_deref()), (Some("old"), Some("old")));
    assert_ne!(first.cas, Some(unique), "it has changed");
    assert!(second.expires_in.is_some_and(|left| left <= MINUTE));
    // Who wins stores a new value, and that is the end of it.
    let call = calls::meta_set("stale", "new", NEVER).compare_cas(first.cas.expect("one"));
    assert_eq!(client.run(call).expect("asked"), Stored::Stored);
    let third = look(client, "stale").expect("there");
    assert!(!third.won && !third.stale && !third.won_by_another, "{third:?}");
    // With a cas unique only that very item, and a value that comes too late is stale from the start.
    let call = calls::invalidate("stale", None).compare_cas(unique);
    assert_eq!(client.run(call).expect("asked"), Changed::Exists);
    let call = calls::meta_set("stale", "late", NEVER).compare_cas_or_invalidate(unique);
    assert_eq!(client.run(call).expect("asked"), Stored::Stored);
    let fourth = look(client, "stale").expect("there");
    assert!(fourth.won && fourth.stale, "{fourth:?}");
    assert_eq!(fourth.value.as_deref(), Some("late"));
    // Whatever is asked of it, the first to ask wins.
    assert_eq!(client.invalidate("stale", None).expect("asked"), Changed::Done);
    let info = client.item_info("stale").expect("asked").expect("there");
    assert!(info.won && info.stale, "{info:?}");
    assert!(look(client, "stale").expect("there").won_by_another);
    client.delete("stale").expect("asked");
}

pub(crate) fn recached(context: &Context) {
    let early = Duration::from_secs(30);
    let lease = Duration::from_secs(10);
    let recache = Recache { early, lease, ..Recache::default() };
    let client = context.connect(context.builder().recache(recache));
    let expiry = Duration::from_secs(100);
    let fails = || Err::<u8, _>(Error::Busy);
    // Who fails gives the turn back at once.
    for _ in 0..3 {
        assert!(matches!(client.get_or_set_with("cold", expiry, fails), Err(Error::Busy)));
    }
    let made = client.get_or_set_with("cold", expiry, || Ok(1)).expect("computed");
    assert!(matches!(made, Fetched::Computed { value: 1, stored: Ok(()) }), "{made:?}");
    let never = || -> Result<u8, _> { panic!("it is there") };
    let found = client.get_or_set_with("cold", expiry, never).expect("found");
    assert!(matches!(found, Fetched::Hit(1)), "{found:?}");

    // Soon to expire: one makes it anew, the others have the old one meanwhile.
    client.touch("cold", early / 2).expect("asked");
    let inner = context.connect(context.builder().recache(recache));
    let made = client.get_or_set_with("cold", expiry, || {
        let beside = || inner.get_or_set_with("cold", expiry, never).expect("found");
        let other = std::thread::scope(|scope| scope.spawn(beside).join().expect("it ends"));
        assert!(matches!(other, Fetched::Stale(1)), "{other:?}");
        Ok(2)
    });
    assert!(matches!(made, Ok(Fetched::Computed { value: 2, stored: Ok(()) })), "{made:?}");
    assert!(matches!(client.get_or_set_with("cold", expiry, never), Ok(Fetched::Hit(2))));

    // Invalidated: the same. And who fails leaves it to the next.
    assert_eq!(client.invalidate("cold", None).expect("asked"), Changed::Done);
    assert!(matches!(client.get_or_set_with("cold", expiry, fails), Err(Error::Busy)));
    let made = client.get_or_set_with("cold", expiry, || Ok(3)).expect("computed");
    assert!(matches!(made, Fetched::Computed { value: 3, stored: Ok(()) }), "{made:?}");

    // One that cannot be read is an error, until it is somebody's to replace.
    client.set("cold", "text", NEVER).expect("stored");
    let unread = client.get_or_set_with("cold", expiry, never);
    assert!(matches!(unread, Err(Error::Value { .. })), "{unread:?}");
    assert_eq!(client.invalidate("cold", None).expect("asked"), Changed::Done);
    assert!(matches!(client.get_or_set_with("cold", expiry, fails), Err(Error::Busy)));
    let made = client.get_or_set_with("cold", expiry, || Ok(3)).expect("computed");
    assert!(matches!(made, Fetched::Computed { value: 3, stored: Ok(()) }), "{made:?}");

    // What has been changed meanwhile stays, and the value is had all the same.
    assert_eq!(client.invalidate("cold", None).expect("asked"), Changed::Done);
    let made = client.get_or_set_with("cold", expiry, || {
        let change = || inner.set("cold", 9, NEVER).expect("stored");
        std::thread::scope(|scope| scope.spawn(change).join().expect("it ends"));
        Ok(4)
    });
    let Ok(Fetched::Computed { value: 4, stored: Err(Error::NotStored(Stored::Exists)) }) = made
    else {
        panic!("{made:?}")
    };
    assert_eq!(get(&client, "cold"), Some(9));

    // Where a value that is still good cannot be made anew it stays, and nobody tries again.
    client.touch("cold", early / 2).expect("asked");
    let kept = client.get_or_set_with("cold", expiry, fails);
    assert!(matches!(kept, Ok(Fetched::Stale(9))), "{kept:?}");
    let kept = client.get_or_set_with("cold", expiry, never);
    assert!(matches!(kept, Ok(Fetched::Stale(9))), "{kept:?}");

    // A place is no value, also where somebody has invalidated it.
    let place = calls::meta_get::<String, _>("place").vivify(expiry);
    assert!(client.run(place).expect("asked").expect("a place").won);
    assert_eq!(client.invalidate("place", None).expect("asked"), Changed::Done);
    let made = client.get_or_set_with("place", expiry, || Ok::<_, Error>("made".to_owned()));
    let Ok(Fetched::Computed { stored: Ok(()), .. }) = made else { panic!("{made:?}") };

    // Without the meta commands: who comes second has what the first stored.
    let made = client.get_or_add("cold2", NEVER, || Ok(1)).expect("computed");
    assert!(matches!(made, Fetched::Computed { value: 1, stored: Ok(()) }), "{made:?}");
    client.delete("cold2").expect("asked");
    let found = client.get_or_add("cold2", NEVER, || {
        let beside = || inner.set("cold2", 7, NEVER).expect("stored");
        std::thread::scope(|scope| scope.spawn(beside).join().expect("it ends"));
        Ok(2)
    });
    assert!(matches!(found, Ok(Fetched::Hit(7))), "{found:?}");
    assert!(matches!(client.get_or_add("cold2", NEVER, never), Ok(Fetched::Hit(7))));
}

/// A winner that dies: when its lease has run out another wins.
pub(crate) fn abandoned(context: &Context) {
    let lease = Duration::from_secs(2);
    let recache = Recache { lease, ..Recache::default() };
    let client = context.connect(context.builder().recache(recache));
    let won = client.run(calls::meta_get::<u8, _>("dead").vivify(Expiry::After(lease)));
    let won = won.expect("asked").expect("a place");
    assert!(won.won && won.value.is_none(), "{won:?}");
    // Nobody stores a value. Who comes now waits for it, and makes it in the end.
    let made = client.get_or_set_with("dead", NEVER, || Ok(5)).expect("computed");
    assert!(matches!(made, Fetched::Computed { value: 5, stored: Ok(()) }), "{made:?}");

    // With an old value that never expires it is the same, but that the others have it meanwhile.
    client.set("dead", 1, NEVER).expect("stored");
    assert_eq!(client.invalidate("dead", None).expect("asked"), Changed::Done);
    // Not by `panic!`: a backtrace may take longer than the lease.
    let die = || -> Result<u8, Error> { std::panic::resume_unwind(Box::new("dead")) };
    let dies = || client.get_or_set_with("dead", NEVER, die);
    assert!(std::panic::catch_unwind(AssertUnwindSafe(dies)).is_err());
    assert!(until_computed(&client, "dead", lease) > 0);

    // Also where who won only looked.
    client.set("dead", 1, NEVER).expect("stored");
    assert_eq!(client.invalidate("dead", None).expect("asked"), Changed::Done);
    assert!(client.item_info("dead").expect("asked").expect("there").won);
    until_computed(&client, "dead", lease);

    // And where who won did so as the value was soon to expire, but then it was touched.
    let early = Duration::from_secs(30);
    let careful = context.connect(context.builder().recache(Recache { early, ..recache }));
    client.set("dead", 1, early / 2).expect("stored");
    let won = client.run(calls::meta_get::<u8, _>("dead").recache(early));
    assert!(won.expect("asked").expect("there").won);
    assert!(client.touch("dead", NEVER).expect("asked"));
    until_computed(&careful, "dead", lease);

    // Who does not want to wait for so long computes for himself.
    let hasty = Recache { wait: Duration::from_millis(50), ..recache };
    let client = context.connect(context.builder().recache(hasty));
    let place = calls::meta_get::<u8, _>("dead2").vivify(Duration::from_secs(100));
    client.run(place).expect("asked").expect("a place");
    let made = client.get_or_set_with("dead2", NEVER, || Ok(6)).expect("computed");
    assert!(matches!(made, Fetched::Computed { value: 6, stored: Ok(()) }), "{made:?}");
    assert_eq!(get(&client, "dead2"), Some(6));
}

/// Others have the old value 1 for as long as somebody may be replacing it, and one then computes a new
/// one. Returns how often the old one was had.
fn until_computed(client: &Client, key: &str, lease: Duration) -> u32 {
    let step = Duration::from_millis(20);
    let mut stale = 0;
    while step * stale < lease + Duration::from_secs(3) {
        match client.get_or_set_with(key, NEVER, || Ok(6)) {
            Ok(Fetched::Stale(1)) => stale += 1,
            Ok(Fetched::Computed { value: 6, stored: Ok(()) }) => return stale,
            made => panic!("{made:?}"),
        }
        client.pause(step);
    }
    panic!("the old value is there for ever");
}
