use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use memcache_proto::calls::{Answer, Call, CallKey, Error, GetMany, Plain, Watch};
use memcache_proto::client::{Items, OperationId, Outcome};
use memcache_proto::value::FromValue;
use memcache_proto::{Time, ToKey};

use crate::room::Ticket;
use crate::shared::{Effects, Shared};
use crate::state::{Begins, State};

/// One call, from its first poll to its result. It may be dropped at any point.
pub(crate) struct Running<C: Call> {
    shared: Arc<Shared>,
    /// When it is to end, if that is not told by the settings.
    until: Option<Time>,
    stage: Stage<C>,
    watch: Watch,
}

enum Stage<C: Call> {
    /// Not taken in yet. With a ticket it waits until there is room, until the deadline at most.
    New(C, Option<(Ticket, Option<Time>)>),
    UnderWay(OperationId, C::Answer),
    Done,
}

// Nothing in it is ever pinned.
impl<C: Call> Unpin for Running<C> {}

impl<C: Call> Running<C> {
    pub(crate) fn new(shared: Arc<Shared>, call: C, until: Option<Instant>) -> Self {
        let until = until.map(|until| shared.time(until));
        Running { shared, until, stage: Stage::New(call, None), watch: Watch::default() }
    }

    /// Waits until there is room for the call. One that has waited keeps its place until it is
    /// submitted.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Stage::New(call, waiting) = &mut self.stage else { return Poll::Ready(Ok(())) };
        if waiting.is_none() && !self.shared.is_crowded() {
            return Poll::Ready(Ok(()));
        }
        let timeout = self.shared.calls.cluster().settings().operation_timeout;
        let until = self.until;
        let key = call.key(&self.shared.calls);
        let key = key.as_ref().map(CallKey::as_routed);
        self.shared.with(|state, effects| {
            let now = effects.now;
            let refused = match *waiting {
                _ if !state.is_open() => Some(Error::Closed),
                Some((_, Some(deadline))) if deadline <= now => Some(Error::Busy),
                _ => None,
            };
            if let Some(error) = refused {
                if let Some((ticket, _)) = waiting.take() {
                    state.room.leave(ticket, effects);
                }
                return Poll::Ready(Err(error));
            }
            let (ticket, deadline) = match *waiting {
                Some((ticket, deadline)) if !state.room.is_awake(ticket) => (ticket, deadline),
                former => {
                    let ticket = former.map(|(ticket, _)| ticket);
                    let Some(server) = state.obstacle(key, ticket, now) else {
                        return Poll::Ready(Ok(()));
                    };
                    match former {
                        Some((ticket, deadline)) if ticket.server == server => (ticket, deadline),
                        // Its server is another by now.
                        Some((ticket, deadline)) => {
                            (state.room.change(ticket, server, effects), deadline)
                        }
                        None => {
                            // Whose socket is lent may be this task, which polls only this call now.
                            state.take_back(effects);
                            let deadline = until.or_else(|| timeout.map(|timeout| now + timeout));
                            (state.room.wait(server), deadline)
                        }
                    }
                }
            };
            *waiting = Some((ticket, deadline));
            state.sleep(ticket, deadline, cx, effects);
            Poll::Pending
        })
    }

    /// Hands the call to the client. Where nothing but the caller's own mistake, or a cluster of dead
    /// servers, can be the outcome it is there at once.
    fn submit(&mut self, cx: &mut Context<'_>) -> Result<Next, Error> {
        let Stage::New(call, waiting) = std::mem::replace(&mut self.stage, Stage::Done) else {
            return Ok(Next::Wait);
        };
        let Running { shared, until, watch, .. } = self;
        let until = *until;
        let mut place = Place { shared, ticket: waiting.map(|(ticket, _)| ticket) };
        let mut next = Next::Wait;
        let (id, answer) = call.submit(&shared.calls, |operation| {
            shared.with(|state, effects| {
                let clock = || shared.now();
                let ticket = place.ticket.take();
                let in_parts = C::Answer::IN_PARTS;
                let begins = Begins { ticket, until, in_parts };
                watch.admitted(|| effects.now);
                let id = state.submit(operation, begins, clock, cx, effects)?;
                next = Next::of(id, state, watch, cx, effects);
                Ok(id)
            })
        })?;
        self.stage = Stage::UnderWay(id, answer);
        Ok(next)
    }

    /// Goes on with a call that is under way.
    fn proceed(&mut self, cx: &mut Context<'_>) -> Next {
        let Running { shared, stage, watch, .. } = self;
        let Stage::UnderWay(id, answer) = stage else { return Next::Wait };
        let (next, items) = shared.with(|state, effects| {
            state.exchange(*id, cx, effects);
            let next = Next::of(*id, state, watch, cx, effects);
            let is_done = matches!(next, Next::Return(_));
            if !is_done {
                state.wait(*id, cx, effects);
            }
            let in_parts = C::Answer::IN_PARTS && !is_done;
            let items = if in_parts { state.client.take_items(*id) } else { Items::default() };
            (next, items)
        });
        if !items.is_empty() {
            answer.take(items, &shared.calls);
        }
        next
    }

    /// Gives a call on many keys its next ones.
    fn feed(&mut self, cx: &mut Context<'_>) -> Next {
        let Running { shared, stage, watch, .. } = self;
        let Stage::UnderWay(id, answer) = stage else { return Next::Wait };
        let mut next = Next::Wait;
        // Keys and values are encoded without the lock.
        answer.feed(&shared.calls, |part| {
            next = shared.with(|state, effects| {
                state.client.feed(*id, part, effects.now);
                Next::of(*id, state, watch, cx, effects)
            });
        });
        next
    }

    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Result<C::Output, Error>> {
        let mut next = match self.stage {
            Stage::New(..) => {
                ready!(self.poll_room(cx))?;
                self.submit(cx)?
            }
            _ => self.proceed(cx),
        };
        let outcome = loop {
            match next {
                Next::Wait => return Poll::Pending,
                Next::Feed => next = self.feed(cx),
                Next::Return(outcome) => break outcome,
            }
        };
        let Stage::UnderWay(_, answer) = std::mem::replace(&mut self.stage, Stage::Done) else {
            unreachable!("only what is under way has an outcome");
        };
        let shared = &self.shared;
        Poll::Ready(answer.finish(outcome, &shared.calls, |server| shared.last_error(server)))
    }
}

impl<K: ToKey, V: FromValue, M: Default + Extend<(K, V)>> Running<GetMany<K, Plain<V>, M>> {
    /// Takes what has been found so far, of a call that is under way.
    pub(crate) fn take_found(&mut self) -> M {
        match &mut self.stage {
            Stage::UnderWay(_, answer) => answer.take_found(),
            Stage::New(..) | Stage::Done => M::default(),
        }
    }
}

/// What a call is to do next.
enum Next {
    /// It is woken when there is something.
    Wait,
    /// Give its next keys.
    Feed,
    Return(Outcome),
}

impl Next {
    fn of(
        id: OperationId,
        state: &mut State,
        watch: &mut Watch,
        cx: &Context<'_>,
        effects: &mut Effects,
    ) -> Self {
        match state.take(id, effects) {
            Some(outcome) => {
                watch.came_to(&outcome, || state.client.seen(id));
                Next::Return(outcome)
            }
            None if state.may_feed(id, cx, effects) => Next::Feed,
            None => Next::Wait,
        }
    }
}

impl<C: Call> Future for Running<C> {
    type Output = Result<C::Output, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Stage::New(call, None) = &this.stage {
            this.watch = this.shared.calls.watch(call.name(), || this.shared.now());
        }
        let result = ready!(this.poll_result(cx));
        this.watch.end(&this.shared.calls, &result, || this.shared.now());
        Poll::Ready(result)
    }
}

impl<C: Call> Drop for Running<C> {
    fn drop(&mut self) {
        match self.stage {
            Stage::New(_, Some((ticket, _))) => {
                drop(Place { shared: &self.shared, ticket: Some(ticket) });
            }
            Stage::UnderWay(id, _) => {
                self.shared.with(|state, effects| state.cancel(id, effects));
            }
            Stage::New(_, None) | Stage::Done => {}
        }
    }
}

/// The place in the room of a call that is about to leave it, given up when this is dropped. If it was
/// the call's turn, the next that waits has it.
struct Place<'a> {
    shared: &'a Arc<Shared>,
    ticket: Option<Ticket>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.with(|state, effects| state.room.leave(ticket, effects));
        }
    }
}
