use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use memcache_proto::client::calls::{Call, Error};

#[cfg(feature = "smol")]
use crate::builder::Builder;
use crate::running::Running;
use crate::shared::Shared;

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
/// [`close`](Self::close) ends the client in good order: what waits is written, and answered. Dropping
/// the last clone ends it at once: its sockets are closed, its drivers end, and what had not been
/// written is not sent. No call here uses noreply, so that every call that has returned has been
/// answered, and nothing of those is lost; a command with noreply that is not written yet would be.
#[derive(Clone)]
pub struct Client(Arc<Handle>);

struct Handle(Arc<Shared>);

#[cfg(feature = "smol")]
impl Client {
    /// A client of these servers with the default settings, on smol; it connects when it is used.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] where one is no address, [`Error::Cluster`] where there is none.
    pub fn new<S: AsRef<str>>(servers: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        Self::builder().servers(servers).build()
    }

    /// The settings of a client to be, on smol. [`Builder::new`] is for other runtimes.
    pub fn builder() -> Builder<crate::Smol> {
        Builder::new(crate::Smol::new())
    }
}

impl Client {
    pub(crate) fn from_shared(shared: Arc<Shared>) -> Self {
        Client(Arc::new(Handle(shared)))
    }

    memcache_proto::__calls!([async] [] self);

    /// Makes a call of [`proto::client::calls`](memcache_proto::client::calls). The methods above are
    /// this with each of them.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn run<C: Call>(&self, call: C) -> Result<C::Output, Error> {
        Running::new(&self.0.0, call).await
    }

    /// Closes all connections; calls under way fail. The next call connects again. No server is dead
    /// for it.
    pub fn disconnect_all(&self) {
        self.0.0.disconnect_all();
    }

    /// Makes every server that is dead worth a try again.
    pub fn forget_dead_hosts(&self) {
        self.0.0.calls.cluster().health().forget_dead_hosts();
    }

    /// Ends the client, all its clones: calls made from now on, and those that still wait for their
    /// turn, are refused with [`Error::Closed`]; those under way are written and answered (or fail in
    /// their own time); then connections are closed. Returns when no driver is left.
    pub async fn close(&self) {
        poll_fn(|cx| self.0.0.poll_close(cx)).await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cluster = self.0.0.calls.cluster();
        f.debug_struct("Client").field("cluster", cluster).finish_non_exhaustive()
    }
}
