//! What everybody who shares a health table knows of one server: whether it answers, and whether
//! anybody has a connection to it.

use core::time::Duration;

use portable_atomic::{AtomicU8, AtomicU64, Ordering, fence};

use super::death::DeathCause;
use super::health::Nanos;
use crate::Time;

/// How far apart two replies must be for both to be noted while nobody has asked. Threads that share a
/// server so write to its entry a thousand times a second at most, whatever they ask of it.
const RESOLUTION: Duration = Duration::from_millis(1);

/// What is known of one server beside whether it is dead. Nothing else hangs on these words, but for the
/// refusal, so that no other access needs more than `Relaxed`.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The number of the last question, and in the lower half that of the last one that a reply
    /// followed.
    questions: AtomicU64,
    /// When the last reply came that was noted, in nanoseconds.
    replied_at: AtomicU64,
    /// How many connections are being made, and in the lower half how many are open. In one word, so that
    /// one that comes about is missed by nobody.
    connections: AtomicU64,
    /// Until when nobody asks for another connection while there are open ones, in nanoseconds. Publishes
    /// the refusal.
    refusing_until: AtomicU64,
    /// The code of the [`DeathCause`] that another connection failed by.
    refusal: AtomicU8,
}

/// What a connection that is being made adds to [`Evidence::connections`].
const ONE_CONNECTING: u64 = 1 << 32;

/// A question whether a server answers anybody: made by `Health::ask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question(u32);

impl Evidence {
    pub(super) fn ask(&self) -> Question {
        let before = self.questions.fetch_add(1 << 32, Ordering::Relaxed);
        Question(asked(before).wrapping_add(1))
    }

    pub(super) fn is_answered(&self, Question(number): Question) -> bool {
        let last = answered(self.questions.load(Ordering::Relaxed));
        // The numbers wrap around.
        last.wrapping_sub(number) <= u32::MAX / 2
    }

    pub(super) fn replied(&self, now: Time) {
        let questions = self.questions.load(Ordering::Relaxed);
        if asked(questions) != answered(questions) {
            let answer = |word| Some(word & !u64::from(u32::MAX) | u64::from(asked(word)));
            // Err is for a change refused, and none is.
            let _ = self.questions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, answer);
        }
        let noted = Nanos::from_word(self.replied_at.load(Ordering::Relaxed));
        if now >= Time::from(noted) + RESOLUTION {
            self.replied_at.fetch_max(Nanos::from(now).word(), Ordering::Relaxed);
        }
    }

    pub(super) fn has_replied_since(&self, then: Time) -> bool {
        self.replied_at.load(Ordering::Relaxed) > Nanos::from(then).word()
    }

    pub(super) fn connecting(&self) {
        self.connections.fetch_add(ONE_CONNECTING, Ordering::Relaxed);
    }

    pub(super) fn opened(&self) {
        self.connections.fetch_sub(ONE_CONNECTING - 1, Ordering::Relaxed);
    }

    pub(super) fn not_opened(&self) {
        self.connections.fetch_sub(ONE_CONNECTING, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many connections are being made, and how many are open.
    pub(super) fn connections(&self) -> (usize, usize) {
        let word = self.connections.load(Ordering::Relaxed);
        let number = |word| usize::try_from(word).unwrap_or(usize::MAX);
        (number(word / ONE_CONNECTING), number(word % ONE_CONNECTING))
    }

    pub(super) fn has_open(&self) -> bool {
        self.connections.load(Ordering::Relaxed) % ONE_CONNECTING > 0
    }

    pub(super) fn has_any(&self) -> bool {
        self.connections.load(Ordering::Relaxed) > 0
    }

    pub(super) fn refuse_until(&self, until: Time, cause: DeathCause) {
        self.refusal.store(cause.to_code(), Ordering::Relaxed);
        self.refusing_until.fetch_max(Nanos::from(until).word(), Ordering::Release);
    }

    pub(super) fn refusing_until(&self) -> Time {
        Nanos::from_word(self.refusing_until.load(Ordering::Relaxed)).into()
    }

    /// What for, if it was looked at before until when.
    pub(super) fn refusal(&self) -> DeathCause {
        fence(Ordering::Acquire);
        DeathCause::from_code(self.refusal.load(Ordering::Relaxed))
    }
}

fn asked(word: u64) -> u32 {
    u32::try_from(word >> 32).unwrap_or(u32::MAX)
}

fn answered(word: u64) -> u32 {
    u32::try_from(word & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_by_what_comes_after_it() {
        let evidence = Evidence::default();
        let now = Time::from_millis(5);
        evidence.replied(now);
        let first = evidence.ask();
        assert!(!evidence.is_answered(first));
        let second = evidence.ask();
        evidence.replied(now);
        assert!(evidence.is_answered(first) && evidence.is_answered(second));
        let third = evidence.ask();
        assert!(evidence.is_answered(second) && !evidence.is_answered(third));
    }

    #[test]
    fn the_numbers_of_questions_wrap_around() {
        let evidence = Evidence::default();
        let last = u64::from(u32::MAX);
        evidence.questions.store(last << 32 | last, Ordering::Relaxed);
        let question = evidence.ask();
        assert!(!evidence.is_answered(question));
        evidence.replied(Time::ZERO);
        assert!(evidence.is_answered(question));
    }

    #[test]
    fn a_connection_is_counted_from_when_it_is_begun() {
        let evidence = Evidence::default();
        let counted = |open, any| (evidence.has_open(), evidence.has_any()) == (open, any);
        assert!(counted(false, false));
        evidence.connecting();
        evidence.connecting();
        assert!(counted(false, true));
        evidence.opened();
        assert!(counted(true, true));
        evidence.closed();
        assert!(counted(false, true));
        evidence.not_opened();
        assert!(counted(false, false));
    }

    /// What was noted a moment ago is not noted again, unless somebody asks.
    #[test]
    fn replies_are_noted_once_a_millisecond() {
        let at = |micros| Time::new(Duration::from_micros(micros));
        let evidence = Evidence::default();
        let cases =
            [(1_000, 1_000), (1_500, 1_000), (1_999, 1_000), (2_000, 2_000), (1_700, 2_000)];
        for (now, noted) in cases {
            evidence.replied(at(now));
            assert!(!evidence.has_replied_since(at(noted)), "{now}");
            assert!(evidence.has_replied_since(at(noted - 1)), "{now}");
        }
    }
}
