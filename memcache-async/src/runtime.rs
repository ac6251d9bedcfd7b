use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use futures_io::{AsyncRead, AsyncWrite};
use memcache_proto::calls::NoCredentials;
use memcache_proto::client::Credentials;
use memcache_proto::routing::{Endpoint, ServerAddress};
use memcache_proto::value::Cause;

use crate::driver::Tasks;
use crate::spare::{ReadSpare, WithSpare};

/// What a client needs of a runtime: connecting, and time.
///
/// Every deadline is counted from [`now`](Self::now); [`sleep_until`](Self::sleep_until) must go by the
/// same clock. The client may be used from any thread, so this is `Send + Sync` even where only one
/// thread does.
///
/// With [`Spawn`] the client starts its drivers itself; without, whoever has the client polls them:
/// [`Builder::build_with_driver`](crate::Builder::build_with_driver). `Smol`, `Tokio` and `AsyncStd`
/// are such runtimes, behind features; the example `own_executor` makes another.
pub trait Runtime: Send + Sync + 'static {
    /// Connects to `address`, before `deadline` if it can be helped: past it nobody polls the future
    /// any more. [`connect_any`] tries every address of a host.
    ///
    /// # Errors
    ///
    /// Whatever kept it from connecting; the call's [`Error`](crate::Error) carries it.
    fn connect(
        &self,
        address: &ServerAddress,
        deadline: Instant,
    ) -> impl Future<Output = io::Result<Box<dyn Stream>>> + Send;

    /// The addresses of a host: what [`Dns`](crate::Dns) asks for. Default: fails with
    /// [`io::ErrorKind::Unsupported`], as a runtime that has no resolver does.
    ///
    /// # Errors
    ///
    /// Those of the resolver.
    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        let _ = (host, port);
        std::future::ready(Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the runtime resolves no names",
        )))
    }

    /// Is ready at `deadline`, or soon after; one that is ready early is only asked again.
    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> + Send;

    /// The time. Every deadline is counted from what this returns, so that a runtime with a clock of
    /// its own can bring it.
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// A runtime that polls futures by itself.
pub trait Spawn: Runtime {
    /// Polls `driver` to its end, on whatever thread. The client calls this from within its calls, and
    /// from other drivers, once for each connection it makes; it is not to panic. A driver that cannot
    /// be polled is to be dropped: its connection fails then, and says so.
    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static);
}

/// A stream of bytes to a server: of TCP, of TLS, through a tunnel. Every type that fits is one.
///
/// It may hold back what is written: it is flushed when there is nothing more to write for now, and a
/// flush that is pending is polled until it is done. It may hold what it has received, too: it is read
/// until it has nothing more. It is closed by being dropped, without `poll_close`.
///
/// It is polled by whichever task has something to do with it, at times another one, and wakes the one
/// that polled last, as `futures-io` says; reading and writing each have their own. It is polled under
/// the client's lock: neither it nor a waker that it calls may use the client before they return.
///
/// [`WithSpare`] is a stream that large values are read from at less cost.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// What is in it, if it is a [`WithSpare`].
    #[doc(hidden)]
    fn with_spare(&mut self) -> Option<Pin<&mut dyn ReadSpare>>;
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {
    fn with_spare(&mut self) -> Option<Pin<&mut dyn ReadSpare>> {
        WithSpare::of(self)
    }
}

/// Connects to one of a host's addresses: the first that accepts, in order. Those that `address` does
/// not allow (`inet:` and `inet6:`) are left out; each of the others has its share of the time.
///
/// # Errors
///
/// The last error there was, or [`io::ErrorKind::NotFound`] where there is no suitable address.
pub async fn connect_any<S, C: Future<Output = io::Result<S>>>(
    runtime: &impl Runtime,
    address: &ServerAddress,
    addresses: impl IntoIterator<Item = SocketAddr>,
    deadline: Instant,
    connect: impl Fn(SocketAddr) -> C,
) -> io::Result<S> {
    let Endpoint::Tcp { family, .. } = address.endpoint() else {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "not an address of TCP"));
    };
    let mut addresses: Vec<_> =
        addresses.into_iter().filter(|address| family.admits(address.ip())).collect();
    addresses.dedup();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no suitable address");
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let now = runtime.now();
        let share = deadline.saturating_duration_since(now) / left;
        left -= 1;
        match before(connect(address), runtime.sleep_until(now + share)).await {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => last = error,
            None => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

memcache_proto::__connect_failure!();

/// What `future` gives, unless `end` comes first.
pub(crate) async fn before<T>(
    future: impl Future<Output = T>,
    end: impl Future<Output = ()>,
) -> Option<T> {
    let (mut future, mut end) = (pin!(future), pin!(end));
    poll_fn(|cx| match (future.as_mut().poll(cx), Pin::as_mut(&mut end)) {
        (Poll::Ready(result), _) => Poll::Ready(Some(result)),
        (Poll::Pending, end) => end.poll(cx).map(|()| None),
    })
    .await
}

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A connection that has been made, and who is to log in if that is not told by the settings.
pub(crate) struct Connected {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) credentials: Option<Credentials>,
}

/// What a runtime around another one, its field `runtime`, does as that does: all but connecting.
macro_rules! but_for_connect {
    () => {
        fn resolve(
            self: std::sync::Arc<Self>,
            host: String,
            port: u16,
        ) -> $crate::runtime::BoxFuture<std::io::Result<Vec<std::net::SocketAddr>>> {
            self.runtime.clone().resolve(host, port)
        }

        fn sleep_until(
            self: std::sync::Arc<Self>,
            deadline: std::time::Instant,
        ) -> $crate::runtime::BoxFuture<()> {
            self.runtime.clone().sleep_until(deadline)
        }

        fn now(&self) -> std::time::Instant {
            self.runtime.now()
        }

        fn spawn(&self, driver: $crate::runtime::BoxFuture<()>) {
            self.runtime.spawn(driver);
        }

        fn end(&self) {
            self.runtime.end();
        }
    };
}
#[cfg(feature = "tls")]
pub(crate) use but_for_connect;

/// Finds out who logs in to a server.
pub(crate) type Secrets =
    dyn Fn(ServerAddress) -> BoxFuture<Result<Credentials, Cause>> + Send + Sync;

/// A runtime, and who logs in on the connections that it makes.
pub(crate) struct WithSecrets {
    pub(crate) runtime: Arc<dyn AnyRuntime>,
    pub(crate) secrets: Arc<Secrets>,
}

impl AnyRuntime for WithSecrets {
    fn connect(
        self: Arc<Self>,
        address: ServerAddress,
        deadline: Instant,
    ) -> BoxFuture<io::Result<Connected>> {
        Box::pin(async move {
            let credentials = (self.secrets)(address.clone()).await;
            let credentials =
                credentials.map_err(|cause| io::Error::other(NoCredentials(cause)))?;
            let connected = self.runtime.clone().connect(address, deadline).await?;
            Ok(Connected { credentials: Some(credentials), ..connected })
        })
    }

    but_for_connect!();
}

/// A [`Runtime`] whose type is not told.
pub(crate) trait AnyRuntime: Send + Sync {
    fn connect(
        self: Arc<Self>,
        address: ServerAddress,
        deadline: Instant,
    ) -> BoxFuture<io::Result<Connected>>;

    fn resolve(self: Arc<Self>, host: String, port: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>>;

    fn sleep_until(self: Arc<Self>, deadline: Instant) -> BoxFuture<()>;

    fn now(&self) -> Instant;

    fn spawn(&self, driver: BoxFuture<()>);

    /// The client has ended.
    fn end(&self);
}

/// The runtime of a client, for another one that ends with it.
pub(crate) struct Lent {
    pub(crate) runtime: Arc<dyn AnyRuntime>,
}

impl AnyRuntime for Lent {
    fn connect(
        self: Arc<Self>,
        address: ServerAddress,
        deadline: Instant,
    ) -> BoxFuture<io::Result<Connected>> {
        self.runtime.clone().connect(address, deadline)
    }

    fn resolve(self: Arc<Self>, host: String, port: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        self.runtime.clone().resolve(host, port)
    }

    fn sleep_until(self: Arc<Self>, deadline: Instant) -> BoxFuture<()> {
        self.runtime.clone().sleep_until(deadline)
    }

    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn spawn(&self, driver: BoxFuture<()>) {
        self.runtime.spawn(driver);
    }

    fn end(&self) {}
}

/// A runtime that polls the drivers itself.
pub(crate) struct Spawned<R>(pub(crate) R);

/// A runtime beside which somebody polls the drivers.
pub(crate) struct Polled<R> {
    pub(crate) runtime: R,
    pub(crate) tasks: Arc<Tasks>,
}

macro_rules! any_runtime {
    ($self:ident.$runtime:tt) => {
        fn connect(
            $self: Arc<Self>,
            address: ServerAddress,
            deadline: Instant,
        ) -> BoxFuture<io::Result<Connected>> {
            Box::pin(async move {
                let stream = $self.$runtime.connect(&address, deadline).await?;
                Ok(Connected { stream, credentials: None })
            })
        }

        fn resolve(
            $self: Arc<Self>,
            host: String,
            port: u16,
        ) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
            Box::pin(async move { $self.$runtime.resolve(&host, port).await })
        }

        fn sleep_until($self: Arc<Self>, deadline: Instant) -> BoxFuture<()> {
            Box::pin(async move { $self.$runtime.sleep_until(deadline).await })
        }

        fn now(&$self) -> Instant {
            $self.$runtime.now()
        }
    };
}

impl<R: Spawn> AnyRuntime for Spawned<R> {
    any_runtime!(self.0);

    fn spawn(&self, driver: BoxFuture<()>) {
        self.0.spawn(driver);
    }

    fn end(&self) {}
}

impl<R: Runtime> AnyRuntime for Polled<R> {
    any_runtime!(self.runtime);

    fn spawn(&self, driver: BoxFuture<()>) {
        self.tasks.add(driver);
    }

    fn end(&self) {
        self.tasks.end();
    }
}
