//! What records take in memory, about: their texts, and constants for everything around
//! them (structures, map entries, the allocator's rounding). `spec/memory.rs` fills a
//! server with each kind and compares its process with what is counted here.

use std::collections::HashMap;
use std::hash::Hash;

use crate::memory::{Lease, Memory, Purpose};
use crate::model::group::{Group, GroupKey};
use crate::model::ids::NodeId;
use crate::model::status::Size;
use crate::store::embedded::log::LoggedCall;

/// A group with nobody in it, and its entries in four maps.
const GROUP: usize = 1536;
/// A node, and its entry among the members of all groups.
const NODE: usize = 384;
/// The variables of one write time.
const LAYER: usize = 144;
/// A variable: two texts.
const VARIABLE: usize = 112;
/// A call, and what its repetition would look like.
const CALL: usize = 320;
/// A group that ended, in a map and in a queue.
const ENDED: usize = 320;
/// An event: up to four texts.
const EVENT: usize = 176;

/// A lease for a group with nobody in it.
pub fn held_for(of: &Group, memory: &Memory) -> Lease {
    memory.lease(Purpose::Stored, group(of))
}

/// A group with nobody in it.
pub fn group(group: &Group) -> usize {
    let key = group.key.domain.as_str().len() + group.key.id.as_str().len();
    GROUP + key + group.host.as_str().len() + group.name.as_str().len()
}

/// A node that has reported nothing.
pub fn node(node: &NodeId) -> usize {
    NODE + node.as_str().len()
}

/// All that a node has reported.
pub fn readings(size: Size) -> usize {
    size.rows * LAYER + size.keys * VARIABLE + size.bytes
}

/// A group that ended and is remembered.
pub fn ended(group: &GroupKey) -> usize {
    ENDED + group.domain.as_str().len() + group.id.as_str().len()
}

/// A call in a log.
pub fn call(call: &LoggedCall) -> usize {
    CALL + call.node.as_str().len() + call.events.len() * EVENT + call.bytes
}

/// Gives the room back that a flood left in a map; a map keeps it otherwise.
pub fn give_back<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    const KEPT: usize = 64;
    if map.capacity() > KEPT && map.len() < map.capacity() / 8 {
        map.shrink_to(KEPT.max(map.len() * 2));
    }
}

#[cfg(test)]
mod tests {
    use crate::heartbeat::rules::{Rules, Timings};
    use crate::memory::{Memory, Purpose};
    use crate::model::limits::Limits;
    use crate::store::embedded::{Durability, Embedded};
    use crate::store::suite::class::{Class, data, events, kind_and_text, refusal};
    use crate::store::suite::{self, START, second};
    use crate::store::{Result, Store as _};

    fn within(memory: &Memory) -> Embedded {
        let rules = Rules::new(Timings::STG).unwrap();
        Embedded::in_memory_within(memory.clone(), rules, Limits::default())
    }

    #[tokio::test]
    async fn what_is_stored_counts_as_much_as_when_it_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let open = |memory: &Memory| {
            let (rules, limits) = (Rules::new(Timings::STG).unwrap(), Limits::default());
            let durability = Durability::Process;
            Embedded::open_within(memory.clone(), folder.path(), durability, rules, limits).unwrap()
        };
        let (before, after) = (Memory::unlimited(), Memory::unlimited());
        let store = open(&before);
        suite::live_through_a_lesson(&store).await;
        let held = before.held(Purpose::Stored);
        assert!(held > 0);
        drop(store);
        assert_eq!(before.total(), 0);
        let store = open(&after);
        assert_eq!(after.held(Purpose::Stored), held);
        drop(store);
        assert_eq!(after.total(), 0);
    }

    #[tokio::test]
    async fn what_ends_is_given_back() {
        let memory = Memory::unlimited();
        let store = within(&memory);
        let class = Class::new(&store);
        let held = || memory.held(Purpose::Stored);
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
        store.leave(&group.key, &class.node("a")).await.unwrap();
        assert_eq!(held(), empty);
        class
            .reports(&group.key, "a", &[("k", "1")], second(30))
            .await;
        class
            .records(&group.key, "a", events(&["e"]), second(30))
            .await;
        let dissolved = store.dissolve(&group.key, &group.host, second(30)).await;
        dissolved.unwrap();
        assert_eq!(memory.total(), 0);
    }

    #[tokio::test]
    async fn new_work_is_refused_in_turn_and_a_lesson_goes_on() {
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
        let full = |answer: Result<()>| {
            let (kind, text) = kind_and_text(&refusal(answer));
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
        full(store.host_group(class.wish("new"), START).await.map(|_| ()));
        assert!(
            !store
                .host_group(class.wish("h"), START)
                .await
                .unwrap()
                .created
        );
        class.joins(&group.key, "second", START).await;

        others.resize(memory.share(80));
        full(
            store
                .join(&group.key, &class.node("third"), None, START)
                .await
                .map(|_| ()),
        );
        let stranger = class.try_report(&group.key, "third", data(&[("v", "1")]), START);
        full(stranger.await.map(|_| ()));
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
        store.beat(&group.key, &pupil, START).await.unwrap();
        assert_eq!(store.members(&group.key, START).await.unwrap().len(), 2);
        store.leave(&group.key, &pupil).await.unwrap();
        store
            .dissolve(&group.key, &group.host, START)
            .await
            .unwrap();

        drop(others);
        assert_eq!(memory.total(), 0);
        class.group("new").await;
    }
}
