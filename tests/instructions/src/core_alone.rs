use std::time::Duration;

use memcache_proto::Time;
use memcache_proto::calls::{Answer, Call, Calls, Config, Error};
use memcache_proto::client::{Action, Client};

/// The core with one server, driven as an adapter drives it, without a socket: the server's reply to each
/// call is given along with the call.
pub(crate) struct CoreAlone {
    calls: Calls,
    client: Client,
    now: Time,
}

/// How much time passes from one call to the next: less than a rest, after which the connection would be
/// looked at.
const PAUSE: Duration = Duration::from_micros(10);

impl CoreAlone {
    pub(crate) fn new() -> Self {
        let mut config = Config::default();
        config.add_server("10.0.0.1", 1);
        let calls = config.build(|| 0).expect("an address");
        let client = Client::new(calls.cluster().clone());
        CoreAlone { calls, client, now: Time::ZERO }
    }

    /// Makes a call that the server answers with exactly this.
    pub(crate) fn run<C: Call>(&mut self, call: C, reply: &[u8]) -> Result<C::Output, Error> {
        let CoreAlone { calls, client, now } = self;
        *now = *now + PAUSE;
        let (now, mut unread) = (*now, reply);
        let (id, mut answer) = call.submit(calls, |operation| {
            client.submit(operation, now).map_err(|rejected| rejected.reason.into())
        })?;
        let outcome = loop {
            answer.proceed(client, id, calls, now);
            while let Some(action) = client.poll_action(now) {
                match action {
                    Action::Connect { connection, .. } => client.connected(connection, now),
                    Action::Transmit(connection) => {
                        let len = client.transmit(connection).len();
                        client.transmitted(connection, len, now);
                    }
                    Action::Receive(connection) => {
                        let buffer = client.receive_buffer(connection);
                        let len = buffer.len().min(unread.len());
                        assert!(len > 0, "it awaits more than the reply");
                        let (read, rest) = unread.split_at(len);
                        buffer[..len].copy_from_slice(read);
                        unread = rest;
                        client.received(connection, len, now);
                        answer.proceed(client, id, calls, now);
                    }
                    other => panic!("{other:?} is not due"),
                }
            }
            if let Some(outcome) = client.take(id) {
                break outcome;
            }
        };
        assert!(unread.is_empty(), "it ended before the reply");
        answer.finish(outcome, calls, |_| None)
    }
}
