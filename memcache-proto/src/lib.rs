//! The memcached protocol, and a whole client of many servers, as pure state machines: bytes and time
//! in, bytes and events out. No socket, no clock, no thread; whoever has a socket, any socket, can
//! drive them.
//!
//! # The floors
//!
//! Each knows only those below it, and each can be used without those above.
//!
//! | floor | for whom |
//! |---|---|
//! | [`calls`]: an application's calls, typed: keys checked, values encoded, outcomes read, errors named; all settings | an adapter's author |
//! | [`client`]: many servers, routing, dead servers, fan-out, merging, retry | an embedder with a runtime of its own; the run loop is at the [module](client) |
//! | [`connection`]: one byte stream, each reply paired with its request | another client's author |
//! | [`codec`]: commands and responses to and from bytes, both roles | a proxy, a fuzzer, a parser's user |
//! | [`routing`], [`value`]: which server, is it dead; what do these bytes mean | anyone who shares a cache with python-memcached |
//! | `server` (feature `server`): an in-memory memcached | tests and examples |
//!
//! ```
//! use std::sync::Arc;
//!
//! use memcache_proto::client::{Action, Client, Cluster, Operation, Settings};
//! use memcache_proto::routing::{Server, ServerAddress};
//! use memcache_proto::{Key, Time};
//!
//! let servers = vec![Server::from(ServerAddress::parse("10.0.0.1")?)];
//! let mut client = Client::new(Arc::new(Cluster::new(servers, Settings::default())?));
//!
//! let now = Time::ZERO; // of your clock
//! let get = client.submit(Operation::Get { key: Key::new("foo")?.into(), cas: false }, now)?;
//! let Some(Action::Connect { connection, .. }) = client.poll_action(now) else { panic!() };
//! client.connected(connection, now); // your socket to the server is open
//! assert_eq!(client.poll_action(now), Some(Action::Transmit(connection)));
//! let sent = client.transmit(connection).to_vec(); // write it
//! assert_eq!(sent, b"get foo\r\n");
//! client.transmitted(connection, sent.len(), now);
//! assert_eq!(client.poll_action(now), Some(Action::Receive(connection)));
//! let reply = b"VALUE foo 0 3\r\nbar\r\nEND\r\n"; // read into receive_buffer
//! client.receive_buffer(connection)[..reply.len()].copy_from_slice(reply);
//! client.received(connection, reply.len(), now);
//! assert_eq!(client.poll_completion(), Some(get));
//! let item = client.take(get).expect("it is complete").item()?.expect("it was found");
//! assert_eq!(item.value, "bar");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds everywhere
//!
//! * **Time is told.** Every call that depends on it takes `now`, a [`Time`] since an origin of your
//!   choice.
//! * **Incomplete is not an error, a miss is not an error, a dead server is an outcome.** Errors say
//!   who broke the rule: the caller ([`KeyError`], [`ExpiryError`]), the peer ([`ProtocolError`]), or
//!   the server's own words ([`ErrorLine`]).
//! * **The caller's bytes cannot become commands.** A [`Key`] is checked, numbers are numbers, and no
//!   raw text reaches the wire.
//! * **Everything is bounded** by [`Limits`]. Memory grows as bytes arrive, never because a peer
//!   announced a number.
//!
//! # Features
//!
//! * `compression` (on by default; needs `std`): zlib values. Without it a compressed value is a typed
//!   error that carries its bytes.
//! * `std`: `Origin`, which makes [`Time`]s of `std::time::Instant`s. Without it the crate is `no_std`
//!   and needs `alloc`.
//! * `json`: `value::Json`, values of any type that serde can write.
//! * `server`: the server role.
//! * `marks`, unstable, for tests: `marks`, which say what rare branches were taken. It changes no result.
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

// Before the others, which use its macro.
#[macro_use]
mod sometimes;

pub mod calls;
pub mod client;
pub mod codec;
pub mod connection;
mod credentials;
pub mod discovery;
mod eight;
mod error;
mod escape;
mod expiry;
mod hidden;
mod key;
mod limits;
#[cfg(feature = "marks")]
pub mod marks;
pub mod routing;
#[cfg(feature = "server")]
pub mod server;
mod time;
pub mod value;

pub use credentials::{Credentials, CredentialsError};
pub use error::{ErrorLine, Excerpt, ProtocolError, Violation};
pub use escape::Escaped;
pub use expiry::{Expiry, ExpiryError, Exptime};
pub use key::{Key, KeyBuf, KeyError, KeyRef, MAX_KEY_LEN, ToKey};
pub use limits::Limits;
#[cfg(feature = "std")]
pub use time::Origin;
pub use time::Time;
