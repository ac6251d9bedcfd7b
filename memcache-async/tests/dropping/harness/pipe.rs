//! The pipes between the client and the servers.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use memcache_async::ReadSpare;
use memcache_async::proto::Limits;
use memcache_async::proto::server::Connection;

use super::Random;
use super::peer::{Mode, Peer};
use super::world::{Pieces, State, World};

/// What a stream that buffers keeps before it sends by itself.
const BUFFER_LEN: usize = 100;

/// One connection, as the network and the server see it.
pub(crate) struct Pipe {
    pub(crate) server: usize,
    session: Connection,
    /// Written and not flushed.
    buffer: VecDeque<u8>,
    to_server: VecDeque<u8>,
    /// Answered, each piece on its way until its time.
    answers: VecDeque<(Duration, Vec<u8>)>,
    to_client: VecDeque<u8>,
    /// How many bytes of answers there were.
    answered: usize,
    /// When the last piece came to the client.
    last_piece: Duration,
    /// Whether the server listens no more on this connection.
    deaf: bool,
    /// Whether the server has closed it.
    pub(crate) ended: bool,
    /// Whether reads and writes fail.
    pub(crate) broken: bool,
    /// Whether the last read or write was to be tried again.
    jammed: bool,
    /// Whether reads panic.
    pub(crate) panics: bool,
    /// Whether the client has dropped its end.
    pub(crate) dropped: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// How often the client has tried to read.
    pub(crate) reads: usize,
    /// How often it has written.
    pub(crate) writes: usize,
}

impl Pipe {
    pub(crate) fn new(server: usize, peer: &mut Peer) -> Self {
        peer.accepted += 1;
        let mut pipe = Pipe {
            server,
            session: Connection::new(Limits::default()),
            buffer: VecDeque::new(),
            to_server: VecDeque::new(),
            answers: VecDeque::new(),
            to_client: VecDeque::new(),
            answered: 0,
            last_piece: Duration::ZERO,
            deaf: false,
            ended: false,
            broken: false,
            jammed: false,
            panics: false,
            dropped: false,
            reader: None,
            writer: None,
            reads: 0,
            writes: 0,
        };
        if let Mode::Greets(bytes) = peer.mode {
            pipe.to_client.extend(bytes);
            pipe.ended = true;
        }
        pipe
    }

    /// The server closes it, after what it has answered.
    pub(crate) fn hang_up(&mut self) {
        while let Some((_, bytes)) = self.answers.pop_front() {
            self.to_client.extend(bytes);
        }
        self.ended = true;
        self.wake();
    }

    /// The connection is lost.
    pub(crate) fn cut(&mut self) {
        self.broken = true;
        self.wake();
    }

    pub(crate) fn wake(&mut self) {
        for waker in self.reader.take().into_iter().chain(self.writer.take()) {
            waker.wake();
        }
    }

    /// How many bytes the client has written that have not left the stream.
    pub(crate) fn held(&self) -> usize {
        self.buffer.len()
    }

    /// How many bytes the client has written that no server has read.
    pub(crate) fn unread(&self) -> usize {
        self.to_server.len() + self.buffer.len()
    }

    /// How many bytes of answers there were.
    pub(crate) fn answered(&self) -> usize {
        self.answered
    }

    pub(crate) fn next_answer(&self) -> Option<Duration> {
        if self.dropped {
            return None;
        }
        self.answers.front().map(|&(ready, _)| ready)
    }

    /// Does one thing; false where there is none.
    pub(crate) fn serve(
        &mut self,
        peer: &mut Peer,
        pieces: Pieces,
        pipe_len: usize,
        random: &mut Option<Random>,
        now: Duration,
    ) -> bool {
        if self.dropped || self.broken {
            return false;
        }
        self.deliver(peer, pieces, random, now)
            || !self.ended && (self.listen(peer, now) || self.answer(peer, pipe_len, now))
    }

    /// Brings a piece of the answers to the client.
    fn deliver(
        &mut self,
        peer: &Peer,
        pieces: Pieces,
        random: &mut Option<Random>,
        now: Duration,
    ) -> bool {
        let Some((ready, bytes)) = self.answers.front_mut() else { return false };
        if *ready > now {
            return false;
        }
        let len = State::cut(random, pieces.answer, bytes.len());
        self.to_client.extend(bytes.drain(..len));
        *ready = now + peer.gap;
        self.last_piece = now;
        if bytes.is_empty() {
            self.answers.pop_front();
        }
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
        true
    }

    /// Has the server read what has come.
    fn listen(&mut self, peer: &mut Peer, now: Duration) -> bool {
        if self.to_server.is_empty() || peer.mode == Mode::Deaf {
            return false;
        }
        self.deaf |= match peer.mode {
            Mode::Silent => true,
            // Not in the middle of a value: that nobody could tell from the value.
            Mode::Says(_) => self.session.transmit().is_empty(),
            _ => false,
        };
        if !self.deaf && !self.session.wants_receive() {
            return false;
        }
        let space = self.session.receive_buffer();
        let len = space.len().min(self.to_server.len());
        for (space, byte) in space.iter_mut().zip(self.to_server.drain(..len)) {
            *space = byte;
        }
        peer.heard.extend_from_slice(&space[..len]);
        let lines = space[..len].iter().filter(|&&byte| byte == b'\n').count();
        if !self.deaf {
            self.session.received(len);
        }
        if let (Mode::Says(bytes), true) = (peer.mode, self.deaf) {
            let bytes = bytes.repeat(lines);
            self.answers.push_back((now + peer.delay, bytes));
        }
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
        true
    }

    /// Takes what the server answers, as far as the pipe holds it.
    fn answer(&mut self, peer: &mut Peer, pipe_len: usize, now: Duration) -> bool {
        if self.deaf || peer.mode == Mode::Deaf {
            return false;
        }
        peer.answer(&mut self.session, now);
        let waiting = self.answers.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        let room = pipe_len.saturating_sub(waiting + self.to_client.len());
        let answer = self.session.transmit();
        let mut len = answer.len().min(room);
        if let Mode::ClosesAt(limit) = peer.mode {
            len = len.min(limit.saturating_sub(self.answered));
        }
        if len > 0 {
            let last = self.answers.back().map_or(Duration::ZERO, |&(ready, _)| ready);
            let ready = (now + peer.delay).max(last).max(self.last_piece + peer.gap);
            self.answers.push_back((ready, answer[..len].to_vec()));
            self.answered += len;
            self.session.transmitted(len);
            peer.answer(&mut self.session, now);
        }
        let done = self.session.wants_close() && self.session.transmit().is_empty();
        let limited = matches!(peer.mode, Mode::ClosesAt(limit) if self.answered >= limit);
        if done || limited {
            self.hang_up();
        }
        len > 0 || done || limited
    }
}

/// The client's end of a [`Pipe`].
pub(crate) struct MemoryStream {
    world: Arc<World>,
    number: usize,
}

impl MemoryStream {
    /// A stream to a server, without asking.
    pub(crate) fn new(world: &Arc<World>, server: usize) -> Self {
        let mut state = world.state();
        let pipe = Pipe::new(server, &mut state.peers[server]);
        state.pipes.push(pipe);
        let number = state.pipes.len() - 1;
        MemoryStream { world: world.clone(), number }
    }
}

impl Pipe {
    /// Whether a read or write is to be tried again for no reason, as some runtimes have it when a task
    /// has done much; not twice in a row.
    fn jams(&mut self, random: &mut Option<Random>, cx: &Context<'_>) -> bool {
        self.jammed = !self.jammed && random.as_mut().is_some_and(|random| random.one_in(8));
        if self.jammed {
            cx.waker().wake_by_ref();
        }
        self.jammed
    }
}

impl MemoryStream {
    /// Takes up to so many bytes that have come.
    fn poll_take(&self, cx: &Context<'_>, most: usize) -> Poll<io::Result<Vec<u8>>> {
        assert!(most > 0, "a read to nowhere would look like the end");
        let mut state = self.world.state();
        let State { pipes, pieces, random, .. } = &mut *state;
        let pipe = &mut pipes[self.number];
        pipe.reads += 1;
        if pipe.panics {
            drop(state);
            panic!("a stream that panics");
        }
        if pipe.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if pipe.jams(random, cx) {
            return Poll::Pending;
        }
        if pipe.to_client.is_empty() {
            if pipe.ended {
                return Poll::Ready(Ok(Vec::new()));
            }
            let before = pipe.reader.replace(cx.waker().clone());
            // That may run anybody's code.
            drop(state);
            drop(before);
            return Poll::Pending;
        }
        let len = State::cut(random, pieces.read, most.min(pipe.to_client.len()));
        Poll::Ready(Ok(pipe.to_client.drain(..len).collect()))
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_take(cx, buffer.len()).map_ok(|bytes| {
            buffer[..bytes.len()].copy_from_slice(&bytes);
            bytes.len()
        })
    }
}

impl ReadSpare for MemoryStream {
    fn poll_read_spare(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        self.poll_take(cx, buffer.capacity() - buffer.len()).map_ok(|bytes| {
            buffer.extend_from_slice(&bytes);
            bytes.len()
        })
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        assert!(!bytes.is_empty(), "there is nothing to write");
        let mut state = self.world.state();
        let State { pipes, pieces, random, pipe_len, buffering, .. } = &mut *state;
        let pipe = &mut pipes[self.number];
        if pipe.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if pipe.jams(random, cx) {
            return Poll::Pending;
        }
        let (place, most) = match buffering {
            true => (&mut pipe.buffer, BUFFER_LEN),
            false => (&mut pipe.to_server, *pipe_len),
        };
        let len = State::cut(random, pieces.write, bytes.len().min(most - place.len().min(most)));
        if len > 0 {
            place.extend(&bytes[..len]);
            pipe.writes += 1;
            return Poll::Ready(Ok(len));
        }
        if *buffering {
            // A full buffer is sent to make room.
            let Pipe { buffer, to_server, .. } = pipe;
            if to_server.len() < *pipe_len {
                to_server.append(buffer);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        pipe.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.world.state();
        let State { pipes, random, pipe_len, .. } = &mut *state;
        let pipe = &mut pipes[self.number];
        if pipe.buffer.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if pipe.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if pipe.jams(random, cx) {
            return Poll::Pending;
        }
        let Pipe { buffer, to_server, .. } = pipe;
        if to_server.len() >= *pipe_len {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        to_server.append(buffer);
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for MemoryStream {
    fn drop(&mut self) {
        self.world.state().pipes[self.number].dropped = true;
    }
}
