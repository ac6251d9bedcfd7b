use std::time::Duration;

use memcache_tests::{Memcached, UnixMemcached};
use serde_json::{Value as Json, json};

use crate::compare::Compared;
use crate::contender::{Contender, Row};
use crate::counts;
use crate::items::{Items, LARGE, LARGE_LEN, MANY};
use crate::options::Options;
use crate::others::{AsyncMemcached, RustMemcache};
use crate::ours_async::{Async, On};
use crate::ours_sync::Sync;
use crate::python::PythonClient;
use crate::raw::{Raw, RawLoop};
use crate::record::tagged;
use crate::watch::Watch;

/// The arguments of every memcached here: one thread, and items of more than 1 MiB.
pub(crate) const SERVER: [&str; 6] = ["-t", "1", "-m", "1024", "-I", "2m"];

/// The default of the clients' setting.
pub(crate) const MAX_REST: Duration = Duration::from_millis(1);

/// The clients of this workspace, and those they are compared with.
const CLIENTS: [&str; 5] = ["sync", "smol", "tokio", "async-memcached", "rust-memcache"];

/// The client of this name, or the raw loop.
pub(crate) fn contender(
    name: &str,
    address: &str,
    items: &Items,
    max_rest: Duration,
) -> Box<dyn Contender> {
    match name {
        "raw" => Box::new(RawLoop(Raw::connect(address), items.clone())),
        "sync" => Box::new(Sync::new(address, items, max_rest)),
        "smol" => Box::new(Async::new(On::smol(), address, items, max_rest)),
        "tokio" => Box::new(Async::new(On::tokio(), address, items, max_rest)),
        "async-memcached" => Box::new(AsyncMemcached::new(address, items)),
        "rust-memcache" => Box::new(RustMemcache::new(address, items)),
        _ => panic!("no client {name}"),
    }
}

/// What is stored where single callers are measured.
pub(crate) fn items() -> Items {
    Items::new(1_000)
}

/// Stores the items, and the large value.
pub(crate) fn fill(address: &str, items: &Items) {
    let mut raw = Raw::connect(address);
    for (keys, values) in items.keys.chunks(MANY).zip(items.values.chunks(MANY)) {
        assert_eq!(raw.set_many(keys, values), keys.len());
    }
    raw.set(LARGE, &vec![b'l'; LARGE_LEN]);
}

/// One caller, one call after the other, over a Unix socket.
pub(crate) fn unix(options: &Options) -> Vec<Json> {
    let memcached = UnixMemcached::start_with(&SERVER);
    Watch::serve(memcached.process());
    lone("unix", &memcached.address(), options)
}

/// The same over TCP.
pub(crate) fn tcp(options: &Options) -> Vec<Json> {
    let memcached = Memcached::start_with(&SERVER);
    Watch::serve(memcached.process());
    lone("tcp", &memcached.address(), options)
}

fn lone(transport: &str, address: &str, options: &Options) -> Vec<Json> {
    let items = items();
    let mut raw = RawLoop(Raw::connect(address), items.clone());
    let contenders = CLIENTS.map(|name| contender(name, address, &items, MAX_REST));
    let mut contenders: Vec<_> = contenders.into_iter().collect();
    if options.python {
        let python = PythonClient::all(address).into_iter();
        contenders.extend(python.map(|client| Box::new(client) as Box<dyn Contender>));
    }
    let mut records = Vec::new();
    for row in Row::ALL {
        // Another row may have deleted some.
        fill(address, &items);
        for client in contenders.iter_mut().filter(|client| client.can(row)) {
            let compared = Compared::measure(
                options.rounds(),
                1,
                |count| run(&mut raw, row, count),
                |count| run(&mut **client, row, count),
            );
            let record = compared.record(row.keys());
            records.push(tagged(transport, row.name(), client.name(), record));
        }
    }
    records
}

fn run(contender: &mut dyn Contender, row: Row, count: usize) -> Watch {
    let mut watch = Watch::default();
    contender.run(row, count, &mut watch);
    watch
}

/// What a call costs in instructions, allocations and system calls, the client's alone.
pub(crate) fn counts(options: &Options) -> Vec<Json> {
    if options.quick || !options.measured {
        return Vec::new();
    }
    let memcached = UnixMemcached::start_with(&SERVER);
    let address = memcached.address();
    let items = items();
    let mut records = Vec::new();
    for row in Row::ALL {
        // Another row may have deleted some.
        fill(&address, &items);
        for name in ["raw"].into_iter().chain(CLIENTS) {
            if contender(name, &address, &items, MAX_REST).can(row) {
                let counts = counts::of(name, row, &address);
                records.push(tagged("counts", row.name(), name, json!(counts)));
            }
        }
    }
    records
}
