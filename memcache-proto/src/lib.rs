//! The memcached protocol, and a whole client of many servers, as pure state machines: bytes and time
//! in, bytes and events out.
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod codec;
pub mod connection;
mod error;
mod expiry;
mod key;
mod limits;
pub mod routing;
mod time;
pub mod value;

pub use error::{ErrorLine, ProtocolError};
pub use expiry::{Expiry, ExpiryError, Exptime};
pub use key::{Key, KeyBuf, KeyError, KeyRef, MAX_KEY_LEN, ToKey};
pub use limits::Limits;
#[cfg(feature = "std")]
pub use time::Origin;
pub use time::Time;
