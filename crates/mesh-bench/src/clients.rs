//! The clients of a run: subscribers, publishers and pollers are connected, started and stopped.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::delivery::SentByPublisher;
use crate::group::Group;
use crate::http_client::HttpClient;
use crate::payloads::{Operation, Payloads};
use crate::poller::Poller;
use crate::publisher::{Pace, Publisher, Sent};
use crate::report::units::ratio;
use crate::run::Run;
use crate::sequence::SequenceTracker;
use crate::subscriber::Subscriber;

/// All subscribers receive a probe within this, or the run does not begin.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// From one round of probes to the next.
const PROBE_INTERVAL: Duration = Duration::from_millis(200);

/// Running subscribers or pollers; each returns what it received of each publisher.
pub type Receivers = JoinSet<(Arc<Group>, Vec<SequenceTracker>)>;

/// Running publishers.
pub struct Publishers {
    tasks: JoinSet<(u32, u32, Sent)>,
    /// Each of them holds a clone.
    running: Arc<()>,
    stop: CancellationToken,
}

impl Publishers {
    /// Whether all of them gave up.
    pub fn have_ended(&self) -> bool {
        Arc::strong_count(&self.running) == 1
    }

    /// Stops them; returns what they sent.
    pub async fn stop(mut self) -> anyhow::Result<SentByPublisher> {
        self.stop.cancel();
        let mut all = SentByPublisher::new();
        while let Some(sent) = self.tasks.join_next().await {
            let (group, number, sent) = sent?;
            all.insert((group, number), sent);
        }
        Ok(all)
    }
}

impl Run {
    /// Opens all subscriptions, `--opening` at a time; returns how many seconds it took.
    pub async fn start_subscribers(&mut self, receivers: &mut Receivers) -> anyhow::Result<f64> {
        let total = self.args.groups * self.args.subscribers;
        let (mut opening, mut next, mut open) = (JoinSet::new(), 0, 0);
        let began = self.counters.now();
        self.progress.phase("subscribers", total.into());
        while open < total {
            ensure!(!self.interrupted.is_cancelled(), "interrupted");
            while next < total && opening.len() < self.args.opening as usize {
                let group = Arc::clone(&self.groups[(next % self.args.groups) as usize]);
                let (endpoint, protocol) = (Arc::clone(&self.endpoint), self.args.protocol);
                opening.spawn(async move {
                    Subscriber::connect(&endpoint, next, group, protocol).await
                });
                next += 1;
            }
            let opened = opening.join_next().await.context("no client connects")?;
            let subscriber = opened?.with_context(|| {
                format!(
                    "{open} of {total} subscribers listen and the next one cannot; the server may allow \
                     fewer connections (MESH_MAX_CONNECTIONS) or open files (ulimit -n)"
                )
            })?;
            receivers.spawn(subscriber.run(Arc::clone(&self.counters), self.stop.clone()));
            open += 1;
            self.progress.at(open.into(), String::new);
        }
        let took = self.counters.now() - began;
        Ok(Duration::from_nanos(took).as_secs_f64())
    }

    /// Connects the publishers, the first of every group first.
    pub async fn connect_publishers(&self) -> anyhow::Result<Vec<Publisher>> {
        let mut publishers = Vec::new();
        for number in 0..self.args.publishers {
            for group in &self.groups {
                let client = HttpClient::connect(&self.endpoint, &self.tasks, group.index).await;
                publishers.push(Publisher {
                    client: client.context("a publisher cannot connect")?,
                    group: Arc::clone(group),
                    number,
                    payloads: Payloads::new(&group.publisher(number), group, &self.args),
                    has_subscribers: self.args.subscribers > 0,
                });
            }
        }
        Ok(publishers)
    }

    /// Sends probes until every subscriber received one of its group.
    pub async fn wait_until_ready(&self, publishers: &mut [Publisher]) -> anyhow::Result<()> {
        let total = u64::from(self.args.groups) * u64::from(self.args.subscribers);
        let deadline = Instant::now() + READY_TIMEOUT;
        while self.counters.ready.load(Relaxed) < total {
            if Instant::now() > deadline {
                let ready = self.counters.ready.load(Relaxed);
                let error = self.counters.first_error();
                let why = error.map(|error| format!(": {error}")).unwrap_or_default();
                bail!("only {ready} of {total} subscribers receive their group's messages{why}");
            }
            ensure!(!self.interrupted.is_cancelled(), "interrupted");
            for publisher in &mut publishers[..self.groups.len()] {
                let probed = publisher.probe(&self.counters).await;
                probed.context("a message before the run was not taken")?;
            }
            sleep(PROBE_INTERVAL).await;
        }
        Ok(())
    }

    /// Starts the publishers.
    pub fn start_publishers(&self, publishers: Vec<Publisher>) -> Publishers {
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        let running = Arc::new(());
        let operations = Arc::new(Operation::sequence(self.args.mix));
        let total = publishers.len() as u64;
        for (place, publisher) in (0..).zip(publishers) {
            let interval = f64::from(self.args.publishers) / self.args.rate;
            let pace = if self.args.as_fast {
                Pace::Unthrottled
            } else {
                Pace::Every {
                    interval: Duration::from_secs_f64(interval),
                    // Spread over the interval: real clients do not send all at once.
                    offset: Duration::from_secs_f64(interval * ratio(place, total)),
                }
            };
            let publishing = publisher.run(
                Arc::clone(&operations),
                pace,
                Arc::clone(&self.counters),
                stop.clone(),
            );
            let running = Arc::clone(&running);
            tasks.spawn(async move {
                let sent = publishing.await;
                drop(running);
                sent
            });
        }
        Publishers {
            tasks,
            running,
            stop,
        }
    }

    /// Connects and starts the pollers, spread over the interval.
    pub async fn start_pollers(&self) -> anyhow::Result<Receivers> {
        let mut receivers = JoinSet::new();
        let total = self.args.pollers * self.args.groups;
        for place in 0..total {
            let group = &self.groups[(place % self.args.groups) as usize];
            let client = HttpClient::connect(&self.endpoint, &self.tasks, place).await;
            let interval = Duration::from_secs_f64(self.args.poll_every);
            let poller = Poller {
                client: client.context("a poller cannot connect")?,
                node: group.poller(place / self.args.groups),
                group: Arc::clone(group),
                offset: interval.mul_f64(ratio(place.into(), total.into())),
                interval,
            };
            receivers.spawn(poller.run(Arc::clone(&self.counters), self.stop.clone()));
        }
        Ok(receivers)
    }
}
