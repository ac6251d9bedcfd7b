//! Bytes out and in, and what they tell.

use alloc::vec::Vec;

use bytes::Bytes;

#[cfg(doc)]
use super::Action;
use super::closing::Cause;
use super::login::Login;
use super::{Client, ConnectionId, NoticeEvent, State};
use crate::{ProtocolError, Time};

impl Client {
    /// What to write now; empty if there is nothing, if the connection is to be
    /// [looked at](Action::Look) first, or if it is closed.
    ///
    /// The bytes are lent until the next call of anything on this client, which may move or free them. A
    /// driver that hands a buffer to the kernel and hears later what became of it (io_uring, for instance)
    /// uses [`take_transmit`](Self::take_transmit) instead.
    pub fn transmit(&mut self, connection: ConnectionId) -> &[u8] {
        let operations = &self.operations;
        match self.slots.get_mut(connection.index()) {
            Some(slot) if slot.id != connection => &[],
            Some(slot) if slot.state == State::Open && !slot.look => {
                slot.stream.transmit(operations)
            }
            Some(slot) => slot.login.as_deref().map_or(&[], Login::unsent),
            None => &[],
        }
    }

    /// As [`transmit`](Self::transmit), but the bytes are yours: they stay where they are for as long as
    /// you keep them, at the price of a copy. They count as handed over by this call: do not call
    /// [`transmitted`](Self::transmitted) for them. Write all of them, in order; if that fails call
    /// [`disconnected`](Self::disconnected).
    pub fn take_transmit(&mut self, connection: ConnectionId, now: Time) -> Bytes {
        let bytes = Bytes::copy_from_slice(self.transmit(connection));
        self.transmitted(connection, bytes.len(), now);
        bytes
    }

    /// The first `len` bytes of [`transmit`](Self::transmit) have been handed over: a write has taken
    /// them. Call it then, not when they are known to be on the wire. What was not reported here counts as
    /// not sent, and is never sent if its operation ends meanwhile.
    pub fn transmitted(&mut self, connection: ConnectionId, len: usize, now: Time) {
        if let Some(slot) = self.slot_mut(connection) {
            slot.transmitting = false;
            if let Some(login) = &mut slot.login {
                login.transmitted(len);
                return self.update(connection.index());
            }
            // More requests are no progress while a reply is owed: a server that is hung takes them all.
            let owed = slot.stream.connection.is_owed();
            slot.stream.connection.transmitted(len);
            if len > 0 && !owed {
                slot.active_at = now;
            }
            if slot.stream.connection.has_sent() {
                self.deliver(connection.index(), now);
            }
            let Some(slot) = self.slot_mut(connection) else { return };
            slot.stream.forget_cancelled();
            self.end_idle_probe(connection.index());
            self.update(connection.index());
        }
    }

    /// There is nothing to be read on a connection that was to be [looked at](Action::Look).
    pub fn looked(&mut self, connection: ConnectionId, now: Time) {
        let Some(slot) = self.slot_mut(connection).filter(|slot| slot.look) else { return };
        if slot.stream.connection.buffered() > 0 {
            // The beginning of something that nothing had asked for.
            sometimes!("look found a beginning");
            slot.stream.connection.fail(ProtocolError::Unsolicited);
            let cause = Cause::of(&slot.stream.connection).unwrap_or(Cause::Asked);
            return self.close(connection.index(), cause, now);
        }
        sometimes!("look found nothing");
        (slot.look, slot.transmitting) = (false, false);
        slot.active_at = now;
        self.update(connection.index());
    }

    /// Where to read to; empty only if the connection is closed.
    pub fn receive_buffer(&mut self, connection: ConnectionId) -> &mut [u8] {
        match self.slot_mut(connection) {
            Some(slot) if slot.state == State::Open => slot.stream.connection.receive_buffer(),
            Some(slot) => slot.login.as_deref_mut().map_or(&mut [], Login::space),
            None => &mut [],
        }
    }

    /// Where to append what a read gives, in place of [`receive_buffer`](Self::receive_buffer), if you can
    /// read into the spare room of a `Vec`, as `rustix::buffer::spare_capacity` does. Large values then
    /// come with fewer reads, and no byte of their memory is written twice. Append at most as much as the
    /// capacity holds, change nothing else, and report how much it was with [`received`](Self::received).
    /// If you have appended nothing you may use `receive_buffer` after all.
    ///
    /// `None` if no large value is being received, and sometimes if one is: then use `receive_buffer`. Ask
    /// before each read. [`Limits::reserved_value_len`](crate::Limits::reserved_value_len) says how much
    /// room there may be.
    ///
    /// ```no_run
    /// # use memcache_proto::{Time, client::{Client, ConnectionId}};
    /// # fn read_to_spare(_: &mut Vec<u8>) -> std::io::Result<usize> { Ok(0) }
    /// # fn read(_: &mut [u8]) -> std::io::Result<usize> { Ok(0) }
    /// # fn receive(client: &mut Client, connection: ConnectionId, now: Time) -> std::io::Result<()> {
    /// let len = match client.receive_spare(connection) {
    ///     Some(spare) => read_to_spare(spare)?,
    ///     None => read(client.receive_buffer(connection))?,
    /// };
    /// client.received(connection, len, now);
    /// # Ok(())
    /// # }
    /// ```
    pub fn receive_spare(&mut self, connection: ConnectionId) -> Option<&mut Vec<u8>> {
        let slot = self.slot_mut(connection).filter(|slot| slot.state == State::Open)?;
        slot.stream.connection.receive_spare()
    }

    /// `len` bytes have been read to [`receive_buffer`](Self::receive_buffer), or appended to
    /// [`receive_spare`](Self::receive_spare); 0 is EOF.
    pub fn received(&mut self, connection: ConnectionId, len: usize, now: Time) {
        let at = connection.index();
        let Some(slot) = self.slots.get_mut(at) else { return };
        if slot.id != connection {
            return;
        }
        slot.receiving = false;
        if slot.state != State::Open {
            return self.login_received(at, len, now);
        }
        if slot.look {
            // There may be more, and what has come may be its beginning.
            sometimes!("look found eof", len == 0);
            sometimes!("look found bytes", len > 0);
            slot.transmitting = false;
        } else {
            slot.active_at = now;
        }
        slot.stream.connection.received(len);
        self.deliver(at, now);
    }

    /// Delivers what a connection has to tell, and sees to what follows from it.
    fn deliver(&mut self, at: usize, now: Time) {
        let Client { cluster, slots, operations, chunks, .. } = self;
        let Some(slot) = slots.get_mut(at) else { return };
        let server = slot.id.server;
        let limits = &cluster.settings().limits;
        let mut unanswered = Vec::new();
        let news = slot.stream.deliver(server, limits, operations, chunks, &mut unanswered);
        let closed = Cause::of(&slot.stream.connection);
        if news.replied {
            self.replied(at, now);
        }
        if let Some(reason) = news.not_flushed {
            sometimes!("flush refused");
            self.note(server, NoticeEvent::NotFlushed { reason });
        }
        match closed {
            Some(cause) => self.close_with(at, cause, unanswered, None, now),
            None => self.update(at),
        }
    }

    /// A server has replied on the connection of a slot.
    pub(super) fn replied(&mut self, at: usize, now: Time) {
        let slot = &mut self.slots[at];
        let (server, health) = (slot.id.server, self.cluster.health());
        health.replied(server, now);
        slot.strikes = 0;
        (slot.began, slot.question) = (None, None);
        if slot.probe.take().is_some() && health.mark_alive(server) {
            sometimes!("probe revived");
            self.note(server, NoticeEvent::Revived);
        }
    }
}
