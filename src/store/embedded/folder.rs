//! The data folder: its files, its lock and who may read it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

/// The file with the data.
pub const JOURNAL: &str = "mesh.journal";
/// The next journal while it is written.
const NEXT: &str = "mesh.journal.new";
/// The file that is locked while a program uses the folder. Once the folder has a journal, it
/// says so: a journal that is missing later was lost.
const LOCK: &str = "mesh.lock";
const MARK: &str = "This folder holds a journal of mesh-v2.\n";
/// A file of versions before the journal's format 1.
const DATABASE: &str = "mesh.redb";

/// Another program has the folder open.
#[derive(Debug, thiserror::Error)]
#[error("another mesh-v2 uses this data folder; stop it or pass another --data")]
pub struct InUse;

/// A data folder that this program has locked.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Creates the folder if it is missing, and locks it.
    ///
    /// # Errors
    /// [`InUse`], or when the folder cannot be made or written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        create(path).with_context(|| format!("cannot make the data folder {}", path.display()))?;
        let folder = Self {
            path: path.to_owned(),
            lock: lock(path, LOCK, options().create(true).truncate(false))?,
        };
        for file in [LOCK, JOURNAL] {
            restrict(&path.join(file), 0o600)?;
        }
        // What a program left that ended while it wrote the next journal.
        match fs::remove_file(folder.next()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", folder.next().display()))
            }
            _ => Ok(folder),
        }
    }

    /// Locks a folder that is there, and changes nothing.
    ///
    /// # Errors
    /// [`InUse`], or when the folder cannot be read.
    pub fn inspect(path: &Path) -> anyhow::Result<Self> {
        // A journal that was copied alone has no file to lock.
        let has_lock = path.join(LOCK).exists();
        let file = if has_lock { LOCK } else { JOURNAL };
        Ok(Self {
            path: path.to_owned(),
            lock: lock(path, file, File::options().read(true))?,
        })
    }

    /// The journal's path.
    pub fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    /// The path of the next journal while it is written.
    pub fn next(&self) -> PathBuf {
        self.path.join(NEXT)
    }

    /// Puts the next journal, which is synced, in the place of the journal.
    pub fn replace_journal(&self) -> io::Result<()> {
        fs::rename(self.next(), self.journal())?;
        sync_folder(&self.path)
    }

    /// Whether a journal was here before.
    pub fn had_journal(&self) -> io::Result<bool> {
        Ok(self.lock.metadata()?.len() > 0)
    }

    /// Writes that the folder has a journal.
    pub fn mark(&mut self) -> io::Result<()> {
        self.lock.rewind()?;
        self.lock.write_all(MARK.as_bytes())?;
        self.lock.sync_all()?;
        sync_folder(&self.path)
    }
}

fn lock(path: &Path, file: &str, options: &fs::OpenOptions) -> anyhow::Result<File> {
    ensure!(
        !path.join(DATABASE).exists(),
        "{} holds data of an earlier version ({DATABASE}), which this version cannot read. \
         Its groups ended within their lifetime of at most 100 minutes: when none is needed, \
         delete {DATABASE} and {JOURNAL} and start again",
        path.display()
    );
    let file = path.join(file);
    let opened = options.open(&file);
    let lock = opened.with_context(|| format!("cannot open {}", file.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!(InUse),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", file.display()))
        }
    }
}

/// Whether the folder holds data.
pub fn has_data(path: &Path) -> bool {
    [JOURNAL, LOCK, DATABASE]
        .iter()
        .any(|file| path.join(file).exists())
}

/// Creates the folder and its parents. Only the server's user may read it, also if it was there
/// before: it holds children's names and values.
fn create(path: &Path) -> io::Result<()> {
    let missing: Vec<_> = path.ancestors().take_while(|path| !path.exists()).collect();
    fs::create_dir_all(path)?;
    for folder in missing {
        // A folder that is not on disk takes its files with it at a power cut.
        match folder.parent() {
            Some(parent) if parent != Path::new("") => sync_folder(parent)?,
            _ => sync_folder(Path::new("."))?,
        }
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::mode(&fs::metadata(path)?) & 0o1000 != 0 {
        let shared = "it is shared by all users; pass a folder of its own";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, shared));
    }
    restrict(path, 0o700)
}

/// Creates an empty file that only its user may read.
pub fn create_file(path: &Path) -> io::Result<File> {
    options().create(true).truncate(true).open(path)
}

fn options() -> fs::OpenOptions {
    let mut options = File::options();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Takes rights from others that a file or folder gives them.
#[cfg_attr(not(unix), expect(unused_variables, reason = "folders inherit rights"))]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    if let Ok(found) = fs::metadata(path) {
        use std::os::unix::fs::PermissionsExt as _;
        if found.permissions().mode() & 0o777 != mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

/// Waits until the folder's entries are on disk.
#[cfg_attr(
    not(unix),
    expect(unused_variables, reason = "folders cannot be opened")
)]
pub fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(path)?.sync_all()?;
    Ok(())
}
