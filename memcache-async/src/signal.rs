use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use futures_util::task::AtomicWaker;

/// What a socket wakes: its driver, which so knows that it was the socket, and not somebody with
/// something to write. Trying to read costs a system call.
#[derive(Default)]
pub(crate) struct Signal {
    ready: AtomicBool,
    driver: AtomicWaker,
}

impl Signal {
    /// Whose signal it is.
    pub(crate) fn register(&self, driver: &Waker) {
        self.driver.register(driver);
    }

    /// Whether the socket has become ready since this was last asked.
    pub(crate) fn take_ready(&self) -> bool {
        self.ready.swap(false, Ordering::AcqRel)
    }

    /// Whether it has, and nobody has asked yet.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Wakes the driver for another reason.
    pub(crate) fn wake_driver(&self) {
        self.driver.wake();
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.store(true, Ordering::Release);
        self.driver.wake();
    }
}
