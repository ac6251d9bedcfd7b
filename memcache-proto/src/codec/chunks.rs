use core::fmt;

use bytes::{Bytes, BytesMut};

/// The largest chunk, in bytes: the most that a small value can keep alive.
const CHUNK_LEN: usize = 4 << 10;
/// A value of more bytes than this has an allocation of its own.
pub(crate) const SHARED_LEN: usize = 1 << 10;

/// How large a chunk to begin with a value of `len` bytes, if `hint` bytes wait; `None` if the value has an
/// allocation of its own.
pub(crate) fn new_len(len: usize, hint: usize) -> Option<usize> {
    // Where no second value of this length waits, a chunk would have nobody to share it.
    let is_alone = len > SHARED_LEN || hint / 2 < len;
    (!is_alone).then(|| hint.min(CHUNK_LEN))
}

/// Makes values one's own that were borrowed from a [`Decoder`](super::Decoder)'s buffer.
///
/// A value that outlives the next read must leave the decoder's buffer. An allocation for each is dear
/// where values are small, and a share of the whole read buffer would keep 64 KiB alive for one of
/// them. So values of up to 1 KiB are copied one behind the other into chunks that they share: a
/// value that is kept keeps at most its chunk, 4 KiB. A larger value is copied into an allocation
/// that holds it and nothing else.
///
/// ```
/// use memcache_proto::Limits;
/// use memcache_proto::codec::{Chunks, Decoder, Item, Response};
///
/// let (mut decoder, mut chunks) = (Decoder::new(Limits::default()), Chunks::new());
/// let reply = b"VALUE a 0 3\r\nfoo\r\nVALUE b 0 3\r\nbar\r\nEND\r\n";
/// decoder.space()[..reply.len()].copy_from_slice(reply);
/// decoder.filled(reply.len());
/// let mut kept = Vec::new();
/// loop {
///     let hint = decoder.buffered();
///     match decoder.next()? {
///         Some(Item::Response(Response::Value { value, .. })) => kept.push(chunks.copy(value, hint)),
///         Some(Item::LargeValue { value, .. } | Item::LargeVa { value, .. }) => {
///             kept.push(value.take().into()); // no copy
///         }
///         Some(Item::Response(_)) => {}
///         None => break,
///     }
/// }
/// assert_eq!(kept, [&b"foo"[..], b"bar"]);
/// # Ok::<(), memcache_proto::ProtocolError>(())
/// ```
#[derive(Default)]
pub struct Chunks {
    /// What is left of the chunk begun last; empty, what was copied has been split off.
    rest: BytesMut,
}

impl Chunks {
    /// No chunk yet; the first is allocated for the first value.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of `value` that stays.
    ///
    /// `hint` is how many bytes wait, this value among them
    /// ([`Decoder::buffered`](super::Decoder::buffered) before the call of `next` that gave it): as
    /// many, up to 4 KiB, are allocated where a chunk has to be begun, so that the last value of a
    /// reply does not allocate for others that may never come. A wrong hint costs memory or
    /// allocations within these bounds, no more.
    #[inline]
    #[must_use]
    pub fn copy(&mut self, value: &[u8], hint: usize) -> Bytes {
        if value.len() > self.rest.capacity() || value.len() > SHARED_LEN {
            return self.copy_elsewhere(value, hint);
        }
        self.rest.extend_from_slice(value);
        self.rest.split().freeze()
    }

    /// Copies a value that does not go into the chunk at hand.
    fn copy_elsewhere(&mut self, value: &[u8], hint: usize) -> Bytes {
        let Some(len) = new_len(value.len(), hint) else { return Bytes::copy_from_slice(value) };
        self.rest = BytesMut::with_capacity(len);
        self.rest.extend_from_slice(value);
        self.rest.split().freeze()
    }
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunks").field("room", &self.rest.capacity()).finish()
    }
}
