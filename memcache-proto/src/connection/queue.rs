mod meta;
mod run;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::expect::{Expect, Fit};
use super::keys::{KeyOrder, Tally};
use super::{CloseReason, Delivery, Event, Head, Reply, ValueBytes};
use crate::codec::{Command, Decoder, Item, Response, WholeValue};
use crate::{Key, Limits, ProtocolError};
pub(crate) use run::Commands;

/// Text kept for later use once nothing is queued, in bytes.
const KEPT: usize = 256 << 10;
/// A get this long is sent rather than held back for more keys to join it.
const FULL_GET: usize = 8 << 10;

/// The commands that every server and every proxy knows.
const COMMON: [&[u8]; 11] = [
    b"get", b"gets", b"set", b"add", b"replace", b"append", b"prepend", b"cas", b"delete", b"incr",
    b"decr",
];

/// A request of one connection. Requests ascend in the order in which they were submitted, with gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(u64);

/// The requests that are not done, in order, and their text. The text stays until the reply has come:
/// the keys of a get are compared with it, and a request that failed can be sent again.
///
/// Positions count bytes since the connection began.
#[derive(Default)]
pub(super) struct Queue {
    text: Vec<u8>,
    /// The position of the first byte of `text`.
    base: u64,
    /// What has been written.
    sent: u64,
    /// What may be written: the end of the last released request.
    released: u64,
    /// How many bytes have been handed out that the server is not known to have read.
    unanswered: u64,
    /// Those of them whose requests are done nevertheless: they have no reply.
    silent: u64,
    requests: VecDeque<Request>,
    /// The number of the first of `requests`.
    first: u64,
    /// How many of `requests` are released.
    in_flight: usize,
    /// How many of those have a reply.
    awaited: usize,
    /// Whether a request has been cancelled since `release`.
    withdrawn: bool,
    /// Which keys of the first request its reply has passed over, or answered too often.
    tally: Tally,
}

struct Request {
    start: u64,
    len: usize,
    expect: Expect,
    cancelled: bool,
    /// How many keys it has if it is a get, else how many commands.
    members: u32,
    /// How many lines of its reply have come.
    parts: usize,
    /// Which of its keys the values of its reply belong to.
    order: KeyOrder,
}

impl Request {
    fn end(&self) -> u64 {
        self.start + self.len as u64
    }

    /// Whether a reply can be to it when so much has been sent. A server that has not been sent all of a
    /// request has not done it, but may refuse it already.
    #[inline]
    fn may_be_answered(&self, sent: u64, is_error: bool) -> bool {
        self.end() <= sent || is_error && self.start < sent
    }

    /// How many commands of a run of several are still to be answered; 0 if it is not such a run.
    #[inline]
    fn commands_left(&self) -> usize {
        let commands = if self.expect.is_repeatable() { self.members as usize } else { 0 };
        commands.saturating_sub(self.parts)
    }
}

impl Queue {
    pub(super) fn push(&mut self, command: &Command<'_>, expect: Expect) -> RequestId {
        let start_at = self.text.len();
        command.encode(&mut self.text);
        let len = self.text.len() - start_at;
        let (mut members, mut keys_at) = (1, 0);
        if let Command::Get { keys: all, .. } | Command::Gat { keys: all, .. } = *command {
            let mut keys_len = 2;
            members = 0;
            for key in all {
                members += 1;
                keys_len += key.len() + 1;
            }
            keys_at = len - keys_len + 1;
        }
        self.requests.push_back(Request {
            start: self.base + start_at as u64,
            len,
            expect,
            cancelled: false,
            members,
            parts: 0,
            order: KeyOrder::new(keys_at),
        });
        RequestId(self.first + self.requests.len() as u64 - 1)
    }

    /// Adds a key to the get or gat that was pushed last, or a command to the run of its kind; see
    /// [`Connection::append`](super::Connection::append). Returns how much longer the request is, too.
    #[inline(always)]
    pub(super) fn append(
        &mut self,
        command: &Command<'_>,
        expect: Expect,
        max_len: usize,
    ) -> Option<(RequestId, usize, usize)> {
        let last = self.requests.len().checked_sub(1)?;
        let request = self.requests.back_mut()?;
        let takes_more = last >= self.in_flight
            && !request.cancelled
            && request.expect == expect
            && request.len < max_len;
        if !takes_more {
            return None;
        }
        let room = max_len - request.len;
        let added = match *command {
            Command::Get { keys, .. } => run::append_key(&mut self.text, keys, room)?,
            Command::Gat { exptime, keys, .. } => {
                let at = usize::try_from(request.start - self.base).ok()?;
                if !run::is_gat_of(self.text.get(at..)?, exptime) {
                    return None;
                }
                run::append_key(&mut self.text, keys, room)?
            }
            _ if expect.is_repeatable() => run::append_command(&mut self.text, command, room)?,
            _ => return None,
        };
        request.len += added;
        request.members += 1;
        sometimes!("key joined a get", !expect.is_repeatable());
        sometimes!("command joined a run", expect.is_repeatable());
        Some((RequestId(self.first + last as u64), request.members as usize - 1, added))
    }

    /// Where a request stands in the queue; `None` where it is done.
    fn position(&self, RequestId(number): RequestId) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    pub(super) fn cancel(&mut self, request: RequestId) {
        let Some(at) = self.position(request) else { return };
        if let Some(request) = self.requests.get_mut(at) {
            request.cancelled = true;
            self.withdrawn = true;
        }
    }

    /// Has [`release`](Self::release) ask again whether what has not been begun is still wanted.
    pub(super) fn ask_again(&mut self) {
        self.withdrawn = true;
    }

    pub(super) fn delivery(&self, request: RequestId) -> Delivery {
        match self.position(request).map(|at| self.requests.get(at)) {
            Some(Some(request)) if request.start < self.sent => Delivery::Unanswered,
            Some(_) => Delivery::NotSent,
            None => Delivery::Answered,
        }
    }

    pub(super) fn last_len(&self) -> usize {
        self.requests.back().map_or(0, |request| request.len)
    }

    /// Takes back the request that was just pushed.
    pub(super) fn pop_last(&mut self) {
        if let Some(request) = self.requests.pop_back() {
            self.text.truncate(self.text.len() - request.len);
        }
    }

    /// Whether what was submitted last may get no reply, and nothing that has one follows.
    pub(super) fn ends_quietly(&self) -> bool {
        self.requests.back().is_some_and(|request| request.expect.is_quiet())
    }

    /// The number of the request that is pushed next.
    pub(super) fn next_number(&self) -> u64 {
        self.first + self.requests.len() as u64
    }

    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.sent == self.end()
    }

    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        // What nothing waits before is taken whatever the limit: else nothing ever were.
        self.bytes() >= limits.max_queued_bytes.max(1)
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.len() - self.spent()
    }

    /// Whether a request that has a reply is written whole and not answered.
    pub(super) fn is_owed(&self) -> bool {
        let mut in_flight = self.requests.iter().take(self.in_flight);
        in_flight
            .find(|request| request.expect.has_reply())
            .is_some_and(|request| request.end() <= self.sent)
    }

    pub(super) fn awaits_reply(&self) -> bool {
        self.awaited > 0
    }

    pub(super) fn ends_connection(&self) -> bool {
        self.requests.back().is_some_and(|request| request.expect == Expect::Eof)
    }

    /// Takes back what has been let go and not been begun: what is withdrawn must not leave.
    fn recall(&mut self) {
        self.withdrawn = false;
        while let Some(last) = self.in_flight.checked_sub(1) {
            let Some(request) = self.requests.get(last).filter(|last| last.start >= self.sent)
            else {
                break;
            };
            self.awaited -= usize::from(request.expect.has_reply());
            self.unanswered -= request.len as u64;
            self.released = request.start;
            self.in_flight = last;
        }
        sometimes!("half written and kept", self.in_flight > 0 && self.sent < self.released);
    }

    /// Lets requests go, in order, while the window has room for them.
    pub(super) fn release(
        &mut self,
        window: usize,
        merge: bool,
        mut wanted: impl FnMut(RequestId) -> bool,
    ) {
        if self.withdrawn {
            self.recall();
        }
        while self.may_release(window, merge) {
            let number = RequestId(self.first + self.in_flight as u64);
            let Some(request) = self.requests.get_mut(self.in_flight) else { return };
            request.cancelled |= !wanted(number);
            if request.cancelled && !request.expect.is_always_sent() {
                // It is passed over, which needs everything before it to be written.
                if self.sent < self.released {
                    break;
                }
                sometimes!("withdrawn before the write");
                request.expect = Expect::Unsent;
                self.sent = request.end();
            } else {
                self.unanswered += request.len as u64;
            }
            self.released = request.end();
            self.in_flight += 1;
            self.awaited += usize::from(request.expect.has_reply());
        }
        while self.written().is_some_and(|front| front.cancelled) {
            self.pop();
        }
    }

    pub(super) fn can_send(&self, window: usize, merge: bool) -> bool {
        self.sent < self.released || self.may_release(window, merge)
    }

    fn may_release(&self, window: usize, merge: bool) -> bool {
        let Some(request) = self.requests.get(self.in_flight) else { return false };
        if self.awaited == 0 || request.cancelled && !request.expect.is_always_sent() {
            return true;
        }
        let is_last = self.in_flight + 1 == self.requests.len();
        let may_grow = matches!(request.expect, Expect::Values { plain: true, .. });
        let held = merge && is_last && may_grow && request.len < FULL_GET;
        // memcached refuses a metadump with other requests around it.
        let alone = |request: &Request| request.expect == Expect::Metadump;
        let last = self.in_flight.checked_sub(1).and_then(|last| self.requests.get(last));
        let alone = alone(request) || last.is_some_and(alone);
        let room = self.unanswered + request.len as u64 <= window as u64;
        // What quiet requests wait for.
        let closes = request.expect == Expect::Noop && {
            let mut before = self.requests.iter().take(self.in_flight).rev();
            let sent = before.find(|before| before.expect != Expect::Unsent);
            sent.is_some_and(|sent| sent.expect.is_quiet())
        };
        sometimes!("window full", !room && !closes);
        sometimes!("mn beyond the window", !room && closes);
        sometimes!("get held back", held);
        (room || closes) && !held && !alone
    }

    pub(super) fn to_send(&self) -> &[u8] {
        let at = |position: u64| usize::try_from(position - self.base).unwrap_or(usize::MAX);
        self.text.get(at(self.sent)..at(self.released)).unwrap_or_default()
    }

    pub(super) fn sent(&mut self, len: usize) {
        self.sent = self.sent.saturating_add(len as u64).min(self.released);
        sometimes!("partial write", len > 0 && self.sent < self.released);
        if self.requests.is_empty() {
            self.free();
        }
    }

    /// Takes the first request off, if it has no reply and is written whole; cancelled ones before it
    /// too.
    pub(super) fn pop_written(&mut self) -> Option<RequestId> {
        loop {
            let cancelled = self.written()?.cancelled;
            let request = self.pop();
            if !cancelled {
                sometimes!("noreply told sent");
                return Some(request);
            }
        }
    }

    /// Whether the first request has no reply and is written whole.
    pub(super) fn has_written(&self) -> bool {
        self.written().is_some()
    }

    /// The first request, if it has no reply and is written whole.
    fn written(&self) -> Option<&Request> {
        let front = self.requests.front().filter(|_| self.in_flight > 0)?;
        (!front.expect.has_reply() && front.end() <= self.sent).then_some(front)
    }

    /// Whether the first request is one whose reply nobody waits for.
    pub(super) fn front_is_cancelled(&self) -> bool {
        let front = self.requests.front().filter(|_| self.in_flight > 0);
        // What comes next may be another's, where this one is quiet.
        front.is_some_and(|front| {
            front.cancelled && front.expect.has_reply() && !front.expect.is_quiet()
        })
    }

    /// Takes the first request off, if EOF is its answer and it waits for one.
    pub(super) fn pop_answered_by_eof(&mut self) -> Option<RequestId> {
        let front = self.requests.front()?;
        let answered = self.in_flight > 0 && front.expect == Expect::Eof && !front.cancelled;
        answered.then(|| self.pop())
    }

    /// Takes in, at once, what answers commands of a run as usual. The last of the run is left to
    /// [`pair`](Self::pair).
    #[inline]
    pub(super) fn pair_run<'a>(&mut self, decoder: &mut Decoder) -> Option<Event<'a>> {
        let request = self.requests.front_mut().filter(|_| self.in_flight > 0)?;
        let left = request.commands_left();
        if left < 2 || request.end() > self.sent {
            return None;
        }
        let (line, response) = request.expect.usual_line()?;
        let count = decoder.take_lines(line, left - 1);
        if count == 0 {
            return None;
        }
        request.parts += count;
        Some(Event { request: RequestId(self.first), reply: Reply::Each { count, response } })
    }

    /// The next value of the get whose turn it is, and which of the get's keys it belongs to, if that is the key
    /// whose turn it is; `None` leaves what comes next to [`pair`](Self::pair).
    #[inline]
    pub(super) fn pair_value<'d>(
        &mut self,
        decoder: &'d mut Decoder,
    ) -> Option<(WholeValue<'d>, usize)> {
        let request = self.requests.front_mut().filter(|_| self.in_flight > 0)?;
        let Expect::Values { cas, .. } = request.expect else { return None };
        if request.cancelled || request.end() > self.sent {
            return None;
        }
        if request.parts == 0 {
            self.tally.clear();
        }
        let at = usize::try_from(request.start - self.base).ok()?;
        let line = self.text.get(at..at + request.len - 2)?;
        let order = &mut request.order;
        let (value, index) = decoder.next_value(|value| {
            if cas && value.cas.is_none() { None } else { order.find_next(line, value.key) }
        })?;
        request.parts += 1;
        Some((value, index as usize))
    }

    /// The request whose turn it is; `None` if nothing is in flight.
    pub(super) fn answering(&self) -> Option<RequestId> {
        (self.in_flight > 0).then_some(RequestId(self.first))
    }

    /// What `item` means to the request whose turn it is, and whether the connection must close.
    #[inline]
    pub(super) fn pair<'a>(
        &mut self,
        item: Item<'a>,
        max_lines: usize,
    ) -> Result<(Event<'a>, Option<CloseReason>), CloseReason> {
        let request = match self.requests.front_mut() {
            Some(request) if self.in_flight > 0 => request,
            _ => return Err(unsolicited(&item)),
        };
        if matches!(request.expect, Expect::Meta(_) | Expect::Noop) {
            return self.pair_meta(item);
        }
        if !request.may_be_answered(self.sent, is_error(&item))
            && !run::may_be_answered(request, &self.text, self.base, self.sent)
        {
            sometimes!("reply before its request");
            return Err(unsolicited(&item));
        }
        let number = RequestId(self.first);
        let event = |reply| Event { request: number, reply };
        let response = match item {
            Item::LargeVa { .. } => {
                return Err(CloseReason::Protocol(ProtocolError::UnexpectedResponse));
            }
            Item::LargeValue { key, flags, cas, value } => {
                require_cas(request, cas)?;
                let index = Self::index_of(&self.text, self.base, &mut self.tally, request, key)?;
                let value = ValueBytes::Large(value);
                return Ok((event(Reply::Value { index, flags, cas, value }), None));
            }
            Item::Response(Response::Value { key, flags, cas, value }) => {
                require_cas(request, cas)?;
                let index = Self::index_of(&self.text, self.base, &mut self.tally, request, key)?;
                let value = ValueBytes::Shared(value);
                return Ok((event(Reply::Value { index, flags, cas, value }), None));
            }
            Item::Response(Response::Config { name, flags, text }) => {
                Self::check_config(&self.text, self.base, request, name)?;
                let value = ValueBytes::Shared(text);
                return Ok((event(Reply::Value { index: 0, flags, cas: None, value }), None));
            }
            Item::Response(response) => response,
        };
        if is_refusal(&response) {
            return Err(CloseReason::Refused);
        }
        match request.expect.fit(&response) {
            Fit::Part if request.parts >= max_lines => {
                sometimes!("too many lines");
                Err(CloseReason::Protocol(ProtocolError::TooMuch))
            }
            Fit::Part => {
                request.parts += 1;
                Ok((event(Reply::Line(response)), None))
            }
            fit @ (Fit::Last | Fit::LastAndClose) if request.commands_left() > 1 => {
                request.parts += 1;
                sometimes!("run refused in its middle", fit == Fit::LastAndClose);
                let then = (fit == Fit::LastAndClose).then_some(CloseReason::Form);
                Ok((event(Reply::Each { count: 1, response }), then))
            }
            Fit::Last => {
                self.pop_answered();
                Ok((event(Reply::Last(response)), None))
            }
            Fit::LastAndClose => {
                sometimes!("closed for form");
                self.pop();
                Ok((event(Reply::Last(response)), Some(CloseReason::Form)))
            }
            Fit::Unexpected => {
                sometimes!("unexpected response");
                Err(CloseReason::Protocol(ProtocolError::UnexpectedResponse))
            }
        }
    }

    /// Refuses a configuration that was not asked for, or that came already.
    fn check_config(
        text: &[u8],
        base: u64,
        request: &mut Request,
        name: Key<'_>,
    ) -> Result<(), CloseReason> {
        if request.expect != Expect::Config || request.parts > 0 {
            return Err(CloseReason::Protocol(ProtocolError::UnexpectedResponse));
        }
        request.parts += 1;
        let at = usize::try_from(request.start - base).unwrap_or(usize::MAX);
        let line = text.get(at..at.saturating_add(request.len)).unwrap_or_default();
        match line.strip_suffix(b"\r\n").is_some_and(|line| line.ends_with(name.as_bytes())) {
            true if line.len() == b"config get \r\n".len() + name.len() => Ok(()),
            _ => Err(CloseReason::Protocol(ProtocolError::UnexpectedKey)),
        }
    }

    /// Which of the request's keys this is.
    #[inline]
    fn index_of(
        text: &[u8],
        base: u64,
        tally: &mut Tally,
        request: &mut Request,
        key: Key<'_>,
    ) -> Result<usize, CloseReason> {
        if !matches!(request.expect, Expect::Values { .. }) {
            return Err(CloseReason::Protocol(ProtocolError::UnexpectedResponse));
        }
        if request.parts == 0 {
            tally.clear();
        }
        request.parts += 1;
        let at = usize::try_from(request.start - base).unwrap_or(usize::MAX);
        let line = text.get(at..at + request.len - 2).unwrap_or_default();
        let found = request.order.find(line, key, tally);
        sometimes!("wrong key", found.is_none() && tally.repeated().is_empty());
        sometimes!("repeated value", found.is_none() && !tally.repeated().is_empty());
        let index = found.ok_or(CloseReason::Protocol(ProtocolError::UnexpectedKey))?;
        Ok(index as usize)
    }

    /// Which keys of a request had one value too many, in order, where that closed the connection.
    pub(super) fn repeated(&self) -> &[usize] {
        self.tally.repeated()
    }

    /// Takes the first request off because the connection closed. Those that have not been begun stay, if
    /// the next connection is to have them.
    pub(super) fn fail_next(&mut self, begun_only: bool) -> Option<Event<'_>> {
        let (start, len, answered, reply) = loop {
            let Some(front) = self.requests.front() else {
                // Nothing of what is left will be sent.
                (self.sent, self.released) = (self.end(), self.end());
                self.free();
                return None;
            };
            if begun_only && front.start >= self.sent {
                return None;
            }
            let (start, len, cancelled) = (front.start, front.len, front.cancelled);
            let written = front.end() <= self.sent;
            let sent = (!front.expect.has_reply() && written).then_some(Reply::Sent);
            if !cancelled {
                let answered = if front.commands_left() > 0 { front.parts } else { 0 };
                break (start, len, answered, sent);
            }
            self.pop_keeping_text();
        };
        let request = self.pop_keeping_text();
        let reply = reply.unwrap_or_else(|| {
            let text = self.text_at(start, len);
            let answered = Commands::of(text).take(answered).map(|(_, len)| len).sum();
            let sent = usize::try_from(self.sent.saturating_sub(start)).unwrap_or(usize::MAX);
            let sent = sent.min(len).saturating_sub(answered);
            let delivery = if sent > 0 { Delivery::Unanswered } else { Delivery::NotSent };
            Reply::Failed { delivery, text: text.get(answered..).unwrap_or_default(), sent }
        });
        Some(Event { request, reply })
    }

    /// The connection has closed for this reason. Returns the first of the requests that it had not answered.
    /// `served` says whether it had answered anything.
    pub(super) fn close(&mut self, reason: &CloseReason, served: bool) -> Option<Head> {
        sometimes!("refused, too many connections", *reason == CloseReason::Refused);
        let front = self.requests.front()?;
        if *reason == CloseReason::Refused && !served {
            // Nothing has been read of what was sent.
            self.sent = self.sent.min(front.start);
        }
        let text = self.text_at(front.start, front.len);
        let word = text.split(|&byte| byte == b' ').next()?;
        Some(Head { request: RequestId(self.first), is_common: COMMON.contains(&word) })
    }

    /// Begins again on another connection, with what is there: none of it has been sent.
    pub(super) fn restart(&mut self) {
        for request in self.requests.iter_mut().take(self.in_flight) {
            request.parts = 0;
            request.order.restart();
        }
        let start = self.requests.front().map_or(self.end(), |front| front.start);
        (self.sent, self.released) = (start, start);
        (self.unanswered, self.silent) = (0, 0);
        (self.in_flight, self.awaited) = (0, 0);
        self.tally = Tally::default();
        self.free();
    }

    /// Takes the first request off, which the server has answered, and so read all before it.
    fn pop_answered(&mut self) -> RequestId {
        let end = self.requests.front().map_or(self.sent, Request::end);
        let request = self.pop();
        // One that is refused may have been written in part.
        let unread = end.saturating_sub(self.sent).min(self.silent);
        self.unanswered -= self.silent - unread;
        self.silent = unread;
        request
    }

    fn pop(&mut self) -> RequestId {
        let request = self.pop_keeping_text();
        self.free();
        request
    }

    fn pop_keeping_text(&mut self) -> RequestId {
        let number = RequestId(self.first);
        if let Some(request) = self.requests.pop_front() {
            self.first += 1;
            if self.in_flight > 0 {
                self.in_flight -= 1;
                self.awaited -= usize::from(request.expect.has_reply());
                if request.expect != Expect::Unsent {
                    self.silent += request.len as u64;
                }
            }
        }
        number
    }

    /// The text of a request that begins at this position.
    fn text_at(&self, start: u64, len: usize) -> &[u8] {
        let at = usize::try_from(start - self.base).unwrap_or(usize::MAX);
        self.text.get(at..at.saturating_add(len)).unwrap_or_default()
    }

    /// How much of `text` is no longer needed.
    fn spent(&self) -> usize {
        let needed = self.requests.front().map_or(self.end(), |front| front.start).min(self.sent);
        usize::try_from(needed - self.base).unwrap_or(0)
    }

    fn end(&self) -> u64 {
        self.base + self.text.len() as u64
    }

    fn free(&mut self) {
        let spent = self.spent();
        if spent == self.text.len() {
            self.base = self.end();
            self.text.clear();
            self.text.shrink_to(KEPT);
            self.tally.clear();
        } else if spent > KEPT && spent > self.text.len() / 2 {
            sometimes!("text compacted");
            self.base += spent as u64;
            self.text.drain(..spent);
        }
    }
}

/// Refuses a value without a cas unique where that was asked for.
#[inline]
fn require_cas(request: &Request, cas: Option<u64>) -> Result<(), CloseReason> {
    match (request.expect, cas) {
        (Expect::Values { cas: true, .. }, None) => {
            sometimes!("cas unique missing");
            Err(CloseReason::Protocol(ProtocolError::UnexpectedResponse))
        }
        _ => Ok(()),
    }
}

fn unsolicited(item: &Item<'_>) -> CloseReason {
    match item {
        Item::Response(response) if is_refusal(response) => CloseReason::Refused,
        _ => {
            sometimes!("closed by unsolicited");
            CloseReason::Protocol(ProtocolError::Unsolicited)
        }
    }
}

fn is_error(item: &Item<'_>) -> bool {
    use Response::{ClientError, Error, ServerError};
    matches!(item, Item::Response(Error(_) | ClientError(_) | ServerError(_)))
}

/// What a server that has too many connections sends unasked before it closes the newest.
pub(crate) fn is_refusal(response: &Response<'_>) -> bool {
    matches!(response, Response::Error(b"Too many open connections"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Response;

    /// Text is kept for as long as it is needed, or until little is gained by freeing it.
    #[test]
    fn text_is_freed() {
        let mut queue = Queue::default();
        let limits = Limits::default();
        let push = |queue: &mut Queue| queue.push(&Command::Version, Expect::Version);
        let one = "version\r\n".len();
        push(&mut queue);
        // Never idle.
        for _ in 0..500_000 {
            push(&mut queue);
            queue.release(limits.window, false, |_| true);
            queue.sent(one);
            let item = Item::Response(Response::Version(b"1"));
            assert!(queue.pair(item, limits.max_lines).is_ok());
            assert!(queue.text.len() <= 2 * KEPT + 2 * one, "{}", queue.text.len());
        }
        // A large one, then idle.
        push(&mut queue);
        queue.text.reserve(100 << 20);
        while !queue.is_empty() {
            queue.release(limits.window, false, |_| true);
            queue.sent(usize::MAX);
            let item = Item::Response(Response::Version(b"1"));
            assert!(queue.pair(item, limits.max_lines).is_ok());
        }
        assert!(queue.text.capacity() <= KEPT, "{}", queue.text.capacity());
        // A server may refuse what has still to be written in part.
        push(&mut queue);
        queue.release(limits.window, false, |_| true);
        queue.sent(1);
        let item = Item::Response(Response::Error(b""));
        assert!(queue.pair(item, limits.max_lines).is_ok());
        queue.sent(one - 1);
        assert!(queue.text.is_empty() && queue.is_empty());
    }
}
