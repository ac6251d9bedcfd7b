//! What the client finds outside itself: servers, the pipes to them, and time.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use memcache_async::proto::routing::{Endpoint, ServerAddress};
use memcache_async::{Runtime, Spawn, Stream, WithSpare};

use super::Random;
use super::peer::{Mode, Peer};
use super::pipe::{MemoryStream, Pipe};

pub(crate) type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Everything that is not the client and not the tasks. The test moves it.
pub(crate) struct World {
    /// Instants cannot be made from nothing. Only their distance to this one plays a part.
    origin: Instant,
    state: Mutex<State>,
}

pub(crate) struct State {
    /// How much time has passed.
    pub(crate) now: Duration,
    pub(crate) peers: Vec<Peer>,
    /// Never removed; a stream knows its number.
    pub(crate) pipes: Vec<Pipe>,
    pub(crate) pieces: Pieces,
    /// What a pipe holds, in each direction.
    pub(crate) pipe_len: usize,
    /// Whether streams keep what is written until they are flushed.
    pub(crate) buffering: bool,
    /// Whether streams read into spare room.
    pub(crate) with_spare: bool,
    /// Cuts pieces at random, and jams reads and writes.
    pub(crate) random: Option<Random>,
    /// Where the next look for something to serve begins.
    pub(crate) turn: usize,
    timers: BTreeMap<(Duration, u64), Waker>,
    connects: BTreeMap<u64, Connect>,
    next: u64,
    /// How many timers have been asked for.
    pub(crate) timers_made: usize,
    /// Drivers that the executor has not seen yet.
    pub(crate) spawned: Vec<BoxFuture>,
    /// Whether the runtime takes no more drivers.
    pub(crate) shut_down: bool,
}

/// The most bytes that go at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pieces {
    pub(crate) read: usize,
    pub(crate) write: usize,
    /// From the server into the pipe.
    pub(crate) answer: usize,
}

impl Pieces {
    pub(crate) const WHOLE: Pieces =
        Pieces { read: usize::MAX, write: usize::MAX, answer: usize::MAX };

    pub(crate) fn of(len: usize) -> Self {
        Pieces { read: len, write: len, answer: len }
    }
}

struct Connect {
    server: usize,
    /// How it ended.
    result: Option<io::Result<()>>,
    waker: Waker,
}

impl World {
    pub(crate) fn new(servers: usize) -> Arc<Self> {
        let state = State {
            now: Duration::ZERO,
            peers: (0..servers).map(|_| Peer::default()).collect(),
            pipes: Vec::new(),
            pieces: Pieces::WHOLE,
            pipe_len: 1 << 20,
            buffering: false,
            with_spare: false,
            random: None,
            turn: 0,
            timers: BTreeMap::new(),
            connects: BTreeMap::new(),
            next: 0,
            timers_made: 0,
            spawned: Vec::new(),
            shut_down: false,
        };
        Arc::new(World { origin: Instant::now(), state: Mutex::new(state) })
    }

    /// Never held while a future is polled or dropped.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics with it")
    }

    fn since_origin(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.origin)
    }

    /// A future that is ready when `time` has come.
    pub(crate) fn sleep(self: &Arc<Self>, time: Duration) -> Sleep {
        Sleep { world: self.clone(), time, key: None }
    }

    /// Does one thing that a server or the network does; false where there is none to do before time
    /// passes.
    pub(crate) fn serve(&self) -> bool {
        let mut state = self.state();
        state.connect() || state.serve()
    }

    /// When something will happen by itself; `None` where never.
    pub(crate) fn next_event(&self) -> Option<Duration> {
        let state = self.state();
        let timers = state.timers.keys().map(|&(time, _)| time);
        let answers = state.pipes.iter().filter_map(Pipe::next_answer);
        timers.chain(answers).min()
    }

    /// Lets time pass, and wakes those who waited for it.
    pub(crate) fn pass(&self, until: Duration) {
        let mut state = self.state();
        state.now = state.now.max(until);
        let now = state.now;
        let later = state.timers.split_off(&(now, u64::MAX));
        let fired = std::mem::replace(&mut state.timers, later);
        drop(state);
        for waker in fired.into_values() {
            waker.wake();
        }
    }

    pub(crate) fn timers(&self) -> usize {
        self.state().timers.len()
    }

    pub(crate) fn connecting(&self) -> usize {
        self.state().connects.len()
    }
}

impl State {
    /// A random length up to `limit`, where lengths are random.
    pub(crate) fn cut(random: &mut Option<Random>, limit: usize, len: usize) -> usize {
        let most = len.min(limit);
        match random {
            Some(random) if most > 1 => 1 + random.below(most),
            _ => most,
        }
    }

    /// Brings one connect to its end.
    fn connect(&mut self) -> bool {
        let open = |connect: &&mut Connect| connect.result.is_none();
        for connect in self.connects.values_mut().filter(open) {
            let peer = &mut self.peers[connect.server];
            connect.result = Some(match peer.mode {
                Mode::Hanging => continue,
                Mode::Refusing => Err(io::ErrorKind::ConnectionRefused.into()),
                _ => Ok(()),
            });
            connect.waker.wake_by_ref();
            return true;
        }
        false
    }

    fn serve(&mut self) -> bool {
        let count = self.pipes.len();
        self.turn += 1;
        let State { peers, pipes, pieces, pipe_len, random, now, .. } = self;
        (0..count).any(|number| {
            let pipe = &mut pipes[(number + self.turn) % count];
            pipe.serve(&mut peers[pipe.server], *pieces, *pipe_len, random, *now)
        })
    }
}

/// The runtime of a [`World`].
#[derive(Clone)]
pub(crate) struct Memory(pub(crate) Arc<World>);

impl Runtime for Memory {
    async fn connect(&self, address: &ServerAddress, _: Instant) -> io::Result<Box<dyn Stream>> {
        let Endpoint::Tcp { host, .. } = address.endpoint() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let server = host.trim_start_matches("server").parse().expect("a server's number");
        let stream = Connecting { world: self.0.clone(), server, key: None }.await?;
        let with_spare = self.0.state().with_spare;
        Ok(if with_spare { Box::new(WithSpare::new(stream)) } else { Box::new(stream) })
    }

    async fn sleep_until(&self, deadline: Instant) {
        self.0.state().timers_made += 1;
        self.0.sleep(self.0.since_origin(deadline)).await;
    }

    fn now(&self) -> Instant {
        self.0.origin + self.0.state().now
    }
}

impl Spawn for Memory {
    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) {
        let mut state = self.0.state();
        if state.shut_down {
            // It is dropped here, which runs the client's code.
            drop(state);
            return drop(driver);
        }
        state.spawned.push(Box::pin(driver));
    }
}

pub(crate) struct Sleep {
    world: Arc<World>,
    time: Duration,
    key: Option<(Duration, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let world = self.world.clone();
        let mut state = world.state();
        if state.now >= self.time {
            return Poll::Ready(());
        }
        state.next += 1;
        let key = self.key.unwrap_or((self.time, state.next));
        self.key = Some(key);
        state.timers.insert(key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.world.state().timers.remove(&key);
        }
    }
}

struct Connecting {
    world: Arc<World>,
    server: usize,
    key: Option<u64>,
}

impl Future for Connecting {
    type Output = io::Result<MemoryStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (world, server) = (self.world.clone(), self.server);
        let mut state = world.state();
        let Some(key) = self.key else {
            state.next += 1;
            self.key = Some(state.next);
            let connect = Connect { server, result: None, waker: cx.waker().clone() };
            let key = state.next;
            state.connects.insert(key, connect);
            state.peers[server].tried += 1;
            return Poll::Pending;
        };
        let connect = state.connects.get_mut(&key).expect("it is there until it is dropped");
        connect.waker.clone_from(cx.waker());
        match connect.result.take() {
            None => Poll::Pending,
            Some(Err(error)) => Poll::Ready(Err(error)),
            Some(Ok(())) => {
                drop(state);
                Poll::Ready(Ok(MemoryStream::new(&world, server)))
            }
        }
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.world.state().connects.remove(&key);
        }
    }
}
