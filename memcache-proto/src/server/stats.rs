use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt::Display;

use super::Store;
use super::clock::{Clock, Tick};
use super::table::{LAST_CLASS, slab_lens};
use crate::Key;
use crate::codec::{MetadumpTarget, Refusal, Response, StatsArgument};

/// As many prefixes are counted; the keys of a peer must not fill the memory.
const MAX_PREFIXES: usize = 65_536;
/// Slab classes from this number on do not exist, in memcached's reckoning.
const MAX_CLASSES: u32 = 64;
/// What `stats cachedump` answers at most, in bytes; memcached's own bound.
const MAX_CACHEDUMP_LEN: usize = 2 << 20;

/// The counters of a store, under memcached's names.
#[derive(Debug)]
pub(super) struct Stats {
    started: Option<Tick>,
    pub(super) verbosity: u32,
    pub(super) curr_connections: u64,
    pub(super) total_connections: u64,
    cmd_get: u64,
    pub(super) cmd_set: u64,
    pub(super) cmd_flush: u64,
    pub(super) cmd_touch: u64,
    pub(super) cmd_meta: u64,
    get_hits: u64,
    get_misses: u64,
    pub(super) delete_misses: u64,
    pub(super) delete_hits: u64,
    incr_misses: u64,
    incr_hits: u64,
    decr_misses: u64,
    decr_hits: u64,
    pub(super) cas_misses: u64,
    pub(super) cas_hits: u64,
    pub(super) cas_badval: u64,
    pub(super) touch_hits: u64,
    pub(super) touch_misses: u64,
    pub(super) store_too_large: u64,
    pub(super) store_no_memory: u64,
    pub(super) bytes_read: u64,
    pub(super) bytes_written: u64,
    pub(super) total_items: u64,
    pub(super) reclaimed: u64,
    evictions: u64,
    evicted_unfetched: u64,
    detail: bool,
    prefixes: BTreeMap<Box<[u8]>, PrefixCounts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct PrefixCounts {
    get: u64,
    hit: u64,
    set: u64,
    del: u64,
}

impl Stats {
    pub(super) const fn new() -> Self {
        Stats {
            started: None,
            verbosity: 0,
            curr_connections: 0,
            total_connections: 0,
            cmd_get: 0,
            cmd_set: 0,
            cmd_flush: 0,
            cmd_touch: 0,
            cmd_meta: 0,
            get_hits: 0,
            get_misses: 0,
            delete_misses: 0,
            delete_hits: 0,
            incr_misses: 0,
            incr_hits: 0,
            decr_misses: 0,
            decr_hits: 0,
            cas_misses: 0,
            cas_hits: 0,
            cas_badval: 0,
            touch_hits: 0,
            touch_misses: 0,
            store_too_large: 0,
            store_no_memory: 0,
            bytes_read: 0,
            bytes_written: 0,
            total_items: 0,
            reclaimed: 0,
            evictions: 0,
            evicted_unfetched: 0,
            detail: false,
            prefixes: BTreeMap::new(),
        }
    }

    /// Begins to count the uptime, if it has not begun.
    pub(super) fn start(&mut self, clock: Clock) {
        self.started.get_or_insert(clock.tick);
    }

    pub(super) fn hit(&mut self, touched: bool) {
        if touched {
            self.cmd_touch += 1;
            self.touch_hits += 1;
        } else {
            self.cmd_get += 1;
            self.get_hits += 1;
        }
    }

    pub(super) fn missed(&mut self, touched: bool) {
        if touched {
            self.cmd_touch += 1;
            self.touch_misses += 1;
        } else {
            self.cmd_get += 1;
            self.get_misses += 1;
        }
    }

    pub(super) fn counted(&mut self, up: bool, hit: bool) {
        let counter = match (up, hit) {
            (true, true) => &mut self.incr_hits,
            (true, false) => &mut self.incr_misses,
            (false, true) => &mut self.decr_hits,
            (false, false) => &mut self.decr_misses,
        };
        *counter += 1;
    }

    pub(super) fn evicted(&mut self, fetched: bool) {
        self.evictions += 1;
        self.evicted_unfetched += u64::from(!fetched);
    }

    /// The meta commands are not counted by prefix, here and below.
    pub(super) fn prefix_get(&mut self, key: Key<'_>, hit: bool) {
        self.prefix(key, |counts| {
            counts.get += 1;
            counts.hit += u64::from(hit);
        });
    }

    pub(super) fn prefix_set(&mut self, key: Key<'_>) {
        self.prefix(key, |counts| counts.set += 1);
    }

    pub(super) fn prefix_delete(&mut self, key: Key<'_>) {
        self.prefix(key, |counts| counts.del += 1);
    }

    /// Counts for the part of the key before its first colon, if that is asked for.
    fn prefix(&mut self, key: Key<'_>, count: impl FnOnce(&mut PrefixCounts)) {
        if !self.detail {
            return;
        }
        let key = key.as_bytes();
        let Some((prefix, _)) =
            memchr::memchr(b':', key).and_then(|colon| key.split_at_checked(colon))
        else {
            return;
        };
        if let Some(counts) = self.prefixes.get_mut(prefix) {
            count(counts);
        } else if self.prefixes.len() < MAX_PREFIXES {
            count(self.prefixes.entry(prefix.into()).or_default());
        }
    }

    /// `stats reset`: what memcached's own sets to zero.
    fn reset(&mut self) {
        let Stats { started, verbosity, curr_connections, detail, .. } = *self;
        *self = Stats { started, verbosity, curr_connections, detail, ..Stats::new() };
    }
}

impl Store {
    pub(super) fn put_stats(
        &mut self,
        argument: StatsArgument<'_>,
        clock: Clock,
        out: &mut Vec<u8>,
    ) {
        match argument {
            StatsArgument::General => self.put_general(clock, out),
            StatsArgument::Items => self.put_items(clock, out),
            StatsArgument::Slabs => self.put_slabs(out),
            StatsArgument::Sizes => put(out, "sizes_status", "disabled"),
            StatsArgument::Settings => self.put_settings(out),
            StatsArgument::Conns => {}
            StatsArgument::Reset => {
                self.stats.reset();
                return Response::Reset.encode(out);
            }
            StatsArgument::DetailOn | StatsArgument::DetailOff => {
                self.stats.detail = argument == StatsArgument::DetailOn;
                return Response::Ok.encode(out);
            }
            StatsArgument::DetailDump => {
                for (prefix, &PrefixCounts { get, hit, set, del }) in &self.stats.prefixes {
                    Response::Prefix { prefix, get, hit, set, del }.encode(out);
                }
            }
            StatsArgument::Cachedump { class, .. } if class >= MAX_CLASSES => {
                return Response::ClientError(b"Illegal slab id").encode(out);
            }
            StatsArgument::Cachedump { class, limit } => {
                self.put_cachedump(class, limit, clock, out)
            }
            StatsArgument::Other(word) => match word.as_bytes() {
                b"extstore" => {}
                b"sizes_enable" | b"sizes_disable" => put(out, "sizes_status", "disabled"),
                _ => return Response::Error(b"").encode(out),
            },
        }
        Response::End.encode(out);
    }

    pub(super) fn put_metadump(&self, target: MetadumpTarget, clock: Clock, out: &mut Vec<u8>) {
        let wanted = match target {
            MetadumpTarget::Class(class) if class == 0 || class >= MAX_CLASSES => {
                return Refusal::BadClass.response().encode(out);
            }
            MetadumpTarget::Class(class) => Some(class),
            MetadumpTarget::All | MetadumpTarget::Hash => None,
        };
        let mut key = Vec::new();
        for item in self.table.iter() {
            let cls = item.slab_class();
            if self.is_invalid(item, clock) || wanted.is_some_and(|wanted| wanted != cls) {
                continue;
            }
            percent_encode(&item.key, &mut key);
            Response::Metadump {
                key: &key,
                exp: item.expiry.map_or(-1, |at| clock.unix(at).try_into().unwrap_or(i64::MAX)),
                la: clock.unix(item.used).try_into().unwrap_or(i64::MAX),
                cas: item.cas,
                fetch: item.fetched,
                cls,
                size: to_u64(item.size()),
                flags: None,
            }
            .encode(out);
        }
        Response::End.encode(out);
    }

    fn put_cachedump(&self, class: u32, limit: u32, clock: Clock, out: &mut Vec<u8>) {
        let limit = if limit == 0 { u32::MAX } else { limit };
        let items = self.table.iter().filter(|item| item.slab_class() == class);
        let room = out.len() + MAX_CACHEDUMP_LEN;
        for (item, _) in items.filter(|item| !self.is_invalid(item, clock)).zip(0..limit) {
            if out.len() >= room {
                break;
            }
            Response::Item {
                key: Key::parsed(&item.key),
                bytes: to_u64(item.value.len()),
                exptime: item.expiry.map_or(0, |at| clock.unix(at)),
            }
            .encode(out);
        }
    }

    fn put_general(&self, clock: Clock, out: &mut Vec<u8>) {
        let stats = &self.stats;
        let uptime = stats.started.map_or(0, |started| clock.tick.saturating_sub(started));
        put(out, "pid", self.settings.process_id);
        put(out, "uptime", uptime);
        put(out, "time", clock.unix_now);
        put(out, "version", &self.settings.version);
        put(out, "pointer_size", usize::BITS);
        let counters = [
            ("curr_connections", stats.curr_connections),
            ("total_connections", stats.total_connections),
            ("cmd_get", stats.cmd_get),
            ("cmd_set", stats.cmd_set),
            ("cmd_flush", stats.cmd_flush),
            ("cmd_touch", stats.cmd_touch),
            ("cmd_meta", stats.cmd_meta),
            ("get_hits", stats.get_hits),
            ("get_misses", stats.get_misses),
            ("delete_misses", stats.delete_misses),
            ("delete_hits", stats.delete_hits),
            ("incr_misses", stats.incr_misses),
            ("incr_hits", stats.incr_hits),
            ("decr_misses", stats.decr_misses),
            ("decr_hits", stats.decr_hits),
            ("cas_misses", stats.cas_misses),
            ("cas_hits", stats.cas_hits),
            ("cas_badval", stats.cas_badval),
            ("touch_hits", stats.touch_hits),
            ("touch_misses", stats.touch_misses),
            ("store_too_large", stats.store_too_large),
            ("store_no_memory", stats.store_no_memory),
            ("bytes_read", stats.bytes_read),
            ("bytes_written", stats.bytes_written),
            ("limit_maxbytes", to_u64(self.settings.memory_limit)),
            ("accepting_conns", 1),
            ("bytes", to_u64(self.table.bytes())),
            ("curr_items", to_u64(self.table.len())),
            ("total_items", stats.total_items),
            ("evicted_unfetched", stats.evicted_unfetched),
            ("evictions", stats.evictions),
            ("reclaimed", stats.reclaimed),
        ];
        for (name, value) in counters {
            put(out, name, value);
        }
    }

    fn put_settings(&self, out: &mut Vec<u8>) {
        let on = |on: bool| if on { "yes" } else { "no" };
        put(out, "maxbytes", self.settings.memory_limit);
        put(out, "verbosity", self.stats.verbosity);
        put(out, "evictions", "on");
        put(out, "shutdown_command", on(self.settings.shutdown_enabled));
        put(out, "growth_factor", "1.25");
        put(out, "chunk_size", 48);
        put(out, "stat_key_prefix", ":");
        put(out, "detail_enabled", on(self.stats.detail));
        put(out, "cas_enabled", on(true));
        put(out, "item_size_max", self.settings.max_item_len);
        put(out, "flush_enabled", on(true));
        put(out, "dump_enabled", on(true));
    }

    fn put_items(&self, clock: Clock, out: &mut Vec<u8>) {
        for (class, _, items) in self.classes() {
            let age = clock.tick.saturating_sub(items.oldest_use);
            let counters = [("number", items.number), ("age", age), ("mem_requested", items.bytes)];
            for (name, value) in counters {
                put(out, &alloc::format!("items:{class}:{name}"), value);
            }
        }
    }

    fn put_slabs(&self, out: &mut Vec<u8>) {
        let mut active = 0_u64;
        for (class, chunk_size, items) in self.classes() {
            put(out, &alloc::format!("{class}:chunk_size"), chunk_size);
            put(out, &alloc::format!("{class}:used_chunks"), items.number);
            active += 1;
        }
        put(out, "active_slabs", active);
        put(out, "total_malloced", self.table.bytes());
    }

    /// The slab classes that hold items: their numbers, lengths and contents.
    fn classes(&self) -> impl Iterator<Item = (usize, usize, ClassItems)> {
        let mut classes = [ClassItems::default(); LAST_CLASS];
        for item in self.table.iter() {
            let at = usize::try_from(item.slab_class()).unwrap_or_default().saturating_sub(1);
            if let Some(class) = classes.get_mut(at) {
                class.number += 1;
                class.bytes += to_u64(item.size());
                // Those used last come first.
                class.oldest_use = item.used;
            }
        }
        let numbered = (1..).zip(slab_lens()).zip(classes);
        numbered
            .map(|((class, len), items)| (class, len, items))
            .filter(|(_, _, items)| items.number > 0)
    }
}

/// What a slab class holds.
#[derive(Clone, Copy, Default)]
struct ClassItems {
    number: u64,
    bytes: u64,
    oldest_use: Tick,
}

fn put(out: &mut Vec<u8>, name: &str, value: impl Display) {
    let value = value.to_string();
    Response::Stat { name: name.as_bytes(), value: value.as_bytes() }.encode(out);
}

/// A key as metadump writes it: as in a URI, all but letters, digits and `-_.~` escaped.
fn percent_encode(key: &[u8], out: &mut Vec<u8>) {
    out.clear();
    for &byte in key {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(alloc::format!("%{byte:02X}").as_bytes());
        }
    }
}

pub(super) fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
