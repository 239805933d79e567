//! Counters and resource usage at one time.

use std::sync::atomic::Ordering::Relaxed;

use crate::counters::Counters;
use crate::load::ProcessorTimes;
use crate::process::{Usage, usage};
use crate::report::units::ratio;

/// Counters and resource usage at one time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Nanoseconds since the run began.
    pub at: u64,
    /// Messages published so far.
    pub published: u64,
    /// Messages delivered so far.
    pub delivered: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Events polled so far.
    pub polled: u64,
    /// What the server used, when its process is known.
    pub server: Option<Usage>,
    /// What this tool used.
    pub own: Usage,
    /// What the whole machine used, where that is known.
    pub machine: Option<ProcessorTimes>,
}

impl Sample {
    /// Takes a sample.
    pub fn take(counters: &Counters, server: Option<u32>) -> Self {
        Self {
            at: counters.now(),
            published: counters.published.load(Relaxed),
            delivered: counters.delivered.load(Relaxed),
            delivered_bytes: counters.delivered_bytes.load(Relaxed),
            polled: counters.polled.load(Relaxed),
            server: server.and_then(usage),
            own: usage(std::process::id()).unwrap_or_default(),
            machine: ProcessorTimes::now(),
        }
    }

    /// Seconds since an earlier sample.
    pub fn seconds_since(&self, earlier: &Self) -> f64 {
        ratio(self.at - earlier.at, 1_000_000_000)
    }

    /// CPU seconds that the server used since an earlier sample.
    pub fn server_cpu_since(&self, earlier: &Self) -> Option<f64> {
        Some(self.server?.cpu - earlier.server?.cpu)
    }
}
