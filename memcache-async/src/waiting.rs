//! Calls that have to wait before they are taken in, because their server has enough to do.

use std::task::Context;

use memcache_proto::Time;
use memcache_proto::calls::Error;
use memcache_proto::client::{Operation, OperationId, RoutedKey};
use memcache_proto::routing::ServerIndex;

use crate::room::Ticket;
use crate::shared::Effects;
use crate::state::State;

impl State {
    pub(crate) fn is_crowded(&self) -> bool {
        !self.room.is_empty() || self.client.is_crowded()
    }

    /// The server that a call on this key has to wait for, or a call on several; `None` where it has
    /// not. A call that has a ticket has waited for that server already.
    pub(crate) fn obstacle(
        &self,
        key: Option<RoutedKey<'_>>,
        ticket: Option<Ticket>,
        now: Time,
    ) -> Option<ServerIndex> {
        let full = |&server: &ServerIndex| {
            let first = ticket.is_some_and(|ticket| ticket.server == server);
            !self.has_room(server) || !first && !self.room.is_free(server)
        };
        match key {
            Some(key) => self.client.destination(key, now).filter(full),
            None => self.servers().find(full),
        }
    }

    fn has_room(&self, server: ServerIndex) -> bool {
        // Where there is nothing to do nobody would wake who waits.
        let queued = self.client.queued_bytes(server);
        queued == 0 || queued < self.backlog()
    }

    fn backlog(&self) -> usize {
        self.client.cluster().settings().limits.backlog
    }

    /// Returns true if a call that is under way may give its next keys now. If other calls wait for the same
    /// server, it takes its place behind them, each time.
    pub(crate) fn may_feed(
        &mut self,
        id: OperationId,
        cx: &Context<'_>,
        effects: &mut Effects,
    ) -> bool {
        let at = self.in_parts.iter().position(|part| part.id == id);
        let (Some(at), Some(server)) = (at, self.client.feeding(id)) else { return false };
        let ticket = self.in_parts[at].ticket.take();
        match ticket {
            None if self.room.is_free(server) => return self.client.is_hungry(id),
            Some(ticket) if self.room.is_awake(ticket) && self.has_room(ticket.server) => {
                self.room.leave(ticket, effects);
                return true;
            }
            _ => {}
        }
        let ticket = ticket.unwrap_or_else(|| self.room.wait(server));
        self.in_parts[at].ticket = Some(ticket);
        // When its time is over it has its outcome, and is woken for that.
        self.sleep(ticket, None, cx, effects);
        false
    }

    /// Has a call sleep in the room until it is its turn, and a driver wake it where its time is over
    /// before.
    pub(crate) fn sleep(
        &mut self,
        ticket: Ticket,
        deadline: Option<Time>,
        cx: &Context<'_>,
        effects: &mut Effects,
    ) {
        self.room.sleep(ticket, deadline, cx, effects);
        let Some(deadline) = deadline else { return };
        for socket in self.sockets_of(ticket.server) {
            if socket.timer.is_none_or(|timer| timer > deadline) {
                socket.wake(effects);
            }
        }
    }

    /// Gives turns to those who wait, as far as there is room.
    pub(crate) fn let_all_in(&mut self, effects: &mut Effects) {
        let mut next = self.room.next_server(None);
        while let Some(server) = next {
            self.let_in(server, effects);
            next = self.room.next_server(Some(server));
        }
    }

    fn let_in(&mut self, server: ServerIndex, effects: &mut Effects) {
        let (queued, backlog) = (self.client.queued_bytes(server), self.backlog());
        if queued > 0 && queued >= backlog / 2 {
            self.room.is_busy(server);
        }
        if queued > 0 && queued >= backlog {
            return;
        }
        self.room.let_in(server, queued, backlog, &mut effects.wakers);
        if queued == 0 && !self.room.is_free(server) {
            // Nothing will come in that might give the rest their turns, unless those do that have one.
            let driver = self.sockets_of(server).next().map(|socket| socket.wake(effects));
            if driver.is_none() {
                self.room.wake_all_of(server, &mut effects.wakers);
            }
        }
    }

    /// Where a driver has nothing to do for a server, but calls wait for it.
    pub(crate) fn pass_on(&mut self, server: ServerIndex, effects: &mut Effects) {
        if self.client.queued_bytes(server) == 0 {
            self.room.pass_on(server, &mut effects.wakers);
        }
    }

    /// Hands an operation to the core, and sees how much of the room that it waited for it takes.
    pub(crate) fn submit_from(
        &mut self,
        ticket: Option<Ticket>,
        operation: Operation<'_>,
        until: Option<Time>,
        effects: &mut Effects,
    ) -> Result<OperationId, Error> {
        let queued =
            |state: &Self| ticket.map_or(0, |ticket| state.client.queued_bytes(ticket.server));
        let before = queued(self);
        let submitted = if self.is_open() {
            let submitted = self.client.submit_until(operation, until, effects.now);
            submitted.map_err(|rejected| rejected.reason.into())
        } else {
            Err(Error::Closed)
        };
        if let Some(ticket) = ticket {
            let added = queued(self).saturating_sub(before);
            self.room.enter(ticket, added, effects);
        }
        submitted
    }
}
