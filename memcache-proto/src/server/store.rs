use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::clock::{Clock, Tick};
use super::stats::Stats;
use super::table::{Item, Marks, Table, item_size};
use crate::codec::grammar::c_unsigned;
use crate::codec::parse_command::{StoreHeader, ValueHeader};
use crate::codec::{Command, Refusal, Response, StoreVerb};
use crate::value::Flags;
use crate::{Credentials, Exptime, Key, Time};

/// memcached cuts larger items into chunks and does not count in them.
pub(super) const MAX_COUNTER_ITEM_LEN: usize = 512 << 10;
/// The smallest memory limit that `cache_memlimit` accepts, in MiB.
const MIN_MEMLIMIT: u32 = 8;
/// The largest, in MiB; a larger number was surely meant in bytes.
const MAX_MEMLIMIT: u32 = 1_000_000_000;

/// What a [`Store`] is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What all items together may take, in bytes as memcached counts an item (about 60 more than its
    /// key and value); above it those used longest ago are evicted. 64 MiB, memcached's `-m`.
    pub memory_limit: usize,
    /// What one item may take, in bytes counted likewise; 1 MiB, memcached's `-I`. So a value of
    /// exactly 1 MiB is refused.
    pub max_item_len: usize,
    /// Whether `shutdown` is allowed, memcached's `-A`; not by default.
    pub shutdown_enabled: bool,
    /// Who may log in, and has to, on each connection; nobody has to. memcached's `-Y` has a file of such.
    pub credentials: Option<Credentials>,
    /// What `version` answers; the version whose replies these are, "1.6.18".
    pub version: String,
    /// What `stats` says is the process id; 0.
    pub process_id: u32,
    /// What `config get cluster` is answered, as by the configuration endpoint of a cloud's cluster. Default:
    /// `None`; the answer is `ERROR` then, which is memcached's.
    pub configuration: Option<Configuration>,
}

/// What a configuration endpoint tells of its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The number of this configuration, which rises with each change.
    pub version: u64,
    /// The servers, as `host|address|port` with spaces between them. The address may be empty.
    pub servers: String,
}

impl Configuration {
    /// The text that a client is sent.
    #[must_use]
    pub fn text(&self) -> String {
        alloc::format!("{}\n{}\n", self.version, self.servers)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            memory_limit: 64 << 20,
            max_item_len: 1 << 20,
            shutdown_enabled: false,
            credentials: None,
            version: "1.6.18".into(),
            process_id: 0,
            configuration: None,
        }
    }
}

/// Items in memory, and the answers to commands about them.
///
/// Nothing in it reads a clock: each command comes with the time at which it is answered, as the time
/// since an origin and in unix seconds, because an exptime can be either.
///
/// ```
/// use memcache_proto::codec::Command;
/// use memcache_proto::server::{Next, Settings, Store};
/// use memcache_proto::{Key, Time};
///
/// let mut store = Store::new(Settings::default());
/// let delete = Command::Delete { key: Key::new("foo")?, noreply: false };
/// let mut out = Vec::new();
/// assert_eq!(store.answer(&delete, Time::ZERO, 1_700_000_000, &mut out), Next::Continue);
/// assert_eq!(out, b"NOT_FOUND\r\n");
/// # Ok::<(), memcache_proto::KeyError>(())
/// ```
pub struct Store {
    pub(super) settings: Settings,
    pub(super) table: Table,
    pub(super) stats: Stats,
    pub(super) last_cas: u64,
    /// Items of this second and before are invalid, once it has come.
    flushed_until: Option<Tick>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("settings", &self.settings)
            .field("len", &self.len())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

/// What the connection that a command came on does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes on.
    Continue,
    /// It closes, once what was answered has been sent.
    Close,
    /// It closes, and so does the whole server.
    Shutdown,
}

/// How an item is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// The new exptime, of a gat.
    pub(super) touch: Option<Exptime>,
    /// Whether the cas unique is wanted.
    pub(super) cas: bool,
}

impl Store {
    /// An empty store.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Store {
            settings,
            table: Table::new(),
            stats: Stats::new(),
            last_cas: 0,
            flushed_until: None,
        }
    }

    /// Answers one command: appends what is to be sent to `out`.
    ///
    /// `now` must not go backwards, and `unix_now` is in seconds. A get of many large values is
    /// answered whole; [`Connection`](super::Connection) bounds that.
    pub fn answer(
        &mut self,
        command: &Command<'_>,
        now: Time,
        unix_now: u64,
        out: &mut Vec<u8>,
    ) -> Next {
        self.answer_at(command, Clock::new(now, unix_now), out)
    }

    pub(super) fn answer_at(
        &mut self,
        command: &Command<'_>,
        clock: Clock,
        out: &mut Vec<u8>,
    ) -> Next {
        self.stats.start(clock);
        let (response, noreply) = match *command {
            Command::MetaGet(_)
            | Command::MetaSet(_)
            | Command::MetaDelete(_)
            | Command::MetaArithmetic(_) => {
                self.answer_meta(command, clock, out);
                return Next::Continue;
            }
            Command::MetaDebug(key) => {
                self.put_meta_debug(key, clock, out);
                return Next::Continue;
            }
            Command::MetaNoop => (Response::Mn, false),
            Command::Get { keys, cas } => {
                let reading = Reading { touch: None, cas };
                keys.for_each(|key| self.get(key, reading, clock, out));
                (Response::End, false)
            }
            Command::Gat { exptime, keys, cas } => {
                let reading = Reading { touch: Some(exptime), cas };
                keys.for_each(|key| self.get(key, reading, clock, out));
                (Response::End, false)
            }
            Command::Store { verb, key, flags, exptime, value, noreply } => {
                let value_len = value.len();
                let header = StoreHeader { verb, key, flags, exptime, value_len, noreply };
                (self.store(&header, value, clock), noreply)
            }
            Command::Delete { key, noreply } => (self.delete(key, clock), noreply),
            Command::Incr { key, delta, noreply } => (self.count(key, true, delta, clock), noreply),
            Command::Decr { key, delta, noreply } => {
                (self.count(key, false, delta, clock), noreply)
            }
            Command::Touch { key, exptime, noreply } => (self.touch(key, exptime, clock), noreply),
            Command::FlushAll { delay, noreply } => (self.flush_all(delay, clock), noreply),
            Command::Version => {
                Response::Version(self.settings.version.as_bytes()).encode(out);
                return Next::Continue;
            }
            Command::Verbosity { level, noreply } => {
                self.stats.verbosity = level.min(100);
                (Response::Ok, noreply)
            }
            Command::CacheMemlimit { megabytes, noreply } => {
                (self.set_memory_limit(megabytes), noreply)
            }
            Command::Quit => return Next::Close,
            Command::Shutdown { .. } if self.settings.shutdown_enabled => return Next::Shutdown,
            Command::Shutdown { .. } => (Response::Error(b": shutdown not enabled"), false),
            Command::Stats(argument) => {
                self.put_stats(argument, clock, out);
                return Next::Continue;
            }
            Command::ConfigGet(name) => {
                self.put_configuration(name, out);
                return Next::Continue;
            }
            Command::Metadump(target) => {
                self.put_metadump(target, clock, out);
                return Next::Continue;
            }
        };
        if !noreply {
            response.encode(out);
        }
        Next::Continue
    }

    /// Has `config get cluster` answered by this from now on.
    pub fn set_configuration(&mut self, configuration: Option<Configuration>) {
        self.settings.configuration = configuration;
    }

    fn put_configuration(&self, name: Key<'_>, out: &mut Vec<u8>) {
        match &self.settings.configuration {
            Some(configuration) if name.as_bytes() == b"cluster" => {
                let (flags, text) = (Flags::new(0), configuration.text());
                Response::Config { name, flags, text: text.as_bytes() }.encode(out);
                Response::End.encode(out);
            }
            _ => Refusal::Unknown.response().encode(out),
        }
    }

    /// Says that a connection was opened; for `stats`.
    pub const fn connected(&mut self) {
        self.stats.curr_connections += 1;
        self.stats.total_connections += 1;
    }

    /// Says that a connection was closed; for `stats`.
    pub const fn disconnected(&mut self) {
        self.stats.curr_connections = self.stats.curr_connections.saturating_sub(1);
    }

    /// The size of all items together, in bytes as memcached counts them.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// The number of items. Expired ones count until they are asked for or evicted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// Answers one key of a get or gat.
    pub(super) fn get(
        &mut self,
        key: Key<'_>,
        Reading { touch, cas }: Reading,
        clock: Clock,
        out: &mut Vec<u8>,
    ) {
        self.make_valid(key, clock);
        let Some(item) = self.table.get_mut(key) else {
            self.stats.prefix_get(key, false);
            return self.stats.missed(touch.is_some());
        };
        if let Some(exptime) = touch {
            item.expiry = clock.expiry(exptime);
        }
        item.read(clock.tick);
        let flags = Flags::new(item.flags);
        let cas = cas.then_some(item.cas);
        Response::Value { key, flags, cas, value: &item.value }.encode(out);
        self.stats.prefix_get(key, true);
        self.stats.hit(touch.is_some());
        self.table.bump(key);
    }

    /// The refusal of a command with a value, before that is there.
    pub(super) fn refuse(&mut self, header: &ValueHeader<'_>) -> Option<Response<'static>> {
        match header {
            ValueHeader::Store(header) => self.refuse_store(header),
            ValueHeader::Meta(line) => match line.refusal_of_newer() {
                Some(refusal) => Some(refusal.response()),
                None => self.refuse_meta(line),
            },
        }
    }

    /// The refusal of a storage command whose item would be too large. A `set` loses the value it would
    /// have replaced, lest that be taken for the new one.
    fn refuse_store(&mut self, header: &StoreHeader<'_>) -> Option<Response<'static>> {
        let replaces = header.verb == StoreVerb::Set;
        self.refuse_item(header.key, header.flags, header.value_len, replaces)
    }

    /// The refusal of an item that would be too large; one that `replaces` another then takes that away.
    pub(super) fn refuse_item(
        &mut self,
        key: Key<'_>,
        flags: Flags,
        value_len: usize,
        replaces: bool,
    ) -> Option<Response<'static>> {
        let size = item_size(key.len(), flag_bits(flags), value_len);
        let refusal = if size > self.settings.max_item_len {
            self.stats.store_too_large += 1;
            Response::ServerError(b"object too large for cache")
        } else if size > self.settings.memory_limit {
            self.stats.store_no_memory += 1;
            Response::ServerError(b"out of memory storing object")
        } else {
            return None;
        };
        if replaces {
            self.table.remove(key);
        }
        Some(refusal)
    }

    fn store(&mut self, header: &StoreHeader<'_>, value: &[u8], clock: Clock) -> Response<'static> {
        let &StoreHeader { verb, key, flags, exptime, .. } = header;
        self.stats.prefix_set(key);
        if let Some(refusal) = self.refuse_store(header) {
            return refusal;
        }
        self.stats.cmd_set += 1;
        self.make_valid(key, clock);
        let Some(old) = self.table.get(key) else {
            return match verb {
                StoreVerb::Set | StoreVerb::Add => {
                    self.insert(key, flag_bits(flags), clock.expiry(exptime), value.into(), clock);
                    Response::Stored
                }
                StoreVerb::Cas(_) => {
                    self.stats.cas_misses += 1;
                    Response::NotFound
                }
                StoreVerb::Replace | StoreVerb::Append | StoreVerb::Prepend => Response::NotStored,
            };
        };
        let (flags, expiry, value): (u32, _, Box<[u8]>) = match verb {
            StoreVerb::Set | StoreVerb::Replace => {
                (flag_bits(flags), clock.expiry(exptime), value.into())
            }
            StoreVerb::Add => {
                self.table.bump(key);
                return Response::NotStored;
            }
            StoreVerb::Cas(unique) if unique != old.cas => {
                self.stats.cas_badval += 1;
                return Response::Exists;
            }
            StoreVerb::Cas(_) => {
                self.stats.cas_hits += 1;
                (flag_bits(flags), clock.expiry(exptime), value.into())
            }
            StoreVerb::Append => (old.flags, old.expiry, [&old.value, value].concat().into()),
            StoreVerb::Prepend => (old.flags, old.expiry, [value, &old.value].concat().into()),
        };
        let size = item_size(key.len(), flags, value.len());
        if size > self.settings.max_item_len.min(self.settings.memory_limit) {
            return Response::NotStored;
        }
        self.insert(key, flags, expiry, value, clock);
        Response::Stored
    }

    fn delete(&mut self, key: Key<'_>, clock: Clock) -> Response<'static> {
        self.stats.prefix_delete(key);
        self.make_valid(key, clock);
        if self.table.remove(key).is_some() {
            self.stats.delete_hits += 1;
            return Response::Deleted;
        }
        self.stats.delete_misses += 1;
        Response::NotFound
    }

    pub(super) fn count(
        &mut self,
        key: Key<'_>,
        up: bool,
        delta: u64,
        clock: Clock,
    ) -> Response<'static> {
        self.make_valid(key, clock);
        let Some(item) = self.table.get_mut(key) else {
            self.stats.counted(up, false);
            return Response::NotFound;
        };
        let old = if item.size() > MAX_COUNTER_ITEM_LEN { None } else { c_unsigned(&item.value) };
        let Some(old) = old else {
            return Response::ClientError(b"cannot increment or decrement non-numeric value");
        };
        let number = if up { old.wrapping_add(delta) } else { old.saturating_sub(delta) };
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        // A shorter number is written over the old one, with spaces behind it.
        match item.value.split_at_mut_checked(digits.len()) {
            Some((head, tail)) => {
                head.copy_from_slice(digits);
                tail.fill(b' ');
                self.last_cas += 1;
                item.cas = self.last_cas;
                self.table.bump(key);
            }
            None => {
                let (flags, expiry) = (item.flags, item.expiry);
                self.insert(key, flags, expiry, digits.into(), clock);
            }
        }
        self.stats.counted(up, true);
        Response::Number(number)
    }

    fn touch(&mut self, key: Key<'_>, exptime: Exptime, clock: Clock) -> Response<'static> {
        self.make_valid(key, clock);
        self.stats.cmd_touch += 1;
        let Some(item) = self.table.get_mut(key) else {
            self.stats.touch_misses += 1;
            return Response::NotFound;
        };
        item.expiry = clock.expiry(exptime);
        item.read(clock.tick);
        self.table.bump(key);
        self.stats.touch_hits += 1;
        Response::Touched
    }

    fn flush_all(&mut self, delay: Option<Exptime>, clock: Clock) -> Response<'static> {
        self.stats.cmd_flush += 1;
        // What an earlier flush has made invalid must not come back with this one's delay.
        if self.flushed_until.is_some_and(|until| until <= clock.tick) {
            let flushed = self.table.iter().filter(|item| self.is_flushed(item, clock));
            let keys: Vec<_> = flushed.map(|item| item.key.clone()).collect();
            for key in keys {
                self.table.remove(Key::parsed(&key));
            }
        }
        self.flushed_until = clock.flush(delay);
        if self.flushed_until.is_some_and(|until| until <= clock.tick) {
            self.table = Table::new();
            // memcached notes one as that of the flush.
            self.last_cas += 1;
        }
        Response::Ok
    }

    fn set_memory_limit(&mut self, megabytes: u32) -> Response<'static> {
        if megabytes < MIN_MEMLIMIT {
            return Response::MemlimitTooSmall(b"cannot set maxbytes to less than 8m");
        }
        if megabytes > MAX_MEMLIMIT {
            return Response::MemlimitAdjustFailed(b"input value is megabytes not bytes");
        }
        match usize::try_from(megabytes).ok().and_then(|megabytes| megabytes.checked_mul(1 << 20)) {
            Some(limit) => {
                self.settings.memory_limit = limit;
                self.evict();
                Response::Ok
            }
            None => Response::MemlimitAdjustFailed(b"out of bounds or unable to adjust"),
        }
    }

    /// Whether the item has expired or was flushed.
    pub(super) fn is_invalid(&self, item: &Item, clock: Clock) -> bool {
        item.expiry.is_some_and(|expiry| expiry <= clock.tick) || self.is_flushed(item, clock)
    }

    fn is_flushed(&self, item: &Item, clock: Clock) -> bool {
        self.flushed_until.is_some_and(|until| until <= clock.tick && item.stored <= until)
    }

    /// Throws the item away if it has expired or was flushed.
    pub(super) fn make_valid(&mut self, key: Key<'_>, clock: Clock) {
        if self.table.get(key).is_some_and(|item| self.is_invalid(item, clock)) {
            self.table.remove(key);
            self.stats.reclaimed += 1;
        }
    }

    pub(super) fn insert(
        &mut self,
        key: Key<'_>,
        flags: u32,
        expiry: Option<Tick>,
        value: Box<[u8]>,
        clock: Clock,
    ) {
        self.last_cas += 1;
        self.stats.total_items += 1;
        self.table.insert(Item {
            key: key.as_bytes().into(),
            value,
            flags,
            expiry,
            cas: self.last_cas,
            stored: clock.tick,
            used: clock.tick,
            fetched: false,
            marks: Marks::default(),
        });
        self.evict();
    }

    fn evict(&mut self) {
        while self.table.bytes() > self.settings.memory_limit {
            match self.table.evict() {
                Some(item) => self.stats.evicted(item.fetched),
                None => return,
            }
        }
    }
}

/// Flags as memcached keeps them: 32 bits of what was sent.
pub(super) fn flag_bits(flags: Flags) -> u32 {
    let [a, b, c, d, ..] = flags.bits().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
