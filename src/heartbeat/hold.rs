//! The hold after a start (decision D32): clients of a server that ended come back within
//! half a second or so, and whatever is published before is missed by them.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Until when calls that publish wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct StartHold(Option<Instant>);

impl StartHold {
    /// Nothing waits: nobody can be on the way back.
    pub const NONE: Self = Self(None);

    /// Whatever is published waits for `length` from now on.
    pub fn of(length: Duration) -> Self {
        Self(Instant::now().checked_add(length))
    }

    /// Waits until the hold is over.
    pub async fn over(&self) {
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
    async fn everything_waits_for_the_same_moment_and_later_calls_for_none() {
        let begun = Instant::now();
        let hold = StartHold::of(Duration::from_secs(1));
        tokio::time::advance(Duration::from_millis(400)).await;
        hold.over().await;
        assert_eq!(begun.elapsed().as_secs(), 1);
        let after = Instant::now();
        hold.over().await;
        StartHold::NONE.over().await;
        assert_eq!(after.elapsed(), Duration::ZERO);
    }
}
