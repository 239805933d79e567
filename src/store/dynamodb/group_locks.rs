//! Locks of groups' heads within this server. Calls of one server that write the same head run
//! one after the other. This only avoids conflicts and retries; correctness does not depend on
//! it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::group::GroupKey;

/// Unused locks are removed when there are this many.
const CLEANUP_AT: usize = 1_000;

/// One lock per group in use.
#[derive(Debug)]
pub struct GroupLocks {
    timeout: Duration,
    locks: Mutex<HashMap<GroupKey, Weak<Semaphore>>>,
}

impl GroupLocks {
    /// Locks that a call waits for at most `timeout`; then it runs without the lock.
    pub fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            locks: Mutex::default(),
        }
    }

    /// Acquires the group's lock until the permit is dropped; `None` after the timeout.
    pub async fn acquire(&self, group: &GroupKey) -> Option<OwnedSemaphorePermit> {
        let permit = self.lock(group).acquire_owned();
        let permit = tokio::time::timeout(self.timeout, permit);
        permit.await.ok()?.ok()
    }

    fn lock(&self, group: &GroupKey) -> Arc<Semaphore> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(group).and_then(Weak::upgrade) {
            return lock;
        }
        if locks.len() >= CLEANUP_AT {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::new(Semaphore::new(1));
        locks.insert(group.clone(), Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_group_has_one_permit_at_a_time_and_no_call_waits_for_ever() {
        let locks = GroupLocks::new(Duration::from_secs(8));
        let [a, b] = ["a", "b"].map(|id| GroupKey::parse(id, "d").unwrap());
        let first = locks.acquire(&a).await;
        assert!(first.is_some());
        assert!(
            locks.acquire(&b).await.is_some(),
            "another group has its own lock"
        );
        assert!(locks.acquire(&a).await.is_none(), "the timeout ends");
        drop(first);
        assert!(locks.acquire(&a).await.is_some());
    }
}
