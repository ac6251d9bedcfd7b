//! Which server a key belongs to, and what is known of the servers' health.
//!
//! A [`Selector`] turns a key into the servers to try, as python-memcached, libmemcached (pylibmc) or
//! pymemcache would, whichever the [`Distribution`] and the [`KeyHash`] are of; a [`Health`] table, shared by everything that talks to the same servers, says which
//! of them to skip. The first candidate that is not skipped gets the request.
//!
//! ```
//! use core::time::Duration;
//! use memcache_proto::Time;
//! use memcache_proto::routing::{
//!     Admission, DeathCause, Distribution, Health, KeyHash, Selector, Server,
//! };
//!
//! let servers: [Server; 2] = [("10.0.0.1".parse()?, 1).into(), ("10.0.0.2".parse()?, 3).into()];
//! let selector = Selector::new(&servers, Distribution::default(), KeyHash::default());
//! let health = Health::new(servers.len());
//! let (now, lease) = (Time::ZERO, Duration::from_secs(3));
//!
//! let first = selector.candidates(b"foo").next().unwrap();
//! assert_eq!(servers[first.index()].address.to_string(), "10.0.0.2:11211");
//!
//! health.mark_dead(first, now, Duration::from_secs(30), DeathCause::Asked);
//! let chosen = selector
//!     .candidates(b"foo")
//!     .find(|&server| !matches!(health.admit(server, now, lease), Admission::Dead { .. }));
//! assert_eq!(servers[chosen.unwrap().index()].address.to_string(), "10.0.0.1:11211");
//! # Ok::<(), memcache_proto::routing::AddressError>(())
//! ```

mod address;
mod dead_retry;
mod death;
mod distribution;
mod evidence;
mod functions;
mod hash;
mod health;
mod ketama;
mod rendezvous;
mod row;
mod selector;

pub use address::{AddressError, DEFAULT_PORT, Endpoint, Family, Server, ServerAddress, StatsName};
pub use dead_retry::DeadRetry;
pub use death::{ConnectFailure, DeathCause};
pub use distribution::{Distribution, RendezvousKeys};
pub(crate) use evidence::Question;
pub use hash::{CustomHash, KeyHash};
pub use health::{Admission, Health};
pub use selector::{Candidates, MAX_CANDIDATES, Route, Selector, ServerIndex};
