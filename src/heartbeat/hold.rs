//! The hold after a start (decision D32). Clients of the previous process reconnect within
//! about half a second; they would miss messages published before that.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Until when requests that publish wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct StartHold(Option<Instant>);

impl StartHold {
    /// Nothing waits: no client can be reconnecting.
    pub const NONE: Self = Self(None);

    /// Requests that publish wait until `length` from now.
    pub fn new(length: Duration) -> Self {
        Self(Instant::now().checked_add(length))
    }

    /// Waits until the hold is over.
    pub async fn wait(&self) {
        if let Some(until) = self.0
            && Instant::now() < until
        {
            sleep_until(until).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_wait_until_the_same_time_and_later_calls_do_not_wait() {
        let start = Instant::now();
        let hold = StartHold::new(Duration::from_secs(1));
        tokio::time::advance(Duration::from_millis(400)).await;
        hold.wait().await;
        assert_eq!(start.elapsed().as_secs(), 1);
        let after = Instant::now();
        hold.wait().await;
        StartHold::NONE.wait().await;
        assert_eq!(after.elapsed(), Duration::ZERO);
    }
}
