use proptest::prelude::*;

use super::*;
use crate::property::cases;

fn change() -> impl Strategy<Value = Change> {
    let tables = vec![Table::Groups, Table::Nodes, Table::Calls, Table::Tombstones];
    let table = prop::sample::select(tables);
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..60));
    (table, "[a-zあ-ん#]{0,12}", value).prop_map(|(table, key, value)| Change { table, key, value })
}

fn batches() -> impl Strategy<Value = Vec<Vec<Change>>> {
    prop::collection::vec(prop::collection::vec(change(), 1..5), 0..8)
}

/// The journal's bytes after each batch.
fn written(journal: &mut Journal, path: &Path, batches: &[Vec<Change>]) -> Vec<usize> {
    let ends = batches.iter().map(|batch| {
        journal.write(batch).unwrap();
        usize::try_from(journal.len()).unwrap()
    });
    let ends = ends.collect();
    assert!(std::fs::metadata(path).unwrap().len() >= journal.len());
    ends
}

fn new(path: &Path, generation: u64) -> Journal {
    let (mut journal, none) = Journal::open(path, Durability::Process, None).unwrap();
    assert_eq!(none, []);
    journal.begin(generation);
    journal
}

fn found(path: &Path, generation: u64) -> Vec<Change> {
    Journal::open(path, Durability::Power, Some(generation))
        .unwrap()
        .1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(64)))]

    #[test]
    fn a_generation_is_read_whatever_an_earlier_one_left(
        earlier in batches(), later in batches(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = new(&path, 1);
        written(&mut journal, &path, &earlier);
        journal.begin(2);
        written(&mut journal, &path, &later);
        prop_assert_eq!(found(&path, 2), later.concat());
        prop_assert_eq!(found(&path, 3), vec![]);
    }

    #[test]
    fn a_truncated_or_corrupt_file_gives_complete_batches_only(
        batches in batches(), place in any::<prop::sample::Index>(), corrupt in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let ends = written(&mut new(&path, 1), &path, &batches);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = place.index(bytes.len() + 1);
        if corrupt && at < bytes.len() { bytes[at] ^= 0x41 } else { bytes.truncate(at) }
        std::fs::write(&path, &bytes).unwrap();
        let complete = ends.iter().filter(|end| **end <= at).count();
        prop_assert_eq!(found(&path, 1), batches[..complete].concat());
    }
}

fn node(key: &str) -> Change {
    Change {
        table: Table::Nodes,
        key: key.into(),
        value: Some(b"1".into()),
    }
}

#[test]
fn a_batch_that_is_rolled_back_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut journal = new(&path, 1);
    journal.write(&[node("stays")]).unwrap();
    let end = journal.end;
    journal.write(&[node("goes")]).unwrap();
    journal.end = end;
    journal.rollback().unwrap();
    assert_eq!(found(&path, 1), [node("stays")]);
}

#[test]
fn a_record_of_another_version_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    new(&path, 1).write(&[node("a")]).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[HEADER_BYTES] = 9;
    let sum = crc32fast::hash(&bytes[4..]);
    bytes[..4].copy_from_slice(&sum.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    Journal::open(&path, Durability::Power, Some(1)).unwrap_err();
}
