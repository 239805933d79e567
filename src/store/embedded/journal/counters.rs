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
        }
    }

    /// Counts an appended batch, after which the file has `bytes`.
    pub fn wrote(&self, bytes: u64) {
        let before = self.bytes.swap(bytes, Relaxed);
        let written = bytes.saturating_sub(before);
        self.written.fetch_add(written, Relaxed);
        if written > 0 && self.unsynced_since.load(Relaxed) == 0 {
            self.unsynced_since.store(self.now(), Relaxed);
        }
    }

    /// Counts a sync that began then, of all that was written until then.
    pub fn synced(&self, began: Instant) {
        let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.syncs.fetch_add(1, Relaxed);
        self.sync_micros.fetch_add(took, Relaxed);
        // What was written meanwhile counts from the next batch on.
        self.unsynced_since.store(0, Relaxed);
    }

    /// Counts a journal of `bytes` that took the place of the last one, on the disk.
    pub fn rewrote(&self, bytes: u64) {
        self.rewrites.fetch_add(1, Relaxed);
        self.bytes.store(bytes, Relaxed);
        self.unsynced_since.store(0, Relaxed);
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
