//! `rustix`, as far as the sync adapter uses it: `poll(2)` and `recv(2)` over the pipes of the models.

/// `rustix::buffer`.
pub mod buffer {
    /// The room behind what a `Vec` holds.
    #[derive(Debug)]
    pub struct SpareCapacity<'a>(pub(crate) &'a mut Vec<u8>);

    /// As the original.
    pub fn spare_capacity(buffer: &mut Vec<u8>) -> SpareCapacity<'_> {
        SpareCapacity(buffer)
    }
}

/// `rustix::net`.
pub mod net {
    use std::io::{self, Read};

    use crate::buffer::SpareCapacity;

    /// As the original.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RecvFlags;

    impl RecvFlags {
        /// None of them.
        #[must_use]
        pub const fn empty() -> Self {
            RecvFlags
        }
    }

    /// As the original, into spare room alone.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub fn recv(
        mut stream: impl Read,
        SpareCapacity(buffer): SpareCapacity<'_>,
        _: RecvFlags,
    ) -> io::Result<(usize, usize)> {
        let (len, capacity) = (buffer.len(), buffer.capacity());
        buffer.resize(capacity, 0);
        let read = stream.read(&mut buffer[len..]);
        buffer.truncate(len + read.as_ref().map_or(0, |&read| read));
        read.map(|read| (read, read))
    }
}

/// `rustix::event`.
pub mod event {
    use std::future::{Future, poll_fn};
    use std::ops::{BitOr, Not};
    use std::pin::pin;
    use std::task::Poll;
    use std::time::Duration;

    use schedules_std::os::fd::BorrowedFd;
    use schedules_std::sync::point;
    use schedules_std::time::{Alarm, Instant};

    /// As the original, as far as it is used.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PollFlags(u8);

    impl PollFlags {
        /// Something can be read.
        pub const IN: Self = PollFlags(1);
        /// Something can be written.
        pub const OUT: Self = PollFlags(2);

        /// None of them.
        #[must_use]
        pub const fn empty() -> Self {
            PollFlags(0)
        }

        /// Adds some, or takes them out.
        pub fn set(&mut self, flags: Self, on: bool) {
            self.0 = if on { self.0 | flags.0 } else { self.0 & !flags.0 };
        }

        /// Whether there is any of these.
        #[must_use]
        pub const fn intersects(self, other: Self) -> bool {
            self.0 & other.0 != 0
        }
    }

    impl Not for PollFlags {
        type Output = Self;

        fn not(self) -> Self {
            PollFlags(!self.0)
        }
    }

    impl BitOr for PollFlags {
        type Output = Self;

        fn bitor(self, other: Self) -> Self {
            PollFlags(self.0 | other.0)
        }
    }

    /// As the original.
    #[derive(Debug)]
    pub struct PollFd<'fd> {
        fd: BorrowedFd<'fd>,
        events: PollFlags,
        revents: PollFlags,
    }

    impl<'fd> PollFd<'fd> {
        /// As the original.
        #[must_use]
        pub fn from_borrowed_fd(fd: BorrowedFd<'fd>, events: PollFlags) -> Self {
            PollFd { fd, events, revents: PollFlags::empty() }
        }

        /// As the original.
        #[must_use]
        pub fn revents(&self) -> PollFlags {
            self.revents
        }

        fn look(&mut self) -> bool {
            let end = self.fd.end();
            self.revents = PollFlags::empty();
            self.revents
                .set(PollFlags::IN, self.events.intersects(PollFlags::IN) && end.can_read());
            self.revents
                .set(PollFlags::OUT, self.events.intersects(PollFlags::OUT) && end.can_write());
            self.revents != PollFlags::empty()
        }
    }

    /// As the original.
    #[derive(Clone, Copy, Debug)]
    pub struct Timespec {
        /// Seconds.
        pub tv_sec: i64,
        /// Nanoseconds beside them.
        pub tv_nsec: i64,
    }

    impl TryFrom<Duration> for Timespec {
        type Error = std::num::TryFromIntError;

        fn try_from(duration: Duration) -> Result<Self, Self::Error> {
            let tv_sec = i64::try_from(duration.as_secs())?;
            Ok(Timespec { tv_sec, tv_nsec: i64::from(duration.subsec_nanos()) })
        }
    }

    impl Timespec {
        fn duration(self) -> Duration {
            let seconds = u64::try_from(self.tv_sec).unwrap_or(0);
            Duration::new(seconds, u32::try_from(self.tv_nsec).unwrap_or(0))
        }
    }

    /// As the original: how many can be read or written, or 0 when the time is up.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn poll(fds: &mut [PollFd<'_>], timeout: Option<&Timespec>) -> Result<usize, Interrupted> {
        point();
        let due = timeout.map(|timeout| Instant::now() + timeout.duration());
        let mut alarm = pin!(Alarm::new(due));
        let now = due.is_some_and(|due| due <= Instant::now());
        let look = |fds: &mut [PollFd<'_>]| {
            fds.iter_mut().filter_map(|fd| fd.look().then_some(())).count()
        };
        if now {
            return Ok(look(fds));
        }
        Ok(shuttle::future::block_on(poll_fn(|cx| {
            let ready = look(fds);
            if ready > 0 || alarm.as_mut().poll(cx).is_ready() {
                return Poll::Ready(ready);
            }
            for fd in &*fds {
                for (flag, write) in [(PollFlags::IN, false), (PollFlags::OUT, true)] {
                    if fd.events.intersects(flag) {
                        fd.fd.end().watch(write, cx);
                    }
                }
            }
            Poll::Pending
        })))
    }

    /// An error that there is not.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Interrupted;
}
