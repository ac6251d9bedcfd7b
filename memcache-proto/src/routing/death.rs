use core::fmt;

/// Why a connection could not be made. An adapter translates the system's error into it; what each
/// reason means for the server is decided by the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// Nothing listens at the address (`ECONNREFUSED`, or a Unix socket that does not exist), or nobody
    /// takes the connection up.
    Refused,
    /// The connection did not come about in time.
    TimedOut,
    /// There is no way to the address, or the name of the server has none.
    Unreachable,
    /// This machine ran out of something: file descriptors (`EMFILE`, `ENFILE`), local ports
    /// (`EADDRNOTAVAIL`) or memory (`ENOBUFS`, `ENOMEM`). It says nothing about the server.
    LocalShortage,
    /// The runtime that was to make the connection has ended. It says nothing about the server.
    RuntimeGone,
    /// The connection was made, and then what has to come first failed: a TLS handshake, or a login that had no
    /// answer.
    Handshake,
    /// The application had no credentials to log in with. It says nothing about the server.
    NoCredentials,
    /// Anything else.
    Other,
}

impl ConnectFailure {
    /// Whether the cause is on this side, so that it says nothing about the server.
    #[must_use]
    pub const fn is_local(self) -> bool {
        matches!(
            self,
            ConnectFailure::LocalShortage
                | ConnectFailure::RuntimeGone
                | ConnectFailure::NoCredentials
        )
    }
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConnectFailure::Refused => "no connection could be made: the server refused it",
            ConnectFailure::TimedOut => {
                "no connection could be made in time (connect_timeout, else socket_timeout)"
            }
            ConnectFailure::Unreachable => {
                "no connection could be made: there is no way to the server"
            }
            ConnectFailure::LocalShortage => {
                "no connection could be made, because this machine ran out of descriptors, ports or \
                 memory"
            }
            ConnectFailure::RuntimeGone => {
                "no connection could be made, because the runtime of the client has ended"
            }
            ConnectFailure::Handshake => "no connection could be made: the handshake failed",
            ConnectFailure::NoCredentials => {
                "no connection could be made: there are no credentials to log in with"
            }
            ConnectFailure::Other => "no connection could be made",
        })
    }
}

impl core::error::Error for ConnectFailure {}

/// Why a server was marked dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeathCause {
    /// No connection could be made, and nobody had one that worked.
    Connect(ConnectFailure),
    /// It has too many open connections, and nobody had one that worked.
    TooManyConnections,
    /// It did not answer within `socket_timeout`, and answered nobody else meanwhile.
    SocketTimeout,
    /// It left two operations without an answer for `operation_timeout`.
    OperationTimeout,
    /// It closed two connections in a row without an answer.
    Closed,
    /// It broke the protocol on two connections in a row.
    Protocol,
    /// The application said so.
    Asked,
}

impl DeathCause {
    pub(super) const fn to_code(self) -> u8 {
        match self {
            DeathCause::Asked => 0,
            DeathCause::TooManyConnections => 1,
            DeathCause::SocketTimeout => 2,
            DeathCause::OperationTimeout => 3,
            DeathCause::Closed => 4,
            DeathCause::Protocol => 5,
            DeathCause::Connect(ConnectFailure::Refused) => 6,
            DeathCause::Connect(ConnectFailure::TimedOut) => 7,
            DeathCause::Connect(ConnectFailure::Unreachable) => 8,
            DeathCause::Connect(ConnectFailure::LocalShortage) => 9,
            DeathCause::Connect(ConnectFailure::RuntimeGone) => 10,
            DeathCause::Connect(ConnectFailure::Handshake) => 11,
            DeathCause::Connect(ConnectFailure::Other) => 12,
            DeathCause::Connect(ConnectFailure::NoCredentials) => 13,
        }
    }

    pub(super) const fn from_code(code: u8) -> Self {
        match code {
            1 => DeathCause::TooManyConnections,
            2 => DeathCause::SocketTimeout,
            3 => DeathCause::OperationTimeout,
            4 => DeathCause::Closed,
            5 => DeathCause::Protocol,
            6 => DeathCause::Connect(ConnectFailure::Refused),
            7 => DeathCause::Connect(ConnectFailure::TimedOut),
            8 => DeathCause::Connect(ConnectFailure::Unreachable),
            9 => DeathCause::Connect(ConnectFailure::LocalShortage),
            10 => DeathCause::Connect(ConnectFailure::RuntimeGone),
            11 => DeathCause::Connect(ConnectFailure::Handshake),
            12 => DeathCause::Connect(ConnectFailure::Other),
            13 => DeathCause::Connect(ConnectFailure::NoCredentials),
            _ => DeathCause::Asked,
        }
    }
}

impl fmt::Display for DeathCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeathCause::Connect(failure) => failure.fmt(f),
            DeathCause::TooManyConnections => write!(f, "it has too many open connections"),
            DeathCause::SocketTimeout => write!(f, "no answer within socket_timeout"),
            DeathCause::OperationTimeout => write!(f, "no answer within operation_timeout"),
            DeathCause::Closed => write!(f, "it closed two connections without an answer"),
            DeathCause::Protocol => write!(f, "it broke the protocol on two connections"),
            DeathCause::Asked => write!(f, "it was marked dead by the application"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_code_of_its_own() {
        let mut codes = 0;
        for code in 0..=u8::MAX {
            let cause = DeathCause::from_code(code);
            codes += u32::from(cause.to_code() == code);
            assert_eq!(DeathCause::from_code(cause.to_code()), cause);
        }
        assert_eq!(codes, 14);
    }
}
