use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::task::{Context, Waker};

use memcache_proto::Time;
use memcache_proto::routing::ServerIndex;

use crate::shared::Effects;

/// The calls that wait because the connections to their server have enough to do. Of each server's the
/// one that came first goes first.
///
/// Only as many of them are woken as there is room for, so a call costs the same however many others
/// wait. A call that is woken has a turn until it is taken in, has to sleep again, or is dropped. Its
/// future may also be left unpolled for as long as its owner likes: see [`pass_on`](Room::pass_on).
#[derive(Default)]
pub(crate) struct Room {
    /// The servers that calls sleep for or have turns at.
    queues: BTreeMap<ServerIndex, Queue>,
    /// How many calls have a ticket.
    waiting: usize,
    next: u64,
}

/// A place in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) server: ServerIndex,
    number: u64,
}

/// Those who wait for one server, by number: in the order in which they came.
struct Queue {
    asleep: BTreeMap<u64, Sleeper>,
    /// Those who have been woken because there is room, and have not come yet.
    turns: BTreeSet<u64>,
    /// How many bytes a call takes, on average; at least 1.
    mean: usize,
    /// How often turns were passed on since there last was much to do.
    passed_on: u32,
}

struct Sleeper {
    deadline: Option<Time>,
    waker: Waker,
}

/// How many bytes a call is taken for before there has been one.
const FIRST_MEAN: usize = 1 << 10;

/// How much the bytes of one call change the mean.
const SHARE: usize = 8;

impl Default for Queue {
    fn default() -> Self {
        let (asleep, turns) = (BTreeMap::new(), BTreeSet::new());
        Queue { asleep, turns, mean: FIRST_MEAN, passed_on: 0 }
    }
}

impl Room {
    /// How many calls wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Whether nobody sleeps in the queue of this server. Who is awake may be a future that is not
    /// polled any more; nobody waits for that.
    pub(crate) fn is_free(&self, server: ServerIndex) -> bool {
        self.queues.get(&server).is_none_or(|queue| queue.asleep.is_empty())
    }

    /// The first server after this one that a call sleeps for.
    pub(crate) fn next_server(&self, after: Option<ServerIndex>) -> Option<ServerIndex> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut later = self.queues.range((start, Bound::Unbounded));
        later.find(|(_, queue)| !queue.asleep.is_empty()).map(|(&server, _)| server)
    }

    /// A place at the end of a queue. Next call [`sleep`](Self::sleep).
    pub(crate) fn wait(&mut self, server: ServerIndex) -> Ticket {
        let number = self.next;
        self.next += 1;
        self.waiting += 1;
        Ticket { server, number }
    }

    /// Has a call sleep in its place until it is woken; it has no turn any more.
    pub(crate) fn sleep(
        &mut self,
        ticket: Ticket,
        deadline: Option<Time>,
        cx: &Context<'_>,
        effects: &mut Effects,
    ) {
        let queue = self.queues.entry(ticket.server).or_default();
        queue.turns.remove(&ticket.number);
        match queue.asleep.get_mut(&ticket.number) {
            Some(sleeper) if sleeper.waker.will_wake(cx.waker()) => {}
            _ => {
                let sleeper = Sleeper { deadline, waker: cx.waker().clone() };
                let former = queue.asleep.insert(ticket.number, sleeper);
                effects.unused.put(former.map(|former| former.waker));
            }
        }
    }

    /// Whether it has been woken since it went to sleep.
    pub(crate) fn is_awake(&self, ticket: Ticket) -> bool {
        let queue = self.queues.get(&ticket.server);
        queue.is_none_or(|queue| !queue.asleep.contains_key(&ticket.number))
    }

    /// The same place in the queue of another server: all are in the order in which calls came, so in
    /// that of their deadlines. Next call [`sleep`](Self::sleep).
    pub(crate) fn change(
        &mut self,
        ticket: Ticket,
        server: ServerIndex,
        effects: &mut Effects,
    ) -> Ticket {
        self.remove(ticket, effects);
        Ticket { server, ..ticket }
    }

    /// Takes a call out of its queue for good.
    pub(crate) fn leave(&mut self, ticket: Ticket, effects: &mut Effects) {
        self.remove(ticket, effects);
        self.waiting -= 1;
    }

    /// As [`leave`](Self::leave), of a call that has been taken in, and has added so many bytes to those
    /// that wait for the server of its ticket.
    pub(crate) fn enter(&mut self, ticket: Ticket, len: usize, effects: &mut Effects) {
        if let Some(queue) = self.queues.get_mut(&ticket.server).filter(|_| len > 0) {
            queue.mean = ((queue.mean * (SHARE - 1) + len) / SHARE).max(1);
        }
        self.leave(ticket, effects);
    }

    fn remove(&mut self, ticket: Ticket, effects: &mut Effects) {
        let Some(queue) = self.queues.get_mut(&ticket.server) else { return };
        if !queue.turns.remove(&ticket.number) {
            let sleeper = queue.asleep.remove(&ticket.number);
            effects.unused.put(sleeper.map(|sleeper| sleeper.waker));
        }
        self.forget_unused(ticket.server);
    }

    /// Gives turns to as many as there is room for, where `queued` bytes wait for the server already.
    pub(crate) fn let_in(
        &mut self,
        server: ServerIndex,
        queued: usize,
        backlog: usize,
        wakers: &mut Vec<Waker>,
    ) {
        let Some(queue) = self.queues.get_mut(&server) else { return };
        let fits = backlog.saturating_sub(queued).div_ceil(queue.mean);
        queue.give_turns(fits.max(1).saturating_sub(queue.turns.len()), wakers);
    }

    /// There is much to do for this server: the turns that were given are taken.
    pub(crate) fn is_busy(&mut self, server: ServerIndex) {
        if let Some(queue) = self.queues.get_mut(&server) {
            queue.passed_on = 0;
        }
    }

    /// There is nothing to do for this server though calls sleep, so those that have turns may be futures
    /// that are not polled any more. The first time they are given the time to come. After that their
    /// turns go to those who came later: one turn, then two, then four, so that any number of such
    /// futures is passed soon.
    pub(crate) fn pass_on(&mut self, server: ServerIndex, wakers: &mut Vec<Waker>) {
        let asleep = |queue: &&mut Queue| !queue.asleep.is_empty();
        let Some(queue) = self.queues.get_mut(&server).filter(asleep) else { return };
        let time = queue.passed_on;
        queue.passed_on = time.saturating_add(1);
        let Some(doublings) = time.checked_sub(1) else { return };
        let count = 1_usize.checked_shl(doublings).unwrap_or(usize::MAX);
        let given = queue.give_turns(count, wakers);
        for _ in 0..given {
            queue.turns.pop_first();
        }
    }

    /// Wakes those who have waited for too long. They have no turn.
    pub(crate) fn expire(&mut self, now: Time, wakers: &mut Vec<Waker>) {
        for queue in self.queues.values_mut() {
            let late = |sleeper: &Sleeper| sleeper.deadline.is_some_and(|at| at <= now);
            while let Some(first) = queue.asleep.first_entry().filter(|first| late(first.get())) {
                wakers.push(first.remove().waker);
            }
        }
        self.queues.retain(|_, queue| !queue.is_unused());
    }

    /// When the next of them has waited for too long.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        let first = |queue: &Queue| queue.asleep.first_key_value()?.1.deadline;
        self.queues.values().filter_map(first).min()
    }

    /// Wakes all who sleep for a server. They have no turn, as nobody will pass it on.
    pub(crate) fn wake_all_of(&mut self, server: ServerIndex, wakers: &mut Vec<Waker>) {
        if let Some(queue) = self.queues.get_mut(&server) {
            wakers.extend(std::mem::take(&mut queue.asleep).into_values().map(|all| all.waker));
            self.forget_unused(server);
        }
    }

    /// Wakes all.
    pub(crate) fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        let all = std::mem::take(&mut self.queues).into_values();
        wakers.extend(all.flat_map(|queue| queue.asleep.into_values()).map(|all| all.waker));
    }

    fn forget_unused(&mut self, server: ServerIndex) {
        if self.queues.get(&server).is_some_and(Queue::is_unused) {
            self.queues.remove(&server);
        }
    }
}

impl Queue {
    /// Wakes the first `count` that sleep. Returns how many there were.
    fn give_turns(&mut self, count: usize, wakers: &mut Vec<Waker>) -> usize {
        for given in 0..count {
            let Some((number, sleeper)) = self.asleep.pop_first() else { return given };
            self.turns.insert(number);
            wakers.push(sleeper.waker);
        }
        count
    }

    fn is_unused(&self) -> bool {
        self.asleep.is_empty() && self.turns.is_empty()
    }
}
