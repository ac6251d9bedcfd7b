//! The words of the protocol, for fuzzers.

use std::collections::BTreeSet;

use memcache_proto::codec::{
    Command, Keys, MetaArithmetic, MetaDelete, MetaFlags, MetaGet, MetaKey, MetaSet,
    MetadumpTarget, Refusal, Response, StatsArgument, StoreVerb, Token,
};
use memcache_proto::value::Flags;
use memcache_proto::{Exptime, Key};

/// The words that the codec writes, in both roles, in order and each once: `fuzz/memcached.dict` is made of
/// them.
pub fn dictionary() -> Vec<Vec<u8>> {
    let mut words = BTreeSet::new();
    let mut put = |text: &[u8]| {
        let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        for word in line.split(|&byte| byte == b' ') {
            match word.strip_suffix(PLACE).filter(|_| word.len() < 3 || word.ends_with(b"=0")) {
                None if word.len() == 1 => words.insert([b" ", word].concat()),
                None => words.insert(word.to_vec()),
                Some(word) => words.insert(word.to_vec()),
            };
        }
    };
    for command in commands() {
        let mut text = Vec::new();
        command.encode(&mut text);
        put(&text);
    }
    for response in responses() {
        let mut text = Vec::new();
        response.encode(&mut text);
        put(&text);
    }
    words.remove(&b""[..]);
    words.extend([b"\r\n".to_vec(), b" noreply\r\n".to_vec(), b"YSBi".to_vec()]);
    words.into_iter().collect()
}

/// What stands for anything in the commands and responses here, and is no word.
const PLACE: &[u8] = b"0";

fn place() -> Key<'static> {
    Key::from_wire(PLACE).expect("a key")
}

const KEYS: &[&[u8]] = &[PLACE];

fn commands() -> Vec<Command<'static>> {
    let (key, noreply, exptime) = (place(), true, Exptime::NEVER);
    let (flags, value) = (Flags::new(0), &b""[..]);
    let mut commands = vec![
        Command::Version,
        Command::Verbosity { level: 0, noreply },
        Command::CacheMemlimit { megabytes: 0, noreply },
        Command::FlushAll { delay: Some(exptime), noreply },
        Command::Quit,
        Command::Shutdown { graceful: true },
        Command::Delete { key, noreply },
        Command::Touch { key, exptime, noreply },
        Command::Incr { key, delta: 0, noreply },
        Command::Decr { key, delta: 0, noreply },
        Command::Metadump(MetadumpTarget::All),
        Command::Metadump(MetadumpTarget::Hash),
        Command::ConfigGet(Key::new(b"cluster").expect("a key")),
        Command::MetaNoop,
        Command::MetaDebug(MetaKey::from(key)),
    ];
    for verb in [
        StoreVerb::Set,
        StoreVerb::Add,
        StoreVerb::Replace,
        StoreVerb::Append,
        StoreVerb::Prepend,
        StoreVerb::Cas(0),
    ] {
        commands.push(Command::Store { verb, key, flags, exptime, value, noreply });
    }
    for argument in [
        StatsArgument::Items,
        StatsArgument::Slabs,
        StatsArgument::Sizes,
        StatsArgument::Settings,
        StatsArgument::Conns,
        StatsArgument::Reset,
        StatsArgument::DetailOn,
        StatsArgument::DetailOff,
        StatsArgument::DetailDump,
        StatsArgument::Cachedump { class: 0, limit: 0 },
    ] {
        commands.push(Command::Stats(argument));
    }
    let keys: &'static [Key<'static>] = const { &[] };
    for cas in [false, true] {
        commands.push(Command::Get { keys: Keys::new(keys), cas });
        commands.push(Command::Gat { exptime, keys: Keys::new(keys), cas });
    }
    commands.extend(meta_commands());
    commands
}

fn meta_commands() -> Vec<Command<'static>> {
    let key = MetaKey::new(KEYS[0]).expect("a key");
    let odd = MetaKey::new(b"a b").expect("a key");
    let (token, exptime) = (Token::number(1), Exptime::from_wire(60));
    let get = MetaGet::new(odd).value().client_flags().cas().size().ttl().hit().last_access().key();
    let get = get.quiet().opaque(token).proxy_token(token).lane_token(token).unaccessed();
    let get = get.touch(exptime).vivify_with_cas(exptime, 1).recache(30).compare_cas(1);
    let set = MetaSet::set_or_invalidate(key, b"", 1).client_flags(Flags::new(5)).exptime(exptime);
    let mut commands = vec![
        Command::MetaGet(get),
        Command::MetaSet(set.explicit_cas(1)),
        Command::MetaDelete(MetaDelete::invalidate(key, Some(exptime)).remove_value()),
        Command::MetaArithmetic(MetaArithmetic::decr(key, 2).create(10, exptime)),
    ];
    for set in [
        MetaSet::add(key, b""),
        MetaSet::replace(key, b""),
        MetaSet::append(key, b""),
        MetaSet::prepend(key, b""),
    ] {
        commands.push(Command::MetaSet(set));
    }
    commands
}

fn responses() -> Vec<Response<'static>> {
    let (text, key, number) = (&b""[..], place(), 0);
    let flags = MetaFlags::from_line(b" f5 c7 s1 t-1 l2 h1 O1 kfoo b W X Z\r\n").expect("flags");
    let (exp, la, cas, fetch, cls, size) = (-1, number, 0, true, 0, 0);
    let mut responses = vec![
        Response::Value { key, flags: Flags::new(0), cas: Some(0), value: text },
        Response::Config { name: key, flags: Flags::new(0), text },
        Response::End,
        Response::Stored,
        Response::NotStored,
        Response::Exists,
        Response::NotFound,
        Response::Deleted,
        Response::Touched,
        Response::Ok,
        Response::Reset,
        Response::Version(text),
        Response::Stat { name: PLACE, value: text },
        Response::Prefix { prefix: PLACE, get: 0, hit: 0, set: 0, del: 0 },
        Response::Item { key, bytes: 0, exptime: 0 },
        Response::Metadump {
            key: b"0",
            exp,
            la,
            cas,
            fetch,
            cls,
            size,
            flags: Some(Flags::new(0)),
        },
        Response::Metadump { key: b"0", exp, la, cas, fetch: false, cls, size, flags: None },
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
        Response::Hd(flags),
        Response::Va { flags, value: text },
        Response::En(flags),
        Response::Nf(flags),
        Response::Ns(flags),
        Response::Ex(flags),
        Response::Mn,
        Response::Me { key: PLACE, items: text },
        Response::Error(text),
        Response::ClientError(text),
        Response::ServerError(text),
    ];
    responses.push(Refusal::BadFormat.response());
    responses
}
