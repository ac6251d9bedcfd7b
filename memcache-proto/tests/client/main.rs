//! The client of many servers, joined to them in memory: no socket, no sleep, no clock.

mod called;
mod calls;
mod condemned;
mod delivery;
mod evidence;
mod extremes;
mod failover;
mod login;
mod looking;
mod many;
mod noreply;
mod pair;
mod parts;
mod reconnect;
mod replies;
mod retry;
#[cfg(feature = "server")]
mod server;
mod timeouts;
mod waiting;

use std::collections::HashMap;
use std::time::Duration;

use memcache_proto::client::{
    Action, ConnectFailure, DeadServer, DeathCause, Delivery, Failure, FailureKind, Many, NewItem,
    Operation, OperationId, Outcome, Rejection, Reply, RoutedKey, Settings, Stored,
};
use memcache_proto::codec::{Command, MetaGet, MetaKey, MetaSet, StatsArgument, StoreVerb};
use memcache_proto::routing::{Admission, ServerIndex};
use memcache_proto::value::Flags;
use memcache_proto::{ErrorLine, Exptime, KeyError, Limits, ProtocolError, Time, Violation};

use pair::{Mode, Net, get, item, key, set};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const SOCKET_TIMEOUT: Duration = Duration::from_secs(3);
pub(crate) const DEAD_RETRY: Duration = Duration::from_secs(30);

pub(crate) fn value(outcome: Outcome) -> Option<String> {
    let item = outcome.item().expect("it was answered")?;
    Some(String::from_utf8(item.value.to_vec()).expect("text"))
}

pub(crate) fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub(crate) fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::One(Err(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn failed(outcome: Outcome) -> (Delivery, FailureKind) {
    let Failure { delivery, kind, .. } = failure(outcome);
    (delivery, kind)
}

/// The failure of an operation for which every server is dead.
pub(crate) fn all_dead(outcome: Outcome) -> bool {
    let Failure { delivery, kind, .. } = failure(outcome);
    delivery == Delivery::NotSent && matches!(kind, FailureKind::AllDead(_))
}

pub(crate) const REFUSED: FailureKind = FailureKind::Connect(ConnectFailure::Refused);

pub(crate) fn is_dead(net: &Net, server: usize) -> bool {
    let index = ServerIndex::new(u32::try_from(server).expect("a few servers"));
    !net.cluster().health().is_available(index, net.now)
}

pub(crate) fn merging() -> Settings {
    Settings { merge_gets: true, ..Settings::default() }
}

/// The items found, by the number of their key, each of which must be one of its own.
pub(crate) fn found(many: &Many, keys: &[String]) -> HashMap<usize, String> {
    let mut found = HashMap::new();
    assert_eq!(many.replies, []);
    for (number, item) in many.items.iter() {
        let text = String::from_utf8(item.value.to_vec()).expect("text");
        assert_eq!(text, format!("value of {}", keys[number]));
        assert!(found.insert(number, text).is_none(), "{number} came twice");
    }
    found
}

pub(crate) fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("key{number}")).collect()
}

pub(crate) fn get_many<'a>(keys: &'a [RoutedKey<'a>]) -> Operation<'a> {
    Operation::GetMany { keys, cas: false }
}

/// Stores `value of <key>` under each, right in the servers.
pub(crate) fn fill(net: &mut Net, names: &[String]) {
    let values: Vec<_> = names.iter().map(|name| format!("value of {name}")).collect();
    let items: Vec<_> =
        names.iter().zip(&values).map(|(name, value)| item(name, value.as_bytes())).collect();
    let outcome = net
        .perform(Operation::StoreMany { verb: StoreVerb::Set, items: &items, noreply: false })
        .many()
        .expect("many keys");
    assert_eq!(outcome, Many::default());
    for server in 0..net.peers.len() {
        net.heard(server);
    }
}
