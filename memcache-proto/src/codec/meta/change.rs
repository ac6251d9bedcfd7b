use super::common::{Common, common};
use super::order::Order;
use super::{MetaKey, Token};
use crate::Exptime;

/// `md`: delete a key, or mark it as stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaDelete<'a> {
    pub(crate) key: MetaKey<'a>,
    pub(crate) common: Common,
    pub(crate) compare: Option<u64>,
    pub(crate) new_cas: Option<u64>,
    pub(crate) invalidate: bool,
    pub(crate) ttl: Option<Exptime>,
    pub(crate) remove_value: bool,
}

impl<'a> MetaDelete<'a> {
    /// Deletes the key.
    #[must_use]
    pub const fn new(key: MetaKey<'a>) -> Self {
        MetaDelete {
            key,
            common: Common::NONE,
            compare: None,
            new_cas: None,
            invalidate: false,
            ttl: None,
            remove_value: false,
        }
    }

    /// `I`: marks the item as stale, with a new cas unique; with an exptime (`T`) it expires then. The
    /// first to look it up wins and is to make a new value.
    #[must_use]
    pub const fn invalidate(key: MetaKey<'a>, exptime: Option<Exptime>) -> Self {
        let mut delete = Self::new(key);
        delete.invalidate = true;
        delete.ttl = exptime;
        delete
    }

    common! {
        /// `k`: give back the key.
        key b'k',
    }

    /// `q`: say nothing where it is done. Something must follow that has a reply.
    #[must_use]
    pub const fn quiet(mut self) -> Self {
        self.common.quiet = true;
        self
    }

    /// `C`: only if the item still has this cas unique.
    #[must_use]
    pub const fn compare_cas(mut self, cas: u64) -> Self {
        self.compare = Some(cas);
        self
    }

    /// `E`: the cas unique that a stale item is to have.
    #[must_use]
    pub const fn explicit_cas(mut self, cas: u64) -> Self {
        self.new_cas = Some(cas);
        self
    }

    /// `x`: the item stays, without its value and flags. memcached 1.6.18 does not know it.
    #[must_use]
    pub const fn remove_value(mut self) -> Self {
        self.remove_value = true;
        self
    }
}

/// `ma`: count up or down.
///
/// ```
/// use memcache_proto::codec::{Command, MetaArithmetic, MetaKey};
/// use memcache_proto::Exptime;
///
/// let visits = MetaKey::new(b"visits")?;
/// let count = MetaArithmetic::incr(visits, 2).create(10, Exptime::NEVER).value();
/// let mut out = Vec::new();
/// Command::MetaArithmetic(count).encode(&mut out);
/// assert_eq!(out, b"ma visits N0 J10 D2 v\r\n");
/// # Ok::<(), memcache_proto::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaArithmetic<'a> {
    pub(crate) key: MetaKey<'a>,
    pub(crate) common: Common,
    pub(crate) decrement: bool,
    pub(crate) delta: u64,
    /// The first value, and when an item with it expires.
    pub(crate) create: Option<(u64, Exptime)>,
    pub(crate) ttl: Option<Exptime>,
    pub(crate) compare: Option<u64>,
    pub(crate) new_cas: Option<u64>,
    pub(crate) order: Order,
}

impl<'a> MetaArithmetic<'a> {
    const fn new(key: MetaKey<'a>, decrement: bool, delta: u64) -> Self {
        MetaArithmetic {
            key,
            common: Common::NONE,
            decrement,
            delta,
            create: None,
            ttl: None,
            compare: None,
            new_cas: None,
            order: Order::COUNT,
        }
    }

    /// Adds to a counter; it wraps at 2^64.
    #[must_use]
    pub const fn incr(key: MetaKey<'a>, delta: u64) -> Self {
        Self::new(key, false, delta)
    }

    /// Takes away from a counter (`MD`); it stops at 0.
    #[must_use]
    pub const fn decr(key: MetaKey<'a>, delta: u64) -> Self {
        Self::new(key, true, delta)
    }

    common! {
        /// `v`: give back the new value.
        value b'v',
        /// `c`: give back the new cas unique.
        cas b'c',
        /// `t`: give back in how many seconds it expires.
        ttl b't',
        /// `k`: give back the key.
        key b'k',
    }

    /// `q`: say nothing where it is done. Something must follow that has a reply.
    #[must_use]
    pub const fn quiet(mut self) -> Self {
        self.common.quiet = true;
        self
    }

    /// `N` and `J`: where the key is not there, make a counter of this value and exptime; the delta is
    /// not applied to it.
    #[must_use]
    pub const fn create(mut self, initial: u64, exptime: Exptime) -> Self {
        self.create = Some((initial, exptime));
        self
    }

    /// `T`: give the item a new exptime.
    #[must_use]
    pub const fn touch(mut self, exptime: Exptime) -> Self {
        self.ttl = Some(exptime);
        self
    }

    /// `C`: only if the item still has this cas unique.
    #[must_use]
    pub const fn compare_cas(mut self, cas: u64) -> Self {
        self.compare = Some(cas);
        self
    }

    /// `E`: the cas unique that the item is to have.
    #[must_use]
    pub const fn explicit_cas(mut self, cas: u64) -> Self {
        self.new_cas = Some(cas);
        self
    }
}
