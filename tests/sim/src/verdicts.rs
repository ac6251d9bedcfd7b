//! Whether what callers are told is right.

use std::collections::BTreeMap;

use memcache_proto::client::{
    DeadServer, DeathCause, Delivery, Failure, FailureKind, MetaStatus, Rejection, Reply,
};
use memcache_proto::codec::StoreVerb;

use crate::checks;
use crate::history::Call;
use crate::judge::{FIRST, Judge, Telling};
use crate::requests::{What, is_of};
use crate::said::Said;
use crate::trace::shown;
use crate::wire::Tag;

impl Judge {
    /// A request is said not to have been sent.
    pub(crate) fn deny(&mut self, serial: u64) {
        let Some(part) = self.part_mut(serial) else { return };
        let (already, times, limit) = (part.denied, part.begun, part.limit);
        part.denied = true;
        let (client, tag) = (part.client, part.tag.clone());
        if times > 0 {
            self.breaks(checks::NOT_SENT, format!("{tag:?} was sent {times} times, and denied"));
        }
        if let (false, Some(plain)) = (already, self.plains.get_mut(&(client, tag))) {
            plain.denied += limit;
        }
    }

    /// Whether a request was refused for its own fault if it has one, and else for no other reason than that
    /// too much waits.
    pub(crate) fn check_fit(&mut self, serial: u64, refused: Option<&Rejection>) {
        let Some(part) = self.part(serial) else { return };
        let for_fault = refused.is_some_and(|reason| *reason != Rejection::Full);
        if part.unfit != for_fault {
            let (what, key, unfit) = (part.what, shown(&part.key), part.unfit);
            let seen = format!("{what:?} of {key}, unfit: {unfit}, is refused: {refused:?}");
            self.breaks(checks::REFUSED, seen);
        }
    }

    /// What the caller of a request was told.
    pub(crate) fn end(&mut self, serial: u64, result: Result<&Reply, &Failure>) {
        self.event += 1;
        let event = self.event;
        let Some(part) = self.part_mut(serial) else { return };
        part.ended = Some(event);
        let reason = match result {
            Err(Failure { kind: FailureKind::Rejected(reason), .. }) => Some(reason),
            _ => None,
        };
        self.check_fit(serial, reason);
        match result {
            Ok(reply) => {
                let told = self.answered(serial, reply);
                self.remember(serial, told.as_ref().filter(|told| told.honest), reply);
            }
            Err(failure) => {
                self.failed(serial, failure);
                self.forget(serial);
            }
        }
    }

    fn answered(&mut self, serial: u64, reply: &Reply) -> Option<Telling> {
        let part = self.part(serial)?;
        let (client, tag, submitted) = (part.client, part.tag.clone(), part.submitted);
        let (key, what, begun) = (part.key.clone(), part.what, part.begun + part.refused);
        if *reply == Reply::Sent {
            if !part.noreply || matches!(tag, Tag::Serial(_)) && begun == 0 {
                let seen = format!("{what:?} of {} is sent, {begun} times", shown(&key));
                self.breaks(checks::ANSWERED, seen);
            }
            if let Some(plain) = self.plains.get_mut(&(client, tag)) {
                plain.sent += 1;
                let (sent, begun) = (plain.sent, plain.begun + plain.refused);
                if sent > begun {
                    let seen =
                        format!("{what:?} of {} is sent {sent} times of {begun}", shown(&key));
                    self.breaks(checks::ANSWERED, seen);
                }
            }
            return None;
        }
        let told = match tag {
            Tag::Serial(_) => self.part_mut(serial).map(|part| &mut part.told),
            _ => self.plains.get_mut(&(client, tag)).map(|plain| &mut plain.told),
        };
        // Of those that it may be, the one that was begun first: what a later request might have been told, too, is
        // left for that.
        let found = told.and_then(|told| {
            let fits = |one: &Telling| one.begun > submitted && one.said.agrees(reply);
            let fitting = told.iter().enumerate().filter(|(_, one)| fits(one));
            let (at, _) = fitting.min_by_key(|(_, one)| one.begun)?;
            told.remove(at)
        });
        if found.is_none() {
            let seen = format!(
                "client {client} was told {} of {what:?} of {} (number {serial}), and no server said so",
                shown(format!("{reply:?}").as_bytes()),
                shown(&key),
            );
            self.breaks(checks::ANSWERED, seen);
        }
        found
    }

    /// Notes for the history what a caller was told, and what it says of leases, of cas uniques and of
    /// values.
    fn remember(&mut self, serial: u64, told: Option<&Telling>, reply: &Reply) {
        let event = self.event;
        let times = [false, true].map(|is_read| self.times(is_read));
        let Some(part) = self.part_mut(serial) else { return };
        part.acknowledged = match reply {
            Reply::Stored | Reply::Number(_) | Reply::Ok => true,
            Reply::Meta(meta) => meta.status == MetaStatus::Done,
            _ => false,
        };
        let (key, from, what) = (part.key.clone(), part.submitted, part.what);
        let times = times[usize::from(what.is_read())];
        if let Some(act) = part.act.clone() {
            let answer = told.and_then(|told| told.said.answer());
            self.history.calls.push(Call { from, to: event, key: key.clone(), act, answer, times });
        }
        let Some(told) = told else { return };
        let at = (told.server, told.life);
        let own = key.get(self.prefix_len..).unwrap_or_default();
        let value = match (&told.said, reply) {
            (Said::Item { value, .. }, _) => Some(&value[..]),
            (_, Reply::Meta(meta)) => meta.value.as_deref(),
            _ => None,
        };
        let empty = matches!(told.said, Said::Meta(_)) && value == Some(b"");
        if let Some(value) = value.filter(|_| !empty && !own.starts_with(b"n")) {
            if !is_of(own, value) {
                let seen = format!("{} has the value {}", shown(own), shown(value));
                return self.breaks(checks::OWN_VALUE, seen);
            }
        }
        let lease = match reply {
            Reply::Meta(meta) if meta.won => meta.cas,
            _ => None,
        };
        if let Some(cas) = lease {
            if !self.leases.insert((at.0, at.1, key.clone(), cas)) {
                let seen = format!("the lease of {} is won twice, at {cas}", shown(&key));
                self.breaks(checks::LEASE, seen);
            }
        }
        let swapped = match (what, reply) {
            (What::Store(StoreVerb::Cas(unique)), Reply::Stored) => Some(unique),
            (What::MetaSet(bits, Some(unique)), Reply::Meta(reply))
                if bits / 8 % 8 == 6 && reply.status == MetaStatus::Done =>
            {
                Some(unique)
            }
            _ => None,
        };
        if let Some(unique) = swapped {
            if !self.swaps.insert((at.0, at.1, key.clone(), unique)) {
                let seen = format!("{unique} of {} is swapped for two others", shown(&key));
                self.breaks(checks::SWAP, seen);
            }
        }
    }

    /// Notes for the history that nobody knows what came of a request.
    pub(crate) fn forget(&mut self, serial: u64) {
        let merges = self.merges;
        let Some(part) = self.part(serial) else { return };
        let merged = merges && matches!(part.what, What::Get { .. });
        if part.denied && !merged {
            return;
        }
        let (from, key, act) = (part.submitted, part.key.clone(), part.act.clone());
        let times = usize::try_from(part.limit).unwrap_or(usize::MAX);
        if let Some(act) = act {
            self.history.calls.push(Call { from, to: u64::MAX, key, act, answer: None, times });
        }
    }

    fn failed(&mut self, serial: u64, failure: &Failure) {
        let Some(part) = self.part(serial) else { return };
        let (client, tag, begun) = (part.client, part.tag.clone(), part.begun + part.refused);
        let (call, what) = (part.given.call, part.what);
        let list = &self.lists[client];
        let lied = failure.server.is_some_and(|server| self.lied[list[server.index()]]);
        if let (false, FailureKind::Protocol(violation)) = (lied, &failure.kind) {
            let seen = format!("{tag:?}: the server is said to have sent {violation}");
            self.breaks(checks::HONEST, seen);
        }
        self.mourn(serial, failure);
        if self.is_causeless(client, failure) {
            let seen = format!("{tag:?} of client {client} fails for no cause: {failure:?}");
            self.breaks(checks::CAUSE, seen);
        }
        match failure.delivery {
            Delivery::NotSent => self.deny(serial),
            Delivery::Unanswered => {
                // A run that has been begun is sent as one.
                let in_run =
                    self.runs.values().any(|run| (run.given.call, run.what) == (call, what));
                let partly =
                    self.wires.values().any(|wire| wire.client == client && wire.has_part());
                if matches!(tag, Tag::Serial(_)) && begun == 0 && !partly && !in_run {
                    let seen = format!("{tag:?} was never sent, and is said to be unanswered");
                    self.breaks(checks::ANSWERED, seen);
                }
            }
            Delivery::Answered => {}
        }
        if failure.kind == FailureKind::OtherOperation {
            self.breaks(checks::ANSWERED, format!("{tag:?} has the outcome of another operation"));
        }
    }

    /// Whether nothing has happened that a request could fail for as it did.
    fn is_causeless(&self, client: usize, failure: &Failure) -> bool {
        let list = &self.lists[client];
        let is_well = |server: usize| !self.blamed[list[server]];
        // One whose operations have less time than they need is dead for that.
        let is_well_dead = |dead: &DeadServer| {
            dead.cause != DeathCause::OperationTimeout && is_well(dead.server.index())
        };
        match &failure.kind {
            FailureKind::AllDead(dead) => dead.is_empty() || dead.iter().any(is_well_dead),
            FailureKind::Dead(dead) => is_well_dead(dead),
            FailureKind::Disconnected if self.disturbed[client] => false,
            FailureKind::Connect(reason) if reason.is_local() => false,
            FailureKind::Disconnected
            | FailureKind::Connect(_)
            | FailureKind::SocketTimeout
            | FailureKind::Eof
            | FailureKind::ClosedAtCommand
            | FailureKind::Form
            | FailureKind::LoginRefused
            | FailureKind::Refused => failure.server.is_some_and(|server| is_well(server.index())),
            _ => false,
        }
    }

    /// What has to hold of all requests at the end.
    pub(crate) fn count_all(&mut self) {
        let (flushes, merges) = (self.flushes, self.merges);
        let too_many = self.plains.iter().find(|((_, tag), plain)| {
            // The client asks for the version by itself, and flushes and logs in if it is to.
            let own = matches!(tag, Tag::Version | Tag::Login) || flushes && *tag == Tag::Flush;
            // A get that was merged with another's goes with it, whether it is still wanted or not.
            let merged = merges && matches!(tag, Tag::Get { .. });
            let denied = if merged { 0 } else { plain.denied };
            !own && plain.begun > plain.limit.saturating_sub(denied)
        });
        if let Some(((client, tag), plain)) = too_many {
            let (begun, limit, denied) = (plain.begun, plain.limit, plain.denied);
            let seen = format!(
                "client {client} sent {tag:?} {begun} times; it might {limit} times, less {denied}"
            );
            self.breaks(checks::SUBMITTED, seen);
        }
        self.count_up();
        if let Err(seen) = self.history.check() {
            self.breaks(checks::LINEAR, seen);
        }
    }

    /// What was added to each counter.
    fn count_up(&mut self) {
        let mut sums: BTreeMap<&[u8], [u64; 3]> = BTreeMap::new();
        for (part, delta) in self.parts.iter().zip(FIRST..) {
            let adds = match part.what {
                What::Incr => true,
                What::MetaCount(bits) => bits & 33 == 0,
                _ => false,
            };
            if !adds || self.lied.contains(&true) {
                continue;
            }
            let [low, done, high] = sums.entry(&part.key).or_default();
            *low += if part.acknowledged { delta } else { 0 };
            *done += delta * u64::from(part.applied);
            *high += if part.denied { 0 } else { delta * u64::from(part.limit) };
        }
        let wrong = sums.iter().find(|(_, [low, done, high])| low > done || done > high);
        if let Some((key, [low, done, high])) = wrong {
            let seen = format!("{} was counted up by {done}, not {low} to {high}", shown(key));
            self.breaks(checks::COUNTERS, seen);
        }
    }
}
