//! A run, from its plan to its end.

use std::sync::Arc;
use std::time::Duration;

use memcache_proto::Time;
use memcache_proto::client::{Client, Cluster, OperationId, Outcome, Reply, Settings};
use memcache_proto::routing::{Server, ServerAddress};

use crate::callers::{self, Known};
use crate::checks;
use crate::faults;
use crate::judge::Judge;
use crate::network::{Member, Network};
use crate::requests::{self, Draft, Shape, What};
use crate::server::SimServer;
use crate::settings::{Fault, Plan};
use crate::source::{Choose, Source};

/// When a run begins.
pub(crate) const START: Time = Time::from_millis(5_000_000);

/// How many `socket_timeout`s an operation without a deadline may take, whatever happens.
const PATIENCE: u32 = 60;

/// Everything that there is in a run.
pub(crate) struct World<'a> {
    pub(crate) source: &'a mut dyn Source,
    pub(crate) plan: Plan,
    pub(crate) network: Network<Client>,
    pub(crate) judge: &'a mut Judge,
    pub(crate) asked: Vec<Asked>,
    /// The number and the outcome of what ended last.
    pub(crate) last: Option<(u64, Outcome)>,
    known: Known,
    pub(crate) operations: u64,
    /// The first of the clients that are asked now; those before are of servers that have been exchanged.
    pub(crate) first: usize,
}

/// An operation that is under way.
pub(crate) struct Asked {
    client: usize,
    id: OperationId,
    /// When it has to have ended, at the latest.
    deadline: Time,
    pub(crate) drafts: Vec<Draft>,
    /// Which of its requests were told before its end.
    told: Vec<bool>,
}

/// The run has broken a check: it ends here.
pub(crate) struct Ended;

pub(crate) type Goes = Result<(), Ended>;

impl<'a> World<'a> {
    pub(crate) fn new(plan: Plan, judge: &'a mut Judge, source: &'a mut dyn Source) -> Self {
        let mut servers: Vec<_> = (0..plan.servers).map(|_| SimServer::default()).collect();
        servers.iter_mut().for_each(|server| server.quiet_vivify = source.one_in(4));
        let mut network = Network::new(START, Vec::new(), servers);
        network.conduct = plan.conduct;
        // Where bytes take long, requests time out that nothing is wrong with.
        judge.blamed = vec![plan.conduct.latency_ms > 100; plan.servers];
        // Who cannot connect for a shortage of his own has not found out, and another does.
        judge.probes &= !plan.faults.contains(&Fault::Shortage);
        let all = (0..plan.servers).collect();
        let mut world = World {
            source,
            plan,
            network,
            judge,
            asked: Vec::new(),
            last: None,
            known: Known::new(),
            operations: 0,
            first: 0,
        };
        world.use_servers(all);
        world
    }

    /// Has clients of these servers do what is asked from now on. Those that there were finish what they have.
    fn use_servers(&mut self, list: Vec<usize>) {
        self.first = self.network.members.len();
        let servers = list.iter().map(|at| {
            let address = format!("10.0.0.{at}").parse::<ServerAddress>().expect("an address");
            Server::from(address)
        });
        let cluster = Cluster::new(servers.collect(), self.plan.settings.clone());
        let cluster = Arc::new(cluster.expect("there are servers"));
        for habits in &self.plan.members {
            self.network.members.push(Member {
                client: Client::new(cluster.clone()),
                servers: list.clone(),
                group: self.first,
                eager: habits.eager,
                completes: habits.completes,
            });
            self.judge.lists.push(list.clone());
            self.judge.losses.push(0);
            self.judge.disturbed.push(false);
            self.judge.groups.push(self.first);
        }
    }

    /// Lives the run through.
    pub(crate) fn live(&mut self) -> Goes {
        for _ in 0..self.plan.moments {
            self.source.begin();
            let goes = self.moment();
            self.source.end();
            goes?;
        }
        self.source.begin();
        let goes = self.calm_down();
        self.source.end();
        goes?;
        self.judge.count_all();
        self.check()
    }

    fn moment(&mut self) -> Goes {
        match self.source.below(32) {
            0 => {
                self.ask()?;
                self.drive()
            }
            1..18 => self.ask(),
            18 => self.drive(),
            19 | 20 if !self.plan.faults.is_empty() => {
                let fault = *self.source.pick(&self.plan.faults);
                faults::strike(self, fault);
                self.collect()
            }
            21 if self.plan.cancels && !self.asked.is_empty() => {
                let at = self.source.below(self.asked.len());
                self.cancel(at);
                self.check()
            }
            22 if self.plan.cancels && !self.asked.is_empty() => {
                let at = self.source.below(self.asked.len());
                self.take_replies(at);
                self.check()
            }
            23 if self.plan.upheavals && self.source.one_in(6) => self.upheave(),
            24..27 if self.plan.waits => {
                let most = *self.source.pick(&[3, 300, 2000]);
                let millis = self.source.below(most);
                self.wait(Duration::from_millis(millis.try_into().unwrap_or_default()))
            }
            _ => {
                for _ in 0..self.source.below(12) {
                    self.step()?;
                }
                Ok(())
            }
        }
    }

    /// One caller asks for something.
    fn ask(&mut self) -> Goes {
        let (shape, mut drafts) = callers::draw(&self.plan, &self.known, self.source);
        let client = self.first + self.source.below(self.plan.members.len());
        self.submit(client, shape, &mut drafts);
        self.check()
    }

    /// Submits an operation. Whether it was taken in.
    pub(crate) fn submit(&mut self, client: usize, shape: Shape, drafts: &mut [Draft]) -> bool {
        self.operations += 1;
        for draft in drafts.iter_mut() {
            draft.serial = self.judge.next_serial();
            requests::sign(draft);
            self.judge.submit(client, shape, draft, &self.plan.settings.key_prefix);
        }
        let now = self.network.now;
        let serial = drafts.first().map_or(0, |draft| draft.serial);
        self.judge.trace.note(now, 7, &[serial], b"", || {
            let first = drafts.first().map(|draft| (draft.what, draft.key.escape_ascii()));
            let what = match first {
                Some((what, key)) => format!("asks for {what:?} of {key}, {} in all", drafts.len()),
                None => "asks for nothing".into(),
            };
            (format!("client {client}"), format!("{what}, from number {serial} on"))
        });
        let member = &mut self.network.members[client].client;
        let Some(id) = requests::submit(member, shape, drafts, now) else {
            drafts.iter().for_each(|draft| self.judge.reject(draft.serial));
            return false;
        };
        let Settings { operation_timeout, socket_timeout, .. } = self.plan.settings;
        let deadline = now + operation_timeout.unwrap_or(socket_timeout * PATIENCE);
        let told = vec![false; drafts.len()];
        let drafts = drafts.to_vec();
        self.asked.push(Asked { client, id, deadline, drafts, told });
        true
    }

    fn cancel(&mut self, at: usize) {
        let asked = self.asked.swap_remove(at);
        self.network.members[asked.client].client.cancel(asked.id);
        self.forget(&asked);
    }

    fn forget(&mut self, asked: &Asked) {
        let serial = asked.drafts.first().map_or(0, |draft| draft.serial);
        self.judge.trace.note(self.network.now, 8, &[serial], b"", || {
            (format!("client {}", asked.client), format!("gives number {serial} up"))
        });
        for draft in &asked.drafts {
            self.judge.withdraw(draft.serial);
            self.judge.forget(draft.serial);
        }
    }

    /// Takes what has come so far of an operation on many keys.
    fn take_replies(&mut self, at: usize) {
        let asked = &mut self.asked[at];
        let client = &mut self.network.members[asked.client].client;
        let count = client.items(asked.id);
        let items = client.take_items(asked.id);
        if items.len() != count {
            self.judge.breaks(checks::ENDS, format!("{count} items, and {}", items.len()));
        }
        let items = items.into_iter().map(|(number, item)| (number, Reply::Item(item)));
        for (number, reply) in items.chain(client.take_replies(asked.id)) {
            let told = asked.told.get_mut(number);
            if told.is_none_or(|told| core::mem::replace(told, true)) {
                return self.judge.breaks(checks::ENDS, format!("{number} was answered twice"));
            }
            self.judge.end(asked.drafts[number].serial, Ok(&reply));
        }
    }

    /// Something comes from above: connections are closed, or a client forgets all.
    fn upheave(&mut self) -> Goes {
        let at = self.source.below(self.network.members.len());
        self.judge.disturbed[at] = true;
        let now = self.network.now;
        if self.source.one_in(4) && self.first < 12 {
            let count = self.plan.servers;
            let (from, len) = (self.source.below(count), 1 + self.source.below(count));
            self.use_servers((0..len).map(|at| (from + at) % count).collect());
            return Ok(());
        }
        let client = &mut self.network.members[at].client;
        match self.source.below(3) {
            0 => client.disconnect_all(now),
            1 => client.quit_all(now),
            _ => {
                client.reset(now);
                if !client.is_idle() {
                    self.judge.breaks(checks::RESTS, "a client is reset and not idle".into());
                }
                let (gone, kept) =
                    self.asked.drain(..).partition(|asked: &Asked| asked.client == at);
                self.asked = kept;
                let gone: Vec<Asked> = gone;
                gone.iter().for_each(|asked| self.forget(asked));
            }
        }
        self.collect()
    }

    /// Does what there is to do, once around.
    fn step(&mut self) -> Result<bool, Ended> {
        let happened = self.network.step(self.source, self.judge);
        self.collect()?;
        Ok(happened)
    }

    /// Until nothing more happens at this moment.
    pub(crate) fn drive(&mut self) -> Goes {
        for _ in 0..200_000 {
            if !self.step()? {
                return self.check_rest();
            }
        }
        self.judge.breaks(checks::SPINS, "it never comes to rest".into());
        self.check()
    }

    /// Lets this much time pass, and all that happens in it happen.
    pub(crate) fn wait(&mut self, time: Duration) -> Goes {
        let until = self.network.now + time;
        loop {
            self.drive()?;
            let next = self.network.next().filter(|next| *next <= until);
            if next.is_none() {
                let rest = until - self.network.now;
                self.network.jump(rest, self.judge);
                self.collect()?;
                return self.drive();
            }
            self.network.pass(self.judge);
            self.collect()?;
        }
    }

    /// Judges what has ended.
    pub(crate) fn collect(&mut self) -> Goes {
        self.judge.now = self.network.now;
        for at in 0..self.network.members.len() {
            while let Some(notice) = self.network.members[at].client.poll_notice() {
                self.judge.notice(at, &notice);
            }
        }
        for at in 0..self.network.members.len() {
            while let Some(id) = self.network.members[at].client.poll_completion() {
                let found = self.asked.iter().position(|one| one.client == at && one.id == id);
                let Some(found) = found else {
                    self.judge.breaks(checks::ENDS, format!("{id:?} ends, and is not under way"));
                    return self.check();
                };
                let asked = self.asked.swap_remove(found);
                let client = &mut self.network.members[at].client;
                let outcome = client.take(id);
                if client.take(id).is_some() || client.is_done(id) {
                    self.judge.breaks(checks::ENDS, "an outcome is given twice".into());
                }
                match outcome {
                    Some(outcome) => self.told(&asked, outcome),
                    None => self.judge.breaks(checks::ENDS, "it is done, without outcome".into()),
                }
            }
        }
        let now = self.network.now;
        let late = self.asked.iter().find(|one| one.deadline <= now);
        if let Some(late) = late {
            let seen = format!("number {} is not done by its deadline", late.drafts[0].serial);
            self.judge.breaks(checks::DEADLINE, seen);
        }
        self.check()
    }

    fn told(&mut self, asked: &Asked, mut outcome: Outcome) {
        if let Outcome::Many(many) = &mut outcome {
            let items = core::mem::take(&mut many.items).into_iter();
            many.replies.extend(items.map(|(number, item)| (number, Reply::Item(item))));
        }
        self.check_values(&mut outcome);
        let serial = asked.drafts.first().map_or(0, |draft| draft.serial);
        self.judge.trace.note(self.network.now, 9, &[serial], b"", || {
            let what = format!("number {serial} ends: {outcome:?}");
            (format!("client {}", asked.client), crate::trace::shown(what.as_bytes()))
        });
        self.last = Some((serial, outcome.clone()));
        match outcome {
            Outcome::One(result) => {
                if let (Ok(Reply::Item(item)), Some(draft)) = (&result, asked.drafts.first()) {
                    if let Some(cas) = item.cas {
                        self.known.insert(draft.key.clone(), cas);
                    }
                }
                self.judge.end(serial, result.as_ref());
            }
            Outcome::Servers(servers) => {
                let count = self.network.members[asked.client].servers.len();
                let mut seen = vec![false; count];
                for (server, result) in servers {
                    if core::mem::replace(&mut seen[server.index()], true) {
                        self.judge.breaks(checks::ENDS, "a server answered twice".into());
                    }
                    // A request of several servers is denied only if none has heard of it.
                    match &result {
                        Ok(reply) => self.judge.end(serial, Ok(reply)),
                        Err(failure) => self.judge.time_out(asked.client, failure),
                    }
                }
                if seen.contains(&false) {
                    self.judge.breaks(checks::ENDS, "a server is left out".into());
                }
                self.judge.withdraw(serial);
            }
            Outcome::Many(many) => {
                let mut told = asked.told.clone();
                for (number, reply) in &many.replies {
                    if told.get_mut(*number).is_none_or(|told| core::mem::replace(told, true)) {
                        let seen = format!("{number} of those from {serial} on is answered twice");
                        return self.judge.breaks(checks::ENDS, seen);
                    }
                    if let Reply::Item(memcache_proto::client::Item { cas: Some(cas), .. }) = reply
                    {
                        self.known.insert(asked.drafts[*number].key.clone(), *cas);
                    }
                    self.judge.end(asked.drafts[*number].serial, Ok(reply));
                }
                for (number, failure) in &many.failed {
                    let before = told.get_mut(*number).map(|told| core::mem::replace(told, true));
                    if before != Some(false) && !asked.told.get(*number).is_some_and(|told| *told) {
                        let seen = format!("{number} of those from {serial} on ends twice");
                        return self.judge.breaks(checks::ENDS, seen);
                    }
                    self.judge.end(asked.drafts[*number].serial, Err(failure));
                }
                // What is expected of most is not told.
                for (draft, told) in asked.drafts.iter().zip(told) {
                    if told {
                        continue;
                    }
                    let reply = match draft.what {
                        _ if draft.noreply && !draft.is_meta() => Reply::Sent,
                        What::Store(_) => Reply::Stored,
                        What::Get { .. } => Reply::Miss,
                        _ => Reply::Ok,
                    };
                    self.judge.end(draft.serial, Ok(&reply));
                }
            }
        }
    }

    /// What has to hold when nothing more happens at this moment.
    fn check_rest(&mut self) -> Goes {
        for (at, member) in self.network.members.iter().enumerate() {
            let waits = self.asked.iter().any(|asked| asked.client == at);
            if waits && member.client.poll_timeout().is_none() {
                self.judge.breaks(checks::WAKES, format!("client {at} waits for nothing"));
            }
        }
        let silent =
            self.asked.iter().find(|one| self.network.members[one.client].client.is_done(one.id));
        if let Some(silent) = silent {
            let seen = format!("number {} is done, and nobody is told", silent.drafts[0].serial);
            self.judge.breaks(checks::ENDS, seen);
        }
        let limits = &self.plan.settings.limits;
        // What nothing waits before is always taken in.
        let one = self.plan.value_len + limits.max_get_len + 1000;
        self.check_memory(limits.max_queued_bytes.saturating_add(one));
        let open = self.judge.wires.values().find(|wire| wire.doubt.is_some() && !wire.closed);
        if let Some(wire) = open {
            let seen = format!("still open after: {}", wire.doubt.clone().unwrap_or_default());
            self.judge.breaks(checks::DOUBT, seen);
        }
        self.check()
    }

    pub(crate) fn check(&self) -> Goes {
        if self.judge.broken.is_some() { Err(Ended) } else { Ok(()) }
    }
}
