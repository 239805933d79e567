//! The stores of the servers that cases start.

use std::sync::Arc;
#[cfg(feature = "dynamodb")]
use std::time::Duration;

use mesh_v2::memory::Memory;
use mesh_v2::model::limits::Limits;
use mesh_v2::model::rules::Rules;
#[cfg(feature = "dynamodb")]
use mesh_v2::store::dynamodb::{DynamoDb, client, table};
use mesh_v2::store::embedded::{Durability, Embedded};
use mesh_v2::store::{Publisher, Store};
use tempfile::TempDir;

#[cfg(feature = "dynamodb")]
use super::mesh::unique;
use crate::harness::case;
use crate::harness::deployment::Kind;

/// A new store of the chosen kind.
pub async fn store(
    rules: Rules,
    limits: Limits,
    publisher: Arc<dyn Publisher>,
) -> (Arc<dyn Store>, Option<TempDir>) {
    let memory = Memory::unlimited();
    match case::current().deployment.kind {
        Kind::Memory => {
            let store = Embedded::in_memory_within(memory, publisher, rules, limits);
            (Arc::new(store), None)
        }
        Kind::Embedded => {
            let folder = tempfile::tempdir().expect("a folder for the store");
            let (durability, path) = (Durability::EverySecond, folder.path());
            let store = Embedded::open_within(memory, publisher, path, durability, rules, limits);
            (Arc::new(store.expect("the store opens")), Some(folder))
        }
        #[cfg(not(feature = "dynamodb"))]
        _ => unreachable!("a deployment of a build with DynamoDB"),
        #[cfg(feature = "dynamodb")]
        _ => {
            let (settings, client) = a_table().await;
            let store = DynamoDb::with_client(client, settings, rules, limits);
            (Arc::new(store.publishing_to(publisher)), None)
        }
    }
}

/// A new table of the DynamoDB that tests run on.
#[cfg(feature = "dynamodb")]
pub async fn a_table() -> (client::Settings, aws_sdk_dynamodb::Client) {
    let settings = client::Settings {
        endpoint: Some(super::engine::engine().endpoint.clone()),
        // A table may count polls some seconds longer than the minute; cases count exactly.
        poll_mark_interval: Duration::ZERO,
        // The machine may be busy with other tests.
        attempt_timeout: Duration::from_secs(20),
        request_timeout: Duration::from_secs(40),
        ..client::Settings::new(format!("MeshV2Table-spec-{}", unique()))
    };
    let client = client::client(&settings).await;
    let made = table::create(&client, &settings.table, "spec", "Spec").await;
    made.expect("a new table");
    (settings, client)
}
