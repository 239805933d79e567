//! The function behind AppSync, from the variables of its environment.

use std::sync::Arc;

use clap::Parser as _;

use crate::config::appsync::AppSyncArgs;
use crate::config::{BoundArgs, Cli, StageSettings};
use crate::heartbeat::clock::Clock;
use crate::heartbeat::hold::StartHold;
use crate::hub::Hub;
use crate::lambda::appsync::AppSync;
use crate::lambda::push::Push;
use crate::lambda::{Emf, Handler};
use crate::mesh::Mesh;
use crate::metrics::{Metrics, PollingLines};
use crate::projects::Projects;
use crate::stage::log_to_stderr;
use crate::store::dynamodb::DynamoDb;
use crate::store::dynamodb::client::{self, Client};

/// A handler with the environment's settings: those of `serve`, except API keys, which
/// AppSync checks, and the store, which is the table.
///
/// The table is not checked: that would cost each cold start a round trip and the function
/// one more permission. If something is wrong with it, the first call fails.
pub async fn handler() -> anyhow::Result<Handler> {
    let args = Cli::try_parse_from(["mesh-v2-lambda"])?.serve;
    log_to_stderr(&args.log)?;
    let settings = StageSettings::behind_appsync(&args)?;
    let (rules, limits) = (settings.rules, settings.limits);
    let table = args.dynamodb.settings(args.stage);
    let aws = client::aws_config(&table).await;
    let clock = Clock::system();
    let mut store = DynamoDb::with_client(Client::new(&aws), table, rules, limits).without_reaper();
    let push = match AppSyncArgs::try_parse_from(["mesh-v2-lambda"])?.settings() {
        Some(api) => Some(Arc::new(Push::new(AppSync::new(api, &aws, clock.clone())?))),
        None => None,
    };
    if let Some(push) = &push {
        store = store.publishing_to(Arc::clone(push) as _);
    }
    let hops = args.access.appsync_hops.into();
    let interval = BoundArgs::seconds(args.bounds.lambda_metrics);
    let mesh = Mesh {
        store: Arc::new(store),
        // No subscribers: AppSync delivers the messages, also those that are pushed.
        hub: Hub::new(),
        rules,
        clock,
        limits,
        memory: settings.memory,
        metrics: Metrics::default(),
        // A metric filter counts these lines.
        polling_lines: Arc::new(PollingLines::all()),
        rate_limits: crate::rate_limits::RateLimits::off(),
        start_hold: StartHold::NONE,
        projects: Projects::default(),
        domains: settings.domains,
        policy: settings.policy,
        next_since: settings.next_since,
    };
    let mut handler = Handler::new(mesh).with_domain_hops(hops);
    if let Some(push) = push {
        handler = handler.pushing(push);
    }
    if !interval.is_zero() {
        handler = handler.with_metrics(Emf::new(args.stage.name(), interval));
    }
    Ok(handler)
}
