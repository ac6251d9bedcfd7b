//! `std::sync`, by the checker.

use ::std::fmt;
use ::std::future::poll_fn;
use ::std::ops::{Deref, DerefMut};
use ::std::pin::{Pin, pin};
use ::std::task::{Context, Poll, Waker};
use ::std::time::Duration;

use shuttle::rand::{Rng, thread_rng};

use crate::time::{Alarm, Instant};

pub use ::std::sync::{Arc, LazyLock, LockResult, OnceLock, PoisonError, Weak};
pub use shuttle::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc};

/// `std::sync::atomic`.
pub mod atomic {
    pub use shuttle::sync::atomic::*;
}

/// Lets the checker go on with another thread.
pub fn point() {
    let _ = atomic::AtomicBool::new(false).load(atomic::Ordering::SeqCst);
}

/// `std::sync::Mutex`.
#[derive(Debug, Default)]
pub struct Mutex<T: ?Sized>(shuttle::sync::Mutex<T>);

/// `std::sync::MutexGuard`.
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    guard: shuttle::sync::MutexGuard<'a, T>,
}

impl<T> Mutex<T> {
    /// As that of `std`.
    pub const fn new(value: T) -> Self {
        Mutex(shuttle::sync::Mutex::new(value))
    }
}

impl<T: ?Sized> Mutex<T> {
    /// As that of `std`.
    ///
    /// # Errors
    ///
    /// If a thread has panicked while it had the lock.
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        match self.0.lock() {
            Ok(guard) => Ok(MutexGuard { mutex: self, guard }),
            Err(poisoned) => {
                Err(PoisonError::new(MutexGuard { mutex: self, guard: poisoned.into_inner() }))
            }
        }
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// `std::sync::Condvar`. Who waits is woken when it is notified or its time is up, and not otherwise, so
/// that no wake-up which is missing can be made up for by another.
#[derive(Default)]
pub struct Condvar {
    // What has no place to switch at is one step of the model.
    waiters: ::std::sync::Mutex<Waiters>,
}

#[derive(Default)]
struct Waiters {
    next: u64,
    /// Those who have not been notified.
    waiting: Vec<(u64, Option<Waker>)>,
}

/// `std::sync::WaitTimeoutResult`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// As that of `std`.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    /// As that of `std`.
    #[must_use]
    pub const fn new() -> Self {
        Condvar { waiters: ::std::sync::Mutex::new(Waiters { next: 0, waiting: Vec::new() }) }
    }

    fn waiters(&self) -> ::std::sync::MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As that of `std`. Which of those who wait is left to the checker.
    pub fn notify_one(&self) {
        point();
        let mut waiters = self.waiters();
        let waiting = waiters.waiting.len();
        if waiting > 0 {
            let one = if waiting == 1 { 0 } else { thread_rng().gen_range(0..waiting) };
            let (_, waker) = waiters.waiting.remove(one);
            drop(waiters);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// As that of `std`.
    pub fn notify_all(&self) {
        point();
        let all = ::std::mem::take(&mut self.waiters().waiting);
        all.into_iter().filter_map(|(_, waker)| waker).for_each(Waker::wake);
    }

    /// As that of `std`.
    ///
    /// # Errors
    ///
    /// If a thread has panicked while it had the lock.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.wait_until(guard, None)
    }

    /// As that of `std`.
    ///
    /// # Errors
    ///
    /// If a thread has panicked while it had the lock.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let due = Instant::now().checked_add(timeout);
        let timed_out = || WaitTimeoutResult(due.is_some_and(|due| due <= Instant::now()));
        match self.wait_until(guard, due) {
            Ok(guard) => Ok((guard, timed_out())),
            Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), timed_out()))),
        }
    }

    /// Waits until it is notified, or `due`.
    fn wait_until<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        due: Option<Instant>,
    ) -> LockResult<MutexGuard<'a, T>> {
        let mutex = guard.mutex;
        let mut waiters = self.waiters();
        let number = waiters.next;
        waiters.next += 1;
        waiters.waiting.push((number, None));
        drop(waiters);
        drop(guard);
        let mut alarm = pin!(Alarm::new(due));
        shuttle::future::block_on(poll_fn(|cx| self.poll_notified(number, alarm.as_mut(), cx)));
        mutex.lock()
    }

    /// Ready when it has been notified, or its time is up.
    fn poll_notified(&self, number: u64, alarm: Pin<&mut Alarm>, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiters = self.waiters();
        let at = waiters.waiting.iter().position(|&(waiting, _)| waiting == number);
        let Some(at) = at else { return Poll::Ready(()) };
        if alarm.poll(cx).is_ready() {
            waiters.waiting.remove(at);
            return Poll::Ready(());
        }
        waiters.waiting[at].1 = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
