use std::sync::Arc;

use crate::memory::{Memory, Purpose};
use crate::model::limits::Limits;
use crate::model::rules::{Rules, Timings};
use crate::store::embedded::{Durability, Embedded};
use crate::store::suite::class::{Class, client_error, data, events, kind_and_text};
use crate::store::suite::{self, START, second};
use crate::store::{NoSubscribers, Result, Store as _};

fn within(memory: &Memory) -> Embedded {
    let rules = Rules::new(Timings::STG).unwrap();
    let publisher = Arc::new(NoSubscribers);
    Embedded::in_memory_within(memory.clone(), publisher, rules, Limits::default())
}

#[tokio::test]
async fn restored_records_count_the_same_memory() {
    let folder = tempfile::tempdir().unwrap();
    let open = |memory: &Memory| {
        let (rules, limits) = (Rules::new(Timings::STG).unwrap(), Limits::default());
        let durability = Durability::EverySecond;
        let publisher = Arc::new(NoSubscribers);
        Embedded::open_within(
            memory.clone(),
            publisher,
            folder.path(),
            durability,
            rules,
            limits,
        )
        .unwrap()
    };
    let (before, after) = (Memory::unlimited(), Memory::unlimited());
    let store = open(&before);
    suite::run_lesson(&store).await;
    let held = before.leased(Purpose::Stored);
    assert!(held > 0);
    drop(store);
    assert_eq!(before.total(), 0);
    let store = open(&after);
    assert_eq!(after.leased(Purpose::Stored), held);
    drop(store);
    assert_eq!(after.total(), 0);
}

#[tokio::test]
async fn removed_records_release_their_memory() {
    let memory = Memory::unlimited();
    let store = within(&memory);
    let class = Class::new(&store);
    let held = || memory.leased(Purpose::Stored);
    let group = class.polling_group("h").await;
    let empty = held();
    assert!(empty > 0);
    class.joins(&group.key, "a", START).await;
    class
        .reports(&group.key, "a", &[("k", "12345")], START)
        .await;
    let small = held();
    class.reports(&group.key, "a", &[("k", "1")], START).await;
    assert_eq!(held(), small - 4);
    class
        .records(&group.key, "a", events(&["e", "f"]), START)
        .await;
    assert!(held() > small);
    store.reap(second(30)).await.unwrap();
    assert_eq!(held(), small - 4);
    store
        .leave(&group.key, &class.node("a").into())
        .await
        .unwrap();
    assert_eq!(held(), empty);
    class
        .reports(&group.key, "a", &[("k", "1")], second(30))
        .await;
    class
        .records(&group.key, "a", events(&["e"]), second(30))
        .await;
    let dissolved = store
        .dissolve(&group.key, &group.host.clone().into(), second(30))
        .await;
    dissolved.unwrap();
    assert_eq!(memory.total(), 0);
}

#[tokio::test]
async fn new_work_is_refused_in_order_and_a_lesson_goes_on() {
    let memory = Memory::new(10_000_000);
    let store = within(&memory);
    let class = Class::new(&store);
    let group = class.polling_group("h").await;
    let pupil = class.node("pupil");
    class.joins(&group.key, "pupil", START).await;
    let large = "x".repeat(5_000);
    class
        .reports(&group.key, "pupil", &[("v", "1"), ("l", &large)], START)
        .await;
    let full = |result: Result<()>| {
        let (kind, text) = kind_and_text(&client_error(result));
        assert_eq!(kind, "LimitExceeded");
        assert!(text.contains("memory"), "{text}");
    };
    let report = async |pairs: &[(&str, &str)]| {
        let reported = class
            .try_report(&group.key, "pupil", data(pairs), START)
            .await;
        reported.map(|_| ())
    };
    let mut others = memory.lease(Purpose::Queues, 0);

    others.resize(memory.share(70));
    full(
        store
            .host_group(class.request("new"), START)
            .await
            .map(|_| ()),
    );
    assert!(
        !store
            .host_group(class.request("h"), START)
            .await
            .unwrap()
            .created
    );
    class.joins(&group.key, "second", START).await;

    others.resize(memory.share(80));
    full(
        store
            .join(&group.key, &class.node("third").into(), None, START)
            .await
            .map(|_| ()),
    );
    let unknown = class.try_report(&group.key, "third", data(&[("v", "1")]), START);
    full(unknown.await.map(|_| ()));
    class.joins(&group.key, "second", START).await;
    report(&[("m", &large)]).await.unwrap();

    others.resize(memory.share(90));
    full(report(&[("n", &large)]).await);
    report(&[("n", "small")]).await.unwrap();
    report(&[("m", &large)]).await.unwrap();
    class
        .records(&group.key, "pupil", events(&["go"]), START)
        .await;

    others.resize(memory.limit());
    full(report(&[("o", "small")]).await);
    report(&[("v", "2"), ("m", &large)]).await.unwrap();
    class.renews(&group, START).await;
    store
        .heartbeat(&group.key, &pupil.clone().into(), START)
        .await
        .unwrap();
    assert_eq!(store.members(&group.key, START).await.unwrap().len(), 2);
    store
        .leave(&group.key, &pupil.clone().into())
        .await
        .unwrap();
    store
        .dissolve(&group.key, &group.host.clone().into(), START)
        .await
        .unwrap();

    drop(others);
    assert_eq!(memory.total(), 0);
    class.group("new").await;
}
