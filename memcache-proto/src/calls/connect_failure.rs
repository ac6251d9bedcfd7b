use core::fmt;

use crate::value::Cause;

/// Why there are no credentials to log in with: the error of the application's own that was to give them.
#[derive(Debug)]
pub struct NoCredentials(pub Cause);

impl fmt::Display for NoCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are no credentials to log in with: {}", self.0)
    }
}

impl core::error::Error for NoCredentials {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(self.0.get())
    }
}

/// The translation of the system's errors into reasons, the same of every adapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __connect_failure {
    () => {
        /// What the system's error says of a connection that could not be made, as the core wants to know
        /// it. For those who make connections by themselves.
        ///
        /// `InvalidData` and `UnexpectedEof` are taken for those of a handshake, as TLS reports them.
        #[must_use]
        pub fn connect_failure(error: &std::io::Error) -> $crate::routing::ConnectFailure {
            use std::io::ErrorKind;
            use $crate::routing::ConnectFailure;

            // The same numbers on every Unix, but for the last.
            const ENFILE: i32 = 23;
            const EMFILE: i32 = 24;
            const ENOBUFS: i32 =
                if cfg!(any(target_os = "linux", target_os = "android")) { 105 } else { 55 };
            if error.get_ref().is_some_and(|error| error.is::<$crate::calls::NoCredentials>()) {
                return ConnectFailure::NoCredentials;
            }
            match (error.kind(), error.raw_os_error()) {
                (_, Some(ENFILE | EMFILE | ENOBUFS)) => ConnectFailure::LocalShortage,
                (ErrorKind::AddrNotAvailable | ErrorKind::OutOfMemory, _) => {
                    ConnectFailure::LocalShortage
                }
                // A Unix socket that is not there, or whose queue is full.
                (ErrorKind::NotFound | ErrorKind::WouldBlock, Some(_)) => ConnectFailure::Refused,
                (ErrorKind::ConnectionRefused, _) => ConnectFailure::Refused,
                (ErrorKind::TimedOut | ErrorKind::WouldBlock, _) => ConnectFailure::TimedOut,
                (
                    ErrorKind::HostUnreachable
                    | ErrorKind::NetworkUnreachable
                    | ErrorKind::NetworkDown
                    | ErrorKind::NotFound,
                    _,
                ) => ConnectFailure::Unreachable,
                (ErrorKind::InvalidData | ErrorKind::UnexpectedEof, _) => ConnectFailure::Handshake,
                _ => ConnectFailure::Other,
            }
        }
    };
}
