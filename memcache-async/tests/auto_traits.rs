//! What may cross threads does; that this compiles is the test.
#![cfg(feature = "smol")]

use std::time::Duration;

use memcache_async::{Builder, Client, Connection, Driver, Expiry, Smol, StatsArgument, Value};

fn send<T: Send>(_: T) {}
fn shared<T: Clone + Send + Sync + 'static>() {}

#[test]
fn a_client_is_shared_and_its_calls_are_sent_to_other_threads() {
    shared::<Client>();
    fn sent<T: Send>() {}
    sent::<Driver>();
    sent::<Connection<Box<dyn memcache_async::Stream>>>();
    sent::<Builder<Smol>>();

    let client = Client::new(["127.0.0.1:1"]).expect("an address");
    let never = Expiry::Never;
    send(client.get::<Value>("k"));
    send(client.gets::<String>(String::from("k")));
    send(client.gat::<Vec<u8>>(1_u64, Duration::from_secs(1)));
    send(client.get_many::<u64, _>(["k", "l"]));
    send(client.set("k", "v", never));
    send(client.add("k", 1, never));
    send(client.replace("k", b"v", never));
    send(client.append("k", "v"));
    send(client.prepend("k", "v"));
    send(client.cas("k", "v", never, 1));
    send(client.set_many([("k", "v")], never));
    send(client.delete("k"));
    send(client.delete_many(["k"]));
    send(client.touch("k", never));
    send(client.incr("k", 1));
    send(client.decr("k", 1));
    send(client.flush_all());
    send(client.flush_all_after(Duration::from_secs(1)));
    send(client.version());
    send(client.stats(StatsArgument::General));
    send(client.close());
}
