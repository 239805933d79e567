//! The sockets on which a server listens, and what to do when one cannot be opened.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::config::{ServeArgs, Unusable};
use crate::heartbeat::clock::Clock;
use crate::server::Listeners;
use crate::server::self_signed;
use crate::server::tls::{self, Certificate};

/// Opens the listeners of the settings, and returns with them the certificate that is served.
pub async fn open(args: &ServeArgs) -> anyhow::Result<(Listeners, Option<Arc<Certificate>>)> {
    let plain = bind(args.listen, "--listen").await?;
    let certificate = certificate(args)?;
    let tls = match (args.tls.tls_listen, &certificate) {
        (None, _) => None,
        (Some(address), Some(certificate)) => {
            let config = certificate.config()?;
            Some((bind(address, "--tls-listen").await?, config))
        }
        (Some(_), None) => anyhow::bail!(Unusable::NoCertificate),
    };
    let public = match (args.public_address(), &args.public.public) {
        (Some(address), Some(folder)) => {
            is_public(folder, args)?;
            Some((bind(address, "--public-listen").await?, folder.clone()))
        }
        _ => None,
    };
    let metrics = match args.metrics_listen {
        Some(address) => Some(bind(address, "--metrics-listen").await?),
        None => None,
    };
    let listeners = Listeners {
        plain,
        tls,
        public,
        metrics,
    };
    Ok((listeners, certificate))
}

/// The certificate that is served, if there is one.
fn certificate(args: &ServeArgs) -> anyhow::Result<Option<Arc<Certificate>>> {
    let tls = &args.tls;
    if tls.tls_listen.is_none() {
        return Ok(None);
    }
    match (&tls.tls_cert, &tls.tls_key, &tls.tls_self_signed) {
        (Some(cert), Some(key), _) => tls::from_files(cert, key).map(Some),
        (_, _, Some(folder)) => {
            let folder = self_signed::Folder::new(folder, &tls.tls_names);
            folder.open(Clock::system().now()).map(Some)
        }
        _ => Ok(None),
    }
}

/// The authority of the certificate that is served, if the server made both.
pub fn authority(args: &ServeArgs) -> Option<Arc<str>> {
    let tls = &args.tls;
    let folder = tls.tls_self_signed.as_deref();
    let folder = folder.filter(|_| tls.tls_listen.is_some() && tls.tls_cert.is_none())?;
    self_signed::Folder::new(folder, &tls.tls_names).authority_pem()
}

/// Checks that a folder of pages can be read and has none of the server's own files in it.
pub fn is_public(folder: &Path, args: &ServeArgs) -> anyhow::Result<()> {
    let shown = folder.display();
    let canonical = folder
        .canonicalize()
        .and_then(|path| std::fs::read_dir(&path).map(|_| path));
    let canonical = canonical
        .with_context(|| format!("cannot read {shown}: name a folder of pages with --public"))?;
    let (access, tls) = (&args.access, &args.tls);
    let own = [
        Some(&args.store.data),
        access.keys.as_ref(),
        tls.tls_self_signed.as_ref(),
        tls.tls_key.as_ref(),
        args.env_file.as_ref(),
    ];
    for path in own.into_iter().flatten() {
        let path = path.canonicalize().or_else(|_| std::path::absolute(path))?;
        anyhow::ensure!(
            !path.starts_with(&canonical) && !canonical.starts_with(&path),
            "{} would be served with the pages of {shown}: keep them apart, and name the pages' folder \
             with --public",
            path.display()
        );
    }
    Ok(())
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| {
        let hint = hint(&error, address, flag);
        anyhow::Error::new(error).context(hint)
    })
}

/// What to do when an address cannot be listened on.
pub fn hint(error: &std::io::Error, address: SocketAddr, flag: &str) -> String {
    let why = match error.kind() {
        ErrorKind::AddrInUse => "another program uses it; choose another port",
        ErrorKind::PermissionDenied => {
            "ports below 1024 need a permission (on Linux CAP_NET_BIND_SERVICE); give it, or choose \
             a higher port"
        }
        ErrorKind::AddrNotAvailable => {
            "this machine has no such address; choose one of its own, or :PORT for all"
        }
        _ => "choose another address",
    };
    format!("cannot listen on {address}: {why} with {flag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_hint() {
        let address: SocketAddr = "127.0.0.1:80".parse().unwrap();
        for (kind, word) in [
            (ErrorKind::AddrInUse, "another program"),
            (ErrorKind::PermissionDenied, "CAP_NET_BIND_SERVICE"),
            (ErrorKind::AddrNotAvailable, "no such address"),
            (ErrorKind::Other, "another address"),
        ] {
            let hint = hint(&kind.into(), address, "--listen");
            assert!(hint.contains(word) && hint.contains("--listen"), "{hint}");
        }
    }
}
