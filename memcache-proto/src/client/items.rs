use alloc::vec::{IntoIter as Entries, Vec};
use core::fmt;

use bytes::Bytes;

use super::Item;
use crate::codec::chunks::{self, SHARED_LEN};
use crate::routing::ServerIndex;
use crate::value::Flags;

/// The items that an operation on many keys has found, each with the number of its key in the operation, in the
/// order in which they came.
///
/// Small values are kept one behind the other in chunks of up to 4 KiB. Iterate to have each as an [`Item`] of its
/// own, which keeps its chunk alive; or read them where they are with [`iter`](Self::iter), which copies and
/// counts nothing.
///
/// ```
/// use memcache_proto::client::Items;
///
/// # let items = Items::default();
/// // Of an outcome, or of `Client::take_items`:
/// for (number, item) in items.iter() {
///     println!("key {number}: {} bytes, flags {}", item.value.len(), item.flags.bits());
/// }
/// for (number, item) in items {
///     println!("key {number}: {:?}", item.value); // a `Bytes`
/// }
/// ```
#[derive(Clone, Default)]
pub struct Items {
    found: Vec<Found>,
    chunks: Vec<Bytes>,
    /// The chunk that is being filled; its place in `chunks` is empty until it is full.
    filling: Vec<u8>,
    filling_at: usize,
}

/// An item, and where its value is.
#[derive(Clone, Copy)]
struct Found {
    number: u32,
    chunk: u32,
    start: u32,
    end: u32,
    server: ServerIndex,
    flags: Flags,
    cas: Option<u64>,
}

/// An item that was found, with its value borrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ItemRef<'a> {
    /// The server that it came from.
    pub server: ServerIndex,
    /// The flags stored with it.
    pub flags: Flags,
    /// The cas unique, if it was asked for.
    pub cas: Option<u64>,
    /// The value, not decoded.
    pub value: &'a [u8],
}

/// An item to be added.
pub(super) struct NewFound<'a> {
    pub(super) number: u32,
    pub(super) item: ItemRef<'a>,
    /// How many bytes wait to be parsed: as large a chunk is made where one has to be begun.
    pub(super) hint: usize,
}

impl Items {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many bytes their values have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let len = |found: &Found| found.end.saturating_sub(found.start) as usize;
        self.found.iter().map(len).sum()
    }

    /// The numbers of the keys, each with its item, borrowed.
    pub fn iter(&self) -> impl Iterator<Item = (usize, ItemRef<'_>)> {
        self.found.iter().map(|found| (found.number as usize, self.item(found)))
    }

    /// As [`iter`](Self::iter), with the chunk that each value is a part of. The items must come from
    /// [`take`](Self::take), or have been [sealed](Self::seal): a chunk that is being filled is not found.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (usize, ItemRef<'_>, &Bytes)> {
        self.found.iter().filter_map(|found| {
            let chunk = self.chunks.get(found.chunk as usize)?;
            Some((found.number as usize, self.item(found), chunk))
        })
    }

    fn item(&self, found: &Found) -> ItemRef<'_> {
        let Found { chunk, start, end, server, flags, cas, .. } = *found;
        let chunk = chunk as usize;
        let chunk = match chunk == self.filling_at && !self.filling.is_empty() {
            true => &self.filling[..],
            false => self.chunks.get(chunk).map(|chunk| &chunk[..]).unwrap_or_default(),
        };
        let value = chunk.get(start as usize..end as usize).unwrap_or_default();
        ItemRef { server, flags, cas, value }
    }

    #[inline]
    pub(super) fn push(&mut self, new: &NewFound<'_>) {
        let NewFound { number, item, .. } = *new;
        let room = self.filling.capacity() - self.filling.len();
        // An empty value has room in no chunk at all.
        let has_chunk = self.filling.capacity() > 0;
        if !has_chunk || item.value.len() > room || item.value.len() > SHARED_LEN {
            return self.push_elsewhere(new);
        }
        let start = self.filling.len();
        self.filling.extend_from_slice(item.value);
        self.note(number, &item, self.filling_at, start);
    }

    /// Adds a value that does not go into the chunk at hand.
    fn push_elsewhere(&mut self, new: &NewFound<'_>) {
        let NewFound { number, item, hint } = *new;
        let Some(len) = chunks::new_len(item.value.len(), hint) else {
            self.chunks.push(Bytes::copy_from_slice(item.value));
            return self.note(number, &item, self.chunks.len() - 1, 0);
        };
        self.seal();
        self.filling_at = self.chunks.len();
        self.chunks.push(Bytes::new());
        self.filling = Vec::with_capacity(len.max(1));
        self.filling.extend_from_slice(item.value);
        self.note(number, &item, self.filling_at, 0);
    }

    /// Adds a value that has a buffer of its own.
    pub(super) fn push_own(&mut self, number: u32, item: Item) {
        let Item { server, flags, cas, value } = item;
        let item = ItemRef { server, flags, cas, value: &value };
        self.note(number, &item, self.chunks.len(), 0);
        self.chunks.push(value);
    }

    #[inline]
    fn note(&mut self, number: u32, item: &ItemRef<'_>, chunk: usize, start: usize) {
        let ItemRef { server, flags, cas, value } = *item;
        let place = |at| u32::try_from(at).unwrap_or(u32::MAX);
        let (chunk, start, end) = (place(chunk), place(start), place(start + value.len()));
        self.found.push(Found { number, chunk, start, end, server, flags, cas });
    }

    /// Ends the chunk that is being filled.
    pub(super) fn seal(&mut self) {
        if let Some(place) =
            self.chunks.get_mut(self.filling_at).filter(|_| !self.filling.is_empty())
        {
            *place = Bytes::from(core::mem::take(&mut self.filling));
        }
        self.filling = Vec::new();
    }

    /// Takes all there are.
    pub(super) fn take(&mut self) -> Self {
        self.seal();
        core::mem::take(self)
    }

    /// Takes the item of this key off that came last.
    pub(super) fn remove(&mut self, number: u32) {
        if let Some(at) = self.found.iter().rposition(|found| found.number == number) {
            self.found.remove(at);
        }
    }
}

impl IntoIterator for Items {
    type Item = (usize, Item);
    type IntoIter = IntoIter;

    fn into_iter(mut self) -> IntoIter {
        self.seal();
        IntoIter { found: self.found.into_iter(), chunks: self.chunks }
    }
}

/// The items of [`Items`], each with its number.
pub struct IntoIter {
    found: Entries<Found>,
    chunks: Vec<Bytes>,
}

impl Iterator for IntoIter {
    type Item = (usize, Item);

    fn next(&mut self) -> Option<(usize, Item)> {
        let Found { number, chunk, start, end, server, flags, cas } = self.found.next()?;
        let value = self.chunks.get(chunk as usize)?.slice(start as usize..end as usize);
        Some((number as usize, Item { server, flags, cas, value }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.found.size_hint()
    }
}

impl PartialEq for Items {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Items {}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl fmt::Debug for ItemRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemRef")
            .field("server", &self.server)
            .field("flags", &self.flags)
            .field("cas", &self.cas)
            .field("value", &crate::hidden::Hidden(self.value))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn one_item_is_not_lost_however_short() {
        for len in [0, 1, 1024, 1025] {
            for hint in [0, 1, 3000] {
                let (server, flags) = (ServerIndex::new(0), Flags::default());
                let value = vec![1; len];
                let mut items = Items::default();
                let item = ItemRef { server, flags, cas: None, value: &value };
                items.push(&NewFound { number: 7, item, hint });
                let items = items.take();
                assert_eq!(items.parts().count(), 1, "{len}, {hint}");
                let found: Vec<_> = items.into_iter().collect();
                assert_eq!(found, [(7, Item { server, flags, cas: None, value: value.into() })]);
            }
        }
    }

    /// However long they are and however they come, values are what was added, and none keeps more than its
    /// chunk.
    #[test]
    fn items_are_what_was_added() {
        let lens = [0, 1, 100, 1024, 1025, 5000, 3, 1000, 1000, 1000, 1000, 1000, 0, 7];
        for hint in [0, 1, 100, 3000, 1 << 20] {
            let mut items = Items::default();
            let mut expected = Vec::new();
            for (number, len) in (0..).zip(lens) {
                let value = vec![u8::try_from(number).unwrap(); len];
                let (server, flags) = (ServerIndex::new(number), Flags::from_wire(7));
                let cas = Some(u64::from(number));
                let item = ItemRef { server, flags, cas, value: &value };
                if number == 6 {
                    let value = Bytes::from(value.clone());
                    items.push_own(number, Item { server, flags, cas, value });
                } else {
                    items.push(&NewFound { number, item, hint });
                }
                assert_eq!(items.iter().last().unwrap(), (number as usize, item), "{hint}");
                expected.push((number as usize, Item { server, flags, cas, value: value.into() }));
            }
            assert!(items.chunks.iter().all(|chunk| chunk.len() <= 5000));
            items.remove(2);
            expected.remove(2);
            let first = items.take();
            assert!(items.is_empty() && items.iter().next().is_none());
            assert_eq!(first.parts().count(), expected.len());
            assert!(first.parts().all(|(number, item, chunk)| {
                chunk.slice_ref(item.value).len()
                    == expected[number - usize::from(number > 2)].1.value.len()
            }));
            assert_eq!(first.into_iter().collect::<Vec<_>>(), expected, "{hint}");
        }
    }
}
