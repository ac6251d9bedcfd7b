use alloc::collections::{BTreeMap, VecDeque};

use crate::KeyBuf;

/// The cas uniques that [`gets`](super::gets) returned, by key: what python-memcached remembers with
/// `cache_cas`, so that a later `cas` need not be told.
///
/// Whoever reads, changes and stores has one of its own, a thread or a task: a cas unique that another
/// read later would let this one overwrite what it never saw.
///
/// It holds as many as it was made for, and forgets the oldest.
#[derive(Clone, Debug)]
pub struct CasIds {
    ids: BTreeMap<KeyBuf, Remembered>,
    /// The keys in the order in which they were remembered, with the turn; those whose turn is not that
    /// of their entry have been remembered again since.
    order: VecDeque<(u64, KeyBuf)>,
    turn: u64,
    max: usize,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    unique: u64,
    turn: u64,
}

impl CasIds {
    /// Room for this many; with 0 none are remembered.
    #[must_use]
    pub fn new(max: usize) -> Self {
        CasIds { ids: BTreeMap::new(), order: VecDeque::new(), turn: 0, max }
    }

    /// What was last remembered of the key.
    #[must_use]
    pub fn get(&self, key: &KeyBuf) -> Option<u64> {
        self.ids.get(key).map(|remembered| remembered.unique)
    }

    /// Remembers the cas unique of a key.
    pub fn remember(&mut self, key: KeyBuf, unique: u64) {
        if self.max == 0 {
            return;
        }
        self.turn += 1;
        let turn = self.turn;
        self.ids.insert(key.clone(), Remembered { unique, turn });
        self.order.push_back((turn, key));
        while self.ids.len() > self.max {
            let Some((turn, key)) = self.order.pop_front() else { return };
            if is_current(&self.ids, turn, &key) {
                self.ids.remove(&key);
            }
        }
        if self.order.len() > self.max.saturating_mul(2) {
            let ids = &self.ids;
            self.order.retain(|(turn, key)| is_current(ids, *turn, key));
        }
    }

    /// Forgets all of them: python-memcached's `reset_cas`.
    pub fn reset_cas(&mut self) {
        self.ids.clear();
        self.order.clear();
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

fn is_current(ids: &BTreeMap<KeyBuf, Remembered>, turn: u64, key: &KeyBuf) -> bool {
    ids.get(key).is_some_and(|remembered| remembered.turn == turn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_nothing_grows() {
        let mut ids = CasIds::new(3);
        for number in 0..1000_u64 {
            ids.remember(KeyBuf::from(number % 5), number);
            ids.remember(KeyBuf::from(7_u64), number);
            assert!(ids.len() <= 3 && ids.order.len() <= 6);
            assert_eq!(ids.get(&KeyBuf::from(7_u64)), Some(number));
            assert_eq!(ids.get(&KeyBuf::from(number % 5)), Some(number));
        }
        // The last were 3, 7, 4, 7.
        assert_eq!((ids.len(), ids.is_empty()), (3, false));
        let left = [3_u64, 7, 4, 2].map(|key| ids.get(&KeyBuf::from(key)).is_some());
        assert_eq!(left, [true, true, true, false]);
        for _ in 0..100 {
            ids.remember(KeyBuf::from(7_u64), 1);
            assert!(ids.order.len() <= 6);
        }
        assert!(ids.get(&KeyBuf::from(3_u64)).is_some(), "one that is used often displaces none");
        ids.reset_cas();
        assert!(ids.is_empty() && ids.order.is_empty());

        let mut none = CasIds::new(0);
        none.remember(KeyBuf::from(1_u64), 1);
        assert!(none.is_empty());
    }

    /// What was noted of it before does not have it forgotten.
    #[test]
    fn a_key_that_is_remembered_again_is_the_newest() {
        let mut ids = CasIds::new(3);
        for (key, unique) in [(1_u64, 10), (2, 20), (3, 30), (1, 11), (4, 40)] {
            ids.remember(KeyBuf::from(key), unique);
        }
        let left = [1_u64, 2, 3, 4].map(|key| ids.get(&KeyBuf::from(key)));
        assert_eq!(left, [Some(11), None, Some(30), Some(40)]);
    }
}
