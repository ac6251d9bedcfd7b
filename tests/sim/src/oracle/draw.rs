//! Commands and responses, drawn from a source.

use memcache_proto::codec::{
    Command, Keys, MetaArithmetic, MetaDelete, MetaFlags, MetaGet, MetaKey, MetaSet,
    MetadumpTarget, Response, StatsArgument, StoreVerb, Token,
};
use memcache_proto::value::Flags;
use memcache_proto::{Exptime, Key, Limits};

use crate::{Choose, Source};

/// What commands a draw may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinds {
    /// All there are.
    All,
    /// Those that do not end the connection, nor take it alone.
    Shared,
}

/// A few names, so that commands meet.
const NAMES: &[&str] = &["a", "b", "foo", "c", "counter"];

/// Numbers at which something changes, among others.
const NUMBERS: &[u64] =
    &[0, 1, 2, 7, 9, 10, 99, 255, 1 << 31, u32::MAX as u64, (1 << 32) + 5, 1 << 63, u64::MAX];

/// Exptimes, and those that are one on the wire.
const EXPTIMES: &[i32] = &[0, 60, -1, 1, 2_592_000, 2_592_001, 1_700_000_060, i32::MAX, i32::MIN];

/// A key that a classic command can name.
pub(super) fn key(source: &mut dyn Source) -> Vec<u8> {
    match source.below(8) {
        0..=4 => source.pick(NAMES).as_bytes().to_vec(),
        5 => vec![b'k'; 248 + source.below(3)],
        _ => {
            let mut bytes = source.bytes(20);
            bytes.iter_mut().for_each(|byte| *byte = (*byte).max(b'!'));
            bytes.iter_mut().filter(|byte| **byte == 0x7f).for_each(|byte| *byte = b'~');
            if bytes.is_empty() { b"a".to_vec() } else { bytes }
        }
    }
}

/// A key of a meta command: any bytes.
fn meta_key(source: &mut dyn Source) -> Vec<u8> {
    match source.below(3) {
        0 | 1 => key(source),
        _ => match source.bytes(186) {
            bytes if bytes.is_empty() => b"a b".to_vec(),
            bytes => bytes,
        },
    }
}

pub(super) fn value(source: &mut dyn Source) -> Vec<u8> {
    match source.below(5) {
        0 => b"value".to_vec(),
        1 => source.pick(NUMBERS).to_string().into_bytes(),
        2 => source.bytes(40),
        3 => vec![b'v'; source.below(3000)],
        _ => b"\r\nEND\r\nget a\r\n".to_vec(),
    }
}

fn number(source: &mut dyn Source) -> u64 {
    *source.pick(NUMBERS)
}

fn exptime(source: &mut dyn Source) -> Exptime {
    Exptime::from_wire(*source.pick(EXPTIMES))
}

fn flags(source: &mut dyn Source) -> Flags {
    Flags::from_wire(number(source))
}

fn yes(source: &mut dyn Source) -> bool {
    source.one_in(2)
}

fn token(source: &mut dyn Source) -> Token {
    match source.below(3) {
        0 => Token::number(number(source)),
        1 => Token::new("1234567890123456789012345678901").expect("31 bytes"),
        _ => Token::new("\u{e9}~").expect("no space"),
    }
}

/// Draws a command, and has `then` make something of it.
pub(super) fn command<R>(
    source: &mut dyn Source,
    kinds: Kinds,
    then: impl FnOnce(&Command<'_>) -> R,
) -> R {
    let noreply = source.one_in(4);
    match source.below(if kinds == Kinds::All { 24 } else { 20 }) {
        0 | 1 => keys(source, |keys, source| then(&Command::Get { keys, cas: yes(source) })),
        2 => keys(source, |keys, source| {
            then(&Command::Gat { exptime: exptime(source), keys, cas: yes(source) })
        }),
        3..=5 => {
            let (name, value) = (key(source), value(source));
            let unique = number(source);
            let verb = *source.pick(&[
                StoreVerb::Set,
                StoreVerb::Add,
                StoreVerb::Replace,
                StoreVerb::Append,
                StoreVerb::Prepend,
                StoreVerb::Cas(unique),
            ]);
            let (flags, exptime, key) = (flags(source), exptime(source), checked(&name));
            then(&Command::Store { verb, key, flags, exptime, value: &value, noreply })
        }
        6 => then(&Command::Delete { key: checked(&key(source)), noreply }),
        7 => then(&Command::Incr { key: checked(&key(source)), delta: number(source), noreply }),
        8 => then(&Command::Decr { key: checked(&key(source)), delta: number(source), noreply }),
        9 => {
            let name = key(source);
            then(&Command::Touch { key: checked(&name), exptime: exptime(source), noreply })
        }
        10 => {
            let delay = if yes(source) { Some(exptime(source)) } else { None };
            then(&Command::FlushAll { delay, noreply })
        }
        11 => then(&Command::Version),
        12 => match yes(source) {
            false => then(&Command::Verbosity { level: narrow(source), noreply }),
            true => then(&Command::CacheMemlimit { megabytes: narrow(source), noreply }),
        },
        13 => stats(source, then),
        14 => then(&Command::MetaNoop),
        15 => {
            let name = meta_key(source);
            then(&Command::MetaDebug(MetaKey::new(&name).expect("it fits")))
        }
        16 => meta_get(source, then),
        17 => meta_set(source, then),
        18 => meta_delete(source, then),
        19 => meta_arithmetic(source, then),
        20 => then(&Command::Quit),
        21 => then(&Command::Shutdown { graceful: yes(source) }),
        22 if yes(source) => then(&Command::ConfigGet(checked(&key(source)))),
        22 => then(&Command::Metadump(MetadumpTarget::All)),
        _ => {
            let class = MetadumpTarget::Class(narrow(source));
            then(&Command::Metadump(*source.pick(&[MetadumpTarget::Hash, class])))
        }
    }
}

fn narrow(source: &mut dyn Source) -> u32 {
    u32::try_from(number(source)).unwrap_or(u32::MAX)
}

fn checked(bytes: &[u8]) -> Key<'_> {
    Key::new(bytes).expect("a key that was drawn is one")
}

fn keys<R>(source: &mut dyn Source, then: impl FnOnce(Keys<'_>, &mut dyn Source) -> R) -> R {
    let names: Vec<_> = (0..=source.below(5)).map(|_| key(source)).collect();
    let keys: Vec<_> = names.iter().map(|name| checked(name)).collect();
    then(Keys::new(&keys), source)
}

fn stats<R>(source: &mut dyn Source, then: impl FnOnce(&Command<'_>) -> R) -> R {
    let name = match &key(source)[..] {
        b"a" => b"extstore".to_vec(),
        name => name.to_vec(),
    };
    // A word that has an argument of its own is that.
    let text = [b"stats ", &name[..], b"\r\n"].concat();
    let word = match Command::parse(&text, &Limits::default()) {
        Ok(Some((Command::Stats(argument), _))) => argument,
        _ => StatsArgument::General,
    };
    let (class, limit) = (narrow(source), narrow(source));
    let argument = *source.pick(&[
        StatsArgument::General,
        StatsArgument::Items,
        StatsArgument::Slabs,
        StatsArgument::Sizes,
        StatsArgument::Settings,
        StatsArgument::Conns,
        StatsArgument::Reset,
        StatsArgument::DetailOn,
        StatsArgument::DetailOff,
        StatsArgument::DetailDump,
        StatsArgument::Cachedump { class, limit },
        word,
    ]);
    then(&Command::Stats(argument))
}

/// Applies some of the builder's methods: each is an arm, taken or not.
macro_rules! some_of {
    ($source:ident, $built:ident, $($change:expr),* $(,)?) => {
        {
            $(if yes($source) {
                $built = $change;
            })*
        }
    };
}

fn meta_get<R>(source: &mut dyn Source, then: impl FnOnce(&Command<'_>) -> R) -> R {
    let name = meta_key(source);
    let mut get = MetaGet::new(MetaKey::new(&name).expect("it fits"));
    // Servers take no more than 18 words, so not all at once.
    match yes(source) {
        false => some_of!(
            source,
            get,
            get.value(),
            get.client_flags(),
            get.cas(),
            get.size(),
            get.ttl(),
            get.hit(),
            get.last_access(),
            get.key(),
        ),
        true => some_of!(
            source,
            get,
            get.value(),
            get.cas(),
            get.unaccessed(),
            get.touch(exptime(source)),
            get.vivify(exptime(source)),
            get.vivify_with_cas(exptime(source), number(source)),
            get.recache(narrow(source)),
            get.compare_cas(number(source)),
            get.proxy_token(token(source)),
            get.lane_token(token(source)),
        ),
    }
    some_of!(source, get, get.quiet(), get.opaque(token(source)));
    then(&Command::MetaGet(get))
}

fn meta_set<R>(source: &mut dyn Source, then: impl FnOnce(&Command<'_>) -> R) -> R {
    let (name, value) = (meta_key(source), value(source));
    let key = MetaKey::new(&name).expect("it fits");
    let (exptime_of_new, unique) = (exptime(source), number(source));
    let mut set = *source.pick(&[
        MetaSet::set(key, &value),
        MetaSet::add(key, &value),
        MetaSet::replace(key, &value),
        MetaSet::append(key, &value),
        MetaSet::prepend(key, &value),
        MetaSet::set_or_invalidate(key, &value, unique),
        MetaSet::append_or_create(key, &value, exptime_of_new),
        MetaSet::prepend_or_create(key, &value, exptime_of_new),
    ]);
    some_of!(
        source,
        set,
        set.client_flags(flags(source)),
        set.exptime(exptime(source)),
        set.compare_cas(number(source)),
        set.cas(),
        set.key(),
        set.size(),
        set.quiet(),
        set.opaque(token(source)),
    );
    if source.one_in(4) {
        some_of!(
            source,
            set,
            set.explicit_cas(number(source)),
            set.proxy_token(token(source)),
            set.lane_token(token(source)),
        );
    }
    then(&Command::MetaSet(set))
}

fn meta_delete<R>(source: &mut dyn Source, then: impl FnOnce(&Command<'_>) -> R) -> R {
    let name = meta_key(source);
    let key = MetaKey::new(&name).expect("it fits");
    let until = if yes(source) { Some(exptime(source)) } else { None };
    let mut delete = *source.pick(&[MetaDelete::new(key), MetaDelete::invalidate(key, until)]);
    some_of!(
        source,
        delete,
        delete.compare_cas(number(source)),
        delete.key(),
        delete.quiet(),
        delete.opaque(token(source)),
    );
    if source.one_in(4) {
        some_of!(
            source,
            delete,
            delete.explicit_cas(number(source)),
            delete.remove_value(),
            delete.proxy_token(token(source)),
            delete.lane_token(token(source)),
        );
    }
    then(&Command::MetaDelete(delete))
}

fn meta_arithmetic<R>(source: &mut dyn Source, then: impl FnOnce(&Command<'_>) -> R) -> R {
    let name = meta_key(source);
    let key = MetaKey::new(&name).expect("it fits");
    let delta = number(source);
    let mut count =
        *source.pick(&[MetaArithmetic::incr(key, delta), MetaArithmetic::decr(key, delta)]);
    some_of!(
        source,
        count,
        count.value(),
        count.cas(),
        count.ttl(),
        count.key(),
        count.quiet(),
        count.opaque(token(source)),
        count.create(number(source), exptime(source)),
        count.touch(exptime(source)),
        count.compare_cas(number(source)),
    );
    if source.one_in(4) {
        some_of!(
            source,
            count,
            count.explicit_cas(number(source)),
            count.proxy_token(token(source)),
            count.lane_token(token(source)),
        );
    }
    then(&Command::MetaArithmetic(count))
}

/// A text that can stand in a line.
fn text(source: &mut dyn Source) -> Vec<u8> {
    let mut text = match source.below(3) {
        0 => Vec::new(),
        1 => b"out of memory storing object".to_vec(),
        _ => source.bytes(30),
    };
    text.retain(|byte| !matches!(byte, b'\r' | b'\n'));
    text
}

/// A text of at least one byte, none of them a space or a control character.
fn word(source: &mut dyn Source) -> Vec<u8> {
    key(source)
}

/// Draws a response, and has `then` make something of it.
pub(super) fn response<R>(source: &mut dyn Source, then: impl FnOnce(&Response<'_>) -> R) -> R {
    let simple = [
        Response::End,
        Response::Stored,
        Response::NotStored,
        Response::Exists,
        Response::NotFound,
        Response::Deleted,
        Response::Touched,
        Response::Ok,
        Response::Reset,
        Response::Mn,
    ];
    match source.below(10) {
        0 => then(source.pick(&simple)),
        1 => {
            let (name, value) = (key(source), value(source));
            let cas = if yes(source) { Some(number(source)) } else { None };
            let (key, flags) = (checked(&name), flags(source));
            then(&Response::Value { key, flags, cas, value: &value })
        }
        2..=4 => {
            let (line, value) = (flags_line(source), value(source));
            let flags = MetaFlags::from_line(&line).expect("flags that were drawn are some");
            then(source.pick(&[
                Response::Va { flags, value: &value },
                Response::Hd(flags),
                Response::En(flags),
                Response::Nf(flags),
                Response::Ns(flags),
                Response::Ex(flags),
            ]))
        }
        5 => then(&Response::Number(number(source))),
        6 => {
            let (name, text) = (word(source), text(source));
            then(&Response::Stat { name: &name, value: &text })
        }
        7 => {
            let text = text(source);
            // A text that begins with a colon has no space before it.
            let text = text.strip_prefix(b":").unwrap_or(&text);
            then(source.pick(&[
                Response::Error(text),
                Response::ClientError(text),
                Response::ServerError(text),
                Response::Version(text),
                Response::Busy(text),
                Response::BadClass(text),
                Response::NoSpare(text),
                Response::NotFull(text),
                Response::Unsafe(text),
                Response::Same(text),
                Response::NotStarted(text),
                Response::MemlimitTooSmall(text),
                Response::MemlimitAdjustFailed(text),
                Response::WatcherTooMany(text),
                Response::WatcherFailed(text),
            ]))
        }
        8 => {
            let (name, items) = (word(source), text(source));
            let (bytes, exptime) = (number(source), number(source));
            then(source.pick(&[
                Response::Me { key: &name, items: &items },
                Response::Item { key: checked(&name), bytes, exptime },
                Response::Config { name: checked(&name), flags: Flags::new(0), text: &items },
            ]))
        }
        _ => {
            let name = word(source);
            let (get, hit, set, del) =
                (number(source), number(source), number(source), number(source));
            let exp = i64::from(*source.pick(EXPTIMES));
            let flags = if yes(source) { Some(flags(source)) } else { None };
            let (fetch, cls) = (yes(source), narrow(source));
            then(source.pick(&[
                Response::Prefix { prefix: &name, get, hit, set, del },
                Response::Metadump {
                    key: &name,
                    exp,
                    la: exp,
                    cas: get,
                    fetch,
                    cls,
                    size: hit,
                    flags,
                },
            ]))
        }
    }
}

/// The flags of a meta reply, some of them, and their line end.
fn flags_line(source: &mut dyn Source) -> Vec<u8> {
    let mut flags = Vec::new();
    for letter in "fcstlh".chars() {
        if yes(source) {
            let number = if letter == 'h' { number(source) % 2 } else { number(source) };
            // `t` has a sign, and so one bit fewer.
            let number = if letter == 't' { number >> 1 } else { number };
            flags.push(format!("{letter}{number}").into_bytes());
        }
    }
    for letter in [b'O', b'k'] {
        if yes(source) {
            flags.push([&[letter], &word(source)[..]].concat());
        }
    }
    for letter in ["b", "W", "X", "Z", "t-1", "Sunknown"] {
        let is_there = flags.iter().any(|flag| flag.first() == letter.as_bytes().first());
        if !is_there && yes(source) {
            flags.push(letter.as_bytes().to_vec());
        }
    }
    let at = source.below(flags.len());
    flags.rotate_left(at);
    let mut line: Vec<u8> = flags.iter().flat_map(|flag| [b" ", &flag[..]].concat()).collect();
    line.extend_from_slice(b"\r\n");
    line
}
