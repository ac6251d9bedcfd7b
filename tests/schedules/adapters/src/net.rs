use std::future::poll_fn;
use std::io;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memcache_sync::proto::server::{Connection, Settings, Store};
use memcache_sync::proto::{Limits, Time};
use memcache_sync::{Endpoint, ServerAddress};
use schedules_std::pipe::{End, pipe};

/// The clock of the servers stands here, in unix seconds.
const UNIX_NOW: u64 = 1_700_000_000;

/// A memcached in memory, with a task of its own for each connection.
#[derive(Clone, Debug)]
pub struct Server(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    store: Store,
    mode: Mode,
    /// How many bytes a pipe to it holds each way; 0 for any number.
    pipe: usize,
    open: usize,
    accepted: usize,
}

/// How a server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As it should.
    Up,
    /// Connects are refused.
    Refusing,
    /// Connects are refused while there are so many connections.
    Limited(usize),
    /// Connects do not end by themselves.
    Hanging,
    /// All is read and nothing is answered.
    Silent,
    /// Whoever connects panics, without a word.
    Panicking,
}

impl Server {
    /// A server in this mode.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self::with_pipes(mode, 0)
    }

    /// The same, where no more than so many bytes are on their way to it or from it at a time.
    #[must_use]
    pub fn with_pipes(mode: Mode, pipe: usize) -> Self {
        let store = Store::new(Settings::default());
        Server(Arc::new(Mutex::new(State { store, mode, pipe, open: 0, accepted: 0 })))
    }

    /// Has it behave otherwise from now on.
    pub fn set_mode(&self, mode: Mode) {
        self.state().mode = mode;
    }

    /// How many connections to it are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.state().open
    }

    /// How many connections to it there have been.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.state().accepted
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects to it; `None` if that does not end by itself.
    pub(crate) fn connect(&self) -> Option<io::Result<End>> {
        let mut state = self.state();
        match state.mode {
            Mode::Hanging => return None,
            Mode::Panicking => {
                drop(state);
                resume_unwind(Box::new("somebody connected"));
            }
            Mode::Refusing => return Some(Err(io::ErrorKind::ConnectionRefused.into())),
            Mode::Limited(most) if state.open >= most => {
                return Some(Err(io::ErrorKind::ConnectionRefused.into()));
            }
            Mode::Up | Mode::Limited(_) | Mode::Silent => {}
        }
        state.open += 1;
        state.accepted += 1;
        let (theirs, own) = pipe(state.pipe);
        drop(state);
        let server = self.clone();
        drop(shuttle::future::spawn(async move {
            // Whatever ends it.
            let _ = server.serve(&own).await;
            server.state().open -= 1;
        }));
        Some(Ok(theirs))
    }

    async fn serve(&self, end: &End) -> io::Result<()> {
        let mut connection = Connection::new(Limits::default());
        let mut buffer = [0; 512];
        loop {
            let len = poll_fn(|cx| end.poll_read(cx, &mut buffer)).await;
            if len == 0 {
                return Ok(());
            }
            let mut unread = &buffer[..len];
            while !unread.is_empty() {
                let space = connection.receive_buffer();
                let part = space.len().min(unread.len());
                space[..part].copy_from_slice(&unread[..part]);
                connection.received(part);
                unread = &unread[part..];
                self.answer(&mut connection, end).await?;
            }
            if connection.wants_close() {
                return Ok(());
            }
        }
    }

    async fn answer(&self, connection: &mut Connection, end: &End) -> io::Result<()> {
        if self.state().mode == Mode::Silent {
            return Ok(());
        }
        loop {
            connection.handle(&mut self.state().store, Time::ZERO, UNIX_NOW);
            if connection.transmit().is_empty() {
                return Ok(());
            }
            let len = poll_fn(|cx| end.poll_write(cx, connection.transmit())).await?;
            connection.transmitted(len);
        }
    }
}

/// Which of the servers has this address: they are told apart by their ports, from 1.
pub(crate) fn number_of(address: &ServerAddress) -> usize {
    match address.endpoint() {
        Endpoint::Tcp { port, .. } => usize::from(port) - 1,
        _ => unreachable!("all servers of the models have ports"),
    }
}
