//! `futures_util`, as far as the async adapter uses it, with a waker whose steps the checker orders.

pub use futures_util::stream;

/// `futures_util::task`.
pub mod task {
    use std::sync::{Mutex, PoisonError};
    use std::task::Waker;

    use schedules_std::sync::point;

    /// `futures_util::task::AtomicWaker`: what it promises is that each of its calls is one step.
    #[derive(Debug, Default)]
    pub struct AtomicWaker(Mutex<Option<Waker>>);

    impl AtomicWaker {
        /// As the original.
        pub fn register(&self, waker: &Waker) {
            point();
            let former = self.place().replace(waker.clone());
            drop(former);
        }

        /// As the original.
        pub fn wake(&self) {
            point();
            let waker = self.place().take();
            waker.into_iter().for_each(Waker::wake);
        }

        fn place(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
