//! What callers ask for: numbered, and put into the words of the client.

use memcache_proto::client::{
    Client, NewItem, Operation, OperationId, Rejection, RoutedKey, RoutedMeta, Settings,
};
use memcache_proto::codec::{
    Command, MetaArithmetic, MetaDelete, MetaGet, MetaKey, MetaRequest, MetaSet, StatsArgument,
    StoreVerb, Token,
};
use memcache_proto::value::Flags;
use memcache_proto::{Exptime, Key, Limits, MAX_KEY_LEN, Time};

use crate::history::Act;
use crate::wire::{FAR, Tag};

/// A request about one key, or to each server.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// The key, without the prefix of the client; empty if it is about servers.
    pub(crate) key: Vec<u8>,
    pub(crate) what: What,
    pub(crate) noreply: bool,
    pub(crate) value: Vec<u8>,
    pub(crate) exptime: Exptime,
    /// What chooses its server in place of its hash, if anything does.
    pub(crate) hash: Option<i64>,
    /// Its number, which it carries over the wire in one way or another.
    pub(crate) serial: u64,
    /// The number of the first request of its call, which stands for all of them where they have one exptime.
    pub(crate) stamp: u64,
    /// Whether its flags are more than a server takes.
    pub(crate) wide: bool,
    /// The command as a call of several steps has made it, if one has; its value is signed already.
    pub(crate) made: Option<Vec<u8>>,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Get {
        cas: bool,
    },
    Gat {
        cas: bool,
    },
    Store(StoreVerb),
    Delete,
    Touch,
    Incr,
    Decr,
    /// Each with the flags that the bits say.
    MetaGet(usize),
    MetaSet(usize, Option<u64>),
    MetaDelete(usize, Option<u64>),
    MetaCount(usize),
    MetaDebug,
    Version,
    Stats(usize),
    Flush,
    FlushLater,
}

impl What {
    /// Whether it is a lookup, to the client.
    pub(crate) fn is_read(self) -> bool {
        matches!(
            self,
            What::Get { .. }
                | What::Gat { .. }
                | What::Version
                | What::Stats(_)
                | What::MetaDebug
                | What::MetaGet(_)
        )
    }
}

/// What stands for all the requests of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    One,
    Many,
    Servers,
}

impl Draft {
    /// What a call of several steps orders.
    pub(crate) fn ordered(operation: &Operation<'_>) -> Option<Draft> {
        let mut made = Vec::new();
        let draft = |what, key: &RoutedKey<'_>| Draft {
            key: key.key.as_bytes().to_vec(),
            what,
            noreply: false,
            value: Vec::new(),
            exptime: Exptime::NEVER,
            hash: key.hash,
            serial: 0,
            stamp: 0,
            wide: false,
            made: Some(Vec::new()),
        };
        Some(match operation {
            Operation::Get { key, cas } => draft(What::Get { cas: *cas }, key),
            Operation::Store { verb, item, .. } => Draft {
                value: item.value.to_vec(),
                exptime: item.exptime,
                ..draft(What::Store(*verb), &item.key)
            },
            Operation::Meta(meta) => {
                Command::from(meta.request).encode(&mut made);
                let what = match meta.request {
                    MetaRequest::Get(_) => What::MetaGet(0),
                    MetaRequest::Set(_) => {
                        // As it is drawn where it compares the cas unique, and where not.
                        let cas = meta.request.compare_cas();
                        What::MetaSet(if cas.is_some() { 6 << 3 } else { 0 }, cas)
                    }
                    MetaRequest::Delete(_) => What::MetaDelete(0, None),
                    _ => return None,
                };
                let mut space = [0; MAX_KEY_LEN];
                let key = Key::new(meta.request.key().decode(&mut space)?).ok()?;
                let draft = draft(what, &RoutedKey { key, hash: meta.hash });
                Draft { made: Some(made), ..draft }
            }
            _ => return None,
        })
    }

    /// Whether it carries a number of its own over the wire.
    pub(crate) fn tag(&self, wire_key: Vec<u8>) -> Tag {
        match self.what {
            What::Get { cas } => Tag::Get { cas, key: wire_key },
            What::Gat { cas } => Tag::Gat { stamp: self.stamp, cas, key: wire_key },
            What::Touch => Tag::Touch { stamp: self.stamp, noreply: self.noreply, key: wire_key },
            What::Delete => Tag::Delete { noreply: self.noreply, key: wire_key },
            What::MetaDebug => Tag::Debug { key: wire_key },
            What::Version => Tag::Version,
            What::Stats(bits) => Tag::Stats(stats_line(bits)),
            What::Flush => Tag::Flush,
            _ => Tag::Serial(self.serial),
        }
    }

    /// What it asks of an item; `None` if the history does not follow that.
    pub(crate) fn act(&self) -> Option<Act> {
        Some(match self.what {
            What::Get { cas } => Act::Get { cas },
            What::Gat { .. } => Act::GetAndTouch(self.far().to_wire()),
            What::Store(verb) => {
                Act::Store(verb.into(), self.value.clone(), self.exptime != Exptime::NEVER)
            }
            What::Delete => Act::Delete,
            What::Touch => Act::Touch(self.far().to_wire()),
            What::Incr => Act::Incr(self.serial),
            What::Decr => Act::Decr(self.serial),
            _ => return None,
        })
    }

    /// Whether it is sent again if its connection turns out to have been closed.
    pub(crate) fn is_read(&self) -> bool {
        self.what.is_read()
    }

    pub(crate) fn is_meta(&self) -> bool {
        matches!(
            self.what,
            What::MetaGet(_)
                | What::MetaSet(..)
                | What::MetaDelete(..)
                | What::MetaCount(_)
                | What::MetaDebug
        )
    }

    /// The command as it has to stand on the wire, but for the opaque; `None` if it is one of several that
    /// look the same, or if its tag says all there is to say.
    pub(crate) fn command(&self, wire_key: &[u8]) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let noreply = self.noreply;
        if self.is_meta() {
            if self.what == What::MetaDebug {
                return None;
            }
            let key = MetaKey::new(wire_key).ok()?;
            Command::from(self.request().with_key(key)).encode(&mut text);
            return Some(text);
        }
        let key = Key::new(wire_key).ok()?;
        let command = match self.what {
            What::Store(verb) => {
                let NewItem { flags, exptime, value, .. } = self.item();
                Command::Store { verb, key, flags, exptime, value, noreply }
            }
            What::Incr => Command::Incr { key, delta: self.serial, noreply },
            What::Decr => Command::Decr { key, delta: self.serial, noreply },
            _ => return None,
        };
        command.encode(&mut text);
        Some(text)
    }

    fn far(&self) -> Exptime {
        Exptime::from_wire(FAR + i32::try_from(self.stamp).unwrap_or(0))
    }

    fn routed(&self) -> RoutedKey<'_> {
        let key = Key::new(&self.key).expect("callers draw keys");
        RoutedKey { key, hash: self.hash }
    }

    fn routed_meta(&self) -> RoutedMeta<'_> {
        RoutedMeta { request: self.request(), hash: self.hash }
    }

    /// Whether the client has to refuse it, for its key, its value or its flags.
    pub(crate) fn is_unfit(&self, settings: &Settings) -> bool {
        let limits = &settings.limits;
        let key_len = settings.key_prefix.len() + self.key.len();
        let stores = matches!(self.what, What::Store(_) | What::MetaSet(..));
        !self.key.is_empty() && key_len > limits.server_max_key_length
            || stores && (self.wide || self.value.len() > limits.server_max_value_length)
    }

    fn flags(&self) -> Flags {
        let wide = if self.wide { 1 << 40 } else { 0 };
        Flags::from_wire(self.serial | wide)
    }

    fn item(&self) -> NewItem<'_> {
        let flags = self.flags();
        NewItem { key: self.routed(), flags, exptime: self.exptime, value: &self.value }
    }

    fn request<'a>(&'a self) -> MetaRequest<'a> {
        let key = MetaKey::new(&self.key).expect("callers draw keys");
        let token = Token::number(self.serial);
        // The token that a proxy may read says whose it is; its number is in decimal digits.
        let token = Token::new(&self.serial.to_string()).unwrap_or(token);
        let made = self.made.as_deref().unwrap_or_default();
        if let Ok(Some((command, _))) = Command::parse(made, &Limits::default()) {
            return match command {
                Command::MetaGet(get) => MetaRequest::Get(get.proxy_token(token)),
                Command::MetaSet(set) => MetaRequest::Set(set.proxy_token(token)),
                Command::MetaDelete(delete) => MetaRequest::Delete(delete.proxy_token(token)),
                _ => unreachable!("no call of several steps makes another"),
            };
        }
        match self.what {
            What::MetaGet(bits) => {
                let mut get = MetaGet::new(key).proxy_token(token);
                let flags: [fn(MetaGet<'a>) -> MetaGet<'a>; 9] = [
                    MetaGet::value,
                    MetaGet::client_flags,
                    MetaGet::cas,
                    MetaGet::size,
                    MetaGet::ttl,
                    MetaGet::hit,
                    MetaGet::last_access,
                    MetaGet::key,
                    MetaGet::unaccessed,
                ];
                for (at, flag) in flags.into_iter().enumerate() {
                    if bits & 1 << at != 0 {
                        get = flag(get);
                    }
                }
                if bits & M_TOUCH != 0 {
                    get = get.touch(Exptime::from_wire(1000));
                }
                if bits & M_VIVIFY != 0 {
                    get = get.vivify(Exptime::from_wire(30));
                }
                if bits & M_RECACHE != 0 {
                    get = get.recache(20);
                }
                MetaRequest::Get(if self.noreply { get.quiet() } else { get })
            }
            What::MetaSet(bits, cas) => {
                let value = &self.value[..];
                let mut set = match (bits / 8 % 8, cas) {
                    (1, _) => MetaSet::add(key, value),
                    (2, _) => MetaSet::replace(key, value),
                    (3, _) => MetaSet::append(key, value),
                    (4, _) => MetaSet::prepend(key, value),
                    (5, Some(cas)) => MetaSet::set_or_invalidate(key, value, cas),
                    (6, Some(cas)) => MetaSet::set(key, value).compare_cas(cas),
                    _ => MetaSet::set(key, value),
                };
                let flags = self.flags();
                set = set.client_flags(flags).exptime(self.exptime).proxy_token(token);
                let flags: [fn(MetaSet<'a>) -> MetaSet<'a>; 3] =
                    [MetaSet::cas, MetaSet::key, MetaSet::size];
                for (at, flag) in flags.into_iter().enumerate() {
                    if bits & 1 << at != 0 {
                        set = flag(set);
                    }
                }
                MetaRequest::Set(if self.noreply { set.quiet() } else { set })
            }
            What::MetaDelete(bits, cas) => {
                let mut delete = match bits & 1 {
                    0 => MetaDelete::new(key),
                    _ => MetaDelete::invalidate(key, Some(Exptime::from_wire(30))),
                };
                delete = delete.proxy_token(token);
                if bits & 2 != 0 {
                    delete = delete.key();
                }
                if let Some(cas) = cas.filter(|_| bits & 4 != 0) {
                    delete = delete.compare_cas(cas);
                }
                MetaRequest::Delete(if self.noreply { delete.quiet() } else { delete })
            }
            What::MetaCount(bits) => {
                let mut count = match bits & 1 {
                    0 => MetaArithmetic::incr(key, self.serial),
                    _ => MetaArithmetic::decr(key, self.serial),
                };
                count = count.proxy_token(token);
                let flags: [fn(MetaArithmetic<'a>) -> MetaArithmetic<'a>; 4] = [
                    MetaArithmetic::value,
                    MetaArithmetic::cas,
                    MetaArithmetic::ttl,
                    MetaArithmetic::key,
                ];
                for (at, flag) in flags.into_iter().enumerate() {
                    if bits & 2 << at != 0 {
                        count = flag(count);
                    }
                }
                if bits & 32 != 0 {
                    count = count.create(7, Exptime::NEVER);
                }
                MetaRequest::Arithmetic(if self.noreply { count.quiet() } else { count })
            }
            _ => MetaRequest::Debug(key),
        }
    }
}

/// Bits of [`What::MetaGet`] that change the item.
const M_TOUCH: usize = 1 << 9;
const M_VIVIFY: usize = 1 << 10;
const M_RECACHE: usize = 1 << 11;

/// `stats` as it stands on the wire.
fn stats_line(bits: usize) -> Vec<u8> {
    let mut line = Vec::new();
    memcache_proto::codec::Command::Stats(stats_argument(bits)).encode(&mut line);
    line
}

fn stats_argument(bits: usize) -> StatsArgument<'static> {
    [
        StatsArgument::General,
        StatsArgument::Items,
        StatsArgument::Slabs,
        StatsArgument::Settings,
        StatsArgument::Sizes,
        StatsArgument::Reset,
    ][bits % 6]
}

/// Gives a value its beginning: whose it is, and which store made it.
pub(crate) fn sign(draft: &mut Draft) {
    if draft.made.is_some() || !matches!(draft.what, What::Store(_) | What::MetaSet(..)) {
        return;
    }
    if draft.key.starts_with(b"n") {
        draft.value = b"100".to_vec();
        return;
    }
    if draft.key.starts_with(b"e") {
        let len = draft.value.len().min(1);
        draft.value = vec![letter(&draft.key); len];
        return;
    }
    let mut value = draft.key.clone();
    value.extend_from_slice(format!("#{};", draft.serial).as_bytes());
    value.append(&mut draft.value);
    value.push(b'\n');
    draft.value = value;
}

/// What the values of a key are made of that has only tiny ones.
fn letter(key: &[u8]) -> u8 {
    key.last().map_or(b'a', |digit| b'a' + digit % 16)
}

/// Whether a value is one of this key's: a row of signed ones, or of its letter.
pub(crate) fn is_of(key: &[u8], value: &[u8]) -> bool {
    if key.starts_with(b"e") {
        return value.iter().all(|&byte| byte == letter(key));
    }
    let mut lines = value.split(|&byte| byte == b'\n').peekable();
    let is_signed = |line: &[u8]| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(b"#"));
    while let Some(line) = lines.next() {
        // The last is behind the last line end.
        if lines.peek().is_some() && !is_signed(line) || lines.peek().is_none() && !line.is_empty()
        {
            return false;
        }
    }
    true
}

/// Submits an operation of these requests, of which more follow if that is said.
pub(crate) fn submit(
    client: &mut Client,
    shape: Shape,
    drafts: &[Draft],
    more: bool,
    now: Time,
) -> Result<OperationId, Rejection> {
    with_operation(shape, drafts, more, |operation| {
        client.submit(operation, now).map_err(|rejected| rejected.reason)
    })
}

/// Goes on with an operation on many keys by these requests, of which more follow if that is said.
pub(crate) fn feed(client: &mut Client, id: OperationId, drafts: &[Draft], more: bool, now: Time) {
    with_operation(Shape::Many, drafts, more, |operation| client.feed(id, operation, now));
}

/// Does something with the operation of these requests, of which more follow if that is said.
fn with_operation<T>(
    shape: Shape,
    drafts: &[Draft],
    more: bool,
    work: impl FnOnce(Operation<'_>) -> T,
) -> T {
    let work = |operation: Operation<'_>| {
        if more { work(Operation::Part(&operation)) } else { work(operation) }
    };
    let first = drafts.first().expect("something is asked for");
    let noreply = first.noreply;
    if shape == Shape::Many {
        if drafts.iter().any(Draft::is_meta) {
            let requests: Vec<_> = drafts.iter().map(Draft::routed_meta).collect();
            return work(Operation::MetaMany { requests: &requests });
        }
        let keys: Vec<_> = drafts.iter().map(Draft::routed).collect();
        let (keys, exptime) = (&*keys, first.far());
        return match first.what {
            What::Store(verb) => {
                let items: Vec<_> = drafts.iter().map(Draft::item).collect();
                work(Operation::StoreMany { verb, items: &items, noreply })
            }
            What::Delete => work(Operation::DeleteMany { keys, noreply }),
            What::Touch => work(Operation::TouchMany { keys, exptime, noreply }),
            What::Get { cas } => work(Operation::GetMany { keys, cas }),
            What::Gat { cas } => work(Operation::GatMany { keys, exptime, cas }),
            _ => unreachable!("callers ask for no other calls on many keys"),
        };
    }
    if first.is_meta() {
        return work(Operation::Meta(&first.routed_meta()));
    }
    work(match first.what {
        What::Version => Operation::Version,
        What::Stats(bits) => Operation::Stats(stats_argument(bits)),
        What::Flush => Operation::FlushAll { delay: None },
        What::FlushLater => Operation::FlushAll { delay: Some(first.far()) },
        What::Get { cas } => Operation::Get { key: first.routed(), cas },
        What::Gat { cas } => Operation::Gat { key: first.routed(), exptime: first.far(), cas },
        What::Store(verb) => Operation::Store { verb, item: first.item(), noreply },
        What::Delete => Operation::Delete { key: first.routed(), noreply },
        What::Touch => Operation::Touch { key: first.routed(), exptime: first.far(), noreply },
        What::Incr => Operation::Incr { key: first.routed(), delta: first.serial, noreply },
        What::Decr => Operation::Decr { key: first.routed(), delta: first.serial, noreply },
        _ => unreachable!("meta requests have been submitted"),
    })
}
