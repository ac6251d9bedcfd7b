use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::memcached::{Running, free_port, program};
use crate::settles;

/// A real memcached that speaks TLS, on a free port of the loopback address, stopped when this is dropped. The
/// program is that of [`Memcached`](crate::Memcached).
#[derive(Debug)]
pub struct TlsMemcached {
    port: u16,
    running: Option<Running>,
}

impl TlsMemcached {
    /// Starts a server with this certificate and its key, and with these arguments, `-o` and
    /// `ssl_verify_mode=2` for instance. Waits until it accepts connections.
    ///
    /// # Panics
    ///
    /// If the program cannot be started, or accepts no connection in time.
    #[must_use]
    pub fn start(certificate: &Path, key: &Path, arguments: &[String]) -> Self {
        let mut memcached = TlsMemcached { port: free_port(), running: None };
        let port = memcached.port.to_string();
        let certificate = format!("ssl_chain_cert={}", certificate.display());
        let key = format!("ssl_key={}", key.display());
        let place =
            ["-l", "127.0.0.1", "-U", "0", "-p", &port, "-Z", "-o", &certificate, "-o", &key];
        let arguments = arguments.iter().map(String::as_str);
        let running = Running::start(place.into_iter().chain(arguments)).expect("it starts");
        let running = memcached.running.insert(running);
        let accepts =
            || running.has_ended() || TcpStream::connect(("127.0.0.1", memcached.port)).is_ok();
        assert!(settles(accepts) && !running.has_ended(), "memcached does not speak TLS");
        memcached
    }

    /// Its address as a client takes it, `127.0.0.1:11211` for instance.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Whether the program looks at all that OpenSSL has decrypted, which it does since 1.6.39.
    ///
    /// # Panics
    ///
    /// If the program does not tell its version.
    #[must_use]
    pub fn reads_all() -> bool {
        let output = Command::new(program()).arg("-V").output().expect("it runs");
        let text = String::from_utf8(output.stdout).expect("text");
        let version = text.trim().rsplit(' ').next().expect("a version");
        let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
        numbers >= vec![1, 6, 39]
    }
}

impl Drop for TlsMemcached {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }
}
