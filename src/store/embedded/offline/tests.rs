use super::*;
use crate::model::limits::Limits;
use crate::model::rules::{Rules, Timings};
use crate::store::embedded::{Durability, Embedded};
use crate::store::suite;

fn open(folder: &Path) -> anyhow::Result<Embedded> {
    let rules = Rules::new(Timings::STG).unwrap();
    Embedded::open(folder, Durability::EverySecond, rules, Limits::default())
}

#[tokio::test]
async fn a_backup_of_an_open_store_restores_all_of_it() {
    let place = tempfile::tempdir().unwrap();
    let (data, other) = (place.path().join("data"), place.path().join("other"));
    let file = place.path().join("backup");
    let store = open(&data).unwrap();
    let snapshot = suite::run_lesson(&store).await;
    assert!(backup(&data, &file).unwrap().records > 0);
    backup(&data, &file).expect_err("a file is not overwritten");
    restore(&file, &other).unwrap();
    restore(&file, &other).expect_err("data is not overwritten");
    let error = restore(&file, &data).unwrap_err();
    assert!(
        format!("{error:#}").contains("another mesh-v2"),
        "{error:#}"
    );
    let restored = open(&other).unwrap();
    assert_eq!(suite::snapshot_again(&restored, &snapshot).await, snapshot);
}

#[tokio::test]
async fn a_copied_folder_opens() {
    let place = tempfile::tempdir().unwrap();
    let (data, copy) = (place.path().join("data"), place.path().join("copy"));
    let snapshot = suite::run_lesson(&open(&data).unwrap()).await;
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(&data).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let store = open(&copy).unwrap();
    assert_eq!(suite::snapshot_again(&store, &snapshot).await, snapshot);
}

#[tokio::test]
async fn a_repair_keeps_what_is_intact_and_says_what_is_lost() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    suite::run_lesson(&open(&data).unwrap()).await;
    let journal = data.join(JOURNAL);
    let mut bytes = fs::read(&journal).unwrap();
    let lines = bytes.split(|byte| *byte == b'\n').count();
    let half = bytes.len() / 2;
    bytes[half] ^= 1;
    fs::write(&journal, &bytes).unwrap();
    let file = place.path().join("backup");
    backup(&data, &file).expect_err("damage is not copied");
    open(&data).unwrap_err();

    let (copied, damaged) = repair(&data).unwrap();
    assert_eq!(copied.lost, 1);
    assert!(copied.lost_bytes > 0);
    assert!(copied.records > 0 && copied.records < lines as u64);
    assert_eq!(fs::read(damaged).unwrap(), bytes);
    open(&data).unwrap();
}

#[test]
fn a_journal_of_a_newer_format_is_not_repaired() {
    let place = tempfile::tempdir().unwrap();
    let mut text = Vec::new();
    push_line(&mut text, 0, br#"{"format":{"version":2}}"#);
    fs::write(place.path().join(JOURNAL), &text).unwrap();
    let error = format!("{:#}", repair(place.path()).unwrap_err());
    assert!(error.contains("format 2"), "{error}");
    assert_eq!(fs::read(place.path().join(JOURNAL)).unwrap(), text);
}
