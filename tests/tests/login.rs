//! Servers that ask for a login: the real one with `-Y`, and the one in memory.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use memcache_sync::server::Server;
use memcache_sync::{ConnectFailure, Credentials, Error, Expiry, FailureKind};
use memcache_tests::UnixMemcached;

/// A server that lets in who says `shop` and `secret`.
enum Guarded {
    Real(UnixMemcached),
    InMemory(Server),
}

impl Guarded {
    fn both() -> [Guarded; 2] {
        let file = std::env::temp_dir().join(format!("memcached-auth-{}", std::process::id()));
        fs::write(&file, "other:word\nshop:secret\n").expect("a file");
        let real = UnixMemcached::start_with(&["-Y", file.to_str().expect("text")]);
        let credentials = Credentials::new("shop", "secret").expect("plain ones");
        let in_memory = Server::builder().credentials(credentials).bind("127.0.0.1:0");
        [Guarded::Real(real), Guarded::InMemory(in_memory.expect("a free port"))]
    }

    fn address(&self) -> String {
        match self {
            Guarded::Real(memcached) => memcached.address(),
            Guarded::InMemory(server) => server.address().to_owned(),
        }
    }

    /// The line that it answers these bytes on a new connection.
    fn say(&self, bytes: &[u8]) -> String {
        fn exchange(stream: impl Read + Write, bytes: &[u8]) -> String {
            let mut stream = BufReader::new(stream);
            stream.get_mut().write_all(bytes).expect("it reads");
            let mut line = String::new();
            stream.read_line(&mut line).expect("it answers");
            line
        }
        let address = self.address();
        match address.strip_prefix("unix:") {
            Some(path) => exchange(UnixStream::connect(path).expect("it listens"), bytes),
            None => exchange(TcpStream::connect(address).expect("it listens"), bytes),
        }
    }
}

/// Who logs in.
#[derive(Clone, Default)]
enum Login {
    #[default]
    Nobody,
    As(&'static str, &'static str),
    From(Arc<dyn Fn() -> std::io::Result<Credentials> + Send + Sync>),
}

/// A store and a lookup, by each client: what they came to.
type Outcome = Result<Option<String>, Error>;

const DEAD_RETRY: Duration = Duration::from_millis(300);

macro_rules! with_login {
    ($builder:expr, $login:expr, $from:expr) => {
        match $login {
            Login::Nobody => $builder,
            Login::As(user, password) => $builder.credentials(user, password),
            Login::From(secrets) => $builder.credentials_from($from(secrets)),
        }
    };
}

fn sync_client(address: &str, login: &Login) -> Result<memcache_sync::Client, Error> {
    let builder = memcache_sync::Client::builder().server(address).dead_retry(DEAD_RETRY);
    let from = |secrets: &Arc<dyn Fn() -> std::io::Result<Credentials> + Send + Sync>| {
        let secrets = secrets.clone();
        move |_: &memcache_sync::ServerAddress| Ok(secrets()?)
    };
    with_login!(builder, login, from).build()
}

macro_rules! async_client {
    ($builder:expr, $address:expr, $login:expr) => {{
        let from = |secrets: &Arc<dyn Fn() -> std::io::Result<Credentials> + Send + Sync>| {
            let secrets = secrets.clone();
            move |_| {
                let secrets = secrets.clone();
                async move { Ok(secrets()?) }
            }
        };
        with_login!($builder.server($address).dead_retry(DEAD_RETRY), $login, from).build()
    }};
}

fn over_sync(address: &str, login: &Login) -> Outcome {
    let client = sync_client(address, login)?;
    client.set("greeting", "hello", Expiry::Never)?;
    client.get("greeting")
}

fn over_smol(address: &str, login: &Login) -> Outcome {
    smol::block_on(async {
        let client = async_client!(memcache_async::Client::builder(), address, login)?;
        client.set("greeting", "hello", Expiry::Never).await?;
        client.get("greeting").await
    })
}

fn over_tokio(address: &str, login: &Login) -> Outcome {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    tokio.expect("a runtime").block_on(async {
        let client = async_client!(memcache_async::Client::tokio_builder(), address, login)?;
        client.set("greeting", "hello", Expiry::Never).await?;
        client.get("greeting").await
    })
}

/// What each client comes to.
type Over = fn(&str, &Login) -> Outcome;

const CLIENTS: [(&str, Over); 3] =
    [("sync", over_sync), ("smol", over_smol), ("tokio", over_tokio)];

fn kind(outcome: Outcome) -> Result<Option<String>, FailureKind> {
    outcome.map_err(|error| match error {
        Error::Server { failure, .. } => failure.kind,
        other => panic!("{other}"),
    })
}

#[test]
fn who_is_right_is_let_in_and_others_are_told_why_not() {
    let cases: [(Login, Result<Option<String>, FailureKind>); 4] = [
        (Login::As("shop", "secret"), Ok(Some("hello".into()))),
        (Login::As("shop", "word"), Err(FailureKind::LoginRefused)),
        (Login::As("nobody", "secret"), Err(FailureKind::LoginRefused)),
        (Login::Nobody, Err(FailureKind::LoginRequired)),
    ];
    for server in Guarded::both() {
        for (name, client) in CLIENTS {
            for (login, expected) in &cases {
                assert_eq!(kind(client(&server.address(), login)), *expected, "{name}");
            }
        }
    }
}

/// Credentials that come from somewhere else are asked for at each connection, and may not be there.
#[test]
fn credentials_may_change_and_may_be_missing() {
    for server in Guarded::both() {
        for (name, client) in CLIENTS {
            let asked = Arc::new(AtomicUsize::new(0));
            let secrets = {
                let asked = asked.clone();
                move || {
                    asked.fetch_add(1, Ordering::Relaxed);
                    Ok(Credentials::new("shop", "secret").expect("plain ones"))
                }
            };
            let outcome = client(&server.address(), &Login::From(Arc::new(secrets)));
            assert_eq!(kind(outcome), Ok(Some("hello".into())), "{name}");
            assert_eq!(asked.load(Ordering::Relaxed), 1, "{name}");

            let none = || Err(std::io::Error::other("the vault is sealed"));
            let error = client(&server.address(), &Login::From(Arc::new(none)));
            let error = error.expect_err("nobody to log in");
            assert!(error.to_string().contains("the vault is sealed"), "{name}: {error}");
            assert!(matches!(&error, Error::Server { source: Some(_), .. }), "{name}");
            let expected = FailureKind::Connect(ConnectFailure::NoCredentials);
            assert_eq!(kind(Err(error)), Err(expected), "{name}");
        }
    }
}

#[test]
fn a_password_that_is_mended_lets_in_after_dead_retry() {
    for server in Guarded::both() {
        let password = Arc::new(Mutex::new("wrong"));
        let secrets = {
            let password = password.clone();
            move || {
                let password = *password.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(Credentials::new("shop", password).expect("plain ones"))
            }
        };
        let login = Login::From(Arc::new(secrets));
        let client = sync_client(&server.address(), &login).expect("a client");
        let get = || kind(client.get::<String>("nothing"));
        assert_eq!(get(), Err(FailureKind::LoginRefused));
        *password.lock().unwrap_or_else(PoisonError::into_inner) = "secret";
        assert_eq!(get(), Err(FailureKind::LoginRefused));
        std::thread::sleep(DEAD_RETRY);
        assert_eq!(get(), Ok(None));
    }
}

#[test]
fn many_threads_and_tasks_log_in_once_a_connection() {
    for server in Guarded::both() {
        let login = Login::As("shop", "secret");
        let client = sync_client(&server.address(), &login).expect("a client");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let client = &client;
                scope.spawn(move || {
                    for call in 0..50 {
                        client.set(thread, call, Expiry::Never).expect("stored");
                        assert_eq!(client.get::<u32>(thread).expect("an answer"), Some(call));
                    }
                });
            }
        });
        let items = (0..5_000).map(|number| (number, "value"));
        let stored = client.set_many(items.clone(), Expiry::Never).expect("an answer");
        assert!(stored.failed.is_empty());
        let found = client.get_many::<String, _>(items.map(|(key, _)| key)).expect("an answer");
        assert_eq!(found.result.len(), 5_000);
    }
}

/// The in-memory server answers who is not in as memcached does, one command at a time.
#[test]
fn both_servers_answer_alike() {
    let cases: [&[u8]; 11] = [
        b"get a\r\n",
        b"mn\r\n",
        b"quit\r\n",
        b"set a 0 0 11\r\nshop secret\r\n",
        b"set a 0 -1 11\r\nshop secret\r\n",
        b"set a 0 0 11 noreply\r\nshop secret\r\n",
        b"set a 0 0 13\r\nshop secret x\r\n",
        b"set a 0 0 9\r\nshop word\r\n",
        b"set a 0 0 4\r\nshop\r\n",
        b"set a 0 0\r\n",
        b"set a 0 0 x\r\n",
    ];
    let [real, in_memory] = Guarded::both();
    for bytes in cases {
        assert_eq!(in_memory.say(bytes), real.say(bytes), "{}", bytes.escape_ascii());
    }
}

/// A server that asks for no login takes the `set` for one, and keeps nothing of it.
#[test]
fn no_password_stays_where_nobody_asks_for_one() {
    let real = UnixMemcached::start_with(&[]);
    let in_memory = Server::start().expect("a free port");
    for address in [real.address(), in_memory.address().to_owned()] {
        for (name, client) in CLIENTS {
            let outcome = client(&address, &Login::As("shop", "secret"));
            assert_eq!(kind(outcome), Ok(Some("hello".into())), "{name}");
        }
        let client = sync_client(&address, &Login::Nobody).expect("a client");
        assert_eq!(client.get::<String>("login").expect("an answer"), None);
    }
}

#[test]
fn credentials_that_nobody_can_have_are_refused_where_the_client_is_made() {
    for (user, password) in
        [("", "x"), ("a b", "x"), ("a:b", "x"), ("a", ""), ("a", "b\r\nflush_all")]
    {
        let client = sync_client("127.0.0.1", &Login::As(user, password));
        let error = client.expect_err("no such credentials");
        assert!(matches!(error, Error::Credentials(_)), "{error}");
        assert!(!error.to_string().contains("flush_all"));
    }
}
