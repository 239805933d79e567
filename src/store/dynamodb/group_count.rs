//! The number of groups, for its limit.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::store::dynamodb::attempt_error::AttemptError;

/// The approximate number of groups in the table: counted once a minute, and updated in between
/// by this server's own groups. So one server enforces the limit exactly;
/// several may exceed it by the groups that the others created within a minute.
#[derive(Debug)]
pub struct GroupCount {
    known: Mutex<Option<(usize, Instant)>>,
    counting: Semaphore,
}

impl GroupCount {
    /// How long a count is valid.
    const VALID_FOR: Duration = Duration::from_mins(1);

    /// No count yet.
    pub fn new() -> Self {
        Self {
            known: Mutex::default(),
            counting: Semaphore::new(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(usize, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a new group if there are fewer than `limit` groups without the `leaving` ones;
    /// returns whether it did. Runs `count` first if the last count is too old; concurrent calls
    /// wait for that.
    pub async fn reserve<C>(
        &self,
        limit: usize,
        leaving: usize,
        count: C,
    ) -> Result<bool, AttemptError>
    where
        C: Future<Output = Result<(usize, usize), AttemptError>>,
    {
        let _permit = self.counting.acquire().await;
        let valid = self.lock().filter(|(_, at)| at.elapsed() < Self::VALID_FOR);
        if valid.is_none() {
            let (counted, _) = count.await?;
            *self.lock() = Some((counted, Instant::now()));
        }
        let mut known = self.lock();
        let (groups, _) = known.get_or_insert((0, Instant::now()));
        let fits = groups.saturating_sub(leaving) < limit;
        *groups += usize::from(fits);
        Ok(fits)
    }

    /// Counts a group less: it ended, or its creation failed.
    pub fn release(&self) {
        if let Some((count, _)) = &mut *self.lock() {
            *count = count.saturating_sub(1);
        }
    }
}
