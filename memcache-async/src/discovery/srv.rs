use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::thread;

use futures_util::task::AtomicWaker;
use memcache_proto::discovery::Discovered;
use memcache_proto::value::Cause;

use super::{Discover, Endpoints};

/// A name whose SRV records are the servers: each has a host and a port. Consul and Kubernetes have such names.
/// Priorities and weights are not used.
///
/// It is looked up on a thread that ends with the answer, so this is for every runtime.
///
/// ```no_run
/// use memcache_async::{Client, Srv};
///
/// # smol::block_on(async {
/// let client = Client::builder()
///     .discover(Srv::new("_memcache._tcp.example.org"))
///     .build_discovered()
///     .await?;
/// # Ok::<(), memcache_async::Error>(())
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Srv(memcache_sync::Srv);

impl Srv {
    /// The servers of this name, by the name servers of the system.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Srv(memcache_sync::Srv::new(name))
    }

    /// Asks this name server: `127.0.0.1:8600` of Consul, say. Default: those of the system.
    #[must_use]
    pub fn name_server(self, address: SocketAddr) -> Self {
        Srv(self.0.name_server(address))
    }
}

/// Where the thread leaves the answer.
#[derive(Default)]
struct Answer {
    answer: Mutex<Option<Result<Discovered, Cause>>>,
    waker: AtomicWaker,
}

/// Leaves an answer also where the thread has panicked.
struct Answering(Arc<Answer>);

impl Answering {
    fn put(&self, answer: Result<Discovered, Cause>) {
        self.0.answer.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(answer);
        self.0.waker.wake();
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.put(Err("the resolver panicked".into()));
    }
}

impl Discover for Srv {
    async fn servers(&mut self, _: &Endpoints) -> Result<Discovered, Cause> {
        let answer = Arc::new(Answer::default());
        let (srv, answering) = (self.0.clone(), Answering(answer.clone()));
        let thread = thread::Builder::new().name("memcache-srv".into());
        thread.spawn(move || answering.put(srv.look_up()))?;
        poll_fn(|cx| {
            answer.waker.register(cx.waker());
            let found = answer.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
            found.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn name(&self) -> String {
        memcache_sync::Discover::name(&self.0)
    }
}
