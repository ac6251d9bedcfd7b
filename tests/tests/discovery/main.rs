//! Servers that are found out, on real sockets: a configuration endpoint that adds, removes and renames servers
//! under load, that goes and comes back; names that resolve; and what is told of it.
//!
//! Descriptors are counted, so one test runs at a time.

mod clients;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use memcache_proto::server::Configuration;
use memcache_sync::server::Server;
use memcache_sync::{
    Cause, Credentials, Discovered, DiscoveryError, Error, Expiry, NoticeEvent, StatsArgument,
};
use memcache_tests::process::descriptors;
use memcache_tests::settles;

use clients::{Client, OnSmol, OnTokio, Setup, Told};

/// As often as anybody is asked.
const OFTEN: Duration = Duration::from_millis(10);
const WORKERS: usize = 6;

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    clients::begin_runtimes();
    alone
}

fn node() -> Server {
    Server::start().expect("a free port")
}

fn port(server: &Server) -> u16 {
    server.port().expect("a port")
}

/// A configuration of servers by their names.
fn configuration(version: u64, servers: &[(&str, u16)]) -> Configuration {
    let servers = servers.iter().map(|(host, port)| format!("{host}|127.0.0.1|{port}"));
    Configuration { version, servers: servers.collect::<Vec<_>>().join(" ") }
}

fn endpoint(configuration: Configuration) -> Server {
    Server::builder().configuration(configuration).bind("127.0.0.1:0").expect("a free port")
}

/// Calls from many threads until they are to end: how many there were, and those that failed.
fn under_load<C: Client>(client: &C, work: impl FnOnce(&AtomicUsize)) -> (usize, Vec<Error>) {
    let (done, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (done, made, failed) = (&done, &made, &failed);
            scope.spawn(move || {
                for round in 0_u32.. {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    let key = format!("{worker}:{}", round % 50);
                    let stored = client.set(&key, &key);
                    // It may be elsewhere by now, but is nobody else's.
                    let found = client.get(&key).inspect(|found| {
                        assert!(
                            found.as_ref().is_none_or(|found| *found == key),
                            "{key}: {found:?}"
                        );
                    });
                    let errors = stored.err().into_iter().chain(found.err());
                    failed.lock().unwrap_or_else(PoisonError::into_inner).extend(errors);
                    made.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
        // The others end, too, if this panics.
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _end = End(&done);
        work(&made);
    });
    (made.into_inner(), failed.into_inner().unwrap_or_else(PoisonError::into_inner))
}

macro_rules! each_client {
    ($($test:ident),* $(,)?) => {
        mod on_threads { $(
            #[test]
            fn $test() {
                let _alone = super::alone();
                super::$test::<memcache_sync::Client>();
            }
        )* }
        mod on_smol { $(
            #[test]
            fn $test() {
                let _alone = super::alone();
                super::$test::<super::OnSmol>();
            }
        )* }
        mod on_tokio { $(
            #[test]
            fn $test() {
                let _alone = super::alone();
                super::$test::<super::OnTokio>();
            }
        )* }
    };
}

#[cfg(feature = "dns-srv")]
mod srv;

each_client! {
    no_call_fails_while_servers_come_and_go,
    only_calls_to_a_server_that_is_gone_fail,
    without_an_endpoint_the_last_list_stays_and_that_is_told_once,
    servers_that_are_named_are_used_until_the_first_answer,
    an_older_endpoint_is_asked_in_its_own_way,
    an_endpoint_is_asked_with_the_login_of_the_client,
    a_name_has_the_servers_it_resolves_to,
    what_is_no_source_of_servers_is_an_error,
    what_keeps_the_servers_ends_with_the_client,
}

fn no_call_fails_while_servers_come_and_go<C: Client>() {
    const CHANGES: usize = 60;
    let before = descriptors();
    let nodes = [node(), node(), node()];
    let ports = nodes.each_ref().map(port);
    // Added, removed, renamed, put in another order.
    let lists: [&[(&str, u16)]; 6] = [
        &[("127.0.0.1", ports[0])],
        &[("127.0.0.1", ports[0]), ("127.0.0.1", ports[1])],
        &[("127.0.0.1", ports[2]), ("127.0.0.1", ports[1]), ("127.0.0.1", ports[0])],
        &[("localhost", ports[0]), ("127.0.0.1", ports[1]), ("127.0.0.1", ports[2])],
        &[("localhost", ports[2]), ("localhost", ports[1])],
        &[("127.0.0.1", ports[1])],
    ];
    let endpoint = endpoint(configuration(1, lists[0]));
    let without_client = descriptors();
    let told = Told::default();
    let setup = Setup::config(endpoint.address()).every(OFTEN).told(&told);
    let client: C = setup.build().expect("the endpoint knows the servers");
    let (made, failed) = under_load(&client, |made| {
        for change in 1..=CHANGES {
            let calls = made.load(Ordering::Relaxed);
            let list = lists[change % lists.len()];
            endpoint.set_configuration(Some(configuration(change as u64 + 1, list)));
            assert!(settles(|| told.changes() == change + 1), "change {change} was not seen");
            assert!(settles(|| made.load(Ordering::Relaxed) > calls + 20), "calls do not end");
        }
    });
    println!("{}: {made} calls, {CHANGES} changes", C::NAME);
    assert!(failed.is_empty(), "{} of {made} failed: {:?}", failed.len(), failed[0]);
    assert_eq!(told.warnings(), 0);

    // Of the connections to former servers none is left: what is open is to the one server of now, a connection
    // for each thread that called, and to the endpoint; the server in this process has two descriptors for each.
    let most = without_client + 3 * (WORKERS + 1) + 2 * WORKERS;
    assert!(settles(|| descriptors() <= most), "{} open, of {most}", descriptors());
    // The order of the list moved nothing: with the servers as they are now, each key is where it was put.
    let list = lists[2];
    endpoint.set_configuration(Some(configuration(1000, list)));
    assert!(settles(|| told.changes() == CHANGES + 2));
    for key in 0..50 {
        client.set(&key.to_string(), "here").expect("stored");
    }
    let turned: Vec<_> = list.iter().rev().copied().collect();
    endpoint.set_configuration(Some(configuration(1001, &turned)));
    thread::sleep(OFTEN * 5);
    for key in 0..50 {
        let found = client.get(&key.to_string()).expect("asked");
        assert_eq!(found.as_deref(), Some("here"));
    }
    assert_eq!(told.changes(), CHANGES + 2);
    // No key has ever gone to the endpoint.
    let stats = memcache_sync::Client::new([endpoint.address()])
        .and_then(|it| it.stats(StatsArgument::General));
    let (_, stats) = stats.expect("asked").0.into_iter().next().expect("a server");
    let stats: HashMap<_, _> = stats.expect("answered").into_iter().collect();
    assert_eq!((&*stats["cmd_get"], &*stats["cmd_set"]), ("0", "0"));

    client.end();
    assert!(settles(|| descriptors() <= without_client), "{} open", descriptors());
    drop((nodes, endpoint));
    assert!(settles(|| descriptors() <= before), "{} open, {before} before", descriptors());
}

fn only_calls_to_a_server_that_is_gone_fail<C: Client>() {
    let (stays, mut goes) = (node(), node());
    let (staying, going) = (("127.0.0.1", port(&stays)), ("127.0.0.1", port(&goes)));
    let endpoint = endpoint(configuration(1, &[staying, going]));
    let told = Told::default();
    let setup = Setup::config(endpoint.address()).every(OFTEN).told(&told);
    let client: C = setup.build().expect("the endpoint knows the servers");
    let gone = AtomicUsize::new(0);
    let (made, failed) = under_load(&client, |made| {
        let wait = |calls: usize| {
            let from = made.load(Ordering::Relaxed);
            assert!(settles(|| made.load(Ordering::Relaxed) > from + calls), "calls do not end");
        };
        wait(200);
        goes.stop();
        wait(20);
        endpoint.set_configuration(Some(configuration(2, &[staying])));
        assert!(settles(|| told.changes() == 2), "the change was not seen");
        // Those that had begun before are done by now.
        wait(2 * WORKERS);
        gone.store(made.load(Ordering::Relaxed), Ordering::Relaxed);
        wait(200);
    });
    println!("{}: {made} calls, {} failed", C::NAME, failed.len());
    let name = format!("127.0.0.1:{} (1)", going.1);
    for error in &failed {
        assert_eq!(error.server(), Some(&*name), "{error}");
    }
    // From then on all calls are to the server that stays.
    for key in 0..50 {
        client.set(&key.to_string(), "here").expect("stored");
    }
    assert_eq!(told.warnings(), 0);
    client.end();
}

fn without_an_endpoint_the_last_list_stays_and_that_is_told_once<C: Client>() {
    let nodes = [node(), node()];
    let [first, second] = nodes.each_ref().map(|node| ("127.0.0.1", port(node)));
    let mut endpoint = endpoint(configuration(1, &[first]));
    let told = Told::default();
    let setup = Setup::config(endpoint.address()).every(OFTEN).told(&told);
    let client: C = setup.build().expect("the endpoint knows the servers");
    let address = endpoint.address().to_owned();
    for round in 1..=2 {
        endpoint.stop();
        assert!(settles(|| told.warnings() == round), "nobody was told");
        let (made, failed) = under_load(&client, |_| thread::sleep(OFTEN * 30));
        assert!(made > 0 && failed.is_empty(), "{failed:?}");
        assert_eq!(told.warnings(), round, "told more than once");
        assert_eq!(told.changes(), round, "the list stays");
        // It is back, with other servers.
        let list = if round == 1 { second } else { first };
        let configuration = configuration(round as u64 + 1, &[list]);
        let again = || Server::builder().configuration(configuration.clone()).bind(&address);
        assert!(settles(|| again().map(|server| endpoint = server).is_ok()), "its port is taken");
        assert!(settles(|| told.changes() == round + 1), "the change was not seen");
    }
    // What an endpoint must not say is refused as well, and told once.
    for refused in [
        Some(configuration(2, &[second])),
        Some(configuration(9, &[])),
        Some(Configuration { version: 9, servers: "bogus".into() }),
        None,
    ] {
        endpoint.set_configuration(refused);
        thread::sleep(OFTEN * 3);
    }
    assert!(settles(|| told.warnings() == 3));
    assert_eq!((told.changes(), told.warnings()), (3, 3));
    assert_eq!(told.name(), format!("config+{address}"));
    client.set("a", "b").expect("stored");
    client.end();
}

fn servers_that_are_named_are_used_until_the_first_answer<C: Client>() {
    let nodes = [node(), node()];
    let mut endpoint = endpoint(configuration(1, &[("127.0.0.1", port(&nodes[0]))]));
    let address = endpoint.address().to_owned();
    endpoint.stop();
    let told = Told::default();
    let setup = Setup::config(&address).every(OFTEN).told(&told).server(nodes[1].address());
    let client: C = setup.build().expect("a server is named");
    client.set("a", "b").expect("stored");
    assert!(settles(|| told.warnings() == 1), "nobody was told");
    let configuration = configuration(1, &[("127.0.0.1", port(&nodes[0]))]);
    let again = || Server::builder().configuration(configuration.clone()).bind(&address);
    assert!(settles(|| again().map(|server| endpoint = server).is_ok()), "its port is taken");
    assert!(settles(|| told.changes() == 1), "the change was not seen");
    assert_eq!(client.get("a").expect("asked"), None);
    assert_eq!(told.warnings(), 1);
    client.end();
}

fn an_older_endpoint_is_asked_in_its_own_way<C: Client>() {
    let node = node();
    let endpoint = Server::start().expect("a free port");
    let text = configuration(7, &[("", port(&node))]).text();
    let writer = memcache_sync::Client::new([endpoint.address()]).expect("an address");
    writer.set("AmazonElastiCache:cluster", text, Expiry::Never).expect("stored");
    // The prefix is that of items.
    let setup = Setup::config(endpoint.address()).prefix("shop:");
    let client: C = setup.build().expect("the endpoint knows the servers");
    client.set("a", "b").expect("stored");
    let reader = memcache_sync::Client::new([node.address()]).expect("an address");
    assert_eq!(reader.get::<String>("shop:a").expect("asked").as_deref(), Some("b"));
    client.end();
}

fn an_endpoint_is_asked_with_the_login_of_the_client<C: Client>() {
    let credentials = Credentials::new("shop", "secret").expect("credentials");
    let with_login = || Server::builder().credentials(credentials.clone());
    let node = with_login().bind("127.0.0.1:0").expect("a free port");
    let configuration = configuration(1, &[("127.0.0.1", port(&node))]);
    let endpoint = with_login().configuration(configuration).bind("127.0.0.1:0");
    let endpoint = endpoint.expect("a free port");
    let setup = || Setup::config(endpoint.address());
    let client: C = setup().login("shop", "secret").build().expect("let in");
    client.set("a", "b").expect("stored");
    client.end();
    let refused = setup().login("shop", "wrong").build::<C>().map(C::end);
    let refused = refused.expect_err("it is not let in").to_string();
    assert!(refused.contains("refused the login"), "{refused}");
}

fn a_name_has_the_servers_it_resolves_to<C: Client>() {
    let node = node();
    let told = Told::default();
    for source in ["dns+inet:localhost", "dns+127.0.0.1"] {
        let setup = Setup::url(&format!("memcached://{source}:{}/", port(&node)));
        let client: C = setup.every(OFTEN).told(&told).build().expect("it resolves");
        client.set("a", source).expect("stored");
        thread::sleep(OFTEN * 3);
        assert_eq!(client.get("a").expect("asked").as_deref(), Some(source));
        client.end();
    }
    assert_eq!((told.changes(), told.warnings()), (2, 0));
    let setup = Setup::url("memcached://dns+name.invalid:11211/");
    let error = setup.build::<C>().map(C::end).expect_err("it resolves to nothing");
    assert!(matches!(error, Error::Discovery(DiscoveryError::Failed(_))), "{error}");
}

fn what_is_no_source_of_servers_is_an_error<C: Client>() {
    let node = node();
    let nobody = {
        let mut gone = Server::start().expect("a free port");
        gone.stop();
        gone.address().to_owned()
    };
    let cases = [
        (Setup::config(&nobody), "could not be asked for"),
        // A server that holds items, and nothing else.
        (Setup::config(node.address()), "no configuration of a cluster"),
        (Setup::config("::1"), "not of the form HOST:PORT"),
        (Setup::asking(|| Err("the registry is down".into())), "the registry is down"),
        (Setup::asking(|| Ok(Discovered::default())), "is empty"),
        (Setup::config(node.address()).login("a b", "c"), "login"),
    ];
    for (setup, words) in cases {
        let error = setup.build::<C>().map(C::end).expect_err("there are no servers");
        assert!(error.to_string().contains(words), "{error}");
    }
}

fn what_keeps_the_servers_ends_with_the_client<C: Client>() {
    let before = descriptors();
    let node = node();
    let endpoint = endpoint(configuration(1, &[("127.0.0.1", port(&node))]));
    let with_servers = descriptors();
    for every in [OFTEN, Duration::from_secs(3600)] {
        for closes in [false, true] {
            let client: C =
                Setup::config(endpoint.address()).every(every).build().expect("servers");
            client.set("a", "b").expect("stored");
            if closes {
                client.close();
            }
            client.end();
            let what = format!("{every:?}, {closes}");
            assert!(settles(|| descriptors() <= with_servers), "{what}: {} open", descriptors());
        }
    }
    drop((node, endpoint));
    assert!(settles(|| descriptors() <= before), "{} open, {before} before", descriptors());
}

/// A client whose driver is the caller's to poll has the driver keep the servers, too.
#[test]
fn a_driver_keeps_the_servers() {
    let _alone = alone();
    let nodes = [node(), node()];
    let endpoint = endpoint(configuration(1, &[("127.0.0.1", port(&nodes[0]))]));
    let told = Told::default();
    let builder = memcache_async::Client::builder().server(nodes[1].address()).debug(told.hook());
    let builder = builder.discover(memcache_async::ClusterConfig::new(endpoint.address()));
    let (client, driver) = builder.build_with_driver().expect("a server is named");
    let work = async {
        while told.changes() == 0 {
            smol::Timer::after(OFTEN).await;
        }
        client.set("a", "b", Expiry::Never).await.expect("stored");
        client.close().await;
    };
    memcache_tests::block_on(Duration::from_secs(20), smol::future::zip(work, driver));
    let reader = memcache_sync::Client::new([nodes[0].address()]).expect("an address");
    assert_eq!(reader.get::<String>("a").expect("asked").as_deref(), Some("b"));

    let builder = memcache_async::Client::builder();
    let builder = builder.discover(|| async { Ok::<_, Cause>(Discovered::default()) });
    let error = builder.build().map(drop).expect_err("nobody has been asked");
    assert!(matches!(error, Error::Discovery(DiscoveryError::NotAsked)), "{error}");
}

/// What is told of is told in plain words.
#[test]
fn a_notice_says_what_has_changed() {
    let address = |text: &str| text.parse().expect("an address");
    let changed = NoticeEvent::ServersChanged {
        count: 3,
        added: vec![address("a:1"), address("b:2")],
        removed: vec![address("c:3")],
    };
    assert_eq!(changed.to_string(), "there are 3 servers now; added a:1, b:2; removed c:3");
    assert!(!changed.is_trouble());
    let refused = NoticeEvent::NotDiscovered { error: DiscoveryError::Empty };
    assert_eq!(
        refused.to_string(),
        "going on with the servers that are known: the list of servers is empty",
    );
    assert!(refused.is_trouble());
}
