//! The measured cost of each call, written to docs/costs.md by
//! `MESH_WRITE_COSTS=1 cargo test --lib costs`.

mod lesson;
mod page;

use std::path::Path;

use self::lesson::lesson;
use self::page::page;
use super::engine::engine;
use super::proxy::{Measured, Proxy};
use crate::model::event::{EventCall, EventInput, EventKind};
use crate::model::group::{Delivery, GroupKey};
use crate::model::ids::{Domain, GroupName, NodeId};
use crate::model::join_code::JoinCode;
use crate::model::status::SensorData;
use crate::model::time::Timestamp;
use crate::store::dynamodb::DynamoDb;
use crate::store::{CreateGroup, Result};

/// The measured class.
const PUPILS: u32 = 40;
const VARIABLES: usize = 10;
const GROUPS: usize = 10;

/// US dollars per million units, on demand, in ap-northeast-1 since AWS halved the prices in
/// November 2024; without taxes, storage and transfer. Check them before you rely on them.
const WRITES_MILLION: f64 = 0.715;
const READS_MILLION: f64 = 0.1425;

/// The time of a call.
fn at(second: u32) -> Timestamp {
    Timestamp::from_seconds(3_900_000_000).plus_seconds(second)
}

/// The units and requests of one call.
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
    costs: Vec<(&'static str, &'static str, Cost)>,
}

impl Class {
    async fn measure<T>(
        &mut self,
        what: &'static str,
        how: &'static str,
        call: impl AsyncFnOnce(&DynamoDb) -> Result<T>,
    ) -> T {
        self.proxy.measured();
        let value = Box::pin(call(&self.store)).await.unwrap();
        self.costs
            .push((what, how, Cost::of(&self.proxy.measured())));
        value
    }

    fn cost(&self, what: &str, how: &str) -> &Cost {
        let found = self
            .costs
            .iter()
            .find(|cost| (cost.0, cost.1) == (what, how));
        &found.unwrap_or_else(|| panic!("{what}, {how}")).2
    }
}

fn node(n: usize) -> NodeId {
    NodeId::parse("nodeId", &format!("{n:032x}")).unwrap()
}

fn request(host: usize, delivery: Delivery) -> CreateGroup {
    CreateGroup {
        token: None,
        domain: Domain::parse("domain", "0123456789abcdef").unwrap(),
        host: node(host),
        name: GroupName::parse("name", node(host).as_str()).unwrap(),
        delivery,
        lifetime: 300,
        origin: None,
        host_ttl: None,
        is_exempt: false,
        join_code: JoinCode::random(),
        name_is_join_code: false,
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
    for (what, how, cost) in &class.costs {
        if *what == "reportDataByNode" {
            assert!(
                cost.reads <= 1 && cost.writes <= 1,
                "{what} {how}: {cost:?}"
            );
        }
    }
    // Ten groups of half a kilobyte; no members were read.
    assert!(class.cost("listGroupsByDomain", "10 groups").read_units <= 2.0);
    let page = page(&class);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/costs.md");
    if std::env::var_os("MESH_WRITE_COSTS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &page).unwrap();
    }
    // Other engines round units differently.
    if engine().name.starts_with("dynoxide") {
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            written == page,
            "update it: MESH_WRITE_COSTS=1 cargo test --lib costs"
        );
    }
}
