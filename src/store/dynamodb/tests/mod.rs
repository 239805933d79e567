//! Tests on a real DynamoDB API: the suite, conflicts between servers, network and table faults,
//! agreement with the embedded store, and the cost of each call.

mod agreement;
mod conflicts;
mod contention;
mod controls;
mod costs;
mod dead_groups;
mod engine;
mod faults;
mod known_nodes;
mod log;
mod proxy;
mod reaping;
mod tables;
mod tombstones;

use std::time::Duration;

use aws_sdk_dynamodb::Client;

use super::client::{self, Settings};
use super::items::keys::Key;
use super::{DynamoDb, table};
use crate::model::event::{EventCall, EventInput, EventKind};
use crate::model::group::{Delivery, GroupKey};
use crate::model::ids::{Domain, GroupName, NodeId};
use crate::model::join_code::JoinCode;
use crate::model::limits::Limits;
use crate::model::rules::{Rules, Timings};
use crate::store::{CreateGroup, suite};
use engine::engine;

fn rules() -> Rules {
    Rules::new(Timings::STG).unwrap()
}

/// Settings for a new table.
fn settings() -> Settings {
    let name = format!("MeshV2Table-test-{}", uuid::Uuid::new_v4().simple());
    Settings {
        endpoint: Some(engine().endpoint.clone()),
        // Some tests depend on the time of the last poll.
        poll_mark_interval: Duration::ZERO,
        // The machine may be busy with other tests.
        attempt_timeout: Duration::from_mins(1),
        request_timeout: Duration::from_mins(2),
        ..Settings::new(name)
    }
}

/// A new table.
async fn new_table() -> (Settings, Client) {
    let settings = settings();
    let client = client::client(&settings).await;
    table::create(&client, &settings.table, "test", "Tests")
        .await
        .unwrap();
    (settings, client)
}

/// A server on a table.
async fn server(settings: &Settings, limits: Limits) -> DynamoDb {
    DynamoDb::connect(settings.clone(), rules(), limits).await
}

/// What creates a group on WebSockets.
fn new_group(host: &str, domain: &str) -> CreateGroup {
    CreateGroup {
        token: None,
        domain: Domain::parse("domain", domain).unwrap(),
        host: NodeId::parse("hostId", host).unwrap(),
        name: GroupName::parse("name", "ねこ").unwrap(),
        delivery: Delivery::WebSocket,
        lifetime: 300,
        origin: None,
        host_ttl: None,
        is_exempt: false,
        join_code: JoinCode::random(),
        name_is_join_code: false,
    }
}

/// A recorded event that has its name as order key.
fn recorded(group: &GroupKey, from: &str, name: &str) -> EventCall {
    let event = EventInput {
        name: name.into(),
        payload: None,
        fired_at: "2026-11-21T04:40:35.740Z".into(),
        order_key: Some(name.into()),
    };
    EventCall {
        token: None,
        group: group.clone(),
        node: NodeId::parse("nodeId", from).unwrap(),
        kind: EventKind::Recorded,
        events: vec![event].into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_passes_the_suite() {
    suite::run(|| async {
        let (settings, _) = new_table().await;
        server(&settings, suite::LIMITS).await
    })
    .await;
}

/// The keys of all records of a table.
async fn records(client: &Client, table: &str) -> Vec<Key> {
    let pages = client.scan().table_name(table).consistent_read(true);
    let items = pages.into_paginator().items().send();
    let items: Vec<_> = items.try_collect().await.unwrap();
    items.iter().filter_map(Key::of).collect()
}
