//! What reaches the servers is the same, byte for byte, whichever client makes the calls one after the
//! other: over sockets as a relay hears it, of the core alone as its servers do.
//!
//! Calls made at the same time are not compared: there clients may differ in how they share
//! connections and merge gets.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, Scope};
use std::time::Duration;

use memcache_async::{AsyncStd, Smol, Tokio};
use memcache_sync::proto::calls;
use memcache_sync::{Error, Expiry, StatsArgument, Value};
use memcache_tests::Target;
use memcache_tests::api::{Api, AsyncClient, Client, CoreAlone, SyncClient};

use crate::{Context, NEVER, scenarios};

/// Not compared: most of the moments of the first are reckoned from the client's own clock
/// ([`check_calls`] looks at one), and in the second it depends on the servers' how often is asked.
const BY_THE_CLOCK: [&str; 2] = ["expiries", "values that nobody computes"];

impl Context {
    fn recording<A: Api>(target: Target) -> Self {
        let second = target.another().recording();
        Context::of::<A>(target.recording(), second)
    }
}

/// What each server was sent in a scenario.
type Heard = (&'static str, [Vec<u8>; 2]);

/// Runs the scenarios and gives what was heard in each; none after one that failed. It is never far
/// ahead of who takes them.
fn record<'scope, A: Api>(
    scope: &'scope Scope<'scope, '_>,
    target: Target,
) -> (&'static str, Receiver<Heard>) {
    let (sender, receiver) = sync_channel(0);
    scope.spawn(move || {
        let context = Context::recording::<A>(target);
        for (name, scenario) in scenarios() {
            if !BY_THE_CLOCK.contains(&name) {
                scenario(&context);
                let heard = [&context.first, &context.second].map(Target::take_heard);
                if sender.send((name, heard)).is_err() {
                    return;
                }
            }
        }
    });
    (A::NAME, receiver)
}

#[test]
fn every_client_sends_the_same_bytes_in_every_scenario() {
    thread::scope(|scope| {
        let (_, reference) = record::<SyncClient>(scope, Target::in_memory());
        let others = [
            record::<CoreAlone>(scope, Target::on_virtual_time()),
            record::<AsyncClient<Smol>>(scope, Target::in_memory()),
            record::<AsyncClient<AsyncStd>>(scope, Target::in_memory()),
            record::<AsyncClient<Tokio>>(scope, Target::in_memory()),
        ];
        let mut compared = HashSet::new();
        for (scenario, expected) in reference {
            assert!(!expected[0].is_empty(), "{scenario}: nothing was heard");
            for (client, other) in &others {
                let Ok((_, heard)) = other.recv() else {
                    panic!("{scenario}, or the one before it, fails by {client}: see above");
                };
                for (server, (heard, expected)) in heard.iter().zip(&expected).enumerate() {
                    if let Some(difference) = difference(heard, expected) {
                        panic!("{scenario}: {client} to server {server}: {difference}");
                    }
                }
            }
            compared.insert(scenario);
        }
        assert_eq!(compared.len(), scenarios().len() - BY_THE_CLOCK.len());
    });
}

/// Where two recordings are not the same. The cas uniques of meta requests are the servers' own: how many
/// items one has made by then may hang on the time that something took.
fn difference(heard: &[u8], expected: &[u8]) -> Option<String> {
    let (heard, expected) = (&without_uniques(heard), &without_uniques(expected));
    if heard == expected {
        return None;
    }
    let same = heard.iter().zip(expected).take_while(|(heard, expected)| heard == expected).count();
    let [heard, expected] = [heard, expected].map(|bytes| {
        let around = &bytes[same.saturating_sub(60)..bytes.len().min(same + 60)];
        format!("{} bytes, there {}", bytes.len(), around.escape_ascii())
    });
    Some(format!("after {same} bytes that are the same\n{heard}\nand not\n{expected}"))
}

/// The bytes with each ` C` and number left without the number.
fn without_uniques(bytes: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut passing = false;
    for &byte in bytes {
        passing = byte.is_ascii_digit() && (passing || out.ends_with(b" C"));
        if !passing {
            out.push(byte);
        }
    }
    out
}

type Call = fn(&Client) -> Result<(), Error>;

/// Calls, and the requests that they send. What is answered does not matter here.
fn requests() -> Vec<(&'static str, Call)> {
    const DAY: Duration = Duration::from_secs(86_400);
    vec![
        ("get a\r\n", |client| client.get::<Value>("a").map(drop)),
        ("gets a\r\n", |client| client.gets::<Value>("a").map(drop)),
        ("gat 60 a\r\n", |client| client.gat::<Value>("a", DAY / 1_440).map(drop)),
        ("get a b\r\n", |client| client.get_many::<Value, _>(["a", "b"]).map(drop)),
        ("gets a b\r\n", |client| client.gets_many::<Value, _>(["a", "b"]).map(drop)),
        ("gat 60 a b\r\n", |client| client.gat_many::<Value, _>(["a", "b"], DAY / 1_440).map(drop)),
        ("add a 2 0 1\r\n1\r\nadd b 2 0 1\r\n2\r\n", |client| {
            client.add_many([("a", 1), ("b", 2)], NEVER).map(drop)
        }),
        ("replace a 2 0 1\r\n1\r\n", |client| client.replace_many([("a", 1)], NEVER).map(drop)),
        ("touch a 0\r\ntouch b 0\r\n", |client| client.touch_many(["a", "b"], NEVER).map(drop)),
        ("set a 16 0 1\r\n1\r\n", |client| client.set("a", "1", NEVER)),
        ("set a 2 0 2\r\n-1\r\n", |client| client.set("a", -1, NEVER)),
        ("set a 0 0 2\r\n\r\n\r\n", |client| client.set("a", b"\r\n", NEVER)),
        ("set 7 16 0 0\r\n\r\n", |client| client.set(7, "", NEVER)),
        ("add a 16 0 1\r\n1\r\n", |client| client.add("a", "1", NEVER).map(drop)),
        ("replace a 16 0 1\r\n1\r\n", |client| client.replace("a", "1", NEVER).map(drop)),
        ("append a 16 0 1\r\n1\r\n", |client| client.append("a", "1").map(drop)),
        ("prepend a 16 0 1\r\n1\r\n", |client| client.prepend("a", "1").map(drop)),
        ("cas a 16 0 1 7\r\n1\r\n", |client| client.cas("a", "1", NEVER, 7).map(drop)),
        ("set a 2 5 1\r\n1\r\nset b 2 5 1\r\n2\r\n", |client| {
            client.set_many([("a", 1), ("b", 2)], Duration::from_secs(5)).map(drop)
        }),
        ("touch a 60\r\n", |client| client.touch("a", DAY / 1_440).map(drop)),
        ("touch a 1\r\n", |client| client.touch("a", Duration::from_millis(1)).map(drop)),
        ("touch a 2592000\r\n", |client| client.touch("a", 30 * DAY).map(drop)),
        ("touch a -1\r\n", |client| client.touch("a", Duration::ZERO).map(drop)),
        ("touch a 2147483647\r\n", |client| client.touch("a", Expiry::At(2_147_483_647)).map(drop)),
        ("delete a\r\n", |client| client.delete("a").map(drop)),
        ("delete a\r\ndelete b\r\n", |client| client.delete_many(["a", "b"]).map(drop)),
        // What has a reply tells that what has none has been heard.
        ("set a 16 0 1 noreply\r\n1\r\nversion\r\n", |client| {
            client.run(calls::set("a", "1", NEVER).noreply())?;
            client.version().map(drop)
        }),
        ("delete p:a noreply\r\ndelete p:b noreply\r\nversion\r\n", |client| {
            let _ = client.run(calls::delete_many(["a", "b"]).key_prefix("p:").noreply())?;
            client.version().map(drop)
        }),
        ("get a\r\n", |client| client.get::<Value>((-5, "a")).map(drop)),
        ("set n 2 0 1\r\n1\r\n", |client| client.set("n", 1, NEVER)),
        ("incr n 18446744073709551615\r\n", |client| client.incr("n", u64::MAX).map(drop)),
        ("decr n 0\r\n", |client| client.decr("n", 0).map(drop)),
        ("version\r\n", |client| client.version().map(drop)),
        ("stats\r\n", |client| client.stats(StatsArgument::General).map(drop)),
        ("stats items\r\n", |client| client.stats(StatsArgument::Items).map(drop)),
        ("stats reset\r\n", |client| client.stats(StatsArgument::Reset).map(drop)),
        ("flush_all 10\r\n", |client| client.flush_all_after(Duration::from_secs(10)).map(drop)),
        ("flush_all\r\n", |client| client.flush_all().map(drop)),
    ]
}

/// Makes every call and compares what is sent with what is to be.
fn check_calls<A: Api>(target: Target) {
    let target = target.recording();
    let client: Client = target.config().build::<A>().expect("an address").into();
    for (request, call) in requests() {
        call(&client).expect(request);
        let heard = target.take_heard();
        let case = format!("{} sends {}", A::NAME, heard.escape_ascii());
        assert!(heard == request.as_bytes(), "{case}, not {}", request.escape_debug());
    }
    let days = Duration::from_secs(31 * 86_400);
    let before = client.unix_now();
    client.touch("a", days).expect("asked");
    let after = client.unix_now();
    let mut moments = (before..=after).map(|now| now + days.as_secs());
    let heard = target.take_heard();
    let fits = |moment| heard == format!("touch a {moment}\r\n").as_bytes();
    assert!(moments.any(fits), "{} sends {} at {before}", A::NAME, heard.escape_ascii());
}

#[test]
fn each_call_sends_its_request() {
    check_calls::<SyncClient>(Target::in_memory());
    check_calls::<CoreAlone>(Target::on_virtual_time());
    check_calls::<AsyncClient<Smol>>(Target::in_memory());
    check_calls::<AsyncClient<AsyncStd>>(Target::in_memory());
    check_calls::<AsyncClient<Tokio>>(Target::in_memory());
}
