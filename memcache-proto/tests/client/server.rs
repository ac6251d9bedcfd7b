//! Both roles of the protocol joined in memory: the client against the server's own store.

use std::collections::HashMap;
use std::time::Duration;

use memcache_proto::client::{
    Delivery, FailureKind, Many, NewItem, Operation, Outcome, Reply, Settings, Stored,
};
use memcache_proto::codec::{StatsArgument, StoreVerb};
use memcache_proto::server::{self, Store};
use memcache_proto::value::Flags;
use memcache_proto::{ErrorLine, Exptime, Limits, Time};

use crate::pair::{Answer, Net, get, item, key, set};

/// The clock of the servers stands here at the origin, in unix seconds.
const UNIX_ORIGIN: u64 = 1_700_000_000;

/// A server with a [`Store`], and the connections to it.
struct Real {
    store: Store,
    connections: HashMap<usize, server::Connection>,
}

impl Real {
    fn boxed() -> Box<dyn Answer> {
        let store = Store::new(server::Settings::default());
        Box::new(Real { store, connections: HashMap::new() })
    }
}

impl Answer for Real {
    fn answer(
        &mut self,
        socket: usize,
        input: &mut Vec<u8>,
        output: &mut Vec<u8>,
        now: Time,
    ) -> bool {
        let connection = self.connections.entry(socket);
        let connection = connection.or_insert_with(|| server::Connection::new(Limits::default()));
        let unix_now = UNIX_ORIGIN + now.since_origin().as_secs();
        let mut taken = 0;
        loop {
            if connection.wants_receive() {
                let rest = &input[taken..];
                let space = connection.receive_buffer();
                let len = rest.len().min(space.len());
                space[..len].copy_from_slice(&rest[..len]);
                taken += len;
                if len > 0 {
                    connection.received(len);
                }
            }
            connection.handle(&mut self.store, now, unix_now);
            let bytes = connection.transmit();
            let len = bytes.len();
            if len == 0 && taken == input.len() {
                break;
            }
            output.extend_from_slice(bytes);
            connection.transmitted(len);
        }
        let quit = input.ends_with(b"quit\r\n");
        assert!(!connection.wants_close() || quit, "a client makes no server close but by quit");
        input.drain(..taken);
        connection.wants_close()
    }
}

fn net(servers: usize, settings: Settings) -> Net {
    let mut net = Net::new(servers, settings);
    for peer in &mut net.peers {
        peer.answer = Real::boxed();
    }
    net
}

fn value(outcome: Outcome) -> Option<String> {
    let item = outcome.item().expect("it was answered")?;
    Some(String::from_utf8(item.value.to_vec()).expect("text"))
}

#[test]
fn each_operation_is_understood() {
    for cut in [1, 11, usize::MAX] {
        let mut net = net(2, Settings::default());
        net.cut = cut;
        let name = key("a");
        let exptime = Exptime::from_wire(10);
        let new = |value| NewItem { key: name, flags: Flags::new(u32::MAX), exptime, value };
        let store = |verb, value| Operation::Store { verb, item: new(value), noreply: false };
        assert_eq!(value(net.get("a")), None);
        for (verb, bytes, expected) in [
            (StoreVerb::Replace, &b"0"[..], Stored::NotStored),
            (StoreVerb::Append, b"0", Stored::NotStored),
            (StoreVerb::Cas(1), b"0", Stored::NotFound),
            (StoreVerb::Add, b"END\r\n", Stored::Stored),
            (StoreVerb::Add, b"0", Stored::NotStored),
            (StoreVerb::Cas(u64::MAX), b"0", Stored::Exists),
            (StoreVerb::Prepend, b"<", Stored::Stored),
            (StoreVerb::Append, b">", Stored::Stored),
        ] {
            assert_eq!(net.perform(store(verb, bytes)).stored(), Ok(expected), "{verb:?}");
        }
        let found = net.perform(Operation::Get { key: name, cas: true }).item();
        let found = found.expect("answered").expect("found");
        assert_eq!(&found.value[..], b"<END\r\n>");
        assert_eq!(found.flags, Flags::new(u32::MAX));
        let unique = found.cas.expect("asked for");
        assert_eq!(net.perform(store(StoreVerb::Cas(unique), b"")).stored(), Ok(Stored::Stored));
        assert_eq!(value(net.get("a")), Some(String::new()));
        let incr = |delta| Operation::Incr { key: name, delta, noreply: false };
        let words = "cannot increment or decrement non-numeric value";
        let failure = net.perform(incr(1)).number().expect_err("it is no number");
        assert_eq!(failure.kind, FailureKind::Server(ErrorLine::Client(words.into())));
        assert_eq!(failure.delivery, Delivery::Answered);
        net.set("a", "10");
        assert_eq!(net.perform(incr(u64::MAX)).number(), Ok(Some(9)));
        let decr = Operation::Decr { key: name, delta: 2, noreply: false };
        assert_eq!(net.perform(decr).number(), Ok(Some(7)));
        assert_eq!(value(net.get("a")), Some("7 ".into()), "a counter keeps its width");

        // Time passes for the server too.
        assert_eq!(
            net.perform(Operation::Touch { key: name, exptime, noreply: false }).found(),
            Ok(true)
        );
        net.wait(Duration::from_secs(8));
        assert_eq!(
            value(net.perform(Operation::Gat { key: name, exptime, cas: true })).unwrap(),
            "7 "
        );
        net.wait(Duration::from_secs(8));
        assert_eq!(value(net.get("a")), Some("7 ".into()));
        net.wait(Duration::from_secs(4));
        assert_eq!(value(net.get("a")), None);

        for argument in [
            StatsArgument::General,
            StatsArgument::Items,
            StatsArgument::Slabs,
            StatsArgument::Settings,
            StatsArgument::DetailOn,
            StatsArgument::DetailDump,
            StatsArgument::DetailOff,
            StatsArgument::Reset,
            StatsArgument::Cachedump { class: 1, limit: 0 },
        ] {
            let servers = net.perform(Operation::Stats(argument)).servers().expect("all servers");
            assert_eq!(servers.len(), 2);
            assert!(servers.iter().all(|(_, reply)| reply.is_ok()), "{argument:?}: {servers:?}");
        }
        let versions = net.perform(Operation::Version).servers().expect("all servers");
        assert!(versions.iter().all(|(_, reply)| matches!(reply, Ok(Reply::Version(_)))));
        net.set("a", "1");
        assert!(
            net.perform(Operation::FlushAll { delay: None }).servers().expect("all servers").len()
                == 2
        );
        assert_eq!(value(net.get("a")), None);
        assert!(net.clients[0].is_idle());
        assert!(net.peers.iter().all(|peer| peer.accepted == 1));
    }
}

#[test]
fn a_value_too_large_for_the_server_is_refused_and_nothing_is_lost() {
    let limits = Limits { server_max_value_length: 0, ..Limits::default() };
    let mut net = net(1, Settings { limits, ..Settings::default() });
    net.cut = 10_000;
    let large = vec![b'x'; 2 << 20];
    net.set("b", "1");
    let ids = [net.submit(set("a", &large)), net.submit(get("b"))];
    net.run();
    let failure = net.take(ids[0]).stored().expect_err("it is too large");
    assert_eq!(failure.delivery, Delivery::Answered);
    assert!(matches!(failure.kind, FailureKind::Server(ErrorLine::Server(_))));
    assert_eq!(value(net.take(ids[1])), Some("1".into()));
    assert_eq!(net.peers[0].accepted, 1);
}

#[test]
fn many_large_values_come_back_through_any_window() {
    for (window, cut) in [(100, 3000), (64 << 10, 777), (64 << 10, usize::MAX)] {
        let limits = Limits { window, ..Limits::default() };
        let mut net = net(3, Settings { limits, ..Settings::default() });
        net.cut = cut;
        let names: Vec<_> = (0..500).map(|number| format!("key{number}")).collect();
        let values: Vec<_> = (0..500).map(|number| vec![b'a'; number * 97]).collect();
        let items: Vec<_> =
            names.iter().zip(&values).map(|(name, value)| item(name, value)).collect();
        let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
        let stored = Operation::StoreMany { verb: StoreVerb::Set, items: &items, noreply: false };
        assert_eq!(net.perform(stored).many().expect("many keys"), Many::default());
        let many =
            net.perform(Operation::GetMany { keys: &keys, cas: true }).many().expect("many keys");
        assert_eq!((many.items.len(), many.failed.len()), (500, 0));
        for (number, item) in many.items {
            assert!(item.value == values[number] && item.cas.is_some());
        }
        let deleted = net
            .perform(Operation::DeleteMany { keys: &keys, noreply: false })
            .many()
            .expect("many keys");
        assert_eq!(deleted, Many::default());
    }
}
