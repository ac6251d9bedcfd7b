//! The calls of a client as an application makes them: keys and values of the caller's types in,
//! results of the caller's types out. What adapters share, whatever they wait with.
//!
//! A [`Call`] is made by one of the functions here, [`get`] for instance. [`Call::submit`] checks and
//! encodes its arguments and hands the [`Operation`] to whoever has the client; its [`Answer`] makes of
//! the [`Outcome`] what the call returns. Neither needs the client, so that a lock on it need not be
//! held meanwhile.
//!
//! ```
//! use memcache_proto::Time;
//! use memcache_proto::calls::{self, Answer, Call, Config};
//! use memcache_proto::client::{Client, Item, Outcome, Reply};
//! use memcache_proto::routing::ServerIndex;
//! use memcache_proto::value::Flags;
//!
//! let mut config = Config::default();
//! config.add_server("10.0.0.1", 1);
//! let calls = config.build(|| 1_700_000_000)?; // your clock
//! let mut client = Client::new(calls.cluster().clone());
//!
//! let call = calls::get::<u64, _>("answer");
//! let (id, mut answer) = call.submit(&calls, |operation| {
//!     client.submit(operation, Time::ZERO).map_err(|rejected| rejected.reason.into())
//! })?;
//! // Here goes the loop that drives the client until `client.take(id)` has the outcome. After each step:
//! answer.proceed(&mut client, id, &calls, Time::ZERO);
//! // And at the end:
//! let server = ServerIndex::new(0);
//! let item = Item { server, flags: Flags::INTEGER, cas: None, value: "42".into() };
//! let outcome = Outcome::One(Ok(Reply::Item(item)));
//! assert_eq!(answer.finish(outcome, &calls, |_| None)?, Some(42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Options of one call are methods of it: `calls::set("a", 1, expiry).noreply()`.
//!
//! # Calls of several steps
//!
//! Adapters have methods for what takes several of these calls: `get_or_set` (get, else compute and
//! set), `update` (gets, change, cas, and again where others were quicker). They consist of calls that
//! are here, in the order that the macro `__calls!` says.

mod cas_ids;
mod change;
mod config;
mod connect_failure;
pub mod discovery;
mod error;
mod fetched;
mod instruments;
mod keys;
mod lookup;
mod many;
mod meta;
mod meta_results;
mod meta_store;
mod names;
mod observe;
mod profile;
mod recache;
mod region;
mod results;
mod servers;
mod settings;
mod slabs;
mod status;
mod store;
mod surface;
mod url;

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::client::{
    Client, Cluster, DeadServer, Failure, FailureKind, Item, ItemRef, Items, Notice, Operation,
    OperationId, Outcome,
};
use crate::routing::{DeathCause, Server, ServerAddress, ServerIndex};
use crate::value::{Flags, FromValue, Transcoder, ValueError};
use crate::{Expiry, ExpiryError, Exptime, Limits, Time, ToKey};
use names::Counts;

pub use cas_ids::CasIds;
pub use change::{Change, decr, delete, incr, touch};
pub use config::{Config, DebugHook, ToServer};
pub use connect_failure::NoCredentials;
pub use error::{DeadServers, Error, Source};
pub use fetched::Fetched;
pub use keys::{CallKey, KeyRules};
pub use lookup::{Lookup, gat, get, gets};
pub use many::{
    ChangeMany, Counted, EachFound, Found, GetEach, GetMany, Plain, SetMany, WithCas, add_many,
    delete_many, gat_many, get_each, get_many, gets_many, replace_many, set_many, touch_many,
};
pub use meta::{
    AskCount, AskDebug, AskDelete, AskInfo, AskItem, MetaCall, invalidate, item_info, meta_debug,
    meta_decr, meta_delete, meta_get, meta_incr,
};
pub use meta_results::{Changed, ItemInfo, MetaItem};
pub use meta_store::{MetaStore, append_or_create, meta_set, prepend_or_create};
pub use names::CallName;
pub use observe::{Observation, Observer, OnEnd, Watch};
pub use profile::Profile;
pub use recache::{Found as FoundValue, Lease, Otherwise, Recache, Recaching, Turn};
pub use region::{AnswerInRegion, Asked, Generation, InRegion, Known, Region};
pub use results::{FailedKey, Many, PerServer};
use sealed::Sealed;
pub use servers::{
    EachServer, OnServers, config_get, flush_all, flush_all_after, get_slab_stats, get_slabs, ping,
    stats, version,
};
pub use slabs::Slabs;
pub use status::{Load, ServerStatus, Status};
pub use store::{CasFrom, Store, add, append, cas, cas_from, prepend, replace, set};
pub use url::{ServerList, Url, UrlError, UrlErrorKind, UrlTls, VarsError};

/// A call that has not been made yet. Only the calls here are such.
pub trait Call: Sealed {
    /// What it returns.
    type Output;
    /// What remains of it while it is under way.
    type Answer: Answer<Output = Self::Output>;

    /// Which call it is.
    fn name(&self) -> CallName;

    /// Its key, if it is about one that can be sent.
    fn key(&self, calls: &Calls) -> Option<CallKey<'_>> {
        let _ = calls;
        None
    }

    /// Checks and encodes the arguments, and gives the operation to `submit`, which is to hand it to
    /// the client. Next call [`Answer::proceed`].
    ///
    /// # Errors
    ///
    /// What is wrong with the arguments, or the error of `submit`.
    fn submit(
        self,
        calls: &Calls,
        submit: impl FnOnce(Operation<'_>) -> Result<OperationId, Error>,
    ) -> Result<(OperationId, Self::Answer), Error>;
}

/// A call that is under way.
pub trait Answer: Sealed {
    /// What the call returns.
    type Output;

    /// Whether items that have come can be taken before the outcome, with [`take`](Self::take).
    const IN_PARTS: bool = false;

    /// Does what is due while the call is under way: takes the items that have come, and feeds the operation.
    /// Call it after [`submit`](Call::submit) and each time the client has received something, unless the
    /// client is behind a lock: then [`take`](Self::take) and [`feed`](Self::feed) do the same in steps.
    fn proceed(&mut self, client: &mut Client, id: OperationId, calls: &Calls, now: Time) {
        if Self::IN_PARTS && client.items(id) > 0 {
            self.take(client.take_items(id), calls);
        }
        while client.is_hungry(id) {
            self.feed(calls, |part| client.feed(id, part, now));
        }
    }

    /// Takes what [`Client::take_items`](crate::client::Client::take_items) gave.
    fn take(&mut self, items: Items, calls: &Calls) {
        let _ = (items, calls);
    }

    /// Encodes the next keys of a call on many and gives them to `feed`, which is to hand them to
    /// [`Client::feed`](crate::client::Client::feed). Call it as long as
    /// [`Client::is_hungry`](crate::client::Client::is_hungry) says so.
    fn feed(&mut self, calls: &Calls, feed: impl FnOnce(Operation<'_>)) {
        let _ = (calls, feed);
    }

    /// What the call returns. `source` knows the error, of the system for instance, behind the last
    /// failure of a server.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    fn finish(
        self,
        outcome: Outcome,
        calls: &Calls,
        source: impl Fn(ServerIndex) -> Option<Source>,
    ) -> Result<Self::Output, Error>;
}

/// What the calls of one client have in common; made by [`Config::build`].
#[derive(Clone)]
pub struct Calls {
    cluster: Arc<Cluster>,
    transcoder: Transcoder,
    keys: KeyRules,
    unavailable_is_miss: bool,
    cache_cas: usize,
    recache: Recache,
    debug: Option<DebugHook>,
    observers: Vec<Observer>,
    unix_now: Arc<dyn Fn() -> u64 + Send + Sync>,
    counts: Counts,
}

impl Calls {
    /// The cluster that they go to.
    #[must_use]
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// The same calls, to these servers. All of them are alive; connections are those of new clients.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] or [`Error::Cluster`] where the servers are none.
    pub fn with_servers<S: ToServer>(
        &self,
        servers: impl IntoIterator<Item = S>,
    ) -> Result<Self, Error> {
        let servers = servers.into_iter().map(|server| server.to_server());
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        let cluster = Cluster::new(servers, self.cluster.settings().clone())?;
        Ok(Calls { cluster: Arc::new(cluster), ..self.clone() })
    }

    /// How often each call has been made, by its name, those that have been at all: python-memcached's
    /// `Client.stats`. Calls that were refused count too.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        self.counts.all()
    }

    /// The times of `get_or_set_with`.
    #[must_use]
    pub fn recache(&self) -> Recache {
        self.recache
    }

    /// Room for as many cas uniques as the setting `cache_cas` says.
    #[must_use]
    pub fn cas_ids(&self) -> CasIds {
        CasIds::new(self.cache_cas)
    }

    /// The bounds of everything.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.cluster.settings().limits
    }

    /// The key to send for this one of the caller's.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] says what is wrong with it, [`Error::KeyEncoder`] what the caller's own
    /// `key_encoder` says.
    pub fn key<'k, K: ToKey + ?Sized>(&self, key: &'k K) -> Result<CallKey<'k>, Error> {
        Ok(self.keys.apply(b"", key)?)
    }

    /// Tells whoever wants to know of something that happened in a client of this cluster.
    pub fn report(&self, notice: &Notice) {
        if let Some(debug) = &self.debug {
            debug(&self.server_name(notice.server).unwrap_or_default(), &notice.event);
        }
    }

    fn count(&self, name: CallName) {
        self.counts.count(name);
    }

    /// The item that a lookup found.
    fn item(&self, outcome: Outcome) -> Result<Option<Item>, Failure> {
        match outcome.item() {
            Err(failure) if self.is_miss(&failure) => Ok(None),
            found => found,
        }
    }

    /// Whether a failed lookup is to be told as a miss.
    fn is_miss(&self, failure: &Failure) -> bool {
        self.unavailable_is_miss && failure.kind.is_unavailable()
    }

    fn exptime(&self, expiry: Expiry) -> Result<Exptime, ExpiryError> {
        expiry.resolve(if expiry.needs_clock() { (self.unix_now)() } else { 0 })
    }

    fn decode<V: FromValue>(&self, item: Item) -> Result<V, Error> {
        self.read(Some(item.server), item.flags, item.value)
    }

    /// The value of an item that is a part of `buffer`.
    #[inline]
    fn decode_part<V: FromValue>(&self, item: &ItemRef<'_>, buffer: &Bytes) -> Result<V, Error> {
        V::from_part(&self.transcoder, item.flags, item.value, buffer)
            .map_err(|error| self.value_error(Some(item.server), error))
    }

    /// A value that came from this server.
    fn read<V: FromValue>(
        &self,
        server: Option<ServerIndex>,
        flags: Flags,
        value: Bytes,
    ) -> Result<V, Error> {
        V::from_stored(&self.transcoder, flags, value)
            .map_err(|error| self.value_error(server, error))
    }

    #[cold]
    fn value_error(&self, server: Option<ServerIndex>, error: ValueError) -> Error {
        let server = server.and_then(|server| self.server_name(server));
        Error::Value { server, error }
    }

    fn error(&self, failure: Failure, source: impl Fn(ServerIndex) -> Option<Source>) -> Error {
        if let FailureKind::Rejected(reason) = failure.kind {
            return Error::from(reason);
        }
        let server = failure.server.and_then(|server| self.server_name(server));
        let explained = matches!(failure.kind, FailureKind::Connect(_) | FailureKind::Disconnected);
        let source = match &failure.kind {
            FailureKind::AllDead(dead) if !dead.is_empty() => Some(self.dead_servers(dead)),
            _ => failure.server.filter(|_| explained).and_then(source),
        };
        Error::Server { server, failure, source }
    }

    fn dead_servers(&self, dead: &[DeadServer]) -> Source {
        let named = |dead: &DeadServer| (self.server_name(dead.server).unwrap_or_default(), *dead);
        Arc::new(DeadServers(dead.iter().map(named).collect()))
    }

    /// Marks a server dead by hand, so that it is skipped for `dead_retry`; `server` is its address as in
    /// the settings, or its name in stats. Returns false if there is no such server.
    pub fn mark_dead(&self, server: &str, now: Time) -> bool {
        let address = ServerAddress::parse(server).ok();
        let is_named = |it: &Server| {
            address.as_ref() == Some(&it.address) || it.stats_name().to_string() == server
        };
        let Some(at) = self.cluster.servers().iter().position(is_named) else { return false };
        let index = ServerIndex::new(u32::try_from(at).unwrap_or(u32::MAX));
        let dead_retry = self.cluster.settings().dead_retry;
        self.cluster.health().mark_dead(index, now, dead_retry, DeathCause::Asked);
        true
    }

    fn server_name(&self, server: ServerIndex) -> Option<String> {
        self.cluster.server(server).map(|server| server.stats_name().to_string())
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls")
            .field("cluster", &self.cluster)
            .field("transcoder", &self.transcoder)
            .finish_non_exhaustive()
    }
}

mod sealed {
    /// What nobody else has, so that an answer always belongs to the operation that was submitted.
    pub trait Sealed {}

    impl<K, T> Sealed for super::Lookup<K, T> {}
    impl<K, T> Sealed for super::Change<K, T> {}
    impl<K, A, T> Sealed for super::MetaCall<K, A, T> {}
    impl<K, V, T> Sealed for super::MetaStore<K, V, T> {}
    impl<K, V, T> Sealed for super::Store<K, V, T> {}
    impl<K, V, T> Sealed for super::CasFrom<'_, K, V, T> {}
    impl<K, V, M> Sealed for super::GetMany<K, V, M> {}
    impl<K, V> Sealed for super::SetMany<K, V> {}
    impl<K> Sealed for super::ChangeMany<K> {}
    impl<V> Sealed for super::Plain<V> {}
    impl<V> Sealed for super::WithCas<V> {}
    impl<T> Sealed for super::OnServers<'_, T> {}
    impl<T> Sealed for super::One<T> {}
    impl<C> Sealed for super::InRegion<C> {}
    impl<A> Sealed for super::AnswerInRegion<A> {}
    impl<K, V, M> Sealed for super::Found<K, V, M> {}
    impl<B: super::many::Batch> Sealed for super::Counted<B> {}
    impl<K, R, F> Sealed for super::GetEach<K, R, F> {}
    impl<K, R, F> Sealed for super::EachFound<K, R, F> {}
    impl<T> Sealed for super::EachServer<T> {}
}

/// Why the outcome is not what the call returns.
enum Trouble {
    Failure(Failure),
    Error(Error),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Trouble::Failure(failure)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Error(error)
    }
}

/// What a call with noreply returns.
fn sent(outcome: Outcome, _: &Calls) -> Result<(), Trouble> {
    Ok(outcome.sent()?)
}

/// The answer to a call on one key: its one reply, read as a `T`.
pub struct One<T>(fn(Outcome, &Calls) -> Result<T, Trouble>);

impl<T> Answer for One<T> {
    type Output = T;

    fn finish(
        self,
        outcome: Outcome,
        calls: &Calls,
        source: impl Fn(ServerIndex) -> Option<Source>,
    ) -> Result<T, Error> {
        (self.0)(outcome, calls).map_err(|trouble| match trouble {
            Trouble::Failure(failure) => calls.error(failure, source),
            Trouble::Error(error) => error,
        })
    }
}
