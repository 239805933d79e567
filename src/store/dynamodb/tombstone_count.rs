//! The number of tombstones, for its limits.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::ids::Domain;
use crate::model::time::Timestamp;

/// Seconds between two runs that remove expired tombstones.
const RUN_INTERVAL: i64 = 30;

/// Counts the tombstones that this server wrote. Each server keeps the limits for itself, so
/// several servers may write as many times more. Above a limit, groups end without a tombstone.
#[derive(Debug, Default)]
pub struct TombstoneCount {
    counts: Mutex<Counts>,
    last_run: AtomicI64,
}

#[derive(Debug, Default)]
struct Counts {
    /// Tombstones by the second of their expiry and domain.
    by_expiry: BTreeMap<(i64, Domain), usize>,
    /// Tombstones by domain.
    by_domain: HashMap<Domain, usize>,
    /// All tombstones.
    total: usize,
}

impl Counts {
    fn subtract(&mut self, slot: &(i64, Domain), many: usize) {
        self.total -= many;
        if let Some(count) = self.by_domain.get_mut(&slot.1) {
            *count -= many;
            if *count == 0 {
                self.by_domain.remove(&slot.1);
            }
        }
    }

    fn remove_expired(&mut self, now: i64) {
        while let Some(first) = self.by_expiry.first_entry().filter(|e| e.key().0 < now) {
            let (slot, many) = first.remove_entry();
            self.subtract(&slot, many);
        }
    }

    fn release(&mut self, slot: &(i64, Domain)) {
        // It may have expired meanwhile.
        if let Some(count) = self.by_expiry.get_mut(slot) {
            *count -= 1;
            if *count == 0 {
                self.by_expiry.remove(slot);
            }
            self.subtract(slot, 1);
        }
    }
}

/// Limits of tombstones.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// In the table.
    pub total: usize,
    /// In a domain.
    pub per_domain: usize,
}

/// A reserved slot for a tombstone. Dropping it releases the slot unless the tombstone was
/// written.
#[derive(Debug)]
pub struct TombstoneSlot<'a> {
    count: &'a TombstoneCount,
    slot: Option<(i64, Domain)>,
}

impl TombstoneSlot<'_> {
    /// The tombstone was written.
    pub fn keep(mut self) {
        self.slot = None;
    }
}

impl Drop for TombstoneSlot<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.count.lock().release(&slot);
        }
    }
}

impl TombstoneCount {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves a slot for a tombstone that is kept until `until`, if the quota allows it at
    /// `now`. `existing` is the number of tombstones that the caller found in the domain.
    pub fn reserve(
        &self,
        (domain, until): (&Domain, Timestamp),
        existing: usize,
        quota: Quota,
        now: Timestamp,
    ) -> Option<TombstoneSlot<'_>> {
        let mut counts = self.lock();
        counts.remove_expired(now.seconds());
        let own = counts.by_domain.get(domain).copied().unwrap_or_default();
        if counts.total >= quota.total || own.max(existing) >= quota.per_domain {
            return None;
        }
        let slot = (until.seconds(), domain.clone());
        counts.total += 1;
        *counts.by_domain.entry(domain.clone()).or_default() += 1;
        *counts.by_expiry.entry(slot.clone()).or_default() += 1;
        Some(TombstoneSlot {
            count: self,
            slot: Some(slot),
        })
    }

    /// The number of reserved slots.
    #[cfg(test)]
    pub fn reserved(&self) -> usize {
        self.lock().total
    }

    /// Whether a run is due; if so, the next is due after the interval.
    pub fn run_is_due(&self, now: Timestamp) -> bool {
        let (now, last) = (now.seconds(), self.last_run.load(Ordering::Relaxed));
        let due = (now - last).abs() >= RUN_INTERVAL;
        due && self
            .last_run
            .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Makes the next run due at once.
    pub fn run_again(&self) {
        self.last_run.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
