//! The network: it drives clients against servers, under a clock that stands still until nothing else can
//! happen.

use std::time::Duration;

use memcache_proto::Time;
use memcache_proto::routing::ConnectFailure;

use crate::conduct::Conduct;
use crate::hostile::Liar;
use crate::link::{End, Link};
use crate::server::{Mode, SimServer, Step, reordered};
use crate::sharing::LateShare;
use crate::simulated::{Simulated, Want};
use crate::source::{Choose, Source};

/// Clients and servers, and the connections between them.
pub struct Network<C: Simulated> {
    /// The time. It moves in [`pass`](Network::pass) and [`jump`](Network::jump)
    /// only.
    pub now: Time,
    /// The clients.
    pub members: Vec<Member<C>>,
    /// The servers.
    pub servers: Vec<SimServer>,
    /// How bytes travel.
    pub conduct: Conduct,
    /// Until then the clients have no descriptors for more connections.
    pub short_until: Time,
    pub(crate) links: Vec<Link<C::Socket>>,
    next_link: u64,
    /// When somebody goes on who only waits for a time.
    pub(crate) alarm: Option<Time>,
    /// Who is to be offered another's connection, and when.
    pub(crate) late_shares: Vec<LateShare<C::Socket>>,
}

/// A client, and how it is driven.
pub struct Member<C> {
    /// The client.
    pub client: C,
    /// Which servers it knows, in its own order.
    pub servers: Vec<usize>,
    /// Those of the same group may share connections.
    pub group: usize,
    /// Whether it reads before it is asked to, as drivers that wait for readiness do.
    pub eager: bool,
    /// Whether it hands bytes over before they are written, as drivers that hear of completions do.
    pub completes: bool,
    /// Whether it reads to [`to_append`](Simulated::to_append) where it may, as drivers do that can read to
    /// memory without anything in it.
    pub appends: bool,
}

/// Where something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When.
    pub now: Time,
    /// The connection. No other ever has the same number.
    pub link: u64,
    /// The client.
    pub client: usize,
    /// The server.
    pub server: usize,
    /// Whether the server says on this connection what its store says, and nothing else.
    pub honest: bool,
    /// Whether the server takes it for one connection too many, says so, and reads nothing.
    pub refused: bool,
}

/// Somebody who is told what happens. All that each of these does is nothing, unless you say otherwise.
pub trait Watch {
    /// A connection has been made.
    fn opened(&mut self, _: &Place) {}
    /// The client has handed these bytes over, to be sent.
    fn handed_over(&mut self, _: &Place, _: &[u8]) {}
    /// The client is about to be given these bytes; none are the end of the stream.
    fn received(&mut self, _: &Place, _: &[u8]) {}
    /// The connection belongs to another client from now on: to that of the place.
    fn moved(&mut self, _: &Place) {}
    /// The client has closed the connection, or it was lost.
    fn closed(&mut self, _: &Place) {}
    /// The server has handled a command.
    fn handled(&mut self, _: &Place, _: &Step) {}
    /// The server has reset the connection.
    fn lost(&mut self, _: &Place) {}
    /// A client has lost or closed a connection, or could not make one: what waited for it moves on.
    fn failed(&mut self, _: usize) {}
    /// Something was done without end, and nothing came of it.
    fn spins(&mut self, _: usize, _: &str) {}
}

/// Nobody watches.
impl Watch for () {}

/// So many wishes of one client at one moment are too many.
const MOST_WANTS: usize = 20_000;

impl<C: Simulated> Network<C> {
    /// Clients and servers that are not connected yet.
    #[must_use]
    pub fn new(start: Time, members: Vec<Member<C>>, servers: Vec<SimServer>) -> Self {
        Network {
            now: start,
            members,
            servers,
            conduct: Conduct::default(),
            short_until: start,
            links: Vec::new(),
            next_link: 0,
            alarm: None,
            late_shares: Vec::new(),
        }
    }

    /// Does what there is to do at this moment, once around. Whether there was anything.
    pub fn step(&mut self, source: &mut dyn Source, watch: &mut dyn Watch) -> bool {
        let mut happened = false;
        for at in 0..self.members.len() {
            let mut wants = 0;
            while let Some(want) = self.members[at].client.poll_want(self.now) {
                self.act(at, want, source, watch);
                happened = true;
                wants += 1;
                if wants > MOST_WANTS {
                    watch.spins(at, "it wants something of the network without end");
                    return false;
                }
            }
        }
        happened |= self.share_late(source, watch);
        for at in 0..self.links.len() {
            happened |= self.open(at, watch);
            happened |= self.write(at, source, watch);
            happened |= self.serve(at, source, watch);
            happened |= self.read(at, source, watch);
        }
        self.links.retain(|link| !link.is_over());
        happened
    }

    /// Until nothing more happens at this moment.
    pub fn drive(&mut self, source: &mut dyn Source, watch: &mut dyn Watch) {
        const MOST_STEPS: usize = 2_000_000;
        for _ in 0..MOST_STEPS {
            if !self.step(source, watch) {
                return;
            }
        }
        watch.spins(0, "it never comes to rest");
    }

    /// When something happens next; `None` if nothing ever does.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        let links = self.links.iter().filter_map(|link| link.next(self.members[link.client].eager));
        let timeouts = self.members.iter().filter_map(|member| member.client.poll_timeout());
        let shares = self.late_shares.iter().map(|share| share.due);
        links.chain(timeouts).chain(shares).chain(self.alarm).min()
    }

    /// To the next moment at which something happens; false if there is none.
    pub fn pass(&mut self, watch: &mut dyn Watch) -> bool {
        let Some(next) = self.next() else { return false };
        self.now = self.now.max(next);
        self.handle_timeouts(watch);
        true
    }

    /// Lets the clock jump, without anything that would have happened meanwhile.
    pub fn jump(&mut self, time: Duration, watch: &mut dyn Watch) {
        self.now = self.now + time;
        self.handle_timeouts(watch);
    }

    /// Ends the connections of a server, in one way or another.
    pub fn end(&mut self, server: usize, how: End) {
        self.links.iter_mut().filter(|link| link.server == server).for_each(|link| link.end(how));
    }

    fn handle_timeouts(&mut self, watch: &mut dyn Watch) {
        for (at, member) in self.members.iter_mut().enumerate() {
            let client = &mut member.client;
            for round in 0.. {
                if client.poll_timeout().is_none_or(|due| due > self.now) {
                    break;
                }
                client.handle_timeout(self.now);
                if round > 100 {
                    watch.spins(at, "its timeout is always due");
                    break;
                }
            }
        }
    }

    pub(crate) fn place(&self, at: usize) -> Place {
        let link = &self.links[at];
        Place {
            now: self.now,
            link: link.number,
            client: link.client,
            server: link.server,
            honest: link.liar.is_none(),
            refused: link.refused,
        }
    }

    pub(crate) fn link_of(&self, client: usize, socket: C::Socket) -> Option<usize> {
        let is_it = |link: &Link<C::Socket>| link.client == client && link.socket == socket;
        self.links.iter().position(|link| is_it(link) && !link.left)
    }

    fn act(
        &mut self,
        at: usize,
        want: Want<C::Socket>,
        source: &mut dyn Source,
        watch: &mut dyn Watch,
    ) {
        match want {
            Want::Connect(socket, server) => self.connect(at, socket, server, source, watch),
            Want::Close(socket) => {
                if let Some(link) = self.link_of(at, socket) {
                    watch.closed(&self.place(link));
                    self.links[link].leave();
                } else {
                    watch.failed(at);
                }
            }
            Want::Share(socket, listed) => self.share_soon(at, socket, listed, source, watch),
            Want::Look(socket) => {
                let link = self.link_of(at, socket);
                if !link.is_some_and(|link| self.look(link, source, watch)) {
                    self.members[at].client.looked(socket, self.now);
                }
            }
            Want::Write(socket) => {
                if let Some(link) = self.link_of(at, socket) {
                    self.links[link].writing = true;
                }
            }
            Want::Read(socket) => {
                if let Some(link) = self.link_of(at, socket) {
                    self.links[link].reading = true;
                }
            }
        }
    }

    fn connect(
        &mut self,
        at: usize,
        socket: C::Socket,
        listed: usize,
        source: &mut dyn Source,
        watch: &mut dyn Watch,
    ) {
        if self.now < self.short_until {
            watch.failed(at);
            let reason = ConnectFailure::LocalShortage;
            return self.members[at].client.connect_failed(socket, reason, self.now);
        }
        let server = self.members[at].servers[listed];
        let open = self.links.iter().filter(|link| link.server == server && link.is_held()).count();
        let room = self.servers[server].room.filter(|(room, _)| open >= *room);
        let mode = room.map_or(self.servers[server].mode, |(_, mode)| mode);
        match mode {
            Mode::Refusing => {
                watch.failed(at);
                self.look_at_others(at, listed, source, watch);
                let reasons = [
                    ConnectFailure::Refused,
                    ConnectFailure::Unreachable,
                    ConnectFailure::TimedOut,
                    ConnectFailure::Other,
                ];
                let reason = reasons[source.below(8).saturating_sub(4)];
                self.members[at].client.connect_failed(socket, reason, self.now);
            }
            Mode::Hanging => {}
            Mode::Up | Mode::Silent | Mode::Full => {
                let opens_at = self.conduct.arrival(source, self.now);
                let number = self.next_link;
                self.next_link += 1;
                let mut link = Link::new(number, at, server, socket, opens_at);
                link.deaf = mode == Mode::Full || room.is_some();
                link.reset_after = self.servers[server].resets_after;
                if mode == Mode::Full {
                    link.refused = true;
                    link.say(opens_at, b"ERROR Too many open connections\r\n");
                    link.end(End::Eof);
                }
                if let Some(hostility) = self.servers[server].hostility.clone() {
                    let mut liar = Liar::new(hostility);
                    let greeting = liar.greet(source);
                    link.say(opens_at, &greeting);
                    link.liar = Some(liar);
                }
                self.links.push(link);
            }
        }
    }

    /// The connects that have come about.
    fn open(&mut self, at: usize, watch: &mut dyn Watch) -> bool {
        let link = &mut self.links[at];
        if link.opens_at.is_none_or(|opens_at| opens_at > self.now) || link.left {
            return false;
        }
        link.opens_at = None;
        let (client, socket) = (link.client, link.socket);
        watch.opened(&self.place(at));
        self.members[client].client.connected(socket, self.now);
        true
    }

    /// Lets the client of a connection write.
    fn write(&mut self, at: usize, source: &mut dyn Source, watch: &mut dyn Watch) -> bool {
        let link = &self.links[at];
        if link.left || link.opens_at.is_some() {
            return false;
        }
        let (client, socket) = (link.client, link.socket);
        if link.reset && link.writing {
            return self.lose(at, watch);
        }
        let place = self.place(at);
        let mut happened = false;
        if self.links[at].writing && self.links[at].handed.is_empty() {
            let Member { client: member, completes, .. } = &mut self.members[client];
            if *completes {
                // What is handed over is the kernel's, who writes it piece by piece.
                self.links[at].writing = false;
                watch_lent(watch, &place, member.to_write(socket));
                let handed = member.take_to_write(socket, self.now).unwrap_or_default();
                self.links[at].handed = handed;
                happened = true;
            } else {
                let link = &mut self.links[at];
                let bytes = member.to_write(socket);
                let jammed = self.conduct.jams && source.one_in(8);
                let room = self.conduct.buffer.saturating_sub(link.under_way());
                if bytes.is_empty() {
                    link.writing = false;
                    member.written(socket, 0, self.now);
                    return true;
                }
                if room == 0 {
                    return false;
                }
                let piece = self.conduct.piece(source);
                let len = if jammed { 0 } else { bytes.len().min(piece).min(room) };
                if len > 0 {
                    let arrival = self.conduct.arrival(source, self.now);
                    watch.handed_over(&place, &bytes[..len]);
                    link.send(arrival, &bytes[..len]);
                }
                link.writing = false;
                member.written(socket, len, self.now);
                happened = true;
            }
        }
        if !self.links[at].handed.is_empty() {
            let room = self.conduct.buffer.saturating_sub(self.links[at].under_way());
            let piece = self.conduct.piece(source).min(room);
            let arrival = self.conduct.arrival(source, self.now);
            happened |= self.links[at].send_handed(arrival, piece);
        }
        happened
    }

    /// Tells the client of a connection that the peer has reset it.
    fn lose(&mut self, at: usize, watch: &mut dyn Watch) -> bool {
        let place = self.place(at);
        let link = &mut self.links[at];
        let (client, socket) = (link.client, link.socket);
        watch.lost(&place);
        watch.closed(&place);
        link.leave();
        self.members[client].client.disconnected(socket, self.now);
        watch.failed(client);
        true
    }

    /// Lets the server of a connection read and answer.
    fn serve(&mut self, at: usize, source: &mut dyn Source, watch: &mut dyn Watch) -> bool {
        let place = self.place(at);
        let link = &mut self.links[at];
        let server = &mut self.servers[link.server];
        let mut happened = link.arrive(self.now);
        if link.deaf || server.mode == Mode::Silent {
            return happened;
        }
        let mut died = None;
        while let Some((mut step, closes)) = server.handle(&mut link.serving, self.now) {
            happened = true;
            if let Some(reply) = server.reorders.then(|| reordered(&step.reply, source)).flatten() {
                step.reply = reply;
            }
            watch.handled(&place, &step);
            let lie = link.liar.as_mut().map(|liar| liar.lie(source, &step.reply));
            let said = lie.as_deref().unwrap_or(&step.reply);
            let arrival = self.conduct.arrival(source, self.now) + server.delay;
            link.held.extend_from_slice(said);
            if let Some((left, how)) = &mut server.dies_after {
                *left = left.saturating_sub(1);
                died = (*left == 0).then_some(*how);
            }
            if closes || died.is_some() || !link.serving.awaits_value() {
                let said = core::mem::take(&mut link.held);
                link.say(arrival, &said);
            }
            if closes {
                link.end(End::Eof);
            }
            if closes || died.is_some() {
                break;
            }
        }
        if let Some(how) = link.ends_when_served.take() {
            link.end(how);
        }
        if let Some(how) = died {
            (server.mode, server.dies_after) = (Mode::Refusing, None);
            let server = link.server;
            self.end(server, how);
        }
        happened
    }

    /// Lets the client of a connection read.
    pub(crate) fn read(
        &mut self,
        at: usize,
        source: &mut dyn Source,
        watch: &mut dyn Watch,
    ) -> bool {
        let link = &self.links[at];
        if link.left || link.opens_at.is_some() {
            return false;
        }
        let (client, socket) = (link.client, link.socket);
        if !link.reading && !self.members[client].eager {
            return false;
        }
        if link.reset {
            return self.lose(at, watch);
        }
        let place = self.place(at);
        let piece = self.conduct.piece(source);
        let Member { client: member, appends, .. } = &mut self.members[client];
        // Now and then it cannot, and reads as others do.
        let appends = *appends && !source.one_in(8);
        let link = &mut self.links[at];
        let spare = if appends { member.to_append(socket) } else { None };
        let mut room = match spare {
            Some(spare) => Room::Spare(spare),
            None => Room::Space(member.to_read(socket)),
        };
        if room.len() == 0 {
            if let Room::Spare(_) = room {
                watch.spins(client, "it lends spare room that is none");
            }
            return false;
        }
        let most = room.len().min(piece);
        let Some(bytes) = link.take(self.now, most) else {
            if link.has_ended() {
                link.reading = false;
                link.told_end = true;
                watch.received(&place, b"");
                member.read(socket, 0, self.now);
                watch.failed(client);
                return true;
            }
            return false;
        };
        room.take(&bytes);
        link.reading = false;
        watch.received(&place, &bytes);
        member.read(socket, bytes.len(), self.now);
        let lends_spare = appends && member.to_append(socket).is_some();
        if !lends_spare && member.to_read(socket).is_empty() {
            watch.failed(client);
        }
        true
    }
}

/// Where a client reads to.
enum Room<'a> {
    Space(&'a mut [u8]),
    /// To append to, up to its capacity.
    Spare(&'a mut Vec<u8>),
}

impl Room<'_> {
    fn len(&self) -> usize {
        match self {
            Room::Space(space) => space.len(),
            Room::Spare(spare) => spare.capacity() - spare.len(),
        }
    }

    /// Reads these bytes to it: no more than its length.
    fn take(&mut self, bytes: &[u8]) {
        match self {
            Room::Space(space) => space[..bytes.len()].copy_from_slice(bytes),
            Room::Spare(spare) => {
                sometimes!("read to spare room");
                spare.extend_from_slice(bytes);
            }
        }
    }
}

/// Tells of bytes that are about to be handed over whole.
fn watch_lent(watch: &mut dyn Watch, place: &Place, bytes: &[u8]) {
    if !bytes.is_empty() {
        watch.handed_over(place, bytes);
    }
}
