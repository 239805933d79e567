//! One thread that brings changes to disk: whoever waits while a commit runs shares
//! the next one (group commit), and of a key written twice only the last value is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable as _, StorageError, TableDefinition,
};
use tokio::sync::{mpsc, oneshot};

use crate::store::Failure;
use crate::store::embedded::file::{self, Durability};
use crate::store::embedded::records::{self, Change, Record, Table};
use crate::store::embedded::state::State;

/// Calls that may wait for the disk at once; more wait before they change anything.
const QUEUE: usize = 4096;
/// Calls that one commit takes.
const CALLS_PER_COMMIT: usize = 1024;
/// Time before each attempt to open the file again.
const RECOVERY: Duration = Duration::from_millis(500);
/// The file in the data folder.
const FILE: &str = "mesh.redb";

type Rows = TableDefinition<'static, &'static str, &'static [u8]>;

fn rows(table: Table) -> Rows {
    TableDefinition::new(match table {
        Table::Groups => "groups",
        Table::Nodes => "nodes",
        Table::Calls => "calls",
    })
}

type Done = oneshot::Sender<Result<(), Failure>>;

/// The way to the disk.
#[derive(Debug)]
pub struct Writer {
    /// There until the writer is dropped.
    queue: Option<mpsc::Sender<(Vec<Change>, Done)>>,
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
pub struct Place<'a>(mpsc::Permit<'a, (Vec<Change>, Done)>);

impl Place<'_> {
    /// Takes the place at once; the future answers when the changes are on disk.
    pub fn write(self, changes: Vec<Change>) -> impl Future<Output = Result<(), Failure>> + use<> {
        let (done, answer) = oneshot::channel();
        self.0.send((changes, done));
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
    ) -> anyhow::Result<Self> {
        make_folder(folder)
            .with_context(|| format!("cannot make the data folder {}", folder.display()))?;
        let file = folder.join(FILE);
        let (database, records) = open(&file, durability)?;
        lock(state).restore_all(records);
        let (queue, calls) = mpsc::channel(QUEUE);
        let failing = Arc::new(AtomicBool::new(false));
        let disk = Disk {
            file,
            durability,
            database: Some(database),
            state: Arc::clone(state),
            failing: Arc::clone(&failing),
        };
        let thread = std::thread::Builder::new()
            .name("mesh-store".into())
            .spawn(move || disk.write_all(calls))
            .context("cannot start the store's thread")?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            failing,
        })
    }

    /// Waits for a place in the queue.
    pub async fn place(&self) -> Result<Place<'_>, Failure> {
        let stopped = || Failure::new("write to disk", "the store's thread has stopped");
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.reserve().await.map(Place).map_err(|_| stopped())
    }

    /// Whether the disk takes changes. While it does not, nothing may be changed: asked
    /// under the state's lock, this is the last word.
    pub fn ready(&self) -> Result<(), Failure> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(Failure::new("write to disk", "the last commit failed"));
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

fn open(file: &Path, durability: Durability) -> anyhow::Result<(Database, Vec<Record>)> {
    let database = file::open(file, durability).map_err(|error| {
        let held = matches!(error, DatabaseError::DatabaseAlreadyOpen);
        let damaged = matches!(error, DatabaseError::Storage(StorageError::Corrupted(_)));
        let error = anyhow::Error::new(error);
        let file = file.display();
        if held {
            error.context("another mesh-v2 uses this data folder; stop it or pass another --data")
        } else if damaged {
            error.context(format!(
                "{file} is damaged; move it away to begin with an empty stage"
            ))
        } else {
            error.context(format!("cannot open {file}"))
        }
    })?;
    let records = read_all(&database).with_context(|| format!("cannot read {}", file.display()))?;
    Ok((database, records))
}

fn read_all(database: &Database) -> anyhow::Result<Vec<Record>> {
    let write = database.begin_write()?;
    for table in [Table::Groups, Table::Nodes, Table::Calls] {
        write.open_table(rows(table))?;
    }
    write.commit()?;
    let read = database.begin_read()?;
    let mut records = Vec::new();
    for table in [Table::Groups, Table::Nodes, Table::Calls] {
        for row in read.open_table(rows(table))?.iter()? {
            let (key, value) = row?;
            records.push(records::read(table, key.value(), value.value())?);
        }
    }
    Ok(records)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

type Calls = mpsc::Receiver<(Vec<Change>, Done)>;

/// The thread's side.
struct Disk {
    file: PathBuf,
    durability: Durability,
    /// None while the disk does not take changes.
    database: Option<Database>,
    state: Arc<Mutex<State>>,
    failing: Arc<AtomicBool>,
}

impl Disk {
    /// Commits until the store is dropped.
    fn write_all(mut self, mut calls: Calls) {
        loop {
            let Some(database) = &self.database else {
                if calls.is_closed() && calls.is_empty() {
                    return;
                }
                self.recover(&mut calls);
                continue;
            };
            let Some(first) = calls.blocking_recv() else {
                return;
            };
            // Whoever is about to call shares this commit, where cores are few.
            std::thread::yield_now();
            let (changes, waiting) = gather(first, &mut calls);
            let result = if changes.is_empty() {
                Ok(())
            } else {
                commit(database, &changes)
            };
            let result = result.map_err(|error| Failure::new("write to disk", error));
            if let Err(failure) = &result {
                tracing::error!(
                    error = failure.whole(),
                    "the data folder takes no changes; trying again"
                );
                self.failing.store(true, Ordering::SeqCst);
                self.database = None;
            }
            for done in waiting {
                // A caller that went away needs no answer.
                let _ = done.send(result.clone());
            }
        }
    }

    /// Opens the file anew and takes the stage back to what is in it: whatever was not
    /// acknowledged has then not happened, and whoever was told so may repeat it.
    fn recover(&mut self, calls: &mut Calls) {
        refuse_all(calls);
        std::thread::sleep(RECOVERY);
        let Ok((database, records)) = open(&self.file, self.durability) else {
            return;
        };
        let mut state = lock(&self.state);
        // Under the lock nobody adds to the queue; what is in it changed the old state.
        refuse_all(calls);
        state.restore_all(records);
        self.database = Some(database);
        self.failing.store(false, Ordering::SeqCst);
        tracing::warn!("the data folder takes changes again");
    }
}

/// What waits, for one commit: of a key written twice, the last value.
fn gather(first: (Vec<Change>, Done), calls: &mut Calls) -> (Rowset, Vec<Done>) {
    let (mut changes, mut waiting) = (Rowset::new(), Vec::new());
    let mut next = Some(first);
    while let Some((more, done)) = next {
        changes.extend(more.into_iter().map(|c| ((c.table, c.key), c.value)));
        waiting.push(done);
        next = (waiting.len() < CALLS_PER_COMMIT)
            .then(|| calls.try_recv().ok())
            .flatten();
    }
    (changes, waiting)
}

fn refuse_all(calls: &mut Calls) {
    while let Ok((_, done)) = calls.try_recv() {
        let _ = done.send(Err(Failure::new("write to disk", "the last commit failed")));
    }
}

/// Changes by key; no value removes.
type Rowset = BTreeMap<(Table, String), Option<Vec<u8>>>;

fn commit(database: &Database, changes: &Rowset) -> Result<(), redb::Error> {
    // Durable at once, which is the default: see `Durability` for what that means here.
    let write = database.begin_write()?;
    for table in [Table::Groups, Table::Nodes, Table::Calls] {
        let of_table = (table, String::new())..;
        let mut changes = changes
            .range(of_table)
            .take_while(|((t, _), _)| *t == table)
            .peekable();
        if changes.peek().is_none() {
            continue;
        }
        let mut rows = write.open_table(rows(table))?;
        for ((_, key), value) in changes {
            match value {
                Some(value) => rows.insert(key.as_str(), value.as_slice())?,
                None => rows.remove(key.as_str())?,
            };
        }
    }
    write.commit()?;
    Ok(())
}
