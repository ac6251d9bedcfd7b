use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use memcache_sync::Value;
use memcache_sync::proto::value::{Flags, Transcoder, ValueError, ValueRef};

use super::*;

thread_local! {
    /// How the values are read of the call that this thread makes.
    static READ: Cell<Option<Read>> = const { Cell::new(None) };
}

type Read = fn(&Transcoder, Flags, Bytes) -> Result<Erased, ValueError>;

/// Makes a call that has [`Erased`] values read as a `V` reads what was stored, when and where the
/// client reads them.
pub(super) fn reading<V: FromValue + 'static, T>(call: impl FnOnce() -> T) -> T {
    struct Restored(Option<Read>);

    impl Drop for Restored {
        fn drop(&mut self) {
            READ.set(self.0);
        }
    }

    let read: Read = |transcoder, flags, bytes| {
        let value = V::from_stored(transcoder, flags, bytes)?;
        Ok(Erased { value: Box::new(value), encode: |_| unreachable!("this one was stored") })
    };
    let _restored = Restored(READ.replace(Some(read)));
    call()
}

/// A value of a type that only the caller knows.
pub struct Erased {
    value: Box<dyn Any>,
    encode: fn(&dyn Any) -> Result<ValueRef<'_>, ValueError>,
}

impl Erased {
    /// One that can be stored.
    pub(super) fn new<V: ToValue + 'static>(value: V) -> Self {
        Erased {
            value: Box::new(value),
            encode: |value| known::<&V>(value.downcast_ref()).to_value(),
        }
    }

    /// The value.
    pub(super) fn into<V: 'static>(self) -> V {
        *known(self.value.downcast().ok())
    }
}

fn known<V>(value: Option<V>) -> V {
    value.expect("a value of the caller's type")
}

impl FromValue for Erased {
    fn from_value(_: Value) -> Result<Self, ValueError> {
        unreachable!("clients read what was stored")
    }

    fn from_stored(
        transcoder: &Transcoder,
        flags: Flags,
        bytes: Bytes,
    ) -> Result<Self, ValueError> {
        let read = READ.get().expect("calls are made, and answers read, by one thread");
        read(transcoder, flags, bytes)
    }
}

impl ToValue for Erased {
    fn to_value(&self) -> Result<ValueRef<'_>, ValueError> {
        (self.encode)(&*self.value)
    }
}

impl fmt::Debug for Erased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Erased").finish_non_exhaustive()
    }
}

/// One of the keys of a call, by which place it has among them.
#[derive(Clone, Copy)]
pub struct Numbered<'k> {
    number: usize,
    key: &'k dyn ToKey,
}

impl<'k> Numbered<'k> {
    pub(super) fn new(number: usize, key: &'k impl ToKey) -> Self {
        Numbered { number, key }
    }

    /// All of these.
    pub(super) fn all(keys: &'k [impl ToKey]) -> Vec<Self> {
        keys.iter().enumerate().map(|(number, key)| Numbered::new(number, key)).collect()
    }

    pub(super) fn number(self) -> usize {
        self.number
    }
}

impl ToKey for Numbered<'_> {
    fn to_bytes(&self) -> std::borrow::Cow<'_, [u8]> {
        self.key.to_bytes()
    }

    fn route(&self) -> Option<i64> {
        self.key.route()
    }
}

impl PartialEq for Numbered<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Numbered<'_> {}

impl Hash for Numbered<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl fmt::Debug for Numbered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Numbered").field(&self.number).finish()
    }
}
