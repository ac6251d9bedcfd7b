use crate::codec::meta::common::{Common, Returns};
use crate::codec::{Command, MetaFlags, Response, StatsArgument, StoreVerb};

/// The replies that a request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// `VALUE`s, then `END`.
    Values {
        /// Whether it is gets or gats.
        cas: bool,
        /// Whether keys may be added to it.
        plain: bool,
    },
    /// `STORED` and its kin.
    Stored,
    /// Only cas is told of an item that has changed.
    CasStored,
    Deleted,
    Number,
    Touched,
    Ok,
    Version,
    /// `VERSION`, asked for by the connection itself.
    Barrier,
    /// `OK`, or what a server says that cannot have so much memory, or so little.
    Memlimit,
    /// Lines, then `END`; or `RESET`, or `OK`.
    Stats(StatsExpect),
    /// One `CONFIG`, or none, then `END`.
    Config,
    /// Lines, then `END`, with nothing else in flight.
    Metadump,
    /// What answers a meta request.
    Meta(MetaExpect),
    /// `MN`.
    Noop,
    /// EOF.
    Eof,
    /// Nothing at all: noreply.
    Nothing,
    /// Nothing, as it was cancelled before it was sent.
    Unsent,
}

/// What `stats` is answered depends on its argument: a reply to one is none to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatsExpect {
    /// `STAT` lines and `END`.
    Counters,
    /// `PREFIX` lines and `END`.
    Prefixes,
    /// `ITEM` lines and `END`.
    Items,
    Reset,
    Ok,
    /// An argument that is not known here: any of these.
    Any,
}

impl StatsExpect {
    fn of(argument: StatsArgument<'_>) -> Self {
        match argument {
            StatsArgument::General
            | StatsArgument::Items
            | StatsArgument::Slabs
            | StatsArgument::Sizes
            | StatsArgument::Settings
            | StatsArgument::Conns => StatsExpect::Counters,
            StatsArgument::Reset => StatsExpect::Reset,
            StatsArgument::DetailOn | StatsArgument::DetailOff => StatsExpect::Ok,
            StatsArgument::DetailDump => StatsExpect::Prefixes,
            StatsArgument::Cachedump { .. } => StatsExpect::Items,
            StatsArgument::Other(_) => StatsExpect::Any,
        }
    }

    /// How a line fits that is no error.
    fn fit(self, response: &Response<'_>) -> Option<Fit> {
        use StatsExpect::{Any, Counters, Items, Ok, Prefixes, Reset};
        match (self, response) {
            (Counters | Any, Response::Stat { .. })
            | (Prefixes | Any, Response::Prefix { .. })
            | (Items | Any, Response::Item { .. }) => Some(Fit::Part),
            (Counters | Prefixes | Items | Any, Response::End)
            | (Reset | Any, Response::Reset)
            | (Ok | Any, Response::Ok) => Some(Fit::Last),
            _ => None,
        }
    }
}

/// What a meta request may be answered. All that is checked against it is here, so that its text is looked
/// at only where a reply carries a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MetaExpect {
    kind: MetaKind,
    /// Whether there is no reply where all goes as expected.
    quiet: bool,
    /// Whether what is done, or given back, depends on the cas unique of the item.
    compares: bool,
    /// What it is to give back.
    asked: Returns,
}

/// Which meta request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MetaKind {
    Get,
    Set,
    Delete,
    Arithmetic,
    Debug,
}

/// How a response fits what is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// More is to follow.
    Part,
    /// It ends the reply.
    Last,
    /// It ends the reply, and what the server does next cannot be relied on.
    LastAndClose,
    /// It is the answer to something else.
    Unexpected,
}

impl Expect {
    #[inline]
    pub(super) fn of(command: &Command<'_>) -> Self {
        match *command {
            _ if command.is_noreply() => Expect::Nothing,
            Command::Get { cas, .. } => Expect::Values { cas, plain: true },
            Command::Gat { cas, .. } => Expect::Values { cas, plain: false },
            Command::Store { verb: StoreVerb::Cas(_), .. } => Expect::CasStored,
            Command::Store { .. } => Expect::Stored,
            Command::Delete { .. } => Expect::Deleted,
            Command::Incr { .. } | Command::Decr { .. } => Expect::Number,
            Command::Touch { .. } => Expect::Touched,
            Command::FlushAll { .. } | Command::Verbosity { .. } => Expect::Ok,
            Command::CacheMemlimit { .. } => Expect::Memlimit,
            Command::Version => Expect::Version,
            Command::Stats(argument) => Expect::Stats(StatsExpect::of(argument)),
            Command::ConfigGet(_) => Expect::Config,
            Command::Metadump(_) => Expect::Metadump,
            Command::Quit | Command::Shutdown { .. } => Expect::Eof,
            Command::MetaGet(ref get) => {
                MetaExpect::of(MetaKind::Get, &get.common, get.compare.is_some())
            }
            Command::MetaSet(ref set) => {
                MetaExpect::of(MetaKind::Set, &set.common, set.compare.is_some())
            }
            Command::MetaDelete(ref delete) => {
                MetaExpect::of(MetaKind::Delete, &delete.common, delete.compare.is_some())
            }
            Command::MetaArithmetic(ref count) => {
                MetaExpect::of(MetaKind::Arithmetic, &count.common, count.compare.is_some())
            }
            Command::MetaDebug(_) => MetaExpect::of(MetaKind::Debug, &Common::NONE, false),
            Command::MetaNoop => Expect::Noop,
        }
    }

    /// Whether a request may be of several such commands, each answered by one line, or by nothing.
    #[inline]
    pub(super) fn is_repeatable(self) -> bool {
        matches!(
            self,
            Expect::Stored
                | Expect::CasStored
                | Expect::Deleted
                | Expect::Touched
                | Expect::Nothing
        )
    }

    /// The line that answers such a command of a run if all goes as expected, and what it says.
    #[inline]
    pub(super) fn usual_line(self) -> Option<(&'static [u8], Response<'static>)> {
        match self {
            Expect::Stored | Expect::CasStored => Some((b"STORED\r\n", Response::Stored)),
            Expect::Deleted => Some((b"DELETED\r\n", Response::Deleted)),
            Expect::Touched => Some((b"TOUCHED\r\n", Response::Touched)),
            _ => None,
        }
    }

    /// Whether it is sent whether anybody waits for it or not, as others depend on its reply.
    pub(super) fn is_always_sent(self) -> bool {
        matches!(self, Expect::Barrier | Expect::Noop)
    }

    /// Whether something comes that is about it, or, where it is quiet, may come.
    pub(super) fn has_reply(self) -> bool {
        !matches!(self, Expect::Nothing | Expect::Unsent)
    }

    /// Whether it may be answered by the reply to a later request.
    pub(super) fn is_quiet(self) -> bool {
        matches!(self, Expect::Meta(MetaExpect { quiet: true, .. }))
    }

    pub(super) fn fit(self, response: &Response<'_>) -> Fit {
        match self {
            Expect::Meta(meta) => return meta.fit(response),
            Expect::Stats(stats) => {
                if let Some(fit) = stats.fit(response) {
                    return fit;
                }
            }
            _ => {}
        }
        match (self, response) {
            (Expect::Values { .. } | Expect::Config, Response::End)
            | (Expect::Stored | Expect::CasStored, Response::Stored)
            | (Expect::Stored, Response::NotStored)
            | (Expect::CasStored, Response::Exists | Response::NotFound)
            | (Expect::Deleted, Response::Deleted | Response::NotFound)
            | (Expect::Number, Response::Number(_) | Response::NotFound)
            | (Expect::Touched, Response::Touched | Response::NotFound)
            | (Expect::Ok | Expect::Memlimit, Response::Ok)
            | (
                Expect::Memlimit,
                Response::MemlimitTooSmall(_) | Response::MemlimitAdjustFailed(_),
            )
            | (Expect::Version | Expect::Barrier, Response::Version(_))
            | (Expect::Noop, Response::Mn)
            | (Expect::Metadump, Response::End | Response::Busy(_) | Response::BadClass(_)) => {
                Fit::Last
            }
            (Expect::Metadump, Response::Metadump { .. }) => Fit::Part,
            (Expect::Nothing | Expect::Unsent, _) => Fit::Unexpected,
            (_, Response::ServerError(_)) => Fit::Last,
            // After an ERROR to a storage command its value would be run as commands.
            (Expect::Stored | Expect::CasStored, Response::Error(_)) => Fit::LastAndClose,
            (_, Response::Error(_)) => Fit::Last,
            (Expect::Number, Response::ClientError(text)) if is_about_the_number(text) => Fit::Last,
            // What a server that was started with -F answers.
            (Expect::Ok, Response::ClientError(b"flush_all not allowed")) => Fit::Last,
            (_, Response::ClientError(_)) => Fit::LastAndClose,
            _ => Fit::Unexpected,
        }
    }
}

impl MetaExpect {
    const fn of(kind: MetaKind, common: &Common, compares: bool) -> Expect {
        let (quiet, asked) = (common.quiet, common.returns);
        Expect::Meta(MetaExpect { kind, quiet, compares, asked })
    }

    /// How a value with these flags fits.
    #[inline]
    pub(super) fn fit_value(self, flags: &MetaFlags<'_>) -> Fit {
        let fits = self.asked.has(b'v')
            && match self.kind {
                MetaKind::Get => self.is_whole(flags),
                MetaKind::Arithmetic => true,
                MetaKind::Set | MetaKind::Delete | MetaKind::Debug => false,
            };
        if fits { Fit::Last } else { Fit::Unexpected }
    }

    /// Whether an item comes with all that was asked for. Flags of 0 that are none, for instance, would
    /// have its value read as another type.
    #[inline]
    fn is_whole(self, flags: &MetaFlags<'_>) -> bool {
        flags.has_all(self.asked.without(b'v'))
    }

    fn fit(self, response: &Response<'_>) -> Fit {
        let is_value_due = self.asked.has(b'v');
        match (self.kind, response) {
            // The value of an item that has not changed is left out for who compares.
            (MetaKind::Get, Response::Hd(flags))
                if (!is_value_due || self.compares) && self.is_whole(flags) =>
            {
                Fit::Last
            }
            // Some write OK where others write HD.
            (MetaKind::Arithmetic, Response::Hd(_) | Response::Ok) if !is_value_due => Fit::Last,
            (MetaKind::Set | MetaKind::Delete, Response::Hd(_) | Response::Ok)
            | (MetaKind::Get, Response::En(_))
            | (MetaKind::Set | MetaKind::Arithmetic, Response::Ns(_))
            | (MetaKind::Delete | MetaKind::Arithmetic, Response::Nf(_))
            | (MetaKind::Debug, Response::Me { .. } | Response::En(_))
            | (_, Response::ServerError(_)) => Fit::Last,
            // Only who compares is told of an item that has changed, and a set of one that is gone.
            (MetaKind::Set, Response::Nf(_))
            | (MetaKind::Set | MetaKind::Delete | MetaKind::Arithmetic, Response::Ex(_))
                if self.compares =>
            {
                Fit::Last
            }
            // After an ERROR its value would be run as commands.
            (MetaKind::Set, Response::Error(_)) => Fit::LastAndClose,
            (_, Response::Error(_)) => Fit::Last,
            (MetaKind::Arithmetic, Response::ClientError(text)) if is_about_the_number(text) => {
                Fit::Last
            }
            (_, Response::ClientError(_)) => Fit::LastAndClose,
            _ => Fit::Unexpected,
        }
    }
}

/// The client errors that say nothing against the form of the command, so that all versions of the
/// server send just this one line.
pub(super) fn is_about_the_number(text: &[u8]) -> bool {
    text == b"cannot increment or decrement non-numeric value"
        || text == b"invalid numeric delta argument"
}
