//! One operation through every floor of memcache-proto, without std.
#![no_std]

extern crate alloc;

use alloc::sync::Arc;
use alloc::vec;
use core::panic::PanicInfo;

use memcache_proto::client::{Action, Client, Cluster, Operation, Settings};
use memcache_proto::routing::{Server, ServerAddress};
use memcache_proto::{Key, Time};

#[global_allocator]
static ALLOCATOR: static_alloc::Bump<[u8; 1 << 20]> = static_alloc::Bump::uninit();

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Looks a key up through a client whose "socket" is the two closures.
pub fn get(
    mut send: impl FnMut(&[u8]) -> usize,
    mut receive: impl FnMut(&mut [u8]) -> usize,
) -> Option<usize> {
    let server = Server::from(ServerAddress::parse("device").ok()?);
    let cluster = Cluster::new(vec![server], Settings::default()).ok()?;
    let mut client = Client::new(Arc::new(cluster));
    let key = Key::new("foo").ok()?.into();
    let id = client.submit(Operation::Get { key, cas: false }, Time::ZERO).ok()?;
    while !client.is_done(id) {
        match client.poll_action(Time::ZERO)? {
            Action::Connect { connection, .. } => client.connected(connection, Time::ZERO),
            Action::Transmit(connection) => {
                let sent = send(client.transmit(connection));
                client.transmitted(connection, sent, Time::ZERO);
            }
            Action::Receive(connection) => {
                let received = receive(client.receive_buffer(connection));
                client.received(connection, received, Time::ZERO);
            }
            Action::Look(connection) => client.looked(connection, Time::ZERO),
            Action::Await(_) | Action::Close(_) => {}
        }
    }
    client.take(id)?.item().ok()?.map(|item| item.value.len())
}

/// The one instance of it that is linked.
pub fn main() -> Option<usize> {
    get(<[u8]>::len, |space| space.len().min(5))
}

#[cfg(feature = "server")]
pub mod server {
    //! The same for the server role.

    use memcache_proto::Time;
    use memcache_proto::server::{Connection, Store};

    /// Answers one request from memory.
    pub fn answer(store: &mut Store, connection: &mut Connection) -> usize {
        let request = b"get foo\r\n";
        for (space, byte) in connection.receive_buffer().iter_mut().zip(request) {
            *space = *byte;
        }
        connection.received(request.len());
        connection.handle(store, Time::ZERO, 0);
        connection.transmit().len()
    }
}
