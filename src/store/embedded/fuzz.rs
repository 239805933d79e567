//! Any bytes as a journal: reading never panics, and damage never gives a record that was not
//! written. After the line `forged`, each line is JSON that gets its right sum: no damage of a
//! disk makes that, and reading it must not panic either.

use std::path::PathBuf;

use super::*;
use crate::fuzz::{Fuzz, Outcome};
use crate::model::rules::Timings;
use crate::store::embedded::compaction::Compaction;
use crate::store::embedded::journal::Journal;
use crate::store::embedded::journal::format::{Lines, push_line, read};
use crate::store::embedded::record::Record;
use crate::store::suite;

/// Real journals of format 1: of a lesson, and the same rewritten.
const CORPUS: [&str; 2] = ["lesson", "rewritten"];
/// The JSON of the lesson's lines.
const FORGED: &str = "forged";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("spec/corpus/journal")
}

fn corpus(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

fn rules() -> Rules {
    Rules::new(Timings::STG).unwrap()
}

fn state() -> State {
    let memory = Memory::unlimited();
    State::new(rules(), suite::LIMITS, memory, Changes::persisted())
}

/// A journal of these lines of JSON.
fn forge(lines: &[u8]) -> Vec<u8> {
    let mut journal = Vec::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let at = journal.len() as u64;
        push_line(&mut journal, at, line);
    }
    journal
}

fn records(journal: &[u8]) -> Vec<Record<'static>> {
    let mut found = Vec::new();
    read(journal, |record| found.push(record)).unwrap();
    found
}

fn target(written: &[Record<'static>], input: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let forged = input.strip_prefix(b"forged\n").map(forge);
    let journal = forged.as_deref().unwrap_or(input);
    let (mut state, mut count) = (state(), 0);
    let ending = read(journal, |record| {
        let is_written = forged.is_some() || written.contains(&record);
        assert!(is_written, "a record that was not written: {record:?}");
        count += 1;
        outcome.had((std::mem::discriminant(&record), forged.is_some()));
        state.apply(record);
    });
    match ending {
        Err(error) => outcome.had(std::mem::discriminant(&error)),
        Ok(_) if forged.is_some() => outcome.passed("forged"),
        Ok(ending) if ending.torn > 0 => outcome.passed("torn"),
        Ok(_) => outcome.passed("whole"),
    }
    outcome.had((count, state.group_keys().len()));
    outcome
}

#[test]
fn journal() {
    let fuzz = Fuzz {
        target: "journal",
        tokens: "journal",
        kinds: &["forged", "torn", "whole"],
    };
    let written: Vec<_> = CORPUS
        .iter()
        .flat_map(|name| records(&corpus(name)))
        .collect();
    fuzz.run(|input| target(&written, input));
}

/// `MESH_BLESS=1` writes the journals anew; those of a released format must stay readable.
#[tokio::test]
async fn the_corpus_is_readable() {
    if std::env::var_os("MESH_BLESS").is_some() {
        write_corpus().await;
    }
    let forged = corpus(FORGED);
    let forged = forge(forged.strip_prefix(b"forged\n").unwrap());
    for journal in [corpus(CORPUS[0]), corpus(CORPUS[1]), forged] {
        let mut state = state();
        let ending = read(&journal[..], |record| state.apply(record)).unwrap();
        assert_eq!(ending.torn, 0);
        assert_eq!(state.group_keys().len(), 2);
    }
}

async fn write_corpus() {
    let temporary = tempfile::tempdir().unwrap();
    let open = Embedded::open(
        temporary.path(),
        Durability::EverySecond,
        rules(),
        Limits::default(),
    );
    suite::run_lesson(&open.unwrap()).await;
    let journal = temporary.path().join(folder::JOURNAL);
    std::fs::copy(&journal, folder().join(CORPUS[0])).unwrap();
    let mut lesson = state();
    Journal::open(&journal, |record| lesson.apply(record)).unwrap();
    let place = folder::Folder::open(temporary.path()).unwrap();
    let next = Compaction::begin(Journal::create(&place.next()).unwrap(), &lesson);
    let next = next.run(|next| next.part(&lesson)).unwrap();
    next.switch(&place).unwrap();
    std::fs::copy(&journal, folder().join(CORPUS[1])).unwrap();
    std::fs::write(folder().join(FORGED), json_of(&corpus(CORPUS[0]))).unwrap();
}

fn json_of(journal: &[u8]) -> Vec<u8> {
    let (mut lines, mut json) = (Lines::new(journal), FORGED.as_bytes().to_vec());
    while let Some(line) = lines.next().unwrap() {
        json.push(b'\n');
        json.extend_from_slice(line.json.unwrap());
    }
    json
}
