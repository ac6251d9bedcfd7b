use core::fmt;

use super::command::{Command, Keys, MetadumpTarget, StatsArgument, StoreVerb};
use super::grammar::{c_int, c_text, c_uint, c_unsigned, line_word};
use super::meta::parse::{MetaFault, MetaLine, MetaName, debug_key};
use super::response::Response;
use crate::value::Flags;
use crate::{Exptime, Key, Limits, MAX_KEY_LEN};

impl<'a> Command<'a> {
    /// Parses one command from the start of `input`; also returns how many bytes it took. The inverse
    /// of [`Command::encode`], for servers, proxies and fuzzers.
    ///
    /// A line is read as memcached 1.6.18 reads it: its words may have any number of spaces between
    /// them, LF alone ends it too, everything from a NUL on is ignored, and numbers are what C's
    /// `strtol` makes of them, wrapped to the width the server keeps (flags are not cut). So a command
    /// may encode to other bytes than it was parsed from, but never to another meaning.
    ///
    /// `Ok(None)` where the input ends before the command does: call again with more.
    ///
    /// ```
    /// use memcache_proto::Limits;
    /// use memcache_proto::codec::{Command, CommandError, Refusal};
    ///
    /// let limits = Limits::default();
    /// let (command, len) = Command::parse(b"delete foo\r\nget", &limits)?.expect("a whole command");
    /// assert!(matches!(command, Command::Delete { key, .. } if key.as_bytes() == b"foo"));
    /// assert_eq!(len, 12);
    /// assert_eq!(Command::parse(b"set foo 0 0 3\r\nba", &limits)?, None); // incomplete
    /// assert_eq!(
    ///     Command::parse(b"bogus\r\n", &limits),
    ///     Err(CommandError::Refused { refusal: Refusal::Unknown, noreply: false, len: 7 }),
    /// );
    /// # Ok::<(), CommandError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`CommandError`]: [`Refused`](CommandError::Refused) has the words in which memcached answers, the
    /// others say why there is no answer, or which limit of this parser was passed. Where another command
    /// may follow, it begins `len` bytes further on; behind the errors without a `len` none does.
    pub fn parse(input: &'a [u8], limits: &Limits) -> Result<Option<(Self, usize)>, CommandError> {
        let line_end = memchr::memchr(b'\n', input);
        check_line(input, line_end, limits)?;
        let Some((line, [_, rest @ ..])) = line_end.and_then(|at| input.split_at_checked(at))
        else {
            return Ok(None);
        };
        let line_len = line.len() + 1;
        let refused = |refusal, noreply, len| Err(CommandError::Refused { refusal, noreply, len });
        let header = match command_line(line) {
            Ok(CommandLine::Whole(command)) => return Ok(Some((command, line_len))),
            Ok(CommandLine::Meta(line)) => {
                return match line.check_opaque() {
                    Ok(()) => Ok(Some((line.request(b"").into(), line_len))),
                    Err(refusal) => refused(refusal, false, line_len),
                };
            }
            Ok(CommandLine::Value(header)) => header,
            Err(LineError::Http) => return Err(CommandError::Http),
            Err(LineError::Refused { refusal, noreply, swallow }) => {
                return refused(refusal, noreply, line_len.saturating_add(swallow));
            }
        };
        let (value_len, noreply) = (header.value_len(), header.noreply());
        let len = line_len.saturating_add(value_len).saturating_add(2);
        if value_len > limits.max_value_len {
            return Err(CommandError::ValueTooLong { value_len, noreply, len });
        }
        match rest.split_at_checked(value_len) {
            Some((value, [b'\r', b'\n', ..])) => Ok(Some((header.with(value), len))),
            Some((_, [_, _, ..])) => refused(Refusal::BadDataChunk, noreply, len),
            _ => Ok(None),
        }
    }

    /// The first of the commands that this crate has written to `text`, and its length. The limits are for
    /// what a peer sends.
    pub(crate) fn parse_own(text: &'a [u8]) -> Option<(Self, usize)> {
        let limits = Limits {
            max_line_len: usize::MAX,
            max_value_len: usize::MAX,
            max_queued_bytes: usize::MAX,
            ..Limits::default()
        };
        Self::parse(text, &limits).ok().flatten()
    }
}

/// Why bytes are no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// A line, or a line and its value, that a server refuses in these words. The next command begins
    /// behind it.
    Refused {
        /// What the server answers.
        refusal: Refusal,
        /// Whether the client had asked for no answer; then memcached says nothing.
        noreply: bool,
        /// The bytes refused.
        len: usize,
    },
    /// A storage command with a value of more than [`Limits::max_value_len`]. The value need not have
    /// arrived yet. What to answer is the server's to decide: memcached says `SERVER_ERROR object too
    /// large for cache` once the value has come.
    ValueTooLong {
        /// The length announced, in bytes.
        value_len: usize,
        /// Whether the client had asked for no answer.
        noreply: bool,
        /// The bytes of the whole command, its value included.
        len: usize,
    },
    /// A line longer than its limit: [`Limits::max_line_len`], which is at least 105 here, or, for a
    /// `get` or `gets`, [`Limits::max_queued_bytes`] where that is more. A server closes the connection
    /// and says nothing.
    LineTooLong {
        /// The limit, in bytes.
        max: usize,
    },
    /// A line of HTTP. A server closes the connection and says nothing, lest a browser be made to send
    /// commands.
    Http,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::Refused { refusal, .. } => write!(f, "{refusal}"),
            CommandError::ValueTooLong { value_len, .. } => {
                write!(f, "a value of {value_len} bytes, more than Limits::max_value_len allows")
            }
            CommandError::LineTooLong { max } => write!(f, "a line of more than {max} bytes"),
            CommandError::Http => write!(f, "a line of HTTP"),
        }
    }
}

impl core::error::Error for CommandError {}

/// What memcached 1.6.18 answers to a command that it cannot read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// `ERROR`: an unknown command, or one with too few or too many words.
    Unknown,
    /// `CLIENT_ERROR bad command line format`: a key that is too long, or a bad number.
    BadFormat,
    /// `CLIENT_ERROR bad command line`: a cachedump that lacks an argument.
    BadLine,
    /// `CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]`
    BadDelete,
    /// `CLIENT_ERROR bad data chunk`: no CR LF where the value should end.
    BadDataChunk,
    /// `CLIENT_ERROR invalid exptime argument`
    BadExptime,
    /// `CLIENT_ERROR invalid numeric delta argument`
    BadDelta,
    /// `CLIENT_ERROR usage: stats detail on|off|dump`
    BadDetail,
    /// `CLIENT_ERROR invalid shutdown mode`, where shutdown is enabled.
    BadShutdownMode,
    /// `BADCLASS invalid class id`
    BadClass,
    /// `CLIENT_ERROR duplicate flag`, of mg or ms.
    DuplicateFlag,
    /// `CLIENT_ERROR invalid flag`: one that mg or ms do not know.
    InvalidFlag,
    /// `CLIENT_ERROR invalid or duplicate flag`: any fault of a flag of md or ma.
    BadFlag,
    /// `CLIENT_ERROR bad token in command line format`: a flag of mg or ms without its number.
    BadToken,
    /// `CLIENT_ERROR invalid numeric delta value`: a `D` of mg or ms that is no number.
    BadDeltaFlag,
    /// `CLIENT_ERROR invalid numeric initial value`: the same of a `J`.
    BadInitial,
    /// `CLIENT_ERROR error decoding key`: what is to be base64 and is not.
    BadKey,
    /// `CLIENT_ERROR incorrect length for M token`
    BadModeLength,
    /// `CLIENT_ERROR invalid mode for ms M token`
    BadSetMode,
    /// `CLIENT_ERROR invalid mode for ma M token`
    BadCountMode,
    /// `CLIENT_ERROR opaque token too long`
    OpaqueTooLong,
    /// `CLIENT_ERROR options flags are too long`: too many words behind mg.
    FlagsAreTooLong,
    /// `CLIENT_ERROR options flags too long`: the same behind ms, md or ma.
    FlagsTooLong,
}

impl Refusal {
    /// The refusal as a response.
    #[must_use]
    pub const fn response(self) -> Response<'static> {
        match self {
            Refusal::Unknown => Response::Error(b""),
            Refusal::BadFormat => Response::ClientError(b"bad command line format"),
            Refusal::BadLine => Response::ClientError(b"bad command line"),
            Refusal::BadDelete => {
                Response::ClientError(b"bad command line format.  Usage: delete <key> [noreply]")
            }
            Refusal::BadDataChunk => Response::ClientError(b"bad data chunk"),
            Refusal::BadExptime => Response::ClientError(b"invalid exptime argument"),
            Refusal::BadDelta => Response::ClientError(b"invalid numeric delta argument"),
            Refusal::BadDetail => Response::ClientError(b"usage: stats detail on|off|dump"),
            Refusal::BadShutdownMode => Response::ClientError(b"invalid shutdown mode"),
            Refusal::BadClass => Response::BadClass(b"invalid class id"),
            Refusal::DuplicateFlag => Response::ClientError(b"duplicate flag"),
            Refusal::InvalidFlag => Response::ClientError(b"invalid flag"),
            Refusal::BadFlag => Response::ClientError(b"invalid or duplicate flag"),
            Refusal::BadToken => Response::ClientError(b"bad token in command line format"),
            Refusal::BadDeltaFlag => Response::ClientError(b"invalid numeric delta value"),
            Refusal::BadInitial => Response::ClientError(b"invalid numeric initial value"),
            Refusal::BadKey => Response::ClientError(b"error decoding key"),
            Refusal::BadModeLength => Response::ClientError(b"incorrect length for M token"),
            Refusal::BadSetMode => Response::ClientError(b"invalid mode for ms M token"),
            Refusal::BadCountMode => Response::ClientError(b"invalid mode for ma M token"),
            Refusal::OpaqueTooLong => Response::ClientError(b"opaque token too long"),
            Refusal::FlagsAreTooLong => Response::ClientError(b"options flags are too long"),
            Refusal::FlagsTooLong => Response::ClientError(b"options flags too long"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Refusal::Unknown => "an unknown command, or a wrong number of words",
            Refusal::BadFormat => "a key that is too long, or a bad number",
            Refusal::BadLine => "a cachedump that lacks an argument",
            Refusal::BadDelete => "a delete with something else than noreply behind the key",
            Refusal::BadDataChunk => "a value without CR LF behind it",
            Refusal::BadExptime => "an exptime that is no number",
            Refusal::BadDelta => "a delta that is no number",
            Refusal::BadDetail => "stats detail without on, off or dump",
            Refusal::BadShutdownMode => "an unknown way to shut down",
            Refusal::BadClass => "an unknown slab class",
            Refusal::DuplicateFlag => "a flag that is there twice",
            Refusal::InvalidFlag => "an unknown flag",
            Refusal::BadFlag => "a flag that is unknown, there twice, or without its number",
            Refusal::BadToken | Refusal::BadDeltaFlag | Refusal::BadInitial => {
                "a flag without its number"
            }
            Refusal::BadKey => "a key that is not in base64",
            Refusal::BadModeLength => "a mode that is not one letter",
            Refusal::BadSetMode => "an unknown way to store",
            Refusal::BadCountMode => "an unknown way to count",
            Refusal::OpaqueTooLong => "an opaque that is too long",
            Refusal::FlagsAreTooLong | Refusal::FlagsTooLong => "too many flags",
        };
        write!(f, "{text}")
    }
}

/// A parsed line: all of a command, or the head of one that has a value behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CommandLine<'a> {
    Whole(Command<'a>),
    /// Any of the meta commands that have flags, but for `ms`.
    Meta(MetaLine<'a>),
    Value(ValueHeader<'a>),
}

/// The line of a command that has a value behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ValueHeader<'a> {
    Store(StoreHeader<'a>),
    /// `ms`
    Meta(MetaLine<'a>),
}

impl<'a> ValueHeader<'a> {
    pub(crate) const fn value_len(&self) -> usize {
        match self {
            ValueHeader::Store(header) => header.value_len,
            ValueHeader::Meta(line) => line.value_len,
        }
    }

    pub(crate) const fn noreply(&self) -> bool {
        match self {
            ValueHeader::Store(header) => header.noreply,
            // The errors of a quiet one are told.
            ValueHeader::Meta(_) => false,
        }
    }

    fn with(self, value: &'a [u8]) -> Command<'a> {
        match self {
            ValueHeader::Store(header) => header.with(value),
            ValueHeader::Meta(line) => line.request(value).into(),
        }
    }
}

/// The line of a storage command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreHeader<'a> {
    pub(crate) verb: StoreVerb,
    pub(crate) key: Key<'a>,
    pub(crate) flags: Flags,
    pub(crate) exptime: Exptime,
    pub(crate) value_len: usize,
    pub(crate) noreply: bool,
}

impl<'a> StoreHeader<'a> {
    pub(crate) const fn with(self, value: &'a [u8]) -> Command<'a> {
        let StoreHeader { verb, key, flags, exptime, noreply, .. } = self;
        Command::Store { verb, key, flags, exptime, value, noreply }
    }
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineError {
    /// As many bytes behind the line as `swallow` says are its value.
    Refused {
        refusal: Refusal,
        noreply: bool,
        swallow: usize,
    },
    Http,
}

impl From<Refusal> for LineError {
    fn from(refusal: Refusal) -> Self {
        LineError::Refused { refusal, noreply: false, swallow: 0 }
    }
}

impl From<MetaFault> for LineError {
    fn from(MetaFault { refusal, swallow }: MetaFault) -> Self {
        LineError::Refused { refusal, noreply: false, swallow }
    }
}

/// How many spaces may stand before the name of a get that is longer than other lines.
const MAX_SPACES: usize = 100;

/// Refuses `input` whose line ends at `line_end`, or has not ended yet, and is longer than the limit.
pub(crate) fn check_line(
    input: &[u8],
    line_end: Option<usize>,
    limits: &Limits,
) -> Result<(), CommandError> {
    let len = line_end.unwrap_or(input.len());
    // As many bytes are needed to see whether it is a get, so the answer is the same for any pieces.
    let max_line_len = limits.max_line_len.max(MAX_SPACES + b"gets ".len());
    if len <= max_line_len {
        return Ok(());
    }
    // What memcached's `try_read_command_ascii` takes for a large multi get.
    let head = match input.iter().position(|&byte| byte != b' ') {
        Some(start @ 0..=MAX_SPACES) => input.get(start..).unwrap_or_default(),
        _ => b"",
    };
    let is_get = head.starts_with(b"get ") || head.starts_with(b"gets ");
    let max = if is_get { limits.max_queued_bytes.max(max_line_len) } else { max_line_len };
    if len <= max { Ok(()) } else { Err(CommandError::LineTooLong { max }) }
}

/// One line of a client, without its LF.
pub(crate) fn command_line(line: &[u8]) -> Result<CommandLine<'_>, LineError> {
    let line = match line {
        [text @ .., b'\r'] if !text.is_empty() => text,
        _ => line,
    };
    let line = c_text(line);
    let Ok((rest, name @ [first, _, ..])) = line_word(line) else {
        return Err(Refusal::Unknown.into());
    };
    let command = match name {
        b"get" | b"bget" => get(rest, false)?,
        b"gets" => get(rest, true)?,
        b"gat" => gat(rest, false)?,
        b"gats" => gat(rest, true)?,
        b"set" => return store(StoreVerb::Set, rest),
        b"add" => return store(StoreVerb::Add, rest),
        b"replace" => return store(StoreVerb::Replace, rest),
        b"append" => return store(StoreVerb::Append, rest),
        b"prepend" => return store(StoreVerb::Prepend, rest),
        b"cas" => return store(StoreVerb::Cas(0), rest),
        b"delete" => delete(rest)?,
        b"incr" => {
            let (key, delta, noreply) = counter(rest)?;
            Command::Incr { key, delta, noreply }
        }
        b"decr" => {
            let (key, delta, noreply) = counter(rest)?;
            Command::Decr { key, delta, noreply }
        }
        b"touch" => touch(rest)?,
        b"flush_all" => flush_all(rest)?,
        b"version" => Command::Version,
        b"verbosity" => {
            let (level, noreply) = level(rest, Refusal::BadFormat)?;
            Command::Verbosity { level, noreply }
        }
        b"cache_memlimit" => {
            let (megabytes, noreply) = level(rest, Refusal::Unknown)?;
            Command::CacheMemlimit { megabytes, noreply }
        }
        b"quit" => Command::Quit,
        b"shutdown" => shutdown(rest)?,
        b"stats" => stats(rest)?,
        b"lru_crawler" => lru_crawler(rest)?,
        b"config" => config(rest)?,
        b"mg" => return Ok(CommandLine::Meta(MetaLine::parse(MetaName::Get, rest)?)),
        b"ms" => {
            let line = MetaLine::parse(MetaName::Set, rest)?;
            return Ok(CommandLine::Value(ValueHeader::Meta(line)));
        }
        b"md" => return Ok(CommandLine::Meta(MetaLine::parse(MetaName::Delete, rest)?)),
        b"ma" => return Ok(CommandLine::Meta(MetaLine::parse(MetaName::Arithmetic, rest)?)),
        b"me" => Command::MetaDebug(debug_key(rest)?),
        b"mn" => Command::MetaNoop,
        // memcached looks for HTTP only where the first letter is not that of one of its commands.
        _ if b"gsacidt".contains(first) || (*first == b'm' && name.len() == 2) => {
            return Err(Refusal::Unknown.into());
        }
        _ => return Err(unknown(line)),
    };
    Ok(CommandLine::Whole(command))
}

/// The words behind a command's name: the first ones, and how many there are.
struct Words<'a> {
    first: [&'a [u8]; 7],
    count: usize,
}

impl<'a> Words<'a> {
    fn of(line: &'a [u8]) -> Self {
        let mut words = Words { first: [b""; 7], count: 0 };
        let mut rest = line;
        while let Ok((behind, word)) = line_word(rest) {
            if let Some(place) = words.first.get_mut(words.count) {
                *place = word;
            }
            words.count += 1;
            rest = behind;
        }
        words
    }

    /// The words, where there are `min` or one more of them: the last may be `noreply`.
    fn with_noreply(line: &'a [u8], min: usize) -> Result<(Self, bool), LineError> {
        let words = Words::of(line);
        if words.count != min && words.count != min + 1 {
            return Err(Refusal::Unknown.into());
        }
        let noreply = words.last() == b"noreply";
        Ok((words, noreply))
    }

    fn last(&self) -> &'a [u8] {
        self.count.checked_sub(1).and_then(|last| self.first.get(last)).copied().unwrap_or(b"")
    }
}

fn key(word: &[u8]) -> Result<Key<'_>, Refusal> {
    Key::from_wire(word).ok_or(Refusal::BadFormat)
}

/// Says of a refusal whether it is to be silent.
fn refused<T>(result: Result<T, Refusal>, noreply: bool) -> Result<T, LineError> {
    result.map_err(|refusal| LineError::Refused { refusal, noreply, swallow: 0 })
}

fn get(rest: &[u8], cas: bool) -> Result<Command<'_>, LineError> {
    if line_word(rest).is_err() {
        return Err(Refusal::Unknown.into());
    }
    Ok(Command::Get { keys: keys(rest)?, cas })
}

fn gat(rest: &[u8], cas: bool) -> Result<Command<'_>, LineError> {
    let Ok((rest, word)) = line_word(rest) else {
        return Err(Refusal::Unknown.into());
    };
    let exptime = Exptime::from_wire(c_int(word).ok_or(Refusal::BadExptime)?);
    Ok(Command::Gat { exptime, keys: keys(rest)?, cas })
}

fn keys(line: &[u8]) -> Result<Keys<'_>, Refusal> {
    let mut rest = line;
    while let Ok((behind, word)) = line_word(rest) {
        if word.len() > MAX_KEY_LEN {
            return Err(Refusal::BadFormat);
        }
        rest = behind;
    }
    Ok(Keys::line(line))
}

fn store(verb: StoreVerb, rest: &[u8]) -> Result<CommandLine<'_>, LineError> {
    let is_cas = matches!(verb, StoreVerb::Cas(_));
    let (words, noreply) = Words::with_noreply(rest, if is_cas { 5 } else { 4 })?;
    let [name, flags, exptime, len, unique, ..] = words.first;
    let header = || {
        let key = Key::from_wire(name)?;
        let flags = Flags::from_wire(c_unsigned(flags)?);
        let exptime = Exptime::from_wire(c_int(exptime)?);
        // The server adds CR LF to the length, in 32 bits.
        let value_len = c_int(len).filter(|&len| len <= i32::MAX - 2)?;
        let value_len = usize::try_from(value_len).ok()?;
        let verb = if is_cas { StoreVerb::Cas(c_unsigned(unique)?) } else { verb };
        Some(StoreHeader { verb, key, flags, exptime, value_len, noreply })
    };
    let header = refused(header().ok_or(Refusal::BadFormat), noreply)?;
    Ok(CommandLine::Value(ValueHeader::Store(header)))
}

fn delete(rest: &[u8]) -> Result<Command<'_>, LineError> {
    let words = Words::of(rest);
    let [name, hold, ..] = words.first;
    let noreply = words.count > 1 && words.last() == b"noreply";
    let valid = match words.count {
        1 => true,
        2 => hold == b"0" || noreply,
        3 => hold == b"0" && noreply,
        _ => return Err(Refusal::Unknown.into()),
    };
    let key = if valid { key(name) } else { Err(Refusal::BadDelete) };
    Ok(Command::Delete { key: refused(key, noreply)?, noreply })
}

fn counter(rest: &[u8]) -> Result<(Key<'_>, u64, bool), LineError> {
    let (words, noreply) = Words::with_noreply(rest, 2)?;
    let [name, delta, ..] = words.first;
    let key = refused(key(name), noreply)?;
    let delta = refused(c_unsigned(delta).ok_or(Refusal::BadDelta), noreply)?;
    Ok((key, delta, noreply))
}

fn touch(rest: &[u8]) -> Result<Command<'_>, LineError> {
    let (words, noreply) = Words::with_noreply(rest, 2)?;
    let [name, exptime, ..] = words.first;
    let key = refused(key(name), noreply)?;
    let exptime = refused(c_int(exptime).ok_or(Refusal::BadExptime), noreply)?;
    Ok(Command::Touch { key, exptime: Exptime::from_wire(exptime), noreply })
}

fn flush_all(rest: &[u8]) -> Result<Command<'_>, LineError> {
    let words = Words::of(rest);
    if words.count > 2 {
        return Err(Refusal::Unknown.into());
    }
    let noreply = words.last() == b"noreply";
    if words.count == usize::from(noreply) {
        return Ok(Command::FlushAll { delay: None, noreply });
    }
    let [delay, ..] = words.first;
    let delay = refused(c_int(delay).ok_or(Refusal::BadExptime), noreply)?;
    Ok(Command::FlushAll { delay: Some(Exptime::from_wire(delay)), noreply })
}

fn level(rest: &[u8], refusal: Refusal) -> Result<(u32, bool), LineError> {
    let (words, noreply) = Words::with_noreply(rest, 1)?;
    let [level, ..] = words.first;
    Ok((refused(c_uint(level).ok_or(refusal), noreply)?, noreply))
}

fn shutdown(rest: &[u8]) -> Result<Command<'_>, LineError> {
    let words = Words::of(rest);
    match (words.count, words.last()) {
        (0, _) => Ok(Command::Shutdown { graceful: false }),
        (1, b"graceful") => Ok(Command::Shutdown { graceful: true }),
        _ => Err(Refusal::BadShutdownMode.into()),
    }
}

fn stats(rest: &[u8]) -> Result<Command<'_>, LineError> {
    let words = Words::of(rest);
    let [name, second, third, ..] = words.first;
    let argument = match name {
        b"" => StatsArgument::General,
        b"items" => StatsArgument::Items,
        b"slabs" => StatsArgument::Slabs,
        b"sizes" => StatsArgument::Sizes,
        b"settings" => StatsArgument::Settings,
        b"conns" => StatsArgument::Conns,
        b"reset" => StatsArgument::Reset,
        b"detail" => match second {
            b"on" => StatsArgument::DetailOn,
            b"off" => StatsArgument::DetailOff,
            b"dump" => StatsArgument::DetailDump,
            _ => return Err(Refusal::BadDetail.into()),
        },
        b"cachedump" if words.count < 3 => return Err(Refusal::BadLine.into()),
        b"cachedump" => {
            let (class, limit) = c_uint(second).zip(c_uint(third)).ok_or(Refusal::BadFormat)?;
            StatsArgument::Cachedump { class, limit }
        }
        _ => StatsArgument::Other(Key::from_wire(name).ok_or(Refusal::Unknown)?),
    };
    Ok(Command::Stats(argument))
}

fn lru_crawler(rest: &[u8]) -> Result<Command<'_>, LineError> {
    let words = Words::of(rest);
    let [name, target, ..] = words.first;
    if words.count != 2 || name != b"metadump" {
        return Err(Refusal::Unknown.into());
    }
    let target = match target {
        b"all" => MetadumpTarget::All,
        b"hash" => MetadumpTarget::Hash,
        _ => MetadumpTarget::Class(c_uint(target).ok_or(Refusal::BadClass)?),
    };
    Ok(Command::Metadump(target))
}

fn config(rest: &[u8]) -> Result<Command<'_>, LineError> {
    let words = Words::of(rest);
    match (words.count, words.first) {
        (2, [b"get", name, ..]) => {
            Ok(Command::ConfigGet(Key::from_wire(name).ok_or(Refusal::Unknown)?))
        }
        _ => Err(Refusal::Unknown.into()),
    }
}

fn unknown(line: &[u8]) -> LineError {
    // memcached cuts a line into 23 words at a time and looks at the last of the first lot.
    let mut rest = line;
    let words = core::iter::from_fn(|| {
        let (behind, word) = line_word(rest).ok()?;
        rest = behind;
        Some(word)
    });
    match words.take(23).last() {
        Some(word) if word.starts_with(b"HTTP/") => LineError::Http,
        _ => Refusal::Unknown.into(),
    }
}
