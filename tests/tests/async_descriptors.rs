//! After a thousand of everything that may happen to a client (connects, failures, drops), there are
//! as many descriptors and tasks as before, and nothing is left of the clients.

use std::future::{Future, poll_fn};
use std::net::TcpListener;
use std::task::Poll;
use std::time::{Duration, Instant};

use memcache_async::{Builder, Client, Error, Expiry, FailureKind, Smol, Value};
use memcache_proto::routing::ConnectFailure;
use memcache_tests::process::descriptors;
use memcache_tests::{
    Counted, Counts, Full, Memcached, Scripted, Step, block_on, poll_times, settles,
};
use smol::Timer;

const ROUNDS: usize = 1_000;
/// How many clients there are at a time where each takes its while; a listener's queue holds them.
const AT_ONCE: usize = 100;
/// How long a thousand of anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long those are waited for who never answer.
const TIMEOUT: Duration = Duration::from_millis(200);
/// Long enough for a driver to begin with a connect, most of the time.
const MOMENT: Duration = Duration::from_micros(50);

/// What there is besides the clients, and who counts.
struct Census {
    counts: Counts,
    descriptors: usize,
}

impl Census {
    /// A client to be.
    fn client(&self) -> Builder<Counted> {
        Builder::new(self.counts.count(Smol::new()))
    }

    /// A client of this server.
    fn client_of(&self, address: &str) -> Client {
        self.client().server(address).build().expect("an address")
    }

    /// The same, which does not wait for long.
    fn hasty_client_of(&self, address: &str) -> Client {
        let builder = self.client().server(address).socket_timeout(TIMEOUT);
        builder.build().expect("an address")
    }

    /// Does something a thousand times; then there is to be as much as before.
    fn take(&self, what: &str, round: impl AsyncFn(usize)) {
        self.after(what, times(ROUNDS, 1, round));
    }

    /// The same with many at a time.
    fn take_at_once(&self, what: &str, round: impl AsyncFn(usize)) {
        self.after(what, times(ROUNDS, AT_ONCE, round));
    }

    fn after(&self, what: &str, work: impl Future<Output = ()>) {
        let (spawned, started) = (self.counts.spawned(), Instant::now());
        block_on(PATIENCE, work);
        let took = started.elapsed();
        let now = || (descriptors(), self.counts.tasks(), self.counts.runtimes());
        let settled = settles(|| now() == (self.descriptors, 0, 0));
        let (open, tasks, clients) = now();
        let spawned = self.counts.spawned() - spawned;
        println!(
            "{what}: {spawned} tasks spawned, {tasks} left; {open} descriptors, {} before; \
             {clients} clients left; {took:.1?}",
            self.descriptors,
        );
        assert!(settled, "{what}: {open} descriptors, {tasks} tasks, {clients} clients");
    }
}

/// Does something so often, with so many at a time.
async fn times(rounds: usize, at_once: usize, round: impl AsyncFn(usize)) {
    for first in (0..rounds).step_by(at_once) {
        let mut all: Vec<_> =
            (first..first + at_once).map(|number| Box::pin(round(number))).collect();
        poll_fn(|cx| {
            all.retain_mut(|one| one.as_mut().poll(cx).is_pending());
            if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Polls a future this often, and drops it.
async fn poll_and_drop(future: impl Future, times: usize) {
    poll_times(future, times as u64, MOMENT).await;
}

async fn use_once(client: &Client, number: usize) {
    client.set("key", number, Expiry::Never).await.expect("stored");
    let found = client.get::<usize>("key").await;
    assert!(found.expect("answered").is_some());
}

async fn get(client: &Client) -> Result<Option<Value>, Error> {
    client.get::<Value>("key").await
}

fn kind(result: Result<Option<Value>, Error>) -> FailureKind {
    match result {
        Err(Error::Server { failure, .. }) => failure.kind,
        result => panic!("no failure: {result:?}"),
    }
}

/// The only test of this program: others would open descriptors beside it.
#[test]
fn nothing_is_left_of_a_thousand_clients() {
    let [first, second] = [Memcached::start(), Memcached::start()];
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let nobody = nobody.to_string();
    let closing = Scripted::always([Step::Close]);
    let hanging_up = Scripted::always([Step::Lines(1), Step::Close]);
    let garbage = Scripted::replying("garbage\r\n");
    let silent = Scripted::silent();
    let full = Full::start();
    // What smol itself opens, it opens once.
    smol::block_on(async {
        let client = Client::new([first.address()]).expect("an address");
        use_once(&client, 0).await;
        Timer::after(MOMENT).await;
        client.close().await;
    });
    let census = &Census { counts: Counts::default(), descriptors: descriptors() };

    clients_of_good_servers(census, &first.address(), &second.address());
    calls_that_are_dropped(census, &first.address());

    census.take("refused", async |_| {
        assert!(matches!(kind(get(&census.client_of(&nobody)).await), FailureKind::Connect(_)));
    });
    census.take("refused, with another server beside it", async |_| {
        let client = census.client().servers([&nobody, &first.address()]).build();
        let client = client.expect("addresses");
        let found = client.get_many::<Value, _>(["a", "b", "c"]).await.expect("asked");
        assert!(found.failed.is_empty(), "{:?}", found.failed);
    });
    census.take("a socket that is not there", async |_| {
        let client = census.client_of("unix:/no/such/socket");
        assert!(matches!(kind(get(&client).await), FailureKind::Connect(_)));
    });
    census.take("a connect that hangs and is dropped", async |number| {
        let client = census.client_of(&full.address());
        poll_and_drop(get(&client), 1 + number % 4).await;
    });
    census.take_at_once("a connect that hangs", async |_| {
        assert!(matches!(
            kind(get(&census.hasty_client_of(&full.address())).await),
            FailureKind::Connect(_)
        ));
    });
    census.take_at_once("a server that closes", async |number| {
        let client = census.client_of(&closing.address());
        for _ in 0..number % 3 {
            get(&client).await.expect_err("nothing is answered");
        }
    });
    census.take_at_once("a server that hangs up", async |_| {
        let client = census.client_of(&hanging_up.address());
        get(&client).await.expect_err("nothing is answered");
        client.close().await;
    });
    census.take_at_once("garbage", async |_| {
        let client = census.client_of(&garbage.address());
        assert!(matches!(kind(get(&client).await), FailureKind::Protocol(_)));
    });
    census.take_at_once("silence", async |_| {
        let client = census.hasty_client_of(&silent.address());
        // On a busy machine the connect alone may take too long.
        assert!(matches!(
            kind(get(&client).await),
            FailureKind::SocketTimeout | FailureKind::Connect(ConnectFailure::TimedOut)
        ));
    });
}

fn clients_of_good_servers(census: &Census, first: &str, second: &str) {
    census.take("never used", async |_| drop(census.client_of(first)));
    census.take("used and dropped", async |number| {
        use_once(&census.client_of(first), number).await;
    });
    census.take("used and closed", async |number| {
        let client = census.client().servers([first, second]).build().expect("addresses");
        use_once(&client, number).await;
        let found = client.get_many::<Value, _>(["a", "b", "c"]).await.expect("asked");
        assert!(found.failed.is_empty(), "{:?}", found.failed);
        let clone = client.clone();
        client.close().await;
        assert!(matches!(get(&clone).await, Err(Error::Closed)));
    });
    census.after("one client that is disconnected", async {
        let client = &census.client_of(first);
        let round = async |number| {
            use_once(client, number).await;
            poll_and_drop(get(client), number % 3).await;
            client.disconnect_all();
        };
        times(ROUNDS, 1, round).await;
    });
    census.take("a close that is not waited for", async |number| {
        let client = census.client_of(first);
        use_once(&client, number).await;
        poll_and_drop(get(&client), number % 3).await;
        let clone = client.clone();
        poll_and_drop(client.close(), 1).await;
        assert!(matches!(get(&clone).await, Err(Error::Closed)));
    });
    census.take("a driver that is polled beside", async |number| {
        let (client, driver) = census.client().server(first).build_with_driver().expect("a client");
        let work = async {
            use_once(&client, number).await;
            drop(client);
        };
        smol::future::zip(work, driver).await;
    });
    census.take("a driver that is dropped", async |number| {
        let (client, driver) = census.client().server(first).build_with_driver().expect("a client");
        let used = use_once(&client, number);
        smol::future::or(used, poll_and_drop(driver, number % 5)).await;
        // Whether it had come so far or not: who has no driver is not left waiting for it.
        get(&client).await.expect_err("nobody drives");
    });
}

fn calls_that_are_dropped(census: &Census, server: &str) {
    census.take("the first call, dropped midway", async |number| {
        let client = census.client_of(server);
        poll_and_drop(get(&client), number % 5).await;
    });
    census.take("another call, dropped midway", async |number| {
        let client = census.client_of(server);
        use_once(&client, number).await;
        poll_and_drop(client.get_many::<Value, _>(["a", "b", "c"]), number % 3).await;
        poll_and_drop(client.set("long", "x".repeat(100_000), Expiry::Never), number % 3).await;
        if number % 2 == 0 {
            use_once(&client, number).await;
        }
    });
    census.take("a name that is being looked up", async |number| {
        let client = census.client_of("localhost:1");
        poll_and_drop(get(&client), number % 3).await;
    });
    census.take("a detached task's call, with the client dropped", async |_| {
        let client = census.client_of(server);
        let call = smol::spawn({
            let client = client.clone();
            async move { get(&client).await }
        });
        drop(client);
        Timer::after(MOMENT).await;
        call.cancel().await;
    });
}
