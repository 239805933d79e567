use super::*;
use crate::model::rules::Timings;
use crate::store::suite;
use crate::store::suite::class::{Class, events};

fn rules() -> Rules {
    Rules::new(Timings::STG).unwrap()
}

#[tokio::test]
async fn the_memory_store_passes_the_suite() {
    suite::run(|| async { Embedded::in_memory(rules(), suite::LIMITS) }).await;
}

#[tokio::test]
async fn the_persistent_store_passes_the_suite() {
    suite::run(|| async {
        let folder = tempfile::tempdir().unwrap();
        Embedded::open(&folder.keep(), Durability::Power, rules(), suite::LIMITS).unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_are_published_in_commit_order() {
    let (rules, limits, memory) = (rules(), Limits::default(), Memory::unlimited);
    suite::order::run(|publisher| Embedded::in_memory_within(memory(), publisher, rules, limits))
        .await;
    let folder = tempfile::tempdir().unwrap();
    suite::order::run(|publisher| {
        let durability = Durability::Process;
        let path = folder.path();
        Embedded::open_within(memory(), publisher, path, durability, rules, limits).unwrap()
    })
    .await;
}

#[tokio::test]
async fn message_times_do_not_step_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let group = {
        let store = open(folder.path(), Durability::Process).unwrap();
        let class = Class::new(&store);
        let group = class.polling_group("h").await.key;
        class
            .records(&group, "k", events(&["e"]), suite::second(5))
            .await;
        group
    };
    let store = open(folder.path(), Durability::Process).unwrap();
    let class = Class::new(&store);
    let reported = class
        .reports(&group, "k", &[("k", "1")], suite::second(2))
        .await;
    assert_eq!(reported.timestamp, suite::second(5));
    let fired = class
        .fires(&group, "k", events(&["e"]), suite::second(1))
        .await;
    assert_eq!(fired.batch.timestamp, suite::second(5));
}

#[tokio::test]
async fn acknowledged_changes_are_there_after_reopening() {
    for durability in [Durability::Power, Durability::Process] {
        let folder = tempfile::tempdir().unwrap();
        let open = || open(folder.path(), durability).unwrap();
        let snapshot = suite::run_lesson(&open()).await;
        assert_eq!(suite::snapshot_again(&open(), &snapshot).await, snapshot);
    }
}

#[tokio::test]
async fn a_second_process_is_refused_with_a_helpful_error() {
    for durability in [Durability::Power, Durability::Process] {
        let folder = tempfile::tempdir().unwrap();
        let _first = open(folder.path(), durability).unwrap();
        let error = open(folder.path(), Durability::Power).unwrap_err();
        assert!(
            format!("{error:#}").contains("another mesh-v2"),
            "{error:#}"
        );
    }
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_stays_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    suite::run_lesson(&open(folder.path(), Durability::Process).unwrap()).await;
    let file = folder.path().join("mesh.redb");
    let mut bytes = std::fs::read(&file).unwrap();
    let third = bytes.len() / 3;
    bytes[..third].fill(0x5a);
    std::fs::write(&file, &bytes).unwrap();
    open(folder.path(), Durability::Process).unwrap_err();
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

fn open(folder: &Path, durability: Durability) -> anyhow::Result<Embedded> {
    Embedded::open(folder, durability, rules(), Limits::default())
}
