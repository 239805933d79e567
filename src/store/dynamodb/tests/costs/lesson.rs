//! The lesson in which each call is measured.

use std::time::Duration;

use super::{Class, GROUPS, PUPILS, VARIABLES, at, call, node, request, variable};
use crate::model::cursor::Since;
use crate::model::event::EventKind;
use crate::model::group::{Delivery, Group, GroupKey};
use crate::model::join_code::JoinCode;
use crate::model::limits::Limits;
use crate::store::Store as _;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::client::Settings;
use crate::store::dynamodb::tests::engine::engine;
use crate::store::dynamodb::tests::proxy::Proxy;
use crate::store::dynamodb::tests::{new_table, rules, server};

/// Forty members with ten variables each, in each of a WebSocket and a polling group.
async fn fill(class: &Class, groups: [&Group; 2]) {
    for (group, first) in groups.into_iter().zip([100, 200]) {
        for pupil in pupils(first) {
            let (store, key) = (&class.store, &group.key);
            store
                .join(key, &node(pupil).into(), Some(true), at(1))
                .await
                .unwrap();
        }
        // Each variable is written at a time of its own.
        for (n, millis) in (0..VARIABLES.len()).zip((0..).step_by(50)) {
            for (pupil, millis) in pupils(first).zip(millis..) {
                let (actor, at) = (node(pupil).into(), at(1).shifted(millis));
                let reported = class.store.report(&group.key, &actor, variable(n), at);
                reported.await.unwrap();
            }
        }
    }
}

fn pupils(first: usize) -> std::ops::Range<usize> {
    first..first + PUPILS as usize
}

/// A member fires as many events as it does in the event TTL with one a second.
async fn fire(store: &DynamoDb, group: &GroupKey, pupil: usize) {
    for n in 0..=10 {
        let call = call(group, pupil, EventKind::Fired, &n.to_string());
        store.append(call, at(2).shifted(n)).await.unwrap();
    }
}

pub async fn lesson() -> Class {
    let (settings, _) = new_table().await;
    let proxy = Proxy::measuring(&engine().endpoint).await;
    let settings = Settings {
        endpoint: Some(proxy.endpoint.clone()),
        poll_mark_interval: Duration::from_secs(20),
        cache_ttl: Duration::from_hours(1),
        ..settings
    };
    let mut class = Class {
        store: server(&settings, Limits::default()).await,
        proxy,
        costs: Vec::new(),
    };
    let polling = rules().delivery(false);
    // With its first group a server counts the groups in the table.
    class
        .store
        .host_group(request(9, polling), at(0))
        .await
        .unwrap();
    for host in 10..10 + GROUPS - 3 {
        class
            .store
            .host_group(request(host, polling), at(0))
            .await
            .unwrap();
    }
    let hosted = class
        .measure("createGroup", "new", async |s| {
            s.host_group(request(1, Delivery::WebSocket), at(0)).await
        })
        .await;
    let websocket = hosted.group;
    class
        .measure("createGroup", "repeated", async |s| {
            s.host_group(request(1, Delivery::WebSocket), at(0)).await
        })
        .await;
    let polling_group = class
        .store
        .host_group(request(2, polling), at(0))
        .await
        .unwrap()
        .group;
    fill(&class, [&websocket, &polling_group]).await;
    measure_in_groups(&mut class, &websocket.key, &polling_group.key).await;
    measure_groups(&mut class, &websocket).await;
    class
}

async fn measure_in_groups(class: &mut Class, websocket: &GroupKey, polling: &GroupKey) {
    class
        .measure("joinGroup", "first time", async |s| {
            s.join(websocket, &node(300).into(), None, at(2)).await
        })
        .await;
    class
        .measure("joinGroup", "again", async |s| {
            s.join(websocket, &node(300).into(), None, at(3)).await
        })
        .await;
    measure_reports(class, websocket).await;
    class
        .measure("fireEventsByNode", "WebSocket group", async |s| {
            s.append(call(websocket, 100, EventKind::Fired, "1"), at(4))
                .await
        })
        .await;
    class
        .measure("recordEventsByNode", "first of a group", async |s| {
            s.append(call(polling, 202, EventKind::Recorded, "1"), at(4))
                .await
        })
        .await;
    class
        .measure("fireEventsByNode", "polling group", async |s| {
            s.append(call(polling, 200, EventKind::Fired, "1"), at(4))
                .await
        })
        .await;
    class
        .measure("recordEventsByNode", "polling group", async |s| {
            s.append(call(polling, 201, EventKind::Recorded, "1"), at(4))
                .await
        })
        .await;
    class
        .measure(
            "pollGroupData",
            "with a write of the poll mark",
            async |s| {
                s.events_since(polling, Since::Polled(""), usize::MAX, at(5))
                    .await?;
                s.statuses(polling, at(5)).await
            },
        )
        .await;
    class
        .measure("pollGroupData", "40 nodes", async |s| {
            s.events_since(polling, Since::Polled(""), usize::MAX, at(6))
                .await?;
            s.statuses(polling, at(6)).await
        })
        .await;
    class
        .measure("getEventsSince", "", async |s| {
            s.events_since(polling, Since::Polled(""), usize::MAX, at(7))
                .await
        })
        .await;
    class.store.logs.forget(polling);
    class
        .measure("getEventsSince", "the same, log not known", async |s| {
            s.events_since(polling, Since::Polled(""), usize::MAX, at(7))
                .await
        })
        .await;
    class
        .measure("listGroupStatuses", "40 nodes", async |s| {
            s.statuses(websocket, at(7)).await
        })
        .await;
    class
        .measure("listNodesInGroup", "40 nodes", async |s| {
            s.members(websocket, at(7)).await
        })
        .await;
    class
        .measure("getNodeStatus", "", async |s| {
            s.status_of(&node(100), at(7)).await
        })
        .await;
    class
        .measure("sendMemberHeartbeat", "", async |s| {
            s.heartbeat(websocket, &node(100).into(), at(8)).await
        })
        .await;
    class.forget(websocket, 100);
    class
        .measure("sendMemberHeartbeat", "node not cached", async |s| {
            s.heartbeat(websocket, &node(100).into(), at(9)).await
        })
        .await;
}

async fn measure_reports(class: &mut Class, websocket: &GroupKey) {
    class
        .measure(
            "reportDataByNode",
            "first of a node that never joined",
            async |s| {
                s.report(websocket, &node(1).into(), variable(0), at(2))
                    .await
            },
        )
        .await;
    class
        .measure("reportDataByNode", "one variable of ten", async |s| {
            s.report(websocket, &node(100).into(), variable(0), at(3))
                .await
        })
        .await;
    fire(&class.store, websocket, 101).await;
    class
        .measure(
            "reportDataByNode",
            "the same of a node that fires an event a second",
            async |s| {
                s.report(websocket, &node(101).into(), variable(0), at(3))
                    .await
            },
        )
        .await;
    for (how, is_node_cached, is_group_cached) in [
        ("the same, group not cached", true, false),
        ("the same, node not cached", false, true),
        ("the same, neither cached", false, false),
    ] {
        if !is_node_cached {
            class.forget(websocket, 100);
        }
        if !is_group_cached {
            class.store.cache.invalidate(websocket);
        }
        class
            .measure("reportDataByNode", how, async |s| {
                s.report(websocket, &node(100).into(), variable(0), at(4))
                    .await
            })
            .await;
    }
}

async fn measure_codes(class: &mut Class, group: &Group) {
    let code = group.join_code.unwrap();
    class
        .measure("groupByJoinCode", "found", async |s| {
            s.group_by_code(code, at(10)).await
        })
        .await;
    // Of the few groups here, one has it once in a million runs.
    let other = JoinCode::random();
    class
        .measure("groupByJoinCode", "no group has it", async |s| {
            s.group_by_code(other, at(10)).await
        })
        .await;
}

async fn measure_groups(class: &mut Class, websocket: &Group) {
    let (key, host) = (&websocket.key, &websocket.host);
    class
        .measure("renewHeartbeat", "", async |s| {
            s.renew(key, &host.clone().into(), at(9)).await
        })
        .await;
    class
        .measure("leaveGroup", "", async |s| {
            s.leave(key, &node(300).into()).await
        })
        .await;
    class
        .measure("listGroupsByDomain", "10 groups", async |s| {
            s.groups_in(&key.domain, at(10)).await
        })
        .await;
    class
        .measure("searchGroupsByNamePrefix", "10 groups", async |s| {
            s.groups_named("000000", 10, at(10)).await
        })
        .await;
    measure_codes(class, websocket).await;
    class
        .measure(
            "(reaper)",
            "a run that also removes tombstones",
            async |s| s.reap(at(10)).await,
        )
        .await;
    class
        .measure("(reaper)", "a run, nothing due", async |s| {
            s.reap(at(11)).await
        })
        .await;
    class
        .measure("dissolveGroup", "40 members", async |s| {
            s.dissolve(key, &host.clone().into(), at(12)).await
        })
        .await;
    // The other hosts send no heartbeats; one group is left, whose watch is moved.
    class
        .store
        .host_group(request(3, Delivery::WebSocket), at(50))
        .await
        .unwrap();
    class.store.reap(at(105)).await.unwrap();
    let lone = class
        .store
        .host_group(request(3, Delivery::WebSocket), at(106))
        .await
        .unwrap()
        .group;
    class
        .store
        .renew(&lone.key, &lone.host.clone().into(), at(108))
        .await
        .unwrap();
    class
        .measure("(reaper)", "a watch to move", async |s| {
            s.reap(at(130)).await
        })
        .await;
    class.store.reap(at(168)).await.unwrap();
    class
        .measure("(reaper)", "an empty group that ended", async |s| {
            s.reap(at(190)).await
        })
        .await;
    class.store.reap(at(230)).await.unwrap();
    class
        .measure("(reaper)", "a tombstone to remove", async |s| {
            s.reap(at(300)).await
        })
        .await;
}
