//! The login of a connection: the first request on it, before whose answer nothing else is sent.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::closing::{Cause, Verdict};
use super::{Client, ConnectionId, Credentials, NoticeEvent};
use crate::codec::{Command, Response, StoreVerb};
use crate::connection::{CloseReason, is_refusal};
use crate::routing::{Admission, ConnectFailure, DeathCause, ServerIndex};
use crate::value::Flags;
use crate::{Exptime, Key, Limits, Time};

/// The key of the `set` that logs in. A server that asks for no login takes it for an ordinary one, so what it
/// stores has expired before anybody can read it.
const KEY: &str = "login";

/// More than this is no answer to a login, in bytes.
const MAX_REPLY: usize = 512;

/// A login that is under way.
pub(super) struct Login {
    command: Vec<u8>,
    sent: usize,
    reply: [u8; MAX_REPLY],
    read: usize,
}

/// What a server has said to a login. Its words are left out: they might hold what they are about.
enum Answer {
    /// Not all of it is there.
    NotYet,
    Welcome,
    Refused,
    /// It has too many connections.
    Full,
    /// What is no answer to a login.
    Other,
}

impl Login {
    pub(super) fn new(credentials: &Credentials) -> Self {
        let mut command = Vec::new();
        if let Ok(key) = Key::new(KEY) {
            let set = Command::Store {
                verb: StoreVerb::Set,
                key,
                flags: Flags::default(),
                exptime: Exptime::IMMEDIATELY,
                value: &[credentials.user(), credentials.password()].join(&b' '),
                noreply: false,
            };
            set.encode(&mut command);
        }
        Login { command, sent: 0, reply: [0; MAX_REPLY], read: 0 }
    }

    /// The bytes that have not been handed over.
    pub(super) fn unsent(&self) -> &[u8] {
        self.command.get(self.sent..).unwrap_or_default()
    }

    /// So many bytes more have been handed over.
    pub(super) fn transmitted(&mut self, len: usize) {
        self.sent = (self.sent + len).min(self.command.len());
    }

    /// Where the answer is read to.
    pub(super) fn space(&mut self) -> &mut [u8] {
        self.reply.get_mut(self.read..).unwrap_or_default()
    }

    /// `len` bytes more have been read.
    fn read(&mut self, len: usize, limits: &Limits) -> Answer {
        self.read = (self.read + len).min(MAX_REPLY);
        let said = self.reply.get(..self.read).unwrap_or_default();
        match Response::parse(said, limits) {
            Ok(None) if len > 0 && self.read < MAX_REPLY => Answer::NotYet,
            // One that has too many connections says so before it is asked.
            Ok(Some((response, _))) if is_refusal(&response) => Answer::Full,
            Ok(Some((response, len))) if len == said.len() && self.unsent().is_empty() => {
                match response {
                    Response::Stored => Answer::Welcome,
                    response if response.as_error_line().is_some() => Answer::Refused,
                    _ => Answer::Other,
                }
            }
            _ => Answer::Other,
        }
    }
}

impl Client {
    /// As [`connected`](Self::connected), and has the connection log in by these credentials first, not by those of
    /// [`Settings::credentials`](super::Settings::credentials): for secrets that change. Find out which they are
    /// before you connect.
    pub fn connected_as(&mut self, connection: ConnectionId, credentials: &Credentials, now: Time) {
        if self.slot(connection).is_some_and(|slot| slot.state.is_connecting()) {
            let slot = &mut self.slots[connection.index()];
            slot.login = Some(Box::new(Login::new(credentials)));
            // It has its own socket now.
            (slot.active_at, slot.spare_at, slot.awaits) = (now, None, false);
            self.update(connection.index());
        }
    }

    /// Whether a connection may be made: not where the server has lately refused a login, but for one that tries
    /// whether it still does.
    pub(super) fn may_log_in(&mut self, at: usize, server: ServerIndex, now: Time) -> bool {
        let lease = self.cluster.settings().lease();
        match self.cluster.logins().admit(server, now, lease) {
            Admission::Alive => true,
            Admission::Probe => {
                sometimes!("login tried again");
                self.slots[at].tries_login = true;
                true
            }
            Admission::Dead { .. } => false,
        }
    }

    /// `len` bytes have been read of the answer to a login; 0 is EOF.
    pub(super) fn login_received(&mut self, at: usize, len: usize, now: Time) {
        let limits = self.cluster.settings().limits;
        let slot = &mut self.slots[at];
        let Some(login) = &mut slot.login else { return };
        let server = slot.id.server;
        match login.read(len, &limits) {
            Answer::NotYet => self.update(at),
            Answer::Welcome => {
                sometimes!("logged in");
                slot.login = None;
                (slot.transmitting, slot.receiving, slot.tries_login) = (false, false, false);
                self.cluster.logins().mark_alive(server);
                self.replied(at, now);
                self.cluster.health().opened(server);
                self.open(at, now);
            }
            Answer::Refused => {
                sometimes!("login refused");
                slot.tries_login = false;
                let dead_retry = self.cluster.settings().dead_retry;
                self.cluster.logins().mark_dead(server, now, dead_retry, DeathCause::Asked);
                self.note(server, NoticeEvent::LoginRefused);
                self.replied(at, now);
                self.close_as(at, Cause::Login, Verdict::Alive, now);
            }
            Answer::Full => self.close(at, Cause::Stream(CloseReason::Refused), now),
            Answer::Other => {
                sometimes!("login broken off");
                self.close(at, Cause::Connect(ConnectFailure::Handshake), now);
            }
        }
    }
}
