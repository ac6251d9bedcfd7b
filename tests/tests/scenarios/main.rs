//! What an application does, with every client, against the server in memory and a real memcached; the
//! core alone against the server in memory, on virtual time.

mod bytes;
mod items;
mod meta;
mod options;
mod servers;
mod time;
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use memcache_async::{AsyncStd, Smol, Tokio};
use memcache_sync::{Error, Expiry, FromValue};
use memcache_tests::Target;
use memcache_tests::api::{Api, AsyncClient, Client, Config, CoreAlone, SyncClient};

const NEVER: Expiry = Expiry::Never;

/// Two servers of one kind, and a client of the first.
struct Context {
    first: Target,
    second: Target,
    client: Client,
    /// Makes clients of one kind. The scenarios know none, so that they are compiled once for all.
    new: fn(&Config) -> Result<Client, Error>,
}

impl Context {
    fn new<A: Api>(first: Target) -> Self {
        let second = first.another();
        Context::of::<A>(first, second)
    }

    fn of<A: Api>(first: Target, second: Target) -> Self {
        let new = |config: &Config| A::new(config).map(Into::into);
        let client = new(&first.config()).expect("an address");
        Context { first, second, client, new }
    }

    /// Another client.
    fn connect(&self, config: Config) -> Client {
        (self.new)(&config).expect("addresses")
    }

    /// A client of both, the second with twice the weight.
    fn cluster(&self) -> Config {
        self.first.config().weighted_server(&self.second.address(), 2)
    }

    fn builder(&self) -> Config {
        self.first.config()
    }
}

type Scenario = fn(&Context);

/// Each leaves the servers as the next expects them.
fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        ("set, get, gets, gat", items::lookups),
        ("storage commands", items::storage),
        ("cas", items::cas),
        ("delete and touch", items::delete_and_touch),
        ("counters", items::counters),
        ("values", values::values),
        ("sizes", values::sizes),
        ("keys", values::keys),
        ("key prefix", values::prefix),
        ("compression", values::compression),
        ("many keys", servers::many),
        ("many large values", servers::many_large),
        ("a weighted cluster", servers::cluster),
        ("a Unix socket", servers::unix_socket),
        ("expiries", time::expiries),
        ("noreply", options::noreply),
        ("options of one call", options::of_one_call),
        ("pairs of a hash and a key", options::pairs),
        ("key_encoder and check_keys", options::keys),
        ("cas uniques that are remembered", options::cas_ids),
        ("calls of several steps", options::several_steps),
        ("slabs", options::slabs),
        ("counts", options::counts),
        ("meta lookups", meta::lookups),
        ("meta stores", meta::stores),
        ("meta counters", meta::counters),
        ("meta keys", meta::keys),
        ("stale items", meta::stale),
        ("values that are computed once", meta::recached),
        ("values that nobody computes", meta::abandoned),
        ("stats and version", servers::stats),
        ("flush_all", time::flush),
        ("flush_all with a delay", time::flush_delayed),
    ]
}

#[test]
fn the_core_alone_on_virtual_time() {
    check::<CoreAlone>([Target::on_virtual_time()]);
}

#[test]
fn the_sync_client() {
    check::<SyncClient>(Target::both());
}

#[test]
fn the_async_client_on_smol() {
    check::<AsyncClient<Smol>>(Target::both());
}

#[test]
fn the_async_client_on_async_std() {
    check::<AsyncClient<AsyncStd>>(Target::both());
}

#[test]
fn the_async_client_on_tokio() {
    check::<AsyncClient<Tokio>>(Target::both());
}

/// Runs every scenario with a client against each of `targets`.
fn check<A: Api>(targets: impl IntoIterator<Item = Target>) {
    let failed: Vec<String> = thread::scope(|scope| {
        let runs = targets.into_iter().map(|target| scope.spawn(|| run::<A>(target)));
        let runs: Vec<_> = runs.collect();
        runs.into_iter().flat_map(|run| run.join().expect("scenarios are caught")).collect()
    });
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Runs every scenario and returns those that failed.
fn run<A: Api>(target: Target) -> Vec<String> {
    let context = Context::new::<A>(target);
    let mut failed = Vec::new();
    for (name, scenario) in scenarios() {
        let what = format!("{name}, by {}, against {}", A::NAME, context.first);
        match catch_unwind(AssertUnwindSafe(|| scenario(&context))) {
            Ok(()) => println!("ok: {what}"),
            Err(_) => failed.push(what),
        }
    }
    failed
}

fn get<V: FromValue + 'static>(client: &Client, key: &str) -> Option<V> {
    client.get(key).expect(key)
}

fn text(client: &Client, key: &str) -> Option<String> {
    get(client, key)
}

/// Bytes that are nowhere the same as elsewhere.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}
