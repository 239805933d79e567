//! The files of a data folder: the database, and the journal in front of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable as _, StorageError, TableDefinition,
};

use crate::memory::{Lease, Memory, Purpose};
use crate::store::embedded::journal::{Durability, Journal, new_generation};
use crate::store::embedded::records::{self, Change, Record, Table};

/// The database in the data folder.
/// The database in the data folder.
pub const DATABASE: &str = "mesh.redb";
/// The journal in the data folder.
const JOURNAL: &str = "mesh.journal";
/// The database's page cache; the state is in memory anyway. Smaller with a small budget.
const CACHE_BYTES: usize = 16 * 1024 * 1024;
/// The largest share of the memory budget for the page cache, in percent.
const CACHE_PERCENT: usize = 5;
/// Bytes in the journal at which a checkpoint is made; fewer with a small budget.
const CHECKPOINT_BYTES: usize = 4 * 1024 * 1024;
/// The largest share of the memory budget for the journal's changes, in percent.
const CHECKPOINT_PERCENT: usize = 3;

type Rows = TableDefinition<'static, &'static str, &'static [u8]>;

/// The journal's generation that is not yet in the database.
const GENERATION: TableDefinition<'static, (), u64> = TableDefinition::new("journal");

const TABLES: [Table; 4] = [Table::Groups, Table::Nodes, Table::Calls, Table::Tombstones];

fn rows(table: Table) -> Rows {
    TableDefinition::new(match table {
        Table::Groups => "groups",
        Table::Nodes => "nodes",
        Table::Calls => "calls",
        Table::Tombstones => "ended",
    })
}

/// Changes by key; no value removes.
type PendingChanges = BTreeMap<(Table, String), Option<Vec<u8>>>;

/// A data folder's files, open for one writer.
#[derive(Debug)]
pub struct Files {
    database: Database,
    journal: Journal,
    /// The changes in the journal that are not in the database.
    pending: PendingChanges,
    /// Memory of the pending changes and of the database's cache.
    lease: Lease,
}

impl Files {
    /// Opens or creates the files, and reads all records.
    pub fn open(
        folder: &Path,
        durability: Durability,
        memory: &Memory,
    ) -> anyhow::Result<(Self, Vec<Record>)> {
        let file = folder.join(DATABASE);
        let lease = memory.lease(Purpose::Disk, fixed_bytes(memory));
        let database = open(&file, memory)?;
        let generation =
            generation(&database).with_context(|| format!("cannot read {}", file.display()))?;
        let file = folder.join(JOURNAL);
        let opened = Journal::open(&file, durability, generation);
        let (journal, changes) =
            opened.with_context(|| format!("cannot open {}", file.display()))?;
        // A power cut after the files were created must not lose their directory entries.
        File::open(folder).and_then(|folder| folder.sync_all())?;
        let mut files = Self {
            database,
            journal,
            pending: by_key(changes).collect(),
            lease,
        };
        let checkpoint = files.checkpoint().map_err(anyhow::Error::from);
        let records = checkpoint.and_then(|()| records(&files.database));
        let records = records.with_context(|| format!("cannot read {}", folder.display()))?;
        Ok((files, records))
    }

    /// Writes a batch of changes: when it returns, they are durable.
    pub fn write(&mut self, changes: Vec<Change>) -> io::Result<()> {
        self.journal.write(&changes)?;
        self.lease.grow(changes.iter().map(Change::bytes).sum());
        self.pending.extend(by_key(changes));
        Ok(())
    }

    /// Makes a checkpoint if the journal is large.
    pub fn checkpoint_if_due(&mut self) -> Result<(), redb::Error> {
        if self.journal.len() < checkpoint_bytes(self.lease.memory()) as u64 {
            return Ok(());
        }
        self.checkpoint()
    }

    /// Makes a checkpoint: moves the journal's changes to the database, and begins a new
    /// generation.
    pub fn checkpoint(&mut self) -> Result<(), redb::Error> {
        let next = new_generation();
        commit(&self.database, &self.pending, next)?;
        self.pending.clear();
        self.lease.resize(fixed_bytes(self.lease.memory()));
        self.journal.begin(next);
        Ok(())
    }

    /// The journal alone; the database is closed.
    pub fn into_journal(self) -> Journal {
        self.journal
    }
}

fn cache(memory: &Memory) -> usize {
    CACHE_BYTES.min(memory.share(CACHE_PERCENT))
}

fn checkpoint_bytes(memory: &Memory) -> usize {
    CHECKPOINT_BYTES.min(memory.share(CHECKPOINT_PERCENT))
}

/// Memory that the files use at all times: the cache, and the pages that a checkpoint rewrites.
fn fixed_bytes(memory: &Memory) -> usize {
    cache(memory) + 2 * checkpoint_bytes(memory)
}

fn open(file: &Path, memory: &Memory) -> anyhow::Result<Database> {
    let mut builder = Database::builder();
    let opened = builder.set_cache_size(cache(memory)).create(file);
    opened.map_err(|error| {
        let in_use = matches!(error, DatabaseError::DatabaseAlreadyOpen);
        let damaged = matches!(error, DatabaseError::Storage(StorageError::Corrupted(_)));
        let error = anyhow::Error::new(error);
        let file = file.display();
        if in_use {
            error.context("another mesh-v2 uses this data folder; stop it or pass another --data")
        } else if damaged {
            error.context(format!(
                "{file} is damaged; move its folder away to start with an empty one"
            ))
        } else {
            error.context(format!("cannot open {file}"))
        }
    })
}

/// The journal's generation, if there is one. Creates the tables.
fn generation(database: &Database) -> Result<Option<u64>, redb::Error> {
    let write = database.begin_write()?;
    for table in TABLES {
        write.open_table(rows(table))?;
    }
    let generation = write
        .open_table(GENERATION)?
        .get(())?
        .map(|generation| generation.value());
    write.commit()?;
    Ok(generation)
}

fn records(database: &Database) -> anyhow::Result<Vec<Record>> {
    let read = database.begin_read()?;
    let mut records = Vec::new();
    for table in TABLES {
        for row in read.open_table(rows(table))?.iter()? {
            let (key, value) = row?;
            records.push(records::read(table, key.value(), value.value())?);
        }
    }
    Ok(records)
}

fn by_key(changes: Vec<Change>) -> impl Iterator<Item = ((Table, String), Option<Vec<u8>>)> {
    changes.into_iter().map(|c| ((c.table, c.key), c.value))
}

fn commit(
    database: &Database,
    changes: &PendingChanges,
    next_generation: u64,
) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    for table in TABLES {
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
    write.open_table(GENERATION)?.insert((), next_generation)?;
    write.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests;
