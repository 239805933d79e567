//! When the journal is rewritten.

use std::time::{Duration, Instant};

/// The journal is not rewritten for its size below this.
const MIN_BYTES: u64 = 4 * 1024 * 1024;
/// Time until a rewriting that failed is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// When the journal is rewritten.
#[derive(Debug)]
pub struct Schedule {
    /// Half of the time within which ended data must be erased.
    erase_after: Duration,
    limit: u64,
    erase_at: Option<Instant>,
    not_before: Option<Instant>,
}

impl Schedule {
    /// Data of an ended group is erased within `erase_after`; `ended` if there is such data.
    pub fn new(erase_after: Duration, ended: bool) -> Self {
        Self {
            erase_after: erase_after / 2,
            limit: MIN_BYTES,
            erase_at: ended.then(Instant::now),
            not_before: None,
        }
    }

    /// A group or a tombstone was removed: its data is in the journal.
    pub fn removed(&mut self, removed: Instant) {
        let erase_at = removed + self.erase_after;
        self.erase_at.get_or_insert(erase_at);
    }

    /// Whether a journal of `bytes` is to be rewritten now.
    pub fn is_due(&self, bytes: u64) -> bool {
        let now = Instant::now();
        let erase = self.erase_at.is_some_and(|at| at <= now);
        (erase || bytes > self.limit) && self.not_before.is_none_or(|at| at <= now)
    }

    /// The journal was rewritten and has `bytes` now.
    pub fn done(&mut self, bytes: u64) {
        self.limit = MIN_BYTES.max(bytes * 2);
        self.erase_at = None;
        self.not_before = None;
    }

    /// The journal could not be rewritten.
    pub fn failed(&mut self) {
        self.not_before = Some(Instant::now() + RETRY);
        // What ended is still in the journal.
        self.erase_at.get_or_insert_with(Instant::now);
    }
}
