//! The parameters of a URL: the one list of them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::super::Config;
use super::names::{self, Choice, Names};
use super::piece::{Piece, encode};
use super::{UrlError, UrlErrorKind, UrlTls, values};
use crate::Key;

/// A parameter: its name, and what its value is.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What a value is, and what it sets.
pub(super) enum Kind {
    Time(fn(&mut Config, Duration)),
    Number(fn(&mut Config, usize)),
    Switch(fn(&mut Config, bool)),
    Name(Names),
    KeyPrefix,
    Tls(fn(&mut UrlTls, String)),
}

/// A value that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Time(Duration),
    Number(usize),
    Switch(bool),
    Name(Choice),
    KeyPrefix(Vec<u8>),
    Tls(String),
}

/// All parameters, in the order in which they are applied: the profile first, because the others say what
/// is different from it.
pub(super) static PARAMETERS: &[Parameter] = &[
    Parameter { name: "profile", kind: Kind::Name(names::PROFILES) },
    Parameter { name: "distribution", kind: Kind::Name(names::DISTRIBUTIONS) },
    Parameter { name: "key_hash", kind: Kind::Name(names::KEY_HASHES) },
    switch("hash_with_prefix_key", |config, on| config.settings.hash_with_prefix_key = on),
    Parameter { name: "value_format", kind: Kind::Name(names::VALUE_FORMATS) },
    number("min_compress_len", |config, len| config.transcoder.min_compress_len = len),
    Parameter { name: "key_prefix", kind: Kind::KeyPrefix },
    switch("check_keys", |config, on| {
        config.keys = core::mem::take(&mut config.keys).check_keys(on);
    }),
    number("server_max_key_length", |config, len| {
        config.settings.limits.server_max_key_length = len;
    }),
    number("server_max_value_length", |config, len| {
        config.settings.limits.server_max_value_length = len;
    }),
    time("socket_timeout", |config, time| config.settings.socket_timeout = time),
    time("connect_timeout", |config, time| config.settings.connect_timeout = Some(time)),
    time("operation_timeout", |config, time| config.settings.operation_timeout = Some(time)),
    time("dead_retry", |config, time| config.settings.dead_retry = time),
    number("dead_retry_factor", |config, factor| {
        config.settings.dead_retry_factor = u32::try_from(factor).unwrap_or(u32::MAX);
    }),
    time("dead_retry_max", |config, time| config.settings.dead_retry_max = time),
    time("max_rest", |config, time| config.settings.max_rest = time),
    switch("failover", |config, on| config.settings.failover = on),
    switch("flush_on_reconnect", |config, on| config.settings.flush_on_reconnect = on),
    switch("resend_stores", |config, on| config.settings.resend_stores = on),
    number("retry", |config, times| {
        config.settings.retry.attempts = u8::try_from(times).unwrap_or(u8::MAX);
    }),
    time("retry_backoff", |config, time| config.settings.retry.backoff = time),
    time("retry_max_backoff", |config, time| config.settings.retry.max_backoff = time),
    switch("retry_refused", |config, on| config.settings.retry.refused = on),
    switch("retry_lost", |config, on| config.settings.retry.lost = on),
    switch("retry_timeouts", |config, on| config.settings.retry.timeouts = on),
    switch("unavailable_is_miss", |config, on| config.unavailable_is_miss = on),
    number("cache_cas", |config, ids| config.cache_cas = ids),
    time("recache_lease", |config, time| config.recache.lease = time),
    time("recache_early", |config, time| config.recache.early = time),
    time("recache_wait", |config, time| config.recache.wait = time),
    time("recache_pause", |config, time| config.recache.pause = time),
    time("discover_every", |config, time| config.discovery.every = time),
    // Those of one adapter, which asks the URL for them.
    number(SESSIONS, |_, _| {}),
    number(CONNECTIONS_PER_SERVER, |_, _| {}),
    switch(MERGE_GETS, |_, _| {}),
    tls("tls_ca", |tls, path| tls.ca = Some(path)),
    tls("tls_server_name", |tls, name| tls.server_name = Some(name)),
    tls("tls_cert", |tls, path| tls.cert = Some(path)),
    tls("tls_key", |tls, path| tls.key = Some(path)),
];

pub(super) const SESSIONS: &str = "sessions";
pub(super) const CONNECTIONS_PER_SERVER: &str = "connections_per_server";
pub(super) const MERGE_GETS: &str = "merge_gets";

/// Other names, and what they stand for.
const OTHER_NAMES: &[(&str, &str)] = &[("prefix", "key_prefix")];

const fn time(name: &'static str, set: fn(&mut Config, Duration)) -> Parameter {
    Parameter { name, kind: Kind::Time(set) }
}

const fn number(name: &'static str, set: fn(&mut Config, usize)) -> Parameter {
    Parameter { name, kind: Kind::Number(set) }
}

const fn switch(name: &'static str, set: fn(&mut Config, bool)) -> Parameter {
    Parameter { name, kind: Kind::Switch(set) }
}

const fn tls(name: &'static str, set: fn(&mut UrlTls, String)) -> Parameter {
    Parameter { name, kind: Kind::Tls(set) }
}

/// Every name that [`find`] finds.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let other_names = OTHER_NAMES.iter().map(|&(other, _)| other);
    PARAMETERS.iter().map(|parameter| parameter.name).chain(other_names)
}

/// The parameter of this name, and its place in the order.
pub(super) fn find(name: &str) -> Option<(usize, &'static Parameter)> {
    let other = OTHER_NAMES.iter().find(|&&(other, _)| other == name);
    let name = other.map_or(name, |&(_, name)| name);
    PARAMETERS.iter().enumerate().find(|(_, parameter)| parameter.name == name)
}

/// The name that is nearest to one that is unknown, if it is near: at most two letters are wrong, or one of
/// a short name.
pub(super) fn nearest(unknown: &str) -> Option<&'static str> {
    /// No name is so long.
    const TOO_LONG: usize = 40;
    if unknown.len() > TOO_LONG {
        return None;
    }
    let (distance, name) = names().map(|name| (distance(unknown, name), name)).min()?;
    let allowed = if name.len() < 8 { 1 } else { 2 };
    (distance <= allowed).then_some(name)
}

/// How many letters must be put in, taken out or changed to make `to` of `from`.
fn distance(from: &str, to: &str) -> usize {
    // From what has been read of `from` to each beginning of `to`.
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for letter in from.bytes().map(|byte| byte.to_ascii_lowercase()) {
        let mut left = row.first().map_or(0, |first| first + 1);
        let mut next = Vec::from([left]);
        for (above, other) in row.windows(2).zip(to.bytes()) {
            let &[changed, put_in] = above else { break };
            let changed = changed + usize::from(letter != other);
            left = changed.min(put_in + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

impl Parameter {
    /// Reads a value.
    pub(super) fn read(&self, piece: Piece<'_>) -> Result<Value, UrlError> {
        let bytes = piece.decode().map_err(|piece| piece.error(UrlErrorKind::Percent))?;
        let text = core::str::from_utf8(&bytes).ok();
        let value = match self.kind {
            Kind::Time(_) => text.and_then(values::time).map(Value::Time),
            Kind::Number(_) => text.and_then(values::number).map(Value::Number),
            Kind::Switch(_) => text.and_then(values::switch).map(Value::Switch),
            Kind::Name(names) => text.and_then(|text| names::choice(names, text)).map(Value::Name),
            Kind::KeyPrefix => {
                Key::new(&bytes).map_err(|error| piece.error(UrlErrorKind::KeyPrefix(error)))?;
                Some(Value::KeyPrefix(bytes))
            }
            Kind::Tls(_) => text
                .filter(|text| !text.contains(char::is_control))
                .map(|text| Value::Tls(text.into())),
        };
        value.ok_or_else(|| piece.error(UrlErrorKind::Value { parameter: self.name }))
    }

    /// Sets what this parameter sets. What is an adapter's, or TLS's, does nothing here.
    pub(super) fn apply(&self, value: &Value, config: &mut Config) {
        match (&self.kind, value) {
            (Kind::Time(set), Value::Time(time)) => set(config, *time),
            (Kind::Number(set), Value::Number(number)) => set(config, *number),
            (Kind::Switch(set), Value::Switch(on)) => set(config, *on),
            (Kind::Name(_), Value::Name(choice)) => choice.apply(config),
            (Kind::KeyPrefix, Value::KeyPrefix(prefix)) => {
                config.settings.key_prefix.clone_from(prefix);
            }
            _ => {}
        }
    }
}

impl fmt::Display for Value {
    /// As [`Parameter::read`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Time(time) => values::write_time(f, *time),
            Value::Number(number) => number.fmt(f),
            Value::Switch(true) => f.write_str("yes"),
            Value::Switch(false) => f.write_str("no"),
            Value::Name(choice) => f.write_str(choice.name().unwrap_or_default()),
            Value::KeyPrefix(prefix) => encode(f, prefix, b":/"),
            Value::Tls(text) => encode(f, text.as_bytes(), b":/"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let cases = [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("ABC", "abc", 0),
            ("abc", "abd", 1),
            ("ac", "abc", 1),
            ("abbc", "abc", 1),
            ("kitten", "sitting", 3),
            ("xyz", "abc", 3),
        ];
        for (from, to, expected) in cases {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }
}
