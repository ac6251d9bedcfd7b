//! Bytes between the core and a stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use memcache_proto::Time;
use memcache_proto::client::{Client, ConnectionId};

use crate::runtime::Stream;

/// How often a socket is read before others have their turn.
pub(crate) const READS: usize = 32;

/// Writes all there is to write. `unflushed` says whether the stream may still hold some of what it
/// took before.
pub(crate) fn send<S: AsyncWrite + Unpin + ?Sized>(
    client: &mut Client,
    id: ConnectionId,
    stream: &mut S,
    unflushed: &mut bool,
    now: Time,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while client.wants(id).transmit {
        let bytes = client.transmit(id);
        let len = match bytes {
            // Nobody waits any more for what was to be sent.
            [] => 0,
            bytes => match ready!(Pin::new(&mut *stream).poll_write(cx, bytes))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                len => len,
            },
        };
        *unflushed |= len > 0;
        client.transmitted(id, len, now);
    }
    if *unflushed {
        ready!(Pin::new(stream).poll_flush(cx))?;
        *unflushed = false;
    }
    Poll::Ready(Ok(()))
}

/// Reads once; how many bytes came is to be reported with [`Client::received`]. The connection is open.
pub(crate) fn receive<S: AsyncRead + Unpin + ?Sized>(
    client: &mut Client,
    id: ConnectionId,
    stream: &mut S,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    Pin::new(stream).poll_read(cx, client.receive_buffer(id))
}

/// As [`receive`], to where large values cost less, if the stream can read there.
pub(crate) fn receive_from(
    client: &mut Client,
    id: ConnectionId,
    stream: &mut dyn Stream,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let Some(with_spare) = stream.with_spare() else { return receive(client, id, stream, cx) };
    match client.receive_spare(id) {
        Some(spare) => with_spare.poll_read_spare(cx, spare),
        None => with_spare.poll_read(cx, client.receive_buffer(id)),
    }
}

/// As [`receive`], but where this is pending nobody may be woken by what comes.
pub(crate) fn look(
    client: &mut Client,
    id: ConnectionId,
    stream: &mut dyn Stream,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let buffer = client.receive_buffer(id);
    match stream.with_spare() {
        Some(with_spare) => with_spare.poll_read_now(cx, buffer),
        None => Pin::new(stream).poll_read(cx, buffer),
    }
}
