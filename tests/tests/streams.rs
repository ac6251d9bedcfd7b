//! Streams that hold bytes back in both directions, as TLS does: what is written has to be flushed, and
//! what has been received is read though the socket has nothing more.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use memcache_proto::calls;
use memcache_sync::server::Server;
use memcache_sync::{
    Client, Connector, Delivery, Error, Expiry, FailureKind, ServerAddress, Sockets, StatsArgument,
    Stream,
};
use memcache_tests::api::{Api, Config};
use memcache_tests::{Buffered, Buffering, Scripted, Step, settles};

/// How long a server leaves what comes alone, where it does.
const PAUSE: Duration = Duration::from_millis(300);
const TIMEOUT: Duration = Duration::from_millis(300);
/// How much longer it may take on a busy machine.
const SLACK: Duration = Duration::from_millis(1500);
/// More than the buffers of a Unix socket hold.
const LARGE: usize = 1_000_000;

const KINDS: [Buffering; 5] = [
    Buffering::WHOLE,
    // A `BufWriter`, and a `BufReader`.
    Buffering { held: 8 << 10, ..Buffering::WHOLE },
    Buffering { held: 10, read: 7, ..Buffering::WHOLE },
    // Nothing goes at once.
    Buffering { flushed: 1000, read: 1000, ..Buffering::WHOLE },
    // TLS, with its records.
    Buffering { held: 64 << 10, flushed: 16 << 10, read: 16 << 10, read_flushes: true },
];

memcache_tests::each_client! {
    any_client {
        what_is_written_is_flushed_and_what_is_held_is_read,
        large_values_and_many_keys_go_through,
        what_has_no_reply_is_flushed_too,
        a_flush_waits_for_a_server_that_reads_late,
        what_a_server_sent_before_it_closed_counts,
        a_flush_that_fails_may_have_sent_all,
        a_flush_takes_no_longer_than_a_server_may,
    }
}

/// What every client does.
mod any_client {
    use super::*;

    pub(crate) fn what_is_written_is_flushed_and_what_is_held_is_read<A: Api>() {
        for buffering in KINDS {
            let server = server();
            let client: A = over(buffering, server.address()).build().expect("an address");
            for round in 0..3_u64 {
                client.set("text", format!("round {round}"), Expiry::Never).expect("stored");
                let text = client.get::<String>("text").expect("asked");
                assert_eq!(text, Some(format!("round {round}")), "{buffering:?}");
                client.set("number", 41, Expiry::Never).expect("stored");
                assert_eq!(client.incr("number", round).expect("asked"), Some(41 + round));
                assert!(client.delete("text").expect("asked"), "{buffering:?}");
                assert_eq!(client.get::<String>("text").expect("asked"), None, "{buffering:?}");
                let versions = client.version().expect("asked").into_result().expect("answered");
                assert_eq!(versions.len(), 1, "{buffering:?}");
            }
            client.quit_all();
        }
    }

    pub(crate) fn large_values_and_many_keys_go_through<A: Api>() {
        for buffering in KINDS {
            for count in [1, 2] {
                let servers: Vec<_> = (0..count).map(|_| server()).collect();
                let config = config(buffering).servers(servers.iter().map(Server::address));
                let client: A = config.build().expect("addresses");
                let large = "x".repeat(LARGE);
                for key in ["a", "b", "c", "d"] {
                    client.set(key, &large, Expiry::Never).expect("stored");
                }
                let found = client.get_many::<String, _>(["a", "b", "c", "d"]).expect("asked");
                let found = found.into_result().expect("answered");
                assert!(found.len() == 4 && found.values().all(|value| *value == large));

                let keys: Vec<String> = (0..5000).map(|number| format!("key{number}")).collect();
                let stored = client.set_many(keys.iter().map(|key| (key, key)), Expiry::Never);
                assert_eq!(stored.expect("asked").into_result().expect("answered"), keys.len());
                let found = client.get_many::<String, _>(&keys).expect("asked");
                let found = found.into_result().expect("answered");
                assert_eq!(found.len(), keys.len(), "{buffering:?}");
                assert!(found.iter().all(|(key, value)| *key == value), "{buffering:?}");
            }
        }
    }

    /// The client is not used again before the server has it. A reply that it asks for by itself is
    /// waited for, too: to close a connection on which there is something to read may take from the
    /// server what it has not read.
    pub(crate) fn what_has_no_reply_is_flushed_too<A: Api>() {
        for buffering in KINDS {
            let server = server();
            let client: A = over(buffering, server.address()).build().expect("an address");
            let plain: A = Config::default().server(server.address()).build().expect("an address");
            // From some length on the client asks for a reply by itself.
            for len in [1, 5000, LARGE] {
                let value = "x".repeat(len);
                let set = calls::set("quiet", &value, Expiry::Never).noreply();
                client.run(set).expect("sent");
                let is_there =
                    || plain.get::<String>("quiet").expect("asked").as_ref() == Some(&value);
                assert!(settles(is_there), "{buffering:?}, {len}");
            }
            let value = client.get::<String>("quiet").expect("asked");
            assert_eq!(value.map(|value| value.len()), Some(LARGE));
            let stats = plain.stats(StatsArgument::General).expect("asked");
            let stats = stats.into_result().expect("answered");
            let connections = stats[0].1.iter().find(|(name, _)| name == "total_connections");
            let connections = connections.expect("it is among them").1.as_str();
            assert_eq!(connections, "2", "{buffering:?}");
        }
    }

    pub(crate) fn a_flush_waits_for_a_server_that_reads_late<A: Api>() {
        for buffering in KINDS {
            let server = server();
            let place = Place::late(server.address());
            let client: A = over(buffering, &place.address()).build().expect("an address");
            let started = Instant::now();
            let large = "x".repeat(LARGE);
            client.set("large", &large, Expiry::Never).expect("stored");
            assert!(started.elapsed() >= PAUSE, "{buffering:?}: it was to block");
            assert_eq!(client.get::<String>("large").expect("asked"), Some(large));
        }
    }

    pub(crate) fn what_a_server_sent_before_it_closed_counts<A: Api>() {
        for buffering in KINDS {
            let reply = Step::send("VALUE key 16 5\r\nhello\r\nEND\r\n");
            let server = Scripted::always([Step::Lines(1), reply, Step::Close]);
            let client: A = over(buffering, &server.address()).build().expect("an address");
            for _ in 0..2 {
                let value = client.get::<String>("key").expect("answered");
                assert_eq!(value.as_deref(), Some("hello"), "{buffering:?}");
            }

            let half = Step::send("VALUE key 16 5\r\nhel");
            let server = Scripted::always([Step::Lines(1), half, Step::Close]);
            let client: A = over(buffering, &server.address()).build().expect("an address");
            let error = client.get::<String>("key").expect_err("half an answer");
            assert_eq!(failure(&error), (&FailureKind::Eof, Delivery::Unanswered), "{buffering:?}");
        }
    }

    pub(crate) fn a_flush_that_fails_may_have_sent_all<A: Api>() {
        for buffering in KINDS {
            let place = Place::closing();
            let client: A = over(buffering, &place.address()).build().expect("an address");
            let error = client.set("large", "x".repeat(LARGE), Expiry::Never).expect_err("closed");
            assert!(error.may_have_been_applied(), "{buffering:?}: {error}");
            let kind = failure(&error).0;
            assert!(
                matches!(kind, FailureKind::Disconnected | FailureKind::Eof),
                "{buffering:?}: {error}"
            );
        }
    }

    pub(crate) fn a_flush_takes_no_longer_than_a_server_may<A: Api>() {
        // Its connect has this time, too, and tasks wait for the thread that drives those of all tests.
        let timeout = if A::SHARES_CONNECTIONS { 3 * TIMEOUT } else { TIMEOUT };
        for buffering in KINDS {
            let deaf = Place::deaf();
            let config = over(buffering, &deaf.address()).socket_timeout(timeout);
            let client: A = config.build().expect("an address");
            let large = "x".repeat(LARGE);
            let started = Instant::now();
            let error = client.set("large", &large, Expiry::Never).expect_err("nobody reads it");
            let took = started.elapsed();
            assert!(took >= timeout && took < timeout + SLACK, "{buffering:?}: {took:?}");
            let expected = (&FailureKind::SocketTimeout, Delivery::Unanswered);
            assert_eq!(failure(&error), expected, "{buffering:?}: {error}");

            // One call that took too long makes no server dead.
            let config = over(buffering, &deaf.address()).operation_timeout(timeout);
            let client: A = config.build().expect("an address");
            for _ in 0..2 {
                let started = Instant::now();
                let error = client.set("large", &large, Expiry::Never).expect_err("nobody reads");
                // Where calls share a connection the second has no room beside the first.
                if !matches!(error, Error::Busy) {
                    let kind = failure(&error).0;
                    assert_eq!(kind, &FailureKind::OperationTimeout, "{buffering:?}: {error}");
                }
                let took = started.elapsed();
                assert!(took >= timeout && took < timeout + SLACK, "{buffering:?}: {took:?}");
            }

            // What has no reply ends as soon as the stream has it, or when its time is over.
            for config in [
                over(buffering, &deaf.address()).socket_timeout(timeout),
                over(buffering, &deaf.address()).operation_timeout(timeout),
            ] {
                let client: A = config.build().expect("an address");
                let started = Instant::now();
                let _ = client.run(calls::set("quiet", &large, Expiry::Never).noreply());
                let took = started.elapsed();
                assert!(took < timeout + SLACK, "{buffering:?}: {took:?}");
            }
        }
    }
}

fn server() -> Server {
    Server::start().expect("a free port")
}

fn config(buffering: Buffering) -> Config {
    Config::default().buffering(buffering)
}

fn over(buffering: Buffering, address: &str) -> Config {
    config(buffering).server(address)
}

#[track_caller]
fn failure(error: &Error) -> (&FailureKind, Delivery) {
    match error {
        Error::Server { failure, .. } => (&failure.kind, failure.delivery),
        other => panic!("{other:?}"),
    }
}

/// A Unix socket to connect to, whose buffers are smaller than those of TCP.
struct Place(PathBuf);

impl Place {
    fn new(serve: impl FnOnce(&UnixListener) -> io::Result<()> + Send + 'static) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("memcache-streams-{}-{number}", process::id()));
        let listener = UnixListener::bind(&path).expect("a socket");
        thread::spawn(move || serve(&listener));
        Place(path)
    }

    /// Nobody ever reads what is sent there.
    fn deaf() -> Self {
        Place::new(|_| {
            loop {
                thread::park();
            }
        })
    }

    /// It leads to a server, after a while.
    fn late(server: &str) -> Self {
        let server = server.to_owned();
        Place::new(move |listener| {
            thread::sleep(PAUSE);
            let (client, _) = listener.accept()?;
            let server = TcpStream::connect(server)?;
            server.set_nodelay(true)?;
            let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
            thread::spawn(move || {
                let _ = io::copy(&mut from_client, &mut to_server);
                to_server.shutdown(Shutdown::Both)
            });
            io::copy(&mut &server, &mut &client)?;
            Ok(())
        })
    }

    /// Each connection is closed after a while, and nothing read.
    fn closing() -> Self {
        Place::new(|listener| {
            loop {
                let (_client, _) = listener.accept()?;
                thread::sleep(PAUSE);
            }
        })
    }

    /// It says that all is stored, and reads after a while.
    fn hasty() -> Self {
        Place::new(|listener| {
            let (mut client, _) = listener.accept()?;
            client.write_all(b"STORED\r\n")?;
            thread::sleep(PAUSE);
            io::copy(&mut client, &mut io::sink())?;
            Ok(())
        })
    }

    fn address(&self) -> String {
        format!("unix:{}", self.0.display())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Counts how often its streams are read.
struct Counting {
    buffering: Buffering,
    reads: Arc<AtomicUsize>,
    /// Whether its streams take nothing that is written.
    refuses: bool,
}

struct Counted {
    stream: Buffered<Box<dyn Stream>>,
    reads: Arc<AtomicUsize>,
    refuses: bool,
}

impl Connector for Counting {
    fn connect(&self, address: &ServerAddress, deadline: Instant) -> io::Result<Box<dyn Stream>> {
        let stream = Buffered::new(Sockets.connect(address, deadline)?, self.buffering);
        let (reads, refuses) = (self.reads.clone(), self.refuses);
        Ok(Box::new(Counted { stream, reads, refuses }))
    }
}

impl Read for Counted {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.stream.read(space)
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.refuses { Ok(0) } else { self.stream.write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl AsFd for Counted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Stream for Counted {
    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.stream.set_nonblocking(nonblocking)
    }

    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.stream.set_timeout(timeout)
    }

    fn has_buffered(&mut self) -> bool {
        self.stream.has_buffered()
    }
}

fn counting(address: &str, buffering: Buffering, refuses: bool) -> (Client, Arc<AtomicUsize>) {
    let reads = Arc::new(AtomicUsize::new(0));
    let connector = Counting { buffering, reads: reads.clone(), refuses };
    let client = Client::builder().server(address).connector(connector).build();
    (client.expect("an address"), reads)
}

/// The socket can be read all the time, and the stream cannot.
#[test]
fn a_stream_that_writes_before_it_reads_is_not_asked_in_a_loop() {
    let place = Place::hasty();
    let buffering = Buffering { read_flushes: true, ..Buffering::WHOLE };
    let (client, reads) = counting(&place.address(), buffering, false);
    let started = Instant::now();
    client.set("large", "x".repeat(LARGE), Expiry::Never).expect("stored");
    assert!(started.elapsed() >= PAUSE / 2, "it was to block");
    let reads = reads.load(Ordering::Relaxed);
    assert!(reads < 100, "{reads} reads");
}

#[test]
fn a_stream_that_takes_nothing_has_failed() {
    let server = server();
    let (client, _) = counting(server.address(), Buffering::WHOLE, true);
    let error = client.set("key", "value", Expiry::Never).expect_err("nothing is taken");
    assert_eq!(failure(&error), (&FailureKind::Disconnected, Delivery::NotSent), "{error}");
    assert!(error.to_string().contains("write zero"), "{error}");
}
