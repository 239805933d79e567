//! `mesh-v2 store`: backup, restore and repair of a data folder.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::store::embedded::folder::{self, Folder, JOURNAL};
use crate::store::embedded::journal::format::{Lines, ReadError, push_line, read, records_of};
use crate::store::embedded::record::{Record, VERSION};

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Records that check.
    pub records: u64,
    /// Lines that do not, and were left out.
    pub lost: u64,
    /// Their bytes.
    pub lost_bytes: u64,
}

/// Copies the journal in the folder `data` to the new file `to`. The server may be running: what
/// it acknowledged before is in the copy.
///
/// # Errors
/// When the journal is damaged, or the file exists or cannot be written.
pub fn backup(data: &Path, to: &Path) -> anyhow::Result<Copied> {
    let from = Source::open(data.join(JOURNAL))?;
    from.check()?;
    if to.exists() {
        bail!("{} exists already", to.display());
    }
    // A copy that was cut short never has the backup's name.
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let copied = folder::create_file(&part)
        .and_then(|mut target| {
            let copied = copy(&from, &mut target, Stop::AtBadLine)?;
            target.sync_all()?;
            fs::rename(&part, to)?;
            Ok(copied)
        })
        .inspect_err(|_| drop(fs::remove_file(&part)));
    copied.with_context(|| format!("cannot write {}", to.display()))
}

/// Makes `backup` the journal of the folder `data`, which must have none.
///
/// # Errors
/// When the backup is damaged, a server uses the folder, or the folder has a journal.
pub fn restore(backup: &Path, data: &Path) -> anyhow::Result<Copied> {
    let backup = Source::open(backup.to_owned())?;
    backup.check()?;
    let mut folder = Folder::open(data)?;
    if folder.journal().exists() {
        bail!(
            "{} has a journal already; move {JOURNAL} away first",
            data.display()
        );
    }
    replace(&mut folder, &backup, Stop::AtBadLine)
}

/// Keeps the records of a damaged journal that check. The damaged file stays beside it under
/// another name, which is returned.
///
/// # Errors
/// When a server uses the folder, or it has no journal.
pub fn repair(data: &Path) -> anyhow::Result<(Copied, PathBuf)> {
    if !data.join(JOURNAL).exists() {
        bail!("{} has no {JOURNAL}", data.display());
    }
    let mut folder = Folder::open(data)?;
    let damaged = (1..=u32::MAX)
        .map(|number| data.join(format!("{JOURNAL}.damaged-{number}")))
        .find(|file| !file.exists())
        .unwrap_or_default();
    let journal = folder.journal();
    fs::hard_link(&journal, &damaged)
        .or_else(|_| fs::copy(&journal, &damaged).map(drop))
        .with_context(|| format!("cannot keep a copy of {}", journal.display()))?;
    let copied = Source::open(damaged.clone())
        .and_then(|from| replace(&mut folder, &from, Stop::Never))
        // The journal itself stays as it was.
        .inspect_err(|_| drop(fs::remove_file(&damaged)))?;
    Ok((copied, damaged))
}

fn replace(folder: &mut Folder, from: &Source, stop: Stop) -> anyhow::Result<Copied> {
    let mut next = folder::create_file(&folder.next())?;
    let copied = copy(from, &mut next, stop)
        .and_then(|copied| next.sync_all().map(|()| copied))
        .and_then(|copied| folder.replace_journal().map(|()| copied))
        .and_then(|copied| folder.mark().map(|()| copied));
    copied.context("cannot write the journal")
}

/// A journal to copy: the bytes that it has now. A server that writes meanwhile may add the rest
/// of a line, which would look like damage.
struct Source {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Source {
    fn open(path: PathBuf) -> anyhow::Result<Self> {
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes })
    }

    fn reader(&self) -> io::Result<impl BufRead> {
        (&self.file).rewind()?;
        Ok(BufReader::new((&self.file).take(self.bytes)))
    }

    /// Refuses a journal that cannot be read.
    fn check(&self) -> anyhow::Result<()> {
        let found = self.reader().map_err(ReadError::from);
        let found = found.and_then(|reader| read(reader, drop));
        found.with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(())
    }
}

/// Whether a line that does not check ends the copy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    AtBadLine,
    Never,
}

/// Copies the records that check. Their sums depend on their positions, so they are made anew.
fn copy(from: &Source, to: &mut File, stop: Stop) -> io::Result<Copied> {
    let mut lines = Lines::new(from.reader()?);
    let (mut copied, mut at, mut out) = (Copied::default(), 0, Vec::new());
    let mut to = BufWriter::new(to);
    let (mut first, mut shift) = (Vec::new(), 0);
    Record::FORMAT.write(&mut first);
    let mut write = |json: &[u8]| {
        out.clear();
        push_line(&mut out, at, json);
        at += out.len() as u64;
        to.write_all(&out)
    };
    write(first.trim_ascii_end())?;
    while let Some(line) = lines.next()? {
        let moved = || {
            (stop == Stop::Never)
                .then(|| line.moved(&mut shift))
                .flatten()
        };
        let json = line.json.or_else(moved);
        let found = json.map(|json| (json, records_of(json)));
        match found.as_ref().map(|(json, found)| (json, found.as_deref())) {
            Some((_, Ok([Record::Format { version }]))) if *version > VERSION => {
                return Err(io::Error::other(ReadError::Newer(*version)));
            }
            // The positions and the sums of a copy are its own.
            Some((_, Ok([Record::Format { .. } | Record::Synced(_)]))) => {}
            Some((json, Ok(records))) => {
                write(json)?;
                copied.records += records.len() as u64;
            }
            _ if stop == Stop::AtBadLine => break,
            _ => {
                copied.lost += 1;
                copied.lost_bytes += line.bytes.len() as u64;
            }
        }
    }
    // The whole copy is synced before it is used.
    let mut mark = Vec::new();
    Record::Synced(at).write(&mut mark);
    let mut line = Vec::new();
    push_line(&mut line, at, mark.trim_ascii_end());
    to.write_all(&line)?;
    to.flush()?;
    Ok(copied)
}

#[cfg(test)]
mod tests;
