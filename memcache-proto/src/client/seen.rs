//! What a client has seen of an operation, for whoever observes calls.

use super::operation::{NewItem, Scope};
use super::{Client, Items, Operation, OperationId};
use crate::routing::ServerIndex;

/// What [`Client::seen`] tells of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// How many keys it has, or servers if it is on all of them. Of one that is given in parts: so far.
    pub keys: usize,
    /// The bytes of the values that are stored by it, as they are sent.
    pub stored_bytes: usize,
    /// How many items were taken with [`Client::take_items`] before its outcome, which does not have them.
    pub items_taken: usize,
    /// The bytes of their values.
    pub bytes_taken: usize,
    /// How often a request of it was given to another connection: sent again, or moved before it was sent.
    pub again: u32,
    servers: Servers,
}

/// Where the requests of an operation went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Servers {
    #[default]
    None,
    One(ServerIndex),
    Several,
}

impl Seen {
    /// The server that its requests went to; `None` if they went to several, or to none. Of an operation on one key
    /// that was given to several in turn it is the last.
    #[must_use]
    pub fn server(&self) -> Option<ServerIndex> {
        match self.servers {
            Servers::One(server) => Some(server),
            Servers::None | Servers::Several => None,
        }
    }
}

impl Client {
    /// What has been seen of an operation: where it went, and how often. Ask while it is under way, or after
    /// [`take`](Self::take), but before anything else is submitted. Without
    /// [`Settings::observe`](super::Settings::observe) there is nothing to see.
    #[must_use]
    pub fn seen(&self, operation: OperationId) -> Seen {
        self.operations.seen(operation)
    }

    /// Notes where a request of an operation goes.
    pub(super) fn see_request(&mut self, id: OperationId, server: ServerIndex) {
        if self.cluster.settings().observe {
            let is_one = self.operations.is_one(id);
            let seen = self.operations.seen_mut(id);
            seen.servers = match seen.servers {
                Servers::One(other) if other != server && !is_one => Servers::Several,
                Servers::Several => Servers::Several,
                Servers::None | Servers::One(_) => Servers::One(server),
            };
        }
    }

    /// Notes that a request of an operation has been given to another connection.
    pub(super) fn see_again(&mut self, id: OperationId) {
        if self.cluster.settings().observe {
            self.operations.seen_mut(id).again += 1;
        }
    }

    /// Notes which items of an operation are taken before its outcome.
    pub(super) fn see_items(&mut self, id: OperationId, items: &Items) {
        if self.cluster.settings().observe && !items.is_empty() {
            let seen = self.operations.seen_mut(id);
            seen.items_taken += items.len();
            seen.bytes_taken += items.bytes();
        }
    }

    /// Notes what an operation, or a part of it, is about.
    pub(super) fn see(&mut self, id: OperationId, operation: &Operation<'_>) {
        if !self.cluster.settings().observe {
            return;
        }
        let keys = match operation.scope() {
            Scope::Servers(_) => self.cluster.servers().len(),
            _ => operation.keys(),
        };
        let seen = self.operations.seen_mut(id);
        seen.keys += keys;
        seen.stored_bytes += stored_bytes(operation);
    }
}

/// The bytes of the values that are stored.
fn stored_bytes(operation: &Operation<'_>) -> usize {
    let of = |item: &NewItem<'_>| item.value.len();
    match operation {
        Operation::Store { item, .. } => of(item),
        Operation::StoreMany { items, .. } => items.iter().map(of).sum(),
        Operation::Meta(meta) => meta.request.value_len(),
        Operation::MetaMany { requests } => {
            requests.iter().map(|meta| meta.request.value_len()).sum()
        }
        Operation::Part(part) => stored_bytes(part),
        _ => 0,
    }
}
