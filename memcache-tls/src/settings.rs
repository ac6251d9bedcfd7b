use std::fmt;
use std::path::Path;
use std::sync::Arc;

use memcache_proto::calls::{Config, Error, UrlTls};
use memcache_proto::value::Cause;
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};

use crate::error::TlsError;

/// How a client encrypts its connections: whom it trusts, and who it says it is.
///
/// Without further settings the server needs a certificate that a public authority has signed for the host in
/// the server's address. Inside a company it is usually signed by the company's own authority, whose
/// certificate you name with [`ca_file`](Self::ca_file). TLS 1.3 and 1.2 are spoken, and a connection made later
/// resumes the session of an earlier one where the server allows it.
///
/// Files are read when they are set, so a file that is missing or wrong is found before the client is built.
///
/// ```no_run
/// use memcache_tls::Tls;
///
/// let tls = Tls::new().ca_file("/etc/memcached/ca.pem")?;
/// # Ok::<(), memcache_tls::TlsError>(())
/// ```
///
/// Give it to `Builder::tls` of `memcache-sync` or `memcache-async`.
#[derive(Clone, Default)]
#[must_use]
pub struct Tls {
    pub(crate) roots: Option<RootCertStore>,
    pub(crate) identity: Option<Arc<CertifiedKey>>,
    pub(crate) server_name: Option<ServerName<'static>>,
    pub(crate) config: Option<Arc<ClientConfig>>,
    pub(crate) joined_last_byte: bool,
}

impl Tls {
    /// The default settings.
    pub fn new() -> Self {
        Tls::default()
    }

    /// The settings that a URL has: `memcached+tls://HOST/?tls_ca=PATH&tls_server_name=NAME&tls_cert=PATH&tls_key=PATH`.
    /// A certificate without a key, or a key without a certificate, stands for a file that holds both.
    ///
    /// # Errors
    ///
    /// Those of [`ca_file`](Self::ca_file), [`client_certificate`](Self::client_certificate) and
    /// [`server_name`](Self::server_name).
    pub fn from_url(url: &UrlTls) -> Result<Self, TlsError> {
        let mut tls = Tls::new();
        if let Some(path) = &url.ca {
            tls = tls.ca_file(path)?;
        }
        if let Some((certificate, key)) =
            url.cert.as_ref().or(url.key.as_ref()).zip(url.key.as_ref().or(url.cert.as_ref()))
        {
            tls = tls.client_certificate(certificate, key)?;
        }
        match &url.server_name {
            Some(name) => tls.server_name(name),
            None => Ok(tls),
        }
    }

    /// Takes out how connections are to be encrypted, if they are: as a URL says, whose settings are in `config`, or by
    /// `own`, which are those of a builder. For adapters.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`] if what the URL says cannot be used: see [`from_url`](Self::from_url).
    pub fn take(config: &mut Config, own: Option<Tls>) -> Result<Option<Tls>, Error> {
        match config.tls.take() {
            Some(url) => Tls::from_url(&url).map(Some).map_err(|error| Error::Tls(error.into())),
            None => Ok(own),
        }
    }

    /// Trusts the authorities whose certificates are in this PEM file, and no others. Called again, it adds those
    /// of another file. Default: the authorities that browsers trust, as the crate `webpki-roots` lists them.
    ///
    /// # Errors
    ///
    /// [`TlsError::File`] if the file cannot be read, or holds no certificate or one that is broken.
    pub fn ca_file(mut self, path: impl AsRef<Path>) -> Result<Self, TlsError> {
        let path = path.as_ref();
        let roots = self.roots.get_or_insert_with(RootCertStore::empty);
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| file(path, error))?;
        }
        Ok(self)
    }

    /// Shows this certificate to servers that ask for one. Both files are PEM: the certificate, followed by those
    /// between it and its authority if there are any, and its private key. Default: no certificate.
    ///
    /// # Errors
    ///
    /// [`TlsError::File`] if a file cannot be read, or does not hold what it has to;
    /// [`TlsError::ClientIdentity`] if the key is not the certificate's.
    pub fn client_certificate(
        mut self,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.as_ref(), key.as_ref());
        let chain = certificates(certificate)?;
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| match error {
            pem::Error::NoItemsFound => file(key, "it holds no private key in PEM"),
            error => file(key, error),
        })?;
        let identity = CertifiedKey::from_der(chain, secret, &ring::default_provider());
        let identity = identity.map_err(|error| TlsError::ClientIdentity {
            certificate: certificate.into(),
            key: key.into(),
            cause: Cause::from(error),
        })?;
        self.identity = Some(Arc::new(identity));
        Ok(self)
    }

    /// Has the certificate of each server be for this name or IP address. Default: the host in the server's
    /// address. A server at a Unix socket has no host, so it needs this.
    ///
    /// # Errors
    ///
    /// [`TlsError::ServerName`] if this is neither a host name nor an IP address.
    pub fn server_name(mut self, name: impl Into<String>) -> Result<Self, TlsError> {
        self.server_name = Some(server_name(name.into())?);
        Ok(self)
    }

    /// Has rustls work by this configuration of yours: with another provider of cryptography, a verifier of your
    /// own, or hardware that keeps the key. [`ca_file`](Self::ca_file) and
    /// [`client_certificate`](Self::client_certificate) then have no effect.
    pub fn config(mut self, config: Arc<ClientConfig>) -> Self {
        self.config = Some(config);
        self
    }

    /// Whether the last byte of what is sent at once travels in a TLS record of its own, unless all of it is short.
    /// Default: yes, because memcached may otherwise leave requests unanswered.
    ///
    /// memcached up to 1.6.38 does not look at what OpenSSL has decrypted and not handed out yet. If the value of
    /// a set ends in the middle of a record, the rest of that record waits until the next record comes; after the
    /// last one, it waits for ever. Later versions still do so after a record that does not fit their read buffer.
    /// One byte always fits.
    ///
    /// Set it to `false` for servers that are not memcached. It saves 22 bytes and one encryption per 64 KiB, or
    /// per call if the call sends more than 2 KiB.
    pub fn last_byte_alone(mut self, alone: bool) -> Self {
        self.joined_last_byte = !alone;
        self
    }

    /// The configuration of rustls. Connections that share it resume each other's sessions.
    pub(crate) fn rustls(&self) -> Arc<ClientConfig> {
        if let Some(config) = &self.config {
            return config.clone();
        }
        let roots = self
            .roots
            .clone()
            .unwrap_or_else(|| RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for TLS 1.3 and 1.2")
            .with_root_certificates(roots);
        Arc::new(match self.identity.clone() {
            Some(identity) => {
                let resolver: Arc<dyn ResolvesClientCert> =
                    Arc::new(SingleCertAndKey::from(identity));
                builder.with_client_cert_resolver(resolver)
            }
            None => builder.with_no_client_auth(),
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("own_authorities", &self.roots.as_ref().map(|roots| roots.roots.len()))
            .field("has_client_certificate", &self.identity.is_some())
            .field("server_name", &self.server_name)
            .field("has_config", &self.config.is_some())
            .field("last_byte_alone", &!self.joined_last_byte)
            .finish()
    }
}

pub(crate) fn server_name(name: String) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.clone()).map_err(|_| TlsError::ServerName { name })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => {
            Err(file(path, "it holds no certificate in PEM"))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(file(path, error)),
    }
}

fn file(path: &Path, cause: impl Into<Cause>) -> TlsError {
    TlsError::File { path: path.into(), cause: cause.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_found_when_it_is_set() {
        let directory = std::env::temp_dir().join(format!("memcache-tls-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let empty = directory.join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        let broken = directory.join("broken.pem");
        std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            .unwrap();
        let missing = directory.join("missing.pem");
        let cases = [
            (Tls::new().ca_file(&missing), "missing.pem: "),
            (Tls::new().ca_file(&empty), "empty.pem: it holds no certificate in PEM"),
            (Tls::new().ca_file(&broken), "broken.pem: invalid peer certificate: BadEncoding"),
            (Tls::new().client_certificate(&empty, &missing), "empty.pem: it holds no certificate"),
            (Tls::new().client_certificate(&broken, &missing), "missing.pem: "),
            (Tls::new().client_certificate(&broken, &empty), "empty.pem: it holds no private key"),
            (Tls::new().server_name("no name"), "\"no name\" is neither a host name nor an IP"),
        ];
        for (made, message) in cases {
            let error = made.expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn names_and_addresses_are_server_names() {
        for name in ["localhost", "cache.example.org", "127.0.0.1", "::1"] {
            assert!(Tls::new().server_name(name).is_ok(), "{name}");
        }
    }
}
