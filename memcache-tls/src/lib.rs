//! TLS for `memcache-sync` and `memcache-async`: the settings that both take, and a TLS connection that has no
//! socket and does not wait.
//!
//! Applications use [`Tls`], which both clients re-export behind their feature `tls`, and find a [`TlsError`] in
//! the error of a call. [`Sessions`] and [`Session`] are for adapters: a [`Session`] turns bytes of the
//! application into TLS records and back, and reads and writes them through whatever stream it is lent for the
//! call.
//!
//! TLS itself is done by `rustls` with the cryptography of `ring`.

mod error;
mod session;
mod settings;

pub use error::TlsError;
pub use session::{Session, Sessions, handshake_deadline};
pub use settings::Tls;
