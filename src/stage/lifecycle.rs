//! The lines of a start and a stop, which a log has at every level but `off`.

use std::time::Instant;

use sha2::{Digest as _, Sha256};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::config::ServeArgs;
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
/// equal digests, on machines with other memory too.
pub fn fingerprint(listing: &str, args: &ServeArgs) -> String {
    let is_computed =
        |line: &str| args.bounds.max_memory.is_none() && line.starts_with("MESH_MAX_MEMORY=");
    let mut digest = Sha256::new();
    for line in listing.lines().filter(|line| !is_computed(line)) {
        digest.update(line);
        digest.update("\n");
    }
    data_encoding::HEXLOWER.encode(&digest.finalize()[..FINGERPRINT_BYTES])
}

impl Lifecycle {
    /// Logs the start of a server with the settings of this listing.
    pub fn start(listing: &str, args: &ServeArgs) -> Self {
        let (settings, stage) = (fingerprint(listing, args), args.stage.name());
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::config::Cli;

    #[test]
    fn the_machines_memory_is_no_part_of_a_fingerprint_and_a_chosen_limit_is() {
        let of = |flags: &[&str], memory: usize| {
            let args = Cli::parse_from([&["mesh-v2"], flags].concat()).serve;
            fingerprint(&format!("STAGE=stg\nMESH_MAX_MEMORY={memory}\n"), &args)
        };
        assert_eq!(of(&[], 1), of(&[], 2));
        let chosen = ["--max-memory=1G"];
        assert_ne!(of(&chosen, 1), of(&chosen, 2));
        assert_ne!(of(&[], 1), of(&chosen, 1));
    }
}
