use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use super::items::{ItemRef, NewFound};
use super::lines::Lines;
use super::meta::{MetaReply, MetaStatus};
use super::operations::{OperationId, Operations};
use super::outcome::{FailureKind, Item, Reply};
use super::waiter::Waiter;
use crate::codec::{Chunks, Command, MetaRequest, WholeValue};
use crate::connection::{
    CloseReason, Connection, Delivery, Reply as Event, RequestId, SubmitError, ValueBytes,
};
use crate::routing::ServerIndex;
use crate::{ErrorLine, Limits, ProtocolError};

/// Stores, deletes and touches of one operation travel together up to this many bytes; so much of them is
/// written, or not, as one.
const MAX_RUN_LEN: usize = 8 << 10;
/// How many connections in a row may end before what waits for them has a reply, or has been sent.
const MAX_FRUITLESS: u8 = 3;

/// One connection, and who waits for which part of what it will answer.
pub(super) struct Stream {
    pub(super) connection: Connection,
    /// Whether gets of different operations are merged.
    merge_gets: bool,
    /// The longest line of a get, and the longest run of other commands, in bytes.
    max_get_len: usize,
    max_run_len: usize,
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
    /// One for each operation, or more where its keys have not come equally far.
    waiters: usize,
    /// How many of its commands have been answered, where it is of several.
    answered: usize,
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
    /// The commands that were not answered, and which of the request's commands is the first of them.
    pub(super) text: Vec<u8>,
    pub(super) answered: usize,
    /// How many bytes of `text` were sent.
    pub(super) sent: usize,
    pub(super) waiters: Vec<Waiter>,
    /// The operation that this request kept from completing.
    pub(super) held: Option<OperationId>,
}

impl Unanswered {
    /// How many keys or commands the request has.
    pub(super) fn end(&self) -> usize {
        self.waiters.last().map_or(0, |last| last.start() + last.len())
    }

    /// Who waits for this key or command of the request, and its number there.
    pub(super) fn waiting_at(&self, index: usize) -> Option<(&Waiter, u32)> {
        let at = self.waiters.partition_point(|waiter| waiter.start() <= index).checked_sub(1)?;
        let waiter = self.waiters.get(at)?;
        Some((waiter, waiter.waiting_at(index)?))
    }
}

impl Stream {
    pub(super) fn new(limits: Limits, merge_gets: bool) -> Self {
        let mut connection = Connection::new(limits);
        connection.set_merge_gets(merge_gets);
        connection.set_keeps_unsent(true);
        Stream {
            connection,
            merge_gets,
            max_get_len: limits.max_get_len.min(limits.window / 2),
            max_run_len: MAX_RUN_LEN.min(limits.window / 2),
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
            answered: 0,
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
        let is_awaited =
            |waiter: &Waiter| waiter.is_waiting() && operations.is_pending(waiter.operation);
        self.parts.iter().any(|part| part.flush) || self.waiters.iter().any(is_awaited)
    }

    /// Whether nothing waits for this stream.
    pub(super) fn is_unused(&self) -> bool {
        self.parts.is_empty()
    }

    /// Queues a command. It travels with the one before it, where that is of the same operation and of the same
    /// kind and not under way yet; so do gets of others where they are merged.
    pub(super) fn add(
        &mut self,
        command: &Command<'_>,
        waiter: Waiter,
        operations: &mut Operations,
    ) -> Result<(), SubmitError> {
        let part = operations.part(waiter.operation);
        let Some(waiter) = self.append(command, waiter, part) else { return Ok(()) };
        let merge = self.merge_gets;
        let request = self.connection.submit(command)?;
        let first_waiter = self.first_waiter + self.waiters.len() as u64;
        let stats = matches!(command, Command::Stats(_));
        let is_get = matches!(command, Command::Get { .. } | Command::Gat { .. });
        let is_config = matches!(command, Command::ConfigGet(_));
        let held = (is_config || (is_get && !merge)).then_some(waiter.operation);
        if let Some(operation) = held {
            operations.hold(operation);
        }
        let part = Part {
            request,
            first_waiter,
            waiters: 1,
            answered: 0,
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

    /// Has a command travel with the one before it. Gives the waiter back if that cannot be. `part` is the
    /// number of the first key of the part that it belongs to.
    fn append(&mut self, command: &Command<'_>, mut waiter: Waiter, part: u32) -> Option<Waiter> {
        let max_len = self.max_len(command);
        let Some(last) = self.waiters.back_mut() else { return Some(waiter) };
        let same = last.operation == waiter.operation;
        let is_get = matches!(command, Command::Get { .. });
        let may = if same { last.is_of(part) } else { self.merge_gets && is_get };
        if !may {
            return Some(waiter);
        }
        let appended = self.connection.append(command, max_len);
        let (Some((request, index)), Some(part)) = (appended, self.parts.back_mut()) else {
            sometimes!("call cut into several gets", same && is_get);
            return Some(waiter);
        };
        debug_assert_eq!(request, part.request);
        sometimes!("get merged", !same);
        if !last.join(&waiter) {
            waiter.set_start(index);
            part.waiters += 1;
            self.waiters.push_back(waiter);
        }
        None
    }

    /// Has one more key of an operation wait for the request that was queued last, if that is its own, and of the
    /// same part, and takes the command. Returns whether it does.
    #[inline(always)]
    pub(super) fn extend(
        &mut self,
        command: &Command<'_>,
        operation: OperationId,
        part: u32,
        number: u32,
    ) -> bool {
        let max_len = self.max_len(command);
        let last = self.waiters.back_mut();
        let Some(last) = last.filter(|last| last.may_grow(operation) && last.is_of(part)) else {
            return false;
        };
        let appended = self.connection.append_in_line(command, max_len).is_some();
        if appended {
            last.grow(number);
        }
        appended
    }

    /// How long a request of several such commands, or keys, may be.
    #[inline(always)]
    fn max_len(&self, command: &Command<'_>) -> usize {
        match command {
            Command::Get { .. } | Command::Gat { .. } => self.max_get_len,
            _ => self.max_run_len,
        }
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
                || waiters
                    .any(|waiter| waiter.is_waiting() && operations.is_pending(waiter.operation))
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
            self.deliver_values(server, operations, chunks);
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
                        None => Ok(Reply::Meta(Box::new(MetaReply::silent(status, server)))),
                        Some(line) => Err(FailureKind::Unknown(line.clone())),
                    };
                    for waiter in waiters.iter().take(part.waiters) {
                        let failure =
                            |kind| waiter.failure(Some(server), Delivery::Unanswered, kind);
                        for (_, number) in waiter.waiting() {
                            let reply = reply.clone().map_err(failure);
                            operations.deliver(waiter.operation, number, reply);
                        }
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
            let Some(part) = parts.front_mut().filter(|part| part.request == event.request) else {
                continue;
            };
            let request = event.request;
            match event.reply {
                Event::Doubt(_) | Event::Cancelled => {}
                Event::MetaValue { flags, value } => {
                    let waiting = waiters.front().filter(|_| part.waiters > 0);
                    let number = waiting.and_then(|waiter| waiter.waiting().next());
                    if let (Some(waiter), Some((_, number))) = (waiting, number) {
                        let mut reply = MetaReply::with_flags(MetaStatus::Done, server, &flags);
                        reply.value = Some(match value {
                            ValueBytes::Shared(value) => chunks.copy(value, buffered),
                            ValueBytes::Large(value) => Bytes::from(value.take()),
                        });
                        operations.deliver(
                            waiter.operation,
                            number,
                            Ok(Reply::Meta(Box::new(reply))),
                        );
                    }
                }
                Event::Value { index, flags, cas, value } => {
                    let waiter = waiter_at(waiters, part.waiters, index);
                    match value {
                        ValueBytes::Shared(value) => {
                            let item = ItemRef { server, flags, cas, value };
                            deliver_item(waiter, index, item, buffered, operations, chunks);
                        }
                        ValueBytes::Large(value) => {
                            if let Some((id, number)) = asker(waiter, index, operations) {
                                let value = Bytes::from(value.take());
                                let item = Item { server, flags, cas, value };
                                operations.deliver(id, number, Ok(Reply::Item(item)));
                            }
                        }
                    }
                    continue;
                }
                Event::Each { count, response } => {
                    let reply = Reply::of(&response, server);
                    let (mut next, end) = (part.answered, part.answered + count);
                    part.answered = end;
                    while next < end {
                        let Some(waiter) = waiter_at(waiters, part.waiters, next) else { break };
                        let last = end.min(waiter.start() + waiter.len()).max(next + 1);
                        operations.deliver_each(waiter, next..last, &reply);
                        next = last;
                    }
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
                    let mut waiting = waiting.flat_map(Waiter::numbers_waiting).peekable();
                    while let Some((operation, number)) = waiting.next() {
                        // The last of them gets the lines themselves, which may be many.
                        if waiting.peek().is_some() {
                            operations.deliver_again(operation, number, &reply);
                        } else {
                            let reply = core::mem::replace(&mut reply, Ok(Reply::Ok));
                            operations.deliver(operation, number, reply);
                        }
                    }
                    if let Some(operation) = part.held {
                        operations.release(operation);
                    }
                }
                Event::Sent | Event::Closed => {
                    let reply =
                        if matches!(event.reply, Event::Sent) { Reply::Sent } else { Reply::Ok };
                    for waiter in waiters.iter().take(part.waiters) {
                        for (_, number) in waiter.waiting() {
                            operations.deliver(waiter.operation, number, Ok(reply.clone()));
                        }
                    }
                }
                Event::Failed { delivery, text, sent } => {
                    let text = text.to_vec();
                    let mut waiting: Vec<_> = waiters.iter().take(part.waiters).cloned().collect();
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
                        answered: part.answered,
                        sent,
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

    /// Delivers the values of a get that have come whole and in the order of its keys, without an event for each.
    #[inline]
    fn deliver_values(
        &mut self,
        server: ServerIndex,
        operations: &mut Operations,
        chunks: &mut Chunks,
    ) {
        let Stream { connection, parts, waiters, doubt, .. } = self;
        let Some(part) = parts.front().filter(|part| connection.answering() == Some(part.request))
        else {
            return;
        };
        loop {
            let buffered = connection.buffered();
            let Some((found, index)) = connection.poll_value() else { return };
            *doubt = None;
            let waiter = waiter_at(waiters, part.waiters, index);
            let WholeValue { flags, cas, value, .. } = found;
            let item = ItemRef { server, flags, cas, value };
            deliver_item(waiter, index, item, buffered, operations, chunks);
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
                if waiter.is_waiting() && operations.is_expired(waiter.operation) {
                    given_up.push((waiter.clone(), self.connection.delivery(part.request)));
                    waiter.answer_all();
                }
            }
        }
        given_up
    }
}

/// Who waits for this key of a request, which is answered from now on: the operation and its number for the key.
/// `None` if nobody does.
#[inline]
fn asker(
    waiter: Option<&mut Waiter>,
    index: usize,
    operations: &Operations,
) -> Option<(OperationId, u32)> {
    let waiter = waiter?;
    if !operations.is_pending(waiter.operation) {
        sometimes!("reply to nobody");
        return None;
    }
    Some((waiter.operation, waiter.answer(index)?))
}

/// Delivers an item to whoever waits for its key. `buffered` bytes wait, its value among them.
#[inline]
fn deliver_item(
    waiter: Option<&mut Waiter>,
    index: usize,
    item: ItemRef<'_>,
    buffered: usize,
    operations: &mut Operations,
    chunks: &mut Chunks,
) {
    let Some((id, number)) = asker(waiter, index, operations) else { return };
    if let Some(items) = operations.items_of(id) {
        items.push(&NewFound { number, item, hint: buffered });
        return operations.answered(id, 1);
    }
    let ItemRef { server, flags, cas, value } = item;
    let item = Item { server, flags, cas, value: chunks.copy(value, buffered) };
    operations.deliver(id, number, Ok(Reply::Item(item)));
}

/// Of the `count` waiters of the first request, the one that waits for this key or command of it.
#[inline]
fn waiter_at(waiters: &mut VecDeque<Waiter>, count: usize, index: usize) -> Option<&mut Waiter> {
    let (mut at, mut end) = (0, count);
    while end - at > 1 {
        let middle = at + (end - at) / 2;
        match waiters.get(middle)?.start() <= index {
            true => at = middle,
            false => end = middle,
        }
    }
    waiters.get_mut(at).filter(|_| count > 0)
}

/// Has those fail who were answered by a reply that broke the protocol before its end: the get of one key,
/// which waits for the end, and whoever asked for a key that had a value too many. Other values that came
/// before are as good as any.
fn take_back(waiters: &mut [Waiter], repeated: &[usize], operations: &mut Operations) {
    for waiter in waiters {
        let answered: Vec<_> = waiter.answered().collect();
        for (index, number) in answered {
            let is_repeated = repeated.binary_search(&index).is_ok();
            if operations.take_back(waiter.operation, number, is_repeated) {
                waiter.take_back(index);
            }
        }
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
