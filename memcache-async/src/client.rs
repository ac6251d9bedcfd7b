use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use memcache_proto::ToKey;
use memcache_proto::calls::{Call, Calls, Error, Status, ToServer};
use memcache_proto::value::FromValue;

#[cfg(any(feature = "smol", feature = "tokio"))]
use crate::builder::Builder;
use crate::discovery::Stop;
use crate::get_stream::GetStream;
use crate::region::Region;
use crate::running::Running;
use crate::runtime::AnyRuntime;
use crate::shared::Shared;
use crate::within::Within;

/// A client of one or more memcached servers, shared between tasks.
///
/// Cloning it is cheap, and clones are the same client. All tasks share few connections, one to each
/// server by default: what they ask for at the same time leaves in one write, gets of many tasks as
/// one get of many keys. Where a server has more to do than it has answered
/// ([`Limits::backlog`](crate::Limits::backlog)), further calls wait before anything of them is kept.
///
/// ```
/// use std::time::Duration;
/// use memcache_async::{Client, Expiry};
///
/// # let server = memcache_sync::server::Server::start()?;
/// # let address = server.address();
/// # smol::block_on(async {
/// let client = Client::new([address])?; // "127.0.0.1:11211", say
/// client.set("greeting", "hello", Duration::from_secs(60)).await?;
/// assert_eq!(client.get::<String>("greeting").await?.as_deref(), Some("hello"));
/// client.set("visits", 41, Expiry::Never).await?;
/// assert_eq!(client.incr("visits", 1).await?, Some(42));
/// let found = client.get_many::<u64, _>(["visits", "nothing"]).await?;
/// assert_eq!(found.result["visits"], 42);
/// client.close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Keys are text, bytes or integers ([`ToKey`](crate::ToKey)); values are what
/// [`ToValue`](crate::ToValue) and [`FromValue`](crate::FromValue) say: text, bytes, integers, or
/// [`Value`](crate::Value) for whatever is there.
///
/// # Dropping a call
///
/// A call does nothing before it is polled, and may be dropped at any point after. Nobody else is
/// affected: what was not sent of it will not be, the reply to what was is swallowed. A store that was
/// dropped may so have been applied or not.
///
/// # The end
///
/// [`close`](Self::close) ends the client in good order: what waits is written, flushed and answered.
/// Dropping the last clone ends it at once: its sockets are closed, its drivers end, and what had not
/// been written is not sent. A call that has returned has been answered, so nothing of it is lost. Only
/// a call with noreply may be: it returns when the stream has taken it, and a stream that buffers may
/// not have sent it yet. Use `close` then.
#[derive(Clone)]
pub struct Client(Arc<Handle>);

struct Handle {
    shares: Mutex<Shares>,
    /// Ends what keeps the servers up to date.
    stop: Option<Arc<Stop>>,
}

/// A client that may have been dropped.
pub(crate) struct WeakClient(Weak<Handle>);

impl WeakClient {
    pub(crate) fn upgrade(&self) -> Option<Client> {
        self.0.upgrade().map(Client)
    }
}

/// What the calls of now use, and what has been replaced by it and may still have calls to answer.
struct Shares {
    current: Arc<Shared>,
    retired: Vec<Weak<Shared>>,
}

#[cfg(feature = "smol")]
impl Client {
    /// A client of these servers (addresses, or pairs of an address and a weight) with the default
    /// settings, on smol; it connects when it is used.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] where one is no address, [`Error::Cluster`] where there is none.
    pub fn new<S: ToServer>(servers: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        Self::builder().servers(servers).build()
    }

    /// A client of the servers of a URL, with its login and its settings, on smol. On tokio it is
    /// `Client::tokio_builder().url(...).build()`.
    ///
    /// ```
    /// use memcache_async::{Client, Expiry};
    ///
    /// # let server = memcache_sync::server::Server::start()?;
    /// # let url = format!("memcached://{}/?prefix=shop:&socket_timeout=500ms", server.address());
    /// # smol::block_on(async {
    /// // "memcached://user:password@10.0.0.1,10.0.0.2:11212*2/?prefix=shop:&socket_timeout=500ms", say
    /// let client = Client::from_url(&url)?;
    /// client.set("answer", 42, Expiry::Never).await?;
    /// assert_eq!(client.get::<u64>("answer").await?, Some(42));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`Url`](crate::Url) has all parameters. For settings beside those of the URL call
    /// [`Client::builder`] and [`Builder::url`].
    ///
    /// # Errors
    ///
    /// [`Error::Url`], which says what is wrong and where; [`Error::Cluster`] if no server has a weight;
    /// [`Error::WithoutTls`] for `memcached+tls` if the client was built without TLS.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        Self::builder().url(url).build()
    }

    /// A client as the environment variables say, on smol: `MEMCACHED_URL`, or else `MEMCACHED_SERVERS` with
    /// `MEMCACHED_USERNAME` and `MEMCACHED_PASSWORD`. See [`Builder::env`]. On tokio it is
    /// `Client::tokio_builder().env().build()`.
    ///
    /// # Errors
    ///
    /// [`Error::Vars`] if they are not set or wrong, and those of [`from_url`](Self::from_url).
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().env().build()
    }

    /// The settings of a client to be, on smol. [`Builder::new`] is for other runtimes.
    pub fn builder() -> Builder<crate::Smol> {
        Builder::new(crate::Smol::new())
    }
}

#[cfg(feature = "tokio")]
impl Client {
    /// A client of these servers (addresses, or pairs of an address and a weight) with the default settings, on
    /// the tokio runtime that this is called in. It connects when it is used. For other settings call
    /// [`Client::tokio_builder`].
    ///
    /// ```
    /// use memcache_async::{Client, Expiry};
    ///
    /// # let server = memcache_sync::server::Server::start()?;
    /// # let address = server.address();
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let client = Client::tokio([address])?; // "127.0.0.1:11211", say
    /// client.set("greeting", "hello", Expiry::Never).await?;
    /// assert_eq!(client.get::<String>("greeting").await?.as_deref(), Some("hello"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Address`] if one of them is not an address, [`Error::Cluster`] if the list is empty.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime. There use [`Builder::new`] with
    /// [`Tokio::on`](crate::Tokio::on).
    #[track_caller]
    pub fn tokio<S: ToServer>(servers: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        Self::tokio_builder().servers(servers).build()
    }

    /// The settings of a client to be, on the tokio runtime that this is called in.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime, as [`Client::tokio`] does.
    #[track_caller]
    pub fn tokio_builder() -> Builder<crate::Tokio> {
        Builder::new(crate::Tokio::current())
    }
}

impl Client {
    /// A client that tells `stop` when it ends.
    pub(crate) fn from_shared(shared: Arc<Shared>, stop: Option<Arc<Stop>>) -> Self {
        let shares = Shares { current: shared, retired: Vec::new() };
        Client(Arc::new(Handle { shares: Mutex::new(shares), stop }))
    }

    pub(crate) fn downgrade(&self) -> WeakClient {
        WeakClient(Arc::downgrade(&self.0))
    }

    pub(crate) fn runtime(&self) -> Arc<dyn AnyRuntime> {
        self.0.current().runtime.clone()
    }

    pub(crate) fn calls(&self) -> Arc<Calls> {
        self.0.current().calls.clone()
    }

    /// For the steps of one call.
    pub(crate) fn budget(&self, (): &()) -> Within {
        Within::new(self, self.calls().cluster().settings().operation_timeout)
    }

    /// The same client, for calls that have to end together: all that is called on what this returns, and every step
    /// and wait of it, ends when this time is over, at the latest. It stands in place of
    /// [`operation_timeout`](crate::Builder::operation_timeout).
    ///
    /// ```
    /// use std::time::Duration;
    /// use memcache_async::{Client, Expiry};
    ///
    /// # let server = memcache_sync::server::Server::start()?;
    /// # let address = server.address();
    /// # smol::block_on(async {
    /// let client = Client::new([address])?; // "127.0.0.1:11211", say
    /// let hurried = client.within(Duration::from_millis(50));
    /// hurried.set("greeting", "hello", Expiry::Never).await?;
    /// assert_eq!(hurried.get::<String>("greeting").await?.as_deref(), Some("hello"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn within(&self, time: Duration) -> Within {
        Within::new(self, Some(time))
    }

    /// Items that can be invalidated all at once, by one command, however many they are.
    ///
    /// ```
    /// use std::time::Duration;
    /// use memcache_async::Client;
    ///
    /// # let server = memcache_sync::server::Server::start()?;
    /// # let address = server.address();
    /// # smol::block_on(async {
    /// let client = Client::new([address])?; // "127.0.0.1:11211", say
    /// let users = client.region("users")?;
    /// users.set("42", "Ada", Duration::from_secs(60)).await?;
    /// assert_eq!(users.get::<String>("42").await?.as_deref(), Some("Ada"));
    /// users.invalidate_all().await?;
    /// assert_eq!(users.get::<String>("42").await?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Make the region once and keep it: it remembers the latest generation that it has seen. [`Region`] says what
    /// its calls cost.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] if no key can begin with `name`, or none could follow it within 250 bytes.
    pub fn region(&self, name: impl AsRef<[u8]>) -> Result<Region, Error> {
        Region::new(self, None, name.as_ref())
    }

    memcache_proto::__calls!([async] [] self);

    memcache_proto::__recached!([async] self);

    /// Makes a call of [`proto::calls`](memcache_proto::calls). The methods above are
    /// this with each of them.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn run<C: Call>(&self, call: C) -> Result<C::Output, Error> {
        self.running(call, None).await
    }

    pub(crate) fn running<C: Call>(&self, call: C, until: Option<Instant>) -> Running<C> {
        Running::new(self.0.current(), call, until)
    }

    /// The values of those of `keys` that are there, one by one as they come, under the caller's own keys: for
    /// answers that are larger than you want to keep. A key that is not there has no item in the stream. A key
    /// that cannot be sent, or whose server fails, or whose value cannot be read as a `V`, is an
    /// [`Error::OfKey`] at the end.
    ///
    /// Values come in the order in which they arrive: those of one server in the order of their keys, those of
    /// different servers as it happens. Keys are asked for as the values before them are taken.
    ///
    /// ```
    /// use memcache_async::{Client, Expiry};
    /// use smol::stream::StreamExt;
    ///
    /// # let server = memcache_sync::server::Server::start()?;
    /// # let address = server.address();
    /// # smol::block_on(async {
    /// let client = Client::new([address])?;
    /// client.set_many((1..=1000).map(|number| (format!("key{number}"), number)), Expiry::Never).await?;
    /// let mut sum = 0;
    /// let mut found = client.get_stream::<u64, _>((1..=2000).map(|number| format!("key{number}")));
    /// while let Some(item) = found.next().await {
    ///     let (_key, number) = item?;
    ///     sum += number;
    /// }
    /// assert_eq!(sum, 500_500);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_stream<V: FromValue, K: ToKey>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> GetStream<K, V> {
        GetStream::new(keys, |call| self.running(call, None))
    }

    /// Goes on with these servers (addresses, or pairs of an address and a weight) in place of those
    /// there are, none of them dead. Calls that have begun end with the former servers, whose
    /// connections then are closed.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] where one is no address, [`Error::Cluster`] where there is none,
    /// [`Error::Closed`]. Then nothing has changed.
    pub fn set_servers<S: ToServer>(
        &self,
        servers: impl IntoIterator<Item = S>,
    ) -> Result<(), Error> {
        let calls = self.calls().with_servers(servers)?;
        self.0.replace(Arc::new(calls)).map(drop).ok_or(Error::Closed)
    }

    /// Sends `quit` on every connection when the calls under way have been answered, and returns when
    /// their servers have closed them. Calls made from now on connect again.
    pub async fn quit_all(&self) {
        if let Some(former) = self.0.replace(self.calls()) {
            poll_fn(|cx| former.poll_drained(cx)).await;
        }
    }

    /// Closes all connections; calls under way fail. The next call connects again. No server is dead
    /// for it.
    pub fn disconnect_all(&self) {
        self.0.all().iter().for_each(Shared::disconnect_all);
    }

    /// How the client and its servers are at the moment: connections, what waits on them, calls under way and
    /// waiting, and which servers are dead, why, and for how long. It asks no server: [`ping`](Self::ping) does.
    ///
    /// ```
    /// # let server = memcache_sync::server::Server::start()?;
    /// # let address = server.address();
    /// # smol::block_on(async {
    /// let client = memcache_async::Client::new([address])?; // "127.0.0.1:11211", say
    /// client.ping().await?.into_result()?;
    /// let status = client.status();
    /// assert!(status.is_well());
    /// assert_eq!(status.servers[0].connections, 1);
    /// println!("{status}"); // a line for each server
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.current().status()
    }

    /// Marks a server dead by hand, so that calls pass it over for `dead_retry`. `server` is its address as in
    /// the settings, or its name in stats. Returns false if there is no such server.
    ///
    /// [`forget_dead_hosts`](Self::forget_dead_hosts) revives it.
    pub fn mark_dead(&self, server: &str) -> bool {
        let shared = self.0.current();
        shared.calls.mark_dead(server, shared.now())
    }

    /// Makes every server that is dead worth a try again.
    pub fn forget_dead_hosts(&self) {
        self.calls().cluster().forget_dead_hosts();
    }

    /// Ends the client, all its clones: calls made from now on, and those that still wait for their
    /// turn, are refused with [`Error::Closed`]; those under way are written and answered (or fail in
    /// their own time); then connections are closed. Returns when no driver is left.
    pub async fn close(&self) {
        poll_fn(|cx| self.0.poll_close(cx)).await;
    }
}

impl Handle {
    fn shares(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Arc<Shared> {
        self.shares().current.clone()
    }

    /// What is in use: the last is for the calls of now.
    fn all(&self) -> Vec<Arc<Shared>> {
        let shares = self.shares();
        let retired = shares.retired.iter().filter_map(Weak::upgrade);
        retired.chain([shares.current.clone()]).collect()
    }

    /// Has later calls go by these, and returns what the earlier ones use; `None` where the client has
    /// been closed.
    fn replace(&self, calls: Arc<Calls>) -> Option<Arc<Shared>> {
        let mut shares = self.shares();
        if shares.current.is_closed() {
            return None;
        }
        let current = Shared::new(calls, shares.current.runtime.clone());
        let former = std::mem::replace(&mut shares.current, current);
        shares.retired.retain(|retired| retired.strong_count() > 0);
        shares.retired.push(Arc::downgrade(&former));
        drop(shares);
        former.retire();
        Some(former)
    }

    fn stop(&self) {
        if let Some(stop) = &self.stop {
            stop.raise();
        }
    }

    fn poll_close(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.stop();
        let open = self.all().into_iter().filter(|shared| shared.poll_close(cx).is_pending());
        if open.count() > 0 { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
        let all = self.all();
        all.iter().for_each(Shared::abandon);
        self.current().runtime.end();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("cluster", self.calls().cluster()).finish_non_exhaustive()
    }
}
