use super::frequent::{self, Deliver};
use super::meta::MetaFlags;
use super::parse_response::{Found, Header, find_any};
use crate::escape::text;
use crate::value::Flags;
use crate::{ErrorLine, Key, Limits, ProtocolError};

/// One response of a server: a line, or a `VALUE` line and the value behind it.
///
/// A reply may be of several: a multi get is answered by a [`Response::Value`] for each key found and
/// then [`Response::End`]. Which responses answer which command is the connection's
/// to know. Texts are as they came: show them as [`Escaped`](crate::Escaped), which its `Debug` does.
///
/// ```
/// use memcache_proto::Limits;
/// use memcache_proto::codec::Response;
///
/// let limits = Limits::default();
/// let input = b"VALUE foo 0 3\r\nbar\r\nEND\r\n";
/// let (response, len) = Response::parse(input, &limits)?.expect("all of it is there");
/// let Response::Value { key, value, .. } = response else { panic!("a VALUE") };
/// assert_eq!((key.as_bytes(), value), (&b"foo"[..], &b"bar"[..]));
/// assert_eq!(Response::parse(&input[len..], &limits)?, Some((Response::End, 5)));
/// assert_eq!(Response::parse(&input[..10], &limits)?, None); // incomplete: no error
/// # Ok::<(), memcache_proto::ProtocolError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
// Only for speed, nothing is promised: no field is put beside a tag of 64 bits, so that a response is
// copied word by word.
#[repr(u64)]
pub enum Response<'a> {
    /// `VALUE <key> <flags> <bytes> [<cas unique>]` and the value.
    Value {
        /// The key it belongs to.
        key: Key<'a>,
        /// The flags stored with it.
        flags: Flags,
        /// The cas unique, which `gets` and `gats` ask for.
        cas: Option<u64>,
        /// The value, without its CR LF.
        value: &'a [u8],
    },
    /// `CONFIG <name> <flags> <bytes>` and the text of a configuration, which answers `config get`. `END`
    /// follows.
    Config {
        /// The name that was asked for.
        name: Key<'a>,
        /// Always 0 so far.
        flags: Flags,
        /// The text, without the CR LF behind it. Of a cluster it is a line with a version and a line of
        /// servers: [`Discovered::of_config`](crate::discovery::Discovered::of_config) reads it.
        text: &'a [u8],
    },
    /// `END`: no more values, or no more lines.
    End,
    /// `STORED`
    Stored,
    /// `NOT_STORED`: the condition of an add, replace, append or prepend did not hold.
    NotStored,
    /// `EXISTS`: the item has changed since its cas unique was read.
    Exists,
    /// `NOT_FOUND`
    NotFound,
    /// `DELETED`
    Deleted,
    /// `TOUCHED`
    Touched,
    /// `OK`
    Ok,
    /// `RESET`: the answer to `stats reset`.
    Reset,
    /// The new value of a counter. A server may send spaces behind it.
    Number(u64),
    /// `VERSION <text>`
    Version(&'a [u8]),
    /// `STAT <name> <value>`; the value may hold spaces or be empty.
    Stat {
        /// Its name.
        name: &'a [u8],
        /// Its value, as text.
        value: &'a [u8],
    },
    /// `PREFIX <prefix> get <n> hit <n> set <n> del <n>`, a line of `stats detail dump`.
    Prefix {
        /// The part of the keys before the delimiter.
        prefix: &'a [u8],
        /// Keys looked up.
        get: u64,
        /// Keys found.
        hit: u64,
        /// Values stored.
        set: u64,
        /// Keys deleted.
        del: u64,
    },
    /// `ITEM <key> [<bytes> b; <exptime> s]`, a line of `stats cachedump`.
    Item {
        /// Its key.
        key: Key<'a>,
        /// Length of its value in bytes.
        bytes: u64,
        /// When it expires, in unix seconds; 0 where it does not.
        exptime: u64,
    },
    /// `key=<key> exp=<n> la=<n> cas=<n> fetch=<yes|no> cls=<n> size=<n>` and perhaps more, a line of
    /// `lru_crawler metadump`. It ends in LF alone.
    Metadump {
        /// The key, percent-encoded.
        key: &'a [u8],
        /// When it expires, in unix seconds; -1 where it does not.
        exp: i64,
        /// When it was last read or written, in unix seconds.
        la: i64,
        /// Its cas unique.
        cas: u64,
        /// Whether it has been read since it was stored.
        fetch: bool,
        /// Its slab class.
        cls: u32,
        /// Its whole size in bytes.
        size: u64,
        /// Its flags, which newer servers add.
        flags: Option<Flags>,
    },
    /// `BUSY [<text>]`: the slab rebalancer or the LRU crawler is at work.
    Busy(&'a [u8]),
    /// `BADCLASS [<text>]`
    BadClass(&'a [u8]),
    /// `NOSPARE [<text>]`
    NoSpare(&'a [u8]),
    /// `NOTFULL [<text>]`
    NotFull(&'a [u8]),
    /// `UNSAFE [<text>]`
    Unsafe(&'a [u8]),
    /// `SAME [<text>]`
    Same(&'a [u8]),
    /// `NOTSTARTED [<text>]`
    NotStarted(&'a [u8]),
    /// `MEMLIMIT_TOO_SMALL [<text>]`
    MemlimitTooSmall(&'a [u8]),
    /// `MEMLIMIT_ADJUST_FAILED [<text>]`
    MemlimitAdjustFailed(&'a [u8]),
    /// `WATCHER_TOO_MANY [<text>]`
    WatcherTooMany(&'a [u8]),
    /// `WATCHER_FAILED [<text>]`
    WatcherFailed(&'a [u8]),
    /// `HD <flags>*`: done, or found; there is no value.
    Hd(MetaFlags<'a>),
    /// `VA <bytes> <flags>*` and the value.
    Va {
        /// What came with it.
        flags: MetaFlags<'a>,
        /// The value, without its CR LF.
        value: &'a [u8],
    },
    /// `EN <flags>*`: a miss.
    En(MetaFlags<'a>),
    /// `NF <flags>*`: not found.
    Nf(MetaFlags<'a>),
    /// `NS <flags>*`: not stored.
    Ns(MetaFlags<'a>),
    /// `EX <flags>*`: the item has changed since its cas unique was read.
    Ex(MetaFlags<'a>),
    /// `MN`: the answer to `mn`.
    Mn,
    /// `ME <key> <name>=<value>*`: what the server knows of an item.
    Me {
        /// The key, in base64 if it was asked for so.
        key: &'a [u8],
        /// The rest of the line, `exp=-1 la=5 cas=2 fetch=no cls=1 size=63` for instance.
        items: &'a [u8],
    },
    /// `ERROR [<text>]`: the server does not know the command. Some versions write `ERROR: <text>`;
    /// then the text begins with the colon.
    Error(&'a [u8]),
    /// `CLIENT_ERROR <text>`
    ClientError(&'a [u8]),
    /// `SERVER_ERROR <text>`, or `SERVER_ERROR: <text>`
    ServerError(&'a [u8]),
}

impl<'a> Response<'a> {
    /// Parses one response from the start of `input`; also returns how many bytes it took.
    ///
    /// `Ok(None)` where the input ends before the response does: call again with more. For input that
    /// arrives in pieces, [`Decoder`](super::Decoder) does not begin again each time.
    ///
    /// # Errors
    ///
    /// A [`ProtocolError`] where the input can be no response, or passes one of `limits`. A line is
    /// refused as soon as its first eight bytes begin no response, otherwise when its LF is there; one
    /// that has no LF, when it is too long.
    #[inline(always)]
    pub fn parse(input: &'a [u8], limits: &Limits) -> Result<Option<(Self, usize)>, ProtocolError> {
        frequent::deliver(input, limits, Parse { input, limits })
    }

    /// The server's own words, where this is one of the three error lines: as [`Escaped`](crate::Escaped)
    /// shows them.
    #[must_use]
    pub fn as_error_line(&self) -> Option<ErrorLine> {
        match self {
            Response::Error(words) => Some(ErrorLine::Error(text(words))),
            Response::ClientError(words) => Some(ErrorLine::Client(text(words))),
            Response::ServerError(words) => Some(ErrorLine::Server(text(words))),
            _ => None,
        }
    }
}

/// What [`Response::parse`] makes of its input.
struct Parse<'a, 'l> {
    input: &'a [u8],
    limits: &'l Limits,
}

impl<'a> Deliver<'a> for Parse<'a, '_> {
    type Made = Result<Option<(Response<'a>, usize)>, ProtocolError>;

    #[inline(always)]
    fn whole(self, response: Response<'a>, len: usize) -> Self::Made {
        Ok(Some((response, len)))
    }

    #[inline(always)]
    fn header(self, _: Header<'a>, _: usize, _: usize) -> Self::Made {
        Ok(None)
    }

    #[inline(always)]
    fn other(self) -> Self::Made {
        // Whoever takes all there is ends here, without a call.
        if self.input.is_empty() {
            return Ok(None);
        }
        match find_any(self.input, self.limits)? {
            Found::Whole(response, len) => Ok(Some((response, len))),
            Found::Header { .. } | Found::Nothing => Ok(None),
        }
    }
}
