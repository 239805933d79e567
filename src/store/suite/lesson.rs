//! A lesson with a bit of everything, for stores that are closed and opened again.

use crate::model::event::{Event, EventInput, Since};
use crate::model::group::{Group, GroupKey, Member};
use crate::model::ids::{Domain, NodeId};
use crate::model::status::NodeStatus;
use crate::model::time::Timestamp;
use crate::store::suite::class::{Class, POLLING, event, events, group_name, keyed};
use crate::store::suite::{START, at, second};
use crate::store::{CreateGroup, Store};

/// Whom a lesson asks about, and everything it is told.
#[derive(Debug, PartialEq)]
pub struct Told {
    asked: Asked,
    listed: Vec<Group>,
    found: Vec<Group>,
    rooms: Vec<Room>,
    own: Vec<Option<NodeStatus>>,
    refused: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Asked {
    domain: Domain,
    prefix: String,
    groups: Vec<GroupKey>,
    nodes: Vec<NodeId>,
    now: Timestamp,
}

/// All that is told of one group.
#[derive(Debug, PartialEq)]
struct Room {
    members: Vec<Member>,
    statuses: Vec<NodeStatus>,
    events: Vec<Event>,
}

/// Two groups live, one is dissolved, one's time is up; nodes join, report, fire, record, move and leave.
pub async fn live_through_a_lesson<S: Store>(store: &S) -> Told {
    let class = Class::new(store);
    let wish = CreateGroup {
        name: group_name(&class.own("ねこ🐱%@")),
        delivery: POLLING,
        ..class.wish("先生")
    };
    let polling = class.made(wish, START).await;
    let heard = class.group("teacher").await;
    let over = class.group("over").await;
    for (group, node) in [
        (&polling, "a"),
        (&heard, "b"),
        (&polling, "c"),
        (&over, "d"),
    ] {
        class.joins(&group.key, node, START).await;
        class
            .reports(&group.key, node, &[("ねこ", "1"), ("b", "🎈")], at(1))
            .await;
        class.reports(&group.key, node, &[("b", "2")], at(2)).await;
        class.records(&group.key, node, batch(), at(3)).await;
        class
            .fires(&group.key, node, events(&["fired"]), at(3))
            .await;
    }
    class.reports(&polling.key, "先生", &[], at(4)).await;
    class.joins(&heard.key, "c", at(5)).await;
    class
        .store
        .leave(&polling.key, &class.node("a"))
        .await
        .unwrap();
    class.joins(&polling.key, "d", at(6)).await;
    class
        .reports(&polling.key, "d", &[("k", "here")], at(6))
        .await;
    class
        .store
        .dissolve(&over.key, &over.host, at(7))
        .await
        .unwrap();
    let short = CreateGroup {
        lifetime: 1,
        ..class.wish("short")
    };
    let short = class.made(short, START).await;
    store.reap(second(2)).await.unwrap();
    class.renews(&heard, second(2)).await;
    let asked = Asked {
        domain: class.domain.clone(),
        prefix: class.own("ねこ🐱%@"),
        groups: [&polling, &heard, &over, &short]
            .map(|g| g.key.clone())
            .to_vec(),
        nodes: ["先生", "teacher", "a", "b", "c", "d"]
            .map(|n| class.node(n))
            .to_vec(),
        now: second(3),
    };
    let told = tell(store, asked).await;
    assert_eq!((told.listed.len(), told.found.len()), (2, 1));
    assert!(told.refused[2].starts_with("Group not found: "));
    assert!(told.refused[3].starts_with("Group expired: "));
    assert!(!told.rooms[0].events.is_empty() && told.rooms[2].events.is_empty());
    told
}

fn batch() -> Vec<EventInput> {
    let with_payload = EventInput {
        payload: Some("ニャー".into()),
        ..keyed("b", "2")
    };
    vec![with_payload, event("c"), keyed("a", "1")]
}

/// What a store tells when it is asked the same again.
pub async fn all_that_is_told<S: Store>(store: &S, told: &Told) -> Told {
    tell(store, told.asked.clone()).await
}

async fn tell<S: Store>(store: &S, asked: Asked) -> Told {
    let now = asked.now;
    let mut rooms = Vec::new();
    for group in &asked.groups {
        rooms.push(Room {
            members: store.members(group, now).await.unwrap(),
            statuses: store.statuses(group, now).await.unwrap(),
            events: store
                .events_since(group, Since::Exactly(""), usize::MAX, now)
                .await
                .unwrap(),
        });
    }
    let mut own = Vec::new();
    for node in &asked.nodes {
        own.push(store.status_of(node, now).await.unwrap());
    }
    let mut refused = Vec::new();
    for group in &asked.groups {
        // A stranger may not renew, and is told why there is nothing to renew.
        let stranger = NodeId::parse("nodeId", "nobody").unwrap();
        let renewed = store.renew(group, &stranger, now).await;
        refused.push(renewed.unwrap_err().to_string());
    }
    let listed = store.groups_in(&asked.domain, now).await.unwrap();
    let found = store.groups_named(&asked.prefix, 10, now).await.unwrap();
    Told {
        asked,
        listed,
        found,
        rooms,
        own,
        refused,
    }
}
