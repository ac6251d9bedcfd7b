//! Many tasks under a random schedule: calls dropped, paused and given up, bytes cut, servers that fail.
//! Whatever happens, each value is its own key's, every call ends, and at the end all is well again.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use crate::*;

use harness::{Random, World};
use memcache_async::{Limits, Stored};

const DEAD: Duration = Duration::from_secs(5);
const SILENCE: Duration = SECOND;
const KEYS: usize = 30;
const COUNTERS: usize = 8;
/// Counters begin at their number times this, which tells them apart.
const STRIDE: u64 = 1_000_000_000;

fn key(number: usize) -> String {
    format!("key{number}")
}

/// The value of a key is known by its beginning.
fn begins_right(key: &str, value: &str) -> bool {
    value
        .strip_prefix("value of ")
        .and_then(|rest| rest.split_once(';'))
        .is_some_and(|found| found.0 == key)
}

fn random_value(key: &str, random: &mut Random) -> String {
    let len = match random.below(60) {
        0 => 20_000,
        1..4 => 3000,
        _ => random.below(60),
    };
    format!("value of {key};{}", ".".repeat(len))
}

/// One call, chosen before it is made.
#[derive(Clone, Debug)]
enum What {
    Get(usize),
    Gets(usize),
    Gat(usize),
    GetMany(Vec<usize>),
    Set(usize, String),
    Add(usize, String),
    SetMany(Vec<(String, String)>),
    Delete(usize),
    DeleteMany(Vec<usize>),
    Incr(usize),
    Touch(usize),
    Version,
}

impl What {
    fn random(random: &mut Random) -> Self {
        let at = random.below(KEYS);
        let some = |random: &mut Random| -> Vec<usize> {
            (0..random.below(40)).map(|_| random.below(KEYS)).collect()
        };
        match random.below(20) {
            0..7 => What::Get(at),
            7 => What::Gets(at),
            8 => What::Gat(at),
            9 | 10 => What::GetMany(some(random)),
            11..14 => What::Set(at, random_value(&key(at), random)),
            14 => What::Add(at, random_value(&key(at), random)),
            15 => {
                let items = some(random).into_iter().map(key);
                What::SetMany(items.map(|key| (key.clone(), random_value(&key, random))).collect())
            }
            16 => What::Delete(at),
            17 => What::DeleteMany(some(random)),
            18 => What::Incr(random.below(COUNTERS)),
            _ if random.one_in(2) => What::Touch(at),
            _ => What::Version,
        }
    }

    /// Makes the call and judges what it returns; the errors of a call on many, too.
    async fn run(self, client: &Client, servers: usize) -> Result<(), Error> {
        let expiry = Expiry::Never;
        match self {
            What::Get(at) => {
                let value = client.get::<String>(key(at)).await?;
                assert!(value.is_none_or(|value| begins_right(&key(at), &value)), "of {at}");
            }
            What::Gets(at) => {
                let value = client.gets::<String>(key(at)).await?;
                assert!(value.is_none_or(|(value, _)| begins_right(&key(at), &value)), "of {at}");
            }
            What::Gat(at) => {
                let value = client.gat::<String>(key(at), expiry).await?;
                assert!(value.is_none_or(|value| begins_right(&key(at), &value)), "of {at}");
            }
            What::GetMany(some) => {
                let keys: Vec<_> = some.into_iter().map(key).collect();
                let many = client.get_many::<String, _>(keys.clone()).await?;
                for (key, value) in &many.result {
                    assert!(keys.contains(key) && begins_right(key, value), "of {key}");
                }
                // A key that was asked for twice may have failed once.
                assert!(many.result.len() + many.failed.len() <= keys.len());
                many.failed.into_iter().try_for_each(|failed| Err(failed.error))?;
            }
            What::Set(at, value) => client.set(key(at), value, expiry).await?,
            What::Add(at, value) => drop(client.add(key(at), value, expiry).await?),
            What::SetMany(items) => {
                let count = items.len();
                let many = client.set_many(items, expiry).await?;
                assert_eq!(many.result + many.failed.len(), count);
                many.failed.into_iter().try_for_each(|failed| Err(failed.error))?;
            }
            What::Delete(at) => drop(client.delete(key(at)).await?),
            What::DeleteMany(some) => {
                let count = some.len();
                let many = client.delete_many(some.into_iter().map(key)).await?;
                assert!(many.result + many.failed.len() <= count);
                many.failed.into_iter().try_for_each(|failed| Err(failed.error))?;
            }
            What::Incr(at) => {
                let number = client.incr(format!("counter{at}"), 1).await?;
                assert!(number.is_none_or(|number| number / STRIDE == at as u64), "{number:?}");
            }
            What::Touch(at) => drop(client.touch(key(at), expiry).await?),
            What::Version => {
                let versions = client.version().await?.0;
                assert_eq!(versions.len(), servers);
                versions.into_iter().try_for_each(|(_, version)| version.map(drop))?;
            }
        }
        Ok(())
    }
}

/// What all tasks of one run share.
struct Rules {
    world: Arc<World>,
    servers: usize,
    /// How long a call may take; `None` where nothing may fail.
    limit: Duration,
    faults: bool,
    done: Cell<usize>,
    failed: Cell<usize>,
}

struct Call {
    task: Task<()>,
    client: usize,
    /// Whether it was not polled for a while, and so may take longer.
    paused: Rc<Cell<bool>>,
}

/// A few calls, one after the other, each perhaps given up after a while.
async fn work(
    client: Client,
    whats: Vec<(What, Option<Duration>)>,
    rules: Rc<Rules>,
    paused: Rc<Cell<bool>>,
) {
    for (what, patience) in whats {
        let began = rules.world.state().now;
        let call = what.clone().run(&client, rules.servers);
        let result = match patience {
            Some(patience) => harness::timeout(&rules.world, patience, call).await,
            None => Some(call.await),
        };
        let took = rules.world.state().now - began;
        assert!(took <= rules.limit || paused.get(), "{what:?} took {took:?}");
        rules.done.set(rules.done.get() + 1);
        let Some(Err(error)) = result else { continue };
        rules.failed.set(rules.failed.get() + 1);
        assert!(rules.faults, "{what:?}: {error}");
        let expected = match &error {
            Error::Server { failure, .. } => failure.kind != FailureKind::OtherOperation,
            Error::NotStored(stored) => *stored == Stored::NotStored,
            other => matches!(other, Error::Busy | Error::Closed),
        };
        assert!(expected, "{what:?}: {error:?}");
    }
}

struct Soak {
    net: Net,
    /// Whether few calls meet others, so that they do their own reading and writing.
    quiet: bool,
    /// Whether calls are left unpolled for a while.
    pauses: bool,
    random: Random,
    clients: Vec<Client>,
    calls: Vec<Call>,
    rules: Rc<Rules>,
    operation_timeout: Option<Duration>,
    limits: Limits,
    merge: bool,
    connections: usize,
}

impl Soak {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let servers = 1 + random.below(3);
        let faults = !random.one_in(3);
        let pauses = random.one_in(2);
        let mut net = Net::new(servers);
        net.random = random.one_in(2).then_some(Random(seed ^ 1));
        {
            let mut state = net.world.state();
            let len = [1, 3, 50, 5000, usize::MAX];
            let mut any = || len[random.below(len.len())];
            state.pieces = Pieces { read: any(), write: any(), answer: any() };
            state.buffering = random.one_in(3);
            state.with_spare = random.one_in(2);
            state.pipe_len = [30, 1000, 20_000, 1 << 20][random.below(4)];
            // A read that is to be tried again just when a lone call was not polled for too long may be
            // one too many for its server.
            state.random = (faults || !pauses).then_some(Random(seed ^ 2));
        }
        for number in 0..COUNTERS {
            let value = STRIDE * number as u64;
            let command =
                format!("set counter{number} 2 0 {}\r\n{value}\r\n", value.to_string().len());
            for server in 0..servers {
                net.peer(server, |peer| peer.perform(command.as_bytes(), Duration::ZERO));
            }
        }
        let operation_timeout = (faults && random.one_in(2)).then_some(4 * SECOND);
        let rules = Rc::new(Rules {
            world: net.world.clone(),
            servers,
            limit: operation_timeout.map_or(60 * SECOND, |timeout| 2 * timeout),
            faults,
            done: Cell::new(0),
            failed: Cell::new(0),
        });
        let limits = Limits {
            window: [100, 1000, 64 << 10][random.below(3)],
            backlog: [0, 1, 500, 20_000, 128 << 10][random.below(5)],
            inline_value_len: [16, 2000, 16 << 10][random.below(3)],
            ..Limits::default()
        };
        let (merge, connections) = (!random.one_in(3), 1 + random.below(2));
        let mut soak = Soak {
            net,
            clients: Vec::new(),
            calls: Vec::new(),
            rules,
            operation_timeout,
            limits,
            merge,
            connections,
            quiet: random.one_in(3),
            pauses,
            random,
        };
        for _ in 0..2 {
            let client = soak.client();
            soak.clients.push(client);
        }
        soak
    }

    fn client(&mut self) -> Client {
        let mut builder = self
            .net
            .builder()
            .socket_timeout(SILENCE)
            .dead_retry(DEAD)
            .merge_gets(self.merge)
            .connections_per_server(self.connections)
            .limits(self.limits);
        if let Some(timeout) = self.operation_timeout {
            builder = builder.operation_timeout(timeout);
        }
        if self.random.one_in(2) {
            return builder.build().expect("a client");
        }
        let (client, driver) = builder.build_with_driver().expect("a client");
        let _ = self.net.start(driver);
        client
    }

    fn start(&mut self) {
        if self.quiet && self.any_call().is_some() && !self.random.one_in(10) {
            return;
        }
        let client = self.random.below(2);
        let random = &mut self.random;
        let most = if self.quiet { 40 } else { 3 };
        let whats = (0..1 + random.below(most)).map(|_| {
            let patience =
                random.one_in(4).then(|| Duration::from_millis(random.below(1500) as u64));
            (What::random(random), patience)
        });
        let whats = whats.collect();
        let paused = Rc::new(Cell::new(false));
        let work = work(self.clients[client].clone(), whats, self.rules.clone(), paused.clone());
        let task = self.net.start(work);
        self.calls.push(Call { task, client, paused });
    }

    fn any_call(&mut self) -> Option<usize> {
        self.calls.retain(|call| !call.task.is_done());
        (!self.calls.is_empty()).then(|| self.random.below(self.calls.len()))
    }

    fn fault(&mut self) {
        let server = self.random.below(self.rules.servers);
        let mode = match self.random.below(18) {
            0 => Mode::Refusing,
            1 => Mode::Hanging,
            2 => Mode::Silent,
            3 => Mode::Deaf,
            4 => Mode::Says(b"VALUE nobodys 0 1\r\n1\r\nEND\r\n"),
            5 => Mode::Says(b"END\r\n"),
            6 => Mode::Says(b"SERVER_ERROR out of memory\r\n"),
            7 => Mode::Greets(b"ERROR Too many open connections\r\n"),
            8 | 9 => Mode::ClosesAt(self.random.below(3000)),
            _ => Mode::Up,
        };
        self.net.set_mode(server, mode);
        let delays = [0, 0, 300, 999, 1500];
        let delay = Duration::from_millis(delays[self.random.below(delays.len())]);
        self.net.peer(server, |peer| peer.delay = delay);
        match self.random.below(3) {
            0 => self.net.hang_up(server),
            1 => self.net.cut(server),
            _ => {}
        }
    }

    /// Something happens.
    fn turn(&mut self) {
        match self.random.below(40) {
            0..12 => self.start(),
            12 | 13 => {
                if let Some(at) = self.any_call() {
                    let call = self.calls.swap_remove(at);
                    self.net.drop_task(&call.task);
                }
            }
            14 if self.pauses => {
                if let Some(at) = self.any_call() {
                    self.calls[at].paused.set(true);
                    self.net.pause(&self.calls[at].task);
                }
            }
            15 => {
                if let Some(at) = self.any_call() {
                    self.net.release(&self.calls[at].task);
                }
            }
            16 => {
                if let Some(at) = self.any_call() {
                    self.net.poll(&self.calls[at].task);
                }
            }
            17 | 18 if self.rules.faults => self.fault(),
            19 if self.rules.faults && self.random.one_in(8) => {
                self.clients[self.random.below(2)].disconnect_all();
            }
            20 if self.random.one_in(8) => self.replace_client(),
            21..24 => {
                let time = Duration::from_millis(self.random.below(2000) as u64);
                self.net.advance(time);
            }
            24 => self.net.run(),
            _ => {
                for _ in 0..self.random.below(40) {
                    self.net.step();
                }
            }
        }
    }

    /// One of the clients ends, in one way or the other.
    fn replace_client(&mut self) {
        let at = self.random.below(2);
        let new = self.client();
        let old = std::mem::replace(&mut self.clients[at], new);
        // Those that are paused would keep it open, or not be done in time.
        for call in std::mem::take(&mut self.calls) {
            match call.client == at {
                true => self.net.drop_task(&call.task),
                false => self.calls.push(call),
            }
        }
        if self.random.one_in(2) {
            drop(self.net.start(close(&old)));
        }
    }

    /// All is mended, and what is under way comes to an end.
    fn end(mut self) -> (usize, usize, usize) {
        for server in 0..self.rules.servers {
            self.net.set_mode(server, Mode::Up);
            self.net.peer(server, |peer| peer.delay = Duration::ZERO);
            if self.rules.faults {
                self.net.hang_up(server);
            }
        }
        for call in &self.calls {
            self.net.release(&call.task);
        }
        for call in std::mem::take(&mut self.calls) {
            self.net.finish(&call.task);
        }
        self.net.advance(DEAD + SECOND);
        for client in std::mem::take(&mut self.clients) {
            for key in (0..KEYS).map(key) {
                let (client, value) = (client.clone(), format!("value of {key};"));
                let found = self.net.block_on(async move {
                    client.set(&*key, &*value, Expiry::Never).await?;
                    client.get::<String>(&*key).await.map(|found| (found, value))
                });
                let (found, value) = found.expect("all servers are up");
                assert_eq!(found, Some(value));
            }
            if self.random.one_in(2) {
                self.net.block_on(close(&client));
            }
        }
        self.net.run();
        let left = (self.net.drivers(), self.net.streams(), self.net.world.connecting());
        assert_eq!(left, (0, 0, 0), "drivers, streams, connects");
        if !self.rules.faults {
            // Nobody had a reason to connect twice.
            assert!(self.rules.failed.get() == 0);
        }
        (self.rules.done.get(), self.rules.failed.get(), self.net.driver_polls)
    }
}

fn once(seed: u64) -> (usize, usize, usize) {
    let mut soak = Soak::new(seed);
    for _ in 0..300 {
        soak.turn();
    }
    soak.end()
}

/// `SOAK_SEEDS=5000` for longer, `SOAK_FIRST=38 SOAK_SEEDS=1` for one that failed.
#[test]
fn whatever_happens_each_call_ends_with_its_own() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("SOAK_FIRST").unwrap_or(0);
    let (mut done, mut failed) = (0, 0);
    for seed in first..first + number("SOAK_SEEDS").unwrap_or(200) {
        let result = std::panic::catch_unwind(|| once(seed));
        let Ok((some, some_failed, _)) = result else { panic!("with the seed {seed}") };
        done += some;
        failed += some_failed;
    }
    println!("{done} calls, {failed} of them failed");
}

#[test]
fn a_seed_says_all() {
    for seed in 0..10 {
        assert_eq!(once(seed), once(seed), "with the seed {seed}");
    }
}
