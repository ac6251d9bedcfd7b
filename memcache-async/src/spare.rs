use std::any::Any;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

/// A stream that can read into the spare room of a `Vec`. Large values then come with fewer reads, in
/// memory that is not zeroed first. [`WithSpare::new`] makes a [`Stream`](crate::Stream) of it.
///
/// ```
/// use std::io;
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
///
/// use futures_io::{AsyncRead, AsyncWrite};
/// use memcache_async::ReadSpare;
/// use tokio_util::compat::Compat;
///
/// /// A socket of tokio, for instance.
/// struct Socket<T>(Compat<T>);
///
/// impl<T> ReadSpare for Socket<T>
/// where
///     T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
/// {
///     fn poll_read_spare(
///         mut self: Pin<&mut Self>,
///         cx: &mut Context<'_>,
///         buffer: &mut Vec<u8>,
///     ) -> Poll<io::Result<usize>> {
///         tokio_util::io::poll_read_buf(Pin::new(self.0.get_mut()), cx, buffer)
///     }
/// }
/// # impl<T: tokio::io::AsyncRead + Unpin> AsyncRead for Socket<T> {
/// #     fn poll_read(
/// #         mut self: Pin<&mut Self>,
/// #         cx: &mut Context<'_>,
/// #         buffer: &mut [u8],
/// #     ) -> Poll<io::Result<usize>> {
/// #         Pin::new(&mut self.0).poll_read(cx, buffer)
/// #     }
/// # }
/// # impl<T: tokio::io::AsyncWrite + Unpin> AsyncWrite for Socket<T> {
/// #     fn poll_write(
/// #         mut self: Pin<&mut Self>,
/// #         cx: &mut Context<'_>,
/// #         bytes: &[u8],
/// #     ) -> Poll<io::Result<usize>> {
/// #         Pin::new(&mut self.0).poll_write(cx, bytes)
/// #     }
/// #     fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
/// #         Pin::new(&mut self.0).poll_flush(cx)
/// #     }
/// #     fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
/// #         Pin::new(&mut self.0).poll_close(cx)
/// #     }
/// # }
/// ```
pub trait ReadSpare: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Reads as `poll_read` does, but appends the bytes to `buffer`, at most as many as its capacity
    /// holds. There is room for one at least.
    ///
    /// For what is read from a descriptor, `rustix::io::read` with `rustix::buffer::spare_capacity` does
    /// so.
    ///
    /// # Errors
    ///
    /// As `poll_read`.
    fn poll_read_spare(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>>;

    /// Reads what has come, as `poll_read` does, for somebody who does not wait for more: if this is pending,
    /// nobody has to be woken. So an open connection is looked at before it is used after a pause. Default:
    /// `poll_read`.
    ///
    /// # Errors
    ///
    /// As `poll_read`.
    fn poll_read_now(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_read(cx, buffer)
    }
}

/// A [`Stream`](crate::Stream) whose large values are [read into spare room](ReadSpare). A runtime's
/// [`connect`](crate::Runtime::connect) returns it in a box, as it does any other stream.
pub struct WithSpare(Box<dyn ReadSpare>);

impl WithSpare {
    /// A stream that reads and writes by this one.
    pub fn new(stream: impl ReadSpare) -> Self {
        WithSpare(Box::new(stream))
    }

    /// What is in `stream`, if it is one of these.
    pub(crate) fn of(stream: &mut dyn Any) -> Option<Pin<&mut dyn ReadSpare>> {
        stream.downcast_mut().map(|WithSpare(stream)| Pin::new(&mut **stream))
    }
}

impl AsyncRead for WithSpare {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for WithSpare {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

impl fmt::Debug for WithSpare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithSpare").finish_non_exhaustive()
    }
}
