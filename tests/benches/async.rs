//! What the asynchronous client costs, beside what else would do its work in the same run.
//!
//! `cargo bench -p memcache-tests --bench async [lone|many]`
//!
//! * `lone`: one task, one get after the other, beside a loop that writes a request and reads the
//!   reply over the same kind of socket and does nothing else.
//! * `many`: 50 tasks on one connection, beside 50 tasks on 50 connections of `async-memcached` on
//!   tokio; clients and server share one core.
//!
//! Both sides ask the same memcached and check every value. They take turns, and the ratio is the
//! median of the ratios of neighbours, so that a busy machine slows both alike. The exit code says
//! whether every target was met.

use std::env;
use std::net::SocketAddr;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_memcached::AsciiProtocol;
use memcache_async::{Builder, Client, Expiry, Smol};
use memcache_tests::{Bare, Memcached};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use smol::Executor;
use tokio::runtime::Runtime;

const SECTIONS: [&str; 2] = ["lone", "many"];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    // Without `--bench` this is `cargo test`: see that everything runs, and judge nothing.
    let judged = arguments.iter().any(|argument| argument == "--bench");
    let mut report = Report { judged, missed: 0 };
    match arguments.iter().find(|argument| !argument.starts_with('-')).map(String::as_str) {
        Some("lone") => lone(&mut report),
        Some("many") => many(&mut report),
        Some(name) => panic!("no section {name}; there are {SECTIONS:?}"),
        None => return all_sections(&arguments),
    }
    report.exit_code()
}

/// Runs each section in a process of its own: the threads that one has started, and where these may
/// run, are nothing to the next.
fn all_sections(arguments: &[String]) -> ExitCode {
    let program = env::current_exe().expect("this program has a path");
    let mut passed = true;
    for section in SECTIONS {
        let run = Command::new(&program).args(arguments).arg(section).status();
        passed &= run.expect("this program starts").success();
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One task and nobody else.
fn lone(report: &mut Report) {
    // One thread, so that the same one answers both sides.
    let memcached = Memcached::start_with(&["-t", "1"]);
    let rounds = report.rounds(400);
    report.heading("a lone task's gets", "bare loop");

    let client = Client::builder().server(&memcached.address()).build().expect("a client");
    let samples = smol::block_on(lone_gets(memcached.address(), client, rounds));
    report.row("under block_on, global executor", Some(0.95), &samples);

    let executor = Arc::new(Executor::new());
    let client = on(&executor, &memcached).build().expect("a client");
    let task = executor.spawn(lone_gets(memcached.address(), client, rounds));
    let samples = smol::block_on(executor.run(task));
    report.row("a task of the one executor", Some(0.95), &samples);
}

async fn lone_gets(address: String, client: Client, rounds: usize) -> Samples {
    const GETS: u32 = 200;
    const KEY: &str = "session:00042";
    let value = value_of(KEY);
    client.set(KEY, &value[..], Expiry::Never).await.expect("stored");
    let address: SocketAddr = address.parse().expect("an address");
    let mut bare = Bare::connect(address, KEY).await.expect("a connection");
    let mut theirs = async || {
        let start = Instant::now();
        for _ in 0..GETS {
            let found = bare.get().await.expect("an answer");
            assert_eq!(found, Some(&value[..]));
        }
        rate(GETS, start.elapsed())
    };
    let ours = async || {
        let start = Instant::now();
        for _ in 0..GETS {
            let found = client.get::<Vec<u8>>(KEY).await.expect("an answer");
            assert_eq!(found.as_deref(), Some(&value[..]));
        }
        rate(GETS, start.elapsed())
    };
    let mut samples = Samples::new();
    for round in 0..=rounds {
        // Who goes first changes, so that neither always follows the other.
        let (theirs, ours) = if round % 2 == 0 {
            let theirs = theirs().await;
            (theirs, ours().await)
        } else {
            let ours = ours().await;
            (theirs().await, ours)
        };
        samples.add(round, theirs, ours);
    }
    client.close().await;
    samples
}

/// How many tasks there are at once.
const TASKS: u32 = 50;

/// Many tasks, and one core for all.
fn many(report: &mut Report) {
    // How much each task does in a round, so that both sides need about the same time.
    const THEIRS: u32 = 200;
    const OURS: u32 = 1_400;

    share_one_core();
    let memcached = Memcached::start_with(&["-t", "1"]);
    let items = Arc::new(Items::new());
    let mut theirs = Theirs::connect(&items, &memcached);
    let ours = Ours::new(&items, &memcached, true);
    let unmerged = Ours::new(&items, &memcached, false);

    let [mut sets, mut gets, mut unmerged_gets] = [const { Samples::new() }; 3];
    for round in 0..=report.rounds(9) {
        ours.flush();
        let their_sets = theirs.run(Work::Set, THEIRS);
        ours.check_all();
        ours.flush();
        let our_sets = ours.run(Work::Set, OURS);
        ours.check_all();
        sets.add(round, their_sets, our_sets);
        let their_gets = theirs.run(Work::Get, THEIRS);
        gets.add(round, their_gets, ours.run(Work::Get, OURS));
        unmerged_gets.add(round, their_gets, unmerged.run(Work::Get, OURS));
    }
    report.heading("50 tasks, one core", "async-memcached");
    report.row("gets", Some(6.0), &gets);
    report.row("sets", Some(4.0), &sets);
    report.row("gets, not merged", None, &unmerged_gets);
}

#[derive(Clone, Copy)]
enum Work {
    Get,
    Set,
}

/// `async-memcached`: a connection for each task.
struct Theirs {
    items: Arc<Items>,
    tokio: Runtime,
    clients: Vec<async_memcached::Client>,
}

impl Theirs {
    fn connect(items: &Arc<Items>, memcached: &Memcached) -> Self {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let tokio = tokio.expect("a runtime");
        let connect = |_| {
            tokio.block_on(async_memcached::Client::new(format!("tcp://{}", memcached.address())))
        };
        let clients = (0..TASKS).map(connect).collect::<Result<_, _>>().expect("connections");
        Theirs { items: items.clone(), tokio, clients }
    }

    /// Does `count` times this work in each task; returns how often a second.
    fn run(&mut self, work: Work, count: u32) -> f64 {
        let clients = self.clients.drain(..).zip(1..);
        let tasks: Vec<_> = clients
            .map(|(mut client, seed)| {
                let items = self.items.clone();
                async move {
                    for (key, value) in items.random(seed).take(count as usize) {
                        match work {
                            Work::Get => {
                                let found = client.get(key).await.expect("an answer");
                                let found = found.and_then(|found| found.data);
                                assert_eq!(found.as_deref(), Some(value));
                            }
                            Work::Set => {
                                client.set(key, value, None, None).await.expect("stored");
                            }
                        }
                    }
                    client
                }
            })
            .collect();
        let start = Instant::now();
        self.clients = self.tokio.block_on(async {
            let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
            let mut clients = Vec::new();
            for task in tasks {
                clients.push(task.await.expect("no task panics"));
            }
            clients
        });
        rate(TASKS * count, start.elapsed())
    }
}

/// The client of this workspace: one connection for all tasks.
struct Ours {
    items: Arc<Items>,
    executor: Arc<Executor<'static>>,
    client: Client,
}

impl Ours {
    fn new(items: &Arc<Items>, memcached: &Memcached, merge_gets: bool) -> Self {
        let executor = Arc::new(Executor::new());
        let client = on(&executor, memcached).merge_gets(merge_gets).build().expect("a client");
        Ours { items: items.clone(), executor, client }
    }

    /// Does `count` times this work in each task; returns how often a second.
    fn run(&self, work: Work, count: u32) -> f64 {
        let tasks: Vec<_> = (1..=TASKS)
            .map(|seed| {
                let (client, items) = (self.client.clone(), self.items.clone());
                async move {
                    for (key, value) in items.random(seed).take(count as usize) {
                        match work {
                            Work::Get => {
                                let found = client.get::<Vec<u8>>(key).await.expect("an answer");
                                assert_eq!(found.as_deref(), Some(value));
                            }
                            Work::Set => {
                                client.set(key, value, Expiry::Never).await.expect("stored");
                            }
                        }
                    }
                }
            })
            .collect();
        let start = Instant::now();
        smol::block_on(self.executor.run(async {
            let tasks: Vec<_> = tasks.into_iter().map(|task| self.executor.spawn(task)).collect();
            for task in tasks {
                task.await;
            }
        }));
        rate(TASKS * count, start.elapsed())
    }

    /// Leaves the server empty.
    fn flush(&self) {
        let flushed = smol::block_on(self.executor.run(self.client.flush_all()));
        assert!(flushed.is_ok(), "{flushed:?}");
    }

    /// Sees that the server has every item, and each as it should be.
    fn check_all(&self) {
        let Items { keys, values } = &*self.items;
        let get = self.client.get_many::<Vec<u8>, _>(keys);
        let found = smol::block_on(self.executor.run(get)).expect("an answer");
        for (key, value) in keys.iter().zip(values) {
            assert_eq!(found.result.get(key), Some(value), "{key}");
        }
    }
}

/// What is stored.
struct Items {
    keys: Vec<String>,
    values: Vec<Vec<u8>>,
}

impl Items {
    fn new() -> Self {
        let keys: Vec<String> = (0..1_000).map(|number| format!("session:{number:05}")).collect();
        let values = keys.iter().map(|key| value_of(key)).collect();
        Items { keys, values }
    }

    /// Any of them, without end.
    fn random(&self, seed: u32) -> impl Iterator<Item = (&str, &[u8])> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            // Marsaglia's xorshift.
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let at = state as usize % self.keys.len();
            (self.keys[at].as_str(), &self.values[at][..])
        })
    }
}

/// 100 bytes that tell whose value they are.
fn value_of(key: &str) -> Vec<u8> {
    format!("{key:.<100}").into_bytes()
}

/// The settings of a client whose driver is polled by this executor.
fn on(executor: &Arc<Executor<'static>>, memcached: &Memcached) -> Builder<Smol> {
    Builder::new(Smol::on(executor)).server(&memcached.address())
}

/// Keeps this process, and all that it starts from now on, to one core.
fn share_one_core() {
    let allowed = sched_getaffinity(None).expect("the cores there are");
    let first = (0..CpuSet::MAX_CPU).find(|&core| allowed.is_set(core)).expect("a core");
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one).expect("one core is enough");
}

fn rate(count: u32, time: Duration) -> f64 {
    f64::from(count) / time.as_secs_f64()
}

/// How many operations a second each side made, them and us, round by round.
struct Samples(Vec<(f64, f64)>);

impl Samples {
    const fn new() -> Self {
        Samples(Vec::new())
    }

    /// The first round is for warming up.
    fn add(&mut self, round: usize, theirs: f64, ours: f64) {
        if round > 0 {
            self.0.push((theirs, ours));
        }
    }

    fn median(&self, of: fn(&(f64, f64)) -> f64) -> f64 {
        let mut samples: Vec<f64> = self.0.iter().map(of).collect();
        samples.sort_by(f64::total_cmp);
        samples[samples.len() / 2]
    }
}

/// Prints what was measured and judges it.
struct Report {
    judged: bool,
    missed: usize,
}

impl Report {
    fn rounds(&self, rounds: usize) -> usize {
        if self.judged { rounds } else { 1 }
    }

    fn heading(&self, name: &str, theirs: &str) {
        println!("{name:<36} {theirs:>16}/s {:>10}/s {:>7} {:>7}", "client", "ratio", "target");
    }

    fn row(&mut self, name: &str, target: Option<f64>, samples: &Samples) {
        let (theirs, ours) = (samples.median(|sample| sample.0), samples.median(|sample| sample.1));
        let ratio = samples.median(|(theirs, ours)| ours / theirs);
        let missed = target.is_some_and(|target| ratio < target);
        self.missed += usize::from(missed);
        println!(
            "{name:<36} {theirs:>18.0} {ours:>12.0} {ratio:>7.2} {:>7} {}",
            target.map(|target| target.to_string()).unwrap_or_default(),
            match (target, missed) {
                (None, _) => "",
                (_, false) => "PASS",
                (_, true) => "miss",
            },
        );
    }

    fn exit_code(&self) -> ExitCode {
        println!("{} missed", self.missed);
        if self.judged && self.missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}
