//! The store on a real DynamoDB API: the contract, races between servers, faults on the
//! way, agreement with the embedded store, and what each call costs.

mod agreement;
mod costs;
mod ended;
mod engine;
mod faults;
mod proxy;
mod races;
mod tables;

use std::time::Duration;

use aws_sdk_dynamodb::Client;

use super::client::{self, Settings};
use super::items::keys::Key;
use super::{DynamoDb, table};
use crate::heartbeat::rules::{Rules, Timings};
use crate::model::limits::Limits;
use crate::store::suite;
use engine::engine;

fn rules() -> Rules {
    Rules::new(Timings::STG).unwrap()
}

/// Settings for a table that nobody else uses.
fn settings() -> Settings {
    let name = format!("MeshV2Table-test-{}", uuid::Uuid::new_v4().simple());
    let settings = Settings {
        endpoint: Some(engine().endpoint.clone()),
        // Some tests count fired events by the minute's last poll.
        note_polls_every: Duration::ZERO,
        // The machine may be busy with other tests.
        attempt_timeout: Duration::from_mins(1),
        request_timeout: Duration::from_mins(2),
        ..Settings::new(name)
    };
    // Moto looks at conditions and writes in two steps that requests can come between,
    // and copies its tables for each transaction: it is asked one thing at a time.
    match std::env::var_os("DYNAMODB_ONE_AT_A_TIME") {
        None => settings,
        Some(_) => Settings {
            connections: 1,
            ..settings
        },
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

#[tokio::test(flavor = "multi_thread")]
async fn the_store_keeps_the_contract() {
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
