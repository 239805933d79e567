//! Damage to the data folder (decision D28): the server refuses to start and says what, where
//! and what to do, or it drops an end that was being written. It never shows what was altered.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{KEY, again, all_of, lesson, settings};
use crate::support::dice::{Dice, number};
use crate::support::program::{Server, folder, program, runs, utf8};
use crate::support::{Group, TestMesh};

/// A part of a line of the journal.
const PARTS: [&str; 5] = ["sum", "space", "JSON", "line feed", "line"];
/// What happens to its bytes.
const DAMAGES: [&str; 4] = ["a flipped bit", "zeros", "lost", "doubled"];

/// A journal that a server closed, and what the server returned of it.
struct Closed {
    place: tempfile::TempDir,
    journal: Vec<u8>,
    group: Known,
    shown: Vec<Value>,
}

/// A group without its server.
struct Known {
    id: String,
    domain: String,
    host: String,
    record: Value,
}

impl Known {
    fn at<'a>(&self, mesh: &'a TestMesh) -> Group<'a> {
        Group {
            mesh,
            id: self.id.clone(),
            domain: self.domain.clone(),
            host: self.host.clone(),
            record: self.record.clone(),
        }
    }
}

/// What a start did.
enum Started {
    /// It serves, and shows this.
    Serves(Vec<Value>, String),
    Refuses(String),
}

impl Closed {
    async fn new() -> Self {
        let place = folder();
        let data = place.path().join("data");
        let mut server = Server::start(place.path(), &settings(&data));
        let mesh = server.mesh(KEY);
        let group = lesson(&mesh).await;
        let shown = all_of(&group, &group.node("kitten")).await;
        let group = again(&group, &mesh);
        let group = Known {
            id: group.id,
            domain: group.domain,
            host: group.host,
            record: group.record,
        };
        server.is_terminated();
        assert_eq!(server.ends(), Some(0));
        let journal = std::fs::read(data.join("mesh.journal")).expect("a journal");
        Self {
            place,
            journal,
            group,
            shown,
        }
    }

    /// A new folder with this journal, like that of the server.
    fn folder(&self, journal: &[u8]) -> PathBuf {
        let data = self.place.path().join(uuid::Uuid::new_v4().to_string());
        std::fs::create_dir(&data).expect("a folder");
        std::fs::copy(
            self.place.path().join("data/mesh.lock"),
            data.join("mesh.lock"),
        )
        .expect("a copy");
        std::fs::write(data.join("mesh.journal"), journal).expect("a file");
        data
    }

    async fn starts(&self, data: &Path) -> Started {
        let mut command = program(self.place.path());
        command
            .args(["--listen", "127.0.0.1:0"])
            .envs(settings(data));
        match Server::try_run(self.place.path(), command) {
            Ok(server) => {
                let mesh = server.mesh(KEY);
                let group = self.group.at(&mesh);
                let shown = all_of(&group, &group.node("kitten")).await;
                Started::Serves(shown, server.log())
            }
            Err(why) => Started::Refuses(why),
        }
    }

    /// The server refuses a folder with a sentence that has `words`, and changes nothing.
    async fn is_refused(&self, data: &Path, words: &[&str], what: &str) {
        let before = files(data);
        let Started::Refuses(why) = self.starts(data).await else {
            panic!("{what} is not noticed");
        };
        let name = data.join("mesh.journal");
        for word in words.iter().chain(&[name.to_str().expect("text")]) {
            assert!(why.contains(word), "{what}: no {word:?} in {why}");
        }
        assert!(!why.contains("panicked"), "{what}: {why}");
        assert_eq!(
            files(data),
            before,
            "{what} is refused, and the folder changes"
        );
    }

    /// After a repair the server starts; `lost` are the lines that may be missing.
    async fn is_repaired(&self, data: &Path, lost: u64, what: &str) {
        let data_text = data.to_str().expect("text");
        let output = runs(self.place.path(), &["store", "repair", "--data", data_text]);
        let said = utf8(&output.stdout) + &utf8(&output.stderr);
        assert!(output.status.success(), "{what}: {said}");
        let number = said
            .split("lost ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        let number: u64 = number.and_then(|text| text.parse().ok()).expect("a number");
        assert!(number <= lost, "{what}: {said}");
        let Started::Serves(shown, _) = self.starts(data).await else {
            panic!("{what}: no start after the repair");
        };
        self.is_unaltered(&shown, what);
    }

    /// All texts that are shown were written.
    fn is_unaltered(&self, shown: &[Value], what: &str) {
        let written = String::from_utf8_lossy(&self.journal);
        let mut rest: Vec<&Value> = shown.iter().collect();
        while let Some(value) = rest.pop() {
            match value {
                Value::Array(values) => rest.extend(values),
                Value::Object(fields) => {
                    for (name, value) in fields {
                        if ["key", "value", "name", "firedByNodeId", "nodeId", "payload"]
                            .contains(&&**name)
                            && let Value::String(text) = value
                        {
                            // A node is named by its id.
                            let text = text.trim_start_matches("Node ");
                            assert!(written.contains(text), "{what}: {name} {text}");
                        }
                        rest.push(value);
                    }
                }
                _ => {}
            }
        }
    }
}

/// All files of a folder with their bytes.
fn files(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(data).expect("a folder");
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("a file").path();
            let bytes = std::fs::read(&path).expect("a file");
            (path, bytes)
        })
        .collect();
    files.sort();
    files
}

/// Where the lines begin, and the end.
fn borders(journal: &[u8]) -> Vec<usize> {
    let ends = (1..=journal.len()).filter(|end| journal[end - 1] == b'\n');
    std::iter::once(0).chain(ends).collect()
}

fn damaged(journal: &[u8], from: usize, to: usize, damage: &str, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = journal.to_vec();
    match damage {
        "a flipped bit" => {
            let length = u64::try_from(to - from).expect("small");
            let at = from + usize::try_from(dice.rolls(length)).expect("small") - 1;
            bytes[at] ^= 1 << (dice.rolls(8) - 1);
        }
        "zeros" => bytes[from..to].fill(0),
        "lost" => drop(bytes.drain(from..to)),
        _ => {
            let copy = bytes[from..to].to_vec();
            bytes.splice(to..to, copy);
        }
    }
    bytes
}

#[apply(case!)]
async fn damage_to_any_byte_is_refused_and_repaired_or_a_torn_end() {
    let closed = Closed::new().await;
    let borders = borders(&closed.journal);
    let (rounds, seed) = (number("MESH_DAMAGE_ROUNDS", 1), number("MESH_SEED", 1));
    let mut dice = Dice(seed);
    let last = borders.len() - 2;
    let (mut refused, mut torn) = (0, 0);
    for round in 0..rounds {
        for part in PARTS {
            for damage in DAMAGES {
                // The header, a change, the last line, which is a mark.
                let middle = usize::try_from(dice.rolls(last as u64 - 1)).expect("small");
                for line in [0, middle, last] {
                    let (begin, end) = (borders[line], borders[line + 1]);
                    let (from, to) = match part {
                        "sum" => (begin, begin + 8),
                        "space" => (begin + 8, begin + 9),
                        "JSON" => (begin + 9, end - 1),
                        "line feed" => (end - 1, end),
                        _ => (begin, end),
                    };
                    let what = format!("{damage}: {part} of line {line} of {last}, seed {seed}");
                    let bytes = damaged(&closed.journal, from, to, damage, &mut dice);
                    let data = closed.folder(&bytes);
                    if line < last {
                        let words = ["damaged", "mesh-v2 store repair"];
                        closed.is_refused(&data, &words, &what).await;
                        refused += 1;
                        // What is in one line with it, or is not told from it, may be lost too.
                        if round > 0 || dice.rolls(4) == 1 {
                            closed.is_repaired(&data, 2, &what).await;
                        }
                        continue;
                    }
                    let Started::Serves(shown, log) = closed.starts(&data).await else {
                        panic!("{what}: a torn end is refused");
                    };
                    assert_eq!(shown, closed.shown, "{what}");
                    let dropped = log.matches("dropped the end").count();
                    // A mark may stand twice, or not at all.
                    let whole = part == "line" && damage != "a flipped bit" && damage != "zeros";
                    assert_eq!(dropped, usize::from(!whole), "{what}: {log}");
                    torn += 1;
                }
            }
        }
    }
    println!("{refused} damages refused, {torn} torn ends, seed {seed}");
}

#[apply(case!)]
async fn lost_pages_and_files_are_refused_by_name() {
    let closed = Closed::new().await;
    let mut dice = Dice(number("MESH_SEED", 1));
    let repair = ["damaged", "mesh-v2 store repair"];
    for round in 0..number("MESH_DAMAGE_ROUNDS", 1) * 4 {
        let page = 512;
        let at =
            usize::try_from(dice.rolls((closed.journal.len() / page - 1) as u64)).expect("small");
        let mut zeroed = closed.journal.clone();
        zeroed[(at - 1) * page..at * page].fill(0);
        let what = format!("sector {at} of zeros, round {round}");
        let data = closed.folder(&zeroed);
        closed.is_refused(&data, &repair, &what).await;
        closed.is_repaired(&data, 20, &what).await;
    }
    let data = closed.folder(b"");
    closed
        .is_refused(
            &data,
            &["the file is empty", "store repair"],
            "an empty file",
        )
        .await;
    std::fs::remove_file(data.join("mesh.journal")).expect("a file");
    closed
        .is_refused(&data, &["is missing", "store restore"], "a missing file")
        .await;
    // Cut at any byte, it is a torn end: nothing that is shown is altered.
    for _ in 0..number("MESH_DAMAGE_ROUNDS", 1) * 4 {
        let length = usize::try_from(dice.rolls(closed.journal.len() as u64 - 40)).expect("small");
        let data = closed.folder(&closed.journal[..length + 30]);
        let Started::Serves(shown, _) = closed.starts(&data).await else {
            panic!("cut at {length}");
        };
        closed.is_unaltered(&shown, "a cut file");
    }
    // The lock file says only that there was a journal.
    for lock in [None, Some(&b""[..]), Some(&b"\xff\xfe"[..])] {
        let data = closed.folder(&closed.journal);
        match lock {
            None => std::fs::remove_file(data.join("mesh.lock")).expect("a file"),
            Some(bytes) => std::fs::write(data.join("mesh.lock"), bytes).expect("a file"),
        }
        let Started::Serves(shown, _) = closed.starts(&data).await else {
            panic!("{lock:?} in the lock file");
        };
        assert_eq!(shown, closed.shown);
    }
    // Without both it is a new folder.
    let data = closed.folder(&closed.journal);
    std::fs::remove_file(data.join("mesh.lock")).expect("a file");
    std::fs::remove_file(data.join("mesh.journal")).expect("a file");
    assert!(matches!(closed.starts(&data).await, Started::Serves(..)));
}
