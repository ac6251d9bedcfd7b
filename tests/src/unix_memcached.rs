use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

use crate::memcached::Running;
use crate::settles;

/// A real memcached on a Unix socket, stopped when this is dropped. The program is that of
/// [`Memcached`](crate::Memcached).
#[derive(Debug)]
pub struct UnixMemcached {
    /// Where the socket is, and nothing of anybody else's.
    directory: PathBuf,
    running: Option<Running>,
}

impl UnixMemcached {
    /// Starts a server with these arguments, `["-m", "1024"]` for instance, and waits until it accepts
    /// connections.
    ///
    /// # Panics
    ///
    /// If the program cannot be started, or accepts no connection within five seconds.
    #[must_use]
    pub fn start_with(arguments: &[&str]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = env::temp_dir().join(format!("memcached-{}-{number}", process::id()));
        fs::create_dir(&directory).expect("a new directory");
        let mut memcached = UnixMemcached { directory, running: None };
        let socket = memcached.socket();
        let place = ["-s", socket.to_str().expect("a path that is text")];
        let arguments = place.into_iter().chain(arguments.iter().copied());
        let running = memcached.running.insert(Running::start(arguments).expect("it starts"));
        let answers = || running.has_ended() || UnixStream::connect(&socket).is_ok();
        assert!(settles(answers) && !running.has_ended(), "memcached does not answer");
        memcached
    }

    /// Its address as a client takes it, `unix:/tmp/.../socket` for instance.
    #[must_use]
    pub fn address(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// The number of its process.
    ///
    /// # Panics
    ///
    /// If it does not run, which it does from start to end.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.running.as_ref().expect("it runs").process()
    }

    /// As many different addresses as you like, all of this one server: to a client they are different
    /// servers.
    ///
    /// # Panics
    ///
    /// If a link to the socket cannot be made.
    #[must_use]
    pub fn addresses(&self, count: usize) -> Vec<String> {
        let addresses = (0..count).map(|number| {
            let link = self.directory.join(number.to_string());
            if !link.is_symlink() {
                symlink(self.socket(), &link).expect("a link to the socket");
            }
            format!("unix:{}", link.display())
        });
        addresses.collect()
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }
}

impl Drop for UnixMemcached {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};

    use super::*;

    #[test]
    fn it_is_the_same_server_under_each_address_and_leaves_nothing() {
        let memcached = UnixMemcached::start_with(&[]);
        let ask = |address: &str, request: &[u8]| {
            let path = address.strip_prefix("unix:").expect("a path");
            let mut stream = UnixStream::connect(path).expect("a connection");
            stream.write_all(request).expect("sent");
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).expect("answered");
            line
        };
        assert_eq!(ask(&memcached.address(), b"set k 0 0 1\r\n1\r\n"), "STORED\r\n");
        let addresses = memcached.addresses(2);
        assert_ne!(addresses[0], addresses[1]);
        for address in &addresses {
            assert_eq!(ask(address, b"get k\r\n"), "VALUE k 0 1\r\n");
        }
        let directory = memcached.directory.clone();
        drop(memcached);
        assert!(!directory.exists());
    }
}
