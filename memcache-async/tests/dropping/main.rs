//! The client in a world without sockets, sleeps or a clock: futures dropped at every point, servers
//! that hang, full windows, and the end, each the same in every run.

mod connection;
mod ends;
mod feeding;
mod harness;
mod lent;
mod points;
mod room;
mod soak;
mod timeouts;
mod wakers;
mod within;

use std::time::Duration;

use memcache_async::{Client, Error, Expiry, FailureKind};

use harness::{Mode, Net, Pieces, Task};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const SOCKET_TIMEOUT: Duration = Duration::from_secs(3);
pub(crate) const DEAD_RETRY: Duration = Duration::from_secs(30);

/// More lone calls than it takes for the next to do its own reading and writing.
pub(crate) const LONE_CALLS: usize = 40;

/// What a get of text returns.
pub(crate) type Found = Result<Option<String>, Error>;

pub(crate) fn value_of(key: &str) -> String {
    format!("value of {key}")
}

/// Has every server keep `value of <key>` under each of these keys.
pub(crate) fn fill<S: AsRef<str>>(net: &Net, keys: impl IntoIterator<Item = S>) {
    let mut commands = Vec::new();
    for key in keys {
        let (key, value) = (key.as_ref(), value_of(key.as_ref()));
        // The flags of text.
        let command = format!("set {key} 16 0 {}\r\n{value}\r\n", value.len());
        commands.extend_from_slice(command.as_bytes());
    }
    let mut state = net.world.state();
    let now = state.now;
    for peer in &mut state.peers {
        let answer = peer.perform(&commands, now);
        assert!(answer.chunks(8).all(|line| line == b"STORED\r\n"));
    }
}

/// A get that owns what it needs.
pub(crate) fn get(client: &Client, key: &str) -> impl Future<Output = Found> + use<> {
    let (client, key) = (client.clone(), key.to_owned());
    async move { client.get(key).await }
}

/// The end of a client, in a future that owns what it needs.
pub(crate) fn close(client: &Client) -> impl Future<Output = ()> + use<> {
    let client = client.clone();
    async move { client.close().await }
}

/// Starts a get in a task of its own.
pub(crate) fn start_get(net: &mut Net, client: &Client, key: &str) -> Task<Found> {
    net.start(get(client, key))
}

/// Makes calls one after the other, until the next does its own reading and writing.
pub(crate) fn grow_lone(net: &mut Net, client: &Client) {
    let client = client.clone();
    net.block_on(async move {
        for _ in 0..LONE_CALLS {
            client.get::<String>("lone").await.expect("the server is there");
        }
    });
}

/// What a server, or the lack of it, did to a call.
#[track_caller]
pub(crate) fn failure(error: &Error) -> &FailureKind {
    match error {
        Error::Server { failure, .. } => &failure.kind,
        other => panic!("{other:?}"),
    }
}

/// A key whose first server is this one.
pub(crate) fn key_on(net: &mut Net, client: &Client, server: usize) -> String {
    let mut is_of = |key: &String| {
        net.peer(server, |peer| peer.heard.clear());
        drop(net.block_on(get(client, key)));
        net.peer(server, |peer| !peer.heard.is_empty())
    };
    (0..).map(|number| format!("key{number}")).find(&mut is_of).expect("one of them")
}
