//! One run, from the first question to the report.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::args::BenchArgs;
use crate::caller::{Caller, is_there};
use crate::door::Door;
use crate::group::{self, Group};
use crate::measure::{AllSent, Measured, Measuring, Moment, expected};
use crate::own_server::OwnServer;
use crate::people::Listening;
use crate::process::{listener_on, usage};
use crate::progress::Progress;
use crate::report::Report;
use crate::report::figures::{Checked, Connections};
use crate::tally::Tally;

/// What a server still does for new connections is done after this.
const SETTLING: Duration = Duration::from_millis(500);
/// Seconds that groups must live beside those that are asked for.
const AROUND: u32 = 5;

/// A run that is under way.
pub struct Run {
    /// What was asked for.
    pub args: Arc<BenchArgs>,
    /// The way to the stage.
    pub door: Arc<Door>,
    /// Connections.
    pub tasks: TaskTracker,
    /// Counts.
    pub tally: Arc<Tally>,
    /// The groups.
    pub groups: Vec<Arc<Group>>,
    /// Where the run is.
    pub progress: Progress,
    /// Somebody wants the end.
    pub ended: CancellationToken,
    /// Tells listeners to stop.
    pub stop: CancellationToken,
    pid: Option<u32>,
}

/// Measures a stage: `own` is the server that was started for it, if any.
pub async fn run(args: &Arc<BenchArgs>, own: Option<&OwnServer>) -> anyhow::Result<Report> {
    let (endpoint, key) = match own {
        Some(own) => (&own.endpoint, &own.key),
        None => (&args.endpoint, &args.api_key),
    };
    let door = Arc::new(Door::at(endpoint, key).await?);
    let (tasks, ended) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(ends_on_signal(ended.clone()));
    let host = is_there(Caller::connect(&door, &tasks, 0).await, endpoint).await?;
    if let Some(pid) = args.pid {
        usage(pid).with_context(|| format!("--pid {pid}: no such process to look at"))?;
    }
    let pid = args.pid.or(own.map(OwnServer::pid));
    let pid = pid.or_else(|| listener_on(door.local_port()?));

    let mut progress = Progress::new();
    progress.phase("groups", args.groups.into());
    let name = uuid::Uuid::new_v4().simple().to_string();
    let making = group::make(&door, &tasks, args, &name[..8]);
    let made = ended.run_until_cancelled(making).await;
    let groups = made.context("interrupted")??;
    let tally = Arc::new(Tally::new());
    tasks.spawn(group::keep_alive(host, groups.clone(), Arc::clone(&tally)));
    let mut run = Run {
        args: Arc::clone(args),
        door,
        tasks,
        tally,
        groups,
        progress,
        ended,
        stop: CancellationToken::new(),
        pid,
    };
    let report = run.lesson(endpoint).await;
    run.progress.done();
    // An own server goes as a whole.
    if own.is_none() {
        group::dissolve(&run.door, &run.tasks, &run.groups).await;
    }
    report
}

impl Run {
    async fn lesson(&mut self, endpoint: &str) -> anyhow::Result<Report> {
        self.outlives_no_group()?;
        let started_at = now();
        let before = Moment::of(&self.tally, self.pid);
        let mut listening = JoinSet::new();
        let opened_in = self.subscribe(&mut listening).await?;
        sleep(SETTLING).await;
        let after = Moment::of(&self.tally, self.pid);
        let (measured, sent, checked) = if self.args.rate > 0.0 || self.args.as_fast {
            self.busy(listening).await?
        } else {
            self.idle(listening).await?
        };
        let connections = Connections::new(&self.args, opened_in, &before, &after, &measured.end);
        let mut report = Report::new(&self.args, endpoint, started_at, self.pid);
        report.fill(&measured, &self.tally, &sent, checked, connections);
        Ok(report)
    }

    /// Publishes and measures what is heard.
    async fn busy(&mut self, listening: Listening) -> anyhow::Result<(Measured, AllSent, Checked)> {
        let (seconds, warm_up) = (self.args.seconds, self.args.warm_up);
        let mut publishers = self.publishers().await?;
        self.everybody_listens(&mut publishers).await?;
        let polling = self.poll().await?;
        let publishing = self.publish(publishers);
        let measured = self
            .measuring()
            .run(warm_up, seconds, Some(&publishing))
            .await;
        let sent = publishing.stop().await?;
        let (heard, polled) = expected(&sent, self.args.subscribers, self.args.pollers);
        let mut patience = Duration::from_secs(self.args.patience.into());
        if self.args.pollers > 0 {
            patience += Duration::from_secs_f64(self.args.poll_every);
        }
        self.measuring().stragglers(heard, polled, patience).await;
        // Before the listeners end: what a server cuts off then is no fault.
        let mut checked = Checked::expecting(heard, polled, &self.tally);
        self.stop.cancel();
        Self::check(listening, &sent, false, &mut checked).await;
        Self::check(polling, &sent, true, &mut checked).await;
        Ok((measured, sent, checked))
    }

    /// Measures connections on which nothing is said, and sees that they still listen.
    async fn idle(&mut self, listening: Listening) -> anyhow::Result<(Measured, AllSent, Checked)> {
        let seconds = self.args.seconds;
        let measured = self.measuring().run(0, seconds, None).await;
        let mut publishers = self.publishers().await?;
        self.everybody_listens(&mut publishers).await?;
        let checked = Checked::expecting(0, 0, &self.tally);
        self.stop.cancel();
        listening.join_all().await;
        Ok((measured, AllSent::new(), checked))
    }

    fn measuring(&mut self) -> Measuring<'_> {
        Measuring {
            tally: &self.tally,
            pid: self.pid,
            progress: &mut self.progress,
            ended: &self.ended,
        }
    }

    /// Groups have a longest life, which no heartbeat prolongs.
    fn outlives_no_group(&self) -> anyhow::Result<()> {
        let now = now();
        let needed = i64::from(self.args.warm_up + self.args.seconds + AROUND);
        for group in &self.groups {
            let ends: Timestamp = group.expires_at.parse().context("expiresAt")?;
            let left = ends.as_second() - now.as_second();
            ensure!(
                left >= needed,
                "groups of this stage end within {left} s and the run needs {needed} s: choose fewer --seconds, \
                 raise the stage's MESH_DEFAULT_CONNECTION_TIME_SECONDS, or use --serve"
            );
        }
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the load tool shares no clock with the server"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

/// Ends when the first signal comes; a second one means now.
async fn ends_on_signal(told: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let [Ok(mut interrupt), Ok(mut terminate)] = signals else {
        return;
    };
    for _ in 0..2 {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if told.is_cancelled() {
            std::process::exit(130);
        }
        told.cancel();
    }
}
