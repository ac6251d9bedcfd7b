use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::stream::{FuturesUnordered, Stream as _};
use futures_util::task::AtomicWaker;
use memcache_proto::Time;
use memcache_proto::client::ConnectionId;

use crate::exchange;
use crate::runtime::{BoxFuture, Connected, connect_failure};
use crate::shared::{Effects, Shared};
use crate::signal::Signal;
use crate::state::{Reader, State};

/// Drives one connection, from connecting to closing.
pub(crate) struct Driving {
    shared: Arc<Shared>,
    id: ConnectionId,
    connect: Connect,
    timer: Option<(Time, BoxFuture<()>)>,
    /// Whether the timer has gone off and nothing has been given up yet.
    late: bool,
    signal: Arc<Signal>,
    /// Wakes through the signal.
    socket: Waker,
}

/// How far a driver has come with connecting.
enum Connect {
    /// It is not to connect yet.
    NotYet,
    UnderWay(BoxFuture<io::Result<Connected>>),
    Done,
}

/// What a driver is to do after it has done all that it could.
enum Next {
    End,
    /// Others come first.
    Yield,
    /// Sleep, until this moment at the latest.
    Sleep(Option<Time>),
}

impl Driving {
    pub(crate) fn new(shared: Arc<Shared>, id: ConnectionId, signal: Arc<Signal>) -> Self {
        let socket = Waker::from(signal.clone());
        let connect = Connect::NotYet;
        Driving { shared, id, connect, timer: None, late: false, signal, socket }
    }

    /// Begins to connect, if it is time to.
    fn begin(&mut self) {
        let id = self.id;
        let socket = |state: &mut State| state.socket(id).and_then(|(_, socket)| socket.deadline);
        let Some(deadline) = self.shared.with(|state, _| socket(state)) else { return };
        let server = self.shared.calls.cluster().server(id.server());
        let address = server.expect("it is of this cluster").address.clone();
        let until = self.shared.instant(deadline);
        let connect = self.shared.runtime.clone().connect(address, until);
        self.connect = Connect::UnderWay(connect);
    }

    fn poll_connect(&mut self, cx: &mut Context<'_>) {
        if let Connect::NotYet = self.connect {
            self.begin();
        }
        let Connect::UnderWay(connect) = &mut self.connect else { return };
        let Poll::Ready(result) = connect.as_mut().poll(cx) else { return };
        self.connect = Connect::Done;
        let id = self.id;
        self.shared.with(|state, effects| {
            let Some((client, socket)) = state.socket(id) else {
                // It comes too late.
                return effects.streams.extend(result.ok().map(|connected| connected.stream));
            };
            match result {
                Ok(Connected { stream, credentials }) => {
                    socket.stream = Some(stream);
                    match credentials {
                        Some(credentials) => client.connected_as(id, &credentials, effects.now),
                        None => client.connected(id, effects.now),
                    }
                    state.forget_error(id.server());
                }
                Err(error) => {
                    let reason = connect_failure(&error);
                    state.note(id, error);
                    state.client.connect_failed(id, reason, effects.now);
                }
            }
        });
    }

    /// Whether the timer has just gone off.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let fired =
            self.timer.as_mut().is_some_and(|(_, sleep)| sleep.as_mut().poll(cx).is_ready());
        if fired {
            self.timer = None;
            self.late = true;
            self.shared.with(|state, effects| {
                if state.client.poll_timeout().is_some_and(|due| due <= effects.now) {
                    // Its owner may have no time for it.
                    state.take_back(effects);
                }
            });
        }
        fired
    }

    /// Gives up on what has taken too long.
    fn give_up(&mut self) {
        self.late = false;
        self.shared.with(|state, effects| {
            state.catch_up(effects);
            state.client.handle_timeout(effects.now);
            state.give_up_flush(self.id, effects.now);
            state.room.expire(effects.now, &mut effects.wakers);
        });
    }

    fn drive(&mut self) -> Next {
        let Driving { shared, id, timer, socket, .. } = self;
        let mut cx = Context::from_waker(socket);
        shared.with(|state, effects| {
            let timer = timer.as_ref().map(|&(due, _)| due);
            state.drive(*id, timer, effects, &mut cx)
        })
    }
}

impl Future for Driving {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.signal.register(cx.waker());
        this.poll_connect(cx);
        if this.late {
            // A last look, for streams that may ask to be tried again.
            this.drive();
            this.give_up();
        }
        this.poll_timer(cx);
        match this.drive() {
            Next::End => return Poll::Ready(()),
            // What this and the other drivers find to read and write comes before anything is given up:
            // that nobody has polled them for a while, because a task kept the thread, say, is no
            // server's fault.
            Next::Sleep(_) if this.late => {}
            Next::Yield => {}
            Next::Sleep(due) => {
                if let Some(due) = due {
                    let until = this.shared.instant(due);
                    this.timer = Some((due, this.shared.runtime.clone().sleep_until(until)));
                }
                if !this.poll_timer(cx) {
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        // Nothing may come from a connect that nobody waits for any more.
        self.connect = Connect::Done;
        self.shared.with(|state, effects| state.driver_ended(self.id, effects.now));
    }
}

impl State {
    /// Reads and writes what can be on a connection, where that is its driver's. Ready where there may be
    /// more, or it has ended.
    fn exchange_all(&mut self, id: ConnectionId, now: Time, cx: &mut Context<'_>) -> Poll<()> {
        let Some((client, socket)) = self.socket(id) else { return Poll::Ready(()) };
        let (Some(stream), true) = (&mut socket.stream, socket.reader != Reader::Caller) else {
            return Poll::Pending;
        };
        if socket.signal.take_ready() {
            socket.reader = Reader::Nobody;
        }
        let mut result = Poll::Ready(Ok(()));
        let mut reads = 0;
        // What came while nobody waited comes before anything is sent.
        while socket.reader == Reader::Nobody && matches!(result, Poll::Ready(Ok(()))) {
            if reads == exchange::READS || !client.is_open(id) {
                return Poll::Ready(());
            }
            reads += 1;
            result = exchange::receive_from(client, id, &mut **stream, cx)
                .map_ok(|len| client.received(id, len, now));
            if result.is_pending() {
                socket.reader = Reader::Driver;
            }
        }
        if !matches!(result, Poll::Ready(Err(_))) {
            // What had come would have been read by now.
            client.looked(id, now);
            result = exchange::send(client, id, stream, &mut socket.unflushed, now, cx);
        }
        let wants = client.wants(id);
        let only_flush = socket.unflushed && !wants.transmit && !wants.receive;
        let timeout = client.cluster().settings().socket_timeout;
        socket.flush_by = only_flush.then(|| socket.flush_by.unwrap_or(now + timeout));
        match result {
            Poll::Ready(Err(error)) => {
                self.lost(id, error, now);
                Poll::Ready(())
            }
            _ => Poll::Pending,
        }
    }

    /// Closes a connection where nothing but a flush is awaited, and that for too long.
    fn give_up_flush(&mut self, id: ConnectionId, now: Time) {
        let Some((_, socket)) = self.socket(id) else { return };
        if socket.flush_by.is_some_and(|due| due <= now) {
            self.lost(id, io::ErrorKind::TimedOut.into(), now);
        }
    }

    /// Where something is late, does what other drivers have not come to do: what is there to be read
    /// speaks for its server.
    fn catch_up(&mut self, effects: &mut Effects) {
        let now = effects.now;
        if self.client.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        for id in self.connections() {
            let Some((_, socket)) = self.socket(id) else { continue };
            let waker = Waker::from(socket.signal.clone());
            if self.exchange_all(id, now, &mut Context::from_waker(&waker)).is_ready() {
                if let Some((_, socket)) = self.socket(id) {
                    socket.wake(effects);
                }
            }
        }
    }

    /// Reads and writes what can be. `timer` is when the driver's timer goes off, if it has one.
    fn drive(
        &mut self,
        id: ConnectionId,
        timer: Option<Time>,
        effects: &mut Effects,
        cx: &mut Context<'_>,
    ) -> Next {
        let Some((_, socket)) = self.socket(id) else { return Next::End };
        socket.asleep = false;
        if self.exchange_all(id, effects.now, cx).is_ready() {
            return Next::Yield;
        }
        self.pass_on(id.server(), effects);
        let Some((client, socket)) = self.socket(id) else { return Next::End };
        let wants = client.wants(id);
        let flush_by = socket.flush_by;
        let awaited = wants.look || wants.transmit || wants.receive || flush_by.is_some();
        let busy = socket.stream.is_none() || awaited;
        let due = self.client.poll_timeout().into_iter().chain(self.room.next_deadline());
        let due = due.chain(flush_by).min();
        let due = due.filter(|&due| busy && timer.is_none_or(|timer| due < timer));
        let Some((_, socket)) = self.socket(id) else { return Next::End };
        socket.asleep = true;
        socket.timer = due.or(timer);
        Next::Sleep(due)
    }
}

/// Drives all connections of a client, where its runtime does not
/// ([`Builder::build_with_driver`](crate::Builder::build_with_driver)). It is ready when the client has
/// been closed or its last clone dropped; if it is dropped before that, calls fail. While nobody polls
/// it calls wait, and no timeout ends them: the timers are polled here, too.
#[must_use = "the client does nothing unless its driver is polled"]
pub struct Driver {
    tasks: Arc<Tasks>,
    polled: FuturesUnordered<BoxFuture<()>>,
}

/// What a [`Driver`] is to poll.
#[derive(Default)]
pub(crate) struct Tasks {
    new: Mutex<NewTasks>,
    driver: AtomicWaker,
}

#[derive(Default)]
struct NewTasks {
    tasks: Vec<BoxFuture<()>>,
    /// There will be no more.
    ended: bool,
}

impl Tasks {
    pub(crate) fn add(&self, task: BoxFuture<()>) {
        let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        if !new.ended {
            new.tasks.push(task);
            drop(new);
            self.driver.wake();
        }
        // Else it is dropped here, after the lock, and tells so.
    }

    /// There will be no more tasks.
    pub(crate) fn end(&self) {
        let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        new.ended = true;
        let tasks = std::mem::take(&mut new.tasks);
        drop(new);
        drop(tasks);
        self.driver.wake();
    }
}

impl Driver {
    pub(crate) fn new(tasks: Arc<Tasks>) -> Self {
        Driver { tasks, polled: FuturesUnordered::new() }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.tasks.driver.register(cx.waker());
        loop {
            let mut new = this.tasks.new.lock().unwrap_or_else(PoisonError::into_inner);
            let (tasks, ended) = (std::mem::take(&mut new.tasks), new.ended);
            drop(new);
            this.polled.extend(tasks);
            match Pin::new(&mut this.polled).poll_next(cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) if ended => return Poll::Ready(()),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.tasks.end();
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("connections", &self.polled.len()).finish_non_exhaustive()
    }
}
