use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::{env, fs, process, thread};

/// A socket that leads to a TCP server. Removed when it is dropped.
#[derive(Debug)]
pub struct Relay {
    place: Place,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Place {
    Unix(PathBuf),
    Tcp(String),
}

#[derive(Debug)]
struct Shared {
    server: String,
    ending: AtomicBool,
    /// All that came for the server, if it is to be kept.
    heard: Option<Mutex<Vec<u8>>>,
}

impl Relay {
    /// A Unix socket, in the directory for temporary files, that leads to `server`: so any server can be
    /// reached over one.
    ///
    /// # Panics
    ///
    /// Where the socket cannot be made.
    #[must_use]
    pub fn start(server: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("memcache-{}-{number}.sock", process::id()));
        let listener = UnixListener::bind(&path).expect("a socket");
        let shared = Shared::new(server, None);
        let accepting = shared.clone();
        thread::spawn(move || accepting.accept(listener.incoming()));
        Relay { place: Place::Unix(path), shared }
    }

    /// A TCP port of the loopback address that leads to `server`, and keeps what is sent there.
    ///
    /// # Panics
    ///
    /// Where no port is free.
    #[must_use]
    pub fn recording(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        let shared = Shared::new(server, Some(Mutex::default()));
        let accepting = shared.clone();
        thread::spawn(move || accepting.accept(listener.incoming()));
        Relay { place: Place::Tcp(address), shared }
    }

    /// Its address as a client takes it.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.place {
            Place::Unix(path) => format!("unix:{}", path.display()),
            Place::Tcp(address) => address.clone(),
        }
    }

    /// What was sent to the server since this was last asked, on all connections, in the order in which
    /// it came; nothing where that is not kept. Whatever the server has answered is in it.
    #[must_use]
    pub fn take_heard(&self) -> Vec<u8> {
        let heard = self.shared.heard.as_ref();
        let take = |heard: &Mutex<_>| std::mem::take(&mut *lock(heard));
        heard.map(take).unwrap_or_default()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        // Who waits for a client looks again once one has come.
        match &self.place {
            Place::Unix(path) => {
                let _ = UnixStream::connect(path);
                let _ = fs::remove_file(path);
            }
            Place::Tcp(address) => drop(TcpStream::connect(address)),
        }
    }
}

impl Shared {
    fn new(server: &str, heard: Option<Mutex<Vec<u8>>>) -> Arc<Self> {
        Arc::new(Shared { server: server.into(), ending: AtomicBool::new(false), heard })
    }

    fn accept(self: &Arc<Self>, clients: impl Iterator<Item = io::Result<impl Socket>>) {
        for client in clients.map_while(Result::ok) {
            if self.ending.load(Ordering::Relaxed) {
                return;
            }
            let Ok(server) = TcpStream::connect(&self.server) else { continue };
            let _ = self.join(client, server);
        }
    }

    fn join(self: &Arc<Self>, client: impl Socket, server: TcpStream) -> io::Result<()> {
        let (mut from_client, mut to_server) = (client.duplicate()?, server.duplicate()?);
        let (mut from_server, mut to_client) = (server, client);
        let shared = self.clone();
        thread::spawn(move || {
            copy(&mut from_client, &mut to_server, |bytes| {
                if let Some(heard) = &shared.heard {
                    lock(heard).extend_from_slice(bytes);
                }
            });
            to_server.close();
        });
        thread::spawn(move || {
            copy(&mut from_server, &mut to_client, |_| {});
            to_client.close();
        });
        Ok(())
    }
}

/// What the sockets of both kinds can do.
trait Socket: Read + Write + Send + Sized + 'static {
    /// Another handle of the same socket, one that sends without delay.
    fn duplicate(&self) -> io::Result<Self>;
    fn close(&self);
}

impl Socket for UnixStream {
    fn duplicate(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Socket for TcpStream {
    fn duplicate(&self) -> io::Result<Self> {
        self.set_nodelay(true)?;
        self.try_clone()
    }

    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copies until either side has ended. `look` sees the bytes before the other side does.
fn copy(from: &mut impl Read, to: &mut impl Write, look: impl Fn(&[u8])) {
    let mut buffer = [0; 16 << 10];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        look(&buffer[..len]);
        if to.write_all(&buffer[..len]).is_err() {
            return;
        }
    }
}
