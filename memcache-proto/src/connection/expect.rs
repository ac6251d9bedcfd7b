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
    /// EOF.
    Eof,
    /// Nothing at all: noreply.
    Nothing,
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
        }
    }

    pub(super) fn fit(self, response: &Response<'_>) -> Fit {
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
            | (Expect::Stats, Response::End | Response::Reset | Response::Ok)
            | (Expect::Metadump, Response::End | Response::Busy(_) | Response::BadClass(_)) => {
                Fit::Last
            }
            (
                Expect::Stats,
                Response::Stat { .. } | Response::Prefix { .. } | Response::Item { .. },
            )
            | (Expect::Metadump, Response::Metadump { .. }) => Fit::Part,
            (Expect::Nothing, _) => Fit::Unexpected,
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
fn is_about_the_number(text: &[u8]) -> bool {
    text == b"cannot increment or decrement non-numeric value"
        || text == b"invalid numeric delta argument"
}
