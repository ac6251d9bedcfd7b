use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use memcache_proto::calls::{Error, GetMany, Plain};
use memcache_proto::value::FromValue;
use memcache_proto::{ToKey, calls};

use crate::running::Running;

/// The call that a stream makes.
type Call<K, V> = GetMany<K, Plain<V>, VecDeque<(K, V)>>;

/// The items that [`Client::get_stream`](crate::Client::get_stream) finds, as they come.
///
/// Nothing is asked for before the stream is polled. It may be dropped at any point: what was not sent will not
/// be, and the answer to what was is swallowed.
#[must_use = "a stream does nothing unless it is polled"]
pub struct GetStream<K: ToKey, V: FromValue> {
    /// `None` when the call has ended.
    running: Option<Running<Call<K, V>>>,
    /// What has come and has not been taken yet.
    found: VecDeque<(K, V)>,
    failed: VecDeque<Error>,
}

// Nothing in it is ever pinned.
impl<K: ToKey, V: FromValue> Unpin for GetStream<K, V> {}

impl<K: ToKey, V: FromValue> GetStream<K, V> {
    /// Runs the call on these keys by `run`.
    pub(crate) fn new(
        keys: impl IntoIterator<Item = K>,
        run: impl FnOnce(Call<K, V>) -> Running<Call<K, V>>,
    ) -> Self {
        let running = Some(run(calls::get_many(keys)));
        GetStream { running, found: VecDeque::new(), failed: VecDeque::new() }
    }
}

impl<K: ToKey, V: FromValue> Stream for GetStream<K, V> {
    type Item = Result<(K, V), Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // Only who takes what has come asks for more, so no more than that waits here.
        while this.found.is_empty() {
            let Some(running) = &mut this.running else {
                return Poll::Ready(this.failed.pop_front().map(Err));
            };
            match Pin::new(&mut *running).poll(cx) {
                Poll::Ready(result) => {
                    this.running = None;
                    match result {
                        Ok(many) => {
                            this.found = many.result;
                            this.failed.extend(many.failed.into_iter().map(Error::from));
                        }
                        Err(error) => this.failed.push_back(error),
                    }
                }
                Poll::Pending => {
                    this.found = running.take_found();
                    if this.found.is_empty() {
                        return Poll::Pending;
                    }
                }
            }
        }
        Poll::Ready(this.found.pop_front().map(Ok))
    }
}

impl<K: ToKey, V: FromValue> fmt::Debug for GetStream<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetStream").field("found", &self.found.len()).finish_non_exhaustive()
    }
}
