//! Calls that wait because their server has enough to do.

use std::cell::Cell;
use std::rc::Rc;

use crate::*;

use crate::harness::Memory;
use memcache_async::proto::value::ValueRef;
use memcache_async::{Builder, Changed, Limits, Stored, ToValue, ValueError};

const BACKLOG: usize = 10_000;
const WINDOW: usize = 5_000;
/// What the pipe to the server holds.
const PIPE: usize = 2_000;
const VALUE: usize = 1_000;

/// A value that counts how often it is encoded: before that nothing of a call is kept.
struct Counted {
    value: String,
    taken_in: Rc<Cell<usize>>,
}

impl ToValue for Counted {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        self.taken_in.set(self.taken_in.get() + 1);
        self.value.to_value()
    }
}

type SetTask = Task<Result<(), Error>>;

/// A server that reads nothing until it is told to, and sets that wait for it.
struct Crowd {
    net: Net,
    client: Client,
    taken_in: Rc<Cell<usize>>,
    sets: Vec<SetTask>,
}

impl Crowd {
    fn new(operation_timeout: Option<Duration>) -> Self {
        let net = Net::new(1);
        net.world.state().pipe_len = PIPE;
        let limits = Limits { backlog: BACKLOG, window: WINDOW, ..Limits::default() };
        let mut builder = net.builder().limits(limits);
        if let Some(timeout) = operation_timeout {
            builder = builder.operation_timeout(timeout);
        }
        let client = builder.build().expect("a client");
        let mut crowd = Crowd { net, client, taken_in: Rc::default(), sets: Vec::new() };
        let warm = get(&crowd.client, "warm");
        drop(crowd.net.block_on(warm));
        crowd.net.set_mode(0, Mode::Deaf);
        crowd.net.peer(0, |peer| peer.heard.clear());
        crowd
    }

    /// The next set: of `set0`, then `set1`, and so on.
    fn set(&mut self) -> impl Future<Output = Result<(), Error>> + use<> {
        let (client, taken_in) = (self.client.clone(), self.taken_in.clone());
        let key = format!("set{}", self.sets.len());
        let value = Counted { value: "x".repeat(VALUE), taken_in };
        async move { client.set(key, value, Expiry::Never).await }
    }

    fn start(&mut self, count: usize) {
        for _ in 0..count {
            let set = self.set();
            let task = self.net.start(set);
            self.sets.push(task);
        }
        self.net.run();
    }

    /// A set that only the test polls, and is in the queue.
    fn hold(&mut self) -> usize {
        let set = self.set();
        let task = self.net.hold(set);
        assert!(!self.net.poll(&task));
        self.sets.push(task);
        self.sets.len() - 1
    }

    /// The server reads and answers.
    fn open(&mut self) {
        self.net.set_mode(0, Mode::Up);
    }

    /// The sets that the server has been sent, in order.
    fn heard(&self) -> Vec<usize> {
        let lines = self.net.peer(0, harness::Peer::lines);
        let number = |line: &String| line.strip_prefix("set set")?.split(' ').next()?.parse().ok();
        lines.iter().filter_map(number).collect()
    }

    fn assert_bounded(&self) {
        let bytes = self.taken_in.get() * (VALUE + 30);
        assert!(bytes <= BACKLOG + VALUE + 30, "{bytes} bytes were taken in");
    }
}

#[test]
fn what_is_kept_is_bounded_and_all_is_done_in_order() {
    for pieces in [Pieces::WHOLE, Pieces::of(1), Pieces { read: 10, write: 100, answer: 3 }] {
        let mut crowd = Crowd::new(None);
        crowd.net.world.state().pieces = pieces;
        crowd.start(500);
        crowd.assert_bounded();
        assert!(crowd.taken_in.get() >= BACKLOG / (VALUE + 30), "nobody waits for nothing");
        assert!(crowd.net.world.state().pipes[0].unread() <= PIPE);
        assert!(crowd.sets.iter().all(|set| !set.is_done()));
        crowd.open();
        // Those that come now do not overtake the others, and what is kept stays bounded.
        for round in 0..100 {
            for _ in 0..20 {
                crowd.net.step();
            }
            if round < 20 {
                let set = crowd.set();
                let task = crowd.net.start(set);
                crowd.sets.push(task);
            }
            let done = crowd.sets.iter().filter(|set| set.is_done()).count();
            let kept = (crowd.taken_in.get() - done) * VALUE;
            // Sets that are answered and not yet polled count as kept here.
            assert!(kept <= BACKLOG + WINDOW + VALUE, "{kept}");
        }
        crowd.net.run();
        for set in &crowd.sets {
            assert!(set.take().expect("all are done").is_ok());
        }
        assert_eq!(crowd.net.now(), Duration::ZERO);
        assert_eq!(crowd.heard(), Vec::from_iter(0..crowd.sets.len()));
    }
}

/// The wake that a dropped call has had goes to the next.
#[test]
fn a_call_that_is_dropped_in_the_queue_passes_its_turn_on() {
    for step in 0..80 {
        let mut crowd = Crowd::new(None);
        crowd.start(60);
        crowd.assert_bounded();
        let taken_in = crowd.taken_in.get();
        crowd.open();
        for _ in 0..step {
            crowd.net.step();
        }
        // Of those that wait every second one, whether it has been woken or not.
        let waiting = |crowd: &Crowd, at: usize| at >= crowd.taken_in.get() && at % 2 == 0;
        let dropped: Vec<_> =
            (taken_in..crowd.sets.len()).filter(|&at| waiting(&crowd, at)).collect();
        assert!(step > 40 || !dropped.is_empty());
        for &at in &dropped {
            crowd.net.drop_task(&crowd.sets[at]);
        }
        crowd.net.run();
        for (at, set) in crowd.sets.iter().enumerate() {
            assert_eq!(set.is_done(), !dropped.contains(&at), "{at}, after {step} steps");
            assert_eq!(crowd.net.wakers_kept(set), 0, "{at}, after {step} steps");
        }
        let all = 0..crowd.sets.len();
        let expected: Vec<_> = all.filter(|at| !dropped.contains(at)).collect();
        assert_eq!(crowd.heard(), expected);
        assert_eq!(crowd.net.now(), Duration::ZERO);
    }
}

/// Where there is room, but not for all of those who wait.
#[test]
fn nobody_overtakes_those_that_wait() {
    let mut crowd = Crowd::new(None);
    crowd.start(100);
    let (first, last) = (crowd.taken_in.get(), crowd.sets.len() - 1);
    crowd.open();
    while !crowd.net.is_woken(&crowd.sets[first]) {
        assert!(crowd.net.step());
    }
    assert!(!crowd.net.is_woken(&crowd.sets[last]));
    let taken_in = crowd.taken_in.get();
    let late = crowd.hold();
    assert_eq!(crowd.taken_in.get(), taken_in);
    crowd.net.release(&crowd.sets[late]);
    crowd.net.run();
    assert_eq!(crowd.heard(), Vec::from_iter(0..=late));
}

#[test]
fn whoever_is_woken_and_does_not_come_holds_up_nobody() {
    for held in [1, 15, 16, 17, 40] {
        let mut crowd = Crowd::new(None);
        crowd.start(20);
        let first = crowd.sets.len();
        for _ in 0..held {
            crowd.hold();
        }
        crowd.start(20);
        crowd.open();
        crowd.net.run();
        for (at, set) in crowd.sets.iter().enumerate() {
            assert_eq!(set.is_done(), !(first..first + held).contains(&at), "{at} of {held}");
        }
        // They come after all.
        for at in first..first + held {
            assert!(crowd.net.is_woken(&crowd.sets[at]));
            crowd.net.release(&crowd.sets[at]);
        }
        crowd.net.run();
        assert!(crowd.sets.iter().all(Task::is_done));
        assert_eq!(crowd.net.now(), Duration::ZERO);
    }
}

/// What a call costs does not depend on how many others wait: each is woken when it is its turn, and when
/// it is answered.
#[test]
fn nobody_is_woken_for_the_turns_of_others() {
    for count in [100, 1_000, 5_000] {
        let mut crowd = Crowd::new(None);
        crowd.start(count);
        let (polls, driver_polls) = (crowd.net.task_polls, crowd.net.driver_polls);
        crowd.open();
        crowd.net.run();
        assert!(crowd.sets.iter().all(Task::is_done));
        let polls = crowd.net.task_polls - polls;
        assert!(polls <= 2 * count + 20, "{polls} polls of {count} calls");
        let driver_polls = crowd.net.driver_polls - driver_polls;
        assert!(driver_polls <= 2 * count, "{driver_polls} polls of the driver for {count} calls");
    }
}

/// Each of those that do not come has the turn of one that would. That must not leave the connection to
/// few calls at a time, either.
#[test]
fn turns_that_nobody_takes_are_given_to_others() {
    for held in [0, 5, 9, 10, 100, 2_000] {
        let mut crowd = Crowd::new(None);
        crowd.start(20);
        for _ in 0..held {
            crowd.hold();
        }
        let writes = |crowd: &Crowd| crowd.net.world.state().pipes[0].writes;
        crowd.start(600);
        let (before, polls) = (writes(&crowd), crowd.net.driver_polls);
        crowd.open();
        crowd.net.run();
        let done = crowd.sets.iter().filter(|set| set.is_done()).count();
        assert_eq!(done, 620, "{held} are held");
        let writes = writes(&crowd) - before;
        assert!(writes <= 700, "{writes} writes while {held} are held");
        let polls = crowd.net.driver_polls - polls;
        assert!(polls <= 2 * 620, "{polls} polls of the driver while {held} are held");
    }
}

/// A call that fails when it is its turn, or is dropped before, leaves nothing behind: nobody waits any
/// more, so the next lone call does its own reading and writing.
#[test]
fn a_call_that_fails_on_its_turn_passes_it_on() {
    for (key, len, dropped) in [("long", 2 << 20, false), ("no key", 1, false), ("left", 1, true)] {
        let mut crowd = Crowd::new(None);
        crowd.start(20);
        let failing: Vec<_> = (0..30)
            .map(|_| {
                let client = crowd.client.clone();
                crowd.net.start(async move { client.set(key, "x".repeat(len), SECOND).await })
            })
            .collect();
        crowd.start(20);
        assert!(!failing.iter().any(Task::is_done));
        if dropped {
            failing.iter().for_each(|task| crowd.net.drop_task(task));
        }
        crowd.open();
        crowd.net.run();
        for task in failing {
            let failed = matches!(task.take(), Some(Err(Error::Rejected(_) | Error::Key(_))));
            assert!(dropped || failed, "{key}");
        }
        assert!(crowd.sets.iter().all(Task::is_done), "{key}");
        grow_lone(&mut crowd.net, &crowd.client);
        let polls = crowd.net.driver_polls;
        grow_lone(&mut crowd.net, &crowd.client);
        assert_eq!(crowd.net.driver_polls, polls, "{key}");
    }
}

/// Those that are woken and do not come hold up nobody when the connection ends, either.
#[test]
fn whoever_does_not_come_holds_up_nobody_where_the_connection_ends() {
    for end in ["lost", "closed", "left"] {
        for served in [0, 40, 80] {
            let mut crowd = Crowd::new(None);
            crowd.start(20);
            let first = crowd.sets.len();
            for _ in 0..40 {
                crowd.hold();
            }
            crowd.start(20);
            crowd.open();
            for _ in 0..served {
                crowd.net.step();
            }
            match end {
                "lost" => crowd.net.cut(0),
                "closed" => crowd.net.hang_up(0),
                _ => crowd.client.disconnect_all(),
            }
            crowd.net.run();
            for (at, set) in crowd.sets.iter().enumerate() {
                let held = (first..first + 40).contains(&at);
                assert_eq!(set.is_done(), !held, "{at}, {end} after {served} steps");
            }
            assert_eq!(crowd.net.now(), Duration::ZERO);
        }
    }
}

#[test]
fn a_call_that_waits_for_too_long_is_told_that_its_server_is_busy() {
    let mut crowd = Crowd::new(Some(SECOND));
    crowd.start(20);
    let taken_in = crowd.taken_in.get();
    crowd.net.advance(SECOND / 2);
    crowd.start(20);
    assert_eq!(crowd.taken_in.get(), taken_in);
    let count = |crowd: &Crowd| crowd.sets.iter().filter(|set| set.is_done()).count();
    crowd.net.advance(SECOND / 2 - Duration::from_nanos(1));
    assert_eq!(count(&crowd), 0);
    crowd.net.advance(Duration::from_nanos(1));
    for at in 0..20 {
        let error = crowd.sets[at].take().expect("its time is over").expect_err("no room");
        match error {
            Error::Busy => assert!(at >= taken_in),
            error => {
                assert!(at < taken_in);
                assert_eq!(failure(&error), &FailureKind::OperationTimeout);
            }
        }
    }
    assert_eq!(count(&crowd), 0, "the others have another half second");
    crowd.net.advance(SECOND / 2);
    for at in 20..40 {
        let error = crowd.sets[at].take().expect("its time is over").expect_err("no room");
        assert!(matches!(error, Error::Busy), "{at}: {error}");
    }
    assert_eq!(crowd.taken_in.get(), taken_in, "nothing of them was kept");
}

/// When all that had a timer is over, what is left of it still fills the connection.
#[test]
fn who_waits_behind_what_is_over_is_told_in_time() {
    let mut crowd = Crowd::new(Some(SECOND));
    crowd.start(20);
    crowd.net.advance(SECOND);
    assert!(crowd.sets.iter().all(Task::is_done));
    let began = crowd.net.now();
    crowd.start(1);
    let last = crowd.sets.last().expect("it was started");
    let error = crowd.net.finish(last).expect_err("no room");
    assert!(matches!(error, Error::Busy), "{error}");
    assert_eq!(crowd.net.now() - began, SECOND);
}

#[test]
fn those_that_wait_when_the_client_is_closed_are_told() {
    let mut crowd = Crowd::new(None);
    crowd.start(30);
    let taken_in = crowd.taken_in.get();
    let closing = crowd.net.start(close(&crowd.client));
    crowd.net.run();
    for (at, set) in crowd.sets.iter().enumerate() {
        assert_eq!(set.is_done(), at >= taken_in);
        if let Some(result) = set.take() {
            assert!(matches!(result, Err(Error::Closed)));
        }
    }
    crowd.open();
    crowd.net.finish(&closing);
    crowd.net.run();
    for set in &crowd.sets[..taken_in] {
        assert!(set.take().expect("it was under way").is_ok());
    }
    assert_eq!(crowd.net.now(), Duration::ZERO);
}

/// The server is given up, or lost, or left: whoever waits for it goes on.
#[test]
fn those_that_wait_go_on_when_the_connection_ends() {
    for (end, dead) in [("timeout", true), ("lost", false), ("closed", false), ("left", false)] {
        let mut crowd = Crowd::new(None);
        crowd.start(50);
        match end {
            "timeout" => crowd.net.advance(SOCKET_TIMEOUT),
            "lost" => crowd.net.world.state().pipes[0].cut(),
            "closed" => crowd.net.hang_up(0),
            _ => crowd.client.disconnect_all(),
        }
        crowd.open();
        crowd.net.run();
        let results: Vec<_> = crowd.sets.iter().map(|set| set.take().expect(end)).collect();
        let failed = results.iter().filter(|result| result.is_err()).count();
        assert_eq!(failed == results.len(), dead, "{end}: {failed}");
        for result in results.iter().filter_map(|result| result.as_ref().err()) {
            assert!(!matches!(result, Error::Busy | Error::Closed), "{end}: {result}");
        }
        crowd.assert_ended_well(dead);
    }
}

impl Crowd {
    fn assert_ended_well(&mut self, dead: bool) {
        if dead {
            self.net.advance(DEAD_RETRY);
        }
        let client = self.client.clone();
        let number = self.sets.len() - 1;
        let value = self.net.block_on(async move {
            let key = format!("set{number}");
            client.set(&*key, "new", Expiry::Never).await?;
            client.get::<String>(key).await
        });
        assert_eq!(value.expect("the server is there").as_deref(), Some("new"));
    }
}

/// A client of two servers that is connected to both, and keys of each of them.
fn of_two(
    change: impl FnOnce(Builder<Memory>) -> Builder<Memory>,
) -> (Net, Client, [Vec<String>; 2]) {
    let mut net = Net::new(2);
    net.world.state().pipe_len = PIPE;
    let limits = Limits { backlog: BACKLOG, window: WINDOW, ..Limits::default() };
    let client = change(net.builder().limits(limits)).build().expect("a client");
    let mut keys = [Vec::new(), Vec::new()];
    for number in 0..200 {
        let key = format!("key{number}");
        drop(net.block_on(get(&client, &key)));
        let server = usize::from(net.peer(0, |peer| peer.lines()).is_empty());
        keys[server].push(key);
    }
    (net, client, keys)
}

/// A call on many keys waits for each server that has enough to do, one after the other, and no longer
/// than it may.
#[test]
fn a_call_on_many_keys_keeps_its_place_and_its_time() {
    let (mut net, client, mut keys) = of_two(|builder| builder.operation_timeout(SECOND));
    for server in [0, 1] {
        net.set_mode(server, Mode::Deaf);
    }
    let mut fill_up = |net: &mut Net, server: usize, count: usize| {
        for key in keys[server].drain(..count) {
            let client = client.clone();
            net.start(async move { client.set(key, "x".repeat(VALUE), Expiry::Never).await });
        }
        net.run();
    };
    fill_up(&mut net, 0, 12);
    let many = {
        let client = client.clone();
        net.start(async move { client.delete_many(["a", "b", "c"]).await })
    };
    net.run();
    let began = net.now();
    net.advance(SECOND / 2);
    // Later comers at the other server.
    fill_up(&mut net, 1, 20);
    net.advance(SECOND / 4);
    net.set_mode(0, Mode::Up);
    net.run();
    assert!(!many.is_done(), "now it waits for the other server");
    let error = net.finish(&many).expect_err("it waits for too long");
    assert!(matches!(error, Error::Busy), "{error}");
    assert_eq!(net.now() - began, SECOND);
}

#[test]
fn meta_calls_wait_for_their_own_server_and_for_no_other() {
    let (mut net, client, keys) = of_two(|builder| builder);
    net.set_mode(0, Mode::Deaf);
    let taken_in = Rc::new(Cell::new(0));
    let sets = keys[0].iter().take(50).cloned().map(|key| {
        let (client, taken_in) = (client.clone(), taken_in.clone());
        let value = Counted { value: "x".repeat(VALUE), taken_in };
        net.start(async move { client.meta_set(key, value, Expiry::Never).await })
    });
    let sets = Vec::from_iter(sets);
    net.run();
    let bytes = taken_in.get() * VALUE;
    let fitting = BACKLOG / 2..=BACKLOG + VALUE;
    assert!(fitting.contains(&bytes), "{bytes} bytes were taken in");
    // One of each kind.
    let calls = {
        let (client, key) = (client.clone(), keys[1][0].clone());
        net.start(async move {
            let key = key.as_str();
            assert_eq!(client.meta_set(key, 1, Expiry::Never).await?, Stored::Stored);
            let item = client.meta_get::<u8>(key).await?.expect("it is there");
            assert_eq!(item.value, Some(1));
            assert!(client.item_info(key).await?.is_some());
            assert_eq!(client.incr_or_create(key, 1, 0, Expiry::Never).await?, 2);
            client.append_or_create(key, "0", Expiry::Never).await?;
            assert!(client.meta_debug(key).await?.is_some());
            assert_eq!(client.meta_delete(key).await?, Changed::Done);
            Ok::<_, Error>(())
        })
    };
    net.run();
    calls.take().expect("nothing keeps it waiting").expect("answered");
    assert!(sets.iter().all(|set| !set.is_done()));
    net.set_mode(0, Mode::Up);
    net.run();
    for set in sets {
        assert_eq!(set.take().expect("all are done").expect("answered"), Stored::Stored);
    }
    let heard = net.peer(0, |peer| peer.lines());
    let heard = heard.iter().filter_map(|line| line.strip_prefix("ms ")?.split(' ').next());
    assert_eq!(Vec::from_iter(heard), keys[0][..50].iter().collect::<Vec<_>>());
    assert_eq!(net.now(), Duration::ZERO);
}
