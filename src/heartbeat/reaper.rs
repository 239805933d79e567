//! Removes what expired, in the store, which publishes each group's end (decision D7), and in the
//! hub.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::heartbeat::clock::Clock;
use crate::heartbeat::wall_clock;
use crate::hub::Hub;
use crate::store::{Error, Result, Store};

/// Time between two runs. Subscribers are notified within this and the second of grace in the
/// rules, so within decision D7's two seconds.
const INTERVAL: Duration = Duration::from_millis(500);
const _: () = assert!(INTERVAL.as_millis() < 1000, "decision D7");

/// Removes what expired.
pub async fn reap(store: &dyn Store, clock: &Clock) -> Result<usize> {
    let ended = store.reap(clock.now()).await?;
    for end in &ended {
        tracing::info!(group = %end.group.id, reason = ?end.reason, "group ended");
    }
    Ok(ended.len())
}

/// Runs until `stop` is cancelled.
pub async fn run(store: &dyn Store, hub: &Hub, clock: &Clock, stop: CancellationToken) {
    let mut tick = tokio::time::interval(INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {
                if let Err(error) = wall_clock::follow(store, clock).await {
                    tracing::warn!(%error, "could not follow the system's clock");
                }
                hub.sweep();
                match reap(store, clock).await {
                    Ok(_) => {}
                    Err(Error::Failed(failure)) => tracing::warn!(error = failure.with_causes(), "could not reap"),
                    Err(Error::Refused(error)) => tracing::warn!(%error, "could not reap"),
                }
            }
        }
    }
}
