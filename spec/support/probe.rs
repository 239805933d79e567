//! A probe between the program and its disk (`disk_probe.c`), and the power cuts that it makes
//! possible: it says what was synced, everything else may be lost.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::dice::Dice;
use super::program::folder;

const SECTOR: u64 = 512;

/// A call of the program to its disk; `disk_probe.c` lists the names.
#[derive(Clone, Debug)]
pub struct DiskCall {
    pub name: String,
    pub inode: u64,
    pub bytes: u64,
}

/// What one run of the program asked of its disk.
pub struct Probe(TempDir);

fn library() -> &'static Path {
    static BUILT: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = BUILT.get_or_init(|| {
        let folder = folder();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/spec/support/disk_probe.c");
        let library = folder.path().join("disk_probe.so");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library);
        let built = cc.args([source, "-ldl"]).status();
        assert!(built.expect("cc, which links the tests, runs").success());
        (folder, library)
    });
    library
}

impl Probe {
    pub fn new() -> Self {
        Self(folder())
    }

    /// The environment of a program with this probe.
    pub fn settings(&self) -> [(&'static str, &str); 2] {
        let text = |path: &'static Path| path.to_str().expect("a path of text");
        let folder = self.0.path().to_str().expect("a path of text");
        [("LD_PRELOAD", text(library())), ("DISK_PROBE", folder)]
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<DiskCall> {
        let log = fs::read_to_string(self.0.path().join("log")).unwrap_or_default();
        let calls = log.lines().map(|line| {
            let mut words = line.split(' ');
            let mut word = || words.next().expect("three words");
            DiskCall {
                name: word().to_owned(),
                inode: word().parse().expect("an inode"),
                bytes: word().parse().expect("bytes"),
            }
        });
        calls.collect()
    }

    /// Syncs take until `release`.
    pub fn hold(&self) {
        File::create(self.0.path().join("hold")).expect("a file");
    }

    pub fn release(&self) {
        fs::remove_file(self.0.path().join("hold")).expect("syncs were held");
    }

    /// Lets syncs of the journal fail, or no longer.
    pub fn fails(&self, fails: bool) {
        let file = self.0.path().join("fail");
        let changed = if fails {
            File::create(file).map(drop)
        } else {
            fs::remove_file(file)
        };
        changed.expect("a folder for the probe");
    }

    /// How many bytes of a file are synced.
    pub fn synced(&self, file: &Path) -> u64 {
        let inode = fs::metadata(file).expect("a file").ino();
        synced(&self.calls()).get(&inode).copied().unwrap_or(0)
    }

    /// Each mark in the journal is true: a sync that ended before covers it.
    pub fn checks_marks(&self) -> usize {
        let calls = self.calls();
        let marks = (0..calls.len()).filter(|at| calls[*at].name == "mark");
        let checked = marks.map(|at| {
            let known = synced(&calls[..at]).get(&calls[at].inode).copied();
            assert!(
                known >= Some(calls[at].bytes),
                "{:?} of {known:?}",
                calls[at]
            );
        });
        checked.count()
    }

    /// Makes of a killed program's folder what a power cut could have left; says what it did.
    pub fn cuts_power(&self, data: &Path, dice: &mut Dice) -> String {
        let calls = self.calls();
        let synced = synced(&calls);
        let (journal, next) = (data.join("mesh.journal"), data.join("mesh.journal.new"));
        let begun = calls.iter().rposition(|call| call.name == "rename");
        let ended = calls.iter().rposition(|call| call.name == "foldered");
        let mut did = Vec::new();
        if begun > ended && journal.exists() && dice.rolls(2) == 1 {
            // The new name did not reach the disk.
            let renamed = calls.iter().rposition(|call| call.name == "renamed") > begun;
            if renamed {
                fs::rename(&journal, &next).expect("a file");
                let known = begun.map_or(0, |at| calls[at].bytes);
                let old = self.0.path().join(format!("old-{known}"));
                if old.exists() {
                    fs::copy(&old, &journal).expect("the old journal");
                    let known = synced.get(&known).copied().unwrap_or(0);
                    did.push(format!("rename undone, {}", spoil(&journal, known, dice)));
                }
            }
        } else if let Ok(found) = fs::metadata(&journal) {
            let known = synced.get(&found.ino()).copied().unwrap_or(0);
            did.push(spoil(&journal, known, dice));
        }
        if next.exists() {
            let known = fs::metadata(&next).expect("a file").ino();
            let known = synced.get(&known).copied().unwrap_or(0);
            did.push(format!("next journal {}", spoil(&next, known, dice)));
        }
        did.join("; ")
    }
}

/// The bytes of each file that are on disk after these calls.
fn synced(calls: &[DiskCall]) -> HashMap<u64, u64> {
    let mut synced = HashMap::new();
    for call in calls {
        let known = synced.entry(call.inode).or_insert(0);
        match &*call.name {
            "synced" => *known = call.bytes.max(*known),
            "truncate" => *known = call.bytes.min(*known),
            _ => {}
        }
    }
    synced
}

/// Changes what follows the first `kept` bytes of a file.
fn spoil(path: &Path, kept: u64, dice: &mut Dice) -> String {
    let file = File::options().read(true).write(true).open(path);
    let file = file.expect("a file");
    let length = file.metadata().expect("a file").len();
    let loose = length.saturating_sub(kept);
    if loose == 0 {
        return "all was synced".to_owned();
    }
    let overwrite = |from: u64, to: u64, byte: &mut dyn FnMut() -> u8| {
        let (from, to) = (from.max(kept), to.min(length));
        let bytes: Vec<u8> = (from..to).map(|_| byte()).collect();
        file.write_all_at(&bytes, from).expect("a write");
    };
    let sectors = || (kept / SECTOR..length.div_ceil(SECTOR)).map(|at| at * SECTOR);
    let how = match dice.rolls(6) {
        1 => "cut",
        2 => {
            for at in sectors().filter(|_| dice.rolls(2) == 1).collect::<Vec<_>>() {
                overwrite(at, at + SECTOR, &mut || 0);
            }
            "sectors zeroed"
        }
        3 => {
            let until = kept + dice.rolls(loose);
            overwrite(kept, until.next_multiple_of(SECTOR), &mut || 0);
            "later sectors before earlier ones"
        }
        4 => {
            for at in sectors().filter(|_| dice.rolls(2) == 1).collect::<Vec<_>>() {
                overwrite(at, at + SECTOR, &mut || {
                    u8::try_from(dice.rolls(256) - 1).expect("a byte")
                });
            }
            "sectors of any bytes"
        }
        5 => "not written at all",
        _ => return format!("all of {loose} bytes kept"),
    };
    match how {
        "cut" => file.set_len(kept + dice.rolls(loose) - 1),
        "not written at all" => file.set_len(kept),
        _ if dice.rolls(2) == 1 => file.set_len(kept + dice.rolls(loose)),
        _ => Ok(()),
    }
    .expect("a file that can be cut");
    format!("{how}, {loose} bytes were not synced")
}
