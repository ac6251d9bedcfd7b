use std::iter;

/// What is stored in the server before anything is measured, and what is drawn from it.
#[derive(Clone)]
pub(crate) struct Items {
    pub(crate) keys: Vec<String>,
    pub(crate) values: Vec<Vec<u8>>,
}

/// How many keys a call on many has.
pub(crate) const MANY: usize = 100;

/// The key of the one large value, and its length.
pub(crate) const LARGE: &str = "large";
pub(crate) const LARGE_LEN: usize = 1 << 20;

impl Items {
    pub(crate) fn new(count: usize) -> Self {
        let keys: Vec<String> = (0..count).map(|number| format!("session:{number:07}")).collect();
        let values = keys.iter().map(|key| value_of(key)).collect();
        Items { keys, values }
    }

    /// Positions in the lists at which so many items begin, without end. The same seed gives the same
    /// ones.
    pub(crate) fn positions(&self, seed: u32, len: usize) -> impl Iterator<Item = usize> + use<> {
        let (mut state, room) = (seed, self.keys.len() + 1 - len);
        iter::repeat_with(move || {
            // Marsaglia's xorshift.
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as usize % room
        })
    }

    /// Items one by one, without end.
    pub(crate) fn random(&self, seed: u32) -> impl Iterator<Item = (&str, &[u8])> {
        self.positions(seed, 1).map(|at| (self.keys[at].as_str(), &self.values[at][..]))
    }

    /// Keys and values by the hundred, without end.
    pub(crate) fn batches(&self, seed: u32) -> impl Iterator<Item = (&[String], &[Vec<u8>])> {
        let positions = self.positions(seed, MANY).map(|at| at..at + MANY);
        positions.map(|range| (&self.keys[range.clone()], &self.values[range]))
    }
}

/// 100 bytes that begin with the key.
fn value_of(key: &str) -> Vec<u8> {
    format!("{key:.<100}").into_bytes()
}
