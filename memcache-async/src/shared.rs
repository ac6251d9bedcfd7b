//! One core client, its sockets, and everybody who waits for it, behind a mutex that is held only
//! around calls that do not block.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use memcache_proto::calls::{Calls, Source, Status};
use memcache_proto::client::{ConnectionId, Notice};
use memcache_proto::routing::ServerIndex;
use memcache_proto::{Origin, Time};

use crate::driver::Driving;
use crate::retrying::Retrying;
use crate::runtime::{AnyRuntime, Stream};
use crate::signal::Signal;
use crate::state::State;

/// As good as never, in what [`std::time::Instant`] can hold.
const FAR: Duration = Duration::from_secs(365 * 86_400);

pub(crate) struct Shared {
    state: Mutex<State>,
    /// Whether a call may have to wait before it is taken in.
    crowded: AtomicBool,
    pub(crate) runtime: Arc<dyn AnyRuntime>,
    pub(crate) calls: Arc<Calls>,
    origin: Origin,
}

/// What to do once the lock is released: all of it may run other people's code. A lone call needs
/// none of the lists.
#[derive(Default)]
pub(crate) struct Effects {
    /// The time.
    pub(crate) now: Time,
    pub(crate) wakers: Vec<Waker>,
    /// Those that are only to be dropped, which may be the end of their tasks.
    pub(crate) unused: Unused,
    pub(crate) drivers: Vec<Arc<Signal>>,
    pub(crate) connects: Vec<(ConnectionId, Arc<Signal>)>,
    pub(crate) streams: Vec<Box<dyn Stream>>,
    pub(crate) notices: Vec<Notice>,
    /// Whether something is made again later that nobody sees to.
    pub(crate) retries: bool,
    /// Whether the client has been closed and no driver is left, whether or not anybody awaits that.
    pub(crate) ended: bool,
}

/// Wakers that are only to be dropped. Mostly there is one, which takes no allocation.
#[derive(Default)]
pub(crate) struct Unused {
    first: Option<Waker>,
    more: Vec<Waker>,
}

impl Unused {
    pub(crate) fn put(&mut self, waker: Option<Waker>) {
        match waker {
            Some(waker) if self.first.is_some() => self.more.push(waker),
            Some(waker) => self.first = Some(waker),
            None => {}
        }
    }
}

impl Shared {
    pub(crate) fn new(calls: Arc<Calls>, runtime: Arc<dyn AnyRuntime>) -> Arc<Self> {
        let state = Mutex::new(State::new(calls.cluster().clone()));
        let crowded = AtomicBool::new(false);
        let origin = Origin::new(runtime.now());
        Arc::new(Shared { state, crowded, runtime, calls, origin })
    }

    /// Whether a call may have to wait before it is taken in.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    pub(crate) fn now(&self) -> Time {
        self.origin.time(self.runtime.now())
    }

    pub(crate) fn time(&self, instant: std::time::Instant) -> Time {
        self.origin.time(instant)
    }

    pub(crate) fn instant(&self, time: Time) -> std::time::Instant {
        let far = self.runtime.now() + FAR;
        self.origin.instant(time).map_or(far, |instant| instant.min(far))
    }

    /// Does something with the state, then what the core asks for because of it.
    pub(crate) fn with<T>(self: &Arc<Self>, work: impl FnOnce(&mut State, &mut Effects) -> T) -> T {
        // A stream or a waker of somebody's that panicked has left nothing half done here.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that for the core it never goes backwards.
        let mut effects = Effects { now: self.now(), ..Effects::default() };
        let result = work(&mut state, &mut effects);
        state.settle(&mut effects);
        // Only what is submitted makes a crowd.
        if state.take_submitted() || self.is_crowded() {
            self.crowded.store(state.is_crowded(), Ordering::Relaxed);
        }
        drop(state);
        effects.perform(self);
        result
    }

    /// Takes no more calls in. Ready when those under way are done and every driver has ended.
    pub(crate) fn poll_close(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.with(|state, effects| state.poll_close(cx, effects))
    }

    /// Ends everything now.
    pub(crate) fn abandon(self: &Arc<Self>) {
        self.with(State::abandon);
    }

    /// Has the servers close the connections, each time that nothing is under way on them: another has
    /// taken the place of this one. Calls that have begun are taken in and answered as ever.
    pub(crate) fn retire(self: &Arc<Self>) {
        self.with(|state, _| state.retire());
    }

    /// Ready when what has been [retired](Self::retire) has no call and no connection left.
    pub(crate) fn poll_drained(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.with(|state, _| state.poll_drained(cx))
    }

    /// Whether no more calls are taken in.
    pub(crate) fn is_closed(&self) -> bool {
        !self.state.lock().unwrap_or_else(PoisonError::into_inner).is_open()
    }

    pub(crate) fn disconnect_all(self: &Arc<Self>) {
        self.with(|state, effects| state.client.disconnect_all(effects.now));
    }

    pub(crate) fn status(&self) -> Status {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut status = self.calls.status(self.now()).with_load(&state.client);
        (status.calls, status.waiting) = state.under_way();
        status
    }

    pub(crate) fn last_error(&self, server: ServerIndex) -> Option<Source> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last_error(server)
    }
}

impl Effects {
    /// Puts the waker of this context where there may be another.
    pub(crate) fn put_waker(&mut self, place: &mut Option<Waker>, cx: &Context<'_>) {
        if !place.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.unused.put(place.replace(cx.waker().clone()));
        }
    }

    fn perform(self, shared: &Arc<Shared>) {
        // Before anybody learns what came of it.
        for notice in &self.notices {
            shared.calls.report(notice);
        }
        if !self.wakers.is_empty() {
            self.wakers.into_iter().for_each(Waker::wake);
        }
        for driver in &self.drivers {
            driver.wake_driver();
        }
        if !self.connects.is_empty() {
            for (connection, signal) in self.connects {
                let driving = Driving::new(shared.clone(), connection, signal);
                shared.runtime.spawn(Box::pin(driving));
            }
        }
        if self.retries {
            shared.runtime.spawn(Box::pin(Retrying::new(shared)));
        }
        if self.ended {
            shared.runtime.end();
        }
    }
}
