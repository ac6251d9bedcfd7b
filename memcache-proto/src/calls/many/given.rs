use alloc::vec::Vec;

use crate::calls::{CallKey, Error};
use crate::client::{Cluster, Operation, RoutedKey};

/// The most keys that are given at a time for each server.
const KEYS: usize = 1024;

/// So many parts, about, make a server's backlog: a part leaves room for others beside it, and the keys of one
/// fit into one get of the usual length.
const SHARE: usize = 9;

/// For so many servers at most a part has keys: the more servers, the larger it is, as each gets a share of it.
const SERVERS: usize = 16;

/// How far the keys of a call have been given to the client.
#[derive(Default)]
pub struct Given {
    /// How many have been, or cannot be.
    keys: usize,
    /// Of each key that cannot be sent, how many before it were: the operation counts these alone.
    gaps: Vec<usize>,
}

impl Given {
    /// The number in the call of the key with this number in the operation.
    pub(super) fn number(&self, sent: usize) -> usize {
        sent + self.gaps.partition_point(|&gap| gap <= sent)
    }

    /// How many keys have been sent.
    pub(super) fn sent(&self) -> usize {
        self.keys - self.gaps.len()
    }

    /// The number of the first key that has not been given yet.
    pub(super) fn next(&self) -> usize {
        self.keys
    }

    /// Encodes the next of these items, as many as are given at a time. Those that cannot be sent are told to
    /// `refuse`, with their numbers. `len` says how many bytes an item has.
    pub(super) fn encode<'a, I, T>(
        &mut self,
        items: &'a [I],
        cluster: &Cluster,
        encode: impl Fn(&'a I) -> Result<T, Error>,
        len: impl Fn(&T) -> usize,
        mut refuse: impl FnMut(usize, Error),
    ) -> Vec<T> {
        let items = items.get(self.keys..).unwrap_or_default();
        let servers = cluster.servers().len().min(SERVERS);
        let max_bytes = (cluster.settings().limits.backlog / SHARE).saturating_mul(servers);
        let mut encoded = Vec::with_capacity(items.len().min(KEYS * servers));
        let mut bytes = 0;
        for item in items.iter().take(KEYS * servers) {
            if bytes >= max_bytes && !encoded.is_empty() {
                break;
            }
            match encode(item) {
                Ok(item) => {
                    bytes += len(&item);
                    encoded.push(item);
                }
                Err(error) => {
                    self.gaps.push(self.sent());
                    refuse(self.keys, error);
                }
            }
            self.keys += 1;
        }
        encoded
    }

    /// Gives an operation on the keys that were encoded last, of `all` that the call has.
    pub(super) fn give<R>(
        &self,
        all: usize,
        operation: Operation<'_>,
        give: impl FnOnce(Operation<'_>) -> R,
    ) -> R {
        if self.keys < all { give(Operation::Part(&operation)) } else { give(operation) }
    }
}

pub(super) fn routed<'a>(keys: &'a [CallKey<'_>]) -> Vec<RoutedKey<'a>> {
    keys.iter().map(CallKey::as_routed).collect()
}
