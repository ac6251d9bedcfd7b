use super::common::{Common, common};
use super::order::Order;
use super::{MetaKey, Token};
use crate::Exptime;

/// `mg`: look a key up, and perhaps do something about what is there.
///
/// ```
/// use memcache_proto::codec::{Command, MetaGet, MetaKey};
///
/// let get = MetaGet::new(MetaKey::new(b"foo")?).value().client_flags().cas();
/// let mut out = Vec::new();
/// Command::MetaGet(get).encode(&mut out);
/// assert_eq!(out, b"mg foo v f c\r\n");
/// # Ok::<(), memcache_proto::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaGet<'a> {
    pub(crate) key: MetaKey<'a>,
    pub(crate) common: Common,
    pub(crate) unaccessed: bool,
    pub(crate) compare: Option<u64>,
    pub(crate) new_cas: Option<u64>,
    pub(crate) vivify: Option<Exptime>,
    pub(crate) recache: Option<u32>,
    pub(crate) ttl: Option<Exptime>,
    pub(crate) order: Order,
}

impl<'a> MetaGet<'a> {
    /// Whether the key is there; what else is wanted has to be said.
    #[must_use]
    pub const fn new(key: MetaKey<'a>) -> Self {
        MetaGet {
            key,
            common: Common::NONE,
            unaccessed: false,
            compare: None,
            new_cas: None,
            vivify: None,
            recache: None,
            ttl: None,
            order: Order::GET,
        }
    }

    common! {
        /// `v`: give back the value.
        value b'v',
        /// `f`: give back the flags that are stored with it.
        client_flags b'f',
        /// `c`: give back the cas unique.
        cas b'c',
        /// `s`: give back the length of the value.
        size b's',
        /// `t`: give back in how many seconds it expires.
        ttl b't',
        /// `h`: give back whether it has been read before.
        hit b'h',
        /// `l`: give back how many seconds ago it was last read or written.
        last_access b'l',
        /// `k`: give back the key.
        key b'k',
    }

    /// `q`: say nothing of a miss. Something must follow that has a reply: [`Command::MetaNoop`].
    ///
    /// [`Command::MetaNoop`]: crate::codec::Command::MetaNoop
    #[must_use]
    pub const fn quiet(mut self) -> Self {
        self.common.quiet = true;
        self
    }

    /// `u`: do not count this as an access: neither `h` nor `l` nor the order of eviction changes.
    #[must_use]
    pub const fn unaccessed(mut self) -> Self {
        self.unaccessed = true;
        self
    }

    /// `T`: give the item a new exptime.
    #[must_use]
    pub const fn touch(mut self, exptime: Exptime) -> Self {
        self.ttl = Some(exptime);
        self
    }

    /// `N`: where the key is not there, make an empty item with this exptime, and have this client win
    /// (`W`): it is to make the value. Others are told that it is being made (`Z`).
    #[must_use]
    pub const fn vivify(mut self, exptime: Exptime) -> Self {
        self.vivify = Some(exptime);
        self
    }

    /// `E`: the cas unique of an item that `N` makes. memcached 1.6.18 does not know it, in any command.
    #[must_use]
    pub const fn vivify_with_cas(mut self, exptime: Exptime, cas: u64) -> Self {
        self.vivify = Some(exptime);
        self.new_cas = Some(cas);
        self
    }

    /// `C`: give back the value only if the item has another cas unique than this one. Where it has this
    /// one the reply is [`Response::Hd`], with all else that was asked for. memcached knows it since
    /// 1.6.40; older ones pass it over and always give the value.
    ///
    /// ```
    /// use memcache_proto::codec::{Command, MetaGet, MetaKey};
    ///
    /// let get = MetaGet::new(MetaKey::new(b"foo")?).value().cas().compare_cas(7);
    /// let mut out = Vec::new();
    /// Command::MetaGet(get).encode(&mut out);
    /// assert_eq!(out, b"mg foo C7 v c\r\n");
    /// # Ok::<(), memcache_proto::KeyError>(())
    /// ```
    ///
    /// [`Response::Hd`]: crate::codec::Response::Hd
    #[must_use]
    pub const fn compare_cas(mut self, cas: u64) -> Self {
        self.compare = Some(cas);
        self
    }

    /// `R`: where the item expires in less than this many seconds, have this client win. More than 30
    /// days count as 30, as the server would take them for a moment.
    #[must_use]
    pub const fn recache(mut self, seconds: u32) -> Self {
        self.recache = Some(if seconds < MAX_RELATIVE { seconds } else { MAX_RELATIVE });
        self
    }

    /// Whether it asks for a value that has changed, and for no other.
    pub(crate) const fn asks_if_changed(&self) -> bool {
        self.compare.is_some() && self.common.returns.has(b'v')
    }

    /// Whether it changes what is there, as well as telling of it.
    #[must_use]
    pub const fn changes(&self) -> bool {
        self.ttl.is_some() || self.vivify.is_some() || self.recache.is_some()
    }
}

/// The most seconds that a server takes as counted from now.
const MAX_RELATIVE: u32 = 60 * 60 * 24 * 30;
