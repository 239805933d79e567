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
use crate::store::embedded::journal::{Durability, Journal, new_round};
use crate::store::embedded::records::{self, Change, Record, Table};

/// The database in the data folder.
const DATABASE: &str = "mesh.redb";
/// The journal in the data folder.
const JOURNAL: &str = "mesh.journal";
/// The database's page cache; the working set is in memory anyway. A small budget's is
/// smaller.
const CACHE_BYTES: usize = 16 * 1024 * 1024;
/// The most of the memory budget that the page cache may have, in percent.
const CACHE_PERCENT: usize = 5;
/// Bytes in the journal that the database takes over; fewer with a small budget.
const TAKEN_OVER_BYTES: usize = 4 * 1024 * 1024;
/// The most of the memory budget that one such round may have, in percent.
const TAKEN_OVER_PERCENT: usize = 3;

type Rows = TableDefinition<'static, &'static str, &'static [u8]>;

/// The round of the journal that is yet to be taken over.
const ROUND: TableDefinition<'static, (), u64> = TableDefinition::new("journal");

const TABLES: [Table; 4] = [Table::Groups, Table::Nodes, Table::Calls, Table::Ended];

fn rows(table: Table) -> Rows {
    TableDefinition::new(match table {
        Table::Groups => "groups",
        Table::Nodes => "nodes",
        Table::Calls => "calls",
        Table::Ended => "ended",
    })
}

/// Changes by key; no value removes.
type Rowset = BTreeMap<(Table, String), Option<Vec<u8>>>;

/// A data folder's files, open for one writer.
#[derive(Debug)]
pub struct Files {
    database: Database,
    journal: Journal,
    /// What the journal holds and the database does not.
    pending: Rowset,
    /// What that takes in memory, and the database's cache.
    held: Lease,
}

impl Files {
    /// Opens the files or makes them, and reads all that they hold.
    pub fn open(
        folder: &Path,
        durability: Durability,
        memory: &Memory,
    ) -> anyhow::Result<(Self, Vec<Record>)> {
        let file = folder.join(DATABASE);
        let held = memory.lease(Purpose::Disk, always(memory));
        let database = open(&file, memory)?;
        let round = round(&database).with_context(|| format!("cannot read {}", file.display()))?;
        let file = folder.join(JOURNAL);
        let opened = Journal::open(&file, durability, round);
        let (journal, changes) =
            opened.with_context(|| format!("cannot open {}", file.display()))?;
        // A power cut right after the files were made must not take their names away.
        File::open(folder).and_then(|folder| folder.sync_all())?;
        let mut files = Self {
            database,
            journal,
            pending: by_key(changes).collect(),
            held,
        };
        let taken_up = files.take_over().map_err(anyhow::Error::from);
        let records = taken_up.and_then(|()| records(&files.database));
        let records = records.with_context(|| format!("cannot read {}", folder.display()))?;
        Ok((files, records))
    }

    /// Writes a batch of changes: when it returns, they are durable.
    pub fn write(&mut self, changes: Vec<Change>) -> io::Result<()> {
        self.journal.write(&changes)?;
        self.held.grow(changes.iter().map(Change::bytes).sum());
        self.pending.extend(by_key(changes));
        Ok(())
    }

    /// Has the database take over what is in the journal, when it is much.
    pub fn take_over_if_due(&mut self) -> Result<(), redb::Error> {
        if self.journal.len() < taken_over(self.held.memory()) as u64 {
            return Ok(());
        }
        self.take_over()
    }

    /// Has the database take over what is in the journal, and begins a new round.
    pub fn take_over(&mut self) -> Result<(), redb::Error> {
        let next = new_round();
        commit(&self.database, &self.pending, next)?;
        self.pending.clear();
        self.held.resize(always(self.held.memory()));
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

fn taken_over(memory: &Memory) -> usize {
    TAKEN_OVER_BYTES.min(memory.share(TAKEN_OVER_PERCENT))
}

/// What the files take in memory at all times: the cache, and the pages that a round
/// writes anew.
fn always(memory: &Memory) -> usize {
    cache(memory) + 2 * taken_over(memory)
}

fn open(file: &Path, memory: &Memory) -> anyhow::Result<Database> {
    let mut builder = Database::builder();
    let opened = builder.set_cache_size(cache(memory)).create(file);
    opened.map_err(|error| {
        let held = matches!(error, DatabaseError::DatabaseAlreadyOpen);
        let damaged = matches!(error, DatabaseError::Storage(StorageError::Corrupted(_)));
        let error = anyhow::Error::new(error);
        let file = file.display();
        if held {
            error.context("another mesh-v2 uses this data folder; stop it or pass another --data")
        } else if damaged {
            error.context(format!(
                "{file} is damaged; move its folder away to begin with an empty stage"
            ))
        } else {
            error.context(format!("cannot open {file}"))
        }
    })
}

/// The round that the journal is in, if it ever began one. Makes the tables.
fn round(database: &Database) -> Result<Option<u64>, redb::Error> {
    let write = database.begin_write()?;
    for table in TABLES {
        write.open_table(rows(table))?;
    }
    let round = write.open_table(ROUND)?.get(())?.map(|round| round.value());
    write.commit()?;
    Ok(round)
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

fn commit(database: &Database, changes: &Rowset, next_round: u64) -> Result<(), redb::Error> {
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
    write.open_table(ROUND)?.insert((), next_round)?;
    write.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, value: Option<&str>) -> Change {
        Change {
            table: Table::Groups,
            key: key.into(),
            value: value.map(|value| value.as_bytes().to_vec()),
        }
    }

    fn stored(files: &Files) -> Vec<String> {
        let read = files.database.begin_read().unwrap();
        let rows = read.open_table(rows(Table::Groups)).unwrap();
        let rows = rows.iter().unwrap().map(|row| {
            let (key, value) = row.unwrap();
            format!("{}={}", key.value(), String::from_utf8_lossy(value.value()))
        });
        rows.collect()
    }

    fn open_again(folder: &Path) -> Files {
        let memory = Memory::unlimited();
        let database = open(&folder.join(DATABASE), &memory).unwrap();
        let round = round(&database).unwrap();
        let journal = Journal::open(&folder.join(JOURNAL), Durability::Process, round);
        let (journal, changes) = journal.unwrap();
        // The values here are no records, so they are not read as such.
        let mut files = Files {
            database,
            journal,
            pending: by_key(changes).collect(),
            held: memory.lease(Purpose::Disk, 0),
        };
        files.take_over().unwrap();
        files
    }

    #[test]
    fn the_database_takes_over_the_last_value_of_each_key() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = open_again(folder.path());
        files
            .write(vec![change("a", Some("1")), change("b", Some("1"))])
            .unwrap();
        files
            .write(vec![change("a", Some("2")), change("b", None)])
            .unwrap();
        files.take_over().unwrap();
        assert_eq!(stored(&files), ["a=2"]);
        assert_eq!(files.journal.len(), 0);
    }

    #[test]
    fn what_only_the_journal_holds_is_taken_over_when_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = open_again(folder.path());
        files.write(vec![change("a", Some("1"))]).unwrap();
        drop(files);
        let files = open_again(folder.path());
        assert_eq!(stored(&files), ["a=1"]);
    }

    #[test]
    fn a_round_that_was_taken_over_is_never_taken_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = open_again(folder.path());
        files.write(vec![change("a", Some("1"))]).unwrap();
        let beginning = std::fs::read(folder.path().join(JOURNAL)).unwrap();
        files
            .write(vec![change("a", None), change("b", Some("1"))])
            .unwrap();
        let whole = std::fs::read(folder.path().join(JOURNAL)).unwrap();
        files.take_over().unwrap();
        files.write(vec![change("b", Some("2"))]).unwrap();
        files.take_over().unwrap();
        drop(files);
        // As power cuts may leave it: what came later had not arrived yet, or not all of it.
        for left in [beginning, whole] {
            std::fs::write(folder.path().join(JOURNAL), left).unwrap();
            assert_eq!(stored(&open_again(folder.path())), ["b=2"]);
        }
    }
}
