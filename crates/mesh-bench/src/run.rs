//! One run, from the first request to the report.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args::BenchArgs;
use crate::clients::Receivers;
use crate::counters::Counters;
use crate::delivery::{SentByPublisher, check, expected};
use crate::endpoint::Endpoint;
use crate::group::{self, Group};
use crate::http_client::{HttpClient, check_endpoint};
use crate::local_server::LocalServer;
use crate::measure::{Measurement, Sampler};
use crate::platform::termination;
use crate::process::{listener_on, usage};
use crate::progress::Progress;
use crate::report::Report;
use crate::report::figures::Checked;
use crate::report::lesson::Played;
use crate::report::server::Connections;
use crate::sample::Sample;

/// A server has finished its work for new connections after this.
const SETTLE: Duration = Duration::from_millis(500);
/// Seconds of a group's life besides the ones that are asked for.
const LIFETIME_MARGIN: u32 = 5;

/// A run that is under way.
pub struct Run {
    /// The command line.
    pub args: Arc<BenchArgs>,
    /// The server.
    pub endpoint: Arc<Endpoint>,
    /// Tasks of connections.
    pub tasks: TaskTracker,
    /// What all clients add up to.
    pub counters: Arc<Counters>,
    /// The groups.
    pub groups: Vec<Arc<Group>>,
    /// Where the run is.
    pub progress: Progress,
    /// A signal came.
    pub interrupted: CancellationToken,
    /// Stops subscribers and pollers.
    pub stop: CancellationToken,
    server: Option<u32>,
}

/// Measures a server; `local` is the one that was started for the run, if any.
pub async fn run(args: &Arc<BenchArgs>, local: Option<&LocalServer>) -> anyhow::Result<Report> {
    let (url, key) = match local {
        Some(local) => (&local.endpoint, &local.key),
        None => (&args.endpoint, &args.api_key),
    };
    let endpoint = Arc::new(Endpoint::resolve(url, key).await?);
    let (tasks, interrupted) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(cancel_on_signal(interrupted.clone()));
    let client = HttpClient::connect(&endpoint, &tasks, 0).await;
    let host = check_endpoint(client, url).await?;
    if let Some(pid) = args.pid {
        usage(pid).with_context(|| format!("--pid {pid}: no such process to look at"))?;
    }
    let server = args.pid.or(local.map(LocalServer::pid));
    let server = server.or_else(|| listener_on(endpoint.local_port()?));

    let mut progress = Progress::new();
    progress.phase("groups", args.groups.into());
    let name = uuid::Uuid::new_v4().simple().to_string();
    let creating = group::create_all(&endpoint, &tasks, args, &name[..8]);
    let created = interrupted.run_until_cancelled(creating).await;
    let groups = created.context("interrupted")??;
    let counters = Arc::new(Counters::new());
    tasks.spawn(group::renew_all(
        host,
        groups.clone(),
        Arc::clone(&counters),
    ));
    let mut run = Run {
        args: Arc::clone(args),
        endpoint,
        tasks,
        counters,
        groups,
        progress,
        interrupted,
        stop: CancellationToken::new(),
        server,
    };
    let report = run.execute(url).await;
    run.progress.done();
    // A local server ends with its groups.
    if local.is_none() {
        group::dissolve_all(&run.endpoint, &run.tasks, &run.groups).await;
    }
    report
}

impl Run {
    async fn execute(&mut self, url: &str) -> anyhow::Result<Report> {
        self.check_lifetimes()?;
        let started_at = now();
        let before = Sample::take(&self.counters, self.server);
        let mut subscribers = JoinSet::new();
        let opened_in = self.start_subscribers(&mut subscribers).await?;
        sleep(SETTLE).await;
        let after = Sample::take(&self.counters, self.server);
        let (measurement, sent, checked) = if self.args.rate > 0.0 || self.args.as_fast {
            self.measure_load(subscribers).await?
        } else {
            self.measure_idle(subscribers).await?
        };
        let connections =
            Connections::new(&self.args, opened_in, &before, &after, &measurement.end);
        let mut report = Report::new(&self.args, url, started_at, self.server);
        report.fill(&measurement, &self.counters, &sent, checked, connections);
        report.lesson = self
            .args
            .lesson
            .map(|size| Played::new(size, &self.args, &report, &sent));
        Ok(report)
    }

    /// Publishes, and measures what is received.
    async fn measure_load(
        &mut self,
        subscribers: Receivers,
    ) -> anyhow::Result<(Measurement, SentByPublisher, Checked)> {
        let (seconds, warm_up) = (self.args.seconds, self.args.warm_up);
        let mut publishers = self.connect_publishers().await?;
        self.wait_until_ready(&mut publishers).await?;
        let pollers = self.start_pollers().await?;
        let publishers = self.start_publishers(publishers);
        let measurement = self
            .sampler()
            .measure(warm_up, seconds, Some(&publishers))
            .await;
        let sent = publishers.stop().await?;
        let (deliveries, polls) = expected(&sent, self.args.subscribers, self.args.pollers);
        let mut patience = Duration::from_secs(self.args.patience.into());
        if self.args.pollers > 0 {
            patience += Duration::from_secs_f64(self.args.poll_every);
        }
        self.sampler().drain(deliveries, polls, patience).await;
        // Counted before the receivers stop: a connection that ends then is not cut.
        let mut checked = Checked::expecting(deliveries, polls, &self.counters);
        self.stop.cancel();
        check(subscribers, &sent, false, &mut checked).await;
        check(pollers, &sent, true, &mut checked).await;
        Ok((measurement, sent, checked))
    }

    /// Measures idle connections; afterwards probes show that they still receive.
    async fn measure_idle(
        &mut self,
        subscribers: Receivers,
    ) -> anyhow::Result<(Measurement, SentByPublisher, Checked)> {
        let seconds = self.args.seconds;
        let measurement = self.sampler().measure(0, seconds, None).await;
        let mut publishers = self.connect_publishers().await?;
        self.wait_until_ready(&mut publishers).await?;
        let checked = Checked::expecting(0, 0, &self.counters);
        self.stop.cancel();
        subscribers.join_all().await;
        Ok((measurement, SentByPublisher::new(), checked))
    }

    fn sampler(&mut self) -> Sampler<'_> {
        Sampler {
            counters: &self.counters,
            server: self.server,
            progress: &mut self.progress,
            interrupted: &self.interrupted,
        }
    }

    /// A group's life ends at `expiresAt`, which no heartbeat moves.
    fn check_lifetimes(&self) -> anyhow::Result<()> {
        let now = now();
        let needed = i64::from(self.args.warm_up + self.args.seconds + LIFETIME_MARGIN);
        for group in &self.groups {
            let ends: Timestamp = group.expires_at.parse().context("expiresAt")?;
            let left = ends.as_second() - now.as_second();
            ensure!(
                left >= needed,
                "groups of this server end within {left} s and the run needs {needed} s: choose fewer --seconds, \
                 raise the server's MESH_DEFAULT_CONNECTION_TIME_SECONDS, or use --serve"
            );
        }
        Ok(())
    }
}

/// The wall clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the rule is the server's: its tests move the clock"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The first signal ends the run early, with a report; the second one ends the process.
async fn cancel_on_signal(interrupted: CancellationToken) {
    while termination().await.is_ok() {
        if interrupted.is_cancelled() {
            std::process::exit(130);
        }
        interrupted.cancel();
    }
}
