use core::time::Duration;

use bytes::Bytes;

use super::Error;
use crate::client::MetaReply;
use crate::routing::ServerIndex;
use crate::value::Flags;

/// An item, and what the server knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaItem<V> {
    /// Its value; `None` where it is but the place for one that somebody is making. A server marks no
    /// place: an empty value without flags that somebody is to replace is taken for one.
    pub value: Option<V>,
    /// Its cas unique.
    pub cas: Option<u64>,
    /// In how long it expires, in whole seconds; `None` where it does not.
    pub expires_in: Option<Duration>,
    /// Whether whoever made this call is to store a new value, and nobody else is.
    pub won: bool,
    /// Whether it was [invalidated](super::invalidate).
    pub stale: bool,
    /// Whether somebody else is making a new value.
    pub won_by_another: bool,
}

impl<V> MetaItem<V> {
    /// What a reply says, its value as `read` makes it.
    pub(super) fn of(
        reply: MetaReply,
        read: impl FnOnce(Option<ServerIndex>, Flags, Bytes) -> Result<V, Error>,
    ) -> Result<Self, Error> {
        let flags = reply.client_flags.unwrap_or_default();
        let value = reply.value.unwrap_or_default();
        let in_the_making = reply.won || reply.won_by_another;
        let is_place = in_the_making && value.is_empty() && flags == Flags::new(0);
        let value = match is_place {
            true => None,
            false => Some(read(reply.server, flags, value)?),
        };
        Ok(MetaItem {
            value,
            cas: reply.cas,
            expires_in: expires_in(reply.ttl),
            won: reply.won,
            stale: reply.stale,
            won_by_another: reply.won_by_another,
        })
    }
}

/// What a server knows of an item, but its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemInfo {
    /// The length of its value as it is stored, in bytes.
    pub size: Option<u64>,
    /// The flags that are stored with it.
    pub client_flags: Option<Flags>,
    /// Its cas unique.
    pub cas: Option<u64>,
    /// In how long it expires, in whole seconds; `None` where it does not.
    pub expires_in: Option<Duration>,
    /// How long ago it was last read or written, in whole seconds.
    pub last_access: Option<Duration>,
    /// Whether it has been read since it was stored.
    pub hit: Option<bool>,
    /// Whether it was [invalidated](super::invalidate).
    pub stale: bool,
    /// Whether this call has won, as the first to ask for a stale item: whoever made it is to store a new
    /// value, or to let another win by invalidating the item again.
    pub won: bool,
}

impl ItemInfo {
    pub(super) fn of(reply: &MetaReply) -> Self {
        ItemInfo {
            size: reply.size,
            client_flags: reply.client_flags,
            cas: reply.cas,
            expires_in: expires_in(reply.ttl),
            last_access: reply.last_access.map(Duration::from_secs),
            hit: reply.hit,
            stale: reply.stale,
            won: reply.won,
        }
    }
}

/// What came of a change that stores no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Changed {
    /// It was made.
    Done,
    /// There is no such item.
    NotFound,
    /// The item has changed since its cas unique was read.
    Exists,
}

fn expires_in(ttl: Option<i64>) -> Option<Duration> {
    ttl.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs)
}
