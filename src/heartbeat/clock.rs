//! The only way to learn the wall clock (clippy forbids the others).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use crate::model::time::Timestamp;

/// The server's clock. Clones share one lever: a test that advances it moves
/// every rule of the stage at once.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead_millis: Arc<AtomicI64>,
    stands_at: Option<Timestamp>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands at the machine's time of now and moves by [`Clock::advance`]
    /// alone: what a test says of time then holds however slow the machine is.
    pub fn standing() -> Self {
        Self {
            stands_at: Some(machine()),
            ..Self::default()
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        let millis = self.stands_at.unwrap_or_else(machine).millis();
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
    reason = "this is the one window to the wall clock"
)]
fn machine() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
