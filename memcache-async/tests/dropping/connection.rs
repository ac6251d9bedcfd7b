//! [`Connection`]: the same calls over one stream of the caller's own.

use crate::*;

use harness::MemoryStream;
use memcache_async::proto::calls;
use memcache_async::{Builder, Connection, Limits, ProtocolError, StatsArgument, Violation};

/// A connection to the only server.
fn connect(net: &Net) -> Connection<MemoryStream> {
    Connection::new(MemoryStream::new(&net.world, 0))
}

fn world() -> Net {
    let net = Net::new(1);
    fill(&net, ["a", "b"]);
    net.peer(0, |peer| peer.perform(b"set number 2 0 4\r\n1000\r\n", Duration::ZERO));
    net
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Get,
    GetMany,
    Set,
    Incr,
    Stats,
}

const ALL: [What; 5] = [What::Get, What::GetMany, What::Set, What::Incr, What::Stats];

async fn call(connection: &mut Connection<MemoryStream>, what: What) -> Result<(), Error> {
    match what {
        What::Get => assert_eq!(connection.get::<String>("a").await?, Some(value_of("a"))),
        What::GetMany => {
            let many = connection.get_many::<String, _>(["a", "nothing", "b"]).await?;
            assert_eq!((many.result.len(), many.failed.len()), (2, 0));
        }
        What::Set => connection.set("stored", "it", Expiry::Never).await?,
        What::Incr => assert!(connection.incr("number", 1).await?.is_some_and(|n| n > 1000)),
        What::Stats => {
            let mut stats = connection.stats(StatsArgument::General).await?.0;
            let (_, answer) = stats.pop().expect("there is one server");
            assert!(answer?.len() > 10);
        }
    }
    Ok(())
}

/// Two calls, each dropped after so many polls, then two more. Which of the first two came to their end.
fn drop_after(polls: [usize; 2], what: [What; 2], pieces: Pieces, buffering: bool) -> [bool; 2] {
    let mut net = world();
    {
        let mut state = net.world.state();
        (state.pieces, state.buffering) = (pieces, buffering);
    }
    let mut connection = connect(&net);
    let done = [0, 1].map(|at| {
        let result = net.poll_times(polls[at], call(&mut connection, what[at]));
        result.map(|result| result.expect("the server is there")).is_some()
    });
    let value = net.wait_for(connection.get::<String>("b")).expect("the server is there");
    assert_eq!(value, Some(value_of("b")));
    let number = net.wait_for(connection.get::<u64>("number")).expect("the server is there");
    let number = number.expect("it is there");
    let least = [0, 1].into_iter().filter(|&at| what[at] == What::Incr && done[at]).count() as u64;
    let most = what.iter().filter(|&&what| what == What::Incr).count() as u64;
    assert!((1000 + least..=1000 + most).contains(&number), "{number}");
    assert!(!connection.is_closed());
    done
}

#[test]
fn a_call_is_dropped_at_each_point_and_the_next_ones_are_right() {
    let pieces = [Pieces::WHOLE, Pieces::of(1), Pieces { read: 7, write: 3, answer: 5 }];
    let mut points = 0;
    for (pieces, buffering) in pieces.into_iter().flat_map(|p| [(p, false), (p, true)]) {
        for what in ALL {
            let polls = (0..).find(|&n| drop_after([n, 0], [what, what], pieces, buffering)[0]);
            let polls = polls.expect("it ends");
            points += polls;
            assert!(pieces.read > 1 || polls > 6);
            // And the one after it, too, at some of its points.
            for second in ALL {
                for first in (0..polls).step_by(1 + polls / 8) {
                    for polls in [1, 2, 3, 5, 8, 13, 21, 34] {
                        drop_after([first, polls], [what, second], pieces, buffering);
                    }
                }
            }
        }
    }
    assert!(points > 500, "{points}");
}

#[test]
fn once_the_stream_has_ended_every_call_fails() {
    for answered in 0..27 {
        let mut net = world();
        net.set_mode(0, Mode::ClosesAt(answered));
        let mut connection = connect(&net);
        let error = net.wait_for(connection.get::<String>("a")).expect_err("it ends before");
        assert_eq!(failure(&error), &FailureKind::Disconnected);
        assert!(!error.may_have_been_applied(), "a get changes nothing");
        assert!(error.to_string().contains("end of file"), "{error}");
        assert!(connection.is_closed());
        let heard = net.peer(0, |peer| peer.lines().len());
        net.set_mode(0, Mode::Up);
        let error = net.wait_for(connection.set("a", 1, Expiry::Never)).expect_err("it is closed");
        assert_eq!(failure(&error), &FailureKind::Disconnected);
        assert!(!error.may_have_been_applied(), "{error}");
        net.run();
        assert_eq!((heard, net.peer(0, |peer| peer.lines().len())), (1, 0));
    }
}

#[test]
fn a_stream_that_fails_says_how() {
    let mut net = world();
    let mut connection = connect(&net);
    assert!(net.wait_for(connection.get::<String>("a")).is_ok());
    net.world.state().pipes[0].cut();
    for _ in 0..2 {
        let error = net.wait_for(connection.get::<String>("a")).expect_err("it is broken");
        let Error::Server { source: Some(source), .. } = &error else { panic!("{error:?}") };
        let source: &std::io::Error = source.downcast_ref().expect("an error of the stream");
        assert_eq!(source.kind(), std::io::ErrorKind::BrokenPipe);
        assert!(connection.is_closed());
    }
}

#[test]
fn a_peer_that_breaks_the_protocol_is_not_believed_any_more() {
    let cases: [(&[u8], FailureKind); 3] = [
        (
            b"STORED\r\n",
            FailureKind::Protocol(Violation::new(ProtocolError::UnexpectedResponse, b"STORED")),
        ),
        (
            b"VALUE other 0 1\r\n1\r\nEND\r\n",
            FailureKind::Protocol(Violation::new(ProtocolError::UnexpectedKey, b"VALUE other 0 1")),
        ),
        (b"ERROR Too many open connections\r\n", FailureKind::Refused),
    ];
    for (says, expected) in cases {
        for polls in [0, 2] {
            let mut net = world();
            net.set_mode(0, Mode::Says(says));
            let mut connection = connect(&net);
            // One that is dropped, and whose answer the next call would meet.
            let dropped = net.poll_times(polls, call(&mut connection, What::Get));
            assert!(dropped.is_none());
            let error = net.wait_for(connection.get::<String>("b")).expect_err("nonsense");
            if polls == 0 {
                assert_eq!(failure(&error), &expected);
            }
            assert!(connection.is_closed());
            assert!(net.wait_for(connection.get::<String>("b")).is_err());
        }
    }
}

#[test]
fn an_answer_that_is_an_error_leaves_the_connection_open() {
    let mut net = world();
    let mut connection = connect(&net);
    let error = net.wait_for(connection.incr("a", 1)).expect_err("it is text");
    assert!(matches!(failure(&error), FailureKind::Server(_)));
    assert!(!error.may_have_been_applied());
    let error = net.wait_for(connection.get::<String>("a key")).expect_err("no key");
    assert!(matches!(error, Error::Key(_)));
    assert_eq!(net.wait_for(connection.get::<u64>("number")).expect("it is"), Some(1000));
}

/// Requests and answers beyond the window and what the pipe holds.
#[test]
fn many_keys_go_through_a_narrow_pipe() {
    for pipe_len in [50, 5000] {
        let mut net = world();
        net.world.state().pipe_len = pipe_len;
        let keys: Vec<_> = (0..300).map(|number| format!("key{number}")).collect();
        fill(&net, &keys);
        let stream = MemoryStream::new(&net.world, 0);
        let limits = Limits { window: 200, ..Limits::default() };
        let connection = Builder::new(()).limits(limits).key_prefix("").over(stream);
        let mut connection = connection.expect("the settings are in order");
        let many = net.wait_for(connection.get_many::<String, _>(keys.clone()));
        let many = many.expect("the keys are in order");
        assert!(many.failed.is_empty());
        assert_eq!(many.result.len(), keys.len());
        assert!(many.result.iter().all(|(key, value)| *value == value_of(key)));
    }
}

/// Nobody polls the connection once its call has returned.
#[test]
fn a_call_with_noreply_has_left_the_stream_when_it_returns() {
    let pieces = [Pieces::WHOLE, Pieces::of(1)];
    for (pieces, buffering) in pieces.into_iter().flat_map(|p| [(p, false), (p, true)]) {
        // Behind a long one the connection asks for a reply by itself.
        for (pipe_len, len) in [(10, 2), (1 << 20, 2), (1 << 20, 50_000)] {
            let mut net = world();
            {
                let mut state = net.world.state();
                (state.pieces, state.buffering, state.pipe_len) = (pieces, buffering, pipe_len);
            }
            let mut connection = connect(&net);
            let value = "x".repeat(len);
            for number in 0..3 {
                let set = calls::set(format!("quiet{number}"), &value, Expiry::Never).noreply();
                net.wait_for(connection.run(set)).expect("sent");
                assert_eq!(net.world.state().pipes[0].held(), 0, "{pieces:?}, {buffering}");
            }
            net.run();
            let lines = net.peer(0, harness::Peer::lines);
            assert_eq!(lines.iter().filter(|line| **line == value).count(), 3, "{pieces:?}");
            let found = net.wait_for(connection.get::<String>("quiet2")).expect("it is there");
            assert_eq!(found, Some(value));
        }
    }
}

#[test]
fn what_was_not_sent_is_not_sent() {
    let mut net = world();
    net.world.state().pipe_len = 100;
    net.set_mode(0, Mode::Deaf);
    let mut connection = connect(&net);
    // One that is on its way, and two that wait behind it.
    let large = "x".repeat(100_000);
    assert!(net.poll_times(3, connection.set("large", &large, Expiry::Never)).is_none());
    assert!(net.poll_times(3, connection.get::<String>("a")).is_none());
    assert!(net.poll_times(3, connection.set("dropped", "it", Expiry::Never)).is_none());
    net.set_mode(0, Mode::Up);
    let value = net.wait_for(connection.get::<String>("b")).expect("the server is there");
    assert_eq!(value, Some(value_of("b")));
    let mut lines = net.peer(0, harness::Peer::lines);
    lines.retain(|line| line.len() < 1000);
    assert_eq!(lines, ["set large 16 0 100000", "get b"]);
}

#[test]
fn the_stream_comes_back() {
    let mut net = world();
    let mut connection = connect(&net);
    assert!(net.wait_for(connection.get::<String>("a")).is_ok());
    let stream = connection.into_inner();
    assert_eq!(net.streams(), 1);
    let mut connection = Connection::new(stream);
    assert!(net.wait_for(connection.get::<String>("a")).is_ok());
    drop(connection);
    assert_eq!(net.streams(), 0);
}
