//! Any sequence of meta requests, quiet or not, of one or many keys at a time, some of which the server
//! refuses and some of which nobody waits for any more: the client pairs every reply or says that it
//! does not know; and with a real memcached it says the same as with the server in memory.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use memcache_sync::proto::client::{
    Action, Client, Cluster, ConnectionId, Delivery, FailureKind, MetaReply, MetaStatus, Operation,
    OperationId, Outcome, Reply, RoutedMeta, Settings,
};
use memcache_sync::proto::codec::{
    MetaArithmetic, MetaDelete, MetaGet, MetaKey, MetaRequest, MetaSet,
};
use memcache_sync::proto::routing::{Server, ServerAddress};
use memcache_sync::proto::value::Flags;
use memcache_sync::proto::{Exptime, Limits, Time};
use memcache_tests::{Memcached, Network, VirtualServer};
use proptest::prelude::*;

/// A value as long as this is refused by the servers; the client is told nothing of that.
const TOO_LONG: usize = 1 << 20;

/// What is asked about one key.
#[derive(Clone, Debug)]
enum Ask {
    Get { value: bool, vivify: bool },
    Set { len: usize, add: bool },
    Delete { invalidate: bool },
    Count { create: bool },
    Debug,
}

#[derive(Clone, Debug)]
struct Request {
    key: usize,
    ask: Ask,
    quiet: bool,
}

// None with a line break: `me` writes the key of an item that `mg` made as it is, line break and all.
const KEYS: &[&[u8]] = &[b"a", b"b", b"key", b"with a space", b"\xff\xfe", b"number"];

/// The key that is counted. It is never stale: memcached stores a counter anew, and forgets who is to
/// replace it, where an earlier `mg` still holds it, which depends on how the bytes arrive.
const NUMBER: usize = 5;

fn request() -> impl Strategy<Value = Request> {
    let len = prop_oneof![40 => 0..40_usize, 1 => Just(TOO_LONG), 4 => Just(1_500)];
    let ask = prop_oneof![
        4 => any::<(bool, bool)>().prop_map(|(value, vivify)| Ask::Get { value, vivify }),
        4 => (len, any::<bool>()).prop_map(|(len, add)| Ask::Set { len, add }),
        1 => any::<bool>().prop_map(|invalidate| Ask::Delete { invalidate }),
        1 => any::<bool>().prop_map(|create| Ask::Count { create }),
        1 => Just(Ask::Debug),
    ];
    (0..KEYS.len(), ask, prop::bool::weighted(0.6)).prop_map(|(key, ask, quiet)| match ask {
        Ask::Count { .. } => Request { key: NUMBER, ask, quiet },
        Ask::Delete { .. } if key == NUMBER => {
            Request { key, ask: Ask::Delete { invalidate: false }, quiet }
        }
        ask => Request { key, ask, quiet },
    })
}

/// One of two operations that are made at the same time is given up.
#[derive(Clone, Copy, Debug)]
struct GiveUp {
    second: bool,
    when: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Before a byte of it is sent.
    Submitted,
    /// When as much of both as there is room for is sent, and nothing is answered.
    Sent,
}

fn give_up() -> impl Strategy<Value = Option<GiveUp>> {
    let when = prop_oneof![Just(When::Submitted), Just(When::Sent)];
    let give_up = (any::<bool>(), when).prop_map(|(second, when)| GiveUp { second, when });
    prop::option::weighted(0.3, give_up)
}

/// The value of a key begins with its number, so that a reply that was another's would show.
fn value_of(key: usize, len: usize) -> Vec<u8> {
    let mut value = format!("{key}:").into_bytes();
    value.resize(value.len().max(len), b'.');
    value
}

impl Request {
    fn value(&self) -> Vec<u8> {
        match self.ask {
            Ask::Set { len, .. } => value_of(self.key, len),
            _ => Vec::new(),
        }
    }

    fn meta<'a>(&self, value: &'a [u8]) -> RoutedMeta<'a> {
        let key = MetaKey::new(KEYS[self.key]).expect("it fits");
        let minute = Exptime::from_wire(60);
        let request = match self.ask {
            Ask::Get { value, vivify } => {
                let get = MetaGet::new(key).client_flags().cas().ttl();
                // An item that `mg` made comes back under its bytes, whatever they are.
                let get = if key.is_base64() { get } else { get.key() };
                let get = if value { get.value() } else { get };
                let get = if vivify { get.vivify(minute) } else { get };
                MetaRequest::Get(if self.quiet { get.quiet() } else { get })
            }
            Ask::Set { add, .. } => {
                let set = if add { MetaSet::add(key, value) } else { MetaSet::set(key, value) };
                let flags = Flags::new(u32::try_from(self.key).expect("few"));
                let set = set.client_flags(flags).key();
                MetaRequest::Set(if self.quiet { set.quiet() } else { set })
            }
            Ask::Delete { invalidate } => {
                let delete = match invalidate {
                    true => MetaDelete::invalidate(key, None),
                    false => MetaDelete::new(key),
                };
                let delete = delete.key();
                MetaRequest::Delete(if self.quiet { delete.quiet() } else { delete })
            }
            Ask::Count { create } => {
                let count = MetaArithmetic::incr(key, 1).key();
                let count = if create { count.create(7, minute) } else { count };
                MetaRequest::Arithmetic(if self.quiet { count.quiet() } else { count })
            }
            Ask::Debug => MetaRequest::Debug(key),
        };
        RoutedMeta::from(request)
    }
}

/// Where the client's bytes go.
trait Wire {
    fn connect(&mut self);
    fn close(&mut self);
    /// How many bytes were taken.
    fn write(&mut self, bytes: &[u8]) -> usize;
    /// How many bytes came, 0 where the other side has closed; `None` where there are none yet.
    fn read(&mut self, space: &mut [u8]) -> Option<usize>;
}

struct Tcp {
    port: u16,
    stream: Option<TcpStream>,
}

impl Wire for Tcp {
    fn connect(&mut self) {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it accepts");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        self.stream = Some(stream);
    }

    fn close(&mut self) {
        self.stream = None;
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        self.stream.as_mut().expect("it is open").write(bytes).expect("it is taken")
    }

    fn read(&mut self, space: &mut [u8]) -> Option<usize> {
        match self.stream.as_mut().expect("it is open").read(space) {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Some(0),
            read => Some(read.expect("an answer in time")),
        }
    }
}

struct InMemory {
    network: Network,
    address: String,
    line: Option<memcache_tests::Line>,
}

impl Wire for InMemory {
    fn connect(&mut self) {
        self.line = self.network.connect(&self.address);
    }

    fn close(&mut self) {
        self.line = None;
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        self.line.as_mut().expect("it is open").write(bytes)
    }

    fn read(&mut self, space: &mut [u8]) -> Option<usize> {
        let line = self.line.as_mut().expect("it is open");
        let n = line.read(space);
        match n {
            0 if !line.is_closed() => None,
            len => Some(len),
        }
    }
}

/// How many bytes have been sent when an operation is given up, at most.
const GIVEN_UP_AFTER: usize = 100;

/// Makes the operations, two at a time, gives some up, and tells what came of each key of the others.
fn run(wire: &mut dyn Wire, batches: &[Vec<Request>], give_ups: &[Option<GiveUp>]) -> Vec<String> {
    let server = Server::from(ServerAddress::parse("10.0.0.1").expect("an address"));
    let limits = Limits { window: 2_000, server_max_value_length: 0, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let mut client = Client::new(Arc::new(Cluster::new(vec![server], settings).expect("one")));
    let origin = Instant::now();
    let now = || Time::new(origin.elapsed());
    let mut told = Vec::new();
    // Two at a time, so that one's replies come among the other's.
    for (pair, give_up) in batches.chunks(2).zip(give_ups) {
        let mut made: Vec<(&Vec<Request>, OperationId)> =
            pair.iter().map(|batch| (batch, submit(&mut client, batch, now()))).collect();
        let given_up = |client: &mut Client, made: &mut Vec<(_, OperationId)>, at| {
            let Some(give_up) = give_up.filter(|give_up| give_up.when == at) else { return };
            let which = usize::from(give_up.second);
            if which < made.len() {
                client.cancel(made.remove(which).1);
            }
        };
        given_up(&mut client, &mut made, When::Submitted);
        let mut is_sent = false;
        let mut open: Option<ConnectionId> = None;
        // The connection's own requests are answered, too.
        while !(client.is_idle() && made.iter().all(|&(_, id)| client.is_done(id))) {
            match client.poll_action(now()) {
                Some(Action::Connect { connection, .. }) => {
                    wire.connect();
                    client.connected(connection, now());
                }
                Some(Action::Close(_)) => wire.close(),
                Some(Action::Transmit(connection)) => {
                    open = Some(connection);
                    let mut bytes = client.transmit(connection);
                    if !is_sent {
                        // Both servers have as much when something is given up: what has not been begun
                        // then is not sent any more.
                        bytes = &bytes[..bytes.len().min(GIVEN_UP_AFTER)];
                    }
                    let mut len = 0;
                    while len < bytes.len() && !is_sent || len == 0 {
                        match wire.write(&bytes[len..]) {
                            0 => break,
                            taken => len += taken,
                        }
                    }
                    client.transmitted(connection, len, now());
                    if !is_sent {
                        given_up(&mut client, &mut made, When::Sent);
                        is_sent = true;
                    }
                }
                Some(Action::Receive(connection)) => open = Some(connection),
                // A server that says something unasked is found out when its bytes are paired.
                Some(Action::Look(connection)) => client.looked(connection, now()),
                Some(Action::Await(_)) => {}
                // All is written that can be: now what is there is read.
                None => {
                    let connection = open.filter(|&open| client.wants(open).receive);
                    let connection = connection.expect("something is awaited");
                    let read = wire.read(client.receive_buffer(connection));
                    client.received(connection, read.expect("an answer"), now());
                }
            }
        }
        for (batch, id) in made {
            let outcome = client.take(id).expect("it is done");
            told.extend(tell(batch, outcome));
        }
    }
    told
}

fn submit(client: &mut Client, batch: &[Request], now: Time) -> OperationId {
    let values: Vec<_> = batch.iter().map(Request::value).collect();
    let requests: Vec<_> = batch.iter().zip(&values).map(|(one, value)| one.meta(value)).collect();
    client.submit(Operation::MetaMany { requests: &requests }, now).expect("it is taken in")
}

/// What came of each key of a batch, in words.
fn tell(batch: &[Request], outcome: Outcome) -> Vec<String> {
    let many = outcome.many().expect("many keys");
    let mut told: BTreeMap<usize, String> = BTreeMap::new();
    for (number, reply) in many.replies {
        let Reply::Meta(reply) = reply else { panic!("{reply:?}") };
        let text = judge(&batch[number], &reply);
        assert!(told.insert(number, text).is_none(), "answered twice");
    }
    for (number, failure) in many.failed {
        let text = match &failure.kind {
            FailureKind::Unknown(line) => {
                assert!(batch[number].quiet && failure.delivery == Delivery::Unanswered);
                format!("unknown: {line}")
            }
            FailureKind::Server(line) => format!("refused: {line}"),
            kind => panic!("{kind:?} to {:?}", batch[number]),
        };
        assert!(told.insert(number, text).is_none(), "answered twice");
    }
    assert_eq!(told.len(), batch.len(), "each is answered, quiet or not");
    told.into_values().collect()
}

/// A reply in words; that it is its request's own shows in the value and the flags.
fn judge(request: &Request, reply: &MetaReply) -> String {
    if let (Ask::Get { .. }, Some(value)) = (&request.ask, &reply.value) {
        let own = format!("{}:", request.key);
        let counter = value.iter().all(u8::is_ascii_digit);
        assert!(value.starts_with(own.as_bytes()) || counter, "{value:?} to {request:?}");
    }
    if let Some(flags) = reply.client_flags {
        let own = flags.bits() == request.key as u64;
        assert!(own || flags == Flags::new(0), "{flags:?} to {request:?}");
    }
    let MetaReply { status, won, stale, won_by_another, .. } = *reply;
    let value = reply.value.as_ref().map(|value| value.len());
    if matches!(status, MetaStatus::Done) && matches!(request.ask, Ask::Debug) {
        return format!("{status:?} {}", reply.debug.is_some());
    }
    format!("{status:?} {value:?} {won} {stale} {won_by_another}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn every_reply_is_paired_or_said_to_be_unknown(
        batches in prop::collection::vec(prop::collection::vec(request(), 1..25), 1..6),
        give_ups in prop::collection::vec(give_up(), 3),
    ) {
        static MEMCACHED: LazyLock<Memcached> =
            LazyLock::new(Memcached::start);
        let network = Network::new();
        let server = VirtualServer::start(&network);
        let mut in_memory = InMemory { network, address: server.address().into(), line: None };
        let ours = run(&mut in_memory, &batches, &give_ups);

        let mut stream = MEMCACHED.connect();
        stream.write_all(b"flush_all\r\n").expect("sent");
        stream.read_exact(&mut [0; 4]).expect("OK");
        let mut real = Tcp { port: MEMCACHED.port(), stream: None };
        let theirs = run(&mut real, &batches, &give_ups);
        // Others answer some of it differently, and are paired as well.
        if MEMCACHED.is_reference() {
            prop_assert_eq!(ours, theirs);
        }
    }
}
