//! What keeps the servers of a client up to date, on a thread of its own.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use memcache_proto::calls::discovery::notice_of;
use memcache_proto::calls::{Config, DebugHook, Error};
use memcache_proto::client::NoticeEvent;
use memcache_proto::discovery::{Discovery, DiscoveryError, Verdict};
use memcache_proto::{Origin, Time};

use super::{Discover, Endpoints};
use crate::client::Client;
use crate::dialing::Dialer;
use crate::pool::Pool;

/// As good as never, in what [`Instant`] can hold.
const FAR: Duration = Duration::from_secs(365 * 86_400);

/// Asks for the servers when the core says that it is time, and does what the core says of the answer.
pub(crate) struct Keeper {
    discover: Box<dyn Discover>,
    endpoints: Endpoints,
    discovery: Discovery,
    origin: Origin,
    debug: Option<DebugHook>,
}

impl Keeper {
    /// What is to keep the servers of a client to be. If `config` names none it is asked at once.
    pub(crate) fn new(
        discover: Box<dyn Discover>,
        config: &mut Config,
        dialer: &Arc<Dialer>,
    ) -> Result<Self, Error> {
        config.check()?;
        let servers = config.servers.iter().cloned().collect::<Result<Vec<_>, _>>()?;
        let (settings, every) = (config.settings.clone(), config.discovery.every);
        let discovery = Discovery::new(&servers, every, &settings.limits, Time::ZERO);
        let endpoints = Endpoints::new(settings, dialer.clone());
        let (origin, debug) = (Origin::new(Instant::now()), config.debug.clone());
        let mut keeper = Keeper { discover, endpoints, discovery, origin, debug };
        if servers.is_empty() {
            let verdict = keeper.ask();
            keeper.tell(notice_of(&verdict));
            match verdict {
                Verdict::Changed(change) => {
                    config.servers = change.servers.into_iter().map(Ok).collect();
                }
                Verdict::Refused { error, .. } => return Err(Error::Discovery(error)),
                Verdict::Same => {}
            }
        }
        Ok(keeper)
    }

    fn ask(&mut self) -> Verdict {
        let answer = self.discover.servers(&self.endpoints);
        self.discovery.answered(answer, self.origin.time(Instant::now()))
    }

    fn tell(&self, notice: Option<NoticeEvent>) {
        if let (Some(debug), Some(notice)) = (&self.debug, notice) {
            debug(&self.discover.name(), &notice);
        }
    }

    /// Begins to keep the servers of this client, until `stop` says so.
    pub(crate) fn start(self, pool: &Arc<Pool>, stop: Arc<Stop>) -> Result<(), Error> {
        let pool = Arc::downgrade(pool);
        let thread = thread::Builder::new().name("memcache-discover".into());
        match thread.spawn(move || self.keep(&pool, &stop)) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::Discovery(DiscoveryError::Failed(error.into()))),
        }
    }

    fn keep(mut self, pool: &Weak<Pool>, stop: &Stop) {
        loop {
            let far = Instant::now() + FAR;
            let due = self.origin.instant(self.discovery.due()).map_or(far, |due| due.min(far));
            if stop.wait_until(due) {
                return;
            }
            let verdict = self.ask();
            // The client may have been dropped meanwhile; if it is now, it is dropped here.
            let Some(pool) = pool.upgrade() else { return };
            let mut notice = notice_of(&verdict);
            if let Verdict::Changed(change) = verdict {
                if let Err(error) = Client::from_pool(pool).set_servers(change.servers) {
                    let error = DiscoveryError::Failed(error.into());
                    notice = Some(NoticeEvent::NotDiscovered { error });
                }
            }
            self.tell(notice);
        }
    }
}

/// Says that a client has ended.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(crate) fn raise(&self) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits until then, or until the client has ended. Whether it has.
    fn wait_until(&self, due: Instant) -> bool {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        while !*raised {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(raised, left);
            raised = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
