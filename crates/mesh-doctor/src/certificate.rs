//! TLS with the system's certificate authorities. It keeps what it saw of a certificate, also when
//! it does not accept it: the issuer names the filter that opens a connection.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio_rustls::TlsConnector;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Name};

use crate::answer::plain;
use crate::facts::{Certificate, Distrust, Failure};

/// Names of a certificate that are shown.
const NAMES: usize = 8;

/// Checks certificates and keeps the last one.
#[derive(Debug)]
struct Recorder {
    verifier: Arc<WebPkiServerVerifier>,
    seen: Arc<Mutex<Option<Certificate>>>,
}

/// What connections over TLS need.
#[derive(Clone)]
pub struct Tls {
    /// Opens connections.
    pub connector: TlsConnector,
    seen: Arc<Mutex<Option<Certificate>>>,
}

impl Tls {
    /// Trusts the system's authorities, those of `SSL_CERT_FILE`, and those of a file in PEM.
    pub fn new(ca: Option<&Path>) -> anyhow::Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(file) = ca {
            let of_file = || format!("cannot read certificates from {}", file.display());
            let certificates = CertificateDer::pem_file_iter(file).with_context(of_file)?;
            let (added, _) = roots.add_parsable_certificates(certificates.flatten());
            ensure!(added > 0, "{} has no certificate in PEM", file.display());
        }
        ensure!(
            !roots.is_empty(),
            "this system trusts no certificate authority: name a file with --ca"
        );
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let seen = Arc::default();
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
        let recorder = Recorder {
            verifier: verifier.build()?,
            seen: Arc::clone(&seen),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(recorder))
            .with_no_client_auth();
        Ok(Self {
            connector: Arc::new(config).into(),
            seen,
        })
    }

    /// The certificate of the last handshake.
    pub fn certificate(&self) -> Option<Certificate> {
        self.seen.lock().expect("no panic").clone()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.seen.lock().expect("no panic") = read(end_entity);
        let verifier = &self.verifier;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Why a handshake failed.
pub fn failure(error: &std::io::Error) -> Failure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let Some(Error::InvalidCertificate(why)) = inner else {
        return Failure::Tls(error.to_string());
    };
    Failure::Certificate(match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Distrust::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Distrust::NotYet
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Distrust::Name
        }
        _ => Distrust::Issuer,
    })
}

fn read(der: &CertificateDer<'_>) -> Option<Certificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|names| names.value.general_names.iter().filter_map(name));
    Some(Certificate {
        issuer: issuer(certificate.issuer()),
        names: names.into_iter().flatten().take(NAMES).collect(),
        until: Timestamp::from_second(certificate.validity().not_after.timestamp()).ok(),
    })
}

/// The issuer's organisation and name: filters put their product's name into either.
fn issuer(issuer: &X509Name<'_>) -> String {
    let organisation = issuer.iter_organization().next();
    let name = issuer.iter_common_name().next();
    let parts = [organisation, name].into_iter().flatten();
    let parts: Vec<_> = parts
        .filter_map(|part| part.as_str().ok().map(plain))
        .collect();
    if parts.is_empty() {
        return "?".into();
    }
    parts.join(", ")
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(plain(name)),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or(v6).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}
