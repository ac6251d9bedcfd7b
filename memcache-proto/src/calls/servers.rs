use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::names::CallName;
use super::slabs::Slabs;
use super::{Answer, Call, Calls, Error, PerServer, Source};
use crate::client::{Failure, FailureKind, Operation, OperationId, Outcome, Reply};
use crate::codec::StatsArgument;
use crate::routing::ServerIndex;
use crate::{Expiry, Key};

/// A call on every server: made by [`flush_all`], [`flush_all_after`], [`version`], [`ping`], [`stats`],
/// [`get_slabs`], [`get_slab_stats`] and [`config_get`]. It returns a `T` of each.
pub struct OnServers<'a, T> {
    ask: Ask<'a>,
    read: fn(Reply) -> Option<T>,
}

/// What is asked of them.
enum Ask<'a> {
    FlushAll(Option<Duration>),
    Version,
    Ping,
    Stats(StatsArgument<'a>),
    ConfigGet(Key<'a>),
}

/// The answer to a call on every server.
pub struct EachServer<T>(fn(Reply) -> Option<T>);

/// Invalidates every item on every server.
#[must_use]
pub fn flush_all() -> OnServers<'static, ()> {
    OnServers { ask: Ask::FlushAll(None), read: |_| Some(()) }
}

/// Invalidates, after a delay, every item that is on a server by then.
#[must_use]
pub fn flush_all_after(delay: Duration) -> OnServers<'static, ()> {
    OnServers { ask: Ask::FlushAll(Some(delay)), read: |_| Some(()) }
}

/// The version of every server.
#[must_use]
pub fn version() -> OnServers<'static, String> {
    let read = |reply| match reply {
        Reply::Version(version) => Some(version),
        _ => None,
    };
    OnServers { ask: Ask::Version, read }
}

/// Whether every server answers, and in time: it is asked for its version, as every server and proxy knows that
/// command. A server that is dead fails at once, so this is cheap enough for a health check.
#[must_use]
pub fn ping() -> OnServers<'static, ()> {
    let read = |reply| matches!(reply, Reply::Version(_)).then_some(());
    OnServers { ask: Ask::Ping, read }
}

/// The statistics of every server, names and values, in its order.
#[must_use]
pub fn stats(argument: StatsArgument<'_>) -> OnServers<'_, Vec<(String, String)>> {
    let read = |reply| match reply {
        Reply::Stats(stats) => Some(stats),
        Reply::Ok => Some(Vec::new()),
        _ => None,
    };
    OnServers { ask: Ask::Stats(argument), read }
}

/// The statistics of every server's items, by slab class: python-memcached's `get_slabs`.
#[must_use]
pub fn get_slabs() -> OnServers<'static, Slabs> {
    let read = |reply| match reply {
        Reply::Stats(stats) => Some(Slabs::of_items(stats)),
        _ => None,
    };
    OnServers { ask: Ask::Stats(StatsArgument::Items), read }
}

/// The statistics of every server's slabs, by slab class: python-memcached's `get_slab_stats`.
#[must_use]
pub fn get_slab_stats() -> OnServers<'static, Slabs> {
    let read = |reply| match reply {
        Reply::Stats(stats) => Some(Slabs::of_slabs(stats)),
        _ => None,
    };
    OnServers { ask: Ask::Stats(StatsArgument::Slabs), read }
}

/// The configuration of this name that every server has, `None` if it has none: `cluster` of a configuration
/// endpoint. Other servers answer `ERROR`. [`Discovered::of_config`](crate::discovery::Discovered::of_config)
/// reads the text.
#[must_use]
pub fn config_get(name: Key<'_>) -> OnServers<'_, Option<Bytes>> {
    let read = |reply| match reply {
        Reply::Item(item) => Some(Some(item.value)),
        Reply::Miss => Some(None),
        _ => None,
    };
    OnServers { ask: Ask::ConfigGet(name), read }
}

impl<T> Call for OnServers<'_, T> {
    type Output = PerServer<T>;
    type Answer = EachServer<T>;

    fn name(&self) -> CallName {
        match self.ask {
            Ask::FlushAll(_) => CallName::FlushAll,
            Ask::Version => CallName::Version,
            Ask::Ping => CallName::Ping,
            Ask::Stats(_) => CallName::Stats,
            Ask::ConfigGet(_) => CallName::ConfigGet,
        }
    }

    fn submit(
        self,
        calls: &Calls,
        submit: impl FnOnce(Operation<'_>) -> Result<OperationId, Error>,
    ) -> Result<(OperationId, Self::Answer), Error> {
        calls.count(self.name());
        let operation = match self.ask {
            Ask::FlushAll(delay) => {
                let delay = delay.map(|delay| calls.exptime(Expiry::After(delay))).transpose()?;
                Operation::FlushAll { delay }
            }
            Ask::Version | Ask::Ping => Operation::Version,
            Ask::Stats(argument) => Operation::Stats(argument),
            Ask::ConfigGet(name) => Operation::ConfigGet(name),
        };
        Ok((submit(operation)?, EachServer(self.read)))
    }
}

impl<T> Answer for EachServer<T> {
    type Output = PerServer<T>;

    fn finish(
        self,
        outcome: Outcome,
        calls: &Calls,
        source: impl Fn(ServerIndex) -> Option<Source>,
    ) -> Result<Self::Output, Error> {
        let mut answers = outcome.servers().map_err(|failure| calls.error(failure, &source))?;
        answers.sort_by_key(|&(server, _)| server.index());
        let answers = answers.into_iter().map(|(server, answer)| {
            let answer = answer.and_then(|reply| {
                let kind = FailureKind::OtherOperation;
                (self.0)(reply).ok_or(Failure::answered(server, kind))
            });
            let answer = answer.map_err(|failure| calls.error(failure, &source));
            (calls.server_name(server).unwrap_or_default(), answer)
        });
        Ok(PerServer(answers.collect()))
    }
}
