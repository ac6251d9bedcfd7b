//! What several clients know together of one server: whether it answers, and whether anybody has a
//! connection to it.

use loom::thread;
use memcache_proto::Time;
use memcache_proto::client::{ConnectFailure, FailureKind};
use schedules_table::{LEASE, SERVER, Session, at, cluster, explore};

const REPLY: &[u8] = b"END\r\n";

/// A reply that somebody has had while another tried to connect speaks for the server, whatever a third
/// asks at the same time.
#[test]
fn a_reply_since_the_question_is_never_missed() {
    explore(|| {
        let cluster = cluster();
        let mut answered = Session::begin(&cluster, Time::ZERO);
        answered.open(Time::ZERO);
        let mut refused = Session::begin(&cluster, at(1));
        let reply = thread::spawn(move || {
            answered.receive(REPLY, at(2));
            // So that it is the reply that speaks for the server, and not the connection.
            drop(answered);
        });
        let ask = {
            let cluster = cluster.clone();
            thread::spawn(move || drop(Session::begin(&cluster, at(2))))
        };
        reply.join().unwrap();
        ask.join().unwrap();
        refused.refuse(at(2));
        assert_eq!(cluster.health().death(SERVER), None);
    });
}

/// Without one, the server is dead: a reply before the question does not count.
#[test]
fn a_reply_before_the_question_does_not_count() {
    explore(|| {
        let cluster = cluster();
        let mut answered = Session::begin(&cluster, Time::ZERO);
        answered.open(Time::ZERO);
        answered.receive(REPLY, at(1));
        drop(answered);
        let mut refused = Session::begin(&cluster, at(2));
        let ask = {
            let cluster = cluster.clone();
            thread::spawn(move || drop(Session::begin(&cluster, at(2))))
        };
        refused.refuse(at(2));
        ask.join().unwrap();
        assert!(cluster.health().death(SERVER).is_some());
    });
}

/// Where two have had a reply at once, the later is remembered: a server that was silent to a third for
/// longer than that is not dead.
#[test]
fn the_later_of_two_replies_is_remembered() {
    explore(|| {
        let cluster = cluster();
        let open = |at| {
            let mut session = Session::begin(&cluster, Time::ZERO);
            session.open(at);
            session
        };
        let (mut early, mut late, mut silent) = (open(Time::ZERO), open(Time::ZERO), open(at(2)));
        let early = thread::spawn(move || {
            early.receive(REPLY, at(1));
            early
        });
        let late = thread::spawn(move || {
            late.receive(REPLY, at(3));
            late
        });
        let others = (early.join().unwrap(), late.join().unwrap());
        silent.client.handle_timeout(at(2) + LEASE / 2);
        assert_eq!(cluster.health().death(SERVER), None);
        drop(others);
    });
}

/// However connections are made, closed and handed on at the same time, they are counted right: when none is
/// left, a connect that is refused condemns the server.
#[test]
fn no_open_connection_is_counted_when_there_is_none() {
    explore(|| {
        let cluster = cluster();
        let mut given = Session::begin(&cluster, Time::ZERO);
        given.open(Time::ZERO);
        given.receive(REPLY, Time::ZERO);
        let released = given.client.release(given.connection()).unwrap();
        let lost = {
            let cluster = cluster.clone();
            thread::spawn(move || {
                let mut session = Session::begin(&cluster, Time::ZERO);
                session.open(Time::ZERO);
                session.client.disconnect_all(Time::ZERO);
            })
        };
        let taken = {
            let cluster = cluster.clone();
            thread::spawn(move || {
                let session = Session::begin(&cluster, Time::ZERO);
                // It is not taken over, as it is not waited for: the socket is closed.
                drop(released);
                drop(session);
            })
        };
        lost.join().unwrap();
        taken.join().unwrap();
        let mut refused = Session::begin(&cluster, at(1));
        refused.refuse(at(1));
        assert!(cluster.health().death(SERVER).is_some());
    });
}

/// While one is left, it does not.
#[test]
fn an_open_connection_is_counted_while_there_is_one() {
    explore(|| {
        let cluster = cluster();
        let mut kept = Session::begin(&cluster, Time::ZERO);
        let lost = {
            let cluster = cluster.clone();
            thread::spawn(move || {
                let mut session = Session::begin(&cluster, Time::ZERO);
                session.open(Time::ZERO);
                drop(session);
            })
        };
        let keep = thread::spawn(move || {
            kept.open(Time::ZERO);
            kept
        });
        lost.join().unwrap();
        let kept = keep.join().unwrap();
        let mut refused = Session::begin(&cluster, at(1));
        refused.refuse(at(1));
        assert_eq!(cluster.health().death(SERVER), None);
        drop(kept);
    });
}

/// Who waits for a connection because another was refused one fails, when its time is up, by what that one
/// was refused for.
#[test]
fn a_refusal_is_told_with_its_cause() {
    explore(|| {
        let cluster = cluster();
        let mut kept = Session::begin(&cluster, Time::ZERO);
        kept.open(Time::ZERO);
        let mut refused = Session::begin(&cluster, Time::ZERO);
        let refuse = thread::spawn(move || refused.refuse(at(1)));
        let begin = {
            let cluster = cluster.clone();
            thread::spawn(move || Session::begin(&cluster, at(1)))
        };
        let mut waiting = begin.join().unwrap();
        if waiting.connection.is_none() {
            waiting.client.handle_timeout(at(1) + LEASE);
            let failure = waiting.failure();
            assert_eq!(failure, FailureKind::Connect(ConnectFailure::Refused));
        }
        refuse.join().unwrap();
        drop(kept);
    });
}
