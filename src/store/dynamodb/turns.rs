//! Turns at a group's room. Calls that meet there would only get in each other's way:
//! those of one server go one after the other. A turn spares tries, and decides nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::group::GroupKey;

/// Queues that nobody stands in are tidied away when there are this many.
const TIDY_AT: usize = 1_000;

/// A queue for each group that anybody queues for.
#[derive(Debug)]
pub struct Turns {
    patience: Duration,
    queues: Mutex<HashMap<GroupKey, Weak<Semaphore>>>,
}

impl Turns {
    /// Nobody queues for longer than `patience`: then a call takes its chance.
    pub fn new(patience: Duration) -> Self {
        Self {
            patience,
            queues: Mutex::default(),
        }
    }

    /// Waits for a turn; it ends when the answer is dropped.
    pub async fn take(&self, group: &GroupKey) -> Option<OwnedSemaphorePermit> {
        let turn = self.queue(group).acquire_owned();
        let turn = tokio::time::timeout(self.patience, turn);
        turn.await.ok()?.ok()
    }

    fn queue(&self, group: &GroupKey) -> Arc<Semaphore> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(group).and_then(Weak::upgrade) {
            return queue;
        }
        if queues.len() >= TIDY_AT {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let queue = Arc::new(Semaphore::new(1));
        queues.insert(group.clone(), Arc::downgrade(&queue));
        queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_group_gives_one_turn_at_a_time_and_nobody_waits_for_ever() {
        let turns = Turns::new(Duration::from_secs(8));
        let [a, b] = ["a", "b"].map(|id| GroupKey::parse(id, "d").unwrap());
        let first = turns.take(&a).await;
        assert!(first.is_some());
        assert!(
            turns.take(&b).await.is_some(),
            "another group's turn is its own"
        );
        assert!(turns.take(&a).await.is_none(), "patience ends");
        drop(first);
        assert!(turns.take(&a).await.is_some());
    }
}
