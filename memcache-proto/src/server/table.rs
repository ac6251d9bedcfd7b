use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::iter;

use super::clock::Tick;
use crate::Key;

/// What memcached keeps beside an item's key and value: its header and the cas unique.
const ITEM_HEADER_LEN: usize = 48 + 8;
/// The smallest slab class, in bytes.
const FIRST_CLASS_LEN: usize = 96;
/// The largest, for a default server; larger items are cut into chunks of it.
const LAST_CLASS_LEN: usize = 512 << 10;

/// The number of the largest slab class.
pub(super) const LAST_CLASS: usize = 39;

/// One item.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) key: Box<[u8]>,
    pub(super) value: Box<[u8]>,
    pub(super) flags: u32,
    /// `None` for never.
    pub(super) expiry: Option<Tick>,
    pub(super) cas: u64,
    pub(super) stored: Tick,
    pub(super) used: Tick,
    pub(super) fetched: bool,
    /// What the meta commands mark it with.
    pub(super) marks: Marks,
}

/// The marks of an item.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// Whether its key is given back in base64, because it was stored so.
    pub(super) base64: bool,
    /// Whether it is to be replaced.
    pub(super) stale: bool,
    /// Whether somebody has been told to replace it.
    pub(super) won: bool,
}

impl Item {
    /// Its whole size in bytes, as memcached counts it.
    pub(super) fn size(&self) -> usize {
        item_size(self.key.len(), self.flags, self.value.len())
    }

    /// Notes that it was read. As in memcached, that is the time of its last use only if it had been read
    /// before.
    pub(super) const fn read(&mut self, tick: Tick) {
        if self.fetched {
            self.used = tick;
        }
        self.fetched = true;
    }

    pub(super) fn slab_class(&self) -> u32 {
        slab_class(self.size())
    }
}

/// The whole size of an item in bytes, as memcached counts it: a header, the key and a NUL, four
/// bytes for flags other than 0, the value and CR LF.
pub(super) fn item_size(key_len: usize, flags: u32, value_len: usize) -> usize {
    let flags_len = if flags == 0 { 0 } else { 4 };
    (ITEM_HEADER_LEN + key_len + 1 + flags_len + 2).saturating_add(value_len)
}

/// The lengths of the slab classes of a default memcached, the first of which has number 1.
pub(super) fn slab_lens() -> impl Iterator<Item = usize> {
    // Each a quarter more than the last, rounded up to eight bytes.
    iter::successors(Some(FIRST_CLASS_LEN), |len| match (len * 5 / 4).next_multiple_of(8) {
        _ if *len == LAST_CLASS_LEN => None,
        next if next * 5 / 4 > LAST_CLASS_LEN => Some(LAST_CLASS_LEN),
        next => Some(next),
    })
}

/// The number of the slab class that an item of this size goes to.
pub(super) fn slab_class(size: usize) -> u32 {
    let classes = (1..).zip(slab_lens());
    let fitting = classes.skip_while(|&(_, len)| len < size && len < LAST_CLASS_LEN);
    fitting.map(|(class, _)| class).next().unwrap_or(1)
}

/// The items, by key and by how lately they were used, bounded by their size.
///
/// The keys are found in a tree, which no choice of keys can make slow.
#[derive(Debug)]
pub(super) struct Table {
    index: BTreeMap<Box<[u8]>, usize>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// The item used last, and the one used longest ago.
    newest: Option<usize>,
    oldest: Option<usize>,
    bytes: usize,
}

#[derive(Debug)]
struct Slot {
    /// `None` where the slot is free.
    item: Option<Item>,
    newer: Option<usize>,
    older: Option<usize>,
}

impl Table {
    pub(super) const fn new() -> Self {
        Table {
            index: BTreeMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            newest: None,
            oldest: None,
            bytes: 0,
        }
    }

    /// The sizes of all items together, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn get(&self, key: Key<'_>) -> Option<&Item> {
        let &at = self.index.get(key.as_bytes())?;
        self.slots.get(at)?.item.as_ref()
    }

    /// The item, to be changed in place; not its key, nor the length of its value.
    pub(super) fn get_mut(&mut self, key: Key<'_>) -> Option<&mut Item> {
        let &at = self.index.get(key.as_bytes())?;
        self.slots.get_mut(at)?.item.as_mut()
    }

    /// Makes the item the one used last.
    pub(super) fn bump(&mut self, key: Key<'_>) {
        if let Some(&at) = self.index.get(key.as_bytes()) {
            self.unlink(at);
            self.link(at);
        }
    }

    /// Puts the item in, in the place of one with the same key.
    pub(super) fn insert(&mut self, item: Item) {
        self.remove(Key::parsed(&item.key));
        self.bytes += item.size();
        let key = item.key.clone();
        let slot = Slot { item: Some(item), newer: None, older: None };
        let at = match self.free.pop() {
            Some(at) => {
                if let Some(place) = self.slots.get_mut(at) {
                    *place = slot;
                }
                at
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.index.insert(key, at);
        self.link(at);
    }

    pub(super) fn remove(&mut self, key: Key<'_>) -> Option<Item> {
        let at = self.index.remove(key.as_bytes())?;
        self.unlink(at);
        let item = self.slots.get_mut(at)?.item.take()?;
        self.bytes -= item.size();
        self.free.push(at);
        Some(item)
    }

    /// Takes out the item that was used longest ago.
    pub(super) fn evict(&mut self) -> Option<Item> {
        let key = self.slots.get(self.oldest?)?.item.as_ref()?.key.clone();
        self.remove(Key::parsed(&key))
    }

    /// The items, those used last first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Item> {
        let slot = |at: Option<usize>| self.slots.get(at?);
        iter::successors(slot(self.newest), move |last| slot(last.older))
            .filter_map(|slot| slot.item.as_ref())
    }

    fn link(&mut self, at: usize) {
        let older = self.newest.replace(at);
        match older.and_then(|older| self.slots.get_mut(older)) {
            Some(older) => older.newer = Some(at),
            None => self.oldest = Some(at),
        }
        if let Some(slot) = self.slots.get_mut(at) {
            (slot.newer, slot.older) = (None, older);
        }
    }

    fn unlink(&mut self, at: usize) {
        let Some(&Slot { newer, older, .. }) = self.slots.get(at) else {
            return;
        };
        match newer.and_then(|newer| self.slots.get_mut(newer)) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        match older.and_then(|older| self.slots.get_mut(older)) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: &str, len: usize) -> Item {
        Item {
            key: key.as_bytes().into(),
            value: alloc::vec![b'x'; len].into(),
            flags: 0,
            expiry: None,
            cas: 0,
            stored: 0,
            used: 0,
            fetched: false,
            marks: Marks::default(),
        }
    }

    #[test]
    fn classes_are_those_of_a_default_memcached() {
        let lens: Vec<_> = slab_lens().collect();
        assert_eq!(lens.len(), LAST_CLASS);
        assert_eq!(lens[..6], [96, 120, 152, 192, 240, 304]);
        assert_eq!(lens[37..], [394_840, 524_288]);
        for (size, class) in [(61, 1), (96, 1), (97, 2), (524_288, 39), (1_048_576, 39)] {
            assert_eq!(slab_class(size), class, "{size}");
        }
    }

    #[test]
    fn the_order_of_use_survives_any_change() {
        let mut table = Table::new();
        let order = |table: &Table| -> Vec<Vec<u8>> {
            table.iter().map(|item| item.key.to_vec()).collect()
        };
        for key in ["a", "b", "c", "d"] {
            table.insert(item(key, 1));
        }
        assert_eq!(order(&table), [b"d", b"c", b"b", b"a"]);
        table.bump(Key::parsed(b"b"));
        assert_eq!(order(&table), [b"b", b"d", b"c", b"a"]);
        table.bump(Key::parsed(b"b"));
        table.bump(Key::parsed(b"a"));
        assert_eq!(order(&table), [b"a", b"b", b"d", b"c"]);
        assert!(table.remove(Key::parsed(b"b")).is_some());
        assert_eq!(table.evict().map(|item| item.key.to_vec()), Some(b"c".to_vec()));
        table.insert(item("d", 10));
        table.insert(item("e", 1));
        assert_eq!(order(&table), [b"e", b"d", b"a"]);
        assert_eq!(table.bytes(), 61 + 70 + 61);
        while table.evict().is_some() {}
        assert_eq!((table.bytes(), table.len(), table.iter().count()), (0, 0, 0));
        table.insert(item("f", 1));
        assert_eq!(order(&table), [b"f"]);
    }
}
