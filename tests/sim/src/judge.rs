//! What everybody did and said, and whether it fits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use memcache_proto::client::{Rejection, Settings};
use memcache_proto::{Limits, Time};

use crate::checks;
use crate::deaths::Death;
use crate::history::{Act, Happening, History};
use crate::network::{Place, Watch};
use crate::report::Broken;
use crate::requests::{self, Draft, Shape, What};
use crate::said::Said;
use crate::server::Step;
use crate::trace::{Trace, shown};
use crate::wire::{Heard, Tag, Wire, tags_of};

/// The number of the first request.
pub(crate) const FIRST: u64 = 1000;

/// Watches the network, and judges what callers are told by what it saw.
pub(crate) struct Judge {
    pub(crate) trace: Trace,
    pub(crate) broken: Option<Broken>,
    /// The bounds of the clients.
    pub(crate) limits: Limits,
    pub(crate) resend_stores: bool,
    /// How often a request is made again at most that failed.
    pub(crate) retries: usize,
    pub(crate) flushes: bool,
    /// Whether each connection has to log in.
    logs_in: bool,
    pub(crate) merges: bool,
    pub(crate) servers: usize,
    pub(crate) prefix_len: usize,
    /// Which servers ever had anything wrong with them, or lied.
    pub(crate) blamed: Vec<bool>,
    pub(crate) lied: Vec<bool>,
    pub(crate) event: u64,
    pub(crate) parts: Vec<Part>,
    pub(crate) plains: BTreeMap<(usize, Tag), Plain>,
    /// The requests that have the number of their call on the wire: their own number, or `None` if several of
    /// the call look the same.
    stamped: BTreeMap<Tag, Option<u64>>,
    pub(crate) wires: BTreeMap<u64, Wire>,
    /// How many calls have been made; each part of one that is given in parts counts.
    pub(crate) calls: u64,
    /// The run that each connection was sent last.
    pub(crate) runs: BTreeMap<u64, Run>,
    pub(crate) history: History,
    /// Of each client: which servers those of its list are, how often it lost a connection or could not make
    /// one, and whether it was told to close some.
    pub(crate) lists: Vec<Vec<usize>>,
    pub(crate) losses: Vec<u64>,
    pub(crate) disturbed: Vec<bool>,
    /// The time.
    pub(crate) now: Time,
    /// What is known of the deaths of servers: by the group of a client, and the server.
    pub(crate) deaths: BTreeMap<(usize, usize), Death>,
    /// The group of each client.
    pub(crate) groups: Vec<usize>,
    /// Whether a key has one server only, and a server one connection of each client.
    pub(crate) alone: bool,
    pub(crate) single: bool,
    /// Whether dead servers are left alone at all, and for how long.
    pub(crate) probes: bool,
    pub(crate) dead_retry: Duration,
    /// How long who finds out about one has for it.
    pub(crate) lease: Duration,
    /// How often each server was started.
    pub(crate) lives: Vec<u32>,
    /// The leases and the cas uniques that somebody has won: server, life, key, cas unique.
    pub(crate) leases: BTreeSet<(usize, u32, Vec<u8>, u64)>,
    pub(crate) swaps: BTreeSet<(usize, u32, Vec<u8>, u64)>,
}

/// What a request was given to its client with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Given {
    /// The number of its call.
    pub(crate) call: u64,
    /// That of the part of the call; the call's own for the first part.
    pub(crate) part: u64,
    /// When it was given.
    pub(crate) at: Time,
}

/// A request about one key, or to all servers.
pub(crate) struct Part {
    pub(crate) client: usize,
    pub(crate) key: Vec<u8>,
    pub(crate) what: What,
    pub(crate) tag: Tag,
    pub(crate) noreply: bool,
    /// Whether the client has to refuse it.
    pub(crate) unfit: bool,
    /// How often it may be sent.
    pub(crate) limit: u32,
    pub(crate) submitted: u64,
    /// Which part of which call it was given with.
    pub(crate) given: Given,
    /// When it ended, and whether it was said then not to have been sent.
    pub(crate) ended: Option<u64>,
    pub(crate) denied: bool,
    /// How often it was handed over whole, of that to servers that read nothing, and how often a server
    /// has handled it.
    pub(crate) begun: u32,
    pub(crate) refused: u32,
    pub(crate) handled: u32,
    pub(crate) told: VecDeque<Telling>,
    /// What it asks of an item, if the history follows that.
    pub(crate) act: Option<Act>,
    /// What stands for its command.
    pub(crate) digest: Option<u64>,
    /// Whether it was answered that it was done, and how often servers said so, or may have.
    pub(crate) acknowledged: bool,
    pub(crate) applied: u32,
    /// How often its client had lost a connection when it was submitted.
    pub(crate) losses: u64,
}

/// The most bytes of a run; half of the window if that is less.
const MAX_RUN_LEN: usize = 8 << 10;

/// Commands of one call that may be sent as one.
pub(crate) struct Run {
    pub(crate) given: Given,
    pub(crate) what: What,
    /// When the first byte of each was handed over, and how long it is.
    commands: VecDeque<(u64, usize)>,
    len: usize,
}

/// Requests that look the same on the wire.
#[derive(Default)]
pub(crate) struct Plain {
    pub(crate) limit: u32,
    pub(crate) denied: u32,
    /// How often it was handed over whole, to servers that read nothing too, and how often it was said to
    /// be sent, where nothing more is to be known.
    pub(crate) begun: u32,
    pub(crate) refused: u32,
    pub(crate) sent: u32,
    pub(crate) told: VecDeque<Telling>,
}

/// What a server said, and whether it was to be believed.
pub(crate) struct Telling {
    /// When the request was begun that it answers.
    pub(crate) begun: u64,
    pub(crate) honest: bool,
    pub(crate) server: usize,
    pub(crate) life: u32,
    pub(crate) said: Said,
}

impl Judge {
    pub(crate) fn new(trace: Trace, settings: &Settings, servers: usize) -> Self {
        Judge {
            trace,
            broken: None,
            limits: settings.limits,
            resend_stores: settings.resend_stores,
            retries: settings.retry.attempts.into(),
            flushes: settings.flush_on_reconnect,
            logs_in: settings.credentials.is_some(),
            merges: settings.merge_gets,
            servers,
            prefix_len: settings.key_prefix.len(),
            calls: 0,
            runs: BTreeMap::new(),
            blamed: vec![false; servers],
            lied: vec![false; servers],
            event: 0,
            parts: Vec::new(),
            plains: BTreeMap::new(),
            stamped: BTreeMap::new(),
            wires: BTreeMap::new(),
            history: History::default(),
            lists: Vec::new(),
            losses: Vec::new(),
            disturbed: Vec::new(),
            now: crate::world::START,
            deaths: BTreeMap::new(),
            groups: Vec::new(),
            alone: !settings.failover || servers == 1,
            lease: settings.socket_timeout * 2,
            probes: !settings.dead_retry.is_zero(),
            dead_retry: settings.dead_retry,
            single: settings.connections_per_server == 1,
            lives: vec![0; servers],
            leases: BTreeSet::new(),
            swaps: BTreeSet::new(),
        }
    }

    /// How often a request may be sent: once more if its connection was closed while it was idle, and as often more
    /// as it is made again.
    pub(crate) fn times(&self, is_read: bool) -> usize {
        if is_read || self.resend_stores { 2 + self.retries } else { 1 }
    }

    pub(crate) fn breaks(&mut self, check: &str, message: String) {
        if self.broken.is_none() {
            self.broken = Some(Broken { check: check.into(), message });
        }
    }

    /// The number of the next request.
    pub(crate) fn next_serial(&self) -> u64 {
        FIRST + self.parts.len() as u64
    }

    /// Requests are about to be given together. Each has one of its own from now
    /// on, and all have the stamp of these.
    pub(crate) fn submit(
        &mut self,
        client: usize,
        given: Given,
        shape: Shape,
        drafts: &mut [Draft],
        settings: &Settings,
    ) {
        let stamp = self.next_serial();
        for draft in drafts {
            (draft.serial, draft.stamp) = (self.next_serial(), stamp);
            requests::sign(draft);
            self.submit_one(client, given, shape, draft, settings);
        }
    }

    fn submit_one(
        &mut self,
        client: usize,
        given: Given,
        shape: Shape,
        draft: &Draft,
        settings: &Settings,
    ) {
        self.event += 1;
        let wire_key = [&settings.key_prefix[..], &draft.key].concat();
        let tag = self.stamp(draft.tag(wire_key.clone()), draft.serial);
        let servers = if shape == Shape::Servers { self.servers } else { 1 };
        let limit = u32::try_from(self.times(draft.is_read()) * servers).unwrap_or(u32::MAX);
        if !matches!(tag, Tag::Serial(_)) {
            self.plains.entry((client, tag.clone())).or_default().limit += limit;
        }
        self.parts.push(Part {
            client,
            act: draft.act(),
            digest: draft.command(&wire_key).map(|text| crate::wire::digest(&text)),
            acknowledged: false,
            applied: 0,
            losses: self.losses[client],
            key: wire_key,
            what: draft.what,
            tag,
            noreply: draft.noreply,
            unfit: draft.is_unfit(settings),
            limit,
            submitted: self.event,
            given,
            ended: None,
            denied: false,
            begun: 0,
            refused: 0,
            handled: 0,
            told: VecDeque::new(),
        });
    }

    /// The number of a request, if it is the first of its call that looks like this; else all that look like it
    /// are counted together from now on.
    fn stamp(&mut self, tag: Tag, serial: u64) -> Tag {
        if !matches!(tag, Tag::Gat { .. } | Tag::Touch { .. }) {
            return tag;
        }
        let first = match self.stamped.get_mut(&tag) {
            None => {
                self.stamped.insert(tag, Some(serial));
                return Tag::Serial(serial);
            }
            Some(first) => first.take(),
        };
        if let Some(part) = first.and_then(|first| self.part_mut(first)) {
            part.tag = tag.clone();
            let plain = (part.client, part.limit);
            self.plains.entry((plain.0, tag.clone())).or_default().limit += plain.1;
        }
        tag
    }

    /// What says most of a request that looks like this on the wire.
    fn resolve(&self, tag: Tag) -> Tag {
        let serial = self.stamped.get(&tag).copied().flatten();
        serial.map_or(tag, Tag::Serial)
    }

    pub(crate) fn part(&self, serial: u64) -> Option<&Part> {
        self.parts.get(usize::try_from(serial.checked_sub(FIRST)?).ok()?)
    }

    pub(crate) fn part_mut(&mut self, serial: u64) -> Option<&mut Part> {
        self.parts.get_mut(usize::try_from(serial.checked_sub(FIRST)?).ok()?)
    }

    /// A request was cancelled, or its client forgot all: nothing of it may be begun from now on.
    pub(crate) fn withdraw(&mut self, serial: u64) {
        self.event += 1;
        let event = self.event;
        if let Some(part) = self.part_mut(serial) {
            part.ended.get_or_insert(event);
        }
    }

    /// A request was taken in.
    pub(crate) fn taken_in(&mut self, serial: u64) {
        self.check_fit(serial, None);
    }

    /// A request was not taken in.
    pub(crate) fn reject(&mut self, serial: u64, reason: &Rejection) {
        self.check_fit(serial, Some(reason));
        self.deny(serial);
        self.withdraw(serial);
    }
}

impl Watch for Judge {
    fn opened(&mut self, place: &Place) {
        self.event += 1;
        let wire = Wire::new(place.client, self.lives[place.server]);
        self.wires.insert(place.link, wire);
        self.trace.note(place.now, 1, &[place.link], b"", || (who(place), "is open".into()));
    }

    fn moved(&mut self, place: &Place) {
        self.event += 1;
        if let Some(wire) = self.wires.get_mut(&place.link) {
            wire.client = place.client;
            wire.last_serial = 0;
        }
        self.trace.note(place.now, 2, &[place.link], b"", || (who(place), "takes it over".into()));
    }

    fn closed(&mut self, place: &Place) {
        self.event += 1;
        self.losses[place.client] += 1;
        if let Some(wire) = self.wires.get_mut(&place.link) {
            wire.closed = true;
        }
        self.trace.note(place.now, 3, &[place.link], b"", || (who(place), "is closed".into()));
    }

    fn handed_over(&mut self, place: &Place, bytes: &[u8]) {
        self.event += 1;
        let event = self.event;
        self.trace.note(place.now, 4, &[place.link], bytes, || (who(place), shown(bytes)));
        let Some(wire) = self.wires.get_mut(&place.link) else { return };
        if let Some(doubt) = wire.doubt.clone() {
            let seen = format!("{} is written after: {doubt}", shown(bytes));
            return self.breaks(checks::DOUBT, seen);
        }
        let heard = match wire.hear(bytes, event) {
            Ok(heard) => heard,
            Err(fault) => return self.breaks(checks::SUBMITTED, fault),
        };
        let fault = if self.logs_in { wire.login_fault(&heard) } else { None };
        if let Some(fault) = fault {
            return self.breaks(checks::LOGIN, format!("{fault}: {}", shown(bytes)));
        }
        for command in heard {
            for tag in command.tags.clone() {
                let tag = self.resolve(tag);
                let since = self.run_since(place.link, tag.clone(), &command);
                self.begin(place, tag, since, command.digest);
            }
        }
    }

    fn received(&mut self, place: &Place, bytes: &[u8]) {
        self.event += 1;
        self.trace.note(place.now, 5, &[place.link], bytes, || {
            let what = if bytes.is_empty() { "the end".into() } else { shown(bytes) };
            (format!("{} <-", who(place)), what)
        });
        let limits = self.limits;
        let Some(wire) = self.wires.get_mut(&place.link) else { return };
        let (client, life, honest) = (wire.client, wire.life, place.honest);
        let before = wire.paired;
        let told = wire.say(bytes, &limits);
        // A part of a reply is proof enough that the server is there; that it has too many connections is none.
        if wire.paired > before && !place.refused {
            self.replied(client, place.server);
        } else if bytes.is_empty() {
            self.ended(client, place.server);
        }
        for told in told {
            let server = place.server;
            let telling = Telling { begun: told.begun, honest, server, life, said: told.said };
            match self.resolve(told.tag) {
                Tag::Serial(serial) => {
                    if let Some(part) = self.part_mut(serial) {
                        part.told.push_back(telling);
                    }
                }
                tag => {
                    self.plains.entry((client, tag)).or_default().told.push_back(telling);
                }
            }
        }
    }

    fn handled(&mut self, place: &Place, step: &Step) {
        self.event += 1;
        self.trace.note(place.now, 6, &[place.link], &step.reply, || {
            let what = format!("{} => {}", shown(&step.command), shown(&step.reply));
            (format!("server {}", place.server), what)
        });
        self.history.note(self.event, place.server, step);
        for tag in tags_of(&step.command) {
            let Tag::Serial(serial) = self.resolve(tag) else { continue };
            let Some(part) = self.part_mut(serial) else { continue };
            part.handled += 1;
            part.applied += u32::from(!step.refused && is_done(&step.reply));
            let (times, limit, denied) = (part.handled, part.limit, part.denied);
            if denied || times > limit {
                let seen = format!("number {serial} was handled {times} times of {limit}");
                self.breaks(if denied { checks::NOT_SENT } else { checks::ONCE }, seen);
            }
        }
    }

    fn failed(&mut self, client: usize) {
        self.losses[client] += 1;
    }

    fn lost(&mut self, place: &Place) {
        self.ended(place.client, place.server);
    }

    fn spins(&mut self, client: usize, what: &str) {
        self.breaks(checks::SPINS, format!("client {client}: {what}"));
    }
}

impl Judge {
    /// When the first byte was handed over of what a command travels with: the stores of one call, its deletes
    /// and its touches go in runs, which are begun, and then sent, as one.
    fn run_since(&mut self, link: u64, tag: Tag, command: &Heard) -> u64 {
        let serial = match tag {
            Tag::Serial(serial) => serial,
            // Which of those that look the same says nothing of the run: they are of one call.
            Tag::Touch { stamp, .. } => stamp,
            _ => {
                // It ends the run: the `version` too that a connection puts in between by itself.
                self.runs.remove(&link);
                return command.begun;
            }
        };
        let Some(part) = self.part_mut(serial) else { return command.begun };
        let (given, what) = (part.given, part.what);
        let (client, losses) = (part.client, part.losses);
        if !matches!(what, What::Store(_) | What::Delete | What::Touch) {
            self.runs.remove(&link);
            return command.begun;
        }
        let most = MAX_RUN_LEN.min(self.limits.window / 2);
        let new = || Run { given, what, commands: VecDeque::new(), len: 0 };
        // What has gone to another connection joins what is there of its call, of whichever part.
        let moved = losses < self.losses[client];
        let run = self.runs.entry(link).or_insert_with(new);
        let same = run.given == given || moved && run.given.call == given.call;
        if !same || run.what != what {
            *run = new();
        }
        run.commands.push_back((command.begun, command.len));
        run.len += command.len;
        // Where a run ends is not to be seen here, as what did not fit any more may have gone over another
        // connection: it has begun with none that it would be too long with.
        while run.len > most && run.commands.len() > 1 {
            run.len -= run.commands.pop_front().map_or(0, |(_, len)| len);
        }
        run.commands.front().map_or(command.begun, |&(begun, _)| begun)
    }

    /// A command was handed over whole, of which the first byte went in the event `since`.
    fn begin(&mut self, place: &Place, tag: Tag, since: u64, digest: u64) {
        let Tag::Serial(serial) = tag else {
            let plain = self.plains.entry((place.client, tag)).or_default();
            plain.begun += u32::from(!place.refused);
            plain.refused += u32::from(place.refused);
            return;
        };
        let Some(part) = self.part_mut(serial) else {
            return self.breaks(checks::SUBMITTED, format!("nobody asked for number {serial}"));
        };
        part.begun += u32::from(!place.refused);
        part.refused += u32::from(place.refused);
        let wanted = part.digest;
        let (begun, limit, losses) = (part.begun, part.limit, part.losses);
        let (client, denied, what) = (part.client, part.denied, part.what);
        let late = part.ended.is_some_and(|ended| ended < since);
        let named = format!("{what:?}, number {serial} of client {client},");
        if wanted.is_some_and(|wanted| wanted != digest) {
            self.breaks(checks::SUBMITTED, format!("{named} is sent in other words"));
        } else if client != place.client {
            self.breaks(checks::SUBMITTED, format!("{named} is sent by client {}", place.client));
        } else if denied && !place.refused {
            self.breaks(checks::NOT_SENT, format!("{named} was said not to be sent, and is"));
        } else if late {
            self.breaks(checks::WITHDRAWN, format!("{named} had ended, and is sent"));
        } else if begun > limit {
            self.breaks(checks::ONCE, format!("{named} is sent {begun} times"));
        } else if let Some(wire) = self.wires.get_mut(&place.link) {
            // What had waited for another connection, or to be made again, stands behind what has not.
            let moved = losses < self.losses[place.client] || self.retries > 0;
            let last = wire.last_serial;
            if !moved {
                wire.last_serial = last.max(serial);
            }
            if serial < last && !moved {
                self.breaks(checks::SUBMITTED, format!("{named} is sent behind number {last}"));
            }
        }
    }
}

fn who(place: &Place) -> String {
    format!("client {} -> server {} #{}", place.client, place.server, place.link)
}

/// Whether a server says, or does not deny, that it has done what it was asked.
fn is_done(reply: &[u8]) -> bool {
    let not: [&[u8]; 8] =
        [b"NOT_", b"EXISTS", b"EN", b"NF", b"NS", b"EX", b"ERROR", b"CLIENT_ERROR"];
    !not.iter().any(|not| reply.starts_with(not)) && !reply.starts_with(b"SERVER_ERROR")
}

impl Judge {
    /// Something happened at a server that nobody asked for.
    pub(crate) fn happens(&mut self, server: usize, what: crate::history::What) {
        self.event += 1;
        self.history.happenings.push(Happening { at: self.event, server, what });
    }
}
