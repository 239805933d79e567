//! The number of groups, for its limit.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::model::error::ClientError;
use crate::model::origin::{Network, Origin};
use crate::store::dynamodb::attempt_error::AttemptError;

/// The approximate number of groups in the table, and from each site: counted once a minute, and
/// updated in between by this server's own groups. So one server enforces the limits exactly;
/// several may exceed them by the groups that the others created within a minute. Where no reaper
/// runs, a group whose host fell silent counts until it expires.
#[derive(Debug)]
pub struct GroupCount {
    known: Mutex<Option<(Counted, Instant)>>,
    counting: Semaphore,
}

/// The number of groups.
#[derive(Debug, Default)]
pub struct Counted {
    all: usize,
    by_site: HashMap<Network, usize>,
}

impl Counted {
    /// Counts a group.
    pub fn add(&mut self, origin: Option<Origin>) {
        self.all += 1;
        if let Some(origin) = origin {
            *self.by_site.entry(origin.site).or_default() += 1;
        }
    }

    fn remove(&mut self, origin: Option<Origin>) {
        self.all = self.all.saturating_sub(1);
        let site = origin.and_then(|origin| self.by_site.get_mut(&origin.site));
        if let Some(groups) = site {
            *groups = groups.saturating_sub(1);
        }
    }

    fn of(&self, origin: Option<Origin>) -> usize {
        let site = origin.and_then(|origin| self.by_site.get(&origin.site));
        site.copied().unwrap_or(0)
    }
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

    fn lock(&self) -> MutexGuard<'_, Option<(Counted, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a new group from `origin` if `admit` admits it by the numbers of all groups and of
    /// those from its site. Runs `count` first if the last count is too old; concurrent calls
    /// wait for that.
    pub async fn reserve<C>(
        &self,
        origin: Option<Origin>,
        count: C,
        admit: impl FnOnce(usize, usize) -> Result<(), ClientError> + Send,
    ) -> Result<(), AttemptError>
    where
        C: Future<Output = Result<Counted, AttemptError>>,
    {
        let _permit = self.counting.acquire().await;
        let is_valid = |at: Instant| at.elapsed() < Self::VALID_FOR;
        if !self.lock().as_ref().is_some_and(|(_, at)| is_valid(*at)) {
            let counted = count.await?;
            *self.lock() = Some((counted, Instant::now()));
        }
        let mut known = self.lock();
        let (groups, _) = known.get_or_insert_with(|| (Counted::default(), Instant::now()));
        admit(groups.all, groups.of(origin))?;
        groups.add(origin);
        Ok(())
    }

    /// Counts a group less: it ended, or its creation failed.
    pub fn release(&self, origin: Option<Origin>) {
        if let Some((counted, _)) = &mut *self.lock() {
            counted.remove(origin);
        }
    }
}
