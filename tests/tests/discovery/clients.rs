//! The clients, with what the tests need of them, so that one test is for all.

#[cfg(feature = "dns-srv")]
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use memcache_async::{Builder, Runtime, Spawn, Tokio};
use memcache_sync::{Cause, Discovered, Error, Expiry, NoticeEvent};

/// How a client is to be made.
pub(crate) struct Setup {
    source: Source,
    every: Option<Duration>,
    told: Told,
    server: Option<String>,
    prefix: &'static str,
    login: Option<(&'static str, &'static str)>,
}

enum Source {
    Config(String),
    Url(String),
    #[cfg(feature = "dns-srv")]
    Srv(&'static str, SocketAddr),
    Asking(fn() -> Result<Discovered, Cause>),
}

impl Setup {
    fn new(source: Source) -> Self {
        let told = Told::default();
        Setup { source, every: None, told, server: None, prefix: "", login: None }
    }

    pub(crate) fn config(address: &str) -> Self {
        Setup::new(Source::Config(address.into()))
    }

    pub(crate) fn url(url: &str) -> Self {
        Setup::new(Source::Url(url.into()))
    }

    #[cfg(feature = "dns-srv")]
    pub(crate) fn srv(name: &'static str, name_server: SocketAddr) -> Self {
        Setup::new(Source::Srv(name, name_server))
    }

    pub(crate) fn asking(ask: fn() -> Result<Discovered, Cause>) -> Self {
        Setup::new(Source::Asking(ask))
    }

    pub(crate) fn every(mut self, every: Duration) -> Self {
        self.every = Some(every);
        self
    }

    pub(crate) fn told(mut self, told: &Told) -> Self {
        self.told = told.clone();
        self
    }

    pub(crate) fn server(mut self, address: &str) -> Self {
        self.server = Some(address.into());
        self
    }

    pub(crate) fn prefix(mut self, prefix: &'static str) -> Self {
        self.prefix = prefix;
        self
    }

    pub(crate) fn login(mut self, user: &'static str, password: &'static str) -> Self {
        self.login = Some((user, password));
        self
    }

    pub(crate) fn build<C: Client>(self) -> Result<C, Error> {
        C::build(self)
    }
}

/// What a client has told.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<(String, NoticeEvent)>>>);

impl Told {
    pub(crate) fn hook(&self) -> impl Fn(&str, &NoticeEvent) + Send + Sync + 'static {
        let Told(told) = self.clone();
        move |name, event| {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.push((name.into(), event.clone()));
        }
    }

    fn count(&self, wanted: fn(&NoticeEvent) -> bool) -> usize {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().filter(|(_, event)| wanted(event)).count()
    }

    /// How often the servers have changed, the first list counted.
    pub(crate) fn changes(&self) -> usize {
        self.count(|event| matches!(event, NoticeEvent::ServersChanged { .. }))
    }

    pub(crate) fn warnings(&self) -> usize {
        self.count(|event| matches!(event, NoticeEvent::NotDiscovered { .. }))
    }

    /// By what name it was told last of servers that were not discovered.
    pub(crate) fn name(&self) -> String {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = told.iter().rev();
        let found = told.find(|(_, event)| matches!(event, NoticeEvent::NotDiscovered { .. }));
        found.map(|(name, _)| name.clone()).unwrap_or_default()
    }
}

/// A client that threads call.
pub(crate) trait Client: Sized + Sync {
    const NAME: &'static str;

    fn build(setup: Setup) -> Result<Self, Error>;

    fn set(&self, key: &str, value: &str) -> Result<(), Error>;

    fn get(&self, key: &str) -> Result<Option<String>, Error>;

    /// Ends it in good order, if it can be.
    fn close(&self) {}

    /// Drops it.
    fn end(self) {
        drop(self);
    }
}

macro_rules! set_up {
    ($builder:expr, $setup:ident, $crate_name:ident, $asking:expr) => {{
        let mut builder = $builder.debug($setup.told.hook()).key_prefix($setup.prefix);
        builder = match $setup.source {
            Source::Config(address) => builder.discover($crate_name::ClusterConfig::new(&address)),
            Source::Url(url) => builder.url(&url),
            #[cfg(feature = "dns-srv")]
            Source::Srv(name, at) => builder.discover($crate_name::Srv::new(name).name_server(at)),
            Source::Asking(ask) => builder.discover($asking(ask)),
        };
        if let Some(every) = $setup.every {
            builder = builder.discover_every(every);
        }
        if let Some(server) = &$setup.server {
            builder = builder.server(server);
        }
        if let Some((user, password)) = $setup.login {
            builder = builder.credentials(user, password);
        }
        builder
    }};
}

impl Client for memcache_sync::Client {
    const NAME: &'static str = "threads";

    fn build(setup: Setup) -> Result<Self, Error> {
        let builder = memcache_sync::Client::builder();
        set_up!(builder, setup, memcache_sync, |ask| ask).build()
    }

    fn set(&self, key: &str, value: &str) -> Result<(), Error> {
        self.set(key, value, Expiry::Never).map(drop)
    }

    fn get(&self, key: &str) -> Result<Option<String>, Error> {
        self.get(key)
    }
}

async fn build_on<R: Runtime + Spawn>(
    builder: Builder<R>,
    setup: Setup,
) -> Result<memcache_async::Client, Error> {
    let asking = |ask: fn() -> Result<Discovered, Cause>| move || std::future::ready(ask());
    let is_seeded = setup.server.is_some();
    let builder = set_up!(builder, setup, memcache_async, asking);
    if is_seeded { builder.build() } else { builder.build_discovered().await }
}

pub(crate) struct OnSmol(memcache_async::Client);

impl Client for OnSmol {
    const NAME: &'static str = "smol";

    fn build(setup: Setup) -> Result<Self, Error> {
        smol::block_on(build_on(memcache_async::Client::builder(), setup)).map(OnSmol)
    }

    fn set(&self, key: &str, value: &str) -> Result<(), Error> {
        smol::block_on(self.0.set(key, value, Expiry::Never)).map(drop)
    }

    fn get(&self, key: &str) -> Result<Option<String>, Error> {
        smol::block_on(self.0.get(key))
    }

    fn close(&self) {
        smol::block_on(self.0.close());
    }
}

/// It outlives the clients: what they have begun is to end by itself.
static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().expect("a runtime")
});

/// Has the runtimes open what they keep open.
pub(crate) fn begin_runtimes() {
    smol::block_on(async { smol::Timer::after(Duration::from_millis(1)).await });
    LazyLock::force(&RUNTIME);
}

pub(crate) struct OnTokio(memcache_async::Client);

impl Client for OnTokio {
    const NAME: &'static str = "tokio";

    fn build(setup: Setup) -> Result<Self, Error> {
        let builder = Builder::new(Tokio::on(RUNTIME.handle()));
        RUNTIME.block_on(build_on(builder, setup)).map(OnTokio)
    }

    fn set(&self, key: &str, value: &str) -> Result<(), Error> {
        RUNTIME.block_on(self.0.set(key, value, Expiry::Never)).map(drop)
    }

    fn get(&self, key: &str) -> Result<Option<String>, Error> {
        RUNTIME.block_on(self.0.get(key))
    }

    fn close(&self) {
        RUNTIME.block_on(self.0.close());
    }
}
