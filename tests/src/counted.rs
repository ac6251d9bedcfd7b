use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use memcache_async::{Runtime, ServerAddress, Smol, Spawn, Stream};

/// The runtime of smol, which counts what is made with it.
#[derive(Debug)]
pub struct Counted {
    smol: Smol,
    counts: Counts,
    _alive: Alive,
}

/// How many there are, and have been, of what [`Counted`] counts. Clones are the same counts.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    runtimes: Arc<AtomicUsize>,
    tasks: Arc<AtomicUsize>,
    spawned: Arc<AtomicUsize>,
    polls: Arc<AtomicUsize>,
}

/// Counts for as long as it is there.
#[derive(Debug)]
struct Alive(Arc<AtomicUsize>);

/// A driver, which is gone before that is counted.
struct Task<F> {
    driver: Pin<Box<F>>,
    polls: Arc<AtomicUsize>,
    _alive: Alive,
}

impl Counts {
    /// A runtime, to be counted.
    #[must_use]
    pub fn count(&self, smol: Smol) -> Counted {
        Counted { smol, counts: self.clone(), _alive: Alive::new(&self.runtimes) }
    }

    /// How many runtimes there are: each client has one until nothing is left of it.
    #[must_use]
    pub fn runtimes(&self) -> usize {
        self.runtimes.load(Ordering::Acquire)
    }

    /// How many tasks have been spawned, and neither ended nor been dropped.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tasks.load(Ordering::Acquire)
    }

    /// How many tasks have ever been spawned.
    #[must_use]
    pub fn spawned(&self) -> usize {
        self.spawned.load(Ordering::Acquire)
    }

    /// How often tasks have been polled.
    #[must_use]
    pub fn polls(&self) -> usize {
        self.polls.load(Ordering::Acquire)
    }
}

impl Runtime for Counted {
    fn connect(
        &self,
        address: &ServerAddress,
        deadline: Instant,
    ) -> impl Future<Output = io::Result<Box<dyn Stream>>> + Send {
        self.smol.connect(address, deadline)
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send {
        self.smol.sleep_until(deadline)
    }
}

impl Spawn for Counted {
    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) {
        self.counts.spawned.fetch_add(1, Ordering::AcqRel);
        self.smol.spawn(Task {
            driver: Box::pin(driver),
            polls: self.counts.polls.clone(),
            _alive: Alive::new(&self.counts.tasks),
        });
    }
}

impl<F: Future<Output = ()>> Future for Task<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.polls.fetch_add(1, Ordering::AcqRel);
        self.driver.as_mut().poll(cx)
    }
}

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Alive(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
