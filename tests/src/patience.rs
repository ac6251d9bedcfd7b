use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use smol::Timer;
use smol::future::yield_now;

/// How long whatever is being closed may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits until something that others are still at is so. Returns false where it takes too long.
pub fn settles(mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    loop {
        match is_so() {
            true => return true,
            false if Instant::now() > end => return false,
            false => thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Waits for a future, which is never to take as long as `patience`.
///
/// # Panics
///
/// Where it does.
pub fn block_on<T>(patience: Duration, future: impl Future<Output = T>) -> T {
    smol::block_on(smol::future::or(future, async {
        Timer::after(patience).await;
        panic!("not done after {patience:?}");
    }))
}

/// Polls a future this often at most, with a pause for others after each time, and drops it. Returns
/// whether it came to its end.
pub async fn poll_times(future: impl Future, times: u64, pause: Duration) -> bool {
    let mut future = pin!(future);
    for _ in 0..times {
        if poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await {
            return true;
        }
        if pause.is_zero() {
            yield_now().await;
        } else {
            Timer::after(pause).await;
        }
    }
    false
}
