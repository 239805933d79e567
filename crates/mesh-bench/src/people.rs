//! Everybody in the run's groups: they come, listen, publish, poll, and tell what they heard.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::caller::Caller;
use crate::group::Group;
use crate::measure::AllSent;
use crate::poller::Poller;
use crate::publisher::{Pace, Publisher, Sent};
use crate::report::figures::Checked;
use crate::report::ratio;
use crate::run::Run;
use crate::seen::Seen;
use crate::subscriber::Subscriber;
use crate::words::{Verb, Words};

/// Everybody listens within this, or the run does not begin.
const LISTENING: Duration = Duration::from_secs(10);
/// From one round of probes to the next.
const PROBES: Duration = Duration::from_millis(200);

/// Listeners, each of which ends with what it heard of each publisher of its group.
pub type Listening = JoinSet<(Arc<Group>, Vec<Seen>)>;

/// Publishers at work.
pub struct Publishing {
    tasks: JoinSet<(u32, u32, Sent)>,
    /// Held by each of them.
    working: Arc<()>,
    stop: CancellationToken,
}

impl Publishing {
    /// Whether all of them gave up.
    pub fn is_over(&self) -> bool {
        Arc::strong_count(&self.working) == 1
    }

    /// Stops them and asks what they sent.
    pub async fn stop(mut self) -> anyhow::Result<AllSent> {
        self.stop.cancel();
        let mut all = AllSent::new();
        while let Some(sent) = self.tasks.join_next().await {
            let (group, number, sent) = sent?;
            all.insert((group, number), sent);
        }
        Ok(all)
    }
}

impl Run {
    /// Opens all subscriptions, so many at a time, and lets them listen; answers how long
    /// that took, in seconds.
    pub async fn subscribe(&mut self, listening: &mut Listening) -> anyhow::Result<f64> {
        let total = self.args.groups * self.args.subscribers;
        let (mut opening, mut next, mut open) = (JoinSet::new(), 0, 0);
        let began = self.tally.now();
        self.progress.phase("subscribers", total.into());
        while open < total {
            ensure!(!self.ended.is_cancelled(), "interrupted");
            while next < total && opening.len() < self.args.opening as usize {
                let group = Arc::clone(&self.groups[(next % self.args.groups) as usize]);
                let (door, protocol) = (Arc::clone(&self.door), self.args.protocol);
                opening.spawn(async move { Subscriber::open(&door, next, group, protocol).await });
                next += 1;
            }
            let opened = opening.join_next().await.context("nobody connects")?;
            let subscriber = opened?.with_context(|| {
                format!(
                    "{open} of {total} subscribers listen and the next one cannot; the server may allow \
                     fewer connections (MESH_MAX_CONNECTIONS) or open files (ulimit -n)"
                )
            })?;
            listening.spawn(subscriber.listen(Arc::clone(&self.tally), self.stop.clone()));
            open += 1;
            self.progress.at(open.into(), String::new);
        }
        let took = self.tally.now() - began;
        Ok(Duration::from_nanos(took).as_secs_f64())
    }

    /// Connects the publishers, the first of every group first.
    pub async fn publishers(&self) -> anyhow::Result<Vec<Publisher>> {
        let mut publishers = Vec::new();
        for number in 0..self.args.publishers {
            for group in &self.groups {
                let caller = Caller::connect(&self.door, &self.tasks, group.index).await;
                publishers.push(Publisher {
                    caller: caller.context("a publisher cannot connect")?,
                    group: Arc::clone(group),
                    number,
                    words: Words::of(&group.publisher(number), group, &self.args),
                    heard_by_somebody: self.args.subscribers > 0,
                });
            }
        }
        Ok(publishers)
    }

    /// Sends probes until every subscriber heard one of its group.
    pub async fn everybody_listens(&self, publishers: &mut [Publisher]) -> anyhow::Result<()> {
        let total = u64::from(self.args.groups) * u64::from(self.args.subscribers);
        let patience = tokio::time::Instant::now() + LISTENING;
        while self.tally.ready.load(Relaxed) < total {
            if tokio::time::Instant::now() > patience {
                let (ready, trouble) = (self.tally.ready.load(Relaxed), self.tally.first_trouble());
                let why = trouble.map(|why| format!(": {why}")).unwrap_or_default();
                bail!("only {ready} of {total} subscribers hear their group{why}");
            }
            ensure!(!self.ended.is_cancelled(), "interrupted");
            for publisher in &mut publishers[..self.groups.len()] {
                let probed = publisher.probe(&self.tally).await;
                probed.context("a message before the run was not taken")?;
            }
            sleep(PROBES).await;
        }
        Ok(())
    }

    /// Lets the publishers work.
    pub fn publish(&self, publishers: Vec<Publisher>) -> Publishing {
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        let working = Arc::new(());
        let row = Arc::new(Verb::row(self.args.mix));
        let total = publishers.len() as u64;
        for (place, publisher) in (0..).zip(publishers) {
            let interval = f64::from(self.args.publishers) / self.args.rate;
            let pace = if self.args.as_fast {
                Pace::Fast
            } else {
                Pace::Every {
                    interval: Duration::from_secs_f64(interval),
                    // Spread over the interval: classes do not speak in chorus.
                    offset: Duration::from_secs_f64(interval * ratio(place, total)),
                }
            };
            let publishing = publisher.publish(
                Arc::clone(&row),
                pace,
                Arc::clone(&self.tally),
                stop.clone(),
            );
            let working = Arc::clone(&working);
            tasks.spawn(async move {
                let sent = publishing.await;
                drop(working);
                sent
            });
        }
        Publishing {
            tasks,
            working,
            stop,
        }
    }

    /// Connects the pollers and lets them poll, spread over the interval.
    pub async fn poll(&self) -> anyhow::Result<Listening> {
        let mut polling = JoinSet::new();
        let total = self.args.pollers * self.args.groups;
        for place in 0..total {
            let group = &self.groups[(place % self.args.groups) as usize];
            let caller = Caller::connect(&self.door, &self.tasks, place).await;
            let every = Duration::from_secs_f64(self.args.poll_every);
            let poller = Poller {
                caller: caller.context("a poller cannot connect")?,
                node: group.poller(place / self.args.groups),
                group: Arc::clone(group),
                offset: every.mul_f64(ratio(place.into(), total.into())),
                every,
            };
            polling.spawn(poller.poll(Arc::clone(&self.tally), self.stop.clone()));
        }
        Ok(polling)
    }

    /// Compares what each listener heard with what was sent to its group; pollers hear
    /// `events` only.
    pub async fn check(listening: Listening, sent: &AllSent, events: bool, checked: &mut Checked) {
        let nothing = Seen::default();
        for (group, seen) in listening.join_all().await {
            for ((_, number), sent) in sent.range((group.index, 0)..(group.index + 1, 0)) {
                let seen = seen.get(*number as usize).unwrap_or(&nothing);
                checked.lost += if events {
                    seen.lost(sent.events, &sent.events_not_taken)
                } else {
                    seen.lost(sent.messages, &sent.not_taken)
                };
                checked.duplicated += seen.duplicated;
                checked.reordered += seen.reordered;
            }
        }
    }
}
