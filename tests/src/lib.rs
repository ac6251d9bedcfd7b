//! The harness of the tests.

pub mod api;
mod bare;
mod buffered;
mod counted;
mod full;
mod holding;
mod load;
mod memcached;
mod patience;
pub mod process;
pub mod python;
mod relay;
mod scripted;
mod target;
mod tls_memcached;
mod unix_memcached;
mod virtual_time;

pub use bare::Bare;
pub use buffered::{Buffered, Buffering, WithBuffers};
pub use counted::{Counted, Counts};
pub use full::Full;
pub use holding::Holding;
pub use load::{Caller, Tally, Worker};
pub use memcached::Memcached;
pub use patience::{block_on, poll_times, settles};
pub use relay::Relay;
pub use scripted::{Scripted, Seen, Step};
pub use target::Target;
pub use tls_memcached::TlsMemcached;
pub use unix_memcached::UnixMemcached;
pub use virtual_time::{Line, Network, VirtualServer};
