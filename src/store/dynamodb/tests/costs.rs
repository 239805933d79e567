//! The measured units of each call. `MESH_WRITE_COSTS=1 cargo test -p mesh-v2 --lib costs` writes them to
//! `crates/mesh-costs/units.json`, of which `mesh-v2 costs` computes, and docs/costs.md from them.

mod lesson;

use std::path::Path;

use mesh_costs::{CallUnits, Units};

use self::lesson::lesson;
use super::engine::engine;
use super::new_group;
use super::proxy::{Measured, Proxy};
use crate::model::event::{EventCall, EventInput, EventKind};
use crate::model::group::{Delivery, GroupKey};
use crate::model::ids::{GroupName, NodeId};
use crate::model::status::SensorData;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::items::keys::Key;
use crate::store::{CreateGroup, Result};

/// The measured class.
const PUPILS: u32 = 40;
const GROUPS: usize = 10;

/// The time of a call.
fn at(second: u32) -> Timestamp {
    Timestamp::from_seconds(3_900_000_000).plus_seconds(second)
}

/// The units and requests of one call.
fn cost(call: &str, how: &str, measured: &[Measured]) -> CallUnits {
    let mut cost = CallUnits {
        call: call.to_owned(),
        how: how.to_owned(),
        ..CallUnits::default()
    };
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

struct Class {
    store: DynamoDb,
    proxy: Proxy,
    costs: Vec<CallUnits>,
}

impl Class {
    /// Drops the cached record of a node.
    fn forget(&self, group: &GroupKey, pupil: usize) {
        self.store.table.take_node(&Key::node(group, &node(pupil)));
    }

    async fn measure<T>(
        &mut self,
        what: &'static str,
        how: &'static str,
        call: impl AsyncFnOnce(&DynamoDb) -> Result<T>,
    ) -> T {
        self.proxy.measured();
        let value = Box::pin(call(&self.store)).await.unwrap();
        self.costs.push(cost(what, how, &self.proxy.measured()));
        value
    }
}

fn node(n: usize) -> NodeId {
    NodeId::parse("nodeId", &format!("{n:032x}")).unwrap()
}

fn request(host: usize, delivery: Delivery) -> CreateGroup {
    CreateGroup {
        name: GroupName::parse("name", node(host).as_str()).unwrap(),
        delivery,
        ..new_group(node(host).as_str(), "0123456789abcdef")
    }
}

/// Variables as children name them, with values as a game has them.
const VARIABLES: [(&str, &str); 10] = [
    ("スコア", "1280"),
    ("x座標", "-123.45678901234567"),
    ("y座標", "98.76543210987654"),
    ("向き", "90"),
    ("残り時間", "59.966"),
    ("コスチューム番号", "3"),
    ("プレイヤーの名前", "さくら"),
    ("ゲームの状態", "プレイ中"),
    ("敵の数", "12"),
    ("my variable", "true"),
];

/// One of the variables: clients report each when it changes.
fn variable(n: usize) -> Vec<SensorData> {
    let (key, value) = VARIABLES[n];
    let (key, value) = (key.into(), value.into());
    vec![SensorData { key, value }]
}

fn call(group: &GroupKey, from: usize, kind: EventKind, key: &str) -> EventCall {
    let event = EventInput {
        name: "メッセージ1".into(),
        payload: Some(String::new()),
        fired_at: "2026-11-21T04:40:35.740Z".into(),
        order_key: Some(format!("20261121134035-{key:0>7}")),
    };
    EventCall {
        token: None,
        group: group.clone(),
        node: node(from),
        kind,
        events: vec![event].into(),
    }
}

#[tokio::test]
async fn docs_costs_md_is_up_to_date() {
    let class = tokio::task::LocalSet::new()
        .run_until(Box::pin(lesson()))
        .await;
    let before = Units::measured();
    let units = Units {
        pupils: PUPILS,
        calls: class.costs,
        ..before.clone()
    };
    for row in &units.calls {
        if row.call == "reportDataByNode" && !row.how.starts_with("first") {
            // A node whose last write was at this server needs no read.
            let reads = usize::from(row.how.contains("not cached") || row.how.contains("neither"));
            assert!(row.reads == reads && row.write_units <= 1.0, "{row:?}");
        }
    }
    // Ten groups of half a kilobyte; no members were read.
    assert!(units.of("listGroupsByDomain", "10 groups").read_units <= 2.0);
    if std::env::var_os("MESH_WRITE_COSTS").is_some() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = serde_json::to_string_pretty(&units).unwrap() + "\n";
        std::fs::write(root.join("crates/mesh-costs/units.json"), text).unwrap();
        std::fs::write(root.join("docs/costs.md"), mesh_costs::page(&units)).unwrap();
    } else if engine().name.starts_with("dynoxide") {
        // Other engines round units differently.
        assert!(
            units == before,
            "update it: MESH_WRITE_COSTS=1 cargo test -p mesh-v2 --lib costs"
        );
    }
}
