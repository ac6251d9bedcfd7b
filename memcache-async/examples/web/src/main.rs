//! The service of this package, on port 3000. `MEMCACHED_URL` says where the servers are, and how to reach them:
//!
//! ```sh
//! cargo run                                                        # on an in-memory server of its own
//! MEMCACHED_URL=memcached://10.0.0.1,10.0.0.2 cargo run
//! MEMCACHED_URL="memcached+tls://shop:secret@cache/?tls_ca=/etc/memcached/ca.pem" cargo run    # TLS and a login
//! ```

use memcache_async::Client;
use memcache_async::server::Server;
use memcache_web_example::{app, metrics};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    let metrics = metrics();
    let own = match std::env::var_os("MEMCACHED_URL") {
        Some(_) => None,
        None => Some(Server::start()?),
    };
    let builder = Client::tokio_builder().debug_tracing().trace_calls().metrics();
    let builder = match &own {
        Some(server) => builder.server(server.address()),
        None => builder.env(),
    };
    let client = builder.build()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{}/pages/home", listener.local_addr()?);
    let ended = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, app(client.clone(), metrics)).with_graceful_shutdown(ended).await?;
    // What is under way is answered first.
    client.close().await;
    Ok(())
}
