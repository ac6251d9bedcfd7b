//! What keeps the servers of a client up to date, as one more future of its runtime.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use memcache_proto::calls::discovery::notice_of;
use memcache_proto::calls::{Config, DebugHook, Error};
use memcache_proto::client::NoticeEvent;
use memcache_proto::discovery::{Discovery, DiscoveryError, Verdict};
use memcache_proto::{Origin, Time};

use super::{AnyDiscover, Endpoints};
use crate::client::WeakClient;
use crate::runtime::AnyRuntime;
use crate::signal::Signal;

/// As good as never, in what [`std::time::Instant`] can hold.
const FAR: Duration = Duration::from_secs(365 * 86_400);

/// Asks for the servers when the core says that it is time, and does what the core says of the answer.
pub(crate) struct Keeper {
    discover: Box<dyn AnyDiscover>,
    endpoints: Endpoints,
    discovery: Discovery,
    runtime: Arc<dyn AnyRuntime>,
    origin: Origin,
    debug: Option<DebugHook>,
}

impl Keeper {
    /// What is to keep the servers of a client to be.
    pub(crate) fn new(
        discover: Box<dyn AnyDiscover>,
        config: &Config,
        runtime: &Arc<dyn AnyRuntime>,
    ) -> Result<Self, Error> {
        config.check()?;
        let servers = config.servers.iter().cloned().collect::<Result<Vec<_>, _>>()?;
        let (settings, every) = (config.settings.clone(), config.discovery.every);
        let discovery = Discovery::new(&servers, every, &settings.limits, Time::ZERO);
        let endpoints = Endpoints::new(settings, runtime);
        let (runtime, debug) = (runtime.clone(), config.debug.clone());
        let origin = Origin::new(runtime.now());
        Ok(Keeper { discover, endpoints, discovery, runtime, origin, debug })
    }

    /// Asks before there is a client. It fails only if nobody has named servers to begin with.
    pub(crate) async fn begin(&mut self, config: &mut Config) -> Result<(), Error> {
        let verdict = self.ask().await;
        self.tell(notice_of(&verdict));
        match verdict {
            Verdict::Changed(change) => {
                config.servers = change.servers.into_iter().map(Ok).collect();
                Ok(())
            }
            Verdict::Refused { error, .. } if config.servers.is_empty() => {
                Err(Error::Discovery(error))
            }
            Verdict::Refused { .. } | Verdict::Same => Ok(()),
        }
    }

    async fn ask(&mut self) -> Verdict {
        let answer = self.discover.servers(&self.endpoints).await;
        self.discovery.answered(answer, self.origin.time(self.runtime.now()))
    }

    fn tell(&self, notice: Option<NoticeEvent>) {
        if let (Some(debug), Some(notice)) = (&self.debug, notice) {
            debug(&self.discover.name(), &notice);
        }
    }

    /// Keeps the servers of this client, until it ends.
    pub(crate) async fn keep(self, client: WeakClient, stop: Arc<Stop>) {
        let mut keeping = pin!(self.keep_on(client));
        stop.until(keeping.as_mut()).await;
    }

    async fn keep_on(mut self, client: WeakClient) {
        loop {
            let far = self.runtime.now() + FAR;
            let due = self.origin.instant(self.discovery.due()).map_or(far, |due| due.min(far));
            if due > self.runtime.now() {
                self.runtime.clone().sleep_until(due).await;
                // A sleep may end early.
                continue;
            }
            let verdict = self.ask().await;
            let mut notice = notice_of(&verdict);
            if let Verdict::Changed(change) = verdict {
                // If it has been dropped meanwhile, it is dropped for good here.
                let Some(client) = client.upgrade() else { return };
                match client.set_servers(change.servers) {
                    Ok(()) => {}
                    Err(Error::Closed) => return,
                    Err(error) => {
                        let error = DiscoveryError::Failed(error.into());
                        notice = Some(NoticeEvent::NotDiscovered { error });
                    }
                }
            }
            self.tell(notice);
        }
    }
}

/// Says that a client has ended.
#[derive(Default)]
pub(crate) struct Stop(Arc<Signal>);

impl Stop {
    pub(crate) fn raise(&self) {
        std::task::Wake::wake_by_ref(&self.0);
    }

    /// Polls the future to its end, or until the client has ended.
    async fn until(&self, mut future: Pin<&mut (impl Future<Output = ()> + Send)>) {
        poll_fn(|cx| {
            self.0.register(cx.waker());
            match self.0.is_ready() {
                true => Poll::Ready(()),
                false => future.as_mut().poll(cx),
            }
        })
        .await;
    }
}
