//! Calls on many keys, whose keys are given part by part as there is room for them.

use std::cell::Cell;
use std::rc::Rc;

use crate::*;

use memcache_async::proto::value::ValueRef;
use memcache_async::{GetStream, Limits, Many, ToValue, ValueError};
use smol::stream::StreamExt;

const BACKLOG: usize = 10_000;
const VALUE: usize = 100;
/// What a set of such a value takes, about.
const SET: usize = VALUE + 30;

/// A value that counts how often it is encoded: before that nothing of it is kept.
#[derive(Clone)]
struct Counted(Rc<Cell<usize>>);

impl ToValue for Counted {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        self.0.set(self.0.get() + 1);
        Ok(ValueRef::from(&[b'x'; VALUE][..]))
    }
}

/// A client of one server, and a set of many items.
struct Bulk {
    net: Net,
    client: Client,
    /// How many items have been encoded.
    taken_in: Rc<Cell<usize>>,
    task: Task<Result<Many<usize, String>, Error>>,
}

impl Bulk {
    fn new(items: usize, mode: Mode) -> Self {
        let mut net = Net::new(1);
        net.world.state().pipe_len = 2_000;
        let limits = Limits { backlog: BACKLOG, window: BACKLOG / 2, ..Limits::default() };
        let client = net.builder().limits(limits).build().expect("a client");
        drop(net.block_on(get(&client, "warm")));
        net.set_mode(0, mode);
        net.peer(0, |peer| peer.heard.clear());
        let (taken_in, of_call) = (Rc::default(), client.clone());
        let value = Counted(Rc::clone(&taken_in));
        let items: Vec<_> = (0..items).map(|at| (format!("bulk{at}"), value.clone())).collect();
        let task = net.start(async move { of_call.set_many(items, Expiry::Never).await });
        Bulk { net, client, taken_in, task }
    }

    fn set(&mut self, key: String) -> Task<Result<(), Error>> {
        let client = self.client.clone();
        self.net.start(async move { client.set(key, "x".repeat(VALUE), Expiry::Never).await })
    }

    /// The keys that the server has been sent, in order.
    fn heard(&self) -> Vec<String> {
        let lines = self.net.peer(0, harness::Peer::lines);
        let key = |line: &String| Some(line.strip_prefix("set ")?.split(' ').next()?.to_owned());
        lines.iter().filter_map(key).collect()
    }
}

#[test]
fn what_is_kept_of_a_large_call_is_bounded() {
    let mut bulk = Bulk::new(5_000, Mode::Deaf);
    bulk.net.run();
    let taken_in = bulk.taken_in.get() * SET;
    assert!(taken_in > BACKLOG / 2 - SET, "{taken_in}: nobody waits for nothing");
    assert!(taken_in < BACKLOG / 2 + BACKLOG / 4, "{taken_in}");
    bulk.net.set_mode(0, Mode::Up);
    bulk.net.run();
    let stored = bulk.task.take().expect("it is done").expect("asked");
    assert_eq!((stored.result, stored.failed.len()), (5_000, 0));
    assert_eq!(bulk.heard(), (0..5_000).map(|at| format!("bulk{at}")).collect::<Vec<_>>());
    assert_eq!(bulk.net.now(), Duration::ZERO);
}

/// Neither waits for the end of the other.
#[test]
fn a_large_call_and_many_small_ones_take_turns() {
    const TASKS: usize = 200;
    const EACH: usize = 30;
    for server_first in [false, true] {
        let mut bulk = Bulk::new(5_000, if server_first { Mode::Up } else { Mode::Deaf });
        for task in 0..TASKS {
            let client = bulk.client.clone();
            bulk.net.start(async move {
                for at in 0..EACH {
                    let value = "x".repeat(VALUE);
                    client.set(format!("{task}.{at}"), value, Expiry::Never).await.expect("stored");
                }
            });
        }
        bulk.net.run();
        bulk.net.set_mode(0, Mode::Up);
        bulk.net.run();
        let stored = bulk.task.take().expect("it is done").expect("asked");
        assert_eq!((stored.result, stored.failed.len()), (5_000, 0));
        let heard = bulk.heard();
        assert_eq!(heard.len(), 5_000 + TASKS * EACH);
        // As long as both have something to say neither says more than fits into the backlog or has
        // everybody else's turn come twice.
        let of_bulk: Vec<_> = heard.iter().map(|key| key.starts_with("bulk")).collect();
        let end = of_bulk.iter().rposition(|&it| it).min(of_bulk.iter().rposition(|&it| !it));
        let both = &of_bulk[..end.expect("both have said something")];
        let longest = |kind| both.split(|&it| it != kind).map(<[bool]>::len).max().unwrap_or(0);
        assert!(longest(true) <= BACKLOG / SET, "{}", longest(true));
        assert!(longest(false) <= 2 * TASKS, "{}", longest(false));
        assert!(both.len() > 2_000, "{}", both.len());
        assert_eq!(bulk.net.now(), Duration::ZERO);
    }
}

/// Nothing more of a call that is dropped is sent, and nobody waits for it.
#[test]
fn a_large_call_may_be_dropped_at_any_point() {
    for step in 0..100 {
        let mut bulk = Bulk::new(1_000, Mode::Up);
        let sets: Vec<_> = (0..20).map(|at| bulk.set(format!("set{at}"))).collect();
        for _ in 0..step {
            bulk.net.step();
        }
        bulk.net.drop_task(&bulk.task);
        let taken_in = bulk.taken_in.get();
        let last = bulk.set("last".to_owned());
        bulk.net.run();
        assert_eq!(bulk.taken_in.get(), taken_in, "{step}");
        for set in sets.iter().chain([&last]) {
            assert!(set.take().expect("it is done").is_ok(), "{step}");
            assert_eq!(bulk.net.wakers_kept(set), 0, "{step}");
        }
        assert_eq!(bulk.net.wakers_kept(&bulk.task), 0, "{step}");
        let of_bulk = bulk.heard().iter().filter(|key| key.starts_with("bulk")).count();
        assert!(of_bulk <= taken_in, "{step}");
        assert_eq!(bulk.net.now(), Duration::ZERO);
    }
}

/// In good order all of it is sent; at once nothing more is. Either way the call ends.
#[test]
fn a_large_call_ends_with_its_client() {
    for in_good_order in [true, false] {
        let mut bulk = Bulk::new(5_000, Mode::Deaf);
        bulk.net.run();
        let closed = in_good_order.then(|| {
            let close = close(&bulk.client);
            bulk.net.start(close)
        });
        if !in_good_order {
            bulk.client.disconnect_all();
        }
        bulk.net.run();
        bulk.net.set_mode(0, Mode::Up);
        bulk.net.run();
        let stored = bulk.task.take().expect("it is done").expect("asked");
        if in_good_order {
            assert_eq!((stored.result, stored.failed.len()), (5_000, 0));
            assert!(closed.is_some_and(|task| task.is_done()));
        } else {
            assert_eq!((stored.result, stored.failed.len()), (0, 5_000));
            let sent = stored.failed.iter().filter(|key| key.error.may_have_been_applied()).count();
            assert!(sent * SET < BACKLOG, "{sent}");
        }
    }
}

/// The keys that were not given when the time was over were not sent.
#[test]
fn a_large_call_ends_in_time() {
    let net = Net::new(1);
    let client = net.builder().operation_timeout(SECOND).build().expect("a client");
    let mut net = net;
    net.set_mode(0, Mode::Silent);
    let keys: Vec<_> = (0..50_000).map(|at| format!("key{at}")).collect();
    let found = net.block_on(async move { client.get_many::<String, _>(keys).await });
    let found = found.expect("asked");
    assert_eq!(found.failed.len(), 50_000);
    let kinds = found.failed.iter().map(|failed| match &failed.error {
        Error::Server { failure, .. } => &failure.kind,
        other => panic!("{other}"),
    });
    assert!(kinds.into_iter().all(|kind| *kind == FailureKind::OperationTimeout));
    assert_eq!(net.now(), SECOND);
}

type Text = GetStream<String, String>;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("key{at}")).collect()
}

/// Values come as they are taken: what waits for somebody who takes none is bounded.
#[test]
fn a_stream_gives_what_comes_and_asks_for_more_as_it_is_taken() {
    const KEYS: usize = 50_000;
    let mut net = Net::new(2);
    let limits = Limits { backlog: BACKLOG, window: BACKLOG / 2, ..Limits::default() };
    let client = net.builder().limits(limits).build().expect("a client");
    let names = names(KEYS);
    for (server, name) in names.iter().enumerate() {
        // Each server has half of them, its own or not.
        if server % 2 == 0 {
            fill(&net, [name]);
        }
    }
    let mut found: Text = client.get_stream(names.clone());
    let first = net.start(async move { (found.next().await, found) });
    net.run();
    let (item, mut found) = first.take().expect("it has come");
    let (key, value) = item.expect("one").expect("answered");
    assert_eq!(value, value_of(&key));
    net.run();
    let asked = |net: &Net| {
        let lines = (0..2).flat_map(|server| net.peer(server, harness::Peer::lines));
        lines.map(|line| line.split(' ').count() - 1).sum::<usize>()
    };
    let at_first = asked(&net);
    assert!(at_first < KEYS / 4, "{at_first}");
    let rest = net.block_on(async move {
        let mut rest = 0;
        while let Some(item) = found.next().await {
            let (key, value) = item.expect("answered");
            assert_eq!(value, value_of(&key));
            rest += 1;
        }
        assert!(found.next().await.is_none());
        rest
    });
    assert_eq!((rest + 1, at_first + asked(&net)), (KEYS / 2, KEYS));
}

#[test]
fn a_stream_ends_with_its_failures() {
    let mut net = Net::new(1);
    let client = net.client();
    fill(&net, ["key0"]);
    let found: Text = client.get_stream(["key0", "a key", "nothing"].map(str::to_owned));
    let items = net.block_on(found.collect::<Vec<_>>());
    let [Ok((key, _)), Err(error)] = &*items else { panic!("{items:?}") };
    assert_eq!(key, "key0");
    assert!(matches!(error, Error::OfKey { number: 1, .. }), "{error}");
    // A call that fails whole is one error.
    let client = net.client();
    let end = close(&client);
    net.block_on(end);
    let found: Text = client.get_stream(names(3));
    let items = net.block_on(found.collect::<Vec<_>>());
    assert!(matches!(*items, [Err(Error::Closed)]), "{items:?}");
}
