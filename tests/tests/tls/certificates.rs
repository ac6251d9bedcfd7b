//! Certificates made for one test, in files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd,
};

/// An authority, and what it has signed; removed when this is dropped.
pub(crate) struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    /// | file | is |
    /// |---|---|
    /// | `ca` | an authority |
    /// | `server` | signed by it, for `localhost` and the loopback addresses |
    /// | `elsewhere` | signed by it, for `cache.example.org` |
    /// | `expired` | signed by it, for `localhost` and the loopback addresses, until 2001 |
    /// | `client` | signed by it, for a client |
    /// | `other` | another authority |
    /// | `namesake` | another authority that is called `ca` |
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("memcache-certificates-{}-{number}", process::id());
        let certificates = Certificates { directory: std::env::temp_dir().join(name) };
        fs::create_dir(&certificates.directory).expect("a new directory");

        let here = ["localhost", "127.0.0.1", "::1"];
        let authority = certificates.authority("ca", "ca");
        certificates.authority("other", "other");
        certificates.authority("namesake", "ca");
        certificates.signed("server", params(&here), &authority);
        certificates.signed("elsewhere", params(&["cache.example.org"]), &authority);
        let mut expired = params(&here);
        expired.not_before = date_time_ymd(2000, 1, 1);
        expired.not_after = date_time_ymd(2001, 1, 1);
        certificates.signed("expired", expired, &authority);
        let mut client = params(&["client"]);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        certificates.signed("client", client, &authority);
        certificates
    }

    /// The file of a certificate.
    pub(crate) fn pem(&self, name: &str) -> PathBuf {
        self.directory.join(name).with_extension("pem")
    }

    /// The file of its key.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.directory.join(name).with_extension("key")
    }

    fn authority(&self, file: &str, name: &str) -> Issuer<'static, KeyPair> {
        let mut params = named(name, params(&[]));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        self.write(file, &certificate, &key);
        Issuer::new(params, key)
    }

    fn signed(&self, name: &str, params: CertificateParams, authority: &Issuer<'_, KeyPair>) {
        let key = KeyPair::generate().expect("a key");
        let certificate = named(name, params).signed_by(&key, authority).expect("a certificate");
        self.write(name, &certificate, &key);
    }

    fn write(&self, name: &str, certificate: &Certificate, key: &KeyPair) {
        let write = |path: &Path, text| fs::write(path, text).expect("written");
        write(&self.pem(name), certificate.pem());
        write(&self.key(name), key.serialize_pem());
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
    CertificateParams::new(names).expect("names")
}

/// A certificate whose subject is that of its issuer passes for self-signed.
fn named(name: &str, mut params: CertificateParams) -> CertificateParams {
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
