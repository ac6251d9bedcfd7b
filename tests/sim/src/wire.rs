//! A naive reading of one connection: what the client wrote, what the server said, and which of it
//! answers which. It shares nothing with the client but the parser of lines.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use memcache_proto::client::MetaStatus;
use memcache_proto::codec::{Command, Response};
use memcache_proto::{Key, Limits, MAX_KEY_LEN};

use crate::said::{Said, next_response};
use crate::server::is_login;

/// Which request of which caller a command is, as far as its bytes say so. Most requests carry a number
/// of their own where it does no harm: as flags, as a delta, as an exptime, as a proxy's token.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tag {
    Serial(u64),
    Get {
        cas: bool,
        key: Vec<u8>,
    },
    /// These have the number of the first request of their call, which gives all its keys one exptime. The judge
    /// has the number of the request itself, if the call has no other of this key.
    Gat {
        stamp: u64,
        cas: bool,
        key: Vec<u8>,
    },
    Touch {
        stamp: u64,
        noreply: bool,
        key: Vec<u8>,
    },
    Delete {
        noreply: bool,
        key: Vec<u8>,
    },
    Debug {
        key: Vec<u8>,
    },
    Version,
    Stats(Vec<u8>),
    Flush,
    /// The login of a connection.
    Login,
}

/// An exptime of this and a serial number is one of the far future.
pub(crate) const FAR: i32 = 2_000_000_000;

/// A whole command of the client.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) tags: Vec<Tag>,
    /// The number of the event in which the first byte of it was handed over.
    pub(crate) begun: u64,
    /// What stands for its bytes, but for the opaque.
    pub(crate) digest: u64,
    /// How many bytes it has.
    pub(crate) len: usize,
}

/// What a request was answered.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) tag: Tag,
    /// The number of the event in which the first byte of the request was handed over.
    pub(crate) begun: u64,
    pub(crate) said: Said,
}

/// One connection.
pub(crate) struct Wire {
    pub(crate) client: usize,
    /// Which life of its server it is of.
    pub(crate) life: u32,
    /// Whether the client has closed it.
    pub(crate) closed: bool,
    /// Why nothing more of it is to be believed.
    pub(crate) doubt: Option<String>,
    /// The highest number of what was written, of that which had not been meant for another connection.
    pub(crate) last_serial: u64,
    written: Vec<u8>,
    begun: u64,
    /// Whether a command has been written at all, and whether a login has not been answered well.
    began: bool,
    is_outside: bool,
    waiting: VecDeque<Waiting>,
    said: Vec<u8>,
    /// How many responses have been those of a request: lines of a longer reply among them.
    pub(crate) paired: u64,
    lines: usize,
    /// Whether the command of which a part has been written was refused already.
    refused_early: bool,
}

/// A command that has not been answered.
struct Waiting {
    kind: Kind,
    tags: Vec<Tag>,
    /// The number of the event in which the first byte of it was handed over.
    begun: u64,
    /// Which of the keys of a get have had their value.
    answered: Vec<bool>,
    /// Whether an error was said that may be about it.
    doubted: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Values,
    /// One line; which ones fit.
    Line(fn(&Response<'_>) -> bool),
    Stats,
    Meta {
        quiet: bool,
        opaque: Vec<u8>,
        key: Vec<u8>,
        misses: bool,
    },
    Debug,
    Noop,
    Nothing,
    End,
}

impl Wire {
    pub(crate) fn new(client: usize, life: u32) -> Self {
        Wire {
            client,
            life,
            closed: false,
            doubt: None,
            last_serial: 0,
            written: Vec::new(),
            begun: 0,
            began: false,
            is_outside: false,
            waiting: VecDeque::new(),
            said: Vec::new(),
            paired: 0,
            lines: 0,
            refused_early: false,
        }
    }

    /// The client has handed bytes over, in the event of this number. The commands that are whole now.
    pub(crate) fn hear(&mut self, bytes: &[u8], event: u64) -> Result<Vec<Heard>, String> {
        if self.written.is_empty() {
            self.begun = event;
        }
        self.written.extend_from_slice(bytes);
        let mut heard = Vec::new();
        if !bytes.contains(&b'\n') {
            // Every command ends in a line end.
            return Ok(heard);
        }
        let limits = Limits { max_line_len: 1 << 20, ..Limits::default() };
        let mut taken = 0;
        loop {
            let rest = &self.written[taken..];
            if rest.is_empty() {
                break;
            }
            if self.waiting.back().is_some_and(|last| matches!(last.kind, Kind::End)) {
                return Err(format!("after quit it writes {}", rest.escape_ascii()));
            }
            let (command, len) = match Command::parse(rest, &limits) {
                Ok(Some(parsed)) => parsed,
                Ok(None) => break,
                Err(error) => {
                    let shown = rest[..rest.len().min(80)].escape_ascii();
                    return Err(format!("{error}: {shown}"));
                }
            };
            let text = &rest[..len];
            let (kind, tags) = read(&command, text);
            let answered = vec![false; if matches!(kind, Kind::Values) { tags.len() } else { 0 }];
            let digest = digest(text);
            heard.push(Heard { tags: tags.clone(), begun: self.begun, digest, len });
            let doubted = core::mem::take(&mut self.refused_early);
            // The error may be about another quiet one, behind this.
            if !doubted || matches!(kind, Kind::Meta { quiet: true, .. }) {
                let begun = self.begun;
                self.waiting.push_back(Waiting { kind, tags, begun, answered, doubted });
            }
            self.begun = event;
            taken += len;
        }
        self.written.drain(..taken);
        Ok(heard)
    }

    /// What is wrong with what has been written beside a login, if the connection has to log in.
    pub(crate) fn login_fault(&mut self, heard: &[Heard]) -> Option<&'static str> {
        let (first, rest) = heard.split_first()?;
        let is_first = !core::mem::replace(&mut self.began, true);
        match first.tags[..] == [Tag::Login] {
            false if is_first => Some("the first command is no login"),
            true if !is_first => Some("it logs in again"),
            true if !rest.is_empty() || self.has_part() => {
                Some("something is written behind a login before its answer")
            }
            _ if self.is_outside => Some("something is written before the server has let it in"),
            is_login => {
                self.is_outside = is_login;
                None
            }
        }
    }

    /// Whether a command has been handed over in part.
    pub(crate) fn has_part(&self) -> bool {
        !self.written.is_empty()
    }

    /// The client has been given these bytes. What they answer; nothing once there is doubt.
    pub(crate) fn say(&mut self, bytes: &[u8], limits: &Limits) -> Vec<Told> {
        let mut told = Vec::new();
        if self.doubt.is_some() {
            return told;
        }
        self.said.extend_from_slice(bytes);
        if !bytes.contains(&b'\n') {
            return told;
        }
        let said = core::mem::take(&mut self.said);
        let mut taken = 0;
        while taken < said.len() {
            match next_response(&said[taken..], limits) {
                Ok(None) => break,
                Ok(Some((response, len))) => {
                    taken += len;
                    self.is_outside &= response != Response::Stored;
                    if let Err(doubt) = self.pair(&response, limits, &mut told) {
                        self.doubt = Some(doubt);
                        return told;
                    }
                    self.paired += 1;
                }
                Err(doubt) => {
                    self.doubt = Some(doubt);
                    return told;
                }
            }
        }
        self.said = said[taken..].to_vec();
        told
    }

    /// Finds out what a response answers.
    fn pair(
        &mut self,
        response: &Response<'_>,
        limits: &Limits,
        told: &mut Vec<Told>,
    ) -> Result<(), String> {
        while self.waiting.front().is_some_and(|front| matches!(front.kind, Kind::Nothing)) {
            self.waiting.pop_front();
        }
        let is_error = matches!(
            response,
            Response::Error(_) | Response::ClientError(_) | Response::ServerError(_)
        );
        if self.waiting.is_empty() && is_error && !self.written.is_empty() && !self.refused_early {
            self.refused_early = true;
            return Ok(());
        }
        let Some(front) = self.waiting.front_mut() else {
            return Err(format!("{response:?} comes unasked"));
        };
        let done = match (&front.kind, response) {
            (Kind::Meta { .. } | Kind::Noop | Kind::Debug, _) => {
                return self.pair_meta(response, told);
            }
            (_, _) if is_error => {
                self.lines = 0;
                front.rest(&Said::Error, told)
            }
            (Kind::Values, Response::Value { key, flags, cas, value }) => {
                let wanted =
                    front.tags.iter().zip(&front.answered).position(|(tag, answered)| {
                        !answered && key_of(tag) == Some(key.as_bytes())
                    });
                let Some(at) = wanted else {
                    return Err(format!("a value of {key} not asked for"));
                };
                front.answered[at] = true;
                let said = Said::Item { flags: flags.bits(), cas: *cas, value: value.to_vec() };
                told.push(Told { tag: front.tags[at].clone(), begun: front.begun, said });
                false
            }
            (Kind::Values, Response::End) => front.rest(&Said::Miss, told),
            (Kind::Line(fits), _) if fits(response) => match Said::of(response) {
                Some(said) => front.rest(&said, told),
                None => false,
            },
            (
                Kind::Stats,
                Response::Stat { .. } | Response::Prefix { .. } | Response::Item { .. },
            ) => {
                self.lines += 1;
                if self.lines > limits.max_lines {
                    return Err(format!("{} lines of statistics are too many", self.lines));
                }
                false
            }
            (Kind::Stats, Response::End) => {
                let lines = core::mem::take(&mut self.lines);
                front.rest(&Said::Lines(lines), told)
            }
            (Kind::Stats, Response::Reset | Response::Ok) => front.rest(&Said::Done, told),
            _ => return Err(format!("{response:?} answers nothing that was asked")),
        };
        if done {
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// The same where a meta request is first: quiet ones may have been passed over.
    fn pair_meta(&mut self, response: &Response<'_>, told: &mut Vec<Told>) -> Result<(), String> {
        let flags = match response {
            Response::Hd(flags)
            | Response::En(flags)
            | Response::Nf(flags)
            | Response::Ns(flags)
            | Response::Ex(flags)
            | Response::Va { flags, .. } => Some(flags),
            _ => None,
        };
        let heard = |waiting: &Waiting| match &waiting.kind {
            Kind::Meta { quiet, .. } => !quiet,
            Kind::Nothing => false,
            _ => true,
        };
        let first_heard = self.waiting.iter().position(heard);
        let said = Said::of(response);
        if said == Some(Said::Error) && first_heard != Some(0) {
            // It may be about any of the quiet ones up to the next that says something.
            let count = first_heard.unwrap_or(self.waiting.len());
            self.waiting.iter_mut().take(count).for_each(|waiting| waiting.doubted = true);
            return Ok(());
        }
        let at = match flags.and_then(|flags| flags.opaque()) {
            Some(opaque) => {
                let last = first_heard.map_or(self.waiting.len(), |first| first + 1);
                let mut candidates = self.waiting.iter().take(last);
                candidates.position(|waiting| match &waiting.kind {
                    Kind::Meta { opaque: asked, .. } => asked == opaque,
                    _ => false,
                })
            }
            None => first_heard,
        };
        let Some(at) = at else { return Err(format!("{response:?} answers no meta request")) };
        let fits = match (&self.waiting[at].kind, response) {
            (_, _) if said == Some(Said::Error) => true,
            (Kind::Meta { key, .. }, _) => {
                // A key that comes back in base64 is taken to be right.
                let named = flags.filter(|flags| !flags.is_base64()).and_then(|flags| flags.key());
                let named = named.filter(|_| !key.contains(&b' '));
                flags.is_some_and(|flags| {
                    named.is_none_or(|named| named == key)
                        && (flags.opaque().is_some() || matches!(response, Response::En(_)))
                }) || *response == Response::Ok
            }
            (Kind::Noop, Response::Mn) => true,
            (Kind::Debug, Response::Me { .. } | Response::En(_)) => true,
            _ => false,
        };
        if !fits {
            return Err(format!("{response:?} does not fit {:?}", self.waiting[at].kind));
        }
        for waiting in self.waiting.drain(..at) {
            let Kind::Meta { misses, .. } = waiting.kind else { continue };
            let status = if misses { MetaStatus::Miss } else { MetaStatus::Done };
            let said = match waiting.doubted {
                false => Said::silence(status),
                true => Said::Unknown,
            };
            for tag in waiting.tags {
                told.push(Told { tag, begun: waiting.begun, said: said.clone() });
            }
        }
        // What was said before is about those before.
        self.waiting.iter_mut().for_each(|waiting| waiting.doubted = false);
        if let (Some(waiting), Some(said)) = (self.waiting.pop_front(), said) {
            for tag in waiting.tags {
                told.push(Told { tag, begun: waiting.begun, said: said.clone() });
            }
        }
        Ok(())
    }
}

impl Waiting {
    /// Tells all that have not been told.
    fn rest(&self, said: &Said, told: &mut Vec<Told>) -> bool {
        for (at, tag) in self.tags.iter().enumerate() {
            if !self.answered.get(at).copied().unwrap_or(false) {
                told.push(Told { tag: tag.clone(), begun: self.begun, said: said.clone() });
            }
        }
        true
    }
}

fn key_of(tag: &Tag) -> Option<&[u8]> {
    match tag {
        Tag::Get { key, .. } | Tag::Gat { key, .. } => Some(key),
        _ => None,
    }
}

/// What a command is answered by, and whose it is.
fn read(command: &Command<'_>, text: &[u8]) -> (Kind, Vec<Tag>) {
    let number = |exptime: memcache_proto::Exptime| {
        u64::try_from(exptime.to_wire() - FAR).unwrap_or(u64::MAX)
    };
    let or_nothing = |noreply: bool, kind| if noreply { Kind::Nothing } else { kind };
    match *command {
        Command::Get { keys, cas } => {
            let tags = keys.map(|key| Tag::Get { cas, key: key.as_bytes().to_vec() }).collect();
            (Kind::Values, tags)
        }
        Command::Gat { exptime, keys, cas } => {
            let stamp = number(exptime);
            let tag = |key: Key<'_>| Tag::Gat { stamp, cas, key: key.as_bytes().to_vec() };
            (Kind::Values, keys.map(tag).collect())
        }
        Command::Store { .. } if is_login(text) => {
            (Kind::Line(|response| *response == Response::Stored), vec![Tag::Login])
        }
        Command::Store { flags, noreply, .. } => {
            let kind = Kind::Line(|response| {
                matches!(
                    response,
                    Response::Stored | Response::NotStored | Response::Exists | Response::NotFound
                )
            });
            (or_nothing(noreply, kind), vec![Tag::Serial(flags.bits())])
        }
        Command::Delete { key, noreply } => {
            let kind =
                Kind::Line(|response| matches!(response, Response::Deleted | Response::NotFound));
            let tag = Tag::Delete { noreply, key: key.as_bytes().to_vec() };
            (or_nothing(noreply, kind), vec![tag])
        }
        Command::Incr { delta, noreply, .. } | Command::Decr { delta, noreply, .. } => {
            let kind =
                Kind::Line(|response| matches!(response, Response::Number(_) | Response::NotFound));
            (or_nothing(noreply, kind), vec![Tag::Serial(delta)])
        }
        Command::Touch { key, exptime, noreply } => {
            let kind =
                Kind::Line(|response| matches!(response, Response::Touched | Response::NotFound));
            let key = key.as_bytes().to_vec();
            (or_nothing(noreply, kind), vec![Tag::Touch { stamp: number(exptime), noreply, key }])
        }
        Command::FlushAll { delay, noreply } => {
            let kind = Kind::Line(|response| matches!(response, Response::Ok));
            let tag = delay.map_or(Tag::Flush, |delay| Tag::Serial(number(delay)));
            (or_nothing(noreply, kind), vec![tag])
        }
        Command::Version => {
            (Kind::Line(|response| matches!(response, Response::Version(_))), vec![Tag::Version])
        }
        Command::Stats(_) => (Kind::Stats, vec![Tag::Stats(text.to_vec())]),
        Command::Quit => (Kind::End, Vec::new()),
        Command::MetaNoop => (Kind::Noop, Vec::new()),
        Command::MetaDebug(key) => {
            let mut space = [0; MAX_KEY_LEN];
            let key = key.decode(&mut space).unwrap_or_default().to_vec();
            (Kind::Debug, vec![Tag::Debug { key }])
        }
        Command::MetaGet(_)
        | Command::MetaSet(_)
        | Command::MetaDelete(_)
        | Command::MetaArithmetic(_) => read_meta(command, text),
        _ => (Kind::Nothing, Vec::new()),
    }
}

fn read_meta(command: &Command<'_>, text: &[u8]) -> (Kind, Vec<Tag>) {
    let line = text.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let token = |letter: u8| {
        let mut words = line.split(|&byte| byte == b' ').skip(2);
        words.find_map(|word| word.strip_prefix(&[letter])).unwrap_or_default()
    };
    let serial = core::str::from_utf8(token(b'P')).ok().and_then(|digits| digits.parse().ok());
    let Some(meta) = command.as_meta() else { return (Kind::Nothing, Vec::new()) };
    let mut space = [0; MAX_KEY_LEN];
    let kind = Kind::Meta {
        quiet: meta.is_quiet(),
        opaque: token(b'O').to_vec(),
        key: meta.key().decode(&mut space).unwrap_or_default().to_vec(),
        misses: matches!(command, Command::MetaGet(_)),
    };
    (kind, vec![Tag::Serial(serial.unwrap_or(u64::MAX))])
}

/// A number that stands for the bytes of a command, its opaque left out.
pub(crate) fn digest(command: &[u8]) -> u64 {
    let end = command.iter().position(|&byte| byte == b'\r').unwrap_or(command.len());
    let (line, rest) = command.split_at(end);
    let is_meta = matches!(line, [b'm', _, b' ', ..]);
    let mut hasher = DefaultHasher::new();
    for (at, word) in line.split(|&byte| byte == b' ').enumerate() {
        if !(is_meta && at > 1 && word.starts_with(b"O")) {
            word.hash(&mut hasher);
        }
    }
    rest.hash(&mut hasher);
    hasher.finish()
}

/// The requests that a command is.
pub(crate) fn tags_of(command: &[u8]) -> Vec<Tag> {
    let limits = Limits { max_line_len: 1 << 20, ..Limits::default() };
    match Command::parse(command, &limits) {
        Ok(Some((parsed, _))) => read(&parsed, command).1,
        _ => Vec::new(),
    }
}
