//! The database's file, and when it counts as written.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{BackendError, Database, DatabaseError, StorageBackend};

/// The database's page cache; the working set is in memory anyway.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// What an acknowledged call survives. A server that ends, by `kill -9` too, loses nothing
/// either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: each commit waits for the disk.
    #[default]
    Power,
    /// The end of the process: the system has the bytes and brings them to the disk later.
    /// A power cut may then cost the file, which says so when it is opened next.
    Process,
}

/// Opens the file, or makes it.
pub fn open(file: &Path, durability: Durability) -> Result<Database, DatabaseError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    match durability {
        Durability::Power => builder.create(file),
        Durability::Process => {
            let mut options = File::options();
            let options = options.read(true).write(true).create(true).truncate(false);
            let file = FileBackend::new(options.open(file).map_err(redb::StorageError::Io)?)?;
            builder.create_with_backend(Unhurried(file))
        }
    }
}

/// A file that leaves it to the system when to write to the disk, until it is closed.
#[derive(Debug)]
struct Unhurried(FileBackend);

impl StorageBackend for Unhurried {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.sync_data().and(self.0.close())
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}
