//! The journal: the only file with data. Each batch of records is appended by one write.

pub mod counters;
pub mod format;

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::Path;
use std::sync::Arc;

use crate::store::embedded::folder;
use crate::store::embedded::journal::format::{Ending, ReadError};
use crate::store::embedded::record::Record;
use crate::store::embedded::state::State;

/// A buffer that grew beyond this is shrunk after use.
const KEPT_BYTES: usize = 64 * 1024;

/// A journal, open for one writer.
#[derive(Debug)]
pub struct Journal {
    file: Arc<File>,
    end: u64,
    /// The end of the last record of a change.
    changed: u64,
    /// Bytes known to be on disk, whatever happens to the power.
    synced: u64,
    /// Whether the journal does not yet say how much is synced.
    unmarked: bool,
    /// Bytes after `end` could not be removed.
    broken: bool,
    buffer: Vec<u8>,
}

impl Journal {
    /// An empty journal in place of the file `path`.
    pub fn create(path: &Path) -> io::Result<Self> {
        drop(folder::create_file(path)?);
        let mut journal = Self::at(path, 0)?;
        let mut first = Vec::new();
        Record::FORMAT.write(&mut first);
        journal.append(&first)?;
        Ok(journal)
    }

    /// Reads the file `path`, gives its records to `apply`, and removes a torn end.
    pub fn open(
        path: &Path,
        apply: impl FnMut(Record<'static>),
    ) -> Result<(Self, Ending), ReadError> {
        let ending = format::read(BufReader::new(File::open(path)?), apply)?;
        let mut journal = Self::at(path, ending.end)?;
        if ending.torn > 0 {
            journal.truncate()?;
            // Before new lines take the place of torn ones.
            journal.file.sync_data()?;
        }
        Ok((journal, ending))
    }

    /// What is committed: the state of the records up to the end.
    pub fn restore(&mut self, path: &Path, mut state: State) -> Result<State, ReadError> {
        self.truncate()?;
        format::read(BufReader::new(File::open(path)?), |record| {
            state.apply(record);
        })?;
        Ok(state)
    }

    fn at(path: &Path, end: u64) -> io::Result<Self> {
        Ok(Self {
            file: Arc::new(File::options().append(true).open(path)?),
            end,
            changed: end,
            synced: 0,
            unmarked: false,
            broken: false,
            buffer: Vec::new(),
        })
    }

    /// Appends records, a line of JSON each; all of them or none.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.write(lines)?;
        self.changed = self.end;
        Ok(())
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.broken {
            self.truncate()?;
        }
        self.buffer.clear();
        let mut mark = Vec::new();
        if self.unmarked {
            Record::Synced(self.synced).write(&mut mark);
        }
        for json in [&mark, lines]
            .into_iter()
            .flat_map(|lines| lines.split(|b| *b == b'\n'))
        {
            if !json.is_empty() {
                let at = self.end + self.buffer.len() as u64;
                format::push_line(&mut self.buffer, at, json);
            }
        }
        let written = (&*self.file).write_all(&self.buffer);
        if let Err(error) = written {
            self.broken = true;
            // If this fails too, the next write tries it again.
            let _ = self.truncate();
            return Err(error);
        }
        self.unmarked = false;
        self.end += self.buffer.len() as u64;
        self.buffer.shrink_to(KEPT_BYTES);
        Ok(())
    }

    /// Removes what follows the last complete batch.
    fn truncate(&mut self) -> io::Result<()> {
        self.file.set_len(self.end)?;
        self.broken = false;
        Ok(())
    }

    /// Waits until everything is on disk; removes the last `batch` bytes if that fails, because
    /// it is not known whether they are.
    pub fn sync_batch(&mut self, before: u64) -> io::Result<()> {
        let synced = self.file.sync_data();
        if synced.is_ok() {
            self.mark(self.end);
        } else {
            self.end = before;
            self.changed = self.changed.min(before);
            self.broken = true;
            let _ = self.truncate();
        }
        synced
    }

    /// The bytes of the file.
    pub fn len(&self) -> u64 {
        self.end
    }

    /// Its file.
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Its file and length, if some changes are not known to be on disk.
    pub fn unsynced(&self) -> Option<(Arc<File>, u64)> {
        (self.changed > self.synced).then(|| (Arc::clone(&self.file), self.end))
    }

    /// The first `bytes` bytes of `file` are on disk. Another file's are not counted.
    pub fn synced(&mut self, file: &Arc<File>, bytes: u64) {
        if Arc::ptr_eq(file, &self.file) {
            self.mark(bytes);
        }
    }

    fn mark(&mut self, bytes: u64) {
        self.unmarked |= bytes > self.synced;
        self.synced = self.synced.max(bytes);
    }

    /// Writes how much is synced, so that damage before that position is recognized.
    pub fn write_mark(&mut self) -> io::Result<()> {
        if self.unmarked {
            self.write(&[])
        } else {
            Ok(())
        }
    }

    /// Waits until everything is on disk.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.mark(self.end);
        Ok(())
    }

    /// Waits until everything is on disk, and says so in the file.
    pub fn close(&mut self) -> io::Result<()> {
        self.sync()?;
        self.write_mark()?;
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests;
