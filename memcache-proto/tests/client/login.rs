//! Servers that ask for a login, as memcached does with `-Y`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use memcache_proto::client::{Credentials, NoticeEvent};

use crate::pair::{Answer, Memory};
use crate::*;

const LOGIN: &str = "set login 0 -1 11\r\nshop secret\r\n";

/// A store for those who say what is right at the moment.
struct Guarded {
    right: Rc<RefCell<String>>,
    memory: Memory,
    inside: BTreeSet<usize>,
}

impl Answer for Guarded {
    fn answer(
        &mut self,
        socket: usize,
        input: &mut Vec<u8>,
        output: &mut Vec<u8>,
        now: Time,
    ) -> bool {
        if self.inside.contains(&socket) {
            return self.memory.answer(socket, input, output, now);
        }
        let Ok(Some((command, len))) = Command::parse(input, &Limits::default()) else {
            return false;
        };
        match command {
            Command::Store { value, .. } if value == self.right.borrow().as_bytes() => {
                self.inside.insert(socket);
                output.extend(b"STORED\r\n");
            }
            Command::Store { .. } => output.extend(b"CLIENT_ERROR authentication failure\r\n"),
            _ => output.extend(b"CLIENT_ERROR unauthenticated\r\n"),
        }
        input.drain(..len);
        // memcached swallows what stands behind a login that it has not answered.
        input.clear();
        false
    }
}

/// A net whose servers all let in who says this, and what that is.
fn guarded(clients: usize, servers: usize, settings: Settings) -> (Net, Rc<RefCell<String>>) {
    let right = Rc::new(RefCell::new("shop secret".to_owned()));
    let mut net = Net::with_clients(clients, servers, settings);
    for peer in &mut net.peers {
        let (memory, inside) = (Memory::default(), BTreeSet::new());
        peer.answer = Box::new(Guarded { right: right.clone(), memory, inside });
    }
    (net, right)
}

fn as_shop() -> Settings {
    let credentials = Some(Credentials::new("shop", "secret").expect("plain ones"));
    Settings { credentials, debug: true, ..Settings::default() }
}

fn refused() -> (Delivery, FailureKind) {
    (Delivery::NotSent, FailureKind::LoginRefused)
}

#[test]
fn a_login_comes_first_and_nothing_else_before_its_answer() {
    for cut in [usize::MAX, 1, 2, 7] {
        let (mut net, _) = guarded(1, 1, as_shop());
        (net.cut, net.peers[0].delay) = (cut, SECOND);
        let set = net.submit(set("a", b"1"));
        let got = net.submit(get("a"));
        net.wait(SECOND / 2);
        assert_eq!(net.heard(0), LOGIN);
        net.run();
        assert_eq!(net.take(set).stored(), Ok(Stored::Stored));
        assert_eq!(value(net.take(got)), some("1"));
        assert_eq!(net.heard(0), "set a 7 0 1\r\n1\r\nget a\r\n");
        // Once a connection.
        assert_eq!(value(net.get("a")), some("1"));
        assert_eq!(net.heard(0), "get a\r\n");
        net.hang_up(0);
        net.now = net.now + SECOND;
        assert_eq!(value(net.get("a")), some("1"));
        assert_eq!(net.heard(0), format!("{LOGIN}get a\r\n"));
    }
}

#[test]
fn a_flush_comes_behind_the_login() {
    let (mut net, _) = guarded(1, 1, Settings { flush_on_reconnect: true, ..as_shop() });
    net.peers[0].mode = Mode::Refusing;
    assert_eq!(failed(net.get("a")).1, REFUSED);
    net.peers[0].mode = Mode::Up;
    net.now = net.now + DEAD_RETRY;
    assert_eq!(value(net.get("a")), None);
    assert_eq!(net.heard(0), format!("{LOGIN}flush_all\r\nget a\r\n"));
}

/// It is no dead server: no key goes elsewhere. For `dead_retry` no other connection is made for it.
#[test]
fn a_refused_login_fails_calls_until_one_is_let_in() {
    let (mut net, right) = guarded(1, 2, as_shop());
    *right.borrow_mut() = "shop another".to_owned();
    let key = net.key_on(&[0, 1]);
    let ids: Vec<_> = (0..5).map(|_| net.submit(get(&key))).collect();
    net.run();
    for id in ids {
        assert_eq!(failed(net.take(id)), refused());
    }
    for _ in 0..5 {
        assert_eq!(failed(net.get(&key)), refused());
    }
    net.now = net.now + (DEAD_RETRY - SECOND);
    assert_eq!(failed(net.get(&key)), refused());
    assert_eq!((net.peers[0].tried, net.peers[1].tried), (1, 0));
    assert!(!is_dead(&net, 0));

    // One call tries again, and while that is not known the others fail.
    net.now = net.now + SECOND;
    net.peers[0].delay = SECOND;
    let first = net.submit(get(&key));
    net.drive();
    let second = net.submit(get(&key));
    net.run();
    assert_eq!(failed(net.take(first)), refused());
    assert_eq!(failed(net.take(second)), refused());
    assert_eq!(net.peers[0].tried, 2);

    *right.borrow_mut() = "shop secret".to_owned();
    net.now = net.now + DEAD_RETRY;
    assert_eq!(value(net.get(&key)), None);
    assert_eq!((net.peers[0].tried, net.peers[1].tried), (3, 0));
    let mut notices = std::iter::from_fn(|| net.clients[0].poll_notice());
    let events = notices.by_ref().map(|notice| notice.event);
    let refusals = events.filter(|event| *event == NoticeEvent::LoginRefused).count();
    assert_eq!(refusals, 2);
}

#[test]
fn who_is_in_stays_in_where_others_are_refused() {
    let (mut net, right) = guarded(2, 1, as_shop());
    assert_eq!(value(net.get("a")), None);
    *right.borrow_mut() = "shop another".to_owned();
    for _ in 0..2 {
        let id = net.submit_on(1, get("a"));
        net.run();
        assert_eq!(failed(net.take_on(1, id).expect("it is done")), refused());
        assert_eq!(value(net.get("a")), None);
    }
    assert_eq!(net.peers[0].tried, 2);
    *right.borrow_mut() = "shop secret".to_owned();
    net.cluster().forget_dead_hosts();
    let id = net.submit_on(1, get("a"));
    net.run();
    assert_eq!(value(net.take_on(1, id).expect("it is done")), None);
}

#[test]
fn a_login_that_comes_to_nothing_is_a_connection_that_could_not_be_made() {
    let handshake = FailureKind::Connect(ConnectFailure::Handshake);
    let late = FailureKind::Connect(ConnectFailure::TimedOut);
    let long: &'static str = Box::leak("x".repeat(4000).into_boxed_str());
    let cases: [(&str, Mode, FailureKind); 8] = [
        ("the end", Mode::ClosesAt(0), handshake.clone()),
        ("the end within the answer", Mode::ClosesAt(5), handshake.clone()),
        ("nothing", Mode::Silent, late),
        ("a reply to nothing", Mode::Says(b"DELETED\r\n"), handshake.clone()),
        ("two replies", Mode::Says(b"STORED\r\nSTORED\r\n"), handshake.clone()),
        ("a line without end", Mode::Says(long.as_bytes()), handshake.clone()),
        ("a value", Mode::Says(b"VALUE a 0 1\r\n1\r\nEND\r\n"), handshake),
        (
            "too many connections",
            Mode::Greets(b"ERROR Too many open connections\r\n"),
            FailureKind::Refused,
        ),
    ];
    for (name, mode, kind) in cases {
        let (mut net, _) = guarded(1, 1, as_shop());
        net.peers[0].mode = mode;
        let outcome = failure(net.get("a"));
        assert_eq!((outcome.delivery, &outcome.kind), (Delivery::NotSent, &kind), "{name}");
        assert!(is_dead(&net, 0), "{name}");
        assert!(!format!("{outcome:?} {outcome}").contains("secret"), "{name}");
        assert!(net.clients[0].is_idle(), "{name}");
        // And it is as new after.
        net.peers[0].mode = Mode::Up;
        net.now = net.now + DEAD_RETRY;
        assert_eq!(value(net.get("a")), None, "{name}");
    }
}

/// What comes before the login was written is no answer to it.
#[test]
fn an_answer_before_the_login_lets_nobody_in() {
    let (mut net, _) = guarded(1, 1, as_shop());
    let id = net.submit(get("a"));
    let client = &mut net.clients[0];
    let Some(Action::Connect { connection, .. }) = client.poll_action(net.now) else {
        panic!("it connects");
    };
    client.connected(connection, net.now);
    client.transmitted(connection, LOGIN.len() - 1, net.now);
    client.receive_buffer(connection)[..8].copy_from_slice(b"STORED\r\n");
    client.received(connection, 8, net.now);
    let failure = failed(client.take(id).expect("it is done"));
    assert_eq!(failure.1, FailureKind::Connect(ConnectFailure::Handshake));
}

/// Any error is a refusal: of a proxy that knows no `set`, too.
#[test]
fn any_error_refuses() {
    for line in ["CLIENT_ERROR authentication failure", "ERROR", "SERVER_ERROR out of memory"] {
        let line: &'static str = Box::leak(format!("{line}\r\n").into_boxed_str());
        let (mut net, _) = guarded(1, 1, as_shop());
        net.peers[0].mode = Mode::Says(line.as_bytes());
        assert_eq!(failed(net.get("a")), refused(), "{line}");
        assert!(!is_dead(&net, 0), "{line}");
    }
}

#[test]
fn a_server_that_asks_for_a_login_says_so_to_who_has_none() {
    let (mut net, _) = guarded(1, 1, Settings::default());
    let required = (Delivery::Answered, FailureKind::LoginRequired);
    assert_eq!(failed(net.get("a")), required);
    assert_eq!(failed(net.perform(Operation::Delete { key: key("a"), noreply: false })), required);
}

#[test]
fn a_connection_may_log_in_as_another() {
    let (mut net, right) = guarded(1, 1, as_shop());
    *right.borrow_mut() = "other word".to_owned();
    let other = Credentials::new("other", "word").expect("plain ones");
    let id = net.submit(get("a"));
    let client = &mut net.clients[0];
    let Some(Action::Connect { connection, .. }) = client.poll_action(net.now) else {
        panic!("it connects");
    };
    assert!(!client.is_open(connection));
    client.connected_as(connection, &other, net.now);
    assert!(client.is_open(connection));
    let wants = client.wants(connection);
    assert!(wants.transmit && wants.receive && !wants.look);
    assert_eq!(client.transmit(connection), b"set login 0 -1 10\r\nother word\r\n");
    client.cancel(id);
    client.disconnected(connection, net.now);
    assert!(!client.is_open(connection));
    assert_eq!(client.transmit(connection), b"");
}

/// Nobody waits any more for what the connection was made for.
#[test]
fn a_cancelled_call_leaves_a_connection_that_is_let_in() {
    let (mut net, _) = guarded(1, 1, as_shop());
    net.peers[0].delay = SECOND;
    let id = net.submit(get("a"));
    net.wait(SECOND / 2);
    net.cancel(id);
    net.wait(SECOND);
    assert_eq!(net.heard(0), LOGIN);
    assert_eq!(value(net.get("a")), None);
    assert_eq!((net.heard(0).as_str(), net.peers[0].tried), ("get a\r\n", 1));
}
