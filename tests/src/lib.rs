//! The harness of the tests.

mod full;
mod memcached;
mod relay;
mod scripted;
mod target;

pub use full::Full;
pub use memcached::Memcached;
pub use relay::Relay;
pub use scripted::{Scripted, Seen, Step};
pub use target::Target;
