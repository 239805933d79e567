//! The certificates that the suite's clients trust: the system's, `SSL_CERT_FILE` and `MESH_TEST_CA`.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

pub fn tls() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Ok(file) = std::env::var("MESH_TEST_CA") {
        add(
            &mut roots,
            &std::fs::read(file).expect("MESH_TEST_CA names a file"),
        );
    }
    config(roots)
}

/// Trusts what is signed by these certificates in PEM and nothing else.
pub fn only(pem: &[u8]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    add(&mut roots, pem);
    config(roots)
}

pub fn client(endpoint: &str) -> reqwest::Client {
    // Without TLS no certificates are read: the system's take time.
    let secure = endpoint.starts_with("https");
    let config = if secure {
        tls()
    } else {
        config(RootCertStore::empty())
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .no_proxy()
        .build()
        .expect("an HTTP client")
}

fn add(roots: &mut RootCertStore, pem: &[u8]) {
    let certificates = CertificateDer::pem_slice_iter(pem);
    let (added, _) = roots.add_parsable_certificates(certificates.map(|c| c.expect("PEM")));
    assert!(added > 0, "a certificate to trust");
}

fn config(roots: RootCertStore) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
