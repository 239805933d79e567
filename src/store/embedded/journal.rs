//! The journal: each batch of changes in one write, so that callers wait for little. The
//! database takes over what is in it from time to time, and then it begins anew.
//!
//! It is written over from the beginning of its file. A round's records carry the round's
//! number, which is random, and a sum. The database knows the number of the one round that
//! it has yet to take over: what an earlier round left, however long ago, and what was not
//! written to its end, is never read.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::store::embedded::records::{Change, Table};

/// What an acknowledged call survives. A server that ends, by `kill -9` too, loses nothing
/// either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: each batch waits for the disk.
    #[default]
    Power,
    /// The end of the process: the system has the bytes and brings them to the disk within
    /// its own time, often half a minute. A power cut may cost what came in that time.
    Process,
}

/// Bytes before a record's changes: the sum of the rest (4), their length (4), the round (8).
const HEAD: usize = 16;
/// The length that stands for a removal.
const REMOVED: u32 = u32::MAX;

/// The file, open for one writer.
#[derive(Debug)]
pub struct Journal {
    file: File,
    durability: Durability,
    round: u64,
    end: u64,
    record: Vec<u8>,
}

impl Journal {
    /// Opens the file or makes it, and reads the changes of `round`, if it holds any. It is
    /// written to only after a round has begun.
    pub fn open(
        path: &Path,
        durability: Durability,
        round: Option<u64>,
    ) -> io::Result<(Self, Vec<Change>)> {
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path)?;
        let changes = match round {
            Some(round) => read(&std::fs::read(path)?, round)?,
            None => Vec::new(),
        };
        let journal = Self {
            file,
            durability,
            round: 0,
            end: 0,
            record: Vec::new(),
        };
        Ok((journal, changes))
    }

    /// Writes a batch behind those before it.
    pub fn write(&mut self, changes: &[Change]) -> io::Result<()> {
        self.record.clear();
        self.record.resize(HEAD, 0);
        for change in changes {
            encode(change, &mut self.record)?;
        }
        let length = u32::try_from(self.record.len() - HEAD).map_err(io::Error::other)?;
        self.record[4..8].copy_from_slice(&length.to_le_bytes());
        self.record[8..16].copy_from_slice(&self.round.to_le_bytes());
        let sum = crc32fast::hash(&self.record[4..]);
        self.record[..4].copy_from_slice(&sum.to_le_bytes());
        write_at(&self.file, &self.record, self.end)?;
        if self.durability == Durability::Power {
            self.file.sync_data()?;
        }
        self.end += self.record.len() as u64;
        Ok(())
    }

    /// Bytes written in this round.
    pub fn len(&self) -> u64 {
        self.end
    }

    /// Begins a round, of which the database knows.
    pub fn begin(&mut self, round: u64) {
        self.round = round;
        self.end = 0;
        self.record.shrink_to(64 * 1024);
    }

    /// Takes back a batch whose writing failed: whatever of it arrived is not read again.
    pub fn take_back(&self) -> io::Result<()> {
        write_at(&self.file, &[0; HEAD], self.end)?;
        self.file.sync_data()
    }
}

fn write_at(mut file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

/// A round's number. It must never have been one before, so it does not count on.
pub fn new_round() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().1
}

fn encode(change: &Change, out: &mut Vec<u8>) -> io::Result<()> {
    let length = |bytes: usize| u32::try_from(bytes).map_err(io::Error::other);
    out.push(match change.table {
        Table::Groups => 0,
        Table::Nodes => 1,
        Table::Calls => 2,
        Table::Ended => 3,
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

/// The changes of the round, up to the first record that is not whole or is of another.
fn read(mut bytes: &[u8], round: u64) -> io::Result<Vec<Change>> {
    let mut changes = Vec::new();
    while let Some(mut record) = whole(bytes).filter(|record| record.round == round) {
        while !record.body.is_empty() {
            // Its sum is right, so it was written so: by another version.
            let strange = || io::Error::new(io::ErrorKind::InvalidData, "an unknown record");
            changes.push(decode(&mut record.body).ok_or_else(strange)?);
        }
        bytes = record.rest;
    }
    Ok(changes)
}

/// A record that was written to its end, and what follows it.
struct Whole<'a> {
    round: u64,
    body: &'a [u8],
    rest: &'a [u8],
}

/// The first record, if its sum is right.
fn whole(bytes: &[u8]) -> Option<Whole<'_>> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let [s0, s1, s2, s3, l0, l1, l2, l3, round @ ..] = *head;
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?;
    let (body, rest) = rest.split_at_checked(length)?;
    let sum = crc32fast::hash(&bytes[4..HEAD + length]);
    let right = sum == u32::from_le_bytes([s0, s1, s2, s3]);
    right.then_some(Whole {
        round: u64::from_le_bytes(round),
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
            3 => Table::Ended,
            _ => return None,
        },
        key: std::str::from_utf8(key).ok()?.to_owned(),
        value: (value != REMOVED).then(|| kept.to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::property::cases;

    fn change() -> impl Strategy<Value = Change> {
        let tables = vec![Table::Groups, Table::Nodes, Table::Calls, Table::Ended];
        let table = prop::sample::select(tables);
        let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..60));
        (table, "[a-zあ-ん#]{0,12}", value).prop_map(|(table, key, value)| Change {
            table,
            key,
            value,
        })
    }

    fn batches() -> impl Strategy<Value = Vec<Vec<Change>>> {
        prop::collection::vec(prop::collection::vec(change(), 1..5), 0..8)
    }

    /// The journal's bytes after each batch.
    fn written(journal: &mut Journal, path: &Path, batches: &[Vec<Change>]) -> Vec<usize> {
        let ends = batches.iter().map(|batch| {
            journal.write(batch).unwrap();
            usize::try_from(journal.len()).unwrap()
        });
        let ends = ends.collect();
        assert!(std::fs::metadata(path).unwrap().len() >= journal.len());
        ends
    }

    fn new(path: &Path, round: u64) -> Journal {
        let (mut journal, none) = Journal::open(path, Durability::Process, None).unwrap();
        assert_eq!(none, []);
        journal.begin(round);
        journal
    }

    fn found(path: &Path, round: u64) -> Vec<Change> {
        Journal::open(path, Durability::Power, Some(round))
            .unwrap()
            .1
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(cases(64)))]

        #[test]
        fn what_a_round_wrote_is_read_however_much_an_earlier_one_left(
            earlier in batches(), later in batches(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("journal");
            let mut journal = new(&path, 1);
            written(&mut journal, &path, &earlier);
            journal.begin(2);
            written(&mut journal, &path, &later);
            prop_assert_eq!(found(&path, 2), later.concat());
            prop_assert_eq!(found(&path, 3), vec![]);
        }

        #[test]
        fn a_file_that_ends_anywhere_or_is_spoiled_gives_whole_batches_only(
            batches in batches(), place in any::<prop::sample::Index>(), spoil in any::<bool>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("journal");
            let ends = written(&mut new(&path, 1), &path, &batches);
            let mut bytes = std::fs::read(&path).unwrap();
            let at = place.index(bytes.len() + 1);
            if spoil && at < bytes.len() { bytes[at] ^= 0x41 } else { bytes.truncate(at) }
            std::fs::write(&path, &bytes).unwrap();
            let whole = ends.iter().filter(|end| **end <= at).count();
            prop_assert_eq!(found(&path, 1), batches[..whole].concat());
        }
    }

    fn node(key: &str) -> Change {
        Change {
            table: Table::Nodes,
            key: key.into(),
            value: Some(b"1".into()),
        }
    }

    #[test]
    fn a_batch_that_is_taken_back_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = new(&path, 1);
        journal.write(&[node("stays")]).unwrap();
        let end = journal.end;
        journal.write(&[node("goes")]).unwrap();
        journal.end = end;
        journal.take_back().unwrap();
        assert_eq!(found(&path, 1), [node("stays")]);
    }

    #[test]
    fn a_record_of_another_version_is_an_error_and_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        new(&path, 1).write(&[node("a")]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[HEAD] = 9;
        let sum = crc32fast::hash(&bytes[4..]);
        bytes[..4].copy_from_slice(&sum.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        Journal::open(&path, Durability::Power, Some(1)).unwrap_err();
    }
}
