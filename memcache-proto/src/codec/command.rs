use alloc::vec::Vec;
use core::fmt;

use super::encode::put;
use super::meta::{
    MetaArithmetic, MetaDelete, MetaGet, MetaKey, MetaRequest, MetaSet, encode_debug,
};
use crate::value::Flags;
use crate::{Exptime, Key};

/// One command of a client, with what belongs to it.
///
/// ```
/// use memcache_proto::codec::{Command, Keys, StoreVerb};
/// use memcache_proto::value::Flags;
/// use memcache_proto::{Exptime, Key};
///
/// let mut out = Vec::new();
/// let (foo, bar) = (Key::new("foo")?, Key::new("bar")?);
/// Command::Get { keys: Keys::new(&[foo, bar]), cas: false }.encode(&mut out);
/// Command::Store {
///     verb: StoreVerb::Set,
///     key: foo,
///     flags: Flags::new(0),
///     exptime: Exptime::NEVER,
///     value: b"1",
///     noreply: false,
/// }
/// .encode(&mut out);
/// assert_eq!(out, b"get foo bar\r\nset foo 0 0 1\r\n1\r\n");
/// # Ok::<(), memcache_proto::KeyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command<'a> {
    /// `get <key>*`, or `gets <key>*`, which also asks for the cas unique.
    Get {
        /// The keys, at least one.
        keys: Keys<'a>,
        /// Whether this is `gets`.
        cas: bool,
    },
    /// `gat <exptime> <key>*` or `gats`: get, and give the items a new exptime.
    Gat {
        /// The new exptime.
        exptime: Exptime,
        /// The keys, at least one. Unlike those of a get their line may not pass 2,048 bytes.
        keys: Keys<'a>,
        /// Whether this is `gats`.
        cas: bool,
    },
    /// One of the six storage commands.
    Store {
        /// Which of the six.
        verb: StoreVerb,
        /// The key to store under.
        key: Key<'a>,
        /// Kept beside the value. append and prepend keep the flags that are there.
        flags: Flags,
        /// When it expires. append and prepend keep the exptime that is there.
        exptime: Exptime,
        /// The value.
        value: &'a [u8],
        /// Whether the server is to say nothing.
        noreply: bool,
    },
    /// `delete <key>`
    Delete {
        /// The key to delete.
        key: Key<'a>,
        /// Whether the server is to say nothing.
        noreply: bool,
    },
    /// `incr <key> <delta>`: wraps at 2^64.
    Incr {
        /// The key of the counter.
        key: Key<'a>,
        /// What to add.
        delta: u64,
        /// Whether the server is to say nothing.
        noreply: bool,
    },
    /// `decr <key> <delta>`: stops at 0.
    Decr {
        /// The key of the counter.
        key: Key<'a>,
        /// What to take away.
        delta: u64,
        /// Whether the server is to say nothing.
        noreply: bool,
    },
    /// `touch <key> <exptime>`
    Touch {
        /// The key of the item.
        key: Key<'a>,
        /// Its new exptime.
        exptime: Exptime,
        /// Whether the server is to say nothing.
        noreply: bool,
    },
    /// `flush_all [<delay>]`: all items are invalid, now or after the delay.
    FlushAll {
        /// When, an exptime; `None` for now.
        delay: Option<Exptime>,
        /// Whether the server is to say nothing.
        noreply: bool,
    },
    /// `version`
    Version,
    /// `verbosity <level>`
    Verbosity {
        /// How much the server is to log.
        level: u32,
        /// Whether the server is to say nothing.
        noreply: bool,
    },
    /// `cache_memlimit <megabytes>`
    CacheMemlimit {
        /// The new memory limit, in MiB.
        megabytes: u32,
        /// Whether the server is to say nothing.
        noreply: bool,
    },
    /// `quit`: the server closes the connection and says nothing.
    Quit,
    /// `shutdown`, or `shutdown graceful`: the server ends and says nothing, where it is allowed to.
    Shutdown {
        /// Whether the server is to take its time, as for SIGUSR1.
        graceful: bool,
    },
    /// `stats [<argument>]`
    Stats(StatsArgument<'a>),
    /// `config get <name>`: the servers of a cluster, asked of a configuration endpoint. Other servers answer
    /// `ERROR`.
    ConfigGet(Key<'a>),
    /// `lru_crawler metadump <target>`: a line for each item. Wants a connection of its own.
    Metadump(MetadumpTarget),
    /// `mg <key> <flags>*`: look a key up.
    MetaGet(MetaGet<'a>),
    /// `ms <key> <datalen> <flags>*`: store a value.
    MetaSet(MetaSet<'a>),
    /// `md <key> <flags>*`: delete a key, or mark it as stale.
    MetaDelete(MetaDelete<'a>),
    /// `ma <key> <flags>*`: count up or down.
    MetaArithmetic(MetaArithmetic<'a>),
    /// `me <key>`: what the server knows of an item, for people.
    MetaDebug(MetaKey<'a>),
    /// `mn`: answered by `MN`, behind quiet commands for instance.
    MetaNoop,
}

/// Which of the six storage commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreVerb {
    /// Store.
    Set,
    /// Store if the key is not there.
    Add,
    /// Store if the key is there.
    Replace,
    /// Put behind the value that is there.
    Append,
    /// Put before the value that is there.
    Prepend,
    /// Store if the item has not changed since this cas unique was read.
    Cas(u64),
}

impl StoreVerb {
    const fn word(self) -> &'static [u8] {
        match self {
            StoreVerb::Set => b"set ",
            StoreVerb::Add => b"add ",
            StoreVerb::Replace => b"replace ",
            StoreVerb::Append => b"append ",
            StoreVerb::Prepend => b"prepend ",
            StoreVerb::Cas(_) => b"cas ",
        }
    }
}

/// What `stats` is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatsArgument<'a> {
    /// `stats`: the general counters.
    General,
    /// `stats items`
    Items,
    /// `stats slabs`
    Slabs,
    /// `stats sizes`
    Sizes,
    /// `stats settings`
    Settings,
    /// `stats conns`
    Conns,
    /// `stats reset`: answered by `RESET`.
    Reset,
    /// `stats detail on`: answered by `OK`.
    DetailOn,
    /// `stats detail off`: answered by `OK`.
    DetailOff,
    /// `stats detail dump`: answered by `PREFIX` lines.
    DetailDump,
    /// `stats cachedump <class> <limit>`: answered by `ITEM` lines.
    Cachedump {
        /// The slab class.
        class: u32,
        /// How many items at most; 0 for all.
        limit: u32,
    },
    /// Any other single word, `extstore` for instance. Only what ends in `END` or is one line in all can
    /// be read: not `sizes_enable` and `sizes_disable`, to which memcached 1.6.18 answers a `STAT` line
    /// and no `END`. A word that has a variant of its own is not for this: it is read as that.
    Other(Key<'a>),
}

impl StatsArgument<'_> {
    /// Whether it may change what the server counts or keeps.
    pub(crate) const fn changes(&self) -> bool {
        matches!(
            self,
            StatsArgument::Reset
                | StatsArgument::DetailOn
                | StatsArgument::DetailOff
                | StatsArgument::Other(_)
        )
    }
}

/// Which items `lru_crawler metadump` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadumpTarget {
    /// `all`: every slab class.
    All,
    /// `hash`: the hash table from end to end.
    Hash,
    /// One slab class.
    Class(u32),
}

impl<'a> Command<'a> {
    /// The meta request that this is.
    #[must_use]
    pub const fn as_meta(&self) -> Option<MetaRequest<'a>> {
        match *self {
            Command::MetaGet(get) => Some(MetaRequest::Get(get)),
            Command::MetaSet(set) => Some(MetaRequest::Set(set)),
            Command::MetaDelete(delete) => Some(MetaRequest::Delete(delete)),
            Command::MetaArithmetic(arithmetic) => Some(MetaRequest::Arithmetic(arithmetic)),
            Command::MetaDebug(key) => Some(MetaRequest::Debug(key)),
            _ => None,
        }
    }
}

impl<'a> From<MetaRequest<'a>> for Command<'a> {
    fn from(request: MetaRequest<'a>) -> Self {
        match request {
            MetaRequest::Get(get) => Command::MetaGet(get),
            MetaRequest::Set(set) => Command::MetaSet(set),
            MetaRequest::Delete(delete) => Command::MetaDelete(delete),
            MetaRequest::Arithmetic(arithmetic) => Command::MetaArithmetic(arithmetic),
            MetaRequest::Debug(key) => Command::MetaDebug(key),
        }
    }
}

impl Command<'_> {
    /// Whether it has `noreply`, so that nothing answers it.
    #[must_use]
    pub fn is_noreply(&self) -> bool {
        match *self {
            Command::Store { noreply, .. }
            | Command::Delete { noreply, .. }
            | Command::Incr { noreply, .. }
            | Command::Decr { noreply, .. }
            | Command::Touch { noreply, .. }
            | Command::FlushAll { noreply, .. }
            | Command::Verbosity { noreply, .. }
            | Command::CacheMemlimit { noreply, .. } => noreply,
            _ => false,
        }
    }

    /// Appends the command, as a client writes it, to `out`.
    #[inline(always)]
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Command::Get { keys, cas } => encode_get(out, keys, cas),
            Command::Store { verb, key, flags, exptime, value, noreply } => {
                out.reserve(STORE_LINE_LEN + key.len() + value.len());
                out.extend_from_slice(verb.word());
                put_word(out, key.as_bytes());
                put_number(out, flags.bits());
                put_number(out, exptime.to_wire());
                put_number(out, value.len());
                if let StoreVerb::Cas(unique) = verb {
                    put_number(out, unique);
                }
                match noreply {
                    false => out.extend_from_slice(b"\r\n"),
                    true => out.extend_from_slice(b" noreply\r\n"),
                }
                out.extend_from_slice(value);
                out.extend_from_slice(b"\r\n");
            }
            Command::MetaGet(ref get) => get.encode(out),
            Command::MetaSet(ref set) => set.encode(out),
            _ => self.encode_other(out),
        }
    }

    /// Appends a command that is neither a get nor a store, of either protocol.
    #[inline(never)]
    fn encode_other(&self, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        match *self {
            Command::Get { .. }
            | Command::Store { .. }
            | Command::MetaGet(_)
            | Command::MetaSet(_) => {}
            Command::MetaDelete(ref delete) => delete.encode(out),
            Command::MetaArithmetic(ref arithmetic) => arithmetic.encode(out),
            Command::MetaDebug(key) => encode_debug(key, out),
            Command::MetaNoop => put(out, &[b"mn\r\n"]),
            Command::Gat { exptime, keys, cas } => {
                put(out, &[if cas { b"gats " } else { b"gat " }]);
                put(out, &[digits.format(exptime.to_wire()).as_bytes()]);
                put_keys(out, keys);
                put(out, &[b"\r\n"]);
            }
            Command::Delete { key, noreply } => {
                put(out, &[b"delete ", key.as_bytes(), line_end(noreply)]);
            }
            Command::Incr { key, delta, noreply } => {
                let delta = digits.format(delta).as_bytes();
                put(out, &[b"incr ", key.as_bytes(), b" ", delta, line_end(noreply)]);
            }
            Command::Decr { key, delta, noreply } => {
                let delta = digits.format(delta).as_bytes();
                put(out, &[b"decr ", key.as_bytes(), b" ", delta, line_end(noreply)]);
            }
            Command::Touch { key, exptime, noreply } => {
                let exptime = digits.format(exptime.to_wire()).as_bytes();
                put(out, &[b"touch ", key.as_bytes(), b" ", exptime, line_end(noreply)]);
            }
            Command::FlushAll { delay, noreply } => {
                put(out, &[b"flush_all"]);
                if let Some(delay) = delay {
                    put(out, &[b" ", digits.format(delay.to_wire()).as_bytes()]);
                }
                put(out, &[line_end(noreply)]);
            }
            Command::Version => put(out, &[b"version\r\n"]),
            Command::Verbosity { level, noreply } => {
                put(out, &[b"verbosity ", digits.format(level).as_bytes(), line_end(noreply)]);
            }
            Command::CacheMemlimit { megabytes, noreply } => {
                let megabytes = digits.format(megabytes).as_bytes();
                put(out, &[b"cache_memlimit ", megabytes, line_end(noreply)]);
            }
            Command::Quit => put(out, &[b"quit\r\n"]),
            Command::Shutdown { graceful: false } => put(out, &[b"shutdown\r\n"]),
            Command::Shutdown { graceful: true } => put(out, &[b"shutdown graceful\r\n"]),
            Command::Stats(argument) => {
                put(out, &[b"stats"]);
                match argument {
                    StatsArgument::General => {}
                    StatsArgument::Items => put(out, &[b" items"]),
                    StatsArgument::Slabs => put(out, &[b" slabs"]),
                    StatsArgument::Sizes => put(out, &[b" sizes"]),
                    StatsArgument::Settings => put(out, &[b" settings"]),
                    StatsArgument::Conns => put(out, &[b" conns"]),
                    StatsArgument::Reset => put(out, &[b" reset"]),
                    StatsArgument::DetailOn => put(out, &[b" detail on"]),
                    StatsArgument::DetailOff => put(out, &[b" detail off"]),
                    StatsArgument::DetailDump => put(out, &[b" detail dump"]),
                    StatsArgument::Cachedump { class, limit } => {
                        put(out, &[b" cachedump ", digits.format(class).as_bytes()]);
                        put(out, &[b" ", digits.format(limit).as_bytes()]);
                    }
                    StatsArgument::Other(word) => put(out, &[b" ", word.as_bytes()]),
                }
                put(out, &[b"\r\n"]);
            }
            Command::ConfigGet(name) => put(out, &[b"config get ", name.as_bytes(), b"\r\n"]),
            Command::Metadump(target) => {
                put(out, &[b"lru_crawler metadump "]);
                match target {
                    MetadumpTarget::All => put(out, &[b"all"]),
                    MetadumpTarget::Hash => put(out, &[b"hash"]),
                    MetadumpTarget::Class(class) => put(out, &[digits.format(class).as_bytes()]),
                }
                put(out, &[b"\r\n"]);
            }
        }
    }
}

const fn line_end(noreply: bool) -> &'static [u8] {
    if noreply { b" noreply\r\n" } else { b"\r\n" }
}

/// The most bytes of a storage command that are neither key nor value: ` noreply` and four numbers
/// among them.
const STORE_LINE_LEN: usize = 100;

#[inline(always)]
fn encode_get(out: &mut Vec<u8>, keys: Keys<'_>, cas: bool) {
    // Not one call with either word: a copy of a length known beforehand is a move.
    match cas {
        false => out.extend_from_slice(b"get"),
        true => out.extend_from_slice(b"gets"),
    }
    put_keys(out, keys);
    out.extend_from_slice(b"\r\n");
}

/// Appends the keys, a space before each.
#[inline(always)]
fn put_keys(out: &mut Vec<u8>, keys: Keys<'_>) {
    match keys.0 {
        Source::Slice(keys) => {
            if keys.len() > 1 {
                out.reserve(keys.iter().map(|key| 1 + key.len()).sum::<usize>() + 2);
            }
            for key in keys {
                out.push(b' ');
                put_word(out, key.as_bytes());
            }
        }
        Source::Line(_) => keys.for_each(|key| put(out, &[b" ", key.as_bytes()])),
    }
}

/// Appends a word. Most are short, and then two moves of a length known beforehand, which may
/// overlap, cost less than the call that copies any length.
#[inline(always)]
pub(super) fn put_word(out: &mut Vec<u8>, word: &[u8]) {
    match (word.len(), word.first_chunk::<8>(), word.last_chunk::<8>()) {
        (8..=16, Some(first), Some(last)) => {
            out.extend_from_slice(first);
            out.truncate(out.len() - (16 - word.len()));
            out.extend_from_slice(last);
        }
        _ => match (word.len(), word.first_chunk::<16>(), word.last_chunk::<16>()) {
            (16..=32, Some(first), Some(last)) => {
                out.extend_from_slice(first);
                out.truncate(out.len() - (32 - word.len()));
                out.extend_from_slice(last);
            }
            _ => out.extend_from_slice(word),
        },
    }
}

/// Appends a space and a number.
#[inline]
fn put_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.push(b' ');
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The keys of a get: a slice of them, or the rest of a line that was parsed. Iterate to see them.
#[derive(Clone, Copy)]
pub struct Keys<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    Slice(&'a [Key<'a>]),
    /// Keys with one or more spaces before each, checked when it was parsed.
    Line(&'a [u8]),
}

impl<'a> Keys<'a> {
    /// These keys.
    #[must_use]
    pub const fn new(keys: &'a [Key<'a>]) -> Self {
        Keys(Source::Slice(keys))
    }

    /// This one key.
    #[must_use]
    pub const fn one(key: &'a Key<'a>) -> Self {
        Keys(Source::Slice(core::slice::from_ref(key)))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(mut self) -> bool {
        self.next().is_none()
    }

    /// The keys of a line that a parser has checked.
    pub(crate) const fn line(line: &'a [u8]) -> Self {
        Keys(Source::Line(line))
    }

    /// What is left of the line they came from.
    #[cfg(feature = "server")]
    pub(crate) const fn rest_of_line(self) -> &'a [u8] {
        match self.0 {
            Source::Line(line) => line,
            Source::Slice(_) => b"",
        }
    }
}

impl<'a> Iterator for Keys<'a> {
    type Item = Key<'a>;

    #[inline]
    fn next(&mut self) -> Option<Key<'a>> {
        match &mut self.0 {
            Source::Slice(keys) => {
                let (first, rest) = keys.split_first()?;
                *keys = rest;
                Some(*first)
            }
            Source::Line(line) => {
                let start = line.iter().position(|&byte| byte != b' ')?;
                let (_, keys) = line.split_at_checked(start)?;
                let end = keys.iter().position(|&byte| byte == b' ').unwrap_or(keys.len());
                let (key, rest) = keys.split_at_checked(end)?;
                *line = rest;
                Some(Key::parsed(key))
            }
        }
    }
}

impl PartialEq for Keys<'_> {
    fn eq(&self, other: &Self) -> bool {
        Iterator::eq(*self, *other)
    }
}

impl Eq for Keys<'_> {}

impl fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}
