use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::{env, fs, process, thread};

/// A Unix socket that leads to a TCP server: any server can be reached over one. Removed when it is
/// dropped.
#[derive(Debug)]
pub struct Relay {
    path: PathBuf,
    ending: Arc<AtomicBool>,
}

impl Relay {
    /// A socket, in the directory for temporary files, that leads to `server`.
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
        let ending = Arc::new(AtomicBool::new(false));
        let (server, stopped) = (server.to_owned(), ending.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(server) = TcpStream::connect(&server) else { continue };
                let _ = join(client, server);
            }
        });
        Relay { path, ending }
    }

    /// Its address as a client takes it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("unix:{}", self.path().display())
    }

    /// The socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        let _ = UnixStream::connect(&self.path);
        let _ = fs::remove_file(&self.path);
    }
}

fn join(client: UnixStream, server: TcpStream) -> io::Result<()> {
    server.set_nodelay(true)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let (mut from_server, mut to_client) = (server, client);
    thread::spawn(move || {
        copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    Ok(())
}

fn copy(from: &mut impl Read, to: &mut impl Write) {
    let mut buffer = [0; 16 << 10];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..len]).is_err() {
            return;
        }
    }
}
