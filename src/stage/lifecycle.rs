//! The lines of a start and a stop, which a log has at every level but `off`.

use std::time::Instant;

use sha2::{Digest as _, Sha256};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::stage::VERSION;

/// The target of these lines, with a directive of its own in each filter.
const TARGET: &str = module_path!();
/// Bytes of a settings' digest that are shown.
const FINGERPRINT_BYTES: usize = 6;

/// The run of a server, as its log shows it.
pub struct Lifecycle {
    settings: String,
    began: Instant,
}

/// Lets a start and a stop through a filter that shows anything.
pub fn admit(filter: EnvFilter) -> EnvFilter {
    if filter.max_level_hint() == Some(LevelFilter::OFF) {
        return filter;
    }
    let directive = format!("{TARGET}=info");
    filter.add_directive(directive.parse().expect("a directive"))
}

/// A short digest of the effective settings, which are listed without secrets: equal settings have
/// equal digests.
pub fn fingerprint(listing: &str) -> String {
    let digest = Sha256::digest(listing.as_bytes());
    data_encoding::HEXLOWER.encode(&digest[..FINGERPRINT_BYTES])
}

impl Lifecycle {
    /// Logs the start of a server with the settings of this listing.
    pub fn start(listing: &str, stage: &'static str) -> Self {
        let settings = fingerprint(listing);
        tracing::info!(target: TARGET, version = VERSION, stage, settings, "starting");
        Self {
            settings,
            began: Instant::now(),
        }
    }

    /// Logs its stop.
    pub fn stop(self) {
        let (settings, seconds) = (self.settings, self.began.elapsed().as_secs());
        tracing::info!(target: TARGET, version = VERSION, settings, seconds, "stopped");
    }
}
