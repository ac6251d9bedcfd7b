//! Callers whose calls take several steps: those who make a value that is not there, and those who change
//! one that others change too.
//!
//! They make the calls that the adapters make, of the same text. Each is a future, which orders one
//! operation after the other at its [`Desk`]; the world submits what is ordered, and polls the future again
//! when that has ended.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use memcache_proto::calls::{Answer, Call, Calls, Error, Fetched};
use memcache_proto::client::{Client, Cluster, Outcome, Settings};
use memcache_proto::routing::{Server, ServerAddress};
use memcache_proto::value::Raw;
use memcache_proto::{Expiry, Time};

use crate::callers;
use crate::checks;
use crate::requests::{Draft, Shape, is_of};
use crate::settings::AskKind;
use crate::world::World;

/// A caller who is at it.
pub(crate) struct Caller {
    pub(crate) client: usize,
    pub(crate) key: Vec<u8>,
    /// The number of the request that it waits for.
    pub(crate) waits_for: Option<u64>,
    /// When it goes on by itself.
    pub(crate) wakes: Option<Time>,
    desk: Rc<Desk>,
    future: Pin<Box<dyn Future<Output = Done>>>,
}

/// What a caller does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// `get_or_set_with`, by one of all who look.
    Share,
    /// `get_or_add`.
    Add,
    /// `update`.
    Update,
}

/// How a caller works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) work: Work,
    /// How long a value takes to be made, and whether it cannot be.
    pub(crate) takes: Duration,
    pub(crate) fails: bool,
    pub(crate) expiry: Expiry,
    /// A number that no other caller has.
    pub(crate) number: u64,
}

/// What it ends with: the value that it has, if any.
pub(crate) type Done = Option<Vec<u8>>;

/// What a caller wants next.
pub(crate) enum Next {
    Order(Draft),
    Pause(Duration),
    Nothing,
    Done(Done),
}

impl Caller {
    pub(crate) fn new(client: usize, calls: &Calls, key: Vec<u8>, manner: Manner) -> Self {
        let desk = Rc::new(Desk::default());
        let clerk = Clerk { calls: calls.clone(), home: home(), desk: desk.clone() };
        let future = Box::pin(work(clerk, key.clone(), manner));
        Caller { client, key, waits_for: None, wakes: None, desk, future }
    }

    /// Goes on, with the outcome of what it had ordered, if anything.
    pub(crate) fn go_on(&mut self, outcome: Option<Outcome>) -> Next {
        (self.waits_for, self.wakes) = (None, None);
        self.desk.outcome.replace(outcome);
        self.desk.rested.set(true);
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(done) = self.future.as_mut().poll(&mut context) {
            return Next::Done(done);
        }
        match (self.desk.order.take(), self.desk.pause.take()) {
            (Some(order), _) => Next::Order(order),
            (None, Some(pause)) => Next::Pause(pause),
            (None, None) => Next::Nothing,
        }
    }
}

impl World<'_> {
    /// One more caller begins a call of several steps.
    pub(crate) fn set_to_work(&mut self, kind: AskKind) {
        let Some(calls) = &self.calls else { return };
        let key = callers::key(&self.plan, self.source.below(3));
        let manner = callers::manner(kind, self.numbers, self.source);
        self.numbers += 1;
        let client = self.first + self.source.below(self.plan.members.len());
        self.callers.push(Caller::new(client, calls, key, manner));
        self.go_on(self.callers.len() - 1, None);
    }

    /// Has a caller of several steps go on.
    pub(crate) fn go_on(&mut self, at: usize, outcome: Option<Outcome>) {
        let caller = &mut self.callers[at];
        match caller.go_on(outcome) {
            Next::Order(draft) => {
                let (client, serial) = (caller.client, self.judge.next_serial());
                caller.waits_for = Some(serial);
                if self.submit(client, Shape::One, &mut [draft]) {
                    return;
                }
            }
            Next::Pause(pause) => {
                caller.wakes = Some(self.network.now + pause);
                return;
            }
            Next::Done(Some(value)) => {
                let key = caller.key.clone();
                if !is_of(&key, &value) && !self.judge.lied.contains(&true) {
                    let (key, value) = (key.escape_ascii(), value.escape_ascii());
                    let seen = format!("a call of several steps has {value} of {key}");
                    self.judge.breaks(checks::OWN_VALUE, seen);
                }
            }
            Next::Done(None) => {}
            Next::Nothing => self.judge.breaks(checks::ENDS, "a call waits for nothing".into()),
        }
        self.callers.swap_remove(at);
    }

    /// Has those go on who have waited for long enough.
    pub(crate) fn wake(&mut self) {
        let now = self.network.now;
        while let Some(at) =
            self.callers.iter().position(|caller| caller.wakes.is_some_and(|wakes| wakes <= now))
        {
            self.go_on(at, None);
        }
        self.network.alarm = self.callers.iter().filter_map(|caller| caller.wakes).min();
    }
}

/// What a caller and the world hand to each other.
#[derive(Default)]
struct Desk {
    order: RefCell<Option<Draft>>,
    outcome: RefCell<Option<Outcome>>,
    pause: Cell<Option<Duration>>,
    rested: Cell<bool>,
}

/// Makes the calls of a caller, in the place of an adapter.
struct Clerk {
    calls: Calls,
    home: Arc<Cluster>,
    desk: Rc<Desk>,
}

impl Clerk {
    fn calls(&self) -> &Calls {
        &self.calls
    }

    fn budget(&self, (): &()) -> &Self {
        self
    }

    memcache_proto::__steps!([async] [] self);

    memcache_proto::__recached!([async] self);

    async fn run<C: Call>(&self, call: C) -> Result<C::Output, Error> {
        let (_, answer) = call.submit(&self.calls, |operation| {
            self.desk.order.replace(Draft::ordered(&operation));
            // The world submits it. What it is called meanwhile is of no use to anybody.
            let id = Client::new(self.home.clone()).submit(operation, Time::ZERO);
            id.map_err(|rejected| Error::from(rejected.reason))
        })?;
        let outcome = poll_fn(|_| match self.desk.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => Poll::Pending,
        });
        answer.finish(outcome.await, &self.calls, |_| None)
    }

    async fn pause(&self, pause: Duration) {
        sometimes!("waited for a value");
        self.rest(pause).await;
    }

    async fn rest(&self, pause: Duration) {
        self.desk.pause.set(Some(pause));
        self.desk.rested.set(false);
        let rested = |_: &mut Context<'_>| match self.desk.rested.get() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        };
        poll_fn(rested).await;
    }
}

/// A cluster that nobody connects to.
fn home() -> Arc<Cluster> {
    let server = "10.0.0.0".parse::<ServerAddress>().map(Server::from).expect("an address");
    let settings = Settings::default();
    Arc::new(Cluster::new(vec![server], settings).expect("there is a server"))
}

/// Why no value could be made.
enum Trouble {
    Call,
    Making,
}

impl From<Error> for Trouble {
    fn from(_: Error) -> Self {
        Trouble::Call
    }
}

async fn work(clerk: Clerk, key: Vec<u8>, manner: Manner) -> Done {
    let Manner { work, takes, fails, expiry, number } = manner;
    let name = &key[..];
    let line = signed(&key, number);
    let compute = async || {
        if !takes.is_zero() {
            clerk.rest(takes).await;
        }
        match fails {
            true => Err(Trouble::Making),
            false => Ok(Raw { bytes: line.clone().into(), ..Raw::default() }),
        }
    };
    let fetched = match work {
        Work::Update => {
            let mut times = 0;
            let change = |old: Option<Raw>| {
                times += 1;
                let old = old.map(|old| old.bytes).filter(|old| old.len() < 100);
                let bytes = [&old.unwrap_or_default()[..], &line].concat().into();
                (!fails).then_some(Raw { bytes, ..Raw::default() })
            };
            let updated = clerk.update(name, expiry, change).await;
            sometimes!("update began again", times > 1);
            return updated.ok().flatten().map(|value| value.bytes.to_vec());
        }
        Work::Share => clerk.get_or_set_with(name, expiry, compute).await,
        Work::Add => clerk.get_or_add(name, expiry, compute).await,
    };
    let is_share = matches!(work, Work::Share);
    match &fetched {
        Ok(Fetched::Stale(_)) => sometimes!("old value taken"),
        Ok(Fetched::Computed { stored: Ok(()), .. }) => {
            sometimes!("value computed and shared", is_share);
        }
        Ok(Fetched::Computed { stored: Err(_), .. }) => {
            sometimes!("value computed in vain", is_share);
        }
        Err(Trouble::Making) => sometimes!("value not to be made", is_share),
        Ok(Fetched::Hit(_)) | Err(Trouble::Call) => {}
    }
    fetched.ok().map(|fetched| fetched.into_value().bytes.to_vec())
}

/// The line of a caller in the values of a key.
fn signed(key: &[u8], number: u64) -> Vec<u8> {
    [key, format!("#by {number};\n").as_bytes()].concat()
}
