//! What the stages of this suite stand on, chosen by `MESH_SPEC_STORE`.

use std::sync::Arc;
#[cfg(feature = "dynamodb")]
use std::time::Duration;

use mesh_v2::heartbeat::rules::Rules;
use mesh_v2::model::limits::Limits;
use mesh_v2::store::Store;
#[cfg(feature = "dynamodb")]
use mesh_v2::store::dynamodb::{DynamoDb, client, table};
use mesh_v2::store::embedded::{Durability, Embedded};
use tempfile::TempDir;

use super::differences;
#[cfg(feature = "dynamodb")]
use super::stage::unique;

/// A new store of the chosen kind.
pub async fn store(rules: Rules, limits: Limits) -> (Arc<dyn Store>, Option<TempDir>) {
    match chosen().as_str() {
        "memory" => (Arc::new(Embedded::in_memory(rules, limits)), None),
        "embedded" => {
            let folder = tempfile::tempdir().expect("a folder for the store");
            let store = Embedded::open(folder.path(), Durability::Power, rules, limits)
                .expect("the store opens");
            (Arc::new(store), Some(folder))
        }
        #[cfg(feature = "dynamodb")]
        "dynamodb" | "appsync" => (Arc::new(on_a_table(rules, limits).await), None),
        other => panic!("MESH_SPEC_STORE is memory, embedded, dynamodb or appsync, not {other}"),
    }
}

fn chosen() -> String {
    std::env::var("MESH_SPEC_STORE").unwrap_or_else(|_| "embedded".into())
}

/// Whether AppSync is asked for.
pub fn appsync_is_asked_for() -> bool {
    chosen() == "appsync"
}

/// Whether the suite's stages stand on a table, where every call is several requests.
pub fn stands_on_a_table() -> bool {
    matches!(&*chosen(), "dynamodb" | "appsync")
}

/// Whether this test's stages stand behind AppSync: that is asked for, and the test's
/// sentence is none of those that differ there.
pub fn behind_appsync() -> bool {
    appsync_is_asked_for() && differences::here().is_none()
}

/// A store on a new table.
#[cfg(feature = "dynamodb")]
pub async fn on_a_table(rules: Rules, limits: Limits) -> DynamoDb {
    let (settings, client) = a_table().await;
    DynamoDb::with_client(client, settings, rules, limits)
}

/// A new table of the DynamoDB that tests run on.
#[cfg(feature = "dynamodb")]
pub async fn a_table() -> (client::Settings, aws_sdk_dynamodb::Client) {
    let settings = client::Settings {
        endpoint: Some(super::engine::engine().endpoint.clone()),
        // A table may count polls some seconds longer than the minute; a sentence counts exactly.
        note_polls_every: Duration::ZERO,
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
