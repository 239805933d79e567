//! Two servers on one table.

use std::collections::HashSet;

use futures_util::future::join_all;

use super::{new_table, records, server};
use crate::model::event::{Channel, Event, EventCall, EventInput, Since};
use crate::model::group::{Delivery, EndReason, Group, GroupKey};
use crate::model::ids::{Domain, GroupName, NodeId};
use crate::model::limits::Limits;
use crate::model::rendered;
use crate::model::status::SensorData;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::groups::mark;
use crate::store::dynamodb::items::group::Why;
use crate::store::{CreateGroup, Error, Result, Store};

/// The moment of every test: so far ahead that no table's own expiry meddles.
const NOW: Timestamp = Timestamp::from_seconds(3_900_000_000);

fn node(name: &str) -> NodeId {
    NodeId::parse("nodeId", name).unwrap()
}

fn wish(host: &str) -> CreateGroup {
    CreateGroup {
        domain: Domain::parse("domain", "学校").unwrap(),
        host: node(host),
        name: GroupName::parse("name", "ねこ").unwrap(),
        delivery: Delivery::WebSocket,
        lifetime: 300,
    }
}

fn data(value: &str) -> Vec<SensorData> {
    vec![SensorData {
        key: "k".into(),
        value: value.into(),
    }]
}

fn recorded(group: &GroupKey, from: &str, name: &str) -> EventCall {
    let event = EventInput {
        name: name.into(),
        payload: None,
        fired_at: "2026-11-21T04:40:35.740Z".into(),
        order_key: Some(name.into()),
    };
    EventCall {
        group: group.clone(),
        node: node(from),
        channel: Channel::Recorded,
        events: vec![event].into(),
    }
}

/// Two servers on a new table, and what they leave in it.
struct Pair {
    servers: [DynamoDb; 2],
    client: aws_sdk_dynamodb::Client,
    table: String,
}

impl Pair {
    async fn start() -> Self {
        let (settings, client) = new_table().await;
        let servers = [
            server(&settings, Limits::default()).await,
            server(&settings, Limits::default()).await,
        ];
        Self {
            servers,
            client,
            table: settings.table,
        }
    }

    /// One of the two, by turns.
    fn either(&self, turn: usize) -> &DynamoDb {
        &self.servers[turn % 2]
    }

    async fn group(&self, host: &str) -> Group {
        let hosted = self.servers[0].host_group(wish(host), NOW).await.unwrap();
        assert!(hosted.created);
        hosted.group
    }

    async fn left(&self) -> usize {
        records(&self.client, &self.table).await.len()
    }
}

/// Whether it was done; the only refusal that a race may bring is `GroupNotFound`.
#[track_caller]
fn done<T>(answer: Result<T>) -> bool {
    match answer {
        Ok(_) => true,
        Err(Error::Refused(refusal)) => {
            assert_eq!(refusal.kind(), "GroupNotFound");
            false
        }
        Err(Error::Failed(failure)) => panic!("{failure:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_simultaneous_wishes_at_two_servers_make_one_group() {
    let pair = Pair::start().await;
    let wishes = (0..100).map(|n| pair.either(n).host_group(wish("teacher"), NOW));
    let hosted: Vec<_> = join_all(wishes)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(hosted.iter().filter(|hosted| hosted.created).count(), 1);
    let groups: HashSet<_> = hosted.into_iter().map(|hosted| hosted.group.key).collect();
    assert_eq!(groups.len(), 1);
    let domain = wish("teacher").domain;
    let listed = pair.servers[1].groups_in(&domain, NOW);
    assert_eq!(listed.await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_and_reports_at_one_server_against_a_dissolve_at_the_other_leave_no_record() {
    for round in 0..5 {
        let pair = Pair::start().await;
        let group = pair.group("teacher").await;
        let (pair, key, host) = (&pair, &group.key, &group.host);
        let nodes: Vec<_> = (0..30).map(|n| node(&format!("node{n}"))).collect();
        let acts = nodes.iter().enumerate().map(|(n, node)| async move {
            if n == 5 * round + 3 {
                pair.servers[1].dissolve(key, host, NOW).await.unwrap();
            }
            let store = pair.either(n);
            done(store.join(key, node, Some(n % 3 == 0), NOW).await);
            done(store.report(key, node, data("1"), NOW).await);
            done(store.append(recorded(key, node.as_str(), "e"), NOW).await);
        });
        join_all(acts).await;
        for store in &pair.servers {
            assert_eq!(store.members(key, NOW).await.unwrap(), []);
            assert_eq!(store.statuses(key, NOW).await.unwrap(), []);
            assert!(!done(store.report(key, &nodes[0], data("late"), NOW).await));
            assert!(!done(store.beat(key, &nodes[1], NOW).await));
        }
        assert_eq!(pair.left().await, 0, "in round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renews_at_one_server_against_a_dissolve_at_the_other_revive_nothing() {
    let pair = Pair::start().await;
    let group = pair.group("teacher").await;
    let (pair, key, host) = (&pair, &group.key, &group.host);
    let acts = (0..60).map(|n| async move {
        if n == 30 {
            pair.servers[1].dissolve(key, host, NOW).await.unwrap();
        } else {
            done(pair.either(n).renew(key, host, NOW.plus_seconds(1)).await);
        }
    });
    join_all(acts).await;
    assert_eq!(pair.left().await, 0);
    assert!(!done(pair.servers[0].renew(key, host, NOW).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_dissolve_at_once_one_has_done_it() {
    let pair = Pair::start().await;
    let group = pair.group("teacher").await;
    let dissolves = pair
        .servers
        .iter()
        .map(|store| store.dissolve(&group.key, &group.host, NOW));
    let done = join_all(dissolves).await.into_iter().flatten();
    assert_eq!(done.count(), 1);
    assert_eq!(pair.left().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_told_by_one_of_the_servers_that_look() {
    let pair = Pair::start().await;
    let groups = join_all((0..20).map(|n| {
        let pair = &pair;
        async move { pair.group(&format!("teacher{n}")).await }
    }))
    .await;
    let later = NOW.plus_seconds(61);
    let reaps = (0..8).map(|n| pair.either(n).reap(later));
    let told = join_all(reaps).await;
    let told: Vec<_> = told.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(told.len(), groups.len());
    // Each is remembered for a while: in its record's place, and by when to forget it.
    assert_eq!(pair.left().await, 2 * groups.len());
    let much_later = later.plus_seconds(1_000);
    assert_eq!(pair.servers[0].reap(much_later).await.unwrap(), []);
    assert_eq!(pair.left().await, 0);
}

/// The moment between the mark and the tombstone is told like those before and after.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_just_being_removed_is_refused_with_its_reason() {
    let pair = Pair::start().await;
    let group = pair.group("teacher").await;
    let [one, other] = &pair.servers;
    let (key, later) = (&group.key, NOW.plus_seconds(61));
    let refused = async |now| {
        let joined = other.join(key, &node("kitten"), None, now).await;
        let dissolved = other.dissolve(key, &group.host, now).await;
        [joined.map(drop), dissolved].map(|answer| answer.unwrap_err().to_string())
    };
    let told = [
        format!("Group not found: {key} (heartbeat expired)"),
        format!("Group not found: {key}"),
    ];
    assert_eq!(refused(later).await, told);
    let standing = one.standing("test", key).await.unwrap().unwrap();
    let steps = mark(&standing, Why::By(EndReason::HostSilent), false, later);
    one.table.write("test", steps).await.unwrap();
    assert_eq!(refused(later).await, told);
    let much_later = later.plus_seconds(20);
    let reaped = other.reap(much_later).await.unwrap();
    assert_eq!(reaped.len(), 1, "whoever dissolves swallows no end");
    assert_eq!(refused(much_later).await, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_two_groups_at_once_is_in_one() {
    let pair = Pair::start().await;
    let (a, b) = (pair.group("a").await.key, pair.group("b").await.key);
    let kitten = node("kitten");
    let joins = (0..20).map(|n| {
        let group = if n % 3 == 0 { &a } else { &b };
        pair.either(n).join(group, &kitten, None, NOW)
    });
    assert!(join_all(joins).await.into_iter().all(done));
    let mut members = pair.servers[0].members(&a, NOW).await.unwrap();
    members.extend(pair.servers[1].members(&b, NOW).await.unwrap());
    assert_eq!(members.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_reports_of_one_node_at_two_servers_lose_no_variable() {
    let pair = Pair::start().await;
    let group = pair.group("teacher").await.key;
    let kitten = node("kitten");
    let reports = (0..30).map(|n| {
        let own = vec![SensorData {
            key: format!("k{n}"),
            value: "1".into(),
        }];
        pair.either(n).report(&group, &kitten, own, NOW)
    });
    assert!(join_all(reports).await.into_iter().all(done));
    let told = pair.servers[0].statuses(&group, NOW).await.unwrap();
    assert_eq!(
        told.iter().map(|status| status.data.len()).sum::<usize>(),
        30
    );
}

/// Each server reserves in the same room, so what they take together keeps within the bound.
#[tokio::test(flavor = "multi_thread")]
async fn reports_at_two_servers_never_pass_the_bound_on_a_groups_variables() {
    let (settings, client) = new_table().await;
    let limits = Limits {
        status_bytes_per_group: 20_000,
        ..Limits::default()
    };
    let pair = Pair {
        servers: [
            server(&settings, limits).await,
            server(&settings, limits).await,
        ],
        client,
        table: settings.table,
    };
    let group = pair.group("teacher").await.key;
    let (pair, group) = (&pair, &group);
    let large = "x".repeat(900);
    let reports = (0..40_usize).map(|n| {
        let (kitten, data) = (node(&format!("node{n}")), data(&large));
        async move {
            let reported = pair.either(n).report(group, &kitten, data, NOW).await;
            if let Err(Error::Refused(refusal)) = &reported {
                assert_eq!(refusal.kind(), "LimitExceeded");
            }
            reported.is_ok()
        }
    });
    let taken = join_all(reports).await.into_iter().filter(|taken| *taken);
    let told = pair.servers[0].statuses(group, NOW).await.unwrap();
    assert_eq!(told.len(), taken.count());
    let bytes = told.iter().map(|status| {
        let data = status.data.iter().map(rendered::datum).sum::<usize>();
        rendered::row(group, &status.node) + data
    });
    let bytes: usize = bytes.sum();
    assert!((10_000..=20_000).contains(&bytes), "{bytes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_pages_through_what_two_servers_take_and_misses_nothing() {
    let pair = Pair::start().await;
    let group = pair.group("teacher").await.key;
    let (pair, group) = (&pair, &group);
    let calls = (0..120_usize).map(|n| async move {
        let call = recorded(group, &format!("node{}", n % 7), &format!("e{n}"));
        // The servers' clocks are not the same.
        let now = Timestamp::from_millis(NOW.millis() + i64::from(n % 2 == 1) * 400);
        pair.either(n).append(call, now).await.unwrap();
    });
    let read = async {
        let (mut all, mut since): (Vec<Event>, String) = (Vec::new(), String::new());
        while all.len() < 120 {
            let page = pair.servers[1].events_since(
                group,
                Since::Exactly(&since),
                usize::MAX,
                NOW.plus_seconds(1),
            );
            all.extend(page.await.unwrap());
            if let Some(last) = all.last().and_then(|event| event.cursor) {
                since = last.to_string();
            }
        }
        all
    };
    let (read, _) = futures_util::future::join(read, join_all(calls)).await;
    let names: HashSet<_> = read.iter().map(|event| &event.name).collect();
    assert_eq!((read.len(), names.len()), (120, 120));
    assert!(read.is_sorted_by_key(|event| event.cursor));
}
