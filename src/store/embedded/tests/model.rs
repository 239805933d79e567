//! Random lessons: the store in a file, reopened again and again, returns what the store in
//! memory returns; any part of its journal can be read, and a rewritten journal says the same.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::property::cases;
use crate::store::embedded::compaction::Compaction;
use crate::store::embedded::folder::JOURNAL;
use crate::store::embedded::journal::Journal;
use crate::store::embedded::journal::format::{self, Lines, records_of};
use crate::store::suite::random::call::{Call, call, delay};
use crate::store::suite::random::{LIMITS, Lesson, TIMES};

const LESSONS: u32 = 24;

fn times() -> Rules {
    Rules::new(TIMES).unwrap()
}

fn empty() -> State {
    State::new(times(), LIMITS, Memory::unlimited(), Changes::persisted())
}

/// The records of a state, as the next journal would have them.
fn records(state: &State) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("next");
    let next = Compaction::begin(Journal::create(&file).unwrap(), state);
    next.run(|next| next.part(state)).unwrap();
    let mut lines = json_lines(&std::fs::read(file).unwrap());
    // Groups come in any order.
    lines.sort_unstable();
    lines
}

/// The JSON of each change.
fn json_lines(journal: &[u8]) -> Vec<String> {
    let (mut lines, mut found) = (Lines::new(journal), Vec::new());
    while let Some(line) = lines.next().unwrap() {
        found.push(String::from_utf8(line.json.unwrap().to_vec()).unwrap());
    }
    found.retain(|line| !line.starts_with(r#"{"synced""#) && !line.starts_with(r#"{"format""#));
    found
}

fn apply(state: &mut State, line: &str) {
    for record in records_of(line.as_bytes()).unwrap() {
        state.apply(record);
    }
}

/// Each member is in one group only.
fn has_each_member_once(state: &State) {
    let mut groups = BTreeMap::new();
    for key in state.group_keys() {
        for (node, record) in &state.group(&key).unwrap().nodes {
            if record.membership.is_some() {
                let other = groups.insert(node.clone(), key.clone());
                assert_eq!(other, None, "{node:?} is in two groups");
            }
        }
    }
}

/// A journal that is rewritten from line `begin` on, while the rest is written.
fn rewrite(lines: &[String], begin: usize) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("next");
    let mut state = empty();
    lines[..begin]
        .iter()
        .for_each(|line| apply(&mut state, line));
    let mut next = Compaction::begin(Journal::create(&file).unwrap(), &state);
    for line in &lines[begin..] {
        apply(&mut state, line);
        next.append(format!("{line}\n").as_bytes()).unwrap();
        let part = next.part(&state);
        next.append(&part).unwrap();
    }
    next.run(|next| next.part(&state)).unwrap();
    std::fs::read(file).unwrap()
}

#[test]
fn any_lesson_reads_the_same_after_reopening_and_rewriting() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let steps = prop::collection::vec((delay(), prop::bool::weighted(0.35), call()), 1..30);
    let lessons = (
        prop::collection::vec(steps, 1..4),
        any::<prop::sample::Index>(),
    );
    let config = Config {
        cases: cases(LESSONS),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&lessons, |(parts, begin)| {
        let folder = tempfile::tempdir().unwrap();
        let open = || Embedded::open(folder.path(), Durability::No, times(), LIMITS).unwrap();
        let memory = Embedded::in_memory(times(), LIMITS);
        let mut expected = Lesson::new(&memory, "x");
        let mut lesson = Lesson::new(&memory, "x");
        let mut now = suite::START;
        let opening = [Call::Host(0, 0, true, 300), Call::Host(1, 1, false, 300)];
        let mut opening = opening.map(|call| (1, false, call)).to_vec();
        for part in parts {
            let store = open();
            let mut here = lesson.on(&store);
            for (delay, renew, call) in opening.drain(..).chain(part) {
                now = Timestamp::from_millis(now.millis() + delay);
                if renew {
                    runtime.block_on(expected.renew_hosts(now));
                    runtime.block_on(here.renew_hosts(now));
                }
                let result = runtime.block_on(expected.execute(&call, now));
                let same = runtime.block_on(here.execute(&call, now));
                prop_assert_eq!(same, result, "at {:?}", call);
            }
            lesson = here.on(&memory);
        }
        let journal = std::fs::read(folder.path().join(JOURNAL)).unwrap();
        let lines = json_lines(&journal);
        let mut state = empty();
        for line in &lines {
            apply(&mut state, line);
            has_each_member_once(&state);
        }
        let all = records(&state);
        let rewritten = rewrite(&lines, begin.index(lines.len()));
        let mut again = empty();
        let read = format::read(&rewritten[..], |record| again.apply(record));
        prop_assert!(read.is_ok());
        has_each_member_once(&again);
        prop_assert_eq!(records(&again), all);
        Ok(())
    });
    outcome.unwrap();
}
