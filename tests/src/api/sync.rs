use super::*;

/// [`memcache_sync::Client`].
#[derive(Clone, Debug)]
pub struct SyncClient(memcache_sync::Client);

impl Api for SyncClient {
    const NAME: &'static str = "memcache-sync";
    const SHARES_CONNECTIONS: bool = false;

    fn new(config: &Config) -> Result<Self, Error> {
        let mut builder = configured!(memcache_sync::Client::builder(), config);
        if let Some(buffering) = config.buffering {
            builder = builder.connector(buffering);
        }
        builder.build().map(SyncClient)
    }

    fn forget_dead_hosts(&self) {
        self.0.forget_dead_hosts();
    }

    fn set_servers(&self, servers: &[(String, i32)]) -> Result<(), Error> {
        self.0.set_servers(servers)
    }

    fn quit_all(&self) {
        self.0.quit_all();
    }

    fn cas_ids(&self) -> CasIds {
        self.0.cas_ids()
    }

    fn call_counts(&self) -> Vec<(&'static str, u64)> {
        self.0.call_counts()
    }

    fn get_or_set<V: FromValue + ToValue>(
        &self,
        key: impl ToKey,
        expiry: impl Into<Expiry>,
        compute: impl FnOnce() -> Result<V, Error>,
    ) -> Result<Fetched<V>, Error> {
        self.0.get_or_set(key, expiry, compute)
    }

    fn get_or_set_with<V: FromValue + ToValue>(
        &self,
        key: impl ToKey,
        expiry: impl Into<Expiry>,
        compute: impl FnOnce() -> Result<V, Error>,
    ) -> Result<Fetched<V>, Error> {
        self.0.get_or_set_with(key, expiry, compute)
    }

    fn get_or_add<V: FromValue + ToValue>(
        &self,
        key: impl ToKey,
        expiry: impl Into<Expiry>,
        compute: impl FnOnce() -> Result<V, Error>,
    ) -> Result<Fetched<V>, Error> {
        self.0.get_or_add(key, expiry, compute)
    }

    calls! { forward [self, [self.0.], result => result] }
}
