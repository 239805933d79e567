//! The commit of changes: the state under its lock, and who writes its changes to the journal.
//!
//! Changes are written, published and acknowledged in the order in which they were made. At any
//! time one thread at most writes. A call writes by itself if no other thread writes; else its
//! changes wait for the store's thread, which writes all that wait as one batch (group commit).

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio_util::sync::CancellationToken;

use crate::memory::{Lease, Memory, Purpose};
use crate::metrics::StoreFigures;
use crate::model::time::Timestamp;
use crate::store::embedded::folder::Folder;
use crate::store::embedded::journal::Journal;
use crate::store::embedded::journal::counters::JournalCounters;
use crate::store::embedded::record::Changes;
use crate::store::embedded::state::State;
use crate::store::embedded::{Durability, Options};
use crate::store::{Failure, Publisher};

/// Calls that wait for the disk; further calls wait before they change anything.
const WAITING_CALLS: usize = 4096;
/// Bytes of records that wait for the disk; above that calls are refused. Less with a small
/// memory budget.
const WAITING_BYTES: usize = 64 * 1024 * 1024;
/// The largest share of the memory budget for them, in percent.
const WAITING_PERCENT: usize = 5;

/// While a sync takes longer, nothing is written.
const SLOW_SYNC: Duration = Duration::from_secs(1);

/// The result of a commit.
pub type Committed = Result<(), Failure>;
type Waiter = oneshot::Sender<Committed>;

/// Whether the journal takes changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Writable,
    /// It failed; the state has what is committed.
    ReadOnly,
    /// It failed; the state may have changes that are not committed.
    Unknown,
}

/// The state, and what is under way to the journal.
#[derive(Debug)]
pub struct Core {
    /// The state, with changes that are not being written yet.
    pub state: State,
    /// Who waits for these changes, or for what is being written.
    pub waiters: VecDeque<Waiter>,
    /// A batch is being written and not committed yet: no other thread may write.
    pub writing: bool,
    /// Since when the file is being synced: writing to it may take as long.
    pub syncing: Option<Instant>,
    /// The next journal is being written: it gets every batch too.
    pub compacting: bool,
    /// Whether the journal takes changes.
    pub health: Health,
    /// Why the last sync failed, until the store's thread recovers from it.
    pub sync_failure: Option<Failure>,
    /// When the first of the groups and tombstones was removed whose data is still in the journal.
    pub removed_at: Option<Instant>,
    /// Memory of the changes that wait.
    pub lease: Lease,
}

impl Core {
    /// The core of a state with nothing under way.
    pub fn new(state: State, memory: &Memory) -> Self {
        Self {
            state,
            waiters: VecDeque::new(),
            writing: false,
            syncing: None,
            compacting: false,
            health: Health::Writable,
            sync_failure: None,
            removed_at: None,
            lease: memory.lease(Purpose::Disk, 0),
        }
    }

    /// Whether the state has changes that are not committed.
    fn is_dirty(&self) -> bool {
        self.writing || self.state.has_changes()
    }

    /// Whether something waits for the store's thread.
    pub fn has_work(&self) -> bool {
        !self.waiters.is_empty() || self.state.has_changes()
    }

    /// Notes when something was removed. What was removed without a record comes with no batch.
    pub fn note_removal(&mut self) {
        if std::mem::take(&mut self.state.changes().erases) {
            self.removed_at.get_or_insert_with(Instant::now);
        }
    }

    /// Begins to write the changes.
    pub fn take_batch(&mut self) -> Batch {
        self.writing = true;
        self.note_removal();
        let changes = self.state.changes().take();
        let bytes = self.lease.bytes();
        self.lease.resize(0);
        Batch {
            waiters: std::mem::take(&mut self.waiters),
            _lease: self.lease.memory().lease(Purpose::Disk, bytes),
            changes,
        }
    }

    /// Whether writing may go on: a power cut costs what was written since the last sync began,
    /// so nothing is written while a sync takes too long.
    pub fn may_write(&self) -> bool {
        let slow = |began: Instant| began.elapsed() >= SLOW_SYNC;
        !self.writing && !self.syncing.is_some_and(slow)
    }

    /// Refuses all that waits, and further changes.
    pub fn fail(&mut self, failure: &Failure) {
        tracing::error!(
            error = failure.with_causes(),
            "the data folder takes no changes; trying again"
        );
        self.health = Health::Unknown;
        self.state.changes().take();
        self.lease.resize(0);
        self.writing = false;
        acknowledge(&mut self.waiters, &Err(failure.clone()));
    }

    /// The state is what is committed; reads go on.
    pub fn restored(&mut self, state: State) {
        self.state = state;
        self.health = Health::ReadOnly;
        acknowledge(&mut self.waiters, &Ok(()));
    }

    fn wait(&mut self) -> Wait {
        let (waiter, committed) = oneshot::channel();
        self.waiters.push_back(waiter);
        Wait(committed)
    }
}

/// Changes that are written together.
pub struct Batch {
    /// The changes.
    pub changes: Changes,
    waiters: VecDeque<Waiter>,
    /// Memory of the changes.
    _lease: Lease,
}

/// Answers those who wait.
fn acknowledge(waiters: &mut VecDeque<Waiter>, committed: &Committed) {
    for waiter in waiters.drain(..) {
        // A call that took too long no longer waits.
        let _ = waiter.send(committed.clone());
    }
}

/// Waits for a commit.
struct Wait(oneshot::Receiver<Committed>);

/// What the store's thread and the calls share.
pub struct Shared {
    /// The state.
    pub core: Mutex<Core>,
    /// Wakes the store's thread.
    pub work: Condvar,
    /// The store is being closed.
    pub stop: CancellationToken,
    /// Locked by who writes; not while `core` is locked.
    pub journal: Mutex<Journal>,
    /// What is done with it.
    pub counters: JournalCounters,
    /// The data folder.
    pub folder: Folder,
    /// Takes the messages of committed changes.
    pub publisher: Arc<dyn Publisher>,
    /// How changes are kept.
    pub options: Options,
    /// Counts the calls that wait.
    pub slots: Semaphore,
    /// The memory budget.
    pub memory: Memory,
}

impl Shared {
    /// The number of calls that may wait.
    pub fn slots() -> Semaphore {
        Semaphore::new(WAITING_CALLS)
    }

    /// Waits until a call may make changes.
    pub async fn slot(&self) -> Result<SemaphorePermit<'_>, Failure> {
        if let Ok(slot) = self.slots.try_acquire() {
            return Ok(slot);
        }
        let slot = tokio::time::timeout(self.options.disk_timeout, self.slots.acquire()).await;
        slot.map_err(|_| self.too_slow())?
            .map_err(|closed| Failure::new("write to disk", closed))
    }

    /// Makes changes to the state and commits them.
    pub async fn write<T>(&self, write: impl FnOnce(&mut State) -> T) -> Result<T, Failure> {
        let _slot = self.slot().await?;
        let (result, wait) = {
            let mut core = lock(&self.core);
            self.admit(&core)?;
            let start = core.state.changes().lines.len();
            let result = write(&mut core.state);
            core.state.changes().join_lines(start);
            if !core.is_dirty() {
                return Ok(result);
            }
            if self.may_write_now(&core) {
                self.commit_now(core)?;
                return Ok(result);
            }
            let bytes = core.state.changes().bytes();
            core.lease.resize(bytes);
            self.work.notify_one();
            (result, core.wait())
        };
        self.wait(wait).await??;
        Ok(result)
    }

    /// Reads the state; what is returned is committed (decision D27).
    pub async fn read<T>(&self, read: impl Fn(&mut State) -> T) -> Result<T, Failure> {
        loop {
            let (result, wait) = {
                let mut core = lock(&self.core);
                let known = core.health != Health::Unknown;
                let result = known.then(|| read(&mut core.state));
                match result {
                    Some(result) if !core.is_dirty() => return Ok(result),
                    result => (result, core.wait()),
                }
            };
            self.work.notify_one();
            // Else the state is another one now.
            if let (Ok(()), Some(result)) = (self.wait(wait).await?, result) {
                return Ok(result);
            }
        }
    }

    /// What lives, changes that are not yet committed included, and the journal.
    pub fn figures(&self, now: Timestamp) -> StoreFigures {
        StoreFigures {
            population: Some(lock(&self.core).state.population(now)),
            journal: Some(self.counters.figures()),
        }
    }

    /// Whether changes are accepted.
    pub fn ready(&self) -> Committed {
        self.admit(&lock(&self.core))
    }

    fn admit(&self, core: &Core) -> Committed {
        if core.health != Health::Writable {
            return Err(Failure::new("write to disk", "the last batch failed"));
        }
        let limit = WAITING_BYTES.min(self.memory.share(WAITING_PERCENT));
        if core.lease.bytes() > limit {
            let slow = format!("the disk is too slow: {limit} bytes wait for it");
            return Err(Failure::new("write to disk", slow));
        }
        Ok(())
    }

    /// Whether a call may write by itself: nothing waits and nothing can block it for long.
    fn may_write_now(&self, core: &Core) -> bool {
        let blocked = core.writing || core.syncing.is_some() || core.compacting;
        !blocked && core.waiters.is_empty() && self.options.durability != Durability::Always
    }

    fn commit_now(&self, mut core: MutexGuard<'_, Core>) -> Committed {
        let mut batch = core.take_batch();
        drop(core);
        let written = {
            let mut journal = lock(&self.journal);
            let written = journal.append(&batch.changes.lines);
            self.counters.wrote(journal.len());
            written
        };
        self.finish(&mut batch, written)
    }

    /// Publishes a batch that is written, and answers those who wait for it.
    pub fn finish(&self, batch: &mut Batch, written: std::io::Result<()>) -> Committed {
        if let Err(error) = written {
            let failure = Failure::new("write to disk", error);
            // Before the calls fail, so that the state matches their errors.
            self.fail(&failure);
            acknowledge(&mut batch.waiters, &Err(failure.clone()));
            return Err(failure);
        }
        for message in batch.changes.messages.drain(..) {
            // A panic there must not stop the store.
            let publish = AssertUnwindSafe(|| self.publisher.publish(message));
            if catch_unwind(publish).is_err() {
                tracing::error!("a message could not be published");
            }
        }
        acknowledge(&mut batch.waiters, &Ok(()));
        let mut core = lock(&self.core);
        core.writing = false;
        if core.state.has_changes() {
            self.work.notify_one();
        } else {
            // Reads of what was in flight.
            acknowledge(&mut core.waiters, &Ok(()));
        }
        Ok(())
    }

    /// Refuses all changes until the store's thread has recovered.
    pub fn fail(&self, failure: &Failure) {
        lock(&self.core).fail(failure);
        self.work.notify_one();
    }

    async fn wait(&self, wait: Wait) -> Result<Committed, Failure> {
        match tokio::time::timeout(self.options.disk_timeout, wait.0).await {
            Ok(Ok(committed)) => Ok(committed),
            Ok(Err(dropped)) => Err(Failure::new("write to disk", dropped)),
            Err(_) => Err(self.too_slow()),
        }
    }

    fn too_slow(&self) -> Failure {
        let seconds = self.options.disk_timeout.as_secs();
        let cause = format!("the disk did not answer within {seconds} s");
        Failure::new("write to disk", cause)
    }
}

/// A panic under the lock leaves no partial change: each method checks before it writes.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
