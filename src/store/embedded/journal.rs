//! The journal (write-ahead log): each batch of changes is one write, so that calls return
//! quickly. A checkpoint moves its changes to the database; then it begins a new generation.
//!
//! A generation overwrites the file from its beginning. Each record holds a batch, with the
//! generation's random number and a checksum. The database stores the number of the generation
//! that it does not contain yet. So records of earlier generations and incomplete records are
//! never read.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::store::embedded::records::{Change, Table};

/// What acknowledged calls survive. Both survive the end of the process, even by `kill -9`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: each batch is synced to disk.
    #[default]
    Power,
    /// The end of the process: the operating system writes the bytes to disk later, often
    /// within half a minute. A power cut may lose the changes of that time.
    Process,
}

/// Bytes before a record's changes: checksum of the rest (4), length (4), generation (8).
const HEADER_BYTES: usize = 16;
/// The value length that means a removal.
const REMOVED: u32 = u32::MAX;

/// The file, open for one writer.
#[derive(Debug)]
pub struct Journal {
    file: File,
    durability: Durability,
    generation: u64,
    end: u64,
    record: Vec<u8>,
}

impl Journal {
    /// Opens or creates the file, and reads the changes of generation `generation`. Call
    /// [`Journal::begin`] before the first write.
    pub fn open(
        path: &Path,
        durability: Durability,
        generation: Option<u64>,
    ) -> io::Result<(Self, Vec<Change>)> {
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path)?;
        let changes = match generation {
            Some(generation) => read(&std::fs::read(path)?, generation)?,
            None => Vec::new(),
        };
        let journal = Self {
            file,
            durability,
            generation: 0,
            end: 0,
            record: Vec::new(),
        };
        Ok((journal, changes))
    }

    /// Appends a batch.
    pub fn write(&mut self, changes: &[Change]) -> io::Result<()> {
        self.record.clear();
        self.record.resize(HEADER_BYTES, 0);
        for change in changes {
            encode(change, &mut self.record)?;
        }
        let length = u32::try_from(self.record.len() - HEADER_BYTES).map_err(io::Error::other)?;
        self.record[4..8].copy_from_slice(&length.to_le_bytes());
        self.record[8..16].copy_from_slice(&self.generation.to_le_bytes());
        let sum = crc32fast::hash(&self.record[4..]);
        self.record[..4].copy_from_slice(&sum.to_le_bytes());
        write_at(&self.file, &self.record, self.end)?;
        if self.durability == Durability::Power {
            self.file.sync_data()?;
        }
        self.end += self.record.len() as u64;
        Ok(())
    }

    /// Bytes written in this generation.
    pub fn len(&self) -> u64 {
        self.end
    }

    /// Begins a generation, whose number the database has stored.
    pub fn begin(&mut self, generation: u64) {
        self.generation = generation;
        self.end = 0;
        self.record.shrink_to(64 * 1024);
    }

    /// Rolls back a batch that could not be written, so that it is never read.
    pub fn rollback(&self) -> io::Result<()> {
        write_at(&self.file, &[0; HEADER_BYTES], self.end)?;
        self.file.sync_data()
    }
}

fn write_at(mut file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

/// A generation's number: random, so that no number is used twice.
pub fn new_generation() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().1
}

fn encode(change: &Change, out: &mut Vec<u8>) -> io::Result<()> {
    let length = |bytes: usize| u32::try_from(bytes).map_err(io::Error::other);
    out.push(match change.table {
        Table::Groups => 0,
        Table::Nodes => 1,
        Table::Calls => 2,
        Table::Tombstones => 3,
    });
    out.extend_from_slice(&length(change.key.len())?.to_le_bytes());
    let value = match &change.value {
        Some(value) => length(value.len())?,
        None => REMOVED,
    };
    out.extend_from_slice(&value.to_le_bytes());
    out.extend_from_slice(change.key.as_bytes());
    out.extend_from_slice(change.value.as_deref().unwrap_or_default());
    Ok(())
}

/// The changes of a generation, up to the first record that is incomplete or of another one.
fn read(mut bytes: &[u8], generation: u64) -> io::Result<Vec<Change>> {
    let mut changes = Vec::new();
    while let Some(mut record) =
        first_record(bytes).filter(|record| record.generation == generation)
    {
        while !record.body.is_empty() {
            // Its checksum is right, so another version wrote it.
            let unknown = || io::Error::new(io::ErrorKind::InvalidData, "an unknown record");
            changes.push(decode(&mut record.body).ok_or_else(unknown)?);
        }
        bytes = record.rest;
    }
    Ok(changes)
}

/// An intact record, and the bytes after it.
struct IntactRecord<'a> {
    generation: u64,
    body: &'a [u8],
    rest: &'a [u8],
}

/// The first record, if its checksum is right.
fn first_record(bytes: &[u8]) -> Option<IntactRecord<'_>> {
    let (head, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let [s0, s1, s2, s3, l0, l1, l2, l3, generation @ ..] = *head;
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?;
    let (body, rest) = rest.split_at_checked(length)?;
    let sum = crc32fast::hash(&bytes[4..HEADER_BYTES + length]);
    let intact = sum == u32::from_le_bytes([s0, s1, s2, s3]);
    intact.then_some(IntactRecord {
        generation: u64::from_le_bytes(generation),
        body,
        rest,
    })
}

fn decode(bytes: &mut &[u8]) -> Option<Change> {
    let (&[table, k0, k1, k2, k3, v0, v1, v2, v3], rest) = bytes.split_first_chunk::<9>()?;
    let key = usize::try_from(u32::from_le_bytes([k0, k1, k2, k3])).ok()?;
    let (key, rest) = rest.split_at_checked(key)?;
    let value = u32::from_le_bytes([v0, v1, v2, v3]);
    let kept = if value == REMOVED { 0 } else { value };
    let (kept, rest) = rest.split_at_checked(usize::try_from(kept).ok()?)?;
    *bytes = rest;
    Some(Change {
        table: match table {
            0 => Table::Groups,
            1 => Table::Nodes,
            2 => Table::Calls,
            3 => Table::Tombstones,
            _ => return None,
        },
        key: std::str::from_utf8(key).ok()?.to_owned(),
        value: (value != REMOVED).then(|| kept.to_vec()),
    })
}

#[cfg(test)]
mod tests;
