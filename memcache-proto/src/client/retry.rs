//! Requests that failed and are made again later, where the settings ask for it.

use alloc::vec::Vec;
use core::time::Duration;

use super::nature::is_read;
use super::waiter::Waiter;
use super::{Client, Failure, FailureKind};
use crate::codec::Command;
use crate::connection::{Commands, Delivery};
use crate::{MAX_KEY_LEN, Time};

/// Which requests that failed are made again, how often, and after how long.
///
/// It is about requests with a key, each key of a call on many for itself. One is made again only if nothing of it was
/// sent, or if it is a lookup; a store that was sent is made again only with
/// [`Settings::resend_stores`](super::Settings::resend_stores), as it may be applied twice. Before it is made again it
/// waits, for twice as long each further time, and between half and the whole of that, so that those who fail together do not
/// come back together. All that ends with `operation_timeout`, or the time that the call has.
///
/// A server that is dead is left alone for `dead_retry` all the same. Where a key has no other server to go to, set that
/// shorter than the waits, or they find it dead each time.
///
/// Whatever is set here, what a connection had not answered that was closed while it was idle is sent once more at once.
///
/// ```
/// use core::time::Duration;
/// use memcache_proto::client::{Retry, Settings};
///
/// let retry = Retry::times(3).backoff(Duration::from_millis(20)).timeouts(false);
/// let settings = Settings { retry, ..Settings::default() };
/// assert_eq!(settings.retry.attempts, 3);
/// assert_eq!(Settings::default().retry, Retry::times(0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// How often a request is made again at most. Default: 0, never.
    pub attempts: u8,
    /// How long the first wait is at most. Default: 10 ms.
    pub backoff: Duration,
    /// How long a wait is at most, however often a request has been made again. Default: 1 s.
    pub max_backoff: Duration,
    /// Whether requests are made again that found no server to go to: their connect failed, the server has too many
    /// connections, or every server that could hold the key is dead. Default: yes.
    pub refused: bool,
    /// Whether requests are made again whose connection was lost. Default: yes.
    pub lost: bool,
    /// Whether requests are made again that had no answer within `socket_timeout`. Default: yes.
    pub timeouts: bool,
    /// What the length of the waits is drawn from. Adapters draw it at random. Default: 0.
    pub seed: u64,
}

impl Retry {
    /// Makes requests again up to so many times, whatever they failed by.
    #[must_use]
    pub const fn times(attempts: u8) -> Self {
        Retry {
            attempts,
            backoff: Duration::from_millis(10),
            max_backoff: Duration::from_secs(1),
            refused: true,
            lost: true,
            timeouts: true,
            seed: 0,
        }
    }

    /// With another [`backoff`](Self::backoff).
    #[must_use]
    pub const fn backoff(self, backoff: Duration) -> Self {
        Retry { backoff, ..self }
    }

    /// With another [`max_backoff`](Self::max_backoff).
    #[must_use]
    pub const fn max_backoff(self, max_backoff: Duration) -> Self {
        Retry { max_backoff, ..self }
    }

    /// With or without those that were [`refused`](Self::refused).
    #[must_use]
    pub const fn refused(self, refused: bool) -> Self {
        Retry { refused, ..self }
    }

    /// With or without those that were [`lost`](Self::lost).
    #[must_use]
    pub const fn lost(self, lost: bool) -> Self {
        Retry { lost, ..self }
    }

    /// With or without [`timeouts`](Self::timeouts).
    #[must_use]
    pub const fn timeouts(self, timeouts: bool) -> Self {
        Retry { timeouts, ..self }
    }

    /// Whether a request that failed so may be made again.
    fn is_for(&self, kind: &FailureKind) -> bool {
        match kind {
            FailureKind::AllDead(_)
            | FailureKind::Dead(_)
            | FailureKind::Connect(_)
            | FailureKind::Refused => self.refused && kind.is_unavailable(),
            FailureKind::Eof
            | FailureKind::Disconnected
            | FailureKind::ClosedAtCommand
            | FailureKind::Form => self.lost,
            FailureKind::SocketTimeout => self.timeouts,
            _ => false,
        }
    }

    /// How long to wait before a request is made again that has been so often before. `random` says how much of it.
    fn wait(&self, before: u8, random: u64) -> Duration {
        let longer = self.backoff.saturating_mul(1 << before.min(31)).min(self.max_backoff);
        let half = longer / 2;
        let share = u32::try_from(random % 1024).unwrap_or(0);
        half + half.saturating_mul(share) / 1024
    }
}

impl Default for Retry {
    fn default() -> Self {
        Retry::times(0)
    }
}

/// The requests of a client that wait to be made again.
#[derive(Default)]
pub(super) struct Later {
    requests: Vec<Waiting>,
    /// The bytes of their commands.
    bytes: usize,
    /// When the first of them is due.
    due: Option<Time>,
    /// A number for each operation that has had to wait.
    drawn: u64,
}

/// A request that waits to be made again.
struct Waiting {
    due: Time,
    /// The command, as it is sent.
    text: Vec<u8>,
    waiter: Waiter,
    number: u32,
    /// What it failed by last.
    failure: Failure,
}

impl Later {
    /// When the first of them is due.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.due
    }

    pub(super) fn clear(&mut self) {
        *self = Later { drawn: self.drawn, ..Later::default() };
    }

    /// Takes those out of which this holds.
    fn take(&mut self, is_wanted: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        let (taken, kept) = self.requests.drain(..).partition(is_wanted);
        self.requests = kept;
        self.bytes = self.requests.iter().map(|waiting| waiting.text.len()).sum();
        self.due = self.requests.iter().map(|waiting| waiting.due).min();
        taken
    }
}

impl Client {
    /// When a request that failed is made again next; `None` if none is. [`poll_timeout`](Self::poll_timeout) counts
    /// it in. This is for adapters whose timers belong to connections: such a request has none.
    #[must_use]
    pub fn next_retry(&self) -> Option<Time> {
        self.later.next_due()
    }

    /// Ends a request that has failed: it is made again later if that is allowed, and else its operation is told.
    pub(super) fn fail(
        &mut self,
        command: &Command<'_>,
        waiter: &Waiter,
        number: u32,
        failure: Failure,
        now: Time,
    ) {
        if self.may_wait(command, waiter, &failure) {
            return self.put_off(command, waiter.alone(number), number, failure, now);
        }
        self.operations.deliver(waiter.operation, number, Err(failure));
    }

    #[inline]
    fn may_wait(&self, command: &Command<'_>, waiter: &Waiter, failure: &Failure) -> bool {
        let settings = self.cluster.settings();
        if waiter.retries >= settings.retry.attempts || !settings.retry.is_for(&failure.kind) {
            return false;
        }
        let harmless = failure.delivery == Delivery::NotSent || is_read(command);
        (harmless || settings.resend_stores) && self.operations.is_pending(waiter.operation)
    }

    #[cold]
    fn put_off(
        &mut self,
        command: &Command<'_>,
        mut waiter: Waiter,
        number: u32,
        failure: Failure,
        now: Time,
    ) {
        let settings = self.cluster.settings();
        let mut text = Vec::new();
        command.encode(&mut text);
        if self.later.bytes + text.len() > settings.limits.max_queued_bytes {
            return self.operations.deliver(waiter.operation, number, Err(failure));
        }
        sometimes!("put off");
        self.later.bytes += text.len();
        // Those of one operation that fail at one moment come back together.
        let last = self.later.requests.last();
        let together = last.filter(|last| last.waiter.operation == waiter.operation);
        self.later.drawn += u64::from(together.is_none());
        let random = mix(settings.retry.seed ^ mix(self.number) ^ self.later.drawn);
        let due = now + settings.retry.wait(waiter.retries, random);
        waiter.retries += 1;
        waiter.attempt = 0;
        waiter.resent |= failure.delivery == Delivery::Unanswered;
        self.later.due = self.later.due.into_iter().chain([due]).min();
        self.later.requests.push(Waiting { due, text, waiter, number, failure });
    }

    /// Makes those requests again whose time has come.
    pub(super) fn make_again(&mut self, now: Time) {
        if self.later.next_due().is_none_or(|due| due > now) {
            return;
        }
        for waiting in self.later.take(|waiting| waiting.due <= now) {
            let Waiting { text, waiter, number, failure, .. } = waiting;
            if !self.operations.is_pending(waiter.operation) {
                continue;
            }
            let parsed = Commands::of(&text).next();
            let Some((command, _)) = parsed else {
                self.operations.deliver(waiter.operation, number, Err(failure));
                continue;
            };
            let mut space = [0; MAX_KEY_LEN];
            let key = super::again::key_of(&command, &mut space);
            let operation = waiter.operation;
            match self.send(&command, key, waiter.clone(), now) {
                Ok(()) => {
                    sometimes!("made again");
                    self.see_again(operation);
                }
                Err(kind) => {
                    // What happened says more than that nobody is left to ask.
                    let kind = match kind {
                        FailureKind::AllDead(_) => failure.kind,
                        kind => kind,
                    };
                    // What was sent before may have been applied.
                    let failure = waiter.failure(failure.server, Delivery::NotSent, kind);
                    self.fail(&command, &waiter, number, failure, now);
                }
            }
        }
    }

    /// Tells the operations whose deadline has passed what the requests of theirs that wait have failed by.
    pub(super) fn expire_later(&mut self) {
        if self.later.requests.is_empty() {
            return;
        }
        let Client { operations, later, .. } = self;
        let expired = |waiting: &Waiting| operations.is_expired(waiting.waiter.operation);
        for Waiting { waiter, number, failure, .. } in later.take(expired) {
            operations.deliver(waiter.operation, number, Err(failure));
        }
    }

    /// Tells all operations what their requests that wait have failed by.
    pub(super) fn stop_later(&mut self) {
        for Waiting { waiter, number, failure, .. } in self.later.take(|_| true) {
            self.operations.deliver(waiter.operation, number, Err(failure));
        }
    }

    /// Whether nothing waits to be made again that anybody waits for.
    pub(super) fn is_nothing_put_off(&self) -> bool {
        let mut waiting = self.later.requests.iter();
        !waiting.any(|waiting| self.operations.is_pending(waiting.waiter.operation))
    }
}

/// A number that looks as if it were drawn, made of another: the finaliser of `SplitMix64`.
fn mix(number: u64) -> u64 {
    let mut word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_limit_and_are_drawn_from_their_upper_half() {
        let millis = Duration::from_millis;
        let retry = Retry::times(9).backoff(millis(10)).max_backoff(millis(100));
        for (before, most) in [(0, 10), (1, 20), (2, 40), (3, 80), (4, 100), (40, 100), (255, 100)]
        {
            let waits = (0..2000).map(|number| retry.wait(before, mix(number)));
            let (least, longest) = waits
                .fold((Duration::MAX, Duration::ZERO), |(a, b), wait| (a.min(wait), b.max(wait)));
            assert!(least >= millis(most) / 2 && least < millis(most) * 6 / 10, "{least:?}");
            assert!(longest <= millis(most) && longest > millis(most) * 9 / 10, "{longest:?}");
        }
        let endless = Retry::times(9).backoff(Duration::MAX).max_backoff(Duration::MAX);
        assert!(endless.wait(255, 1023) > Duration::MAX / 4);
        assert_eq!(Retry::times(9).backoff(Duration::ZERO).wait(3, 77), Duration::ZERO);
    }
}
