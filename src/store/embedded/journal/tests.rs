use super::*;

fn lines(count: u64) -> Vec<u8> {
    let mut lines = Vec::new();
    (0..count).for_each(|n| Record::Synced(n).write(&mut lines));
    lines
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

#[test]
fn a_torn_end_is_removed_and_the_journal_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut journal = Journal::create(&path).unwrap();
    journal.append(&lines(3)).unwrap();
    let whole = journal.len();
    journal.append(&lines(2)).unwrap();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(whole + 5)
        .unwrap();

    let (mut journal, ending) = Journal::open(&path, drop).unwrap();
    assert_eq!(
        ending,
        Ending {
            end: whole,
            torn: 5
        }
    );
    assert_eq!(length(&path), whole);
    journal.append(&lines(1)).unwrap();
    let (_, ending) = Journal::open(&path, drop).unwrap();
    assert_eq!(ending.torn, 0);
    assert!(ending.end > whole);
}

#[test]
fn what_is_synced_is_marked_with_the_next_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut journal = Journal::create(&path).unwrap();
    let (file, bytes) = journal.unsynced().unwrap();
    journal.synced(&file, bytes);
    assert!(journal.unsynced().is_none());
    journal.append(&lines(1)).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(&format!("{{\"synced\":{bytes}}}")), "{text}");
    // A mark needs no sync of its own.
    let (file, bytes) = journal.unsynced().unwrap();
    journal.synced(&file, bytes);
    journal.write_mark().unwrap();
    assert!(journal.unsynced().is_none());
    assert_eq!(length(&path), journal.len());
}

#[test]
fn a_sync_of_a_replaced_file_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(&folder.path().join("journal")).unwrap();
    let other = Journal::create(&folder.path().join("other")).unwrap();
    journal.synced(&other.file(), journal.len());
    assert!(journal.unsynced().is_some());
}

#[test]
fn a_closed_journal_is_marked_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut journal = Journal::create(&path).unwrap();
    journal.append(&lines(4)).unwrap();
    journal.close().unwrap();
    let mut text = std::fs::read(&path).unwrap();
    // Even the last record of a change is protected.
    let last_change = text.iter().rposition(|byte| *byte == b'{').unwrap() - 12;
    text[last_change] ^= 1;
    std::fs::write(&path, text).unwrap();
    let error = Journal::open(&path, drop).unwrap_err();
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
}
