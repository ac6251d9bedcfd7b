//! What the models of the adapters have in common: how schedules are explored, and servers to talk to.
//!
//! A model is a program with a few threads or tasks. [`explore`] runs it many times; each run lets them
//! take their steps in another order. It fails where a run panics, where all that is left waits for ever
//! (`deadlock!`), or takes far too many steps. What `shuttle` prints then runs that schedule alone again:
//!
//! ```text
//! SCHEDULE=<what it printed> cargo test <the test>
//! ```
//!
//! `SCHEDULES=<number>` has each model explore more of them than it does by default, `SEED=<number>`
//! others.

mod net;
pub mod tasks;
pub mod threads;

use std::env;
use std::future::poll_fn;
use std::str::FromStr;

use schedules_std::time;
use shuttle::scheduler::{
    PctScheduler, RandomScheduler, ReplayScheduler, Schedule, Scheduler, Task, TaskId,
};
use shuttle::{Config, MaxSteps, Runner};

pub use net::{Mode, Server};

/// How time passes in a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// When nobody can do anything else: a machine that is fast beside all timeouts.
    Patient,
    /// Now and then before that, too: what has a timeout may always be late.
    Hasty,
}

/// The task that lets time pass is the second of each run; the first is the model's own.
const CLOCK: usize = 1;

/// How seldom a hasty clock passes while others could go on.
const HASTE: u64 = 64;

/// More than any model takes by far.
const MAX_STEPS: usize = 200_000;

/// Runs a model by so many schedules, half of them drawn at random, half with few switches in unlikely
/// places.
pub fn explore(schedules: usize, clock: Clock, model: impl Fn() + Clone + Send + Sync + 'static) {
    let run = move || {
        time::reset();
        drop(shuttle::future::spawn(async {
            loop {
                poll_fn(time::poll_pass).await;
                shuttle::future::yield_now().await;
            }
        }));
        model();
    };
    let mut config = Config::new();
    config.max_steps = MaxSteps::FailAfter(MAX_STEPS);
    // What depends on the order of memory is for loom.
    config.silence_warnings = true;
    config.stack_size = 256 << 10;
    if let Ok(schedule) = env::var("SCHEDULE") {
        let scheduler = ReplayScheduler::new_from_encoded(&schedule);
        Runner::new(scheduler, config).run(run);
        return;
    }
    let (seed, schedules) = (number("SEED", 1), number("SCHEDULES", schedules));
    let random = RandomScheduler::new_from_seed(seed, schedules.div_ceil(2));
    Runner::new(Timed { inner: random, clock }, config.clone()).run(run.clone());
    let few_switches = PctScheduler::new_from_seed(seed, 3, schedules / 2);
    Runner::new(Timed { inner: few_switches, clock }, config).run(run);
}

fn number<T: FromStr>(name: &str, default: T) -> T {
    let given = env::var(name).ok();
    given.map_or(default, |given| given.parse().ok().expect("SEED and SCHEDULES are numbers"))
}

/// Another scheduler, but for the task that lets time pass.
struct Timed<S> {
    inner: S,
    clock: Clock,
}

impl<S: Scheduler> Scheduler for Timed<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.inner.new_execution()
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let is_clock = |task: &&Task| task.id() == TaskId::from(CLOCK);
        let others: Vec<&Task> = runnable.iter().copied().filter(|task| !is_clock(task)).collect();
        if others.is_empty() {
            return Some(TaskId::from(CLOCK));
        }
        let hasty = self.clock == Clock::Hasty && runnable.iter().any(is_clock);
        if hasty && self.inner.next_u64() % HASTE == 0 {
            return Some(TaskId::from(CLOCK));
        }
        let is_yielding = is_yielding && current != Some(TaskId::from(CLOCK));
        self.inner.next_task(&others, current, is_yielding)
    }

    fn next_u64(&mut self) -> u64 {
        self.inner.next_u64()
    }
}
