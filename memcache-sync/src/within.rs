use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use memcache_proto::calls::{Call, Calls, Error};

use crate::client::Client;
use crate::region::Region;

/// A client whose calls have to end by a certain time: [`Client::within`] makes it. It has the calls of the client.
///
/// What is not done by then fails: [`FailureKind::OperationTimeout`](crate::FailureKind::OperationTimeout) if it was
/// under way, [`Error::Busy`] if it still waited for its turn, [`Error::Late`] if it had not begun. Of a call that
/// computes a value the computing is not interrupted, and what comes too late is not stored.
#[derive(Clone, Debug)]
pub struct Within {
    client: Client,
    /// `None` if there is no such time.
    until: Option<Instant>,
}

impl Within {
    pub(crate) fn new(client: &Client, time: Option<Duration>) -> Self {
        let until = time.and_then(|time| Instant::now().checked_add(time));
        Within { client: client.clone(), until }
    }

    /// As [`Client::region`], with calls that have to end by the same time as those made here.
    ///
    /// # Errors
    ///
    /// As [`Client::region`].
    pub fn region(&self, name: impl AsRef<[u8]>) -> Result<Region, Error> {
        Region::new(&self.client, Some(self.clone()), name.as_ref())
    }

    memcache_proto::__calls!([] [] self);

    memcache_proto::__recached!([] self);

    /// Makes a call of [`proto::calls`](memcache_proto::calls). The methods above are this with each of them.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn run<C: Call>(&self, call: C) -> Result<C::Output, Error> {
        if self.until.is_some_and(|until| until <= Instant::now()) {
            return Err(Error::Late);
        }
        self.client.run_until(call, self.until)
    }

    pub(crate) fn calls(&self) -> Arc<Calls> {
        self.client.calls()
    }

    fn budget(&self, (): &()) -> &Self {
        self
    }

    pub(crate) fn pause(&self, pause: Duration) {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        thread::sleep(left.map_or(pause, |left| left.min(pause)));
    }
}
