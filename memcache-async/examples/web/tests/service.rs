//! The service against in-memory servers: every page, with the sessions of several visitors.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use memcache_async::server::Server;
use memcache_async::{Client, Credentials, Expiry};
use memcache_web_example::sessions::MemcachedStore;
use memcache_web_example::{app, metrics};
use tower::ServiceExt;
use tower_sessions::SessionStore;
use tower_sessions::cookie::time::{Duration, OffsetDateTime};
use tower_sessions::session::{Id, Record};
use tracing_subscriber::fmt::format::FmtSpan;

/// What a subscriber has written.
#[derive(Clone, Default)]
struct Traced(Arc<Mutex<Vec<u8>>>);

impl Traced {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("lines")).into_owned()
    }
}

impl Write for Traced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("lines").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The status and the body of a page, for a visitor with these cookies, and the cookies that are set.
async fn visit(app: &Router, path: &str, cookie: &str) -> (StatusCode, String, Option<String>) {
    let request = Request::get(path).header(header::COOKIE, cookie);
    let request = request.body(Body::empty()).expect("a request");
    let response = app.clone().oneshot(request).await.expect("an answer");
    let status = response.status();
    let set = response.headers().get(header::SET_COOKIE);
    let set = set.map(|set| set.to_str().expect("text").split(';').next().expect("one").to_owned());
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("text"), set)
}

#[tokio::test]
async fn the_service_caches_counts_and_says_how_it_is() {
    let mut server = Server::start().expect("a server");
    let traced = Traced::default();
    let writer = traced.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let _traces = tracing::subscriber::set_default(subscriber);
    // The recorder comes first: what is described before it is lost.
    let metrics = metrics();
    let client = Client::tokio_builder().server(server.address()).metrics().trace_calls();
    let client = client.build().expect("a client");
    let app = app(client.clone(), metrics);

    // One makes the page, all others have it from the cache.
    for _ in 0..3 {
        let (status, body, _) = visit(&app, "/pages/home", "").await;
        assert_eq!((status, body.contains("<h1>home</h1>")), (StatusCode::OK, true), "{body}");
    }
    assert!(client.get::<String>("page:home").await.expect("asked").is_some());

    // Two visitors, each with a session.
    let (_, body, ada) = visit(&app, "/visits", "").await;
    assert_eq!(body, "visit 1");
    let (_, body, bob) = visit(&app, "/visits", "").await;
    assert_eq!(body, "visit 1");
    let (ada, bob) = (ada.expect("a cookie"), bob.expect("a cookie"));
    for visits in 2..5 {
        assert_eq!(visit(&app, "/visits", &ada).await.1, format!("visit {visits}"));
    }
    assert_eq!(visit(&app, "/visits", &bob).await.1, "visit 2");
    // The session is gone, as if memcached had been full.
    client.flush_all().await.expect("flushed").into_result().expect("all");
    assert_eq!(visit(&app, "/visits", &ada).await.1, "visit 1");

    let (status, body, _) = visit(&app, "/health", "").await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "1 servers answer\n"));
    let (_, body, _) = visit(&app, "/status", "").await;
    assert!(body.contains(&format!("{} (1): 1 connections", server.address())), "{body}");

    let (_, page, _) = visit(&app, "/metrics", "").await;
    for line in [
        "# HELP db_client_operation_duration How long a call takes",
        "memcached_hits{db_system_name=\"memcached\",db_operation_name=\"gets\"} ",
        "db_client_operation_duration_count{db_system_name=\"memcached\",db_operation_name=\"ping\"",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
    assert!(!page.contains("session:") && !page.contains("page:"), "{page}");

    // A span for each call, with what came of it, and no key.
    let traces = traced.text();
    for word in ["db.operation.name=\"cas\"", "memcached.hits=1", "server.address=\"127.0.0.1\""] {
        assert!(traces.contains(word), "{word} is not in\n{traces}");
    }
    let (_, id) = ada.split_once('=').expect("a name and a value");
    assert!(!traces.contains(id) && !traces.contains("page:"), "{traces}");

    // Without its cache the service is slower, not down.
    server.stop();
    let (status, body, _) = visit(&app, "/health", "").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    let (status, body, _) = visit(&app, "/pages/home", "").await;
    assert_eq!((status, body.contains("made anew")), (StatusCode::OK, true), "{body}");
    client.close().await;
}

#[tokio::test]
async fn a_url_has_the_service_log_in() {
    let credentials = Credentials::new("shop", "secret").expect("they are plain");
    let server = Server::builder().credentials(credentials).bind("127.0.0.1:0").expect("a server");
    for (login, works) in [("shop:secret@", true), ("shop:wrong@", false), ("", false)] {
        let url = format!("memcached://{login}{}/?prefix=shop:", server.address());
        let client = Client::tokio_builder().url(&url).build().expect("a client");
        assert_eq!(client.set("a", 1, Expiry::Never).await.is_ok(), works, "{url}");
        client.close().await;
    }
}

fn record(id: i128) -> Record {
    let expiry_date = OffsetDateTime::now_utc() + Duration::minutes(5);
    Record { id: Id(id), data: Default::default(), expiry_date }
}

#[tokio::test]
async fn the_store_keeps_its_word() {
    let server = Server::start().expect("a server");
    let client = Client::tokio([server.address()]).expect("a client");
    let store = MemcachedStore::new(client.clone());

    // The second that is given the same id gets another.
    let (mut first, mut second) = (record(7), record(7));
    first.data.insert("name".into(), "Ada".into());
    store.create(&mut first).await.expect("created");
    store.create(&mut second).await.expect("created");
    assert_eq!(first.id, Id(7));
    assert_ne!(second.id, first.id);

    // Of two that change it at the same time the second fails, and the first is not undone.
    let mut ones = store.load(&first.id).await.expect("asked").expect("it is there");
    let mut others = store.load(&first.id).await.expect("asked").expect("it is there");
    assert_eq!(ones.data["name"], "Ada");
    ones.data.insert("cart".into(), 1.into());
    others.data.insert("cart".into(), 2.into());
    store.save(&ones).await.expect("it is the first");
    let error = store.save(&others).await.expect_err("it is the second");
    assert!(error.to_string().contains("another request"), "{error}");
    let now = store.load(&first.id).await.expect("asked").expect("it is there");
    assert_eq!(now.data["cart"], 1);

    // Who has logged out stays so, whatever a slow request saves.
    store.delete(&first.id).await.expect("deleted");
    assert!(store.load(&first.id).await.expect("asked").is_none());
    assert!(store.save(&now).await.expect_err("it has ended").to_string().contains("ended"));
    store.delete(&first.id).await.expect("it was not there");

    // It ends in time, and what is no session is an error.
    let mut short = record(9);
    short.expiry_date = OffsetDateTime::now_utc() - Duration::seconds(1);
    store.create(&mut short).await.expect("created");
    assert!(store.load(&short.id).await.expect("asked").is_none());
    client.set(format!("session:{}", Id(11)), "rubbish", Expiry::Never).await.expect("stored");
    assert!(matches!(
        store.load(&Id(11)).await,
        Err(tower_sessions::session_store::Error::Decode(_))
    ));
}
