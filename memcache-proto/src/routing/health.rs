use super::dead_retry::DeadRetry;
use super::death::DeathCause;
use super::evidence::{Evidence, Question};
use super::selector::ServerIndex;
use crate::Time;
use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;
use portable_atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

/// Which servers are dead, and until when: one table for everything that talks to the same servers,
/// shared by reference or in an `Arc`.
///
/// A server marked dead is skipped until its time has come (python-memcached's `dead_retry`). After
/// that one operation probes it, under a lease, while all others go on skipping it: a server that
/// hangs costs one timeout a lease, not one a thread. The probe ends with [`Health::mark_alive`],
/// [`Health::mark_dead`] or, where it found out neither, [`Health::end_probe`]; one that ends with
/// none of them is replaced when its lease has run out. `forget_dead_hosts` revives all.
///
/// # When reports cross
///
/// Each server's state is one word, every call on it is one atomic step, and the last report
/// stands:
///
/// * `mark_alive` clears death and lease, whoever calls it: any reply is proof.
/// * `mark_dead` after `mark_alive` or `forget_dead_hosts` kills again, even if the failure it
///   reports began before. A late report costs one `dead_retry` and then a probe; believing it too
///   little would cost every operation a timeout.
/// * `mark_dead` during a probe takes the lease's place. The probe's own end still counts, as it is
///   the later report.
/// * Of two `mark_dead` the later moment stands, whichever came last.
/// * `end_probe` gives back whatever lease there is. Called after the own lease ran out and another
///   began, it lets a second probe run beside that one, no more.
///
/// ```
/// use core::time::Duration;
/// use memcache_proto::Time;
/// use memcache_proto::routing::{Admission, DeathCause, Health, ServerIndex};
///
/// let (health, server) = (Health::new(1), ServerIndex::new(0));
/// let (dead_retry, lease) = (Duration::from_secs(30), Duration::from_secs(3));
///
/// health.mark_dead(server, Time::ZERO, dead_retry, DeathCause::Asked);
/// let until = Time::ZERO + dead_retry;
/// assert_eq!(health.death(server), Some((DeathCause::Asked, until)));
/// assert_eq!(health.admit(server, Time::from_millis(29_999), lease), Admission::Dead { until });
/// assert_eq!(health.admit(server, until, lease), Admission::Probe);
/// assert_eq!(health.admit(server, until, lease), Admission::Dead { until: until + lease });
/// assert!(health.mark_alive(server));
/// assert_eq!(health.admit(server, until, lease), Admission::Alive);
/// ```
///
/// A server outside the table is alive, and reports about it are dropped.
///
/// # On what evidence a server is dead
///
/// The clients that share a table also pool what they see of a server, so that one bad connection does
/// not condemn it for all of them: a connect that failed or a server that was silent marks it dead only
/// if it has answered nobody meanwhile. A reply writes to the table only if somebody has asked since the
/// last one, or a millisecond has passed.
pub struct Health {
    /// One entry a server.
    entries: Box<[Entry]>,
}

/// What is known of one server.
struct Entry {
    /// Its [`State`], as a word. The cause of a death, and that the server must be flushed, are written before
    /// it and published with it. Probing, reviving and asking for the cause acquire them. All other accesses
    /// need the word alone, and so no more than `Relaxed`.
    word: AtomicU64,
    /// Whether it was dead since it was last flushed.
    unflushed: AtomicBool,
    /// The code of the [`DeathCause`] that it was marked dead for last.
    cause: AtomicU8,
    /// How often in a row it has died. One that is counted too few or too many where reports cross makes one wait
    /// shorter or longer, and nothing else hangs on it.
    deaths: AtomicU32,
    evidence: Evidence,
}

impl Entry {
    fn state(&self) -> State {
        State::from_word(self.word.load(Ordering::Relaxed))
    }

    /// What it died of, if its state was looked at before.
    fn cause(&self) -> DeathCause {
        fence(Ordering::Acquire);
        DeathCause::from_code(self.cause.load(Ordering::Relaxed))
    }
}

impl Health {
    /// A table of this many servers, all alive.
    #[must_use]
    pub fn new(servers: usize) -> Self {
        let entry = |_| Entry {
            word: AtomicU64::new(State::Alive.to_word()),
            unflushed: AtomicBool::new(false),
            cause: AtomicU8::new(DeathCause::Asked.to_code()),
            deaths: AtomicU32::new(0),
            evidence: Evidence::default(),
        };
        Health { entries: (0..servers).map(entry).collect() }
    }

    fn entry(&self, server: ServerIndex) -> Option<&Entry> {
        self.entries.get(server.index())
    }

    /// Whether an operation may use `server` at `now`.
    ///
    /// [`Admission::Probe`] is given to one caller at a time, under a lease that ends at `now +
    /// lease`; give it as long as a connect and a reply may take. A lease of no time lets every
    /// caller probe.
    #[must_use]
    pub fn admit(&self, server: ServerIndex, now: Time, lease: Duration) -> Admission {
        let Some(Entry { word, .. }) = self.entry(server) else { return Admission::Alive };
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            let state = State::from_word(seen);
            let Some(until) = state.until() else { return Admission::Alive };
            if until > Nanos::from(now) {
                return Admission::Dead { until: until.into() };
            }
            let leased = State::Probed { until: Nanos::from(now + lease) }.to_word();
            match word.compare_exchange_weak(seen, leased, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    sometimes!("probe lease ran out", matches!(state, State::Probed { .. }));
                    return Admission::Probe;
                }
                Err(changed) => seen = changed,
            }
        }
    }

    /// Whether [`Health::admit`] would answer anything but [`Admission::Dead`]; takes no lease.
    #[must_use]
    pub fn is_available(&self, server: ServerIndex, now: Time) -> bool {
        let Some(entry) = self.entry(server) else { return true };
        entry.state().until().is_none_or(|until| until <= Nanos::from(now))
    }

    /// Why `server` is dead, and when it may be tried again; `None` if it is not dead.
    #[must_use]
    pub fn death(&self, server: ServerIndex) -> Option<(DeathCause, Time)> {
        let entry = self.entry(server)?;
        let until = entry.state().until()?;
        Some((entry.cause(), until.into()))
    }

    /// Reports that `server` failed at `now`: it is skipped while `now + dead_retry` is to come.
    ///
    /// With a `dead_retry` of no time it is never skipped, nor probed by one caller alone; the next
    /// [`Health::mark_alive`] still tells that it failed. With a [`DeadRetry`] that grows it is skipped for longer
    /// each time that it dies without an answer in between; what is reported of a server that is skipped already is
    /// of the same death. `cause` is what [`Health::death`] tells.
    pub fn mark_dead(
        &self,
        server: ServerIndex,
        now: Time,
        dead_retry: impl Into<DeadRetry>,
        cause: DeathCause,
    ) {
        let Some(entry) = self.entry(server) else { return };
        let dead_retry = dead_retry.into();
        self.put_flush(server);
        entry.cause.store(cause.to_code(), Ordering::Relaxed);
        let deaths = entry.deaths.load(Ordering::Relaxed);
        let mut is_new = true;
        self.update(server, |state| {
            is_new = !matches!(state, State::Dead { until } if until > Nanos::from(now));
            let before = if is_new { deaths } else { deaths.saturating_sub(1) };
            let retry = dead_retry.after(before);
            if retry.is_zero() {
                return State::Pardoned;
            }
            let until = Nanos::from(now + retry);
            match state {
                State::Dead { until: later } if later > until => state,
                _ => State::Dead { until },
            }
        });
        if is_new {
            entry.deaths.store(deaths.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Reports that `server` answered, or was connected to. True where it had been marked dead
    /// since the last such report; one caller is told so.
    ///
    /// Cheap where the server is alive already, so it can be called after every reply.
    pub fn mark_alive(&self, server: ServerIndex) -> bool {
        let Some(Entry { word, deaths, .. }) = self.entry(server) else { return false };
        let alive = State::Alive.to_word();
        // The load keeps the common case from writing to a line that all threads read.
        if word.load(Ordering::Relaxed) == alive {
            return false;
        }
        deaths.store(0, Ordering::Relaxed);
        word.swap(alive, Ordering::Acquire) != alive
    }

    /// Gives the lease of a probe back that ended without a verdict, one that was cancelled for
    /// instance: the next [`Health::admit`] probes. Does nothing where there is no lease.
    pub fn end_probe(&self, server: ServerIndex) {
        self.update(server, |state| match state {
            State::Probed { .. } => State::Dead { until: Nanos::from(Time::ZERO) },
            _ => state,
        });
    }

    /// Whether `server` was marked dead since it was last flushed, for `flush_on_reconnect`. The one
    /// caller that is told so flushes it before it asks for anything else, and says with
    /// [`Health::put_flush`] if it could not.
    #[must_use]
    pub fn take_flush(&self, server: ServerIndex) -> bool {
        let Some(Entry { unflushed, .. }) = self.entry(server) else { return false };
        unflushed.load(Ordering::Relaxed) && unflushed.swap(false, Ordering::Relaxed)
    }

    /// Has the next caller of [`Health::take_flush`] flush `server`.
    pub fn put_flush(&self, server: ServerIndex) {
        if let Some(entry) = self.entry(server) {
            entry.unflushed.store(true, Ordering::Relaxed);
        }
    }

    /// Skips no server any more, until it is marked dead again. As in python-memcached, a server
    /// that was dead is still flushed when it is next reached: [`Health::take_flush`] tells.
    pub fn forget_dead_hosts(&self) {
        for index in 0..self.entries.len() {
            let Ok(index) = u32::try_from(index) else { return };
            let server = ServerIndex::new(index);
            self.update(server, |state| match state {
                State::Alive => State::Alive,
                _ => State::Pardoned,
            });
            if let Some(entry) = self.entry(server) {
                entry.deaths.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Asks whether the server answers anybody from now on.
    pub(crate) fn ask(&self, server: ServerIndex) -> Option<Question> {
        Some(self.entry(server)?.evidence.ask())
    }

    /// Whether it has answered anybody since this was asked.
    pub(crate) fn is_answered(&self, server: ServerIndex, question: Question) -> bool {
        self.entry(server).is_some_and(|entry| entry.evidence.is_answered(question))
    }

    /// A reply has come from the server.
    #[inline]
    pub(crate) fn replied(&self, server: ServerIndex, now: Time) {
        if let Some(entry) = self.entry(server) {
            entry.evidence.replied(now);
        }
    }

    /// Whether anybody is known to have had a reply after this moment.
    pub(crate) fn has_replied_since(&self, server: ServerIndex, then: Time) -> bool {
        self.entry(server).is_some_and(|entry| entry.evidence.has_replied_since(then))
    }

    /// A connection to the server is being made.
    pub(crate) fn connecting(&self, server: ServerIndex) {
        if let Some(entry) = self.entry(server) {
            entry.evidence.connecting();
        }
    }

    /// One that was being made is not made any more.
    pub(crate) fn not_opened(&self, server: ServerIndex) {
        if let Some(entry) = self.entry(server) {
            entry.evidence.not_opened();
        }
    }

    /// One that was being made is open.
    pub(crate) fn opened(&self, server: ServerIndex) {
        if let Some(entry) = self.entry(server) {
            entry.evidence.opened();
        }
    }

    /// One that was open is closed.
    pub(crate) fn closed(&self, server: ServerIndex) {
        if let Some(entry) = self.entry(server) {
            entry.evidence.closed();
        }
    }

    /// How many connections to the server are being made, and how many are open, of all who share the table.
    pub(crate) fn connections(&self, server: ServerIndex) -> (usize, usize) {
        self.entry(server).map_or((0, 0), |entry| entry.evidence.connections())
    }

    /// Whether anybody has a connection to the server that is not known to be closed.
    pub(crate) fn has_open(&self, server: ServerIndex) -> bool {
        self.entry(server).is_some_and(|entry| entry.evidence.has_open())
    }

    /// Whether anybody has a connection to the server that is not known to be closed, or is making one.
    pub(crate) fn has_any(&self, server: ServerIndex) -> bool {
        self.entry(server).is_some_and(|entry| entry.evidence.has_any())
    }

    /// Has nobody ask for another connection before `until`, while there are open ones.
    pub(crate) fn refuse_until(&self, server: ServerIndex, until: Time, cause: DeathCause) {
        if let Some(entry) = self.entry(server) {
            entry.evidence.refuse_until(until, cause);
        }
    }

    /// Until when it is no use to ask for another connection, and why; `None` if it may be.
    pub(crate) fn refusing_until(
        &self,
        server: ServerIndex,
        now: Time,
    ) -> Option<(Time, DeathCause)> {
        let evidence = &self.entry(server)?.evidence;
        let until = evidence.refusing_until();
        (until > now && evidence.has_open()).then(|| (until, evidence.refusal()))
    }

    /// What it was marked dead for last, and when it may be tried again, at the earliest now.
    pub(crate) fn last_death(&self, server: ServerIndex, now: Time) -> (DeathCause, Time) {
        let Some(entry) = self.entry(server) else { return (DeathCause::Asked, now) };
        let until = entry.state().until().map_or(now, Time::from);
        (entry.cause(), until.max(now))
    }

    fn update(&self, server: ServerIndex, mut change: impl FnMut(State) -> State) {
        if let Some(Entry { word, .. }) = self.entry(server) {
            let change = |word| Some(change(State::from_word(word)).to_word());
            // Err is for a change refused, and none is.
            let _ = word.fetch_update(Ordering::Release, Ordering::Relaxed, change);
        }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Health ")?;
        f.debug_list().entries(self.entries.iter().map(Entry::state)).finish()
    }
}

/// What [`Health::admit`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Use the server.
    Alive,
    /// Use the server and report how it went: nobody else does until then, or until the lease ends.
    Probe,
    /// Take the next candidate.
    Dead {
        /// When to ask again: the end of `dead_retry`, or of another's lease. At most 292 years
        /// after the origin.
        until: Time,
    },
}

/// What is known of a server, in a word: 0 alive, 1 pardoned, else twice the moment in nanoseconds
/// plus 2, and 1 more under a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Alive,
    /// Was dead, is not skipped.
    Pardoned,
    /// Skipped until this moment, then to be probed.
    Dead {
        until: Nanos,
    },
    /// Being probed by whoever took the lease, which ends at this moment.
    Probed {
        until: Nanos,
    },
}

impl State {
    fn from_word(word: u64) -> Self {
        match (word, word >> 1) {
            (0, _) => State::Alive,
            (1, _) => State::Pardoned,
            (_, half) => {
                let until = Nanos(half.saturating_sub(1));
                if word & 1 == 0 { State::Dead { until } } else { State::Probed { until } }
            }
        }
    }

    fn to_word(self) -> u64 {
        match self {
            State::Alive => 0,
            State::Pardoned => 1,
            State::Dead { until } => (until.0 + 1) << 1,
            State::Probed { until } => ((until.0 + 1) << 1) | 1,
        }
    }

    fn until(self) -> Option<Nanos> {
        match self {
            State::Alive | State::Pardoned => None,
            State::Dead { until } | State::Probed { until } => Some(until),
        }
    }
}

/// Nanoseconds since the origin, at most [`Nanos::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Nanos(u64);

impl Nanos {
    pub(super) const fn from_word(word: u64) -> Self {
        Nanos(word)
    }

    pub(super) const fn word(self) -> u64 {
        self.0
    }

    /// What leaves room in a word for what else it says; some 292 years.
    const MAX: u64 = (u64::MAX >> 1) - 1;
}

impl From<Time> for Nanos {
    fn from(time: Time) -> Self {
        let nanos = u64::try_from(time.since_origin().as_nanos()).unwrap_or(u64::MAX);
        Nanos(nanos.min(Nanos::MAX))
    }
}

impl From<Nanos> for Time {
    fn from(nanos: Nanos) -> Self {
        Time::new(Duration::from_nanos(nanos.0))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use alloc::vec::Vec;
    use portable_atomic::AtomicUsize;
    use std::thread;

    const RETRY: Duration = Duration::from_secs(30);
    const LEASE: Duration = Duration::from_secs(3);
    const SERVER: ServerIndex = ServerIndex::new(1);
    const CAUSE: DeathCause = DeathCause::SocketTimeout;

    /// One call, with its time in seconds, and what it answers.
    #[derive(Debug)]
    enum Step {
        Admit(u64, Admission),
        Available(u64, bool),
        MarkDead(u64),
        /// With a `dead_retry` of its own, in seconds.
        MarkDeadFor(u64, u64),
        /// With one of 30, 60, 100 and 100 seconds.
        MarkDeadLonger(u64),
        MarkAlive(bool),
        EndProbe,
        Forget,
    }
    use Admission::{Alive, Probe};
    use Step::*;

    fn dead(until: u64) -> Admission {
        Admission::Dead { until: at(until) }
    }

    fn at(seconds: u64) -> Time {
        Time::new(Duration::from_secs(seconds))
    }

    #[test]
    fn a_server_is_skipped_probed_and_revived() {
        let cases: &[(&str, &[Step])] = &[
            ("never marked", &[Admit(0, Alive), Available(0, true), MarkAlive(false)]),
            (
                "dead while its time is to come, strictly",
                &[
                    MarkDead(10),
                    Admit(10, dead(40)),
                    Available(39, false),
                    Admit(39, dead(40)),
                    Available(40, true),
                    Admit(40, Probe),
                ],
            ),
            (
                "one probe a lease",
                &[
                    MarkDead(0),
                    Available(50, true),
                    Admit(50, Probe),
                    Available(50, false),
                    Admit(50, dead(53)),
                    Admit(52, dead(53)),
                    Admit(53, Probe),
                    Admit(53, dead(56)),
                ],
            ),
            (
                "a probe succeeds, and only the first to report it is told",
                &[
                    MarkDead(0),
                    Admit(30, Probe),
                    MarkAlive(true),
                    Admit(30, Alive),
                    MarkAlive(false),
                ],
            ),
            (
                "a probe fails, sooner than its lease ends or not",
                &[
                    MarkDead(0),
                    Admit(30, Probe),
                    MarkDeadFor(31, 1),
                    Admit(31, dead(32)),
                    Admit(32, Probe),
                    MarkDead(34),
                    Admit(36, dead(64)),
                ],
            ),
            (
                "a probe ends without a verdict",
                &[MarkDead(0), Admit(30, Probe), EndProbe, Available(30, true), Admit(30, Probe)],
            ),
            (
                "there is no lease to give back",
                &[
                    EndProbe,
                    Admit(0, Alive),
                    MarkDead(0),
                    EndProbe,
                    Admit(29, dead(30)),
                    Admit(30, Probe),
                    MarkDead(31),
                    EndProbe,
                    Admit(60, dead(61)),
                ],
            ),
            (
                "an earlier failure reported late shortens nothing",
                &[
                    MarkDead(10),
                    MarkDead(5),
                    Admit(39, dead(40)),
                    MarkDead(12),
                    Admit(41, dead(42)),
                ],
            ),
            (
                "a failure reported after a success kills again",
                &[
                    MarkDead(0),
                    Admit(30, Probe),
                    MarkAlive(true),
                    MarkDead(29),
                    Admit(31, dead(59)),
                ],
            ),
            (
                "another's failure takes the place of a lease, and the probe's success counts",
                &[
                    MarkDead(0),
                    Admit(30, Probe),
                    MarkDead(31),
                    Admit(33, dead(61)),
                    MarkAlive(true),
                    Admit(33, Alive),
                ],
            ),
            (
                "forgetting revives, for all callers, and leaves the flush to be made",
                &[
                    MarkDead(0),
                    Forget,
                    Available(1, true),
                    Admit(1, Alive),
                    Admit(1, Alive),
                    MarkAlive(true),
                    MarkAlive(false),
                ],
            ),
            (
                "forgetting ends a probe's lease, and the probe's failure counts",
                &[
                    MarkDead(0),
                    Admit(30, Probe),
                    Forget,
                    Admit(30, Alive),
                    EndProbe,
                    Admit(30, Alive),
                    MarkDead(31),
                    Admit(31, dead(61)),
                ],
            ),
            (
                "forgetting those alive changes nothing",
                &[Forget, Admit(0, Alive), MarkAlive(false)],
            ),
            (
                "each death is longer than the one before",
                &[
                    MarkDeadLonger(0),
                    Admit(29, dead(30)),
                    Admit(30, Probe),
                    MarkDeadLonger(31),
                    Admit(90, dead(91)),
                    Admit(91, Probe),
                    MarkDeadLonger(91),
                    Admit(190, dead(191)),
                    Admit(191, Probe),
                    MarkDeadLonger(200),
                    Admit(299, dead(300)),
                ],
            ),
            (
                "what several report of one death is one death",
                &[
                    MarkDeadLonger(0),
                    MarkDeadLonger(0),
                    MarkDeadLonger(10),
                    Admit(39, dead(40)),
                    Admit(40, Probe),
                    MarkDeadLonger(40),
                    MarkDeadLonger(41),
                    Admit(100, dead(101)),
                ],
            ),
            (
                "an answer, or forgetting, makes the next death short",
                &[
                    MarkDeadLonger(0),
                    Admit(30, Probe),
                    MarkDeadLonger(30),
                    Admit(90, Probe),
                    MarkAlive(true),
                    MarkDeadLonger(100),
                    Admit(129, dead(130)),
                    Forget,
                    MarkDeadLonger(130),
                    Admit(159, dead(160)),
                ],
            ),
            (
                "a dead_retry of no time skips nothing",
                &[
                    MarkDeadFor(5, 0),
                    Available(5, true),
                    Admit(5, Alive),
                    Admit(5, Alive),
                    MarkAlive(true),
                ],
            ),
        ];
        for (name, steps) in cases {
            let health = Health::new(3);
            for (number, step) in steps.iter().enumerate() {
                let context = std::format!("{name}, step {number}: {step:?}");
                match *step {
                    Admit(now, expected) => {
                        assert_eq!(health.admit(SERVER, at(now), LEASE), expected, "{context}");
                    }
                    Available(now, expected) => {
                        assert_eq!(health.is_available(SERVER, at(now)), expected, "{context}");
                    }
                    MarkDead(now) => health.mark_dead(SERVER, at(now), RETRY, CAUSE),
                    MarkDeadFor(now, retry) => {
                        health.mark_dead(SERVER, at(now), Duration::from_secs(retry), CAUSE);
                    }
                    MarkDeadLonger(now) => {
                        let max = Duration::from_secs(100);
                        let retry = DeadRetry { first: RETRY, factor: 2, max };
                        health.mark_dead(SERVER, at(now), retry, CAUSE);
                    }
                    MarkAlive(expected) => {
                        assert_eq!(health.mark_alive(SERVER), expected, "{context}");
                    }
                    EndProbe => health.end_probe(SERVER),
                    Forget => health.forget_dead_hosts(),
                }
                for other in [0, 2, 3, u32::MAX].map(ServerIndex::new) {
                    assert_eq!(health.admit(other, at(0), LEASE), Alive, "{context}");
                }
            }
        }
    }

    #[test]
    fn moments_are_kept_to_the_nanosecond_and_saturate() {
        let health = Health::new(2);
        let retry = Duration::from_nanos(1);
        health.mark_dead(SERVER, Time::ZERO, retry, CAUSE);
        assert!(!health.is_available(SERVER, Time::ZERO));
        assert!(health.is_available(SERVER, Time::new(retry)));

        health.mark_dead(SERVER, Time::ZERO, Duration::MAX, CAUSE);
        let year = Duration::from_secs(365 * 24 * 3600);
        assert!(!health.is_available(SERVER, Time::new(year * 292)));
        let last = Time::new(Duration::MAX);
        assert_eq!(health.admit(SERVER, last, LEASE), Probe);
        health.end_probe(SERVER);
        assert!(health.mark_alive(SERVER));
    }

    #[test]
    fn a_server_outside_the_table_is_alive() {
        let health = Health::new(1);
        health.mark_dead(SERVER, at(0), RETRY, CAUSE);
        health.end_probe(SERVER);
        assert_eq!(health.admit(SERVER, at(0), LEASE), Alive);
        assert!(health.is_available(SERVER, at(0)) && !health.mark_alive(SERVER));
    }

    #[test]
    fn of_many_threads_one_gets_the_probe_and_one_is_told_of_the_revival() {
        const ROUNDS: usize = 20_000;
        let threads = thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8));
        let health = Health::new(2);
        let arrived = AtomicUsize::new(0);
        // Threads that spin leave the line together, where those of a `Barrier` are woken in turn.
        let meet = |meeting: usize| {
            arrived.fetch_add(1, Ordering::SeqCst);
            let mut spins = 0;
            while arrived.load(Ordering::SeqCst) < (meeting + 1) * threads {
                spins += 1;
                if spins % 1_000 == 0 { thread::yield_now() } else { core::hint::spin_loop() }
            }
        };
        let race = || {
            let mut won = [Vec::new(), Vec::new()];
            for round in 0..ROUNDS {
                let now = at(u64::try_from(round).unwrap() * 100);
                health.mark_dead(SERVER, now, RETRY, CAUSE);
                meet(3 * round);
                won[0].push(health.admit(SERVER, now + RETRY, LEASE) == Probe);
                meet(3 * round + 1);
                won[1].push(health.mark_alive(SERVER));
                meet(3 * round + 2);
            }
            won
        };
        let won: Vec<[Vec<bool>; 2]> = thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(race)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for kind in 0..2 {
            for round in 0..ROUNDS {
                let winners = won.iter().filter(|won| won[kind][round]).count();
                assert_eq!(winners, 1, "kind {kind}, round {round}");
            }
        }
    }
}
