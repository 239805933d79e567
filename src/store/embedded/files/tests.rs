use super::*;

fn change(key: &str, value: Option<&str>) -> Change {
    Change {
        table: Table::Groups,
        key: key.into(),
        value: value.map(|value| value.as_bytes().to_vec()),
    }
}

fn stored(files: &Files) -> Vec<String> {
    let read = files.database.begin_read().unwrap();
    let rows = read.open_table(rows(Table::Groups)).unwrap();
    let rows = rows.iter().unwrap().map(|row| {
        let (key, value) = row.unwrap();
        format!("{}={}", key.value(), String::from_utf8_lossy(value.value()))
    });
    rows.collect()
}

fn open_again(folder: &Path) -> Files {
    let memory = Memory::unlimited();
    let database = open(&folder.join(DATABASE), &memory).unwrap();
    let generation = generation(&database).unwrap();
    let journal = Journal::open(&folder.join(JOURNAL), Durability::Process, generation);
    let (journal, changes) = journal.unwrap();
    // Does not use `Files::open`, because the values of this test are not records.
    let mut files = Files {
        database,
        journal,
        pending: by_key(changes).collect(),
        lease: memory.lease(Purpose::Disk, 0),
    };
    files.checkpoint().unwrap();
    files
}

#[test]
fn a_checkpoint_writes_the_last_value_of_each_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = open_again(folder.path());
    files
        .write(vec![change("a", Some("1")), change("b", Some("1"))])
        .unwrap();
    files
        .write(vec![change("a", Some("2")), change("b", None)])
        .unwrap();
    files.checkpoint().unwrap();
    assert_eq!(stored(&files), ["a=2"]);
    assert_eq!(files.journal.len(), 0);
}

#[test]
fn changes_in_the_journal_are_in_the_database_after_opening() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = open_again(folder.path());
    files.write(vec![change("a", Some("1"))]).unwrap();
    drop(files);
    let files = open_again(folder.path());
    assert_eq!(stored(&files), ["a=1"]);
}

#[test]
fn a_generation_is_never_replayed_after_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = open_again(folder.path());
    files.write(vec![change("a", Some("1"))]).unwrap();
    let first_batch = std::fs::read(folder.path().join(JOURNAL)).unwrap();
    files
        .write(vec![change("a", None), change("b", Some("1"))])
        .unwrap();
    let both_batches = std::fs::read(folder.path().join(JOURNAL)).unwrap();
    files.checkpoint().unwrap();
    files.write(vec![change("b", Some("2"))]).unwrap();
    files.checkpoint().unwrap();
    drop(files);
    // After a power cut the file may still have older content.
    for left in [first_batch, both_batches] {
        std::fs::write(folder.path().join(JOURNAL), left).unwrap();
        assert_eq!(stored(&open_again(folder.path())), ["b=2"]);
    }
}
