//! How a client comes to rest.

use super::closing::Cause;
use super::{Client, FailureKind, State};
use crate::Time;
use crate::codec::Command;
use crate::connection::SubmitError;

impl Client {
    /// Whether no operation is under way, no reply outstanding and no connect, so that the client may
    /// rest, or serve somebody else.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let rests = self.slots.are_at_rest() && !self.operations.wait_for_parts();
        rests && self.is_nothing_put_off()
    }

    /// Cancels every operation and closes every connection that is not idle, so that
    /// [`is_idle`](Self::is_idle) holds. No server is dead for it.
    pub fn reset(&mut self, now: Time) {
        self.operations.clear();
        self.later.clear();
        for at in self.slots.at_work() {
            self.close(at, Cause::Asked, now);
        }
    }

    /// Closes every connection; operations under way fail. No server is dead for it, and the next
    /// operation connects again.
    pub fn disconnect_all(&mut self, now: Time) {
        self.operations.stop_all_parts(&FailureKind::Disconnected);
        self.stop_later();
        for at in 0..self.slots.len() {
            self.close(at, Cause::Asked, now);
        }
    }

    /// Has the server of every open connection close it, with `quit`, when what is under way there has
    /// been answered. Connections that are not open yet are closed, and what waits for them fails, as
    /// does what is submitted meanwhile to a server that has still to answer what was there before.
    /// Call it when [`is_idle`](Self::is_idle) holds.
    pub fn quit_all(&mut self, now: Time) {
        for at in 0..self.slots.len() {
            match self.slots[at].state {
                State::Closed => {}
                State::Connecting { .. } | State::Waiting { .. } => {
                    self.close(at, Cause::Asked, now);
                }
                State::Open => {
                    let slot = &mut self.slots[at];
                    if slot.stream.connection.is_idle() {
                        slot.active_at = now;
                    }
                    match slot.stream.connection.submit(&Command::Quit) {
                        Ok(_) => self.update(at),
                        // It is to be closed already, or has too much to do ever to come to it.
                        Err(SubmitError::Closed) => {}
                        Err(_) => self.close(at, Cause::Asked, now),
                    }
                }
            }
        }
    }
}
