//! One byte stream to one server: requests in flight, in order, each paired with its reply.
//!
//! ```
//! use memcache_proto::codec::{Command, Keys, Response};
//! use memcache_proto::connection::{Connection, Reply};
//! use memcache_proto::{Key, Limits};
//!
//! let mut connection = Connection::new(Limits::default());
//! let keys = [Key::new("foo")?, Key::new("bar")?];
//! let request = connection.submit(&Command::Get { keys: Keys::new(&keys), cas: false })?;
//!
//! let sent = connection.transmit(); // write these to the socket
//! assert_eq!(sent, b"get foo bar\r\n");
//! let len = sent.len();
//! connection.transmitted(len); // as many as the socket took
//!
//! let received = b"VALUE bar 0 3\r\nbaz\r\nEND\r\n";
//! connection.receive_buffer()[..received.len()].copy_from_slice(received); // a read
//! connection.received(received.len());
//!
//! let event = connection.poll_event().expect("the value of bar");
//! let Reply::Value { index: 1, value, .. } = event.reply else { panic!("a value") };
//! assert_eq!((event.request, value.as_slice()), (request, &b"baz"[..]));
//! let event = connection.poll_event().expect("the end");
//! assert!(matches!(event.reply, Reply::Last(Response::End)));
//! assert!(connection.is_idle());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod event;
mod expect;
mod keys;
mod queue;

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::codec::{Command, Decoder, Token, WholeValue};
use crate::{Excerpt, Limits, ProtocolError, Violation};

pub use error::{CloseReason, SubmitError};
pub use event::{Delivery, Event, Reply, ValueBytes};
use expect::Expect;
use queue::Queue;
pub use queue::RequestId;
pub(crate) use queue::{Commands, is_refusal};

/// The protocol on one stream, without the stream.
///
/// Replies come in the order of the requests. Each is checked against the request whose turn it is, and
/// every key that a reply carries against those that were asked for: none is answered more often than it
/// was asked for. On any doubt (a response that does not fit, a malformed one, bytes that nothing asked
/// for, EOF with a request in flight) the connection is closed for good: every request that waits fails,
/// and no later byte is believed.
///
/// The loop: [`submit`](Self::submit); write [`transmit`](Self::transmit) and say how much went with
/// [`transmitted`](Self::transmitted); read into [`receive_buffer`](Self::receive_buffer), say how
/// much came with [`received`](Self::received), and take events with
/// [`poll_event`](Self::poll_event) until there are none.
pub struct Connection {
    decoder: Decoder,
    queue: Queue,
    limits: Limits,
    merge_gets: bool,
    eof: bool,
    /// Whether any byte was received since nothing was last in flight.
    answering: bool,
    /// Whether a reply has come since this was last asked, and whether one ever has.
    replied: bool,
    served: bool,
    /// Whether what has not been begun stays when the connection fails.
    keeps_unsent: bool,
    /// Quiet bytes submitted since the last barrier.
    quiet: usize,
    closed: Option<CloseReason>,
    /// The request that was first when it closed.
    ended_at: Option<Head>,
    /// Where the line is still to be found for which it was closed.
    line_at: Option<usize>,
    /// Its beginning, where it is there no more.
    line: Excerpt,
}

/// The first of the requests that a connection had not answered when it closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) request: RequestId,
    /// Whether every server and every proxy knows the command.
    pub(crate) is_common: bool,
}

/// The longest value that the server's 32 bits can count, with its CR LF.
pub(crate) const MAX_VALUE_LEN: usize = (i32::MAX - 2).unsigned_abs() as usize;

/// The longest line of a gat or gats that memcached takes, in bytes, with its line end.
const MAX_GAT_LEN: usize = 2048;

impl Connection {
    /// A connection over a stream that is open, or about to be.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Connection {
            decoder: Decoder::new(limits),
            queue: Queue::default(),
            limits,
            merge_gets: false,
            eof: false,
            answering: false,
            replied: false,
            served: false,
            keeps_unsent: false,
            quiet: 0,
            closed: None,
            ended_at: None,
            line_at: None,
            line: Excerpt::default(),
        }
    }

    /// Lets gets wait, while a reply is awaited, for others to be merged with them by
    /// [`append`](Self::append).
    pub fn set_merge_gets(&mut self, merge_gets: bool) {
        self.merge_gets = merge_gets;
    }

    /// Encodes `command` and puts it behind the others; nothing is borrowed after. Next write
    /// [`transmit`](Self::transmit).
    ///
    /// A meta request is given an opaque, by which its reply is known; one of the caller's is replaced,
    /// as two might be the same. Behind quiet ones the connection sends `mn` by itself, where the caller
    /// does not.
    ///
    /// # Errors
    ///
    /// [`SubmitError`] where the connection cannot take it. Nothing has changed then.
    pub fn submit(&mut self, command: &Command<'_>) -> Result<RequestId, SubmitError> {
        if self.closed.is_some() || self.eof || self.queue.ends_connection() {
            return Err(SubmitError::Closed);
        }
        if self.queue.is_full(&self.limits) {
            sometimes!("queue full");
            return Err(SubmitError::Full);
        }
        let expect = Expect::of(command);
        let mut command = *command;
        if matches!(command, Command::Get { keys, .. } | Command::Gat { keys, .. } if keys.is_empty())
        {
            return Err(SubmitError::NoKeys);
        }
        if matches!(command, Command::Store { value, .. } if value.len() > MAX_VALUE_LEN) {
            return Err(SubmitError::ValueTooLong);
        }
        if let Some(meta) = command.as_meta() {
            if meta.value_len() > MAX_VALUE_LEN {
                return Err(SubmitError::ValueTooLong);
            }
            let opaque = Token::number(self.queue.next_number());
            command = meta.with_opaque(opaque).into();
        }
        // Then an error in a quiet run is never taken for the answer to what comes behind it.
        if self.queue.ends_quietly() && !expect.is_quiet() && expect != Expect::Noop {
            self.push_barrier();
        }
        let command = &command;
        let mut request = self.queue.push(command, expect);
        if matches!(command, Command::Gat { .. }) && self.queue.last_len() > MAX_GAT_LEN {
            self.queue.pop_last();
            return Err(SubmitError::LineTooLong);
        }
        // Without a reply now and then nobody would know how much the server has yet to read.
        let len = self.queue.last_len();
        let fits = self.quiet + len <= self.limits.window && expect != Expect::Metadump;
        if self.quiet > 0 && !fits {
            self.queue.pop_last();
            self.push_barrier();
            request = self.queue.push(command, expect);
        }
        if expect == Expect::Nothing || expect.is_quiet() {
            self.quiet += len;
            if self.quiet >= self.limits.window / 2 {
                self.push_barrier();
            }
        }
        Ok(request)
    }

    /// Asks for a reply that says how far the server has read.
    fn push_barrier(&mut self) {
        let (command, expect) = match self.queue.ends_quietly() {
            true => (Command::MetaNoop, Expect::Noop),
            false => (Command::Version, Expect::Barrier),
        };
        sometimes!("mn sent", expect == Expect::Noop);
        sometimes!("version sent as barrier", expect == Expect::Barrier);
        let barrier = self.queue.push(&command, expect);
        self.queue.cancel(barrier);
        self.quiet = 0;
    }

    /// Has a command travel with the request that was submitted last, as a part of it: a get, gets or gat of
    /// one key adds its key to the line, a store, delete or touch (each with its reply, or all with noreply)
    /// goes right behind the others. Returns the request and the number of the key or command in it, counted
    /// from 0.
    ///
    /// Returns `None`, and changes nothing, unless the last request is of the same kind, no byte of it has
    /// been handed out, and it stays within `max_len` bytes. [`submit`](Self::submit) the command then.
    ///
    /// The commands of a request share their fate until they are answered: they are sent together, and
    /// [`cancel`](Self::cancel) concerns all of them. Their replies are [`Reply::Each`], and [`Reply::Last`]
    /// for the last.
    pub fn append(&mut self, command: &Command<'_>, max_len: usize) -> Option<(RequestId, usize)> {
        self.append_in_line(command, max_len)
    }

    /// [`append`](Self::append), for whoever knows at the place of the call which command it is.
    #[inline(always)]
    pub(crate) fn append_in_line(
        &mut self,
        command: &Command<'_>,
        max_len: usize,
    ) -> Option<(RequestId, usize)> {
        if self.closed.is_some() || self.eof || self.queue.is_full(&self.limits) {
            return None;
        }
        let expect = Expect::of(command);
        let is_gat = matches!(command, Command::Gat { .. });
        let mut max_len = if is_gat { max_len.min(MAX_GAT_LEN) } else { max_len };
        if expect == Expect::Nothing {
            // More than that has a barrier in its midst, which submit sees to.
            let room = (self.limits.window / 2).saturating_sub(self.quiet + 1);
            max_len = max_len.min(self.queue.last_len() + room);
        }
        let (request, index, added) = self.queue.append(command, expect, max_len)?;
        if expect == Expect::Nothing {
            self.quiet += added;
        }
        Some((request, index))
    }

    /// Forgets a request: its reply is swallowed. One that was not handed out is not sent; another keeps
    /// its place. The only events that may still name it are about the quiet requests around it:
    /// [`Reply::Cancelled`], and [`Reply::Doubt`] if it is the first of those in doubt.
    pub fn cancel(&mut self, request: RequestId) {
        self.queue.cancel(request);
    }

    /// The bytes to write now: whole requests, within [`Limits::window`]. Empty if there is nothing to
    /// write before a reply comes. Then call [`transmitted`](Self::transmitted).
    ///
    /// The bytes are lent until the next call of anything on this connection, which may move or free them.
    /// A driver that hands a buffer to the kernel and hears later what became of it uses
    /// [`take_transmit`](Self::take_transmit) instead.
    pub fn transmit(&mut self) -> &[u8] {
        self.transmit_while(|_| true)
    }

    /// As [`transmit`](Self::transmit), but the bytes are yours: they stay where they are for as long as
    /// you keep them, at the price of a copy. They count as handed over by this call: do not call
    /// [`transmitted`](Self::transmitted) for them, and write all of them or close the connection.
    pub fn take_transmit(&mut self) -> Bytes {
        let bytes = Bytes::copy_from_slice(self.transmit());
        self.transmitted(bytes.len());
        bytes
    }

    /// As [`transmit`](Self::transmit); requests that `wanted` says no to are cancelled instead.
    pub(crate) fn transmit_while(&mut self, wanted: impl FnMut(RequestId) -> bool) -> &[u8] {
        if self.closed.is_some() {
            return &[];
        }
        if self.queue.ends_quietly() && !self.queue.ends_connection() {
            self.push_barrier();
        }
        self.queue.release(self.limits.window, self.merge_gets, wanted);
        self.queue.to_send()
    }

    /// Whether [`transmit`](Self::transmit) would give anything.
    #[must_use]
    pub fn wants_transmit(&self) -> bool {
        self.closed.is_none() && self.queue.can_send(self.limits.window, self.merge_gets)
    }

    /// The first `len` bytes of [`transmit`](Self::transmit) have been handed over: a write has taken
    /// them. Call it then, not when they are known to be on the wire. What was not reported here counts as
    /// not sent, and may still be withdrawn.
    pub fn transmitted(&mut self, len: usize) {
        self.queue.sent(len);
    }

    /// Has the next [`transmit_while`](Self::transmit_while) ask again about what has not been begun.
    pub(crate) fn ask_again(&mut self) {
        self.queue.ask_again();
    }

    /// Where to read to; never empty. Then call [`received`](Self::received).
    pub fn receive_buffer(&mut self) -> &mut [u8] {
        if let Some(line_at) = self.line_at.take() {
            self.line = Excerpt::of(self.decoder.received_from(line_at));
        }
        self.decoder.space()
    }

    /// Where to append what a read gives, in place of [`receive_buffer`](Self::receive_buffer), while a
    /// large value is being received; see [`Decoder::spare`]. Then call [`received`](Self::received).
    #[inline]
    pub fn receive_spare(&mut self) -> Option<&mut Vec<u8>> {
        if self.closed.is_some() { None } else { self.decoder.spare() }
    }

    /// `len` bytes have been read to [`receive_buffer`](Self::receive_buffer), or appended to
    /// [`receive_spare`](Self::receive_spare); 0 is EOF. Next call [`poll_event`](Self::poll_event) until
    /// there is none.
    pub fn received(&mut self, len: usize) {
        if len == 0 {
            self.eof = true;
        } else {
            self.answering = true;
            self.decoder.filled(len);
        }
    }

    /// Closes the connection: the stream was lost, or is no longer wanted. Requests that wait fail
    /// with the next calls of [`poll_event`](Self::poll_event).
    pub fn disconnect(&mut self) {
        self.close(CloseReason::Disconnected);
    }

    fn close(&mut self, reason: CloseReason) {
        if self.closed.is_none() {
            self.ended_at = self.queue.close(&reason, self.served);
            self.closed = Some(reason);
        }
    }

    /// The first of the requests that had not been answered when the connection closed.
    pub(crate) fn ended_at(&self) -> Option<Head> {
        self.ended_at
    }

    /// Whether, when the connection fails, only those requests fail which have been begun; no. The rest
    /// stays for [`restart`](Self::restart).
    pub(crate) fn set_keeps_unsent(&mut self, keeps: bool) {
        self.keeps_unsent = keeps;
    }

    /// Begins again over another stream, with the requests that are left: none of them has been sent.
    pub(crate) fn restart(&mut self) {
        self.decoder = Decoder::new(self.limits);
        self.queue.restart();
        (self.eof, self.answering) = (false, false);
        (self.replied, self.served) = (false, false);
        (self.closed, self.ended_at) = (None, None);
        (self.line_at, self.line) = (None, Excerpt::default());
    }

    /// Whether a reply has come since this was last asked, to whatever request: also to one that was
    /// cancelled, or that the connection made by itself.
    pub(crate) fn take_replied(&mut self) -> bool {
        core::mem::take(&mut self.replied)
    }

    /// Whether a reply has ever come, to whatever request.
    pub(crate) fn has_served(&self) -> bool {
        self.served
    }

    /// Closes the connection because of what the server sent.
    pub(crate) fn fail(&mut self, error: ProtocolError) {
        if error == ProtocolError::Unsolicited {
            self.line_at = Some(self.decoder.line_at());
        }
        self.close(CloseReason::Protocol(error));
    }

    /// How far a request that is not done has come.
    #[must_use]
    pub fn delivery(&self, request: RequestId) -> Delivery {
        self.queue.delivery(request)
    }

    /// Whether a reply is owed: a request has been handed out and is not answered.
    #[must_use]
    pub fn awaits_reply(&self) -> bool {
        self.closed.is_none() && self.queue.awaits_reply()
    }

    /// Whether a command with noreply has been written whole and not been told of.
    pub(crate) fn has_sent(&self) -> bool {
        self.closed.is_none() && self.queue.has_written()
    }

    /// Whether a quit or shutdown has been submitted, so that nothing more can be.
    pub(crate) fn is_ending(&self) -> bool {
        self.queue.ends_connection()
    }

    /// Whether the server owes a reply to a request that it has been sent all of.
    pub(crate) fn is_owed(&self) -> bool {
        self.queue.is_owed()
    }

    /// Which keys of the get that was being answered had one value too many, in order, where that closed
    /// the connection.
    pub(crate) fn repeated(&self) -> &[usize] {
        self.queue.repeated()
    }

    /// Whether the connection is open and nothing is queued, in flight or half received.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_unasked() && self.decoder.is_empty()
    }

    /// Whether the connection is open and no request is queued or in flight. The beginning of something that
    /// nobody asked for may have come.
    pub(crate) fn is_unasked(&self) -> bool {
        self.closed.is_none() && !self.eof && self.queue.is_empty()
    }

    /// Whether any byte of a reply has come since the connection was last idle.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        self.answering
    }

    /// Why the connection is closed; `None` while it is open. A closed one never opens again. After EOF
    /// it is known once [`poll_event`](Self::poll_event) has returned `None`.
    #[must_use]
    pub fn close_reason(&self) -> Option<&CloseReason> {
        self.closed.as_ref()
    }

    /// How the server broke the protocol, with the beginning of the line that it did so with; `None`
    /// where the connection is open or was closed for another reason.
    #[must_use]
    pub fn violation(&self) -> Option<Violation> {
        let Some(CloseReason::Protocol(error)) = self.closed else { return None };
        Some(match self.line_at {
            Some(line_at) => Violation::new(error, self.decoder.received_from(line_at)),
            None => Violation { error, line: self.line.clone() },
        })
    }

    /// How many requests wait for their replies, or to be sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Bytes of requests that wait, sent or not.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// How much more has been received than was handed out, in bytes.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.decoder.buffered()
    }

    /// The next thing that happened; `None` where more must be received. After the connection closed
    /// the requests that waited fail, in order.
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event<'_>> {
        if let Some(request) = self.pass_over() {
            return Some(Event { request, reply: Reply::Sent });
        }
        let begun_only = self.keeps_unsent;
        let Connection {
            decoder,
            queue,
            limits,
            eof,
            answering,
            replied,
            served,
            closed,
            ended_at,
            line_at,
            ..
        } = self;
        if closed.is_some() {
            return queue.fail_next(begun_only);
        }
        if let Some(event) = queue.pair_run(decoder) {
            (*replied, *served) = (true, true);
            return Some(event);
        }
        let (at, was_empty) = (decoder.line_at(), decoder.is_empty());
        let reason = match decoder.next() {
            Ok(Some(item)) => match queue.pair(item, limits.max_lines) {
                Ok((event, then)) => {
                    *closed = then;
                    (*replied, *served) = (true, true);
                    *answering &= queue.awaits_reply();
                    return Some(event);
                }
                Err(reason) => reason,
            },
            Ok(None) if *eof => match queue.pop_answered_by_eof() {
                Some(request) => {
                    sometimes!("eof answers quit");
                    return Some(Event { request, reply: Reply::Closed });
                }
                None => {
                    sometimes!("eof in mid-reply", *answering);
                    CloseReason::Eof
                }
            },
            // The beginning of what nothing asked for. Before the first reply it may be that the server has
            // too many connections, which is known by the whole line.
            Ok(None) if *served && !was_empty && !queue.awaits_reply() => {
                CloseReason::Protocol(ProtocolError::Unsolicited)
            }
            Ok(None) => return None,
            Err(error) => CloseReason::Protocol(error),
        };
        *ended_at = queue.close(&reason, *served);
        (*closed, *line_at) = (Some(reason), Some(at));
        queue.fail_next(begun_only)
    }

    /// The request that is to be answered next, while the connection is open.
    pub(crate) fn answering(&self) -> Option<RequestId> {
        if self.closed.is_some() { None } else { self.queue.answering() }
    }

    /// The next value of the get that is [answered](Self::answering), with the number of its key; in place of the
    /// event. `None` says nothing: [`poll_event`](Self::poll_event) has what comes next.
    #[inline]
    pub(crate) fn poll_value(&mut self) -> Option<(WholeValue<'_>, usize)> {
        if self.closed.is_some() {
            return None;
        }
        let found = self.queue.pair_value(&mut self.decoder)?;
        (self.replied, self.served) = (true, true);
        Some(found)
    }

    /// Takes off the requests before the next one that has an event of its own, and takes in what
    /// answers those that were cancelled. Returns one that was to be written and now is.
    #[inline]
    fn pass_over(&mut self) -> Option<RequestId> {
        while self.closed.is_none() {
            let written = self.queue.pop_written();
            if written.is_some() || !self.queue.front_is_cancelled() || !self.swallow() {
                return written;
            }
        }
        None
    }

    /// Takes in one response to the first request, which is cancelled; false where there is none.
    fn swallow(&mut self) -> bool {
        let at = self.decoder.line_at();
        let reason = match self.decoder.next() {
            Ok(Some(item)) => match self.queue.pair(item, self.limits.max_lines) {
                Ok((_, then)) => {
                    sometimes!("reply swallowed");
                    (self.replied, self.served) = (true, true);
                    then
                }
                Err(reason) => Some(reason),
            },
            Ok(None) => return false,
            Err(error) => Some(CloseReason::Protocol(error)),
        };
        self.answering &= self.queue.awaits_reply();
        self.line_at = reason.is_some().then_some(at);
        if let Some(reason) = reason {
            self.close(reason);
        }
        true
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("queued_bytes", &self.queued_bytes())
            .field("awaits_reply", &self.awaits_reply())
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}
