use std::sync::Arc;

use memcache_async::proto::calls;
use memcache_tests::UnixMemcached;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value as Json, json};

use crate::Pairs;
use crate::compare::{Compared, Rounds};
use crate::items::{Items, MANY};
use crate::lone::{MAX_REST, SERVER, fill};
use crate::options::Options;
use crate::ours_async::{On, get_pairs};
use crate::raw::Raw;
use crate::record::tagged;
use crate::watch::Watch;

/// How many servers a client has. All of them are one memcached under many names: it is the client's cost
/// that grows with their number.
const SIZES: [usize; 4] = [1, 10, 100, 1_000];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Get,
    GetMany,
}

/// Whoever asks servers for keys.
enum Side {
    Raw(Fan),
    Sync(memcache_sync::Client),
    Async(On, memcache_async::Client),
}

/// One key, and a hundred, from ever more servers.
pub(crate) fn servers(options: &Options) -> Vec<Json> {
    raise_limit();
    let largest = if options.measured { SIZES.len() } else { 2 };
    let sizes = &SIZES[..largest];
    let memcached = UnixMemcached::start_with(&[&SERVER[..], &["-c", "16384"]].concat());
    Watch::serve(memcached.process());
    let items = Arc::new(Items::new(10_000));
    fill(&memcached.address(), &items);
    let rounds = Rounds(options.rounds().0.min(21));
    let mut records = Vec::new();
    for name in ["raw", "sync", "smol", "tokio"] {
        let mut one = Side::connect(name, &memcached.addresses(1));
        for &size in sizes {
            let addresses = memcached.addresses(size);
            let mut side = Side::connect(name, &addresses);
            // All connections are made before it counts.
            for at in 0..items.keys.len() / MANY {
                side.run_at(&items, Work::GetMany, [at * MANY].into_iter());
            }
            // Beside the same client with one server.
            let compared = Compared::measure(
                rounds,
                1,
                |count| one.run(&items, Work::Get, count),
                |count| side.run(&items, Work::Get, count),
            );
            let mut record = compared.record(1);
            record["size"] = json!(size);
            record["growth"] = record["cpu_ratio"].clone();
            records.push(tagged("servers", "get", name, record));
            // Beside the raw loop with as many servers.
            let mut raw = Side::connect("raw", &addresses);
            let compared = Compared::measure(
                rounds,
                1,
                |count| raw.run(&items, Work::GetMany, count),
                |count| side.run(&items, Work::GetMany, count),
            );
            let mut record = compared.record(MANY);
            record["size"] = json!(size);
            record["cost"] = json!(compared.cost());
            records.push(tagged("servers", "get x 100", name, record));
        }
    }
    records
}

/// Allows this process, and the server that it starts, as many descriptors as may be.
fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("as many as are allowed are allowed");
}

impl Side {
    fn connect(name: &str, addresses: &[String]) -> Self {
        match name {
            "raw" => Side::Raw(Fan::connect(addresses)),
            "sync" => {
                let builder = memcache_sync::Client::builder().servers(addresses);
                Side::Sync(builder.build().expect("a client"))
            }
            name => {
                let on = if name == "smol" { On::smol() } else { On::tokio() };
                let client = on.client(addresses, true, MAX_REST);
                Side::Async(on, client)
            }
        }
    }

    fn run(&mut self, items: &Arc<Items>, work: Work, count: usize) -> Watch {
        let len = if work == Work::Get { 1 } else { MANY };
        self.run_at(items, work, items.positions(1, len).take(count))
    }

    /// Asks for the keys at these positions.
    fn run_at(
        &mut self,
        items: &Arc<Items>,
        work: Work,
        positions: impl Iterator<Item = usize> + Send + 'static,
    ) -> Watch {
        let mut watch = Watch::default();
        watch.start();
        match self {
            Side::Raw(fan) => {
                for at in positions {
                    match work {
                        Work::Get => fan.get(&items.keys[at], &items.values[at]),
                        Work::GetMany => fan.get_many(&items.keys[at..at + MANY]),
                    }
                }
            }
            Side::Sync(client) => {
                for at in positions {
                    if work == Work::Get {
                        let found = client.get::<Vec<u8>>(&items.keys[at]).expect("an answer");
                        assert_eq!(found.as_deref(), Some(&items.values[at][..]));
                    } else {
                        let call = calls::get_many::<_, _, Pairs<'_>>(&items.keys[at..at + MANY]);
                        assert_eq!(client.run(call).expect("an answer").result.len(), MANY);
                    }
                }
            }
            Side::Async(on, client) => {
                let (client, items) = (client.clone(), items.clone());
                let task = async move {
                    for at in positions {
                        if work == Work::Get {
                            let found = client.get::<Vec<u8>>(&items.keys[at]).await;
                            let found = found.expect("an answer");
                            assert_eq!(found.as_deref(), Some(&items.values[at][..]));
                        } else {
                            let keys = &items.keys[at..at + MANY];
                            assert_eq!(get_pairs(&client, keys).await, MANY);
                        }
                    }
                };
                on.run(vec![task]);
            }
        }
        watch.stop();
        watch
    }
}

/// A raw loop over many servers: a key's server is its hash; a call on many keys writes to each server
/// concerned, then reads from each.
struct Fan {
    raws: Vec<Raw>,
    /// Which keys of a call each server has.
    parts: Vec<Vec<usize>>,
    /// The servers that have some.
    concerned: Vec<usize>,
}

impl Fan {
    fn connect(addresses: &[String]) -> Self {
        let raws: Vec<_> = addresses.iter().map(|address| Raw::connect(address)).collect();
        Fan { parts: vec![Vec::new(); raws.len()], raws, concerned: Vec::new() }
    }

    /// Fowler, Noll and Vo's hash.
    fn server(&self, key: &str) -> usize {
        let hash = key
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        hash as usize % self.raws.len()
    }

    fn get(&mut self, key: &str, value: &[u8]) {
        let server = self.server(key);
        assert_eq!(self.raws[server].get(key), value);
    }

    fn get_many(&mut self, keys: &[String]) {
        for (number, key) in keys.iter().enumerate() {
            let server = self.server(key);
            if self.parts[server].is_empty() {
                self.concerned.push(server);
            }
            self.parts[server].push(number);
        }
        for &server in &self.concerned {
            self.raws[server].ask(self.parts[server].iter().map(|&number| &keys[number]));
        }
        for server in self.concerned.drain(..) {
            assert_eq!(self.raws[server].receive_values(), self.parts[server].len());
            self.parts[server].clear();
        }
    }
}
