//! The in-memory server behind TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use memcache_sync::server::Server;
use rustix::event::{PollFd, PollFlags, poll};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConfig, ServerConnection};

/// An in-memory server, and what decrypts for it.
pub(crate) struct InMemory {
    _server: Server,
    address: String,
    resumed: Arc<AtomicUsize>,
}

impl InMemory {
    /// With this certificate and its key. Clients have to show one that `clients` has signed, if there is one.
    pub(crate) fn start(certificate: &Path, key: &Path, clients: Option<&Path>) -> Self {
        let server = Server::start().expect("a free port");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let (config, plain) = (config(certificate, key, clients), server.address().to_owned());
        let resumed = Arc::new(AtomicUsize::new(0));
        let counted = resumed.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, plain, counted) = (config.clone(), plain.clone(), counted.clone());
                thread::spawn(move || relay(config, stream?, TcpStream::connect(plain)?, &counted));
            }
        });
        InMemory { _server: server, address, resumed }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How many of its sessions have resumed an earlier one.
    pub(crate) fn resumed(&self) -> usize {
        self.resumed.load(Ordering::Relaxed)
    }
}

pub(crate) fn config(certificate: &Path, key: &Path, clients: Option<&Path>) -> Arc<ServerConfig> {
    let read = |path: &Path| CertificateDer::from_pem_file(path).expect("a certificate");
    let builder = ServerConfig::builder();
    let builder = match clients {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            roots.add(read(path)).expect("an authority");
            let verifier = WebPkiClientVerifier::builder(roots.into()).build().expect("a verifier");
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    builder.with_single_cert(vec![read(certificate)], key).expect("they fit").into()
}

/// Passes bytes on until either side ends.
fn relay(
    config: Arc<ServerConfig>,
    mut client: TcpStream,
    mut server: TcpStream,
    resumed: &AtomicUsize,
) -> io::Result<()> {
    for stream in [&client, &server] {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
    }
    let mut tls = ServerConnection::new(config).expect("a connection");
    tls.set_buffer_limit(None);
    let mut to_server = Vec::new();
    let mut space = vec![0; 64 << 10];
    let mut is_new = true;
    loop {
        let writes = |yes| if yes { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let mut waits = [
            PollFd::new(&client, writes(tls.wants_write())),
            PollFd::new(&server, writes(!to_server.is_empty())),
        ];
        poll(&mut waits, None)?;
        while let Some(len) = ready(tls.read_tls(&mut client))? {
            if let Err(error) = tls.process_new_packets() {
                let _ = tls.write_tls(&mut client);
                return Err(io::Error::other(error));
            }
            if is_new && !tls.is_handshaking() {
                is_new = false;
                let is_resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
                resumed.fetch_add(usize::from(is_resumed), Ordering::Relaxed);
            }
            while let Some(len @ 1..) = ready(tls.reader().read(&mut space))? {
                to_server.extend_from_slice(&space[..len]);
            }
            if len == 0 {
                return Ok(());
            }
        }
        if let Some(len) = ready(server.write(&to_server))? {
            to_server.drain(..len);
        }
        match ready(server.read(&mut space))? {
            Some(0) => {
                tls.send_close_notify();
                let _ = tls.write_tls(&mut client);
                return Ok(());
            }
            Some(len) => tls.writer().write_all(&space[..len])?,
            None => {}
        }
        while tls.wants_write() && ready(tls.write_tls(&mut client))?.is_some() {}
    }
}

/// What a call that does not block has come to, if anything.
fn ready(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}
