//! Assembles a server from its settings and runs it until a signal stops it.

mod check;
pub mod data;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
mod greeting;
mod health;
#[cfg(feature = "lambda")]
pub mod lambda;
mod lifecycle;
mod listeners;
mod reload;
mod signals;
mod teacher_key;
#[cfg(feature = "otel")]
mod traces;

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::ArgMatches;
use tokio::sync::Notify;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
#[cfg(feature = "otel")]
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::listing;
use crate::config::{BoundArgs, ServeArgs, StageSettings, StoreKind};
use crate::heartbeat::clock::Clock;
use crate::heartbeat::hold::StartHold;
use crate::hub::Hub;
use crate::mesh::Mesh;
use crate::metrics::Metrics;
use crate::projects::Projects;
use crate::rate_limits::RateLimits;
use crate::server;
use crate::stage::lifecycle::Lifecycle;
use crate::stage::reload::WatchedFiles;
use crate::store::embedded::Embedded;
use crate::store::timed::Timed;
use crate::store::{Publisher, Store};

pub use check::check;
pub use health::health;

/// The version of the program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Serves until SIGTERM or SIGINT. `given` is what the command line and the environment contain.
pub fn serve(args: &ServeArgs, given: &ArgMatches, env_file: Option<&Path>) -> anyhow::Result<()> {
    let mut settings = StageSettings::new(args)?;
    #[cfg(feature = "otel")]
    let traces = traces::Traces::start(&args.otlp, settings.stage.name())?;
    #[cfg(feature = "otel")]
    match &traces {
        Some(traces) => log_and_trace(&args.log, traces)?,
        None => log_to_stderr(&args.log)?,
    }
    #[cfg(not(feature = "otel"))]
    log_to_stderr(&args.log)?;
    let listing = listing::listing(args, given, &settings);
    let lifecycle = Lifecycle::start(&listing, args);
    for warning in listing::unknown(environment()) {
        tracing::warn!("{warning}");
    }
    allow_connections(args.bounds.max_connections);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        let hangup = Arc::new(Notify::new());
        let stop = signals::stop_on_signal(Arc::clone(&hangup))?;
        let (listeners, certificate) = listeners::open(args).await?;
        settings.server.authority = listeners::authority(args);
        let authenticator = settings.server.authenticator.clone();
        let watched = WatchedFiles::keys(settings.keys.clone(), authenticator).into_iter();
        let watched = watched.chain(certificate.map(WatchedFiles::certificate));
        let mesh = mesh(args, &settings).await?;
        // After the store, which makes its folder.
        let teacher = teacher_key::accept(args, &settings.server)?;
        greeting::print(args, &settings, &listeners, env_file, teacher.as_deref())?;
        let interval = BoundArgs::seconds(args.bounds.reload);
        tokio::select! {
            () = server::run(mesh, settings.server, listeners, stop) => {}
            never = reload::run(watched.collect(), interval, &hangup) => match never {},
        }
        #[cfg(feature = "otel")]
        if let Some(traces) = traces {
            // Nothing else runs any more: this thread may block.
            traces.stop();
        }
        lifecycle.stop();
        Ok(())
    })
}

async fn mesh(args: &ServeArgs, settings: &StageSettings) -> anyhow::Result<Mesh> {
    let (rules, limits) = (settings.rules, settings.limits);
    let memory = settings.memory.clone();
    let metrics = Metrics::default();
    let hub = Hub::counted(memory.clone(), settings.history, metrics.clone());
    let publisher = Arc::clone(&hub) as Arc<dyn Publisher>;
    let store: Arc<dyn Store> = match args.store.store {
        StoreKind::Memory => Arc::new(Embedded::in_memory_within(
            memory.clone(),
            publisher,
            rules,
            limits,
        )),
        StoreKind::Embedded => {
            let options = args.store.embedded();
            let (memory, data) = (memory.clone(), &args.store.data);
            Arc::new(Embedded::open_within(
                memory, publisher, data, options, rules, limits,
            )?)
        }
        #[cfg(feature = "dynamodb")]
        StoreKind::DynamoDb => Arc::new(dynamodb::store(args, settings, publisher).await?),
    };
    let clock = Clock::monotonic();
    let start_hold = start_hold(store.as_ref(), &clock, settings.start_hold).await;
    let store: Arc<dyn Store> = Arc::new(Timed::new(store, metrics.clone()));
    Ok(Mesh {
        rate_limits: RateLimits::new(settings.rates.as_ref(), &clock, metrics.clone()),
        store,
        hub,
        rules,
        clock,
        limits,
        memory,
        metrics,
        polling_lines: Arc::default(),
        start_hold,
        projects: Projects::default(),
        domains: settings.domains.clone(),
        policy: settings.policy,
        next_since: settings.next_since,
    })
}

/// Clients of groups that are alive are about to reconnect; without such groups no call
/// waits (decision D32).
async fn start_hold(store: &dyn Store, clock: &Clock, length: Duration) -> StartHold {
    match store.any_group_lives(clock.now()).await {
        Ok(false) => StartHold::NONE,
        Ok(true) => {
            tracing::info!(
                milliseconds = length.as_millis(),
                "groups live already: what is published waits for their members to be back"
            );
            StartHold::new(length)
        }
        Err(error) => {
            tracing::warn!(%error, "cannot find out whether groups are alive; calls do not wait for their members");
            StartHold::NONE
        }
    }
}

/// The names of the environment's variables.
fn environment() -> impl Iterator<Item = String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())
}

/// Raises the limit of open files to the number of connections.
fn allow_connections(connections: u32) {
    /// Files beside connections: the store, the listeners, the log.
    const OTHERS: u64 = 64;
    let wanted = u64::from(connections) + OTHERS;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(allowed) if allowed < wanted => tracing::info!(
            allowed,
            wanted,
            "the system allows fewer open files than MESH_MAX_CONNECTIONS needs: raise its limit (ulimit -n)"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
}

/// The filter of `--log`.
fn log_filter(filter: &str) -> anyhow::Result<EnvFilter> {
    let parsed = EnvFilter::try_new(filter);
    parsed
        .map(lifecycle::admit)
        .with_context(|| format!("--log does not understand \"{filter}\""))
}

/// Libraries that log messages, events and keys below `info`, which no filter may show.
const QUIET: [&str; 4] = [
    "tungstenite",
    "tokio_tungstenite",
    "lambda_runtime",
    "aws_smithy_runtime",
];

/// Whether `--log` may show it. A filter of its own: in that of `--log`, directives for
/// parts of a library would win.
fn is_loggable(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || !QUIET.iter().any(|it| metadata.target().starts_with(it))
}

fn log_to_stderr(filter: &str) -> anyhow::Result<()> {
    let quiet = filter_fn(is_loggable);
    let log = tracing_subscriber::fmt()
        .with_env_filter(log_filter(filter)?)
        // When the log's reader is gone, a message about that would panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        log.finish().with(quiet).init();
    } else {
        log.json().finish().with(quiet).init();
    }
    Ok(())
}

/// The same log, whose filter is of no account for the traces.
#[cfg(feature = "otel")]
fn log_and_trace(filter: &str, traces: &traces::Traces) -> anyhow::Result<()> {
    let log = tracing_subscriber::fmt::layer()
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let log = if std::io::stderr().is_terminal() {
        log.boxed()
    } else {
        log.json().boxed()
    };
    tracing_subscriber::registry()
        .with(log.with_filter(log_filter(filter)?))
        .with(traces.layer())
        .with(filter_fn(is_loggable))
        .init();
    Ok(())
}
