//! Which servers clients hold to be dead, on what evidence, and who finds out whether they are back.

use memcache_proto::Time;
use memcache_proto::client::{Failure, FailureKind, Notice, NoticeEvent};

use crate::checks;
use crate::judge::Judge;

/// What is known of a server, as the clients of one cluster see it.
#[derive(Debug, Default)]
pub(crate) struct Death {
    /// Since when it is dead; `None` if it is not.
    since: Option<Time>,
    /// The call that last failed there though it was asked for after the death: its number, when that of it was
    /// asked for which failed, and until when nobody else was to try.
    last: Option<(u64, Time, Time)>,
    /// When a client said that it is dead, or found it so without a word, since it last answered.
    told: Vec<Time>,
    /// Of each client: how many connections ended, or had no answer in time, since it last had a reply.
    ends: std::collections::BTreeMap<usize, usize>,
}

impl Judge {
    fn death(&mut self, client: usize, server: usize) -> &mut Death {
        let group = self.groups.get(client).copied().unwrap_or_default();
        self.deaths.entry((group, server)).or_default()
    }

    /// A server has answered something.
    pub(crate) fn replied(&mut self, client: usize, server: usize) {
        let death = self.death(client, server);
        (death.since, death.last) = (None, None);
        death.told.clear();
        death.ends.remove(&client);
    }

    /// A connection to a server has ended.
    pub(crate) fn ended(&mut self, client: usize, server: usize) {
        *self.death(client, server).ends.entry(client).or_default() += 1;
    }

    /// A client says what it noticed.
    pub(crate) fn notice(&mut self, client: usize, notice: &Notice) {
        let Some(&server) = self.lists[client].get(notice.server.index()) else { return };
        if matches!(notice.event, NoticeEvent::UnexpectedReply { .. }) {
            // What breaks the protocol is no reply.
            self.ended(client, server);
        }
        let NoticeEvent::MarkedDead { reason } = &notice.event else { return };
        let (now, single) = (self.now, self.single);
        let death = self.death(client, server);
        death.since.get_or_insert(now);
        death.told.push(now);
        let ends = death.ends.get(&client).copied().unwrap_or_default();
        let by_ends = matches!(
            reason,
            FailureKind::Eof | FailureKind::Disconnected | FailureKind::ClosedAtCommand
        );
        if single && by_ends && ends < 2 {
            let seen = format!("server {server} is dead to client {client}, after {ends} ends");
            self.breaks(checks::EVIDENCE, seen);
        }
    }

    /// What took too long counts as an end, at whichever of the servers it was.
    pub(crate) fn time_out(&mut self, client: usize, failure: &Failure) {
        if failure.kind == FailureKind::OperationTimeout {
            for server in self.lists[client].clone() {
                self.ended(client, server);
            }
        }
    }

    /// A request has failed at a server: one that it was to find out about, perhaps.
    pub(crate) fn mourn(&mut self, serial: u64, failure: &Failure) {
        let Some(part) = self.part(serial) else { return };
        let (client, call, at) = (part.client, part.given.call, part.given.at);
        self.time_out(client, failure);
        let tried = matches!(failure.kind, FailureKind::SocketTimeout | FailureKind::Connect(_));
        let server = failure.server.and_then(|server| self.lists[client].get(server.index()));
        let (true, Some(&server)) = (tried && self.alone && self.probes, server) else { return };
        let (now, lease, dead_retry) = (self.now, self.lease, self.dead_retry);
        let death = self.death(client, server);
        // What was asked for at one moment may be one operation.
        if death.since.is_none_or(|since| since >= at) {
            // What was asked for before the death puts the next try off again if it fails, and takes the place of
            // one that is under way. Nobody is told of that.
            death.told.extend(death.since.map(|_| now));
            return;
        }
        // Who has not found out in the time of the lease is replaced.
        let overlaps = |&(other, asked, until): &(u64, Time, Time)| {
            other != call && at > asked && at < until.min(asked + lease)
        };
        if let Some((_, asked, until)) = death.last.filter(overlaps) {
            let seen = format!(
                "server {server} was tried at {asked:?}, until {until:?}, and at {at:?} again"
            );
            return self.breaks(checks::PROBE, seen);
        }
        // An operation on many keys may end long after it has found the server dead, by which time another
        // may try it.
        let found = death.told.iter().find(|&&told| told >= at);
        death.last = Some((call, at, found.map_or(now, |&found| now.min(found + dead_retry))));
    }
}
