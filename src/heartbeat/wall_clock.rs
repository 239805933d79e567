//! The server's clock follows the wall clock.
//!
//! Network time moves the wall clock by milliseconds, which the server's clock follows forward
//! only: its time never goes back by that. A larger jump means that the wall clock was set, such
//! as on a machine without a clock of its own, or that the machine slept. Then the store moves
//! the times by which groups and nodes live, so that each has as much time left as before.

use crate::heartbeat::clock::Clock;
use crate::model::time::ClockStep;
use crate::store::{Result, Store};

/// A difference of this many milliseconds is a step.
const STEP_MILLIS: i64 = 1000;

/// Compares the clock with the wall clock and corrects it.
pub async fn follow(store: &dyn Store, clock: &Clock) -> Result<()> {
    let drift = clock.drift();
    if drift.abs() < STEP_MILLIS {
        clock.step(drift.max(0));
        return Ok(());
    }
    // Whole seconds, which the liveness rules count in; the rest is drift.
    let by = drift.div_euclid(1000) * 1000;
    store.clock_stepped(ClockStep::new(clock.now(), by)).await?;
    clock.step(by);
    tracing::warn!(
        seconds = by / 1000,
        "the system's clock was set; groups keep the time that they have left"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::heartbeat::clock::Simulated;
    use crate::model::limits::Limits;
    use crate::model::rules::{Rules, Timings};
    use crate::store::embedded::Embedded;
    use crate::store::suite::class::Class;

    /// A machine with a store.
    struct Machine {
        clocks: Arc<Simulated>,
        clock: Clock,
        store: Embedded,
    }

    impl Machine {
        fn new() -> Self {
            let clocks = Arc::new(Simulated::default());
            clocks.wall.store(1_700_000_000_000, Relaxed);
            Self {
                clock: Clock::simulated(&clocks),
                clocks,
                store: Embedded::in_memory(Rules::new(Timings::STG).unwrap(), Limits::default()),
            }
        }

        fn passes(&self, seconds: i64) {
            self.clocks.wall.fetch_add(seconds * 1000, Relaxed);
            self.clocks.monotonic.fetch_add(seconds * 1000, Relaxed);
        }

        fn wall_clock_is_set(&self, millis: i64) {
            self.clocks.wall.fetch_add(millis, Relaxed);
        }

        async fn follows(&self) {
            follow(&self.store, &self.clock).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_group_lives_on_when_the_wall_clock_is_corrected() {
        let machine = Machine::new();
        let class = Class::new(&machine.store);
        let group = class.created(class.request("h"), machine.clock.now()).await;
        for correction in [3_600_250, -7_200_250, 3_600_000] {
            machine.passes(15);
            class.renews(&group, machine.clock.now()).await;
            machine.wall_clock_is_set(correction);
            machine.follows().await;
            assert!(machine.clock.drift().abs() < STEP_MILLIS);
            let alive = class.listed(machine.clock.now()).await;
            assert_eq!(alive, from_ref(&group.key));
        }
    }

    #[tokio::test]
    async fn small_drift_is_followed_forward_only() {
        let machine = Machine::new();
        for (drift, followed) in [(999, 999), (-999, 0), (1, 0), (999, 1)] {
            let before = machine.clock.now().millis();
            machine.wall_clock_is_set(drift);
            machine.follows().await;
            assert_eq!(machine.clock.now().millis() - before, followed, "{drift}");
        }
    }
}
