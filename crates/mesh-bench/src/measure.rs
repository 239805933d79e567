//! The middle of a run: warm-up, the measured seconds, the stragglers.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, interval_at, sleep};
use tokio_util::sync::CancellationToken;

use crate::people::Publishing;
use crate::process::{Usage, usage};
use crate::progress::Progress;
use crate::publisher::Sent;
use crate::report::{micros, ratio};
use crate::tally::{Tally, times};

/// Between two looks for stragglers.
const LOOK: Duration = Duration::from_millis(20);
/// Stragglers are waited for no longer than this, however slowly they come.
const STRAGGLING: Duration = Duration::from_mins(1);
/// After the last one: something heard twice may come now.
const AFTERWARDS: Duration = Duration::from_millis(200);

/// The state of a run at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Nanoseconds since the run began.
    pub at: u64,
    /// Messages published so far.
    pub published: u64,
    /// Messages heard so far.
    pub heard: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Events polled so far.
    pub polled: u64,
    /// What the server used, when it may be seen.
    pub server: Option<Usage>,
    /// What this tool used.
    pub own: Usage,
}

impl Moment {
    /// Now.
    pub fn of(tally: &Tally, pid: Option<u32>) -> Self {
        Self {
            at: tally.now(),
            published: tally.published.load(Relaxed),
            heard: tally.heard.load(Relaxed),
            bytes: tally.bytes.load(Relaxed),
            polled: tally.polled.load(Relaxed),
            server: pid.and_then(usage),
            own: usage(std::process::id()).unwrap_or_default(),
        }
    }

    /// Seconds since an earlier moment.
    pub fn seconds_since(&self, earlier: &Self) -> f64 {
        ratio(self.at - earlier.at, 1_000_000_000)
    }

    /// CPU seconds that the server used since an earlier moment.
    pub fn server_cpu_since(&self, earlier: &Self) -> Option<f64> {
        Some(self.server?.cpu - earlier.server?.cpu)
    }
}

/// One second of the run.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// Its end, in seconds since measuring began.
    pub second: f64,
    /// Messages published per second.
    pub published_per_second: f64,
    /// Messages that subscribers heard per second.
    pub delivered_per_second: f64,
    /// Median time from sending to hearing, in microseconds.
    pub p50_us: Option<f64>,
    /// 99 of 100 were heard within this, in microseconds.
    pub p99_us: Option<f64>,
    /// The server's CPU, in percent of one core.
    pub server_cpu_percent: Option<f64>,
    /// The server's memory.
    pub server_rss_bytes: Option<u64>,
}

/// The measured part of a run.
pub struct Measured {
    /// Its begin.
    pub begin: Moment,
    /// Its end.
    pub end: Moment,
    /// Second by second.
    pub series: Vec<Point>,
    /// Whether somebody ended it early.
    pub ended_early: bool,
}

/// What runs while it is measured.
pub struct Measuring<'a> {
    /// Counts.
    pub tally: &'a Tally,
    /// The server, when it may be seen.
    pub pid: Option<u32>,
    /// Where the run is.
    pub progress: &'a mut Progress,
    /// Somebody wants the end.
    pub ended: &'a CancellationToken,
}

impl Measuring<'_> {
    /// Lets the publishers warm up, then measures for `seconds`.
    /// Without publishers nothing is said: idle connections are measured.
    pub async fn run(
        &mut self,
        warm_up: u32,
        seconds: u32,
        publishers: Option<&Publishing>,
    ) -> Measured {
        self.progress.phase("warming up", warm_up.into());
        let warm_up = Duration::from_secs(warm_up.into());
        self.ended.run_until_cancelled(sleep(warm_up)).await;
        self.progress.phase("measuring", seconds.into());
        self.tally.latencies().second = times();
        self.tally.measure();
        let begin = Moment::of(self.tally, self.pid);
        let (mut series, mut last) = (Vec::new(), begin);
        let second = Duration::from_secs(1);
        let mut ticks = interval_at(Instant::now() + second, second);
        for number in 1..=u64::from(seconds) {
            let ticked = self.ended.run_until_cancelled(ticks.tick()).await;
            let now = Moment::of(self.tally, self.pid);
            // What a signal cut off is no second.
            if ticked.is_none() {
                break;
            }
            let second = self.second(&begin, &last, &now);
            self.progress.at(number, || {
                format!("s, {:.0} delivered/s", second.delivered_per_second)
            });
            series.push(second);
            last = now;
            // Nothing more comes when all publishers gave up.
            if publishers.is_some_and(Publishing::is_over) {
                break;
            }
        }
        self.tally.measure_no_more();
        Measured {
            begin,
            end: Moment::of(self.tally, self.pid),
            ended_early: series.len() < seconds as usize,
            series,
        }
    }

    fn second(&self, begin: &Moment, last: &Moment, now: &Moment) -> Point {
        let took = now.seconds_since(last);
        let heard = std::mem::replace(&mut self.tally.latencies().second, times());
        let quantile = |q| (!heard.is_empty()).then(|| micros(heard.value_at_quantile(q)));
        let per_second = |count| ratio(count, 1) / took;
        Point {
            second: now.seconds_since(begin),
            published_per_second: per_second(now.published - last.published),
            delivered_per_second: per_second(now.heard - last.heard),
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            server_cpu_percent: now.server_cpu_since(last).map(|cpu| cpu / took * 100.0),
            server_rss_bytes: now.server.map(|server| server.rss),
        }
    }

    /// Waits until all that was published is heard, or nothing new comes for `patience`.
    pub async fn stragglers(&mut self, heard: u64, polled: u64, patience: Duration) {
        self.progress.phase("stragglers", heard + polled);
        let (began, mut moved, mut so_far) = (Instant::now(), Instant::now(), 0);
        loop {
            let now = self.tally.heard.load(Relaxed).min(heard)
                + self.tally.polled.load(Relaxed).min(polled);
            if now != so_far {
                (so_far, moved) = (now, Instant::now());
            }
            let gave_up = moved.elapsed() > patience || began.elapsed() > STRAGGLING;
            if now == heard + polled || gave_up {
                break;
            }
            self.progress.at(now, String::new);
            sleep(LOOK).await;
        }
        sleep(AFTERWARDS).await;
    }
}

/// What publishers sent, by group and number.
pub type AllSent = BTreeMap<(u32, u32), Sent>;

/// How many messages subscribers, and how many events pollers, should hear of all groups.
pub fn expected(sent: &AllSent, subscribers: u32, pollers: u32) -> (u64, u64) {
    let taken = |all: u32, not: usize| u64::from(all) - not as u64;
    let messages: u64 = sent
        .values()
        .map(|sent| taken(sent.messages, sent.not_taken.len()))
        .sum();
    let events: u64 = sent
        .values()
        .map(|sent| taken(sent.events, sent.events_not_taken.len()))
        .sum();
    (
        messages * u64::from(subscribers),
        events * u64::from(pollers),
    )
}
