//! `std::thread`, by the checker.

use ::std::io;
use ::std::panic::{AssertUnwindSafe, catch_unwind};
use ::std::time::Duration;

pub use ::std::thread::panicking;
pub use shuttle::thread::*;

use crate::time::{Alarm, Instant};

/// Waits for as long as this, by the clock of the model.
pub fn sleep(duration: Duration) {
    shuttle::future::block_on(Alarm::new(Some(Instant::now() + duration)));
}

/// `std::thread::Builder`.
#[derive(Debug)]
pub struct Builder(shuttle::thread::Builder);

impl Builder {
    /// As that of `std`.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "that of std has none")]
    pub fn new() -> Self {
        Builder(shuttle::thread::Builder::new())
    }

    /// As that of `std`.
    #[must_use]
    pub fn name(self, name: String) -> Self {
        Builder(self.0.name(name))
    }

    /// As that of `std`: if the thread panics, nobody else does.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn spawn<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<Result<T>>> {
        self.0.spawn(|| catch_unwind(AssertUnwindSafe(work)))
    }
}
