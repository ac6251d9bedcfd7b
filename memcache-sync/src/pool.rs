use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use memcache_proto::calls::{Calls, Error};
use memcache_proto::client::{Cluster, ConnectionId};
use memcache_proto::routing::ServerIndex;
use memcache_proto::{Origin, Time};

use crate::dialing::Dialer;
use crate::discovery::Stop;
use crate::session::{Session, Spare};

/// The sessions of a client. One is used by one thread at a time, and comes back only when it owes
/// nothing to anybody.
pub(crate) struct Pool {
    calls: RwLock<Arc<Calls>>,
    dialer: Arc<Dialer>,
    origin: Origin,
    limit: usize,
    state: Mutex<State>,
    returned: Condvar,
    /// A session has spared a connection.
    spared: Condvar,
    /// Ends what keeps the servers up to date.
    stop: Option<Arc<Stop>>,
}

struct State {
    /// The cluster of the calls of now. A session of another is not taken back.
    cluster: Arc<Cluster>,
    /// The one used last is used next, so that those not needed grow cold and can be closed. Boxed: they
    /// are large, and each call takes one out and brings it back.
    #[expect(clippy::vec_box, reason = "what is moved with each call is to be small")]
    idle: Vec<Box<Session>>,
    in_use: usize,
    waiting: usize,
    /// Sessions that were lent before this number was raised are not taken back.
    generation: u64,
    /// The sessions that wait for a connection to a server which another can spare, in order.
    wanted: VecDeque<Wanted>,
    tickets: u64,
    /// What has been found for some of them.
    spares: Vec<(u64, Spare)>,
}

/// A session that waits for a connection.
struct Wanted {
    ticket: u64,
    server: ServerIndex,
}

impl State {
    fn new(cluster: Arc<Cluster>) -> Self {
        State {
            cluster,
            idle: Vec::new(),
            in_use: 0,
            waiting: 0,
            generation: 0,
            wanted: VecDeque::new(),
            tickets: 0,
            spares: Vec::new(),
        }
    }

    /// Lets those who wait have what a session can spare.
    fn hand_on(&mut self, session: &mut Session) -> bool {
        let mut handed = false;
        let mut at = 0;
        while let Some(Wanted { ticket, server }) = self.wanted.get(at) {
            match session.give(*server) {
                Some(spare) => {
                    self.spares.push((*ticket, spare));
                    self.wanted.remove(at);
                    handed = true;
                }
                None => at += 1,
            }
        }
        handed
    }
}

/// A session on loan.
pub(crate) struct Lease<'a> {
    pool: &'a Pool,
    session: Option<Box<Session>>,
    generation: u64,
}

impl Pool {
    pub(crate) fn new(calls: Calls, dialer: Arc<Dialer>, limit: usize) -> Self {
        Pool {
            state: Mutex::new(State::new(calls.cluster().clone())),
            calls: RwLock::new(Arc::new(calls)),
            dialer,
            origin: Origin::new(Instant::now()),
            limit,
            returned: Condvar::new(),
            spared: Condvar::new(),
            stop: None,
        }
    }

    /// Has this told when the client ends.
    pub(crate) fn stopping(mut self, stop: Arc<Stop>) -> Self {
        self.stop = Some(stop);
        self
    }

    /// The time, as the core is told it.
    pub(crate) fn now(&self) -> Time {
        self.origin.time(Instant::now())
    }

    /// What the calls of now go by.
    pub(crate) fn calls(&self) -> Arc<Calls> {
        self.calls.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has later calls go by these.
    pub(crate) fn set_calls(&self, calls: Calls) {
        self.state().cluster = calls.cluster().clone();
        *self.calls.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(calls);
    }

    /// A session of one's own with the servers of these calls, waited for until then, or as long as an operation
    /// may take.
    pub(crate) fn lease(&self, calls: &Calls, until: Option<Instant>) -> Result<Lease<'_>, Error> {
        let mut state = self.state();
        if state.in_use >= self.limit {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let timeout = left.or(calls.cluster().settings().operation_timeout);
            let full = |state: &State| state.in_use >= self.limit;
            state.waiting += 1;
            state = wait_while(&self.returned, state, timeout, full);
            state.waiting -= 1;
            if full(&state) {
                return Err(Error::Busy);
            }
        }
        state.in_use += 1;
        let (idle, generation) = (state.idle.pop(), state.generation);
        drop(state);
        // After a fork the sockets are still the parent's too; to write to them would mix both up.
        let idle = idle.filter(|session| session.is_fit(calls.cluster()));
        let session = idle.unwrap_or_else(|| {
            Box::new(Session::new(calls.clone(), self.dialer.clone(), self.origin))
        });
        Ok(Lease { pool: self, session: Some(session), generation })
    }

    /// How many sessions are in use, and how many calls wait for one.
    pub(crate) fn in_use(&self) -> (usize, usize) {
        let state = self.state();
        (state.in_use, state.waiting)
    }

    /// Takes all sessions that nobody uses out; the others will not come back.
    #[expect(clippy::vec_box, reason = "they stay as the pool has them")]
    pub(crate) fn take_sessions(&self) -> Vec<Box<Session>> {
        let mut state = self.state();
        state.generation += 1;
        std::mem::take(&mut state.idle)
    }

    /// Has the idle sessions look at their connections to a server.
    pub(crate) fn look(&self, cluster: &Arc<Cluster>, server: ServerIndex) {
        let mut state = self.state();
        let idle = state.idle.iter_mut().filter(|session| session.is_fit(cluster));
        idle.for_each(|session| session.look_idle(server));
    }

    /// The connection of an idle session to a server, if there is one that is open when looked at, and
    /// nobody has waited for it.
    pub(crate) fn spare(&self, cluster: &Arc<Cluster>, server: ServerIndex) -> Option<Spare> {
        let mut state = self.state();
        let mut idle = state.idle.iter_mut().rev().filter(|session| session.is_fit(cluster));
        idle.find_map(|session| session.give(server))
    }

    /// Lets those who wait have what a session can spare that is used, and waits itself.
    pub(crate) fn hand_on(&self, session: &mut Session) {
        let mut state = self.state();
        if !state.wanted.is_empty() && state.hand_on(session) {
            self.spared.notify_all();
        }
    }

    /// Waits, no longer than this, until a session spares a connection for one of these.
    pub(crate) fn wait_for_spares(
        &self,
        cluster: &Arc<Cluster>,
        connections: &[ConnectionId],
        timeout: Duration,
    ) -> Vec<(ConnectionId, Spare)> {
        let mut state = self.state();
        // One may have come back since it was looked for.
        let can_give = |session: &Session| {
            session.is_fit(cluster) && connections.iter().any(|it| session.can_give(it.server()))
        };
        if state.idle.iter().any(|session| can_give(session)) {
            return Vec::new();
        }
        let first = state.tickets;
        for connection in connections {
            let (ticket, server) = (state.tickets, connection.server());
            state.tickets += 1;
            state.wanted.push_back(Wanted { ticket, server });
        }
        let mine = first..state.tickets;
        let none = |state: &State| !state.spares.iter().any(|(it, _)| mine.contains(it));
        let mut state = wait_while(&self.spared, state, Some(timeout), none);
        state.wanted.retain(|wanted| !mine.contains(&wanted.ticket));
        let mut found = Vec::new();
        for (ticket, connection) in mine.clone().zip(connections) {
            if let Some(at) = state.spares.iter().position(|&(it, _)| it == ticket) {
                let (_, spare) = state.spares.swap_remove(at);
                if spare.1.is_of(cluster) {
                    found.push((*connection, spare));
                }
            }
        }
        found
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits while this holds, no longer than the timeout. Those waits of [`Condvar`] that take a condition do
/// not look at it again where a panic has poisoned the lock.
fn wait_while<'a>(
    condvar: &Condvar,
    mut state: MutexGuard<'a, State>,
    timeout: Option<Duration>,
    condition: impl Fn(&State) -> bool,
) -> MutexGuard<'a, State> {
    let due = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    while condition(&state) {
        let left = due.map(|due| due.saturating_duration_since(Instant::now()));
        state = match left {
            None => condvar.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(Duration::ZERO) => break,
            Some(left) => {
                let waited = condvar.wait_timeout(state, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
    state
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(stop) = &self.stop {
            stop.raise();
        }
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
        if let (Some(session), false) = (&mut session, state.wanted.is_empty()) {
            if state.hand_on(session) {
                self.pool.spared.notify_all();
            }
        }
        let is_current = session.as_ref().is_some_and(|session| session.is_of(&state.cluster));
        if is_current && state.generation == self.generation {
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
    use memcache_proto::calls::Config;

    use super::*;
    use crate::connector::Sockets;

    fn pool(limit: usize, operation_timeout: Option<Duration>) -> Pool {
        let mut config = Config::default();
        config.add_server("127.0.0.1:1", 1);
        config.settings.operation_timeout = operation_timeout;
        let dialer = Arc::new(Dialer { connector: Arc::new(Sockets), secrets: None });
        Pool::new(config.build(|| 0).unwrap(), dialer, limit)
    }

    fn lease(pool: &Pool) -> Result<Lease<'_>, Error> {
        pool.lease(&pool.calls(), None)
    }

    #[test]
    fn a_session_that_came_through_a_fork_is_not_used() {
        let pool = pool(1, None);
        lease(&pool).unwrap().disown();
        assert_eq!(pool.state().idle.iter().filter(|session| !session.is_own()).count(), 1);
        assert!(lease(&pool).unwrap().is_own());
        assert!(pool.state().idle.iter().all(|session| session.is_own()));
    }

    #[test]
    fn a_session_of_former_servers_is_not_used() {
        let pool = pool(1, None);
        let former = pool.calls();
        // One that was lent before the servers changed, and one that was lent after.
        let lent = pool.lease(&former, None).unwrap();
        pool.set_calls(former.with_servers(["127.0.0.1:2"]).unwrap());
        drop(lent);
        assert_eq!(pool.state().idle.len(), 0);
        assert!(lease(&pool).unwrap().is_fit(pool.calls().cluster()));
        let idle = pool.state().idle.len();
        drop(pool.lease(&former, None).unwrap());
        assert!(pool.state().idle.len() <= idle, "it would keep its connections for ever");
        assert!(lease(&pool).unwrap().is_fit(pool.calls().cluster()));
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

    /// A stream that panics while the pool looks at it leaves the lock poisoned, for good.
    #[test]
    fn who_waits_for_a_session_waits_until_there_is_one_after_a_panic_too() {
        for timeout in [None, Some(Duration::from_secs(60))] {
            let pool = pool(1, timeout);
            let panicking = std::thread::scope(|scope| {
                let panics = || {
                    let _state = pool.state();
                    std::panic::resume_unwind(Box::new("under the lock"));
                };
                scope.spawn(panics).join()
            });
            assert!(panicking.is_err() && pool.state.is_poisoned());
            let used = lease(&pool).unwrap();
            std::thread::scope(|scope| {
                let waits = scope.spawn(|| lease(&pool).map(drop));
                while pool.state().waiting == 0 {
                    std::thread::yield_now();
                }
                // It is woken, but another was faster.
                for _ in 0..100 {
                    pool.returned.notify_all();
                    std::thread::yield_now();
                }
                assert_eq!(pool.state().waiting, 1);
                drop(used);
                waits.join().unwrap().unwrap();
            });
        }
    }
}
