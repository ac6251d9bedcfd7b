use memcache_sync::proto::Time;
use memcache_sync::proto::calls::{self, Answer, Calls};
use memcache_sync::proto::client::{self, Action, ConnectFailure, ConnectionId};

use super::*;
use crate::virtual_time::Line;

/// The core without an adapter: no socket, and no time but that of its [`Network`].
#[derive(Debug)]
pub struct CoreAlone(Client);

is_a_client!([] CoreAlone);

/// The core client, which changes with the servers.
#[derive(Debug)]
struct Core {
    network: Network,
    inner: Mutex<Arc<Inner>>,
}

/// A core client, and the calls to it.
#[derive(Debug)]
struct Inner {
    network: Network,
    calls: Calls,
    driven: Mutex<Driven>,
}

/// A core client and its connections.
#[derive(Debug)]
struct Driven {
    client: client::Client,
    network: Network,
    lines: HashMap<ConnectionId, Line>,
    /// What could not be done when it was asked for.
    waiting: Vec<Action>,
}

impl Core {
    fn inner(&self) -> Arc<Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Inner {
    fn new(network: &Network, calls: Calls) -> Arc<Self> {
        let driven = Driven {
            client: client::Client::new(calls.cluster().clone()),
            network: network.clone(),
            lines: HashMap::new(),
            waiting: Vec::new(),
        };
        Arc::new(Inner { network: network.clone(), calls, driven: Mutex::new(driven) })
    }

    fn calls(&self) -> &Calls {
        &self.calls
    }

    fn pause(&self, pause: Duration) {
        self.network.pass(pause);
    }

    fn budget(&self, (): &()) -> &Self {
        self
    }

    memcache_sync::proto::__calls!([] [] self);

    memcache_sync::proto::__recached!([] self);

    fn run<C: Call>(&self, call: C) -> Result<C::Output, Error> {
        let mut driven = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, mut answer) = call.submit(&self.calls, |operation| {
            let submitted = driven.client.submit(operation, self.network.now());
            submitted.map_err(|rejected| rejected.reason.into())
        })?;
        loop {
            answer.proceed(&mut driven.client, id, &self.calls, self.network.now());
            if let Some(outcome) = driven.client.take(id) {
                return answer.finish(outcome, &self.calls, |_| None);
            }
            driven.step();
            while let Some(notice) = driven.client.poll_notice() {
                self.calls.report(&notice);
            }
        }
    }
}

impl Driven {
    /// Does once all that can be done.
    fn step(&mut self) {
        let now = self.network.now();
        let mut actions = std::mem::take(&mut self.waiting);
        while let Some(action) = self.client.poll_action(now) {
            actions.push(action);
        }
        let mut progress = false;
        for action in actions {
            if self.act(action, now) {
                progress = true;
            } else {
                self.waiting.push(action);
            }
        }
        // Every server here answers at once.
        assert!(progress, "the client waits for nothing: {:?}", self.waiting);
    }

    /// Whether that could be done now.
    fn act(&mut self, action: Action, now: Time) -> bool {
        match action {
            Action::Connect { connection, .. } => {
                let server = self.client.cluster().server(connection.server());
                let address = server.expect("it is of this cluster").address.to_string();
                match self.network.connect(&address) {
                    Some(line) => {
                        self.lines.insert(connection, line);
                        self.client.connected(connection, now);
                    }
                    None => {
                        self.client.connect_failed(connection, ConnectFailure::Refused, now);
                    }
                }
            }
            Action::Look(connection) => {
                let Some(line) = self.lines.get_mut(&connection) else { return true };
                match line.read(self.client.receive_buffer(connection)) {
                    0 if !line.is_closed() => self.client.looked(connection, now),
                    len => self.client.received(connection, len, now),
                }
            }
            // There is no other client in its network.
            Action::Await(_) => {}
            Action::Close(connection) => drop(self.lines.remove(&connection)),
            Action::Transmit(connection) => {
                // It may have been closed since it was asked for.
                let Some(line) = self.lines.get_mut(&connection) else { return true };
                let bytes = self.client.transmit(connection);
                let len = line.write(bytes);
                if len == 0 && !bytes.is_empty() {
                    return false;
                }
                self.client.transmitted(connection, len, now);
            }
            Action::Receive(connection) => {
                let Some(line) = self.lines.get_mut(&connection) else { return true };
                let len = line.read(self.client.receive_buffer(connection));
                if len == 0 && !line.is_closed() {
                    return false;
                }
                self.client.received(connection, len, now);
            }
        }
        true
    }
}

impl Api for CoreAlone {
    const NAME: &'static str = "the core alone";
    const SHARES_CONNECTIONS: bool = false;

    fn new(config: &Config) -> Result<Self, Error> {
        let network = config.network.clone().expect("the core alone reaches no sockets");
        let mut core = calls::Config::default();
        core.settings.key_prefix = config.key_prefix.clone().into();
        core.settings.resend_stores = config.resend_stores;
        core.settings.flush_on_reconnect = config.flush_on_reconnect;
        core.unavailable_is_miss = config.unavailable_is_miss;
        core.cache_cas = config.cache_cas;
        core.recache = config.recache;
        core.keys = core.keys.check_keys(!config.unchecked_keys);
        if let Some(encoder) = config.key_encoder {
            core.keys = core.keys.key_encoder(move |key| Ok(encoder(key)));
        }
        if let Some(events) = config.events.clone() {
            core.debug = Some(Arc::new(move |server, event| events.note(server, event)));
        }
        core.settings.operation_timeout = config.operation_timeout;
        if let Some(timeout) = config.socket_timeout {
            core.settings.socket_timeout = timeout;
        }
        if let Some(retry) = config.dead_retry {
            core.settings.dead_retry = retry;
        }
        core.transcoder.min_compress_len = config.min_compress_len;
        for (address, weight) in &config.servers {
            core.add_server(address, *weight);
        }
        let clock = network.clone();
        let calls = core.build(move || clock.unix_now())?;
        let inner = Mutex::new(Inner::new(&network, calls));
        Ok(CoreAlone(Client::new(Core { network, inner })))
    }
}

impl<C: Call> Run<C> for Core {
    fn run(&self, call: C) -> Result<C::Output, Error> {
        self.inner().run(call)
    }
}

impl Face for Core {
    fn forget_dead_hosts(&self) {
        self.inner().calls.cluster().health().forget_dead_hosts();
    }

    fn set_servers(&self, servers: &[(String, i32)]) -> Result<(), Error> {
        let calls = self.inner().calls.with_servers(servers)?;
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) =
            Inner::new(&self.network, calls);
        Ok(())
    }

    fn quit_all(&self) {
        let inner = self.inner();
        let mut driven = inner.driven.lock().unwrap_or_else(PoisonError::into_inner);
        driven.client.quit_all(self.network.now());
        while !driven.client.is_idle() {
            driven.step();
        }
    }

    fn cas_ids(&self) -> CasIds {
        self.inner().cas_ids()
    }

    fn call_counts(&self) -> Vec<(&'static str, u64)> {
        self.inner().call_counts()
    }

    fn get_or_set(
        &self,
        key: &dyn ToKey,
        expiry: Expiry,
        compute: Compute<'_>,
    ) -> Result<Fetched<Erased>, Error> {
        self.inner().get_or_set(key, expiry, compute)
    }

    fn pause(&self, time: Duration) {
        self.network.pass(time);
    }

    fn unix_now(&self) -> u64 {
        self.network.unix_now()
    }

    fn get_or_set_with(
        &self,
        key: &dyn ToKey,
        expiry: Expiry,
        compute: Compute<'_>,
    ) -> Result<Fetched<Erased>, Error> {
        self.inner().get_or_set_with(key, expiry, compute)
    }

    fn get_or_add(
        &self,
        key: &dyn ToKey,
        expiry: Expiry,
        compute: Compute<'_>,
    ) -> Result<Fetched<Erased>, Error> {
        self.inner().get_or_add(key, expiry, compute)
    }

    calls! { forward [self, [self.inner().], result => result] }
}
