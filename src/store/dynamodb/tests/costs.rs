//! What each call costs, measured, and written to docs/costs.md by
//! `MESH_WRITE_COSTS=1 cargo test --lib costs`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::engine::engine;
use super::proxy::{Measured, Proxy};
use super::{new_table, rules, server};
use crate::model::event::{Channel, EventCall, EventInput, Since};
use crate::model::group::{Delivery, Group, GroupKey};
use crate::model::ids::{Domain, GroupName, NodeId};
use crate::model::limits::Limits;
use crate::model::status::SensorData;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::client::Settings;
use crate::store::{CreateGroup, Result, Store};

/// The class that is measured.
const PUPILS: u32 = 40;
const VARIABLES: usize = 10;
const GROUPS: usize = 10;

/// US dollars for a million units, on demand, in ap-northeast-1 as of November 2024,
/// when AWS halved them; without taxes, storage and transfer. Look them up before you
/// count on them.
const WRITES_MILLION: f64 = 0.715;
const READS_MILLION: f64 = 0.1425;

/// Each sentence's moment; it moves on with every call.
fn at(second: u32) -> Timestamp {
    Timestamp::from_seconds(3_900_000_000).plus_seconds(second)
}

/// What one call used.
#[derive(Clone, Debug, Default, PartialEq)]
struct Cost {
    reads: usize,
    writes: usize,
    read_units: f64,
    write_units: f64,
}

impl Cost {
    fn of(measured: &[Measured]) -> Self {
        let mut cost = Self::default();
        for Measured { operation, units } in measured {
            if ["GetItem", "BatchGetItem", "Query"].contains(&operation.as_str()) {
                cost.reads += 1;
                cost.read_units += units;
            } else {
                cost.writes += 1;
                cost.write_units += units;
            }
        }
        cost
    }

    fn dollars(&self) -> f64 {
        (self.write_units * WRITES_MILLION + self.read_units * READS_MILLION) / 1e6
    }
}

struct Class {
    store: DynamoDb,
    proxy: Proxy,
    told: Vec<(&'static str, &'static str, Cost)>,
}

impl Class {
    async fn costs<T>(
        &mut self,
        what: &'static str,
        how: &'static str,
        call: impl AsyncFnOnce(&DynamoDb) -> Result<T>,
    ) -> T {
        self.proxy.measured();
        let answer = Box::pin(call(&self.store)).await.unwrap();
        self.told
            .push((what, how, Cost::of(&self.proxy.measured())));
        answer
    }

    fn cost(&self, what: &str, how: &str) -> &Cost {
        let found = self
            .told
            .iter()
            .find(|told| (told.0, told.1) == (what, how));
        &found.unwrap_or_else(|| panic!("{what}, {how}")).2
    }
}

fn node(n: usize) -> NodeId {
    NodeId::parse("nodeId", &format!("{n:032x}")).unwrap()
}

fn wish(host: usize, delivery: Delivery) -> CreateGroup {
    CreateGroup {
        domain: Domain::parse("domain", "0123456789abcdef").unwrap(),
        host: node(host),
        name: GroupName::parse("name", node(host).as_str()).unwrap(),
        delivery,
        lifetime: 300,
    }
}

fn data(n: usize) -> Vec<SensorData> {
    (0..n)
        .map(|n| SensorData {
            key: format!("変数{n}"),
            value: "12.5".into(),
        })
        .collect()
}

fn call(group: &GroupKey, from: usize, channel: Channel, key: &str) -> EventCall {
    let event = EventInput {
        name: "メッセージ1".into(),
        payload: Some(String::new()),
        fired_at: "2026-11-21T04:40:35.740Z".into(),
        order_key: Some(format!("20261121134035-{key:0>7}")),
    };
    EventCall {
        group: group.clone(),
        node: node(from),
        channel,
        events: vec![event].into(),
    }
}

/// Forty members with ten variables each, in each of a WebSocket and a polling group.
async fn fill(class: &Class, groups: [&Group; 2]) {
    for (group, first) in groups.into_iter().zip([100, 200]) {
        for pupil in first..first + PUPILS as usize {
            let (store, key) = (&class.store, &group.key);
            store
                .join(key, &node(pupil), Some(true), at(1))
                .await
                .unwrap();
            store
                .report(key, &node(pupil), data(VARIABLES), at(1))
                .await
                .unwrap();
        }
    }
}

async fn lesson() -> Class {
    let (settings, _) = new_table().await;
    let proxy = Proxy::measuring(&engine().endpoint).await;
    let settings = Settings {
        endpoint: Some(proxy.endpoint.clone()),
        note_polls_every: Duration::from_secs(20),
        remember_groups_for: Duration::from_hours(1),
        ..settings
    };
    let mut class = Class {
        store: server(&settings, Limits::default()).await,
        proxy,
        told: Vec::new(),
    };
    let polling = rules().delivery(false);
    // The first group of a server has it count the stage's groups.
    class
        .store
        .host_group(wish(9, polling), at(0))
        .await
        .unwrap();
    for host in 10..10 + GROUPS - 3 {
        class
            .store
            .host_group(wish(host, polling), at(0))
            .await
            .unwrap();
    }
    let made = class
        .costs("createGroup", "new", async |s| {
            s.host_group(wish(1, Delivery::WebSocket), at(0)).await
        })
        .await;
    let heard = made.group;
    class
        .costs("createGroup", "repeated", async |s| {
            s.host_group(wish(1, Delivery::WebSocket), at(0)).await
        })
        .await;
    let polled = class
        .store
        .host_group(wish(2, polling), at(0))
        .await
        .unwrap()
        .group;
    fill(&class, [&heard, &polled]).await;
    in_the_groups(&mut class, &heard.key, &polled.key).await;
    around(&mut class, &heard).await;
    class
}

async fn in_the_groups(class: &mut Class, heard: &GroupKey, polled: &GroupKey) {
    class
        .costs("joinGroup", "first time", async |s| {
            s.join(heard, &node(300), None, at(2)).await
        })
        .await;
    class
        .costs("joinGroup", "again", async |s| {
            s.join(heard, &node(300), None, at(3)).await
        })
        .await;
    class
        .costs(
            "reportDataByNode",
            "first of a node that never joined",
            async |s| s.report(heard, &node(1), data(VARIABLES), at(2)).await,
        )
        .await;
    class
        .costs("reportDataByNode", "one variable of ten", async |s| {
            s.report(heard, &node(100), data(1), at(3)).await
        })
        .await;
    class.store.memory.forget(heard);
    class
        .costs(
            "reportDataByNode",
            "the same, group not remembered",
            async |s| s.report(heard, &node(100), data(1), at(4)).await,
        )
        .await;
    class
        .costs("fireEventsByNode", "WebSocket group", async |s| {
            s.append(call(heard, 100, Channel::Fired, "1"), at(4)).await
        })
        .await;
    class
        .costs("fireEventsByNode", "polling group", async |s| {
            s.append(call(polled, 200, Channel::Fired, "1"), at(4))
                .await
        })
        .await;
    class
        .costs("recordEventsByNode", "polling group", async |s| {
            s.append(call(polled, 201, Channel::Recorded, "1"), at(4))
                .await
        })
        .await;
    class
        .costs(
            "pollGroupData",
            "with a note that somebody polls",
            async |s| {
                s.events_since(polled, Since::Polled(""), usize::MAX, at(5))
                    .await?;
                s.statuses(polled, at(5)).await
            },
        )
        .await;
    class
        .costs("pollGroupData", "40 nodes", async |s| {
            s.events_since(polled, Since::Polled(""), usize::MAX, at(6))
                .await?;
            s.statuses(polled, at(6)).await
        })
        .await;
    class
        .costs("getEventsSince", "", async |s| {
            s.events_since(polled, Since::Polled(""), usize::MAX, at(7))
                .await
        })
        .await;
    class
        .costs("listGroupStatuses", "40 nodes", async |s| {
            s.statuses(heard, at(7)).await
        })
        .await;
    class
        .costs("listNodesInGroup", "40 nodes", async |s| {
            s.members(heard, at(7)).await
        })
        .await;
    class
        .costs("getNodeStatus", "", async |s| {
            s.status_of(&node(100), at(7)).await
        })
        .await;
    class
        .costs("sendMemberHeartbeat", "", async |s| {
            s.beat(heard, &node(100), at(8)).await
        })
        .await;
}

async fn around(class: &mut Class, heard: &Group) {
    let (key, host) = (&heard.key, &heard.host);
    class
        .costs("renewHeartbeat", "", async |s| {
            s.renew(key, host, at(9)).await
        })
        .await;
    class
        .costs("leaveGroup", "", async |s| s.leave(key, &node(300)).await)
        .await;
    class
        .costs("listGroupsByDomain", "10 groups", async |s| {
            s.groups_in(&key.domain, at(10)).await
        })
        .await;
    class
        .costs("searchGroupsByNamePrefix", "10 groups", async |s| {
            s.groups_named("000000", 10, at(10)).await
        })
        .await;
    class
        .costs(
            "(reaper)",
            "a look for groups to forget as well",
            async |s| s.reap(at(10)).await,
        )
        .await;
    class
        .costs("(reaper)", "a look, nothing due", async |s| {
            s.reap(at(11)).await
        })
        .await;
    class
        .costs("dissolveGroup", "40 members", async |s| {
            s.dissolve(key, host, at(12)).await
        })
        .await;
    // The other hosts fall silent; one group is left, and watched on after a heartbeat.
    class
        .store
        .host_group(wish(3, Delivery::WebSocket), at(50))
        .await
        .unwrap();
    class.store.reap(at(105)).await.unwrap();
    let lone = class
        .store
        .host_group(wish(3, Delivery::WebSocket), at(106))
        .await
        .unwrap()
        .group;
    class
        .store
        .renew(&lone.key, &lone.host, at(108))
        .await
        .unwrap();
    class
        .costs("(reaper)", "a group to watch on", async |s| {
            s.reap(at(130)).await
        })
        .await;
    class.store.reap(at(168)).await.unwrap();
    class
        .costs("(reaper)", "an empty group that ended", async |s| {
            s.reap(at(190)).await
        })
        .await;
    class.store.reap(at(230)).await.unwrap();
    class
        .costs("(reaper)", "an ended group to forget", async |s| {
            s.reap(at(300)).await
        })
        .await;
}

fn rounded(units: f64) -> String {
    let text = format!("{units:.1}");
    text.trim_end_matches(".0").to_owned()
}

/// How often a pupil's program does something in a lesson of 45 minutes.
const LESSON_SECONDS: f64 = 45.0 * 60.0;

fn pupils_lesson(class: &Class, websocket: bool) -> Vec<(String, f64)> {
    let shared = f64::from(PUPILS);
    let times = |what: &str, how: &str, times: f64| {
        let label = if how.is_empty() {
            what.to_owned()
        } else {
            format!("{what} ({how})")
        };
        (label, class.cost(what, how).dollars() * times)
    };
    let mut lesson = vec![
        times("createGroup", "new", 1.0 / shared),
        times("joinGroup", "first time", 1.0),
        // The schedule of upstream's load goals: 15 updates a second in a class of 40.
        times(
            "reportDataByNode",
            "one variable of ten",
            LESSON_SECONDS * 15.0 / shared,
        ),
        times("sendMemberHeartbeat", "", LESSON_SECONDS / 120.0),
        times("renewHeartbeat", "", LESSON_SECONDS / 60.0 / shared),
        times(
            "(reaper)",
            "a group to watch on",
            LESSON_SECONDS / 150.0 / shared,
        ),
        times("leaveGroup", "", 1.0),
        times("dissolveGroup", "40 members", 1.0 / shared),
    ];
    // 2 events a second in a class.
    let events = LESSON_SECONDS * 2.0 / shared;
    if websocket {
        lesson.push(times("fireEventsByNode", "WebSocket group", events));
        lesson.push(times(
            "listGroupStatuses",
            "40 nodes",
            LESSON_SECONDS / 15.0,
        ));
    } else {
        lesson.push(times("recordEventsByNode", "polling group", events));
        lesson.push(times("pollGroupData", "40 nodes", LESSON_SECONDS / 2.0));
    }
    lesson
}

fn page(class: &Class) -> String {
    let mut page = String::from(include_str!("costs.head.md"));
    for (what, how, cost) in &class.told {
        let _ = writeln!(
            page,
            "| {what} | {how} | {} | {} | {} | {} | {:.2} |",
            cost.reads,
            rounded(cost.read_units),
            cost.writes,
            rounded(cost.write_units),
            cost.dollars() * 1e6,
        );
    }
    for (websocket, title) in [(true, "WebSocket"), (false, "polling")] {
        let lesson = pupils_lesson(class, websocket);
        let sum: f64 = lesson.iter().map(|(_, dollars)| dollars).sum();
        let _ = write!(
            page,
            "\n## A pupil's lesson in a {title} group\n\n| | US cents | share |\n|---|---:|---:|\n"
        );
        for (what, dollars) in &lesson {
            let _ = writeln!(
                page,
                "| {what} | {:.4} | {:.0} % |",
                dollars * 100.0,
                dollars / sum * 100.0
            );
        }
        let _ = writeln!(page, "| **together** | **{:.3}** | |", sum * 100.0);
        let _ = writeln!(
            page,
            "\nA class of {PUPILS}: {:.1} US cents.",
            sum * 100.0 * f64::from(PUPILS)
        );
    }
    let look = |how| class.cost("(reaper)", how).dollars();
    let (plain, both) = (
        look("a look, nothing due"),
        look("a look for groups to forget as well"),
    );
    let looks = (plain * 2.0 + (both - plain) / 30.0) * 86_400.0 * 30.0;
    let _ = write!(
        page,
        "\n## A server that nobody uses\n\nIts reaper looks twice a second for groups that end, and twice a minute for ended ones to forget: {looks:.2} US dollars a month.\n"
    );
    page
}

#[tokio::test]
async fn each_call_costs_what_docs_costs_md_says() {
    let class = tokio::task::LocalSet::new()
        .run_until(Box::pin(lesson()))
        .await;
    for (what, how, cost) in &class.told {
        if *what == "reportDataByNode" {
            assert!(
                cost.reads <= 1 && cost.writes <= 1,
                "{what} {how}: {cost:?}"
            );
        }
    }
    // Ten groups of half a kilobyte: no member of theirs was read.
    assert!(class.cost("listGroupsByDomain", "10 groups").read_units <= 2.0);
    let page = page(&class);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/costs.md");
    if std::env::var_os("MESH_WRITE_COSTS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &page).unwrap();
    }
    // Other engines round units in their own ways.
    if engine().name.starts_with("dynoxide") {
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            written == page,
            "write it anew: MESH_WRITE_COSTS=1 cargo test --lib costs"
        );
    }
}
