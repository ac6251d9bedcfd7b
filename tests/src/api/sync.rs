use super::*;

/// [`memcache_sync::Client`].
#[derive(Clone, Debug)]
pub struct SyncClient(memcache_sync::Client);

impl Api for SyncClient {
    const NAME: &'static str = "memcache-sync";
    const SHARES_CONNECTIONS: bool = false;

    fn new(config: &Config) -> Result<Self, Error> {
        configured!(memcache_sync::Client::builder(), config).build().map(SyncClient)
    }

    fn forget_dead_hosts(&self) {
        self.0.forget_dead_hosts();
    }

    calls! { forward [self, [self.0.], result => result] }
}
