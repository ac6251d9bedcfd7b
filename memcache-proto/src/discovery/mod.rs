//! Which servers there are, where that is asked for and not written down: what is decided about it.
//!
//! Somebody is asked for the servers every now and then: a configuration endpoint, a resolver, a registry. An
//! adapter does the asking, when [`Discovery::due`] says so, and hands what came to [`Discovery::answered`], whose
//! [`Verdict`] says what to do: nothing, go on with other servers, or tell somebody that the list was refused.
//!
//! ```
//! use std::time::Duration;
//! use memcache_proto::discovery::{Discovered, Discovery, Verdict};
//! use memcache_proto::{Limits, Time};
//!
//! let limits = Limits::default();
//! let mut discovery = Discovery::new(&[], Duration::from_secs(60), &limits, Time::ZERO);
//! assert_eq!(discovery.due(), Time::ZERO);
//!
//! // What a configuration endpoint sends: a version, and `host|address|port` of each server.
//! let text = b"12\nb.example|10.0.0.2|11211 a.example|10.0.0.1|11211\n";
//! let now = Time::from_millis(5);
//! let verdict = discovery.answered(Ok(Discovered::of_config(text, &limits)?), now);
//! let Verdict::Changed(change) = verdict else { panic!("there were no servers") };
//! assert_eq!(change.servers[0].address.to_string(), "a.example:11211"); // sorted
//! assert_eq!(discovery.due(), now + Duration::from_secs(60));
//! # Ok::<(), memcache_proto::discovery::DiscoveryError>(())
//! ```

mod config_text;
mod discovered;
mod error;
mod machine;
mod source;

pub use discovered::Discovered;
pub use error::DiscoveryError;
pub use machine::{Change, Discovery, Verdict};
pub use source::Source;
