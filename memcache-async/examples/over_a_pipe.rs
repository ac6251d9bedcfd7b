//! A connection over a stream of one's own: here a pipe in memory, with the server's end of the
//! protocol behind it. There is no socket, no timer, and nothing that is `Send`; smol only polls both
//! ends.
//!
//! ```text
//! cargo run -p memcache-async --no-default-features --example over_a_pipe
//! ```

use std::cell::RefCell;
use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use futures_io::{AsyncRead, AsyncWrite};
use memcache_async::{Builder, Expiry, Limits};
use memcache_proto::Origin;
use memcache_proto::server::{self, Settings, Store};
use smol::LocalExecutor;
use smol::future::poll_once;
use smol::io::{AsyncReadExt, AsyncWriteExt};

fn main() -> Result<(), Box<dyn Error>> {
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(tour(&executor)))
}

async fn tour(executor: &LocalExecutor<'_>) -> Result<(), Box<dyn Error>> {
    let (ours, theirs) = pipe(4 << 10);
    let server = executor.spawn(serve(theirs));
    // `Connection::new` makes one with the default settings. None of either needs a runtime.
    let mut connection = Builder::new(()).key_prefix("pipe:").over(ours)?;

    connection.set("greeting", "hello", Expiry::Never).await?;
    assert_eq!(connection.get::<String>("greeting").await?.as_deref(), Some("hello"));
    println!("the greeting is back");

    // The pipe holds 4 KiB, so that each end has to wait for the other again and again.
    let long = vec![b'x'; 1_000_000];
    connection.set("long", &long, Expiry::Never).await?;
    assert_eq!(connection.get::<Vec<u8>>("long").await?, Some(long));
    println!("a megabyte went through, and back");

    // Here replies come before all of the request is written; who does not read them waits for ever.
    let stored = connection.set_many((0..10_000_u32).map(|n| (n, n * n)), Expiry::Never).await?;
    assert_eq!(stored.into_result()?, 10_000);
    let found = connection.get_many::<u32, _>(0..20_000_u32).await?.into_result()?;
    assert!(found.len() == 10_000 && found.iter().all(|(n, square)| n * n == *square));
    println!("of 20000 keys {} were there", found.len());

    // A call that is dropped half way: its reply is not taken for that of the next.
    assert!(poll_once(connection.get::<String>("greeting")).await.is_none());
    assert_eq!(connection.get::<u32>(7).await?, Some(49));
    println!("a dropped call has disturbed nobody");

    // Once the peer has gone every call fails; the cure is another stream.
    server.cancel().await;
    let error = connection.get::<u32>(7).await.err().ok_or("nobody is there to answer")?;
    assert!(connection.is_closed());
    println!("the other end has gone: {error}");
    Ok(())
}

/// The server's end of one connection.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let origin = Origin::new(Instant::now());
    let mut store = Store::new(Settings::default());
    let mut connection = server::Connection::new(Limits::default());
    while !connection.wants_close() {
        if connection.wants_receive() {
            match stream.read(connection.receive_buffer()).await? {
                0 => break,
                len => connection.received(len),
            }
        }
        let unix_now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        connection.handle(&mut store, origin.time(Instant::now()), unix_now);
        while !connection.transmit().is_empty() {
            let len = stream.write(connection.transmit()).await?;
            connection.transmitted(len);
        }
    }
    Ok(())
}

/// A pipe for both ways, of which each holds up to `capacity` bytes.
fn pipe(capacity: usize) -> (End, End) {
    let one = Rc::new(RefCell::new(Way { capacity, ..Way::default() }));
    let other = Rc::new(RefCell::new(Way { capacity, ..Way::default() }));
    (End { from: one.clone(), to: other.clone() }, End { from: other, to: one })
}

/// One end of a pipe. Both ways are closed when it is dropped.
struct End {
    from: Rc<RefCell<Way>>,
    to: Rc<RefCell<Way>>,
}

/// What is on its way in one direction.
#[derive(Default)]
struct Way {
    bytes: VecDeque<u8>,
    capacity: usize,
    closed: bool,
    /// Who waits for bytes, and who for room.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut way = self.from.borrow_mut();
        if way.bytes.is_empty() && !way.closed && !buffer.is_empty() {
            way.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = io::Read::read(&mut way.bytes, buffer)?;
        let writer = way.writer.take();
        drop(way);
        wake(writer);
        Poll::Ready(Ok(len))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut way = self.to.borrow_mut();
        if way.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let len = bytes.len().min(way.capacity - way.bytes.len());
        if len == 0 && !bytes.is_empty() {
            way.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        way.bytes.extend(&bytes[..len]);
        let reader = way.reader.take();
        drop(way);
        wake(reader);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        close(&self.to);
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        close(&self.from);
        close(&self.to);
    }
}

fn close(way: &RefCell<Way>) {
    let mut way = way.borrow_mut();
    way.closed = true;
    let wakers = [way.reader.take(), way.writer.take()];
    drop(way);
    wakers.into_iter().for_each(wake);
}
