//! Pipes in memory, both ways, in place of sockets.

use ::std::collections::VecDeque;
use ::std::future::{Future, poll_fn};
use ::std::io::{self, Read, Write};
use ::std::net::SocketAddr;
use ::std::pin::pin;
use ::std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use ::std::task::{Context, Poll, Waker};
use ::std::time::Duration;

use crate::sync::point;
use crate::time::{Alarm, Instant};

/// One way of a pipe. What has no [`point`] in it is one step of the model.
#[derive(Debug, Default)]
struct Way {
    bytes: VecDeque<u8>,
    /// How many bytes it holds at most; 0 for any number.
    limit: usize,
    /// Whether one of its ends is gone.
    closed: bool,
    /// Who waits for something to read.
    reader: Option<Waker>,
    /// Who waits for room to write.
    writer: Option<Waker>,
}

/// One end of a pipe: reads what is written to the other.
#[derive(Debug)]
pub struct End {
    inward: Arc<Mutex<Way>>,
    outward: Arc<Mutex<Way>>,
}

/// Both ends of a pipe that holds so many bytes each way; 0 for any number.
#[must_use]
pub fn pipe(limit: usize) -> (End, End) {
    let way = || Arc::new(Mutex::new(Way { limit, ..Way::default() }));
    let (one, other) = (way(), way());
    let end = End { inward: one.clone(), outward: other.clone() };
    (end, End { inward: other, outward: one })
}

impl End {
    fn inward(&self) -> MutexGuard<'_, Way> {
        self.inward.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outward(&self) -> MutexGuard<'_, Way> {
        self.outward.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a read would not have to wait.
    #[must_use]
    pub fn can_read(&self) -> bool {
        let way = self.inward();
        !way.bytes.is_empty() || way.closed
    }

    /// Whether a write would not have to wait.
    #[must_use]
    pub fn can_write(&self) -> bool {
        let way = self.outward();
        way.limit == 0 || way.bytes.len() < way.limit || way.closed
    }

    /// Reads; 0 is the end. Wakes whoever polled last when there is more.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<usize> {
        point();
        let mut way = self.inward();
        if way.bytes.is_empty() && !way.closed {
            way.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = way.bytes.read(buffer).expect("memory is always read");
        let writer = way.writer.take();
        drop(way);
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(len)
    }

    /// Writes what fits. Wakes whoever polled last when there is room.
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        point();
        let mut way = self.outward();
        if way.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = if way.limit == 0 { bytes.len() } else { way.limit - way.bytes.len() };
        if room == 0 && !bytes.is_empty() {
            way.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = room.min(bytes.len());
        way.bytes.extend(&bytes[..len]);
        let reader = way.reader.take();
        drop(way);
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(len))
    }

    /// Wakes the waker of this context once the end can be read (or written, if `write`).
    pub fn watch(&self, write: bool, cx: &Context<'_>) {
        let waker = Some(cx.waker().clone());
        if write {
            self.outward().writer = waker;
        } else {
            self.inward().reader = waker;
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        for way in [&self.inward, &self.outward] {
            let mut way = way.lock().unwrap_or_else(PoisonError::into_inner);
            way.closed = true;
            let wakers = [way.reader.take(), way.writer.take()];
            drop(way);
            wakers.into_iter().flatten().for_each(Waker::wake);
        }
    }
}

/// `std::os::unix::net::UnixStream`: an [`End`] that a thread waits at.
#[derive(Debug)]
pub struct UnixStream {
    end: Arc<End>,
    nonblocking: ::std::sync::atomic::AtomicBool,
    timeout: Mutex<Option<Duration>>,
}

impl From<End> for UnixStream {
    fn from(end: End) -> Self {
        UnixStream { end: Arc::new(end), nonblocking: false.into(), timeout: Mutex::default() }
    }
}

impl UnixStream {
    /// As that of `std`.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = pipe(0);
        Ok((one.into(), other.into()))
    }

    /// There is nobody to connect to.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn connect(_: impl AsRef<::std::path::Path>) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// As that of `std`.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn try_clone(&self) -> io::Result<Self> {
        let UnixStream { end, .. } = self;
        Ok(UnixStream { end: end.clone(), nonblocking: false.into(), timeout: Mutex::default() })
    }

    /// As that of `std`.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.nonblocking.store(nonblocking, ::std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }

    /// As that of `std`.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        *self.timeout.lock().unwrap_or_else(PoisonError::into_inner) = timeout;
        Ok(())
    }

    /// As that of `std`; it is the same as the other.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)
    }

    /// Does something that may have to wait, for as long as the settings say.
    fn wait_for<T>(
        &self,
        mut work: impl FnMut(&End, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> io::Result<T> {
        if self.nonblocking.load(::std::sync::atomic::Ordering::Relaxed) {
            // Whoever waits with `poll` is told of what comes, and nobody here.
            return match work(&self.end, &mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => result,
                Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        let timeout = *self.timeout.lock().unwrap_or_else(PoisonError::into_inner);
        let due = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut alarm = pin!(Alarm::new(due));
        shuttle::future::block_on(poll_fn(|cx| match work(&self.end, cx) {
            Poll::Pending if alarm.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Err(io::ErrorKind::WouldBlock.into()))
            }
            polled => polled,
        }))
    }
}

impl Read for UnixStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait_for(|end, cx| end.poll_read(cx, buffer).map(Ok))
    }
}

impl Write for UnixStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait_for(|end, cx| end.poll_write(cx, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `std::os::fd::BorrowedFd`: an [`End`].
#[derive(Clone, Copy, Debug)]
pub struct BorrowedFd<'a>(&'a End);

impl<'a> BorrowedFd<'a> {
    /// What it is.
    #[must_use]
    pub fn end(self) -> &'a End {
        self.0
    }
}

/// `std::os::fd::AsFd`.
pub trait AsFd {
    /// As that of `std`.
    fn as_fd(&self) -> BorrowedFd<'_>;
}

impl<T: AsFd + ?Sized> AsFd for Box<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        (**self).as_fd()
    }
}

impl AsFd for UnixStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        BorrowedFd(&self.end)
    }
}

/// `std::net::TcpStream`, of which there is none.
#[derive(Debug)]
pub enum TcpStream {}

impl TcpStream {
    /// There is nobody to connect to.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn connect_timeout(_: &SocketAddr, _: Duration) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// As that of `std`.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn set_nodelay(&self, _: bool) -> io::Result<()> {
        match *self {}
    }

    /// As that of `std`.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn set_nonblocking(&self, _: bool) -> io::Result<()> {
        match *self {}
    }

    /// As that of `std`.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        match *self {}
    }

    /// As that of `std`.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        match *self {}
    }
}

impl Read for TcpStream {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }
}

impl Write for TcpStream {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match *self {}
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match *self {}
    }
}
