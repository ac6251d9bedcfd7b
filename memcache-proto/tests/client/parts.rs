//! Operations whose keys are given part by part.

use crate::*;

/// How many keys a part has here.
const PART: usize = 100;

/// Gives the parts of an operation one after the other.
struct Feeder<'a> {
    parts: Vec<Operation<'a>>,
    /// How many parts have been given.
    given: usize,
    /// The most bytes that ever waited for a server.
    most_queued: usize,
}

impl<'a> Feeder<'a> {
    fn new(parts: impl Iterator<Item = Operation<'a>>) -> Self {
        Feeder { parts: parts.collect(), given: 0, most_queued: 0 }
    }

    fn is_last(&self) -> bool {
        self.given == self.parts.len()
    }

    fn submit(&mut self, net: &mut Net) -> OperationId {
        let [first, rest @ ..] = &*self.parts else { panic!("there is a part") };
        self.given = 1;
        let id =
            if rest.is_empty() { net.submit(*first) } else { net.submit(Operation::Part(first)) };
        self.feed(net, id);
        id
    }

    fn feed(&mut self, net: &mut Net, id: OperationId) {
        while net.clients[0].is_hungry(id) {
            let part = &self.parts[self.given];
            self.given += 1;
            let part = if self.is_last() { *part } else { Operation::Part(part) };
            net.clients[0].feed(id, part, net.now);
        }
        for server in 0..net.peers.len() {
            let server = ServerIndex::new(u32::try_from(server).expect("a few servers"));
            self.most_queued = self.most_queued.max(net.clients[0].queued_bytes(server));
        }
    }

    /// Goes on until the operation is done.
    fn run(&mut self, net: &mut Net, id: OperationId) -> Many {
        while !net.is_done(id) {
            if !net.step() {
                assert!(net.pass(), "it never ends");
            }
            self.feed(net, id);
        }
        net.take(id).many().expect("many keys")
    }

    fn perform(&mut self, net: &mut Net) -> Many {
        let id = self.submit(net);
        self.run(net, id)
    }
}

fn keys(names: &[String]) -> Vec<RoutedKey<'_>> {
    names.iter().map(|name| key(name)).collect()
}

fn gets<'a>(keys: &'a [RoutedKey<'a>]) -> Feeder<'a> {
    Feeder::new(keys.chunks(PART).map(|keys| get_many(keys)))
}

/// However many keys there are, no more than a backlog and two parts of them wait for a server.
#[test]
fn an_operation_of_any_size_takes_little_room() {
    for (servers, window, backlog) in [(1, 64 << 10, 128 << 10), (3, 100, 4000), (3, 64 << 10, 0)] {
        let limits = Limits { window, backlog, ..Limits::default() };
        let mut net = Net::new(servers, Settings { limits, ..Settings::default() });
        net.cut = 5000;
        for peer in &mut net.peers {
            peer.heard = None;
        }
        let names = names(20_000);
        let values: Vec<_> = names.iter().map(|name| format!("value of {name}")).collect();
        let items: Vec<_> =
            names.iter().zip(&values).map(|(name, value)| item(name, value.as_bytes())).collect();
        let keys = keys(&names);
        let (verb, noreply, exptime) = (StoreVerb::Set, false, Exptime::NEVER);
        let stores = items.chunks(PART).map(|items| Operation::StoreMany { verb, items, noreply });
        let mut stores = Feeder::new(stores);
        assert_eq!(stores.perform(&mut net), Many::default());
        let mut gets = gets(&keys);
        let many = gets.perform(&mut net);
        assert_eq!((found(&many, &names).len(), many.failed.len()), (names.len(), 0));
        let touch = |keys| Operation::TouchMany { keys, exptime, noreply };
        let mut touches = Feeder::new(keys.chunks(PART).map(touch));
        assert_eq!(touches.perform(&mut net), Many::default());
        let delete = |keys| Operation::DeleteMany { keys, noreply: true };
        let mut deletes = Feeder::new(keys.chunks(PART).map(delete));
        assert_eq!(deletes.perform(&mut net), Many::default());
        for feeder in [&stores, &gets, &touches, &deletes] {
            assert!(feeder.is_last());
            // 60 bytes take more than a store of these.
            assert!(feeder.most_queued < backlog + 2 * PART * 60, "{}", feeder.most_queued);
        }
        assert!(net.clients[0].is_idle());
        assert_eq!(net.perform(get_many(&keys[..PART])).many().map(|many| many.items.len()), Ok(0));
    }
}

#[test]
fn keys_are_numbered_from_the_first_part_on() {
    let mut net = Net::new(2, Settings::default());
    let names = names(5);
    fill(&mut net, &names[..4]);
    let keys = keys(&names);
    let delete = |keys| Operation::DeleteMany { keys, noreply: false };
    // One of them is empty, and that none is left is known late.
    let parts =
        [delete(&keys[4..]), delete(&[]), delete(&keys[..2]), delete(&keys[4..]), delete(&[])];
    let many = Feeder::new(parts.into_iter()).perform(&mut net);
    let mut replies = many.replies;
    replies.sort_unstable_by_key(|&(number, _)| number);
    assert_eq!(replies, [(0, Reply::NotFound), (3, Reply::NotFound)]);
    assert_eq!((many.failed, many.rest), (Vec::new(), None));
    // A part in a part, and one of one key.
    let first = get("key2");
    let id = net.submit(Operation::Part(&Operation::Part(&first)));
    net.clients[0].feed(id, get_many(&keys[3..]), net.now);
    net.run();
    let many = net.take(id).many().expect("many keys");
    let mut found: Vec<_> = many.items.iter().map(|(number, item)| (number, item.value)).collect();
    found.sort_unstable();
    assert_eq!(found, [(0, &b"value of key2"[..]), (1, b"value of key3")]);
}

/// What is sent does not depend on how much of a part had been sent when the next one was given.
#[test]
fn each_part_has_commands_of_its_own() {
    let names = names(2_000);
    let keys = keys(&names);
    for merge_gets in [false, true] {
        let heard = [1, 700, usize::MAX].map(|cut| {
            let limits = Limits { backlog: 5_000, ..Limits::default() };
            let mut net = Net::new(2, Settings { limits, merge_gets, ..Settings::default() });
            net.cut = cut;
            gets(&keys).perform(&mut net);
            (0..2).map(|server| net.heard(server)).collect::<Vec<_>>()
        });
        assert_eq!(heard[0], heard[1]);
        assert_eq!(heard[0], heard[2]);
        let lines = heard[0].iter().map(|heard| heard.lines().count()).sum::<usize>();
        assert_eq!(lines, 2 * names.len() / PART);
    }
}

/// What kept an operation from being given whole is told, and nothing of the rest is sent.
#[test]
fn an_operation_that_ends_early_says_why() {
    let operation_timeout = Some(SECOND);
    let settings = || Settings { operation_timeout, ..Settings::default() };
    type End = fn(&mut Net);
    let ends: [(End, FailureKind); 2] = [
        (|net| net.wait(SECOND), FailureKind::OperationTimeout),
        (|net| net.clients[0].disconnect_all(net.now), FailureKind::Disconnected),
    ];
    let names = names(20_000);
    let keys = keys(&names);
    for (end, kind) in ends {
        let mut net = Net::new(2, settings());
        net.peers.iter_mut().for_each(|peer| peer.mode = Mode::Silent);
        let mut feeder = gets(&keys);
        let id = feeder.submit(&mut net);
        net.drive();
        feeder.feed(&mut net, id);
        let given = feeder.given * PART;
        assert!(given < names.len() && !net.clients[0].is_hungry(id));
        assert!(!net.clients[0].is_idle());
        end(&mut net);
        net.run();
        let many = net.take(id).many().expect("many keys");
        let rest = many.rest.expect("some were not given");
        assert_eq!((rest.delivery, &rest.kind), (Delivery::NotSent, &kind));
        let mut failed: Vec<_> = many.failed.iter().map(|(number, _)| *number).collect();
        failed.sort_unstable();
        assert_eq!(failed, (0..given).collect::<Vec<_>>());
        // It takes nothing in any more.
        assert!(!net.clients[0].is_hungry(id));
        net.clients[0].feed(id, get_many(&keys), net.now);
        net.wait(DEAD_RETRY);
        let heard = (0..2).map(|server| net.heard(server)).collect::<String>();
        assert!(heard.contains(" key1 ") && !heard.contains(" key19999"), "{kind:?}");
    }
}

/// An operation that waits for keys is under way, whatever its connections do.
#[test]
fn a_client_that_waits_for_keys_is_not_idle() {
    let mut net = Net::new(1, Settings::default());
    let first = get("key0");
    for cancel in [false, true] {
        let id = net.submit(Operation::Part(&first));
        net.drive();
        assert!(net.clients[0].is_hungry(id) && !net.is_done(id));
        assert!(!net.clients[0].is_idle());
        if cancel {
            net.cancel(id);
        } else {
            net.reset(0);
        }
        assert!(net.clients[0].is_idle() && !net.clients[0].is_hungry(id));
        net.clients[0].feed(id, first, net.now);
        assert!(net.clients[0].is_idle());
    }
    assert_eq!(value(net.get("key0")), None);
}

/// The keys of a server that dies go elsewhere, also those that are given later.
#[test]
fn a_server_that_dies_on_the_way_is_passed_over() {
    for mode in [Mode::Refusing, Mode::Hanging, Mode::Silent, Mode::ClosesAt(30_000)] {
        let mut net = Net::new(3, Settings::default());
        net.peers[1].mode = mode;
        let names = names(20_000);
        let keys = keys(&names);
        let mut feeder = gets(&keys);
        let many = feeder.perform(&mut net);
        assert!(feeder.is_last(), "{mode:?}");
        assert_eq!(many.rest, None, "{mode:?}");
        // What it had when it was found dead is lost, unless it never connected.
        let most = if mode == Mode::Silent { 70 << 10 } else { 0 } / "key10000 ".len();
        let failed = many.failed.len();
        assert!(failed <= most, "{mode:?}: {failed}");
        assert!(many.failed.iter().all(|(_, failure)| failure.server.is_some()), "{mode:?}");
        assert!(net.clients[0].is_idle(), "{mode:?}");
    }
}
