//! Controls of a lesson at one of two servers on one table.

use std::time::Duration;

use futures_util::future::join_all;

use super::{new_group, new_table, server};
use crate::model::authority::{Actor, TokenHash};
use crate::model::error::ClientError;
use crate::model::group::Group;
use crate::model::ids::NodeId;
use crate::model::lesson::Control;
use crate::model::limits::Limits;
use crate::model::status::SensorData;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::suite::class::client_error;
use crate::store::{CreateGroup, Result, Store};

/// So far in the future that no table's TTL interferes.
const NOW: Timestamp = Timestamp::from_seconds(3_900_000_000);
/// How long the servers cache a group.
const CACHED: Duration = Duration::from_millis(1_500);

/// Two servers on a new table.
struct Pair([DynamoDb; 2]);

impl Pair {
    async fn start() -> Self {
        let (mut settings, _) = new_table().await;
        settings.cache_ttl = CACHED;
        Self([
            server(&settings, Limits::default()).await,
            server(&settings, Limits::default()).await,
        ])
    }

    async fn lesson(&self) -> Group {
        let request = CreateGroup {
            token: TokenHash::parse("hostToken", Some("a token of the host")).unwrap(),
            ..new_group("teacher", "学校")
        };
        self.0[0].host_group(request, NOW).await.unwrap().group
    }

    /// The host controls its group at the first server.
    async fn controls(&self, group: &Group, control: Control) {
        let host = Actor {
            token: group.token,
            ..group.host.clone().into()
        };
        let controlled = self.0[0].control(&group.key, &host, &control, NOW).await;
        controlled.unwrap();
    }

    async fn joins(&self, at: usize, group: &Group, name: &str) -> Result<()> {
        let node = node(name).into();
        let joined = self.0[at].join(&group.key, &node, None, NOW).await;
        joined.map(drop)
    }

    async fn reports(&self, at: usize, group: &Group, name: &str) -> Result<()> {
        let data = vec![SensorData {
            key: "k".into(),
            value: "v".into(),
        }];
        let node = node(name).into();
        let reported = self.0[at].report(&group.key, &node, data, NOW).await;
        reported.map(drop)
    }
}

fn node(name: &str) -> NodeId {
    NodeId::parse("nodeId", name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_follows_when_its_cached_record_is_too_old() {
    let pair = Pair::start().await;
    let group = pair.lesson().await;
    // Both servers cache the group.
    pair.joins(0, &group, "a").await.unwrap();
    pair.joins(1, &group, "b").await.unwrap();
    pair.controls(&group, Control::Lock(true)).await;
    pair.controls(&group, Control::Pause(60)).await;
    let paused = ClientError::Paused {
        retry_after_ms: 60_000,
    };
    let refused = pair.joins(0, &group, "c").await;
    assert_eq!(client_error(refused), ClientError::Locked, "here, at once");
    assert_eq!(client_error(pair.reports(0, &group, "a").await), paused);
    tokio::time::sleep(CACHED).await;
    let refused = pair.joins(1, &group, "c").await;
    assert_eq!(client_error(refused), ClientError::Locked);
    assert_eq!(client_error(pair.reports(1, &group, "b").await), paused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_node_is_refused_by_every_server_at_once() {
    let pair = Pair::start().await;
    let group = pair.lesson().await;
    pair.joins(1, &group, "a").await.unwrap();
    pair.reports(1, &group, "a").await.unwrap();
    pair.controls(&group, Control::RemoveNode(node("a"))).await;
    for at in [1, 0] {
        let reported = pair.reports(at, &group, "a").await;
        assert_eq!(client_error(reported), ClientError::Removed);
        let joined = pair.joins(at, &group, "a").await;
        assert_eq!(client_error(joined), ClientError::Removed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_reports_while_it_is_removed_is_gone_in_any_case() {
    let pair = Pair::start().await;
    let group = pair.lesson().await;
    let (pair, group) = (&pair, &group);
    let names: Vec<_> = (0..20).map(|n| format!("n{n}")).collect();
    for name in &names {
        pair.joins(1, group, name).await.unwrap();
    }
    let calls = names.iter().map(|name| async move {
        let remove = async {
            pair.controls(group, Control::RemoveNode(node(name))).await;
        };
        let report = async {
            for at in [0, 1, 0] {
                if let Err(error) = pair.reports(at, group, name).await {
                    assert_eq!(client_error::<()>(Err(error)), ClientError::Removed);
                }
            }
        };
        futures_util::future::join(remove, report).await;
    });
    join_all(calls).await;
    let statuses = pair.0[1].statuses(&group.key, NOW).await.unwrap();
    assert_eq!(statuses, []);
    assert_eq!(pair.0[1].members(&group.key, NOW).await.unwrap(), []);
    // Their bytes and places are free again.
    let many = (0..20).map(|n| async move {
        pair.joins(n % 2, group, &format!("later{n}"))
            .await
            .unwrap();
    });
    join_all(many).await;
    assert_eq!(pair.0[0].members(&group.key, NOW).await.unwrap().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_cleared_while_nodes_report_at_two_servers() {
    let pair = Pair::start().await;
    let group = pair.lesson().await;
    let (pair, group) = (&pair, &group);
    let names: Vec<_> = (0..20).map(|n| format!("n{n}")).collect();
    for name in &names {
        pair.joins(0, group, name).await.unwrap();
        pair.reports(0, group, name).await.unwrap();
    }
    let reports = join_all(names.iter().take(5).map(|name| async move {
        for at in 0..6 {
            pair.reports(at % 2, group, name).await.unwrap();
        }
    }));
    let clear = pair.controls(group, Control::ClearData);
    futures_util::future::join(clear, reports).await;
    let statuses = pair.0[1].statuses(&group.key, NOW).await.unwrap();
    assert!(statuses.len() <= 5, "{}", statuses.len());
    pair.controls(group, Control::ClearData).await;
    let statuses = pair.0[1].statuses(&group.key, NOW).await.unwrap();
    assert_eq!(statuses, []);
}
