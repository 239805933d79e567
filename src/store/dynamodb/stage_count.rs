//! How many groups there are, for the bound on them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::store::dynamodb::attempt_error::AttemptError;

/// How many groups the stage has, as far as this server knows: counted now and then,
/// and kept up in between with what happens here. So the stage's bound is kept exactly
/// by one server, and by several within what the others made in a minute.
#[derive(Debug)]
pub struct StageCount {
    known: Mutex<Option<(usize, Instant)>>,
    counting: Semaphore,
}

impl StageCount {
    /// How long a count is believed.
    const BELIEVED: Duration = Duration::from_mins(1);

    /// Nothing is known yet.
    pub fn unknown() -> Self {
        Self {
            known: Mutex::default(),
            counting: Semaphore::new(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(usize, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a new group if there are less than `most`, beside `leaving` that
    /// end with it. Counts first if need be; others wait for that.
    pub async fn enter<C>(
        &self,
        most: usize,
        leaving: usize,
        count: C,
    ) -> Result<bool, AttemptError>
    where
        C: Future<Output = Result<(usize, usize), AttemptError>>,
    {
        let _turn = self.counting.acquire().await;
        let believed = self.lock().filter(|(_, at)| at.elapsed() < Self::BELIEVED);
        if believed.is_none() {
            let (counted, _) = count.await?;
            *self.lock() = Some((counted, Instant::now()));
        }
        let mut known = self.lock();
        let (groups, _) = known.get_or_insert((0, Instant::now()));
        let enters = groups.saturating_sub(leaving) < most;
        *groups += usize::from(enters);
        Ok(enters)
    }

    /// A group is no more, or was not made after all.
    pub fn leave(&self) {
        if let Some((count, _)) = &mut *self.lock() {
            *count = count.saturating_sub(1);
        }
    }
}
