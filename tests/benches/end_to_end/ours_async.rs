use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use memcache_async::proto::calls;
use memcache_async::{Builder, Client, Expiry, Smol, Spawn, ToKey, Tokio};
use smol::Executor;

use crate::contender::{Contender, Row};
use crate::items::{Items, LARGE, LARGE_LEN};
use crate::watch::Watch;

/// The client of this workspace for tasks, on one executor and one thread.
pub(crate) struct Async {
    pub(crate) on: On,
    pub(crate) client: Client,
    items: Arc<Items>,
}

/// Who polls the tasks, those of the caller and those of the client.
pub(crate) enum On {
    Smol(Arc<Executor<'static>>),
    Tokio(tokio::runtime::Runtime),
}

impl On {
    pub(crate) fn smol() -> Self {
        On::Smol(Arc::new(Executor::new()))
    }

    pub(crate) fn tokio() -> Self {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build();
        On::Tokio(tokio.expect("a runtime"))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            On::Smol(_) => "smol",
            On::Tokio(_) => "tokio",
        }
    }

    /// A client whose drivers are polled here.
    pub(crate) fn client(
        &self,
        servers: &[String],
        merge_gets: bool,
        max_rest: Duration,
    ) -> Client {
        fn build<R: Spawn>(builder: Builder<R>, servers: &[String]) -> Client {
            builder.servers(servers).build().expect("a client")
        }
        match self {
            On::Smol(executor) => {
                let builder = Builder::new(Smol::on(executor));
                build(builder.merge_gets(merge_gets).max_rest(max_rest), servers)
            }
            On::Tokio(tokio) => {
                let builder = Builder::new(Tokio::on(tokio.handle()));
                build(builder.merge_gets(merge_gets).max_rest(max_rest), servers)
            }
        }
    }

    /// Polls these tasks, all at once, until all of them have ended.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        tasks: Vec<impl Future<Output = T> + Send + 'static>,
    ) -> Vec<T> {
        let mut results = Vec::with_capacity(tasks.len());
        match self {
            On::Smol(executor) => smol::block_on(executor.run(async {
                let tasks: Vec<_> = tasks.into_iter().map(|task| executor.spawn(task)).collect();
                for task in tasks {
                    results.push(task.await);
                }
            })),
            On::Tokio(tokio) => tokio.block_on(async {
                let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
                for task in tasks {
                    results.push(task.await.expect("no task panics"));
                }
            }),
        }
        results
    }
}

impl Async {
    pub(crate) fn new(on: On, address: &str, items: &Items, max_rest: Duration) -> Self {
        let client = on.client(&[address.to_owned()], true, max_rest);
        Async { on, client, items: Arc::new(items.clone()) }
    }
}

impl Contender for Async {
    fn name(&self) -> &'static str {
        self.on.name()
    }

    fn can(&self, _: Row) -> bool {
        true
    }

    fn run(&mut self, row: Row, count: usize, watch: &mut Watch) {
        let task = calls_of(self.client.clone(), self.items.clone(), row, count);
        for spent in self.on.run(vec![task]) {
            watch.add(spent);
        }
    }
}

/// The calls of one task, and what they took.
async fn calls_of(client: Client, items: Arc<Items>, row: Row, count: usize) -> Watch {
    let get = async |key: &str, value: &[u8]| {
        let found = client.get::<Vec<u8>>(key).await.expect("an answer");
        assert_eq!(found.as_deref(), Some(value));
    };
    let set = async |key: &str, value: &[u8]| {
        client.set(key, value, Expiry::Never).await.expect("stored");
    };
    let set_many = async |keys: &[String], values: &[Vec<u8>]| {
        let stored = client.set_many(keys.iter().zip(values), Expiry::Never).await;
        assert_eq!(stored.expect("an answer").result, keys.len());
    };
    let mut watch = Watch::default();
    watch.start();
    match row {
        Row::Get => {
            for (key, value) in items.random(1).take(count) {
                get(key, value).await;
            }
        }
        Row::Set => {
            for (key, value) in items.random(1).take(count) {
                set(key, value).await;
            }
        }
        Row::GetMap => {
            for (keys, _) in items.batches(1).take(count) {
                let found = client.get_many::<Vec<u8>, _>(keys).await.expect("an answer");
                assert_eq!(found.result.len(), keys.len());
            }
        }
        Row::GetVec => {
            for (keys, _) in items.batches(1).take(count) {
                assert_eq!(get_pairs(&client, keys).await, keys.len());
            }
        }
        Row::SetMany => {
            for (keys, values) in items.batches(1).take(count) {
                set_many(keys, values).await;
            }
        }
        Row::DeleteMany => {
            for (keys, values) in items.batches(1).take(count) {
                watch.stop();
                set_many(keys, values).await;
                watch.start();
                let deleted = client.delete_many(keys).await.expect("an answer");
                assert_eq!(deleted.result, keys.len());
            }
        }
        Row::Mixed => {
            for (number, (key, value)) in items.random(1).take(count).enumerate() {
                match Row::is_store(number) {
                    true => set(key, value).await,
                    false => get(key, value).await,
                }
            }
        }
        Row::GetLarge => {
            for _ in 0..count {
                let found = client.get::<Vec<u8>>(LARGE).await.expect("an answer");
                assert_eq!(found.map(|found| found.len()), Some(LARGE_LEN));
            }
        }
    }
    watch.stop();
    watch
}

/// Gets values that share buffers. How many there are.
///
/// It is generic because a future that names both the borrowed key and a list of such keys cannot be
/// shown to be `Send`.
pub(crate) async fn get_pairs<K: ToKey>(
    client: &Client,
    keys: impl IntoIterator<Item = K>,
) -> usize {
    let call = calls::get_many::<Bytes, K, Vec<(K, Bytes)>>(keys);
    client.run(call).await.expect("an answer").result.len()
}
