use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use memcache_proto::client::{
    Delivery, Failure, FailureKind, Item, Many as CoreMany, NewItem, Operation, Outcome, Reply,
    Stored,
};
use memcache_proto::codec::{StatsArgument, StoreVerb};
use memcache_proto::routing::ServerIndex;
use memcache_proto::value::{FromValue, ToValue, Transcoder};
use memcache_proto::{Expiry, Exptime, Key, KeyRef, ProtocolError, ToKey};

use crate::builder::Builder;
use crate::error::Error;
use crate::many::{Many, PerServer};
use crate::pool::{Lease, Pool};
use crate::session::Session;

/// A client of one or more memcached servers, shared between threads.
///
/// Cloning it is cheap, and clones are the same client. Every call uses a session of the client's for
/// its time, so threads do not wait for each other.
///
/// ```
/// use std::time::Duration;
/// use memcache_sync::{Client, Expiry};
///
/// # let server = memcache_sync::server::Server::start()?;
/// # let address = server.address();
/// let client = Client::new([address])?; // "127.0.0.1:11211", say
/// client.set("greeting", "hello", Duration::from_secs(60))?;
/// assert_eq!(client.get::<String>("greeting")?.as_deref(), Some("hello"));
/// client.set("visits", 41, Expiry::Never)?;
/// assert_eq!(client.incr("visits", 1)?, Some(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Keys are text, bytes or integers ([`ToKey`]); values are what [`ToValue`] and [`FromValue`] say:
/// text, bytes, integers, or [`Value`](crate::Value) for whatever is there.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    pool: Pool,
    transcoder: Transcoder,
}

impl Client {
    /// A client of these servers with the default settings; it connects when it is used.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] where one is no address, [`Error::Cluster`] where there is none.
    pub fn new<S: AsRef<str>>(servers: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        Builder::default().servers(servers).build()
    }

    /// The settings of a client to be.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn from_parts(pool: Pool, transcoder: Transcoder) -> Self {
        Client(Arc::new(Inner { pool, transcoder }))
    }

    /// The value of `key`; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] where the value cannot be read as a `V`; else see [`Error`].
    pub fn get<V: FromValue>(&self, key: impl ToKey) -> Result<Option<V>, Error> {
        let key = key.to_key()?;
        let item = self.run(Operation::Get { key: key.as_key(), cas: false }, Outcome::item)?;
        item.map(|item| self.decode(item)).transpose()
    }

    /// The value of `key` and its cas unique, for [`cas`](Self::cas).
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn gets<V: FromValue>(&self, key: impl ToKey) -> Result<Option<(V, u64)>, Error> {
        let key = key.to_key()?;
        let item = self.run(Operation::Get { key: key.as_key(), cas: true }, Outcome::item)?;
        item.map(|item| {
            // A number of our own would make of a later cas whatever it happens to match.
            let unique = item.cas.ok_or_else(no_unique)?;
            Ok((self.decode(item)?, unique))
        })
        .transpose()
    }

    /// The value of `key`, and a new expiry for it.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn gat<V: FromValue>(
        &self,
        key: impl ToKey,
        expiry: impl Into<Expiry>,
    ) -> Result<Option<V>, Error> {
        let (key, exptime) = (key.to_key()?, exptime(expiry)?);
        let gat = Operation::Gat { key: key.as_key(), exptime, cas: false };
        let item = self.run(gat, Outcome::item)?;
        item.map(|item| self.decode(item)).transpose()
    }

    /// The values of those of `keys` that are there, under the caller's own keys. All servers concerned
    /// are asked at once.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] where one cannot be sent; then nothing is. Keys whose server fails, and values
    /// that cannot be read as a `V`, are in [`Many::failed`].
    pub fn get_many<V: FromValue, K: ToKey + Eq + Hash>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Many<HashMap<K, V>, K>, Error> {
        let mut keys: Vec<Option<K>> = keys.into_iter().map(Some).collect();
        let mut session = self.0.pool.lease()?;
        let id = {
            let refs = keys.iter().flatten().map(ToKey::to_key).collect::<Result<Vec<_>, _>>()?;
            let wire: Vec<Key<'_>> = refs.iter().map(KeyRef::as_key).collect();
            let operation = Operation::GetMany { keys: &wire, cas: false };
            session.submit(operation).map_err(|rejected| Error::from(rejected.reason))?
        };
        let mut many = Many { result: HashMap::new(), failed: Vec::new() };
        let mut take = |replies: Vec<(usize, Reply)>| {
            for (number, reply) in replies {
                let (Some(key), Reply::Item(item)) = (keys[number].take(), reply) else { continue };
                match self.decode(item) {
                    Ok(value) => drop(many.result.insert(key, value)),
                    Err(error) => many.failed.push((key, error)),
                }
            }
        };
        let outcome = session.drive(id, |client, id| take(client.take_replies(id)));
        let outcome = outcome.many().map_err(|failure| self.error(&session, failure))?;
        let CoreMany { replies, failed } = outcome;
        take(replies);
        for (number, failure) in failed {
            if let Some(key) = keys[number].take() {
                many.failed.push((key, self.error(&session, failure)));
            }
        }
        Ok(many)
    }

    /// Stores `value` under `key`, whatever was there.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] where the value is too long, [`Error::NotStored`] where the server, or a proxy
    /// before it, declined; else see [`Error`].
    pub fn set(
        &self,
        key: impl ToKey,
        value: impl ToValue,
        expiry: impl Into<Expiry>,
    ) -> Result<(), Error> {
        match self.store(StoreVerb::Set, key, value, expiry)? {
            Stored::Stored => Ok(()),
            declined => Err(Error::NotStored(declined)),
        }
    }

    /// Stores `value` if the key is not there. Returns whether it was stored.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn add(
        &self,
        key: impl ToKey,
        value: impl ToValue,
        expiry: impl Into<Expiry>,
    ) -> Result<bool, Error> {
        Ok(self.store(StoreVerb::Add, key, value, expiry)?.is_stored())
    }

    /// Stores `value` if the key is there. Returns whether it was stored.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn replace(
        &self,
        key: impl ToKey,
        value: impl ToValue,
        expiry: impl Into<Expiry>,
    ) -> Result<bool, Error> {
        Ok(self.store(StoreVerb::Replace, key, value, expiry)?.is_stored())
    }

    /// Puts `value` behind the one that is there, whose flags and expiry stay. Returns whether there was
    /// one. What is compressed cannot be appended to.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn append(&self, key: impl ToKey, value: impl ToValue) -> Result<bool, Error> {
        Ok(self.store(StoreVerb::Append, key, value, Expiry::Never)?.is_stored())
    }

    /// Puts `value` before the one that is there, whose flags and expiry stay. Returns whether there was
    /// one. What is compressed cannot be prepended to.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn prepend(&self, key: impl ToKey, value: impl ToValue) -> Result<bool, Error> {
        Ok(self.store(StoreVerb::Prepend, key, value, Expiry::Never)?.is_stored())
    }

    /// Stores `value` if the item has not changed since [`gets`](Self::gets) returned `unique`.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn cas(
        &self,
        key: impl ToKey,
        value: impl ToValue,
        expiry: impl Into<Expiry>,
        unique: u64,
    ) -> Result<Stored, Error> {
        self.store(StoreVerb::Cas(unique), key, value, expiry)
    }

    /// Stores many items, whatever was there, on all servers concerned at once. The result is how many
    /// were stored.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] or [`Error::Expiry`] where one cannot be sent; then nothing is. Items that are too
    /// long, or whose server fails or declines, are in [`Many::failed`].
    pub fn set_many<K: ToKey, V: ToValue>(
        &self,
        items: impl IntoIterator<Item = (K, V)>,
        expiry: impl Into<Expiry>,
    ) -> Result<Many<usize, K>, Error> {
        let exptime = exptime(expiry)?;
        let items: Vec<(K, V)> = items.into_iter().collect();
        let (outcome, session) = {
            let keys = items.iter().map(|(key, _)| key.to_key()).collect::<Result<Vec<_>, _>>()?;
            let values = items.iter().map(|(_, value)| value.to_value());
            let values: Vec<_> = values.map(|value| self.0.transcoder.encode(value)).collect();
            let new = keys.iter().zip(&values).map(|(key, value)| {
                let (key, flags, value) = (key.as_key(), value.flags, &*value.bytes);
                NewItem { key, flags, exptime, value }
            });
            let new: Vec<_> = new.collect();
            self.run_many(Operation::StoreMany { verb: StoreVerb::Set, items: &new })?
        };
        let keys = items.into_iter().map(|(key, _)| key);
        Ok(self.collect(keys, outcome, &session, declined))
    }

    /// Deletes `key`. Returns whether it was there.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn delete(&self, key: impl ToKey) -> Result<bool, Error> {
        let key = key.to_key()?;
        self.run(Operation::Delete { key: key.as_key() }, Outcome::found)
    }

    /// Deletes many keys, on all servers concerned at once. The result is how many were there.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] where one cannot be sent; then nothing is. Keys whose server fails are in
    /// [`Many::failed`].
    pub fn delete_many<K: ToKey>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Many<usize, K>, Error> {
        let keys: Vec<K> = keys.into_iter().collect();
        let (outcome, session) = {
            let refs = keys.iter().map(ToKey::to_key).collect::<Result<Vec<_>, _>>()?;
            let wire: Vec<Key<'_>> = refs.iter().map(KeyRef::as_key).collect();
            self.run_many(Operation::DeleteMany { keys: &wire })?
        };
        Ok(self.collect(keys.into_iter(), outcome, &session, |_| None))
    }

    /// Gives an item a new expiry. Returns whether it was there.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn touch(&self, key: impl ToKey, expiry: impl Into<Expiry>) -> Result<bool, Error> {
        let (key, exptime) = (key.to_key()?, exptime(expiry)?);
        self.run(Operation::Touch { key: key.as_key(), exptime }, Outcome::found)
    }

    /// Adds to a counter and returns its new value; `None` where there is no counter. It wraps at 2^64.
    ///
    /// # Errors
    ///
    /// A failure of kind [`FailureKind::Server`] where the value is not a number; else see [`Error`].
    pub fn incr(&self, key: impl ToKey, delta: u64) -> Result<Option<u64>, Error> {
        let key = key.to_key()?;
        self.run(Operation::Incr { key: key.as_key(), delta }, Outcome::number)
    }

    /// Takes away from a counter and returns its new value; `None` where there is no counter. It stops
    /// at 0.
    ///
    /// # Errors
    ///
    /// As [`incr`](Self::incr).
    pub fn decr(&self, key: impl ToKey, delta: u64) -> Result<Option<u64>, Error> {
        let key = key.to_key()?;
        self.run(Operation::Decr { key: key.as_key(), delta }, Outcome::number)
    }

    /// Invalidates every item on every server.
    ///
    /// # Errors
    ///
    /// The answer of each server says whether it did; see [`Error`].
    pub fn flush_all(&self) -> Result<PerServer<()>, Error> {
        self.run_on_servers(Operation::FlushAll { delay: None }, |_| Some(()))
    }

    /// Invalidates, after `delay`, every item that is on a server by then.
    ///
    /// # Errors
    ///
    /// As [`flush_all`](Self::flush_all), or [`Error::Expiry`].
    pub fn flush_all_after(&self, delay: Duration) -> Result<PerServer<()>, Error> {
        let delay = Some(exptime(delay)?);
        self.run_on_servers(Operation::FlushAll { delay }, |_| Some(()))
    }

    /// The version of every server.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn version(&self) -> Result<PerServer<String>, Error> {
        self.run_on_servers(Operation::Version, |reply| match reply {
            Reply::Version(version) => Some(version),
            _ => None,
        })
    }

    /// The statistics of every server, names and values, in its order. With
    /// [`StatsArgument::Reset`] and its like there are none.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn stats(
        &self,
        argument: StatsArgument<'_>,
    ) -> Result<PerServer<Vec<(String, String)>>, Error> {
        self.run_on_servers(Operation::Stats(argument), |reply| match reply {
            Reply::Stats(stats) => Some(stats),
            Reply::Ok => Some(Vec::new()),
            _ => None,
        })
    }

    /// Closes all connections, those in use when their call has ended. The next call connects again. No
    /// server is dead for it.
    pub fn disconnect_all(&self) {
        self.0.pool.disconnect_all();
    }

    /// Makes every server that is dead worth a try again.
    pub fn forget_dead_hosts(&self) {
        self.0.pool.cluster.health().forget_dead_hosts();
    }

    fn store(
        &self,
        verb: StoreVerb,
        key: impl ToKey,
        value: impl ToValue,
        expiry: impl Into<Expiry>,
    ) -> Result<Stored, Error> {
        let (key, exptime) = (key.to_key()?, exptime(expiry)?);
        let encoded = self.0.transcoder.encode_for(verb, value.to_value());
        let (key, flags, value) = (key.as_key(), encoded.flags, &encoded.bytes);
        let item = NewItem { key, flags, exptime, value };
        self.run(Operation::Store { verb, item }, Outcome::stored)
    }

    fn decode<V: FromValue>(&self, item: Item) -> Result<V, Error> {
        Ok(V::from_value(self.0.transcoder.decode(item.flags, item.value)?)?)
    }

    fn run<T>(
        &self,
        operation: Operation<'_>,
        take: impl FnOnce(Outcome) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let mut session = self.0.pool.lease()?;
        let outcome = session.run(operation).map_err(|rejected| Error::from(rejected.reason))?;
        take(outcome).map_err(|failure| self.error(&session, failure))
    }

    fn run_many(&self, operation: Operation<'_>) -> Result<(CoreMany, Lease<'_>), Error> {
        let mut session = self.0.pool.lease()?;
        let outcome = session.run(operation).map_err(|rejected| Error::from(rejected.reason))?;
        match outcome.many() {
            Ok(many) => Ok((many, session)),
            Err(failure) => Err(self.error(&session, failure)),
        }
    }

    /// How many of the keys were done, and which failed: also those of which `refused` says so.
    fn collect<K>(
        &self,
        keys: impl ExactSizeIterator<Item = K>,
        outcome: CoreMany,
        session: &Session,
        refused: impl Fn(&Reply) -> Option<Error>,
    ) -> Many<usize, K> {
        let CoreMany { replies, failed } = outcome;
        let result = keys.len() - replies.len() - failed.len();
        let failed = failed.into_iter().map(|(number, why)| (number, self.error(session, why)));
        let refused = replies.iter().filter_map(|(number, reply)| Some((*number, refused(reply)?)));
        let mut failed: Vec<_> = failed.chain(refused).collect();
        failed.sort_by_key(|&(number, _)| number);
        let mut failed = failed.into_iter().peekable();
        let failed = keys.enumerate().filter_map(|(number, key)| {
            let (_, error) = failed.next_if(|&(failed, _)| failed == number)?;
            Some((key, error))
        });
        Many { result, failed: failed.collect() }
    }

    fn run_on_servers<T>(
        &self,
        operation: Operation<'_>,
        read: impl Fn(Reply) -> Option<T>,
    ) -> Result<PerServer<T>, Error> {
        let mut session = self.0.pool.lease()?;
        let outcome = session.run(operation).map_err(|rejected| Error::from(rejected.reason))?;
        let answers = outcome.servers().map_err(|failure| self.error(&session, failure));
        let mut answers = answers?;
        answers.sort_by_key(|&(server, _)| server.index());
        let answers = answers.into_iter().map(|(server, answer)| {
            let answer = answer.and_then(|reply| {
                let kind = FailureKind::OtherOperation;
                let delivery = Delivery::Answered;
                read(reply).ok_or(Failure { server: Some(server), delivery, kind })
            });
            let answer = answer.map_err(|failure| self.error(&session, failure));
            (self.server_name(server).unwrap_or_default(), answer)
        });
        Ok(PerServer(answers.collect()))
    }

    fn error(&self, session: &Session, failure: Failure) -> Error {
        if let FailureKind::Rejected(reason) = failure.kind {
            return Error::from(reason);
        }
        let server = failure.server.and_then(|server| self.server_name(server));
        let explained = matches!(failure.kind, FailureKind::Connect | FailureKind::Disconnected);
        let source = failure.server.filter(|_| explained);
        let source = source.and_then(|server| session.last_error(server));
        Error::Server { server, failure, source }
    }

    fn server_name(&self, server: ServerIndex) -> Option<String> {
        self.0.pool.cluster.server(server).map(|server| server.stats_name().to_string())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("cluster", &self.0.pool.cluster).finish_non_exhaustive()
    }
}

/// What a reply to a set says that is not `STORED`.
fn declined(reply: &Reply) -> Option<Error> {
    let stored = match reply {
        Reply::NotStored => Stored::NotStored,
        Reply::Exists => Stored::Exists,
        Reply::NotFound => Stored::NotFound,
        _ => return None,
    };
    Some(Error::NotStored(stored))
}

fn no_unique() -> Error {
    let kind = FailureKind::Protocol(ProtocolError::UnexpectedResponse);
    let failure = Failure { server: None, delivery: Delivery::Answered, kind };
    Error::Server { server: None, failure, source: None }
}

fn exptime(expiry: impl Into<Expiry>) -> Result<Exptime, Error> {
    let expiry = expiry.into();
    let now = if expiry.needs_clock() {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
    } else {
        0
    };
    Ok(expiry.resolve(now)?)
}
