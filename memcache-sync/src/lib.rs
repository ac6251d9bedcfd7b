//! A memcached client for `std` threads.
//!
//! ```
//! use memcache_sync::{Client, Expiry};
//!
//! # let server = memcache_sync::server::Server::start()?;
//! # let address = server.address();
//! let client = Client::new([address])?; // "127.0.0.1:11211", say
//! client.set("answer", 42, Expiry::Never)?;
//! assert_eq!(client.get::<u64>("answer")?, Some(42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Client`] is shared between threads; [`Builder`] has its settings. Everything that decides (which
//! server, is it dead, is this reply mine, what does this value mean) is in [`memcache_proto`]; this
//! crate opens, closes, reads, writes and waits.
//!
//! # Features
//!
//! * `compression` (on by default): zlib values.
//! * `metrics`: `Builder::metrics`, which counts and times calls. `tracing` has `Builder::trace_calls`, too, which makes
//!   a span of each.
//! * `log`, `tracing`: `Builder::debug_log` and `Builder::debug_tracing`, which tell what happens between
//!   the client and its servers.
//! * `json`: `Json`, values of any type that serde can write.
//! * `tls`: `Builder::tls`, which encrypts the connections.
//! * `server`: `server::Server`, an in-memory memcached for examples and tests.

mod builder;
mod client;
mod connector;
mod dialing;
mod discovery;
mod pool;
mod process;
mod region;
#[cfg(feature = "server")]
pub mod server;
mod session;
mod socket;
#[cfg(feature = "tls")]
mod tls;
mod within;

pub use builder::Builder;
pub use client::Client;
pub use connector::{Connector, Sockets, Stream, connect_failure};
#[cfg(feature = "dns-srv")]
pub use discovery::Srv;
pub use discovery::{ClusterConfig, Discover, Dns, Endpoints};
#[cfg(feature = "tls")]
pub use memcache_tls::{Tls, TlsError};
pub use region::Region;
pub use within::Within;

/// All of the core, for what is not named here.
pub use memcache_proto as proto;
pub use memcache_proto::calls::{
    CallName, CasIds, Changed, DeadServers, Error, FailedKey, Fetched, ItemInfo, Load, Many,
    MetaItem, Observation, PerServer, Profile, Recache, ServerList, ServerStatus, Slabs, Status,
    ToServer, Url, UrlError, UrlErrorKind, VarsError,
};
pub use memcache_proto::client::{
    ClusterError, ConnectFailure, Credentials, CredentialsError, DeadServer, DeathCause, Delivery,
    Failure, FailureKind, NoticeEvent, Rejection, Retry, Stored,
};
pub use memcache_proto::codec::StatsArgument;
pub use memcache_proto::discovery::{Discovered, DiscoveryError};
pub use memcache_proto::routing::{
    AddressError, CustomHash, Distribution, Endpoint, Family, KeyHash, RendezvousKeys,
    ServerAddress,
};
#[cfg(feature = "json")]
pub use memcache_proto::value::Json;
pub use memcache_proto::value::{
    Cause, Compressor, DecompressError, Flags, FromValue, Integer, Raw, Serializer, ToValue, Value,
    ValueError, ValueFormat, ValueRef,
};
pub use memcache_proto::{
    ErrorLine, Escaped, Excerpt, Expiry, ExpiryError, Key, KeyBuf, KeyError, KeyRef, Limits,
    ProtocolError, ToKey, Violation,
};
