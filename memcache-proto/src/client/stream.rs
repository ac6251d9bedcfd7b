use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use super::lines::Lines;
use super::meta::{MetaReply, MetaStatus};
use super::nature;
use super::operations::{OperationId, Operations};
use super::outcome::{Failure, FailureKind, Item, Reply};
use crate::codec::{Chunks, Command, MetaRequest};
use crate::connection::{
    CloseReason, Connection, Delivery, Reply as Event, RequestId, SubmitError, ValueBytes,
};
use crate::routing::ServerIndex;
use crate::{ErrorLine, Limits, ProtocolError};

/// How many connections in a row may end before what waits for them has a reply, or has been sent.
const MAX_FRUITLESS: u8 = 3;

/// One connection, and who waits for which part of what it will answer.
pub(super) struct Stream {
    pub(super) connection: Connection,
    parts: VecDeque<Part>,
    waiters: VecDeque<Waiter>,
    /// The number of the first of `waiters`, counted since the stream began.
    first_waiter: u64,
    /// The lines of the reply that is being received.
    lines: Lines,
    /// What the server said of quiet requests without saying of which.
    doubt: Option<ErrorLine>,
    /// Whether the server is to be flushed first, and has not answered that it is.
    pub(super) unflushed: bool,
    /// How often what had not been sent moved to another connection.
    moves: u32,
    /// How often in a row without a reply in between.
    fruitless: u8,
    /// [`Operations::withdrawn`] as it was when bytes were last lent.
    withdrawn: u64,
}

/// A request of the connection. One that the connection dropped without a word may still be here.
struct Part {
    request: RequestId,
    first_waiter: u64,
    /// One, or one for each key of a get.
    waiters: usize,
    /// Whether its reply is of lines that are kept.
    stats: bool,
    /// What it says if there is no reply to it but to one behind it, for a quiet meta request.
    silence: Option<MetaStatus>,
    /// Whether it asks for a value only if that has changed.
    if_changed: bool,
    /// Whether it is the client's own, to flush a server that was dead.
    flush: bool,
    /// The operation that does not complete before the reply has ended: the only one that waits for
    /// it. A hit is known before its END, but who goes on then leaves a connection that owes it.
    held: Option<OperationId>,
    /// [`Stream::moves`] when it was queued.
    moves: u32,
}

/// Whoever waits for the answer about one key or one server.
#[derive(Clone, Copy)]
pub(super) struct Waiter {
    pub(super) operation: OperationId,
    /// What chooses the server, where that is not the key's hash.
    hash: i64,
    is_pinned: bool,
    /// Which of the operation's keys it is, or which server.
    pub(super) number: u32,
    /// How many servers were passed over before this one.
    pub(super) attempt: u8,
    /// Whether it was sent before, on a connection that turned out to be closed.
    pub(super) resent: bool,
    /// Whether its command changes anything on the server.
    pub(super) changes: bool,
    /// Whether it has been answered.
    pub(super) done: bool,
}

impl Waiter {
    pub(super) fn new(
        operation: OperationId,
        number: u32,
        hash: Option<i64>,
        command: &Command<'_>,
    ) -> Self {
        let changes = nature::changes(command);
        let (is_pinned, hash) = (hash.is_some(), hash.unwrap_or_default());
        let (attempt, resent, done) = (0, false, false);
        Waiter { operation, hash, is_pinned, number, attempt, resent, changes, done }
    }

    /// Its failure, where the last request for it has come as far as `delivery` says.
    pub(super) fn failure(
        &self,
        server: Option<ServerIndex>,
        delivery: Delivery,
        kind: FailureKind,
    ) -> Failure {
        let told = match delivery {
            Delivery::NotSent if self.resent => Delivery::Unanswered,
            delivery => delivery,
        };
        sometimes!("told not sent", told == Delivery::NotSent);
        sometimes!("told unanswered", told == Delivery::Unanswered);
        sometimes!("not sent, but once before", told != delivery);
        Failure { server, delivery: told, changes: self.changes, kind }
    }

    /// What chooses the server, if not the key's hash. There may be a million of these, so it is not kept
    /// as it is told.
    pub(super) fn hash(&self) -> Option<i64> {
        self.is_pinned.then_some(self.hash)
    }
}

/// What has come to be known of a server by its replies.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Whether there was any reply.
    pub(super) replied: bool,
    /// Why the server did not flush as it was to.
    pub(super) not_flushed: Option<FailureKind>,
}

/// A request that the connection did not answer.
pub(super) struct Unanswered {
    pub(super) request: RequestId,
    /// Whether it is the client's own, to flush a server that was dead.
    pub(super) flush: bool,
    pub(super) delivery: Delivery,
    /// What the server said of it, or of another.
    pub(super) doubt: Option<ErrorLine>,
    pub(super) text: Vec<u8>,
    pub(super) waiters: Vec<Waiter>,
    /// The operation that this request kept from completing.
    pub(super) held: Option<OperationId>,
}

impl Stream {
    pub(super) fn new(limits: Limits, merge_gets: bool) -> Self {
        let mut connection = Connection::new(limits);
        connection.set_merge_gets(merge_gets);
        connection.set_keeps_unsent(true);
        Stream {
            connection,
            parts: VecDeque::new(),
            waiters: VecDeque::new(),
            first_waiter: 0,
            lines: Lines::default(),
            doubt: None,
            unflushed: false,
            moves: 0,
            fruitless: 0,
            withdrawn: 0,
        }
    }

    /// Has the server flushed before anything more is asked of it. Whether the connection takes that.
    pub(super) fn flush(&mut self) -> bool {
        let flush = Command::FlushAll { delay: None, noreply: false };
        let Ok(request) = self.connection.submit(&flush) else { return false };
        let first_waiter = self.first_waiter + self.waiters.len() as u64;
        let part = Part {
            request,
            first_waiter,
            waiters: 0,
            stats: false,
            silence: None,
            if_changed: false,
            flush: true,
            held: None,
            moves: self.moves,
        };
        self.parts.push_back(part);
        self.unflushed = true;
        true
    }

    /// How many requests wait.
    pub(super) fn requests(&self) -> usize {
        self.parts.len()
    }

    /// Whether anybody still waits for something that is queued here.
    pub(super) fn is_awaited(&self, operations: &Operations) -> bool {
        let is_awaited = |waiter: &Waiter| !waiter.done && operations.is_pending(waiter.operation);
        self.parts.iter().any(|part| part.flush) || self.waiters.iter().any(is_awaited)
    }

    /// Whether nothing waits for this stream.
    pub(super) fn is_unused(&self) -> bool {
        self.parts.is_empty()
    }

    /// Queues a command. A get of one key joins the get before it, where that is not under way yet and
    /// is of the same operation or `merge` allows it.
    pub(super) fn add(
        &mut self,
        command: &Command<'_>,
        waiter: Waiter,
        merge: bool,
        max_get_len: usize,
        operations: &mut Operations,
    ) -> Result<(), SubmitError> {
        let same = self.waiters.back().is_some_and(|last| last.operation == waiter.operation);
        if let (Command::Get { mut keys, cas }, true) = (*command, merge || same) {
            if let Some(key) = keys.next() {
                let joined = self.connection.append_key(key, cas, max_get_len);
                if let (Some((request, _)), Some(part)) = (joined, self.parts.back_mut()) {
                    debug_assert_eq!(request, part.request);
                    sometimes!("get merged", !same);
                    part.waiters += 1;
                    self.waiters.push_back(waiter);
                    return Ok(());
                }
                sometimes!("call cut into several gets", same);
            }
        }
        let request = self.connection.submit(command)?;
        let first_waiter = self.first_waiter + self.waiters.len() as u64;
        let stats = matches!(command, Command::Stats(_));
        let is_get = matches!(command, Command::Get { .. } | Command::Gat { .. });
        let held = (is_get && !merge).then_some(waiter.operation);
        if let Some(operation) = held {
            operations.hold(operation);
        }
        let part = Part {
            request,
            first_waiter,
            waiters: 1,
            stats,
            silence: silence_of(command),
            if_changed: matches!(command, Command::MetaGet(get) if get.asks_if_changed()),
            flush: false,
            held,
            moves: self.moves,
        };
        self.parts.push_back(part);
        self.waiters.push_back(waiter);
        Ok(())
    }

    /// What to write now. Requests that nobody waits for any more are not begun.
    pub(super) fn transmit(&mut self, operations: &Operations) -> &[u8] {
        if self.withdrawn != operations.withdrawn() {
            self.withdrawn = operations.withdrawn();
            self.connection.ask_again();
        }
        let Stream { connection, parts, waiters, first_waiter, .. } = self;
        connection.transmit_while(|request| {
            let at = parts.partition_point(|part| part.request < request);
            let Some(part) = parts.get(at).filter(|part| part.request == request) else {
                return true;
            };
            let start = usize::try_from(part.first_waiter - *first_waiter).unwrap_or(usize::MAX);
            let mut waiters = waiters.iter().skip(start).take(part.waiters);
            part.flush
                || waiters.any(|waiter| !waiter.done && operations.is_pending(waiter.operation))
        })
    }

    /// Drops those who waited for requests that were cancelled, where nothing else is left: no event
    /// may come for a long time.
    pub(super) fn forget_cancelled(&mut self) {
        if self.connection.queued_bytes() == 0 {
            self.parts.clear();
            self.first_waiter += self.waiters.len() as u64;
            self.waiters.clear();
        }
    }

    /// Delivers what has been received or written, and collects what can no longer be answered.
    pub(super) fn deliver(
        &mut self,
        server: ServerIndex,
        limits: &Limits,
        operations: &mut Operations,
        chunks: &mut Chunks,
        unanswered: &mut Vec<Unanswered>,
    ) -> News {
        let mut news = News::default();
        loop {
            let Stream {
                connection, parts, waiters, first_waiter, lines, doubt, unflushed, ..
            } = self;
            let buffered = connection.buffered();
            let Some(event) = connection.poll_event() else {
                news.replied |= connection.take_replied();
                return news;
            };
            // Requests that were cancelled are gone without a word, and so are quiet ones.
            while let Some(part) = parts.front().filter(|part| part.request < event.request) {
                if let Some(status) = part.silence {
                    sometimes!("quiet doubt told", doubt.is_some());
                    sometimes!(
                        "quiet miss inferred",
                        doubt.is_none() && status == MetaStatus::Miss
                    );
                    sometimes!(
                        "quiet success inferred",
                        doubt.is_none() && status == MetaStatus::Done
                    );
                    let reply = match doubt {
                        None => Ok(Reply::Meta(MetaReply::silent(status, server))),
                        Some(line) => Err(FailureKind::Unknown(line.clone())),
                    };
                    let waiting = waiters.iter().take(part.waiters);
                    for waiter in waiting.filter(|waiter| !waiter.done) {
                        let failure =
                            |kind| waiter.failure(Some(server), Delivery::Unanswered, kind);
                        let reply = reply.clone().map_err(failure);
                        operations.deliver(waiter.operation, waiter.number, reply);
                    }
                }
                *first_waiter += part.waiters as u64;
                waiters.drain(..part.waiters);
                parts.pop_front();
            }
            if !matches!(event.reply, Event::Doubt(_) | Event::Failed { .. }) {
                *doubt = None;
            }
            if let Event::Doubt(line) = event.reply {
                doubt.get_or_insert(line);
                continue;
            }
            // The connection's own requests are nobody's here.
            let Some(part) = parts.front().filter(|part| part.request == event.request) else {
                continue;
            };
            let request = event.request;
            match event.reply {
                Event::Doubt(_) | Event::Cancelled => {}
                Event::MetaValue { flags, value } => {
                    let waiting = waiters.front().filter(|_| part.waiters > 0);
                    if let Some(waiter) = waiting.filter(|waiter| !waiter.done) {
                        let mut reply = MetaReply::with_flags(MetaStatus::Done, server, &flags);
                        reply.value = Some(match value {
                            ValueBytes::Shared(value) => chunks.copy(value, buffered),
                            ValueBytes::Large(value) => Bytes::from(value.take()),
                        });
                        let reply = Ok(Reply::Meta(reply));
                        operations.deliver(waiter.operation, waiter.number, reply);
                    }
                }
                Event::Value { index, flags, cas, value } => {
                    let Some(waiter) = waiters.get_mut(index).filter(|_| index < part.waiters)
                    else {
                        continue;
                    };
                    if waiter.done || !operations.is_pending(waiter.operation) {
                        sometimes!("reply to nobody");
                        continue;
                    }
                    waiter.done = true;
                    let value = match value {
                        ValueBytes::Shared(value) => chunks.copy(value, buffered),
                        ValueBytes::Large(value) => Bytes::from(value.take()),
                    };
                    let item = Item { server, flags, cas, value };
                    operations.deliver(waiter.operation, waiter.number, Ok(Reply::Item(item)));
                    continue;
                }
                Event::Line(response) => {
                    if !lines.push(&response, limits.max_stats_bytes) {
                        sometimes!("stats too long");
                        connection.fail(ProtocolError::TooMuch);
                    }
                    continue;
                }
                Event::Last(response) => {
                    let mut reply = Reply::of(&response, server);
                    if part.stats && reply == Ok(Reply::Miss) {
                        reply = Ok(Reply::Stats(lines.take()));
                    }
                    if let (true, Ok(Reply::Meta(meta))) = (part.if_changed, &mut reply) {
                        meta.leave_out_value();
                    }
                    *lines = Lines::default();
                    if part.flush {
                        *unflushed = false;
                        news.not_flushed = reply.as_ref().err().map(|failure| failure.kind.clone());
                    }
                    let waiting = waiters.iter().take(part.waiters);
                    let mut waiting = waiting.filter(|waiter| !waiter.done).peekable();
                    while let Some(waiter) = waiting.next() {
                        // The last of them gets the lines themselves, which may be many.
                        let reply = match waiting.peek() {
                            Some(_) => reply.clone(),
                            None => core::mem::replace(&mut reply, Ok(Reply::Ok)),
                        };
                        operations.deliver(waiter.operation, waiter.number, reply);
                    }
                    if let Some(operation) = part.held {
                        operations.release(operation);
                    }
                }
                Event::Sent => {
                    for waiter in waiters.iter().take(part.waiters) {
                        operations.deliver(waiter.operation, waiter.number, Ok(Reply::Sent));
                    }
                }
                Event::Closed => {
                    for waiter in waiters.iter().take(part.waiters) {
                        operations.deliver(waiter.operation, waiter.number, Ok(Reply::Ok));
                    }
                }
                Event::Failed { delivery, text } => {
                    let text = text.to_vec();
                    let mut waiting: Vec<_> = waiters.iter().take(part.waiters).copied().collect();
                    if let Some(CloseReason::Protocol(_)) = connection.close_reason() {
                        take_back(&mut waiting, connection.repeated(), operations);
                    }
                    unanswered.push(Unanswered {
                        request,
                        flush: part.flush,
                        delivery,
                        doubt: doubt
                            .clone()
                            .filter(|_| part.silence.is_some() && delivery == Delivery::Unanswered),
                        text,
                        waiters: waiting,
                        held: part.held,
                    });
                }
            }
            *first_waiter += part.waiters as u64;
            waiters.drain(..part.waiters);
            parts.pop_front();
        }
    }

    /// Begins again on another connection, with what has not been sent.
    pub(super) fn restart(&mut self) {
        self.connection.restart();
        (self.lines, self.doubt) = (Lines::default(), None);
    }

    /// As [`restart`](Self::restart), after a connection that had been made. What has moved too often will
    /// not be sent any more: `give_up` has each of those who wait for it, and the operation that it kept
    /// from completing.
    pub(super) fn move_on(
        &mut self,
        max_moves: u32,
        mut give_up: impl FnMut(&[Waiter], Option<OperationId>),
    ) {
        let in_vain = self.ends_in_vain();
        self.restart();
        self.moves = self.moves.saturating_add(1);
        let moves = self.moves;
        let is_over = |part: &&Part| in_vain || moves.saturating_sub(part.moves) > max_moves;
        while let Some(part) = self.parts.front().filter(is_over) {
            sometimes!("moved in vain", in_vain);
            sometimes!("moved too often", !in_vain);
            self.connection.cancel(part.request);
            let waiters: Vec<_> = self.waiters.drain(..part.waiters).collect();
            give_up(&waiters, part.held);
            self.first_waiter += part.waiters as u64;
            self.unflushed &= !part.flush;
            self.parts.pop_front();
        }
    }

    /// Counts a connection that has ended among those in a row without a reply. Returns whether it is the last
    /// that there may be.
    pub(super) fn ends_in_vain(&mut self) -> bool {
        let served = self.connection.has_served();
        self.fruitless = if served { 0 } else { self.fruitless.saturating_add(1) };
        self.fruitless >= MAX_FRUITLESS
    }

    /// One without requests that goes on counting.
    pub(super) fn emptied(&self, limits: Limits, merge_gets: bool) -> Self {
        Stream { fruitless: self.fruitless, ..Stream::new(limits, merge_gets) }
    }

    /// Takes the waiters of all operations that have expired off, with what is known of their requests.
    pub(super) fn give_up(&mut self, operations: &Operations) -> Vec<(Waiter, Delivery)> {
        let mut given_up = Vec::new();
        for part in &self.parts {
            let start =
                usize::try_from(part.first_waiter - self.first_waiter).unwrap_or(usize::MAX);
            for waiter in self.waiters.iter_mut().skip(start).take(part.waiters) {
                if !waiter.done && operations.is_expired(waiter.operation) {
                    waiter.done = true;
                    given_up.push((*waiter, self.connection.delivery(part.request)));
                }
            }
        }
        given_up
    }
}

/// Has those fail who were answered by a reply that broke the protocol before its end: the get of one key,
/// which waits for the end, and whoever asked for a key that had a value too many. Other values that came
/// before are as good as any.
fn take_back(waiters: &mut [Waiter], repeated: &[usize], operations: &mut Operations) {
    for (index, waiter) in waiters.iter_mut().enumerate().filter(|(_, waiter)| waiter.done) {
        let is_repeated = repeated.binary_search(&index).is_ok();
        waiter.done = !operations.take_back(waiter.operation, waiter.number, is_repeated);
    }
}

/// What it says of a command that nothing answers it.
fn silence_of(command: &Command<'_>) -> Option<MetaStatus> {
    let meta = command.as_meta().filter(MetaRequest::is_quiet)?;
    Some(match meta {
        MetaRequest::Get(_) => MetaStatus::Miss,
        _ => MetaStatus::Done,
    })
}
