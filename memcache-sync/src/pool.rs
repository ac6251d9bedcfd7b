use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use memcache_proto::Origin;
use memcache_proto::client::calls::{Calls, Error};

use crate::connector::Connector;
use crate::session::Session;

/// The sessions of a client. One is used by one thread at a time, and comes back only when it owes
/// nothing to anybody.
pub(crate) struct Pool {
    calls: RwLock<Arc<Calls>>,
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
    pub(crate) fn new(calls: Calls, connector: Arc<dyn Connector>, limit: usize) -> Self {
        Pool {
            calls: RwLock::new(Arc::new(calls)),
            connector,
            origin: Origin::new(Instant::now()),
            limit,
            state: Mutex::default(),
            returned: Condvar::new(),
        }
    }

    /// What the calls of now go by.
    pub(crate) fn calls(&self) -> Arc<Calls> {
        self.calls.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has later calls go by these.
    pub(crate) fn set_calls(&self, calls: Calls) {
        *self.calls.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(calls);
    }

    /// A session of one's own with the servers of these calls, waited for as long as an operation may
    /// take.
    pub(crate) fn lease(&self, calls: &Calls) -> Result<Lease<'_>, Error> {
        let mut state = self.state();
        if state.in_use >= self.limit {
            let full = |state: &mut State| state.in_use >= self.limit;
            state.waiting += 1;
            state = match calls.cluster().settings().operation_timeout {
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
        let idle = idle.filter(|session| session.is_own() && session.is_of(calls));
        let session = idle
            .unwrap_or_else(|| Session::new(calls.clone(), self.connector.clone(), self.origin));
        Ok(Lease { pool: self, session: Some(session), generation })
    }

    /// Takes all sessions that nobody uses out; the others will not come back.
    pub(crate) fn take_sessions(&self) -> Vec<Session> {
        let mut state = self.state();
        state.generation += 1;
        std::mem::take(&mut state.idle)
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

    use memcache_proto::client::calls::Config;

    use super::*;
    use crate::connector::Sockets;

    fn pool(limit: usize, operation_timeout: Option<Duration>) -> Pool {
        let mut config = Config::default();
        config.add_server("127.0.0.1:1", 1);
        config.settings.operation_timeout = operation_timeout;
        Pool::new(config.build(|| 0).unwrap(), Arc::new(Sockets), limit)
    }

    fn lease(pool: &Pool) -> Result<Lease<'_>, Error> {
        pool.lease(&pool.calls())
    }

    #[test]
    fn a_session_that_came_through_a_fork_is_not_used() {
        let pool = pool(1, None);
        lease(&pool).unwrap().disown();
        assert_eq!(pool.state().idle.iter().filter(|session| !session.is_own()).count(), 1);
        assert!(lease(&pool).unwrap().is_own());
        assert!(pool.state().idle.iter().all(Session::is_own));
    }

    #[test]
    fn a_session_of_former_servers_is_not_used() {
        let pool = pool(1, None);
        let former = pool.calls();
        // One that was lent before the servers changed, and one that was lent after.
        let lent = pool.lease(&former).unwrap();
        pool.set_calls(former.with_servers(["127.0.0.1:2"]).unwrap());
        drop(lent);
        assert!(lease(&pool).unwrap().is_of(&pool.calls()));
        drop(pool.lease(&former).unwrap());
        assert!(lease(&pool).unwrap().is_of(&pool.calls()));
    }

    #[test]
    fn the_session_used_last_is_used_next_and_none_is_made_in_vain() {
        let pool = pool(3, None);
        for _ in 0..5 {
            let (_first, _second) = (lease(&pool).unwrap(), lease(&pool).unwrap());
        }
        assert_eq!(pool.state().idle.len(), 2);
    }

    #[test]
    fn taking_the_sessions_keeps_neither_idle_sessions_nor_those_in_use() {
        let pool = pool(2, None);
        drop((lease(&pool).unwrap(), lease(&pool).unwrap()));
        let used = lease(&pool).unwrap();
        drop(pool.take_sessions());
        assert_eq!(pool.state().idle.len(), 0);
        drop(used);
        assert_eq!(pool.state().idle.len(), 0);
    }

    #[test]
    fn who_finds_no_session_waits_for_one_and_no_longer_than_an_operation_may_take() {
        let busy = pool(1, Some(Duration::from_millis(20)));
        let _used = lease(&busy).unwrap();
        assert!(matches!(lease(&busy), Err(Error::Busy)));
        assert_eq!(busy.state().waiting, 0);

        let shared = pool(1, None);
        let used = lease(&shared).unwrap();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| lease(&shared).map(drop));
            while shared.state().waiting == 0 {
                std::thread::yield_now();
            }
            drop(used);
            waits.join().unwrap().unwrap();
        });
    }
}
