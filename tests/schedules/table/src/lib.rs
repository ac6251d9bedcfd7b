//! What the models of the health table have in common: how their steps are ordered, and clients that go
//! where a model takes them.
//!
//! `loom` runs a model once for each order of its atomic accesses, and for each value that the memory model
//! of the language lets a load find; of the orders, those that take a processor away from a thread no more
//! than `LOOM_MAX_PREEMPTIONS` times (2 unless it is set).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use memcache_proto::client::{
    Action, Client, Cluster, ConnectFailure, ConnectionId, FailureKind, Operation, OperationId,
    Settings,
};
use memcache_proto::routing::{Server, ServerIndex};
use memcache_proto::{Key, Time};

/// The only server.
pub const SERVER: ServerIndex = ServerIndex::new(0);

/// How long it is dead.
pub const DEAD_RETRY: Duration = Duration::from_secs(30);

/// How long a probe may take.
pub const LEASE: Duration = Duration::from_secs(6);

/// Runs a model by every schedule that there is.
pub fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.max_branches = 10_000;
    let schedules = Arc::new(AtomicUsize::new(0));
    let count = schedules.clone();
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{} schedules", schedules.load(Ordering::Relaxed));
}

/// So many seconds after the origin.
#[must_use]
pub const fn at(seconds: u64) -> Time {
    Time::new(Duration::from_secs(seconds))
}

/// A cluster of one server.
///
/// # Panics
///
/// Never.
#[must_use]
pub fn cluster() -> Arc<Cluster> {
    let address = "10.0.0.1:11211".parse().expect("an address");
    let mut settings = Settings::default();
    (settings.dead_retry, settings.socket_timeout) = (DEAD_RETRY, LEASE / 2);
    settings.flush_on_reconnect = true;
    Arc::new(Cluster::new(vec![Server::from((address, 1))], settings).expect("a cluster"))
}

/// A client of it that has asked for something, and its connection.
#[derive(Debug)]
pub struct Session {
    /// The client.
    pub client: Client,
    operation: OperationId,
    /// Its connection; `None` if it does not ask for any, because the server is dead for it.
    pub connection: Option<ConnectionId>,
}

impl Session {
    /// Begins to connect, in order to get something.
    ///
    /// # Panics
    ///
    /// Never.
    #[must_use]
    pub fn begin(cluster: &Arc<Cluster>, now: Time) -> Self {
        let mut client = Client::new(cluster.clone());
        let key = Key::new(b"key").expect("a key").into();
        let operation =
            client.submit(Operation::Get { key, cas: false }, now).expect("there is room");
        let mut connection = None;
        while let Some(action) = client.poll_action(now) {
            if let Action::Connect { connection: begun, .. } = action {
                connection = Some(begun);
            }
        }
        Session { client, operation, connection }
    }

    /// The connection that it has begun to make.
    ///
    /// # Panics
    ///
    /// If it has not.
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.connection.expect("the server is not dead")
    }

    /// Connects, and sends what there is to send.
    pub fn open(&mut self, now: Time) {
        let connection = self.connection();
        self.client.connected(connection, now);
        while self.client.wants(connection).transmit {
            let len = self.client.transmit(connection).len();
            self.client.transmitted(connection, len, now);
        }
    }

    /// Takes these bytes of the server's.
    pub fn receive(&mut self, bytes: &[u8], now: Time) {
        let connection = self.connection();
        self.client.receive_buffer(connection)[..bytes.len()].copy_from_slice(bytes);
        self.client.received(connection, bytes.len(), now);
    }

    /// What it has failed by.
    ///
    /// # Panics
    ///
    /// If it has not.
    #[must_use]
    pub fn failure(&mut self) -> FailureKind {
        let outcome = self.client.take(self.operation).expect("it has ended");
        outcome.item().expect_err("nobody has answered").kind
    }

    /// The connect is refused.
    pub fn refuse(&mut self, now: Time) {
        self.client.connect_failed(self.connection(), ConnectFailure::Refused, now);
    }
}
