//! Which process made something.

use forkguard::atfork::Guard;

/// The process that made something, to be told from those that were forked from it since.
pub(crate) struct Process {
    /// Counts forks without a system call; `None` if the system would not tell of them.
    guard: Option<Guard>,
    id: u32,
}

impl Process {
    /// The one that calls.
    pub(crate) fn current() -> Self {
        Process { guard: Guard::try_new().ok(), id: std::process::id() }
    }

    /// Whether it is the one that calls.
    #[inline]
    pub(crate) fn is_current(&self) -> bool {
        match &self.guard {
            // A guard tells of each fork only once, a copy of it as often as there are copies.
            Some(guard) => !guard.clone().detected_fork(),
            None => self.id == std::process::id(),
        }
    }

    /// One that has ended.
    #[cfg(test)]
    pub(crate) fn former() -> Self {
        Process { guard: None, id: 0 }
    }
}
