//! A world without sockets, sleeps or a clock: servers in memory, pipes to them, time that passes when
//! nothing else can happen, and an executor that does one thing at a time and counts.

pub(crate) mod peer;
pub(crate) mod pipe;
pub(crate) mod world;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use memcache_async::{Builder, Client};

pub(crate) use peer::{Mode, Peer};
pub(crate) use pipe::MemoryStream;
pub(crate) use world::{Memory, Pieces, World};

/// A linear congruential generator, Knuth's: enough for tests, and the same everywhere.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// More than any test takes by far.
const MAX_STEPS: usize = 10_000_000;

/// The world and the tasks in it.
pub(crate) struct Net {
    pub(crate) world: Arc<World>,
    queue: Arc<Queue>,
    /// By number; never used again.
    slots: Vec<Slot>,
    /// How many of them are not done.
    alive: usize,
    /// How many drivers the client has started and that have not ended.
    drivers: usize,
    /// How often a driver has been polled.
    pub(crate) driver_polls: usize,
    /// How often a task has been polled.
    pub(crate) task_polls: usize,
    steps: usize,
    /// Whether who comes next is left to chance.
    pub(crate) random: Option<Random>,
}

struct Slot {
    /// `None` once it is done or dropped, and while it is polled.
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    waker: Arc<TaskWaker>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Polled when it is woken.
    Task,
    /// A driver of the client's, polled when it is woken.
    Driver,
    /// Polled by the test alone.
    Held,
}

/// Who has been woken, in order.
#[derive(Default)]
struct Queue(Mutex<VecDeque<usize>>);

struct TaskWaker {
    number: usize,
    woken: AtomicBool,
    queue: Arc<Queue>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.woken.swap(true, Ordering::Relaxed) {
            self.queue.get().push_back(self.number);
        }
    }
}

impl Queue {
    fn get(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.0.lock().expect("nothing panics with it")
    }
}

/// A future that the executor has, and what it came to.
pub(crate) struct Task<T> {
    number: usize,
    output: Rc<RefCell<Option<T>>>,
}

impl<T> Task<T> {
    pub(crate) fn is_done(&self) -> bool {
        self.output.borrow().is_some()
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.output.borrow_mut().take()
    }
}

impl Net {
    pub(crate) fn new(servers: usize) -> Self {
        Net {
            world: World::new(servers),
            queue: Arc::default(),
            slots: Vec::new(),
            alive: 0,
            drivers: 0,
            driver_polls: 0,
            task_polls: 0,
            steps: 0,
            random: None,
        }
    }

    pub(crate) fn builder(&self) -> Builder<Memory> {
        let servers = self.world.state().peers.len();
        let names = (0..servers).map(|number| format!("server{number}"));
        Builder::new(Memory(self.world.clone())).servers(names)
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().build().expect("a client")
    }

    /// Does something with a server.
    pub(crate) fn peer<T>(&self, server: usize, work: impl FnOnce(&mut Peer) -> T) -> T {
        work(&mut self.world.state().peers[server])
    }

    pub(crate) fn set_mode(&self, server: usize, mode: Mode) {
        self.peer(server, |peer| peer.mode = mode);
    }

    /// The server closes all its connections.
    pub(crate) fn hang_up(&self, server: usize) {
        let mut state = self.world.state();
        state.pipes.iter_mut().filter(|pipe| pipe.server == server).for_each(pipe::Pipe::hang_up);
    }

    /// All connections to a server are lost.
    pub(crate) fn cut(&self, server: usize) {
        let mut state = self.world.state();
        state.pipes.iter_mut().filter(|pipe| pipe.server == server).for_each(pipe::Pipe::cut);
    }

    /// How many streams the client has open.
    pub(crate) fn streams(&self) -> usize {
        self.world.state().pipes.iter().filter(|pipe| !pipe.dropped).count()
    }

    pub(crate) fn drivers(&mut self) -> usize {
        self.adopt();
        self.drivers
    }

    /// How often the client has connected to a server.
    pub(crate) fn accepted(&self, server: usize) -> usize {
        self.peer(server, |peer| peer.accepted)
    }

    pub(crate) fn now(&self) -> Duration {
        self.world.state().now
    }

    fn add<T: 'static>(
        &mut self,
        future: impl Future<Output = T> + 'static,
        kind: Kind,
    ) -> Task<T> {
        let output = Rc::new(RefCell::new(None));
        let place = output.clone();
        let number = self.slots.len();
        let waker = Arc::new(TaskWaker {
            number,
            woken: AtomicBool::new(false),
            queue: self.queue.clone(),
        });
        let future = Box::pin(async move {
            let result = future.await;
            *place.borrow_mut() = Some(result);
        });
        self.slots.push(Slot { future: Some(future), waker: waker.clone(), kind });
        self.alive += 1;
        if kind != Kind::Held {
            waker.wake();
        }
        Task { number, output }
    }

    /// Starts a task; it is polled for the first time when it is its turn.
    pub(crate) fn start<T: 'static>(
        &mut self,
        future: impl Future<Output = T> + 'static,
    ) -> Task<T> {
        self.add(future, Kind::Task)
    }

    /// Takes a future that only [`poll`](Self::poll) polls, whoever wakes it.
    pub(crate) fn hold<T: 'static>(
        &mut self,
        future: impl Future<Output = T> + 'static,
    ) -> Task<T> {
        self.add(future, Kind::Held)
    }

    /// Polls a future no more, whoever wakes it.
    pub(crate) fn pause<T>(&mut self, task: &Task<T>) {
        self.slots[task.number].kind = Kind::Held;
    }

    /// Lets go of a future that was held: it is polled like any other from now on.
    pub(crate) fn release<T>(&mut self, task: &Task<T>) {
        let slot = &mut self.slots[task.number];
        slot.kind = Kind::Task;
        let waker = slot.waker.clone();
        waker.woken.store(false, Ordering::Relaxed);
        waker.wake();
    }

    /// Polls a future once. Whether it is done.
    pub(crate) fn poll<T>(&mut self, task: &Task<T>) -> bool {
        self.poll_slot(task.number);
        task.is_done()
    }

    /// Whether somebody has woken a future since it was last polled.
    pub(crate) fn is_woken<T>(&self, task: &Task<T>) -> bool {
        self.slots[task.number].waker.woken.load(Ordering::Relaxed)
    }

    /// How many wakers of a task there are besides its own.
    pub(crate) fn wakers_kept<T>(&self, task: &Task<T>) -> usize {
        Arc::strong_count(&self.slots[task.number].waker) - 1
    }

    /// Drops a future, wherever it is.
    pub(crate) fn drop_task<T>(&mut self, task: &Task<T>) {
        self.drop_slot(task.number);
    }

    fn drop_slot(&mut self, number: usize) {
        if let Some(future) = self.slots[number].future.take() {
            self.ended(number);
            drop(future);
        }
    }

    fn ended(&mut self, number: usize) {
        self.alive -= 1;
        self.drivers -= usize::from(self.slots[number].kind == Kind::Driver);
    }

    /// Drops every driver, and takes no more: the end of a runtime.
    pub(crate) fn shut_down(&mut self) {
        self.adopt();
        self.world.state().shut_down = true;
        for number in 0..self.slots.len() {
            if self.slots[number].kind == Kind::Driver {
                self.drop_slot(number);
            }
        }
    }

    fn poll_slot(&mut self, number: usize) {
        let slot = &mut self.slots[number];
        let Some(mut future) = slot.future.take() else { return };
        slot.waker.woken.store(false, Ordering::Relaxed);
        match slot.kind {
            Kind::Driver => self.driver_polls += 1,
            Kind::Task | Kind::Held => self.task_polls += 1,
        }
        let waker = Waker::from(slot.waker.clone());
        let mut cx = Context::from_waker(&waker);
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx))) {
            Ok(Poll::Ready(())) => self.ended(number),
            Ok(Poll::Pending) => self.slots[number].future = Some(future),
            Err(panic) => {
                self.ended(number);
                drop(future);
                resume_unwind(panic);
            }
        }
    }

    /// Takes the drivers that were spawned.
    fn adopt(&mut self) {
        let spawned = std::mem::take(&mut self.world.state().spawned);
        for driver in spawned {
            self.drivers += 1;
            self.add(driver, Kind::Driver);
        }
    }

    /// The next of those that have been woken and are polled by the executor.
    fn next_woken(&mut self) -> Option<usize> {
        loop {
            let mut queue = self.queue.get();
            let at = match &mut self.random {
                Some(random) if queue.len() > 1 => random.below(queue.len()),
                _ => 0,
            };
            let number = queue.remove(at)?;
            if self.slots[number].future.is_some() && self.slots[number].kind != Kind::Held {
                return Some(number);
            }
        }
    }

    /// Polls one task or driver that has been woken, or else has a server or the network do one thing.
    /// False where only time can bring anything.
    pub(crate) fn step(&mut self) -> bool {
        self.steps += 1;
        assert!(self.steps < MAX_STEPS, "it goes on for ever");
        let served_first =
            self.random.as_mut().is_some_and(|random| random.one_in(3)) && self.world.serve();
        served_first || self.step_task() || self.world.serve()
    }

    /// Polls one task or driver that has been woken; false where there is none.
    pub(crate) fn step_task(&mut self) -> bool {
        self.adopt();
        match self.next_woken() {
            Some(number) => {
                self.poll_slot(number);
                true
            }
            None => false,
        }
    }

    /// Does all that can be done before time passes.
    pub(crate) fn run(&mut self) {
        while self.step() {}
    }

    /// Lets time pass until the next thing happens; false where nothing ever will.
    pub(crate) fn pass_time(&mut self) -> bool {
        let Some(next) = self.world.next_event() else { return false };
        self.world.pass(next);
        true
    }

    /// Does all that happens within this time.
    pub(crate) fn advance(&mut self, time: Duration) {
        let until = self.now() + time;
        loop {
            self.run();
            match self.world.next_event() {
                Some(next) if next <= until => self.world.pass(next),
                _ => break,
            }
        }
        self.world.pass(until);
        self.run();
    }

    /// Brings a task to its end, however long that takes.
    #[track_caller]
    pub(crate) fn finish<T>(&mut self, task: &Task<T>) -> T {
        while !task.is_done() {
            assert!(self.slots[task.number].future.is_some(), "it was dropped");
            let happened = self.step() || self.pass_time();
            assert!(happened, "nothing will ever wake it");
        }
        task.take().expect("it is done")
    }

    /// Runs a future to its end.
    #[track_caller]
    pub(crate) fn block_on<T: 'static>(&mut self, future: impl Future<Output = T> + 'static) -> T {
        let task = self.start(future);
        self.finish(&task)
    }

    /// Polls a future so many times, with one thing happening after each; `None` where that was not
    /// enough, and it is dropped.
    pub(crate) fn poll_times<T>(
        &mut self,
        polls: usize,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let mut future = pin!(future);
        for _ in 0..polls {
            let mut cx = Context::from_waker(Waker::noop());
            if let Poll::Ready(result) = future.as_mut().poll(&mut cx) {
                return Some(result);
            }
            self.step();
        }
        None
    }

    /// Runs a future that may borrow to its end; it is polled when it has been woken.
    #[track_caller]
    pub(crate) fn wait_for<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let queue = Arc::<Queue>::default();
        let own = TaskWaker { number: 0, woken: AtomicBool::new(true), queue };
        let own = Arc::new(own);
        let waker = Waker::from(own.clone());
        loop {
            if own.woken.swap(false, Ordering::Relaxed) {
                let mut cx = Context::from_waker(&waker);
                if let Poll::Ready(result) = future.as_mut().poll(&mut cx) {
                    return result;
                }
            } else {
                assert!(self.step() || self.pass_time(), "nothing will ever wake it");
            }
        }
    }
}

/// What `future` comes to, unless this time passes before.
pub(crate) async fn timeout<T>(
    world: &Arc<World>,
    time: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let until = world.state().now + time;
    let (mut future, mut sleep) = (pin!(future), pin!(world.sleep(until)));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
    })
    .await
}
