use crate::MAX_KEY_LEN;

/// Every bound the core keeps, with its default and where that comes from.
///
/// A peer that passes one of them is closed with a typed error; a caller that passes one is refused
/// before anything is sent. None of them can be switched off, only raised.
///
/// ```
/// use memcache_proto::Limits;
///
/// let limits = Limits { max_value_len: 8 << 20, ..Limits::default() };
/// assert_eq!(limits.window, 64 << 10);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest line a peer may send, in bytes, without its line end. Default: 2,048, which is where
    /// memcached itself closes a connection that sent no LF (its `try_read_command_ascii`).
    ///
    /// For [`Command::parse`](crate::codec::Command::parse) and the server role, less than 105 counts as
    /// 105: a multi get may be longer, and it takes so many bytes to see whether a line is one.
    pub max_line_len: usize,
    /// The longest value accepted from a server, in bytes; 1 GiB, the largest item size that
    /// memcached can be configured to (`-I`).
    pub max_value_len: usize,
    /// The longest value sent, in bytes, after compression; 0 for no limit but what a server can count,
    /// 2^31 - 3. 1 MiB, python-memcached's `server_max_value_length`.
    pub server_max_value_length: usize,
    /// The longest key sent, in bytes, its prefix included; more than 250, the protocol's own limit,
    /// counts as 250, python-memcached's `server_max_key_length`.
    pub server_max_key_length: usize,
    /// Values up to this many bytes are received in the shared buffer, larger ones in a buffer of
    /// their own that is handed out without a copy; 16 KiB, about one read.
    pub inline_value_len: usize,
    /// How much memory may be reserved for one value before its bytes have come, in bytes. A value up to
    /// this length has all of its memory reserved when the line that announces it has come; for a longer
    /// one it grows to twice what has come. Default: 1 MiB, the largest item that memcached takes unless
    /// it is configured otherwise.
    ///
    /// It holds for adapters that read into [spare room](crate::client::Client::receive_spare). Nothing
    /// writes to that memory before bytes come, so where memory is virtual it is address space that a
    /// peer can have reserved, this much a connection, and no more. With 0, as for adapters that read
    /// into [`receive_buffer`](crate::client::Client::receive_buffer), memory always follows what has
    /// come.
    pub reserved_value_len: usize,
    /// The longest line of a `get` or `gets` sent, in bytes, with its line end. A call on more keys is
    /// cut into several gets; a get of one key is sent however short this is. Half of
    /// [`window`](Self::window) counts where that is less. Default: 16,000, because some services
    /// (ElastiCache Serverless, for instance) refuse lines over 16 KB.
    pub max_get_len: usize,
    /// Request bytes sent and not yet answered, in bytes; a larger single request is sent alone.
    /// 64 KiB, which the socket buffers of every system hold.
    pub window: usize,
    /// Request bytes taken in and not yet answered on one connection, sent or waiting, in bytes. Once
    /// there are as many, a call on one key is refused with
    /// [`Rejection::Full`](crate::client::Rejection::Full), and of an operation on many keys the keys beyond
    /// them fail so, each for itself, and nothing of them is sent. A request that nothing waits before
    /// is always taken. Calls on many keys give no more than about [`backlog`](Self::backlog) at a time, so
    /// they do not come near it. Default: 256 MiB.
    pub max_queued_bytes: usize,
    /// Request bytes taken in and not yet answered on one connection, in bytes, from which on those who
    /// can wait had better do so: see [`Client::queued_bytes`](crate::client::Client::queued_bytes). Calls on
    /// many keys give their next ones when half of it waits ([`Client::is_hungry`](crate::client::Client::is_hungry)).
    /// Default: 128 KiB, a window that is on its way and one to follow it.
    pub backlog: usize,
    /// Lines of one `stats` or `lru_crawler metadump` reply; 10 million, more than any real item
    /// dump that is kept in memory.
    pub max_lines: usize,
    /// The memory that one `stats` reply may take, in bytes, all that is kept of it counted. A longer
    /// one closes the connection. Default: 64 MiB, several 100,000 lines.
    pub max_stats_bytes: usize,
    /// How often a change of an item is tried, where others change the item meanwhile. Each time
    /// somebody gets ahead. 0 counts as 1. Default: 100.
    pub max_cas_attempts: usize,
    /// How often what has not been sent moves on to another connection to the same server, because the one
    /// that it waited for ended; 100. A server that ends a connection after each reply is so asked a
    /// hundred times, and not once for each request.
    pub max_moves: u32,
    /// How many servers may be discovered. A list of more is refused, and the one before it stays. It also
    /// bounds the answer to `config get`, to 320 bytes a server. Default: 1,024; the services that hand such
    /// lists out stop at a few hundred.
    pub max_servers: usize,
    /// The largest value that a compressed one may inflate to, in bytes. While it is inflated it may
    /// take up to twice that. Default: 32 MiB, which holds 1 MiB of compressed text with ease.
    pub max_inflated_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_line_len: 2048,
            max_value_len: 1 << 30,
            server_max_value_length: 1 << 20,
            server_max_key_length: MAX_KEY_LEN,
            inline_value_len: 16 << 10,
            reserved_value_len: 1 << 20,
            max_get_len: 16_000,
            window: 64 << 10,
            max_queued_bytes: 256 << 20,
            backlog: 128 << 10,
            max_lines: 10_000_000,
            max_stats_bytes: 64 << 20,
            max_cas_attempts: 100,
            max_moves: 100,
            max_servers: 1024,
            max_inflated_len: 32 << 20,
        }
    }
}
