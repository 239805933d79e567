//! One thread that brings changes to disk: whoever waits while a batch is written shares
//! the next one (group commit). A batch goes to the journal; the database takes over
//! what gathered there, of a key written twice only the last value.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{mpsc, oneshot};

use crate::memory::{Lease, Memory, Purpose};
use crate::store::Failure;
use crate::store::embedded::files::Files;
use crate::store::embedded::journal::{Durability, Journal};
use crate::store::embedded::records::Change;
use crate::store::embedded::state::State;

/// Calls that may wait for the disk at once; more wait before they change anything.
const QUEUE: usize = 4096;
/// Calls that one batch takes.
const CALLS_PER_BATCH: usize = 1024;
/// Bytes of changes after which a batch takes no more calls.
const BYTES_PER_BATCH: usize = 4 * 1024 * 1024;
/// Time before each attempt to open the file again.
const RECOVERY: Duration = Duration::from_millis(500);

type Done = oneshot::Sender<Result<(), Failure>>;

/// A call that waits for the disk.
#[derive(Debug)]
struct Call {
    changes: Vec<Change>,
    done: Done,
    /// What its changes take in memory until it is answered.
    held: Lease,
}

/// The way to the disk.
#[derive(Debug)]
pub struct Writer {
    /// There until the writer is dropped.
    queue: Option<mpsc::Sender<Call>>,
    memory: Memory,
    thread: Option<JoinHandle<()>>,
    failing: Arc<AtomicBool>,
}

impl Drop for Writer {
    /// Waits for the thread, so that the file is free for whoever opens it next.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was told to the callers that waited for it.
            let _ = thread.join();
        }
    }
}

/// A place in the queue.
pub struct Place<'a> {
    permit: mpsc::Permit<'a, Call>,
    memory: &'a Memory,
}

impl Place<'_> {
    /// Takes the place at once; the future answers when the changes are on disk.
    pub fn write(self, changes: Vec<Change>) -> impl Future<Output = Result<(), Failure>> + use<> {
        let (done, answer) = oneshot::channel();
        let held = self.memory.lease(Purpose::Disk, size(&changes));
        self.permit.send(Call {
            changes,
            done,
            held,
        });
        async {
            answer
                .await
                .unwrap_or_else(|gone| Err(Failure::new("write to disk", gone)))
        }
    }
}

impl Writer {
    /// Opens or makes the file in `folder`, puts all that it holds into `state`, and
    /// brings the state's changes to it from then on.
    pub fn open(
        folder: &Path,
        durability: Durability,
        state: &Arc<Mutex<State>>,
        memory: Memory,
    ) -> anyhow::Result<Self> {
        make_folder(folder)
            .with_context(|| format!("cannot make the data folder {}", folder.display()))?;
        let (files, records) = Files::open(folder, durability, &memory)?;
        lock(state).restore_all(records);
        let (queue, calls) = mpsc::channel(QUEUE);
        let failing = Arc::new(AtomicBool::new(false));
        let disk = Disk {
            folder: folder.to_owned(),
            durability,
            memory: memory.clone(),
            files: Some(files),
            spoiled: None,
            state: Arc::clone(state),
            failing: Arc::clone(&failing),
        };
        let thread = std::thread::Builder::new()
            .name("mesh-store".into())
            .spawn(move || disk.write_all(calls))
            .context("cannot start the store's thread")?;
        Ok(Self {
            queue: Some(queue),
            memory,
            thread: Some(thread),
            failing,
        })
    }

    /// Waits for a place in the queue.
    pub async fn place(&self) -> Result<Place<'_>, Failure> {
        let stopped = || Failure::new("write to disk", "the store's thread has stopped");
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        let permit = queue.reserve().await.map_err(|_| stopped())?;
        Ok(Place {
            permit,
            memory: &self.memory,
        })
    }

    /// Whether the disk takes changes. While it does not, nothing may be changed: asked
    /// under the state's lock, this is the last word.
    pub fn ready(&self) -> Result<(), Failure> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(Failure::new("write to disk", "the last batch failed"));
        }
        Ok(())
    }
}

/// Only the server's own user may look into a folder of children's names and values.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

type Calls = mpsc::Receiver<Call>;

/// The thread's side.
struct Disk {
    folder: PathBuf,
    durability: Durability,
    memory: Memory,
    /// None while the disk does not take changes.
    files: Option<Files>,
    /// The journal of a batch that failed, until the batch is taken back.
    spoiled: Option<Journal>,
    state: Arc<Mutex<State>>,
    failing: Arc<AtomicBool>,
}

impl Disk {
    /// Writes until the store is dropped.
    fn write_all(mut self, mut calls: Calls) {
        loop {
            let Some(files) = &mut self.files else {
                if calls.is_closed() && calls.is_empty() {
                    self.take_back();
                    return;
                }
                self.recover(&mut calls);
                continue;
            };
            let Some(first) = calls.blocking_recv() else {
                // What cannot be taken over now is taken over when it is opened again.
                let _ = files.take_over();
                return;
            };
            // Whoever is about to call shares this batch, where cores are few.
            std::thread::yield_now();
            let (changes, waiting) = gather(first, &mut calls);
            let written = if changes.is_empty() {
                Ok(())
            } else {
                files.write(changes)
            };
            let written = written.map_err(|error| Failure::new("write to disk", error));
            if let Err(failure) = &written {
                // First, so that whoever is told so is told the truth.
                self.fail(failure);
            }
            for (done, _held) in waiting {
                // A caller that went away needs no answer.
                let _ = done.send(written.clone());
            }
            if let Some(files) = &mut self.files
                && let Err(error) = files.take_over_if_due()
            {
                self.fail(&Failure::new("take over the journal", error));
            }
        }
    }

    /// From here on nothing is changed any more, until the files open again.
    fn fail(&mut self, failure: &Failure) {
        tracing::error!(
            error = failure.whole(),
            "the data folder takes no changes; trying again"
        );
        self.failing.store(true, Ordering::SeqCst);
        self.spoiled = self.files.take().map(Files::into_journal);
        self.take_back();
    }

    /// Takes the batch that failed out of the journal; says whether none is left in it.
    fn take_back(&mut self) -> bool {
        self.spoiled.take_if(|journal| journal.take_back().is_ok());
        self.spoiled.is_none()
    }

    /// Opens the file anew and takes the stage back to what is in it: whatever was not
    /// acknowledged has then not happened, and whoever was told so may repeat it.
    fn recover(&mut self, calls: &mut Calls) {
        refuse_all(calls);
        std::thread::sleep(RECOVERY);
        if !self.take_back() {
            return;
        }
        let Ok((files, records)) = Files::open(&self.folder, self.durability, &self.memory) else {
            return;
        };
        let mut state = lock(&self.state);
        // Under the lock nobody adds to the queue; what is in it changed the old state.
        refuse_all(calls);
        state.restore_all(records);
        self.files = Some(files);
        self.failing.store(false, Ordering::SeqCst);
        tracing::warn!("the data folder takes changes again");
    }
}

/// What waits, for one batch.
fn gather(first: Call, calls: &mut Calls) -> (Vec<Change>, Vec<(Done, Lease)>) {
    let (mut changes, mut bytes) = (first.changes, first.held.bytes());
    let mut waiting = vec![(first.done, first.held)];
    while waiting.len() < CALLS_PER_BATCH
        && bytes < BYTES_PER_BATCH
        && let Ok(more) = calls.try_recv()
    {
        bytes += more.held.bytes();
        changes.extend(more.changes);
        waiting.push((more.done, more.held));
    }
    (changes, waiting)
}

/// What changes take in memory.
fn size(changes: &[Change]) -> usize {
    changes.iter().map(Change::bytes).sum()
}

fn refuse_all(calls: &mut Calls) {
    while let Ok(call) = calls.try_recv() {
        let _ = call
            .done
            .send(Err(Failure::new("write to disk", "the last batch failed")));
    }
}
