use std::sync::Arc;

use async_memcached::AsciiProtocol;
use memcache_async::{Client, Expiry};
use memcache_tests::{Memcached, UnixMemcached};
use serde_json::Value as Json;
use tokio::runtime::Runtime;

use crate::compare::Compared;
use crate::items::Items;
use crate::lone::{MAX_REST, SERVER, fill, items};
use crate::options::Options;
use crate::others::dsn;
use crate::ours_async::On;
use crate::raw::Raw;
use crate::record::tagged;
use crate::watch::Watch;
use crate::workers::Workers;

const TASKS: usize = 50;
const THREADS: usize = 16;

/// What each of many callers does, one call after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Get,
    Set,
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Work::Get => "get",
            Work::Set => "set",
        }
    }
}

/// Many callers at once: tasks on one connection, and threads that share one client.
pub(crate) fn crowd(options: &Options) -> Vec<Json> {
    let mut records = Vec::new();
    let memcached = UnixMemcached::start_with(&SERVER);
    Watch::serve(memcached.process());
    tasks("crowd, unix", &memcached.address(), options, &mut records);
    threads("crowd, unix", &memcached.address(), options, &mut records);
    let memcached = Memcached::start_with(&SERVER);
    Watch::serve(memcached.process());
    tasks("crowd, tcp", &memcached.address(), options, &mut records);
    threads("crowd, tcp", &memcached.address(), options, &mut records);
    records
}

fn tasks(section: &str, address: &str, options: &Options, records: &mut Vec<Json>) {
    let items = Arc::new(items());
    fill(address, &items);
    let raws = raw_threads(address, &items, TASKS);
    let servers = [address.to_owned()];
    let ours = [On::smol(), On::tokio()].map(|on| {
        let clients = [true, false].map(|merged| on.client(&servers, merged, MAX_REST));
        (on, clients)
    });
    let mut theirs = AsyncMemcacheds::connect(address, &items);
    for work in [Work::Get, Work::Set] {
        let row = format!("{TASKS} tasks, {}", work.name());
        let mut add = |row: &str, client: &str, compared: Compared| {
            records.push(tagged(section, row, client, compared.record(1)));
        };
        let rounds = options.rounds();
        for (on, [merged, unmerged]) in &ours {
            let mut raw = |count| raws.run(work, count);
            let compared = Compared::measure(rounds, TASKS, &mut raw, |count| {
                ours_tasks(on, merged, &items, work, TASKS, count)
            });
            add(&row, on.name(), compared);
            if work == Work::Get {
                let compared = Compared::measure(rounds, TASKS, &mut raw, |count| {
                    ours_tasks(on, unmerged, &items, work, TASKS, count)
                });
                add(&format!("{row}, not merged"), on.name(), compared);
            }
            let compared = Compared::measure(
                rounds,
                TASKS,
                |count| theirs.run(work, count),
                |count| ours_tasks(on, merged, &items, work, TASKS, count),
            );
            add(&format!("{row}, beside async-memcached"), on.name(), compared);
        }
        let compared = Compared::measure(
            rounds,
            TASKS,
            |count| raws.run(work, count),
            |count| theirs.run(work, count),
        );
        add(&row, "async-memcached", compared);
        // One thread that writes to all of them, then reads from all of them.
        let mut others: Vec<_> = (0..TASKS).map(|_| Raw::connect(address)).collect();
        let compared = Compared::measure(
            rounds,
            TASKS,
            |count| raws.run(work, count),
            |count| raw_in_turn(&mut others, &items, work, count),
        );
        add(&row, "raw, one thread", compared);
    }
}

fn threads(section: &str, address: &str, options: &Options, records: &mut Vec<Json>) {
    let items = Arc::new(items());
    let raws = raw_threads(address, &items, THREADS);
    let client = memcache_sync::Client::builder().server(address).sessions(THREADS);
    let client = client.build().expect("a client");
    let ours = sync_threads(&client, &items, THREADS);
    for work in [Work::Get, Work::Set] {
        let compared = Compared::measure(
            options.rounds(),
            THREADS,
            |count| raws.run(work, count),
            |count| ours.run(work, count),
        );
        let row = format!("{THREADS} threads, {}", work.name());
        records.push(tagged(section, &row, "sync", compared.record(1)));
    }
}

/// So many raw loops, each with a thread and a connection of its own.
fn raw_threads(address: &str, items: &Arc<Items>, threads: usize) -> Workers {
    Workers::new((1..).take(threads).map(|seed| {
        let (mut raw, items) = (Raw::connect(address), items.clone());
        move |work, count| {
            for (key, value) in items.random(seed).take(count) {
                match work {
                    Work::Get => assert_eq!(raw.get(key), value),
                    Work::Set => raw.set(key, value),
                }
            }
        }
    }))
}

/// One thread has all connections: it writes to each, then reads from each.
fn raw_in_turn(raws: &mut [Raw], items: &Items, work: Work, count: usize) -> Watch {
    let mut drawn = items.random(1);
    let mut watch = Watch::default();
    watch.start();
    for _ in 0..count {
        for (raw, (key, value)) in raws.iter_mut().zip(&mut drawn) {
            match work {
                Work::Get => raw.ask([key]),
                Work::Set => raw.send_set(key, value),
            }
        }
        for raw in &mut *raws {
            match work {
                Work::Get => assert_eq!(raw.receive_values(), 1),
                Work::Set => raw.receive_stored(),
            }
        }
    }
    watch.stop();
    watch
}

/// So many threads that share a client.
fn sync_threads(client: &memcache_sync::Client, items: &Arc<Items>, threads: usize) -> Workers {
    Workers::new((1..).take(threads).map(|seed| {
        let (client, items) = (client.clone(), items.clone());
        move |work, count| {
            for (key, value) in items.random(seed).take(count) {
                match work {
                    Work::Get => {
                        let found = client.get::<Vec<u8>>(key).expect("an answer");
                        assert_eq!(found.as_deref(), Some(value));
                    }
                    Work::Set => client.set(key, value, Expiry::Never).expect("stored"),
                }
            }
        }
    }))
}

/// So many tasks that share a client, each with as many calls.
pub(crate) fn ours_tasks(
    on: &On,
    client: &Client,
    items: &Arc<Items>,
    work: Work,
    tasks: usize,
    count: usize,
) -> Watch {
    let tasks = (1..).take(tasks).map(|seed| {
        let (client, items) = (client.clone(), items.clone());
        async move {
            for (key, value) in items.random(seed).take(count) {
                match work {
                    Work::Get => {
                        let found = client.get::<Vec<u8>>(key).await.expect("an answer");
                        assert_eq!(found.as_deref(), Some(value));
                    }
                    Work::Set => client.set(key, value, Expiry::Never).await.expect("stored"),
                }
            }
        }
    });
    let tasks = tasks.collect();
    let mut watch = Watch::default();
    watch.start();
    on.run(tasks);
    watch.stop();
    watch
}

/// `async-memcached`, which has one connection for each task.
struct AsyncMemcacheds {
    items: Arc<Items>,
    tokio: Runtime,
    clients: Vec<async_memcached::Client>,
}

impl AsyncMemcacheds {
    fn connect(address: &str, items: &Arc<Items>) -> Self {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let tokio = tokio.expect("a runtime");
        let connect = |_| tokio.block_on(async_memcached::Client::new(dsn(address)));
        let clients = (0..TASKS).map(connect).collect::<Result<_, _>>().expect("connections");
        AsyncMemcacheds { items: items.clone(), tokio, clients }
    }

    fn run(&mut self, work: Work, count: usize) -> Watch {
        let tasks = self.clients.drain(..).zip(1..).map(|(mut client, seed)| {
            let items = self.items.clone();
            async move {
                for (key, value) in items.random(seed).take(count) {
                    match work {
                        Work::Get => {
                            let found = client.get(key).await.expect("an answer");
                            let found = found.and_then(|found| found.data);
                            assert_eq!(found.as_deref(), Some(value));
                        }
                        Work::Set => client.set(key, value, None, None).await.expect("stored"),
                    }
                }
                client
            }
        });
        let tasks: Vec<_> = tasks.collect();
        let mut watch = Watch::default();
        watch.start();
        self.clients = self.tokio.block_on(async {
            let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
            let mut clients = Vec::with_capacity(TASKS);
            for task in tasks {
                clients.push(task.await.expect("no task panics"));
            }
            clients
        });
        watch.stop();
        watch
    }
}
