mod error;
mod list;
mod names;
mod parameters;
mod parse;
mod piece;
#[cfg(test)]
mod tests;
mod values;
mod vars;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use super::Config;
use crate::client::Credentials;
use crate::discovery::Source;
use crate::routing::{Endpoint, Server};
use list::{Weight, address_text};
use parameters::{CONNECTIONS_PER_SERVER, Kind, MERGE_GETS, PARAMETERS, SESSIONS, Value};
use piece::encode;

pub use error::{UrlError, UrlErrorKind};
pub use list::ServerList;
pub use vars::VarsError;

/// Servers, login and settings in one line.
///
/// ```
/// use memcache_proto::calls::{Config, Url};
///
/// let url: Url = "memcached://shop:secret@10.0.0.1,10.0.0.2:11212*2/?prefix=shop:&dead_retry=1m".parse()?;
/// let mut config = Config::default();
/// url.apply(&mut config);
/// assert_eq!(config.settings.dead_retry.as_secs(), 60);
///
/// // It is displayed without the password, so it may be logged.
/// assert_eq!(
///     url.to_string(),
///     "memcached://shop:***@10.0.0.1:11211,10.0.0.2:11212*2/?key_prefix=shop:&dead_retry=60s",
/// );
/// # Ok::<(), memcache_proto::calls::UrlError>(())
/// ```
///
/// # Servers
///
/// | URL | servers |
/// |---|---|
/// | `memcached://SERVERS` | hosts |
/// | `memcached+tls://SERVERS` | the same, over TLS |
/// | `memcached+unix://PATHS` | Unix sockets, each an absolute path: `memcached+unix:///run/a.sock,/run/b.sock*2` |
///
/// Servers are written as in a [`ServerList`], but without spaces: with commas between them, and `*` and a
/// weight behind them. Each is an address as [`ServerAddress`](crate::routing::ServerAddress) takes it: `host`,
/// `host:port`, `[::1]:port`, `inet:host:port`, `inet6:[host]:port`. A Unix socket among hosts is written
/// `unix:%2Frun%2Fm.sock`. At least one must be named.
///
/// In place of servers, or among them, may stand who knows the servers:
///
/// | URL | servers |
/// |---|---|
/// | `memcached://config+HOST:PORT` | those that a configuration endpoint tells of, in the clouds of Amazon and Google |
/// | `memcached://dns+HOST:PORT` | every address of the host |
/// | `memcached://dnssrv+NAME` | every SRV record of the name: `dnssrv+_memcache._tcp.example.org` |
///
/// It is asked again every `discover_every`. Servers that stand beside it are used until it has answered.
///
/// # Login
///
/// `user:password@` before the servers has each connection log in. A user without a password is an error.
///
/// # Percent-encoding
///
/// In a user, a password, a server and a value, `%` and two hexadecimal digits stand for a byte. These
/// characters must be written so; a `+` is a plus.
///
/// | where | characters |
/// |---|---|
/// | everywhere | `%` (`%25`), space (`%20`), `#` (`%23`), `@` (`%40`), control characters |
/// | in a user or a password | `/` (`%2F`), `?` (`%3F`) |
/// | in a path | `,` (`%2C`), `;` (`%3B`), `*` (`%2A`), `?` (`%3F`), and among hosts `/` (`%2F`) |
/// | in a value | `&` (`%26`) |
///
/// # Parameters
///
/// Each has the name of the builder's method. A time is a number with `ns`, `us`, `ms`, `s`, `m` or `h` behind it
/// (`500ms`, `1.5s`), or a number of seconds, as in python-memcached. A switch is one of `true`, `false`, `1`, `0`,
/// `yes`, `no`, `on`, `off`. In a name case, `-`, `_` and `.` do not count: `python-memcached-1.58` is
/// `python_memcached_158`.
///
/// | parameter | value | what it sets |
/// |---|---|---|
/// | `profile` | `python_memcached`, `python_memcached_158`, `pylibmc`, `pylibmc_ketama`, `pylibmc_ketama_weighted`, `pymemcache`, `pymemcache_pickle` | the client to be the equal of: distribution, key hash and value format at once ([`Profile`](super::Profile)) |
/// | `distribution` | `python_memcached`, `modula`, `ketama`, `ketama_weighted`, `rendezvous`, `rendezvous_bytes` | how the servers share the keys ([`Distribution`](crate::routing::Distribution)) |
/// | `key_hash` | `crc32`, `crc32_non_zero`, `crc32_whole`, `one_at_a_time`, `md5`, `fnv1_64`, `fnv1a_64`, `fnv1_32`, `fnv1a_32`, `murmur`, `murmur3`, `jenkins`, and libmemcached's `default` and `crc` | the hash that chooses a key's server ([`KeyHash`](crate::routing::KeyHash)) |
/// | `hash_with_prefix_key` | switch | whether the prefix takes part in choosing a key's server |
/// | `value_format` | `python_memcached`, `python_memcached_158`, `pylibmc`, `pymemcache`, `pymemcache_pickle` | how values are stored and read ([`ValueFormat`](crate::value::ValueFormat)) |
/// | `min_compress_len` | bytes | values longer than this are compressed |
/// | `key_prefix`, `prefix` | text or bytes | put before every key |
/// | `check_keys` | switch | whether keys with control characters are refused |
/// | `server_max_key_length` | bytes | the longest key sent |
/// | `server_max_value_length` | bytes | the longest value sent |
/// | `socket_timeout` | time | how long a server may show no progress before it is dead |
/// | `connect_timeout` | time | how long a connect may take |
/// | `operation_timeout` | time | how long one call may take in all |
/// | `dead_retry` | time | how long a dead server is left alone |
/// | `dead_retry_factor` | number | by how much longer each further time |
/// | `dead_retry_max` | time | how long at most |
/// | `max_rest` | time | how long a connection may rest before it is looked at |
/// | `failover` | switch | whether a key whose server is dead goes to another one |
/// | `flush_on_reconnect` | switch | whether a server that was dead is flushed |
/// | `resend_stores` | switch | whether a store that may have been lost is sent again |
/// | `retry` | number | how often a request that failed is made again at most |
/// | `retry_backoff`, `retry_max_backoff` | time | how long it waits at first, and at most |
/// | `retry_refused`, `retry_lost`, `retry_timeouts` | switch | whether it is, by what it failed by |
/// | `unavailable_is_miss` | switch | whether a lookup on a dead server is a miss |
/// | `cache_cas` | number | how many cas uniques each `cas_ids` remembers |
/// | `recache_lease`, `recache_early`, `recache_wait`, `recache_pause` | time | the times of `get_or_set_with` ([`Recache`](super::Recache)) |
/// | `discover_every` | time | how long after the servers have been asked for they are asked for again |
/// | `sessions` | number | how many threads may use the client at the same moment; in `memcache-sync` |
/// | `connections_per_server` | number | how many connections there may be to one server; in `memcache-async` |
/// | `merge_gets` | switch | whether gets that wait are merged into one; in `memcache-async` |
/// | `tls_ca` | path | the certificates that a server's may be signed with; `memcached+tls` only |
/// | `tls_server_name` | name | the name that a server's certificate must have; `memcached+tls` only |
/// | `tls_cert`, `tls_key` | path | the client's own certificate and key; `memcached+tls` only |
///
/// The profile is applied first, whatever the order is. A parameter that is not in the table, or is there
/// twice, is an error. `sessions` is ignored where there are no sessions, and `connections_per_server` and
/// `merge_gets` where a session has one connection for itself: that way all programs of a service can share one
/// URL, and none of the three changes where a key lives or what is stored for it.
///
/// What is code (`key_encoder`, `serializer`, `compressor`, `debug`) and the bounds in
/// [`Limits`](crate::Limits) that are not in the table have no parameter.
///
/// # Other clients
///
/// | habit of | |
/// |---|---|
/// | Dalli (Ruby): `memcached://user:password@host:port` | taken. Of several URLs with commas between them write one, with all the servers |
/// | Dalli: `host:port:weight` | an error, write `host:port*weight` |
/// | Dalli: `MEMCACHE_SERVERS`; Heroku: `MEMCACHIER_SERVERS`, `MEMCACHIER_USERNAME`, `MEMCACHIER_PASSWORD` | their values are taken; for their names see [`Url::from_vars`] |
/// | Django: a `LOCATION` with commas or semicolons, `unix:/path` | taken as a [`ServerList`] |
/// | django-cache-url: `memcached:///path` | an error, write `memcached+unix:///path` |
/// | a `MEMCACHED_URL` without a scheme, `host:port` | an error, write `memcached://host:port`, or set `MEMCACHED_SERVERS` |
/// | no servers named means `localhost` | an error: a service that has lost its settings should say so |
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    tls: bool,
    credentials: Option<Credentials>,
    servers: Vec<Server>,
    source: Option<Source>,
    /// By the place of their parameter in [`PARAMETERS`], which is the order to apply them in.
    values: BTreeMap<usize, Value>,
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// [`UrlError`] says what is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        parse::url(text)
    }

    /// The servers, in order.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Who knows the servers that are not named. `None` if the URL names nobody.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// Who logs in. `None` if the URL names no user.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// What TLS needs to know. `None` if the URL does not ask for TLS.
    #[must_use]
    pub fn tls(&self) -> Option<UrlTls> {
        let mut tls = UrlTls::default();
        for (parameter, value) in self.parameters() {
            if let (Kind::Tls(set), Value::Tls(text)) = (&parameter.kind, value) {
                set(&mut tls, text.clone());
            }
        }
        self.tls.then_some(tls)
    }

    /// How many threads may use a client at the same moment, which `memcache-sync` asks for. `None` if the
    /// URL does not say.
    #[must_use]
    pub fn sessions(&self) -> Option<usize> {
        self.number(SESSIONS)
    }

    /// How many connections there may be to one server, which `memcache-async` asks for. `None` if the URL
    /// does not say.
    #[must_use]
    pub fn connections_per_server(&self) -> Option<usize> {
        self.number(CONNECTIONS_PER_SERVER)
    }

    /// Whether gets that wait are merged into one, which `memcache-async` asks for. `None` if the URL does
    /// not say.
    #[must_use]
    pub fn merge_gets(&self) -> Option<bool> {
        self.parameters().find_map(|(parameter, value)| match value {
            Value::Switch(on) if parameter.name == MERGE_GETS => Some(*on),
            _ => None,
        })
    }

    /// Adds the servers to those that `config` has, and sets what the URL names. What it does not name stays as
    /// it is.
    ///
    /// [`sessions`](Self::sessions), [`connections_per_server`](Self::connections_per_server) and
    /// [`merge_gets`](Self::merge_gets) are left to the adapter.
    pub fn apply(&self, config: &mut Config) {
        config.servers.extend(self.servers.iter().cloned().map(Ok));
        if self.credentials.is_some() {
            config.settings.credentials.clone_from(&self.credentials);
            config.credentials_error = None;
        }
        if self.tls {
            config.tls = self.tls();
        }
        if self.source.is_some() {
            config.discovery.source.clone_from(&self.source);
        }
        for (parameter, value) in self.parameters() {
            parameter.apply(value, config);
        }
    }

    /// What it sets, in the order in which it is applied.
    fn parameters(&self) -> impl Iterator<Item = (&'static parameters::Parameter, &Value)> {
        self.values.iter().filter_map(|(&order, value)| Some((PARAMETERS.get(order)?, value)))
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.parameters().find_map(|(parameter, value)| match value {
            Value::Number(number) if parameter.name == name => Some(*number),
            _ => None,
        })
    }
}

impl From<ServerList> for Url {
    /// The URL of these servers, without TLS, login or settings.
    fn from(list: ServerList) -> Self {
        let servers = list.into_iter().collect();
        Url { tls: false, credentials: None, servers, source: None, values: BTreeMap::new() }
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Url::parse(text)
    }
}

impl fmt::Display for Url {
    /// A URL that is parsed as this one, but for the password: `***` stands in its place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_path = |server: &Server| matches!(server.address.endpoint(), Endpoint::Unix { path } if path.starts_with('/'));
        let paths = !self.tls && self.source.is_none() && self.servers.iter().all(is_path);
        let scheme = match (self.tls, paths) {
            (true, _) => parse::TLS,
            (false, true) => parse::UNIX,
            (false, false) => parse::PLAIN,
        };
        write!(f, "{scheme}://")?;
        if let Some(credentials) = &self.credentials {
            encode(f, credentials.user(), b"")?;
            f.write_str(":***@")?;
        }
        let mut comma = "";
        if let Some(source) = &self.source {
            encode(f, source.to_string().as_bytes(), b":[]+")?;
            comma = ",";
        }
        for server in &self.servers {
            f.write_str(core::mem::replace(&mut comma, ","))?;
            match server.address.endpoint() {
                Endpoint::Unix { path } if paths => encode(f, path.as_bytes(), b"/:")?,
                _ => encode(f, address_text(&server.address).as_bytes(), b":[]")?,
            }
            write!(f, "{}", Weight(server.weight))?;
        }
        // Behind a path it would be part of it.
        let mut before = if paths { "?" } else { "/?" };
        for (parameter, value) in self.parameters() {
            write!(f, "{before}{}={value}", parameter.name)?;
            before = "&";
        }
        Ok(())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// What a URL that begins with `memcached+tls` says of TLS. What it leaves out is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UrlTls {
    /// The file of the certificates that a server's may be signed with: `tls_ca`.
    pub ca: Option<String>,
    /// The name that a server's certificate must have, in place of the host's: `tls_server_name`.
    pub server_name: Option<String>,
    /// The file of the client's own certificate: `tls_cert`.
    pub cert: Option<String>,
    /// The file of the key that belongs to it: `tls_key`.
    pub key: Option<String>,
}
