use alloc::sync::Arc;
use alloc::vec::Vec;
use portable_atomic::{AtomicU64, Ordering};

macro_rules! names {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// The calls by their names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum CallName {
            $($variant,)*
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
    Incr "incr", Decr "decr", FlushAll "flush_all", Version "version", Stats "stats",
    MetaGet "meta_get", ItemInfo "item_info", MetaSet "meta_set", MetaDelete "meta_delete",
    Invalidate "invalidate", MetaIncr "meta_incr", MetaDecr "meta_decr", MetaDebug "meta_debug",
    AppendOrCreate "append_or_create", PrependOrCreate "prepend_or_create",
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
