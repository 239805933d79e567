//! The only source of wall-clock time (clippy forbids the others).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use crate::model::time::Timestamp;

/// The server's clock. Clones share one offset, so a test that advances it affects the whole
/// server.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead_millis: Arc<AtomicI64>,
    fixed_at: Option<Timestamp>,
}

impl Clock {
    /// The system clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that starts at the system time and is moved only by [`Clock::advance`], so that
    /// tests do not depend on the machine's speed.
    pub fn fixed() -> Self {
        Self {
            fixed_at: Some(system_time()),
            ..Self::default()
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        let millis = self.fixed_at.unwrap_or_else(system_time).millis();
        Timestamp::from_millis(millis + self.ahead_millis.load(Ordering::Relaxed))
    }

    /// Moves this clock ahead.
    pub fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.ahead_millis.fetch_add(millis, Ordering::Relaxed);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the only place that reads the wall clock"
)]
fn system_time() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
