//! Reports and heartbeats of nodes whose last write was at the same server, and what other servers
//! changed since.

use std::pin::Pin;
use std::time::Duration;

use super::engine::engine;
use super::proxy::Proxy;
use super::{new_group, new_table, server};
use crate::model::authority::{Actor, TokenHash};
use crate::model::error::ClientError;
use crate::model::event::{EventCall, EventInput, EventKind};
use crate::model::group::Group;
use crate::model::ids::NodeId;
use crate::model::lesson::Control;
use crate::model::limits::Limits;
use crate::model::status::SensorData;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::client::Settings;
use crate::store::suite::class::client_error;
use crate::store::{CreateGroup, Result, Store};

/// So far in the future that no table's TTL interferes.
const NOW: Timestamp = Timestamp::from_seconds(3_900_000_000);

fn node(name: &str) -> NodeId {
    NodeId::parse("nodeId", name).unwrap()
}

/// Servers on one table, through a proxy that counts requests.
struct Servers {
    all: Vec<DynamoDb>,
    proxy: Proxy,
    group: Group,
}

impl Servers {
    async fn start(servers: usize, limits: Limits) -> Self {
        let (settings, _) = new_table().await;
        let proxy = Proxy::measuring(&engine().endpoint).await;
        let settings = Settings {
            endpoint: Some(proxy.endpoint.clone()),
            cache_ttl: Duration::from_hours(1),
            ..settings
        };
        let mut all = Vec::new();
        for _ in 0..servers {
            all.push(Box::pin(server(&settings, limits)).await);
        }
        let request = CreateGroup {
            token: TokenHash::parse("hostToken", Some("a token of the host")).unwrap(),
            ..new_group("teacher", "学校")
        };
        let group = all[0].host_group(request, NOW).await.unwrap().group;
        for server in &all {
            // Each caches the group.
            server.group_lives(&group.key, NOW).await.unwrap();
        }
        Self { all, proxy, group }
    }

    async fn joins(&self, at: usize, actor: &Actor) {
        let joined = self.all[at].join(&self.group.key, actor, None, NOW);
        joined.await.unwrap();
    }

    async fn reports(&self, at: usize, actor: &Actor, key: &str, second: u32) -> Result<()> {
        let (key, value) = (key.to_owned(), second.to_string());
        let data = vec![SensorData { key, value }];
        let at_second = NOW.plus_seconds(second);
        let reported = self.all[at].report(&self.group.key, actor, data, at_second);
        reported.await.map(drop)
    }

    async fn beats(&self, at: usize, actor: &Actor, second: u32) -> Result<()> {
        let beat = self.all[at].heartbeat(&self.group.key, actor, NOW.plus_seconds(second));
        beat.await.map(drop)
    }

    /// Variables and their values, by key.
    async fn variables(&self) -> Vec<(String, String)> {
        let statuses = self.all[0].statuses(&self.group.key, NOW).await.unwrap();
        let data = statuses.iter().flat_map(|status| status.data.iter());
        let mut variables: Vec<_> = data.map(|d| (d.key.clone(), d.value.clone())).collect();
        variables.sort();
        variables
    }

    /// The reads and writes since the last call.
    fn requests(&self) -> (usize, usize) {
        let measured = self.proxy.measured();
        let writes = measured.iter().filter(|measured| {
            ["PutItem", "UpdateItem", "TransactWriteItems"].contains(&measured.operation.as_str())
        });
        let writes = writes.count();
        (measured.len() - writes, writes)
    }
}

async fn run(test: Pin<Box<dyn Future<Output = ()>>>) {
    tokio::task::LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn reports_and_heartbeats_of_a_known_node_are_one_write_without_a_read() {
    run(Box::pin(async {
        let servers = Box::pin(Servers::start(1, Limits::default())).await;
        let kitten = node("kitten").into();
        servers.joins(0, &kitten).await;
        servers.requests();
        for (second, key) in (1..).zip(["x", "y", "z"]) {
            servers.reports(0, &kitten, key, second).await.unwrap();
            assert_eq!(servers.requests(), (0, 1));
        }
        servers.beats(0, &kitten, 4).await.unwrap();
        assert_eq!(servers.requests(), (0, 1));
        // In the same second it changes nothing, so the group is asked whether it knows the node.
        servers.beats(0, &kitten, 4).await.unwrap();
        assert_eq!(servers.requests(), (1, 0));
        servers.reports(0, &kitten, "x", 5).await.unwrap();
        servers.requests();
        let event = EventInput {
            name: "go".into(),
            payload: None,
            fired_at: "2026-11-21T04:40:35.740Z".into(),
            order_key: Some("1".into()),
        };
        let call = EventCall {
            token: None,
            group: servers.group.key.clone(),
            node: kitten.id.clone(),
            kind: EventKind::Fired,
            events: vec![event].into(),
        };
        let fired = servers.all[0].append(call, NOW.plus_seconds(6));
        fired.await.unwrap();
        servers.requests();
        servers.reports(0, &kitten, "y", 7).await.unwrap();
        assert_eq!(servers.requests(), (0, 1), "after an event too");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let expected = [pair("x", "5"), pair("y", "7"), pair("z", "3")];
        assert_eq!(servers.variables().await, expected);
    }))
    .await;
}

#[tokio::test]
async fn what_another_server_changed_counts_at_once() {
    run(Box::pin(async {
        let limits = Limits {
            keys_per_node: 2,
            ..Limits::default()
        };
        let servers = Box::pin(Servers::start(2, limits)).await;
        let [cat, dog, fox, hen] = ["cat", "dog", "fox", "hen"].map(|name| Actor::from(node(name)));
        for actor in [&cat, &dog, &fox, &hen] {
            servers.joins(0, actor).await;
            servers.reports(0, actor, "x", 1).await.unwrap();
        }
        // A variable that was reported there is kept.
        servers.reports(1, &cat, "y", 2).await.unwrap();
        servers.requests();
        servers.reports(0, &cat, "x", 3).await.unwrap();
        assert_eq!(
            servers.requests(),
            (1, 2),
            "a lost write, then as an unknown node"
        );
        let values = servers.variables().await;
        assert!(values.contains(&("y".into(), "2".into())), "{values:?}");
        // A node that was removed is refused.
        let host = Actor {
            token: servers.group.token,
            ..servers.group.host.clone().into()
        };
        let (one, key) = (&servers.all[1], &servers.group.key);
        let remove = Control::RemoveNode(dog.id.clone());
        one.control(key, &host, &remove, NOW).await.unwrap();
        let refused = [
            servers.reports(0, &dog, "x", 4).await,
            servers.beats(0, &dog, 4).await,
        ];
        for refused in refused {
            assert_eq!(client_error(refused), ClientError::Removed);
        }
        // A node that left and was made anew with a token obeys only with it.
        let token = TokenHash::parse("nodeToken", Some("a token of a kitten")).unwrap();
        let owner = Actor {
            token,
            ..fox.clone()
        };
        one.leave(key, &fox).await.unwrap();
        servers.joins(1, &owner).await;
        let refused = [
            servers.reports(0, &fox, "x", 5).await,
            servers.beats(0, &fox, 5).await,
        ];
        for refused in refused {
            assert_eq!(client_error(refused), ClientError::WrongToken("nodeToken"));
        }
        servers.reports(0, &owner, "x", 6).await.unwrap();
        // And the other way round: nothing is refused by what is cached.
        one.leave(key, &owner).await.unwrap();
        servers.joins(1, &fox).await;
        servers.reports(0, &fox, "x", 7).await.unwrap();
        // Variables that were cleared have room for others.
        servers.reports(0, &hen, "y", 8).await.unwrap();
        one.control(key, &host, &Control::ClearData, NOW)
            .await
            .unwrap();
        servers.reports(0, &hen, "z", 9).await.unwrap();
        let expected = ("z".to_owned(), "9".to_owned());
        assert_eq!(servers.variables().await, [expected]);
        servers.reports(0, &fox, "x", 9).await.unwrap();
        one.dissolve(key, &host, NOW).await.unwrap();
        for refused in [
            servers.reports(0, &hen, "z", 10).await,
            servers.beats(0, &fox, 10).await,
        ] {
            assert_eq!(client_error(refused).kind(), "GroupNotFound");
        }
    }))
    .await;
}

/// The figures of docs/costs.md: `cargo test --lib known_node_figures -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "measures for some seconds"]
async fn known_node_figures() {
    run(Box::pin(async {
        const REPORTS: usize = 400;
        for (servers, cached) in [(1, true), (1, false), (2, true), (16, true), (16, false)] {
            let mut servers = Box::pin(Servers::start(servers, Limits::default())).await;
            if !cached {
                let all = servers.all.into_iter();
                servers.all = all.map(DynamoDb::without_reaper).collect();
            }
            let pupils: Vec<Actor> = (0..10).map(|n| node(&format!("node{n}")).into()).collect();
            for pupil in &pupils {
                servers.joins(0, pupil).await;
            }
            servers.requests();
            for n in 0..REPORTS {
                let [byte, ..] = uuid::Uuid::new_v4().into_bytes();
                let at = usize::from(byte) % servers.all.len();
                let second = u32::try_from(n / 20).unwrap();
                let reported = servers.reports(at, &pupils[n % 10], "x", second);
                reported.await.unwrap();
            }
            let (reads, writes) = servers.requests();
            let all = f64::from(u32::try_from(REPORTS).unwrap());
            let each = |n: usize| f64::from(u32::try_from(n).unwrap()) / all;
            println!(
                "{} servers, cached {cached}: {:.2} reads, {:.2} writes a report",
                servers.all.len(),
                each(reads),
                each(writes)
            );
        }
    }))
    .await;
}
