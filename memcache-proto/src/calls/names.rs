use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use portable_atomic::{AtomicU64, Ordering};

macro_rules! names {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// The calls by their names, which are those of the functions of [`calls`](crate::calls).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum CallName {
            $(
                #[doc = concat!("`", $name, "`.")]
                $variant,
            )*
        }

        /// In the order of [`CallName`].
        const NAMES: &[&str] = &[$($name,)*];
    };
}

names! {
    Get "get", Gets "gets", Gat "gat", GetMany "get_many", GetEach "get_each",
    GetsMany "gets_many", GatMany "gat_many",
    Set "set", Add "add", Replace "replace", Append "append", Prepend "prepend", Cas "cas",
    SetMany "set_many", AddMany "add_many", ReplaceMany "replace_many", Delete "delete", DeleteMany "delete_many", Touch "touch",
    TouchMany "touch_many",
    Incr "incr", Decr "decr", FlushAll "flush_all", Version "version", Ping "ping", Stats "stats",
    ConfigGet "config_get",
    MetaGet "meta_get", ItemInfo "item_info", MetaSet "meta_set", MetaDelete "meta_delete",
    Invalidate "invalidate", MetaIncr "meta_incr", MetaDecr "meta_decr", MetaDebug "meta_debug",
    AppendOrCreate "append_or_create", PrependOrCreate "prepend_or_create",
}

impl CallName {
    /// The name as text: `"get_many"`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        NAMES.get(self as usize).copied().unwrap_or_default()
    }

    /// Whether the call looks items up, so that each of its keys is a hit or a miss.
    #[must_use]
    pub fn is_lookup(self) -> bool {
        use CallName::{
            Gat, GatMany, Get, GetEach, GetMany, Gets, GetsMany, ItemInfo, MetaDebug, MetaGet,
        };
        matches!(
            self,
            Get | Gets
                | Gat
                | GetMany
                | GetEach
                | GetsMany
                | GatMany
                | MetaGet
                | ItemInfo
                | MetaDebug
        )
    }
}

impl fmt::Display for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How often each call has been made.
#[derive(Clone, Debug)]
pub(super) struct Counts(Arc<[AtomicU64]>);

impl Default for Counts {
    fn default() -> Self {
        Counts(NAMES.iter().map(|_| AtomicU64::new(0)).collect())
    }
}

impl Counts {
    pub(super) fn count(&self, name: CallName) {
        if let Some(count) = self.0.get(name as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn all(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        NAMES.iter().copied().zip(counts).filter(|&(_, count)| count > 0).collect()
    }
}
