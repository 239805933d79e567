//! Retries of attempts that were not applied, with exponential backoff.

use std::time::Duration;

use crate::store::Failure;

/// The longest first pause after a conflict; each next one may be twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// The retries of one call, with exponential backoff.
#[derive(Debug)]
pub struct Backoff {
    left: u32,
    pause: Duration,
}

impl Backoff {
    /// Up to `attempts` attempts.
    pub fn new(attempts: u32) -> Self {
        Self {
            left: attempts,
            pause: FIRST_PAUSE,
        }
    }

    /// Waits a random time before the next attempt; returns the failure after the last one.
    pub async fn wait(&mut self, failure: Failure) -> Result<(), Failure> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return Err(failure);
        }
        tokio::time::sleep(self.pause.mul_f64(random())).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// A random number from 0 to 1: jitter, so that conflicting calls do not conflict again.
fn random() -> f64 {
    let [a, b, ..] = uuid::Uuid::new_v4().into_bytes();
    f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX)
}

/// Retries an attempt until it is applied or refused.
macro_rules! retry {
    ($store:expr, $attempt:expr) => {{
        let mut backoff =
            $crate::store::dynamodb::retry::Backoff::new($store.settings.conflict_attempts);
        loop {
            match $attempt.await {
                Ok(value) => break Ok(value),
                Err($crate::store::dynamodb::attempt_error::AttemptError::Retry(_, failure)) => {
                    backoff.wait(failure).await?;
                }
                Err(error) => break Err($crate::store::Error::from(error)),
            }
        }
    }};
}
pub(super) use retry;
