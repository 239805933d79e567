//! A stage behind AppSync, from the environment of its Lambda function.

use std::sync::Arc;

use clap::Parser as _;

use crate::config::{Cli, StageSettings};
use crate::heartbeat::clock::Clock;
use crate::heartbeat::hold::StartHold;
use crate::hub::Hub;
use crate::lambda::Door;
use crate::mesh::Mesh;
use crate::stage::log_to_stderr;
use crate::store::dynamodb::DynamoDb;

/// The door of the stage that the environment's settings describe: those of `serve`, but
/// for API keys, which AppSync checks, and the store, which is the table.
///
/// The table is not looked at: that would cost each cold start a round trip and the
/// function one more right. The first call that needs it says what is wrong with it.
pub async fn door() -> anyhow::Result<Door> {
    let args = Cli::try_parse_from(["mesh-v2-lambda"])?.serve;
    log_to_stderr(&args.log)?;
    let settings = StageSettings::behind_appsync(&args)?;
    let (rules, limits) = (settings.rules, settings.limits);
    let table = args.dynamodb.settings(args.stage);
    Ok(Door::new(Mesh {
        store: Arc::new(DynamoDb::connect(table, rules, limits).await),
        // Nobody listens: AppSync fans out.
        hub: Hub::new(),
        rules,
        clock: Clock::system(),
        limits,
        memory: settings.memory,
        start_hold: StartHold::NONE,
        domains: settings.domains,
        next_since: settings.next_since,
    }))
}
