//! A lesson that uses every kind of record, for stores that are closed and opened again.

use crate::model::cursor::Since;
use crate::model::event::{Event, EventInput};
use crate::model::group::{Group, GroupKey, Member};
use crate::model::ids::{Domain, NodeId};
use crate::model::status::NodeStatus;
use crate::model::time::Timestamp;
use crate::store::suite::class::{Class, POLLING, event, events, group_name, keyed};
use crate::store::suite::{START, at, second};
use crate::store::{CreateGroup, Store};

/// Everything that can be read of a lesson, and the scope that was read.
#[derive(Debug, PartialEq)]
pub struct Snapshot {
    scope: Scope,
    listed: Vec<Group>,
    found: Vec<Group>,
    groups: Vec<GroupSnapshot>,
    statuses: Vec<Option<NodeStatus>>,
    errors: Vec<Option<String>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Scope {
    domain: Domain,
    prefix: String,
    groups: Vec<GroupKey>,
    nodes: Vec<NodeId>,
    now: Timestamp,
}

/// Everything that can be read of one group.
#[derive(Debug, PartialEq)]
struct GroupSnapshot {
    members: Vec<Member>,
    statuses: Vec<NodeStatus>,
    events: Vec<Event>,
}

/// Two groups live, one is dissolved, one expires; nodes join, report, fire, record, move and
/// leave.
pub async fn run_lesson<S: Store>(store: &S) -> Snapshot {
    let class = Class::new(store);
    let request = CreateGroup {
        name: group_name(&class.own("ねこ🐱%@")),
        delivery: POLLING,
        ..class.request("先生")
    };
    let polling = class.created(request, START).await;
    let websocket = class.group("teacher").await;
    let dissolved = class.group("over").await;
    for (group, node) in [
        (&polling, "a"),
        (&websocket, "b"),
        (&polling, "c"),
        (&dissolved, "d"),
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
    class.joins(&websocket.key, "c", at(5)).await;
    class
        .store
        .leave(&polling.key, &class.node("a").into())
        .await
        .unwrap();
    class.joins(&polling.key, "d", at(6)).await;
    class
        .reports(&polling.key, "d", &[("k", "here")], at(6))
        .await;
    class
        .store
        .dissolve(&dissolved.key, &dissolved.host.clone().into(), at(7))
        .await
        .unwrap();
    let short = CreateGroup {
        lifetime: 1,
        ..class.request("short")
    };
    let short = class.created(short, START).await;
    store.reap(second(2)).await.unwrap();
    class.renews(&websocket, second(2)).await;
    let controlled = class.is_controlled(second(3)).await;
    let scope = Scope {
        domain: class.domain.clone(),
        prefix: class.own("ねこ🐱%@"),
        groups: [&polling, &websocket, &dissolved, &short, &controlled]
            .map(|g| g.key.clone())
            .to_vec(),
        nodes: ["先生", "teacher", "a", "b", "c", "d", "e", "f"]
            .map(|n| class.node(n))
            .to_vec(),
        now: second(3),
    };
    let snapshot = read(store, scope).await;
    assert_eq!((snapshot.listed.len(), snapshot.found.len()), (3, 1));
    let error = |at: usize| snapshot.errors[at].as_deref().unwrap_or_default();
    assert!(error(8).starts_with("Unauthorized: "), "{}", error(8));
    assert_eq!(snapshot.errors[9], None);
    assert!(error(12).starts_with("Group not found: "));
    assert!(error(13).starts_with("Group expired: "));
    assert!(!snapshot.groups[0].events.is_empty() && snapshot.groups[2].events.is_empty());
    snapshot
}

fn batch() -> Vec<EventInput> {
    let with_payload = EventInput {
        payload: Some("ニャー".into()),
        ..keyed("b", "2")
    };
    vec![with_payload, event("c"), keyed("a", "1")]
}

/// Reads the same scope again.
pub async fn snapshot_again<S: Store>(store: &S, snapshot: &Snapshot) -> Snapshot {
    read(store, snapshot.scope.clone()).await
}

async fn read<S: Store>(store: &S, scope: Scope) -> Snapshot {
    let now = scope.now;
    let mut groups = Vec::new();
    for group in &scope.groups {
        groups.push(GroupSnapshot {
            members: store.members(group, now).await.unwrap(),
            statuses: store.statuses(group, now).await.unwrap(),
            events: store
                .events_since(group, Since::Exactly(""), usize::MAX, now)
                .await
                .unwrap(),
        });
    }
    let mut statuses = Vec::new();
    for node in &scope.nodes {
        statuses.push(store.status_of(node, now).await.unwrap());
    }
    let mut errors = Vec::new();
    for group in &scope.groups {
        // A node that was removed stays out, and others do not come in.
        for node in scope.nodes.iter().rev().take(2) {
            let beaten = store.heartbeat(group, &node.clone().into(), now).await;
            errors.push(beaten.err().map(|error| error.to_string()));
        }
    }
    for group in &scope.groups {
        // A node that is not the host may not renew, and gets the reason if there is no group.
        let other_node = NodeId::parse("nodeId", "other").unwrap();
        let renewed = store.renew(group, &other_node.clone().into(), now).await;
        errors.push(Some(renewed.unwrap_err().to_string()));
    }
    let listed = store.groups_in(&scope.domain, now).await.unwrap();
    let found = store.groups_named(&scope.prefix, 10, now).await.unwrap();
    Snapshot {
        scope,
        listed,
        found,
        groups,
        statuses,
        errors,
    }
}
