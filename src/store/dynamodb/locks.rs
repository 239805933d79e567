//! Locks within this server, of groups' heads and of nodes. Joins and removals in one group, reports that
//! lost a conflict, and kept calls of one node run one after the other. This only avoids conflicts and
//! retries; correctness does not depend on it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Unused locks are removed when there are this many.
const CLEANUP_AT: usize = 1_000;

/// One lock for each key in use.
#[derive(Debug)]
pub struct Locks<K> {
    timeout: Duration,
    locks: Mutex<HashMap<K, Weak<Semaphore>>>,
}

impl<K: Clone + Eq + Hash> Locks<K> {
    /// Locks that a call waits for at most `timeout`; then it runs without the lock.
    pub fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            locks: Mutex::default(),
        }
    }

    /// Acquires the key's lock until the permit is dropped; `None` after the timeout.
    pub async fn acquire(&self, key: &K) -> Option<OwnedSemaphorePermit> {
        let permit = self.lock(key).acquire_owned();
        let permit = tokio::time::timeout(self.timeout, permit);
        permit.await.ok()?.ok()
    }

    fn lock(&self, key: &K) -> Arc<Semaphore> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(key).and_then(Weak::upgrade) {
            return lock;
        }
        if locks.len() >= CLEANUP_AT {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::new(Semaphore::new(1));
        locks.insert(key.clone(), Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::group::GroupKey;

    #[tokio::test(start_paused = true)]
    async fn a_key_has_one_permit_at_a_time_and_no_call_waits_for_ever() {
        let locks = Locks::new(Duration::from_secs(8));
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
