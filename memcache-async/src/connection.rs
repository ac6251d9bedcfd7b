use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_io::{AsyncRead, AsyncWrite};
use memcache_proto::calls::{Answer, Call, Calls, Config, Error, Source, Watch};
use memcache_proto::client::{
    Action, Client, ConnectFailure, ConnectionId, Delivery, Failure, FailureKind, OperationId,
    Outcome, Retry,
};
use memcache_proto::{Origin, Time};

use crate::builder::{Builder, unix_now};
use crate::exchange;

/// The calls of a [`Client`](crate::Client) over one stream of the caller's own: TLS, a tunnel, an
/// in-memory pipe. No servers to choose from, no runtime, no timeouts.
///
/// One call is made at a time. Its future may be dropped: the reply that still comes is swallowed by
/// the next call. Once the stream has ended, or the peer has broken the protocol, every call fails; the
/// cure is another connection.
///
/// ```
/// use memcache_async::{Connection, Expiry};
///
/// # let server = memcache_sync::server::Server::start()?;
/// # let address: std::net::SocketAddr = server.address().parse()?;
/// # smol::block_on(async {
/// let stream = smol::Async::<std::net::TcpStream>::connect(address).await?; // or any other
/// let mut connection = Connection::new(stream);
/// connection.set("greeting", "hello", Expiry::Never).await?;
/// assert_eq!(connection.get::<String>("greeting").await?.as_deref(), Some("hello"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Connection::builder`] is for other settings than the default. Errors name the server `stream`,
/// unless the settings have a server of another name.
pub struct Connection<S> {
    stream: S,
    client: Client,
    calls: Calls,
    state: State,
    /// Whether the stream may hold some of what it was given to write.
    unflushed: bool,
    error: Option<Source>,
    origin: Origin,
    /// When the last call was made: what has come long after it is not the reply to the next.
    now: Time,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing has been asked for yet.
    New,
    Open(ConnectionId),
    Closed,
}

impl Connection<()> {
    /// The settings of a connection to be; [`Builder::over`] makes it.
    ///
    /// ```
    /// use memcache_async::Connection;
    ///
    /// # let stream = smol::io::Cursor::new(Vec::<u8>::new());
    /// let connection = Connection::builder().key_prefix("shop:").over(stream)?;
    /// # Ok::<(), memcache_async::Error>(())
    /// ```
    pub fn builder() -> Builder<()> {
        Builder::new(())
    }
}

impl<S> Connection<S> {
    /// A connection over this stream, with the default settings.
    pub fn new(stream: S) -> Self {
        Self::with_config(stream, Config::default()).expect("the default settings are in order")
    }

    pub(crate) fn with_config(stream: S, mut config: Config) -> Result<Self, Error> {
        config.servers.truncate(1);
        if config.servers.is_empty() {
            config.add_server("stream", 1);
        }
        config.settings.connections_per_server = 1;
        // There is no other connection to make anything again on.
        config.settings.retry = Retry::times(0);
        let calls = config.build(unix_now)?;
        let client = Client::new(calls.cluster().clone());
        let (state, unflushed, error) = (State::New, false, None);
        let (origin, now) = (Origin::new(Instant::now()), Time::ZERO);
        Ok(Connection { stream, client, calls, state, unflushed, error, origin, now })
    }

    /// The stream. Whether anything is still to come over it nobody knows.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// Whether every further call will fail.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    memcache_proto::__calls!([async] [mut] self);

    /// Makes a call of [`proto::calls`](memcache_proto::calls). The methods above are
    /// this with each of them.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn run<C: Call>(&mut self, call: C) -> Result<C::Output, Error> {
        if self.is_closed() {
            return Err(self.closed());
        }
        self.now = self.origin.time(Instant::now());
        let mut watch = self.calls.watch(call.name(), || self.now);
        let result = self.run_watched(call, &mut watch).await;
        watch.end(&self.calls, &result, || self.origin.time(Instant::now()));
        result
    }

    async fn run_watched<C: Call>(
        &mut self,
        call: C,
        watch: &mut Watch,
    ) -> Result<C::Output, Error> {
        let (id, mut answer) = call.submit(&self.calls, |operation| {
            self.client.submit(operation, self.now).map_err(|rejected| rejected.reason.into())
        })?;
        let outcome = Waiting { connection: self, id }.outcome(&mut answer).await;
        watch.came_to(&outcome, || self.client.seen(id));
        answer.finish(outcome, &self.calls, |_| self.error.clone())
    }

    fn calls(&self) -> &Calls {
        &self.calls
    }

    /// For the steps of one call.
    fn budget(&mut self, (): &()) -> &mut Self {
        self
    }

    /// Does what the core asks for.
    fn act(&mut self) {
        while let Some(notice) = self.client.poll_notice() {
            self.calls.report(&notice);
        }
        while let Some(action) = self.client.poll_action(self.now) {
            match action {
                Action::Connect { connection, .. } if self.state == State::New => {
                    self.state = State::Open(connection);
                    self.client.connected(connection, self.now);
                }
                // There is but one stream.
                Action::Connect { connection, .. } => {
                    self.client.connect_failed(connection, ConnectFailure::Other, self.now);
                }
                Action::Close(_) => self.state = State::Closed,
                Action::Transmit(_) | Action::Receive(_) | Action::Look(_) | Action::Await(_) => {}
            }
        }
    }

    /// Reads and writes until the operation has its outcome.
    fn poll_outcome<A: Answer>(
        &mut self,
        id: OperationId,
        answer: &mut A,
        cx: &mut Context<'_>,
    ) -> Poll<Outcome> {
        let mut reads = 0;
        loop {
            answer.proceed(&mut self.client, id, &self.calls, self.now);
            self.act();
            // What has no reply is done once the stream has it, and nobody would flush it later.
            if !self.unflushed || self.is_closed() {
                if let Some(outcome) = self.client.take(id) {
                    return Poll::Ready(outcome);
                }
            }
            if reads == exchange::READS {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            reads += 1;
            if let Err(error) = ready!(self.poll_exchange(id, cx)) {
                self.error = Some(Arc::new(error));
                // Not as lost, because what was lost would be sent again on another connection.
                self.client.disconnect_all(self.now);
            }
        }
    }

    /// Writes what there is, and reads once if the operation needs more than that.
    fn poll_exchange(
        &mut self,
        operation: OperationId,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let State::Open(id) = self.state else { return Poll::Ready(Ok(())) };
        let Connection { stream, client, unflushed, now, .. } = self;
        if client.wants(id).look {
            match exchange::receive(client, id, stream, cx)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(len) => {
                    client.received(id, len, *now);
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => client.looked(id, *now),
            }
        }
        match exchange::send(client, id, stream, unflushed, *now, cx) {
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) if client.is_done(operation) => return Poll::Ready(Ok(())),
            // Where it cannot write for now it may still have to read, or the peer will not either.
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        match ready!(exchange::receive(client, id, stream, cx))? {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            len => {
                client.received(id, len, *now);
                Poll::Ready(Ok(()))
            }
        }
    }

    fn closed(&self) -> Error {
        let server = self.calls.cluster().servers().first();
        let server = server.map(|server| server.stats_name().to_string());
        let (delivery, kind) = (Delivery::NotSent, FailureKind::Disconnected);
        let failure = Failure { server: None, delivery, changes: false, kind };
        Error::Server { server, failure, source: self.error.clone() }
    }
}

/// An operation of a connection that is waited for; forgotten if it is dropped.
struct Waiting<'a, S> {
    connection: &'a mut Connection<S>,
    id: OperationId,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Waiting<'_, S> {
    async fn outcome<A: Answer>(self, answer: &mut A) -> Outcome {
        poll_fn(|cx| self.connection.poll_outcome(self.id, answer, cx)).await
    }
}

impl<S> Drop for Waiting<'_, S> {
    fn drop(&mut self) {
        self.connection.client.cancel(self.id);
    }
}

impl<S> fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}
