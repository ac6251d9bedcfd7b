//! What can be seen of the calls of a client: for metrics, traces and logs.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::{CallName, Calls, Error};
use crate::Time;
use crate::client::{Delivery, Failure, Item, MetaStatus, Outcome, Reply, Seen};
use crate::routing::{Endpoint, ServerAddress};

/// What came of one call: what an [`Observer`] is told when the call has ended. It holds no key and no value.
///
/// Calls of several steps, `get_or_set` for instance, are told of step by step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observation<'a> {
    /// Which call it was.
    pub call: CallName,
    /// The server that was asked; `None` if several were, or none.
    pub server: Option<&'a ServerAddress>,
    /// How many keys were given to the servers, or how many servers were asked if the call has no key.
    pub keys: usize,
    /// How many of the keys were found, if the call [looks items up](CallName::is_lookup); else 0.
    pub hits: usize,
    /// How many of them were not there. A key whose server failed is neither a hit nor a miss.
    pub misses: usize,
    /// The keys, or servers, that failed: at most `keys` and those that were not given to any server.
    pub failed: usize,
    /// The bytes of the values that were sent, as they are stored: compressed if they are.
    pub stored_bytes: usize,
    /// The bytes of the values that were found, as they are stored.
    pub found_bytes: usize,
    /// How often a request was given to another connection or server than the first: 0 if all went well.
    pub again: u32,
    /// Why it failed, as [`Error::name`] has it; `None` if it did not. Of a call on many keys, or on all servers,
    /// the first failure. A lookup that is told as a miss by `unavailable_is_miss` has its reason here.
    pub error: Option<&'static str>,
    /// How far it had come if it failed; `None` if it did not, or was not given to any server.
    pub delivery: Option<Delivery>,
    /// How long it waited for its turn: for a session, or for room on the connection of its server.
    pub waited: Duration,
    /// How long it took in all, the wait included.
    pub total: Duration,
}

/// Who is told of calls. It is called with the name of each call that begins, and returns who is to be told what
/// came of it. If the call is dropped before it ends, that is dropped, too.
pub type Observer = Arc<dyn Fn(CallName) -> OnEnd + Send + Sync>;

/// Who is told what came of a call.
pub type OnEnd = Box<dyn FnOnce(&Observation<'_>) + Send>;

/// An observer that is told of ends alone.
pub(super) fn of_ends(observe: impl Fn(&Observation<'_>) + Send + Sync + 'static) -> Observer {
    let observe = Arc::new(observe);
    Arc::new(move |_| {
        let observe = observe.clone();
        Box::new(move |observation| observe(observation))
    })
}

/// Watches one call for the observers of a client. Adapters make it with [`Calls::watch`] when the call begins, say
/// with [`admitted`](Self::admitted) that its turn has come, with [`came_to`](Self::came_to) what its outcome is, and
/// with [`end`](Self::end) what it returns. If nobody observes, it holds nothing and no clock is read.
#[derive(Default)]
pub struct Watch(Option<Box<Watching>>);

struct Watching {
    on_end: Vec<OnEnd>,
    began: Time,
    seen: Seen,
    observation: Observation<'static>,
}

impl Calls {
    /// A watch over a call that begins now. `now` is the clock.
    #[inline]
    pub fn watch(&self, call: CallName, now: impl FnOnce() -> Time) -> Watch {
        if self.observers.is_empty() { Watch(None) } else { self.watch_for_some(call, now()) }
    }

    #[cold]
    fn watch_for_some(&self, call: CallName, began: Time) -> Watch {
        let observation = Observation {
            call,
            server: None,
            keys: 0,
            hits: 0,
            misses: 0,
            failed: 0,
            stored_bytes: 0,
            found_bytes: 0,
            again: 0,
            error: None,
            delivery: None,
            waited: Duration::ZERO,
            total: Duration::ZERO,
        };
        let on_end = self.observers.iter().map(|observer| observer(call)).collect();
        let seen = Seen::default();
        Watch(Some(Box::new(Watching { on_end, began, seen, observation })))
    }
}

impl Watch {
    /// Whether anybody observes.
    #[must_use]
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.0.is_some()
    }

    /// The turn of the call has come: it is given to the client now.
    #[inline]
    pub fn admitted(&mut self, now: impl FnOnce() -> Time) {
        if let Some(watching) = &mut self.0 {
            watching.observation.waited = now() - watching.began;
        }
    }

    /// The operation of the call has this outcome. `seen` gives what the client has
    /// [seen](crate::client::Client::seen) of it.
    #[inline]
    pub fn came_to(&mut self, outcome: &Outcome, seen: impl FnOnce() -> Seen) {
        if let Some(watching) = &mut self.0 {
            watching.seen = seen();
            watching.note(outcome);
        }
    }

    /// The call returns this. Tells the observers.
    #[inline]
    pub fn end<T>(&mut self, calls: &Calls, result: &Result<T, Error>, now: impl FnOnce() -> Time) {
        if let Some(watching) = self.0.take() {
            watching.end(calls, result.as_ref().err(), now());
        }
    }
}

impl Watching {
    fn note(&mut self, outcome: &Outcome) {
        let observation = &mut self.observation;
        let seen = &self.seen;
        observation.keys = seen.keys;
        observation.stored_bytes = seen.stored_bytes;
        observation.again = seen.again;
        observation.found_bytes = seen.bytes_taken;
        match outcome {
            Outcome::One(Ok(reply)) => observation.reply(reply),
            Outcome::One(Err(failure)) => observation.failure(failure, 1),
            Outcome::Many(many) => {
                observation.hits += seen.items_taken + many.items.len();
                observation.found_bytes += many.items.bytes();
                many.replies.iter().for_each(|(_, reply)| observation.reply(reply));
                many.failed.iter().for_each(|(_, failure)| observation.failure(failure, 1));
                let told = observation.hits + observation.misses + observation.failed;
                observation.misses += observation.keys.saturating_sub(told);
                if let Some(failure) = &many.rest {
                    observation.failure(failure, 0);
                }
            }
            Outcome::Servers(servers) => {
                for (_, reply) in servers {
                    match reply {
                        Ok(reply) => observation.reply(reply),
                        Err(failure) => observation.failure(failure, 1),
                    }
                }
            }
        }
        if !observation.call.is_lookup() {
            (observation.hits, observation.misses) = (0, 0);
        }
    }

    fn end(mut self, calls: &Calls, error: Option<&Error>, now: Time) {
        let observation = &mut self.observation;
        observation.total = now - self.began;
        if let Some(error) = error {
            // What the caller is told says more than what its operation came to.
            observation.error = Some(error.name());
        }
        let server = self.seen.server().and_then(|server| calls.cluster.server(server));
        let server = server.map(|server| &server.address);
        let observation = Observation { server, ..self.observation };
        self.on_end.into_iter().for_each(|on_end| on_end(&observation));
    }
}

impl<'a> Observation<'a> {
    /// The host and the port of the [`server`](Self::server), or the path of its socket, as OpenTelemetry's
    /// `server.address` and `server.port` have them.
    #[must_use]
    pub fn place(&self) -> Option<(&'a str, Option<u16>)> {
        Some(match self.server?.endpoint() {
            Endpoint::Tcp { host, port, .. } => (host, Some(port)),
            Endpoint::Unix { path } => (path, None),
        })
    }
}

impl Observation<'_> {
    fn reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Item(Item { value, .. }) => self.hit(value.len()),
            Reply::Meta(reply) => match reply.status {
                MetaStatus::Miss | MetaStatus::NotFound => self.misses += 1,
                _ => self.hit(reply.value.as_ref().map_or(0, |value| value.len())),
            },
            Reply::Miss => self.misses += 1,
            _ => {}
        }
    }

    fn hit(&mut self, bytes: usize) {
        self.hits += 1;
        self.found_bytes += bytes;
    }

    fn failure(&mut self, failure: &Failure, keys: usize) {
        self.failed += keys;
        if self.error.is_none() {
            (self.error, self.delivery) = (Some(failure.kind.name()), Some(failure.delivery));
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let observation = self.0.as_ref().map(|watching| &watching.observation);
        f.debug_tuple("Watch").field(&observation).finish()
    }
}
