//! The thread that writes batches of changes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Call, Done, lock};
use crate::memory::{Lease, Memory};
use crate::model::message::Message;
use crate::store::embedded::files::Files;
use crate::store::embedded::journal::{Durability, Journal};
use crate::store::embedded::records::Change;
use crate::store::embedded::state::State;
use crate::store::{Failure, Publisher};

/// Calls in one batch.
const CALLS_PER_BATCH: usize = 1024;
/// Bytes of changes above which a batch accepts no more calls.
const BYTES_PER_BATCH: usize = 4 * 1024 * 1024;
/// Time between two attempts to open the files again.
const RECOVERY: Duration = Duration::from_millis(500);

type Calls = mpsc::Receiver<Call>;

/// The state of the thread.
pub(super) struct DiskThread {
    pub(super) folder: PathBuf,
    pub(super) durability: Durability,
    pub(super) memory: Memory,
    /// `None` while changes cannot be written.
    pub(super) files: Option<Files>,
    /// The journal with a failed batch, until the batch is rolled back.
    pub(super) failed: Option<Journal>,
    pub(super) state: Arc<Mutex<State>>,
    pub(super) publisher: Arc<dyn Publisher>,
    pub(super) failing: Arc<AtomicBool>,
}

impl DiskThread {
    /// Writes batches until the store is dropped.
    pub(super) fn run(mut self, mut calls: Calls) {
        loop {
            let Some(files) = &mut self.files else {
                if calls.is_closed() && calls.is_empty() {
                    self.rollback();
                    return;
                }
                self.recover(&mut calls);
                continue;
            };
            let Some(first) = calls.blocking_recv() else {
                // If this fails, the checkpoint is made when the files are opened again.
                let _ = files.checkpoint();
                return;
            };
            // On few cores, lets calls that are about to arrive share this batch.
            std::thread::yield_now();
            let Batch {
                changes,
                messages,
                waiting,
            } = collect_batch(first, &mut calls);
            let written = if changes.is_empty() {
                Ok(())
            } else {
                files.write(changes)
            };
            let written = written.map_err(|error| Failure::new("write to disk", error));
            if let Err(failure) = &written {
                // Before the calls fail, so that the state matches their errors.
                self.fail(failure);
            } else {
                // Before the calls return, so that a sender's later call is published later.
                for message in messages {
                    self.publisher.publish(message);
                }
            }
            for (done, _lease) in waiting {
                // The receiver of a cancelled call is gone.
                let _ = done.send(written.clone());
            }
            if let Some(files) = &mut self.files
                && let Err(error) = files.checkpoint_if_due()
            {
                self.fail(&Failure::new("write the journal's checkpoint", error));
            }
        }
    }

    /// Refuses all changes until the files are opened again.
    fn fail(&mut self, failure: &Failure) {
        tracing::error!(
            error = failure.with_causes(),
            "the data folder takes no changes; trying again"
        );
        self.failing.store(true, Ordering::SeqCst);
        self.failed = self.files.take().map(Files::into_journal);
        self.rollback();
    }

    /// Rolls back the failed batch in the journal; returns whether no failed batch is left.
    fn rollback(&mut self) -> bool {
        self.failed.take_if(|journal| journal.rollback().is_ok());
        self.failed.is_none()
    }

    /// Opens the files again and resets the state to their records. Changes that were not
    /// acknowledged are lost, so their calls can be repeated.
    fn recover(&mut self, calls: &mut Calls) {
        fail_all(calls);
        std::thread::sleep(RECOVERY);
        if !self.rollback() {
            return;
        }
        let Ok((files, records)) = Files::open(&self.folder, self.durability, &self.memory) else {
            return;
        };
        let mut state = lock(&self.state);
        // Nothing is enqueued while the lock is held; queued changes belong to the old state.
        fail_all(calls);
        state.restore_all(records);
        self.files = Some(files);
        self.failing.store(false, Ordering::SeqCst);
        tracing::warn!("the data folder takes changes again");
    }
}

/// Calls whose changes are written together.
struct Batch {
    changes: Vec<Change>,
    messages: Vec<Message>,
    waiting: Vec<(Done, Lease)>,
}

/// The waiting calls, up to one batch.
fn collect_batch(first: Call, calls: &mut Calls) -> Batch {
    let mut bytes = first.lease.bytes();
    let mut batch = Batch {
        changes: first.changes,
        messages: first.messages,
        waiting: vec![(first.done, first.lease)],
    };
    while batch.waiting.len() < CALLS_PER_BATCH
        && bytes < BYTES_PER_BATCH
        && let Ok(more) = calls.try_recv()
    {
        bytes += more.lease.bytes();
        batch.changes.extend(more.changes);
        batch.messages.extend(more.messages);
        batch.waiting.push((more.done, more.lease));
    }
    batch
}

fn fail_all(calls: &mut Calls) {
    while let Ok(call) = calls.try_recv() {
        let _ = call
            .done
            .send(Err(Failure::new("write to disk", "the last batch failed")));
    }
}
