//! What everybody did and said, and whether it fits.

use std::collections::{BTreeMap, VecDeque};

use memcache_proto::Limits;
use memcache_proto::client::{Delivery, Failure, FailureKind, Reply};

use crate::callers::{Draft, Shape, What, is_of};
use crate::checks;
use crate::network::{Place, Watch};
use crate::report::Broken;
use crate::said::Said;
use crate::server::Step;
use crate::trace::{Trace, shown};
use crate::wire::{Tag, Wire, tags_of};

/// The number of the first request.
const FIRST: u64 = 1000;

/// Watches the network, and judges what callers are told by what it saw.
pub(crate) struct Judge {
    pub(crate) trace: Trace,
    pub(crate) broken: Option<Broken>,
    /// The bounds of the clients.
    limits: Limits,
    resend_stores: bool,
    flushes: bool,
    merges: bool,
    servers: usize,
    /// Which servers ever had anything wrong with them, or lied.
    pub(crate) blamed: Vec<bool>,
    pub(crate) lied: Vec<bool>,
    event: u64,
    parts: Vec<Part>,
    plains: BTreeMap<(usize, Tag), Plain>,
    pub(crate) wires: BTreeMap<u64, Wire>,
}

/// A request about one key, or to all servers.
struct Part {
    client: usize,
    key: Vec<u8>,
    what: What,
    tag: Tag,
    noreply: bool,
    /// How often it may be sent.
    limit: u32,
    submitted: u64,
    /// When it ended, and whether it was said then not to have been sent.
    ended: Option<u64>,
    denied: bool,
    /// How often it was handed over whole, of that to servers that read nothing, and how often a server
    /// has handled it.
    begun: u32,
    refused: u32,
    handled: u32,
    told: VecDeque<Telling>,
}

/// Requests that look the same on the wire.
#[derive(Default)]
struct Plain {
    limit: u32,
    denied: u32,
    begun: u32,
    told: VecDeque<Telling>,
}

/// What a server said, when, and whether it was to be believed.
struct Telling {
    event: u64,
    honest: bool,
    said: Said,
}

impl Judge {
    pub(crate) fn new(
        trace: Trace,
        settings: &memcache_proto::client::Settings,
        servers: usize,
    ) -> Self {
        Judge {
            trace,
            broken: None,
            limits: settings.limits,
            resend_stores: settings.resend_stores,
            flushes: settings.flush_on_reconnect,
            merges: settings.merge_gets,
            servers,
            blamed: vec![false; servers],
            lied: vec![false; servers],
            event: 0,
            parts: Vec::new(),
            plains: BTreeMap::new(),
            wires: BTreeMap::new(),
        }
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

    /// A request is about to be submitted.
    pub(crate) fn submit(&mut self, client: usize, shape: Shape, draft: &Draft, prefix: &[u8]) {
        self.event += 1;
        let wire_key = [prefix, &draft.key].concat();
        let tag = draft.tag(wire_key.clone());
        let times = if draft.is_read() || self.resend_stores { 2 } else { 1 };
        let servers = if shape == Shape::Servers { self.servers } else { 1 };
        let limit = times * u32::try_from(servers).unwrap_or(u32::MAX);
        if !matches!(tag, Tag::Serial(_)) {
            self.plains.entry((client, tag.clone())).or_default().limit += limit;
        }
        self.parts.push(Part {
            client,
            key: draft.key.clone(),
            what: draft.what,
            tag,
            noreply: draft.noreply,
            limit,
            submitted: self.event,
            ended: None,
            denied: false,
            begun: 0,
            refused: 0,
            handled: 0,
            told: VecDeque::new(),
        });
    }

    fn part(&self, serial: u64) -> Option<&Part> {
        self.parts.get(usize::try_from(serial.checked_sub(FIRST)?).ok()?)
    }

    fn part_mut(&mut self, serial: u64) -> Option<&mut Part> {
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

    /// A request was not taken in.
    pub(crate) fn reject(&mut self, serial: u64) {
        self.deny(serial);
        self.withdraw(serial);
    }

    /// A request is said not to have been sent.
    fn deny(&mut self, serial: u64) {
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

    /// What the caller of a request was told.
    pub(crate) fn end(&mut self, serial: u64, result: Result<&Reply, &Failure>) {
        self.event += 1;
        let event = self.event;
        let Some(part) = self.part_mut(serial) else { return };
        part.ended = Some(event);
        match result {
            Ok(reply) => self.answered(serial, reply),
            Err(failure) => self.failed(serial, failure),
        }
    }

    fn answered(&mut self, serial: u64, reply: &Reply) {
        let Some(part) = self.part(serial) else { return };
        let (client, tag, submitted) = (part.client, part.tag.clone(), part.submitted);
        let (key, what, begun) = (part.key.clone(), part.what, part.begun);
        if *reply == Reply::Sent {
            if !part.noreply || matches!(tag, Tag::Serial(_)) && begun + part.refused == 0 {
                let seen = format!("{what:?} of {} is sent, {begun} times", shown(&key));
                self.breaks(checks::ANSWERED, seen);
            }
            return;
        }
        let told = match tag {
            Tag::Serial(_) => self.part_mut(serial).map(|part| &mut part.told),
            _ => self.plains.get_mut(&(client, tag)).map(|plain| &mut plain.told),
        };
        let found = told.and_then(|told| {
            let fits = |one: &Telling| one.event >= submitted && one.said.agrees(reply);
            let at = told.iter().position(fits)?;
            told.remove(at)
        });
        let Some(found) = found else {
            let seen = format!(
                "client {client} was told {} of {what:?} of {} (number {serial}), and no server said so",
                shown(format!("{reply:?}").as_bytes()),
                shown(&key),
            );
            return self.breaks(checks::ANSWERED, seen);
        };
        if let (true, Said::Item { value, .. }) = (found.honest, &found.said) {
            if !key.starts_with(b"n") && !is_of(&key, value) {
                let seen = format!("{} has the value {}", shown(&key), shown(value));
                self.breaks(checks::OWN_VALUE, seen);
            }
        }
    }

    fn failed(&mut self, serial: u64, failure: &Failure) {
        let Some(part) = self.part(serial) else { return };
        let (client, tag, begun) = (part.client, part.tag.clone(), part.begun + part.refused);
        let honest = failure.server.is_none_or(|server| !self.lied[server.index()]);
        if let (true, FailureKind::Protocol(violation)) = (honest, &failure.kind) {
            let seen = format!("{tag:?}: the server is said to have sent {violation}");
            self.breaks(checks::HONEST, seen);
        }
        match failure.delivery {
            Delivery::NotSent => self.deny(serial),
            Delivery::Unanswered => {
                let partly =
                    self.wires.values().any(|wire| wire.client == client && wire.has_part());
                if matches!(tag, Tag::Serial(_)) && begun == 0 && !partly {
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

    /// What has to hold of all requests at the end.
    pub(crate) fn count_all(&mut self) {
        let (flushes, merges) = (self.flushes, self.merges);
        let too_many = self.plains.iter().find(|((_, tag), plain)| {
            // The client asks for the version by itself, and flushes if it is to.
            let own = *tag == Tag::Version || flushes && *tag == Tag::Flush;
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
    }
}

impl Watch for Judge {
    fn opened(&mut self, place: &Place) {
        self.event += 1;
        let wire = Wire::new(place.client);
        self.wires.insert(place.link, wire);
        self.trace.note(place.now, 1, &[place.link], b"", || (who(place), "is open".into()));
    }

    fn moved(&mut self, place: &Place) {
        self.event += 1;
        if let Some(wire) = self.wires.get_mut(&place.link) {
            wire.client = place.client;
        }
        self.trace.note(place.now, 2, &[place.link], b"", || (who(place), "takes it over".into()));
    }

    fn closed(&mut self, place: &Place) {
        self.event += 1;
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
        for command in heard {
            for tag in command.tags {
                self.begin(place, tag, command.begun);
            }
        }
    }

    fn received(&mut self, place: &Place, bytes: &[u8]) {
        self.event += 1;
        let event = self.event;
        self.trace.note(place.now, 5, &[place.link], bytes, || {
            let what = if bytes.is_empty() { "the end".into() } else { shown(bytes) };
            (format!("{} <-", who(place)), what)
        });
        let limits = self.limits;
        let Some(wire) = self.wires.get_mut(&place.link) else { return };
        let (client, honest) = (wire.client, place.honest);
        for told in wire.say(bytes, &limits) {
            let telling = Telling { event, honest, said: told.said };
            match told.tag {
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
        for tag in tags_of(&step.command) {
            let Tag::Serial(serial) = tag else { continue };
            let Some(part) = self.part_mut(serial) else { continue };
            part.handled += 1;
            let (times, limit, denied) = (part.handled, part.limit, part.denied);
            if denied || times > limit {
                let seen = format!("number {serial} was handled {times} times of {limit}");
                self.breaks(if denied { checks::NOT_SENT } else { checks::ONCE }, seen);
            }
        }
    }

    fn spins(&mut self, client: usize, what: &str) {
        self.breaks(checks::SPINS, format!("client {client}: {what}"));
    }
}

impl Judge {
    /// A command was handed over whole, of which the first byte went in the event `since`.
    fn begin(&mut self, place: &Place, tag: Tag, since: u64) {
        let Tag::Serial(serial) = tag else {
            let plain = self.plains.entry((place.client, tag)).or_default();
            plain.begun += u32::from(!place.refused);
            return;
        };
        let Some(part) = self.part_mut(serial) else {
            return self.breaks(checks::SUBMITTED, format!("nobody asked for number {serial}"));
        };
        part.begun += u32::from(!place.refused);
        part.refused += u32::from(place.refused);
        let (begun, limit) = (part.begun, part.limit);
        let (client, denied, what) = (part.client, part.denied, part.what);
        let late = part.ended.is_some_and(|ended| ended < since);
        let named = format!("{what:?}, number {serial} of client {client},");
        if client != place.client {
            self.breaks(checks::SUBMITTED, format!("{named} is sent by client {}", place.client));
        } else if denied && !place.refused {
            self.breaks(checks::NOT_SENT, format!("{named} was said not to be sent, and is"));
        } else if late {
            self.breaks(checks::WITHDRAWN, format!("{named} had ended, and is sent"));
        } else if begun > limit {
            self.breaks(checks::ONCE, format!("{named} is sent {begun} times"));
        }
    }
}

fn who(place: &Place) -> String {
    format!("client {} -> server {} #{}", place.client, place.server, place.link)
}
