//! The answers to the meta commands, those of memcached 1.6.18.

use alloc::vec::Vec;

use super::clock::{Clock, Tick};
use super::stats::to_u64;
use super::store::{MAX_COUNTER_ITEM_LEN, Store, flag_bits};
use super::table::{Marks, item_size};
use crate::codec::meta::parse::{MetaLine, MetaName, is_long_opaque};
use crate::codec::parse_command::{CommandLine, LineError, Refusal, ValueHeader, command_line};
use crate::codec::{Command, MetaKey, MetaSet, Response};
use crate::value::Flags;
use crate::{Key, MAX_KEY_LEN};

impl Store {
    /// Answers a meta command that did not come as a line: as its own would be.
    pub(super) fn answer_meta(&mut self, command: &Command<'_>, clock: Clock, out: &mut Vec<u8>) {
        let mut text = Vec::new();
        // The value is not to be copied once more, so it is left out of the line.
        let (set, value) = match *command {
            Command::MetaSet(set) => (Some(MetaSet { value: b"", ..set }), set.value),
            _ => (None, &b""[..]),
        };
        set.map_or(*command, Command::MetaSet).encode(&mut text);
        let line = memchr::memchr(b'\n', &text).and_then(|end| text.get(..end)).unwrap_or_default();
        let refusal = match command_line(line) {
            Ok(CommandLine::Meta(line) | CommandLine::Value(ValueHeader::Meta(line))) => {
                match line.refusal_of_newer() {
                    Some(refusal) => refusal,
                    None => return self.meta(&line.with_value_len(value.len()), value, clock, out),
                }
            }
            Err(LineError::Refused { refusal, .. }) => refusal,
            Ok(_) | Err(LineError::Http) => Refusal::Unknown,
        };
        refusal.response().encode(out);
    }

    /// Answers a meta command. `value` is that of `ms`.
    pub(super) fn meta(
        &mut self,
        line: &MetaLine<'_>,
        value: &[u8],
        clock: Clock,
        out: &mut Vec<u8>,
    ) {
        self.stats.start(clock);
        let mut space = [0; MAX_KEY_LEN];
        let key = Key::parsed(line.key.decode(&mut space).unwrap_or_default());
        match line.name {
            MetaName::Get => self.meta_get(line, key, clock, out),
            MetaName::Set => self.meta_set(line, key, value, clock, out),
            MetaName::Delete => self.meta_delete(line, key, clock, out),
            MetaName::Arithmetic => self.meta_count(line, key, clock, out),
        }
    }

    fn meta_get(&mut self, line: &MetaLine<'_>, key: Key<'_>, clock: Clock, out: &mut Vec<u8>) {
        self.make_valid(key, clock);
        let touches = line.ttl.is_some();
        let mut created = false;
        if self.table.get(key).is_none() {
            if line.vivify.is_none() {
                self.stats.missed(false);
                return put_plain(b"EN", line, key, line.quiet, out);
            }
            // It is only when the flag comes up that the item has its exptime.
            self.insert(key, 0, None, [].into(), clock);
            created = true;
        }
        let Some(item) = self.table.get_mut(key) else {
            return Response::ServerError(b"out of memory").encode(out);
        };
        let start = out.len();
        match line.value {
            true => {
                out.extend_from_slice(b"VA ");
                put_number(out, item.value.len());
            }
            false => out.extend_from_slice(b"HD"),
        }
        let mut won = created;
        for word in line.words() {
            match word.first() {
                Some(b'T') => item.expiry = line.ttl.and_then(|ttl| clock.expiry(ttl)),
                Some(b'N') if created => {
                    item.expiry = line.vivify.and_then(|exptime| clock.expiry(exptime));
                }
                Some(b'R') => {
                    let before = line.recache.and_then(|recache| clock.expiry(recache));
                    let soon = item.expiry.zip(before).is_some_and(|(at, before)| at < before);
                    won |= soon && !item.marks.won && !created;
                }
                Some(b's') => put_flag(out, b's', item.value.len()),
                Some(b't') => put_ttl(out, item.expiry, clock),
                Some(b'c') => put_flag(out, b'c', item.cas),
                Some(b'f') => put_flag(out, b'f', u64::from(item.flags)),
                Some(b'h') => put_flag(out, b'h', u64::from(item.fetched)),
                Some(b'l') => put_flag(out, b'l', clock.tick.saturating_sub(item.used)),
                Some(b'O') if is_long_opaque(word) => {
                    // What the flags before it did to the item stays.
                    out.truncate(start);
                    Refusal::OpaqueTooLong.response().encode(out);
                    if is_read_at_once(line) {
                        item.read(clock.tick);
                        self.table.bump(key);
                    }
                    return;
                }
                Some(b'O') => put_word(out, word),
                Some(b'k') => put_key(out, &item.key, item.marks.base64),
                _ => {}
            }
        }
        self.stats.hit(touches && !created);
        if item.marks.won {
            out.extend_from_slice(b" Z");
        }
        if item.marks.stale {
            out.extend_from_slice(b" X");
            won |= !item.marks.won;
        }
        if won {
            out.extend_from_slice(b" W");
            item.marks.won = true;
        }
        out.extend_from_slice(b"\r\n");
        if line.value {
            out.extend_from_slice(&item.value);
            out.extend_from_slice(b"\r\n");
        }
        if !line.unaccessed {
            item.read(clock.tick);
            self.table.bump(key);
        }
    }

    fn meta_set(
        &mut self,
        line: &MetaLine<'_>,
        key: Key<'_>,
        value: &[u8],
        clock: Clock,
        out: &mut Vec<u8>,
    ) {
        if let Some(refusal) = self.refuse_meta(line) {
            return refusal.encode(out);
        }
        self.stats.cmd_set += 1;
        self.make_valid(key, clock);
        let cas = line.compare.filter(|_| matches!(line.mode, b'S' | b'R'));
        let flags = flag_bits(Flags::from_wire(line.client_flags));
        let expiry = line.ttl.and_then(|ttl| clock.expiry(ttl));
        let stored = match (line.mode, self.table.get(key)) {
            (_, None) if cas.is_some() => {
                self.stats.cas_misses += 1;
                Err(b"NF")
            }
            (b'S' | b'E', None) => Ok((flags, expiry, value.into(), Marks::default())),
            (_, None) => Err(b"NS"),
            (b'E', Some(_)) => {
                self.table.bump(key);
                Err(b"NS")
            }
            (b'A' | b'P', Some(old)) => {
                // A cas unique of 0 is none at all.
                let unchanged = line.compare.is_none_or(|unique| unique == old.cas || unique == 0);
                let joined = match line.mode {
                    b'A' => [&*old.value, value].concat(),
                    _ => [value, &*old.value].concat(),
                };
                let size = item_size(key.len(), old.flags, joined.len());
                let fits = size <= self.settings.max_item_len.min(self.settings.memory_limit);
                match (unchanged, fits) {
                    (false, _) => Err(b"EX"),
                    (true, false) => Err(b"NS"),
                    (true, true) => Ok((old.flags, old.expiry, joined.into(), Marks::default())),
                }
            }
            (_, Some(old)) => match cas {
                None => Ok((flags, expiry, value.into(), Marks::default())),
                Some(unique) if unique == old.cas => {
                    self.stats.cas_hits += 1;
                    Ok((flags, expiry, value.into(), Marks::default()))
                }
                Some(unique) if line.invalidate && unique != 0 && unique < old.cas => {
                    self.stats.cas_hits += 1;
                    let marks = Marks { stale: true, won: old.marks.won, base64: false };
                    Ok((flags, old.expiry, value.into(), marks))
                }
                Some(_) => {
                    self.stats.cas_badval += 1;
                    Err(b"EX")
                }
            },
        };
        let (word, unique) = match stored {
            Ok((flags, expiry, value, mut marks)) => {
                marks.base64 = line.base64 && !matches!(line.mode, b'A' | b'P');
                self.insert(key, flags, expiry, value, clock);
                if let Some(item) = self.table.get_mut(key) {
                    item.marks = marks;
                }
                if line.quiet {
                    return;
                }
                (b"HD", self.last_cas)
            }
            Err(word) => (word, 0),
        };
        out.extend_from_slice(word);
        for word in line.words() {
            match word.first() {
                Some(b'O') => put_word(out, word),
                Some(b'k') => put_key(out, key.as_bytes(), line.base64),
                Some(b'c') => put_flag(out, b'c', unique),
                _ => {}
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The refusal of an `ms` whose item would be too large, before its value is there.
    pub(super) fn refuse_meta(&mut self, line: &MetaLine<'_>) -> Option<Response<'static>> {
        let mut space = [0; MAX_KEY_LEN];
        let key = Key::parsed(line.key.decode(&mut space).unwrap_or_default());
        let flags = Flags::from_wire(line.client_flags);
        self.refuse_item(key, flags, line.value_len, true)
    }

    fn meta_delete(&mut self, line: &MetaLine<'_>, key: Key<'_>, clock: Clock, out: &mut Vec<u8>) {
        self.make_valid(key, clock);
        let word = match self.table.get_mut(key) {
            None => {
                self.stats.delete_misses += 1;
                b"NF"
            }
            Some(item) if line.compare.is_some_and(|unique| unique != item.cas) => {
                self.stats.delete_misses += 1;
                b"EX"
            }
            Some(item) if line.invalidate => {
                if let Some(ttl) = line.ttl {
                    item.expiry = clock.expiry(ttl);
                }
                (item.marks.stale, item.marks.won) = (true, false);
                self.last_cas += 1;
                item.cas = self.last_cas;
                b"HD"
            }
            Some(_) => {
                self.table.remove(key);
                self.stats.delete_hits += 1;
                b"HD"
            }
        };
        put_plain(word, line, key, line.quiet && word == b"HD", out);
    }

    fn meta_count(&mut self, line: &MetaLine<'_>, key: Key<'_>, clock: Clock, out: &mut Vec<u8>) {
        self.make_valid(key, clock);
        let changed = self.table.get(key).is_some_and(|item| {
            let changed = line.compare.is_some_and(|unique| unique != 0 && unique != item.cas);
            // What cannot be a number is told before that.
            changed && !item.value.is_empty() && item.size() <= MAX_COUNTER_ITEM_LEN
        });
        if changed {
            return put_plain(b"EX", line, key, false, out);
        }
        let up = !matches!(line.mode, b'D' | b'-');
        let old_len = self.table.get(key).map(|item| item.value.len());
        let is_there = old_len.is_some();
        let number = match (is_there, line.vivify) {
            (false, Some(_)) => {
                let mut digits = itoa::Buffer::new();
                let digits = digits.format(line.initial).as_bytes();
                self.insert(key, 0, None, digits.into(), clock);
                line.initial
            }
            _ => match self.count(key, up, line.delta, clock) {
                Response::Number(number) => number,
                Response::NotFound => {
                    return put_plain(b"NF", line, key, false, out);
                }
                refusal => return refusal.encode(out),
            },
        };
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        let Some(item) = self.table.get_mut(key) else {
            return Response::ServerError(b"Out of memory allocating new item").encode(out);
        };
        // A number that became longer is in a new item, but T works on the old one, and is lost with it.
        let mut lost = item.expiry;
        let expiry = match old_len.is_some_and(|len| len < digits.len()) {
            true => &mut lost,
            false => &mut item.expiry,
        };
        let mut flags = Vec::new();
        for word in line.words() {
            match word.first() {
                Some(b'T') => *expiry = line.ttl.and_then(|ttl| clock.expiry(ttl)),
                Some(b'N') if !is_there => {
                    *expiry = line.vivify.and_then(|exptime| clock.expiry(exptime));
                }
                Some(b't') => put_ttl(&mut flags, *expiry, clock),
                Some(b'c') => put_flag(&mut flags, b'c', item.cas),
                Some(b'O') if is_long_opaque(word) => {
                    return Refusal::OpaqueTooLong.response().encode(out);
                }
                Some(b'O') => put_word(&mut flags, word),
                Some(b'k') => put_key(&mut flags, key.as_bytes(), line.base64),
                _ => {}
            }
        }
        // One that was made says so though it was to be quiet.
        if line.quiet && is_there {
            return;
        }
        match line.value {
            true => {
                out.extend_from_slice(b"VA ");
                put_number(out, digits.len());
                out.extend_from_slice(&flags);
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(digits);
            }
            false => {
                out.extend_from_slice(b"HD");
                out.extend_from_slice(&flags);
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    pub(super) fn put_meta_debug(&mut self, key: MetaKey<'_>, clock: Clock, out: &mut Vec<u8>) {
        self.stats.cmd_meta += 1;
        let mut space = [0; MAX_KEY_LEN];
        let key = Key::parsed(key.decode(&mut space).unwrap_or_default());
        self.make_valid(key, clock);
        let Some(item) = self.table.get(key) else {
            return out.extend_from_slice(b"EN\r\n");
        };
        out.extend_from_slice(b"ME ");
        put_item_key(out, &item.key, item.marks.base64);
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(b" exp=-");
        let left = item.expiry.map_or(1, |at| at.saturating_sub(clock.tick));
        out.extend_from_slice(digits.format(left).as_bytes());
        let numbers = [
            (" la=", clock.tick.saturating_sub(item.used)),
            (" cas=", item.cas),
            (if item.fetched { " fetch=yes cls=" } else { " fetch=no cls=" }, {
                u64::from(item.slab_class())
            }),
            (" size=", to_u64(item.size())),
        ];
        for (name, number) in numbers {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(digits.format(number).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Whether memcached marks the item as read before it comes to the flags: it does where none of them
/// needs the item locked.
fn is_read_at_once(line: &MetaLine<'_>) -> bool {
    let locks = |word: &[u8]| matches!(word.first(), Some(b'N' | b'R' | b'T' | b'h' | b'l'));
    !line.unaccessed && !line.words().any(locks)
}

/// A reply with nothing of an item: the opaque and the key are given back.
fn put_plain(word: &[u8; 2], line: &MetaLine<'_>, key: Key<'_>, hidden: bool, out: &mut Vec<u8>) {
    if let Err(refusal) = line.check_opaque() {
        return refusal.response().encode(out);
    }
    if hidden {
        return;
    }
    out.extend_from_slice(word);
    for word in line.words() {
        match word.first() {
            Some(b'O') => put_word(out, word),
            Some(b'k') => put_key(out, key.as_bytes(), line.base64),
            _ => {}
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn put_word(out: &mut Vec<u8>, word: &[u8]) {
    out.push(b' ');
    out.extend_from_slice(word);
}

/// The key: as the item has it, or where that is not looked at as it was asked for.
fn put_key(out: &mut Vec<u8>, key: &[u8], base64: bool) {
    out.extend_from_slice(b" k");
    put_item_key(out, key, base64);
    if base64 {
        out.extend_from_slice(b" b");
    }
}

fn put_item_key(out: &mut Vec<u8>, key: &[u8], base64: bool) {
    match base64 {
        true => MetaKey::put_base64(key, out),
        false => out.extend_from_slice(key),
    }
}

fn put_flag(out: &mut Vec<u8>, letter: u8, number: impl itoa::Integer) {
    out.extend_from_slice(&[b' ', letter]);
    put_number(out, number);
}

fn put_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn put_ttl(out: &mut Vec<u8>, expiry: Option<Tick>, clock: Clock) {
    match expiry {
        None => out.extend_from_slice(b" t-1"),
        // What has expired already counts round.
        Some(at) => put_flag(out, b't', at.wrapping_sub(clock.tick) & u64::from(u32::MAX)),
    }
}
