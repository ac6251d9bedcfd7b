use std::collections::VecDeque;
use std::task::{Context, Waker};

use memcache_proto::Time;
use memcache_proto::routing::ServerIndex;

use crate::shared::Effects;

/// The calls that wait because the connections to their server have enough to do. Of each server's the
/// one that came first goes first.
#[derive(Default)]
pub(crate) struct Room {
    /// By server.
    queues: Vec<VecDeque<Waiting>>,
    waiting: usize,
    next: u64,
}

/// A place in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) server: ServerIndex,
    number: u64,
}

struct Waiting {
    number: u64,
    deadline: Option<Time>,
    /// `None` where it has been woken, so that it is its turn.
    waker: Option<Waker>,
}

impl Room {
    pub(crate) fn new(servers: usize) -> Self {
        Room { queues: (0..servers).map(|_| VecDeque::new()).collect(), waiting: 0, next: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Whether nobody sleeps in the queue of this server. Who is awake may be a future that is not
    /// polled any more; nobody waits for that.
    pub(crate) fn is_free(&self, server: ServerIndex) -> bool {
        let Some(queue) = self.queues.get(server.index()) else { return true };
        queue.iter().all(|waiting| waiting.waker.is_none())
    }

    /// Puts a call at the end of a queue.
    pub(crate) fn wait(&mut self, server: ServerIndex, deadline: Option<Time>) -> Ticket {
        let number = self.next;
        self.next += 1;
        if let Some(queue) = self.queues.get_mut(server.index()) {
            queue.push_back(Waiting { number, deadline, waker: None });
            self.waiting += 1;
        }
        Ticket { server, number }
    }

    /// Puts a call that has waited in one queue where it belongs in another: all are in the order in which
    /// calls came, so in that of their deadlines.
    pub(crate) fn change(
        &mut self,
        ticket: Ticket,
        server: ServerIndex,
        deadline: Option<Time>,
        effects: &mut Effects,
    ) -> Ticket {
        self.leave(ticket, effects);
        let Ticket { number, .. } = ticket;
        if let Some(queue) = self.queues.get_mut(server.index()) {
            let at = queue.partition_point(|waiting| waiting.number < number);
            queue.insert(at, Waiting { number, deadline, waker: None });
            self.waiting += 1;
        }
        Ticket { server, number }
    }

    /// Who is to be woken when it is this one's turn.
    pub(crate) fn sleep(&mut self, ticket: Ticket, cx: &Context<'_>, effects: &mut Effects) {
        if let Some(waiting) = self.get_mut(ticket) {
            effects.put_waker(&mut waiting.waker, cx);
        }
    }

    /// Whether it has been woken since it went to sleep, or never slept.
    pub(crate) fn is_awake(&mut self, ticket: Ticket) -> bool {
        self.get_mut(ticket).is_none_or(|waiting| waiting.waker.is_none())
    }

    /// Takes a call out of its queue.
    pub(crate) fn leave(&mut self, ticket: Ticket, effects: &mut Effects) {
        let Some(queue) = self.queues.get_mut(ticket.server.index()) else { return };
        if let Ok(at) = queue.binary_search_by_key(&ticket.number, |waiting| waiting.number) {
            let left = queue.remove(at);
            effects.unused.extend(left.and_then(|waiting| waiting.waker));
            self.waiting -= 1;
        }
    }

    /// Wakes the first `count` that sleep in the queue of a server.
    pub(crate) fn wake(&mut self, server: ServerIndex, count: usize, wakers: &mut Vec<Waker>) {
        let queue = self.queues.get_mut(server.index()).into_iter().flatten();
        wakers.extend(queue.filter_map(|waiting| waiting.waker.take()).take(count));
    }

    /// Wakes those who have waited for too long.
    pub(crate) fn expire(&mut self, now: Time, wakers: &mut Vec<Waker>) {
        let late = |waiting: &&mut Waiting| waiting.deadline.is_some_and(|at| at <= now);
        for queue in &mut self.queues {
            wakers.extend(queue.iter_mut().take_while(late).filter_map(|late| late.waker.take()));
        }
    }

    /// When the next of them has waited for too long.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        if self.waiting == 0 {
            return None;
        }
        let asleep = |queue: &VecDeque<Waiting>| {
            queue.iter().find(|waiting| waiting.waker.is_some()).and_then(|first| first.deadline)
        };
        self.queues.iter().filter_map(asleep).min()
    }

    /// Wakes all.
    pub(crate) fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        let all = self.queues.iter_mut().flatten();
        wakers.extend(all.filter_map(|waiting| waiting.waker.take()));
    }

    fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Waiting> {
        let queue = self.queues.get_mut(ticket.server.index())?;
        let at = queue.binary_search_by_key(&ticket.number, |waiting| waiting.number).ok()?;
        queue.get_mut(at)
    }
}
