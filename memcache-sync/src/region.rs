use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use memcache_proto::calls::{self, Error, Generation, Known};
use memcache_proto::{Origin, Time};

use crate::client::Client;
use crate::within::Within;

/// Items that can be invalidated all at once, by one command, however many they are: [`Client::region`] makes it. It
/// has the calls on keys of the client.
///
/// An item of the region `users` is stored under a key such as `users:1922337203685477580:42`. The number is the
/// region's generation. It is stored in the cache, too, under `users:generation`, and each call gets it first. To
/// invalidate the region changes the number, after which nobody finds the items under the former keys.
///
/// | call | commands |
/// |---|---|
/// | any call on one key or on many | its own, and before it one get of the generation |
/// | the same if the generation is [remembered](Self::remember) | its own |
/// | a call of several steps, such as [`get_or_set`](Self::get_or_set) | its own, and one get of the generation for all |
/// | [`invalidate_all`](Self::invalidate_all) | one `incr` |
/// | the first call where there is no generation | its own, a get and an `add` |
///
/// If the generation cannot be got, its server being dead for instance, the call fails as if its own server were. A
/// generation that was evicted is replaced by one that has never been in use, so old items never come back. [What
/// holds, and what does not when a server fails](calls::Region#what-holds), is said in the core.
///
/// Clones are the same region, and share what they remember.
#[derive(Clone, Debug)]
pub struct Region {
    client: Client,
    /// The time that its calls share; `None` if each has the client's.
    within: Option<Within>,
    region: calls::Region,
    known: Arc<Mutex<Known>>,
    origin: Origin,
}

impl Region {
    pub(crate) fn new(client: &Client, within: Option<Within>, name: &[u8]) -> Result<Self, Error> {
        let region = client.calls().region(name)?;
        let (known, origin) = (Arc::default(), Origin::new(Instant::now()));
        Ok(Region { client: client.clone(), within, region, known, origin })
    }

    /// The same region, which takes a generation for the current one for so long after the server was asked for it.
    /// Then most calls cost no more than without a region. Default: 0, the server is asked before each call.
    ///
    /// After somebody else has invalidated the region, this handle may find old values for as long, and what it
    /// stores meanwhile is lost. What it invalidates itself it does not find again.
    #[must_use]
    pub fn remember(mut self, time: Duration) -> Self {
        self.region = self.region.remember(time);
        self
    }

    /// The same region, for calls that have to end together, as [`Client::within`] has it. To get the generation is
    /// part of each call.
    #[must_use]
    pub fn within(&self, time: Duration) -> Self {
        Region { within: Some(self.client.within(time)), ..self.clone() }
    }

    memcache_proto::__key_calls!([] [] self);

    memcache_proto::__recached!([] self);

    memcache_proto::__region_calls!([] self);

    /// For the steps of one call, which keep the generation that they began with.
    fn budget<'a>(&'a self, kept: &'a OnceLock<Generation>) -> Steps<'a> {
        let within = self.within.clone().unwrap_or_else(|| self.client.budget(&()));
        Steps { region: self, within, kept }
    }
}

/// What the steps of one call run on.
struct Steps<'a> {
    region: &'a Region,
    within: Within,
    kept: &'a OnceLock<Generation>,
}

impl Steps<'_> {
    memcache_proto::__region_steps!([] self);

    fn pause(&self, pause: Duration) {
        self.within.pause(pause);
    }

    fn calls(&self) -> Arc<calls::Calls> {
        self.within.calls()
    }

    fn within(&self) -> &Within {
        &self.within
    }

    fn region(&self) -> &calls::Region {
        &self.region.region
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.region.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> &OnceLock<Generation> {
        self.kept
    }

    fn now(&self) -> Time {
        self.region.origin.time(Instant::now())
    }
}
