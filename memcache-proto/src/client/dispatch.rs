//! Where operations go.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::closing::Cause;
use super::operation::{NewItem, Scope};
use super::operations::Shape;
use super::waiter::Waiter;
use super::{
    Client, DeadServer, Failure, FailureKind, NoticeEvent, Operation, OperationId, Rejected,
    Rejection, RoutedKey, RoutedMeta, State,
};
use crate::codec::{Command, MetaKey};
use crate::connection::{MAX_VALUE_LEN, SubmitError};
use crate::routing::{Admission, MAX_CANDIDATES, ServerIndex};
use crate::value::Flags;
use crate::{MAX_KEY_LEN, Time};

impl Client {
    /// Takes an operation in: encodes it, borrows nothing after. Next see to
    /// [`poll_action`](Self::poll_action).
    ///
    /// # Errors
    ///
    /// [`Rejected`] gives the operation back, where its key or value cannot be sent or too much waits
    /// already. An operation on many keys is never rejected whole: each of its keys fails alone.
    pub fn submit<'a>(
        &mut self,
        operation: Operation<'a>,
        now: Time,
    ) -> Result<OperationId, Rejected<'a>> {
        self.submit_until(operation, None, now)
    }

    /// As [`submit`](Self::submit): the operation has its outcome at `until`, at the latest. If that is `None`,
    /// [`Settings::operation_timeout`](super::Settings::operation_timeout) says how long it may take.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub fn submit_until<'a>(
        &mut self,
        operation: Operation<'a>,
        until: Option<Time>,
        now: Time,
    ) -> Result<OperationId, Rejected<'a>> {
        let own = until.map(|until| until - now);
        let timeout = own.or(self.cluster.settings().operation_timeout);
        let id = match operation.scope() {
            Scope::Key(key) => {
                let id = self.operations.begin(Shape::One, 1, now, timeout);
                if let Err(reason) = self.submit_one(&operation, key, id, 0, now) {
                    self.operations.free(id);
                    return Err(Rejected { operation, reason });
                }
                id
            }
            Scope::Meta(meta) => {
                let id = self.operations.begin(Shape::One, 1, now, timeout);
                if let Err(reason) = self.submit_meta(meta, id, 0, now) {
                    self.operations.free(id);
                    return Err(Rejected { operation, reason });
                }
                id
            }
            Scope::Many(count) => {
                let id = self.operations.begin(Shape::Many, count, now, timeout);
                self.take_keys(&operation, id, 0, now);
                id
            }
            Scope::Part(_) => {
                let id = self.operations.begin_parts(now, timeout);
                self.take_part(id, &operation, now);
                id
            }
            Scope::Servers(command) => {
                let count = self.cluster.servers().len();
                let id = self.operations.begin(Shape::Servers, count, now, timeout);
                for number in 0..count {
                    let server = ServerIndex::new(u32::try_from(number).unwrap_or(u32::MAX));
                    self.submit_to_server(&command, server, id, now);
                }
                id
            }
        };
        self.see(id, &operation);
        Ok(id)
    }

    /// Takes in the keys of an operation on many, which have numbers from `first` on.
    pub(super) fn take_keys(
        &mut self,
        operation: &Operation<'_>,
        id: OperationId,
        first: u32,
        now: Time,
    ) {
        let (mut next, count) = (0, operation.keys());
        while let Some(one) = operation.one(next).filter(|_| next < count) {
            let number = numbered(first, next);
            next += 1;
            let submitted = match one.scope() {
                Scope::Key(key) => self.submit_one(&one, key, id, number, now),
                Scope::Meta(meta) => self.submit_meta(meta, id, number, now),
                Scope::Many(_) | Scope::Part(_) | Scope::Servers(_) => continue,
            };
            if let Err(reason) = submitted {
                let failure = Failure::not_sent(None, FailureKind::Rejected(reason));
                self.operations.deliver(id, number, Err(failure));
            }
            next = self.extend(operation, id, first, next);
        }
    }

    /// The server that an operation on `key` would go to now, if nothing changes meanwhile; `None` where
    /// it would go to none.
    #[must_use]
    pub fn destination<'a>(&self, key: impl Into<RoutedKey<'a>>, now: Time) -> Option<ServerIndex> {
        let RoutedKey { key, hash } = key.into();
        let mut space = [0; MAX_KEY_LEN];
        let key = self.cluster.wire_key(key, &mut space).ok()?;
        let mut candidates = self.cluster.candidates(key.as_bytes(), hash);
        candidates.find(|&server| self.cluster.health().is_available(server, now))
    }

    /// How many bytes of requests wait on the connection to this server that has the fewest. Whoever
    /// can wait before [`submit`](Self::submit) should do so from
    /// [`Limits::backlog`](crate::Limits::backlog) on, so that memory does not grow with the number of
    /// those who ask; ask again after each [`received`](Self::received).
    #[must_use]
    pub fn queued_bytes(&self, server: ServerIndex) -> usize {
        let slots = self.slots.of(self.slots_of(server));
        slots.map(|slot| slot.stream.connection.queued_bytes()).min().unwrap_or(0)
    }

    /// How many requests wait for their replies, or to be sent, on all connections to this server, and how many bytes
    /// they have.
    #[must_use]
    pub fn waiting_at(&self, server: ServerIndex) -> (usize, usize) {
        let connections = self.slots.of(self.slots_of(server)).map(|slot| &slot.stream.connection);
        connections.fold((0, 0), |(requests, bytes), connection| {
            (requests + connection.queued(), bytes + connection.queued_bytes())
        })
    }

    /// Returns true if there is a server for which [`Limits::backlog`](crate::Limits::backlog) or more waits, by
    /// [`queued_bytes`](Self::queued_bytes): what is submitted now may have to wait for it. To ask costs no more
    /// where there are more servers.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.slots.is_any_server_full()
    }

    fn submit_one(
        &mut self,
        operation: &Operation<'_>,
        key: RoutedKey<'_>,
        id: OperationId,
        number: u32,
        now: Time,
    ) -> Result<(), Rejection> {
        let RoutedKey { key, hash } = key;
        if let Operation::Store { item: NewItem { value, flags, .. }, .. } = operation {
            self.check_value(value.len(), *flags)?;
        }
        let mut space = [0; MAX_KEY_LEN];
        let key = self.cluster.wire_key(key, &mut space).map_err(Rejection::Key)?;
        let command = operation.command(&key);
        let waiter = Waiter::new(id, number, hash, &command);
        let sent = self.send(&command, key.as_bytes(), waiter, now);
        self.submitted(sent, &command, (id, number, hash), now)
    }

    /// Has the keys of an operation from this number on travel with those that went to their servers before, as
    /// long as each finds the request of its server's that was queued last to be the operation's own, with room
    /// for it. Returns the number of the first that does not. Nothing else has to be seen to: that was done
    /// for the first key of each request.
    fn extend(
        &mut self,
        operation: &Operation<'_>,
        id: OperationId,
        first: u32,
        from: usize,
    ) -> usize {
        // An arm for each, so that the command need not be told again for each key.
        match *operation {
            get @ Operation::GetMany { keys, .. } => self.extend_keys(keys, &get, id, first, from),
            gat @ Operation::GatMany { keys, .. } => self.extend_keys(keys, &gat, id, first, from),
            delete @ Operation::DeleteMany { keys, .. } => {
                self.extend_keys(keys, &delete, id, first, from)
            }
            touch @ Operation::TouchMany { keys, .. } => {
                self.extend_keys(keys, &touch, id, first, from)
            }
            Operation::StoreMany { verb, items, noreply } => {
                let mut next = from;
                while let Some(item) = items.get(next) {
                    let one = Operation::Store { verb, item: *item, noreply };
                    let fits = self.check_value(item.value.len(), item.flags).is_ok();
                    let number = numbered(first, next);
                    if !fits || !self.extend_by(item.key, &one, id, first, number) {
                        break;
                    }
                    next += 1;
                }
                next
            }
            _ => from,
        }
    }

    #[inline(always)]
    fn extend_keys(
        &mut self,
        keys: &[RoutedKey<'_>],
        operation: &Operation<'_>,
        id: OperationId,
        first: u32,
        from: usize,
    ) -> usize {
        let mut next = from;
        while let Some(key) = keys.get(next) {
            if !self.extend_by(*key, operation, id, first, numbered(first, next)) {
                break;
            }
            next += 1;
        }
        next
    }

    /// Has one key travel with the others, by the command of this operation.
    #[inline(always)]
    fn extend_by(
        &mut self,
        key: RoutedKey<'_>,
        operation: &Operation<'_>,
        id: OperationId,
        part: u32,
        number: u32,
    ) -> bool {
        let RoutedKey { key, hash: None } = key else { return false };
        let mut space = [0; MAX_KEY_LEN];
        let Ok(key) = self.cluster.wire_key(key, &mut space) else { return false };
        let route = self.cluster.route(key.as_bytes(), None);
        let Some(server) = self.cluster.selector().candidate(route, 0) else { return false };
        let Some(first) = self.slots.get(self.slots_of(server).start) else { return false };
        let slot = first.queued_at as usize;
        let slot = self.slots.get_mut(slot);
        slot.is_some_and(|slot| slot.stream.extend(&operation.command(&key), id, part, number))
    }

    fn submit_meta(
        &mut self,
        meta: &RoutedMeta<'_>,
        id: OperationId,
        number: u32,
        now: Time,
    ) -> Result<(), Rejection> {
        let RoutedMeta { request, hash } = *meta;
        self.check_value(request.value_len(), request.new_flags())?;
        let (mut bytes, mut space) = ([0; MAX_KEY_LEN], [0; MAX_KEY_LEN]);
        let bytes = request.key().decode(&mut bytes).unwrap_or_default();
        let bytes = self.cluster.wire_bytes(bytes, &mut space).map_err(Rejection::Key)?;
        let key = MetaKey::new(bytes).map_err(Rejection::Key)?;
        let command = Command::from(request.with_key(key));
        let waiter = Waiter::new(id, number, hash, &command);
        let sent = self.send(&command, bytes, waiter, now);
        self.submitted(sent, &command, (id, number, hash), now)
    }

    fn check_value(&self, len: usize, flags: Flags) -> Result<(), Rejection> {
        if flags.bits() > u64::from(u32::MAX) {
            sometimes!("rejected, flags");
            return Err(Rejection::FlagsTooLarge { flags });
        }
        let max = match self.cluster.settings().limits.server_max_value_length {
            0 => MAX_VALUE_LEN,
            max => max.min(MAX_VALUE_LEN),
        };
        sometimes!("rejected, value", len > max);
        if len > max { Err(Rejection::ValueTooLong { len, max }) } else { Ok(()) }
    }

    /// What came of sending a new request: where it is not the caller's fault, the operation has it.
    fn submitted(
        &mut self,
        sent: Result<(), FailureKind>,
        command: &Command<'_>,
        (id, number, hash): (OperationId, u32, Option<i64>),
        now: Time,
    ) -> Result<(), Rejection> {
        match sent {
            Ok(()) => Ok(()),
            Err(FailureKind::Rejected(reason)) => Err(reason),
            Err(kind) => {
                let waiter = Waiter::new(id, number, hash, command);
                self.fail(command, &waiter, number, Failure::not_sent(None, kind), now);
                Ok(())
            }
        }
    }

    fn submit_to_server(
        &mut self,
        command: &Command<'_>,
        server: ServerIndex,
        id: OperationId,
        now: Time,
    ) {
        let number = u32::try_from(server.index()).unwrap_or(u32::MAX);
        let waiter = Waiter::new(id, number, None, command);
        let sent = if self.admit(server, id, now) {
            self.send_to(server, command, waiter, now)
        } else {
            Err(FailureKind::Dead(self.dead_server(server, now)))
        };
        if let Err(kind) = sent {
            let failure = Failure::not_sent(Some(server), kind);
            self.operations.deliver(id, number, Err(failure));
        }
    }

    /// Sends a command to the first candidate for `key`, from the waiter's attempt on, that is not
    /// dead.
    pub(super) fn send(
        &mut self,
        command: &Command<'_>,
        key: &[u8],
        mut waiter: Waiter,
        now: Time,
    ) -> Result<(), FailureKind> {
        let failover = self.cluster.settings().failover;
        while waiter.attempt < if failover { MAX_CANDIDATES } else { 1 } {
            let route = self.cluster.route(key, waiter.hash());
            let selector = self.cluster.selector();
            let Some(server) = selector.candidate(route, waiter.attempt) else { break };
            // The sequence comes back to servers that were passed over already.
            let tried = |earlier| selector.candidate(route, earlier) == Some(server);
            if !(0..waiter.attempt).any(tried) && self.admit(server, waiter.operation, now) {
                sometimes!("failed over", waiter.attempt > 0);
                return self.send_to(server, command, waiter, now);
            }
            waiter.attempt += 1;
        }
        sometimes!("all candidates dead");
        Err(FailureKind::AllDead(self.dead_candidates(key, waiter.hash(), now)))
    }

    /// The servers that an operation on `key` could have gone to.
    #[cold]
    fn dead_candidates(&self, key: &[u8], hash: Option<i64>, now: Time) -> Box<[DeadServer]> {
        let candidates = self.cluster.candidates(key, hash);
        let mut dead: Vec<DeadServer> = Vec::new();
        for server in candidates {
            if dead.iter().all(|dead| dead.server != server) {
                dead.push(self.dead_server(server, now));
            }
        }
        dead.into_boxed_slice()
    }

    fn dead_server(&self, server: ServerIndex, now: Time) -> DeadServer {
        let (cause, until) = self.cluster.health().last_death(server, now);
        DeadServer { server, cause, retry_in: until - now }
    }

    /// Whether the operation may use the server: it is alive, or the operation is the one to find out.
    fn admit(&mut self, server: ServerIndex, operation: OperationId, now: Time) -> bool {
        let lease = self.cluster.settings().lease();
        match self.cluster.health().admit(server, now, lease) {
            Admission::Alive => true,
            Admission::Probe => {
                sometimes!("probe given");
                self.close_idle(server, now);
                let first = self.slots_of(server).start;
                self.slots[first].probe = Some(operation);
                true
            }
            Admission::Dead { .. } => {
                let slots = self.slots_of(server);
                let probing = self.slots.of(slots).any(|slot| slot.probe == Some(operation));
                sometimes!("probe of many requests", probing);
                if !probing {
                    self.close_idle(server, now);
                }
                probing
            }
        }
    }

    pub(super) fn send_to(
        &mut self,
        server: ServerIndex,
        command: &Command<'_>,
        waiter: Waiter,
        now: Time,
    ) -> Result<(), FailureKind> {
        let at = self.choose_slot(server, now);
        let slot = &self.slots[at];
        if slot.stream.connection.is_ending() && slot.stream.is_unused() {
            // It was to be closed, and nobody waits for that.
            self.close(at, Cause::Asked, now);
        }
        if self.slots[at].state == State::Closed && !self.may_log_in(at, server, now) {
            self.end_idle_probe(at);
            return Err(FailureKind::LoginRefused);
        }
        let settings = self.cluster.settings();
        let slot = &mut self.slots[at];
        let connection = &slot.stream.connection;
        if slot.state == State::Open && !connection.awaits_reply() && !connection.wants_transmit() {
            if connection.is_idle() {
                slot.strikes = 0;
            }
            // What has come unasked is not the reply to what is sent now.
            if now - slot.active_at >= settings.max_rest || connection.buffered() > 0 {
                slot.look = true;
            }
        }
        // What is not sent may have been cancelled long ago.
        if !slot.stream.connection.awaits_reply() {
            slot.active_at = now;
        }
        // Also on a connection that outlived the death of its server: what others store on a new one must
        // not be flushed after.
        if settings.flush_on_reconnect && self.cluster.health().take_flush(server) {
            if self.slots[at].stream.flush() {
                sometimes!("flush_on_reconnect sent");
                self.note(server, NoticeEvent::FlushOnReconnect);
            } else {
                sometimes!("flush given back");
                self.cluster.health().put_flush(server);
            }
        }
        self.see_request(waiter.operation, server);
        let slot = &mut self.slots[at];
        if let Err(error) = slot.stream.add(command, waiter, &mut self.operations) {
            self.end_idle_probe(at);
            return Err(match error {
                SubmitError::Full => FailureKind::Rejected(Rejection::Full),
                SubmitError::LineTooLong
                | SubmitError::NoKeys
                | SubmitError::ValueTooLong
                | SubmitError::Closed => FailureKind::Disconnected,
            });
        }
        let (is_closed, first) = (slot.state == State::Closed, self.slots_of(server).start);
        self.slots[first].queued_at = u32::try_from(at).unwrap_or(u32::MAX);
        if is_closed {
            let is_first = self.slots[at].id.generation == 0;
            sometimes!("second connection opened", self.has_open_slot(server));
            self.connect(at, now);
            if !is_first {
                self.note(server, NoticeEvent::Reconnect);
            }
        }
        self.update(at);
        Ok(())
    }

    pub(super) fn slots_of(&self, server: ServerIndex) -> core::ops::Range<usize> {
        let per_server = self.cluster.settings().connections_per_server;
        server.index() * per_server..(server.index() + 1) * per_server
    }

    /// The slot with the least to do; one that is not connected only where the others have something
    /// to do, and not while the server refuses connections. A probe stays on the first.
    fn choose_slot(&self, server: ServerIndex, now: Time) -> usize {
        let slots = self.slots_of(server);
        let first = slots.start;
        if slots.len() == 1 || self.slots[first].probe.is_some() {
            return first;
        }
        let refusing = self.cluster.health().refusing_until(server, now).is_some();
        let load = |at: &usize| {
            let slot = &self.slots[*at];
            let open = slot.state == State::Open;
            let closed = usize::from(slot.state == State::Closed);
            (refusing && !open, 2 * slot.stream.connection.queued_bytes() + closed)
        };
        slots.min_by_key(load).unwrap_or(first)
    }
}

/// The number of the key at this place of those that have numbers from `first` on.
#[inline(always)]
fn numbered(first: u32, at: usize) -> u32 {
    first.saturating_add(u32::try_from(at).unwrap_or(u32::MAX))
}
