use alloc::string::String;
use core::fmt;

use bytes::Bytes;

use crate::codec::{MetaFlags, MetaRequest, Response};
use crate::escape::text;
use crate::hidden::Hidden;
use crate::routing::ServerIndex;
use crate::value::Flags;

/// A meta request, and what chooses its server: its key's hash, unless the caller has a number of his
/// own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutedMeta<'a> {
    /// The request; its key is without the prefix of the client. Its opaque, if it has one, is replaced.
    pub request: MetaRequest<'a>,
    /// What is used in place of the key's hash. May be negative.
    pub hash: Option<i64>,
}

impl<'a> From<MetaRequest<'a>> for RoutedMeta<'a> {
    fn from(request: MetaRequest<'a>) -> Self {
        RoutedMeta { request, hash: None }
    }
}

/// What a server answered to a meta request; to a quiet one also what its silence says.
///
/// Which of the fields there are depends on what was asked for.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MetaReply {
    /// What came of it.
    pub status: MetaStatus,
    /// The server that answered; `None` where that is not known.
    pub server: Option<ServerIndex>,
    /// The value, not decoded.
    pub value: Option<Bytes>,
    /// `f`: the flags that were stored with it.
    pub client_flags: Option<Flags>,
    /// `c`: the cas unique.
    pub cas: Option<u64>,
    /// `s`: the length of the value, in bytes.
    pub size: Option<u64>,
    /// `t`: in how many seconds the item expires; -1 where it does not.
    pub ttl: Option<i64>,
    /// `l`: how many seconds ago it was last read or written.
    pub last_access: Option<u64>,
    /// `h`: whether it has been read before.
    pub hit: Option<bool>,
    /// `W`: this client is the one to make a new value.
    pub won: bool,
    /// `X`: the value is stale.
    pub stale: bool,
    /// `Z`: another client is making a new value.
    pub won_by_another: bool,
    /// Of `me`: what the server knows, as it says it and [`Escaped`](crate::Escaped) shows it.
    pub debug: Option<String>,
}

impl fmt::Debug for MetaReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetaReply")
            .field("server", &self.server)
            .field("status", &self.status)
            .field("value", &self.value.as_deref().map(Hidden))
            .field("client_flags", &self.client_flags)
            .field("cas", &self.cas)
            .field("size", &self.size)
            .field("ttl", &self.ttl)
            .field("last_access", &self.last_access)
            .field("hit", &self.hit)
            .field("won", &self.won)
            .field("stale", &self.stale)
            .field("won_by_another", &self.won_by_another)
            .field("debug", &self.debug)
            .finish()
    }
}

/// What came of a meta request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetaStatus {
    /// `HD`, `VA`, `ME`: found, or done.
    #[default]
    Done,
    /// `HD` to an `mg` that asked for the value unless the item has a certain cas unique
    /// ([`MetaGet::compare_cas`](crate::codec::MetaGet::compare_cas)): it has, so the value has not changed
    /// and was not sent.
    Unchanged,
    /// `EN`: a miss.
    Miss,
    /// `NF`: there is no such item to change.
    NotFound,
    /// `NS`: not stored, the condition of the mode did not hold.
    NotStored,
    /// `EX`: the item has changed since its cas unique was read.
    Exists,
}

impl MetaReply {
    pub(super) fn silent(status: MetaStatus, server: ServerIndex) -> Self {
        MetaReply { status, server: Some(server), ..MetaReply::default() }
    }

    pub(super) fn with_flags(
        status: MetaStatus,
        server: ServerIndex,
        flags: &MetaFlags<'_>,
    ) -> Self {
        MetaReply {
            status,
            server: Some(server),
            value: None,
            client_flags: flags.client_flags(),
            cas: flags.cas(),
            size: flags.size(),
            ttl: flags.ttl(),
            last_access: flags.last_access(),
            hit: flags.was_hit(),
            won: flags.is_won(),
            stale: flags.is_stale(),
            won_by_another: flags.is_won_by_another(),
            debug: None,
        }
    }

    /// It has no value where that was asked for if it has changed.
    pub(super) fn leave_out_value(&mut self) {
        if self.status == MetaStatus::Done {
            self.status = MetaStatus::Unchanged;
        }
    }

    /// What a line without a value says; `None` where it is of another protocol.
    pub(super) fn of(response: &Response<'_>, server: ServerIndex) -> Option<Self> {
        let with_flags = |status, flags| Self::with_flags(status, server, flags);
        Some(match response {
            Response::Hd(flags) => with_flags(MetaStatus::Done, flags),
            Response::Nf(flags) => with_flags(MetaStatus::NotFound, flags),
            Response::Ns(flags) => with_flags(MetaStatus::NotStored, flags),
            Response::Ex(flags) => with_flags(MetaStatus::Exists, flags),
            Response::En(flags) => with_flags(MetaStatus::Miss, flags),
            Response::Me { items, .. } => {
                MetaReply { debug: Some(text(items)), ..Self::silent(MetaStatus::Done, server) }
            }
            _ => return None,
        })
    }
}
