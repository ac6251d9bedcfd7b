use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::crowd::Work;
use crate::watch::Watch;

/// Threads that stay for as long as this lives. A new thread costs as much as some ten calls (its memory most of
/// all), and would be measured with them if each turn began with new ones.
pub(crate) struct Workers(Vec<Worker>);

struct Worker {
    jobs: Sender<(Work, usize)>,
    done: Receiver<()>,
}

impl Workers {
    /// A thread for each of these callers, which make so many calls whenever they are told.
    pub(crate) fn new<F: FnMut(Work, usize) + Send + 'static>(
        callers: impl IntoIterator<Item = F>,
    ) -> Self {
        let worker = |mut caller: F| {
            let (jobs, told) = channel();
            let (tell, done) = channel();
            thread::spawn(move || {
                for (work, count) in told {
                    caller(work, count);
                    if tell.send(()).is_err() {
                        return;
                    }
                }
            });
            Worker { jobs, done }
        };
        Workers(callers.into_iter().map(worker).collect())
    }

    /// Has each make so many calls, and waits for all.
    pub(crate) fn run(&self, work: Work, count: usize) -> Watch {
        let mut watch = Watch::default();
        watch.start();
        for worker in &self.0 {
            worker.jobs.send((work, count)).expect("it waits for more");
        }
        for worker in &self.0 {
            worker.done.recv().expect("no caller panics");
        }
        watch.stop();
        watch
    }
}
