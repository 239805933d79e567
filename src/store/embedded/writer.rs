//! The thread that writes changes to disk. Calls that arrive while a batch is written share the
//! next one (group commit). A batch is written to the journal; a checkpoint moves the journal's
//! changes to the database, of each key only the last value.

mod thread;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use anyhow::Context as _;
use tokio::sync::{mpsc, oneshot};

use self::thread::DiskThread;
use crate::memory::{Lease, Memory, Purpose};
use crate::model::message::Message;
use crate::store::embedded::files::Files;
use crate::store::embedded::journal::Durability;
use crate::store::embedded::records::Change;
use crate::store::embedded::state::State;
use crate::store::{Failure, Publisher};

/// Calls in the queue; further calls wait before they change anything.
const QUEUE: usize = 4096;

type Done = oneshot::Sender<Result<(), Failure>>;

/// A call that waits for its changes to be written.
#[derive(Debug)]
struct Call {
    changes: Vec<Change>,
    /// Published when the changes are written.
    messages: Vec<Message>,
    done: Done,
    /// Memory of its changes and messages until the call returns.
    lease: Lease,
}

/// A handle of the thread.
#[derive(Debug)]
pub struct Writer {
    /// `None` only while the writer is dropped.
    queue: Option<mpsc::Sender<Call>>,
    memory: Memory,
    thread: Option<JoinHandle<()>>,
    failing: Arc<AtomicBool>,
}

impl Drop for Writer {
    /// Waits for the thread, so that the files can be opened again.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // After a panic of the thread, the waiting calls fail by their dropped channels.
            let _ = thread.join();
        }
    }
}

/// A slot in the queue.
pub struct QueueSlot<'a> {
    permit: mpsc::Permit<'a, Call>,
    memory: &'a Memory,
}

impl QueueSlot<'_> {
    /// Enqueues the changes at once; the future resolves when they are on disk and their messages
    /// are published.
    pub fn write(
        self,
        changes: Vec<Change>,
        messages: Vec<Message>,
    ) -> impl Future<Output = Result<(), Failure>> + use<> {
        let (done, written) = oneshot::channel();
        let lease = self.memory.lease(Purpose::Disk, size(&changes, &messages));
        self.permit.send(Call {
            changes,
            messages,
            done,
            lease,
        });
        async {
            written
                .await
                .unwrap_or_else(|dropped| Err(Failure::new("write to disk", dropped)))
        }
    }
}

impl Writer {
    /// Opens or creates the files in `folder`, loads their records into `state`, and starts the
    /// thread that writes the state's changes and passes their messages to `publisher`.
    pub fn open(
        folder: &Path,
        durability: Durability,
        state: &Arc<Mutex<State>>,
        publisher: Arc<dyn Publisher>,
        memory: Memory,
    ) -> anyhow::Result<Self> {
        create_folder(folder)
            .with_context(|| format!("cannot make the data folder {}", folder.display()))?;
        let (files, records) = Files::open(folder, durability, &memory)?;
        lock(state).restore_all(records);
        let (queue, calls) = mpsc::channel(QUEUE);
        let failing = Arc::new(AtomicBool::new(false));
        let thread = DiskThread {
            folder: folder.to_owned(),
            durability,
            memory: memory.clone(),
            files: Some(files),
            failed: None,
            state: Arc::clone(state),
            publisher,
            failing: Arc::clone(&failing),
        };
        let handle = std::thread::Builder::new()
            .name("mesh-store".into())
            .spawn(move || thread.run(calls))
            .context("cannot start the store's thread")?;
        Ok(Self {
            queue: Some(queue),
            memory,
            thread: Some(handle),
            failing,
        })
    }

    /// Reserves a slot in the queue; waits while the queue is full.
    pub async fn reserve(&self) -> Result<QueueSlot<'_>, Failure> {
        let stopped = || Failure::new("write to disk", "the store's thread has stopped");
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        let permit = queue.reserve().await.map_err(|_| stopped())?;
        Ok(QueueSlot {
            permit,
            memory: &self.memory,
        })
    }

    /// Whether changes can be written. If not, nothing may be changed. The result is reliable
    /// only under the state's lock.
    pub fn ready(&self) -> Result<(), Failure> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(Failure::new("write to disk", "the last batch failed"));
        }
        Ok(())
    }
}

/// Only the server's user may read the folder: it holds children's names and values.
fn create_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The size of changes and messages in memory.
fn size(changes: &[Change], messages: &[Message]) -> usize {
    let changes = changes.iter().map(Change::bytes);
    changes.chain(messages.iter().map(Message::bytes)).sum()
}
