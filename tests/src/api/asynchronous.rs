use std::future::Future;
use std::marker::PhantomData;
use std::sync::LazyLock;

use memcache_async::{AsyncStd, Builder, Smol, Spawn};
use tokio::runtime::Runtime;

use super::*;
use crate::{Tokio, WithBuffers};

/// [`memcache_async::Client`] on the runtime `R`, with a thread that waits for each call.
#[derive(Clone, Debug)]
pub struct AsyncClient<R> {
    client: memcache_async::Client,
    runtime: PhantomData<fn() -> R>,
}

/// A runtime, and what waits for a future there.
pub trait BlockOn: Spawn + Sized {
    /// What a client on it is called in reports.
    const NAME: &'static str;

    /// The runtime.
    fn start() -> Self;

    /// Waits for a future.
    fn block_on<T>(future: impl Future<Output = T>) -> T;
}

impl BlockOn for Smol {
    const NAME: &'static str = "memcache-async on smol";

    fn start() -> Self {
        Smol::new()
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        smol::block_on(future)
    }
}

impl BlockOn for AsyncStd {
    const NAME: &'static str = "memcache-async on async-std";

    fn start() -> Self {
        AsyncStd
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        async_std::task::block_on(future)
    }
}

/// The threads of tokio. Those of the others are as global.
static TOKIO: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads for tokio"));

impl BlockOn for Tokio {
    const NAME: &'static str = "memcache-async on tokio";

    fn start() -> Self {
        Tokio(TOKIO.handle().clone())
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        TOKIO.block_on(future)
    }
}

impl<R: BlockOn> Api for AsyncClient<R> {
    const NAME: &'static str = R::NAME;
    const SHARES_CONNECTIONS: bool = true;

    fn new(config: &Config) -> Result<Self, Error> {
        let runtime = R::start();
        let client = match config.buffering {
            None => configured!(Builder::new(runtime), config).build()?,
            Some(buffering) => {
                configured!(Builder::new(WithBuffers(runtime, buffering)), config).build()?
            }
        };
        Ok(AsyncClient { client, runtime: PhantomData })
    }

    fn forget_dead_hosts(&self) {
        self.client.forget_dead_hosts();
    }

    fn set_servers(&self, servers: &[(String, i32)]) -> Result<(), Error> {
        self.client.set_servers(servers)
    }

    fn quit_all(&self) {
        R::block_on(self.client.quit_all());
    }

    fn cas_ids(&self) -> CasIds {
        self.client.cas_ids()
    }

    fn call_counts(&self) -> Vec<(&'static str, u64)> {
        self.client.call_counts()
    }

    fn get_or_set<V: FromValue + ToValue>(
        &self,
        key: impl ToKey,
        expiry: impl Into<Expiry>,
        compute: impl FnOnce() -> Result<V, Error>,
    ) -> Result<Fetched<V>, Error> {
        R::block_on(self.client.get_or_set(key, expiry, async || compute()))
    }

    fn get_or_set_with<V: FromValue + ToValue>(
        &self,
        key: impl ToKey,
        expiry: impl Into<Expiry>,
        compute: impl FnOnce() -> Result<V, Error>,
    ) -> Result<Fetched<V>, Error> {
        R::block_on(self.client.get_or_set_with(key, expiry, async || compute()))
    }

    fn get_or_add<V: FromValue + ToValue>(
        &self,
        key: impl ToKey,
        expiry: impl Into<Expiry>,
        compute: impl FnOnce() -> Result<V, Error>,
    ) -> Result<Fetched<V>, Error> {
        R::block_on(self.client.get_or_add(key, expiry, async || compute()))
    }

    calls! { forward [self, [self.client.], call => R::block_on(call)] }
}
