//! A certificate for a school's own network, made by the server with an authority of its own, for
//! machines that no public authority certifies.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::ring;
use rustls::server::ParsedCertificate;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::model::time::Timestamp;
use crate::server::tls::{self, Certificate};

/// The names that every certificate has.
const THIS_MACHINE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const DAY: Duration = Duration::from_hours(24);
/// How long a certificate lasts: Apple's devices refuse more than 825 days.
const DAYS: u32 = 800;
/// How long before its end it is made anew.
const SPARE_DAYS: u32 = 30;

/// A folder for a certificate, its key, and the authority that clients must trust.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    names: Vec<String>,
}

/// What a folder has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No certificate.
    Empty,
    /// A certificate that has the names and does not end soon.
    Fits,
    /// A certificate that is to be made anew.
    Unfit,
}

impl Folder {
    /// A folder for a certificate of this machine and these names.
    pub fn new(path: &Path, names: &[String]) -> Self {
        let fixed = THIS_MACHINE.into_iter().map(String::from);
        Self {
            path: path.into(),
            names: fixed.chain(names.iter().cloned()).collect(),
        }
    }

    /// The authority's certificate, for clients.
    pub fn authority(&self) -> PathBuf {
        self.path.join("ca.pem")
    }

    /// The same in PEM, if this server made it.
    pub fn authority_pem(&self) -> Option<Arc<str>> {
        std::fs::read_to_string(self.authority())
            .ok()
            .map(Arc::from)
    }

    fn pair(&self) -> [PathBuf; 2] {
        ["cert.pem", "key.pem"].map(|name| self.path.join(name))
    }

    /// The certificate in the folder, which is made there unless one fits.
    pub fn open(&self, now: Timestamp) -> anyhow::Result<Arc<Certificate>> {
        let state = self.state(now)?;
        if state != State::Fits {
            let folder = self.path.display();
            self.make(now)
                .with_context(|| format!("cannot make a certificate in {folder}"))?;
        }
        if state == State::Unfit {
            tracing::warn!(
                "the self-signed certificate was made anew: clients must trust its new ca.pem"
            );
        }
        let [cert, key] = self.pair();
        tls::from_files(&cert, &key)
    }

    /// What is in the folder now.
    pub fn state(&self, now: Timestamp) -> anyhow::Result<State> {
        let [cert, key] = self.pair();
        if !cert.exists() || !key.exists() {
            return Ok(State::Empty);
        }
        tls::from_files(&cert, &key)?;
        let chain = CertificateDer::from_pem_file(&cert)?;
        let parsed = ParsedCertificate::try_from(&chain)?;
        let missing = self.names.iter().find(|name| {
            ServerName::try_from(name.as_str())
                .is_ok_and(|name| verify_server_name(&parsed, &name).is_err())
        });
        if let Ok(authority) = CertificateDer::from_pem_file(self.authority()) {
            let lasts = is_signed(&parsed, authority, now.plus_seconds(seconds(SPARE_DAYS)));
            return Ok(match missing {
                None if lasts => State::Fits,
                _ => State::Unfit,
            });
        }
        // Without an authority beside it, the certificate is not this server's to replace.
        let Some(name) = missing else {
            return Ok(State::Fits);
        };
        anyhow::bail!(
            "the certificate {} is not for {name} and has no ca.pem beside it: name another folder \
             with --tls-self-signed, or serve the certificate with --tls-cert and --tls-key",
            cert.display()
        )
    }

    fn make(&self, now: Timestamp) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.path)?;
        // Devices with a clock that is a little behind take it, too.
        let begin = date_time_ymd(1970, 1, 1) + since_epoch(now).saturating_sub(DAY);
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = (begin, begin + DAY * DAYS);
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "Mesh v2 self-signed authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // The authority's key is not kept: it signs this one certificate and nothing else ever.
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let mut params = CertificateParams::new(self.names.clone())?;
        (params.not_before, params.not_after) = (begin, begin + DAY * DAYS);
        // Apple's devices ask for it.
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "Mesh v2");
        let pair = KeyPair::generate()?;
        let signed = params.signed_by(&pair, &authority)?;
        let [cert, key] = self.pair();
        std::fs::write(self.authority(), authority.pem())?;
        std::fs::write(cert, signed.pem())?;
        write_secret(&key, &pair.serialize_pem())?;
        Ok(())
    }
}

/// Whether the authority signed the certificate and both are valid at this time.
fn is_signed(cert: &ParsedCertificate<'_>, authority: CertificateDer<'_>, at: Timestamp) -> bool {
    let mut roots = RootCertStore::empty();
    let algorithms = ring::default_provider().signature_verification_algorithms;
    roots.add(authority.into_owned()).is_ok() && {
        let at = UnixTime::since_unix_epoch(since_epoch(at));
        verify_server_cert_signed_by_trust_anchor(cert, &roots, &[], at, algorithms.all).is_ok()
    }
}

fn since_epoch(time: Timestamp) -> Duration {
    Duration::from_secs(time.seconds().try_into().unwrap_or_default())
}

fn seconds(days: u32) -> u32 {
    days * 24 * 60 * 60
}

fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn folder(path: &Path, names: &[&str]) -> Folder {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        Folder::new(path, &names)
    }

    #[test]
    fn a_certificate_is_made_once_and_kept() {
        let path = tempfile::tempdir().unwrap();
        let school = folder(path.path(), &["school.local", "192.168.1.10"]);
        assert_eq!(school.state(NOW).unwrap(), State::Empty);
        school.open(NOW).unwrap();
        let first = std::fs::read(path.path().join("cert.pem")).unwrap();
        assert_eq!(school.state(NOW).unwrap(), State::Fits);
        school.open(NOW).unwrap();
        // One with more names than are asked for fits as well.
        folder(path.path(), &[]).open(NOW).unwrap();
        let kept = std::fs::read(path.path().join("cert.pem")).unwrap();
        assert_eq!(kept, first);
        assert!(school.authority().exists());
    }

    #[test]
    fn a_certificate_is_made_anew_for_another_name_and_before_it_ends() {
        let path = tempfile::tempdir().unwrap();
        folder(path.path(), &[]).open(NOW).unwrap();
        let school = folder(path.path(), &["192.168.1.10"]);
        assert_eq!(school.state(NOW).unwrap(), State::Unfit);
        school.open(NOW).unwrap();
        assert_eq!(school.state(NOW).unwrap(), State::Fits);
        let after = |days| NOW.plus_seconds(seconds(days));
        assert_eq!(school.state(after(768)).unwrap(), State::Fits);
        assert_eq!(school.state(after(770)).unwrap(), State::Unfit);
        school.open(after(770)).unwrap();
        assert_eq!(school.state(after(770)).unwrap(), State::Fits);
    }

    #[test]
    fn a_certificate_of_another_authority_is_not_replaced() {
        let path = tempfile::tempdir().unwrap();
        folder(path.path(), &[]).open(NOW).unwrap();
        std::fs::remove_file(path.path().join("ca.pem")).unwrap();
        assert_eq!(folder(path.path(), &[]).state(NOW).unwrap(), State::Fits);
        let error = folder(path.path(), &["school.local"])
            .open(NOW)
            .unwrap_err();
        assert!(error.to_string().contains("school.local"), "{error}");
    }
}
