//! What was done with the journal, counted where it is done.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::metrics::JournalFigures;

/// Counters of a folder's journal. One thread at most writes, and one syncs.
#[derive(Debug)]
pub struct JournalCounters {
    began: Instant,
    bytes: AtomicU64,
    written: AtomicU64,
    syncs: AtomicU64,
    sync_micros: AtomicU64,
    rewrites: AtomicU64,
    /// Microseconds from the beginning to the first change that is not synced; 0 without one.
    unsynced_since: AtomicU64,
    /// The same for the first change after the sync began that is under way; 0 without one.
    written_meanwhile: AtomicU64,
}

impl JournalCounters {
    /// Counters of a journal of so many bytes, which are on the disk.
    pub fn new(bytes: u64) -> Self {
        Self {
            began: Instant::now(),
            bytes: bytes.into(),
            written: AtomicU64::default(),
            syncs: AtomicU64::default(),
            sync_micros: AtomicU64::default(),
            rewrites: AtomicU64::default(),
            unsynced_since: AtomicU64::default(),
            written_meanwhile: AtomicU64::default(),
        }
    }

    /// Counts an appended batch, after which the file has `bytes`.
    pub fn wrote(&self, bytes: u64) {
        let before = self.bytes.swap(bytes, Relaxed);
        let written = bytes.saturating_sub(before);
        self.written.fetch_add(written, Relaxed);
        if written > 0 {
            // Only the first write of each keeps its time.
            for since in [&self.unsynced_since, &self.written_meanwhile] {
                let _ = since.compare_exchange(0, self.now(), Relaxed, Relaxed);
            }
        }
    }

    /// Begins a sync of all that was written until now.
    pub fn sync_begins(&self) -> Instant {
        self.written_meanwhile.store(0, Relaxed);
        Instant::now()
    }

    /// Counts a sync that began then. The caller holds the journal, so that no batch is counted meanwhile.
    pub fn synced(&self, began: Instant) {
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.syncs.fetch_add(1, Relaxed);
        self.sync_micros.fetch_add(took, Relaxed);
        let meanwhile = self.written_meanwhile.load(Relaxed);
        self.unsynced_since.store(meanwhile, Relaxed);
    }

    /// Counts a journal of `bytes` that took the place of the last one, on the disk.
    pub fn rewrote(&self, bytes: u64) {
        self.rewrites.fetch_add(1, Relaxed);
        self.bytes.store(bytes, Relaxed);
        self.unsynced_since.store(0, Relaxed);
        self.written_meanwhile.store(0, Relaxed);
    }

    /// The figures now.
    pub fn figures(&self) -> JournalFigures {
        let since = self.unsynced_since.load(Relaxed);
        let unsynced = if since == 0 {
            0
        } else {
            self.now().saturating_sub(since)
        };
        JournalFigures {
            bytes: self.bytes.load(Relaxed),
            written: self.written.load(Relaxed),
            syncs: self.syncs.load(Relaxed),
            sync_time: Duration::from_micros(self.sync_micros.load(Relaxed)),
            rewrites: self.rewrites.load(Relaxed),
            unsynced: Duration::from_micros(unsynced),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros())
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_during_a_sync_counts_from_its_write() {
        let pause = || std::thread::sleep(Duration::from_millis(5));
        let counters = JournalCounters::new(10);
        counters.wrote(20);
        let began = counters.sync_begins();
        pause();
        counters.wrote(30);
        pause();
        counters.wrote(40);
        counters.synced(began);
        let unsynced = counters.figures().unsynced;
        assert!(unsynced >= Duration::from_millis(5), "{unsynced:?}");
        assert!(unsynced < began.elapsed(), "the sync has what was before");
        let began = counters.sync_begins();
        counters.synced(began);
        assert_eq!(counters.figures().unsynced, Duration::ZERO);
    }

    #[test]
    fn a_failed_sync_leaves_the_age_of_what_it_was_for() {
        let counters = JournalCounters::new(10);
        counters.wrote(20);
        counters.sync_begins();
        std::thread::sleep(Duration::from_millis(5));
        counters.wrote(30);
        assert!(counters.figures().unsynced >= Duration::from_millis(5));
        let began = counters.sync_begins();
        counters.synced(began);
        assert_eq!(counters.figures().unsynced, Duration::ZERO);
    }
}
