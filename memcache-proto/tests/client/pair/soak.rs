//! Random operations of two clients under random faults, bytes cut at random: every operation completes
//! once and in time, every value is its own key's, and at the end all is well again.

use std::time::Duration;

use memcache_proto::client::{FailureKind, Operation, OperationId, Outcome, Reply, Settings};
use memcache_proto::codec::{StatsArgument, StoreVerb};
use memcache_proto::routing::{Distribution, KeyHash, RendezvousKeys};
use memcache_proto::{Exptime, Limits, Time};

use super::{Answer, Mode, Net, Random, get, item, key};

const SERVERS: usize = 3;
const DEAD_RETRY: Duration = Duration::from_secs(5);

/// What was asked, for judging what it came to.
struct Asked {
    client: usize,
    id: OperationId,
    at: Time,
    what: What,
}

#[derive(Debug)]
enum What {
    Get(usize),
    GetMany(Vec<usize>),
    Store,
    StoreMany(usize),
    Found,
    Number,
    Servers,
    Sent,
}

impl What {
    fn sent_or(self, noreply: bool) -> Self {
        if noreply { What::Sent } else { self }
    }
}

fn names() -> Vec<String> {
    (0..40).map(|number| format!("key{number}")).collect()
}

fn begins_right(value: &[u8], name: &str) -> bool {
    value.starts_with(format!("value of {name};").as_bytes())
}

/// The value of a key is known by its beginning.
fn value_of(name: &str, random: &mut Random) -> Vec<u8> {
    let len = match random.below(30) {
        0 => 40_000,
        1..3 => 3000,
        _ => random.below(60),
    };
    let mut value = format!("value of {name};").into_bytes();
    value.resize(value.len() + len, b'.');
    value
}

fn settings(random: &mut Random) -> Settings {
    Settings {
        dead_retry: if random.one_in(6) { Duration::ZERO } else { DEAD_RETRY },
        socket_timeout: Duration::from_secs(1),
        operation_timeout: random.one_in(2).then_some(Duration::from_secs(4)),
        key_prefix: if random.one_in(3) { b"p:".to_vec() } else { Vec::new() },
        distribution: [
            Distribution::PythonMemcached,
            Distribution::Rendezvous { keys: RendezvousKeys::Text },
            Distribution::Ketama,
        ][random.below(3)],
        key_hash: KeyHash::default(),
        hash_with_prefix_key: random.one_in(2),
        connections_per_server: 1 + random.below(2),
        merge_gets: random.one_in(2),
        resend_stores: random.one_in(2),
        flush_on_reconnect: random.one_in(3),
        failover: !random.one_in(4),
        max_rest: [Duration::ZERO, Duration::from_millis(1)][random.below(2)],
        debug: random.one_in(2),
        limits: Limits {
            window: [100, 1000, 64 << 10][random.below(3)],
            max_queued_bytes: [20_000, 256 << 20][random.below(2)],
            inline_value_len: [16, 2000, 16 << 10][random.below(3)],
            ..Limits::default()
        },
    }
}

fn fault(net: &mut Net, random: &mut Random) {
    let server = random.below(SERVERS);
    net.peers[server].mode = match random.below(14) {
        0 => Mode::Refusing,
        1 => Mode::Hanging,
        2 => Mode::Silent,
        3 => Mode::Says(b"VALUE nobodys 0 1\r\n1\r\nEND\r\n"),
        4 => Mode::Says(b"END\r\n"),
        5 => Mode::Says(b"\x16\x03\x01\x02\r\n"),
        6 => Mode::Says(b"CLIENT_ERROR bad data chunk\r\nERROR\r\n"),
        7 => Mode::Says(b"SERVER_ERROR out of memory\r\n"),
        8 => Mode::Greets(b"ERROR Too many open connections\r\n"),
        9 | 10 => Mode::ClosesAt(random.below(200)),
        _ => Mode::Up,
    };
    let delays = [0, 0, 300, 999, 1500];
    net.peers[server].delay = Duration::from_millis(delays[random.below(delays.len())]);
    if random.one_in(2) {
        net.hang_up(server);
    }
}

fn ask(net: &mut Net, random: &mut Random, names: &[String]) -> Option<Asked> {
    let client = random.below(net.clients.len());
    let at = random.below(names.len());
    let name = &names[at];
    let value = value_of(name, random);
    let some: Vec<_> = (0..random.below(80)).map(|_| random.below(names.len())).collect();
    let keys: Vec<_> = some.iter().map(|&at| key(&names[at])).collect();
    let values: Vec<_> = some.iter().map(|&at| value_of(&names[at], random)).collect();
    let items: Vec<_> =
        some.iter().zip(&values).map(|(&at, value)| item(&names[at], value)).collect();
    let exptime = Exptime::NEVER;
    let cas = random.one_in(3);
    let noreply = random.one_in(4);
    let (operation, what) = match random.below(16) {
        0..6 => (Operation::Get { key: key(name), cas }, What::Get(at)),
        6 => (Operation::Gat { key: key(name), exptime, cas }, What::Get(at)),
        7 | 8 => (Operation::GetMany { keys: &keys, cas }, What::GetMany(some.clone())),
        9..12 => {
            let verb = if random.one_in(3) { StoreVerb::Add } else { StoreVerb::Set };
            let item = item(name, &value);
            (Operation::Store { verb, item, noreply }, What::Store.sent_or(noreply))
        }
        12 => {
            let operation = Operation::StoreMany { verb: StoreVerb::Set, items: &items, noreply };
            (operation, What::StoreMany(items.len()))
        }
        13 => {
            let operation = Operation::Delete { key: key(name), noreply };
            (operation, What::Found.sent_or(noreply))
        }
        14 => {
            let operation = Operation::Incr { key: key(name), delta: 1, noreply };
            (operation, What::Number.sent_or(noreply))
        }
        _ => match random.below(8) {
            0 => (Operation::FlushAll { delay: None }, What::Servers),
            1..5 => (Operation::Version, What::Servers),
            _ => (Operation::Stats(StatsArgument::General), What::Servers),
        },
    };
    let at = net.now;
    // It may be full.
    let id = net.try_submit_on(client, operation).ok()?;
    Some(Asked { client, id, at, what })
}

fn judge(what: &What, outcome: Outcome, names: &[String]) {
    match what {
        What::Get(at) => match outcome.item() {
            Ok(Some(item)) => assert!(begins_right(&item.value, &names[*at]), "{item:?}"),
            Ok(None) => {}
            Err(failure) => assert_ne!(failure.kind, FailureKind::OtherOperation),
        },
        What::GetMany(asked) => {
            let many = outcome.many().expect("many keys");
            let mut seen = vec![false; asked.len()];
            for (number, reply) in many.replies {
                assert!(!std::mem::replace(&mut seen[number], true));
                let Reply::Item(item) = reply else { panic!("{reply:?}") };
                assert!(begins_right(&item.value, &names[asked[number]]), "{item:?}");
            }
            for (number, _) in many.failed {
                assert!(!std::mem::replace(&mut seen[number], true));
            }
        }
        What::StoreMany(count) => {
            let many = outcome.many().expect("many keys");
            let mut numbers: Vec<_> = many.failed.iter().map(|(number, _)| *number).collect();
            numbers.extend(many.replies.iter().map(|(number, _)| *number));
            let all = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert!(numbers.len() == all && all <= *count);
        }
        What::Store => {
            if let Err(failure) = outcome.stored() {
                assert_ne!(failure.kind, FailureKind::OtherOperation);
            }
        }
        What::Sent => {
            if let Err(failure) = outcome.sent() {
                assert_ne!(failure.kind, FailureKind::OtherOperation);
            }
        }
        What::Found => {
            if let Err(failure) = outcome.found() {
                assert_ne!(failure.kind, FailureKind::OtherOperation);
            }
        }
        What::Number => {
            if let Err(failure) = outcome.number() {
                assert_ne!(failure.kind, FailureKind::OtherOperation);
            }
        }
        What::Servers => {
            let mut servers: Vec<_> =
                outcome.servers().expect("all servers").iter().map(|(server, _)| *server).collect();
            servers.sort_unstable();
            servers.dedup();
            assert_eq!(servers.len(), SERVERS);
        }
    }
}

/// Judges what is done and keeps the rest.
fn collect(net: &mut Net, asked: Vec<Asked>, names: &[String]) -> Vec<Asked> {
    let mut waiting = Vec::new();
    let limit = net.cluster().settings().operation_timeout.unwrap_or(Duration::from_secs(60));
    for one in asked {
        match net.take_on(one.client, one.id) {
            Some(outcome) => judge(&one.what, outcome, names),
            None => {
                let taken = net.now - one.at;
                assert!(taken <= limit, "{:?} takes {taken:?}", one.what);
                waiting.push(one);
            }
        }
    }
    waiting
}

/// Soaks as many times as is asked for, against servers that this makes.
#[expect(clippy::disallowed_methods, reason = "how long to soak is for whoever runs it to say")]
pub(crate) fn soak(seeds: u64, answer: fn() -> Box<dyn Answer>) {
    // `SOAK_SEEDS=5000` for longer, `SOAK_FIRST=38 SOAK_SEEDS=1` for one that failed.
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("SOAK_FIRST").unwrap_or(0);
    for seed in first..first + number("SOAK_SEEDS").unwrap_or(seeds) {
        let outcome = std::panic::catch_unwind(|| once(seed, answer));
        assert!(outcome.is_ok(), "with the seed {seed}");
    }
}

fn once(seed: u64, answer: fn() -> Box<dyn Answer>) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let settings = settings(&mut random);
    let names = names();
    let mut net = Net::with_clients(2, SERVERS, settings);
    for peer in &mut net.peers {
        peer.heard = None;
        peer.answer = answer();
    }
    net.cut = [1, 3, 50, 5000, 100_000][random.below(5)];
    net.eager = random.one_in(2);
    net.random = Some(Random(seed));
    let mut asked = Vec::new();
    for _ in 0..250 {
        match random.below(40) {
            0..20 => asked.extend(ask(&mut net, &mut random, &names)),
            20 | 21 => fault(&mut net, &mut random),
            22 if !asked.is_empty() => {
                let one: Asked = asked.swap_remove(random.below(asked.len()));
                net.cancel_on(one.client, one.id);
            }
            23 if random.one_in(8) => {
                let now = net.now;
                let client = &mut net.clients[random.below(2)];
                match random.one_in(2) {
                    true => client.disconnect_all(now),
                    false => client.quit_all(now),
                }
            }
            24 if random.one_in(8) => {
                let client = random.below(2);
                asked = collect(&mut net, asked, &names);
                net.reset(client);
                asked.retain(|one| one.client != client);
            }
            25..30 => net.wait(Duration::from_millis(random.below(2000) as u64)),
            30 => net.drive(),
            _ => {
                for _ in 0..random.below(20) {
                    net.step();
                }
            }
        }
        asked = collect(&mut net, asked, &names);
    }
    // All is mended, and what is under way comes to an end.
    for server in 0..SERVERS {
        net.peers[server].mode = Mode::Up;
        net.peers[server].delay = Duration::ZERO;
        net.hang_up(server);
    }
    net.cut = 100_000;
    net.run();
    assert!(collect(&mut net, asked, &names).is_empty());
    net.drive();
    net.wait(Duration::from_secs(2));
    for client in &net.clients {
        assert!(client.is_idle());
    }
    net.wait(DEAD_RETRY);
    for name in &names {
        net.get(name);
    }
    // Each key is where it belongs, for both, on one connection or a few.
    for name in &names {
        let value = format!("value of {name};");
        assert_eq!(net.set(name, &value).stored().map(|stored| stored.is_stored()), Ok(true));
        let id = net.submit_on(1, get(name));
        net.run();
        let item = net.take_on(1, id).expect("it is done").item().expect("it was answered");
        assert_eq!(item.map(|item| item.value), Some(value.into()));
    }
}
