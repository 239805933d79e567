//! Rewriting the journal: the state as it is, without what was overwritten or has ended.
//!
//! The next journal is a file beside the journal. It gets every batch that is written meanwhile,
//! and between two batches some groups as they are at that moment. When it has all groups it
//! takes the journal's place. So nothing waits, and a failure at any time leaves the journal.

mod position;
mod schedule;

use std::io;
use std::thread::JoinHandle;

use tokio_util::sync::CancellationToken;

use self::position::Position;
pub use self::schedule::Schedule;
use crate::store::embedded::folder::Folder;
use crate::store::embedded::journal::Journal;
use crate::store::embedded::state::State;

/// The next journal while it is written.
#[derive(Debug)]
pub struct Compaction {
    journal: Journal,
    position: Position,
    /// Syncs the complete file, so that taking the journal's place is quick.
    sync: Option<Sync>,
}

/// A sync that runs in a thread of its own.
#[derive(Debug)]
struct Sync {
    thread: JoinHandle<io::Result<()>>,
    finished: CancellationToken,
}

impl Compaction {
    /// Begins the next journal, whose file is empty.
    pub fn begin(journal: Journal, state: &State) -> Self {
        Self {
            journal,
            position: Position::new(state),
            sync: None,
        }
    }

    /// Whether it can go on: it does not wait for its sync.
    pub fn is_ready(&self) -> bool {
        let finished = |sync: &Sync| sync.finished.is_cancelled();
        self.sync.as_ref().is_none_or(finished)
    }

    /// The next records of the state, as lines of JSON. They follow the batch that is taken
    /// under the same lock.
    pub fn part(&mut self, state: &State) -> Vec<u8> {
        self.position.part(state)
    }

    /// Writes a batch or a part.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.journal.append(lines)
    }

    /// Whether the next journal is complete and synced. `synced` is called in another thread
    /// at the end of its sync.
    pub fn is_done(&mut self, synced: impl FnOnce() + Send + 'static) -> io::Result<bool> {
        if !self.position.is_end() {
            return Ok(false);
        }
        let Some(sync) = self.sync.take_if(|sync| sync.finished.is_cancelled()) else {
            if self.sync.is_none() {
                let finished = CancellationToken::new();
                let (file, token) = (self.journal.file(), finished.clone());
                let sync = move || {
                    let done = file.sync_data();
                    token.cancel();
                    synced();
                    done
                };
                let thread = std::thread::Builder::new().name("mesh-sync".into());
                let thread = thread.spawn(sync)?;
                self.sync = Some(Sync { thread, finished });
            }
            return Ok(false);
        };
        let done = sync.thread.join();
        done.unwrap_or_else(|_| Err(io::Error::other("the sync panicked")))?;
        Ok(true)
    }

    /// Writes all of a state that does not change, whose parts `part` gives.
    pub fn run(mut self, mut part: impl FnMut(&mut Self) -> Vec<u8>) -> io::Result<Self> {
        while !self.position.is_end() {
            let lines = part(&mut self);
            self.append(&lines)?;
        }
        Ok(self)
    }

    /// Puts the next journal in the place of the journal.
    pub fn switch(mut self, folder: &Folder) -> io::Result<Journal> {
        self.journal.close()?;
        folder.replace_journal()?;
        Ok(self.journal)
    }
}
