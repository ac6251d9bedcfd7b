use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use memcache_proto::value::Cause;
use rustls::{AlertDescription, CertificateError};

/// Why a setting of TLS cannot be used, or why a TLS connection failed. The message says what to do about it.
///
/// The error of a call has it as its source: a `std::io::Error` in `Error::Server`, whose
/// [`get_ref`](std::io::Error::get_ref) can be downcast to this.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file of certificates or keys cannot be read, or is not PEM.
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: Cause,
    },
    /// The certificate and the key of the client cannot be used together.
    ClientIdentity {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong with them.
        cause: Cause,
    },
    /// This is neither a host name nor an IP address, so no certificate can be for it.
    ServerName {
        /// The name.
        name: String,
    },
    /// The server is at a Unix socket, so its certificate cannot be compared with the name of its host.
    NoServerName {
        /// The address of the server.
        address: String,
    },
    /// The certificate of the server is not signed by an authority that is trusted.
    UnknownAuthority,
    /// The certificate of the server is that of an authority, which may not be the server's own.
    AuthorityAsServer,
    /// The certificate of the server is for other names.
    WrongName {
        /// The name that it had to be for.
        expected: String,
        /// The names that it is for, as far as they are known.
        presented: Vec<String>,
    },
    /// The certificate of the server has expired.
    Expired,
    /// The certificate of the server is not valid yet.
    NotYetValid,
    /// The certificate of the server was refused for another reason.
    Certificate(Cause),
    /// The server answered with something that is not TLS.
    NotTls,
    /// The server closed the connection during the handshake.
    Closed,
    /// The handshake took too long.
    TimedOut,
    /// The server wants a certificate of the client and got none, or none that it accepts.
    ClientCertificate(Cause),
    /// TLS failed for another reason.
    Other(Cause),
}

impl TlsError {
    /// What `rustls` says about a handshake.
    pub(crate) fn of_handshake(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidMessage(_) => TlsError::NotTls,
            error => TlsError::of_rustls(error),
        }
    }

    /// What `rustls` says about a connection.
    pub(crate) fn of_rustls(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => TlsError::of_certificate(error),
            rustls::Error::AlertReceived(alert) if is_about_certificate(alert) => {
                TlsError::ClientCertificate(Cause::from(error))
            }
            error => TlsError::Other(Cause::from(error)),
        }
    }

    fn of_certificate(error: CertificateError) -> Self {
        match error {
            // The second is said of an authority that is called like one that is trusted, but has another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                TlsError::UnknownAuthority
            }
            CertificateError::NotValidForNameContext { expected, presented } => {
                TlsError::WrongName { expected: expected.to_str().into_owned(), presented }
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                TlsError::Expired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsError::NotYetValid
            }
            // It is an error of a crate that `rustls` does not export.
            CertificateError::Other(ref other) if is_authority(other) => {
                TlsError::AuthorityAsServer
            }
            error => TlsError::Certificate(Cause::from(rustls::Error::from(error))),
        }
    }
}

/// Whether the server complains of the client's certificate with this alert.
fn is_about_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::CertificateRequired
            | A::NoCertificate
            | A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
    )
}

fn is_authority(other: &rustls::OtherError) -> bool {
    format!("{other:?}").contains("CaUsedAsEndEntity")
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::File { path, cause } => write!(f, "{}: {cause}", path.display()),
            TlsError::ClientIdentity { certificate, key, cause } => {
                let (certificate, key) = (certificate.display(), key.display());
                write!(f, "{certificate} with the key {key} is no client certificate: {cause}")
            }
            TlsError::ServerName { name } => {
                write!(f, "{name:?} is neither a host name nor an IP address: set server_name")
            }
            TlsError::NoServerName { address } => {
                write!(f, "a certificate cannot be for {address}: set server_name")
            }
            TlsError::UnknownAuthority => f.write_str(
                "the certificate of the server is not signed by a known authority: name the file of \
                 its authority with ca_file",
            ),
            TlsError::AuthorityAsServer => f.write_str(
                "the certificate of the server is that of an authority (CA:TRUE): give the server one \
                 that the authority has signed, with CA:FALSE",
            ),
            TlsError::WrongName { expected, presented } if presented.is_empty() => {
                write!(f, "the certificate of the server is not for {expected}: set server_name")
            }
            TlsError::WrongName { expected, presented } => {
                let names = presented.join(", ");
                write!(f, "the certificate is for {names}, not for {expected}: set server_name")
            }
            TlsError::Expired => f.write_str(
                "the certificate of the server has expired: renew it, and check this machine's clock",
            ),
            TlsError::NotYetValid => f.write_str(
                "the certificate of the server is not valid yet: check this machine's clock",
            ),
            TlsError::Certificate(cause) => {
                write!(f, "the certificate of the server was refused: {cause}")
            }
            TlsError::NotTls => f.write_str(
                "the server does not speak TLS: start memcached with -Z, or connect without TLS",
            ),
            TlsError::Closed => f.write_str(
                "the server closed the connection during the TLS handshake: if it does not speak TLS, \
                 start memcached with -Z, or connect without TLS",
            ),
            TlsError::TimedOut => f.write_str(
                "the TLS handshake took too long: if the server does not speak TLS, start memcached \
                 with -Z, or connect without TLS",
            ),
            TlsError::ClientCertificate(cause) => write!(
                f,
                "the server wants a certificate that it trusts: set client_certificate ({cause})"
            ),
            TlsError::Other(cause) => write!(f, "TLS failed: {cause}"),
        }
    }
}

/// The message has the causes already.
impl Error for TlsError {}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        let kind = match error {
            TlsError::TimedOut => io::ErrorKind::TimedOut,
            TlsError::ServerName { .. } | TlsError::NoServerName { .. } => {
                io::ErrorKind::InvalidInput
            }
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}
