//! The server role: a store that answers commands from memory, and connections to it without sockets.
//!
//! [`Connection`] turns received bytes into commands and answers into bytes to send, and [`Store`]
//! holds the items that all connections share. Together they answer the classic protocol and the meta
//! commands as memcached 1.6.18 does, invalid input included. Bytes and the time go in, bytes come out:
//!
//! ```
//! use memcache_proto::server::{Connection, Settings, Store};
//! use memcache_proto::{Limits, Time};
//!
//! let mut store = Store::new(Settings::default());
//! let mut connection = Connection::new(Limits::default());
//!
//! let request = b"set foo 0 60 3\r\nbar\r\nget foo\r\n";
//! connection.receive_buffer()[..request.len()].copy_from_slice(request); // a read from a socket
//! connection.received(request.len());
//! connection.handle(&mut store, Time::ZERO, 1_700_000_000);
//!
//! let reply = connection.transmit(); // to be written to the socket
//! assert_eq!(reply, b"STORED\r\nVALUE foo 0 3\r\nbar\r\nEND\r\n");
//! let len = reply.len();
//! connection.transmitted(len);
//! assert!(!connection.wants_close());
//! ```
//!
//! # Where it differs from memcached
//!
//! - The binary protocol is not spoken: a connection whose first byte is 0x80 is closed at once.
//! - The item used longest ago is evicted first, of all items; memcached keeps a list for each size.
//! - The commands that tune a server (`slabs`, `lru`, `watch`, `extstore`, and `lru_crawler` but for
//!   `metadump`) are unknown.
//! - The use of an item is noted when it is read, but for the first time; memcached notes some uses
//!   up to a second later, which `l` of an `mg` and `la` of `me` and `metadump` tell.
//! - A counter in an item whose value an answer still holds, not yet sent, is counted where it is;
//!   memcached makes a new item, so that the counter loses its width.
//! - A line that is too long always closes the connection; memcached lets some pass, depending on how
//!   their bytes arrive. Replies to what came before are sent first; memcached may lose them, as it
//!   does before a `get` with a key that is too long.
//! - What `flush_all` made invalid is gone; in memcached a second `flush_all` with a delay, or with an
//!   absolute time in the past, brings back what was not yet reclaimed.
//! - `metadump` may stand behind other commands, and takes `all`, `hash` or a single slab class.
//! - `stats conns` lists nothing, as the store knows no connections, and the other statistics are those
//!   that a client may act on.
//! - A `set` or `ms` of a value that is too long is refused at once; memcached answers after the value has come.
//! - The output of `lru_crawler metadump` and `stats detail dump` is made at once, not bounded by the 64 KiB
//!   of other answers.
//! - `stats sizes_enable` and `sizes_disable` end in `END` as all others do.
//!
//! # Where newer servers differ
//!
//! The meta commands have changed since 1.6.18, whose answers these are: `E` is unknown in all of them,
//! and so is `x` of `md`; `s` of `ms` is passed over, as is `N` with append and prepend; and a quiet `ma`
//! answers `HD` or `VA` where it makes the counter.

mod clock;
mod connection;
mod guard;
mod meta;
mod stats;
mod store;
mod table;

pub use connection::Connection;
pub use store::{Configuration, Next, Settings, Store};
