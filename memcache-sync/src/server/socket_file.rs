//! The files of Unix sockets: whose they are, and whether anybody listens there.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};

/// How often a lock that others have is tried for, and how long it is left to them in between.
const LOCK_TRIES: usize = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The file of a socket that this process has made.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// What no other file has meanwhile; `None` where it was gone before it could be looked at.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    /// The one that was just made at this path.
    pub(super) fn of(path: &str) -> Self {
        let path = PathBuf::from(path);
        SocketFile { identity: identity(&path), path }
    }

    /// Removes it, unless it is gone or another has taken its place.
    pub(super) fn remove(&self) {
        if self.identity.is_some() && self.identity == identity(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Binds at a path where there is a file already, if that is a socket that nobody listens on: in its
/// place. A file of another kind stays, and so does the socket of a server that is there, however busy
/// it is.
///
/// # Errors
///
/// [`ErrorKind::AddrInUse`] where the file stays, or what the system says.
pub(super) fn take_over(path: &Path) -> io::Result<UnixListener> {
    // Of several that come at once one is to find the file stale; the others then find its own.
    let Some(_lock) = lock(path).filter(|_| is_stale(path)) else {
        return Err(ErrorKind::AddrInUse.into());
    };
    fs::remove_file(path)?;
    UnixListener::bind(path)
}

/// The lock of the directory that the file is in, for as long as this is kept; `None` where others have
/// it for long, or there is none to be had.
fn lock(path: &Path) -> Option<File> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = File::open(directory.unwrap_or(Path::new("."))).ok()?;
    for _ in 0..LOCK_TRIES {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(directory),
            Err(Errno::WOULDBLOCK | Errno::INTR) => thread::sleep(LOCK_PAUSE),
            Err(_) => return None,
        }
    }
    None
}

fn is_stale(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    is_socket && refuses(path).unwrap_or(false)
}

/// Whether connections are refused. One that would have to wait is not.
fn refuses(path: &Path) -> Result<bool, Errno> {
    let address = SocketAddrUnix::new(path)?;
    let socket: OwnedFd = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(connect(&socket, &address) == Err(Errno::CONNREFUSED))
}
