//! The number of groups, for its limit.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::model::error::ClientError;
use crate::model::origin::{Network, Origin};
use crate::model::time::Timestamp;
use crate::store::dynamodb::attempt_error::AttemptError;
use crate::store::dynamodb::items::group::GroupRecord;

/// The approximate number of groups in the table, and from each site: counted once a minute, and
/// updated in between by this server's own groups. So one server enforces the limits exactly;
/// several may exceed them by the groups that the others created within a minute.
#[derive(Debug)]
pub struct GroupCount {
    known: Mutex<Option<(Counted, Timestamp)>>,
    counting: Semaphore,
}

/// The number of groups.
#[derive(Debug, Default)]
pub struct Counted {
    all: usize,
    by_site: HashMap<Network, usize>,
    /// Groups that were found dead, which are not counted.
    dead: Vec<GroupRecord>,
}

/// Dead groups that are kept to be ended.
const DEAD_KEPT: usize = 1_000;

impl Counted {
    /// Counts a group.
    pub fn add(&mut self, origin: Option<Origin>) {
        self.all += 1;
        if let Some(origin) = origin {
            *self.by_site.entry(origin.site).or_default() += 1;
        }
    }

    /// Keeps dead groups, which later calls end.
    pub fn keep_dead(&mut self, dead: Vec<GroupRecord>) {
        self.dead = dead;
        self.dead.truncate(DEAD_KEPT);
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
    /// How many seconds a count is valid.
    const VALID_FOR: i64 = 60;

    /// No count yet.
    pub fn new() -> Self {
        Self {
            known: Mutex::default(),
            counting: Semaphore::new(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Counted, Timestamp)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a new group from `origin` if `admit` admits it by the numbers of all groups and of
    /// those from its site. Runs `count` first if the last count is too old; concurrent calls
    /// wait for that.
    pub async fn reserve<C>(
        &self,
        origin: Option<Origin>,
        now: Timestamp,
        count: C,
        admit: impl FnOnce(usize, usize) -> Result<(), ClientError> + Send,
    ) -> Result<(), AttemptError>
    where
        C: Future<Output = Result<Counted, AttemptError>>,
    {
        let _permit = self.counting.acquire().await;
        let is_valid = |at: Timestamp| (now.seconds() - at.seconds()).abs() < Self::VALID_FOR;
        if !self.lock().as_ref().is_some_and(|(_, at)| is_valid(*at)) {
            let counted = count.await?;
            *self.lock() = Some((counted, now));
        }
        let mut known = self.lock();
        let (groups, _) = known.get_or_insert_with(|| (Counted::default(), now));
        admit(groups.all, groups.of(origin))?;
        groups.add(origin);
        Ok(())
    }

    /// Up to `most` groups that the last count found dead.
    pub fn take_dead(&self, most: usize) -> Vec<GroupRecord> {
        let mut known = self.lock();
        let Some((counted, _)) = &mut *known else {
            return Vec::new();
        };
        let rest = counted.dead.len().saturating_sub(most);
        counted.dead.split_off(rest)
    }

    /// Counts a group less: it ended, or its creation failed.
    pub fn release(&self, origin: Option<Origin>) {
        if let Some((counted, _)) = &mut *self.lock() {
            counted.remove(origin);
        }
    }
}
