//! The places for connections, and which of them have anything to do.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Index, IndexMut, Range};

use super::closing::Cause;
use super::login::Login;
use super::stream::Stream;
use super::{Cluster, ConnectionId, OperationId, Wants};
use crate::Time;
use crate::routing::{Health, Question, ServerIndex};

/// The place for each connection that a client may have. Those of one server stand together.
///
/// A call must cost the same however many servers there are, so nothing here looks at all slots but what
/// concerns all of them. A slot is made when it is first changed, and the slots are told apart:
///
/// * *at rest*: there is nothing to do, and nothing is awaited;
/// * *busy*: not at rest when it was last looked at, and unchanged since;
/// * *touched*: it may have changed since it was last looked at.
///
/// The only way to change a slot is [`get_mut`](Self::get_mut), or `slots[at]`, which counts as touching it.
/// So no change can be missed. Touched slots are looked at whenever something is asked of all; when there are
/// more than a few, [`settle`](Self::settle) sorts them again.
pub(super) struct Slots {
    cluster: Arc<Cluster>,
    places: Vec<Place>,
    /// What a slot looks like that has not been made. Its id is no slot's.
    unmade: Box<Slot>,
    touched: Vec<u32>,
    busy: Vec<u32>,
    /// No busy slot is due before; `None` if none of them is due at any time.
    due: Option<Time>,
    /// How many of the busy ones are full.
    full: usize,
    #[cfg(test)]
    visits: Visits,
}

/// So many touched slots are left as they are: they are soon touched again.
const FEW: usize = 8;

struct Place {
    /// `None` if it was never changed.
    slot: Option<Box<Slot>>,
    mark: Mark,
}

#[derive(Clone, Copy)]
enum Mark {
    AtRest,
    Touched,
    Busy {
        /// Where it stands in [`Slots::busy`].
        at: u32,
        is_full: bool,
    },
}

/// A place for one connection to one server.
pub(super) struct Slot {
    pub(super) id: ConnectionId,
    pub(super) state: State,
    pub(super) stream: Stream,
    /// How often in a row a connection here ended without a reply and without having been idle.
    pub(super) strikes: u8,
    /// When there last was progress.
    pub(super) active_at: Time,
    /// The operation that tries whether the dead server is back, for as long as that is not known.
    pub(super) probe: Option<OperationId>,
    /// Whether these actions have been given and not been answered.
    pub(super) transmitting: bool,
    pub(super) receiving: bool,
    /// Whether it is to be looked at before anything is written.
    pub(super) look: bool,
    /// When the first of the connects began that what waits here has needed, and the question whether the
    /// server has answered anybody since the last of them.
    pub(super) began: Option<Time>,
    pub(super) question: Option<Question>,
    /// Why it has to wait, if it does.
    pub(super) why: Option<Cause>,
    /// When the connect has taken so long that somebody else's connection would do as well.
    pub(super) spare_at: Option<Time>,
    /// Whether it would, by now.
    pub(super) awaits: bool,
    /// The login that is under way on a connection that has been made.
    pub(super) login: Option<Box<Login>>,
    /// Whether it is the one to find out whether a server that has refused a login still does.
    pub(super) tries_login: bool,
    /// In the first slot of a server: at which of its slots a request was queued last.
    pub(super) queued_at: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Closed,
    /// The deadline is set when the adapter takes the connect up.
    Connecting {
        deadline: Option<Time>,
    },
    /// For a connection of somebody else's, or for the time to try again.
    Waiting {
        until: Time,
        deadline: Time,
    },
    Open,
}

impl Slots {
    /// All of them at rest.
    pub(super) fn new(cluster: Arc<Cluster>) -> Self {
        let len = cluster.servers().len() * cluster.settings().connections_per_server;
        let nobody = ServerIndex::new(u32::MAX);
        let id = ConnectionId { server: nobody, slot: u32::MAX, generation: 0 };
        Slots {
            places: (0..len).map(|_| Place { slot: None, mark: Mark::AtRest }).collect(),
            unmade: Box::new(Slot::new(id, &cluster)),
            cluster,
            touched: Vec::new(),
            busy: Vec::new(),
            due: None,
            full: 0,
            #[cfg(test)]
            visits: Visits::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// `None` beyond the last.
    pub(super) fn get(&self, at: usize) -> Option<&Slot> {
        self.places.get(at).map(|place| self.view(place))
    }

    /// To change it. `None` beyond the last.
    #[inline]
    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Slot> {
        if !matches!(self.places.get(at)?.mark, Mark::Touched) {
            self.touch(at);
        }
        self.places.get_mut(at)?.slot.as_deref_mut()
    }

    /// Those of a range; none if it goes beyond the last.
    pub(super) fn of(&self, range: Range<usize>) -> impl Iterator<Item = &Slot> {
        let places = self.places.get(range).unwrap_or_default();
        places.iter().map(|place| self.view(place))
    }

    /// Whether all are at rest.
    pub(super) fn are_at_rest(&self) -> bool {
        self.busy.is_empty() && self.touched().all(Slot::is_at_rest)
    }

    /// Those that are not at rest, in order.
    pub(super) fn at_work(&mut self) -> Vec<usize> {
        self.sort_touched();
        self.busy_where(|_| true)
    }

    /// When the first of them is due, or somewhat earlier: a busy slot that is due later than it was has not
    /// been looked at again. `None` if none is due at any time.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.touched().filter_map(|slot| self.due_of(slot)).chain(self.due).min()
    }

    /// Those that are due by now, in order. What [`next_due`](Self::next_due) says after is later than `now`
    /// unless one of these still is due.
    pub(super) fn due_by(&mut self, now: Time) -> Vec<usize> {
        if self.next_due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        self.sort_touched();
        let late = self.busy_where(|due| due.is_some_and(|due| due <= now));
        late.iter().for_each(|&at| self.touch(at));
        let busy = self.busy.iter().map(|&at| &self[place(at)]);
        self.due = busy.filter_map(|slot| self.due_of(slot)).min();
        late
    }

    /// Whether [`Limits::backlog`](crate::Limits::backlog) or more waits at each slot of some server.
    pub(super) fn is_any_server_full(&self) -> bool {
        if self.full == 0 && !self.touched().any(|slot| self.is_full(slot)) {
            return false;
        }
        let each = self.cluster.settings().connections_per_server;
        let mut servers = (0..self.len()).step_by(each.max(1)).map(|first| first..first + each);
        each == 1 || servers.any(|slots| self.of(slots).all(|slot| self.is_full(slot)))
    }

    /// Looks at the touched slots, if they are more than a few, so that nobody who asks has to. Call it now and
    /// then: it costs no more than the changes did.
    #[inline]
    pub(super) fn settle(&mut self) {
        if self.touched.len() > FEW {
            self.sort_touched();
        }
    }

    fn view<'a>(&'a self, place: &'a Place) -> &'a Slot {
        #[cfg(test)]
        self.visits.count();
        place.slot.as_deref().unwrap_or(&self.unmade)
    }

    fn touched(&self) -> impl Iterator<Item = &Slot> {
        self.touched.iter().map(|&at| &self[place(at)])
    }

    fn is_full(&self, slot: &Slot) -> bool {
        // Where nothing waits there is room.
        slot.stream.connection.queued_bytes() >= self.cluster.settings().limits.backlog.max(1)
    }

    /// When a slot is due to be seen to.
    fn due_of(&self, slot: &Slot) -> Option<Time> {
        match slot.state {
            State::Closed => None,
            State::Connecting { deadline } => deadline.into_iter().chain(slot.spare_at).min(),
            State::Waiting { until, deadline } => Some(until.min(deadline)),
            State::Open => {
                let connection = &slot.stream.connection;
                let waits = connection.awaits_reply() || connection.wants_transmit();
                waits.then(|| slot.active_at + self.cluster.settings().socket_timeout)
            }
        }
    }

    /// Those of the busy ones that are due at such a time, in order.
    fn busy_where(&self, is_wanted: impl Fn(Option<Time>) -> bool) -> Vec<usize> {
        let busy = self.busy.iter().map(|&at| place(at));
        let mut found: Vec<_> = busy.filter(|&at| is_wanted(self.due_of(&self[at]))).collect();
        found.sort_unstable();
        found
    }

    /// Notes that a slot may change, and makes it if need be.
    fn touch(&mut self, at: usize) {
        #[cfg(test)]
        self.visits.count();
        let Slots { cluster, places, .. } = self;
        let Some(place) = places.get_mut(at) else { return };
        place.slot.get_or_insert_with(|| Box::new(Slot::new(id(at, cluster), cluster)));
        match core::mem::replace(&mut place.mark, Mark::Touched) {
            Mark::Touched => return,
            Mark::AtRest => {}
            Mark::Busy { at, is_full } => {
                self.full -= usize::from(is_full);
                self.take_off(at);
            }
        }
        self.touched.push(number(at));
    }

    /// Takes one off the busy ones. The last of them takes its place there.
    fn take_off(&mut self, hole: u32) {
        self.busy.swap_remove(place(hole));
        if let Some(&moved) = self.busy.get(place(hole)) {
            if let Mark::Busy { at, .. } = &mut self.places[place(moved)].mark {
                *at = hole;
            }
        }
        if self.busy.is_empty() {
            self.due = None;
        }
    }

    /// Looks at each touched slot: it is at rest or busy.
    fn sort_touched(&mut self) {
        while let Some(at) = self.touched.pop() {
            let slot = &self[place(at)];
            let mark = match slot.is_at_rest() {
                true => Mark::AtRest,
                false => {
                    let (due, is_full) = (self.due_of(slot), self.is_full(slot));
                    self.due = due.into_iter().chain(self.due).min();
                    self.full += usize::from(is_full);
                    self.busy.push(at);
                    Mark::Busy { at: number(self.busy.len() - 1), is_full }
                }
            };
            self.places[place(at)].mark = mark;
        }
    }
}

/// The id of a slot before its first connection.
fn id(at: usize, cluster: &Cluster) -> ConnectionId {
    let server = at / cluster.settings().connections_per_server;
    ConnectionId { server: ServerIndex::new(number(server)), slot: number(at), generation: 0 }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Index<usize> for Slots {
    type Output = Slot;

    #[inline]
    fn index(&self, at: usize) -> &Slot {
        self.view(&self.places[at])
    }
}

impl IndexMut<usize> for Slots {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut Slot {
        self.get_mut(at).expect("the slots of a server are places of its cluster's clients")
    }
}

impl Slot {
    fn new(id: ConnectionId, cluster: &Cluster) -> Self {
        let settings = cluster.settings();
        Slot {
            id,
            state: State::Closed,
            stream: Stream::new(settings.limits, settings.merge_gets),
            strikes: 0,
            active_at: Time::ZERO,
            probe: None,
            transmitting: false,
            receiving: false,
            look: false,
            began: None,
            question: None,
            why: None,
            spare_at: None,
            awaits: false,
            login: None,
            tries_login: false,
            queued_at: u32::MAX,
        }
    }

    /// What its connection has to do at the moment.
    #[inline]
    pub(super) fn wants(&self) -> Wants {
        match (self.state, &self.login) {
            (State::Open, _) => Wants {
                look: self.look,
                transmit: !self.look && self.stream.connection.wants_transmit(),
                receive: self.stream.connection.awaits_reply(),
            },
            (_, Some(login)) => {
                Wants { look: false, transmit: !login.unsent().is_empty(), receive: true }
            }
            _ => Wants::default(),
        }
    }

    /// Whether nothing is to be done here, and nothing is awaited.
    fn is_at_rest(&self) -> bool {
        match self.state {
            State::Closed => true,
            State::Connecting { .. } | State::Waiting { .. } => false,
            // Half of a line that nobody waits for is looked into before the next request.
            State::Open => self.stream.connection.is_unasked(),
        }
    }

    /// Whether the server has answered anybody since the last of the connects that what waits here has
    /// needed.
    pub(super) fn is_answered(&self, health: &Health) -> bool {
        self.question.is_some_and(|asked| health.is_answered(self.id.server, asked))
    }
}

impl State {
    pub(super) fn is_connecting(self) -> bool {
        matches!(self, State::Connecting { .. })
    }
}

/// How many slots were looked at or touched.
#[cfg(test)]
#[derive(Default)]
struct Visits(portable_atomic::AtomicUsize);

#[cfg(test)]
impl Visits {
    fn count(&self) {
        self.0.fetch_add(1, portable_atomic::Ordering::Relaxed);
    }

    fn counted(&self) -> usize {
        self.0.load(portable_atomic::Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use core::time::Duration;

    use super::*;
    use crate::Key;
    use crate::client::{Action, Client, Operation, RoutedKey, Settings};
    use crate::routing::{Server, ServerAddress};

    const NOW: Time = Time::from_millis(1);

    #[test]
    fn a_call_visits_no_slot_of_a_server_that_it_does_not_touch() {
        let most_visits = |servers: usize| {
            let mut client = client(servers);
            // Each server once, for its connection to be made, and once more.
            let calls = (0..2 * servers).map(|at| {
                let before = client.slots.visits.counted();
                get(&mut client, at % servers);
                (at, client.slots.visits.counted() - before)
            });
            calls.filter(|&(at, _)| at >= servers).map(|(_, visits)| visits).max()
        };
        let few = most_visits(20);
        assert!(few.is_some_and(|few| few < 200), "{few:?}");
        assert_eq!(most_visits(1000), few);
    }

    #[test]
    fn a_call_visits_no_slot_that_waits_for_a_reply_to_another() {
        let visits = |busy: usize| {
            let mut client = client(1000);
            let number = |number: usize| i64::try_from(number).unwrap();
            let key = Key::new("foo").unwrap();
            let keys: Vec<_> = (0..busy).map(|at| RoutedKey::from((number(at), key))).collect();
            client.submit(Operation::GetMany { keys: &keys, cas: false }, NOW).unwrap();
            while let Some(action) = client.poll_action(NOW) {
                match action {
                    Action::Receive(_) => {} // there is no reply
                    action => act(&mut client, action),
                }
            }
            assert_eq!(client.slots.at_work().len(), busy);
            let before = client.slots.visits.counted();
            get(&mut client, 999);
            client.slots.visits.counted() - before
        };
        assert_eq!(visits(900), visits(9));
    }

    #[test]
    fn a_slot_is_made_when_it_is_needed() {
        assert!(size_of::<Place>() <= 16);
        let mut client = client(1000);
        let made = |client: &Client| {
            client.slots.places.iter().filter(|place| place.slot.is_some()).count()
        };
        get(&mut client, 7);
        client.reset(NOW);
        client.quit_all(NOW);
        client.disconnect_all(NOW);
        assert_eq!(made(&client), 1);
    }

    /// Beside a scan of all slots: changes at random, of states whose time may be sooner or later.
    #[test]
    fn what_is_due_and_at_work_is_never_missed() {
        let mut random: u64 = 1;
        let mut below = |end: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % end
        };
        let mut client = client(40);
        let slots = &mut client.slots;
        let mut now = Time::ZERO;
        for step in 0..20_000 {
            for _ in 0..below(20) {
                let time = now + Duration::from_millis(below(3000));
                let state = match below(4) {
                    0 => State::Waiting { until: time, deadline: time },
                    1 => State::Connecting { deadline: Some(time) },
                    2 => State::Connecting { deadline: None },
                    _ => State::Closed,
                };
                slots[usize::try_from(below(40)).unwrap()].state = state;
            }
            let at_work: Vec<_> = (0..40).filter(|&at| !slots[at].is_at_rest()).collect();
            let dues = (0..40).filter_map(|at| Some((at, slots.due_of(&slots[at])?)));
            let dues: Vec<_> = dues.collect();
            let first = dues.iter().map(|&(_, due)| due).min();
            assert_eq!(slots.are_at_rest(), at_work.is_empty(), "{step}");
            assert!(first.is_none() || slots.next_due().is_some_and(|due| Some(due) <= first));
            assert!(slots.next_due().is_none() || !at_work.is_empty(), "{step}");
            match below(3) {
                0 => slots.settle(),
                1 => assert_eq!(slots.at_work(), at_work, "{step}"),
                _ => {
                    now = Time::from_millis(step);
                    let late = dues.iter().filter(|&&(_, due)| due <= now).map(|&(at, _)| at);
                    let late: Vec<_> = late.collect();
                    assert_eq!(slots.due_by(now), late, "{step}");
                    late.iter().for_each(|&at| slots[at].state = State::Closed);
                    assert!(slots.next_due().is_none_or(|due| due > now), "{step}");
                }
            }
        }
    }

    /// Beside a scan of all servers: calls at random, and sockets that take what they are given sooner or later.
    #[test]
    fn a_full_server_is_never_missed() {
        let mut random: u64 = 1;
        let mut below = |end: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % end
        };
        for connections_per_server in [1, 2] {
            let mut settings = Settings { connections_per_server, ..Settings::default() };
            settings.limits.backlog = 40;
            let mut client = client_with(12, settings);
            let (mut actions, mut seen) = (Vec::new(), [0; 2]);
            for step in 0..3_000 {
                // Many calls for a while, then none.
                let calls = if step % 100 < 30 { below(20) } else { 0 };
                for _ in 0..calls {
                    let key = (i64::try_from(below(12)).unwrap(), Key::new("foo").unwrap());
                    let get = Operation::Get { key: key.into(), cas: false };
                    client.submit(get, NOW).unwrap();
                }
                let mut servers = (0..12).map(ServerIndex::new);
                let crowded = servers.any(|server| client.queued_bytes(server) >= 40);
                assert_eq!(client.is_crowded(), crowded, "{step}");
                seen[usize::from(crowded)] += 1;
                while let Some(action) = client.poll_action(NOW) {
                    actions.push(action);
                }
                let (now, later) = actions.drain(..).partition(|_| below(3) == 0);
                actions = later;
                Vec::into_iter(now).for_each(|action| act(&mut client, action));
            }
            assert!(seen.iter().all(|&times| times > 100), "{seen:?}");
        }
    }

    fn client(servers: usize) -> Client {
        client_with(servers, Settings::default())
    }

    fn client_with(servers: usize, settings: Settings) -> Client {
        let address =
            |number| format!("127.0.0.1:{}", 1 + number).parse::<ServerAddress>().unwrap();
        let servers = (0..servers).map(|number| Server::from(address(number))).collect();
        Client::new(Arc::new(Cluster::new(servers, settings).unwrap()))
    }

    /// A get of a key that the server does not have, with all that an adapter asks.
    fn get(client: &mut Client, server: usize) {
        let key = Key::new("foo").unwrap();
        let key = RoutedKey::from((i64::try_from(server).unwrap(), key));
        let id = client.submit(Operation::Get { key, cas: false }, NOW).unwrap();
        while !client.is_done(id) {
            while let Some(action) = client.poll_action(NOW) {
                assert!(client.poll_timeout().is_some_and(|due| due > NOW));
                act(client, action);
            }
            client.handle_timeout(NOW);
        }
        core::hint::black_box((client.is_idle(), client.is_crowded()));
        assert!(client.take(id).is_some());
    }

    fn act(client: &mut Client, action: Action) {
        match action {
            Action::Connect { connection, .. } => client.connected(connection, NOW),
            Action::Transmit(connection) => {
                let len = client.transmit(connection).len();
                client.transmitted(connection, len, NOW);
            }
            Action::Receive(connection) => {
                client.receive_buffer(connection)[..5].copy_from_slice(b"END\r\n");
                client.received(connection, 5, NOW);
            }
            Action::Look(_) | Action::Await(_) | Action::Close(_) => {}
        }
    }
}
