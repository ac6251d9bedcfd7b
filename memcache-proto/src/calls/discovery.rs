//! What adapters share of discovering servers: asking a configuration endpoint, and telling what came of it.

use core::time::Duration;

use bytes::Bytes;

use super::{Calls, Config, Error, PerServer};
use crate::client::{NoticeEvent, Settings};
use crate::discovery::{Change, Discovered, DiscoveryError, Source, Verdict};
use crate::routing::ServerAddress;
use crate::value::Raw;
use crate::{Key, Limits};

/// The name of the configuration that lists the servers of a cluster: for [`config_get`](super::config_get).
pub const CLUSTER: Key<'static> = Key::parsed(b"cluster");

/// The key under which endpoints older than `config get` (ElastiCache before 1.4.14) have the same text.
pub const OLDER_CLUSTER: &str = "AmazonElastiCache:cluster";

/// How a client comes to know its servers, as its settings say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoverySettings {
    /// Who is asked. Default: `None`, nobody; the servers are those that are named.
    ///
    /// An adapter that can ask takes this out. If it is still here, [`Config::build`] fails.
    pub source: Option<Source>,
    /// How long after an answer it is time to ask again. Default: 60 s.
    pub every: Duration,
}

impl Default for DiscoverySettings {
    fn default() -> Self {
        DiscoverySettings { source: None, every: Duration::from_secs(60) }
    }
}

/// The calls of a client of one server that is asked for others, and holds no items: like those of a client with
/// these settings, with its timeouts and its login, but each time that it is asked it is tried, however often it
/// has failed.
///
/// # Errors
///
/// Those of [`Config::build`].
pub fn endpoint(
    address: ServerAddress,
    settings: &Settings,
    unix_now: impl Fn() -> u64 + Send + Sync + 'static,
) -> Result<Calls, Error> {
    /// More than any list that is not refused, which is nothing that a peer should need.
    const MAX_LEN: usize = 1 << 20;
    let mut settings = settings.clone();
    settings.key_prefix.clear();
    settings.dead_retry = Duration::ZERO;
    settings.connections_per_server = 1;
    settings.flush_on_reconnect = false;
    settings.debug = false;
    settings.limits.max_value_len = settings.limits.max_value_len.min(MAX_LEN);
    Config { servers: [Ok(address.into())].into(), settings, ..Config::default() }.build(unix_now)
}

/// The servers in the answer of an endpoint to [`config_get`](super::config_get). `None` if it does not know the
/// command: then get [`OLDER_CLUSTER`], as a [`Raw`], and call [`of_older_cluster`].
///
/// # Errors
///
/// [`Error::Discovery`] if it has no configuration, or one that cannot be read; or that of the server.
pub fn of_cluster(
    answer: PerServer<Option<Bytes>>,
    limits: &Limits,
) -> Result<Option<Discovered>, Error> {
    match answer.0.into_iter().next() {
        Some((_, Ok(Some(text)))) => Ok(Some(Discovered::of_config(&text, limits)?)),
        Some((_, Err(error))) if error.is_unknown_command() => Ok(None),
        Some((_, Err(error))) => Err(error),
        Some((_, Ok(None))) | None => Err(DiscoveryError::NoConfiguration.into()),
    }
}

/// The servers in what an endpoint has under [`OLDER_CLUSTER`].
///
/// # Errors
///
/// As [`of_cluster`].
pub fn of_older_cluster(found: Option<Raw>, limits: &Limits) -> Result<Discovered, Error> {
    let raw = found.ok_or(DiscoveryError::NoConfiguration)?;
    Ok(Discovered::of_config(&raw.bytes, limits)?)
}

/// What is to be told of a verdict, once it has been acted upon: nothing, or this event.
#[must_use]
pub fn notice_of(verdict: &Verdict) -> Option<NoticeEvent> {
    match verdict {
        Verdict::Changed(Change { servers, added, removed }) => Some(NoticeEvent::ServersChanged {
            count: servers.len(),
            added: added.clone(),
            removed: removed.clone(),
        }),
        Verdict::Refused { error, is_first: true } => {
            Some(NoticeEvent::NotDiscovered { error: error.clone() })
        }
        Verdict::Refused { is_first: false, .. } | Verdict::Same => None,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec::Vec;

    use super::*;
    use crate::ErrorLine;
    use crate::client::{Failure, FailureKind};
    use crate::routing::ServerIndex;

    fn answered(line: ErrorLine) -> Error {
        let kind = FailureKind::Server(line);
        let failure = Failure::answered(ServerIndex::new(0), kind);
        Error::Server { server: None, failure, source: None }
    }

    #[test]
    fn an_endpoint_that_does_not_know_the_command_is_asked_as_older_ones_are() {
        let limits = Limits::default();
        let text = |text: &'static str| Some(Bytes::from(text));
        let cases = [
            (Ok(text("1\na||1\n")), Ok(true)),
            (Err(answered(ErrorLine::Error("".into()))), Ok(false)),
            (Ok(None), Err("no configuration of a cluster")),
            (Ok(text("bogus")), Err("begins with \"bogus\"")),
            (Err(answered(ErrorLine::Server("busy".into()))), Err("busy")),
            (Err(answered(ErrorLine::Client("no".into()))), Err("no")),
            (Err(Error::Closed), Err("closed")),
        ];
        for (answer, expected) in cases {
            let shown = alloc::format!("{answer:?}");
            let found = of_cluster(PerServer([("a".into(), answer)].into()), &limits);
            match (found, expected) {
                (Ok(found), Ok(known)) => assert_eq!(found.is_some(), known, "{shown}"),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
                (found, _) => panic!("{shown}: {found:?}"),
            }
        }
        assert!(of_cluster(PerServer(Vec::new()), &limits).is_err());
        let raw = |text: &'static str| Some(Raw { bytes: text.into(), ..Raw::default() });
        assert_eq!(of_older_cluster(raw("7\na||1\n"), &limits).unwrap().version, Some(7));
        assert!(of_older_cluster(raw("a||1\n"), &limits).is_err());
        assert!(of_older_cluster(None, &limits).is_err());
    }

    #[test]
    fn an_endpoint_is_asked_as_the_servers_are_but_for_what_is_about_items() {
        let mut settings = Settings { flush_on_reconnect: true, ..Settings::default() };
        settings.key_prefix = b"shop:".to_vec();
        settings.socket_timeout = Duration::from_secs(7);
        let calls = endpoint(ServerAddress::parse("a").unwrap(), &settings, || 0).unwrap();
        let made = calls.cluster().settings();
        assert_eq!(made.socket_timeout, Duration::from_secs(7));
        assert_eq!((made.key_prefix.len(), made.dead_retry), (0, Duration::ZERO));
        assert!(!made.flush_on_reconnect && made.limits.max_value_len == 1 << 20);
        assert_eq!(calls.cluster().servers().len(), 1);
    }
}
