//! The certificate that is served, and its replacement while the server runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate with its key, which may be replaced while the server runs. Connections that are
/// open stay as they are.
#[derive(Debug)]
pub struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// The PEM files of the chain and of the key.
    pub fn files(&self) -> [PathBuf; 2] {
        [self.cert.clone(), self.key.clone()]
    }

    /// Reads the files again. When they cannot be used, the certificate stays as it was.
    pub fn load(&self) -> anyhow::Result<()> {
        let loaded = read(&self.cert, &self.key, &self.provider)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(loaded);
        Ok(())
    }

    /// TLS with this certificate.
    pub fn config(self: &Arc<Self>) -> anyhow::Result<Arc<ServerConfig>> {
        let provider = Arc::clone(&self.provider);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("cannot set up TLS")?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Self>::clone(self));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

/// The certificate chain and key in these PEM files.
pub fn from_files(cert: &Path, key: &Path) -> anyhow::Result<Arc<Certificate>> {
    let provider = Arc::new(ring::default_provider());
    let loaded = read(cert, key, &provider)?;
    Ok(Arc::new(Certificate {
        cert: cert.into(),
        key: key.into(),
        provider,
        current: RwLock::new(Arc::new(loaded)),
    }))
}

fn read(cert: &Path, key: &Path, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read the certificate {}", cert.display()))?;
    anyhow::ensure!(
        !chain.is_empty(),
        "there is no certificate in {}",
        cert.display()
    );
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read the key {}", key.display()))?;
    CertifiedKey::from_der(chain, key, provider)
        .context("the certificate and the key do not fit each other")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;
    use crate::server::self_signed::Folder;

    fn self_signed(folder: &Path) -> anyhow::Result<Arc<Certificate>> {
        Folder::new(folder, &[]).open(Timestamp::from_seconds(1_800_000_000))
    }

    #[test]
    fn a_certificate_is_replaced_by_one_that_fits_and_by_no_other() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let certificate = self_signed(folder.path()).unwrap();
        self_signed(other.path()).unwrap();
        let served = || certificate.current.read().unwrap().cert.clone();
        let copy = |name| std::fs::copy(other.path().join(name), folder.path().join(name));
        let first = served();
        copy("cert.pem").unwrap();
        let error = certificate.load().unwrap_err();
        assert!(error.to_string().contains("do not fit"), "{error}");
        std::fs::write(folder.path().join("cert.pem"), "").unwrap();
        let error = certificate.load().unwrap_err();
        assert!(error.to_string().contains("cert.pem"), "{error}");
        assert_eq!(served(), first);
        copy("cert.pem").unwrap();
        copy("key.pem").unwrap();
        certificate.load().unwrap();
        assert_ne!(served(), first);
    }

    #[test]
    fn a_missing_certificate_is_named() {
        let error = from_files(Path::new("no/cert.pem"), Path::new("no/key.pem")).unwrap_err();
        assert!(error.to_string().contains("no/cert.pem"), "{error}");
    }
}
