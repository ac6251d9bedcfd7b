//! `std::time`, by a clock that is set forward by hand.

use ::std::cell::RefCell;
use ::std::collections::BTreeMap;
use ::std::future::Future;
use ::std::ops::{Add, AddAssign, Sub};
use ::std::pin::Pin;
use ::std::task::{Context, Poll, Waker};

pub use ::std::time::*;

// One thread of the machine runs all threads of a model, one after another.
::std::thread_local! {
    static CLOCK: RefCell<Clock> = RefCell::default();
}

#[derive(Default)]
struct Clock {
    now: Duration,
    next: u64,
    /// Who is to be woken, and when; those of the same moment in the order in which they came.
    alarms: BTreeMap<(Duration, u64), Waker>,
    /// Who lets time pass, if that waits for an alarm to be set.
    idle: Option<Waker>,
}

/// Puts the clock back to zero, for another run of a model.
pub fn reset() {
    CLOCK.take();
}

/// Lets time pass until the next moment that somebody waits for, and wakes whoever does. Pending while
/// nobody waits for any.
pub fn poll_pass(cx: &mut Context<'_>) -> Poll<()> {
    let next = CLOCK.with_borrow_mut(|clock| {
        let next = clock.alarms.pop_first();
        match &next {
            Some(((due, _), _)) => clock.now = clock.now.max(*due),
            None => clock.idle = Some(cx.waker().clone()),
        }
        next
    });
    let Some((_, waker)) = next else { return Poll::Pending };
    waker.wake();
    Poll::Ready(())
}

/// `std::time::Instant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// The time by the clock.
    #[must_use]
    pub fn now() -> Self {
        Instant(CLOCK.with_borrow(|clock| clock.now))
    }

    /// As that of `std`.
    #[must_use]
    pub const fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// As that of `std`.
    #[must_use]
    pub const fn checked_add(&self, duration: Duration) -> Option<Instant> {
        match self.0.checked_add(duration) {
            Some(time) => Some(Instant(time)),
            None => None,
        }
    }

    /// How long ago this was.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(*self)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        self.checked_add(duration).expect("overflow when adding duration to instant")
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

/// A future that is ready at a moment. It may be polled again then, and by others.
#[derive(Debug)]
pub struct Alarm {
    /// `None` for never.
    due: Option<Instant>,
    set: Option<u64>,
}

impl Alarm {
    /// Ready at `due`, or never.
    #[must_use]
    pub fn new(due: Option<Instant>) -> Self {
        Alarm { due, set: None }
    }

    fn unset(&mut self) {
        if let (Some(due), Some(number)) = (self.due, self.set.take()) {
            // Dropped outside, as it may be the end of a task.
            let _waker = CLOCK.with_borrow_mut(|clock| clock.alarms.remove(&(due.0, number)));
        }
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.unset();
        let Some(due) = self.due else { return Poll::Pending };
        let idle = CLOCK.with_borrow_mut(|clock| {
            if due.0 > clock.now {
                self.set = Some(clock.next);
                clock.alarms.insert((due.0, clock.next), cx.waker().clone());
                clock.next += 1;
            }
            clock.idle.take_if(|_| !clock.alarms.is_empty())
        });
        idle.into_iter().for_each(Waker::wake);
        if self.set.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.unset();
    }
}
