//! Files that are read again while the server runs: on SIGHUP, and when their content changes.
//!
//! The files are read every few seconds. The system's notices of changes do not arrive from
//! network drives and get lost when a file or a link to it is replaced, as certbot and Kubernetes
//! do; a few kilobytes cost nothing to read.

use std::convert::Infallible;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use crate::auth::Authenticator;
use crate::config::KeySource;
use crate::server::tls::Certificate;

/// What is read of a file to see whether it changed.
const FILE_BYTES: u64 = 1024 * 1024;

/// Files that are used together.
pub struct WatchedFiles {
    files: Vec<PathBuf>,
    /// Uses them; what was there before stays in use when that fails. Both results are logged.
    apply: Box<dyn FnMut() -> Result<String, String> + Send>,
    /// What the last look found.
    seen: Content,
    /// What was used, or refused.
    applied: Content,
}

/// A sum of the files' content.
type Content = [u8; 32];

impl WatchedFiles {
    /// Files that are in use as they are now.
    pub fn new(
        files: Vec<PathBuf>,
        apply: impl FnMut() -> Result<String, String> + Send + 'static,
    ) -> Self {
        let now = content(&files);
        Self {
            files,
            apply: Box::new(apply),
            seen: now,
            applied: now,
        }
    }

    /// The file of named keys.
    pub fn keys(source: KeySource, authenticator: Authenticator) -> Option<Self> {
        let file = source.file.clone()?;
        Some(Self::new(vec![file], move || {
            let keys = source
                .read()
                .map_err(|why| format!("the former API keys stay valid: {why}"))?;
            if keys.is_empty() {
                // As a file is while something else replaces it: every client would be cut off.
                return Err("the former API keys stay valid: the key file has none".into());
            }
            let named = keys.named().count();
            let changed = authenticator.replace_keys(keys);
            let (added, removed) = (changed.added, changed.removed);
            Ok(format!(
                "the key file was read again: {named} keys ({added} added, {removed} removed)"
            ))
        }))
    }

    /// The certificate and its key.
    pub fn certificate(certificate: Arc<Certificate>) -> Self {
        Self::new(certificate.files().into(), move || {
            let loaded = certificate.load();
            loaded.map_err(|why| format!("the former certificate stays in use: {why:#}"))?;
            Ok("the certificate was read again".into())
        })
    }

    /// Looks at the files, and uses them if they changed or the operator asked for it. A change
    /// counts when two looks find it alike: before, its writer may not be done.
    fn look(&mut self, asked: bool) {
        let found = content(&self.files);
        let is_whole = std::mem::replace(&mut self.seen, found) == found;
        if asked || (is_whole && found != self.applied) {
            self.applied = found;
            match (self.apply)() {
                Ok(done) => tracing::info!("{done}"),
                Err(why) => tracing::warn!("{why}"),
            }
        }
    }
}

/// Looks at the files every `interval` and on each hangup, and never returns.
pub async fn run(
    mut watched: Vec<WatchedFiles>,
    interval: Duration,
    hangup: &Notify,
) -> Infallible {
    loop {
        let asked = tokio::select! {
            () = hangup.notified() => true,
            () = tokio::time::sleep(interval), if !watched.is_empty() => false,
        };
        if asked {
            tracing::info!(
                files = watched.iter().map(|it| it.files.len()).sum::<usize>(),
                "SIGHUP: the key file and the certificate are read again; settings are read at the start only"
            );
        }
        // A network drive may take its time.
        let looked = tokio::task::spawn_blocking(move || {
            for files in &mut watched {
                files.look(asked);
            }
            watched
        });
        match looked.await {
            Ok(back) => watched = back,
            Err(error) => {
                tracing::error!(%error, "files are not read again any more");
                std::future::pending::<()>().await;
                watched = Vec::new();
            }
        }
    }
}

fn content(files: &[PathBuf]) -> Content {
    let mut sum = Sha256::new();
    for file in files {
        let mut bytes = Vec::new();
        let read = File::open(file)
            .and_then(|file| file.take(FILE_BYTES).read_to_end(&mut bytes))
            .is_ok();
        sum.update([u8::from(read)]);
        sum.update(bytes.len().to_be_bytes());
        sum.update(bytes);
    }
    sum.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    #[test]
    fn a_change_is_used_once_when_two_looks_find_it_alike() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        std::fs::write(&file, "a").unwrap();
        let used = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&used);
        let mut watched = WatchedFiles::new(vec![file.clone()], move || {
            counter.fetch_add(1, Relaxed);
            Err("broken".into())
        });
        let mut look = |asked| {
            watched.look(asked);
            used.load(Relaxed)
        };
        assert_eq!([look(false), look(false)], [0, 0]);
        std::fs::write(&file, "half").unwrap();
        assert_eq!(look(false), 0);
        std::fs::write(&file, "half and whole").unwrap();
        assert_eq!([look(false), look(false), look(false)], [0, 1, 1]);
        std::fs::remove_file(&file).unwrap();
        assert_eq!([look(false), look(false), look(false)], [1, 2, 2]);
        assert_eq!([look(true), look(false)], [3, 3]);
    }
}
