//! One line of configuration for a server that asks for TLS and a login.

use std::fs;

use memcache_sync::{Error, Expiry, FailureKind};
use memcache_tests::TlsMemcached;

use crate::certificates::Certificates;

#[test]
fn a_url_has_all_that_a_guarded_server_asks_for() {
    let certificates = Certificates::new();
    let users = certificates.pem("server").with_extension("users");
    fs::write(&users, "shop:secret\n").expect("a file");
    let arguments = ["-Y".to_owned(), users.display().to_string()];
    let (pem, key) = (certificates.pem("server"), certificates.key("server"));
    let memcached = TlsMemcached::start(&pem, &key, &arguments);
    let ca = certificates.pem("ca");
    let url = |login: &str| {
        let address = memcached.address();
        format!("memcached+tls://{login}@{address}/?tls_ca={}&prefix=shop:", ca.display())
    };

    let client = memcache_sync::Client::from_url(&url("shop:secret")).expect("a client");
    client.set("greeting", "hello", Expiry::Never).expect("stored");
    assert_eq!(client.get::<String>("greeting").expect("asked").as_deref(), Some("hello"));

    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    tokio.expect("a runtime").block_on(async {
        let builder = memcache_async::Client::tokio_builder().url(&url("shop:secret"));
        let client = builder.build().expect("a client");
        let found = client.get::<String>("greeting").await.expect("asked");
        assert_eq!(found.as_deref(), Some("hello"));
    });

    let client = memcache_sync::Client::from_url(&url("shop:wrong")).expect("a client");
    let error = client.get::<String>("greeting").expect_err("a wrong password");
    assert!(
        matches!(&error, Error::Server { failure, .. } if failure.kind == FailureKind::LoginRefused),
        "{error}",
    );
    assert!(!format!("{error} {error:?}").contains("wrong"), "{error:?}");
}
