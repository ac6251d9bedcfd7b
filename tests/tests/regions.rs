//! Regions, of each client with sockets, in the server in memory and in a real memcached.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Barrier, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use memcache_async::Tokio;
use memcache_sync::{Error, Expiry, Fetched, KeyError, Many};
use memcache_tests::{Scripted, Target};
use tokio::runtime::Runtime;

const NEVER: Expiry = Expiry::Never;
const LONG: Duration = Duration::from_secs(600);

/// A client whose regions are to be tested.
trait Client: Clone + Send + Sync {
    type Region: Region;

    fn of(url: &str) -> Self;

    fn region(&self, name: &str) -> Result<Self::Region, Error>;

    /// The region `users` of `client.within(time)`.
    fn users_within(&self, time: Duration) -> Self::Region;

    fn users(&self) -> Self::Region {
        self.region("users").expect("a name")
    }
}

/// The calls of a region, waited for.
trait Region: Clone + Send + Sync {
    fn within(&self, time: Duration) -> Self;
    fn remember(&self, time: Duration) -> Self;
    fn get(&self, key: &str) -> Result<Option<String>, Error>;
    fn set(&self, key: &str, value: &str) -> Result<(), Error>;
    fn incr(&self, key: &str) -> Result<Option<u64>, Error>;
    fn get_or_set(&self, key: &str, compute: Compute<'_>) -> Fetched<String>;
    fn get_or_set_with(&self, key: &str, compute: Compute<'_>) -> Fetched<String>;
    fn update(&self, key: &str, change: &mut (dyn FnMut() + Send)) -> Option<u64>;
    fn set_many(&self, keys: &[String]) -> Many<usize, String>;
    fn get_many(&self, keys: &[String]) -> Many<HashMap<String, String>, String>;
    fn delete_many(&self, keys: &[String]) -> Many<usize, String>;
    /// What is found by a meta command after it was stored by one.
    fn meta(&self, key: &[u8]) -> Option<String>;
    fn invalidate_all(&self) -> Result<(), Error>;
}

/// What computes a value.
type Compute<'a> = &'a (dyn Fn() -> String + Sync);

macro_rules! region_calls {
    ([$($generics:tt)*] $type:ty, $this:ident => $region:expr, $wait:path, [$($async:tt)?]) => {
        impl $($generics)* Region for $type {
            fn within(&self, time: Duration) -> Self {
                let $this = self;
                Self::from($region.within(time))
            }

            fn remember(&self, time: Duration) -> Self {
                let $this = self;
                Self::from($region.clone().remember(time))
            }

            fn get(&self, key: &str) -> Result<Option<String>, Error> {
                let $this = self;
                $wait($region.get(key))
            }

            fn set(&self, key: &str, value: &str) -> Result<(), Error> {
                let $this = self;
                $wait($region.set(key, value, NEVER))
            }

            fn incr(&self, key: &str) -> Result<Option<u64>, Error> {
                let $this = self;
                $wait($region.incr(key, 1))
            }

            fn get_or_set(&self, key: &str, compute: Compute<'_>) -> Fetched<String> {
                let $this = self;
                let compute = $($async)? || Ok::<_, Error>(compute());
                $wait($region.get_or_set(key, NEVER, compute)).expect("a value")
            }

            fn get_or_set_with(&self, key: &str, compute: Compute<'_>) -> Fetched<String> {
                let $this = self;
                let compute = $($async)? || Ok::<_, Error>(compute());
                $wait($region.get_or_set_with(key, NEVER, compute)).expect("a value")
            }

            fn update(&self, key: &str, change: &mut (dyn FnMut() + Send)) -> Option<u64> {
                let $this = self;
                let change = |found: Option<u64>| {
                    change();
                    Some(found.unwrap_or_default() + 1)
                };
                $wait($region.update(key, NEVER, change)).expect("an answer")
            }

            fn set_many(&self, keys: &[String]) -> Many<usize, String> {
                let $this = self;
                let items: Vec<_> = keys.iter().map(|key| (key.clone(), key.clone())).collect();
                $wait($region.set_many(items, NEVER)).expect("answers")
            }

            fn get_many(&self, keys: &[String]) -> Many<HashMap<String, String>, String> {
                let $this = self;
                $wait($region.get_many(keys.to_vec())).expect("answers")
            }

            fn delete_many(&self, keys: &[String]) -> Many<usize, String> {
                let $this = self;
                $wait($region.delete_many(keys.to_vec())).expect("answers")
            }

            fn meta(&self, key: &[u8]) -> Option<String> {
                let $this = self;
                let stored = $wait($region.meta_set(key, "meta", NEVER));
                assert!(stored.expect("an answer").is_stored());
                $wait($region.meta_get::<String>(key)).expect("an answer")?.value
            }

            fn invalidate_all(&self) -> Result<(), Error> {
                let $this = self;
                $wait($region.invalidate_all())
            }
        }
    };
}

/// Clients on threads.
impl Client for memcache_sync::Client {
    type Region = memcache_sync::Region;

    fn of(url: &str) -> Self {
        memcache_sync::Client::from_url(url).expect("a URL")
    }

    fn region(&self, name: &str) -> Result<Self::Region, Error> {
        self.region(name)
    }

    fn users_within(&self, time: Duration) -> Self::Region {
        self.within(time).region("users").expect("a name")
    }
}

region_calls!([] memcache_sync::Region, this => this, std::convert::identity, []);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads for tokio"));

/// Clients on tasks: of tokio or of smol.
#[derive(Clone)]
struct OnTasks<const TOKIO: bool>(memcache_async::Client);

/// Their regions.
#[derive(Clone)]
struct RegionOnTasks<const TOKIO: bool>(memcache_async::Region);

impl<const TOKIO: bool> From<memcache_async::Region> for RegionOnTasks<TOKIO> {
    fn from(region: memcache_async::Region) -> Self {
        RegionOnTasks(region)
    }
}

impl<const TOKIO: bool> Client for OnTasks<TOKIO> {
    type Region = RegionOnTasks<TOKIO>;

    fn of(url: &str) -> Self {
        let client = match TOKIO {
            true => memcache_async::Builder::new(Tokio::on(RUNTIME.handle())).url(url).build(),
            false => memcache_async::Client::from_url(url),
        };
        OnTasks(client.expect("a URL"))
    }

    fn region(&self, name: &str) -> Result<Self::Region, Error> {
        self.0.region(name).map(RegionOnTasks)
    }

    fn users_within(&self, time: Duration) -> Self::Region {
        RegionOnTasks(self.0.within(time).region("users").expect("a name"))
    }
}

region_calls!([<const TOKIO: bool>] RegionOnTasks<TOKIO>, this => this.0, wait::<TOKIO, _>, [async]);

/// Waits for a call, which has to be `Send` as that of any task.
fn wait<const TOKIO: bool, T>(call: impl Future<Output = T> + Send) -> T {
    if TOKIO { RUNTIME.block_on(call) } else { smol::block_on(call) }
}

/// The generation of the region `users`, as it is stored.
fn generation(target: &Target) -> Option<String> {
    plain(target).get("users:generation").expect("an answer")
}

fn plain(target: &Target) -> memcache_sync::Client {
    memcache_sync::Client::new([target.address()]).expect("an address")
}

fn client<C: Client>(target: &Target) -> C {
    C::of(&format!("memcached://{}", target.address()))
}

fn text(value: &str) -> Option<String> {
    Some(value.into())
}

fn what_one_client_invalidates_no_other_finds<C: Client>(target: &Target) {
    let (ours, theirs) = (client::<C>(target).users(), client::<C>(target).users());
    let posts = client::<C>(target).region("posts").expect("a name");
    plain(target).set("42", "beside", NEVER).expect("stored");
    for round in ["first", "second"] {
        ours.set("42", round).expect("stored");
        posts.set("42", "a post").expect("stored");
        assert_eq!(theirs.get("42").expect("an answer"), text(round));
        assert_eq!(theirs.incr("visits").expect("an answer"), None);
        ours.set("visits", "1").expect("stored");
        assert_eq!(theirs.incr("visits").expect("an answer"), Some(2));
        assert_eq!(ours.meta(b"a binary key").as_deref(), Some("meta"));
        theirs.invalidate_all().expect("an answer");
        for region in [&ours, &theirs] {
            assert_eq!(region.get("42").expect("an answer"), None, "{round}");
            assert_eq!(region.incr("visits").expect("an answer"), None, "{round}");
        }
    }
    assert_eq!(posts.get("42").expect("an answer"), text("a post"));
    assert_eq!(plain(target).get("42").expect("an answer"), text("beside"));
}

fn one_generation_is_made_however_many_miss_it<C: Client>(target: &Target) {
    const HANDLES: usize = 8;
    for _ in 0..20 {
        plain(target).delete("users:generation").expect("an answer");
        let barrier = Barrier::new(HANDLES);
        let set = |number: usize| {
            let users = client::<C>(target).users();
            barrier.wait();
            users.set(&format!("{number}"), "stored").expect("stored");
        };
        thread::scope(|scope| {
            (0..HANDLES).for_each(|number| drop(scope.spawn(move || set(number))))
        });
        let users = client::<C>(target).users();
        for number in 0..HANDLES {
            let found = users.get(&format!("{number}")).expect("an answer");
            assert_eq!(found, text("stored"), "{number}");
        }
    }
}

fn what_was_stored_does_not_come_back_with_a_new_generation<C: Client>(target: &Target) {
    let users = client::<C>(target).users();
    let mut made = Vec::new();
    for _ in 0..5 {
        users.set("42", "old").expect("stored");
        made.extend(generation(target));
        // Evicted, and also invalidated while it is not there.
        plain(target).delete("users:generation").expect("an answer");
        if made.len() % 2 == 0 {
            users.invalidate_all().expect("an answer");
            assert_eq!(generation(target), None);
        }
        for users in [&users, &client::<C>(target).users()] {
            assert_eq!(users.get("42").expect("an answer"), None);
        }
    }
    let numbers = made.iter().map(|made| made.parse::<u64>().expect("a number"));
    let numbers: Vec<_> = numbers.collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}

fn a_generation_that_returns_is_replaced<C: Client>(target: &Target) {
    let users = client::<C>(target).users();
    users.set("42", "old").expect("stored");
    let old = generation(target).expect("a generation");
    plain(target).delete("users:generation").expect("an answer");
    users.set("42", "new").expect("stored");
    // As if its server had been away meanwhile.
    plain(target)
        .set("users:generation", old.parse::<u64>().expect("a number"), NEVER)
        .expect("stored");
    assert_eq!(users.get("42").expect("an answer"), None);
    assert_eq!(client::<C>(target).users().get("42").expect("an answer"), None);
    // A store of something else is not replaced.
    plain(target).set("users:generation", "mine", NEVER).expect("stored");
    let error = users.get("42").expect_err("that is no generation");
    assert!(matches!(error, Error::Value { .. }), "{error}");
    plain(target).delete("users:generation").expect("an answer");
}

fn a_remembered_generation_is_old_for_its_time_at_most<C: Client>(target: &Target) {
    let (client, other) = (client::<C>(target), client::<C>(target));
    let (long, other) = (client.users().remember(LONG), other.users());
    let short = client.users().remember(Duration::from_millis(300));
    for users in [&long, &short] {
        users.set("42", "old").expect("stored");
    }
    let began = Instant::now();
    other.invalidate_all().expect("an answer");
    assert_eq!(long.get("42").expect("an answer"), text("old"));
    // Until its time is over, and not after.
    while short.get("42").expect("an answer").is_some() {
        assert!(began.elapsed() < Duration::from_secs(10));
        thread::sleep(Duration::from_millis(20));
    }
    // What it invalidates itself it does not find, and neither do its clones.
    let clone = long.clone();
    long.set("42", "old").expect("stored");
    clone.invalidate_all().expect("an answer");
    assert_eq!(long.get("42").expect("an answer"), None);
}

fn names_and_keys_have_250_bytes_together<C: Client>(target: &Target) {
    let client = C::of(&format!("memcached://{}/?prefix=shop:", target.address()));
    let name = "n".repeat(222);
    let users = client.region(&name).expect("a name");
    users.set("42", "Ada").expect("stored");
    assert_eq!(users.get("42").expect("an answer"), text("Ada"));
    users.invalidate_all().expect("an answer");
    assert_eq!(users.get("42").expect("an answer"), None);
    // Prefix, name, colon, 19 digits and colon are there already.
    let error = users.set("333", "too long").expect_err("too long");
    assert!(matches!(error, Error::Key(KeyError::TooLong { len: 251, max: 250 })), "{error}");
    for name in ["n".repeat(223), String::new(), "two words".into(), "a\r\nflush_all".into()] {
        assert!(matches!(client.region(&name).err(), Some(Error::Key(_))), "{name:?}");
    }
}

fn calls_on_many_keys_have_the_generation_too<C: Client>(target: &Target) {
    let second = target.another();
    let client = C::of(&format!("memcached://{},{}", target.address(), second.address()));
    let users = client.users();
    let keys: Vec<_> = (0..5000).map(|number| format!("key{number}")).collect();
    let (some, others) = keys.split_at(1000);
    assert_eq!(users.set_many(&keys).result, keys.len());
    assert_eq!(users.delete_many(some).result, some.len());
    let found = users.get_many(&keys);
    assert_eq!((found.missing.len(), found.failed.len()), (some.len(), 0));
    assert!(others.iter().all(|key| found.result.get(key) == Some(key)));
    users.invalidate_all().expect("an answer");
    let found = users.get_many(&keys);
    assert_eq!((found.result.len(), found.missing.len()), (0, keys.len()));
}

/// What was computed before the region was invalidated is not found after.
fn a_call_of_several_steps_keeps_its_generation<C: Client>(target: &Target) {
    let (users, other) = (client::<C>(target).users(), client::<C>(target).users());
    let computed = || {
        other.invalidate_all().expect("an answer");
        "old".into()
    };
    // On a thread of its own, as it may be called within a runtime.
    let compute = || thread::scope(|scope| scope.spawn(computed).join().expect("computed"));
    users.set("to", "be").expect("stored");
    for call in [Region::get_or_set, Region::get_or_set_with] {
        let fetched = call(&users, "42", &compute);
        assert!(matches!(&fetched, Fetched::Computed { stored: Ok(()), .. }), "{fetched:?}");
        assert_eq!(users.get("42").expect("an answer"), None);
        let _ = call(&users, "42", &|| "new".into());
        assert_eq!(users.get("42").expect("an answer"), text("new"));
        users.invalidate_all().expect("an answer");
    }
    let invalidate = || thread::scope(|scope| drop(scope.spawn(computed).join()));
    let stored = users.update("count", &mut { invalidate });
    assert_eq!(stored, Some(1));
    assert_eq!(users.get("count").expect("an answer"), None);
}

/// As the documentation says.
fn a_call_costs_one_get_beside_its_own<C: Client>(target: &Target) {
    let target = match target.to_string().contains("memory") {
        true => Target::in_memory(),
        false => Target::real(),
    };
    let target = target.recording();
    let users = client::<C>(&target).users();
    let commands = |call: &dyn Fn()| {
        call();
        let heard = String::from_utf8(target.take_heard()).expect("text");
        let lines = heard.lines().filter_map(|line| line.split(' ').next());
        let known = |word: &&str| ["get", "gets", "set", "add", "incr", "mg", "ms"].contains(word);
        lines.filter(known).collect::<Vec<_>>().join(" ")
    };
    let set = || users.set("42", "Ada").expect("stored");
    assert_eq!(commands(&set), "get add set");
    assert_eq!(commands(&set), "get set");
    let keys = ["1".to_owned(), "2".to_owned()];
    assert_eq!(commands(&|| drop(users.get_many(&keys))), "get get");
    assert_eq!(commands(&|| users.invalidate_all().expect("an answer")), "incr");
    let miss = || drop(users.get_or_set("42", &|| "Ada".into()));
    assert_eq!(commands(&miss), "get get set");
    assert_eq!(commands(&miss), "get get");
    let computed = || drop(users.get_or_set_with("43", &|| "Ada".into()));
    assert_eq!(commands(&computed), "get mg ms");
    let users = users.remember(LONG);
    let get = || drop(users.get("42"));
    assert_eq!(commands(&get), "get");
    assert_eq!(commands(&get), "get");
    assert_eq!(commands(&|| users.invalidate_all().expect("an answer")), "incr");
    assert_eq!(commands(&get), "get");
}

/// To ask for the generation is part of the call.
fn calls_end_within_their_time<C: Client>(_: &Target) {
    let silent = Scripted::silent();
    let client = C::of(&format!("memcached://{}/?socket_timeout=20s", silent.address()));
    let time = Duration::from_millis(200);
    for users in [client.users().within(time), client.users_within(time)] {
        let began = Instant::now();
        let error = users.get("42").expect_err("nothing comes");
        assert!(error.is_unavailable() && !error.may_have_been_applied(), "{error}");
        assert!(began.elapsed() < Duration::from_secs(10));
        assert!(matches!(users.get("42"), Err(Error::Late)));
        assert!(matches!(users.invalidate_all(), Err(Error::Late)));
    }
}

/// The server of the generation is not there.
fn without_a_generation_lookups_may_be_misses<C: Client>(_: &Target) {
    // Nobody has this port any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let gone = gone.expect("a port").to_string();
    let strict = C::of(&format!("memcached://{gone}")).users();
    let lax = C::of(&format!("memcached://{gone}/?unavailable_is_miss=yes")).users();
    let keys = ["1".to_owned(), "2".to_owned()];
    assert_eq!(lax.get("42").expect("a miss"), None);
    assert_eq!(lax.get_many(&keys).missing, keys);
    for error in [
        strict.get("42").err(),
        strict.set("42", "Ada").err(),
        lax.set("42", "Ada").err(),
        lax.invalidate_all().err(),
        lax.incr("42").err(),
    ] {
        let error = error.expect("there is no server");
        assert!(error.is_unavailable() && !error.may_have_been_applied(), "{error}");
    }
    assert_eq!(lax.set_many(&keys).failed.len(), keys.len());
}

/// Each of these, with each client, on each kind of server.
macro_rules! each {
    ($($test:ident,)*) => {
        mod on_threads {
            $(#[test]
            fn $test() {
                super::Target::both().iter().for_each(super::$test::<memcache_sync::Client>);
            })*
        }

        mod on_smol {
            $(#[test]
            fn $test() {
                super::Target::both().iter().for_each(super::$test::<super::OnTasks<false>>);
            })*
        }

        mod on_tokio {
            $(#[test]
            fn $test() {
                super::Target::both().iter().for_each(super::$test::<super::OnTasks<true>>);
            })*
        }
    };
}

each! {
    what_one_client_invalidates_no_other_finds,
    one_generation_is_made_however_many_miss_it,
    what_was_stored_does_not_come_back_with_a_new_generation,
    a_generation_that_returns_is_replaced,
    a_remembered_generation_is_old_for_its_time_at_most,
    names_and_keys_have_250_bytes_together,
    calls_on_many_keys_have_the_generation_too,
    a_call_of_several_steps_keeps_its_generation,
    a_call_costs_one_get_beside_its_own,
    calls_end_within_their_time,
    without_a_generation_lookups_may_be_misses,
}
