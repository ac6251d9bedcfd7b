//! What becomes of the requests that a closed connection has not answered: each of their keys is sent again
//! alone, where that is allowed, or fails.

use super::closing::{Cause, End};
use super::nature::is_read;
use super::stream::Unanswered;
use super::waiter::Waiter;
use super::{Client, FailureKind, Reply};
use crate::codec::{Command, Keys};
use crate::connection::{CloseReason, Commands, Delivery};
use crate::{Key, MAX_KEY_LEN, Time};

/// One command of a request, with one of its keys.
struct One<'a> {
    command: Command<'a>,
    /// Its key as it is sent; `None` for a command to a server.
    key: Option<&'a [u8]>,
    delivery: Delivery,
    /// Whether it is the command that the connection ended at, and not every server and proxy knows it.
    is_head: bool,
}

impl One<'_> {
    /// Whether any byte of it has left.
    fn was_sent(&self) -> bool {
        self.delivery == Delivery::Unanswered
    }
}

impl Client {
    /// Sends what a closed connection has not answered once more, where that is allowed; the rest
    /// fails. Returns whether anything was sent.
    pub(super) fn send_again(&mut self, end: &End, request: &Unanswered, now: Time) -> bool {
        let mut sent_any = false;
        let is_head = end.uncommon == Some(request.request);
        let (mut at, mut next) = (0, request.answered);
        for (command, len) in Commands::of(&request.text) {
            let delivery = if at < request.sent { Delivery::Unanswered } else { Delivery::NotSent };
            let is_head = is_head && at == 0;
            at += len;
            let mut space = [0; MAX_KEY_LEN];
            let meta_key = command.as_meta().and_then(|meta| meta.key().decode(&mut space));
            let mut keys = keys_of(&command).peekable();
            if command.is_noreply() && at <= request.sent {
                if let Some((waiter, number)) = request.waiting_at(next) {
                    self.operations.deliver(waiter.operation, number, Ok(Reply::Sent));
                }
                next += 1;
                continue;
            }
            if keys.peek().is_none() {
                let one = One { command, key: meta_key, delivery, is_head };
                sent_any |= self.send_one_again(end, request, next, &one, now);
                next += 1;
            }
            for key in keys {
                let keys = [key];
                let command = with_keys(&command, &keys);
                let one = One { command, key: Some(key.as_bytes()), delivery, is_head };
                sent_any |= self.send_one_again(end, request, next, &one, now);
                next += 1;
            }
        }
        // What cannot be read again, if there were such, is not sent again.
        for index in next..request.end() {
            if let Some((waiter, number)) = request.waiting_at(index) {
                let kind = end.cause.failure();
                let failure = waiter.failure(Some(end.server), request.delivery, kind);
                self.operations.deliver(waiter.operation, number, Err(failure));
            }
        }
        sent_any
    }

    /// Sends the key or command of this place once more, if that is allowed and anybody waits for it; else it fails.
    /// Returns whether it was sent.
    fn send_one_again(
        &mut self,
        end: &End,
        request: &Unanswered,
        index: usize,
        one: &One<'_>,
        now: Time,
    ) -> bool {
        let Some((waiter, number)) = request.waiting_at(index) else { return false };
        if !self.operations.is_pending(waiter.operation) {
            return false;
        }
        let waiter = waiter.alone(number);
        let server = Some(end.server);
        let kind = match one.delivery {
            Delivery::Unanswered if one.is_head => FailureKind::ClosedAtCommand,
            _ => end.cause.failure(),
        };
        let kind = request.doubt.clone().map_or(kind, FailureKind::Unknown);
        let passed_over = end.verdict.is_dead();
        let again = self.may_go_again(end, request, one, &waiter);
        sometimes!("closed at a command", !again && one.is_head);
        let mut next = waiter.clone();
        next.resent |= one.was_sent();
        next.attempt += u8::from(passed_over);
        let sent = match one.key {
            _ if !again => Err(kind),
            None if passed_over => Err(kind),
            None => self.send_to(end.server, &one.command, next, now),
            Some(key) => match self.send(&one.command, key, next, now) {
                // What happened says more than that nobody is left to ask.
                Err(FailureKind::AllDead(_)) => Err(kind),
                sent => sent,
            },
        };
        match sent {
            Ok(()) => {
                sometimes!("idle retry", one.was_sent() && end.stale && is_read(&one.command));
                sometimes!("store sent again", one.was_sent() && !is_read(&one.command));
                sometimes!(
                    "lookup behind another's command",
                    one.was_sent() && end.uncommon.is_some()
                );
                sometimes!("moved to another server", passed_over && !one.was_sent());
                self.see_again(waiter.operation);
                true
            }
            Err(kind) => {
                let failure = waiter.failure(server, one.delivery, kind);
                match one.key {
                    Some(_) if !matches!(end.cause, Cause::Asked) && request.doubt.is_none() => {
                        self.fail(&one.command, &waiter, number, failure, now);
                    }
                    _ => self.operations.deliver(waiter.operation, number, Err(failure)),
                }
                false
            }
        }
    }

    /// Whether a command that a closed connection has not answered may be sent once more.
    fn may_go_again(
        &self,
        end: &End,
        request: &Unanswered,
        one: &One<'_>,
        waiter: &Waiter,
    ) -> bool {
        if matches!(end.cause, Cause::Asked) || request.doubt.is_some() {
            return false;
        }
        let passed_over = end.verdict.is_dead();
        match one.delivery {
            Delivery::NotSent => {
                // What got no connection does not go on asking for one.
                let refused = matches!(end.cause, Cause::Stream(CloseReason::Refused));
                if !end.open || refused {
                    return passed_over || self.has_open_slot(end.server);
                }
                !end.spent || passed_over
            }
            Delivery::Unanswered | Delivery::Answered => {
                let is_read = is_read(&one.command);
                // One that ended at another's command, or that the server never took up, says nothing of
                // a lookup.
                let blameless = end.unproven || end.uncommon.is_some() && !one.is_head;
                let resend_stores = self.cluster.settings().resend_stores;
                let may_go_twice = end.stale && (is_read || resend_stores) || blameless && is_read;
                sometimes!("sent again once only", may_go_twice && waiter.resent);
                may_go_twice && !waiter.resent
            }
        }
    }
}

/// The key of a command that has one; empty for a command to a server. `space` is room for one that is written as
/// base64.
pub(super) fn key_of<'a>(command: &Command<'a>, space: &'a mut [u8; MAX_KEY_LEN]) -> &'a [u8] {
    match command.as_meta() {
        Some(meta) => meta.key().decode(space).unwrap_or_default(),
        None => keys_of(command).next().map(|key| key.as_bytes()).unwrap_or_default(),
    }
}

/// The keys of a command; none for a command to a server.
fn keys_of<'a>(command: &Command<'a>) -> impl Iterator<Item = Key<'a>> {
    let (several, single) = match *command {
        Command::Get { keys, .. } | Command::Gat { keys, .. } => (Some(keys), None),
        Command::Store { key, .. }
        | Command::Delete { key, .. }
        | Command::Incr { key, .. }
        | Command::Decr { key, .. }
        | Command::Touch { key, .. } => (None, Some(key)),
        _ => (None, None),
    };
    several.into_iter().flatten().chain(single)
}

/// The command, of these keys if it is one of several.
fn with_keys<'a>(command: &Command<'a>, keys: &'a [Key<'a>]) -> Command<'a> {
    match *command {
        Command::Get { cas, .. } => Command::Get { keys: Keys::new(keys), cas },
        Command::Gat { exptime, cas, .. } => Command::Gat { exptime, keys: Keys::new(keys), cas },
        command => command,
    }
}
