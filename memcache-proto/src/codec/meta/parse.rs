//! Meta commands from the words of a line, as memcached 1.6.18 reads them; `E`, and `x` of `md`, which
//! only newer servers know, are read too.

use super::common::{Common, Returns};
use super::order::Order;
use super::{MetaArithmetic, MetaDelete, MetaGet, MetaKey, MetaRequest, MetaSet, SetMode, Token};
use crate::codec::grammar::{c_int, c_unsigned, line_word};
use crate::codec::parse_command::Refusal;
use crate::value::Flags;
use crate::{Exptime, Key, MAX_KEY_LEN};

/// How many words there may be behind the name of a command.
const MAX_WORDS: usize = 18;
/// How many bytes an opaque may have, with the letter before it.
const MAX_OPAQUE_LEN: usize = Token::MAX_LEN + 1;

/// Which of the commands that have flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetaName {
    Get,
    Set,
    Delete,
    Arithmetic,
}

/// A meta command without its value: what its flags say, and the flags as they stood, because the reply
/// gives some of them back in that order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetaLine<'a> {
    pub(crate) name: MetaName,
    pub(crate) key: MetaKey<'a>,
    /// The key as it stood.
    key_text: Key<'a>,
    /// The flags, a space or more before each.
    pub(crate) flags: &'a [u8],
    pub(crate) value_len: usize,
    pub(crate) quiet: bool,
    pub(crate) base64: bool,
    pub(crate) value: bool,
    pub(crate) unaccessed: bool,
    pub(crate) invalidate: bool,
    pub(crate) vivify: Option<Exptime>,
    pub(crate) recache: Option<Exptime>,
    pub(crate) ttl: Option<Exptime>,
    pub(crate) compare: Option<u64>,
    pub(crate) client_flags: u64,
    pub(crate) mode: u8,
    pub(crate) initial: u64,
    pub(crate) delta: u64,
    explicit_cas: Option<u64>,
    remove_value: bool,
    opaque: Option<Token>,
    proxy: Option<Token>,
    lane: Option<Token>,
    returns: Returns,
}

/// Why a line is no meta command, and how many bytes behind it go with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetaFault {
    pub(crate) refusal: Refusal,
    pub(crate) swallow: usize,
}

impl From<Refusal> for MetaFault {
    fn from(refusal: Refusal) -> Self {
        MetaFault { refusal, swallow: 0 }
    }
}

impl<'a> MetaLine<'a> {
    /// The command of this name whose other words are `rest`.
    pub(crate) fn parse(name: MetaName, rest: &'a [u8]) -> Result<Self, MetaFault> {
        let words = words(rest).count();
        let Ok((behind, key)) = line_word(rest) else { return Err(Refusal::Unknown.into()) };
        if words > MAX_WORDS {
            return Err(match name {
                MetaName::Get => Refusal::FlagsAreTooLong,
                MetaName::Set | MetaName::Delete | MetaName::Arithmetic => Refusal::FlagsTooLong,
            }
            .into());
        }
        if key.len() > MAX_KEY_LEN {
            return Err(Refusal::BadFormat.into());
        }
        let key_text = Key::from_wire(key).ok_or(Refusal::BadFormat)?;
        let (mut flags, mut value_len) = (behind, 0);
        if name == MetaName::Set {
            let (behind, len) = line_word(behind).map_err(|_| Refusal::BadFormat)?;
            // The server adds CR LF to the length, in 32 bits.
            let len = c_int(len).filter(|&len| len <= i32::MAX - 2).ok_or(Refusal::BadFormat)?;
            (flags, value_len) = (behind, usize::try_from(len).map_err(|_| Refusal::BadFormat)?);
        }
        let swallow = if name == MetaName::Set { value_len.saturating_add(2) } else { 0 };
        let mut line = MetaLine {
            name,
            key: key_text.into(),
            key_text,
            flags,
            value_len,
            quiet: false,
            base64: false,
            value: false,
            unaccessed: false,
            invalidate: false,
            vivify: None,
            recache: None,
            ttl: None,
            compare: None,
            client_flags: 0,
            mode: if name == MetaName::Arithmetic { b'I' } else { b'S' },
            initial: 0,
            delta: 1,
            explicit_cas: None,
            remove_value: false,
            opaque: None,
            proxy: None,
            lane: None,
            returns: Returns::default(),
        };
        match line.read_flags() {
            Ok(()) => Ok(line),
            // memcached 1.6.18 looks no further than a flag that it does not know.
            Err(refusal) => {
                let refusal = line.refusal_of_newer().unwrap_or(refusal);
                Err(MetaFault { refusal, swallow })
            }
        }
    }

    /// The line of a value of another length.
    #[cfg(feature = "server")]
    pub(crate) const fn with_value_len(self, value_len: usize) -> Self {
        MetaLine { value_len, ..self }
    }

    /// The flags, without the spaces between them.
    pub(crate) fn words(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        words(self.flags)
    }

    /// What memcached 1.6.18 says of flags that only newer servers know.
    pub(crate) fn refusal_of_newer(&self) -> Option<Refusal> {
        let newer = self.explicit_cas.is_some() || self.remove_value;
        newer.then_some(match self.name {
            MetaName::Get | MetaName::Set => Refusal::InvalidFlag,
            MetaName::Delete | MetaName::Arithmetic => Refusal::BadFlag,
        })
    }

    /// Refuses an opaque that is too long. memcached notices one of mg and ma only when its turn comes, and
    /// by then may have made or changed the item; so their lines pass [`MetaLine::parse`] with it.
    pub(crate) fn check_opaque(&self) -> Result<(), Refusal> {
        match self.words().any(is_long_opaque) {
            true => Err(Refusal::OpaqueTooLong),
            false => Ok(()),
        }
    }

    fn read_flags(&mut self) -> Result<(), Refusal> {
        let any = match self.name {
            MetaName::Get | MetaName::Set => None,
            // These two say of any fault that it is this one.
            MetaName::Delete | MetaName::Arithmetic => Some(Refusal::BadFlag),
        };
        let mut seen = [false; 127];
        // Of several faults the last is told, but for those that end the look.
        let mut fault = None;
        for word in self.words() {
            let Some((&letter, token)) = word.split_first() else { continue };
            match seen.get_mut(usize::from(letter)) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err(any.unwrap_or(Refusal::DuplicateFlag)),
            }
            let known = match self.read_flag(letter, token) {
                Ok(known) => known,
                Err(refusal) => {
                    // A bad F leaves the words of what was wrong before it.
                    fault = fault.filter(|_| letter == b'F').or(Some(refusal));
                    true
                }
            };
            if !known {
                return Err(any.unwrap_or(Refusal::InvalidFlag));
            }
        }
        if let Some(fault) = fault {
            return Err(any.unwrap_or(fault));
        }
        match (self.name, self.mode) {
            (MetaName::Set, b'S' | b'E' | b'A' | b'P' | b'R') => self.check_opaque(),
            (MetaName::Set, _) => Err(Refusal::BadSetMode),
            (MetaName::Arithmetic, b'I' | b'D' | b'+' | b'-') => Ok(()),
            (MetaName::Arithmetic, _) => Err(Refusal::BadCountMode),
            (MetaName::Delete, _) => self.check_opaque(),
            (MetaName::Get, _) => Ok(()),
        }
    }

    /// Takes in one flag. Whether there is such a flag.
    fn read_flag(&mut self, letter: u8, token: &[u8]) -> Result<bool, Refusal> {
        let exptime = || c_int(token).map(Exptime::from_wire).ok_or(Refusal::BadToken);
        match letter {
            b'b' => {
                self.base64 = true;
                self.key = MetaKey::from_wire(self.key_text, true);
                let mut space = [0; MAX_KEY_LEN];
                self.key.decode(&mut space).ok_or(Refusal::BadKey)?;
            }
            b'N' => self.vivify = Some(exptime()?),
            b'T' => self.ttl = Some(exptime()?),
            b'R' => self.recache = Some(exptime()?),
            b'q' => self.quiet = true,
            b'u' => self.unaccessed = true,
            b'I' => self.invalidate = true,
            b'F' => self.client_flags = c_unsigned(token).ok_or(Refusal::BadFormat)?,
            b'C' => self.compare = Some(c_unsigned(token).ok_or(Refusal::BadToken)?),
            b'M' => match token {
                [mode] => self.mode = *mode,
                _ => return Err(Refusal::BadModeLength),
            },
            b'E' => match c_unsigned(token) {
                Some(unique) => self.explicit_cas = Some(unique),
                None => return Ok(false),
            },
            b'x' if self.name == MetaName::Delete => self.remove_value = true,
            b'J' => self.initial = c_unsigned(token).ok_or(Refusal::BadInitial)?,
            b'D' => self.delta = c_unsigned(token).ok_or(Refusal::BadDeltaFlag)?,
            b'O' => self.opaque = Token::from_wire(token),
            b'P' => self.proxy = Token::from_wire(token),
            b'L' => self.lane = Token::from_wire(token),
            b'v' => {
                self.value = true;
                self.returns = self.returns.with(b'v');
            }
            b'k' | b's' | b't' | b'c' | b'f' | b'h' | b'l' => {
                self.returns = self.returns.with(letter);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The command as a client would have made it.
    pub(crate) fn request(&self, value: &'a [u8]) -> MetaRequest<'a> {
        let MetaLine { key, ttl, vivify, compare, invalidate, returns, .. } = *self;
        let new_cas = self.explicit_cas;
        let common = Common {
            returns,
            quiet: self.quiet,
            opaque: self.opaque,
            proxy: self.proxy,
            lane: self.lane,
        };
        let order = |built| {
            let letters = self.words().filter_map(|word| word.first().copied());
            Order::of(letters, built)
        };
        match self.name {
            MetaName::Get => {
                let recache = self.recache.map(|at| u32::try_from(at.to_wire()).unwrap_or(0));
                let unaccessed = self.unaccessed;
                let get = MetaGet::new(key);
                let get = MetaGet { common, unaccessed, compare, new_cas, ..get };
                MetaRequest::Get(MetaGet { vivify, recache, ttl, order: order(Order::GET), ..get })
            }
            MetaName::Set => {
                let client_flags = Flags::from_wire(self.client_flags);
                let mode = match self.mode {
                    b'E' => SetMode::Add,
                    b'R' => SetMode::Replace,
                    b'A' => SetMode::Append,
                    b'P' => SetMode::Prepend,
                    _ => SetMode::Set,
                };
                let set = MetaSet { mode, client_flags, ttl, ..MetaSet::set(key, value) };
                MetaRequest::Set(MetaSet { common, compare, new_cas, invalidate, vivify, ..set })
            }
            MetaName::Delete => {
                let remove_value = self.remove_value;
                let delete = MetaDelete { common, compare, new_cas, ..MetaDelete::new(key) };
                MetaRequest::Delete(MetaDelete { invalidate, ttl, remove_value, ..delete })
            }
            MetaName::Arithmetic => {
                let count = match self.mode {
                    b'D' | b'-' => MetaArithmetic::decr(key, self.delta),
                    _ => MetaArithmetic::incr(key, self.delta),
                };
                let create = vivify.map(|exptime| (self.initial, exptime));
                let count = MetaArithmetic { common, create, ttl, ..count };
                let count = MetaArithmetic { compare, new_cas, ..count };
                MetaRequest::Arithmetic(MetaArithmetic { order: order(Order::COUNT), ..count })
            }
        }
    }
}

/// The key of `me`, whose only flag is `b`, directly behind it.
pub(crate) fn debug_key(rest: &[u8]) -> Result<MetaKey<'_>, Refusal> {
    let mut words = words(rest);
    let (Some(key), base64) = (words.next(), words.next() == Some(b"b")) else {
        return Err(Refusal::BadFormat);
    };
    let key = MetaKey::from_wire(Key::from_wire(key).ok_or(Refusal::BadFormat)?, base64);
    let mut space = [0; MAX_KEY_LEN];
    key.decode(&mut space).map(|_| key).ok_or(Refusal::BadFormat)
}

/// Whether a flag is an opaque that is too long.
pub(crate) fn is_long_opaque(word: &[u8]) -> bool {
    word.first() == Some(&b'O') && word.len() > MAX_OPAQUE_LEN
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    core::iter::from_fn(move || {
        let (behind, word) = line_word(rest).ok()?;
        rest = behind;
        Some(word)
    })
}
