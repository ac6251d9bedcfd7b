//! A web service on axum that caches pages and keeps its sessions in memcached.
//!
//! | path | what it shows |
//! |---|---|
//! | `/pages/{name}` | a page that one caller of all makes, and the others get from the cache |
//! | `/visits` | a session, kept by [`MemcachedStore`](sessions::MemcachedStore) |
//! | `/health` | whether every server answers |
//! | `/status` | a line for each server: connections, what waits, dead or not |
//! | `/metrics` | how long calls took, hits and misses, for Prometheus |

pub mod sessions;

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use memcache_async::{Client, Error};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tower_sessions::cookie::time;
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use sessions::MemcachedStore;

/// How long a page is kept.
const PAGE: Duration = Duration::from_secs(60);

/// How long a session lives after it was last used.
const SESSION: time::Duration = time::Duration::days(1);

#[derive(Clone)]
struct App {
    cache: Client,
    metrics: PrometheusHandle,
}

/// The service, with this client.
pub fn app(cache: Client, metrics: PrometheusHandle) -> Router {
    let sessions = SessionManagerLayer::new(MemcachedStore::new(cache.clone()))
        .with_secure(false) // for http://127.0.0.1; leave it out behind https
        .with_expiry(Expiry::OnInactivity(SESSION));
    Router::new()
        .route("/visits", get(visits))
        .layer(sessions)
        .route("/pages/{name}", get(page))
        .route("/health", get(health))
        .route("/status", get(status))
        .route("/metrics", get(async |State(app): State<App>| app.metrics.render()))
        .with_state(App { cache, metrics })
}

/// What `/metrics` renders. Install it once, before the client is made.
pub fn metrics() -> PrometheusHandle {
    PrometheusBuilder::new().install_recorder().expect("no other recorder is installed")
}

/// A page: from the cache, or made by one caller while the others wait for it, or go on with the last one.
async fn page(State(app): State<App>, Path(name): Path<String>) -> Result<String, Failure> {
    let made = app.cache.get_or_set_with(format!("page:{name}"), PAGE, async || {
        Ok::<_, Failure>(format!("<h1>{name}</h1>, made by a slow template"))
    });
    match made.await {
        Ok(page) => Ok(page.into_value()),
        // A cache that is gone makes a page slower, and no visitor is told.
        Err(Failure(error)) if error.is_unavailable() => Ok(format!("<h1>{name}</h1>, made anew")),
        Err(error) => Err(error),
    }
}

async fn visits(session: Session) -> Result<String, StatusCode> {
    let failed = |_| StatusCode::SERVICE_UNAVAILABLE;
    let visits = session.get::<u64>("visits").await.map_err(failed)?.unwrap_or_default() + 1;
    session.insert("visits", visits).await.map_err(failed)?;
    Ok(format!("visit {visits}"))
}

/// 200 if every server answers, else 503 and what is wrong.
async fn health(State(app): State<App>) -> (StatusCode, String) {
    let asked = app.cache.within(Duration::from_secs(1)).ping().await;
    match asked.and_then(|answers| answers.into_result()) {
        Ok(servers) => (StatusCode::OK, format!("{} servers answer\n", servers.len())),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    }
}

async fn status(State(app): State<App>) -> String {
    app.cache.status().to_string()
}

/// What a handler fails with: told the log, and not the visitor.
struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure(error)
    }
}

impl axum::response::IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        eprintln!("the cache failed: {}", self.0);
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
