//! One thread that polls a future, and sleeps in `poll(2)` while there is nothing to do: the least that
//! loses no wake-up, whatever thread it comes from.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use futures_io::{AsyncRead, AsyncWrite};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, socket, sockopt::socket_error};

/// Polls a future to its end, on this thread.
pub(crate) fn block_on<T>(
    reactor: &Arc<Reactor>,
    future: impl Future<Output = T>,
) -> io::Result<T> {
    let mut future = pin!(future);
    let waker = Waker::from(reactor.clone());
    waker.wake_by_ref();
    loop {
        let woken = std::mem::take(&mut reactor.state().woken);
        if woken {
            if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Ok(result);
            }
        }
        reactor.sleep()?;
    }
}

/// Sleeps until something happens that somebody waits for.
pub(crate) struct Reactor {
    state: Mutex<State>,
    /// Rung by pulling the rope, which any thread may do.
    bell: UnixStream,
    rope: UnixStream,
}

#[derive(Default)]
struct State {
    /// Whether the future is to be polled.
    woken: bool,
    /// Whether whoever changes anything here has to ring.
    asleep: bool,
    sleeps: usize,
    waiting: BTreeMap<u64, (Event, Waker)>,
    places: u64,
}

#[derive(Clone)]
enum Event {
    Socket(Arc<TcpStream>, PollFlags),
    Time(Instant),
}

impl Wake for Reactor {
    fn wake(self: Arc<Self>) {
        let mut state = self.state();
        state.woken = true;
        self.ring(&mut state);
    }
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let (bell, rope) = UnixStream::pair()?;
        Ok(Arc::new(Reactor { state: Mutex::default(), bell, rope }))
    }

    /// Ready at the deadline.
    pub(crate) async fn sleep_until(self: &Arc<Self>, deadline: Instant) {
        let place = Place::new(self);
        let is_over = |cx: &mut Context<'_>| {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            place.wait(Event::Time(deadline), cx)
        };
        poll_fn(is_over).await;
    }

    /// How often the thread has slept.
    pub(crate) fn sleeps(&self) -> usize {
        self.state().sleeps
    }

    /// Whether nobody waits for anything.
    pub(crate) fn is_idle(&self) -> bool {
        self.state().waiting.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, state: &mut State) {
        if std::mem::take(&mut state.asleep) {
            // Once for each sleep, so there is room for it.
            let _ = (&self.rope).write(&[0]);
        }
    }

    /// Sleeps until something happens that somebody waits for, and wakes them.
    fn sleep(&self) -> io::Result<()> {
        let mut state = self.state();
        state.asleep = !state.woken;
        state.sleeps += usize::from(state.asleep);
        let mut until = state.woken.then(Instant::now);
        // Sockets are kept open meanwhile: their numbers must not become others'.
        let waiting = state.waiting.iter().map(|(&place, (event, _))| (place, event.clone()));
        let waiting: Vec<_> = waiting.collect();
        drop(state);

        let mut polled = vec![PollFd::new(&self.bell, PollFlags::IN)];
        for (_, event) in &waiting {
            match event {
                Event::Socket(socket, flags) => polled.push(PollFd::new(socket, *flags)),
                Event::Time(at) => until = Some(until.map_or(*at, |until| until.min(*at))),
            }
        }
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = polled.iter().map(|fd| !fd.revents().is_empty());
        if ready.next() == Some(true) {
            (&self.bell).read_exact(&mut [0])?;
        }

        let now = Instant::now();
        let mut state = self.state();
        state.asleep = false;
        let mut happened = Vec::new();
        for (place, event) in &waiting {
            let has_happened = match event {
                Event::Socket(..) => ready.next() == Some(true),
                Event::Time(at) => *at <= now,
            };
            if has_happened {
                happened.extend(state.waiting.remove(place));
            }
        }
        drop(state); // A waker wants it.
        happened.into_iter().for_each(|(_, waker)| waker.wake());
        Ok(())
    }
}

/// Somebody's place among those who wait. Whoever came last to it is woken, once.
struct Place(Arc<Reactor>, u64);

impl Place {
    fn new(reactor: &Arc<Reactor>) -> Self {
        let mut state = reactor.state();
        state.places += 1;
        Place(reactor.clone(), state.places)
    }

    fn wait<T>(&self, event: Event, cx: &Context<'_>) -> Poll<T> {
        let mut state = self.0.state();
        let earlier = state.waiting.insert(self.1, (event, cx.waker().clone()));
        self.0.ring(&mut state);
        drop(state);
        drop(earlier); // Last, as it may run anybody's code.
        Poll::Pending
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.0.state().waiting.remove(&self.1);
        drop(left);
    }
}

/// A socket that does not block.
pub(crate) struct Socket {
    stream: Arc<TcpStream>,
    reading: Place,
    writing: Place,
}

impl Socket {
    /// Connects, without delay.
    pub(crate) async fn connect(reactor: &Arc<Reactor>, address: SocketAddr) -> io::Result<Self> {
        let v4 = address.is_ipv4();
        let family = if v4 { AddressFamily::INET } else { AddressFamily::INET6 };
        let stream = TcpStream::from(socket(family, SocketType::STREAM, None)?);
        fcntl_setfd(&stream, FdFlags::CLOEXEC)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        match rustix::net::connect(&stream, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let (stream, reading, writing) =
            (Arc::new(stream), Place::new(reactor), Place::new(reactor));
        let socket = Socket { stream, reading, writing };
        // Once it can be written it is connected, or has failed.
        let connected = |stream: &TcpStream| {
            let mut polled = [PollFd::new(stream, PollFlags::OUT)];
            match poll(&mut polled, Some(&Timespec::default()))? {
                0 => Err(ErrorKind::WouldBlock.into()),
                _ => Ok(socket_error(stream)??),
            }
        };
        poll_fn(|cx| socket.poll(&socket.writing, PollFlags::OUT, cx, connected)).await?;
        Ok(socket)
    }

    /// Does something now, or waits until it is worth another try.
    fn poll<T>(
        &self,
        place: &Place,
        flags: PollFlags,
        cx: &Context<'_>,
        mut work: impl FnMut(&TcpStream) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            match work(&self.stream) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return place.wait(Event::Socket(self.stream.clone(), flags), cx);
                }
                result => return Poll::Ready(result),
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(&self.reading, PollFlags::IN, cx, |mut stream| stream.read(buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(&self.writing, PollFlags::OUT, cx, |mut stream| stream.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown(Shutdown::Write))
    }
}
