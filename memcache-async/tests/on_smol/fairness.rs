//! A connection over a stream of the caller's own lets others have their turn.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use memcache_async::{Connection, StatsArgument};
use smol::future::poll_once;
use smol::io::{AsyncRead, AsyncWrite};

/// A peer that has always more to say.
struct Endless;

impl AsyncRead for Endless {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let lines = b"STAT a b\r\n".iter().cycle();
        let len = buffer.len() / 10 * 10;
        assert!(len > 0, "there is room for a line");
        buffer[..len].iter_mut().zip(lines).for_each(|(to, from)| *to = *from);
        Poll::Ready(Ok(len))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, b: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(b.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_peer_that_never_pauses_does_not_keep_the_thread() {
    let mut connection = Connection::new(Endless);
    smol::block_on(async {
        let mut stats = std::pin::pin!(connection.stats(StatsArgument::General));
        assert!(poll_once(&mut stats).await.is_none(), "it has read all in one poll");
        let stats = stats.await.expect("an answer of the only server");
        stats.into_result().expect_err("there is a limit");
    });
}
