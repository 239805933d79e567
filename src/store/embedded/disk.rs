//! A data folder, open: the state that its journal has, and the store's thread.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use anyhow::{Context as _, anyhow};
use tokio_util::sync::CancellationToken;

use crate::memory::Memory;
use crate::store::Publisher;
use crate::store::embedded::commit::{Core, Shared, lock};
use crate::store::embedded::compaction::Schedule;
use crate::store::embedded::folder::{Folder, JOURNAL};
use crate::store::embedded::journal::Journal;
use crate::store::embedded::journal::counters::JournalCounters;
use crate::store::embedded::journal::format::{self, ReadError};
use crate::store::embedded::record::Record;
use crate::store::embedded::state::State;
use crate::store::embedded::thread::StoreThread;
use crate::store::embedded::{Durability, Options};

/// A handle of the folder.
pub struct Disk {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Disk {
    /// Waits for the thread, so that the folder can be opened again.
    fn drop(&mut self) {
        self.shared.stop.cancel();
        // Under the lock, so that the thread is not between its look and its wait.
        let core = lock(&self.shared.core);
        drop(core);
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // After a panic of the thread, the waiting calls fail by their time-outs.
            let _ = thread.join();
        }
    }
}

impl Disk {
    /// Opens or creates the folder, loads its journal into `state`, which is empty, and starts
    /// the thread that writes the state's changes.
    pub fn open(
        path: &Path,
        options: Options,
        mut state: State,
        memory: Memory,
        publisher: Arc<dyn Publisher>,
    ) -> anyhow::Result<Self> {
        let mut folder = Folder::open(path)?;
        let (mut journal, ended) = open_journal(&mut folder, &mut state)?;
        if options.durability == Durability::Always {
            // What a killed server wrote is shown now, and may not be on disk yet.
            journal.sync().context("cannot sync the journal")?;
        }
        let shared = Arc::new(Shared {
            core: Mutex::new(Core::new(state, &memory)),
            work: Condvar::new(),
            stop: CancellationToken::new(),
            counters: JournalCounters::new(journal.len()),
            journal: Mutex::new(journal),
            folder,
            publisher,
            options,
            slots: Shared::slots(),
            memory,
        });
        let schedule = Schedule::new(options.erase_after, ended);
        let thread = StoreThread::new(Arc::clone(&shared), schedule);
        let handle = std::thread::Builder::new()
            .name("mesh-store".into())
            .spawn(move || thread.run())
            .context("cannot start the store's thread")?;
        Ok(Self {
            shared,
            thread: Some(handle),
        })
    }

    /// Makes and commits changes, reads, and whether changes are accepted.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }
}

/// Opens the journal, or makes one in a folder that has had none; returns whether it has data of
/// groups that ended.
fn open_journal(folder: &mut Folder, state: &mut State) -> anyhow::Result<(Journal, bool)> {
    let path = folder.journal();
    let marked = folder.had_journal()?;
    if !path.exists() {
        if marked {
            return Err(missing(&path));
        }
        Journal::create(&folder.next())?.close()?;
        folder.replace_journal()?;
    }
    let mut ended = false;
    let (journal, ending) = Journal::open(&path, |record| {
        ended |= matches!(record, Record::Ended { .. });
        state.apply(record);
    })
    .map_err(|error| explained(error, &path))?;
    if ending.torn > 0 {
        tracing::warn!(
            bytes = ending.torn,
            "dropped the end of {JOURNAL}, which was being written when the server ended"
        );
    }
    if !marked {
        folder.mark()?;
    }
    Ok((journal, ended))
}

/// Reads the data of a folder and changes nothing.
///
/// # Errors
/// When [`Embedded::open`](super::Embedded::open) would refuse the folder.
pub fn inspect(path: &Path) -> anyhow::Result<()> {
    let folder = Folder::inspect(path)?;
    let journal = folder.journal();
    match File::open(&journal) {
        Ok(file) => {
            let read = format::read(BufReader::new(file), drop);
            read.map_err(|error| explained(error, &journal))?;
        }
        Err(_) if folder.had_journal()? => return Err(missing(&journal)),
        Err(_) => {}
    }
    Ok(())
}

fn missing(journal: &Path) -> anyhow::Error {
    anyhow!(
        "{} is missing, and this folder had one; put it back, restore a backup \
         (`mesh-v2 store restore`), or delete the folder to start with nothing",
        journal.display()
    )
}

fn explained(error: ReadError, path: &Path) -> anyhow::Error {
    let file = path.display();
    let damaged = matches!(
        error,
        ReadError::Damaged { .. } | ReadError::Empty | ReadError::NoJournal
    );
    let error = anyhow::Error::new(error).context(format!("cannot read {file}"));
    if damaged {
        error.context(
            "the data is damaged and was not changed; `mesh-v2 store repair` keeps what is \
             intact and says what is lost, `mesh-v2 store restore` takes a backup",
        )
    } else {
        error
    }
}
