/// How servers share the keys among them. Clients share a cache only if they agree on it, on the
/// [`KeyHash`](super::KeyHash), and on the list of servers, order and weights included.
///
/// | here | in the other client |
/// |---|---|
/// | `PythonMemcached` | python-memcached, always |
/// | `Modula` | libmemcached's default, `modula` |
/// | `Ketama` | libmemcached's `consistent` and `consistent_ketama`; pylibmc's `"ketama": True` |
/// | `KetamaWeighted` | libmemcached's `consistent_weighted`; pylibmc's `"ketama_weighted": True`, which also sets the hash to md5 |
/// | `Rendezvous` | pymemcache's `HashClient`, always |
///
/// libmemcached's distributions have one candidate for a key: unless told to, it looks nowhere
/// else, and whoever did would look where no other client does. They work with the low 32 bits of
/// a hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Distribution {
    /// The servers stand in a row, each as many times as its weight says: a server of weight 0 or
    /// less gets no keys. The hash modulo the length of the row is the server; failing that one,
    /// the hash is hashed again, up to [`MAX_CANDIDATES`](super::MAX_CANDIDATES) times in all.
    #[default]
    PythonMemcached,
    /// The hash modulo the number of servers, whatever their weights.
    Modula,
    /// 100 points for each server on a ring of 32 bits, made with the key hash; the first point at
    /// or behind the key's own hash is its server's. Where any weight is above 1 this is
    /// [`Distribution::KetamaWeighted`], as it is in libmemcached for servers that are added to a
    /// client which is set to it already: keys keep their own hash.
    Ketama,
    /// Some 160 points for each server on a ring of 32 bits, more or less by its weight, made with
    /// md5 whatever the key hash is. A weight below 1 counts as 1.
    KetamaWeighted,
    /// The server whose name has the highest murmur3 hash together with the key; failing that one,
    /// the next highest. Weights and the key hash are ignored. An address given twice counts once.
    Rendezvous {
        /// What the application passes to pymemcache as keys.
        keys: RendezvousKeys,
    },
}

/// Which type the keys have in the Python programs that share a cache by
/// [`Distribution::Rendezvous`]: pymemcache sends the keys `"foo"` and `b"foo"` to different
/// servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RendezvousKeys {
    /// `str`. A key that is no UTF-8 cannot have been one and is hashed as `bytes`.
    #[default]
    Text,
    /// `bytes`, hashed as Python would print them: `b'foo'`.
    Bytes,
}
