//! Which server is dead, and who finds out whether it still is.

use std::sync::Arc;

use loom::thread;
use memcache_proto::Time;
use memcache_proto::routing::{Admission, DeathCause, Health};
use schedules_table::{DEAD_RETRY, LEASE, SERVER, Session, at, cluster, explore};

/// When it may be tried again, if it died at the origin.
const RETRY: Time = at(30);

/// A server that is dead from the origin on.
fn dead() -> Arc<Health> {
    let health = Arc::new(Health::new(1));
    health.mark_dead(SERVER, Time::ZERO, DEAD_RETRY, DeathCause::Closed);
    health
}

/// Does something in so many threads at once; what came of it in each.
fn together<T: 'static>(
    health: &Arc<Health>,
    threads: usize,
    work: fn(usize, &Health) -> T,
) -> Vec<T> {
    let start = |number| {
        let health = health.clone();
        thread::spawn(move || work(number, &health))
    };
    let threads: Vec<_> = (0..threads).map(start).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn probes(admissions: &[Admission]) -> usize {
    admissions.iter().filter(|&&admission| admission == Admission::Probe).count()
}

fn admit_at_retry(health: &Health) -> Admission {
    health.admit(SERVER, RETRY, LEASE)
}

/// Of all who find that a dead server may be tried again, one does.
#[test]
fn one_of_many_probes() {
    explore(|| {
        let health = dead();
        let admissions = together(&health, 3, |_, health| admit_at_retry(health));
        assert_eq!(probes(&admissions), 1, "{admissions:?}");
        assert_eq!(health.admit(SERVER, RETRY, LEASE), Admission::Dead { until: RETRY + LEASE });
    });
}

/// Where who probes is never heard of again, one other probes when the lease has run out.
#[test]
fn a_lease_that_is_lost_comes_back() {
    explore(|| {
        let health = dead();
        assert_eq!(admit_at_retry(&health), Admission::Probe);
        let admissions = together(&health, 3, |number, health| match number {
            0 => admit_at_retry(health),
            _ => health.admit(SERVER, RETRY + LEASE, LEASE),
        });
        assert_eq!(probes(&admissions), 1, "{admissions:?}");
        assert_ne!(admissions[0], Admission::Probe);
    });
}

/// A probe that ends without a verdict gives its lease back, to one other.
#[test]
fn a_lease_that_is_given_back_is_taken_once() {
    explore(|| {
        let health = dead();
        assert_eq!(admit_at_retry(&health), Admission::Probe);
        let mut admissions = together(&health, 3, |number, health| match number {
            0 => {
                health.end_probe(SERVER);
                Admission::Alive
            }
            _ => admit_at_retry(health),
        });
        admissions.push(admit_at_retry(&health));
        assert_eq!(probes(&admissions), 1, "{admissions:?}");
    });
}

/// A probe that fails takes the place of its lease: nobody probes before `dead_retry` has passed again.
#[test]
fn a_probe_that_fails_lets_nobody_follow() {
    explore(|| {
        let health = dead();
        assert_eq!(admit_at_retry(&health), Admission::Probe);
        let admissions = together(&health, 3, |number, health| match number {
            0 => {
                health.mark_dead(SERVER, RETRY, DEAD_RETRY, DeathCause::SocketTimeout);
                Admission::Alive
            }
            _ => admit_at_retry(health),
        });
        assert_eq!(probes(&admissions), 0, "{admissions:?}");
        let until = RETRY + DEAD_RETRY;
        assert_eq!(health.admit(SERVER, at(59), LEASE), Admission::Dead { until });
    });
}

/// One of those who report that a dead server has answered is told that it was dead.
#[test]
fn one_reply_revives() {
    explore(|| {
        let health = dead();
        let revived = together(&health, 2, |_, health| health.mark_alive(SERVER));
        assert_eq!(revived.iter().filter(|&&revived| revived).count(), 1);
        assert_eq!(health.admit(SERVER, Time::ZERO, LEASE), Admission::Alive);
    });
}

/// Of two reports that a server is dead the later moment stands, whichever comes last.
#[test]
fn the_later_of_two_deaths_stands() {
    explore(|| {
        let health = Arc::new(Health::new(1));
        together(&health, 2, |number, health| {
            health.mark_dead(SERVER, at([1, 2][number]), DEAD_RETRY, DeathCause::Closed);
        });
        let until = at(2) + DEAD_RETRY;
        assert_eq!(health.admit(SERVER, at(3), LEASE), Admission::Dead { until });
    });
}

/// Whoever is told that a server is dead is told what it died of.
#[test]
fn a_death_is_told_with_its_cause() {
    explore(|| {
        let health = Arc::new(Health::new(1));
        let deaths = together(&health, 2, |number, health| {
            if number == 0 {
                health.mark_dead(SERVER, Time::ZERO, DEAD_RETRY, DeathCause::SocketTimeout);
            }
            health.death(SERVER)
        });
        let expected = Some((DeathCause::SocketTimeout, RETRY));
        assert!(deaths.iter().all(|&death| death.is_none() || death == expected), "{deaths:?}");
    });
}

/// Whoever probes a server that was dead, or is told that it has come back, knows that it is to be flushed.
#[test]
fn a_server_that_comes_back_is_flushed_by_who_finds_it() {
    explore(|| assert_flushed(|health| admit_at_retry(health) == Admission::Probe));
    explore(|| assert_flushed(|health| health.mark_alive(SERVER)));
}

fn assert_flushed(finds: fn(&Health) -> bool) {
    let health = Arc::new(Health::new(1));
    let killer = health.clone();
    let kill = thread::spawn(move || {
        killer.mark_dead(SERVER, Time::ZERO, DEAD_RETRY, DeathCause::Closed);
    });
    let finder = thread::spawn(move || !finds(&health) || health.take_flush(SERVER));
    kill.join().unwrap();
    assert!(finder.join().unwrap());
}

/// Of those who reach a server that was dead one flushes it.
#[test]
fn a_server_that_was_dead_is_flushed_once() {
    explore(|| {
        let health = dead();
        let flushed = together(&health, 3, |_, health| health.take_flush(SERVER));
        assert_eq!(flushed.iter().filter(|&&flushed| flushed).count(), 1);
    });
}

/// While all servers are made worth a try again, nobody is told that one is dead without an end to it.
#[test]
fn forgetting_the_dead_loses_no_report() {
    explore(|| {
        let health = dead();
        together(&health, 2, |number, health| match number {
            0 => health.forget_dead_hosts(),
            _ => health.mark_dead(SERVER, at(1), DEAD_RETRY, DeathCause::Closed),
        });
        let admission = health.admit(SERVER, at(2), LEASE);
        let until = at(1) + DEAD_RETRY;
        assert!([Admission::Alive, Admission::Dead { until }].contains(&admission));
    });
}

/// Several clients whose server may be tried again: one connects to it, and the others fail at once.
#[test]
fn one_client_of_many_connects_to_a_dead_server() {
    explore(|| {
        let cluster = cluster();
        cluster.health().mark_dead(SERVER, Time::ZERO, DEAD_RETRY, DeathCause::Closed);
        let begin = |_| {
            let cluster = cluster.clone();
            thread::spawn(move || Session::begin(&cluster, RETRY))
        };
        let threads: Vec<_> = (0..2).map(begin).collect();
        let sessions: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let connects = sessions.iter().filter(|session| session.connection.is_some()).count();
        assert_eq!(connects, 1);
    });
}
