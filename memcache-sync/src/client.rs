use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memcache_proto::calls::{Answer, Call, Calls, Status, ToServer, Watch};

use crate::Error;
use crate::builder::Builder;
use crate::pool::Pool;
use crate::region::Region;
use crate::within::Within;

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
/// let found = client.get_many::<u64, _>(["visits", "nothing"])?;
/// assert_eq!(found.result["visits"], 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Keys are text, bytes or integers ([`ToKey`](crate::ToKey)); values are what
/// [`ToValue`](crate::ToValue) and [`FromValue`](crate::FromValue) say: text, bytes, integers, or
/// [`Value`](crate::Value) for whatever is there.
#[derive(Clone)]
pub struct Client(Arc<Pool>);

impl Client {
    /// A client of these servers (addresses, or pairs of an address and a weight) with the default
    /// settings; it connects when it is used.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] where one is no address, [`Error::Cluster`] where there is none.
    pub fn new<S: ToServer>(servers: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        Builder::default().servers(servers).build()
    }

    /// A client of the servers of a URL, with its login and its settings.
    ///
    /// ```
    /// use memcache_sync::{Client, Expiry};
    ///
    /// # let server = memcache_sync::server::Server::start()?;
    /// # let url = format!("memcached://{}/?prefix=shop:&socket_timeout=500ms", server.address());
    /// // "memcached://user:password@10.0.0.1,10.0.0.2:11212*2/?prefix=shop:&socket_timeout=500ms", say
    /// let client = Client::from_url(&url)?;
    /// client.set("answer", 42, Expiry::Never)?;
    /// assert_eq!(client.get::<u64>("answer")?, Some(42));
    ///
    /// let error = Client::from_url("memcached://10.0.0.1/?dead_retry=soon").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "the URL is wrong at byte 33, \"soon\": dead_retry is a time, such as 500ms, 3s or 1.5 (seconds)",
    /// );
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
        Builder::default().url(url).build()
    }

    /// A client as the environment variables say: `MEMCACHED_URL`, or else `MEMCACHED_SERVERS` with
    /// `MEMCACHED_USERNAME` and `MEMCACHED_PASSWORD`. See [`Builder::env`].
    ///
    /// ```no_run
    /// let client = memcache_sync::Client::from_env()?;
    /// # Ok::<(), memcache_sync::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Vars`] if they are not set or wrong, and those of [`from_url`](Self::from_url).
    pub fn from_env() -> Result<Self, Error> {
        Builder::default().env().build()
    }

    /// The settings of a client to be.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn from_pool(pool: Arc<Pool>) -> Self {
        Client(pool)
    }

    pub(crate) fn calls(&self) -> Arc<Calls> {
        self.0.calls()
    }

    /// For the steps of one call.
    pub(crate) fn budget(&self, (): &()) -> Within {
        Within::new(self, self.calls().cluster().settings().operation_timeout)
    }

    /// The same client, for calls that have to end together: all that is called on what this returns, and every step
    /// and wait of it, ends when this time is over, at the latest. It stands in place of
    /// [`operation_timeout`](Builder::operation_timeout).
    ///
    /// ```
    /// use std::time::Duration;
    /// use memcache_sync::{Client, Expiry};
    ///
    /// # let server = memcache_sync::server::Server::start()?;
    /// # let address = server.address();
    /// let client = Client::new([address])?; // "127.0.0.1:11211", say
    /// let hurried = client.within(Duration::from_millis(50));
    /// hurried.set("greeting", "hello", Expiry::Never)?;
    /// assert_eq!(hurried.get::<String>("greeting")?.as_deref(), Some("hello"));
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
    /// use memcache_sync::Client;
    ///
    /// # let server = memcache_sync::server::Server::start()?;
    /// # let address = server.address();
    /// let client = Client::new([address])?; // "127.0.0.1:11211", say
    /// let users = client.region("users")?;
    /// users.set("42", "Ada", Duration::from_secs(60))?;
    /// assert_eq!(users.get::<String>("42")?.as_deref(), Some("Ada"));
    /// users.invalidate_all()?;
    /// assert_eq!(users.get::<String>("42")?, None);
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

    memcache_proto::__calls!([] [] self);

    memcache_proto::__recached!([] self);

    /// Makes a call of [`proto::calls`](memcache_proto::calls). The methods above are
    /// this with each of them.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn run<C: Call>(&self, call: C) -> Result<C::Output, Error> {
        self.run_until(call, None)
    }

    pub(crate) fn run_until<C: Call>(
        &self,
        call: C,
        until: Option<Instant>,
    ) -> Result<C::Output, Error> {
        let calls = &*self.calls();
        let mut watch = calls.watch(call.name(), || self.0.now());
        let result = self.run_watched(call, calls, until, &mut watch);
        watch.end(calls, &result, || self.0.now());
        result
    }

    #[inline]
    fn run_watched<C: Call>(
        &self,
        call: C,
        calls: &Calls,
        until: Option<Instant>,
        watch: &mut Watch,
    ) -> Result<C::Output, Error> {
        let mut lease = None;
        let (id, mut answer) = call.submit(calls, |operation| {
            let session = lease.insert(self.0.lease(calls, until)?);
            watch.admitted(|| self.0.now());
            session.submit(operation, until).map_err(|rejected| rejected.reason.into())
        })?;
        let session = lease.as_mut().expect("a call that was submitted has its session");
        let outcome =
            session.drive(&self.0, id, |client, now| answer.proceed(client, id, calls, now));
        watch.came_to(&outcome, || session.client.seen(id));
        answer.finish(outcome, calls, |server| session.last_error(server))
    }

    /// Goes on with these servers (addresses, or pairs of an address and a weight) in place of those
    /// there are, none of them dead. Calls under way end where they began; the connections to the
    /// former servers are closed.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] where one is no address, [`Error::Cluster`] where there is none. Then nothing
    /// has changed.
    pub fn set_servers<S: ToServer>(
        &self,
        servers: impl IntoIterator<Item = S>,
    ) -> Result<(), Error> {
        self.0.set_calls(self.calls().with_servers(servers)?);
        self.disconnect_all();
        Ok(())
    }

    /// Closes all connections, those in use when their call has ended. The next call connects again. No
    /// server is dead for it.
    pub fn disconnect_all(&self) {
        drop(self.0.take_sessions());
    }

    /// Sends `quit` on every connection that nobody uses, and returns when their servers have closed
    /// them, or after `socket_timeout`. Those in use are closed when their call has ended.
    pub fn quit_all(&self) {
        for mut session in self.0.take_sessions() {
            session.quit();
        }
    }

    /// How the client and its servers are at the moment: connections, calls under way and waiting, and which servers
    /// are dead, why, and for how long. It asks no server: [`ping`](Self::ping) does.
    ///
    /// ```
    /// # let server = memcache_sync::server::Server::start()?;
    /// # let address = server.address();
    /// let client = memcache_sync::Client::new([address])?; // "127.0.0.1:11211", say
    /// client.ping()?.into_result()?;
    /// let status = client.status();
    /// assert!(status.is_well());
    /// assert_eq!(status.servers[0].connections, 1);
    /// println!("{status}"); // a line for each server
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = self.calls().status(self.0.now());
        (status.calls, status.waiting) = self.0.in_use();
        status
    }

    /// Marks a server dead by hand, so that calls pass it over for `dead_retry`. `server` is its address as in
    /// the settings, or its name in stats. Returns false if there is no such server.
    ///
    /// [`forget_dead_hosts`](Self::forget_dead_hosts) revives it.
    pub fn mark_dead(&self, server: &str) -> bool {
        self.calls().mark_dead(server, self.0.now())
    }

    /// Makes every server that is dead worth a try again.
    pub fn forget_dead_hosts(&self) {
        self.calls().cluster().forget_dead_hosts();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("cluster", self.calls().cluster()).finish_non_exhaustive()
    }
}
