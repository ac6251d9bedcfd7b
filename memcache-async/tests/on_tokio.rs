//! The client on the sockets, the timers and the tasks of tokio.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use memcache_async::{Builder, Client, Error, Expiry, FailureKind, Tokio};
use memcache_sync::server::Server;
use tokio::runtime::{self, Runtime};

/// The length of a value that is read into spare room.
const LARGE: usize = 1_000_000;

fn server() -> Server {
    Server::start().expect("a server in memory")
}

fn runtime() -> Runtime {
    Runtime::new().expect("threads for tokio")
}

/// Two calls, one of them with a value that is read into spare room.
async fn set_and_get(client: &Client) {
    client.set("large", "x".repeat(LARGE), Expiry::Never).await.expect("stored");
    let value = client.get::<String>("large").await.expect("asked");
    assert_eq!(value.map(|value| value.len()), Some(LARGE));
}

#[test]
fn it_runs_on_runtimes_of_one_thread_and_of_many() {
    let path = std::env::temp_dir().join(format!("memcache-on-tokio-{}.sock", std::process::id()));
    let unix = Server::bind(&format!("unix:{}", path.display())).expect("a server in memory");
    let tcp = server();
    let one = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for runtime in [one, runtime()] {
        for address in [tcp.address(), unix.address()] {
            runtime.block_on(async {
                let client = Client::tokio([address]).expect("an address");
                set_and_get(&client).await;
                client.close().await;
            });
        }
    }
}

/// The client enters the runtime of its handle by itself, whichever thread makes the call.
#[test]
fn it_may_be_used_from_threads_that_tokio_does_not_know() {
    let (server, runtime) = (server(), runtime());
    let client = Builder::new(Tokio::on(runtime.handle())).server(server.address());
    let client = client.build().expect("an address");
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| smol::block_on(set_and_get(&client)));
        }
    });
    // Those who wait for a value that another computes sleep in between.
    let (begun, begins) = mpsc::channel();
    thread::scope(|scope| {
        let client = &client;
        scope.spawn(move || {
            let compute = || async move {
                begun.send(()).expect("somebody waits");
                smol::Timer::after(Duration::from_millis(300)).await;
                Ok::<_, Error>(1_u32)
            };
            let made = smol::block_on(client.get_or_set_with("value", Expiry::Never, compute));
            assert_eq!(made.expect("asked").into_value(), 1);
        });
        begins.recv().expect("it computes");
        let compute = || async { Ok::<_, Error>(2_u32) };
        let found = smol::block_on(client.get_or_set_with("value", Expiry::Never, compute));
        assert_eq!(found.expect("asked").into_value(), 1, "it waited for the other's");
    });
    smol::block_on(client.close());
}

#[test]
fn calls_fail_when_the_runtime_is_gone() {
    let (server, runtime) = (server(), runtime());
    let client = Builder::new(Tokio::on(runtime.handle())).server(server.address());
    let client = client.build().expect("an address");
    smol::block_on(set_and_get(&client));
    drop(runtime);
    let began = Instant::now();
    for _ in 0..2 {
        let error = smol::block_on(client.get::<String>("large")).expect_err("nobody drives it");
        let Error::Server { failure, .. } = &error else { panic!("{error}") };
        let kind = &failure.kind;
        assert!(matches!(kind, FailureKind::Connect(_) | FailureKind::Disconnected), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

/// Timeouts go by tokio's clock, which a test may pause.
#[tokio::test(start_paused = true)]
async fn timeouts_go_by_the_clock_of_tokio() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = silent.local_addr().expect("it is bound").to_string();
    let timeout = Duration::from_secs(3600);
    let client = Client::tokio_builder().server(&address).socket_timeout(timeout);
    let client = client.build().expect("an address");
    let (began, before) = (Instant::now(), tokio::time::Instant::now());
    let error = client.get::<String>("key").await.expect_err("nobody answers");
    assert!(error.is_unavailable(), "{error}");
    assert!(before.elapsed() >= timeout);
    assert!(began.elapsed() < Duration::from_secs(60), "it has been waited for");
}

#[test]
#[should_panic(expected = "no reactor running")]
fn outside_of_a_runtime_there_is_none() {
    drop(Client::tokio(["127.0.0.1"]));
}
