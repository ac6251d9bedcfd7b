//! Who sees to the requests that are made again later: no connection's driver knows of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};

use memcache_proto::Time;

use crate::runtime::BoxFuture;
use crate::shared::{Effects, Shared};
use crate::state::State;

/// Makes requests again when their time has come, until there are none, or the client has ended.
pub(crate) struct Retrying {
    shared: Weak<Shared>,
    timer: Option<(Time, BoxFuture<()>)>,
}

/// What a state knows of the one that is polled.
#[derive(Default)]
pub(crate) struct Retrier {
    /// When it will wake by itself.
    until: Option<Time>,
    waker: Option<Waker>,
}

impl Retrying {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Retrying { shared: Arc::downgrade(shared), timer: None }
    }
}

impl Future for Retrying {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let Some(shared) = this.shared.upgrade() else { return Poll::Ready(()) };
            let next = shared.with(|state, effects| state.make_again(cx, effects));
            let Some(due) = next else { return Poll::Ready(()) };
            if this.timer.as_ref().is_none_or(|&(until, _)| until != due) {
                let sleep = shared.runtime.clone().sleep_until(shared.instant(due));
                this.timer = Some((due, sleep));
            }
            drop(shared);
            if let Some((_, timer)) = &mut this.timer {
                ready!(timer.as_mut().poll(cx));
            }
            this.timer = None;
        }
    }
}

impl State {
    /// Makes those requests again whose time has come. Returns when the next is due; `None` if there is none, and
    /// nobody is needed for them any more.
    fn make_again(&mut self, cx: &Context<'_>, effects: &mut Effects) -> Option<Time> {
        self.client.handle_timeout(effects.now);
        let due = self.client.next_retry().filter(|_| !self.is_closed());
        self.retrier = due.map(|_| Retrier { until: due, waker: Some(cx.waker().clone()) });
        due
    }

    /// Has somebody see to the requests that are made again, in time, and no longer than the client lives.
    pub(crate) fn settle_retries(&mut self, effects: &mut Effects) {
        let due = self.client.next_retry();
        let is_closed = self.is_closed();
        match &mut self.retrier {
            None if due.is_some() && !is_closed => {
                self.retrier = Some(Retrier::default());
                effects.retries = true;
            }
            Some(retrier) if is_closed || due.is_some_and(|due| retrier.is_late_for(due)) => {
                effects.wakers.extend(retrier.waker.take());
            }
            _ => {}
        }
    }
}

impl Retrier {
    fn is_late_for(&self, due: Time) -> bool {
        self.until.is_some_and(|until| due < until)
    }
}
