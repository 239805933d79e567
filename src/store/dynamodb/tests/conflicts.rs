//! Two servers on one table.

use std::collections::HashSet;

use futures_util::future::join_all;

use super::{new_group, new_table, recorded, records, server};
use crate::model::group::{EndReason, Group};
use crate::model::ids::NodeId;
use crate::model::json_size;
use crate::model::limits::Limits;
use crate::model::status::SensorData;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::items::group::EndCause;
use crate::store::dynamodb::removal::end_steps;
use crate::store::{Error, Result, Store};

/// The time of every test: so far in the future that no table's TTL interferes.
const NOW: Timestamp = Timestamp::from_seconds(3_900_000_000);

fn node(name: &str) -> NodeId {
    NodeId::parse("nodeId", name).unwrap()
}

fn data(value: &str) -> Vec<SensorData> {
    vec![SensorData {
        key: "k".into(),
        value: value.into(),
    }]
}

/// Two servers on a new table.
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

    /// One of the two, alternating.
    fn either(&self, n: usize) -> &DynamoDb {
        &self.servers[n % 2]
    }

    async fn group(&self, host: &str) -> Group {
        let hosted = self.servers[0]
            .host_group(new_group(host, "学校"), NOW)
            .await
            .unwrap();
        assert!(hosted.created);
        hosted.group
    }

    async fn left(&self) -> usize {
        records(&self.client, &self.table).await.len()
    }
}

/// Whether the call succeeded. A conflict may only cause the error `GroupNotFound`.
#[track_caller]
fn succeeded<T>(result: Result<T>) -> bool {
    match result {
        Ok(_) => true,
        Err(Error::Refused(error)) => {
            assert_eq!(error.kind(), "GroupNotFound");
            false
        }
        Err(Error::Failed(failure)) => panic!("{failure:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_concurrent_creates_at_two_servers_make_one_group() {
    let pair = Pair::start().await;
    let requests = (0..100).map(|n| pair.either(n).host_group(new_group("teacher", "学校"), NOW));
    let hosted: Vec<_> = join_all(requests)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(hosted.iter().filter(|hosted| hosted.created).count(), 1);
    let groups: HashSet<_> = hosted.into_iter().map(|hosted| hosted.group.key).collect();
    assert_eq!(groups.len(), 1);
    let domain = new_group("teacher", "学校").domain;
    let listed = pair.servers[1].groups_in(&domain, NOW);
    assert_eq!(listed.await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_and_reports_at_one_server_and_a_dissolve_at_the_other_leave_no_record() {
    for run in 0..5 {
        let pair = Pair::start().await;
        let group = pair.group("teacher").await;
        let (pair, key, host) = (&pair, &group.key, &group.host);
        let nodes: Vec<_> = (0..30).map(|n| node(&format!("node{n}"))).collect();
        let calls = nodes.iter().enumerate().map(|(n, node)| async move {
            if n == 5 * run + 3 {
                pair.servers[1]
                    .dissolve(key, &host.clone().into(), NOW)
                    .await
                    .unwrap();
            }
            let store = pair.either(n);
            succeeded(
                store
                    .join(key, &node.clone().into(), Some(n % 3 == 0), NOW)
                    .await,
            );
            succeeded(
                store
                    .report(key, &node.clone().into(), data("1"), NOW)
                    .await,
            );
            succeeded(store.append(recorded(key, node.as_str(), "e"), NOW).await);
        });
        join_all(calls).await;
        for store in &pair.servers {
            assert_eq!(store.members(key, NOW).await.unwrap(), []);
            assert_eq!(store.statuses(key, NOW).await.unwrap(), []);
            assert!(!succeeded(
                store
                    .report(key, &nodes[0].clone().into(), data("late"), NOW)
                    .await
            ));
            assert!(!succeeded(
                store.heartbeat(key, &nodes[1].clone().into(), NOW).await
            ));
        }
        assert_eq!(pair.left().await, 0, "in run {run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn renews_at_one_server_and_a_dissolve_at_the_other_revive_nothing() {
    let pair = Pair::start().await;
    let group = pair.group("teacher").await;
    let (pair, key, host) = (&pair, &group.key, &group.host);
    let calls = (0..60).map(|n| async move {
        if n == 30 {
            pair.servers[1]
                .dissolve(key, &host.clone().into(), NOW)
                .await
                .unwrap();
        } else {
            succeeded(
                pair.either(n)
                    .renew(key, &host.clone().into(), NOW.plus_seconds(1))
                    .await,
            );
        }
    });
    join_all(calls).await;
    assert_eq!(pair.left().await, 0);
    assert!(!succeeded(
        pair.servers[0].renew(key, &host.clone().into(), NOW).await
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_concurrent_dissolves_one_succeeds() {
    let pair = Pair::start().await;
    let group = pair.group("teacher").await;
    let host = group.host.clone().into();
    let dissolves = pair
        .servers
        .iter()
        .map(|store| store.dissolve(&group.key, &host, NOW));
    let succeeded = join_all(dissolves).await.into_iter().flatten();
    assert_eq!(succeeded.count(), 1);
    assert_eq!(pair.left().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_reported_by_one_of_the_servers() {
    let pair = Pair::start().await;
    let groups = join_all((0..20).map(|n| {
        let pair = &pair;
        async move { pair.group(&format!("teacher{n}")).await }
    }))
    .await;
    let later = NOW.plus_seconds(61);
    let reaps = (0..8).map(|n| pair.either(n).reap(later));
    let ended = join_all(reaps).await;
    let ended: Vec<_> = ended.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(ended.len(), groups.len());
    // Each has a tombstone and the record of its expiry.
    assert_eq!(pair.left().await, 2 * groups.len());
    let much_later = later.plus_seconds(1_000);
    assert_eq!(pair.servers[0].reap(much_later).await.unwrap(), []);
    assert_eq!(pair.left().await, 0);
}

/// Between the mark and the tombstone, requests get the same errors as before and after.
#[tokio::test(flavor = "multi_thread")]
async fn requests_to_a_group_that_is_being_removed_get_the_reason() {
    let pair = Pair::start().await;
    let group = pair.group("teacher").await;
    let [one, other] = &pair.servers;
    let (key, later) = (&group.key, NOW.plus_seconds(61));
    let refused = async |now| {
        let joined = other.join(key, &node("kitten").into(), None, now).await;
        let dissolved = other.dissolve(key, &group.host.clone().into(), now).await;
        [joined.map(drop), dissolved].map(|result| result.unwrap_err().to_string())
    };
    let expected = [
        format!("Group not found: {key} (heartbeat expired)"),
        format!("Group not found: {key}"),
    ];
    assert_eq!(refused(later).await, expected);
    let record = one.group_record("test", key).await.unwrap().unwrap();
    let steps = end_steps(
        &record,
        EndCause::Ended(EndReason::HostSilent),
        false,
        later,
    );
    one.table.write("test", steps).await.unwrap();
    assert_eq!(refused(later).await, expected);
    let much_later = later.plus_seconds(20);
    let reaped = other.reap(much_later).await.unwrap();
    assert_eq!(
        reaped.len(),
        1,
        "the dissolve does not suppress the report of the end"
    );
    assert_eq!(refused(much_later).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_two_groups_at_once_is_in_one() {
    let pair = Pair::start().await;
    let (a, b) = (pair.group("a").await.key, pair.group("b").await.key);
    let kitten = node("kitten").into();
    let joins = (0..20).map(|n| {
        let group = if n % 3 == 0 { &a } else { &b };
        pair.either(n).join(group, &kitten, None, NOW)
    });
    assert!(join_all(joins).await.into_iter().all(succeeded));
    let mut members = pair.servers[0].members(&a, NOW).await.unwrap();
    members.extend(pair.servers[1].members(&b, NOW).await.unwrap());
    assert_eq!(members.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_reports_of_one_node_at_two_servers_lose_no_variable() {
    let pair = Pair::start().await;
    let group = pair.group("teacher").await.key;
    let kitten = node("kitten").into();
    let reports = (0..30).map(|n| {
        let own = vec![SensorData {
            key: format!("k{n}"),
            value: "1".into(),
        }];
        pair.either(n).report(&group, &kitten, own, NOW)
    });
    assert!(join_all(reports).await.into_iter().all(succeeded));
    let statuses = pair.servers[0].statuses(&group, NOW).await.unwrap();
    assert_eq!(
        statuses
            .iter()
            .map(|status| status.data.len())
            .sum::<usize>(),
        30
    );
}

/// All servers reserve in the same head, so their sum stays within the limit.
#[tokio::test(flavor = "multi_thread")]
async fn reports_at_two_servers_never_exceed_the_limit_of_a_groups_variables() {
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
    for n in 0..40_usize {
        let kitten = node(&format!("node{n}"));
        pair.either(n)
            .join(group, &kitten.clone().into(), None, NOW)
            .await
            .unwrap();
    }
    let large = "x".repeat(900);
    let reports = (0..40_usize).map(|n| {
        let (kitten, data) = (node(&format!("node{n}")), data(&large));
        async move {
            let reported = pair
                .either(n)
                .report(group, &kitten.clone().into(), data, NOW)
                .await;
            if let Err(Error::Refused(error)) = &reported {
                assert_eq!(error.kind(), "LimitExceeded");
            }
            reported.is_ok()
        }
    });
    let accepted = join_all(reports)
        .await
        .into_iter()
        .filter(|accepted| *accepted);
    let statuses = pair.servers[0].statuses(group, NOW).await.unwrap();
    assert_eq!(statuses.len(), accepted.count());
    let bytes = statuses.iter().map(|status| {
        let data = status.data.iter().map(json_size::variable).sum::<usize>();
        json_size::row(group, &status.node) + data
    });
    let bytes: usize = bytes.sum();
    assert!((10_000..=20_000).contains(&bytes), "{bytes}");
}
