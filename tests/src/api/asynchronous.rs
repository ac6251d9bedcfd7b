use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::sync::LazyLock;

use memcache_async::{AsyncStd, Builder, Smol, Spawn, Tokio};
use tokio::runtime::Runtime;

use super::*;
use crate::WithBuffers;

/// [`memcache_async::Client`] on the runtime `R`, with a thread that waits for each call.
#[derive(Debug)]
pub struct AsyncClient<R> {
    client: Client,
    runtime: PhantomData<fn() -> R>,
}

/// A runtime, and what waits for a future there. Nothing of it is generic: a client is compiled here, for
/// all who use it.
pub trait BlockOn {
    /// What a client on it is called in reports.
    const NAME: &'static str;

    /// A client.
    ///
    /// # Errors
    ///
    /// As its builder.
    fn client(config: &Config) -> Result<memcache_async::Client, Error>;

    /// Waits for a future.
    fn block_on(future: Pin<&mut dyn Future<Output = ()>>);
}

impl BlockOn for Smol {
    const NAME: &'static str = "memcache-async on smol";

    fn client(config: &Config) -> Result<memcache_async::Client, Error> {
        client_on(Smol::new(), config)
    }

    fn block_on(future: Pin<&mut dyn Future<Output = ()>>) {
        smol::block_on(future);
    }
}

impl BlockOn for AsyncStd {
    const NAME: &'static str = "memcache-async on async-std";

    fn client(config: &Config) -> Result<memcache_async::Client, Error> {
        client_on(AsyncStd, config)
    }

    fn block_on(future: Pin<&mut dyn Future<Output = ()>>) {
        async_std::task::block_on(future);
    }
}

/// The threads of tokio. Those of the others are as global.
static TOKIO: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads for tokio"));

impl BlockOn for Tokio {
    const NAME: &'static str = "memcache-async on tokio";

    fn client(config: &Config) -> Result<memcache_async::Client, Error> {
        client_on(Tokio::on(TOKIO.handle()), config)
    }

    fn block_on(future: Pin<&mut dyn Future<Output = ()>>) {
        TOKIO.block_on(future);
    }
}

fn client_on(runtime: impl Spawn, config: &Config) -> Result<memcache_async::Client, Error> {
    match config.buffering {
        None => {
            let mut builder = configured!(Builder::new(runtime), config);
            if let Some(tls) = &config.tls {
                builder = builder.tls(tls.clone());
            }
            builder.build()
        }
        Some(buffering) => {
            configured!(Builder::new(WithBuffers(runtime, buffering)), config).build()
        }
    }
}

impl<R: BlockOn> Api for AsyncClient<R> {
    const NAME: &'static str = R::NAME;
    const SHARES_CONNECTIONS: bool = true;

    fn new(config: &Config) -> Result<Self, Error> {
        let blocking = Blocking { client: R::client(config)?, block_on: R::block_on };
        Ok(AsyncClient { client: Client::new(blocking), runtime: PhantomData })
    }
}

is_a_client!([<R>] AsyncClient<R> { client });

/// A client whose calls block.
struct Blocking {
    client: memcache_async::Client,
    block_on: fn(Pin<&mut dyn Future<Output = ()>>),
}

impl Blocking {
    /// Waits for what a call returns.
    fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        let mut returned = None;
        (self.block_on)(pin!(async { returned = Some(call.await) }));
        returned.expect("a future that was waited for has ended")
    }
}

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)
    }
}

impl<C: Call> Run<C> for Blocking {
    fn run(&self, call: C) -> Result<C::Output, Error> {
        self.wait(self.client.run(call))
    }
}

impl Face for Blocking {
    fn forget_dead_hosts(&self) {
        self.client.forget_dead_hosts();
    }

    fn set_servers(&self, servers: &[(String, i32)]) -> Result<(), Error> {
        self.client.set_servers(servers)
    }

    fn quit_all(&self) {
        self.wait(self.client.quit_all());
    }

    fn cas_ids(&self) -> CasIds {
        self.client.cas_ids()
    }

    fn call_counts(&self) -> Vec<(&'static str, u64)> {
        self.client.call_counts()
    }

    fn get_or_set(
        &self,
        key: &dyn ToKey,
        expiry: Expiry,
        compute: Compute<'_>,
    ) -> Result<Fetched<Erased>, Error> {
        self.wait(self.client.get_or_set(key, expiry, async || compute()))
    }

    fn get_or_set_with(
        &self,
        key: &dyn ToKey,
        expiry: Expiry,
        compute: Compute<'_>,
    ) -> Result<Fetched<Erased>, Error> {
        self.wait(self.client.get_or_set_with(key, expiry, async || compute()))
    }

    fn get_or_add(
        &self,
        key: &dyn ToKey,
        expiry: Expiry,
        compute: Compute<'_>,
    ) -> Result<Fetched<Erased>, Error> {
        self.wait(self.client.get_or_add(key, expiry, async || compute()))
    }

    calls! { forward [self, [self.client.], call => self.wait(call)] }
}
