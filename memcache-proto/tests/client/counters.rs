//! Counters under faults: what was applied, and how often, against what was said of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use memcache_proto::client::RoutedMeta;
use memcache_proto::codec::{MetaArithmetic, MetaRequest};

use crate::pair::{Answer, Memory, Random};
use crate::*;

type Log = Rc<RefCell<BTreeMap<u64, usize>>>;

/// Counts how often each delta was applied, and answers an increment with its own delta.
struct Counter(Memory, Log);

impl Answer for Counter {
    fn answer(&mut self, _: usize, input: &mut Vec<u8>, output: &mut Vec<u8>, _: Time) -> bool {
        while let Ok(Some((command, len))) = Command::parse(input, &Limits::default()) {
            match command {
                Command::Incr { delta, noreply, .. } => {
                    *self.1.borrow_mut().entry(delta).or_default() += 1;
                    if !noreply {
                        output.extend(format!("{delta}\r\n").as_bytes());
                    }
                }
                Command::MetaArithmetic(_) => {
                    let line = String::from_utf8_lossy(&input[..len]);
                    let flags: Vec<_> = line.split_whitespace().skip(2).collect();
                    let delta = flags.iter().find_map(|flag| flag.strip_prefix('D'));
                    let delta = delta.and_then(|delta| delta.parse().ok()).expect("a delta");
                    *self.1.borrow_mut().entry(delta).or_default() += 1;
                    if !flags.contains(&"q") {
                        let opaque = flags.iter().find(|flag| flag.starts_with('O'));
                        let opaque = opaque.map(|flag| format!(" {flag}")).unwrap_or_default();
                        output.extend(format!("HD{opaque}\r\n").as_bytes());
                    }
                }
                Command::MetaNoop => output.extend(b"MN\r\n"),
                _ => {
                    if self.0.answer_one(&command, output) {
                        return true;
                    }
                }
            }
            input.drain(..len);
        }
        false
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Incr,
    Noreply,
    Meta,
    Quiet,
    Other,
}

struct Asked {
    client: usize,
    id: OperationId,
    at: Time,
    kind: Kind,
    deltas: Vec<u64>,
}

fn counter_settings(random: &mut Random) -> Settings {
    Settings {
        dead_retry: [Duration::ZERO, SECOND, DEAD_RETRY][random.below(3)],
        operation_timeout: [None, Some(SECOND), Some(SECOND * 4)][random.below(3)],
        connections_per_server: 1 + random.below(3),
        merge_gets: random.one_in(2),
        resend_stores: random.one_in(2),
        flush_on_reconnect: random.one_in(2),
        failover: !random.one_in(4),
        max_rest: [Duration::ZERO, Duration::from_millis(1)][random.below(2)],
        // Here: whether there are servers that throw away what was sent to them, which is said not to be sent.
        debug: random.one_in(2),
        limits: Limits { window: [10, 100, 64 << 10][random.below(3)], ..Limits::default() },
        ..Settings::default()
    }
}

fn fault(net: &mut Net, random: &mut Random) {
    let greets = net.cluster().settings().debug;
    let full = match greets {
        true => Mode::Greets(b"ERROR Too many open connections\r\n"),
        false => Mode::Refusing,
    };
    let server = random.below(net.peers.len());
    net.peers[server].mode = match random.below(12) {
        0 => Mode::Refusing,
        1 => Mode::Hanging,
        2 => Mode::Silent,
        3 => full,
        4 | 5 => Mode::ClosesAt(random.below(60)),
        _ => Mode::Up,
    };
    net.peers[server].room = match random.below(4) {
        0 => None,
        room => Some((room, [Mode::Refusing, Mode::Hanging, Mode::Silent, full][random.below(4)])),
    };
    let delays = [0, 0, 5, 300, 999, 3500];
    net.peers[server].delay = Duration::from_millis(delays[random.below(delays.len())]);
    if random.one_in(2) {
        net.hang_up(server);
    }
}

fn ask(net: &mut Net, random: &mut Random, next: &mut u64) -> Option<Asked> {
    let client = random.below(net.clients.len());
    let mut delta = || {
        // Far apart, so that pieces of two do not make a third.
        *next += 1;
        (*next * 2_654_435_761) % 1_000_000_000_039
    };
    let at = net.now;
    let name = format!("key{}", random.below(20));
    let (id, kind, deltas) = match random.below(10) {
        0..5 => {
            let (delta, noreply) = (delta(), random.one_in(5));
            let incr = Operation::Incr { key: key(&name), delta, noreply };
            let kind = if noreply { Kind::Noreply } else { Kind::Incr };
            (net.try_submit_on(client, incr).ok()?, kind, vec![delta])
        }
        5 | 6 => {
            let deltas: Vec<_> = (0..1 + random.below(8)).map(|_| delta()).collect();
            let names: Vec<_> = deltas.iter().map(|_| format!("key{}", random.below(20))).collect();
            let quiet = random.one_in(2);
            let requests: Vec<_> = names
                .iter()
                .zip(&deltas)
                .map(|(name, &delta)| {
                    let meta_key = MetaKey::new(name.as_bytes()).expect("a key");
                    let one = MetaArithmetic::incr(meta_key, delta);
                    let one = if quiet { one.quiet() } else { one };
                    RoutedMeta::from(MetaRequest::Arithmetic(one))
                })
                .collect();
            let many = Operation::MetaMany { requests: &requests };
            let kind = if quiet { Kind::Quiet } else { Kind::Meta };
            (net.try_submit_on(client, many).ok()?, kind, deltas)
        }
        7 => (net.try_submit_on(client, get(&name)).ok()?, Kind::Other, vec![]),
        8 => {
            let value = vec![b'x'; random.below(2000)];
            (net.try_submit_on(client, set(&name, &value)).ok()?, Kind::Other, vec![])
        }
        _ => (net.try_submit_on(client, Operation::Version).ok()?, Kind::Other, vec![]),
    };
    Some(Asked { client, id, at, kind, deltas })
}

fn heard(net: &Net, delta: u64) -> bool {
    let plain = format!(" {delta}");
    let meta = format!(" D{delta}");
    net.peers.iter().any(|peer| {
        let text = String::from_utf8_lossy(peer.heard.as_ref().expect("kept")).into_owned();
        text.lines().any(|line| {
            let incr = line.strip_prefix("incr").map(|rest| rest.trim_end_matches(" noreply"));
            incr.is_some_and(|rest| rest.ends_with(&plain))
                || line.starts_with("ma ")
                    && line.split_whitespace().any(|word| word == meta.trim())
        })
    })
}

fn judge_one(
    net: &Net,
    log: &Log,
    denied: &mut Vec<u64>,
    kind: Kind,
    delta: u64,
    outcome: Result<(), Failure>,
) {
    let applied = log.borrow().get(&delta).copied().unwrap_or(0);
    match outcome {
        Ok(()) if kind == Kind::Incr || kind == Kind::Meta || kind == Kind::Quiet => {
            let most = 1 + usize::from(net.cluster().settings().resend_stores);
            assert!((1..=most).contains(&applied), "{delta} is done, {applied} times")
        }
        Ok(()) => {}
        Err(failure) if !failure.may_have_been_applied() => {
            let heard = !net.cluster().settings().debug && heard(net, delta);
            assert!(!heard, "{delta} was said not to be sent: {failure:?}");
            assert_eq!(applied, 0);
            denied.push(delta);
        }
        Err(_) => {}
    }
}

fn judge(net: &Net, log: &Log, denied: &mut Vec<u64>, one: &Asked, outcome: Outcome) {
    match one.kind {
        Kind::Incr => {
            let number = outcome.number();
            if let Ok(number) = &number {
                assert_eq!(*number, Some(one.deltas[0]), "the reply is another's");
            }
            judge_one(net, log, denied, one.kind, one.deltas[0], number.map(|_| ()));
        }
        Kind::Noreply => judge_one(net, log, denied, one.kind, one.deltas[0], outcome.sent()),
        Kind::Meta | Kind::Quiet => {
            let many = outcome.many().expect("many");
            assert_eq!(many.replies.len() + many.failed.len(), one.deltas.len());
            for (number, _) in many.replies {
                judge_one(net, log, denied, one.kind, one.deltas[number], Ok(()));
            }
            for (number, failure) in many.failed {
                judge_one(net, log, denied, one.kind, one.deltas[number], Err(failure));
            }
        }
        Kind::Other => {}
    }
}

fn collect(net: &mut Net, log: &Log, denied: &mut Vec<u64>, asked: Vec<Asked>) -> Vec<Asked> {
    let mut waiting = Vec::new();
    let limit = net.cluster().settings().operation_timeout.unwrap_or(SECOND * 40);
    for one in asked {
        match net.take_on(one.client, one.id) {
            Some(outcome) => judge(net, log, denied, &one, outcome),
            None => {
                assert!(net.now - one.at <= limit, "it takes {:?}", net.now - one.at);
                waiting.push(one);
            }
        }
    }
    waiting
}

fn once(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let settings = counter_settings(&mut random);
    let log = Log::default();
    let mut net = Net::with_clients(1 + random.below(4), 1 + random.below(3), settings);
    for peer in &mut net.peers {
        peer.answer = Box::new(Counter(Memory::default(), log.clone()));
    }
    net.cut = [1, 7, 50, 100_000][random.below(4)];
    net.eager = random.one_in(2);
    net.random = Some(Random(seed));
    let mut asked = Vec::new();
    let mut denied = Vec::new();
    let mut next = 1_000_000;
    for _ in 0..200 {
        match random.below(40) {
            0..20 => asked.extend(ask(&mut net, &mut random, &mut next)),
            20 | 21 => fault(&mut net, &mut random),
            22 if !asked.is_empty() => {
                let one: Asked = asked.swap_remove(random.below(asked.len()));
                net.cancel_on(one.client, one.id);
            }
            23 if random.one_in(8) => {
                let (now, at) = (net.now, random.below(net.clients.len()));
                match random.one_in(2) {
                    true => net.clients[at].disconnect_all(now),
                    false => net.clients[at].quit_all(now),
                }
            }
            24 if random.one_in(8) => {
                let client = random.below(net.clients.len());
                asked = collect(&mut net, &log, &mut denied, asked);
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
        asked = collect(&mut net, &log, &mut denied, asked);
    }
    for server in 0..net.peers.len() {
        net.peers[server].mode = Mode::Up;
        net.peers[server].room = None;
        net.peers[server].delay = Duration::ZERO;
        net.hang_up(server);
    }
    net.cut = 100_000;
    net.run();
    assert!(collect(&mut net, &log, &mut denied, asked).is_empty());
    net.drive();
    net.wait(SECOND * 40);
    for (delta, times) in log.borrow().iter() {
        let most = 1 + usize::from(net.cluster().settings().resend_stores);
        assert!(*times <= most, "{delta} was applied {times} times");
    }
    for delta in denied {
        assert!(!log.borrow().contains_key(&delta), "{delta} was denied and applied");
    }
    for client in &net.clients {
        assert!(client.is_idle());
    }
    for client in 0..net.clients.len() {
        for number in 0..20 {
            let name = format!("key{number}");
            let id = net.submit_on(client, set(&name, b"1"));
            net.run();
            let outcome = net.take_on(client, id).expect("done");
            assert_eq!(outcome.stored(), Ok(Stored::Stored), "{name} of {client}");
            let id = net.submit_on(client, get(&name));
            net.run();
            assert_eq!(net.take_on(client, id).map(value), Some(some("1")));
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long to soak is for whoever runs it to say")]
fn nothing_is_applied_twice_or_behind_a_denial() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("SOAK_FIRST").unwrap_or(0);
    for seed in first..first + number("SOAK_SEEDS").unwrap_or(100) {
        let outcome = std::panic::catch_unwind(|| once(seed));
        assert!(outcome.is_ok(), "with the seed {seed}");
    }
}
