//! The load tool behind `mesh-v2 bench`: simulates many groups at once, and measures what
//! their subscribers and pollers receive.
//!
//! It is a client like any other: it knows the protocols, and nothing of the server's crate.
//! [`run`] is one run from the first connection to the report:
//!
//! - `args`, `mix`, `lesson`: the command line; a lesson in classroom words becomes the other options
//! - `run`: the phases of a run; `clients` starts subscribers, publishers and pollers,
//!   `measure` takes samples while they work, `delivery` compares what was sent with what
//!   was received
//! - `subscriber`, `publisher`, `poller`: one client each; `group` is what they share
//! - `receiver`, `sequence`, `counters`: what was received, per subscriber, per publisher
//!   and in total
//! - `payloads`, `tag`, `documents`: what is sent
//! - `endpoint`, `http_client`, `socket`, `event_stream`: connections
//! - `local_server`, `process`, `machine`, `load`, `platform`: the server that a run starts, and
//!   the system with what else runs on it
//! - `report`: figures, a table, JSON and a page with charts

mod args;
mod clients;
mod counters;
mod delivery;
mod documents;
mod endpoint;
mod event_stream;
mod group;
mod http_client;
mod lesson;
mod load;
mod local_server;
mod machine;
mod measure;
mod mix;
mod payloads;
mod platform;
mod poller;
mod process;
mod progress;
mod publisher;
mod receiver;
mod report;
mod run;
mod sample;
mod sequence;
mod socket;
mod subscriber;
mod tag;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};

pub use crate::args::BenchArgs;
use crate::local_server::LocalServer;
use crate::report::{Report, page};

/// Connections of a run at most.
const CONNECTIONS_MAX: u64 = 200_000;
/// Open files besides connections.
const OTHER_FILES: u64 = 128;

/// Measures a server and reports. An error when messages were lost, duplicated, reordered,
/// misrouted, refused or not answered, or when nothing was delivered.
pub fn run(args: BenchArgs) -> anyhow::Result<()> {
    let args = lesson::applied(args)?;
    let connections = connections(&args)?;
    for file in [&args.json, &args.html].into_iter().flatten() {
        // Before the run: a path that cannot be written costs no measurement.
        fs::write(file, "").with_context(|| format!("cannot write {}", file.display()))?;
    }
    let local_server = args
        .serve
        .map(|store| LocalServer::start(store, &args, connections))
        .transpose()?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = args.threads {
        runtime.worker_threads(threads as usize);
    }
    let runtime = runtime.enable_all().build().context("cannot start")?;
    let args = Arc::new(args);
    let report = runtime.block_on(run::run(&args, local_server.as_ref()))?;
    // A reader that has seen enough, such as `head`, must not cost the files below.
    let _ = write!(std::io::stdout(), "{report}");
    write(args.json.as_deref(), || {
        serde_json::to_string_pretty(&report).expect("a report is JSON") + "\n"
    })?;
    write(args.html.as_deref(), || page::page(&report))?;
    verdict(&report)
}

fn write(file: Option<&Path>, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    fs::write(file, text()).with_context(|| format!("cannot write {}", file.display()))
}

fn verdict(report: &Report) -> anyhow::Result<()> {
    if report.problems.is_empty() {
        return Ok(());
    }
    bail!("{}", report.problems.join("; "))
}

/// How many connections the run needs; raises the limit of open files accordingly.
fn connections(args: &BenchArgs) -> anyhow::Result<u32> {
    ensure!(
        args.subscribers > 0 || args.rate > 0.0,
        "--rate 0 measures idle subscribers: --subscribers must be at least 1"
    );
    ensure!(
        args.pollers == 0 || args.mix.has_events(),
        "pollers receive events only: add fires or records to --mix"
    );
    ensure!(
        args.rate > 0.0 || args.pollers == 0,
        "--rate 0 measures idle subscribers: it takes no --pollers"
    );
    let per_group = u64::from(args.subscribers + args.publishers + args.pollers);
    let connections = u64::from(args.groups) * per_group;
    ensure!(
        connections <= CONNECTIONS_MAX,
        "{connections} connections are more than the {CONNECTIONS_MAX} that one run may open: choose fewer --groups or --subscribers"
    );
    let wanted = connections + OTHER_FILES;
    let allowed =
        rlimit::increase_nofile_limit(wanted).context("cannot raise the limit of open files")?;
    ensure!(
        allowed >= wanted,
        "the system allows {allowed} open files and this run needs {wanted}: raise its limit (ulimit -n)"
    );
    Ok(u32::try_from(connections)?)
}
