//! What the client does with wakers, which may be all that keeps a task.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use crate::*;

use memcache_async::Limits;

/// A task that has ended is not kept by a waker of it: with some executors that would keep all it has.
#[test]
fn no_waker_is_kept_of_a_call_that_has_ended() {
    for (lone, pieces) in [(false, Pieces::WHOLE), (true, Pieces::WHOLE), (true, Pieces::of(1))] {
        let mut net = Net::new(1);
        fill(&net, ["lone", "a"]);
        let client = net.client();
        if lone {
            grow_lone(&mut net, &client);
        }
        net.world.state().pieces = pieces;
        for polls in 0..10 {
            let held = net.hold(get(&client, "a"));
            for _ in 0..polls {
                if net.poll(&held) {
                    break;
                }
                net.step();
            }
            net.drop_task(&held);
            net.run();
            // The executor's queue has one, perhaps, the client none.
            assert_eq!(net.wakers_kept(&held), 0, "{polls} polls, lone: {lone}");
        }
    }
}

/// A waker that is woken and dropped by code that uses the client, from whatever thread.
struct Nosy {
    client: Client,
    /// How often it could do so.
    uses: Arc<AtomicUsize>,
}

impl Nosy {
    fn poll<T>(
        client: &Client,
        uses: &Arc<AtomicUsize>,
        future: Pin<&mut impl Future<Output = T>>,
    ) -> Poll<T> {
        let nosy = Arc::new(Nosy { client: client.clone(), uses: uses.clone() });
        future.poll(&mut Context::from_waker(&Waker::from(nosy)))
    }

    fn use_client(&self) {
        let (client, (sender, receiver)) = (self.client.clone(), mpsc::channel());
        thread::spawn(move || {
            let call = pin!(client.get::<String>("nothing"));
            assert!(call.poll(&mut Context::from_waker(Waker::noop())).is_pending());
            let _ = sender.send(());
        });
        // Nobody waits for that long but where the lock is held.
        if receiver.recv_timeout(20 * SECOND).is_ok() {
            self.uses.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Wake for Nosy {
    fn wake(self: Arc<Self>) {
        self.use_client();
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        self.use_client();
    }
}

/// Some executors keep a task by its wakers alone, so that the last of them takes the task with it, and
/// its calls.
#[test]
fn wakers_are_woken_and_dropped_where_the_client_can_be_used() {
    for crowded in [false, true] {
        for completes in [false, true] {
            let mut net = Net::new(1);
            fill(&net, ["lone", "a"]);
            let limits =
                Limits { backlog: if crowded { 100 } else { 10_000 }, ..Limits::default() };
            let client = net.builder().limits(limits).build().expect("a client");
            drop(net.block_on(get(&client, "a")));
            let mut set = None;
            if crowded {
                net.set_mode(0, Mode::Deaf);
                let client = client.clone();
                let value = "x".repeat(200);
                set = Some(net.start(async move { client.set("b", value, Expiry::Never).await }));
                net.run();
            }
            let uses = Arc::new(AtomicUsize::new(0));
            let used = || uses.load(Ordering::Relaxed);
            let mut call = Box::pin(client.get::<String>("a"));
            assert!(Nosy::poll(&client, &uses, call.as_mut()).is_pending());
            // This drops the one before.
            assert!(Nosy::poll(&client, &uses, call.as_mut()).is_pending());
            assert_eq!(used(), 1, "crowded: {crowded}");
            if completes {
                // Woken, which is the end of it.
                net.set_mode(0, Mode::Up);
                net.run();
                assert_eq!(used(), 3, "crowded: {crowded}");
            } else {
                drop(call);
                assert_eq!(used(), 2, "crowded: {crowded}");
            }
            drop(set);
        }
    }
}
