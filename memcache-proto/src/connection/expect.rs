use crate::codec::{Command, Response, StoreVerb};

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
    /// Lines, then `END`; or `RESET`, or `OK`.
    Stats,
    /// Lines, then `END`, with nothing else in flight.
    Metadump,
    /// What answers a meta request.
    Meta {
        kind: MetaKind,
        /// Whether there is no reply where all goes as expected.
        quiet: bool,
    },
    /// `MN`.
    Noop,
    /// EOF.
    Eof,
    /// Nothing at all: noreply.
    Nothing,
    /// Nothing, as it was cancelled before it was sent.
    Unsent,
}

/// Which meta request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetaKind {
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
    pub(super) fn of(command: &Command<'_>) -> Self {
        match *command {
            Command::Store { noreply: true, .. }
            | Command::Delete { noreply: true, .. }
            | Command::Incr { noreply: true, .. }
            | Command::Decr { noreply: true, .. }
            | Command::Touch { noreply: true, .. }
            | Command::FlushAll { noreply: true, .. }
            | Command::Verbosity { noreply: true, .. }
            | Command::CacheMemlimit { noreply: true, .. } => Expect::Nothing,
            Command::Get { cas, .. } => Expect::Values { cas, plain: true },
            Command::Gat { cas, .. } => Expect::Values { cas, plain: false },
            Command::Store { verb: StoreVerb::Cas(_), .. } => Expect::CasStored,
            Command::Store { .. } => Expect::Stored,
            Command::Delete { .. } => Expect::Deleted,
            Command::Incr { .. } | Command::Decr { .. } => Expect::Number,
            Command::Touch { .. } => Expect::Touched,
            Command::FlushAll { .. }
            | Command::Verbosity { .. }
            | Command::CacheMemlimit { .. } => Expect::Ok,
            Command::Version => Expect::Version,
            Command::Stats(_) => Expect::Stats,
            Command::Metadump(_) => Expect::Metadump,
            Command::Quit | Command::Shutdown { .. } => Expect::Eof,
            Command::MetaGet(get) => Expect::Meta { kind: MetaKind::Get, quiet: get.is_quiet() },
            Command::MetaSet(set) => Expect::Meta { kind: MetaKind::Set, quiet: set.is_quiet() },
            Command::MetaDelete(delete) => {
                Expect::Meta { kind: MetaKind::Delete, quiet: delete.is_quiet() }
            }
            Command::MetaArithmetic(arithmetic) => {
                Expect::Meta { kind: MetaKind::Arithmetic, quiet: arithmetic.is_quiet() }
            }
            Command::MetaDebug(_) => Expect::Meta { kind: MetaKind::Debug, quiet: false },
            Command::MetaNoop => Expect::Noop,
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
        matches!(self, Expect::Meta { quiet: true, .. })
    }

    fn fit_meta(kind: MetaKind, response: &Response<'_>) -> Fit {
        match (kind, response) {
            (MetaKind::Get, Response::Va { .. } | Response::Hd(_) | Response::En(_))
            // Some write OK where others write HD.
            | (
                MetaKind::Set,
                Response::Hd(_)
                | Response::Ns(_)
                | Response::Ex(_)
                | Response::Nf(_)
                | Response::Ok,
            )
            | (
                MetaKind::Delete,
                Response::Hd(_) | Response::Nf(_) | Response::Ex(_) | Response::Ok,
            )
            | (
                MetaKind::Arithmetic,
                Response::Va { .. }
                | Response::Hd(_)
                | Response::Nf(_)
                | Response::Ns(_)
                | Response::Ex(_)
                | Response::Ok,
            )
            | (MetaKind::Debug, Response::Me { .. } | Response::En(_))
            | (_, Response::ServerError(_)) => Fit::Last,
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

    pub(super) fn fit(self, response: &Response<'_>) -> Fit {
        if let Expect::Meta { kind, .. } = self {
            return Self::fit_meta(kind, response);
        }
        match (self, response) {
            (Expect::Values { .. }, Response::End)
            | (Expect::Stored | Expect::CasStored, Response::Stored)
            | (Expect::Stored, Response::NotStored)
            | (Expect::CasStored, Response::Exists | Response::NotFound)
            | (Expect::Deleted, Response::Deleted | Response::NotFound)
            | (Expect::Number, Response::Number(_) | Response::NotFound)
            | (Expect::Touched, Response::Touched | Response::NotFound)
            | (
                Expect::Ok,
                Response::Ok | Response::MemlimitTooSmall(_) | Response::MemlimitAdjustFailed(_),
            )
            | (Expect::Version | Expect::Barrier, Response::Version(_))
            | (Expect::Noop, Response::Mn)
            | (Expect::Stats, Response::End | Response::Reset | Response::Ok)
            | (Expect::Metadump, Response::End | Response::Busy(_) | Response::BadClass(_)) => {
                Fit::Last
            }
            (
                Expect::Stats,
                Response::Stat { .. } | Response::Prefix { .. } | Response::Item { .. },
            )
            | (Expect::Metadump, Response::Metadump { .. }) => Fit::Part,
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

/// The client errors that say nothing against the form of the command, so that all versions of the
/// server send just this one line.
pub(super) fn is_about_the_number(text: &[u8]) -> bool {
    text == b"cannot increment or decrement non-numeric value"
        || text == b"invalid numeric delta argument"
}
