//! What a connection that could not be made says of its server, and how requests wait for one that
//! works.

use core::time::Duration;

use super::closing::{Cause, Verdict};
use super::{Action, Client, State};
use crate::Time;
use crate::connection::CloseReason;
use crate::routing::{ConnectFailure, DeathCause, ServerIndex};

/// For how long nobody asks for another connection after one was refused while others worked.
const PAUSE: Duration = Duration::from_millis(100);

/// How soon a connect is tried again where others have a connection of which it is not known whether it
/// works.
const RECHECK: Duration = Duration::from_millis(10);

/// Once a connect has taken this share of `socket_timeout`, or of `operation_timeout` if that is shorter, a
/// connection that somebody else can spare would do as well.
pub(super) const SHARE: u32 = 4;

impl Client {
    /// What a connection that did not come about says of its server: nothing if the cause is on this side,
    /// if anybody has had a reply since it was begun, or while somebody has another that may work.
    pub(super) fn judge_connect(&self, at: usize, cause: &Cause, now: Time) -> Verdict {
        let slot = &self.slots[at];
        let server = slot.id.server;
        let health = self.cluster.health();
        if let Cause::Connect(failure) = cause {
            if failure.is_local() {
                sometimes!("local shortage");
                // Somebody may have a connection to spare, but it is not waited for.
                if self.has_open_slot(server) {
                    // What waits goes to that one, and does not ask for another over and over.
                    let pause = RECHECK.min(self.cluster.settings().time_to_connect());
                    health.refuse_until(server, now + pause, cause.death());
                }
                let others = *failure == ConnectFailure::LocalShortage && health.has_open(server);
                return match others && !self.has_open_slot(server) {
                    true => Verdict::Wait { until: now, deadline: now },
                    false => Verdict::Alive,
                };
            }
        }
        // A server that says that it has too many connections is there. Where many begin at once, whoever has
        // them may not have come to know it.
        let says_so = matches!(cause, Cause::Stream(CloseReason::Refused));
        let has_some = if says_so { health.has_any(server) } else { health.has_open(server) };
        if !slot.is_answered(health) && !has_some {
            return Verdict::Dead;
        }
        sometimes!("connect failed, server alive");
        let pause = if self.has_answered_others(at) { PAUSE } else { RECHECK };
        let until = now + pause.min(self.cluster.settings().time_to_connect());
        health.refuse_until(server, until, cause.death());
        let deadline = slot.began.unwrap_or(now) + self.cluster.settings().time_to_connect();
        if self.has_open_slot(server) {
            Verdict::Alive
        } else if now < deadline {
            Verdict::Wait { until: until.min(deadline), deadline }
        } else if self.has_answered_others(at) {
            // Its time is up, but somebody may have a connection to spare at once.
            Verdict::Wait { until: now, deadline: now }
        } else {
            Verdict::Dead
        }
    }

    /// Whether the server has answered anybody since the first of the connects that what waits at a slot has
    /// needed.
    fn has_answered_others(&self, at: usize) -> bool {
        let slot = &self.slots[at];
        let health = self.cluster.health();
        let began = slot.began;
        slot.is_answered(health)
            || began.is_some_and(|began| health.has_replied_since(slot.id.server, began))
    }

    /// Whether this client has a connection to the server by itself.
    pub(super) fn has_open_slot(&self, server: ServerIndex) -> bool {
        self.slots.of(self.slots_of(server)).any(|slot| slot.state == State::Open)
    }

    /// Begins to connect for what has been queued at a slot; or to wait, where the server has lately
    /// refused a connection and others have some.
    pub(super) fn connect(&mut self, at: usize, now: Time) {
        let settings = self.cluster.settings();
        let slot = &mut self.slots[at];
        (slot.began, slot.question) = (None, None);
        let server = slot.id.server;
        match self.cluster.health().refusing_until(server, now) {
            Some((until, cause)) => {
                sometimes!("connect put off");
                let deadline = now + settings.time_to_connect();
                slot.began = Some(now);
                self.wait(at, Cause::of_death(cause), until.min(deadline), deadline);
            }
            None => {
                let slot = &mut self.slots[at];
                slot.id.generation = slot.id.generation.wrapping_add(1);
                self.begin(at, now);
            }
        }
    }

    /// Has the adapter connect. The deadline is set when the action is handed out.
    fn begin(&mut self, at: usize, now: Time) {
        let slot = &mut self.slots[at];
        slot.state = State::Connecting { deadline: None };
        self.cluster.health().connecting(slot.id.server);
        self.actions.push_back(Action::Connect { connection: slot.id, deadline: now });
    }

    /// Has what is queued at a slot wait for a connection of somebody else's, or to connect later.
    pub(super) fn wait(&mut self, at: usize, why: Cause, until: Time, deadline: Time) {
        let health = self.cluster.health();
        let slot = &mut self.slots[at];
        if slot.question.is_none() {
            slot.question = health.ask(slot.id.server);
        }
        slot.state = State::Waiting { until, deadline };
        slot.why = Some(why);
        slot.id.generation = slot.id.generation.wrapping_add(1);
        sometimes!("await given");
        self.actions.push_back(Action::Await(slot.id));
    }

    /// Sees to a slot whose time has come, if it waited or has tried to connect for a while. False if it has
    /// taken too long.
    pub(super) fn go_on(&mut self, at: usize, now: Time) -> bool {
        let slot = &self.slots[at];
        match slot.state {
            State::Waiting { deadline, .. } => {
                self.end_wait(at, deadline, now);
                true
            }
            State::Connecting { deadline } => {
                if slot.spare_at.is_some_and(|spare_at| spare_at <= now) {
                    self.offer_spare(at, now);
                }
                deadline.is_none_or(|deadline| deadline > now)
            }
            State::Open | State::Closed => false,
        }
    }

    /// Has one that has tried to connect for a while take the connection of another, too, if there is any.
    fn offer_spare(&mut self, at: usize, now: Time) {
        let health = self.cluster.health();
        let slot = &mut self.slots[at];
        slot.spare_at = None;
        let (connection, answered) = (slot.id, slot.is_answered(health));
        // One that is idle has had no reply, and may work nevertheless.
        if answered || health.has_open(connection.server) {
            sometimes!("spare asked for early");
            slot.awaits = true;
            // A connect that is slow for a short `operation_timeout` alone is no evidence for others.
            let patience = self.cluster.settings().time_to_connect() / SHARE;
            let is_slow = slot.began.is_some_and(|began| began + patience <= now);
            if answered && is_slow {
                let cause = DeathCause::Connect(ConnectFailure::TimedOut);
                let until = now + self.cluster.settings().dead_retry;
                health.refuse_until(connection.server, until, cause);
            }
            self.actions.push_back(Action::Await(connection));
        }
    }

    /// Ends the wait of a slot: its server is tried again, or has been found dead by another, or its time is
    /// up.
    fn end_wait(&mut self, at: usize, deadline: Time, now: Time) {
        let slot = &self.slots[at];
        let why = slot.why.clone().unwrap_or(Cause::Asked);
        if slot.probe.is_none() && !self.cluster.health().is_available(slot.id.server, now) {
            sometimes!("found dead by another");
            self.close_as(at, why, Verdict::FoundDead, now);
        } else if deadline <= now {
            sometimes!("waited in vain");
            let verdict = match self.has_answered_others(at) || why.is_local() {
                true => Verdict::Alive,
                false => Verdict::Dead,
            };
            self.close_as(at, why, verdict, now);
        } else {
            self.begin(at, now);
        }
    }
}

impl Cause {
    /// Whether the cause is on this side.
    fn is_local(&self) -> bool {
        matches!(self, Cause::Connect(failure) if failure.is_local())
    }

    /// What a server is told to be dead for.
    pub(super) fn death(&self) -> DeathCause {
        match self {
            Cause::Connect(failure) => DeathCause::Connect(*failure),
            Cause::Timeout => DeathCause::SocketTimeout,
            Cause::Stream(CloseReason::Refused) => DeathCause::TooManyConnections,
            Cause::Protocol(_) => DeathCause::Protocol,
            Cause::Stream(_) => DeathCause::Closed,
            Cause::Login | Cause::Asked => DeathCause::Asked,
        }
    }

    fn of_death(cause: DeathCause) -> Self {
        match cause {
            DeathCause::Connect(failure) => Cause::Connect(failure),
            DeathCause::SocketTimeout => Cause::Timeout,
            _ => Cause::Stream(CloseReason::Refused),
        }
    }
}
