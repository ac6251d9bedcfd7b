//! Clients over TLS, with memcached and with the in-memory server.

mod by_url;
mod certificates;
mod in_memory;
mod records;

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use memcache_async::{Smol, Tokio};
use memcache_sync::server::Server;
use memcache_sync::{Error, Expiry, Tls, TlsError};
use memcache_tests::api::{Api, AsyncClient, Config, SyncClient};
use memcache_tests::{Memcached, TlsMemcached};

use certificates::Certificates;
use in_memory::InMemory;

/// The longest value of 1.6.18, with its item header, is a little shorter than 1 MiB.
const LARGE: usize = (1 << 20) - 1000;

macro_rules! each {
    ($($test:ident,)*) => {
        mod sync {
            $(#[test]
            fn $test() {
                super::$test::<super::SyncClient>();
            })*
        }

        mod smol {
            $(#[test]
            fn $test() {
                super::$test::<super::AsyncClient<super::Smol>>();
            })*
        }

        mod tokio {
            $(#[test]
            fn $test() {
                super::$test::<super::AsyncClient<super::Tokio>>();
            })*
        }
    };
}

each! {
    calls_go_through,
    what_is_pipelined_is_answered,
    a_failure_says_what_to_do,
    a_client_shows_its_certificate,
    servers_without_tls_are_told_apart,
    tasks_and_threads_share_connections,
    sessions_are_resumed,
}

/// A server of each kind, with this certificate.
fn servers(certificates: &Certificates, name: &str) -> (TlsMemcached, InMemory) {
    let (pem, key) = (certificates.pem(name), certificates.key(name));
    (TlsMemcached::start(&pem, &key, &[]), InMemory::start(&pem, &key, None))
}

fn trusting(certificates: &Certificates) -> Tls {
    Tls::new().ca_file(certificates.pem("ca")).expect("an authority")
}

fn client<A: Api>(address: &str, tls: &Tls) -> A {
    Config::default().server(address).tls(tls).build().expect("an address")
}

fn calls_go_through<A: Api>() {
    let certificates = Certificates::new();
    let (memcached, in_memory) = servers(&certificates, "server");
    let tls = trusting(&certificates);
    let memcached = memcached.address();
    let localhost = memcached.replace("127.0.0.1", "inet:localhost");
    let named = tls.clone().server_name("localhost").expect("a name");
    for (address, tls) in [(&*memcached, &tls), (&localhost, &tls), (in_memory.address(), &named)] {
        let client: A = client(address, tls);
        for len in [0, 1, 100, 2047, 2048, 2049, 16_384, 100_000, LARGE] {
            let value = "x".repeat(len);
            client.set("value", &value, Expiry::Never).expect("stored");
            let found = client.get::<String>("value").expect("asked");
            assert!(found.as_ref() == Some(&value), "{address}: {len}");
        }
        client.set("number", 41, Expiry::Never).expect("stored");
        assert_eq!(client.incr("number", 1).expect("asked"), Some(42));
        assert!(client.delete("number").expect("asked"));
        assert_eq!(client.get::<u64>("number").expect("asked"), None);
        client.quit_all();
        client.set("number", 1, Expiry::Never).expect("stored after another handshake");
    }
}

fn what_is_pipelined_is_answered<A: Api>() {
    let certificates = Certificates::new();
    let (memcached, in_memory) = servers(&certificates, "server");
    let tls = trusting(&certificates);
    let all = tls.clone().last_byte_alone(false);
    let memcached = memcached.address();
    let mut cases =
        vec![(&*memcached, &tls), (in_memory.address(), &tls), (in_memory.address(), &all)];
    if TlsMemcached::reads_all() {
        cases.push((&memcached, &all));
    }
    for (address, tls) in cases {
        let client: A = client(address, tls);
        for len in [1, 10, 100, 1000, 3000] {
            pipeline(&client, "key", len)
                .unwrap_or_else(|error| panic!("{address}, {len}: {error}"));
        }
        let large = "x".repeat(LARGE);
        let keys = ["a", "b", "c", "d"];
        let stored = client.set_many(keys.map(|key| (key, &large)), Expiry::Never);
        assert_eq!(stored.expect("asked").into_result().expect("answered"), 4);
        let found = client.get_many::<String, _>(keys).expect("asked");
        let found = found.into_result().expect("answered");
        assert!(found.len() == 4 && found.values().all(|value| *value == large), "{address}");
    }
}

/// Stores 5,000 values of this length and looks them up.
fn pipeline(client: &impl Api, prefix: &str, len: usize) -> Result<(), Error> {
    let keys: Vec<String> = (0..5000).map(|number| format!("{prefix}{number}")).collect();
    let value = "x".repeat(len);
    let stored = client.set_many(keys.iter().map(|key| (key, &value)), Expiry::Never)?;
    assert_eq!(stored.into_result()?, keys.len());
    let found = client.get_many::<String, _>(&keys)?.into_result()?;
    assert!(found.len() == keys.len() && found.values().all(|found| *found == value));
    Ok(())
}

/// Short and long requests follow each other in any order where a connection is shared.
fn tasks_and_threads_share_connections<A: Api>() {
    let certificates = Certificates::new();
    let (memcached, in_memory) = servers(&certificates, "server");
    let tls = trusting(&certificates);
    for address in [&*memcached.address(), in_memory.address()] {
        let client: A = client(address, &tls);
        thread::scope(|scope| {
            let client = &client;
            for (caller, len) in [10, 700, 3000].into_iter().enumerate() {
                scope.spawn(move || {
                    let prefix = format!("many{caller}-");
                    pipeline(client, &prefix, len).expect("answered");
                });
                scope.spawn(move || {
                    let key = format!("one{caller}");
                    for number in 0..500_u64 {
                        client.set(&key, number, Expiry::Never).expect("stored");
                        assert_eq!(client.get::<u64>(&key).expect("asked"), Some(number));
                    }
                });
            }
        });
    }
}

fn sessions_are_resumed<A: Api>() {
    let certificates = Certificates::new();
    let (_, in_memory) = servers(&certificates, "server");
    let client: A = client(in_memory.address(), &trusting(&certificates));
    for resumed in 0..3 {
        client.set("key", "value", Expiry::Never).expect("stored");
        assert_eq!(in_memory.resumed(), resumed);
        client.quit_all();
    }
}

/// That the cases above would find it: they fail with a memcached that leaves requests unanswered.
#[test]
fn without_a_byte_alone_memcached_leaves_requests_unanswered() {
    if TlsMemcached::reads_all() {
        return;
    }
    let certificates = Certificates::new();
    let (memcached, _) = servers(&certificates, "server");
    let tls = trusting(&certificates).last_byte_alone(false);
    let config = Config::default().server(&memcached.address()).tls(&tls);
    let config = config.socket_timeout(Duration::from_secs(1));
    let client: SyncClient = config.build().expect("an address");
    let error = [100, 1000, 3000].into_iter().find_map(|len| pipeline(&client, "key", len).err());
    assert!(error.expect("some are unanswered").is_unavailable());
}

fn a_failure_says_what_to_do<A: Api>() {
    let certificates = Certificates::new();
    let good = trusting(&certificates);
    let of = |name| Tls::new().ca_file(certificates.pem(name)).expect("an authority");
    let (other, namesake) = (of("other"), of("namesake"));
    let name = good.clone().server_name("cache.example.org").expect("a name");
    type Is = fn(&TlsError) -> bool;
    let unknown: Is = |error| matches!(error, TlsError::UnknownAuthority);
    let wrong: Is = |error| matches!(error, TlsError::WrongName { .. });
    let cases: [(&str, &Tls, Is, &str); 7] = [
        ("server", &other, unknown, "ca_file"),
        ("server", &namesake, unknown, "ca_file"),
        ("server", &Tls::new(), unknown, "ca_file"),
        ("server", &name, wrong, "not for cache.example.org: set server_name"),
        ("elsewhere", &good, wrong, "cache.example.org"),
        ("expired", &good, |error| matches!(error, TlsError::Expired), "renew it"),
        ("ca", &good, |error| matches!(error, TlsError::AuthorityAsServer), "CA:FALSE"),
    ];
    for (certificate, tls, is, remedy) in cases {
        let (memcached, in_memory) = servers(&certificates, certificate);
        for address in [&*memcached.address(), in_memory.address()] {
            let client: A = client(address, tls);
            let error = client.set("key", 1, Expiry::Never).expect_err(remedy);
            let text = error.to_string();
            assert!(is(&of_tls(&error)), "{certificate}, {remedy}: {error:?}");
            assert!(text.contains(remedy), "{certificate}, {remedy}: {text}");
            assert!(error.is_unavailable() && !error.may_have_been_applied(), "{text}");
            // The server is dead now, as any that cannot be connected to.
            let text = client.get::<String>("key").expect_err(remedy).to_string();
            assert!(text.contains("the handshake failed; tried again in"), "{text}");
        }
    }

    let client: A = client("unix:/tmp/socket", &good);
    let error = client.get::<String>("key").expect_err("no name");
    assert!(error.to_string().contains("server_name"), "{error}");
}

/// What TLS says about a failure.
#[track_caller]
fn of_tls(error: &Error) -> TlsError {
    let Error::Server { source: Some(source), .. } = error else { panic!("{error:?}") };
    let source = source.downcast_ref::<std::io::Error>().expect("of the system");
    let inner = source.get_ref().and_then(|error| error.downcast_ref::<TlsError>());
    inner.unwrap_or_else(|| panic!("{error:?}")).clone()
}

fn a_client_shows_its_certificate<A: Api>() {
    let certificates = Certificates::new();
    let (pem, key) = (certificates.pem("server"), certificates.key("server"));
    let authority = format!("ssl_ca_cert={}", certificates.pem("ca").display());
    let options = ["-o", &authority, "-o", "ssl_verify_mode=2"].map(str::to_owned);
    let memcached = TlsMemcached::start(&pem, &key, &options);
    let in_memory = InMemory::start(&pem, &key, Some(&certificates.pem("ca")));
    let without = trusting(&certificates);
    let (pem, key) = (certificates.pem("client"), certificates.key("client"));
    let with = without.clone().client_certificate(pem, key).expect("they fit");
    for address in [&*memcached.address(), in_memory.address()] {
        let shown: A = client(address, &with);
        shown.set("key", "value", Expiry::Never).expect("stored");
        let shown: A = client(address, &without);
        let error = shown.get::<String>("key").expect_err("it is wanted");
        assert!(matches!(of_tls(&error), TlsError::ClientCertificate(_)), "{address}: {error:?}");
        assert!(error.to_string().contains("set client_certificate"), "{error}");
    }
}

fn servers_without_tls_are_told_apart<A: Api>() {
    let certificates = Certificates::new();
    let tls = trusting(&certificates);
    let timeout = Duration::from_millis(500);
    let memcached = Memcached::start();
    let in_memory = Server::start().expect("a free port");
    let closing = listener(|_| {});
    let deaf = listener(|stream| {
        let _kept = stream;
        thread::park();
    });
    for address in [&*memcached.address(), in_memory.address(), &closing, &deaf] {
        let config = Config::default().server(address).tls(&tls).socket_timeout(timeout);
        let client: A = config.build().expect("an address");
        let started = Instant::now();
        let error = client.get::<String>("key").expect_err("no TLS");
        assert!(error.to_string().contains("start memcached with -Z"), "{address}: {error}");
        let took = started.elapsed();
        assert!(took < timeout + Duration::from_millis(1500), "{address}: {took:?}");
    }

    let (memcached, in_memory) = servers(&certificates, "server");
    for address in [&*memcached.address(), in_memory.address()] {
        let client: A = Config::default().server(address).build().expect("an address");
        let error = client.get::<String>("key").expect_err("TLS is missing");
        // memcached 1.6.18 just closes the connection.
        if address == in_memory.address() {
            assert!(error.to_string().contains("of TLS, so it wants TLS"), "{error}");
        }
    }
}

/// The address of a server that does this with each connection.
fn listener(serve: fn(std::net::TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    address
}
