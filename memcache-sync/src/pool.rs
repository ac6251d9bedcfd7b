use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use memcache_proto::Origin;
use memcache_proto::client::Cluster;
use memcache_proto::client::calls::Error;

use crate::connector::Connector;
use crate::session::Session;

/// The sessions of a client. One is used by one thread at a time, and comes back only when it owes
/// nothing to anybody.
pub(crate) struct Pool {
    pub(crate) cluster: Arc<Cluster>,
    connector: Arc<dyn Connector>,
    origin: Origin,
    limit: usize,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    /// The one used last is used next, so that those not needed grow cold and can be closed.
    idle: Vec<Session>,
    in_use: usize,
    waiting: usize,
    /// Sessions that were lent before this number was raised are not taken back.
    generation: u64,
}

/// A session on loan.
pub(crate) struct Lease<'a> {
    pool: &'a Pool,
    session: Option<Session>,
    generation: u64,
}

impl Pool {
    pub(crate) fn new(cluster: Arc<Cluster>, connector: Arc<dyn Connector>, limit: usize) -> Self {
        Pool {
            cluster,
            connector,
            origin: Origin::new(Instant::now()),
            limit,
            state: Mutex::default(),
            returned: Condvar::new(),
        }
    }

    /// A session of one's own, waited for as long as an operation may take.
    pub(crate) fn lease(&self) -> Result<Lease<'_>, Error> {
        let mut state = self.state();
        if state.in_use >= self.limit {
            let full = |state: &mut State| state.in_use >= self.limit;
            state.waiting += 1;
            state = match self.cluster.settings().operation_timeout {
                None => {
                    self.returned.wait_while(state, full).unwrap_or_else(PoisonError::into_inner)
                }
                Some(timeout) => {
                    let waited = self.returned.wait_timeout_while(state, timeout, full);
                    let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
                    if waited.timed_out() {
                        state.waiting -= 1;
                        return Err(Error::Busy);
                    }
                    state
                }
            };
            state.waiting -= 1;
        }
        state.in_use += 1;
        let (idle, generation) = (state.idle.pop(), state.generation);
        drop(state);
        // After a fork the sockets are still the parent's too; to write to them would mix both up.
        let session = idle.filter(Session::is_own).unwrap_or_else(|| {
            Session::new(self.cluster.clone(), self.connector.clone(), self.origin)
        });
        Ok(Lease { pool: self, session: Some(session), generation })
    }

    /// Closes every connection: now where nobody uses it, else when its operation has ended.
    pub(crate) fn disconnect_all(&self) {
        let mut state = self.state();
        state.generation += 1;
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        drop(idle);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Deref for Lease<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session.as_ref().expect("a lease has its session until it is dropped")
    }
}

impl DerefMut for Lease<'_> {
    fn deref_mut(&mut self) -> &mut Session {
        self.session.as_mut().expect("a lease has its session until it is dropped")
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut session = self.session.take();
        if let Some(session) = &mut session {
            session.settle();
        }
        let mut state = self.pool.state();
        state.in_use -= 1;
        if state.generation == self.generation {
            state.idle.extend(session.take());
        }
        let awaited = state.waiting > 0;
        drop(state);
        if awaited {
            self.pool.returned.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use memcache_proto::client::Settings;
    use memcache_proto::routing::{Server, ServerAddress};

    use super::*;
    use crate::connector::Sockets;

    fn pool(limit: usize, operation_timeout: Option<Duration>) -> Pool {
        let server = Server::from(ServerAddress::parse("127.0.0.1:1").unwrap());
        let settings = Settings { operation_timeout, ..Settings::default() };
        Pool::new(Arc::new(Cluster::new(vec![server], settings).unwrap()), Arc::new(Sockets), limit)
    }

    #[test]
    fn a_session_that_came_through_a_fork_is_not_used() {
        let pool = pool(1, None);
        pool.lease().unwrap().disown();
        assert_eq!(pool.state().idle.iter().filter(|session| !session.is_own()).count(), 1);
        assert!(pool.lease().unwrap().is_own());
        assert!(pool.state().idle.iter().all(Session::is_own));
    }

    #[test]
    fn the_session_used_last_is_used_next_and_none_is_made_in_vain() {
        let pool = pool(3, None);
        for _ in 0..5 {
            let (_first, _second) = (pool.lease().unwrap(), pool.lease().unwrap());
        }
        assert_eq!(pool.state().idle.len(), 2);
    }

    #[test]
    fn disconnect_all_keeps_neither_idle_sessions_nor_those_in_use() {
        let pool = pool(2, None);
        drop((pool.lease().unwrap(), pool.lease().unwrap()));
        let used = pool.lease().unwrap();
        pool.disconnect_all();
        assert_eq!(pool.state().idle.len(), 0);
        drop(used);
        assert_eq!(pool.state().idle.len(), 0);
    }

    #[test]
    fn who_finds_no_session_waits_for_one_and_no_longer_than_an_operation_may_take() {
        let busy = pool(1, Some(Duration::from_millis(20)));
        let _used = busy.lease().unwrap();
        assert!(matches!(busy.lease(), Err(Error::Busy)));
        assert_eq!(busy.state().waiting, 0);

        let shared = pool(1, None);
        let used = shared.lease().unwrap();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| shared.lease().map(drop));
            while shared.state().waiting == 0 {
                std::thread::yield_now();
            }
            drop(used);
            waits.join().unwrap().unwrap();
        });
    }
}
