//! A memcached client for any runtime whose streams are those of `futures-io`.
//!
//! ```
//! use memcache_async::{Client, Expiry};
//!
//! # let server = memcache_sync::server::Server::start()?;
//! # let address = server.address();
//! # smol::block_on(async {
//! let client = Client::new([address])?; // "127.0.0.1:11211", say
//! client.set("answer", 42, Expiry::Never).await?;
//! assert_eq!(client.get::<u64>("answer").await?, Some(42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Client`] is shared between tasks; [`Builder`] has its settings; [`Connection`] is the same calls
//! over one stream, for those who want just that. Everything that decides (which server, is it dead, is
//! this reply mine, what does this value mean) is in [`memcache_proto`]; this crate opens, closes,
//! reads, writes and waits, and starts no thread of its own.
//!
//! # Runtimes
//!
//! `Smol` is the default. `Tokio` and `AsyncStd` are behind features. Any other is a [`Runtime`] of a few
//! lines (connect and sleep), and either it can [`Spawn`] or you poll the client's [`Driver`]: the example
//! `own_executor` is such a one. `over_a_pipe` is of a [`Connection`], which needs no runtime.
//!
//! # Features
//!
//! * `smol` (on by default): `Smol`, `Client::new` and `Client::builder`.
//! * `tokio`: `Tokio`, `Client::tokio` and `Client::tokio_builder`. With `default-features = false` nothing of
//!   smol is built.
//! * `async-std`: `AsyncStd`. async-std is no longer maintained; new programs had better use smol.
//! * `compression` (on by default): zlib values.
//! * `metrics`: `Builder::metrics`, which counts and times calls. `tracing` has `Builder::trace_calls`, too, which makes
//!   a span of each.
//! * `log`, `tracing`: `Builder::debug_log` and `Builder::debug_tracing`, which tell what happens between
//!   the client and its servers.
//! * `json`: `Json`, values of any type that serde can write.
//! * `tls`: `Builder::tls`, which encrypts the connections, on every runtime.
//! * `server`: `server::Server`, an in-memory memcached for examples and tests.

#[cfg(feature = "async-std")]
mod async_std;
mod builder;
mod client;
mod connection;
mod discovery;
mod driver;
mod exchange;
mod get_stream;
mod lending;
mod region;
mod retrying;
mod room;
mod running;
mod runtime;
mod shared;
mod signal;
#[cfg(feature = "smol")]
mod smol;
mod spare;
mod state;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tokio")]
mod tokio;
mod waiting;
mod within;

#[cfg(feature = "async-std")]
pub use crate::async_std::AsyncStd;
#[cfg(feature = "smol")]
pub use crate::smol::Smol;
#[cfg(feature = "tokio")]
pub use crate::tokio::Tokio;
pub use builder::Builder;
pub use client::Client;
pub use connection::Connection;
#[cfg(feature = "dns-srv")]
pub use discovery::Srv;
pub use discovery::{ClusterConfig, Discover, Dns, Endpoints};
pub use driver::Driver;
pub use get_stream::GetStream;
#[cfg(feature = "tls")]
pub use memcache_tls::{Tls, TlsError};
pub use region::Region;
pub use runtime::{Runtime, Spawn, Stream, connect_any, connect_failure};
pub use spare::{ReadSpare, WithSpare};
pub use within::Within;

/// An in-memory memcached for examples and tests. It runs on threads of its own, so it is of use under any
/// runtime, and its calls may be made anywhere but [`wait`](server::Server::wait), which blocks.
///
/// ```
/// use memcache_async::server::Server;
/// use memcache_async::{Client, Expiry};
///
/// # smol::block_on(async {
/// let server = Server::start()?; // it ends when it is dropped
/// let client = Client::new([server.address()])?;
/// client.set("answer", 42, Expiry::Never).await?;
/// assert_eq!(client.get::<u64>("answer").await?, Some(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "server")]
pub mod server {
    pub use memcache_sync::server::{Builder, Server, Stopper};
}

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
