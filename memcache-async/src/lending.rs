//! The only call there is does its own reading and writing: no other task has to be woken for it. Where
//! several wait, one driver does it for all of them.
//!
//! The driver lends the socket only to a call that nobody else waits beside, and takes it back when
//! somebody comes, because a future may be left unpolled for as long as its owner likes.

use std::task::{Context, Poll};

use memcache_proto::client::{ConnectionId, OperationId};

use crate::exchange;
use crate::shared::Effects;
use crate::state::{Reader, State};

/// How many calls in a row must have met no other before a socket is lent.
pub(crate) const ALONE: u8 = 16;

impl State {
    /// Lets the only call there is do its own reading and writing, if its connection is open and has a timer
    /// to end it. Calls that wait for room count, too.
    pub(crate) fn lend(&mut self, id: OperationId, connection: ConnectionId) -> bool {
        if !self.room.is_empty() {
            return false;
        }
        let due = self.client.poll_timeout();
        let Some((_, socket)) = self.socket(connection) else { return false };
        let timed = socket.timer.is_some_and(|timer| due.is_none_or(|due| timer <= due));
        // What has come by itself, the end most of all, comes before anything is sent.
        let quiet = socket.asleep && !socket.signal.is_ready();
        if socket.stream.is_none() || !quiet || !timed {
            return false;
        }
        socket.reader = Reader::Caller;
        self.lent = Some((id, connection));
        true
    }

    /// Gives the socket that is lent back to its driver.
    pub(crate) fn take_back(&mut self, effects: &mut Effects) {
        let Some((_, connection)) = self.lent.take() else { return };
        let Some((client, socket)) = self.socket(connection) else { return };
        socket.reader = Reader::Nobody;
        let wants = client.wants(connection);
        if wants.look || wants.transmit || wants.receive || socket.unflushed {
            socket.wake(effects);
        }
    }

    /// Reads and writes for the call that a socket is lent to, if it is this one.
    pub(crate) fn exchange(
        &mut self,
        id: OperationId,
        cx: &mut Context<'_>,
        effects: &mut Effects,
    ) {
        let Some((caller, connection)) = self.lent else { return };
        if caller != id {
            return;
        }
        let Some((client, socket)) = self.socket(connection) else { return };
        let Some(stream) = &mut socket.stream else { return };
        let now = effects.now;
        let mut result = Poll::Ready(Ok(()));
        let mut reads = 0;
        while matches!(result, Poll::Ready(Ok(())))
            && client.is_open(connection)
            && !client.is_done(id)
        {
            if client.wants(connection).look {
                result = exchange::look(client, connection, &mut **stream, cx)
                    .map_ok(|len| client.received(connection, len, now));
                if result.is_pending() {
                    socket.signal.take_ready();
                    client.looked(connection, now);
                    result = Poll::Ready(Ok(()));
                }
                continue;
            }
            // Each reply may make room for more requests.
            result = exchange::send(client, connection, stream, &mut socket.unflushed, now, cx);
            match result {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => break,
                // The server may have to be read from before it takes more: the driver does both.
                Poll::Pending => return self.take_back(effects),
            }
            if reads == exchange::READS {
                return effects.wakers.push(cx.waker().clone());
            }
            reads += 1;
            result = exchange::receive_from(client, connection, &mut **stream, cx)
                .map_ok(|len| client.received(connection, len, now));
            if result.is_pending() {
                // Whatever was told to the driver has been read. Some streams tell it only because
                // another waits in its place now.
                socket.signal.take_ready();
            }
        }
        if let Poll::Ready(Err(error)) = result {
            self.lost(connection, error, now);
        }
    }
}
