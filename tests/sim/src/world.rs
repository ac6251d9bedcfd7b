//! A run, from its plan to its end.

use std::sync::Arc;
use std::time::Duration;

use memcache_proto::client::{Client, Cluster, OperationId, Outcome, Reply};
use memcache_proto::codec::StoreVerb;
use memcache_proto::routing::{Server, ServerAddress, ServerIndex};
use memcache_proto::{Key, Time};

use crate::callers::{self, Draft, Known, Shape, What};
use crate::checks;
use crate::faults;
use crate::judge::Judge;
use crate::network::{Member, Network};
use crate::server::SimServer;
use crate::settings::Plan;
use crate::source::{Choose, Source};

/// When a run begins.
pub(crate) const START: Time = Time::from_millis(5_000_000);

/// What a value may share with others, in bytes: about one read.
const MOST_SHARED: usize = 17 << 10;

/// The most room for reading that a connection may keep at rest, in bytes.
const MOST_ROOM: usize = 96 << 10;

/// Everything that there is in a run.
pub(crate) struct World<'a> {
    pub(crate) source: &'a mut dyn Source,
    pub(crate) plan: Plan,
    pub(crate) network: Network<Client>,
    pub(crate) judge: &'a mut Judge,
    asked: Vec<Asked>,
    /// The number and the outcome of what ended last.
    last: Option<(u64, Outcome)>,
    known: Known,
    pub(crate) operations: u64,
    /// The first of the clients that are asked now; those before are of servers that have been exchanged.
    first: usize,
}

/// An operation that is under way.
struct Asked {
    client: usize,
    id: OperationId,
    deadline: Option<Time>,
    drafts: Vec<Draft>,
    /// Which of its requests were told before its end.
    told: Vec<bool>,
}

/// The run has broken a check: it ends here.
pub(crate) struct Ended;

type Goes = Result<(), Ended>;

impl<'a> World<'a> {
    pub(crate) fn new(plan: Plan, judge: &'a mut Judge, source: &'a mut dyn Source) -> Self {
        let servers = (0..plan.servers).map(|_| SimServer::default()).collect();
        let mut network = Network::new(START, Vec::new(), servers);
        network.conduct = plan.conduct;
        // Where bytes take long, requests time out that nothing is wrong with.
        judge.blamed = vec![plan.conduct.latency_ms > 100; plan.servers];
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
            self.moment()?;
        }
        self.calm_down()?;
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
    fn submit(&mut self, client: usize, shape: Shape, drafts: &mut [Draft]) -> bool {
        self.operations += 1;
        for draft in drafts.iter_mut() {
            draft.serial = self.judge.next_serial();
            callers::sign(draft);
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
        let Some(id) = callers::submit(member, shape, drafts, now) else {
            drafts.iter().for_each(|draft| self.judge.reject(draft.serial));
            return false;
        };
        let deadline = self.plan.settings.operation_timeout.map(|timeout| now + timeout);
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
        let count = client.replies(asked.id);
        let replies = client.take_replies(asked.id);
        if replies.len() != count {
            self.judge.breaks(checks::ENDS, format!("{count} replies, and {}", replies.len()));
        }
        for (number, reply) in replies {
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

    /// Has everything that is under way come to its end, passing time where nothing else can happen.
    fn finish(&mut self) -> Goes {
        let until = self.network.now + Duration::from_secs(600);
        loop {
            self.drive()?;
            if self.asked.is_empty() {
                return Ok(());
            }
            if !self.network.pass(self.judge) || self.network.now > until {
                let names: Vec<_> = self.asked.iter().map(|asked| asked.drafts[0].serial).collect();
                self.judge.breaks(checks::ENDS, format!("{names:?} never end"));
                return self.check();
            }
            self.collect()?;
        }
    }

    /// All is mended: what is under way ends, everything comes to rest, and every server is used again.
    fn calm_down(&mut self) -> Goes {
        faults::mend(self);
        self.collect()?;
        self.finish()?;
        self.wait(self.plan.settings.socket_timeout * 2)?;
        for (at, member) in self.network.members.iter().enumerate() {
            if !member.client.is_idle() {
                self.judge.breaks(checks::RESTS, format!("client {at} is not idle"));
            }
        }
        self.check_memory(0);
        self.check()?;
        self.wait(self.plan.settings.dead_retry)?;
        for client in self.first..self.network.members.len() {
            for number in 0..self.plan.keys.min(6) {
                self.use_again(client, number)?;
            }
        }
        Ok(())
    }

    /// A key is looked up, which revives its server; then it is stored and read, where it belongs.
    fn use_again(&mut self, client: usize, number: usize) -> Goes {
        let key = callers::key(&self.plan, number);
        let draft = |what| Draft {
            key: key.clone(),
            what,
            noreply: false,
            value: Vec::new(),
            exptime: memcache_proto::Exptime::NEVER,
            hash: None,
            serial: 0,
        };
        let cluster = self.network.members[client].client.cluster().clone();
        let prefixed = [&cluster.settings().key_prefix[..], &key].concat();
        let bare = if cluster.settings().hash_with_prefix_key { &prefixed } else { &key };
        let home =
            Key::new(bare).ok().and_then(|key| cluster.selector().candidate(key.as_bytes(), 0));
        // Each connection that was lost without a word costs one try.
        let mut seen = String::new();
        for _ in 0..3 + 2 * cluster.settings().connections_per_server {
            let looked = self.perform(client, draft(What::Get { cas: false }))?;
            let stored = self.perform(client, draft(What::Store(StoreVerb::Set)))?;
            let read = self.perform(client, draft(What::Get { cas: false }))?;
            let is_stored = matches!(stored, Some(Outcome::One(Ok(Reply::Stored))));
            let is_home = match &read {
                Some(Outcome::One(Ok(Reply::Item(item)))) => Some(item.server) == home,
                _ => false,
            };
            if is_stored && is_home {
                return Ok(());
            }
            seen = format!("{looked:?}, {stored:?}, {read:?}");
            self.wait(self.plan.settings.dead_retry)?;
        }
        let seen = format!("client {client}, key {number}, of server {home:?}: {seen}");
        self.judge.breaks(checks::REVIVED, seen);
        self.check()
    }

    /// Submits an operation, and waits for its end. `None` if it was not taken in.
    fn perform(&mut self, client: usize, draft: Draft) -> Result<Option<Outcome>, Ended> {
        let serial = self.judge.next_serial();
        if !self.submit(client, Shape::One, &mut [draft]) {
            return Ok(None);
        }
        self.last = None;
        self.finish()?;
        Ok(self.last.take().filter(|(number, _)| *number == serial).map(|(_, outcome)| outcome))
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
        let late = self.asked.iter().find(|one| one.deadline.is_some_and(|due| due <= now));
        if let Some(late) = late {
            let seen = format!("number {} is not done by its deadline", late.drafts[0].serial);
            self.judge.breaks(checks::DEADLINE, seen);
        }
        self.check()
    }

    fn told(&mut self, asked: &Asked, mut outcome: Outcome) {
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

    /// Whether no more request bytes than these wait at each connection, and nothing more is kept for reading.
    fn check_memory(&mut self, most: usize) {
        for (at, member) in self.network.members.iter_mut().enumerate() {
            for server in 0..member.servers.len() {
                let index = ServerIndex::new(u32::try_from(server).unwrap_or(u32::MAX));
                let queued = member.client.queued_bytes(index);
                if queued > most {
                    let seen = format!("client {at} keeps {queued} bytes for server {server}");
                    self.judge.breaks(checks::MEMORY, seen);
                }
                let Some(idle) = member.client.idle_connection(index) else { continue };
                let room = member.client.receive_buffer(idle).len();
                if most == 0 && room > MOST_ROOM {
                    let seen = format!("client {at} keeps room for {room} bytes to read");
                    self.judge.breaks(checks::MEMORY, seen);
                }
            }
        }
    }

    /// Whether values keep no more memory than they need.
    fn check_values(&mut self, outcome: &mut Outcome) {
        let mut values = Vec::new();
        match outcome {
            Outcome::One(Ok(Reply::Item(item))) => values.push(&mut item.value),
            Outcome::Many(many) => {
                values.extend(many.replies.iter_mut().filter_map(|(_, reply)| match reply {
                    Reply::Item(item) => Some(&mut item.value),
                    Reply::Meta(reply) => reply.value.as_mut(),
                    _ => None,
                }));
            }
            _ => {}
        }
        let inline = self.plan.settings.limits.inline_value_len;
        let mut wasted = None;
        for value in values.into_iter().filter(|value| value.len() > inline) {
            let len = value.len();
            *value = match core::mem::take(value).try_into_mut() {
                Ok(owned) => {
                    if owned.capacity() > len + MOST_SHARED {
                        wasted = Some((len, owned.capacity()));
                    }
                    owned.freeze()
                }
                // It shares its memory with others.
                Err(shared) => shared,
            };
        }
        if let Some((len, kept)) = wasted {
            self.judge.breaks(checks::MEMORY, format!("a value of {len} bytes keeps {kept}"));
        }
    }

    fn check(&self) -> Goes {
        if self.judge.broken.is_some() { Err(Ended) } else { Ok(()) }
    }
}
