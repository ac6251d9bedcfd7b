//! The calls of a client as an application makes them: keys and values of the caller's types in,
//! results of the caller's types out. What adapters share, whatever they wait with.
//!
//! A [`Call`] is made by one of the functions here, [`get`] for instance. [`Call::submit`] checks and
//! encodes its arguments and hands the [`Operation`] to whoever has the client; its [`Answer`] makes of
//! the [`Outcome`] what the call returns. Neither needs the client, so that a lock on it need not be
//! held meanwhile.
//!
//! ```
//! use std::sync::Arc;
//!
//! use memcache_proto::client::calls::{self, Answer, Call, Calls};
//! use memcache_proto::client::{Client, Cluster, Item, Outcome, Reply, Settings};
//! use memcache_proto::routing::{Server, ServerAddress};
//! use memcache_proto::value::{Flags, Transcoder};
//! use memcache_proto::{Expiry, Time};
//!
//! let servers = vec![Server::from(ServerAddress::parse("10.0.0.1")?)];
//! let cluster = Arc::new(Cluster::new(servers, Settings::default())?);
//! let mut client = Client::new(cluster.clone());
//! let calls = Calls::new(cluster, Transcoder::default(), || 1_700_000_000); // your clock
//!
//! let call = calls::get::<u64, _>("answer");
//! let (id, answer) = call.submit(&calls, |operation| {
//!     client.submit(operation, Time::ZERO).map_err(|rejected| rejected.reason.into())
//! })?;
//! // Here goes the loop that drives the client until `client.take(id)` has the outcome:
//! let item = Item { flags: Flags::INTEGER, cas: None, value: "42".into() };
//! let outcome = Outcome::One(Ok(Reply::Item(item)));
//! assert_eq!(answer.finish(outcome, &calls, |_| None)?, Some(42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod error;
mod keyed;
mod many;
mod results;
mod servers;
mod store;
mod surface;

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::{Cluster, Failure, FailureKind, Item, Operation, OperationId, Outcome, Reply};
use crate::routing::ServerIndex;
use crate::value::{FromValue, Transcoder};
use crate::{Expiry, ExpiryError, Exptime, KeyRef};

pub use config::Config;
pub use error::{Error, Source};
pub use keyed::{Keyed, decr, delete, gat, get, gets, incr, touch};
pub use many::{Counted, DeleteMany, Found, GetMany, SetMany, delete_many, get_many, set_many};
pub use results::{Many, PerServer};
use sealed::Sealed;
pub use servers::{EachServer, OnServers, flush_all, flush_all_after, stats, version};
pub use store::{Store, add, append, cas, prepend, replace, set};

/// A call that has not been made yet. Only the calls here are such.
pub trait Call: Sealed {
    /// What it returns.
    type Output;
    /// What remains of it while it is under way.
    type Answer: Answer<Output = Self::Output>;

    /// Its key, if it is about one that can be sent.
    fn key(&self) -> Option<KeyRef<'_>> {
        None
    }

    /// Checks and encodes the arguments, and gives the operation to `submit`, which is to hand it to
    /// the client. Nothing is borrowed or kept of what was stored after that.
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

    /// Whether replies that have come can be taken before the outcome, with [`take`](Self::take).
    const IN_PARTS: bool = false;

    /// Takes what [`Client::take_replies`](super::Client::take_replies) gave.
    fn take(&mut self, replies: Vec<(usize, Reply)>, calls: &Calls) {
        let _ = (replies, calls);
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

/// What the calls of one client have in common.
#[derive(Clone)]
pub struct Calls {
    cluster: Arc<Cluster>,
    transcoder: Transcoder,
    unix_now: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Calls {
    /// Calls to this cluster, with values encoded so. `unix_now` gives the time in seconds since 1970;
    /// an expiry of more than 30 days is turned into a moment with it.
    pub fn new(
        cluster: Arc<Cluster>,
        transcoder: Transcoder,
        unix_now: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Calls { cluster, transcoder, unix_now: Arc::new(unix_now) }
    }

    /// The cluster that they go to.
    #[must_use]
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    fn exptime(&self, expiry: Expiry) -> Result<Exptime, ExpiryError> {
        expiry.resolve(if expiry.needs_clock() { (self.unix_now)() } else { 0 })
    }

    fn decode<V: FromValue>(&self, item: Item) -> Result<V, Error> {
        Ok(V::from_value(self.transcoder.decode(item.flags, item.value)?)?)
    }

    fn error(&self, failure: Failure, source: impl Fn(ServerIndex) -> Option<Source>) -> Error {
        if let FailureKind::Rejected(reason) = failure.kind {
            return Error::from(reason);
        }
        let server = failure.server.and_then(|server| self.server_name(server));
        let explained = matches!(failure.kind, FailureKind::Connect | FailureKind::Disconnected);
        let source = failure.server.filter(|_| explained).and_then(source);
        Error::Server { server, failure, source }
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

    impl<K, T> Sealed for super::Keyed<K, T> {}
    impl<K, V, T> Sealed for super::Store<K, V, T> {}
    impl<K, V, M> Sealed for super::GetMany<K, V, M> {}
    impl<K, V> Sealed for super::SetMany<K, V> {}
    impl<K> Sealed for super::DeleteMany<K> {}
    impl<T> Sealed for super::OnServers<'_, T> {}
    impl<T> Sealed for super::One<T> {}
    impl<K, V, M> Sealed for super::Found<K, V, M> {}
    impl<K> Sealed for super::Counted<K> {}
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
