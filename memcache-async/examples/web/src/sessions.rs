//! Sessions in memcached.

use std::time::Duration;

use async_trait::async_trait;
use memcache_async::{Client, Error, Json, Stored};
use serde_json::Value;
use tower_sessions::cookie::time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, SessionStore};

/// A store of sessions for `tower-sessions`.
///
/// * Two sessions never have the same id: a new one is stored only if its key is not there (`add`).
/// * A session ends in memcached when it ends for the visitor.
/// * Of two requests that change a session at the same time the second fails, and does not undo what the first did
///   (`cas`). A request that saves its session more than once has the last word with the further times.
///
/// memcached may forget a session at any time: when it is full, when it restarts. Keep in it what may be lost.
#[derive(Clone, Debug)]
pub struct MemcachedStore {
    client: Client,
}

/// Where a record keeps, between [`load`](SessionStore::load) and [`save`](SessionStore::save), the cas unique that it
/// was loaded with. It is not stored.
const UNIQUE: &str = "memcached cas unique";

impl MemcachedStore {
    /// A store on this client. Its keys begin with `session:`, behind the client's own `key_prefix`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        MemcachedStore { client }
    }
}

#[async_trait]
impl SessionStore for MemcachedStore {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        record.data.remove(UNIQUE);
        loop {
            let added = self.client.add(key(&record.id), Json(&*record), left(record)).await;
            if added.map_err(failed)? {
                return Ok(());
            }
            record.id = Id::default();
        }
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let mut stored = record.clone();
        let unique = stored.data.remove(UNIQUE).as_ref().and_then(Value::as_u64);
        let (key, expiry) = (key(&record.id), left(record));
        let Some(unique) = unique else {
            return self.client.set(key, Json(&stored), expiry).await.map_err(failed);
        };
        match self.client.cas(key, Json(&stored), expiry, unique).await.map_err(failed)? {
            Stored::Stored => Ok(()),
            Stored::Exists => Err(session_store::Error::Backend(
                "another request has changed the session meanwhile".into(),
            )),
            declined => Err(session_store::Error::Backend(format!(
                "the session has ended meanwhile: {declined:?}",
            ))),
        }
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let found = self.client.gets::<Json<Record>>(key(id)).await;
        let Some((Json(mut record), unique)) = found.map_err(failed)? else { return Ok(None) };
        if record.expiry_date <= OffsetDateTime::now_utc() {
            return Ok(None);
        }
        record.data.insert(UNIQUE.into(), unique.into());
        Ok(Some(record))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.client.delete(key(id)).await.map(drop).map_err(failed)
    }
}

fn key(id: &Id) -> String {
    format!("session:{id}")
}

/// How long a session lives yet; at least a second, as 0 is for ever.
fn left(record: &Record) -> Duration {
    let left = record.expiry_date - OffsetDateTime::now_utc();
    Duration::try_from(left).unwrap_or_default().max(Duration::from_secs(1))
}

fn failed(error: Error) -> session_store::Error {
    match error {
        Error::Value { .. } => session_store::Error::Decode(error.to_string()),
        error => session_store::Error::Backend(error.to_string()),
    }
}
