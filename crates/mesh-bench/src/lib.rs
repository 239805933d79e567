//! The load tool: `mesh-v2 bench` plays many lessons at once and measures what is heard.
//!
//! It is a client like others: it knows the wire, and nothing of the server's rooms but
//! the clock. [`run`] is one run from the first connection to the report: `people`
//! come and go in it, `measure` is its middle part.

mod args;
mod caller;
mod door;
mod ear;
mod group;
mod machine;
mod measure;
mod mix;
mod own_server;
mod people;
mod poller;
mod process;
mod progress;
mod publisher;
mod report;
mod run;
mod seen;
mod socket;
mod stamp;
mod subscriber;
mod tally;
mod words;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};

pub use crate::args::BenchArgs;
use crate::own_server::OwnServer;
use crate::report::{Report, page};

/// Connections of a run at most.
const CONNECTIONS: u64 = 200_000;
/// Files beside connections.
const OTHER_FILES: u64 = 128;

/// Measures a stage and reports. An error when the stage lost, repeated, reordered or
/// misrouted anything, refused or did not answer, or when nothing was heard.
pub fn run(args: BenchArgs) -> anyhow::Result<()> {
    let connections = connections(&args)?;
    for file in [&args.json, &args.html].into_iter().flatten() {
        // Before the run, not after it.
        fs::write(file, "").with_context(|| format!("cannot write {}", file.display()))?;
    }
    let own = args
        .serve
        .map(|store| OwnServer::start(store, &args, connections))
        .transpose()?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = args.threads {
        runtime.worker_threads(threads as usize);
    }
    let runtime = runtime.enable_all().build().context("cannot start")?;
    let args = Arc::new(args);
    let report = runtime.block_on(run::run(&args, own.as_ref()))?;
    print!("{report}");
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

/// How many connections the run needs; asks the system for as many open files.
fn connections(args: &BenchArgs) -> anyhow::Result<u32> {
    ensure!(
        args.subscribers > 0 || args.rate > 0.0,
        "--rate 0 measures idle subscribers: --subscribers must be at least 1"
    );
    ensure!(
        args.pollers == 0 || args.mix.has_events(),
        "pollers hear events only: add fires or records to --mix"
    );
    ensure!(
        args.rate > 0.0 || args.pollers == 0,
        "--rate 0 measures idle subscribers: it takes no --pollers"
    );
    let in_group = u64::from(args.subscribers + args.publishers + args.pollers);
    let connections = u64::from(args.groups) * in_group;
    ensure!(
        connections <= CONNECTIONS,
        "{connections} connections are more than the {CONNECTIONS} that one run may open: choose fewer --groups or --subscribers"
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
