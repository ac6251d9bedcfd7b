use super::common::{Common, common};
use super::{MetaKey, Token};
use crate::Exptime;
use crate::value::Flags;

/// What `ms` does with what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SetMode {
    /// `S`: store, whatever is there.
    #[default]
    Set,
    /// `E`: store if the key is not there.
    Add,
    /// `R`: store if the key is there.
    Replace,
    /// `A`: put behind the value that is there.
    Append,
    /// `P`: put before the value that is there.
    Prepend,
}

impl SetMode {
    pub(crate) const fn letter(self) -> u8 {
        match self {
            SetMode::Set => b'S',
            SetMode::Add => b'E',
            SetMode::Replace => b'R',
            SetMode::Append => b'A',
            SetMode::Prepend => b'P',
        }
    }
}

/// `ms`: store a value.
///
/// ```
/// use memcache_proto::codec::{Command, MetaKey, MetaSet};
/// use memcache_proto::Exptime;
///
/// let set = MetaSet::set(MetaKey::new(b"foo")?, b"bar").exptime(Exptime::from_wire(60)).cas();
/// let mut out = Vec::new();
/// Command::MetaSet(set).encode(&mut out);
/// assert_eq!(out, b"ms foo 3 T60 c\r\nbar\r\n");
/// # Ok::<(), memcache_proto::KeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MetaSet<'a> {
    pub(crate) key: MetaKey<'a>,
    pub(crate) common: Common,
    pub(crate) value: &'a [u8],
    pub(crate) mode: SetMode,
    pub(crate) client_flags: Flags,
    pub(crate) ttl: Option<Exptime>,
    pub(crate) compare: Option<u64>,
    pub(crate) new_cas: Option<u64>,
    pub(crate) invalidate: bool,
    pub(crate) vivify: Option<Exptime>,
}

impl<'a> MetaSet<'a> {
    const fn new(mode: SetMode, key: MetaKey<'a>, value: &'a [u8]) -> Self {
        MetaSet {
            key,
            common: Common::NONE,
            value,
            mode,
            client_flags: Flags::new(0),
            ttl: None,
            compare: None,
            new_cas: None,
            invalidate: false,
            vivify: None,
        }
    }

    /// Store, whatever is there.
    #[must_use]
    pub const fn set(key: MetaKey<'a>, value: &'a [u8]) -> Self {
        Self::new(SetMode::Set, key, value)
    }

    /// Store if the item still has this cas unique (`C`); where the item's is above this one, store the
    /// value all the same, but mark it as stale (`I`).
    #[must_use]
    pub const fn set_or_invalidate(key: MetaKey<'a>, value: &'a [u8], cas: u64) -> Self {
        let mut set = Self::set(key, value);
        set.compare = Some(cas);
        set.invalidate = true;
        set
    }

    /// Store if the key is not there.
    #[must_use]
    pub const fn add(key: MetaKey<'a>, value: &'a [u8]) -> Self {
        Self::new(SetMode::Add, key, value)
    }

    /// Store if the key is there.
    #[must_use]
    pub const fn replace(key: MetaKey<'a>, value: &'a [u8]) -> Self {
        Self::new(SetMode::Replace, key, value)
    }

    /// Put behind the value that is there, whose flags and exptime stay; not stored where there is none.
    #[must_use]
    pub const fn append(key: MetaKey<'a>, value: &'a [u8]) -> Self {
        Self::new(SetMode::Append, key, value)
    }

    /// Put before the value that is there, whose flags and exptime stay; not stored where there is none.
    #[must_use]
    pub const fn prepend(key: MetaKey<'a>, value: &'a [u8]) -> Self {
        Self::new(SetMode::Prepend, key, value)
    }

    /// As [`append`](Self::append), and where there is nothing an item is made with this exptime
    /// (`N`). memcached 1.6.18 passes `N` over and stores nothing.
    #[must_use]
    pub const fn append_or_create(key: MetaKey<'a>, value: &'a [u8], exptime: Exptime) -> Self {
        let mut set = Self::append(key, value);
        set.vivify = Some(exptime);
        set
    }

    /// As [`prepend`](Self::prepend), and where there is nothing an item is made, as
    /// [`append_or_create`](Self::append_or_create) does.
    #[must_use]
    pub const fn prepend_or_create(key: MetaKey<'a>, value: &'a [u8], exptime: Exptime) -> Self {
        let mut set = Self::prepend(key, value);
        set.vivify = Some(exptime);
        set
    }

    common! {
        /// `c`: give back the new cas unique.
        cas b'c',
        /// `s`: give back the length of the value stored. memcached 1.6.18 passes it over.
        size b's',
        /// `k`: give back the key.
        key b'k',
    }

    /// `q`: say nothing where it is stored. Something must follow that has a reply: an error that names no request
    /// may stand for it, so that nobody knows whether it is stored.
    #[must_use]
    pub const fn quiet(mut self) -> Self {
        self.common.quiet = true;
        self
    }

    /// `F`: the flags to store with the value; 0 by default.
    #[must_use]
    pub const fn client_flags(mut self, flags: Flags) -> Self {
        self.client_flags = flags;
        self
    }

    /// `T`: when it expires; never by default.
    #[must_use]
    pub const fn exptime(mut self, exptime: Exptime) -> Self {
        self.ttl = Some(exptime);
        self
    }

    /// `C`: store only if the item still has this cas unique.
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
