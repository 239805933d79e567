mod model;

use super::*;
use crate::model::rules::Timings;
use crate::store::suite;
use crate::store::suite::class::{Class, events};

const ALL: [Durability; 3] = [Durability::Always, Durability::EverySecond, Durability::No];

fn rules() -> Rules {
    Rules::new(Timings::STG).unwrap()
}

fn open(folder: &Path, durability: Durability) -> anyhow::Result<Embedded> {
    Embedded::open(folder, durability, rules(), Limits::default())
}

#[tokio::test]
async fn the_memory_store_passes_the_suite() {
    suite::run(|| async { Embedded::in_memory(rules(), suite::LIMITS) }).await;
}

#[tokio::test]
async fn both_stores_move_their_times_with_the_clock() {
    suite::clock_steps::run(|| Embedded::in_memory(rules(), suite::LIMITS)).await;
    suite::clock_steps::run(|| {
        let folder = tempfile::tempdir().unwrap();
        Embedded::open(
            &folder.keep(),
            Durability::EverySecond,
            rules(),
            suite::LIMITS,
        )
        .unwrap()
    })
    .await;
}

#[tokio::test]
async fn times_that_moved_with_the_clock_are_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let hour = 3_600_000;
    let (group, domain) = {
        let store = open(folder.path(), Durability::EverySecond).unwrap();
        let class = Class::new(&store);
        let group = class.group("h").await;
        class.joins(&group.key, "k", suite::START).await;
        let step = ClockStep::new(suite::second(5), hour);
        store.clock_stepped(step).await.unwrap();
        (group, class.domain)
    };
    let store = open(folder.path(), Durability::EverySecond).unwrap();
    let now = suite::second(10).shifted(hour);
    let found = store.groups_in(&domain, now).await.unwrap();
    assert_eq!(found[0].heartbeat_at, group.heartbeat_at.shifted(hour));
    assert_eq!(store.members(&group.key, now).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_persistent_store_passes_the_suite() {
    suite::run(|| async {
        let folder = tempfile::tempdir().unwrap();
        Embedded::open(
            &folder.keep(),
            Durability::EverySecond,
            rules(),
            suite::LIMITS,
        )
        .unwrap()
    })
    .await;
}

#[tokio::test]
async fn groups_that_ended_leave_their_places_in_a_full_domain_before_and_after_their_removal() {
    let store = Embedded::in_memory(rules(), suite::LIMITS);
    let class = Class::new(&store);
    let half = suite::LIMITS.groups_per_domain / 2;
    let late = async |n: usize, now| {
        let asked = class.request(&format!("late {n}"));
        store.host_group(asked, now).await.is_ok()
    };
    let mut groups = Vec::new();
    for n in 0..2 * half {
        groups.push(class.group(&format!("h{n}")).await);
    }
    for group in &groups[..half] {
        class.renews(group, suite::second(30)).await;
    }
    assert!(!late(0, suite::second(59)).await);
    // The hosts of the others are silent from now on.
    let silent = suite::second(60);
    for n in 0..half - 1 {
        assert!(late(n, silent).await, "{n}");
    }
    // One of them is removed when its host comes back; the others are removed later.
    class.created(class.request("h119"), silent).await;
    assert!(!late(half, silent).await);
    let now = suite::second(62);
    assert!(!late(half, now).await);
    assert_eq!(store.reap(now).await.unwrap().len(), half - 1);
    assert!(!late(half, now).await);
    let living = &groups[0];
    let host = living.host.clone().into();
    store.dissolve(&living.key, &host, now).await.unwrap();
    assert!(late(half, now).await);
    assert!(!late(half + 1, now).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_are_published_in_commit_order() {
    let (rules, limits, memory) = (rules(), Limits::default(), Memory::unlimited);
    suite::order::run(|publisher| Embedded::in_memory_within(memory(), publisher, rules, limits))
        .await;
    let folder = tempfile::tempdir().unwrap();
    suite::order::run(|publisher| {
        let durability = Durability::EverySecond;
        let path = folder.path();
        Embedded::open_within(memory(), publisher, path, durability, rules, limits).unwrap()
    })
    .await;
}

#[tokio::test]
async fn message_times_do_not_step_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let group = {
        let store = open(folder.path(), Durability::EverySecond).unwrap();
        let class = Class::new(&store);
        let group = class.polling_group("h").await.key;
        class
            .records(&group, "k", events(&["e"]), suite::second(5))
            .await;
        group
    };
    let store = open(folder.path(), Durability::EverySecond).unwrap();
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
    for durability in ALL {
        let folder = tempfile::tempdir().unwrap();
        let open = || open(folder.path(), durability).unwrap();
        let snapshot = suite::run_lesson(&open()).await;
        assert_eq!(suite::snapshot_again(&open(), &snapshot).await, snapshot);
    }
}

#[tokio::test]
async fn an_expired_tombstone_is_erased_from_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        erase_after: Duration::ZERO,
        ..Durability::EverySecond.into()
    };
    let store = Embedded::open(folder.path(), options, rules(), Limits::default()).unwrap();
    let group = Class::new(&store).group("h").await.key;
    let journal = || std::fs::read_to_string(folder.path().join(folder::JOURNAL)).unwrap();
    let lacks = async |text: &str| {
        let lacks = async {
            while journal().contains(text) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), lacks).await
    };
    assert_eq!(store.reap(suite::second(100)).await.unwrap().len(), 1);
    lacks("\"ended\"").await.unwrap();
    assert!(journal().contains(group.id.as_str()), "for its members");
    assert!(store.reap(suite::second(200)).await.unwrap().is_empty());
    lacks(group.id.as_str()).await.unwrap();
}

#[tokio::test]
async fn a_second_process_is_refused_with_a_helpful_error() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path(), Durability::Always).unwrap();
    let error = open(folder.path(), Durability::No).unwrap_err();
    assert!(error.is::<InUse>());
    assert!(
        format!("{error:#}").contains("another mesh-v2"),
        "{error:#}"
    );
}

#[tokio::test]
async fn damage_is_refused_by_name_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    suite::run_lesson(&open(folder.path(), Durability::EverySecond).unwrap()).await;
    let file = folder.path().join(folder::JOURNAL);
    let whole = std::fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 3] ^= 1;
    let mut zeroed = whole.clone();
    zeroed[whole.len() / 2..][..64].fill(0);
    for bytes in [damaged, zeroed, Vec::new()] {
        std::fs::write(&file, &bytes).unwrap();
        let error = format!("{:#}", open(folder.path(), Durability::No).unwrap_err());
        for part in ["damaged", "mesh.journal", "mesh-v2 store repair"] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
    }
    std::fs::remove_file(&file).unwrap();
    let error = format!("{:#}", open(folder.path(), Durability::No).unwrap_err());
    assert!(error.contains("is missing"), "{error}");
    std::fs::write(&file, &whole).unwrap();
    open(folder.path(), Durability::No).unwrap();
}

#[tokio::test]
async fn a_first_start_that_was_cut_is_done_again() {
    for (file, bytes) in [
        ("mesh.lock", &b""[..]),
        ("mesh.journal.new", b""),
        ("mesh.journal.new", b"0000"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file), bytes).unwrap();
        open(folder.path(), Durability::EverySecond).unwrap();
        assert!(!folder.path().join("mesh.journal.new").exists());
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_folder_and_its_files() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    set(folder.path(), 0o755);
    drop(open(folder.path(), Durability::No).unwrap());
    set(&folder.path().join(folder::JOURNAL), 0o644);
    drop(open(folder.path(), Durability::No).unwrap());
    assert_eq!(mode(folder.path()), 0o700);
    for file in [folder::JOURNAL, "mesh.lock"] {
        assert_eq!(mode(&folder.path().join(file)), 0o600, "{file}");
    }
    let error = open(Path::new("/tmp"), Durability::No).unwrap_err();
    assert!(
        format!("{error:#}").contains("a folder of its own"),
        "{error:#}"
    );
}
