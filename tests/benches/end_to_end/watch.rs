use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Adds up how much time passes while it runs, and how much of it this process and the server have the
/// processor.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watch {
    pub(crate) wall: Duration,
    /// Of this process, in user code and in the system, of all threads.
    pub(crate) cpu: Duration,
    /// Of the server's only worker. Zero if the system does not tell.
    pub(crate) server: Duration,
    began: Option<(Instant, Duration, Duration)>,
}

/// Whether nobody wants to know the time. Under valgrind it cannot be asked for.
static IS_OFF: AtomicBool = AtomicBool::new(false);

/// Where the system says how long the server's worker has had the processor.
static SERVER: Mutex<Option<PathBuf>> = Mutex::new(None);

impl Watch {
    /// From now on the server is this process, a memcached.
    pub(crate) fn serve(process: u32) {
        let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        let is_worker = |path: &PathBuf| {
            fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "mc-worker")
        };
        let worker = threads.map(|thread| thread.path()).find(is_worker);
        let stat = worker.map(|worker| worker.join("schedstat"));
        *SERVER.lock().unwrap_or_else(PoisonError::into_inner) = stat;
    }

    /// From now on no watch measures the processor's time: the process is run for what it does, not for how long
    /// that takes.
    pub(crate) fn turn_off() {
        IS_OFF.store(true, Ordering::Relaxed);
    }

    /// What another process has measured. On one core, what it does not have the server has.
    pub(crate) fn of(wall: Duration, cpu: Duration) -> Self {
        Watch { wall, cpu, server: wall.saturating_sub(cpu), began: None }
    }

    pub(crate) fn start(&mut self) {
        let server = server();
        self.began = Some((Instant::now(), cpu(), server));
    }

    pub(crate) fn stop(&mut self) {
        let (wall, before, server_before) = self.began.take().expect("it runs");
        let (wall, cpu) = (wall.elapsed(), cpu() - before);
        self.wall += wall;
        self.cpu += cpu;
        self.server += server().saturating_sub(server_before);
    }

    /// Adds what another has measured.
    pub(crate) fn add(&mut self, other: Watch) {
        self.wall += other.wall;
        self.cpu += other.cpu;
        self.server += other.server;
    }
}

/// How long this process has had the processor.
fn cpu() -> Duration {
    if IS_OFF.load(Ordering::Relaxed) {
        return Duration::ZERO;
    }
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("no time before the process")
}

/// How long the server's worker has had the processor: the first number, in nanoseconds.
fn server() -> Duration {
    let stat = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let text = stat.as_ref().and_then(|stat| fs::read_to_string(stat).ok()).unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
