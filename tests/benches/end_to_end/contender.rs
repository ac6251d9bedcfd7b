use crate::items::MANY;
use crate::watch::Watch;

/// A client, or the raw loop, which does the same work as the others.
pub(crate) trait Contender {
    /// Its name in the results.
    fn name(&self) -> &'static str;

    /// Whether it has calls for this.
    fn can(&self, row: Row) -> bool;

    /// Makes so many calls, one after the other, while `watch` runs.
    fn run(&mut self, row: Row, count: usize, watch: &mut Watch);
}

/// What one caller does, one call after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Get,
    Set,
    /// 100 keys, into a `HashMap` of `Vec<u8>` or the client's own map.
    GetMap,
    /// 100 keys, into a `Vec` of pairs with values that share buffers, or the client's own list.
    GetVec,
    SetMany,
    /// 100 keys, which are stored anew before each call while the watch does not run.
    DeleteMany,
    /// Nine gets, then one set.
    Mixed,
    /// One value of 1 MiB.
    GetLarge,
}

impl Row {
    pub(crate) const ALL: [Row; 8] = [
        Row::Get,
        Row::Set,
        Row::GetMap,
        Row::GetVec,
        Row::SetMany,
        Row::DeleteMany,
        Row::Mixed,
        Row::GetLarge,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Row::Get => "get",
            Row::Set => "set",
            Row::GetMap => "get x 100, map",
            Row::GetVec => "get x 100, Vec of Bytes",
            Row::SetMany => "set x 100",
            Row::DeleteMany => "delete x 100",
            Row::Mixed => "mixed",
            Row::GetLarge => "get 1 MiB",
        }
    }

    /// How many keys one call has.
    pub(crate) fn keys(self) -> usize {
        match self {
            Row::GetMap | Row::GetVec | Row::SetMany | Row::DeleteMany => MANY,
            Row::Get | Row::Set | Row::Mixed | Row::GetLarge => 1,
        }
    }

    pub(crate) fn named(name: &str) -> Option<Row> {
        Row::ALL.into_iter().find(|row| row.name() == name)
    }

    /// Whether this one of the calls of [`Row::Mixed`] is a set.
    pub(crate) fn is_store(number: usize) -> bool {
        number % 10 == 9
    }
}
