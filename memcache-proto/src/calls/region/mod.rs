mod call;
mod known;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::{Call, Calls, Change, Error, KeyRules, Lookup, One, Store, add, delete, incr, lookup};
use crate::client::{Delivery, Outcome};
use crate::key::check;
use crate::{Expiry, KeyError, MAX_KEY_LEN, Time};

pub use call::{AnswerInRegion, InRegion};
pub use known::{Asked, Generation, Known};

/// A namespace whose items can be invalidated all at once, by one command, however many they are.
///
/// The clients have this as `Client::region`, which keeps what it [knows](Known) and makes the steps. This is the
/// part of it that decides, for adapters and embedders.
///
/// # How it works
///
/// A region has a generation, a number that is stored as an item of its own, `users:generation` for the region
/// `users`. An item of the region is stored under a key that has the number in it: `42` as
/// `users:1922337203685477580:42`. Whoever wants the item asks for the generation first. To invalidate the region is
/// to raise the generation by 1: nobody asks for the old keys any more, and the server evicts their items as it
/// needs the room.
///
/// Keys have the client's `key_prefix`, if there is one, before the region's name. Name, generation and key
/// together have 250 bytes at most, as any key. The generation takes up to 20 digits.
///
/// # What it costs
///
/// | call | commands |
/// |---|---|
/// | any call on one key or on many | its own, and before it one get of the generation |
/// | the same if the generation is [remembered](Self::remember) | its own |
/// | a call of several steps (get, compute, set) | its own, and one get of the generation for all of them |
/// | to invalidate the region | one `incr` |
/// | the first call where there is no generation | its own, a get and an `add` |
///
/// The key depends on the generation, so the get cannot travel together with the call: it is a round trip.
///
/// # What holds
///
/// * After the region has been invalidated, no call that begins later finds an item that was stored before, through
///   any client. With [`remember`](Self::remember) this holds at once for the handle that has invalidated the region
///   and its clones, and for other handles when their time is over.
/// * A call of several steps keeps the generation that it began with. A value that was computed before the region
///   was invalidated, and is stored after, is not found.
/// * A generation that is lost (evicted, deleted, its server restarted) never comes back, and neither do the items
///   that were stored under it: the next call makes a generation that has never been in use. It consists of the
///   seconds since 1970 and of 30 random bits. It does not count from 1, or the first generations would be in use
///   twice.
/// * If several clients find no generation at the same time, each makes one and adds it. One add succeeds, and the
///   others ask again and go on with that one.
///
/// # When the generation's server is dead
///
/// Without failover the calls of the region fail as any call on a key of that server; with `unavailable_is_miss`
/// lookups are misses. To invalidate the region fails, too, so you know of it.
///
/// With failover, the default, clients ask the next server, which knows no generation: a new one is made there, the
/// region is empty, and all goes on. The danger is the return of the first server with its memory, after a broken
/// network for instance:
///
/// ```text
/// generation on A: 7     A is unreachable; on B: 9     the region is invalidated, on B: 10     A returns, with 7
/// ```
///
/// Items that were stored under 7 would be found again, although the region has been invalidated since. So a handle
/// keeps the latest generation that it has seen. If it reads an older one, it deletes that and makes a new one,
/// which is later than both, because generations begin with the time. Clocks that differ cost an empty region now
/// and then, no more. Until a handle that was in use meanwhile makes its next call, new handles may find the old
/// items. Where that must not be, set `failover` to false, or `flush_on_reconnect` to true.
#[derive(Clone)]
pub struct Region {
    /// The name with a colon behind it.
    head: Arc<[u8]>,
    remember: Duration,
}

/// The key of the generation, behind the region's name.
const KEY: &str = "generation";

/// What stands between the name and the shortest key: the digits, a colon, and one byte.
const ROOM: usize = 20 + 1 + 1;

impl Calls {
    /// The region of this name.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] if no key can begin with the name, or none can follow it.
    pub fn region(&self, name: impl AsRef<[u8]>) -> Result<Region, Error> {
        let name = name.as_ref();
        check(name).map_err(Error::Key)?;
        let settings = self.cluster().settings();
        let max = settings.limits.server_max_key_length.min(MAX_KEY_LEN);
        let len = settings.key_prefix.len() + name.len() + 1 + ROOM;
        if len > max {
            return Err(Error::Key(KeyError::TooLong { len, max }));
        }
        Ok(Region { head: [name, b":"].concat().into(), remember: Duration::ZERO })
    }
}

impl Region {
    /// How long a generation is taken for the current one after the server was asked for it. Default: 0, the
    /// server is asked before each call.
    ///
    /// With a time most calls cost no more than without a region. After somebody else has invalidated the region,
    /// this handle may find old values for as long, and what it stores meanwhile is lost.
    #[must_use]
    pub fn remember(mut self, time: Duration) -> Self {
        self.remember = time;
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.head.strip_suffix(b":").unwrap_or(&self.head)
    }

    /// The generation that need not be asked for.
    #[must_use]
    pub fn remembered(&self, known: &Known, now: Time) -> Option<Generation> {
        known.since.filter(|&since| now < since + self.remember).and(known.latest)
    }

    /// Asks for the generation; `None` if there is none. Then, or if [`Known::accept`] refuses it,
    /// [`make`](Self::make) a new one. `unavailable_is_miss` does not apply to this call.
    #[must_use]
    pub fn look(&self) -> InRegion<Lookup<&'static str, Option<Generation>>> {
        let answer = One(|outcome: Outcome, calls: &Calls| {
            let item = outcome.item()?;
            Ok(item.map(|item| calls.decode(item).map(Generation)).transpose()?)
        });
        self.own(lookup::get_as(KEY, answer))
    }

    /// Deletes a generation that [`Known::accept`] refused.
    #[must_use]
    pub fn discard(&self) -> InRegion<Change<&'static str, bool>> {
        self.own(delete(KEY))
    }

    /// Makes this the generation, if there is none. Returns whether it is now; if not, somebody else was quicker,
    /// and [`look`](Self::look) finds that one.
    #[must_use]
    pub fn make(&self, fresh: Generation) -> InRegion<Store<&'static str, u64, bool>> {
        self.own(add(KEY, fresh.0, Expiry::Never))
    }

    /// Invalidates all items. Hand what it returns to [`Known::invalidated`].
    #[must_use]
    pub fn advance(&self) -> InRegion<Change<&'static str, Option<u64>>> {
        self.own(incr(KEY, 1))
    }

    /// The same call, on the items of the region in this generation.
    #[must_use]
    pub fn call<C: Call>(&self, generation: Generation, call: C) -> InRegion<C> {
        InRegion::new(call, self.prefix(generation))
    }

    /// What a call returns if the generation could not be found, because of this error: the error, as that of a
    /// call that has not been sent; or misses, if this is a lookup and the setting `unavailable_is_miss` says so.
    ///
    /// # Errors
    ///
    /// As the call.
    pub fn without_generation<C: Call>(
        &self,
        calls: &Calls,
        call: C,
        error: Error,
    ) -> Result<C::Output, Error> {
        let Error::Server { server, mut failure, source } = error else { return Err(error) };
        (failure.delivery, failure.changes) = (Delivery::NotSent, false);
        if !calls.is_miss(&failure) {
            return Err(Error::Server { server, failure, source });
        }
        self.call(Generation(u64::MAX), call).fail(calls, &failure, source)
    }

    fn prefix(&self, Generation(number): Generation) -> Arc<[u8]> {
        let mut digits = itoa::Buffer::new();
        let mut prefix = Vec::with_capacity(self.head.len() + ROOM);
        prefix.extend_from_slice(&self.head);
        prefix.extend_from_slice(digits.format(number).as_bytes());
        prefix.push(b':');
        prefix.into()
    }

    /// A call on the generation itself.
    fn own<C: Call>(&self, call: C) -> InRegion<C> {
        InRegion::of_rules(call, KeyRules::default().in_region(self.head.clone()))
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region")
            .field("name", &format_args!("\"{}\"", self.name().escape_ascii()))
            .field("remember", &self.remember)
            .finish()
    }
}
