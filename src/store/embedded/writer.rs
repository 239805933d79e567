//! One thread that brings changes to disk: whoever waits while a commit runs shares
//! the next one (group commit), and of a key written twice only the last value is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::Context as _;
use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable as _, TableDefinition,
};
use tokio::sync::{mpsc, oneshot};

use crate::store::Failure;
use crate::store::embedded::records::{self, Change, Record, Table};

/// Calls that may wait for the disk at once; more wait before they change anything.
const QUEUE: usize = 4096;
/// Calls that one commit takes.
const CALLS_PER_COMMIT: usize = 1024;
/// The file in the data folder.
const FILE: &str = "mesh.redb";
/// The database's page cache; the working set is in memory anyway.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

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
    /// Opens or makes the file in `folder` and reads all that it holds.
    pub fn open(folder: &Path) -> anyhow::Result<(Self, Vec<Record>)> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the data folder {}", folder.display()))?;
        let file = folder.join(FILE);
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(&file)
            .map_err(|error| {
                let held = matches!(error, DatabaseError::DatabaseAlreadyOpen);
                let error = anyhow::Error::new(error);
                if held {
                    error.context(
                        "another mesh-v2 uses this data folder; stop it or pass another --data",
                    )
                } else {
                    error.context(format!("cannot open {}", file.display()))
                }
            })?;
        let records =
            read_all(&database).with_context(|| format!("cannot read {}", file.display()))?;
        let (queue, calls) = mpsc::channel(QUEUE);
        let failing = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&failing);
        let thread = std::thread::Builder::new()
            .name("mesh-store".into())
            .spawn(move || write_all(&database, calls, &told))
            .context("cannot start the store's thread")?;
        let writer = Self {
            queue: Some(queue),
            thread: Some(thread),
            failing,
        };
        Ok((writer, records))
    }

    /// Waits for a place in the queue.
    pub async fn place(&self) -> Result<Place<'_>, Failure> {
        let stopped = || Failure::new("write to disk", "the store's thread has stopped");
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.reserve().await.map(Place).map_err(|_| stopped())
    }

    /// Whether the last commit worked.
    pub fn ready(&self) -> Result<(), Failure> {
        if self.failing.load(Ordering::Relaxed) {
            return Err(Failure::new("write to disk", "the last commit failed"));
        }
        Ok(())
    }
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

/// Commits until the store is dropped. What a failed commit held is tried again with
/// the next one, so that disk and memory agree as soon as the disk works again.
fn write_all(
    database: &Database,
    mut calls: mpsc::Receiver<(Vec<Change>, Done)>,
    failing: &AtomicBool,
) {
    let mut pending: BTreeMap<(Table, String), Option<Vec<u8>>> = BTreeMap::new();
    let mut waiting: Vec<Done> = Vec::new();
    while let Some(first) = calls.blocking_recv() {
        let mut next = Some(first);
        while let Some((changes, done)) = next {
            pending.extend(changes.into_iter().map(|c| ((c.table, c.key), c.value)));
            waiting.push(done);
            next = if waiting.len() < CALLS_PER_COMMIT {
                calls.try_recv().ok()
            } else {
                None
            };
        }
        let result =
            commit(database, &pending).map_err(|error| Failure::new("write to disk", error));
        failing.store(result.is_err(), Ordering::Relaxed);
        if result.is_ok() {
            pending.clear();
        }
        for done in waiting.drain(..) {
            // A caller that went away needs no answer.
            let _ = done.send(result.clone());
        }
    }
}

fn commit(
    database: &Database,
    changes: &BTreeMap<(Table, String), Option<Vec<u8>>>,
) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
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
