use core::fmt;

use super::meta::RoutedMeta;
use crate::codec::{Command, Keys, StatsArgument, StoreVerb};
use crate::hidden::Hidden;
use crate::value::Flags;
use crate::{Exptime, Key, KeyError};

/// What a client is asked to do. Nothing is borrowed once it is submitted.
///
/// Values are bytes and flags here; a [`Transcoder`](crate::value::Transcoder) makes them of values,
/// and values of them, outside of the client.
///
/// With `noreply` the server is told to say nothing: the operation completes when it has been written,
/// and what came of it nobody knows. [`Outcome::sent`](super::Outcome::sent).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation<'a> {
    /// Look a key up. Take the outcome with [`Outcome::item`](super::Outcome::item).
    Get {
        /// The key.
        key: RoutedKey<'a>,
        /// Whether to ask for the cas unique too.
        cas: bool,
    },
    /// Look a key up and give its item a new exptime. [`Outcome::item`](super::Outcome::item).
    Gat {
        /// The key.
        key: RoutedKey<'a>,
        /// The new exptime.
        exptime: Exptime,
        /// Whether to ask for the cas unique too.
        cas: bool,
    },
    /// Look many keys up, on all their servers at once. [`Outcome::many`](super::Outcome::many).
    GetMany {
        /// The keys. One that is there twice is answered twice.
        keys: &'a [RoutedKey<'a>],
        /// Whether to ask for the cas uniques too.
        cas: bool,
    },
    /// One of the six storage commands. [`Outcome::stored`](super::Outcome::stored).
    Store {
        /// Which of the six.
        verb: StoreVerb,
        /// What to store.
        item: NewItem<'a>,
        /// Whether the server is to say nothing.
        noreply: bool,
    },
    /// As [`GetMany`](Operation::GetMany), and give the items a new exptime.
    GatMany {
        /// The keys. One that is there twice is answered twice.
        keys: &'a [RoutedKey<'a>],
        /// The new exptime.
        exptime: Exptime,
        /// Whether to ask for the cas uniques too.
        cas: bool,
    },
    /// Store many items, on all their servers at once. [`Outcome::many`](super::Outcome::many).
    StoreMany {
        /// Which of the six.
        verb: StoreVerb,
        /// What to store.
        items: &'a [NewItem<'a>],
        /// Whether the servers are to say nothing.
        noreply: bool,
    },
    /// Delete a key. [`Outcome::found`](super::Outcome::found).
    Delete {
        /// The key.
        key: RoutedKey<'a>,
        /// Whether the server is to say nothing.
        noreply: bool,
    },
    /// Delete many keys, on all their servers at once. [`Outcome::many`](super::Outcome::many).
    DeleteMany {
        /// The keys.
        keys: &'a [RoutedKey<'a>],
        /// Whether the servers are to say nothing.
        noreply: bool,
    },
    /// Give an item a new exptime. [`Outcome::found`](super::Outcome::found).
    Touch {
        /// The key.
        key: RoutedKey<'a>,
        /// The new exptime.
        exptime: Exptime,
        /// Whether the server is to say nothing.
        noreply: bool,
    },
    /// Give many items a new exptime, on all their servers at once. [`Outcome::many`](super::Outcome::many).
    TouchMany {
        /// The keys.
        keys: &'a [RoutedKey<'a>],
        /// The new exptime.
        exptime: Exptime,
        /// Whether the servers are to say nothing.
        noreply: bool,
    },
    /// Add to a counter; it wraps at 2^64. [`Outcome::number`](super::Outcome::number).
    Incr {
        /// The key.
        key: RoutedKey<'a>,
        /// What to add.
        delta: u64,
        /// Whether the server is to say nothing.
        noreply: bool,
    },
    /// Take away from a counter; it stops at 0. [`Outcome::number`](super::Outcome::number).
    Decr {
        /// The key.
        key: RoutedKey<'a>,
        /// What to take away.
        delta: u64,
        /// Whether the server is to say nothing.
        noreply: bool,
    },
    /// One of the meta commands. [`Outcome::meta`](super::Outcome::meta).
    Meta(&'a RoutedMeta<'a>),
    /// Many of them, on all their servers at once: each is answered, quiet ones too.
    /// [`Outcome::many`](super::Outcome::many).
    MetaMany {
        /// The requests.
        requests: &'a [RoutedMeta<'a>],
    },
    /// Some keys of an operation on many, and more follow. Submit the first part, then give the others with
    /// [`Client::feed`](super::Client::feed), each time that [`Client::is_hungry`](super::Client::is_hungry)
    /// says so. Give the last keys without this. The client never has more than some parts, so the memory that
    /// it takes does not grow with the call.
    Part(&'a Operation<'a>),
    /// Invalidate everything on every server. [`Outcome::servers`](super::Outcome::servers).
    FlushAll {
        /// When, an exptime; `None` for now.
        delay: Option<Exptime>,
    },
    /// Ask every server for its version. [`Outcome::servers`](super::Outcome::servers).
    Version,
    /// Ask every server for statistics. [`Outcome::servers`](super::Outcome::servers).
    Stats(StatsArgument<'a>),
    /// Ask every server for a configuration by its name: it is an [`Item`](super::Item), or a miss. A server that
    /// is no configuration endpoint answers with an error. [`Outcome::servers`](super::Outcome::servers).
    ConfigGet(Key<'a>),
}

/// An item to be stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NewItem<'a> {
    /// Its key.
    pub key: RoutedKey<'a>,
    /// Kept beside the value.
    pub flags: Flags,
    /// When it expires.
    pub exptime: Exptime,
    /// Its value.
    pub value: &'a [u8],
}

impl fmt::Debug for NewItem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewItem")
            .field("key", &self.key)
            .field("flags", &self.flags)
            .field("exptime", &self.exptime)
            .field("value", &Hidden(self.value))
            .finish()
    }
}

/// Whom an operation concerns.
pub(super) enum Scope<'a> {
    /// The server of one key, with this command.
    Key(RoutedKey<'a>),
    /// The server of this request's key.
    Meta(&'a RoutedMeta<'a>),
    /// The servers of this many keys.
    Many(usize),
    /// The servers of these keys and of those that follow.
    Part(&'a Operation<'a>),
    /// All servers, with this command.
    Servers(Command<'a>),
}

impl<'a> Operation<'a> {
    /// How many keys it is about; 0 where it is about servers.
    #[must_use]
    pub fn keys(&self) -> usize {
        match self.scope() {
            Scope::Key(_) | Scope::Meta(_) => 1,
            Scope::Many(count) => count,
            Scope::Part(part) => part.keys(),
            Scope::Servers(_) => 0,
        }
    }

    pub(super) fn scope(&self) -> Scope<'a> {
        match *self {
            Operation::Get { key, .. }
            | Operation::Gat { key, .. }
            | Operation::Delete { key, .. }
            | Operation::Touch { key, .. }
            | Operation::Incr { key, .. }
            | Operation::Decr { key, .. }
            | Operation::Store { item: NewItem { key, .. }, .. } => Scope::Key(key),
            Operation::GetMany { keys, .. }
            | Operation::GatMany { keys, .. }
            | Operation::DeleteMany { keys, .. }
            | Operation::TouchMany { keys, .. } => Scope::Many(keys.len()),
            Operation::StoreMany { items, .. } => Scope::Many(items.len()),
            Operation::Meta(meta) => Scope::Meta(meta),
            Operation::MetaMany { requests } => Scope::Many(requests.len()),
            Operation::Part(part) => Scope::Part(part),
            Operation::FlushAll { delay } => {
                Scope::Servers(Command::FlushAll { delay, noreply: false })
            }
            Operation::Version => Scope::Servers(Command::Version),
            Operation::Stats(argument) => Scope::Servers(Command::Stats(argument)),
            Operation::ConfigGet(name) => Scope::Servers(Command::ConfigGet(name)),
        }
    }

    /// The operation on the one key of this number.
    pub(super) fn one(&self, index: usize) -> Option<Operation<'a>> {
        Some(match *self {
            Operation::GetMany { keys, cas } => Operation::Get { key: *keys.get(index)?, cas },
            Operation::GatMany { keys, exptime, cas } => {
                Operation::Gat { key: *keys.get(index)?, exptime, cas }
            }
            Operation::TouchMany { keys, exptime, noreply } => {
                Operation::Touch { key: *keys.get(index)?, exptime, noreply }
            }
            Operation::DeleteMany { keys, noreply } => {
                Operation::Delete { key: *keys.get(index)?, noreply }
            }
            Operation::StoreMany { verb, items, noreply } => {
                Operation::Store { verb, item: *items.get(index)?, noreply }
            }
            Operation::MetaMany { requests } => Operation::Meta(requests.get(index)?),
            operation => operation,
        })
    }

    /// The command of an operation on one key, with this key.
    #[inline(always)]
    pub(super) fn command<'k>(&self, key: &'k Key<'k>) -> Command<'k>
    where
        'a: 'k,
    {
        match *self {
            Operation::Gat { exptime, cas, .. } | Operation::GatMany { exptime, cas, .. } => {
                Command::Gat { exptime, keys: Keys::one(key), cas }
            }
            Operation::Delete { noreply, .. } | Operation::DeleteMany { noreply, .. } => {
                Command::Delete { key: *key, noreply }
            }
            Operation::Touch { exptime, noreply, .. }
            | Operation::TouchMany { exptime, noreply, .. } => {
                Command::Touch { key: *key, exptime, noreply }
            }
            Operation::Incr { delta, noreply, .. } => Command::Incr { key: *key, delta, noreply },
            Operation::Decr { delta, noreply, .. } => Command::Decr { key: *key, delta, noreply },
            Operation::Store { verb, item, noreply } => {
                let NewItem { flags, exptime, value, .. } = item;
                Command::Store { verb, key: *key, flags, exptime, value, noreply }
            }
            Operation::Get { cas, .. } | Operation::GetMany { cas, .. } => {
                Command::Get { keys: Keys::one(key), cas }
            }
            Operation::StoreMany { .. }
            | Operation::Meta(_)
            | Operation::MetaMany { .. }
            | Operation::Part(_)
            | Operation::FlushAll { .. }
            | Operation::Version
            | Operation::ConfigGet(_)
            | Operation::Stats(_) => Command::Version,
        }
    }
}

/// A key, and what chooses its server: its hash, unless the caller has a number of his own.
///
/// ```
/// use memcache_proto::Key;
/// use memcache_proto::client::RoutedKey;
///
/// let key = Key::new("foo")?;
/// assert_eq!(RoutedKey::from(key).hash, None);
/// assert_eq!(RoutedKey::from((7, key)).hash, Some(7));
/// # Ok::<(), memcache_proto::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutedKey<'a> {
    /// The key, without the prefix of the client.
    pub key: Key<'a>,
    /// What is used in place of the key's hash: python-memcached's `(hash, key)` pairs. May be negative.
    pub hash: Option<i64>,
}

impl<'a> From<Key<'a>> for RoutedKey<'a> {
    fn from(key: Key<'a>) -> Self {
        RoutedKey { key, hash: None }
    }
}

impl<'a> From<(i64, Key<'a>)> for RoutedKey<'a> {
    fn from((hash, key): (i64, Key<'a>)) -> Self {
        RoutedKey { key, hash: Some(hash) }
    }
}

/// An operation that was not taken in, and why. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected<'a> {
    /// The operation, given back.
    pub operation: Operation<'a>,
    /// Why.
    pub reason: Rejection,
}

impl fmt::Display for Rejected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reason, f)
    }
}

impl core::error::Error for Rejected<'_> {}

/// Why an operation, or one key or item of it, was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The key cannot be sent with its prefix.
    Key(KeyError),
    /// The value is longer than
    /// [`Limits::server_max_value_length`](crate::Limits::server_max_value_length).
    ValueTooLong {
        /// Its length in bytes, after compression.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// The flags have more than the 32 bits that servers keep; the rest would be cut off without a word.
    FlagsTooLarge {
        /// The flags.
        flags: Flags,
    },
    /// [`Limits::max_queued_bytes`](crate::Limits::max_queued_bytes) of requests wait already. Nothing of
    /// this one was sent.
    Full,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::Key(error) => fmt::Display::fmt(error, f),
            Rejection::ValueTooLong { len, max } => write!(
                f,
                "the value has {len} bytes, more than server_max_value_length ({max}); \
                 raise it if the servers' item size (-I) allows more",
            ),
            Rejection::FlagsTooLarge { flags } => write!(
                f,
                "the flags {:#x} have more than the 32 bits that servers keep",
                flags.bits(),
            ),
            Rejection::Full => {
                write!(f, "more than max_queued_bytes of requests wait for their replies")
            }
        }
    }
}

impl core::error::Error for Rejection {}
