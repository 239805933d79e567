//! Journals with any damage: reading one never panics, and never gives a record that was not
//! written. `MESH_FUZZ_CASES` and `MESH_SEED` choose how many are tried, and which.

use std::ops::Range;

use super::*;
use crate::store::embedded::compaction::Compaction;
use crate::store::embedded::journal::Journal;
use crate::store::embedded::journal::format::{push_line, read};
use crate::store::embedded::record::Record;

/// Real journals of format 1: of a lesson, and the same rewritten.
const CORPUS: [&str; 2] = ["lesson", "rewritten"];
/// How many cases the gate tries.
const CASES: u64 = 6_000;

fn corpus(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("spec/corpus/journal");
    std::fs::read(path.join(name)).unwrap()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Pseudo-random numbers (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit.max(1) as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    /// A part of `bytes`, mostly a short one.
    fn part(&mut self, bytes: &[u8]) -> Range<usize> {
        let from = self.below(bytes.len());
        let longest = [4, 64, 512, bytes.len()][self.below(4)];
        from..(from + 1 + self.below(longest)).min(bytes.len())
    }
}

/// Changes bytes of a journal.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    if bytes.is_empty() {
        return;
    }
    let part = dice.part(bytes);
    match dice.below(7) {
        0 => bytes[part.start] ^= 1 << dice.below(8),
        1 => bytes[part.start] = dice.byte(),
        2 => bytes[part].fill(0),
        3 => bytes.truncate(part.start),
        4 => drop(bytes.drain(part)),
        5 => {
            let copy = bytes[part.clone()].to_vec();
            bytes.splice(part.end..part.end, copy);
        }
        _ => {
            let copy = bytes[part].to_vec();
            let at = dice.below(bytes.len());
            bytes.splice(at..at, copy);
        }
    }
}

/// Lines in another order, or with other values, with right sums: no damage of a disk.
fn forge(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| line.len() > 9)
        .map(|line| line[9..].to_vec())
        .collect();
    for _ in 0..=dice.below(4) {
        let (at, to) = (
            1 + dice.below(lines.len() - 2),
            1 + dice.below(lines.len() - 2),
        );
        match dice.below(4) {
            0 => lines.swap(at, to),
            1 => drop(lines.remove(at)),
            2 => lines.insert(to, lines[at].clone()),
            _ => {
                let line = &mut lines[at];
                let digits: Vec<_> = (0..line.len())
                    .filter(|at| line[*at].is_ascii_digit())
                    .collect();
                if let Some(at) = digits.get(dice.below(digits.len())) {
                    let numbers: [&[u8]; 5] = [
                        b"0",
                        b"-1",
                        b"9223372036854775807",
                        b"18446744073709551615",
                        b"7",
                    ];
                    line.splice(*at..=*at, numbers[dice.below(5)].to_vec());
                }
            }
        }
        if lines.len() < 4 {
            break;
        }
    }
    let mut forged = Vec::new();
    for line in lines {
        let at = forged.len() as u64;
        push_line(&mut forged, at, &line);
    }
    forged
}

fn state() -> State {
    State::new(
        rules(),
        suite::LIMITS,
        Memory::unlimited(),
        Changes::persisted(),
    )
}

fn records(journal: &[u8]) -> Vec<Record<'static>> {
    let mut found = Vec::new();
    read(journal, |record| found.push(record)).unwrap();
    found
}

#[test]
fn no_damage_panics_or_gives_an_altered_record() {
    let (cases, seed) = (number("MESH_FUZZ_CASES", CASES), number("MESH_SEED", 1));
    let mut dice = Dice(seed);
    let corpus = CORPUS.map(corpus);
    let whole = corpus.each_ref().map(|journal| records(journal));
    let (mut refused, mut torn, mut intact) = (0, 0, 0);
    for case in 0..cases {
        let which = dice.below(CORPUS.len());
        let forged = dice.below(4) == 0;
        let mut bytes = corpus[which].clone();
        if forged {
            bytes = forge(&bytes, &mut dice);
        } else {
            (0..=dice.below(3)).for_each(|_| damage(&mut bytes, &mut dice));
        }
        let (mut state, mut count) = (state(), 0);
        let ending = read(&bytes[..], |record| {
            let written = whole[which].get(count);
            assert!(
                forged || written == Some(&record),
                "case {case}, seed {seed}: {record:?}"
            );
            count += 1;
            state.apply(record);
        });
        match ending {
            Err(_) => refused += 1,
            Ok(ending) if ending.torn > 0 => torn += 1,
            Ok(_) => intact += 1,
        }
    }
    println!("{cases} cases: {refused} refused, {torn} torn ends, {intact} readable, seed {seed}");
}

/// `MESH_BLESS=1` writes the journals anew; those of a released format must stay readable.
#[tokio::test]
async fn the_corpus_is_readable() {
    if std::env::var_os("MESH_BLESS").is_some() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("spec/corpus/journal");
        suite::run_lesson(&open(folder.path(), Durability::EverySecond).unwrap()).await;
        let journal = folder.path().join(folder::JOURNAL);
        std::fs::copy(&journal, corpus.join("lesson")).unwrap();
        let mut lesson = state();
        Journal::open(&journal, |record| lesson.apply(record)).unwrap();
        let place = folder::Folder::open(folder.path()).unwrap();
        let next = Compaction::begin(Journal::create(&place.next()).unwrap(), &lesson);
        let next = next.run(|next| next.part(&lesson)).unwrap();
        next.switch(&place).unwrap();
        std::fs::copy(&journal, corpus.join("rewritten")).unwrap();
    }
    for name in CORPUS {
        let mut state = state();
        let ending = read(&corpus(name)[..], |record| state.apply(record)).unwrap();
        assert_eq!(ending.torn, 0);
        assert_eq!(state.group_keys().len(), 2);
    }
}
