//! Tidies what has expired and tells a group's end to its listeners (decision D7).

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::heartbeat::clock::Clock;
use crate::hub::Hub;
use crate::model::message::{Dissolution, Message};
use crate::store::{Error, Result, Store};

/// How often the reaper looks: a group's end is told within this and the second of
/// grace that the rules give, which keeps decision D7's two seconds.
const EVERY: Duration = Duration::from_millis(500);
const _: () = assert!(EVERY.as_millis() < 1000, "decision D7");

/// One look: forgets what has expired and tells each group's end once.
pub async fn reap(store: &dyn Store, hub: &Hub, clock: &Clock) -> Result<usize> {
    let ended = store.reap(clock.now()).await?;
    for end in &ended {
        tracing::info!(group = %end.group.id, why = ?end.end, "group ended");
        hub.publish(&Message::Dissolved(Dissolution::by_end(
            end.group.clone(),
            end.end,
        )));
    }
    Ok(ended.len())
}

/// Looks until it is told to stop.
pub async fn run(store: &dyn Store, hub: &Hub, clock: &Clock, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {
                match reap(store, hub, clock).await {
                    Ok(_) => {}
                    Err(Error::Failed(failure)) => tracing::warn!(error = failure.whole(), "could not reap"),
                    Err(Error::Refused(refusal)) => tracing::warn!(%refusal, "could not reap"),
                }
            }
        }
    }
}
