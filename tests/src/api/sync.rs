use super::*;

/// [`memcache_sync::Client`].
#[derive(Debug)]
pub struct SyncClient(Client);

impl Api for SyncClient {
    const NAME: &'static str = "memcache-sync";
    const SHARES_CONNECTIONS: bool = false;

    fn new(config: &Config) -> Result<Self, Error> {
        let mut builder = configured!(memcache_sync::Client::builder(), config);
        if let Some(buffering) = config.buffering {
            builder = builder.connector(buffering);
        }
        if let Some(tls) = &config.tls {
            builder = builder.tls(tls.clone());
        }
        Ok(SyncClient(Client::new(builder.build()?)))
    }
}

is_a_client!([] SyncClient);

impl<C: Call> Run<C> for memcache_sync::Client {
    fn run(&self, call: C) -> Result<C::Output, Error> {
        self.run(call)
    }
}

impl Face for memcache_sync::Client {
    fn forget_dead_hosts(&self) {
        self.forget_dead_hosts();
    }

    fn set_servers(&self, servers: &[(String, i32)]) -> Result<(), Error> {
        self.set_servers(servers)
    }

    fn quit_all(&self) {
        self.quit_all();
    }

    fn cas_ids(&self) -> CasIds {
        self.cas_ids()
    }

    fn call_counts(&self) -> Vec<(&'static str, u64)> {
        self.call_counts()
    }

    fn get_or_set(
        &self,
        key: &dyn ToKey,
        expiry: Expiry,
        compute: Compute<'_>,
    ) -> Result<Fetched<Erased>, Error> {
        self.get_or_set(key, expiry, compute)
    }

    fn get_or_set_with(
        &self,
        key: &dyn ToKey,
        expiry: Expiry,
        compute: Compute<'_>,
    ) -> Result<Fetched<Erased>, Error> {
        self.get_or_set_with(key, expiry, compute)
    }

    fn get_or_add(
        &self,
        key: &dyn ToKey,
        expiry: Expiry,
        compute: Compute<'_>,
    ) -> Result<Fetched<Erased>, Error> {
        self.get_or_add(key, expiry, compute)
    }

    calls! { forward [self, [self.], result => result] }
}
