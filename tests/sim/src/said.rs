//! What a server said to one request, as somebody reads it who knows nothing of the client.

use memcache_proto::client::{MetaReply, MetaStatus, Reply};
use memcache_proto::codec::{MetaFlags, Response};
use memcache_proto::{Escaped, Limits};

use crate::history::Answer;

/// What a server said to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A value.
    Item {
        flags: u64,
        cas: Option<u64>,
        value: Vec<u8>,
    },
    /// There is no such item.
    Miss,
    Stored,
    NotStored,
    Exists,
    NotFound,
    /// Deleted, touched, flushed.
    Done,
    Number(u64),
    Version(Vec<u8>),
    /// So many lines of statistics.
    Lines(usize),
    /// A meta reply.
    Meta(Box<MetaReply>),
    /// What `me` tells.
    Debug,
    /// An error.
    Error,
    /// Nothing, in a run of quiet requests that an error was said to: it may be about this one.
    Unknown,
}

impl Said {
    /// What ends the reply to a request that is no `get`; `None` of what ends none.
    pub(crate) fn of(response: &Response<'_>) -> Option<Said> {
        let meta = |status, flags: &MetaFlags<'_>| Some(Said::meta(status, flags, None));
        match response {
            Response::Stored => Some(Said::Stored),
            Response::NotStored => Some(Said::NotStored),
            Response::Exists => Some(Said::Exists),
            Response::NotFound => Some(Said::NotFound),
            Response::Deleted | Response::Touched | Response::Ok | Response::Reset => {
                Some(Said::Done)
            }
            Response::Number(number) => Some(Said::Number(*number)),
            Response::Version(version) => Some(Said::Version(version.to_vec())),
            Response::Hd(flags) => meta(MetaStatus::Done, flags),
            Response::En(flags) => meta(MetaStatus::Miss, flags),
            Response::Nf(flags) => meta(MetaStatus::NotFound, flags),
            Response::Ns(flags) => meta(MetaStatus::NotStored, flags),
            Response::Ex(flags) => meta(MetaStatus::Exists, flags),
            Response::Va { flags, value } => Some(Said::meta(MetaStatus::Done, flags, Some(value))),
            Response::Me { .. } => Some(Said::Debug),
            Response::Error(_) | Response::ClientError(_) | Response::ServerError(_) => {
                Some(Said::Error)
            }
            _ => None,
        }
    }

    fn meta(status: MetaStatus, flags: &MetaFlags<'_>, value: Option<&[u8]>) -> Said {
        let reply = MetaReply {
            status,
            value: value.map(|value| value.to_vec().into()),
            client_flags: flags.client_flags(),
            cas: flags.cas(),
            size: flags.size(),
            ttl: flags.ttl(),
            last_access: flags.last_access(),
            hit: flags.was_hit(),
            won: flags.is_won(),
            stale: flags.is_stale(),
            won_by_another: flags.is_won_by_another(),
            ..MetaReply::default()
        };
        Said::Meta(Box::new(reply))
    }

    /// What the silence of a quiet request says.
    pub(crate) fn silence(status: MetaStatus) -> Said {
        Said::Meta(Box::new(MetaReply { status, ..MetaReply::default() }))
    }

    /// What it says of an item, if the history follows that.
    pub(crate) fn answer(&self) -> Option<Answer> {
        Some(match self {
            Said::Item { value, cas, .. } => Answer::Value { value: value.clone(), cas: *cas },
            Said::Miss => Answer::Miss,
            Said::Stored => Answer::Stored,
            Said::NotStored => Answer::NotStored,
            Said::Exists => Answer::Exists,
            Said::NotFound => Answer::NotFound,
            Said::Done => Answer::Done,
            Said::Number(number) => Answer::Number(*number),
            _ => return None,
        })
    }

    /// Whether what the client made of it is right.
    pub(crate) fn agrees(&self, reply: &Reply) -> bool {
        match (self, reply) {
            (Said::Item { flags, cas, value }, Reply::Item(item)) => {
                *flags == item.flags.bits() && *cas == item.cas && item.value == value
            }
            (Said::Miss, Reply::Miss)
            | (Said::Stored, Reply::Stored)
            | (Said::NotStored, Reply::NotStored)
            | (Said::Exists, Reply::Exists)
            | (Said::NotFound, Reply::NotFound)
            | (Said::Done, Reply::Ok) => true,
            (Said::Number(said), Reply::Number(told)) => said == told,
            (Said::Version(said), Reply::Version(told)) => Escaped(&said[..]).to_string() == *told,
            (Said::Lines(said), Reply::Stats(told)) => *said == told.len(),
            (Said::Debug, Reply::Meta(told)) => told.debug.is_some(),
            (Said::Meta(said), Reply::Meta(told)) => {
                told.debug.is_none() && {
                    let mut told = told.clone();
                    told.server = None;
                    **said == *told
                }
            }
            _ => false,
        }
    }
}

/// The next response, as its length and what it says.
pub(crate) fn next_response<'a>(
    said: &'a [u8],
    limits: &Limits,
) -> Result<Option<(Response<'a>, usize)>, String> {
    Response::parse(said, limits).map_err(|error| error.to_string())
}
