use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Adds up how much time passes while it runs, and how much of it this process has the processor.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watch {
    pub(crate) wall: Duration,
    /// In user code and in the system, of all threads.
    pub(crate) cpu: Duration,
    began: Option<(Instant, Duration)>,
}

impl Watch {
    pub(crate) fn start(&mut self) {
        self.began = Some((Instant::now(), cpu()));
    }

    pub(crate) fn stop(&mut self) {
        let (wall, before) = self.began.take().expect("it runs");
        self.add(wall.elapsed(), cpu() - before);
    }

    pub(crate) fn add(&mut self, wall: Duration, cpu: Duration) {
        self.wall += wall;
        self.cpu += cpu;
    }
}

/// How much of the processor this process has had.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("no time before the process")
}
