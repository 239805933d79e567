//! The store's thread: writes the batches of calls that could not write by themselves, starts
//! a sync each second, writes the next journal, and recovers after a failure.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::store::Failure;
use crate::store::embedded::Durability;
use crate::store::embedded::commit::{Core, Health, Shared, lock};
use crate::store::embedded::compaction::{Compaction, Schedule};
use crate::store::embedded::journal::Journal;

/// Time between two syncs with `everysec`, and between two looks at the journal's size.
const TICK: Duration = Duration::from_secs(1);
/// The least time between the beginnings of two syncs with `always`: 5,000 a second at most.
const SYNC_INTERVAL: Duration = Duration::from_micros(200);
/// Time between two attempts to recover.
const RECOVERY: Duration = Duration::from_millis(500);

/// The state of the thread.
pub struct StoreThread {
    shared: Arc<Shared>,
    schedule: Schedule,
    compaction: Option<Compaction>,
    /// The last sync; it may be running.
    sync: Option<JoinHandle<()>>,
    ticked: Instant,
    synced: Instant,
}

impl StoreThread {
    /// A thread that has nothing to do yet.
    pub fn new(shared: Arc<Shared>, schedule: Schedule) -> Self {
        let now = Instant::now();
        Self {
            shared,
            schedule,
            compaction: None,
            sync: None,
            ticked: now,
            synced: now,
        }
    }

    /// Runs until the store is closed.
    pub fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            let mut core = self.wait(&shared);
            if !core.writing
                && let Some(failure) = core.sync_failure.take()
            {
                // Under the lock: no call writes to a file that is about to be given up.
                core.fail(&failure);
            }
            let (health, stopping) = (core.health, shared.stop.is_cancelled());
            if health != Health::Writable {
                drop(core);
                self.abandon_compaction();
                if !self.recover(health) {
                    if stopping {
                        break;
                    }
                    std::thread::sleep(RECOVERY);
                }
            } else if core.has_work() && core.may_write() {
                self.write_batch(core);
            } else if stopping && !core.writing && !core.has_work() {
                drop(core);
                self.close();
                break;
            } else if self.is_compacting() && core.may_write() {
                self.write_batch(core);
            } else {
                drop(core);
            }
            if self.ticked.elapsed() >= TICK {
                self.ticked = Instant::now();
                self.tick();
            }
        }
        if let Some(sync) = self.sync.take() {
            // It holds the folder's lock.
            let _ = sync.join();
        }
    }

    /// Waits for work or for the next tick.
    fn wait<'a>(&self, shared: &'a Shared) -> MutexGuard<'a, Core> {
        let mut core = lock(&shared.core);
        loop {
            let failed = core.health != Health::Writable || core.sync_failure.is_some();
            let work = core.has_work() || shared.stop.is_cancelled() || self.is_compacting();
            let rest = TICK.saturating_sub(self.ticked.elapsed());
            let ready = (!core.writing && failed) || (core.may_write() && work);
            if ready || rest.is_zero() {
                return core;
            }
            let waited = shared.work.wait_timeout(core, rest);
            core = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn is_compacting(&self) -> bool {
        self.compaction.as_ref().is_some_and(Compaction::is_ready)
    }

    fn close(&mut self) {
        self.abandon_compaction();
        if let Err(error) = lock(&self.shared.journal).close() {
            tracing::error!(%error, "could not sync the journal at the end");
        }
    }

    /// Writes what waits, to both journals while the next one is written.
    fn write_batch(&mut self, mut core: MutexGuard<'_, Core>) {
        let mut batch = core.take_batch();
        let part = self.compaction.as_mut().map(|next| next.part(&core.state));
        drop(core);
        let shared = Arc::clone(&self.shared);
        let written = self.append(&batch.changes.lines);
        if shared.finish(&mut batch, written).is_err() {
            return;
        }
        if let (Some(next), Some(part)) = (&mut self.compaction, part) {
            let written = next
                .append(&batch.changes.lines)
                .and_then(|()| next.append(&part))
                .and_then(|()| next.is_done(move || shared.work.notify_one()));
            match written {
                Ok(false) => {}
                Ok(true) => self.switch(),
                Err(error) => {
                    tracing::warn!(%error, "could not rewrite the journal; trying again later");
                    self.abandon_compaction();
                }
            }
        }
    }

    fn append(&mut self, lines: &[u8]) -> std::io::Result<()> {
        let mut journal = lock(&self.shared.journal);
        let before = journal.len();
        journal.append(lines)?;
        self.shared.counters.wrote(journal.len());
        if self.shared.options.durability == Durability::Always && !lines.is_empty() {
            std::thread::sleep(SYNC_INTERVAL.saturating_sub(self.synced.elapsed()));
            self.synced = self.shared.counters.sync_begins();
            journal.sync_batch(before)?;
            self.shared.counters.synced(self.synced);
        }
        Ok(())
    }

    /// Each second: syncs what was written, and rewrites the journal if that is due.
    fn tick(&mut self) {
        self.sync();
        {
            let mut core = lock(&self.shared.core);
            if core.health != Health::Writable || self.compaction.is_some() {
                return;
            }
            core.note_removal();
            if let Some(removed) = core.removed_at.take() {
                self.schedule.removed(removed);
            }
        }
        if self.schedule.is_due(lock(&self.shared.journal).len()) {
            match Journal::create(&self.shared.folder.next()) {
                Ok(next) => {
                    let mut core = lock(&self.shared.core);
                    self.compaction = Some(Compaction::begin(next, &core.state));
                    core.compacting = true;
                }
                Err(error) => {
                    tracing::warn!(%error, "could not rewrite the journal; trying again later");
                    self.schedule.failed();
                }
            }
        }
    }

    /// Syncs in a thread of its own, so that writing goes on meanwhile.
    fn sync(&mut self) {
        let mut journal = lock(&self.shared.journal);
        if let Err(error) = journal.write_mark() {
            tracing::warn!(%error, "could not mark what is synced");
        }
        let unsynced = journal.unsynced();
        drop(journal);
        if self.shared.options.durability != Durability::EverySecond {
            return;
        }
        let Some((file, bytes)) = unsynced else {
            return;
        };
        {
            let mut core = lock(&self.shared.core);
            if core.syncing.is_some() || core.sync_failure.is_some() {
                return;
            }
            core.syncing = Some(Instant::now());
        }
        let shared = Arc::clone(&self.shared);
        let sync = move || {
            let began = shared.counters.sync_begins();
            let synced = file.sync_data();
            if synced.is_ok() {
                let mut journal = lock(&shared.journal);
                shared.counters.synced(began);
                journal.synced(&file, bytes);
            }
            let mut core = lock(&shared.core);
            core.syncing = None;
            if let Err(error) = synced {
                core.sync_failure = Some(Failure::new("sync the journal", error));
            }
            shared.work.notify_one();
        };
        match std::thread::Builder::new()
            .name("mesh-sync".into())
            .spawn(sync)
        {
            Ok(sync) => self.sync = Some(sync),
            Err(error) => {
                tracing::warn!(%error, "could not sync the journal; trying again");
                lock(&self.shared.core).syncing = None;
            }
        }
    }

    /// Puts the next journal, which is complete, in the place of the journal.
    fn switch(&mut self) {
        let Some(next) = self.compaction.take() else {
            return;
        };
        match next.switch(&self.shared.folder) {
            Ok(next) => {
                self.schedule.done(next.len());
                self.shared.counters.rewrote(next.len());
                *lock(&self.shared.journal) = next;
            }
            // The folder may have either file.
            Err(error) => self
                .shared
                .fail(&Failure::new("replace the journal", error)),
        }
        lock(&self.shared.core).compacting = false;
    }

    fn abandon_compaction(&mut self) {
        if self.compaction.take().is_some() {
            // Removed again when the folder is opened or the next one begins.
            let _ = std::fs::remove_file(self.shared.folder.next());
            self.schedule.failed();
            lock(&self.shared.core).compacting = false;
        }
    }

    /// Resets the state to what is committed, and writes it to a new file: the disk that failed
    /// is tried before a call depends on it. Returns whether changes are accepted again.
    fn recover(&mut self, health: Health) -> bool {
        let shared = Arc::clone(&self.shared);
        if health == Health::Unknown {
            let empty = lock(&shared.core).state.emptied();
            let restored = lock(&shared.journal).restore(&shared.folder.journal(), empty);
            let state = match restored {
                Ok(state) => state,
                Err(error) => {
                    tracing::warn!(%error, "could not read the journal again; trying again");
                    return false;
                }
            };
            lock(&shared.core).restored(state);
        }
        let next = match self.rewrite() {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(%error, "the data folder still takes no changes");
                // It must not keep the space that others free.
                let _ = std::fs::remove_file(shared.folder.next());
                return false;
            }
        };
        self.schedule.done(next.len());
        shared.counters.rewrote(next.len());
        *lock(&shared.journal) = next;
        let mut core = lock(&shared.core);
        core.health = Health::Writable;
        core.removed_at = None;
        tracing::warn!("the data folder takes changes again");
        true
    }

    /// Rewrites the journal while no changes are accepted.
    fn rewrite(&self) -> std::io::Result<Journal> {
        let (core, folder) = (&self.shared.core, &self.shared.folder);
        let next = Journal::create(&folder.next())?;
        let next = Compaction::begin(next, &lock(core).state);
        next.run(|next| next.part(&lock(core).state))?
            .switch(folder)
    }
}
