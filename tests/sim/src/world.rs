//! A run, from its plan to its end.

use std::time::Duration;

use memcache_proto::Time;
use memcache_proto::calls::{Calls, Config};
use memcache_proto::client::{Client, OperationId, Outcome, Reply, Settings};
use memcache_proto::routing::{Server, ServerAddress};

use crate::callers::{self, Known};
use crate::checks;
use crate::computing::Caller;
use crate::faults;
use crate::judge::{Given, Judge};
use crate::network::{Member, Network};
use crate::requests::{self, Draft, Shape, What};
use crate::server::UNIX_START;
use crate::settings::{AskKind, Fault, Logins, Plan};
use crate::source::{Choose, Source};

/// When a run begins.
pub(crate) const START: Time = Time::from_millis(5_000_000);

/// How many `socket_timeout`s an operation without a deadline may take, whatever happens, beside one for each of its
/// requests: with little room each may have to wait for the reply to the one before it.
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
    /// Those whose calls take several steps, the calls that they make, and how many there were.
    pub(crate) callers: Vec<Caller>,
    pub(crate) calls: Option<Calls>,
    pub(crate) numbers: u64,
    pub(crate) operations: u64,
    /// The first of the clients that are asked now; those before are of servers that have been exchanged.
    pub(crate) first: usize,
}

/// An operation that is under way.
pub(crate) struct Asked {
    pub(crate) client: usize,
    call: u64,
    pub(crate) id: OperationId,
    /// When it has to have ended, at the latest.
    deadline: Time,
    pub(crate) drafts: Vec<Draft>,
    /// How many of them the client has been given.
    given: usize,
    /// Which of its requests were told before its end.
    pub(crate) told: Vec<bool>,
}

impl Asked {
    /// Those of its requests that the client has been given.
    pub(crate) fn given(&self) -> &[Draft] {
        &self.drafts[..self.given]
    }
}

/// The run has broken a check: it ends here.
pub(crate) struct Ended;

pub(crate) type Goes = Result<(), Ended>;

impl<'a> World<'a> {
    pub(crate) fn new(plan: Plan, judge: &'a mut Judge, source: &'a mut dyn Source) -> Self {
        let mut servers: Vec<_> = (0..plan.servers).map(|_| plan.server()).collect();
        for server in &mut servers {
            server.quiet_vivify = source.one_in(4);
            server.reorders = source.one_in(4);
            server.refuses_flush = source.one_in(4);
        }
        let mut network = Network::new(START, Vec::new(), servers);
        network.conduct = plan.conduct;
        // Where bytes take long, requests time out that nothing is wrong with.
        let is_far = plan.conduct.latency_ms > 100;
        judge.blamed = vec![is_far; plan.servers];
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
            callers: Vec::new(),
            calls: None,
            numbers: 0,
            operations: 0,
            first: 0,
        };
        world.use_servers(all);
        if world.plan.logins == Logins::Refused {
            world.network.servers[0].refuses_login = true;
            world.judge.blamed[0] = true;
        }
        if let Some(liar) = world.plan.liar.clone() {
            faults::lie(&mut world, 0, &liar);
        }
        world
    }

    /// Has clients of these servers do what is asked from now on. Those that there were finish what they have.
    pub(crate) fn use_servers(&mut self, list: Vec<usize>) {
        self.first = self.network.members.len();
        let servers = list.iter().map(|at| {
            let address = format!("10.0.0.{at}").parse::<ServerAddress>().expect("an address");
            Ok(Server::from(address))
        });
        let config = Config {
            servers: servers.collect(),
            settings: self.plan.settings.clone(),
            recache: self.plan.recache,
            ..Config::default()
        };
        let calls = config.build(|| UNIX_START).expect("there are servers");
        let cluster = calls.cluster().clone();
        self.calls = Some(calls);
        for habits in &self.plan.members {
            self.network.members.push(Member {
                client: Client::new(cluster.clone()),
                servers: list.clone(),
                group: self.first,
                eager: habits.eager,
                completes: habits.completes,
                appends: habits.appends,
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

    /// One caller asks for something.
    pub(crate) fn ask(&mut self) -> Goes {
        let kind = *self.source.pick(&self.plan.asks);
        if matches!(kind, AskKind::Share | AskKind::Update) {
            self.set_to_work(kind);
            return self.collect();
        }
        let (shape, mut drafts) = callers::draw(kind, &self.plan, &self.known, self.source);
        let client = self.first + self.source.below(self.plan.members.len());
        self.submit(client, shape, &mut drafts);
        self.check()
    }

    /// Submits an operation. Whether it was taken in.
    pub(crate) fn submit(&mut self, client: usize, shape: Shape, drafts: &mut [Draft]) -> bool {
        self.operations += 1;
        self.judge.calls += 1;
        let call = self.judge.calls;
        let of_call = Given { call, part: call, at: self.network.now };
        let most = if shape == Shape::Many { self.plan.part } else { usize::MAX };
        let given = drafts.len().min(most);
        self.judge.submit(client, of_call, shape, &mut drafts[..given], &self.plan.settings);
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
        let more = given < drafts.len();
        let id = match requests::submit(member, shape, &drafts[..given], more, now) {
            Ok(id) => id,
            Err(reason) => {
                drafts.iter().for_each(|draft| self.judge.reject(draft.serial, &reason));
                return false;
            }
        };
        if shape == Shape::One {
            drafts.iter().for_each(|draft| self.judge.taken_in(draft.serial));
        }
        let Settings { operation_timeout, socket_timeout, .. } = self.plan.settings;
        let requests = u32::try_from(drafts.len()).expect("calls are small");
        let patience = socket_timeout * (PATIENCE + requests);
        let deadline = now + operation_timeout.unwrap_or(patience);
        let told = vec![false; drafts.len()];
        let drafts = drafts.to_vec();
        self.asked.push(Asked { client, call, id, deadline, drafts, given, told });
        true
    }

    /// Gives operations on many keys their next ones, unless that is left for later. Whether there were any to
    /// give.
    fn feed(&mut self) -> bool {
        let mut is_hungry = false;
        for at in 0..self.asked.len() {
            let asked = &mut self.asked[at];
            let member = &mut self.network.members[asked.client].client;
            if !member.is_hungry(asked.id) {
                continue;
            }
            is_hungry = true;
            if self.source.one_in(4) {
                continue;
            }
            let (from, all) = (asked.given, asked.drafts.len());
            let given = all.min(from + self.plan.part);
            asked.given = given;
            let next = &mut asked.drafts[from..given];
            // Its commands travel with none of the part before.
            self.judge.calls += 1;
            let (part, at) = (self.judge.calls, self.network.now);
            let of_call = Given { call: asked.call, part, at };
            let settings = &self.plan.settings;
            self.judge.submit(asked.client, of_call, Shape::Many, next, settings);
            requests::feed(member, asked.id, next, given < all, self.network.now);
        }
        is_hungry
    }

    pub(crate) fn forget(&mut self, asked: &Asked) {
        let serial = asked.drafts.first().map_or(0, |draft| draft.serial);
        self.judge.trace.note(self.network.now, 8, &[serial], b"", || {
            (format!("client {}", asked.client), format!("gives number {serial} up"))
        });
        self.callers.retain(|caller| caller.waits_for != Some(serial));
        for draft in asked.given() {
            self.judge.withdraw(draft.serial);
            self.judge.forget(draft.serial);
        }
    }

    /// Does what there is to do, once around.
    pub(crate) fn step(&mut self) -> Result<bool, Ended> {
        let before = self.operations;
        let happened = self.network.step(self.source, self.judge);
        let fed = self.feed();
        self.collect()?;
        Ok(happened || fed || self.operations > before)
    }

    /// Until nothing more happens at this moment.
    pub(crate) fn drive(&mut self) -> Goes {
        for _ in 0..2_000_000 {
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
        self.wake();
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
        let caller = self.callers.iter().position(|caller| caller.waits_for == Some(serial));
        let handed_on = caller.map(|_| outcome.clone());
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
                    // What was told before the end is taken back only if the reply that said so broke the
                    // protocol after it.
                    let taken = asked.told.get(*number).is_some_and(|told| *told);
                    let taken_back = taken && self.judge.lied.contains(&true);
                    if before != Some(false) && !taken_back {
                        let seen = format!("{number} of those from {serial} on ends twice");
                        return self.judge.breaks(checks::ENDS, seen);
                    }
                    self.judge.end(asked.drafts[*number].serial, Err(failure));
                }
                if many.rest.is_some() != (asked.given < asked.drafts.len()) {
                    let seen = format!(
                        "{} of {} from {serial} on were given, and the rest: {:?}",
                        asked.given,
                        asked.drafts.len(),
                        many.rest,
                    );
                    return self.judge.breaks(checks::ENDS, seen);
                }
                sometimes!("call ended before it was given whole", many.rest.is_some());
                // What is expected of most is not told.
                for (draft, told) in asked.given().iter().zip(told) {
                    if told {
                        continue;
                    }
                    let reply = match draft.what {
                        _ if draft.noreply && !draft.is_meta() => Reply::Sent,
                        What::Store(_) => Reply::Stored,
                        What::Get { .. } | What::Gat { .. } => Reply::Miss,
                        _ => Reply::Ok,
                    };
                    self.judge.end(draft.serial, Ok(&reply));
                }
            }
        }
        if let Some(caller) = caller {
            self.go_on(caller, handed_on);
            self.wake();
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
