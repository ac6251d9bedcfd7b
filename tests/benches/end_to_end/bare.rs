use std::net::SocketAddr;
use std::sync::Arc;

use memcache_async::{Builder, Client, Smol};
use memcache_tests::{Bare, Memcached};
use serde_json::Value as Json;
use smol::Executor;

use crate::compare::Compared;
use crate::items::Items;
use crate::lone::{SERVER, fill, items};
use crate::options::Options;
use crate::record::tagged;
use crate::watch::Watch;

/// A lone task's gets beside a loop on the same asynchronous sockets that does nothing else: what the
/// client adds to what smol costs.
pub(crate) fn bare(options: &Options) -> Vec<Json> {
    let memcached = Memcached::start_with(&SERVER);
    Watch::serve(memcached.process());
    let items = Arc::new(items());
    fill(&memcached.address(), &items);
    let global = Client::builder().server(&memcached.address()).build().expect("a client");
    let executor = Arc::new(Executor::new());
    let builder = Builder::new(Smol::on(&executor)).server(&memcached.address());
    let own = builder.build().expect("a client");

    let mut records = Vec::new();
    for (row, client, executor) in [
        ("get under block_on, global executor", global, None),
        ("get in a task of the one executor", own, Some(&executor)),
    ] {
        let address = memcached.address().parse().expect("an address");
        let compared = Compared::measure(
            options.rounds(),
            1,
            |count| run(executor, bare_gets(address, items.clone(), count)),
            |count| run(executor, gets(client.clone(), items.clone(), count)),
        );
        records.push(tagged("bare", row, "smol", compared.record(1)));
    }
    records
}

fn run(
    executor: Option<&Arc<Executor<'static>>>,
    future: impl Future<Output = Watch> + Send + 'static,
) -> Watch {
    match executor {
        None => smol::block_on(future),
        Some(executor) => smol::block_on(executor.run(executor.spawn(future))),
    }
}

async fn bare_gets(address: SocketAddr, items: Arc<Items>, count: usize) -> Watch {
    let mut bare = Bare::connect(address, &items.keys[0]).await.expect("a connection");
    let mut watch = Watch::default();
    watch.start();
    for _ in 0..count {
        let found = bare.get().await.expect("an answer");
        assert_eq!(found, Some(&items.values[0][..]));
    }
    watch.stop();
    watch
}

async fn gets(client: Client, items: Arc<Items>, count: usize) -> Watch {
    let mut watch = Watch::default();
    watch.start();
    for _ in 0..count {
        let found = client.get::<Vec<u8>>(&items.keys[0]).await.expect("an answer");
        assert_eq!(found.as_deref(), Some(&items.values[0][..]));
    }
    watch.stop();
    watch
}
